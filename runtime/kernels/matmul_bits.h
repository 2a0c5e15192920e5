/* matmul_bits.h - a matrix of 4-bit numbers as a factor: what it is, how its panels are made.
 *
 * Reads    a MATMUL_BITS without its chain; its packed operand.
 * Returns  the MATMUL that it is, but for b; 16 columns of b as f32.
 * Cost     O(operands); O(k) per column.
 * Source   ONNX Runtime's contrib operators (MatMulNBits).
 * Not here the sums (matmul_cpu.c), the card (runtime/cuda/kernels/product_bits.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_MATMUL_BITS_H
#define DMS_RUNTIME_KERNELS_MATMUL_BITS_H

#include "runtime/kernels/dialect.h"
#include "runtime/kernels/kernel.h"

/* Operands of MATMUL_BITS; the zeros may be absent. */
enum { DMS_BITS_A = 0, DMS_BITS_B = 1, DMS_BITS_SCALE = 2, DMS_BITS_ZERO = 3 };

/* Where the packed matrix lies: column j of the factor is row j of b, `blocks` times `half` bytes
 * of two numbers each. */
typedef struct dms_bits {
    const uint8_t *b, *zero; /* zero: NULL = 8 everywhere */
    const void *scale;
    dms_dtype dtype; /* of the scales; a number is rounded to it before it is multiplied */
    int64_t blocks, half;
} dms_bits;

/* The product as a MATMUL whose b repeats one element, for its shapes and for those of a and y;
 * what b holds is `out_bits`, whose addresses come from `operand`. `view` gives storage of
 * DMS_MAX_OPERANDS, `i` of 2. */
void dms_matmul_of_bits(const dms_call *own, void *const *operand, dms_view *view, int64_t *i,
                        dms_call *out, dms_bits *out_bits);

/* Terms [k0, k0 + k) of columns [column, column + n) as out[k][16], n <= 16 and k <= 256; the other
 * columns are 0. k0 is even. `rows` gives storage of 16 x 256. */
void DMS_ISA(dms_bits_panel)(const dms_bits *bits, int64_t column, int64_t n, int64_t k0, int64_t k,
                             float *rows, float *out);

#endif
