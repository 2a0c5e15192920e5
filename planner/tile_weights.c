/* tile_weights.c - layout, grid and sources of constants; which tensors lie over which. */
#include <string.h>

#include "planner/tile_internal.h"
#include "schema/checked.h"

/* Cells are a 128th of the weights, so that even a small budget holds several: while one is in use
 * the next is on its way. The least sizes keep latencies and launches small
 * against copies, the largest one keeps stock fine. */
#define CELLS_IN_MODEL 128u
#define CELL_MULTIPLE 64 /* columns: cells of equal width serve every kernel's panels and threads */
#define SMALLEST_CELL_BYTES (64u << 10)
#define LARGEST_CELL_BYTES (64u << 20)
#define SMALLEST_CUDA_CELL_BYTES (16u << 20)
#define SHORTEST_RUN_BYTES (64u << 10) /* of a file: below, storage reads the gaps as well */
#define MOST_FINER 4u                  /* cells for the sake of a result that leaves, of one */
#define LARGEST_PART 2u                /* target cells in a cell whose granule is many rows */

/* The bytes a cell should have: a function of model and device kind alone. */
static uint64_t target_cell_bytes(const dms_tiling *t) {
    const uint64_t least =
        t->profile->device_kind == DMS_DEVICE_CUDA ? SMALLEST_CUDA_CELL_BYTES : SMALLEST_CELL_BYTES;
    const uint64_t target = t->out->weights_bytes / CELLS_IN_MODEL;
    if (target < least)
        return least;
    return target > LARGEST_CELL_BYTES ? LARGEST_CELL_BYTES : target;
}

int64_t dms_tile_n_cells(const dms_tiling *t, const dms_tile_plan *plan, uint64_t bytes) {
    uint64_t leaving = 0;
    for (uint32_t u = 0; u < plan->n_uses; u++) {
        const dms_lowered_call *low = &t->lowered->call[t->use[plan->first_use + u].call];
        const uint32_t y = low->call.n_in;
        if (low->call.n_out == 1 && dms_tile_may_leave(t, low->operand[y].tensor) &&
            dms_view_bytes(&low->call.view[y]) > leaving)
            leaving = dms_view_bytes(&low->call.view[y]);
    }
    const uint64_t target = t->target_cell_bytes;
    const uint64_t n = (bytes + target - 1) / target;
    const uint64_t n_pairs = (bytes / 2 + leaving / 2 + target - 1) / target;
    if (n <= 1 || n_pairs <= n)
        return (int64_t)n;
    return (int64_t)(n_pairs < MOST_FINER * n ? n_pairs : MOST_FINER * n);
}

/* The view covers a whole storage of `count` elements, densely. */
static bool is_whole(const dms_view *view, int64_t count) {
    return view->offset == 0 && dms_view_is_dense(view) && dms_view_count(view) == count;
}

static bool same_view(const dms_view *a, const dms_view *b) {
    if (a->dtype != b->dtype || a->offset != b->offset || !dms_view_same_dims(a, b))
        return false;
    return memcmp(a->pitch, b->pitch, a->rank * sizeof a->pitch[0]) == 0;
}

/* Every use of the weight agrees on one packed layout: a block has one layout on all tiers, and a
 * weight that two kernels read otherwise stays plain. */
static bool agree_on_packing(const dms_tiling *t, const dms_tile_plan *plan, dms_packing *out) {
    for (uint32_t u = 0; u < plan->n_uses; u++) {
        const dms_tile_use use = t->use[plan->first_use + u];
        const dms_call *call = &t->lowered->call[use.call].call;
        dms_packing one = {.valid_last = 0};
        if (use.operand >= call->n_in ||
            !dms_call_pack(call, use.operand, (dms_device_kind)t->profile->device_kind, &one))
            return false;
        if (u > 0 && (!same_view(&one.stored, &out->stored) ||
                      !same_view(&one.source, &out->source) || one.valid_last != out->valid_last))
            return false;
        *out = one;
    }
    return plan->n_uses > 0;
}

