/* test_onnx_models.c - models of exporters and trainers, where a folder of them is given.
 *
 * DMS_MODELS names a folder of folders: NAME/model.onnx and NAME/setN/{input,output}_I.npy. Every
 * model is refused by name, or read, lowered and run call by call to outputs like the references.
 * DMS_GRAPHS names a folder of .onnx files without weights: read and lowered only. Without these
 * variables the tests are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/npy.h"
#include "support_onnx.h"

#define MOST_NAMES 256
#define MOST_DIMS 64

/* Names in a folder, sorted; those that contain `word`. */
static uint32_t list_folder(onnx_case *c, const char *folder, const char *word, const char **name) {
    struct dirent **entry;
    uint32_t n = 0;
    const int found = scandir(folder, &entry, NULL, alphasort);
    for (int k = 0; k < found; k++) {
        if (entry[k]->d_name[0] != '.' && strstr(entry[k]->d_name, word) != NULL && n < MOST_NAMES)
            name[n++] = dms_strndup(&c->arena, entry[k]->d_name, strlen(entry[k]->d_name));
        free(entry[k]);
    }
    if (found >= 0)
        free(entry);
    return n;
}

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* The whole model, parsed, only to learn how its dims are called. */
static Onnx__ModelProto *parse(onnx_case *c, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0)
        return NULL;
    uint8_t *data = dms_alloc(&c->arena, (uint64_t)info.st_size, 1);
    FILE *file = fopen(path, "rb");
    const size_t got = file == NULL ? 0 : fread(data, 1, (size_t)info.st_size, file);
    if (file != NULL)
        (void)fclose(file);
    return onnx__model_proto__unpack(NULL, got, data);
}

static bool is_initializer(const Onnx__GraphProto *g, const char *name) {
    for (size_t k = 0; k < g->n_initializer; k++)
        if (strcmp(g->initializer[k]->name, name) == 0)
            return true;
    return false;
}

/* Reads input or output `k` of a set; NULL when there is none. */
static const void *load(onnx_case *c, const char *folder, const char *kind, uint32_t k,
                        dms_view *view) {
    const char *path = dms_format(&c->arena, "%s/%s_%u.npy", folder, kind, k);
    dms_array array;
    if (!exists(path))
        return NULL;
    assert_int_equal(dms_array_open(path, "", &array, &c->st), DMS_OK);
    *view = array.view;
    void *data = dms_alloc(&c->arena, dms_view_bytes(view), 1);
    assert_int_equal(dms_array_read(&array, data, &c->st), DMS_OK);
    dms_array_close(&array);
    return data;
}

/* Adds the symbolic dims of one input with the sizes of its array. */
static uint32_t add_dims(onnx_case *c, const Onnx__ValueInfoProto *port, const dms_view *view,
                         dms_plan_dim *dim, uint32_t n) {
    const Onnx__TensorShapeProto *shape = port->type->tensor_type->shape;
    for (uint32_t k = 0; k < shape->n_dim && k < view->rank; k++) {
        const Onnx__TensorShapeProto__Dimension *d = shape->dim[k];
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            continue;
        const char *text = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                               ? d->dim_param
                               : "";
        if (strpbrk(text, " +-*/()") != NULL)
            continue; /* follows from the others */
        if (text[0] == 0 || strcmp(text, "?") == 0)
            text = dms_format(&c->arena, "%s[%u]", port->name, k);
        dim[n++] = (dms_plan_dim){.name = text, .value = view->dim[k]};
        assert_true(n < MOST_DIMS);
    }
    return n;
}

/* The bits of an f16 or bf16 as a number. */
static double half(dms_dtype dtype, uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    if (dtype == DMS_DTYPE_BF16) {
        memcpy(&value, &wide, sizeof value);
        return (double)value;
    }
    const double sign = bits >> 15 != 0 ? -1 : 1;
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    if (exponent == 31)
        return mantissa != 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25));
}

