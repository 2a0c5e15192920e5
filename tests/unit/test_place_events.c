/* test_place_events.c - the simulator against the longest path through a net of events. The net has
 * one time per event and the sentence that places it; times rise until no sentence is broken. Where
 * that takes more rounds than there are events, some queue waits for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

#define TURNS 6

/* Times of all events of TURNS turns, counted on from turn to turn. */
typedef struct net {
    const dms_cycle *cycle;
    const dms_draft *draft;
    int64_t *opens, *ends;     /* per step: when its slot opens, when it ends */
    int64_t *arrives, *out;    /* per load and per save: when it is done */
    int64_t *read;             /* per load: when its bytes are on the host */
    const int32_t *read_after; /* of the workbench: the ring is placed by ring.c */
    bool moved;
} net;

static void at_least(net *n, int64_t *time, int64_t value) {
    if (*time < value) {
        *time = value;
        n->moved = true;
    }
}

/* When slot `slot` of the whole run opens; before turn 0 everything is open. */
static int64_t opening(const net *n, int64_t slot) {
    return slot < 0 ? 0 : n->opens[slot];
}

/* "A slot opens when the step before it has ended, and the saves that want it are done." */
static void place_slot(net *n, int64_t slot) {
    if (slot > 0)
        at_least(n, &n->opens[slot], n->ends[slot - 1]);
    for (uint32_t q = 0; q < n->draft->n_saves; q++)
        for (int64_t turn = 0; turn < TURNS; turn++)
            if (turn * n->cycle->n_steps + n->draft->before[n->draft->save[q]] == slot)
                at_least(n, &n->opens[slot], n->out[turn * n->draft->n_saves + q]);
}

/* "A reading begins behind the one before it, when the copy out of its place in the ring is done";
 * what waits for nothing of this run was read in the prologue. */
static void place_readings(net *n, int64_t turn) {
    for (uint32_t q = 0; q < n->draft->n_loads; q++) {
        const int64_t at = turn * n->draft->n_loads + q;
        const uint32_t id = n->cycle->gap[n->draft->load[q]].tensor;
        const int64_t ns = n->cycle->read_ns[id];
        const int64_t freed = turn * n->draft->n_loads + n->read_after[q];
        if (!n->draft->is_read[id] || freed < 0)
            continue;
        at_least(n, &n->read[at], n->arrives[freed] + ns);
        for (int64_t before = 0; before < at; before++)
            at_least(n, &n->read[at], n->read[before] + ns);
    }
}

/* "A copy begins behind the one before it in its queue, its slot being open, its bytes read." */
static void place_copies(net *n, int64_t turn) {
    const int64_t first = turn * n->cycle->n_steps;
    for (uint32_t q = 0; q < n->draft->n_loads; q++) {
        int64_t *done = &n->arrives[turn * n->draft->n_loads + q];
        const int64_t ns = n->cycle->gap[n->draft->load[q]].ns;
        if (turn > 0 || q > 0)
            at_least(n, done, done[-1] + ns);
        at_least(n, done, opening(n, first + n->draft->after[q] + 1) + ns);
        at_least(n, done, n->read[turn * n->draft->n_loads + q] + ns);
    }
    for (uint32_t q = 0; q < n->draft->n_saves; q++) {
        int64_t *done = &n->out[turn * n->draft->n_saves + q];
        const uint32_t id = n->draft->save[q];
        if (turn > 0 || q > 0)
            at_least(n, done, done[-1] + n->cycle->save_ns[id]);
        at_least(n, done, n->ends[first + n->cycle->write_end[id]] + n->cycle->save_ns[id]);
    }
}

/* "A step begins when its slot is open and what is due there has arrived." */
static void place_step(net *n, int64_t turn, int32_t step) {
    const int64_t at = turn * n->cycle->n_steps + step;
    const int64_t ns = n->cycle->problem->steps[step].ns;
    at_least(n, &n->ends[at], n->opens[at] + ns);
    for (uint32_t q = 0; q < n->draft->n_loads; q++)
        if (n->cycle->gap[n->draft->load[q]].due == step)
            at_least(n, &n->ends[at], n->arrives[turn * n->draft->n_loads + q] + ns);
}

