/* integer.c - MatMulInteger, QLinearMatMul, ConvInteger, QLinearConv: sums of products of bytes.
 *
 * Versions: QLinearMatMul-21 has scales of f16 and bf16.
 *
 *     a u8 - zero --DEQUANTIZE by 1--> f32 --+
 *                                            MATMUL or CONV over 256 terms --CAST--> i32 --ADD--> y
 *     b i8 - zero --DEQUANTIZE by 1--> f32 --+
 *
 * A difference of bytes is at most 255, so a sum of 256 products stays below 2^24 and every partial
 * sum is exact in f32: the fast kernels compute integers. Longer sums are cut into pieces of 256
 * terms, which are added in i32. The QLinear forms go on with y = quantize(sum scale_a scale_b).
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "onnx/ops/window.h"

#define BYTES (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8))
#define SCALES (DMS_OPS_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))
#define I32 DMS_DTYPE_BIT(DMS_DTYPE_I32)

enum { EXACT_TERMS = 256, NONE = UINT32_MAX };

/* Where a node has its operands; NONE where its kind has no such. */
typedef struct places {
    uint32_t a, scale_a, zero_a, b, scale_b, zero_b, scale_y, zero_y, bias;
} places;

static const places integer_places = {0, NONE, 2, 1, NONE, 3, NONE, NONE, NONE};
static const places matmul_places = {0, 1, 2, 3, 4, 5, 6, 7, NONE};
static const places conv_places = {0, 1, 2, 3, 4, 5, 6, 7, 8};

/* ---- operands ------------------------------------------------------------------------------ */

/* A scalar, a vector along `axis`, or anything that broadcasts, under `rank` axes. */
static dms_code shaped(dms_lowering *lo, const dms_node *node, uint32_t k, uint32_t rank,
                       uint32_t axis, dms_lowered_operand *out, dms_status *st) {
    const dms_tensor *t = dms_in(dms_lower_graph(lo), node, k);
    const int64_t count = dms_ops_count(t, 0, t->rank);
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t j = 0; j < rank; j++)
        dim[j] = 1;
    if (t->rank == 1 && rank > 0)
        dim[axis] = count;
    else
        for (uint32_t j = 0; j < t->rank && t->rank <= rank; j++)
            dim[rank - t->rank + j] = dms_extent(t, j);
    return dms_ops_reshaped(lo, node, node->in[k], rank, dim, out, st);
}

/* Repeats an operand to the dims of another. */
static dms_code repeat(const dms_node *node, const dms_view *like, dms_lowered_operand *operand,
                       dms_status *st) {
    const dms_view once = operand->view;
    if (!dms_view_expand(&once, like->rank, like->dim, &operand->view))
        return dms_node_fail(node, st, "a scale or zero does not fit its operand");
    return DMS_OK;
}

/* Input k - zero, exactly, as f32. A vector of zeros lies along `axis`. */
static dms_code emit_difference(dms_lowering *lo, const dms_node *node, uint32_t k, uint32_t zero,
                                uint32_t axis, dms_lowered_operand *out, dms_status *st) {
    const bool has_zero = dms_in(dms_lower_graph(lo), node, zero) != NULL;
    const uint32_t n_in = has_zero ? 3 : 2;
    dms_lowered_operand operand[4] = {dms_lower_operand(lo, node->in[k])};
    const dms_view *x = &operand[0].view;
    DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, 1.0, x->rank, x->dim, &operand[1], st));
    if (has_zero) {
        DMS_TRY(shaped(lo, node, zero, x->rank, axis, &operand[2], st));
        DMS_TRY(repeat(node, x, &operand[2], st));
    }
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, x->rank, x->dim, out, st));
    operand[n_in] = *out;
    return dms_lower_call(lo, node, DMS_K_DEQUANTIZE, n_in, 1, operand, 0, NULL, 0, NULL, st);
}

/* A scale as f32. */
static dms_code emit_scale(dms_lowering *lo, const dms_node *node, uint32_t k, uint32_t rank,
                           uint32_t axis, dms_lowered_operand *out, dms_status *st) {
    const int64_t saturate[1] = {1};
    dms_lowered_operand cast[2];
    DMS_TRY(shaped(lo, node, k, rank, axis, &cast[0], st));
    *out = cast[0];
    if (out->view.dtype == DMS_DTYPE_F32)
        return DMS_OK;
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, rank, cast[0].view.dim, &cast[1], st));
    *out = cast[1];
    return dms_lower_call(lo, node, DMS_K_CAST, 1, 1, cast, 1, saturate, 0, NULL, st);
}

/* ---- sums of pieces ------------------------------------------------------------------------ */

