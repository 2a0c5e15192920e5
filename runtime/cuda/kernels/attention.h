/* attention.h - attention on the card.
 *
 * Reads    q, k, v, a mask: where they lie.
 * Returns  parameters and the launch of the kernel of attention.cu.
 * Cost     a warp per query (eight where there are few), keys in chunks of 32.
 * Source   Milakov and Gimelshein 2018 (running maximum).
 * Not here the meaning of masks and limits (runtime/kernels/attention.c).
 */
#ifndef DMS_RUNTIME_CUDA_ATTENTION_H
#define DMS_RUNTIME_CUDA_ATTENTION_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Warps of a block. */
#define DMS_ATTENTION_WARPS 8

/* One call; pitches along batch, head, row, column. */
typedef struct dms_attention_params {
    const void *q, *k, *v, *mask;
    void *y;
    uint32_t dtype, mask_dtype;
    uint32_t causal, mask_kind, empty; /* as the call says */
    uint32_t split;                    /* warps that share the keys of one query: 1 or 8 */
    uint32_t has_fill;
    int64_t batch, heads, per_head, s, t, d, e; /* per_head: query heads of a key head */
    int64_t q_pitch[4], k_pitch[4], v_pitch[4], mask_pitch[4], y_pitch[4];
    float scale, softcap, fill;
} dms_attention_params;

/* Launches the kernel `attention` (attention.cu); returns 0 or an error number of CUDA. */
int dms_launch_attention(dms_grid grid, const dms_attention_params *p);

#ifdef __cplusplus
}
#endif

#endif
