/* fake_dnn.c - a cuDNN of loops: it keeps descriptors as it is told them, and runs a graph one
 * operation after the other, each as its descriptor says, in doubles between roundings. It knows
 * nothing of attention. */
#include "fake_dnn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cuda/kernels/dnn_words.h"
#include "runtime/kernels/element.h"
#include "schema/dtype.h"

enum { REFUSED = 2000, MOST_ATTRIBUTES = 10, VALUE_BYTES = 160 };

typedef struct attribute {
    int name, type;
    int64_t n;
    unsigned char value[VALUE_BYTES];
} attribute;

typedef struct desc {
    int kind;
    bool is_finished;
    int64_t engine;           /* of a configuration, an engine */
    const struct desc *graph; /* of a configuration */
    uint32_t n;
    attribute attribute[MOST_ATTRIBUTES];
    double *value; /* of a tensor while a graph runs, dense */
} desc;

fake_dnn *fake_dnn_control(void) {
    static fake_dnn control;
    return &control;
}

static int enter(void) {
    fake_dnn *c = fake_dnn_control();
    return ++c->n_calls == c->fail_at ? 4000 : 0;
}

static void *take(size_t bytes) {
    void *taken = calloc(1, bytes);
    if (taken == NULL)
        abort();
    return taken;
}

/* ---- descriptors --------------------------------------------------------------------------- */

static size_t bytes_of(int type) {
    switch (type) {
    case DMS_DNN_TYPE_BOOLEAN:
    case DMS_DNN_TYPE_CHAR:
        return 1;
    case DMS_DNN_TYPE_HANDLE:
    case DMS_DNN_TYPE_INT64:
    case DMS_DNN_TYPE_VOID_PTR:
    case DMS_DNN_TYPE_BACKEND_DESCRIPTOR:
        return 8;
    default:
        return 4;
    }
}

static const attribute *find(const desc *d, int name) {
    for (uint32_t k = 0; k < d->n; k++)
        if (d->attribute[k].name == name)
            return &d->attribute[k];
    return NULL;
}

/* A value that must be there. */
static const void *value_of(const desc *d, int name) {
    const attribute *a = find(d, name);
    if (a == NULL)
        abort();
    return a->value;
}

static int word_of(const desc *d, int name) {
    int word;
    memcpy(&word, value_of(d, name), sizeof word);
    return word;
}

static desc *part_of(const desc *d, int name) {
    desc *part;
    memcpy(&part, value_of(d, name), sizeof part);
    return part;
}

static desc *part_or_null(const desc *d, int name) {
    return find(d, name) == NULL ? NULL : part_of(d, name);
}

static bool has_all(const desc *d, const int *names, size_t n) {
    for (size_t k = 0; k < n; k++) {
        const attribute *a = find(d, names[k]);
        if (a == NULL)
            return false;
        const desc *part;
        memcpy(&part, a->value, sizeof part);
        if (a->type == DMS_DNN_TYPE_BACKEND_DESCRIPTOR && !part->is_finished)
            return false;
    }
    return true;
}

/* What a descriptor must have been told when it is finished. */
static bool is_complete(const desc *d) {
#define HAS(...)                                                                                   \
    has_all(d, (const int[]){__VA_ARGS__}, sizeof(const int[]){__VA_ARGS__} / sizeof(int))
    const fake_dnn *c = fake_dnn_control();
    switch (d->kind) {
    case DMS_DNN_BACKEND_TENSOR_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_TENSOR_DATA_TYPE, DMS_DNN_ATTR_TENSOR_DIMENSIONS,
                   DMS_DNN_ATTR_TENSOR_STRIDES, DMS_DNN_ATTR_TENSOR_UNIQUE_ID,
                   DMS_DNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    case DMS_DNN_BACKEND_POINTWISE_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_POINTWISE_MODE, DMS_DNN_ATTR_POINTWISE_MATH_PREC);
    case DMS_DNN_BACKEND_REDUCTION_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_REDUCTION_OPERATOR, DMS_DNN_ATTR_REDUCTION_COMP_TYPE);
    case DMS_DNN_BACKEND_MATMUL_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_MATMUL_COMP_TYPE);
    case DMS_DNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                   DMS_DNN_ATTR_OPERATION_POINTWISE_XDESC, DMS_DNN_ATTR_OPERATION_POINTWISE_YDESC);
    case DMS_DNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_OPERATION_REDUCTION_DESC, DMS_DNN_ATTR_OPERATION_REDUCTION_XDESC,
                   DMS_DNN_ATTR_OPERATION_REDUCTION_YDESC);
    case DMS_DNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_OPERATION_MATMUL_ADESC, DMS_DNN_ATTR_OPERATION_MATMUL_BDESC,
                   DMS_DNN_ATTR_OPERATION_MATMUL_CDESC, DMS_DNN_ATTR_OPERATION_MATMUL_DESC);
    case DMS_DNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_OPERATIONGRAPH_OPS, DMS_DNN_ATTR_OPERATIONGRAPH_HANDLE);
    case DMS_DNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, DMS_DNN_ATTR_ENGINEHEUR_MODE) &&
               word_of(d, DMS_DNN_ATTR_ENGINEHEUR_MODE) == DMS_DNN_HEUR_MODE_A;
    case DMS_DNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, DMS_DNN_ATTR_EXECUTION_PLAN_HANDLE) &&
               !c->engine[part_of(d, DMS_DNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine].is_refused;
    case DMS_DNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
        return HAS(DMS_DNN_ATTR_VARIANT_PACK_UNIQUE_IDS, DMS_DNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                   DMS_DNN_ATTR_VARIANT_PACK_WORKSPACE);
    default:
        return false;
    }
