/* test_timeline.c - no wake-up is lost, and an ended timeline lets everybody go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "runtime/cpu/pool.h"
#include "runtime/timeline.h"

#define ROUNDS 20000

/* Two timelines that chase each other. */
typedef struct chase {
    dms_timeline ping, pong;
    int ended_at; /* round in which the other side saw the end, -1: none */
} chase;

/* Answers every ping with a pong. */
static void *answer(void *argument) {
    chase *c = argument;
    c->ended_at = -1;
    for (int i = 0; i < ROUNDS; i++) {
        if (!dms_timeline_wait(&c->ping, (uint64_t)i + 1)) {
            c->ended_at = i;
            return NULL;
        }
        if (!dms_timeline_publish(&c->pong, (uint64_t)i, (uint64_t)i + 1)) {
            c->ended_at = i;
            return NULL;
        }
    }
    return NULL;
}

static void a_value_that_was_reached_is_not_waited_for(void **state) {
    (void)state;
    dms_timeline t = {0};
    assert_true(dms_timeline_wait(&t, 0));
    assert_true(dms_timeline_publish(&t, 0, 7));
    assert_true(dms_timeline_wait(&t, 7));
    assert_true(dms_timeline_wait(&t, 3));
}

static void two_threads_wake_each_other_every_time(void **state) {
    (void)state;
    chase c = {.ended_at = 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer, &c), 0);
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(dms_timeline_publish(&c.ping, (uint64_t)i, (uint64_t)i + 1));
        assert_true(dms_timeline_wait(&c.pong, (uint64_t)i + 1));
    }
    pthread_join(thread, NULL);
    assert_int_equal(c.ended_at, -1);
}

static void the_end_wakes_a_sleeper_and_stops_a_writer(void **state) {
    (void)state;
    chase c = {.ended_at = -2};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer, &c), 0);
    assert_true(dms_timeline_publish(&c.ping, 0, 1));
    assert_true(dms_timeline_wait(&c.pong, 1));
    dms_timeline_end(&c.ping); /* the other side waits for 2 */
    pthread_join(thread, NULL);
    assert_int_equal(c.ended_at, 1);
    assert_false(dms_timeline_wait(&c.ping, 1));
    assert_false(dms_timeline_publish(&c.ping, 1, 2));
}

/* Every part adds its number once. */
typedef struct sum {
    _Atomic uint64_t total, calls;
    uint32_t n_threads;
    _Atomic int has_strange_thread;
} sum;

static void add_parts(void *context, uint32_t thread, uint64_t first, uint64_t end) {
    sum *s = context;
    if (thread >= s->n_threads)
        atomic_store(&s->has_strange_thread, 1);
    for (uint64_t i = first; i < end; i++)
        atomic_fetch_add(&s->total, i + 1);
    atomic_fetch_add(&s->calls, end - first);
}

static void the_pool_runs_every_part_once(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 4; threads++) {
        dms_arena arena = {0};
        dms_pool *pool = NULL;
        assert_int_equal(dms_pool_open(&arena, threads, &pool, NULL), DMS_OK);
        for (uint64_t n = 0; n < 400; n++) {
            sum s = {.n_threads = threads};
            dms_pool_run(pool, &(dms_pool_job){add_parts, &s, n});
            assert_int_equal(s.calls, n);
            assert_int_equal(s.total, n * (n + 1) / 2);
            assert_int_equal(s.has_strange_thread, 0);
        }
        dms_pool_close(pool);
        dms_arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_was_reached_is_not_waited_for),
        cmocka_unit_test(two_threads_wake_each_other_every_time),
        cmocka_unit_test(the_end_wakes_a_sleeper_and_stops_a_writer),
        cmocka_unit_test(the_pool_runs_every_part_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
