/* test_place_keeps.c - room, rounding, slots, queue and copy times, against plain recomputation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

#define MAX_GAPS 256

__extension__ typedef unsigned __int128 wide;

static void random_begin(draft_case *d, uint64_t seed, uint32_t n_steps) {
    draft_random(d, seed, n_steps);
    assert_true(d->cycle.n_gaps <= MAX_GAPS);
}

static void a_copy_time_is_the_exact_quotient_rounded_up(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 1, 1);
    c.random = 77;
    for (uint32_t i = 0; i < 5000; i++) {
        const dms_link link = {.bytes_per_s = 1 + ((int64_t)problem_draw(&c, 1u << 30) << 12 |
                                                   problem_draw(&c, 4096)) /
                                                      (1 + problem_draw(&c, 5000)),
                               .latency_ns = problem_draw(&c, 20000)};
        const uint64_t bytes = (uint64_t)problem_draw(&c, 1u << 30) << problem_draw(&c, 4);
        const wide exact = (wide)bytes * 1000000000u;
        const wide rate = (wide)link.bytes_per_s;
        const int64_t want = link.latency_ns + (int64_t)((exact + rate - 1) / rate);
        assert_true(dms_copy_ns(&link, bytes) == want);
    }
    problem_end(&c);
}

static void the_smallest_room_is_that_of_the_fullest_slot(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        draft_case d;
        random_begin(&d, seed, 3 + (uint32_t)seed);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            d.draft.keep[g] = problem_draw(&d.c, 2) != 0;
        dms_room_fill(&d.cycle, &d.work, 500, d.draft.keep);
        assert_int_equal(dms_room_minimum(&d.work.room), 500 - draft_peak(&d.cycle, d.draft.keep));
        for (int32_t t = 0; t < d.cycle.n_steps; t++)
            assert_int_equal(dms_room_least(&d.work.room, t, t + 2),
                             500 - draft_held(&d.cycle, d.draft.keep, (t + 1) % d.cycle.n_steps));
        problem_end(&d.c);
    }
}

static void a_gap_without_inner_slots_never_lacks_room(void **state) {
    (void)state;
    draft_case d;
    random_begin(&d, 3, 9);
    dms_room_fill(&d.cycle, &d.work, 10, d.draft.keep);
    const int64_t before = dms_room_minimum(&d.work.room);
    assert_true(dms_room_least(&d.work.room, 4, 5) == INT64_MAX);
    assert_true(dms_room_least(&d.work.room, 8, 9) == INT64_MAX);
    dms_room_add(&d.work.room, 4, 5, -1000);
    assert_int_equal(dms_room_minimum(&d.work.room), before);
    problem_end(&d.c);
}

static void a_whole_turn_of_room_is_the_minimum(void **state) {
    (void)state;
    draft_case d;
    random_begin(&d, 4, 13);
    dms_room_fill(&d.cycle, &d.work, 300, d.draft.keep);
    for (int32_t a = 0; a < 13; a++) {
        assert_int_equal(dms_room_least(&d.work.room, a, a + 14), dms_room_minimum(&d.work.room));
        dms_room_add(&d.work.room, a, a + 14, -7); /* every slot once */
        assert_int_equal(dms_room_minimum(&d.work.room), 300 - 7 * (a + 1) - d.cycle.peak);
    }
    problem_end(&d.c);
}

/* Shares of 0 and 1 leave nothing to round. */
static void whole_shares_are_taken_as_they_are(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        draft_case d;
        double x[MAX_GAPS];
        random_begin(&d, seed, 18);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            x[g] = problem_draw(&d.c, 2);
        const dms_rounding how = {.budget = 1000000};
        dms_round(&d.cycle, &d.work, &how, x, d.draft.keep);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            if (d.cycle.gap[g].rule == DMS_GAP_FREE)
                assert_int_equal(d.draft.keep[g], x[g] == 1);
            else
                assert_int_equal(d.draft.keep[g], d.cycle.gap[g].rule == DMS_GAP_KEPT);
        problem_end(&d.c);
    }
}

