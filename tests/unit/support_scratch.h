/* support_scratch.h - the memory of a thread that kernels work in, as bad as it may be.
 *
 * Reads    nothing.
 * Returns  4 MiB between walls.
 * Cost     a page for each that the call before wrote.
 * Source   none.
 * Not here the workspace of a call.
 */
#ifndef DMS_TESTS_SUPPORT_SCRATCH_H
#define DMS_TESTS_SUPPORT_SCRATCH_H

/* DMS_CPU_SCRATCH_BYTES, all 0xff: what is read before it is written is not a number. The same
 * memory each time, made new; pages that nobody may touch lie before and behind it. */
void *scratch_fresh(void);

#endif