/* The i32 sum of pieces that are computed one after another into f32. */
typedef struct pieces {
    dms_lowered_operand y, sum; /* the result; what has been added up so far */
    int64_t n, done;
} pieces;

/* Adds a piece; the last one ends in y. */
static dms_code add_piece(dms_lowering *lo, const dms_node *node, pieces *p,
                          const dms_lowered_operand *piece, dms_status *st) {
    const int64_t saturate[1] = {1};
    const dms_view *y = &p->y.view;
    const bool is_first = p->done == 0, is_last = ++p->done == p->n;
    dms_lowered_operand cast[2] = {*piece, p->y}, total = p->y;
    if (!is_first || !is_last)
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_I32, y->rank, y->dim, &cast[1], st));
    DMS_TRY(dms_lower_call(lo, node, DMS_K_CAST, 1, 1, cast, 1, saturate, 0, NULL, st));
    if (is_first) {
        p->sum = cast[1];
        return DMS_OK;
    }
    if (!is_last)
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_I32, y->rank, y->dim, &total, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_ADD, &p->sum, &cast[1], &total, st));
    p->sum = total;
    return DMS_OK;
}

/* y = a b for factors that hold integers: MATMUL over 256 columns of a at a time. */
static dms_code emit_matmul(dms_lowering *lo, const dms_node *node, const dms_lowered_operand *a,
                            const dms_lowered_operand *b, const dms_lowered_operand *y,
                            dms_status *st) {
    const uint32_t axis_a = a->view.rank - 1, axis_b = b->view.rank == 1 ? 0 : b->view.rank - 2;
    const int64_t terms = a->view.dim[axis_a];
    pieces p = {.y = *y, .n = (terms + EXACT_TERMS - 1) / EXACT_TERMS};
    if (terms == 0)
        return dms_ops_fill(lo, node, 0, y, st);
    for (int64_t k = 0; k < terms; k += EXACT_TERMS) {
        const int64_t n = terms - k < EXACT_TERMS ? terms - k : EXACT_TERMS;
        dms_lowered_operand operand[3] = {*a, *b};
        dms_view_narrow(&operand[0].view, axis_a, k, n, 1);
        dms_view_narrow(&operand[1].view, axis_b, k, n, 1);
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, y->view.rank, y->view.dim, &operand[2], st));
        DMS_TRY(dms_product_emit(lo, node, operand, st));
        DMS_TRY(add_piece(lo, node, &p, &operand[2], st));
    }
    return DMS_OK;
}

/* Channels per piece; 0 where a group's sums are too long and cannot be cut. */
static int64_t channels_of_piece(const dms_window *w, int64_t group, int64_t channels) {
    const int64_t taps = w->kernel[0] * w->kernel[1];
    const int64_t fit = taps > EXACT_TERMS ? 0 : EXACT_TERMS / (taps == 0 ? 1 : taps);
    return fit >= channels ? channels : group == 1 ? fit : 0;
}

/* y = x convolved with w, both holding integers, some channels at a time. */
static dms_code emit_conv(dms_lowering *lo, const dms_node *node, const dms_window *w,
                          const dms_lowered_operand *x, const dms_lowered_operand *weight,
                          const dms_lowered_operand *y, dms_status *st) {
    const int64_t group = dms_node_int(node, "group", 1), channels = weight->view.dim[1];
    const int64_t step = channels_of_piece(w, group, channels);
    const int64_t i[7] = {group,          w->stride[0], w->stride[1], w->dilation[0],
                          w->dilation[1], w->begin[0],  w->begin[1]};
    if (channels == 0)
        return dms_ops_fill(lo, node, 0, y, st);
    pieces p = {.y = *y, .n = (channels + step - 1) / step};
    for (int64_t c = 0; c < channels; c += step) {
        const int64_t n = channels - c < step ? channels - c : step;
        dms_lowered_operand operand[3] = {*x, *weight};
        if (group == 1)
            dms_view_narrow(&operand[0].view, 1, c, n, 1);
        dms_view_narrow(&operand[1].view, 1, c, n, 1);
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 4, y->view.dim, &operand[2], st));
        DMS_TRY(dms_lower_call(lo, node, DMS_K_CONV, 2, 1, operand, 7, i, 0, NULL, st));
        DMS_TRY(add_piece(lo, node, &p, &operand[2], st));
    }
    return DMS_OK;
}

