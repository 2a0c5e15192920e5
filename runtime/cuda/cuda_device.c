/* cuda_device.c - opens a card, closes it, and puts CUDA's errors into words. */
#include "runtime/cuda/cuda_device.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/cuda/cuda_internal.h"

#define POISON 0xff

dms_code dms_cuda_fail(cuda_device *d, int error, const char *what, dms_status *st) {
    int none = 0;
    (void)atomic_compare_exchange_strong(&d->error, &none, error);
    const int first = atomic_load(&d->error);
    return dms_fail(st, DMS_EDEVICE, "cuda:%d: %s: %s (%s)", d->card.ordinal, what,
                    d->api->error_name(d->api->state, first),
                    d->api->error_text(d->api->state, first));
}

/* The clock of dms_now_ns. */
static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Waits until a stream is idle. */
static dms_code settle(cuda_device *d, uint32_t queue, dms_status *st) {
    const struct timespec pause = {0, 20000};
    int error;
    while ((error = d->api->stream_query(d->api->state, d->stream[queue].stream)) ==
           DMS_CUDA_NOT_READY)
        (void)nanosleep(&pause, NULL);
    CUDA_TRY(d, "the card", error);
    return DMS_OK;
}

static dms_code open_streams(cuda_device *d, dms_status *st) {
    const dms_cuda_api *api = d->api;
    DMS_TRY(dms_cuda_take_pieces(d, st));
    for (uint32_t q = 0; q < CUDA_STREAMS; q++) {
        cuda_stream *own = &d->stream[q];
        CUDA_TRY(d, "cudaStreamCreate", api->stream_create(api->state, &own->stream));
        for (uint32_t k = 0; k < DMS_DEVICE_MARKS; k++) {
            CUDA_TRY(d, "cudaEventCreate", api->event_create(api->state, &own->begin[k]));
            CUDA_TRY(d, "cudaEventCreate", api->event_create(api->state, &own->end[k]));
        }
    }
    CUDA_TRY(d, "cudaEventCreate", api->event_create(api->state, &d->base_event));
    return DMS_OK;
}

/* Times of events count from this one. */
static dms_code set_clock(cuda_device *d, dms_status *st) {
    void *stream = d->stream[DMS_QUEUE_COMPUTE].stream;
    CUDA_TRY(d, "cudaEventRecord", d->api->event_record(d->api->state, d->base_event, stream));
    DMS_TRY(settle(d, DMS_QUEUE_COMPUTE, st));
    d->base_ns = now_ns();
    return DMS_OK;
}

/* The card's memory comes with what others left in it. */
static dms_code poison_arena(cuda_device *d, dms_status *st) {
    if (!d->poison || d->device_address == 0)
        return DMS_OK;
    CUDA_TRY(d, "cudaMemsetAsync",
             d->api->fill(d->api->state, d->device_address, POISON, d->base.device_bytes,
                          d->stream[DMS_QUEUE_COMPUTE].stream));
    return settle(d, DMS_QUEUE_COMPUTE, st);
}

/* What a user may want to know: which of several ways are taken on this card. */
static void write_note(cuda_device *d) {
    const char *libraries = d->api->libraries_note(d->libraries);
    (void)snprintf(d->note, sizeof d->note,
                   "cuda:%d '%s', streams wait for %s%s%s, storage read through the host%s%s%s",
                   d->card.ordinal, d->card.name, d->card.has_stream_values ? "values" : "events",
                   d->arena_note[0] == 0 ? "" : ", ", d->arena_note,
                   d->card.has_cufile ? " (cuFile is there)" : "", libraries[0] == 0 ? "" : ", ",
                   libraries);
}

dms_code dms_cuda_ready(dms_device *base, dms_status *st) {
    cuda_device *d = (cuda_device *)base;
    write_note(d);
    DMS_TRY(d->api->libraries_warm(d->libraries, d->device_address, d->base.device_bytes,
                                   d->stream[DMS_QUEUE_COMPUTE].stream, st));
    DMS_TRY(settle(d, DMS_QUEUE_COMPUTE, st));
    DMS_TRY(poison_arena(d, st));
    return base->streams->free_bytes(base, &base->memory.with_kernels, st);
}

static dms_code open_all(cuda_device *d, const dms_device_options *options, dms_status *st) {
    DMS_TRY(dms_cuda_check_card(d, options, st));
    DMS_TRY(dms_alloc_st(d->arena, options->n_calls, sizeof *d->kernel, "kernels", &d->kernel, st));
    DMS_TRY(dms_alloc_st(d->arena, options->n_calls, sizeof *d->call, "kernels", &d->call, st));
    DMS_TRY(dms_alloc_st(d->arena, options->n_calls, sizeof *d->state, "kernels", &d->state, st));
    DMS_TRY(dms_cuda_take_memory(d, options, st));
    DMS_TRY(open_streams(d, st));
    DMS_TRY(set_clock(d, st));
    return d->api->libraries_open(&d->card, d->arena, &d->libraries, st);
}

/* Also for a device that was opened half, and for a card that is lost. */
static void cuda_close(dms_device *base) {
    cuda_device *d = (cuda_device *)base;
    const dms_cuda_api *api = d->api;
    const struct timespec pause = {0, 20000};
    dms_status ignored;
    (void)base->streams->enter(base, &ignored); /* it may be another thread that closes */
    while (!base->streams->abandon(base))
        (void)nanosleep(&pause, NULL);
    api->libraries_close(d->libraries);
    for (uint32_t q = 0; q < CUDA_STREAMS; q++) {
        for (uint32_t k = 0; k < DMS_DEVICE_MARKS; k++) {
            if (d->stream[q].begin[k] != NULL)
                (void)api->event_destroy(api->state, d->stream[q].begin[k]);
            if (d->stream[q].end[k] != NULL)
                (void)api->event_destroy(api->state, d->stream[q].end[k]);
        }
        if (d->stream[q].stream != NULL)
            (void)api->stream_destroy(api->state, d->stream[q].stream);
    }
    if (d->base_event != NULL)
        (void)api->event_destroy(api->state, d->base_event);
    dms_cuda_give_pieces(d);
    dms_cuda_give_memory(d);
}

static const dms_device_ops cuda_ops = {.name = "cuda", .close = cuda_close};

dms_code dms_cuda_device_open(const dms_device_options *options, const dms_cuda_api *api,
                              dms_arena *arena, dms_device **out_device, dms_status *st) {
    cuda_device *d;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *d, "device", &d, st));
    d->base = (dms_device){.ops = &cuda_ops,
                           .streams = &dms_cuda_streams,
                           .device_bytes = options->device_bytes,
                           .host_bytes = options->host_bytes};
    d->api = api;
    d->arena = arena;
    d->poison = options->poison;
    d->card.ordinal = options->ordinal;
    const dms_code code = open_all(d, options, st);
    if (code != DMS_OK) {
        cuda_close(&d->base);
        return code;
    }
    write_note(d);
    write_note(d);
    d->base.note = d->note;
    d->base.awaits_host = d->card.has_stream_values;
    d->base.overhead_bytes = d->own_bytes + api->libraries_bytes(d->libraries);
    *out_device = &d->base;
    return DMS_OK;
}
