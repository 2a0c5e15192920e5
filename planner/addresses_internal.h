/* addresses_internal.h - what the files of addresses.h share: free offsets over runs of slots, and
 * the workbench of the pass.
 *
 * Reads    pieces (addresses.h) that were put in.
 * Returns  what stands in the way of a piece, sorted by offset, and holes between.
 * Cost     O(pieces in the touched buckets) per question.
 * Source   ADDRESSES.md section 5.
 * Not here which piece goes where (addresses.c, repair.c).
 */
#ifndef DMS_PLANNER_ADDRESSES_INTERNAL_H
#define DMS_PLANNER_ADDRESSES_INTERNAL_H

#include "planner/addresses.h"

#define DMS_HOLE_NEVER INT32_MAX /* blocks however late a load begins */

/* A piece in the way. It blocks a start before slot `until`, in the frame of the question. */
typedef struct dms_obstacle {
    int64_t low, high; /* units */
    int32_t until;
    uint32_t piece;
} dms_obstacle;

/* What was put in: slots first..last, first in 0..T-1, and the units it takes. */
typedef struct dms_stay {
    int32_t first, last;
    int64_t low, high;
} dms_stay;

/* The slots of the cycle in buckets, each with the pieces that touch it. */
typedef struct dms_holes {
    dms_arena *arena;
    int32_t n_slots, bucket_slots;
    uint32_t n_buckets;
    uint32_t **bucket, *fill, *cap;
    const dms_piece *piece;
    dms_stay *stay;         /* per piece that is in */
    uint32_t *bucket_of;    /* per slot */
    uint32_t *seen, stamp;  /* per piece: the question that saw it last */
    dms_obstacle *obstacle; /* of the last question */
    dms_obstacle *sorting;  /* as many, for sorting */
    uint32_t n_obstacles;
    int64_t base, top; /* units: where offsets begin and end */
    uint64_t effort;   /* pieces met by questions so far */
    bool failed;       /* out of memory */
} dms_holes;

/* Allocates for up to max_pieces pieces, which stay at `piece`. */
DMS_CHECKED dms_code dms_holes_init(dms_holes *holes, int32_t n_slots, const dms_piece *piece,
                                    uint64_t max_pieces, dms_arena *arena, dms_status *st);

/* Takes every piece out. */
void dms_holes_clear(dms_holes *holes);

/* Puts a piece in at its start..end. */
void dms_holes_put(dms_holes *holes, uint32_t piece);

/* Takes it out again; start and end must be what they were. */
void dms_holes_take(dms_holes *holes, uint32_t piece);

/* Lists what shares a slot with first..end, of which need..end cannot be given up.
 * first <= need <= end < first + T. */
void dms_holes_ask(dms_holes *holes, int32_t first, int32_t need, int32_t end);

/* The offset of a hole of `units` for a start at slot `start`, among the listed; -1 = none. */
int64_t dms_holes_find(const dms_holes *holes, int32_t start, int64_t units, dms_fit_hole how);

#define DMS_N_PACKED 8u

/* A packing of needed slots that passes may use again. */
typedef struct dms_packed {
    uint64_t key;    /* hash of what was packed, 0 = nothing */
    int64_t units;   /* highest end */
    int64_t *offset; /* per piece, above the kept weights */
} dms_packed;

struct dms_addresses {
    const dms_cycle *cycle;
    dms_work *work;
    dms_piece *piece;
    uint32_t n_pieces;
    int64_t *kept_offset; /* per tensor; -1 = not kept */
    int64_t kept_units;
    dms_holes holes;
    int32_t *lead;   /* per gap: wanted start */
    uint32_t *place; /* per gap: its place in the queue */
    uint32_t *order; /* per piece */
    double *key;     /* per piece */
    int32_t *late;   /* per piece: starts to try */
    int64_t *size;   /* distinct sizes of weights, rising */
    int64_t *pitch;  /* what each becomes when close sizes count as equal */
    uint32_t n_sizes;
    dms_packed packed[DMS_N_PACKED];
    uint32_t next_packed; /* the one that is replaced next */
    double *weight;       /* repair: per obstacle, size x life */
    int64_t *highest;     /* repair: per obstacle */
    dms_obstacle *around; /* repair: what stands around its piece */
};

/* Moves up to 4 pieces aside, at unchanged times, so that piece `id` (not put in) can start at slot
 * `start`; puts it in. Returns false and leaves everything as it was when that cannot be done. */
bool dms_addresses_repair(dms_addresses *addresses, uint32_t id, int32_t start, dms_fit_hole how);

/* The packing of the listed pieces that was found in this way before; false where there is none:
 * then *out_packed is the one to fill in. */
bool dms_addresses_recall(dms_addresses *addresses, uint64_t way, dms_packed **out_packed);

/* The listed pieces at their needed slots by all orders of offsets.h, until one has them within
 * `capacity`, the lowest if none has. NULL: out of memory. */
const dms_packed *dms_addresses_squeeze(dms_addresses *addresses, int64_t capacity);

#endif
