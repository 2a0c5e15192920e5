/* test_rows.c - reductions, softmax, normalisations, ARG, CUMSUM, TOPK, LRN against loops in
 * double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_case.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define F32 DMS_DTYPE_F32
#define F64 DMS_DTYPE_F64
#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16
#define I64 DMS_DTYPE_I64

static const dms_dtype floats[] = {F32, F64, F16, BF16};
static const dms_dtype numbers[] = {F32,           F64,           F16,           BF16,
                                    DMS_DTYPE_I8,  DMS_DTYPE_I32, I64,           DMS_DTYPE_U8,
                                    DMS_DTYPE_U32, DMS_DTYPE_U64, DMS_DTYPE_I16, DMS_DTYPE_U16};

/* One rounding to the type, and the f32 sums before it. */
static double tolerance(dms_dtype dtype) {
    return dtype == F64 ? 1e-13 : dtype == F32 ? 2e-6 : dtype == F16 ? 8e-4 : 6e-3;
}

static dms_view view_of(int strided, dms_dtype dtype, uint32_t rank, const int64_t *dim) {
    return strided ? case_strided(dtype, rank, dim, 2) : case_dense(dtype, rank, dim);
}

/* --- REDUCE */

static double reduce_row(int64_t fn, const double *x, int64_t n) {
    double sum = 0, square = 0, absolute = 0, prod = 1, exps = 0;
    double max = -(double)INFINITY, min = (double)INFINITY;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
        square += x[i] * x[i];
        absolute += fabs(x[i]);
        prod *= x[i];
        exps += exp(x[i]);
        max = x[i] > max ? x[i] : max;
        min = x[i] < min ? x[i] : min;
    }
    const double want[] = {sum,      sum / (double)n, max,    min,      prod,
                           absolute, sqrt(square),    square, log(sum), log(exps)};
    return want[fn];
}

static double row_of[70000];

/* x[kept..., red...] by coordinates: rows follow each other in row-major order. */
static void check_reduce(kernel_case *c, int64_t fn, double rtol, double atol) {
    const int64_t outputs = dms_view_count(&c->view[1]);
    const int64_t n = outputs == 0 ? 0 : dms_view_count(&c->view[0]) / outputs;
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t i = 0; i < n; i++)
            row_of[i] = case_get(c, 0, o * n + i);
        const double want = reduce_row(fn, row_of, n);
        if (dms_dtype_is_float(c->view[0].dtype))
            case_expect(c, 1, o, want, rtol, atol);
        else if (fabs(want) < 100) /* no wrap in the narrowest type */
            case_expect(c, 1, o, trunc(want), 0, 0);
    }
}

static void run_reduce(dms_dtype dtype, int64_t fn, dms_view x, uint32_t kept) {
    kernel_case c;
    case_open(&c, DMS_K_REDUCE);
    case_i(&c, fn);
    case_i(&c, kept);
    case_in(&c, x);
    for (int64_t e = 0; e < dms_view_count(&x); e++)
        if (fn == DMS_FN_LOG_SUM)
            case_set(&c, 0, e, fabs(case_get(&c, 0, e)) + 0.5);
        else if (fn == DMS_FN_PROD)
            case_set(&c, 0, e, e % 70 == 0 && e < 420 ? 2 : 1);
    case_out(&c, case_dense(dtype, kept, x.dim));
    case_run(&c);
    check_reduce(&c, fn, tolerance(dtype), 1e-4);
    case_close(&c);
}

static bool is_float_only(int64_t fn) {
    return fn == DMS_FN_LOG_SUM || fn == DMS_FN_LOG_SUM_EXP;
}

