/* calibrate_links.c - copies of several sizes between the arenas, how long one queue takes to see
 * that another has come far enough, and what slows what down. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/calibrate_internal.h"
#include "runtime/futex.h"
#include "runtime/session.h"
#include "runtime/timeline.h"

#define MOST_COPY (16u << 20)
#define BESIDE_BYTES (4u << 20)

/* A copy of `bytes`; the places move on, so that no copy finds its bytes in a cache. */
typedef struct copying {
    dms_device *device;
    uint64_t bytes, device_at, host_at, first;
    bool is_in;
} copying;

/* The first place again where the next one lies behind `last`. */
static uint64_t next_place(uint64_t at, uint64_t bytes, uint64_t first, uint64_t last) {
    return at + bytes > last ? first : at + bytes;
}

static void run_copy(void *context) {
    copying *c = context;
    dms_device *d = c->device;
    uint8_t *host = d->host_arena + c->host_at;
    if (c->is_in)
        d->ops->copy_in(d, c->device_at, host, c->bytes);
    else
        d->ops->copy_out(d, host, c->device_at, c->bytes);
    c->device_at = next_place(c->device_at, c->bytes, c->first, d->device_bytes - c->bytes);
    c->host_at = next_place(c->host_at, c->bytes, 0, DMS_CALIBRATE_COPY_BYTES - c->bytes);
}

/* The first quarter of the device arena is that of products which run beside. */
static copying make_copying(const dms_bench *b, uint64_t bytes, bool is_in) {
    const uint64_t first = b->device->device_bytes / 4;
    return (copying){b->device, bytes, first, 0, first, is_in};
}

static const uint64_t SIZES[] = {64u << 10, 256u << 10, 1u << 20, 4u << 20, MOST_COPY};
#define N_SIZES (sizeof SIZES / sizeof SIZES[0])

/* A size goes on where the one before it stopped: a round goes through both arenas, and what it
 * comes back to no cache holds any more. */
static dms_code copy_round(dms_bench *b, bool is_in, dms_samples *out, dms_status *st) {
    copying c = make_copying(b, SIZES[0], is_in);
    c.device_at = b->device_at;
    c.host_at = b->host_at;
    for (size_t k = 0; k < N_SIZES; k++) {
        c.bytes = SIZES[k];
        c.device_at = next_place(c.device_at, 0, c.first, c.device->device_bytes - c.bytes);
        c.host_at = next_place(c.host_at, 0, 0, DMS_CALIBRATE_COPY_BYTES - c.bytes);
        DMS_TRY(dms_time_round(b, (dms_action){run_copy, &c}, &out[k], st));
    }
    b->device_at = c.device_at;
    b->host_at = c.host_at;
    return DMS_OK;
}

static dms_link take_link(dms_bench *b, const char *name, dms_samples *samples) {
    int64_t ns[N_SIZES];
    for (size_t k = 0; k < N_SIZES; k++) {
        char line[32];
        ns[k] = dms_samples_percentile(&samples[k], 50);
        (void)snprintf(line, sizeof line, "%s, %u KiB", name, (unsigned)(SIZES[k] >> 10));
        dms_add_figure(b, line, "GB/s", (double)SIZES[k] / (double)ns[k],
                       dms_samples_spread(&samples[k]));
    }
    return dms_fit_link(N_SIZES, SIZES, ns);
}

/* ---- hand-overs ---------------------------------------------------------------------------- */

#define TURNS 24u     /* of a round: there and back */
#define WORK_NS 30000 /* of each side in turn: the other one is asleep by then */

/* Two queues that wait for each other, as those of a plan do: one works while the other sleeps. */
typedef struct relay {
    dms_timeline there, back;
    int64_t sent_ns, taken_ns, returned_ns; /* when a turn was published, seen, published again */
} relay;

static void work_until(int64_t ns) {
    while (dms_now_ns() < ns)
        dms_spin_pause();
}

static void *return_turns(void *argument) {
    relay *r = argument;
    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        if (!dms_timeline_wait(&r->there, turn))
            return NULL;
        r->taken_ns = dms_now_ns();
        work_until(r->taken_ns + WORK_NS);
        r->returned_ns = dms_now_ns();
        if (!dms_timeline_publish(&r->back, turn - 1, turn))
            return NULL;
    }
    return NULL;
}

