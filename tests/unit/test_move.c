/* test_move.c - COPY, CONCAT, PAD, TRILU against loops over coordinates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_case.h"

#define N(array) (sizeof(array) / sizeof *(array))

/* One type of each size; f16 stands for 2 bytes. */
static const dms_dtype sizes[] = {DMS_DTYPE_U8, DMS_DTYPE_F16, DMS_DTYPE_F32, DMS_DTYPE_F64};

/* Row-major index of coordinates. */
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

/* --- COPY */

static void check_copy(dms_view x, dms_view y, int64_t backward) {
    kernel_case c;
    case_open(&c, DMS_K_COPY);
    case_i(&c, backward);
    case_in(&c, x);
    case_out(&c, y);
    case_run(&c);
    for (int64_t e = 0; e < dms_view_count(&y); e++) {
        int64_t coord[DMS_MAX_RANK];
        coords_of(&y, e, coord);
        for (uint32_t k = 0; k < y.rank; k++)
            if (backward >> k & 1)
                coord[k] = y.dim[k] - 1 - coord[k];
        const uint32_t size = dms_dtype_bytes(y.dtype);
        if (memcmp(case_at(&c, 1, e), case_at(&c, 0, index_of(&x, coord)), size) != 0)
            fail_msg("element %ld differs", (long)e);
    }
    case_close(&c);
}

/* The dense view of dims, with its axes in another order: what a Transpose lowers to. */
static dms_view permuted(dms_dtype dtype, uint32_t rank, const int64_t *dim, const uint32_t *perm) {
    const dms_view dense = case_dense(dtype, rank, dim);
    dms_view out = dense;
    for (uint32_t k = 0; k < rank; k++) {
        out.dim[k] = dense.dim[perm[k]];
        out.pitch[k] = dense.pitch[perm[k]];
    }
    return out;
}

static void dense_copies_are_exact_at_every_size(void **state) {
    (void)state;
    const int64_t dims[][3] = {{1, 1, 1}, {3, 5, 7}, {2, 300, 301}};
    for (size_t s = 0; s < N(sizes); s++)
        for (size_t d = 0; d < N(dims); d++)
            check_copy(case_dense(sizes[s], 3, dims[d]), case_dense(sizes[s], 3, dims[d]), 0);
    check_copy(case_dense(DMS_DTYPE_F32, 0, NULL), case_dense(DMS_DTYPE_F32, 0, NULL), 0);
}

static void matrices_of_every_shape_are_transposed(void **state) {
    (void)state;
    const uint32_t perm[] = {1, 0};
    const int64_t dims[][2] = {{1, 9},   {9, 1},   {4, 4},    {16, 16}, {17, 33},
                               {3, 100}, {100, 3}, {300, 70}, {64, 999}};
    for (size_t s = 0; s < N(sizes); s++)
        for (size_t d = 0; d < N(dims); d++) {
            const dms_view x = permuted(sizes[s], 2, dims[d], perm);
            check_copy(x, case_dense(sizes[s], 2, x.dim), 0);
        }
}

static void axes_are_permuted_in_any_order(void **state) {
    (void)state;
    const int64_t dim[] = {3, 5, 18, 7};
    for (uint32_t p = 0; p < 256; p++) {
        const uint32_t perm[] = {p & 3, p >> 2 & 3, p >> 4 & 3, p >> 6};
        if ((1u << perm[0] | 1u << perm[1] | 1u << perm[2] | 1u << perm[3]) != 15)
            continue;
        const dms_view x = permuted(DMS_DTYPE_F32, 4, dim, perm);
        check_copy(x, case_dense(DMS_DTYPE_F32, 4, x.dim), 0);
        check_copy(case_dense(DMS_DTYPE_F32, 4, x.dim), x, 0);
    }
    const int64_t deep[] = {2, 3, 2, 3, 2, 3, 2, 5};
    const uint32_t reverse[] = {7, 6, 5, 4, 3, 2, 1, 0};
    const dms_view x = permuted(DMS_DTYPE_F32, 8, deep, reverse);
    check_copy(x, case_dense(DMS_DTYPE_F32, 8, x.dim), 0);
}

