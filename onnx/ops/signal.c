/* signal.c - HannWindow, HammingWindow, BlackmanWindow, DFT, STFT.
 *
 * Versions: DFT has its axis as an attribute in 17 (default 1), as an input from 20 on (default
 * -2).
 *
 *     window [n]     a - b cos(2 pi k / m) + c cos(4 pi k / m), m = n (periodic) or n - 1
 *     DFT            x [..., n, 1 or 2] along an axis: y [..., bins, 2]
 *     STFT           signal [batch, n, 1]: frames of `length` elements, `step` apart, each times
 *                    the window, each transformed: y [batch, frames, bins, 2]
 *
 * A transform is a product with a constant matrix of cosines and sines: exact to rounding for any
 * length, and in the order of sums that products have. Its size limits the length. Frames that
 * overlap are one view whose rows are `step` apart.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

#define F32 DMS_DTYPE_BIT(DMS_DTYPE_F32)

enum { MOST_WEIGHTS = 16 << 20 }; /* elements of a matrix */

/* ---- windows ------------------------------------------------------------------------------- */

/* Size of a window: a constant. */
static dms_code window_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t size = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_INDEX, st));
    DMS_TRY(dms_ops_int_value(graph, node, 0, &size, st));
    if (dms_node_int(node, "output_datatype", DMS_DTYPE_F32) != DMS_DTYPE_F32)
        return dms_node_fail(node, st, "attribute 'output_datatype' is %" PRId64 ", wants 1 (f32)",
                             dms_node_int(node, "output_datatype", 0));
    if (size < 0 || size > INT32_MAX)
        return dms_node_fail(node, st, "a window of %" PRId64 " elements", size);
    return dms_set_output(graph, node, 0, DMS_DTYPE_F32, 1, &size, st);
}

/* y = (base - first cos t) + second cos 2 t for t = 2 pi k / m. */
static dms_code emit_window(dms_lowering *lo, const dms_node *node, const double *factor,
                            dms_status *st) {
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    const int64_t n = y.view.dim[0], zero[2] = {0, 0};
    const int64_t m = dms_node_int(node, "periodic", 1) != 0 || n < 2 ? n : n - 1;
    dms_lowered_operand sum, part;
    DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, factor[0], 1, &n, &sum, st));
    for (int k = 1; k <= 2 && n > 0; k++) {
        const double f[2] = {0.0, k * 6.283185307179586 / (double)m};
        const double sign = k == 1 ? -factor[k] : factor[k];
        const bool is_last = k == 2 || factor[2] == 0.0;
        dms_lowered_operand angle, wave, weight;
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 1, &n, &angle, st));
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 1, &n, &wave, st));
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 1, &n, &part, st));
        DMS_TRY(dms_lower_call(lo, node, DMS_K_RANGE, 0, 1, &angle, 2, zero, 2, f, st));
        DMS_TRY(dms_ops_emit_unary(lo, node, DMS_FN_COS, 0.0, 0.0, &angle, &wave, st));
        DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, sign, 1, &n, &weight, st));
        DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_MUL, &wave, &weight, &part, st));
        dms_lowered_operand next = y;
        if (!is_last)
            DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 1, &n, &next, st));
        DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_ADD, &sum, &part, &next, st));
        sum = next;
        if (is_last)
            break;
    }
    return DMS_OK;
}

/* HannWindow, HammingWindow, BlackmanWindow(size). */
static dms_code window_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    static const double hann[3] = {0.5, 0.5, 0.0}, blackman[3] = {0.42, 0.5, 0.08};
    static const double hamming[3] = {25.0 / 46.0, 21.0 / 46.0, 0.0};
    const bool is_hann = strcmp(node->op, "HannWindow") == 0;
    return emit_window(lo, node,
                       is_hann                                  ? hann
                       : strcmp(node->op, "HammingWindow") == 0 ? hamming
                                                                : blackman,
                       st);
}

/* ---- transforms ---------------------------------------------------------------------------- */

/* A transform of `n` points: `used` of them are there, the others are zero; of `bins` results. */
typedef struct transform {
    int64_t n, used, bins;
    uint32_t parts; /* of an element: 1 real, 2 complex */
    bool is_inverse;
} transform;

