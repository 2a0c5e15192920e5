/* test_narrow_floats.c - f16 and bf16 in every kernel that computes with floats: the result is that
 * of the same call in f32, rounded to nearest even once, on every instruction set and in any parts.
 * Products, convolutions, attention and recurrent layers say so in their own tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support_call.h"

static const dms_dtype narrow[2] = {DMS_DTYPE_F16, DMS_DTYPE_BF16};

/* Runs the case and frees it. */
static void rounds_once(call_case *c) {
    call_rounds_once(c);
    call_free(c);
}

/* Makes the elements of a dense operand lie in [1, 2), where every function has a value. */
static void lift(call_case *c, uint32_t operand) {
    uint16_t *x = c->data[operand];
    const uint16_t one = c->view[operand].dtype == DMS_DTYPE_F16 ? 0x3c00 : 0x3f80;
    const uint16_t fraction = c->view[operand].dtype == DMS_DTYPE_F16 ? 0x03ff : 0x007f;
    for (int64_t k = 0; k < dms_view_count(&c->view[operand]); k++)
        x[k] = (uint16_t)((x[k] & fraction) | one);
}

/* Arcs and the inverse of tanh want |x| <= 1. */
static bool wants_small(int64_t fn) {
    return fn == DMS_FN_ASIN || fn == DMS_FN_ACOS || fn == DMS_FN_ATANH;
}

static bool gives_float(int64_t fn) {
    return fn != DMS_FN_NOT && fn != DMS_FN_BITWISE_NOT && fn != DMS_FN_IS_NAN &&
           fn != DMS_FN_IS_INF;
}

static void functions_of_one_operand(void **state) {
    static const int64_t dim[2] = {7, 90};
    static const double f[2] = {0.25, 0.75};
    (void)state;
    for (int64_t fn = 0; fn < DMS_N_UNARY_FNS; fn++)
        for (int t = 0; t < 2 && gives_float(fn); t++) {
            call_case c;
            call_begin(&c, DMS_K_UNARY, (uint32_t)fn + 1);
            call_in(&c, narrow[t], 2, dim);
            call_out(&c, narrow[t], 2, dim);
            call_params(&c, 1, &fn, 2, f);
            if (!wants_small(fn))
                lift(&c, 0);
            rounds_once(&c);
        }
}

static void functions_of_two_operands(void **state) {
    static const int64_t fns[] = {DMS_FN_ADD, DMS_FN_SUB, DMS_FN_MUL, DMS_FN_DIV,  DMS_FN_POW,
                                  DMS_FN_MIN, DMS_FN_MAX, DMS_FN_MOD, DMS_FN_FMOD, DMS_FN_PRELU};
    static const int64_t dim[2] = {9, 70};
    (void)state;
    for (size_t k = 0; k < sizeof fns / sizeof *fns; k++)
        for (int t = 0; t < 2; t++) {
            call_case c;
            call_begin(&c, DMS_K_BINARY, (uint32_t)k + 1);
            call_in(&c, narrow[t], 2, dim);
            call_in_strided(&c, narrow[t], 2, dim, NULL, 0, 1); /* one row for all */
            call_out(&c, narrow[t], 2, dim);
            call_params(&c, 1, &fns[k], 0, NULL);
            lift(&c, 0);
            rounds_once(&c);
        }
}

/* 600 elements are more than one strip, and not a multiple of the lanes. */
static void reductions_of_rows(void **state) {
    static const int64_t long_row[3] = {5, 3, 200}, short_row[3] = {5, 1, 6};
    (void)state;
    for (int64_t fn = 0; fn < DMS_N_REDUCE_FNS; fn++)
        for (int t = 0; t < 2; t++) {
            /* a product of 600 numbers below 1 is 0 in any type */
            const int64_t *dim = fn == DMS_FN_PROD ? short_row : long_row;
            const int64_t i[2] = {fn, 1};
            call_case c;
            call_begin(&c, DMS_K_REDUCE, (uint32_t)fn + 1);
            call_in(&c, narrow[t], 3, dim);
            call_out(&c, narrow[t], 1, dim);
            call_params(&c, 2, i, 0, NULL);
            if (fn == DMS_FN_LOG_SUM)
                lift(&c, 0);
            rounds_once(&c);
        }
}

