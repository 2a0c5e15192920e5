/* fused.c - operators that only rewriting makes.
 *
 * dms.Silu    y = x sigmoid(x).
 * dms.Linear  y[...,n] = x[...,k] w[k,n] + b[n]: MatMul and Add of exporters, without the pass over
 *             the result that the Add takes.
 */
#include <inttypes.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "schema/checked.h"

/* One pass. */
static dms_code silu_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand x = dms_lower_operand(lo, node->in[0]);
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    return dms_ops_emit_unary(lo, node, DMS_FN_SILU, 0, 0, &x, &y, st);
}

/* Like MatMul with a matrix on the right. */
static dms_code linear_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *w = dms_in(graph, node, 1);
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, 2, DMS_OPS_FLOAT, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 2, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 1, 2, 2, st));
    DMS_TRY(dms_ops_want_vector(graph, node, 2, dms_extent(w, 1), "columns", st));
    const uint32_t rank = dms_ops_dims(x, dim);
    if (dim[rank - 1] != dms_extent(w, 0))
        return dms_node_fail(node, st, "x has %" PRId64 " columns, w %" PRId64 " rows",
                             dim[rank - 1], dms_extent(w, 0));
    dim[rank - 1] = dms_extent(w, 1);
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* All leading axes become rows of one product; the bias is repeated by pitch 0. */
static dms_code linear_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(dms_lower_graph(lo), node, 0);
    const dms_tensor *w = dms_in(dms_lower_graph(lo), node, 1);
    const int64_t rows = dms_ops_count(x, 0, x->rank - 1);
    const int64_t k = dms_extent(w, 0), n = dms_extent(w, 1);
    const int64_t a[2] = {rows, k}, y[2] = {rows, n}, plain[2] = {0, n};
    const double unit[2] = {1, 1};
    dms_lowered_operand operand[4];
    operand[1] = dms_lower_operand(lo, node->in[1]);
    operand[3] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 2, a, &operand[0], st));
    DMS_TRY(dms_ops_expanded(lo, node, node->in[2], 2, y, &operand[2], st));
    DMS_TRY(dms_ops_view_as(node, &operand[3], 2, y, st));
    return dms_lower_call(lo, node, DMS_K_MATMUL, 3, 1, operand, 2, plain, 2, unit, st);
}

static const dms_op rows[] = {
    {.name = "Silu",
     .domain = "dms",
     .since = 1,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .infer = dms_ops_infer_same,
     .lower = silu_lower},
    {.name = "Linear",
     .domain = "dms",
     .since = 1,
     .min_in = 3,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .infer = linear_infer,
     .lower = linear_lower},
};

DMS_OPS_FAMILY(fused);
