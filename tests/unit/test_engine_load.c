/* test_engine_load.c - weights that stay in their file and come through a ring, in every turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/check/check.h"
#include "schema/file_digest.h"
#include "support_storage.h"

#define ROWS 3
#define STEPS 5
#define WEIGHT ((4u << 20) / 4 + 13) /* elements: 4 MiB and a little */
#define FILE_BYTES (STEPS * (WEIGHT * 4u + 8192))

/* The one element of each weight that its step reads; all others are zero. */
static const float factor[STEPS] = {2, 3, 0.5f, 1.25f, 7};
static const int64_t used[STEPS] = {0, WEIGHT - 1, WEIGHT / 2, 1, WEIGHT - 2};

/* y = x w0 w1 w2 w3 w4. Each weight has its home in the file:
 *
 *     load     w0 -> A   w1 -> B   w2 -> A   w3 -> B   w4 -> A      A, B: places of the host's ring
 *     in       x         A -> P    B -> Q    A -> P    B -> Q       P, Q: places on the device
 *     compute                      step 0    step 1    step 2
 */
typedef struct ring_case {
    char dir[64];
    run_case run;
    float x[ROWS], y[ROWS];
} ring_case;

/* Where weight k lies in the file: some where direct reads may land in place, some not. */
static uint64_t offset_of(uint32_t k) {
    return k * (WEIGHT * 4ull + 8192) / 4096 * 4096 + (k % 2 == 0 ? 0 : 52);
}

static void write_weights(ring_case *c) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/w.bin", c->dir);
    const int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
    for (uint32_t k = 0; k < STEPS; k++)
        assert_int_equal(pwrite(fd, &factor[k], 4, (off_t)(offset_of(k) + 4 * (uint64_t)used[k])),
                         4);
    c->run.file[0] = (dms_plan_file){.name = "w.bin", .bytes = FILE_BYTES, .kind = 1};
    c->run.plan.n_files = 1;
    const dms_file_ranges none = {0, NULL, NULL};
    assert_int_equal(dms_file_digest(fd, "w", FILE_BYTES, &none, &c->run.file[0].digest, NULL),
                     DMS_OK);
    assert_int_equal(close(fd), 0);
}

/* A place that several buffers take in turn. */
static uint32_t buffer_at(run_case *r, uint32_t tensor, dms_tier tier, uint64_t place) {
    const uint64_t size = ((uint64_t)WEIGHT * 4 + 4095) / 4096 * 4096;
    dms_plan *p = &r->plan;
    const uint32_t b = p->n_buffers++;
    r->buffer[b] = (dms_buffer){tensor, 0, tier, place * size, (uint64_t)WEIGHT * 4};
    return b;
}

/* Waits may name commands that were added after them. */
static void mark_signals(run_case *r) {
    for (int q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < r->plan.body.n_cmds[q]; k++)
            for (int w = 0; w < DMS_N_QUEUES; w++)
                if (r->cmd[1][q][k].wait_cmd[w] != DMS_NONE)
                    r->cmd[1][w][r->cmd[1][q][k].wait_cmd[w]].is_signal = true;
}

static void make_ring(ring_case *c) {
    static const char *const names[STEPS] = {"w0", "w1", "w2", "w3", "w4"};
    run_case *r = &c->run;
    memset(c, 0, sizeof *c);
    strcpy(c->dir, "ring.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    run_init(r);
    write_weights(c);
    r->plan.device_arena = r->plan.host_arena = 2 * (((uint64_t)WEIGHT * 4 + 4095) / 4096 * 4096);
    uint32_t value = run_buffer(r, run_tensor(r, "x", DMS_TENSOR_INPUT, ROWS), DMS_TIER_DEVICE);
    dms_cmd *in_x = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, value);
    run_wait(r, in_x, DMS_QUEUE_COMPUTE, 0, 1);
    for (uint32_t k = 0; k < STEPS; k++) {
        const dms_tensor_kind kind = k + 1 < STEPS ? DMS_TENSOR_ACTIVATION : DMS_TENSOR_OUTPUT;
        const uint32_t w = run_file_weight(r, names[k], WEIGHT, 0, offset_of(k));
        const uint32_t h =
            run_buffer(r, run_tensor(r, k + 1 < STEPS ? "h" : "y", kind, ROWS), DMS_TIER_DEVICE);
        const uint32_t ring = buffer_at(r, w, DMS_TIER_HOST, k % 2);
        const uint32_t device = buffer_at(r, w, DMS_TIER_DEVICE, k % 2);
        dms_cmd *load = run_cmd(r, 1, DMS_QUEUE_LOAD, DMS_CMD_LOAD, k, ring);
        dms_cmd *copy = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_COPY, ring, device);
        dms_cmd *step = run_step(r, value, device, h);
        dms_view *view = &r->view[r->plan.n_calls - 1][1];
        view->dim[0] = 1;
        view->offset = used[k];
        /* the place is free when its copy before is done: commands 1 + k - 2 of `in` */
        run_wait(r, load, DMS_QUEUE_IN, k >= 2 ? k - 1 : k == 1 ? 4 : 5, k >= 2 ? 0 : 1);
        run_wait(r, copy, DMS_QUEUE_LOAD, k, 0);
        run_wait(r, copy, DMS_QUEUE_COMPUTE, k >= 2 ? k - 2 : k == 1 ? 3 : 4, k >= 2 ? 0 : 1);
        run_wait(r, step, DMS_QUEUE_IN, k + 1, 0);
        value = h;
    }
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, value, 0);
    run_wait(r, out, DMS_QUEUE_COMPUTE, STEPS - 1, 0);
    run_wait(r, &r->cmd[1][DMS_QUEUE_COMPUTE][STEPS - 1], DMS_QUEUE_OUT, 0, 1);
    mark_signals(r);
    run_finish(r);
}

