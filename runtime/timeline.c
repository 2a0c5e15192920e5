/* timeline.c - counters with futex waits.
 *
 * A sleeper counts itself, looks again, then sleeps on the low half of the value; the writer
 * changes the value, then looks for sleepers. Both sides are sequentially consistent: one of them
 * sees the other: no wake-up is lost. Only a change of the low half can be slept on: at the one
 * value of 2^32 that has the low half of the end, waiters stay awake.
 */
#include "runtime/timeline.h"

#include <limits.h>
#include <sched.h>

#include "runtime/futex.h"

#define SPINS 100 /* about 3 us on the machines of MACHINE-FACTS */

/* The half of the value that a futex can watch: the low one. */
static const void *low_word(const dms_timeline *timeline) {
    const unsigned char *bytes = (const unsigned char *)&timeline->value;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes += 4;
#endif
    return bytes;
}

bool dms_timeline_wait(dms_timeline *timeline, uint64_t value) {
    for (int i = 0; i < SPINS; i++) {
        const uint64_t now = atomic_load_explicit(&timeline->value, memory_order_acquire);
        if (now >= value)
            return now != DMS_TIMELINE_END;
        dms_spin_pause();
    }
    atomic_fetch_add(&timeline->n_sleepers, 1);
    uint64_t now = atomic_load(&timeline->value);
    while (now < value) {
        if ((uint32_t)now != (uint32_t)DMS_TIMELINE_END)
            dms_futex_wait(low_word(timeline), (uint32_t)now);
        else
            (void)sched_yield(); /* the end would leave this word as it is */
        now = atomic_load(&timeline->value);
    }
    atomic_fetch_sub(&timeline->n_sleepers, 1);
    return now != DMS_TIMELINE_END;
}

/* After a change of the value. */
static void wake_sleepers(dms_timeline *timeline) {
    if (atomic_load(&timeline->n_sleepers) != 0)
        dms_futex_wake(low_word(timeline), INT_MAX);
}

bool dms_timeline_publish(dms_timeline *timeline, uint64_t from, uint64_t to) {
    uint64_t expected = from;
    if (!atomic_compare_exchange_strong(&timeline->value, &expected, to))
        return false;
    wake_sleepers(timeline);
    return true;
}

void dms_timeline_end(dms_timeline *timeline) {
    atomic_store(&timeline->value, DMS_TIMELINE_END);
    wake_sleepers(timeline);
}
