/* support_chain.h - a plan of five products in a row, two of whose weights are streamed.
 *
 * Reads    nothing.
 * Returns  y = x w0 w1 w2 w3 w4 as a plan of support_run.h; weights 1 and 3 come from the host once
 *          per turn, behind the step that used them, for the next turn.
 * Cost     none.
 * Source   none.
 * Not here what may go wrong with it.
 */
#ifndef DMS_TESTS_SUPPORT_CHAIN_H
#define DMS_TESTS_SUPPORT_CHAIN_H

#include "support_run.h"

#define CHAIN_ROWS 6
#define CHAIN_STEPS 5

/* The plan, and the memory that its ports are bound to. */
typedef struct chain_case {
    run_case run;
    float x[CHAIN_ROWS], y[CHAIN_ROWS];
} chain_case;

/* Makes the plan. Every step has its own activation. */
void chain_make(chain_case *c);

/* Opens a session on it and binds x and y. */
dms_session *chain_open(chain_case *c, dms_options options);

/* Fills x for a turn, and spoils y. */
void chain_fill(chain_case *c, int turn);

/* Fails the test unless y is what x of that turn gives: 26.25 x, exact in f32. */
void chain_check(const chain_case *c, int turn);

/* Fills, runs and checks a turn. */
void chain_run(chain_case *c, dms_session *s, int turn);

#endif
