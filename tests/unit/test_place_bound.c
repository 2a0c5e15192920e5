/* test_place_bound.c - the certificate is a bound, whatever the solver does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/bound_internal.h"
#include "planner/lp.h"
#include "support_problem.h"

static void a_small_program_is_solved_and_certified(void **state) {
    (void)state;
    /* least x + 2y with x + y >= 3, x <= 2, y <= 5: x = 2, y = 1, cost 4 */
    dms_arena arena = {0};
    dms_lp lp;
    dms_lp_result r;
    dms_status st;
    assert_int_equal(dms_lp_open(&arena, 2, &lp, &st), DMS_OK);
    dms_lp_column(&lp, 0, 0, 2, 1);
    dms_lp_column(&lp, 1, 0, 5, 2);
    dms_lp_put(&lp, 1, 0.25); /* coefficients of a column add up, in any order */
    dms_lp_put(&lp, 0, 1);
    dms_lp_put(&lp, 1, 0.75);
    assert_int_equal(dms_lp_row(&lp, 3, DMS_LP_FREE, &st), DMS_OK);
    assert_int_equal(dms_lp_solve(&lp, DMS_LP_RECIPE, 1000, &r, &st), DMS_OK);
    assert_true(r.is_solved);
    assert_true(r.x[0] > 1.999 && r.x[1] > 0.999 && r.x[1] < 1.001);
    assert_true(r.certificate > 3.9999 && r.certificate < 4.0001);
    dms_lp_close(&lp);
    dms_arena_free(&arena);
}

static void a_second_solve_with_other_costs_is_as_right_as_the_first(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_lp lp;
    dms_lp_result r;
    dms_status st;
    assert_int_equal(dms_lp_open(&arena, 3, &lp, &st), DMS_OK);
    for (uint32_t i = 0; i < 3; i++)
        dms_lp_column(&lp, i, 0, 1000, 1);
    for (uint32_t i = 0; i < 3; i++) {
        dms_lp_put(&lp, i, 400);
        dms_lp_put(&lp, (i + 1) % 3, 0.02);
        assert_int_equal(dms_lp_row(&lp, 30, DMS_LP_FREE, &st), DMS_OK);
    }
    for (uint32_t i = 0; i < 3; i++)
        dms_lp_put(&lp, i, 1);
    assert_int_equal(dms_lp_row(&lp, -DMS_LP_FREE, 100, &st), DMS_OK);
    assert_int_equal(dms_lp_solve(&lp, DMS_LP_RECIPE, 1000, &r, &st), DMS_OK);
    const double once = r.objective;
    for (uint32_t i = 0; i < 3; i++)
        dms_lp_column(&lp, i, 0, 1000, 2);
    dms_lp_set_high(&lp, 3, 90);
    assert_int_equal(dms_lp_solve(&lp, DMS_LP_RECIPE, 1000, &r, &st), DMS_OK);
    assert_true(r.objective > 1.999 * once && r.objective < 2.001 * once);
    assert_true(r.certificate > 1.999 * once);
    dms_lp_close(&lp);
    dms_arena_free(&arena);
}

static void a_program_that_is_stopped_has_no_point(void **state) {
    (void)state;
    problem_case c;
    dms_cycle cycle;
    dms_status st;
    problem_random(&c, 4, 60);
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    dms_lp lp;
    dms_lp_result r;
    assert_int_equal(dms_lp_open(&c.arena, 60, &lp, &st), DMS_OK);
    for (uint32_t i = 0; i < 60; i++)
        dms_lp_column(&lp, i, 0, 10, 1);
    for (uint32_t i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < 9; k++)
            dms_lp_put(&lp, (i * 7 + k * k) % 60, 1 + problem_draw(&c, 9));
        assert_int_equal(dms_lp_row(&lp, 5 + i % 7, DMS_LP_FREE, &st), DMS_OK);
    }
    assert_int_equal(dms_lp_solve(&lp, DMS_LP_RECIPE, 0, &r, &st), DMS_OK);
    assert_false(r.is_solved && r.certificate > r.objective + 1e-6);
    dms_lp_close(&lp);
    problem_end(&c);
}

