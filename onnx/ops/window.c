/* window.c - attributes of sliding windows, and the extents that follow from them.
 *
 *     begin |        in         | end          kernel 3, dilation 2: reach 5
 *       . . x x x x x x x x x x x . .          stride 3
 *       |-------|                              window 0
 *             |-------|                        window 1
 *                   |-------|                  window 2
 *
 *     windows     1 + floor((begin + in + end - reach) / stride), ceil where ceil_mode says so
 *     transposed  (in - 1) stride + reach + output_padding - begin - end
 *
 * All numbers are at most 31 bits, so that products and sums of two fit 64 without a check.
 */
#include "onnx/ops/window.h"
#include "onnx/graph.h"

#include <inttypes.h>
#include <string.h>

enum { PAD_NOTSET, PAD_VALID, PAD_SAME_UPPER, PAD_SAME_LOWER };
static const char *const pad_words[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};

/* n numbers of an attribute, each in [low, limit], behind `2 - n` leading ones equal to `pad`. */
static dms_code read_numbers(const dms_node *node, const char *name, uint32_t n, int64_t low,
                             int64_t otherwise, int64_t *out, dms_status *st) {
    const int64_t *value = NULL;
    const uint32_t given = dms_node_ints(node, name, &value);
    if (dms_node_attr(node, name) != NULL && given != n)
        return dms_node_fail(node, st,
                             "attribute '%s' has %" PRIu32 " numbers for %" PRIu32 " axes", name,
                             given, n);
    out[0] = otherwise; /* the height of a signal; overwritten where there are two axes */
    for (uint32_t k = 0; k < n; k++) {
        const int64_t v = value == NULL ? otherwise : value[k];
        if (v < low || v > DMS_WINDOW_LIMIT)
            return dms_node_fail(node, st, "attribute '%s' is %" PRId64 " for axis %" PRIu32, name,
                                 v, k);
        out[2 - n + k] = v;
    }
    return DMS_OK;
}

/* Attribute `pads`: all begins, then all ends. */
static dms_code read_pads(const dms_node *node, dms_window *w, dms_status *st) {
    const int64_t *value = NULL;
    const uint32_t given = dms_node_ints(node, "pads", &value);
    if (given != 0 && given != 2 * w->n)
        return dms_node_fail(
            node, st, "attribute 'pads' has %" PRIu32 " numbers for %" PRIu32 " axes", given, w->n);
    for (uint32_t k = 0; k < given; k++) {
        if (value[k] < 0 || value[k] > DMS_WINDOW_LIMIT)
            return dms_node_fail(node, st, "attribute 'pads' holds %" PRId64, value[k]);
        *(k < w->n ? &w->begin[2 - w->n + k] : &w->end[2 - w->n + k - w->n]) = value[k];
    }
    return DMS_OK;
}

/* What both kinds of window have: extents, kernel, strides, dilations, pads as given. */
static dms_code read_common(const dms_graph *graph, const dms_node *node, const int64_t *kernel,
                            dms_window *w, uint32_t *auto_pad, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    *w = (dms_window){.n = x->rank < 2 ? 0 : x->rank - 2, .in = {1, 1}, .kernel = {1, 1}};
    if (w->n < 1 || w->n > 2)
        return dms_node_fail(node, st,
                             "input '%s' has rank %" PRIu32 "; 1 or 2 spatial axes are supported",
                             x->name, x->rank);
    for (uint32_t k = 0; k < w->n; k++) {
        w->in[2 - w->n + k] = dms_extent(x, k + 2);
        if (dms_extent(x, k + 2) > DMS_WINDOW_LIMIT)
            return dms_node_fail(node, st, "input '%s' has %" PRId64 " along axis %" PRIu32,
                                 x->name, dms_extent(x, k + 2), k + 2);
    }
    DMS_TRY(read_numbers(node, "kernel_shape", w->n, 1, 1, w->kernel, st));
    if (kernel == NULL && dms_node_attr(node, "kernel_shape") == NULL)
        return dms_node_fail(node, st, "attribute 'kernel_shape' is missing");
    for (uint32_t k = 0; kernel != NULL && k < w->n; k++) {
        int64_t *own = &w->kernel[2 - w->n + k];
        if (dms_node_attr(node, "kernel_shape") != NULL && *own != kernel[k])
            return dms_node_fail(node, st,
                                 "attribute 'kernel_shape' has %" PRId64 ", the weight %" PRId64,
                                 *own, kernel[k]);
        if (kernel[k] < 1 || kernel[k] > DMS_WINDOW_LIMIT)
            return dms_node_fail(node, st, "the weight has %" PRId64 " along a spatial axis",
                                 kernel[k]);
        *own = kernel[k];
    }
    DMS_TRY(read_numbers(node, "strides", w->n, 1, 1, w->stride, st));
    DMS_TRY(read_numbers(node, "dilations", w->n, 1, 1, w->dilation, st));
    DMS_TRY(dms_ops_word(node, "auto_pad", pad_words, 4, auto_pad, st));
    return *auto_pad == PAD_NOTSET ? read_pads(node, w, st) : DMS_OK;
}

