/* fuse_join.c - the chain of two calls.
 *
 *     producer   CONV x, w, b -> t              reader   BINARY t, r -> y       (add)
 *     joint      CONV x, w, b | r -> y          v2 = add(v0, v1)
 *
 * All operands of a chain have the dims of y. Where reader and producer see the intermediate under
 * different dims (a Reshape between them), the operands of one of them are walked under the dims of
 * the other; a kernel that carries the chain keeps its own. A constant of one element becomes a
 * parameter. */
#include <string.h>

#include "onnx/fuse_internal.h"
#include "onnx/op.h"
#include "runtime/kernels/chain.h"

/* One of the two calls, taken apart. */
typedef struct part {
    const dms_lowered_call *low;
    dms_chain chain;                 /* n_ops 0: the result alone */
    uint32_t n_own;                  /* inputs that belong to the kernel */
    uint8_t value[DMS_CHAIN_VALUES]; /* of its chain in the joint chain */
} part;

/* The joint call in work. */
typedef struct joint {
    const dms_graph *graph;
    uint32_t rank; /* of y */
    int64_t dim[DMS_MAX_RANK];
    dms_chain chain;
    uint32_t n_operands;
    dms_lowered_operand operand[DMS_CHAIN_OPERANDS];
} joint;

bool dms_fuse_is_element_wise(const dms_call *call) {
    dms_chain chain;
    return dms_chain_of_call(call, &chain);
}

/* A kernel that carries a chain or can. */
static bool take_host(const dms_call *call, part *out) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    dms_status ignored = {0};
    if (row->epilogue == NULL || !dms_chain_detach(call, view, &own) ||
        row->epilogue(&own) == DMS_EPILOGUE_NONE)
        return false;
    out->n_own = own.n_in;
    if (dms_chain_is_in(call))
        return dms_chain_read(call, &out->chain, &ignored) == DMS_OK;
    out->chain.has_result = true;
    out->chain.n_in = 1;
    out->chain.n_ops = out->chain.n_reals = 0;
    out->chain.dtype[0] = call->view[0].dtype;
    return call->view[call->n_in].dtype == call->view[0].dtype;
}

static bool take(const dms_lowered_call *low, part *out) {
    out->low = low;
    out->n_own = 0;
    return dms_chain_of_call(&low->call, &out->chain) || take_host(&low->call, out);
}

/* Both views walk the same elements in the same order. */
static bool walk_alike(const dms_view *a, const dms_view *b) {
    if (dms_view_count(a) != dms_view_count(b) || a->offset != b->offset)
        return false;
    if (dms_view_is_dense(a) && dms_view_is_dense(b))
        return true;
    return dms_view_same_dims(a, b) && memcmp(a->pitch, b->pitch, a->rank * sizeof *a->pitch) == 0;
}

/* The reader sees the storage as the producer wrote it, and as an operand of its chain only. */
static bool sees_alike(const part *producer, const part *reader, uint32_t storage) {
    const dms_call *from = &producer->low->call, *to = &reader->low->call;
    for (uint32_t k = 0; k < to->n_in; k++)
        if (reader->low->operand[k].tensor == storage &&
            (k < reader->n_own || !walk_alike(&to->view[k], &from->view[from->n_in])))
            return false;
    return true;
}

/* The value of a constant that is one element, repeated; false where it is not to be had. */
static bool constant_of(const dms_graph *graph, const dms_lowered_operand *operand, double *out) {
    const dms_tensor *t = &graph->tensor[operand->tensor];
    const dms_arena_mark mark = dms_arena_here(graph->arena);
    const uint8_t *data;
    dms_status ignored = {0};
    for (uint32_t k = 0; k < operand->view.rank; k++)
        if (operand->view.dim[k] > 1 && operand->view.pitch[k] != 0)
            return false;
    if (!dms_tensor_is_constant(t) || t->dtype != DMS_DTYPE_F32 || operand->view.offset != 0 ||
        t->bytes != sizeof(float) ||
        dms_constant_read(graph, operand->tensor, t->bytes, graph->arena, &data, &ignored) !=
            DMS_OK)
        return false;
    float x;
    memcpy(&x, data, sizeof x);
    dms_arena_release(graph->arena, mark);
    *out = x;
    return x == x;
}

