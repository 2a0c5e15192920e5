/* binary.c - operators of two or more inputs that are broadcast, element by element.
 *
 * Versions: broadcasting follows NumPy's rule from opset 7 (Sum, Mean, Min, Max: 8) on, which
 * includes what came before. Pow takes an exponent of another dtype from opset 12 on. Where stands
 * here too.
 *
 *     a [2, 3, 1]   pitches [3, 1, 1]   seen as [2, 3, 4] with pitches [3, 1, 0]
 *     b       [4]   pitches       [1]   seen as [2, 3, 4] with pitches [0, 0, 1]
 *
 * so that the kernel walks three operands of equal dims and never asks about broadcasting. Integer
 * tensors run the same calls when shape arithmetic is folded: Div truncates, Mod takes the sign of
 * the divisor (fmod: of the dividend), as ONNX Runtime does where the specification is silent.
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

/* X(operator, since, function, dtypes, gives bool). */
#define BINARY_OPERATORS(X)                                                                        \
    X(Add, 7, ADD, DMS_OPS_NUMBER, false)                                                          \
    X(Sub, 7, SUB, DMS_OPS_NUMBER, false)                                                          \
    X(Mul, 7, MUL, DMS_OPS_NUMBER, false)                                                          \
    X(Div, 7, DIV, DMS_OPS_NUMBER, false)                                                          \
    X(Pow, 7, POW, DMS_OPS_NUMBER, false)                                                          \
    X(Mod, 10, MOD, DMS_OPS_NUMBER, false)                                                         \
    X(PRelu, 7, PRELU, DMS_OPS_NUMBER, false)                                                      \
    X(Equal, 7, EQUAL, DMS_OPS_ANY, true)                                                          \
    X(Less, 7, LESS, DMS_OPS_NUMBER, true)                                                         \
    X(LessOrEqual, 12, LESS_EQUAL, DMS_OPS_NUMBER, true)                                           \
    X(Greater, 7, GREATER, DMS_OPS_NUMBER, true)                                                   \
    X(GreaterOrEqual, 12, GREATER_EQUAL, DMS_OPS_NUMBER, true)                                     \
    X(And, 7, AND, DMS_OPS_BOOL, true)                                                             \
    X(Or, 7, OR, DMS_OPS_BOOL, true)                                                               \
    X(Xor, 7, XOR, DMS_OPS_BOOL, true)                                                             \
    X(BitShift, 11, SHIFT_LEFT, UNSIGNED, false)                                                   \
    X(BitwiseAnd, 18, BITWISE_AND, DMS_OPS_INTEGER, false)                                         \
    X(BitwiseOr, 18, BITWISE_OR, DMS_OPS_INTEGER, false)                                           \
    X(BitwiseXor, 18, BITWISE_XOR, DMS_OPS_INTEGER, false)

/* X(operator, since, function): folded from the left. */
#define VARIADIC_OPERATORS(X)                                                                      \
    X(Sum, 6, ADD)                                                                                 \
    X(Mean, 6, ADD)                                                                                \
    X(Min, 6, MIN)                                                                                 \
    X(Max, 6, MAX)

#define UNSIGNED                                                                                   \
    (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_U16) | DMS_DTYPE_BIT(DMS_DTYPE_U32) |   \
     DMS_DTYPE_BIT(DMS_DTYPE_U64))

typedef struct binary_rule {
    const char *name;
    dms_binary_fn fn;
    uint32_t dtypes;
    bool gives_bool;
} binary_rule;

#define RULE(op, since, fn, dtypes, gives_bool) {#op, DMS_FN_##fn, dtypes, gives_bool},
#define FOLDED_RULE(op, since, fn) {#op, DMS_FN_##fn, DMS_OPS_NUMBER, false},
static const binary_rule rules[] = {BINARY_OPERATORS(RULE) VARIADIC_OPERATORS(FOLDED_RULE)};
#undef RULE
#undef FOLDED_RULE

/* The rule of a node; its row exists, so it is there. */
static const binary_rule *rule_of(const dms_node *node) {
    uint32_t k = 0;
    while (strcmp(rules[k].name, node->op) != 0)
        k++;
    return &rules[k];
}