/* One element as a number. */
static double number(dms_dtype dtype, const void *data, uint64_t k) {
    if (dtype == DMS_DTYPE_F32)
        return (double)((const float *)data)[k];
    if (dtype == DMS_DTYPE_F16 || dtype == DMS_DTYPE_BF16)
        return half(dtype, ((const uint16_t *)data)[k]);
    if (dtype == DMS_DTYPE_I64)
        return (double)((const int64_t *)data)[k];
    if (dtype == DMS_DTYPE_I32)
        return (double)((const int32_t *)data)[k];
    return (double)((const uint8_t *)data)[k];
}

/* What an element may differ by: a part of the largest, and of itself. Integers: 4 steps. */
static double room(dms_dtype dtype, double largest, double wanted) {
    if (!dms_dtype_is_float(dtype))
        return 4;
    if (dtype == DMS_DTYPE_BF16)
        return 4e-2 * largest + 1e-2 * fabs(wanted);
    if (dtype == DMS_DTYPE_F16)
        return 7e-3 * largest + 1e-3 * fabs(wanted);
    return 2e-4 * largest + 1e-4 * fabs(wanted);
}

/* Largest difference, in parts of what is allowed. Files hold bf16 as its bits or as f32. */
static double compare(const dms_tensor *t, const void *got, const dms_view *view,
                      const void *wanted) {
    const dms_dtype from =
        t->dtype == DMS_DTYPE_BF16 && view->dtype == DMS_DTYPE_U16 ? t->dtype : view->dtype;
    const uint64_t n = (uint64_t)dms_view_count(view);
    double largest = 0, worst = 0;
    for (uint64_t k = 0; k < n; k++) {
        const double w = fabs(number(from, wanted, k));
        largest = isfinite(w) && w > largest ? w : largest;
    }
    for (uint64_t k = 0; k < n; k++) {
        const double g = number(t->dtype, got, k), w = number(from, wanted, k);
        if (g == w || (isnan(g) && isnan(w)))
            continue;
        const double error = fabs(g - w) / room(t->dtype, largest, w);
        worst = error > worst || isnan(error) ? (isnan(error) ? INFINITY : error) : worst;
    }
    return worst;
}

/* What became of one set. */
typedef enum verdict { RIGHT, REFUSED, NOT_RUN, WRONG } verdict;

static verdict run_set(onnx_case *c, const Onnx__ModelProto *model, const char *path,
                       const char *set) {
    const void *input[MOST_DIMS] = {0};
    dms_plan_dim dim[MOST_DIMS];
    dms_view view;
    uint32_t n = 0, n_dims = 0;
    for (size_t k = 0; k < model->graph->n_input; k++) {
        if (is_initializer(model->graph, model->graph->input[k]->name))
            continue;
        input[n] = load(c, set, "input", n, &view);
        if (input[n++] == NULL)
            return NOT_RUN;
        n_dims = add_dims(c, model->graph->input[k], &view, dim, n_dims);
    }
    const dms_read_options options = {.dim = dim, .n_dims = n_dims};
    dms_code code = dms_model_read(path, &options, &c->graph_arena, &c->read, &c->st);
    if (code == DMS_OK)
        code = dms_graph_lower(&c->read, &c->lowered, &c->st);
    if (code != DMS_OK)
        return code == DMS_EUNSUPPORTED ? REFUSED : WRONG;
    if (!onnx_execute(c, input))
        return c->st.code == DMS_EDEVICE ? NOT_RUN : WRONG;
    double worst = 0;
    for (uint32_t k = 0; k < c->read.n_outputs; k++) {
        const void *wanted = load(c, set, "output", k, &view);
        const uint32_t storage = c->lowered.output[k];
        const dms_tensor *t = &c->read.tensor[storage];
        if (wanted == NULL ||
            (uint64_t)dms_view_count(&view) * dms_dtype_bytes((uint32_t)t->dtype) != t->bytes)
            return WRONG;
        const double error = compare(t, c->storage[storage], &view, wanted);
        worst = error > worst ? error : worst;
    }
    (void)dms_fail(&c->st, DMS_OK, "error %.3f of what is allowed", worst);
    return worst <= 1 ? RIGHT : WRONG;
}

