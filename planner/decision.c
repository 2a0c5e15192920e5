/* decision.c - the best layout, written out as the record that emit reads. */
#include <stdlib.h>
#include <string.h>

#include "planner/placer.h"
#include "schema/arena.h"
#include "schema/checked.h"

static dms_code take_memory(const dms_placer *placer, dms_decision *d, dms_status *st) {
    const dms_cycle *cycle = placer->cycle;
    const dms_layout *best = &placer->best;
    const uint64_t steps = (uint64_t)cycle->n_steps;
    const struct {
        void *where;
        uint64_t count, size;
    } wanted[] = {
        {&d->keep, cycle->problem->n_touches, sizeof *d->keep},
        {&d->loads, best->draft.n_loads, sizeof *d->loads},
        {&d->saves, best->draft.n_saves, sizeof *d->saves},
        {&d->is_read, cycle->n_tensors, sizeof *d->is_read},
        {&d->residencies, (uint64_t)best->n_pieces + cycle->n_tensors, sizeof *d->residencies},
        {&d->scratch_offset, steps, sizeof *d->scratch_offset},
        {&d->step_start_ns, steps, sizeof *d->step_start_ns},
        {&d->step_stall_ns, steps, sizeof *d->step_stall_ns},
        {&d->candidates, placer->n_candidates, sizeof *d->candidates},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        DMS_TRY(dms_alloc_st(placer->arena, wanted[i].count, wanted[i].size, "decision",
                             wanted[i].where, st));
    return DMS_OK;
}

static void write_keeps(const dms_cycle *cycle, const dms_draft *draft, dms_decision *d) {
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        const dms_problem_tensor *tensor = cycle->problem->tensors + i;
        const bool is_cyclic =
            tensor->kind == DMS_PROBLEM_WEIGHT || tensor->kind == DMS_PROBLEM_INPUT;
        for (uint32_t k = 0; k < tensor->n_touches; k++)
            d->keep[tensor->first_touch + k] = is_cyclic || k + 1 < tensor->n_touches;
    }
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        d->keep[cycle->problem->tensors[cycle->gap[g].tensor].first_touch + cycle->gap[g].index] =
            draft->keep[g];
}

/* The relaxation's shares, for those who ask why. */
static dms_code write_shares(const dms_placer *placer, dms_decision *d, dms_status *st) {
    const dms_cycle *cycle = placer->cycle;
    const uint32_t n = cycle->problem->n_touches;
    float *share;
    if (placer->share == NULL)
        return DMS_OK;
    DMS_TRY(dms_alloc_st(placer->arena, n, sizeof *share, "decision", &share, st));
    for (uint32_t k = 0; k < n; k++)
        share[k] = 1;
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        share[cycle->problem->tensors[cycle->gap[g].tensor].first_touch + cycle->gap[g].index] =
            (float)placer->share[g];
    d->share = share;
    return DMS_OK;
}

/* The reading that a load begins with. */
static void write_read(const dms_placer *placer, uint32_t q, int64_t origin, dms_place_load *load) {
    const dms_work *work = &placer->work;
    load->is_read = true;
    load->ring_offset = (uint64_t)work->ring_offset[q] * DMS_ALIGN;
    load->read_after = work->read_after[q];
    load->read_start_ns = work->read_start[q] - origin;
    load->read_ns = placer->cycle->read_ns[load->tensor];
}

