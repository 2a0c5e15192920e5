/* join.c - Concat, Pad, Tile, Trilu, DepthToSpace, SpaceToDepth: elements copied to other places.
 *
 * Versions: Concat counts negative axes from opset 11 on. Pad takes attributes before opset 11,
 * inputs from then on; 18 adds axes, 19 the mode wrap. DepthToSpace-11 adds the mode CRD.
 *
 *     Pad of a b c by 2 and 2:
 *     constant   0 0 a b c 0 0        reflect   c b a b c b a
 *     edge       a a a b c c c        wrap      b c a b c a b
 *
 *     DepthToSpace with blocks of 2: channels of one position become one block of positions
 *     DCR   c0 c1 c2 c3 ... hold block rows and columns, then channels
 *     CRD   c0 c1 c2 c3 ... hold channels, then block rows and columns
 *     both are a copy between two views of six axes; nothing else happens.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "schema/checked.h"

#define CONCAT_LIMIT 32u /* inputs of one DMS_K_CONCAT */

/* Concat(x0, x1, ...): side by side along the axis; all other dims are equal. [2, 3], [2, 4] and
 * [2, 0] along axis 1: [2, 7]. An empty tensor is a cache before its first token. */
static dms_code concat_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t axis = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, node->n_in - 1, DMS_OPS_ANY, st));
    if (x == NULL || dms_node_attr(node, "axis") == NULL)
        return dms_node_fail(node, st, "its %s is missing", x == NULL ? "input 0" : "axis");
    DMS_TRY(dms_ops_axis(graph, node, 0, &axis, st));
    const uint32_t rank = dms_ops_dims(x, dim);
    for (uint32_t k = 1; k < node->n_in; k++) {
        const dms_tensor *t = dms_in(graph, node, k);
        bool fits = t != NULL && t->rank == rank;
        for (uint32_t j = 0; fits && j < rank; j++)
            fits = j == axis || dms_extent(t, j) == dim[j];
        if (!fits)
            return dms_node_fail(node, st,
                                 "input '%s' does not fit beside '%s' along axis %" PRIu32,
                                 t == NULL ? "" : t->name, x->name, axis);
        if (!dms_add_i64(dim[axis], dms_extent(t, axis), &dim[axis]))
            return dms_node_fail(node, st, "its size exceeds 63 bits");
    }
    return dms_set_output(graph, node, 0, x->dtype, rank, dim, st);
}

/* One input alone is the result. */
static bool concat_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                         dms_view *out) {
    (void)graph;
    *out = *in;
    return k == 0 && node->n_in == 1;
}

/* Joins operands [0, n) into `out`: one copy for one operand. */
static dms_code join(dms_lowering *lo, const dms_node *node, uint32_t axis, uint32_t n,
                     dms_lowered_operand *operand, const dms_lowered_operand *out, dms_status *st) {
    if (n == 1)
        return dms_lower_copy(lo, node, operand[0], *out, st);
    const int64_t i[1] = {axis};
    operand[n] = *out;
    return dms_lower_call(lo, node, DMS_K_CONCAT, n, 1, operand, 1, i, 0, NULL, st);
}

/* Joins [0, n) into a temporary that replaces operand 0; used when there are too many. */
static dms_code join_to_temp(dms_lowering *lo, const dms_node *node, uint32_t axis, uint32_t n,
                             dms_lowered_operand *operand, dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    memcpy(dim, operand[0].view.dim, sizeof dim);
    for (uint32_t k = 1; k < n; k++)
        dim[axis] += operand[k].view.dim[axis];
    dms_lowered_operand temp;
    DMS_TRY(dms_lower_temp(lo, operand[0].view.dtype, operand[0].view.rank, dim, &temp, st));
    DMS_TRY(join(lo, node, axis, n, operand, &temp, st));
    operand[0] = temp;
    return DMS_OK;
}

/* Empty inputs (a key cache before its first token) are left out. */
static dms_code concat_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    dms_lowered_operand operand[CONCAT_LIMIT + 1];
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    uint32_t axis = 0, n = 0;
    DMS_TRY(dms_ops_axis(graph, node, 0, &axis, st));
    /* A call has at most CONCAT_LIMIT inputs: what has come together so far becomes the first one
     * of the next call. */
    for (uint32_t k = 0; k < node->n_in; k++) {
        const dms_lowered_operand next = dms_lower_operand(lo, node->in[k]);
        if (dms_view_count(&next.view) == 0)
            continue;
        if (n == CONCAT_LIMIT) {
            DMS_TRY(join_to_temp(lo, node, axis, n, operand, st));
            n = 1;
        }
        operand[n++] = next;
    }
    return n == 0 ? DMS_OK : join(lo, node, axis, n, operand, &out, st);
}

