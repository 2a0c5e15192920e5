/* index.c - operators whose input holds positions: Gather, GatherElements, GatherND, Scatter,
 * ScatterElements, ScatterND, OneHot.
 *
 * Versions: negative indices from opset 11 on. Scatter is ScatterElements until opset 10.
 * `reduction` of the scatters: add and mul from opset 16, min and max from 18. GatherND-12 adds
 * batch_dims. OneHot-11 lets indices count from the end.
 *
 *     Gather           y[o, j, r]    = x[o, i[j], r]
 *     GatherElements   y[p, q]       = x[i[p, q], q]             (axis 0)
 *     GatherND         y[b, j, r]    = x[b, i[b, j, 0], ..., i[b, j, k-1], r]
 *     ScatterElements  y[i[p, q], q] = u[p, q]                   (axis 0), y = x elsewhere
 *     ScatterND        y[i[j, 0], ..., i[j, k-1], r] = u[j, r]   y = x elsewhere
 *
 * Indices that are not known when compiling act as addresses: the kernels clamp each one and end
 * the run with a status. Positions that a scatter names twice are written in the order of the
 * updates, so that the last one wins on every run.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "schema/checked.h"

/* Indices need entries to point at: axis `axis` of input 0 has some, or nothing is picked. */
static dms_code want_entries(const dms_graph *graph, const dms_node *node, uint32_t axis,
                             dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    if (dms_extent(x, axis) == 0 && dms_ops_count(index, 0, index->rank) != 0)
        return dms_node_fail(node, st, "input '%s' has no entries along axis %" PRIu32, x->name,
                             axis);
    return DMS_OK;
}

/* The value of a constant index of one element; false where it is computed or one of several. */
static bool single_index(dms_graph *graph, const dms_node *node, int64_t *out) {
    const dms_tensor *index = dms_in(graph, node, 1);
    dms_status ignored;
    return dms_tensor_is_constant(index) && dms_ops_count(index, 0, index->rank) == 1 &&
           dms_ops_int_value(graph, node, 1, out, &ignored) == DMS_OK;
}

/* Gather(x, indices): entries of one axis, named by a tensor of any rank whose dims replace that
 * axis. A known index is checked here, others when the plan runs. x [5, 4, 3] with indices [2,
 * 2] and axis 1: [5, 2, 2, 3]. */
static dms_code gather_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    uint32_t axis = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, 1, DMS_OPS_INDEX, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 1, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_axis(graph, node, 0, &axis, st));
    DMS_TRY(want_entries(graph, node, axis, st));
    const uint32_t rank = x->rank - 1 + index->rank;
    if (rank > DMS_MAX_RANK)
        return dms_node_fail(node, st, "its result has rank %" PRIu32 ", at most %u", rank,
                             DMS_MAX_RANK);
    int64_t dim[DMS_MAX_RANK], at = 0;
    for (uint32_t k = 0; k < rank; k++)
        /* outer axes, then those of the indices, then inner ones */
        dim[k] = k < axis                 ? dms_extent(x, k)
                 : k < axis + index->rank ? dms_extent(index, k - axis)
                                          : dms_extent(x, k - index->rank + 1);
    const int64_t n = dms_extent(x, axis);
    if (single_index(graph, node, &at) && (at < -n || at >= n))
        return dms_node_fail(
            node, st, "index %" PRId64 " is outside the %" PRId64 " entries of axis %" PRIu32, at,
            n, axis);
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* One known index is a view: the axis shrinks to it. The embedding of one known token, the first
 * token of a pooled sentence and one number of a shape are such views: nothing is copied. */
static bool gather_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                         dms_view *out) {
    dms_status ignored;
    int64_t at = 0, dim[DMS_MAX_RANK];
    uint32_t axis = 0;
    if (k != 0 || !single_index(graph, node, &at) ||
        dms_ops_axis(graph, node, 0, &axis, &ignored) != DMS_OK)
        return false;
    dms_view part = *in;
    dms_view_narrow(&part, axis, at < 0 ? at + in->dim[axis] : at, 1, 1);
    const uint32_t rank = dms_ops_dims(dms_out(graph, node, 0), dim);
    return dms_view_reshape(&part, rank, dim, out);
}

