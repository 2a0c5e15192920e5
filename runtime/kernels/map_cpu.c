/* map_cpu.c - UNARY, BINARY and CAST by strips; SELECT, FILL and RANGE by element size.
 *
 *     memory of any type, any pitch      dense, in the class of the type      memory again
 *     f16  . x . . x . . x      load     f32  x x x ...     apply, store      f16  . y . . y
 *     f32  x x x x x x x x      as it is f32  x x x ...     apply             f32  y y y y y
 *
 * So a function is written once per class, not once per type and pitch, and its loop is always
 * dense. An operand that already is a dense strip of its class is used where it lies, whole runs at
 * a time: for f32 activations nothing is copied. */
#include <stddef.h>

#include "runtime/kernels/map_internal.h"

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/walk.h"

/* Parts are ranges of the output in row-major order of its dims, whatever its pitches. */
static uint64_t map_parts(const dms_call *call) {
    const int64_t count = dms_view_count(&call->view[call->n_in + call->n_out - 1]);
    return ((uint64_t)count + DMS_MAP_PART - 1) / DMS_MAP_PART;
}

/* The walk of a call and the elements of its parts [first, end). */
typedef struct part_range {
    dms_walk walk;
    dms_walk_at at;
    int64_t index, end;
} part_range;

/* The walk over all operands, standing at the first element of part `first`. */
static void start(const dms_call *call, uint64_t first, uint64_t end, part_range *out) {
    const dms_view *view[DMS_WALK_OPERANDS] = {NULL};
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
        view[k] = &call->view[k];
    dms_walk_init(&out->walk, view, call->n_in + call->n_out);
    out->index = (int64_t)first * DMS_MAP_PART;
    out->end = (int64_t)end * DMS_MAP_PART;
    out->end = out->end < out->walk.count ? out->end : out->walk.count;
    if (out->index < out->end)
        dms_walk_seek(&out->walk, out->index, &out->at);
}

/* Elements of the run at hand that belong to the range. */
static int64_t run_of(const part_range *range) {
    const int64_t run = dms_walk_run(&range->walk, &range->at);
    return run < range->end - range->index ? run : range->end - range->index;
}

/* Address of an element, counted from element 0 of the operand. */
static void *element(const dms_cpu_job *job, uint32_t operand, int64_t index) {
    return (char *)job->operand[operand] +
           index * (int64_t)dms_dtype_bytes(job->call->view[operand].dtype);
}

/* --- strips */

/* Runs below this are brought several at a time. */
#define SHORT_RUN 64

/* Where the strips of a thread lie. A repeated element fills its strip once for a whole run. */
typedef struct strips {
    const dms_cpu_job *job;
    const dms_map_task *task;
    part_range range;
    int64_t held[2]; /* the element that fills in[k], or -1 */
    const void *filled[2];
    dms_strip in[2], converted[2], out, back;
} strips;

/* Bytes of i elements of a strip of this type. */
static int64_t strip_bytes(dms_dtype dtype, int64_t i) {
    return i * (int64_t)dms_class_bytes(dms_class_of(dtype));
}

/* The next n elements of operand k, run after run, between memory and `strip`. */
static void load_runs(const strips *t, uint32_t k, int64_t n, dms_strip *strip) {
    const dms_dtype dtype = t->job->call->view[k].dtype;
    const dms_walk *walk = &t->range.walk;
    dms_walk_at at = t->range.at;
    for (int64_t i = 0, run; i < n; i += run) {
        run = dms_walk_run(walk, &at) < n - i ? dms_walk_run(walk, &at) : n - i;
        DMS_ISA(dms_strip_load)
        (dtype, element(t->job, k, at.element[k]), walk->pitch[k][walk->rank - 1], run,
         (char *)strip + strip_bytes(dtype, i));
        dms_walk_next(walk, &at, run);
    }
}

