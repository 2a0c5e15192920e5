/* support_onnx.c - messages from texts. */
#include "support_onnx.h"
#include "support_scratch.h"

#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/kernels/cpu_kernel.h"

/* A message with its defaults. */
static void *message(onnx_case *c, const ProtobufCMessageDescriptor *what) {
    void *out = dms_alloc(&c->arena, 1, what->sizeof_message);
    assert_non_null(out);
    protobuf_c_message_init(what, out);
    return out;
}

static char *copy(onnx_case *c, const char *text) {
    char *out = dms_strndup(&c->arena, text, strlen(text));
    assert_non_null(out);
    return out;
}

static void *list(onnx_case *c, size_t size) {
    void *out = dms_alloc(&c->arena, ONNX_MOST, size);
    assert_non_null(out);
    return out;
}

/* Splits "a,b" at its commas; "" has no parts. */
static size_t split(onnx_case *c, const char *text, char **out) {
    size_t n = 0;
    if (text == NULL || text[0] == 0)
        return 0;
    for (;;) {
        const size_t length = strcspn(text, ",");
        assert_true(n < ONNX_MOST);
        out[n++] = dms_strndup(&c->arena, text, length);
        if (text[length] == 0)
            return n;
        text += length + 1;
    }
}

static size_t split_numbers(onnx_case *c, const char *text, int64_t *out) {
    char *part[ONNX_MOST];
    const size_t n = split(c, text, part);
    for (size_t k = 0; k < n; k++)
        out[k] = strtoll(part[k], NULL, 10);
    return n;
}

Onnx__GraphProto *onnx_graph(onnx_case *c) {
    Onnx__GraphProto *g = message(c, &onnx__graph_proto__descriptor);
    g->name = copy(c, "g");
    g->node = list(c, sizeof *g->node);
    g->input = list(c, sizeof *g->input);
    g->output = list(c, sizeof *g->output);
    g->initializer = list(c, sizeof *g->initializer);
    return g;
}

