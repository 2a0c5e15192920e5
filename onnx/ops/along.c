/* along.c - operators that work along one axis: Softmax, LogSoftmax, Hardmax, ArgMax, ArgMin,
 * CumSum, TopK. Views bring the axis to the end; nothing is transposed.
 *
 * Versions: before opset 13 Softmax and its kin see the input as a matrix, cut before `axis`
 * (default 1), and work along its rows; from 13 on they work along `axis` (default -1). ArgMax
 * gets select_last_index in opset 12. TopK: k is an attribute before opset 10; largest and sorted
 * come with 11.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

static bool is_op(const dms_node *node, const char *name) {
    return strcmp(node->op, name) == 0;
}

/* ---- Softmax, LogSoftmax, Hardmax ---------------------------------------------------------- */

/* Softmax(x): exp(x - max) / sum along the axis; LogSoftmax its logarithm, Hardmax 1 at the
 * first largest element. Dtype and dims stay; reals alone. x [2, 3, 4] with axis 1: before opset
 * 13 two rows of 12 numbers sum to 1 each, from 13 on eight columns of 3 do. */
static dms_code softmax_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    uint32_t axis = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT, st));
    if (dms_in(graph, node, 0)->rank != 0)
        DMS_TRY(dms_ops_axis(graph, node, node->version >= 13 ? -1 : 1, &axis, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* The input and the output as they are worked on, the axis last. */
static dms_code softmax_operands(dms_lowering *lo, const dms_node *node,
                                 dms_lowered_operand *operand, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t axis = 0;
    operand[0] = dms_lower_operand(lo, node->in[0]);
    operand[1] = dms_lower_operand(lo, node->out[0]);
    if (x->rank == 0) {
        const int64_t one[1] = {1};
        DMS_TRY(dms_ops_view_as(node, &operand[0], 1, one, st));
        return dms_ops_view_as(node, &operand[1], 1, one, st);
    }
    DMS_TRY(dms_ops_axis(graph, node, node->version >= 13 ? -1 : 1, &axis, st));
    if (node->version < 13) {
        const int64_t matrix[2] = {dms_ops_count(x, 0, axis), dms_ops_count(x, axis, x->rank)};
        DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 2, matrix, &operand[0], st));
        return dms_ops_view_as(node, &operand[1], 2, matrix, st);
    }
    dms_ops_axis_last(&operand[0].view, axis);
    dms_ops_axis_last(&operand[1].view, axis);
    return DMS_OK;
}

/* One DMS_K_SOFTMAX, whose last axis is the one to normalise: both sides are permuted views, so
 * an axis in the middle costs no transposition. */
static dms_code softmax_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_lowered_operand operand[2];
    DMS_TRY(softmax_operands(lo, node, operand, st));
    const int64_t i[1] = {is_op(node, "LogSoftmax")};
    return dms_lower_call(lo, node, DMS_K_SOFTMAX, 1, 1, operand, 1, i, 0, NULL, st);
}

/* The first largest element is 1, the others 0: ArgMax, then one-hot, on [outer, n, inner]. */
static dms_code hardmax_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t axis = 0;
    if (dms_ops_count(x, 0, x->rank) == 0) /* rows of no elements have no largest one */
        return DMS_OK;
    if (x->rank != 0)
        DMS_TRY(dms_ops_axis(graph, node, node->version >= 13 ? -1 : 1, &axis, st));
    const uint32_t end = node->version >= 13 && x->rank != 0 ? axis + 1 : x->rank;
    const int64_t cube[3] = {dms_ops_count(x, 0, axis), dms_ops_count(x, axis, end),
                             dms_ops_count(x, end, x->rank)};
    const int64_t kept[2] = {cube[0], cube[2]}, first[2] = {0, 0}, two[1] = {2};
    dms_lowered_operand arg[2], hot[3];
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 3, cube, &arg[0], st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_I64, 2, kept, &arg[1], st));
    dms_ops_axis_last(&arg[0].view, 1);
    DMS_TRY(dms_lower_call(lo, node, DMS_K_ARG, 1, 1, arg, 2, first, 0, NULL, st));
    hot[0] = arg[1];
    hot[2] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_view_as(node, &hot[2], 3, cube, st));
    const dms_dtype dtype = hot[2].view.dtype;
    const uint64_t off = dms_ops_bits(dtype, 0.0), on = dms_ops_bits(dtype, 1.0);
    uint8_t values[16];
    memcpy(values, &off, dms_dtype_bytes(dtype));
    memcpy(values + dms_dtype_bytes(dtype), &on, dms_dtype_bytes(dtype));
    DMS_TRY(dms_lower_constant(lo, dtype, 1, two, values, &hot[1], st));
    return dms_lower_call(lo, node, DMS_K_ONE_HOT, 2, 1, hot, 0, NULL, 0, NULL, st);
}

