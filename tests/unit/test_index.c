/* test_index.c - gathers, scatters and ONE_HOT against loops over coordinates; indices out of
 * range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_case.h"

#define N(array) (sizeof(array) / sizeof *(array))

static const dms_dtype types[] = {DMS_DTYPE_BOOL, DMS_DTYPE_I8,  DMS_DTYPE_F16, DMS_DTYPE_F32,
                                  DMS_DTYPE_I64,  DMS_DTYPE_F64, DMS_DTYPE_U16};
static const dms_dtype numbers[] = {DMS_DTYPE_F32, DMS_DTYPE_F64, DMS_DTYPE_F16, DMS_DTYPE_I8,
                                    DMS_DTYPE_I32, DMS_DTYPE_I64, DMS_DTYPE_U8,  DMS_DTYPE_U64};
static const dms_dtype index_types[] = {DMS_DTYPE_I32, DMS_DTYPE_I64};

static int64_t index_of(const dms_view *view, const int64_t *coord) {
    int64_t index = 0;
    for (uint32_t k = 0; k < view->rank; k++)
        index = index * view->dim[k] + coord[k];
    return index;
}

static void coords_of(const dms_view *view, int64_t index, int64_t *coord) {
    for (uint32_t k = view->rank; k-- > 0; index /= view->dim[k])
        coord[k] = index % view->dim[k];
}

/* Fills an index operand with entries of [-n, n), in a fixed sequence that meets some twice. */
static void fill_indices(kernel_case *c, uint32_t operand, int64_t n) {
    for (int64_t e = 0; e < dms_view_count(&c->view[operand]); e++)
        case_set(c, operand, e, (double)((e * 7 + 3) % (2 * n) - n));
}

/* What an index means. */
static int64_t entry(const kernel_case *c, uint32_t operand, int64_t e, int64_t n) {
    const int64_t index = case_get_i(c, operand, e);
    return index < 0 ? index + n : index;
}

static dms_view view_of(int strided, dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    return strided ? case_strided(dtype, rank, dim, 2) : case_dense(dtype, rank, dim);
}

/* --- gathers */

static void gather_takes_entries_of_the_middle_axis(void **state) {
    (void)state;
    const int64_t x[] = {3, 7, 20}, idx[] = {9}, y[] = {3, 9, 20};
    for (size_t t = 0; t < N(types); t++)
        for (size_t i = 0; i < N(index_types); i++)
            for (int strided = 0; strided < 2; strided++) {
                kernel_case c;
                case_open(&c, DMS_K_GATHER);
                case_in(&c, view_of(strided, types[t], 3, x));
                case_in(&c, view_of(strided, index_types[i], 1, idx));
                fill_indices(&c, 1, 7);
                case_out(&c, view_of(strided, types[t], 3, y));
                case_run(&c);
                assert_int_equal(c.index_error, 0);
                for (int64_t e = 0; e < dms_view_count(&c.view[2]); e++) {
                    const int64_t from[] = {e / 180, entry(&c, 1, e / 20 % 9, 7), e % 20};
                    case_expect(&c, 2, e, case_get(&c, 0, index_of(&c.view[0], from)), 0, 0);
                }
                case_close(&c);
            }
}

static void a_large_gather_is_cut_into_parts(void **state) {
    (void)state;
    const int64_t x[] = {1, 50, 1000}, idx[] = {300}, y[] = {1, 300, 1000};
    kernel_case c;
    case_open(&c, DMS_K_GATHER);
    case_in(&c, case_dense(DMS_DTYPE_F32, 3, x));
    case_in(&c, case_dense(DMS_DTYPE_I64, 1, idx));
    fill_indices(&c, 1, 50);
    case_out(&c, case_dense(DMS_DTYPE_F32, 3, y));
    case_run(&c);
    assert_true(dms_cpu_kernel_find(DMS_K_GATHER, DMS_ISA_BASE)->parts(&c.call) > 1);
    for (int64_t j = 0; j < 300; j++)
        assert_memory_equal(case_at(&c, 2, j * 1000), case_at(&c, 0, entry(&c, 1, j, 50) * 1000),
                            4000);
    case_close(&c);
}