/* One DMS_K_GATHER: whatever the ranks are, x is [outer, n, inner], the indices are a vector, y
 * is [outer, indices, inner]. */
static dms_code gather_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    uint32_t axis = 0;
    DMS_TRY(dms_ops_axis(graph, node, 0, &axis, st));
    const int64_t outer = dms_ops_count(x, 0, axis), n = dms_extent(x, axis);
    const int64_t inner = dms_ops_count(x, axis + 1, x->rank);
    const int64_t n_index = dms_ops_count(index, 0, index->rank);
    const int64_t from[3] = {outer, n, inner}, to[3] = {outer, n_index, inner};
    dms_lowered_operand operand[3];
    operand[2] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 3, from, &operand[0], st));
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[1], 1, &n_index, &operand[1], st));
    DMS_TRY(dms_ops_view_as(node, &operand[2], 3, to, st));
    return dms_lower_call(lo, node, DMS_K_GATHER, 2, 1, operand, 0, NULL, 0, NULL, st);
}

/* ---- GatherElements, ScatterElements ------------------------------------------------------- */

/* Index tensor and data have one rank; off the axis the index tensor reaches no further. */
static dms_code check_elements(dms_graph *graph, const dms_node *node, uint32_t *axis,
                               dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, 1, DMS_OPS_INDEX, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 1, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 1, x->rank, x->rank, st));
    DMS_TRY(dms_ops_axis(graph, node, 0, axis, st));
    DMS_TRY(want_entries(graph, node, *axis, st));
    for (uint32_t k = 0; k < x->rank; k++)
        if (k != *axis && dms_extent(index, k) > dms_extent(x, k))
            return dms_node_fail(node, st,
                                 "input '%s' has %" PRId64 " entries along axis %" PRIu32
                                 ", input '%s' %" PRId64,
                                 index->name, dms_extent(index, k), k, x->name, dms_extent(x, k));
    return DMS_OK;
}

/* GatherElements(x, indices): y[i][j] = x[indices[i][j]][j] for axis 0: dims of the indices,
 * dtype of x. The indices may reach less far than x along the other axes, never further. */
static dms_code gather_elements_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    uint32_t axis = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(check_elements(graph, node, &axis, st));
    const uint32_t rank = dms_ops_dims(dms_in(graph, node, 1), dim);
    return dms_set_output(graph, node, 0, dms_in(graph, node, 0)->dtype, rank, dim, st);
}

/* One DMS_K_GATHER_ELEMENTS; any pitches will do. */
static dms_code gather_elements_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    uint32_t axis = 0;
    DMS_TRY(dms_ops_axis(dms_lower_graph(lo), node, 0, &axis, st));
    const dms_lowered_operand operand[3] = {dms_lower_operand(lo, node->in[0]),
                                            dms_lower_operand(lo, node->in[1]),
                                            dms_lower_operand(lo, node->out[0])};
    const int64_t i[1] = {axis};
    return dms_lower_call(lo, node, DMS_K_GATHER_ELEMENTS, 2, 1, operand, 1, i, 0, NULL, st);
}

static const char *const reduction_words[] = {"none", "add", "mul", "min", "max"};

/* How equal positions combine: a word that the opset knows. */
static dms_code reduction_of(const dms_node *node, uint32_t *out, dms_status *st) {
    const uint32_t n_words = node->version < 16 ? 1 : node->version < 18 ? 3 : 5;
    return dms_ops_word(node, "reduction", reduction_words, n_words, out, st);
}

/* Indices and updates of a scatter have the same dims. */
static dms_code check_updates(dms_graph *graph, const dms_node *node, uint32_t rank,
                              const int64_t *dim, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *updates = dms_in(graph, node, 2);
    bool is_same = updates->rank == rank;
    for (uint32_t k = 0; is_same && k < rank; k++)
        is_same = dms_extent(updates, k) == dim[k];
    if (!is_same) {
        char text[192];
        return dms_node_fail(node, st, "input '%s' wants dims %s", updates->name,
                             dms_ops_dims_text(rank, dim, text, sizeof text));
    }
    if (updates->dtype != x->dtype)
        return dms_node_fail(node, st, "input '%s' has dtype %s, input '%s' has %s", updates->name,
                             dms_dtype_name(updates->dtype), x->name, dms_dtype_name(x->dtype));
    return DMS_OK;
}

