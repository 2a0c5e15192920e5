/* map.c - the rows of the kernels that make one result element per index. */
#include <stddef.h>

#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

#define BOOL DMS_DTYPE_BIT(DMS_DTYPE_BOOL)
#define NUMBERS (DMS_DTYPES_FLOAT | DMS_DTYPES_INTEGER)

/* What a function of UNARY or BINARY takes. */
typedef struct function_rule {
    uint32_t dtypes;  /* of the (first) input */
    uint8_t n_f;      /* real parameters that it reads */
    uint8_t is_truth; /* the result is bool, whatever the input */
} function_rule;

static const function_rule unary_rules[DMS_N_UNARY_FNS] = {
    [DMS_FN_NEG] = {NUMBERS, 0, 0},
    [DMS_FN_ABS] = {NUMBERS, 0, 0},
    [DMS_FN_RELU] = {NUMBERS, 0, 0},
    [DMS_FN_SIGN] = {NUMBERS, 0, 0},
    [DMS_FN_SQUARE] = {NUMBERS, 0, 0},
    [DMS_FN_CLIP] = {NUMBERS, 2, 0},
    [DMS_FN_HARD_SIGMOID] = {DMS_DTYPES_FLOAT, 2, 0},
    [DMS_FN_LEAKY_RELU] = {DMS_DTYPES_FLOAT, 1, 0},
    [DMS_FN_ELU] = {DMS_DTYPES_FLOAT, 1, 0},
    [DMS_FN_SELU] = {DMS_DTYPES_FLOAT, 2, 0},
    [DMS_FN_CELU] = {DMS_DTYPES_FLOAT, 1, 0},
    [DMS_FN_THRESHOLDED_RELU] = {DMS_DTYPES_FLOAT, 1, 0},
    [DMS_FN_SHRINK] = {DMS_DTYPES_FLOAT, 2, 0},
    [DMS_FN_NOT] = {BOOL, 0, 1},
    [DMS_FN_BITWISE_NOT] = {DMS_DTYPES_INTEGER, 0, 0},
    [DMS_FN_IS_NAN] = {DMS_DTYPES_FLOAT, 0, 1},
    [DMS_FN_IS_INF] = {DMS_DTYPES_FLOAT, 2, 1},
};

static const function_rule binary_rules[DMS_N_BINARY_FNS] = {
    [DMS_FN_ADD] = {NUMBERS, 0, 0},
    [DMS_FN_SUB] = {NUMBERS, 0, 0},
    [DMS_FN_MUL] = {NUMBERS, 0, 0},
    [DMS_FN_DIV] = {NUMBERS, 0, 0},
    [DMS_FN_POW] = {NUMBERS, 0, 0},
    [DMS_FN_MIN] = {NUMBERS, 0, 0},
    [DMS_FN_MAX] = {NUMBERS, 0, 0},
    [DMS_FN_MOD] = {NUMBERS, 0, 0},
    [DMS_FN_FMOD] = {NUMBERS, 0, 0},
    [DMS_FN_EQUAL] = {NUMBERS | BOOL, 0, 1},
    [DMS_FN_LESS] = {NUMBERS, 0, 1},
    [DMS_FN_LESS_EQUAL] = {NUMBERS, 0, 1},
    [DMS_FN_GREATER] = {NUMBERS, 0, 1},
    [DMS_FN_GREATER_EQUAL] = {NUMBERS, 0, 1},
    [DMS_FN_AND] = {BOOL, 0, 1},
    [DMS_FN_OR] = {BOOL, 0, 1},
    [DMS_FN_XOR] = {BOOL, 0, 1},
    [DMS_FN_BITWISE_AND] = {DMS_DTYPES_INTEGER, 0, 0},
    [DMS_FN_BITWISE_OR] = {DMS_DTYPES_INTEGER, 0, 0},
    [DMS_FN_BITWISE_XOR] = {DMS_DTYPES_INTEGER, 0, 0},
    [DMS_FN_SHIFT_LEFT] = {DMS_DTYPES_INTEGER, 0, 0},
    [DMS_FN_SHIFT_RIGHT] = {DMS_DTYPES_INTEGER, 0, 0},
    [DMS_FN_PRELU] = {NUMBERS, 0, 0},
};

/* How many additions take as long, in f32 on vectors: measured strip by strip in L1, with AVX-512.
 * Those that are not here take one. */
