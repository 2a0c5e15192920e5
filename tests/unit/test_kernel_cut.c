/* test_kernel_cut.c - cutting gives the bits of not cutting, at every granule and cell width, on
 * every instruction set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "support_call.h"
#include "support_scratch.h"

/* Runs a call at these addresses on an instruction set. */
static void run_on(call_case *c, const dms_call *call, void *const *operand, dms_isa isa) {
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(call->kernel, isa);
    assert_non_null(kernel);
    const dms_arena_mark mark = dms_arena_here(&c->arena);
    void *workspace = dms_alloc(&c->arena, dms_call_workspace(call, DMS_DEVICE_CPU) + 1, 1);
    assert_non_null(workspace);
    atomic_uint index_error = 0;
    const dms_cpu_job job = {call, operand, workspace, scratch_fresh(), &index_error};
    kernel->run(&job, 0, kernel->parts(call));
    dms_arena_release(&c->arena, mark);
}

static uint32_t result_of(const call_case *c) {
    return c->call.n_in;
}

/* Runs [first, end) of the extent; the piece must be a call of its own right. */
static void run_piece(call_case *c, const dms_cut *cut, int64_t first, int64_t end, dms_isa isa) {
    dms_view view[CALL_OPERANDS];
    int64_t i[DMS_MAX_PARAMS];
    void *operand[CALL_OPERANDS];
    dms_call piece;
    dms_status st = {0};
    assert_true(dms_call_slice(&c->call, cut, first, end, NULL, view, i, &piece));
    if (dms_call_check(&piece, &st) != DMS_OK)
        fail_msg("[%d, %d): %s", (int)first, (int)end, st.msg);
    for (uint32_t k = 0; k < c->call.n_in + c->call.n_out; k++)
        operand[k] = (uint8_t *)c->data[k] +
                     (view[k].offset - c->view[k].offset) * dms_dtype_bytes(view[k].dtype);
    run_on(c, &piece, operand, isa);
}

/* Every width in granules, on every instruction set, from the last cell to the first. */
static void every_width_gives_the_whole(call_case *c) {
    dms_cut cut;
    call_is_valid(c);
    const dms_kernel_row *row = dms_kernel_row_find(c->call.kernel);
    assert_true(row->cut != NULL && row->cut(&c->call, &cut));
    assert_true(cut.extent > 1 && cut.granule >= 1);
    const uint32_t y = result_of(c);
    const uint64_t bytes = dms_view_bytes(&c->view[y]);
    void *whole = dms_alloc(&c->arena, bytes, 1);
    assert_non_null(whole);
    run_on(c, &c->call, c->data, DMS_ISA_BASE);
    memcpy(whole, c->data[y], bytes);
    for (dms_isa isa = DMS_ISA_BASE; isa <= dms_isa_detect(); isa++)
        for (int64_t width = cut.granule; width < cut.extent + cut.granule; width += cut.granule) {
            memset(c->data[y], 0xee, bytes);
            const int64_t n = (cut.extent + width - 1) / width;
            for (int64_t k = n; k-- > 0;) {
                const int64_t end = (k + 1) * width < cut.extent ? (k + 1) * width : cut.extent;
                run_piece(c, &cut, k * width, end, isa);
            }
            if (memcmp(whole, c->data[y], bytes) != 0)
                fail_msg("cells of %d on set %d: other bits", (int)width, (int)isa);
        }
}

/* y[m, n] = a b (+ c, whose rows repeat). */
static void make_product(call_case *c, dms_dtype dtype, int64_t m, int64_t n, int64_t k,
                         bool has_bias) {
    const int64_t a[2] = {m, k}, b[2] = {k, n}, y[2] = {m, n}, i[2] = {0, n};
    const double f[2] = {1.5, 0.5};
    call_begin(c, DMS_K_MATMUL, (uint32_t)(m * 131 + n * 17 + k));
    call_in(c, dtype, 2, a);
    call_in(c, dtype, 2, b);
    if (has_bias)
        call_in_strided(c, dtype, 2, y, NULL, 0, 1);
    call_out(c, dtype, 2, y);
    call_params(c, 2, i, 2, f);
}

/* One column more or less than a panel, one row, a k beyond one segment of 256. */
static void products_are_cut_along_columns(void **state) {
    (void)state;
    static const int64_t shape[][3] = {{1, 17, 5},  {1, 64, 33},  {3, 15, 1},   {5, 16, 7},
                                       {4, 33, 16}, {2, 47, 300}, {9, 80, 257}, {13, 31, 64}};
    for (size_t k = 0; k < sizeof shape / sizeof *shape; k++)
        for (int has_bias = 0; has_bias < 2; has_bias++) {
            call_case c;
            make_product(&c, DMS_DTYPE_F32, shape[k][0], shape[k][1], shape[k][2], has_bias != 0);
            every_width_gives_the_whole(&c);
            call_free(&c);
        }
}

