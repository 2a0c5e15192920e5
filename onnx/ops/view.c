/* view.c - operators that only rename positions: Reshape, Squeeze, Unsqueeze, Flatten, Identity,
 * Dropout, Transpose, Expand. Their output is a view of their input; where pitches forbid that, one
 * copy.
 *
 * Versions: Reshape-14 adds allowzero. Squeeze and Unsqueeze take axes as attribute before opset 13
 * and as input from then on. Flatten counts negative axes from opset 11 on. Dropout drops nothing:
 * opset 12 moves the ratio to an input and adds training_mode, which must be false; the mask has
 * the dtype of the data before opset 10 and is bool from then on.
 *
 *     x [2, 3, 4] dense         Reshape to [6, 4]         pitches [4, 1]
 *                               Transpose (2, 0, 1)       pitches [1, 12, 4]
 *     Transpose (1, 0, 2)       then Reshape to [6, 4]    no view: rows 0 and 1 lie 12 apart, rows
 *                                                         1 and 2 lie 8 back; one copy
 *
 * Whether a view is taken is decided by the lowering, not here: it copies where a small view would
 * keep a large buffer alive.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "schema/checked.h"

/* ---- Reshape ------------------------------------------------------------------------------- */

/* Fills the one -1 of `dim` so that the number of elements stays; `unknown` is its axis or rank. */
static dms_code fill_unknown(const dms_node *node, const dms_tensor *x, uint32_t rank, int64_t *dim,
                             uint32_t unknown, dms_status *st) {
    const int64_t count = dms_ops_count(x, 0, x->rank);
    int64_t known = 1, from[DMS_MAX_RANK];
    bool fits = true;
    for (uint32_t k = 0; k < rank; k++)
        fits = fits && (k == unknown || dms_mul_i64(known, dim[k], &known));
    if (fits && unknown < rank && known > 0 && count % known == 0) {
        dim[unknown] = count / known;
        return DMS_OK;
    }
    if (fits && unknown == rank && known == count)
        return DMS_OK;
    char text[2][192];
    const uint32_t from_rank = dms_ops_dims(x, from);
    return dms_node_fail(node, st, "input '%s' of %s does not fit %s", x->name,
                         dms_ops_dims_text(from_rank, from, text[0], sizeof text[0]),
                         dms_ops_dims_text(rank, dim, text[1], sizeof text[1]));
}

/* Reshape(x, shape): 0 copies the dim of x at the same place (unless allowzero), one -1 takes
 * what is left. The shape must be known. [2, 3, 4] to (0, -1): [2, 12]. A cache of extent 0
 * still has one answer for -1 unless another dim is 0. */
static dms_code reshape_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t rank = 0;
    const int64_t *shape = NULL;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_int_values(graph, node, 1, &rank, &shape, st));
    if (rank > DMS_MAX_RANK)
        return dms_node_fail(node, st, "rank %" PRIu32 " exceeds %u", rank, DMS_MAX_RANK);
    const bool zero_copies = node->version < 14 || dms_node_int(node, "allowzero", 0) == 0;
    uint32_t unknown = rank;
    for (uint32_t k = 0; k < rank; k++) {
        dim[k] = shape[k];
        if (dim[k] < -1 || (dim[k] == -1 && unknown != rank))
            return dms_node_fail(node, st, "shape has %s",
                                 dim[k] < -1 ? "a negative dim" : "more than one -1");
        if (dim[k] == -1)
            unknown = k;
        if (dim[k] != 0 || !zero_copies)
            continue;
        if (k >= x->rank)
            return dms_node_fail(node, st, "shape copies axis %" PRIu32 " of rank %" PRIu32, k,
                                 x->rank);
        dim[k] = dms_extent(x, k);
    }
    DMS_TRY(fill_unknown(node, x, rank, dim, unknown, st));
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* ---- Squeeze, Unsqueeze, Flatten ----------------------------------------------------------- */

/* Squeeze(x, axes): axes of extent 1 vanish; all of them where none is named. Axes that are
 * named but empty keep everything. [1, 3, 1]: [3]; with axis 0: [3, 1]. */
