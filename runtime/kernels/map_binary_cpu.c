/* map_binary_cpu.c - functions of two operands, per class. */
#include "runtime/kernels/map_internal.h"

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/elementary_more.h"

/* NAME: y = EXPR of x and z; TX to TY. */
#define FUNCTION(NAME, TX, TY, EXPR)                                                               \
    static void NAME(int64_t n, const void *const *in, void *out, const double *p) {               \
        const TX *a = in[0], *b = in[1];                                                           \
        TY *y = out;                                                                               \
        (void)p;                                                                                   \
        DMS_INDEPENDENT                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const TX x = a[i], z = b[i];                                                           \
            (void)z;                                                                               \
            y[i] = (TY)(EXPR);                                                                     \
        }                                                                                          \
    }

/* One NaN for all, as in dms_quietf. */
DMS_FN double quiet(double x) {
    return x != x ? (double)NAN : x;
}

/* The smaller or larger of two; a NaN wins. Equal operands (zeros of either sign) give the
 * second. */
DMS_FN float minf(float x, float z) {
    return x < z || x != x ? x : z;
}

/* min and max differ in one comparison; the NaN of z is what falls through. */
DMS_FN float maxf(float x, float z) {
    return x > z || x != x ? x : z;
}
DMS_FN double min(double x, double z) {
    return x < z || x != x ? x : z;
}
DMS_FN double max(double x, double z) {
    return x > z || x != x ? x : z;
}

/* The remainder with the sign of the divisor. fmod is exact by definition. */
DMS_FN float modf_floor(float x, float z) {
    const float r = fmodf(x, z);
    return r != 0.0f ? ((r < 0.0f) != (z < 0.0f) ? r + z : r) : dms_copysignf(r, z);
}

/* The same in f64. */
DMS_FN double mod_floor(double x, double z) {
    const double r = fmod(x, z);
    return r != 0.0 ? ((r < 0.0) != (z < 0.0) ? r + z : r) : copysign(r, z);
}

/* Both in f32 and f64: float expression, double expression. */
#define REAL_FORMULAS(X)                                                                           \
    X(ADD, add, x + z, x + z)                                                                      \
    X(SUB, sub, x - z, x - z)                                                                      \
    X(MUL, mul, x *z, x *z)                                                                        \
    X(DIV, div, x / z, x / z)                                                                      \
    X(POW, pow, dms_powf(x, z), pow(x, z))                                                         \
    X(MIN, min, minf(x, z), min(x, z))                                                             \
    X(MAX, max, maxf(x, z), max(x, z))                                                             \
    X(MOD, mod, modf_floor(x, z), mod_floor(x, z))                                                 \
    X(FMOD, fmod, fmodf(x, z), fmod(x, z))                                                         \
    X(PRELU, prelu, x < 0.0f ? x * z : x, x < 0.0 ? x * z : x)
