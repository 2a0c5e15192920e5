/* place.c - the door: floor, rules, relaxation, search; the best of them is the decision. */
#include "planner/place.h"

#include <inttypes.h>
#include <string.h>

#include "planner/placer.h"
#include "schema/arena.h"
#include "schema/checked.h"

/* Budgets beyond this many units are as good as it: sums stay far from overflow. */
#define MAX_UNITS ((int64_t)1 << 53)

/* Candidates keep the order in which they were first noted; the decision sorts them. */
void dms_placer_note(dms_placer *placer, const char *name, int64_t period_ns) {
    for (uint32_t i = 0; i < placer->n_candidates; i++)
        if (strcmp(placer->candidate[i].name, name) == 0) {
            if (period_ns < placer->candidate[i].period_ns)
                placer->candidate[i].period_ns = period_ns;
            return;
        }
    if (placer->n_candidates < DMS_MAX_CANDIDATES)
        placer->candidate[placer->n_candidates++] = (dms_place_candidate){name, period_ns};
}

bool dms_placer_is_covered(const dms_placer *placer) {
    return placer->target_ns <= placer->cycle->release_ns;
}

double dms_placer_goal(const dms_placer *placer, double share) {
    return (double)placer->target_ns * (dms_placer_is_covered(placer) ? 1 : 1 + share);
}

bool dms_placer_is_near(const dms_placer *placer, int64_t period_ns) {
    return (double)period_ns <=
           dms_placer_goal(placer, placer->options->without_search ? 0.001 : 0.0002);
}

bool dms_placer_is_done(const dms_placer *placer) {
    return dms_placer_is_near(placer, placer->best.draft.period_ns);
}

bool dms_placer_gives_up(const dms_placer *placer) {
    return placer->options->enough_ns > 0 && placer->bound_ns >= placer->options->enough_ns;
}

/* Host memory first, for it costs O(gaps) and a pass up to a second. A plan is compared by what it
 * runs with addresses, never by the period of its slots alone. */
bool dms_placer_pass(dms_placer *placer, const dms_fit *fit, const char *name) {
    if (dms_homes_bytes(placer->cycle, &placer->trial) > placer->options->host_budget)
        return false;
    if (!dms_addresses_pass(placer->addresses, placer->budget, fit, &placer->trial))
        return false;
    dms_placer_note(placer, name, placer->trial.period_ns);
    if (dms_draft_better(&placer->trial, &placer->best.draft)) {
        dms_layout_take(placer->cycle, &placer->trial, placer->addresses, &placer->best);
        placer->best_fit = *fit;
    }
    return true;
}

bool dms_placer_whole(dms_placer *placer, const char *name) {
    if (placer->trial.period_ns >= placer->best.draft.period_ns ||
        dms_homes_bytes(placer->cycle, &placer->trial) > placer->options->host_budget ||
        !dms_addresses_whole(placer->addresses, placer->budget, &placer->trial))
        return false;
    dms_placer_note(placer, name, placer->trial.period_ns);
    dms_layout_take(placer->cycle, &placer->trial, placer->addresses, &placer->best);
    return true;
}

/* The problem as a cycle, its tightest plans, and what goes on with them. */
typedef struct prepared {
    dms_cycle cycle;
    dms_floor_plan plan[2];
    dms_placer placer;
} prepared;

/* Everything that floor and placement share. */
static dms_code prepare(const dms_problem *problem, const dms_place_options *options,
                        dms_arena *arena, prepared *p, dms_place_floor *out_floor, dms_status *st) {
    dms_placer *placer = &p->placer;
    DMS_TRY(dms_problem_check(problem, st));
    DMS_TRY(dms_cycle_build(problem, arena, &p->cycle, st));
    if (options->host_budget / DMS_ALIGN < (uint64_t)DMS_NO_LIMIT)
        p->cycle.host_units = (int64_t)(options->host_budget / DMS_ALIGN);
    p->cycle.prologue_ring = options->ring_blocks;
    DMS_TRY(dms_work_new(&p->cycle, arena, &placer->work, st));
    DMS_TRY(dms_addresses_new(&p->cycle, &placer->work, arena, &placer->addresses, st));
    return dms_floor_pack(&p->cycle, &placer->work, placer->addresses, options, arena, p->plan,
                          out_floor, st);
}

dms_code dms_floor(const dms_problem *problem, const dms_place_options *options, dms_arena *arena,
                   dms_place_floor *out_floor, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(arena);
    prepared *p;
    dms_code code = dms_alloc_st(arena, 1, sizeof *p, "placement", &p, st);
    if (code == DMS_OK)
        code = prepare(problem, options, arena, p, out_floor, st);
    dms_arena_release(arena, mark);
    return code;
}

/* The plan that exists at every budget from the floor on: the fewest kept weights that the host
 * asks for, activations leaving where it has room for them. Being placed first, it is the plan that
 * everything later must beat, and what makes "above the floor there is a plan" true. */
