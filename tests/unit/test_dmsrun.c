/* test_dmsrun.c - the program from outside: exit codes, files, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/check/check.h"
#include "runtime/npy.h"
#include "support_run.h"

#define PROGRAM DMS_BINARY_DIR "/dmsrun"
#define EXAMPLE DMS_BINARY_DIR "/tests/example_embed"
#define ROWS 4
#define MAX_ARGS 16

static const float two = 2;

/* A folder with plan.bin (y = 2 x), x.npy, and input_0.npy and output_0.npy for --compare. */
typedef struct program_case {
    char dir[64];
    char out[65536], err[65536]; /* what the program said */
} program_case;

static void write_array(const program_case *c, const char *name, const float *data, int64_t rows) {
    char path[200];
    const dms_user_tensor t = run_user((float *)(uintptr_t)data, rows);
    (void)snprintf(path, sizeof path, "%s/%s", c->dir, name);
    assert_int_equal(dms_array_write(path, &t.view, data, NULL), DMS_OK);
}

static void write_plan(const program_case *c) {
    run_case r;
    run_init(&r);
    const uint32_t x = run_tensor(&r, "x", DMS_TENSOR_INPUT, ROWS), w = run_weight(&r, "w", &two);
    const uint32_t y = run_tensor(&r, "y", DMS_TENSOR_OUTPUT, ROWS);
    const uint32_t bx = run_buffer(&r, x, DMS_TIER_DEVICE), bw = run_buffer(&r, w, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(&r, y, DMS_TIER_DEVICE);
    run_cmd(&r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 0, bw);
    dms_cmd *in = run_cmd(&r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *step = run_step(&r, bx, bw, by);
    dms_cmd *out = run_cmd(&r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    run_wait(&r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(&r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(&r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(&r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(&r);
    char path[200];
    uint64_t bytes;
    (void)snprintf(path, sizeof path, "%s/plan.bin", c->dir);
    assert_int_equal(dms_plan_write(&r.plan, path, &bytes, NULL), DMS_OK);
}

static void make_case(program_case *c) {
    memset(c, 0, sizeof *c);
    strcpy(c->dir, "dmsrun.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    const float x[ROWS] = {1, 2, 3, 4}, y[ROWS] = {2, 4, 6, 8};
    write_plan(c);
    write_array(c, "x.npy", x, ROWS);
    write_array(c, "input_0.npy", x, ROWS);
    write_array(c, "output_0.npy", y, ROWS);
}

static void remove_case(program_case *c) {
    char command[200];
    (void)snprintf(command, sizeof command, "rm -r %s", c->dir);
    assert_int_equal(system(command), 0);
}

static void slurp(const program_case *c, const char *name, char *out, size_t size) {
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", c->dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    out[fread(out, 1, size - 1, f)] = 0;
    fclose(f);
}

/* Starts a program in the folder of the case; `args` is split at spaces. */
static pid_t start_other(const program_case *c, const char *program, const char *args) {
    char text[1000], *argv[MAX_ARGS] = {(char *)(uintptr_t)program};
    (void)snprintf(text, sizeof text, "%s", args);
    int n = 1;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[n++] = word;
    assert_true(n < MAX_ARGS);
    sigset_t interrupt,
        before; /* blocked until the program asks for it: no signal comes too early */
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    const pid_t child = fork();
    if (child != 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        return child;
    }
    if (chdir(c->dir) != 0 || freopen("stdout.txt", "wb", stdout) == NULL ||
        freopen("stderr.txt", "wb", stderr) == NULL)
        _exit(99);
    execv(program, argv);
    _exit(98);
}

static pid_t start_program(const program_case *c, const char *args) {
    return start_other(c, PROGRAM, args);
}

static int end_program(program_case *c, pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    slurp(c, "stdout.txt", c->out, sizeof c->out);
    slurp(c, "stderr.txt", c->err, sizeof c->err);
    return WEXITSTATUS(status);
}

static int run_program(program_case *c, const char *args) {
    return end_program(c, start_program(c, args));
}

static bool exists(const program_case *c, const char *name) {
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", c->dir, name);
    return access(path, F_OK) == 0;
}

/* The program ends with this code and one message on stderr that says `why`. */
static void refuses(program_case *c, const char *args, int code, const char *why) {
    const int got = run_program(c, args);
    if (got != code || strncmp(c->err, "dmsrun: error: ", 15) != 0 || strstr(c->err, why) == NULL)
        fail_msg("dmsrun %s: exit code %d, wanted %d with '%s': %s", args, got, code, why, c->err);
    assert_string_equal(c->out, "");
}

static void outputs_are_written_and_compared(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    assert_int_equal(run_program(&c, "plan.bin --input x=x.npy --output results"), 0);
    assert_string_equal(c.err, "");
    dms_array array;
    char path[200];
    float y[ROWS];
    (void)snprintf(path, sizeof path, "%s/results/output_0.npy", c.dir);
    assert_int_equal(dms_array_open(path, "y", &array, NULL), DMS_OK);
    assert_int_equal(dms_array_read(&array, y, NULL), DMS_OK);
    dms_array_close(&array);
    for (int i = 0; i < ROWS; i++)
        assert_true(y[i] == 2 * (float)(i + 1));
    assert_int_equal(run_program(&c, "plan.bin --compare . --rtol 0 --atol 0"), 0);
    assert_non_null(strstr(c.out, "passes"));
    remove_case(&c);
}

static void a_wrong_reference_is_exit_code_9_and_names_the_output(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    const float wrong[ROWS] = {2, 4, 6, 9}, none[ROWS] = {2, 4, NAN, 8};
    write_array(&c, "output_0.npy", wrong, ROWS);
    assert_int_equal(run_program(&c, "plan.bin --compare . --output results --json run.json"), 9);
    assert_non_null(strstr(c.err, "output 0 'y' differs from its reference in 1 of 4 elements"));
    assert_true(exists(&c, "results/output_0.npy") && exists(&c, "run.json"));
    write_array(&c, "output_0.npy", none, ROWS);
    assert_int_equal(run_program(&c, "plan.bin --compare ."), 9);
    write_array(&c, "output_0.npy", wrong, ROWS - 1);
    assert_int_equal(run_program(&c, "plan.bin --compare ."), 9);
    assert_non_null(strstr(c.err, "f32 [3, 1]"));
    remove_case(&c);
}

static void the_digest_is_the_same_whatever_the_options(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    assert_int_equal(run_program(&c, "plan.bin --digest --input x=x.npy --threads 1"), 0);
    const char *digest = strstr(c.out, "digest");
    assert_non_null(digest);
    char first[64];
    (void)snprintf(first, sizeof first, "%s", digest);
    assert_int_equal(
        run_program(&c, "plan.bin --digest --compare . --threads 3 --iterations 20 --poison"), 0);
    assert_non_null(strstr(c.out, first));
    assert_int_equal(run_program(&c, "plan.bin --digest --seed 1"), 0);
    assert_non_null(strstr(c.out, "inputs made from seed 1"));
    assert_null(strstr(c.out, first));
    remove_case(&c);
}

static void the_json_has_every_key_of_the_contract(void **state) {
    (void)state;
    static const char *const keys[] = {"\"digest\"",
                                       "\"outputs\"",
                                       "\"max_abs_err\"",
                                       "\"max_rel_err\"",
                                       "\"median_ns\"",
                                       "\"p90_ns\"",
                                       "\"p99_ns\"",
                                       "\"queues\"",
                                       "\"compute\"",
                                       "\"in\"",
                                       "\"out\"",
                                       "\"load\"",
                                       "\"busy_ns\"",
                                       "\"commands\"",
                                       "\"bytes\"",
                                       "\"steps_ns\"",
                                       "\"steps\"",
                                       "\"meaning\"",
                                       "\"threads\"",
                                       "\"host_arena_bytes\"",
                                       "\"device_arena_bytes\"",
                                       "\"work\"",
                                       "\"peak_rss_bytes\""};
    program_case c;
    make_case(&c);
    assert_int_equal(run_program(&c, "plan.bin --json run.json --iterations 5 --warmup 2 --stats"),
                     0);
    char json[65536];
    slurp(&c, "run.json", json, sizeof json);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strstr(json, keys[i]) == NULL)
            fail_msg("no %s in %s", keys[i], json);
    assert_non_null(strstr(c.out, "5 iterations after 2"));
    assert_non_null(strstr(c.out, "median"));
    remove_case(&c);
}

static void the_trace_shows_the_first_three_turns(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    assert_int_equal(run_program(&c, "plan.bin --trace t.json --iterations 4 --warmup 1"), 0);
    char json[65536];
    slurp(&c, "t.json", json, sizeof json);
    json_t *root = json_loads(json, 0, NULL);
    assert_non_null(root);
    const json_t *events = json_object_get(root, "traceEvents");
    int n_seams = 0, n_steps = 0;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        const char *phase = json_string_value(json_object_get(e, "ph"));
        n_seams += strcmp(phase, "i") == 0;
        n_steps += strcmp(phase, "X") == 0 && json_integer_value(json_object_get(e, "tid")) == 1;
    }
    assert_int_equal(n_seams, 3);
    assert_int_equal(n_steps, 3);
    json_decref(root);
    remove_case(&c);
}

static void wrong_options_are_exit_code_2(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    refuses(&c, "", 2, "no plan is given");
    refuses(&c, "plan.bin --threads 0", 2, "--threads");
    refuses(&c, "plan.bin --threads -1", 2, "--threads");
    refuses(&c, "plan.bin --threads many", 2, "--threads");
    refuses(&c, "plan.bin --iterations 0", 2, "--iterations");
    refuses(&c, "plan.bin --iterations", 2, "--iterations wants a value");
    refuses(&c, "plan.bin --profile x", 2, "unknown option --profile");
    refuses(&c, "plan.bin --input x", 2, "NAME=FILE");
    refuses(&c, "plan.bin --input x=a --input x=b", 2, "twice");
    refuses(&c, "plan.bin --rtol 1", 2, "--compare");
    refuses(&c, "plan.bin --compare . --rtol -1", 2, "--rtol");
    refuses(&c, "plan.bin --stats=1", 2, "takes no value");
    refuses(&c, "plan.bin other.bin", 2, "one plan");
    refuses(&c, "plan.bin --device abacus", 2, "abacus");
    refuses(&c, "plan.bin --device cuda:99", 8, ""); /* no library, no driver, or fewer cards */
    assert_int_equal(run_program(&c, "--help"), 0);
    assert_non_null(strstr(c.out, "usage: dmsrun PLAN"));
    assert_int_equal(run_program(&c, "--version"), 0);
    remove_case(&c);
}

static void wrong_inputs_are_exit_code_7(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    const float five[5] = {0};
    write_array(&c, "long.npy", five, 5);
    refuses(&c, "plan.bin --input x=long.npy", 7, "input 'x': the plan wants f32 [4, 1]");
    refuses(&c, "plan.bin --input wibble=x.npy", 7, "no input 'wibble'");
    refuses(&c, "plan.bin --input x=plan.bin", 7, "not a .npy");
    refuses(&c, "plan.bin --input x=absent.npy", 4, "absent.npy");
    refuses(&c, "plan.bin --compare results", 7, "input_0");
    remove_case(&c);
}

static void files_that_cannot_be_used_are_exit_code_4_or_6(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    refuses(&c, "absent.bin", 4, "absent.bin");
    refuses(&c, "x.npy", 6, "plan");
    refuses(&c, "plan.bin --output x.npy", 4, "x.npy");
    refuses(&c, "plan.bin --output no/such", 4, "no/such");
    refuses(&c, "plan.bin --json no/such.json", 4, "no/such.json");
    refuses(&c, "plan.bin --trace no/such.json", 4, "no/such.json");
    remove_case(&c);
}

/* Waits until a process has at least n threads. */
static void await_threads(pid_t process, int n) {
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/%d/task", (int)process);
    for (int found = 0; found < n; sched_yield()) {
        DIR *folder = opendir(name);
        assert_non_null(folder);
        found = 0;
        while (readdir(folder) != NULL)
            found++;
        closedir(folder);
        found -= 2; /* . and .. */
    }
}

static void an_interrupted_run_writes_nothing_and_ends_with_130(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) { /* at once; in the middle of turns */
        const pid_t child = start_program(
            &c, "plan.bin --iterations 1000000 --warmup 1000000 --output results --json run.json");
        await_threads(child, n_threads); /* main, signals, compute */
        assert_int_equal(kill(child, SIGINT), 0);
        assert_int_equal(end_program(&c, child), 130);
        assert_string_equal(c.err, "dmsrun: error: interrupted\n");
        assert_string_equal(c.out, "");
        assert_false(exists(&c, "results") || exists(&c, "run.json"));
    }
    remove_case(&c);
}

static void the_example_of_the_docs_runs_a_plan(void **state) {
    (void)state;
    program_case c;
    make_case(&c);
    assert_int_equal(end_program(&c, start_other(&c, EXAMPLE, "plan.bin 2")), 0);
    assert_string_equal(c.out, "turn 0\n  y f32 [4, 1] begins with 2\n"
                               "turn 1\n  y f32 [4, 1] begins with 2\n");
    assert_int_equal(end_program(&c, start_other(&c, EXAMPLE, "absent.bin")), 4);
    assert_non_null(strstr(c.err, "absent.bin"));
    remove_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_written_and_compared),
        cmocka_unit_test(a_wrong_reference_is_exit_code_9_and_names_the_output),
        cmocka_unit_test(the_digest_is_the_same_whatever_the_options),
        cmocka_unit_test(the_json_has_every_key_of_the_contract),
        cmocka_unit_test(the_trace_shows_the_first_three_turns),
        cmocka_unit_test(wrong_options_are_exit_code_2),
        cmocka_unit_test(wrong_inputs_are_exit_code_7),
        cmocka_unit_test(files_that_cannot_be_used_are_exit_code_4_or_6),
        cmocka_unit_test(the_example_of_the_docs_runs_a_plan),
        cmocka_unit_test(an_interrupted_run_writes_nothing_and_ends_with_130),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