static void gather_elements_moves_along_one_axis(void **state) {
    (void)state;
    const int64_t x[] = {4, 5, 6}, idx[] = {3, 5, 4};
    for (size_t t = 0; t < N(types); t++)
        for (uint32_t axis = 0; axis < 3; axis++)
            for (int strided = 0; strided < 2; strided++) {
                kernel_case c;
                case_open(&c, DMS_K_GATHER_ELEMENTS);
                case_i(&c, axis);
                case_in(&c, view_of(strided, types[t], 3, x));
                case_in(&c, view_of(strided, DMS_DTYPE_I64, 3, idx));
                fill_indices(&c, 1, x[axis]);
                case_out(&c, view_of(strided, types[t], 3, idx));
                case_run(&c);
                for (int64_t e = 0; e < dms_view_count(&c.view[2]); e++) {
                    int64_t coord[3];
                    coords_of(&c.view[2], e, coord);
                    coord[axis] = entry(&c, 1, e, x[axis]);
                    case_expect(&c, 2, e, case_get(&c, 0, index_of(&c.view[0], coord)), 0, 0);
                }
                case_close(&c);
            }
}

static void gather_nd_takes_tuples_of_indices(void **state) {
    (void)state;
    const int64_t x[] = {2, 4, 5, 6}, idx[] = {2, 7, 2}, y[] = {2, 7, 6};
    for (size_t t = 0; t < N(types); t++)
        for (int strided = 0; strided < 2; strided++) {
            kernel_case c;
            case_open(&c, DMS_K_GATHER_ND);
            case_i(&c, 2);
            case_in(&c, view_of(strided, types[t], 4, x));
            case_in(&c, view_of(strided, DMS_DTYPE_I64, 3, idx));
            fill_indices(&c, 1, 4);
            case_out(&c, view_of(strided, types[t], 3, y));
            case_run(&c);
            for (int64_t e = 0; e < dms_view_count(&c.view[2]); e++) {
                const int64_t b = e / 42, j = e / 6;
                const int64_t from[] = {b, entry(&c, 1, 2 * j, 4), entry(&c, 1, 2 * j + 1, 5),
                                        e % 6};
                case_expect(&c, 2, e, case_get(&c, 0, index_of(&c.view[0], from)), 0, 0);
            }
            case_close(&c);
        }
}

static void indices_out_of_range_are_clamped_and_reported(void **state) {
    (void)state;
    const int64_t n = 4;
    const int64_t bad[] = {4, -5, INT64_MAX, INT64_MIN}, want[] = {3, 0, 3, 0};
    for (size_t k = 0; k < N(bad); k++) {
        kernel_case c;
        case_open(&c, DMS_K_GATHER);
        case_in(&c, case_dense(DMS_DTYPE_F32, 3, (int64_t[]){1, n, 2}));
        case_in(&c, case_dense(DMS_DTYPE_I64, 1, (int64_t[]){3}));
        fill_indices(&c, 1, n);
        *(int64_t *)case_at(&c, 1, 1) = bad[k];
        case_out(&c, case_dense(DMS_DTYPE_F32, 3, (int64_t[]){1, 3, 2}));
        case_run(&c);
        assert_int_equal(c.index_error, 2); /* 1 + operand 1 */
        case_expect(&c, 2, 2, case_get(&c, 0, want[k] * 2), 0, 0);
        case_close(&c);
    }
}