static bool is_op(const dms_node *node, const char *name) {
    return strcmp(node->op, name) == 0;
}

static const char *const shift_words[] = {"LEFT", "RIGHT"};

/* What only some of the operators ask for. */
static dms_code check_special(const dms_graph *graph, const dms_node *node, uint32_t rank,
                              const int64_t *dim, dms_status *st) {
    const dms_tensor *a = dms_in(graph, node, 0);
    if (is_op(node, "BitShift")) {
        uint32_t word = 0;
        if (dms_node_attr(node, "direction") == NULL)
            return dms_node_fail(node, st, "attribute 'direction' is missing");
        return dms_ops_word(node, "direction", shift_words, 2, &word, st);
    }
    if (is_op(node, "Mod") && dms_dtype_is_float(a->dtype) && dms_node_int(node, "fmod", 0) == 0)
        return dms_node_fail(node, st, "attribute 'fmod' must be 1 for dtype %s",
                             dms_dtype_name(a->dtype));
    if (!is_op(node, "PRelu"))
        return DMS_OK;
    bool is_same = rank == a->rank;
    for (uint32_t k = 0; is_same && k < rank; k++)
        is_same = dim[k] == dms_extent(a, k);
    if (!is_same)
        return dms_node_fail(node, st, "slope '%s' does not fit into input '%s'",
                             dms_in(graph, node, 1)->name, a->name);
    return DMS_OK;
}

/* Dims by broadcasting, dtype of input 0 or bool. PRelu lets no slope widen its input; the
 * exponent of Pow keeps its own dtype. a [2, 3, 1] and b [4] give [2, 3, 4]; an extent of 0
 * stays 0, so that empty tensors pass through. */
static dms_code binary_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const binary_rule *rule = rule_of(node);
    const bool may_differ = rule->fn == DMS_FN_POW && node->version >= 12;
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, may_differ ? 0 : 1, rule->dtypes, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, 1, rule->dtypes, st));
    uint32_t rank = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_broadcast(graph, node, 0, 1, &rank, dim, st));
    DMS_TRY(check_special(graph, node, rank, dim, st));
    const dms_dtype dtype = rule->gives_bool ? DMS_DTYPE_BOOL : dms_in(graph, node, 0)->dtype;
    return dms_set_output(graph, node, 0, dtype, rank, dim, st);
}

/* Whether the node is a power of reals with the constant exponent 2, alone for all elements. It is
 * what normalisations are written with, and x x is exact where a power takes exp and log. */
static bool is_square(dms_graph *graph, const dms_node *node) {
    const dms_tensor *exponent = dms_in(graph, node, 1);
    uint32_t n = 0;
    const double *value = NULL;
    dms_status ignored;
    return rule_of(node)->fn == DMS_FN_POW && dms_dtype_is_float(dms_in(graph, node, 0)->dtype) &&
           dms_tensor_is_constant(exponent) && dms_ops_count(exponent, 0, exponent->rank) == 1 &&
           dms_real_values(graph, node, 1, &n, &value, &ignored) == DMS_OK && value[0] == 2.0;
}

/* One DMS_K_BINARY. Broadcasting is a pitch of 0, so nothing is repeated in memory. */
static dms_code binary_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_binary_fn fn = rule_of(node)->fn;
    if (fn == DMS_FN_MOD && dms_node_int(node, "fmod", 0) != 0)
        fn = DMS_FN_FMOD;
    if (fn == DMS_FN_SHIFT_LEFT && dms_node_string(node, "direction", "LEFT")[0] == 'R')
        fn = DMS_FN_SHIFT_RIGHT;
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    dms_lowered_operand a, b;
    DMS_TRY(dms_ops_expanded(lo, node, node->in[0], out.view.rank, out.view.dim, &a, st));
    if (is_square(dms_lower_graph(lo), node))
        return dms_ops_emit_unary(lo, node, DMS_FN_SQUARE, 0.0, 0.0, &a, &out, st);
    DMS_TRY(dms_ops_expanded(lo, node, node->in[1], out.view.rank, out.view.dim, &b, st));
    return dms_ops_emit_binary(lo, node, (int64_t)fn, &a, &b, &out, st);
}

/* ---- Sum, Mean, Min, Max ------------------------------------------------------------------- */

