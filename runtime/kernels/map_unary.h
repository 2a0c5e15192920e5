/* map_unary.h - the functions of one operand, as expressions.
 *
 * Reads    x, and up to two parameters.
 * Returns  lists of formulas: of real numbers, of integers; what they need beside elementary.h.
 * Cost     1 to 60 operations.
 * Source   ONNX.
 * Not here the loops (map_unary_cpu.c, runtime/cuda/kernels/map.cu), which types a function takes
 *          (map.c).
 *
 * f32 uses our own polynomials; f64, which only folding and node tests use, the C library's.
 */
#ifndef DMS_RUNTIME_KERNELS_MAP_UNARY_H
#define DMS_RUNTIME_KERNELS_MAP_UNARY_H

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/elementary_more.h"

/* p0 first, then p1: where p0 > p1 the result is p1. A NaN passes both. */
#define DMS_CLIPPED(x) (((x) < p0 ? p0 : (x)) > p1 ? p1 : (x) < p0 ? p0 : (x))

/* X(id, name, formula of x, p0 and p1) in f32 and f64. Who uses them defines R, the type; F(f), the
 * function f in it; C(c), a constant. */
#define DMS_UNARY_REAL(X)                                                                          \
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
    X(CLIP, clip, DMS_CLIPPED(x))                                                                  \
    X(SQUARE, square, x *x)

/* X(id, name, signed formula, unsigned formula) in 64 bits; the store wraps to the narrow type. */
#define DMS_UNARY_INTEGER(X)                                                                       \
    X(NEG, neg, 0 - (uint64_t)x, 0 - x)                                                            \
    X(ABS, abs, x < 0 ? 0 - (uint64_t)x : (uint64_t)x, x)                                          \
    X(RELU, relu, x < 0 ? 0 : x, x)                                                                \
    X(SIGN, sign, (x > 0) - (x < 0), x > 0)                                                        \
    X(CLIP, clip, DMS_CLIPPED(x), DMS_CLIPPED(x))                                                  \
    X(BITWISE_NOT, bitwise_not, ~x, ~x)                                                            \
    X(SQUARE, square, (uint64_t)x *(uint64_t)x, x *x)

/* Within 0 and 1; a NaN stays. */
DMS_FN float dms_unitf(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

/* The same in f64. Names without a prefix are the f64 forms that F names. */
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

/* Exact functions, under the names that F makes. */
#define dms_sqrtf sqrtf
#define dms_floorf floorf
#define dms_ceilf ceilf
#define dms_rintf rintf

/* A bound of CLIP as an integer; beyond the type it is no bound. */
DMS_FN int64_t dms_bound_i64(double p) {
    return p >= 0x1p+63 ? INT64_MAX : p > -0x1p+63 ? (int64_t)p : INT64_MIN;
}

/* The same for u64; a bound below 0 is 0. */
DMS_FN uint64_t dms_bound_u64(double p) {
    return p >= 0x1p+64 ? UINT64_MAX : p > 0.0 ? (uint64_t)p : 0;
}

#endif
