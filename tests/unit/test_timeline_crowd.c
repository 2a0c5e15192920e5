/* test_timeline_crowd.c - many threads wait for many values of one timeline: each goes when its own
 * is reached, not before and not never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "runtime/timeline.h"

#define WAITERS 12
#define FAR (UINT64_C(1) << 32)

/* What all threads share: the timeline, and how far its only writer has certainly come. */
typedef struct crowd {
    dms_timeline timeline;
    _Atomic uint64_t announced; /* raised before the timeline is */
    _Atomic int n_early, n_lost, n_back;
} crowd;

/* One waiter: it waits for first, first + step, ... up to last. */
typedef struct waiter {
    crowd *crowd;
    pthread_t thread;
    uint64_t first, step, last;
} waiter;

static void *wait_along(void *argument) {
    waiter *w = argument;
    for (uint64_t value = w->first; value <= w->last; value += w->step) {
        if (!dms_timeline_wait(&w->crowd->timeline, value)) {
            atomic_fetch_add(&w->crowd->n_lost, 1);
            return NULL;
        }
        if (atomic_load(&w->crowd->announced) < value)
            atomic_fetch_add(&w->crowd->n_early, 1);
    }
    atomic_fetch_add(&w->crowd->n_back, 1);
    return NULL;
}

/* Starts a crowd whose waiters look at every first, second, third, ... value above `base`. */
static void gather(crowd *c, waiter *w, uint64_t base, uint64_t last) {
    for (uint64_t k = 0; k < WAITERS; k++) {
        w[k] = (waiter){.crowd = c, .first = base + 1 + k, .step = 1 + k, .last = last};
        assert_int_equal(pthread_create(&w[k].thread, NULL, wait_along, &w[k]), 0);
    }
}

static void let_go(waiter *w) {
    for (uint64_t k = 0; k < WAITERS; k++)
        assert_int_equal(pthread_join(w[k].thread, NULL), 0);
}

/* Raises the timeline from `from` to `to` in steps of 1 to 3. */
static void raise_all(crowd *c, uint64_t from, uint64_t to) {
    for (uint64_t value = from; value < to;) {
        const uint64_t next = value + 1 + value % 3 < to ? value + 1 + value % 3 : to;
        atomic_store(&c->announced, next);
        assert_true(dms_timeline_publish(&c->timeline, value, next));
        value = next;
        if (value % 7 == 0)
            (void)sched_yield(); /* let some of them fall asleep */
    }
}

static void everyone_goes_when_its_value_is_reached(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) {
        crowd c = {.announced = 0};
        waiter w[WAITERS];
        gather(&c, w, 0, 3000);
        raise_all(&c, 0, 3000);
        let_go(w);
        assert_int_equal(atomic_load(&c.n_early), 0);
        assert_int_equal(atomic_load(&c.n_lost), 0);
        assert_int_equal(atomic_load(&c.n_back), WAITERS);
    }
}

/* A sleeper watches 32 bits of the value; those of a large value start anew. */
static void values_beyond_32_bits_are_waited_for_as_well(void **state) {
    (void)state;
    const uint64_t base = FAR - 500;
    crowd c = {.announced = base};
    waiter w[WAITERS];
    assert_true(dms_timeline_publish(&c.timeline, 0, base));
    gather(&c, w, base, FAR + 500);
    raise_all(&c, base, FAR + 500);
    let_go(w);
    assert_int_equal(atomic_load(&c.n_early), 0);
    assert_int_equal(atomic_load(&c.n_back), WAITERS);
    assert_true(dms_timeline_wait(&c.timeline, FAR));
}

static void the_end_lets_everyone_go_who_waits_or_will(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        crowd c = {.announced = 0};
        waiter w[WAITERS];
        gather(&c, w, 0, 1000);
        raise_all(&c, 0, 20);
        dms_timeline_end(&c.timeline);
        let_go(w);
        assert_int_equal(atomic_load(&c.n_early), 0);
        assert_int_equal(atomic_load(&c.n_lost), WAITERS); /* all wait beyond 20 in the end */
        assert_false(dms_timeline_publish(&c.timeline, 20, 21));
        dms_timeline_end(&c.timeline); /* twice is once */
        assert_false(dms_timeline_wait(&c.timeline, 1));
    }
}

/* Only who knows the value may raise it: two writers would lose one of their steps. */
static void a_value_is_raised_from_what_it_is(void **state) {
    (void)state;
    dms_timeline t = {0};
    assert_true(dms_timeline_publish(&t, 0, 5));
    assert_false(dms_timeline_publish(&t, 0, 6));
    assert_false(dms_timeline_publish(&t, 4, 6));
    assert_true(dms_timeline_wait(&t, 5));
    assert_true(dms_timeline_publish(&t, 5, 6));
    assert_true(dms_timeline_wait(&t, 6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everyone_goes_when_its_value_is_reached),
        cmocka_unit_test(values_beyond_32_bits_are_waited_for_as_well),
        cmocka_unit_test(the_end_lets_everyone_go_who_waits_or_will),
        cmocka_unit_test(a_value_is_raised_from_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
