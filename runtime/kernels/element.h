/* element.h - one element of any type: what kernels compute it in, how memory holds it.
 *
 * Reads    an element type, and the bits of one element.
 * Returns  its class, and the number in that class; back, rounded to nearest even (narrow floats)
 *          or wrapped (integers). Every NaN that is rounded becomes the quiet one.
 * Cost     a switch over the type; strips (strip.h) switch once for many elements.
 * Source   IEEE 754 for f16; bf16 is the upper half of an f32.
 * Not here conversion from one class to another (convert.h).
 *
 * One source for gcc and nvcc, as all headers of bodies: C that is C++ too.
 */
#ifndef DMS_RUNTIME_KERNELS_ELEMENT_H
#define DMS_RUNTIME_KERNELS_ELEMENT_H

#include "runtime/kernels/dialect.h"
#include "schema/dtype.h"

/* What kernels compute in: narrow floats in f32, integers in 64 bits, bool in bytes of 0 and 1. */
typedef enum dms_class {
    DMS_CLASS_F32,
    DMS_CLASS_F64,
    DMS_CLASS_I64,
    DMS_CLASS_U64,
    DMS_CLASS_BOOL,
    DMS_N_CLASSES
} dms_class;

/* One value of any class. */
typedef union dms_scalar {
    float f32;
    double f64;
    int64_t i64;
    uint64_t u64;
    uint8_t b8;
} dms_scalar;

/* The class of an element type. */
DMS_FN dms_class dms_class_of(dms_dtype dtype) {
    switch ((unsigned)dtype) {
    case DMS_DTYPE_F32:
    case DMS_DTYPE_F16:
    case DMS_DTYPE_BF16:
        return DMS_CLASS_F32;
    case DMS_DTYPE_F64:
        return DMS_CLASS_F64;
    case DMS_DTYPE_I8:
    case DMS_DTYPE_I16:
    case DMS_DTYPE_I32:
    case DMS_DTYPE_I64:
        return DMS_CLASS_I64;
    case DMS_DTYPE_BOOL:
        return DMS_CLASS_BOOL;
    }
    return DMS_CLASS_U64;
}

/* Bytes of one element of a class. */
DMS_FN uint32_t dms_class_bytes(dms_class of) {
    return of == DMS_CLASS_BOOL ? 1u : of == DMS_CLASS_F32 ? 4u : 8u;
}

/* Bytes of one element in memory; as dms_dtype_bytes, on every device. */
DMS_FN uint32_t dms_element_bytes(dms_dtype dtype) {
    switch ((unsigned)dtype) {
    case DMS_DTYPE_U8:
    case DMS_DTYPE_I8:
    case DMS_DTYPE_BOOL:
        return 1;
    case DMS_DTYPE_U16:
    case DMS_DTYPE_I16:
    case DMS_DTYPE_F16:
    case DMS_DTYPE_BF16:
        return 2;
    case DMS_DTYPE_F32:
    case DMS_DTYPE_I32:
    case DMS_DTYPE_U32:
        return 4;
    }
    return 8;
}

/* Whether memory of this type already is a strip of its class. Bytes of a bool may be any but 0. */
DMS_FN int dms_class_is_storage(dms_dtype dtype) {
    return dtype == DMS_DTYPE_F32 || dtype == DMS_DTYPE_F64 || dtype == DMS_DTYPE_I64 ||
           dtype == DMS_DTYPE_U64;
}

/* f16 to f32: the exponent is moved by a product, which is exact for denormals too. */
DMS_FN float dms_float_of_half(uint16_t half) {
    const uint32_t magnitude = half & 0x7FFFu;
    const float finite = dms_float_of_bits(magnitude << 13) * 0x1p+112f;
    const uint32_t infinite = 0x7F800000u | magnitude << 13;
    const uint32_t bits = magnitude < 0x7C00u ? dms_bits_of_float(finite) : infinite;
    return dms_float_of_bits(bits | (uint32_t)(half & 0x8000u) << 16);
}

/* f32 to f16, to nearest even. Adding 1/2 to a number below 2^-14 leaves its bits in steps of
 * 2^-24, which is the denormal; above, adding just under half a step rounds. */
