/* test_matmul.c - matrix products: the sums of the specification, in every way of running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support_call.h"

/* y[b,m,n] = a b with `transposed` bit 0: a stored as [k,m]; bit 1: b stored as [n,k]. */
static void begin_product(call_case *c, int64_t batch, int64_t m, int64_t k, int64_t n,
                          uint32_t transposed, int64_t gap) {
    static const uint32_t straight[3] = {0, 1, 2}, turned[3] = {0, 2, 1};
    const int64_t da[3] = {batch, m, k}, db[3] = {batch, k, n}, dy[3] = {batch, m, n};
    const int64_t i[2] = {0, n};
    const double f[2] = {1, 1};
    call_begin(c, DMS_K_MATMUL, (uint32_t)(m * 7919 + n * 31 + k));
    call_in_strided(c, DMS_DTYPE_F32, 3, da, (transposed & 1) != 0 ? turned : straight, gap, 0);
    call_in_strided(c, DMS_DTYPE_F32, 3, db, (transposed & 2) != 0 ? turned : straight, gap, 1);
    call_out_strided(c, DMS_DTYPE_F32, 3, dy, straight, gap);
    call_params(c, 2, i, 2, f);
}

/* The specification: chains of 256 from zero, added in order. */
static float specified_sum(const call_case *c, int64_t b, int64_t i, int64_t j, int64_t depth) {
    float sum = 0;
    for (int64_t k0 = 0; k0 < depth; k0 += 256) {
        float chain = 0;
        for (int64_t k = k0; k < depth && k < k0 + 256; k++)
            chain = fmaf(call_at(c, 0, b, i, k, 0), call_at(c, 1, b, k, j, 0), chain);
        sum = k0 == 0 ? chain : sum + chain;
    }
    return sum;
}

static void expect_specified(const call_case *c) {
    const dms_view *y = &c->view[c->call.n_in];
    const int64_t depth = c->view[0].dim[2];
    for (int64_t b = 0; b < y->dim[0]; b++)
        for (int64_t i = 0; i < y->dim[1]; i++)
            for (int64_t j = 0; j < y->dim[2]; j++) {
                const float want = specified_sum(c, b, i, j, depth);
                const float got = call_at(c, c->call.n_in, b, i, j, 0);
                if (memcmp(&want, &got, sizeof got) != 0)
                    fail_msg("y[%d,%d,%d] is %a, wanted %a", (int)b, (int)i, (int)j, got, want);
            }
}

/* Rows and columns around the tile of 6 x 16, depths around the segment of 256. */
static void every_element_is_the_specified_chain(void **state) {
    (void)state;
    static const int64_t shape[][4] = {{1, 1, 1, 1},    {1, 6, 256, 16},  {1, 7, 257, 17},
                                       {2, 5, 300, 33}, {1, 1, 513, 100}, {3, 13, 40, 15},
                                       {1, 2, 256, 64}, {1, 100, 3, 270}, {1, 1, 700, 65}};
    for (uint32_t s = 0; s < sizeof shape / sizeof shape[0]; s++)
        for (uint32_t transposed = 0; transposed < 4; transposed++) {
            call_case c;
            begin_product(&c, shape[s][0], shape[s][1], shape[s][2], shape[s][3], transposed,
                          transposed == 3 ? 5 : 0);
            call_runs_alike(&c);
            expect_specified(&c);
            call_free(&c);
        }
}

static void a_product_of_depth_zero_is_zero(void **state) {
    (void)state;
    call_case c;
    begin_product(&c, 1, 3, 0, 20, 0, 0);
    call_runs_alike(&c);
    for (int64_t j = 0; j < 20; j++)
        assert_true(call_at(&c, 2, 0, 2, j, 0) == 0.0f);
    call_free(&c);
}

/* 385 rows and 257 columns are two blocks of rows by two of columns. */
static void parts_cuts_and_panels_give_the_same_bits(void **state) {
    (void)state;
    static const int64_t shape[][3] = {{385, 70, 257}, {1, 600, 330}, {5, 300, 100}, {97, 513, 40}};
    for (uint32_t s = 0; s < 4; s++) {
        call_case c;
        begin_product(&c, 1, shape[s][0], shape[s][1], shape[s][2], 0, 0);
        call_runs_alike(&c);
        expect_specified(&c);
        for (int64_t width = 16; width < shape[s][2]; width += 80)
            call_cuts_alike(&c, width);
        call_packs_alike(&c, 1);
        call_cuts_alike(&c, 48);
        call_free(&c);
    }
}

