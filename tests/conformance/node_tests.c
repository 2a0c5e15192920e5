/* node_tests.c - ONNX's own tests of its operators: folders test_X with model.onnx and .pb files.
 *
 * usage: node_tests [--expected FILE] [--list] [--only WORD] [--verbose] [DIR]
 *
 * Every model is read, lowered and run, call by call, on the CPU device; its outputs are compared
 * with those of the test. Operators whose shapes depend on values (Reshape, Range) get these values
 * as inputs in the tests; dms wants them known when it plans. So a model that is refused as it is
 * gets its inputs as constants: first all but input 0, then all (which tests folding).
 *
 * passed       outputs are right
 * unsupported  dms_model_read refused the model by name, or this build has no kernel for the dtype
 * differs      outputs are others, and FILE says why: "differs NAME REASON"
 * failed       anything else; also a test that FILE lists and that did not pass
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "interpreter.h"
#include "protobuf_file.h"

#define MOST_TESTS 4096u
#define MOST_PORTS 512u
#define NEWEST_OPSET 23

typedef enum verdict { PASSED, UNSUPPORTED, FAILED, N_VERDICTS } verdict;

/* What of a model's inputs becomes constant. */
typedef enum variant { AS_IT_IS, ALL_BUT_FIRST, ALL_CONSTANT, N_VARIANTS } variant;

typedef struct options {
    const char *dir, *expected, *only;
    bool lists, is_verbose;
    char model_path[64]; /* where variants of models are written */
} options;

typedef struct test {
    char *name;
    char op[64]; /* operator of a model with one node, else the words "(several)" */
    verdict verdict;
    variant variant;
    bool is_expected, may_differ;
    char why[256];
} test;

/* ---- one test ------------------------------------------------------------------------------ */

/* Path of a file of test data. */
static void data_path(const options *o, const test *t, uint32_t set, const char *kind, uint32_t k,
                      char *out, size_t size) {
    (void)snprintf(out, size, "%s/%s/test_data_set_%u/%s_%u.pb", o->dir, t->name, set, kind, k);
}

/* Opset 24 of the operators known here adds element types alone, so it is read as 23. Sets *op. */
static Onnx__ModelProto *load_model(const options *o, test *t) {
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s/model.onnx", o->dir, t->name);
    Onnx__ModelProto *model = file_read_model(path);
    if (model == NULL || model->graph == NULL)
        return model;
    for (size_t k = 0; k < model->n_opset_import; k++)
        if (model->opset_import[k]->version == NEWEST_OPSET + 1)
            model->opset_import[k]->version = NEWEST_OPSET;
    const bool is_one = model->graph->n_node == 1;
    (void)snprintf(t->op, sizeof t->op, "%s",
                   is_one ? model->graph->node[0]->op_type : "(several)");
    return model;
}

/* Turns inputs into constants as the variant says. */
static bool make_variant(const options *o, const test *t, variant v, Onnx__ModelProto *model) {
    char path[1024];
    for (size_t k = 0; v != AS_IT_IS && k < model->graph->n_input; k++) {
        if (v == ALL_BUT_FIRST && k == 0)
            continue;
        data_path(o, t, 0, "input", (uint32_t)k, path, sizeof path);
        Onnx__TensorProto *tensor = file_read_tensor(path);
        if (tensor == NULL)
            return false;
        onnx__tensor_proto__free_unpacked(tensor, NULL);
        file_add_constant(model, model->graph->input[k]->name, path);
    }
    return file_write_model(model, o->model_path);
}

/* Dims that a model leaves open, from the first data set: "NAME" or "INPUT[AXIS]". */
static uint32_t open_dims(const Onnx__GraphProto *graph, const file_tensor *input,
                          const bool *has_input, dms_arena *arena, dms_plan_dim *dim) {
    uint32_t n = 0;
    for (size_t k = 0; k < graph->n_input && k < MOST_PORTS; k++) {
        const Onnx__TypeProto *type = graph->input[k]->type;
        if (type == NULL || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
            type->tensor_type->shape == NULL || !has_input[k])
            continue;
        const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
        for (size_t a = 0; a < shape->n_dim && a < input[k].rank && n < MOST_PORTS; a++) {
            const Onnx__TensorShapeProto__Dimension *d = shape->dim[a];
            if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
                continue;
            const bool is_named =
                d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim[n].name =
                is_named ? d->dim_param : dms_format(arena, "%s[%zu]", graph->input[k]->name, a);
            dim[n++].value = input[k].dim[a];
        }
    }
    return n;
}

