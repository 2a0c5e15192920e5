/* test_dmsc_cli.c - dmsc from outside: exit codes, streams, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support_onnx.h"

#define PROGRAM DMS_BINARY_DIR "/dmsc"
#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define MAX_ARGS 16
#define WEIGHTS ((128 * 256 + 256 * 64) * 4)

/* A folder with model.onnx: y = relu(x w0) w1, and what the program said last. */
typedef struct cli_case {
    onnx_case onnx;
    const char *model; /* its name in the folder */
    char out[200000], err[65536];
} cli_case;

static void cli_begin(cli_case *c) {
    memset(c, 0, sizeof *c);
    onnx_begin(&c->onnx, 17);
    Onnx__GraphProto *g = c->onnx.graph;
    onnx_input(&c->onnx, "x", F32, "rows,128");
    onnx_initializer(&c->onnx, g, "w0", F32, "128,256", NULL);
    onnx_initializer(&c->onnx, g, "w1", F32, "256,64", NULL);
    onnx_node(&c->onnx, g, "MatMul", "x,w0", "a");
    onnx_node(&c->onnx, g, "Relu", "a", "b");
    onnx_node(&c->onnx, g, "MatMul", "b,w1", "y");
    onnx_output(&c->onnx, g, "y", F32, "rows,64");
    assert_int_equal(onnx_read(&c->onnx, "rows=8"), DMS_OK); /* writes the file */
    c->model = strrchr(c->onnx.path, '/') + 1;
}

static void path_of(const cli_case *c, const char *name, char out[200]) {
    (void)snprintf(out, 200, "%.64s/%.100s", c->onnx.folder, name);
}

static void cli_end(cli_case *c) {
    static const char *const MADE[] = {"p.plan",     "p.plan.consts", "q.plan",       "out.json",
                                       "out.dot",    "in.json",       "stdout.txt",   "stderr.txt",
                                       "trace.json", "curve.csv",     "model.dmspack"};
    char path[200];
    for (size_t i = 0; i < sizeof MADE / sizeof MADE[0]; i++) {
        path_of(c, MADE[i], path);
        (void)unlink(path);
    }
    onnx_end(&c->onnx);
}

static bool exists(const cli_case *c, const char *name) {
    char path[200];
    path_of(c, name, path);
    return access(path, F_OK) == 0;
}

/* Reads a file of the folder; returns its size. */
static size_t slurp(const cli_case *c, const char *name, char *out, size_t size) {
    char path[200];
    path_of(c, name, path);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    (void)fclose(f);
    return n;
}

/* Runs dmsc in the folder with arguments split at spaces, M standing for the model; returns its
 * exit code. */
