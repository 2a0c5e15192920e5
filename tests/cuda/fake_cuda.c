/* fake_cuda.c - the entry points of the fake. */
#include "fake_cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_internal.h"
#include "runtime/cuda/cuda_device.h"

#define INVALID_VALUE 1
#define CARD_BYTES ((uint64_t)64 << 30)

int fake_enter(fake_cuda *fake) {
    const int dead = atomic_load(&fake->dead);
    if (dead != 0)
        return dead;
    if (atomic_fetch_add(&fake->n_calls, 1) + 1 != fake->options.fail_call)
        return 0;
    int alive = 0;
    if (fake->options.is_lost)
        (void)atomic_compare_exchange_strong(&fake->dead, &alive, fake->options.fail_code);
    return fake->options.fail_code;
}

static int versions(void *state, int *out_driver, int *out_runtime) {
    const fake_cuda *fake = state;
    *out_runtime = 13000;
    *out_driver = fake->options.has_no_driver ? 0 : fake->options.has_old_driver ? 12040 : 13010;
    return fake_enter(state);
}

static int device_count(void *state, int *out_count) {
    const fake_cuda *fake = state;
    const int error = fake_enter(state);
    if (fake->options.has_no_card)
        return DMS_CUDA_NO_DEVICE;
    *out_count = 2;
    return error;
}

static int read_card(void *state, int ordinal, dms_cuda_card *out) {
    const fake_cuda *fake = state;
    const int error = fake_enter(state);
    if (error != 0)
        return error;
    *out = (dms_cuda_card){.name = "fake card",
                           .ordinal = ordinal,
                           .major = fake->options.is_old_card ? 7 : 9,
                           .minor = fake->options.is_old_card ? 5 : 0,
                           .driver_version = 13010,
                           .n_sms = 4,
                           .total_bytes = CARD_BYTES,
                           .has_stream_values = !fake->options.has_no_values,
                           .has_cufile = fake->options.has_cufile,
                           .numa_node = fake->options.numa_node};
    return 0;
}

static int use_card(void *state, int ordinal) {
    const int error = fake_enter(state);
    return error != 0 ? error : ordinal > 1 ? INVALID_VALUE : 0;
}

static int free_bytes(void *state, uint64_t *out_bytes) {
    fake_cuda *fake = state;
    const int error = fake_enter(state);
    const uint64_t all = fake->options.free_bytes == 0 ? CARD_BYTES : fake->options.free_bytes;
    const uint64_t taken = atomic_load(&fake->driver_bytes);
    *out_bytes = taken < all ? all - taken : 0;
    return error;
}

static void add_range(fake_cuda *fake, void *at, uint64_t bytes, bool is_device) {
    pthread_mutex_lock(&fake->lock);
    if (fake->n_ranges == FAKE_RANGES)
        abort();
    fake->range[fake->n_ranges++] = (fake_range){at, bytes, is_device};
    pthread_mutex_unlock(&fake->lock);
    atomic_fetch_add(&fake->n_live, 1);
}

/* The size of the range that began here, which is none any more; 0: there was none. */
static uint64_t drop_range(fake_cuda *fake, const void *at) {
    uint64_t bytes = 0;
    pthread_mutex_lock(&fake->lock);
    for (uint32_t k = 0; k < fake->n_ranges; k++)
        if (fake->range[k].at == at) {
            bytes = fake->range[k].bytes;
            fake->range[k] = fake->range[--fake->n_ranges];
            break;
        }
    pthread_mutex_unlock(&fake->lock);
    if (bytes != 0)
        atomic_fetch_sub(&fake->n_live, 1);
    return bytes;
}

/* Whether all of it is in one range of this kind. */
static bool is_within(fake_cuda *fake, const void *at, uint64_t bytes, bool is_device) {
    bool found = false;
    pthread_mutex_lock(&fake->lock);
    for (uint32_t k = 0; k < fake->n_ranges; k++) {
        const fake_range *range = &fake->range[k];
        const uint64_t from = (uint64_t)((const uint8_t *)at - range->at);
        found |= range->is_device == is_device && (const uint8_t *)at >= range->at &&
                 from <= range->bytes && bytes <= range->bytes - from;
    }
    pthread_mutex_unlock(&fake->lock);
    return found;
}