static void products_of_every_float_type_are_cut(void **state) {
    (void)state;
    static const dms_dtype type[] = {DMS_DTYPE_F16, DMS_DTYPE_BF16, DMS_DTYPE_F64};
    for (size_t k = 0; k < 3; k++) {
        call_case c;
        make_product(&c, type[k], 3, 50, 37, true);
        every_width_gives_the_whole(&c);
        call_free(&c);
    }
}

static void products_in_panels_are_cut_at_panels(void **state) {
    (void)state;
    for (int64_t n = 17; n <= 65; n += 16) {
        call_case c;
        make_product(&c, DMS_DTYPE_F32, 3, n, 40, true);
        call_runs_alike(&c);
        call_packs_alike(&c, 1);
        every_width_gives_the_whole(&c);
        call_free(&c);
    }
}

/* x[b,c,h,w] by w[m,c,kh,kw] at stride 1 with pads of 1. */
static void make_conv(call_case *c, dms_dtype dtype, int64_t m, int64_t channels, int64_t side,
                      int64_t kernel) {
    const int64_t x[4] = {2, channels, side, side + 1}, w[4] = {m, channels, kernel, kernel};
    const int64_t y[4] = {2, m, side + 3 - kernel, side + 4 - kernel};
    const int64_t i[7] = {1, 1, 1, 1, 1, 1, 1};
    call_begin(c, DMS_K_CONV, (uint32_t)(m * 31 + channels * 7 + side));
    call_in(c, dtype, 4, x);
    call_in(c, dtype, 4, w);
    call_in(c, dtype, 1, &m);
    call_out(c, dtype, 4, y);
    call_params(c, 7, i, 0, NULL);
}

static void convolutions_are_cut_along_output_channels(void **state) {
    (void)state;
    static const int64_t shape[][4] = {{17, 3, 5, 3}, {33, 2, 4, 1}, {48, 5, 3, 3}, {20, 1, 6, 2}};
    for (size_t k = 0; k < sizeof shape / sizeof *shape; k++) {
        call_case c;
        make_conv(&c, DMS_DTYPE_F32, shape[k][0], shape[k][1], shape[k][2], shape[k][3]);
        every_width_gives_the_whole(&c);
        call_free(&c);
    }
}

static void convolutions_in_panels_are_cut_at_panels(void **state) {
    (void)state;
    for (int64_t m = 20; m <= 68; m += 24) {
        call_case c;
        make_conv(&c, DMS_DTYPE_F32, m, 3, 5, 3);
        call_runs_alike(&c);
        call_packs_alike(&c, 1);
        every_width_gives_the_whole(&c);
        call_free(&c);
    }
}

/* A table of words: each piece of the table gives its columns of every row that is looked up. */
static void gathers_are_cut_along_the_elements_of_a_row(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_F32, DMS_DTYPE_BF16, DMS_DTYPE_I64};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        call_case c;
        const int64_t table[3] = {2, 7, 40}, idx[1] = {5}, y[3] = {2, 5, 40};
        call_begin(&c, DMS_K_GATHER, 3);
        call_in(&c, types[k], 3, table);
        call_in(&c, DMS_DTYPE_I64, 1, idx);
        call_out(&c, types[k], 3, y);
        call_params(&c, 0, NULL, 0, NULL);
        for (int64_t j = 0; j < 5; j++)
            ((int64_t *)c.data[1])[j] = j * 3 % 7 - 7 * (j == 4); /* one counts from the end */
        every_width_gives_the_whole(&c);
        call_free(&c);
    }
}

/* The same table cut between its entries: the parts, one after another, over each other's results
 * and beside them. Looks fall on every part, on none (depth 1), and from the end. */
static void lookups_are_made_part_by_part(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_F32, DMS_DTYPE_BF16, DMS_DTYPE_U8};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        for (int64_t depth = 1; depth < 11; depth += 3)
            for (int is_turned = 0; is_turned < 2; is_turned++) {
                static const uint32_t order[] = {0, 2, 1};
                call_case c;
                const int64_t table[3] = {2, 11, 13}, idx[1] = {6}, y[3] = {2, 6, 13};
                call_begin(&c, DMS_K_GATHER, 3);
                call_in_strided(&c, types[k], 3, table, is_turned ? order : NULL, 0, 0);
                call_in(&c, DMS_DTYPE_I64, 1, idx);
                call_out(&c, types[k], 3, y);
                call_params(&c, 0, NULL, 0, NULL);
                memcpy(c.data[1], (const int64_t[]){10, 0, -11, 4, 4, -1}, 48);
                call_runs_alike(&c);
                call_parts_alike(&c, depth);
                call_free(&c);
            }
}