static void reductions_follow_their_formulas_in_every_type(void **state) {
    (void)state;
    const int64_t dim[] = {3, 4, 5, 9};
    for (size_t d = 0; d < N(numbers); d++)
        for (int64_t fn = 0; fn < DMS_N_REDUCE_FNS; fn++)
            for (uint32_t kept = 0; kept <= 4; kept += 2)
                for (int strided = 0; strided < 2; strided++)
                    if (dms_dtype_is_float(numbers[d]) || !is_float_only(fn))
                        run_reduce(numbers[d], fn, view_of(strided, numbers[d], 4, dim), kept);
}

static void rows_of_every_length_are_folded(void **state) {
    (void)state;
    const int64_t lengths[] = {1, 2, 31, 32, 33, 63, 65, 511, 512, 513, 1025, 40000};
    for (size_t k = 0; k < N(lengths); k++)
        for (int64_t fn = 0; fn < DMS_N_REDUCE_FNS; fn++)
            run_reduce(F32, fn, case_dense(F32, 2, (int64_t[]){3, lengths[k]}), 1);
}

/* Reduction over the outer axis: the rows lie side by side in memory. The tree is that of a row
 * that lies along memory, so the bits are too. */
static void the_layout_of_a_row_does_not_change_its_bits(void **state) {
    (void)state;
    const int64_t n = 1000, outputs = 150;
    const dms_dtype types[] = {F32, F16, F64, DMS_DTYPE_I32};
    for (size_t t = 0; t < N(types); t++)
        for (int64_t fn = 0; fn < DMS_N_REDUCE_FNS; fn++) {
            if (types[t] == DMS_DTYPE_I32 && is_float_only(fn))
                continue;
            dms_view across = case_dense(types[t], 2, (int64_t[]){outputs, n});
            kernel_case c[2];
            for (int side = 0; side < 2; side++) {
                if (side == 1) {
                    across.pitch[0] = 1;
                    across.pitch[1] = outputs;
                }
                case_open(&c[side], DMS_K_REDUCE);
                case_i(&c[side], fn);
                case_i(&c[side], 1);
                case_in(&c[side], across);
                for (int64_t e = 0; e < n * outputs; e++)
                    case_set(&c[side], 0, e, 0.01 * (double)(e * 7919 % 1000) + 0.3);
                case_out(&c[side], case_dense(types[t], 1, &outputs));
                case_run(&c[side]);
            }
            assert_memory_equal(case_at(&c[0], 1, 0), case_at(&c[1], 1, 0),
                                (size_t)outputs * dms_dtype_bytes(types[t]));
            check_reduce(&c[1], fn, tolerance(types[t]), 1e-6);
            case_close(&c[0]);
            case_close(&c[1]);
        }
}

static void extremes_keep_nan_and_bools(void **state) {
    (void)state;
    const int64_t n = 100, one = 1;
    for (int64_t fn = DMS_FN_REDUCE_MAX; fn <= DMS_FN_REDUCE_MIN; fn++)
        for (int64_t at = 0; at < n; at += 33) {
            kernel_case c;
            case_open(&c, DMS_K_REDUCE);
            case_i(&c, fn);
            case_i(&c, 0);
            case_in(&c, case_dense(F32, 1, &n));
            case_set(&c, 0, at, (double)NAN);
            case_out(&c, case_dense(F32, 0, &one));
            case_run(&c);
            case_expect(&c, 1, 0, (double)NAN, 0, 0);
            case_close(&c);
            case_open(&c, DMS_K_REDUCE);
            case_i(&c, fn);
            case_i(&c, 0);
            case_in(&c, case_dense(DMS_DTYPE_BOOL, 1, &n));
            for (int64_t e = 0; e < n; e++)
                case_set(&c, 0, e, (fn == DMS_FN_REDUCE_MAX) == (e == at));
            case_out(&c, case_dense(DMS_DTYPE_BOOL, 0, &one));
            case_run(&c);
            case_expect(&c, 1, 0, fn == DMS_FN_REDUCE_MAX, 0, 0);
            case_close(&c);
        }
}