/* Elements a dilated kernel reaches over. */
static int64_t reach(const dms_window *w, uint32_t k) {
    return (w->kernel[k] - 1) * w->dilation[k] + 1;
}

/* SAME: as many windows as strides fit; what is missing is padded on both sides. */
static void pad_same(dms_window *w, uint32_t k, bool more_at_end) {
    const int64_t n = w->in[k] / w->stride[k] + (w->in[k] % w->stride[k] != 0);
    const int64_t need = (n - 1) * w->stride[k] + reach(w, k) - w->in[k];
    const int64_t total = n > 0 && need > 0 ? need : 0;
    w->begin[k] = more_at_end ? total / 2 : total - total / 2;
    w->end[k] = total - w->begin[k];
    w->out[k] = n;
}

/* Windows along axis k; ceil_mode adds one that hangs over, unless it starts in the end pad. */
static dms_code count_windows(const dms_node *node, dms_window *w, uint32_t k, dms_status *st) {
    const int64_t room = w->in[k] + w->begin[k] + w->end[k] - reach(w, k);
    if (room < 0)
        return dms_node_fail(node, st,
                             "a window of %" PRId64 " does not fit %" PRId64 " elements with pads",
                             reach(w, k), w->in[k]);
    const bool takes_rest = dms_node_int(node, "ceil_mode", 0) != 0 && room % w->stride[k] != 0;
    w->out[k] = room / w->stride[k] + 1 + takes_rest;
    if (takes_rest && (w->out[k] - 1) * w->stride[k] >= w->in[k] + w->begin[k])
        w->out[k]--;
    return DMS_OK;
}

dms_code dms_window_read(const dms_graph *graph, const dms_node *node, const int64_t *kernel,
                         dms_window *out, dms_status *st) {
    uint32_t auto_pad = 0;
    DMS_TRY(read_common(graph, node, kernel, out, &auto_pad, st));
    out->out[0] = 1;
    for (uint32_t k = 2 - out->n; k < 2; k++) {
        if (auto_pad == PAD_SAME_UPPER || auto_pad == PAD_SAME_LOWER)
            pad_same(out, k, auto_pad == PAD_SAME_UPPER);
        else
            DMS_TRY(count_windows(node, out, k, st));
    }
    return DMS_OK;
}

dms_code dms_window_read_transposed(const dms_graph *graph, const dms_node *node,
                                    const int64_t *kernel, dms_window *out, dms_status *st) {
    uint32_t auto_pad = 0;
    int64_t extra[2] = {0, 0}, shape[2] = {0, 0};
    DMS_TRY(read_common(graph, node, kernel, out, &auto_pad, st));
    DMS_TRY(read_numbers(node, "output_padding", out->n, 0, 0, extra, st));
    DMS_TRY(read_numbers(node, "output_shape", out->n, 0, 0, shape, st));
    const bool has_shape = dms_node_attr(node, "output_shape") != NULL;
    const bool is_same = auto_pad == PAD_SAME_UPPER || auto_pad == PAD_SAME_LOWER;
    out->out[0] = 1;
    for (uint32_t k = 2 - out->n; k < 2; k++) {
        const int64_t full = (out->in[k] - 1) * out->stride[k] + reach(out, k) + extra[k];
        out->out[k] = full - out->begin[k] - out->end[k];
        if (has_shape || is_same) {
            out->out[k] = has_shape ? shape[k] : out->in[k] * out->stride[k];
            const int64_t total = full > out->out[k] ? full - out->out[k] : 0;
            const int64_t half = total / 2; /* an odd element goes to the end for SAME_UPPER only */
            out->begin[k] = auto_pad == PAD_SAME_UPPER ? half : total - half;
            out->end[k] = total - out->begin[k];
        }
        /* An empty input would leave positions that no sum defines. */
        if (out->in[k] == 0 || out->out[k] < 0)
            return dms_node_fail(node, st, "its pads leave %" PRId64 " elements", out->out[k]);
    }
    return DMS_OK;
}

uint32_t dms_window_dims(const dms_window *window, int64_t a, int64_t b, const int64_t *extent,
                         int64_t *dim) {
    dim[0] = a;
    dim[1] = b;
    for (uint32_t k = 0; k < window->n; k++)
        dim[2 + k] = extent[2 - window->n + k];
    return 2 + window->n;
}

dms_code dms_window_operand(dms_lowering *lo, const dms_node *node, uint32_t tensor,
                            dms_lowered_operand *out, dms_status *st) {
    *out = dms_lower_operand(lo, tensor);
    if (out->view.rank == 4)
        return DMS_OK;
    const int64_t dim[4] = {out->view.dim[0], out->view.dim[1], 1, out->view.dim[2]};
    return dms_ops_view_as(node, out, 4, dim, st);
}