static int dmsc_to(cli_case *c, const char *args, const char *out) {
    char text[1000], *argv[MAX_ARGS] = {(char *)(uintptr_t)PROGRAM};
    (void)snprintf(text, sizeof text, "%s", args);
    int n = 1, status = 0;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[n++] = strcmp(word, "M") == 0 ? (char *)(uintptr_t)c->model : word;
    assert_true(n < MAX_ARGS);
    const pid_t child = fork();
    if (child == 0) {
        if (chdir(c->onnx.folder) != 0 || setenv("LC_ALL", "C", 1) != 0 ||
            freopen(out, "wb", stdout) == NULL || freopen("stderr.txt", "wb", stderr) == NULL)
            _exit(99);
        execv(PROGRAM, argv);
        _exit(98);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    (void)slurp(c, "stderr.txt", c->err, sizeof c->err);
    return WEXITSTATUS(status);
}

static int dmsc(cli_case *c, const char *args) {
    const int code = dmsc_to(c, args, "stdout.txt");
    (void)slurp(c, "stdout.txt", c->out, sizeof c->out);
    return code;
}

/* Sends a signal to a dmsc that waits for its dims from a pipe, which then ends; returns its exit
 * code. Whoever opened the pipe to write knows that dmsc has opened it to read. */
static int dmsc_interrupted(cli_case *c, int number) {
    char gate[200];
    int status = 0;
    path_of(c, "input_0.npy", gate);
    assert_int_equal(mkfifo(gate, 0600), 0);
    const pid_t child = fork();
    if (child == 0) {
        if (chdir(c->onnx.folder) != 0 || freopen("stderr.txt", "wb", stderr) == NULL)
            _exit(99);
        execl(PROGRAM, "dmsc", c->model, "-q", "-o", "p.plan", "--dims-from", ".", (char *)NULL);
        _exit(98);
    }
    const int writer = open(gate, O_WRONLY);
    assert_true(writer >= 0);
    assert_int_equal(kill(child, number), 0);
    assert_int_equal(close(writer), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(unlink(gate), 0);
    (void)slurp(c, "stderr.txt", c->err, sizeof c->err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The program succeeds without a word on stderr. */
static void succeeds(cli_case *c, const char *args) {
    const int code = dmsc(c, args);
    if (code != 0 || c->err[0] != 0)
        fail_msg("dmsc %s: exit code %d: %s", args, code, c->err);
}

/* The program ends with this code, nothing on stdout, one message on stderr that says `why`. */
static void refuses(cli_case *c, const char *args, int code, const char *why) {
    const int got = dmsc(c, args);
    if (got != code || strncmp(c->err, "dmsc: error: ", 13) != 0 || strstr(c->err, why) == NULL)
        fail_msg("dmsc %s: exit code %d, wanted %d with '%s': %s", args, got, code, why, c->err);
    assert_string_equal(c->out, "");
}

static void says(const cli_case *c, const char *text) {
    if (strstr(c->out, text) == NULL)
        fail_msg("stdout does not say '%s': %s", text, c->out);
}

static void wrong_options_are_usage_errors(void **state) {
    (void)state;
    static const struct {
        const char *args, *why;
    } CASES[] = {
        {"", "no model"},
        {"--nosuch", "no option '--nosuch'"},
        {"-x M", "no option '-x'"},
        {"M -o", "option '-o' wants a value"},
        {"M --profile", "option '--profile' wants a value"},
        {"M --exact=3", "option '--exact=3' takes no value"},
        {"M other.onnx", "'other.onnx' is one argument too many"},
        {"--list-ops M", "one argument too many"},
        {"--dump p.plan M", "one argument too many"},
        {"--verify p.plan M more", "'more' is one argument too many"},
        {"M --device-mem lots", "--device-mem"},
        {"M --device-mem lots", "'lots' is no size"},
        {"M --host-mem -5", "'-5' is no size"},
        {"M --device-mem auto", "--device-mem auto: not for this budget"},
        {"M --host-mem floor", "--host-mem floor: not for this budget"},
        {"M --dim rows", "--dim rows: give NAME=N"},
        {"M --dim =4", "--dim =4: give NAME=N"},
        {"M --dim rows=", "give NAME=N"},
        {"M --dim rows=-1", "give NAME=N"},
        {"M --dim rows=4x", "--dim rows=4x: N is no number"},
        {"M --dim rows=99999999999999999999", "N is no number"},
        {"M --dim rows=4 --dim rows=5", "--dim rows is given twice"},
        {"M --dim rows=4 --profile nosuch", "no profile 'nosuch'"},
        {"M --dim rows=4 --dim cols=2", "cols"},
        {"M --dim rows=4 --curve-points 5", "--curve-points is for --curve FILE"},
    };
    cli_case it, *c = &it;
    cli_begin(c);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        refuses(c, CASES[i].args, DMS_EUSAGE, CASES[i].why);
    cli_end(c);
}

static void help_and_version_win_over_everything_behind_them(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "--version");
    assert_ptr_equal(strstr(c->out, "dmsc "), c->out);
    assert_int_equal(c->out[strlen(c->out) - 1], '\n');
    succeeds(c, "--help");
    assert_ptr_equal(strstr(c->out, "usage: dmsc MODEL"), c->out);
    succeeds(c, "--help --nosuch");
    succeeds(c, "--version --dump nosuch.plan");
    cli_end(c);
}

static void the_help_names_every_option(void **state) {
    (void)state;
    static const char *const OPTION[] = {
        "-o PLAN",    "--device-mem",    "--host-mem", "--profile",      "--dim",
        "--exact",    "--dot",           "--json",     "--dump",         "--verify",
        "--list-ops", "--list-profiles", "--version",  "--dump-problem", "--help",
        "-q, -v",     "--trace",         "--explain",  "--curve",        "--dims-from",
        "--pack DIR", "--curve-points N"};
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "--help");
    for (size_t i = 0; i < sizeof OPTION / sizeof OPTION[0]; i++)
        says(c, OPTION[i]);
    size_t column = 0;
    for (const char *p = c->out; *p != 0; p++) {
        column = *p == '\n' ? 0 : column + 1;
        assert_true(column <= 100);
    }
    cli_end(c);
}

static void a_compile_writes_a_plan_and_a_summary(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "M --dim rows=8 -o p.plan --device-mem 64M");
    says(c, "FITS");
    says(c, "p.plan written");
    assert_true(exists(c, "p.plan"));
    assert_false(exists(c, "p.plan.consts")); /* dmsc made no large constants */
    cli_end(c);
}

static void without_o_a_compile_writes_nothing_and_says_so(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "M --dim rows=8");
    says(c, "no plan written");
    assert_false(exists(c, "p.plan"));
    cli_end(c);
}

