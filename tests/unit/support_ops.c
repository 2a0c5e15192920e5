/* support_ops.c - a node from text; its shapes, views and calls as text. */
#include "support_ops.h"
#include "support_scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/lower.h"
#include "runtime/kernels/cpu_kernel.h"

#define MOST 48u

/* Everything of one call; a static one, so that texts outlive it (tests run in one thread). */
typedef struct op_case {
    dms_arena arena;
    dms_graph graph;
    dms_node node;
    uint32_t in[MOST], out[MOST];
    dms_attr attr[MOST];
    dms_lowered lowered;
    dms_status st;
    char text[4096];
} op_case;

static op_case the_case;

static void fail(const char *what, const char *text) {
    (void)fprintf(stderr, "support_ops: %s: %s\n", what, text);
    abort();
}

/* Aborts on a status: the test itself is wrong. */
static void must(dms_code code) {
    if (code != DMS_OK)
        fail("cannot build the case", the_case.st.msg);
}

/* The dtype whose name starts the text; *end behind it. */
static dms_dtype read_dtype(const char *text, const char **end) {
    for (uint32_t d = 1; d < 32; d++) {
        const char *name = dms_dtype_name(d);
        const size_t n = strlen(name);
        if (dms_dtype_bytes(d) != 0 && strncmp(text, name, n) == 0 &&
            strchr("[{(' ", text[n]) != NULL) {
            *end = text + n;
            return (dms_dtype)d;
        }
    }
    fail("no dtype", text);
    return DMS_DTYPE_NONE;
}

/* Numbers up to the closing bracket; returns how many. */
static uint32_t read_numbers(const char **text, char close, double *out) {
    uint32_t n = 0;
    const char *at = *text;
    while (*at != close) {
        char *end = NULL;
        out[n++] = strtod(at, &end);
        if (end == at || n == MOST)
            fail("no number", at);
        at = *end == ',' ? end + 1 : end;
    }
    *text = at + 1;
    return n;
}

/* Stores a number as element k of a dtype. */
static void store(dms_dtype dtype, uint8_t *data, uint32_t k, double value) {
    const uint32_t size = dms_dtype_bytes(dtype);
    const float f32 = (float)value;
    const int64_t integer = dms_dtype_is_float(dtype) ? 0
                            : value >= 0x1p63         ? INT64_MAX
                                                      : (int64_t)value;
    const void *from = dtype == DMS_DTYPE_F32   ? (const void *)&f32
                       : dtype == DMS_DTYPE_F64 ? (const void *)&value
                                                : (const void *)&integer;
    if (dms_dtype_is_float(dtype) && dtype != DMS_DTYPE_F32 && dtype != DMS_DTYPE_F64 &&
        value != 0.0)
        fail("constants are f32, f64 or integers", "");
    memcpy(data + (size_t)k * size, from, size);
}

/* One input: a tensor with its dims, or a constant with its values. */
static uint32_t read_input(const char **text) {
    op_case *c = &the_case;
    const char *at = *text;
    const size_t length = strcspn(at, ":=");
    const char *name = dms_strndup(&c->arena, at, length);
    double value[MOST];
    int64_t dim[MOST];
    uint32_t id = 0;
    const bool is_constant = at[length] == '=';
    const dms_dtype dtype = read_dtype(at + length + 1, &at);
    const char open = *at++;
    uint32_t n = read_numbers(&at, open == '[' ? ']' : open == '{' ? '}' : ')', value);
    if (is_constant) {
        uint32_t rank = open == '(' ? 0 : 1;
        dim[0] = n;
        if (open == '[') {
            rank = n;
            for (uint32_t k = 0; k < n; k++)
                dim[k] = (int64_t)value[k];
            at++;
            n = read_numbers(&at, '}', value);
        }
        uint8_t *data = dms_alloc(&c->arena, n, 8);
        for (uint32_t k = 0; k < n; k++)
            store(dtype, data, k, value[k]);
        must(dms_graph_add_constant(&c->graph, name, dtype, rank, dim, data, &id, &c->st));
    } else {
        must(dms_graph_add_tensor(&c->graph, name, &id, &c->st));
        dms_tensor *t = &c->graph.tensor[id];
        t->origin = DMS_ORIGIN_INPUT;
        t->dtype = dtype;
        t->has_shape = true;
        t->rank = n;
        for (uint32_t k = 0; k < n; k++)
            t->dim[k] = (dms_dim){(int64_t)value[k], (int64_t)value[k]};
        must(dms_tensor_bytes(t, &t->bytes, &c->st));
    }
    *text = at;
    return id;
}

