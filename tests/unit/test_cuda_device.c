/* test_cuda_device.c - what a card is refused for, in which words; memory; tensors of the caller. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "runtime/cuda/cuda_internal.h"
#include "runtime/device.h"
#include "runtime/kernels/catalogue.h"
#include "support_chain.h"
#include "support_cuda.h"

/* Opening the chain on a card like this ends so, with nothing taken. */
static void refuses(fake_cuda_options card, const char *device, dms_code want, const char *says) {
    chain_case c;
    cuda_chain(&c);
    c.run.plan.floor_bytes = 2048;
    fake_cuda *fake = fake_cuda_new(&card);
    dms_session *s;
    dms_status st = {.msg = ""};
    assert_int_equal(cuda_open(&c.run.plan, (dms_options){.device = device}, fake, &s, &st), want);
    assert_string_equal(st.msg, says);
    assert_in_range(fake_cuda_look(fake).n_calls, 0, 12);
    cuda_end(fake);
}

/* The chain's device arena: eleven buffers of 256 bytes, one for each tensor. */
static void a_card_that_cannot_run_the_plan_is_refused_in_words(void **state) {
    (void)state;
    refuses((fake_cuda_options){.has_no_driver = true}, "cuda", DMS_EDEVICE,
            "no NVIDIA driver is there: CUDA 13 needs driver 580 or newer");
    refuses((fake_cuda_options){.has_old_driver = true}, "cuda", DMS_EDEVICE,
            "the NVIDIA driver is for CUDA 12.4, this build needs CUDA 13: install driver 580 or "
            "newer");
    refuses((fake_cuda_options){.has_no_card = true}, "cuda", DMS_EDEVICE,
            "no NVIDIA card is there, or CUDA_VISIBLE_DEVICES hides it");
    refuses((fake_cuda_options){0}, "cuda:2", DMS_EDEVICE, "cuda:2: there are 2, from cuda:0 on");
    refuses((fake_cuda_options){.is_old_card = true}, "cuda:1", DMS_EDEVICE,
            "cuda:1 'fake card' has compute capability 7.5: 8.0 or newer is needed");
    refuses((fake_cuda_options){.free_bytes = 2500}, "cuda:1", DMS_EDEVICE,
            "the plan's device arena takes 2816 bytes, cuda:1 'fake card' has 2500 free of "
            "68719476736: compile with --device-mem 2304");
    refuses((fake_cuda_options){.free_bytes = 2047}, "cuda", DMS_EDEVICE,
            "the plan's device arena takes 2816 bytes, cuda:0 'fake card' has 2047 free of "
            "68719476736, less than at the model's floor, --device-mem 2048");
}

/* Looking for a card like this ends so; it takes nothing. */
static void is_looked_for(fake_cuda_options card, const char *device, dms_code want,
                          const char *says) {
    fake_cuda *fake = fake_cuda_new(&card);
    dms_session *s;
    dms_status st = {.msg = ""};
    assert_int_equal(dms_session_make(&s, NULL), DMS_OK);
    s->find_cuda = fake_cuda_find;
    s->cuda_context = fake;
    assert_int_equal(dms_session_find_device(s, &(dms_options){.device = device}, &st), want);
    assert_non_null(strstr(st.msg, says));
    assert_in_range(fake_cuda_look(fake).n_calls, 0, 3);
    assert_int_equal(fake_cuda_look(fake).n_live, 0);
    dms_close(s);
    cuda_end(fake);
}

/* No plan is needed to know that there is no driver or card for it; its memory is asked about when
 * the plan says how much. */
static void driver_and_card_are_looked_for_without_a_plan(void **state) {
    (void)state;
    is_looked_for((fake_cuda_options){.has_no_driver = true}, "cuda", DMS_EDEVICE, "no NVIDIA dri");
    is_looked_for((fake_cuda_options){.has_old_driver = true}, "cuda", DMS_EDEVICE,
                  "the NVIDIA driver is for CUDA 12.4, this build needs CUDA 13");
    is_looked_for((fake_cuda_options){.has_no_card = true}, "cuda", DMS_EDEVICE, "no NVIDIA card");
    is_looked_for((fake_cuda_options){0}, "cuda:2", DMS_EDEVICE, "cuda:2: there are 2");
    is_looked_for((fake_cuda_options){.is_old_card = true}, "cuda:1", DMS_EDEVICE,
                  "compute capability 7.5");
    is_looked_for((fake_cuda_options){.fail_call = 2, .fail_code = 719}, "cuda", DMS_EDEVICE,
                  "cuda:0: counting cards: cudaErrorLaunchFailure");
    is_looked_for((fake_cuda_options){.free_bytes = 1}, "cuda:1", DMS_OK, "");
    is_looked_for((fake_cuda_options){.has_no_driver = true}, "cpu", DMS_OK, "");
    is_looked_for((fake_cuda_options){0}, "cuda:x", DMS_EUSAGE, "unknown device 'cuda:x'");
}

