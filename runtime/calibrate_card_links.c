/* calibrate_card_links.c - copies between the host and a card, waits between its queues, and what
 * slows what down. */
#include <stdio.h>
#include <string.h>

#include "runtime/calibrate_card.h"
#include "runtime/calibrate_internal.h"

#define FIRST_COPY (512u << 20) /* of the card: what is before it products use that run beside */
#define PAGEABLE_BYTES (4u << 20)
#define PAGEABLE_ALL (48u << 20)
#define TURNS 8u /* of a hand-over */

static const uint64_t SIZES[] = {64u << 10, 256u << 10, 1u << 20, 4u << 20, 16u << 20};
#define N_SIZES (sizeof SIZES / sizeof SIZES[0])

/* Copies of `bytes`, each behind the one before in all three memories. */
typedef struct copying {
    uint64_t bytes, device_at, host_at, pageable_at;
    bool is_in, is_pageable;
} copying;

/* The first place again where the next one lies behind `last`. */
static uint64_t next_place(uint64_t at, uint64_t bytes, uint64_t first, uint64_t end) {
    return at + 2 * bytes > end ? first : at + bytes;
}

static void move_in(const dms_device_piece *piece) {
    memcpy(piece->memory, piece->user, piece->bytes);
}

static void move_out(const dms_device_piece *piece) {
    memcpy((void *)(uintptr_t)piece->user, piece->memory, piece->bytes);
}

/* Pageable memory goes through a locked place, by a function of the host: as tensors of the caller
 * do, and the host arena where it cannot be locked. */
static dms_code submit_copy(dms_card_bench *c, void *context, dms_status *st) {
    copying *own = context;
    const dms_device_streams *ops = c->device->streams;
    const dms_device_piece piece = {.move = own->is_in ? move_in : move_out,
                                    .user = c->pageable + own->pageable_at,
                                    .memory = c->device->host_arena + own->host_at,
                                    .bytes = own->bytes};
    if (own->is_pageable && own->is_in)
        DMS_TRY(ops->move(c->device, DMS_QUEUE_IN, &piece, st));
    DMS_TRY(own->is_in ? ops->copy_in(c->device, own->device_at, own->host_at, own->bytes, st)
                       : ops->copy_out(c->device, own->host_at, own->device_at, own->bytes, st));
    if (own->is_pageable && !own->is_in)
        DMS_TRY(ops->move(c->device, DMS_QUEUE_OUT, &piece, st));
    own->device_at = next_place(own->device_at, own->bytes, FIRST_COPY, c->device->device_bytes);
    own->host_at = next_place(own->host_at, own->bytes, 0, DMS_CALIBRATE_COPY_BYTES);
    own->pageable_at = next_place(own->pageable_at, own->bytes, 0, PAGEABLE_ALL);
    return DMS_OK;
}

static dms_code make_copying(dms_card_bench *c, uint64_t bytes, bool is_in, bool is_pageable,
                             dms_card_work *out, dms_status *st) {
    copying *own;
    DMS_TRY(dms_alloc_st(c->b->arena, 1, sizeof *own, "calibration", &own, st));
    *own = (copying){bytes, FIRST_COPY, 0, 0, is_in, is_pageable};
    *out = (dms_card_work){is_in ? DMS_QUEUE_IN : DMS_QUEUE_OUT, submit_copy, own};
    return DMS_OK;
}

/* One direction of the link at all sizes. */
static dms_code measure_link(dms_card_bench *c, const char *name, bool is_in, dms_link *out,
                             dms_status *st) {
    dms_card_work work[N_SIZES];
    dms_samples samples[N_SIZES];
    int64_t ns[N_SIZES];
    for (size_t k = 0; k < N_SIZES; k++) {
        samples[k].n = 0;
        DMS_TRY(make_copying(c, SIZES[k], is_in, false, &work[k], st));
    }
    for (uint32_t round = 0; round < DMS_CALIBRATE_ROUNDS; round++)
        for (size_t k = 0; k < N_SIZES; k++)
            DMS_TRY(dms_card_sample(c, &work[k], &samples[k], st));
    for (size_t k = 0; k < N_SIZES; k++) {
        char line[32];
        ns[k] = dms_samples_percentile(&samples[k], 50);
        (void)snprintf(line, sizeof line, "%s, %u KiB", name, (unsigned)(SIZES[k] >> 10));
        dms_add_figure(c->b, line, "GB/s", (double)SIZES[k] / (double)ns[k],
                       dms_samples_spread(&samples[k]));
    }
    *out = dms_fit_link(N_SIZES, SIZES, ns);
    return DMS_OK;
}

