/* futex.h - sleep until a word changes.
 *
 * Reads    a 32-bit word shared between threads.
 * Returns  when the word is not `seen`, when someone woke it, or for no reason: callers loop.
 * Cost     one system call; nothing when nobody sleeps, if the caller counts its sleepers.
 * Source   futex(2).
 * Not here counters with a meaning (timeline.h), parts of a call (cpu/pool.h).
 */
#ifndef DMS_RUNTIME_FUTEX_H
#define DMS_RUNTIME_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sleeps while *word == seen. */
static inline void dms_futex_wait(const void *word, uint32_t seen) {
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* Wakes at most `n` sleepers. */
static inline void dms_futex_wake(const void *word, int n) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* Tells the core that this is a spin loop. */
static inline void dms_spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

#endif