/* The way back: n results to the places where operand k has them. */
static void store_runs(const strips *t, uint32_t k, int64_t n, const void *strip) {
    const dms_dtype dtype = t->job->call->view[k].dtype;
    const dms_walk *walk = &t->range.walk;
    dms_walk_at at = t->range.at;
    for (int64_t i = 0, run; i < n; i += run) {
        run = dms_walk_run(walk, &at) < n - i ? dms_walk_run(walk, &at) : n - i;
        DMS_ISA(dms_strip_store)
        (dtype, (const char *)strip + strip_bytes(dtype, i), element(t->job, k, at.element[k]),
         walk->pitch[k][walk->rank - 1], run);
        dms_walk_next(walk, &at, run);
    }
}

/* Whether memory of operand k is a strip as it stands. The bytes of a bool that is read may be any
 * but 0, so only an output of that type is. */
static bool is_strip(const strips *t, uint32_t k) {
    const dms_dtype dtype = t->job->call->view[k].dtype;
    return t->range.walk.pitch[k][t->range.walk.rank - 1] == 1 &&
           (dms_class_is_storage(dtype) || (dtype == DMS_DTYPE_BOOL && k == t->task->n_in));
}

/* The next n elements of input k as a dense strip of the class that `apply` wants. */
static const void *bring(strips *t, uint32_t k, int64_t n, int64_t run) {
    const int64_t at = t->range.at.element[k];
    const void *strip = &t->in[k];
    const bool is_repeated = run > DMS_STRIP && t->range.walk.pitch[k][t->range.walk.rank - 1] == 0;
    if (is_repeated && t->held[k] == at)
        return t->filled[k];
    t->held[k] = is_repeated ? at : -1;
    n = is_repeated ? DMS_STRIP : n;
    if (n <= run && is_strip(t, k))
        strip = element(t->job, k, at);
    else
        load_runs(t, k, n, &t->in[k]);
    t->filled[k] = strip;
    if (t->task->convert_in[k] == NULL)
        return strip;
    t->task->convert_in[k](n, &strip, &t->converted[k], t->task->p);
    t->filled[k] = &t->converted[k];
    return &t->converted[k];
}

/* Computes the next n elements of the output. */
static void compute(strips *t, int64_t n, int64_t run) {
    const dms_map_task *task = t->task;
    const uint32_t n_in = task->n_in;
    const void *in[2] = {NULL, NULL};
    for (uint32_t k = 0; k < n_in; k++)
        in[k] = bring(t, k, n, run);
    void *to =
        n <= run && is_strip(t, n_in) ? element(t->job, n_in, t->range.at.element[n_in]) : NULL;
    const void *result = in[0];
    if (task->apply != NULL) {
        void *out = to != NULL && task->convert_out == NULL ? to : (void *)&t->out;
        task->apply(n, in, out, task->p);
        result = out;
    }
    if (task->convert_out != NULL) {
        void *out = to != NULL ? to : (void *)&t->back;
        task->convert_out(n, &result, out, task->p);
        result = out;
    }
    if (result != to) /* a strip, or a conversion within one class: the input's strip as it is */
        store_runs(t, n_in, n, result);
}

/* Goes through parts [first, end) strip by strip, or run by run where that needs no copies:
 * one indirect call for 32,768 elements of a dense f32 map. */
static void run_task(const dms_cpu_job *job, const dms_map_task *task, uint64_t first,
                     uint64_t end) {
    strips t;
    t.job = job;
    t.task = task;
    t.held[0] = t.held[1] = -1;
    start(job->call, first, end, &t.range);
    bool is_direct = task->apply != NULL && task->convert_out == NULL;
    for (uint32_t k = 0; k < task->n_in; k++)
        is_direct = is_direct && is_strip(&t, k) && task->convert_in[k] == NULL;
    is_direct = is_direct && is_strip(&t, task->n_in);
    while (t.range.index < t.range.end) {
        const int64_t run = run_of(&t.range), left = t.range.end - t.range.index;
        int64_t n = run < SHORT_RUN ? left : run;
        n = is_direct && run >= SHORT_RUN ? run : n < DMS_STRIP ? n : DMS_STRIP;
        compute(&t, n, run);
        t.range.index += n;
        for (int64_t done = 0; done < n;) {
            const int64_t whole = dms_walk_run(&t.range.walk, &t.range.at);
            const int64_t step = whole < n - done ? whole : n - done;
            dms_walk_next(&t.range.walk, &t.range.at, step);
            done += step;
        }
    }
}