/* Turns of an empty call and a copy that wait for each other, from the first call to the end of the
 * last copy being known to the queue of calls. The first mark of that queue ends last. */
static dms_code time_turns(dms_card_bench *c, const dms_card_work *copy, int64_t *out_ns,
                           dms_status *st) {
    const dms_card_work *call = &c->empty;
    DMS_TRY(dms_card_begin(c, call->queue, TURNS, st));
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        DMS_TRY(dms_card_begin(c, call->queue, 0, st));
        DMS_TRY(call->submit(c, call->context, st));
        DMS_TRY(dms_card_end(c, call->queue, st));
        DMS_TRY(dms_card_follow(c, copy->queue, call->queue, st));
        DMS_TRY(dms_card_begin(c, copy->queue, 0, st));
        DMS_TRY(copy->submit(c, copy->context, st));
        DMS_TRY(dms_card_end(c, copy->queue, st));
        DMS_TRY(dms_card_follow(c, call->queue, copy->queue, st));
    }
    DMS_TRY(dms_card_end(c, call->queue, st));
    return dms_card_await(c, call->queue, out_ns, st);
}

/* A copy waits for the queue that makes room for it, and is waited for by the one that needs it:
 * what of a turn is neither the call nor the copy is part of a copy. */
static dms_code measure_hand_over(dms_card_bench *c, dms_status *st) {
    dms_profile *p = &c->b->out->profile;
    dms_card_work copy;
    dms_samples samples = {.n = 0};
    DMS_TRY(make_copying(c, SIZES[0], true, false, &copy, st));
    for (uint32_t round = 0; round < DMS_CALIBRATE_ROUNDS; round++) {
        int64_t all, call_ns, copy_ns;
        DMS_TRY(time_turns(c, &copy, &all, st));
        DMS_TRY(dms_card_time(c, &c->empty, 1, &call_ns, st));
        DMS_TRY(dms_card_time(c, &copy, 1, &copy_ns, st));
        const int64_t ns = all / TURNS - call_ns - copy_ns;
        samples.ns[samples.n++] = ns < 0 ? 0 : ns;
    }
    const int64_t ns = dms_samples_percentile(&samples, 50);
    p->in.latency_ns += ns;
    p->out.latency_ns += ns;
    dms_add_figure(c->b, "hand-over, both ways", "us", (double)ns / 1e3,
                   dms_samples_spread(&samples));
    return DMS_OK;
}

/* ---- what slows what down ------------------------------------------------------------------ */

static const char *const QUEUE[DMS_N_QUEUES] = {"compute", "in", "out", "load", "store"};

static void add_pair(dms_card_bench *c, const char *how, uint32_t one, uint32_t two,
                     int32_t extra) {
    char line[32];
    (void)snprintf(line, sizeof line, "%s%s beside %s", how, QUEUE[one], QUEUE[two]);
    dms_add_figure(c->b, line, "times", 1 + extra / 1000.0, 0);
}

/* Pairs of locked memory become factors of the profile, those of pageable memory are told alone. */
static dms_code measure_pair(dms_card_bench *c, const dms_card_work *one, const dms_card_work *two,
                             bool is_pageable, dms_status *st) {
    int32_t(*extra)[DMS_CONTENTION_QUEUES] = c->b->out->profile.contention.extra;
    const char *how = is_pageable ? "pageable: " : "";
    int32_t own, other;
    DMS_TRY(dms_card_beside(c, one, two, &own, &other, st));
    add_pair(c, how, one->queue, two->queue, own);
    add_pair(c, how, two->queue, one->queue, other);
    if (!is_pageable) {
        extra[one->queue][two->queue] = own;
        extra[two->queue][one->queue] = other;
    }
    return DMS_OK;
}