/* cos and sin of at / n turns; quarters are exact. */
static void on_circle(int64_t at, int64_t n, double *re, double *im) {
    static const double quarter[5] = {1.0, 0.0, -1.0, 0.0, 1.0};
    const double angle = (double)at / (double)n * 6.283185307179586;
    const bool is_quarter = 4 * at % n == 0; /* at < n < 2^31 */
    *re = is_quarter ? quarter[4 * at / n] : cos(angle);
    *im = is_quarter ? -quarter[4 * at / n + 1] : sin(angle);
}

/* The matrix [used x parts, bins x 2] as a constant. The angle of a product of indices is reduced
 * as an integer, so that every entry is right to rounding. */
static dms_code emit_matrix(dms_lowering *lo, const transform *t, dms_lowered_operand *out,
                            dms_status *st) {
    const int64_t dim[2] = {t->used * t->parts, t->bins * 2};
    float *entry = DMS_NEW(dms_lower_graph(lo)->arena, float, (uint64_t)(dim[0] * dim[1]) + 1);
    if (entry == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a transform");
    const double scale = t->is_inverse ? 1.0 / (double)t->n : 1.0;
    for (int64_t k = 0; k < t->used; k++)
        for (int64_t j = 0; j < t->bins; j++) {
            double re, im;
            on_circle(k * j % t->n, t->n, &re, &im);
            re *= scale;
            im *= t->is_inverse ? scale : -scale;
            float *row = entry + k * t->parts * dim[1] + 2 * j;
            row[0] = (float)re;
            row[1] = (float)im;
            if (t->parts == 2) { /* i times (re + i im) */
                row[dim[1]] = (float)-im;
                row[dim[1] + 1] = (float)re;
            }
        }
    return dms_lower_constant(lo, DMS_DTYPE_F32, 2, dim, entry, out, st);
}

/* Bins of a transform, and whether its matrix is small enough. */
static dms_code finish_transform(const dms_node *node, transform *t, dms_status *st) {
    const bool is_onesided = dms_node_int(node, "onesided", 0) != 0;
    if (t->n < 1 || t->n > INT32_MAX)
        return dms_node_fail(node, st, "a transform of %" PRId64 " points", t->n);
    if (is_onesided && (t->parts == 2 || t->is_inverse))
        return dms_node_fail(node, st, "one side of a complex or an inverse transform");
    t->bins = is_onesided ? t->n / 2 + 1 : t->n;
    if (t->used * t->parts > MOST_WEIGHTS / (2 * t->bins))
        return dms_node_fail(node, st,
                             "a transform of %" PRId64 " points to %" PRId64
                             " is a matrix of more than %d elements",
                             t->used, t->bins, MOST_WEIGHTS);
    return DMS_OK;
}

/* The constant value of input k, or a default where it is absent. */
static dms_code value_or(dms_graph *graph, const dms_node *node, uint32_t k, int64_t otherwise,
                         int64_t *out, dms_status *st) {
    *out = otherwise;
    return dms_in(graph, node, k) == NULL ? DMS_OK : dms_ops_int_value(graph, node, k, out, st);
}

/* ---- DFT ----------------------------------------------------------------------------------- */

static dms_code read_dft(dms_graph *graph, const dms_node *node, transform *t, uint32_t *axis,
                         dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    const uint32_t rank = x->rank;
    const int64_t parts = dms_extent(x, rank - 1);
    int64_t at = 0;
    if (node->version >= 20)
        DMS_TRY(value_or(graph, node, 2, -2, &at, st));
    else
        at = dms_node_int(node, "axis", 1);
    DMS_TRY(dms_axis(node, at, rank, axis, st));
    if ((parts != 1 && parts != 2) || *axis == rank - 1)
        return dms_node_fail(node, st,
                             "input '%s' has elements of %" PRId64 " numbers, axis %" PRIu32,
                             dms_in(graph, node, 0)->name, parts, *axis);
    const int64_t extent = dms_extent(dms_in(graph, node, 0), *axis);
    *t = (transform){.parts = (uint32_t)parts, .is_inverse = dms_node_int(node, "inverse", 0) != 0};
    DMS_TRY(value_or(graph, node, 1, extent, &t->n, st));
    t->used = extent < t->n ? extent : t->n;
    return finish_transform(node, t, st);
}

/* DFT(x, length, axis): sums of x times exp(-2 pi i k j / n); inverse: with + and over n. */
static dms_code dft_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    uint32_t axis = 0;
    transform t;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, F32, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 2, DMS_MAX_RANK, st));
    DMS_TRY(read_dft(graph, node, &t, &axis, st));
    const uint32_t rank = dms_ops_dims(dms_in(graph, node, 0), dim);
    dim[axis] = t.bins;
    dim[rank - 1] = 2;
    return dms_set_output(graph, node, 0, DMS_DTYPE_F32, rank, dim, st);
}

