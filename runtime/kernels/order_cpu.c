/* order_cpu.c - kernels in which the order of a row's elements counts: ARG, CUMSUM, TOPK.
 *
 * TOPK keeps the heap of the best k positions in the output for the indices itself: no workspace,
 * any k. Its top is the worst of them, so that most elements of a long row cost one comparison.
 * Equal keys are ordered by position, which makes the order total and the result the same on
 * every machine. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/elementary.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/fold.h"
#include "runtime/kernels/line.h"

/* Rows of x along its last axis, and parts of them. */
static int64_t row_length(const dms_call *call) {
    return call->view[0].dim[call->view[0].rank - 1];
}

/* Rows of x: the product of all dims but the last. */
static int64_t row_count(const dms_call *call) {
    int64_t rows = 1;
    for (uint32_t k = 0; k + 1 < call->view[0].rank; k++)
        rows *= call->view[0].dim[k];
    return rows;
}

/* Empty rows are no work: CUMSUM has nothing to write, and ARG refuses them. */
static uint64_t parts_of_rows(const dms_call *call) {
    return row_length(call) == 0 ? 0 : dms_line_parts(row_count(call), row_length(call));
}

/* The leading axes of x and the outputs. */
static void walk_rows(const dms_call *call, dms_walk *out) {
    const dms_view *view[DMS_WALK_OPERANDS] = {&call->view[0]};
    for (uint32_t k = 0; k < call->n_out; k++)
        view[1 + k] = &call->view[1 + k];
    dms_line_rows(view, 1 + call->n_out, call->view[0].rank - 1, out);
}

/* --- ARG: the extreme is folded first, which is vectorised; then it is looked for. A NaN is the
 * extreme of its row. */

#define FIND(NAME, TX, SAME)                                                                       \
    static int64_t NAME(int64_t n, const void *strip, const void *wanted, bool is_last) {          \
        const TX *a = strip;                                                                       \
        TX z;                                                                                      \
        memcpy(&z, wanted, sizeof z);                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const int64_t k = is_last ? n - 1 - i : i;                                             \
            const TX x = a[k];                                                                     \
            if (SAME)                                                                              \
                return k;                                                                          \
        }                                                                                          \
        return -1;                                                                                 \
    }
FIND(find_f32, float, x == z || (x != x && z != z))
FIND(find_f64, double, x == z || (x != x && z != z))
FIND(find_i64, uint64_t, x == z)

/* Position of `wanted` in a strip, from either end; -1 = not here. */
static int64_t find(dms_class class, int64_t n, const void *strip, const void *wanted,
                    bool is_last) {
    return class == DMS_CLASS_F32   ? find_f32(n, strip, wanted, is_last)
           : class == DMS_CLASS_F64 ? find_f64(n, strip, wanted, is_last)
                                    : find_i64(n, strip, wanted, is_last);
}

/* Two passes: the fold is eight elements per instruction, and the search stops early. */
static int64_t arg_of_row(dms_line *x, dms_class class, const dms_fold *fold, bool is_last) {
    const int64_t count = x->walk.count;
    dms_lanes lanes;
    dms_strip strip;
    DMS_ISA(dms_fold_start)(fold, class, DMS_LANES, &lanes);
    for (int64_t i = 0; i < count; i += DMS_STRIP) {
        const int64_t n = count - i < DMS_STRIP ? count - i : DMS_STRIP;
        fold->along(&lanes, dms_line_get(x, n, &strip), n);
    }
    DMS_ISA(dms_fold_join)(fold, class, 1, &lanes);
    int64_t found = 0;
    dms_line_restart(x);
    for (int64_t i = 0; i < count; i += DMS_STRIP) {
        const int64_t n = count - i < DMS_STRIP ? count - i : DMS_STRIP;
        const int64_t k = find(class, n, dms_line_get(x, n, &strip), &lanes, is_last);
        if (k >= 0 && !is_last)
            return i + k;
        found = k >= 0 ? i + k : found;
    }
    return found;
}