static void softmax_and_its_logarithm(void **state) {
    static const int64_t dim[2] = {6, 700};
    (void)state;
    for (int64_t is_log = 0; is_log < 2; is_log++)
        for (int t = 0; t < 2; t++) {
            call_case c;
            call_begin(&c, DMS_K_SOFTMAX, 5);
            call_in(&c, narrow[t], 2, dim);
            call_out(&c, narrow[t], 2, dim);
            call_params(&c, 1, &is_log, 0, NULL);
            rounds_once(&c);
        }
}

static void norms_of_rows(void **state) {
    static const int64_t dim[2] = {5, 600}, row[1] = {600};
    static const double epsilon[1] = {1e-5};
    (void)state;
    for (int64_t rms = 0; rms < 2; rms++)
        for (int t = 0; t < 2; t++) {
            call_case c;
            call_begin(&c, DMS_K_LAYER_NORM, 6);
            call_in(&c, narrow[t], 2, dim);
            call_in(&c, narrow[t], 1, row);
            call_in(&c, narrow[t], 1, row);
            call_out(&c, narrow[t], 2, dim);
            call_params(&c, 1, &rms, 1, epsilon);
            rounds_once(&c);
        }
}

static void norms_of_channels(void **state) {
    static const int64_t x[4] = {2, 3, 2, 50}, scale[2] = {3, 2}, y[3] = {2, 6, 50}, c6[1] = {6};
    static const double epsilon[1] = {1e-5}, lrn[3] = {0.5, 0.75, 1.0};
    static const int64_t size[1] = {3};
    (void)state;
    for (int t = 0; t < 2; t++) {
        call_case c;
        call_begin(&c, DMS_K_GROUP_NORM, 7);
        call_in(&c, narrow[t], 4, x);
        call_in(&c, narrow[t], 2, scale);
        call_in(&c, narrow[t], 2, scale);
        call_out(&c, narrow[t], 4, x);
        call_params(&c, 0, NULL, 1, epsilon);
        rounds_once(&c);
        call_begin(&c, DMS_K_BATCH_NORM, 8);
        call_in(&c, narrow[t], 3, y);
        for (int k = 0; k < 4; k++)
            call_in(&c, narrow[t], 1, c6);
        call_out(&c, narrow[t], 3, y);
        call_params(&c, 0, NULL, 1, epsilon);
        lift(&c, 4); /* variances are positive */
        rounds_once(&c);
        call_begin(&c, DMS_K_LRN, 9);
        call_in(&c, narrow[t], 3, y);
        call_out(&c, narrow[t], 3, y);
        call_params(&c, 1, size, 3, lrn);
        rounds_once(&c);
    }
}

/* The running sum stays f32: 600 steps of it do not round 600 times. */
static void sums_along_a_row(void **state) {
    static const int64_t dim[2] = {3, 600};
    (void)state;
    for (int64_t mode = 0; mode < 4; mode++)
        for (int t = 0; t < 2; t++) {
            const int64_t i[2] = {mode & 1, mode >> 1};
            call_case c;
            call_begin(&c, DMS_K_CUMSUM, 10);
            call_in(&c, narrow[t], 2, dim);
            call_out(&c, narrow[t], 2, dim);
            call_params(&c, 2, i, 0, NULL);
            rounds_once(&c);
        }
}