/* ScatterElements(x, indices, updates): a copy of x in which y[indices[i][j]][j] = updates[i][j]
 * for axis 0, or combined with it by `reduction`. The kernel copies x first, so that its output
 * is defined completely, then writes the updates in their order. */
static dms_code scatter_elements_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    uint32_t axis = 0, word = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(check_elements(graph, node, &axis, st));
    const uint32_t rank = dms_ops_dims(dms_in(graph, node, 1), dim);
    DMS_TRY(check_updates(graph, node, rank, dim, st));
    DMS_TRY(reduction_of(node, &word, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* One DMS_K_SCATTER_ELEMENTS, or a copy where there is nothing to write. */
static dms_code scatter_elements_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    uint32_t axis = 0, word = 0;
    DMS_TRY(dms_ops_axis(dms_lower_graph(lo), node, 0, &axis, st));
    DMS_TRY(reduction_of(node, &word, st));
    const dms_lowered_operand operand[4] = {
        dms_lower_operand(lo, node->in[0]), dms_lower_operand(lo, node->in[1]),
        dms_lower_operand(lo, node->in[2]), dms_lower_operand(lo, node->out[0])};
    if (dms_view_count(&operand[1].view) == 0)
        return dms_lower_copy(lo, node, operand[0], operand[3], st);
    const int64_t i[2] = {axis, word};
    return dms_lower_call(lo, node, DMS_K_SCATTER_ELEMENTS, 3, 1, operand, 2, i, 0, NULL, st);
}

/* ---- GatherND, ScatterND ------------------------------------------------------------------- */

/* Common checks: the last axis of the indices names `*depth` axes of the data behind `batch`. */
static dms_code check_nd(dms_graph *graph, const dms_node *node, uint32_t batch, uint32_t *depth,
                         dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, 1, DMS_OPS_INDEX, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, batch + 1, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 1, batch + 1, DMS_MAX_RANK, st));
    const int64_t n = dms_extent(index, index->rank - 1);
    if (n < 1 || n > (int64_t)(x->rank - batch))
        return dms_node_fail(node, st, "input '%s' names %" PRId64 " axes of rank %" PRIu32,
                             index->name, n, x->rank - batch);
    for (uint32_t k = 0; k < batch; k++)
        if (dms_extent(x, k) != dms_extent(index, k))
            return dms_node_fail(node, st, "inputs '%s' and '%s' differ along batch axis %" PRIu32,
                                 x->name, index->name, k);
    *depth = (uint32_t)n;
    for (uint32_t k = 0; k < *depth; k++)
        DMS_TRY(want_entries(graph, node, batch + k, st));
    return DMS_OK;
}

/* Dims of what the indices pick: theirs but the last, then what is left of the data. */
static uint32_t picked_dims(const dms_tensor *x, const dms_tensor *index, uint32_t batch,
                            uint32_t depth, int64_t *dim) {
    uint32_t rank = 0;
    for (uint32_t k = 0; k + 1 < index->rank; k++)
        dim[rank++] = dms_extent(index, k);
    for (uint32_t k = batch + depth; k < x->rank; k++)
        dim[rank++] = dms_extent(x, k);
    return rank;
}

/* GatherND(x, indices): the last axis of the indices is a position in the axes of x behind the
 * batch; what lies behind these axes is copied whole. x [2, 3, 4] with indices [5, 2]: [5, 4];
 * with indices [2, 5, 1] and one batch axis: [2, 5, 4]. */
