/* test_place_later.c - loads that take memory when the link gets to them: earliest slots in a room,
 * what slots hold afterwards, and what it gains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

/* By a plain walk back from the deadline. */
static int32_t walk_back(const int64_t *free_units, int32_t n, int32_t first, int32_t due,
                         int64_t units) {
    int32_t slot = due;
    while (slot > first && free_units[(slot - 1 + n) % n] >= units)
        slot--;
    return slot;
}

static void the_earliest_slot_is_behind_the_last_that_is_too_full(void **state) {
    (void)state;
    uint32_t n_first = 0, n_wrapped = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        draft_case d;
        draft_random(&d, seed, 3 + (uint32_t)seed % 21);
        const int32_t n = d.cycle.n_steps;
        for (int32_t t = 0; t < n; t++)
            d.work.free_units[t] = problem_draw(&d.c, 12);
        dms_room_take(&d.work);
        const int32_t at = (int32_t)problem_draw(&d.c, (uint32_t)n);
        dms_room_add(&d.work.room, at - 1 + n, at + 1 + n,
                     3); /* one slot, after the room is built */
        d.work.free_units[at] += 3;
        for (int32_t due = 0; due < n; due++)
            for (int32_t first = due - n + 1; first <= due; first++)
                for (int64_t units = 0; units < 14; units += 2) {
                    const int32_t slot = walk_back(d.work.free_units, n, first, due, units);
                    assert_int_equal(dms_room_earliest(&d.work.room, first, due, units), slot);
                    n_first += slot == first && first < due;
                    n_wrapped += slot < 0;
                }
        problem_end(&d.c);
    }
    assert_true(n_first > 100 && n_wrapped > 100);
}

/* What slots hold with a draft's loads: gaps kept, footprints, loads from their slot on. */
static int64_t held_with_loads(const draft_case *d, int32_t slot) {
    const int32_t n = d->cycle.n_steps;
    int64_t sum = draft_held(&d->cycle, d->draft.keep, slot);
    for (uint32_t q = 0; q < d->draft.n_loads; q++) {
        const dms_gap *gap = d->cycle.gap + d->draft.load[q];
        for (int32_t s = d->draft.after[q] + 1; s < gap->due; s++)
            if ((s + n) % n == slot)
                sum += gap->units;
    }
    return sum;
}

static void later_slots_hold_the_budget_and_never_begin_before_they_may(void **state) {
    (void)state;
    uint32_t n_run = 0, n_later = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        draft_case d;
        draft_random(&d, seed, 4 + (uint32_t)seed % 17);
        for (uint32_t g = 0; g < d.cycle.n_gaps;
             g++) { /* activations stay: saves hold memory too */
            const dms_gap *gap = d.cycle.gap + g;
            d.draft.keep[g] = gap->rule == DMS_GAP_KEPT || gap->is_saved ||
                              (gap->rule == DMS_GAP_FREE && problem_draw(&d.c, 3) == 0);
        }
        const int64_t budget = draft_peak(&d.cycle, d.draft.keep) + problem_draw(&d.c, 60);
        if (dms_slots(&d.cycle, &d.work, budget, DMS_SLOT_EARLY, &d.draft) &&
            dms_simulate(&d.cycle, &d.work, 6, &d.draft)) {
            const uint32_t n_loads = d.draft.n_loads;
            dms_queue_leads(&d.cycle, &d.work, &d.draft, 1, d.work.start);
            dms_slots_later(&d.cycle, &d.work, d.work.start, &d.draft);
            assert_int_equal(d.draft.n_loads, n_loads);
            for (uint32_t q = 0; q < n_loads; q++) {
                const dms_gap *gap = d.cycle.gap + d.draft.load[q];
                const int32_t earliest = gap->a - (gap->b - gap->due);
                assert_true(d.draft.after[q] >= earliest && d.draft.after[q] < gap->due);
                assert_true(d.draft.after[q] + 1 >= d.work.start[d.draft.load[q]]);
                n_later += d.draft.after[q] > earliest;
            }
            for (int32_t t = 0; t < d.cycle.n_steps; t++)
                assert_true(held_with_loads(&d, t) <= budget);
            assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
            n_run++;
        }
        problem_end(&d.c);
    }
    assert_true(n_run > 80 && n_later > 100);
}