static void integers_are_branched_to_the_optimum(void **state) {
    (void)state;
    /* most 5a + 4b + 3c with 2a + 3b + c <= 5, 4a + b + 2c <= 11, 3a + 4b + 2c <= 8 in integers:
     * a = 2, b = 0, c = 1 gives 13 */
    dms_arena arena = {0};
    dms_lp lp;
    dms_lp_result r;
    dms_status st;
    const double rows[3][3] = {{2, 3, 1}, {4, 1, 2}, {3, 4, 2}}, high[3] = {5, 11, 8};
    const double gain[3] = {5, 4, 3};
    assert_int_equal(dms_lp_open(&arena, 3, &lp, &st), DMS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        dms_lp_column(&lp, i, 0, 10, -gain[i]);
        lp.is_integer[i] = true;
    }
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t k = 0; k < 3; k++)
            dms_lp_put(&lp, k, rows[i][k]);
        assert_int_equal(dms_lp_row(&lp, -DMS_LP_FREE, high[i], &st), DMS_OK);
    }
    assert_int_equal(dms_lp_branch(&lp, 1000, &r, &st), DMS_OK);
    assert_true(r.is_solved);
    assert_true(r.objective < -12.999 && r.objective > -13.001);
    dms_lp_close(&lp);
    dms_arena_free(&arena);
}

