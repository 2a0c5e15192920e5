/* attention_dnn.c - see attention_dnn.h. The library is told attention as a graph of operations. It
 * recognizes them as a whole and runs one kernel; what lies between them has no memory.
 *
 *     q k'   * scale   [ t <= s + shift ? : lowest ]   exp(x - max) / sum   v   -> y
 *
 * The logarithm of the sum is part of what it recognizes, though nobody reads it. */
#include "runtime/cuda/kernels/attention_dnn.h"

#include <float.h>
#include <string.h>

#include "runtime/cuda/kernels/attention.h"
#include "runtime/cuda/kernels/dnn_words.h"
#include "runtime/cuda/kernels/libraries.h"
#include "runtime/kernels/attention_parts.h"
#include "schema/dtype.h"

#define ALIGNMENT 16
#define MOST_OPERATIONS 20

/* Parameters by position, as catalogue.h has them. */
enum { CAUSAL = 0, SCALE = 0, SOFTCAP = 1, FILL = 2 };

/* Operands and numbers by which a plan knows them; what has no memory comes behind. */
enum { ID_Q = 1, ID_K, ID_V, ID_Y, ID_SCALE, ID_LOWEST, ID_T, ID_S, ID_BETWEEN };

/* A graph on its way; the first refusal ends it all. */
typedef struct builder {
    dms_dnn_plan *plan;
    const dms_dnn *dnn;
    int64_t dim[4], dense[4]; /* of the scores: b, h, s, t */
    int64_t next_id;
    dms_dnn_desc operation[MOST_OPERATIONS];
    int64_t n_operations;
    bool is_refused;
} builder;

static dms_dnn_desc make(builder *b, int kind) {
    dms_dnn_desc made = NULL;
    if (b->is_refused || b->plan->n_descs == DMS_DNN_DESCS ||
        b->dnn->desc_create(kind, &made) != 0) {
        b->is_refused = true;
        return NULL;
    }
    return b->plan->desc[b->plan->n_descs++] = made;
}

static void set(builder *b, dms_dnn_desc desc, int name, int type, int64_t n, const void *values) {
    b->is_refused = b->is_refused || b->dnn->desc_set(desc, name, type, n, values) != 0;
}

static void set_word(builder *b, dms_dnn_desc desc, int name, int type, int word) {
    set(b, desc, name, type, 1, &word);
}

