/* chain_cpu.c - runs chains strip by strip.
 *
 *     memory      x x x x x x x x x x | x x x x        r r r r r r r r | ...
 *                 512 elements: a strip in L1, or the memory itself where it already is one
 *     v2 = add(v0, v1)    register 0
 *     v3 = relu(v2)       register 1
 *     v4 = mul(v3, v1)    y's memory, or register 0 and a store that rounds
 *
 * The functions are those of the kernels UNARY, BINARY, CAST and SELECT; a result of a type that
 * is narrower than its strip is stored and loaded again: what memory would have done to it. */
#include "runtime/kernels/chain_run.h"

#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/families.h"

/* Runs below this are brought several at a time. */
#define SHORT_RUN 64

/* y[i] = c[i] ? a[i] : b[i] over strips. */
#define SELECT(NAME, T)                                                                            \
    static void NAME(int64_t n, const void *const *in, void *out, const double *p) {               \
        const uint8_t *c = in[0];                                                                  \
        const T *a = in[1], *b = in[2];                                                            \
        T *y = out;                                                                                \
        (void)p;                                                                                   \
        DMS_INDEPENDENT                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T x = a[i], z = b[i];                                                            \
            y[i] = c[i] != 0 ? x : z;                                                              \
        }                                                                                          \
    }
SELECT(select_1, uint8_t)
SELECT(select_4, uint32_t)
SELECT(select_8, uint64_t)

static dms_map_fn select_fn(dms_dtype dtype) {
    switch (dms_class_bytes(dms_class_of(dtype))) {
    case 1:
        return select_1;
    case 4:
        return select_4;
    }
    return select_8;
}

/* Functions whose result has the type's precision when the operands have: nothing to round. */
static bool keeps_precision(const dms_chain_op *op) {
    if (op->kind == DMS_CHAIN_SELECT)
        return true;
    if (op->kind == DMS_CHAIN_UNARY)
        return op->fn == DMS_FN_RELU || op->fn == DMS_FN_NEG || op->fn == DMS_FN_ABS;
    return op->kind == DMS_CHAIN_BINARY && (op->fn == DMS_FN_MIN || op->fn == DMS_FN_MAX);
}

/* Whether a value of this type fills its strip's type: no store can change it. Truths are 0 or 1
 * wherever they were computed. */
static bool is_full(dms_dtype dtype) {
    return dms_class_is_storage(dtype) || dtype == DMS_DTYPE_BOOL;
}

/* The task of instruction j; the result of the last one is rounded by its store. */
static void open_op(dms_chain_runner *r, uint32_t j) {
    const dms_chain_op *op = &r->chain.op[j];
    const dms_dtype *dtype = r->chain.dtype;
    const dms_class class = dms_class_of(dtype[op->src[0]]);
    dms_map_task task = {.n_in = 1};
    if (op->kind == DMS_CHAIN_UNARY) {
        task.apply = DMS_ISA(dms_map_unary)(op->fn, class);
        task.p[0] = op->real < r->chain.n_reals ? r->chain.real[op->real] : 0.0;
        task.p[1] = op->real + 1u < r->chain.n_reals ? r->chain.real[op->real + 1u] : 0.0;
    } else if (op->kind == DMS_CHAIN_BINARY && op->fn == DMS_FN_POW) {
        task = DMS_ISA(dms_map_power)(dtype[op->src[0]], dtype[op->src[1]]);
    } else if (op->kind == DMS_CHAIN_BINARY) {
        task.n_in = 2;
        task.apply = DMS_ISA(dms_map_binary)(op->fn, class);
    } else if (op->kind == DMS_CHAIN_SELECT) {
        task.n_in = 3;
        task.apply = select_fn(op->dtype);
    } else if (op->kind == DMS_CHAIN_CAST) {
        task.convert_out = DMS_ISA(dms_map_cast)(dtype[op->src[0]], op->dtype);
    }
    r->task[j] = task;
    r->is_rounded[j] = !is_full(op->dtype) && !keeps_precision(op) && j + 1 < r->chain.n_ops;
}

/* n elements of a strip as memory of the type would give them back; `to` may be `from`. */
static void round_strip(dms_chain_runner *r, dms_dtype dtype, int64_t n, const void *from,
                        void *to) {
    DMS_ISA(dms_strip_store)(dtype, from, &r->spare[2], 1, n);
    DMS_ISA(dms_strip_load)(dtype, &r->spare[2], 1, n, to);
}

