/* test_place_contest.c - searches from several starts: who goes on, and what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schema/arena.h"
#include "support_draft.h"

#define N_STARTS 5u

/* Starts that keep every k-th gap that may be kept, k = 2, 3, ...; the first keeps what must. */
static uint32_t make_starts(placer_case *p, dms_keep_set *set) {
    uint32_t n = 0;
    for (uint32_t k = 1; k <= N_STARTS; k++) {
        dms_keep_set *to = set + n;
        *to = (dms_keep_set){.keep = DMS_NEW(&p->c.arena, uint8_t, p->cycle.n_gaps),
                             .late = DMS_NEW(&p->c.arena, uint8_t, p->cycle.n_gaps),
                             .id = k};
        assert_non_null(to->keep);
        for (uint32_t g = 0; g < p->cycle.n_gaps; g++)
            to->keep[g] = p->cycle.gap[g].rule == DMS_GAP_KEPT ||
                          (p->cycle.gap[g].rule == DMS_GAP_FREE && k > 1 && g % k == 0);
        assert_non_null(to->late);
        for (uint32_t g = 0; g < p->cycle.n_gaps; g++)
            to->late[g] = 0;
        dms_keep_set_give(&p->cycle, to, &p->placer.trial);
        if (!dms_placer_score(&p->placer, DMS_NO_PERIOD, &p->placer.trial))
            continue;
        to->period_ns = p->placer.trial.period_ns;
        n++;
    }
    return n;
}

/* What the keeps of a set run without addresses. */
static int64_t score(placer_case *p, const dms_keep_set *set) {
    dms_keep_set_give(&p->cycle, set, &p->placer.trial);
    assert_true(dms_placer_score(&p->placer, DMS_NO_PERIOD, &p->placer.trial));
    return p->placer.trial.period_ns;
}

static void each_round_has_half_of_the_starts_and_as_many_evaluations(void **state) {
    (void)state;
    /* 12, 6, 3, 2, 1: five rounds of count / 5; a start of the first has 2,000 / 60 = 33 */
    assert_int_equal(dms_contest_starts(2000, 12), 12);
    /* 1,000 / 60 = 16 are too few, 6 starts in four rounds have 41 */
    assert_int_equal(dms_contest_starts(1000, 12), 6);
    /* 100 / 12 and 100 / 4: one start has them all where even two had 25 each */
    assert_int_equal(dms_contest_starts(100, 3), 1);
    assert_int_equal(dms_contest_starts(100, 2), 2);
    assert_int_equal(dms_contest_starts(99, 2), 1);
    assert_int_equal(dms_contest_starts(0, 12), 1);
    assert_int_equal(dms_contest_starts(2000, 0), 0);
}

static void a_contest_is_no_worse_than_any_of_its_starts(void **state) {
    (void)state;
    uint32_t better = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        placer_case p;
        dms_status st;
        dms_keep_set set[N_STARTS];
        problem_random(&p.c, seed, 24);
        placer_begin(&p, 120);
        const uint32_t n = make_starts(&p, set);
        int64_t best = INT64_MAX;
        for (uint32_t i = 0; i < n; i++)
            best = set[i].period_ns < best ? set[i].period_ns : best;
        assert_int_equal(dms_contest_drafts(&p.placer, set, n, 600, &st), DMS_OK);
        for (uint32_t i = 0; i < n; i++)
            assert_true(set[0].period_ns <= set[i].period_ns);
        assert_true(n == 0 || set[0].period_ns <= best);
        /* keeps and period belong together */
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(score(&p, set + i), set[i].period_ns);
        better += n > 0 && set[0].period_ns < best;
        problem_end(&p.c);
    }
    assert_true(better >= 6);
}

static void no_start_is_no_contest(void **state) {
    (void)state;
    placer_case p;
    dms_status st;
    problem_random(&p.c, 1, 12);
    placer_begin(&p, 100);
    const uint64_t before = p.placer.work.n_evaluations;
    assert_int_equal(dms_contest_drafts(&p.placer, NULL, 0, 600, &st), DMS_OK);
    assert_int_equal(p.placer.work.n_evaluations, before);
    problem_end(&p.c);
}