DMS_FN uint16_t dms_half_of_float(float x) {
    const uint32_t sign = dms_bits_of_float(x) >> 16 & 0x8000u;
    const uint32_t a = dms_bits_of_float(x) & 0x7FFFFFFFu;
    const uint32_t tiny = dms_bits_of_float(dms_float_of_bits(a) + 0.5f) - 0x3F000000u;
    const uint32_t normal = ((a + 0xFFFu + (a >> 13 & 1u)) >> 13) - (112u << 10);
    uint32_t half = a < 0x38800000u ? tiny : normal;
    half = a >= 0x47800000u ? 0x7C00u : half;
    half = a > 0x7F800000u ? 0x7E00u : half | sign;
    return (uint16_t)half;
}

/* f32 to bf16, to nearest even. */
DMS_FN uint16_t dms_brain_of_float(float x) {
    const uint32_t bits = dms_bits_of_float(x);
    const uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)(x != x ? 0x7FC0u : rounded);
}

/* bf16 to f32, exact. */
DMS_FN float dms_float_of_brain(uint16_t brain) {
    return dms_float_of_bits((uint32_t)brain << 16);
}

/* One NaN for all f64, as dms_quietf has it for f32. */
DMS_FN double dms_quiet(double x) {
    return x != x ? (double)NAN : x;
}

/* X(DTYPE, name, type in memory, member, x as a number of the class, x as memory) per type. The
 * low bits of an integer are its memory. */
#define DMS_EACH_TYPE(X)                                                                           \
    X(F32, f32, float, f32, x, x)                                                                  \
    X(F16, f16, uint16_t, f32, dms_float_of_half(x), dms_half_of_float(x))                         \
    X(BF16, bf16, uint16_t, f32, dms_float_of_brain(x), dms_brain_of_float(x))                     \
    X(F64, f64, double, f64, x, x)                                                                 \
    X(I8, i8, int8_t, i64, x, (uint64_t)x)                                                         \
    X(I16, i16, int16_t, i64, x, (uint64_t)x)                                                      \
    X(I32, i32, int32_t, i64, x, (uint64_t)x)                                                      \
    X(I64, i64, int64_t, i64, x, x)                                                                \
    X(U8, u8, uint8_t, u64, x, x)                                                                  \
    X(U16, u16, uint16_t, u64, x, x)                                                               \
    X(U32, u32, uint32_t, u64, x, x)                                                               \
    X(U64, u64, uint64_t, u64, x, x)                                                               \
    X(BOOL, truth, uint8_t, b8, x != 0, x != 0)

/* Element `index` of memory of this type. */
DMS_FN dms_scalar dms_element_load(dms_dtype dtype, const void *from, int64_t index) {
    dms_scalar value;
    value.u64 = 0;
#define DMS_LOAD(DTYPE, name, TM, member, AS_NUMBER, AS_MEMORY)                                    \
    case DMS_DTYPE_##DTYPE: {                                                                      \
        const TM x = ((const TM *)from)[index];                                                    \
        value.member = AS_NUMBER;                                                                  \
        break;                                                                                     \
    }
    switch ((unsigned)dtype) { DMS_EACH_TYPE(DMS_LOAD) }
#undef DMS_LOAD
    return value;
}

/* Writes a value of the type's class as element `index`. */
DMS_FN void dms_element_store(dms_dtype dtype, dms_scalar value, void *to, int64_t index) {
#define DMS_STORE(DTYPE, name, TM, member, AS_NUMBER, AS_MEMORY)                                   \
    case DMS_DTYPE_##DTYPE: {                                                                      \
        const __typeof__(value.member) x = value.member;                                           \
        ((TM *)to)[index] = (TM)(AS_MEMORY);                                                       \
        break;                                                                                     \
    }
    switch ((unsigned)dtype) { DMS_EACH_TYPE(DMS_STORE) }
#undef DMS_STORE
}

/* What memory of the type would make of a value of its class. */
DMS_FN dms_scalar dms_element_round(dms_dtype dtype, dms_scalar value) {
    uint64_t memory = 0;
    dms_element_store(dtype, value, &memory, 0);
    return dms_element_load(dtype, &memory, 0);
}

#endif
