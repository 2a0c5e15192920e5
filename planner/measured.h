/* measured.h - step times of a real run in the place of those that the profile predicts.
 *
 * Reads    what `dmsrun --json` wrote: the names of the steps, their times, the plan's meaning.
 * Returns  the same steps with measured times.
 * Cost     O(file + steps log steps); files up to 64 MiB.
 * Source   none.
 * Not here how steps are timed (runtime/engine.c), times of copies (the profile).
 *
 * A run fits where its plan computed the same: equal meanings have the same model, dims, device
 * kind and grid, whatever the budget and the profile. Steps are matched by name, so their order may
 * differ; equal names (cells, calls of one node) are matched in their order.
 */
#ifndef DMS_PLANNER_MEASURED_H
#define DMS_PLANNER_MEASURED_H

#include "planner/steps.h"
#include "schema/hash.h"

/* Replaces the time of every step by that of the run in file `path`. out_meaning is the meaning of
 * the plan that ran, which the caller compares once its own is known (dms_measured_check).
 * Errors   DMS_EIO: unreadable, too large; DMS_EUSAGE: not what dmsrun writes, naming the key, or a
 *          step that did not run; DMS_EPLAN: a run of other steps, naming one. */
DMS_CHECKED dms_code dms_measured_apply(const char *path, const dms_graph *graph, dms_steps *steps,
                                        dms_arena *arena, char out_meaning[33], dms_status *st);

/* Errors   DMS_EPLAN naming file and both meanings where they differ. */
DMS_CHECKED dms_code dms_measured_check(const char *path, const char *measured, dms_hash planned,
                                        dms_status *st);

#endif
