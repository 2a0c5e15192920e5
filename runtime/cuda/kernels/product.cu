/* product.cu - matrix products in the CPU device's order of sums: segments of 256 along k, one
 * fused chain from 0 in each, added in order.
 *
 *        k0     k0+16                       256 threads, each 4 x 4 outputs of a tile of 64 x 64:
 *      +------+                             rows y + 16 i, columns x + 16 j, so that neighbours in
 *   64 |  a   |   +------+ 16               a warp read neighbours of b from shared memory
 *      |      |   |  b   |
 *      +------+   +------+
 *                    64
 *
 * Grid: one block per tile and batch entry. Bytes: a and b once per 64 columns (rows) of y. It is
 * for layouts and types that the library does not take, and for tests: about a third of the f32
 * peak, no tensor cores. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/product_bits.h"
#include "runtime/cuda/kernels/product_finish.h"

enum { TILE = 64, DEPTH = 16, SIDE = 16, EACH = 4, SEGMENT = DMS_SEGMENT, WIDTH = 16 };

DMS_DEVICE dms_product_at find_tile(const dms_product_params *p, int64_t index) {
    dms_product_at at;
    at.column = index % p->tiles[1] * TILE;
    index /= p->tiles[1];
    at.row = index % p->tiles[0] * TILE;
    const int64_t entry = index / p->tiles[0];
    dms_find_entry(p, entry, &at);
    return at;
}

DMS_DEVICE float load_a(const dms_product_params *p, const dms_product_at *at, int64_t i,
                        int64_t k) {
    if (i >= p->m || k >= p->k)
        return 0.0f;
    return dms_element_load((dms_dtype)p->dtype, p->a,
                            at->a + i * p->a_pitch[0] + k * p->a_pitch[1])
        .f32;
}

DMS_DEVICE float load_b(const dms_product_params *p, const dms_product_at *at, int64_t k,
                        int64_t j) {
    if (j >= p->n || k >= p->k)
        return 0.0f;
    if (p->layout == DMS_PRODUCT_BITS)
        return dms_bits_number(p, j, k);
    const int64_t element = p->layout == DMS_PRODUCT_PANELS
                                ? (j / WIDTH * p->k + k) * WIDTH + j % WIDTH
                                : at->b + k * p->b_pitch[0] + j * p->b_pitch[1];
    return dms_element_load((dms_dtype)p->dtype, p->b, element).f32;
}

/* The tiles of a and b from k0 on. A thread reads along the axis that lies dense in memory. */
DMS_DEVICE void load_tiles(const dms_product_params *p, const dms_product_at *at, int64_t k0,
                           float (*a)[TILE + 1], float (*b)[TILE]) {
    const int is_turned = p->a_pitch[0] == 1;
    const int b_turned =
        p->layout == DMS_PRODUCT_BITS ||
        (p->layout == DMS_PRODUCT_PLAIN && p->b_pitch[0] == 1 && p->b_pitch[1] != 1);
    for (int e = (int)threadIdx.x; e < TILE * DEPTH; e += SIDE * SIDE) {
        const int i = is_turned ? e % TILE : e / DEPTH, k = is_turned ? e / TILE : e % DEPTH;
        const int j = b_turned ? e / DEPTH : e % TILE, l = b_turned ? e % DEPTH : e / TILE;
        a[k][i] = load_a(p, at, at->row + i, k0 + k);
        b[l][j] = load_b(p, at, k0 + l, at->column + j);
    }
}

/* DEPTH terms of each chain; terms beyond k are left out, since 0 x could be a NaN. */
DMS_DEVICE void multiply(float (*a)[TILE + 1], float (*b)[TILE], int depth,
                         float chain[EACH][EACH]) {
    const uint32_t x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    for (int k = 0; k < depth; k++) {
        float row[EACH], column[EACH];
        DMS_EACH(i, EACH) {
            row[i] = a[k][y + SIDE * i];
            column[i] = b[k][x + SIDE * i];
        }
        DMS_EACH(i, EACH)
        DMS_EACH(j, EACH)
        chain[i][j] = fmaf(row[i], column[j], chain[i][j]);
    }
}

/* The sums before, where there are some: 1 if so. */
DMS_DEVICE int take_before(const dms_product_params *p, const dms_product_at *at,
                           float sum[EACH][EACH]) {
    const uint32_t x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    DMS_EACH(i, EACH)
    DMS_EACH(j, EACH) {
        const int64_t row = at->row + y + SIDE * i, column = at->column + x + SIDE * j;
        sum[i][j] = 0.0f;
        if (p->before != NULL && row < p->m && column < p->n)
            sum[i][j] = p->before[at->before + row * p->n + column];
    }
    return p->before != NULL;
}

