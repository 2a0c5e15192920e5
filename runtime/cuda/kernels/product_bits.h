/* product_bits.h - a number of a matrix that lies in 4 bits.
 *
 * Reads    a product whose b is packed.
 * Returns  element (k, j) of b, rounded to the type of a.
 * Cost     two divisions.
 * Source   ONNX Runtime's contrib operators (MatMulNBits).
 * Not here eight numbers at a time (product_bits_tensor.cu).
 */
#ifndef DMS_RUNTIME_CUDA_PRODUCT_BITS_H
#define DMS_RUNTIME_CUDA_PRODUCT_BITS_H

#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/product.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/quantize_body.h"

/* The zero of block `block` of row j. */
DMS_DEVICE float dms_bits_zero(const dms_product_params *p, int64_t j, int64_t block) {
    if (p->zero == NULL)
        return 8.0f;
    const uint8_t pair = p->zero[j * ((p->blocks + 1) / 2) + block / 2];
    return (float)(block % 2 == 0 ? pair & 15 : pair >> 4);
}

/* x as the type of a has it. */
DMS_DEVICE float dms_bits_round(const dms_product_params *p, float x) {
    return p->dtype == DMS_DTYPE_F32   ? x
           : p->dtype == DMS_DTYPE_F16 ? dms_float_of_half(dms_half_of_float(x))
                                       : dms_float_of_brain(dms_brain_of_float(x));
}

/* Element (k, j) of b: number k of row j of what is packed. */
DMS_DEVICE float dms_bits_number(const dms_product_params *p, int64_t j, int64_t k) {
    const int64_t byte = k / 2, block = byte / p->half;
    const float scale = dms_element_load((dms_dtype)p->dtype, p->scale, j * p->blocks + block).f32;
    const uint8_t pair = ((const uint8_t *)p->b)[j * p->blocks * p->half + byte];
    return dms_bits_round(p, dms_unpack(pair, (int)(k % 2), dms_bits_zero(p, j, block), scale));
}

#endif
