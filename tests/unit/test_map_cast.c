/* test_map_cast.c - CAST, SELECT, FILL, RANGE: every element type against its definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_case.h"

#define F32 DMS_DTYPE_F32
#define F64 DMS_DTYPE_F64
#define I32 DMS_DTYPE_I32
#define I64 DMS_DTYPE_I64
#define U8 DMS_DTYPE_U8
#define U32 DMS_DTYPE_U32
#define U64 DMS_DTYPE_U64
#define BOOL DMS_DTYPE_BOOL
#define N(array) (sizeof(array) / sizeof *(array))

static const dms_dtype all[] = {DMS_DTYPE_F32, DMS_DTYPE_F64, DMS_DTYPE_F16, DMS_DTYPE_BF16,
                                DMS_DTYPE_I8,  DMS_DTYPE_I16, DMS_DTYPE_I32, DMS_DTYPE_I64,
                                DMS_DTYPE_U8,  DMS_DTYPE_U16, DMS_DTYPE_U32, DMS_DTYPE_U64,
                                DMS_DTYPE_BOOL};

/* --- CAST */

static double want_cast(double x, dms_dtype to) {
    switch ((unsigned)to) {
    case DMS_DTYPE_F32:
        return (float)x;
    case DMS_DTYPE_F16:
        return case_value_of_half(case_half_of((float)x));
    case DMS_DTYPE_BF16:
        return case_value_of_brain(case_brain_of((float)x));
    case DMS_DTYPE_BOOL:
        return x != 0;
    case DMS_DTYPE_I8:
        return (int8_t)(int64_t)x;
    case DMS_DTYPE_I16:
        return (int16_t)(int64_t)x;
    case DMS_DTYPE_I32:
        return (int32_t)(int64_t)x;
    case DMS_DTYPE_U8:
        return (uint8_t)(int64_t)x;
    case DMS_DTYPE_U16:
        return (uint16_t)(int64_t)x;
    case DMS_DTYPE_U32:
        return (uint32_t)(int64_t)x;
    case DMS_DTYPE_I64:
        return (double)(int64_t)x;
    case DMS_DTYPE_U64:
        return (double)(uint64_t)(int64_t)x;
    }
    return x;
}

static void every_type_casts_to_every_type(void **state) {
    (void)state;
    const int64_t dim[] = {7, 150};
    for (size_t a = 0; a < N(all); a++)
        for (size_t b = 0; b < N(all); b++)
            for (int strided = 0; strided < 2; strided++) {
                kernel_case c;
                case_open(&c, DMS_K_CAST);
                case_i(&c, 0);
                case_in(&c, strided ? case_strided(all[a], 2, dim, 1) : case_dense(all[a], 2, dim));
                case_out(&c,
                         strided ? case_strided(all[b], 2, dim, 0) : case_dense(all[b], 2, dim));
                case_run(&c);
                const bool is_integer = !dms_dtype_is_float(all[a]) && all[b] != DMS_DTYPE_BOOL &&
                                        !dms_dtype_is_float(all[b]);
                for (int64_t e = 0; e < dim[0] * dim[1]; e++)
                    if (is_integer)
                        assert_int_equal(case_get_i(&c, 1, e),
                                         case_wrap(case_get_i(&c, 0, e), all[b]));
                    else
                        case_expect(&c, 1, e, want_cast(case_get(&c, 0, e), all[b]), 0, 0);
                case_close(&c);
            }
}

static void numbers_that_do_not_fit_follow_the_registers_of_x86(void **state) {
    (void)state;
    const struct {
        dms_dtype from, to;
        double x;
        int64_t want;
    } cases[] = {
        {F32, I32, 3e9, INT32_MIN},
        {F32, I32, -3e9, INT32_MIN},
        {F32, I32, (double)NAN, INT32_MIN},
        {F32, I64, 1e30, INT64_MIN},
        {F32, U8, 300, 44},
        {F32, U8, -1, 255},
        {F32, U32, 4e9, 4000000000},
        {F32, U64, 0x1.8p63, (int64_t)0xC000000000000000u},
        {F64, I32, -2147483648.9, INT32_MIN},
        {F64, I32, 2147483647.9, INT32_MAX},
        {F32, I32, -2.9, -2},
        {F32, BOOL, (double)NAN, 1},
        {F32, BOOL, -0.0, 0},
        {F32, BOOL, 0.25, 1},
    };
    const int64_t one = 1;
    for (size_t k = 0; k < N(cases); k++) {
        kernel_case c;
        case_open(&c, DMS_K_CAST);
        case_i(&c, 1);
        case_in(&c, case_dense(cases[k].from, 1, &one));
        case_set(&c, 0, 0, cases[k].x);
        case_out(&c, case_dense(cases[k].to, 1, &one));
        case_run(&c);
        if (case_get_i(&c, 1, 0) != cases[k].want)
            fail_msg("%s %g to %s gives %ld, wants %ld", dms_dtype_name(cases[k].from), cases[k].x,
                     dms_dtype_name(cases[k].to), (long)case_get_i(&c, 1, 0), (long)cases[k].want);
        case_close(&c);
    }
}

