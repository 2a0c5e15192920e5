/* conv.cu - convolutions in the CPU device's order of sums: one fused chain per output, from the
 * bias over c, kh, kw; a tap beside the image counts as w * 0.
 *
 *        kk = (c, ky, kx)               a product whose right factor is not in memory but looked up
 *      +-------+                        in the image: 256 threads, 4 x 4 outputs each of a tile of
 *   64 |   w   |   +-------+ 16         64 channels by 64 pixels
 *    m |       |   | x(kk, | kk
 *      +-------+   | pixel)|
 *                  +-------+
 *                     64
 *
 * Grid: one block per tile, group and batch entry; groups of few channels (depthwise) and
 * transposed convolutions: a thread per output. Bytes: w once per 64 pixels, x once per 64 channels
 * and tap, from the cache. No tensor cores. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/window.h"
#include "runtime/kernels/element.h"

enum { TILE = 64, DEPTH = 16, SIDE = 16, EACH = 4, WIDTH = 16 };

DMS_DEVICE float load(const dms_conv_params *p, const void *from, int64_t element) {
    return dms_element_load((dms_dtype)p->dtype, from, element).f32;
}

/* Weight of output channel m (of all) and input channel c (of its group). */
DMS_DEVICE float weight_at(const dms_conv_params *p, int64_t m, int64_t c, int64_t ky, int64_t kx) {
    if (!p->is_panels)
        return load(p, p->w,
                    m * p->w_pitch[0] + c * p->w_pitch[1] + ky * p->w_pitch[2] +
                        kx * p->w_pitch[3]);
    const int64_t row = ((m / WIDTH * p->c + c) * p->k[0] + ky) * p->k[1] + kx;
    return load(p, p->w, row * WIDTH + m % WIDTH);
}

/* The image at (iy, ix); 0 beside it. */
DMS_DEVICE float image_at(const dms_conv_params *p, int64_t start, int64_t c, int64_t iy,
                          int64_t ix) {
    if (iy < 0 || iy >= p->x_dim[0] || ix < 0 || ix >= p->x_dim[1])
        return 0.0f;
    return load(p, p->x, start + c * p->x_pitch[1] + iy * p->x_pitch[2] + ix * p->x_pitch[3]);
}

DMS_DEVICE float start_of_chain(const dms_conv_params *p, int64_t m) {
    return p->bias == NULL ? 0.0f : load(p, p->bias, m * p->bias_pitch);
}

DMS_DEVICE void store(const dms_conv_params *p, int64_t b, int64_t m, int64_t oy, int64_t ox,
                      float sum) {
    dms_scalar out;
    out.f32 = sum;
    dms_element_store((dms_dtype)p->dtype, out, p->y,
                      b * p->y_pitch[0] + m * p->y_pitch[1] + oy * p->y_pitch[2] +
                          ox * p->y_pitch[3]);
}

/* --- tiles */

typedef struct tile_at {
    int64_t b, g, m, pixel; /* first channel of the group's m, first pixel */
} tile_at;

DMS_DEVICE tile_at find_tile(const dms_conv_params *p, int64_t index) {
    tile_at at;
    at.pixel = index % p->tiles[1] * TILE;
    index /= p->tiles[1];
    at.m = index % p->tiles[0] * TILE;
    index /= p->tiles[0];
    at.g = index % p->group;
    at.b = index / p->group;
    return at;
}

/* Terms kk0 .. kk0 + 15 of both factors. A thread keeps its pixel, and takes every fourth term. */
DMS_DEVICE void load_tiles(const dms_conv_params *p, const tile_at *at, int64_t kk0, int64_t terms,
                           float (*w)[TILE + 1], float (*x)[TILE]) {
    const int64_t taps = p->k[0] * p->k[1], pixel = at->pixel + threadIdx.x % TILE;
    const int64_t oy = pixel / p->y_dim[1], ox = pixel % p->y_dim[1];
    const int64_t start = at->b * p->x_pitch[0] + at->g * p->c * p->x_pitch[1];
    for (int k = (int)threadIdx.x / TILE; k < DEPTH; k += SIDE * SIDE / TILE) {
        const int64_t kk = kk0 + k, c = kk / taps, ky = kk % taps / p->k[1], kx = kk % p->k[1];
        const int is_there = kk < terms && oy < p->y_dim[0];
        x[k][threadIdx.x % TILE] =
            is_there ? image_at(p, start, c, oy * p->step[0] + ky * p->dilation[0] - p->pad[0],
                                ox * p->step[1] + kx * p->dilation[1] - p->pad[1])
                     : 0.0f;
    }
    for (int e = (int)threadIdx.x; e < TILE * DEPTH; e += SIDE * SIDE) {
        const int64_t kk = kk0 + e % DEPTH, m = at->m + e / DEPTH;
        const int is_there = kk < terms && m < p->m;
        w[e % DEPTH][e / DEPTH] =
            is_there ? weight_at(p, at->g * p->m + m, kk / taps, kk % taps / p->k[1], kk % p->k[1])
                     : 0.0f;
    }
}

