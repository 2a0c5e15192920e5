/* test_place_busy.c - a block that comes is there as a whole while the link brings it, in the bound,
 * by hand. A unit is 256 bytes; the link carries one unit a ns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/bound_internal.h"
#include "support_problem.h"

#define BLOCK 3000 /* units of the heavy weight */

/* Steps 0 to 3 of 1,000 ns, a weight of 3,000 units for step 0 alone. Beside what they use the
 * device has nothing left in step 1, `second` units in step 2, and the weight fits in step 3. */
static void late_block(problem_case *c, uint64_t second) {
    const uint64_t left[] = {0, 0, second, BLOCK};
    const uint32_t first = 0;
    problem_begin(c, 4, 1000);
    (void)problem_add(c, DMS_PROBLEM_WEIGHT, BLOCK, 1, &first);
    for (uint32_t t = 1; t < 4; t++)
        c->problem.steps[t].scratch_bytes = (BLOCK - left[t]) * UNIT;
}

/* Whatever `second` is below 3,000, the copy begins with step 3: 1,000 of its 3,000 ns are covered,
 * and a period is 6,000. Where the bound counts only what has come, `second` units come in step 2:
 * 5,000 with 1,000 of them. But as long as any copy runs in step 2 it asks for 3,000 units: on an
 * average over the step a third of that is there, so the copy runs for a third of it at most. */
static void a_block_comes_in_a_step_only_where_all_of_it_fits(void **state) {
    (void)state;
    static const int64_t bounds[][2] = {{0, 6000}, {900, 5700}, {1000, 5666}, {1500, 5500}};
    for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
        problem_case c;
        late_block(&c, (uint64_t)bounds[k][0]);
        const dms_decision d = problem_place(&c, BLOCK);
        assert_int_equal(d.period_ns, 6000);
        assert_in_range(d.bound_ns, bounds[k][1] - 2, bounds[k][1]);
        problem_end(&c);
    }
}

/* 3,000 units fit into step 2 as well: 2,000 ns are covered. */
static void a_block_that_fits_comes_for_nothing(void **state) {
    (void)state;
    problem_case c;
    late_block(&c, BLOCK);
    const dms_decision d = problem_place(&c, BLOCK);
    assert_int_equal(d.period_ns, 5000);
    assert_in_range(d.bound_ns, 4998, 5000);
    problem_end(&c);
}

/* 100 units for step 3 are less than a twentieth of all: they may come in step 2, where the large
 * block may not. So may 100 ns of the large block as far as the bound knows, 1,000 units being left
 * for 3,000 in a third of the step: 5,567 at least, and both are there after 6,000. */
static void a_light_block_comes_where_a_heavy_one_does_not_fit(void **state) {
    (void)state;
    problem_case c;
    const uint32_t last = 3;
    late_block(&c, 1000);
    (void)problem_add(&c, DMS_PROBLEM_WEIGHT, 100, 1, &last);
    const dms_decision d = problem_place(&c, BLOCK + 100);
    assert_int_equal(d.period_ns, 6000);
    assert_in_range(d.bound_ns, 5500, 5700);
    problem_end(&c);
}

/* Which weights are heavy: all but the smallest whose copies take a twentieth of the time, if the
 * least of them has a third of what a byte's block has on an average; else none. */
static void the_smallest_twentieth_is_light(void **state) {
    (void)state;
    static const uint64_t heavy[] = {0, 1000}; /* with 6 weights of 10 units, with 5 */
    for (uint32_t n_light = 6; n_light >= 5; n_light--) {
        problem_case c;
        dms_cycle cycle;
        dms_bound *bound;
        dms_status st;
        problem_begin(&c, 8, 1000);
        for (uint32_t t = 0; t <= n_light; t++)
            (void)problem_add(&c, DMS_PROBLEM_WEIGHT, t < n_light ? 10 : 1000, 1, &t);
        if (dms_cycle_build(&c.problem, &c.arena, &cycle, &st) != DMS_OK ||
            dms_bound_open(&cycle, 200, &c.arena, &bound, &st) != DMS_OK)
            fail_msg("%s", st.msg);
        assert_true(bound->heavy == (double)(heavy[6 - n_light] * UNIT));
        dms_bound_close(bound);
        problem_end(&c);
    }
}

/* A step that takes no time says nothing of what comes during it; nor do several steps at once. */
static void only_single_steps_that_take_time_are_asked(void **state) {
    (void)state;
    problem_case c;
    dms_cycle cycle;
    dms_bound *fine, *coarse;
    dms_status st;
    late_block(&c, 1000);
    c.problem.steps[1].ns = 0;
    if (dms_cycle_build(&c.problem, &c.arena, &cycle, &st) != DMS_OK ||
        dms_bound_open(&cycle, 200, &c.arena, &fine, &st) != DMS_OK ||
        dms_bound_open(&cycle, 2, &c.arena, &coarse, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_true(dms_bound_carrying(fine, 0) > 0 && dms_bound_carrying(fine, 2) > 0);
    assert_true(dms_bound_carrying(fine, 1) == 0);
    assert_true(coarse->n_groups < 4);
    for (uint32_t g = 0; g < coarse->n_groups; g++)
        assert_true((dms_bound_carrying(coarse, g) > 0) ==
                    (coarse->group[g].first == coarse->group[g].last && coarse->group[g].time > 0));
    dms_bound_close(fine);
    dms_bound_close(coarse);
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_comes_in_a_step_only_where_all_of_it_fits),
        cmocka_unit_test(a_block_that_fits_comes_for_nothing),
        cmocka_unit_test(a_light_block_comes_where_a_heavy_one_does_not_fit),
        cmocka_unit_test(the_smallest_twentieth_is_light),
        cmocka_unit_test(only_single_steps_that_take_time_are_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