/* Both directions alone where they are pageable, together, and each beside a product. */
static dms_code measure_pairs(dms_card_bench *c, uint64_t bytes, bool is_pageable, dms_status *st) {
    dms_card_work copy[2];
    for (int k = 0; k < 2; k++) {
        dms_samples samples = {.n = 0};
        DMS_TRY(make_copying(c, bytes, k == 0, is_pageable, &copy[k], st));
        for (uint32_t round = 0; round < DMS_CALIBRATE_ROUNDS && is_pageable; round++)
            DMS_TRY(dms_card_sample(c, &copy[k], &samples, st));
        if (is_pageable)
            dms_add_figure(c->b, k == 0 ? "in, pageable" : "out, pageable", "GB/s",
                           (double)bytes / (double)dms_samples_percentile(&samples, 50),
                           dms_samples_spread(&samples));
    }
    DMS_TRY(measure_pair(c, &c->busy, &copy[0], is_pageable, st));
    DMS_TRY(measure_pair(c, &c->busy, &copy[1], is_pageable, st));
    return measure_pair(c, &copy[0], &copy[1], is_pageable, st);
}

dms_code dms_card_links(dms_card_bench *c, dms_status *st) {
    dms_profile *p = &c->b->out->profile;
    const uint64_t most = SIZES[N_SIZES - 1];
    DMS_TRY(dms_alloc_st(c->b->arena, PAGEABLE_ALL, 1, "calibration", &c->pageable, st));
    memset(c->pageable, DMS_CALIBRATE_PATTERN, PAGEABLE_ALL); /* pages that are there */
    DMS_TRY(measure_link(c, "in", true, &p->in, st));
    DMS_TRY(measure_link(c, "out", false, &p->out, st));
    DMS_TRY(measure_hand_over(c, st));
    DMS_TRY(measure_pairs(c, most, false, st));
    DMS_TRY(measure_pairs(c, PAGEABLE_BYTES, true, st));
    return make_copying(c, most, true, false, &c->copy_in, st);
}

dms_code dms_calibrate_card_load(dms_bench *b, dms_status *st) {
    int32_t(*extra)[DMS_CONTENTION_QUEUES] = b->out->profile.contention.extra;
    dms_card_bench *c = b->card;
    const dms_card_work *const work[2] = {&c->busy, &c->copy_in};
    const dms_action load = dms_calibrate_reading(b);
    for (int k = 0; k < 2; k++) {
        const uint32_t queue = work[k]->queue;
        DMS_TRY(dms_card_beside_host(c, work[k], load, &extra[queue][DMS_QUEUE_LOAD],
                                     &extra[DMS_QUEUE_LOAD][queue], st));
        add_pair(c, "", queue, DMS_QUEUE_LOAD, extra[queue][DMS_QUEUE_LOAD]);
        add_pair(c, "", DMS_QUEUE_LOAD, queue, extra[DMS_QUEUE_LOAD][queue]);
    }
    return DMS_OK;
}

/* ---- all of it ----------------------------------------------------------------------------- */

dms_code dms_calibrate_card(dms_bench *b, dms_status *st) {
    dms_card_bench *c;
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *c, "calibration", &c, st));
    c->b = b;
    c->device = b->device;
    b->card = c;
    DMS_TRY(c->device->streams->enter(c->device, st));
    memset(c->device->host_arena, DMS_CALIBRATE_PATTERN, (size_t)c->device->host_bytes);
    for (uint64_t at = 0; at < c->device->device_bytes; at += DMS_CALIBRATE_COPY_BYTES) {
        const uint64_t left = c->device->device_bytes - at;
        DMS_TRY(dms_card_put(
            c, at, left < DMS_CALIBRATE_COPY_BYTES ? left : DMS_CALIBRATE_COPY_BYTES, st));
    }
    DMS_TRY(dms_card_calls(c, st));
    return dms_card_links(c, st);
}
