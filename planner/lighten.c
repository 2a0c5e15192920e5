/* lighten.c - of plans that are as fast, one that copies less.
 *
 * Where compute is the limit, the first rule that hides its copies is as fast as any plan can be,
 * and it may keep nothing. More is kept here as long as the period stays: link and storage then
 * have slack against step times that differ from the profile.
 */
#include "planner/placer.h"

#define LIGHTEN_EFFORT 25000000u /* pieces met: about 1 s */

/* Everything that fits beside the best plan's keeps and a reserve, in placer->trial. */
static bool fill_up(dms_placer *placer, int64_t reserve) {
    const dms_cycle *cycle = placer->cycle;
    const dms_draft *best = &placer->best.draft;
    const dms_rounding how = {
        .budget = placer->budget, .reserve = reserve, .fill = true, .fill_all = true};
    double *x = (double *)placer->work.load_done; /* free until the simulation */
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        x[g] = best->keep[g];
    dms_draft_choose(cycle, best, &placer->trial);
    dms_round(cycle, &placer->work, &how, x, placer->trial.keep);
    return dms_slots(cycle, &placer->work, placer->budget, DMS_SLOT_EARLY, &placer->trial) &&
           dms_simulate(cycle, &placer->work, 6, &placer->trial) &&
           placer->trial.period_ns <= best->period_ns && placer->trial.copy_ns < best->copy_ns;
}

dms_code dms_placer_lighten(dms_placer *placer, dms_status *st) {
    const int64_t reserves[] = {0, 1, 2, 4, 8, 16, 32};
    const uint64_t effort = dms_addresses_effort(placer->addresses) + LIGHTEN_EFFORT;
    const int64_t period = placer->best.draft.period_ns, copies = placer->best.draft.copy_ns;
    for (uint32_t i = 0; i < 3 * sizeof reserves / sizeof *reserves; i++) {
        const dms_fit fits[] = {placer->best_fit,
                                {.order = DMS_FIT_LIFE, .repair = 2, .lead = 2, .pitch = true},
                                {.order = DMS_FIT_START, .repair = 1, .lead = 3, .pitch = true}};
        if (period == DMS_NO_PERIOD || copies == 0 ||
            dms_addresses_effort(placer->addresses) > effort)
            break;
        if (fill_up(placer, reserves[i / 3] * placer->cycle->largest))
            (void)dms_placer_pass(placer, fits + i % 3, "lighter");
        if (placer->best.draft.copy_ns < copies)
            break;
    }
    if (dms_addresses_failed(placer->addresses))
        return dms_fail(st, DMS_EINTERNAL, "out of memory: addresses");
    return DMS_OK;
}