/* Axis `axis` goes behind all others but the last. */
static void axis_before_last(dms_view *view, uint32_t axis) {
    uint32_t order[DMS_MAX_RANK], n = 0;
    for (uint32_t k = 0; k + 1 < view->rank; k++)
        if (k != axis)
            order[n++] = k;
    order[n++] = axis;
    order[n] = view->rank - 1;
    const dms_view in_memory = *view;
    dms_view_permute(&in_memory, order, view);
}

/* The elements of a view as a dense matrix of `rows`: the view itself, or a copy. */
static dms_code as_matrix(dms_lowering *lo, const dms_node *node, dms_lowered_operand *x,
                          int64_t rows, int64_t columns, dms_status *st) {
    const int64_t dim[2] = {rows, columns};
    dms_view view;
    if (dms_view_reshape(&x->view, 2, dim, &view)) {
        x->view = view;
        return DMS_OK;
    }
    const dms_lowered_operand strided = *x;
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, x->view.rank, x->view.dim, x, st));
    DMS_TRY(dms_lower_copy(lo, node, strided, *x, st));
    return dms_ops_view_as(node, x, 2, dim, st);
}

/* One DMS_K_MATMUL; copies where the axis is not the last but one. */
static dms_code dft_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    uint32_t axis = 0;
    transform t;
    DMS_TRY(read_dft(dms_lower_graph(lo), node, &t, &axis, st));
    dms_lowered_operand operand[3] = {dms_lower_operand(lo, node->in[0])};
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    dms_view *x = &operand[0].view;
    dms_view_narrow(x, axis, 0, t.used, 1);
    axis_before_last(x, axis);
    int64_t rows = 1, wide[DMS_MAX_RANK];
    for (uint32_t k = 0; k + 2 < x->rank; k++)
        rows *= wide[k] = x->dim[k];
    const uint32_t rank = x->rank;
    wide[rank - 2] = t.bins;
    wide[rank - 1] = 2;
    DMS_TRY(as_matrix(lo, node, &operand[0], rows, t.used * t.parts, st));
    DMS_TRY(emit_matrix(lo, &t, &operand[1], st));
    dms_lowered_operand result = y;
    const bool is_direct = axis + 2 == rank;
    if (!is_direct)
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, rank, wide, &result, st));
    operand[2] = result;
    const int64_t matrix[2] = {rows, t.bins * 2};
    DMS_TRY(dms_ops_view_as(node, &operand[2], 2, matrix, st));
    DMS_TRY(dms_product_emit(lo, node, operand, st));
    if (is_direct)
        return DMS_OK;
    dms_lowered_operand turned = y;
    axis_before_last(&turned.view, axis);
    return dms_lower_copy(lo, node, result, turned, st);
}

/* ---- STFT ---------------------------------------------------------------------------------- */

enum { SIGNAL, STEP, WINDOW, LENGTH };

