/* test_place_slots.c - in which slot copies may begin, when everything happens, and rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

/* The `after` of the load of a tensor's only gap. */
static int32_t after_of(const draft_case *d, uint32_t tensor) {
    for (uint32_t q = 0; q < d->draft.n_loads; q++)
        if (d->cycle.gap[d->draft.load[q]].tensor == tensor)
            return d->draft.after[q];
    fail_msg("tensor %u is not loaded", (unsigned)tensor);
    return 0;
}

static bool slots(draft_case *d, int64_t budget) {
    return dms_slots(&d->cycle, &d->work, budget, DMS_SLOT_EARLY, &d->draft);
}

static void a_weight_is_loaded_a_whole_turn_ahead_where_memory_is_free(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 4, 10);
    const uint32_t w = problem_once(&d.c, DMS_PROBLEM_WEIGHT, 18, 3);
    draft_begin(&d);
    assert_true(slots(&d, 100));
    /* touched by step 3 of the turn before: slot 4 of that turn is slot 0 of this one */
    assert_int_equal(after_of(&d, w), -1);
    problem_end(&d.c);
}

static void a_load_waits_for_the_slot_that_has_room(void **state) {
    (void)state;
    /* step        0    1    2    3      a 10-unit weight is needed by step 3; budget 30
     * footprint  25   25   20   10      slots 0 and 1 have 5 units left, slot 2 has 10 */
    draft_case d;
    problem_begin(&d.c, 4, 10);
    problem_once(&d.c, DMS_PROBLEM_ACTIVATION, 25, 0);
    problem_once(&d.c, DMS_PROBLEM_ACTIVATION, 25, 1);
    problem_once(&d.c, DMS_PROBLEM_ACTIVATION, 20, 2);
    const uint32_t w = problem_once(&d.c, DMS_PROBLEM_WEIGHT, 10, 3);
    draft_begin(&d);
    assert_true(slots(&d, 30));
    assert_int_equal(after_of(&d, w), 1); /* when step 1 has ended, slot 2 opens */
    assert_false(slots(&d, 24));
    problem_end(&d.c);
}

static void stock_is_given_to_deadlines_in_order(void **state) {
    (void)state;
    /* u (step 2) and v (step 3) take 10 each; one of them fits beside steps 0 and 1 */
    draft_case d;
    problem_begin(&d.c, 4, 10);
    problem_once(&d.c, DMS_PROBLEM_ACTIVATION, 20, 0);
    problem_once(&d.c, DMS_PROBLEM_ACTIVATION, 20, 1);
    const uint32_t v = problem_once(&d.c, DMS_PROBLEM_WEIGHT, 10, 3);
    const uint32_t u = problem_once(&d.c, DMS_PROBLEM_WEIGHT, 10, 2);
    draft_begin(&d);
    assert_true(slots(&d, 30));
    assert_true(after_of(&d, u) <= -1);
    assert_int_equal(after_of(&d, v), 1);
    problem_end(&d.c);
}

static void an_input_is_not_loaded_before_slot_0_of_its_turn(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 4, 10);
    const uint32_t x = problem_once(&d.c, DMS_PROBLEM_INPUT, 5, 2);
    draft_begin(&d);
    assert_true(slots(&d, 100));
    assert_int_equal(after_of(&d, x), -1);
    problem_end(&d.c);
}

static void an_evicted_activation_returns_only_after_its_save(void **state) {
    (void)state;
    /* made by step 0 (10 ns steps), saved in 25 ns: done when step 3 has run half, so slot 4 is
     * the first that need not wait; read again by step 7 */
    draft_case d;
    problem_begin(&d.c, 8, 10);
    const uint32_t a = problem_add(&d.c, DMS_PROBLEM_ACTIVATION, 25, 2, (const uint32_t[]){0, 7});
    draft_begin(&d);
    assert_true(slots(&d, 100));
    assert_int_equal(d.draft.n_saves, 1);
    assert_int_equal(d.draft.before[a], 4);
    assert_int_equal(after_of(&d, a), 3);
    problem_end(&d.c);
}