static void a_third_of_each_weight_keeps_a_third_of_them(void **state) {
    (void)state;
    draft_case d;
    double x[30];
    uint32_t kept = 0, longest = 0, since = 0;
    problem_begin(&d.c, 30, 10);
    for (uint32_t t = 0; t < 30; t++) {
        problem_once(&d.c, DMS_PROBLEM_WEIGHT, 6, t);
        x[t] = 1 / 3.0 + 1e-9;
    }
    draft_begin(&d);
    const dms_rounding how = {.budget = 1000};
    dms_round(&d.cycle, &d.work, &how, x, d.draft.keep);
    for (uint32_t t = 0; t < 30; t++, since++)
        if (d.draft.keep[t]) {
            kept++;
            longest = since > longest ? since : longest;
            since = 0;
        }
    assert_int_equal(kept, 10);
    assert_true(longest <= 3); /* spread, not in a heap */
    problem_end(&d.c);
}

static void filling_leaves_the_reserve_where_it_fills(void **state) {
    (void)state;
    uint32_t filled = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        draft_case d;
        double x[MAX_GAPS];
        uint8_t plain[MAX_GAPS];
        random_begin(&d, seed, 20);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            x[g] = problem_draw(&d.c, 60) / 100.0;
        dms_rounding how = {.budget = d.cycle.peak + 80, .reserve = 15};
        dms_round(&d.cycle, &d.work, &how, x, plain);
        how.fill = true;
        dms_round(&d.cycle, &d.work, &how, x, d.draft.keep);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++) {
            assert_true(d.draft.keep[g] >= plain[g]);
            const dms_gap *gap = d.cycle.gap + g;
            for (int32_t s = gap->a + 1; d.draft.keep[g] > plain[g] && s < gap->b; s++)
                assert_true(draft_held(&d.cycle, d.draft.keep, s % 20) + how.reserve <= how.budget);
            filled += d.draft.keep[g] > plain[g];
        }
        problem_end(&d.c);
    }
    assert_true(filled > 20);
}

static void what_is_dropped_for_room_has_the_smallest_share(void **state) {
    (void)state;
    /* all four fill every slot, one unit too many. Without 1 (the smallest share) slot 1, where it
     * is touched, is as full as before: 3 leaves as well */
    draft_case d;
    const double x[] = {0.9, 0.6, 0.8, 0.7};
    problem_begin(&d.c, 4, 10);
    for (uint32_t t = 0; t < 4; t++)
        problem_once(&d.c, DMS_PROBLEM_WEIGHT, 10 + 5 * t * t, t); /* a size class each */
    draft_begin(&d);
    const dms_rounding how = {.budget = 10 + 15 + 30 + 55 - 1};
    dms_round(&d.cycle, &d.work, &how, x, d.draft.keep);
    assert_true(d.draft.keep[0] && d.draft.keep[2]);
    assert_false(d.draft.keep[1] || d.draft.keep[3]);
    problem_end(&d.c);
}

static void thinning_only_drops_and_only_until_it_fits(void **state) {
    (void)state;
    uint32_t dropped = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        draft_case d;
        uint8_t before[MAX_GAPS];
        random_begin(&d, seed, 22);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            before[g] = d.cycle.gap[g].rule != DMS_GAP_LOADED;
        const int64_t all = draft_peak(&d.cycle, before);
        memcpy(d.draft.keep, before, d.cycle.n_gaps);
        dms_round_thin(&d.cycle, &d.work, all, d.draft.keep);
        assert_memory_equal(d.draft.keep, before, d.cycle.n_gaps);
        const int64_t budget = d.cycle.peak + (all - d.cycle.peak) / 3;
        dms_round_thin(&d.cycle, &d.work, budget, d.draft.keep);
        assert_true(draft_peak(&d.cycle, d.draft.keep) <= budget);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++) {
            assert_true(d.draft.keep[g] <= before[g]);
            if (d.cycle.gap[g].rule != DMS_GAP_FREE)
                assert_int_equal(d.draft.keep[g], before[g]);
            dropped += d.draft.keep[g] < before[g];
        }
        problem_end(&d.c);
    }
    assert_true(dropped > 100);
}

