/* quantize.c - QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
 *
 * Versions: 13 adds `axis` (one scale per channel), 19 has scales of f16 and bf16, 21 adds blocks,
 * 16-bit integers and `output_dtype`. Types of 4 bits and floats of 8 are not supported. dms.Lookup
 * is what a function between two of them becomes (rewrite_quantised.c).
 *
 *     x [2, 6, h, w]   scale []           one for all
 *                      scale [6]          one per channel: [1, 6, 1, 1], repeated
 *                      scale [2, 3, h, w] blocks of 2 channels: x [2, 3, 2, h, w] against
 *                                         [2, 3, 1, h, w], repeated
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

#define SCALES (DMS_OPS_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))
#define BYTES (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8))
#define WORDS (DMS_DTYPE_BIT(DMS_DTYPE_U16) | DMS_DTYPE_BIT(DMS_DTYPE_I16))
#define I32 DMS_DTYPE_BIT(DMS_DTYPE_I32)

enum { X, SCALE, ZERO }; /* inputs */

/* Small integers that this version knows. */
static uint32_t small_types(const dms_node *node) {
    return node->version >= 21 ? BYTES | WORDS : BYTES;
}

/* How scale and zero lie along x: one for all, along an axis, or in blocks of it. */
typedef struct spread {
    bool is_single, is_blocked;
    uint32_t axis;
    int64_t block;
} spread;

/* Blocks: dims of the scale are those of x but for the axis, which has one entry per block. */
static dms_code check_blocks(const dms_graph *graph, const dms_node *node, spread *out,
                             dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, X), *scale = dms_in(graph, node, SCALE);
    DMS_TRY(dms_ops_want_rank(graph, node, SCALE, x->rank, x->rank, st));
    DMS_TRY(dms_ops_want_rank(graph, node, X, 1, DMS_MAX_RANK - 1, st));
    for (uint32_t k = 0; k < x->rank; k++) {
        int64_t covered = dms_extent(scale, k);
        if (k == out->axis && __builtin_mul_overflow(covered, out->block, &covered))
            return dms_node_fail(node, st, "attribute 'block_size' is %" PRId64, out->block);
        if (covered != dms_extent(x, k))
            return dms_node_fail(node, st,
                                 "input '%s' covers %" PRId64 " of %" PRId64
                                 " elements along axis %" PRIu32
                                 "; only whole blocks are supported",
                                 scale->name, covered, dms_extent(x, k), k);
    }
    out->is_blocked = true;
    return DMS_OK;
}

/* Reads and checks how the scale is spread; the zero has its dims. */
static dms_code read_spread(const dms_graph *graph, const dms_node *node, spread *out,
                            dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, X), *scale = dms_in(graph, node, SCALE);
    const dms_tensor *zero = dms_in(graph, node, ZERO);
    *out = (spread){.is_single = dms_ops_count(scale, 0, scale->rank) == 1 && scale->rank <= 1};
    if (zero != NULL && dms_ops_count(zero, 0, zero->rank) != dms_ops_count(scale, 0, scale->rank))
        return dms_node_fail(node, st, "inputs '%s' and '%s' differ in size", scale->name,
                             zero->name);
    if (node->version >= 21)
        DMS_TRY(dms_ops_int_in(node, "block_size", 0, 0, INT32_MAX, &out->block, st));
    if (out->is_single)
        return DMS_OK;
    if (node->version < 13)
        return dms_node_fail(node, st, "input '%s' has more than one element", scale->name);
    DMS_TRY(dms_ops_axis(graph, node, 1, &out->axis, st));
    if (out->block > 0)
        return check_blocks(graph, node, out, st);
    return dms_ops_want_vector(graph, node, SCALE, dms_extent(x, out->axis), "entries of its axis",
                               st);
}

