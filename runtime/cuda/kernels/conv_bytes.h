/* conv_bytes.h - convolutions and products of bytes on the card.
 *
 * Reads    images, weights, zeros, scales: where they lie.
 * Returns  parameters and launches of the kernels of conv_bytes.cu.
 * Cost     a dot product of four bytes per instruction; x and w once per 64 channels and pixels.
 * Source   none.
 * Not here what follows a sum (runtime/kernels/conv_bytes_body.h).
 */
#ifndef DMS_RUNTIME_CUDA_CONV_BYTES_H
#define DMS_RUNTIME_CUDA_CONV_BYTES_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DMS_BYTES_TILE = 64 };

/* One number per group, or per group and channel; NULL where there is none. */
typedef struct dms_bytes_numbers {
    const void *at;
    int64_t pitch[2];
} dms_bytes_numbers;

/* x[g,b,c,h,w], w[g,m,c,kh,kw] -> y[g,b,m,h,w]. Pixels are those of all batch entries. */
typedef struct dms_conv_bytes_params {
    const uint8_t *x, *w;
    void *y;
    dms_bytes_numbers zero_x, zero_w, bias, scale, zero_y;
    uint32_t x_flip, w_flip;   /* 0x80 where bytes are unsigned: what makes them signed */
    uint32_t is_panels;        /* w[g,m/8,kh,kw,c/4,8,4], dense */
    uint32_t x_quads, w_quads; /* four channels of it are one aligned word */
    uint32_t is_real, is_byte, y_flip;
    int32_t low, high;
    int64_t groups, batch, m, c, terms, n_pixels;
    int64_t x_pitch[5], w_pitch[5], y_pitch[5];
    int64_t x_dim[2], k[2], step[2], dilation[2], pad[2];
    dms_divider by_c, by_kw, by_wide, by_high; /* channels; taps of a row; y's columns, rows */
    int64_t tiles[2];                          /* along m and pixels */
} dms_conv_bytes_params;

/* Launches the kernel `conv_bytes` (conv_bytes.cu); returns 0 or an error number of CUDA. */
int dms_launch_conv_bytes(dms_grid grid, const dms_conv_bytes_params *p);
/* Launches the kernel `conv_bytes_few`, a thread per output, for groups of few channels. */
int dms_launch_conv_bytes_few(dms_grid grid, const dms_conv_bytes_params *p);

#ifdef __cplusplus
}
#endif

#endif
