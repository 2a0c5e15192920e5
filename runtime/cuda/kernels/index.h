/* index.h - gathers, scatters and ONE_HOT on the card: indices in data, clamped and reported.
 *
 * Reads    places of operands; how wide an index is.
 * Returns  parameters and launches of the kernels of index.cu.
 * Cost     gathers: one access per element; scatters: a thread per line of places that no other
 *          line's updates meet, so that updates keep their order.
 * Source   none.
 * Not here which entry an index means (runtime/kernels/index_body.h).
 */
#ifndef DMS_RUNTIME_CUDA_INDEX_H
#define DMS_RUNTIME_CUDA_INDEX_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where indices lie, and where a clamped one is reported. */
typedef struct dms_index_source {
    const void *at;
    uint32_t is_wide; /* i64, else i32 */
    uint32_t operand; /* of the call */
    uint32_t *error;
} dms_index_source;

/* GATHER and GATHER_ND: y[b,j,r] = x[b,n0..nk-1,r]; operand 0 of the places is y. GATHER_PART: x
 * has `n_here` of the n[0] entries, from `first` on; the others are as in `before`, operand 1 of
 * the places, or 0 where there is none. */
typedef struct dms_gather_params {
    dms_places places;
    dms_index_source index;
    int64_t index_pitch[3];                         /* along b, j, and the k indices of a row */
    int64_t x_pitch[DMS_MAX_RANK], n[DMS_MAX_RANK]; /* of x: b, the indexed axes, r */
    uint32_t k, bytes, is_part;
    int64_t first, n_here;
    const void *from, *before;
    void *to;
} dms_gather_params;

/* GATHER_ELEMENTS: operands of the places are idx, y, x (which stands still along the axis).
 * SCATTER_ELEMENTS: idx, updates, y; the last axis is the one that indices move along. */
typedef struct dms_elements_params {
    dms_places places;
    dms_index_source index;
    int64_t pitch, n;  /* of the indexed operand along the axis */
    int64_t n_updates; /* of a line */
    uint32_t dtype, bytes, reduction;
    const void *from;
    void *to;
} dms_elements_params;

/* SCATTER_ND: y[n0..nk-1,r] from updates[j,r]. */
typedef struct dms_scatter_params {
    dms_index_source index;
    int64_t index_pitch[2], update_pitch[2];
    int64_t y_pitch[DMS_MAX_RANK], n[DMS_MAX_RANK];
    int64_t n_rows, width;
    uint32_t k, dtype, bytes, reduction;
    const void *from;
    void *to;
} dms_scatter_params;

/* ONE_HOT: operand 0 is y[o,depth,r], 1 is idx (which stands still along depth). */
typedef struct dms_one_hot_params {
    dms_places places;
    const void *index;
    const void *off, *on;
    void *to;
    int64_t depth;
    uint32_t index_dtype, bytes;
} dms_one_hot_params;

/* Launches the kernel `gather` (index.cu); returns 0 or an error number of CUDA. */
int dms_launch_gather(dms_grid grid, const dms_gather_params *p);
/* Launches the kernel `gather_elements` (index.cu); returns 0 or an error number of CUDA. */
int dms_launch_gather_elements(dms_grid grid, const dms_elements_params *p);
/* Launches the kernel `scatter_elements` (index.cu); returns 0 or an error number of CUDA. */
int dms_launch_scatter_elements(dms_grid grid, const dms_elements_params *p);
/* Launches the kernel `scatter_nd` (index.cu); returns 0 or an error number of CUDA. */
int dms_launch_scatter_nd(dms_grid grid, const dms_scatter_params *p);
/* Launches the kernel `one_hot` (index.cu); returns 0 or an error number of CUDA. */
int dms_launch_one_hot(dms_grid grid, const dms_one_hot_params *p);

#ifdef __cplusplus
}
#endif

#endif
