/* pool.h - run the parts of one kernel call on all compute threads.
 *
 * Reads    a function over part numbers.
 * Returns  when every part has run. Which thread runs which part is not determined; parts are
 *          independent, so no result depends on it.
 * Cost     one part range is one atomic add. Workers spin about 20 us for the next call, yield
 *          their core to others for 0.4 ms, then sleep; a call never waits for a worker that is
 *          not awake yet.
 * Source   none.
 * Not here what a part is (runtime/kernels/cpu_kernel.h).
 */
#ifndef DMS_RUNTIME_CPU_POOL_H
#define DMS_RUNTIME_CPU_POOL_H

#include "schema/arena.h"

typedef struct dms_pool dms_pool;

/* Work in parts. `thread` tells who runs: 0 is the caller of dms_pool_run. */
typedef struct dms_pool_job {
    void (*run)(void *context, uint32_t thread, uint64_t first, uint64_t end);
    void *context;
    uint64_t n_parts;
} dms_pool_job;

/* Starts n_threads - 1 workers: the caller of dms_pool_run is the remaining thread.
 * Owner    the pool lives in `arena`; dms_pool_close ends its threads.
 * Errors   DMS_EINTERNAL: no memory or no threads. */
DMS_CHECKED dms_code dms_pool_open(dms_arena *arena, uint32_t n_threads, dms_pool **out_pool,
                                   dms_status *st);

/* Runs all parts and returns when they are done.
 * Threads  one caller at a time. */
void dms_pool_run(dms_pool *pool, const dms_pool_job *job);

/* Ends the workers. NULL is allowed. */
void dms_pool_close(dms_pool *pool);

#endif