/* Nothing, next to nothing, 2^63 and the largest number: a plan where there is room, else the floor
 * and no file. One more than the largest is no size. */
static void absurd_budgets_give_a_plan_or_say_why_not(void **state) {
    (void)state;
    static const struct {
        const char *budgets;
        int code;
        const char *says;
    } CASES[] = {
        {"--device-mem 0", DMS_EBUDGET, "device budget of 0 bytes"},
        {"--device-mem 1", DMS_EBUDGET, "device budget of 1 bytes"},
        {"--device-mem 0%", DMS_EBUDGET, "device budget of 0 bytes"},
        {"--device-mem 0 --host-mem 0", DMS_EBUDGET, "device budget of 0 bytes"},
        {"--device-mem floor --host-mem 9223372036854775808", DMS_OK, "written"},
        {"--device-mem 9223372036854775808", DMS_OK, "FITS"},
        {"--device-mem 9223372036854775808 --host-mem 0", DMS_OK, "FITS"},
        {"--device-mem 18446744073709551615 --host-mem 18446744073709551615", DMS_OK, "FITS"},
        {"--device-mem 18446744073709551616", DMS_EUSAGE, "is no size"},
        {"--host-mem -1", DMS_EUSAGE, "is no size"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char command[200];
        cli_case it, *c = &it;
        cli_begin(c);
        (void)snprintf(command, sizeof command, "M --dim rows=8 -o p.plan %s", CASES[i].budgets);
        if (CASES[i].code != DMS_OK) {
            refuses(c, command, CASES[i].code, CASES[i].says);
        } else {
            succeeds(c, command);
            says(c, CASES[i].says);
            succeeds(c, "--verify p.plan M");
        }
        assert_int_equal(exists(c, "p.plan"), CASES[i].code == DMS_OK);
        cli_end(c);
    }
}

static void quiet_says_nothing(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "-q M --dim rows=8 -o p.plan");
    assert_string_equal(c->out, "");
    assert_true(exists(c, "p.plan"));
    cli_end(c);
}

static void options_may_stand_behind_the_model_and_after_an_equals_sign(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "-q M --dim=rows=8 --profile=cpu --device-mem=1GB -op.plan");
    succeeds(c, "--dim rows=8 --profile cpu --device-mem 1GB -o q.plan -q M");
    char *p = c->out, *q = c->err;
    const size_t n = slurp(c, "p.plan", p, sizeof c->out);
    assert_true(n > 0);
    assert_true(n < sizeof c->err);
    assert_int_equal(slurp(c, "q.plan", q, sizeof c->err), n);
    assert_memory_equal(p, q, n); /* equal compiles, equal plans */
    cli_end(c);
}

static void every_way_of_saying_a_budget_is_understood(void **state) {
    (void)state;
    static const struct {
        const char *args, *budget;
    } CASES[] = {
        {"--device-mem 1048576", "device budget 1048576 bytes"},
        {"--device-mem 1MiB", "device budget 1048576 bytes"},
        {"--device-mem 1.5MB", "device budget 1500000 bytes"},
        {"--device-mem 200%", "device budget 393216 bytes"},
        {"--host-mem 64MiB", "host budget 67108864 bytes"},
        {"--host-mem auto", "host budget "},
    };
    cli_case it, *c = &it;
    cli_begin(c);
    assert_int_equal(WEIGHTS, 393216 / 2);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char args[200];
        (void)snprintf(args, sizeof args, "M --dim rows=8 %s", CASES[i].args);
        succeeds(c, args);
        says(c, CASES[i].budget);
    }
    cli_end(c);
}

