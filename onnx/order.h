/* order.h - in which order can the nodes run, and which of them matter?
 *
 * Reads    operands and producers.
 * Returns  the nodes that the roots need, each after what it reads, otherwise as in the file.
 * Cost     O(nodes + operands).
 * Source   depth-first search (Tarjan 1972), with an explicit stack.
 * Not here the order that saves memory (planner/order).
 */
#ifndef DMS_ONNX_ORDER_H
#define DMS_ONNX_ORDER_H

#include <stdint.h>

#include "schema/arena.h"

typedef struct dms_graph dms_graph; /* graph.h */

/* Node ids in an order of execution. */
typedef struct dms_order {
    uint32_t n, cap;
    uint32_t *node;
} dms_order;

/* Orders nodes [first, end) that `roots` (tensors) depend on.
 * Owner    out->node lives in `scratch`.
 * Errors   DMS_EUNSUPPORTED naming the nodes of a cycle. */
DMS_CHECKED dms_code dms_order_nodes(const dms_graph *graph, uint32_t first, uint32_t end,
                                     const uint32_t *roots, uint32_t n_roots, dms_arena *scratch,
                                     dms_order *out, dms_status *st);

/* Removes from an order what the graph's outputs do not need. */
DMS_CHECKED dms_code dms_order_prune(dms_graph *graph, dms_order *order, dms_arena *scratch,
                                     dms_status *st);

/* Rebuilds graph->node as the nodes of an order, in it; producers follow. */
DMS_CHECKED dms_code dms_order_apply(dms_graph *graph, const dms_order *order, dms_status *st);

/* Refuses what this build cannot compile: lists every operator and data type at once.
 * Errors   DMS_EUNSUPPORTED, at most 12 lines. */
DMS_CHECKED dms_code dms_refuse_unknown(const dms_graph *graph, const dms_order *order,
                                        dms_arena *scratch, dms_status *st);

#endif