static void equal_contests_end_alike(void **state) {
    (void)state;
    int64_t period[2][N_STARTS] = {{0}};
    for (uint32_t run = 0; run < 2; run++) {
        placer_case p;
        dms_status st;
        dms_keep_set set[N_STARTS];
        problem_random(&p.c, 7, 24);
        placer_begin(&p, 120);
        const uint32_t n = make_starts(&p, set);
        assert_true(n >= 2);
        assert_int_equal(dms_contest_drafts(&p.placer, set, n, 400, &st), DMS_OK);
        for (uint32_t i = 0; i < n; i++)
            period[run][i] = set[i].period_ns;
        problem_end(&p.c);
    }
    assert_memory_equal(period[0], period[1], sizeof period[0]);
}

/* What searches of two seeds find from one start, in as many evaluations as both are allowed. */
static uint32_t count_different(uint32_t seed_a, uint32_t seed_b) {
    uint32_t different = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        placer_case p;
        dms_status st;
        dms_keep_set set[N_STARTS];
        problem_random(&p.c, seed, 24);
        placer_begin(&p, 120);
        if (make_starts(&p, set) > 0) {
            const uint32_t seeds[] = {seed_a, seed_b};
            int64_t found[2];
            for (uint32_t i = 0; i < 2; i++) {
                (void)score(&p, set);
                assert_int_equal(dms_search_drafts(&p.placer, 20, seeds[i], &st), DMS_OK);
                found[i] = p.placer.trial.period_ns;
            }
            different += found[0] != found[1];
        }
        problem_end(&p.c);
    }
    return different;
}

static void a_later_round_tries_other_moves(void **state) {
    (void)state;
    assert_int_equal(count_different(1, 1), 0);
    assert_true(count_different(0, 1) >= 3);
}

static void with_addresses_the_best_layout_never_gets_worse(void **state) {
    (void)state;
    uint32_t better = 0, others = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        placer_case p;
        dms_status st;
        dms_keep_set set[N_STARTS];
        const dms_fit fit = {.repair = 2};
        problem_random(&p.c, seed, 20);
        placer_begin(&p, 120);
        const uint32_t n = make_starts(&p, set);
        p.placer.best.draft.period_ns = DMS_NO_PERIOD;
        if (n > 0 && score(&p, set) > 0 && dms_placer_pass(&p.placer, &fit, "relaxation")) {
            const int64_t before = p.placer.best.draft.period_ns;
            assert_int_equal(dms_contest_layouts(&p.placer, set, n, 800, &st), DMS_OK);
            assert_true(p.placer.best.draft.period_ns <= before);
            assert_true(p.placer.best.top <= p.placer.budget);
            /* what is left in `best` is one layout: its draft runs as it says */
            const int64_t found = p.placer.best.draft.period_ns;
            assert_true(dms_simulate(&p.cycle, &p.placer.work, 6, &p.placer.best.draft));
            assert_int_equal(p.placer.best.draft.period_ns, found);
            better += found < before;
            others++;
        }
        problem_end(&p.c);
    }
    assert_true(others >= 5 && better >= 4);
}

static void without_evaluations_the_layout_stays(void **state) {
    (void)state;
    placer_case p;
    dms_status st;
    dms_keep_set set[N_STARTS];
    problem_random(&p.c, 3, 20);
    placer_begin(&p, 120);
    const uint32_t n = make_starts(&p, set);
    p.placer.best.draft.period_ns = 4711;
    assert_int_equal(dms_contest_layouts(&p.placer, set, n, 0, &st), DMS_OK);
    assert_int_equal(p.placer.best.draft.period_ns, 4711);
    problem_end(&p.c);
}

/* Evaluations for so many gaps and steps. */
static uint64_t count_for(uint32_t size, uint64_t work) {
    const dms_cycle cycle = {.n_steps = (int32_t)(size / 2), .n_gaps = size - size / 2 - 1};
    return dms_contest_count(&cycle, work, true);
}

