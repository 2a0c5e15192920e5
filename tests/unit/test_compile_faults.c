/* test_compile_faults.c - a compile that fails anywhere leaves nothing behind and says why; one
 * that succeeds does so in stages, and alike every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "planner/dmsc.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

/* y = softmax(relu(x w0) w1) + q, where q is made by dmsc: a plan, and constants beside it. */
typedef struct fault_case {
    onnx_case onnx;
    char plan[128], consts[160];
} fault_case;

static void begin(fault_case *t) {
    static float q[300 * 300];
    memset(t, 0, sizeof *t);
    onnx_begin(&t->onnx, 17);
    Onnx__GraphProto *g = t->onnx.graph;
    for (size_t k = 0; k < 300 * 300; k++)
        q[k] = (float)k;
    onnx_input(&t->onnx, "x", F32, "300,64");
    onnx_initializer(&t->onnx, g, "w0", F32, "64,512", NULL);
    onnx_initializer(&t->onnx, g, "w1", F32, "512,300", NULL);
    onnx_initializer(&t->onnx, g, "p", F32, "300,300", q);
    onnx_node(&t->onnx, g, "MatMul", "x,w0", "a");
    onnx_node(&t->onnx, g, "Relu", "a", "b");
    onnx_node(&t->onnx, g, "MatMul", "b,w1", "c");
    onnx_node(&t->onnx, g, "Softmax", "c", "d");
    onnx_node(&t->onnx, g, "Neg", "p", "q");
    onnx_node(&t->onnx, g, "Add", "d,q", "y");
    onnx_output(&t->onnx, g, "y", F32, "300,300");
    assert_int_equal(onnx_read(&t->onnx, NULL), DMS_OK); /* writes the file */
    (void)snprintf(t->plan, sizeof t->plan, "%s/p.plan", t->onnx.folder);
    (void)snprintf(t->consts, sizeof t->consts, "%s.consts", t->plan);
}

static void end(fault_case *t) {
    (void)unlink(t->plan);
    (void)unlink(t->consts);
    onnx_end(&t->onnx);
}

static dms_compile_options options_of(const fault_case *t) {
    return (dms_compile_options){.model = t->onnx.path,
                                 .profile = "cpu",
                                 .plan = t->plan,
                                 .device_mem = {DMS_SIZE_PERCENT, 145000000},
                                 .host_mem = {DMS_SIZE_BYTES, 1ull << 40}};
}

/* Compiles with the n-th allocation failing; returns whether it passed all the same. A failure says
 * so and leaves nothing. */
static bool passes_without(const fault_case *t, uint64_t n) {
    const dms_compile_options options = options_of(t);
    dms_arena arena = {.fail_at = n};
    dms_status st = {0};
    dms_compiled *c = malloc(sizeof *c);
    assert_non_null(c);
    const dms_code code = dms_compile(&options, &arena, c, &st);
    if (code != DMS_OK) {
        assert_int_equal(code, DMS_EINTERNAL);
        assert_non_null(strstr(st.msg, "out of memory"));
        assert_int_equal(access(t->plan, F_OK), -1);
        assert_int_equal(access(t->consts, F_OK), -1);
    }
    dms_arena_free(&arena);
    free(c);
    return code == DMS_OK;
}

/* The first 150 allocations, some between, and the last 30. */
static void memory_that_runs_out_is_said_and_leaves_nothing(void **state) {
    (void)state;
    fault_case t;
    begin(&t);
    uint64_t n = 1, fails = 0;
    for (; !passes_without(&t, n); n += n < 150 ? 1 : n / 12)
        fails = n;
    assert_true(fails > 60);
    while (n - fails > 1) { /* the last allocation: `fails` fails, `n` passes */
        const uint64_t middle = fails + (n - fails) / 2;
        (void)unlink(t.plan);
        (void)unlink(t.consts);
        *(passes_without(&t, middle) ? &n : &fails) = middle;
    }
    (void)unlink(t.plan);
    (void)unlink(t.consts);
    for (uint64_t k = fails - 30; k <= fails; k++)
        assert_false(passes_without(&t, k));
    assert_true(passes_without(&t, n));
    assert_int_equal(access(t.plan, F_OK), 0);
    assert_int_equal(access(t.consts, F_OK), 0);
    end(&t);
}

