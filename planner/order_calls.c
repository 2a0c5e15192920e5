/* order_calls.c - lowered calls as numbers, and back. */
#include "planner/order.h"

#include <stdlib.h>
#include <string.h>

#include "onnx/graph.h"
#include "planner/problem.h"
#include "planner/tile_internal.h"

#define CELLS_IN_MODEL 128u /* about: cells are chosen later (tile_weights.c) */
#define SMALLEST_CELL_BYTES (64u << 10)
#define LEAST_GAIN 1000u /* of all bytes */

/* A call that reads a value, and the one before it that does. */
typedef struct reader {
    uint32_t call, before;
} reader;

typedef struct builder {
    const dms_graph *graph;
    const dms_lowered *lowered;
    const dms_profile *profile;
    dms_arena *arena;
    dms_order_call *call;
    uint64_t *bytes;
    uint32_t *value_of;               /* per tensor of the graph; DMS_NONE: no value */
    bool *is_output;                  /* per value */
    uint32_t *writer, *newest_reader; /* per value: of those since the last writer, into `reader` */
    uint32_t *last_of_node;           /* per node */
    reader *reader;
    uint32_t n_values, n_readers;
    uint64_t cell_bytes;
    uint32_t *edge; /* of one call */
    uint32_t n_edges, cap_edges;
} builder;

/* Operand k is the first one of its call in its storage. */
static bool is_first(const dms_lowered_call *low, uint32_t k) {
    for (uint32_t j = 0; j < k; j++)
        if (low->operand[j].tensor == low->operand[k].tensor)
            return false;
    return true;
}

/* Numbers the storages that are no constants, and sizes up a cell of those that are. */
static dms_code number_values(builder *b, dms_status *st) {
    const dms_graph *g = b->graph;
    uint64_t weights = 0, n_operands = 0;
    for (uint32_t t = 0; t < g->n_tensors; t++)
        b->value_of[t] = DMS_NONE;
    for (uint32_t c = 0; c < b->lowered->n_calls; c++) {
        const dms_lowered_call *low = &b->lowered->call[c];
        n_operands += low->call.n_in + low->call.n_out;
        for (uint32_t k = 0; k < low->call.n_in + low->call.n_out; k++) {
            const uint32_t t = low->operand[k].tensor;
            if (b->value_of[t] != DMS_NONE)
                continue;
            if (dms_tensor_is_constant(&g->tensor[t]))
                weights += g->tensor[t].bytes;
            b->bytes[b->n_values] = dms_view_bytes(&g->tensor[t].view);
            b->value_of[t] = b->n_values++;
        }
    }
    for (uint32_t k = 0; k < g->n_outputs; k++)
        if (b->value_of[b->lowered->output[k]] != DMS_NONE)
            b->is_output[b->value_of[b->lowered->output[k]]] = true;
    for (uint32_t v = 0; v < b->n_values; v++)
        b->writer[v] = b->newest_reader[v] = DMS_NONE;
    b->cell_bytes = weights / CELLS_IN_MODEL;
    if (b->cell_bytes < SMALLEST_CELL_BYTES)
        b->cell_bytes = SMALLEST_CELL_BYTES;
    return dms_alloc_st(b->arena, n_operands, sizeof *b->reader, "an order", &b->reader, st);
}

static dms_code wait_for(builder *b, uint32_t call, dms_status *st) {
    if (call == DMS_NONE)
        return DMS_OK;
    DMS_TRY(
        dms_grow(b->arena, &b->edge, &b->cap_edges, (uint64_t)b->n_edges + 1, sizeof *b->edge, st));
    b->edge[b->n_edges++] = call;
    return DMS_OK;
}