/* Every plain use names the whole storage with the same dims, which then are the stored ones. */
static bool agree_on_plain(const dms_tiling *t, const dms_tile_plan *plan, int64_t count,
                           dms_packing *out) {
    for (uint32_t u = 0; u < plan->n_uses; u++) {
        const dms_tile_use use = t->use[plan->first_use + u];
        const dms_view *view = &t->lowered->call[use.call].call.view[use.operand];
        if (!is_whole(view, count) || (u > 0 && !dms_view_same_dims(view, &out->stored)))
            return false;
        if (u == 0 && !dms_view_dense(view->dtype, view->rank, view->dim, &out->stored))
            return false;
    }
    out->source = out->stored;
    return plan->n_uses > 0;
}

/* The call of a use as it will be: with the packed weight, if it is. `view` and `own` give storage.
 * False where the use takes no such packing. */
static bool call_of_use(const dms_tiling *t, dms_tile_use use, const dms_tile_plan *plan,
                        dms_view *view, dms_packing *own, dms_call *out) {
    *out = t->lowered->call[use.call].call;
    memcpy(view, out->view, (out->n_in + out->n_out) * sizeof *view);
    if (plan->is_packed) {
        if (!dms_call_pack(&t->lowered->call[use.call].call, use.operand,
                           (dms_device_kind)t->profile->device_kind, own))
            return false;
        view[use.operand] = plan->packing.stored;
        out->i = own->i;
    }
    out->view = view;
    return true;
}

bool dms_tile_outputs_are_whole(const dms_tiling *t, dms_tile_use use, const dms_call *call,
                                const dms_cut *cut) {
    const dms_lowered_call *low = &t->lowered->call[use.call];
    for (uint32_t k = call->n_in; k < call->n_in + call->n_out; k++) {
        const uint32_t storage = low->operand[k].tensor;
        int64_t count = 1;
        for (uint32_t d = 0; d < t->graph->tensor[storage].rank; d++)
            count *= t->graph->tensor[storage].dim[d].hi;
        if (cut->axis[k] < 0 || !is_whole(&call->view[k], count))
            return false;
    }
    return true;
}

int64_t dms_tile_cell_width(const dms_cut *cut) {
    int64_t width = cut->granule;
    while (width < CELL_MULTIPLE && width * 2 <= cut->extent)
        width *= 2;
    return width;
}

/* The use can be cut along an axis of the stored weight, *axis, and what it writes is stored whole.
 * Raises *granule to what the kernel asks for, in entries of that axis. */
static bool use_can_be_cut(const dms_tiling *t, dms_tile_use use, const dms_tile_plan *plan,
                           int32_t *axis, int64_t *granule) {
    dms_view view[DMS_MAX_OPERANDS];
    dms_packing own;
    dms_call call;
    if (!call_of_use(t, use, plan, view, &own, &call))
        return false;
    dms_cut cut;
    if (!dms_call_cut(&call, &cut) || cut.axis[use.operand] < 0)
        return false;
    *axis = cut.axis[use.operand];
    if (*axis != 0 && t->profile->device_kind != DMS_DEVICE_CUDA)
        return false;
    if (!dms_tile_outputs_are_whole(t, use, &call, &cut))
        return false;
    const int64_t width = dms_tile_cell_width(&cut);
    if (width / cut.unit[use.operand] > *granule)
        *granule = width / cut.unit[use.operand];
    return true;
}

bool dms_tile_has_rival(const dms_tiling *t, dms_tile_use use) {
    const dms_lowered_call *low = &t->lowered->call[use.call];
    for (uint32_t k = 0; k < low->call.n_in; k++)
        if (k != use.operand && t->plan[low->operand[k].tensor].cell_len != 0)
            return true;
    return false;
}

