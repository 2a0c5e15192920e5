/* blocks_internal.h - what the files of `blocks` share. Not a door. */
#ifndef DMS_PLANNER_BLOCKS_INTERNAL_H
#define DMS_PLANNER_BLOCKS_INTERNAL_H

#include "schema/plan.h"

/* Bytes that a device delivers, in whole pages, when the cell of `source` is read; 0 where it lies
 * in the plan itself. */
uint64_t dms_blocks_storage_bytes(const dms_source *source);

#endif