/* Places all events. False where that never ends. */
static bool settle(net *n, const draft_case *d, dms_arena *arena) {
    const uint64_t steps = TURNS * (uint64_t)d->cycle.n_steps;
    *n = (net){
        .cycle = &d->cycle, .draft = &d->draft, .read_after = d->work.read_after, .moved = true};
    n->read = DMS_NEW(arena, int64_t, TURNS * (uint64_t)d->draft.n_loads + 1);
    n->opens = DMS_NEW(arena, int64_t, steps);
    n->ends = DMS_NEW(arena, int64_t, steps);
    n->arrives = DMS_NEW(arena, int64_t, TURNS * (uint64_t)d->draft.n_loads + 1);
    n->out = DMS_NEW(arena, int64_t, TURNS * (uint64_t)d->draft.n_saves + 1);
    const uint64_t n_events =
        2 * steps + TURNS * (uint64_t)(2 * d->draft.n_loads + d->draft.n_saves);
    for (uint64_t round = 0; n->moved; round++) {
        if (round > n_events)
            return false;
        n->moved = false;
        for (int64_t turn = 0; turn < TURNS; turn++) {
            if (d->draft.n_read > 0)
                place_readings(n, turn);
            place_copies(n, turn);
            for (int32_t t = 0; t < d->cycle.n_steps; t++) {
                place_slot(n, turn * d->cycle.n_steps + t);
                place_step(n, turn, t);
            }
        }
    }
    return true;
}

/* All that the simulator says of the last turn. Where a turn is the one before over again it ends
 * there: its times are sooner then, all by as much. Returns by how much. */
static int64_t last_turn_is_that_of(const net *n, const draft_case *d) {
    const int32_t steps = d->cycle.n_steps;
    const int64_t *ends = n->ends + (TURNS - 1) * steps, *opens = n->opens + (TURNS - 1) * steps;
    const int64_t sooner = ends[steps - 1] - d->work.end[2 * steps - 1];
    int64_t stalls = 0, worst = 0;
    int32_t worst_step = -1;
    for (int32_t t = 0; t < steps; t++) {
        const int64_t stall = ends[t] - d->c.problem.steps[t].ns - ends[t - 1];
        assert_int_equal(d->work.end[steps + t] + sooner, ends[t]);
        assert_int_equal(d->work.open[steps + t] + sooner, opens[t]);
        stalls += stall;
        if (stall > worst) {
            worst = stall;
            worst_step = t;
        }
    }
    for (uint32_t q = 0; q < d->draft.n_loads; q++)
        assert_int_equal(d->work.load_start[q] + d->cycle.gap[d->draft.load[q]].ns + sooner,
                         n->arrives[(TURNS - 1) * d->draft.n_loads + q]);
    const int64_t two = ends[steps - 1] - ends[steps - 1 - 2 * steps];
    assert_int_equal(d->draft.period_ns, (two + 1) / 2);
    assert_int_equal(d->draft.stall_ns, stalls);
    assert_int_equal(d->draft.worst_step, worst_step);
    for (int32_t t = 0; t < steps; t++) /* the turn before it is there as well */
        assert_int_equal(d->work.end[t] + sooner, ends[t - steps]);
    return sooner;
}

/* Simulates a draft both ways; returns whether it can run, and how much sooner it ended. */
static bool both_agree_on(draft_case *d, int64_t *out_sooner) {
    dms_arena arena = {0};
    net n;
    const bool runs = dms_simulate(&d->cycle, &d->work, TURNS, &d->draft);
    assert_int_equal(settle(&n, d, &arena), runs);
    if (runs)
        *out_sooner = last_turn_is_that_of(&n, d);
    else
        assert_true(d->draft.period_ns == DMS_NO_PERIOD);
    dms_arena_free(&arena);
    return runs;
}