#undef HAS
}

/* ---- running a graph ----------------------------------------------------------------------- */

typedef struct shape {
    int64_t dim[4], pitch[4], count;
    int type;
} shape;

static shape shape_of(const desc *tensor) {
    shape s;
    memcpy(s.dim, value_of(tensor, DMS_DNN_ATTR_TENSOR_DIMENSIONS), sizeof s.dim);
    memcpy(s.pitch, value_of(tensor, DMS_DNN_ATTR_TENSOR_STRIDES), sizeof s.pitch);
    s.count = s.dim[0] * s.dim[1] * s.dim[2] * s.dim[3];
    s.type = word_of(tensor, DMS_DNN_ATTR_TENSOR_DATA_TYPE);
    return s;
}

static dms_dtype dtype_of(int type) {
    return type == DMS_DNN_DATA_HALF       ? DMS_DTYPE_F16
           : type == DMS_DNN_DATA_BFLOAT16 ? DMS_DTYPE_BF16
           : type == DMS_DNN_DATA_INT32    ? DMS_DTYPE_I32
                                           : DMS_DTYPE_F32;
}

/* Coordinates of dense element k. */
static void place_of(const shape *s, int64_t k, int64_t *at) {
    for (uint32_t axis = 4; axis-- > 0; k /= s->dim[axis])
        at[axis] = k % s->dim[axis];
}

static int64_t element_of(const shape *s, int64_t k) {
    int64_t at[4], element = 0;
    place_of(s, k, at);
    for (uint32_t axis = 0; axis < 4; axis++)
        element += at[axis] * s->pitch[axis];
    return element;
}

static void touch(const void *at, int64_t bytes) {
    fake_dnn *c = fake_dnn_control();
    const char *begin = at, *end = begin + bytes;
    c->begin = c->begin == NULL || begin < c->begin ? begin : c->begin;
    c->end = c->end == NULL || end > c->end ? end : c->end;
}

/* The memory of a tensor that the pack has; numbers that are passed lie on the host's stack or in a
 * plan, and are not counted as touched. */
