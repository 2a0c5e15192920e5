/* product_bits.c - which kernel makes a product with 4-bit numbers. Which one is a function of the
 * call and of where a plan's operands lie (multiples of 256 bytes), so of the plan alone. */
#include <stddef.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/product.h"
#include "runtime/kernels/matmul_part.h"

#define CHUNK 32      /* terms in 16 bytes */
#define LEAST_HALF 16 /* bytes of a block: a chunk lies in one */
#define THREADS 256

/* Whether 16 bytes of b are 32 terms of one block, and rows of x lie at multiples of 16 bytes. */
static bool is_in_chunks(const dms_product_params *p) {
    const int64_t each = p->dtype == DMS_DTYPE_F32 ? 4 : 8;
    bool is_aligned = p->a_pitch[1] == 1 && (p->m == 1 || p->a_pitch[0] % each == 0) &&
                      ((uintptr_t)p->a | (uintptr_t)p->b) % 16 == 0;
    for (uint32_t k = 0; k < p->batch.rank; k++)
        is_aligned = is_aligned && p->batch.pitch[0][k] % each == 0;
    return is_aligned && p->half >= LEAST_HALF && (p->half & (p->half - 1)) == 0 &&
           p->k % CHUNK == 0 && p->k > 0;
}

static dms_grid blocks(int64_t n, void *stream) {
    return dms_grid_for(n * THREADS, THREADS, stream);
}

static int64_t in_pieces(int64_t n, int64_t of) {
    return (n + of - 1) / of;
}

static int launch_tensor(const dms_product_params *p, void *stream) {
    const bool is_brain = p->dtype == DMS_DTYPE_BF16;
    if (p->m <= DMS_BITS_FEW) {
        const dms_grid few = blocks(p->batch.count * in_pieces(p->n, DMS_BITS_FEW), stream);
        return is_brain ? dms_launch_product_bits_few_brain(few, p)
                        : dms_launch_product_bits_few_half(few, p);
    }
    const int64_t tiles = in_pieces(p->m, DMS_BITS_TILE) * in_pieces(p->n, DMS_BITS_TILE);
    const dms_grid wide = blocks(p->batch.count * tiles, stream);
    return is_brain ? dms_launch_product_bits_wide_brain(wide, p)
                    : dms_launch_product_bits_wide_half(wide, p);
}

bool dms_product_bits_takes(const dms_product_params *p) {
    if (p->layout != DMS_PRODUCT_BITS || !is_in_chunks(p))
        return false;
    return p->dtype != DMS_DTYPE_F32 ||
           (p->m == 1 && p->k <= DMS_ROW_SEGMENTS * DMS_MATMUL_SEGMENT);
}

int dms_product_bits_launch(const dms_product_params *p, void *stream) {
    dms_product_params own = *p;
    own.half_log = (uint32_t)__builtin_ctzll((uint64_t)p->half);
    if (p->dtype != DMS_DTYPE_F32)
        return launch_tensor(&own, stream);
    const int64_t n = p->batch.count * in_pieces(p->n, DMS_BITS_ROW_COLUMNS);
    return dms_launch_product_bits_row(blocks(n, stream), &own);
}

int dms_product_bits_load(uint32_t dtype) {
    const dms_grid loaded = {0, THREADS, NULL};
    if (dtype == DMS_DTYPE_F32)
        return dms_launch_product_bits_row(loaded, NULL);
    if (dtype == DMS_DTYPE_F16)
        return dms_launch_product_bits_few_half(loaded, NULL) |
               dms_launch_product_bits_wide_half(loaded, NULL);
    return dms_launch_product_bits_few_brain(loaded, NULL) |
           dms_launch_product_bits_wide_brain(loaded, NULL);
}
