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

#include <stdbool.h>

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
    uint32_t layout;        /* of b: dms_product_layout */
    uint32_t is_unfinished; /* y takes the sums, without alpha and beta */
    int64_t m, n, k;
    int64_t a_pitch[2], b_pitch[2], c_pitch[2], y_pitch[2];
    double alpha, beta;
    int64_t tiles[2]; /* of 64 along m and n */
    /* of b in 4 bits, its row j at j blocks half; scale as dtype */
    const uint8_t *zero;
    const void *scale;
    int64_t blocks, half;
    uint32_t half_log; /* half = 2^half_log, for kernels of product_bits*.cu */
} dms_product_params;

/* How b lies. */
typedef enum dms_product_layout {
    DMS_PRODUCT_PLAIN = 0,
    DMS_PRODUCT_PANELS = 1, /* b[ceil(n/16),k,16], dense */
    DMS_PRODUCT_BITS = 2    /* b[n,blocks,half], two numbers to a byte */
} dms_product_layout;

#define DMS_ROW_SEGMENTS 64 /* of 256 terms each: 8 warps, whose registers fit whatever they need */

/* Products with 4-bit numbers: rows of a, and columns of a block, of the kernels for few rows; rows
 * and columns of a tile of the others. */
enum { DMS_BITS_FEW = 16, DMS_BITS_ROW_COLUMNS = 32, DMS_BITS_TILE = 128 };

/* Launches the kernel `product` (product.cu): f32, f16, bf16; returns 0 or an error of CUDA. */
int dms_launch_product(dms_grid grid, const dms_product_params *p);
/* Launches a kernel of product_row.cu: one row, 4 lanes a segment, at most DMS_ROW_SEGMENTS. */
int dms_launch_product_row_half(dms_grid grid, const dms_product_params *p);
/* The same for bf16. */
int dms_launch_product_row_brain(dms_grid grid, const dms_product_params *p);
/* The same for f32. */
int dms_launch_product_row_float(dms_grid grid, const dms_product_params *p);
/* Launches the kernel of product_bits_row.cu: one row of f32. */
int dms_launch_product_bits_row(dms_grid grid, const dms_product_params *p);
/* Launches a kernel of product_bits_tensor.cu: f16, at most DMS_BITS_FEW rows. */
int dms_launch_product_bits_few_half(dms_grid grid, const dms_product_params *p);
/* The same for bf16. */
int dms_launch_product_bits_few_brain(dms_grid grid, const dms_product_params *p);
/* Launches one for more rows: f16, tiles of 128 x 128. */
int dms_launch_product_bits_wide_half(dms_grid grid, const dms_product_params *p);
/* The same for bf16. */
int dms_launch_product_bits_wide_brain(dms_grid grid, const dms_product_params *p);
/* Whether the kernels of product_bits*.cu take this product; others with 4-bit numbers are tiles of
 * `product`. */
bool dms_product_bits_takes(const dms_product_params *p);
/* Launches the one that does. */
int dms_product_bits_launch(const dms_product_params *p, void *stream);
/* Loads those of a type. */
int dms_product_bits_load(uint32_t dtype);
/* Launches the kernel `product_whole` (product.cu): f64 and integers, an element per thread. */
int dms_launch_product_whole(dms_grid grid, const dms_product_params *p);

#ifdef __cplusplus
}
#endif

#endif