void onnx_begin(onnx_case *c, int64_t opset) {
    memset(c, 0, sizeof *c);
    c->model = message(c, &onnx__model_proto__descriptor);
    c->model->ir_version = 8;
    c->model->has_ir_version = 1;
    c->model->functions = list(c, sizeof *c->model->functions);
    c->graph = c->model->graph = onnx_graph(c);
    c->model->opset_import = list(c, sizeof *c->model->opset_import);
    Onnx__OperatorSetIdProto *set = message(c, &onnx__operator_set_id_proto__descriptor);
    set->has_version = 1;
    set->version = opset;
    c->model->opset_import[c->model->n_opset_import++] = set;
    (void)strcpy(c->folder, "/tmp/dms-onnx-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    (void)snprintf(c->path, sizeof c->path, "%s/model.onnx", c->folder);
}

/* Removes one entry of the folder. */
static int remove_entry(const char *path, const struct stat *is, int kind, struct FTW *at) {
    (void)is;
    (void)kind;
    (void)at;
    return remove(path);
}

void onnx_end(onnx_case *c) {
    assert_int_equal(nftw(c->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    dms_arena_free(&c->graph_arena);
    dms_arena_free(&c->arena);
}

static Onnx__ValueInfoProto *value(onnx_case *c, const char *name, int dtype, const char *shape) {
    Onnx__ValueInfoProto *v = message(c, &onnx__value_info_proto__descriptor);
    Onnx__TypeProto *type = message(c, &onnx__type_proto__descriptor);
    Onnx__TypeProto__Tensor *t = message(c, &onnx__type_proto__tensor__descriptor);
    char *part[ONNX_MOST];
    v->name = copy(c, name);
    v->type = type;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = t;
    t->has_elem_type = 1;
    t->elem_type = dtype;
    t->shape = message(c, &onnx__tensor_shape_proto__descriptor);
    t->shape->dim = list(c, sizeof *t->shape->dim);
    t->shape->n_dim = split(c, shape, part);
    for (size_t k = 0; k < t->shape->n_dim; k++) {
        Onnx__TensorShapeProto__Dimension *dim =
            message(c, &onnx__tensor_shape_proto__dimension__descriptor);
        char *end;
        const int64_t size = strtoll(part[k], &end, 10);
        t->shape->dim[k] = dim;
        if (*end == 0) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = size;
        } else if (strcmp(part[k], "?") != 0) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = part[k];
        }
    }
    return v;
}

void onnx_input(onnx_case *c, const char *name, int dtype, const char *shape) {
    c->graph->input[c->graph->n_input++] = value(c, name, dtype, shape);
}

void onnx_output(onnx_case *c, Onnx__GraphProto *g, const char *name, int dtype,
                 const char *shape) {
    g->output[g->n_output++] = value(c, name, dtype, shape);
}

Onnx__NodeProto *onnx_loose_node(onnx_case *c, const char *op, const char *in, const char *out) {
    Onnx__NodeProto *node = message(c, &onnx__node_proto__descriptor);
    node->op_type = copy(c, op);
    node->input = list(c, sizeof *node->input);
    node->n_input = split(c, in, node->input);
    node->output = list(c, sizeof *node->output);
    node->n_output = split(c, out, node->output);
    node->name = dms_format(&c->arena, "%s_%s", op, node->n_output == 0 ? "" : node->output[0]);
    node->attribute = list(c, sizeof *node->attribute);
    return node;
}

Onnx__NodeProto *onnx_node(onnx_case *c, Onnx__GraphProto *g, const char *op, const char *in,
                           const char *out) {
    Onnx__NodeProto *node = onnx_loose_node(c, op, in, out);
    assert_true(g->n_node < ONNX_MOST);
    g->node[g->n_node++] = node;
    return node;
}

void onnx_products(onnx_case *c, uint32_t n, uint64_t seed) {
    const int f32 = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    Onnx__GraphProto *g = c->graph;
    uint64_t random = seed;
    unsigned width = 64;
    char shape[64], names[64], result[32] = "a0";
    g->node = dms_alloc(&c->arena, n, sizeof *g->node); /* longer than ONNX_MOST */
    g->initializer = dms_alloc(&c->arena, n, sizeof *g->initializer);
    assert_true(g->node != NULL && g->initializer != NULL);
    onnx_input(c, result, f32, "8,64");
    for (uint32_t i = 0; i < n; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const unsigned next = i + 1 == n ? 64 : 8 + 4 * (unsigned)((random >> 33) % 24);
        (void)snprintf(shape, sizeof shape, "%u,%u", width, next);
        (void)snprintf(names, sizeof names, "a%u,w%u", i, i);
        (void)snprintf(result, sizeof result, "a%u", i + 1);
        g->initializer[g->n_initializer++] =
            onnx_tensor(c, strchr(names, ',') + 1, f32, shape, NULL);
        g->node[g->n_node++] = onnx_loose_node(c, "MatMul", names, result);
        width = next;
    }
    onnx_output(c, g, result, f32, "8,64");
}

static Onnx__AttributeProto *attribute(onnx_case *c, Onnx__NodeProto *node, const char *name,
                                       Onnx__AttributeProto__AttributeType type) {
    Onnx__AttributeProto *a = message(c, &onnx__attribute_proto__descriptor);
    a->name = copy(c, name);
    a->has_type = 1;
    a->type = type;
    node->attribute[node->n_attribute++] = a;
    return a;
}

void onnx_int(onnx_case *c, Onnx__NodeProto *node, const char *name, int64_t number) {
    Onnx__AttributeProto *a = attribute(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    a->has_i = 1;
    a->i = number;
}

void onnx_ints(onnx_case *c, Onnx__NodeProto *node, const char *name, const char *values) {
    Onnx__AttributeProto *a = attribute(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->ints = list(c, sizeof *a->ints);
    a->n_ints = split_numbers(c, values, a->ints);
}

void onnx_float(onnx_case *c, Onnx__NodeProto *node, const char *name, float number) {
    Onnx__AttributeProto *a =
        attribute(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = 1;
    a->f = number;
}

void onnx_string(onnx_case *c, Onnx__NodeProto *node, const char *name, const char *text) {
    Onnx__AttributeProto *a =
        attribute(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    a->has_s = 1;
    a->s = (ProtobufCBinaryData){strlen(text), (uint8_t *)copy(c, text)};
}

void onnx_tensor_attr(onnx_case *c, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *t) {
    attribute(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR)->t = t;
}

void onnx_branch(onnx_case *c, Onnx__NodeProto *node, const char *name, Onnx__GraphProto *g) {
    attribute(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH)->g = g;
}

/* One attribute as text: "axes=[0,1]". */
static void text_attribute(onnx_case *c, Onnx__NodeProto *node, const char *text) {
    const size_t n = strcspn(text, "=");
    const char *name = dms_strndup(&c->arena, text, n), *value = text + n + 1;
    const size_t length = strlen(value);
    if (value[0] == '[')
        onnx_ints(c, node, name, dms_strndup(&c->arena, value + 1, length - 2));
    else if (value[0] == '\'')
        onnx_string(c, node, name, dms_strndup(&c->arena, value + 1, length - 2));
    else if (strchr(value, '.') != NULL)
        onnx_float(c, node, name, strtof(value, NULL));
    else
        onnx_int(c, node, name, strtoll(value, NULL, 10));
}

/* The next word of a text, or NULL at a semicolon and at the end. */
static const char *next_word(onnx_case *c, const char **text) {
    *text += strspn(*text, " ");
    const size_t n = strcspn(*text, " ;");
    const char *word = n == 0 ? NULL : dms_strndup(&c->arena, *text, n);
    *text += n;
    return word;
}

void onnx_text(onnx_case *c, const char *text) {
    while (*text != 0) {
        const char *op = next_word(c, &text), *in = next_word(c, &text);
        const char *out = next_word(c, &text), *attr;
        assert_true(op != NULL && in != NULL && out != NULL);
        Onnx__NodeProto *node = onnx_node(c, c->graph, op, in, out);
        while ((attr = next_word(c, &text)) != NULL)
            text_attribute(c, node, attr);
        text += strspn(text, "; ");
    }
}

void onnx_expose(onnx_case *c) {
    const size_t n = c->graph->n_output;
    for (size_t k = 0; k < c->graph->n_node; k++)
        for (size_t j = 0; j < c->graph->node[k]->n_output; j++) {
            const char *name = c->graph->node[k]->output[j];
            bool is_output = false;
            for (size_t o = 0; o < n; o++)
                is_output |= strcmp(c->graph->output[o]->name, name) == 0;
            if (!is_output)
                onnx_output(c, c->graph, name, DMS_DTYPE_F32, "");
        }
}

void onnx_reference(onnx_case *c, Onnx__NodeProto *node, const char *name, const char *of) {
    attribute(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT)->ref_attr_name =
        copy(c, of);
}

Onnx__TensorProto *onnx_tensor(onnx_case *c, const char *name, int dtype, const char *shape,
                               const void *data) {
    Onnx__TensorProto *t = message(c, &onnx__tensor_proto__descriptor);
    t->name = copy(c, name);
    t->has_data_type = 1;
    t->data_type = dtype;
    t->dims = list(c, sizeof *t->dims);
    t->n_dims = split_numbers(c, shape, t->dims);
    size_t bytes = dms_dtype_bytes((uint32_t)dtype);
    for (size_t k = 0; k < t->n_dims; k++)
        bytes *= t->dims[k] > 0 ? (size_t)t->dims[k] : 0;
    t->has_raw_data = 1;
    t->raw_data.len = bytes;
    t->raw_data.data = dms_alloc(&c->arena, bytes, 1);
    if (data != NULL)
        memcpy(t->raw_data.data, data, bytes);
    return t;
}

Onnx__TensorProto *onnx_initializer(onnx_case *c, Onnx__GraphProto *g, const char *name, int dtype,
                                    const char *shape, const void *data) {
    assert_true(g->n_initializer < ONNX_MOST);
    return g->initializer[g->n_initializer++] = onnx_tensor(c, name, dtype, shape, data);
}

void onnx_i64(onnx_case *c, Onnx__GraphProto *g, const char *name, const char *values) {
    int64_t number[ONNX_MOST];
    char shape[16];
    (void)snprintf(shape, sizeof shape, "%zu", split_numbers(c, values, number));
    (void)onnx_initializer(c, g, name, DMS_DTYPE_I64, shape, number);
}

static void external_entry(onnx_case *c, Onnx__TensorProto *t, const char *key, const char *text) {
    if (text == NULL)
        return;
    Onnx__StringStringEntryProto *e = message(c, &onnx__string_string_entry_proto__descriptor);
    e->key = copy(c, key);
    e->value = copy(c, text);
    t->external_data[t->n_external_data++] = e;
}

void onnx_external(onnx_case *c, Onnx__TensorProto *t, const char *location, const char *offset,
                   const char *length) {
    t->has_raw_data = 0;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    t->external_data = list(c, sizeof *t->external_data);
    external_entry(c, t, "location", location);
    external_entry(c, t, "offset", offset);
    external_entry(c, t, "length", length);
}

Onnx__FunctionProto *onnx_function(onnx_case *c, const char *domain, const char *name,
                                   const char *in, const char *out, const char *attributes) {
    Onnx__FunctionProto *f = message(c, &onnx__function_proto__descriptor);
    f->domain = copy(c, domain);
    f->name = copy(c, name);
    f->input = list(c, sizeof *f->input);
    f->n_input = split(c, in, f->input);
    f->output = list(c, sizeof *f->output);
    f->n_output = split(c, out, f->output);
    f->attribute = list(c, sizeof *f->attribute);
    f->n_attribute = split(c, attributes, f->attribute);
    f->node = list(c, sizeof *f->node);
    f->opset_import = c->model->opset_import;
    f->n_opset_import = c->model->n_opset_import;
    c->model->functions[c->model->n_functions++] = f;
    return f;
}

void onnx_function_node(onnx_case *c, Onnx__FunctionProto *f, Onnx__NodeProto *node) {
    (void)c;
    f->node[f->n_node++] = node;
}

Onnx__NodeProto *onnx_body_node(onnx_case *c, Onnx__FunctionProto *f, const char *op,
                                const char *in, const char *out) {
    Onnx__NodeProto *node = onnx_loose_node(c, op, in, out);
    onnx_function_node(c, f, node);
    return node;
}

/* Field 11 is not in the schema that protobuf-c was given: written as an unknown field, which is
 * how it is read back. */
void onnx_function_default(onnx_case *c, Onnx__FunctionProto *f, const char *name, int64_t number) {
    Onnx__NodeProto *holder = onnx_loose_node(c, "Default", "", "");
    onnx_int(c, holder, name, number);
    const size_t n = onnx__attribute_proto__get_packed_size(holder->attribute[0]);
    ProtobufCMessageUnknownField *all = f->base.unknown_fields;
    if (all == NULL)
        all = list(c, sizeof *all);
    uint8_t *data = dms_alloc(&c->arena, n + 1, 1);
    assert_true(n < 128); /* the length in front is one byte */
    data[0] = (uint8_t)n;
    (void)onnx__attribute_proto__pack(holder->attribute[0], data + 1);
    all[f->base.n_unknown_fields++] = (ProtobufCMessageUnknownField){
        .tag = 11, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = n + 1, .data = data};
    f->base.unknown_fields = all;
}

const char *onnx_operators(onnx_case *c) {
    const char *text = "";
    for (uint32_t k = 0; k < c->read.n_nodes; k++)
        if (!c->read.node[k].is_gone)
            text = dms_format(&c->arena, "%s%s%s", text, k == 0 ? "" : ",", c->read.node[k].op);
    return text;
}

const char *onnx_file(onnx_case *c, const char *name, const void *data, size_t size) {
    const char *path = dms_format(&c->arena, "%s/%s", c->folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

uint8_t *onnx_encode(onnx_case *c, size_t *out_size) {
    *out_size = onnx__model_proto__get_packed_size(c->model);
    uint8_t *data = dms_alloc(&c->arena, *out_size, 1);
    assert_non_null(data);
    assert_int_equal(onnx__model_proto__pack(c->model, data), *out_size);
    return data;
}

dms_code onnx_read(onnx_case *c, const char *dims) {
    size_t size;
    char *part[ONNX_MOST];
    dms_plan_dim given[ONNX_MOST];
    const uint8_t *data = onnx_encode(c, &size);
    (void)onnx_file(c, "model.onnx", data, size);
    dms_read_options options = {.dim = given, .n_dims = (uint32_t)split(c, dims, part)};
    for (uint32_t k = 0; k < options.n_dims; k++) {
        char *equals = strrchr(part[k], '=');
        assert_non_null(equals);
        *equals = 0;
        given[k] = (dms_plan_dim){.name = part[k], .value = strtoll(equals + 1, NULL, 10)};
    }
    return dms_model_read(c->path, &options, &c->graph_arena, &c->read, &c->st);
}

dms_code onnx_lower(onnx_case *c, const char *dims) {
    DMS_TRY(onnx_read(c, dims));
    return dms_graph_lower(&c->read, &c->lowered, &c->st);
}

dms_code onnx_read_bytes(onnx_case *c, const void *data, size_t size) {
    (void)onnx_file(c, "model.onnx", data, size);
    dms_arena_free(&c->graph_arena);
    return dms_model_read(c->path, NULL, &c->graph_arena, &c->read, &c->st);
}

const dms_tensor *onnx_find(const onnx_case *c, const char *name) {
    for (uint32_t k = 0; k < c->read.n_tensors; k++)
        if (strcmp(c->read.tensor[k].name, name) == 0)
            return &c->read.tensor[k];
    fail_msg("no tensor '%s'", name);
    return NULL;
}

uint32_t onnx_count(const onnx_case *c, const char *op) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->read.n_nodes; k++)
        n += !c->read.node[k].is_gone && strcmp(c->read.node[k].op, op) == 0;
    return n;
}

void onnx_expect_shape(const onnx_case *c, const char *name, const char *shape) {
    char text[128] = "";
    const dms_tensor *t = onnx_find(c, name);
    for (uint32_t k = 0; k < t->rank; k++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lld", k == 0 ? "" : ",",
                       (long long)t->dim[k].hi);
    assert_string_equal(text, shape);
}

void onnx_expect_failure(const onnx_case *c, dms_code got, dms_code wanted, const char *text) {
    if (got == wanted && strstr(c->st.msg, text) != NULL)
        return;
    fail_msg("code %d (wanted %d), message '%s' (wanted '%s')", (int)got, (int)wanted,
             got == DMS_OK ? "" : c->st.msg, text);
}

/* Memory of every storage, filled where it is an input or a constant. */
static uint8_t **make_storages(onnx_case *c, const void *const *input) {
    const dms_graph *g = &c->read;
    uint8_t **data = dms_alloc(&c->arena, g->n_tensors, sizeof *data);
    for (uint32_t t = 0; t < g->n_tensors; t++) {
        const dms_tensor *tensor = &g->tensor[t];
        if (!tensor->has_shape || tensor->storage != t)
            continue;
        data[t] = dms_alloc(&c->arena, tensor->bytes, 1);
        const uint8_t *from = NULL;
        if (tensor->origin == DMS_ORIGIN_INPUT)
            from = input[tensor->index];
        else if (dms_tensor_is_constant(tensor))
            assert_int_equal(dms_constant_read(g, t, tensor->bytes, &c->arena, &from, &c->st),
                             DMS_OK);
        if (from != NULL && tensor->bytes != 0)
            memcpy(data[t], from, tensor->bytes);
    }
    return data;
}

bool onnx_execute(onnx_case *c, const void *const *input) {
    c->storage = make_storages(c, input);
    for (uint32_t s = 0; s < c->lowered.n_calls; s++) {
        const dms_lowered_call *call = &c->lowered.call[s];
        void *operand[DMS_MAX_OPERANDS];
        for (uint32_t j = 0; j < call->call.n_in + call->call.n_out; j++)
            operand[j] = c->storage[call->operand[j].tensor] +
                         call->operand[j].view.offset *
                             (int64_t)dms_dtype_bytes(call->operand[j].view.dtype);
        void *workspace = dms_alloc(&c->arena, dms_call_workspace(&call->call, DMS_DEVICE_CPU), 1);
        if (dms_cpu_run(&call->call, operand, workspace, scratch_fresh(), &c->st) != DMS_OK)
            return false;
    }
    return true;
}

void onnx_run(onnx_case *c, const float *const *input, uint32_t k, float *out, uint32_t n) {
    const void *bytes[ONNX_MOST];
    for (uint32_t i = 0; i < c->read.n_inputs; i++)
        bytes[i] = input[i];
    if (!onnx_execute(c, bytes))
        fail_msg("%s", c->st.msg);
    const uint32_t storage = c->lowered.output[k];
    assert_int_equal(c->read.tensor[storage].bytes, n * sizeof *out);
    memcpy(out, c->storage[storage], n * sizeof *out);
}

void onnx_expect_output(onnx_case *c, const float *const *input, uint32_t k, uint32_t n,
                        const float *wanted) {
    float *got = dms_alloc(&c->arena, n, sizeof *got);
    onnx_run(c, input, k, got, n);
    for (uint32_t j = 0; j < n; j++)
        if (!(got[j] == wanted[j] || fabsf(got[j] - wanted[j]) <= 1e-6f * fabsf(wanted[j])))
            fail_msg("output %u, element %u: %g, wanted %g", k, j, (double)got[j],
                     (double)wanted[j]);
}

void onnx_noise(float *data, uint64_t n, uint32_t seed) {
    for (uint64_t k = 0; k < n; k++) {
        seed = seed * 1664525u + 1013904223u;
        data[k] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
}

/* Reads and runs a model on noise; its first output, as long as `c` is open. */
static const float *run_on_noise(onnx_case *c, const char *text, uint64_t *n) {
    const void *input[ONNX_MOST];
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("'%s': %s", text, c->st.msg);
    for (uint32_t k = 0; k < c->read.n_inputs; k++) {
        const dms_tensor *t = &c->read.tensor[c->read.input[k]];
        float *data = dms_alloc(&c->arena, t->bytes, 1);
        assert_int_equal(t->dtype, DMS_DTYPE_F32);
        onnx_noise(data, t->bytes / sizeof *data, k + 1);
        input[k] = data;
    }
    if (!onnx_execute(c, input))
        fail_msg("'%s': %s", text, c->st.msg);
    const uint32_t storage = c->lowered.output[0];
    *n = c->read.tensor[storage].bytes / sizeof(float);
    return (const float *)c->storage[storage];
}

uint32_t onnx_pattern(void (*begin)(onnx_case *c, int64_t opset), int64_t opset, const char *text,
                      const char *op) {
    return onnx_pattern_within(begin, opset, text, op, 1e-5f);
}

uint32_t onnx_pattern_within(void (*begin)(onnx_case *c, int64_t opset), int64_t opset,
                             const char *text, const char *op, float tolerance) {
    onnx_case whole, parts;
    uint64_t n, n_parts;
    begin(&whole, opset);
    onnx_text(&whole, text);
    begin(&parts, opset);
    onnx_text(&parts, text);
    onnx_expose(&parts);
    const float *got = run_on_noise(&whole, text, &n);
    const float *wanted = run_on_noise(&parts, text, &n_parts);
    const uint32_t found = onnx_count(&whole, op);
    assert_int_equal(n, n_parts);
    assert_int_equal(onnx_count(&parts, op), 0);
    for (uint64_t k = 0; k < n; k++)
        if (isnan(wanted[k]) ? !isnan(got[k]) : !(fabsf(got[k] - wanted[k]) <= tolerance))
            fail_msg("'%s': element %llu is %g, its parts make %g", text, (unsigned long long)k,
                     (double)got[k], (double)wanted[k]);
    onnx_end(&whole);
    onnx_end(&parts);
    return found;
}