/* y = quantize(sum scale_a scale_b): the product of the scales first, as ONNX Runtime has it. */
static dms_code emit_requantize(dms_lowering *lo, const dms_node *node, const places *at,
                                uint32_t axis_a, uint32_t axis_b, const dms_lowered_operand *sum,
                                const dms_lowered_operand *y, dms_status *st) {
    const uint32_t rank = sum->view.rank;
    int64_t dim[DMS_MAX_RANK];
    dms_lowered_operand scale[3], wide[3], narrow[4];
    DMS_TRY(emit_scale(lo, node, at->scale_a, rank, axis_a, &scale[0], st));
    DMS_TRY(emit_scale(lo, node, at->scale_b, rank, axis_b, &scale[1], st));
    for (uint32_t k = 0; k < rank; k++)
        dim[k] = scale[0].view.dim[k] == 1 ? scale[1].view.dim[k] : scale[0].view.dim[k];
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, rank, dim, &scale[2], st));
    DMS_TRY(repeat(node, &scale[2].view, &scale[0], st));
    DMS_TRY(repeat(node, &scale[2].view, &scale[1], st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_MUL, &scale[0], &scale[1], &scale[2], st));
    wide[0] = *sum;
    wide[1] = scale[2];
    DMS_TRY(repeat(node, &sum->view, &wide[1], st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, rank, sum->view.dim, &wide[2], st));
    DMS_TRY(dms_lower_call(lo, node, DMS_K_DEQUANTIZE, 2, 1, wide, 0, NULL, 0, NULL, st));
    narrow[0] = wide[2];
    DMS_TRY(emit_scale(lo, node, at->scale_y, rank, axis_a, &narrow[1], st));
    DMS_TRY(shaped(lo, node, at->zero_y, rank, axis_a, &narrow[2], st));
    DMS_TRY(repeat(node, &sum->view, &narrow[1], st));
    DMS_TRY(repeat(node, &sum->view, &narrow[2], st));
    narrow[3] = *y;
    return dms_lower_call(lo, node, DMS_K_QUANTIZE, 3, 1, narrow, 0, NULL, 0, NULL, st);
}

/* ---- checks -------------------------------------------------------------------------------- */

/* A zero or scale is a scalar, a vector of `n` entries, or broadcasts by its own shape. */
static dms_code check_small(const dms_graph *graph, const dms_node *node, uint32_t k, int64_t n,
                            dms_status *st) {
    const dms_tensor *t = k == NONE ? NULL : dms_in(graph, node, k);
    if (t == NULL || dms_ops_count(t, 0, t->rank) == 1 || t->rank != 1 || dms_extent(t, 0) == n)
        return DMS_OK;
    return dms_node_fail(node, st, "input '%s' has %" PRId64 " elements, wants 1 or %" PRId64,
                         t->name, dms_extent(t, 0), n);
}

/* Bytes, their zeros of the same type, scales of floats, the bias i32. */
static dms_code check_types(const dms_graph *graph, const dms_node *node, const places *at,
                            dms_status *st) {
    const uint32_t scale[3] = {at->scale_a, at->scale_b, at->scale_y};
    DMS_TRY(dms_ops_want_dtype(graph, node, at->a, BYTES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, at->b, BYTES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, at->zero_a,
                               DMS_DTYPE_BIT(dms_in(graph, node, at->a)->dtype), st));
    DMS_TRY(dms_ops_want_dtype(graph, node, at->zero_b,
                               DMS_DTYPE_BIT(dms_in(graph, node, at->b)->dtype), st));
    if (at->zero_y != NONE)
        DMS_TRY(dms_ops_want_dtype(graph, node, at->zero_y, BYTES, st));
    if (at->bias != NONE)
        DMS_TRY(dms_ops_want_dtype(graph, node, at->bias, I32, st));
    for (uint32_t k = 0; k < 3 && at->scale_a != NONE; k++)
        DMS_TRY(dms_ops_want_dtype(graph, node, scale[k], SCALES, st));
    return DMS_OK;
}

/* The dtype of the result: i32, or that of its zero. */
static dms_dtype result_dtype(const dms_graph *graph, const dms_node *node, const places *at) {
    return at->zero_y == NONE ? DMS_DTYPE_I32 : dms_in(graph, node, at->zero_y)->dtype;
}

/* ---- MatMulInteger, QLinearMatMul ---------------------------------------------------------- */

