/* test_engine.c - queues, turns, errors and cancelling, on plans made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "runtime/kernels/kernel.h"
#include "support_run.h"

#define ROWS 4

static const float two = 2, three = 3;

/* y = (x w0) w1, w0 kept on the device, w1 streamed from the host:
 *
 *   prologue  load: w0 -> device, w1 -> host          in: w1 -> device for turn 0
 *   body      in       x in          | w1 in, ahead for the next turn, after step 1
 *             compute     step 0 | step 1 waits for w1 of the turn before
 *             out                          y out */
typedef struct stream_case {
    run_case run;
    float x[ROWS], y[ROWS];
} stream_case;

static void make_stream(stream_case *c) {
    run_case *r = &c->run;
    run_init(r);
    const uint32_t x = run_tensor(r, "x", DMS_TENSOR_INPUT, ROWS);
    const uint32_t w0 = run_weight(r, "w0", &two), w1 = run_weight(r, "w1", &three);
    const uint32_t h = run_tensor(r, "h", DMS_TENSOR_ACTIVATION, ROWS);
    const uint32_t y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, ROWS);
    const uint32_t bx = run_buffer(r, x, DMS_TIER_DEVICE), b0 = run_buffer(r, w0, DMS_TIER_DEVICE);
    const uint32_t b1 = run_buffer(r, w1, DMS_TIER_DEVICE), bh = run_buffer(r, h, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(r, y, DMS_TIER_DEVICE), home = run_buffer(r, w1, DMS_TIER_HOST);

    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w0].first_source, b0);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w1].first_source, home)->is_signal = true;
    run_cmd(r, 0, DMS_QUEUE_IN, DMS_CMD_COPY, home, b1)->wait_cmd[DMS_QUEUE_LOAD] = 1;

    dms_cmd *in_x = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *in_w1 = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_COPY, home, b1);
    dms_cmd *step0 = run_step(r, bx, b0, bh), *step1 = run_step(r, bh, b1, by);
    dms_cmd *out_y = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    in_w1->is_ahead = true;
    run_wait(r, in_x, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, in_w1, DMS_QUEUE_COMPUTE, 1, 0);
    run_wait(r, step0, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step1, DMS_QUEUE_IN, 1, 1);
    run_wait(r, step1, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out_y, DMS_QUEUE_COMPUTE, 1, 0);
    run_finish(r);
}

static void bind_one(dms_session *s, float *x, float *y) {
    const dms_user_tensor in = run_user(x, ROWS), out = run_user(y, ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
}

static void fill(float *x, float first) {
    for (int i = 0; i < ROWS; i++)
        x[i] = first + (float)i;
}

static void check_six_times(const float *y, float first) {
    for (int i = 0; i < ROWS; i++)
        assert_true(y[i] == 6 * (first + (float)i));
}

static void every_turn_computes_its_own_input(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){0});
    bind_one(s, c.x, c.y);
    for (int turn = 0; turn < 100; turn++) {
        fill(c.x, (float)turn);
        assert_int_equal(dms_run(s, NULL), DMS_OK);
        check_six_times(c.y, (float)turn);
    }
    assert_int_equal(dms_session_stats(s).turns, 100);
    dms_close(s);
}

/* What a session wrote of its first turns. */
static json_t *trace_of(const dms_session *s) {
    FILE *out = tmpfile();
    assert_non_null(out);
    assert_int_equal(dms_session_trace(s, out, NULL), DMS_OK);
    rewind(out);
    json_t *root = json_loadf(out, 0, NULL);
    assert_non_null(root);
    assert_int_equal(fclose(out), 0);
    return root;
}

/* How many commands a trace shows on a lane, and that none begins before the one in front ends. */
static int count_lane(const json_t *root, int lane) {
    const json_t *events = json_object_get(root, "traceEvents");
    double ended = 0;
    int n = 0;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        if (strcmp(json_string_value(json_object_get(e, "ph")), "X") != 0 ||
            json_integer_value(json_object_get(e, "tid")) != lane)
            continue;
        const double begin = json_number_value(json_object_get(e, "ts"));
        assert_true(begin >= ended - 0.0005);
        ended = begin + json_number_value(json_object_get(e, "dur"));
        n++;
    }
    return n;
}

