/* test_place_late.c - loads that take memory behind all others, what a search makes of them, and
 * plans that get addresses as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/offsets.h"
#include "support_draft.h"

/* The slot from which on the load of a gap holds memory. */
static int32_t start_of(const dms_draft *draft, uint32_t gap) {
    for (uint32_t q = 0; q < draft->n_loads; q++)
        if (draft->load[q] == gap)
            return draft->after[q] + 1;
    fail_msg("gap %u is not loaded", gap);
    return 0;
}

static uint32_t gap_of(const dms_cycle *cycle, uint32_t tensor) {
    return cycle->first_gap[tensor];
}

/* step      0    1    2    3    4    5     A weight of 10 units is due at 4, one of 30 at 5; beside
 * units    40    1    1    1   10   30     the footprints there is room for 35.
 * free      0   39   39   39   30   10     (of 40) */
static void begin_pair(draft_case *d, uint32_t *out_small, uint32_t *out_large) {
    memset(&d->c, 0, sizeof d->c);
    problem_begin(&d->c, 6, 20);
    (void)problem_once(&d->c, DMS_PROBLEM_ACTIVATION, 40, 0);
    for (uint32_t t = 1; t < 4; t++)
        (void)problem_once(&d->c, DMS_PROBLEM_ACTIVATION, 1, t);
    *out_small = problem_once(&d->c, DMS_PROBLEM_WEIGHT, 10, 4);
    *out_large = problem_once(&d->c, DMS_PROBLEM_WEIGHT, 30, 5);
    draft_begin(d);
}

static void a_late_load_leaves_its_memory_to_one_that_is_due_after_it(void **state) {
    (void)state;
    draft_case d;
    uint32_t small, large;
    begin_pair(&d, &small, &large);
    assert_true(dms_slots(&d.cycle, &d.work, 40, DMS_SLOT_EARLY, &d.draft));
    assert_int_equal(start_of(&d.draft, gap_of(&d.cycle, small)), 1);
    assert_int_equal(start_of(&d.draft, gap_of(&d.cycle, large)), 4); /* 39 < 10 + 30 */
    d.draft.late[gap_of(&d.cycle, small)] = 1;
    assert_true(dms_slots(&d.cycle, &d.work, 40, DMS_SLOT_EARLY, &d.draft));
    assert_int_equal(start_of(&d.draft, gap_of(&d.cycle, large)), 1);
    assert_int_equal(start_of(&d.draft, gap_of(&d.cycle, small)), 4); /* its own step counts it */
    problem_end(&d.c);
}

static void where_there_is_room_for_both_late_is_as_early(void **state) {
    (void)state;
    draft_case d;
    uint32_t small, large;
    begin_pair(&d, &small, &large);
    for (uint8_t late = 0; late < 2; late++) {
        d.draft.late[gap_of(&d.cycle, small)] = late;
        assert_true(dms_slots(&d.cycle, &d.work, 41, DMS_SLOT_EARLY, &d.draft));
        assert_int_equal(start_of(&d.draft, gap_of(&d.cycle, small)), 1);
        assert_int_equal(start_of(&d.draft, gap_of(&d.cycle, large)), 1);
    }
    problem_end(&d.c);
}

/* step      0    1    2    3    4    5     The same with 10 and 50 of 60 units: before slot 3 they
 * free      0   59   59   60   50   10     do not fit together. The large copy takes 50 ns, and 40 are
 *                                          left behind step 2; the small one has time behind it. */
static void the_search_finds_what_stands_in_the_way(void **state) {
    (void)state;
    placer_case p;
    dms_status st;
    memset(&p.c, 0, sizeof p.c);
    problem_begin(&p.c, 6, 20);
    (void)problem_once(&p.c, DMS_PROBLEM_ACTIVATION, 60, 0);
    for (uint32_t t = 1; t < 3; t++)
        (void)problem_once(&p.c, DMS_PROBLEM_ACTIVATION, 1, t);
    const uint32_t small = problem_once(&p.c, DMS_PROBLEM_WEIGHT, 10, 4);
    (void)problem_once(&p.c, DMS_PROBLEM_WEIGHT, 50, 5);
    placer_begin(&p, 0);
    p.placer.budget = 60;
    memset(p.placer.trial.keep, 0, p.cycle.n_gaps);
    assert_true(dms_placer_score(&p.placer, DMS_NO_PERIOD, &p.placer.trial));
    assert_int_equal(p.placer.trial.period_ns, 130); /* 50 - 40 behind step 2 */
    assert_int_equal(p.placer.trial.n_stalled, 1);
    assert_int_equal(p.placer.trial.stalled[0], 5);
    assert_int_equal(dms_search_drafts(&p.placer, 40, 0, &st), DMS_OK);
    assert_int_equal(p.placer.trial.period_ns, 120);
    assert_true(p.placer.trial.late[gap_of(&p.cycle, small)]);
    problem_end(&p.c);
}