static dms_code squeeze_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t mask = 0, rank = 0;
    bool is_given = false;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_axes(graph, node, 1, 13, x->rank, &mask, &is_given, st));
    for (uint32_t k = 0; k < x->rank; k++) {
        const bool is_named = (mask >> k & 1u) != 0;
        if (is_named && dms_extent(x, k) != 1)
            return dms_node_fail(
                node, st, "input '%s' has %" PRId64 " elements along axis %" PRIu32 ", wants 1",
                x->name, dms_extent(x, k), k);
        if (!is_named && (is_given || dms_extent(x, k) != 1))
            dim[rank++] = dms_extent(x, k);
    }
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* Unsqueeze(x, axes): axes of extent 1 appear, named by their places in the result. [3, 4] with
 * axes -1 and 1: [3, 1, 4, 1]. */
static dms_code unsqueeze_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    const int64_t *axis = NULL;
    uint32_t n = 0, mask = 0;
    bool is_given = false;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    if (node->version >= 13)
        DMS_TRY(dms_int_values(graph, node, 1, &n, &axis, st));
    else
        n = dms_node_ints(node, "axes", &axis);
    if (n > DMS_MAX_RANK - x->rank)
        return dms_node_fail(node, st, "rank %" PRIu32 " exceeds %u", n + x->rank, DMS_MAX_RANK);
    const uint32_t rank = x->rank + n;
    DMS_TRY(dms_ops_axes(graph, node, 1, 13, rank, &mask, &is_given, st));
    for (uint32_t k = 0, from = 0; k < rank; k++)
        dim[k] = (mask >> k & 1u) != 0 ? 1 : dms_extent(x, from++);
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* Flatten(x): a matrix: the axes before `axis` times those from it on. [2, 3, 4] with axis 2:
 * [6, 4]; with axis 0: [1, 24]. */
static dms_code flatten_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    const int64_t rank = (int64_t)x->rank, low = node->version >= 11 ? -rank : 0;
    int64_t axis = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_int_in(node, "axis", 1, low, rank, &axis, st));
    const uint32_t cut = (uint32_t)(axis < 0 ? axis + rank : axis);
    const int64_t dim[2] = {dms_ops_count(x, 0, cut), dms_ops_count(x, cut, x->rank)};
    return dms_set_output(graph, node, 0, x->dtype, 2, dim, st);
}

/* ---- Dropout ------------------------------------------------------------------------------- */

/* Dropout(x): in inference nothing is dropped: x, and a mask of ones for those who ask. */
static dms_code dropout_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *training = dms_in(graph, node, 2);
    uint32_t n = 0;
    const double *value = NULL;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT, st));
    if (node->version >= 12 && training != NULL) {
        if (!dms_tensor_is_constant(training))
            return dms_node_fail(node, st, "input '%s' (training_mode) is computed from data",
                                 training->name);
        DMS_TRY(dms_real_values(graph, node, 2, &n, &value, st));
        if (n != 1 || value[0] != 0.0)
            return dms_node_fail(node, st, "training_mode is true: dms runs inference only");
    }
    const uint32_t rank = dms_ops_dims(x, dim);
    DMS_TRY(dms_set_output(graph, node, 0, x->dtype, rank, dim, st));
    return dms_set_output(graph, node, 1, node->version < 10 ? x->dtype : DMS_DTYPE_BOOL, rank, dim,
                          st);
}

/* The first output is the input. */
static bool same_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                       dms_view *out) {
    (void)graph;
    (void)node;
    *out = *in;
    return k == 0;
}

/* Runs when the mask is wanted: all ones. */
static dms_code dropout_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand from = dms_lower_operand(lo, node->in[0]);
    if (dms_out(dms_lower_graph(lo), node, 0) != NULL) {
        const dms_lowered_operand to = dms_lower_operand(lo, node->out[0]);
        DMS_TRY(dms_lower_copy(lo, node, from, to, st));
    }
    if (dms_out(dms_lower_graph(lo), node, 1) == NULL)
        return DMS_OK;
    const dms_lowered_operand mask = dms_lower_operand(lo, node->out[1]);
    return dms_ops_fill(lo, node, dms_ops_bits(mask.view.dtype, 1.0), &mask, st);
}

/* ---- Transpose, Expand --------------------------------------------------------------------- */

