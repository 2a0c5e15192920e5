/* offsets.c - sections of lives, their peak, and the proof of a packing. */
#include "planner/offsets.h"

#include <inttypes.h>
#include <stdlib.h>

#include "planner/offsets_internal.h"
#include "schema/arena.h"

/* A life begins or ends. */
typedef struct event {
    int64_t slot;
    uint32_t buffer;
    bool begins; /* after ends in the same slot: lives are half open */
} event;

static int by_slot(const void *left, const void *right) {
    const event *a = left, *b = right;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    if (a->begins != b->begins)
        return a->begins ? 1 : -1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

static bool is_always(const dms_lives *lives, const dms_life *life) {
    return lives->cycle > 0 && life->end - life->first >= lives->cycle;
}

static bool wraps(const dms_lives *lives, const dms_life *life) {
    return lives->cycle > 0 && life->end > lives->cycle;
}

/* A section ends where a life ends after one has begun: what lives there is a maximal set. */
dms_code dms_sections_make(const dms_lives *lives, dms_arena *arena, dms_sections *out_sections,
                           dms_status *st) {
    dms_sections s = {0};
    event *list;
    uint32_t n = 0;
    bool has_begun = false;
    DMS_TRY(dms_alloc_st(arena, lives->n, sizeof *s.span, "sections", &s.span, st));
    DMS_TRY(dms_alloc_st(arena, 2 * (uint64_t)lives->n, sizeof *list, "sections", &list, st));
    for (uint32_t i = 0; i < lives->n; i++) {
        const dms_life *life = lives->life + i;
        const bool passes = wraps(lives, life);
        has_begun |= passes || is_always(lives, life);
        if (is_always(lives, life))
            continue;
        list[n++] = (event){life->first, i, true};
        list[n++] = (event){passes ? life->end - lives->cycle : life->end, i, false};
    }
    qsort(list, n, sizeof *list, by_slot);
    for (uint32_t k = 0; k < n; k++) {
        const event *e = list + k;
        if (!e->begins && has_begun)
            s.n_sections++;
        has_begun = e->begins;
        if (e->begins)
            s.span[e->buffer].first = s.n_sections;
        else if (wraps(lives, lives->life + e->buffer))
            s.span[e->buffer].wrap = s.n_sections;
        else
            s.span[e->buffer].last = s.n_sections;
    }
    s.n_sections += has_begun;
    for (uint32_t i = 0; i < lives->n; i++) {
        if (is_always(lives, lives->life + i))
            s.span[i] = (dms_span){0, s.n_sections, 0};
        else if (wraps(lives, lives->life + i))
            s.span[i].last = s.n_sections;
    }
    *out_sections = s;
    return DMS_OK;
}

void dms_span_add(const dms_span *span, int64_t size, int64_t *sum) {
    for (int32_t s = span->first; s < span->last; s++)
        sum[s] += size;
    for (int32_t s = 0; s < span->wrap; s++)
        sum[s] += size;
}

dms_code dms_lives_peak(const dms_lives *lives, dms_arena *scratch, int64_t *out_peak,
                        dms_status *st) {
    dms_sections s;
    int64_t *change, live = 0, peak = 0;
    DMS_TRY(dms_sections_make(lives, scratch, &s, st));
    DMS_TRY(dms_alloc_st(scratch, (uint64_t)s.n_sections + 1, sizeof *change, "peak", &change, st));
    for (uint32_t i = 0; i < lives->n; i++) {
        change[s.span[i].first] += lives->life[i].size;
        change[s.span[i].last] -= lives->life[i].size;
        if (s.span[i].wrap > 0) {
            change[0] += lives->life[i].size;
            change[s.span[i].wrap] -= lives->life[i].size;
        }
    }
    for (int32_t k = 0; k < s.n_sections; k++) {
        live += change[k];
        peak = live > peak ? live : peak;
    }
    *out_peak = peak;
    return DMS_OK;
}

/* Whether two lives meet: half-open intervals, either of them one cycle later as well. */
static bool meet(const dms_lives *lives, const dms_life *a, const dms_life *b) {
    if (a->first < b->end && b->first < a->end)
        return true;
    if (lives->cycle == 0)
        return false;
    return is_always(lives, a) || is_always(lives, b) || a->first + lives->cycle < b->end ||
           b->first + lives->cycle < a->end;
}

/* Buffers by offset, for the sweep. */
typedef struct placed {
    int64_t offset;
    uint32_t buffer;
} placed;

static int by_offset(const void *left, const void *right) {
    const placed *a = left, *b = right;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

/* Upwards; `open` has the buffers that reach above the current offset. */
dms_code dms_offsets_verify(const dms_lives *lives, const int64_t *offset, dms_arena *scratch,
                            dms_status *st) {
    placed *list;
    uint32_t *open, n_open = 0;
    DMS_TRY(dms_alloc_st(scratch, lives->n, sizeof *list, "packing", &list, st));
    DMS_TRY(dms_alloc_st(scratch, lives->n, sizeof *open, "packing", &open, st));
    for (uint32_t i = 0; i < lives->n; i++)
        list[i] = (placed){offset[i], i};
    qsort(list, lives->n, sizeof *list, by_offset);
    for (uint32_t k = 0; k < lives->n; k++) {
        const uint32_t i = list[k].buffer;
        uint32_t kept = 0;
        if (offset[i] < 0 || lives->life[i].size > lives->capacity ||
            offset[i] > lives->capacity - lives->life[i].size)
            return dms_fail(st, DMS_EPLAN, "buffer %" PRIu32 " ends above the capacity", i);
        for (uint32_t j = 0; j < n_open; j++) {
            const uint32_t other = open[j];
            if (offset[other] + lives->life[other].size <= offset[i])
                continue;
            if (meet(lives, lives->life + other, lives->life + i))
                return dms_fail(st, DMS_EPLAN, "buffers %" PRIu32 " and %" PRIu32 " overlap", other,
                                i);
            open[kept++] = other;
        }
        open[kept++] = i;
        n_open = kept;
    }
    return DMS_OK;
}
