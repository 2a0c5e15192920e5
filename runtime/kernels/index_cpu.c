/* index_cpu.c - gathers, scatters and ONE_HOT. An index outside its axis is clamped to the nearest
 * entry and reported; one below 0 counts from the end.
 *
 *     index     -n-1   -n  ...  -1    0  ...  n-1    n
 *     entry        0    0  ... n-1    0  ...  n-1  n-1
 *     reported     x                                 x
 *
 * The access therefore stays inside the operand whatever the data are; the run ends with an error
 * once the command is done, because a clamped result is no result. */
#include <string.h>

#include "runtime/kernels/copy_plan.h"

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/index_body.h"
#include "runtime/kernels/map_internal.h"

/* Elements of the output per part. */
#define PART 32768

/* Index operand of a call: where it lies, how wide it is. */
typedef struct index_reader {
    const dms_cpu_job *job;
    const char *base;
    bool is_wide;
    uint32_t operand;
} index_reader;

/* Indices of 32 and 64 bits share one reader; the branch is predicted. */
static index_reader open_index(const dms_cpu_job *job, uint32_t operand) {
    return (index_reader){job, job->operand[operand],
                          job->call->view[operand].dtype == DMS_DTYPE_I64, operand};
}

/* The index at `element`, as an entry of an axis of n > 0 entries. */
static int64_t read_index(const index_reader *r, int64_t element, int64_t n) {
    int64_t index;
    if (r->is_wide) {
        memcpy(&index, r->base + element * 8, sizeof index);
    } else {
        int32_t narrow;
        memcpy(&narrow, r->base + element * 4, sizeof narrow);
        index = narrow;
    }
    int is_wrong;
    const int64_t entry = dms_entry_of(index, n, &is_wrong);
    if (is_wrong)
        atomic_store_explicit(r->job->index_error, 1 + r->operand, memory_order_relaxed);
    return entry;
}

/* Rows of `width` elements per part, and the rows of parts [first, end) of `rows`. */
static int64_t rows_each(int64_t width) {
    return width >= PART ? 1 : PART / (width < 1 ? 1 : width);
}

/* Parts of whole rows; a tensor of empty rows has none. */
static uint64_t parts_of(int64_t rows, int64_t width) {
    const int64_t each = rows_each(width);
    return width == 0 ? 0 : (uint64_t)((rows + each - 1) / each);
}

/* The first row of a part, or the end of all. */
static int64_t row_at(uint64_t part, int64_t rows, int64_t width) {
    const int64_t row = (int64_t)part * rows_each(width);
    return row < rows ? row : rows;
}

/* --- GATHER x[o,n,r], idx[j] -> y[o,j,r]: rows are (o, j) */

/* The same rows for GATHER and GATHER_ND: both have y[., ., r]. */
static uint64_t parts_gather(const dms_call *call) {
    const int64_t *dim = call->view[2].dim;
    return parts_of(dim[0] * dim[1], dim[2]);
}

/* One strip copy per row: memcpy where rows are dense, as in an embedding. */
static void run_gather(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_view *x = &job->call->view[0], *idx = &job->call->view[1], *y = &job->call->view[2];
    const index_reader reader = open_index(job, 1);
    const uint32_t bytes = dms_dtype_bytes(x->dtype);
    const int64_t rows = y->dim[0] * y->dim[1], width = y->dim[2];
    for (int64_t row = row_at(first, rows, width), stop = row_at(end, rows, width); row < stop;
         row++) {
        const int64_t o = row / y->dim[1], j = row % y->dim[1];
        const int64_t entry = read_index(&reader, j * idx->pitch[0], x->dim[1]);
        const int64_t from = o * x->pitch[0] + entry * x->pitch[1];
        const int64_t to = o * y->pitch[0] + j * y->pitch[1];
        DMS_ISA(dms_copy_strip)
        (bytes, width, (const char *)job->operand[0] + from * bytes, x->pitch[2],
         (char *)job->operand[2] + to * bytes, y->pitch[2]);
    }
}

/* --- GATHER_PART x[o,m,r], idx[j] (, before[o,j,r]) -> y[o,j,r]: rows are (o, j) */

/* The same rows as GATHER, y behind one or two more inputs. */
static uint64_t parts_gather_part(const dms_call *call) {
    const int64_t *dim = call->view[call->n_in].dim;
    return parts_of(dim[0] * dim[1], dim[2]);
}

