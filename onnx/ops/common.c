/* common.c - checks, axes and operands that several operator files need.
 *
 * Tensors of the graph move in memory when a lowering adds one (dms_lower_temp, dms_lower_constant,
 * dms_lower_dense), so rows read what they need from a tensor before, and keep operands, which are
 * values. Products of extents need no check: dms_set_output has checked the product of all of them,
 * and counts an extent of 0 as 1.
 */
#include "onnx/ops/common.h"
#include "onnx/graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "schema/checked.h"

/* ---- checks -------------------------------------------------------------------------------- */

dms_code dms_ops_want_dtype(const dms_graph *graph, const dms_node *node, uint32_t k, uint32_t set,
                            dms_status *st) {
    const dms_tensor *t = dms_in(graph, node, k);
    if (t == NULL || (t->dtype < 32u && (set & DMS_DTYPE_BIT(t->dtype)) != 0))
        return DMS_OK;
    return dms_node_fail(node, st, "input '%s' has dtype %s, which this operator does not take",
                         t->name, dms_dtype_name(t->dtype));
}

dms_code dms_ops_want_one_dtype(const dms_graph *graph, const dms_node *node, uint32_t first,
                                uint32_t last, uint32_t set, dms_status *st) {
    const dms_tensor *reference = NULL; /* the first that is present */
    for (uint32_t k = first; k <= last && k < node->n_in; k++) {
        const dms_tensor *t = dms_in(graph, node, k);
        if (t == NULL)
            continue;
        DMS_TRY(dms_ops_want_dtype(graph, node, k, set, st));
        if (reference == NULL)
            reference = t;
        if (t->dtype != reference->dtype)
            return dms_node_fail(node, st, "input '%s' has dtype %s, input '%s' has %s", t->name,
                                 dms_dtype_name(t->dtype), reference->name,
                                 dms_dtype_name(reference->dtype));
    }
    return DMS_OK;
}

dms_code dms_ops_want_rank(const dms_graph *graph, const dms_node *node, uint32_t k, uint32_t low,
                           uint32_t high, dms_status *st) {
    const dms_tensor *t = dms_in(graph, node, k);
    if (t == NULL || (t->rank >= low && t->rank <= high))
        return DMS_OK;
    if (low == high)
        return dms_node_fail(node, st, "input '%s' has rank %" PRIu32 ", wants %" PRIu32, t->name,
                             t->rank, low);
    return dms_node_fail(node, st, "input '%s' has rank %" PRIu32 ", wants %" PRIu32 " to %" PRIu32,
                         t->name, t->rank, low, high);
}

dms_code dms_ops_want_vector(const dms_graph *graph, const dms_node *node, uint32_t k,
                             int64_t count, const char *what, dms_status *st) {
    const dms_tensor *t = dms_in(graph, node, k);
    DMS_TRY(dms_ops_want_rank(graph, node, k, 1, 1, st));
    if (t != NULL && dms_extent(t, 0) != count)
        return dms_node_fail(node, st, "input '%s' has %" PRId64 " elements for %" PRId64 " %s",
                             t->name, dms_extent(t, 0), count, what);
    return DMS_OK;
}

dms_code dms_ops_int_in(const dms_node *node, const char *name, int64_t otherwise, int64_t low,
                        int64_t high, int64_t *out, dms_status *st) {
    const int64_t value = dms_node_int(node, name, otherwise);
    if (value < low || value > high)
        return dms_node_fail(node, st,
                             "attribute '%s' is %" PRId64 ", wants %" PRId64 " to %" PRId64, name,
                             value, low, high);
    *out = value;
    return DMS_OK;
}

dms_code dms_ops_word(const dms_node *node, const char *name, const char *const *word, uint32_t n,
                      uint32_t *out, dms_status *st) {
    const char *value = dms_node_string(node, name, word[0]);
    for (uint32_t k = 0; k < n; k++)
        if (strcmp(value, word[k]) == 0) {
            *out = k;
            return DMS_OK;
        }
    return dms_node_fail(node, st, "attribute '%s' is '%.60s', which is not known", name, value);
}

dms_code dms_ops_int_value(dms_graph *graph, const dms_node *node, uint32_t k, int64_t *out,
                           dms_status *st) {
    uint32_t n = 0;
    const int64_t *value = NULL;
    DMS_TRY(dms_int_values(graph, node, k, &n, &value, st));
    if (n != 1)
        return dms_node_fail(node, st, "input '%s' has %" PRIu32 " elements, wants 1",
                             dms_in(graph, node, k)->name, n);
    *out = value[0];
    return DMS_OK;
}

const char *dms_ops_dims_text(uint32_t rank, const int64_t *dim, char *out, uint64_t size) {
    size_t at = 0;
    (void)snprintf(out, size, "[");
    for (uint32_t k = 0; k < rank; k++) {
        at = strlen(out);
        (void)snprintf(out + at, size - at, "%s%" PRId64, k == 0 ? "" : ", ", dim[k]);
    }
    at = strlen(out);
    (void)snprintf(out + at, size - at, "]");
    return out;
}

