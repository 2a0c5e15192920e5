/* profile.h - what a device and its links can do: the numbers that planning uses.
 *
 * Reads    nothing (planner/profiles holds the files and their parser).
 * Returns  a plain record.
 * Cost     none.
 * Source   data sheets and measurements, named in each profile file.
 * Not here measured step times (dmsc --measured).
 */
#ifndef DMS_SCHEMA_PROFILE_H
#define DMS_SCHEMA_PROFILE_H

#include <stdint.h>

/* One direction of one link. A copy of s bytes takes latency_ns + s / bytes_per_s. */
typedef struct dms_link {
    int64_t bytes_per_s; /* from 1 to DMS_MOST_RATE: the time of a copy fits 64 bits */
    int64_t latency_ns;  /* from 0 to DMS_MOST_LATENCY */
} dms_link;

#define DMS_MOST_RATE (INT64_C(1) << 43)
#define DMS_MOST_LATENCY INT32_MAX

/* By how much longer a copy or step of queue [a] takes while one of queue [b] runs, in thousandths;
 * 0 = not at all. Queues in the order of dms_queue (plan.h): compute, in, out, load, store. Where
 * several run, their factors multiply. */
#define DMS_CONTENTION_QUEUES 5
typedef struct dms_contention {
    int32_t extra[DMS_CONTENTION_QUEUES][DMS_CONTENTION_QUEUES];
} dms_contention;

/* What the arithmetic of a family of kernels (dms_family of kernel.h) takes: operations at `share`
 * thousandths of the type's rate, and so much per result and per row of results. */
#define DMS_PROFILE_FAMILIES 13
typedef struct dms_family_cost {
    int32_t share; /* 0 = 1000: all of it */
    int64_t result_ps, row_ps;
} dms_family_cost;

typedef struct dms_profile {
    char name[64];
    uint32_t device_kind;                              /* dms_device_kind */
    uint64_t device_bytes, host_bytes;                 /* usable; the default budgets */
    int64_t f32_flops, f16_flops, f64_flops, i8_flops; /* effective peak per second */
    int64_t memory_bytes_per_s;                        /* effective, device memory */
    uint64_t cache_bytes;                              /* steps that touch no more ... */
    int64_t cache_bytes_per_s;                         /* ... run at this rate; 0 = no cache */
    int64_t launch_ns;                                 /* per step */
    dms_family_cost family[DMS_PROFILE_FAMILIES];
    dms_link in, out, load, store;
    dms_contention contention;
    int64_t lead_ns; /* readings from storage are planned to be there this much earlier */
} dms_profile;

#endif
