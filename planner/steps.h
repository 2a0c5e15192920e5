/* steps.h - the graph as steps over cells: what is computed, before anyone asks where.
 *
 * Reads    a lowered graph (onnx/graph.h), the device kind, a profile for the step times.
 * Returns  tensors as they are stored, each with one grid of cells; the steps in order, each one
 *          call of a kernel over ranges of cells; which tensor lies over which (in place).
 * Cost     O(steps x operands + bytes of embedded constants).
 * Source   none; the grid depends on the model and the device kind alone, never on a budget.
 * Not here tiers and times of copies (place.h), buffers (emit.h).
 */
#ifndef DMS_PLANNER_STEPS_H
#define DMS_PLANNER_STEPS_H

#include "runtime/kernels/kernel.h"
#include "schema/arena.h"
#include "schema/plan.h"
#include "schema/profile.h"

typedef struct dms_graph dms_graph;     /* onnx/graph.h */
typedef struct dms_lowered dms_lowered; /* onnx/graph.h */

/* A tensor as a plan stores it, and where its cells come from. */
typedef struct dms_step_tensor {
    dms_plan_tensor plan; /* first_source counts in dms_steps.source */
    uint32_t origin;      /* id in the graph */
    uint32_t over;        /* in place: the tensor this one is written over, or DMS_NONE */
    uint32_t first_step,
        last_step;  /* first and last step that touches it; DMS_NONE = no step does */
    uint64_t bytes; /* of all cells */
} dms_step_tensor;

/* One operand of a step: cells [first, first + n) of a tensor. */
typedef struct dms_step_operand {
    uint32_t tensor, first, n;
} dms_step_operand;

/* One compute command. */
typedef struct dms_step {
    uint32_t call; /* index into dms_steps.call; equal steps share one */
    uint32_t node; /* of the graph */
    const dms_step_operand *operand;
    uint64_t workspace_bytes;
    dms_cost cost;
    int64_t ns;
} dms_step;

typedef struct dms_steps {
    uint32_t n_tensors, n_sources, n_calls, n_steps;
    uint32_t cap_tensors, cap_sources, cap_calls, cap_steps;
    dms_step_tensor *tensor;
    dms_source *source;
    dms_call *call;
    dms_step *step;
    uint32_t *input, *output; /* tensors of the graph's ports; DMS_NONE where nothing is stored */
    uint64_t weights_bytes;   /* of all constants, fills included: what PCT refers to */
    const uint8_t *consts;    /* constants made by dmsc that are too large to embed */
    uint64_t n_consts;        /* bytes; they become the file PLAN.consts, index graph->n_files */
} dms_steps;

/* The tensor at the bottom of a chain of tensors written in place: they share their bytes. */
static inline uint32_t dms_steps_root(const dms_steps *steps, uint32_t tensor) {
    while (steps->tensor[tensor].over != DMS_NONE)
        tensor = steps->tensor[tensor].over;
    return tensor;
}

/* Cuts a lowered graph into steps.
 * Owner    `arena`; views of the graph and of `lowered` are borrowed for as long as it lives.
 * Errors   DMS_EUNSUPPORTED naming the tensor; DMS_EINTERNAL (memory). */
DMS_CHECKED dms_code dms_tile(const dms_graph *graph, const dms_lowered *lowered,
                              const dms_profile *profile, dms_arena *arena, dms_steps *out_steps,
                              dms_status *st);

/* The label of a step: its operator, and with `with_cell` " [c/n]" where the node has n steps. */
const char *dms_step_label(const dms_graph *graph, const dms_steps *steps, uint32_t step,
                           dms_arena *arena);

#endif