static void strided_and_repeated_sources_are_expanded(void **state) {
    (void)state;
    const int64_t dim[] = {4, 6, 50};
    for (uint32_t mask = 0; mask < 8; mask++) {
        dms_view x = case_strided(DMS_DTYPE_F32, 3, dim, 2);
        for (uint32_t k = 0; k < 3; k++)
            if (mask >> k & 1)
                x.pitch[k] = 0;
        check_copy(x, case_dense(DMS_DTYPE_F32, 3, dim), 0);
        check_copy(x, case_strided(DMS_DTYPE_F32, 3, dim, 1), 0);
    }
}

static void axes_are_read_backwards_where_the_bit_is_set(void **state) {
    (void)state;
    const int64_t dim[] = {4, 6, 21};
    const uint32_t perm[] = {2, 1, 0};
    for (int64_t backward = 0; backward < 8; backward++)
        for (size_t s = 0; s < N(sizes); s++) {
            check_copy(case_dense(sizes[s], 3, dim), case_dense(sizes[s], 3, dim), backward);
            const dms_view x = permuted(sizes[s], 3, dim, perm);
            check_copy(x, case_dense(sizes[s], 3, x.dim), backward);
        }
}

static void copies_refuse_other_dims_types_and_bits(void **state) {
    (void)state;
    dms_status st;
    kernel_case c;
    case_open(&c, DMS_K_COPY);
    case_i(&c, 4);
    case_in(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 3}));
    case_out(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 3}));
    assert_non_null(strstr(case_refusal(&c, &st), "kernel 'copy': integer parameter 0 is 4"));
    c.i[0] = 0;
    c.view[1].dtype = DMS_DTYPE_I32;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1: dtype i32 differs from f32"));
    c.view[1].dtype = DMS_DTYPE_F32;
    c.view[1].dim[1] = 2;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1"));
    case_close(&c);
}

/* --- CONCAT */

static void inputs_lie_side_by_side_along_any_axis(void **state) {
    (void)state;
    const int64_t width[] = {3, 0, 40, 1};
    for (size_t s = 0; s < N(sizes); s++)
        for (uint32_t axis = 0; axis < 3; axis++) {
            kernel_case c;
            case_open(&c, DMS_K_CONCAT);
            case_i(&c, axis);
            int64_t dim[] = {5, 6, 35};
            for (size_t k = 0; k < N(width); k++) {
                dim[axis] = width[k];
                case_in(&c, k % 2 != 0 ? case_dense(sizes[s], 3, dim)
                                       : case_strided(sizes[s], 3, dim, 1));
            }
            dim[axis] = 44;
            case_out(&c, case_strided(sizes[s], 3, dim, 2));
            case_run(&c);
            for (int64_t e = 0; e < dms_view_count(&c.view[4]); e++) {
                int64_t coord[3];
                coords_of(&c.view[4], e, coord);
                uint32_t k = 0;
                for (; coord[axis] >= width[k]; k++)
                    coord[axis] -= width[k];
                case_expect(&c, 4, e, case_get(&c, k, index_of(&c.view[k], coord)), 0, 0);
            }
            case_close(&c);
        }
}

static void parts_of_several_inputs_are_found(void **state) {
    (void)state;
    const int64_t dim[] = {90000}, all[] = {270000};
    kernel_case c;
    case_open(&c, DMS_K_CONCAT);
    case_i(&c, 0);
    for (int k = 0; k < 3; k++)
        case_in(&c, case_dense(DMS_DTYPE_U8, 1, dim));
    case_out(&c, case_dense(DMS_DTYPE_U8, 1, all));
    case_run(&c);
    for (int64_t e = 0; e < all[0]; e++)
        if (*(uint8_t *)case_at(&c, 3, e) !=
            *(uint8_t *)case_at(&c, (uint32_t)(e / dim[0]), e % dim[0]))
            fail_msg("element %ld differs", (long)e);
    case_close(&c);
}

static void inputs_that_do_not_fill_the_output_are_refused(void **state) {
    (void)state;
    dms_status st;
    kernel_case c;
    case_open(&c, DMS_K_CONCAT);
    case_i(&c, 1);
    case_in(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 3}));
    case_in(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 4}));
    case_out(&c, case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 8}));
    assert_non_null(strstr(case_refusal(&c, &st), "leave 1 of its entries along axis 1"));
    c.view[2] = case_dense(DMS_DTYPE_F32, 2, (int64_t[]){2, 6});
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1: does not fit"));
    c.view[2] = case_dense(DMS_DTYPE_F32, 2, (int64_t[]){3, 7});
    assert_non_null(strstr(case_refusal(&c, &st), "wants 3 along axis 0"));
    c.i[0] = 2;
    assert_non_null(strstr(case_refusal(&c, &st), "integer parameter 0 is 2"));
    case_close(&c);
}