/* The certificate of a problem at a budget in units. */
static int64_t bound_of(problem_case *c, uint64_t units, uint32_t groups) {
    dms_cycle cycle;
    dms_bound *bound = NULL;
    const dms_bound_aim aim = {0};
    dms_shares shares;
    dms_status st;
    if (dms_cycle_build(&c->problem, &c->arena, &cycle, &st) != DMS_OK ||
        dms_bound_open(&cycle, groups, &c->arena, &bound, &st) != DMS_OK ||
        dms_bound_solve(bound, units * UNIT, &aim, &shares, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_bound_close(bound);
    assert_true(shares.has_shares);
    assert_true((double)shares.bound_ns <= shares.value_ns * (1 + 1e-9) + 1 ||
                shares.bound_ns == cycle.compute_ns);
    for (uint32_t g = 0; g < cycle.n_gaps; g++)
        assert_true(shares.x[g] >= 0 && shares.x[g] <= 1);
    return shares.bound_ns;
}

/* The bound of a cycle when every rung of the ladder may take `limit` iterations. */
static dms_shares solve_within(const dms_cycle *cycle, uint64_t budget, uint64_t limit,
                               dms_arena *arena) {
    dms_bound *bound;
    dms_shares shares;
    dms_status st;
    assert_int_equal(dms_bound_open(cycle, 200, arena, &bound, &st), DMS_OK);
    dms_bound_limit(bound, limit);
    const dms_code code = dms_bound_solve(bound, budget, &(dms_bound_aim){0}, &shares, &st);
    dms_bound_close(bound);
    assert_int_equal(code, DMS_OK);
    return shares;
}

/* The bound of a solver that never ends, at a budget in units. */
static int64_t given_up_at(const dms_cycle *cycle, uint64_t units, dms_arena *arena) {
    const dms_shares shares = solve_within(cycle, units * UNIT, 1, arena);
    assert_false(shares.has_shares);
    assert_true(!shares.certificate || shares.bound_ns >= shares.certificate->bound_ns);
    return shares.bound_ns;
}

static void what_cannot_stay_must_be_loaded(void **state) {
    (void)state;
    /* eight weights of 100, room for 300 in all: beside the one in use 200 stay, so at least 500
     * of 800 ns of copies are needed each turn (the one in use may stay through the seam) */
    problem_case c;
    dms_cycle cycle;
    dms_status st;
    problem_begin(&c, 8, 10);
    for (uint32_t t = 0; t < 8; t++)
        problem_once(&c, DMS_PROBLEM_WEIGHT, 100, t);
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    assert_in_range(given_up_at(&cycle, 300, &c.arena), 497, 500);
    /* two stay: six copies of 100 ns, each beside no step but those of the two, 660; or one does: 700 */
    assert_in_range(bound_of(&c, 300, 200), 640, 660);
    assert_int_equal(problem_place(&c, 300).period_ns, 660);
    assert_int_equal(given_up_at(&cycle, 800, &c.arena), 80);
    problem_end(&c);
}

/* A result of 300 units leaves at a 20th of the rate at which weights come: 6,000 ns, which no
 * program is needed for; at a rate whose prices are no numbers of 64 bits, a good part of it. */
static void what_is_made_must_leave(void **state) {
    (void)state;
    problem_case c;
    dms_cycle cycle;
    dms_status st;
    problem_begin(&c, 8, 10);
    for (uint32_t t = 0; t < 8; t++)
        problem_once(&c, DMS_PROBLEM_WEIGHT, 100, t);
    problem_once(&c, DMS_PROBLEM_OUTPUT, 300, 7);
    c.problem.out.bytes_per_s /= 20;
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    assert_in_range(given_up_at(&cycle, 600, &c.arena), 5997, 6000);
    c.problem.out.bytes_per_s = 10; /* 300 x 256 bytes: 7,680 s */
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    assert_in_range(given_up_at(&cycle, 600, &c.arena), 100000000, 7680000000000);
    problem_end(&c);
}

static void stock_that_takes_memory_brings_no_more_than_its_own_link_time(void **state) {
    (void)state;
    /* step      0     1   2   3   4   5   6    The budget is 420: 20 units, one weight, may be ahead
     * ns     1000    10  10  10  10  10  10    or stay in step 0. The other three come after it, 30
     * weights         x   x   x   x            ns each with their latency: step 4 starts at 1090. The
     * others  400                     400      activation of 400 has 410 ns for its bytes, but no
     *                                          weight does. */
    problem_case c;
    problem_begin(&c, 7, 10);
    c.problem.in.latency_ns = 10;
    c.problem.steps[0].ns = 1000;
    c.problem.steps[0].scratch_bytes = 400 * UNIT;
    for (uint32_t t = 1; t <= 4; t++)
        problem_once(&c, DMS_PROBLEM_WEIGHT, 20, t);
    problem_add(&c, DMS_PROBLEM_ACTIVATION, 400, 2, (const uint32_t[]){5, 6});
    assert_in_range(bound_of(&c, 420, 200), 1118, 1120);
    assert_int_equal(problem_place(&c, 420).period_ns, 1120);
    problem_end(&c);
}

static void blocks_are_told_apart_by_the_time_of_their_bytes(void **state) {
    (void)state;
    /* ns per unit with 10 ns of latency:  10 units 2, 12 1.83, 40 1.25, 44 1.23, 400 1.03; those of
     * 8 units take more latency than transfer, and are left out */
    const uint32_t units[] = {8, 10, 12, 40, 44, 400};
    problem_case c;
    dms_cycle cycle;
    dms_bound *bound;
    dms_status st;
    problem_begin(&c, 6, 10);
    c.problem.in.latency_ns = 10;
    for (uint32_t t = 0; t < 6; t++)
        for (uint32_t k = 0; k < 2000; k += units[t])
            problem_once(&c, DMS_PROBLEM_WEIGHT, units[t], t);
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    assert_int_equal(dms_bound_open(&cycle, 200, &c.arena, &bound, &st), DMS_OK);
    assert_int_equal(bound->n_paces, 3);
    assert_int_equal(dms_bound_pace_of(bound, 8.0 * UNIT), DMS_NO_PACE);
    assert_int_equal(dms_bound_pace_of(bound, 10.0 * UNIT), 0);
    assert_int_equal(dms_bound_pace_of(bound, 12.0 * UNIT), 0);
    assert_int_equal(dms_bound_pace_of(bound, 40.0 * UNIT), 1);
    assert_int_equal(dms_bound_pace_of(bound, 44.0 * UNIT), 1);
    assert_int_equal(dms_bound_pace_of(bound, 400.0 * UNIT), 2);
    assert_true(bound->has_bytes); /* a sixth of all bytes has no pace */
    dms_bound_close(bound);
    problem_end(&c);
}

static void blocks_of_about_one_size_have_one_pace(void **state) {
    (void)state;
    problem_case c;
    dms_cycle cycle;
    dms_bound *bound;
    dms_status st;
    problem_begin(&c, 4, 10);
    c.problem.in.latency_ns = 10;
    for (uint32_t t = 0; t < 4; t++)
        problem_once(&c, DMS_PROBLEM_WEIGHT, 300 + 50 * t, t);
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    assert_int_equal(dms_bound_open(&cycle, 200, &c.arena, &bound, &st), DMS_OK);
    assert_int_equal(bound->n_paces, 1);
    assert_int_equal((int)bound->pace[0].from, 300 * UNIT);
    assert_false(bound->has_bytes);
    dms_bound_close(bound);
    problem_end(&c);
}

/* Groups of a cycle of 1,500 steps with a weight each, of any of `n` sizes. */
static uint32_t groups_of(const uint32_t *units, uint32_t n, bool is_short, uint32_t wanted) {
    problem_case c;
    dms_cycle cycle;
    dms_bound *bound;
    dms_status st;
    problem_begin(&c, 1500, 10);
    c.problem.in.latency_ns = 10;
    for (uint32_t t = 0; t < 1500; t++)
        problem_once(&c, DMS_PROBLEM_WEIGHT, units[problem_draw(&c, n)], t);
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    if (is_short)
        cycle.host_units = 100;
    assert_int_equal(dms_bound_open(&cycle, wanted, &c.arena, &bound, &st), DMS_OK);
    const uint32_t groups = bound->n_groups;
    dms_bound_close(bound);
    problem_end(&c);
    return groups;
}

static void a_program_has_no_more_groups_than_its_rows_are_worth(void **state) {
    (void)state;
    /* Equal blocks: six rows a group, so each step may be one. Of all sizes, with three paces and
     * stocks in bytes 15: at most 800. With homes a row for each gap, which leaves 700. */
    const uint32_t alike[] = {300}, mixed[] = {10, 14, 20, 40, 90, 300};
    assert_int_equal(groups_of(alike, 1, false, 1500), 1500);
    assert_in_range(groups_of(mixed, 6, false, 1500), 500, 800);
    const uint32_t with_homes = groups_of(mixed, 6, true, 1500);
    assert_true(with_homes >= 400 && with_homes < groups_of(mixed, 6, false, 1500));
    /* few groups are had at any size */
    assert_int_equal(groups_of(mixed, 6, true, 200), groups_of(mixed, 6, false, 200));
}

static void fewer_groups_never_prove_more_than_the_plan_takes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 15; seed++) {
        problem_case c;
        problem_random(&c, seed, 30);
        const uint64_t budget = problem_floor(&c) + 10 * seed;
        const dms_decision d = problem_place(&c, budget);
        assert_true(bound_of(&c, budget, 6) <= d.period_ns);
        assert_true(bound_of(&c, budget, 15) <= d.period_ns);
        assert_true(bound_of(&c, budget, 200) <= d.period_ns);
        problem_end(&c);
    }
}