static bool both_agree(draft_case *d) {
    int64_t sooner;
    return both_agree_on(d, &sooner);
}

/* Random keeps of what may be kept, and slots of one mode in a budget that holds them. */
static bool draw_slots(draft_case *d, uint64_t seed, uint32_t steps, dms_slot_mode mode) {
    draft_random(d, seed, steps);
    const uint32_t share = problem_draw(&d->c, 5); /* of 4 */
    for (uint32_t g = 0; g < d->cycle.n_gaps; g++) {
        const dms_gap_rule rule = d->cycle.gap[g].rule;
        const bool wanted = problem_draw(&d->c, 4) < share;
        d->draft.keep[g] = rule == DMS_GAP_KEPT || (rule == DMS_GAP_FREE && wanted);
    }
    const int64_t budget = draft_peak(&d->cycle, d->draft.keep) + problem_draw(&d->c, 120);
    return dms_slots(&d->cycle, &d->work, budget, mode, &d->draft);
}

static void drafts_of_every_mode_run_as_the_net_says(void **state) {
    (void)state;
    uint32_t n_saved = 0, n_run = 0, n_stalled = 0;
    for (uint64_t seed = 1; seed <= 240; seed++) {
        draft_case d;
        if (draw_slots(&d, seed, 3 + (uint32_t)seed % 17, (dms_slot_mode)(seed % 3))) {
            assert_true(both_agree(&d)); /* slots never make a queue that waits for itself */
            n_run++;
            n_saved += d.draft.n_saves > 1;
            n_stalled += d.draft.stall_ns > 0;
        }
        problem_end(&d.c);
    }
    assert_true(n_run > 150 && n_saved > 50 && n_stalled > 50);
}

/* Exchanges two loads, or moves one load or save to another slot inside its limits. */
static void disturb(draft_case *d) {
    dms_draft *draft = &d->draft;
    if (draft->n_loads == 0)
        return;
    const uint32_t q = problem_draw(&d->c, draft->n_loads), r = problem_draw(&d->c, draft->n_loads);
    const uint32_t load = draft->load[q];
    const int32_t after = draft->after[q], due = d->cycle.gap[load].due;
    switch (problem_draw(&d->c, 3)) {
    case 0:
        draft->load[q] = draft->load[r];
        draft->after[q] = draft->after[r];
        draft->load[r] = load;
        draft->after[r] = after;
        return;
    case 1:
        draft->after[q] = due - 1 - (int32_t)problem_draw(&d->c, (uint32_t)(due - after));
        return;
    default:
        if (draft->n_saves > 0) {
            const uint32_t id = draft->save[problem_draw(&d->c, draft->n_saves)];
            const int32_t least = d->cycle.write_end[id] + 1, n = d->cycle.n_steps;
            draft->before[id] = least + (int32_t)problem_draw(&d->c, (uint32_t)(2 * n - least));
        }
    }
}

static void queues_in_any_order_run_or_wait_as_the_net_says(void **state) {
    (void)state;
    uint32_t n_run = 0, n_waiting = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        draft_case d;
        if (draw_slots(&d, seed, 3 + (uint32_t)seed % 11, DMS_SLOT_EARLY)) {
            for (uint32_t k = 1 + problem_draw(&d.c, 4); k > 0; k--)
                disturb(&d);
            *(both_agree(&d) ? &n_run : &n_waiting) += 1;
        }
        problem_end(&d.c);
    }
    assert_true(n_run > 100 && n_waiting > 30);
}