/* The index lands in an i64 of any pitch. */
static void run_arg(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const int64_t n = row_length(call), rows = row_count(call);
    const dms_class class = dms_class_of(call->view[0].dtype);
    const dms_fold *fold =
        DMS_ISA(dms_fold_find)(call->i[0] != 0 ? DMS_FOLD_MIN : DMS_FOLD_MAX, class);
    dms_walk walk;
    dms_line x;
    walk_rows(call, &walk);
    dms_line_open(&x, &call->view[0], call->view[0].rank - 1, job->operand[0]);
    const int64_t stop = dms_line_first(end, rows, n);
    for (int64_t r = dms_line_first(first, rows, n); r < stop; r++) {
        dms_walk_at at = {{0}, {0}};
        dms_walk_seek(&walk, r, &at);
        dms_line_start(&x, at.element[0]);
        ((int64_t *)job->operand[1])[at.element[1]] = arg_of_row(&x, class, fold, call->i[1] != 0);
    }
}

/* --- CUMSUM: one chain per row */

#define CHAIN(NAME, TX)                                                                            \
    static void NAME(int64_t n, const void *strip, void *out, void *carried, bool is_exclusive) {  \
        const TX *a = strip;                                                                       \
        TX *y = out, sum;                                                                          \
        memcpy(&sum, carried, sizeof sum);                                                         \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const TX before = sum;                                                                 \
            sum = before + a[i];                                                                   \
            y[i] = is_exclusive ? before : sum;                                                    \
        }                                                                                          \
        memcpy(carried, &sum, sizeof sum);                                                         \
    }
CHAIN(chain_f32, float)
CHAIN(chain_f64, double)
CHAIN(chain_i64, uint64_t)

/* A chain is sequential, so the row is not vectorised; rows are spread over threads. */
static void chain(dms_class class, int64_t n, const void *strip, dms_strip *out,
                  dms_scalar *carried, bool is_exclusive) {
    if (class == DMS_CLASS_F32) {
        chain_f32(n, strip, out, carried, is_exclusive);
        for (int64_t i = 0; i < n; i++)
            out->f32[i] = dms_quietf(out->f32[i]);
    } else if (class == DMS_CLASS_F64) {
        chain_f64(n, strip, out, carried, is_exclusive);
        for (int64_t i = 0; i < n; i++)
            out->f64[i] = out->f64[i] != out->f64[i] ? (double)NAN : out->f64[i];
    } else {
        chain_i64(n, strip, out, carried, is_exclusive);
    }
}

/* The last axis of an operand, walked from its end when `reverse`. */
static void open_last_axis(dms_line *line, const dms_view *view, void *operand, bool reverse,
                           int64_t *out_start) {
    const uint32_t last = view->rank - 1;
    dms_line_open(line, view, last, operand);
    *out_start = 0;
    if (!reverse || view->dim[last] < 2)
        return;
    *out_start = (view->dim[last] - 1) * view->pitch[last];
    line->walk.pitch[0][0] = -view->pitch[last];
}

/* Reversed, both lines start at their last element and walk with negated pitches. */
static void run_cumsum(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const int64_t n = row_length(call), rows = row_count(call);
    const dms_class class = dms_class_of(call->view[0].dtype);
    dms_walk walk;
    dms_line x, y;
    int64_t start_x, start_y;
    walk_rows(call, &walk);
    open_last_axis(&x, &call->view[0], job->operand[0], call->i[1] != 0, &start_x);
    open_last_axis(&y, &call->view[1], job->operand[1], call->i[1] != 0, &start_y);
    const int64_t stop = dms_line_first(end, rows, n);
    for (int64_t r = dms_line_first(first, rows, n); r < stop; r++) {
        dms_walk_at at;
        dms_walk_seek(&walk, r, &at);
        dms_line_start(&x, at.element[0] + start_x);
        dms_line_start(&y, at.element[1] + start_y);
        dms_scalar carried = {.u64 = 0};
        for (int64_t i = 0; i < n; i += DMS_STRIP) {
            const int64_t some = n - i < DMS_STRIP ? n - i : DMS_STRIP;
            dms_strip strip, out;
            const void *a = dms_line_get(&x, some, &strip);
            chain(class, some, a, &out, &carried, call->i[0] != 0);
            dms_line_put(&y, some, &out);
        }
    }
}

/* --- TOPK: a heap of the k best so far, the worst on top, kept in the output for the indices */

