/* calibrate_links.c - copies of several sizes between the arenas, and what slows what down. */
#include <stdio.h>
#include <string.h>

#include "runtime/calibrate_internal.h"

#define MOST_COPY (16u << 20)
#define BESIDE_BYTES (4u << 20)

/* A copy of `bytes`; the places move on, so that no copy finds its bytes in a cache. */
typedef struct copying {
    dms_device *device;
    uint64_t bytes, device_at, host_at, first;
    bool is_in;
} copying;

static uint64_t next_place(uint64_t at, uint64_t bytes, uint64_t first, uint64_t end) {
    at += bytes;
    return at > end - bytes ? first : at;
}

static void run_copy(void *context) {
    copying *c = context;
    dms_device *d = c->device;
    uint8_t *host = d->host_arena + c->host_at;
    if (c->is_in)
        d->ops->copy_in(d, c->device_at, host, c->bytes);
    else
        d->ops->copy_out(d, host, c->device_at, c->bytes);
    c->device_at = next_place(c->device_at, c->bytes, c->first, d->device_bytes);
    c->host_at = next_place(c->host_at, c->bytes, 0, DMS_CALIBRATE_COPY_BYTES);
}

/* The first quarter of the device arena is that of products which run beside. */
static copying make_copying(const dms_bench *b, uint64_t bytes, bool is_in) {
    const uint64_t first = b->device->device_bytes / 4;
    return (copying){b->device, bytes, first, 0, first, is_in};
}

static const uint64_t SIZES[] = {64u << 10, 256u << 10, 1u << 20, 4u << 20, MOST_COPY};
#define N_SIZES (sizeof SIZES / sizeof SIZES[0])

static dms_code copy_round(dms_bench *b, bool is_in, dms_samples *out, dms_status *st) {
    for (size_t k = 0; k < N_SIZES; k++) {
        copying c = make_copying(b, SIZES[k], is_in);
        DMS_TRY(dms_time_round(b, (dms_action){run_copy, &c}, &out[k], st));
    }
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

dms_code dms_calibrate_links_begin(dms_bench *b, dms_status *st) {
    memset(b->device->host_arena, DMS_CALIBRATE_PATTERN, (size_t)b->device->host_bytes);
    DMS_TRY(dms_alloc_st(b->arena, N_SIZES, sizeof *b->in, "calibration", &b->in, st));
    return dms_alloc_st(b->arena, N_SIZES, sizeof *b->out_link, "calibration", &b->out_link, st);
}

dms_code dms_calibrate_links_round(dms_bench *b, dms_status *st) {
    DMS_TRY(copy_round(b, true, b->in, st));
    return copy_round(b, false, b->out_link, st);
}

void dms_calibrate_links_end(dms_bench *b) {
    b->out->profile.in = take_link(b, "in", b->in);
    b->out->profile.out = take_link(b, "out", b->out_link);
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
