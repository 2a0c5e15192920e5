/* fold_body.h - what a fold does with one element, and what follows it, as expressions.
 *
 * Reads    r, what is folded so far, and x.
 * Returns  lists of steps and joins; the finish of REDUCE; keys of TOPK.
 * Cost     1 or 2 operations per element.
 * Source   none.
 * Not here the 32 lanes and their tree (fold_cpu.c, runtime/cuda/kernels/rows.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_FOLD_BODY_H
#define DMS_RUNTIME_KERNELS_FOLD_BODY_H

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/elementary.h"

/* What is folded: x, |x| or x^2, by sum, product, largest or smallest (a NaN wins). */
typedef enum dms_fold_kind {
    DMS_FOLD_SUM,
    DMS_FOLD_SUM_ABS,
    DMS_FOLD_SUM_SQUARE,
    DMS_FOLD_PROD,
    DMS_FOLD_MAX,
    DMS_FOLD_MIN,
    DMS_N_FOLDS
} dms_fold_kind;

#define DMS_GREATER(r, x) ((x) > (r) || (x) != (x) ? (x) : (r))
#define DMS_SMALLER(r, x) ((x) < (r) || (x) != (x) ? (x) : (r))
#define DMS_UNSIGNED(x) ((uint64_t)(x))

/* X(KIND, name_TAG, T, start, step): r folds x. The join of two lanes is the step of SUM, PROD, MAX
 * or MIN. */
#define DMS_FOLD_REAL(X, TAG, T, FMA, ABS)                                                         \
    X(SUM, sum_##TAG, T, 0, r + x)                                                                 \
    X(SUM_ABS, sum_abs_##TAG, T, 0, r + ABS(x))                                                    \
    X(SUM_SQUARE, sum_square_##TAG, T, 0, FMA(x, x, r))                                            \
    X(PROD, prod_##TAG, T, 1, r *x)                                                                \
    X(MAX, max_##TAG, T, -INFINITY, DMS_GREATER(r, x))                                             \
    X(MIN, min_##TAG, T, INFINITY, DMS_SMALLER(r, x))

/* Signed sums and products wrap: they are computed unsigned, which gives the same bits. */
#define DMS_FOLD_I64(X)                                                                            \
    X(SUM, sum_i64, uint64_t, 0, r + x)                                                            \
    X(SUM_ABS, sum_abs_i64, int64_t, 0,                                                            \
      DMS_UNSIGNED(r) + (x < 0 ? 0 - DMS_UNSIGNED(x) : DMS_UNSIGNED(x)))                           \
    X(SUM_SQUARE, sum_square_i64, uint64_t, 0, r + x * x)                                          \
    X(PROD, prod_i64, uint64_t, 1, r *x)                                                           \
    X(MAX, max_i64, int64_t, INT64_MIN, x > r ? x : r)                                             \
    X(MIN, min_i64, int64_t, INT64_MAX, x < r ? x : r)

/* What unsigned integers do otherwise than signed ones, and truths. */
#define DMS_FOLD_U64(X)                                                                            \
    X(MAX, max_u64, uint64_t, 0, x > r ? x : r)                                                    \
    X(MIN, min_u64, uint64_t, UINT64_MAX, x < r ? x : r)
#define DMS_FOLD_BOOL(X)                                                                           \
    X(MAX, max_bool, uint8_t, 0, r | x)                                                            \
    X(MIN, min_bool, uint8_t, 1, r &x)

/* The kind of fold behind a function of REDUCE. */
DMS_FN dms_fold_kind dms_fold_of_reduce(int64_t fn) {
    switch (fn) {
    case DMS_FN_REDUCE_MAX:
        return DMS_FOLD_MAX;
    case DMS_FN_REDUCE_MIN:
        return DMS_FOLD_MIN;
    case DMS_FN_PROD:
        return DMS_FOLD_PROD;
    case DMS_FN_L1:
        return DMS_FOLD_SUM_ABS;
    case DMS_FN_L2:
    case DMS_FN_SUM_SQUARE:
        return DMS_FOLD_SUM_SQUARE;
    }
    return DMS_FOLD_SUM;
}

/* Folded value y of a row of n elements, finished. The divisor of a mean is exact up to 2^24
 * elements, and rounded once above. `shift` is what LOG_SUM_EXP took away before. */
DMS_FN float dms_reduce_finish_f32(int64_t fn, float y, int64_t n, float shift) {
    if (fn == DMS_FN_MEAN)
        y = y / (float)n;
    else if (fn == DMS_FN_L2)
        y = sqrtf(y);
    else if (fn == DMS_FN_LOG_SUM)
        y = dms_logf(y);
    else if (fn == DMS_FN_LOG_SUM_EXP)
        y = dms_logf(y) + shift;
    return dms_quietf(y);
}

/* The same in f64. */
DMS_FN double dms_reduce_finish_f64(int64_t fn, double y, int64_t n, double shift) {
    if (fn == DMS_FN_MEAN)
        y = y / (double)n;
    else if (fn == DMS_FN_L2)
        y = sqrt(y);
    else if (fn == DMS_FN_LOG_SUM)
        y = log(y);
    else if (fn == DMS_FN_LOG_SUM_EXP)
        y = log(y) + shift;
    return dms_quiet(y);
}

/* Integers: a mean and a root are cut toward zero. */
DMS_FN int64_t dms_reduce_finish_integer(int64_t fn, int64_t y, int64_t n, int is_signed) {
    if (fn == DMS_FN_MEAN && n > 0)
        y = is_signed ? y / n : (int64_t)((uint64_t)y / (uint64_t)n);
    if (fn == DMS_FN_L2)
        y = (int64_t)sqrt(is_signed ? (double)y : (double)(uint64_t)y);
    return y;
}

/* An empty row has no extreme: the limit of its own type, of `bits` bits, stands for it. */
DMS_FN int64_t dms_reduce_limit(int64_t fn, int64_t y, unsigned bits, int is_signed) {
    if (bits == 64 || (fn != DMS_FN_REDUCE_MAX && fn != DMS_FN_REDUCE_MIN))
        return y;
    const int64_t top = INT64_C(1) << (bits - (is_signed ? 1u : 0u));
    return fn == DMS_FN_REDUCE_MAX ? (is_signed ? -top : 0) : top - 1;
}

/* Order of numbers as order of unsigned keys; zeros of both signs are equal, a NaN is above all. */
DMS_FN uint64_t dms_order_key(dms_class of, dms_scalar value) {
    uint64_t key = value.u64;
    if (of == DMS_CLASS_F32 || of == DMS_CLASS_F64) {
        const double wide = of == DMS_CLASS_F32 ? (double)value.f32 : value.f64;
        const double plain = wide == 0.0 ? 0.0 : wide;
        memcpy(&key, &plain, sizeof key);
        key = key >> 63 != 0 ? ~key : key | 0x8000000000000000u;
        key = wide != wide ? UINT64_MAX : key;
    } else if (of == DMS_CLASS_I64) {
        key ^= 0x8000000000000000u;
    }
    return key;
}

/* Position a comes after b: a smaller key, or the same and further back. */
DMS_FN int dms_order_is_worse(uint64_t key_a, int64_t a, uint64_t key_b, int64_t b) {
    return key_a != key_b ? key_a < key_b : a > b;
}

#endif