/* Adds an instruction. Equal constants are one value. */
static bool add_op(joint *j, dms_chain_op op, const double *real, uint32_t n_reals,
                   uint8_t *out_value) {
    dms_chain *c = &j->chain;
    for (uint32_t k = 0; op.kind == DMS_CHAIN_REAL && k < c->n_ops; k++)
        if (c->op[k].kind == DMS_CHAIN_REAL && c->op[k].dtype == op.dtype &&
            memcmp(&c->real[c->op[k].real], real, sizeof *real) == 0) {
            *out_value = (uint8_t)(c->n_in + k);
            return true;
        }
    if (c->n_ops == DMS_CHAIN_OPS || c->n_reals + n_reals > DMS_CHAIN_REALS)
        return false;
    op.real = n_reals > 0 ? (uint8_t)c->n_reals : 0;
    for (uint32_t k = 0; k < n_reals; k++)
        c->real[c->n_reals++] = real[k];
    *out_value = (uint8_t)(c->n_in + c->n_ops);
    c->op[c->n_ops++] = op;
    return true;
}

/* The operand under the joint dims; equal operands are one. */
static bool add_operand(joint *j, const dms_lowered_operand *operand, uint8_t *out_value) {
    dms_lowered_operand it = *operand;
    if (!dms_view_reshape(&operand->view, j->rank, j->dim, &it.view))
        return false;
    for (uint32_t k = 0; k < j->n_operands; k++)
        if (j->operand[k].tensor == it.tensor && j->operand[k].view.offset == it.view.offset &&
            memcmp(j->operand[k].view.pitch, it.view.pitch, j->rank * sizeof *it.view.pitch) == 0) {
            *out_value = (uint8_t)(k + (j->chain.has_result ? 1 : 0));
            return true;
        }
    if (j->n_operands == DMS_CHAIN_OPERANDS)
        return false;
    *out_value = (uint8_t)(j->n_operands + (j->chain.has_result ? 1 : 0));
    j->operand[j->n_operands++] = it;
    return true;
}

/* Gives the operands of a part their values; those that are `storage` and constants of one element
 * get theirs with the instructions. */
static bool add_operands(joint *j, part *p, uint32_t storage) {
    const uint32_t lead = p->chain.has_result ? 1 : 0;
    p->value[0] = 0;
    for (uint32_t k = lead; k < p->chain.n_in; k++) {
        const dms_lowered_operand *operand = &p->low->operand[p->n_own + k - lead];
        double ignored;
        if (operand->tensor != storage && !constant_of(j->graph, operand, &ignored) &&
            !add_operand(j, operand, &p->value[k]))
            return false;
    }
    return true;
}

/* Constants of one element, then the instructions of a part. `made` is the value of `storage`. */
static bool add_program(joint *j, part *p, uint32_t storage, uint8_t made) {
    const uint32_t lead = p->chain.has_result ? 1 : 0;
    for (uint32_t k = lead; k < p->chain.n_in; k++) {
        const dms_lowered_operand *operand = &p->low->operand[p->n_own + k - lead];
        const dms_chain_op constant = {.kind = DMS_CHAIN_REAL, .dtype = operand->view.dtype};
        double x;
        if (operand->tensor == storage)
            p->value[k] = made;
        else if (constant_of(j->graph, operand, &x) && !add_op(j, constant, &x, 1, &p->value[k]))
            return false;
    }
    for (uint32_t k = 0; k < p->chain.n_ops; k++) {
        dms_chain_op op = p->chain.op[k];
        uint32_t n_reals;
        const uint32_t n_sources = dms_chain_sources(&p->chain, k, &n_reals);
        for (uint32_t s = 0; s < n_sources; s++)
            op.src[s] = p->value[op.src[s]];
        if (!add_op(j, op, p->chain.real + op.real, n_reals, &p->value[p->chain.n_in + k]))
            return false;
    }
    return true;
}