static dms_code matmul_infer(dms_graph *graph, dms_node *node, const places *at, dms_status *st) {
    DMS_TRY(check_types(graph, node, at, st));
    DMS_TRY(dms_ops_want_rank(graph, node, at->a, 1, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_want_rank(graph, node, at->b, 1, DMS_MAX_RANK, st));
    const dms_tensor *a = dms_in(graph, node, at->a), *b = dms_in(graph, node, at->b);
    const int64_t rows = a->rank < 2 ? 1 : dms_extent(a, a->rank - 2);
    const int64_t columns = b->rank < 2 ? 1 : dms_extent(b, b->rank - 1);
    DMS_TRY(check_small(graph, node, at->zero_a, rows, st));
    DMS_TRY(check_small(graph, node, at->scale_a, rows, st));
    DMS_TRY(check_small(graph, node, at->zero_b, columns, st));
    DMS_TRY(check_small(graph, node, at->scale_b, columns, st));
    DMS_TRY(check_small(graph, node, at->scale_y, rows, st));
    DMS_TRY(check_small(graph, node, at->zero_y, rows, st));
    return dms_product_infer(graph, node, at->a, at->b, result_dtype(graph, node, at), st);
}

static dms_code matmul_lower(dms_lowering *lo, const dms_node *node, const places *at,
                             dms_status *st) {
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    const dms_view *view = &y.view;
    const uint32_t rank_a = dms_in(dms_lower_graph(lo), node, at->a)->rank;
    const uint32_t rank_b = dms_in(dms_lower_graph(lo), node, at->b)->rank;
    dms_lowered_operand a, b, sum = y;
    DMS_TRY(emit_difference(lo, node, at->a, at->zero_a, rank_a < 2 ? 0 : rank_a - 2, &a, st));
    DMS_TRY(emit_difference(lo, node, at->b, at->zero_b, rank_b - 1, &b, st));
    if (at->zero_y != NONE)
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_I32, view->rank, view->dim, &sum, st));
    DMS_TRY(emit_matmul(lo, node, &a, &b, &sum, st));
    if (at->zero_y == NONE)
        return DMS_OK;
    return emit_requantize(lo, node, at, view->rank < 2 ? 0 : view->rank - 2,
                           view->rank == 0 ? 0 : view->rank - 1, &sum, &y, st);
}

/* MatMulInteger(a, b, zero_a, zero_b): the product of a - zero_a and b - zero_b, in i32. */
static dms_code matmul_integer_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return matmul_infer(graph, node, &integer_places, st);
}

/* Differences, products of 256 columns each, casts and sums. */
static dms_code matmul_integer_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return matmul_lower(lo, node, &integer_places, st);
}

/* QLinearMatMul: the same, quantised again. */
static dms_code qlinear_matmul_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return matmul_infer(graph, node, &matmul_places, st);
}

/* As MatMulInteger, then DMS_K_DEQUANTIZE and DMS_K_QUANTIZE. */
static dms_code qlinear_matmul_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return matmul_lower(lo, node, &matmul_places, st);
}

/* ---- ConvInteger, QLinearConv -------------------------------------------------------------- */

/* Reads the window; refuses groups whose sums are too long to be exact. */
static dms_code read_window(const dms_graph *graph, const dms_node *node, const places *at,
                            dms_window *out, dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    (void)dms_ops_dims(dms_in(graph, node, at->b), dim);
    DMS_TRY(dms_window_read(graph, node, dim + 2, out, st));
    const int64_t group = dms_node_int(node, "group", 1);
    if (dim[1] > 0 && channels_of_piece(out, group, dim[1]) == 0)
        return dms_node_fail(node, st,
                             "a window of %" PRId64 " x %" PRId64 " over %" PRId64
                             " channels per group: sums of bytes have at most %d terms",
                             out->kernel[0], out->kernel[1], dim[1], EXACT_TERMS);
    return DMS_OK;
}

static dms_code conv_infer(dms_graph *graph, dms_node *node, const places *at, dms_status *st) {
    int64_t group = 0, dim[DMS_MAX_RANK], wanted = 0;
    dms_window window;
    DMS_TRY(check_types(graph, node, at, st));
    DMS_TRY(dms_ops_want_rank(graph, node, at->a, 3, 4, st));
    const dms_tensor *x = dms_in(graph, node, at->a), *w = dms_in(graph, node, at->b);
    DMS_TRY(dms_ops_want_rank(graph, node, at->b, x->rank, x->rank, st));
    DMS_TRY(dms_ops_int_in(node, "group", 1, 1, DMS_WINDOW_LIMIT, &group, st));
    const int64_t filters = dms_extent(w, 0);
    if (__builtin_mul_overflow(dms_extent(w, 1), group, &wanted) || dms_extent(x, 1) != wanted ||
        filters % group != 0)
        return dms_node_fail(node, st,
                             "input '%s' has %" PRId64 " channels in %" PRId64 " groups, weight "
                             "'%s' has %" PRId64 " filters of %" PRId64,
                             x->name, dms_extent(x, 1), group, w->name, filters, dms_extent(w, 1));
    DMS_TRY(check_small(graph, node, at->zero_a, 1, st));
    DMS_TRY(check_small(graph, node, at->scale_a, 1, st));
    DMS_TRY(check_small(graph, node, at->zero_b, filters, st));
    DMS_TRY(check_small(graph, node, at->scale_b, filters, st));
    DMS_TRY(check_small(graph, node, at->scale_y, 1, st));
    DMS_TRY(check_small(graph, node, at->zero_y, 1, st));
    if (at->bias != NONE)
        DMS_TRY(dms_ops_want_vector(graph, node, at->bias, filters, "output channels", st));
    DMS_TRY(read_window(graph, node, at, &window, st));
    const uint32_t rank = dms_window_dims(&window, dms_extent(x, 0), filters, window.out, dim);
    return dms_set_output(graph, node, 0, result_dtype(graph, node, at), rank, dim, st);
}