/* Compares output k with the file of the test. */
static bool check_output(const options *o, const test *t, const dms_graph *graph,
                         const interpreter *run, uint32_t k, dms_arena *arena, char *why,
                         size_t size) {
    char path[1024];
    file_tensor want;
    data_path(o, t, 0, "output", k, path, sizeof path);
    Onnx__TensorProto *proto = file_read_tensor(path);
    const bool is_read = proto != NULL && file_tensor_of(proto, arena, &want);
    if (proto != NULL)
        onnx__tensor_proto__free_unpacked(proto, NULL);
    if (!is_read) {
        (void)snprintf(why, size, "%.200s is no tensor", path);
        return false;
    }
    const dms_tensor *got = &graph->tensor[graph->output[k]];
    bool is_same = got->dtype == want.dtype && got->rank == want.rank;
    for (uint32_t a = 0; is_same && a < want.rank; a++)
        is_same = got->dim[a].hi == want.dim[a];
    if (!is_same) {
        (void)snprintf(why, size, "output %u is %s of rank %u, wants %s of rank %u, or other dims",
                       k, dms_dtype_name(got->dtype), got->rank, dms_dtype_name(want.dtype),
                       want.rank);
        return false;
    }
    uint64_t at = 0;
    const void *data = interpreter_output(run, k);
    if (compare_arrays(want.dtype, want.bytes / dms_dtype_bytes(want.dtype), data, want.data, &at))
        return true;
    (void)snprintf(why, size, "output %u [%llu] is %.9g, wants %.9g", k, (unsigned long long)at,
                   compare_value(want.dtype, data, at), compare_value(want.dtype, want.data, at));
    return false;
}

/* Reads the inputs of the first data set that are tensors. */
static void read_inputs(const options *o, const test *t, const Onnx__GraphProto *graph,
                        dms_arena *arena, file_tensor *input, bool *has_input) {
    char path[1024];
    for (size_t k = 0; k < graph->n_input && k < MOST_PORTS; k++) {
        data_path(o, t, 0, "input", (uint32_t)k, path, sizeof path);
        Onnx__TensorProto *proto = file_read_tensor(path);
        has_input[k] = proto != NULL && file_tensor_of(proto, arena, &input[k]);
        if (proto != NULL)
            onnx__tensor_proto__free_unpacked(proto, NULL);
    }
}

/* The bytes of the graph's inputs, found by name among the model's; false when one is missing. */
static bool bind_inputs(const dms_graph *graph, const Onnx__GraphProto *model,
                        const file_tensor *input, const bool *has_input, const void **data) {
    for (uint32_t k = 0; k < graph->n_inputs; k++) {
        const dms_tensor *t = &graph->tensor[graph->input[k]];
        data[k] = NULL;
        for (size_t j = 0; j < model->n_input && j < MOST_PORTS; j++)
            if (has_input[j] && strcmp(model->input[j]->name, t->name) == 0 &&
                input[j].bytes == t->bytes)
                data[k] = input[j].data;
        if (data[k] == NULL)
            return false;
    }
    return true;
}

/* Runs a lowered graph and compares all outputs. */
static verdict run_lowered(const options *o, const test *t, const dms_graph *graph,
                           const dms_lowered *lowered, const void *const *data, dms_arena *arena,
                           char *why, size_t size) {
    dms_status st = {0};
    interpreter run = {0};
    dms_code code = interpreter_open(&run, graph, lowered, data, &st);
    if (code == DMS_OK)
        code = interpreter_run(&run, &st);
    verdict v = code == DMS_OK ? PASSED : code == DMS_EDEVICE ? UNSUPPORTED : FAILED;
    if (code != DMS_OK)
        (void)snprintf(why, size, "%.200s", st.msg);
    for (uint32_t k = 0; v == PASSED && k < graph->n_outputs; k++)
        if (!check_output(o, t, graph, &run, k, arena, why, size))
            v = FAILED;
    interpreter_free(&run);
    return v;
}

