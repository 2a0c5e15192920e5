/* pool_internal.h - what the row and the code of pooling agree on.
 *
 * Reads    nothing.
 * Returns  positions and values of the parameters of DMS_K_POOL; which taps of a window exist.
 * Cost     none.
 * Source   none.
 * Not here how they are computed (pool_cpu.c, pool_plane_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_POOL_INTERNAL_H
#define DMS_RUNTIME_KERNELS_POOL_INTERNAL_H

#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/pool_body.h"

/* Integer parameters of pooling; pairs are height, width. */
enum {
    DMS_POOL_FN = 0,
    DMS_POOL_WINDOW = 1,
    DMS_POOL_STEP = 3,
    DMS_POOL_DILATION = 5,
    DMS_POOL_PAD = 7,
    DMS_POOL_PAD_END = 9,
    DMS_POOL_COUNT_PADS = 11,
    DMS_POOL_P = 12,
};
enum { DMS_POOL_MAX = 0, DMS_POOL_AVERAGE = 1, DMS_POOL_LP = 2 };

#ifdef DMS_ISA_SUFFIX
/* Taps of output `out` along an axis that an average counts: inside the image, or inside the padded
 * image. */
DMS_FN int64_t dms_pool_taps(const dms_call *call, uint32_t axis, int64_t out) {
    const int64_t *i = call->i;
    const bool is_padded = i[DMS_POOL_COUNT_PADS] != 0;
    const int64_t low = is_padded ? i[DMS_POOL_PAD + axis] : 0;
    const int64_t high = is_padded ? i[DMS_POOL_PAD_END + axis] : 0;
    const int64_t at = out * i[DMS_POOL_STEP + axis] - i[DMS_POOL_PAD + axis];
    return dms_pool_counted(at, i[DMS_POOL_DILATION + axis], call->view[0].dim[axis + 2],
                            i[DMS_POOL_WINDOW + axis], low, high);
}

/* Planes [plane, plane_end), one channel of one batch entry each, by rows of outputs. */
typedef struct dms_pool_part {
    int64_t plane, plane_end, row, row_end;
} dms_pool_part;

/* Runs a part of f32 maxima or averages whose rows fit; false where the call is another. */
bool DMS_ISA(dms_pool_planes)(const dms_cpu_job *job, const dms_pool_part *part);

/* Runs those planes of a part with rows of one output that fill vectors; returns the first that is
 * left. */
int64_t DMS_ISA(dms_pool_lanes)(const dms_cpu_job *job, const dms_pool_part *part);
#endif

#endif