static int by_number(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* What call `c` waits for: the writer of what it reads; readers and writer of what it writes; and
 * the call of the same node before it, since steps of a node are matched by their order. */
static dms_code find_edges(builder *b, uint32_t c, dms_status *st) {
    const dms_lowered_call *low = &b->lowered->call[c];
    b->n_edges = 0;
    DMS_TRY(wait_for(b, b->last_of_node[low->node], st));
    for (uint32_t k = 0; k < low->call.n_in + low->call.n_out; k++) {
        const uint32_t v = b->value_of[low->operand[k].tensor];
        DMS_TRY(wait_for(b, b->writer[v], st));
        for (uint32_t r = b->newest_reader[v]; k >= low->call.n_in && r != DMS_NONE;
             r = b->reader[r].before)
            DMS_TRY(wait_for(b, b->reader[r].call, st));
    }
    b->last_of_node[low->node] = c;
    for (uint32_t k = 0; k < low->call.n_in + low->call.n_out; k++) {
        const uint32_t t = low->operand[k].tensor, v = b->value_of[t];
        if (k >= low->call.n_in) {
            b->writer[v] = c;
            b->newest_reader[v] = DMS_NONE;
        } else if (!dms_tensor_is_constant(&b->graph->tensor[t]) && is_first(low, k)) {
            b->reader[b->n_readers] = (reader){c, b->newest_reader[v]};
            b->newest_reader[v] = b->n_readers++;
        }
    }
    if (b->n_edges > 1)
        qsort(b->edge, b->n_edges, sizeof *b->edge, by_number);
    uint32_t *pred, n = 0;
    DMS_TRY(dms_alloc_st(b->arena, b->n_edges, sizeof *pred, "an order", &pred, st));
    for (uint32_t k = 0; k < b->n_edges; k++)
        if (b->edge[k] != c && (n == 0 || b->edge[k] != pred[n - 1]))
            pred[n++] = b->edge[k];
    b->call[c].pred = pred;
    b->call[c].n_preds = n;
    return DMS_OK;
}

/* The output that may lie over an input which others do not need. */
static void find_place(const builder *b, const dms_lowered_call *low, dms_order_call *call) {
    call->gives = call->takes = DMS_NONE;
    for (uint32_t k = 0; k < low->call.n_in;
         k++) /* a result made cell by cell has a place of its own */
        if (dms_tensor_is_constant(&b->graph->tensor[low->operand[k].tensor]) &&
            b->graph->tensor[low->operand[k].tensor].bytes > b->cell_bytes)
            return;
    for (uint32_t o = 0; o < low->call.n_out; o++)
        for (uint32_t k = 0; k < low->call.n_in; k++) {
            const uint32_t from = low->operand[k].tensor,
                           to = low->operand[low->call.n_in + o].tensor;
            const uint32_t v = b->value_of[from], w = b->value_of[to];
            if (b->graph->tensor[from].origin != DMS_ORIGIN_NODE || b->is_output[v] || v == w ||
                b->bytes[v] != b->bytes[w] || !dms_call_in_place(&low->call, k, o))
                continue;
            call->gives = w;
            call->takes = v;
            return;
        }
}

/* Everything of a call but its edges. */
static dms_code size_up(builder *b, uint32_t c, dms_status *st) {
    const dms_lowered_call *low = &b->lowered->call[c];
    const uint32_t n = low->call.n_in + low->call.n_out;
    dms_order_call *call = &b->call[c];
    uint32_t *value;
    DMS_TRY(dms_alloc_st(b->arena, n, sizeof *value, "an order", &value, st));
    call->extra_bytes = dms_call_workspace(&low->call, (dms_device_kind)b->profile->device_kind);
    for (uint32_t k = 0; k < n; k++) {
        const dms_tensor *t = &b->graph->tensor[low->operand[k].tensor];
        if (!is_first(low, k))
            continue;
        if (dms_tensor_is_constant(t))
            call->extra_bytes += t->bytes < b->cell_bytes ? t->bytes : b->cell_bytes;
        else
            value[call->n_values++] = b->value_of[low->operand[k].tensor];
    }
    call->value = value;
    call->ns = dms_tile_step_ns(b->profile, &low->call, dms_call_cost(&low->call));
    find_place(b, low, call);
    return DMS_OK;
}

static dms_code build(builder *b, dms_order_problem *out, dms_status *st) {
    const uint32_t n_calls = b->lowered->n_calls, n_tensors = b->graph->n_tensors;
    dms_arena *a = b->arena;
    DMS_TRY(dms_alloc_st(a, n_calls, sizeof *b->call, "an order", &b->call, st));
    DMS_TRY(dms_alloc_st(a, n_tensors, sizeof *b->bytes, "an order", &b->bytes, st));
    DMS_TRY(dms_alloc_st(a, n_tensors, sizeof *b->value_of, "an order", &b->value_of, st));
    DMS_TRY(dms_alloc_st(a, n_tensors, sizeof *b->is_output, "an order", &b->is_output, st));
    DMS_TRY(dms_alloc_st(a, n_tensors, sizeof *b->writer, "an order", &b->writer, st));
    DMS_TRY(
        dms_alloc_st(a, n_tensors, sizeof *b->newest_reader, "an order", &b->newest_reader, st));
    DMS_TRY(dms_alloc_st(a, b->graph->n_nodes, sizeof *b->last_of_node, "an order",
                         &b->last_of_node, st));
    for (uint32_t k = 0; k < b->graph->n_nodes; k++)
        b->last_of_node[k] = DMS_NONE;
    DMS_TRY(number_values(b, st));
    for (uint32_t c = 0; c < n_calls; c++) {
        DMS_TRY(find_edges(b, c, st));
        DMS_TRY(size_up(b, c, st));
    }
    *out = (dms_order_problem){n_calls, b->n_values, b->call, b->bytes};
    return DMS_OK;
}

dms_code dms_order_calls(const dms_graph *graph, const dms_lowered *lowered,
                         const dms_profile *profile, dms_arena *arena, dms_lowered *out,
                         bool *out_is_other, dms_status *st) {
    dms_lowered other = *lowered;
    dms_order_problem problem;
    uint32_t *order;
    *out_is_other = false;
    DMS_TRY(dms_alloc_st(arena, lowered->n_calls, sizeof *other.call, "an order", &other.call, st));
    const dms_arena_mark mark = dms_arena_here(arena);
    builder b = {.graph = graph, .lowered = lowered, .profile = profile, .arena = arena};
    DMS_TRY(build(&b, &problem, st));
    DMS_TRY(dms_alloc_st(arena, lowered->n_calls, sizeof *order, "an order", &order, st));
    DMS_TRY(dms_order_search(&problem, arena, order, st));
    for (uint32_t k = 0; k < lowered->n_calls; k++) {
        other.call[k] = lowered->call[order[k]];
        *out_is_other = *out_is_other || order[k] != k;
    }
    dms_arena_release(arena, mark);
    *out = other;
    return DMS_OK;
}

/* Peak and average of what lives between first and last touch, weights while they are in use. */
static dms_code measure(const dms_problem *p, dms_arena *scratch, uint64_t *out_peak,
                        uint64_t *out_mean, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    uint64_t *more, *less, live = 0;
    DMS_TRY(dms_alloc_st(scratch, p->n_steps, sizeof *more, "an order", &more, st));
    DMS_TRY(dms_alloc_st(scratch, p->n_steps, sizeof *less, "an order", &less, st));
    for (uint32_t i = 0; i < p->n_tensors; i++) {
        const dms_problem_tensor *t = &p->tensors[i];
        const uint32_t *touch = p->touches + t->first_touch;
        const bool is_weight = t->kind == DMS_PROBLEM_WEIGHT;
        for (uint32_t k = 0; k < (is_weight ? t->n_touches : 1); k++) {
            more[touch[k]] += t->bytes;
            less[touch[is_weight ? k : t->n_touches - 1]] += t->bytes;
        }
    }
    double sum = 0, ns = 0;
    *out_peak = 0;
    for (uint32_t s = 0; s < p->n_steps; s++) {
        live += more[s];
        const uint64_t bytes = live + p->steps[s].scratch_bytes;
        *out_peak = bytes > *out_peak ? bytes : *out_peak;
        sum += (double)live * (double)p->steps[s].ns;
        ns += (double)p->steps[s].ns;
        live -= less[s];
    }
    *out_mean = ns > 0 ? (uint64_t)(sum / ns) : 0;
    dms_arena_release(scratch, mark);
    return DMS_OK;
}

dms_code dms_order_is_worth(const dms_problem *own, const dms_problem *other, dms_arena *scratch,
                            bool *out, dms_status *st) {
    uint64_t peak, mean, other_peak, other_mean;
    DMS_TRY(measure(own, scratch, &peak, &mean, st));
    DMS_TRY(measure(other, scratch, &other_peak, &other_mean, st));
    const uint64_t least = (own->weight_bytes + peak) / LEAST_GAIN + 1;
    *out = other_peak + least <= peak || other_mean + least <= mean;
    return DMS_OK;
}
