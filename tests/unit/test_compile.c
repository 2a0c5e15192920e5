/* test_compile.c - a model file becomes a plan file, or a message; never half of either. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "onnx/onnx.pb-c.h"
#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "runtime/check/check.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define AMPLE                                                                                      \
    { DMS_SIZE_BYTES, 1ull << 40 }

/* y = relu(x w0) w1 with two weights of 128 x 256 and 256 x 64, in a folder of its own. */
typedef struct compile_case {
    onnx_case onnx;
    dms_arena arena;
    dms_compiled c;
    dms_status st;
    char plan[128], consts[160];
} compile_case;

static void begin_empty(compile_case *t) {
    memset(t, 0, sizeof *t);
    onnx_begin(&t->onnx, 17);
    dms_arena_init(&t->arena, 0);
}

static void begin(compile_case *t) {
    begin_empty(t);
    Onnx__GraphProto *g = t->onnx.graph;
    onnx_input(&t->onnx, "x", F32, "rows,128");
    onnx_initializer(&t->onnx, g, "w0", F32, "128,256", NULL);
    onnx_initializer(&t->onnx, g, "w1", F32, "256,64", NULL);
    onnx_node(&t->onnx, g, "MatMul", "x,w0", "a");
    onnx_node(&t->onnx, g, "Relu", "a", "b");
    onnx_node(&t->onnx, g, "MatMul", "b,w1", "y");
    onnx_output(&t->onnx, g, "y", F32, "rows,64");
    assert_int_equal(onnx_read(&t->onnx, "rows=8"), DMS_OK); /* writes the file */
    (void)snprintf(t->plan, sizeof t->plan, "%s/p.plan", t->onnx.folder);
    (void)snprintf(t->consts, sizeof t->consts, "%s.consts", t->plan);
}

static void end(compile_case *t) {
    (void)unlink(t->plan);
    (void)unlink(t->consts);
    dms_arena_free(&t->arena);
    onnx_end(&t->onnx);
}

/* Compiles the case's model for 8 rows. */
static dms_code compile_for(compile_case *t, const char *profile, const char *plan, dms_size device,
                            dms_size host) {
    static const dms_plan_dim dim = {"rows", 8};
    const dms_compile_options options = {.model = t->onnx.path,
                                         .profile = profile,
                                         .plan = plan,
                                         .device_mem = device,
                                         .host_mem = host,
                                         .dim = &dim,
                                         .n_dims = 1};
    return dms_compile(&options, &t->arena, &t->c, &t->st);
}

static dms_code compile(compile_case *t, const char *plan, dms_size device, dms_size host) {
    return compile_for(t, "cpu", plan, device, host);
}

static bool exists(const char *path) {
    struct stat s;
    return stat(path, &s) == 0;
}

static void must_compile(compile_case *t, dms_size device) {
    if (compile(t, t->plan, device, (dms_size)AMPLE) != DMS_OK)
        fail_msg("%s", t->st.msg);
}

static void the_plan_that_is_written_is_the_one_that_was_made(void **state) {
    (void)state;
    compile_case t;
    begin(&t);
    must_compile(&t, (dms_size){DMS_SIZE_PERCENT, 90000000});
    dms_plan read;
    dms_hash meaning;
    struct stat s;
    assert_int_equal(dms_plan_read(t.plan, &t.arena, &read, &t.st), DMS_OK);
    assert_int_equal(dms_check_plan(&read, &t.arena, &meaning, &t.st), DMS_OK);
    assert_true(dms_hash_equal(meaning, t.c.plan.meaning));
    assert_int_equal(stat(t.plan, &s), 0);
    assert_int_equal(t.c.plan_bytes, s.st_size);
    assert_int_equal(read.device_budget, (128 * 256 + 256 * 64) * 4 * 9 / 10);
    assert_int_equal(read.n_inputs, 1);
    assert_string_equal(read.input[0].name, "x");
    assert_string_equal(read.dim[0].name, "rows");
    assert_int_equal(read.dim[0].value, 8);
    end(&t);
}

