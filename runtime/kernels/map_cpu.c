/* map_cpu.c - SELECT, FILL and RANGE, by element size: bytes are chosen or written, not computed.
 * UNARY, BINARY and CAST are chains of one instruction (chain_cpu.c). */
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
KERNEL(select, DMS_K_SELECT)
KERNEL(fill, DMS_K_FILL)
KERNEL(range, DMS_K_RANGE)