static dms_code gather_nd_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    int64_t batch = 0, dim[2 * DMS_MAX_RANK];
    uint32_t depth = 0;
    DMS_TRY(dms_ops_int_in(node, "batch_dims", 0, 0, DMS_MAX_RANK - 1, &batch, st));
    DMS_TRY(check_nd(graph, node, (uint32_t)batch, &depth, st));
    const uint32_t rank = picked_dims(x, index, (uint32_t)batch, depth, dim);
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* One DMS_K_GATHER_ND: x is [batch, n0, ..., nk-1, rest], the indices are [batch, picks, k], y
 * is [batch, picks, rest]. */
static dms_code gather_nd_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    const uint32_t batch = (uint32_t)dms_node_int(node, "batch_dims", 0);
    const uint32_t depth = (uint32_t)dms_extent(index, index->rank - 1);
    int64_t from[DMS_MAX_RANK + 2];
    from[0] = dms_ops_count(x, 0, batch);
    for (uint32_t k = 0; k < depth; k++)
        from[k + 1] = dms_extent(x, batch + k);
    from[depth + 1] = dms_ops_count(x, batch + depth, x->rank);
    if (depth + 2 > DMS_MAX_RANK)
        return dms_node_fail(node, st, "its indices name %" PRIu32 " axes, at most %u", depth,
                             DMS_MAX_RANK - 2);
    const int64_t picks = dms_ops_count(index, batch, index->rank - 1);
    const int64_t at[3] = {from[0], picks, depth}, to[3] = {from[0], picks, from[depth + 1]};
    const int64_t i[1] = {depth};
    dms_lowered_operand operand[3];
    operand[2] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], depth + 2, from, &operand[0], st));
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[1], 3, at, &operand[1], st));
    DMS_TRY(dms_ops_view_as(node, &operand[2], 3, to, st));
    return dms_lower_call(lo, node, DMS_K_GATHER_ND, 2, 1, operand, 1, i, 0, NULL, st);
}

/* ScatterND(x, indices, updates): a copy of x in which the slices at the positions of the
 * indices are replaced by (or combined with) the updates. x [4, 3] with indices [2, 1]: updates
 * [2, 3]. Exporters write causal masks and cache updates this way. */
static dms_code scatter_nd_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    int64_t dim[2 * DMS_MAX_RANK];
    uint32_t depth = 0, word = 0;
    DMS_TRY(check_nd(graph, node, 0, &depth, st));
    const uint32_t rank = picked_dims(x, index, 0, depth, dim);
    DMS_TRY(check_updates(graph, node, rank, dim, st));
    DMS_TRY(reduction_of(node, &word, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* One DMS_K_SCATTER_ND with all axes behind the position merged into one. */
static dms_code scatter_nd_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *x = dms_in(graph, node, 0), *index = dms_in(graph, node, 1);
    const uint32_t depth = (uint32_t)dms_extent(index, index->rank - 1);
    if (depth + 1 > DMS_MAX_RANK)
        return dms_node_fail(node, st, "its indices name %" PRIu32 " axes, at most %u", depth,
                             DMS_MAX_RANK - 1);
    int64_t data[DMS_MAX_RANK];
    for (uint32_t k = 0; k < depth; k++)
        data[k] = dms_extent(x, k);
    data[depth] = dms_ops_count(x, depth, x->rank);
    const int64_t picks = dms_ops_count(index, 0, index->rank - 1);
    const int64_t at[2] = {picks, depth}, update[2] = {picks, data[depth]};
    uint32_t word = 0;
    dms_lowered_operand operand[4];
    DMS_TRY(reduction_of(node, &word, st));
    operand[3] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], depth + 1, data, &operand[0], st));
    DMS_TRY(dms_ops_view_as(node, &operand[3], depth + 1, data, st));
    if (picks == 0)
        return dms_lower_copy(lo, node, operand[0], operand[3], st);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[1], 2, at, &operand[1], st));
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[2], 2, update, &operand[2], st));
    const int64_t i[2] = {depth, word};
    return dms_lower_call(lo, node, DMS_K_SCATTER_ND, 3, 1, operand, 2, i, 0, NULL, st);
}

/* ---- OneHot -------------------------------------------------------------------------------- */