/* Not even the file is opened. No machine has 10,000 cards, few have a driver. */
static void dms_open_asks_for_the_card_before_the_plan(void **state) {
    (void)state;
    dms_session *s = NULL;
    dms_status st = {.msg = ""};
    assert_int_equal(dms_open("no/such.plan", &(dms_options){.device = "cuda:9999"}, &s, &st),
                     DMS_EDEVICE);
    assert_null(strstr(st.msg, "such.plan"));
    assert_int_equal(dms_open("no/such.plan", &(dms_options){.device = "cpu"}, &s, &st), DMS_EIO);
    assert_null(s);
}

/* There seemed to be room, but not in one piece: a 32nd less may be. Call 6 takes the arena. */
static void an_arena_that_cannot_be_had_in_one_piece_names_less(void **state) {
    (void)state;
    refuses((fake_cuda_options){.free_bytes = 2900, .fail_call = 6, .fail_code = 2}, "cuda",
            DMS_EDEVICE,
            "the plan's device arena takes 2816 bytes, cuda:0 'fake card' has 2900 free of "
            "68719476736: compile with --device-mem 2560");
    refuses((fake_cuda_options){.free_bytes = 2816, .fail_call = 6, .fail_code = 2}, "cuda",
            DMS_EDEVICE,
            "the plan's device arena takes 2816 bytes, cuda:0 'fake card' has 2816 free of "
            "68719476736: compile with --device-mem 2560");
}

/* Nothing is asked of a card that the plan is not for. */
static void a_plan_runs_on_its_own_kind_alone(void **state) {
    (void)state;
    refuses((fake_cuda_options){0}, "cpu", DMS_EDEVICE,
            "device 'cpu': the plan is for a cuda device (profile 'hand-made'): compile it with a "
            "cpu profile, or run it with --device cuda");
    static const char *const unknown[] = {"cuda:",   "cuda:x",     "cuda:1:", "cuda:-1", "cuda:+1",
                                          "cuda: 1", "cuda:12345", "cudaa",   "CUDA",    "gpu",
                                          ""};
    for (size_t k = 0; k < sizeof unknown / sizeof *unknown; k++) {
        chain_case c;
        cuda_chain(&c);
        dms_session *s;
        dms_status st = {.msg = ""};
        const dms_options options = {.device = unknown[k]};
        assert_int_equal(cuda_open(&c.run.plan, options, NULL, &s, &st), DMS_EUSAGE);
        assert_non_null(strstr(st.msg, "cpu, cuda or cuda:N"));
    }
    chain_case c;
    chain_make(&c);
    dms_session *s;
    dms_status st = {.msg = ""};
    assert_int_equal(cuda_open(&c.run.plan, (dms_options){0}, NULL, &s, &st), DMS_EDEVICE);
    assert_non_null(strstr(st.msg, "'cuda': the plan is for a cpu device"));
}

static dms_device *open_device(fake_cuda *fake, dms_arena *arena, dms_device_options options) {
    dms_device *d;
    dms_status st = {.msg = ""};
    if (fake_cuda_open(fake, &options, arena, &d, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return d;
}

/* 4 MiB twice and the page of counters can be locked, 16 MiB cannot. */
static void a_host_arena_that_cannot_be_locked_is_said(void **state) {
    (void)state;
    dms_arena arena = {0};
    fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){.pin_limit = 9u << 20});
    dms_device *d = open_device(
        fake, &arena,
        (dms_device_options){.device_bytes = 1 << 20, .host_bytes = 16u << 20, .n_calls = 1});
    static const char begin[] = "cuda:0 'fake card', streams wait for values, host arena of "
                                "16777216 bytes not locked (cudaErrorMemoryAllocation";
    assert_memory_equal(d->note, begin, sizeof begin - 1);
    assert_non_null(strstr(d->note, "): copies pass through 4 MiB that are"));
    assert_in_range(d->overhead_bytes, 8u << 20, (8u << 20) + 16384); /* counters, pieces */
    assert_int_equal(d->host_bytes, 16u << 20);
    d->ops->close(d);
    dms_arena_free(&arena);
    cuda_end(fake);
    fake = fake_cuda_new(&(fake_cuda_options){.pin_limit = 5u << 20}); /* not even those */
    dms_status st = {.msg = ""};
    const dms_device_options options = {.host_bytes = 16u << 20};
    assert_int_equal(fake_cuda_open(fake, &options, &arena, &d, &st), DMS_EDEVICE);
    assert_non_null(strstr(st.msg, "cuda:0: locking 4 MiB of host memory: cudaErrorMemory"));
    dms_arena_free(&arena);
    cuda_end(fake);
}

