/* elementary.h - exp, log, tanh and their like, in f32, with the same bits everywhere.
 *
 * Reads    one f32 each.
 * Returns  a value within 2.5 ulp of the true one (measured in tests/unit/test_elementary.c), right
 *          at infinities, zeros and denormals; a NaN for a NaN, of any sign and payload.
 * Cost     10 to 25 operations, no branch: gcc -O3 turns a loop over them into vector code.
 * Source   textbook argument reduction; the coefficients are our own minimax fits (Remez, 200
 *          bits).
 * Not here f64, which takes the C library's functions: it serves folding and node tests only.
 *          Functions that models rarely use: elementary_more.h.
 *
 * Only fmaf, + - * /, comparisons and integer bits are used, never a function of the C library
 * that could differ between two machines. fmaf is exact by definition, in hardware or not.
 */
#ifndef DMS_RUNTIME_KERNELS_ELEMENTARY_H
#define DMS_RUNTIME_KERNELS_ELEMENTARY_H

#include <stdbool.h>

#include "runtime/kernels/dialect.h"

/* Adding and taking away 1.5 x 2^23 rounds to the nearest integer, ties to even. */
#define DMS_ROUND_MAGIC 12582912.0f
#define DMS_ROUND_MAGIC_BITS 0x4B400000u

/* |x| with the sign of `sign`. */
DMS_FN float dms_copysignf(float x, float sign) {
    return dms_float_of_bits((dms_bits_of_float(x) & 0x7FFFFFFFu) |
                             (dms_bits_of_float(sign) & 0x80000000u));
}

/* |x|, also for NaN. */
DMS_FN float dms_absf(float x) {
    return dms_float_of_bits(dms_bits_of_float(x) & 0x7FFFFFFFu);
}

/* 2^n for -126 <= n <= 127; outside, some float. */
DMS_FN float dms_pow2f(int32_t n) {
    return dms_float_of_bits(((uint32_t)n + 127u) << 23);
}

/* exp(x) 2^k for |k| <= 8, rounded once: neither overflows nor loses bits before the result does.
 * */
DMS_FN float dms_exp_scaledf(float x, int32_t k) {
    x = x > 95.0f ? 95.0f : x;
    x = x < -110.0f ? -110.0f : x;
    const float t = fmaf(x, 0x1.715476p+0f, DMS_ROUND_MAGIC);
    const float n = t - DMS_ROUND_MAGIC;
    float r = fmaf(n, -0x1.62e430p-1f, x); /* exact: both are multiples of the same ulp */
    r = fmaf(n, 0x1.05c610p-29f, r);
    float p = 0x1.6a1a8cp-10f;
    p = fmaf(p, r, 0x1.123fc6p-7f);
    p = fmaf(p, r, 0x1.555916p-5f);
    p = fmaf(p, r, 0x1.55548ap-3f);
    p = fmaf(p, r, 0x1.fffffcp-2f);
    p = fmaf(p * r, r, r) + 1.0f;
    /* Two factors, so that 2^-150 and 2^128 come out as a denormal and as infinity. */
    const int32_t e = (int32_t)(dms_bits_of_float(t) - DMS_ROUND_MAGIC_BITS + (uint32_t)k);
    const int32_t half = e >> 1;
    return p * dms_pow2f(half) * dms_pow2f((int32_t)((uint32_t)e - (uint32_t)half));
}

/* e^x. */
DMS_FN float dms_expf(float x) {
    return dms_exp_scaledf(x, 0);
}

/* e^x - 1, also where that is close to x. */
DMS_FN float dms_expm1f(float x) {
    const float v = x > 89.0f ? 89.0f : x < -30.0f ? -30.0f : x;
    const float t = fmaf(v, 0x1.715476p+0f, DMS_ROUND_MAGIC);
    const float n = t - DMS_ROUND_MAGIC;
    float r = fmaf(n, -0x1.62e430p-1f, v);
    r = fmaf(n, 0x1.05c610p-29f, r);
    float p = 0x1.a02f32p-13f;
    p = fmaf(p, r, 0x1.6d78d2p-10f);
    p = fmaf(p, r, 0x1.111192p-7f);
    p = fmaf(p, r, 0x1.5554aap-5f);
    p = fmaf(p, r, 0x1.555554p-3f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p * r, r, r);
    const float s = dms_pow2f((int32_t)(dms_bits_of_float(t) - DMS_ROUND_MAGIC_BITS) - 1);
    const float y = 2.0f * fmaf(s, p, s - 0.5f);
    return x == 0.0f ? x : n == 0.0f ? p : y;
}

