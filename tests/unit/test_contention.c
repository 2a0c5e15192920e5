/* test_contention.c - what runs at the same time takes longer: factors, lanes, periods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/contention.h"
#include "planner/simulate_internal.h"
#include "support_draft.h"
#include "support_rounds.h"

enum { COMPUTE, IN, OUT, LOAD }; /* rows and columns of the factors */

static void one_command_alone_takes_its_time(void **state) {
    (void)state;
    dms_contention c = {{{0}}};
    dms_lanes lanes;
    c.extra[IN][COMPUTE] = 500;
    dms_lanes_begin(&c, 100, &lanes);
    dms_lanes_start(&lanes, IN, 40);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 1u << IN);
    assert_int_equal(lanes.now, 140);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 0);
    assert_int_equal(lanes.now, 140);
}

static void a_copy_is_slowed_down_only_while_the_step_runs(void **state) {
    (void)state;
    /* A copy of 40 ns takes 1.5 times as long beside a step, the step twice as long beside it. The
     * step of 15 ns ends after 30, in which the copy has done 20; the other 20 take 20: 50. */
    dms_contention c = {{{0}}};
    dms_lanes lanes;
    c.extra[IN][COMPUTE] = 500;
    c.extra[COMPUTE][IN] = 1000;
    dms_lanes_begin(&c, 0, &lanes);
    dms_lanes_start(&lanes, IN, 40);
    dms_lanes_start(&lanes, COMPUTE, 15);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 1u << COMPUTE);
    assert_int_equal(lanes.now, 30);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 1u << IN);
    assert_int_equal(lanes.now, 50);
}

static void factors_of_two_disturbers_multiply(void **state) {
    (void)state;
    /* 1.5 x 2: the copy of 10 ns takes 30 beside a step and a copy out that are still at work. */
    dms_contention c = {{{0}}};
    dms_lanes lanes;
    c.extra[IN][COMPUTE] = 500;
    c.extra[IN][OUT] = 1000;
    dms_lanes_begin(&c, 0, &lanes);
    dms_lanes_start(&lanes, COMPUTE, 1000);
    dms_lanes_start(&lanes, OUT, 1000);
    dms_lanes_start(&lanes, IN, 10);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 1u << IN);
    assert_int_equal(lanes.now, 30);
}

static void a_limit_stops_the_clock_and_nothing_is_lost(void **state) {
    (void)state;
    /* 100 ns of work at 1.1, stopped every 7 ns: ends when it would have without stops. */
    dms_contention c = {{{0}}};
    dms_lanes lanes;
    c.extra[IN][COMPUTE] = 100;
    dms_lanes_begin(&c, 0, &lanes);
    dms_lanes_start(&lanes, COMPUTE, 1000);
    dms_lanes_start(&lanes, IN, 100);
    int64_t limit = 0;
    while (dms_lanes_advance(&lanes, limit += 7) == 0)
        assert_int_equal(lanes.now, limit);
    assert_int_equal(lanes.now,
                     111); /* 110 and, for 15 roundings of 1/1024 ns, one begun ns more */
}

static void commands_of_days_do_not_overflow(void **state) {
    (void)state;
    dms_contention c = {{{0}}};
    dms_lanes lanes;
    for (int other = 0; other < 5; other++)
        c.extra[IN][other] = other == IN ? 0 : DMS_MOST_EXTRA;
    dms_lanes_begin(&c, 0, &lanes);
    for (uint32_t q = 0; q < 5; q++)
        dms_lanes_start(&lanes, q, INT64_MAX);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 29); /* all but IN */
    assert_true(lanes.now == (int64_t)1 << 50);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 1u << IN);
    assert_true(lanes.now > (int64_t)1 << 50 && lanes.now < (int64_t)1 << 51);
}

static void ending_together_is_one_event(void **state) {
    (void)state;
    const dms_contention none = {{{0}}};
    dms_lanes lanes;
    dms_lanes_begin(&none, 0, &lanes);
    dms_lanes_start(&lanes, COMPUTE, 12);
    dms_lanes_start(&lanes, OUT, 12);
    dms_lanes_start(&lanes, LOAD, 0);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 1u << LOAD);
    assert_int_equal(dms_lanes_advance(&lanes, INT64_MAX), 1u << COMPUTE | 1u << OUT);
    assert_int_equal(lanes.running, 0);
}

/* Random keeps within a random budget, some of what leaves read from storage. */
static bool draw_draft(draft_case *d, uint64_t seed, bool reads) {
    memset(d, 0, sizeof *d);
    problem_random(&d->c, seed, 4 + (uint32_t)seed % 15);
    if (reads)
        problem_store(&d->c);
    draft_begin(d);
    for (uint32_t g = 0; g < d->cycle.n_gaps; g++) {
        const dms_gap_rule rule = d->cycle.gap[g].rule;
        d->draft.keep[g] =
            rule == DMS_GAP_KEPT || (rule == DMS_GAP_FREE && problem_draw(&d->c, 4) == 0);
    }
    if (reads)
        d->cycle.host_units = 60 + problem_draw(&d->c, 200);
    return dms_slots(&d->cycle, &d->work, draft_peak(&d->cycle, d->draft.keep) + 40, DMS_SLOT_EARLY,
                     &d->draft);
}

static void assert_all_later(int64_t by, uint64_t n, const int64_t *actual, const int64_t *time) {
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(actual[i], time[i] + by);
}

