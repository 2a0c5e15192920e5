/* product_bits_tensor.cu - f16 and bf16 by a matrix of 4-bit numbers, on tensor cores. The matrix
 * stays packed up to the registers: its rows are those of the left fragment, rows of a are the
 * columns of the right one, so a sum is y turned around.
 *
 *     128 terms of row g of b: lane t of four has 32 of them in its 16 bytes. Of a word's eight
 *     numbers 0 .. 7 those four apart are 16 bits apart, so one shift makes a pair of them:
 *
 *        word   | 7 6 5 4 | 3 2 1 0 |     >> 4 i, & 000F 000F     -> (i, i + 4), i = 0 .. 3
 *        | 6400 6400 (f16) or 4300 4300 (bf16)                    -> 1024 or 128 + the number
 *        + -(1024 or 128 + zero), exact; x scale, rounded         -> two terms of a fragment
 *
 * The terms of x are paired alike; which of the sixteen terms of an instruction is which does not
 * matter to a sum but for the order, which is the card's anyway.
 *
 * few    a block of eight warps has 16 columns of y and up to 16 rows; each warp takes every eighth
 *        stage of 128 terms, and their sums are added in order of the warps. Bytes: b once.
 * wide   a block has 128 columns by 128 rows; four warps by two, each 32 by 64. x waits in shared
 *        memory, a stage ahead; b goes around it. Bytes: b once per 128 rows, x per 128 columns. */
#include "runtime/cuda/kernels/product_bits.h"
#include "runtime/cuda/kernels/product_finish.h"
#include "runtime/cuda/kernels/tensor.h"

enum {
    HALF = 0,
    BRAIN = 1,
    STAGE = 128, /* terms */
    WARPS = 8,
    FEW = DMS_BITS_FEW,
    FEW_PITCH = FEW + 1,
    TILE = DMS_BITS_TILE,
    X_PITCH = 2 * STAGE + 64, /* bytes of a row of x: rows lie in different banks */
    X_BYTES = TILE * X_PITCH,
    FRAGMENTS = 2, /* of 16 columns of y, of a warp of `wide` */
    EIGHTS = 8     /* of rows */
};

/* 32 terms of a row of b, and what makes numbers of them. */
typedef struct packed_terms {
    dms_eight bits;
    uint32_t scale, minus; /* twice each */
} packed_terms;

/* Terms from `first` on; zeros where nothing is there. */
DMS_DEVICE packed_terms load_terms(int is_brain, const dms_product_params *p, int64_t row,
                                   int64_t first) {
    packed_terms x = {{{0, 0, 0, 0}}, 0, 0};
    if (row >= p->n || first >= p->k)
        return x;
    const int64_t byte = first / 2, block = byte >> p->half_log;
    const float less = -((is_brain ? 128.0f : 1024.0f) + dms_bits_zero(p, row, block));
    const unsigned char *from = (const unsigned char *)p->b + (row * p->blocks << p->half_log);
    x.bits = dms_eight_load((const uint16_t *)(const void *)(from + byte), 1);
    x.scale = ((const uint16_t *)p->scale)[row * p->blocks + block] * 0x10001u;
    x.minus = dms_pack(is_brain, less, less);
    return x;
}

/* The eight numbers of word `w` as pairs (i, i + 4). */
DMS_DEVICE void grow(int is_brain, const packed_terms *x, int w, uint32_t *pair) {
    DMS_EACH(i, 4) {
        const uint32_t base = is_brain ? 0x43004300u : 0x64006400u;
        const uint32_t shifted = (x->bits.w[w] >> 4 * i & 0x000F000Fu) | base;
        pair[i] = dms_pair_multiply(is_brain, dms_pair_add(is_brain, shifted, x->minus), x->scale);
    }
}

/* Eight terms of x as pairs (i, i + 4). */
DMS_DEVICE void pair_up(const dms_eight *x, uint32_t *pair) {
    pair[0] = dms_low_halves(x->w[0], x->w[2]);
    pair[1] = dms_high_halves(x->w[0], x->w[2]);
    pair[2] = dms_low_halves(x->w[1], x->w[3]);
    pair[3] = dms_high_halves(x->w[1], x->w[3]);
}

/* sum += eight terms of each lane: two rows of b, pairs low[4] and high[4], by a column of x. */
DMS_DEVICE void multiply(int is_brain, float *sum, const uint32_t *low, const uint32_t *high,
                         const uint32_t *x) {
    DMS_EACH(i, 2) {
        const uint32_t a[4] = {low[2 * i], high[2 * i], low[2 * i + 1], high[2 * i + 1]};
        dms_mma(is_brain, sum, a, x + 2 * i);
    }
}

