/* support_problem.h - small placement problems that a reader can check by hand.
 *
 * Reads    what a test says: steps, tensors, touches; or a seed.
 * Returns  a checked dms_problem with links of 1 unit (256 bytes) per ns and no latency.
 * Cost     none.
 * Source   none.
 * Not here decisions, and what is right about them.
 */
#ifndef DMS_TESTS_SUPPORT_PROBLEM_H
#define DMS_TESTS_SUPPORT_PROBLEM_H

#include "planner/place.h"
#include "schema/arena.h"

#define UNIT 256u

/* A problem under construction, and memory for what is made of it. */
typedef struct problem_case {
    dms_arena arena;
    dms_problem problem;
    uint32_t cap_tensors, cap_touches;
    uint64_t random;
} problem_case;

/* Starts a problem of `n_steps` steps of `ns` each. */
void problem_begin(problem_case *c, uint32_t n_steps, int64_t ns);

/* Frees everything. */
void problem_end(problem_case *c);

/* Adds a tensor of `units` x 256 bytes with these ascending touches; returns its id. */
uint32_t problem_add(problem_case *c, dms_problem_kind kind, uint64_t units, uint32_t n_touches,
                     const uint32_t *touch);

/* Adds a tensor touched by one step alone. */
uint32_t problem_once(problem_case *c, dms_problem_kind kind, uint64_t units, uint32_t step);

/* A number in 0..n-1 from the case's own sequence. */
uint32_t problem_draw(problem_case *c, uint32_t n);

/* A random network: weights (some used twice), activations with long and short gaps, an input, an
 * output, scratch. */
void problem_random(problem_case *c, uint64_t seed, uint32_t n_steps);

/* Places at a device budget of `units`; fails the test when that is refused or the verifier finds
 * a fault. */
dms_decision problem_place(problem_case *c, uint64_t units);

/* The same at budgets of device and host in bytes, and with what else the options ask. */
dms_decision problem_place_with(problem_case *c, const dms_place_options *options);

/* Lets every weight be read from storage again: dense, except one in four, which is read at twice
 * its bytes, and one in eight, which lies in the plan itself. Draws from the case's sequence. */
void problem_store(problem_case *c);

/* The floors at these budgets. */
dms_place_floor problem_floors(problem_case *c, const dms_place_options *options);

/* The floor without a host limit, in units. */
uint64_t problem_floor(problem_case *c);

#endif
