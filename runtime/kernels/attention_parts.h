/* attention_parts.h - how attention of few queries is split on CUDA.
 *
 * Reads    a checked call of DMS_K_ATTENTION.
 * Returns  parts of its keys: the row plans their sums as workspace, the device fills them.
 * Cost     none.
 * Source   Dao et al. 2023 (splitting the keys of a query).
 * Not here the kernels (runtime/cuda/kernels/attention_few.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_ATTENTION_PARTS_H
#define DMS_RUNTIME_KERNELS_ATTENTION_PARTS_H

#include "runtime/kernels/kernel.h"

/* On CUDA the keys of few queries are split into parts: where the queries of all heads that share a
 * key head are at most so many. */
enum { DMS_ATTENTION_FEW_ROWS = 64 };

/* Of more queries: what an engine of a library may want as workspace. Those of cuDNN 9 that were
 * asked want 256 bytes on 9.0, none on 8.0. */
enum { DMS_ATTENTION_LIBRARY_BYTES = 256 };

/* How many parts, 0 for no split: so many that a card has about a thousand warps, each with 32 keys
 * or more; at least four. */
static inline int64_t dms_attention_parts(const dms_call *call) {
    const dms_view *q = &call->view[0], *k = &call->view[1];
    const int64_t groups = q->dim[0] * k->dim[1], warps = 1056;
    const int64_t rows = k->dim[1] == 0 ? 0 : q->dim[1] / k->dim[1] * q->dim[2];
    if (rows == 0 || groups == 0 || rows > DMS_ATTENTION_FEW_ROWS || q->dtype == DMS_DTYPE_F32)
        return 0;
    const int64_t tiles = groups * ((rows + 15) / 16), most = (k->dim[2] + 127) / 128 * 4;
    int64_t parts = (warps / tiles + 3) / 4 * 4;
    parts = parts < most ? parts : most;
    return parts < 4 ? 4 : parts < 256 ? parts : 256;
}

#endif
