/* test_session.c - opening, files, cells and what happens when something cannot be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/check/check.h"
#include "schema/file_digest.h"
#include "support_run.h"

#define ROWS 6
#define FILE_NUMBERS 64

static const float two = 2;

/* y = f x, where f is number 5 of the file w.bin: 5. */
typedef struct file_case {
    run_case run;
    char dir[64], plan[80];
    float x[ROWS], y[ROWS];
} file_case;

static void write_weights(const file_case *c, float first) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/w.bin", c->dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < FILE_NUMBERS; i++) {
        const float value = first + (float)i;
        assert_int_equal(fwrite(&value, sizeof value, 1, f), 1);
    }
    assert_int_equal(fclose(f), 0);
}

static void digest_weights(file_case *c) {
    char path[100];
    dms_plan_file *file = &c->run.file[0];
    const dms_file_ranges none = {0, NULL, NULL};
    (void)snprintf(path, sizeof path, "%s/w.bin", c->dir);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    *file = (dms_plan_file){.name = "w.bin", .bytes = 4 * FILE_NUMBERS, .kind = 1};
    assert_int_equal(dms_file_digest(fd, "w", file->bytes, &none, &file->digest, NULL), DMS_OK);
    assert_int_equal(dms_file_digest_all(fd, "w", file->bytes, &file->digest_all, NULL), DMS_OK);
    c->run.plan.n_files = 1;
    close(fd);
}

/* y = x w with these buffers, in a turn that repeats. */
static void add_body(run_case *r, uint32_t bx, uint32_t bw, uint32_t by) {
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *step = run_step(r, bx, bw, by);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
}

static void make_case(file_case *c) {
    memset(c, 0, sizeof *c);
    run_case *r = &c->run;
    strcpy(c->dir, "session.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    (void)snprintf(c->plan, sizeof c->plan, "%s/plan.bin", c->dir);
    write_weights(c, 0);
    run_init(r);
    digest_weights(c);
    const uint32_t x = run_tensor(r, "x", DMS_TENSOR_INPUT, ROWS);
    const uint32_t w = run_file_weight(r, "w", 1, 0, 5 * sizeof(float));
    const uint32_t y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, ROWS);
    const uint32_t bx = run_buffer(r, x, DMS_TIER_DEVICE), bw = run_buffer(r, w, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(r, y, DMS_TIER_DEVICE);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 0, bw);
    add_body(r, bx, bw, by);
    uint64_t bytes;
    assert_int_equal(dms_plan_write(&r->plan, c->plan, &bytes, NULL), DMS_OK);
    for (int i = 0; i < ROWS; i++)
        c->x[i] = (float)i;
}

static void remove_case(file_case *c) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/w.bin", c->dir);
    (void)unlink(path);
    (void)unlink(c->plan);
    assert_int_equal(rmdir(c->dir), 0);
}

