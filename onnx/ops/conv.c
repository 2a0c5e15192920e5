/* conv.c - Conv and ConvTranspose over one or two spatial axes.
 *
 * Versions: none that matters; 11 and 22 add words and dtypes.
 *
 *     x [n, c, h, w]   w [m, c / g, kh, kw]   y [n, m, oh, ow]      Conv
 *     x [n, c, h, w]   w [c, m / g, kh, kw]   y [n, m, oh, ow]      ConvTranspose
 *
 * Group j of g reads channels [j c / g, (j + 1) c / g) and writes filters [j m / g, (j + 1) m / g).
 */
#include <inttypes.h>

#include "onnx/graph.h"
#include "onnx/ops/window.h"

/* Convolution in f64 exists in the specification alone. */
#define CONV_DTYPES (DMS_OPS_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))

/* Groups, the bias, and the channels that the weight was made for. */
static dms_code check_channels(const dms_graph *graph, const dms_node *node, bool is_transposed,
                               int64_t *group, int64_t *n_out, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *w = dms_in(graph, node, 1);
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, 2, CONV_DTYPES, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 3, 4, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 1, x->rank, x->rank, st));
    DMS_TRY(dms_ops_int_in(node, "group", 1, 1, DMS_WINDOW_LIMIT, group, st));
    int64_t wanted = dms_extent(w, 0);
    if (!is_transposed && __builtin_mul_overflow(dms_extent(w, 1), *group, &wanted))
        return dms_node_fail(node, st, "attribute 'group' is %" PRId64, *group);
    if (dms_extent(x, 1) != wanted)
        return dms_node_fail(node, st, "input '%s' has %" PRId64 " channels, weight wants %" PRId64,
                             x->name, dms_extent(x, 1), wanted);
    if (dms_extent(w, 0) % *group != 0)
        return dms_node_fail(
            node, st, "weight '%s' has %" PRId64 " filters, not a multiple of %" PRId64 " groups",
            w->name, dms_extent(w, 0), *group);
    *n_out = dms_extent(w, 0);
    if (is_transposed && __builtin_mul_overflow(dms_extent(w, 1), *group, n_out))
        return dms_node_fail(node, st, "attribute 'group' is %" PRId64, *group);
    return dms_ops_want_vector(graph, node, 2, *n_out, "output channels", st);
}

/* The window over input 0 with the extents of weight input 1. */
static dms_code read_window(const dms_graph *graph, const dms_node *node, bool is_transposed,
                            dms_window *out, dms_status *st) {
    const dms_tensor *w = dms_in(graph, node, 1);
    int64_t dim[DMS_MAX_RANK];
    (void)dms_ops_dims(w, dim);
    return is_transposed ? dms_window_read_transposed(graph, node, dim + 2, out, st)
                         : dms_window_read(graph, node, dim + 2, out, st);
}

/* y has the batch of x, the filters of the weight and one position per window. */
static dms_code infer(dms_graph *graph, dms_node *node, bool is_transposed, dms_status *st) {
    int64_t group = 0, n_out = 0, dim[DMS_MAX_RANK];
    dms_window window;
    DMS_TRY(check_channels(graph, node, is_transposed, &group, &n_out, st));
    DMS_TRY(read_window(graph, node, is_transposed, &window, st));
    const dms_tensor *x = dms_in(graph, node, 0);
    const uint32_t rank = dms_window_dims(&window, dms_extent(x, 0), n_out, window.out, dim);
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* x, w, perhaps the bias, y; the window as parameters. */
static dms_code lower(dms_lowering *lo, const dms_node *node, bool is_transposed, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    dms_window w;
    DMS_TRY(read_window(graph, node, is_transposed, &w, st));
    const uint32_t n_in = dms_in(graph, node, 2) == NULL ? 2 : 3;
    dms_lowered_operand operand[4];
    DMS_TRY(dms_window_operand(lo, node, node->in[0], &operand[0], st));
    DMS_TRY(dms_window_operand(lo, node, node->in[1], &operand[1], st));
    if (n_in == 3)
        operand[2] = dms_lower_operand(lo, node->in[2]);
    DMS_TRY(dms_window_operand(lo, node, node->out[0], &operand[n_in], st));
    const int64_t i[7] = {dms_node_int(node, "group", 1),
                          w.stride[0],
                          w.stride[1],
                          w.dilation[0],
                          w.dilation[1],
                          w.begin[0],
                          w.begin[1]};
    const uint32_t kernel = is_transposed ? DMS_K_CONV_TRANSPOSE : DMS_K_CONV;
    return dms_lower_call(lo, node, kernel, n_in, 1, operand, 7, i, 0, NULL, st);
}

/* Conv(x[n, c, spatial], w[m, c / group, kernel], bias[m]): for every window the products of its
 * elements and the weight, added up over channels and taps. x [1, 3, 224, 224], w [64, 3, 7, 7],
 * strides 2, pads 3: y [1, 64, 112, 112]. */
static dms_code conv_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return infer(graph, node, false, st);
}

/* One DMS_K_CONV; pads at the end follow from the dims of y. */
static dms_code conv_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return lower(lo, node, false, st);
}

/* ConvTranspose(x[n, c, spatial], w[c, m / group, kernel], bias[m]): every element spreads its
 * product with the weight over a window of y. x [1, 2, 3, 3], w [2, 4, 3, 3], strides 2: y [1,
 * 4, 7, 7]. */
static dms_code transposed_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return infer(graph, node, true, st);
}

/* One DMS_K_CONV_TRANSPOSE, which gathers instead of spreading, so that each sum has one order. */
static dms_code transposed_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return lower(lo, node, true, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Conv", 1, 0, 2, 3, 1, conv_infer, NULL, conv_lower),
    DMS_OPS_ROW("ConvTranspose", 1, 0, 2, 3, 1, transposed_infer, NULL, transposed_lower),
};

DMS_OPS_FAMILY(conv);