/* An operand as [dim 0, dim 1, height, width]: signals get a height of 1. */
static dms_code as_picture(const dms_node *node, dms_lowered_operand *operand, dms_status *st) {
    const dms_view *v = &operand->view;
    const bool is_signal = v->rank == 3;
    const int64_t dim[4] = {v->dim[0], v->dim[1], is_signal ? 1 : v->dim[2],
                            is_signal ? v->dim[2] : v->dim[3]};
    return dms_ops_view_as(node, operand, 4, dim, st);
}

/* sum += bias, one per filter. */
static dms_code emit_bias(dms_lowering *lo, const dms_node *node, const places *at,
                          dms_lowered_operand *sum, dms_status *st) {
    dms_lowered_operand bias, total;
    if (at->bias == NONE || dms_in(dms_lower_graph(lo), node, at->bias) == NULL)
        return DMS_OK;
    DMS_TRY(shaped(lo, node, at->bias, 4, 1, &bias, st));
    DMS_TRY(repeat(node, &sum->view, &bias, st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_I32, 4, sum->view.dim, &total, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_ADD, sum, &bias, &total, st));
    *sum = total;
    return DMS_OK;
}

static dms_code conv_lower(dms_lowering *lo, const dms_node *node, const places *at,
                           dms_status *st) {
    dms_window window;
    DMS_TRY(read_window(dms_lower_graph(lo), node, at, &window, st));
    dms_lowered_operand x, w, y = dms_lower_operand(lo, node->out[0]), sum;
    DMS_TRY(emit_difference(lo, node, at->a, at->zero_a, 1, &x, st));
    DMS_TRY(emit_difference(lo, node, at->b, at->zero_b, 0, &w, st));
    DMS_TRY(as_picture(node, &x, st));
    DMS_TRY(as_picture(node, &w, st));
    DMS_TRY(as_picture(node, &y, st));
    sum = y;
    if (at->zero_y != NONE)
        DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_I32, 4, y.view.dim, &sum, st));
    DMS_TRY(emit_conv(lo, node, &window, &x, &w, &sum, st));
    if (at->zero_y == NONE)
        return DMS_OK;
    DMS_TRY(emit_bias(lo, node, at, &sum, st));
    return emit_requantize(lo, node, at, 1, 1, &sum, &y, st);
}

/* ConvInteger(x, w, zero_x, zero_w): Conv of x - zero_x and w - zero_w, in i32. What lies outside x
 * counts as zero_x. */
static dms_code conv_integer_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return conv_infer(graph, node, &integer_places, st);
}

/* Differences, convolutions of some channels each, casts and sums. */
static dms_code conv_integer_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return conv_lower(lo, node, &integer_places, st);
}

/* QLinearConv: the same, a bias in units of the sum, quantised again. */
static dms_code qlinear_conv_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return conv_infer(graph, node, &conv_places, st);
}

/* As ConvInteger, then the bias, DMS_K_DEQUANTIZE and DMS_K_QUANTIZE. */
static dms_code qlinear_conv_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return conv_lower(lo, node, &conv_places, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("MatMulInteger", 10, 0, 2, 4, 1, matmul_integer_infer, NULL, matmul_integer_lower),
    DMS_OPS_ROW("QLinearMatMul", 10, 0, 8, 8, 1, qlinear_matmul_infer, NULL, qlinear_matmul_lower),
    DMS_OPS_ROW("ConvInteger", 10, 0, 2, 4, 1, conv_integer_infer, NULL, conv_integer_lower),
    DMS_OPS_ROW("QLinearConv", 10, 0, 8, 9, 1, qlinear_conv_infer, NULL, qlinear_conv_lower),
};

DMS_OPS_FAMILY(integer);
