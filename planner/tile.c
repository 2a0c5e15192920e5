/* tile.c - a lowered graph becomes steps over cells. */
#include <inttypes.h>
#include <string.h>

#include "planner/tile_internal.h"
#include "schema/checked.h"

dms_code dms_tile_collect(dms_tiling *t, dms_status *st) {
    const dms_lowered *lowered = t->lowered;
    uint64_t total = 0;
    for (uint32_t c = 0; c < lowered->n_calls; c++) {
        const dms_call *call = &lowered->call[c].call;
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
            t->plan[lowered->call[c].operand[k].tensor].n_uses++;
        total += call->n_in + call->n_out;
    }
    DMS_TRY(dms_alloc_st(t->arena, total, sizeof *t->use, "uses of tensors", &t->use, st));
    uint32_t at = 0;
    for (uint32_t i = 0; i < t->graph->n_tensors; i++) {
        t->plan[i].id = DMS_NONE;
        t->plan[i].first_use = at;
        at += t->plan[i].n_uses;
        t->plan[i].n_uses = 0;
    }
    for (uint32_t c = 0; c < lowered->n_calls; c++) {
        const dms_call *call = &lowered->call[c].call;
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
            dms_tile_plan *p = &t->plan[lowered->call[c].operand[k].tensor];
            t->use[p->first_use + p->n_uses++] = (dms_tile_use){c, k};
        }
    }
    return DMS_OK;
}

/* Kind of a storage, and its dense layout as the graph has it. */
static dms_code describe(dms_tiling *t, uint32_t storage, dms_step_tensor *out, dms_status *st) {
    const dms_tensor *g = &t->graph->tensor[storage];
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t k = 0; k < g->rank; k++)
        dim[k] = g->dim[k].hi;
    *out = (dms_step_tensor){.origin = storage, .over = DMS_NONE};
    out->plan =
        (dms_plan_tensor){.name = g->name, .kind = DMS_TENSOR_ACTIVATION, .first_source = DMS_NONE};
    out->first_step = out->last_step = DMS_NONE;
    if (!dms_view_dense(g->dtype, g->rank, dim, &out->plan.stored))
        return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%s': size exceeds 63 bits", g->name);
    if (g->origin == DMS_ORIGIN_INPUT)
        out->plan.kind = DMS_TENSOR_INPUT;
    if (dms_tensor_is_constant(g))
        out->plan.kind = DMS_TENSOR_WEIGHT;
    return DMS_OK;
}

dms_code dms_tile_tensor(dms_tiling *t, uint32_t storage, uint32_t *out, dms_status *st) {
    dms_tile_plan *plan = &t->plan[storage];
    if (plan->id == DMS_NONE) {
        dms_step_tensor tensor;
        DMS_TRY(describe(t, storage, &tensor, st));
        if (plan->is_packed)
            tensor.plan.stored = plan->packing.stored;
        tensor.plan.cell_axis = plan->cell_axis;
        tensor.plan.cell_len = plan->cell_len;
        tensor.plan.is_split = plan->cell_len != 0;
        tensor.bytes = dms_view_bytes(&tensor.plan.stored);
        if (tensor.plan.kind == DMS_TENSOR_WEIGHT)
            DMS_TRY(dms_tile_sources(t, storage, &tensor, st));
        dms_steps *s = t->out;
        DMS_TRY(dms_grow(t->arena, &s->tensor, &s->cap_tensors, (uint64_t)s->n_tensors + 1,
                         sizeof *s->tensor, st));
        plan->id = s->n_tensors;
        s->tensor[s->n_tensors++] = tensor;
    }
    *out = plan->id;
    return DMS_OK;
}

/* Index of an equal call in the table of calls, which grows where there is none. Layers and cells
 * repeat, so a plan has few distinct calls; equal means equal 128-bit hashes. The table is twice as
 * large as the steps and never fills, so probing ends. */
