/* contrib.c - operators that ONNX Runtime's optimiser writes into models, domain com.microsoft:
 * activations with a bias, and norms of a sum. SimplifiedLayerNormalization is of the main domain
 * there, though no ONNX operator.
 *
 *     Gelu, BiasGelu   Gelu(x + bias), by erf         FastGelu    the same, by tanh
 *     QuickGelu        x sigmoid(alpha x)
 *     SkipLayerNormalization            LayerNorm(x + skip + bias), and the sum as output 3
 *     SkipSimplifiedLayerNormalization  the same with the mean square alone
 *
 * Source: ONNX Runtime, ContribOperators.md. MatMulNBits is in nbits.c.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

#define FLOATS (DMS_OPS_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))

static bool is_op(const dms_node *node, const char *name) {
    return strcmp(node->op, name) == 0;
}

/* Extent of the last axis of input 0. */
static int64_t columns_of(const dms_graph *graph, const dms_node *node) {
    const dms_tensor *x = dms_in(graph, node, 0);
    return dms_extent(x, x->rank - 1);
}

/* y = x + input k, a vector or anything that broadcasts. */
static dms_code emit_add(dms_lowering *lo, const dms_node *node, const dms_lowered_operand *x,
                         uint32_t k, const dms_lowered_operand *y, dms_status *st) {
    dms_lowered_operand added;
    DMS_TRY(dms_ops_expanded(lo, node, node->in[k], x->view.rank, x->view.dim, &added, st));
    return dms_ops_emit_binary(lo, node, DMS_FN_ADD, x, &added, y, st);
}

/* A temporary with the dims of an operand. */
static dms_code temp_like(dms_lowering *lo, const dms_lowered_operand *like,
                          dms_lowered_operand *out, dms_status *st) {
    return dms_lower_temp(lo, like->view.dtype, like->view.rank, like->view.dim, out, st);
}

/* ---- activations --------------------------------------------------------------------------- */

/* Gelu(x), BiasGelu(x, bias), FastGelu(x, bias), QuickGelu(x): the bias is a vector along the last
 * axis. */
static dms_code gelu_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, 1, FLOATS, st));
    if (dms_in(graph, node, 1) != NULL) {
        DMS_TRY(dms_ops_want_rank(graph, node, 0, 1, DMS_MAX_RANK, st));
        DMS_TRY(dms_ops_want_vector(graph, node, 1, columns_of(graph, node), "columns", st));
    }
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* One call, and one for the bias. */
static dms_code gelu_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    dms_lowered_operand x = dms_lower_operand(lo, node->in[0]), sum;
    if (dms_in(dms_lower_graph(lo), node, 1) != NULL) {
        DMS_TRY(temp_like(lo, &x, &sum, st));
        DMS_TRY(emit_add(lo, node, &x, 1, &sum, st));
        x = sum;
    }
    return dms_ops_emit_unary(lo, node, is_op(node, "FastGelu") ? DMS_FN_GELU_TANH : DMS_FN_GELU,
                              0.0, 0.0, &x, &y, st);
}

/* x sigmoid(alpha x): three calls, alpha 1.702 unless it is said otherwise. */
static dms_code quick_gelu_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand x = dms_lower_operand(lo, node->in[0]);
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    const double factor = dms_node_float(node, "alpha", 1.702f);
    dms_lowered_operand alpha, scaled, gate;
    DMS_TRY(temp_like(lo, &x, &scaled, st));
    DMS_TRY(temp_like(lo, &x, &gate, st));
    DMS_TRY(dms_ops_scalar(lo, node, x.view.dtype, factor, x.view.rank, x.view.dim, &alpha, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_MUL, &x, &alpha, &scaled, st));
    DMS_TRY(dms_ops_emit_unary(lo, node, DMS_FN_SIGMOID, 0.0, 0.0, &scaled, &gate, st));
    return dms_ops_emit_binary(lo, node, DMS_FN_MUL, &x, &gate, &y, st);
}

/* ---- norms --------------------------------------------------------------------------------- */

/* Where a node has its operands: x is 0. NO = it has none of the kind. */
typedef struct norm_places {
    uint32_t skip, scale, beta, bias;
    bool is_rms;
} norm_places;

#define NO UINT32_MAX
#define SUM 3u

static norm_places places_of(const dms_node *node) {
    if (is_op(node, "SimplifiedLayerNormalization"))
        return (norm_places){NO, 1, NO, NO, true};
    if (is_op(node, "SkipSimplifiedLayerNormalization"))
        return (norm_places){1, 2, NO, 3, true};
    return (norm_places){1, 2, 3, 4, false};
}

