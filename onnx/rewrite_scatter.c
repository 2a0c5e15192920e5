/* rewrite_scatter.c - a ScatterND that writes every element at its own place is no scatter.
 *
 * TorchScript assigns a whole causal mask as
 *
 *     ScatterND(old, indices, new)      indices[i0, i1, ..., k] = i_k
 *
 * with indices put together from Range, Reshape, Expand and Concat: 32 bytes for each element of
 * the mask. The result is `new`. The indices are recognised as a constant, or part by part as views
 * of constants 0, 1, 2, ...
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"

#define NEWEST 23u
#define LONGEST_CHAIN 16u
#define LARGEST_CONSTANT (64u << 20)

static bool view_of_constant(dms_rewriter *rw, uint32_t id, uint32_t depth, uint32_t *root,
                             dms_view *out) {
    dms_graph *graph = rw->graph;
    const dms_tensor *t = &graph->tensor[id];
    int64_t dim[DMS_MAX_RANK];
    dms_view in;
    if (dms_tensor_is_constant(t)) {
        for (uint32_t k = 0; k < t->rank; k++)
            dim[k] = dms_extent(t, k);
        *root = id;
        return dms_view_dense(t->dtype, t->rank, dim, out);
    }
    if (t->producer == DMS_NONE || depth == LONGEST_CHAIN)
        return false;
    const dms_node *node = &graph->node[t->producer];
    return node->row->alias != NULL && node->n_out == 1 && node->n_in != 0 &&
           view_of_constant(rw, node->in[0], depth + 1, root, &in) &&
           node->row->alias(graph, node, 0, &in, out);
}

bool dms_view_of_constant(dms_rewriter *rw, uint32_t tensor, uint32_t *out_root, dms_view *out) {
    return view_of_constant(rw, tensor, 0, out_root, out);
}

/* Element `at` of i64 or i32 data. */
static int64_t index_at(dms_dtype dtype, const uint8_t *data, int64_t at) {
    int64_t wide;
    int32_t narrow;
    if (dtype == DMS_DTYPE_I64) {
        memcpy(&wide, data + at * 8, 8);
        return wide;
    }
    memcpy(&narrow, data + at * 4, 4);
    return narrow;
}

/* Reads a small enough constant of indices. */
static const uint8_t *read_indices(dms_rewriter *rw, uint32_t id) {
    const dms_tensor *t = &rw->graph->tensor[id];
    const uint8_t *data;
    dms_status ignored;
    if ((t->dtype != DMS_DTYPE_I64 && t->dtype != DMS_DTYPE_I32) || t->bytes > LARGEST_CONSTANT ||
        dms_constant_read(rw->graph, id, LARGEST_CONSTANT, rw->scratch, &data, &ignored) != DMS_OK)
        return NULL;
    return data;
}

/* Every element of `id` equals its coordinate along `axis`; along other axes it repeats. */
static bool counts_along(dms_rewriter *rw, uint32_t id, uint32_t axis) {
    uint32_t root;
    dms_view view;
    if (!dms_view_of_constant(rw, id, &root, &view))
        return false;
    for (uint32_t k = 0; k < view.rank; k++)
        if (k != axis && view.dim[k] > 1 && view.pitch[k] != 0)
            return false;
    const uint8_t *data = read_indices(rw, root);
    if (data == NULL)
        return false;
    for (int64_t i = 0; i < view.dim[axis]; i++)
        if (index_at(view.dtype, data, view.offset + i * view.pitch[axis]) != i)
            return false;
    return true;
}

/* Indices put together along the last axis, one part per axis. */
static bool is_concat_of_coordinates(dms_rewriter *rw, uint32_t id, uint32_t depth) {
    const dms_node *concat = dms_made_by(rw, id, "Concat");
    const int64_t rank = rw->graph->tensor[id].rank;
    if (concat == NULL || concat->n_in != depth)
        return false;
    const int64_t axis = dms_node_int(concat, "axis", 0);
    if (axis != -1 && axis != rank - 1)
        return false;
    for (uint32_t k = 0; k < depth; k++)
        if (dms_extent(&rw->graph->tensor[concat->in[k]], depth) != 1 ||
            !counts_along(rw, concat->in[k], k))
            return false;
    return true;
}

/* A constant whose last axis holds the coordinates of the others. */
static bool is_table_of_coordinates(dms_rewriter *rw, uint32_t id, uint32_t depth) {
    const dms_tensor *t = &rw->graph->tensor[id];
    const uint8_t *data = dms_tensor_is_constant(t) ? read_indices(rw, id) : NULL;
    int64_t coordinate[DMS_MAX_RANK] = {0};
    if (data == NULL)
        return false;
    const uint64_t n = t->bytes / dms_dtype_bytes((uint32_t)t->dtype) / depth;
    for (uint64_t e = 0; e < n; e++) {
        for (uint32_t k = 0; k < depth; k++)
            if (index_at(t->dtype, data, (int64_t)(e * depth + k)) != coordinate[k])
                return false;
        for (uint32_t k = depth; k-- > 0;) { /* the next coordinate, last axis fastest */
            if (++coordinate[k] < dms_extent(t, k))
                break;
            coordinate[k] = 0;
        }
    }
    return true;
}

/* Indices have one entry per element of data, data and updates the same dims. */
static bool covers_all(const dms_rewriter *rw, const dms_node *node) {
    const dms_tensor *data = dms_in(rw->graph, node, 0), *index = dms_in(rw->graph, node, 1),
                     *update = dms_in(rw->graph, node, 2);
    if (index->rank != data->rank + 1 || update->rank != data->rank || data->rank == 0 ||
        dms_extent(index, data->rank) != (int64_t)data->rank || data->bytes == 0)
        return false;
    for (uint32_t k = 0; k < data->rank; k++)
        if (dms_extent(index, k) != dms_extent(data, k) ||
            dms_extent(update, k) != dms_extent(data, k))
            return false;
    return true;
}

dms_code dms_match_scatter(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    if (strcmp(node->op, "ScatterND") != 0 || node->n_in != 3 || !covers_all(rw, node) ||
        strcmp(dms_node_string(node, "reduction", "none"), "none") != 0)
        return DMS_OK;
    const uint32_t depth = dms_in(rw->graph, node, 0)->rank;
    if (!is_concat_of_coordinates(rw, node->in[1], depth) &&
        !is_table_of_coordinates(rw, node->in[1], depth))
        return DMS_OK;
    const dms_new_node same = {.op = "Identity",
                               .domain = "",
                               .version = NEWEST,
                               .n_in = 1,
                               .in = {node->in[2]},
                               .out = node->out[0]};
    uint32_t ignored;
    DMS_TRY(dms_add_node(rw, &same, id, &ignored, st));
    *out_done = true;
    return DMS_OK;
}