#define DEFINE(ID, name, single, real)                                                             \
    FUNCTION(name##_f32, float, float, dms_quietf(single))                                         \
    FUNCTION(name##_f64, double, double, quiet(real))
REAL_FORMULAS(DEFINE)
#undef DEFINE

/* Squares are the powers of normalisations. Where every exponent is 2 the square alone is computed:
 * dms_powf gives the same bits there. */
FUNCTION(square_f32, float, float, dms_quietf(x *x))

/* Looks at the exponents of a strip first: one pass over what the power reads anyway. */
static void power_f32(int64_t n, const void *const *in, void *out, const double *p) {
    const float *z = in[1];
    uint32_t others = 0;
    for (int64_t i = 0; i < n; i++)
        others |= z[i] != 2.0f;
    (others == 0 ? square_f32 : pow_f32)(n, in, out, p);
}

/* Toward zero; by zero gives 0, and the smallest number by -1 wraps. */
DMS_FN int64_t div_i64(int64_t x, int64_t z) {
    return z == 0 ? 0 : z == -1 ? (int64_t)(0 - (uint64_t)x) : x / z;
}
DMS_FN uint64_t div_u64(uint64_t x, uint64_t z) {
    return z == 0 ? 0 : x / z;
}

/* The remainder by -1 is 0; the instruction would trap for the smallest number. */
DMS_FN int64_t fmod_i64(int64_t x, int64_t z) {
    return z == 0 || z == -1 ? 0 : x % z;
}
DMS_FN uint64_t mod_u64(uint64_t x, uint64_t z) {
    return z == 0 ? 0 : x % z;
}

/* One step of the divisor turns the sign of the remainder into that of the divisor. */
DMS_FN int64_t mod_i64(int64_t x, int64_t z) {
    const int64_t r = fmod_i64(x, z);
    return r != 0 && (r < 0) != (z < 0) ? r + z : r;
}

/* x^z by squaring, wrapping. */
DMS_FN uint64_t pow_u64(uint64_t x, uint64_t z) {
    uint64_t y = 1;
    for (; z != 0; z >>= 1, x *= x)
        y = (z & 1u) != 0 ? y * x : y;
    return y;
}

/* A negative exponent gives the fraction 1/x^n cut to an integer: 0, except for 1 and -1. */
DMS_FN int64_t pow_i64(int64_t x, int64_t z) {
    if (z >= 0)
        return (int64_t)pow_u64((uint64_t)x, (uint64_t)z);
    return x == 1 ? 1 : x == -1 ? ((z & 1) != 0 ? -1 : 1) : 0;
}

/* A shift by the width or more leaves nothing (but the sign). */
DMS_FN uint64_t left(uint64_t x, uint64_t z) {
    return z > 63 ? 0 : x << z;
}
DMS_FN uint64_t right_u64(uint64_t x, uint64_t z) {
    return z > 63 ? 0 : x >> z;
}

/* An arithmetic shift: the sign fills up. */
DMS_FN int64_t right_i64(int64_t x, int64_t z) {
    return x >> ((uint64_t)z > 63 ? 63 : z);
}

/* Signed expression, unsigned expression. */
#define INTEGER_FORMULAS(X)                                                                        \
    X(ADD, add, (uint64_t)x + (uint64_t)z, x + z)                                                  \
    X(SUB, sub, (uint64_t)x - (uint64_t)z, x - z)                                                  \
    X(MUL, mul, (uint64_t)x *(uint64_t)z, x *z)                                                    \
    X(DIV, div, div_i64(x, z), div_u64(x, z))                                                      \
    X(POW, pow, pow_i64(x, z), pow_u64(x, z))                                                      \
    X(MIN, min, x < z ? x : z, x < z ? x : z)                                                      \
    X(MAX, max, x > z ? x : z, x > z ? x : z)                                                      \
    X(MOD, mod, mod_i64(x, z), mod_u64(x, z))                                                      \
    X(FMOD, fmod, fmod_i64(x, z), mod_u64(x, z))                                                   \
    X(BITWISE_AND, bitwise_and, x &z, x &z)                                                        \
    X(BITWISE_OR, bitwise_or, x | z, x | z)                                                        \
    X(BITWISE_XOR, bitwise_xor, x ^ z, x ^ z)                                                      \
    X(SHIFT_LEFT, shift_left, left((uint64_t)x, (uint64_t)z), left(x, z))                          \
    X(SHIFT_RIGHT, shift_right, right_i64(x, z), right_u64(x, z))                                  \
    X(PRELU, prelu, x < 0 ? (int64_t)((uint64_t)x * (uint64_t)z) : x, x)
#define DEFINE(ID, name, signed_expr, unsigned_expr)                                               \
    FUNCTION(integer_##name##_i64, int64_t, int64_t, signed_expr)                                  \
    FUNCTION(integer_##name##_u64, uint64_t, uint64_t, unsigned_expr)
INTEGER_FORMULAS(DEFINE)
#undef DEFINE

/* Comparisons, in every class of numbers. */
#define COMPARISONS(X, TAG, T)                                                                     \
    X(EQUAL, equal, TAG, T, x == z)                                                                \
    X(LESS, less, TAG, T, x < z)                                                                   \
    X(LESS_EQUAL, less_equal, TAG, T, x <= z)                                                      \
    X(GREATER, greater, TAG, T, x > z)                                                             \
    X(GREATER_EQUAL, greater_equal, TAG, T, x >= z)
#define DEFINE(ID, name, TAG, T, expr) FUNCTION(name##_##TAG, T, uint8_t, expr)
COMPARISONS(DEFINE, f32, float)
COMPARISONS(DEFINE, f64, double)
COMPARISONS(DEFINE, i64, int64_t)
COMPARISONS(DEFINE, u64, uint64_t)
#undef DEFINE
FUNCTION(equal_bool, uint8_t, uint8_t, (x != 0) == (z != 0))
FUNCTION(and_bool, uint8_t, uint8_t, (x != 0) & (z != 0))
FUNCTION(or_bool, uint8_t, uint8_t, (x | z) != 0)
FUNCTION(xor_bool, uint8_t, uint8_t, (x != 0) ^ (z != 0))

#define F32(ID, name, single, real) [DMS_FN_##ID] = name##_f32,
#define F64(ID, name, single, real) [DMS_FN_##ID] = name##_f64,
#define I64(ID, name, s, u) [DMS_FN_##ID] = integer_##name##_i64,
#define U64(ID, name, s, u) [DMS_FN_##ID] = integer_##name##_u64,
#define TRUTH(ID, name, TAG, T, expr) [DMS_FN_##ID] = name##_##TAG,
static const dms_map_fn functions[DMS_N_CLASSES][DMS_N_BINARY_FNS] = {
    [DMS_CLASS_F32] = {REAL_FORMULAS(F32) COMPARISONS(TRUTH, f32, float)},
    [DMS_CLASS_F64] = {REAL_FORMULAS(F64) COMPARISONS(TRUTH, f64, double)},
    [DMS_CLASS_I64] = {INTEGER_FORMULAS(I64) COMPARISONS(TRUTH, i64, int64_t)},
    [DMS_CLASS_U64] = {INTEGER_FORMULAS(U64) COMPARISONS(TRUTH, u64, uint64_t)},
    [DMS_CLASS_BOOL] = {[DMS_FN_EQUAL] = equal_bool,
                        [DMS_FN_AND] = and_bool,
                        [DMS_FN_OR] = or_bool,
                        [DMS_FN_XOR] = xor_bool},
};

dms_map_fn DMS_ISA(dms_map_binary)(int64_t fn, dms_class class) {
    if (fn == DMS_FN_POW && class == DMS_CLASS_F32)
        return power_f32;
    return functions[class][fn];
}
