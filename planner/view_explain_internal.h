/* view_explain_internal.h - what the files of --explain share. Not a door. */
#ifndef DMS_PLANNER_VIEW_EXPLAIN_INTERNAL_H
#define DMS_PLANNER_VIEW_EXPLAIN_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "schema/status.h"

typedef struct dms_compiled dms_compiled; /* dmsc.h */
typedef struct dms_problem dms_problem;   /* problem.h */

/* One tensor under the glass. */
typedef struct dms_explain {
    const dms_compiled *c;
    const dms_problem *problem;
    uint32_t tensor;   /* in steps.tensor */
    uint32_t first, n; /* its blocks */
    bool utf8;
    FILE *out;
    const char *name; /* as the user gave it */
} dms_explain;

/* Bytes and times over all gaps of the tensor. */
typedef struct dms_explain_totals {
    uint64_t kept_bytes, streamed_bytes, read_bytes, moved_bytes; /* read: home is the file */
    int64_t link_ns, read_ns, stall_ns;
    uint32_t n_loads, n_choices;
    double shares; /* what the relaxation keeps of the choices, by bytes */
    uint64_t choice_bytes;
} dms_explain_totals;

/* The steps that touch a block. */
const uint32_t *dms_explain_touches(const dms_explain *s, uint32_t block);

/* Steps from touch j to the next one; the last touch of a weight or input looks over the seam. */
uint32_t dms_explain_gap(const dms_explain *s, uint32_t block, uint32_t j);

/* Whether a gap leaves a choice: not between neighbouring steps, not behind the last use. */
bool dms_explain_has_choice(const dms_explain *s, uint32_t block, uint32_t j);

/* What the plan does with the tensor beside what else could be done: memory and time of each way,
 * and the room that its gaps leave. Nothing for inputs and where there is no choice.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_explain_alternatives(const dms_explain *s, const dms_explain_totals *sum,
                                              dms_status *st);

/* Every copy out of its blocks, and every reading of them from storage. */
void dms_explain_moves(const dms_explain *s);

#endif