/* ---- ArgMax, ArgMin ------------------------------------------------------------------------ */

/* ArgMax, ArgMin(x): position (i64) of the largest or smallest element along the axis. An empty
 * axis has none; keepdims leaves an axis of 1. x [2, 3] with axis 1: [2, 1], or [2] without
 * keepdims. */
static dms_code arg_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t axis = 0, rank = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_NUMBER, st));
    DMS_TRY(dms_ops_axis(graph, node, 0, &axis, st));
    if (dms_extent(x, axis) == 0)
        return dms_node_fail(node, st, "input '%s' is empty along axis %" PRIu32, x->name, axis);
    for (uint32_t k = 0; k < x->rank; k++) {
        if (k != axis)
            dim[rank++] = dms_extent(x, k);
        else if (dms_node_int(node, "keepdims", 1) != 0)
            dim[rank++] = 1;
    }
    return dms_set_output(graph, node, 0, DMS_DTYPE_I64, rank, dim, st);
}

/* One DMS_K_ARG. Its output has no axis for what was searched, so the output tensor is seen
 * without its axis of 1. */
static dms_code arg_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    uint32_t axis = 0;
    DMS_TRY(dms_ops_axis(dms_lower_graph(lo), node, 0, &axis, st));
    dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                      dms_lower_operand(lo, node->out[0])};
    dms_ops_axis_last(&operand[0].view, axis);
    DMS_TRY(dms_ops_view_as(node, &operand[1], operand[0].view.rank - 1, operand[0].view.dim, st));
    const int64_t i[2] = {is_op(node, "ArgMin"), dms_node_int(node, "select_last_index", 0) != 0};
    return dms_lower_call(lo, node, DMS_K_ARG, 1, 1, operand, 2, i, 0, NULL, st);
}

/* ---- CumSum -------------------------------------------------------------------------------- */

/* CumSum(x, axis): sums of all elements up to here. The axis is an input, and must be known. x
 * [1, 2, 3]: 1 3 6; exclusive 0 1 3; in reverse 6 5 3. */
static dms_code cumsum_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t value = 0;
    uint32_t axis = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_NUMBER, st));
    DMS_TRY(dms_ops_int_value(graph, node, 1, &value, st));
    DMS_TRY(dms_axis(node, value, dms_in(graph, node, 0)->rank, &axis, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* One DMS_K_CUMSUM on views with the axis last. exclusive leaves the element itself out, reverse
 * starts at the end. */
static dms_code cumsum_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_graph *graph = dms_lower_graph(lo);
    int64_t value = 0;
    uint32_t axis = 0;
    DMS_TRY(dms_ops_int_value(graph, node, 1, &value, st));
    DMS_TRY(dms_axis(node, value, dms_in(graph, node, 0)->rank, &axis, st));
    dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                      dms_lower_operand(lo, node->out[0])};
    dms_ops_axis_last(&operand[0].view, axis);
    dms_ops_axis_last(&operand[1].view, axis);
    const int64_t i[2] = {dms_node_int(node, "exclusive", 0) != 0,
                          dms_node_int(node, "reverse", 0) != 0};
    return dms_lower_call(lo, node, DMS_K_CUMSUM, 1, 1, operand, 2, i, 0, NULL, st);
}

