/* elementary_more.h - the rest of the elementary functions: tan, the inverses, hyperbolics, pow.
 *
 * Reads    one or two f32 each.
 * Returns  a value within 3 ulp of the true one; see elementary.h for everything else.
 * Cost     20 to 60 operations, no branch (tan: one).
 * Source   textbook; the coefficients are our own minimax fits (Remez, 200 bits).
 * Not here f64.
 */
#ifndef DMS_RUNTIME_KERNELS_ELEMENTARY_MORE_H
#define DMS_RUNTIME_KERNELS_ELEMENTARY_MORE_H

#include "runtime/kernels/elementary.h"

/* pi/2 in two parts. */
#define DMS_HALF_PI 0x1.921fb6p+0f
#define DMS_HALF_PI_LOW (-0x1.777a5cp-25f)

/* tan x for every x. */
DMS_FN float dms_tanf(float x) {
    const dms_angle angle = dms_angle_is_farf(x) ? dms_angle_farf(x) : dms_angle_nearf(x);
    const float r = angle.rest;
    const float z = r * r;
    float p = 0x1.28a434p-8f;
    p = fmaf(p, z, -0x1.c6510cp-13f);
    p = fmaf(p, z, 0x1.6b0b2cp-7f);
    p = fmaf(p, z, 0x1.5b2228p-6f);
    p = fmaf(p, z, 0x1.bb02e4p-5f);
    p = fmaf(p, z, 0x1.110caep-3f);
    p = fmaf(p, z, 0x1.555564p-2f);
    const float t = fmaf(p * z, r, r);
    return x == 0.0f ? x : (angle.quadrant & 1u) != 0 ? -1.0f / t : t;
}

/* asin(s) for 0 <= s <= 1/2, where z = s^2. */
DMS_FN float dms_asin_smallf(float s, float z) {
    float p = 0x1.339820p-5f;
    p = fmaf(p, z, 0x1.d86bd4p-7f);
    p = fmaf(p, z, 0x1.049cdep-5f);
    p = fmaf(p, z, 0x1.6cad8ep-5f);
    p = fmaf(p, z, 0x1.333884p-4f);
    p = fmaf(p, z, 0x1.55554cp-3f);
    return fmaf(p * z, s, s);
}

/* Arc sine; NaN outside [-1, 1]. Above 1/2: asin x = pi/2 - 2 asin(sqrt((1 - x) / 2)). */
DMS_FN float dms_asinf(float x) {
    const float a = dms_absf(x);
    const bool is_big = a > 0.5f;
    const float z = is_big ? 0.5f * (1.0f - a) : a * a;
    const float r = dms_asin_smallf(is_big ? sqrtf(z) : a, z);
    const float y = is_big ? DMS_HALF_PI - fmaf(2.0f, r, -DMS_HALF_PI_LOW) : r;
    return dms_copysignf(y, x);
}

/* Arc cosine; NaN outside [-1, 1]. */
DMS_FN float dms_acosf(float x) {
    const float a = dms_absf(x);
    const bool is_big = a > 0.5f;
    const float z = is_big ? 0.5f * (1.0f - a) : a * a;
    const float r = dms_asin_smallf(is_big ? sqrtf(z) : a, z);
    const float middle = DMS_HALF_PI - (dms_copysignf(r, x) - DMS_HALF_PI_LOW);
    const float below = 2.0f * (DMS_HALF_PI - (r - DMS_HALF_PI_LOW));
    const float outer = x < 0.0f ? below : 2.0f * r;
    return is_big ? outer : middle;
}