static void memory_that_waits_for_the_link_is_left_to_others(void **state) {
    (void)state;
    /* step     0    1    2    3    4    5    Three weights of 40 units are due at 5, and one of 10
     * ns      20   20   20   20   20   20    at 3. Copies take 1 ns per unit: 130 of 120 ns, so the
     * link is never idle, and the order of deadlines (3, then 5) is the best there is. */
    placer_case p;
    memset(&p.c, 0, sizeof p.c);
    problem_begin(&p.c, 6, 20);
    (void)problem_once(&p.c, DMS_PROBLEM_WEIGHT, 10, 3);
    for (uint32_t i = 0; i < 3; i++)
        (void)problem_once(&p.c, DMS_PROBLEM_WEIGHT, 40, 5);
    placer_begin(&p, 10);
    memset(p.placer.trial.keep, 0, p.cycle.n_gaps);
    assert_true(dms_placer_score(&p.placer, DMS_NO_PERIOD, &p.placer.trial));
    /* 130 units do not fit beside what is used: the three of step 5 come while nothing else runs */
    assert_true(p.placer.trial.period_ns >= 130);
    const int64_t scored = p.placer.trial.period_ns;
    assert_true(
        dms_slots(&p.cycle, &p.placer.work, p.placer.budget, DMS_SLOT_EARLY, &p.placer.trial) &&
        dms_simulate(&p.cycle, &p.placer.work, 6, &p.placer.trial));
    assert_true(scored <= p.placer.trial.period_ns);
    problem_end(&p.c);
}

static void scoring_gains_on_most_random_drafts_and_loses_on_few(void **state) {
    (void)state;
    uint32_t n_better = 0, n_worse = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        placer_case p;
        problem_random(&p.c, seed, 20 + (uint32_t)seed % 20);
        placer_begin(&p, 40 + (int64_t)seed % 80);
        dms_placer *placer = &p.placer;
        for (uint32_t g = 0; g < p.cycle.n_gaps; g++)
            placer->trial.keep[g] = p.cycle.gap[g].rule == DMS_GAP_KEPT || p.cycle.gap[g].is_saved;
        const bool fits =
            dms_slots(&p.cycle, &placer->work, placer->budget, DMS_SLOT_EARLY, &placer->trial) &&
            dms_simulate(&p.cycle, &placer->work, 6, &placer->trial);
        const int64_t plain = placer->trial.period_ns;
        if (fits && dms_placer_score(placer, DMS_NO_PERIOD, &placer->trial)) {
            n_better += placer->trial.period_ns < plain;
            n_worse += placer->trial.period_ns > plain;
        }
        problem_end(&p.c);
    }
    assert_true(n_better > 3 * n_worse && n_better > 10);
}

/* Rooms of many blocks against an array: what is added, over the seam too, and what is least. */
static void a_room_of_many_blocks_says_what_an_array_says(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        draft_case d;
        draft_random(&d, seed, 40 + 23 * (uint32_t)seed);
        const int32_t n = d.cycle.n_steps;
        assert_true(d.work.room.n_blocks > 2);
        for (int32_t t = 0; t < n; t++)
            d.work.free_units[t] = 50 + problem_draw(&d.c, 12);
        dms_room_take(&d.work);
        for (uint32_t i = 0; i < 60; i++) {
            const int32_t a = (int32_t)problem_draw(&d.c, (uint32_t)n);
            const int32_t b = a + 1 + (int32_t)problem_draw(&d.c, (uint32_t)n);
            const int64_t units = (int64_t)problem_draw(&d.c, 30) - 15;
            int64_t least = INT64_MAX, all = INT64_MAX;
            dms_room_add(&d.work.room, a, b, units);
            for (int32_t t = a + 1; t < b; t++) {
                d.work.free_units[t % n] += units;
                if (d.work.free_units[t % n] < least)
                    least = d.work.free_units[t % n];
            }
            for (int32_t t = 0; t < n; t++)
                all = d.work.free_units[t] < all ? d.work.free_units[t] : all;
            assert_true(dms_room_least(&d.work.room, a, b) == least);
            assert_int_equal(dms_room_minimum(&d.work.room), all);
            const int32_t due = (int32_t)problem_draw(&d.c, (uint32_t)n);
            const int32_t first = due - (int32_t)problem_draw(&d.c, (uint32_t)n);
            for (int64_t wanted = all; wanted < all + 30; wanted += 7)
                assert_int_equal(dms_room_earliest(&d.work.room, first, due, wanted),
                                 walk_back(d.work.free_units, n, first, due, wanted));
        }
        problem_end(&d.c);
    }
}