static void every_kernel_with_indices_reports_them(void **state) {
    (void)state;
    const uint32_t kernels[] = {DMS_K_GATHER_ELEMENTS, DMS_K_GATHER_ND, DMS_K_SCATTER_ELEMENTS,
                                DMS_K_SCATTER_ND};
    for (size_t k = 0; k < N(kernels); k++) {
        const bool is_scatter = k >= 2, is_nd = k % 2 != 0;
        kernel_case c;
        case_open(&c, kernels[k]);
        case_i(&c, is_nd ? 1 : 0);
        if (is_scatter)
            case_i(&c, 0);
        const int64_t x[] = {1, 4, 2}, x2[] = {4, 2}, idx3[] = {1, 3, 1}, idx[] = {3, 1};
        const int64_t y[] = {1, 3, 2}, upd[] = {3, 2};
        case_in(&c, is_nd && !is_scatter ? case_dense(DMS_DTYPE_F32, 3, x)
                                         : case_dense(DMS_DTYPE_F32, 2, x2));
        case_in(&c, is_nd && !is_scatter ? case_dense(DMS_DTYPE_I32, 3, idx3)
                                         : case_dense(DMS_DTYPE_I32, 2, idx));
        case_set(&c, 1, 0, 0);
        case_set(&c, 1, 1, -9);
        case_set(&c, 1, 2, 1);
        if (is_scatter)
            case_in(&c, case_dense(DMS_DTYPE_F32, 2, is_nd ? upd : idx));
        if (is_scatter)
            case_out(&c, case_dense(DMS_DTYPE_F32, 2, x2));
        else
            case_out(&c,
                     is_nd ? case_dense(DMS_DTYPE_F32, 3, y) : case_dense(DMS_DTYPE_F32, 2, idx));
        case_run(&c);
        assert_int_equal(c.index_error, 2);
        assert_true(dms_kernel_row_find(kernels[k])->has_index_data);
        case_close(&c);
    }
}

/* --- scatters */

static double reduce(int64_t reduction, double old, double new) {
    return reduction == 0   ? new
           : reduction == 1 ? old + new
           : reduction == 2 ? old *new
           : reduction == 3 ? (new < old ? new : old)
                            : (new > old ? new : old);
}

/* The oracle keeps y as numbers; small ones, which every type holds exactly. */
static double table[4 * 5 * 6];

static void expect_table(const kernel_case *c, uint32_t operand) {
    for (int64_t e = 0; e < dms_view_count(&c->view[operand]); e++) {
        double want = table[e];
        if (c->view[operand].dtype == DMS_DTYPE_I8)
            want = (double)(int8_t)(int64_t)want;
        if (c->view[operand].dtype == DMS_DTYPE_U8)
            want = (double)(uint8_t)(int64_t)want;
        case_expect(c, operand, e, want, 0, 0);
    }
}

/* Values from -2 to 2 (0 to 3 where there is no sign): products of several stay exact. */
static void small_values(kernel_case *c, uint32_t operand) {
    const bool is_unsigned =
        c->view[operand].dtype == DMS_DTYPE_U8 || c->view[operand].dtype == DMS_DTYPE_U64;
    for (int64_t e = 0; e < dms_view_count(&c->view[operand]); e++)
        case_set(c, operand, e,
                 (double)((e * 5 + 2) % (is_unsigned ? 4 : 5) - (is_unsigned ? 0 : 2)));
}