/* One variant of one test. */
static verdict run_variant(const options *o, test *t, variant which, dms_arena *arena) {
    Onnx__ModelProto *model = load_model(o, t);
    file_tensor input[MOST_PORTS];
    bool has_input[MOST_PORTS] = {false};
    dms_plan_dim dim[MOST_PORTS];
    const void *data[MOST_PORTS];
    dms_graph graph = {0};
    dms_lowered lowered = {0};
    dms_status st = {0};
    verdict v = UNSUPPORTED;
    if (model == NULL || model->graph == NULL || model->graph->n_input > MOST_PORTS ||
        !make_variant(o, t, which, model)) {
        (void)snprintf(t->why, sizeof t->why, "its inputs are no tensors");
    } else {
        read_inputs(o, t, model->graph, arena, input, has_input);
        const dms_read_options reading = {
            .dim = dim, .n_dims = open_dims(model->graph, input, has_input, arena, dim)};
        dms_code code = dms_model_read(o->model_path, &reading, arena, &graph, &st);
        const bool is_refused = code == DMS_EUNSUPPORTED;
        if (code == DMS_OK)
            code = dms_graph_lower(&graph, &lowered, &st);
        if (code == DMS_OK)
            code = dms_graph_fuse(&graph, &lowered, &st);
        if (code != DMS_OK) { /* what was read must lower */
            v = is_refused ? UNSUPPORTED : FAILED;
            (void)snprintf(t->why, sizeof t->why, "%.200s", st.msg);
        } else if (!bind_inputs(&graph, model->graph, input, has_input, data)) {
            v = FAILED;
            (void)snprintf(t->why, sizeof t->why, "an input of the graph is not in the test");
        } else {
            v = run_lowered(o, t, &graph, &lowered, data, arena, t->why, sizeof t->why);
        }
    }
    if (model != NULL)
        onnx__model_proto__free_unpacked(model, NULL);
    return v;
}

/* The variants in turn, until one is understood. The first reason for refusing is kept. */
static void run_test(const options *o, test *t) {
    char first[sizeof t->why] = "";
    for (variant v = AS_IT_IS; v < N_VARIANTS; v++) {
        dms_arena arena = {0};
        t->variant = v;
        t->verdict = run_variant(o, t, v, &arena);
        dms_arena_free(&arena);
        if (t->verdict != UNSUPPORTED)
            return;
        if (v == AS_IT_IS)
            memcpy(first, t->why, sizeof first);
    }
    memcpy(t->why, first, sizeof first);
}

/* ---- all tests ----------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(((const test *)a)->name, ((const test *)b)->name); /* names are unique */
}

static int by_operator(const void *a, const void *b) {
    const int order = strcmp(((const test *)a)->op, ((const test *)b)->op);
    return order != 0 ? order : by_name(a, b);
}

/* The folders test_* of the data, sorted. */
static uint32_t find_tests(const options *o, test *out) {
    uint32_t n = 0;
    DIR *dir = opendir(o->dir);
    if (dir == NULL)
        return 0;
    for (const struct dirent *e = readdir(dir); e != NULL && n < MOST_TESTS; e = readdir(dir))
        if (strncmp(e->d_name, "test_", 5) == 0 &&
            (o->only == NULL || strstr(e->d_name, o->only) != NULL))
            out[n++] = (test){.name = strdup(e->d_name)};
    (void)closedir(dir);
    qsort(out, n, sizeof *out, by_name);
    return n;
}

/* Marks the tests that the file lists; returns how many of its names there are not. */
static uint32_t mark_expected(const options *o, test *all, uint32_t n) {
    char line[256];
    uint32_t n_unknown = 0;
    FILE *file = o->expected == NULL ? NULL : fopen(o->expected, "r");
    if (o->expected != NULL && file == NULL) {
        (void)printf("%s cannot be read\n", o->expected);
        return 1;
    }
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == 0 || line[0] == '#')
            continue;
        const bool differs = strncmp(line, "differs ", 8) == 0;
        test key = {.name = differs ? line + 8 : line};
        key.name[strcspn(key.name, " ")] = 0;
        test *found = bsearch(&key, all, n, sizeof *all, by_name);
        if (found != NULL)
            *(differs ? &found->may_differ : &found->is_expected) = true;
        else if (o->only == NULL) {
            (void)printf("%s is expected, but there is no such test\n", key.name);
            n_unknown++;
        }
    }
    if (file != NULL)
        (void)fclose(file);
    return n_unknown;
}