static void set_part(builder *b, dms_dnn_desc desc, int name, dms_dnn_desc part) {
    set(b, desc, name, DMS_DNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

static void finish(builder *b, dms_dnn_desc desc) {
    b->is_refused = b->is_refused || b->dnn->desc_finish(desc) != 0;
}

/* A tensor of rank 4; `flag` is 0, or the attribute by which it has no memory of the card. */
static dms_dnn_desc tensor(builder *b, int64_t id, int type, const int64_t *dim,
                           const int64_t *pitch, int flag) {
    const int64_t alignment = ALIGNMENT;
    const bool yes = true;
    dms_dnn_desc made = make(b, DMS_DNN_BACKEND_TENSOR_DESCRIPTOR);
    set_word(b, made, DMS_DNN_ATTR_TENSOR_DATA_TYPE, DMS_DNN_TYPE_DATA_TYPE, type);
    set(b, made, DMS_DNN_ATTR_TENSOR_DIMENSIONS, DMS_DNN_TYPE_INT64, 4, dim);
    set(b, made, DMS_DNN_ATTR_TENSOR_STRIDES, DMS_DNN_TYPE_INT64, 4, pitch);
    set(b, made, DMS_DNN_ATTR_TENSOR_UNIQUE_ID, DMS_DNN_TYPE_INT64, 1, &id);
    set(b, made, DMS_DNN_ATTR_TENSOR_BYTE_ALIGNMENT, DMS_DNN_TYPE_INT64, 1, &alignment);
    if (flag != 0)
        set(b, made, flag, DMS_DNN_TYPE_BOOLEAN, 1, &yes);
    finish(b, made);
    return made;
}

/* One number, passed by value. */
static dms_dnn_desc number(builder *b, int64_t id, int type) {
    static const int64_t ones[4] = {1, 1, 1, 1};
    return tensor(b, id, type, ones, ones, DMS_DNN_ATTR_TENSOR_IS_BY_VALUE);
}

/* A number for each pair of query and key. */
static dms_dnn_desc scores(builder *b, int type) {
    return tensor(b, b->next_id++, type, b->dim, b->dense, DMS_DNN_ATTR_TENSOR_IS_VIRTUAL);
}

/* A number for each query. */
static dms_dnn_desc rows(builder *b) {
    const int64_t dim[4] = {b->dim[0], b->dim[1], b->dim[2], 1};
    const int64_t pitch[4] = {dim[1] * dim[2], dim[2], 1, 1};
    return tensor(b, b->next_id++, DMS_DNN_DATA_FLOAT, dim, pitch, DMS_DNN_ATTR_TENSOR_IS_VIRTUAL);
}

static void add_operation(builder *b, dms_dnn_desc operation) {
    finish(b, operation);
    if (b->n_operations == MOST_OPERATIONS)
        b->is_refused = true;
    else
        b->operation[b->n_operations++] = operation;
}

/* y = f(x, other), `chosen` being what a selection goes by; `type` is what f computes in. */
typedef struct function {
    int mode, type;
    int64_t axis; /* of indices; 0: has none */
    dms_dnn_desc x, other, chosen;
} function;

static dms_dnn_desc apply(builder *b, const function *f, dms_dnn_desc y) {
    dms_dnn_desc mode = make(b, DMS_DNN_BACKEND_POINTWISE_DESCRIPTOR);
    set_word(b, mode, DMS_DNN_ATTR_POINTWISE_MODE, DMS_DNN_TYPE_POINTWISE_MODE, f->mode);
    set_word(b, mode, DMS_DNN_ATTR_POINTWISE_MATH_PREC, DMS_DNN_TYPE_DATA_TYPE, f->type);
    if (f->axis != 0)
        set(b, mode, DMS_DNN_ATTR_POINTWISE_AXIS, DMS_DNN_TYPE_INT64, 1, &f->axis);
    finish(b, mode);
    dms_dnn_desc made = make(b, DMS_DNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_POINTWISE_XDESC, f->x);
    if (f->other != NULL)
        set_part(b, made, DMS_DNN_ATTR_OPERATION_POINTWISE_BDESC, f->other);
    if (f->chosen != NULL)
        set_part(b, made, DMS_DNN_ATTR_OPERATION_POINTWISE_TDESC, f->chosen);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    add_operation(b, made);
    return y;
}

/* f of floats. */
static dms_dnn_desc apply_f32(builder *b, int mode, dms_dnn_desc x, dms_dnn_desc other,
                              dms_dnn_desc y) {
    return apply(b, &(function){mode, DMS_DNN_DATA_FLOAT, 0, x, other, NULL}, y);
}

/* Over the keys of each query. */
static dms_dnn_desc reduce(builder *b, int mode, dms_dnn_desc x) {
    dms_dnn_desc how = make(b, DMS_DNN_BACKEND_REDUCTION_DESCRIPTOR), y = rows(b);
    set_word(b, how, DMS_DNN_ATTR_REDUCTION_OPERATOR, DMS_DNN_TYPE_REDUCTION_OPERATOR_TYPE, mode);
    set_word(b, how, DMS_DNN_ATTR_REDUCTION_COMP_TYPE, DMS_DNN_TYPE_DATA_TYPE, DMS_DNN_DATA_FLOAT);
    finish(b, how);
    dms_dnn_desc made = make(b, DMS_DNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_REDUCTION_DESC, how);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_REDUCTION_XDESC, x);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_REDUCTION_YDESC, y);
    add_operation(b, made);
    return y;
}

