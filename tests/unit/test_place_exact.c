/* test_place_exact.c - tiny problems: bound <= exhaustive <= ILP, and no plan beats exhaustive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/placer.h"
#include "support_problem.h"

#define MAX_GAPS 6

/* A tiny problem of weights alone, compiled. */
typedef struct tiny {
    problem_case c;
    dms_cycle cycle;
    dms_work work;
    dms_draft draft;
    int64_t budget;
} tiny;

static void tiny_begin(tiny *t, uint64_t seed) {
    dms_status st;
    const uint32_t n = 6 + (uint32_t)seed % 3;
    problem_begin(&t->c, n, 0);
    t->c.random = seed * 31 + 5;
    int64_t weights = 0;
    for (uint32_t s = 0; s < n; s++)
        t->c.problem.steps[s].ns = 50 + problem_draw(&t->c, 350);
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t size = 100 * (1 + problem_draw(&t->c, 4)), step = problem_draw(&t->c, n);
        weights += size;
        (void)problem_once(&t->c, DMS_PROBLEM_WEIGHT, size, step);
    }
    const uint32_t twice[] = {0, n / 2};
    weights += 200;
    (void)problem_add(&t->c, DMS_PROBLEM_WEIGHT, 200, 2, twice);
    if (dms_cycle_build(&t->c.problem, &t->c.arena, &t->cycle, &st) != DMS_OK ||
        dms_work_new(&t->cycle, &t->c.arena, &t->work, &st) != DMS_OK ||
        dms_draft_new(&t->cycle, &t->c.arena, &t->draft, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    t->budget = weights * (40 + (int64_t)(seed % 4) * 12) / 100;
    if (t->budget < t->cycle.peak)
        t->budget = t->cycle.peak;
}

/* Free units per slot for the keeps of the draft; false when some slot is short. */
static bool free_of(const tiny *t, int64_t *out_free) {
    bool fits = true;
    for (int32_t s = 0; s < t->cycle.n_steps; s++) {
        out_free[s] = t->budget - t->cycle.footprint[s];
        for (uint32_t g = 0; g < t->cycle.n_gaps; g++)
            for (int32_t u = t->cycle.gap[g].a + 1; u < t->cycle.gap[g].b; u++)
                if (t->draft.keep[g] && u % t->cycle.n_steps == s)
                    out_free[s] -= t->cycle.gap[g].units;
        fits = fits && out_free[s] >= 0;
    }
    return fits;
}

/* Earliest slots for a fixed queue order: all as late as possible, then lowered one by one until
 * nothing moves. Returns the period, or INT64_MAX where the order cannot run. */
static int64_t run_order(tiny *t, const int64_t *free_units) {
    const int32_t n = t->cycle.n_steps;
    dms_draft *d = &t->draft;
    int64_t room[16];
    memcpy(room, free_units, (size_t)n * sizeof *room);
    for (uint32_t q = d->n_loads; q-- > 0;) {
        d->after[q] = t->cycle.gap[d->load[q]].due - 1;
        if (q + 1 < d->n_loads && d->after[q] > d->after[q + 1])
            d->after[q] = d->after[q + 1];
    }
    for (uint32_t q = 0; q < d->n_loads; q++) {
        const dms_gap *gap = t->cycle.gap + d->load[q];
        if (d->after[q] < gap->a - (gap->b - gap->due) || d->after[0] + n < d->after[q])
            return INT64_MAX;
        for (int32_t s = d->after[q] + 1; s < gap->due; s++)
            if ((room[(s + n) % n] -= gap->units) < 0)
                return INT64_MAX;
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t q = 0; q < d->n_loads; q++) {
            const dms_gap *gap = t->cycle.gap + d->load[q];
            int32_t low = q > 0 ? d->after[q - 1] : d->after[d->n_loads - 1] - n;
            if (low < gap->a - (gap->b - gap->due))
                low = gap->a - (gap->b - gap->due);
            while (d->after[q] > low && room[(d->after[q] + n) % n] >= gap->units) {
                room[(d->after[q]-- + n) % n] -= gap->units;
                moved = true;
            }
        }
    }
    return dms_simulate(&t->cycle, &t->work, 12, d) ? d->period_ns : INT64_MAX;
}

/* The best period over all orders of draft.load[at..]. */
static int64_t permute(tiny *t, const int64_t *free_units, uint32_t at) {
    uint32_t *load = t->draft.load;
    int64_t best = at == t->draft.n_loads ? run_order(t, free_units) : INT64_MAX;
    for (uint32_t i = at; i < t->draft.n_loads; i++) {
        const uint32_t chosen = load[i];
        load[i] = load[at];
        load[at] = chosen;
        const int64_t period = permute(t, free_units, at + 1);
        best = period < best ? period : best;
        load[at] = load[i];
        load[i] = chosen;
    }
    return best;
}