static void scatter_elements_applies_updates_in_order(void **state) {
    (void)state;
    const int64_t x[] = {4, 5, 6}, idx[] = {3, 4, 5};
    for (size_t t = 0; t < N(numbers); t++)
        for (int64_t reduction = 0; reduction < 5; reduction++)
            for (uint32_t axis = 0; axis < 3; axis++)
                for (int strided = 0; strided < 2; strided++) {
                    kernel_case c;
                    case_open(&c, DMS_K_SCATTER_ELEMENTS);
                    case_i(&c, axis);
                    case_i(&c, reduction);
                    case_in(&c, view_of(strided, numbers[t], 3, x));
                    small_values(&c, 0);
                    case_in(&c, view_of(strided, DMS_DTYPE_I64, 3, idx));
                    fill_indices(&c, 1, x[axis]);
                    case_in(&c, view_of(strided, numbers[t], 3, idx));
                    small_values(&c, 2);
                    case_out(&c, view_of(strided, numbers[t], 3, x));
                    if (strided)
                        case_in_place(&c, 0);
                    for (int64_t e = 0; e < 120; e++)
                        table[e] = case_get(&c, 0, e);
                    for (int64_t e = 0; e < 60; e++) {
                        int64_t coord[3];
                        coords_of(&c.view[1], e, coord);
                        coord[axis] = entry(&c, 1, e, x[axis]);
                        double *at = &table[index_of(&c.view[0], coord)];
                        *at = reduce(reduction, *at, case_get(&c, 2, e));
                    }
                    case_run(&c);
                    expect_table(&c, 3);
                    case_close(&c);
                }
}

static void scatter_nd_applies_whole_rows_in_order(void **state) {
    (void)state;
    const int64_t x[] = {4, 5, 6}, idx[] = {9, 2}, upd[] = {9, 6};
    for (size_t t = 0; t < N(numbers); t++)
        for (int64_t reduction = 0; reduction < 5; reduction++)
            for (int strided = 0; strided < 2; strided++) {
                kernel_case c;
                case_open(&c, DMS_K_SCATTER_ND);
                case_i(&c, 2);
                case_i(&c, reduction);
                case_in(&c, view_of(strided, numbers[t], 3, x));
                small_values(&c, 0);
                case_in(&c, view_of(strided, DMS_DTYPE_I32, 2, idx));
                fill_indices(&c, 1, 3); /* few places: some are met twice */
                case_in(&c, view_of(strided, numbers[t], 2, upd));
                small_values(&c, 2);
                case_out(&c, view_of(strided, numbers[t], 3, x));
                for (int64_t e = 0; e < 120; e++)
                    table[e] = case_get(&c, 0, e);
                for (int64_t e = 0; e < 54; e++) {
                    const int64_t j = e / 6;
                    const int64_t to[] = {entry(&c, 1, 2 * j, 4), entry(&c, 1, 2 * j + 1, 5),
                                          e % 6};
                    double *at = &table[index_of(&c.view[0], to)];
                    *at = reduce(reduction, *at, case_get(&c, 2, e));
                }
                case_run(&c);
                expect_table(&c, 3);
                case_close(&c);
            }
}

/* --- ONE_HOT */

static void one_hot_marks_the_index_and_nothing_outside(void **state) {
    (void)state;
    const dms_dtype any[] = {DMS_DTYPE_I64, DMS_DTYPE_I32, DMS_DTYPE_F32, DMS_DTYPE_U8};
    const double index[] = {0, 3, 4, 9, 1, 2, -1, -5, -6, 3};
    for (size_t i = 0; i < N(any); i++)
        for (size_t t = 0; t < N(types); t++) {
            kernel_case c;
            case_open(&c, DMS_K_ONE_HOT);
            case_in(&c, case_dense(any[i], 2, (int64_t[]){5, 2}));
            for (int64_t e = 0; e < 10; e++)
                case_set(&c, 0, e, any[i] == DMS_DTYPE_U8 && index[e] < 0 ? 7 : index[e]);
            case_in(&c, case_dense(types[t], 1, (int64_t[]){2}));
            case_set(&c, 1, 0, 0);
            case_set(&c, 1, 1, 1);
            case_out(&c, view_of(1, types[t], 3, (int64_t[]){5, 5, 2}));
            case_run(&c);
            assert_int_equal(c.index_error, 0);
            for (int64_t e = 0; e < 50; e++) {
                const int64_t hot = case_get_i(&c, 0, e / 10 * 2 + e % 2), d = e / 2 % 5;
                case_expect(&c, 2, e, hot == d || hot + 5 == d ? 1 : 0, 0, 0);
            }
            case_close(&c);
        }
}