/* ---- axes and dims ------------------------------------------------------------------------- */

dms_code dms_ops_axes(dms_graph *graph, const dms_node *node, uint32_t k, uint32_t input_since,
                      uint32_t rank, uint32_t *mask, bool *is_given, dms_status *st) {
    const int64_t *axis = NULL;
    uint32_t n = 0;
    *mask = 0;
    *is_given = false;
    /* An empty list is not an absent one: Squeeze keeps everything, ReduceSum may. */
    if (node->version < input_since) {
        *is_given = dms_node_attr(node, "axes") != NULL;
        n = dms_node_ints(node, "axes", &axis);
    } else if (dms_in(graph, node, k) != NULL) {
        *is_given = true;
        DMS_TRY(dms_int_values(graph, node, k, &n, &axis, st));
    }
    for (uint32_t j = 0; j < n; j++) {
        uint32_t at = 0;
        DMS_TRY(dms_axis(node, axis[j], rank, &at, st));
        if ((*mask & (1u << at)) != 0)
            return dms_node_fail(node, st, "axis %" PRIu32 " is named twice", at);
        *mask |= 1u << at;
    }
    return DMS_OK;
}

dms_code dms_ops_axis(const dms_graph *graph, const dms_node *node, int64_t otherwise,
                      uint32_t *out, dms_status *st) {
    return dms_axis(node, dms_node_int(node, "axis", otherwise), dms_in(graph, node, 0)->rank, out,
                    st);
}

uint32_t dms_ops_dims(const dms_tensor *t, int64_t *dim) {
    for (uint32_t k = 0; k < t->rank; k++)
        dim[k] = dms_extent(t, k);
    return t->rank;
}

int64_t dms_ops_count(const dms_tensor *t, uint32_t first, uint32_t end) {
    int64_t count = 1; /* dms_set_output has checked the product of all dims */
    for (uint32_t k = first; k < end; k++)
        count *= dms_extent(t, k);
    return count;
}

/* ---- operands ------------------------------------------------------------------------------ */

dms_code dms_ops_view_as(const dms_node *node, dms_lowered_operand *operand, uint32_t rank,
                         const int64_t *dim, dms_status *st) {
    dms_view view;
    char text[256];
    if (!dms_view_reshape(&operand->view, rank, dim, &view))
        return dms_node_fail(node, st, "its operand cannot be seen as %s",
                             dms_ops_dims_text(rank, dim, text, sizeof text));
    operand->view = view;
    return DMS_OK;
}

dms_code dms_ops_reshaped(dms_lowering *lo, const dms_node *node, uint32_t tensor, uint32_t rank,
                          const int64_t *dim, dms_lowered_operand *out, dms_status *st) {
    dms_lowered_operand operand = dms_lower_operand(lo, tensor);
    dms_view view;
    /* Views first: a copy costs a step, its buffer and the time of both. */
    if (dms_view_reshape(&operand.view, rank, dim, &view)) {
        operand.view = view;
        *out = operand;
        return DMS_OK;
    }
    DMS_TRY(dms_lower_dense(lo, tensor, out, st));
    return dms_ops_view_as(node, out, rank, dim, st);
}

dms_code dms_ops_expanded(dms_lowering *lo, const dms_node *node, uint32_t tensor, uint32_t rank,
                          const int64_t *dim, dms_lowered_operand *out, dms_status *st) {
    const dms_lowered_operand operand = dms_lower_operand(lo, tensor);
    char text[256];
    *out = operand;
    if (!dms_view_expand(&operand.view, rank, dim, &out->view))
        return dms_node_fail(node, st, "input '%s' cannot be repeated to %s",
                             dms_lower_graph(lo)->tensor[tensor].name,
                             dms_ops_dims_text(rank, dim, text, sizeof text));
    return DMS_OK;
}

void dms_ops_axis_last(dms_view *view, uint32_t axis) {
    (void)dms_ops_axes_last(view, 1u << axis);
}

/* Axes 0 and 2 of [a, b, c, d] last: [b, d, a, c]. Only the view changes, no byte moves. */
uint32_t dms_ops_axes_last(dms_view *view, uint32_t mask) {
    /* A permutation: first those outside, then those inside, each in its old order. */
    uint32_t order[DMS_MAX_RANK] = {0}, n = 0, n_outside;
    for (uint32_t k = 0; k < view->rank; k++)
        if ((mask >> k & 1u) == 0)
            order[n++] = k;
    n_outside = n;
    for (uint32_t k = 0; k < view->rank; k++)
        if ((mask >> k & 1u) != 0)
            order[n++] = k;
    const dms_view in = *view;
    dms_view_permute(&in, order, view);
    return n_outside;
}