/* ---- Pad ----------------------------------------------------------------------------------- */

static const char *const pad_words[] = {"constant", "edge", "reflect", "wrap"};

/* Elements added (or, negative, taken away) before and after every axis. */
static dms_code pad_read(dms_graph *graph, const dms_node *node, int64_t *begin, int64_t *end,
                         dms_status *st) {
    const uint32_t rank = dms_in(graph, node, 0)->rank;
    uint32_t n = 0, n_axes = rank;
    const int64_t *pad = NULL, *axes = NULL;
    if (node->version < 11)
        n = dms_node_ints(node, "pads", &pad);
    else
        DMS_TRY(dms_int_values(graph, node, 1, &n, &pad, st));
    if (node->version >= 18 && dms_in(graph, node, 3) != NULL)
        DMS_TRY(dms_int_values(graph, node, 3, &n_axes, &axes, st));
    if (n != 2 * n_axes || n_axes > rank)
        return dms_node_fail(node, st, "pads has %" PRIu32 " numbers for %" PRIu32 " axes", n,
                             n_axes);
    for (uint32_t k = 0; k < rank; k++)
        begin[k] = end[k] = 0;
    for (uint32_t k = 0; k < n_axes; k++) {
        uint32_t axis = k;
        if (axes != NULL)
            DMS_TRY(dms_axis(node, axes[k], rank, &axis, st));
        begin[axis] = pad[k];
        end[axis] = pad[k + n_axes];
    }
    return DMS_OK;
}

/* What one axis becomes; modes other than constant need something to copy. */
static dms_code pad_extent(const dms_node *node, uint32_t mode, uint32_t axis, int64_t n,
                           int64_t begin, int64_t end, int64_t *out, dms_status *st) {
    int64_t sum = 0;
    if (!dms_add_i64(n, begin, &sum) || !dms_add_i64(sum, end, out) || *out < 0)
        return dms_node_fail(node, st, "pads of axis %" PRIu32 " leave no elements", axis);
    const bool is_padded = begin > 0 || end > 0;
    const bool is_short = mode == 2 && (begin >= n || end >= n);
    if (mode != 0 && is_padded && *out > 0 && (n == 0 || is_short))
        return dms_node_fail(node, st, "mode '%s' cannot pad %" PRId64 " elements by %" PRId64,
                             pad_words[mode], n, begin > end ? begin : end);
    return DMS_OK;
}

/* Pad(x): elements added at both ends of each axis: a constant, the edge, the mirror image
 * without the edge, or the other end. Negative pads cut instead of adding; the mirror image
 * needs more elements than it repeats. */
static dms_code pad_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *value = dms_in(graph, node, 2);
    int64_t begin[DMS_MAX_RANK], end[DMS_MAX_RANK], dim[DMS_MAX_RANK];
    uint32_t mode = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_word(node, "mode", pad_words, node->version >= 19 ? 4 : 3, &mode, st));
    DMS_TRY(pad_read(graph, node, begin, end, st));
    if (value != NULL && value->dtype != x->dtype)
        return dms_node_fail(node, st, "input '%s' has dtype %s, input '%s' has %s", value->name,
                             dms_dtype_name(value->dtype), x->name, dms_dtype_name(x->dtype));
    if (value != NULL && node->version >= 11 &&
        (!dms_tensor_is_constant(value) || dms_ops_count(value, 0, value->rank) != 1))
        return dms_node_fail(node, st, "input '%s' is no constant of one element", value->name);
    for (uint32_t k = 0; k < x->rank; k++)
        DMS_TRY(pad_extent(node, mode, k, dms_extent(x, k), begin[k], end[k], &dim[k], st));
    return dms_set_output(graph, node, 0, x->dtype, x->rank, dim, st);
}

/* The bits of the value to pad with: attribute before opset 11, constant input from then on. */
static dms_code pad_bits(dms_graph *graph, const dms_node *node, uint64_t *out, dms_status *st) {
    const dms_tensor *value = dms_in(graph, node, 2);
    *out = 0;
    if (node->version < 11) {
        *out = dms_ops_bits(dms_in(graph, node, 0)->dtype, dms_node_float(node, "value", 0.0));
        return DMS_OK;
    }
    if (value == NULL)
        return DMS_OK;
    const uint8_t *data = NULL;
    DMS_TRY(dms_constant_read(graph, node->in[2], 8, graph->arena, &data, st));
    memcpy(out, data, dms_dtype_bytes(value->dtype));
    return DMS_OK;
}

/* One DMS_K_PAD; what comes at the end follows from the dims of y. An empty input leaves nothing
 * but the constant. */