/* Six steps of 100 ns, an input of 20 ns for the first, weights of 150 ns for step 2, 200 ns for
 * step 3, `last` for step 5. Each may come from the step behind its last use on: at -300, -200 and
 * 0. Returns the period with the queue as slots give it, and as list scheduling does. */
static void queue_an_input(int64_t last, int64_t *out_period, int64_t *out_queued) {
    draft_case d;
    problem_begin(&d.c, 6, 100);
    (void)problem_once(&d.c, DMS_PROBLEM_INPUT, 20, 0);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 150, 2);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 200, 3);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, (uint64_t)last, 5);
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 2000, DMS_SLOT_EARLY, &d.draft));
    assert_int_equal(d.draft.n_loads, 4);
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    *out_period = d.draft.period_ns;
    assert_true(dms_queue_by_deadline(&d.cycle, &d.work, &d.draft));
    *out_queued = d.draft.period_ns;
    problem_end(&d.c);
}

static void a_link_with_time_to_spare_waits_for_the_input(void **state) {
    (void)state;
    int64_t period, queued;
    /* the second weight is on the link from -150 to 50, the input until 70: 600 + 70 */
    queue_an_input(40, &period, &queued);
    assert_int_equal(period, 670);
    /* the link waits from -150 to 0, the input is there at 20 and the weight at 220, step 3 being
     * at 320: 600 + 20 */
    assert_int_equal(queued, 620);
}

static void a_link_without_time_to_spare_waits_for_no_input(void **state) {
    (void)state;
    int64_t period, queued;
    /* 20 + 150 + 200 + 260 of 620 ns: a pause would make it longer still */
    queue_an_input(260, &period, &queued);
    assert_int_equal(period, 670);
    assert_int_equal(queued, 630);
}

/* Six steps of 100 ns, an input of 20 ns for the first, weights of 150 ns for step 1, 200 ns for
 * step 2 and 300 ns for step 4, all of which may come from the step behind their last use on: by
 * their slots the input comes last. With slot 0 opening at 0:
 *
 *   slots       [150 ][200   ][300       ][in]    from -400 to 270, steps from 270 on: 870
 *   deadlines   [150 ][200   ][in][300       ]    from -300 to 370, steps from 70 on: no pause, 670
 *
 * Who believes the link to be free when the first weight may come has all three before slot 0. */
static void what_a_turn_leaves_on_the_link_counts_in_the_next(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 6, 100);
    const uint32_t input = problem_once(&d.c, DMS_PROBLEM_INPUT, 20, 0);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 150, 1);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 200, 2);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 300, 4);
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 2000, DMS_SLOT_EARLY, &d.draft));
    assert_int_equal(d.cycle.gap[d.draft.load[3]].tensor, input);
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.period_ns, 870);
    assert_true(dms_queue_by_deadline(&d.cycle, &d.work, &d.draft));
    assert_int_equal(d.cycle.gap[d.draft.load[2]].tensor, input);
    assert_int_equal(d.draft.period_ns, 670);
    problem_end(&d.c);
}

/* Six steps of 100 ns. What step 0 writes, 250 units, leaves at 100, and slot 1 waits for that: it
 * opens at 350. On the link, by who comes for which step:
 *
 *   known       [1   ][3     ]..[2  ][5      ]   0 to 120, to 320, 350 to 450, to 700: 850
 *   not known   [1   ]..........[2  ][3     ][5      ]   step 3 at 650, step 5 at 900: 1,000
 *
 * Slot 1, where the copy for step 2 may begin, would open at 100 without the save. */
