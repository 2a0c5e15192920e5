/* test_layers.c - who includes whom, read from the #include lines of the tree (DESIGN section 2),
 * and who names an operator. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx/graph.h"

/* The layers, longest path first: the first prefix that fits a path is its layer. */
enum layer { KERNELS, CHECK, RUNTIME, ONNX, PLANNER, SCHEMA, N_LAYERS };
static const char *const folder_of[N_LAYERS] = {
    [KERNELS] = "runtime/kernels/", [CHECK] = "runtime/check/",
    [RUNTIME] = "runtime/",         [ONNX] = "onnx/",
    [PLANNER] = "planner/",         [SCHEMA] = "schema/",
};

/* may_know[a][b]: a file of layer a may include a header of layer b. */
static const char may_know[N_LAYERS][N_LAYERS] = {
    [SCHEMA] = {[SCHEMA] = 1},
    [KERNELS] = {[SCHEMA] = 1, [KERNELS] = 1},
    [CHECK] = {[SCHEMA] = 1, [KERNELS] = 1, [CHECK] = 1},
    [RUNTIME] = {[SCHEMA] = 1, [KERNELS] = 1, [CHECK] = 1, [RUNTIME] = 1},
    [ONNX] = {[SCHEMA] = 1, [KERNELS] = 1, [ONNX] = 1},
    [PLANNER] = {[SCHEMA] = 1, [KERNELS] = 1, [CHECK] = 1, [ONNX] = 1, [PLANNER] = 1},
};

/* Libraries that belong to one layer: the planner's solver and its views never reach the runtime. */
static const struct {
    const char *header;
    enum layer layer;
} owner_of[] = {{"lpsolve/", PLANNER}, {"graphviz/", PLANNER}, {"jansson", PLANNER}};

static enum layer layer_of(const char *path) {
    for (enum layer l = 0; l < N_LAYERS; l++)
        if (strncmp(path, folder_of[l], strlen(folder_of[l])) == 0)
            return l;
    return N_LAYERS;
}

/* The folder part of a path, its last slash included. */
static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* NULL when file `from` may include `header`, else what is wrong with it. */
static const char *fault(const char *from, const char *header) {
    enum layer a = layer_of(from), b = layer_of(header);
    size_t own = folder_length(from);
    for (size_t i = 0; i < sizeof owner_of / sizeof *owner_of; i++)
        if (strncmp(header, owner_of[i].header, strlen(owner_of[i].header)) == 0)
            return a == owner_of[i].layer ? NULL : "this library belongs to the planner";
    if (!strchr(header, '/') || b == N_LAYERS)
        return NULL; /* own folder, or the system's */
    if (!may_know[a][b])
        return "an arrow that DESIGN section 2 forbids";
    if (strstr(header, "cpu_kernel") && (a == CHECK || a == PLANNER))
        return "this layer knows kernel rows, no kernels";
    if (strstr(header, "_internal.h") &&
        (folder_length(header) != own || strncmp(from, header, own)))
        return "the inside of another room";
    return NULL;
}

/* Reads the name in an #include line into `out`; 0 when the line is none. */
static int include_of(const char *line, char out[256]) {
    char open;
    return sscanf(line, " # include %c%255[^\">\n]", &open, out) == 2 &&
           (open == '"' || open == '<');
}

/* Prints every forbidden include of one file and returns their number. */
static int faults_of(const char *path, const char *unused) {
    (void)unused;
    const char *name = path + strlen(DMS_SOURCE_DIR) + 1;
    char line[1024], header[256];
    int n = 0, row = 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        row++;
        const char *why = include_of(line, header) ? fault(name, header) : NULL;
        if (!why)
            continue;
        print_error("%s:%d includes %s: %s\n", name, row, header, why);
        n++;
    }
    fclose(f);
    return n;
}

/* Prints every operator that a file of schema, runtime or planner names; returns their number.
 * `operators` has one line each, the name first. */
static int operators_named_in(const char *path, const char *operators) {
    const char *name = path + strlen(DMS_SOURCE_DIR) + 1;
    enum layer layer = layer_of(name);
    if (layer == ONNX)
        return 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    static const size_t most = 1u << 20;
    char *text = calloc(most, 1), quoted[80];
    assert_non_null(text);
    assert_true(fread(text, 1, most - 1, f) < most - 1);
    fclose(f);
    int n = 0, length = 0;
    for (const char *line = strchr(operators, '\n') + 1; *line; line += strcspn(line, "\n") + 1) {
        if (sscanf(line, "%76s%n", quoted + 1, &length) != 1)
            continue;
        quoted[0] = '"';
        memcpy(quoted + 1 + strlen(quoted + 1), "\"", 2);
        if (!strstr(text, quoted))
            continue;
        print_error("%s names the operator %s\n", name, quoted);
        n++;
    }
    free(text);
    return n;
}

