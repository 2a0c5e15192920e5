/* test_measured.c - times of a run replace those of the profile, if it was a run of these steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx/onnx.pb-c.h"
#include "planner/dmsc.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define ONE "\"MatMul one\", "
#define NAMES "[\"MatMul two\", " ONE ONE "\"Softmax s\", " ONE "\"MatMul one\"]"
#define ONES "[1, 1, 1, 1, 1, 1]"
#define N_STEPS 6u /* four cells of the first product */
#define LONGEST 2000

/* y = softmax(x w0) w1, its products named "one" and "two", and the report of a run. */
typedef struct measured_case {
    onnx_case onnx;
    dms_arena arena;
    dms_compiled c;
    dms_status st;
    char plan[128], report[128], meaning[33];
} measured_case;

static void name_node(measured_case *t, const char *op, const char *in, const char *out,
                      const char *name) {
    onnx_node(&t->onnx, t->onnx.graph, op, in, out)->name = (char *)(uintptr_t)name;
}

/* Compiles with the report, or without where `report` is NULL. */
static dms_code compile(measured_case *t, const char *report, int64_t rows, uint64_t device) {
    const dms_plan_dim dim = {"rows", rows};
    const dms_compile_options options = {.model = t->onnx.path,
                                         .profile = "cpu",
                                         .plan = t->plan,
                                         .measured = report,
                                         .device_mem = {DMS_SIZE_BYTES, device},
                                         .host_mem = {DMS_SIZE_BYTES, 1u << 30},
                                         .dim = &dim,
                                         .n_dims = 1};
    return dms_compile(&options, &t->arena, &t->c, &t->st);
}

static void must_compile(measured_case *t, const char *report, uint64_t device) {
    if (compile(t, report, 8, device) != DMS_OK)
        fail_msg("%s", t->st.msg);
}

static void begin(measured_case *t) {
    memset(t, 0, sizeof *t);
    onnx_begin(&t->onnx, 17);
    dms_arena_init(&t->arena, 0);
    Onnx__GraphProto *g = t->onnx.graph;
    onnx_input(&t->onnx, "x", F32, "rows,128");
    onnx_initializer(&t->onnx, g, "w0", F32, "128,512", NULL);
    onnx_initializer(&t->onnx, g, "w1", F32, "512,32", NULL);
    name_node(t, "MatMul", "x,w0", "a", "one");
    name_node(t, "Softmax", "a", "b", "s");
    name_node(t, "MatMul", "b,w1", "y", "two");
    onnx_output(&t->onnx, g, "y", F32, "rows,32");
    assert_int_equal(onnx_read(&t->onnx, "rows=8"), DMS_OK); /* writes the file */
    (void)snprintf(t->plan, sizeof t->plan, "%s/p.plan", t->onnx.folder);
    (void)snprintf(t->report, sizeof t->report, "%s/run.json", t->onnx.folder);
    must_compile(t, NULL, 1u << 30);
    (void)dms_hash_text(t->c.plan.meaning, t->meaning);
}

static void end(measured_case *t) {
    (void)unlink(t->plan);
    (void)unlink(t->report);
    dms_arena_free(&t->arena);
    onnx_end(&t->onnx);
}

