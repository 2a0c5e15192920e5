/* test_plan_reads.c - plans that read weights from storage in every turn: what they look like, and
 * that the checker refuses each of them once it is broken by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "support_graph.h"

#define AMPLE (1ull << 40)
#define LAYERS 6
#define WIDTH 256

enum { COMPUTE = DMS_QUEUE_COMPUTE, IN = DMS_QUEUE_IN, LOAD = DMS_QUEUE_LOAD };

/* Six layers of 256 KiB of weights, planned with room for less than two on the device and less than
 * three on the host. */
typedef struct reads_case {
    graph_case g;
    dms_compiled c;
    dms_plan *plan;
} reads_case;

static void reads_begin(reads_case *r) {
    dms_status st;
    graph_begin(&r->g);
    uint32_t x = graph_input(&r->g, "x", 2, WIDTH);
    for (uint32_t k = 0; k < LAYERS; k++) {
        static const char *const NAME[] = {"w0", "w1", "w2", "w3", "w4", "w5"};
        static const char *const RESULT[] = {"y0", "y1", "y2", "y3", "y4", "y5"};
        const uint32_t w = graph_weight(&r->g, NAME[k], WIDTH, WIDTH, 10 + k);
        const uint32_t y = graph_result(&r->g, RESULT[k], 2, WIDTH);
        graph_matmul(&r->g, x, w, y);
        x = y;
    }
    graph_output(&r->g, x);
    (void)graph_plan(&r->g, 450000, 0, &r->c, &st);
    const uint64_t host = r->c.floor.host_bytes + 70000;
    if (graph_plan(&r->g, 450000, host, &r->c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    r->plan = &r->c.plan;
    assert_true(r->plan->body.n_cmds[LOAD] > 4);
}

static void reads_end(reads_case *r) {
    graph_end(&r->g);
}

static dms_cmd *load_at(reads_case *r, uint32_t k) {
    return &r->plan->body.cmd[LOAD][k];
}

/* The copy that takes what load k has read. */
static dms_cmd *copy_of(reads_case *r, uint32_t k) {
    for (uint32_t i = 0; i < r->plan->body.n_cmds[IN]; i++) {
        dms_cmd *cmd = &r->plan->body.cmd[IN][i];
        if (cmd->kind == DMS_CMD_COPY && cmd->from == load_at(r, k)->to)
            return cmd;
    }
    fail_msg("nobody copies load %u", (unsigned)k);
    return NULL;
}

static void a_load_lands_in_whole_pages_and_waits_for_a_copy_alone(void **state) {
    (void)state;
    reads_case r;
    reads_begin(&r);
    for (uint32_t k = 0; k < r.plan->body.n_cmds[LOAD]; k++) {
        const dms_cmd *load = load_at(&r, k);
        assert_int_equal(load->kind, DMS_CMD_LOAD);
        assert_int_equal(r.plan->buffer[load->to].arena, DMS_TIER_HOST);
        assert_int_equal(r.plan->buffer[load->to].offset % 4096, 0);
        for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
            assert_true(q == IN || load->wait_cmd[q] == DMS_NONE);
        assert_true(load->wait_cmd[IN] != DMS_NONE);
        assert_int_equal(copy_of(&r, k)->wait_cmd[LOAD], k);
    }
    reads_end(&r);
}

static void loads_at_the_head_run_into_the_turn_before(void **state) {
    (void)state;
    reads_case r;
    reads_begin(&r);
    uint32_t n_ahead = 0;
    for (uint32_t k = 0; k < r.plan->body.n_cmds[LOAD]; k++) {
        const dms_cmd *copy = copy_of(&r, k);
        n_ahead += load_at(&r, k)->is_ahead;
        /* what was read early is copied in the turn after, or early as well */
        assert_int_equal(copy->wait_back[LOAD], load_at(&r, k)->is_ahead && !copy->is_ahead);
    }
    assert_true(n_ahead > 0 && n_ahead < r.plan->body.n_cmds[LOAD]);
    reads_end(&r);
}

static void the_prologue_reads_what_the_turn_before_would_have_read_early(void **state) {
    (void)state;
    reads_case r;
    reads_begin(&r);
    const dms_program *prologue = &r.plan->prologue;
    for (uint32_t k = 0; k < r.plan->body.n_cmds[LOAD]; k++) {
        if (!load_at(&r, k)->is_ahead)
            continue;
        uint32_t found = 0;
        for (uint32_t i = 0; i < prologue->n_cmds[LOAD]; i++)
            found += prologue->cmd[LOAD][i].to == load_at(&r, k)->to &&
                     prologue->cmd[LOAD][i].from == load_at(&r, k)->from;
        assert_int_equal(found, 1);
    }
    reads_end(&r);
}

/* Breaks a plan in one way; returns the properties that may say so. */
typedef const char *breakage(reads_case *r);

static const char *a_load_that_waits_for_nothing(reads_case *r) {
    for (uint32_t k = 0; k < r->plan->body.n_cmds[LOAD]; k++)
        load_at(r, k)->wait_cmd[IN] = DMS_NONE;
    return "P3";
}

static const char *a_load_that_waits_for_the_copy_before(reads_case *r) {
    for (uint32_t k = 0; k < r->plan->body.n_cmds[LOAD]; k++)
        if (load_at(r, k)->wait_cmd[IN] > 0 && load_at(r, k)->wait_cmd[IN] != DMS_NONE) {
            load_at(r, k)->wait_cmd[IN]--;
            r->plan->body.cmd[IN][load_at(r, k)->wait_cmd[IN]].is_signal = true;
        }
    return "P3";
}

static const char *a_copy_that_does_not_wait_for_its_load(reads_case *r) {
    copy_of(r, 0)->wait_cmd[LOAD] = DMS_NONE;
    return "P3";
}

static const char *a_load_into_the_place_of_another(reads_case *r) {
    const uint32_t other = load_at(r, 1)->to;
    r->plan->buffer[load_at(r, 0)->to].offset = r->plan->buffer[other].offset;
    return "P3 P4 P6";
}

static const char *a_place_beyond_the_arena(reads_case *r) {
    r->plan->buffer[load_at(r, 0)->to].offset = r->plan->host_arena;
    return "P1";
}

static const char *a_load_of_another_weight(reads_case *r) {
    load_at(r, 0)->from = load_at(r, 1)->from;
    return "P4";
}

static const char *a_load_that_is_missing(reads_case *r) {
    dms_program *body = &r->plan->body;
    const uint32_t n = --body->n_cmds[LOAD];
    uint8_t *order = DMS_NEW(&r->g.arena, uint8_t, body->n_order);
    uint32_t left = n, used = 0;
    for (uint32_t k = 0; k < body->n_order; k++)
        if (body->order[k] != LOAD || left-- > 0)
            order[used++] = body->order[k];
    body->order = order;
    body->n_order = used;
    for (uint32_t i = 0; i < body->n_cmds[IN]; i++)
        if (body->cmd[IN][i].wait_cmd[LOAD] == n)
            body->cmd[IN][i].wait_cmd[LOAD] = DMS_NONE;
    return "P3 P4 P6";
}

static const char *an_early_load_that_the_prologue_forgot(reads_case *r) {
    dms_program *prologue = &r->plan->prologue;
    for (uint32_t k = 0; k < r->plan->body.n_cmds[LOAD]; k++)
        for (uint32_t i = 0; i < prologue->n_cmds[LOAD] && load_at(r, k)->is_ahead; i++)
            if (prologue->cmd[LOAD][i].to == load_at(r, k)->to)
                prologue->cmd[LOAD][i] = prologue->cmd[LOAD][0];
    return "P3 P4";
}

static const char *a_load_straight_to_the_device(reads_case *r) {
    load_at(r, 0)->to = copy_of(r, 0)->to;
    return "P2";
}

static const char *a_home_where_the_ring_is(reads_case *r) {
    for (uint32_t i = 0; i < r->plan->body.n_cmds[IN]; i++) {
        const dms_cmd *cmd = &r->plan->body.cmd[IN][i];
        if (cmd->kind == DMS_CMD_COPY && cmd->wait_cmd[LOAD] == DMS_NONE) {
            r->plan->buffer[cmd->from].offset = 0;
            return "P3 P4 P6";
        }
    }
    fail_msg("no home on the host");
    return NULL;
}

static const char *an_early_copy_of_a_late_load(reads_case *r) {
    for (uint32_t k = 0; k < r->plan->body.n_cmds[LOAD]; k++)
        if (load_at(r, k)->is_ahead && !copy_of(r, k)->is_ahead) {
            copy_of(r, k)->wait_back[LOAD] = 0; /* of a load that comes later in the turn */
            return "P2";
        }
    return NULL;
}

static void every_broken_plan_is_refused(void **state) {
    (void)state;
    breakage *const breakages[] = {a_load_that_waits_for_nothing,
                                   a_load_that_waits_for_the_copy_before,
                                   a_copy_that_does_not_wait_for_its_load,
                                   a_load_into_the_place_of_another,
                                   a_place_beyond_the_arena,
                                   a_load_of_another_weight,
                                   a_load_that_is_missing,
                                   an_early_load_that_the_prologue_forgot,
                                   a_load_straight_to_the_device,
                                   a_home_where_the_ring_is,
                                   an_early_copy_of_a_late_load};
    for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++) {
        reads_case r;
        dms_status st = {0};
        dms_hash meaning;
        reads_begin(&r);
        const char *wanted = breakages[i](&r);
        assert_non_null(wanted);
        if (dms_check_plan(r.plan, &r.g.arena, &meaning, &st) != DMS_EPLAN)
            fail_msg("breakage %u was not found", (unsigned)i);
        const char found[3] = {st.msg[0], st.msg[1], 0};
        if (strstr(wanted, found) == NULL)
            fail_msg("breakage %u: %s instead of %s", (unsigned)i, st.msg, wanted);
        reads_end(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_lands_in_whole_pages_and_waits_for_a_copy_alone),
        cmocka_unit_test(loads_at_the_head_run_into_the_turn_before),
        cmocka_unit_test(the_prologue_reads_what_the_turn_before_would_have_read_early),
        cmocka_unit_test(every_broken_plan_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
