/* support_interleave.h - runs a plan's real commands one at a time, in every order that its queues
 * and waits allow.
 *
 * Reads    a plan that the reader passes (the checker may have refused it), files of its weights,
 *          the values of its ports turn by turn.
 * Returns  how many orders there are, and what went wrong in any of them.
 * Cost     one copy of both arenas per state that is reached; states that are equal in every byte
 *          are visited once, so orders that differ in nothing cost nothing.
 * Source   Holzmann 1997, The Model Checker SPIN (stored states); kernels, copies and loads are
 *          those of the engine (dms_engine_command).
 * Not here threads and timelines (test_engine_orders.c).
 *
 * A command begins when its waits are met and ends at any later moment; others begin and end in
 * between. The user is one more queue: he starts turns, waits for them, and scribbles over inputs
 * and outputs as soon as a turn is over.
 */
#ifndef DMS_TESTS_SUPPORT_INTERLEAVE_H
#define DMS_TESTS_SUPPORT_INTERLEAVE_H

#include "schema/plan.h"

#define INTERLEAVE_PORTS 4
#define INTERLEAVE_TURNS 8

/* When the bytes of a command move. */
typedef enum interleave_effect {
    INTERLEAVE_EARLY, /* all when it begins */
    INTERLEAVE_LATE,  /* all when it ends */
    INTERLEAVE_TORN,  /* the first half when it begins, the second when it ends; each half from what
                       * the inputs are then, and in between the second half is garbage */
    INTERLEAVE_MIXED  /* each command one of these, by its place and the seed */
} interleave_effect;

/* What to run. */
typedef struct interleave_case {
    const dms_plan *plan;
    const char *folder; /* of the plan's files */
    uint32_t n_turns, most_under_way;
    bool is_endless; /* the session does not know which turn is the last */
    bool poison;     /* workspaces and scratch too; the arenas are garbage in any case */
    interleave_effect effect;
    uint64_t seed;    /* of MIXED, and of walks */
    uint32_t n_walks; /* 0: all orders; else so many random ones */
    bool stops_when_wrong;
    uint64_t most_states; /* 0: no limit */
    float *input[INTERLEAVE_TURNS][INTERLEAVE_PORTS], *want[INTERLEAVE_TURNS][INTERLEAVE_PORTS];
} interleave_case;

/* What came of it. An order ends where a turn gave other bits. */
typedef struct interleave_result {
    uint64_t n_states, n_moves;
    double n_orders;
    uint64_t n_wrong, n_stuck; /* states where a turn had other bits; where nobody could go on */
    bool is_whole;             /* every order was followed to its end */
    char order[256];           /* the last moves before the first thing that went wrong */
} interleave_result;

/* Runs the plan; fails the test where the session cannot be opened or a command fails. */
interleave_result interleave_run(const interleave_case *c);

/* The same in parts, to run one plan many times: its commands, and offsets of its buffers, may
 * change in between. A session is opened, whose threads have nothing to do. */
typedef struct interleave interleave;
interleave *interleave_open(const interleave_case *c);
interleave_result interleave_follow(interleave *m, const interleave_case *c);
void interleave_close(interleave *m);

#endif