/* Sum, Mean, Min, Max(x0, x1, ...): broadcast together. Sum and Mean take reals; Min and Max
 * integers too from opset 8 on. */
static dms_code variadic_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const bool is_order = rule_of(node)->fn != DMS_FN_ADD;
    const uint32_t set = is_order && node->version >= 8 ? DMS_OPS_NUMBER : DMS_OPS_FLOAT;
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, node->n_in - 1, set, st));
    for (uint32_t k = 0; k < node->n_in; k++)
        if (dms_in(graph, node, k) == NULL)
            return dms_node_fail(node, st, "one of its inputs is missing");
    uint32_t rank = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_broadcast(graph, node, 0, node->n_in - 1, &rank, dim, st));
    return dms_set_output(graph, node, 0, dms_in(graph, node, 0)->dtype, rank, dim, st);
}

/* One input alone is the result. */
static bool variadic_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                           dms_view *out) {
    (void)graph;
    *out = *in;
    return k == 0 && node->n_in == 1;
}

/* ((x0 op x1) op x2) ...; Mean divides at the end. Temporaries hold what is not the last sum: an
 * output is written once. */
static dms_code variadic_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const bool is_mean = is_op(node, "Mean");
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    const dms_dtype dtype = out.view.dtype;
    const uint32_t rank = out.view.rank;
    dms_lowered_operand value, other, next;
    DMS_TRY(dms_ops_expanded(lo, node, node->in[0], rank, out.view.dim, &value, st));
    for (uint32_t k = 1; k < node->n_in; k++) {
        DMS_TRY(dms_ops_expanded(lo, node, node->in[k], rank, out.view.dim, &other, st));
        if (is_mean || k + 1 < node->n_in)
            DMS_TRY(dms_lower_temp(lo, dtype, rank, out.view.dim, &next, st));
        else
            next = out;
        DMS_TRY(
            dms_ops_emit_binary(lo, node, (int64_t)rule_of(node)->fn, &value, &other, &next, st));
        value = next;
    }
    if (!is_mean)
        return DMS_OK;
    DMS_TRY(dms_ops_scalar(lo, node, dtype, (double)node->n_in, rank, out.view.dim, &other, st));
    return dms_ops_emit_binary(lo, node, DMS_FN_DIV, &value, &other, &out, st);
}

/* ---- Where --------------------------------------------------------------------------------- */

/* Where(condition, x, y): all three are broadcast; x and y have one dtype, any. A condition [2,
 * 1] with x [3] and a scalar y gives [2, 3]. */
static dms_code where_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_BOOL, st));
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 1, 2, DMS_OPS_ANY, st));
    uint32_t rank = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_broadcast(graph, node, 0, 2, &rank, dim, st));
    return dms_set_output(graph, node, 0, dms_in(graph, node, 1)->dtype, rank, dim, st);
}

/* One DMS_K_SELECT on three repeating views. */
static dms_code where_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_lowered_operand operand[4];
    operand[3] = dms_lower_operand(lo, node->out[0]);
    for (uint32_t k = 0; k < 3; k++)
        DMS_TRY(dms_ops_expanded(lo, node, node->in[k], operand[3].view.rank, operand[3].view.dim,
                                 &operand[k], st));
    return dms_lower_call(lo, node, DMS_K_SELECT, 3, 1, operand, 0, NULL, 0, NULL, st);
}

#define ROW(op, since_, fn, dtypes, gives_bool)                                                    \
    DMS_OPS_ROW(#op, since_, 0, 2, 2, 1, binary_infer, NULL, binary_lower),
#define VARIADIC_ROW(op, since_, fn)                                                               \
    DMS_OPS_ROW(#op, since_, 0, 1, DMS_ANY, 1, variadic_infer, variadic_alias, variadic_lower),
static const dms_op rows[] = {
    BINARY_OPERATORS(ROW) VARIADIC_OPERATORS(VARIADIC_ROW) /* and the one with three inputs */
    DMS_OPS_ROW("Where", 9, 0, 3, 3, 1, where_infer, NULL, where_lower),
};
#undef ROW
#undef VARIADIC_ROW

DMS_OPS_FAMILY(binary);
