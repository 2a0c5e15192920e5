/* test_map.c - UNARY and BINARY against naive loops in double; what the family refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_case.h"

static const dms_dtype floats[] = {DMS_DTYPE_F32, DMS_DTYPE_F64, DMS_DTYPE_F16, DMS_DTYPE_BF16};
static const dms_dtype integers[] = {DMS_DTYPE_I8, DMS_DTYPE_I16, DMS_DTYPE_I32, DMS_DTYPE_I64,
                                     DMS_DTYPE_U8, DMS_DTYPE_U16, DMS_DTYPE_U32, DMS_DTYPE_U64};
#define N(array) (sizeof(array) / sizeof *(array))

/* What one rounding to the type may change, and a little for the f32 computation before it. */
static double tolerance(dms_dtype dtype) {
    return dtype == DMS_DTYPE_F64   ? 1e-14
           : dtype == DMS_DTYPE_F32 ? 4e-7
           : dtype == DMS_DTYPE_F16 ? 6e-4
                                    : 4e-3;
}

/* --- UNARY */

typedef struct unary_case {
    int fn;
    double p0, p1;
    double (*want)(double x, double p0, double p1);
} unary_case;

static double sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}
static double softplus(double x) {
    return log1p(exp(x));
}
static double clamp01(double x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

#define WANT(name, expr)                                                                           \
    static double want_##name(double x, double p, double q) {                                      \
        (void)p;                                                                                   \
        (void)q;                                                                                   \
        return expr;                                                                               \
    }
WANT(neg, -x)
WANT(abs, fabs(x))
WANT(relu, isnan(x) ? x : fmax(x, 0))
WANT(sigmoid, sigmoid(x))
WANT(tanh, tanh(x))
WANT(exp, exp(x))
WANT(log, log(x))
WANT(sqrt, sqrt(x))
WANT(reciprocal, 1 / x)
WANT(erf, erf(x))
WANT(gelu, 0.5 * x * (1 + erf(x / sqrt(2))))
WANT(gelu_tanh, 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * pow(x, 3)))))
WANT(silu, x *sigmoid(x))
WANT(sin, sin(x))
WANT(cos, cos(x))
WANT(tan, tan(x))
WANT(asin, asin(x))
WANT(acos, acos(x))
WANT(atan, atan(x))
WANT(sinh, sinh(x))
WANT(cosh, cosh(x))
WANT(asinh, asinh(x))
WANT(acosh, acosh(x))
WANT(atanh, atanh(x))
WANT(hard_sigmoid, clamp01(p *x + q))
WANT(hard_swish, x *clamp01(x / 6 + 0.5))
WANT(leaky_relu, x < 0 ? p * x : x)
WANT(elu, x < 0 ? p * (exp(x) - 1) : x)
WANT(selu, x > 0 ? q * x : q * (p * exp(x) - p))
WANT(celu, isnan(x) ? x : fmax(0, x) + fmin(0, p *(exp(x / p) - 1)))
WANT(softplus, softplus(x))
WANT(softsign, x / (1 + fabs(x)))
WANT(thresholded_relu, isnan(x) || x > p ? x : 0)
WANT(shrink, isnan(x) ? x : x<-q ? x + p : x> q ? x - p : 0)
WANT(mish, x *tanh(softplus(x)))
WANT(floor, floor(x))
WANT(ceil, ceil(x))
WANT(round, nearbyint(x))
WANT(sign, isnan(x) ? x : (x > 0) - (x < 0))
WANT(clip, isnan(x) ? x : fmin(fmax(x, p), q))
WANT(square, x *x)