static void without_factors_events_give_the_times_of_the_recurrences(void **state) {
    (void)state;
    uint32_t n_run = 0, n_read = 0, n_saved = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        draft_case d;
        if (draw_draft(&d, seed, seed % 2)) {
            const uint64_t n = (uint64_t)d.cycle.n_steps, loads = d.draft.n_loads;
            int64_t end[80], start[200], read[200] = {0}, two;
            d.c.problem.lead_ns = seed % 3 * 25;
            assert_true(n <= 40 && loads <= 200);
            assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
            const int64_t period = d.draft.period_ns;
            memcpy(end, d.work.end, 2 * n * sizeof *end);
            memcpy(start, d.work.load_start, loads * sizeof *start);
            if (d.draft.n_read > 0)
                memcpy(read, d.work.read_start, loads * sizeof *read);
            assert_true(dms_simulate_contended(&d.cycle, &d.work, 6, &d.draft, &two));
            assert_int_equal((two + 1) / 2, period);
            /* recurrences may end some turns sooner, where turns have become alike */
            const int64_t later = d.work.end[2 * n - 1] - end[2 * n - 1];
            assert_all_later(later, n, d.work.end + n, end + n);
            assert_all_later(later, loads, d.work.load_start, start);
            if (d.draft.n_read > 0)
                assert_all_later(later, loads, d.work.read_start, read);
            n_run++;
            n_read += d.draft.n_read > 0;
            n_saved += d.draft.n_saves > 1;
        }
        problem_end(&d.c);
    }

    assert_true(n_run > 120 && n_read > 20 && n_saved > 30);
}

static void a_lead_delays_what_is_read_and_nothing_else(void **state) {
    (void)state;
    /* Four weights of 32 units, each used by a step of 10 ns, pass through a ring of two places:
     * read 32, wait for the lead, copy 32. The third reading waits for the first copy, the first of
     * the next turn for the third: 2 x (32 + lead + 32). Storage alone would take 4 x 32. */
    for (int64_t lead = 0; lead <= 14; lead += 7)
        for (int reads = 0; reads < 2; reads++) {
            draft_case d;
            memset(&d, 0, sizeof d);
            problem_begin(&d.c, 4, 10);
            for (uint32_t t = 0; t < 4; t++) {
                const uint32_t w = problem_once(&d.c, DMS_PROBLEM_WEIGHT, 32, t);
                d.c.problem.tensors[w].storage_bytes = reads ? 32 * UNIT : 0;
            }
            d.c.problem.lead_ns = lead;
            draft_begin(&d);
            memset(d.draft.keep, 0, d.cycle.n_gaps);
            if (reads)
                d.cycle.host_units = 80;
            assert_true(dms_slots(&d.cycle, &d.work, 128, DMS_SLOT_EARLY, &d.draft));
            assert_int_equal(d.draft.n_read, reads ? 4 : 0);
            assert_true(dms_simulate(&d.cycle, &d.work, 12, &d.draft));
            assert_int_equal(d.draft.period_ns, 128 + reads * 2 * lead);
            problem_end(&d.c);
        }
}

static void a_busy_link_slows_the_steps_beside_it(void **state) {
    (void)state;
    /* step       0    1    2    3     a weight of 20 units is due at 0 and lives in a slot of its
     * ns        10   10   10   10     own: copied beside steps 1 and 2, which take twice as long
     * while it is. 20 ns of copy cover 10 ns of steps: the cycle takes 10 ns longer. */
    draft_case d;
    memset(&d, 0, sizeof d);
    problem_begin(&d.c, 4, 10);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 20, 0);
    d.c.problem.contention.extra[COMPUTE][IN] = 1000;
    draft_begin(&d);
    assert_true(d.cycle.is_contended);
    d.draft.keep[0] = 0;
    assert_true(dms_slots(&d.cycle, &d.work, 20, DMS_SLOT_EARLY, &d.draft));
    assert_true(dms_simulate(&d.cycle, &d.work, 6, &d.draft));
    assert_int_equal(d.draft.period_ns, 50);
    problem_end(&d.c);
}

static void a_plan_priced_with_contention_is_slower_than_its_bound_without(void **state) {
    (void)state;
    uint32_t n_slower = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(12, 4); seed++) {
        problem_case c;
        problem_random(&c, seed, 14);
        const uint64_t units = problem_floor(&c) + 60;
        const dms_decision alone = problem_place(&c, units);
        c.problem.contention.extra[COMPUTE][IN] = 200;
        c.problem.contention.extra[IN][COMPUTE] = 300;
        const dms_decision both = problem_place(&c, units);
        assert_int_equal(both.compute_ns, alone.compute_ns);
        assert_true(both.bound_ns <= alone.period_ns);
        n_slower += both.period_ns > alone.period_ns;
        problem_end(&c);
    }
    assert_true(n_slower > ROUNDS_OF(8, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_command_alone_takes_its_time),
        cmocka_unit_test(a_copy_is_slowed_down_only_while_the_step_runs),
        cmocka_unit_test(factors_of_two_disturbers_multiply),
        cmocka_unit_test(a_limit_stops_the_clock_and_nothing_is_lost),
        cmocka_unit_test(commands_of_days_do_not_overflow),
        cmocka_unit_test(ending_together_is_one_event),
        cmocka_unit_test(without_factors_events_give_the_times_of_the_recurrences),
        cmocka_unit_test(a_lead_delays_what_is_read_and_nothing_else),
        cmocka_unit_test(a_busy_link_slows_the_steps_beside_it),
        cmocka_unit_test(a_plan_priced_with_contention_is_slower_than_its_bound_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