static void a_reduction_of_nothing_gives_the_neutral_element(void **state) {
    (void)state;
    const double inf = (double)INFINITY, nan = (double)NAN;
    const double want[] = {0, nan, -inf, inf, 1, 0, 0, 0, -inf, -inf};
    for (int64_t fn = 0; fn < DMS_N_REDUCE_FNS; fn++) {
        kernel_case c;
        case_open(&c, DMS_K_REDUCE);
        case_i(&c, fn);
        case_i(&c, 1);
        case_in(&c, case_dense(F32, 2, (int64_t[]){2, 0}));
        case_out(&c, case_dense(F32, 1, (int64_t[]){2}));
        case_run(&c);
        case_expect(&c, 1, 1, want[fn], 0, 0);
        case_close(&c);
    }
    const struct {
        dms_dtype dtype;
        int64_t max, min;
    } limits[] = {{DMS_DTYPE_I8, -128, 127},
                  {DMS_DTYPE_U16, 0, 65535},
                  {I64, INT64_MIN, INT64_MAX},
                  {DMS_DTYPE_I32, INT32_MIN, INT32_MAX}};
    for (size_t k = 0; k < N(limits); k++)
        for (int64_t fn = DMS_FN_REDUCE_MAX; fn <= DMS_FN_REDUCE_MIN; fn++) {
            kernel_case c;
            case_open(&c, DMS_K_REDUCE);
            case_i(&c, fn);
            case_i(&c, 0);
            case_in(&c, case_dense(limits[k].dtype, 1, (int64_t[]){0}));
            case_out(&c, case_dense(limits[k].dtype, 0, NULL));
            case_run(&c);
            assert_int_equal(case_get_i(&c, 1, 0),
                             fn == DMS_FN_REDUCE_MAX ? limits[k].max : limits[k].min);
            case_close(&c);
        }
}

static void log_sum_exp_survives_large_and_infinite_elements(void **state) {
    (void)state;
    const double inf = (double)INFINITY;
    const struct {
        double x[3], want;
    } cases[] = {{{1000, 1000, 1000}, 1000 + log(3)},
                 {{-1000, -1001, -1e30}, -1000 + log(1 + exp(-1))},
                 {{-inf, -inf, -inf}, -inf},
                 {{inf, 1, 2}, inf},
                 {{(double)NAN, 1, 2}, (double)NAN}};
    for (size_t k = 0; k < N(cases); k++) {
        kernel_case c;
        case_open(&c, DMS_K_REDUCE);
        case_i(&c, DMS_FN_LOG_SUM_EXP);
        case_i(&c, 0);
        case_in(&c, case_dense(F32, 1, (int64_t[]){3}));
        case_set_all(&c, 0, cases[k].x);
        case_out(&c, case_dense(F32, 0, NULL));
        case_run(&c);
        case_expect(&c, 1, 0, cases[k].want, 1e-6, 0);
        case_close(&c);
    }
}

/* --- SOFTMAX */

static void check_softmax(dms_view x, dms_view y, int64_t is_log, int in_place) {
    kernel_case c;
    case_open(&c, DMS_K_SOFTMAX);
    case_i(&c, is_log);
    case_in(&c, x);
    case_out(&c, y);
    if (in_place)
        case_in_place(&c, 0);
    case_run(&c);
    const int64_t n = x.dim[x.rank - 1];
    for (int64_t r = 0; r < dms_view_count(&x) / n; r++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += exp(case_get(&c, 0, r * n + i));
        for (int64_t i = 0; i < n; i++) {
            const double p = exp(case_get(&c, 0, r * n + i)) / sum;
            case_expect(&c, 1, r * n + i, is_log ? log(p) : p, tolerance(x.dtype), 1e-7);
        }
    }
    case_close(&c);
}

