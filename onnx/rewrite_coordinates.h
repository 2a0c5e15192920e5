/* rewrite_coordinates.h - which function of its coordinates is a constant?
 *
 * Reads    a constant, or a chain of views over one.
 * Returns  the same along an axis, its coordinate plus a base, or two values by the side of a
 *          diagonal.
 * Cost     O(elements), of constants of at most 4 MiB.
 * Source   none.
 * Not here expressions of several tensors (rewrite_mask.h).
 */
#ifndef DMS_ONNX_REWRITE_COORDINATES_H
#define DMS_ONNX_REWRITE_COORDINATES_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_rewriter dms_rewriter; /* rewrite_internal.h */

typedef enum dms_coordinates_kind {
    DMS_COORDINATES_NONE = 0, /* none of these, or no constant */
    DMS_COORDINATES_FLAT,     /* equal along the axis: `seen` is a constant that lacks it */
    DMS_COORDINATES_COUNT,    /* coordinate along the axis + `number` */
    DMS_COORDINATES_SPLIT,    /* scalar `seen` where last <= axis + `number`, else `beyond` */
} dms_coordinates_kind;

typedef struct dms_coordinates {
    dms_coordinates_kind kind;
    int64_t number;
    uint32_t seen, beyond; /* new constants; both the same where it is flat */
} dms_coordinates;

/* Looks at a tensor along `axis`, which is longer than 1.
 * Errors   DMS_EINTERNAL: out of memory. Data that cannot be read give NONE. */
DMS_CHECKED dms_code dms_constant_coordinates(dms_rewriter *rw, uint32_t tensor, uint32_t axis,
                                              dms_coordinates *out, dms_status *st);

/* Whether a tensor is a constant of integers that count along its last axis from *out_base on and
 * repeat along the others. */
bool dms_counts_keys(dms_rewriter *rw, uint32_t tensor, int64_t *out_base);

#endif