static const unary_case unary_cases[] = {
    {DMS_FN_NEG, 0, 0, want_neg},
    {DMS_FN_ABS, 0, 0, want_abs},
    {DMS_FN_RELU, 0, 0, want_relu},
    {DMS_FN_SIGMOID, 0, 0, want_sigmoid},
    {DMS_FN_TANH, 0, 0, want_tanh},
    {DMS_FN_EXP, 0, 0, want_exp},
    {DMS_FN_LOG, 0, 0, want_log},
    {DMS_FN_SQRT, 0, 0, want_sqrt},
    {DMS_FN_RECIPROCAL, 0, 0, want_reciprocal},
    {DMS_FN_ERF, 0, 0, want_erf},
    {DMS_FN_GELU, 0, 0, want_gelu},
    {DMS_FN_GELU_TANH, 0, 0, want_gelu_tanh},
    {DMS_FN_SILU, 0, 0, want_silu},
    {DMS_FN_SIN, 0, 0, want_sin},
    {DMS_FN_COS, 0, 0, want_cos},
    {DMS_FN_TAN, 0, 0, want_tan},
    {DMS_FN_ASIN, 0, 0, want_asin},
    {DMS_FN_ACOS, 0, 0, want_acos},
    {DMS_FN_ATAN, 0, 0, want_atan},
    {DMS_FN_SINH, 0, 0, want_sinh},
    {DMS_FN_COSH, 0, 0, want_cosh},
    {DMS_FN_ASINH, 0, 0, want_asinh},
    {DMS_FN_ACOSH, 0, 0, want_acosh},
    {DMS_FN_ATANH, 0, 0, want_atanh},
    {DMS_FN_HARD_SIGMOID, 0.25, 0.5, want_hard_sigmoid},
    {DMS_FN_HARD_SWISH, 0, 0, want_hard_swish},
    {DMS_FN_LEAKY_RELU, 0.125, 0, want_leaky_relu},
    {DMS_FN_ELU, 2, 0, want_elu},
    {DMS_FN_SELU, 2, 3, want_selu},
    {DMS_FN_CELU, 2, 0, want_celu},
    {DMS_FN_SOFTPLUS, 0, 0, want_softplus},
    {DMS_FN_SOFTSIGN, 0, 0, want_softsign},
    {DMS_FN_THRESHOLDED_RELU, 0.75, 0, want_thresholded_relu},
    {DMS_FN_SHRINK, 0.25, 1.5, want_shrink},
    {DMS_FN_MISH, 0, 0, want_mish},
    {DMS_FN_FLOOR, 0, 0, want_floor},
    {DMS_FN_CEIL, 0, 0, want_ceil},
    {DMS_FN_ROUND, 0, 0, want_round},
    {DMS_FN_SIGN, 0, 0, want_sign},
    {DMS_FN_CLIP, -1.5, 2, want_clip},
    {DMS_FN_SQUARE, 0, 0, want_square},
};

static void run_unary_case(const unary_case *u, dms_view x, dms_view y, const double *special) {
    kernel_case c;
    case_open(&c, DMS_K_UNARY);
    case_i(&c, u->fn);
    case_f(&c, u->p0);
    case_f(&c, u->p1);
    case_in(&c, x);
    if (special != NULL)
        case_set_all(&c, 0, special);
    case_out(&c, y);
    case_run(&c);
    for (int64_t e = 0; e < dms_view_count(&x); e++) {
        double want = u->want(case_get(&c, 0, e), u->p0, u->p1);
        want = x.dtype == DMS_DTYPE_F32 ? (double)(float)want : want;
        case_expect(&c, 1, e, want, tolerance(x.dtype), x.dtype == DMS_DTYPE_F16 ? 6e-8 : 1e-7);
    }
    case_close(&c);
}

static void unary_functions_follow_their_formulas(void **state) {
    (void)state;
    const int64_t dense[] = {3, 700}, odd[] = {5, 3, 7};
    for (size_t f = 0; f < N(unary_cases); f++)
        for (size_t d = 0; d < N(floats); d++) {
            run_unary_case(&unary_cases[f], case_dense(floats[d], 2, dense),
                           case_dense(floats[d], 2, dense), NULL);
            run_unary_case(&unary_cases[f], case_strided(floats[d], 3, odd, 2),
                           case_strided(floats[d], 3, odd, 1), NULL);
        }
}