/* Row 0 is in no part that ran, row 1 in the first one, row 2 in the second one. */
static void a_row_is_zero_until_its_part_has_run(void **state) {
    (void)state;
    const float table[] = {1, 2, 3, 4, 5, 6};
    const int32_t index[] = {5, 0, -3};
    float y[3] = {9, 9, 9};
    dms_status st;
    for (int64_t part = 0; part < 2; part++) {
        const dms_view view[] = {{DMS_DTYPE_F32, 3, 0, {1, 2, 1}, {2, 1, 1}},
                                 {DMS_DTYPE_I32, 1, 0, {3}, {1}},
                                 {DMS_DTYPE_F32, 3, 0, {1, 3, 1}, {3, 1, 1}},
                                 {DMS_DTYPE_F32, 3, 0, {1, 3, 1}, {3, 1, 1}}};
        const int64_t i[] = {2 * part, 6};
        const dms_call call = {DMS_K_GATHER_PART, 2 + (uint32_t)part, 1, 2, 0, view, i, NULL};
        void *operand[] = {(void *)(uintptr_t)(table + 2 * part), (void *)(uintptr_t)index, y, y};
        uint8_t scratch[64];
        assert_int_equal(dms_call_check(&call, &st), DMS_OK);
        assert_int_equal(dms_cpu_run(&call, operand, scratch, scratch, &st), DMS_OK);
        assert_true(y[0] == 0 && y[1] == 1 && y[2] == (part == 0 ? 0 : 4));
    }
}

/* Every part meets the index, and says so whether or not the entry it is taken for is its own. */
static void an_index_beyond_the_whole_table_is_reported_by_each_part(void **state) {
    (void)state;
    const int32_t bad[] = {6, -7, INT32_MAX, INT32_MIN};
    const float table[2] = {1, 2};
    for (size_t k = 0; k < 4; k++)
        for (int64_t first = 0; first < 6; first += 2) {
            const dms_view view[] = {{DMS_DTYPE_F32, 3, 0, {1, 2, 1}, {2, 1, 1}},
                                     {DMS_DTYPE_I32, 1, 0, {1}, {1}},
                                     {DMS_DTYPE_F32, 3, 0, {1, 1, 1}, {1, 1, 1}}};
            const int64_t i[] = {first, 6};
            const dms_call call = {DMS_K_GATHER_PART, 2, 1, 2, 0, view, i, NULL};
            float y = 9;
            void *operand[] = {(void *)(uintptr_t)table, (void *)(uintptr_t)&bad[k], &y};
            uint8_t scratch[64];
            dms_status st;
            assert_int_equal(dms_cpu_run(&call, operand, scratch, scratch, &st), DMS_EINPUT);
        }
}

/* A cut that starts inside a panel, ends beyond the extent or is empty is no cut. */
static void pieces_outside_the_extent_are_refused(void **state) {
    (void)state;
    call_case c;
    dms_cut cut;
    dms_view view[CALL_OPERANDS];
    int64_t i[DMS_MAX_PARAMS];
    dms_call piece;
    make_product(&c, DMS_DTYPE_F32, 3, 40, 8, false);
    call_runs_alike(&c);
    call_packs_alike(&c, 1);
    assert_true(dms_kernel_row_find(DMS_K_MATMUL)->cut(&c.call, &cut));
    assert_int_equal(cut.extent, 40);
    assert_int_equal(cut.granule % 16, 0);
    static const int64_t bad[][2] = {{0, 41}, {-16, 16}, {8, 40},
                                     {16, 0}, {48, 64},  {0, INT64_MAX}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_false(dms_call_slice(&c.call, &cut, bad[k][0], bad[k][1], NULL, view, i, &piece));
    assert_true(dms_call_slice(&c.call, &cut, 32, 40, NULL, view, i, &piece));
    assert_int_equal(view[2].dim[1], 8);
    assert_int_equal(view[2].offset, 32);
    assert_int_equal(view[1].dim[0], 1); /* one panel, the third */
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_cut_along_columns),
        cmocka_unit_test(products_of_every_float_type_are_cut),
        cmocka_unit_test(products_in_panels_are_cut_at_panels),
        cmocka_unit_test(gathers_are_cut_along_the_elements_of_a_row),
        cmocka_unit_test(lookups_are_made_part_by_part),
        cmocka_unit_test(a_row_is_zero_until_its_part_has_run),
        cmocka_unit_test(an_index_beyond_the_whole_table_is_reported_by_each_part),
        cmocka_unit_test(convolutions_are_cut_along_output_channels),
        cmocka_unit_test(convolutions_in_panels_are_cut_at_panels),
        cmocka_unit_test(pieces_outside_the_extent_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
