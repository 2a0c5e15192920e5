/* pool.c - MaxPool, AveragePool, LpPool over one or two spatial axes.
 *
 * Versions: MaxPool-8 adds the indices, 10 ceil_mode and dilations. AveragePool-7 adds
 * count_include_pad, 10 ceil_mode, 19 dilations. LpPool-18 adds ceil_mode and dilations.
 *
 * Windows may hang over the end (ceil_mode) and may reach into pads: an average divides by the
 * elements it found, or by all of the window that lies inside the padded input.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/window.h"

enum { POOL_MAX, POOL_AVERAGE, POOL_LP };

/* The fn of DMS_K_POOL that an operator stands for. */
static int64_t kind_of(const dms_node *node) {
    return strcmp(node->op, "MaxPool") == 0  ? POOL_MAX
           : strcmp(node->op, "LpPool") == 0 ? POOL_LP
                                             : POOL_AVERAGE;
}

/* MaxPool, AveragePool, LpPool(x[n, c, spatial]): one number per window. MaxPool also gives the
 * position of its number in x, counted over all of x. x [1, 64, 112, 112] with a kernel of 3,
 * strides 2 and pads 1: [1, 64, 56, 56]. */
static dms_code pool_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const uint32_t bytes = DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8);
    const dms_tensor *x = dms_in(graph, node, 0);
    const int64_t kind = kind_of(node);
    dms_window window;
    int64_t dim[DMS_MAX_RANK], p = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT | (kind == POOL_MAX ? bytes : 0), st));
    DMS_TRY(dms_window_read(graph, node, NULL, &window, st));
    if (kind == POOL_LP)
        DMS_TRY(dms_ops_int_in(node, "p", 2, 1, INT32_MAX, &p, st));
    if (dms_out(graph, node, 1) != NULL && dms_node_int(node, "storage_order", 0) != 0)
        return dms_node_fail(node, st, "attribute 'storage_order' is 1: column-major indices");
    const uint32_t rank =
        dms_window_dims(&window, dms_extent(x, 0), dms_extent(x, 1), window.out, dim);
    const dms_dtype dtype = x->dtype;
    DMS_TRY(dms_set_output(graph, node, 0, dtype, rank, dim, st));
    return dms_set_output(graph, node, 1, DMS_DTYPE_I64, rank, dim, st);
}

/* One DMS_K_POOL. Pads at the end are parameters too: an average may count them. */
static dms_code pool_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    dms_window w;
    DMS_TRY(dms_window_read(graph, node, NULL, &w, st));
    const uint32_t n_out = dms_out(graph, node, 1) == NULL ? 1 : 2;
    dms_lowered_operand operand[3];
    DMS_TRY(dms_window_operand(lo, node, node->in[0], &operand[0], st));
    for (uint32_t k = 0; k < n_out; k++)
        DMS_TRY(dms_window_operand(lo, node, node->out[k], &operand[k + 1], st));
    const int64_t i[13] = {kind_of(node),
                           w.kernel[0],
                           w.kernel[1],
                           w.stride[0],
                           w.stride[1],
                           w.dilation[0],
                           w.dilation[1],
                           w.begin[0],
                           w.begin[1],
                           w.end[0],
                           w.end[1],
                           dms_node_int(node, "count_include_pad", 0) != 0,
                           dms_node_int(node, "p", 2)};
    return dms_lower_call(lo, node, DMS_K_POOL, 1, n_out, operand, 13, i, 0, NULL, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("MaxPool", 1, 0, 1, 1, 2, pool_infer, NULL, pool_lower),
    DMS_OPS_ROW("AveragePool", 1, 0, 1, 1, 1, pool_infer, NULL, pool_lower),
    DMS_OPS_ROW("LpPool", 2, 0, 1, 1, 1, pool_infer, NULL, pool_lower),
};

DMS_OPS_FAMILY(pool);
