/* cast.c - Cast, CastLike: another dtype, the same elements.
 *
 * Versions: Cast-19 adds `saturate`, which matters for 8-bit floats alone. CastLike from opset 15.
 * Reals become integers toward zero; bool is what is not 0. Dtypes that are not supported (8-bit
 * floats, 4-bit integers, strings) are refused here when they are cast to, and by the reader where
 * a tensor has them.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

/* The dtype that the node casts to: attribute `to`, or that of input 1. */
static dms_code cast_target(const dms_graph *graph, const dms_node *node, dms_dtype *out,
                            dms_status *st) {
    if (strcmp(node->op, "CastLike") == 0) {
        *out = dms_in(graph, node, 1)->dtype;
        return DMS_OK;
    }
    const int64_t to = dms_node_int(node, "to", 0);
    if (to < 0 || to > 31 || dms_dtype_bytes((uint32_t)to) == 0)
        return dms_node_fail(node, st, "casts to dtype %s, which is not supported",
                             to < 0 || to > 31 ? "?" : dms_dtype_name((uint32_t)to));
    *out = (dms_dtype)to;
    return DMS_OK;
}

/* Cast(x) with attribute `to`, CastLike(x, like) with the dtype of another tensor: dims stay. */
static dms_code cast_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    dms_dtype dtype = DMS_DTYPE_NONE;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(cast_target(graph, node, &dtype, st));
    const uint32_t rank = dms_ops_dims(dms_in(graph, node, 0), dim);
    return dms_set_output(graph, node, 0, dtype, rank, dim, st);
}

/* A cast to the dtype that is already there. */
static bool cast_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                       dms_view *out) {
    *out = *in;
    return k == 0 && dms_in(graph, node, 0)->dtype == dms_out(graph, node, 0)->dtype;
}

/* One DMS_K_CAST; a copy where the dtype stays and the result may not be a view. */
static dms_code cast_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                            dms_lower_operand(lo, node->out[0])};
    if (operand[0].view.dtype == operand[1].view.dtype)
        return dms_lower_copy(lo, node, operand[0], operand[1], st);
    const int64_t i[1] = {dms_node_int(node, "saturate", 1) != 0};
    return dms_lower_call(lo, node, DMS_K_CAST, 1, 1, operand, 1, i, 0, NULL, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Cast", 6, 0, 1, 1, 1, cast_infer, cast_alias, cast_lower),
    DMS_OPS_ROW("CastLike", 15, 0, 2, 2, 1, cast_infer, cast_alias, cast_lower),
};

DMS_OPS_FAMILY(cast);