static const uint8_t unary_work[DMS_N_UNARY_FNS] = {
    [DMS_FN_ACOS] = 4,  [DMS_FN_ACOSH] = 17,     [DMS_FN_ASIN] = 4,         [DMS_FN_ASINH] = 17,
    [DMS_FN_ATAN] = 6,  [DMS_FN_ATANH] = 10,     [DMS_FN_CELU] = 7,         [DMS_FN_COS] = 6,
    [DMS_FN_COSH] = 9,  [DMS_FN_ELU] = 6,        [DMS_FN_ERF] = 12,         [DMS_FN_EXP] = 6,
    [DMS_FN_GELU] = 13, [DMS_FN_GELU_TANH] = 12, [DMS_FN_HARD_SIGMOID] = 2, [DMS_FN_HARD_SWISH] = 3,
    [DMS_FN_LOG] = 9,   [DMS_FN_MISH] = 8,       [DMS_FN_SELU] = 7,         [DMS_FN_SIGMOID] = 8,
    [DMS_FN_SILU] = 8,  [DMS_FN_SIN] = 6,        [DMS_FN_SINH] = 10,        [DMS_FN_SOFTPLUS] = 16,
    [DMS_FN_TAN] = 45,  [DMS_FN_TANH] = 9};
static const uint8_t binary_work[DMS_N_BINARY_FNS] = {
    [DMS_FN_FMOD] = 60, [DMS_FN_MOD] = 60, [DMS_FN_POW] = 30};

/* All operands have the dims of operand 0. */
static dms_code want_equal_dims(const dms_call *call, dms_status *st) {
    for (uint32_t k = 1; k < call->n_in + call->n_out; k++)
        DMS_TRY(dms_row_want_same_dims(call, k, 0, st));
    return DMS_OK;
}

/* The operand has the dtype of operand `as`. */
static dms_code want_dtype_of(const dms_call *call, uint32_t operand, uint32_t as, dms_status *st) {
    return dms_row_want_dtype(call, operand, DMS_DTYPE_BIT(call->view[as].dtype), st);
}

/* Rules that are not in the table are those of a float function without parameters. */
static function_rule unary_rule(int64_t fn) {
    function_rule rule = unary_rules[fn];
    if (rule.dtypes == 0)
        rule.dtypes = DMS_DTYPES_FLOAT;
    return rule;
}

static bool is_in(dms_dtype dtype, uint32_t set) {
    return (set & DMS_DTYPE_BIT(dtype)) != 0;
}

dms_dtype dms_map_unary_type(int64_t fn, dms_dtype x, uint32_t *out_n_reals) {
    *out_n_reals = 0;
    if (fn < 0 || fn >= DMS_N_UNARY_FNS || !is_in(x, unary_rule(fn).dtypes))
        return DMS_DTYPE_NONE;
    *out_n_reals = unary_rule(fn).n_f;
    return unary_rule(fn).is_truth ? DMS_DTYPE_BOOL : x;
}

/* POW alone takes operands of two types: its exponent is any number. */
dms_dtype dms_map_binary_type(int64_t fn, dms_dtype a, dms_dtype b) {
    if (fn < 0 || fn >= DMS_N_BINARY_FNS || !is_in(a, binary_rules[fn].dtypes) ||
        (fn == DMS_FN_POW ? !is_in(b, binary_rules[fn].dtypes) : a != b))
        return DMS_DTYPE_NONE;
    return binary_rules[fn].is_truth ? DMS_DTYPE_BOOL : a;
}

/* The parameters may be more than the function reads. */
static dms_code check_unary(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_i(call, 0, 0, DMS_N_UNARY_FNS - 1, st));
    const function_rule rule = unary_rule(call->i[0]);
    if (call->n_f < rule.n_f || call->n_f > 2)
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "function %" PRId64 " wants %d real parameters, has %" PRIu32,
                              call->i[0], rule.n_f, call->n_f);
    DMS_TRY(dms_row_want_dtype(call, 0, rule.dtypes, st));
    DMS_TRY(rule.is_truth ? dms_row_want_dtype(call, 1, BOOL, st) : want_dtype_of(call, 1, 0, st));
    return want_equal_dims(call, st);
}

/* As dms_map_binary_type, with words. */
static dms_code check_binary(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_i(call, 0, 0, DMS_N_BINARY_FNS - 1, st));
    const function_rule rule = binary_rules[call->i[0]];
    DMS_TRY(dms_row_want_dtype(call, 0, rule.dtypes, st));
    if (call->i[0] == DMS_FN_POW)
        DMS_TRY(dms_row_want_dtype(call, 1, rule.dtypes, st));
    else
        DMS_TRY(want_dtype_of(call, 1, 0, st));
    DMS_TRY(rule.is_truth ? dms_row_want_dtype(call, 2, BOOL, st) : want_dtype_of(call, 2, 0, st));
    return want_equal_dims(call, st);
}

/* The condition is bool; what is chosen may be of any type, bool too. */
static dms_code check_select(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, BOOL, st));
    DMS_TRY(want_dtype_of(call, 2, 1, st));
    DMS_TRY(want_dtype_of(call, 3, 1, st));
    return want_equal_dims(call, st);
}

