/* test_pool_wakeups.c - at every step of the caller a worker comes in between, and at every step of a
 * worker the caller: every part runs once, and nobody who has a reason to go on stays asleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_steps.h"

#include "runtime/cpu/pool.c"

#define PARTS 5

static dms_pool the_pool;
static uint32_t n_runs[PARTS];

static void count_runs(void *context, uint32_t thread, uint64_t first, uint64_t end) {
    (void)context;
    (void)thread;
    for (uint64_t k = first; k < end; k++)
        n_runs[k]++;
}

/* Nobody works; the worker has seen round 0. */
static void begin_idle(void) {
    memset(&the_pool, 0, sizeof the_pool);
    memset(n_runs, 0, sizeof n_runs);
    the_pool.n_threads = 2;
    the_pool.may_spin = true;
    the_pool.job = (dms_pool_job){count_runs, NULL, PARTS};
    the_pool.range = 1;
}

/* A round has begun, and no part of it has. */
static void begin_open(void) {
    begin_idle();
    the_pool.round = 1;
    the_pool.gate = GATE_OPEN;
}

/* As above, and one worker is inside. */
static void begin_inside(void) {
    begin_open();
    the_pool.gate = GATE_OPEN + 1;
}

/* As above, and the caller has shut the gate. */
static void begin_shut(void) {
    begin_open();
    the_pool.gate = 1;
}

static void call_once(void) {
    dms_pool_run(&the_pool, &(dms_pool_job){count_runs, NULL, PARTS});
}

/* The rest of a call whose round has begun. */
static void work_and_shut(void) {
    run_parts(&the_pool, 0);
    shut_gate(&the_pool);
}

static void shut(void) {
    shut_gate(&the_pool);
}

static void leave(void) {
    leave_gate(&the_pool);
}

/* One time around of worker_main. */
static void work_once(void) {
    (void)await_round(&the_pool, 0);
    if (!atomic_load(&the_pool.is_closing) && enter_gate(&the_pool)) {
        run_parts(&the_pool, 1);
        leave_gate(&the_pool);
    }
}

static void await_next(void) {
    (void)await_round(&the_pool, 0);
}

static void begin_round(void) {
    next_round(&the_pool);
}

static void end_all(void) {
    atomic_store(&the_pool.is_closing, true);
    next_round(&the_pool);
}

/* Returns the number of steps; `all_run`: every part has run once, whoever came when. */
static uint32_t must_wake(void (*begin)(void), void (*host)(void), void (*guest)(void),
                          bool all_run) {
    uint32_t at;
    const uint32_t n = steps_everywhere(&(steps_case){begin, host, guest}, &at);
    if (n == 0)
        fail_msg("asleep for ever, the other having come at step %u", at);
    for (uint32_t k = 0; all_run && k < PARTS; k++)
        assert_int_equal(n_runs[k], 1); /* of the last run; the others stand in each_part_once */
    return n;
}

static void a_worker_between_any_two_steps_of_a_call_is_woken(void **state) {
    (void)state;
    assert_true(must_wake(begin_idle, call_once, work_once, true) > 2 * PARTS);
}

static void a_caller_between_any_two_steps_of_a_worker_is_woken(void **state) {
    (void)state;
    assert_true(must_wake(begin_open, work_once, work_and_shut, true) > PARTS);
}

static void the_last_worker_out_wakes_the_caller(void **state) {
    (void)state;
    assert_true(must_wake(begin_inside, shut, leave, false) > SPINS);
    assert_true(must_wake(begin_inside, leave, shut, false) >= 1);
    assert_true(must_wake(begin_shut, leave, shut, false) >= 2);
}

static void a_round_wakes_a_worker_that_goes_to_sleep(void **state) {
    (void)state;
    assert_true(must_wake(begin_idle, await_next, begin_round, false) > SPINS);
    assert_true(must_wake(begin_idle, begin_round, await_next, false) >= 2);
    assert_true(must_wake(begin_idle, work_once, end_all, false) > SPINS);
    assert_true(must_wake(begin_idle, end_all, work_once, false) >= 3);
}

/* The host of this one looks after itself: every part has run once when a call returns. */
static void call_and_look(void) {
    call_once();
    for (uint32_t k = 0; k < PARTS; k++)
        assert_int_equal(n_runs[k], 1);
    assert_int_equal(atomic_load(&the_pool.gate), 0);
}

static void each_part_runs_once_wherever_a_worker_comes(void **state) {
    (void)state;
    (void)must_wake(begin_idle, call_and_look, work_once, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_between_any_two_steps_of_a_call_is_woken),
        cmocka_unit_test(a_caller_between_any_two_steps_of_a_worker_is_woken),
        cmocka_unit_test(the_last_worker_out_wakes_the_caller),
        cmocka_unit_test(a_round_wakes_a_worker_that_goes_to_sleep),
        cmocka_unit_test(each_part_runs_once_wherever_a_worker_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