/* Row i, column j of y; such products have no factors and nothing to add. */
DMS_DEVICE void store(int is_brain, const dms_product_params *p, const dms_product_at *at,
                      int64_t i, int64_t j, float sum) {
    if (i < p->m && j < p->n)
        ((uint16_t *)p->y)[at->y + i * p->y_pitch[0] + j * p->y_pitch[1]] =
            (uint16_t)dms_pack(is_brain, sum, 0.0f);
}

/* --- few rows */

/* Eight terms of row `row` of a. */
DMS_DEVICE dms_eight load_x(const dms_product_params *p, const dms_product_at *at, int64_t row,
                            int64_t first) {
    const int is_there = row < p->m && first < p->k;
    const uint16_t *from = (const uint16_t *)p->a;
    if (is_there)
        from += at->a + row * p->a_pitch[0] + first;
    return dms_eight_load(from, is_there);
}

/* One stage of a warp: both rows of b of this lane by both columns of x. */
DMS_DEVICE void few_stage(int is_brain, const dms_product_params *p, const dms_product_at *at,
                          int64_t first, const packed_terms *b, float (*sum)[4]) {
    const int lane = (int)threadIdx.x % DMS_WARP;
    dms_eight x[FEW / 8][4];
    DMS_EACH(c, FEW / 8)
    DMS_EACH(w, 4)
    x[c][w] = load_x(p, at, lane / 4 + 8 * c, first + 8 * w);
    DMS_EACH(w, 4) {
        uint32_t low[4], high[4], pair[4];
        grow(is_brain, &b[0], w, low);
        grow(is_brain, &b[1], w, high);
        DMS_EACH(c, FEW / 8) {
            pair_up(&x[c][w], pair);
            multiply(is_brain, sum[c], low, high, pair);
        }
    }
}

/* This warp's stages; the next one's terms are on their way meanwhile. */
DMS_DEVICE void run_few(int is_brain, const dms_product_params *p, const dms_product_at *at,
                        float (*join)[FEW * FEW_PITCH]) {
    const int lane = (int)threadIdx.x % DMS_WARP, warp = (int)threadIdx.x / DMS_WARP;
    const int64_t row = at->column + lane / 4;
    int64_t first = (int64_t)warp * STAGE + lane % 4 * 32;
    float sum[FEW / 8][4];
    DMS_EACH(c, FEW / 8)
    DMS_EACH(i, 4)
    sum[c][i] = 0.0f;
    packed_terms b[2] = {load_terms(is_brain, p, row, first),
                         load_terms(is_brain, p, row + 8, first)};
    for (int64_t stage = warp; stage * STAGE < p->k; stage += WARPS) {
        const int64_t then = first + WARPS * STAGE;
        const packed_terms next[2] = {load_terms(is_brain, p, row, then),
                                      load_terms(is_brain, p, row + 8, then)};
        few_stage(is_brain, p, at, first, b, sum);
        b[0] = next[0];
        b[1] = next[1];
        first = then;
    }
    DMS_EACH(c, FEW / 8)
    DMS_EACH(i, 4) /* column lane / 4 (+ 8) of y, row lane % 4 * 2 (+ 1) */
    join[warp][(lane % 4 * 2 + i % 2 + 8 * c) * FEW_PITCH + lane / 4 + i / 2 * 8] = sum[c][i];
}

DMS_DEVICE void run_few_blocks(int is_brain, const dms_product_params *p,
                               float (*join)[FEW * FEW_PITCH]) {
    const int64_t across = (p->n + FEW - 1) / FEW;
    for (int64_t index = blockIdx.x; index < p->batch.count * across; index += gridDim.x) {
        const int row = (int)threadIdx.x / FEW, column = (int)threadIdx.x % FEW;
        dms_product_at at;
        dms_find_entry(p, index / across, &at);
        at.column = index % across * FEW;
        run_few(is_brain, p, &at, join);
        __syncthreads();
        float sum = join[0][row * FEW_PITCH + column];
        for (int w = 1; w < WARPS; w++)
            sum = sum + join[w][row * FEW_PITCH + column];
        store(is_brain, p, &at, row, at.column + column, sum);
        __syncthreads(); /* the sums are read before the next ones are written */
    }
}

/* --- many rows */

/* Starts the copies of a stage of x: of each row's sixteen pieces of eight terms, piece 4 t + w
 * lies at 4 w + t, so that what four lanes read together is 64 bytes side by side. */
DMS_DEVICE void copy_x(const dms_product_params *p, const dms_product_at *at, int64_t first,
                       unsigned char *x) {
    DMS_EACH(i, TILE * 16 / (WARPS * DMS_WARP)) {
        const int e = (int)threadIdx.x + WARPS * DMS_WARP * i, row = e / 16, piece = e % 16;
        const int is_there = at->row + row < p->m && first + 8 * piece < p->k;
        const uint16_t *from = (const uint16_t *)p->a;
        if (is_there)
            from += at->a + (at->row + row) * p->a_pitch[0] + first + 8 * piece;
        dms_copy_ahead(x + row * X_PITCH + (piece % 4 * 4 + piece / 4) * 16, from, is_there);
    }
    dms_copies_close();
}