/* What the driver takes for an allocation. */
static uint64_t in_pages(uint64_t bytes) {
    return (bytes + FAKE_PAGE - 1) / FAKE_PAGE * FAKE_PAGE;
}

static int device_alloc(void *state, uint64_t bytes, uint64_t *out_address) {
    const int error = fake_enter(state);
    if (error != 0)
        return error;
    uint8_t *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (memory == NULL)
        return DMS_CUDA_OUT_OF_MEMORY;
    if (((fake_cuda *)state)->options.clock == NULL) /* with one, most of it is never touched */
        memset(memory, 0xab, bytes);
    add_range(state, memory, bytes, true);
    atomic_fetch_add(&((fake_cuda *)state)->driver_bytes, in_pages(bytes));
    *out_address = (uint64_t)(uintptr_t)memory;
    return 0;
}

static int device_free(void *state, uint64_t address) {
    const int error = fake_enter(state);
    void *memory = (void *)(uintptr_t)address;
    const uint64_t bytes = drop_range(state, memory);
    if (bytes != 0)
        free(memory);
    atomic_fetch_sub(&((fake_cuda *)state)->driver_bytes, in_pages(bytes));
    return error;
}

static int pin(void *state, void *memory, uint64_t bytes) {
    fake_cuda *fake = state;
    const int error = fake_enter(state);
    if (error != 0)
        return error;
    if (fake->options.pin_limit != 0 && fake->pinned_bytes + bytes > fake->options.pin_limit)
        return DMS_CUDA_OUT_OF_MEMORY;
    fake->pinned_bytes += bytes;
    add_range(fake, memory, bytes, false);
    return 0;
}

static int unpin(void *state, void *memory) {
    fake_cuda *fake = state;
    const int error = fake_enter(state);
    const uint64_t bytes = drop_range(fake, memory);
    fake->pinned_bytes -= bytes;
    return bytes == 0 ? INVALID_VALUE : error;
}

static int address_of(void *state, void *memory, uint64_t *out_address) {
    const int error = fake_enter(state);
    if (error != 0)
        return error;
    *out_address = (uint64_t)(uintptr_t)memory;
    return is_within(state, memory, 1, false) ? 0 : INVALID_VALUE;
}

static int stream_create(void *state, void **out_stream) {
    fake_cuda *fake = state;
    fake_stream *stream;
    int error = fake_enter(state);
    if (error == 0)
        error = fake_stream_new(fake, &stream);
    if (error != 0)
        return error;
    atomic_fetch_add(&fake->n_live, 1);
    atomic_fetch_add(&fake->driver_bytes, FAKE_STREAM);
    *out_stream = stream;
    return 0;
}

static int stream_destroy(void *state, void *stream) {
    fake_cuda *fake = state;
    const int error = fake_enter(state);
    fake_stream_end(stream);
    atomic_fetch_sub(&fake->driver_bytes, FAKE_STREAM);
    atomic_fetch_sub(&fake->n_live, 1);
    return error;
}

/* A query does not count as a call: how many there are is a matter of time. */
static int stream_query(void *state, void *stream) {
    fake_cuda *fake = state;
    const fake_stream *of = stream;
    pthread_mutex_lock(&fake->lock);
    if (fake->options.clock != NULL)
        fake_clock_run(fake);
    const bool is_idle = of->n_put == of->n_done;
    pthread_mutex_unlock(&fake->lock);
    const int dead = atomic_load(&fake->dead);
    return dead != 0 && is_idle ? dead : is_idle ? 0 : dead != 0 ? dead : DMS_CUDA_NOT_READY;
}

static int event_create(void *state, void **out_event) {
    fake_cuda *fake = state;
    const int error = fake_enter(state);
    if (error != 0)
        return error;
    *out_event = calloc(1, sizeof(fake_event));
    if (*out_event == NULL)
        return DMS_CUDA_OUT_OF_MEMORY;
    atomic_fetch_add(&fake->n_live, 1);
    return 0;
}

