/* product_finish.h - where a product's batch entries lie, and what becomes of its sums.
 *
 * Reads    the call, a sum.
 * Returns  places; an element of y.
 * Cost     a division per axis of the batch.
 * Source   none.
 * Not here the sums (product.cu, product_row.cu).
 */
#ifndef DMS_RUNTIME_CUDA_PRODUCT_FINISH_H
#define DMS_RUNTIME_CUDA_PRODUCT_FINISH_H

#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/product.h"
#include "runtime/kernels/element.h"

enum { DMS_SEGMENT = 256 }; /* terms of a chain */

/* Where the batch entry of a tile begins in each operand, and the tile in it. */
typedef struct dms_product_at {
    int64_t a, b, c, y, before, row, column;
} dms_product_at;

/* Finds where batch entry `entry` begins in each operand. */
DMS_DEVICE void dms_find_entry(const dms_product_params *p, int64_t entry, dms_product_at *at) {
    const dms_coords c = dms_coords_of(&p->batch, entry);
    at->a = dms_place(&p->batch, 0, &c);
    at->b = dms_place(&p->batch, 1, &c);
    at->c = dms_place(&p->batch, 2, &c);
    at->y = dms_place(&p->batch, 3, &c);
    at->before = entry * p->m * p->n;
}

/* alpha sum, then + beta c, each rounded; the store rounds once more to narrow types. */
DMS_DEVICE void dms_product_finish(const dms_product_params *p, const dms_product_at *at, int64_t i,
                                   int64_t j, float sum) {
    dms_scalar out;
    if (i >= p->m || j >= p->n)
        return;
    out.f32 = sum;
    if (!p->is_unfinished) {
        const float alpha = (float)p->alpha, beta = (float)p->beta;
        out.f32 = alpha == 1.0f ? sum : alpha * sum;
        if (p->c != NULL)
            out.f32 =
                out.f32 + beta * dms_element_load((dms_dtype)p->dtype, p->c,
                                                  at->c + i * p->c_pitch[0] + j * p->c_pitch[1])
                                     .f32;
    }
    dms_element_store((dms_dtype)p->y_dtype, out, p->y,
                      at->y + i * p->y_pitch[0] + j * p->y_pitch[1]);
}

#endif