static void pools_and_resized_pictures(void **state) {
    static const int64_t x[4] = {1, 2, 9, 11}, pooled[4] = {1, 2, 7, 9}, resized[4] = {1, 2, 13, 7};
    (void)state;
    for (int64_t fn = 0; fn < 3; fn++)
        for (int t = 0; t < 2; t++) {
            const int64_t pool[13] = {fn, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 0, 2};
            call_case c;
            call_begin(&c, DMS_K_POOL, 11);
            call_in(&c, narrow[t], 4, x);
            call_out(&c, narrow[t], 4, pooled);
            call_params(&c, 13, pool, 0, NULL);
            rounds_once(&c);
            const int64_t resize[5] = {fn, 0, 0, 0, fn == 1};
            const double f[14] = {-0.75, 0, 1, 0, 1, 1, 0, 1, 13.0 / 9, 0, 1, 7.0 / 11, 0, 1};
            call_begin(&c, DMS_K_RESIZE, 12);
            call_in(&c, narrow[t], 4, x);
            call_out(&c, narrow[t], 4, resized);
            call_params(&c, 5, resize, 14, f);
            rounds_once(&c);
        }
}

/* Halfway between two numbers the even one is taken: 1 + 2^-11 and 1 + 3 2^-11 of f16, both from
 * exact f32 sums of f16 numbers; and 65504 + 16 is infinity, 65504 + 15 is not. */
static void ties_go_to_even_and_overflow_to_infinity(void **state) {
    static const uint16_t a[4] = {0x3c00, 0x3c01, 0x7bff, 0x7bff}; /* 1, 1 + 2^-10, 65504 twice */
    static const uint16_t b[4] = {0x1000, 0x1000, 0x4c00, 0x4b80}; /* 2^-11 twice, 16, 15 */
    static const uint16_t want[4] = {0x3c00, 0x3c02, 0x7c00, 0x7bff};
    static const int64_t dim[1] = {4}, add[1] = {DMS_FN_ADD};
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_BINARY, 1);
    memcpy(c.data[call_in(&c, DMS_DTYPE_F16, 1, dim)], a, sizeof a);
    memcpy(c.data[call_in(&c, DMS_DTYPE_F16, 1, dim)], b, sizeof b);
    call_out(&c, DMS_DTYPE_F16, 1, dim);
    call_params(&c, 1, add, 0, NULL);
    call_runs_alike(&c);
    assert_memory_equal(c.data[2], want, sizeof want);
    call_free(&c);
}

/* 1 + 2^-8 and 1 + 3 2^-8 lie halfway between bf16 numbers; the largest bf16 plus half its ulp. */
static void ties_of_bf16_go_to_even_too(void **state) {
    static const uint16_t a[3] = {0x3f80, 0x3f81, 0x7f7f};
    static const uint16_t b[3] = {0x3b80, 0x3b80, 0x7b00}; /* 2^-8 twice, 2^119 */
    static const uint16_t want[3] = {0x3f80, 0x3f82, 0x7f80};
    static const int64_t dim[1] = {3}, add[1] = {DMS_FN_ADD};
    call_case c;
    (void)state;
    call_begin(&c, DMS_K_BINARY, 1);
    memcpy(c.data[call_in(&c, DMS_DTYPE_BF16, 1, dim)], a, sizeof a);
    memcpy(c.data[call_in(&c, DMS_DTYPE_BF16, 1, dim)], b, sizeof b);
    call_out(&c, DMS_DTYPE_BF16, 1, dim);
    call_params(&c, 1, add, 0, NULL);
    call_runs_alike(&c);
    assert_memory_equal(c.data[2], want, sizeof want);
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_operand),
        cmocka_unit_test(functions_of_two_operands),
        cmocka_unit_test(reductions_of_rows),
        cmocka_unit_test(softmax_and_its_logarithm),
        cmocka_unit_test(norms_of_rows),
        cmocka_unit_test(norms_of_channels),
        cmocka_unit_test(sums_along_a_row),
        cmocka_unit_test(pools_and_resized_pictures),
        cmocka_unit_test(ties_go_to_even_and_overflow_to_infinity),
        cmocka_unit_test(ties_of_bf16_go_to_even_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