static void softmax_rows_add_up_to_one(void **state) {
    (void)state;
    const int64_t lengths[] = {1, 7, 100, 1300};
    for (size_t d = 0; d < N(floats); d++)
        for (size_t k = 0; k < N(lengths); k++)
            for (int64_t is_log = 0; is_log < 2; is_log++)
                for (int strided = 0; strided < 2; strided++) {
                    const int64_t dim[] = {2, 5, lengths[k]};
                    const dms_view x = view_of(strided, floats[d], 3, dim);
                    check_softmax(x, view_of(0, floats[d], 3, dim), is_log, 0);
                    check_softmax(x, x, is_log, 1);
                }
}

static void softmax_of_infinities_is_as_in_onnx_runtime(void **state) {
    (void)state;
    const double inf = (double)INFINITY, nan = (double)NAN;
    const struct {
        double x[3], want[3];
    } cases[] = {{{-inf, -inf, -inf}, {nan, nan, nan}},
                 {{-inf, 0, 0}, {0, 0.5, 0.5}},
                 {{1e30, 0, -1e30}, {1, 0, 0}},
                 {{nan, 0, 0}, {nan, nan, nan}}};
    for (size_t k = 0; k < N(cases); k++) {
        kernel_case c;
        case_open(&c, DMS_K_SOFTMAX);
        case_i(&c, 0);
        case_in(&c, case_dense(F32, 1, (int64_t[]){3}));
        case_set_all(&c, 0, cases[k].x);
        case_out(&c, case_dense(F32, 1, (int64_t[]){3}));
        case_run(&c);
        for (int64_t e = 0; e < 3; e++)
            case_expect(&c, 1, e, cases[k].want[e], 0, 0);
        case_close(&c);
    }
}

/* --- normalisations */

static void moments(const double *x, int64_t n, double *mean, double *variance) {
    *mean = *variance = 0;
    for (int64_t i = 0; i < n; i++)
        *mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        *variance += (x[i] - *mean) * (x[i] - *mean) / (double)n;
}

static void check_layer_norm(dms_dtype dtype, int64_t n, uint32_t n_in, uint32_t n_out,
                             int64_t is_rms, int strided) {
    const int64_t dim[] = {3, 4, n};
    kernel_case c;
    case_open(&c, DMS_K_LAYER_NORM);
    case_i(&c, is_rms);
    case_f(&c, 1e-3);
    case_in(&c, view_of(strided, dtype, 3, dim));
    for (uint32_t k = 1; k < n_in; k++)
        case_in(&c, view_of(strided, dtype, 1, &n));
    case_out(&c, view_of(strided, dtype, 3, dim));
    if (n_out == 1 && n_in == 3)
        case_in_place(&c, 0);
    for (uint32_t k = 1; k < n_out; k++)
        case_out(&c, case_dense(k == 1 ? dtype : F32, 2, dim));
    case_run(&c);
    for (int64_t r = 0; r < 12; r++) {
        double mean, variance;
        for (int64_t i = 0; i < n; i++)
            row_of[i] = case_get(&c, 0, r * n + i);
        moments(row_of, n, &mean, &variance);
        if (is_rms) {
            variance += mean * mean;
            mean = 0;
        }
        const double inv = 1 / sqrt(variance + 1e-3);
        for (int64_t i = 0; i < n; i++) {
            const double scale = n_in > 1 ? case_get(&c, 1, i) : 1;
            const double bias = n_in > 2 ? case_get(&c, 2, i) : 0;
            case_expect(&c, n_in, r * n + i, (row_of[i] - mean) * inv * scale + bias,
                        tolerance(dtype), tolerance(dtype) * 10);
        }
        if (n_out > 1)
            case_expect(&c, n_in + 1, r, mean, tolerance(dtype), tolerance(dtype));
        if (n_out > 2)
            case_expect(&c, n_in + 2, r, inv, 1e-5, 0);
    }
    case_close(&c);
}