static void a_budget_below_the_floor_names_one_that_works(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    refuses(c, "M --dim rows=8 -o p.plan --device-mem 1000", DMS_EBUDGET,
            "device budget of 1000 bytes");
    assert_false(exists(c, "p.plan"));
    const char *give = strstr(c->err, "give --device-mem ");
    assert_non_null(give);
    const unsigned long long floor = strtoull(give + 18, NULL, 10);
    char args[200];
    (void)snprintf(args, sizeof args, "-q M --dim rows=8 -o p.plan --device-mem %llu", floor);
    succeeds(c, args);
    (void)snprintf(args, sizeof args, "-q M --dim rows=8 --device-mem %llu", floor - 1);
    assert_int_equal(dmsc(c, args), DMS_EBUDGET);
    succeeds(c, "M --dim rows=8 --device-mem floor");
    (void)snprintf(args, sizeof args, "device budget %llu bytes", floor);
    says(c, args);
    cli_end(c);
}

static void a_dim_without_value_is_asked_for(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    assert_int_equal(dmsc(c, "M"), DMS_EUSAGE);
    assert_non_null(strstr(c->err, "rows"));
    assert_string_equal(c->out, "");
    cli_end(c);
}

static void files_that_are_not_there_are_named(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    refuses(c, "nosuch.onnx", DMS_EIO, "nosuch.onnx");
    refuses(c, "--dump nosuch.plan", DMS_EIO, "nosuch.plan");
    refuses(c, "--verify nosuch.plan", DMS_EIO, "nosuch.plan");
    refuses(c, "M --dim rows=8 -o nosuch/p.plan", DMS_EIO, "nosuch/p.plan");
    refuses(c, "M --dim rows=8 --json nosuch/out.json", DMS_EIO, "nosuch/out.json");
    refuses(c, "M --dim rows=8 --dot nosuch/out.dot", DMS_EIO, "nosuch/out.dot");
    refuses(c, "M --dim rows=8 --trace nosuch/trace.json", DMS_EIO, "nosuch/trace.json");
    refuses(c, "M --dim rows=8 --profile ./nosuch.json", DMS_EIO, "nosuch.json");
    cli_end(c);
}

static void what_is_no_plan_is_refused_as_one(void **state) {
    (void)state;
    cli_case it, *c = &it;
    char args[200];
    cli_begin(c);
    (void)snprintf(args, sizeof args, "--dump %s", c->model);
    refuses(c, args, DMS_EPLAN, c->model);
    (void)snprintf(args, sizeof args, "--verify %s", c->model);
    refuses(c, args, DMS_EPLAN, c->model);
    cli_end(c);
}

static void a_dump_lists_queues_and_kernels_by_name(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "-q M --dim rows=8 -o p.plan");
    succeeds(c, "--dump p.plan");
    says(c, "matmul");
    says(c, "compute");
    says(c, "w0");
    assert_null(strstr(c->out, "unknown"));
    says(c, "\nchains\n");
    says(c, "v1 = relu(v0)\n"); /* behind the first product */
    cli_end(c);
}

static void verify_proves_a_plan_and_that_it_computes_the_model(void **state) {
    (void)state;
    cli_case it, *c = &it;
    char line[300];
    cli_begin(c);
    succeeds(c, "-q M --dim rows=8 -o p.plan");
    succeeds(c, "--verify p.plan");
    assert_ptr_equal(strstr(c->out, "p.plan: P1..P10 proven, meaning "), c->out);
    assert_int_equal(strlen(c->out), strlen("p.plan: P1..P10 proven, meaning ") + 32 + 1);
    succeeds(c, "--verify p.plan M");
    (void)snprintf(line, sizeof line, "p.plan: computes what %s says", c->model);
    says(c, line);
    cli_end(c);
}

