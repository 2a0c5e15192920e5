/* test_random_plans.c - seeded random graphs: every budget gives a safe plan and the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_graph.h"
#include "support_rounds.h"
#include "support_session.h"

#define GRAPHS ROUNDS_OF(24u, 5u)
#define AMPLE (1ull << 40)

/* A weight of this shape: one made before, where `reuses` and there is one, else a new one. */
static uint32_t some_weight(graph_case *g, int64_t rows, int64_t columns, bool reuses) {
    char name[32];
    for (uint32_t t = 0; t < g->graph.n_tensors && reuses; t++)
        if (g->graph.tensor[t].origin == DMS_ORIGIN_MADE && g->graph.tensor[t].dim[0].hi == rows &&
            g->graph.tensor[t].dim[1].hi == columns)
            return t;
    (void)snprintf(name, sizeof name, "w%u", (unsigned)g->graph.n_tensors);
    return graph_weight(g, name, rows, columns, g->graph.n_tensors);
}

/* Columns of an activation: so many that products sum over two segments, or few. */
static int64_t some_width(uint64_t *seed) {
    const uint64_t k = graph_random(seed) % 4;
    return k == 3 ? 320 : 64 << k;
}

/* A chain of products, sums and functions with residuals and shared weights of 16 to 400 KiB. */
static void make_random(graph_case *g, uint64_t seed) {
    uint32_t alive[64], n_alive = 0;
    int64_t width[64];
    const int64_t rows = 1 + (int64_t)(graph_random(&seed) % 40);
    const uint32_t n_ops = 3 + (uint32_t)(graph_random(&seed) % 20);
    width[0] = some_width(&seed);
    alive[n_alive++] = graph_input(g, "x", rows, width[0]);
    for (uint32_t k = 0; k < n_ops; k++) {
        const uint32_t from =
            n_alive - 1 - (uint32_t)(graph_random(&seed) % (n_alive < 4 ? n_alive : 4));
        const uint64_t what = graph_random(&seed) % 4;
        int64_t columns = width[from];
        uint32_t partner = DMS_NONE;
        for (uint32_t j = 0; j < n_alive && what == 1; j++)
            if (j != from && width[j] == columns)
                partner = alive[j];
        if (what >= 2)
            columns = some_width(&seed);
        char name[32];
        (void)snprintf(name, sizeof name, "t%u", (unsigned)k);
        const uint32_t y = graph_result(g, name, rows, columns);
        if (what >= 2) {
            graph_matmul(g, alive[from],
                         some_weight(g, width[from], columns, graph_random(&seed) % 2 == 0), y);
        } else if (partner != DMS_NONE) {
            graph_binary(g, DMS_FN_ADD, alive[from], partner, y);
        } else {
            graph_unary(g, DMS_FN_TANH, alive[from], y);
        }
        width[n_alive] = columns;
        alive[n_alive++] = y;
    }
    graph_output(g, alive[n_alive - 1]);
    if (n_alive > 4)
        graph_output(g, alive[n_alive - 3]);
}

/* Plans the case at budgets of device and host and runs it; the plan must lie within both. Returns
 * how many readings a turn makes. */
static uint32_t must_run_with(graph_case *g, uint64_t budget, uint64_t host, uint64_t seed,
                              uint32_t threads) {
    dms_compiled c;
    dms_status st;
    if (graph_plan(g, budget, host, &c, &st) != DMS_OK)
        fail_msg("graph %u, budget %llu: %s", (unsigned)seed, (unsigned long long)budget, st.msg);
    assert_true(c.plan.device_arena <= budget);
    assert_true(c.plan.host_arena <= host);
    assert_true(c.decision.bound_ns >= c.decision.compute_ns);
    assert_true(c.decision.bound_ns <= c.decision.period_ns);
    float *input[1] = {g->value[g->input[0]]}, *want[2];
    for (uint32_t k = 0; k < g->graph.n_outputs; k++)
        want[k] = g->value[g->output[k]];
    const session_case how = {.threads = threads, .turns = 3, .poison = threads == 2};
    session_must_give(&c.plan, c.steps.consts, c.steps.n_consts, input, want, &how);
    return c.plan.body.n_cmds[DMS_QUEUE_LOAD];
}