static void a_save_is_hurried_where_its_memory_is_needed(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 8, 10);
    const uint32_t a = problem_add(&d.c, DMS_PROBLEM_ACTIVATION, 25, 2, (const uint32_t[]){0, 7});
    problem_once(&d.c, DMS_PROBLEM_ACTIVATION, 20, 2);
    draft_begin(&d);
    assert_true(slots(&d, 30)); /* 25 + 20 do not fit in slot 2: it waits for the save */
    assert_int_equal(d.draft.before[a], 2);
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.worst_step, 2); /* 25 ns of saving, 10 of them under step 1 */
    assert_int_equal(d.draft.stall_ns, 15);
    assert_int_equal(d.draft.period_ns, 95);
    problem_end(&d.c);
}

static void a_copy_that_fits_under_the_steps_costs_nothing(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 4, 10);
    problem_once(&d.c, DMS_PROBLEM_WEIGHT, 18, 3);
    draft_begin(&d);
    assert_true(slots(&d, 100));
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.period_ns, 40);
    assert_int_equal(d.draft.stall_ns, 0);
    assert_int_equal(d.draft.worst_step, -1);
    problem_end(&d.c);
}

static void loads_on_demand_add_their_whole_time(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 4, 10);
    problem_once(&d.c, DMS_PROBLEM_WEIGHT, 18, 3);
    problem_once(&d.c, DMS_PROBLEM_WEIGHT, 7, 1);
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 100, DMS_SLOT_ON_DEMAND, &d.draft));
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.period_ns, 40 + 18 + 7);
    assert_int_equal(d.draft.worst_step, 3);
    problem_end(&d.c);
}

static void a_link_that_is_too_slow_sets_the_period(void **state) {
    (void)state;
    /* 30 + 40 units a turn, 1 ns each, against 40 ns of steps */
    draft_case d;
    problem_begin(&d.c, 4, 10);
    problem_once(&d.c, DMS_PROBLEM_WEIGHT, 30, 1);
    problem_once(&d.c, DMS_PROBLEM_WEIGHT, 40, 3);
    draft_begin(&d);
    assert_true(slots(&d, 1000));
    assert_true(dms_simulate(&d.cycle, &d.work, 12, &d.draft));
    assert_int_equal(d.draft.period_ns, 70);
    problem_end(&d.c);
}

static void a_copy_takes_latency_and_rounds_up(void **state) {
    (void)state;
    const dms_link link = {.bytes_per_s = 3000000000, .latency_ns = 100};
    assert_int_equal(dms_copy_ns(&link, 9), 103);
    assert_int_equal(dms_copy_ns(&link, 10), 104);
    const dms_link fast = {.bytes_per_s = 55000000000, .latency_ns = 0};
    assert_int_equal(dms_copy_ns(&fast, 55000000000000u), 1000000000000);
    assert_int_equal(dms_copy_ns(&fast, 55000000000001u), 1000000000001);
}

static void room_answers_like_a_plain_loop(void **state) {
    (void)state;
    draft_case d;
    problem_random(&d.c, 5, 37);
    draft_begin(&d);
    int64_t plain[37];
    dms_room_fill(&d.cycle, &d.work, 1000, d.draft.keep);
    for (int32_t t = 0; t < 37; t++)
        plain[t] = 1000 - d.cycle.footprint[t];
    for (uint32_t i = 0; i < 500; i++) {
        const int32_t a = (int32_t)problem_draw(&d.c, 37);
        const int32_t b = a + 2 + (int32_t)problem_draw(&d.c, 36);
        int64_t least = INT64_MAX;
        for (int32_t t = a + 1; t < b; t++)
            least = plain[t % 37] < least ? plain[t % 37] : least;
        assert_int_equal(dms_room_least(&d.work.room, a, b), least);
        const int64_t units = (int64_t)problem_draw(&d.c, 100) - 50;
        dms_room_add(&d.work.room, a, b, units);
        for (int32_t t = a + 1; t < b; t++)
            plain[t % 37] += units;
    }
    problem_end(&d.c);
}

static void rounding_never_passes_the_budget(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        draft_case d;
        problem_random(&d.c, seed, 30);
        draft_begin(&d);
        double x[200];
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            x[g] = problem_draw(&d.c, 101) / 100.0;
        const dms_rounding how = {.budget = d.cycle.peak + 40 + (int64_t)seed, .fill = seed & 1};
        dms_round(&d.cycle, &d.work, &how, x, d.draft.keep);
        assert_true(draft_peak(&d.cycle, d.draft.keep) <= how.budget);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            if (d.cycle.gap[g].rule == DMS_GAP_LOADED)
                assert_int_equal(d.draft.keep[g], 0);
        problem_end(&d.c);
    }
}

