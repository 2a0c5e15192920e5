/* test_view_curve.c - the curve of budgets: its ends, its order, its promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner/dmsc.h"
#include "planner/views.h"
#include "support_graph.h"
#include "support_rounds.h"

#define AMPLE (1ull << 40)
#define MOST_LINES 16u

typedef struct line {
    unsigned long long budget, arena, floor;
    long long period, bound, compute;
} line;

/* `n` products of 16 KiB each behind a slow link, planned at a third of the way. */
static void make(graph_case *g, uint32_t n, dms_compiled *c) {
    graph_begin(g);
    uint32_t x = graph_input(g, "x", 16, 64);
    for (uint32_t k = 0; k < n; k++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", (unsigned)k);
        const uint32_t w = graph_weight(g, name, 64, 64, k), a = graph_result(g, name, 16, 64);
        graph_matmul(g, x, w, a);
        x = a;
    }
    graph_output(g, x);
    g->profile.in.bytes_per_s /= 20;
    dms_status st;
    assert_int_equal(graph_plan(g, AMPLE, AMPLE, c, &st), DMS_OK);
    const uint64_t budget = (2 * c->floor.device_bytes + c->plan.device_arena) / 3;
    c->host_budget = AMPLE;
    assert_int_equal(graph_plan(g, budget, AMPLE, c, &st), DMS_OK);
    c->host_budget = AMPLE;
}

/* The lines behind the head; returns how many. */
static uint32_t read_curve(graph_case *g, const dms_compiled *c, line *out) {
    char text[200];
    uint32_t n = 0;
    dms_status st = {.msg = ""};
    FILE *file = tmpfile();
    assert_non_null(file);
    if (dms_view_curve(c, 0, &g->arena, file, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    rewind(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal(text, "device_budget_bytes,device_arena_bytes,period_ns,bound_ns,"
                              "compute_ns,floor_bytes\n");
    while (fgets(text, sizeof text, file) != NULL) {
        assert_true(n < MOST_LINES);
        line *l = &out[n++];
        assert_int_equal(sscanf(text, "%llu,%llu,%lld,%lld,%lld,%llu\n", &l->budget, &l->arena,
                                &l->period, &l->bound, &l->compute, &l->floor),
                         6);
    }
    assert_int_equal(fclose(file), 0);
    return n;
}

/* The curve of twelve products, and the plan that has room for all. */
typedef struct curve_case {
    graph_case g;
    dms_compiled c, all;
    line l[MOST_LINES];
    uint32_t n;
} curve_case;

static int begin_all(void **state) {
    curve_case *v = calloc(1, sizeof *v);
    assert_non_null(v);
    make(&v->g, 12, &v->c);
    assert_int_equal(graph_plan(&v->g, AMPLE, AMPLE, &v->all, NULL), DMS_OK);
    v->n = read_curve(&v->g, &v->c, v->l);
    *state = v;
    return 0;
}

static int end_all(void **state) {
    curve_case *v = *state;
    graph_end(&v->g);
    free(v);
    return 0;
}

static void it_goes_from_the_floor_to_where_everything_stays(void **state) {
    const curve_case *v = *state;
    assert_int_equal(v->n, 12);
    assert_int_equal(v->l[0].budget, v->c.floor.device_bytes);
    assert_int_equal(v->l[0].arena, v->c.floor.device_bytes);
    assert_int_equal(v->l[v->n - 1].budget, v->all.plan.device_arena);
    assert_int_equal(v->l[v->n - 1].period, v->all.decision.period_ns);
}

static void every_line_keeps_its_budget_and_its_certificate(void **state) {
    const curve_case *v = *state;
    const line *l = v->l;
    for (uint32_t i = 0; i < v->n; i++) {
        assert_true(l[i].arena <= l[i].budget);
        assert_true(l[i].compute <= l[i].bound && l[i].bound <= l[i].period);
        assert_int_equal(l[i].compute, v->c.decision.compute_ns);
        assert_int_equal(l[i].floor, v->c.floor.device_bytes);
        assert_true(i == 0 || l[i].budget > l[i - 1].budget);
        assert_true(i == 0 || l[i].bound <= l[i - 1].bound); /* more room binds less */
    }
    assert_true(l[v->n - 1].period < l[0].period);
}

static void a_line_is_what_a_compile_at_its_budget_finds(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c, one;
    line l[MOST_LINES];
    make(&g, 8, &c);
    const uint32_t n = read_curve(&g, &c, l);
    for (uint32_t i = 0; i < n; i += 3) {
        assert_int_equal(graph_plan(&g, l[i].budget, AMPLE, &one, NULL), DMS_OK);
        assert_int_equal(one.decision.period_ns, l[i].period);
        assert_int_equal(one.plan.device_arena, l[i].arena);
    }
    graph_end(&g);
}

static void where_the_floor_is_all_there_is_one_line(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    line l[MOST_LINES];
    make(&g, 1, &c);
    const uint32_t n = read_curve(&g, &c, l);
    assert_true(n >= 1 && n <= 2);
    assert_int_equal(l[0].budget, c.floor.device_bytes);
    graph_end(&g);
}

static void the_compile_it_is_made_from_stays_as_it_is(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    line l[MOST_LINES];
    make(&g, 6, &c);
    const int64_t period = c.decision.period_ns;
    const uint32_t n_loads = c.decision.n_loads;
    const dms_place_load first = c.decision.loads[0];
    (void)read_curve(&g, &c, l);
    assert_int_equal(c.decision.period_ns, period);
    assert_int_equal(c.decision.n_loads, n_loads);
    assert_memory_equal(&c.decision.loads[0], &first, sizeof first);
    graph_end(&g);
}

static void more_memory_never_takes_longer_and_compiles_agree_within_a_half_percent(void **state) {
    (void)state;
    for (uint32_t layers = 5; layers <= ROUNDS_OF(14, 5); layers += 3) {
        graph_case g;
        dms_compiled c, one;
        dms_curve_point p[40];
        uint32_t n;
        dms_status st = {.msg = ""};
        make(&g, layers, &c);
        if (dms_curve_points(&c, 40, &g.arena, p, &n, &st) != DMS_OK)
            fail_msg("%s", st.msg);
        assert_true(n >= 20);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(i == 0 || p[i].period_ns <= p[i - 1].period_ns);
            assert_true(i == 0 || p[i].bound_ns <= p[i - 1].bound_ns);
            assert_true(p[i].bound_ns <= p[i].period_ns && p[i].device_bytes <= p[i].budget_bytes);
            if (i % ROUNDS_OF(7, 14) != 0)
                continue;
            assert_int_equal(graph_plan(&g, p[i].budget_bytes, AMPLE, &one, NULL), DMS_OK);
            assert_true(one.decision.period_ns >= p[i].period_ns);
            assert_true(one.decision.period_ns - p[i].period_ns <= p[i].period_ns / 200);
        }
        graph_end(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_from_the_floor_to_where_everything_stays),
        cmocka_unit_test(every_line_keeps_its_budget_and_its_certificate),
        cmocka_unit_test(more_memory_never_takes_longer_and_compiles_agree_within_a_half_percent),
        cmocka_unit_test(a_line_is_what_a_compile_at_its_budget_finds),
        cmocka_unit_test(where_the_floor_is_all_there_is_one_line),
        cmocka_unit_test(the_compile_it_is_made_from_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
