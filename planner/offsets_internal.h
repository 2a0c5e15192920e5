/* offsets_internal.h - lives on a line of sections, for the files behind offsets.h.
 *
 * Reads    lives.
 * Returns  sections: maximal sets of buffers that live at the same time, in the order of the cycle.
 * Cost     O(n log n).
 * Source   ADDRESSES.md section 3.1.
 * Not here offsets.
 */
#ifndef DMS_PLANNER_OFFSETS_INTERNAL_H
#define DMS_PLANNER_OFFSETS_INTERNAL_H

#include "planner/offsets.h"

/* A life in sections: [first, last), and where it passes the end of the cycle [0, wrap) as well. */
typedef struct dms_span {
    int32_t first, last, wrap;
} dms_span;

/* Buffers that live at the same time share a section, and only these. */
typedef struct dms_sections {
    dms_span *span; /* per buffer */
    int32_t n_sections;
} dms_sections;

/* Cuts the cycle into sections. */
DMS_CHECKED dms_code dms_sections_make(const dms_lives *lives, dms_arena *arena,
                                       dms_sections *out_sections, dms_status *st);

/* Adds `size` to the sections of a span. */
void dms_span_add(const dms_span *span, int64_t size, int64_t *sum);

/* Whether two buffers live at the same time. */
static inline bool dms_spans_meet(const dms_span *a, const dms_span *b) {
    return (a->first < b->last && b->first < a->last) ||
           (a->wrap > 0 && (b->wrap > 0 || b->first < a->wrap)) ||
           (b->wrap > 0 && a->first < b->wrap);
}

/* The next number of a sequence (splitmix64, Steele and others 2014). */
static inline uint64_t dms_sequence(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
