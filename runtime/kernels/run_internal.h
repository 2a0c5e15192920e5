/* run_internal.h - some output channels along a run of neighbouring pixels.
 *
 * Reads    f32: an image in which every term is an offset, weights [term][channel].
 * Returns  sums [channel][position], each one fused chain in the order of the terms.
 * Cost     AVX-512: 8 cycles per term for 8 channels x 32 positions; fewer channels take more
 *          vectors at a time, so that 8 chains or more are in flight.
 * Source   none.
 * Not here where image and weights come from (taps_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_RUN_INTERNAL_H
#define DMS_RUNTIME_KERNELS_RUN_INTERNAL_H

#include <stdint.h>

#include "runtime/kernels/dialect.h"
#include "runtime/kernels/vector_internal.h"

/* Element j of channel r continues its chain with x[offset[p] + j] * w[p * w_step + r], p < k.
 * Chains start from bias[r], or from `from`. Whole vectors: x is read, and sums are read and
 * written, up to the next multiple of DMS_V. */
typedef struct dms_run {
    int rows; /* channels, at most DMS_TILE_ROWS */
    int64_t n, k;
    const float *x;
    const int32_t *offset;
    const float *w;
    int64_t w_step;
    const float *bias; /* NULL: `from` */
    const float *from;
    float *to;
    int64_t pitch_from, pitch_to; /* from one channel to the next */
    int64_t pitch_x, pitch_w;     /* of dms_run_apart */
} dms_run;

/* Runs all positions. */
void DMS_ISA(dms_run_sums)(const dms_run *t);

/* The same for any number of channels that have an image and weights each (depthwise): channel r
 * reads x[r * pitch_x + offset[p] + j] and w[r * pitch_w + p]. Chains start from the bias. */
void DMS_ISA(dms_run_apart)(const dms_run *t);

#endif
