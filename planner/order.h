/* order.h - the order of calls: another one than the model's where that needs less memory.
 *
 * Reads    lowered calls (onnx/graph.h), or the same as numbers: values with their bytes, calls
 *          with what they touch and wait for.
 * Returns  an order of the same calls that no value's meaning can tell from the first one.
 * Cost     O(calls + touches) where calls can follow each other in one way only; else states that
 *          are counted, O(touches of a call) each.
 * Source   search over sets of calls that were made, level by level: the live bytes of such a set
 *          do not depend on how it was made (Ahn et al., MLSys 2020, and Liu, 1987, use the same);
 *          as a beam, since sets are many.
 * Not here which of two orders a plan takes (compile.c), order of nodes in a model (onnx/order.h).
 */
#ifndef DMS_PLANNER_ORDER_H
#define DMS_PLANNER_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_arena dms_arena;     /* schema/arena.h */
typedef struct dms_profile dms_profile; /* schema/profile.h */
typedef struct dms_graph dms_graph;     /* onnx/graph.h */
typedef struct dms_lowered dms_lowered; /* onnx/graph.h */
typedef struct dms_problem dms_problem; /* problem.h */

/* A call in numbers. Its values are call->value[0 .. n_values), each once. */
typedef struct dms_order_call {
    const uint32_t *value, *pred; /* pred: calls it waits for, earlier ones in the given order */
    uint32_t n_values, n_preds;
    uint64_t extra_bytes; /* workspace and weights, while it runs */
    /* It makes value `gives` in the place of `takes`, if that ends here and was made by the call
     * just before this one, and no other touches it; or DMS_NONE. */
    uint32_t gives, takes;
    int64_t ns;
} dms_order_call;

/* The given order is 0, 1, .. n_calls - 1. A value lives from the first to the last call that
 * touches it. */
typedef struct dms_order_problem {
    uint32_t n_calls, n_values;
    const dms_order_call *call;
    const uint64_t *bytes; /* per value */
} dms_order_problem;

/* What an order needs while everything that is computed stays on the device. */
typedef struct dms_order_cost {
    uint64_t peak_bytes;
    double byte_ns; /* live bytes, each for as long as it lives */
} dms_order_cost;

/* The cost of an order, n_calls numbers of calls.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_order_measure(const dms_order_problem *problem, const uint32_t *order,
                                       dms_arena *scratch, dms_order_cost *out, dms_status *st);

/* An order whose peak is no higher, and whose byte_ns are fewer where the peak is the same; the
 * given one where none was found. With few sets of calls its peak is the least of all orders.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_order_search(const dms_order_problem *problem, dms_arena *scratch,
                                      uint32_t *order, dms_status *st);

/* The calls of a graph in the order that was found; *out_is_other = it is another one.
 * Owner    `arena`; calls are borrowed from `lowered`. */
DMS_CHECKED dms_code dms_order_calls(const dms_graph *graph, const dms_lowered *lowered,
                                     const dms_profile *profile, dms_arena *arena, dms_lowered *out,
                                     bool *out_is_other, dms_status *st);

/* Whether the steps of `other` need so much less memory than those of `own` that a plan could be
 * smaller or faster: at least a thousandth of all bytes, at the peak or on average. */
DMS_CHECKED dms_code dms_order_is_worth(const dms_problem *own, const dms_problem *other,
                                        dms_arena *scratch, bool *out, dms_status *st);

#endif
