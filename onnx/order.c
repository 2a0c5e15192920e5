/* order.c - depth-first order, dead nodes, renumbering.
 *
 * Two searches: the first, from the roots, marks what matters; the second starts at the marked
 * nodes in the order of the file and emits each after its operands. A file that is sorted already
 * keeps its order, and the result does not depend on the order of the outputs.
 */
#include "onnx/order.h"
#include "onnx/graph.h"

#include <stdio.h>
#include <string.h>

#define MOST_NAMED 6u

typedef enum state { STATE_NEW = 0, STATE_OPEN, STATE_DONE } state;

/* A node whose operands are being visited. */
typedef struct frame {
    uint32_t node, next;
} frame;

/* One search. `state` and the nodes are counted from `first`. */
typedef struct search {
    const dms_graph *graph;
    uint32_t first, end;
    uint8_t *state;
    frame *stack;
    uint32_t depth;
    dms_order *out;
} search;

/* The node that makes a tensor, or DMS_NONE when it is outside the search. */
static uint32_t maker(const search *s, uint32_t tensor) {
    if (tensor == DMS_NONE || s->graph->tensor[tensor].origin != DMS_ORIGIN_NODE)
        return DMS_NONE;
    const uint32_t node = s->graph->tensor[tensor].producer;
    const bool is_inside = node != DMS_NONE && node >= s->first && node < s->end;
    return is_inside && !s->graph->node[node].is_gone ? node : DMS_NONE;
}

/* "nodes feed each other in a cycle: 'a' <- 'b' <- 'a'" from the open nodes. */
static dms_code report_cycle(const search *s, uint32_t node, dms_status *st) {
    char list[900];
    size_t at = (size_t)snprintf(list, sizeof list, "'%.100s'", s->graph->node[node].name);
    uint32_t named = 0;
    for (uint32_t k = s->depth; k-- > 0 && s->stack[k].node != node && named < MOST_NAMED; named++)
        at += (size_t)snprintf(list + at, sizeof list - at, " feeds '%.100s', which",
                               s->graph->node[s->stack[k].node].name);
    return dms_fail(st, DMS_EUNSUPPORTED, "nodes form a cycle: %s%s feeds '%.100s'", list,
                    named == MOST_NAMED ? " ..." : "", s->graph->node[node].name);
}

/* Visits a node and all it needs; emits each after its operands. */
static dms_code visit(search *s, uint32_t root, dms_status *st) {
    if (root == DMS_NONE || s->state[root - s->first] != STATE_NEW)
        return DMS_OK;
    s->depth = 0;
    s->stack[s->depth++] = (frame){root, 0};
    s->state[root - s->first] = STATE_OPEN;
    while (s->depth != 0) {
        frame *top = &s->stack[s->depth - 1];
        const dms_node *node = &s->graph->node[top->node];
        if (top->next == node->n_in) {
            s->state[top->node - s->first] = STATE_DONE;
            s->out->node[s->out->n++] = top->node;
            s->depth--;
            continue;
        }
        const uint32_t from = maker(s, node->in[top->next++]);
        if (from == DMS_NONE || s->state[from - s->first] == STATE_DONE)
            continue;
        if (s->state[from - s->first] == STATE_OPEN)
            return report_cycle(s, from, st);
        s->state[from - s->first] = STATE_OPEN;
        s->stack[s->depth++] = (frame){from, 0};
    }
    return DMS_OK;
}

/* Both searches use a stack of our own: a chain of a million nodes is no deeper for it, where calls
 * would run out of the thread's stack. */
dms_code dms_order_nodes(const dms_graph *graph, uint32_t first, uint32_t end,
                         const uint32_t *roots, uint32_t n_roots, dms_arena *scratch,
                         dms_order *out, dms_status *st) {
    const uint32_t n = end - first;
    dms_order live = {0};
    uint8_t *is_live;
    search s = {.graph = graph, .first = first, .end = end, .out = &live};
    DMS_TRY(dms_alloc_st(scratch, n, 1, "node states", &s.state, st));
    DMS_TRY(dms_alloc_st(scratch, n, 1, "node states", &is_live, st));
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *s.stack, "a search", &s.stack, st));
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *live.node, "an order", &live.node, st));
    *out = (dms_order){.cap = n};
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *out->node, "an order", &out->node, st));
    for (uint32_t k = 0; k < n_roots; k++)
        DMS_TRY(visit(&s, maker(&s, roots[k]), st));
    for (uint32_t k = 0; k < live.n; k++)
        is_live[live.node[k] - first] = 1;
    if (n != 0)
        memset(s.state, STATE_NEW, n);
    s.out = out;
    for (uint32_t k = 0; k < n; k++)
        if (is_live[k])
            DMS_TRY(visit(&s, first + k, st));
    return DMS_OK;
}

/* From the back, so that a node is judged when all that could need it has been. */
dms_code dms_order_prune(dms_graph *graph, dms_order *order, dms_arena *scratch, dms_status *st) {
    uint8_t *is_needed;
    DMS_TRY(dms_alloc_st(scratch, graph->n_tensors, 1, "liveness", &is_needed, st));
    for (uint32_t k = 0; k < graph->n_outputs; k++)
        is_needed[graph->output[k]] = 1;
    for (uint32_t k = order->n; k-- > 0;) {
        dms_node *node = &graph->node[order->node[k]];
        bool is_live = false;
        for (uint32_t j = 0; j < node->n_out; j++)
            is_live |= node->out[j] != DMS_NONE && is_needed[node->out[j]];
        node->is_gone |= !is_live;
        for (uint32_t j = 0; !node->is_gone && j < node->n_in; j++)
            if (node->in[j] != DMS_NONE)
                is_needed[node->in[j]] = 1;
    }
    uint32_t kept = 0;
    for (uint32_t k = 0; k < order->n; k++)
        if (!graph->node[order->node[k]].is_gone)
            order->node[kept++] = order->node[k];
    order->n = kept;
    return DMS_OK;
}

dms_code dms_order_apply(dms_graph *graph, const dms_order *order, dms_status *st) {
    dms_node *node;
    DMS_TRY(dms_alloc_st(graph->arena, order->n, sizeof *node, "nodes", &node, st));
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        graph->tensor[t].producer = DMS_NONE;
    for (uint32_t k = 0; k < order->n; k++) {
        node[k] = graph->node[order->node[k]];
        for (uint32_t j = 0; j < node[k].n_out; j++)
            if (node[k].out[j] != DMS_NONE)
                graph->tensor[node[k].out[j]].producer = k;
    }
    graph->node = node;
    graph->n_nodes = graph->cap_nodes = order->n;
    return DMS_OK;
}
