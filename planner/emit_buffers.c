/* emit_buffers.c - residencies become buffers; homes and saved activations get host buffers. */
#include <inttypes.h>

#include "planner/emit_internal.h"
#include "schema/checked.h"

/* Fills `count` entries with DMS_NONE. */
static dms_code make_index(dms_emitter *e, uint64_t count, uint32_t **out, dms_status *st) {
    DMS_TRY(dms_alloc_st(e->arena, count, sizeof **out, "emit", out, st));
    for (uint64_t i = 0; i < count; i++)
        (*out)[i] = DMS_NONE;
    return DMS_OK;
}

/* The residencies of one block, by the gap that begins them, spread over its touches.
 *
 *   touch            0     1     2     3         weight, gap 1 loaded, the others kept
 *   begins                       r0              gap 1 ends at touch 2
 *   residency_of     r0    r0    r0    r0        3 continues 2; 0 continues 3 over the wrap
 */
static dms_code spread(dms_emitter *e, uint32_t block, uint32_t first, uint32_t end,
                       dms_status *st) {
    const dms_problem_tensor *t = &e->in->blocks->problem.tensors[block];
    const dms_decision *d = e->in->decision;
    const bool wraps = t->kind == DMS_PROBLEM_WEIGHT || t->kind == DMS_PROBLEM_INPUT;
    uint32_t *of = e->residency_of + t->first_touch;
    for (uint32_t r = first; r < end; r++) {
        const int32_t gap = d->residencies[r].gap;
        const uint32_t begin = gap < 0 ? 0 : ((uint32_t)gap + 1) % t->n_touches;
        if (of[begin] != DMS_NONE)
            return dms_fail(st, DMS_EINTERNAL, "block '%s': two residencies begin at one touch",
                            t->label);
        of[begin] = r;
    }
    /* a touch without a beginning of its own continues the one before it; weights may wrap */
    for (uint32_t round = 0; round < (wraps ? 2u : 1u); round++)
        for (uint32_t j = 0; j < t->n_touches; j++) {
            const uint32_t before = j > 0 ? j - 1 : t->n_touches - 1;
            if (of[j] == DMS_NONE && (j > 0 || wraps) && d->keep[t->first_touch + before])
                of[j] = of[before];
        }
    for (uint32_t j = 0; j < t->n_touches; j++)
        if (of[j] == DMS_NONE)
            return dms_fail(st, DMS_EINTERNAL, "block '%s': touch %" PRIu32 " has no residency",
                            t->label, j);
    return DMS_OK;
}

static dms_code find_residencies(dms_emitter *e, dms_status *st) {
    const dms_decision *d = e->in->decision;
    const dms_problem *p = &e->in->blocks->problem;
    DMS_TRY(make_index(e, p->n_touches, &e->residency_of, st));
    uint32_t first = 0;
    for (uint32_t b = 0; b < p->n_tensors; b++) {
        uint32_t end = first;
        while (end < d->n_residencies && d->residencies[end].tensor == b)
            end++;
        DMS_TRY(spread(e, b, first, end, st));
        first = end;
    }
    return DMS_OK;
}

/* A device buffer of a tensor at a residency's address. */
static dms_code add_device_buffer(dms_emitter *e, uint32_t tensor, uint32_t cell, uint64_t offset,
                                  uint32_t *out, dms_status *st) {
    return dms_emit_add_buffer(e,
                               (dms_buffer){tensor, cell, DMS_TIER_DEVICE, offset,
                                            dms_plan_buffer_bytes(&e->plan->tensor[tensor], cell)},
                               out, st);
}

/* Every version of an activation gets a buffer over the range it is produced in. */
static dms_code add_produced(dms_emitter *e, const dms_block *block, uint64_t offset,
                             dms_status *st) {
    const dms_steps *s = e->in->steps;
    for (uint32_t t = block->last; t != DMS_NONE; t = s->tensor[t].over)
        DMS_TRY(add_device_buffer(e, t, 0, offset, &e->produced_buffer[t], st));
    return DMS_OK;
}

static dms_code add_residency_buffers(dms_emitter *e, dms_status *st) {
    const dms_decision *d = e->in->decision;
    const dms_blocks *blocks = e->in->blocks;
    DMS_TRY(make_index(e, d->n_residencies, &e->residency_buffer, st));
    DMS_TRY(make_index(e, e->plan->n_tensors, &e->produced_buffer, st));
    for (uint32_t r = 0; r < d->n_residencies; r++) {
        const dms_place_residency *res = &d->residencies[r];
        const dms_block *block = &blocks->block[res->tensor];
        const dms_problem_kind kind = blocks->problem.tensors[res->tensor].kind;
        const bool is_computed = kind == DMS_PROBLEM_ACTIVATION || kind == DMS_PROBLEM_OUTPUT;
        const bool is_split = e->plan->tensor[block->last].is_split;
        if (is_computed && !is_split && res->gap == DMS_PLACE_PRODUCED)
            DMS_TRY(add_produced(e, block, res->offset, st));
        else
            DMS_TRY(add_device_buffer(e, block->last, block->cell, res->offset,
                                      &e->residency_buffer[r], st));
    }
    return DMS_OK;
}