static void unary_functions_keep_nan_and_infinity(void **state) {
    (void)state;
    const double special[] = {
        (double)NAN, (double)INFINITY, -(double)INFINITY, 0.0, -0.0, 1e-42, -1e-42, 2.5, 3.5, -0.5};
    const int64_t dim[] = {10};
    for (size_t f = 0; f < N(unary_cases); f++) {
        const int fn = unary_cases[f].fn;
        /* inf x 0 in the formula of the oracle: these have limits instead, tested by themselves. */
        if (fn == DMS_FN_MISH || fn == DMS_FN_SILU || fn == DMS_FN_HARD_SWISH ||
            fn == DMS_FN_GELU || fn == DMS_FN_GELU_TANH || fn == DMS_FN_SOFTSIGN)
            continue;
        run_unary_case(&unary_cases[f], case_dense(DMS_DTYPE_F32, 1, dim),
                       case_dense(DMS_DTYPE_F32, 1, dim), special);
    }
}

static void integers_wrap_in_unary_functions(void **state) {
    (void)state;
    const int64_t dim[] = {2};
    const struct {
        int fn;
        dms_dtype dtype;
        double x[2], want[2];
    } cases[] = {
        {DMS_FN_NEG, DMS_DTYPE_I8, {-128, 5}, {-128, -5}},
        {DMS_FN_NEG, DMS_DTYPE_U8, {1, 0}, {255, 0}},
        {DMS_FN_ABS, DMS_DTYPE_I16, {-32768, -7}, {-32768, 7}},
        {DMS_FN_RELU, DMS_DTYPE_I32, {-4, 4}, {0, 4}},
        {DMS_FN_SIGN, DMS_DTYPE_I64, {-9, 0}, {-1, 0}},
        {DMS_FN_SIGN, DMS_DTYPE_U64, {9, 0}, {1, 0}},
        {DMS_FN_SQUARE, DMS_DTYPE_I8, {16, -3}, {0, 9}},
        {DMS_FN_CLIP, DMS_DTYPE_I32, {-10, 10}, {-2, 3}},
        {DMS_FN_CLIP, DMS_DTYPE_U8, {0, 10}, {0, 3}},
        {DMS_FN_BITWISE_NOT, DMS_DTYPE_U8, {1, 255}, {254, 0}},
        {DMS_FN_BITWISE_NOT, DMS_DTYPE_I32, {1, -1}, {-2, 0}},
    };
    for (size_t k = 0; k < N(cases); k++) {
        kernel_case c;
        case_open(&c, DMS_K_UNARY);
        case_i(&c, cases[k].fn);
        case_f(&c, -2);
        case_f(&c, 3);
        case_in(&c, case_dense(cases[k].dtype, 1, dim));
        case_set_all(&c, 0, cases[k].x);
        case_out(&c, case_dense(cases[k].dtype, 1, dim));
        case_run(&c);
        for (int64_t e = 0; e < 2; e++)
            case_expect(&c, 1, e, cases[k].want[e], 0, 0);
        case_close(&c);
    }
}

static void truths_are_bytes_of_zero_and_one(void **state) {
    (void)state;
    const int64_t dim[] = {4};
    const double x[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 1.0};
    const struct {
        int fn;
        double p0, p1;
        int want[4];
    } cases[] = {{DMS_FN_IS_NAN, 0, 0, {1, 0, 0, 0}},
                 {DMS_FN_IS_INF, 1, 1, {0, 1, 1, 0}},
                 {DMS_FN_IS_INF, 1, 0, {0, 0, 1, 0}},
                 {DMS_FN_IS_INF, 0, 1, {0, 1, 0, 0}}};
    for (size_t k = 0; k < N(cases); k++)
        for (size_t d = 0; d < N(floats); d++) {
            kernel_case c;
            case_open(&c, DMS_K_UNARY);
            case_i(&c, cases[k].fn);
            case_f(&c, cases[k].p0);
            case_f(&c, cases[k].p1);
            case_in(&c, case_dense(floats[d], 1, dim));
            case_set_all(&c, 0, x);
            case_out(&c, case_dense(DMS_DTYPE_BOOL, 1, dim));
            case_run(&c);
            for (int64_t e = 0; e < 4; e++)
                assert_int_equal(*(uint8_t *)case_at(&c, 1, e), cases[k].want[e]);
            case_close(&c);
        }
}