int64_t dms_tile_cell_length(int64_t entries, int64_t n_cells, int64_t granule) {
    int64_t length = (entries + n_cells - 1) / n_cells;
    length = (length + granule - 1) / granule * granule;
    return length >= entries ? 0 : length;
}

/* Entries of *out_axis in a cell; 0 = the weight stays whole. Equal cells but for the last one: as
 * many as the target asks for, then rounded up to the granule of every kernel that reads them. A
 * plain matrix [k, n] is cut by columns: a cell lies in the file row by row, and in every arena as
 * one dense block. Only on CUDA, where cells have megabytes: elsewhere the rows of a cell would be
 * a few hundred bytes of the file each. */
static int64_t choose_cell(const dms_tiling *t, const dms_tile_plan *plan, int64_t n_cells,
                           uint32_t *out_axis) {
    int64_t granule = 1;
    for (uint32_t u = 0; u < plan->n_uses; u++) {
        const dms_tile_use use = t->use[plan->first_use + u];
        int32_t axis;
        if (!use_can_be_cut(t, use, plan, &axis, &granule) ||
            (u > 0 && (uint32_t)axis != *out_axis))
            return 0;
        *out_axis = (uint32_t)axis;
    }
    return dms_tile_cell_length(plan->packing.stored.dim[*out_axis], n_cells, granule);
}

/* Elements of the file that follow each other in the first `len` entries of an axis of `view`, up
 * to the first gap. */
static int64_t run_of_cell(const dms_view *view, uint32_t axis, int64_t len) {
    bool is_met[DMS_MAX_RANK] = {false};
    int64_t run = 1;
    for (uint32_t round = 0; round < view->rank; round++) {
        uint32_t next = DMS_NONE;
        for (uint32_t k = 0; k < view->rank; k++)
            if (!is_met[k] && (next == DMS_NONE || view->pitch[k] < view->pitch[next]))
                next = k;
        if (view->pitch[next] > run)
            break;
        is_met[next] = true;
        run += ((next == axis ? len : view->dim[next]) - 1) * view->pitch[next];
    }
    return run;
}

/* The use is a sum along *axis that can be cut there. Raises *sums to the bytes of its sums. */
static bool use_can_be_parted(const dms_tiling *t, dms_tile_use use, const dms_tile_plan *plan,
                              int32_t *axis, int64_t *granule, uint64_t *sums) {
    dms_view view[DMS_MAX_OPERANDS];
    dms_packing own;
    dms_call call;
    dms_cut cut;
    if (!call_of_use(t, use, plan, view, &own, &call) || !dms_call_cut_sums(&call, &cut) ||
        cut.axis[use.operand] < 0)
        return false;
    *axis = cut.axis[use.operand];
    *granule = cut.granule > *granule ? cut.granule : *granule;
    dms_view one = view[call.n_in];
    one.dtype = DMS_DTYPE_F32;
    *sums = dms_view_bytes(&one) > *sums ? dms_view_bytes(&one) : *sums;
    return true;
}

/* As choose_cell, along what the readers sum over: a cell then is some rows of a matrix [k, n], one
 * range of its file. Chosen where cells of columns, `columns` entries of `axis`, would be runs
 * shorter than SHORTEST_RUN_BYTES, which storage reads with what lies between them; not where the
 * granule makes such cells too large, or where the sums, which are on the device and are written
 * and read once per cell, are larger than a cell. Panels that end in columns that no file has are
 * no range: P columns of which n < P exist make cells of P l elements, l > 1, with runs of
 * P + (l - 1) n. */