DMS_CUDA_KERNEL(product, dms_product_params) {
    DMS_SHARED float a[DEPTH][TILE + 1], b[DEPTH][TILE];
    const uint32_t x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    const int64_t n_tiles = p.batch.count * p.tiles[0] * p.tiles[1];
    for (int64_t index = blockIdx.x; index < n_tiles; index += gridDim.x) {
        const dms_product_at at = find_tile(&p, index);
        float sum[EACH][EACH], chain[EACH][EACH];
        int has_sum = take_before(&p, &at, sum);
        for (int64_t k0 = 0; k0 < p.k; k0 += DEPTH) {
            if (k0 % SEGMENT == 0)
                DMS_EACH(i, EACH)
            DMS_EACH(j, EACH)
            chain[i][j] = 0.0f;
            load_tiles(&p, &at, k0, a, b);
            __syncthreads();
            multiply(a, b, (int)(p.k - k0 < DEPTH ? p.k - k0 : DEPTH), chain);
            __syncthreads(); /* the tiles are read before the next ones are written */
            if ((k0 + DEPTH) % SEGMENT != 0 && k0 + DEPTH < p.k)
                continue;
            DMS_EACH(i, EACH)
            DMS_EACH(j, EACH)
            sum[i][j] = has_sum ? sum[i][j] + chain[i][j] : chain[i][j];
            has_sum = 1;
        }
        DMS_EACH(i, EACH)
        DMS_EACH(j, EACH)
        dms_product_finish(&p, &at, at.row + y + SIDE * i, at.column + x + SIDE * j, sum[i][j]);
    }
}

/* --- other types: T holds the result, W the sums; integers wrap because W is unsigned */

#define MULTIPLY_ADD(x, z, sum) ((x) * (z) + (sum))
#define ELEMENT(NAME, T, W, CHAIN, FACTOR)                                                         \
    DMS_DEVICE void NAME(const dms_product_params *p, const dms_product_at *at, int64_t i,         \
                         int64_t j) {                                                              \
        const T *a = (const T *)p->a + at->a, *b = (const T *)p->b + at->b;                        \
        const W alpha = (W)(FACTOR)p->alpha, beta = (W)(FACTOR)p->beta;                            \
        W sum = 0;                                                                                 \
        for (int64_t k0 = 0; k0 < p->k; k0 += SEGMENT) {                                           \
            const int64_t end = p->k - k0 < SEGMENT ? p->k : k0 + SEGMENT;                         \
            W chain = 0;                                                                           \
            for (int64_t k = k0; k < end; k++)                                                     \
                chain = CHAIN((W)a[i * p->a_pitch[0] + k * p->a_pitch[1]],                         \
                              (W)b[k * p->b_pitch[0] + j * p->b_pitch[1]], chain);                 \
            sum = k0 == 0 ? chain : sum + chain;                                                   \
        }                                                                                          \
        sum = alpha * sum;                                                                         \
        if (p->c != NULL)                                                                          \
            sum =                                                                                  \
                sum + beta * (W)((const T *)p->c)[at->c + i * p->c_pitch[0] + j * p->c_pitch[1]];  \
        ((T *)p->y)[at->y + i * p->y_pitch[0] + j * p->y_pitch[1]] = (T)sum;                       \
    }
ELEMENT(element_f64, double, double, fma, double)
ELEMENT(element_32, uint32_t, uint32_t, MULTIPLY_ADD, int64_t)
ELEMENT(element_64, uint64_t, uint64_t, MULTIPLY_ADD, int64_t)

DMS_CUDA_KERNEL(product_whole, dms_product_params) {
    const int64_t n = p.batch.count * p.m * p.n;
    for (int64_t index = dms_thread(); index < n; index += dms_threads()) {
        const int64_t j = index % p.n, i = index / p.n % p.m;
        dms_product_at at;
        dms_find_entry(&p, index / p.n / p.m, &at);
        if (p.dtype == DMS_DTYPE_F64)
            element_f64(&p, &at, i, j);
        else if (dms_element_bytes((dms_dtype)p.dtype) == 4)
            element_32(&p, &at, i, j);
        else
            element_64(&p, &at, i, j);
    }
}
