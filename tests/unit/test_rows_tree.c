/* test_rows_tree.c - the order of additions is part of the specification: each kernel here is
 * written down once more as a scalar loop, and the bits must be equal. Whoever changes the tree
 * changes the outputs of every plan, and must change this file. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/kernels/elementary_more.h"
#include "support_case.h"

#define F32 DMS_DTYPE_F32
#define LONGEST 5000

static const int64_t lengths[] = {1,  2,  3,  5,   7,   8,   9,   10,   24,   31,  32,
                                  33, 48, 64, 100, 511, 512, 513, 1000, 2048, 5000};
#define N_LENGTHS (sizeof lengths / sizeof *lengths)

/* Numbers whose sums round at almost every step. */
static void awkward(kernel_case *c, uint32_t operand) {
    for (int64_t e = 0; e < dms_view_count(&c->view[operand]); e++) {
        c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;
        const double x = (double)(int32_t)(c->seed >> 32) / 0x1p+29;
        case_set(c, operand, e, x * (e % 3 == 0 ? 100.0 : 0.01));
    }
}

static void read_row(const kernel_case *c, uint32_t operand, int64_t row, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = *(const float *)case_at(c, operand, row * n + i);
}

static void expect_bits(const kernel_case *c, uint32_t operand, int64_t index, float want) {
    const float got = *(const float *)case_at(c, operand, index);
    if (dms_bits_of_float(got) != dms_bits_of_float(want))
        fail_msg("kernel %u: element %ld is %a, the specification says %a", c->call.kernel,
                 (long)index, got, want);
}

/* --- the tree: lane l takes elements l, l + 32, ...; then lanes 16 to 31 are added to 0 to 15,
 * ... */

static float join(float *lane) {
    for (int d = 16; d > 0; d /= 2)
        for (int l = 0; l < d; l++)
            lane[l] = lane[l] + lane[l + d];
    return lane[0];
}

static float sum(const float *x, int64_t n) {
    float lane[32] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 32] = lane[i % 32] + x[i];
    return join(lane);
}

static float sum_of_squares(const float *x, int64_t n) {
    float lane[32] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 32] = fmaf(x[i], x[i], lane[i % 32]);
    return join(lane);
}

static float largest(const float *x, int64_t n) {
    float y = x[0];
    for (int64_t i = 1; i < n; i++)
        y = x[i] > y ? x[i] : y;
    return y;
}

static void sums_are_those_of_the_tree(void **state) {
    (void)state;
    static float x[LONGEST];
    const int fns[] = {DMS_FN_SUM, DMS_FN_MEAN, DMS_FN_L2, DMS_FN_SUM_SQUARE, DMS_FN_LOG_SUM_EXP};
    for (size_t k = 0; k < N_LENGTHS; k++)
        for (size_t f = 0; f < sizeof fns / sizeof *fns; f++) {
            const int64_t n = lengths[k];
            kernel_case c;
            case_open(&c, DMS_K_REDUCE);
            case_i(&c, fns[f]);
            case_i(&c, 1);
            case_in(&c, case_dense(F32, 2, (int64_t[]){3, n}));
            awkward(&c, 0);
            case_out(&c, case_dense(F32, 1, (int64_t[]){3}));
            case_run(&c);
            for (int64_t r = 0; r < 3; r++) {
                read_row(&c, 0, r, n, x);
                const float m = largest(x, n), s = sum(x, n), square = sum_of_squares(x, n);
                for (int64_t i = 0; i < n; i++)
                    x[i] = dms_expf(x[i] - m);
                const float want[] = {s, s / (float)n, sqrtf(square), square,
                                      dms_logf(sum(x, n)) + m};
                expect_bits(&c, 1, r, want[f]);
            }
            case_close(&c);
        }
}

/* Rows along memory and rows with gaps are folded by different code. */
static void a_row_with_gaps_has_the_bits_of_a_dense_one(void **state) {
    (void)state;
    const int fns[] = {DMS_FN_SUM, DMS_FN_MEAN, DMS_FN_REDUCE_MAX, DMS_FN_L2};
    for (size_t k = 0; k < N_LENGTHS; k++)
        for (size_t f = 0; f < sizeof fns / sizeof *fns; f++) {
            kernel_case c[2];
            for (int gaps = 0; gaps < 2; gaps++) {
                const int64_t dim[2] = {3, lengths[k]};
                case_open(&c[gaps], DMS_K_REDUCE);
                case_i(&c[gaps], fns[f]);
                case_i(&c[gaps], 1);
                case_in(&c[gaps], gaps ? case_strided(F32, 2, dim, 2) : case_dense(F32, 2, dim));
                awkward(&c[gaps], 0);
                case_set(&c[gaps], 0, lengths[k] - 1, f == 2 ? NAN : -0.0); /* of the first row */
                case_out(&c[gaps], case_dense(F32, 1, (int64_t[]){3}));
                case_run(&c[gaps]);
            }
            for (int64_t r = 0; r < 3; r++)
                expect_bits(&c[1], 1, r, *(const float *)case_at(&c[0], 1, r));
            assert_true(f != 2 || isnan(*(const float *)case_at(&c[0], 1, 0)));
            case_close(&c[0]);
            case_close(&c[1]);
        }
}

