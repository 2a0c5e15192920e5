/* product_bits_row.cu - one row of f32 by a matrix of 4-bit numbers: decoding, in the CPU device's
 * order of sums, bit for bit.
 *
 *        b, 128 bytes of each row       a warp takes every eighth segment of 256 terms; its lanes
 *      +-------+-------+--- -           copy 32 rows of it side by side (4 KiB), then each lane
 *   32 | seg 0 | seg 1 |                goes through its own row. Neighbouring lanes then read
 *      +-------+-------+--- -           memory that lies side by side, and x is one for all.
 *
 * Grid: a block of eight warps per 32 columns of y and batch entry. Bytes: b once. */
#include "runtime/cuda/kernels/product_bits.h"
#include "runtime/cuda/kernels/product_finish.h"
#include "runtime/cuda/kernels/tensor.h"

enum {
    COLUMNS = DMS_BITS_ROW_COLUMNS,
    WARPS = 8,
    MOST = DMS_ROW_SEGMENTS,
    BYTES = DMS_SEGMENT / 2, /* of a row in a segment */
    PITCH = BYTES + 16       /* rows lie in different banks */
};

/* Starts the copies of a warp's rows in segment `segment`. */
DMS_DEVICE void copy_rows(const dms_product_params *p, int64_t column0, int64_t segment,
                          unsigned char *rows) {
    const int64_t row_bytes = p->blocks << p->half_log;
    const int lane = (int)threadIdx.x % DMS_WARP;
    DMS_EACH(i, COLUMNS * BYTES / 16 / DMS_WARP) {
        const int e = lane + DMS_WARP * i, row = e / (BYTES / 16), at = e % (BYTES / 16) * 16;
        const int is_there = column0 + row < p->n && segment * BYTES + at < row_bytes;
        const unsigned char *from = (const unsigned char *)p->b;
        if (is_there)
            from += (column0 + row) * row_bytes + segment * BYTES + at;
        dms_copy_ahead(rows + row * PITCH + at, from, is_there);
    }
    dms_copies_close();
}

/* 32 terms, the next ones of a chain. */
DMS_DEVICE float go_on(const dms_product_params *p, const float *x, const unsigned char *bits,
                       int64_t column, int64_t first, float chain) {
    const int64_t block = (first / 2) >> p->half_log;
    const float scale = ((const float *)p->scale)[column * p->blocks + block];
    const float zero = dms_bits_zero(p, column, block);
    const dms_eight packed = *(const dms_eight *)(const void *)bits;
    DMS_EACH(w, 4)
    DMS_EACH(k, 2) {
        const dms_eight four = *(const dms_eight *)(const void *)(x + first + 8 * w + 4 * k);
        DMS_EACH(i, 4) {
            const uint32_t number = packed.w[w] >> (16 * k + 4 * i) & 15u;
            chain = fmaf(dms_float_of_bits(four.w[i]), ((float)number - zero) * scale, chain);
        }
    }
    return chain;
}

/* All segments of this warp: sums[segment][column]. */
DMS_DEVICE void run_segments(const dms_product_params *p, const float *x, int64_t column0,
                             unsigned char *rows, float *sums) {
    const int lane = (int)threadIdx.x % DMS_WARP;
    const int64_t n = (p->k + DMS_SEGMENT - 1) / DMS_SEGMENT;
    for (int64_t segment = threadIdx.x / DMS_WARP; segment < n; segment += WARPS) {
        const int64_t first = segment * DMS_SEGMENT;
        const int64_t end = p->k - first < DMS_SEGMENT ? p->k : first + DMS_SEGMENT;
        float chain = 0.0f;
        copy_rows(p, column0, segment, rows);
        DMS_COPIES_WAIT(0);
        __syncwarp();
        for (int64_t k = first; k < end && column0 + lane < p->n; k += 32)
            chain = go_on(p, x, rows + lane * PITCH + (k - first) / 2, column0 + lane, k, chain);
        sums[segment * COLUMNS + lane] = chain;
        __syncwarp(); /* the rows are read before the next ones are copied */
    }
}

DMS_CUDA_KERNEL(product_bits_row, dms_product_params) {
    DMS_SHARED DMS_ALIGNED(16) unsigned char rows[WARPS][COLUMNS * PITCH];
    DMS_SHARED float sums[MOST * COLUMNS];
    const int64_t across = (p.n + COLUMNS - 1) / COLUMNS;
    const int64_t n_segments = (p.k + DMS_SEGMENT - 1) / DMS_SEGMENT;
    for (int64_t index = blockIdx.x; index < p.batch.count * across; index += gridDim.x) {
        const int64_t column0 = index % across * COLUMNS;
        dms_product_at at;
        dms_find_entry(&p, index / across, &at);
        run_segments(&p, (const float *)p.a + at.a, column0, rows[threadIdx.x / DMS_WARP], sums);
        __syncthreads();
        if (threadIdx.x < COLUMNS) {
            float sum = sums[threadIdx.x];
            for (int64_t s = 1; s < n_segments; s++)
                sum = sum + sums[s * COLUMNS + threadIdx.x];
            dms_product_finish(&p, &at, 0, column0 + threadIdx.x, sum);
        }
        __syncthreads(); /* the sums are read before the next ones are written */
    }
}
