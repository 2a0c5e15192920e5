/* conv_bytes_body.h - what becomes of the sum of a convolution of bytes.
 *
 * Reads    a sum, complete, modulo 2^32.
 * Returns  sum scale; or that as a byte: bounded, rounded half to even, the zero added.
 * Cost     O(1).
 * Source   ONNX (QLinearConv, QLinearMatMul).
 * Not here sums (conv_bytes_cpu.c, runtime/cuda/kernels/conv_bytes.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_CONV_BYTES_BODY_H
#define DMS_RUNTIME_KERNELS_CONV_BYTES_BODY_H

#include "runtime/kernels/dialect.h"

/* Between -512 and 512 the sum with this has no bits behind the point: it rounds half to even. */
#define DMS_BYTES_SHIFT 0x1.8p23f

/* A sum as a real number. */
DMS_FN float dms_bytes_real(uint32_t sum, float scale) {
    return (float)(int32_t)sum * scale;
}

/* The same as a byte; low and high are less the zero. Bounds are whole numbers, so they may come
 * before the rounding; a NaN becomes the lowest. */
DMS_FN uint8_t dms_bytes_byte(uint32_t sum, float scale, float low, float high, int32_t zero) {
    const float x = dms_bytes_real(sum, scale);
    const float above = x > low ? x : low;
    const float v = (above < high ? above : high) + DMS_BYTES_SHIFT;
    return (uint8_t)((int32_t)(v - DMS_BYTES_SHIFT) + zero);
}

#endif