/* Not rounded to pages, and nothing beside it but counters of the queues and two words for each of
 * three commands. */
static void what_is_taken_is_as_large_as_the_plan_says(void **state) {
    (void)state;
    dms_arena arena = {0};
    fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){0});
    dms_device *d = open_device(
        fake, &arena,
        (dms_device_options){.device_bytes = 10001, .host_bytes = 5001, .n_commands = 3});
    assert_int_equal(fake_cuda_look(fake).device_bytes, 10001);
    assert_int_equal(fake_cuda_look(fake).pinned_bytes, 5001 + DMS_N_QUEUES * 64 + 3 * 2 * 4);
    assert_int_equal(d->host_bytes, 5001);
    d->ops->close(d);
    assert_int_equal(fake_cuda_look(fake).pinned_bytes, 0);
    dms_arena_free(&arena);
    cuda_end(fake);
}

/* 1 MiB is far below the arena; what CUDA says may have another reason. */
static void the_limit_of_locked_memory_is_said(void **state) {
    (void)state;
    struct rlimit before;
    dms_arena arena = {0};
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    const rlim_t low = before.rlim_max < 1 << 20 ? before.rlim_max : 1 << 20;
    const struct rlimit less = {low, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &less), 0);
    fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){.pin_limit = 9u << 20});
    dms_device *d =
        open_device(fake, &arena, (dms_device_options){.host_bytes = 16u << 20, .n_calls = 1});
    char want[256];
    (void)snprintf(want, sizeof want,
                   "cuda:0 'fake card', streams wait for values, host arena of 16777216 bytes not "
                   "locked (cudaErrorMemoryAllocation, the limit of locked memory is %u bytes): "
                   "copies pass through 4 MiB that are, storage",
                   (unsigned)low);
    assert_memory_equal(d->note, want, strlen(want));
    d->ops->close(d);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
    dms_arena_free(&arena);
    cuda_end(fake);
}

/* Nodes that are not there, one of them beyond the word that the kernel is given; none is told. */
static void the_node_beside_the_card_is_said_or_why_it_is_not_taken(void **state) {
    (void)state;
    static const struct {
        int node;
        const char *says;
    } cases[] = {{63, ", host arena locked, not on node 63 ("},
                 {64, ", host arena locked, not on node 64 (Invalid argument), storage"},
                 {-1, ", host arena locked, storage"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        dms_arena arena = {0};
        fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){.numa_node = cases[k].node});
        dms_device *d = open_device(fake, &arena, (dms_device_options){.host_bytes = 256});
        assert_non_null(strstr(d->note, cases[k].says));
        d->ops->close(d);
        dms_arena_free(&arena);
        cuda_end(fake);
    }
}

/* Which of the ways are taken: waits, memory of the host, storage. */
static void the_ways_that_are_taken_are_said(void **state) {
    (void)state;
    static const struct {
        fake_cuda_options card;
        const char *says;
    } cases[] = {{{0},
                  "cuda:1 'fake card', streams wait for values, host arena locked%s, storage "
                  "read through the host"},
                 {{.has_no_values = true},
                  "cuda:1 'fake card', streams wait for events, host arena locked%s, storage "
                  "read through the host"},
                 {{.has_cufile = true},
                  "cuda:1 'fake card', streams wait for values, host arena locked%s, storage "
                  "read through the host (cuFile is there)"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        dms_arena arena = {0};
        fake_cuda *fake = fake_cuda_new(&cases[k].card);
        dms_device *d =
            open_device(fake, &arena,
                        (dms_device_options){.ordinal = 1, .device_bytes = 256, .host_bytes = 256});
        char want[200], node[64];
        cuda_node_0(node);
        (void)snprintf(want, sizeof want, cases[k].says, node);
        assert_string_equal(d->note, want);
        d->ops->close(d);
        dms_arena_free(&arena);
        cuda_end(fake);
    }
}

/* The fake's libraries leave zeros where they ran. */
static void what_warmed_the_libraries_is_poisoned_over(void **state) {
    (void)state;
    for (int poison = 0; poison < 2; poison++) {
        dms_arena arena = {0};
        fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){0});
        dms_device *d =
            open_device(fake, &arena, (dms_device_options){.device_bytes = 256, .poison = poison});
        assert_int_equal(d->streams->ready(d, NULL), DMS_OK);
        const uint8_t *memory = (const uint8_t *)((const cuda_device *)d)->device_address;
        for (int k = 0; k < 256; k++)
            assert_int_equal(memory[k] != 0, poison);
        d->ops->close(d);
        dms_arena_free(&arena);
        cuda_end(fake);
    }
}