static void not_takes_any_byte_but_zero_for_true(void **state) {
    (void)state;
    kernel_case c;
    case_open(&c, DMS_K_UNARY);
    case_i(&c, DMS_FN_NOT);
    case_in(&c, case_dense(DMS_DTYPE_BOOL, 1, (int64_t[]){3}));
    memcpy(case_at(&c, 0, 0), "\x00\x01\x80", 3);
    case_out(&c, case_dense(DMS_DTYPE_BOOL, 1, (int64_t[]){3}));
    case_run(&c);
    assert_memory_equal(case_at(&c, 1, 0), "\x01\x00\x00", 3);
    case_close(&c);
}

static void sines_of_huge_angles_do_not_depend_on_their_neighbours(void **state) {
    (void)state;
    /* One far angle in a strip sends the whole strip down the other path: the bits stay. */
    const int64_t n = 600;
    float got[2];
    for (int far = 0; far < 2; far++) {
        kernel_case c;
        case_open(&c, DMS_K_UNARY);
        case_i(&c, DMS_FN_SIN);
        case_in(&c, case_dense(DMS_DTYPE_F32, 1, &n));
        case_set(&c, 0, 7, 1234.5);
        case_set(&c, 0, 8, far ? 1e30 : 1.0);
        case_out(&c, case_dense(DMS_DTYPE_F32, 1, &n));
        case_run(&c);
        got[far] = *(float *)case_at(&c, 1, 7);
        case_expect(&c, 1, 8, sin(case_get(&c, 0, 8)), 3e-7, 0);
        case_close(&c);
    }
    assert_true(got[0] == got[1]);
}

/* --- BINARY */

static double want_binary(int fn, double a, double b) {
    switch (fn) {
    case DMS_FN_ADD:
        return a + b;
    case DMS_FN_SUB:
        return a - b;
    case DMS_FN_MUL:
        return a * b;
    case DMS_FN_DIV:
        return a / b;
    case DMS_FN_POW:
        return pow(a, b);
    case DMS_FN_MIN:
        return isnan(a) || isnan(b) ? (double)NAN : fmin(a, b);
    case DMS_FN_MAX:
        return isnan(a) || isnan(b) ? (double)NAN : fmax(a, b);
    case DMS_FN_MOD:
        return a - floor(a / b) * b;
    case DMS_FN_FMOD:
        return fmod(a, b);
    case DMS_FN_EQUAL:
        return a == b;
    case DMS_FN_LESS:
        return a < b;
    case DMS_FN_LESS_EQUAL:
        return a <= b;
    case DMS_FN_GREATER:
        return a > b;
    case DMS_FN_GREATER_EQUAL:
        return a >= b;
    case DMS_FN_PRELU:
        return a < 0 ? a * b : a;
    }
    return (double)NAN;
}

static bool is_comparison(int fn) {
    return fn >= DMS_FN_EQUAL && fn <= DMS_FN_GREATER_EQUAL;
}

static void run_binary_case(int fn, dms_view a, dms_view b, dms_view y, int in_place) {
    kernel_case c;
    case_open(&c, DMS_K_BINARY);
    case_i(&c, fn);
    case_in(&c, a);
    case_in(&c, b);
    y.dtype = is_comparison(fn) ? DMS_DTYPE_BOOL : a.dtype;
    case_out(&c, y);
    if (in_place >= 0)
        case_in_place(&c, (uint32_t)in_place);
    case_run(&c);
    for (int64_t e = 0; e < dms_view_count(&a); e++)
        case_expect(&c, 2, e, want_binary(fn, case_get(&c, 0, e), case_get(&c, 1, e)),
                    is_comparison(fn) ? 0 : tolerance(a.dtype), 0);
    case_close(&c);
}

static const int float_binaries[] = {
    DMS_FN_ADD,  DMS_FN_SUB,        DMS_FN_MUL,     DMS_FN_DIV,           DMS_FN_POW,
    DMS_FN_MIN,  DMS_FN_MAX,        DMS_FN_MOD,     DMS_FN_FMOD,          DMS_FN_EQUAL,
    DMS_FN_LESS, DMS_FN_LESS_EQUAL, DMS_FN_GREATER, DMS_FN_GREATER_EQUAL, DMS_FN_PRELU};

