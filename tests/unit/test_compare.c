/* test_compare.c - which elements pass against a reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "runtime/compare.h"

static dms_view vector(dms_dtype dtype, int64_t n) {
    dms_view view;
    assert_true(dms_view_dense(dtype, 1, &n, &view));
    return view;
}

static dms_difference compare_as(dms_dtype dtype, const void *got, dms_dtype ref_dtype,
                                 const void *ref, int64_t n, double rtol, double atol) {
    const dms_view a = vector(dtype, n), b = vector(ref_dtype, n);
    dms_difference d;
    assert_int_equal(dms_compare(&a, got, &b, ref, &(dms_tolerance){rtol, atol}, &d, NULL), DMS_OK);
    assert_int_equal(d.n_elements, n);
    return d;
}

static dms_difference compare_floats(const float *got, const float *ref, int64_t n, double rtol,
                                     double atol) {
    return compare_as(DMS_DTYPE_F32, got, DMS_DTYPE_F32, ref, n, rtol, atol);
}

static void the_limit_is_atol_plus_rtol_times_the_reference(void **state) {
    (void)state;
    const float ref[3] = {100, 1, 0}, got[3] = {101, 1.25f, 0.125f};
    assert_int_equal(compare_floats(got, ref, 3, 0.01, 0.25).n_failed, 0);
    const dms_difference d = compare_floats(got, ref, 3, 0.01, 0.125);
    assert_int_equal(d.n_failed, 1); /* 0.25 > 0.125 + 0.01 */
    assert_int_equal(d.first_failed, 1);
    assert_true(d.got == 1.25 && d.reference == 1);
    assert_true(d.max_abs == 1 && d.max_rel == 0.25);
}

static void without_tolerances_the_largest_reference_sets_the_scale(void **state) {
    (void)state;
    const float ref[2] = {1000, 0}, good[2] = {1000, 0.09f}, bad[2] = {1000, 0.11f};
    assert_int_equal(compare_floats(good, ref, 2, -1, -1).n_failed, 0); /* atol 0.1 */
    assert_int_equal(compare_floats(bad, ref, 2, -1, -1).n_failed, 1);
    const float one[1] = {1000}, near[1] = {1001};
    assert_int_equal(compare_floats(near, one, 1, -1, -1).n_failed, 0); /* rtol 1e-3 */
}

static void nan_passes_against_nan_only(void **state) {
    (void)state;
    const float ref[3] = {NAN, NAN, 1}, got[3] = {NAN, 1, NAN};
    const dms_difference d = compare_floats(got, ref, 3, 1, 1e30);
    assert_int_equal(d.n_failed, 2);
    assert_int_equal(d.first_failed, 1);
    assert_true(isinf(d.max_abs));
}

static void infinities_pass_against_themselves_only(void **state) {
    (void)state;
    const float ref[4] = {INFINITY, -INFINITY, INFINITY, 1};
    const float got[4] = {INFINITY, -INFINITY, -INFINITY, INFINITY};
    const dms_difference d = compare_floats(got, ref, 4, 1, 1e30);
    assert_int_equal(d.n_failed, 2);
    assert_int_equal(d.first_failed, 2);
}

static void signed_zeros_are_equal(void **state) {
    (void)state;
    const float ref[1] = {0.0f}, got[1] = {-0.0f};
    assert_int_equal(compare_floats(got, ref, 1, 0, 0).n_failed, 0);
}

static void integers_must_be_equal_unless_a_whole_one_is_allowed(void **state) {
    (void)state;
    const int64_t ref[2] = {9007199254740993, 5}, got[2] = {9007199254740992, 5};
    const dms_dtype t = DMS_DTYPE_I64;
    assert_int_equal(compare_as(t, got, t, ref, 2, 0.5, 0.9).n_failed, 1); /* equal as doubles */
    assert_int_equal(compare_as(t, got, t, ref, 2, 0, 1).n_failed, 0);
    const uint8_t a[2] = {1, 0}, b[2] = {1, 1};
    assert_int_equal(compare_as(DMS_DTYPE_BOOL, a, DMS_DTYPE_BOOL, b, 2, 1, 0).n_failed, 1);
}

static void narrow_floats_compare_by_value(void **state) {
    (void)state;
    const uint16_t half[5] = {0x3c00, 0xc000, 0x0001, 0x7c00, 0x7e00}; /* 1 -2 2^-24 inf NaN */
    const float values[5] = {1, -2, 0x1p-24f, INFINITY, NAN};
    assert_int_equal(compare_as(DMS_DTYPE_F16, half, DMS_DTYPE_F32, values, 5, 0, 0).n_failed, 0);
    const uint16_t brain[2] = {0x3f80, 0xc040}; /* 1 -3 */
    const float brain_values[2] = {1, -3};
    assert_int_equal(
        compare_as(DMS_DTYPE_BF16, brain, DMS_DTYPE_F32, brain_values, 2, 0, 0).n_failed, 0);
    assert_int_equal(compare_as(DMS_DTYPE_BF16, brain, DMS_DTYPE_U16, brain, 2, 0, 0).n_failed, 0);
}

/* Relative to a reference of 0 nothing can be; the largest ratio is that of the others. */
static void the_largest_differences_are_kept_apart(void **state) {
    (void)state;
    const float ref[4] = {0, 8, -2, 100}, got[4] = {0.5f, 9, -3, 101};
    const dms_difference d = compare_floats(got, ref, 4, 0, 0);
    assert_int_equal(d.n_failed, 4);
    assert_int_equal(d.first_failed, 0);
    assert_true(d.max_abs == 1);
    assert_true(d.max_rel == 0.5); /* of -2 */
}