/* y = alpha a b + beta c. Bits of `repeats`: c is one row (as Gemm's bias), one column. */
static void expect_factors(uint32_t repeats) {
    const int64_t da[2] = {20, 30}, db[2] = {30, 40}, dy[2] = {20, 40}, i[2] = {0, 40};
    const double f[2] = {0.3, -1.7};
    call_case c;
    call_begin(&c, DMS_K_MATMUL, 5);
    call_in(&c, DMS_DTYPE_F32, 2, da);
    call_in(&c, DMS_DTYPE_F32, 2, db);
    call_in_strided(&c, DMS_DTYPE_F32, 2, dy, NULL, 0, repeats);
    call_out(&c, DMS_DTYPE_F32, 2, dy);
    call_params(&c, 2, i, 2, f);
    call_runs_alike(&c);
    for (int64_t m = 0; m < 20; m++)
        for (int64_t n = 0; n < 40; n++) {
            float chain = 0;
            for (int64_t k = 0; k < 30; k++)
                chain = fmaf(call_at(&c, 0, m, k, 0, 0), call_at(&c, 1, k, n, 0, 0), chain);
            const float sum = 0.3f * chain, term = -1.7f * call_at(&c, 2, m, n, 0, 0);
            assert_true(sum + term == call_at(&c, 3, m, n, 0, 0));
        }
    call_cuts_alike(&c, 16);
    call_free(&c);
}

static void factors_are_applied_after_the_sum(void **state) {
    (void)state;
    for (uint32_t repeats = 0; repeats < 4; repeats++)
        expect_factors(repeats);
}

/* A result that is stored by columns cannot hold partial sums side by side. */
static void the_result_may_have_any_pitches(void **state) {
    (void)state;
    static const uint32_t turned[2] = {1, 0};
    const int64_t da[2] = {11, 300}, db[2] = {300, 50}, dy[2] = {11, 50}, i[2] = {0, 50};
    const double f[2] = {1, 1};
    call_case c;
    call_begin(&c, DMS_K_MATMUL, 9);
    call_in(&c, DMS_DTYPE_F32, 2, da);
    call_in(&c, DMS_DTYPE_F32, 2, db);
    call_out_strided(&c, DMS_DTYPE_F32, 2, dy, turned, 3);
    call_params(&c, 2, i, 2, f);
    call_runs_alike(&c);
    float chain = 0, second = 0;
    for (int64_t k = 0; k < 256; k++)
        chain = fmaf(call_at(&c, 0, 10, k, 0, 0), call_at(&c, 1, k, 49, 0, 0), chain);
    for (int64_t k = 256; k < 300; k++)
        second = fmaf(call_at(&c, 0, 10, k, 0, 0), call_at(&c, 1, k, 49, 0, 0), second);
    assert_true(chain + second == call_at(&c, 2, 10, 49, 0, 0));
    call_free(&c);
}

/* y = 0.5 a b (+ 2 c), c repeated over rows. */
static void begin_parted(call_case *c, dms_dtype dtype, int64_t m, int64_t k, int64_t n,
                         bool has_c) {
    const int64_t da[2] = {m, k}, db[2] = {k, n}, dy[2] = {m, n}, i[2] = {0, n};
    const double f[2] = {has_c ? 0.5 : 1, 2};
    call_begin(c, DMS_K_MATMUL, (uint32_t)(m * 31 + n + k));
    call_in(c, dtype, 2, da);
    call_in(c, dtype, 2, db);
    if (has_c)
        call_in_strided(c, dtype, 2, dy, NULL, 0, 1);
    call_out(c, dtype, 2, dy);
    call_params(c, 2, i, 2, f);
}

/* Plain and in panels; one segment, two and all but the last one in a part; a last part of one term
 * and one of a whole segment; one row, rows of several parts, columns that end inside a panel. */
