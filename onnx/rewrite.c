/* rewrite.c - walks the nodes once per pattern and rebuilds their order.
 *
 * A pattern is asked at its last node, when everything it reads is settled; new nodes go in front
 * of the node that they replace, so the order stays an order. What the pattern leaves without use
 * is pruned before the next one walks. Order matters twice: attention before GELU and the like,
 * whose parts it may contain, and layer norm before RMS norm, which is a part of it. Weights that
 * DequantizeLinear makes are kept as bytes until the patterns of bytes have had their look.
 */
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"

static const dms_pattern patterns[] = {
    dms_match_moved_bytes,  dms_match_joined_bytes, dms_match_product_of_bytes,
    dms_match_real_product, dms_match_lookup,       dms_match_known,
    dms_match_scatter,      dms_match_attention,    dms_match_repeated,
    dms_match_masked,       dms_match_layer_norm,   dms_match_rms_norm,
    dms_match_gelu,         dms_match_silu,         dms_match_linear,
    dms_match_rotary};

const dms_node *dms_made_by(const dms_rewriter *rw, uint32_t tensor, const char *op) {
    const dms_graph *graph = rw->graph;
    if (tensor == DMS_NONE || graph->tensor[tensor].origin != DMS_ORIGIN_NODE ||
        graph->tensor[tensor].producer == DMS_NONE)
        return NULL;
    const dms_node *node = &graph->node[graph->tensor[tensor].producer];
    const bool is_main = node->domain[0] == 0 || strcmp(node->domain, "ai.onnx") == 0;
    return is_main && !node->is_gone && strcmp(node->op, op) == 0 ? node : NULL;
}

/* Counts are from before the walk of this pattern. Tensors made since belong to its own new nodes,
 * which use each once. */
uint32_t dms_uses(const dms_rewriter *rw, uint32_t tensor) {
    return tensor < rw->n_counted ? rw->n_uses[tensor] : 1;
}

bool dms_used_once(const dms_rewriter *rw, uint32_t tensor) {
    return dms_uses(rw, tensor) <= 1;
}

/* One element under any rank, [] and [1, 1] alike. */
bool dms_is_scalar(const dms_rewriter *rw, uint32_t tensor, double *out) {
    if (tensor == DMS_NONE || !dms_tensor_is_constant(&rw->graph->tensor[tensor]))
        return false;
    uint32_t operand = tensor, n;
    const dms_node reader = {.name = "", .op = "", .n_in = 1, .in = &operand};
    const double *value;
    dms_status ignored;
    const dms_tensor *t = &rw->graph->tensor[tensor];
    if (t->bytes != dms_dtype_bytes((uint32_t)t->dtype) ||
        dms_real_values(rw->graph, &reader, 0, &n, &value, &ignored) != DMS_OK || n != 1)
        return false;
    *out = value[0];
    return true;
}

/* To 0.1 %: constants such as sqrt(2) stand in the file in the type of the model, and an f16 has
 * eleven bits. */
bool dms_is_value(const dms_rewriter *rw, uint32_t tensor, double value) {
    double found;
    return dms_is_scalar(rw, tensor, &found) &&
           (found == value || fabs(found - value) <= 1e-3 * fabs(value));
}

/* Takes x * c, c * x or x / c off and multiplies c or 1 / c into *scale; other tensors come back as
 * they are, so that "nothing to take off" is seen by comparing. */
uint32_t dms_unscale(const dms_rewriter *rw, uint32_t tensor, double *scale) {
    const dms_node *mul = dms_made_by(rw, tensor, "Mul"), *div = dms_made_by(rw, tensor, "Div");
    double value;
    if (mul != NULL && dms_is_scalar(rw, mul->in[1], &value)) {
        *scale *= value;
        return mul->in[0];
    }
    if (mul != NULL && dms_is_scalar(rw, mul->in[0], &value)) {
        *scale *= value;
        return mul->in[1];
    }
    if (div != NULL && dms_is_scalar(rw, div->in[1], &value) && value != 0) {
        *scale /= value;
        return div->in[0];
    }
    return tensor;
}

/* Only between reals, where a Cast rounds: to an integer or a bool it is another function. */
uint32_t dms_uncast(const dms_rewriter *rw, uint32_t tensor) {
    const dms_tensor *t = rw->graph->tensor;
    const dms_node *cast = dms_made_by(rw, tensor, "Cast");
    const bool is_rounding = cast != NULL && dms_dtype_is_float((uint32_t)t[tensor].dtype) &&
                             dms_dtype_is_float((uint32_t)t[cast->in[0]].dtype);
    return is_rounding ? cast->in[0] : tensor;
}

/* Appends to the order. */
static dms_code keep(dms_rewriter *rw, uint32_t id, dms_status *st) {
    DMS_TRY(dms_grow(rw->scratch, &rw->order.node, &rw->order.cap, (uint64_t)rw->order.n + 1,
                     sizeof *rw->order.node, st));
    rw->order.node[rw->order.n++] = id;
    return DMS_OK;
}