/* Every index is read by every part, so each reports those that are outside of the whole table. */
static void run_gather_part(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    static const uint8_t zeros[8];
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0], *idx = &call->view[1], *y = &call->view[call->n_in];
    const dms_view *before = &call->view[2];
    const bool is_first = call->n_in == 2;
    const bool is_in_place = !is_first && job->operand[2] == job->operand[3];
    const index_reader reader = open_index(job, 1);
    const uint32_t bytes = dms_dtype_bytes(x->dtype);
    const int64_t rows = y->dim[0] * y->dim[1], width = y->dim[2];
    for (int64_t row = row_at(first, rows, width), stop = row_at(end, rows, width); row < stop;
         row++) {
        const int64_t o = row / y->dim[1], j = row % y->dim[1];
        const int64_t entry = read_index(&reader, j * idx->pitch[0], call->i[1]) - call->i[0];
        const bool is_here = entry >= 0 && entry < x->dim[1];
        const int64_t to = o * y->pitch[0] + j * y->pitch[1];
        const char *from = (const char *)zeros;
        int64_t pitch = 0;
        if (!is_here && is_in_place)
            continue;
        if (is_here) {
            from = (const char *)job->operand[0] +
                   (o * x->pitch[0] + entry * x->pitch[1]) * (int64_t)bytes;
            pitch = x->pitch[2];
        } else if (!is_first) {
            from = (const char *)job->operand[2] +
                   (o * before->pitch[0] + j * before->pitch[1]) * (int64_t)bytes;
            pitch = before->pitch[2];
        }
        DMS_ISA(dms_copy_strip)
        (bytes, width, from, pitch, (char *)job->operand[call->n_in] + to * bytes, y->pitch[2]);
    }
}

/* --- GATHER_ND x[b,n0..nk-1,r], idx[b,j,k] -> y[b,j,r]: rows are (b, j) */

/* k indices move the row along k axes; b walks along with both. */
static void run_gather_nd(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_view *x = &job->call->view[0], *idx = &job->call->view[1], *y = &job->call->view[2];
    const index_reader reader = open_index(job, 1);
    const uint32_t bytes = dms_dtype_bytes(x->dtype), n = (uint32_t)job->call->i[0];
    const int64_t rows = y->dim[0] * y->dim[1], width = y->dim[2];
    for (int64_t row = row_at(first, rows, width), stop = row_at(end, rows, width); row < stop;
         row++) {
        const int64_t b = row / y->dim[1], j = row % y->dim[1];
        int64_t from = b * x->pitch[0];
        for (uint32_t k = 0; k < n; k++) {
            const int64_t at = b * idx->pitch[0] + j * idx->pitch[1] + k * idx->pitch[2];
            from += read_index(&reader, at, x->dim[k + 1]) * x->pitch[k + 1];
        }
        const int64_t to = b * y->pitch[0] + j * y->pitch[1];
        DMS_ISA(dms_copy_strip)
        (bytes, width, (const char *)job->operand[0] + from * bytes, x->pitch[n + 1],
         (char *)job->operand[2] + to * bytes, y->pitch[2]);
    }
}

/* --- GATHER_ELEMENTS: element by element in the order of idx */

/* Copies one element. */
static void copy_one(uint32_t bytes, const void *from, void *to) {
    switch (bytes) {
    case 1:
        memcpy(to, from, 1);
        return;
    case 2:
        memcpy(to, from, 2);
        return;
    case 4:
        memcpy(to, from, 4);
        return;
    case 8:
        memcpy(to, from, 8);
        return;
    }
}

/* Elements are rows of one. */
static uint64_t parts_gather_elements(const dms_call *call) {
    return parts_of(dms_view_count(&call->view[2]), 1);
}

/* The walk of idx, of operand `other` at the same places, and of x with `axis` standing still: what
 * the index then moves along that axis. */
static void walk_elements(const dms_call *call, uint32_t other, uint32_t table, dms_walk *walk) {
    dms_view x = call->view[table];
    const uint32_t axis = (uint32_t)call->i[0];
    memcpy(x.dim, call->view[1].dim, sizeof x.dim);
    x.pitch[axis] = 0;
    const dms_view *const view[] = {&call->view[1], &call->view[other], &x};
    dms_walk_init(walk, view, 3);
}

