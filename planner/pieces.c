/* pieces.c - the residencies of a draft, as pieces to pack. */
#include <stdlib.h>
#include <string.h>

#include "planner/addresses_internal.h"
#include "schema/arena.h"

static int by_size(const void *left, const void *right) {
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Distinct sizes of weights; one within 2 % of the next larger counts as that one. Blocks of one
 * pitch leave holes that the next fits exactly: up to 0.1 % of the period (PLACEMENT.md section
 * 9). From the largest down, so that a chain of close sizes counts as its largest while that stays
 * within 2 %. */
static void find_pitches(dms_addresses *a) {
    const dms_cycle *cycle = a->cycle;
    uint32_t n = 0;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        if (cycle->problem->tensors[i].kind == DMS_PROBLEM_WEIGHT)
            a->size[n++] = cycle->units[i];
    qsort(a->size, n, sizeof *a->size, by_size);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || a->size[i] != a->size[i - 1])
            a->size[a->n_sizes++] = a->size[i];
    for (uint32_t i = a->n_sizes; i-- > 0;) {
        const bool is_close =
            i + 1 < a->n_sizes && a->size[i] >= a->pitch[i + 1] - a->pitch[i + 1] / 50;
        a->pitch[i] = is_close ? a->pitch[i + 1] : a->size[i];
    }
}

/* The pitch of a size; what is no weight's size keeps its own. */
static int64_t pitch_of(const dms_addresses *a, int64_t units) {
    uint32_t low = 0, high = a->n_sizes;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (a->size[middle] < units)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->n_sizes && a->size[low] == units ? a->pitch[low] : units;
}

dms_code dms_addresses_new(const dms_cycle *cycle, dms_work *work, dms_arena *arena,
                           dms_addresses **out_addresses, dms_status *st) {
    const uint64_t n = (uint64_t)cycle->n_gaps + cycle->n_tensors + (uint64_t)cycle->n_steps;
    dms_addresses *a;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *a, "addresses", &a, st));
    a->cycle = cycle;
    a->work = work;
    const struct {
        void *where;
        uint64_t count, size;
    } wanted[] = {
        {&a->piece, n, sizeof *a->piece},
        {&a->kept_offset, cycle->n_tensors, sizeof *a->kept_offset},
        {&a->lead, cycle->n_gaps, sizeof *a->lead},
        {&a->place, cycle->n_gaps, sizeof *a->place},
        {&a->order, n, sizeof *a->order},
        {&a->key, n, sizeof *a->key},
        {&a->late, n, sizeof *a->late},
        {&a->size, cycle->n_tensors, sizeof *a->size},
        {&a->pitch, cycle->n_tensors, sizeof *a->pitch},
        {&a->weight, n, sizeof *a->weight},
        {&a->highest, n, sizeof *a->highest},
        {&a->around, n, sizeof *a->around},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        DMS_TRY(
            dms_alloc_st(arena, wanted[i].count, wanted[i].size, "addresses", wanted[i].where, st));
    for (uint32_t i = 0; i < DMS_N_PACKED; i++)
        DMS_TRY(dms_alloc_st(arena, n, sizeof *a->packed[i].offset, "addresses",
                             &a->packed[i].offset, st));
    DMS_TRY(dms_holes_init(&a->holes, cycle->n_steps, a->piece, n, arena, st));
    find_pitches(a);
    *out_addresses = a;
    return DMS_OK;
}

/* The first gap from `g` on that is not kept; `end` when there is none. */
static uint32_t next_loaded(const dms_draft *draft, uint32_t g, uint32_t end) {
    while (g < end && draft->keep[g])
        g++;
    return g;
}

/* The last slot of a residency that ends before gap `g`: its touch, or its pending save, which
 * holds the memory up to slot before - 1 but never into the next touch. */
static int32_t end_before(const dms_cycle *cycle, const dms_draft *draft, uint32_t g) {
    const dms_gap *gap = cycle->gap + g;
    if (!gap->is_saved)
        return gap->a;
    int32_t end = draft->before[gap->tensor] - 1;
    if (end > gap->b - 1)
        end = gap->b - 1;
    return end > gap->a ? end : gap->a;
}

/* The last slot of an activation or output that does not come back. */
static int32_t final_end(const dms_cycle *cycle, const dms_draft *draft, uint32_t id) {
    const int32_t last = cycle->last_touch[id];
    if (cycle->problem->tensors[id].kind != DMS_PROBLEM_OUTPUT)
        return last;
    return draft->before[id] - 1 > last ? draft->before[id] - 1 : last;
}

static bool is_made(const dms_cycle *cycle, uint32_t id) {
    const dms_problem_kind kind = cycle->problem->tensors[id].kind;
    return kind == DMS_PROBLEM_ACTIVATION || kind == DMS_PROBLEM_OUTPUT;
}

