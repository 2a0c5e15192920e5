/* lower_graph.c - the whole graph as calls; which results are views of others.
 *
 *     x -- MatMul --> m -- Reshape --> r -- Transpose --> t        storage of m, r and t: m
 *
 * A view costs nothing, but it keeps its whole storage alive: a slice of less than half of an
 * activation is copied instead. A graph output must be a dense storage of its own. Where it covers
 * a computed storage in order (r above), the storage takes the output's name and no copy is made;
 * a permuted view (t), an input, a constant or a storage that already left is copied.
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/lower.h"
#include "schema/checked.h"

/* Elements that a view reaches, repeats counted once. */
static int64_t distinct_count(const dms_view *view) {
    int64_t count = 1;
    for (uint32_t k = 0; k < view->rank; k++)
        if (view->pitch[k] != 0 || view->dim[k] == 0)
            count *= view->dim[k];
    return count;
}

/* A view that keeps less than half of an activation alive is copied, so that the rest can go. */
static bool keeps_too_much(const dms_graph *graph, uint32_t storage, const dms_view *view) {
    const dms_tensor *root = &graph->tensor[storage];
    return !dms_tensor_is_constant(root) && distinct_count(view) < dms_view_count(&root->view) / 2;
}

/* The views of all outputs; false when one has none. */
static bool find_views(dms_lowering *lo, const dms_node *node, dms_view *view) {
    const dms_view in = lo->graph->tensor[node->in[0]].view;
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != DMS_NONE && !node->row->alias(lo->graph, node, k, &in, &view[k]))
            return false;
    return true;
}

/* Records view k, or copies its elements where the view would keep too much. */
static dms_code take_view(dms_lowering *lo, const dms_node *node, uint32_t k, const dms_view *view,
                          dms_status *st) {
    const uint32_t storage = lo->graph->tensor[node->in[0]].storage, id = node->out[k];
    if (keeps_too_much(lo->graph, storage, view)) {
        const dms_lowered_operand from = {.tensor = storage, .view = *view};
        DMS_TRY(dms_lower_own_storage(lo->graph, id, st));
        return dms_lower_copy(lo, node, from, dms_lower_operand(lo, id), st);
    }
    lo->graph->tensor[id].storage = storage;
    lo->graph->tensor[id].view = *view;
    return DMS_OK;
}

dms_code dms_lower_alias(dms_lowering *lo, uint32_t node, bool *out_done, dms_status *st) {
    const dms_node *n = &lo->graph->node[node];
    dms_view view[DMS_MAX_OPERANDS];
    *out_done = false;
    lo->node = node;
    if (n->row->alias == NULL || n->n_in == 0 || n->in[0] == DMS_NONE ||
        n->n_out > DMS_MAX_OPERANDS || !find_views(lo, n, view))
        return DMS_OK;
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] != DMS_NONE)
            DMS_TRY(take_view(lo, n, k, &view[k], st));
    *out_done = true;
    return DMS_OK;
}

/* One node: views where they can be had, else calls. */
static dms_code lower_one(dms_lowering *lo, uint32_t node, dms_status *st) {
    bool is_view;
    DMS_TRY(dms_lower_alias(lo, node, &is_view, st));
    if (is_view)
        return DMS_OK;
    const dms_node *n = &lo->graph->node[node];
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] != DMS_NONE)
            DMS_TRY(dms_lower_own_storage(lo->graph, n->out[k], st));
    return dms_lower_node(lo, node, st);
}

/* Makes `to` the name of everything that lies in storage `from`. Both hold the same elements in the
 * same order, so views stay as they are. */
static void rename_storage(dms_graph *graph, dms_lowered *out, uint32_t from, uint32_t to) {
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        if (graph->tensor[t].storage == from)
            graph->tensor[t].storage = to;
    for (uint32_t c = 0; c < out->n_calls; c++) {
        dms_lowered_call *call = &out->call[c];
        for (uint32_t k = 0; k < call->call.n_in + call->call.n_out; k++)
            if (call->operand[k].tensor == from)
                call->operand[k].tensor = to;
    }
}

