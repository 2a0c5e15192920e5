/* test_view_trace.c - the predicted trace: the plan's commands, run on paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planner/dmsc.h"
#include "planner/views.h"
#include "schema/trace.h"
#include "support_graph.h"
#include "support_plan.h"

#define MANY_TURNS 20u

/* 1,024 bytes take 1 ns, both ways. */
static dms_profile fast_links(void) {
    const dms_link link = {1024000000000, 0};
    return (dms_profile){.in = link, .out = link, .load = link, .store = link};
}

static void expect_span(const dms_trace *t, uint32_t turn, dms_queue q, uint32_t k, int64_t begin,
                        int64_t end) {
    const dms_trace_span *span = dms_trace_at(t, turn, q, k);
    if (span->begin_ns != begin || span->end_ns != end)
        fail_msg("turn %u, %s %u: %lld..%lld, wanted %lld..%lld", (unsigned)turn, dms_queue_name(q),
                 (unsigned)k, (long long)span->begin_ns, (long long)span->end_ns, (long long)begin,
                 (long long)end);
}

static void a_command_begins_when_its_queue_is_free_and_its_waits_are_met(void **state) {
    (void)state;
    /* Steps take 100, 100, 10, 200, 10 ns, x 1 ns a way, a cell of W1 16 ns. The clock starts at
     * 1. */
    case_plan c;
    dms_trace t;
    case_make(&c);
    const dms_profile profile = fast_links();
    assert_int_equal(dms_trace_predict(&c.plan, &profile, 2, &c.arena, &t, NULL), DMS_OK);
    expect_span(&t, 0, IN, 0, 1, 2);          /* x */
    expect_span(&t, 0, OUT, 0, 2, 3);         /* x leaves */
    expect_span(&t, 0, COMPUTE, 0, 2, 102);   /* W1[0] came in the prologue */
    expect_span(&t, 0, IN, 1, 102, 118);      /* W1[1] over W1[0] */
    expect_span(&t, 0, COMPUTE, 1, 118, 218); /* a stall of 16 ns */
    expect_span(&t, 0, IN, 2, 218, 234);      /* W1[0] for turn 1, beside relu */
    expect_span(&t, 0, COMPUTE, 2, 218, 228);
    expect_span(&t, 0, COMPUTE, 3, 228, 428);
    expect_span(&t, 0, IN, 3, 428, 429); /* x comes back */
    expect_span(&t, 0, COMPUTE, 4, 429, 439);
    expect_span(&t, 0, OUT, 1, 439, 440);
    expect_span(&t, 1, IN, 0, 439, 440); /* over what step 4 of turn 0 read */
    expect_span(&t, 1, COMPUTE, 0, 440, 540);
    expect_span(&t, 1, COMPUTE, 4, 867, 877); /* a period of 438 ns */
    case_free(&c);
}

static void a_latency_counts_for_every_copy(void **state) {
    (void)state;
    case_plan c;
    dms_trace t;
    case_make(&c);
    dms_profile profile = fast_links();
    profile.in.latency_ns = 1000;
    profile.out.latency_ns = 10;
    assert_int_equal(dms_trace_predict(&c.plan, &profile, 1, &c.arena, &t, NULL), DMS_OK);
    expect_span(&t, 0, IN, 0, 1, 1002);
    expect_span(&t, 0, OUT, 0, 1002, 1013);
    expect_span(&t, 0, COMPUTE, 0, 1002, 1102);
    case_free(&c);
}

/* Six products in a row, by turns wide and narrow. */
static void make(graph_case *g) {
    graph_begin(g);
    uint32_t x = graph_input(g, "x", 16, 64);
    for (uint32_t k = 0; k < 6; k++) {
        char name[2][16];
        (void)snprintf(name[0], sizeof name[0], "w%u", (unsigned)k);
        (void)snprintf(name[1], sizeof name[1], "a%u", (unsigned)k);
        const int64_t rows = k % 2 ? 256 : 64, columns = k % 2 ? 64 : 256;
        const uint32_t w = graph_weight(g, name[0], rows, columns, k);
        const uint32_t a = graph_result(g, name[1], 16, columns);
        graph_matmul(g, x, w, a);
        x = a;
    }
    graph_output(g, x);
}

static int64_t end_of_turn(const dms_trace *t, uint32_t turn) {
    return dms_trace_at(t, turn, COMPUTE, t->plan->body.n_cmds[COMPUTE] - 1)->end_ns;
}

static void the_steady_state_has_the_period_of_the_plan(void **state) {
    (void)state;
    const uint64_t all = 6 * 64 * 256 * 4;
    for (uint64_t percent = 30; percent <= 120; percent += 10) {
        graph_case g;
        dms_compiled c;
        dms_trace t;
        make(&g);
        dms_status st = {.msg = ""};
        const dms_code code = graph_plan(&g, all * percent / 100, UINT64_MAX / 4, &c, &st);
        if (code != DMS_OK)
            fail_msg("%u %%: %s", (unsigned)percent, st.msg);
        assert_int_equal(dms_trace_predict(&c.plan, &c.profile, MANY_TURNS, &g.arena, &t, NULL),
                         DMS_OK);
        const int64_t two = end_of_turn(&t, MANY_TURNS - 1) - end_of_turn(&t, MANY_TURNS - 3);
        assert_int_equal((two + 1) / 2, c.decision.period_ns);
        graph_end(&g);
    }
}

static void the_live_bytes_never_pass_the_arenas(void **state) {
    (void)state;
    const uint64_t all = 6 * 64 * 256 * 4;
    for (uint64_t percent = 30; percent <= 120; percent += 10) {
        graph_case g;
        dms_compiled c;
        dms_trace t;
        dms_trace_level *level;
        uint32_t n;
        make(&g);
        dms_status st = {.msg = ""};
        assert_int_equal(graph_plan(&g, all * percent / 100, UINT64_MAX / 4, &c, &st), DMS_OK);
        assert_int_equal(dms_trace_predict(&c.plan, &c.profile, 4, &g.arena, &t, NULL), DMS_OK);
        const uint64_t size[2] = {c.plan.device_arena, c.plan.host_arena};
        for (uint32_t tier = 0; tier < 2; tier++) {
            assert_int_equal(dms_trace_levels(&t, (dms_tier)tier, &g.arena, &level, &n, NULL),
                             DMS_OK);
            for (uint32_t i = 0; i < n; i++)
                assert_in_range(level[i].bytes, 0, size[tier]);
            assert_int_equal(n == 0 ? 0 : level[n - 1].bytes, 0); /* all that came has gone */
        }
        graph_end(&g);
    }
}

static void a_view_of_a_compile_says_predicted(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    char text[400] = "";
    make(&g);
    assert_int_equal(graph_plan(&g, 1 << 20, UINT64_MAX / 4, &c, NULL), DMS_OK);
    c.plan.model = "m.onnx";
    c.plan.profile = "cpu";
    FILE *out = tmpfile();
    assert_non_null(out);
    assert_int_equal(dms_view_trace(&c, &g.arena, out, NULL), DMS_OK);
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = 0;
    assert_non_null(strstr(text, "\"times\": \"predicted\""));
    assert_int_equal(fclose(out), 0);
    graph_end(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_begins_when_its_queue_is_free_and_its_waits_are_met),
        cmocka_unit_test(a_latency_counts_for_every_copy),
        cmocka_unit_test(the_steady_state_has_the_period_of_the_plan),
        cmocka_unit_test(the_live_bytes_never_pass_the_arenas),
        cmocka_unit_test(a_view_of_a_compile_says_predicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
