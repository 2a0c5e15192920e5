/* test_place_cycle.c - gaps, footprints, deadlines and host bytes of a problem. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/placer.h"
#include "support_problem.h"

static dms_cycle compiled(problem_case *c) {
    dms_cycle cycle;
    dms_status st;
    if (dms_problem_check(&c->problem, &st) != DMS_OK ||
        dms_cycle_build(&c->problem, &c->arena, &cycle, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return cycle;
}

static void check_gap(const dms_gap *gap, uint32_t index, int32_t a, int32_t b, int32_t due,
                      dms_gap_rule rule) {
    assert_int_equal(gap->index, index);
    assert_int_equal(gap->a, a);
    assert_int_equal(gap->b, b);
    assert_int_equal(gap->due, due);
    assert_int_equal(gap->rule, rule);
}

static void the_last_gap_of_a_weight_wraps(void **state) {
    (void)state;
    /* step     0  1  2  3  4  5  6  7      w is touched by 1, 2 and 6: the gap 1..2 holds no step,
     * w           x  x           x         2..6 and 6..9 (1 of the next turn) do */
    problem_case c;
    problem_begin(&c, 8, 10);
    problem_add(&c, DMS_PROBLEM_WEIGHT, 5, 3, (const uint32_t[]){1, 2, 6});
    const dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.n_gaps, 2);
    check_gap(cycle.gap, 1, 2, 6, 6, DMS_GAP_FREE);
    check_gap(cycle.gap + 1, 2, 6, 9, 1, DMS_GAP_FREE);
    assert_false(cycle.gap[0].is_saved || cycle.gap[0].opens);
    problem_end(&c);
}

static void an_activation_has_no_gap_over_the_seam(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 8, 10);
    const uint32_t a =
        problem_add(&c, DMS_PROBLEM_ACTIVATION, 5, 4, (const uint32_t[]){1, 2, 4, 7});
    const dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.n_gaps, 2);
    check_gap(cycle.gap, 1, 2, 4, 4, DMS_GAP_FREE);
    check_gap(cycle.gap + 1, 2, 4, 7, 7, DMS_GAP_FREE);
    assert_int_equal(cycle.write_end[a], 2); /* steps 1 and 2 may both write it */
    assert_int_equal(cycle.last_touch[a], 7);
    assert_true(cycle.gap[0].is_saved && cycle.gap[0].opens);
    assert_true(cycle.gap[1].is_saved && !cycle.gap[1].opens);
    problem_end(&c);
}

static void an_input_is_loaded_over_every_wrap(void **state) {
    (void)state;
    /* touched by the first and the last step: its wrap holds no step, and is a load all the same */
    problem_case c;
    problem_begin(&c, 8, 10);
    problem_add(&c, DMS_PROBLEM_INPUT, 5, 2, (const uint32_t[]){0, 7});
    const dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.n_gaps, 2);
    check_gap(cycle.gap, 0, 0, 7, 7, DMS_GAP_FREE);
    check_gap(cycle.gap + 1, 1, 7, 8, 0, DMS_GAP_LOADED);
    problem_end(&c);
}

static void an_output_stays_until_its_last_reader(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 8, 10);
    problem_add(&c, DMS_PROBLEM_OUTPUT, 5, 2, (const uint32_t[]){2, 6});
    const dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.n_gaps, 1);
    check_gap(cycle.gap, 0, 2, 6, 6, DMS_GAP_KEPT);
    problem_end(&c);
}

static void footprints_count_in_units_rounded_up(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 3, 10);
    problem_add(&c, DMS_PROBLEM_WEIGHT, 2, 2, (const uint32_t[]){0, 2});
    const uint32_t odd = problem_once(&c, DMS_PROBLEM_WEIGHT, 1, 2);
    c.problem.tensors[odd].bytes = UNIT + 1;
    c.problem.steps[1].scratch_bytes = 1;
    c.problem.steps[2].scratch_bytes = 3 * UNIT;
    const dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.units[odd], 2);
    assert_int_equal(cycle.footprint[0], 2);
    assert_int_equal(cycle.footprint[1], 1);
    assert_int_equal(cycle.footprint[2], 2 + 2 + 3);
    assert_int_equal(cycle.peak, 7);
    assert_int_equal(cycle.peak_step, 2);
    assert_int_equal(cycle.largest, 2);
    assert_int_equal(cycle.compute_ns, 30);
    problem_end(&c);
}

static void deadlines_are_listed_by_step(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        problem_case c;
        problem_random(&c, seed, 17);
        const dms_cycle cycle = compiled(&c);
        uint32_t seen = 0;
        for (int32_t t = 0; t < 17; t++)
            for (uint32_t i = cycle.due_first[t]; i < cycle.due_first[t + 1]; i++) {
                assert_int_equal(cycle.gap[cycle.by_due[i]].due, t);
                if (i > cycle.due_first[t]) /* small ones first */
                    assert_true(cycle.gap[cycle.by_due[i - 1]].units <=
                                cycle.gap[cycle.by_due[i]].units);
                seen++;
            }
        assert_int_equal(seen, cycle.n_gaps);
        problem_end(&c);
    }
}