static void the_floor_is_refused_from_below_and_named(void **state) {
    (void)state;
    compile_case t;
    begin(&t);
    must_compile(&t, (dms_size){DMS_SIZE_FLOOR, 0});
    const uint64_t floor = t.c.floor.device_bytes;
    char number[64];
    assert_true(t.c.plan.device_arena <= floor);
    assert_int_equal(unlink(t.plan), 0);
    assert_int_equal(compile(&t, t.plan, (dms_size){DMS_SIZE_BYTES, floor - 1}, (dms_size)AMPLE),
                     DMS_EBUDGET);
    (void)snprintf(number, sizeof number, "below the floor of %llu bytes",
                   (unsigned long long)floor);
    assert_non_null(strstr(t.st.msg, number));
    assert_non_null(strstr(t.st.msg, "MatMul"));
    assert_non_null(strstr(t.st.msg, "weight w0"));
    assert_false(exists(t.plan));
    must_compile(&t, (dms_size){DMS_SIZE_BYTES, floor});
    end(&t);
}

/* b = x w1 + a is written over a, and stands beside both itself and w2 in c = b w2 + b. */
static void the_floor_names_what_was_written_over_another_tensor(void **state) {
    (void)state;
    compile_case t;
    begin_empty(&t);
    Onnx__GraphProto *g = t.onnx.graph;
    onnx_input(&t.onnx, "x", F32, "rows,16");
    onnx_initializer(&t.onnx, g, "w0", F32, "16,512", NULL);
    onnx_initializer(&t.onnx, g, "w1", F32, "16,512", NULL);
    onnx_initializer(&t.onnx, g, "w2", F32, "512,512", NULL);
    onnx_text(&t.onnx, "MatMul x,w0 a; MatMul x,w1 p; Add p,a b; MatMul b,w2 q; Add q,b y");
    onnx_output(&t.onnx, g, "y", F32, "rows,512");
    assert_int_equal(onnx_read(&t.onnx, "rows=8"), DMS_OK);
    assert_int_equal(compile(&t, NULL, (dms_size){DMS_SIZE_BYTES, 1}, (dms_size)AMPLE),
                     DMS_EBUDGET);
    assert_non_null(strstr(t.st.msg, "weight w2"));
    assert_non_null(strstr(t.st.msg, "16.0 KiB  activation b"));
    assert_null(strstr(t.st.msg, "activation a"));
    end(&t);
}

/* What the library of a card wants beside the operands is no tensor, and most of a small floor. */
static void the_floor_names_the_workspace_of_its_step(void **state) {
    (void)state;
    compile_case t;
    char line[64], bytes[32];
    begin(&t);
    assert_int_equal(
        compile_for(&t, "h100-pcie", NULL, (dms_size){DMS_SIZE_BYTES, 1}, (dms_size)AMPLE),
        DMS_EBUDGET);
    const uint64_t workspace = t.c.steps.step[t.c.floor.step].workspace_bytes;
    assert_true(workspace > 0);
    (void)snprintf(line, sizeof line, "%s  workspace of the kernel\n",
                   dms_bytes_text(workspace, bytes));
    assert_non_null(strstr(t.st.msg, line));
    assert_int_equal(compile(&t, NULL, (dms_size){DMS_SIZE_BYTES, 1}, (dms_size)AMPLE),
                     DMS_EBUDGET);
    assert_null(strstr(t.st.msg, "workspace"));
    end(&t);
}

static void the_host_budget_has_a_floor_of_its_own(void **state) {
    (void)state;
    compile_case t;
    begin(&t);
    must_compile(&t, (dms_size){DMS_SIZE_FLOOR, 0});
    const uint64_t floor = t.c.floor.device_bytes;
    assert_int_equal(
        compile(&t, t.plan, (dms_size){DMS_SIZE_BYTES, floor}, (dms_size){DMS_SIZE_BYTES, 4096}),
        DMS_EBUDGET);
    assert_true(t.c.floor.host_bytes > 4096);
    const dms_size least = {DMS_SIZE_BYTES, t.c.floor.host_bytes};
    const dms_size less = {DMS_SIZE_BYTES, least.value - 1};
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "host budget of %" PRIu64 " bytes", less.value);
    assert_int_equal(compile(&t, t.plan, (dms_size){DMS_SIZE_BYTES, floor}, less), DMS_EBUDGET);
    assert_ptr_equal(strstr(t.st.msg, wanted), t.st.msg);
    assert_int_equal(t.c.floor.host_bytes, least.value);
    assert_int_equal(compile(&t, t.plan, (dms_size){DMS_SIZE_BYTES, floor}, least), DMS_OK);
    end(&t);
}

