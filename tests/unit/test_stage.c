/* test_stage.c - on a card tensors of the caller pass through two planned places of the host arena:
 * what is planned is what is taken, and nothing beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner/dmsc.h"
#include "runtime/device.h"
#include "support_chain.h"
#include "support_cuda.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define MOST (4u << 20)
#define PAGE_BYTES (5u * 64u + 2 * CHAIN_STEPS * 4u) /* counters of queues, words of calls */

static void a_place_is_as_large_as_what_passes_but_4_mib_at_most(void **state) {
    (void)state;
    assert_int_equal(dms_plan_stage_bytes(0), 0);
    assert_int_equal(dms_plan_stage_bytes(1), 256);
    assert_int_equal(dms_plan_stage_bytes(256), 256);
    assert_int_equal(dms_plan_stage_bytes(257), 512);
    assert_int_equal(dms_plan_stage_bytes(MOST - 1), MOST);
    assert_int_equal(dms_plan_stage_bytes(MOST), MOST);
    assert_int_equal(dms_plan_stage_bytes(MOST + 1), MOST);
    assert_int_equal(dms_plan_stage_bytes(UINT64_MAX), MOST);
}

/* Inputs of 400 and 40 bytes, one that nothing reads; an output of 5 rows of 400 that leaves in
 * cells of 2 rows. */
static void each_direction_has_the_place_of_its_largest_tensor_or_cell(void **state) {
    (void)state;
    static const int64_t rows[2] = {5, 100};
    dms_plan_tensor tensor[3] = {{.kind = DMS_TENSOR_INPUT}, {.kind = DMS_TENSOR_INPUT}, {0}};
    assert_true(dms_view_dense(DMS_DTYPE_F32, 1, &rows[1], &tensor[0].stored));
    assert_true(dms_view_dense(DMS_DTYPE_I64, 1, &rows[0], &tensor[1].stored));
    assert_true(dms_view_dense(DMS_DTYPE_F32, 2, rows, &tensor[2].stored));
    tensor[2].cell_len = 2;
    tensor[2].is_split = true;
    dms_port input[3] = {{.tensor = 1}, {.tensor = DMS_NONE}, {.tensor = 0}},
             output = {.tensor = 2};
    dms_plan plan = {.device_kind = DMS_DEVICE_CUDA,
                     .n_inputs = 3,
                     .n_outputs = 1,
                     .tensor = tensor,
                     .input = input,
                     .output = &output};
    assert_int_equal(dms_plan_stage_of(&plan).in_bytes, 512);
    assert_int_equal(dms_plan_stage_of(&plan).out_bytes, 1024); /* 800 */
    assert_int_equal(dms_plan_stage_all(&plan), 1536);
    assert_int_equal(dms_plan_stage_larger(0, &tensor[2]), 800);
    assert_int_equal(dms_plan_stage_larger(799, &tensor[2]), 800);
    assert_int_equal(dms_plan_stage_larger(801, &tensor[2]), 801);
    assert_int_equal(dms_plan_stage_larger(7, NULL), 7);
    tensor[2].is_split = false;
    assert_int_equal(dms_plan_stage_of(&plan).out_bytes, 2048);
    plan.n_inputs = 2;
    assert_int_equal(dms_plan_stage_of(&plan).in_bytes, 256);
    plan.device_kind = DMS_DEVICE_CPU; /* which reads and writes the caller's memory itself */
    assert_int_equal(dms_plan_stage_all(&plan), 0);
}

/* Compiles y = tanh(x) for a card, or a CPU. */
static dms_code compile_tanh(const char *profile, const char *shape, uint64_t host,
                             dms_plan *out_plan, dms_status *st) {
    dms_arena arena = {0};
    dms_compiled *c = malloc(sizeof *c);
    assert_non_null(c);
    onnx_case m;
    onnx_begin(&m, 17);
    onnx_input(&m, "x", F32, shape);
    onnx_node(&m, m.graph, "Tanh", "x", "y");
    onnx_output(&m, m.graph, "y", F32, shape);
    assert_int_equal(onnx_read(&m, NULL), DMS_OK);
    const dms_compile_options options = {
        .model = m.path, .profile = profile, .host_mem = {DMS_SIZE_BYTES, host}};
    const dms_code code = dms_compile(&options, &arena, c, st);
    *out_plan = c->plan;
    onnx_end(&m);
    free(c);
    dms_arena_free(&arena);
    return code;
}