/* --- PAD */

/* Where an entry comes from, walked one step at a time. */
static int64_t source_of(int64_t mode, int64_t i, int64_t n) {
    int64_t step = 1, at = 0;
    if (i >= 0 && i < n)
        return i;
    if (mode == 0)
        return -1;
    if (mode == 1)
        return i < 0 ? 0 : n - 1;
    if (n == 1)
        return 0;
    step = i < 0 ? -1 : 1;
    for (int64_t k = 0; k != i; k += i < 0 ? -1 : 1) {
        if (mode == 2 && (at + step < 0 || at + step >= n))
            step = -step;
        at = mode == 2 ? at + step : (at + step + n) % n;
    }
    return at;
}

static void check_pad(dms_view x, dms_view y, int64_t mode, const int64_t *begin) {
    const uint32_t size = dms_dtype_bytes(x.dtype);
    const uint64_t value = 0x7777777777777777u;
    kernel_case c;
    case_open(&c, DMS_K_PAD);
    case_i(&c, mode);
    case_i(&c, size == 8 ? (int64_t)value : (int64_t)(value & ((UINT64_C(1) << 8 * size) - 1)));
    for (uint32_t k = 0; k < x.rank; k++)
        case_i(&c, begin[k]);
    case_in(&c, x);
    case_out(&c, y);
    case_run(&c);
    for (int64_t e = 0; e < dms_view_count(&y); e++) {
        int64_t coord[DMS_MAX_RANK];
        coords_of(&y, e, coord);
        bool is_value = false;
        for (uint32_t k = 0; k < y.rank; k++) {
            coord[k] = source_of(mode, coord[k] - begin[k], x.dim[k]);
            is_value |= coord[k] < 0;
        }
        const void *want = is_value ? &value : case_at(&c, 0, index_of(&x, coord));
        if (memcmp(case_at(&c, 1, e), want, size) != 0)
            fail_msg("mode %ld: element %ld differs", (long)mode, (long)e);
    }
    case_close(&c);
}

static void pads_follow_their_mode_on_every_side(void **state) {
    (void)state;
    const int64_t dim[] = {3, 4, 9};
    const struct {
        int64_t begin[3], y[3];
    } pads[] = {
        {{0, 0, 0}, {3, 4, 9}},   {{1, 2, 3}, {5, 8, 14}},  {{0, 0, 2}, {3, 4, 9}},
        {{-1, 0, -2}, {2, 4, 7}}, {{0, -3, 1}, {4, 2, 20}}, {{7, 9, 30}, {20, 30, 80}},
        {{0, 0, -9}, {3, 4, 3}},  {{4, 0, 0}, {3, 4, 9}},
    };
    for (size_t s = 0; s < N(sizes); s++)
        for (size_t p = 0; p < N(pads); p++)
            for (int64_t mode = 0; mode < 4; mode++) {
                check_pad(case_dense(sizes[s], 3, dim), case_dense(sizes[s], 3, pads[p].y), mode,
                          pads[p].begin);
                check_pad(case_strided(sizes[s], 3, dim, 1),
                          case_strided(sizes[s], 3, pads[p].y, 2), mode, pads[p].begin);
            }
}

/* Axes of one entry at the end make no rows of one element; one that grows there does. */
static void trailing_axes_of_one_entry_are_part_of_the_row(void **state) {
    (void)state;
    const int64_t x[4] = {2, 5, 1, 1}, y[4] = {3, 9, 1, 1}, grown[4] = {2, 7, 1, 3};
    for (size_t s = 0; s < N(sizes); s++)
        for (int64_t mode = 0; mode < 2; mode++) {
            check_pad(case_dense(sizes[s], 4, x), case_dense(sizes[s], 4, y), mode,
                      (int64_t[]){1, 2, 0, 0});
            check_pad(case_strided(sizes[s], 4, x, 1), case_strided(sizes[s], 4, y, 2), mode,
                      (int64_t[]){0, 4, 0, 0});
            check_pad(case_dense(sizes[s], 4, x), case_dense(sizes[s], 4, grown), mode,
                      (int64_t[]){0, 1, 0, 2});
        }
}

