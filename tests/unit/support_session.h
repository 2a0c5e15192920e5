/* support_session.h - runs a plan that stands in memory, and compares bits.
 *
 * Reads    a checked plan, the bytes of its PLAN.consts, the values of its ports.
 * Returns  whether every output has exactly the bits that were wanted.
 * Cost     one session.
 * Source   none.
 * Not here how the plan was made (support_graph.h).
 */
#ifndef DMS_TESTS_SUPPORT_SESSION_H
#define DMS_TESTS_SUPPORT_SESSION_H

#include "schema/plan.h"

typedef struct dms_trace dms_trace; /* schema/trace.h */

/* How to run. */
typedef struct session_case {
    uint32_t threads;
    uint64_t turns;
    bool poison;
    /* Sees when the commands of all turns ran, before the session ends; NULL: nothing is recorded. */
    void (*look)(const dms_trace *trace, void *context);
    void *context;
} session_case;

/* Runs `plan` on the CPU device and compares the outputs of every turn with `want`, bit for bit.
 * `consts` is written to the file that the plan names, in a folder made for the run. Fails the
 * test with a message where anything differs. */
void session_must_give(const dms_plan *plan, const void *consts, uint64_t n_consts,
                       float *const *inputs, float *const *want, const session_case *how);

#endif