/* log(x + c) for a positive normal x and |c| below its ulp; infinity and below 0 as x stands. */
DMS_FN float dms_log_sumf(float x, float c) {
    const bool is_tiny = x < 0x1p-126f;
    const float scaled = is_tiny ? x * 0x1p+23f : x;
    const uint32_t bits = dms_bits_of_float(scaled);
    const uint32_t above = bits - 0x3F3504F3u; /* sqrt(1/2): m lies in [sqrt(1/2), sqrt(2)) */
    const uint32_t e = above & 0xFF800000u;
    const float m = dms_float_of_bits(bits - e);
    const float k = (float)((int32_t)e >> 23) - (is_tiny ? 23.0f : 0.0f);
    const float f = m - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    float p = 0x1.de13bep-3f;
    p = fmaf(p, z, 0x1.245af6p-2f);
    p = fmaf(p, z, 0x1.9999eep-2f);
    p = fmaf(p, z, 0x1.555556p-1f);
    /* log m = f - f^2/2 + s (f^2/2 + z p); the largest terms are added last. */
    const float h = 0.5f * f * f;
    const float low = fmaf(k, -0x1.05c610p-29f, c / x);
    const float y = fmaf(k, 0x1.62e430p-1f, f - (h - fmaf(s, fmaf(p, z, h), low)));
    const float special = x == 0.0f ? -INFINITY : x < 0.0f ? NAN : x;
    return x > 0.0f && x < INFINITY ? y : special;
}

/* Natural logarithm: -inf at 0, NaN below. */
DMS_FN float dms_logf(float x) {
    return dms_log_sumf(x, 0.0f);
}

/* log(1 + x), also for x close to 0. */
DMS_FN float dms_log1pf(float x) {
    const float u = 1.0f + x;
    const float c = x < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x); /* what the sum lost */
    const float y = dms_log_sumf(u, u > 0.0f && u < INFINITY ? c : 0.0f);
    return x == 0.0f ? x : y;
}

/* Hyperbolic tangent. */
DMS_FN float dms_tanhf(float x) {
    const float a = dms_absf(x);
    const float z = x * x;
    float p = -0x1.75e1e4p-8f;
    p = fmaf(p, z, 0x1.5226a2p-6f);
    p = fmaf(p, z, -0x1.b83c5cp-5f);
    p = fmaf(p, z, 0x1.110726p-3f);
    p = fmaf(p, z, -0x1.555532p-2f);
    const float near = fmaf(p * z, x, x);
    const float far = 1.0f - 2.0f / (dms_expf(a + a) + 1.0f);
    return a < 0.625f ? near : dms_copysignf(far, x);
}