static void layer_norm_centres_and_scales_each_row(void **state) {
    (void)state;
    const int64_t lengths[] = {1, 20, 700};
    for (size_t d = 0; d < N(floats); d++)
        for (size_t k = 0; k < N(lengths); k++)
            for (uint32_t n_in = 1; n_in <= 3; n_in++)
                for (uint32_t n_out = 1; n_out <= 3; n_out++)
                    for (int64_t is_rms = 0; is_rms < 2; is_rms++)
                        for (int strided = 0; strided < 2; strided++)
                            check_layer_norm(floats[d], lengths[k], n_in, n_out, is_rms, strided);
}

static void the_variance_of_a_far_mean_is_not_lost(void **state) {
    (void)state;
    /* 10000 +- 1: a sum of squares minus a square of sums would leave nothing in f32. */
    const int64_t dim[] = {1, 64};
    kernel_case c;
    case_open(&c, DMS_K_LAYER_NORM);
    case_i(&c, 0);
    case_f(&c, 0);
    case_in(&c, case_dense(F32, 2, dim));
    for (int64_t e = 0; e < 64; e++)
        case_set(&c, 0, e, 10000 + (e % 2 ? 1 : -1));
    case_out(&c, case_dense(F32, 2, dim));
    case_run(&c);
    case_expect(&c, 1, 0, -1, 1e-6, 0);
    case_expect(&c, 1, 1, 1, 1e-6, 0);
    case_close(&c);
}

static void group_norm_centres_whole_groups(void **state) {
    (void)state;
    const int64_t dim[] = {2, 3, 4, 30}, per[] = {3, 4};
    for (size_t d = 0; d < N(floats); d++)
        for (int strided = 0; strided < 2; strided++) {
            kernel_case c;
            case_open(&c, DMS_K_GROUP_NORM);
            case_f(&c, 1e-2);
            case_in(&c, view_of(strided, floats[d], 4, dim));
            case_in(&c, view_of(strided, floats[d], 2, per));
            case_in(&c, view_of(strided, floats[d], 2, per));
            case_out(&c, view_of(strided, floats[d], 4, dim));
            if (strided)
                case_in_place(&c, 0);
            case_run(&c);
            for (int64_t g = 0; g < 6; g++) {
                double mean, variance;
                for (int64_t i = 0; i < 120; i++)
                    row_of[i] = case_get(&c, 0, g * 120 + i);
                moments(row_of, 120, &mean, &variance);
                for (int64_t i = 0; i < 120; i++) {
                    const int64_t channel = g % 3 * 4 + i / 30;
                    const double want =
                        (row_of[i] - mean) / sqrt(variance + 1e-2) * case_get(&c, 1, channel) +
                        case_get(&c, 2, channel);
                    case_expect(&c, 3, g * 120 + i, want, tolerance(floats[d]),
                                10 * tolerance(floats[d]));
                }
            }
            case_close(&c);
        }
}

static void batch_norm_uses_the_given_moments(void **state) {
    (void)state;
    const int64_t dim[] = {2, 3, 50}, channels = 3;
    for (size_t d = 0; d < N(floats); d++)
        for (size_t v = 0; v < 2; v++) { /* the vectors: of the type of x, of f32 */
            kernel_case c;
            case_open(&c, DMS_K_BATCH_NORM);
            case_f(&c, 1e-2);
            case_in(&c, view_of(v != 0, floats[d], 3, dim));
            for (uint32_t k = 1; k < 5; k++)
                case_in(&c, case_dense(v == 0 ? floats[d] : F32, 1, &channels));
            for (int64_t e = 0; e < 3; e++)
                case_set(&c, 4, e, 0.5 + (double)e);
            case_out(&c, view_of(v != 0, floats[d], 3, dim));
            case_run(&c);
            for (int64_t e = 0; e < 300; e++) {
                const int64_t k = e / 50 % 3;
                const double inv = 1 / sqrt(case_get(&c, 4, k) + 1e-2);
                const double want =
                    (case_get(&c, 0, e) - case_get(&c, 3, k)) * inv * case_get(&c, 1, k) +
                    case_get(&c, 2, k);
                case_expect(&c, 5, e, want, tolerance(floats[d]), 10 * tolerance(floats[d]));
            }
            case_close(&c);
        }
}

