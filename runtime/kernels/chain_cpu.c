/* chain_cpu.c - runs chains strip by strip; UNARY, BINARY and CAST are chains of one instruction.
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

/* A power may have two types: it is computed in the base's, but in f64 where an integer base has a
 * float exponent or the exponent is f64. */
static dms_map_task power_task(dms_dtype base, dms_dtype exponent) {
    const bool is_real =
        exponent == DMS_DTYPE_F64 || (dms_dtype_is_integer(base) && dms_dtype_is_float(exponent));
    const dms_dtype in = is_real ? DMS_DTYPE_F64 : base;
    return (dms_map_task){
        .n_in = 2,
        .convert_in = {DMS_ISA(dms_map_cast)(base, in), DMS_ISA(dms_map_cast)(exponent, in)},
        .apply = DMS_ISA(dms_map_binary)(DMS_FN_POW, dms_class_of(in)),
        .convert_out = DMS_ISA(dms_map_cast)(in, base)};
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
        task = power_task(dtype[op->src[0]], dtype[op->src[1]]);
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
    r->is_rounded[j] =
        !dms_chain_is_full(op->dtype) && !dms_chain_keeps_precision(op) && j + 1 < r->chain.n_ops;
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
    if (!dms_chain_is_full(op->dtype))
        round_strip(r, op->dtype, DMS_STRIP, reg, reg);
    r->value[r->chain.n_in + j] = reg;
}

/* The period of operand k of the walk, and whether it is flat within. */
static dms_chain_lie lie_of(const dms_walk *w, uint32_t k) {
    dms_chain_lie lie = {1, w->pitch[k][w->rank - 1], true};
    uint32_t first = 0; /* the outermost axis that it does not repeat along */
    while (first < w->rank && w->pitch[k][first] == 0)
        first++;
    for (uint32_t axis = w->rank; axis-- > first;) {
        lie.is_flat = lie.is_flat && w->pitch[k][axis] == lie.pitch * lie.period;
        lie.period *= w->dim[axis];
    }
    return lie;
}

/* Lies of all operands, and the period that strips are whole multiples of. */
static void open_lies(dms_chain_runner *r) {
    r->short_period = 1;
    for (uint32_t k = 0; k < r->n_walk; k++) {
        r->lie[k] = lie_of(&r->walk, k);
        const int64_t period = r->lie[k].period;
        if (period <= DMS_STRIP && period > r->short_period)
            r->short_period = period;
    }
}

/* One function over operands that all are dense strips: no registers, so no strips are needed. */
static bool is_plain(const dms_chain_runner *r) {
    const dms_map_task *task = &r->task[0];
    bool is = r->chain.n_ops == 1 && !r->chain.has_result &&
              r->chain.op[0].kind <= DMS_CHAIN_BINARY && task->convert_out == NULL &&
              task->convert_in[0] == NULL && task->convert_in[1] == NULL;
    for (uint32_t k = 0; k < r->n_walk && is; k++) {
        const dms_dtype dtype = r->job->call->view[r->n_own + k].dtype;
        is = r->lie[k].is_flat && r->lie[k].pitch == 1 && r->lie[k].period == r->walk.count &&
             (dms_class_is_storage(dtype) || (dtype == DMS_DTYPE_BOOL && k + 1 == r->n_walk));
    }
    return is;
}

void DMS_ISA(dms_chain_open)(const dms_cpu_job *job, dms_chain_runner *out) {
    const dms_call *call = job->call;
    dms_status ignored;
    out->job = job;
    if (!dms_chain_of_call(call, &out->chain) &&
        dms_chain_read(call, &out->chain, &ignored) != DMS_OK)
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
    open_lies(out);
    for (uint32_t j = 0; j < out->chain.n_ops; j++)
        if (out->chain.op[j].kind == DMS_CHAIN_REAL)
            open_constant(out, j);
        else
            open_op(out, j);
    out->is_plain = is_plain(out);
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

/* A place of one operand: coordinates, and its element there. */
typedef struct place {
    int64_t coord[DMS_MAX_RANK];
    int64_t element;
} place;

/* Goes on by `run` elements within the innermost axis, and over its end. */
static void go_on(const dms_walk *w, uint32_t k, int64_t run, place *p) {
    uint32_t axis = w->rank - 1;
    p->coord[axis] += run;
    p->element += run * w->pitch[k][axis];
    while (p->coord[axis] == w->dim[axis] && axis > 0) {
        p->coord[axis] = 0;
        p->element += w->pitch[k][axis - 1] - w->dim[axis] * w->pitch[k][axis];
        p->coord[--axis]++;
    }
}

/* One run between memory and a strip of its class. Short runs of whole f32 are loops right here. */
static void move_run(dms_dtype dtype, void *memory, int64_t pitch, int64_t n, void *strip,
                     bool is_store) {
    if (dtype == DMS_DTYPE_F32 && pitch == 1) {
        const float *from = is_store ? strip : memory;
        float *to = is_store ? memory : strip;
        DMS_INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i];
    } else if (is_store) {
        DMS_ISA(dms_strip_store)(dtype, strip, memory, pitch, n);
    } else {
        DMS_ISA(dms_strip_load)(dtype, memory, pitch, n, strip);
    }
}

/* The next n elements of operand k between memory and a strip of its class: at once where they lie
 * flat, else run after run. */
