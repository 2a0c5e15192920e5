/* test_place_tiny.c - problems so small that everything can be tried: every keep, every slot, every
 * order of the queue, every order of packing. Nothing beats that, and bounds lie below it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

#define TURNS 12
#define MOST_PIECES 8

/* ---- all plans of a problem, addresses apart ------------------------------------------------- */

/* A walk over all plans. */
typedef struct search {
    draft_case d;
    int64_t budget, best;
    bool keeps_activations; /* leave out the plans in which one leaves */
} search;

/* Steps 0 to 4: an input, two weights (one of them maybe used twice), an activation that spans the
 * middle, an output. */
static void draw(search *s, uint64_t seed) {
    problem_case *c = &s->d.c;
    problem_begin(c, 5, 0);
    c->random = seed * 31 + 17;
    for (uint32_t t = 0; t < 5; t++)
        c->problem.steps[t].ns = 20 + problem_draw(c, 80);
    (void)problem_once(c, DMS_PROBLEM_INPUT, 10 + problem_draw(c, 60), problem_draw(c, 3));
    if (seed % 3 == 0)
        (void)problem_add(c, DMS_PROBLEM_WEIGHT, 60 + problem_draw(c, 90), 2,
                          (const uint32_t[]){1, 3});
    else
        (void)problem_once(c, DMS_PROBLEM_WEIGHT, 60 + problem_draw(c, 90), problem_draw(c, 5));
    (void)problem_once(c, DMS_PROBLEM_WEIGHT, 60 + problem_draw(c, 90), problem_draw(c, 5));
    (void)problem_add(c, DMS_PROBLEM_ACTIVATION, 30 + problem_draw(c, 60), 2,
                      (const uint32_t[]){0, 3 + problem_draw(c, 2)});
    (void)problem_once(c, DMS_PROBLEM_OUTPUT, 10 + problem_draw(c, 40), 4);
    draft_begin(&s->d);
    s->budget = s->d.cycle.peak + problem_draw(c, 130);
    s->best = DMS_NO_PERIOD;
}

/* What slot t holds under the draft: touches, kept gaps, loads that took their memory, saves that
 * have not given it back. */
static int64_t held(const search *s, int32_t t) {
    const dms_cycle *cycle = &s->d.cycle;
    const dms_draft *draft = &s->d.draft;
    const int32_t n = cycle->n_steps;
    int64_t sum = draft_held(cycle, draft->keep, t);
    for (uint32_t q = 0; q < draft->n_loads; q++) {
        const dms_gap *gap = cycle->gap + draft->load[q];
        for (int32_t slot = draft->after[q] + 1; slot < gap->due; slot++)
            sum += (slot + n) % n == t ? gap->units : 0;
    }
    for (uint32_t q = 0; q < draft->n_saves; q++) {
        const uint32_t id = draft->save[q];
        for (int32_t slot = cycle->write_end[id] + 1; slot < draft->before[id]; slot++)
            sum += slot % n == t ? cycle->units[id] : 0;
    }
    return sum;
}

static bool fits(const search *s) {
    for (int32_t t = 0; t < s->d.cycle.n_steps; t++)
        if (held(s, t) > s->budget)
            return false;
    return true;
}

/* All orders of the loads from place `at` on. */
static void try_orders(search *s, uint32_t at) {
    dms_draft *draft = &s->d.draft;
    if (at == draft->n_loads) {
        if (dms_simulate(&s->d.cycle, &s->d.work, TURNS, draft) && draft->period_ns < s->best)
            s->best = draft->period_ns;
        return;
    }
    for (uint32_t i = at; i < draft->n_loads; i++)
        for (int back = 0; back < 2; back++) {
            const uint32_t load = draft->load[i];
            const int32_t after = draft->after[i];
            draft->load[i] = draft->load[at];
            draft->after[i] = draft->after[at];
            draft->load[at] = load;
            draft->after[at] = after;
            if (back == 0)
                try_orders(s, at + 1);
        }
}

/* All slots of the loads from place `q` on: inside their gaps, behind their saves, inputs from slot
 * 0 on. */