static void write_queues(const dms_placer *placer, int64_t origin, dms_decision *d) {
    const dms_cycle *cycle = placer->cycle;
    const dms_draft *draft = &placer->best.draft;
    for (uint32_t q = 0; q < draft->n_loads; q++) {
        const dms_gap *gap = cycle->gap + draft->load[q];
        d->loads[d->n_loads++] = (dms_place_load){.tensor = gap->tensor,
                                                  .gap = gap->index,
                                                  .after = draft->after[q],
                                                  .due = (uint32_t)gap->due,
                                                  .start_ns = placer->work.load_start[q] - origin,
                                                  .ns = gap->ns};
        if (draft->n_read > 0 && draft->is_read[gap->tensor])
            write_read(placer, q, origin, d->loads + q);
    }
    for (uint32_t q = 0; q < draft->n_saves; q++) {
        const uint32_t id = draft->save[q];
        d->saves[d->n_saves++] = (dms_place_save){.tensor = id,
                                                  .after = (uint32_t)cycle->write_end[id],
                                                  .before = (uint32_t)draft->before[id],
                                                  .start_ns = placer->work.save_start[q],
                                                  .ns = cycle->save_ns[id]};
    }
}

/* Saves that the last simulated turn had not issued yet show the times of the turn before. */
static void shift_saves(const dms_placer *placer, int64_t origin, dms_decision *d) {
    const dms_cycle *cycle = placer->cycle;
    const int64_t *end = placer->work.end + cycle->n_steps;
    for (uint32_t q = 0; q < d->n_saves; q++) {
        dms_place_save *save = d->saves + q;
        while (save->start_ns < end[save->after])
            save->start_ns += d->period_ns > 0 ? d->period_ns : end[save->after] - save->start_ns;
        save->start_ns -= origin;
        if (save->start_ns + save->ns > d->latency_ns)
            d->latency_ns = save->start_ns + save->ns;
    }
}

/* By tensor, then the slot of its first touch, then the gap that begins it. */
static int by_tensor(const void *left, const void *right) {
    const dms_place_residency *a = left, *b = right;
    if (a->tensor != b->tensor)
        return a->tensor < b->tensor ? -1 : 1;
    if (a->last_slot != b->last_slot)
        return a->last_slot < b->last_slot ? -1 : 1;
    return (a->gap > b->gap) - (a->gap < b->gap);
}

static void write_residencies(const dms_placer *placer, dms_decision *d) {
    const dms_cycle *cycle = placer->cycle;
    const dms_layout *best = &placer->best;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        if (best->kept_offset[i] >= 0)
            d->residencies[d->n_residencies++] =
                (dms_place_residency){.tensor = i,
                                      .gap = DMS_PLACE_PRODUCED,
                                      .first_slot = 0,
                                      .last_slot = cycle->n_steps - 1,
                                      .offset = (uint64_t)best->kept_offset[i] * DMS_ALIGN};
    for (uint32_t i = 0; i < best->n_pieces; i++) {
        const dms_piece *p = best->piece + i;
        const uint64_t offset = (uint64_t)p->offset * DMS_ALIGN;
        if (p->gap == DMS_PIECE_SCRATCH) {
            d->scratch_offset[p->tensor] = offset;
            continue;
        }
        const int32_t gap =
            p->gap == DMS_PIECE_PRODUCED ? DMS_PLACE_PRODUCED : (int32_t)cycle->gap[p->gap].index;
        d->residencies[d->n_residencies++] = (dms_place_residency){.tensor = p->tensor,
                                                                   .gap = gap,
                                                                   .first_slot = p->start,
                                                                   .last_slot = p->end,
                                                                   .offset = offset};
    }
    qsort(d->residencies, d->n_residencies, sizeof *d->residencies, by_tensor);
}

/* Times of the last simulated turn, seen from the opening of its slot 0. */
static void write_times(const dms_placer *placer, int64_t origin, dms_decision *d) {
    const dms_cycle *cycle = placer->cycle;
    for (int32_t t = 0; t < cycle->n_steps; t++) {
        const int64_t end = placer->work.end[cycle->n_steps + t] - origin;
        d->step_start_ns[t] = end - cycle->problem->steps[t].ns;
        d->step_stall_ns[t] = placer->work.stall[t];
        if (end > d->latency_ns)
            d->latency_ns = end;
    }
}