/* Three operands walk together; only the index looks aside. */
static void run_gather_elements(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_view *x = &job->call->view[0];
    const uint32_t axis = (uint32_t)job->call->i[0], bytes = dms_dtype_bytes(x->dtype);
    const index_reader reader = open_index(job, 1);
    dms_walk walk;
    walk_elements(job->call, 2, 0, &walk);
    int64_t e = row_at(first, walk.count, 1);
    const int64_t stop = row_at(end, walk.count, 1);
    dms_walk_at at;
    if (e < stop)
        dms_walk_seek(&walk, e, &at);
    for (; e < stop; e++) {
        const int64_t entry = read_index(&reader, at.element[0], x->dim[axis]);
        copy_one(bytes,
                 (const char *)job->operand[0] +
                     (at.element[2] + entry * x->pitch[axis]) * (int64_t)bytes,
                 (char *)job->operand[2] + at.element[1] * (int64_t)bytes);
        dms_walk_next(&walk, &at, 1);
    }
}

/* --- scatters: y = x, then the updates in order. One part: several updates may meet one place. */

/* One part, or none for an empty y. */
static uint64_t one_part(const dms_call *call) {
    return dms_view_count(&call->view[3]) == 0 ? 0 : 1;
}

/* y over x already is x. Else the whole is copied, untouched places included. */
static void start_as_x(const dms_cpu_job *job) {
    if (job->operand[3] == job->operand[0])
        return;
    dms_copy_plan plan;
    DMS_ISA(dms_copy_plan)(&job->call->view[0], &job->call->view[3], 0, &plan);
    DMS_ISA(dms_copy_run)(&plan, job->operand[0], job->operand[3], 0, (uint64_t)plan.parts);
}

/* How updates meet what is there: a function of two strips, NULL = they replace it. */
static dms_map_fn reduction_of(const dms_call *call) {
    static const int64_t fn[] = {-1, DMS_FN_ADD, DMS_FN_MUL, DMS_FN_MIN, DMS_FN_MAX};
    if (call->i[1] == 0)
        return NULL;
    return DMS_ISA(dms_map_binary)(fn[call->i[1]], dms_class_of(call->view[0].dtype));
}

/* n updates onto n different places. */
static void update(const dms_call *call, dms_map_fn reduce, int64_t n, const void *from,
                   int64_t pitch_from, void *to, int64_t pitch_to) {
    const dms_dtype dtype = call->view[0].dtype;
    const uint32_t bytes = dms_dtype_bytes(dtype);
    static const double no_parameters[2] = {0.0, 0.0};
    if (reduce == NULL) {
        DMS_ISA(dms_copy_strip)(bytes, n, from, pitch_from, to, pitch_to);
        return;
    }
    for (int64_t i = 0; i < n; i += DMS_STRIP) {
        const int64_t some = n - i < DMS_STRIP ? n - i : DMS_STRIP;
        char *at = (char *)to + i * pitch_to * (int64_t)bytes;
        dms_strip old, new;
        DMS_ISA(dms_strip_load)(dtype, at, pitch_to, some, &old);
        DMS_ISA(dms_strip_load)
        (dtype, (const char *)from + i * pitch_from * (int64_t)bytes, pitch_from, some, &new);
        const void *const in[] = {&old, &new};
        reduce(some, in, &old, no_parameters);
        DMS_ISA(dms_strip_store)(dtype, &old, at, pitch_to, some);
    }
}

/* Updates one by one in row-major order, as the order decides which of two stays. */
static void run_scatter_elements(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    if (first >= end)
        return;
    start_as_x(job);
    const dms_call *call = job->call;
    const uint32_t axis = (uint32_t)call->i[0];
    const int64_t bytes = dms_dtype_bytes(call->view[3].dtype);
    const index_reader reader = open_index(job, 1);
    const dms_map_fn reduce = reduction_of(call);
    dms_walk walk;
    walk_elements(call, 2, 3, &walk);
    dms_walk_at at;
    if (walk.count > 0)
        dms_walk_seek(&walk, 0, &at);
    for (int64_t e = 0; e < walk.count; e++) {
        const int64_t entry = read_index(&reader, at.element[0], call->view[3].dim[axis]);
        const int64_t to = at.element[2] + entry * call->view[3].pitch[axis];
        update(call, reduce, 1, (const char *)job->operand[2] + at.element[1] * bytes, 1,
               (char *)job->operand[3] + to * bytes, 1);
        dms_walk_next(&walk, &at, 1);
    }
}

