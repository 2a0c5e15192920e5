/* convert.h - one number from one element type to another.
 *
 * Reads    a value of the class of one type.
 * Returns  it in the class of another: between integers the low bits; to a float to nearest even
 *          (f64 and integers reach f16 and bf16 by way of f32, as in ONNX Runtime); to bool whether
 *          it is not 0 (a NaN is true); from a float to an integer toward zero, as x86 does it:
 *          what does not fit gives the smallest number of the register, which holds 32 bits for
 *          types up to i32 and 64 for u32 and i64; narrow types then take its low bits.
 * Cost     O(1).
 * Source   none.
 * Not here strips (map_cast_cpu.c); rounding to f16 and bf16, which a store does (element.h).
 */
#ifndef DMS_RUNTIME_KERNELS_CONVERT_H
#define DMS_RUNTIME_KERNELS_CONVERT_H

#include "runtime/kernels/element.h"

/* Register of 32 bits. */
DMS_FN int32_t dms_int_of_float(float x) {
    return x >= -0x1p+31f && x < 0x1p+31f ? (int32_t)x : INT32_MIN;
}

/* What would be cut to -2^31 from below gets it as what does not fit. */
DMS_FN int32_t dms_int_of_double(double x) {
    return x >= -0x1p+31 && x < 0x1p+31 ? (int32_t)x : INT32_MIN;
}
/* Register of 64 bits; every float is a double. */
DMS_FN int64_t dms_long_of(double x) {
    return x >= -0x1p+63 && x < 0x1p+63 ? (int64_t)x : INT64_MIN;
}
/* u64: the upper half is reached by taking 2^63 away first. */
DMS_FN uint64_t dms_unsigned_of(double x) {
    return x >= 0x1p+63 ? (uint64_t)dms_long_of(x - 0x1p+63) ^ 0x8000000000000000u
                        : (uint64_t)dms_long_of(x);
}

/* Whether a type is an integer; as dms_dtype_is_integer, on every device. */
DMS_FN int dms_is_integer(dms_dtype dtype) {
    const dms_class of = dms_class_of(dtype);
    return of == DMS_CLASS_I64 || of == DMS_CLASS_U64;
}

/* A float as an integer of a type; the store takes its low bits. */
DMS_FN uint64_t dms_integer_of_real(dms_class from, dms_scalar x, dms_dtype to) {
    const double wide = from == DMS_CLASS_F32 ? (double)x.f32 : x.f64;
    if (to == DMS_DTYPE_U64)
        return dms_unsigned_of(wide);
    if (to == DMS_DTYPE_I64 || to == DMS_DTYPE_U32)
        return (uint64_t)dms_long_of(wide);
    return (uint64_t)(int64_t)(from == DMS_CLASS_F32 ? dms_int_of_float(x.f32)
                                                     : dms_int_of_double(x.f64));
}

/* Any value as f32. */
DMS_FN float dms_single_of(dms_class from, dms_scalar x) {
    switch (from) {
    case DMS_CLASS_F32:
        return x.f32;
    case DMS_CLASS_F64:
        return dms_quietf((float)x.f64);
    case DMS_CLASS_I64:
        return (float)x.i64;
    case DMS_CLASS_U64:
        return (float)x.u64;
    default:
        return x.b8 != 0 ? 1.0f : 0.0f;
    }
}

/* Any value as f64. */
DMS_FN double dms_double_of(dms_class from, dms_scalar x) {
    switch (from) {
    case DMS_CLASS_F32:
        return x.f32;
    case DMS_CLASS_F64:
        return x.f64;
    case DMS_CLASS_I64:
        return (double)x.i64;
    case DMS_CLASS_U64:
        return (double)x.u64;
    default:
        return x.b8 != 0 ? 1.0 : 0.0;
    }
}

/* Whether a value is not 0. */
DMS_FN uint8_t dms_truth_of(dms_class from, dms_scalar x) {
    switch (from) {
    case DMS_CLASS_F32:
        return x.f32 != 0.0f;
    case DMS_CLASS_F64:
        return x.f64 != 0.0;
    case DMS_CLASS_BOOL:
        return x.b8 != 0;
    default:
        return x.u64 != 0;
    }
}

/* A value of type `from` as one of type `to`. */
DMS_FN dms_scalar dms_convert(dms_dtype from, dms_scalar x, dms_dtype to) {
    const dms_class source = dms_class_of(from), target = dms_class_of(to);
    dms_scalar y;
    y.u64 = 0;
    if (target == DMS_CLASS_F32)
        y.f32 = dms_single_of(source, x);
    else if (target == DMS_CLASS_F64)
        y.f64 = dms_double_of(source, x);
    else if (target == DMS_CLASS_BOOL)
        y.b8 = dms_truth_of(source, x);
    else if (source == DMS_CLASS_F32 || source == DMS_CLASS_F64)
        y.u64 = dms_integer_of_real(source, x, to);
    else
        y.u64 = source == DMS_CLASS_BOOL ? x.b8 != 0 : x.u64;
    return y;
}

#endif
