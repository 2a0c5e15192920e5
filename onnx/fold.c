/* fold.c - lowers one node and runs its calls on buffers of our own.
 *
 * A node whose operands are constants is treated in this order:
 *
 *     outputs are dense parts of operand 0   they name the same bytes of the same file
 *     large, and a view of operand 0         stays a node; lowering makes it a view of the weight
 *     one FILL of more than 64 KiB           a constant of one element, repeated by the loader
 *     at most 1 MiB, or no larger than the   computed here, by the kernels that would run later, so
 *     constants that nothing else uses,      that folding cannot change a bit of the result
 *     and of little work
 *     all else                               stays a node
 */
#include "onnx/fold.h"
#include "onnx/graph.h"

#include <string.h>

#include "onnx/lower.h"
#include "runtime/kernels/cpu_kernel.h"
#include "schema/checked.h"

#define LARGE_FILL DMS_EMBEDDED_BYTES /* above this one element stands for all */

/* Where one storage lies while its node is computed. */
typedef struct place {
    uint32_t tensor;
    uint8_t *data;
} place;

typedef struct places {
    place *place;
    uint32_t n, cap;
} places;

dms_code dms_fold_count(dms_folder *folder, const uint32_t *tensor, uint32_t n, dms_status *st) {
    DMS_TRY(dms_grow(folder->graph->arena, &folder->n_uses, &folder->cap_uses,
                     folder->graph->n_tensors, sizeof *folder->n_uses, st));
    for (uint32_t k = 0; k < n; k++)
        if (tensor[k] != DMS_NONE)
            folder->n_uses[tensor[k]]++;
    return DMS_OK;
}

/* Its bytes can be had now. */
static bool is_readable(const dms_graph *graph, const dms_tensor *t) {
    return t->origin == DMS_ORIGIN_MADE || t->origin == DMS_ORIGIN_FILL ||
           (t->origin == DMS_ORIGIN_FILE && !graph->file_is_missing[t->file]);
}

/* Bytes of all outputs together; UINT64_MAX when they do not fit. */
static uint64_t output_bytes(const dms_graph *graph, const dms_node *node) {
    uint64_t sum = 0;
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != DMS_NONE && !dms_add(sum, graph->tensor[node->out[k]].bytes, &sum))
            return UINT64_MAX;
    return sum;
}

/* Whether the node's values are known. */
static bool is_known(const dms_graph *graph, const dms_node *node) {
    uint64_t read = 0;
    for (uint32_t k = 0; k < node->n_in && !node->row->is_shape_only; k++) {
        const uint32_t id = node->in[k];
        if (id != DMS_NONE && (!is_readable(graph, &graph->tensor[id]) ||
                               !dms_add(read, graph->tensor[id].bytes, &read)))
            return false;
    }
    return read <= DMS_FOLD_READ;
}

/* Bytes of the constants that a node alone uses; of those that lie in files. */
typedef struct replaced {
    uint64_t all, of_files;
} replaced;

static replaced count_replaced(const dms_folder *folder, const dms_node *node) {
    const dms_graph *graph = folder->graph;
    replaced sum = {0, 0};
    for (uint32_t k = 0; k < node->n_in && !node->row->is_shape_only; k++) {
        const uint32_t id = node->in[k];
        if (id == DMS_NONE)
            continue;
        const dms_tensor *t = &graph->tensor[id];
        const bool is_only_use = id < folder->cap_uses && folder->n_uses[id] <= 1;
        sum.all += is_only_use && t->origin != DMS_ORIGIN_FILL ? t->bytes : 0;
        sum.of_files += is_only_use && t->origin == DMS_ORIGIN_FILE ? t->bytes : 0;
    }
    return sum;
}

/* Whether known values are worth holding: small, or no larger than the constants that nothing else
 * uses. All of them together stay in proportion to the model: a few bytes of Expand and Exp could
 * ask for gigabytes. What was read for one node bounds the sums. */