static dms_dnn_desc multiply(builder *b, dms_dnn_desc x, dms_dnn_desc w, dms_dnn_desc y) {
    dms_dnn_desc how = make(b, DMS_DNN_BACKEND_MATMUL_DESCRIPTOR);
    set_word(b, how, DMS_DNN_ATTR_MATMUL_COMP_TYPE, DMS_DNN_TYPE_DATA_TYPE, DMS_DNN_DATA_FLOAT);
    finish(b, how);
    dms_dnn_desc made = make(b, DMS_DNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_MATMUL_ADESC, x);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_MATMUL_BDESC, w);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_MATMUL_CDESC, y);
    set_part(b, made, DMS_DNN_ATTR_OPERATION_MATMUL_DESC, how);
    add_operation(b, made);
    return y;
}

/* The score, or the lowest number beyond the causal limit: key t of query s is taken where
 * s + (keys - queries) >= t. */
static dms_dnn_desc mask(builder *b, dms_dnn_desc score) {
    const int i32 = DMS_DNN_DATA_INT32, boolean = DMS_DNN_DATA_BOOLEAN;
    dms_dnn_desc s = apply(b, &(function){DMS_DNN_POINTWISE_GEN_INDEX, i32, 2, score, NULL, NULL},
                           scores(b, i32));
    if (b->plan->keys != b->plan->queries) {
        s = apply(b, &(function){DMS_DNN_POINTWISE_ADD, i32, 0, s, number(b, ID_T, i32), NULL},
                  scores(b, i32));
        s = apply(b, &(function){DMS_DNN_POINTWISE_SUB, i32, 0, s, number(b, ID_S, i32), NULL},
                  scores(b, i32));
    }
    dms_dnn_desc t = apply(b, &(function){DMS_DNN_POINTWISE_GEN_INDEX, i32, 3, score, NULL, NULL},
                           scores(b, i32));
    dms_dnn_desc is_taken =
        apply(b, &(function){DMS_DNN_POINTWISE_CMP_GE, boolean, 0, s, t, NULL}, scores(b, boolean));
    const function select = {DMS_DNN_POINTWISE_BINARY_SELECT,
                             DMS_DNN_DATA_FLOAT,
                             0,
                             score,
                             number(b, ID_LOWEST, DMS_DNN_DATA_FLOAT),
                             is_taken};
    return apply(b, &select, scores(b, DMS_DNN_DATA_FLOAT));
}

/* An operand as it lies; axes of length 1 as if dense, whatever their pitch. */
static dms_dnn_desc operand(builder *b, int64_t id, const dms_view *view, bool is_turned) {
    const int type = view->dtype == DMS_DTYPE_F16 ? DMS_DNN_DATA_HALF : DMS_DNN_DATA_BFLOAT16;
    int64_t dim[4], pitch[4], extent = 1, last = 0;
    for (uint32_t k = 4; k-- > 0;) {
        dim[k] = view->dim[k];
        pitch[k] = dim[k] == 1 ? extent : view->pitch[k];
        extent = dim[k] * pitch[k];
        last += (dim[k] - 1) * pitch[k];
    }
    b->plan->bytes[id - ID_Q] = (uint64_t)(last + 1) * dms_dtype_bytes(view->dtype);
    if (!is_turned)
        return tensor(b, id, type, dim, pitch, 0);
    const int64_t turned[4] = {dim[0], dim[1], dim[3], dim[2]};
    const int64_t along[4] = {pitch[0], pitch[1], pitch[3], pitch[2]};
    return tensor(b, id, type, turned, along, 0);
}

