/* contention.h - what runs at the same time takes longer: the factors as JSON, and lanes that obey.
 *
 * Reads    factors of a profile or a problem (schema/profile.h).
 * Returns  the same as numbers or text; the next end of what runs on up to five queues.
 * Cost     one end: O(queues).
 * Source   none.
 * Not here which command may begin (simulate_contended.c, view_trace.c).
 */
#ifndef DMS_PLANNER_CONTENTION_H
#define DMS_PLANNER_CONTENTION_H

#include <stdbool.h>

#include "schema/profile.h"
#include "schema/status.h"

#define DMS_MOST_EXTRA 15000      /* thousandths: sixteen times as long */
#define DMS_MOST_LEAD 10000000000 /* ns: ten seconds */
#define DMS_IDLE_LANE INT64_MIN   /* of dms_lanes.left: nothing runs there */

struct json_t;   /* jansson */
struct dms_json; /* schema/json.h */

/* Reads {"compute": {"in": 1.05}, ...}: how many times as long the outer queue takes while the
 * inner one runs; 1 to 16. What is not named is 1, and so is everything where `object` is NULL.
 * Errors   DMS_EUSAGE naming the key. */
DMS_CHECKED dms_code dms_contention_read(const struct json_t *object, dms_contention *out,
                                         dms_status *st);

/* Writes the key "contention" with the factors above 1 into the open object of `json`. */
void dms_contention_write(struct dms_json *json, const dms_contention *contention);

/* Whether any factor is above 1. */
bool dms_contention_any(const dms_contention *contention);

/* Up to five commands, one per queue, at work at the same time. */
typedef struct dms_lanes {
    int32_t slow[DMS_CONTENTION_QUEUES][1 << DMS_CONTENTION_QUEUES]; /* thousandths, by who runs */
    int64_t left[DMS_CONTENTION_QUEUES]; /* work, in 1/1024 ns of an undisturbed run */
    uint32_t running;                    /* bit per queue */
    int64_t now;                         /* ns */
} dms_lanes;

/* Idle lanes at time `now`. */
void dms_lanes_begin(const dms_contention *contention, int64_t now, dms_lanes *out_lanes);

/* Starts a command that takes `ns` when it is alone; the queue must be idle. */
void dms_lanes_start(dms_lanes *lanes, uint32_t queue, int64_t ns);

/* Runs on until the next command ends, or until `limit` where that comes first; a command ends with
 * the whole ns in which its work does.
 * Returns  bits of the queues that became idle; 0 at the limit, or where nothing runs. */
uint32_t dms_lanes_advance(dms_lanes *lanes, int64_t limit);

#endif