/* What a lost card was doing is over: an event may be destroyed while streams still look at it. */
static void let_dead_streams_end(fake_cuda *fake) {
    if (atomic_load(&fake->dead) == 0 || fake->options.clock != NULL)
        return;
    pthread_mutex_lock(&fake->lock);
    for (uint32_t k = 0; k < fake->n_streams; k++)
        while (fake->stream[k] != NULL && fake->stream[k]->n_put != fake->stream[k]->n_done)
            pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

static int event_destroy(void *state, void *event) {
    fake_cuda *fake = state;
    const int error = fake_enter(state);
    let_dead_streams_end(fake);
    free(event);
    atomic_fetch_sub(&fake->n_live, 1);
    return error;
}

/* Counts the call, then puts the entry. */
static int put(void *state, void *stream, const fake_entry *entry) {
    const int error = fake_enter(state);
    return error != 0 ? error : fake_put(stream, entry);
}

static int event_record(void *state, void *event, void *stream) {
    fake_event *of = event;
    const uint64_t n = atomic_fetch_add(&of->n_recorded, 1) + 1;
    return put(state, stream, &(fake_entry){.kind = FAKE_RECORD, .event = of, .value = n});
}

static int event_query(void *state, void *event) {
    fake_cuda *fake = state;
    const fake_event *of = event;
    const int dead = atomic_load(&fake->dead);
    if (dead != 0)
        return dead;
    if (fake->options.clock != NULL) {
        pthread_mutex_lock(&fake->lock);
        fake_clock_run(fake);
        pthread_mutex_unlock(&fake->lock);
    }
    return atomic_load(&of->n_done) == atomic_load(&of->n_recorded) ? 0 : DMS_CUDA_NOT_READY;
}

static int event_elapsed(void *state, float *out_ms, void *begin, void *end) {
    const int error = event_query(state, begin);
    if (error != 0 || event_query(state, end) != 0)
        return DMS_CUDA_NOT_READY;
    *out_ms = (float)((double)(atomic_load(&((fake_event *)end)->ns) -
                               atomic_load(&((fake_event *)begin)->ns)) /
                      1e6);
    return 0;
}

static int stream_wait_event(void *state, void *stream, void *event) {
    fake_event *of = event;
    return put(
        state, stream,
        &(fake_entry){.kind = FAKE_WAIT_EVENT, .event = of, .value = atomic_load(&of->n_recorded)});
}

/* The word must be in locked memory. */
static int put_value(void *state, void *stream, uint64_t address, uint64_t value, fake_kind kind) {
    void *word = (void *)(uintptr_t)address;
    if (address % 8 != 0 || !is_within(state, word, 8, false))
        return INVALID_VALUE;
    return put(state, stream, &(fake_entry){.kind = kind, .to = word, .value = value});
}

static int stream_wait_value(void *state, void *stream, uint64_t address, uint64_t value) {
    return put_value(state, stream, address, value, FAKE_WAIT_VALUE);
}

static int stream_write_value(void *state, void *stream, uint64_t address, uint64_t value) {
    return put_value(state, stream, address, value, FAKE_WRITE_VALUE);
}

/* Between the card and the host, `host` being one of the two. */
static int put_copy(void *state, void *stream, const fake_entry *entry, const void *card,
                    const void *host) {
    fake_cuda *fake = state;
    if (!is_within(fake, card, entry->bytes, true))
        return INVALID_VALUE;
    if (!is_within(fake, host, entry->bytes, false))
        atomic_fetch_add(&fake->n_pageable, 1);
    return put(state, stream, entry);
}

static int copy_in(void *state, uint64_t to, const void *from, uint64_t bytes, void *stream) {
    void *card = (void *)(uintptr_t)to;
    return put_copy(
        state, stream,
        &(fake_entry){
            .kind = FAKE_COPY, .to = card, .from = from, .bytes = bytes, .class = FAKE_IN},
        card, from);
}

static int copy_out(void *state, void *to, uint64_t from, uint64_t bytes, void *stream) {
    const void *card = (const void *)(uintptr_t)from;
    return put_copy(
        state, stream,
        &(fake_entry){.kind = FAKE_COPY, .to = to, .from = card, .bytes = bytes, .class = FAKE_OUT},
        card, to);
}

static int fill(void *state, uint64_t to, int byte, uint64_t bytes, void *stream) {
    void *card = (void *)(uintptr_t)to;
    if (!is_within(state, card, bytes, true))
        return INVALID_VALUE;
    return put(state, stream,
               &(fake_entry){.kind = FAKE_FILL, .to = card, .byte = byte, .bytes = bytes});
}

static int host_function(void *state, void *stream, void (*function)(void *), void *argument) {
    return put(state, stream,
               &(fake_entry){.kind = FAKE_HOST, .function = function, .argument = argument});
}

static const char *error_name(void *state, int error) {
    (void)state;
    switch (error) {
    case INVALID_VALUE:
        return "cudaErrorInvalidValue";
    case DMS_CUDA_OUT_OF_MEMORY:
        return "cudaErrorMemoryAllocation";
    case 700:
        return "cudaErrorIllegalAddress";
    case 719:
        return "cudaErrorLaunchFailure";
    default:
        return "cudaErrorUnknown";
    }
}

static const char *error_text(void *state, int error) {
    (void)state;
    return error == 700 ? "an illegal memory access was encountered" : "made up by a test";
}

fake_cuda *fake_cuda_new(const fake_cuda_options *options) {
    fake_cuda *fake = calloc(1, sizeof *fake);
    if (fake == NULL)
        abort();
    fake->options = *options;
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->api = (dms_cuda_api){.state = fake,
                               .versions = versions,
                               .device_count = device_count,
                               .read_card = read_card,
                               .use_card = use_card,
                               .free_bytes = free_bytes,
                               .device_alloc = device_alloc,
                               .device_free = device_free,
                               .pin = pin,
                               .unpin = unpin,
                               .address_of = address_of,
                               .stream_create = stream_create,
                               .stream_destroy = stream_destroy,
                               .stream_query = stream_query,
                               .event_create = event_create,
                               .event_destroy = event_destroy,
                               .event_record = event_record,
                               .event_query = event_query,
                               .event_elapsed = event_elapsed,
                               .stream_wait_event = stream_wait_event,
                               .stream_wait_value = stream_wait_value,
                               .stream_write_value = stream_write_value,
                               .copy_in = copy_in,
                               .copy_out = copy_out,
                               .fill = fill,
                               .host_function = host_function,
                               .error_name = error_name,
                               .error_text = error_text,
                               .kernel_find = fake_kernel_find,
                               .libraries_open = fake_libraries_open,
                               .libraries_warm = fake_libraries_warm,
                               .libraries_bytes = fake_libraries_bytes,
                               .libraries_note = fake_libraries_note,
                               .libraries_close = fake_libraries_close};
    return fake;
}

const dms_cuda_api *fake_cuda_table(const fake_cuda *fake) {
    return &fake->api;
}

const char *fake_cuda_order(const fake_cuda *fake) {
    return fake->order;
}

fake_cuda_report fake_cuda_look(fake_cuda *fake) {
    uint64_t bytes[2] = {0, 0};
    pthread_mutex_lock(&fake->lock);
    for (uint32_t k = 0; k < fake->n_ranges; k++)
        bytes[fake->range[k].is_device] += fake->range[k].bytes;
    pthread_mutex_unlock(&fake->lock);
    return (fake_cuda_report){.n_calls = atomic_load(&fake->n_calls),
                              .n_entries = atomic_load(&fake->n_entries),
                              .n_pageable = atomic_load(&fake->n_pageable),
                              .n_live = atomic_load(&fake->n_live),
                              .most_pending = atomic_load(&fake->most_pending),
                              .device_bytes = bytes[1],
                              .pinned_bytes = bytes[0]};
}

bool fake_cuda_call_late(fake_cuda *fake) {
    if (fake->late == NULL)
        return false;
    fake->late(fake->late_argument);
    return true;
}

void fake_cuda_free(fake_cuda *fake) {
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

dms_code fake_cuda_find(void *fake, int ordinal, dms_status *st) {
    return dms_cuda_device_find(ordinal, fake_cuda_table(fake), st);
}

dms_code fake_cuda_open(void *fake, const dms_device_options *options, dms_arena *arena,
                        dms_device **out_device, dms_status *st) {
    return dms_cuda_device_open(options, fake_cuda_table(fake), arena, out_device, st);
}
