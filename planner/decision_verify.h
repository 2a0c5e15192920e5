/* decision_verify.h - what the files of dms_decision_verify share. Not a door. */
#ifndef DMS_PLANNER_DECISION_VERIFY_H
#define DMS_PLANNER_DECISION_VERIFY_H

#include <stdint.h>

#include "schema/status.h"

typedef struct dms_problem dms_problem;   /* problem.h */
typedef struct dms_decision dms_decision; /* place.h */

/* Homes, the host budget, places in the ring and what readings wait for. Loads must name tensors
 * that exist; scratch holds a byte per tensor.
 * Cost     O(tensors + loads x readings).
 * Errors   DMS_EPLAN naming tensor or load. */
DMS_CHECKED dms_code dms_decision_verify_host(const dms_problem *problem,
                                              const dms_decision *decision, uint8_t *scratch,
                                              dms_status *st);

#endif
