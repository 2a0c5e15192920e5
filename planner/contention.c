/* contention.c - factors, and what runs under them. Integers only: the same times everywhere. */
#include "planner/contention.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "schema/json.h"
#include "schema/plan.h"

#define FINE 1024 /* work is counted in this part of a ns, so that rounding does not add up */
#define LONGEST ((int64_t)1 << 50) /* ns, 13 days: longer commands count as this long */

#define SLOWEST 256000 /* thousandths; beyond it products of factors count as this */

_Static_assert(DMS_CONTENTION_QUEUES == DMS_N_QUEUES, "one row per queue");

static bool find_queue(const char *name, uint32_t *out) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (strcmp(dms_queue_name((dms_queue)q), name) == 0) {
            *out = q;
            return true;
        }
    return false;
}

static dms_code read_row(const json_t *row, uint32_t queue, dms_contention *out, dms_status *st) {
    const char *name = dms_queue_name((dms_queue)queue), *key;
    json_t *value;
    uint32_t other;
    if (!json_is_object(row))
        return dms_fail(st, DMS_EUSAGE, "key 'contention.%s' is no object", name);
    json_object_foreach((json_t *)row, key, value) {
        const double factor = json_number_value(value);
        if (!find_queue(key, &other) || other == queue)
            return dms_fail(st, DMS_EUSAGE, "key 'contention.%s': no other queue '%s'", name, key);
        if (!json_is_number(value) || !(factor >= 1) || factor > 1 + DMS_MOST_EXTRA / 1000)
            return dms_fail(st, DMS_EUSAGE, "key 'contention.%s.%s' is no factor from 1 to %d",
                            name, key, 1 + DMS_MOST_EXTRA / 1000);
        out->extra[queue][other] = (int32_t)lround((factor - 1) * 1000);
    }
    return DMS_OK;
}

dms_code dms_contention_read(const json_t *object, dms_contention *out, dms_status *st) {
    dms_contention contention = {{{0}}};
    const char *key;
    json_t *value;
    uint32_t queue;
    if (object != NULL && !json_is_object(object))
        return dms_fail(st, DMS_EUSAGE, "key 'contention' is no object");
    json_object_foreach((json_t *)object, key, value) {
        if (!find_queue(key, &queue))
            return dms_fail(st, DMS_EUSAGE, "key 'contention': no queue '%s'", key);
        DMS_TRY(read_row(value, queue, &contention, st));
    }
    *out = contention;
    return DMS_OK;
}

void dms_contention_write(dms_json *json, const dms_contention *contention) {
    dms_json_object(json, "contention");
    for (uint32_t a = 0; a < DMS_N_QUEUES; a++) {
        dms_json_object(json, dms_queue_name((dms_queue)a));
        for (uint32_t b = 0; b < DMS_N_QUEUES; b++)
            if (contention->extra[a][b] > 0)
                dms_json_real(json, dms_queue_name((dms_queue)b),
                              1 + contention->extra[a][b] / 1000.0);
        dms_json_end_object(json);
    }
    dms_json_end_object(json);
}

bool dms_contention_any(const dms_contention *contention) {
    for (uint32_t a = 0; a < DMS_N_QUEUES; a++)
        for (uint32_t b = 0; b < DMS_N_QUEUES; b++)
            if (contention->extra[a][b] > 0)
                return true;
    return false;
}

void dms_lanes_begin(const dms_contention *contention, int64_t now, dms_lanes *out_lanes) {
    *out_lanes = (dms_lanes){.now = now};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        out_lanes->left[q] = DMS_IDLE_LANE;
        for (uint32_t running = 0; running < 1 << DMS_N_QUEUES; running++) {
            int64_t slow = 1000;
            for (uint32_t other = 0; other < DMS_N_QUEUES; other++)
                if (running >> other & 1 && other != q)
                    slow = (slow * (1000 + contention->extra[q][other]) + 500) / 1000;
            out_lanes->slow[q][running] = (int32_t)(slow < SLOWEST ? slow : SLOWEST);
        }
    }
}

void dms_lanes_start(dms_lanes *lanes, uint32_t queue, int64_t ns) {
    lanes->left[queue] = (ns < LONGEST ? ns : LONGEST) * FINE;
    lanes->running |= 1u << queue;
}

/* The ns that `work` takes at `slow` thousandths, rounded up; in two parts, for the product of both
 * would pass 64 bits. */
static int64_t time_of(int64_t work, int64_t slow) {
    const int64_t unit = (int64_t)FINE * 1000;
    return work / unit * slow + (work % unit * slow + unit - 1) / unit;
}

/* The work that is done in `ns`, rounded down. */
static int64_t work_in(int64_t ns, int64_t slow) {
    const int64_t unit = (int64_t)FINE * 1000;
    return ns / slow * unit + ns % slow * unit / slow;
}

uint32_t dms_lanes_advance(dms_lanes *lanes, int64_t limit) {
    int64_t wait = limit > lanes->now ? limit - lanes->now : 0;
    uint32_t ended = 0;
    bool ends = false;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (lanes->running >> q & 1) {
            const int64_t time = time_of(lanes->left[q], lanes->slow[q][lanes->running]);
            ends = ends || time <= wait;
            wait = time < wait ? time : wait;
        }
    if (lanes->running == 0 && limit == INT64_MAX)
        return 0;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (!(lanes->running >> q & 1))
            continue;
        const int32_t slow = lanes->slow[q][lanes->running];
        if (ends && time_of(lanes->left[q], slow) <= wait)
            ended |= 1u << q;
        lanes->left[q] -= work_in(wait, slow);
    }
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (ended >> q & 1)
            lanes->left[q] = DMS_IDLE_LANE;
    lanes->running &= ~ended;
    lanes->now += wait;
    return ended;
}
