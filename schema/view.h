/* view.h - which elements of a buffer does an operand cover, and in which order?
 *
 * Reads    nothing.
 * Returns  shapes with a pitch per axis, their sizes, their extents, whether they are dense.
 * Cost     O(rank).
 * Source   none; strided arrays as in NumPy.
 * Not here where the buffer lies (plan.h).
 */
#ifndef DMS_SCHEMA_VIEW_H
#define DMS_SCHEMA_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/dtype.h"
#include "schema/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DMS_MAX_RANK 8u

/* A strided array: element (i0, i1, ...) lies at `offset` + sum i_k pitch_k, counted in elements
 * from the start of the cells that the operand names. Rank 0 is a scalar. A pitch is never
 * negative; 0 repeats (broadcast, for operands that are read). */
typedef struct dms_view {
    dms_dtype dtype;
    uint32_t rank;
    int64_t offset; /* elements */
    int64_t dim[DMS_MAX_RANK];
    int64_t pitch[DMS_MAX_RANK]; /* elements */
} dms_view;

/* The dense row-major view of these dims.
 * Errors   false when rank, a dim or the number of bytes is out of range. */
bool dms_view_dense(dms_dtype dtype, uint32_t rank, const int64_t *dim, dms_view *out);

/* Number of elements; views that passed dms_view_check cannot overflow. */
int64_t dms_view_count(const dms_view *view);

/* Bytes of the elements counted once each (count x element size). */
uint64_t dms_view_bytes(const dms_view *view);

/* One past the largest element index reached, counted from the cells' start; 0 when empty. */
int64_t dms_view_end(const dms_view *view);

/* Row-major without holes (axes of dim 1 may have any pitch). */
bool dms_view_is_dense(const dms_view *view);

/* Same rank and dims. */
bool dms_view_same_dims(const dms_view *a, const dms_view *b);

/* Known dtype, rank <= 8, dims and pitches not negative, every product within 63 bits.
 * Errors   DMS_EPLAN naming `what`. */
DMS_CHECKED dms_code dms_view_check(const dms_view *view, const char *what, dms_status *st);

/* Writes "f32 [2, 3, 4]" into `out`; returns `out`. */
const char *dms_view_text(const dms_view *view, char *out, uint64_t size);

#ifdef __cplusplus
}
#endif

#endif
