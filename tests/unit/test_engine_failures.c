/* test_engine_failures.c - what ends a run, where, and what the session says from then on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "support_chain.h"

#define TURNS 7

static void turns_threads_and_poison_change_no_bit(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 5; threads++)
        for (int poison = 0; poison < 2; poison++)
            for (uint64_t turns = 0; turns <= TURNS; turns++) { /* 0: without end */
                chain_case c;
                chain_make(&c);
                dms_session *s = chain_open(
                    &c, (dms_options){.threads = threads, .poison = poison != 0, .turns = turns});
                for (int turn = 0; turn < (turns == 0 ? TURNS : (int)turns); turn++)
                    chain_run(&c, s, turn);
                if (turns != 0)
                    assert_int_equal(dms_run(s, NULL), DMS_EUSAGE);
                dms_close(s);
            }
}

/* Whichever of the five loads fails, its weight is named and nothing runs after it. */
static void any_load_that_fails_is_named(void **state) {
    (void)state;
    for (uint32_t k = 0; k < CHAIN_STEPS; k++) {
        chain_case c;
        chain_make(&c);
        dms_session *s = chain_open(&c, (dms_options){.threads = 2});
        c.run.source[k].n_embedded = 1;
        dms_status st = {0};
        char want[64] = "weight 'w0': a constant in the plan is too short";
        want[9] = (char)('0' + k);
        assert_int_equal(dms_prepare(s, &st), DMS_EPLAN);
        assert_string_equal(st.msg, want);
        for (int i = 0; i < 2; i++) { /* it stays so */
            memset(&st, 0, sizeof st);
            assert_int_equal(dms_run(s, &st), DMS_EPLAN);
            assert_string_equal(st.msg, want);
            assert_int_equal(dms_wait(s, &st), DMS_EPLAN);
        }
        assert_int_equal(dms_session_stats(s).compute.commands, 0);
        dms_close(s);
    }
}

static void progress_counts_the_loads_up_to_the_failure(void **state) {
    (void)state;
    chain_case c;
    chain_make(&c);
    dms_session *s = chain_open(&c, (dms_options){0});
    uint64_t done, all;
    dms_session_progress(s, &done, &all);
    assert_int_equal(done, 0);
    assert_int_equal(all, CHAIN_STEPS + 2); /* five loads, two copies */
    assert_int_equal(dms_prepare(s, NULL), DMS_OK);
    assert_int_equal(dms_prepare(s, NULL), DMS_OK); /* the second one has nothing to do */
    dms_session_progress(s, &done, &all);
    assert_int_equal(done, all);
    dms_close(s);
    chain_make(&c);
    s = chain_open(&c, (dms_options){0});
    c.run.source[2].n_embedded = 0;
    assert_int_equal(dms_prepare(s, NULL), DMS_EPLAN);
    dms_session_progress(s, &done, &all);
    assert_true(done >= 2 && done <= 3); /* two loads, and the copy of w1 if it came to that */
    dms_close(s);
}

/* Cancelled after any number of turns, with nothing or one turn under way. */
static void cancelling_after_any_turn_ends_the_session_for_good(void **state) {
    (void)state;
    for (int turns = 0; turns < TURNS; turns++)
        for (int under_way = 0; under_way < 2; under_way++) {
            chain_case c;
            chain_make(&c);
            dms_session *s = chain_open(&c, (dms_options){.threads = 2});
            for (int turn = 0; turn < turns; turn++)
                chain_run(&c, s, turn);
            if (under_way)
                assert_int_equal(dms_start(s, NULL), DMS_OK);
            dms_cancel(s);
            dms_cancel(s); /* twice is once */
            dms_status st = {0};
            dms_code code = dms_run(s, &st); /* a turn under way may still have ended well */
            for (int i = 0; i < 3 && code == DMS_OK; i++)
                code = dms_run(s, &st);
            assert_int_equal(code, DMS_ECANCELLED);
            assert_string_equal(st.msg, "interrupted");
            assert_int_equal(dms_start(s, &st), DMS_ECANCELLED);
            assert_int_equal(dms_prepare(s, &st), DMS_ECANCELLED);
            dms_close(s);
        }
}