static void binary_functions_follow_their_formulas(void **state) {
    (void)state;
    const int64_t dim[] = {3, 600}, odd[] = {4, 3, 5};
    for (size_t f = 0; f < N(float_binaries); f++)
        for (size_t d = 0; d < N(floats); d++) {
            const dms_view dense = case_dense(floats[d], 2, dim);
            run_binary_case(float_binaries[f], dense, dense, dense, -1);
            const dms_view strided = case_strided(floats[d], 3, odd, 3);
            run_binary_case(float_binaries[f], strided, case_dense(floats[d], 3, odd), strided, -1);
        }
}

static void repeated_operands_are_read_again_and_again(void **state) {
    (void)state;
    /* Along rows, along columns, both: pitches of 0 on every axis, with long and short runs. */
    const int64_t dims[][2] = {{3, 1500}, {1500, 3}, {40, 70}};
    for (size_t k = 0; k < N(dims); k++)
        for (int repeats = 1; repeats < 4; repeats++) {
            const dms_view a = case_dense(DMS_DTYPE_F32, 2, dims[k]);
            dms_view b = a;
            if (repeats & 1)
                b.pitch[0] = 0;
            if (repeats & 2)
                b.pitch[1] = 0;
            run_binary_case(DMS_FN_SUB, a, b, a, -1);
            run_binary_case(DMS_FN_SUB, b, a, a, -1);
            run_binary_case(DMS_FN_SUB, b, b, a, -1);
            run_binary_case(DMS_FN_LESS, a, b, a, -1);
        }
}

static void results_may_lie_over_an_operand(void **state) {
    (void)state;
    const int64_t dim[] = {5, 999};
    const dms_view a = case_dense(DMS_DTYPE_F32, 2, dim), h = case_dense(DMS_DTYPE_F16, 2, dim);
    run_binary_case(DMS_FN_SUB, a, a, a, 0);
    run_binary_case(DMS_FN_SUB, a, a, a, 1);
    run_binary_case(DMS_FN_DIV, h, h, h, 0);
    kernel_case c;
    case_open(&c, DMS_K_BINARY);
    case_i(&c, DMS_FN_SUB);
    case_in(&c, a);
    case_in(&c, a);
    c.view[1].pitch[0] = 0;
    case_out(&c, a);
    const dms_kernel_row *row = dms_kernel_row_find(DMS_K_BINARY);
    assert_true(row->in_place(&c.call, 0, 0));
    assert_false(row->in_place(&c.call, 1, 0)); /* a repeated operand is not where the result is */
    case_close(&c);
}

/* An operand of every integer type against 128-bit arithmetic, wrapped. */
static int64_t want_integer(int fn, int64_t a, int64_t b, dms_dtype dtype) {
    __extension__ typedef __int128 wide;
    const bool is_natural = case_is_unsigned(dtype);
    const wide x = is_natural ? (wide)(uint64_t)a : a, z = is_natural ? (wide)(uint64_t)b : b;
    wide y = 0;
    if (fn == DMS_FN_ADD)
        y = x + z;
    if (fn == DMS_FN_SUB)
        y = x - z;
    if (fn == DMS_FN_MUL) /* the low 64 bits are those of any product of the low 64 bits */
        y = (wide)(uint64_t)((uint64_t)x * (uint64_t)z);
    if (fn == DMS_FN_DIV)
        y = z == 0 ? 0 : x / z;
    if (fn == DMS_FN_FMOD || fn == DMS_FN_MOD)
        y = z == 0 ? 0 : x % z;
    if (fn == DMS_FN_MOD && y != 0 && (y < 0) != (z < 0))
        y += z;
    if (fn == DMS_FN_MIN || fn == DMS_FN_MAX)
        y = (x < z) == (fn == DMS_FN_MIN) ? x : z;
    if (fn == DMS_FN_BITWISE_AND)
        y = x & z;
    if (fn == DMS_FN_BITWISE_OR)
        y = x | z;
    if (fn == DMS_FN_BITWISE_XOR)
        y = x ^ z;
    return case_wrap((int64_t)(uint64_t)y, dtype);
}