/* DEPTH terms of each chain; terms that do not exist are left out. */
DMS_DEVICE void multiply(float (*w)[TILE + 1], float (*x)[TILE], int depth,
                         float chain[EACH][EACH]) {
    const uint32_t column = threadIdx.x % SIDE, row = threadIdx.x / SIDE;
    for (int k = 0; k < depth; k++) {
        float left[EACH], right[EACH];
        DMS_EACH(i, EACH) {
            left[i] = w[k][row + SIDE * i];
            right[i] = x[k][column + SIDE * i];
        }
        DMS_EACH(i, EACH)
        DMS_EACH(j, EACH)
        chain[i][j] = fmaf(left[i], right[j], chain[i][j]);
    }
}

DMS_CUDA_KERNEL(conv, dms_conv_params) {
    DMS_SHARED float w[DEPTH][TILE + 1], x[DEPTH][TILE];
    const uint32_t column = threadIdx.x % SIDE, row = threadIdx.x / SIDE;
    const int64_t n_tiles = p.batch * p.group * p.tiles[0] * p.tiles[1];
    const int64_t terms = p.c * p.k[0] * p.k[1];
    for (int64_t index = blockIdx.x; index < n_tiles; index += gridDim.x) {
        const tile_at at = find_tile(&p, index);
        float chain[EACH][EACH];
        DMS_EACH(i, EACH) {
            const int64_t m = at.m + row + SIDE * i;
            const float first = m < p.m ? start_of_chain(&p, at.g * p.m + m) : 0.0f;
            DMS_EACH(j, EACH)
            chain[i][j] = first;
        }
        for (int64_t kk = 0; kk < terms; kk += DEPTH) {
            load_tiles(&p, &at, kk, terms, w, x);
            __syncthreads();
            multiply(w, x, (int)(terms - kk < DEPTH ? terms - kk : DEPTH), chain);
            __syncthreads(); /* the tiles are read before the next ones are written */
        }
        DMS_EACH(i, EACH)
        DMS_EACH(j, EACH) {
            const int64_t m = at.m + row + SIDE * i, pixel = at.pixel + column + SIDE * j;
            if (m < p.m && pixel < p.y_dim[0] * p.y_dim[1])
                store(&p, at.b, at.g * p.m + m, pixel / p.y_dim[1], pixel % p.y_dim[1],
                      chain[i][j]);
        }
    }
}

/* --- a thread per output */

/* Output `index` of y in row-major order. */
typedef struct output {
    int64_t b, m, oy, ox;
} output;

DMS_DEVICE output output_of(const dms_conv_params *p, int64_t index) {
    output o;
    o.ox = index % p->y_dim[1];
    index /= p->y_dim[1];
    o.oy = index % p->y_dim[0];
    index /= p->y_dim[0];
    o.m = index % (p->group * p->m);
    o.b = index / (p->group * p->m);
    return o;
}

DMS_CUDA_KERNEL(conv_few, dms_conv_params) {
    const int64_t n = p.batch * p.group * p.m * p.y_dim[0] * p.y_dim[1];
    for (int64_t index = dms_thread(); index < n; index += dms_threads()) {
        const output o = output_of(&p, index);
        const int64_t start = o.b * p.x_pitch[0] + o.m / p.m * p.c * p.x_pitch[1];
        float chain = start_of_chain(&p, o.m);
        for (int64_t c = 0; c < p.c; c++)
            for (int64_t ky = 0; ky < p.k[0]; ky++)
                for (int64_t kx = 0; kx < p.k[1]; kx++)
                    chain = fmaf(weight_at(&p, o.m, c, ky, kx),
                                 image_at(&p, start, c,
                                          o.oy * p.step[0] + ky * p.dilation[0] - p.pad[0],
                                          o.ox * p.step[1] + kx * p.dilation[1] - p.pad[1]),
                                 chain);
        store(&p, o.b, o.m, o.oy, o.ox, chain);
    }
}

/* Output row oy takes input row iy through tap ky where iy step + ky dilation - pad = oy; taps that
 * fall between two inputs are left out. Weights are w[c,m/g,kh,kw]. */
DMS_CUDA_KERNEL(conv_transpose, dms_conv_params) {
    const int64_t n = p.batch * p.group * p.m * p.y_dim[0] * p.y_dim[1];
    for (int64_t index = dms_thread(); index < n; index += dms_threads()) {
        const output o = output_of(&p, index);
        const int64_t g = o.m / p.m, m = o.m % p.m;
        const int64_t start = o.b * p.x_pitch[0] + g * p.c * p.x_pitch[1];
        float chain = start_of_chain(&p, o.m);
        for (int64_t c = 0; c < p.c; c++)
            for (int64_t ky = 0; ky < p.k[0]; ky++)
                for (int64_t kx = 0; kx < p.k[1]; kx++) {
                    const int64_t y = o.oy + p.pad[0] - ky * p.dilation[0];
                    const int64_t x = o.ox + p.pad[1] - kx * p.dilation[1];
                    if (y % p.step[0] != 0 || x % p.step[1] != 0)
                        continue;
                    const float w = load(&p, p.w,
                                         (g * p.c + c) * p.w_pitch[0] + m * p.w_pitch[1] +
                                             ky * p.w_pitch[2] + kx * p.w_pitch[3]);
                    chain = fmaf(w, image_at(&p, start, c, y / p.step[0], x / p.step[1]), chain);
                }
        store(&p, o.b, o.m, o.oy, o.ox, chain);
    }
}