/* Every pair of types is allowed; 1 for `saturate` is what ONNX writes by default. */
static dms_code check_cast(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_i(call, 0, 0, 1, st));
    return want_equal_dims(call, st);
}

/* Bits beyond the element are refused rather than dropped: a plan that has them is wrong. */
static dms_code check_fill(const dms_call *call, dms_status *st) {
    const uint32_t bytes = dms_dtype_bytes(call->view[0].dtype);
    return bytes == 8 ? DMS_OK : dms_row_want_i(call, 0, 0, (INT64_C(1) << 8 * bytes) - 1, st);
}

/* Only the pair of parameters that the type of y asks for must be there. */
static dms_code check_range(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, NUMBERS, st));
    const uint32_t n = dms_dtype_is_float(call->view[0].dtype) ? call->n_f : call->n_i;
    if (n != 2)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "wants start and delta of %s",
                              dms_dtype_name(call->view[0].dtype));
    return dms_row_want_rank(call, 0, 1, st);
}

uint64_t dms_map_unary_work(int64_t fn) {
    return unary_work[fn] == 0 ? 1 : unary_work[fn];
}

uint64_t dms_map_binary_work(int64_t fn) {
    return binary_work[fn] == 0 ? 1 : binary_work[fn];
}

static uint64_t unary_results(const dms_call *call) {
    return dms_mul_saturated((uint64_t)dms_view_count(&call->view[1]),
                             dms_map_unary_work(call->i[0]));
}

static uint64_t binary_results(const dms_call *call) {
    return dms_mul_saturated((uint64_t)dms_view_count(&call->view[2]),
                             dms_map_binary_work(call->i[0]));
}

static const char *const fn_names[] = {"fn"};
static const char *const saturate_names[] = {"saturate"};
static const char *const bits_names[] = {"bits"};

/* x[...] -> y[...]: y = fn(x). p0 and p1 may be left out where the function reads none. */
const dms_kernel_row dms_row_unary = {.id = DMS_K_UNARY,
                                      .name = "unary",
                                      DMS_OPERANDS(1, 1, 1, 1),
                                      .n_i = 1,
                                      .n_f = 255,
                                      .i_name = fn_names,
                                      .check = check_unary,
                                      .results = unary_results,
                                      .in_place = dms_row_lies_the_same,
                                      .cpu_dtypes = DMS_DTYPES_ALL};

/* a[...], b[...] -> y[...]: y = fn(a, b). A broadcast operand comes with pitches of 0. */
const dms_kernel_row dms_row_binary = {.id = DMS_K_BINARY,
                                       .name = "binary",
                                       DMS_OPERANDS(2, 2, 1, 1),
                                       .n_i = 1,
                                       .i_name = fn_names,
                                       .check = check_binary,
                                       .results = binary_results,
                                       .in_place = dms_row_lies_the_same,
                                       .cpu_dtypes = DMS_DTYPES_ALL};

/* c[...], a[...], b[...] -> y[...]: y = c ? a : b, by bytes, so that every NaN stays itself. */
const dms_kernel_row dms_row_select = {.id = DMS_K_SELECT,
                                       .name = "select",
                                       DMS_OPERANDS(3, 3, 1, 1),
                                       .check = check_select,
                                       .in_place = dms_row_lies_the_same,
                                       .cpu_dtypes = DMS_DTYPES_ALL};

/* x[...] -> y[...]. Each type may become each; `saturate` concerns float types that do not exist
 * here yet, so it changes nothing. */
const dms_kernel_row dms_row_cast = {.id = DMS_K_CAST,
                                     .name = "cast",
                                     DMS_OPERANDS(1, 1, 1, 1),
                                     .n_i = 1,
                                     .i_name = saturate_names,
                                     .check = check_cast,
                                     .in_place = dms_row_lies_the_same,
                                     .cpu_dtypes = DMS_DTYPES_ALL};

/* -> y[...]: the same bits everywhere. Has no input: its content is in its parameters alone. */
const dms_kernel_row dms_row_fill = {.id = DMS_K_FILL,
                                     .name = "fill",
                                     .min_out = 1,
                                     .max_out = 1,
                                     .n_i = 1,
                                     .i_name = bits_names,
                                     .check = check_fill,
                                     .cpu_dtypes = DMS_DTYPES_ALL};

/* -> y[n]: start + k delta, as integers (i) or as reals (f), whichever the type of y asks for. */
const dms_kernel_row dms_row_range = {.id = DMS_K_RANGE,
                                      .name = "range",
                                      .min_out = 1,
                                      .max_out = 1,
                                      .n_i = 255,
                                      .n_f = 255,
                                      .check = check_range,
                                      .cpu_dtypes = DMS_DTYPES_ALL};