static dms_code pad_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_graph *graph = dms_lower_graph(lo);
    const dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                            dms_lower_operand(lo, node->out[0])};
    int64_t i[2 + DMS_MAX_RANK], end[DMS_MAX_RANK];
    uint32_t mode = 0;
    uint64_t bits = 0;
    DMS_TRY(dms_ops_word(node, "mode", pad_words, 4, &mode, st));
    DMS_TRY(pad_bits(graph, node, &bits, st));
    DMS_TRY(pad_read(graph, node, i + 2, end, st));
    i[0] = mode;
    i[1] = (int64_t)bits;
    if (dms_view_count(&operand[0].view) == 0)
        return dms_ops_fill(lo, node, bits, &operand[1], st);
    return dms_lower_call(lo, node, DMS_K_PAD, 1, 1, operand, 2 + operand[0].view.rank, i, 0, NULL,
                          st);
}

/* ---- Tile ---------------------------------------------------------------------------------- */

/* Tile(x, repeats): the whole of x, repeats[k] times along axis k. x [2, 3] with repeats 1, 2:
 * [2, 6], each row twice in a row. */
static dms_code tile_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t n = 0;
    const int64_t *repeats = NULL;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_int_values(graph, node, 1, &n, &repeats, st));
    if (n != x->rank)
        return dms_node_fail(node, st, "repeats has %" PRIu32 " numbers for rank %" PRIu32, n,
                             x->rank);
    for (uint32_t k = 0; k < n; k++)
        if (repeats[k] < 0 || !dms_mul_i64(dms_extent(x, k), repeats[k], &dim[k]))
            return dms_node_fail(node, st, "repeats[%" PRIu32 "] is %" PRId64, k, repeats[k]);
    return dms_set_output(graph, node, 0, x->dtype, n, dim, st);
}

/* One axis at a time: y[o, r, n, i] = x[o, *, n, i], a copy from a repeating view. */
static dms_code tile_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_lowered_operand value = dms_lower_operand(lo, node->in[0]);
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    const uint32_t rank = out.view.rank;
    uint32_t last = rank; /* the last axis that is repeated: its copy goes to the output */
    for (uint32_t k = 0; k < rank; k++)
        if (out.view.dim[k] != value.view.dim[k])
            last = k;
    if (last == rank || dms_view_count(&out.view) == 0)
        return dms_lower_copy(lo, node, value, out, st);
    int64_t dim[DMS_MAX_RANK];
    memcpy(dim, value.view.dim, sizeof dim);
    for (uint32_t k = 0; k <= last; k++) {
        const int64_t n = dim[k], repeats = out.view.dim[k] / n;
        if (repeats == 1)
            continue;
        dms_lowered_operand next = out, from = value, to;
        dim[k] *= repeats;
        if (k != last)
            DMS_TRY(dms_lower_temp(lo, out.view.dtype, rank, dim, &next, st));
        int64_t inner = 1, outer = 1; /* elements behind and before the axis */
        for (uint32_t j = 0; j < rank; j++)
            *(j < k ? &outer : &inner) *= j == k ? 1 : dim[j];
        const int64_t split[4] = {outer, repeats, n, inner}, once[4] = {outer, 1, n, inner};
        if (!dms_view_reshape(&value.view, 4, once, &from.view)) {
            DMS_TRY(dms_lower_dense(lo, node->in[0], &from, st));
            DMS_TRY(dms_ops_view_as(node, &from, 4, once, st));
        }
        from.view.dim[1] = repeats;
        from.view.pitch[1] = 0;
        to = next;
        DMS_TRY(dms_ops_view_as(node, &to, 4, split, st));
        DMS_TRY(dms_lower_copy(lo, node, from, to, st));
        value = next;
    }
    return DMS_OK;
}

/* ---- Trilu --------------------------------------------------------------------------------- */

/* Trilu(x, k): the upper or lower triangle of the last two axes from diagonal k on, zeros
 * elsewhere. The diagonal is an input and must be known. A causal mask is the upper triangle of
 * a matrix of -inf from diagonal 1 on. */
static dms_code trilu_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t k = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 2, DMS_MAX_RANK, st));
    if (dms_in(graph, node, 1) != NULL)
        DMS_TRY(dms_ops_int_value(graph, node, 1, &k, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* One DMS_K_TRILU. */
static dms_code trilu_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_graph *graph = dms_lower_graph(lo);
    const dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                            dms_lower_operand(lo, node->out[0])};
    int64_t i[2] = {dms_node_int(node, "upper", 1) != 0, 0};
    if (dms_in(graph, node, 1) != NULL)
        DMS_TRY(dms_ops_int_value(graph, node, 1, &i[1], st));
    return dms_lower_call(lo, node, DMS_K_TRILU, 1, 1, operand, 2, i, 0, NULL, st);
}