static void a_damaged_plan_is_not_proven(void **state) {
    (void)state;
    cli_case it, *c = &it;
    char path[200];
    cli_begin(c);
    succeeds(c, "-q M --dim rows=8 -o p.plan");
    path_of(c, "p.plan", path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -1, SEEK_END), 0);
    const int last = fgetc(f);
    assert_int_equal(fseek(f, -1, SEEK_END), 0);
    assert_int_equal(fputc(last ^ 1, f), last ^ 1);
    assert_int_equal(fclose(f), 0);
    refuses(c, "--verify p.plan", DMS_EPLAN, "p.plan");
    assert_int_equal(truncate(path, 20), 0);
    refuses(c, "--verify p.plan", DMS_EPLAN, "p.plan");
    cli_end(c);
}

static void lists_have_a_head_and_one_line_per_entry(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "--list-ops");
    assert_ptr_equal(strstr(c->out, "operator "), c->out);
    says(c, "\nMatMul ");
    says(c, "\nConv ");
    says(c, "\nRelu ");
    succeeds(c, "--list-profiles");
    assert_ptr_equal(strstr(c->out, "profile "), c->out);
    says(c, "\ncpu ");
    says(c, "\nh100-pcie ");
    cli_end(c);
}

static void the_views_are_written_beside_each_other(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "-q M --dim rows=8 --device-mem floor --json out.json --dot out.dot --dump-problem "
                "in.json --trace trace.json");
    (void)slurp(c, "out.json", c->out, sizeof c->out);
    json_t *root = json_loads(c->out, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "weights_bytes")), WEIGHTS);
    json_decref(root);
    (void)slurp(c, "in.json", c->out, sizeof c->out);
    root = json_loads(c->out, 0, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "format")), "dms-problem");
    json_decref(root);
    (void)slurp(c, "out.dot", c->out, sizeof c->out);
    assert_ptr_equal(strstr(c->out, "digraph"), c->out);
    (void)slurp(c, "trace.json", c->out, sizeof c->out);
    root = json_loads(c->out, 0, NULL);
    assert_true(json_array_size(json_object_get(root, "traceEvents")) > 12);
    json_decref(root);
    cli_end(c);
}

static void explain_takes_the_place_of_the_summary(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "M --dim rows=8 --device-mem floor --explain w1");
    assert_ptr_equal(strstr(c->out, "w1: weight, f32 "), c->out);
    says(c, "is copied in per inference");
    assert_null(strstr(c->out, "FITS"));
    refuses(c, "M --dim rows=8 --explain w", DMS_EUSAGE, "there are 'w0', 'w1'");
    refuses(c, "M --dim rows=8 --explain", DMS_EUSAGE, "option '--explain' wants a value");
    cli_end(c);
}

static void what_cannot_be_explained_leaves_no_plan(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    refuses(c, "M --dim rows=8 -o m.plan --json m.json --explain w", DMS_EUSAGE, "'w0', 'w1'");
    cli_end(c); /* whose folder must be empty now */
}

static void the_curve_is_a_table_with_a_head(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "-q M --dim rows=8 --device-mem floor --curve curve.csv");
    (void)slurp(c, "curve.csv", c->out, sizeof c->out);
    assert_ptr_equal(strstr(c->out, "device_budget_bytes,device_arena_bytes,period_ns,"), c->out);
    size_t lines = 0;
    for (const char *p = c->out; *p != 0; p++)
        lines += *p == '\n';
    assert_in_range(lines, 3, 13);
    refuses(c, "M --dim rows=8 --curve nosuch/c.csv", DMS_EIO, "nosuch/c.csv");
    cli_end(c);
}

/* The floor and where everything stays are two points; equal budgets are one line. */
static void the_curve_has_as_many_points_as_are_asked_for(void **state) {
    (void)state;
    static const char *const WRONG[] = {"1", "0", "1001", "-5", "3x", "", "99999999999999999999"};
    cli_case it, *c = &it;
    cli_begin(c);
    for (uint32_t n = 2; n <= 40; n += 19) {
        char command[128];
        (void)snprintf(command, sizeof command, "-q M --dim rows=8 --curve c.csv --curve-points %u",
                       (unsigned)n);
        succeeds(c, command);
        (void)slurp(c, "c.csv", c->out, sizeof c->out);
        uint32_t lines = 0;
        for (const char *p = c->out; *p != 0; p++)
            lines += *p == '\n';
        assert_in_range(lines, n == 2 ? 3 : 10, n + 1);
    }
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        char command[128];
        (void)snprintf(command, sizeof command, "M --dim rows=8 --curve-points=%s", WRONG[i]);
        refuses(c, command, DMS_EUSAGE, "give a number from 2 to 1000");
    }
    cli_end(c);
}

