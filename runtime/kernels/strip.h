/* strip.h - how do elements of any type and pitch become a dense strip that kernels compute on?
 *
 * Reads    n elements of one dtype at one pitch.
 * Returns  the same numbers in the class of the dtype, densely; and back, rounded to nearest even
 *          (narrow floats) or wrapped (integers). Every NaN that is rounded becomes the quiet one.
 * Cost     O(n), vectorised where the pitch is 0 or 1.
 * Source   IEEE 754 for f16; bf16 is the upper half of an f32.
 * Not here conversion from one class to another (map_cast_cpu.c).
 */
#ifndef DMS_RUNTIME_KERNELS_STRIP_H
#define DMS_RUNTIME_KERNELS_STRIP_H

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

/* Elements of a strip; at 8 bytes each it is an eighth of the L1 cache. */
#define DMS_STRIP 512

/* Room for one strip of any class. */
typedef union dms_strip {
    float f32[DMS_STRIP];
    double f64[DMS_STRIP];
    int64_t i64[DMS_STRIP];
    uint64_t u64[DMS_STRIP];
    uint8_t b8[DMS_STRIP];
} dms_strip;

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
DMS_FN uint32_t dms_class_bytes(dms_class class) {
    return class == DMS_CLASS_BOOL ? 1u : class == DMS_CLASS_F32 ? 4u : 8u;
}

/* Whether memory of this type already is a strip of its class. Bytes of a bool may be any but 0. */
DMS_FN int dms_class_is_storage(dms_dtype dtype) {
    return dtype == DMS_DTYPE_F32 || dtype == DMS_DTYPE_F64 || dtype == DMS_DTYPE_I64 ||
           dtype == DMS_DTYPE_U64;
}

/* Reads n elements into a dense strip of the type's class. A pitch of 0 repeats one element. */
void DMS_ISA(dms_strip_load)(dms_dtype dtype, const void *from, int64_t pitch, int64_t n,
                             void *strip);

/* Writes n elements of a dense strip of the type's class. */
void DMS_ISA(dms_strip_store)(dms_dtype dtype, const void *strip, void *to, int64_t pitch,
                              int64_t n);

#endif
