/* lower.c - the builder that rows emit calls with.
 *
 * A call without elements to compute is dropped here, once for all rows: a tensor of no bytes has
 * no buffer, no command and no place. Every other call passes dms_call_check before it is kept, so
 * that a row's mistake, or a model's, is named with its node and never reaches a kernel.
 */
#include "onnx/lower.h"
#include "onnx/graph.h"

#include <string.h>

#include "schema/checked.h"

dms_graph *dms_lower_graph(dms_lowering *lo) {
    return lo->graph;
}

/* A tensor that was a view of another storage becomes one of its own, dense. */
dms_code dms_lower_own_storage(dms_graph *graph, uint32_t tensor, dms_status *st) {
    dms_tensor *t = &graph->tensor[tensor];
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t k = 0; k < t->rank; k++)
        dim[k] = t->dim[k].hi;
    if (!dms_view_dense(t->dtype, t->rank, dim, &t->view))
        return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%.120s': its size exceeds 63 bits", t->name);
    t->storage = tensor;
    return DMS_OK;
}

/* Rows never see storages: a transposed input is the old storage walked in another order, and a
 * kernel that takes strided views reads it in place, without a copy. */
dms_lowered_operand dms_lower_operand(dms_lowering *lo, uint32_t tensor) {
    const dms_tensor *t = &lo->graph->tensor[tensor];
    return (dms_lowered_operand){.tensor = t->storage, .view = t->view};
}

/* A nameless tensor between two calls of one node. It is placed like any other activation. */
dms_code dms_lower_temp(dms_lowering *lo, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                        dms_lowered_operand *out, dms_status *st) {
    const dms_node *node = &lo->graph->node[lo->node];
    if (rank > DMS_MAX_RANK)
        return dms_node_fail(node, st, "an intermediate result has rank %u", (unsigned)rank);
    uint32_t id;
    DMS_TRY(dms_graph_add_tensor(lo->graph, "", &id, st));
    dms_tensor *t = &lo->graph->tensor[id];
    t->dtype = dtype;
    t->has_shape = true;
    t->rank = rank;
    for (uint32_t k = 0; k < rank; k++)
        t->dim[k] = (dms_dim){dim[k], dim[k]};
    t->producer = lo->node;
    if (!dms_view_dense(dtype, rank, dim, &t->view))
        return dms_node_fail(node, st, "an intermediate result exceeds 63 bits of bytes");
    t->bytes = dms_view_bytes(&t->view);
    *out = dms_lower_operand(lo, id);
    return DMS_OK;
}

/* For kernels that take rows only: the copy into order is a call of its own, and its time is in the
 * plan. */
dms_code dms_lower_dense(dms_lowering *lo, uint32_t tensor, dms_lowered_operand *out,
                         dms_status *st) {
    const dms_lowered_operand from = dms_lower_operand(lo, tensor);
    if (dms_view_is_dense(&from.view)) {
        *out = from;
        return DMS_OK;
    }
    DMS_TRY(dms_lower_temp(lo, from.view.dtype, from.view.rank, from.view.dim, out, st));
    return dms_lower_copy(lo, &lo->graph->node[lo->node], from, *out, st);
}

dms_code dms_lower_constant(dms_lowering *lo, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                            const void *data, dms_lowered_operand *out, dms_status *st) {
    dms_view view;
    void *copy;
    uint32_t id;
    if (!dms_view_dense(dtype, rank, dim, &view))
        return dms_node_fail(&lo->graph->node[lo->node], st, "a constant exceeds 63 bits of bytes");
    const uint64_t bytes = dms_view_bytes(&view);
    DMS_TRY(dms_alloc_st(lo->graph->arena, bytes, 1, "a constant", &copy, st));
    if (bytes != 0)
        memcpy(copy, data, (size_t)bytes);
    DMS_TRY(dms_graph_add_constant(lo->graph, "", dtype, rank, dim, copy, &id, st));
    lo->graph->tensor[id].view = view;
    *out = dms_lower_operand(lo, id);
    return DMS_OK;
}