static int64_t choose_part(const dms_tiling *t, const dms_tile_plan *plan, int64_t n_cells,
                           int64_t columns, uint32_t axis, uint32_t *out_axis) {
    const dms_view *source = &plan->packing.source;
    const uint64_t element = dms_dtype_bytes(source->dtype);
    const uint64_t bytes = dms_view_bytes(&plan->packing.stored);
    int64_t granule = 1;
    uint64_t sums = 0;
    if (columns != 0 &&
        (uint64_t)run_of_cell(source, axis, columns) * element >= SHORTEST_RUN_BYTES)
        return 0;
    for (uint32_t u = 0; u < plan->n_uses; u++) {
        int32_t one;
        if (!use_can_be_parted(t, t->use[plan->first_use + u], plan, &one, &granule, &sums) ||
            (u > 0 && (uint32_t)one != *out_axis))
            return 0;
        *out_axis = (uint32_t)one;
    }
    const int64_t entries = source->dim[*out_axis];
    const int64_t length = dms_tile_cell_length(entries, n_cells, granule);
    const uint64_t cell = length == 0 ? 0 : bytes / (uint64_t)entries * (uint64_t)length;
    const bool is_one_run =
        (uint64_t)run_of_cell(source, *out_axis, length) * element >= cell && length != 0;
    return is_one_run && sums <= cell && cell <= LARGEST_PART * t->target_cell_bytes ? length : 0;
}

/* Cuts a weight, if it is larger than a cell. */
static void choose_grid(const dms_tiling *t, dms_tile_plan *plan) {
    const uint64_t bytes = dms_view_bytes(&plan->packing.stored);
    const int64_t n_cells = dms_tile_n_cells(t, plan, bytes);
    if (n_cells <= 1 || plan->packing.stored.rank == 0)
        return;
    for (uint32_t u = 0; u < plan->n_uses; u++)
        if (dms_tile_has_rival(t, t->use[plan->first_use + u]))
            return;
    uint32_t axis = 0;
    plan->cell_len = choose_cell(t, plan, n_cells, &plan->cell_axis);
    const int64_t part = choose_part(t, plan, n_cells, plan->cell_len, plan->cell_axis, &axis);
    if (part == 0)
        return;
    plan->cell_len = part;
    plan->cell_axis = axis;
    plan->is_cut_in_sums = true;
}

dms_code dms_tile_weights(dms_tiling *t, dms_status *st) {
    (void)st;
    t->target_cell_bytes = target_cell_bytes(t);
    for (uint32_t i = 0; i < t->graph->n_tensors; i++) {
        const dms_tensor *tensor = &t->graph->tensor[i];
        dms_tile_plan *plan = &t->plan[i];
        if (plan->n_uses == 0 || !dms_tensor_is_constant(tensor))
            continue;
        int64_t count = 1;
        for (uint32_t k = 0; k < tensor->rank; k++)
            count *= tensor->dim[k].hi;
        dms_packing packing = {.valid_last = 0};
        const bool is_packed = agree_on_packing(t, plan, &packing);
        if (!is_packed)
            dms_tile_choose_rows(t, i, true);
        if (plan->cell_len != 0)
            continue;
        if (!is_packed && !agree_on_plain(t, plan, count, &packing)) {
            dms_tile_choose_rows(t, i, false);
            continue;
        }
        plan->is_packed = is_packed;
        plan->packing = packing;
        choose_grid(t, plan);
    }
    return DMS_OK;
}

/* Copies the elements that `view` walks in `plain` to `out`, dense; entries from valid_last on, in
 * the last entry of axis 0, are zero. */
static void gather(const uint8_t *plain, const dms_view *view, int64_t valid_last, uint8_t *out) {
    const uint32_t size = dms_dtype_bytes(view->dtype);
    const int64_t count = dms_view_count(view);
    for (int64_t n = 0; n < count; n++) {
        int64_t rest = n, at = view->offset;
        int64_t last = 0, first = 0;
        for (uint32_t k = view->rank; k-- > 0;) {
            const int64_t i = rest % view->dim[k];
            rest /= view->dim[k];
            at += i * view->pitch[k];
            last = k + 1 == view->rank ? i : last;
            first = i;
        }
        const bool exists = valid_last == 0 || first + 1 < view->dim[0] || last < valid_last;
        if (exists)
            memcpy(out + n * size, plain + at * size, size);
        else
            memset(out + n * size, 0, size);
    }
}