/* All 65,536 narrow floats widen to their value, and that narrows to them again. */
static void narrow_floats_survive_the_way_through_f32(void **state) {
    (void)state;
    const int64_t n = 65536;
    const dms_dtype narrow[] = {DMS_DTYPE_F16, DMS_DTYPE_BF16};
    for (size_t d = 0; d < N(narrow); d++) {
        kernel_case c;
        case_open(&c, DMS_K_CAST);
        case_i(&c, 0);
        case_in(&c, case_dense(narrow[d], 1, &n));
        for (int64_t e = 0; e < n; e++)
            *(uint16_t *)case_at(&c, 0, e) = (uint16_t)e;
        case_out(&c, case_dense(F32, 1, &n));
        case_run(&c);
        kernel_case back;
        case_open(&back, DMS_K_CAST);
        case_i(&back, 0);
        case_in(&back, case_dense(F32, 1, &n));
        for (int64_t e = 0; e < n; e++) {
            case_expect(&c, 1, e, case_get(&c, 0, e), 0, 0);
            memcpy(case_at(&back, 0, e), case_at(&c, 1, e), 4);
        }
        case_out(&back, case_dense(narrow[d], 1, &n));
        case_run(&back);
        for (int64_t e = 0; e < n; e++)
            if (!isnan(case_get(&c, 0, e)))
                assert_int_equal(*(uint16_t *)case_at(&back, 1, e), e);
        case_close(&c);
        case_close(&back);
    }
}

/* Every midpoint between two neighbours, and the floats just beside it. */
static void f32_narrows_to_nearest_even(void **state) {
    (void)state;
    const int64_t n = 3 * 0x7C00;
    kernel_case c;
    case_open(&c, DMS_K_CAST);
    case_i(&c, 0);
    case_in(&c, case_dense(F32, 1, &n));
    for (int64_t e = 0; e < n; e++) {
        const double low = case_value_of_half((uint16_t)(e / 3));
        const double high = e / 3 == 0x7BFF ? 65536.0 : case_value_of_half((uint16_t)(e / 3 + 1));
        const float middle = (float)((low + high) / 2);
        const float beside[] = {nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
        memcpy(case_at(&c, 0, e), &beside[e % 3], 4);
    }
    case_out(&c, case_dense(DMS_DTYPE_F16, 1, &n));
    case_run(&c);
    for (int64_t e = 0; e < n; e++)
        assert_int_equal(*(uint16_t *)case_at(&c, 1, e), case_half_of(case_get(&c, 0, e)));
    case_close(&c);
}

/* --- SELECT, FILL, RANGE */

static void select_takes_a_where_true_and_b_elsewhere(void **state) {
    (void)state;
    const int64_t dim[] = {6, 90};
    for (size_t d = 0; d < N(all); d++)
        for (int repeats = 0; repeats < 4; repeats++) {
            kernel_case c;
            case_open(&c, DMS_K_SELECT);
            case_in(&c, case_dense(BOOL, 2, dim));
            dms_view a = case_dense(all[d], 2, dim), b = case_strided(all[d], 2, dim, 1);
            if (repeats & 1)
                a.pitch[0] = a.pitch[1] = 0;
            if (repeats & 2) {
                b = a;
                b.pitch[1] = 0;
            }
            case_in(&c, a);
            case_in(&c, b);
            case_out(&c,
                     repeats == 0 ? case_strided(all[d], 2, dim, 0) : case_dense(all[d], 2, dim));
            case_run(&c);
            for (int64_t e = 0; e < dim[0] * dim[1]; e++)
                case_expect(&c, 3, e,
                            case_get(&c, 0, e) != 0 ? case_get(&c, 1, e) : case_get(&c, 2, e), 0,
                            0);
            case_close(&c);
        }
}

static void fill_writes_the_bits_everywhere(void **state) {
    (void)state;
    const struct {
        dms_dtype dtype;
        int64_t bits;
        double want;
    } cases[] = {{F32, 0x40490FDB, (double)3.14159274f},
                 {DMS_DTYPE_F16, 0x3C00, 1},
                 {I64, -5, -5},
                 {DMS_DTYPE_I8, 0xFE, -2},
                 {BOOL, 1, 1},
                 {DMS_DTYPE_U16, 0xFFFF, 65535}};
    const int64_t dim[] = {3, 5, 4};
    for (size_t k = 0; k < N(cases); k++) {
        kernel_case c;
        case_open(&c, DMS_K_FILL);
        case_i(&c, cases[k].bits);
        case_out(&c, case_strided(cases[k].dtype, 3, dim, 1));
        case_run(&c);
        for (int64_t e = 0; e < 60; e++)
            case_expect(&c, 0, e, cases[k].want, 0, 0);
        case_close(&c);
    }
}

static void range_counts_from_start_by_delta(void **state) {
    (void)state;
    const int64_t n = 70000;
    for (size_t d = 0; d < N(all) - 1; d++) {
        kernel_case c;
        case_open(&c, DMS_K_RANGE);
        case_i(&c, 100);
        case_i(&c, -3);
        case_f(&c, 10.5);
        case_f(&c, 0.25);
        case_out(&c, case_dense(all[d], 1, &n));
        case_run(&c);
        for (int64_t e = 0; e < n; e += 97) {
            const double want = dms_dtype_is_float(all[d])
                                    ? want_cast(10.5 + (double)e * 0.25, all[d])
                                    : want_cast(100 - 3 * (double)e, all[d]);
            case_expect(&c, 0, e, want, 0, 0);
        }
        case_close(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_casts_to_every_type),
        cmocka_unit_test(numbers_that_do_not_fit_follow_the_registers_of_x86),
        cmocka_unit_test(narrow_floats_survive_the_way_through_f32),
        cmocka_unit_test(f32_narrows_to_nearest_even),
        cmocka_unit_test(select_takes_a_where_true_and_b_elsewhere),
        cmocka_unit_test(fill_writes_the_bits_everywhere),
        cmocka_unit_test(range_counts_from_start_by_delta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
