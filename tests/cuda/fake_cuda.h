/* fake_cuda.h - a CUDA that runs on threads of the host, and is as unkind as CUDA may be.
 *
 * Reads    a seed, what the card is like, which call fails.
 * Returns  the table of cuda_api.h.
 * Cost     a thread per stream; each entry may be held back for some microseconds.
 * Source   the CUDA API references: what a stream orders, and what it does not.
 * Not here kernels of nvcc's: calls run the CPU build of the same kernel, in stream order.
 *
 * What it does to whoever relies on luck:
 *   streams run beside each other, one of them slow or held back until the others are stuck;
 *   a copy moves its halves at two moments, a kernel its parts; memory of the card starts poisoned;
 *   a caller with 64 entries on a stream waits until one of them has ended;
 *   waits compare as signed differences; an address outside of what was taken is an error.
 *
 * With a clock nothing is computed or copied: every entry takes the time that the clock says, to
 * the nanosecond, however busy the machine is, and events tell it.
 */
#ifndef DMS_TESTS_FAKE_CUDA_H
#define DMS_TESTS_FAKE_CUDA_H

#include <stdio.h>

#include "schema/arena.h"

typedef struct dms_cuda_api dms_cuda_api; /* cuda_api.h */
typedef struct dms_device dms_device;     /* device.h */
typedef struct dms_device_options dms_device_options;

typedef struct fake_cuda fake_cuda;

/* What entries take. Rates are bytes or operations per ns; a call takes launch_ns and the longer of
 * its operations and its bytes. */
typedef struct fake_clock {
    double in_rate, out_rate, memory_rate, cache_rate;
    double f32_rate, f16_rate, f64_rate, i8_rate;
    uint64_t cache_bytes; /* calls that touch no more run at the cache's rate */
    int64_t in_ns, out_ns, launch_ns;
    int64_t wait_ns; /* until a stream goes on that had to wait for another */
    int64_t host_ns; /* a function of the host */
    /* By how many thousandths one takes longer while another runs: compute, in, out. */
    int32_t extra[3][3];
} fake_clock;

/* What it is like. Zero-initialise for a new card that never fails. */
typedef struct fake_cuda_options {
    uint64_t seed;
    FILE *calls;             /* a line for each call: all that a library is asked by; NULL: none */
    bool is_calm;            /* no delays */
    const fake_clock *clock; /* lives as long as the fake; NULL: entries do their work */
    /* The first stream does so many entries, then none until it is full (or 10 s are over). */
    uint64_t hold_after;
    bool has_no_driver, has_old_driver, has_no_card, is_old_card, has_no_values, has_cufile;
    uint64_t free_bytes;  /* of the card; 0: plenty */
    uint64_t load_bytes;  /* of the card, that the first call takes that runs: loaded too late */
    uint64_t pin_limit;   /* bytes that can be locked at once; 0: any */
    uint64_t fail_call;   /* this call, counted from 1 (queries are not), returns ... */
    uint64_t fail_entry;  /* or this entry of a stream, counted over all, ends with ... */
    uint32_t fail_stream; /* 1 + compute, in, out: of its copies and calls alone are counted */
    uint64_t fail_host;   /* or the card is lost as this host function begins, with ... */
    int fail_code;        /* ... this error of CUDA */
    int numa_node;        /* of the host, next to the card; -1: not told */
    bool is_lost;         /* and so does every call from then on */
    bool is_late;         /* fail_host: it is called by fake_cuda_call_late, and not before */
} fake_cuda_options;

/* What it saw. */
typedef struct fake_cuda_report {
    uint64_t n_calls, n_entries, n_pageable; /* copies of memory that was not locked */
    uint64_t n_live;                         /* objects that were not given back */
    uint64_t most_pending;                   /* entries on one stream at a time */
    uint64_t device_bytes, pinned_bytes;     /* taken now */
} fake_cuda_report;

/* A new fake. Ends the program where there is no memory. */
fake_cuda *fake_cuda_new(const fake_cuda_options *options);

/* Its table, which lives as long as it does. */
const dms_cuda_api *fake_cuda_table(const fake_cuda *fake);

/* What it saw so far. */
fake_cuda_report fake_cuda_look(fake_cuda *fake);

/* The streams that work was put onto, in that order: 'c', 'i', 'o' for each copy and call; the
 * first FAKE_ORDER of them. Lives as long as the fake. */
#define FAKE_ORDER 255u
const char *fake_cuda_order(const fake_cuda *fake);

/* Calls the host function that a thread of a lost card had taken up; false: there is none. */
bool fake_cuda_call_late(fake_cuda *fake);

/* Ends it. */
void fake_cuda_free(fake_cuda *fake);

/* A dms_device_finder and a dms_device_opener whose context is a fake_cuda. */
dms_code fake_cuda_find(void *fake, int ordinal, dms_status *st);
dms_code fake_cuda_open(void *fake, const dms_device_options *options, dms_arena *arena,
                        dms_device **out_device, dms_status *st);

#endif
