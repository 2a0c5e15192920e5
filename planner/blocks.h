/* blocks.h - steps over cells become a placement problem in numbers.
 *
 * Reads    steps (steps.h) and a profile.
 * Returns  a problem (problem.h) and, per problem tensor, which stored tensor and cell it is.
 * Cost     O(steps x operands).
 * Source   PLACEMENT.md, section 11.
 * Not here the decision (place.h).
 */
#ifndef DMS_PLANNER_BLOCKS_H
#define DMS_PLANNER_BLOCKS_H

#include "planner/problem.h"

typedef struct dms_graph dms_graph; /* onnx/graph.h */
typedef struct dms_steps dms_steps; /* steps.h */

/* What a problem tensor stands for. */
typedef struct dms_block {
    uint32_t tensor; /* in dms_steps.tensor: a weight, an input, or the root of an in-place chain */
    uint32_t cell;   /* of a split tensor, else 0 */
    uint32_t last;   /* newest version of the chain; `tensor` itself where nothing lies over it */
} dms_block;

typedef struct dms_blocks {
    dms_problem problem;
    const dms_problem *predicted; /* the same with the profile's times, where `problem` has those of
                                     a run; else NULL */
    dms_block *block;             /* per problem tensor */
    uint32_t
        *first_block; /* per step tensor: its block (of cell 0), that of the root for a version */
} dms_blocks;

/* Makes the problem.
 * Owner    `arena`; labels are those of graph and steps.
 * Errors   DMS_EINTERNAL (memory, or a problem that breaks its own rules). */
DMS_CHECKED dms_code dms_blocks_make(const dms_graph *graph, const dms_steps *steps,
                                     const dms_profile *profile, dms_arena *arena,
                                     dms_blocks *out_blocks, dms_status *st);

#endif
