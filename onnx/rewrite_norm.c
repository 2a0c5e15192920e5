/* rewrite_norm.c - layer norm and RMS norm from their parts.
 *
 *     RMS     x -- square -- mean -- + eps -- Sqrt -- reciprocal -- x -- weight
 *     layer   x - mean(x) = d;  d -- square -- mean -- + eps -- Sqrt;  d / it -- weight -- + bias
 *
 * square is Pow 2 or a product with itself; the division is Div, or Reciprocal or Div(1, .) and
 * Mul; means are over the last axis. Casts may stand around the whole.
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"

#define NEWEST 23u

/* What was found. */
typedef struct norm {
    uint32_t x, weight, bias;
    double epsilon;
} norm;

/* Rank of a tensor. */
static uint32_t rank_of(const dms_rewriter *rw, uint32_t id) {
    return rw->graph->tensor[id].rank;
}

/* A constant vector as long as the last axis of `like`. */
static bool is_vector(const dms_rewriter *rw, uint32_t id, uint32_t like) {
    const dms_tensor *v = &rw->graph->tensor[id], *x = &rw->graph->tensor[like];
    return dms_tensor_is_constant(v) && v->rank == 1 && x->rank != 0 && v->dtype == x->dtype &&
           dms_extent(v, 0) == dms_extent(x, x->rank - 1);
}

/* Splits a commutative node into a constant vector and the rest. */
static bool take_vector(const dms_rewriter *rw, const dms_node *node, uint32_t *vector,
                        uint32_t *rest) {
    for (uint32_t side = 0; side < 2; side++)
        if (is_vector(rw, node->in[side], node->out[0]) && dms_used_once(rw, node->in[1 - side])) {
            *vector = node->in[side];
            *rest = node->in[1 - side];
            return true;
        }
    return false;
}

/* The only axis of a reduction is the last one, and it is kept. */
static bool reduces_last(const dms_rewriter *rw, const dms_node *node) {
    const int64_t last = (int64_t)rank_of(rw, node->in[0]) - 1;
    const int64_t *axis;
    uint32_t n = dms_node_ints(node, "axes", &axis);
    dms_status ignored;
    if (node->n_in > 1 && node->in[1] != DMS_NONE &&
        (!dms_tensor_is_constant(&rw->graph->tensor[node->in[1]]) ||
         dms_int_values(rw->graph, node, 1, &n, &axis, &ignored) != DMS_OK))
        return false;
    return dms_node_int(node, "keepdims", 1) == 1 && n == 1 && (axis[0] == -1 || axis[0] == last);
}

/* x when `id` is mean(x) over the last axis, else DMS_NONE. */
static uint32_t mean_of(const dms_rewriter *rw, uint32_t id) {
    const dms_node *mean = dms_made_by(rw, id, "ReduceMean");
    return mean != NULL && reduces_last(rw, mean) ? mean->in[0] : DMS_NONE;
}

/* x when `id` is x squared and used once, else DMS_NONE. */
static uint32_t square_of(const dms_rewriter *rw, uint32_t id) {
    const dms_node *power = dms_made_by(rw, id, "Pow"), *product = dms_made_by(rw, id, "Mul");
    if (!dms_used_once(rw, id))
        return DMS_NONE;
    if (power != NULL && dms_is_value(rw, power->in[1], 2))
        return power->in[0];
    return product != NULL && product->in[0] == product->in[1] ? product->in[0] : DMS_NONE;
}

/* x when `id` is Sqrt(mean(square(x)) + epsilon) and nothing between has another use. */
static uint32_t root_mean_square_of(const dms_rewriter *rw, uint32_t id, double *epsilon) {
    const dms_node *root = dms_made_by(rw, id, "Sqrt");
    if (root == NULL || !dms_used_once(rw, id) || !dms_used_once(rw, root->in[0]))
        return DMS_NONE;
    const dms_node *add = dms_made_by(rw, root->in[0], "Add");
    if (add == NULL)
        return DMS_NONE;
    const uint32_t side = dms_is_scalar(rw, add->in[0], epsilon) ? 1 : 0;
    if (!dms_is_scalar(rw, add->in[1 - side], epsilon) || !dms_used_once(rw, add->in[side]))
        return DMS_NONE;
    const uint32_t squared = mean_of(rw, add->in[side]);
    return squared == DMS_NONE ? DMS_NONE : square_of(rw, squared);
}

/* The root under a reciprocal, else DMS_NONE. */
static uint32_t under_reciprocal(const dms_rewriter *rw, uint32_t id) {
    const dms_node *direct = dms_made_by(rw, id, "Reciprocal"), *div = dms_made_by(rw, id, "Div");
    if (!dms_used_once(rw, id))
        return DMS_NONE;
    if (direct != NULL)
        return direct->in[0];
    return div != NULL && dms_is_value(rw, div->in[0], 1) ? div->in[1] : DMS_NONE;
}