static bool is_worth_it(const dms_folder *folder, const dms_node *node) {
    const replaced r = count_replaced(folder, node);
    const uint64_t bytes = output_bytes(folder->graph, node);
    const uint64_t allowed = DMS_FOLD_ALL + DMS_FOLD_TIMES * (folder->replaced + r.of_files);
    return bytes <= DMS_FOLD_READ && (bytes <= DMS_FOLD_BYTES || bytes <= r.all) &&
           bytes <= allowed && folder->made <= allowed - bytes;
}

/* Whether these calls may still be computed: as is_worth_it, for the time that they take. */
static bool is_affordable(const dms_folder *folder, const dms_node *node,
                          const dms_lowered *calls) {
    const replaced r = count_replaced(folder, node);
    const uint64_t allowed = DMS_FOLD_WORK + DMS_FOLD_WORK_TIMES * (folder->replaced + r.of_files);
    uint64_t work = folder->work;
    for (uint32_t c = 0; c < calls->n_calls; c++)
        if (!dms_add(work, dms_call_work(&calls->call[c].call), &work))
            return false;
    return work <= allowed;
}

/* Makes output `id` the constant that is a dense part of constant `from`. */
static void share_bytes(dms_graph *graph, uint32_t from, uint32_t id, const dms_view *view) {
    const dms_tensor *source = &graph->tensor[from];
    dms_tensor *t = &graph->tensor[id];
    const bool is_fill = source->origin == DMS_ORIGIN_FILL;
    const uint64_t skip = is_fill ? 0 : (uint64_t)view->offset * dms_dtype_bytes(view->dtype);
    t->origin = source->origin;
    t->file = source->file;
    t->offset = source->offset + skip;
    t->data = source->data == NULL ? NULL : source->data + skip;
    t->producer = DMS_NONE;
}

/* Outputs that are dense parts of a constant input need no bytes of their own. Large ones stay
 * views of a tensor that has other uses, so that it is stored once. */
static bool share_views(dms_folder *folder, dms_node *node) {
    dms_graph *graph = folder->graph;
    dms_view in, view[DMS_MAX_OPERANDS];
    if (node->row->alias == NULL || node->n_in == 0 || node->n_out > DMS_MAX_OPERANDS ||
        !dms_tensor_is_constant(&graph->tensor[node->in[0]]))
        return false;
    const dms_tensor *source = &graph->tensor[node->in[0]];
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t k = 0; k < source->rank; k++)
        dim[k] = dms_extent(source, k);
    if (!dms_view_dense(source->dtype, source->rank, dim, &in))
        return false;
    const bool is_shared = folder->n_uses[node->in[0]] > 1;
    for (uint32_t k = 0; k < node->n_out; k++) {
        if (node->out[k] == DMS_NONE)
            continue;
        if (!node->row->alias(graph, node, k, &in, &view[k]) || !dms_view_is_dense(&view[k]) ||
            (is_shared && graph->tensor[node->out[k]].bytes > DMS_FOLD_BYTES))
            return false;
    }
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != DMS_NONE)
            share_bytes(graph, node->in[0], node->out[k], &view[k]);
    return true;
}

/* A view whose elements are not in order is worth a copy only when small and without repeats. */
static bool stays_view(dms_graph *graph, const dms_node *node) {
    if (node->row->alias == NULL || node->n_out != 1 || node->n_in == 0)
        return false;
    const dms_tensor *in = &graph->tensor[node->in[0]], *out = &graph->tensor[node->out[0]];
    dms_view view;
    if (!node->row->alias(graph, node, 0, &in->view, &view))
        return false;
    return out->bytes > DMS_FOLD_BYTES || (out->bytes > LARGE_FILL && out->bytes > in->bytes);
}