static void lrn_divides_by_the_neighbouring_channels(void **state) {
    (void)state;
    const int64_t dim[] = {2, 7, 600};
    for (size_t d = 0; d < N(floats); d++)
        for (int64_t size = 1; size < 7; size++) {
            kernel_case c;
            case_open(&c, DMS_K_LRN);
            case_i(&c, size);
            case_f(&c, 0.5);
            case_f(&c, 0.75);
            case_f(&c, 1.5);
            case_in(&c, view_of(size % 2 == 0, floats[d], 3, dim));
            case_out(&c, view_of(size % 2 != 0, floats[d], 3, dim));
            case_run(&c);
            for (int64_t e = 0; e < 8400; e += 13) {
                const int64_t b = e / 4200, k = e / 600 % 7, s = e % 600;
                double sum = 0;
                for (int64_t j = k - (size - 1) / 2; j <= k + size / 2; j++)
                    if (j >= 0 && j < 7)
                        sum += pow(case_get(&c, 0, (b * 7 + j) * 600 + s), 2);
                const double want = case_get(&c, 0, e) / pow(1.5 + 0.5 / (double)size * sum, 0.75);
                case_expect(&c, 1, e, want, tolerance(floats[d]), 0);
            }
            case_close(&c);
        }
}

/* An u64 near 2^64 has no double of its own; the oracles compare doubles. */
static void keep_below_2_to_53(kernel_case *c, uint32_t operand) {
    for (int64_t e = 0; e < dms_view_count(&c->view[operand]); e++)
        if (c->view[operand].dtype == DMS_DTYPE_U64)
            case_set(c, operand, e, fabs((double)case_get_i(c, operand, e)));
}

/* --- ARG */

static void arg_finds_the_first_or_last_extreme(void **state) {
    (void)state;
    const int64_t lengths[] = {1, 5, 40, 1500};
    for (size_t d = 0; d < N(numbers); d++)
        for (size_t k = 0; k < N(lengths); k++)
            for (int64_t p = 0; p < 8; p++) {
                const int64_t is_min = p & 1, is_last = p >> 1 & 1, n = lengths[k];
                const int64_t dim[] = {3, n};
                kernel_case c;
                case_open(&c, DMS_K_ARG);
                case_i(&c, is_min);
                case_i(&c, is_last);
                case_in(&c, view_of((int)(p >> 2), numbers[d], 2, dim));
                keep_below_2_to_53(&c, 0);
                case_out(&c, case_dense(I64, 1, dim));
                case_run(&c);
                for (int64_t r = 0; r < 3; r++) {
                    int64_t best = 0;
                    for (int64_t i = 1; i < n; i++) {
                        const double x = case_get(&c, 0, r * n + i);
                        const double z = case_get(&c, 0, r * n + best);
                        if ((is_min ? x < z : x > z) || (is_last && x == z))
                            best = i;
                    }
                    assert_int_equal(case_get_i(&c, 1, r), best);
                }
                case_close(&c);
            }
}

static void arg_takes_a_nan_for_the_extreme(void **state) {
    (void)state;
    const int64_t n = 70;
    for (int64_t p = 0; p < 4; p++) {
        kernel_case c;
        case_open(&c, DMS_K_ARG);
        case_i(&c, p & 1);
        case_i(&c, p >> 1);
        case_in(&c, case_dense(F32, 1, &n));
        case_set(&c, 0, 11, (double)NAN);
        case_set(&c, 0, 60, (double)NAN);
        case_out(&c, case_dense(I64, 0, NULL));
        case_run(&c);
        assert_int_equal(case_get_i(&c, 1, 0), p >> 1 ? 60 : 11);
        case_close(&c);
    }
}

/* --- CUMSUM */

