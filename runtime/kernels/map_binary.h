/* map_binary.h - the functions of two operands, as expressions.
 *
 * Reads    x and z.
 * Returns  lists of formulas: of real numbers, of integers, comparisons, of truths.
 * Cost     1 to 100 operations.
 * Source   ONNX.
 * Not here the loops (map_binary_cpu.c, runtime/cuda/kernels/map.cu), which types a function takes
 *          (map.c).
 */
#ifndef DMS_RUNTIME_KERNELS_MAP_BINARY_H
#define DMS_RUNTIME_KERNELS_MAP_BINARY_H

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/elementary_more.h"

/* The smaller or larger of two; a NaN wins. Equal operands (zeros of either sign) give the
 * second. */
DMS_FN float dms_minf(float x, float z) {
    return x < z || x != x ? x : z;
}

/* min and max differ in one comparison; the NaN of z is what falls through. */
DMS_FN float dms_maxf(float x, float z) {
    return x > z || x != x ? x : z;
}
DMS_FN double dms_min(double x, double z) {
    return x < z || x != x ? x : z;
}
DMS_FN double dms_max(double x, double z) {
    return x > z || x != x ? x : z;
}

/* The remainder with the sign of the divisor. fmod is exact by definition. */
DMS_FN float dms_modf_floor(float x, float z) {
    const float r = fmodf(x, z);
    return r != 0.0f ? ((r < 0.0f) != (z < 0.0f) ? r + z : r) : dms_copysignf(r, z);
}

/* The same in f64. */
DMS_FN double dms_mod_floor(double x, double z) {
    const double r = fmod(x, z);
    return r != 0.0 ? ((r < 0.0) != (z < 0.0) ? r + z : r) : copysign(r, z);
}

/* X(id, name, formula in f32, formula in f64) of x and z. */
#define DMS_BINARY_REAL(X)                                                                         \
    X(ADD, add, x + z, x + z)                                                                      \
    X(SUB, sub, x - z, x - z)                                                                      \
    X(MUL, mul, x *z, x *z)                                                                        \
    X(DIV, div, x / z, x / z)                                                                      \
    X(POW, pow, dms_powf(x, z), pow(x, z))                                                         \
    X(MIN, min, dms_minf(x, z), dms_min(x, z))                                                     \
    X(MAX, max, dms_maxf(x, z), dms_max(x, z))                                                     \
    X(MOD, mod, dms_modf_floor(x, z), dms_mod_floor(x, z))                                         \
    X(FMOD, fmod, fmodf(x, z), fmod(x, z))                                                         \
    X(PRELU, prelu, x < 0.0f ? x * z : x, x < 0.0 ? x * z : x)

/* Toward zero; by zero gives 0, and the smallest number by -1 wraps. */
DMS_FN int64_t dms_div_i64(int64_t x, int64_t z) {
    return z == 0 ? 0 : z == -1 ? (int64_t)(0 - (uint64_t)x) : x / z;
}
DMS_FN uint64_t dms_div_u64(uint64_t x, uint64_t z) {
    return z == 0 ? 0 : x / z;
}

/* The remainder by -1 is 0; the instruction would trap for the smallest number. */
DMS_FN int64_t dms_fmod_i64(int64_t x, int64_t z) {
    return z == 0 || z == -1 ? 0 : x % z;
}
DMS_FN uint64_t dms_mod_u64(uint64_t x, uint64_t z) {
    return z == 0 ? 0 : x % z;
}

/* One step of the divisor turns the sign of the remainder into that of the divisor. */
DMS_FN int64_t dms_mod_i64(int64_t x, int64_t z) {
    const int64_t r = dms_fmod_i64(x, z);
    return r != 0 && (r < 0) != (z < 0) ? r + z : r;
}

/* x^z by squaring, wrapping. */
DMS_FN uint64_t dms_pow_u64(uint64_t x, uint64_t z) {
    uint64_t y = 1;
    for (; z != 0; z >>= 1, x *= x)
        y = (z & 1u) != 0 ? y * x : y;
    return y;
}

/* A negative exponent gives the fraction 1/x^n cut to an integer: 0, except for 1 and -1. */
DMS_FN int64_t dms_pow_i64(int64_t x, int64_t z) {
    if (z >= 0)
        return (int64_t)dms_pow_u64((uint64_t)x, (uint64_t)z);
    return x == 1 ? 1 : x == -1 ? ((z & 1) != 0 ? -1 : 1) : 0;
}

/* A shift by the width or more leaves nothing (but the sign). */
DMS_FN uint64_t dms_left(uint64_t x, uint64_t z) {
    return z > 63 ? 0 : x << z;
}
DMS_FN uint64_t dms_right_u64(uint64_t x, uint64_t z) {
    return z > 63 ? 0 : x >> z;
}

/* An arithmetic shift: the sign fills up. */
DMS_FN int64_t dms_right_i64(int64_t x, int64_t z) {
    return x >> ((uint64_t)z > 63 ? 63 : z);
}

/* X(id, name, signed formula, unsigned formula) in 64 bits. */
#define DMS_BINARY_INTEGER(X)                                                                      \
    X(ADD, add, (uint64_t)x + (uint64_t)z, x + z)                                                  \
    X(SUB, sub, (uint64_t)x - (uint64_t)z, x - z)                                                  \
    X(MUL, mul, (uint64_t)x *(uint64_t)z, x *z)                                                    \
    X(DIV, div, dms_div_i64(x, z), dms_div_u64(x, z))                                              \
    X(POW, pow, dms_pow_i64(x, z), dms_pow_u64(x, z))                                              \
    X(MIN, min, x < z ? x : z, x < z ? x : z)                                                      \
    X(MAX, max, x > z ? x : z, x > z ? x : z)                                                      \
    X(MOD, mod, dms_mod_i64(x, z), dms_mod_u64(x, z))                                              \
    X(FMOD, fmod, dms_fmod_i64(x, z), dms_mod_u64(x, z))                                           \
    X(BITWISE_AND, bitwise_and, x &z, x &z)                                                        \
    X(BITWISE_OR, bitwise_or, x | z, x | z)                                                        \
    X(BITWISE_XOR, bitwise_xor, x ^ z, x ^ z)                                                      \
    X(SHIFT_LEFT, shift_left, dms_left((uint64_t)x, (uint64_t)z), dms_left(x, z))                  \
    X(SHIFT_RIGHT, shift_right, dms_right_i64(x, z), dms_right_u64(x, z))                          \
    X(PRELU, prelu, x < 0 ? (int64_t)((uint64_t)x * (uint64_t)z) : x, x)

/* X(id, name, TAG, T, formula): comparisons, in every class of numbers. */
#define DMS_COMPARISONS(X, TAG, T)                                                                 \
    X(EQUAL, equal, TAG, T, x == z)                                                                \
    X(LESS, less, TAG, T, x < z)                                                                   \
    X(LESS_EQUAL, less_equal, TAG, T, x <= z)                                                      \
    X(GREATER, greater, TAG, T, x > z)                                                             \
    X(GREATER_EQUAL, greater_equal, TAG, T, x >= z)

/* X(id, name, formula) of truths, whose bytes may be any but 0. */
#define DMS_BINARY_TRUTH(X)                                                                        \
    X(EQUAL, equal, (x != 0) == (z != 0))                                                          \
    X(AND, and, (x != 0) & (z != 0))                                                               \
    X(OR, or, (x | z) != 0)                                                                        \
    X(XOR, xor, (x != 0) ^ (z != 0))

#endif