static void write_report(const measured_case *t, const char *text) {
    FILE *file = fopen(t->report, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A report as dmsrun writes it, of what concerns us. */
static void write_run(const measured_case *t, const char *meaning, const char *names,
                      const char *times) {
    char text[LONGEST];
    (void)snprintf(text, sizeof text, "{\"meaning\": \"%s\", \"steps\": %s, \"steps_ns\": %s}\n",
                   meaning, names, times);
    write_report(t, text);
}

static void steps_take_what_the_run_took_whatever_their_order(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    write_run(&t, t.meaning, NAMES, "[7000000, 1000001, 1000002, 20000, 1000003, 1000004]");
    must_compile(&t, t.report, 1u << 30);
    assert_int_equal(t.c.steps.n_steps, N_STEPS);
    for (uint32_t cell = 0; cell < 4; cell++) /* of "one": equal names keep their order */
        assert_int_equal(t.c.steps.step[cell].ns, 1000001 + cell);
    assert_int_equal(t.c.steps.step[4].ns, 20000);
    assert_int_equal(t.c.steps.step[5].ns, 7000000);
    assert_int_equal(t.c.plan.compute_ns, 11020010);
    assert_string_equal(t.c.plan.profile, "cpu, measured");
    end(&t);
}

/* A copy of a quarter of w0 takes 8,462 ns: behind a short step it is seen, behind a long one it is not. */
static void times_decide_what_a_copy_hides_behind(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    must_compile(&t, NULL, 1u << 30);
    const uint64_t tight = t.c.floor.device_bytes;
    write_run(&t, t.meaning, NAMES, "[1000, 1000, 1000, 1000, 1000, 1000]");
    must_compile(&t, t.report, tight);
    assert_true(t.c.plan.period_ns > t.c.plan.compute_ns);
    const int64_t seen = t.c.plan.period_ns - t.c.plan.compute_ns;
    write_run(&t, t.meaning, NAMES, "[1000000, 1000000, 1000000, 1000000, 1000000, 1000000]");
    must_compile(&t, t.report, tight);
    assert_true(t.c.plan.period_ns - t.c.plan.compute_ns < seen);
    end(&t);
}

/* Nor is the plan ever slower, by these times, than the one that the profile alone makes. */
static void the_plan_of_the_profile_alone_is_a_candidate(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    must_compile(&t, NULL, 1u << 30);
    const uint64_t tight = t.c.floor.device_bytes;
    for (int is_measured = 0; is_measured < 2; is_measured++) {
        write_run(&t, t.meaning, NAMES, "[1000, 200000, 1000, 1000, 1000, 90000]");
        must_compile(&t, is_measured ? t.report : NULL, tight);
        uint32_t found = 0;
        for (uint32_t k = 0; k < t.c.decision.n_candidates; k++)
            found += strcmp(t.c.decision.candidates[k].name, "predicted") == 0 &&
                     t.c.decision.candidates[k].period_ns >= t.c.decision.period_ns;
        assert_int_equal(found, is_measured);
    }
    end(&t);
}

/* What a real run writes is what is read: dmsrun and dmsc meet in a file. */
static void a_report_of_dmsrun_fits_at_another_budget(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    char command[500];
    (void)snprintf(command, sizeof command,
                   DMS_BINARY_DIR "/dmsrun %s --threads 1 --iterations 3 --json %s >/dev/null",
                   t.plan, t.report);
    assert_int_equal(system(command), 0);
    must_compile(&t, t.report, t.c.floor.device_bytes);
    for (uint32_t i = 0; i < t.c.steps.n_steps; i++)
        assert_in_range(t.c.steps.step[i].ns, 1, 1000000000);
    assert_string_equal(t.c.plan.profile, "cpu, measured");
    end(&t);
}

/* The compile must fail with `code`, say `says` and name the option and the file. */
static void refuses(measured_case *t, dms_code code, const char *says) {
    assert_int_equal(unlink(t->plan), 0);
    assert_int_equal(compile(t, t->report, 8, 1u << 30), code);
    if (strstr(t->st.msg, says) == NULL || strstr(t->st.msg, "--measured") == NULL ||
        strstr(t->st.msg, "run.json") == NULL)
        fail_msg("'%s' does not say '%s'", t->st.msg, says);
    assert_int_equal(access(t->plan, F_OK), -1); /* nothing was written */
    must_compile(t, NULL, 1u << 30);
}

static void a_run_of_something_else_is_refused(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    write_run(&t, "00000000000000000000000000000000", NAMES, ONES);
    refuses(&t, DMS_EPLAN, "meaning");
    write_run(&t, t.meaning, "[\"MatMul one\", \"MatMul two\"]", "[1, 1]");
    refuses(&t, DMS_EPLAN, "2 steps were measured, this model has 6");
    write_run(&t, t.meaning, "[" ONE ONE ONE ONE "\"Softmax t\", \"MatMul two\"]", ONES);
    refuses(&t, DMS_EPLAN, "step 'Softmax s' was not measured, but 'Softmax t' was");
    end(&t);
}

/* The dims are part of the meaning: the names are the same. */
static void a_run_with_other_dims_is_refused(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    write_run(&t, t.meaning, NAMES, ONES);
    assert_int_equal(compile(&t, t.report, 9, 1u << 30), DMS_EPLAN);
    assert_non_null(strstr(t.st.msg, t.meaning));
    end(&t);
}

static void what_dmsrun_does_not_write_is_refused_by_key(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    static const struct {
        const char *names, *times, *says;
    } cases[] = {
        {NAMES, "[1, 1, 1, 0, 1, 1]", "step 'Softmax s' did not run"},
        {NAMES, "[1, -1, 1, 1, 1, 1]", "key 'steps_ns': entry 1"},
        {NAMES, "[1, 1, 1.5, 1, 1, 1]", "key 'steps_ns': entry 2"},
        {NAMES, "[1, 1, \"NaN\", 1, 1, 1]", "key 'steps_ns': entry 2"},
        {NAMES, "[1099511627777, 1, 1, 1, 1, 1]", "key 'steps_ns': entry 0"},
        {NAMES, "[1, 1]", "of one length"},
        {NAMES, "3", "of one length"},
        {"[1, 2, 3, 4, 5, 6]", ONES, "key 'steps': entry 0"},
        {NAMES, "[1, 1, 1", "line "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_run(&t, t.meaning, cases[i].names, cases[i].times);
        refuses(&t, DMS_EUSAGE, cases[i].says);
    }
    write_run(&t, "12", NAMES, ONES);
    refuses(&t, DMS_EUSAGE, "key 'meaning'");
    write_report(&t, "[]");
    refuses(&t, DMS_EUSAGE, "key 'meaning'");
    end(&t);
}

static void a_file_that_is_not_there_is_a_file_error(void **state) {
    (void)state;
    measured_case t;
    begin(&t);
    refuses(&t, DMS_EIO, "No such file");
    end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_take_what_the_run_took_whatever_their_order),
        cmocka_unit_test(times_decide_what_a_copy_hides_behind),
        cmocka_unit_test(the_plan_of_the_profile_alone_is_a_candidate),
        cmocka_unit_test(a_report_of_dmsrun_fits_at_another_budget),
        cmocka_unit_test(a_run_of_something_else_is_refused),
        cmocka_unit_test(a_run_with_other_dims_is_refused),
        cmocka_unit_test(what_dmsrun_does_not_write_is_refused_by_key),
        cmocka_unit_test(a_file_that_is_not_there_is_a_file_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
