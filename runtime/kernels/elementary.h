/* elementary.h - exp and its relatives as polynomials with explicit fmaf.
 *
 * Reads    one number.
 * Returns  the function value, the same bits on every machine and in every vector width.
 * Cost     8 to 20 fused operations; loops over them vectorise (no branch, no table, no call).
 * Source   Cody and Waite 1980 (range reduction); coefficients by Chebyshev interpolation.
 * Not here functions that IEEE 754 rounds exactly (sqrtf, fmaf, floorf, ...: math.h).
 */
#ifndef DMS_RUNTIME_KERNELS_ELEMENTARY_H
#define DMS_RUNTIME_KERNELS_ELEMENTARY_H

#include <string.h>

#include "runtime/kernels/dialect.h"

/* The float with these bits. */
DMS_FN float dms_float_of_bits(int32_t bits) {
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* The bits of a float. */
DMS_FN int32_t dms_bits_of_float(float x) {
    int32_t out;
    memcpy(&out, &x, sizeof out);
    return out;
}

/* e^x, error below 1 ulp; 0 below -104, infinity above 88.7228, NaN stays NaN. x = n ln 2 + r; n is
 * found by adding 1.5 * 2^23, which rounds to an integer in the low bits. 2^n is applied as two
 * factors so that subnormal results round once. */
DMS_FN float dms_expf(float x) {
    const float low = x < -105.0f ? -105.0f : x;
    const float in = low > 89.0f ? 89.0f : low;
    const float shifted = fmaf(in, 1.44269504f, 12582912.0f);
    const float n = shifted - 12582912.0f;
    float r = fmaf(n, -0.693145752f, in);
    r = fmaf(n, -1.42860677e-6f, r);
    float q = 0.00139336525f;
    q = fmaf(q, r, 0.00836318154f);
    q = fmaf(q, r, 0.0416664649f);
    q = fmaf(q, r, 0.16666577f);
    q = fmaf(q, r, 0.5f);
    const float p = fmaf(q, r * r, r) + 1.0f;
    const int32_t k = (int32_t)((uint32_t)dms_bits_of_float(shifted) - 0x4b400000u);
    const int32_t half = k >> 1;
    const float scale1 = dms_float_of_bits((int32_t)((uint32_t)(half + 127) << 23));
    const float scale2 = dms_float_of_bits((int32_t)((uint32_t)(k - half + 127) << 23));
    return p * scale1 * scale2;
}

#endif
