/* test_engine_failures.c - what ends a run, where, and what the session says from then on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/check/check.h"
#include "support_run.h"

#define ROWS 6
#define STEPS 5
#define TURNS 7

static const float factor[STEPS] = {2, 3, 0.5f, 1.25f, 7};

/* y = x w0 w1 w2 w3 w4, one step each. Weights 1 and 3 are streamed from the host; the other ones
 * stay. Every step has its own activation. */
typedef struct chain_case {
    run_case run;
    float x[ROWS], y[ROWS];
} chain_case;

/* Weight `k` comes from the host once per turn, behind the step that used it, for the next turn. */
static void stream_weight(run_case *r, uint32_t home, uint32_t to, uint32_t step) {
    const uint32_t load = r->plan.prologue.n_cmds[DMS_QUEUE_LOAD] - 1;
    r->cmd[0][DMS_QUEUE_LOAD][load].is_signal = true;
    run_cmd(r, 0, DMS_QUEUE_IN, DMS_CMD_COPY, home, to)->wait_cmd[DMS_QUEUE_LOAD] = load;
    dms_cmd *again = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_COPY, home, to);
    again->is_ahead = true;
    run_wait(r, again, DMS_QUEUE_COMPUTE, step, 0);
}

static void make_chain(chain_case *c) {
    static const char *const names[STEPS] = {"w0", "w1", "w2", "w3", "w4"};
    run_case *r = &c->run;
    run_init(r);
    uint32_t weight[STEPS], value[STEPS + 1];
    value[0] = run_buffer(r, run_tensor(r, "x", DMS_TENSOR_INPUT, ROWS), DMS_TIER_DEVICE);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, value[0]), *step[STEPS];
    for (uint32_t k = 0; k < STEPS; k++) {
        const uint32_t w = run_weight(r, names[k], &factor[k]);
        const dms_tensor_kind kind = k + 1 < STEPS ? DMS_TENSOR_ACTIVATION : DMS_TENSOR_OUTPUT;
        const uint32_t h = run_tensor(r, k + 1 < STEPS ? "h" : "y", kind, ROWS);
        weight[k] = run_buffer(r, w, DMS_TIER_DEVICE);
        value[k + 1] = run_buffer(r, h, DMS_TIER_DEVICE);
        step[k] = run_step(r, value[k], weight[k], value[k + 1]);
    }
    for (uint32_t k = 0; k < STEPS; k++) {
        const uint32_t w = r->buffer[weight[k]].tensor;
        const bool is_streamed = k == 1 || k == 3;
        const uint32_t at = is_streamed ? run_buffer(r, w, DMS_TIER_HOST) : weight[k];
        run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w].first_source, at);
        if (is_streamed)
            stream_weight(r, at, weight[k], k);
    }
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, value[STEPS], 0);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step[0], DMS_QUEUE_IN, 0, 0);
    run_wait(r, step[1], DMS_QUEUE_IN, 1, 1);
    run_wait(r, step[3], DMS_QUEUE_IN, 2, 1);
    run_wait(r, step[STEPS - 1], DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, STEPS - 1, 0);
    run_finish(r);
}

static dms_session *open_chain(chain_case *c, dms_options options) {
    dms_session *s = NULL;
    dms_status st = {0};
    dms_arena scratch = {0};
    dms_hash meaning;
    if (dms_check_plan(&c->run.plan, &scratch, &meaning, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_arena_free(&scratch);
    if (options.threads == 0)
        options.threads = 1;
    if (dms_session_open(&c->run.plan, ".", &options, &s, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    const dms_user_tensor in = run_user(c->x, ROWS), out = run_user(c->y, ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    return s;
}

/* The product of the factors is 26.25, exact in f32 with small whole numbers. */
static void run_and_check(chain_case *c, dms_session *s, int turn) {
    for (int i = 0; i < ROWS; i++) {
        c->x[i] = (float)(turn * 10 + i);
        c->y[i] = -1;
    }
    assert_int_equal(dms_run(s, NULL), DMS_OK);
    for (int i = 0; i < ROWS; i++)
        assert_true(c->y[i] == 26.25f * (float)(turn * 10 + i));
}

static void turns_threads_and_poison_change_no_bit(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 5; threads++)
        for (int poison = 0; poison < 2; poison++)
            for (uint64_t turns = 0; turns <= TURNS; turns++) { /* 0: without end */
                chain_case c;
                make_chain(&c);
                dms_session *s = open_chain(
                    &c, (dms_options){.threads = threads, .poison = poison != 0, .turns = turns});
                for (int turn = 0; turn < (turns == 0 ? TURNS : (int)turns); turn++)
                    run_and_check(&c, s, turn);
                if (turns != 0)
                    assert_int_equal(dms_run(s, NULL), DMS_EUSAGE);
                dms_close(s);
            }
}

/* Whichever of the five loads fails, its weight is named and nothing runs after it. */
static void any_load_that_fails_is_named(void **state) {
    (void)state;
    for (uint32_t k = 0; k < STEPS; k++) {
        chain_case c;
        make_chain(&c);
        dms_session *s = open_chain(&c, (dms_options){.threads = 2});
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
    make_chain(&c);
    dms_session *s = open_chain(&c, (dms_options){0});
    uint64_t done, all;
    dms_session_progress(s, &done, &all);
    assert_int_equal(done, 0);
    assert_int_equal(all, STEPS + 2); /* five loads, two copies */
    assert_int_equal(dms_prepare(s, NULL), DMS_OK);
    assert_int_equal(dms_prepare(s, NULL), DMS_OK); /* the second one has nothing to do */
    dms_session_progress(s, &done, &all);
    assert_int_equal(done, all);
    dms_close(s);
    make_chain(&c);
    s = open_chain(&c, (dms_options){0});
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
            make_chain(&c);
            dms_session *s = open_chain(&c, (dms_options){.threads = 2});
            for (int turn = 0; turn < turns; turn++)
                run_and_check(&c, s, turn);
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
    make_chain(&c);
    dms_session *s = open_chain(&c, (dms_options){.threads = 2});
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
    run_and_check(&c, s, 3); /* a refused start does no harm */
    assert_int_equal(dms_session_stats(s).turns, 41);
    dms_close(s);
}

/* The binding before a refused one stays. */
static void a_refused_binding_changes_nothing(void **state) {
    (void)state;
    chain_case c;
    make_chain(&c);
    dms_session *s = open_chain(&c, (dms_options){0});
    float other[2 * ROWS] = {0};
    const dms_user_tensor in = run_user(other, ROWS), good = run_user(other + ROWS, ROWS);
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
    run_and_check(&c, s, 2);
    for (int i = 0; i < 2 * ROWS; i++)
        assert_true(other[i] == 0);
    dms_close(s);
}

static void more_threads_than_anyone_has_are_refused(void **state) {
    (void)state;
    chain_case c;
    make_chain(&c);
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