/* What a slot holds: footprints, kept gaps, loads from their start on; by a plain loop. */
static int64_t held(const draft_case *d, int32_t slot) {
    const int32_t n = d->cycle.n_steps;
    int64_t sum = draft_held(&d->cycle, d->draft.keep, slot);
    for (uint32_t q = 0; q < d->draft.n_loads; q++) {
        const dms_gap *gap = d->cycle.gap + d->draft.load[q];
        for (int32_t s = d->draft.after[q] + 1; s < gap->due; s++)
            sum += (s + n) % n == slot ? gap->units : 0;
    }
    return sum;
}

/* Random networks, a third of the loads late: memory holds, no other load starts later than it did
 * without them, and some start sooner. By both ways to give slots. */
static void late_loads_fit_and_stand_in_nobodys_way(void **state) {
    (void)state;
    uint32_t n_sooner = 0, n_late = 0, n_run = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        draft_case d;
        int32_t before[256];
        draft_random(&d, seed, 4 + (uint32_t)seed % 17);
        assert_true(d.cycle.n_gaps <= 256);
        for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
            d.draft.keep[g] = d.cycle.gap[g].rule == DMS_GAP_KEPT || d.cycle.gap[g].is_saved;
        const int64_t budget = draft_peak(&d.cycle, d.draft.keep) + problem_draw(&d.c, 40);
        if (dms_slots(&d.cycle, &d.work, budget, DMS_SLOT_EARLY, &d.draft)) {
            for (uint32_t q = 0; q < d.draft.n_loads; q++)
                before[d.draft.load[q]] = d.draft.after[q];
            for (uint32_t g = 0; g < d.cycle.n_gaps; g++)
                d.draft.late[g] = problem_draw(&d.c, 3) == 0;
            const uint32_t n_loads = d.draft.n_loads;
            assert_true(dms_slots(&d.cycle, &d.work, budget, DMS_SLOT_EARLY, &d.draft));
            assert_int_equal(d.draft.n_loads, n_loads);
            for (uint32_t q = 0; q < n_loads; q++) {
                const uint32_t g = d.draft.load[q];
                n_late += d.draft.late[g];
                assert_true(d.draft.late[g] || d.draft.after[q] <= before[g]);
                n_sooner += !d.draft.late[g] && d.draft.after[q] < before[g];
            }
            for (int32_t t = 0; t < d.cycle.n_steps; t++)
                assert_true(held(&d, t) <= budget);
            if (dms_simulate(&d.cycle, &d.work, 6, &d.draft)) {
                dms_queue_leads(&d.cycle, &d.work, &d.draft, 1, d.work.start);
                dms_slots_later(&d.cycle, &d.work, d.work.start, &d.draft);
                assert_int_equal(d.draft.n_loads, n_loads);
                for (int32_t t = 0; t < d.cycle.n_steps; t++)
                    assert_true(held(&d, t) <= budget);
                n_run++;
            }
        }
        problem_end(&d.c);
    }
    assert_true(n_run > 150 && n_late > 200 && n_sooner > 30);
}