static void scalars_and_single_entries_are_padded(void **state) {
    (void)state;
    check_pad(case_dense(DMS_DTYPE_F32, 0, NULL), case_dense(DMS_DTYPE_F32, 0, NULL), 0, NULL);
    for (int64_t mode = 0; mode < 4; mode++)
        check_pad(case_dense(DMS_DTYPE_F32, 1, (int64_t[]){1}),
                  case_dense(DMS_DTYPE_F32, 1, (int64_t[]){5}), mode, (int64_t[]){2});
    check_pad(case_dense(DMS_DTYPE_F32, 1, (int64_t[]){0}),
              case_dense(DMS_DTYPE_F32, 1, (int64_t[]){5}), 0, (int64_t[]){2});
}

static void pads_without_anything_to_repeat_are_refused(void **state) {
    (void)state;
    dms_status st;
    kernel_case c;
    case_open(&c, DMS_K_PAD);
    case_i(&c, 1);
    case_i(&c, 0);
    case_i(&c, 2);
    case_in(&c, case_dense(DMS_DTYPE_F32, 1, (int64_t[]){0}));
    case_out(&c, case_dense(DMS_DTYPE_F32, 1, (int64_t[]){4}));
    assert_non_null(strstr(case_refusal(&c, &st), "nothing to repeat along axis 0"));
    c.i[0] = 4;
    assert_non_null(strstr(case_refusal(&c, &st), "integer parameter 0 is 4"));
    c.call.n_i = 2;
    assert_non_null(strstr(case_refusal(&c, &st), "wants mode, value and 1 pads"));
    case_close(&c);
}

/* --- TRILU */

static void triangles_keep_one_side_of_any_diagonal(void **state) {
    (void)state;
    const int64_t dim[] = {3, 5, 8};
    const int64_t diagonal[] = {0, 1, -1, 4, -4, 100, -100, INT64_MAX, INT64_MIN};
    for (size_t s = 0; s < N(sizes); s++)
        for (int64_t upper = 0; upper < 2; upper++)
            for (size_t d = 0; d < N(diagonal); d++)
                for (int in_place = 0; in_place < 2; in_place++) {
                    kernel_case c;
                    case_open(&c, DMS_K_TRILU);
                    case_i(&c, upper);
                    case_i(&c, diagonal[d]);
                    case_in(&c, case_strided(sizes[s], 3, dim, 1));
                    case_out(&c, in_place ? case_strided(sizes[s], 3, dim, 1)
                                          : case_dense(sizes[s], 3, dim));
                    if (in_place)
                        case_in_place(&c, 0);
                    case_run(&c);
                    for (int64_t e = 0; e < dms_view_count(&c.view[1]); e++) {
                        const double k = (double)diagonal[d];
                        const double over = (double)(e % 8 - e / 8 % 5) - k;
                        const bool is_kept = upper ? over >= 0 : over <= 0;
                        case_expect(&c, 1, e, is_kept ? case_get(&c, 0, e) : 0, 0, 0);
                    }
                    case_close(&c);
                }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_copies_are_exact_at_every_size),
        cmocka_unit_test(matrices_of_every_shape_are_transposed),
        cmocka_unit_test(axes_are_permuted_in_any_order),
        cmocka_unit_test(strided_and_repeated_sources_are_expanded),
        cmocka_unit_test(axes_are_read_backwards_where_the_bit_is_set),
        cmocka_unit_test(copies_refuse_other_dims_types_and_bits),
        cmocka_unit_test(inputs_lie_side_by_side_along_any_axis),
        cmocka_unit_test(parts_of_several_inputs_are_found),
        cmocka_unit_test(inputs_that_do_not_fill_the_output_are_refused),
        cmocka_unit_test(pads_follow_their_mode_on_every_side),
        cmocka_unit_test(trailing_axes_of_one_entry_are_part_of_the_row),
        cmocka_unit_test(scalars_and_single_entries_are_padded),
        cmocka_unit_test(pads_without_anything_to_repeat_are_refused),
        cmocka_unit_test(triangles_keep_one_side_of_any_diagonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