/* Scale or zero with the dims of x (blocks: one axis more), repeated by pitches of 0. */
static dms_code spread_operand(dms_lowering *lo, const dms_node *node, const spread *s,
                               const dms_view *x, uint32_t k, dms_lowered_operand *out,
                               dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t j = 0; j < x->rank; j++)
        dim[j] = 1;
    if (s->is_blocked)
        memcpy(dim, x->dim, sizeof dim);
    if (s->is_blocked)
        dim[s->axis + 1] = 1;
    else if (!s->is_single)
        dim[s->axis] = x->dim[s->axis];
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[k], x->rank, dim, out, st));
    const dms_view once = out->view;
    if (!dms_view_expand(&once, x->rank, x->dim, &out->view))
        return dms_node_fail(node, st, "its scale does not fit its input");
    return DMS_OK;
}

/* One DMS_K_QUANTIZE or DMS_K_DEQUANTIZE over x, scale, zero and y. */
static dms_code emit(dms_lowering *lo, const dms_node *node, uint32_t kernel, dms_status *st) {
    const bool has_zero = dms_in(dms_lower_graph(lo), node, ZERO) != NULL;
    const uint32_t n_in = has_zero ? 3 : 2;
    dms_lowered_operand operand[4];
    int64_t dim[DMS_MAX_RANK];
    spread s;
    DMS_TRY(read_spread(dms_lower_graph(lo), node, &s, st));
    operand[0] = dms_lower_operand(lo, node->in[X]);
    operand[n_in] = dms_lower_operand(lo, node->out[0]);
    if (s.is_blocked) {
        const dms_view *x = &operand[0].view;
        uint32_t rank = 0;
        for (uint32_t k = 0; k < x->rank; k++) {
            dim[rank++] = k == s.axis ? x->dim[k] / s.block : x->dim[k];
            if (k == s.axis)
                dim[rank++] = s.block;
        }
        DMS_TRY(dms_ops_reshaped(lo, node, node->in[X], rank, dim, &operand[0], st));
        DMS_TRY(dms_ops_view_as(node, &operand[n_in], rank, dim, st));
    }
    DMS_TRY(spread_operand(lo, node, &s, &operand[0].view, SCALE, &operand[1], st));
    if (has_zero)
        DMS_TRY(spread_operand(lo, node, &s, &operand[0].view, ZERO, &operand[2], st));
    return dms_lower_call(lo, node, kernel, n_in, 1, operand, 0, NULL, 0, NULL, st);
}

/* ---- QuantizeLinear, DequantizeLinear ------------------------------------------------------ */

/* QuantizeLinear(x, scale, zero): round(x / scale) + zero, kept within the type of zero, which is
 * u8 where there is no zero. x = 7, scale 2, zero 10: 14 (3.5 goes to the even 4). */
static dms_code quantize_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, X), *zero = dms_in(graph, node, ZERO);
    int64_t dim[DMS_MAX_RANK], dtype = 0;
    spread s;
    DMS_TRY(dms_ops_want_dtype(graph, node, X, SCALES | I32, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, SCALE, SCALES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, ZERO, small_types(node), st));
    DMS_TRY(read_spread(graph, node, &s, st));
    if (node->version >= 21)
        dtype = dms_node_int(node, "output_dtype", 0);
    if (dtype == 0)
        dtype = zero == NULL ? DMS_DTYPE_U8 : zero->dtype;
    if ((zero != NULL && dtype != zero->dtype) || dtype < 0 || dtype > 31 ||
        (small_types(node) & DMS_DTYPE_BIT(dtype)) == 0)
        return dms_node_fail(
            node, st, "attribute 'output_dtype' is %" PRId64 ", which is not supported", dtype);
    const uint32_t rank = dms_ops_dims(x, dim);
    return dms_set_output(graph, node, 0, (dms_dtype)dtype, rank, dim, st);
}

/* One DMS_K_QUANTIZE. */
static dms_code quantize_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return emit(lo, node, DMS_K_QUANTIZE, st);
}