/* Adds up `count` over every .c and .h file of the six folders; *out_files says how many. */
static int over_the_tree(int (*count)(const char *, const char *), const char *argument,
                         int *out_files) {
    static const char *const patterns[] = {"*/*.[ch]", "*/*/*.[ch]", "*/*/*/*.[ch]"};
    int n = 0;
    *out_files = 0;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char pattern[1024];
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/%s", DMS_SOURCE_DIR, patterns[i]);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t k = 0; k < found.gl_pathc; k++) {
            if (layer_of(found.gl_pathv[k] + strlen(DMS_SOURCE_DIR) + 1) == N_LAYERS)
                continue;
            n += count(found.gl_pathv[k], argument);
            *out_files += 1;
        }
        globfree(&found);
    }
    return n;
}

static void every_include_follows_the_arrows(void **state) {
    (void)state;
    int files = 0;
    assert_int_equal(over_the_tree(faults_of, "", &files), 0);
    assert_true(files > 20); /* the tree was found */
}

static void operators_are_named_in_the_front_end_alone(void **state) {
    (void)state;
    char *operators = NULL;
    size_t size = 0;
    int files = 0;
    FILE *list = open_memstream(&operators, &size);
    assert_non_null(list);
    dms_ops_print(list);
    fclose(list);
    assert_non_null(strstr(operators, "\nConv "));
    assert_int_equal(over_the_tree(operators_named_in, operators, &files), 0);
    free(operators);
}

static void a_layer_knows_only_what_lies_below_it(void **state) {
    (void)state;
    assert_null(fault("planner/emit.c", "runtime/check/check.h"));
    assert_null(fault("runtime/kernels/conv.c", "schema/view.h"));
    assert_non_null(fault("schema/plan.c", "runtime/kernels/kernel.h"));
    assert_non_null(fault("runtime/kernels/conv.c", "runtime/engine.h"));
    assert_non_null(fault("runtime/check/check.c", "planner/problem.h"));
    assert_non_null(fault("runtime/engine.c", "onnx/graph.h"));
    assert_non_null(fault("planner/simulate.c", "runtime/engine.h"));
    assert_non_null(fault("planner/simulate.c", "runtime/cpu/cpu.h"));
    assert_non_null(fault("onnx/ops/conv.c", "planner/problem.h"));
}

static void only_its_own_folder_sees_the_inside_of_a_room(void **state) {
    (void)state;
    assert_null(fault("runtime/check/race.c", "runtime/check/check_internal.h"));
    assert_non_null(fault("planner/emit.c", "runtime/check/check_internal.h"));
    assert_non_null(fault("runtime/check/check.c", "runtime/kernels/cpu_kernel.h"));
    assert_null(fault("onnx/fold.c", "runtime/kernels/cpu_kernel.h"));
}

static void the_solver_stays_out_of_the_runtime(void **state) {
    (void)state;
    assert_null(fault("planner/solve.c", "lpsolve/lp_lib.h"));
    assert_non_null(fault("runtime/engine.c", "lpsolve/lp_lib.h"));
    assert_non_null(fault("onnx/graph.c", "jansson.h"));
}

static void an_include_line_is_read_in_both_forms(void **state) {
    (void)state;
    char name[256];
    assert_true(include_of("#include \"schema/view.h\"\n", name));
    assert_string_equal(name, "schema/view.h");
    assert_true(include_of("  #  include <jansson.h>\n", name));
    assert_string_equal(name, "jansson.h");
    assert_false(include_of("/* #include nothing */\n", name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_include_follows_the_arrows),
        cmocka_unit_test(operators_are_named_in_the_front_end_alone),
        cmocka_unit_test(a_layer_knows_only_what_lies_below_it),
        cmocka_unit_test(only_its_own_folder_sees_the_inside_of_a_room),
        cmocka_unit_test(the_solver_stays_out_of_the_runtime),
        cmocka_unit_test(an_include_line_is_read_in_both_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