static void integer_arithmetic_wraps_and_never_traps(void **state) {
    (void)state;
    const int fns[] = {DMS_FN_ADD,         DMS_FN_SUB,        DMS_FN_MUL,        DMS_FN_DIV,
                       DMS_FN_MOD,         DMS_FN_FMOD,       DMS_FN_MIN,        DMS_FN_MAX,
                       DMS_FN_BITWISE_AND, DMS_FN_BITWISE_OR, DMS_FN_BITWISE_XOR};
    const int64_t value[] = {0, 1, -1, 7, -7, 3, -3, 100, INT64_MIN, INT64_MAX, INT32_MIN, 65535};
    const int64_t dim[] = {N(value), N(value)};
    for (size_t f = 0; f < N(fns); f++)
        for (size_t d = 0; d < N(integers); d++) {
            kernel_case c;
            case_open(&c, DMS_K_BINARY);
            case_i(&c, fns[f]);
            const dms_view view = case_dense(integers[d], 2, dim);
            case_in(&c, view);
            case_in(&c, view);
            case_out(&c, view);
            for (int64_t e = 0; e < dms_view_count(&view); e++) {
                memcpy(case_at(&c, 0, e), &value[e / dim[1]], dms_dtype_bytes(integers[d]));
                memcpy(case_at(&c, 1, e), &value[e % dim[1]], dms_dtype_bytes(integers[d]));
            }
            case_run(&c);
            for (int64_t e = 0; e < dms_view_count(&view); e++) {
                const int64_t a = case_get_i(&c, 0, e), b = case_get_i(&c, 1, e);
                const int64_t want = want_integer(fns[f], a, b, integers[d]);
                if (case_get_i(&c, 2, e) != want)
                    fail_msg("fn %d, %s: %ld, %ld gives %ld, wants %ld", fns[f],
                             dms_dtype_name(integers[d]), (long)a, (long)b,
                             (long)case_get_i(&c, 2, e), (long)want);
            }
            case_close(&c);
        }
}

typedef struct pair_case {
    int fn;
    dms_dtype a, b, y;
    double x, z, want;
} pair_case;

static void check_pairs(const pair_case *pairs, size_t n) {
    const int64_t one = 1;
    for (size_t k = 0; k < n; k++) {
        kernel_case c;
        case_open(&c, DMS_K_BINARY);
        case_i(&c, pairs[k].fn);
        case_in(&c, case_dense(pairs[k].a, 1, &one));
        case_in(&c, case_dense(pairs[k].b, 1, &one));
        case_set(&c, 0, 0, pairs[k].x);
        case_set(&c, 1, 0, pairs[k].z);
        case_out(&c, case_dense(pairs[k].y, 1, &one));
        case_run(&c);
        case_expect(&c, 2, 0, pairs[k].want, tolerance(pairs[k].y), 0);
        case_close(&c);
    }
}

#define F32 DMS_DTYPE_F32
#define F64 DMS_DTYPE_F64
#define F16 DMS_DTYPE_F16
#define I32 DMS_DTYPE_I32
#define I64 DMS_DTYPE_I64
#define U8 DMS_DTYPE_U8
#define U32 DMS_DTYPE_U32
#define U64 DMS_DTYPE_U64
#define BOOL DMS_DTYPE_BOOL

static void powers_take_exponents_of_another_type(void **state) {
    (void)state;
    const pair_case pairs[] = {
        {DMS_FN_POW, F32, I64, F32, 1.5, 3, 3.375},
        {DMS_FN_POW, F32, I32, F32, 2, -2, 0.25},
        {DMS_FN_POW, F32, F64, F32, 9, 0.5, 3},
        {DMS_FN_POW, I32, F32, I32, 9, 0.5, 3},
        {DMS_FN_POW, I64, F32, I64, 10, 3, 1000},
        {DMS_FN_POW, I32, I32, I32, -3, 3, -27},
        {DMS_FN_POW, I32, I32, I32, 2, -1, 0},
        {DMS_FN_POW, I32, I32, I32, -1, -3, -1},
        {DMS_FN_POW, I64, I64, I64, 3, 39, 0x1p0 * 4052555153018976267.0},
        {DMS_FN_POW, F32, U32, F32, 2, 10, 1024},
        {DMS_FN_POW, F16, I32, F16, 3, 2, 9},
        {DMS_FN_POW, F64, I64, F64, 1.5, -1, 1 / 1.5},
    };
    check_pairs(pairs, N(pairs));
}