/* Frames that fit, and the transform of one. */
static dms_code read_stft(dms_graph *graph, const dms_node *node, transform *t, int64_t *step,
                          int64_t *frames, dms_status *st) {
    const dms_tensor *signal = dms_in(graph, node, SIGNAL);
    const int64_t extent = dms_extent(signal, 1);
    const int64_t parts = signal->rank == 3 ? dms_extent(signal, 2) : 1;
    int64_t length = 0;
    DMS_TRY(dms_ops_int_value(graph, node, STEP, step, st));
    const dms_tensor *window = dms_in(graph, node, WINDOW);
    DMS_TRY(value_or(graph, node, LENGTH, window == NULL ? 0 : dms_extent(window, 0), &length, st));
    DMS_TRY(dms_ops_want_vector(graph, node, WINDOW, length, "elements of a frame", st));
    if (parts != 1)
        return dms_node_fail(node, st, "a complex signal");
    if (*step < 1 || length < 1 || length > extent)
        return dms_node_fail(node, st,
                             "frames of %" PRId64 " elements every %" PRId64 " of %" PRId64, length,
                             *step, extent);
    *frames = (extent - length) / *step + 1;
    *t = (transform){.n = length, .used = length, .parts = 1};
    const bool is_onesided = dms_node_int(node, "onesided", 1) != 0;
    DMS_TRY(finish_transform(node, t, st));
    t->bins = is_onesided ? length / 2 + 1 : length; /* the default differs from that of DFT */
    return DMS_OK;
}

/* STFT(signal, step, window, length): y [batch, frames, bins, 2]. */
static dms_code stft_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t step = 0, frames = 0;
    transform t;
    DMS_TRY(dms_ops_want_dtype(graph, node, SIGNAL, F32, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, WINDOW, F32, st));
    DMS_TRY(dms_ops_want_rank(graph, node, SIGNAL, 2, 3, st));
    DMS_TRY(dms_ops_want_rank(graph, node, WINDOW, 1, 1, st));
    DMS_TRY(read_stft(graph, node, &t, &step, &frames, st));
    const int64_t dim[4] = {dms_extent(dms_in(graph, node, SIGNAL), 0), frames, t.bins, 2};
    return dms_set_output(graph, node, 0, DMS_DTYPE_F32, 4, dim, st);
}

/* Frames are a view; times the window, then one DMS_K_MATMUL. */
static dms_code stft_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    int64_t step = 0, frames = 0;
    transform t;
    DMS_TRY(read_stft(dms_lower_graph(lo), node, &t, &step, &frames, st));
    dms_lowered_operand x = dms_lower_operand(lo, node->in[SIGNAL]), window, framed;
    dms_lowered_operand operand[3];
    const int64_t batch = x.view.dim[0], dim[3] = {batch, frames, t.n};
    dms_view view = {.dtype = DMS_DTYPE_F32, .rank = 3, .offset = x.view.offset};
    memcpy(view.dim, dim, sizeof dim);
    view.pitch[0] = x.view.pitch[0];
    view.pitch[1] = x.view.pitch[1] * step;
    view.pitch[2] = x.view.pitch[1];
    x.view = view;
    framed = x;
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 3, dim, &framed, st));
    if (dms_in(dms_lower_graph(lo), node, WINDOW) != NULL) {
        DMS_TRY(dms_ops_expanded(lo, node, node->in[WINDOW], 3, dim, &window, st));
        DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_MUL, &x, &window, &framed, st));
    } else {
        DMS_TRY(dms_lower_copy(lo, node, x, framed, st));
    }
    const int64_t rows[2] = {batch * frames, t.n}, result[2] = {batch * frames, t.bins * 2};
    operand[0] = framed;
    operand[2] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_view_as(node, &operand[0], 2, rows, st));
    DMS_TRY(dms_ops_view_as(node, &operand[2], 2, result, st));
    DMS_TRY(emit_matrix(lo, &t, &operand[1], st));
    return dms_product_emit(lo, node, operand, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("HannWindow", 17, 0, 1, 1, 1, window_infer, NULL, window_lower),
    DMS_OPS_ROW("HammingWindow", 17, 0, 1, 1, 1, window_infer, NULL, window_lower),
    DMS_OPS_ROW("BlackmanWindow", 17, 0, 1, 1, 1, window_infer, NULL, window_lower),
    DMS_OPS_ROW("DFT", 17, 19, 1, 2, 1, dft_infer, NULL, dft_lower),
    DMS_OPS_ROW("DFT", 20, 0, 1, 3, 1, dft_infer, NULL, dft_lower),
    DMS_OPS_ROW("STFT", 17, 0, 2, 4, 1, stft_infer, NULL, stft_lower),
};

DMS_OPS_FAMILY(signal);