static void *memory_of(const desc *tensor, const desc *pack, const shape *s) {
    const attribute *ids = find(pack, DMS_DNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    int64_t id, each;
    void *at = NULL;
    memcpy(&id, value_of(tensor, DMS_DNN_ATTR_TENSOR_UNIQUE_ID), sizeof id);
    const unsigned char *pointers = value_of(pack, DMS_DNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    for (int64_t k = 0; k < ids->n; k++) {
        memcpy(&each, ids->value + 8 * k, sizeof each);
        if (each == id)
            memcpy(&at, pointers + 8 * k, sizeof at);
    }
    if (at == NULL)
        abort();
    if (find(tensor, DMS_DNN_ATTR_TENSOR_IS_BY_VALUE) == NULL)
        touch(at, (element_of(s, s->count - 1) + 1) * dms_dtype_bytes(dtype_of(s->type)));
    return at;
}

static double rounded(int type, double x) {
    _Alignas(8) unsigned char place[8];
    if (type == DMS_DNN_DATA_INT32 || type == DMS_DNN_DATA_BOOLEAN)
        return x;
    dms_element_store(dtype_of(type), (dms_scalar){.f32 = (float)x}, place, 0);
    return (double)dms_element_load(dtype_of(type), place, 0).f32;
}

static const double *load(desc *tensor, const desc *pack) {
    if (tensor->value != NULL)
        return tensor->value;
    const shape s = shape_of(tensor);
    if (find(tensor, DMS_DNN_ATTR_TENSOR_IS_VIRTUAL) != NULL)
        abort(); /* read before it is computed */
    const void *from = memory_of(tensor, pack, &s);
    tensor->value = take((size_t)s.count * sizeof *tensor->value);
    for (int64_t k = 0; k < s.count; k++) {
        const dms_scalar x = dms_element_load(dtype_of(s.type), from, element_of(&s, k));
        tensor->value[k] = s.type == DMS_DNN_DATA_INT32 ? (double)x.i64 : (double)x.f32;
    }
    return tensor->value;
}

/* Takes `value` over. */
static void store(desc *tensor, const desc *pack, double *value) {
    const shape s = shape_of(tensor);
    for (int64_t k = 0; k < s.count; k++)
        value[k] = rounded(s.type, value[k]);
    tensor->value = value;
    if (find(tensor, DMS_DNN_ATTR_TENSOR_IS_VIRTUAL) != NULL)
        return;
    void *to = memory_of(tensor, pack, &s);
    for (int64_t k = 0; k < s.count; k++)
        dms_element_store(dtype_of(s.type), (dms_scalar){.f32 = (float)value[k]}, to,
                          element_of(&s, k));
}

/* Dense element of a tensor at a place of a larger one: axes of length 1 repeat, heads share. */
static double at_place(const shape *s, const double *value, const shape *whole, const int64_t *at) {
    int64_t k = 0;
    for (uint32_t axis = 0; axis < 4; axis++)
        k = k * s->dim[axis] + (axis < 2 ? at[axis] / (whole->dim[axis] / s->dim[axis])
                                         : (s->dim[axis] == 1 ? 0 : at[axis]));
    return value[k];
}

static void run_matmul(const desc *op, const desc *pack) {
    desc *a = part_of(op, DMS_DNN_ATTR_OPERATION_MATMUL_ADESC);
    desc *b = part_of(op, DMS_DNN_ATTR_OPERATION_MATMUL_BDESC);
    desc *c = part_of(op, DMS_DNN_ATTR_OPERATION_MATMUL_CDESC);
    const shape sa = shape_of(a), sb = shape_of(b), sc = shape_of(c);
    const double *x = load(a, pack), *w = load(b, pack);
    double *y = take((size_t)sc.count * sizeof *y);
    if (sa.dim[3] != sb.dim[2] || sa.dim[2] != sc.dim[2] || sb.dim[3] != sc.dim[3])
        abort();
    for (int64_t k = 0; k < sc.count; k++) {
        int64_t at[4];
        place_of(&sc, k, at);
        for (int64_t n = 0; n < sa.dim[3]; n++)
            y[k] += at_place(&sa, x, &sc, (int64_t[]){at[0], at[1], at[2], n}) *
                    at_place(&sb, w, &sc, (int64_t[]){at[0], at[1], n, at[3]});
    }
    store(c, pack, y);
}

static void run_reduction(const desc *op, const desc *pack) {
    const desc *how = part_of(op, DMS_DNN_ATTR_OPERATION_REDUCTION_DESC);
    desc *x = part_of(op, DMS_DNN_ATTR_OPERATION_REDUCTION_XDESC);
    desc *y = part_of(op, DMS_DNN_ATTR_OPERATION_REDUCTION_YDESC);
    const bool is_max = word_of(how, DMS_DNN_ATTR_REDUCTION_OPERATOR) == DMS_DNN_REDUCE_TENSOR_MAX;
    const shape sx = shape_of(x), sy = shape_of(y);
    const double *from = load(x, pack);
    double *to = take((size_t)sy.count * sizeof *to);
    if (sy.dim[3] != 1 || sy.count * sx.dim[3] != sx.count)
        abort();
    for (int64_t k = 0; k < sx.count; k++) {
        double *out = &to[k / sx.dim[3]];
        *out = k % sx.dim[3] == 0 ? from[k] : is_max ? fmax(*out, from[k]) : *out + from[k];
    }
    store(y, pack, to);
}

static double function_of(int mode, double x, double other) {
    switch (mode) {
    case DMS_DNN_POINTWISE_ADD:
        return x + other;
    case DMS_DNN_POINTWISE_SUB:
        return x - other;
    case DMS_DNN_POINTWISE_MUL:
        return x * other;
    case DMS_DNN_POINTWISE_DIV:
        return x / other;
    case DMS_DNN_POINTWISE_EXP:
        return exp(x);
    case DMS_DNN_POINTWISE_LOG:
        return log(x);
    case DMS_DNN_POINTWISE_CMP_GE:
        return x >= other;
    default:
        abort();
    }
}

static void run_pointwise(const desc *op, const desc *pack) {
    const desc *how = part_of(op, DMS_DNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    desc *x = part_of(op, DMS_DNN_ATTR_OPERATION_POINTWISE_XDESC);
    desc *b = part_or_null(op, DMS_DNN_ATTR_OPERATION_POINTWISE_BDESC);
    desc *t = part_or_null(op, DMS_DNN_ATTR_OPERATION_POINTWISE_TDESC);
    desc *y = part_of(op, DMS_DNN_ATTR_OPERATION_POINTWISE_YDESC);
    const int mode = word_of(how, DMS_DNN_ATTR_POINTWISE_MODE);
    const shape sy = shape_of(y), sx = shape_of(x), sb = shape_of(b == NULL ? x : b);
    const double *from = load(x, pack), *other = b == NULL ? from : load(b, pack);
    double *to = take((size_t)sy.count * sizeof *to);
    int64_t at[4], axis = 0;
    if (mode == DMS_DNN_POINTWISE_GEN_INDEX)
        memcpy(&axis, value_of(how, DMS_DNN_ATTR_POINTWISE_AXIS), sizeof axis);
    for (int64_t k = 0; k < sy.count; k++) {
        place_of(&sy, k, at);
        const double p = at_place(&sx, from, &sy, at), q = at_place(&sb, other, &sy, at);
        if (mode == DMS_DNN_POINTWISE_GEN_INDEX)
            to[k] = (double)at[axis];
        else if (mode == DMS_DNN_POINTWISE_BINARY_SELECT)
            to[k] = load(t, pack)[k] != 0.0 ? p : q;
        else
            to[k] = function_of(mode, p, q);
    }
    store(y, pack, to);
}

static void run_operation(const desc *op, const desc *pack) {
    if (op->kind == DMS_DNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
        run_matmul(op, pack);
    else if (op->kind == DMS_DNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
        run_reduction(op, pack);
    else
        run_pointwise(op, pack);
}

/* Values that the graph has made are forgotten: the next run may have other operands. */
static void forget(const desc *op) {
    for (uint32_t k = 0; k < op->n; k++) {
        desc *part;
        memcpy(&part, op->attribute[k].value, sizeof part);
        if (op->attribute[k].type == DMS_DNN_TYPE_BACKEND_DESCRIPTOR) {
            free(part->value);
            part->value = NULL;
        }
    }
}

static void run_graph(const desc *graph, const desc *pack) {
    const attribute *ops = find(graph, DMS_DNN_ATTR_OPERATIONGRAPH_OPS);
    for (int pass = 0; pass < 2; pass++)
        for (int64_t k = 0; k < ops->n; k++) {
            desc *op;
            memcpy(&op, ops->value + 8 * k, sizeof op);
            if (pass == 0)
                run_operation(op, pack);
            else
                forget(op);
        }
}

/* ---- what the library exports -------------------------------------------------------------- */

size_t cudnnGetVersion(void);
int cudnnCreate(void **handle);
int cudnnDestroy(void *handle);
int cudnnSetStream(void *handle, void *stream);
int cudnnBackendCreateDescriptor(int kind, dms_dnn_desc *out);
int cudnnBackendDestroyDescriptor(dms_dnn_desc of);
int cudnnBackendFinalize(dms_dnn_desc of);
int cudnnBackendSetAttribute(dms_dnn_desc of, int name, int type, int64_t n, const void *values);
int cudnnBackendGetAttribute(dms_dnn_desc of, int name, int type, int64_t room, int64_t *n,
                             void *values);
int cudnnBackendExecute(void *handle, dms_dnn_desc plan, dms_dnn_desc pack);

size_t cudnnGetVersion(void) {
    return fake_dnn_control()->version;
}

int cudnnCreate(void **handle) {
    const int error = enter();
    if (error == 0) {
        *handle = take(1);
        fake_dnn_control()->n_alive++;
    }
    return error;
}

int cudnnDestroy(void *handle) {
    free(handle);
    fake_dnn_control()->n_alive--;
    return 0;
}

int cudnnSetStream(void *handle, void *stream) {
    fake_dnn_control()->stream = stream;
    return handle == NULL ? REFUSED : enter();
}

int cudnnBackendCreateDescriptor(int kind, dms_dnn_desc *out) {
    const int error = enter();
    if (error != 0)
        return error;
    desc *made = take(sizeof *made);
    made->kind = kind;
    made->engine = -1;
    fake_dnn_control()->n_alive++;
    *out = made;
    return 0;
}

int cudnnBackendDestroyDescriptor(dms_dnn_desc of) {
    free(of);
    fake_dnn_control()->n_alive--;
    return 0;
}

int cudnnBackendFinalize(dms_dnn_desc of) {
    desc *d = of;
    const int error = enter();
    if (error != 0)
        return error;
    if (d->is_finished || !is_complete(d))
        return REFUSED;
    d->is_finished = true;
    return 0;
}

int cudnnBackendSetAttribute(dms_dnn_desc of, int name, int type, int64_t n, const void *values) {
    desc *d = of;
    const int error = enter();
    if (error != 0)
        return error;
    if (d->is_finished || find(d, name) != NULL || d->n == MOST_ATTRIBUTES || n < 1 ||
        (size_t)n * bytes_of(type) > VALUE_BYTES)
        return REFUSED;
    attribute *a = &d->attribute[d->n++];
    a->name = name;
    a->type = type;
    a->n = n;
    memcpy(a->value, values, (size_t)n * bytes_of(type));
    return 0;
}

/* Descriptors that the caller has made become the heuristics' answers. */
static int answer(const desc *d, int64_t room, int64_t *n, void *values) {
    const fake_dnn *c = fake_dnn_control();
    if (!d->is_finished)
        return REFUSED;
    *n = c->n_engines < room ? c->n_engines : room;
    for (int64_t k = 0; k < *n; k++) {
        desc *configuration;
        memcpy(&configuration, (char *)values + 8 * k, sizeof configuration);
        configuration->engine = k;
        configuration->graph = part_of(d, DMS_DNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
        configuration->is_finished = true;
    }
    return 0;
}

int cudnnBackendGetAttribute(dms_dnn_desc of, int name, int type, int64_t room, int64_t *n,
                             void *values) {
    const fake_dnn *c = fake_dnn_control();
    desc *d = of, *engine;
    const int error = enter();
    (void)type;
    if (error != 0)
        return error;
    *n = 1;
    switch (name) {
    case DMS_DNN_ATTR_ENGINEHEUR_RESULTS:
        return answer(d, room, n, values);
    case DMS_DNN_ATTR_ENGINECFG_ENGINE:
        memcpy(&engine, values, sizeof engine);
        engine->engine = d->engine;
        return 0;
    case DMS_DNN_ATTR_ENGINE_NUMERICAL_NOTE:
        *n = c->engine[d->engine].n_notes;
        memcpy(values, c->engine[d->engine].note, (size_t)*n * sizeof(int));
        return 0;
    case DMS_DNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        memcpy(values,
               &c->engine[part_of(d, DMS_DNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->engine].workspace,
               8);
        return d->is_finished ? 0 : REFUSED;
    default:
        return REFUSED;
    }
}

int cudnnBackendExecute(void *handle, dms_dnn_desc plan, dms_dnn_desc pack) {
    fake_dnn *c = fake_dnn_control();
    const desc *d = plan;
    const int error = enter();
    void *workspace;
    if (error != 0)
        return error;
    if (handle == NULL || !d->is_finished || !((desc *)pack)->is_finished)
        return REFUSED;
    const desc *configuration = part_of(d, DMS_DNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    memcpy(&workspace, value_of(pack, DMS_DNN_ATTR_VARIANT_PACK_WORKSPACE), sizeof workspace);
    c->used = configuration->engine;
    c->n_executed++;
    const int64_t room = c->engine[c->used].workspace;
    if (room > 0) {
        memset(workspace, 0xA5, (size_t)room);
        touch(workspace, room);
    }
    run_graph(configuration->graph, pack);
    return 0;
}