/* The place of a storage; made on first sight. Constants are read, outputs live with the graph. */
static dms_code find_place(dms_folder *folder, const dms_node *node, places *all, uint32_t tensor,
                           uint8_t **out, dms_status *st) {
    dms_graph *graph = folder->graph;
    for (uint32_t k = 0; k < all->n; k++)
        if (all->place[k].tensor == tensor) {
            *out = all->place[k].data;
            return DMS_OK;
        }
    bool is_output = false;
    for (uint32_t k = 0; k < node->n_out; k++)
        is_output |= node->out[k] == tensor;
    const dms_tensor *t = &graph->tensor[tensor];
    const uint8_t *data;
    if (dms_tensor_is_constant(t))
        DMS_TRY(dms_constant_read(graph, tensor, DMS_FOLD_READ, folder->scratch, &data, st));
    else
        DMS_TRY(dms_alloc_st(is_output ? graph->arena : folder->scratch, t->bytes, 1,
                             "a folded constant", &data, st));
    DMS_TRY(dms_grow(folder->scratch, &all->place, &all->cap, (uint64_t)all->n + 1,
                     sizeof *all->place, st));
    memcpy(&all->place[all->n].data, &data, sizeof data);
    all->place[all->n].tensor = tensor;
    *out = all->place[all->n++].data;
    return DMS_OK;
}

/* Runs one call. */
static dms_code run_call(dms_folder *folder, const dms_node *node, places *all,
                         const dms_lowered_call *call, dms_status *st) {
    void *operand[DMS_MAX_OPERANDS], *workspace;
    for (uint32_t k = 0; k < call->call.n_in + call->call.n_out; k++) {
        uint8_t *data;
        const dms_view *view = &call->operand[k].view;
        DMS_TRY(find_place(folder, node, all, call->operand[k].tensor, &data, st));
        operand[k] = data + (uint64_t)view->offset * dms_dtype_bytes(view->dtype);
    }
    DMS_TRY(dms_alloc_st(folder->scratch, dms_call_workspace(&call->call, DMS_DEVICE_CPU), 1,
                         "a workspace", &workspace, st));
    return dms_cpu_run(&call->call, operand, workspace, folder->cpu_scratch, st);
}

/* Makes the output of a node that lowers to one large FILL a constant of one element: a weight that
 * is loaded by repeating it, instead of a step of every inference. */
static dms_code take_fill(dms_graph *graph, const dms_node *node, const dms_lowered *calls,
                          bool *out_done, dms_status *st) {
    if (output_bytes(graph, node) <= LARGE_FILL || calls->n_calls != 1)
        return DMS_OK;
    const dms_call *call = &calls->call[0].call;
    if (call->kernel != DMS_K_FILL || calls->call[0].operand[0].tensor != node->out[0])
        return DMS_OK;
    dms_tensor *t = &graph->tensor[node->out[0]];
    uint8_t *element;
    DMS_TRY(dms_alloc_st(graph->arena, sizeof call->i[0], 1, "a repeated constant", &element, st));
    memcpy(element, call->i, sizeof call->i[0]); /* little endian: the low bytes are it */
    t->data = element;
    t->origin = DMS_ORIGIN_FILL;
    t->producer = DMS_NONE;
    *out_done = true;
    return DMS_OK;
}

/* Gives every operand a storage, dense, its own. */
static dms_code own_storages(dms_graph *graph, const dms_node *node, dms_status *st) {
    for (uint32_t k = 0; k < node->n_in; k++)
        if (node->in[k] != DMS_NONE)
            DMS_TRY(dms_lower_own_storage(graph, node->in[k], st));
    for (uint32_t k = 0; k < node->n_out; k++)
        if (node->out[k] != DMS_NONE)
            DMS_TRY(dms_lower_own_storage(graph, node->out[k], st));
    return DMS_OK;
}

