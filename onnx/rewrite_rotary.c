/* rewrite_rotary.c - the negated half of a rotated head, written out.
 *
 *     x cos + Concat(-x2, x1) sin   ->   x cos + Concat(x2, x1) (sin signs)     signs -1 .. 1 ..
 *
 * A sine is shared by all layers and heads, so its signs are changed once (equal nodes are united),
 * where a half of every query and key was negated: a pass less over each. -x2 s and x2 (-s) have
 * the same bits. The products and the sum become one chain.
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"
#include "runtime/kernels/element.h"
#include "schema/checked.h"

#define NEWEST 23u

/* What was found in a product. */
typedef struct turned {
    uint32_t negated, rest, factor; /* Concat(-negated, rest) factor */
    int64_t first, length;          /* elements of the last axis: of the negated part, of both */
} turned;

static int64_t last_of(const dms_tensor *t) {
    return t->rank == 0 ? 1 : dms_extent(t, t->rank - 1);
}

static uint64_t count_of(const dms_tensor *t) {
    return t->bytes / dms_dtype_bytes((uint32_t)t->dtype);
}

/* Side `side` of a product joins a negated tensor and another one along the last axis; the other
 * factor is as long there, and smaller. */
static bool is_turned(const dms_rewriter *rw, const dms_node *mul, uint32_t side, turned *out) {
    const dms_tensor *t = rw->graph->tensor;
    const uint32_t joined = mul->in[side], factor = mul->in[1 - side];
    const dms_node *concat = dms_made_by(rw, joined, "Concat");
    if (concat == NULL || concat->n_in != 2 || !dms_used_once(rw, joined) ||
        !dms_dtype_is_float((uint32_t)t[joined].dtype) || t[joined].rank == 0)
        return false;
    const int64_t axis = dms_node_int(concat, "axis", 0), last = (int64_t)t[joined].rank - 1;
    const dms_node *negation = dms_made_by(rw, concat->in[0], "Neg");
    if ((axis != -1 && axis != last) || negation == NULL || !dms_used_once(rw, concat->in[0]))
        return false;
    *out = (turned){.negated = negation->in[0],
                    .rest = concat->in[1],
                    .factor = factor,
                    .first = last_of(&t[negation->in[0]]),
                    .length = last_of(&t[joined])};
    return last_of(&t[factor]) == out->length && out->length > 0 &&
           count_of(&t[factor]) < count_of(&t[joined]);
}

/* -1 for the elements that were negated, then 1. */
static dms_code add_signs(dms_rewriter *rw, const turned *found, uint32_t *out, dms_status *st) {
    dms_graph *graph = rw->graph;
    const dms_dtype dtype = graph->tensor[found->factor].dtype;
    const uint32_t size = dms_dtype_bytes((uint32_t)dtype);
    const bool is_double = dms_class_of(dtype) == DMS_CLASS_F64;
    uint8_t *data;
    DMS_TRY(dms_alloc_st(graph->arena, (uint64_t)found->length, size, "signs", &data, st));
    for (int64_t k = 0; k < found->length; k++) {
        const double sign = k < found->first ? -1.0 : 1.0;
        const dms_scalar x =
            is_double ? (dms_scalar){.f64 = sign} : (dms_scalar){.f32 = (float)sign};
        dms_element_store(dtype, x, data, k);
    }
    return dms_graph_add_constant(graph, "signs", dtype, 1, &found->length, data, out, st);
}

dms_code dms_match_rotary(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *mul = dms_made_by(rw, rw->graph->node[id].out[0], "Mul");
    turned found;
    uint32_t signs, factor, joined, ignored;
    if (mul == NULL || (!is_turned(rw, mul, 0, &found) && !is_turned(rw, mul, 1, &found)))
        return DMS_OK;
    const uint32_t result = mul->out[0];
    DMS_TRY(add_signs(rw, &found, &signs, st));
    const dms_new_node change = {.op = "Mul",
                                 .domain = "",
                                 .version = NEWEST,
                                 .n_in = 2,
                                 .in = {found.factor, signs},
                                 .out = DMS_NONE};
    DMS_TRY(dms_add_node(rw, &change, id, &factor, st));
    const dms_new_node join = {.op = "Concat",
                               .domain = "",
                               .version = NEWEST,
                               .n_in = 2,
                               .in = {found.negated, found.rest},
                               .out = DMS_NONE,
                               .n_attrs = 1,
                               .attr = {dms_attr_int("axis", -1)}};
    DMS_TRY(dms_add_node(rw, &join, id, &joined, st));
    const dms_new_node product = {.op = "Mul",
                                  .domain = "",
                                  .version = NEWEST,
                                  .n_in = 2,
                                  .in = {joined, factor},
                                  .out = result};
    DMS_TRY(dms_add_node(rw, &product, id, &ignored, st));
    *out_done = true;
    return DMS_OK;
}
