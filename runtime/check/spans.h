/* spans.h - which buffer owns each byte of an arena, as buffers come and go?
 *
 * Reads    the ranges of all buffers, once.
 * Returns  the owners that a new buffer takes bytes from, each contiguous piece once.
 * Cost     O(log n) per piece; every claim leaves at most two pieces more than it found.
 * Source   none; an interval map whose starts are a bit tree with 64 children per node.
 * Not here what an owner is worth (check_contents.c).
 *
 *     start bits   1 . . . 1 . 1 . .          claim [2, 6) for D:  1 . 1 . . . 1 . .
 *     owner        A       B   C                                   A   D       C
 */
#ifndef DMS_RUNTIME_CHECK_SPANS_H
#define DMS_RUNTIME_CHECK_SPANS_H

#include "schema/arena.h"
#include "schema/plan.h"

#define DMS_SPAN_LEVELS 6u

/* The pieces of one arena. `edge` holds every offset where a buffer begins or ends, ascending. */
typedef struct dms_spans {
    uint32_t n_edges;
    uint64_t *edge;
    uint32_t *owner;                   /* of the piece that starts here; DMS_NONE = nobody yet */
    uint64_t *start[DMS_SPAN_LEVELS];  /* bit k of level 0: a piece starts at edge k */
    uint32_t n_words[DMS_SPAN_LEVELS]; /* level l + 1 has a bit per word of level l */
} dms_spans;

/* What one claim visits, piece by piece. */
typedef struct dms_span_walk {
    uint32_t at, end;
} dms_span_walk;

/* Prepares the pieces of `arena` (device or host) of a plan.
 * Errors   DMS_EINTERNAL out of memory. */
DMS_CHECKED dms_code dms_spans_init(dms_spans *spans, const dms_plan *plan, dms_tier arena,
                                    dms_arena *scratch, dms_status *st);

/* Starts a visit of the pieces that cover [offset, offset + bytes), cut to that range. */
dms_span_walk dms_spans_visit(dms_spans *spans, uint64_t offset, uint64_t bytes);

/* The owner of the next piece into `out_owner`; false when the range is done. */
bool dms_spans_next(const dms_spans *spans, dms_span_walk *walk, uint32_t *out_owner);

/* Makes [offset, offset + bytes) one piece that belongs to `owner`. */
void dms_spans_claim(dms_spans *spans, uint64_t offset, uint64_t bytes, uint32_t owner);

#endif