/* A .npy header of [8, 128] stands for --dim rows=8. */
static void dims_may_come_from_a_folder_of_inputs(void **state) {
    (void)state;
    static const char header[] = "\x93NUMPY\1\0\x48\0{'descr': '<f4', 'fortran_order': False, "
                                 "'shape': (8, 128), }            \n";
    cli_case it, *c = &it;
    char path[200];
    cli_begin(c);
    path_of(c, "input_0.npy", path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(header, 1, sizeof header - 1, f), sizeof header - 1);
    assert_int_equal(fclose(f), 0);
    succeeds(c, "-q M --dims-from . -o p.plan");
    succeeds(c, "-q M --dim rows=8 -o q.plan");
    char *p = c->out, *q = c->err;
    const size_t n = slurp(c, "p.plan", p, sizeof c->out);
    assert_int_equal(slurp(c, "q.plan", q, sizeof c->err), n);
    assert_memory_equal(p, q, n);
    refuses(c, "M --dims-from . --dim rows=9", DMS_EUSAGE, "rows: given as 9 and as 8");
    refuses(c, "M --dims-from nosuch", DMS_EIO, "nosuch");
    assert_int_equal(unlink(path), 0);
    cli_end(c);
}

static void a_full_standard_output_is_an_error(void **state) {
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    cli_case it, *c = &it;
    cli_begin(c);
    assert_int_equal(dmsc_to(c, "--list-ops", "/dev/full"), DMS_EIO);
    assert_non_null(strstr(c->err, "standard output"));
    assert_int_equal(dmsc_to(c, "M --dim rows=8", "/dev/full"), DMS_EIO);
    cli_end(c);
}

static void exact_reaches_a_plan_that_is_no_slower(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    json_int_t period[2];
    for (int exact = 0; exact < 2; exact++) {
        succeeds(c, exact ? "-q M --dim rows=8 --device-mem floor --json out.json --exact"
                          : "-q M --dim rows=8 --device-mem floor --json out.json");
        (void)slurp(c, "out.json", c->out, sizeof c->out);
        json_t *root = json_loads(c->out, 0, NULL);
        assert_non_null(root);
        period[exact] = json_integer_value(json_object_get(root, "period_ns"));
        json_decref(root);
    }
    assert_true(period[1] > 0 && period[1] <= period[0]);
    cli_end(c);
}

static void packed_weights_are_told_of_and_written_once(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    succeeds(c, "M --dim rows=8 -o p.plan --pack .");
    says(c, "  ./model.dmspack written, 196 KiB\n"); /* 192 KiB of weights, the last page */
    assert_true(exists(c, "model.dmspack"));
    succeeds(c, "M --dim rows=8 -o q.plan --pack=./ --json out.json");
    says(c, "  ./model.dmspack holds the packed weights already, 196 KiB\n");
    char json[65536];
    (void)slurp(c, "out.json", json, sizeof json);
    json_t *root = json_loads(json, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "packed_bytes")), WEIGHTS + 4096);
    json_decref(root);
    succeeds(c, "--verify p.plan M");
    succeeds(c, "--dump p.plan");
    says(c, "packed in file 1 + 0");
    says(c, "packed 'model.dmspack' 200704 bytes");
    refuses(c, "M --dim rows=8 -o p.plan --pack nosuch", DMS_EIO, "nosuch/model.dmspack");
    refuses(c, "M --dim rows=8 -o ./model.dmspack --pack .", DMS_EUSAGE, "cannot be the plan and");
    cli_end(c);
}

/* A view of more than 4 KiB meets the limit of file sizes: the one that was there before stays. */
static void a_view_that_cannot_be_written_leaves_the_older_one(void **state) {
    (void)state;
    cli_case it, *c = &it;
    struct rlimit before, small;
    char path[200], text[100];
    cli_begin(c);
    path_of(c, "in.json", path);
    FILE *older = fopen(path, "wb");
    assert_non_null(older);
    assert_true(fputs("older", older) >= 0);
    assert_int_equal(fclose(older), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){100, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    refuses(c, "-q M --dim rows=8 --dump-problem in.json", DMS_EIO, "in.json");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)slurp(c, "in.json", text, sizeof text);
    assert_string_equal(text, "older");
    cli_end(c); /* whose folder must be empty now */
}

