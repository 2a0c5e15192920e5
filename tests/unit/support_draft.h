/* support_draft.h - a placement problem compiled as far as the parts of the placer want it.
 *
 * Reads    a problem that was built in `c` (support_problem.h).
 * Returns  its cycle, workbench and empty draft; or a placer before anything was tried.
 * Cost     none.
 * Source   none.
 * Not here what the parts should answer.
 */
#ifndef DMS_TESTS_SUPPORT_DRAFT_H
#define DMS_TESTS_SUPPORT_DRAFT_H

#include "planner/placer.h"
#include "support_problem.h"

/* A problem with everything that evaluating a draft needs. End with problem_end(&d->c). */
typedef struct draft_case {
    problem_case c;
    dms_cycle cycle;
    dms_work work;
    dms_draft draft;
} draft_case;

/* Checks and compiles what was added; the draft keeps nothing. */
void draft_begin(draft_case *d);

/* The same for a random network. */
void draft_random(draft_case *d, uint64_t seed, uint32_t n_steps);

/* What slot `slot` holds: its footprint and the gaps over it that `keep` keeps, by a plain loop. */
int64_t draft_held(const dms_cycle *cycle, const uint8_t *keep, int32_t slot);

/* The fullest slot. */
int64_t draft_peak(const dms_cycle *cycle, const uint8_t *keep);

/* A placer at some budget. End with problem_end(&p->c). */
typedef struct placer_case {
    problem_case c;
    dms_cycle cycle;
    dms_floor_plan plan[2];
    dms_place_floor floor;
    dms_place_options options;
    dms_placer placer;
} placer_case;

/* Compiles what was added, for a budget of `extra` units above the tightest plan. */
void placer_begin(placer_case *p, int64_t extra);

/* The best period noted under a name; DMS_NO_PERIOD where there is none. */
int64_t placer_period_of(const dms_placer *placer, const char *name);

#endif