/* The residency that the load of gap `g` begins: over touches and kept gaps to the next gap that is
 * not kept, for a weight or an input around the cycle.
 *
 *   touch     x . . . x . . x . . . . x       gaps: 0 loaded, 1 kept, 2 loaded
 *   slot      o . s * n * * e                 s start, n need (the due touch), e end
 *               |
 *               earliest: behind the touch o that opens the gap, and not before its save is done
 *
 * All are moved by `shift`, 0 or T, into the frame in which need lies in 0..T-1. */
static dms_piece loaded_piece(const dms_addresses *a, const dms_draft *draft, uint32_t g,
                              const dms_fit *fit) {
    const dms_cycle *cycle = a->cycle;
    const dms_gap *gap = cycle->gap + g;
    const uint32_t last = cycle->first_gap[gap->tensor + 1];
    const uint32_t next = next_loaded(draft, g + 1, last);
    const int32_t shift = gap->b - gap->due;
    const int32_t after = draft->after[a->place[g]];
    dms_piece p = {.gap = (int32_t)g,
                   .tensor = gap->tensor,
                   .need = gap->due,
                   .earliest = gap->a - shift + 1,
                   .wanted = fit->lead ? a->lead[g] : after + 1,
                   .units = fit->pitch ? pitch_of(a, gap->units) : gap->units};
    if (next < last) {
        p.end = end_before(cycle, draft, next) - shift;
    } else if (is_made(cycle, gap->tensor)) {
        p.end = final_end(cycle, draft, gap->tensor) - shift;
    } else {
        const uint32_t first = next_loaded(draft, cycle->first_gap[gap->tensor], last);
        p.end = cycle->gap[first].a;
        while (p.end < p.need)
            p.end += cycle->n_steps;
    }
    if (gap->is_saved && draft->before[gap->tensor] - shift > p.earliest)
        p.earliest = draft->before[gap->tensor] - shift;
    if (gap->rule == DMS_GAP_LOADED && p.earliest < 0)
        p.earliest = 0;
    p.start = p.need;
    return p;
}

/* The pieces of a tensor: its production, then its loads by gap. dms_floor_layout counts on this
 * order. A weight without a load is no piece: it stays for the whole cycle, stacked from offset 0
 * up, where it cannot cut a hole in two. */
static void list_tensor(dms_addresses *a, const dms_draft *draft, uint32_t id, const dms_fit *fit) {
    const dms_cycle *cycle = a->cycle;
    const uint32_t first = cycle->first_gap[id], last = cycle->first_gap[id + 1];
    uint32_t g = next_loaded(draft, first, last);
    a->kept_offset[id] = -1;
    if (is_made(cycle, id)) {
        const int32_t made =
            (int32_t)cycle->problem->touches[cycle->problem->tensors[id].first_touch];
        const int32_t end = g < last ? end_before(cycle, draft, g) : final_end(cycle, draft, id);
        a->piece[a->n_pieces++] = (dms_piece){.gap = DMS_PIECE_PRODUCED,
                                              .tensor = id,
                                              .need = made,
                                              .end = end,
                                              .start = made,
                                              .earliest = made,
                                              .wanted = made,
                                              .units = cycle->units[id]};
    } else if (g == last) {
        a->kept_offset[id] = a->kept_units;
        a->kept_units += cycle->units[id];
    }
    for (; g < last; g = next_loaded(draft, g + 1, last))
        a->piece[a->n_pieces++] = loaded_piece(a, draft, g, fit);
}

int64_t dms_addresses_list(dms_addresses *addresses, const dms_draft *draft, const dms_fit *fit) {
    const dms_cycle *cycle = addresses->cycle;
    addresses->n_pieces = 0;
    addresses->kept_units = 0;
    for (uint32_t q = 0; q < draft->n_loads; q++)
        addresses->place[draft->load[q]] = q;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        list_tensor(addresses, draft, i, fit);
    for (int32_t t = 0; t < cycle->n_steps; t++)
        if (cycle->scratch[t] > 0)
            addresses->piece[addresses->n_pieces++] = (dms_piece){.gap = DMS_PIECE_SCRATCH,
                                                                  .tensor = (uint32_t)t,
                                                                  .need = t,
                                                                  .end = t,
                                                                  .start = t,
                                                                  .earliest = t,
                                                                  .wanted = t,
                                                                  .units = cycle->scratch[t]};
    return addresses->kept_units;
}

const dms_piece *dms_addresses_pieces(const dms_addresses *addresses, uint32_t *out_count,
                                      const int64_t **out_kept_offset) {
    *out_count = addresses->n_pieces;
    *out_kept_offset = addresses->kept_offset;
    return addresses->piece;
}

uint64_t dms_addresses_effort(const dms_addresses *addresses) {
    return addresses->holes.effort;
}

bool dms_addresses_failed(const dms_addresses *addresses) {
    return addresses->holes.failed;
}