static void softmax_multiplies_by_the_reciprocal_of_the_tree(void **state) {
    (void)state;
    static float x[LONGEST], e[LONGEST];
    for (size_t k = 0; k < N_LENGTHS; k++)
        for (int64_t is_log = 0; is_log < 2; is_log++) {
            const int64_t n = lengths[k];
            kernel_case c;
            case_open(&c, DMS_K_SOFTMAX);
            case_i(&c, is_log);
            case_in(&c, case_dense(F32, 2, (int64_t[]){3, n}));
            awkward(&c, 0);
            case_out(&c, case_dense(F32, 2, (int64_t[]){3, n}));
            case_run(&c);
            for (int64_t r = 0; r < 3; r++) {
                read_row(&c, 0, r, n, x);
                const float m = largest(x, n);
                for (int64_t i = 0; i < n; i++)
                    e[i] = dms_expf(x[i] - m);
                const float total = sum(e, n), inverse = 1.0f / total;
                for (int64_t i = 0; i < n; i++)
                    expect_bits(&c, 1, r * n + i,
                                is_log ? x[i] - m - dms_logf(total) : e[i] * inverse);
            }
            case_close(&c);
        }
}

static void layer_norm_centres_before_it_squares(void **state) {
    (void)state;
    static float x[LONGEST], d[LONGEST];
    for (size_t k = 0; k < N_LENGTHS; k++)
        for (int64_t is_rms = 0; is_rms < 2; is_rms++) {
            const int64_t n = lengths[k];
            kernel_case c;
            case_open(&c, DMS_K_LAYER_NORM);
            case_i(&c, is_rms);
            case_f(&c, 1e-5);
            case_in(&c, case_dense(F32, 2, (int64_t[]){2, n}));
            awkward(&c, 0);
            case_in(&c, case_dense(F32, 1, &n));
            case_in(&c, case_dense(F32, 1, &n));
            case_out(&c, case_dense(F32, 2, (int64_t[]){2, n}));
            case_run(&c);
            for (int64_t r = 0; r < 2; r++) {
                read_row(&c, 0, r, n, x);
                const float mean = is_rms ? 0.0f : sum(x, n) / (float)n;
                for (int64_t i = 0; i < n; i++)
                    d[i] = x[i] - mean;
                const float inverse = 1.0f / sqrtf(sum_of_squares(d, n) / (float)n + 1e-5f);
                for (int64_t i = 0; i < n; i++)
                    expect_bits(
                        &c, 3, r * n + i,
                        fmaf(d[i] * inverse, (float)case_get(&c, 1, i), (float)case_get(&c, 2, i)));
            }
            case_close(&c);
        }
}

static void group_norm_folds_its_channels_as_one_row(void **state) {
    (void)state;
    static float x[LONGEST];
    const int64_t dim[] = {2, 3, 4, 37}, per[] = {3, 4}, n = 4 * 37;
    kernel_case c;
    case_open(&c, DMS_K_GROUP_NORM);
    case_f(&c, 1e-3);
    case_in(&c, case_dense(F32, 4, dim));
    awkward(&c, 0);
    case_in(&c, case_dense(F32, 2, per));
    case_in(&c, case_dense(F32, 2, per));
    case_out(&c, case_dense(F32, 4, dim));
    case_run(&c);
    for (int64_t g = 0; g < 6; g++) {
        read_row(&c, 0, g, n, x);
        const float mean = sum(x, n) / (float)n;
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] - mean;
        const float inverse = 1.0f / sqrtf(sum_of_squares(x, n) / (float)n + 1e-3f);
        for (int64_t i = 0; i < n; i++) {
            const int64_t channel = g % 3 * 4 + i / 37;
            expect_bits(&c, 3, g * n + i,
                        fmaf(x[i], inverse * (float)case_get(&c, 1, channel),
                             (float)case_get(&c, 2, channel)));
        }
    }
    case_close(&c);
}

static void batch_norm_is_one_fused_step_per_element(void **state) {
    (void)state;
    const int64_t dim[] = {2, 3, 70}, channels = 3;
    kernel_case c;
    case_open(&c, DMS_K_BATCH_NORM);
    case_f(&c, 1e-3);
    case_in(&c, case_dense(F32, 3, dim));
    awkward(&c, 0);
    for (uint32_t k = 1; k < 5; k++)
        case_in(&c, case_dense(F32, 1, &channels));
    for (int64_t e = 0; e < 3; e++)
        case_set(&c, 4, e, 0.3 * (double)(e + 1));
    case_out(&c, case_dense(F32, 3, dim));
    case_run(&c);
    for (int64_t e = 0; e < 420; e++) {
        const int64_t k = e / 70 % 3;
        const float *scale = case_at(&c, 1, k), *bias = case_at(&c, 2, k);
        const float *mean = case_at(&c, 3, k), *variance = case_at(&c, 4, k);
        const float *x = case_at(&c, 0, e);
        expect_bits(&c, 5, e, fmaf(*x - *mean, *scale / sqrtf(*variance + 1e-3f), *bias));
    }
    case_close(&c);
}

static void cumsum_is_one_chain(void **state) {
    (void)state;
    static float x[LONGEST];
    for (size_t k = 0; k < N_LENGTHS; k++) {
        const int64_t n = lengths[k];
        kernel_case c;
        case_open(&c, DMS_K_CUMSUM);
        case_i(&c, 0);
        case_i(&c, 0);
        case_in(&c, case_dense(F32, 1, &n));
        awkward(&c, 0);
        case_out(&c, case_dense(F32, 1, &n));
        case_run(&c);
        read_row(&c, 0, 0, n, x);
        float chain = 0.0f;
        for (int64_t i = 0; i < n; i++) {
            chain = chain + x[i];
            expect_bits(&c, 1, i, chain);
        }
        case_close(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_tree),
        cmocka_unit_test(a_row_with_gaps_has_the_bits_of_a_dense_one),
        cmocka_unit_test(softmax_multiplies_by_the_reciprocal_of_the_tree),
        cmocka_unit_test(layer_norm_centres_before_it_squares),
        cmocka_unit_test(group_norm_folds_its_channels_as_one_row),
        cmocka_unit_test(batch_norm_is_one_fused_step_per_element),
        cmocka_unit_test(cumsum_is_one_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
