/* calibrate_card.h - work on the streams of a card, and how long it takes.
 *
 * Reads    a device with streams (device.h), things to submit to it.
 * Returns  times by the card's own events; factors.
 * Cost     the work, a few times each.
 * Source   none.
 * Not here what is submitted (calibrate_card_calls.c, calibrate_card_links.c).
 *
 *     gate      |closed ......|open
 *     one                     |begin| unit | unit | ... |end|
 *     two                     |begin| unit | ... |end|
 *
 * Two queues begin together, since both wait for a function of the host on a third one, which ends
 * when everything is submitted. So units are few: no stream may be full before that.
 */
#ifndef DMS_RUNTIME_CALIBRATE_CARD_H
#define DMS_RUNTIME_CALIBRATE_CARD_H

#include <stdint.h>

#include "schema/status.h"

typedef struct dms_bench dms_bench; /* calibrate_internal.h */
typedef struct dms_card_bench dms_card_bench;
typedef struct dms_samples dms_samples;
typedef struct dms_action dms_action;
typedef struct dms_device dms_device; /* device.h */

#define DMS_CARD_STREAMS 3u    /* compute, in, out */
#define DMS_CARD_MOST_UNITS 14 /* each of them two entries of a stream at most */

/* A unit of work on one queue, which can be submitted again and again. */
typedef struct dms_card_work {
    uint32_t queue;
    dms_code (*submit)(dms_card_bench *c, void *context, dms_status *st);
    void *context;
} dms_card_work;

struct dms_card_bench {
    dms_bench *b;
    dms_device *device;
    uint64_t n_marks[DMS_CARD_STREAMS]; /* signalled so far; also the value of the last one */
    uint32_t n_calls;                   /* readied so far */
    uint8_t *pageable;                  /* memory that is not locked, for copies */
    dms_card_work busy, empty;          /* a product that fills the card, a call of nothing */
    dms_card_work copy_in;              /* as large as copies get */
};

/* Starts mark `ahead` behind those that are signalled, by the time the queue comes here. */
DMS_CHECKED dms_code dms_card_begin(dms_card_bench *c, uint32_t queue, uint32_t ahead,
                                    dms_status *st);

/* Ends the next mark of the queue. */
DMS_CHECKED dms_code dms_card_end(dms_card_bench *c, uint32_t queue, dms_status *st);

/* What comes behind on `queue` starts when `other` has come to its last mark. */
DMS_CHECKED dms_code dms_card_follow(dms_card_bench *c, uint32_t queue, uint32_t other,
                                     dms_status *st);

/* Waits until the last mark of a queue has ended; its time.
 * Errors   DMS_ECANCELLED; DMS_EDEVICE. */
DMS_CHECKED dms_code dms_card_await(dms_card_bench *c, uint32_t queue, int64_t *out_ns,
                                    dms_status *st);

/* `n` units in a row, from the begin of the first to the end of the last. */
DMS_CHECKED dms_code dms_card_time(dms_card_bench *c, const dms_card_work *work, uint32_t n,
                                   int64_t *out_ns, dms_status *st);

/* Adds the time of a unit: the best of three, of several in a row where it is short. */
DMS_CHECKED dms_code dms_card_sample(dms_card_bench *c, const dms_card_work *work, dms_samples *out,
                                     dms_status *st);

/* By how much longer each of two takes while the other one runs, in thousandths: medians of rounds
 * in which both begin together. */
DMS_CHECKED dms_code dms_card_beside(dms_card_bench *c, const dms_card_work *one,
                                     const dms_card_work *two, int32_t *out_one, int32_t *out_two,
                                     dms_status *st);

/* The same of work on a card and an action of the host. */
DMS_CHECKED dms_code dms_card_beside_host(dms_card_bench *c, const dms_card_work *one,
                                          dms_action two, int32_t *out_one, int32_t *out_two,
                                          dms_status *st);

/* Two begin together and take alone[] ns alone, both[] beside each other. How many times as long
 * each takes while the other runs: at least 1, at most 16. The one that ends first ran beside the
 * other all the time; the other's rest ran alone. */
void dms_beside(const int64_t alone[2], const int64_t both[2], double out[2]);

/* Kernels: rates, memory, cache, launch and families of the profile; c->busy, c->empty. */
DMS_CHECKED dms_code dms_card_calls(dms_card_bench *c, dms_status *st);

/* Copies of locked and pageable memory alone, together, beside c->busy; hand-overs; c->copy_in. */
DMS_CHECKED dms_code dms_card_links(dms_card_bench *c, dms_status *st);

/* Copies the first `bytes` of the host arena to the card and waits for them. */
DMS_CHECKED dms_code dms_card_put(dms_card_bench *c, uint64_t to, uint64_t bytes, dms_status *st);

#endif
