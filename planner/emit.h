/* emit.h - decisions become buffers and commands.
 *
 * Reads    steps (steps.h), the problem and its blocks (blocks.h), one decision (place.h).
 * Returns  a plan (schema/plan.h) without budgets, file digests and meaning, which compile.c adds.
 * Cost     O(commands + buffers).
 * Source   none; the rules that turn slots into waits stand in emit_commands.c.
 * Not here the proof that the plan is safe (runtime/check).
 */
#ifndef DMS_PLANNER_EMIT_H
#define DMS_PLANNER_EMIT_H

/* Places of the ring that kept weights pass through in the prologue, where the host cannot write
 * the device's memory. */
#define DMS_RING_BLOCKS 2u

#include "schema/arena.h"
#include "schema/plan.h"

typedef struct dms_graph dms_graph;       /* onnx/graph.h */
typedef struct dms_steps dms_steps;       /* steps.h */
typedef struct dms_blocks dms_blocks;     /* blocks.h */
typedef struct dms_decision dms_decision; /* place.h */

/* Everything emit reads. */
typedef struct dms_emit_input {
    const dms_graph *graph;
    const dms_steps *steps;
    const dms_blocks *blocks;
    const dms_decision *decision;
    uint32_t device_kind; /* dms_device_kind */
} dms_emit_input;

/* Makes the tables, the prologue and the body of a plan.
 * Owner    `arena`; names and views are borrowed from graph and steps.
 * Errors   DMS_EINTERNAL where decision and steps contradict each other. */
DMS_CHECKED dms_code dms_emit(const dms_emit_input *input, dms_arena *arena, dms_plan *out_plan,
                              dms_status *st);

#endif