/* Arc tangent. Above 1: atan x = pi/2 - atan(1/x). */
DMS_FN float dms_atanf(float x) {
    const float a = dms_absf(x);
    const bool is_big = a > 1.0f;
    const float t = is_big ? 1.0f / a : a;
    const float z = t * t;
    float p = 0x1.23f906p-10f;
    p = fmaf(p, z, -0x1.df96fap-8f);
    p = fmaf(p, z, 0x1.714b26p-6f);
    p = fmaf(p, z, -0x1.6e19b4p-5f);
    p = fmaf(p, z, 0x1.1422d4p-4f);
    p = fmaf(p, z, -0x1.68e706p-4f);
    p = fmaf(p, z, 0x1.c4f1e4p-4f);
    p = fmaf(p, z, -0x1.247374p-3f);
    p = fmaf(p, z, 0x1.9997e0p-3f);
    p = fmaf(p, z, -0x1.555552p-2f);
    const float r = fmaf(p * z, t, t);
    return dms_copysignf(is_big ? DMS_HALF_PI - (r - DMS_HALF_PI_LOW) : r, x);
}

/* Hyperbolic sine. */
DMS_FN float dms_sinhf(float x) {
    const float a = dms_absf(x);
    const float z = x * x;
    float p = 0x1.7a2684p-19f;
    p = fmaf(p, z, 0x1.9ffe12p-13f);
    p = fmaf(p, z, 0x1.111136p-7f);
    p = fmaf(p, z, 0x1.555556p-3f);
    const float near = fmaf(p * z, x, x);
    const float far = dms_exp_scaledf(a, -1) - dms_exp_scaledf(-a, -1);
    return a < 1.0f ? near : dms_copysignf(far, x);
}

/* Hyperbolic cosine. */
DMS_FN float dms_coshf(float x) {
    const float a = dms_absf(x);
    return dms_exp_scaledf(a, -1) + dms_exp_scaledf(-a, -1);
}

/* Inverse hyperbolic sine; above 1e4 it is log(2 |x|) to the last bit. */
DMS_FN float dms_asinhf(float x) {
    const float a = dms_absf(x);
    const bool is_big = a > 1e4f;
    const float square = a * a;
    const float t = is_big ? a : a + square / (1.0f + sqrtf(1.0f + square));
    const float y = is_big ? dms_logf(a) + 0x1.62e430p-1f : dms_log1pf(t);
    return dms_copysignf(y, x);
}

/* Inverse hyperbolic cosine; NaN below 1. */
DMS_FN float dms_acoshf(float x) {
    const float t = x - 1.0f;
    const float near = dms_log1pf(t + sqrtf(fmaf(t, t, t + t)));
    const float far = dms_logf(x) + 0x1.62e430p-1f;
    return x < 1.0f ? NAN : x > 1e4f ? far : near;
}

/* Inverse hyperbolic tangent; infinite at -1 and 1, NaN outside. */
DMS_FN float dms_atanhf(float x) {
    const float a = dms_absf(x);
    const float y = 0.5f * dms_log1pf((a + a) / (1.0f - a));
    return dms_copysignf(y, x);
}

/* log(1 + e^x). */
DMS_FN float dms_softplusf(float x) {
    return dms_log1pf(dms_expf(-dms_absf(x))) + (x > 0.0f ? x : x != x ? x : 0.0f);
}

