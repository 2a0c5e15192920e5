/* quantize.cu - QUANTIZE, DEQUANTIZE and LOOKUP, an element per thread.
 *
 * Grid: blocks of 256 threads over the elements. Bytes: each operand once. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/quantize.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/quantize_body.h"

/* Operand k at these coordinates. */
DMS_DEVICE dms_scalar value_of(const dms_quantize_params *p, uint32_t k, const dms_coords *c) {
    return dms_element_load((dms_dtype)p->dtype[k], p->operand[k], dms_place(&p->places, k, c));
}

/* The zero of an element; integers of up to 32 bits keep theirs in the low half of any class. */
DMS_DEVICE int32_t zero_of(const dms_quantize_params *p, const dms_coords *c) {
    return p->has_zero ? (int32_t)value_of(p, 2, c).i64 : 0;
}

DMS_CUDA_KERNEL(quantize, dms_quantize_params) {
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        const dms_scalar x = value_of(&p, 0, &c);
        const float real = p.dtype[0] == DMS_DTYPE_I32 ? (float)(int32_t)x.i64 : x.f32;
        dms_scalar y;
        y.i64 = dms_quantize(real, value_of(&p, 1, &c).f32, zero_of(&p, &c), p.low, p.high);
        dms_element_store((dms_dtype)p.dtype[3], y, p.operand[3], dms_place(&p.places, 3, &c));
    }
}

DMS_CUDA_KERNEL(dequantize, dms_quantize_params) {
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        const int32_t number = (int32_t)value_of(&p, 0, &c).i64;
        dms_scalar y;
        y.f32 = dms_dequantize(number, zero_of(&p, &c), value_of(&p, 1, &c).f32);
        dms_element_store((dms_dtype)p.dtype[3], y, p.operand[3], dms_place(&p.places, 3, &c));
    }
}

/* Bytes by their bits; the table comes from the cache. */
DMS_CUDA_KERNEL(lookup, dms_quantize_params) {
    const uint8_t *x = (const uint8_t *)p.operand[0], *table = (const uint8_t *)p.operand[1];
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        ((uint8_t *)p.operand[3])[dms_place(&p.places, 1, &c)] =
            table[x[dms_place(&p.places, 0, &c)]];
    }
}