/* Largest sum of present bytes: all residencies and scratches of a slot. */
static void sum_live(const dms_placer *placer, dms_decision *d) {
    const dms_cycle *cycle = placer->cycle;
    const int32_t n = cycle->n_steps;
    int64_t *diff = placer->work.diff, live = 0, peak = 0;
    memset(diff, 0, ((size_t)n + 1) * sizeof *diff);
    for (int32_t t = 0; t < n; t++)
        dms_diff_add(diff, n, t, t, cycle->scratch[t]);
    for (uint32_t i = 0; i < d->n_residencies; i++) {
        const dms_place_residency *r = d->residencies + i;
        dms_diff_add(diff, n, r->first_slot, r->last_slot, cycle->units[r->tensor]);
    }
    for (int32_t t = 0; t < n; t++) {
        live += diff[t];
        if (live > peak)
            peak = live;
    }
    d->live_peak_bytes = (uint64_t)peak * DMS_ALIGN;
}

static int by_period(const void *left, const void *right) {
    const dms_place_candidate *a = left, *b = right;
    if (a->period_ns != b->period_ns)
        return a->period_ns < b->period_ns ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Where no program was solved, or it knows no better, the plan takes as long as its steps and the
 * wait for its inputs. */
static dms_code certify_steps(dms_placer *placer, dms_decision *d, dms_status *st) {
    dms_certificate *certificate;
    DMS_TRY(dms_certificate_plain((uint32_t)placer->cycle->n_steps, placer->cycle->release_step,
                                  placer->bound_ns, placer->arena, &certificate, st));
    certificate->device_bytes = d->device_budget;
    certificate->host_bytes = d->host_budget;
    d->certificate = certificate;
    return DMS_OK;
}

dms_code dms_decision_make(dms_placer *placer, dms_decision *out_decision, dms_status *st) {
    const dms_cycle *cycle = placer->cycle;
    dms_decision d = {.device_budget = placer->options->device_budget,
                      .host_budget = placer->options->host_budget,
                      .compute_ns = cycle->compute_ns,
                      .is_exact = placer->is_exact};
    DMS_TRY(take_memory(placer, &d, st));
    if (!dms_simulate(cycle, &placer->work, DMS_FINAL_CYCLES, &placer->best.draft))
        return dms_fail(st, DMS_EINTERNAL, "placement: the best queue waits for itself");
    const int64_t origin = placer->work.open[cycle->n_steps];
    d.period_ns = placer->best.draft.period_ns;
    d.unpacked_ns = placer->unpacked_ns < d.period_ns ? placer->unpacked_ns : d.period_ns;
    d.bound_ns = placer->bound_ns < d.period_ns ? placer->bound_ns : d.period_ns;
    d.certificate = placer->certificate;
    if (d.certificate == NULL)
        DMS_TRY(certify_steps(placer, &d, st));
    write_keeps(cycle, &placer->best.draft, &d);
    DMS_TRY(write_shares(placer, &d, st));
    write_queues(placer, origin, &d);
    write_residencies(placer, &d);
    write_times(placer, origin, &d);
    shift_saves(placer, origin, &d);
    sum_live(placer, &d);
    d.device_bytes = (uint64_t)placer->best.top * DMS_ALIGN;
    d.host_bytes = dms_homes_bytes(cycle, &placer->best.draft);
    d.ring_bytes = (uint64_t)placer->best.draft.ring_units * DMS_ALIGN;
    d.n_read = placer->best.draft.n_read;
    memcpy(d.is_read, placer->best.draft.is_read, cycle->n_tensors);
    for (uint32_t i = 0; i < placer->n_candidates; i++) {
        d.candidates[i] = placer->candidate[i];
        if (d.candidates[i].period_ns < d.period_ns) /* the long simulation has the last word */
            d.candidates[i].period_ns = d.period_ns;
    }
    qsort(d.candidates, placer->n_candidates, sizeof *d.candidates, by_period);
    d.n_candidates = placer->n_candidates;
    d.n_evaluations = placer->work.n_evaluations;
    *out_decision = d;
    return DMS_OK;
}