static void bind_case(file_case *c, dms_session *s) {
    const dms_user_tensor in = run_user(c->x, ROWS), out = run_user(c->y, ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
}

static void check_times(const file_case *c, float factor) {
    for (int i = 0; i < ROWS; i++)
        assert_true(c->y[i] == factor * c->x[i]);
}

static void a_plan_file_runs_with_the_weights_beside_it(void **state) {
    (void)state;
    file_case c;
    make_case(&c);
    dms_session *s = NULL;
    const dms_options options = {.threads = 1, .verify_weights = true};
    assert_int_equal(dms_open(c.plan, &options, &s, NULL), DMS_OK);
    const dms_info info = dms_session_info(s);
    assert_int_equal(info.n_inputs, 1);
    assert_int_equal(info.n_outputs, 1);
    assert_int_equal(info.n_steps, 1);
    assert_int_equal(info.device_arena_bytes, c.run.plan.device_arena);
    assert_string_equal(dms_session_input(s, 0).name, "x");
    assert_string_equal(dms_session_output(s, 0).name, "y");
    assert_int_equal(dms_session_output(s, 0).view.dim[0], ROWS);
    bind_case(&c, s);
    assert_int_equal(dms_run(s, NULL), DMS_OK);
    check_times(&c, 5);
    dms_close(s);
    remove_case(&c);
}

static void another_model_folder_may_be_given(void **state) {
    (void)state;
    file_case c;
    make_case(&c);
    char elsewhere[] = "plans.XXXXXX", plan[80];
    assert_non_null(mkdtemp(elsewhere));
    (void)snprintf(plan, sizeof plan, "%s/p", elsewhere);
    assert_int_equal(rename(c.plan, plan), 0);
    dms_session *s = NULL;
    dms_status st;
    dms_options options = {.threads = 1};
    assert_int_equal(dms_open(plan, &options, &s, &st), DMS_OK);
    assert_int_equal(dms_prepare(s, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "'w.bin'"));
    dms_close(s);
    options.model_dir = c.dir;
    assert_int_equal(dms_open(plan, &options, &s, &st), DMS_OK);
    uint64_t done, all;
    dms_session_progress(s, &done, &all);
    assert_true(done == 0 && all == 1);
    assert_int_equal(dms_prepare(s, &st), DMS_OK);
    assert_int_equal(dms_prepare(s, &st), DMS_OK); /* once is enough */
    dms_session_progress(s, &done, &all);
    assert_true(done == 1 && all == 1);
    dms_close(s);
    assert_int_equal(unlink(plan), 0);
    assert_int_equal(rmdir(elsewhere), 0);
    remove_case(&c);
}

static void weights_that_changed_are_refused_before_anything_runs(void **state) {
    (void)state;
    file_case c;
    make_case(&c);
    write_weights(&c, 1);
    dms_session *s = NULL;
    dms_status st;
    assert_int_equal(dms_open(c.plan, &(dms_options){.threads = 1}, &s, &st), DMS_OK);
    bind_case(&c, s);
    assert_int_equal(dms_run(s, &st), DMS_EPLAN);
    assert_non_null(strstr(st.msg, "'w.bin' changed"));
    memset(st.msg, 0, sizeof st.msg);
    assert_int_equal(dms_start(s, &st), DMS_EPLAN); /* the same again */
    assert_non_null(strstr(st.msg, "'w.bin' changed"));
    dms_close(s);
    remove_case(&c);
}

static void a_plan_that_is_not_safe_is_not_opened(void **state) {
    (void)state;
    file_case c;
    make_case(&c);
    uint64_t bytes;
    dms_session *s = NULL;
    dms_status st;
    c.run.buffer[2].offset = 0; /* y over x */
    assert_int_equal(dms_plan_write(&c.run.plan, c.plan, &bytes, NULL), DMS_OK);
    assert_int_equal(dms_open(c.plan, &(dms_options){.threads = 1}, &s, &st), DMS_EPLAN);
    assert_non_null(strstr(st.msg, c.plan));
    assert_null(s);
    assert_int_equal(dms_open("absent.plan", &(dms_options){.threads = 1}, &s, &st), DMS_EIO);
    remove_case(&c);
}

static void every_allocation_that_fails_is_reported_and_nothing_leaks(void **state) {
    (void)state;
    file_case c;
    make_case(&c);
    dms_code code = DMS_EINTERNAL;
    uint64_t n = 0;
    while (code != DMS_OK) {
        dms_session *s = NULL;
        dms_status st = {.msg = ""};
        assert_int_equal(dms_session_make(&s, NULL), DMS_OK);
        s->plan = &c.run.plan;
        s->arena.fail_at = ++n;
        code = dms_session_fill(s, c.dir, &(dms_options){.threads = 2, .model_dir = "."}, &st);
        if (code == DMS_OK) { /* from here on dms_prepare allocates */
            s->options.model_dir = NULL;
            code = dms_prepare(s, &st);
        }
        if (code != DMS_OK) {
            assert_int_equal(code, DMS_EINTERNAL);
            assert_non_null(strstr(st.msg, "out of memory"));
        }
        dms_close(s);
        assert_true(n < 1000);
    }
    assert_true(n > 10);
    remove_case(&c);
}

static void an_output_may_leave_cell_by_cell(void **state) {
    (void)state;
    /* y[6, 1] is split along its rows in cells of 4 and 2: two buffers, two copies */
    run_case r;
    run_init(&r);
    const uint32_t x0 = run_tensor(&r, "x0", DMS_TENSOR_INPUT, 4);
    const uint32_t x1 = run_tensor(&r, "x1", DMS_TENSOR_INPUT, 2);
    const uint32_t w = run_weight(&r, "w", &two), y = run_tensor(&r, "y", DMS_TENSOR_OUTPUT, ROWS);
    r.tensor[y].cell_len = 4;
    r.tensor[y].is_split = true;
    const uint32_t b0 = run_buffer(&r, x0, DMS_TIER_DEVICE),
                   b1 = run_buffer(&r, x1, DMS_TIER_DEVICE);
    const uint32_t bw = run_buffer(&r, w, DMS_TIER_DEVICE);
    const uint32_t y0 = run_buffer(&r, y, DMS_TIER_DEVICE), y1 = run_buffer(&r, y, DMS_TIER_DEVICE);
    r.buffer[y1].cell = 1;
    r.buffer[y1].bytes = dms_plan_buffer_bytes(&r.tensor[y], 1);
    run_cmd(&r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 0, bw);
    dms_cmd *in0 = run_cmd(&r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, b0);
    (void)run_cmd(&r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 1, b1);
    dms_cmd *step0 = run_step(&r, b0, bw, y0), *step1 = run_step(&r, b1, bw, y1);
    r.view[0][2].dim[0] = 4;
    r.view[1][2].dim[0] = 2;
    r.operand[1][2] = (dms_operand){y1, 1, 1};
    dms_cmd *out0 = run_cmd(&r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, y0, 0);
    (void)run_cmd(&r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, y1, 0);
    run_wait(&r, in0, DMS_QUEUE_COMPUTE, 1, 1);
    run_wait(&r, step0, DMS_QUEUE_IN, 1, 0);
    run_wait(&r, step0, DMS_QUEUE_OUT, 1, 1);
    run_wait(&r, out0, DMS_QUEUE_COMPUTE, 1, 0);
    (void)step1;
    run_finish(&r);
    dms_arena scratch = {0};
    dms_hash meaning;
    dms_status st = {.msg = ""};
    if (dms_check_plan(&r.plan, &scratch, &meaning, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_arena_free(&scratch);
    dms_session *s = NULL;
    assert_int_equal(dms_session_open(&r.plan, ".", &(dms_options){.threads = 1}, &s, &st), DMS_OK);
    float a[4] = {1, 2, 3, 4}, b[2] = {5, 6}, got[ROWS] = {0};
    const dms_user_tensor inputs[2] = {run_user(a, 4), run_user(b, 2)},
                          output = run_user(got, ROWS);
    assert_int_equal(dms_bind(s, inputs, 2, &output, 1, &st), DMS_OK);
    assert_int_equal(dms_run(s, &st), DMS_OK);
    for (int i = 0; i < ROWS; i++)
        assert_true(got[i] == 2 * (float)(i + 1));
    dms_close(s);
}

static void several_sessions_run_side_by_side(void **state) {
    (void)state;
    file_case c;
    make_case(&c);
    dms_session *s[3];
    float y[3][ROWS];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dms_open(c.plan, &(dms_options){.threads = 2}, &s[i], NULL), DMS_OK);
        const dms_user_tensor in = run_user(c.x, ROWS), out = run_user(y[i], ROWS);
        assert_int_equal(dms_bind(s[i], &in, 1, &out, 1, NULL), DMS_OK);
    }
    for (int turn = 0; turn < 20; turn++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(dms_start(s[i], NULL), DMS_OK);
        for (int i = 0; i < 3; i++)
            assert_int_equal(dms_wait(s[i], NULL), DMS_OK);
    }
    for (int i = 0; i < 3; i++) {
        memcpy(c.y, y[i], sizeof c.y);
        check_times(&c, 5);
        dms_close(s[i]);
    }
    remove_case(&c);
}

static void a_session_in_use_refuses_another_thread(void **state) {
    (void)state;
    file_case c;
    make_case(&c);
    dms_session *s;
    dms_status st = {.msg = ""};
    assert_int_equal(dms_open(c.plan, &(dms_options){.threads = 1}, &s, NULL), DMS_OK);
    const dms_user_tensor in = run_user(c.x, ROWS), out = run_user(c.y, ROWS);
    atomic_store(&s->is_entered, 1); /* as if one were in a call */
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, &st), DMS_EUSAGE);
    assert_string_equal(st.msg, "the session is in use by another thread");
    assert_int_equal(dms_prepare(s, NULL), DMS_EUSAGE);
    assert_int_equal(dms_start(s, NULL), DMS_EUSAGE);
    assert_int_equal(dms_wait(s, NULL), DMS_EUSAGE);
    assert_int_equal(dms_run(s, NULL), DMS_EUSAGE);
    atomic_store(&s->is_entered, 0);
    assert_int_equal(dms_wait(s, NULL), DMS_EUSAGE); /* no turn is under way: it was let in */
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, &st), DMS_OK);
    assert_int_equal(dms_run(s, &st), DMS_OK);
    check_times(&c, 5);
    dms_close(s);
    remove_case(&c);
}