static void more_memory_never_raises_the_bound(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        problem_case c;
        int64_t last = INT64_MAX;
        problem_random(&c, seed, 25);
        for (uint64_t extra = 0; extra < 500; extra += 50) {
            const int64_t bound = bound_of(&c, problem_floor(&c) + extra, 200);
            assert_true(bound - 1 <= last); /* the margin of the certificate */
            last = bound;
        }
        problem_end(&c);
    }
}

/* 40 equal layers of seven weights behind a link that is three times too slow: many plans are as
 * fast. Returns the bytes of all weights, in units. */
static uint64_t equal_layers(problem_case *c, int64_t latency_ns, dms_cycle *out_cycle) {
    const uint64_t units[] = {64, 8, 8, 64, 224, 224, 224};
    dms_status st;
    uint64_t all = 0;
    problem_begin(c, 280, 30);
    c->problem.in.latency_ns = latency_ns;
    for (uint32_t t = 0; t < 280; t++) {
        c->problem.steps[t].ns = (int64_t)units[t % 7] / 3;
        problem_once(c, DMS_PROBLEM_WEIGHT, units[t % 7], t);
        all += units[t % 7];
    }
    assert_int_equal(dms_cycle_build(&c->problem, &c->arena, out_cycle, &st), DMS_OK);
    return all;
}

