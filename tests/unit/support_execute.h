/* support_execute.h - runs a plan on symbols, in any order that its queues and waits allow.
 *
 * Memory is an array of units of 256 bytes, each holding one number that stands for its contents. A
 * command starts (it sees its inputs, its outputs become garbage) and later ends (it finds its
 * inputs unchanged, its outputs appear); a generator decides which queue goes on. So a race shows
 * as a wrong number, a missing wait or a lost byte too. Shares nothing with the checker.
 */
#ifndef DMS_TESTS_UNIT_SUPPORT_EXECUTE_H
#define DMS_TESTS_UNIT_SUPPORT_EXECUTE_H

#include <stdbool.h>

#include "schema/checked.h"
#include "schema/plan.h"

#define EXECUTE_TURNS 3u
#define EXECUTE_UNITS 512u

typedef enum execute_end { EXECUTE_DONE, EXECUTE_DEADLOCK, EXECUTE_LOST } execute_end;

/* What left for the user: one number per turn, over all units of all outputs. LOST: an output of
 * some turn was not written, or the plan does not fit this machine. */
typedef struct execute_result {
    execute_end end;
    uint64_t output[EXECUTE_TURNS];
} execute_result;

/* The same numbers everywhere: xorshift64. `state` is not 0. */
uint64_t execute_random(uint64_t *state);

/* Runs prologue and EXECUTE_TURNS turns; commands that run ahead are skipped in the last. */
execute_result execute_plan(const dms_plan *plan, uint64_t seed);

#endif