/* 1 / (1 + e^-x), also where that is a denormal. */
DMS_FN float dms_sigmoidf(float x) {
    const float e = dms_expf(-dms_absf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* The error function. */
DMS_FN float dms_erff(float x) {
    const float a = dms_absf(x);
    const float z = x * x;
    float p = 0x1.5489c6p-14f;
    p = fmaf(p, z, -0x1.a7ad0ap-11f);
    p = fmaf(p, z, 0x1.547be6p-8f);
    p = fmaf(p, z, -0x1.b80684p-6f);
    p = fmaf(p, z, 0x1.ce2da8p-4f);
    p = fmaf(p, z, -0x1.812742p-2f);
    p = fmaf(p, z, 0x1.06eba8p-3f);
    const float near = fmaf(p, x, x);
    const float t = a > 4.0f ? 4.0f : a;
    float q = 0x1.67cbacp-16f; /* -log(erfc(t)) */
    q = fmaf(q, t, -0x1.cbd4b8p-12f);
    q = fmaf(q, t, 0x1.12a6cep-8f);
    q = fmaf(q, t, -0x1.9c6a28p-6f);
    q = fmaf(q, t, 0x1.bbd94cp-4f);
    q = fmaf(q, t, 0x1.443c48p-1f);
    q = fmaf(q, t, 0x1.212a52p+0f);
    q = fmaf(q, t, -0x1.7ea460p-13f);
    const float far = 1.0f - dms_expf(-q);
    return a < 0.96f ? near : dms_copysignf(far, x);
}

/* An angle as `quadrant` quarter turns and a rest within [-pi/4, pi/4]. */
typedef struct dms_angle {
    float rest;
    uint32_t quadrant; /* only its last two bits count */
} dms_angle;

/* Up to here three parts of pi/2 reduce an angle without loss. */
#define DMS_ANGLE_LIMIT 131072.0f

/* Reduction of |x| <= DMS_ANGLE_LIMIT; a NaN for infinities and NaN. */
DMS_FN dms_angle dms_angle_nearf(float x) {
    const float t = fmaf(x, 0x1.45f306p-1f, DMS_ROUND_MAGIC);
    const float n = t - DMS_ROUND_MAGIC;
    float r = fmaf(n, -0x1.921fb6p+0f, x);
    r = fmaf(n, 0x1.777a5cp-25f, r);
    r = fmaf(n, 0x1.ee59dap-50f, r);
    return (dms_angle){r, dms_bits_of_float(t)};
}

/* Reduction of any finite |x| >= 2^17: x is an integer of 24 bits times 2^e, and only the bits of
 * 2/pi from weight 2^(2-e) on decide where in the four quadrants it falls (Payne and Hanek). */
DMS_FN dms_angle dms_angle_farf(float x) {
    static const uint64_t two_over_pi[6] = {0, /* integer part, then the fraction */
                                            0xA2F9836E4E441529u,
                                            0xFC2757D1F534DDC0u,
                                            0xDB6295993C439041u,
                                            0xFE5163ABDEBBC561u,
                                            0};
    const uint32_t bits = dms_bits_of_float(x);
    const int32_t e = (int32_t)(bits >> 23 & 0xFFu) - 150;
    const uint32_t from = (uint32_t)(e + 62); /* first bit of the window of 128 */
    const uint32_t w = from / 64, s = from % 64;
    const uint64_t *word = &two_over_pi[w];
    const uint64_t high = s == 0 ? word[0] : word[0] << s | word[1] >> (64 - s);
    const uint64_t low = s == 0 ? word[1] : word[1] << s | word[2] >> (64 - s);
    const uint64_t m = (bits & 0x7FFFFFu) | 0x800000u;
    const uint64_t carry = (m * (low >> 32) + (m * (low & 0xFFFFFFFFu) >> 32)) >> 32;
    const uint64_t turn = m * high + carry;
    const uint64_t quadrant = (turn + (1ull << 61)) >> 62;
    const int64_t rest = (int64_t)(turn - (quadrant << 62));
    const float r = (float)((double)rest * 0x1p-62 * 0x1.921fb54442d18p+0);
    const bool is_negative = bits >> 31 != 0;
    return (dms_angle){is_negative ? -r : r, (uint32_t)(is_negative ? 0 - quadrant : quadrant)};
}

/* sin(quadrant pi/2 + rest); quadrant + 1 gives the cosine. */
DMS_FN float dms_sin_of_anglef(float r, uint32_t quadrant) {
    const float z = r * r;
    float s = 0x1.6cbecap-19f;
    s = fmaf(s, z, -0x1.a00f32p-13f);
    s = fmaf(s, z, 0x1.111108p-7f);
    s = fmaf(s, z, -0x1.555556p-3f);
    s = fmaf(s * z, r, r);
    float c = 0x1.99e362p-16f;
    c = fmaf(c, z, -0x1.6c0c22p-10f);
    c = fmaf(c, z, 0x1.55554ap-5f);
    c = fmaf(c * z, z, fmaf(z, -0.5f, 1.0f));
    const float y = (quadrant & 1u) != 0 ? c : s;
    return dms_float_of_bits(dms_bits_of_float(y) ^ (quadrant & 2u) << 30);
}

/* Whether an angle needs dms_angle_farf. Loops test a whole tile first: the near path alone is
 * vectorised. */
DMS_FN bool dms_angle_is_farf(float x) {
    const float a = dms_absf(x);
    return a > DMS_ANGLE_LIMIT && a < INFINITY;
}

/* sin x for |x| <= DMS_ANGLE_LIMIT. */
DMS_FN float dms_sin_nearf(float x) {
    const dms_angle angle = dms_angle_nearf(x);
    return x == 0.0f ? x : dms_sin_of_anglef(angle.rest, angle.quadrant);
}

/* cos x for |x| <= DMS_ANGLE_LIMIT. */
DMS_FN float dms_cos_nearf(float x) {
    const dms_angle angle = dms_angle_nearf(x);
    return dms_sin_of_anglef(angle.rest, angle.quadrant + 1u);
}

/* sin x for every x. */
DMS_FN float dms_sinf(float x) {
    if (!dms_angle_is_farf(x))
        return dms_sin_nearf(x);
    const dms_angle angle = dms_angle_farf(x);
    return dms_sin_of_anglef(angle.rest, angle.quadrant);
}

/* cos x for every x. */
DMS_FN float dms_cosf(float x) {
    if (!dms_angle_is_farf(x))
        return dms_cos_nearf(x);
    const dms_angle angle = dms_angle_farf(x);
    return dms_sin_of_anglef(angle.rest, angle.quadrant + 1u);
}

#endif