static void the_places_are_in_the_host_budget(void **state) {
    (void)state;
    dms_plan plan;
    dms_status st = {.msg = ""};
    assert_int_equal(compile_tanh("h100-pcie", "4,4", 512, &plan, &st), DMS_OK);
    assert_int_equal(plan.host_arena, 512);
    assert_int_equal(plan.host_budget, 512);
    assert_int_equal(compile_tanh("h100-pcie", "4,4", 1 << 20, &plan, &st), DMS_OK);
    assert_int_equal(plan.host_arena, 512);
    for (uint64_t host = 0; host < 512; host += 511) {
        assert_int_equal(compile_tanh("h100-pcie", "4,4", host, &plan, &st), DMS_EBUDGET);
        assert_non_null(strstr(st.msg, "is below the floor of 512 bytes"));
        assert_non_null(strstr(st.msg, "inputs and outputs pass through it"));
        assert_non_null(strstr(st.msg, "give --host-mem 512 or more"));
    }
    assert_int_equal(compile_tanh("h100-pcie", "2000,2000", 2 * MOST, &plan, &st), DMS_OK);
    assert_int_equal(plan.host_arena, 2 * MOST);
    assert_int_equal(compile_tanh("cpu", "4,4", 0, &plan, &st), DMS_OK);
    assert_int_equal(plan.host_arena, 0);
}

/* A product whose weight of 64 KiB is kept: it comes through two places of the host in the prologue,
 * x and y of 64 and 1,024 bytes through two more. */
static void the_floor_that_is_named_has_a_plan_and_one_byte_less_has_none(void **state) {
    (void)state;
    onnx_case m;
    onnx_begin(&m, 17);
    onnx_input(&m, "x", F32, "1,64");
    onnx_initializer(&m, m.graph, "w", F32, "64,256", NULL);
    onnx_node(&m, m.graph, "MatMul", "x,w", "y");
    onnx_output(&m, m.graph, "y", F32, "1,256");
    assert_int_equal(onnx_read(&m, NULL), DMS_OK);
    dms_compile_options options = {
        .model = m.path, .profile = "h100-pcie", .host_mem = {DMS_SIZE_BYTES, 0}};
    dms_compiled *c = malloc(sizeof *c);
    assert_non_null(c);
    for (int round = 0; round < 3; round++) {
        dms_arena arena = {0};
        dms_status st = {.msg = ""};
        const dms_code code = dms_compile(&options, &arena, c, &st);
        assert_int_equal(code, round == 1 ? DMS_OK : DMS_EBUDGET);
        const char *floor = strstr(st.msg, "give --host-mem ");
        assert_true((floor != NULL) == (round != 1));
        if (round == 1)
            assert_int_equal(c->plan.host_arena, options.host_mem.value);
        if (round == 0)
            options.host_mem.value = strtoull(floor + 16, NULL, 10);
        else
            options.host_mem.value--;
        dms_arena_free(&arena);
    }
    free(c);
    onnx_end(&m);
}

/* Everything is there when the session is open; turns change nothing. */
static void what_is_planned_is_what_is_taken(void **state) {
    (void)state;
    chain_case c;
    cuda_chain(&c);
    fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){.seed = 1});
    dms_session *s = cuda_chain_open(&c, (dms_options){0}, fake);
    const fake_cuda_report open = fake_cuda_look(fake);
    assert_int_equal(open.device_bytes, c.run.plan.device_arena);
    assert_int_equal(open.pinned_bytes, c.run.plan.host_arena + PAGE_BYTES);
    assert_int_equal(s->device->host_bytes, c.run.plan.host_arena);
    assert_int_equal(dms_prepare(s, NULL), DMS_OK);
    const uint64_t used = s->arena.used_bytes;
    for (int turn = 0; turn < 5; turn++)
        chain_run(&c, s, turn);
    const fake_cuda_report then = fake_cuda_look(fake);
    assert_int_equal(then.n_live, open.n_live);
    assert_int_equal(then.device_bytes, open.device_bytes);
    assert_int_equal(then.pinned_bytes, open.pinned_bytes);
    assert_int_equal(s->arena.used_bytes, used);
    dms_close(s);
    assert_int_equal(fake_cuda_look(fake).device_bytes, 0);
    assert_int_equal(fake_cuda_look(fake).pinned_bytes, 0);
    cuda_end(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_as_large_as_what_passes_but_4_mib_at_most),
        cmocka_unit_test(each_direction_has_the_place_of_its_largest_tensor_or_cell),
        cmocka_unit_test(the_places_are_in_the_host_budget),
        cmocka_unit_test(the_floor_that_is_named_has_a_plan_and_one_byte_less_has_none),
        cmocka_unit_test(what_is_planned_is_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