static void try_slots(search *s, uint32_t q) {
    dms_draft *draft = &s->d.draft;
    if (q == draft->n_loads) {
        if (fits(s))
            try_orders(s, 0);
        return;
    }
    const dms_gap *gap = s->d.cycle.gap + draft->load[q];
    int32_t first = gap->a - (gap->b - gap->due);
    if (gap->rule == DMS_GAP_LOADED && first < -1)
        first = -1;
    if (gap->is_saved && first < draft->before[gap->tensor] - 1)
        first = draft->before[gap->tensor] - 1;
    for (int32_t after = first; after < gap->due; after++) {
        draft->after[q] = after;
        try_slots(s, q + 1);
    }
}

/* All ends of the saves from place `q` on. An activation is there again at its next touch. */
static void try_saves(search *s, uint32_t q) {
    dms_draft *draft = &s->d.draft;
    const dms_cycle *cycle = &s->d.cycle;
    if (q == draft->n_saves) {
        try_slots(s, 0);
        return;
    }
    const uint32_t id = draft->save[q];
    const bool is_output = cycle->problem->tensors[id].kind == DMS_PROBLEM_OUTPUT;
    const int32_t last = is_output ? cycle->write_end[id] + cycle->n_steps : cycle->last_touch[id];
    for (int32_t before = cycle->write_end[id] + 1; before <= last && before < 2 * cycle->n_steps;
         before++) {
        draft->before[id] = before;
        try_saves(s, q + 1);
    }
}

/* The best period of all plans, addresses apart. */
static int64_t exhaustive(search *s) {
    const dms_cycle *cycle = &s->d.cycle;
    dms_draft *draft = &s->d.draft;
    for (uint32_t mask = 0; mask < 1u << cycle->n_gaps; mask++) {
        bool is_plan = true;
        draft->n_loads = draft->n_saves = 0;
        memset(draft->before, 0, cycle->n_tensors * sizeof *draft->before);
        for (uint32_t g = 0; g < cycle->n_gaps; g++) {
            const dms_gap *gap = cycle->gap + g;
            draft->keep[g] = mask >> g & 1;
            is_plan = is_plan &&
                      (gap->rule == DMS_GAP_FREE || draft->keep[g] == (gap->rule == DMS_GAP_KEPT));
            is_plan = is_plan && (!gap->is_saved || draft->keep[g] || !s->keeps_activations);
            if (!draft->keep[g])
                draft->load[draft->n_loads++] = g;
            if (!draft->keep[g] && gap->is_saved)
                draft->save[draft->n_saves++] = gap->tensor;
        }
        draft->save[draft->n_saves++] = cycle->n_tensors - 1; /* the output, made last */
        if (is_plan)
            try_saves(s, 0);
    }
    return s->best;
}

/* The plan of what was drawn, beside the best of all plans (s->best). Where the budget had to be
 * raised to the floor they have not the same, and nothing is compared. */
static dms_decision plan_beside_all(search *s, bool *out_is_same_budget) {
    const int64_t best = exhaustive(s);
    const uint64_t floor = problem_floor(&s->d.c);
    const uint64_t budget = floor > (uint64_t)s->budget ? floor : (uint64_t)s->budget;
    const dms_decision d = problem_place(&s->d.c, budget);
    assert_true(best != DMS_NO_PERIOD);
    *out_is_same_budget = budget == (uint64_t)s->budget;
    if (*out_is_same_budget) {
        assert_true(d.bound_ns <= best);
        assert_true(d.period_ns >= best);
    }
    return d;
}

static void no_plan_beats_all_plans_and_no_bound_passes_them(void **state) {
    (void)state;
    uint32_t n_equal = 0, n_stalled = 0;
    const uint32_t n_seeds = 60;
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        search s = {.keeps_activations = false};
        draw(&s, seed);
        bool is_same_budget;
        const dms_decision d = plan_beside_all(&s, &is_same_budget);
        n_equal += is_same_budget && d.period_ns <= s.best + s.best / 1000;
        n_stalled += s.best > s.d.cycle.compute_ns;
        problem_end(&s.d.c);
    }
    assert_true(n_stalled >= n_seeds / 3);
    assert_true(n_equal >= n_seeds / 2);
}