static void two_turns_may_be_under_way_but_not_three(void **state) {
    (void)state;
    chain_case c;
    chain_make(&c);
    dms_session *s = chain_open(&c, (dms_options){.threads = 2});
    dms_status st = {0};
    assert_int_equal(dms_wait(s, &st), DMS_EUSAGE);
    assert_string_equal(st.msg, "no turn is under way");
    for (int k = 0; k < 20; k++) {
        assert_int_equal(dms_start(s, &st), DMS_OK);
        assert_int_equal(dms_start(s, &st), DMS_OK);
        assert_int_equal(dms_start(s, &st), DMS_EUSAGE);
        assert_string_equal(st.msg, "two turns are under way already");
        assert_int_equal(dms_wait(s, &st), DMS_OK);
        assert_int_equal(dms_wait(s, &st), DMS_OK);
        assert_int_equal(dms_wait(s, &st), DMS_EUSAGE);
    }
    chain_run(&c, s, 3); /* a refused start does no harm */
    assert_int_equal(dms_session_stats(s).turns, 41);
    dms_close(s);
}

/* The binding before a refused one stays. */
static void a_refused_binding_changes_nothing(void **state) {
    (void)state;
    chain_case c;
    chain_make(&c);
    dms_session *s = chain_open(&c, (dms_options){0});
    float other[2 * CHAIN_ROWS] = {0};
    const dms_user_tensor in = run_user(other, CHAIN_ROWS),
                          good = run_user(other + CHAIN_ROWS, CHAIN_ROWS);
    dms_user_tensor bad = good;
    dms_status st = {0};
    bad.view.pitch[0] = 0;
    assert_int_equal(dms_bind(s, &in, 1, &bad, 1, &st), DMS_EINPUT);
    assert_string_equal(st.msg, "output 'y': axis 0 repeats");
    bad = good;
    bad.data = NULL;
    assert_int_equal(dms_bind(s, &in, 1, &bad, 1, &st), DMS_EINPUT);
    assert_string_equal(st.msg, "output 'y': no memory is given");
    bad = good;
    bad.view.pitch[0] = -1;
    assert_int_equal(dms_bind(s, &in, 1, &bad, 1, &st), DMS_EINPUT);
    assert_string_equal(st.msg, "output 'y': the view is not valid");
    assert_int_equal(dms_bind(s, &in, 0, &good, 1, &st), DMS_EINPUT);
    assert_string_equal(st.msg, "the plan has 1 inputs and 1 outputs, given are 0 and 1");
    chain_run(&c, s, 2);
    for (int i = 0; i < 2 * CHAIN_ROWS; i++)
        assert_true(other[i] == 0);
    dms_close(s);
}

static void more_threads_than_anyone_has_are_refused(void **state) {
    (void)state;
    chain_case c;
    chain_make(&c);
    dms_session *s = NULL;
    dms_status st = {0};
    const dms_options options = {.threads = 1025};
    assert_int_equal(dms_session_open(&c.run.plan, ".", &options, &s, &st), DMS_EUSAGE);
    assert_string_equal(st.msg, "threads: 1025 are more than 1024");
    assert_null(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_threads_and_poison_change_no_bit),
        cmocka_unit_test(any_load_that_fails_is_named),
        cmocka_unit_test(progress_counts_the_loads_up_to_the_failure),
        cmocka_unit_test(cancelling_after_any_turn_ends_the_session_for_good),
        cmocka_unit_test(two_turns_may_be_under_way_but_not_three),
        cmocka_unit_test(a_refused_binding_changes_nothing),
        cmocka_unit_test(more_threads_than_anyone_has_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
