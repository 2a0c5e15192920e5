/* test_timeline_wakeups.c - at every step of a waiter the writer comes in between, and at every step
 * of the writer a waiter: nobody who has a reason to go on stays asleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_steps.h"

#include "runtime/timeline.c"

/* What the writer does: from value `from` to `to`, or to the end. The waiter waits for `to`. */
typedef struct act {
    uint64_t from, to;
} act;

static dms_timeline timeline;
static act now;

static void begin(void) {
    timeline.value = now.from;
    timeline.n_sleepers = 0;
}

static void write_now(void) {
    if (now.to == DMS_TIMELINE_END)
        dms_timeline_end(&timeline);
    else
        (void)dms_timeline_publish(&timeline, now.from, now.to);
}

static void wait_now(void) {
    (void)dms_timeline_wait(&timeline, now.to);
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
        uint32_t at;
        now = acts[k];
        const uint32_t n = steps_everywhere(&(steps_case){begin, wait_now, write_now}, &at);
        if (n == 0)
            fail_msg("act %u: the waiter sleeps for ever, the writer came at step %u", k, at);
        assert_true(n > SPINS); /* a whole spin, the count of sleepers, another look, the sleep */
    }
}

static void a_waiter_between_any_two_steps_of_a_writer_is_woken(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_ACTS; k++) {
        uint32_t at;
        now = acts[k];
        const uint32_t n = steps_everywhere(&(steps_case){begin, write_now, wait_now}, &at);
        if (n == 0)
            fail_msg("act %u: the waiter sleeps for ever, having come at step %u", k, at);
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
