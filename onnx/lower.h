/* lower.h - lowering node by node, for the whole graph and for folding one node.
 *
 * Reads    nodes whose shapes are known.
 * Returns  calls appended to a dms_lowered; views recorded in the tensors.
 * Cost     O(operands) per node.
 * Source   none.
 * Not here what a node lowers to (onnx/ops).
 */
#ifndef DMS_ONNX_LOWER_H
#define DMS_ONNX_LOWER_H

#include "onnx/op.h"
#include "schema/arena.h"

typedef struct dms_lowered dms_lowered; /* graph.h */

/* The state of one lowering. `arena` holds calls and views. */
struct dms_lowering {
    dms_graph *graph;
    dms_arena *arena;
    dms_lowered *out;
    uint32_t node; /* id of the node in work */
};

/* Gives a tensor the dense view of its dims in a storage of its own.
 * Errors   DMS_EUNSUPPORTED: size beyond 63 bits. */
DMS_CHECKED dms_code dms_lower_own_storage(dms_graph *graph, uint32_t tensor, dms_status *st);

/* Tries to make every output of a node a view of input 0. Sets *out_done when that worked. */
DMS_CHECKED dms_code dms_lower_alias(dms_lowering *lo, uint32_t node, bool *out_done,
                                     dms_status *st);

/* Emits the calls of one node whose outputs have their own storages. */
DMS_CHECKED dms_code dms_lower_node(dms_lowering *lo, uint32_t node, dms_status *st);

/* Emits y = x for two operands of equal dims. */
DMS_CHECKED dms_code dms_lower_copy(dms_lowering *lo, const dms_node *node,
                                    dms_lowered_operand from, dms_lowered_operand to,
                                    dms_status *st);

#endif
