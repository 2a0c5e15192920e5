/* product.h - matrix products on the card.
 *
 * Reads    a MATMUL, or a part of one.
 * Returns  parameters and launches of the kernels of product.cu: the sum order of the CPU device,
 *          bit for bit, for every layout and type; what the library does faster is product_lt.h.
 * Cost     k / 64 of the operands per tile of 64 x 64.
 * Source   textbook tiling.
 * Not here the order of sums (runtime/kernels/matmul_part.h).
 */
#ifndef DMS_RUNTIME_CUDA_PRODUCT_H
#define DMS_RUNTIME_CUDA_PRODUCT_H

#include "runtime/cuda/kernels/grid.h"
#include "runtime/cuda/kernels/places.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One product: y = alpha (before + a b) + beta c. Operands of `batch`: a, b, c, y. The sums before
 * are dense f32 [batch,m,n]; `c` and `before` are NULL where they are not there. */
typedef struct dms_product_params {
    dms_places batch;
    const void *a, *b, *c;
    const float *before;
    void *y;
    uint32_t dtype, y_dtype;
    uint32_t is_panels;     /* b[ceil(n/16),k,16], dense */
    uint32_t is_unfinished; /* y takes the sums, without alpha and beta */
    int64_t m, n, k;
    int64_t a_pitch[2], b_pitch[2], c_pitch[2], y_pitch[2];
    double alpha, beta;
    int64_t tiles[2]; /* of 64 along m and n */
} dms_product_params;

#define DMS_ROW_SEGMENTS 64 /* of 256 terms each: 8 warps, whose registers fit whatever they need */

/* Launches the kernel `product` (product.cu): f32, f16, bf16; returns 0 or an error of CUDA. */
int dms_launch_product(dms_grid grid, const dms_product_params *p);
/* Launches a kernel of product_row.cu: one row, 4 lanes a segment, at most DMS_ROW_SEGMENTS. */
int dms_launch_product_row_half(dms_grid grid, const dms_product_params *p);
/* The same for bf16. */
int dms_launch_product_row_brain(dms_grid grid, const dms_product_params *p);
/* The same for f32. */
int dms_launch_product_row_float(dms_grid grid, const dms_product_params *p);
/* Launches the kernel `product_whole` (product.cu): f64 and integers, an element per thread. */
int dms_launch_product_whole(dms_grid grid, const dms_product_params *p);

#ifdef __cplusplus
}
#endif

#endif
