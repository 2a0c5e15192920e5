/* addresses_internal.h - what addresses.c, repair.c and pieces.c share. */
#ifndef DMS_PLANNER_ADDRESSES_INTERNAL_H
#define DMS_PLANNER_ADDRESSES_INTERNAL_H

#include "planner/holes.h"

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
    int64_t *packed;     /* offsets of the packing below, above the kept weights */
    uint64_t packed_key; /* hash of what was packed, 0 = nothing */
    int64_t packed_units;
    dms_obstacle *around; /* repair: what stands around its piece */
};

/* Moves up to 4 pieces aside, at unchanged times, so that piece `id` (not put in) can start at slot
 * `start`; puts it in. Returns false and leaves everything as it was when that cannot be done. */
bool dms_addresses_repair(dms_addresses *addresses, uint32_t id, int32_t start, dms_fit_hole how);

#endif