static void cumsum_adds_up_in_both_directions(void **state) {
    (void)state;
    const int64_t dim[] = {3, 4, 700};
    for (size_t d = 0; d < N(numbers); d++)
        for (int64_t p = 0; p < 8; p++) {
            const bool is_exclusive = p & 1, is_reverse = p & 2;
            kernel_case c;
            case_open(&c, DMS_K_CUMSUM);
            case_i(&c, is_exclusive);
            case_i(&c, is_reverse);
            case_in(&c, view_of(p >= 4, numbers[d], 3, dim));
            for (int64_t e = 0; e < 8400; e++) /* sums of a row stay exact in every type */
                case_set(&c, 0, e, e % 25 == 0 ? 1 : 0);
            case_out(&c, view_of(p >= 4, numbers[d], 3, dim));
            if (p >= 4)
                case_in_place(&c, 0);
            case_run(&c);
            for (int64_t r = 0; r < 12; r++) {
                double sum = 0;
                for (int64_t i = 0; i < 700; i++) {
                    const int64_t e = r * 700 + (is_reverse ? 699 - i : i);
                    const double before = sum;
                    sum += case_get(&c, 0, e);
                    case_expect(&c, 1, e, is_exclusive ? before : sum, 0, 0);
                }
            }
            case_close(&c);
        }
}

/* --- TOPK */

static void check_topk(dms_dtype dtype, int64_t n, int64_t k, int64_t largest, int strided) {
    const int64_t dim[] = {3, n}, out[] = {3, k};
    kernel_case c;
    case_open(&c, DMS_K_TOPK);
    case_i(&c, largest);
    case_i(&c, 1);
    case_in(&c, view_of(strided, dtype, 2, dim));
    keep_below_2_to_53(&c, 0);
    case_out(&c, view_of(strided, dtype, 2, out));
    case_out(&c, view_of(strided, I64, 2, out));
    case_run(&c);
    for (int64_t r = 0; r < 3; r++) {
        bool taken[2000] = {false};
        for (int64_t i = 0; i < k;
             i++) { /* selection: the best that is left, the first of equals */
            int64_t best = -1;
            for (int64_t j = 0; j < n; j++) {
                const double x = case_get(&c, 0, r * n + j);
                const double z = best < 0 ? 0 : case_get(&c, 0, r * n + best);
                if (!taken[j] && (best < 0 || (largest ? x > z : x < z)))
                    best = j;
            }
            taken[best] = true;
            assert_int_equal(case_get_i(&c, 2, r * k + i), best);
            case_expect(&c, 1, r * k + i, case_get(&c, 0, r * n + best), 0, 0);
        }
    }
    case_close(&c);
}

static void topk_is_sorted_and_ties_go_to_the_lower_index(void **state) {
    (void)state;
    const int64_t sizes[][2] = {{1, 1}, {9, 9}, {9, 1}, {100, 7}, {600, 100}, {20, 0}};
    for (size_t d = 0; d < N(numbers); d++)
        for (size_t k = 0; k < N(sizes); k++)
            for (int64_t p = 0; p < 4; p++)
                check_topk(numbers[d], sizes[k][0], sizes[k][1], p & 1, (int)(p >> 1));
}

static void topk_puts_nan_above_everything(void **state) {
    (void)state;
    const double x[] = {1, (double)NAN, -0.0, 0.0, (double)INFINITY, -5};
    const int64_t want[][6] = {{5, 2, 3, 0, 4, 1}, {1, 4, 0, 2, 3, 5}};
    for (int64_t largest = 0; largest < 2; largest++) {
        kernel_case c;
        case_open(&c, DMS_K_TOPK);
        case_i(&c, largest);
        case_i(&c, 1);
        case_in(&c, case_dense(F32, 1, (int64_t[]){6}));
        case_set_all(&c, 0, x);
        case_out(&c, case_dense(F32, 1, (int64_t[]){6}));
        case_out(&c, case_dense(I64, 1, (int64_t[]){6}));
        case_run(&c);
        for (int64_t i = 0; i < 6; i++)
            assert_int_equal(case_get_i(&c, 2, i), want[largest][i]);
        case_close(&c);
    }
}