static void rounding_spreads_a_share_of_one_half_over_the_cycle(void **state) {
    (void)state;
    /* eight equal weights, half of each: every second one stays */
    draft_case d;
    double x[8];
    problem_begin(&d.c, 8, 10);
    for (uint32_t t = 0; t < 8; t++) {
        problem_once(&d.c, DMS_PROBLEM_WEIGHT, 10, t);
        x[t] = 0.5;
    }
    draft_begin(&d);
    const dms_rounding how = {.budget = 1000};
    dms_round(&d.cycle, &d.work, &how, x, d.draft.keep);
    for (uint32_t t = 0; t < 8; t++)
        assert_int_equal(d.draft.keep[t], t % 2 == 0);
    problem_end(&d.c);
}

/* Memory of the fullest slot by a plain loop over what a draft with slots holds. */
static int64_t held_peak(const draft_case *d) {
    const int32_t n = d->cycle.n_steps;
    int64_t peak = 0;
    for (int32_t t = 0; t < n; t++) {
        int64_t sum = draft_held(&d->cycle, d->draft.keep, t);
        for (uint32_t q = 0; q < d->draft.n_loads; q++) {
            const dms_gap *gap = d->cycle.gap + d->draft.load[q];
            for (int32_t s = d->draft.after[q] + 1; s < gap->due; s++)
                if ((s + n) % n == t)
                    sum += gap->units;
        }
        peak = sum > peak ? sum : peak;
    }
    return peak;
}

static void every_slot_holds_the_budget_and_every_queue_is_in_order(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        draft_case d;
        problem_random(&d.c, seed, 12 + (uint32_t)seed % 30);
        draft_begin(&d);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            d.draft.keep[g] = d.cycle.gap[g].rule == DMS_GAP_KEPT || d.cycle.gap[g].is_saved;
        const int64_t budget = draft_peak(&d.cycle, d.draft.keep) + 70;
        assert_true(slots(&d, budget));
        assert_true(held_peak(&d) <= budget);
        for (uint32_t q = 1; q < d.draft.n_loads; q++)
            assert_true(d.draft.after[q - 1] <= d.draft.after[q]);
        assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
        assert_true(d.draft.period_ns >= d.cycle.compute_ns);
        problem_end(&d.c);
    }
}

static void saves_that_reach_into_the_next_turn_delay_its_own(void **state) {
    (void)state;
    /* step     0   1   2   3 | 0   1   2   3     the output of step 3 is on the link for 30 ns, so that
     * ns      10  10  10  10 | 10  10  10  10    of step 0 leaves from 30 to 35 of its turn: it must
     * out      [5]         [30       ][5]        not hold back a slot before slot 4. */
    draft_case d;
    memset(&d, 0, sizeof d);
    problem_begin(&d.c, 4, 10);
    const uint32_t early = problem_once(&d.c, DMS_PROBLEM_OUTPUT, 5, 0);
    (void)problem_once(&d.c, DMS_PROBLEM_OUTPUT, 30, 3);
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 100, DMS_SLOT_EARLY, &d.draft));
    assert_int_equal(d.draft.before[early], 4);
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.period_ns, 40);
    problem_end(&d.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_is_loaded_a_whole_turn_ahead_where_memory_is_free),
        cmocka_unit_test(a_load_waits_for_the_slot_that_has_room),
        cmocka_unit_test(stock_is_given_to_deadlines_in_order),
        cmocka_unit_test(an_input_is_not_loaded_before_slot_0_of_its_turn),
        cmocka_unit_test(an_evicted_activation_returns_only_after_its_save),
        cmocka_unit_test(a_save_is_hurried_where_its_memory_is_needed),
        cmocka_unit_test(a_copy_that_fits_under_the_steps_costs_nothing),
        cmocka_unit_test(loads_on_demand_add_their_whole_time),
        cmocka_unit_test(a_link_that_is_too_slow_sets_the_period),
        cmocka_unit_test(a_copy_takes_latency_and_rounds_up),
        cmocka_unit_test(room_answers_like_a_plain_loop),
        cmocka_unit_test(rounding_never_passes_the_budget),
        cmocka_unit_test(rounding_spreads_a_share_of_one_half_over_the_cycle),
        cmocka_unit_test(every_slot_holds_the_budget_and_every_queue_is_in_order),
        cmocka_unit_test(saves_that_reach_into_the_next_turn_delay_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