/* `id` = d / rms(d): sets *d. */
static bool split_normalised(const dms_rewriter *rw, uint32_t id, uint32_t *d, double *epsilon) {
    const dms_node *div = dms_made_by(rw, id, "Div"), *mul = dms_made_by(rw, id, "Mul");
    uint32_t root = DMS_NONE;
    if (div != NULL) {
        *d = div->in[0];
        root = div->in[1];
    }
    for (uint32_t side = 0; mul != NULL && side < 2 && root == DMS_NONE; side++) {
        *d = mul->in[1 - side];
        root = under_reciprocal(rw, mul->in[side]);
    }
    if (root == DMS_NONE)
        return false;
    const uint32_t squared = root_mean_square_of(rw, root, epsilon);
    return squared != DMS_NONE &&
           (squared == *d || dms_uncast(rw, squared) == *d || squared == dms_uncast(rw, *d));
}

/* x in the data type and the dims of the result, with or without the Cast in front: a weight longer
 * than the last axis of x, or an epsilon of higher rank, would make another shape. */
static bool fit_result(const dms_rewriter *rw, uint32_t x, uint32_t result, uint32_t *out) {
    const dms_tensor *t = rw->graph->tensor, *wanted = &t[result];
    const uint32_t before = dms_uncast(rw, x);
    *out = t[before].dtype == wanted->dtype ? before : x;
    bool fits = t[*out].dtype == wanted->dtype && t[*out].rank == wanted->rank;
    for (uint32_t k = 0; fits && k < wanted->rank; k++)
        fits = dms_extent(&t[*out], k) == dms_extent(wanted, k);
    return fits;
}

/* Mul(weight, [Cast] x / rms(x)) */
static bool match_rms(const dms_rewriter *rw, const dms_node *node, norm *out) {
    uint32_t rest, x;
    if (strcmp(node->op, "Mul") != 0 || !take_vector(rw, node, &out->weight, &rest))
        return false;
    const uint32_t before = dms_uncast(rw, rest);
    return dms_used_once(rw, before) && split_normalised(rw, before, &x, &out->epsilon) &&
           fit_result(rw, x, node->out[0], &out->x);
}

/* Add(bias, Mul(weight, [Cast] d / rms(d))) with d = x - mean(x) */
static bool match_layer(const dms_rewriter *rw, const dms_node *node, norm *out) {
    uint32_t scaled, rest, d;
    if (strcmp(node->op, "Add") != 0 || !take_vector(rw, node, &out->bias, &scaled))
        return false;
    const dms_node *mul = dms_made_by(rw, scaled, "Mul");
    if (mul == NULL || !take_vector(rw, mul, &out->weight, &rest))
        return false;
    const uint32_t before = dms_uncast(rw, rest);
    if (!dms_used_once(rw, before) || !split_normalised(rw, before, &d, &out->epsilon))
        return false;
    const dms_node *sub = dms_made_by(rw, dms_uncast(rw, d), "Sub");
    return sub != NULL && dms_uses(rw, sub->out[0]) <= 2 && mean_of(rw, sub->in[1]) == sub->in[0] &&
           dms_used_once(rw, sub->in[1]) && fit_result(rw, sub->in[0], node->out[0], &out->x);
}

/* Replaces the node by a norm; without a bias it is an RMS norm. */
static dms_code replace(dms_rewriter *rw, uint32_t id, const norm *found, bool has_bias,
                        bool *out_done, dms_status *st) {
    uint32_t ignored;
    const dms_new_node fused = {
        .op = has_bias ? "LayerNormalization" : "RMSNormalization",
        .domain = "",
        .version = NEWEST,
        .n_in = has_bias ? 3 : 2,
        .in = {found->x, found->weight, found->bias},
        .out = rw->graph->node[id].out[0],
        .n_attrs = 2,
        .attr = {dms_attr_int("axis", -1), dms_attr_float("epsilon", found->epsilon)}};
    DMS_TRY(dms_add_node(rw, &fused, id, &ignored, st));
    *out_done = true;
    return DMS_OK;
}

dms_code dms_match_layer_norm(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    norm found = {0};
    if (node->n_in != 2 || !match_layer(rw, node, &found))
        return DMS_OK;
    return replace(rw, id, &found, true, out_done, st);
}

dms_code dms_match_rms_norm(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    norm found = {0};
    if (node->n_in != 2 || !match_rms(rw, node, &found))
        return DMS_OK;
    return replace(rw, id, &found, false, out_done, st);
}
