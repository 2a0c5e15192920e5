/* slice.c - Slice and Split: parts of a tensor along its axes. With positive steps a part is a
 * view; a negative step needs a copy that reads backwards.
 *
 * Versions: Slice takes attributes before opset 10 (no steps), inputs from then on. Split takes
 * `split` as attribute before opset 13, as input from then on; opset 18 adds `num_outputs`, whose
 * last part may be smaller.
 *
 *     x 0 1 2 3 4 5 6 7 8 9      start 1, end 10, step 4:   1 5 9   offset 1, pitch 4: a view
 *                                start -1, end 2, step -3:  9 6 3   offset 3, pitch 3, read
 *                                                                   backwards: a copy
 *
 * Pitches are never negative, so that a view covers the same elements in memory whichever way it
 * is walked; turning around is the kernel's work.
 */
#include <inttypes.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "schema/checked.h"

/* The elements a Slice takes: per axis `count` from `first` on, `step` apart, perhaps backwards. */
typedef struct slice_range {
    int64_t first[DMS_MAX_RANK], count[DMS_MAX_RANK], step[DMS_MAX_RANK];
} slice_range;

/* The numbers of one operand of Slice: from input k, or from an attribute before opset 10. */
static dms_code slice_numbers(dms_graph *graph, const dms_node *node, uint32_t k, const char *name,
                              uint32_t *n, const int64_t **out, dms_status *st) {
    *n = 0;
    *out = NULL;
    if (node->version < 10)
        *n = dms_node_ints(node, name, out);
    else if (dms_in(graph, node, k) != NULL)
        return dms_int_values(graph, node, k, n, out, st);
    return DMS_OK;
}

/* The nearest number of [low, high]. */
static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* One axis of `n` elements: bounds count from the end where negative and are clamped. */
static void slice_axis(int64_t n, int64_t start, int64_t end, int64_t step, slice_range *range,
                       uint32_t axis) {
    /* No sum here can overflow: extents are positive, and bounds are clamped before they meet. */
    const int64_t stride = step == INT64_MIN ? INT64_MAX : step < 0 ? -step : step;
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    start = clamp(start < 0 ? start + n : start, step < 0 && n > 0 ? 0 : low, high);
    end = clamp(end < 0 ? end + n : end, low, high);
    const int64_t length = step < 0 ? start - end : end - start;
    const int64_t count = length > 0 ? (length - 1) / stride + 1 : 0;
    range->count[axis] = count;
    range->step[axis] = count > 1 ? (step < 0 ? -stride : stride) : 1;
    range->first[axis] = count > 0 ? start : 0;
}

/* Starts, ends, axes and steps as ranges: axes that are not named are taken whole. */
static dms_code slice_read(dms_graph *graph, const dms_node *node, slice_range *range,
                           dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t n = 0, n_ends = 0, n_axes = 0, n_steps = 0, seen = 0;
    const int64_t *start, *end, *axes, *step;
    DMS_TRY(slice_numbers(graph, node, 1, "starts", &n, &start, st));
    DMS_TRY(slice_numbers(graph, node, 2, "ends", &n_ends, &end, st));
    DMS_TRY(slice_numbers(graph, node, 3, "axes", &n_axes, &axes, st));
    if (node->version >= 10)
        DMS_TRY(slice_numbers(graph, node, 4, "", &n_steps, &step, st));
    if (n != n_ends || (axes != NULL && n_axes != n) || (n_steps != 0 && n_steps != n) ||
        (axes == NULL && n > x->rank))
        return dms_node_fail(node, st, "starts, ends, axes and steps differ in length");
    for (uint32_t k = 0; k < x->rank; k++)
        slice_axis(dms_extent(x, k), 0, dms_extent(x, k), 1, range, k);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t axis = 0;
        DMS_TRY(dms_axis(node, axes == NULL ? (int64_t)k : axes[k], x->rank, &axis, st));
        if ((seen & 1u << axis) != 0)
            return dms_node_fail(node, st, "axis %" PRIu32 " is named twice", axis);
        seen |= 1u << axis;
        const int64_t by = n_steps == 0 ? 1 : step[k];
        if (by == 0)
            return dms_node_fail(node, st, "step along axis %" PRIu32 " is 0", axis);
        slice_axis(dms_extent(x, axis), start[k], end[k], by, range, axis);
    }
    return DMS_OK;
}

/* Slice(x, starts, ends, axes, steps): every step-th element from start to before end. All must
 * be known. x [4, 5], starts 1 2, ends 3 5: [2, 3]. Bounds beyond the ends are common: exporters
 * write the largest integer for "to the end". */
static dms_code slice_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    slice_range range = {0};
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(slice_read(graph, node, &range, st));
    return dms_set_output(graph, node, 0, x->dtype, x->rank, range.count, st);
}

/* The elements in ascending order; returns the axes (bits) that the slice reads backwards. */
static int64_t slice_ascending(const slice_range *range, dms_view *view) {
    int64_t backwards = 0;
    for (uint32_t k = 0; k < view->rank; k++) {
        const bool is_backwards = range->step[k] < 0;
        const int64_t step = is_backwards ? -range->step[k] : range->step[k];
        const int64_t first =
            is_backwards ? range->first[k] - (range->count[k] - 1) * step : range->first[k];
        dms_view_narrow(view, k, first, range->count[k], step);
        backwards |= is_backwards ? (int64_t)1 << k : 0;
    }
    return backwards;
}

/* A view where all steps are positive: pitches times steps, the offset moved. */
static bool slice_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                        dms_view *out) {
    slice_range range = {0};
    dms_status ignored;
    *out = *in;
    return k == 0 && slice_read(graph, node, &range, &ignored) == DMS_OK &&
           slice_ascending(&range, out) == 0;
}

