/* support_draft.c - see support_draft.h. */
#include "support_draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void draft_begin(draft_case *d) {
    dms_status st;
    if (dms_problem_check(&d->c.problem, &st) != DMS_OK ||
        dms_cycle_build(&d->c.problem, &d->c.arena, &d->cycle, &st) != DMS_OK ||
        dms_work_new(&d->cycle, &d->c.arena, &d->work, &st) != DMS_OK ||
        dms_draft_new(&d->cycle, &d->c.arena, &d->draft, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

void draft_random(draft_case *d, uint64_t seed, uint32_t n_steps) {
    problem_random(&d->c, seed, n_steps);
    draft_begin(d);
}

int64_t draft_held(const dms_cycle *cycle, const uint8_t *keep, int32_t slot) {
    int64_t sum = cycle->footprint[slot];
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        for (int32_t s = cycle->gap[g].a + 1; keep[g] && s < cycle->gap[g].b; s++)
            if (s % cycle->n_steps == slot)
                sum += cycle->gap[g].units;
    return sum;
}

int64_t draft_peak(const dms_cycle *cycle, const uint8_t *keep) {
    int64_t peak = 0;
    for (int32_t t = 0; t < cycle->n_steps; t++) {
        const int64_t held = draft_held(cycle, keep, t);
        peak = held > peak ? held : peak;
    }
    return peak;
}

void placer_begin(placer_case *p, int64_t extra) {
    dms_status st;
    dms_placer *placer = &p->placer;
    memset(placer, 0, sizeof *placer);
    p->options = (dms_place_options){.device_budget = UINT64_MAX, .host_budget = 0};
    if (dms_cycle_build(&p->c.problem, &p->c.arena, &p->cycle, &st) != DMS_OK ||
        dms_work_new(&p->cycle, &p->c.arena, &placer->work, &st) != DMS_OK ||
        dms_addresses_new(&p->cycle, &placer->work, &p->c.arena, &placer->addresses, &st) !=
            DMS_OK ||
        dms_floor_pack(&p->cycle, &placer->work, placer->addresses, &p->options, &p->c.arena,
                       p->plan, &p->floor, &st) != DMS_OK ||
        dms_layout_new(&p->cycle, &p->c.arena, &placer->best, &st) != DMS_OK ||
        dms_draft_new(&p->cycle, &p->c.arena, &placer->trial, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    p->options.host_budget = UINT64_MAX;
    placer->cycle = &p->cycle;
    placer->arena = &p->c.arena;
    placer->options = &p->options;
    placer->budget = p->plan[0].need_units[0] + extra;
    placer->bound_ns = p->cycle.compute_ns;
    placer->target_ns = p->cycle.release_ns;
}

int64_t placer_period_of(const dms_placer *placer, const char *name) {
    for (uint32_t i = 0; i < placer->n_candidates; i++)
        if (strcmp(placer->candidate[i].name, name) == 0)
            return placer->candidate[i].period_ns;
    return DMS_NO_PERIOD;
}
