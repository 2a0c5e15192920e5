/* test_checked.c - does arithmetic on sizes from a file say when it does not fit? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/checked.h"
#include "schema/integers.h"

#define TOP UINT64_MAX

/* What fits is exact; what does not is told. `sum` and `product` are worked out by hand. */
static void unsigned_sums_and_products_up_to_the_last(void **state) {
    (void)state;
    static const struct {
        uint64_t a, b;
        bool sum_fits;
        uint64_t sum;
        bool product_fits;
        uint64_t product;
    } cases[] = {
        {0, 0, true, 0, true, 0},
        {TOP, 0, true, TOP, true, 0},
        {TOP, 1, false, 0, true, TOP},
        {TOP - 1, 1, true, TOP, true, TOP - 1},
        {TOP, TOP, false, 0, false, 0},
        {4294967295u, 4294967297u, true, 8589934592u, true, TOP}, /* (2^32 - 1)(2^32 + 1) */
        {4294967296u, 4294967296u, true, 8589934592u, false, 0},
        {(uint64_t)1 << 63, (uint64_t)1 << 63, false, 0, false, 0},
        {(uint64_t)1 << 63, 2, true, ((uint64_t)1 << 63) + 2, false, 0},
        {3, 6148914691236517205u, true, 6148914691236517208u, true, TOP},
        {3, 6148914691236517206u, true, 6148914691236517209u, false, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        for (int swap = 0; swap < 2; swap++) {
            const uint64_t a = swap ? cases[k].b : cases[k].a, b = swap ? cases[k].a : cases[k].b;
            uint64_t out;
            assert_int_equal(dms_add(a, b, &out), cases[k].sum_fits);
            assert_true(!cases[k].sum_fits || out == cases[k].sum);
            assert_int_equal(dms_mul(a, b, &out), cases[k].product_fits);
            assert_true(!cases[k].product_fits || out == cases[k].product);
        }
    }
}

static void signed_sums_and_products_at_both_ends(void **state) {
    (void)state;
    static const struct {
        int64_t a, b;
        bool sum_fits, product_fits;
    } cases[] = {
        {INT64_MAX, 1, false, true},
        {INT64_MAX, -1, true, true},
        {INT64_MIN, 1, true, true},
        {INT64_MIN, -1, false, false},
        {INT64_MIN, 0, true, true},
        {INT64_MIN, INT64_MAX, true, false},
        {INT64_MAX, INT64_MAX, false, false},
        {INT64_MIN, INT64_MIN, false, false},
        {INT64_MIN / 2, 2, true, true},
        {INT64_MIN / 2 - 1, 2, true, false},
        {INT64_MAX / 2, 2, true, true},
        {INT64_MAX / 2 + 1, 2, true, false},
        {3037000499, 3037000499, true, true},
        {3037000500, 3037000500, true, false},
        {3037000500, -3037000500, true, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        int64_t out;
        assert_int_equal(dms_add_i64(cases[k].a, cases[k].b, &out), cases[k].sum_fits);
        assert_int_equal(dms_add_i64(cases[k].b, cases[k].a, &out), cases[k].sum_fits);
        assert_int_equal(dms_mul_i64(cases[k].a, cases[k].b, &out), cases[k].product_fits);
        assert_int_equal(dms_mul_i64(cases[k].b, cases[k].a, &out), cases[k].product_fits);
    }
    int64_t out;
    assert_true(dms_add_i64(INT64_MIN, INT64_MAX, &out) && out == -1);
    assert_true(dms_mul_i64(-7, 6, &out) && out == -42);
}

static void sizes_round_up_and_only_up(void **state) {
    (void)state;
    static const struct {
        uint64_t size, align, rounded;
    } cases[] = {
        {0, 256, 0},
        {1, 256, 256},
        {255, 256, 256},
        {256, 256, 256},
        {257, 256, 512},
        {12345, 1, 12345},
        {7, 8, 8},
        {9, 8, 16},
        {TOP - 255, 256, TOP - 255},
        {TOP, 1, TOP},
        {1, (uint64_t)1 << 63, (uint64_t)1 << 63},
    };
    uint64_t out;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_true(dms_align_up(cases[k].size, cases[k].align, &out));
        assert_true(out == cases[k].rounded);
    }
    for (uint64_t size = TOP - 254; size != 0; size++) /* the last 255 sizes have no multiple */
        assert_false(dms_align_up(size, 256, &out));
    assert_false(dms_align_up(((uint64_t)1 << 63) + 1, (uint64_t)1 << 63, &out));
}

/* All ranges over a limit of 0 to 6, against counting the bytes one by one. */
static void a_range_fits_when_each_of_its_bytes_does(void **state) {
    (void)state;
    for (uint64_t limit = 0; limit <= 6; limit++)
        for (uint64_t offset = 0; offset <= 8; offset++)
            for (uint64_t size = 0; size <= 8; size++) {
                bool fits = offset <= limit; /* an empty range may stand at the end */
                for (uint64_t k = 0; k < size; k++)
                    fits = fits && offset + k < limit;
                assert_int_equal(dms_range_fits(offset, size, limit), fits);
            }
}

/* offset + size wraps to something small: the classical hole. */
static void a_range_that_wraps_does_not_fit(void **state) {
    (void)state;
    assert_false(dms_range_fits(TOP, 2, 100));
    assert_false(dms_range_fits(2, TOP, 100));
    assert_false(dms_range_fits(TOP - 50, 100, 100));
    assert_false(dms_range_fits(TOP, TOP, TOP));
    assert_false(dms_range_fits(1, TOP, TOP));
    assert_true(dms_range_fits(0, TOP, TOP));
    assert_true(dms_range_fits(TOP, 0, TOP));
    assert_true(dms_range_fits(TOP - 1, 1, TOP));
}

static void a_size_is_what_memory_can_have(void **state) {
    (void)state;
    size_t out;
    assert_true(dms_to_size(0, &out) && out == 0);
    assert_true(dms_to_size(123456789, &out) && out == 123456789);
    assert_int_equal(dms_to_size(TOP, &out), sizeof(size_t) == 8);
}

/* 12 things in boxes of 4 take 3 boxes, a 13th a fourth; nothing takes none. */
static void pieces_are_counted_up_and_never_overflow(void **state) {
    (void)state;
    assert_int_equal(dms_divide_up(12, 4), 3);
    assert_int_equal(dms_divide_up(13, 4), 4);
    assert_int_equal(dms_divide_up(0, 4), 0);
    assert_int_equal(dms_divide_up(1, INT64_MAX), 1);
    assert_int_equal(dms_divide_up(INT64_MAX, 2), INT64_MAX / 2 + 1);
    assert_int_equal(dms_divide_up(INT64_MAX, 1), INT64_MAX);
}

static void the_smaller_and_the_larger_of_two_at_both_ends(void **state) {
    (void)state;
    static const int64_t pairs[][2] = {
        {0, 0}, {-1, 1}, {INT64_MIN, INT64_MAX}, {INT64_MAX - 1, INT64_MAX}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        for (size_t k = 0; k < 2; k++) { /* in both orders */
            assert_true(dms_least(pairs[i][k], pairs[i][1 - k]) == pairs[i][0]);
            assert_true(dms_most(pairs[i][k], pairs[i][1 - k]) == pairs[i][1]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_sums_and_products_up_to_the_last),
        cmocka_unit_test(signed_sums_and_products_at_both_ends),
        cmocka_unit_test(sizes_round_up_and_only_up),
        cmocka_unit_test(a_range_fits_when_each_of_its_bytes_does),
        cmocka_unit_test(a_range_that_wraps_does_not_fit),
        cmocka_unit_test(a_size_is_what_memory_can_have),
        cmocka_unit_test(pieces_are_counted_up_and_never_overflow),
        cmocka_unit_test(the_smaller_and_the_larger_of_two_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