static void a_copied_draft_lives_on_its_own(void **state) {
    (void)state;
    draft_case d;
    dms_draft copy;
    dms_status st;
    random_begin(&d, 6, 16);
    assert_int_equal(dms_draft_new(&d.cycle, &d.c.arena, &copy, &st), DMS_OK);
    assert_true(copy.period_ns == DMS_NO_PERIOD && copy.worst_step == -1);
    assert_true(dms_slots(&d.cycle, &d.work, 100000, DMS_SLOT_EARLY, &d.draft));
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    dms_draft_copy(&d.cycle, &d.draft, &copy);
    const int64_t period = d.draft.period_ns;
    const uint32_t first = d.draft.load[0];
    memset(d.draft.load, 0xff, d.draft.n_loads * sizeof *d.draft.load);
    memset(d.draft.after, 0, d.draft.n_loads * sizeof *d.draft.after);
    assert_int_equal(copy.load[0], first);
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &copy));
    assert_int_equal(copy.period_ns, period);
    problem_end(&d.c);
}

/* The step behind which load q may begin, by its gap and its save alone. */
static int32_t gap_begins(const draft_case *d, const dms_gap *gap) {
    const int32_t shift = gap->b - gap->due;
    int32_t first = gap->a - shift;
    if (gap->rule == DMS_GAP_LOADED && first < -1)
        first = -1;
    if (gap->is_saved && d->draft.before[gap->tensor] - 1 - shift > first)
        first = d->draft.before[gap->tensor] - 1 - shift;
    return first;
}

static void every_load_begins_inside_its_gap_whatever_the_mode(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 45; seed++) {
        draft_case d;
        const dms_slot_mode mode = (dms_slot_mode)(seed % 3);
        random_begin(&d, seed, 10 + (uint32_t)seed % 13);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            d.draft.keep[g] = d.cycle.gap[g].rule == DMS_GAP_KEPT ||
                              (d.cycle.gap[g].is_saved && problem_draw(&d.c, 2) == 0);
        const int64_t budget = draft_peak(&d.cycle, d.draft.keep) + 200;
        if (!dms_slots(&d.cycle, &d.work, budget, mode, &d.draft)) {
            problem_end(&d.c);
            continue;
        }
        uint32_t loaded = 0;
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            loaded += !d.draft.keep[g];
        assert_int_equal(d.draft.n_loads, loaded);
        for (uint32_t q = 0; q < d.draft.n_loads; q++) {
            const dms_gap *gap = d.cycle.gap + d.draft.load[q];
            const int32_t after = d.draft.after[q];
            assert_false(d.draft.keep[d.draft.load[q]]);
            assert_true(after >= gap_begins(&d, gap) && after < gap->due);
            if (mode == DMS_SLOT_ON_DEMAND)
                assert_int_equal(after, gap->due - 1);
            if (mode == DMS_SLOT_LAYER)
                assert_true(after >= d.cycle.layer_start[gap->due] - 1 || after == gap->due - 1);
        }
        problem_end(&d.c);
    }
}

static void a_queue_by_deadline_takes_the_soonest_of_those_that_may_go(void **state) {
    (void)state;
    uint32_t n_moved = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        draft_case d;
        uint32_t load[MAX_GAPS], seen[MAX_GAPS] = {0};
        int32_t after_of[MAX_GAPS];
        int64_t open[64];
        random_begin(&d, seed, 20);
        if (!dms_slots(&d.cycle, &d.work, d.cycle.peak + 100, DMS_SLOT_EARLY, &d.draft)) {
            problem_end(&d.c);
            continue;
        }
        const uint32_t n = d.draft.n_loads;
        memcpy(load, d.draft.load, n * sizeof *load);
        for (uint32_t q = 0; q < n; q++)
            after_of[load[q]] = d.draft.after[q];
        assert_true(dms_queue_by_deadline(&d.cycle, &d.work, &d.draft));
        for (int32_t s = -20; s <= 20; s++) /* slots of the last turn and of the one before */
            open[s + 20] = s < 0 ? d.work.open[20 + s] : d.work.open[20 + s % 20];
        for (uint32_t q = 0; q < n; q++) {
            const uint32_t chosen = d.draft.load[q];
            n_moved += chosen != load[q];
            assert_int_equal(d.draft.after[q], after_of[chosen]);
            assert_int_equal(seen[chosen]++, 0);
            for (uint32_t i = q + 1; i < n; i++) /* nobody left behind was open and due sooner */
                assert_true(open[after_of[d.draft.load[i]] + 21] > d.work.load_start[q] ||
                            d.cycle.gap[d.draft.load[i]].due >= d.cycle.gap[chosen].due);
        }
        problem_end(&d.c);
    }
    assert_true(n_moved > 20);
}