static void an_interrupt_is_an_exit_code_and_one_message(void **state) {
    (void)state;
    static const int SIGNALS[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        cli_case it, *c = &it;
        cli_begin(c);
        assert_int_equal(dmsc_interrupted(c, SIGNALS[i]), DMS_ECANCELLED);
        assert_string_equal(c->err, "dmsc: error: interrupted\n");
        assert_false(exists(c, "p.plan"));
        cli_end(c);
    }
}

/* As nohup and the shell's background jobs ask for it: dmsc lives to see the end of the pipe. */
static void a_signal_that_is_ignored_at_the_start_stays_so(void **state) {
    (void)state;
    cli_case it, *c = &it;
    cli_begin(c);
    void (*before)(int) = signal(SIGTERM, SIG_IGN);
    assert_int_equal(dmsc_interrupted(c, SIGTERM), DMS_EINPUT);
    (void)signal(SIGTERM, before);
    assert_non_null(strstr(c->err, "no .npy file"));
    cli_end(c);
}

/* The limit would end the program by a signal if it were not told otherwise. */
static void a_packed_file_that_cannot_be_written_whole_is_not_there(void **state) {
    (void)state;
    cli_case it, *c = &it;
    struct rlimit before, small;
    cli_begin(c);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){100000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    refuses(c, "M --dim rows=8 -o p.plan --pack .", DMS_EIO,
            "writing './model.dmspack' at byte 100000: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(exists(c, "model.dmspack"));
    assert_false(exists(c, "p.plan"));
    cli_end(c); /* whose folder must be empty now */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_options_are_usage_errors),
        cmocka_unit_test(a_view_that_cannot_be_written_leaves_the_older_one),
        cmocka_unit_test(an_interrupt_is_an_exit_code_and_one_message),
        cmocka_unit_test(a_signal_that_is_ignored_at_the_start_stays_so),
        cmocka_unit_test(help_and_version_win_over_everything_behind_them),
        cmocka_unit_test(the_help_names_every_option),
        cmocka_unit_test(a_compile_writes_a_plan_and_a_summary),
        cmocka_unit_test(without_o_a_compile_writes_nothing_and_says_so),
        cmocka_unit_test(absurd_budgets_give_a_plan_or_say_why_not),
        cmocka_unit_test(quiet_says_nothing),
        cmocka_unit_test(options_may_stand_behind_the_model_and_after_an_equals_sign),
        cmocka_unit_test(every_way_of_saying_a_budget_is_understood),
        cmocka_unit_test(a_budget_below_the_floor_names_one_that_works),
        cmocka_unit_test(a_dim_without_value_is_asked_for),
        cmocka_unit_test(files_that_are_not_there_are_named),
        cmocka_unit_test(what_is_no_plan_is_refused_as_one),
        cmocka_unit_test(a_dump_lists_queues_and_kernels_by_name),
        cmocka_unit_test(verify_proves_a_plan_and_that_it_computes_the_model),
        cmocka_unit_test(a_damaged_plan_is_not_proven),
        cmocka_unit_test(lists_have_a_head_and_one_line_per_entry),
        cmocka_unit_test(the_views_are_written_beside_each_other),
        cmocka_unit_test(explain_takes_the_place_of_the_summary),
        cmocka_unit_test(what_cannot_be_explained_leaves_no_plan),
        cmocka_unit_test(the_curve_is_a_table_with_a_head),
        cmocka_unit_test(the_curve_has_as_many_points_as_are_asked_for),
        cmocka_unit_test(dims_may_come_from_a_folder_of_inputs),
        cmocka_unit_test(packed_weights_are_told_of_and_written_once),
        cmocka_unit_test(a_packed_file_that_cannot_be_written_whole_is_not_there),
        cmocka_unit_test(a_full_standard_output_is_an_error),
        cmocka_unit_test(exact_reaches_a_plan_that_is_no_slower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
