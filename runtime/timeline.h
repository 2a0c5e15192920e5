/* timeline.h - has the other queue come far enough?
 *
 * Reads    nothing.
 * Returns  a 64-bit counter that only grows, and a wait for a value.
 * Cost     a met wait: one load. An unmet one spins about 3 us, then sleeps; publishing to nobody
 *          is one exchange, to a sleeper one system call.
 * Source   none; timeline semaphores as in Vulkan, on a futex.
 * Not here which value a command waits for (engine.c, schema/plan.h).
 */
#ifndef DMS_RUNTIME_TIMELINE_H
#define DMS_RUNTIME_TIMELINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The value of an ended timeline: every wait on it returns at once. */
#define DMS_TIMELINE_END UINT64_MAX

/* One writer, any number of waiters. Zero-initialised it stands at 0. */
typedef struct dms_timeline {
    _Alignas(64) _Atomic uint64_t value;
    _Atomic uint32_t n_sleepers;
} dms_timeline;

/* Waits until the value is at least `value`; false when the timeline was ended. */
bool dms_timeline_wait(dms_timeline *timeline, uint64_t value);

/* Raises the value from `from`, where its writer left it, to `to`; false when it was ended. */
bool dms_timeline_publish(dms_timeline *timeline, uint64_t from, uint64_t to);

/* Ends the timeline: all waits return false, now and later.
 * Threads  any. */
void dms_timeline_end(dms_timeline *timeline);

#endif