static void the_first_turns_are_recorded_where_that_was_asked_for(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){.trace_turns = 3, .turns = 5});
    bind_one(s, c.x, c.y);
    for (int turn = 0; turn < 5; turn++)
        assert_int_equal(dms_run(s, NULL), DMS_OK);
    json_t *root = trace_of(s);
    assert_int_equal(count_lane(root, 1), 6); /* two steps a turn */
    assert_int_equal(count_lane(root, 2), 6); /* x, and w1 for the next turn */
    assert_int_equal(count_lane(root, 3), 3); /* y */
    json_decref(root);
    dms_close(s);
}

static void the_last_turn_shows_nothing_for_a_next_one(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){.trace_turns = 3, .turns = 1});
    bind_one(s, c.x, c.y);
    assert_int_equal(dms_run(s, NULL), DMS_OK);
    json_t *root = trace_of(s);
    assert_int_equal(count_lane(root, 1), 2);
    assert_int_equal(count_lane(root, 2), 1); /* x alone: w1 of a turn 1 is not fetched */
    json_decref(root);
    dms_close(s);
}

static void a_session_that_records_nothing_has_no_trace(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){0});
    assert_int_equal(dms_session_trace(s, stderr, NULL), DMS_EUSAGE);
    dms_close(s);
}

static void recording_takes_its_memory_when_the_session_opens(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){.trace_turns = 2});
    const uint64_t used = s->arena.used_bytes;
    assert_non_null(s->trace.span);
    bind_one(s, c.x, c.y);
    assert_int_equal(dms_prepare(s, NULL), DMS_OK);
    const dms_arena_mark mark = dms_arena_here(&s->arena);
    for (int turn = 0; turn < 4; turn++)
        assert_int_equal(dms_run(s, NULL), DMS_OK);
    const dms_arena_mark after = dms_arena_here(&s->arena);
    assert_ptr_equal(after.block, mark.block);
    assert_int_equal(after.used, mark.used);
    assert_true(s->arena.used_bytes >= used);
    dms_close(s);
}

static void the_next_input_may_be_given_while_a_turn_runs(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){.threads = 2});
    float x[2][ROWS], y[2][ROWS];
    dms_status st;
    for (int turn = 0; turn < 50; turn++) {
        fill(x[turn & 1], (float)turn);
        bind_one(s, x[turn & 1], y[turn & 1]);
        assert_int_equal(dms_start(s, &st), DMS_OK);
        if (turn == 0)
            continue;
        assert_int_equal(dms_wait(s, &st), DMS_OK);
        check_six_times(y[(turn - 1) & 1], (float)(turn - 1));
    }
    assert_int_equal(dms_start(s, &st), DMS_OK);
    assert_int_equal(dms_start(s, &st), DMS_EUSAGE);
    dms_close(s);
}

static void the_last_turn_skips_what_serves_the_next(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){.turns = 3});
    bind_one(s, c.x, c.y);
    for (int turn = 0; turn < 3; turn++) {
        fill(c.x, (float)turn);
        assert_int_equal(dms_run(s, NULL), DMS_OK);
        check_six_times(c.y, (float)turn);
    }
    dms_status st;
    assert_int_equal(dms_run(s, &st), DMS_EUSAGE);
    assert_string_equal(st.msg, "the session was opened for 3 turns");
    dms_engine_stop(s); /* what is ahead has run, or never will */
    const dms_stats stats = dms_session_stats(s);
    assert_int_equal(stats.in.commands, 3 + 2); /* x thrice; w1 in turns 0 and 1 */
    assert_int_equal(stats.in.bytes, 3 * sizeof c.x + 2 * sizeof(float));
    assert_int_equal(stats.compute.commands, 6);
    assert_int_equal(stats.out.commands, 3);
    dms_close(s);
}