static void a_larger_lead_never_begins_sooner(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        draft_case d;
        int32_t start[3][MAX_GAPS];
        random_begin(&d, seed, 24);
        if (dms_slots(&d.cycle, &d.work, d.cycle.peak + 150, DMS_SLOT_EARLY, &d.draft) &&
            dms_simulate(&d.cycle, &d.work, 6, &d.draft)) {
            for (uint32_t lead = 1; lead <= 3; lead++)
                dms_queue_leads(&d.cycle, &d.work, &d.draft, lead, start[lead - 1]);
            for (uint32_t q = 0; q < d.draft.n_loads; q++) {
                const uint32_t g = d.draft.load[q];
                assert_true(d.draft.after[q] + 1 <= start[0][g]);
                assert_true(start[0][g] <= start[1][g] && start[1][g] <= start[2][g]);
                assert_true(start[2][g] <= d.cycle.gap[g].due);
            }
        }
        problem_end(&d.c);
    }
}

static void a_queue_that_waits_for_itself_has_no_period(void **state) {
    (void)state;
    /* the load of step 5 begins in slot 4, before it in the queue: that of step 2 waits for it */
    draft_case d;
    problem_begin(&d.c, 6, 10);
    const uint32_t soon = problem_once(&d.c, DMS_PROBLEM_WEIGHT, 5, 2);
    const uint32_t late = problem_once(&d.c, DMS_PROBLEM_WEIGHT, 5, 5);
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 100, DMS_SLOT_EARLY, &d.draft));
    d.draft.load[0] = late;
    d.draft.load[1] = soon;
    d.draft.after[0] = 3;
    d.draft.after[1] = 0;
    assert_false(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_true(d.draft.period_ns == DMS_NO_PERIOD);
    d.draft.after[0] = 1; /* slot 2 opens before step 2 waits: now it runs */
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    /* slot 2 at 20, late until 25, soon until 30: step 2 stalls 10 ns */
    assert_int_equal(d.draft.period_ns, 70);
    assert_int_equal(d.draft.worst_step, 2);
    problem_end(&d.c);
}

static void the_link_is_idle_where_it_waits_for_a_slot(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 6, 10);
    problem_once(&d.c, DMS_PROBLEM_WEIGHT, 5, 2);
    problem_once(&d.c, DMS_PROBLEM_WEIGHT, 5, 5);
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 100, DMS_SLOT_EARLY, &d.draft));
    d.draft.after[0] = 0;
    d.draft.after[1] = 3;
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.n_idle, 2);
    assert_int_equal(d.draft.idle[0], 1);
    assert_int_equal(d.draft.idle[1], 4);
    assert_int_equal(d.draft.period_ns, 60);
    assert_int_equal(d.draft.stall_ns, 0);
    problem_end(&d.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_time_is_the_exact_quotient_rounded_up),
        cmocka_unit_test(the_smallest_room_is_that_of_the_fullest_slot),
        cmocka_unit_test(a_gap_without_inner_slots_never_lacks_room),
        cmocka_unit_test(a_whole_turn_of_room_is_the_minimum),
        cmocka_unit_test(whole_shares_are_taken_as_they_are),
        cmocka_unit_test(a_third_of_each_weight_keeps_a_third_of_them),
        cmocka_unit_test(filling_leaves_the_reserve_where_it_fills),
        cmocka_unit_test(what_is_dropped_for_room_has_the_smallest_share),
        cmocka_unit_test(thinning_only_drops_and_only_until_it_fits),
        cmocka_unit_test(a_copied_draft_lives_on_its_own),
        cmocka_unit_test(every_load_begins_inside_its_gap_whatever_the_mode),
        cmocka_unit_test(a_queue_by_deadline_takes_the_soonest_of_those_that_may_go),
        cmocka_unit_test(a_larger_lead_never_begins_sooner),
        cmocka_unit_test(a_queue_that_waits_for_itself_has_no_period),
        cmocka_unit_test(the_link_is_idle_where_it_waits_for_a_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