dms_code dms_ops_emit_unary(dms_lowering *lo, const dms_node *node, int64_t fn, double p0,
                            double p1, const dms_lowered_operand *in,
                            const dms_lowered_operand *out, dms_status *st) {
    const dms_lowered_operand operand[2] = {*in, *out};
    const double f[2] = {p0, p1};
    return dms_lower_call(lo, node, DMS_K_UNARY, 1, 1, operand, 1, &fn, 2, f, st);
}

dms_code dms_ops_emit_binary(dms_lowering *lo, const dms_node *node, int64_t fn,
                             const dms_lowered_operand *a, const dms_lowered_operand *b,
                             const dms_lowered_operand *out, dms_status *st) {
    const dms_lowered_operand operand[3] = {*a, *b, *out};
    return dms_lower_call(lo, node, DMS_K_BINARY, 2, 1, operand, 1, &fn, 0, NULL, st);
}

/* A double as half: round to nearest even by way of the float; small numbers become subnormal. */
static uint64_t half_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return sign | 0x7e00u;
    if (magnitude >= 0x477ff000u) /* rounds to 65536 or more */
        return sign | 0x7c00u;
    if (magnitude < 0x33000000u) /* below half of the smallest subnormal */
        return sign;
    const int32_t exponent = (int32_t)(magnitude >> 23) - 127;
    const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t drop = exponent < -14 ? (uint32_t)(-1 - exponent) : 13u;
    const uint32_t base = exponent < -14 ? 0 : (uint32_t)(exponent + 14) << 10;
    const uint32_t kept = mantissa >> drop, rest = mantissa & ((1u << drop) - 1u);
    const uint32_t tie = 1u << (drop - 1u);
    return sign | (base + kept + (rest > tie || (rest == tie && (kept & 1u) != 0) ? 1u : 0u));
}

/* bf16 is the upper half of f32: adding 0x7fff and the lowest bit that stays, before the shift,
 * rounds to nearest, ties to even. NaN goes first: the sum could carry it into another number. */
uint64_t dms_ops_bits(dms_dtype dtype, double value) {
    const float single = (float)value;
    uint32_t narrow;
    uint64_t wide;
    memcpy(&narrow, &single, sizeof narrow);
    memcpy(&wide, &value, sizeof wide);
    if (dtype == DMS_DTYPE_F32)
        return narrow;
    if (dtype == DMS_DTYPE_F64)
        return wide;
    if (dtype == DMS_DTYPE_F16)
        return half_bits(single);
    if (dtype == DMS_DTYPE_BF16)
        return single != single ? 0x7fc0u : (narrow + 0x7fffu + (narrow >> 16 & 1u)) >> 16;
    const uint64_t bits = (uint64_t)(int64_t)value; /* two's complement, cut to the width */
    const uint32_t width = 8u * dms_dtype_bytes(dtype);
    return width >= 64u ? bits : bits & ((1ull << width) - 1u);
}

dms_code dms_ops_scalar(dms_lowering *lo, const dms_node *node, dms_dtype dtype, double value,
                        uint32_t rank, const int64_t *dim, dms_lowered_operand *out,
                        dms_status *st) {
    const uint64_t bits = dms_ops_bits(dtype, value); /* little endian: the low bytes are it */
    DMS_TRY(dms_lower_constant(lo, dtype, 0, NULL, &bits, out, st));
    const dms_view one = out->view;
    if (!dms_view_expand(&one, rank, dim, &out->view))
        return dms_node_fail(node, st, "a constant cannot be repeated to its dims");
    return DMS_OK;
}

dms_code dms_ops_fill(dms_lowering *lo, const dms_node *node, uint64_t bits,
                      const dms_lowered_operand *out, dms_status *st) {
    const int64_t i[1] = {(int64_t)bits};
    return dms_lower_call(lo, node, DMS_K_FILL, 0, 1, out, 1, i, 0, NULL, st);
}

bool dms_ops_alias_reshape(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                           dms_view *out) {
    int64_t dim[DMS_MAX_RANK];
    if (k != 0)
        return false;
    const uint32_t rank = dms_ops_dims(dms_out(graph, node, 0), dim);
    return dms_view_reshape(in, rank, dim, out);
}

dms_code dms_ops_lower_reshape(dms_lowering *lo, const dms_node *node, dms_status *st) {
    /* The output is dense, so it can be seen under the dims of the input, whose pitches cannot be
     * seen under the dims of the output. */
    const dms_lowered_operand from = dms_lower_operand(lo, node->in[0]);
    dms_lowered_operand to = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_view_as(node, &to, from.view.rank, from.view.dim, st));
    return dms_lower_copy(lo, node, from, to, st);
}

dms_code dms_ops_infer_same(dms_graph *graph, dms_node *node, dms_status *st) {
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_ANY, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}