DMS_DEVICE void load_fragments(int is_brain, const dms_product_params *p, int64_t row,
                               int64_t first, packed_terms *b) {
    DMS_EACH(f, 2 * FRAGMENTS)
    b[f] = load_terms(is_brain, p, row + 8 * f, first);
}

/* One stage: 32 columns of y by 64 rows. */
DMS_DEVICE void wide_stage(int is_brain, const packed_terms *b, const unsigned char *x,
                           float (*sum)[EIGHTS][4]) {
    DMS_EACH(w, 4) {
        uint32_t number[2 * FRAGMENTS][4], pair[4];
        DMS_EACH(f, 2 * FRAGMENTS)
        grow(is_brain, &b[f], w, number[f]);
        DMS_EACH(c, EIGHTS) {
            const dms_eight eight =
                *(const dms_eight *)(const void *)(x + 8 * c * X_PITCH + 64 * w);
            pair_up(&eight, pair);
            DMS_EACH(f, FRAGMENTS)
            multiply(is_brain, sum[f][c], number[2 * f], number[2 * f + 1], pair);
        }
    }
}

DMS_DEVICE void store_wide(int is_brain, const dms_product_params *p, const dms_product_at *at,
                           int64_t row, int64_t column, float (*sum)[EIGHTS][4]) {
    DMS_EACH(f, FRAGMENTS)
    DMS_EACH(c, EIGHTS)
    DMS_EACH(i, 4)
    store(is_brain, p, at, row + 8 * c + i % 2, column + 16 * f + i / 2 * 8, sum[f][c][i]);
}

DMS_DEVICE void run_wide(int is_brain, const dms_product_params *p, const dms_product_at *at,
                         unsigned char *stages) {
    const int lane = (int)threadIdx.x % DMS_WARP, warp = (int)threadIdx.x / DMS_WARP;
    const int64_t column = at->column + warp % 4 * 32 + lane / 4;
    const int x_row = warp / 4 * 64, own = lane % 4 * 32;
    const unsigned char *x = stages + (x_row + lane / 4) * X_PITCH + lane % 4 * 16;
    float sum[FRAGMENTS][EIGHTS][4];
    packed_terms b[2 * FRAGMENTS], next[2 * FRAGMENTS];
    DMS_EACH(f, FRAGMENTS)
    DMS_EACH(c, EIGHTS)
    DMS_EACH(i, 4)
    sum[f][c][i] = 0.0f;
    copy_x(p, at, 0, stages);
    load_fragments(is_brain, p, column, own, b);
    for (int64_t first = 0, index = 0; first < p->k; first += STAGE, index = 1 - index) {
        DMS_COPIES_WAIT(0);
        __syncthreads(); /* the stage is here, and nobody reads the other one */
        if (first + STAGE < p->k)
            copy_x(p, at, first + STAGE, stages + (1 - index) * X_BYTES);
        load_fragments(is_brain, p, column, first + STAGE + own, next);
        wide_stage(is_brain, b, x + index * X_BYTES, sum);
        DMS_EACH(f, 2 * FRAGMENTS)
        b[f] = next[f];
    }
    __syncthreads(); /* nobody reads when the next tile begins */
    store_wide(is_brain, p, at, at->row + x_row + lane % 4 * 2, column, sum);
}

DMS_DEVICE void run_wide_blocks(int is_brain, const dms_product_params *p, unsigned char *stages) {
    const int64_t down = (p->m + TILE - 1) / TILE, across = (p->n + TILE - 1) / TILE;
    for (int64_t index = blockIdx.x; index < p->batch.count * down * across; index += gridDim.x) {
        dms_product_at at;
        dms_find_entry(p, index / down / across, &at);
        at.row = index % down * TILE;
        at.column = index / down % across * TILE;
        run_wide(is_brain, p, &at, stages);
    }
}

#define FEW_KERNEL(NAME, KIND)                                                                     \
    DMS_CUDA_KERNEL(NAME, dms_product_params) {                                                    \
        DMS_SHARED float join[WARPS][FEW * FEW_PITCH];                                             \
        run_few_blocks(KIND, &p, join);                                                            \
    }
#define WIDE_KERNEL(NAME, KIND)                                                                    \
    DMS_CUDA_KERNEL_SHARED(NAME, dms_product_params, 2 * X_BYTES) {                                \
        run_wide_blocks(KIND, &p, dms_shared);                                                     \
    }
FEW_KERNEL(product_bits_few_half, HALF)
FEW_KERNEL(product_bits_few_brain, BRAIN)
WIDE_KERNEL(product_bits_wide_half, HALF)
WIDE_KERNEL(product_bits_wide_brain, BRAIN)
