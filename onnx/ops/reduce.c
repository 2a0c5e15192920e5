/* reduce.c - the Reduce operators and the global pools: many elements become one.
 *
 * Versions: ReduceSum takes axes as input from opset 13 on, the others from opset 18 on, before as
 * attribute. Without axes all are reduced, or none where noop_with_empty_axes says so; then what is
 * done to a single element still is (ReduceL1: its absolute value). Min and Max of bool: opset 20.
 *
 *     x [2, 3, 4], axes [1]:   seen as [2, 4, 3] with pitches [12, 1, 4], two axes kept
 *     y [2, 1, 4] or [2, 4]:   seen as [2, 4]
 *
 * The order of a sum belongs to the kernel and depends on the reduced extents alone: neither the
 * layout of x nor the number of threads changes a bit.
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

/* X(operator, function, leaves single elements as they are). */
#define REDUCE_OPERATORS(X)                                                                        \
    X(ReduceSum, SUM, true)                                                                        \
    X(ReduceMean, MEAN, true)                                                                      \
    X(ReduceMax, REDUCE_MAX, true)                                                                 \
    X(ReduceMin, REDUCE_MIN, true)                                                                 \
    X(ReduceProd, PROD, true)                                                                      \
    X(ReduceL1, L1, false)                                                                         \
    X(ReduceL2, L2, false)                                                                         \
    X(ReduceSumSquare, SUM_SQUARE, false)                                                          \
    X(ReduceLogSum, LOG_SUM, false)                                                                \
    X(ReduceLogSumExp, LOG_SUM_EXP, false)

typedef struct reduce_rule {
    const char *name;
    dms_reduce_fn fn;
    bool keeps_singles;
} reduce_rule;

#define RULE(op, fn, keeps) {#op, DMS_FN_##fn, keeps},
static const reduce_rule rules[] = {REDUCE_OPERATORS(RULE)};
#undef RULE

/* The rule of a node; its row exists, so it is there. */
static const reduce_rule *rule_of(const dms_node *node) {
    uint32_t k = 0;
    while (strcmp(rules[k].name, node->op) != 0)
        k++;
    return &rules[k];
}

/* The axes that go, as a mask. An axis of extent 0 is reduced too: its sum is 0, its product 1,
 * its maximum the lowest number. */
static dms_code reduce_axes(dms_graph *graph, const dms_node *node, uint32_t *mask,
                            dms_status *st) {
    const uint32_t rank = dms_in(graph, node, 0)->rank;
    const uint32_t input_since = rule_of(node)->fn == DMS_FN_SUM ? 13 : 18;
    bool is_given = false;
    DMS_TRY(dms_ops_axes(graph, node, 1, input_since, rank, mask, &is_given, st));
    const bool is_noop =
        node->version >= input_since && dms_node_int(node, "noop_with_empty_axes", 0) != 0;
    if (*mask == 0 && !is_noop)
        *mask = (1u << rank) - 1u;
    return DMS_OK;
}

/* Dims without the reduced axes, or with 1 in their place (keepdims, the default). x [2, 3, 4]
 * over axes 0 and 2: [1, 3, 1], or [3] without keepdims. */