/* The permutation of a node, reversed order by default. */
static dms_code permutation(const dms_node *node, uint32_t rank, uint32_t *order, dms_status *st) {
    const int64_t *perm = NULL;
    const uint32_t n = dms_node_ints(node, "perm", &perm);
    uint32_t seen = 0;
    if (dms_node_attr(node, "perm") == NULL) {
        for (uint32_t k = 0; k < rank; k++)
            order[k] = rank - 1 - k;
        return DMS_OK;
    }
    if (n != rank)
        return dms_node_fail(node, st, "attribute 'perm' has %" PRIu32 " axes for rank %" PRIu32, n,
                             rank);
    for (uint32_t k = 0; k < rank; k++) {
        DMS_TRY(dms_axis(node, perm[k], rank, &order[k], st));
        seen |= 1u << order[k];
    }
    if (seen != (1u << rank) - 1u)
        return dms_node_fail(node, st, "attribute 'perm' names an axis twice");
    return DMS_OK;
}

/* Transpose(x): axis k of the result is axis perm[k] of x. Without perm the axes turn around. */
static dms_code transpose_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t order[DMS_MAX_RANK];
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(permutation(node, x->rank, order, st));
    for (uint32_t k = 0; k < x->rank; k++)
        dim[k] = dms_extent(x, order[k]);
    return dms_set_output(graph, node, 0, x->dtype, x->rank, dim, st);
}

/* Dims and pitches permuted: kernels take any pitches, so nothing moves. */
static bool transpose_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                            dms_view *out) {
    (void)graph;
    uint32_t order[DMS_MAX_RANK];
    dms_status ignored;
    if (k != 0 || permutation(node, in->rank, order, &ignored) != DMS_OK)
        return false;
    dms_view_permute(in, order, out);
    return true;
}

/* Expand(x, shape): x broadcast with the shape, which may have fewer axes or ones. [3, 1] with
 * shape (2, 1, 4): [2, 3, 4]. Unlike a reshape a dim of the shape may be smaller than that of x:
 * 1. */
static dms_code expand_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t n = 0;
    const int64_t *shape = NULL;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_int_values(graph, node, 1, &n, &shape, st));
    const uint32_t rank = n > x->rank ? n : x->rank;
    if (rank > DMS_MAX_RANK)
        return dms_node_fail(node, st, "rank %" PRIu32 " exceeds %u", rank, DMS_MAX_RANK);
    for (uint32_t k = 0; k < rank; k++) {
        const int64_t from = k + x->rank >= rank ? dms_extent(x, k + x->rank - rank) : 1;
        const int64_t to = k + n >= rank ? shape[k + n - rank] : 1;
        if (to < 0 || (from != to && from != 1 && to != 1))
            return dms_node_fail(node, st,
                                 "input '%s' has %" PRId64 " elements along axis %" PRIu32
                                 ", shape wants %" PRId64,
                                 x->name, from, k, to);
        dim[k] = from == 1 ? to : from;
    }
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* Pitches of 0 where the axis is repeated. */
static bool expand_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                         dms_view *out) {
    int64_t dim[DMS_MAX_RANK];
    if (k != 0)
        return false;
    const uint32_t rank = dms_ops_dims(dms_out(graph, node, 0), dim);
    return dms_view_expand(in, rank, dim, out);
}

#define RESHAPING(op, since_, n_min, n_max, infer_)                                                \
    DMS_OPS_ROW(op, since_, 0, n_min, n_max, 1, infer_, dms_ops_alias_reshape,                     \
                dms_ops_lower_reshape)
static const dms_op rows[] = {
    RESHAPING("Reshape", 5, 2, 2, reshape_infer),
    RESHAPING("Squeeze", 1, 1, 2, squeeze_infer),
    RESHAPING("Unsqueeze", 1, 1, 2, unsqueeze_infer),
    RESHAPING("Flatten", 1, 1, 1, flatten_infer),
    DMS_OPS_ROW("Identity", 1, 0, 1, 1, 1, dms_ops_infer_same, same_alias, NULL),
    DMS_OPS_ROW("Dropout", 7, 11, 1, 1, 2, dropout_infer, same_alias, dropout_lower),
    DMS_OPS_ROW("Dropout", 12, 0, 1, 3, 2, dropout_infer, same_alias, dropout_lower),
    DMS_OPS_ROW("Transpose", 1, 0, 1, 1, 1, transpose_infer, transpose_alias, NULL),
    DMS_OPS_ROW("Expand", 8, 0, 2, 2, 1, expand_infer, expand_alias, NULL),
};
#undef RESHAPING

DMS_OPS_FAMILY(view);