/* The node itself, in the graph's memory. */
static dms_code build_node(dms_rewriter *rw, const dms_new_node *what, uint32_t like, uint32_t *out,
                           dms_status *st) {
    dms_graph *graph = rw->graph;
    uint32_t *operand;
    dms_attr *attr;
    DMS_TRY(dms_alloc_st(graph->arena, what->n_in + 1, sizeof *operand, "operands", &operand, st));
    DMS_TRY(dms_alloc_st(graph->arena, what->n_attrs, sizeof *attr, "attributes", &attr, st));
    DMS_TRY(dms_grow(graph->arena, &graph->node, &graph->cap_nodes, (uint64_t)graph->n_nodes + 1,
                     sizeof *graph->node, st));
    memcpy(operand, what->in, what->n_in * sizeof *operand);
    operand[what->n_in] = what->out;
    memcpy(attr, what->attr, what->n_attrs * sizeof *attr);
    if (what->out == DMS_NONE)
        DMS_TRY(dms_graph_add_tensor(graph, graph->node[like].name, &operand[what->n_in], st));
    *out = graph->n_nodes++;
    graph->tensor[operand[what->n_in]].producer = *out;
    graph->node[*out] = (dms_node){.name = graph->node[like].name,
                                   .op = what->op,
                                   .domain = what->domain,
                                   .version = what->version,
                                   .n_in = what->n_in,
                                   .n_out = 1,
                                   .n_attrs = what->n_attrs,
                                   .in = operand,
                                   .out = operand + what->n_in,
                                   .attr = attr};
    return DMS_OK;
}

/* A new node is inferred and folded like one of the file, so a mask of constants is a constant
 * again. `like` lends its name, so that messages and reports speak of the model's nodes. */
dms_code dms_add_node(dms_rewriter *rw, const dms_new_node *what, uint32_t like, uint32_t *out,
                      dms_status *st) {
    dms_graph *graph = rw->graph;
    uint32_t id;
    bool is_folded;
    DMS_TRY(build_node(rw, what, like, &id, st));
    dms_node *node = &graph->node[id];
    node->row = dms_op_find(node->domain, node->op, node->version);
    if (node->row == NULL)
        return dms_fail(st, DMS_EINTERNAL, "a rewrite made an operator '%s' without a row",
                        what->op);
    *out = node->out[0];
    DMS_TRY(node->row->infer(graph, node, st));
    DMS_TRY(dms_fold_node(rw->folder, id, &is_folded, st));
    graph->node[id].is_gone = is_folded;
    return is_folded ? DMS_OK : keep(rw, id, st);
}

/* Counts the uses of every tensor by live nodes and outputs. */
static dms_code count_uses(dms_rewriter *rw, dms_status *st) {
    const dms_graph *graph = rw->graph;
    rw->n_counted = graph->n_tensors;
    DMS_TRY(
        dms_alloc_st(rw->scratch, graph->n_tensors, sizeof *rw->n_uses, "uses", &rw->n_uses, st));
    for (uint32_t n = 0; n < graph->n_nodes; n++)
        for (uint32_t k = 0; !graph->node[n].is_gone && k < graph->node[n].n_in; k++)
            if (graph->node[n].in[k] != DMS_NONE)
                rw->n_uses[graph->node[n].in[k]]++;
    for (uint32_t k = 0; k < graph->n_outputs; k++)
        rw->n_uses[graph->output[k]] += 2; /* never used just once */
    return DMS_OK;
}

/* One walk for one pattern. */
static dms_code apply(dms_graph *graph, dms_folder *folder, dms_arena *scratch, dms_pattern match,
                      dms_status *st) {
    dms_rewriter rw = {.graph = graph, .folder = folder, .scratch = scratch};
    const uint32_t n_nodes = graph->n_nodes;
    bool has_changed = false;
    DMS_TRY(count_uses(&rw, st));
    for (uint32_t id = 0; id < n_nodes; id++) {
        bool is_done = false;
        DMS_TRY(match(&rw, id, &is_done, st));
        has_changed |= is_done;
        if (is_done)
            graph->node[id].is_gone = true;
        else
            DMS_TRY(keep(&rw, id, st));
    }
    if (!has_changed)
        return DMS_OK;
    DMS_TRY(dms_order_prune(graph, &rw.order, scratch, st));
    return dms_order_apply(graph, &rw.order, st);
}

/* Removes the nodes that are gone from the table. */
static dms_code renumber(dms_graph *graph, dms_arena *scratch, dms_status *st) {
    dms_order order = {.cap = graph->n_nodes};
    DMS_TRY(dms_alloc_st(scratch, graph->n_nodes, sizeof *order.node, "an order", &order.node, st));
    for (uint32_t id = 0; id < graph->n_nodes; id++)
        if (!graph->node[id].is_gone)
            order.node[order.n++] = id;
    DMS_TRY(dms_order_prune(graph, &order, scratch, st));
    return dms_order_apply(graph, &order, st);
}

/* Each pattern walks the whole graph once, in the fixed order of the table: O(patterns x nodes),
 * and equal files give equal graphs. */
dms_code dms_rewrite(dms_graph *graph, dms_folder *folder, dms_arena *scratch, dms_status *st) {
    for (uint32_t p = 0; p < sizeof patterns / sizeof *patterns; p++)
        DMS_TRY(apply(graph, folder, scratch, patterns[p], st));
    DMS_TRY(dms_unite_equal(graph, scratch, st));
    return renumber(graph, scratch, st);
}
