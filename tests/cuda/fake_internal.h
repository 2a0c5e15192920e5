/* fake_internal.h - streams of the fake: entries in a ring, one thread each. */
#ifndef DMS_TESTS_FAKE_INTERNAL_H
#define DMS_TESTS_FAKE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "fake_cuda.h"
#include "runtime/cuda/cuda_api.h"
#include "runtime/cuda/cuda_kernel.h"
#include "runtime/device.h"

#define FAKE_PENDING 64u /* entries after which a caller waits */
#define FAKE_RANGES 32u
#define FAKE_WRITTEN 1024u
#define FAKE_STREAM ((uint64_t)64 << 10) /* ... and so much for a stream */
#define FAKE_PAGE ((uint64_t)2 << 20)    /* the driver takes memory of the card in such */

typedef struct fake_stream fake_stream;

typedef enum fake_kind {
    FAKE_COPY,
    FAKE_FILL,
    FAKE_CALL,
    FAKE_HOST,
    FAKE_RECORD,
    FAKE_WAIT_EVENT,
    FAKE_WAIT_VALUE,
    FAKE_WRITE_VALUE
} fake_kind;

/* What an entry is slowed by and slows. */
typedef enum fake_class { FAKE_COMPUTE, FAKE_IN, FAKE_OUT } fake_class;

typedef struct fake_event {
    _Atomic uint64_t n_recorded, n_done;
    _Atomic int64_t ns;
} fake_event;

typedef struct fake_entry {
    fake_kind kind;
    void *to;
    const void *from;
    uint64_t bytes, value;
    fake_class class;
    int byte;
    void (*function)(void *);
    void *argument;
    fake_event *event;
    dms_cuda_job job; /* its operands are those below */
    void *operand[DMS_MAX_OPERANDS];
} fake_entry;

struct fake_stream {
    fake_cuda *fake;
    pthread_t thread;
    uint32_t id;
    uint64_t random;
    fake_entry entry[FAKE_PENDING];
    uint64_t n_worked;             /* copies and calls, of its thread */
    uint64_t n_put, n_done;        /* guarded by the lock of the fake */
    atomic_int is_stuck, is_ended; /* cannot go on by itself; is to end */
    void *scratch, *workspace;
    uint64_t workspace_bytes;
    double now_ns,
        left_ns; /* with a clock: of the stream; of its first entry, below 0: not begun */
};

/* With a clock: when a word came to a value. */
typedef struct fake_written {
    const void *word;
    uint64_t value;
    double ns;
} fake_written;

/* A range of memory that was taken or locked. */
typedef struct fake_range {
    uint8_t *at;
    uint64_t bytes;
    bool is_device;
} fake_range;

struct fake_cuda {
    fake_cuda_options options;
    dms_cuda_api api;
    void (*close)(dms_device *device); /* of the device layer */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    fake_stream *stream[8];
    uint32_t n_streams;
    fake_range range[FAKE_RANGES];
    uint32_t n_ranges;
    uint64_t pinned_bytes;
    fake_written written[FAKE_WRITTEN]; /* the newest, in a ring */
    uint64_t n_written;
    atomic_int has_run;   /* a call */
    atomic_int dead;      /* the error that the card died of */
    void (*late)(void *); /* taken up, not called yet */
    void *late_argument;
    char order[FAKE_ORDER + 1]; /* guarded by the lock, as its length is */
    uint32_t n_order;
    _Atomic uint64_t n_calls, n_entries, n_host, n_pageable, n_live, most_pending;
    _Atomic uint64_t driver_bytes; /* of the card, by the driver's count */
};

/* Counts a call; the error with which it fails, or 0. */
int fake_enter(fake_cuda *fake);

/* Puts an entry onto a stream, which waits for a place in it. */
int fake_put(fake_stream *stream, const fake_entry *entry);

/* Does what an entry says, on the thread of its stream. */
void fake_execute(fake_stream *stream, fake_entry *entry);

/* With a clock, under the lock: an entry is about to be put, and cannot begin before that. */
void fake_clock_submit(fake_stream *stream);

/* With a clock: all entries of all streams that can run have run. Under the lock. */
void fake_clock_run(fake_cuda *fake);

/* Starts and ends the thread of a stream. */
int fake_stream_new(fake_cuda *fake, fake_stream **out);
void fake_stream_end(fake_stream *stream);

/* Lets others go on, or not, as the seed has it. */
void fake_delay(fake_stream *stream);

/* The kernels of the fake, and its libraries. */
const dms_cuda_kernel *fake_kernel_find(uint32_t id);
dms_code fake_libraries_open(const dms_cuda_card *card, dms_arena *arena,
                             dms_cuda_libraries **out_libraries, dms_status *st);
dms_code fake_libraries_warm(dms_cuda_libraries *libraries, uint64_t memory, uint64_t bytes,
                             void *stream, dms_status *st);
uint64_t fake_libraries_bytes(const dms_cuda_libraries *libraries);
const char *fake_libraries_note(dms_cuda_libraries *libraries);
void fake_libraries_close(dms_cuda_libraries *libraries);
void fake_run_call(fake_stream *stream, const fake_entry *entry);

#endif
