/* support_steps.h - two threads that meet in atomics and futexes, without threads: wherever one of
 * them is, the other comes in between.
 *
 * Reads    a source file that is included behind this header: its atomics, its futex and its yields
 *          are replaced by ones that call steps_step first.
 * Returns  whether somebody who has a reason to go on stays asleep.
 * Cost     (steps of the host) runs.
 * Source   none. Whoever comes in between runs to its end, or to where it sleeps: one such point
 *          shows every lost wake-up that needs one change of threads and one back.
 * Not here orders that memory would allow but no interleaving has.
 */
#ifndef DMS_TESTS_SUPPORT_STEPS_H
#define DMS_TESTS_SUPPORT_STEPS_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/futex.h"

/* Two threads. `begin` makes the state that both begin with. */
typedef struct steps_case {
    void (*begin)(void), (*host)(void), (*guest)(void);
} steps_case;

/* Runs the host with the guest at every step, and once with the guest when the host sleeps. Returns
 * how many steps there are, 0 where one of them sleeps for ever; *out_at is where the guest came. */
uint32_t steps_everywhere(const steps_case *c, uint32_t *out_at);

/* Called by the replaced functions. */
void steps_step(void);
void steps_sleep_on(const void *word, uint32_t seen);
void steps_wake_up(const void *word);
int steps_yield(void);

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_and
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak_explicit
#ifdef __clang__ /* what it has for atomics by name */
#define STEPS_ATOMIC(what) __c11_atomic_##what
#define STEPS_LOAD(p) __c11_atomic_load((p), __ATOMIC_SEQ_CST)
#define STEPS_STORE(p, v) __c11_atomic_store((p), (v), __ATOMIC_SEQ_CST)
#define STEPS_EXCHANGE(p, expected, v)                                                             \
    __c11_atomic_compare_exchange_strong((p), (expected), (v), __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#else
#define STEPS_ATOMIC(what) __atomic_##what
#define STEPS_LOAD(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define STEPS_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define STEPS_EXCHANGE(p, expected, v)                                                             \
    __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#endif
#define STEPS_FETCH(what, p, v)                                                                    \
    (steps_step(), STEPS_ATOMIC(fetch_##what)((p), (v), __ATOMIC_SEQ_CST))
#define atomic_load(p) (steps_step(), STEPS_LOAD(p))
#define atomic_load_explicit(p, order) atomic_load(p)
#define atomic_store(p, v) (steps_step(), STEPS_STORE((p), (v)))
#define atomic_store_explicit(p, v, order) atomic_store((p), (v))
#define atomic_fetch_add(p, v) STEPS_FETCH(add, (p), (v))
#define atomic_fetch_add_explicit(p, v, order) atomic_fetch_add((p), (v))
#define atomic_fetch_sub(p, v) STEPS_FETCH(sub, (p), (v))
#define atomic_fetch_and(p, v) STEPS_FETCH(and, (p), (v))
#define atomic_compare_exchange_strong(p, expected, v)                                             \
    (steps_step(), STEPS_EXCHANGE((p), (expected), (v)))
#define atomic_compare_exchange_weak_explicit(p, expected, v, yes, no)                             \
    atomic_compare_exchange_strong((p), (expected), (v))
#define dms_futex_wait(word, seen) (steps_step(), steps_sleep_on((word), (seen)))
#define dms_futex_wake(word, n) (steps_step(), steps_wake_up(word))
#define sched_yield() steps_yield()

#endif