static void one_hot_over_several_parts_sets_each_index_once(void **state) {
    (void)state;
    const int64_t tokens = 5, depth = 30000;
    kernel_case c;
    case_open(&c, DMS_K_ONE_HOT);
    case_in(&c, case_dense(DMS_DTYPE_I64, 2, (int64_t[]){tokens, 2}));
    for (int64_t e = 0; e < 2 * tokens; e++)
        case_set(&c, 0, e, (double)(e * 7919 % depth));
    case_in(&c, case_dense(DMS_DTYPE_U16, 1, (int64_t[]){2}));
    case_set(&c, 1, 0, 3);
    case_set(&c, 1, 1, 9);
    case_out(&c, case_dense(DMS_DTYPE_U16, 3, (int64_t[]){tokens, depth, 2}));
    case_run(&c);
    assert_true(dms_cpu_kernel_find(DMS_K_ONE_HOT, DMS_ISA_BASE)->parts(&c.call) > 1);
    int64_t hot = 0;
    for (int64_t e = 0; e < 2 * tokens * depth; e++)
        hot += case_get_i(&c, 2, e) == 9;
    assert_int_equal(hot, 2 * tokens);
    for (int64_t e = 0; e < 2 * tokens; e++)
        case_expect(&c, 2, (e / 2 * depth + e * 7919 % depth) * 2 + e % 2, 9, 0, 0);
    case_close(&c);
}

/* --- refusals */

static void operands_that_do_not_fit_are_refused(void **state) {
    (void)state;
    dms_status st;
    kernel_case c;
    case_open(&c, DMS_K_GATHER);
    case_in(&c, case_dense(DMS_DTYPE_F32, 3, (int64_t[]){2, 0, 4}));
    case_in(&c, case_dense(DMS_DTYPE_I64, 1, (int64_t[]){3}));
    case_out(&c, case_dense(DMS_DTYPE_F32, 3, (int64_t[]){2, 3, 4}));
    assert_non_null(strstr(case_refusal(&c, &st), "kernel 'gather', operand 0: has no entry"));
    c.view[0].dim[1] = 5;
    c.view[1].dtype = DMS_DTYPE_F32;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1: dtype f32"));
    c.view[1].dtype = DMS_DTYPE_I32;
    c.view[2].dim[1] = 4;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 2"));
    case_close(&c);
    case_open(&c, DMS_K_SCATTER_ELEMENTS);
    case_i(&c, 1);
    case_i(&c, 5);
    case_in(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 3}));
    case_in(&c, case_dense(DMS_DTYPE_I64, 2, (int64_t[]){3, 3}));
    case_in(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){3, 3}));
    case_out(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 3}));
    assert_non_null(strstr(case_refusal(&c, &st), "integer parameter 1 is 5"));
    c.i[1] = 1;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1: reaches beyond operand 0"));
    c.view[0].dtype = c.view[2].dtype = c.view[3].dtype = DMS_DTYPE_BOOL;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 0: dtype bool"));
    case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_takes_entries_of_the_middle_axis),
        cmocka_unit_test(a_large_gather_is_cut_into_parts),
        cmocka_unit_test(gather_elements_moves_along_one_axis),
        cmocka_unit_test(gather_nd_takes_tuples_of_indices),
        cmocka_unit_test(indices_out_of_range_are_clamped_and_reported),
        cmocka_unit_test(every_kernel_with_indices_reports_them),
        cmocka_unit_test(scatter_elements_applies_updates_in_order),
        cmocka_unit_test(scatter_nd_applies_whole_rows_in_order),
        cmocka_unit_test(one_hot_marks_the_index_and_nothing_outside),
        cmocka_unit_test(one_hot_over_several_parts_sets_each_index_once),
        cmocka_unit_test(operands_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
