/* quantize_body.h - one number as a small integer, and back.
 *
 * Reads    x, scale, zero.
 * Returns  clamp(round(x / scale) + zero), ties to even, a NaN as the lowest number; or
 *          (x - zero) scale, the difference wrapping in 32 bits, which only i32 could notice.
 * Cost     O(1).
 * Source   ONNX (QuantizeLinear, DequantizeLinear).
 * Not here strips (quantize_cpu.c), threads (runtime/cuda/kernels/quantize.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_QUANTIZE_BODY_H
#define DMS_RUNTIME_KERNELS_QUANTIZE_BODY_H

#include "runtime/kernels/dialect.h"

/* The integer of x, within low and high. */
DMS_FN int32_t dms_quantize(float x, float scale, int32_t zero, float low, float high) {
    const float v = rintf(x / scale) + (float)zero;
    const float bounded = v > low ? v : low;
    return (int32_t)(bounded < high ? bounded : high);
}

/* The float of a number. */
DMS_FN float dms_dequantize(int32_t number, int32_t zero, float scale) {
    return (float)(int32_t)((uint32_t)number - (uint32_t)zero) * scale;
}

/* Number `k` of a byte that holds two of 4 bits, the low half first. */
DMS_FN float dms_unpack(uint8_t pair, int k, float zero, float scale) {
    return ((float)(k == 0 ? pair & 15 : pair >> 4) - zero) * scale;
}

#endif
