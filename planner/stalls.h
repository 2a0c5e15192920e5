/* stalls.h - why does compute wait, and for which copy?
 *
 * Reads    a placement problem and its decision, in the steady state.
 * Returns  every step that waits, the block it waits for, and its wait split by cause.
 * Cost     O((steps + loads + saves) log loads).
 * Source   the definitions of this project's mock-ups.
 * Not here how long anything takes (simulate.c), what is said of it (views.h).
 *
 *   in       [copy]....[copy][copy]      `....` the queue waits for memory: no room;
 *   compute  ##==########======####      `=` a stall; what is left of it is the link's: link full
 */
#ifndef DMS_PLANNER_STALLS_H
#define DMS_PLANNER_STALLS_H

#include <stdint.h>

#include "schema/status.h"

typedef struct dms_arena dms_arena;       /* schema/arena.h */
typedef struct dms_decision dms_decision; /* place.h */
typedef struct dms_problem dms_problem;   /* problem.h */

typedef enum dms_stall_cause {
    DMS_STALL_LINK, /* link full: the queues in, or from storage, were busy */
    DMS_STALL_ROOM, /* no room: a copy could not begin, for its memory was in use */
    DMS_STALL_SAVE, /* save first: the slot opened when a copy out had ended */
    DMS_N_STALL_CAUSES
} dms_stall_cause;

/* One step that waits. */
typedef struct dms_stall {
    uint32_t step;
    uint32_t block; /* that arrived last, or that had to leave; UINT32_MAX = none is known */
    int64_t ns, part_ns[DMS_N_STALL_CAUSES];
    dms_stall_cause cause; /* of the largest part */
} dms_stall;

typedef struct dms_stalls {
    dms_stall *stall; /* by step */
    uint32_t n;
    int64_t ns, part_ns[DMS_N_STALL_CAUSES]; /* sums */
    int64_t *start_ns;   /* per step: where others slow it, earlier than its end less its time */
    int64_t turn_ns;     /* of the turn whose times the decision has: its period */
    int64_t slowed_ns;   /* of it, by which steps take longer for what runs beside them */
    int64_t *open_ns;    /* per slot: when it opens, in the times of the decision */
    uint32_t *last_load; /* per step: place in the queue of the copy that arrives last for it */
} dms_stalls;

/* Finds all stalls of a decision. Of a wait for copies, the time that the queue in stood idle for
 * memory since the stall before ended is no room, as far as the wait is long; the rest is link
 * full. New inputs come with the inference, so waiting to copy them is the link's as well.
 * Owner    `arena`.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_stalls_find(const dms_problem *problem, const dms_decision *decision,
                                     dms_arena *arena, dms_stalls *out_stalls, dms_status *st);

/* "link full", "no room", "save first". */
const char *dms_stall_cause_name(dms_stall_cause cause);

#endif