static dms_code share_call(dms_tiling *t, const dms_call *call, uint32_t *out, dms_status *st) {
    dms_steps *s = t->out;
    const dms_hash hash = dms_call_hash(call);
    uint32_t slot = (uint32_t)hash.lo & (t->n_hash - 1);
    for (; t->call_of_hash[slot] != 0; slot = (slot + 1) & (t->n_hash - 1)) {
        *out = t->call_of_hash[slot] - 1;
        if (dms_hash_equal(dms_call_hash(&s->call[*out]), hash))
            return DMS_OK;
    }
    DMS_TRY(
        dms_grow(t->arena, &s->call, &s->cap_calls, (uint64_t)s->n_calls + 1, sizeof *call, st));
    dms_call copy = *call;
    const uint32_t n = call->n_in + call->n_out;
    dms_view *view = DMS_NEW(t->arena, dms_view, n);
    int64_t *i = DMS_NEW(t->arena, int64_t, call->n_i);
    if (view == NULL || i == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: kernel calls");
    memcpy(view, call->view, n * sizeof *view);
    if (call->n_i > 0)
        memcpy(i, call->i, call->n_i * sizeof *i);
    copy.view = view;
    copy.i = i;
    *out = s->n_calls;
    s->call[s->n_calls++] = copy;
    t->call_of_hash[slot] = *out + 1;
    return DMS_OK;
}

/* Notes that `step` touches a tensor. */
static void touch(dms_step_tensor *tensor, uint32_t step) {
    if (tensor->first_step == DMS_NONE)
        tensor->first_step = step;
    tensor->last_step = step;
}

/* Appends one step over the given operands. */
static dms_code add_step(dms_tiling *t, uint32_t node, const dms_call *call,
                         const dms_step_operand *operand, dms_status *st) {
    dms_steps *s = t->out;
    const uint32_t n = call->n_in + call->n_out;
    DMS_TRY(dms_call_check(call, st));
    DMS_TRY(
        dms_grow(t->arena, &s->step, &s->cap_steps, (uint64_t)s->n_steps + 1, sizeof *s->step, st));
    dms_step step = {.node = node,
                     .workspace_bytes =
                         dms_call_workspace(call, (dms_device_kind)t->profile->device_kind)};
    dms_step_operand *copy = DMS_NEW(t->arena, dms_step_operand, n);
    if (copy == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: steps");
    memcpy(copy, operand, n * sizeof *copy);
    step.operand = copy;
    step.cost = dms_call_cost(call);
    step.ns = dms_tile_step_ns(t->profile, call, step.cost);
    DMS_TRY(share_call(t, call, &step.call, st));
    for (uint32_t k = 0; k < n; k++)
        touch(&s->tensor[copy[k].tensor], s->n_steps);
    s->step[s->n_steps++] = step;
    return DMS_OK;
}

/* The call with the packed layouts of its weights. `view` and `param` give storage. */
static dms_call packed_call(const dms_tiling *t, const dms_lowered_call *low, dms_view *view,
                            int64_t *param) {
    dms_call call = low->call;
    memcpy(view, call.view, (call.n_in + call.n_out) * sizeof *view);
    call.view = view;
    for (uint32_t k = 0; k < call.n_in; k++) {
        const dms_tile_plan *plan = &t->plan[low->operand[k].tensor];
        if (!plan->is_packed)
            continue;
        dms_packing own; /* its parameters are those of this very call */
        if (!dms_call_pack(&low->call, k, (dms_device_kind)t->profile->device_kind, &own))
            continue;
        view[k] = plan->packing.stored;
        memcpy(param, own.i, call.n_i * sizeof *param);
        call.i = param;
    }
    return call;
}

/* Cells of a weight that has a grid. */
static uint32_t n_cells_of(const dms_tile_plan *plan) {
    const int64_t entries = plan->packing.stored.dim[plan->cell_axis];
    return (uint32_t)((entries + plan->cell_len - 1) / plan->cell_len);
}

/* The operand whose weight has a grid, or -1. */
static int32_t grid_operand(const dms_tiling *t, const dms_lowered_call *low) {
    for (uint32_t k = 0; k < low->call.n_in; k++)
        if (t->plan[low->operand[k].tensor].cell_len != 0)
            return (int32_t)k;
    return -1;
}

/* Bytes of an output cell from which on it leaves by itself: below, a copy more costs as much as
 * the memory of the whole is worth. Where the whole is larger than a cell of weights it would set
 * the floor, so there much smaller ones leave. */
#define LEAVING_CELL_BYTES (1u << 20)
#define SMALLEST_LEAVING_BYTES (16u << 10)

bool dms_tile_may_leave(const dms_tiling *t, uint32_t storage) {
    bool is_output = false;
    for (uint32_t k = 0; k < t->graph->n_outputs; k++)
        is_output = is_output || t->lowered->output[k] == storage;
    return is_output && t->plan[storage].n_uses == 1;
}

/* A result that only the caller reads may leave cell by cell: then no more than a cell of it has to
 * be on the device. */
static bool leaves_by_cell(const dms_tiling *t, uint32_t storage, const dms_plan_tensor *plan) {
    dms_plan_tensor split = *plan;
    split.is_split = true;
    const bool is_large = dms_view_bytes(&plan->stored) > t->target_cell_bytes;
    return dms_tile_may_leave(t, storage) && dms_plan_cells(plan) > 1 &&
           dms_plan_buffer_bytes(&split, 0) >=
               (is_large ? SMALLEST_LEAVING_BYTES : LEAVING_CELL_BYTES);
}

/* A cell that is a block is dense, whatever the pitch of the whole; rows of the outermost axis are
 * that already, in whatever order the view walks them. */
static bool view_in_block(const dms_plan_tensor *plan, dms_view *view) {
    return !plan->is_split || plan->cell_axis == 0 ||
           dms_view_dense(view->dtype, view->rank, view->dim, view);
}

/* Emits the steps of a call that is cut like the weight of operand `by`.
 *
 *   weight    | cell 0 | cell 1 | cell 2 |      one block each, loaded and dropped by itself
 *   output    | cell 0 | cell 1 | cell 2 |      cut alike: step c writes its cell c, a part of the
 *                                               whole or a block that leaves by itself
 *   others    |        whole             |      read by every step
 *
 * `width` counts positions of the cut, of which a cell of operand k has width / unit[k] entries. */
static dms_code add_cells(dms_tiling *t, const dms_lowered_call *low, const dms_call *call,
                          const dms_cut *cut, uint32_t by, dms_step_operand *operand,
                          dms_status *st) {
    const int64_t width = t->plan[low->operand[by].tensor].cell_len * cut->unit[by];
    bool from_cell[DMS_MAX_OPERANDS] = {false};
    from_cell[by] = true;
    for (uint32_t k = call->n_in; k < call->n_in + call->n_out; k++) {
        dms_plan_tensor *plan = &t->out->tensor[operand[k].tensor].plan;
        plan->stored = call->view[k];
        plan->cell_axis = (uint32_t)cut->axis[k];
        plan->cell_len = width / cut->unit[k];
        plan->is_split = leaves_by_cell(t, low->operand[k].tensor, plan);
        from_cell[k] = true;
    }
    dms_view view[DMS_MAX_OPERANDS];
    int64_t param[DMS_MAX_PARAMS];
    uint32_t cell = 0;
    for (int64_t first = 0; first < cut->extent; first += width, cell++) {
        const int64_t end = first + width < cut->extent ? first + width : cut->extent;
        dms_call part;
        if (!dms_call_slice(call, cut, first, end, from_cell, view, param, &part))
            return dms_fail(st, DMS_EINTERNAL, "cell %" PRIu32 " cannot be cut", cell);
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
            if (!view_in_block(&t->out->tensor[operand[k].tensor].plan, &view[k]))
                return dms_fail(st, DMS_EINTERNAL, "cell %" PRIu32 " is too large", cell);
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
            if (from_cell[k]) {
                operand[k].first = cell;
                operand[k].n = 1;
            }
        DMS_TRY(add_step(t, low->node, &part, operand, st));
    }
    return DMS_OK;
}

/* Tensors for the sums of all parts but the last one, or for what they have picked so far. They
 * stand before the result, which may lie over them. */
static dms_code add_sums(dms_tiling *t, const dms_lowered_call *low, const dms_call *call,
                         bool is_pick, uint32_t n, dms_status *st) {
    dms_steps *s = t->out;
    const dms_view *y = &call->view[call->n_in];
    const uint32_t storage = low->operand[call->n_in].tensor;
    dms_step_tensor sums = {.origin = storage, .over = DMS_NONE};
    sums.plan.name = dms_format(t->arena, "%s (%s)", t->graph->tensor[storage].name,
                                is_pick ? "so far" : "sums");
    sums.plan.first_source = sums.first_step = sums.last_step = DMS_NONE;
    if (sums.plan.name == NULL ||
        !dms_view_dense(is_pick ? y->dtype : DMS_DTYPE_F32, y->rank, y->dim, &sums.plan.stored))
        return dms_fail(st, DMS_EINTERNAL, "out of memory: sums");
    sums.plan.kind = DMS_TENSOR_ACTIVATION;
    sums.bytes = dms_view_bytes(&sums.plan.stored);
    DMS_TRY(dms_grow(t->arena, &s->tensor, &s->cap_tensors, (uint64_t)s->n_tensors + n,
                     sizeof *s->tensor, st));
    for (uint32_t c = 0; c < n; c++)
        s->tensor[s->n_tensors++] = sums;
    return DMS_OK;
}

/* Emits the steps of a call whose weight, operand `by`, is cut along what the call sums over.
 *
 *   weight    | cell 0 | cell 1 | cell 2 |      one block each, loaded and dropped by itself
 *   a         | part 0 | part 1 | part 2 |      views of the whole
 *   result    sums 0 ->  sums 1 ->  y           `sums` is the first of them; each is made from the
 *                                               one before, over it where types allow
 *   others                          whole       read by the last step */
static dms_code add_parts(dms_tiling *t, const dms_lowered_call *low, const dms_call *call,
                          const dms_cut *cut, uint32_t by, uint32_t sums,
                          const dms_step_operand *operand, dms_status *st) {
    const int64_t length = t->plan[low->operand[by].tensor].cell_len;
    bool from_cell[DMS_MAX_OPERANDS] = {false};
    from_cell[by] = true;
    uint32_t cell = 0;
    for (int64_t first = 0; first < cut->extent; first += length, cell++) {
        const int64_t end = first + length < cut->extent ? first + length : cut->extent;
        dms_view view[DMS_MAX_OPERANDS];
        int64_t param[DMS_MAX_PARAMS];
        uint32_t from[DMS_MAX_OPERANDS];
        dms_step_operand of_part[DMS_MAX_OPERANDS];
        dms_call part;
        if (!dms_call_part(call, cut, first, end, from_cell, view, param, from, &part))
            return dms_fail(st, DMS_EINTERNAL, "part %" PRIu32 " cannot be cut", cell);
        for (uint32_t k = 0; k <= part.n_in; k++) {
            const uint32_t version = k < part.n_in ? sums + cell - 1 : sums + cell;
            of_part[k] = from[k] == DMS_SUMS ? (dms_step_operand){version, 0, 1} : operand[from[k]];
            if (from[k] != by)
                continue;
            of_part[k] = (dms_step_operand){operand[by].tensor, cell, 1};
            if (!view_in_block(&t->out->tensor[operand[by].tensor].plan, &view[k]))
                return dms_fail(st, DMS_EINTERNAL, "part %" PRIu32 " is too large", cell);
        }
        DMS_TRY(add_step(t, low->node, &part, of_part, st));
    }
    return DMS_OK;
}

/* Emits the step or steps of one lowered call. A call that writes nothing has no step; one that
 * reads nothing of an operand is refused, for no buffer can have 0 bytes. */
static dms_code add_call(dms_tiling *t, const dms_lowered_call *low, dms_status *st) {
    dms_view view[DMS_MAX_OPERANDS];
    int64_t param[DMS_MAX_PARAMS];
    dms_step_operand operand[DMS_MAX_OPERANDS];
    const dms_call call = packed_call(t, low, view, param);
    bool is_empty = true;
    for (uint32_t k = call.n_in; k < call.n_in + call.n_out; k++)
        is_empty = is_empty && dms_view_count(&call.view[k]) == 0;
    if (is_empty)
        return DMS_OK;
    const int32_t by = grid_operand(t, low);
    const dms_tile_plan *grid = by < 0 ? NULL : &t->plan[low->operand[by].tensor];
    const uint32_t sums = t->out->n_tensors;
    dms_cut cut;
    bool has_parts = false;
    if (grid != NULL && !dms_tile_cut(t, &call, grid, (uint32_t)by, &cut, &has_parts))
        return dms_fail(st, DMS_EINTERNAL, "kernel %" PRIu32 " has a grid but no cut", call.kernel);
    if (has_parts)
        DMS_TRY(add_sums(t, low, &call, cut.is_pick, n_cells_of(grid) - 1, st));
    for (uint32_t k = 0; k < call.n_in + call.n_out; k++) {
        if (dms_view_count(&call.view[k]) == 0)
            return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%s' is empty but takes part in a step",
                            t->graph->tensor[low->operand[k].tensor].name);
        DMS_TRY(dms_tile_tensor(t, low->operand[k].tensor, &operand[k].tensor, st));
        operand[k].first = 0;
        operand[k].n = dms_plan_cells(&t->out->tensor[operand[k].tensor].plan);
    }
    dms_code code = by < 0      ? add_step(t, low->node, &call, operand, st)
                    : has_parts ? add_parts(t, low, &call, &cut, (uint32_t)by, sums, operand, st)
                                : add_cells(t, low, &call, &cut, (uint32_t)by, operand, st);
    if (code != DMS_OK)
        return dms_context(st, "node '%s' (%s)", t->graph->node[low->node].name,
                           t->graph->node[low->node].op);
    return DMS_OK;
}

/* Fills the ports; outputs get their kind. */
static dms_code set_ports(dms_tiling *t, dms_status *st) {
    dms_steps *s = t->out;
    const dms_graph *g = t->graph;
    DMS_TRY(dms_alloc_st(t->arena, g->n_inputs, sizeof *s->input, "inputs", &s->input, st));
    DMS_TRY(dms_alloc_st(t->arena, g->n_outputs, sizeof *s->output, "outputs", &s->output, st));
    for (uint32_t k = 0; k < g->n_inputs; k++)
        s->input[k] = t->plan[g->input[k]].id;
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        s->output[k] = t->plan[t->lowered->output[k]].id;
        if (s->output[k] != DMS_NONE)
            s->tensor[s->output[k]].plan.kind = DMS_TENSOR_OUTPUT;
    }
    return DMS_OK;
}

