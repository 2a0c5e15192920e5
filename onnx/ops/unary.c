/* unary.c - operators of one input whose result has its shape, element by element.
 *
 * Versions differ in the dtypes they name only, but for Clip: attributes before opset 11, inputs
 * from then on; from opset 12 it takes integers.
 *
 *     Sigmoid          1 / (1 + exp(-x))          Softplus   log(1 + exp(x))
 *     HardSigmoid      max(0, min(1, a x + b))    Softsign   x / (1 + |x|)
 *     HardSwish        x HardSigmoid(x) with a = 1/6, b = 1/2
 *     LeakyRelu        x below 0: a x             Erf        2 / sqrt(pi) integral of exp(-t t)
 *     Elu              x below 0: a (exp(x) - 1)
 *     Selu             g Elu(x)                   Mish       x tanh(Softplus(x))
 *     Celu             max(0, x) + min(0, a (exp(x / a) - 1))
 *     ThresholdedRelu  x above a, else 0
 *     Shrink           x + bias below -lambd, x - bias above lambd, else 0
 *     Gelu             x / 2 (1 + Erf(x / sqrt 2)), or with tanh of a polynomial
 *     Round            halves to even             Sign       -1, 0 or 1
 *
 * A function is one line of the list below: its rule and its row both come from there. The dtypes
 * are those of the newest version; older ones name fewer, and a model that passes ONNX's checker
 * has none of the others.
 */
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