/* Steps 0 to 4, an input, an output and three weights of 12, 30 to 49 and 100 to 189 units on a link
 * with 10 to 39 ns of latency per copy: a unit of the small ones takes up to four times as long. */
static void draw_paces(search *s, uint64_t seed) {
    problem_case *c = &s->d.c;
    problem_begin(c, 5, 0);
    c->random = seed * 43 + 11;
    c->problem.in.latency_ns = 10 + problem_draw(c, 30);
    for (uint32_t t = 0; t < 5; t++)
        c->problem.steps[t].ns = 20 + problem_draw(c, 80);
    (void)problem_once(c, DMS_PROBLEM_INPUT, 10 + problem_draw(c, 60), problem_draw(c, 3));
    (void)problem_once(c, DMS_PROBLEM_WEIGHT, 12, problem_draw(c, 5));
    (void)problem_once(c, DMS_PROBLEM_WEIGHT, 30 + problem_draw(c, 20), problem_draw(c, 5));
    (void)problem_once(c, DMS_PROBLEM_WEIGHT, 100 + problem_draw(c, 90), problem_draw(c, 5));
    (void)problem_once(c, DMS_PROBLEM_OUTPUT, 10 + problem_draw(c, 40), 4);
    draft_begin(&s->d);
    s->budget = s->d.cycle.peak + problem_draw(c, 60);
    s->best = DMS_NO_PERIOD;
}

static void no_bound_passes_all_plans_where_latencies_tell_sizes_apart(void **state) {
    (void)state;
    uint32_t n_told_apart = 0, n_stalled = 0;
    const uint32_t n_seeds = 60;
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        search s = {.keeps_activations = false};
        draw_paces(&s, seed);
        bool is_same_budget;
        const dms_decision d = plan_beside_all(&s, &is_same_budget);
        n_told_apart += d.certificate->n_paces > 1;
        n_stalled += s.best > s.d.cycle.compute_ns;
        problem_end(&s.d.c);
    }
    assert_true(n_told_apart >= n_seeds / 3);
    assert_true(n_stalled >= n_seeds / 3);
}

static void the_integer_program_is_the_best_plan_whose_activations_stay(void **state) {
    (void)state;
    uint32_t n_equal = 0, n_solved = 0;
    const uint32_t n_seeds = 30;
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        search s = {.keeps_activations = true};
        dms_status st;
        dms_exact_result program;
        const dms_exact_limits limits = {.max_binaries = 1000, .max_nodes = 100000};
        draw(&s, seed);
        const int64_t best = exhaustive(&s);
        assert_int_equal(dms_exact_solve(&s.d.cycle, &s.d.work, s.budget, &limits, &s.d.c.arena,
                                         &s.d.draft, &program, &st),
                         DMS_OK);
        if (program.has_draft) {
            assert_true(s.d.draft.period_ns >= best);
            assert_true(fits(&s));
            n_solved += program.is_proven;
            n_equal += s.d.draft.period_ns <= best + 2;
        }
        problem_end(&s.d.c);
    }
    assert_true(n_solved >= n_seeds / 2);
    assert_true(n_equal >= n_solved * 3 / 4);
}

/* ---- all orders of packing ------------------------------------------------------------------- */

/* Pieces over slots need..end of a cycle, each to be given an offset. */
typedef struct packing {
    const dms_piece *piece;
    uint32_t n, order[MOST_PIECES];
    int64_t offset[MOST_PIECES], best;
    int32_t n_slots;
} packing;

static bool meet(const packing *p, const dms_piece *a, const dms_piece *b) {
    for (int32_t s = a->need; s <= a->end; s++)
        for (int32_t t = b->need; t <= b->end; t++)
            if ((s - t) % p->n_slots == 0)
                return true;
    return false;
}

/* The lowest offset of piece `id` beside those of order[0..at): an end of one of them, or 0. */
static int64_t lowest(const packing *p, uint32_t id, uint32_t at) {
    int64_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t k = 0; k < at; k++) {
            const uint32_t other = p->order[k];
            const int64_t low = p->offset[other], high = low + p->piece[other].units;
            if (low < offset + p->piece[id].units && offset < high &&
                meet(p, &p->piece[id], &p->piece[other])) {
                offset = high;
                moved = true;
            }
        }
    }
    return offset;
}

