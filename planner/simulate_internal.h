/* simulate_internal.h - what the two simulators share. Not a door.
 *
 * Reads    a draft whose queues are indexed (simulate.c).
 * Returns  times of the last two turns, in the workbench.
 * Cost     O(turns (loads + saves + steps)).
 * Source   none.
 * Not here the period and what is summed up from it (simulate.c).
 */
#ifndef DMS_PLANNER_SIMULATE_INTERNAL_H
#define DMS_PLANNER_SIMULATE_INTERNAL_H

#include "planner/place_internal.h"
#include "schema/plan.h"

/* Which queue place each step waits for (work->needs), and which saves open each slot. */
void dms_simulate_index(const dms_cycle *cycle, dms_work *work, const dms_draft *draft);

/* Runs n_cycles turns under the factors of the problem.
 * Returns  false when a queue waits for itself. *out_two_turns: ns of the last two. */
bool dms_simulate_contended(const dms_cycle *cycle, dms_work *work, uint32_t n_cycles,
                            dms_draft *draft, int64_t *out_two_turns);

#endif
