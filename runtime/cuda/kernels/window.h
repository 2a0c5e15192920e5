/* window.h - convolutions and pools on the card.
 *
 * Reads    images, weights, steps: where they lie.
 * Returns  parameters and launches of the kernels of conv.cu and pool.cu.
 * Cost     conv: a tile of 64 channels by 64 pixels per block, on tensor cores of up to 128 by
 *          128; the others: a thread per output.
 * Source   ONNX.
 * Not here the order of sums (runtime/kernels/conv.c, pool_cpu.c).
 */
#ifndef DMS_RUNTIME_CUDA_WINDOW_H
#define DMS_RUNTIME_CUDA_WINDOW_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A convolution or a transposed one; y may be the workspace that a chain reads. */
typedef struct dms_conv_params {
    const void *x, *w, *bias;
    void *y;
    uint32_t dtype, is_panels;  /* w[ceil(m/16),c/g,kh,kw,16], dense */
    int64_t batch, group, m, c; /* m and c: channels of a group */
    int64_t x_dim[2], y_dim[2], k[2], step[2], dilation[2], pad[2];
    int64_t x_pitch[4], w_pitch[4], y_pitch[4], bias_pitch;
    int64_t tiles[2]; /* along m and pixels */
    /* of tiles whose terms lie in order: conv_tensor.cu, conv_float.cu */
    uint32_t is_wide;  /* 16 bytes of terms of a channel lie at a multiple of 16 bytes */
    uint32_t is_point; /* single taps, 16 bytes of pixels at a multiple of 16 bytes */
} dms_conv_params;

#define DMS_CONV_PIXELS 128 /* of such a tile */

/* A pool: x[b,c,h,w] -> y (, indices, where the pointer is not NULL). */
typedef struct dms_pool_params {
    const void *x;
    void *y;
    int64_t *indices;
    uint32_t dtype, fn, count_pads;
    int64_t p; /* of LP */
    int64_t batch, channels, x_dim[2], y_dim[2], k[2], step[2], dilation[2], pad[2], pad_end[2];
    int64_t x_pitch[4], y_pitch[4], index_pitch[4];
} dms_pool_params;

/* Launches the kernel `conv` (conv.cu); returns 0 or an error number of CUDA. */
int dms_launch_conv(dms_grid grid, const dms_conv_params *p);
/* Launches a kernel of conv_float.cu: f32, tiles of 64 or 128 channels. */
int dms_launch_conv_float_64(dms_grid grid, const dms_conv_params *p);
/* The same for more channels. */
int dms_launch_conv_float_128(dms_grid grid, const dms_conv_params *p);
/* Launches a kernel of conv_tensor.cu: f16 or bf16, tiles of 64 or 128 channels. */
int dms_launch_conv_tensor_half_64(dms_grid grid, const dms_conv_params *p);
/* The same for more channels. */
int dms_launch_conv_tensor_half_128(dms_grid grid, const dms_conv_params *p);
/* Launches one for bf16. */
int dms_launch_conv_tensor_brain_64(dms_grid grid, const dms_conv_params *p);
/* The same for more channels. */
int dms_launch_conv_tensor_brain_128(dms_grid grid, const dms_conv_params *p);
/* Launches the kernel `conv_few` (conv.cu), for groups of few channels. */
int dms_launch_conv_few(dms_grid grid, const dms_conv_params *p);
/* Launches the kernel `conv_transpose` (conv.cu). */
int dms_launch_conv_transpose(dms_grid grid, const dms_conv_params *p);
/* Launches the kernel `pool` (pool.cu); returns 0 or an error number of CUDA. */
int dms_launch_pool(dms_grid grid, const dms_pool_params *p);

#ifdef __cplusplus
}
#endif

#endif