/* Any packing pushed down is one of these: in order of offset, each piece as low as it goes. */
static void pack_all(packing *p, uint32_t at, int64_t top) {
    if (top >= p->best)
        return;
    if (at == p->n) {
        p->best = top;
        return;
    }
    for (uint32_t id = 0; id < p->n; id++) {
        bool is_in = false;
        for (uint32_t k = 0; k < at; k++)
            is_in = is_in || p->order[k] == id;
        if (is_in)
            continue;
        p->offset[id] = lowest(p, id, at);
        p->order[at] = id;
        const int64_t end = p->offset[id] + p->piece[id].units;
        pack_all(p, at + 1, end > top ? end : top);
    }
}

/* A few weights, and activations that overlap around the cycle. */
static void draw_pieces(placer_case *p, uint64_t seed) {
    const uint32_t n = 4 + (uint32_t)seed % 4;
    problem_begin(&p->c, n, 10);
    p->c.random = seed * 53 + 29;
    for (uint32_t k = 0; k < 4; k++) {
        const uint32_t first = problem_draw(&p->c, n - 1);
        uint32_t touch[8], length = 2 + problem_draw(&p->c, n - first - 1);
        for (uint32_t t = 0; t < length; t++)
            touch[t] = first + t;
        (void)problem_add(&p->c, DMS_PROBLEM_ACTIVATION, 3 + problem_draw(&p->c, 25), length,
                          touch);
    }
    for (uint32_t k = 0; k < 3; k++)
        (void)problem_once(&p->c, DMS_PROBLEM_WEIGHT, 3 + problem_draw(&p->c, 25),
                           problem_draw(&p->c, n));
    placer_begin(p, 0);
}

static void the_floor_is_a_packing_and_mostly_the_best_one(void **state) {
    (void)state;
    uint32_t n_equal = 0;
    const uint32_t n_seeds = 60;
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        placer_case c;
        draw_pieces(&c, seed);
        const dms_layout *layout = &c.plan[0].layout;
        packing p = {.piece = layout->piece,
                     .n = layout->n_pieces,
                     .best = INT64_MAX,
                     .n_slots = c.cycle.n_steps};
        assert_int_equal(p.n, 7);
        pack_all(&p, 0, 0);
        const int64_t floor = (int64_t)problem_floor(&c.c);
        assert_true(p.best >= c.cycle.peak); /* no packing is below the fullest step */
        assert_true(floor >= p.best);
        n_equal += floor == p.best;
        problem_end(&c.c);
    }
    assert_true(n_equal >= n_seeds * 9 / 10);
}

static void every_order_of_first_fit_is_a_packing_of_its_own(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        placer_case c;
        draw_pieces(&c, seed);
        packing p = {.piece = c.plan[0].layout.piece,
                     .n = c.plan[0].layout.n_pieces,
                     .best = INT64_MAX,
                     .n_slots = c.cycle.n_steps};
        pack_all(&p, 0, 0);
        for (uint32_t how = 0; how < 3 * DMS_N_FIT_ORDERS; how++) {
            const dms_fit fit = {0};
            const dms_fit_order order = (dms_fit_order)(how % DMS_N_FIT_ORDERS);
            (void)dms_addresses_list(c.placer.addresses, &c.plan[0].layout.draft, &fit);
            const int64_t top = dms_addresses_pack(c.placer.addresses, order,
                                                   how / DMS_N_FIT_ORDERS, INT64_MAX - 1);
            assert_true(top >= p.best);
            assert_true(top <= 2 * p.best); /* first fit is never that bad on so few pieces */
        }
        problem_end(&c.c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_plan_beats_all_plans_and_no_bound_passes_them),
        cmocka_unit_test(no_bound_passes_all_plans_where_latencies_tell_sizes_apart),
        cmocka_unit_test(the_integer_program_is_the_best_plan_whose_activations_stay),
        cmocka_unit_test(the_floor_is_a_packing_and_mostly_the_best_one),
        cmocka_unit_test(every_order_of_first_fit_is_a_packing_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
