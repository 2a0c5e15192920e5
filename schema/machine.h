/* machine.h - how much memory may this process still take?
 *
 * Reads    /proc and the memory limits of the control groups that this process is in.
 * Returns  bytes.
 * Cost     a few small files.
 * Source   Linux: proc(5), cgroups(7): version 2 memory.max, version 1 memory.limit_in_bytes.
 * Not here profiles: planning never depends on the machine unless it is asked to.
 */
#ifndef DMS_SCHEMA_MACHINE_H
#define DMS_SCHEMA_MACHINE_H

#include <stdint.h>

/* Memory of a machine, and of the container that this process may be in. */
typedef struct dms_machine {
    uint64_t available_bytes; /* without making others swap */
    uint64_t swap_bytes;      /* free */
    uint64_t limit_bytes;     /* the tightest limit of a control group; UINT64_MAX: none */
    uint64_t left_bytes;      /* what it leaves: page cache counts as free */
} dms_machine;

/* Asks the system whose files lie beneath `root`, "" for this one. What it does not tell counts as
 * no limit; no /proc gives 0 available bytes. */
dms_machine dms_machine_read(const char *root);

/* Memory available to this process: that of the machine, or what a limit leaves. */
uint64_t dms_machine_free_bytes(void);

/* Largest resident set of this process so far (VmHWM); 0 where it is not known. */
uint64_t dms_machine_peak_rss(void);

#endif