/* The constants are written first. Where the plan cannot follow them, they go again. */
static void constants_without_their_plan_do_not_stay(void **state) {
    (void)state;
    fault_case t;
    dms_arena arena = {0};
    dms_compiled c;
    dms_status st = {0};
    begin(&t);
    const dms_compile_options options = options_of(&t);
    assert_int_equal(mkdir(t.plan, 0700), 0); /* a folder has the plan's name */
    assert_int_equal(dms_compile(&options, &arena, &c, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, t.plan));
    assert_true(c.steps.n_consts > 0);
    assert_int_equal(access(t.consts, F_OK), -1);
    assert_int_equal(rmdir(t.plan), 0); /* and nothing was put into it */
    dms_arena_free(&arena);
    end(&t);
}

/* A plan names its constants by their digest: of a pair that is there, neither may be exchanged
 * alone. Here the constants cannot get their name, for a folder has it. */
static void a_plan_without_its_constants_does_not_replace_an_older_one(void **state) {
    (void)state;
    static const char OLDER[] = "an older plan";
    fault_case t;
    dms_arena arena = {0};
    dms_compiled c;
    dms_status st = {0};
    char found[64] = "";
    begin(&t);
    const dms_compile_options options = options_of(&t);
    FILE *plan = fopen(t.plan, "wb");
    assert_non_null(plan);
    assert_true(fputs(OLDER, plan) >= 0);
    assert_int_equal(fclose(plan), 0);
    assert_int_equal(mkdir(t.consts, 0700), 0);
    assert_int_equal(dms_compile(&options, &arena, &c, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, t.consts));
    plan = fopen(t.plan, "rb");
    assert_non_null(plan);
    assert_int_equal(fread(found, 1, sizeof found, plan), strlen(OLDER));
    assert_int_equal(fclose(plan), 0);
    assert_string_equal(found, OLDER);
    assert_int_equal(rmdir(t.consts), 0);
    dms_arena_free(&arena);
    end(&t);
}

/* Stages as they are reported, one letter each. */
static void note_stage(void *data, const char *stage) {
    char *stages = data;
    const size_t n = strlen(stages);
    assert_true(n < 15);
    stages[n] = stage[0];
    stages[n + 1] = 0;
}

static void a_compile_reports_its_stages_in_order(void **state) {
    (void)state;
    fault_case t;
    dms_arena arena = {0};
    dms_compiled c;
    dms_status st;
    char stages[16] = "";
    begin(&t);
    dms_compile_options options = options_of(&t);
    options.progress = note_stage;
    options.progress_data = stages;
    assert_int_equal(dms_compile(&options, &arena, &c, &st), DMS_OK);
    assert_string_equal(stages, "rtpecw"); /* read, tile, place, emit, check, write */
    stages[0] = 0;
    options.plan = NULL; /* nothing to write */
    assert_int_equal(dms_compile(&options, &arena, &c, &st), DMS_OK);
    assert_string_equal(stages, "rtpec");
    stages[0] = 0;
    options.model = "no-such-model.onnx";
    assert_int_equal(dms_compile(&options, &arena, &c, &st), DMS_EIO);
    assert_string_equal(stages, "r");
    dms_arena_free(&arena);
    end(&t);
}

/* The bytes of a plan that was written. */
static size_t slurp(const char *path, char *out, size_t size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t n = fread(out, 1, size, file);
    assert_true(n < size);
    assert_int_equal(fclose(file), 0);
    return n;
}

static void the_same_compile_writes_the_same_bytes(void **state) {
    (void)state;
    static char first[1 << 20], second[1 << 20];
    static const uint64_t PERCENT[] = {130, 150, 200, 600};
    for (size_t k = 0; k < sizeof PERCENT / sizeof *PERCENT; k++) {
        fault_case t;
        size_t n[2] = {0, 0};
        begin(&t);
        for (uint32_t round = 0; round < 2; round++) {
            dms_arena arena = {0};
            dms_compiled c;
            dms_status st;
            dms_compile_options options = options_of(&t);
            options.device_mem.value = PERCENT[k] * 1000000;
            if (dms_compile(&options, &arena, &c, &st) != DMS_OK)
                fail_msg("%s", st.msg);
            n[round] = slurp(t.plan, round == 0 ? first : second, sizeof first);
            assert_int_equal(n[round], c.plan_bytes);
            dms_arena_free(&arena);
        }
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(first, second, n[0]);
        end(&t);
    }
}