/* With all the host memory it may want, nothing is read in a turn. */
static void must_run(graph_case *g, uint64_t budget, uint64_t seed, uint32_t threads) {
    assert_int_equal(must_run_with(g, budget, AMPLE, seed, threads), 0);
}

static void every_host_budget_gives_the_bits_of_the_uncut_graph(void **state) {
    (void)state;
    uint32_t n_reads = 0, n_tight = 0;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        graph_case g;
        graph_begin(&g);
        make_random(&g, seed);
        graph_compute(&g, 7);
        dms_compiled c;
        dms_status st;
        assert_int_equal(graph_plan(&g, AMPLE, AMPLE, &c, &st), DMS_OK);
        const uint64_t all = c.plan.device_arena, floor = c.floor.device_bytes;
        for (uint64_t part = 0; part < 3; part += ROUNDS_OF(1, 2)) {
            const uint64_t device = floor + (all - floor) * part / 4;
            (void)graph_plan(&g, device, 0, &c, &st);
            const uint64_t least = c.floor.host_bytes;
            n_tight += least > 0;
            const uint32_t threads = 1 + (uint32_t)(seed + part) % 2;
            n_reads += must_run_with(&g, device, least, seed, threads);
            n_reads += must_run_with(&g, device, least + 50000, seed, threads);
            if (least > 0)
                assert_int_equal(graph_plan(&g, device, least - 1, &c, &st), DMS_EBUDGET);
        }
        graph_end(&g);
    }
    assert_true(n_tight > GRAPHS && n_reads > ROUNDS_OF(3, 2) * GRAPHS);
}

static void a_device_that_the_host_cannot_write_may_be_fed_from_storage_too(void **state) {
    (void)state;
    uint32_t n_reads = 0;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        graph_case g;
        graph_begin(&g);
        g.profile.device_kind = DMS_DEVICE_CUDA;
        make_random(&g, seed);
        dms_compiled c;
        dms_status st;
        assert_int_equal(graph_plan(&g, AMPLE, AMPLE, &c, &st), DMS_OK);
        const uint64_t device = (c.floor.device_bytes + c.plan.device_arena) / 2;
        (void)graph_plan(&g, device, 0, &c, &st);
        for (uint64_t extra = 0; extra < 3; extra++) {
            const uint64_t host = c.floor.host_bytes + extra * 70000;
            if (graph_plan(&g, device, host, &c, &st) != DMS_OK)
                fail_msg("graph %u: %s", (unsigned)seed, st.msg);
            assert_true(c.plan.host_arena <= c.decision.host_bytes + dms_plan_stage_all(&c.plan));
            n_reads += c.plan.body.n_cmds[DMS_QUEUE_LOAD];
        }
        graph_end(&g);
    }
    assert_true(n_reads > GRAPHS / 4);
}

static void every_budget_gives_the_bits_of_the_uncut_graph(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        graph_case g;
        graph_begin(&g);
        make_random(&g, seed);
        graph_compute(&g, 7);
        dms_compiled c;
        dms_status st;
        if (graph_plan(&g, AMPLE, AMPLE, &c, &st) != DMS_OK)
            fail_msg("graph %u: %s", (unsigned)seed, st.msg);
        const uint64_t floor = c.floor.device_bytes, all = c.plan.device_arena;
        assert_true(floor >= c.floor.lower_bound_bytes);
        must_run(&g, AMPLE, seed, 1);
        must_run(&g, floor, seed, 1);
        must_run(&g, floor + (all - floor) / 4, seed, 2);
        must_run(&g, floor + (all - floor) / 2, seed, 1);
        assert_int_equal(graph_plan(&g, floor - 1, AMPLE, &c, &st), DMS_EBUDGET);
        assert_int_equal(c.floor.device_bytes, floor);
        graph_end(&g);
    }
}