/* The bits of a double, and back. */
DMS_FN uint64_t dms_bits_of_double(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The double of these bits. */
DMS_FN double dms_double_of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* log2 of a positive finite double, to 50 bits. */
DMS_FN double dms_log2(double x) {
    const uint64_t bits = dms_bits_of_double(x);
    const uint64_t e = (bits - 0x3FE6A09E667F3BCDu) & 0xFFF0000000000000u; /* sqrt(1/2) */
    const double m = dms_double_of_bits(bits - e);
    const double s = (m - 1.0) / (m + 1.0);
    const double z = s * s;
    double p = 0x1.f1f93dba74e8dp-3;
    p = fma(p, z, 0x1.0bb300e3cc352p-2);
    p = fma(p, z, 0x1.484fd0d4d435fp-2);
    p = fma(p, z, 0x1.a61755f5647f6p-2);
    p = fma(p, z, 0x1.2776c5170f99fp-1);
    p = fma(p, z, 0x1.ec709dc39c644p-1);
    p = fma(p, z, 0x1.71547652b82ffp+1);
    /* The exponent as a double without a 64-bit conversion: 2^52 + 2^11 + e, minus the first two.
     * */
    const uint64_t biased = (e >> 52 ^ 0x800u) | 0x4330000000000000u;
    return fma(s, p, dms_double_of_bits(biased) - (0x1p+52 + 0x1p+11));
}

/* 2^x for -200 <= x <= 200, to 40 bits; these and infinities beyond. */
DMS_FN double dms_exp2(double x) {
    x = x > 200.0 ? 200.0 : x;
    x = x < -200.0 ? -200.0 : x;
    const double t = x + 0x1.8p+52;
    const double r = x - (t - 0x1.8p+52);
    double p = 0x1.61aa7bc8d2d30p-20;
    p = fma(p, r, 0x1.00dfba8c8be72p-16);
    p = fma(p, r, 0x1.430ade5ff0643p-13);
    p = fma(p, r, 0x1.5d8740d9b8085p-10);
    p = fma(p, r, 0x1.3b2ab5b23c520p-7);
    p = fma(p, r, 0x1.c6b08dda8dbe3p-5);
    p = fma(p, r, 0x1.ebfbdff947088p-3);
    p = fma(p, r, 0x1.62e42fef83a7ep-1);
    p = fma(p, r, 1.0);
    return p * dms_double_of_bits((dms_bits_of_double(t) + 1023u) << 52);
}

/* |x|^y, where neither special case nor sign is looked at. */
DMS_FN float dms_pow_magnitudef(float x, float y) {
    const float a = dms_absf(x);
    double l = dms_log2(a);
    l = a == 0.0f ? -INFINITY : a < INFINITY ? l : a; /* infinity and NaN as they are */
    const double t = (double)y * l;
    return (float)dms_exp2(a == 1.0f ? 0.0 : t);
}

/* All ones where true. Where one condition decides the next (a large y is whole), gcc 12 threads a
 * jump through them and leaves the loop scalar; it cannot through a mask. */
DMS_FN uint32_t dms_mask(bool is_true) {
    return 0u - (uint32_t)is_true;
}

/* What kind of exponent y is: 0 even, 2^31 odd, 1 broken. Floats from 2^24 on are even. */
DMS_FN uint32_t dms_pow_parityf(float y) {
    const uint32_t is_small = dms_mask(dms_absf(y) < 0x1p+24f);
    const float small = dms_float_of_bits(dms_bits_of_float(y) & is_small);
    const int32_t whole = (int32_t)small;
    return (float)whole == small ? (uint32_t)whole << 31 : 1u;
}

/* x^y from its magnitude and its exponent's parity, with the special cases of IEEE 754: x^0 = 1^y =
 * 1 even for NaN. An odd exponent hands on the sign of x, a broken one makes a finite negative x a
 * NaN. x^2 is x * x exactly. */
DMS_FN float dms_pow_signf(float x, float y, float magnitude, uint32_t parity) {
    const uint32_t sign = dms_bits_of_float(x) & parity & 0x80000000u;
    const uint32_t is_nan =
        (dms_mask(x < 0.0f) & dms_mask(dms_absf(x) < INFINITY) & (0u - (parity & 1u))) |
        dms_mask(x != x) | dms_mask(y != y);
    const uint32_t is_one = dms_mask(x == 1.0f) | dms_mask(y == 0.0f);
    const uint32_t bits = (dms_bits_of_float(magnitude) ^ sign) | (is_nan & 0x7FC00000u);
    const float power = dms_float_of_bits((bits & ~is_one) | (0x3F800000u & is_one));
    return y == 2.0f ? x * x : power;
}

/* x^y. */
DMS_FN float dms_powf(float x, float y) {
    return dms_pow_signf(x, y, dms_pow_magnitudef(x, y), dms_pow_parityf(y));
}

#endif