/* Every output is empty: nothing is left to compute. */
static bool computes_nothing(uint32_t n_in, uint32_t n_out, const dms_lowered_operand *operand) {
    for (uint32_t k = n_in; k < n_in + n_out; k++)
        if (dms_view_count(&operand[k].view) != 0)
            return false;
    return true;
}

/* Copies operands, views and parameters of a call into the arena. */
static dms_code keep_call(dms_lowering *lo, const dms_call *from,
                          const dms_lowered_operand *operand, dms_lowered_call *to,
                          dms_status *st) {
    const uint32_t n = from->n_in + from->n_out;
    dms_view *view;
    dms_lowered_operand *kept;
    int64_t *i;
    double *f;
    DMS_TRY(dms_alloc_st(lo->arena, n, sizeof *view, "a call", &view, st));
    DMS_TRY(dms_alloc_st(lo->arena, n, sizeof *kept, "a call", &kept, st));
    DMS_TRY(dms_alloc_st(lo->arena, from->n_i, sizeof *i, "a call", &i, st));
    DMS_TRY(dms_alloc_st(lo->arena, from->n_f, sizeof *f, "a call", &f, st));
    for (uint32_t k = 0; k < n; k++) {
        kept[k] = operand[k];
        view[k] = operand[k].view;
    }
    if (from->n_i != 0)
        memcpy(i, from->i, from->n_i * sizeof *i);
    if (from->n_f != 0)
        memcpy(f, from->f, from->n_f * sizeof *f);
    *to = (dms_lowered_call){.node = lo->node, .call = *from, .operand = kept};
    to->call.view = view;
    to->call.i = i;
    to->call.f = f;
    return DMS_OK;
}

dms_code dms_lower_call(dms_lowering *lo, const dms_node *node, uint32_t kernel, uint32_t n_in,
                        uint32_t n_out, const dms_lowered_operand *operand, uint32_t n_i,
                        const int64_t *i, uint32_t n_f, const double *f, dms_status *st) {
    if (n_in + n_out > DMS_MAX_OPERANDS || n_i > DMS_MAX_PARAMS || n_f > DMS_MAX_PARAMS)
        return dms_node_fail(node, st, "too many operands or parameters for one call");
    if (computes_nothing(n_in, n_out, operand))
        return DMS_OK;
    dms_call call = {
        .kernel = kernel, .n_in = n_in, .n_out = n_out, .n_i = n_i, .n_f = n_f, .i = i, .f = f};
    dms_lowered_call kept;
    DMS_TRY(keep_call(lo, &call, operand, &kept, st));
    dms_status why = {0};
    if (dms_call_check(&kept.call, &why) != DMS_OK)
        return dms_node_fail(node, st, "%.900s", why.msg);
    dms_lowered *out = lo->out;
    DMS_TRY(dms_grow(lo->arena, &out->call, &out->cap_calls, (uint64_t)out->n_calls + 1,
                     sizeof *out->call, st));
    out->call[out->n_calls++] = kept;
    return DMS_OK;
}

dms_code dms_lower_copy(dms_lowering *lo, const dms_node *node, dms_lowered_operand from,
                        dms_lowered_operand to, dms_status *st) {
    const dms_lowered_operand operand[2] = {from, to};
    const int64_t forward = 0;
    return dms_lower_call(lo, node, DMS_K_COPY, 1, 1, operand, 1, &forward, 0, NULL, st);
}

dms_code dms_lower_node(dms_lowering *lo, uint32_t node, dms_status *st) {
    const dms_node *n = &lo->graph->node[node];
    lo->node = node;
    if (n->row->lower == NULL)
        return dms_node_fail(n, st, "its input cannot be walked in the order of its output");
    return n->row->lower(lo, n, st);
}