/* Missing parameters stand as 0; the row has made sure that the function reads none of them. */
static void run_unary(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const dms_map_task task = {
        .n_in = 1,
        .apply = DMS_ISA(dms_map_unary)(call->i[0], dms_class_of(call->view[0].dtype)),
        .p = {call->n_f > 0 ? call->f[0] : 0.0, call->n_f > 1 ? call->f[1] : 0.0}};
    run_task(job, &task, first, end);
}

/* A power may have two types: it is computed in the base's, but in f64 where an integer base has a
 * float exponent or the exponent is f64. */
dms_map_task DMS_ISA(dms_map_power)(dms_dtype base, dms_dtype exponent) {
    const bool is_real =
        exponent == DMS_DTYPE_F64 || (dms_dtype_is_integer(base) && dms_dtype_is_float(exponent));
    const dms_dtype in = is_real ? DMS_DTYPE_F64 : base;
    return (dms_map_task){
        .n_in = 2,
        .convert_in = {DMS_ISA(dms_map_cast)(base, in), DMS_ISA(dms_map_cast)(exponent, in)},
        .apply = DMS_ISA(dms_map_binary)(DMS_FN_POW, dms_class_of(in)),
        .convert_out = DMS_ISA(dms_map_cast)(in, base)};
}

/* Both operands of all but POW have one type, hence one class and no conversion. */
static void run_binary(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const dms_dtype dtype = call->view[0].dtype;
    dms_map_task task = {.n_in = 2,
                         .apply = DMS_ISA(dms_map_binary)(call->i[0], dms_class_of(dtype))};
    if (call->i[0] == DMS_FN_POW)
        task = DMS_ISA(dms_map_power)(dtype, call->view[1].dtype);
    run_task(job, &task, first, end);
}

/* A cast has nothing to apply: the strip of the one class becomes a strip of the other. Within
 * a class (f16 to f32, i8 to i64) load and store are the conversion. */
static void run_cast(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_view *view = job->call->view;
    const dms_map_task task = {.n_in = 1,
                               .convert_out = DMS_ISA(dms_map_cast)(view[0].dtype, view[1].dtype)};
    run_task(job, &task, first, end);
}

/* --- by element size */

#define EACH_SIZE(X) X(1, uint8_t) X(2, uint16_t) X(4, uint32_t) X(8, uint64_t)

/* One run of SELECT and FILL. Dense conditions and results, with operands dense or repeated, are
 * loops of their own. */
#define BY_SIZE(SIZE, T)                                                                           \
    static void select_##SIZE(int64_t n, const int64_t *pitch, const uint8_t *c, const T *a,       \
                              const T *b, T *y) {                                                  \
        const int64_t pc = pitch[0], pa = pitch[1], pb = pitch[2], py = pitch[3];                  \
        if (pc == 1 && py == 1 && pa == 1 && pb == 1) {                                            \
            DMS_INDEPENDENT                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T x = a[i], z = b[i];                                                        \
                y[i] = c[i] != 0 ? x : z;                                                          \
            }                                                                                      \
        } else if (pc == 1 && py == 1 && pa == 0 && pb == 1) {                                     \
            const T x = a[0];                                                                      \
            DMS_INDEPENDENT                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T z = b[i];                                                                  \
                y[i] = c[i] != 0 ? x : z;                                                          \
            }                                                                                      \
        } else if (pc == 1 && py == 1 && pa == 1 && pb == 0) {                                     \
            const T z = b[0];                                                                      \
            DMS_INDEPENDENT                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T x = a[i];                                                                  \
                y[i] = c[i] != 0 ? x : z;                                                          \
            }                                                                                      \
        } else                                                                                     \
            for (int64_t i = 0; i < n; i++)                                                        \
                y[i * py] = c[i * pc] != 0 ? a[i * pa] : b[i * pb];                                \
    }                                                                                              \
    static void fill_##SIZE(int64_t n, int64_t pitch, T value, T *y) {                             \
        if (pitch == 1)                                                                            \
            for (int64_t i = 0; i < n; i++)                                                        \
                y[i] = value;                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++)                                                        \
                y[i * pitch] = value;                                                              \
    }