/* Lowers a node: a copy where its output is a view, else what its row says. */
static dms_code lower_node(dms_lowering *lo, uint32_t id, dms_status *st) {
    const dms_node *node = &lo->graph->node[id];
    dms_view view;
    lo->node = id;
    if (node->row->lower != NULL)
        return dms_lower_node(lo, id, st);
    if (node->row->alias == NULL || node->n_out != 1 ||
        !node->row->alias(lo->graph, node, 0, &lo->graph->tensor[node->in[0]].view, &view))
        return dms_node_fail(node, st, "cannot be computed");
    const dms_lowered_operand from = {.tensor = node->in[0], .view = view};
    return dms_lower_copy(lo, node, from, dms_lower_operand(lo, node->out[0]), st);
}

/* Computes the outputs of a node; *out_done is false where this build has no kernel for them. */
static dms_code compute(dms_folder *folder, uint32_t id, bool *out_done, dms_status *st) {
    dms_graph *graph = folder->graph;
    dms_lowered calls = {0};
    dms_lowering lo = {.graph = graph, .arena = folder->scratch, .out = &calls};
    DMS_TRY(lower_node(&lo, id, st));
    const dms_node *node = &graph->node[id];
    DMS_TRY(take_fill(graph, node, &calls, out_done, st));
    if (*out_done || !is_worth_it(folder, node) || !is_affordable(folder, node, &calls))
        return DMS_OK;
    for (uint32_t c = 0; c < calls.n_calls; c++)
        if (!dms_call_runs_on_cpu(&calls.call[c].call))
            return DMS_OK;
    places all = {0};
    folder->made += output_bytes(graph, node);
    folder->replaced += count_replaced(folder, node).of_files;
    for (uint32_t c = 0; c < calls.n_calls; c++)
        folder->work += dms_call_work(&calls.call[c].call);
    for (uint32_t c = 0; c < calls.n_calls; c++)
        if (run_call(folder, node, &all, &calls.call[c], st) != DMS_OK)
            return st->code == DMS_EIO || st->code == DMS_EINTERNAL
                       ? st->code
                       : dms_node_fail(node, st, "with constant inputs: %.600s", st->msg);
    for (uint32_t k = 0; k < node->n_out; k++) {
        uint8_t *data;
        if (node->out[k] == DMS_NONE)
            continue;
        DMS_TRY(find_place(folder, node, &all, node->out[k], &data, st));
        graph->tensor[node->out[k]].data = data;
        graph->tensor[node->out[k]].origin = DMS_ORIGIN_MADE;
        graph->tensor[node->out[k]].producer = DMS_NONE;
    }
    *out_done = true;
    return DMS_OK;
}

/* Memory that kernels use as scratch. */
static dms_code make_cpu_scratch(dms_folder *folder, dms_status *st) {
    if (folder->cpu_scratch != NULL)
        return DMS_OK;
    folder->cpu_scratch = dms_alloc_untouched(folder->graph->arena, DMS_CPU_SCRATCH_BYTES);
    return folder->cpu_scratch != NULL
               ? DMS_OK
               : dms_fail(st, DMS_EINTERNAL, "out of memory: scratch of kernels");
}

dms_code dms_fold_node(dms_folder *folder, uint32_t id, bool *out_done, dms_status *st) {
    dms_graph *graph = folder->graph;
    dms_node *node = &graph->node[id];
    *out_done = false;
    DMS_TRY(dms_fold_count(folder, NULL, 0, st));
    if (share_views(folder, node)) {
        *out_done = true;
        return DMS_OK;
    }
    if (!is_known(graph, node) || (node->row->lower == NULL && !is_worth_it(folder, node)))
        return DMS_OK;
    DMS_TRY(own_storages(graph, node, st));
    if (stays_view(graph, node))
        return DMS_OK;
    DMS_TRY(make_cpu_scratch(folder, st));
    const uint32_t n_tensors = graph->n_tensors;
    const dms_arena_mark mark = dms_arena_here(folder->scratch);
    const dms_code code = compute(folder, id, out_done, st);
    dms_arena_release(folder->scratch, mark);
    graph->n_tensors = n_tensors; /* temporaries of the lowering */
    return code;
}