/* Of the graphs here, many have weights in cells of columns and many in cells of rows. */
static void both_ways_of_cutting_are_met(void **state) {
    (void)state;
    uint32_t n_parts = 0, n_columns = 0;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        graph_case g;
        graph_begin(&g);
        make_random(&g, seed);
        dms_compiled c;
        dms_status st;
        assert_int_equal(graph_plan(&g, AMPLE, AMPLE, &c, &st), DMS_OK);
        bool has_parts = false, has_columns = false;
        for (uint32_t t = 0; t < c.plan.n_tensors; t++) {
            const dms_plan_tensor *w = &c.plan.tensor[t];
            if (w->kind != DMS_TENSOR_WEIGHT || dms_plan_cells(w) < 2)
                continue;
            has_parts |= w->cell_axis == 1;
            has_columns |= w->cell_axis == 0;
        }
        n_parts += has_parts;
        n_columns += has_columns;
        graph_end(&g);
    }
    assert_true(n_parts >= GRAPHS / 4 && n_columns >= GRAPHS / 4);
}

static void the_meaning_does_not_depend_on_the_budget(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        graph_case g;
        graph_begin(&g);
        make_random(&g, seed);
        dms_compiled all, least;
        dms_status st;
        assert_int_equal(graph_plan(&g, AMPLE, AMPLE, &all, &st), DMS_OK);
        assert_int_equal(graph_plan(&g, all.floor.device_bytes, AMPLE, &least, &st), DMS_OK);
        assert_true(dms_hash_equal(all.plan.meaning, least.plan.meaning));
        graph_end(&g);
    }
}

static void plans_for_a_device_that_the_host_cannot_write_are_safe_too(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        graph_case g;
        graph_begin(&g);
        g.profile.device_kind = DMS_DEVICE_CUDA;
        make_random(&g, seed);
        dms_compiled c;
        dms_status st;
        if (graph_plan(&g, AMPLE, AMPLE, &c, &st) != DMS_OK)
            fail_msg("graph %u: %s", (unsigned)seed, st.msg);
        assert_true(c.plan.host_arena <= c.decision.host_bytes + dms_plan_stage_all(&c.plan));
        const uint64_t budget = (c.floor.device_bytes + c.plan.device_arena) / 2;
        if (graph_plan(&g, budget, AMPLE, &c, &st) != DMS_OK)
            fail_msg("graph %u: %s", (unsigned)seed, st.msg);
        assert_true(c.plan.host_arena <= c.decision.host_bytes + dms_plan_stage_all(&c.plan));
        graph_end(&g);
    }
}

static void the_same_case_twice_gives_the_same_bytes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint8_t *data[2];
        uint64_t size[2];
        graph_case g[2];
        for (int k = 0; k < 2; k++) {
            graph_begin(&g[k]);
            make_random(&g[k], seed);
            dms_compiled c;
            dms_status st;
            assert_int_equal(graph_plan(&g[k], AMPLE, AMPLE, &c, &st), DMS_OK);
            const uint64_t budget = (c.floor.device_bytes + c.plan.device_arena) / 2;
            assert_int_equal(graph_plan(&g[k], budget, AMPLE, &c, &st), DMS_OK);
            assert_int_equal(dms_plan_encode(&c.plan, &g[k].arena, &data[k], &size[k], &st),
                             DMS_OK);
        }
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(data[0], data[1], size[0]);
        graph_end(&g[0]);
        graph_end(&g[1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_budget_gives_the_bits_of_the_uncut_graph),
        cmocka_unit_test(every_host_budget_gives_the_bits_of_the_uncut_graph),
        cmocka_unit_test(a_device_that_the_host_cannot_write_may_be_fed_from_storage_too),
        cmocka_unit_test(both_ways_of_cutting_are_met),
        cmocka_unit_test(the_meaning_does_not_depend_on_the_budget),
        cmocka_unit_test(plans_for_a_device_that_the_host_cannot_write_are_safe_too),
        cmocka_unit_test(the_same_case_twice_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