static void poison_and_threads_change_no_bit(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= 4; threads *= 2) {
        stream_case c;
        make_stream(&c);
        dms_session *s = run_open(&c.run, (dms_options){.threads = threads, .poison = true});
        bind_one(s, c.x, c.y);
        fill(c.x, 5);
        assert_int_equal(dms_run(s, NULL), DMS_OK);
        check_six_times(c.y, 5);
        assert_int_equal(dms_session_info(s).threads, threads);
        dms_close(s);
    }
}

static void a_caller_with_pitches_sees_the_same_numbers(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){0});
    float x[2 * ROWS] = {1, -1, 2, -1, 3, -1, 4, -1}, y[3 * ROWS] = {0};
    dms_user_tensor in = run_user(x, ROWS), out = run_user(y, ROWS);
    in.view.pitch[0] = 2; /* every second element */
    in.view.pitch[1] = 2;
    out.view.pitch[0] = 3;
    out.view.offset = 1;
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    assert_int_equal(dms_run(s, NULL), DMS_OK);
    for (int i = 0; i < ROWS; i++) {
        assert_true(y[3 * i + 1] == 6 * (float)(i + 1));
        assert_true(y[3 * i] == 0 && y[3 * i + 2] == 0);
    }
    dms_close(s);
}

static void an_activation_that_was_evicted_comes_back(void **state) {
    (void)state;
    /* h = x w goes out to the host, its place is overwritten, and h comes back elsewhere. */
    run_case r;
    run_init(&r);
    const uint32_t x = run_tensor(&r, "x", DMS_TENSOR_INPUT, ROWS);
    const uint32_t w = run_weight(&r, "w", &two),
                   h = run_tensor(&r, "h", DMS_TENSOR_ACTIVATION, ROWS);
    const uint32_t y = run_tensor(&r, "y", DMS_TENSOR_OUTPUT, ROWS);
    const uint32_t bx = run_buffer(&r, x, DMS_TIER_DEVICE), bw = run_buffer(&r, w, DMS_TIER_DEVICE);
    const uint32_t bh = run_buffer(&r, h, DMS_TIER_DEVICE), hh = run_buffer(&r, h, DMS_TIER_HOST);
    const uint32_t back = run_buffer(&r, h, DMS_TIER_DEVICE),
                   by = run_buffer(&r, y, DMS_TIER_DEVICE);
    run_cmd(&r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 0, bw);
    dms_cmd *in_x = run_cmd(&r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *first = run_step(&r, bx, bw, bh);
    dms_cmd *evict = run_cmd(&r, 1, DMS_QUEUE_OUT, DMS_CMD_COPY, bh, hh);
    dms_cmd *over = run_step(&r, bx, bw, bh);
    dms_cmd *fetch = run_cmd(&r, 1, DMS_QUEUE_IN, DMS_CMD_COPY, hh, back);
    dms_cmd *last = run_step(&r, back, bw, by);
    dms_cmd *out = run_cmd(&r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    run_wait(&r, in_x, DMS_QUEUE_COMPUTE, 2, 1);
    run_wait(&r, first, DMS_QUEUE_IN, 0, 0);
    run_wait(&r, evict, DMS_QUEUE_COMPUTE, 0, 0);
    run_wait(&r, over, DMS_QUEUE_OUT, 0, 0);
    run_wait(&r, fetch, DMS_QUEUE_OUT, 0, 0);
    run_wait(&r, fetch, DMS_QUEUE_COMPUTE, 1, 0);
    run_wait(&r, last, DMS_QUEUE_IN, 1, 0);
    run_wait(&r, out, DMS_QUEUE_COMPUTE, 2, 0);
    run_finish(&r);
    dms_session *s = run_open(&r, (dms_options){.poison = true});
    float in[ROWS], got[ROWS];
    bind_one(s, in, got);
    for (int turn = 0; turn < 10; turn++) {
        fill(in, (float)turn);
        assert_int_equal(dms_run(s, NULL), DMS_OK);
        for (int i = 0; i < ROWS; i++)
            assert_true(got[i] == 4 * in[i]);
    }
    dms_close(s);
}

/* y = x w0 with everything resident and `rows` rows. */
static void make_resident(run_case *r, int64_t rows) {
    run_init(r);
    const uint32_t x = run_tensor(r, "x", DMS_TENSOR_INPUT, rows), w = run_weight(r, "w", &two);
    const uint32_t y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, rows);
    const uint32_t bx = run_buffer(r, x, DMS_TIER_DEVICE), bw = run_buffer(r, w, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(r, y, DMS_TIER_DEVICE);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 0, bw);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *step = run_step(r, bx, bw, by);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
}

static void a_turn_with_nothing_to_overlap_runs_on_one_thread(void **state) {
    (void)state;
    run_case r;
    stream_case streamed;
    float x[2][ROWS], y[2][ROWS];
    make_resident(&r, ROWS);
    dms_session *s = run_open(&r, (dms_options){.turns = 40});
    assert_true(s->is_in_order);
    for (int turn = 0; turn < 40; turn++) { /* two under way: both bindings are used */
        fill(x[turn & 1], (float)turn);
        bind_one(s, x[turn & 1], y[turn & 1]);
        assert_int_equal(dms_start(s, NULL), DMS_OK);
        if (turn == 0)
            continue;
        assert_int_equal(dms_wait(s, NULL), DMS_OK);
        for (int i = 0; i < ROWS; i++)
            assert_true(y[(turn - 1) & 1][i] == 2 * (float)(turn - 1 + i));
    }
    assert_int_equal(dms_wait(s, NULL), DMS_OK);
    const dms_stats stats = dms_session_stats(s);
    assert_int_equal(stats.in.commands, 40);
    assert_int_equal(stats.in.bytes, 40 * sizeof *x);
    assert_int_equal(stats.compute.commands, 40);
    assert_int_equal(stats.out.commands, 40);
    dms_close(s);
    make_stream(&streamed);
    s = run_open(&streamed.run, (dms_options){0});
    assert_false(s->is_in_order); /* w1 is copied while step 0 runs */
    dms_close(s);
    make_resident(&r, 20000);
    s = run_open(&r, (dms_options){0});
    assert_false(s->is_in_order); /* 160 kB of user memory are worth a thread */
    dms_close(s);
}

static void a_turn_on_one_thread_can_be_cancelled(void **state) {
    (void)state;
    run_case r;
    float x[ROWS] = {0}, y[ROWS];
    make_resident(&r, ROWS);
    dms_session *s = run_open(&r, (dms_options){0});
    bind_one(s, x, y);
    assert_int_equal(dms_run(s, NULL), DMS_OK);
    dms_cancel(s);
    assert_int_equal(dms_run(s, NULL), DMS_ECANCELLED);
    dms_close(s);
}

static void a_wrong_tensor_is_refused_with_its_name(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){0});
    dms_user_tensor in = run_user(c.x, ROWS + 1), out = run_user(c.y, ROWS);
    dms_status st;
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, &st), DMS_EINPUT);
    assert_string_equal(st.msg, "input 'x': the plan wants f32 [4, 1], given is f32 [5, 1]");
    in = run_user(c.x, ROWS);
    in.view.dtype = DMS_DTYPE_I32;
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, &st), DMS_EINPUT);
    in = run_user(NULL, ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, &st), DMS_EINPUT);
    in = run_user(c.x, ROWS);
    out.view.pitch[0] = 0;
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, &st), DMS_EINPUT);
    assert_int_equal(dms_bind(s, &in, 1, &out, 0, &st), DMS_EINPUT);
    assert_int_equal(dms_run(s, &st), DMS_EUSAGE);
    assert_string_equal(st.msg, "no inputs and outputs are bound");
    dms_close(s);
}