static void place_floor(prepared *p) {
    dms_placer *placer = &p->placer;
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t k = 0; p->plan[i].need_units && k <= p->plan[i].n_by_size; k++) {
            if (p->plan[i].need_units[k] > placer->budget ||
                p->plan[i].host_bytes[k] > placer->options->host_budget)
                continue;
            dms_floor_layout(&p->cycle, &placer->work, placer->addresses, &p->plan[i], k,
                             &placer->best);
            if (dms_simulate(&p->cycle, &placer->work, 6, &placer->best.draft))
                dms_placer_note(placer, "floor", placer->best.draft.period_ns);
            return;
        }
}

/* Where everything fits, nothing is streamed but inputs. */
static void place_resident(dms_placer *placer) {
    const dms_fit_order orders[] = {DMS_FIT_LIFE, DMS_FIT_AREA, DMS_FIT_SIZE, DMS_FIT_START};
    for (uint32_t i = 0; i < 4; i++) {
        const dms_fit fit = {.order = orders[i], .repair = 1};
        for (uint32_t g = 0; g < placer->cycle->n_gaps; g++)
            placer->trial.keep[g] = placer->cycle->gap[g].rule != DMS_GAP_LOADED;
        if (!dms_slots(placer->cycle, &placer->work, placer->budget, DMS_SLOT_EARLY,
                       &placer->trial))
            return;
        if (dms_placer_pass(placer, &fit, "resident"))
            return;
    }
}

/* Placements from the plain to the clever; each is noted, the best stays. */
static dms_code place_all(prepared *p, dms_status *st) {
    dms_placer *placer = &p->placer;
    place_floor(p);
    place_resident(placer);
    DMS_TRY(dms_placer_rules(placer, st));
    if (!dms_placer_is_done(placer)) {
        DMS_TRY(dms_placer_optimise(placer, st));
        if (dms_placer_gives_up(placer) && !dms_placer_is_done(placer))
            return DMS_OK;
    }
    if (!dms_placer_is_done(placer) || placer->options->exact)
        DMS_TRY(dms_placer_exact(placer, &placer->is_exact, st));
    return dms_placer_lighten(placer, st);
}

/* Everything that is found by one problem's times. */
static dms_code place_by(const dms_problem *problem, const dms_place_options *options,
                         dms_arena *arena, prepared *p, dms_place_floor *out_floor,
                         dms_status *st) {
    DMS_TRY(prepare(problem, options, arena, p, out_floor, st));
    if (out_floor->device_is_short || out_floor->host_is_short)
        return dms_fail(st, DMS_EBUDGET, "%s budget is below the floor of %" PRIu64 " bytes",
                        out_floor->host_is_short ? "host" : "device",
                        out_floor->host_is_short ? out_floor->host_bytes : out_floor->device_bytes);
    const uint64_t units = options->device_budget / DMS_ALIGN;
    dms_placer *placer = &p->placer;
    placer->cycle = &p->cycle;
    placer->arena = arena;
    placer->options = options;
    placer->budget = units < (uint64_t)MAX_UNITS ? (int64_t)units : MAX_UNITS;
    placer->bound_ns = p->cycle.inputs_ns;
    placer->target_ns = p->cycle.release_ns;
    placer->unpacked_ns = DMS_NO_PERIOD;
    DMS_TRY(dms_layout_new(placer->cycle, arena, &placer->best, st));
    DMS_TRY(dms_draft_new(placer->cycle, arena, &placer->trial, st));
    return place_all(p, st);
}

/* What the times of one run are surely off by. A plan that gains less by them is another plan for
 * nothing. */
#define NOISE 0.005

/* The best plan by predicted times, as it runs by those of this problem, stays unless this
 * problem's own gains more than noise. Both have the same gaps, so its layout is one of this
 * cycle. */
static dms_code place_predicted(prepared *p, dms_status *st) {
    dms_placer *placer = &p->placer;
    prepared *other;
    dms_place_floor same;
    DMS_TRY(dms_alloc_st(placer->arena, 1, sizeof *other, "placement", &other, st));
    DMS_TRY(place_by(placer->options->predicted, placer->options, placer->arena, other, &same, st));
    dms_layout *found = &other->placer.best;
    if (!dms_simulate(&p->cycle, &placer->work, DMS_FINAL_CYCLES, &placer->best.draft) ||
        !dms_simulate(&p->cycle, &placer->work, DMS_FINAL_CYCLES, &found->draft))
        return dms_fail(st, DMS_EINTERNAL, "placement: the best queue waits for itself");
    dms_placer_note(placer, "predicted", found->draft.period_ns);
    const double gains = (1 - NOISE) * (double)found->draft.period_ns;
    if ((double)placer->best.draft.period_ns > gains)
        placer->best = *found;
    return DMS_OK;
}

dms_code dms_place(const dms_problem *problem, const dms_place_options *options, dms_arena *arena,
                   dms_decision *out_decision, dms_place_floor *out_floor, dms_status *st) {
    prepared *p;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *p, "placement", &p, st));
    DMS_TRY(place_by(problem, options, arena, p, out_floor, st));
    if (options->predicted != NULL)
        DMS_TRY(place_predicted(p, st));
    return dms_decision_make(&p->placer, out_decision, st);
}