static void a_layer_begins_to_load_when_the_one_before_begins(void **state) {
    (void)state;
    /* step    0  1  2  3  4  5  6  7  8  9 10 11
     * layer   0  0  0  0  1  1  1  1  2  2  2  2  layer 0 looks back at layer 2, a turn ago */
    problem_case c;
    problem_begin(&c, 12, 10);
    const dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.layer_start[0], -4);
    assert_int_equal(cycle.layer_start[3], -4);
    assert_int_equal(cycle.layer_start[5], 0);
    assert_int_equal(cycle.layer_start[11], 4);
    problem_end(&c);
}

static void inputs_cannot_come_sooner_than_slot_0(void **state) {
    (void)state;
    /* 15 ns of input for step 0; 40 more for step 2, which would start 20 ns after step 0 */
    problem_case c;
    problem_begin(&c, 4, 10);
    problem_once(&c, DMS_PROBLEM_INPUT, 15, 0);
    problem_once(&c, DMS_PROBLEM_INPUT, 40, 2);
    const dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.compute_ns, 40);
    assert_int_equal(cycle.release_ns, 40 + (15 + 40 - 20));
    const dms_decision d = problem_place(&c, 100);
    assert_int_equal(d.period_ns, cycle.release_ns);
    problem_end(&c);
}

/* Host bytes of these keeps, without a limit. */
static uint64_t host_bytes(problem_case *c, dms_cycle *cycle, const uint8_t *keep, uint32_t ring) {
    dms_draft draft;
    dms_work work;
    dms_status st;
    cycle->prologue_ring = ring;
    assert_int_equal(dms_draft_new(cycle, &c->arena, &draft, &st), DMS_OK);
    assert_int_equal(dms_work_new(cycle, &c->arena, &work, &st), DMS_OK);
    memcpy(draft.keep, keep, cycle->n_gaps);
    assert_true(dms_homes_choose(cycle, &work, &draft));
    return dms_homes_bytes(cycle, &draft);
}

static void the_host_holds_what_is_streamed_or_comes_back(void **state) {
    (void)state;
    problem_case c;
    uint8_t keep[8] = {0};
    problem_begin(&c, 8, 10);
    problem_once(&c, DMS_PROBLEM_INPUT, 50, 1);                               /* gap 0 */
    problem_once(&c, DMS_PROBLEM_WEIGHT, 7, 2);                               /* gap 1 */
    problem_add(&c, DMS_PROBLEM_WEIGHT, 11, 2, (const uint32_t[]){1, 5});     /* 2, 3 */
    problem_add(&c, DMS_PROBLEM_ACTIVATION, 13, 2, (const uint32_t[]){0, 4}); /* 4 */
    problem_add(&c, DMS_PROBLEM_OUTPUT, 17, 1, (const uint32_t[]){7});
    dms_cycle cycle = compiled(&c);
    assert_int_equal(cycle.n_gaps, 5);
    assert_int_equal(host_bytes(&c, &cycle, keep, 0), (7 + 11 + 13) * UNIT);
    keep[1] = keep[2] = 1; /* a weight with one gap loaded still has its home on the host */
    assert_int_equal(host_bytes(&c, &cycle, keep, 2), (11 + 13) * UNIT);
    assert_int_equal(host_bytes(&c, &cycle, keep, 4), 4 * 7 * UNIT); /* the prologue wants more */
    keep[3] = keep[4] = 1;
    assert_int_equal(host_bytes(&c, &cycle, keep, 2), 2 * 11 * UNIT);
    assert_int_equal(host_bytes(&c, &cycle, keep, 0), 0);
    problem_end(&c);
}

static void a_difference_array_adds_to_every_slot_of_a_run(void **state) {
    (void)state;
    for (int32_t first = -9; first < 9; first++)
        for (int32_t last = first - 1; last < first + 20; last++) {
            int64_t diff[8] = {0}, sum = 0;
            dms_diff_add(diff, 7, first, last, 3);
            for (int32_t t = 0; t < 7; t++) {
                int64_t want = 0;
                for (int32_t s = first; s <= last; s++)
                    want += ((s % 7) + 7) % 7 == t ? 3 : 0;
                sum += diff[t];
                assert_int_equal(sum, want);
            }
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_gap_of_a_weight_wraps),
        cmocka_unit_test(an_activation_has_no_gap_over_the_seam),
        cmocka_unit_test(an_input_is_loaded_over_every_wrap),
        cmocka_unit_test(an_output_stays_until_its_last_reader),
        cmocka_unit_test(footprints_count_in_units_rounded_up),
        cmocka_unit_test(deadlines_are_listed_by_step),
        cmocka_unit_test(a_layer_begins_to_load_when_the_one_before_begins),
        cmocka_unit_test(inputs_cannot_come_sooner_than_slot_0),
        cmocka_unit_test(the_host_holds_what_is_streamed_or_comes_back),
        cmocka_unit_test(a_difference_array_adds_to_every_slot_of_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