/* OneHot(indices, depth, values): a new axis of `depth` entries, values[1] where the index
 * points and values[0] elsewhere. The depth must be known. indices [2, 3], depth 5: [2, 3, 5],
 * or [2, 5, 3] with axis 1. An index beyond the depth marks nothing. */
static dms_code one_hot_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *index = dms_in(graph, node, 0), *depth = dms_in(graph, node, 1);
    uint32_t n = 0, axis = 0;
    const double *value = NULL;
    int64_t dim[DMS_MAX_RANK + 1];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_NUMBER, st));
    DMS_TRY(dms_ops_want_vector(graph, node, 2, 2, "values (off, on)", st));
    DMS_TRY(dms_ops_want_dtype(graph, node, 2, DMS_OPS_ANY, st));
    if (!dms_tensor_is_constant(depth))
        return dms_node_fail(node, st, "input '%s' (depth) is computed from data", depth->name);
    DMS_TRY(dms_real_values(graph, node, 1, &n, &value, st));
    if (n != 1 || !(value[0] >= 0.0 && value[0] < 0x1p53))
        return dms_node_fail(node, st, "input '%s' (depth) is no count", depth->name);
    DMS_TRY(dms_axis(node, dms_node_int(node, "axis", -1), index->rank + 1, &axis, st));
    for (uint32_t k = 0; k <= index->rank; k++)
        dim[k] = k == axis ? (int64_t)value[0] : dms_extent(index, k < axis ? k : k - 1);
    return dms_set_output(graph, node, 0, dms_in(graph, node, 2)->dtype, index->rank + 1, dim, st);
}

/* One DMS_K_ONE_HOT: indices [outer, inner], y [outer, depth, inner]. */
static dms_code one_hot_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *index = dms_in(graph, node, 0);
    uint32_t axis = 0;
    DMS_TRY(dms_axis(node, dms_node_int(node, "axis", -1), index->rank + 1, &axis, st));
    const int64_t outer = dms_ops_count(index, 0, axis);
    const int64_t inner = dms_ops_count(index, axis, index->rank);
    const int64_t at[2] = {outer, inner};
    const bool is_index = (DMS_OPS_INDEX & DMS_DTYPE_BIT(index->dtype)) != 0;
    const int64_t to[3] = {outer, dms_extent(dms_out(graph, node, 0), axis), inner};
    dms_lowered_operand operand[3];
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 2, at, &operand[0], st));
    if (!is_index) { /* real numbers and narrow integers count too */
        const int64_t saturate[1] = {1};
        dms_lowered_operand cast[2] = {operand[0], operand[0]};
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_I64, 2, at, &cast[1], st));
        DMS_TRY(dms_lower_call(lo, node, DMS_K_CAST, 1, 1, cast, 1, saturate, 0, NULL, st));
        operand[0] = cast[1];
    }
    operand[1] = dms_lower_operand(lo, node->in[2]);
    operand[2] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_view_as(node, &operand[2], 3, to, st));
    return dms_lower_call(lo, node, DMS_K_ONE_HOT, 2, 1, operand, 0, NULL, 0, NULL, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Gather", 1, 0, 2, 2, 1, gather_infer, gather_alias, gather_lower),
    DMS_OPS_ROW("GatherElements", 11, 0, 2, 2, 1, gather_elements_infer, NULL,
                gather_elements_lower),
    DMS_OPS_ROW("GatherND", 11, 0, 2, 2, 1, gather_nd_infer, NULL, gather_nd_lower),
    DMS_OPS_ROW("Scatter", 9, 10, 3, 3, 1, scatter_elements_infer, NULL, scatter_elements_lower),
    DMS_OPS_ROW("ScatterElements", 11, 0, 3, 3, 1, scatter_elements_infer, NULL,
                scatter_elements_lower),
    DMS_OPS_ROW("ScatterND", 11, 0, 3, 3, 1, scatter_nd_infer, NULL, scatter_nd_lower),
    DMS_OPS_ROW("OneHot", 9, 0, 3, 3, 1, one_hot_infer, NULL, one_hot_lower),
};

DMS_OPS_FAMILY(index);