static void any_allocation_that_fails_is_reported(void **state) {
    (void)state;
    for (uint64_t at = 1; at <= 5; at++) {
        dms_arena arena = {.fail_at = at};
        dms_device *d = NULL;
        fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){0});
        const dms_device_options options = {.device_bytes = 4096, .host_bytes = 4096};
        assert_int_equal(fake_cuda_open(fake, &options, &arena, &d, NULL), DMS_EINTERNAL);
        assert_null(d);
        dms_arena_free(&arena);
        cuda_end(fake);
    }
}

static void a_call_without_a_kernel_is_refused_by_name(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_status st = {.msg = ""};
    fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){0});
    dms_device *d = open_device(fake, &arena, (dms_device_options){.n_calls = 2});
    const dms_view view[3] = {{DMS_DTYPE_BOOL, 2, 0, {2, 2}, {2, 1}},
                              {DMS_DTYPE_BOOL, 2, 0, {2, 2}, {2, 1}},
                              {DMS_DTYPE_BOOL, 2, 0, {2, 2}, {2, 1}}};
    dms_call call = {DMS_K_MATMUL, 2, 1, 0, 0, view, NULL, NULL};
    assert_int_equal(d->streams->prepare(d, 0, &call, &st), DMS_EDEVICE);
    assert_string_equal(st.msg, "cuda:0 'fake card' does not run kernel 'matmul' for bool [2, 2]");
    call.kernel = UINT32_MAX;
    assert_int_equal(d->streams->prepare(d, 1, &call, &st), DMS_EDEVICE);
    assert_string_equal(st.msg, "this build has no CUDA kernel '?' (for bool [2, 2])");
    d->ops->close(d);
    dms_arena_free(&arena);
    cuda_end(fake);
}

#define ROWS 2300000 /* 9.2 MB: three pieces of at most 4 MiB */

/* y = 3 x, in one step. */
static void make_large(run_case *r, const float *factor) {
    run_init(r);
    const uint32_t w = run_weight(r, "w", factor);
    const uint32_t bw = run_buffer(r, w, DMS_TIER_DEVICE);
    const uint32_t bx = run_buffer(r, run_tensor(r, "x", DMS_TENSOR_INPUT, ROWS), DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(r, run_tensor(r, "y", DMS_TENSOR_OUTPUT, ROWS), DMS_TIER_DEVICE);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w].first_source, bw);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *step = run_step(r, bx, bw, by);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
    cuda_plan(r);
}

/* Each piece passes through the same place of the host arena, and, where that is not locked, through
 * a second one. The caller's elements are two apart on one side. */
static void large_tensors_of_the_caller_pass_in_pieces(void **state) {
    (void)state;
    const float factor = 3;
    float *x = malloc(2 * sizeof *x * ROWS), *y = malloc(sizeof *y * ROWS);
    assert_non_null(x);
    assert_non_null(y);
    for (uint64_t seed = 1; seed < 4; seed++) {
        run_case r;
        make_large(&r, &factor);
        fake_cuda *fake =
            fake_cuda_new(&(fake_cuda_options){.seed = seed, .pin_limit = seed == 2 ? 8398000 : 0});
        dms_session *s;
        dms_status st = {.msg = ""};
        if (cuda_open(&r.plan, (dms_options){0}, fake, &s, &st) != DMS_OK)
            fail_msg("%s", st.msg);
        dms_user_tensor in = run_user(x, ROWS);
        const dms_user_tensor out = run_user(y, ROWS);
        in.view.pitch[0] = 2;
        assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
        for (int turn = 0; turn < 2; turn++) {
            for (int64_t i = 0; i < ROWS; i++)
                x[2 * i] = (float)((i + turn) % 1000003);
            assert_int_equal(dms_run(s, NULL), DMS_OK);
            for (int64_t i = 0; i < ROWS; i++)
                if (y[i] != 3 * (float)((i + turn) % 1000003))
                    fail_msg("seed %u, element %d", (unsigned)seed, (int)i);
        }
        dms_close(s);
        cuda_end(fake);
    }
    free(x);
    free(y);
}