/* A list [1,2] or [1.,2.] as attribute. */
static void read_list(const char **text, dms_attr *attr) {
    double value[MOST];
    const char *at = *text + 1;
    const bool is_real = memchr(at, '.', strcspn(at, "]")) != NULL;
    attr->n = read_numbers(&at, ']', value);
    int64_t *ints = DMS_NEW(&the_case.arena, int64_t, attr->n);
    float *floats = DMS_NEW(&the_case.arena, float, attr->n);
    for (uint32_t k = 0; k < attr->n; k++) {
        ints[k] = (int64_t)value[k];
        floats[k] = (float)value[k];
    }
    attr->kind = is_real ? DMS_ATTR_FLOATS : DMS_ATTR_INTS;
    attr->ints = ints;
    attr->floats = floats;
    *text = at;
}

/* A list ['Relu','Tanh'] as attribute. */
static void read_words(const char **text, dms_attr *attr) {
    const char **word = DMS_NEW(&the_case.arena, const char *, MOST);
    const char *at = *text;
    do {
        const size_t n = strcspn(at + 2, "'"); /* behind [' or ,' */
        word[attr->n++] = dms_strndup(&the_case.arena, at + 2, n);
        at += n + 3;
    } while (*at == ',');
    attr->kind = DMS_ATTR_STRINGS;
    attr->strings = word;
    *text = at + 1;
}

static void read_attribute(const char **text, dms_attr *attr) {
    op_case *c = &the_case;
    const char *at = *text;
    const size_t length = strcspn(at, "=");
    attr->name = dms_strndup(&c->arena, at, length);
    at += length + 1;
    if (at[0] == '[' && at[1] == '\'') {
        read_words(&at, attr);
    } else if (*at == '[') {
        read_list(&at, attr);
    } else if (*at == '\'') {
        const size_t n = strcspn(at + 1, "'");
        attr->kind = DMS_ATTR_STRING;
        attr->s = dms_strndup(&c->arena, at + 1, n);
        at += n + 2;
    } else if (strchr("fiub", *at) != NULL) { /* a dtype by name */
        attr->kind = DMS_ATTR_INT;
        attr->i = read_dtype(at, &at);
    } else {
        char *end = NULL;
        attr->kind = memchr(at, '.', strcspn(at, " ")) != NULL ? DMS_ATTR_FLOAT : DMS_ATTR_INT;
        attr->i = strtoll(at, &end, 10);
        if (attr->kind == DMS_ATTR_FLOAT)
            attr->f = strtof(at, &end);
        at = end;
    }
    *text = at;
}

/* "Softmax-13" as name and opset, "com.microsoft/MatMulNBits-1" with its domain. */
static void read_operator(const char *op) {
    op_case *c = &the_case;
    const char *dash = strrchr(op, '-'), *slash = strchr(op, '/');
    c->node.name = "n";
    c->node.domain = "";
    if (slash != NULL) {
        c->node.domain = dms_strndup(&c->arena, op, (uint64_t)(slash - op));
        op = slash + 1;
    }
    c->node.op = dms_strndup(&c->arena, op, (uint64_t)(dash - op));
    c->node.version = (uint32_t)atoi(dash + 1);
    c->node.row = dms_op_find(c->node.domain, c->node.op, c->node.version);
    if (c->node.row == NULL)
        fail("no row", op);
}

/* Builds the case and infers it. */
static dms_code build(const char *op, const char *inputs, const char *attributes, uint32_t n_out) {
    op_case *c = &the_case;
    dms_arena_free(&c->arena);
    *c = (op_case){0};
    c->graph.arena = &c->arena;
    c->graph.model_path = c->graph.model_dir = c->graph.model_file = "";
    read_operator(op);
    for (const char *at = inputs; *at != 0; at += *at == ' ') {
        const bool is_absent = *at == '-';
        c->in[c->node.n_in++] = is_absent ? DMS_NONE : read_input(&at);
        at += is_absent;
    }
    for (const char *at = attributes; *at != 0; at += *at == ' ')
        read_attribute(&at, &c->attr[c->node.n_attrs++]);
    for (uint32_t k = 0; k < n_out; k++) {
        const char *name = k == 0 ? "y" : dms_format(&c->arena, "y%" PRIu32, k);
        must(dms_graph_add_tensor(&c->graph, name, &c->out[k], &c->st));
        c->graph.tensor[c->out[k]].producer = 0;
    }
    c->node.in = c->in;
    c->node.out = c->out;
    c->node.attr = c->attr;
    c->node.n_out = n_out;
    const dms_op *row = c->node.row;
    if (c->node.n_in < row->min_in || (row->max_in != DMS_ANY && c->node.n_in > row->max_in) ||
        (row->max_out != DMS_ANY && n_out > row->max_out))
        fail("the row does not take so many operands", op);
    return row->infer(&c->graph, &c->node, &c->st);
}