static void small_problems_have_more_evaluations(void **state) {
    (void)state;
    /* work / size, 2,000 at most; below 4,000 also 8,000 x (1 - size / 4,000)^2 */
    assert_int_equal(count_for(400, 8000000), 2000 + 6480);
    assert_int_equal(count_for(1000, 8000000), 2000 + 4500);
    assert_int_equal(count_for(2000, 8000000), 2000 + 2000);
    assert_int_equal(count_for(2000, 3000000), 1500 + 2000);
    assert_int_equal(count_for(4000, 8000000), 2000);
    assert_int_equal(count_for(8000, 8000000), 1000);
    assert_int_equal(count_for(20000, 8000000), 400);
    /* one of several placements at rungs has what it had at any size */
    const dms_cycle small = {.n_steps = 200, .n_gaps = 199};
    assert_int_equal(dms_contest_count(&small, 8000000, false), 2000);
}

static void the_count_falls_with_the_size_and_never_by_a_leap(void **state) {
    (void)state;
    for (uint32_t size = 2; size < 12000; size++) {
        const uint64_t here = count_for(size, 8000000), next = count_for(size + 1, 8000000);
        assert_true(next <= here && here - next <= 5);
    }
}

static void a_start_without_room_is_thinned(void **state) {
    (void)state;
    uint32_t full = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        placer_case p;
        dms_status st;
        problem_random(&p.c, seed, 20);
        placer_begin(&p, 40);
        dms_keep_set set = {.keep = DMS_NEW(&p.c.arena, uint8_t, p.cycle.n_gaps),
                            .late = DMS_NEW(&p.c.arena, uint8_t, p.cycle.n_gaps),
                            .period_ns = 1};
        assert_true(set.keep != NULL && set.late != NULL);
        for (uint32_t g = 0; g < p.cycle.n_gaps; g++)
            set.keep[g] = p.cycle.gap[g].rule != DMS_GAP_LOADED;
        memcpy(p.placer.trial.keep, set.keep, p.cycle.n_gaps);
        const bool fits = dms_placer_score(&p.placer, DMS_NO_PERIOD, &p.placer.trial);
        p.placer.best.draft.period_ns = DMS_NO_PERIOD;
        assert_int_equal(dms_contest_layouts(&p.placer, &set, 1, 40, &st), DMS_OK);
        full += !fits && p.placer.best.draft.period_ns < DMS_NO_PERIOD;
        if (p.placer.best.draft.period_ns < DMS_NO_PERIOD)
            assert_true(p.placer.best.top <= p.placer.budget);
        problem_end(&p.c);
    }
    assert_true(full >= 5); /* all gaps are too much, yet a layout was found */
}

static void the_passes_begin_with_leads_that_suit_the_plan(void **state) {
    (void)state;
    /* copies are the limit: as the link gets to them; steps are the limit: later */
    assert_int_equal(dms_contest_fit(0, false).lead, 1);
    assert_int_equal(dms_contest_fit(0, true).lead, 2);
    for (uint32_t i = 0; i < DMS_N_PASSES; i++)
        for (uint32_t k = 0; k < i; k++) {
            const dms_fit a = dms_contest_fit(i, true), b = dms_contest_fit(k, true);
            assert_true(a.order != b.order || a.hole != b.hole || a.sizes != b.sizes ||
                        a.repair != b.repair || a.lead != b.lead);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_round_has_half_of_the_starts_and_as_many_evaluations),
        cmocka_unit_test(a_contest_is_no_worse_than_any_of_its_starts),
        cmocka_unit_test(no_start_is_no_contest),
        cmocka_unit_test(equal_contests_end_alike),
        cmocka_unit_test(a_later_round_tries_other_moves),
        cmocka_unit_test(with_addresses_the_best_layout_never_gets_worse),
        cmocka_unit_test(without_evaluations_the_layout_stays),
        cmocka_unit_test(small_problems_have_more_evaluations),
        cmocka_unit_test(the_count_falls_with_the_size_and_never_by_a_leap),
        cmocka_unit_test(a_start_without_room_is_thinned),
        cmocka_unit_test(the_passes_begin_with_leads_that_suit_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