/* A row of an update meets each place once, so its elements need no order among themselves. */
static void run_scatter_nd(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    if (first >= end)
        return;
    start_as_x(job);
    const dms_call *call = job->call;
    const dms_view *idx = &call->view[1], *upd = &call->view[2], *y = &call->view[3];
    const uint32_t n = (uint32_t)call->i[0];
    const int64_t bytes = dms_dtype_bytes(y->dtype);
    const index_reader reader = open_index(job, 1);
    const dms_map_fn reduce = reduction_of(call);
    for (int64_t j = 0; j < idx->dim[0]; j++) {
        int64_t to = 0;
        for (uint32_t k = 0; k < n; k++)
            to +=
                read_index(&reader, j * idx->pitch[0] + k * idx->pitch[1], y->dim[k]) * y->pitch[k];
        update(call, reduce, upd->dim[1], (const char *)job->operand[2] + j * upd->pitch[0] * bytes,
               upd->pitch[1], (char *)job->operand[3] + to * bytes, y->pitch[n]);
    }
}

/* --- ONE_HOT idx[o,r], values[2] -> y[o,depth,r]: rows are (o, depth) */

/* Rows are (o, depth), each of r elements. */
static uint64_t parts_one_hot(const dms_call *call) {
    const int64_t *dim = call->view[2].dim;
    return parts_of(dim[0] * dim[1], dim[2]);
}

/* An index of any type as an entry of [0, depth), or -1 where it is outside. */
static int64_t hot_entry(const dms_cpu_job *job, int64_t element, int64_t depth) {
    const dms_dtype dtype = job->call->view[0].dtype;
    dms_strip value, whole;
    DMS_ISA(dms_strip_load)
    (dtype, (const char *)job->operand[0] + element * (int64_t)dms_dtype_bytes(dtype), 1, 1,
     &value);
    whole.i64[0] = value.i64[0];
    const void *const in[] = {&value};
    if (dms_dtype_is_float(dtype))
        DMS_ISA(dms_map_cast)(dtype, DMS_DTYPE_I64)(1, in, &whole, NULL);
    return dms_hot_entry(whole.i64[0], depth);
}

/* The rows of a part become cold, then the hot elements that fall into them are set: each index is
 * read once per part that its samples reach, not once per depth. */
static void run_one_hot(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_view *idx = &job->call->view[0], *values = &job->call->view[1];
    const dms_view *y = &job->call->view[2];
    const int64_t bytes = dms_dtype_bytes(y->dtype), depth = y->dim[1], width = y->dim[2];
    const char *off = job->operand[1], *on = off + values->pitch[0] * bytes;
    char *to = job->operand[2];
    const int64_t rows = y->dim[0] * depth;
    const int64_t low = row_at(first, rows, width), stop = row_at(end, rows, width);
    for (int64_t row = low; row < stop; row++)
        DMS_ISA(dms_copy_strip)
    ((uint32_t)bytes, width, off, 0,
     to + (row / depth * y->pitch[0] + row % depth * y->pitch[1]) * bytes, y->pitch[2]);
    for (int64_t o = low < stop ? low / depth : 0; o * depth < stop; o++)
        for (int64_t r = 0; r < width; r++) {
            const int64_t hot = hot_entry(job, o * idx->pitch[0] + r * idx->pitch[1], depth);
            const int64_t row = o * depth + hot;
            if (hot >= 0 && row >= low && row < stop)
                copy_one((uint32_t)bytes, on,
                         to + (o * y->pitch[0] + hot * y->pitch[1] + r * y->pitch[2]) * bytes);
        }
}

#define KERNEL(name, ID, PARTS)                                                                    \
    const dms_cpu_kernel DMS_ISA(dms_cpu_##name) = {ID, PARTS, run_##name};
KERNEL(gather, DMS_K_GATHER, parts_gather)
KERNEL(gather_part, DMS_K_GATHER_PART, parts_gather_part)
KERNEL(gather_elements, DMS_K_GATHER_ELEMENTS, parts_gather_elements)
KERNEL(gather_nd, DMS_K_GATHER_ND, parts_gather)
KERNEL(scatter_elements, DMS_K_SCATTER_ELEMENTS, one_part)
KERNEL(scatter_nd, DMS_K_SCATTER_ND, one_part)
KERNEL(one_hot, DMS_K_ONE_HOT, parts_one_hot)