/* Appends to the text of the case. */
static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...) {
    op_case *c = &the_case;
    const size_t at = strlen(c->text);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(c->text + at, sizeof c->text - at, fmt, args);
    va_end(args);
}

static void say_list(uint32_t n, const int64_t *value) {
    say("[");
    for (uint32_t k = 0; k < n; k++)
        say("%s%" PRId64, k == 0 ? "" : ", ", value[k]);
    say("]");
}

static void say_view(const dms_view *view) {
    say_list(view->rank, view->dim);
    say(" pitches ");
    say_list(view->rank, view->pitch);
    say(" offset %" PRId64, view->offset);
}

const char *op_infer(const char *op, const char *inputs, const char *attributes, uint32_t n_out) {
    op_case *c = &the_case;
    if (build(op, inputs, attributes, n_out) != DMS_OK)
        return c->st.msg;
    for (uint32_t k = 0; k < n_out; k++) {
        const dms_tensor *t = &c->graph.tensor[c->out[k]];
        int64_t dim[DMS_MAX_RANK];
        for (uint32_t a = 0; a < t->rank; a++)
            dim[a] = t->dim[a].hi;
        say("%s%s ", k == 0 ? "" : "; ", dms_dtype_name(t->dtype));
        say_list(t->rank, dim);
    }
    return c->text;
}

/* The view of output k; input 0 has the given pitches, or dense ones. */
static const char *view_text(const int64_t *pitch, uint32_t k) {
    op_case *c = &the_case;
    must(dms_lower_own_storage(&c->graph, c->in[0], &c->st));
    dms_view in = c->graph.tensor[c->in[0]].view, out = in;
    for (uint32_t a = 0; pitch != NULL && a < in.rank; a++)
        in.pitch[a] = pitch[a];
    if (c->node.row->alias == NULL || !c->node.row->alias(&c->graph, &c->node, k, &in, &out))
        return "no view";
    say_view(&out);
    return c->text;
}

const char *op_view(const char *op, const char *inputs, const char *attributes, uint32_t n_out,
                    uint32_t k) {
    must(build(op, inputs, attributes, n_out));
    return view_text(NULL, k);
}

const char *op_view_of(const int64_t *pitch, const char *op, const char *inputs,
                       const char *attributes) {
    must(build(op, inputs, attributes, 1));
    return view_text(pitch, 0);
}

/* Lowers the node without trying views. */
static dms_code lower(void) {
    op_case *c = &the_case;
    c->graph.node = &c->node;
    c->graph.n_nodes = 1;
    for (uint32_t t = 0; t < c->graph.n_tensors; t++)
        must(dms_lower_own_storage(&c->graph, t, &c->st));
    dms_lowering lo = {.graph = &c->graph, .arena = &c->arena, .out = &c->lowered};
    if (c->node.row->lower != NULL)
        return dms_lower_node(&lo, 0, &c->st);
    dms_view out, in = c->graph.tensor[c->in[0]].view; /* always a view: its elements copied */
    if (!c->node.row->alias(&c->graph, &c->node, 0, &in, &out))
        fail("neither a view nor calls", c->node.op);
    const dms_lowered_operand from = {.tensor = c->in[0], .view = out};
    return dms_lower_copy(&lo, &c->node, from, dms_lower_operand(&lo, c->out[0]), &c->st);
}

/* Memory of a storage: constants as they are, inputs counted up from 0. */
static void *open_storage(uint32_t id) {
    op_case *c = &the_case;
    const dms_tensor *t = &c->graph.tensor[id];
    const uint64_t bytes = dms_view_bytes(&t->view);
    uint8_t *memory = dms_alloc(&c->arena, bytes, 1);
    if (memory == NULL)
        fail("no memory", t->name);
    if (t->origin == DMS_ORIGIN_MADE)
        memcpy(memory, t->data, (size_t)bytes);
    for (int64_t k = 0; t->origin == DMS_ORIGIN_INPUT && k < dms_view_count(&t->view); k++)
        store(t->dtype, memory, (uint32_t)k,
              t->dtype == DMS_DTYPE_BOOL ? (double)(k % 2) : (double)k);
    return memory;
}