/* What one of two threads does with a session that both have. */
typedef struct sharer {
    pthread_t thread;
    dms_session *session;
    uint32_t n_run, n_refused, n_else;
} sharer;

static void *share(void *argument) {
    sharer *me = argument;
    for (int i = 0; i < 2000; i++) {
        dms_status st;
        const dms_code code = dms_run(me->session, &st);
        const bool is_refused = code == DMS_EUSAGE && strstr(st.msg, "another thread") != NULL;
        me->n_run += code == DMS_OK;
        me->n_refused += is_refused;
        me->n_else += code != DMS_OK && !is_refused;
    }
    return NULL;
}

static void two_threads_of_one_session_run_turns_or_are_refused(void **state) {
    (void)state;
    file_case c;
    sharer both[2];
    make_case(&c);
    dms_session *s;
    assert_int_equal(dms_open(c.plan, &(dms_options){.threads = 2}, &s, NULL), DMS_OK);
    const dms_user_tensor in = run_user(c.x, ROWS), out = run_user(c.y, ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    for (int i = 0; i < 2; i++) {
        both[i] = (sharer){.session = s};
        assert_int_equal(pthread_create(&both[i].thread, NULL, share, &both[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(both[i].thread, NULL), 0);
    assert_int_equal(both[0].n_else + both[1].n_else, 0);
    assert_true(both[0].n_run + both[1].n_run > 0);
    assert_int_equal(dms_session_stats(s).turns, both[0].n_run + both[1].n_run);
    check_times(&c, 5);
    dms_close(s);
    remove_case(&c);
}

/* Resident KiB of this process; counted page by page, as /proc/self/statm is not. */
static uint64_t resident_kib(void) {
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Rss: %llu kB", &kib) == 1)
            break;
    assert_int_equal(fclose(f), 0);
    assert_true(kib > 0);
    return kib;
}

static void ten_thousand_turns_take_no_more_memory_than_a_hundred(void **state) {
    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* their own records grow */
#endif
    file_case c;
    uint64_t kib = 0, own = 0;
    make_case(&c);
    dms_session *s;
    assert_int_equal(dms_open(c.plan, &(dms_options){.threads = 2}, &s, NULL), DMS_OK);
    const dms_user_tensor in = run_user(c.x, ROWS), out = run_user(c.y, ROWS);
    for (uint32_t turn = 0; turn < 10000; turn++) {
        if (turn == 100) {
            kib = resident_kib();
            own = s->arena.used_bytes;
        }
        assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
        assert_int_equal(dms_run(s, NULL), DMS_OK);
    }
    assert_int_equal(s->arena.used_bytes, own);
    assert_true(resident_kib() <= kib + 64); /* stacks; 32 bytes a turn would be 310 KiB */
    dms_close(s);
    remove_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_file_runs_with_the_weights_beside_it),
        cmocka_unit_test(another_model_folder_may_be_given),
        cmocka_unit_test(weights_that_changed_are_refused_before_anything_runs),
        cmocka_unit_test(a_plan_that_is_not_safe_is_not_opened),
        cmocka_unit_test(every_allocation_that_fails_is_reported_and_nothing_leaks),
        cmocka_unit_test(an_output_may_leave_cell_by_cell),
        cmocka_unit_test(several_sessions_run_side_by_side),
        cmocka_unit_test(a_session_in_use_refuses_another_thread),
        cmocka_unit_test(two_threads_of_one_session_run_turns_or_are_refused),
        cmocka_unit_test(ten_thousand_turns_take_no_more_memory_than_a_hundred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