static void squares_do_not_depend_on_the_other_exponents(void **state) {
    (void)state;
    /* All exponents 2 takes the short way; one other among them does not change the squares. */
    const int64_t n = 300;
    kernel_case c[2];
    for (int other = 0; other < 2; other++) {
        case_open(&c[other], DMS_K_BINARY);
        case_i(&c[other], DMS_FN_POW);
        case_in(&c[other], case_dense(F32, 1, &n));
        case_in(&c[other], case_dense(F32, 1, &n));
        for (int64_t e = 0; e < n; e++) {
            case_set(&c[other], 0, e, 0.37 * (double)(e - 150));
            case_set(&c[other], 1, e, 2);
        }
        case_set(&c[other], 1, n - 1, other ? 3 : 2);
        case_out(&c[other], case_dense(F32, 1, &n));
        case_run(&c[other]);
    }
    assert_memory_equal(case_at(&c[0], 2, 0), case_at(&c[1], 2, 0), 4 * (size_t)(n - 1));
    case_expect(&c[1], 2, n - 1, pow(case_get(&c[1], 0, n - 1), 3), 1e-7, 0);
    case_close(&c[0]);
    case_close(&c[1]);
}

static void special_operands_give_what_onnx_runtime_gives(void **state) {
    (void)state;
    const double nan = (double)NAN, inf = (double)INFINITY;
    const pair_case pairs[] = {
        {DMS_FN_MAX, F32, F32, F32, nan, 1, nan},
        {DMS_FN_MAX, F32, F32, F32, 1, nan, nan},
        {DMS_FN_MIN, F32, F32, F32, nan, 1, nan},
        {DMS_FN_MIN, F64, F64, F64, 1, nan, nan},
        {DMS_FN_DIV, F32, F32, F32, 1, 0, inf},
        {DMS_FN_DIV, F32, F32, F32, 0, 0, nan},
        {DMS_FN_SUB, F32, F32, F32, inf, inf, nan},
        {DMS_FN_EQUAL, F32, F32, BOOL, nan, nan, 0},
        {DMS_FN_LESS, F32, F32, BOOL, nan, 1, 0},
        {DMS_FN_EQUAL, F32, F32, BOOL, 0.0, -0.0, 1},
        {DMS_FN_FMOD, F32, F32, F32, -4.25, 2, -0.25},
        {DMS_FN_MOD, F32, F32, F32, -4.25, 2, 1.75},
        {DMS_FN_EQUAL, BOOL, BOOL, BOOL, 1, 1, 1},
        {DMS_FN_AND, BOOL, BOOL, BOOL, 1, 0, 0},
        {DMS_FN_OR, BOOL, BOOL, BOOL, 1, 0, 1},
        {DMS_FN_XOR, BOOL, BOOL, BOOL, 1, 1, 0},
        {DMS_FN_SHIFT_LEFT, U8, U8, U8, 16, 4, 0},
        {DMS_FN_SHIFT_LEFT, U8, U8, U8, 16, 2, 64},
        {DMS_FN_SHIFT_RIGHT, U8, U8, U8, 200, 3, 25},
        {DMS_FN_SHIFT_RIGHT, U32, U32, U32, 8, 70, 0},
        {DMS_FN_ADD, F16, F16, F16, 60000, 60000, inf},
    };
    check_pairs(pairs, N(pairs));
}