/* The graph of the call, finished. */
static dms_dnn_desc graph_of(builder *b, const dms_call *call) {
    const int f32 = DMS_DNN_DATA_FLOAT;
    const dms_view *q = &call->view[0];
    const int narrow = q->dtype == DMS_DTYPE_F16 ? DMS_DNN_DATA_HALF : DMS_DNN_DATA_BFLOAT16;
    dms_dnn_desc x = multiply(b, operand(b, ID_Q, q, false), operand(b, ID_K, &call->view[1], true),
                              scores(b, f32));
    x = apply_f32(b, DMS_DNN_POINTWISE_MUL, x, number(b, ID_SCALE, f32), scores(b, f32));
    if (b->plan->is_causal)
        x = mask(b, x);
    dms_dnn_desc high = reduce(b, DMS_DNN_REDUCE_TENSOR_MAX, x);
    x = apply_f32(b, DMS_DNN_POINTWISE_SUB, x, high, scores(b, f32));
    x = apply_f32(b, DMS_DNN_POINTWISE_EXP, x, NULL, scores(b, f32));
    dms_dnn_desc sum = reduce(b, DMS_DNN_REDUCE_TENSOR_ADD, x);
    dms_dnn_desc log = apply_f32(b, DMS_DNN_POINTWISE_LOG, sum, NULL, rows(b));
    (void)apply_f32(b, DMS_DNN_POINTWISE_ADD, high, log, rows(b));
    x = apply_f32(b, DMS_DNN_POINTWISE_DIV, x, sum, scores(b, narrow));
    (void)multiply(b, x, operand(b, ID_V, &call->view[2], false),
                   operand(b, ID_Y, &call->view[3], false));
    dms_dnn_desc graph = make(b, DMS_DNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(b, graph, DMS_DNN_ATTR_OPERATIONGRAPH_OPS, DMS_DNN_TYPE_BACKEND_DESCRIPTOR, b->n_operations,
        b->operation);
    if (b->dnn->handle != NULL)
        set(b, graph, DMS_DNN_ATTR_OPERATIONGRAPH_HANDLE, DMS_DNN_TYPE_HANDLE, 1, &b->dnn->handle);
    finish(b, graph);
    return graph;
}

/* Whether the notes of its engine say nothing against a configuration. One that we do not know may
 * say anything. */
static bool is_exact(builder *b, dms_dnn_desc configuration) {
    int note[16];
    int64_t n = 0;
    dms_dnn_desc engine = make(b, DMS_DNN_BACKEND_ENGINE_DESCRIPTOR);
    if (b->is_refused ||
        b->dnn->desc_get(configuration, DMS_DNN_ATTR_ENGINECFG_ENGINE,
                         DMS_DNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine) != 0 ||
        b->dnn->desc_get(engine, DMS_DNN_ATTR_ENGINE_NUMERICAL_NOTE, DMS_DNN_TYPE_NUMERICAL_NOTE,
                         sizeof note / sizeof *note, &n, note) != 0)
        return false;
    for (int64_t k = 0; k < n; k++)
        if (note[k] != DMS_DNN_NUMERICAL_NOTE_TENSOR_CORE &&
            note[k] != DMS_DNN_NUMERICAL_NOTE_STRICT_NAN_PROP)
            return false;
    return true;
}

/* Plans a configuration; false: it does not run here, or wants more workspace than there is. */
static bool plans(builder *b, dms_dnn_desc configuration, uint64_t workspace) {
    int64_t n = 0, wanted = -1;
    dms_dnn_desc plan = make(b, DMS_DNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set_part(b, plan, DMS_DNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    if (b->dnn->handle != NULL)
        set(b, plan, DMS_DNN_ATTR_EXECUTION_PLAN_HANDLE, DMS_DNN_TYPE_HANDLE, 1, &b->dnn->handle);
    else
        set_part(b, plan, DMS_DNN_ATTR_EXECUTION_PLAN_DEVICEPROP, b->dnn->card);
    if (b->is_refused || b->dnn->desc_finish(plan) != 0 ||
        b->dnn->desc_get(plan, DMS_DNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, DMS_DNN_TYPE_INT64, 1,
                         &n, &wanted) != 0 ||
        wanted < 0 || (uint64_t)wanted > workspace)
        return false;
    b->plan->plan = plan;
    b->plan->workspace = (uint64_t)wanted;
    return true;
}

/* The first of the library's answers that fits. */
static void choose(builder *b, dms_dnn_desc graph, uint64_t workspace) {
    enum { ASKED = 4 };
    dms_dnn_desc answer[ASKED], heuristics = make(b, DMS_DNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    int64_t n = 0;
    set_part(b, heuristics, DMS_DNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set_word(b, heuristics, DMS_DNN_ATTR_ENGINEHEUR_MODE, DMS_DNN_TYPE_HEUR_MODE,
             DMS_DNN_HEUR_MODE_A);
    if (b->dnn->handle == NULL)
        set_part(b, heuristics, DMS_DNN_ATTR_ENGINEHEUR_DEVICEPROP, b->dnn->card);
    finish(b, heuristics);
    for (int k = 0; k < ASKED; k++)
        answer[k] = make(b, DMS_DNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (b->is_refused || b->dnn->desc_get(heuristics, DMS_DNN_ATTR_ENGINEHEUR_RESULTS,
                                          DMS_DNN_TYPE_BACKEND_DESCRIPTOR, ASKED, &n, answer) != 0)
        return;
    for (int64_t k = 0; k < n && k < ASKED && b->plan->plan == NULL; k++)
        if (is_exact(b, answer[k]) && plans(b, answer[k], workspace))
            return;
}

bool dms_attention_rows_of_16(const dms_view *view, const void *at) {
    const int64_t each = ALIGNMENT / (int64_t)dms_dtype_bytes(view->dtype);
    bool is_aligned = (uintptr_t)at % ALIGNMENT == 0 && view->dim[3] % each == 0 &&
                      view->dim[3] <= DMS_ATTENTION_WIDEST && view->pitch[3] == 1;
    for (uint32_t k = 0; k < 3; k++)
        is_aligned = is_aligned && (view->dim[k] <= 1 || view->pitch[k] % each == 0);
    return is_aligned;
}

/* Whether a key beyond the limit may have a weight beside those before it: not where its score is
 * the lowest number of the type, or nearly so. */
static bool has_weight(const dms_call *call) {
    const double low = call->view[0].dtype == DMS_DTYPE_F16 ? -65504.0 : -1e30;
    return call->n_f > FILL && !(call->f[FILL] <= low);
}

/* No mask, no cap; every query has a key; more queries than go around shared memory; rows at
 * multiples of 16 bytes. */
static bool is_plain(const dms_call *call) {
    const dms_view *q = &call->view[0], *k = &call->view[1];
    const bool is_causal = call->i[CAUSAL] != 0;
    const double scale = call->f[SCALE];
    if ((q->dtype != DMS_DTYPE_F16 && q->dtype != DMS_DTYPE_BF16) || call->n_in != 3 ||
        dms_attention_parts(call) != 0 || call->f[SOFTCAP] != 0.0 ||
        !(scale > 0.0 && scale < FLT_MAX))
        return false;
    if (is_causal && (q->dim[2] > k->dim[2] || has_weight(call)))
        return false;
    bool is_regular = true;
    for (uint32_t n = 0; n < 4; n++) {
        const dms_view *view = &call->view[n];
        is_regular = is_regular && dms_attention_rows_of_16(view, NULL);
        for (uint32_t axis = 0; axis < 4; axis++)
            is_regular = is_regular && view->dim[axis] > 0 && view->dim[axis] < INT32_MAX / 2 &&
                         (view->dim[axis] == 1 || view->pitch[axis] > 0);
    }
    return is_regular;
}

bool dms_attention_dnn_plan(const dms_call *call, uint64_t workspace, dms_dnn_plan *plan) {
    const dms_view *q = &call->view[0], *k = &call->view[1];
    builder b = {.plan = plan, .dnn = plan->dnn, .next_id = ID_BETWEEN};
    if (!is_plain(call))
        return false;
    plan->is_causal = call->i[CAUSAL] != 0;
    plan->scale = (float)call->f[SCALE];
    plan->lowest = -FLT_MAX;
    if (call->n_f > FILL && call->f[FILL] > -(double)FLT_MAX)
        plan->lowest = (float)call->f[FILL];
    plan->queries = (int32_t)q->dim[2];
    plan->keys = (int32_t)k->dim[2];
    const int64_t dim[4] = {q->dim[0], q->dim[1], q->dim[2], k->dim[2]};
    const int64_t dense[4] = {dim[1] * dim[2] * dim[3], dim[2] * dim[3], dim[3], 1};
    memcpy(b.dim, dim, sizeof dim);
    memcpy(b.dense, dense, sizeof dense);
    choose(&b, graph_of(&b, call), workspace);
    return plan->plan != NULL;
}

dms_code dms_attention_dnn_prepare(dms_cuda_libraries *libraries, const dms_call *call,
                                   uint64_t workspace, dms_arena *arena, void **out_state,
                                   dms_status *st) {
    *out_state = NULL;
    if (!is_plain(call))
        return DMS_OK;
    const dms_dnn *dnn = dms_dnn_get(libraries);
    if (dnn == NULL)
        return DMS_OK;
    dms_dnn_plan *plan = dms_dnn_add(libraries, arena);
    if (plan == NULL)
        return dms_fail(st, DMS_EINTERNAL, "no memory for the descriptors of attention");
    if (dms_attention_dnn_plan(call, workspace, plan))
        *out_state = plan;
    return DMS_OK;
}

/* Puts attention over these four operands onto the stream. */
static dms_code attend(const dms_dnn_plan *plan, void *const *at, void *workspace, void *stream,
                       dms_status *st) {
    static const int64_t id[] = {ID_Q, ID_K, ID_V, ID_Y, ID_SCALE, ID_LOWEST, ID_T, ID_S};
    const void *pointer[] = {at[0],        at[1],         at[2],       at[3],
                             &plan->scale, &plan->lowest, &plan->keys, &plan->queries};
    const dms_dnn *dnn = plan->dnn;
    const bool is_shifted = plan->is_causal && plan->keys != plan->queries;
    const int64_t n = is_shifted ? 8 : plan->is_causal ? 6 : 5;
    dms_dnn_desc pack = NULL;
    int status = dnn->set_stream(dnn->handle, stream);
    if (status == 0)
        status = dnn->desc_create(DMS_DNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (status == 0)
        status =
            dnn->desc_set(pack, DMS_DNN_ATTR_VARIANT_PACK_UNIQUE_IDS, DMS_DNN_TYPE_INT64, n, id);
    if (status == 0)
        status = dnn->desc_set(pack, DMS_DNN_ATTR_VARIANT_PACK_DATA_POINTERS, DMS_DNN_TYPE_VOID_PTR,
                               n, pointer);
    if (status == 0)
        status = dnn->desc_set(pack, DMS_DNN_ATTR_VARIANT_PACK_WORKSPACE, DMS_DNN_TYPE_VOID_PTR, 1,
                               &workspace);
    if (status == 0)
        status = dnn->desc_finish(pack);
    if (status == 0)
        status = dnn->execute(dnn->handle, plan->plan, pack);
    if (pack != NULL)
        (void)dnn->desc_destroy(pack);
    if (status != 0)
        return dms_fail(st, DMS_EDEVICE,
                        "cuDNN refuses attention of %d queries to %d keys: status %d",
                        (int)plan->queries, (int)plan->keys, status);
    return DMS_OK;
}

dms_code dms_attention_dnn_warm(dms_cuda_libraries *libraries, uint64_t memory, uint64_t bytes,
                                void *stream, dms_status *st) {
    for (const dms_dnn_plan *plan = dms_dnn_plans(libraries); plan != NULL; plan = plan->next) {
        const uint64_t own[5] = {plan->bytes[0], plan->bytes[1], plan->bytes[2], plan->bytes[3],
                                 plan->workspace};
        uint64_t place[5];
        if (plan->plan == NULL || !dms_libraries_spread(own, memory, bytes, place))
            continue;
        void *const at[4] = {(void *)place[0], (void *)place[1], (void *)place[2],
                             (void *)place[3]};
        DMS_TRY(attend(plan, at, (void *)place[4], stream, st));
    }
    return DMS_OK;
}

bool dms_attention_dnn_takes(const dms_cuda_job *job) {
    uintptr_t all = 0;
    for (uint32_t k = 0; k < 4; k++)
        all |= (uintptr_t)job->operand[k];
    return job->state != NULL && all % ALIGNMENT == 0;
}

dms_code dms_attention_dnn_enqueue(const dms_cuda_job *job, dms_status *st) {
    return attend(job->state, job->operand, job->workspace, job->stream, st);
}
