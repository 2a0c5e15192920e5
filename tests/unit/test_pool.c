/* test_pool.c - does every part of a call run exactly once, whoever runs it? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/cpu/pool.h"

#define PARTS 5000

/* How often each part ran, and on which threads. */
typedef struct tally {
    _Atomic uint32_t runs[PARTS];
    _Atomic uint32_t busy[8]; /* threads inside at this moment: a number is given to one thread */
    _Atomic uint32_t wrong;
    _Atomic uint32_t inside;
    uint32_t n_threads;
    uint64_t n_parts;
} tally;

static void count_parts(void *context, uint32_t thread, uint64_t first, uint64_t end) {
    tally *t = context;
    atomic_fetch_add(&t->inside, 1);
    if (thread >= t->n_threads || first > end || end > t->n_parts ||
        atomic_fetch_add(&t->busy[thread], 1) != 0)
        atomic_fetch_add(&t->wrong, 1);
    for (uint64_t k = first; k < end && k < PARTS; k++)
        atomic_fetch_add(&t->runs[k], 1);
    atomic_fetch_sub(&t->busy[thread % 8], 1);
    atomic_fetch_sub(&t->inside, 1);
}

/* Runs `n_parts` and checks that each has run once more, and that nobody is left inside. */
static void run_and_check(dms_pool *pool, tally *t, uint64_t n_parts) {
    memset((void *)t->runs, 0, sizeof t->runs);
    t->n_parts = n_parts;
    dms_pool_run(pool, &(dms_pool_job){count_parts, t, n_parts});
    assert_int_equal(atomic_load(&t->inside), 0);
    assert_int_equal(atomic_load(&t->wrong), 0);
    for (uint64_t k = 0; k < PARTS; k++)
        assert_int_equal(atomic_load(&t->runs[k]), k < n_parts);
}

static void every_part_runs_once_on_one_to_eight_threads(void **state) {
    (void)state;
    static const uint64_t parts[] = {0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 100, 1000, PARTS};
    tally t = {0};
    for (uint32_t threads = 1; threads <= 8; threads++) {
        dms_arena arena = {0};
        dms_pool *pool;
        t.n_threads = threads;
        assert_int_equal(dms_pool_open(&arena, threads, &pool, NULL), DMS_OK);
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
            run_and_check(pool, &t, parts[k]);
        dms_pool_close(pool);
        dms_arena_free(&arena);
    }
}

/* A worker that wakes too late for one call must not take a part of the next twice. */
static void thousands_of_small_calls_follow_each_other(void **state) {
    (void)state;
    tally t = {.n_threads = 4};
    dms_arena arena = {0};
    dms_pool *pool;
    assert_int_equal(dms_pool_open(&arena, 4, &pool, NULL), DMS_OK);
    for (uint32_t call = 0; call < 3000; call++) {
        t.n_parts = 2 + call % 5;
        dms_pool_run(pool, &(dms_pool_job){count_parts, &t, t.n_parts});
        assert_int_equal(atomic_load(&t.inside), 0);
    }
    assert_int_equal(atomic_load(&t.wrong), 0);
    assert_int_equal(atomic_load(&t.runs[0]), 3000);
    assert_int_equal(atomic_load(&t.runs[1]), 3000);
    assert_int_equal(atomic_load(&t.runs[2]), 2400); /* calls of 3, 4, 5 and 6 parts */
    assert_int_equal(atomic_load(&t.runs[5]), 600);
    assert_int_equal(atomic_load(&t.runs[6]), 0);
    dms_pool_close(pool);
    dms_arena_free(&arena);
}

static void double_them(void *context, uint32_t thread, uint64_t first, uint64_t end) {
    uint64_t *value = context; /* plain memory: calls order it */
    (void)thread;
    for (uint64_t k = first; k < end; k++)
        value[k] = 2 * value[k] + 1;
}

/* What one call wrote, on any thread, the next one reads, on any other: 2^n - 1 after n calls. */
static void a_call_sees_what_the_call_before_wrote(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 8; threads++) {
        uint64_t value[257] = {0};
        dms_arena arena = {0};
        dms_pool *pool;
        assert_int_equal(dms_pool_open(&arena, threads, &pool, NULL), DMS_OK);
        for (int call = 0; call < 63; call++)
            dms_pool_run(pool, &(dms_pool_job){double_them, value, 257});
        for (int k = 0; k < 257; k++)
            assert_true(value[k] == ((uint64_t)1 << 63) - 1);
        dms_pool_close(pool);
        dms_arena_free(&arena);
    }
}

static void threads_that_never_worked_end_as_well(void **state) {
    (void)state;
    for (int times = 0; times < 20; times++) {
        dms_arena arena = {0};
        dms_pool *pool;
        assert_int_equal(dms_pool_open(&arena, 8, &pool, NULL), DMS_OK);
        dms_pool_close(pool);
        dms_arena_free(&arena);
    }
    dms_pool_close(NULL);
}

static void two_pools_do_not_know_each_other(void **state) {
    (void)state;
    tally first = {.n_threads = 3}, second = {.n_threads = 2};
    dms_arena arena = {0};
    dms_pool *a, *b;
    assert_int_equal(dms_pool_open(&arena, 3, &a, NULL), DMS_OK);
    assert_int_equal(dms_pool_open(&arena, 2, &b, NULL), DMS_OK);
    for (uint64_t n = 0; n < 40; n++) {
        run_and_check(a, &first, n);
        run_and_check(b, &second, 40 - n);
    }
    dms_pool_close(a);
    run_and_check(b, &second, 77); /* the end of one leaves the other alone */
    dms_pool_close(b);
    dms_arena_free(&arena);
}

static void a_pool_without_memory_is_refused(void **state) {
    (void)state;
    for (uint64_t at = 1; at <= 2; at++) {
        dms_arena arena = {.fail_at = at};
        dms_pool *pool = NULL;
        dms_status st = {0};
        assert_int_equal(dms_pool_open(&arena, 4, &pool, &st), DMS_EINTERNAL);
        assert_null(pool);
        assert_string_equal(st.msg,
                            at == 1 ? "out of memory: thread pool" : "out of memory: threads");
        dms_arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_once_on_one_to_eight_threads),
        cmocka_unit_test(thousands_of_small_calls_follow_each_other),
        cmocka_unit_test(a_call_sees_what_the_call_before_wrote),
        cmocka_unit_test(threads_that_never_worked_end_as_well),
        cmocka_unit_test(two_pools_do_not_know_each_other),
        cmocka_unit_test(a_pool_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