/* Bytes of all constants that steps use, and of large fills. */
static dms_code count_weights(dms_tiling *t, dms_status *st) {
    uint64_t total = t->graph->fill_bytes;
    for (uint32_t i = 0; i < t->graph->n_tensors; i++) {
        uint64_t bytes;
        if (t->plan[i].n_uses == 0 || !dms_tensor_is_constant(&t->graph->tensor[i]))
            continue;
        DMS_TRY(dms_tensor_bytes(&t->graph->tensor[i], &bytes, st));
        if (!dms_add(total, bytes, &total))
            return dms_fail(st, DMS_EUNSUPPORTED, "the weights exceed 64 bits");
    }
    t->out->weights_bytes = total;
    return DMS_OK;
}

dms_code dms_tile(const dms_graph *graph, const dms_lowered *lowered, const dms_profile *profile,
                  dms_arena *arena, dms_steps *out_steps, dms_status *st) {
    dms_steps steps = {0};
    dms_tiling t = {
        .graph = graph, .lowered = lowered, .profile = profile, .arena = arena, .out = &steps};
    DMS_TRY(dms_alloc_st(arena, graph->n_tensors, sizeof *t.plan, "tiles", &t.plan, st));
    DMS_TRY(dms_tile_collect(&t, st));
    DMS_TRY(count_weights(&t, st));
    DMS_TRY(dms_tile_weights(&t, st));
    uint64_t n_steps = 0;
    for (uint32_t c = 0; c < lowered->n_calls; c++) {
        const int32_t by = grid_operand(&t, &lowered->call[c]);
        const dms_tile_plan *plan = by < 0 ? NULL : &t.plan[lowered->call[c].operand[by].tensor];
        n_steps += plan == NULL ? 1 : n_cells_of(plan);
    }
    for (t.n_hash = 64; t.n_hash < 2 * n_steps; t.n_hash *= 2)
        ;
    DMS_TRY(
        dms_alloc_st(arena, t.n_hash, sizeof *t.call_of_hash, "call table", &t.call_of_hash, st));
    for (uint32_t c = 0; c < lowered->n_calls; c++)
        DMS_TRY(add_call(&t, &lowered->call[c], st));
    DMS_TRY(set_ports(&t, st));
    dms_tile_in_place(graph, &steps);
    *out_steps = steps;
    return DMS_OK;
}

/* Number of this step among the steps of its node, and how many there are. */
static uint32_t cell_of_step(const dms_steps *steps, uint32_t step, uint32_t *out_n) {
    uint32_t first = step, end = step + 1;
    while (first > 0 && steps->step[first - 1].node == steps->step[step].node)
        first--;
    while (end < steps->n_steps && steps->step[end].node == steps->step[step].node)
        end++;
    *out_n = end - first;
    return step - first;
}

const char *dms_step_label(const dms_graph *graph, const dms_steps *steps, uint32_t step,
                           dms_arena *arena) {
    const dms_node *node = &graph->node[steps->step[step].node];
    uint32_t n;
    const uint32_t cell = cell_of_step(steps, step, &n);
    if (n == 1)
        return dms_format(arena, "%s %s", node->op, node->name);
    return dms_format(arena, "%s %s [%" PRIu32 "/%" PRIu32 "]", node->op, node->name, cell + 1, n);
}
