/* test_short_rows.c - many short rows: reductions in the tree of 32 lanes, one number per row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support_call.h"

enum { ROWS = 37 }; /* whole vectors of rows, and five beside them */

static void expect_bits(float want, float got, int64_t row) {
    if (memcmp(&want, &got, sizeof got) != 0)
        fail_msg("row %d is %a, wanted %a", (int)row, got, want);
}

/* Element k of a row goes to lane k mod 32; lanes are joined in halves. */
static float tree_of(const call_case *c, int64_t fn, int64_t row, int64_t n) {
    const bool is_max = fn == DMS_FN_REDUCE_MAX;
    float lane[32];
    for (int l = 0; l < 32; l++)
        lane[l] = is_max ? -INFINITY : 0.0f;
    for (int64_t k = 0; k < n; k++) {
        const float x = call_at(c, 0, row, k, 0, 0);
        lane[k % 32] = is_max ? fmaxf(lane[k % 32], x) : lane[k % 32] + x;
    }
    for (int half = 16; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = is_max ? fmaxf(lane[l], lane[l + half]) : lane[l] + lane[l + half];
    return fn == DMS_FN_MEAN ? lane[0] / (float)n : lane[0];
}

static void begin_reduce(call_case *c, int64_t fn, int64_t rows, int64_t n, int64_t gap) {
    const int64_t x[2] = {rows, n}, i[2] = {fn, 1};
    call_begin(c, DMS_K_REDUCE, (uint32_t)(n * 7 + fn));
    call_in_strided(c, DMS_DTYPE_F32, 2, x, NULL, gap, 0);
    call_out(c, DMS_DTYPE_F32, 1, x);
    call_params(c, 2, i, 0, NULL);
}

static void short_rows_are_folded_in_the_tree_of_long_ones(void **state) {
    (void)state;
    static const int64_t length[] = {1, 3, 4, 7, 8, 9, 16, 31, 32, 33, 49, 64, 100, 512, 513};
    static const int64_t fn[] = {DMS_FN_SUM, DMS_FN_MEAN, DMS_FN_REDUCE_MAX};
    for (size_t k = 0; k < sizeof length / sizeof *length; k++)
        for (int f = 0; f < 3; f++)
            for (int64_t gap = 0; gap < 4; gap += 3) {
                call_case c;
                begin_reduce(&c, fn[f], ROWS, length[k], gap);
                call_runs_alike(&c);
                for (int64_t row = 0; row < ROWS; row++)
                    expect_bits(tree_of(&c, fn[f], row, length[k]), call_at(&c, 1, row, 0, 0, 0),
                                row);
                call_free(&c);
            }
}

/* The sum of 1, 2, ..., 16 is 136, of row r that and 16 r. */
static void sums_by_hand(void **state) {
    (void)state;
    call_case c;
    begin_reduce(&c, DMS_FN_SUM, ROWS, 16, 0);
    for (int k = 0; k < ROWS * 16; k++)
        ((float *)c.data[0])[k] = (float)(k / 16 + k % 16 + 1);
    call_runs_alike(&c);
    for (int64_t row = 0; row < ROWS; row++)
        assert_true(call_at(&c, 1, row, 0, 0, 0) == (float)(136 + 16 * row));
    call_free(&c);
}

/* A NaN is the result of its row and of no other. */
static void nan_stays_in_its_row(void **state) {
    (void)state;
    for (int is_max = 0; is_max < 2; is_max++) {
        call_case c;
        begin_reduce(&c, is_max != 0 ? DMS_FN_REDUCE_MAX : DMS_FN_SUM, ROWS, 16, 0);
        ((float *)c.data[0])[5 * 16 + 9] = NAN;
        for (int isa = DMS_ISA_BASE; isa <= (int)dms_isa_detect(); isa++) {
            call_run(&c, (dms_isa)isa);
            for (int64_t row = 0; row < ROWS; row++)
                assert_int_equal(isnan(call_at(&c, 1, row, 0, 0, 0)), row == 5);
        }
        call_free(&c);
    }
}

/* Rows of n numbers x and one number z each: operand `one` is z. */
static void begin_per_row(call_case *c, int64_t fn, uint32_t one, int64_t rows, int64_t n,
                          int64_t gap) {
    const int64_t dim[2] = {rows, n};
    call_begin(c, DMS_K_BINARY, (uint32_t)(n * 5 + fn + one));
    for (uint32_t k = 0; k < 2; k++)
        (void)call_in_strided(c, DMS_DTYPE_F32, 2, dim, NULL, k == one ? 0 : gap,
                              k == one ? 2u : 0u);
    (void)call_out(c, DMS_DTYPE_F32, 2, dim);
    call_params(c, 1, &fn, 0, NULL);
}

static float joined(int64_t fn, float x, float z) {
    return fn == DMS_FN_ADD ? x + z : fn == DMS_FN_SUB ? x - z : fn == DMS_FN_MUL ? x * z : x / z;
}

static void every_row_meets_its_own_number(void **state) {
    (void)state;
    static const int64_t length[] = {1, 2, 7, 8, 15, 16, 17, 49, 64, 1000};
    static const int64_t fn[] = {DMS_FN_ADD, DMS_FN_SUB, DMS_FN_MUL, DMS_FN_DIV};
    for (size_t k = 0; k < sizeof length / sizeof *length; k++)
        for (int f = 0; f < 4; f++)
            for (uint32_t one = 0; one < 2; one++) {
                call_case c; /* 37 rows of 1000 are two parts, which meet within a row */
                begin_per_row(&c, fn[f], one, ROWS, length[k], f % 2 * 3);
                call_runs_alike(&c);
                for (int64_t row = 0; row < ROWS; row++)
                    for (int64_t j = 0; j < length[k]; j++)
                        expect_bits(joined(fn[f], call_at(&c, 0, row, j, 0, 0),
                                           call_at(&c, 1, row, j, 0, 0)),
                                    call_at(&c, 2, row, j, 0, 0), row);
                call_free(&c);
            }
}

/* A gate of 0 on infinity is no number, with the bits that every other kernel writes. */
static void zero_times_infinity_is_the_one_nan(void **state) {
    (void)state;
    call_case c;
    begin_per_row(&c, DMS_FN_MUL, 1, 3, 20, 0);
    memcpy(c.data[1], (const float[3]){2.0f, 0.0f, -0.0f}, 3 * sizeof(float));
    for (int k = 0; k < 60; k++)
        ((float *)c.data[0])[k] = k % 20 == 17 ? INFINITY : 1.0f;
    call_runs_alike(&c);
    uint32_t bits[60];
    memcpy(bits, c.data[2], sizeof bits);
    assert_true(bits[17] == 0x7f800000u && bits[37] == 0x7fc00000u && bits[57] == 0x7fc00000u);
    assert_true(bits[0] == 0x40000000u && bits[20] == 0 && bits[40] == 0x80000000u);
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_rows_are_folded_in_the_tree_of_long_ones),
        cmocka_unit_test(sums_by_hand),
        cmocka_unit_test(nan_stays_in_its_row),
        cmocka_unit_test(every_row_meets_its_own_number),
        cmocka_unit_test(zero_times_infinity_is_the_one_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
