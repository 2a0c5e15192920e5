/* compare.c - arrays compared by tolerance. */
#include "compare.h"

#include <math.h>
#include <string.h>

/* The bits of an f16 as a number. */
static double half_value(uint16_t bits) {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double sign = bits >> 15 != 0 ? -1.0 : 1.0;
    if (exponent == 31)
        return mantissa != 0 ? (double)NAN : sign * HUGE_VAL;
    if (exponent == 0)
        return sign * ldexp(mantissa, -24);
    return sign * ldexp(mantissa + 1024, exponent - 25);
}

double compare_value(dms_dtype dtype, const void *data, uint64_t k) {
    const uint8_t *at = (const uint8_t *)data + k * dms_dtype_bytes(dtype);
    uint64_t bits = 0;
    float f32;
    double f64;
    memcpy(&bits, at, dms_dtype_bytes(dtype));
    switch (dtype) {
    case DMS_DTYPE_F32:
        memcpy(&f32, at, 4);
        return (double)f32;
    case DMS_DTYPE_F64:
        memcpy(&f64, at, 8);
        return f64;
    case DMS_DTYPE_F16:
        return half_value((uint16_t)bits);
    case DMS_DTYPE_BF16:
        bits <<= 16;
        memcpy(&f32, &bits, 4);
        return (double)f32;
    case DMS_DTYPE_I8:
        return (int8_t)bits;
    case DMS_DTYPE_I16:
        return (int16_t)bits;
    case DMS_DTYPE_I32:
        return (int32_t)bits;
    case DMS_DTYPE_I64:
        return (double)(int64_t)bits;
    case DMS_DTYPE_U8:
    case DMS_DTYPE_U16:
    case DMS_DTYPE_U32:
    case DMS_DTYPE_U64:
    case DMS_DTYPE_BOOL:
    case DMS_DTYPE_NONE:
        break;
    }
    return (double)bits;
}

/* One real number against another. */
static bool is_close(double got, double want) {
    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want);
    if (isinf(got) || isinf(want))
        return got == want;
    return fabs(got - want) <= COMPARE_ATOL + COMPARE_RTOL * fabs(want);
}

bool compare_arrays(dms_dtype dtype, uint64_t count, const void *got, const void *want,
                    uint64_t *where) {
    const uint64_t size = dms_dtype_bytes(dtype);
    for (uint64_t k = 0; k < count; k++) {
        const bool is_equal =
            dms_dtype_is_float(dtype)
                ? is_close(compare_value(dtype, got, k), compare_value(dtype, want, k))
                : memcmp((const char *)got + k * size, (const char *)want + k * size,
                         (size_t)size) == 0;
        if (!is_equal) {
            *where = k;
            return false;
        }
    }
    return true;
}