/* Fills the register of a constant, rounded to its type. */
static void open_constant(dms_chain_runner *r, uint32_t j) {
    const dms_chain_op *op = &r->chain.op[j];
    dms_strip *reg = &r->reg[op->reg];
    const double x = r->chain.real[op->real];
    if (op->dtype == DMS_DTYPE_F64)
        for (uint32_t k = 0; k < DMS_STRIP; k++)
            reg->f64[k] = x;
    else
        for (uint32_t k = 0; k < DMS_STRIP; k++)
            reg->f32[k] = (float)x;
    if (!is_full(op->dtype))
        round_strip(r, op->dtype, DMS_STRIP, reg, reg);
    r->value[r->chain.n_in + j] = reg;
}

void DMS_ISA(dms_chain_open)(const dms_cpu_job *job, dms_chain_runner *out) {
    const dms_call *call = job->call;
    dms_status ignored;
    out->job = job;
    if (dms_chain_read(call, &out->chain, &ignored) != DMS_OK)
        out->chain.n_ops = 0; /* never: the call was checked */
    const uint32_t n = out->chain.n_in - (out->chain.has_result ? 1 : 0);
    const dms_view *view[DMS_WALK_OPERANDS];
    out->n_own = call->n_in - n;
    out->n_walk = n + 1;
    for (uint32_t k = 0; k <= n; k++) {
        view[k] = &call->view[out->n_own + k];
        out->held[k] = -1;
    }
    dms_walk_init(&out->walk, view, out->n_walk);
    for (uint32_t j = 0; j < out->chain.n_ops; j++)
        if (out->chain.op[j].kind == DMS_CHAIN_REAL)
            open_constant(out, j);
        else
            open_op(out, j);
}

/* --- memory and strips */

/* Address of element `index` of operand k of the walk. */
static void *element(const dms_chain_runner *r, uint32_t k, int64_t index) {
    const uint32_t operand = r->n_own + k;
    return (char *)r->job->operand[operand] +
           index * (int64_t)dms_dtype_bytes(r->job->call->view[operand].dtype);
}

/* Pitch of operand k along a run. */
static int64_t pitch_of(const dms_chain_runner *r, uint32_t k) {
    return r->walk.pitch[k][r->walk.rank - 1];
}

/* The next n elements of operand k, run after run, between memory and a strip of its class. */
static void move_runs(const dms_chain_runner *r, const dms_walk_at *from, uint32_t k, int64_t n,
                      void *strip, bool is_store) {
    const dms_dtype dtype = r->job->call->view[r->n_own + k].dtype;
    const int64_t size = dms_class_bytes(dms_class_of(dtype)), pitch = pitch_of(r, k);
    dms_walk_at at = *from;
    for (int64_t i = 0, run; i < n; i += run) {
        const int64_t left = dms_walk_run(&r->walk, &at);
        run = left < n - i ? left : n - i;
        char *place = (char *)strip + i * size;
        void *memory = element(r, k, at.element[k]);
        if (is_store)
            DMS_ISA(dms_strip_store)(dtype, place, memory, pitch, run);
        else
            DMS_ISA(dms_strip_load)(dtype, memory, pitch, run, place);
        dms_walk_next(&r->walk, &at, run);
    }
}

/* Operand k as a dense strip of n elements: memory itself, the strip of an element repeated over
 * runs longer than a strip, or a copy. */
static const void *bring(dms_chain_runner *r, const dms_walk_at *at, uint32_t k, int64_t n) {
    const dms_dtype dtype = r->job->call->view[r->n_own + k].dtype;
    const bool is_one_run = n <= dms_walk_run(&r->walk, at);
    const int64_t pitch = pitch_of(r, k), index = at->element[k];
    if (is_one_run && pitch == 1 && dms_class_is_storage(dtype))
        return element(r, k, index);
    const bool is_repeated = is_one_run && pitch == 0;
    if (is_repeated && r->held[k] == index && r->n_held[k] >= n)
        return &r->in[k];
    r->held[k] = is_repeated ? index : -1;
    r->n_held[k] = n;
    move_runs(r, at, k, n, &r->in[k], false);
    return &r->in[k];
}

/* The kernel's own result as a dense strip. */
static const void *bring_result(dms_chain_runner *r, const void *result, int64_t n) {
    const dms_dtype dtype = r->chain.dtype[0];
    dms_strip *strip = &r->in[DMS_CHAIN_OPERANDS];
    if (dms_class_is_storage(dtype))
        return result;
    DMS_ISA(dms_strip_load)(dtype, result, 1, n, strip);
    return strip;
}