/* ---- DepthToSpace, SpaceToDepth ------------------------------------------------------------ */

static const char *const depth_words[] = {"DCR", "CRD"};

/* DepthToSpace(x): channels become blocks of b x b positions; SpaceToDepth takes them back. Rank
 * 4: n, c, h, w. DepthToSpace of [1, 8, 2, 3] with blocks of 2: [1, 2, 4, 6]. */
static dms_code block_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    const bool to_space = strcmp(node->op, "DepthToSpace") == 0;
    int64_t b = 0;
    uint32_t word = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 4, 4, st));
    DMS_TRY(dms_ops_int_in(node, "blocksize", 0, 1, 1 << 20, &b, st));
    if (to_space && node->version >= 11)
        DMS_TRY(dms_ops_word(node, "mode", depth_words, 2, &word, st));
    int64_t dim[4], high = 0, wide = 0;
    (void)dms_ops_dims(x, dim);
    const bool fits = to_space ? dim[1] % (b * b) == 0 : dim[2] % b == 0 && dim[3] % b == 0;
    if (!fits)
        return dms_node_fail(node, st, "input '%s' cannot be cut into blocks of %" PRId64, x->name,
                             b);
    if (!to_space) {
        if (!dms_mul_i64(dim[1], b * b, &dim[1]))
            return dms_node_fail(node, st, "its size exceeds 63 bits");
        const int64_t out[4] = {dim[0], dim[1], dim[2] / b, dim[3] / b};
        return dms_set_output(graph, node, 0, x->dtype, 4, out, st);
    }
    if (!dms_mul_i64(dim[2], b, &high) || !dms_mul_i64(dim[3], b, &wide))
        return dms_node_fail(node, st, "its size exceeds 63 bits");
    const int64_t out[4] = {dim[0], dim[1] / (b * b), high, wide};
    return dms_set_output(graph, node, 0, x->dtype, 4, out, st);
}

/* One copy between two views of six axes: n, block row, block column, c, h, w (DCR) or
 * n, c, block row, block column, h, w (CRD) on the deep side; n, c, h, block row, w, block column
 * on the wide side. */
static dms_code block_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    static const uint32_t from_dcr[6] = {0, 3, 4, 1, 5, 2}, from_crd[6] = {0, 1, 4, 2, 5, 3};
    const bool to_space = strcmp(node->op, "DepthToSpace") == 0;
    const bool is_crd = to_space && strcmp(dms_node_string(node, "mode", "DCR"), "CRD") == 0;
    const int64_t b = dms_node_int(node, "blocksize", 1);
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *wide = to_space ? dms_out(graph, node, 0) : dms_in(graph, node, 0);
    const int64_t n = dms_extent(wide, 0), c = dms_extent(wide, 1);
    const int64_t h = dms_extent(wide, 2) / b, w = dms_extent(wide, 3) / b;
    const int64_t dcr[6] = {n, b, b, c, h, w}, crd[6] = {n, c, b, b, h, w};
    const int64_t spread[6] = {n, c, h, b, w, b};
    const int64_t *deep = is_crd ? crd : dcr;
    dms_lowered_operand from, to = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 6, to_space ? deep : spread, &from, st));
    DMS_TRY(dms_ops_view_as(node, &to, 6, to_space ? spread : deep, st));
    dms_view *view = to_space ? &from.view : &to.view;
    const dms_view plain = *view;
    dms_view_permute(&plain, is_crd ? from_crd : from_dcr, view);
    return dms_lower_copy(lo, node, from, to, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Concat", 4, 0, 1, DMS_ANY, 1, concat_infer, concat_alias, concat_lower),
    DMS_OPS_ROW("Pad", 2, 10, 1, 1, 1, pad_infer, NULL, pad_lower),
    DMS_OPS_ROW("Pad", 11, 0, 2, 4, 1, pad_infer, NULL, pad_lower),
    DMS_OPS_ROW("Tile", 6, 0, 2, 2, 1, tile_infer, NULL, tile_lower),
    DMS_OPS_ROW("Trilu", 14, 0, 1, 2, 1, trilu_infer, NULL, trilu_lower),
    DMS_OPS_ROW("DepthToSpace", 1, 0, 1, 1, 1, block_infer, NULL, block_lower),
    DMS_OPS_ROW("SpaceToDepth", 1, 0, 1, 1, 1, block_infer, NULL, block_lower),
};

DMS_OPS_FAMILY(join);