/* The place in the ring of every load that is read from storage. The ring is at the bottom. */
static dms_code add_ring_buffers(dms_emitter *e, dms_status *st) {
    const dms_decision *d = e->in->decision;
    DMS_TRY(make_index(e, d->n_loads, &e->ring_buffer, st));
    DMS_TRY(make_index(e, d->n_loads, &e->read, st));
    DMS_TRY(make_index(e, d->n_loads, &e->read_of, st));
    for (uint32_t l = 0; l < d->n_loads; l++) {
        const dms_block *b = &e->in->blocks->block[d->loads[l].tensor];
        if (!d->loads[l].is_read)
            continue;
        e->read_of[l] = e->n_reads;
        e->read[e->n_reads++] = l;
        const dms_buffer place = {b->last, b->cell, DMS_TIER_HOST, d->loads[l].ring_offset,
                                  dms_plan_buffer_bytes(&e->plan->tensor[b->last], b->cell)};
        DMS_TRY(dms_emit_add_buffer(e, place, &e->ring_buffer[l], st));
    }
    return DMS_OK;
}

/* Host memory: the ring, then one home per streamed weight that has it here, and one place per
 * activation that comes back, stacked. */
static dms_code add_host_buffers(dms_emitter *e, dms_status *st) {
    const dms_decision *d = e->in->decision;
    const dms_blocks *blocks = e->in->blocks;
    DMS_TRY(make_index(e, blocks->problem.n_tensors, &e->host_buffer, st));
    DMS_TRY(add_ring_buffers(e, st));
    uint64_t top = e->n_reads > 0 ? d->ring_bytes : 0;
    for (uint32_t l = 0; l < d->n_loads; l++) {
        const uint32_t b = d->loads[l].tensor;
        if (e->host_buffer[b] != DMS_NONE || d->loads[l].is_read ||
            blocks->problem.tensors[b].kind == DMS_PROBLEM_INPUT)
            continue;
        const uint32_t tensor = blocks->block[b].last, cell = blocks->block[b].cell;
        const uint64_t bytes = dms_plan_buffer_bytes(&e->plan->tensor[tensor], cell);
        DMS_TRY(dms_emit_add_buffer(e, (dms_buffer){tensor, cell, DMS_TIER_HOST, top, bytes},
                                    &e->host_buffer[b], st));
        if (!dms_add(top, bytes, &top) || !dms_align_up(top, DMS_ALIGN, &top))
            return dms_fail(st, DMS_EBUDGET, "homes on the host exceed 64 bits");
    }
    e->plan->host_arena = top;
    return DMS_OK;
}

dms_code dms_emit_buffers(dms_emitter *e, dms_status *st) {
    const dms_decision *d = e->in->decision;
    const dms_steps *s = e->in->steps;
    DMS_TRY(find_residencies(e, st));
    DMS_TRY(add_residency_buffers(e, st));
    DMS_TRY(add_host_buffers(e, st));
    DMS_TRY(make_index(e, s->n_steps, &e->workspace, st));
    for (uint32_t t = 0; t < s->n_steps; t++)
        if (s->step[t].workspace_bytes > 0)
            DMS_TRY(
                dms_emit_add_buffer(e,
                                    (dms_buffer){DMS_NONE, 0, DMS_TIER_DEVICE, d->scratch_offset[t],
                                                 s->step[t].workspace_bytes},
                                    &e->workspace[t], st));
    return DMS_OK;
}

uint32_t dms_emit_buffer_at(const dms_emitter *e, uint32_t tensor, uint32_t cell, uint32_t step) {
    const dms_blocks *blocks = e->in->blocks;
    const uint32_t block = blocks->first_block[tensor] + cell;
    const dms_problem_tensor *t = &blocks->problem.tensors[block];
    const uint32_t *touch = blocks->problem.touches + t->first_touch;
    uint32_t low = 0, high = t->n_touches; /* the last touch at or before the step */
    while (low + 1 < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (touch[middle] <= step)
            low = middle;
        else
            high = middle;
    }
    const uint32_t residency = e->residency_of[t->first_touch + low];
    const uint32_t buffer = e->residency_buffer[residency];
    return buffer != DMS_NONE ? buffer : e->produced_buffer[tensor];
}