EACH_SIZE(BY_SIZE)
#undef BY_SIZE

/* One run of SELECT; `at` and `pitch` in the order c, a, b, y. */
static void select_run(uint32_t bytes, int64_t n, const int64_t *pitch, void *const *at) {
#define SELECT(SIZE, T)                                                                            \
    case SIZE:                                                                                     \
        select_##SIZE(n, pitch, at[0], at[1], at[2], at[3]);                                       \
        return;
    switch (bytes) { EACH_SIZE(SELECT) }
#undef SELECT
}

/* One run of FILL; the low bytes of `value` are the element. */
static void fill_run(uint32_t bytes, int64_t n, int64_t pitch, uint64_t value, void *y) {
#define FILL(SIZE, T)                                                                              \
    case SIZE:                                                                                     \
        fill_##SIZE(n, pitch, (T)value, y);                                                        \
        return;
    switch (bytes) { EACH_SIZE(FILL) }
#undef FILL
}

/* Runs without strips: bytes are chosen, not computed, so no type needs a class. */
static void run_select(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    part_range range;
    start(job->call, first, end, &range);
    while (range.index < range.end) {
        const int64_t n = run_of(&range);
        int64_t pitch[4];
        void *at[4];
        for (uint32_t k = 0; k < 4; k++) {
            pitch[k] = range.walk.pitch[k][range.walk.rank - 1];
            at[k] = element(job, k, range.at.element[k]);
        }
        select_run(dms_dtype_bytes(job->call->view[1].dtype), n, pitch, at);
        dms_walk_next(&range.walk, &range.at, n);
        range.index += n;
    }
}

/* Writes the same bits run after run. */
static void run_fill(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    part_range range;
    start(job->call, first, end, &range);
    while (range.index < range.end) {
        const int64_t n = run_of(&range);
        fill_run(dms_dtype_bytes(job->call->view[0].dtype), n,
                 range.walk.pitch[0][range.walk.rank - 1], (uint64_t)job->call->i[0],
                 element(job, 0, range.at.element[0]));
        dms_walk_next(&range.walk, &range.at, n);
        range.index += n;
    }
}

/* Elements start + k delta from k = `from` on: computed in f64, or in 64 bits with wrapping. */
static void range_strip(const dms_call *call, int64_t from, int64_t n, dms_strip *strip) {
    const dms_class class = dms_class_of(call->view[0].dtype);
    if (class == DMS_CLASS_F32)
        for (int64_t i = 0; i < n; i++)
            strip->f32[i] = (float)(call->f[0] + (double)(from + i) * call->f[1]);
    else if (class == DMS_CLASS_F64)
        for (int64_t i = 0; i < n; i++)
            strip->f64[i] = call->f[0] + (double)(from + i) * call->f[1];
    else
        for (int64_t i = 0; i < n; i++)
            strip->u64[i] = (uint64_t)call->i[0] + (uint64_t)(from + i) * (uint64_t)call->i[1];
}

/* Each strip starts from its own index, not from the last sum: parts are independent. */
static void run_range(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    part_range range;
    start(job->call, first, end, &range);
    dms_strip strip;
    while (range.index < range.end) {
        const int64_t left = range.end - range.index;
        const int64_t n = left < DMS_STRIP ? left : DMS_STRIP;
        range_strip(job->call, range.index, n, &strip);
        DMS_ISA(dms_strip_store)
        (job->call->view[0].dtype, &strip, element(job, 0, range.at.element[0]),
         range.walk.pitch[0][0], n);
        dms_walk_next(&range.walk, &range.at, n);
        range.index += n;
    }
}

#define KERNEL(name, ID) const dms_cpu_kernel DMS_ISA(dms_cpu_##name) = {ID, map_parts, run_##name};
KERNEL(unary, DMS_K_UNARY)
KERNEL(binary, DMS_K_BINARY)
KERNEL(select, DMS_K_SELECT)
KERNEL(cast, DMS_K_CAST)
KERNEL(fill, DMS_K_FILL)
KERNEL(range, DMS_K_RANGE)