static void a_cancelled_session_only_closes(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){0});
    bind_one(s, c.x, c.y);
    assert_int_equal(dms_run(s, NULL), DMS_OK);
    dms_cancel(s);
    dms_status st;
    assert_int_equal(dms_run(s, &st), DMS_ECANCELLED);
    assert_int_equal(dms_run(s, &st), DMS_ECANCELLED);
    assert_int_equal(dms_wait(s, &st), DMS_ECANCELLED);
    dms_close(s);
}

static void cancelling_before_the_prologue_ends_it(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){0});
    dms_cancel(s);
    assert_int_equal(dms_prepare(s, NULL), DMS_ECANCELLED);
    dms_close(s);
}

static void a_session_that_never_ran_closes(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_close(run_open(&c.run, (dms_options){0}));
    dms_session *s = run_open(&c.run, (dms_options){0});
    bind_one(s, c.x, c.y);
    assert_int_equal(dms_start(s, NULL), DMS_OK);
    dms_close(s); /* in the middle of a turn */
    dms_close(NULL);
}

static void a_load_that_fails_ends_the_run_and_names_the_weight(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){.threads = 2});
    c.run.source[1].n_embedded = 3; /* w1 is cut after the plan was proven */
    bind_one(s, c.x, c.y);
    dms_status st;
    assert_int_equal(dms_run(s, &st), DMS_EPLAN);
    assert_string_equal(st.msg, "weight 'w1': a constant in the plan is too short");
    assert_int_equal(dms_run(s, &st), DMS_EPLAN);
    dms_close(s);
}