static void remove_ring(ring_case *c) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/w.bin", c->dir);
    (void)unlink(path);
    assert_int_equal(rmdir(c->dir), 0);
}

static dms_session *open_ring(ring_case *c, dms_options options) {
    dms_session *s = NULL;
    dms_status st = {0};
    dms_arena scratch = {0};
    dms_hash meaning;
    if (dms_check_plan(&c->run.plan, &scratch, &meaning, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_arena_free(&scratch);
    if (dms_session_open(&c->run.plan, c->dir, &options, &s, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    const dms_user_tensor in = run_user(c->x, ROWS), out = run_user(c->y, ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    return s;
}

/* The product of the factors is 26.25. */
static void run_and_check(ring_case *c, dms_session *s, int turn) {
    dms_status st = {0};
    for (int i = 0; i < ROWS; i++)
        c->x[i] = (float)(turn * 10 + i);
    if (dms_run(s, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    for (int i = 0; i < ROWS; i++)
        assert_true(c->y[i] == 26.25f * (float)(turn * 10 + i));
}

static void every_turn_reads_every_weight_from_its_file(void **state) {
    (void)state;
    for (int poison = 0; poison < 2; poison++) {
        ring_case c;
        make_ring(&c);
        dms_session *s = open_ring(&c, (dms_options){.threads = 2, .poison = poison != 0});
        for (int turn = 0; turn < 12; turn++)
            run_and_check(&c, s, turn);
        const dms_stats stats = dms_session_stats(s);
        assert_int_equal(stats.load.commands, 12 * STEPS);
        assert_int_equal(stats.load.bytes, 12ull * STEPS * WEIGHT * 4);
        assert_int_equal(stats.direct_bytes + stats.buffered_bytes, stats.load.bytes);
        assert_true(stats.direct_bytes == 0 || stats.buffered_bytes == 0);
        dms_close(s);
        remove_ring(&c);
    }
}

static void whichever_read_of_a_turn_fails_ends_the_run_by_name(void **state) {
    (void)state;
    for (uint32_t n = 1; n < 25; n += 3) {
        ring_case c;
        make_ring(&c);
        dms_session *s = open_ring(&c, (dms_options){.threads = 2});
        assert_int_equal(dms_prepare(s, NULL), DMS_OK);
        storage_faults faults = {.fail_complete = n, .error = EIO};
        storage_use_faults(s->storage, &s->arena, &faults);
        dms_status st = {0};
        dms_code code = DMS_OK;
        for (int turn = 0; turn < 3 && code == DMS_OK; turn++)
            code = dms_run(s, &st);
        assert_int_equal(code, DMS_EIO);
        assert_non_null(strstr(st.msg, "weight 'w"));
        assert_non_null(strstr(st.msg, "file 'w.bin' at byte "));
        assert_non_null(strstr(st.msg, "Input/output error"));
        assert_int_equal(faults.n_under_way, 0);
        assert_int_equal(dms_run(s, &st), DMS_EIO); /* for good */
        dms_close(s);
        remove_ring(&c);
    }
}

static void a_file_that_shrinks_between_turns_is_an_io_error(void **state) {
    (void)state;
    ring_case c;
    make_ring(&c);
    dms_session *s = open_ring(&c, (dms_options){.threads = 2});
    run_and_check(&c, s, 1);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/w.bin", c.dir);
    assert_int_equal(truncate(path, 9000000), 0);
    dms_status st = {0};
    assert_int_equal(dms_run(s, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "weight 'w2': file 'w.bin' ends at byte 9000000, "));
    dms_close(s);
    remove_ring(&c);
}

static void a_file_that_vanishes_while_it_is_open_is_read_on(void **state) {
    (void)state;
    ring_case c;
    make_ring(&c);
    dms_session *s = open_ring(&c, (dms_options){.threads = 1});
    run_and_check(&c, s, 1);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/w.bin", c.dir);
    assert_int_equal(unlink(path), 0);
    run_and_check(&c, s, 2);
    dms_close(s);
    remove_ring(&c);
}

static void a_cancel_in_the_middle_of_a_block_ends_the_run(void **state) {
    (void)state;
    for (uint32_t n = 1; n < 12; n += 2) {
        ring_case c;
        make_ring(&c);
        dms_session *s = open_ring(&c, (dms_options){.threads = 2});
        assert_int_equal(dms_prepare(s, NULL), DMS_OK);
        storage_faults faults = {.cancel_after = n, .cancel = &s->cancel};
        storage_use_faults(s->storage, &s->arena, &faults);
        dms_status st = {0};
        assert_int_equal(dms_run(s, &st), DMS_ECANCELLED);
        assert_non_null(strstr(st.msg, "interrupted"));
        assert_true(faults.n_completes < n + DMS_READ_SLOTS);
        dms_close(s);
        remove_ring(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_turn_reads_every_weight_from_its_file),
        cmocka_unit_test(whichever_read_of_a_turn_fails_ends_the_run_by_name),
        cmocka_unit_test(a_file_that_shrinks_between_turns_is_an_io_error),
        cmocka_unit_test(a_file_that_vanishes_while_it_is_open_is_read_on),
        cmocka_unit_test(a_cancel_in_the_middle_of_a_block_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