/* The pieces of a layout from their start on, above what is kept; returns the units kept. */
static int64_t lives_of(placer_case *p, const dms_layout *layout, dms_lives *out_lives,
                        int64_t **out_offset) {
    dms_life *life = DMS_NEW(&p->c.arena, dms_life, layout->n_pieces);
    int64_t *offset = DMS_NEW(&p->c.arena, int64_t, layout->n_pieces), kept = 0;
    assert_true(life != NULL && offset != NULL);
    for (uint32_t i = 0; i < p->cycle.n_tensors; i++)
        kept += layout->kept_offset[i] >= 0 ? p->cycle.units[i] : 0;
    for (uint32_t i = 0; i < layout->n_pieces; i++) {
        const dms_piece *at = layout->piece + i;
        const int32_t turn = at->start < 0 ? p->cycle.n_steps : 0;
        assert_true(at->start <= at->need && at->offset >= kept);
        if (at->gap >= 0)
            assert_int_equal(at->start, start_of(&layout->draft, (uint32_t)at->gap));
        life[i] = (dms_life){at->start + turn, at->end + turn + 1, at->units};
        offset[i] = at->offset - kept;
    }
    *out_lives = (dms_lives){life, layout->n_pieces, p->cycle.n_steps, p->placer.budget - kept};
    *out_offset = offset;
    return kept;
}

static bool score_without_weights(dms_placer *placer) {
    for (uint32_t g = 0; g < placer->cycle->n_gaps; g++) {
        const dms_gap *gap = placer->cycle->gap + g;
        placer->trial.keep[g] = gap->rule == DMS_GAP_KEPT || gap->is_saved;
    }
    return dms_placer_score(placer, DMS_NO_PERIOD, &placer->trial);
}

/* Random drafts as they are: no two pieces share a byte in a slot, each begins where its load does,
 * and a budget below the fullest slot has no room. */
static void a_plan_gets_addresses_as_it_is(void **state) {
    (void)state;
    uint32_t n_whole = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        placer_case p;
        dms_status st;
        dms_placer *placer = &p.placer;
        problem_random(&p.c, seed, 12 + (uint32_t)seed % 20);
        placer_begin(&p, 20 + (int64_t)seed % 60);
        placer->best.draft.period_ns = DMS_NO_PERIOD;
        const bool fits = score_without_weights(placer) && dms_placer_whole(placer, "whole");
        assert_int_equal(placer_period_of(placer, "whole"),
                         fits ? placer->trial.period_ns : DMS_NO_PERIOD);
        if (fits) {
            dms_lives lives;
            int64_t *offset, peak;
            const int64_t kept = lives_of(&p, &placer->best, &lives, &offset);
            assert_int_equal(dms_offsets_verify(&lives, offset, &p.c.arena, &st), DMS_OK);
            assert_int_equal(dms_lives_peak(&lives, &p.c.arena, &peak, &st), DMS_OK);
            assert_false(dms_addresses_whole(placer->addresses, kept + peak - 1, &placer->trial));
            assert_false(dms_placer_whole(placer, "again")); /* it is no better than the best */
        }
        n_whole += fits;
        problem_end(&p.c);
    }
    assert_true(n_whole > 60);
}

/* From a layout by a pass: what the search leaves lies apart too, whichever way it was packed. */
static void the_search_with_addresses_packs_plans_as_they_are(void **state) {
    (void)state;
    uint32_t n_better = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        placer_case p;
        dms_status st;
        dms_placer *placer = &p.placer;
        const dms_fit fit = {.repair = 1, .lead = 1};
        problem_random(&p.c, seed, 24);
        placer_begin(&p, 60);
        placer->best.draft.period_ns = DMS_NO_PERIOD;
        if (score_without_weights(placer) && dms_placer_pass(placer, &fit, "pass")) {
            dms_lives lives;
            int64_t *offset;
            const int64_t before = placer->best.draft.period_ns;
            assert_int_equal(dms_search_layouts(placer, 200, 10000000, 0, &st), DMS_OK);
            (void)lives_of(&p, &placer->best, &lives, &offset);
            assert_int_equal(dms_offsets_verify(&lives, offset, &p.c.arena, &st), DMS_OK);
            n_better += placer->best.draft.period_ns < before;
        }
        problem_end(&p.c);
    }
    assert_true(n_better >= 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_load_leaves_its_memory_to_one_that_is_due_after_it),
        cmocka_unit_test(where_there_is_room_for_both_late_is_as_early),
        cmocka_unit_test(the_search_finds_what_stands_in_the_way),
        cmocka_unit_test(late_loads_fit_and_stand_in_nobodys_way),
        cmocka_unit_test(a_plan_gets_addresses_as_it_is),
        cmocka_unit_test(the_search_with_addresses_packs_plans_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