/* Whether a storage already leaves as one of the first `n` outputs. */
static bool is_taken(const dms_lowered *out, uint32_t n, uint32_t storage) {
    for (uint32_t k = 0; k < n; k++)
        if (out->output[k] == storage)
            return true;
    return false;
}

/* The whole of a computed storage in its own order. */
static bool covers_storage(const dms_graph *graph, const dms_tensor *t) {
    const dms_tensor *root = &graph->tensor[t->storage];
    return root->origin == DMS_ORIGIN_NODE && t->view.offset == 0 && dms_view_is_dense(&t->view) &&
           dms_view_count(&t->view) == dms_view_count(&root->view);
}

/* A node without operands that stands for the copy of an output, so that every call has one. */
static dms_code add_copy_node(dms_graph *graph, const char *name, uint32_t *out, dms_status *st) {
    DMS_TRY(dms_grow(graph->arena, &graph->node, &graph->cap_nodes, (uint64_t)graph->n_nodes + 1,
                     sizeof *graph->node, st));
    *out = graph->n_nodes++;
    graph->node[*out] = (dms_node){.name = name, .op = "Copy", .domain = "dms", .is_gone = true};
    return DMS_OK;
}

/* Gives output k a storage of its own. */
static dms_code lower_output(dms_lowering *lo, uint32_t k, dms_status *st) {
    dms_graph *graph = lo->graph;
    const uint32_t id = graph->output[k];
    const dms_tensor *t = &graph->tensor[id];
    if (covers_storage(graph, t) && !is_taken(lo->out, k, t->storage)) {
        if (t->storage != id)
            rename_storage(graph, lo->out, t->storage, id);
        DMS_TRY(dms_lower_own_storage(graph, id, st));
        lo->out->output[k] = id;
        return DMS_OK;
    }
    uint32_t node;
    DMS_TRY(add_copy_node(graph, t->name, &node, st));
    lo->node = node;
    const dms_lowered_operand from = dms_lower_operand(lo, id);
    dms_lowered_operand to;
    DMS_TRY(dms_lower_temp(lo, from.view.dtype, from.view.rank, from.view.dim, &to, st));
    graph->tensor[to.tensor].name = graph->tensor[id].name;
    lo->out->output[k] = to.tensor;
    const dms_tensor *root = &graph->tensor[from.tensor];
    if (root->origin == DMS_ORIGIN_FILL) {
        int64_t bits = 0;
        memcpy(&bits, root->data, dms_dtype_bytes(root->dtype));
        return dms_lower_call(lo, &graph->node[node], DMS_K_FILL, 0, 1, &to, 1, &bits, 0, NULL, st);
    }
    return dms_lower_copy(lo, &graph->node[node], from, to, st);
}

/* Bytes of large constants that FILL steps make. */
static uint64_t count_fills(const dms_lowered *out) {
    uint64_t sum = 0;
    for (uint32_t c = 0; c < out->n_calls; c++) {
        const dms_call *call = &out->call[c].call;
        const uint64_t bytes = dms_view_bytes(&call->view[0]);
        if (call->kernel == DMS_K_FILL && bytes > DMS_EMBEDDED_BYTES && !dms_add(sum, bytes, &sum))
            return UINT64_MAX;
    }
    return sum;
}

dms_code dms_graph_lower(dms_graph *graph, dms_lowered *out, dms_status *st) {
    *out = (dms_lowered){0};
    dms_lowering lo = {.graph = graph, .arena = graph->arena, .out = out};
    DMS_TRY(dms_alloc_st(graph->arena, graph->n_outputs, sizeof *out->output, "outputs",
                         &out->output, st));
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        if (graph->tensor[t].has_shape && graph->tensor[t].origin != DMS_ORIGIN_NODE)
            DMS_TRY(dms_lower_own_storage(graph, t, st));
    for (uint32_t n = 0; n < graph->n_nodes; n++)
        if (!graph->node[n].is_gone)
            DMS_TRY(lower_one(&lo, n, st));
    for (uint32_t k = 0; k < graph->n_outputs; k++)
        DMS_TRY(lower_output(&lo, k, st));
    graph->fill_bytes = count_fills(out);
    return DMS_OK;
}
