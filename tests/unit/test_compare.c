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
        cmocka_unit_test(other_dims_or_types_are_a_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