/* X(operator, since, function, dtypes, attribute and default of p0, the same of p1). */
#define UNARY_OPERATORS(X)                                                                         \
    X(Neg, 6, NEG, SIGNED, NULL, 0, NULL, 0)                                                       \
    X(Abs, 6, ABS, DMS_OPS_NUMBER, NULL, 0, NULL, 0)                                               \
    X(Relu, 6, RELU, SIGNED, NULL, 0, NULL, 0)                                                     \
    X(Sigmoid, 6, SIGMOID, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                        \
    X(Tanh, 6, TANH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Exp, 6, EXP, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                                \
    X(Log, 6, LOG, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                                \
    X(Sqrt, 6, SQRT, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Reciprocal, 6, RECIPROCAL, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                  \
    X(Erf, 9, ERF, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                                \
    X(Gelu, 20, GELU, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                             \
    X(Sin, 7, SIN, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                                \
    X(Cos, 7, COS, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                                \
    X(Tan, 7, TAN, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                                \
    X(Asin, 7, ASIN, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Acos, 7, ACOS, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Atan, 7, ATAN, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Sinh, 9, SINH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Cosh, 9, COSH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Asinh, 9, ASINH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                            \
    X(Acosh, 9, ACOSH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                            \
    X(Atanh, 9, ATANH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                            \
    X(HardSigmoid, 6, HARD_SIGMOID, DMS_OPS_FLOAT, "alpha", 0.2f, "beta", 0.5f)                    \
    X(HardSwish, 14, HARD_SWISH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                  \
    X(LeakyRelu, 6, LEAKY_RELU, DMS_OPS_FLOAT, "alpha", 0.01f, NULL, 0)                            \
    X(Elu, 6, ELU, DMS_OPS_FLOAT, "alpha", 1.0f, NULL, 0)                                          \
    X(Selu, 6, SELU, DMS_OPS_FLOAT, "alpha", 1.67326319217681884765625f, "gamma",                  \
      1.05070102214813232421875f)                                                                  \
    X(Celu, 12, CELU, DMS_OPS_FLOAT, "alpha", 1.0f, NULL, 0)                                       \
    X(Softplus, 1, SOFTPLUS, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                      \
    X(Softsign, 1, SOFTSIGN, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                      \
    X(ThresholdedRelu, 10, THRESHOLDED_RELU, DMS_OPS_FLOAT, "alpha", 1.0f, NULL, 0)                \
    X(Shrink, 9, SHRINK, DMS_OPS_FLOAT, "bias", 0.0f, "lambd", 0.5f)                               \
    X(Mish, 18, MISH, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                             \
    X(Floor, 6, FLOOR, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                            \
    X(Ceil, 6, CEIL, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                              \
    X(Round, 11, ROUND, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                           \
    X(Sign, 9, SIGN, DMS_OPS_NUMBER, NULL, 0, NULL, 0)                                             \
    X(Not, 1, NOT, DMS_OPS_BOOL, NULL, 0, NULL, 0)                                                 \
    X(BitwiseNot, 18, BITWISE_NOT, DMS_OPS_INTEGER, NULL, 0, NULL, 0)                              \
    X(IsNaN, 9, IS_NAN, DMS_OPS_FLOAT, NULL, 0, NULL, 0)                                           \
    X(IsInf, 10, IS_INF, DMS_OPS_FLOAT, "detect_negative", 1, "detect_positive", 1)

#define SIGNED                                                                                     \
    (DMS_OPS_FLOAT | DMS_OPS_INDEX | DMS_DTYPE_BIT(DMS_DTYPE_I8) | DMS_DTYPE_BIT(DMS_DTYPE_I16))

typedef struct unary_rule {
    const char *name;
    dms_unary_fn fn;
    uint32_t dtypes;
    const char *attr[2];
    double otherwise[2];
} unary_rule;

#define RULE(op, since, fn, dtypes, a0, d0, a1, d1) {#op, DMS_FN_##fn, dtypes, {a0, a1}, {d0, d1}},
static const unary_rule rules[] = {UNARY_OPERATORS(RULE)};
#undef RULE

/* The rule of a node; its row exists, so it is there. */
static const unary_rule *rule_of(const dms_node *node) {
    uint32_t k = 0;
    while (strcmp(rules[k].name, node->op) != 0)
        k++;
    return &rules[k];
}

static const char *const gelu_words[] = {"none", "tanh"};

/* Dims stay; the dtype too, but for functions that answer yes or no. */
static dms_code unary_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const unary_rule *rule = rule_of(node);
    const dms_tensor *x = dms_in(graph, node, 0);
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, rule->dtypes, st));
    uint32_t word = 0;
    if (rule->fn == DMS_FN_GELU)
        DMS_TRY(dms_ops_word(node, "approximate", gelu_words, 2, &word, st));
    if (rule->fn != DMS_FN_IS_NAN && rule->fn != DMS_FN_IS_INF)
        return dms_set_output_like(graph, node, 0, 0, st);
    int64_t dim[DMS_MAX_RANK];
    const uint32_t rank = dms_ops_dims(x, dim);
    return dms_set_output(graph, node, 0, DMS_DTYPE_BOOL, rank, dim, st);
}

/* An attribute as a real number, whatever its kind (IsInf has integers). */
static double real_attr(const dms_node *node, const char *name, double otherwise) {
    const dms_attr *attr = name == NULL ? NULL : dms_node_attr(node, name);
    if (attr != NULL && attr->kind == DMS_ATTR_INT)
        return (double)attr->i;
    return name == NULL ? 0.0 : dms_node_float(node, name, otherwise);
}

/* One DMS_K_UNARY with the attributes as parameters p0 and p1. */
static dms_code unary_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const unary_rule *rule = rule_of(node);
    dms_unary_fn fn = rule->fn;
    if (fn == DMS_FN_GELU && strcmp(dms_node_string(node, "approximate", "none"), "tanh") == 0)
        fn = DMS_FN_GELU_TANH;
    const double p0 = real_attr(node, rule->attr[0], rule->otherwise[0]);
    const double p1 = real_attr(node, rule->attr[1], rule->otherwise[1]);
    const dms_lowered_operand in = dms_lower_operand(lo, node->in[0]);
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    return dms_ops_emit_unary(lo, node, (int64_t)fn, p0, p1, &in, &out, st);
}

/* ---- Clip ---------------------------------------------------------------------------------- */

/* Clip(x): min(max(x, low), high): where the bounds cross, the upper one wins. Either may be
 * absent. A bound is a scalar or a tensor of one element, of the dtype of x. */
static dms_code clip_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const uint32_t set = node->version >= 12 ? DMS_OPS_NUMBER : DMS_OPS_FLOAT;
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, node->version < 11 ? 0 : 2, set, st));
    for (uint32_t k = 1; k <= 2 && node->version >= 11; k++) {
        const dms_tensor *bound = dms_in(graph, node, k);
        if (bound != NULL && dms_ops_count(bound, 0, bound->rank) != 1)
            return dms_node_fail(node, st, "input '%s' has more than one element", bound->name);
    }
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* A bound as a number that a double holds exactly; false: it is computed, or a large integer. The
 * parameters of a call are doubles, so integers beyond 53 bits must travel as operands. */
static bool clip_bound(dms_graph *graph, const dms_node *node, uint32_t k, double *out) {
    const dms_tensor *bound = dms_in(graph, node, k);
    if (bound == NULL)
        return true;
    uint32_t n = 0;
    const double *value = NULL;
    dms_status ignored;
    if (!dms_tensor_is_constant(bound) ||
        dms_real_values(graph, node, k, &n, &value, &ignored) != DMS_OK || n != 1)
        return false;
    *out = value[0];
    return dms_dtype_is_float(bound->dtype) || fabs(*out) < 0x1p53;
}

/* min(max(x, low), high), the bounds as operands: for bounds that a step computes. */
static dms_code clip_by_operands(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *x = dms_in(graph, node, 0);
    const bool has_low = dms_in(graph, node, 1) != NULL, has_high = dms_in(graph, node, 2) != NULL;
    int64_t dim[DMS_MAX_RANK];
    const uint32_t rank = dms_ops_dims(x, dim);
    const dms_dtype dtype = x->dtype;
    const int64_t one[1] = {1};
    dms_lowered_operand value = dms_lower_operand(lo, node->in[0]), bound, next;
    for (uint32_t k = 1; k <= 2; k++) {
        if (!(k == 1 ? has_low : has_high))
            continue;
        DMS_TRY(dms_ops_reshaped(lo, node, node->in[k], 1, one, &bound, st));
        const dms_view single = bound.view;
        if (rank == 0)
            DMS_TRY(dms_ops_view_as(node, &bound, 0, dim, st));
        else if (!dms_view_expand(&single, rank, dim, &bound.view))
            return dms_node_fail(node, st, "a bound cannot be repeated");
        if (k == 1 && has_high)
            DMS_TRY(dms_lower_temp(lo, dtype, rank, dim, &next, st));
        else
            next = dms_lower_operand(lo, node->out[0]);
        DMS_TRY(dms_ops_emit_binary(lo, node, k == 1 ? DMS_FN_MAX : DMS_FN_MIN, &value, &bound,
                                    &next, st));
        value = next;
    }
    return DMS_OK;
}

/* No bound at all: the output is the input. Exporters leave such nodes behind. */
static bool clip_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                       dms_view *out) {
    *out = *in;
    return k == 0 && node->version >= 11 && dms_in(graph, node, 1) == NULL &&
           dms_in(graph, node, 2) == NULL;
}

/* One DMS_K_UNARY where the bounds are known numbers. In opset 6 an absent bound is the largest
 * finite f32, so infinities are cut. */
static dms_code clip_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    double low = -HUGE_VAL, high = HUGE_VAL;
    if (node->version < 11) {
        low = dms_node_float(node, "min", -3.402823466e+38);
        high = dms_node_float(node, "max", 3.402823466e+38);
    } else if (!clip_bound(dms_lower_graph(lo), node, 1, &low) ||
               !clip_bound(dms_lower_graph(lo), node, 2, &high)) {
        return clip_by_operands(lo, node, st);
    }
    const dms_lowered_operand in = dms_lower_operand(lo, node->in[0]);
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    return dms_ops_emit_unary(lo, node, DMS_FN_CLIP, low, high, &in, &out, st);
}

#define ROW(op, since_, fn, dtypes, a0, d0, a1, d1)                                                \
    DMS_OPS_ROW(#op, since_, 0, 1, 1, 1, unary_infer, NULL, unary_lower),
static const dms_op rows[] = {
    UNARY_OPERATORS(ROW) /* and what is no plain function */
    DMS_OPS_ROW("Clip", 6, 10, 1, 1, 1, clip_infer, NULL, clip_lower),
    DMS_OPS_ROW("Clip", 11, 0, 1, 3, 1, clip_infer, clip_alias, clip_lower),
};
#undef ROW

DMS_OPS_FAMILY(unary);
