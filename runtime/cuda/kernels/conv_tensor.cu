/* conv_tensor.cu - convolutions of f16 and bf16 on tensor cores, as a product whose right factor is
 * looked up in the image while it is put into shared memory.
 *
 *                  128 pixels             8 warps: 2 along channels, 4 along pixels; a warp has
 *              +--------------+           16 SLABS channels by 32 pixels in registers
 *     32 terms |      x       |
 *       +------+--------------+           terms are (c, ky, kx) in the order of the weights, whose
 *    m  |  w   |      y       |           rows then lie dense; two stages of 32 terms
 *       +------+--------------+
 *
 * Sums are f32, from the bias on in the order of terms, 16 at a time in the card's order. Which
 * height a call takes depends on the call alone. Grid: one block per tile, group and batch entry,
 * 256 threads. Bytes: w once per 128 pixels, x once per tile of channels and tap, from caches. */
#include "runtime/cuda/kernels/tensor.h"
#include "runtime/cuda/kernels/window.h"
#include "runtime/kernels/element.h"

enum { THREADS = 256, PIXELS = DMS_CONV_PIXELS, DEPTH = 32 };

/* A tile: batch entry, group, first channel of the group, first pixel. */
typedef struct conv_place {
    int64_t b, g;
    int m, pixel;
} conv_place;

DMS_DEVICE conv_place place_of_tile(const dms_conv_params *p, int64_t index, int high) {
    conv_place at;
    at.m = (int)(index % p->tiles[0]) * high;
    index /= p->tiles[0];
    at.pixel = (int)(index % p->tiles[1]) * PIXELS;
    index /= p->tiles[1];
    at.g = index % p->group;
    at.b = index / p->group;
    return at;
}

/* Row r of slab m of this lane's warp, and column i of its eight pixels n. */
DMS_DEVICE int channel_of(const conv_place *at, int slabs, int m, int r) {
    return at->m + ((int)threadIdx.x / 32 % 2 * slabs + m) * 16 + (int)threadIdx.x % 32 / 4 + 8 * r;
}

DMS_DEVICE int pixel_of(const conv_place *at, int n, int i) {
    return at->pixel + (int)threadIdx.x / 64 * 32 + 8 * n + (int)threadIdx.x % 4 * 2 + i;
}

/* Up to eight terms that lie at odd places. */
DMS_DEVICE dms_eight eight_terms(const uint16_t *from, int n) {
    dms_eight x = {{0, 0, 0, 0}};
    DMS_EACH(i, 8)
    if (i < n)
        x.w[i / 2] |= (uint32_t)from[i] << 16 * (i % 2);
    return x;
}

/* Where the image of a group begins. */
DMS_DEVICE const uint16_t *image_of(const dms_conv_params *p, const conv_place *at) {
    return (const uint16_t *)p->x + at->b * p->x_pitch[0] + at->g * p->c * p->x_pitch[1];
}

/* A thread's 16 terms of its pixel, from `first` + 16 (thread / 128) on; 0 beside the image. */
DMS_DEVICE void load_taps(const dms_conv_params *p, const conv_place *at, int first, dms_eight *x) {
    const int wide = (int)p->y_dim[1], taps = (int)(p->k[0] * p->k[1]), kw = (int)p->k[1];
    const int term = first + (int)threadIdx.x / PIXELS * 16, terms = (int)p->c * taps;
    const int pixel = at->pixel + (int)threadIdx.x % PIXELS, oy = pixel / wide, ox = pixel % wide;
    const int top = oy * (int)p->step[0] - (int)p->pad[0];
    const int left = ox * (int)p->step[1] - (int)p->pad[1];
    const uint16_t *image = image_of(p, at);
    int c = term / taps, ky = term % taps / kw, kx = term % kw;
    x[0] = x[1] = eight_terms(NULL, 0);
    if (oy >= p->y_dim[0])
        return;
    DMS_EACH(i, 16) {
        const int iy = top + ky * (int)p->dilation[0], ix = left + kx * (int)p->dilation[1];
        if (term + i < terms && iy >= 0 && iy < p->x_dim[0] && ix >= 0 && ix < p->x_dim[1])
            x[i / 8].w[i % 8 / 2] |=
                (uint32_t)image[c * (int)p->x_pitch[1] + iy * (int)p->x_pitch[2] +
                                ix * (int)p->x_pitch[3]]
                << 16 * (i % 2);
        kx++;
        if (kx == kw) {
            kx = 0;
            ky++;
        }
        if (ky == p->k[0]) {
            ky = 0;
            c++;
        }
    }
}

/* Single taps: a term's pixels lie side by side, eight to a load. */
DMS_DEVICE void load_pixels(const dms_conv_params *p, const conv_place *at, int first,
                            dms_eight *x) {
    const int pixels = (int)(p->y_dim[0] * p->y_dim[1]);
    const uint16_t *image = image_of(p, at);
    DMS_EACH(i, 2) {
        const int e = (int)threadIdx.x + THREADS * i, c = first + e / (PIXELS / 8);
        const int pixel = at->pixel + e % (PIXELS / 8) * 8, is_there = c < p->c && pixel < pixels;
        x[i] = dms_eight_load(image + (is_there ? c * (int)p->x_pitch[1] + pixel : 0), is_there);
    }
}

#define NAME conv_tensor_half_64
#define SLABS 2
#define IS_BRAIN 0
#include "runtime/cuda/kernels/conv_tensor.h"

#define NAME conv_tensor_half_128
#define SLABS 4
#define IS_BRAIN 0
#include "runtime/cuda/kernels/conv_tensor.h"

#define NAME conv_tensor_brain_64
#define SLABS 2
#define IS_BRAIN 1
#include "runtime/cuda/kernels/conv_tensor.h"

#define NAME conv_tensor_brain_128
#define SLABS 4
#define IS_BRAIN 1
#include "runtime/cuda/kernels/conv_tensor.h"