/* The best period over all keeps and all queue orders. */
static int64_t exhaustive(tiny *t) {
    int64_t best = INT64_MAX, free_units[16];
    assert_true(t->cycle.n_gaps <= MAX_GAPS);
    for (uint32_t mask = 0; mask < 1u << t->cycle.n_gaps; mask++) {
        t->draft.n_loads = t->draft.n_saves = 0;
        for (uint32_t g = 0; g < t->cycle.n_gaps; g++) {
            t->draft.keep[g] = mask >> g & 1;
            if (!t->draft.keep[g])
                t->draft.load[t->draft.n_loads++] = g;
        }
        if (!free_of(t, free_units))
            continue;
        const int64_t period = permute(t, free_units, 0);
        best = period < best ? period : best;
    }
    return best;
}

static void bound_exhaustive_program_and_plan_are_in_order(void **state) {
    (void)state;
    uint32_t equal_program = 0, equal_plan = 0, stalled = 0;
    const uint32_t n_seeds = 24;
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        tiny t;
        dms_status st;
        dms_exact_result program;
        const dms_exact_limits limits = {.max_binaries = 1000, .max_nodes = 100000};
        tiny_begin(&t, seed);
        const int64_t best = exhaustive(&t);
        assert_int_equal(dms_exact_solve(&t.cycle, &t.work, t.budget, &limits, &t.c.arena, &t.draft,
                                         &program, &st),
                         DMS_OK);
        assert_true(program.is_proven && program.has_draft);
        /* the program's queue order is one of those tried: it may be slower, never faster */
        assert_true(program.period_ns >= (double)best * 0.99999);
        assert_true((double)t.draft.period_ns <= program.period_ns * 1.0001 + 2);
        const dms_decision d = problem_place(&t.c, (uint64_t)t.budget);
        assert_true(d.bound_ns <= best);
        assert_true(d.period_ns >= best);
        equal_program += (double)t.draft.period_ns <= (double)best * 1.0001;
        equal_plan += (double)d.period_ns <= (double)best * 1.0001;
        stalled += best > t.cycle.compute_ns + 1;
        problem_end(&t.c);
    }
    /* enough of them are not settled by the steps alone, and most are solved to the optimum */
    assert_true(stalled >= n_seeds / 4);
    assert_true(equal_program >= n_seeds * 3 / 4);
    assert_true(equal_plan >= n_seeds * 3 / 4);
}

static void a_large_program_is_not_built_unasked(void **state) {
    (void)state;
    tiny t;
    dms_status st;
    dms_exact_result program;
    const dms_exact_limits limits = {.max_binaries = 3, .max_nodes = 10};
    tiny_begin(&t, 3);
    assert_int_equal(
        dms_exact_solve(&t.cycle, &t.work, t.budget, &limits, &t.c.arena, &t.draft, &program, &st),
        DMS_OK);
    assert_false(program.has_draft || program.is_proven);
    problem_end(&t.c);
}

static void a_program_that_is_stopped_proves_nothing(void **state) {
    (void)state;
    uint32_t stopped = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        tiny t;
        dms_status st;
        dms_exact_result program;
        const dms_exact_limits limits = {.max_binaries = 1000, .max_nodes = 1};
        tiny_begin(&t, seed);
        assert_int_equal(dms_exact_solve(&t.cycle, &t.work, t.budget, &limits, &t.c.arena, &t.draft,
                                         &program, &st),
                         DMS_OK);
        stopped += !program.is_proven;
        problem_end(&t.c);
    }
    assert_true(stopped > 0);
}

static void asking_for_exact_says_whether_it_was(void **state) {
    (void)state;
    tiny t;
    dms_decision d;
    dms_place_floor floor;
    dms_status st;
    tiny_begin(&t, 5);
    const dms_place_options options = {
        .device_budget = (uint64_t)t.budget * UNIT, .host_budget = UINT64_MAX, .exact = true};
    assert_int_equal(dms_place(&t.c.problem, &options, &t.c.arena, &d, &floor, &st), DMS_OK);
    assert_true(d.is_exact);
    bool is_noted = false;
    for (uint32_t i = 0; i < d.n_candidates; i++)
        is_noted = is_noted || strcmp(d.candidates[i].name, "exact") == 0;
    assert_true(is_noted);
    problem_end(&t.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_exhaustive_program_and_plan_are_in_order),
        cmocka_unit_test(a_large_program_is_not_built_unasked),
        cmocka_unit_test(a_program_that_is_stopped_proves_nothing),
        cmocka_unit_test(asking_for_exact_says_whether_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