/* One row: keys grow with what is wanted, so that the best k have the largest keys. */
typedef struct topk_row {
    const char *x; /* element 0 */
    dms_dtype dtype;
    int64_t pitch, bytes;
    uint64_t flip; /* all ones where the smallest are wanted */
    int64_t *heap; /* positions */
    int64_t pitch_heap;
} topk_row;

/* The key of an element, turned where the smallest are wanted. */
static uint64_t key_of(const topk_row *row, int64_t position) {
    dms_scalar value;
    const char *at = row->x + position * row->pitch * row->bytes;
    if (row->dtype == DMS_DTYPE_F32) /* the usual type needs no conversion */
        memcpy(&value.f32, at, sizeof value.f32);
    else
        DMS_ISA(dms_strip_load)(row->dtype, at, 1, 1, &value);
    return dms_order_key(dms_class_of(row->dtype), value) ^ row->flip;
}

/* Lets the element at `at` sink in a heap of n whose top is the worst. */
static void sink(const topk_row *row, int64_t at, int64_t n) {
    int64_t *h = row->heap;
    const int64_t p = row->pitch_heap, moved = h[at * p];
    const uint64_t key = key_of(row, moved);
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        uint64_t key_child = key_of(row, h[child * p]);
        if (child + 1 < n) {
            const uint64_t key_next = key_of(row, h[(child + 1) * p]);
            if (dms_order_is_worse(key_next, h[(child + 1) * p], key_child, h[child * p])) {
                key_child = key_next;
                child++;
            }
        }
        if (!dms_order_is_worse(key_child, h[child * p], key, moved))
            break;
        h[at * p] = h[child * p];
        at = child;
    }
    h[at * p] = moved;
}

/* Fills the heap with the best k of n positions, best first. */
static void best_of_row(const topk_row *row, int64_t n, int64_t k) {
    int64_t *h = row->heap;
    const int64_t p = row->pitch_heap;
    for (int64_t i = 0; i < k; i++)
        h[i * p] = i;
    for (int64_t i = k / 2; i-- > 0;)
        sink(row, i, k);
    uint64_t worst = key_of(row, h[0]);
    for (int64_t i = k; i < n; i++) {
        const uint64_t key = key_of(row, i);
        if (!dms_order_is_worse(worst, h[0], key, i))
            continue;
        h[0] = i;
        sink(row, 0, k);
        worst = key_of(row, h[0]);
    }
    for (int64_t left = k - 1; left > 0; left--) { /* heap sort: the worst goes to the end */
        const int64_t top = h[0];
        h[0] = h[left * p];
        h[left * p] = top;
        sink(row, 0, left);
    }
}

/* Values are copied by their bytes once the positions are known. */
static void run_topk(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0], *values = &call->view[1], *indices = &call->view[2];
    const uint32_t last = x->rank - 1;
    const int64_t n = row_length(call), rows = row_count(call), k = values->dim[last];
    topk_row row = {.dtype = x->dtype,
                    .pitch = x->pitch[last],
                    .bytes = dms_dtype_bytes(x->dtype),
                    .flip = call->i[0] != 0 ? 0 : UINT64_MAX,
                    .pitch_heap = indices->pitch[last]};
    dms_walk walk;
    walk_rows(call, &walk);
    const int64_t stop = k == 0 ? 0 : dms_line_first(end, rows, n);
    for (int64_t r = dms_line_first(first, rows, n); r < stop; r++) {
        dms_walk_at at;
        dms_walk_seek(&walk, r, &at);
        row.x = (const char *)job->operand[0] + at.element[0] * row.bytes;
        row.heap = (int64_t *)job->operand[2] + at.element[2];
        best_of_row(&row, n, k);
        char *to = (char *)job->operand[1] + at.element[1] * row.bytes;
        for (int64_t i = 0; i < k; i++)
            memcpy(to + i * values->pitch[last] * row.bytes,
                   row.x + row.heap[i * row.pitch_heap] * row.pitch * row.bytes, (size_t)row.bytes);
    }
}

#define KERNEL(name, ID)                                                                           \
    const dms_cpu_kernel DMS_ISA(dms_cpu_##name) = {ID, parts_of_rows, run_##name};
KERNEL(arg, DMS_K_ARG)
KERNEL(cumsum, DMS_K_CUMSUM)
KERNEL(topk, DMS_K_TOPK)
