/* compile_rungs.c - plans of small problems as a steady function of the device budget.
 *
 * Where a few hundred steps are packed tightly a search finds more at one budget than at a slightly
 * larger one: unet-tiny rose by up to 15 %. A plan for less memory is one for more, but a compile
 * does not know what others have found. So all of them look at the same budgets, the rungs, and
 * nowhere else: 64 for every doubling of memory, 50, 25, 12.5 % of the weights among them, and the
 * floor.
 *
 *   rungs    floor ... r1 . r2 . r3 . r4 . r5 . r6 . r7 . r8     b1 and b2 differ by what r2 and r8
 *   budgets                                   ^ b1      ^ b2     give; r8, above b2, counts where
 *   visited by b1      <--------------------------->             its plan fits into b2: budgets
 *   visited by b2          <----------------------------->       that are sums of blocks lose
 *                                                                nothing
 *
 * From the budget down MOST_RUNGS are visited, or as many as may hold a plan that is 0.5 % faster:
 * a bound says so, and what it rules out is not searched.
 */
#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "schema/arena.h"

#define MOST_STEPS 400u /* larger problems take long, and have many blocks of every size */
#define PARTS 64u       /* rungs of a doubling */
#define MOST_RUNGS 6u   /* 4 left one rise of 1 % among 207 budgets, 6 none */
#define MOST_DOUBLED 8u /* from 256 times the weights' bytes ... */
#define MOST_HALVED 40u /* ... to 2^-40 of them */
#define SLACK 1.005

/* The plan that is the best so far. */
typedef struct steady {
    const dms_compiled *c;
    dms_place_options how;
    dms_arena *arena;
    uint64_t floor, weights;
    double slack;
    bool has_plan, is_other;
    dms_decision best;
    int64_t bound_ns; /* at the last rung */
} steady;

/* A rung moves one of the two that enclose `bytes`. */
static void enclose(uint64_t rung, uint64_t bytes, uint64_t *below, uint64_t *above) {
    if (rung <= bytes && rung > *below)
        *below = rung;
    if (rung > bytes && rung < *above)
        *above = rung;
}

/* The largest rung that is not above `bytes` >= floor, and the smallest one that is. */
static void find_rungs(const steady *s, uint64_t bytes, uint64_t *below, uint64_t *above) {
    __extension__ typedef unsigned __int128 wide;
    *below = s->floor;
    *above = UINT64_MAX;
    for (uint32_t e = 0; e <= MOST_DOUBLED + MOST_HALVED; e++)
        for (uint32_t j = PARTS; j < 2 * PARTS; j++) {
            const wide rung = ((wide)s->weights << MOST_DOUBLED) * j / PARTS >> e;
            if (rung >= s->floor && rung < UINT64_MAX)
                enclose((uint64_t)rung, bytes, below, above);
        }
}

/* Places at one rung; a plan that takes more than `limit` bytes does not count. */
static dms_code visit(steady *s, uint64_t rung, uint64_t limit, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(s->arena);
    dms_decision d;
    dms_place_floor ignored;
    bool is_other;
    s->how.device_budget = rung;
    s->how.enough_ns = s->has_plan ? (int64_t)((double)s->best.period_ns / s->slack) : INT64_MAX;
    DMS_TRY(dms_compile_place_both(s->c, &s->how, s->arena, &d, &ignored, &is_other, st));
    s->bound_ns = d.bound_ns;
    if (d.device_bytes > limit || (s->has_plan && d.period_ns >= s->best.period_ns)) {
        dms_arena_release(s->arena, mark);
        return DMS_OK;
    }
    s->best = d;
    s->is_other = is_other;
    s->has_plan = true;
    return DMS_OK;
}

/* Rungs from the budget down. */
static dms_code descend(steady *s, uint64_t budget, dms_status *st) {
    uint64_t rung, above;
    find_rungs(s, budget, &rung, &above);
    if (rung < budget && above < UINT64_MAX)
        DMS_TRY(visit(s, above, budget, st));
    for (uint32_t i = 0; i < MOST_RUNGS; i++) {
        DMS_TRY(visit(s, rung, budget, st));
        if (rung <= s->floor || (double)s->best.period_ns <= s->slack * (double)s->bound_ns)
            break;
        find_rungs(s, rung - 1, &rung, &above);
    }
    return DMS_OK;
}

/* What is known of the budget itself. */
static void take_bound(const dms_decision *here, dms_decision *plan) {
    plan->is_exact = plan->is_exact && plan->device_budget == here->device_budget;
    plan->device_budget = here->device_budget;
    plan->bound_ns = here->bound_ns < plan->period_ns ? here->bound_ns : plan->period_ns;
    plan->certificate = here->certificate;
    plan->share = here->share;
}

dms_code dms_compile_place_steady(const dms_compiled *c, const dms_place_options *how,
                                  dms_arena *arena, dms_decision *out, dms_place_floor *out_floor,
                                  bool *out_is_other, dms_status *st) {
    steady s = {.c = c, .how = *how, .arena = arena, .weights = c->steps.weights_bytes};
    dms_place_options bound = *how;
    const bool is_measured = c->blocks.predicted != NULL;
    if (c->steps.n_steps > MOST_STEPS || how->exact || how->without_search)
        return dms_compile_place_both(c, how, arena, out, out_floor, out_is_other, st);
    bound.enough_ns = 1;
    DMS_TRY(dms_compile_place_both(c, &bound, arena, out, out_floor, out_is_other, st));
    if (out->period_ns <= out->bound_ns)
        return DMS_OK;
    s.slack = is_measured ? 1 : SLACK; /* never slower than the predicted plan, not by 0.5 % */
    s.floor = out_floor->device_bytes;
    DMS_TRY(descend(&s, how->device_budget, st));
    take_bound(out, &s.best);
    *out = s.best;
    *out_is_other = s.is_other;
    return DMS_OK;
}