/* A row per operator: passed, unsupported, failed. */
static void print_table(const test *all, uint32_t n) {
    (void)printf("%-28s %7s %12s %7s\n", "operator", "passed", "unsupported", "failed");
    for (uint32_t first = 0, end; first < n; first = end) {
        uint32_t count[N_VERDICTS] = {0};
        for (end = first; end < n && strcmp(all[end].op, all[first].op) == 0; end++)
            count[all[end].verdict]++;
        (void)printf("%-28s %7u %12u %7u\n", all[first].op, count[PASSED], count[UNSUPPORTED],
                     count[FAILED]);
    }
}

/* Adds up; a test that is expected and did not pass counts as failed. */
static uint32_t print_sum(const options *o, test *all, uint32_t n, uint32_t n_unknown) {
    uint32_t n_passed = 0, n_failed = n_unknown, n_unsupported = 0, n_differ = 0;
    for (uint32_t k = 0; k < n; k++) {
        const test *t = &all[k];
        const bool is_lost = t->is_expected && t->verdict == UNSUPPORTED;
        const bool differs = t->may_differ && t->verdict == FAILED;
        const bool fails = (t->verdict == FAILED && !differs) || is_lost;
        const char *word = is_lost ? "LOST" : fails ? "FAILED" : differs ? "differs" : "no";
        n_passed += t->verdict == PASSED;
        n_failed += fails;
        n_differ += differs;
        n_unsupported += t->verdict == UNSUPPORTED && !is_lost;
        if (fails || (o->is_verbose && t->verdict != PASSED))
            (void)printf("%s %s: %s\n", word, t->name, t->why);
        if (t->verdict == PASSED && !t->is_expected && o->expected != NULL)
            (void)printf("new %s: passes, and is not in %s\n", t->name, o->expected);
    }
    (void)printf("%u tests are of operators or dtypes that are not supported, %u differ\n",
                 n_unsupported, n_differ);
    (void)printf("%u passed, %u failed\n", n_passed, n_failed);
    return n_failed;
}

static bool read_options(int argc, char **argv, options *o) {
    *o = (options){.dir = getenv("DMS_NODE_TESTS")};
    for (int k = 1; k < argc; k++) {
        const bool has_next = k + 1 < argc;
        if (strcmp(argv[k], "--expected") == 0 && has_next)
            o->expected = argv[++k];
        else if (strcmp(argv[k], "--only") == 0 && has_next)
            o->only = argv[++k];
        else if (strcmp(argv[k], "--list") == 0)
            o->lists = true;
        else if (strcmp(argv[k], "--verbose") == 0)
            o->is_verbose = true;
        else if (argv[k][0] != '-')
            o->dir = argv[k];
        else
            return false;
    }
    return o->dir != NULL;
}

/* Runs everything; prints the names that passed (--list), or the table and what went wrong. */
static int run_all(options *o) {
    test *all = calloc(MOST_TESTS, sizeof *all);
    if (all == NULL)
        return 1;
    const uint32_t n = find_tests(o, all);
    const uint32_t n_unknown = mark_expected(o, all, n);
    for (uint32_t k = 0; k < n; k++) {
        run_test(o, &all[k]);
        if (o->lists && all[k].verdict == PASSED)
            (void)printf("%s\n", all[k].name);
    }
    uint32_t n_failed = 0;
    if (!o->lists) {
        qsort(all, n, sizeof *all, by_operator);
        print_table(all, n);
        n_failed = print_sum(o, all, n, n_unknown);
    }
    for (uint32_t k = 0; k < n; k++)
        free(all[k].name);
    free(all);
    return n == 0 || n_failed != 0;
}

int main(int argc, char **argv) {
    options o;
    if (!read_options(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: node_tests [--expected FILE] [--list] [--only WORD] "
                              "[--verbose] DIR (or DMS_NODE_TESTS=DIR)\n");
        return 2;
    }
    (void)snprintf(o.model_path, sizeof o.model_path, "/tmp/dms_node_tests_XXXXXX");
    const int file = mkstemp(o.model_path);
    if (file < 0)
        return 1;
    (void)close(file);
    const int code = run_all(&o);
    (void)unlink(o.model_path);
    return code;
}