/* The norm runs along the last axis; its vectors are as long. Statistics are not given out: ONNX
 * Runtime has them for training alone. */
static dms_code norm_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const norm_places at = places_of(node);
    const uint32_t vector[3] = {at.scale, at.beta, at.bias};
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, node->n_in - 1, FLOATS, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 1, DMS_MAX_RANK, st));
    const dms_tensor *x = dms_in(graph, node, 0);
    if (at.skip == NO) { /* it alone has an axis */
        uint32_t axis = 0;
        DMS_TRY(dms_ops_axis(graph, node, -1, &axis, st));
        if (axis + 1 != x->rank)
            return dms_node_fail(node, st, "attribute 'axis' is %" PRIu32 ", wants the last", axis);
    }
    for (uint32_t k = 0; k < 3; k++)
        if (vector[k] != NO)
            DMS_TRY(dms_ops_want_vector(graph, node, vector[k], columns_of(graph, node), "columns",
                                        st));
    for (uint32_t k = 1; k < SUM; k++)
        if (dms_out(graph, node, k) != NULL)
            return dms_node_fail(node, st, "output '%s' is a statistic, which is not supported",
                                 dms_out(graph, node, k)->name);
    DMS_TRY(dms_set_output_like(graph, node, SUM, 0, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* x + skip + bias: into output 3 where somebody wants it. */
static dms_code emit_sum(dms_lowering *lo, const dms_node *node, const norm_places *at,
                         dms_lowered_operand *x, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const bool is_output = dms_out(graph, node, SUM) != NULL;
    const bool has_bias = at->bias != NO && dms_in(graph, node, at->bias) != NULL;
    dms_lowered_operand sum, part;
    if (at->skip == NO)
        return DMS_OK;
    if (is_output)
        sum = dms_lower_operand(lo, node->out[SUM]);
    else
        DMS_TRY(temp_like(lo, x, &sum, st));
    part = sum;
    if (has_bias)
        DMS_TRY(temp_like(lo, x, &part, st));
    DMS_TRY(emit_add(lo, node, x, at->skip, &part, st));
    if (has_bias)
        DMS_TRY(emit_add(lo, node, &part, at->bias, &sum, st));
    *x = sum;
    return DMS_OK;
}

/* The sum, then one DMS_K_LAYER_NORM over its rows. */
static dms_code norm_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const norm_places at = places_of(node);
    const bool has_beta = at.beta != NO && dms_in(dms_lower_graph(lo), node, at.beta) != NULL;
    dms_lowered_operand operand[4] = {dms_lower_operand(lo, node->in[0])};
    DMS_TRY(emit_sum(lo, node, &at, &operand[0], st));
    operand[1] = dms_lower_operand(lo, node->in[at.scale]);
    uint32_t n_in = 2;
    if (has_beta)
        operand[n_in++] = dms_lower_operand(lo, node->in[at.beta]);
    operand[n_in] = dms_lower_operand(lo, node->out[0]);
    const int64_t i[1] = {at.is_rms};
    const double f[1] = {dms_node_float(node, "epsilon", at.skip == NO ? 1e-5f : 1e-12f)};
    return dms_lower_call(lo, node, DMS_K_LAYER_NORM, n_in, 1, operand, 1, i, 1, f, st);
}

#define CONTRIB_ROW(op, domain_, n_min, n_max, n_out, infer_, lower_)                              \
    {                                                                                              \
        .name = op, .domain = domain_, .since = 1, .min_in = (n_min), .max_in = (n_max),           \
        .min_out = 1, .max_out = (n_out), .infer = infer_, .lower = lower_                         \
    }

static const dms_op rows[] = {
    CONTRIB_ROW("Gelu", "com.microsoft", 1, 1, 1, gelu_infer, gelu_lower),
    CONTRIB_ROW("BiasGelu", "com.microsoft", 2, 2, 1, gelu_infer, gelu_lower),
    CONTRIB_ROW("FastGelu", "com.microsoft", 1, 2, 1, gelu_infer, gelu_lower),
    CONTRIB_ROW("QuickGelu", "com.microsoft", 1, 1, 1, gelu_infer, quick_gelu_lower),
    CONTRIB_ROW("SkipLayerNormalization", "com.microsoft", 3, 5, 4, norm_infer, norm_lower),
    CONTRIB_ROW("SkipSimplifiedLayerNormalization", "com.microsoft", 3, 4, 4, norm_infer,
                norm_lower),
    CONTRIB_ROW("SimplifiedLayerNormalization", NULL, 2, 2, 2, norm_infer, norm_lower),
};

DMS_OPS_FAMILY(contrib);