/* --- refusals */

static void operands_that_do_not_fit_are_refused(void **state) {
    (void)state;
    const int64_t dim[] = {2, 3}, other[] = {3};
    dms_status st;
    kernel_case c;
    case_open(&c, DMS_K_REDUCE);
    case_i(&c, DMS_FN_LOG_SUM);
    case_i(&c, 1);
    case_in(&c, case_dense(DMS_DTYPE_I32, 2, dim));
    case_out(&c, case_dense(DMS_DTYPE_I32, 1, dim));
    assert_non_null(strstr(case_refusal(&c, &st), "kernel 'reduce', operand 0: dtype i32"));
    c.i[0] = DMS_FN_SUM;
    c.i[1] = 3;
    assert_non_null(strstr(case_refusal(&c, &st), "integer parameter 1 is 3"));
    c.i[1] = 0;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1: rank 1, wants 0"));
    case_close(&c);
    case_open(&c, DMS_K_LAYER_NORM);
    case_i(&c, 0);
    case_f(&c, 1e-5);
    case_in(&c, case_dense(F32, 2, dim));
    case_in(&c, case_dense(F32, 1, dim));
    case_out(&c, case_dense(F32, 2, dim));
    assert_non_null(strstr(case_refusal(&c, &st), "kernel 'layer_norm', operand 1"));
    c.view[1] = case_dense(F16, 1, other);
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1: dtype f16"));
    case_close(&c);
    case_open(&c, DMS_K_TOPK);
    case_i(&c, 1);
    case_i(&c, 1);
    case_in(&c, case_dense(F32, 1, other));
    case_out(&c, case_dense(F32, 1, (int64_t[]){4}));
    case_out(&c, case_dense(I64, 1, (int64_t[]){4}));
    assert_non_null(strstr(case_refusal(&c, &st), "wants 4 of 3 elements"));
    case_close(&c);
    case_open(&c, DMS_K_ARG);
    case_i(&c, 0);
    case_i(&c, 0);
    case_in(&c, case_dense(F32, 2, (int64_t[]){2, 0}));
    case_out(&c, case_dense(I64, 1, dim));
    assert_non_null(strstr(case_refusal(&c, &st), "an empty row has no largest element"));
    case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reductions_follow_their_formulas_in_every_type),
        cmocka_unit_test(rows_of_every_length_are_folded),
        cmocka_unit_test(the_layout_of_a_row_does_not_change_its_bits),
        cmocka_unit_test(extremes_keep_nan_and_bools),
        cmocka_unit_test(a_reduction_of_nothing_gives_the_neutral_element),
        cmocka_unit_test(log_sum_exp_survives_large_and_infinite_elements),
        cmocka_unit_test(softmax_rows_add_up_to_one),
        cmocka_unit_test(softmax_of_infinities_is_as_in_onnx_runtime),
        cmocka_unit_test(layer_norm_centres_and_scales_each_row),
        cmocka_unit_test(the_variance_of_a_far_mean_is_not_lost),
        cmocka_unit_test(group_norm_centres_whole_groups),
        cmocka_unit_test(batch_norm_uses_the_given_moments),
        cmocka_unit_test(lrn_divides_by_the_neighbouring_channels),
        cmocka_unit_test(arg_finds_the_first_or_last_extreme),
        cmocka_unit_test(arg_takes_a_nan_for_the_extreme),
        cmocka_unit_test(cumsum_adds_up_in_both_directions),
        cmocka_unit_test(topk_is_sorted_and_ties_go_to_the_lower_index),
        cmocka_unit_test(topk_puts_nan_above_everything),
        cmocka_unit_test(operands_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
