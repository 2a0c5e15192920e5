/* test_period_of_commands.c - the commands of a plan, each for as long as the profile says, take the
 * period that the plan promises: no wait is stricter than the placement thought, none is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/views.h"
#include "schema/trace.h"
#include "support_rounds.h"
#include "support_tiny.h"

#define TURNS 40 /* more than any queue of these plans needs to come into step */

typedef struct tally {
    uint32_t n, n_three_tiers, n_stalled;
} tally;

/* Time between two turns, at the end of the run. */
static int64_t period_of(tiny_case *t) {
    const dms_plan *plan = &t->compiled.plan;
    const uint32_t last = plan->body.n_cmds[DMS_QUEUE_COMPUTE] - 1;
    dms_trace trace;
    dms_status st;
    assert_int_equal(dms_trace_predict(plan, &t->compiled.profile, TURNS, &t->g.arena, &trace, &st),
                     DMS_OK);
    const int64_t end = dms_trace_at(&trace, TURNS - 1, DMS_QUEUE_COMPUTE, last)->end_ns;
    return (end - dms_trace_at(&trace, TURNS - 3, DMS_QUEUE_COMPUTE, last)->end_ns + 1) / 2;
}

static void compare(tiny_case *t, void *data) {
    tally *all = data;
    const dms_plan *plan = &t->compiled.plan;
    all->n++;
    all->n_three_tiers += plan->body.n_cmds[DMS_QUEUE_LOAD] > 0;
    all->n_stalled += plan->period_ns > plan->compute_ns;
    if (period_of(t) != plan->period_ns)
        fail_msg("device %llu, host %llu: the commands take %lld ns, the plan says %lld",
                 (unsigned long long)plan->device_arena, (unsigned long long)plan->host_arena,
                 (long long)period_of(t), (long long)plan->period_ns);
}

static void the_commands_of_every_small_plan_take_its_period(void **state) {
    (void)state;
    tally all = {.n = 0};
    for (int model = 0; model < N_TINY_MODELS; model++)
        for (int is_in_file = 0; is_in_file < 2; is_in_file++) {
            tiny_case t;
            tiny_begin(&t, (tiny_model)model, is_in_file != 0);
            (void)tiny_each_plan(&t, ROUNDS_OF(12, 3), compare, &all);
            tiny_end(&t);
        }
    assert_true(all.n > ROUNDS_OF(30, 10) && all.n_three_tiers > ROUNDS_OF(3, 1));
    assert_true(all.n_stalled > ROUNDS_OF(10, 3));
}

static void the_commands_of_long_plans_take_their_period(void **state) {
    (void)state;
    tally all = {.n = 0};
    for (uint32_t n_products = 6; n_products <= ROUNDS_OF(18, 10); n_products += 4) {
        tiny_case t;
        tiny_begin_long(&t, n_products, true);
        (void)tiny_each_plan(&t, ROUNDS_OF(8, 4), compare, &all);
        tiny_end(&t);
    }
    print_message("%u plans, %u on three tiers, %u that stall\n", all.n, all.n_three_tiers,
                  all.n_stalled);
    assert_true(all.n > ROUNDS_OF(20, 5) && all.n_three_tiers > ROUNDS_OF(5, 2));
}

/* A steady state under contention may take many turns to repeat, and rounds to ns in each event: the
 * mean of two turns is compared, within a hundredth. */
static void compare_contended(tiny_case *t, void *data) {
    tally *all = data;
    const dms_plan *plan = &t->compiled.plan;
    const int64_t found = period_of(t), off = found - plan->period_ns;
    all->n++;
    all->n_three_tiers += plan->body.n_cmds[DMS_QUEUE_LOAD] > 0;
    all->n_stalled += plan->period_ns > plan->compute_ns;
    if (off * 100 > found || -off * 100 > found)
        fail_msg("device %llu, host %llu: the commands take %lld ns, the plan says %lld",
                 (unsigned long long)plan->device_arena, (unsigned long long)plan->host_arena,
                 (long long)found, (long long)plan->period_ns);
}

static void commands_that_slow_each_other_down_take_the_period_that_is_priced(void **state) {
    (void)state;
    tally all = {.n = 0};
    for (uint32_t n_products = 6; n_products <= ROUNDS_OF(10, 6); n_products += 4) {
        tiny_case t;
        tiny_begin_long(&t, n_products, true);
        t.g.profile.contention.extra[DMS_QUEUE_COMPUTE][DMS_QUEUE_IN] = 150;
        t.g.profile.contention.extra[DMS_QUEUE_COMPUTE][DMS_QUEUE_LOAD] = 80;
        t.g.profile.contention.extra[DMS_QUEUE_IN][DMS_QUEUE_COMPUTE] = 200;
        t.g.profile.contention.extra[DMS_QUEUE_IN][DMS_QUEUE_OUT] = 400;
        t.g.profile.contention.extra[DMS_QUEUE_LOAD][DMS_QUEUE_IN] = 50;
        t.g.profile.lead_ns = n_products * 100;
        (void)tiny_each_plan(&t, ROUNDS_OF(5, 3), compare_contended, &all);
        tiny_end(&t);
    }
    assert_true(all.n > ROUNDS_OF(10, 3) && all.n_three_tiers > ROUNDS_OF(3, 0));
    assert_true(all.n_stalled > ROUNDS_OF(5, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_commands_of_every_small_plan_take_its_period),
        cmocka_unit_test(the_commands_of_long_plans_take_their_period),
        cmocka_unit_test(commands_that_slow_each_other_down_take_the_period_that_is_priced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