static void what_passes_still_counts_for_the_largest(void **state) {
    (void)state;
    const float ref[2] = {1, 4}, got[2] = {1.25f, 4.5f};
    const dms_difference d = compare_floats(got, ref, 2, 0, 1);
    assert_int_equal(d.n_failed, 0);
    assert_int_equal(d.first_failed, -1);
    assert_true(d.max_abs == 0.5 && d.max_rel == 0.25);
}

/* Infinities and NaN do not set the scale: -100 does, so 0.01 is allowed. */
static void the_scale_is_that_of_the_largest_finite_reference(void **state) {
    (void)state;
    const float ref[4] = {INFINITY, NAN, -100, 0}, good[4] = {INFINITY, NAN, -100, 0.009f};
    const float bad[4] = {INFINITY, NAN, -100, 0.011f};
    assert_int_equal(compare_floats(good, ref, 4, 0, -1).n_failed, 0);
    assert_int_equal(compare_floats(bad, ref, 4, 0, -1).n_failed, 1);
    const float endless[1] = {-INFINITY}, zero[1] = {0}, tiny[1] = {1e-30f};
    assert_int_equal(compare_floats(endless, endless, 1, -1, -1).n_failed, 0);
    assert_int_equal(compare_floats(tiny, zero, 1, -1, -1).n_failed, 1); /* all zeros: no scale */
}

static void tensors_without_elements_are_equal(void **state) {
    (void)state;
    const dms_difference d = compare_floats(NULL, NULL, 0, 0, 0);
    assert_int_equal(d.n_failed, 0);
    assert_true(d.max_abs == 0 && d.max_rel == 0);
}

/* Every integer type: its extremes are read with their sign, and one more is one more. */
static void integers_of_every_width_keep_their_sign(void **state) {
    (void)state;
    static const struct {
        dms_dtype dtype;
        double low, high;
    } one[] = {{DMS_DTYPE_I8, -128, 127},
               {DMS_DTYPE_I16, -32768, 32767},
               {DMS_DTYPE_I32, -2147483648.0, 2147483647.0},
               {DMS_DTYPE_I64, -0x1p63, 0x1p63},
               {DMS_DTYPE_U8, 0, 255},
               {DMS_DTYPE_U16, 0, 65535},
               {DMS_DTYPE_U32, 0, 4294967295.0},
               {DMS_DTYPE_U64, 0, 0x1p64}};
    for (size_t k = 0; k < sizeof one / sizeof *one; k++) {
        const bool is_signed = one[k].low < 0;
        const uint64_t bits = 8 * dms_dtype_bytes(one[k].dtype);
        const uint64_t all = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
        const uint64_t low = is_signed ? UINT64_C(1) << (bits - 1) : 0;
        const uint64_t high = is_signed ? low - 1 : all;
        const dms_difference d = compare_as(one[k].dtype, &low, one[k].dtype, &high, 1, 0, 0);
        assert_int_equal(d.n_failed, 1);
        assert_true(d.got == one[k].low && d.reference == one[k].high);
        assert_int_equal(compare_as(one[k].dtype, &low, one[k].dtype, &low, 1, 0, 0).n_failed, 0);
    }
}

/* f64 against f32 and the other way round: by value, so 0.1 is not 0.1f. */
static void wide_and_narrow_reals_compare_by_value(void **state) {
    (void)state;
    const double wide[2] = {0.5, 0.1};
    const float narrow[2] = {0.5f, 0.1f};
    const dms_difference d = compare_as(DMS_DTYPE_F64, wide, DMS_DTYPE_F32, narrow, 2, 0, 0);
    assert_int_equal(d.n_failed, 1);
    assert_int_equal(d.first_failed, 1);
    assert_true(d.max_abs < 1e-8);
    assert_int_equal(compare_as(DMS_DTYPE_F32, narrow, DMS_DTYPE_F64, wide, 2, 0x1p-23, 0).n_failed,
                     0);
}

static void other_dims_or_types_are_a_difference(void **state) {
    (void)state;
    const float data[6] = {0};
    const dms_tolerance t = {0, 0};
    dms_difference d;
    dms_status st;
    dms_view a = vector(DMS_DTYPE_F32, 6), b = vector(DMS_DTYPE_F32, 5);
    assert_int_equal(dms_compare(&a, data, &b, data, &t, &d, &st), DMS_EDIFFERS);
    assert_string_equal(st.msg, "is f32 [6], the reference is f32 [5]");
    b = vector(DMS_DTYPE_I32, 6);
    assert_int_equal(dms_compare(&a, data, &b, data, &t, &d, &st), DMS_EDIFFERS);
    a = vector(DMS_DTYPE_I64, 3);
    b = vector(DMS_DTYPE_I32, 3);
    assert_int_equal(dms_compare(&a, data, &b, data, &t, &d, &st), DMS_EDIFFERS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_atol_plus_rtol_times_the_reference),
        cmocka_unit_test(without_tolerances_the_largest_reference_sets_the_scale),
        cmocka_unit_test(nan_passes_against_nan_only),
        cmocka_unit_test(infinities_pass_against_themselves_only),
        cmocka_unit_test(signed_zeros_are_equal),
        cmocka_unit_test(integers_must_be_equal_unless_a_whole_one_is_allowed),
        cmocka_unit_test(narrow_floats_compare_by_value),
        cmocka_unit_test(the_largest_differences_are_kept_apart),
        cmocka_unit_test(what_passes_still_counts_for_the_largest),
        cmocka_unit_test(the_scale_is_that_of_the_largest_finite_reference),
        cmocka_unit_test(tensors_without_elements_are_equal),
        cmocka_unit_test(integers_of_every_width_keep_their_sign),
        cmocka_unit_test(wide_and_narrow_reals_compare_by_value),
        cmocka_unit_test(other_dims_or_types_are_a_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