/* All sets of one model; false when one is wrong. */
static bool run_model(const char *models, const char *name) {
    static const char *const text[] = {"right", "refused", "not run", "WRONG"};
    onnx_case c;
    const char *set[MOST_NAMES];
    bool is_fine = true;
    onnx_begin(&c, 17);
    const char *folder = dms_format(&c.arena, "%s/%s", models, name);
    const char *path = dms_format(&c.arena, "%s/model.onnx", folder);
    Onnx__ModelProto *model = parse(&c, path);
    const uint32_t n = model == NULL ? 0 : list_folder(&c, folder, "set", set);
    for (uint32_t k = 0; k < n; k++) {
        const verdict v = run_set(&c, model, path, dms_format(&c.arena, "%s/%s", folder, set[k]));
        print_message("%-26s %s  %-8s %.100s\n", name, set[k], text[v], c.st.msg);
        is_fine &= v != WRONG;
    }
    if (model != NULL)
        onnx__model_proto__free_unpacked(model, NULL);
    onnx_end(&c);
    return is_fine;
}

static void models_give_the_outputs_of_their_references(void **state) {
    (void)state;
    const char *models = getenv("DMS_MODELS"), *only = getenv("DMS_ONLY");
    const char *name[MOST_NAMES];
    onnx_case c;
    if (models == NULL || !exists(models)) {
        print_message("skipped: DMS_MODELS names no folder of models\n");
        skip();
    }
    onnx_begin(&c, 17);
    const uint32_t n = list_folder(&c, models, only == NULL ? "" : only, name);
    bool is_fine = true;
    for (uint32_t k = 0; k < n; k++)
        is_fine &= run_model(models, name[k]);
    onnx_end(&c);
    assert_true(is_fine);
}

/* One size for every dim that the message asks for, or exporters use. */
static dms_code read_graph(onnx_case *c, const char *path) {
    static const dms_plan_dim all[] = {{"batch", 1},    {"seq", 64},    {"past", 16},
                                       {"total", 80},   {"height", 64}, {"width", 64},
                                       {"enc_seq", 77}, {"s86", 1}};
    dms_plan_dim dim[MOST_DIMS];
    dms_read_options options = {.dim = dim};
    Onnx__ModelProto *model = parse(c, path);
    assert_non_null(model);
    for (uint32_t k = 0; k < sizeof all / sizeof *all; k++) {
        bool is_used = false;
        for (size_t i = 0; i < model->graph->n_input; i++) {
            const Onnx__TensorShapeProto *shape = model->graph->input[i]->type->tensor_type->shape;
            for (size_t a = 0; a < shape->n_dim; a++)
                is_used |= shape->dim[a]->value_case ==
                               ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                           strcmp(shape->dim[a]->dim_param, all[k].name) == 0;
        }
        if (is_used)
            dim[options.n_dims++] = all[k];
    }
    onnx__model_proto__free_unpacked(model, NULL);
    const dms_code code = dms_model_read(path, &options, &c->graph_arena, &c->read, &c->st);
    return code != DMS_OK ? code : dms_graph_lower(&c->read, &c->lowered, &c->st);
}

static void graphs_without_weights_are_lowered_in_little_memory(void **state) {
    (void)state;
    const char *graphs = getenv("DMS_GRAPHS");
    const char *name[MOST_NAMES];
    onnx_case all;
    if (graphs == NULL || !exists(graphs)) {
        print_message("skipped: DMS_GRAPHS names no folder of graphs\n");
        skip();
    }
    onnx_begin(&all, 17);
    const uint32_t n = list_folder(&all, graphs, ".onnx", name);
    for (uint32_t k = 0; k < n; k++) {
        onnx_case c;
        onnx_begin(&c, 17);
        const dms_code code = read_graph(&c, dms_format(&c.arena, "%s/%s", graphs, name[k]));
        print_message("%-40s %s%s\n", name[k],
                      code == DMS_OK ? "lowered" : "refused: ", code == DMS_OK ? "" : c.st.msg);
        assert_true(code == DMS_OK || code == DMS_EUNSUPPORTED);
        if (code == DMS_OK)
            assert_int_equal(c.read.n_warnings, 1); /* the file of the weights is missing */
        assert_true(c.graph_arena.used_bytes < 128u << 20);
        onnx_end(&c);
    }
    onnx_end(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_give_the_outputs_of_their_references),
        cmocka_unit_test(graphs_without_weights_are_lowered_in_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