/* --- instructions */

/* One instruction over n elements into `out`. */
static void run_op(dms_chain_runner *r, uint32_t j, int64_t n, void *out) {
    const dms_chain_op *op = &r->chain.op[j];
    const dms_map_task *task = &r->task[j];
    const void *in[3] = {r->value[op->src[0]], r->value[op->src[1]], r->value[op->src[2]]};
    for (uint32_t k = 0; k < 2; k++)
        if (task->convert_in[k] != NULL) {
            task->convert_in[k](n, &in[k], &r->spare[k], task->p);
            in[k] = &r->spare[k];
        }
    const void *made = in[0];
    if (task->apply != NULL) {
        void *to = task->convert_out != NULL ? (void *)&r->spare[2] : out;
        task->apply(n, in, to, task->p);
        made = to;
    }
    if (task->convert_out != NULL) {
        task->convert_out(n, &made, out, task->p);
        made = out;
    }
    if (r->is_rounded[j])
        round_strip(r, op->dtype, n, made, out);
    else if (made != out)
        memcpy(out, made, (size_t)n * dms_class_bytes(dms_class_of(op->dtype)));
}

/* All instructions over n elements from `at` on. */
static void run_strip(dms_chain_runner *r, const dms_walk_at *at, int64_t n, const void *result) {
    const dms_chain *chain = &r->chain;
    const uint32_t y = r->n_walk - 1, n_in = chain->n_in, lead = n_in - y;
    const dms_dtype dtype = chain->dtype[n_in + chain->n_ops - 1];
    if (chain->has_result)
        r->value[0] = bring_result(r, result, n);
    for (uint32_t k = 0; k < y; k++)
        r->value[lead + k] = bring(r, at, k, n);
    const bool is_direct = n <= dms_walk_run(&r->walk, at) && pitch_of(r, y) == 1 && is_full(dtype);
    for (uint32_t j = 0; j < chain->n_ops; j++) {
        const dms_chain_op *op = &chain->op[j];
        if (op->kind == DMS_CHAIN_REAL)
            continue;
        const bool is_last = j + 1 == chain->n_ops;
        void *out = is_last && is_direct ? element(r, y, at->element[y]) : (void *)&r->reg[op->reg];
        run_op(r, j, n, out);
        r->value[n_in + j] = out;
    }
    if (!is_direct || chain->op[chain->n_ops - 1].kind == DMS_CHAIN_REAL)
        move_runs(r, at, y, n, (void *)(uintptr_t)r->value[n_in + chain->n_ops - 1], true);
}

void DMS_ISA(dms_chain_run)(dms_chain_runner *runner, int64_t first, int64_t n,
                            const void *result) {
    const dms_walk *walk = &runner->walk;
    const uint32_t size = runner->chain.has_result ? dms_dtype_bytes(runner->chain.dtype[0]) : 0;
    dms_walk_at at;
    if (n > 0)
        dms_walk_seek(walk, first, &at);
    for (int64_t done = 0; done < n;) {
        const int64_t run = dms_walk_run(walk, &at), left = n - done;
        int64_t some = run < SHORT_RUN || run > left ? left : run;
        some = some < DMS_STRIP ? some : DMS_STRIP;
        run_strip(runner, &at, some,
                  result == NULL ? NULL : (const char *)result + done * (int64_t)size);
        done += some;
        for (int64_t gone = 0; gone < some && done < n;) {
            const int64_t whole = dms_walk_run(walk, &at);
            const int64_t step = whole < some - gone ? whole : some - gone;
            dms_walk_next(walk, &at, step);
            gone += step;
        }
    }
}

/* --- DMS_K_CHAIN */

static uint64_t chain_parts(const dms_call *call) {
    const int64_t count = dms_view_count(&call->view[call->n_in]);
    return ((uint64_t)count + DMS_MAP_PART - 1) / DMS_MAP_PART;
}

static void run_chain(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    dms_chain_runner runner;
    DMS_ISA(dms_chain_open)(job, &runner);
    const int64_t start = (int64_t)first * DMS_MAP_PART;
    const int64_t stop = (int64_t)end * DMS_MAP_PART;
    const int64_t count = runner.walk.count;
    DMS_ISA(dms_chain_run)(&runner, start, (stop < count ? stop : count) - start, NULL);
}

const dms_cpu_kernel DMS_ISA(dms_cpu_chain) = {DMS_K_CHAIN, chain_parts, run_chain};