/* Where no plan is wanted, its size is that of the encoding all the same. */
static void the_size_of_a_plan_is_known_without_writing_it(void **state) {
    (void)state;
    fault_case t;
    dms_arena arena = {0};
    dms_compiled c;
    dms_status st;
    begin(&t);
    dms_compile_options options = options_of(&t);
    assert_int_equal(dms_compile(&options, &arena, &c, &st), DMS_OK);
    const uint64_t written = c.plan_bytes;
    options.plan = NULL;
    assert_int_equal(dms_compile(&options, &arena, &c, &st), DMS_OK);
    /* its constants have another name: "plan.consts" instead of "p.plan.consts" */
    assert_in_range(c.plan_bytes, written - 4, written);
    dms_arena_free(&arena);
    end(&t);
}

/* A model of one function of a tensor of these dims, which is a constant or an input. */
static dms_code compile_tanh(const char *shape, bool is_constant, dms_compiled *c, dms_arena *arena,
                             dms_status *st) {
    onnx_case m;
    onnx_begin(&m, 17);
    if (is_constant)
        onnx_initializer(&m, m.graph, "x", F32, shape, NULL);
    else
        onnx_input(&m, "x", F32, shape);
    onnx_node(&m, m.graph, "Tanh", "x", "y");
    onnx_output(&m, m.graph, "y", F32, shape);
    assert_int_equal(onnx_read(&m, NULL), DMS_OK);
    const dms_compile_options options = {.model = m.path, .profile = "cpu"};
    const dms_code code = dms_compile(&options, arena, c, st);
    onnx_end(&m);
    return code;
}

static void an_output_that_is_known_is_written_by_a_step_all_the_same(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_compiled c;
    dms_status st = {0};
    assert_int_equal(compile_tanh("4,4", true, &c, &arena, &st), DMS_OK);
    assert_int_equal(c.steps.n_steps, 1);
    assert_int_equal(c.plan.body.n_cmds[DMS_QUEUE_OUT], 1);
    dms_arena_free(&arena);
}

static void a_model_that_computes_nothing_is_refused(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_compiled c;
    dms_status st = {0};
    assert_int_equal(compile_tanh("0,4", false, &c, &arena, &st), DMS_EUNSUPPORTED);
    assert_non_null(strstr(st.msg, "computes nothing"));
    dms_arena_free(&arena);
}

/* A verification reads the model as the plan was made: with the plan's dims and its kind. */
static void a_plan_of_another_kind_is_verified_as_that_kind(void **state) {
    (void)state;
    fault_case t;
    dms_arena arena = {0};
    dms_compiled c;
    dms_status st = {0};
    begin(&t);
    dms_compile_options options = options_of(&t);
    options.profile = "h100-pcie";
    options.device_mem = (dms_size){0};
    if (dms_compile(&options, &arena, &c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(dms_verify_model(&c.plan, t.onnx.path, &arena, &st), DMS_OK);
    dms_plan other = c.plan;
    other.device_kind = DMS_DEVICE_CPU; /* its weights would lie in panels */
    assert_int_equal(dms_verify_model(&other, t.onnx.path, &arena, &st), DMS_EPLAN);
    assert_non_null(strstr(st.msg, "does not compute what model"));
    dms_arena_free(&arena);
    end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_said_and_leaves_nothing),
        cmocka_unit_test(constants_without_their_plan_do_not_stay),
        cmocka_unit_test(a_plan_without_its_constants_does_not_replace_an_older_one),
        cmocka_unit_test(a_compile_reports_its_stages_in_order),
        cmocka_unit_test(the_same_compile_writes_the_same_bytes),
        cmocka_unit_test(the_size_of_a_plan_is_known_without_writing_it),
        cmocka_unit_test(an_output_that_is_known_is_written_by_a_step_all_the_same),
        cmocka_unit_test(a_model_that_computes_nothing_is_refused),
        cmocka_unit_test(a_plan_of_another_kind_is_verified_as_that_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