static void every_nan_made_is_the_same_nan(void **state) {
    (void)state;
    /* A NaN of any sign and payload, on either side, comes out as 0x7FC00000. */
    const uint32_t bits[] = {0xFFC00001u, 0x7FABCDEFu, 0x7FC00000u, 0x3F800000u};
    const int64_t dim[] = {4};
    kernel_case c;
    case_open(&c, DMS_K_BINARY);
    case_i(&c, DMS_FN_ADD);
    case_in(&c, case_dense(F32, 1, dim));
    case_in(&c, case_dense(F32, 1, dim));
    for (int64_t e = 0; e < 4; e++) {
        memcpy(case_at(&c, 0, e), &bits[e], 4);
        memcpy(case_at(&c, 1, e), &bits[(e + 3) % 4], 4);
    }
    case_out(&c, case_dense(F32, 1, dim));
    case_run(&c);
    for (int64_t e = 0; e < 4; e++)
        assert_int_equal(*(uint32_t *)case_at(&c, 2, e), 0x7FC00000);
    case_close(&c);
}

/* --- refusals */

static void calls_that_do_not_fit_are_refused_by_name(void **state) {
    (void)state;
    const int64_t dim[] = {2, 3}, other[] = {3, 2};
    dms_status st;
    kernel_case c;
    case_open(&c, DMS_K_UNARY);
    case_i(&c, DMS_N_UNARY_FNS);
    case_in(&c, case_dense(F32, 2, dim));
    case_out(&c, case_dense(F32, 2, dim));
    assert_non_null(strstr(case_refusal(&c, &st), "kernel 'unary': integer parameter 0"));
    c.i[0] = DMS_FN_CLIP;
    assert_non_null(strstr(case_refusal(&c, &st), "wants 2 real parameters"));
    c.i[0] = DMS_FN_NOT;
    assert_non_null(strstr(case_refusal(&c, &st), "kernel 'unary', operand 0: dtype f32"));
    c.i[0] = DMS_FN_IS_NAN;
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1: dtype f32"));
    c.i[0] = DMS_FN_EXP;
    c.view[1] = case_dense(F32, 2, other);
    assert_non_null(strstr(case_refusal(&c, &st), "operand 1"));
    c.view[1] = case_dense(F32, 2, dim);
    c.view[1].pitch[0] = 0;
    assert_non_null(strstr(case_refusal(&c, &st), "an output repeats elements"));
    case_close(&c);
    case_open(&c, DMS_K_FILL);
    case_i(&c, 256);
    case_out(&c, case_dense(U8, 2, dim));
    assert_non_null(strstr(case_refusal(&c, &st), "kernel 'fill'"));
    case_close(&c);
    case_open(&c, DMS_K_RANGE);
    case_i(&c, 1);
    case_out(&c, case_dense(I64, 1, dim));
    assert_non_null(strstr(case_refusal(&c, &st), "wants start and delta of i64"));
    case_close(&c);
}

static void operands_of_no_elements_are_no_work(void **state) {
    (void)state;
    const int64_t dim[] = {0, 3};
    kernel_case c;
    case_open(&c, DMS_K_UNARY);
    case_i(&c, DMS_FN_EXP);
    case_in(&c, case_dense(F32, 2, dim));
    case_out(&c, case_dense(F32, 2, dim));
    case_run(&c);
    case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_functions_follow_their_formulas),
        cmocka_unit_test(unary_functions_keep_nan_and_infinity),
        cmocka_unit_test(integers_wrap_in_unary_functions),
        cmocka_unit_test(truths_are_bytes_of_zero_and_one),
        cmocka_unit_test(not_takes_any_byte_but_zero_for_true),
        cmocka_unit_test(sines_of_huge_angles_do_not_depend_on_their_neighbours),
        cmocka_unit_test(binary_functions_follow_their_formulas),
        cmocka_unit_test(repeated_operands_are_read_again_and_again),
        cmocka_unit_test(results_may_lie_over_an_operand),
        cmocka_unit_test(integer_arithmetic_wraps_and_never_traps),
        cmocka_unit_test(powers_take_exponents_of_another_type),
        cmocka_unit_test(squares_do_not_depend_on_the_other_exponents),
        cmocka_unit_test(special_operands_give_what_onnx_runtime_gives),
        cmocka_unit_test(every_nan_made_is_the_same_nan),
        cmocka_unit_test(calls_that_do_not_fit_are_refused_by_name),
        cmocka_unit_test(operands_of_no_elements_are_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