/* Runs all calls; `storage` has room for every tensor of the graph. */
static dms_code run(void **storage) {
    op_case *c = &the_case;
    for (uint32_t t = 0; t < c->graph.n_tensors; t++)
        storage[t] = open_storage(t);
    for (uint32_t k = 0; k < c->lowered.n_calls; k++) {
        const dms_lowered_call *call = &c->lowered.call[k];
        void *operand[DMS_MAX_OPERANDS];
        for (uint32_t j = 0; j < call->call.n_in + call->call.n_out; j++)
            operand[j] =
                (char *)storage[call->operand[j].tensor] +
                call->call.view[j].offset * (int64_t)dms_dtype_bytes(call->call.view[j].dtype);
        const uint64_t bytes = dms_call_workspace(&call->call, DMS_DEVICE_CPU);
        void *workspace = dms_alloc(&c->arena, bytes, 1);
        DMS_TRY(dms_cpu_run(&call->call, operand, workspace, scratch_fresh(), &c->st));
    }
    return DMS_OK;
}

/* Element k of a dtype as text. */
static void say_value(dms_dtype dtype, const uint8_t *data, int64_t k) {
    const uint32_t size = dms_dtype_bytes(dtype);
    int64_t integer = 0;
    float f32;
    double f64 = 0.0;
    memcpy(&integer, data + k * size, size);
    memcpy(&f32, data + k * size, size < 4 ? size : 4);
    memcpy(&f64, data + k * size, size);
    if (dtype == DMS_DTYPE_I32)
        integer = (int32_t)integer;
    if (dms_dtype_is_float(dtype))
        say(" %.4g", dtype == DMS_DTYPE_F32 ? (double)f32 : f64);
    else
        say(" %" PRId64, integer);
}

const char *op_values(const char *op, const char *inputs, const char *attributes, uint32_t n_out) {
    op_case *c = &the_case;
    if (build(op, inputs, attributes, n_out) != DMS_OK || lower() != DMS_OK)
        return c->st.msg;
    void **storage = dms_alloc(&c->arena, c->graph.n_tensors, sizeof *storage);
    if (run(storage) != DMS_OK)
        return c->st.msg;
    for (uint32_t k = 0; k < n_out; k++) {
        const dms_view *view = &c->graph.tensor[c->out[k]].view;
        say("%s%s ", k == 0 ? "" : "; ", dms_dtype_name(view->dtype));
        say_list(view->rank, view->dim);
        say(":");
        for (int64_t j = 0; j < dms_view_count(view); j++)
            say_value(view->dtype, storage[c->out[k]], j);
    }
    return c->text;
}

int op_try(const char *op, const char *inputs, const char *attributes, uint32_t n_out) {
    op_case *c = &the_case;
    uint64_t bytes = 0;
    if (build(op, inputs, attributes, n_out) != DMS_OK)
        return 0;
    if (lower() != DMS_OK)
        return -1;
    for (uint32_t t = 0; t < c->graph.n_tensors; t++)
        bytes += dms_view_bytes(&c->graph.tensor[t].view);
    if (bytes > UINT64_C(1) << 24) /* too large to be worth running */
        return 1;
    void **storage = dms_alloc(&c->arena, c->graph.n_tensors, sizeof *storage);
    const dms_code code = run(storage);
    return code == DMS_OK || code == DMS_EINPUT ? 1 : -1;
}

const char *op_sentence(void) {
    return the_case.st.msg;
}

const char *op_calls(const char *op, const char *inputs, const char *attributes, uint32_t n_out) {
    op_case *c = &the_case;
    must(build(op, inputs, attributes, n_out));
    if (lower() != DMS_OK)
        return c->st.msg;
    for (uint32_t k = 0; k < c->lowered.n_calls; k++) {
        const dms_call *call = &c->lowered.call[k].call;
        say("%s%s(", k == 0 ? "" : "; ", dms_kernel_row_find(call->kernel)->name);
        for (uint32_t j = 0; j < call->n_i; j++)
            say("%s%" PRId64, j == 0 ? "" : " ", call->i[j]);
        for (uint32_t j = 0; j < call->n_f; j++)
            say("%s%g", j == 0 ? (call->n_i == 0 ? "" : " | ") : " ", call->f[j]);
        say(")");
    }
    return c->text;
}

const char *op_operand(uint32_t call, uint32_t k) {
    op_case *c = &the_case;
    const dms_view *view = &c->lowered.call[call].call.view[k];
    c->text[0] = 0;
    say("%s ", dms_dtype_name(view->dtype));
    say_view(view);
    return c->text;
}
