/* machine.h - what this machine has, for `--host-mem auto` and for reports.
 *
 * Reads    /proc and the memory limits of the control group.
 * Returns  bytes.
 * Cost     a few small files.
 * Source   Linux: proc(5), control group v2 memory.max, v1 memory.limit_in_bytes.
 * Not here profiles: planning never depends on the machine unless it is asked to.
 */
#ifndef DMS_PLANNER_MACHINE_H
#define DMS_PLANNER_MACHINE_H

#include <stdint.h>

/* Memory available to this process: the smaller of MemAvailable and the control group's limit. */
uint64_t dms_machine_free_bytes(void);

/* Largest resident set of this process so far (VmHWM); 0 where it is not known. */
uint64_t dms_machine_peak_rss(void);

#endif