/* DequantizeLinear(x, scale, zero): (x - zero) scale, in the type of the scale. */
static dms_code dequantize_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, X), *scale = dms_in(graph, node, SCALE);
    int64_t dim[DMS_MAX_RANK];
    spread s;
    DMS_TRY(dms_ops_want_dtype(graph, node, X, small_types(node) | I32, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, SCALE, SCALES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, ZERO, DMS_DTYPE_BIT(x->dtype), st));
    DMS_TRY(read_spread(graph, node, &s, st));
    const int64_t given = node->version >= 23 ? dms_node_int(node, "output_dtype", 0) : 0;
    if (given != 0 && given != (int64_t)scale->dtype)
        return dms_node_fail(node, st, "attribute 'output_dtype' is not the dtype of input '%s'",
                             scale->name);
    const uint32_t rank = dms_ops_dims(x, dim);
    return dms_set_output(graph, node, 0, scale->dtype, rank, dim, st);
}

/* Weights as bytes, and their bias. */
static bool is_weight(const dms_graph *graph, const dms_node *node) {
    const dms_tensor *x = dms_in(graph, node, X);
    return dms_tensor_is_constant(x) &&
           x->rank >= ((DMS_DTYPE_BIT((uint32_t)x->dtype) & BYTES) != 0 ? 2u : 1u);
}

/* One DMS_K_DEQUANTIZE. */
static dms_code dequantize_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return emit(lo, node, DMS_K_DEQUANTIZE, st);
}

/* ---- DynamicQuantizeLinear ----------------------------------------------------------------- */

/* DynamicQuantizeLinear(x): y u8, its scale and its zero, from the range of x, which is made to
 * hold 0: scale = range / 255, zero = round(-low / scale). x = -2, 1, 4: range 6, scale 6/255, zero
 * 85, y = 0, 127 (42.5 goes to the even 42), 255. */
static dms_code dynamic_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_DTYPE_BIT(DMS_DTYPE_F32), st));
    const dms_tensor *x = dms_in(graph, node, 0);
    if (dms_ops_count(x, 0, x->rank) == 0)
        return dms_node_fail(node, st, "input '%s' has no element", x->name);
    const uint32_t rank = dms_ops_dims(x, dim);
    DMS_TRY(dms_set_output(graph, node, 0, DMS_DTYPE_U8, rank, dim, st));
    DMS_TRY(dms_set_output(graph, node, 1, DMS_DTYPE_F32, 0, NULL, st));
    return dms_set_output(graph, node, 2, DMS_DTYPE_U8, 0, NULL, st);
}

/* The largest or smallest element of x and 0, as a scalar. */
static dms_code emit_extreme(dms_lowering *lo, const dms_node *node, bool is_low,
                             dms_lowered_operand *out, dms_status *st) {
    const int64_t i[2] = {is_low ? DMS_FN_REDUCE_MIN : DMS_FN_REDUCE_MAX, 0};
    dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0])}, zero;
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 0, NULL, &operand[1], st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 0, NULL, out, st));
    DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, 0.0, 0, NULL, &zero, st));
    DMS_TRY(dms_lower_call(lo, node, DMS_K_REDUCE, 1, 1, operand, 2, i, 0, NULL, st));
    return dms_ops_emit_binary(lo, node, is_low ? DMS_FN_MIN : DMS_FN_MAX, &operand[1], &zero, out,
                               st);
}

/* scale = (high - low) / 255, but 1 where all elements are 0: no element has another value. */
static dms_code emit_scale(dms_lowering *lo, const dms_node *node, const dms_lowered_operand *low,
                           const dms_lowered_operand *scale, dms_status *st) {
    dms_lowered_operand high, range, part, is_empty, zero, one, steps;
    DMS_TRY(emit_extreme(lo, node, false, &high, st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 0, NULL, &range, st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 0, NULL, &part, st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_BOOL, 0, NULL, &is_empty, st));
    DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, 0.0, 0, NULL, &zero, st));
    DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, 1.0, 0, NULL, &one, st));
    DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, 255.0, 0, NULL, &steps, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_SUB, &high, low, &range, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_DIV, &range, &steps, &part, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_EQUAL, &range, &zero, &is_empty, st));
    const dms_lowered_operand choice[4] = {is_empty, one, part, *scale};
    return dms_lower_call(lo, node, DMS_K_SELECT, 3, 1, choice, 0, NULL, 0, NULL, st);
}