/* Appends a large constant made by dmsc to the bytes of PLAN.consts; *out_offset is its place. */
static dms_code append_const(dms_tiling *t, const dms_tensor *tensor, uint64_t *out_offset,
                             dms_status *st) {
    dms_steps *s = t->out;
    uint64_t bytes, start, total;
    DMS_TRY(dms_tensor_bytes(tensor, &bytes, st));
    if (!dms_align_up(s->n_consts, DMS_ALIGN, &start) || !dms_add(start, bytes, &total))
        return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%s': constants exceed 64 bits",
                        tensor->name);
    if (total > t->cap_consts) { /* a quarter more each time: an arena gives nothing back */
        const uint64_t cap = total > UINT64_MAX / 2 ? total : total + total / 4;
        uint8_t *grown;
        DMS_TRY(dms_alloc_st(t->arena, cap, 1, "constants made by dmsc", &grown, st));
        if (s->n_consts > 0)
            memcpy(grown, t->consts, (size_t)s->n_consts);
        t->cap_consts = cap;
        s->consts = t->consts = grown;
    }
    memcpy(t->consts + start, tensor->data, (size_t)bytes);
    s->n_consts = total;
    *out_offset = start;
    return DMS_OK;
}

/* The source of cell `cell`: where it begins in the walk over the plain constant. */
static dms_source cell_source(const dms_step_tensor *tensor, const dms_packing *packing,
                              uint32_t cell, uint32_t n_cells) {
    dms_source source = {.file = DMS_NONE, .view = packing->source};
    if (tensor->plan.cell_len != 0) {
        const uint32_t axis = tensor->plan.cell_axis;
        const int64_t first = (int64_t)cell * tensor->plan.cell_len;
        const int64_t rest = packing->stored.dim[axis] - first;
        source.view.dim[axis] = rest < tensor->plan.cell_len ? rest : tensor->plan.cell_len;
        source.view.offset += first * source.view.pitch[axis];
    }
    source.valid_last = cell + 1 == n_cells ? packing->valid_last : 0;
    return source;
}

dms_code dms_tile_sources(dms_tiling *t, uint32_t storage, dms_step_tensor *tensor,
                          dms_status *st) {
    dms_steps *s = t->out;
    const dms_tensor *g = &t->graph->tensor[storage];
    const dms_tile_plan *plan = &t->plan[storage];
    dms_packing packing = plan->packing;
    if (!plan->is_packed && plan->cell_len == 0)
        packing = (dms_packing){.stored = tensor->plan.stored, .source = tensor->plan.stored};
    tensor->plan.stored = packing.stored;
    tensor->bytes = dms_view_bytes(&packing.stored);
    const uint32_t n_cells = dms_plan_cells(&tensor->plan);
    DMS_TRY(dms_grow(t->arena, &s->source, &s->cap_sources, (uint64_t)s->n_sources + n_cells,
                     sizeof *s->source, st));
    tensor->plan.first_source = s->n_sources;
    uint64_t bytes, const_offset = 0;
    DMS_TRY(dms_tensor_bytes(g, &bytes, st));
    const bool is_embedded = g->origin == DMS_ORIGIN_MADE && tensor->bytes <= DMS_EMBEDDED_BYTES;
    if (g->origin == DMS_ORIGIN_MADE && !is_embedded)
        DMS_TRY(append_const(t, g, &const_offset, st));
    for (uint32_t c = 0; c < n_cells; c++) {
        dms_source source = cell_source(tensor, &packing, c, n_cells);
        if (g->origin == DMS_ORIGIN_FILL) { /* one element, walked on the spot */
            source.embedded = g->data;
            source.n_embedded = dms_dtype_bytes(g->dtype);
            source.view.offset = 0;
            memset(source.view.pitch, 0, sizeof source.view.pitch);
        } else if (is_embedded) {
            source.n_embedded = dms_view_bytes(&source.view);
            uint8_t *dense;
            DMS_TRY(dms_alloc_st(t->arena, source.n_embedded, 1, "small constants", &dense, st));
            gather(g->data, &source.view, source.valid_last, dense);
            source.embedded = dense;
            source.view.offset = 0;
            (void)dms_view_dense(source.view.dtype, source.view.rank, source.view.dim,
                                 &source.view);
            source.valid_last = 0;
        } else {
            source.file = g->origin == DMS_ORIGIN_MADE ? t->graph->n_files : g->file;
            source.offset = g->origin == DMS_ORIGIN_MADE ? const_offset : g->offset;
        }
        s->source[s->n_sources++] = source;
    }
    return DMS_OK;
}

