/* test_place_grid.c - a grid of device and host budgets: where plans exist, more of either budget
 * never takes them away, and what a refusal recommends works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"
#include "support_rounds.h"

#define LEVELS 7

/* One problem at all pairs of budgets. */
typedef struct grid {
    problem_case c;
    uint64_t device[LEVELS], host[LEVELS];
    bool has_plan[LEVELS][LEVELS];
    int64_t period_ns[LEVELS][LEVELS], bound_ns[LEVELS][LEVELS];
} grid;

/* Places at two budgets. A plan is proven and within both; a refusal says which is short. */
static dms_code place(problem_case *c, uint64_t device, uint64_t host, dms_decision *d,
                      dms_place_floor *floor) {
    const dms_place_options options = {.device_budget = device, .host_budget = host};
    dms_status st = {0};
    const dms_code code = dms_place(&c->problem, &options, &c->arena, d, floor, &st);
    if (code == DMS_OK) {
        if (dms_decision_verify(&c->problem, d, &c->arena, &st) != DMS_OK)
            fail_msg("%s", st.msg);
        assert_true(d->device_bytes <= device && d->host_bytes <= host);
        assert_false(floor->device_is_short || floor->host_is_short);
    } else {
        assert_int_equal(code, DMS_EBUDGET);
        assert_true(floor->device_is_short != floor->host_is_short);
    }
    return code;
}

/* Budgets from below the least that could do to more than everything takes. */
static void span(grid *g) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < g->c.problem.n_tensors; i++)
        all += g->c.problem.tensors[i].bytes + UNIT;
    const uint64_t floor = problem_floor(&g->c) * UNIT;
    for (uint64_t k = 0; k < LEVELS; k++) {
        g->device[k] = floor - UNIT + k * k * (all - floor) / ((LEVELS - 1) * (LEVELS - 1));
        g->host[k] = k * k * all / ((LEVELS - 1) * (LEVELS - 1));
    }
    g->device[LEVELS - 1] = 2 * all;
    g->host[LEVELS - 1] = UINT64_MAX;
}

/* A refusal names a budget of one kind that works beside the other one. */
static void recommended_works(grid *g, uint32_t d, uint32_t h, const dms_place_floor *floor) {
    dms_decision decision;
    dms_place_floor again;
    const uint64_t device = floor->device_is_short ? floor->device_bytes : g->device[d];
    const uint64_t host = floor->host_is_short ? floor->host_bytes : g->host[h];
    assert_true(device > g->device[d] || host > g->host[h]);
    assert_int_equal(place(&g->c, device, host, &decision, &again), DMS_OK);
    if (floor->device_is_short)
        assert_int_equal(place(&g->c, device - UNIT, host, &decision, &again), DMS_EBUDGET);
    else
        assert_int_equal(place(&g->c, device, host - 1, &decision, &again), DMS_EBUDGET);
}

static void fill_grid(grid *g) {
    for (uint32_t d = 0; d < LEVELS; d++)
        for (uint32_t h = 0; h < LEVELS; h++) {
            dms_decision decision;
            dms_place_floor floor;
            g->has_plan[d][h] = place(&g->c, g->device[d], g->host[h], &decision, &floor) == DMS_OK;
            if (g->has_plan[d][h]) {
                g->period_ns[d][h] = decision.period_ns;
                g->bound_ns[d][h] = decision.bound_ns;
            } else {
                recommended_works(g, d, h, &floor);
            }
        }
}

/* Plans in the grid, after proving that none is lost to the right or above. */
static uint32_t plans_stay(const grid *g) {
    uint32_t n = 0;
    for (uint32_t d = 0; d < LEVELS; d++)
        for (uint32_t h = 0; h < LEVELS; h++) {
            if (!g->has_plan[d][h])
                continue;
            n++;
            assert_true(d + 1 == LEVELS || g->has_plan[d + 1][h]);
            assert_true(h + 1 == LEVELS || g->has_plan[d][h + 1]);
            /* the ends of the grid: nothing beats the plan with room for everything by more than
             * a rounding, and every plan keeps above its own bound */
            assert_true(g->bound_ns[d][h] <= g->period_ns[d][h]);
            assert_true(g->period_ns[LEVELS - 1][LEVELS - 1] <= g->period_ns[d][h]);
        }
    return n;
}

static void grids_of_random_problems(bool is_stored) {
    uint32_t n_plans = 0, n_all = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(12, 4); seed++) {
        grid g;
        problem_random(&g.c, seed * 3 + is_stored, 4 + (uint32_t)seed % 7);
        if (is_stored)
            problem_store(&g.c);
        span(&g);
        fill_grid(&g);
        n_plans += plans_stay(&g);
        n_all += LEVELS * LEVELS;
        assert_false(g.has_plan[0][LEVELS - 1]); /* below the floor of the device */
        assert_true(g.has_plan[LEVELS - 1][0]);  /* everything stays there */
        problem_end(&g.c);
    }
    assert_true(n_plans > n_all / 4 && n_plans < n_all);
}

static void more_of_either_budget_never_takes_a_plan_away(void **state) {
    (void)state;
    grids_of_random_problems(false);
}

static void nor_where_weights_are_read_from_storage(void **state) {
    (void)state;
    grids_of_random_problems(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_of_either_budget_never_takes_a_plan_away),
        cmocka_unit_test(nor_where_weights_are_read_from_storage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
