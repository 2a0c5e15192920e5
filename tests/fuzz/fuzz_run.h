/* fuzz_run.h - runs a proven plan on one thread: its commands one at a time, queue by queue in an
 * order that a seed decides.
 *
 * Reads    a plan that reader and checker let pass, the files that it names.
 * Returns  the bits of all outputs of all turns as one hash; or how it ended instead.
 * Cost     no thread, no search for memory of the machine: some ten microseconds for a small plan.
 * Source   commands are the engine's (dms_engine_command), kernels the CPU device's.
 * Not here threads and timelines (unit/support_replay.h), all orders (unit/support_interleave.h).
 *
 * Both arenas and every input and output are pieces of memory of their own, so that a sanitizer sees
 * a step beyond them.
 */
#ifndef DMS_TESTS_FUZZ_RUN_H
#define DMS_TESTS_FUZZ_RUN_H

#include "runtime/kernels/cpu_kernel.h"
#include "schema/plan.h"

/* How to run. */
typedef struct fuzz_run_case {
    const char *folder;      /* of the plan and of the model */
    uint32_t n_turns;        /* inputs differ from turn to turn */
    uint32_t most_under_way; /* 1 or 2 */
    uint64_t seed;           /* 0: whichever queue can go on, compute first */
    uint8_t fill;            /* what nobody has written holds this */
    bool is_backwards;       /* parts of a call run from the last to the first */
    dms_isa isa;
} fuzz_run_case;

/* How it ended. */
typedef struct fuzz_run_end {
    dms_code code;
    bool is_stuck;  /* no queue can go on */
    bool has_begun; /* the files were opened and what is kept was loaded */
    dms_hash bits;  /* where code is DMS_OK */
    char msg[248];
} fuzz_run_end;

/* Runs all turns. */
fuzz_run_end fuzz_run(const dms_plan *plan, const fuzz_run_case *how);

#endif