static void steps_and_queues_are_timed(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = run_open(&c.run, (dms_options){0});
    bind_one(s, c.x, c.y);
    for (int turn = 0; turn < 40; turn++)
        assert_int_equal(dms_run(s, NULL), DMS_OK);
    int64_t ns[2] = {0, 0};
    dms_session_step_ns(s, 3, ns);
    assert_true(ns[0] > 0 && ns[1] > 0);
    dms_session_step_ns(s, 40, ns);
    assert_true(ns[0] == 0 && ns[1] == 0);
    const dms_stats stats = dms_session_stats(s);
    assert_true(stats.compute.busy_ns > 0 && stats.open_ns > 0);
    assert_int_equal(stats.compute.commands, 80);
    assert_string_equal(dms_session_step(s, 1), "scale");
    dms_close(s);
}

static void a_device_that_is_not_there_is_refused(void **state) {
    (void)state;
    stream_case c;
    make_stream(&c);
    dms_session *s = NULL;
    dms_options options = {.device = "cuda:99"};
    assert_int_equal(dms_session_open(&c.run.plan, ".", &options, &s, NULL), DMS_EDEVICE);
    options.device = "abacus";
    assert_int_equal(dms_session_open(&c.run.plan, ".", &options, &s, NULL), DMS_EUSAGE);
    options.device = "cpu";
    c.run.plan.device_kind = DMS_DEVICE_CUDA;
    assert_int_equal(dms_session_open(&c.run.plan, ".", &options, &s, NULL), DMS_EDEVICE);
    c.run.plan.device_kind = DMS_DEVICE_CPU;
    c.run.plan.device_arena = (uint64_t)1 << 62;
    assert_int_equal(dms_session_open(&c.run.plan, ".", &options, &s, NULL), DMS_EDEVICE);
    assert_null(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_turn_computes_its_own_input),
        cmocka_unit_test(the_first_turns_are_recorded_where_that_was_asked_for),
        cmocka_unit_test(the_last_turn_shows_nothing_for_a_next_one),
        cmocka_unit_test(a_session_that_records_nothing_has_no_trace),
        cmocka_unit_test(recording_takes_its_memory_when_the_session_opens),
        cmocka_unit_test(the_next_input_may_be_given_while_a_turn_runs),
        cmocka_unit_test(the_last_turn_skips_what_serves_the_next),
        cmocka_unit_test(poison_and_threads_change_no_bit),
        cmocka_unit_test(a_caller_with_pitches_sees_the_same_numbers),
        cmocka_unit_test(an_activation_that_was_evicted_comes_back),
        cmocka_unit_test(a_turn_with_nothing_to_overlap_runs_on_one_thread),
        cmocka_unit_test(a_turn_on_one_thread_can_be_cancelled),
        cmocka_unit_test(a_wrong_tensor_is_refused_with_its_name),
        cmocka_unit_test(a_cancelled_session_only_closes),
        cmocka_unit_test(cancelling_before_the_prologue_ends_it),
        cmocka_unit_test(a_session_that_never_ran_closes),
        cmocka_unit_test(a_load_that_fails_ends_the_run_and_names_the_weight),
        cmocka_unit_test(steps_and_queues_are_timed),
        cmocka_unit_test(a_device_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
