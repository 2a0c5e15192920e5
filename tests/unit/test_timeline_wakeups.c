/* test_timeline_wakeups.c - at every step of a waiter the writer comes in between, and at every step
 * of the writer a waiter: nobody who has a reason to go on stays asleep.
 *
 * timeline.c is compiled here with its atomics and its futex replaced by ones that call `step`
 * first. Whoever comes in between runs to its end, or to where it sleeps, so one such point per run
 * shows every lost wake-up of two threads: those need one change of threads and one back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>

#include "runtime/futex.h"
#include "runtime/timeline.h"

static void step(void);
static void sleep_on(const void *word, uint32_t seen);
static void wake_up(const void *word);
static int look_again(void);

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_compare_exchange_strong
#define atomic_load(p) (step(), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define atomic_load_explicit(p, order) (step(), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define atomic_store(p, v) (step(), __atomic_store_n((p), (v), __ATOMIC_SEQ_CST))
#define atomic_fetch_add(p, v) (step(), __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
#define atomic_fetch_sub(p, v) (step(), __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST))
#define atomic_compare_exchange_strong(p, expected, v)                                             \
    (step(),                                                                                       \
     __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
#define dms_futex_wait(word, seen) (step(), sleep_on((word), (seen)))
#define dms_futex_wake(word, n) (step(), wake_up(word))
#define sched_yield() look_again()

#include "runtime/timeline.c"

/* What the writer does: from value `from` to `to`, or to the end. The waiter waits for `to`. */
typedef struct act {
    uint64_t from, to;
} act;

/* One run of two threads, of which one comes in between the other's steps. */
static struct {
    dms_timeline timeline;
    act act;
    void (*guest)(void);
    uint32_t at, n_steps; /* the guest comes at step `at`, counted from 1 */
    bool is_guest, has_come, is_asleep, has_written, is_lost;
    jmp_buf bed; /* where a guest that sleeps leaves to */
} the;

static void step(void) {
    if (the.is_guest || ++the.n_steps != the.at)
        return;
    the.is_guest = the.has_come = true;
    if (setjmp(the.bed) == 0)
        the.guest();
    the.is_guest = false;
}

static void write_now(void) {
    if (the.act.to == DMS_TIMELINE_END)
        dms_timeline_end(&the.timeline);
    else
        (void)dms_timeline_publish(&the.timeline, the.act.from, the.act.to);
    the.has_written = true;
}

static void wait_now(void) {
    (void)dms_timeline_wait(&the.timeline, the.act.to);
}

/* The kernel looks at the word once more; then the waiter sleeps until it is woken. */
static void sleep_on(const void *word, uint32_t seen) {
    if (__atomic_load_n((const uint32_t *)word, __ATOMIC_SEQ_CST) != seen)
        return;
    the.is_asleep = true;
    if (the.is_guest)
        longjmp(the.bed, 1);
    if (!the.has_written) { /* asleep before the writer came: he comes now, and must wake it */
        the.is_guest = true;
        write_now();
        the.is_guest = false;
    }
    if (the.is_asleep) { /* for ever: let it go, to end the test */
        the.is_lost = true;
        the.is_asleep = false;
        __atomic_store_n(&the.timeline.value, DMS_TIMELINE_END, __ATOMIC_SEQ_CST);
    }
}

/* A waiter that stays awake: the writer gets its time now. */
static int look_again(void) {
    if (the.is_guest)
        longjmp(the.bed, 1);
    if (!the.has_written) {
        the.is_guest = true;
        write_now();
        the.is_guest = false;
    }
    return 0;
}

static void wake_up(const void *word) {
    (void)word;
    the.is_asleep = false;
}

/* Runs `host` with `guest` at every step, and once without; returns how many steps there are, 0
 * where one sleeps for ever. */
static uint32_t come_everywhere(act act, void (*host)(void), void (*guest)(void)) {
    uint32_t at = 0;
    do {
        at++;
        the.timeline.value = act.from;
        the.timeline.n_sleepers = 0;
        the.act = act;
        the.guest = guest;
        the.at = at;
        the.n_steps = 0;
        the.is_guest = the.has_come = the.is_asleep = the.has_written = the.is_lost = false;
        host();
        if (the.is_lost || the.is_asleep)
            return 0;
    } while (the.has_come);
    return at - 1;
}

static const act acts[] = {
    {0, 1},
    {7, 9},
    {0, DMS_TIMELINE_END},
    {UINT32_MAX - 1, UINT32_MAX},    /* the word that sleepers watch reaches its last value */
    {UINT32_MAX, UINT64_C(1) << 32}, /* and begins again */
    {UINT32_MAX, DMS_TIMELINE_END},  /* it is already what the end makes of it */
    {UINT64_C(5) << 32, (UINT64_C(5) << 32) + 1},
};

#define N_ACTS (sizeof acts / sizeof *acts)

static void a_writer_between_any_two_steps_of_a_waiter_is_seen(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_ACTS; k++) {
        const uint32_t n = come_everywhere(acts[k], wait_now, write_now);
        if (n == 0)
            fail_msg("act %u: the waiter sleeps for ever, writer at its step %u", k, the.at);
        assert_true(n > SPINS); /* a whole spin, the count of sleepers, another look, the sleep */
    }
}

static void a_waiter_between_any_two_steps_of_a_writer_is_woken(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_ACTS; k++) {
        const uint32_t n = come_everywhere(acts[k], write_now, wait_now);
        if (n == 0)
            fail_msg("act %u: the waiter sleeps for ever, having come at step %u", k, the.at);
        assert_true(n >= 2); /* the value changes, then sleepers are looked for */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_between_any_two_steps_of_a_waiter_is_seen),
        cmocka_unit_test(a_waiter_between_any_two_steps_of_a_writer_is_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
