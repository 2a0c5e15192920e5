/* pool_body.h - windows of pools along one axis, powers and roots.
 *
 * Reads    where a window begins, its steps and taps; a number.
 * Returns  which taps exist, how many an average counts; x^p, x^(1/p).
 * Cost     O(1); powers log p, roots 64 powers.
 * Source   ONNX (MaxPool, AveragePool, LpPool); repeated squaring, halving of an interval.
 * Not here sums and maxima (pool_cpu.c, runtime/cuda/kernels/pool.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_POOL_BODY_H
#define DMS_RUNTIME_KERNELS_POOL_BODY_H

#include "runtime/kernels/dialect.h"

/* Elements j of n, first <= j < end, that lie at 0 <= at + j * step < limit. */
DMS_FN void dms_pool_range(int64_t at, int64_t step, int64_t limit, int64_t n, int64_t *first,
                           int64_t *end) {
    const int64_t up = step - 1; /* most steps are 1, and a division takes longer than a tap */
    *first = at >= 0 ? 0 : step == 1 ? -at : (-at + up) / step;
    *end = at >= limit ? 0 : step == 1 ? limit - at : (limit - at + up) / step;
    *first = *first > n ? n : *first;
    *end = *end > n ? n : *end < *first ? *first : *end;
}

/* Taps of a window that an average counts: inside the image with `low` and `high` elements more. */
DMS_FN int64_t dms_pool_counted(int64_t at, int64_t step, int64_t limit, int64_t n, int64_t low,
                                int64_t high) {
    int64_t first, end;
    dms_pool_range(at + low, step, limit + low + high, n, &first, &end);
    return end - first;
}

/* |x|^p by repeated squaring. */
#define DMS_POOL_POWER(NAME, T)                                                                    \
    DMS_FN T NAME(T x, int64_t p) {                                                                \
        T out = 1;                                                                                 \
        for (x = x < 0 ? -x : x; p > 0; p >>= 1, x *= x)                                           \
            out = (p & 1) != 0 ? out * x : out;                                                    \
        return out;                                                                                \
    }
DMS_POOL_POWER(dms_pool_power_f32, float)
DMS_POOL_POWER(dms_pool_power_f64, double)

/* The p-th root by halving the interval between two powers of two: exact steps, the same bits
 * everywhere. */
DMS_FN double dms_pool_root(double x, int64_t p) {
    if (p == 1 || x == 0.0 || x != x || x == (double)INFINITY)
        return x;
    if (p == 2)
        return sqrt(x);
    int exponent;
    (void)frexp(x, &exponent);
    double low = ldexp(1.0, (int)floor((double)(exponent - 1) / (double)p));
    double high = ldexp(1.0, (int)ceil((double)exponent / (double)p));
    for (int k = 0; k < 64; k++) {
        const double middle = low + (high - low) * 0.5;
        if (dms_pool_power_f64(middle, p) < x)
            low = middle;
        else
            high = middle;
    }
    return high;
}

#endif
