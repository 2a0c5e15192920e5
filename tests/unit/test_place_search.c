/* test_place_search.c - the searches, the tightest plans and what they need, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

/* Keeps of activations alone, with slots and period, in placer.trial. */
static bool start_draft(placer_case *p) {
    for (uint32_t g = 0; g < p->cycle.n_gaps; g++)
        p->placer.trial.keep[g] = p->cycle.gap[g].rule == DMS_GAP_KEPT;
    return dms_slots(&p->cycle, &p->placer.work, p->placer.budget, DMS_SLOT_EARLY,
                     &p->placer.trial) &&
           dms_simulate(&p->cycle, &p->placer.work, 6, &p->placer.trial);
}

static void a_search_never_ends_worse_and_often_better(void **state) {
    (void)state;
    uint32_t better = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        placer_case p;
        dms_status st;
        problem_random(&p.c, seed, 24);
        placer_begin(&p, 120);
        assert_true(start_draft(&p));
        const int64_t before = p.placer.trial.period_ns;
        assert_int_equal(dms_search_drafts(&p.placer, 400, 0, &st), DMS_OK);
        assert_true(p.placer.trial.period_ns <= before);
        better += p.placer.trial.period_ns < before;
        /* what it leaves is a draft that runs as it says, within the budget */
        const int64_t found = p.placer.trial.period_ns;
        const bool is_scored =
            found == before || dms_placer_score(&p.placer, DMS_NO_PERIOD, &p.placer.trial);
        assert_true(is_scored);
        assert_int_equal(p.placer.trial.period_ns, found);
        problem_end(&p.c);
    }
    assert_true(better >= 10);
}

static void a_search_with_addresses_improves_the_best_layout(void **state) {
    (void)state;
    uint32_t better = 0;
    for (uint64_t seed = 1; seed <= 15; seed++) {
        placer_case p;
        dms_status st;
        const dms_fit fit = {.repair = 2};
        problem_random(&p.c, seed, 20);
        placer_begin(&p, 120);
        p.placer.best.draft.period_ns = DMS_NO_PERIOD;
        if (start_draft(&p) && dms_placer_pass(&p.placer, &fit, "relaxation")) {
            const int64_t before = p.placer.best.draft.period_ns;
            assert_int_equal(dms_search_layouts(&p.placer, 200, UINT64_MAX / 2, 0, &st), DMS_OK);
            assert_true(p.placer.best.draft.period_ns <= before);
            assert_true(p.placer.best.top <= p.placer.budget);
            better += p.placer.best.draft.period_ns < before;
        }
        problem_end(&p.c);
    }
    assert_true(better >= 5);
}

static void candidates_count_with_their_best_period(void **state) {
    (void)state;
    dms_placer placer = {0};
    dms_placer_note(&placer, "even", 50);
    dms_placer_note(&placer, "belady", 70);
    dms_placer_note(&placer, "even", 40);
    dms_placer_note(&placer, "even", 60);
    assert_int_equal(placer.n_candidates, 2);
    assert_int_equal(placer.candidate[0].period_ns, 40);
    assert_int_equal(placer.candidate[1].period_ns, 70);
}

static void keeping_more_weights_needs_less_host_and_is_packed(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        placer_case p;
        problem_random(&p.c, seed, 16);
        placer_begin(&p, 0);
        for (uint32_t i = 0; i < 2; i++) {
            const dms_floor_plan *plan = p.plan + i;
            assert_true(plan->need_units[0] >= p.cycle.peak);
            for (uint32_t k = 1; k <= plan->n_by_size; k++) {
                assert_true(plan->host_bytes[k] < plan->host_bytes[k - 1]);
                assert_true(p.cycle.units[plan->by_size[k]] <=
                                p.cycle.units[plan->by_size[k - 1]] ||
                            k == plan->n_by_size);
            }
            assert_true(plan->activations_stay == (i == 1));
        }
        /* activations that stay need no host */
        assert_int_equal(p.plan[1].host_bytes[p.plan[1].n_by_size], 0);
        problem_end(&p.c);
    }
}