static void a_queue_is_made_for_slots_that_wait_for_saves(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 6, 100);
    const uint32_t touch[] = {0, 5};
    const uint32_t saved = problem_add(&d.c, DMS_PROBLEM_ACTIVATION, 250, 2, touch);
    const uint32_t weight[] = {problem_once(&d.c, DMS_PROBLEM_WEIGHT, 120, 1),
                               problem_once(&d.c, DMS_PROBLEM_WEIGHT, 100, 2),
                               problem_once(&d.c, DMS_PROBLEM_WEIGHT, 200, 3), saved};
    const int32_t after[] = {-1, 0, -1, 0};
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 2000, DMS_SLOT_EARLY, &d.draft));
    assert_int_equal(d.draft.n_loads, 4);
    d.draft.before[saved] = 1;
    for (uint32_t q = 0; q < 4; q++) {
        d.draft.load[q] = d.cycle.first_gap[weight[q]];
        d.draft.after[q] = after[q];
    }
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.period_ns, 1000);
    assert_true(dms_queue_by_deadline(&d.cycle, &d.work, &d.draft));
    assert_int_equal(d.cycle.gap[d.draft.load[1]].tensor, weight[2]);
    assert_int_equal(d.draft.period_ns, 850);
    problem_end(&d.c);
}

/* The shortest period that any order of the queue's places from `at` on has. */
static int64_t best_order(draft_case *d, uint32_t at) {
    dms_draft *draft = &d->draft;
    if (at == draft->n_loads)
        return dms_simulate(&d->cycle, &d->work, 6, draft) ? draft->period_ns : DMS_NO_PERIOD;
    int64_t best = DMS_NO_PERIOD;
    for (uint32_t i = at; i < draft->n_loads; i++) {
        const uint32_t load = draft->load[at];
        const int32_t after = draft->after[at];
        draft->load[at] = draft->load[i];
        draft->after[at] = draft->after[i];
        draft->load[i] = load;
        draft->after[i] = after;
        const int64_t period = best_order(d, at + 1);
        best = period < best ? period : best;
        draft->load[i] = draft->load[at];
        draft->after[i] = draft->after[at];
        draft->load[at] = load;
        draft->after[at] = after;
    }
    return best;
}

static void most_queues_are_as_fast_as_the_best_of_all_orders(void **state) {
    (void)state;
    uint32_t n = 0, n_best = 0, n_slower = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        draft_case d;
        draft_random(&d, seed, 5 + (uint32_t)seed % 4);
        if (dms_slots(&d.cycle, &d.work, d.cycle.peak + 60, DMS_SLOT_EARLY, &d.draft) &&
            d.draft.n_loads >= 3 && d.draft.n_loads <= 6) {
            const int64_t best = best_order(&d, 0);
            assert_true(dms_queue_by_deadline(&d.cycle, &d.work, &d.draft));
            assert_true(d.draft.period_ns >= best);
            n++;
            n_best += d.draft.period_ns == best;
            n_slower += d.draft.period_ns > best + best / 50;
        }
        problem_end(&d.c);
    }
    assert_true(n > 80 && n_best + 3 > n && n_slower < 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_slot_is_behind_the_last_that_is_too_full),
        cmocka_unit_test(later_slots_hold_the_budget_and_never_begin_before_they_may),
        cmocka_unit_test(memory_that_waits_for_the_link_is_left_to_others),
        cmocka_unit_test(scoring_gains_on_most_random_drafts_and_loses_on_few),
        cmocka_unit_test(a_room_of_many_blocks_says_what_an_array_says),
        cmocka_unit_test(a_link_with_time_to_spare_waits_for_the_input),
        cmocka_unit_test(a_link_without_time_to_spare_waits_for_no_input),
        cmocka_unit_test(what_a_turn_leaves_on_the_link_counts_in_the_next),
        cmocka_unit_test(a_queue_is_made_for_slots_that_wait_for_saves),
        cmocka_unit_test(most_queues_are_as_fast_as_the_best_of_all_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