/* What the scan for in-place steps knows of a chain of tensors that share one range. */
typedef struct chain {
    uint32_t last_touch;
    bool is_one_run; /* all touches so far are neighbouring steps */
} chain;

/* Operand k of the step may give its place to operand o: it is an activation that ends here, o
 * begins here, both are whole and of equal size, no other operand of the step reads it, and it has
 * not been given to another output. */
static bool may_replace(const dms_steps *s, uint32_t step, const dms_call *call, uint32_t k,
                        uint32_t o) {
    const dms_step *it = &s->step[step];
    const dms_step_tensor *from = &s->tensor[it->operand[k].tensor];
    const dms_step_tensor *to = &s->tensor[it->operand[o].tensor];
    if (from->plan.kind != DMS_TENSOR_ACTIVATION || from->last_step != step ||
        from->bytes != to->bytes || to->first_step != step || to->plan.cell_len != 0)
        return false;
    for (uint32_t j = 0; j < call->n_in; j++)
        if (j != k && it->operand[j].tensor == it->operand[k].tensor)
            return false;
    for (uint32_t j = call->n_in; j < call->n_in + call->n_out; j++)
        if (s->tensor[it->operand[j].tensor].over == it->operand[k].tensor)
            return false;
    return is_whole(&call->view[k], dms_view_count(&from->plan.stored)) &&
           is_whole(&call->view[o], dms_view_count(&to->plan.stored));
}

/* Lets one output of the step take the place of one input, where that is possible. */
static void try_step(dms_steps *s, uint32_t step, const chain *chains) {
    const dms_call *call = &s->call[s->step[step].call];
    for (uint32_t o = 0; o < call->n_out; o++)
        for (uint32_t k = 0; k < call->n_in; k++) {
            const uint32_t from = s->step[step].operand[k].tensor;
            const uint32_t to = s->step[step].operand[call->n_in + o].tensor;
            if (s->tensor[to].over == DMS_NONE && dms_call_in_place(call, k, o) &&
                may_replace(s, step, call, k, call->n_in + o) &&
                chains[dms_steps_root(s, from)].is_one_run)
                s->tensor[to].over = from;
        }
}

void dms_tile_in_place(const dms_graph *graph, dms_steps *steps) {
    const dms_arena_mark mark = dms_arena_here(graph->arena);
    chain *chains = DMS_NEW(graph->arena, chain, steps->n_tensors);
    if (chains == NULL)
        return; /* in place is an improvement, never a need */
    for (uint32_t step = 0; step < steps->n_steps; step++) {
        const dms_step *it = &steps->step[step];
        const dms_call *call = &steps->call[it->call];
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
            chain *c = &chains[dms_steps_root(steps, it->operand[k].tensor)];
            const bool is_new = steps->tensor[it->operand[k].tensor].first_step == step &&
                                steps->tensor[it->operand[k].tensor].over == DMS_NONE;
            c->is_one_run = is_new || (c->is_one_run && step - c->last_touch <= 1);
            c->last_touch = step;
        }
        try_step(steps, step, chains);
    }
    dms_arena_release(graph->arena, mark);
}
