/* product_row.cu - products of one row: decoding. A segment of 256 terms is one fused chain from 0,
 * and segments are added in order: the CPU device's bits.
 *
 *              columns: 4 lanes x 16 bytes           a warp has 8 segments of 32 (f32: 16) columns;
 *     segment  +----+----+----+----+                 the block has all segments of its columns, and
 *        0     | l0 | l1 | l2 | l3 |  256 rows of b  its first threads add them
 *        1     | l4 | l5 | l6 | l7 |
 *
 * Grid: a block per 32 (16) columns and batch entry, a warp per 2048 terms, 8 at most. Bytes: b
 * once, by loads of 16 bytes, of which a lane has up to 16 in flight. */
#include "runtime/cuda/kernels/product_finish.h"
#include "runtime/cuda/kernels/tensor.h"

enum { HALF = 0, BRAIN = 1, FLOAT = 2, AHEAD = 16, MOST = DMS_ROW_SEGMENTS };

/* Element i of 16 bytes. */
DMS_DEVICE float element_of(int kind, const dms_eight *x, int i) {
    return kind == FLOAT ? dms_float_of_bits(x->w[i]) : dms_half_as_float(kind, x->w[i / 2], i % 2);
}

/* The chains of this lane's columns over one segment. */
DMS_DEVICE void run_chains(int kind, const dms_product_params *p, const dms_product_at *at,
                           int64_t first, int64_t column, float *chain) {
    const int each = kind == FLOAT ? 4 : 8;
    const int64_t end = first + DMS_SEGMENT < p->k ? first + DMS_SEGMENT : p->k;
    const int bytes = kind == FLOAT ? 4 : 2;
    const char *b = (const char *)p->b + (at->b + column) * bytes;
    for (int64_t k = first; k < end; k += AHEAD) {
        dms_eight rows[AHEAD];
        float a[AHEAD];
        DMS_EACH(i, AHEAD) {
            const int is_there = k + i < end;
            rows[i] =
                dms_eight_load((const uint16_t *)(const void *)(b + (is_there ? k + i : k) *
                                                                        p->b_pitch[0] * bytes),
                               1);
            a[i] = dms_element_load(kind == FLOAT   ? DMS_DTYPE_F32
                                    : kind == BRAIN ? DMS_DTYPE_BF16
                                                    : DMS_DTYPE_F16,
                                    p->a, at->a + (is_there ? k + i : k) * p->a_pitch[1])
                       .f32;
        }
        DMS_EACH(i, AHEAD)
        if (k + i < end)
            DMS_EACH(j, each)
        chain[j] = fmaf(a[i], element_of(kind, &rows[i], j), chain[j]);
    }
}

/* One block's columns. */
DMS_DEVICE void run_columns(int kind, const dms_product_params *p, int64_t index, float *sums) {
    const int each = kind == FLOAT ? 4 : 8, wide = 4 * each;
    const int64_t blocks = (p->n + wide - 1) / wide,
                  n_segments = (p->k + DMS_SEGMENT - 1) / DMS_SEGMENT;
    const int64_t segment = (int64_t)threadIdx.x / 4, column0 = index % blocks * wide;
    const int64_t own = column0 + threadIdx.x % 4 * each;
    dms_product_at at;
    dms_find_entry(p, index / blocks, &at);
    if (segment < n_segments && own < p->n) {
        float chain[8];
        DMS_EACH(j, 8)
        chain[j] = 0.0f;
        run_chains(kind, p, &at, segment * DMS_SEGMENT, own, chain);
        DMS_EACH(j, each)
        sums[segment * wide + threadIdx.x % 4 * each + j] = chain[j];
    }
    __syncthreads();
    if ((int)threadIdx.x < wide && column0 + threadIdx.x < p->n) {
        const int64_t column = column0 + threadIdx.x;
        int has_sum = p->before != NULL;
        float sum = has_sum ? p->before[at.before + column] : 0.0f;
        for (int64_t s = 0; s < n_segments; s++) {
            sum = has_sum ? sum + sums[s * wide + threadIdx.x] : sums[s * wide + threadIdx.x];
            has_sum = 1;
        }
        dms_product_finish(p, &at, 0, column, sum);
    }
    __syncthreads(); /* the sums are read before the next ones are written */
}

#define ROW_KERNEL(NAME, KIND)                                                                     \
    DMS_CUDA_KERNEL(NAME, dms_product_params) {                                                    \
        DMS_SHARED float sums[MOST * 32];                                                          \
        const int64_t wide = KIND == FLOAT ? 16 : 32;                                              \
        const int64_t n = p.batch.count * ((p.n + wide - 1) / wide);                               \
        for (int64_t index = blockIdx.x; index < n; index += gridDim.x)                            \
            run_columns(KIND, &p, index, sums);                                                    \
    }
ROW_KERNEL(product_row_half, HALF)
ROW_KERNEL(product_row_brain, BRAIN)
ROW_KERNEL(product_row_float, FLOAT)