static void every_budget_has_the_same_meaning(void **state) {
    (void)state;
    compile_case t;
    begin(&t);
    must_compile(&t, (dms_size){DMS_SIZE_FLOOR, 0});
    const dms_hash meaning = t.c.plan.meaning;
    for (uint64_t percent = 60; percent <= 140; percent += 20) {
        if (compile(&t, NULL, (dms_size){DMS_SIZE_PERCENT, percent * 1000000}, (dms_size)AMPLE) ==
            DMS_EBUDGET)
            continue;
        assert_true(dms_hash_equal(t.c.plan.meaning, meaning));
    }
    end(&t);
}

static void a_plan_is_verified_against_its_model_and_no_other(void **state) {
    (void)state;
    compile_case t, other;
    begin(&t);
    must_compile(&t, (dms_size){DMS_SIZE_FLOOR, 0});
    const dms_plan plan = t.c.plan;
    assert_int_equal(dms_verify_model(&plan, t.onnx.path, &t.arena, &t.st), DMS_OK);
    begin(&other);
    onnx_node(&other.onnx, other.onnx.graph, "Neg", "y", "z");
    onnx_output(&other.onnx, other.onnx.graph, "z", F32, "rows,64");
    assert_int_equal(onnx_read(&other.onnx, "rows=8"), DMS_OK);
    assert_int_equal(dms_verify_model(&plan, other.onnx.path, &t.arena, &t.st), DMS_EPLAN);
    end(&other);
    end(&t);
}

static void what_cannot_be_written_leaves_nothing(void **state) {
    (void)state;
    compile_case t;
    begin(&t);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/no/such/folder/p.plan", t.onnx.folder);
    assert_int_equal(compile(&t, path, (dms_size)AMPLE, (dms_size)AMPLE), DMS_EIO);
    assert_non_null(strstr(t.st.msg, "no/such/folder"));
    (void)snprintf(path, sizeof path, "%s/folder", t.onnx.folder);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(compile(&t, path, (dms_size)AMPLE, (dms_size)AMPLE), DMS_EIO);
    assert_int_equal(rmdir(path), 0); /* still there, and empty */
    end(&t);
}

static void large_constants_that_dmsc_makes_lie_beside_the_plan(void **state) {
    (void)state;
    /* t = transpose(w2) is folded: 300 x 100 f32 are 120,000 bytes, too many to embed */
    compile_case t;
    begin(&t);
    Onnx__GraphProto *g = t.onnx.graph;
    onnx_initializer(&t.onnx, g, "w2", F32, "300,100", NULL);
    onnx_node(&t.onnx, g, "Exp", "w2", "e");
    onnx_input(&t.onnx, "u", F32, "300,100");
    onnx_node(&t.onnx, g, "Add", "u,e", "v");
    onnx_output(&t.onnx, g, "v", F32, "300,100");
    assert_int_equal(onnx_read(&t.onnx, "rows=8"), DMS_OK);
    must_compile(&t, (dms_size)AMPLE);
    struct stat s;
    assert_int_equal(stat(t.consts, &s), 0);
    assert_true(s.st_size >= 120000);
    assert_int_equal(t.c.plan.file[t.c.plan.n_files - 1].kind, 2);
    assert_string_equal(t.c.plan.file[t.c.plan.n_files - 1].name, "p.plan.consts");
    end(&t);
}

static void unknown_profiles_and_dims_are_usage_errors(void **state) {
    (void)state;
    compile_case t;
    begin(&t);
    dms_compile_options options = {.model = t.onnx.path, .profile = "no-such"};
    assert_int_equal(dms_compile(&options, &t.arena, &t.c, &t.st), DMS_EUSAGE);
    options.profile = "cpu";
    assert_int_equal(dms_compile(&options, &t.arena, &t.c, &t.st), DMS_EUSAGE);
    assert_non_null(strstr(t.st.msg, "rows"));
    end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_that_is_written_is_the_one_that_was_made),
        cmocka_unit_test(the_floor_is_refused_from_below_and_named),
        cmocka_unit_test(the_floor_names_what_was_written_over_another_tensor),
        cmocka_unit_test(the_floor_names_the_workspace_of_its_step),
        cmocka_unit_test(the_host_budget_has_a_floor_of_its_own),
        cmocka_unit_test(every_budget_has_the_same_meaning),
        cmocka_unit_test(a_plan_is_verified_against_its_model_and_no_other),
        cmocka_unit_test(what_cannot_be_written_leaves_nothing),
        cmocka_unit_test(large_constants_that_dmsc_makes_lie_beside_the_plan),
        cmocka_unit_test(unknown_profiles_and_dims_are_usage_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
