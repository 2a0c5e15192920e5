/* support_replay.h - runs a plan that the checker let pass, and says what left for the user.
 *
 * Reads    a checked plan, the folders of its files.
 * Returns  the bits of all outputs of all turns as one hash; or how it ended instead.
 * Cost     one session; a process of its own where asked.
 * Source   none.
 * Not here whether these are the right bits (support_changes.h).
 */
#ifndef DMS_TESTS_UNIT_SUPPORT_REPLAY_H
#define DMS_TESTS_UNIT_SUPPORT_REPLAY_H

#include "schema/plan.h"

/* How to run. */
typedef struct replay_case {
    const char *folder, *model_dir; /* of the plan; of the model, NULL: the same */
    uint32_t threads;
    uint64_t turns;
    bool poison;
    bool makes_up;   /* files that were missing when planned */
    uint8_t fill;    /* what the memory of the outputs holds before each turn */
    uint64_t jitter; /* not 0: kernels and copies begin and end late, by this seed */
} replay_case;

/* How it ended. `signal` is not 0 where the process was killed: SIGALRM after a minute. */
typedef struct replay_end {
    dms_code code;
    int signal;
    bool has_begun; /* the files were opened and what is kept was loaded */
    dms_hash bits;  /* where code is DMS_OK */
    char msg[248];
} replay_end;

/* Operations of a turn as the kernels' rows count them, saturated. A plan may be slow (DESIGN 7):
 * a window of 2^29 rows passes, and whoever runs plans of strangers in numbers asks first. */
uint64_t replay_work(const dms_plan *plan);

/* More than a few seconds. */
#define REPLAY_SLOW (1ull << 32)

/* Runs in this process. */
replay_end replay(const dms_plan *plan, const replay_case *how);

/* Runs in a process of its own: a crash or a hang is one of the ends. */
replay_end replay_apart(const dms_plan *plan, const replay_case *how);

#endif