static void parts_of_the_sum_give_the_bits_of_the_whole(void **state) {
    (void)state;
    static const dms_dtype type[] = {DMS_DTYPE_F32, DMS_DTYPE_F16, DMS_DTYPE_BF16};
    static const int64_t shape[][3] = {
        {1, 1024, 64}, {3, 257, 16}, {7, 770, 40}, {1, 600, 300}, {390, 513, 33}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
        for (uint32_t t = 0; t < 6; t++) {
            call_case c;
            begin_parted(&c, type[t / 2], shape[s][0], shape[s][1], shape[s][2], t % 2 != 0);
            call_runs_alike(&c);
            for (int64_t depth = 256; depth < shape[s][1]; depth *= 2)
                call_parts_alike(&c, depth);
            call_packs_alike(&c, 1);
            call_parts_alike(&c, 256);
            call_free(&c);
        }
}

/* a turned around, b turned around, a batch, a result with gaps. */
static void parts_of_the_sum_take_any_pitches(void **state) {
    (void)state;
    for (uint32_t transposed = 0; transposed < 4; transposed++) {
        call_case c;
        begin_product(&c, 2, 5, 600, 20, transposed, 3);
        call_runs_alike(&c);
        call_parts_alike(&c, 256);
        call_free(&c);
    }
}

/* Segments of 1 + 2^-8 and 1 + 2^-8 + 2^-9: their sum lies above the middle of the bf16 numbers 2
 * and 2 + 2^-6. The first one by itself would become 1, and the sum 2. */
static void sums_between_parts_of_narrow_products_are_not_rounded(void **state) {
    (void)state;
    call_case c;
    begin_parted(&c, DMS_DTYPE_BF16, 1, 512, 16, false);
    uint16_t *a = c.data[0], *b = c.data[1];
    for (int64_t k = 0; k < 512; k++)
        a[k] = k < 3 || (k >= 256 && k < 260) ? 0x3f80 : 0; /* 1: three terms, then four */
    for (int64_t k = 0; k < 512 * 16; k++)
        b[k] = k / 16 % 256 == 0 ? 0x3f80 : 0x3b00; /* 1, and 2^-9 */
    call_runs_alike(&c);
    assert_int_equal(((uint16_t *)c.data[2])[0], 0x4001);
    call_parts_alike(&c, 256);
    call_free(&c);
}

static void what_cannot_be_parted_says_so(void **state) {
    (void)state;
    call_case c;
    dms_cut cut;
    dms_view view[DMS_MAX_OPERANDS];
    int64_t i[DMS_MAX_PARAMS];
    uint32_t from[DMS_MAX_OPERANDS];
    dms_call part;
    begin_parted(&c, DMS_DTYPE_F32, 2, 256, 16, false); /* one segment */
    assert_false(dms_call_cut_sums(&c.call, &cut));
    call_free(&c);
    begin_parted(&c, DMS_DTYPE_F64, 2, 600, 16, false); /* sums are no f32 */
    assert_false(dms_call_cut_sums(&c.call, &cut));
    call_free(&c);
    begin_parted(&c, DMS_DTYPE_F32, 2, 600, 16, false);
    assert_true(dms_call_cut_sums(&c.call, &cut));
    assert_int_equal(cut.extent, 600);
    static const int64_t bad[][2] = {{0, 600}, {0, 100}, {100, 600}, {512, 601}, {256, 256}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_false(
            dms_call_part(&c.call, &cut, bad[k][0], bad[k][1], NULL, view, i, from, &part));
    call_free(&c);
}

/* The last part alone has the others' operands: a, b, c, then the sums. */
static void only_the_last_part_reads_what_follows_the_sum(void **state) {
    (void)state;
    static const uint32_t first[] = {0, 1, DMS_SUMS}, middle[] = {0, 1, DMS_SUMS, DMS_SUMS},
                          last[] = {0, 1, 2, DMS_SUMS, 3};
    call_case c;
    dms_cut cut;
    dms_view view[DMS_MAX_OPERANDS];
    int64_t i[DMS_MAX_PARAMS];
    uint32_t from[DMS_MAX_OPERANDS];
    dms_call part;
    begin_parted(&c, DMS_DTYPE_F16, 2, 600, 16, true);
    assert_true(dms_call_cut_sums(&c.call, &cut));
    assert_true(dms_call_part(&c.call, &cut, 0, 256, NULL, view, i, from, &part));
    assert_int_equal(part.n_in, 2);
    assert_memory_equal(from, first, sizeof first);
    assert_int_equal(view[2].dtype, DMS_DTYPE_F32);
    assert_true(dms_call_part(&c.call, &cut, 256, 512, NULL, view, i, from, &part));
    assert_memory_equal(from, middle, sizeof middle);
    assert_true(dms_call_in_place(&part, 2, 0)); /* sums over sums */
    assert_false(dms_call_in_place(&part, 0, 0));
    assert_true(dms_call_part(&c.call, &cut, 512, 600, NULL, view, i, from, &part));
    assert_int_equal(part.n_in, 4);
    assert_memory_equal(from, last, sizeof last);
    assert_int_equal(view[0].offset, 512);
    assert_int_equal(view[1].offset, 512 * 16);
    assert_int_equal(view[4].dtype, DMS_DTYPE_F16);
    assert_false(dms_call_in_place(&part, 3, 0)); /* y is half as large */
    call_free(&c);
}

/* 2^31 * 2 + 3 * 5 = 15 in 32 bits. */
static void integers_wrap(void **state) {
    (void)state;
    const int64_t da[2] = {1, 2}, db[2] = {2, 1}, dy[2] = {1, 1}, i[2] = {0, 1};
    const double f[2] = {1, 1};
    call_case c;
    call_begin(&c, DMS_K_MATMUL, 9);
    call_in(&c, DMS_DTYPE_I32, 2, da);
    call_in(&c, DMS_DTYPE_I32, 2, db);
    call_out(&c, DMS_DTYPE_I32, 2, dy);
    call_params(&c, 2, i, 2, f);
    memcpy(c.data[0], (const int32_t[]){INT32_MIN, 3}, 8);
    memcpy(c.data[1], (const int32_t[]){2, 5}, 8);
    call_runs_alike(&c);
    assert_int_equal(*(const int32_t *)c.data[2], 15);
    call_free(&c);
}

static void doubles_are_summed_as_doubles(void **state) {
    (void)state;
    const int64_t da[2] = {9, 270}, db[2] = {270, 9}, i[2] = {0, 9}, dy[2] = {9, 9};
    const double f[2] = {1, 1};
    call_case c;
    call_begin(&c, DMS_K_MATMUL, 11);
    call_in(&c, DMS_DTYPE_F64, 2, da);
    call_in(&c, DMS_DTYPE_F64, 2, db);
    call_out(&c, DMS_DTYPE_F64, 2, dy);
    call_params(&c, 2, i, 2, f);
    call_runs_alike(&c);
    const double *a = c.data[0], *b = c.data[1], *y = c.data[2];
    double sum = 0;
    for (int64_t k = 0; k < 270; k++)
        sum += a[8 * 270 + k] * b[k * 9 + 8];
    assert_true(fabs(sum - y[80]) < 1e-13);
    call_cuts_alike(&c, 1);
    call_free(&c);
}

/* One rounding at the end, whatever the layout; c repeated as above. */
static void expect_narrow(dms_dtype dtype, const int64_t shape[3], uint32_t repeats) {
    const int64_t m = shape[0], k = shape[1], n = shape[2];
    const int64_t da[2] = {m, k}, db[2] = {k, n}, dy[2] = {m, n}, i[2] = {0, n};
    const double f[2] = {0.5, 2};
    call_case c;
    call_begin(&c, DMS_K_MATMUL, 3);
    call_in(&c, dtype, 2, da);
    call_in(&c, dtype, 2, db);
    call_in_strided(&c, dtype, 2, dy, NULL, 0, repeats);
    call_out(&c, dtype, 2, dy);
    call_params(&c, 2, i, 2, f);
    call_rounds_once(&c);
    call_cuts_alike(&c, 16);
    call_packs_alike(&c, 1);
    call_cuts_alike(&c, 32);
    call_free(&c);
}

/* f16 and bf16: sums in f32 over all segments. */
static void narrow_products_sum_in_f32(void **state) {
    (void)state;
    static const dms_dtype narrow[2] = {DMS_DTYPE_F16, DMS_DTYPE_BF16};
    static const int64_t shape[][3] = {{7, 600, 70}, {1, 300, 90}, {100, 20, 17}};
    for (int t = 0; t < 2; t++)
        for (int s = 0; s < 3; s++)
            for (uint32_t repeats = 0; repeats < 4; repeats++)
                expect_narrow(narrow[t], shape[s], repeats);
}

/* What each refusal protects: the kernel reads exactly what the views say. */
static void wrong_calls_are_refused(void **state) {
    (void)state;
    call_case c;
    begin_product(&c, 1, 4, 8, 32, 0, 0);
    call_is_valid(&c);
    c.view[1].dim[1] = 9;
    call_is_refused(&c, "kernel 'matmul', operand 1");
    c.view[1].dim[1] = 8;
    c.i[1] = 31;
    call_is_refused(&c, "integer parameter 1 is 31");
    c.i[1] = 32;
    c.view[2].dtype = DMS_DTYPE_F64;
    call_is_refused(&c, "dtype f64 differs from f32");
    c.view[2].dtype = DMS_DTYPE_F32;
    c.view[2].pitch[1] = 0;
    call_is_refused(&c, "an output repeats elements");
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_is_the_specified_chain),
        cmocka_unit_test(a_product_of_depth_zero_is_zero),
        cmocka_unit_test(parts_cuts_and_panels_give_the_same_bits),
        cmocka_unit_test(factors_are_applied_after_the_sum),
        cmocka_unit_test(the_result_may_have_any_pitches),
        cmocka_unit_test(parts_of_the_sum_give_the_bits_of_the_whole),
        cmocka_unit_test(parts_of_the_sum_take_any_pitches),
        cmocka_unit_test(sums_between_parts_of_narrow_products_are_not_rounded),
        cmocka_unit_test(what_cannot_be_parted_says_so),
        cmocka_unit_test(only_the_last_part_reads_what_follows_the_sum),
        cmocka_unit_test(integers_wrap),
        cmocka_unit_test(doubles_are_summed_as_doubles),
        cmocka_unit_test(narrow_products_sum_in_f32),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
