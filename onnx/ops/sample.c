/* sample.c - GridSample: x at positions that are data.
 *
 * Versions: 16 knows two spatial axes and calls its modes bilinear and bicubic; 20 has any number
 * of axes (here 1 to 3) and calls them linear and cubic. Either name is taken in both.
 *
 *     x [2, 3, h, w]   grid [2, 5, 6, 2]   y [2, 3, 5, 6]
 */
#include <inttypes.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "runtime/kernels/sample.h"

#define SAMPLE_DTYPES (DMS_OPS_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))

/* Mode, padding and alignment as the kernel has them. */
static dms_code read_parameters(const dms_node *node, int64_t *i, dms_status *st) {
    static const char *const modes[] = {"linear", "nearest", "cubic", "bilinear", "bicubic"};
    static const int64_t mode_of[] = {DMS_SAMPLE_LINEAR, DMS_SAMPLE_NEAREST, DMS_SAMPLE_CUBIC,
                                      DMS_SAMPLE_LINEAR, DMS_SAMPLE_CUBIC};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    uint32_t mode = 0, padding = 0;
    DMS_TRY(dms_ops_word(node, "mode", modes, 5, &mode, st));
    DMS_TRY(dms_ops_word(node, "padding_mode", paddings, 3, &padding, st));
    i[DMS_SAMPLE_MODE] = mode_of[mode];
    i[DMS_SAMPLE_PADDING] = padding;
    return dms_ops_int_in(node, "align_corners", 0, 0, 1, &i[DMS_SAMPLE_ALIGN], st);
}

/* GridSample(x[n, c, spatial], grid[n, out, axes]): y[n, c, out], each position's value read from x
 * between its elements. -1 and 1 are the ends of an axis: its outer elements' centres if corners
 * are aligned, else their outer edges. */
static dms_code sample_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *grid = dms_in(graph, node, 1);
    int64_t dim[DMS_MAX_RANK], i[DMS_SAMPLE_N_I];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, SAMPLE_DTYPES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, 1, SAMPLE_DTYPES, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 3, 2 + DMS_SAMPLE_MAX_AXES, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 1, x->rank, x->rank, st));
    DMS_TRY(read_parameters(node, i, st));
    const int64_t axes = dms_extent(grid, x->rank - 1);
    if (dms_extent(grid, 0) != dms_extent(x, 0) || axes != (int64_t)x->rank - 2)
        return dms_node_fail(node, st,
                             "input '%s' has %" PRId64 " samples of %" PRId64
                             " coordinates, input '%s' %" PRId64 " of %" PRIu32,
                             grid->name, dms_extent(grid, 0), axes, x->name, dms_extent(x, 0),
                             x->rank - 2);
    for (uint32_t k = 2; k < x->rank; k++)
        if (dms_extent(x, k) < 1)
            return dms_node_fail(node, st, "input '%s' has no element", x->name);
    (void)dms_ops_dims(x, dim);
    for (uint32_t k = 2; k < x->rank; k++)
        dim[k] = dms_extent(grid, k - 1);
    return dms_set_output(graph, node, 0, x->dtype, x->rank, dim, st);
}

/* One DMS_K_GRID_SAMPLE. */
static dms_code sample_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    int64_t i[DMS_SAMPLE_N_I];
    DMS_TRY(read_parameters(node, i, st));
    const dms_lowered_operand operand[3] = {dms_lower_operand(lo, node->in[0]),
                                            dms_lower_operand(lo, node->in[1]),
                                            dms_lower_operand(lo, node->out[0])};
    return dms_lower_call(lo, node, DMS_K_GRID_SAMPLE, 2, 1, operand, DMS_SAMPLE_N_I, i, 0, NULL,
                          st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("GridSample", 16, 0, 2, 2, 1, sample_infer, NULL, sample_lower),
};

DMS_OPS_FAMILY(sample);