/* Weights in files on a slow storage, and a host that has room for some of their homes. */
static bool draw_reads(draft_case *d, uint64_t seed) {
    problem_random(&d->c, seed, 4 + (uint32_t)seed % 13);
    d->c.problem.load = (dms_link){UNIT * 400000000ll, (int64_t)problem_draw(&d->c, 30)};
    for (uint32_t i = 0; i < d->c.problem.n_tensors; i++)
        if (d->c.problem.tensors[i].kind == DMS_PROBLEM_WEIGHT)
            d->c.problem.tensors[i].storage_bytes = d->c.problem.tensors[i].bytes;
    draft_begin(d);
    for (uint32_t g = 0; g < d->cycle.n_gaps; g++)
        d->draft.keep[g] = d->cycle.gap[g].rule == DMS_GAP_KEPT || d->cycle.gap[g].is_saved;
    d->cycle.host_units = 128 + (int64_t)problem_draw(&d->c, 200);
    d->draft.wish.units = DMS_PAGE_UNITS * (int64_t)problem_draw(&d->c, 20);
    d->draft.wish.most = d->draft.wish.units;
    const int64_t budget = draft_peak(&d->cycle, d->draft.keep) + problem_draw(&d->c, 120);
    return dms_homes_choose(&d->cycle, &d->work, &d->draft) &&
           dms_slots(&d->cycle, &d->work, budget, DMS_SLOT_EARLY, &d->draft);
}

static void readings_wait_for_their_place_and_copies_for_their_reading(void **state) {
    (void)state;
    uint32_t n_read = 0, n_slower = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        draft_case d;
        if (draw_reads(&d, seed) && d.draft.n_read > 0) {
            assert_true(both_agree(&d));
            const int64_t with = d.draft.period_ns;
            d.draft.n_read = 0; /* the same queue, as if all bytes were on the host */
            memset(d.draft.is_read, 0, d.cycle.n_tensors);
            assert_true(both_agree(&d));
            assert_true(d.draft.period_ns <= with);
            n_slower += d.draft.period_ns < with;
            n_read++;
        }
        problem_end(&d.c);
    }
    assert_true(n_read > 60 && n_slower > 20);
}

/* Where nothing is copied, turns follow each other without a break. */
static void a_draft_without_copies_has_the_period_of_its_steps(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 5, 10);
    (void)problem_add(&d.c, DMS_PROBLEM_ACTIVATION, 3, 2, (const uint32_t[]){1, 2});
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 100, DMS_SLOT_EARLY, &d.draft));
    assert_true(both_agree(&d));
    assert_int_equal(d.draft.period_ns, 50);
    problem_end(&d.c);
}

/* Most drafts settle in a turn or two; the rest of the turns is not run. */
static void a_turn_like_the_one_before_it_is_the_last(void **state) {
    (void)state;
    uint32_t n_sooner = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        draft_case d;
        int64_t sooner = 0;
        if (draw_slots(&d, seed, 3 + (uint32_t)seed % 17, DMS_SLOT_EARLY)) {
            assert_true(both_agree_on(&d, &sooner));
            n_sooner += sooner > 0;
            /* whole turns are left out */
            assert_int_equal(sooner % d.draft.period_ns, 0);
            assert_true(sooner <= 3 * d.draft.period_ns);
        }
        problem_end(&d.c);
    }
    assert_true(n_sooner > 100);
}

/* Two turns may differ: the copy of 25 ns meets its step of 10 ns once in two. By hand: the load
 * of 45 ns of each turn begins when the one before it is done; so 45 ns a turn. */
static void a_link_without_pause_sets_the_period_of_the_net(void **state) {
    (void)state;
    draft_case d;
    problem_begin(&d.c, 4, 10);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 20, 0);
    (void)problem_once(&d.c, DMS_PROBLEM_WEIGHT, 25, 2);
    draft_begin(&d);
    assert_true(dms_slots(&d.cycle, &d.work, 1000, DMS_SLOT_EARLY, &d.draft));
    assert_true(both_agree(&d));
    assert_int_equal(d.draft.period_ns, 45);
    problem_end(&d.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafts_of_every_mode_run_as_the_net_says),
        cmocka_unit_test(queues_in_any_order_run_or_wait_as_the_net_says),
        cmocka_unit_test(readings_wait_for_their_place_and_copies_for_their_reading),
        cmocka_unit_test(a_turn_like_the_one_before_it_is_the_last),
        cmocka_unit_test(a_draft_without_copies_has_the_period_of_its_steps),
        cmocka_unit_test(a_link_without_pause_sets_the_period_of_the_net),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
