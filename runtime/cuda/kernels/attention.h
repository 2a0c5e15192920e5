/* attention.h - attention on the card.
 *
 * Reads    q, k, v, a mask: where they lie.
 * Returns  parameters and the launches of the kernels of attention*.cu.
 * Cost     f16 and bf16: products on tensor cores; else a warp per query (eight where there are
 *          few), keys in chunks of 32.
 * Source   Milakov and Gimelshein 2018 (running maximum); Dao 2023.
 * Not here the meaning of masks and limits (runtime/kernels/attention.c).
 */
#ifndef DMS_RUNTIME_CUDA_ATTENTION_H
#define DMS_RUNTIME_CUDA_ATTENTION_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Warps of a block; threads of a block on tensor cores. */
#define DMS_ATTENTION_WARPS 8
#define DMS_ATTENTION_WIDEST 256 /* heads on tensor cores */
#define DMS_ATTENTION_FEW_THREADS 128
#define DMS_ATTENTION_TILE_THREADS 128

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
    /* on tensor cores */
    uint32_t is_plain; /* a score is its product: no mask, cap or fill */
    float unit;        /* times a score: its power of two */
    int64_t parts;     /* of the keys of a row, each with m, l, o of its own at `partial` */
    float *partial;
} dms_attention_params;

/* Launches the kernel `attention` (attention.cu); returns 0 or an error number of CUDA. */
int dms_launch_attention(dms_grid grid, const dms_attention_params *p);

/* Widths of heads that tensor cores have kernels for, and their names; a head takes the next. */
#define DMS_ATTENTION_FEW(X)                                                                       \
    X(attention_few, half, 64)                                                                     \
    X(attention_few, half, 128)                                                                    \
    X(attention_few, half, 256)                                                                    \
    X(attention_few, brain, 64) X(attention_few, brain, 128) X(attention_few, brain, 256)
#define DMS_ATTENTION_TILE(X)                                                                      \
    X(attention_tile, half, 64)                                                                    \
    X(attention_tile, half, 96)                                                                    \
    X(attention_tile, half, 128)                                                                   \
    X(attention_tile, half, 256)                                                                   \
    X(attention_tile, brain, 64)                                                                   \
    X(attention_tile, brain, 96)                                                                   \
    X(attention_tile, brain, 128) X(attention_tile, brain, 256)

/* Launches a kernel for few queries (attention_few.cu) or many (attention_tile.cu). */
#define DMS_ATTENTION_DECLARE(KIND, TYPE, WIDTH)                                                   \
    int dms_launch_##KIND##_##TYPE##_##WIDTH(dms_grid grid, const dms_attention_params *p);
DMS_ATTENTION_FEW(DMS_ATTENTION_DECLARE)
DMS_ATTENTION_TILE(DMS_ATTENTION_DECLARE)
#undef DMS_ATTENTION_DECLARE

/* Launches the join of the parts of few queries (attention_few.cu). */
int dms_launch_attention_join(dms_grid grid, const dms_attention_params *p);

#ifdef __cplusplus
}
#endif

#endif