/* Both programs, one behind the other, under the dims of `view`. */
static bool compose(joint *j, part *producer, part *reader, uint32_t storage,
                    const dms_view *view) {
    j->rank = view->rank;
    memcpy(j->dim, view->dim, sizeof j->dim);
    j->n_operands = 0;
    j->chain.has_result = producer->chain.has_result || reader->chain.has_result;
    j->chain.n_ops = j->chain.n_reals = 0;
    if (!add_operands(j, producer, DMS_NONE) || !add_operands(j, reader, storage))
        return false;
    j->chain.n_in = j->n_operands + (j->chain.has_result ? 1 : 0);
    for (uint32_t k = 0; k < j->n_operands; k++)
        j->chain.dtype[j->chain.n_in - j->n_operands + k] = j->operand[k].view.dtype;
    if (!add_program(j, producer, DMS_NONE, 0))
        return false;
    const uint32_t last = producer->chain.n_in + producer->chain.n_ops - 1;
    const uint32_t end = reader->chain.n_in + reader->chain.n_ops - 1;
    return (j->n_operands > 0 || j->chain.has_result) &&
           add_program(j, reader, storage, producer->value[last]) &&
           reader->value[end] == j->chain.n_in + j->chain.n_ops - 1;
}

/* The joint call: operands of the kernel that carries the chain, those of the chain, y. */
static dms_code make_call(const joint *j, const part *host, const dms_lowered_call *last,
                          dms_lowered_call *out, bool *out_done, dms_status *st) {
    dms_arena *arena = j->graph->arena;
    const dms_call *own = &host->low->call;
    const bool is_hosted = j->chain.has_result;
    const dms_kernel_row *row = dms_kernel_row_find(is_hosted ? own->kernel : DMS_K_CHAIN);
    const uint32_t n_own = is_hosted ? host->n_own : 0, n_i = is_hosted ? row->n_i : 0,
                   n_f = is_hosted ? row->n_f : 0;
    dms_call *call = &out->call;
    dms_view *view;
    int64_t *i;
    double *f;
    *call = (dms_call){.kernel = row->id, .n_in = n_own + j->n_operands, .n_out = 1};
    call->n_i = n_i + 1 + j->chain.n_ops;
    call->n_f = n_f + j->chain.n_reals;
    if (call->n_i > DMS_MAX_PARAMS || call->n_f > DMS_MAX_PARAMS)
        return DMS_OK;
    DMS_TRY(dms_alloc_st(arena, call->n_in + 1, sizeof *view, "a call", &view, st));
    DMS_TRY(dms_alloc_st(arena, call->n_in + 1, sizeof *out->operand, "a call", &out->operand, st));
    DMS_TRY(dms_alloc_st(arena, call->n_i, sizeof *i, "a call", &i, st));
    DMS_TRY(dms_alloc_st(arena, call->n_f, sizeof *f, "a call", &f, st));
    if (n_own > 0)
        memcpy(out->operand, host->low->operand, n_own * sizeof *out->operand);
    if (j->n_operands > 0)
        memcpy(out->operand + n_own, j->operand, j->n_operands * sizeof *out->operand);
    dms_lowered_operand *y = &out->operand[call->n_in];
    *y = last->operand[last->call.n_in];
    if (!dms_view_reshape(&last->call.view[last->call.n_in], j->rank, j->dim, &y->view))
        return DMS_OK;
    for (uint32_t k = 0; k <= call->n_in; k++)
        view[k] = out->operand[k].view;
    if (n_i > 0)
        memcpy(i, own->i, n_i * sizeof *i);
    if (n_f > 0)
        memcpy(f, own->f, n_f * sizeof *f);
    dms_chain_write(&j->chain, i + n_i, f + n_f);
    call->view = view;
    call->i = i;
    call->f = f;
    out->node = is_hosted ? host->low->node : last->node;
    dms_status why = {0};
    *out_done = dms_call_check(call, &why) == DMS_OK;
    return DMS_OK;
}

dms_code dms_fuse_join(const dms_graph *graph, const dms_lowered_call *producer,
                       const dms_lowered_call *reader, uint32_t storage, dms_lowered_call *out,
                       bool *out_done, dms_status *st) {
    *out_done = false;
    part p, r;
    joint j;
    j.graph = graph;
    if (!take(producer, &p) || !take(reader, &r) || (p.chain.has_result && r.chain.has_result) ||
        !sees_alike(&p, &r, storage))
        return DMS_OK;
    const dms_view *first = &producer->call.view[producer->call.n_in];
    const dms_view *second = &reader->call.view[reader->call.n_in];
    const bool by_reader = !p.chain.has_result && compose(&j, &p, &r, storage, second);
    if (!by_reader && (r.chain.has_result || !compose(&j, &p, &r, storage, first)))
        return DMS_OK;
    return make_call(&j, p.chain.has_result ? &p : &r, reader, out, out_done, st);
}
