/* map_unary_cpu.c - functions of one operand, per class. f32 uses our own polynomials; f64, which
 * only folding and node tests use, the C library's. */
#include "runtime/kernels/map_internal.h"

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/elementary_more.h"

/* NAME: y = EXPR of x, p0 and p1; TX to TY. */
#define FUNCTION(NAME, TX, TY, EXPR)                                                               \
    static void NAME(int64_t n, const void *const *in, void *out, const double *p) {               \
        const TX p0 = (TX)p[0], p1 = (TX)p[1];                                                     \
        const TX *a = in[0];                                                                       \
        TY *y = out;                                                                               \
        (void)p0;                                                                                  \
        (void)p1;                                                                                  \
        DMS_INDEPENDENT                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const TX x = a[i];                                                                     \
            y[i] = (TY)(EXPR);                                                                     \
        }                                                                                          \
    }

/* The same formula in f32 and f64: R is the type, F(f) the function f in it, C(c) a constant. */
#define C(c) ((R)c)

/* p0 first, then p1: where p0 > p1 the result is p1. A NaN passes both. */
#define CLIPPED(x) (((x) < p0 ? p0 : (x)) > p1 ? p1 : (x) < p0 ? p0 : (x))

#define FORMULAS(X)                                                                                \
    X(NEG, neg, -x)                                                                                \
    X(ABS, abs, F(abs)(x))                                                                         \
    X(RELU, relu, x < C(0) ? C(0) : x)                                                             \
    X(SIGMOID, sigmoid, F(sigmoid)(x))                                                             \
    X(TANH, tanh, F(tanh)(x))                                                                      \
    X(EXP, exp, F(exp)(x))                                                                         \
    X(LOG, log, F(log)(x))                                                                         \
    X(SQRT, sqrt, F(sqrt)(x))                                                                      \
    X(RECIPROCAL, reciprocal, C(1) / x)                                                            \
    X(ERF, erf, F(erf)(x))                                                                         \
    X(GELU, gelu, C(0.5) * x * (C(1) + F(erf)(x * C(0.70710678118654752440))))                     \
    X(GELU_TANH, gelu_tanh,                                                                        \
      C(0.5) * x * (C(1) + F(tanh)(C(0.79788456080286535588) * (x + C(0.044715) * x * x * x))))    \
    X(SILU, silu, x *F(sigmoid)(x))                                                                \
    X(SIN, sin, F(sin)(x))                                                                         \
    X(COS, cos, F(cos)(x))                                                                         \
    X(TAN, tan, F(tan)(x))                                                                         \
    X(ASIN, asin, F(asin)(x))                                                                      \
    X(ACOS, acos, F(acos)(x))                                                                      \
    X(ATAN, atan, F(atan)(x))                                                                      \
    X(SINH, sinh, F(sinh)(x))                                                                      \
    X(COSH, cosh, F(cosh)(x))                                                                      \
    X(ASINH, asinh, F(asinh)(x))                                                                   \
    X(ACOSH, acosh, F(acosh)(x))                                                                   \
    X(ATANH, atanh, F(atanh)(x))                                                                   \
    X(HARD_SIGMOID, hard_sigmoid, F(unit)(p0 * x + p1))                                            \
    X(HARD_SWISH, hard_swish, x *F(unit)(x * C(1.0 / 6.0) + C(0.5)))                               \
    X(LEAKY_RELU, leaky_relu, x < C(0) ? p0 * x : x)                                               \
    X(ELU, elu, x < C(0) ? p0 * F(expm1)(x) : x)                                                   \
    X(SELU, selu, x > C(0) ? p1 * x : p1 * (p0 * F(expm1)(x)))                                     \
    X(CELU, celu, x < C(0) ? p0 * F(expm1)(x / p0) : x)                                            \
    X(SOFTPLUS, softplus, F(softplus)(x))                                                          \
    X(SOFTSIGN, softsign, x / (C(1) + F(abs)(x)))                                                  \
    X(THRESHOLDED_RELU, thresholded_relu, x > p0 ? x : x != x ? x : C(0))                          \
    X(SHRINK, shrink, x<-p1 ? x + p0 : x> p1 ? x - p0 : x != x ? x : C(0))                         \
    X(MISH, mish, F(mish)(x))                                                                      \
    X(FLOOR, floor, F(floor)(x))                                                                   \
    X(CEIL, ceil, F(ceil)(x))                                                                      \
    X(ROUND, round, F(rint)(x))                                                                    \
    X(SIGN, sign, x > C(0) ? C(1) : x < C(0) ? C(-1) : x != x ? x : C(0))                          \
    X(CLIP, clip, CLIPPED(x))                                                                      \
    X(SQUARE, square, x *x)