static dms_code reduce_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    const dms_reduce_fn fn = rule_of(node)->fn;
    const bool is_order = fn == DMS_FN_REDUCE_MAX || fn == DMS_FN_REDUCE_MIN;
    const bool is_log = fn == DMS_FN_LOG_SUM || fn == DMS_FN_LOG_SUM_EXP;
    const uint32_t set = is_order && node->version >= 20 ? DMS_OPS_ANY
                         : is_log                        ? DMS_OPS_FLOAT
                                                         : DMS_OPS_NUMBER;
    const bool keeps = dms_node_int(node, "keepdims", 1) != 0;
    uint32_t mask = 0, rank = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, set, st));
    DMS_TRY(reduce_axes(graph, node, &mask, st));
    for (uint32_t k = 0; k < x->rank; k++) {
        if ((mask >> k & 1u) == 0)
            dim[rank++] = dms_extent(x, k);
        else if (keeps)
            dim[rank++] = 1;
    }
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* Nothing is reduced: the input under the output's dims. */
static bool reduce_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                         dms_view *out) {
    uint32_t mask = 0;
    dms_status ignored;
    if (!rule_of(node)->keeps_singles || reduce_axes(graph, node, &mask, &ignored) != DMS_OK)
        return false;
    for (uint32_t axis = 0; axis < in->rank; axis++)
        if ((mask >> axis & 1u) != 0 && in->dim[axis] != 1)
            return false;
    return dms_ops_alias_reshape(graph, node, k, in, out);
}

/* Reduces the axes of `mask`. */
static dms_code reduce(dms_lowering *lo, const dms_node *node, dms_reduce_fn fn, uint32_t mask,
                       dms_status *st) {
    dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                      dms_lower_operand(lo, node->out[0])};
    const uint32_t n_kept = dms_ops_axes_last(&operand[0].view, mask);
    DMS_TRY(dms_ops_view_as(node, &operand[1], n_kept, operand[0].view.dim, st));
    const int64_t i[2] = {(int64_t)fn, n_kept};
    return dms_lower_call(lo, node, DMS_K_REDUCE, 1, 1, operand, 2, i, 0, NULL, st);
}

/* One DMS_K_REDUCE, which wants what stays before what goes: a permuted view. */
static dms_code reduce_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    uint32_t mask = 0;
    DMS_TRY(reduce_axes(dms_lower_graph(lo), node, &mask, st));
    return reduce(lo, node, rule_of(node)->fn, mask, st);
}

/* ---- GlobalAveragePool, GlobalMaxPool, GlobalLpPool ---------------------------------------- */

/* GlobalAveragePool, GlobalMaxPool, GlobalLpPool(x[n, c, spatial]): one number per channel. x
 * [2, 3, 7, 7]: [2, 3, 1, 1]. */
static dms_code global_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    int64_t dim[DMS_MAX_RANK], p = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 2, DMS_MAX_RANK, st));
    if (strcmp(node->op, "GlobalLpPool") == 0)
        DMS_TRY(dms_ops_int_in(node, "p", 2, 1, 2, &p, st));
    const uint32_t rank = dms_ops_dims(x, dim);
    for (uint32_t k = 2; k < rank; k++)
        dim[k] = 1;
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* A reduction over all axes behind the channels. */
static dms_code global_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const uint32_t rank = dms_in(dms_lower_graph(lo), node, 0)->rank;
    dms_reduce_fn fn = dms_node_int(node, "p", 2) == 1 ? DMS_FN_L1 : DMS_FN_L2;
    if (strcmp(node->op, "GlobalAveragePool") == 0)
        fn = DMS_FN_MEAN;
    if (strcmp(node->op, "GlobalMaxPool") == 0)
        fn = DMS_FN_REDUCE_MAX;
    return reduce(lo, node, fn, ((1u << rank) - 1u) & ~3u, st);
}

#define ROW(op, fn, keeps)                                                                         \
    DMS_OPS_ROW(#op, 1, 0, 1, 2, 1, reduce_infer, reduce_alias, reduce_lower),
static const dms_op rows[] = {
    REDUCE_OPERATORS(ROW) /* and the pools over everything */
    DMS_OPS_ROW("GlobalAveragePool", 1, 0, 1, 1, 1, global_infer, NULL, global_lower),
    DMS_OPS_ROW("GlobalMaxPool", 1, 0, 1, 1, 1, global_infer, NULL, global_lower),
    DMS_OPS_ROW("GlobalLpPool", 2, 0, 1, 1, 1, global_infer, NULL, global_lower),
};
#undef ROW

DMS_OPS_FAMILY(reduce);