/* With ties the program takes 1,000 to 1,050 iterations, without 650 to 700, and the true costs a
 * few from there. */
static void equal_layers_are_asked_about_without_ties(void **state) {
    (void)state;
    problem_case c;
    dms_cycle cycle;
    const uint64_t room = equal_layers(&c, 2, &cycle) * 69 / 100;
    const dms_shares whole = solve_within(&cycle, room * UNIT, 0, &c.arena);
    const dms_shares without_ties = solve_within(&cycle, room * UNIT, 850, &c.arena);
    assert_true(whole.has_shares && without_ties.has_shares);
    assert_int_equal(without_ties.bound_ns, whole.bound_ns);
    problem_end(&c);
}

static void a_solver_that_never_ends_leaves_what_cannot_stay(void **state) {
    (void)state;
    problem_case c;
    dms_cycle cycle;
    const uint64_t all = equal_layers(&c, 0, &cycle), room = all * 62 / 100;
    const dms_shares whole = solve_within(&cycle, room * UNIT, 0, &c.arena);
    const dms_shares given_up = solve_within(&cycle, room * UNIT, 40, &c.arena);
    assert_true(whole.has_shares && !given_up.has_shares);
    assert_true(whole.bound_ns > (int64_t)(all - room));
    assert_in_range(given_up.bound_ns, all - room - 3, all - room); /* 1 ns a unit */
    assert_int_equal(given_up.certificate->bound_ns, given_up.bound_ns);
    assert_true(given_up.bound_ns < whole.bound_ns);
    problem_end(&c);
}

/* What was made dearer to break ties must not be in the figure that is printed. */
static void what_breaks_ties_is_in_no_bound(void **state) {
    (void)state;
    /* eight weights of 100 units, no time to compute: beside the one in use two of eight stay, and
     * the copies of the others are all there is; 1e-4 more of any of them would be 60 ns */
    problem_case c;
    dms_cycle cycle;
    dms_status st;
    problem_begin(&c, 8, 1);
    for (uint32_t t = 0; t < 8; t++) {
        c.problem.steps[t].ns = 0;
        problem_once(&c, DMS_PROBLEM_WEIGHT, 100000, t);
    }
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    const dms_shares shares = solve_within(&cycle, (uint64_t)300000 * UNIT, 0, &c.arena);
    assert_true(shares.has_shares);
    assert_in_range(shares.bound_ns, 499990, 600000);
    assert_true(shares.value_ns - (double)shares.bound_ns < 2);
    assert_true((double)shares.bound_ns - shares.value_ns < 2);
    problem_end(&c);
}