/* One copy; the kernel reads the axes of the mask backwards. */
static dms_code slice_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    slice_range range = {0};
    DMS_TRY(slice_read(dms_lower_graph(lo), node, &range, st));
    dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                      dms_lower_operand(lo, node->out[0])};
    const int64_t i[1] = {slice_ascending(&range, &operand[0].view)};
    return dms_lower_call(lo, node, DMS_K_COPY, 1, 1, operand, 1, i, 0, NULL, st);
}

/* ---- Split --------------------------------------------------------------------------------- */

/* Length of part k of `n` equal parts of `extent` elements; the last takes the rest. */
static int64_t equal_part(int64_t extent, int64_t n, uint32_t k) {
    const int64_t part = extent / n + (extent % n != 0);
    const int64_t before = clamp(part * (int64_t)k, 0, extent);
    return clamp(extent - before, 0, part);
}

/* The axis and the length of every part; `length` has n_out entries. */
static dms_code split_read(dms_graph *graph, const dms_node *node, uint32_t *axis, int64_t *length,
                           dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t n = 0;
    const int64_t *split = NULL;
    DMS_TRY(dms_ops_axis(graph, node, 0, axis, st));
    const int64_t extent = dms_extent(x, *axis);
    if (node->version < 13)
        n = dms_node_ints(node, "split", &split);
    else if (dms_in(graph, node, 1) != NULL)
        DMS_TRY(dms_int_values(graph, node, 1, &n, &split, st));
    if (split != NULL && n != node->n_out)
        return dms_node_fail(node, st, "split has %" PRIu32 " parts, the node %" PRIu32 " outputs",
                             n, node->n_out);
    const int64_t asked =
        node->version >= 18 ? dms_node_int(node, "num_outputs", node->n_out) : (int64_t)node->n_out;
    if (asked != (int64_t)node->n_out)
        return dms_node_fail(node, st, "num_outputs is %" PRId64 ", the node has %" PRIu32, asked,
                             node->n_out);
    if (split == NULL && node->version < 18 && extent % node->n_out != 0)
        return dms_node_fail(node, st, "%" PRId64 " elements do not make %" PRIu32 " equal parts",
                             extent, node->n_out);
    int64_t sum = 0;
    bool fits = true;
    for (uint32_t k = 0; k < node->n_out; k++) {
        length[k] = split != NULL ? split[k] : equal_part(extent, node->n_out, k);
        fits = fits && length[k] >= 0 && dms_add_i64(sum, length[k], &sum);
    }
    if (!fits || sum != extent)
        return dms_node_fail(node, st, "the parts do not add up to %" PRId64 " elements", extent);
    return DMS_OK;
}

/* Room for the lengths of a node's parts. */
static dms_code split_lengths(dms_graph *graph, const dms_node *node, int64_t **out,
                              dms_status *st) {
    return dms_alloc_st(graph->arena, node->n_out, sizeof **out, "the parts of a Split", out, st);
}

/* Split(x): parts side by side along the axis, by lengths or in equal parts. x [6, 2] with
 * lengths 1 and 5: [1, 2] and [5, 2]. Heads of attention are often split this way, and cost
 * nothing. */
static dms_code split_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t axis = 0;
    int64_t *length = NULL, dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    DMS_TRY(split_lengths(graph, node, &length, st));
    DMS_TRY(split_read(graph, node, &axis, length, st));
    const dms_dtype dtype = x->dtype;
    const uint32_t rank = dms_ops_dims(x, dim);
    for (uint32_t k = 0; k < node->n_out; k++) {
        dim[axis] = length[k];
        DMS_TRY(dms_set_output(graph, node, k, dtype, rank, dim, st));
    }
    return DMS_OK;
}

/* Part k of the view of input 0. */
static dms_code split_part(dms_graph *graph, const dms_node *node, uint32_t k, dms_view *view,
                           dms_status *st) {
    uint32_t axis = 0;
    int64_t *length = NULL, first = 0;
    DMS_TRY(split_lengths(graph, node, &length, st));
    DMS_TRY(split_read(graph, node, &axis, length, st));
    for (uint32_t j = 0; j < k; j++)
        first += length[j];
    dms_view_narrow(view, axis, first, length[k], 1);
    return DMS_OK;
}

/* Every part is a view. */
static bool split_alias(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                        dms_view *out) {
    dms_status ignored;
    *out = *in;
    return split_part(graph, node, k, out, &ignored) == DMS_OK;
}

/* Copies, where there are too many parts to be views. */
static dms_code split_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_graph *graph = dms_lower_graph(lo);
    for (uint32_t k = 0; k < node->n_out; k++) {
        dms_lowered_operand part = dms_lower_operand(lo, node->in[0]);
        if (dms_out(graph, node, k) == NULL)
            continue;
        DMS_TRY(split_part(graph, node, k, &part.view, st));
        DMS_TRY(dms_lower_copy(lo, node, part, dms_lower_operand(lo, node->out[k]), st));
    }
    return DMS_OK;
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Slice", 1, 9, 1, 1, 1, slice_infer, slice_alias, slice_lower),
    DMS_OPS_ROW("Slice", 10, 0, 3, 5, 1, slice_infer, slice_alias, slice_lower),
    DMS_OPS_ROW("Split", 2, 12, 1, 1, DMS_ANY, split_infer, split_alias, split_lower),
    DMS_OPS_ROW("Split", 13, 0, 1, 2, DMS_ANY, split_infer, split_alias, split_lower),
};

DMS_OPS_FAMILY(slice);