#define ENTRIES 4
#define PICKS 3

/* y = table[index], index given by the caller. */
static void make_look_up(run_case *r, const float *table) {
    static const int64_t TABLE[3] = {1, ENTRIES, 1}, INDEX[1] = {PICKS}, Y[3] = {1, PICKS, 1};
    run_init(r);
    const uint32_t t = run_constant(r, "table", DMS_DTYPE_F32, 3, TABLE, table);
    const uint32_t index = run_tensor(r, "index", DMS_TENSOR_INPUT, PICKS);
    const uint32_t y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, PICKS);
    run_reshape(r, index, DMS_DTYPE_I64, 1, INDEX);
    run_reshape(r, y, DMS_DTYPE_F32, 3, Y);
    const uint32_t bt = run_buffer(r, t, DMS_TIER_DEVICE);
    const uint32_t bi = run_buffer(r, index, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(r, y, DMS_TIER_DEVICE);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[t].first_source, bt);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bi);
    dms_cmd *step = run_step(r, bt, bi, by);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    r->call[step->call].kernel = DMS_K_GATHER;
    r->call[step->call].n_i = r->call[step->call].n_f = 0;
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
    cuda_plan(r);
}

/* The word of a call is read when its mark is reached, before the turn ends. */
static void an_index_out_of_range_ends_the_turn_that_has_it(void **state) {
    (void)state;
    const float table[ENTRIES] = {1, 11, 21, 31};
    for (int bad_turn = 0; bad_turn < 5; bad_turn++) {
        run_case r;
        float y[PICKS];
        make_look_up(&r, table);
        fake_cuda *fake = fake_cuda_new(
            &(fake_cuda_options){.seed = (uint64_t)bad_turn, .has_no_values = bad_turn % 2 == 1});
        dms_session *s;
        dms_status st = {.msg = ""};
        assert_int_equal(cuda_open(&r.plan, (dms_options){0}, fake, &s, &st), DMS_OK);
        int64_t index[PICKS];
        const dms_user_tensor in = {.view = r.input[0].view, .data = index};
        const dms_user_tensor out = {.view = r.output[0].view, .data = y};
        assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
        for (int turn = 0; turn <= bad_turn; turn++) {
            index[0] = turn % ENTRIES;
            index[1] = turn == bad_turn ? ENTRIES : -1;
            index[2] = 0;
            const dms_code code = dms_run(s, &st);
            assert_int_equal(code, turn == bad_turn ? DMS_EINPUT : DMS_OK);
            if (code == DMS_OK)
                assert_true(y[0] == table[turn % ENTRIES] && y[1] == 31 && y[2] == 1);
        }
        assert_string_equal(st.msg, "step 0 'scale': operand 1: an index is out of range");
        assert_int_equal(dms_run(s, &st), DMS_EINPUT);
        dms_close(s);
        cuda_end(fake);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_that_cannot_run_the_plan_is_refused_in_words),
        cmocka_unit_test(driver_and_card_are_looked_for_without_a_plan),
        cmocka_unit_test(dms_open_asks_for_the_card_before_the_plan),
        cmocka_unit_test(an_arena_that_cannot_be_had_in_one_piece_names_less),
        cmocka_unit_test(a_plan_runs_on_its_own_kind_alone),
        cmocka_unit_test(a_host_arena_that_cannot_be_locked_is_said),
        cmocka_unit_test(what_is_taken_is_as_large_as_the_plan_says),
        cmocka_unit_test(the_limit_of_locked_memory_is_said),
        cmocka_unit_test(the_node_beside_the_card_is_said_or_why_it_is_not_taken),
        cmocka_unit_test(the_ways_that_are_taken_are_said),
        cmocka_unit_test(what_warmed_the_libraries_is_poisoned_over),
        cmocka_unit_test(any_allocation_that_fails_is_reported),
        cmocka_unit_test(a_call_without_a_kernel_is_refused_by_name),
        cmocka_unit_test(large_tensors_of_the_caller_pass_in_pieces),
        cmocka_unit_test(an_index_out_of_range_ends_the_turn_that_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