static void a_floor_layout_is_as_large_as_it_said(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        for (uint32_t i = 0; i < 2; i++)
            for (uint32_t part = 0; part < 3; part++) {
                placer_case p;
                problem_random(&p.c, seed, 16);
                placer_begin(&p, 0);
                const dms_floor_plan *plan = p.plan + i;
                const uint32_t kept = plan->n_by_size * part / 2;
                dms_floor_layout(&p.cycle, &p.placer.work, p.placer.addresses, plan, kept,
                                 &p.placer.best);
                assert_true(p.placer.best.top <= plan->need_units[kept]);
                assert_int_equal(dms_homes_bytes(&p.cycle, &p.placer.best.draft),
                                 plan->host_bytes[kept]);
                for (uint32_t k = 0; k < kept; k++)
                    assert_true(p.placer.best.kept_offset[plan->by_size[k]] >= 0);
                assert_true(dms_simulate(&p.cycle, &p.placer.work, 6, &p.placer.best.draft));
                problem_end(&p.c);
            }
}

static void a_plan_near_its_target_is_done(void **state) {
    (void)state;
    /* the inputs are there at 90000, so something else sets the target of 100000 */
    dms_cycle cycle = {.release_ns = 90000};
    dms_place_options options = {0};
    dms_placer placer = {.cycle = &cycle, .options = &options, .target_ns = 100000};
    placer.best.draft.period_ns = 100019;
    assert_true(dms_placer_is_done(&placer));
    placer.best.draft.period_ns = 100021;
    assert_false(dms_placer_is_done(&placer));
    options.without_search = true; /* one of many points of a curve */
    placer.best.draft.period_ns = 100099;
    assert_true(dms_placer_is_done(&placer));
    placer.best.draft.period_ns = 100101;
    assert_false(dms_placer_is_done(&placer));
}

static void where_the_steps_cover_all_copies_only_the_target_itself_is_done(void **state) {
    (void)state;
    dms_cycle cycle = {.release_ns = 100000};
    const dms_place_options options = {0};
    dms_placer placer = {.cycle = &cycle, .options = &options, .target_ns = 100000};
    placer.best.draft.period_ns = 100001;
    assert_true(dms_placer_is_covered(&placer));
    assert_false(dms_placer_is_done(&placer));
    placer.best.draft.period_ns = 100000;
    assert_true(dms_placer_is_done(&placer));
    assert_true(dms_placer_goal(&placer, 0.01) == 100000);
}

static void compute_that_covers_the_link_waits_for_no_copy(void **state) {
    (void)state;
    /* Twelve steps of 60 ns, a weight of 50 units (50 ns) in each, a budget with room for three: one
     * in use, one that waits, one on its way. */
    problem_case c;
    problem_begin(&c, 12, 60);
    for (uint32_t t = 0; t < 12; t++)
        problem_once(&c, DMS_PROBLEM_WEIGHT, 50, t);
    assert_int_equal(problem_place(&c, 150).period_ns, 720);
    problem_end(&c);
}

static void of_equal_periods_the_one_with_less_stall_is_better(void **state) {
    (void)state;
    const dms_draft a = {.period_ns = 10, .stall_ns = 3}, b = {.period_ns = 10, .stall_ns = 4};
    const dms_draft c = {.period_ns = 9, .stall_ns = 9};
    assert_true(dms_draft_better(&a, &b));
    assert_false(dms_draft_better(&b, &a));
    assert_false(dms_draft_better(&a, &a));
    assert_true(dms_draft_better(&c, &a));
}

static void of_equal_periods_and_stalls_the_one_that_copies_less_is_better(void **state) {
    (void)state;
    const dms_draft a = {.period_ns = 10, .stall_ns = 3, .copy_ns = 5};
    const dms_draft b = {.period_ns = 10, .stall_ns = 3, .copy_ns = 6};
    const dms_draft c = {.period_ns = 10, .stall_ns = 2, .copy_ns = 9};
    assert_true(dms_draft_better(&a, &b));
    assert_false(dms_draft_better(&b, &a));
    assert_true(dms_draft_better(&c, &a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_never_ends_worse_and_often_better),
        cmocka_unit_test(a_search_with_addresses_improves_the_best_layout),
        cmocka_unit_test(candidates_count_with_their_best_period),
        cmocka_unit_test(keeping_more_weights_needs_less_host_and_is_packed),
        cmocka_unit_test(a_floor_layout_is_as_large_as_it_said),
        cmocka_unit_test(a_plan_near_its_target_is_done),
        cmocka_unit_test(where_the_steps_cover_all_copies_only_the_target_itself_is_done),
        cmocka_unit_test(compute_that_covers_the_link_waits_for_no_copy),
        cmocka_unit_test(of_equal_periods_the_one_with_less_stall_is_better),
        cmocka_unit_test(of_equal_periods_and_stalls_the_one_that_copies_less_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