/* One round: from publishing to running on the other side, both ways together, per turn. */
static dms_code hand_over_round(dms_bench *b, dms_status *st) {
    relay r = {0};
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, return_turns, &r);
    if (error != 0)
        return dms_fail(st, DMS_EINTERNAL, "starting a thread: %s", strerror(error));
    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        work_until(dms_now_ns() + WORK_NS);
        r.sent_ns = dms_now_ns();
        if (!dms_timeline_publish(&r.there, turn - 1, turn) || !dms_timeline_wait(&r.back, turn))
            break;
        const int64_t ns = r.taken_ns - r.sent_ns + dms_now_ns() - r.returned_ns;
        if (b->hand_over->n < DMS_MOST_SAMPLES)
            b->hand_over->ns[b->hand_over->n++] = ns < 1 ? 1 : ns;
    }
    pthread_join(thread, NULL);
    return DMS_OK;
}

/* A copy waits for the queue that makes room for it, and is waited for by the one that needs it:
 * where copies are not hidden, both show. */
static void take_hand_over(dms_bench *b) {
    const int64_t ns = dms_samples_percentile(b->hand_over, 50);
    b->out->profile.in.latency_ns += ns;
    b->out->profile.out.latency_ns += ns;
    dms_add_figure(b, "hand-over, both ways", "us", (double)ns / 1e3,
                   dms_samples_spread(b->hand_over));
}

dms_code dms_calibrate_links_begin(dms_bench *b, dms_status *st) {
    b->device_at = b->device->device_bytes / 4;
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *b->hand_over, "calibration", &b->hand_over, st));
    memset(b->device->host_arena, DMS_CALIBRATE_PATTERN, (size_t)b->device->host_bytes);
    DMS_TRY(dms_alloc_st(b->arena, N_SIZES, sizeof *b->in, "calibration", &b->in, st));
    return dms_alloc_st(b->arena, N_SIZES, sizeof *b->out_link, "calibration", &b->out_link, st);
}

dms_code dms_calibrate_links_round(dms_bench *b, dms_status *st) {
    DMS_TRY(copy_round(b, true, b->in, st));
    DMS_TRY(copy_round(b, false, b->out_link, st));
    return hand_over_round(b, st);
}

void dms_calibrate_links_end(dms_bench *b) {
    b->out->profile.in = take_link(b, "in", b->in);
    b->out->profile.out = take_link(b, "out", b->out_link);
    take_hand_over(b);
}

/* One pair of queues: both factors, and their lines. */
static dms_code measure_pair(dms_bench *b, dms_queue one, dms_action run_one, dms_queue two,
                             dms_action run_two, dms_status *st) {
    static const char *const QUEUE[DMS_N_QUEUES] = {"compute", "in", "out", "load", "store"};
    dms_contention *c = &b->out->profile.contention;
    char line[32];
    DMS_TRY(dms_time_both(b, run_one, run_two, &c->extra[one][two], &c->extra[two][one], st));
    (void)snprintf(line, sizeof line, "%s beside %s", QUEUE[one], QUEUE[two]);
    dms_add_figure(b, line, "times", 1 + c->extra[one][two] / 1000.0, 0);
    (void)snprintf(line, sizeof line, "%s beside %s", QUEUE[two], QUEUE[one]);
    dms_add_figure(b, line, "times", 1 + c->extra[two][one] / 1000.0, 0);
    return DMS_OK;
}

dms_code dms_calibrate_contention(dms_bench *b, dms_status *st) {
    copying in = make_copying(b, BESIDE_BYTES, true), out = make_copying(b, BESIDE_BYTES, false);
    const dms_action run_in = {run_copy, &in}, run_out = {run_copy, &out};
    dms_action busy;
    DMS_TRY(dms_calibrate_busy(b, &busy, st));
    DMS_TRY(measure_pair(b, DMS_QUEUE_COMPUTE, busy, DMS_QUEUE_IN, run_in, st));
    DMS_TRY(measure_pair(b, DMS_QUEUE_COMPUTE, busy, DMS_QUEUE_OUT, run_out, st));
    DMS_TRY(measure_pair(b, DMS_QUEUE_IN, run_in, DMS_QUEUE_OUT, run_out, st));
    const dms_action load = dms_calibrate_reading(b);
    DMS_TRY(measure_pair(b, DMS_QUEUE_COMPUTE, busy, DMS_QUEUE_LOAD, load, st));
    return measure_pair(b, DMS_QUEUE_IN, run_in, DMS_QUEUE_LOAD, load, st);
}