/* Within 0 and 1; a NaN stays. */
DMS_FN float dms_unitf(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

/* The same in f64. The functions of this file without a prefix are the f64 forms that F names. */
DMS_FN double unit(double x) {
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* x tanh(log(1 + e^x)): with e = e^x the tangent is (e^2 + 2 e) / (e^2 + 2 e + 2). */
DMS_FN float dms_mishf(float x) {
    const float e = dms_expf(x > 20.0f ? 20.0f : x);
    const float n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
}

/* The same in f64, where e^40 squared is far from overflow. */
DMS_FN double mish(double x) {
    const double e = exp(x > 40.0 ? 40.0 : x);
    const double n = e * (e + 2.0);
    return x * (n / (n + 2.0));
}

/* The exponential of a negative number cannot overflow. */
DMS_FN double sigmoid(double x) {
    const double e = exp(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* 0 x hands a NaN on, and turns -infinity into a NaN that the first term never meets. */
DMS_FN double softplus(double x) {
    return log1p(exp(-fabs(x))) + (x > 0.0 ? x : 0.0 * x);
}

/* One NaN for all, as in dms_quietf. */
DMS_FN double quiet(double x) {
    return x != x ? (double)NAN : x;
}

/* Exact functions, under the names that F makes. */
#define dms_sqrtf sqrtf
#define dms_floorf floorf
#define dms_ceilf ceilf
#define dms_rintf rintf

#define F(name) dms_##name##f
#define R float
#define DEFINE(ID, name, expr) FUNCTION(name##_f32, float, float, dms_quietf(expr))
/* A loop over the full sine has a branch and is scalar; see SINE below. */
#define sin_f32 sin_any_f32
#define cos_f32 cos_any_f32
FORMULAS(DEFINE)
#undef sin_f32
#undef cos_f32
#undef DEFINE
#undef F
#undef R

/* Strips without an angle beyond DMS_ANGLE_LIMIT take the vectorised loop; both give the same
 * bits. */
#define SINE(name)                                                                                 \
    FUNCTION(name##_near_f32, float, float, dms_quietf(dms_##name##_nearf(x)))                     \
    static void name##_f32(int64_t n, const void *const *in, void *out, const double *p) {         \
        for (int64_t i = 0; i < n; i += DMS_STRIP) {                                               \
            const int64_t some = n - i < DMS_STRIP ? n - i : DMS_STRIP;                            \
            const void *const at[1] = {(const float *)in[0] + i};                                  \
            (has_far_angle(some, at[0]) ? name##_any_f32 : name##_near_f32)(some, at,              \
                                                                            (float *)out + i, p);  \
        }                                                                                          \
    }

/* Whether a strip holds an angle that the short reduction cannot take. */
static int has_far_angle(int64_t n, const float *x) {
    uint32_t far = 0;
    for (int64_t i = 0; i < n; i++)
        far |= dms_angle_is_farf(x[i]);
    return far != 0;
}

SINE(sin)
SINE(cos)

#define F(name) name
#define R double
#define abs fabs
#define DEFINE(ID, name, expr) FUNCTION(real_##name, double, double, quiet(expr))
FORMULAS(DEFINE)
#undef DEFINE
#undef abs
#undef F
#undef R

/* A bound of CLIP as an integer; beyond the type it is no bound. */
DMS_FN int64_t bound_i64(double p) {
    return p >= 0x1p+63 ? INT64_MAX : p > -0x1p+63 ? (int64_t)p : INT64_MIN;
}

/* The same for u64; a bound below 0 is 0. */
DMS_FN uint64_t bound_u64(double p) {
    return p >= 0x1p+64 ? UINT64_MAX : p > 0.0 ? (uint64_t)p : 0;
}

/* Integers, in 64 bits; the store wraps to the narrow type. */
#define INTEGER(NAME, TAG, T, EXPR)                                                                \
    static void NAME##_##TAG(int64_t n, const void *const *in, void *out, const double *p) {       \
        const T p0 = bound_##TAG(p[0]), p1 = bound_##TAG(p[1]);                                    \
        const T *a = in[0];                                                                        \
        T *y = out;                                                                                \
        (void)p0;                                                                                  \
        (void)p1;                                                                                  \
        DMS_INDEPENDENT                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = a[i];                                                                      \
            y[i] = (T)(EXPR);                                                                      \
        }                                                                                          \
    }
#define INTEGER_FORMULAS(X)                                                                        \
    X(NEG, neg, 0 - (uint64_t)x, 0 - x)                                                            \
    X(ABS, abs, x < 0 ? 0 - (uint64_t)x : (uint64_t)x, x)                                          \
    X(RELU, relu, x < 0 ? 0 : x, x)                                                                \
    X(SIGN, sign, (x > 0) - (x < 0), x > 0)                                                        \
    X(CLIP, clip, CLIPPED(x), CLIPPED(x))                                                          \
    X(BITWISE_NOT, bitwise_not, ~x, ~x)                                                            \
    X(SQUARE, square, (uint64_t)x *(uint64_t)x, x *x)
#define DEFINE(ID, name, signed_expr, unsigned_expr)                                               \
    INTEGER(name, i64, int64_t, signed_expr)                                                       \
    INTEGER(name, u64, uint64_t, unsigned_expr)
INTEGER_FORMULAS(DEFINE)
#undef DEFINE

/* Functions whose result is a truth. IS_INF: p0 and p1 say whether -inf and +inf count. */
FUNCTION(is_nan_f32, float, uint8_t, x != x)
FUNCTION(is_nan_f64, double, uint8_t, x != x)
FUNCTION(is_inf_f32, float, uint8_t, (p0 != 0 && x == -INFINITY) || (p1 != 0 && x == INFINITY))
FUNCTION(is_inf_f64, double, uint8_t, (p0 != 0 && x == -INFINITY) || (p1 != 0 && x == INFINITY))
FUNCTION(not_bool, uint8_t, uint8_t, x == 0)

#define F32(ID, name, expr) [DMS_FN_##ID] = name##_f32,
#define F64(ID, name, expr) [DMS_FN_##ID] = real_##name,
#define I64(ID, name, s, u) [DMS_FN_##ID] = name##_i64,
#define U64(ID, name, s, u) [DMS_FN_##ID] = name##_u64,
static const dms_map_fn functions[DMS_N_CLASSES][DMS_N_UNARY_FNS] = {
    [DMS_CLASS_F32] = {FORMULAS(F32)[DMS_FN_IS_NAN] = is_nan_f32, [DMS_FN_IS_INF] = is_inf_f32},
    [DMS_CLASS_F64] = {FORMULAS(F64)[DMS_FN_IS_NAN] = is_nan_f64, [DMS_FN_IS_INF] = is_inf_f64},
    [DMS_CLASS_I64] = {INTEGER_FORMULAS(I64)},
    [DMS_CLASS_U64] = {INTEGER_FORMULAS(U64)},
    [DMS_CLASS_BOOL] = {[DMS_FN_NOT] = not_bool},
};

dms_map_fn DMS_ISA(dms_map_unary)(int64_t fn, dms_class class) {
    return functions[class][fn];
}
