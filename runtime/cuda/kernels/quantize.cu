/* quantize.cu - QUANTIZE, DEQUANTIZE, LOOKUP and UNPACK, an element (a byte of two) per thread.
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

/* All dense; zeros are packed alike, a row of them in whole bytes. */
DMS_CUDA_KERNEL(unpack, dms_quantize_params) {
    const dms_dtype dtype = (dms_dtype)p.dtype[3];
    for (int64_t i = dms_thread(); i < p.count; i += dms_threads()) {
        const int64_t block = i / p.n, row = block / p.n_blocks, at = block % p.n_blocks;
        const float scale = dms_element_load(dtype, p.operand[1], block).f32;
        float zero = 8.0f;
        if (p.has_zero) {
            const uint8_t pair =
                ((const uint8_t *)p.operand[2])[row * ((p.n_blocks + 1) / 2) + at / 2];
            zero = (float)(at % 2 == 0 ? pair & 15 : pair >> 4);
        }
        const uint8_t pair = ((const uint8_t *)p.operand[0])[i];
        DMS_EACH(k, 2) {
            dms_scalar y;
            y.f32 = dms_unpack(pair, k, zero, scale);
            dms_element_store(dtype, y, p.operand[3], 2 * i + k);
        }
    }
}