/* ---- TopK ---------------------------------------------------------------------------------- */

/* TopK(x, k): the k largest (or smallest) elements along the axis and their positions (i64).
 * Equal elements: the lower position first. x [3 1 4 1 5], k 3: values 5 4 3, positions 4 2 0. */
static dms_code topk_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t axis = 0;
    int64_t k = dms_node_int(node, "k", -1), dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_NUMBER, st));
    DMS_TRY(dms_ops_axis(graph, node, -1, &axis, st));
    if (node->version >= 10)
        DMS_TRY(dms_ops_int_value(graph, node, 1, &k, st));
    if (k < 0 || k > dms_extent(x, axis))
        return dms_node_fail(node, st,
                             "k is %" PRId64 ", axis %" PRIu32 " has %" PRId64 " elements", k, axis,
                             dms_extent(x, axis));
    const uint32_t rank = dms_ops_dims(x, dim);
    const dms_dtype dtype = x->dtype;
    dim[axis] = k;
    DMS_TRY(dms_set_output(graph, node, 0, dtype, rank, dim, st));
    return dms_set_output(graph, node, 1, DMS_DTYPE_I64, rank, dim, st);
}

/* Output k, or a temporary where nobody wants it. */
static dms_code wanted_output(dms_lowering *lo, const dms_node *node, uint32_t k, dms_dtype dtype,
                              const dms_view *like, dms_lowered_operand *out, dms_status *st) {
    if (dms_out(dms_lower_graph(lo), node, k) == NULL)
        return dms_lower_temp(lo, dtype, like->rank, like->dim, out, st);
    *out = dms_lower_operand(lo, node->out[k]);
    return DMS_OK;
}

/* One DMS_K_TOPK with the axis last in all three operands; an output that the model leaves out
 * goes to a temporary. */
static dms_code topk_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *any = dms_out(graph, node, dms_out(graph, node, 0) == NULL ? 1 : 0);
    uint32_t axis = 0;
    if (any == NULL)
        return DMS_OK;
    const dms_view like = any->view;
    DMS_TRY(dms_ops_axis(graph, node, -1, &axis, st));
    dms_lowered_operand operand[3];
    operand[0] = dms_lower_operand(lo, node->in[0]);
    const dms_dtype dtype = operand[0].view.dtype;
    DMS_TRY(wanted_output(lo, node, 0, dtype, &like, &operand[1], st));
    DMS_TRY(wanted_output(lo, node, 1, DMS_DTYPE_I64, &like, &operand[2], st));
    for (uint32_t k = 0; k < 3; k++)
        dms_ops_axis_last(&operand[k].view, axis);
    const int64_t i[2] = {dms_node_int(node, "largest", 1) != 0,
                          dms_node_int(node, "sorted", 1) != 0};
    return dms_lower_call(lo, node, DMS_K_TOPK, 1, 2, operand, 2, i, 0, NULL, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Softmax", 1, 0, 1, 1, 1, softmax_infer, NULL, softmax_lower),
    DMS_OPS_ROW("LogSoftmax", 1, 0, 1, 1, 1, softmax_infer, NULL, softmax_lower),
    DMS_OPS_ROW("Hardmax", 1, 0, 1, 1, 1, softmax_infer, NULL, hardmax_lower),
    DMS_OPS_ROW("ArgMax", 1, 0, 1, 1, 1, arg_infer, NULL, arg_lower),
    DMS_OPS_ROW("ArgMin", 1, 0, 1, 1, 1, arg_infer, NULL, arg_lower),
    DMS_OPS_ROW("CumSum", 11, 0, 2, 2, 1, cumsum_infer, NULL, cumsum_lower),
    DMS_OPS_ROW("TopK", 1, 9, 1, 1, 2, topk_infer, NULL, topk_lower),
    DMS_OPS_ROW("TopK", 10, 0, 2, 2, 2, topk_infer, NULL, topk_lower),
};

DMS_OPS_FAMILY(along);