static void move_runs(const dms_chain_runner *r, const dms_walk_at *at, uint32_t k, int64_t index,
                      int64_t n, void *strip, bool is_store) {
    const dms_walk *w = &r->walk;
    const dms_dtype dtype = r->job->call->view[r->n_own + k].dtype;
    const int64_t size = dms_class_bytes(dms_class_of(dtype)), pitch = pitch_of(r, k);
    const dms_chain_lie *lie = &r->lie[k];
    if (lie->is_flat && n <= lie->period - index % lie->period) {
        void *memory = element(r, k, index % lie->period * lie->pitch);
        move_run(dtype, memory, lie->pitch, n, strip, is_store);
        return;
    }
    place p = {.element = at->element[k]};
    memcpy(p.coord, at->coord, w->rank * sizeof *p.coord);
    for (int64_t i = 0, run; i < n; i += run) {
        const int64_t left = w->dim[w->rank - 1] - p.coord[w->rank - 1];
        run = left < n - i ? left : n - i;
        move_run(dtype, element(r, k, p.element), pitch, run, (char *)strip + i * size, is_store);
        go_on(w, k, run, &p);
    }
}

/* Where n elements of operand k lie as a strip of their class, or NULL. */
static void *strip_in_memory(const dms_chain_runner *r, const dms_walk_at *at, uint32_t k,
                             int64_t index, int64_t n) {
    const dms_chain_lie *lie = &r->lie[k];
    if (lie->is_flat && lie->pitch == 1 && n <= lie->period - index % lie->period)
        return element(r, k, index % lie->period);
    if (pitch_of(r, k) == 1 && n <= dms_walk_run(&r->walk, at))
        return element(r, k, at->element[k]);
    return NULL;
}

/* Operand k as a dense strip of n elements: memory itself; what fills its strip already, for it
 * repeats; or a copy. */
static const void *bring(dms_chain_runner *r, const dms_walk_at *at, uint32_t k, int64_t index,
                         int64_t n) {
    const dms_dtype dtype = r->job->call->view[r->n_own + k].dtype;
    const void *memory = dms_class_is_storage(dtype) ? strip_in_memory(r, at, k, index, n) : NULL;
    if (memory != NULL)
        return memory;
    int64_t key = -1;
    if (r->lie[k].period <= DMS_STRIP)
        key = index % r->lie[k].period;
    else if (pitch_of(r, k) == 0 && n <= dms_walk_run(&r->walk, at))
        key = at->element[k];
    if (key >= 0 && r->held[k] == key && r->n_held[k] >= n)
        return &r->in[k];
    r->held[k] = key;
    r->n_held[k] = n;
    move_runs(r, at, k, index, n, &r->in[k], false);
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

/* All instructions over the n elements from `index` on. */
static void run_strip(dms_chain_runner *r, const dms_walk_at *at, int64_t index, int64_t n,
                      const void *result) {
    const dms_chain *chain = &r->chain;
    const uint32_t y = r->n_walk - 1, n_in = chain->n_in, lead = n_in - y;
    const uint32_t last = chain->n_ops - 1;
    if (chain->has_result)
        r->value[0] = bring_result(r, result, n);
    for (uint32_t k = 0; k < y; k++)
        r->value[lead + k] = bring(r, at, k, index, n);
    void *direct =
        dms_chain_is_full(chain->op[last].dtype) ? strip_in_memory(r, at, y, index, n) : NULL;
    for (uint32_t j = 0; j < chain->n_ops; j++) {
        const dms_chain_op *op = &chain->op[j];
        if (op->kind == DMS_CHAIN_REAL)
            continue;
        void *out = j == last && direct != NULL ? direct : (void *)&r->reg[op->reg];
        run_op(r, j, n, out);
        r->value[n_in + j] = out;
    }
    if (direct == NULL || chain->op[last].kind == DMS_CHAIN_REAL)
        move_runs(r, at, y, index, n, (void *)(uintptr_t)r->value[n_in + last], true);
}

/* How many elements from `index` on make a good strip. Long runs are taken as they lie; short ones
 * are brought several at a time, in whole periods of what repeats. */
static int64_t strip_length(const dms_chain_runner *r, const dms_walk_at *at, int64_t index,
                            int64_t left) {
    const int64_t run = dms_walk_run(&r->walk, at);
    int64_t n = DMS_STRIP;
    if (r->is_plain)
        return left;
    if (run >= SHORT_RUN)
        n = run < n ? run : n;
    else
        n -= (index + DMS_STRIP) % r->short_period;
    return n < left ? n : left;
}

void DMS_ISA(dms_chain_run)(dms_chain_runner *runner, int64_t first, int64_t n,
                            const void *result) {
    const dms_walk *walk = &runner->walk;
    const uint32_t size = runner->chain.has_result ? dms_dtype_bytes(runner->chain.dtype[0]) : 0;
    dms_walk_at at;
    if (n > 0)
        dms_walk_seek(walk, first, &at);
    for (int64_t done = 0; done < n;) {
        const int64_t run = dms_walk_run(walk, &at);
        const int64_t some = strip_length(runner, &at, first + done, n - done);
        run_strip(runner, &at, first + done, some,
                  result == NULL ? NULL : (const char *)result + done * (int64_t)size);
        done += some;
        if (some < run)
            dms_walk_next(walk, &at, some);
        else if (done < n)
            dms_walk_seek(walk, first + done, &at);
    }
}

/* --- DMS_K_CHAIN, and the kernels that are chains of one instruction */

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
    const int64_t n = (stop < count ? stop : count) - start;
    if (!DMS_ISA(dms_per_row_run)(&runner, start, n))
        DMS_ISA(dms_chain_run)(&runner, start, n, NULL);
}

#define KERNEL(name, ID)                                                                           \
    const dms_cpu_kernel DMS_ISA(dms_cpu_##name) = {ID, chain_parts, run_chain};
KERNEL(chain, DMS_K_CHAIN)
KERNEL(unary, DMS_K_UNARY)
KERNEL(binary, DMS_K_BINARY)
KERNEL(cast, DMS_K_CAST)
