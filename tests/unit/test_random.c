/* test_random.c - made-up numbers: the published words, an even spread, the same bits always. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "runtime/random.h"
#include "support_case.h"

#define GOLDEN 0x9e3779b97f4a7c15u
enum { WORDS = 4096 };

/* One element as a number. */
static double value(dms_dtype dtype, uint64_t word, double scale) {
    const uint64_t bits = dms_random_bits(dtype, word, scale);
    const uint32_t low = (uint32_t)bits;
    double wide;
    float narrow;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &low, sizeof narrow);
    if (dtype == DMS_DTYPE_F64)
        return wide;
    if (dtype == DMS_DTYPE_F32)
        return (double)narrow;
    if (dtype == DMS_DTYPE_F16)
        return case_value_of_half((uint16_t)bits);
    return dtype == DMS_DTYPE_BF16 ? case_value_of_brain((uint16_t)bits) : (double)bits;
}

/* splitmix64 from seed 0: its state grows by a constant, so word k is the hash of k constants. */
static void words_are_those_of_the_published_generator(void **state) {
    (void)state;
    static const uint64_t published[] = {0xe220a8397b1dcdafu, 0x6e789e6aa1b965f4u,
                                         0x06c45d188009454fu, 0xf88bb8a8724c81ecu};
    for (uint64_t k = 0; k < 4; k++)
        assert_true(dms_random_word(k * GOLDEN) == published[k]);
}

static void neighbouring_keys_have_nothing_in_common(void **state) {
    (void)state;
    for (uint64_t key = 0; key < 1000; key++) {
        const int differing = __builtin_popcountll(dms_random_word(key) ^ dms_random_word(key + 1));
        assert_in_range(differing, 8, 56);
    }
}

static const dms_dtype floats[] = {DMS_DTYPE_F32, DMS_DTYPE_F64, DMS_DTYPE_F16, DMS_DTYPE_BF16};

/* [-scale, scale): the mean is near 0, the variance near scale^2 / 3, both ends are neared. */
static void reals_are_spread_evenly_over_their_range(void **state) {
    (void)state;
    static const double scale[] = {1, 0.25, 4};
    for (uint32_t d = 0; d < 4; d++)
        for (uint32_t s = 0; s < 3; s++) {
            double sum = 0, squares = 0, low = 0, high = 0;
            for (uint64_t k = 0; k < WORDS; k++) {
                const double x = value(floats[d], dms_random_word(k), scale[s]) / scale[s];
                assert_true(x >= -1 && x < 1);
                sum += x;
                squares += x * x;
                low = fmin(low, x);
                high = fmax(high, x);
            }
            assert_true(fabs(sum / WORDS) < 0.03);
            assert_true(fabs(squares / WORDS - 1.0 / 3) < 0.02);
            assert_true(low < -0.99 && high > 0.99);
        }
}

/* The smallest word is the lower end; the largest stays below the upper one. */
static void the_ends_of_the_range_are_those_of_the_words(void **state) {
    (void)state;
    for (uint32_t d = 0; d < 4; d++) {
        assert_true(value(floats[d], 0, 2) == -2);
        assert_true(value(floats[d], UINT64_MAX, 2) < 2);
        assert_true(value(floats[d], UINT64_MAX, 2) > 1.98);
        assert_true(value(floats[d], UINT64_C(1) << 63, 2) == 0);
    }
}

/* A narrow float is the f32 cut off, so that weights of all widths look alike. */
static void narrow_reals_are_the_wide_ones_cut_off(void **state) {
    (void)state;
    for (uint64_t k = 0; k < WORDS; k++) {
        const uint64_t word = dms_random_word(k);
        const double x = value(DMS_DTYPE_F32, word, 1);
        const double brain = value(DMS_DTYPE_BF16, word, 1), half = value(DMS_DTYPE_F16, word, 1);
        assert_true(fabs(brain) <= fabs(x) && fabs(x) - fabs(brain) <= fabs(x) * 0x1p-7);
        if (fabs(x) >= 0x1p-14) /* the smallest normal number */
            assert_true(fabs(half) <= fabs(x) && fabs(x) - fabs(half) <= fabs(x) * 0x1p-10);
        else
            assert_true(half == 0);
        assert_true(half == 0 || signbit(half) == signbit(x));
    }
}

/* The upper 24 bits of a word count steps of 2^-23 from -1: 2^23 + 2^9 of them lead to 2^-14, the
 * smallest normal f16; what is smaller becomes 0, what is 65536 has no f16. */
static void what_no_normal_half_can_hold_becomes_0(void **state) {
    (void)state;
    const uint64_t middle = UINT64_C(1) << 23;
    assert_true(value(DMS_DTYPE_F16, (middle + 512) << 40, 1) == 0x1p-14);
    assert_true(value(DMS_DTYPE_F16, (middle + 511) << 40, 1) == 0);
    assert_true(value(DMS_DTYPE_F16, (middle - 512) << 40, 1) == -0x1p-14);
    assert_true(value(DMS_DTYPE_F16, 0, 32768) == -32768);
    assert_true(value(DMS_DTYPE_F16, 0, 65536) == 0);
}

static void integers_and_truths_are_0_or_1(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_I64, DMS_DTYPE_I32, DMS_DTYPE_I16,
                                      DMS_DTYPE_I8,  DMS_DTYPE_U64, DMS_DTYPE_U32,
                                      DMS_DTYPE_U16, DMS_DTYPE_U8,  DMS_DTYPE_BOOL};
    for (uint32_t d = 0; d < sizeof types / sizeof *types; d++) {
        uint32_t ones = 0;
        for (uint64_t k = 0; k < WORDS; k++) {
            const uint64_t bits = dms_random_bits(types[d], dms_random_word(k), 100);
            assert_true(bits <= 1);
            ones += (uint32_t)bits;
        }
        assert_in_range(ones, WORDS / 2 - 200, WORDS / 2 + 200);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_published_generator),
        cmocka_unit_test(neighbouring_keys_have_nothing_in_common),
        cmocka_unit_test(reals_are_spread_evenly_over_their_range),
        cmocka_unit_test(the_ends_of_the_range_are_those_of_the_words),
        cmocka_unit_test(narrow_reals_are_the_wide_ones_cut_off),
        cmocka_unit_test(what_no_normal_half_can_hold_becomes_0),
        cmocka_unit_test(integers_and_truths_are_0_or_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