/* An output, or a temporary in its place. */
static dms_code output_or_temp(dms_lowering *lo, const dms_node *node, uint32_t k, dms_dtype dtype,
                               dms_lowered_operand *out, dms_status *st) {
    if (dms_out(dms_lower_graph(lo), node, k) == NULL)
        return dms_lower_temp(lo, dtype, 0, NULL, out, st);
    *out = dms_lower_operand(lo, node->out[k]);
    return DMS_OK;
}

/* Eleven calls on scalars, two that read x, one DMS_K_QUANTIZE. The zero is -low, quantised. */
static dms_code dynamic_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_lowered_operand low, minus, scale, zero;
    DMS_TRY(emit_extreme(lo, node, true, &low, st));
    DMS_TRY(output_or_temp(lo, node, 1, DMS_DTYPE_F32, &scale, st));
    DMS_TRY(output_or_temp(lo, node, 2, DMS_DTYPE_U8, &zero, st));
    DMS_TRY(emit_scale(lo, node, &low, &scale, st));
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, 0, NULL, &minus, st));
    DMS_TRY(dms_ops_emit_unary(lo, node, DMS_FN_NEG, 0.0, 0.0, &low, &minus, st));
    const dms_lowered_operand of_zero[3] = {minus, scale, zero};
    DMS_TRY(dms_lower_call(lo, node, DMS_K_QUANTIZE, 2, 1, of_zero, 0, NULL, 0, NULL, st));
    dms_lowered_operand operand[4] = {dms_lower_operand(lo, node->in[0]), scale, zero,
                                      dms_lower_operand(lo, node->out[0])};
    const dms_view *x = &operand[0].view;
    if (!dms_view_expand(&scale.view, x->rank, x->dim, &operand[1].view) ||
        !dms_view_expand(&zero.view, x->rank, x->dim, &operand[2].view))
        return dms_node_fail(node, st, "its scale cannot be repeated");
    return dms_lower_call(lo, node, DMS_K_QUANTIZE, 3, 1, operand, 0, NULL, 0, NULL, st);
}

/* ---- dms.Lookup ---------------------------------------------------------------------------- */

/* Lookup(x, table[256]): the entry at every byte of x, which counts without a sign. */
static dms_code lookup_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, BYTES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, 1, BYTES, st));
    DMS_TRY(dms_ops_want_vector(graph, node, 1, 256, "bytes", st));
    const uint32_t rank = dms_ops_dims(dms_in(graph, node, 0), dim);
    return dms_set_output(graph, node, 0, dms_in(graph, node, 1)->dtype, rank, dim, st);
}

/* One DMS_K_LOOKUP. */
static dms_code lookup_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_lowered_operand operand[3] = {dms_lower_operand(lo, node->in[0])};
    DMS_TRY(dms_lower_dense(lo, node->in[1], &operand[1], st));
    operand[2] = dms_lower_operand(lo, node->out[0]);
    return dms_lower_call(lo, node, DMS_K_LOOKUP, 2, 1, operand, 0, NULL, 0, NULL, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("QuantizeLinear", 10, 0, 2, 3, 1, quantize_infer, NULL, quantize_lower),
    {.name = "DequantizeLinear",
     .since = 10,
     .min_in = 2,
     .max_in = 3,
     .min_out = 1,
     .max_out = 1,
     .infer = dequantize_infer,
     .lower = dequantize_lower,
     .folds_late = is_weight},
    DMS_OPS_ROW("DynamicQuantizeLinear", 11, 0, 1, 1, 3, dynamic_infer, NULL, dynamic_lower),
    {.name = "Lookup",
     .domain = "dms",
     .since = 1,
     .min_in = 2,
     .max_in = 2,
     .min_out = 1,
     .max_out = 1,
     .infer = lookup_infer,
     .lower = lookup_lower},
};

DMS_OPS_FAMILY(quantize);