/* The bound with stocks in bytes beside those in link time, or without. */
static int64_t bound_with(const dms_cycle *cycle, uint64_t units, bool has_bytes,
                          uint32_t *out_rows, dms_arena *arena) {
    dms_bound *bound;
    dms_shares shares;
    dms_status st;
    assert_int_equal(dms_bound_open(cycle, 200, arena, &bound, &st), DMS_OK);
    bound->has_bytes = has_bytes;
    const dms_code code = dms_bound_solve(bound, units * UNIT, &(dms_bound_aim){0}, &shares, &st);
    assert_int_equal(code, DMS_OK);
    assert_true(shares.has_shares);
    *out_rows = bound->lp.n_rows;
    dms_bound_close(bound);
    return shares.bound_ns;
}

static void stocks_in_bytes_add_rows_but_nothing_to_prove_where_blocks_are_alike(void **state) {
    (void)state;
    for (int64_t latency_ns = 0; latency_ns <= 2; latency_ns++) {
        problem_case c;
        dms_cycle cycle;
        const uint64_t all = equal_layers(&c, latency_ns, &cycle);
        for (uint32_t eighth = 1; eighth < 8; eighth += 2) {
            uint32_t many, few;
            const uint64_t room = all * eighth / 8;
            const int64_t with = bound_with(&cycle, room, true, &many, &c.arena);
            const int64_t without = bound_with(&cycle, room, false, &few, &c.arena);
            assert_in_range(without, with - with / 10000 - 1, with + 1);
            assert_true(4 * few <= 3 * many);
        }
        problem_end(&c);
    }
}

/* A stock takes memory whether or not its bytes have a column of their own. */
static void a_stock_in_link_time_takes_memory(void **state) {
    (void)state;
    /* Step 0 computes for 600 ns, steps 1 to 4 for none: 400 units, 100 for each of these, come
     * during step 0 as far as there is room. 600 ns with room for them all; with room for 300, the
     * one in use among them, at least 100 are left to come afterwards. */
    problem_case c;
    dms_cycle cycle;
    dms_status st;
    uint32_t rows;
    problem_begin(&c, 5, 1);
    c.problem.steps[0].ns = 600;
    for (uint32_t t = 1; t < 5; t++) {
        c.problem.steps[t].ns = 0;
        problem_once(&c, DMS_PROBLEM_WEIGHT, 100, t);
    }
    assert_int_equal(dms_cycle_build(&c.problem, &c.arena, &cycle, &st), DMS_OK);
    for (int has_bytes = 0; has_bytes < 2; has_bytes++) {
        assert_int_equal(bound_with(&cycle, 401, has_bytes, &rows, &c.arena), 600);
        assert_in_range(bound_with(&cycle, 300, has_bytes, &rows, &c.arena), 698, 700);
    }
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_program_is_solved_and_certified),
        cmocka_unit_test(a_second_solve_with_other_costs_is_as_right_as_the_first),
        cmocka_unit_test(a_program_that_is_stopped_has_no_point),
        cmocka_unit_test(integers_are_branched_to_the_optimum),
        cmocka_unit_test(what_cannot_stay_must_be_loaded),
        cmocka_unit_test(what_is_made_must_leave),
        cmocka_unit_test(stock_that_takes_memory_brings_no_more_than_its_own_link_time),
        cmocka_unit_test(blocks_are_told_apart_by_the_time_of_their_bytes),
        cmocka_unit_test(blocks_of_about_one_size_have_one_pace),
        cmocka_unit_test(a_program_has_no_more_groups_than_its_rows_are_worth),
        cmocka_unit_test(fewer_groups_never_prove_more_than_the_plan_takes),
        cmocka_unit_test(more_memory_never_raises_the_bound),
        cmocka_unit_test(equal_layers_are_asked_about_without_ties),
        cmocka_unit_test(a_solver_that_never_ends_leaves_what_cannot_stay),
        cmocka_unit_test(what_breaks_ties_is_in_no_bound),
        cmocka_unit_test(stocks_in_bytes_add_rows_but_nothing_to_prove_where_blocks_are_alike),
        cmocka_unit_test(a_stock_in_link_time_takes_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
