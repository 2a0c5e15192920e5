/* move_cpu.c - COPY, CONCAT, PAD and TRILU.
 *
 *     PAD, one row of y        low            high
 *                  [ left side | part of a row of x | right side ]
 *
 * All of them are strips from one place to another; what differs is where the strips start and end.
 * Bytes are moved as they are: a NaN keeps its payload, a truth its byte. */
#include "runtime/kernels/copy_plan.h"

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/index_body.h"

/* --- COPY */

/* Planning a copy is O(rank), so parts and run both do it and nothing is stored in between. */
static uint64_t parts_copy(const dms_call *call) {
    dms_copy_plan plan;
    DMS_ISA(dms_copy_plan)(&call->view[0], &call->view[1], (uint64_t)call->i[0], &plan);
    return (uint64_t)plan.parts;
}

/* A reversed axis is a negative pitch from its last element. */
static void run_copy(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const uint64_t backward = (uint64_t)call->i[0];
    dms_copy_plan plan;
    DMS_ISA(dms_copy_plan)(&call->view[0], &call->view[1], backward, &plan);
    const int64_t start = DMS_ISA(dms_copy_start)(&call->view[0], backward);
    DMS_ISA(dms_copy_run)
    (&plan, (const char *)job->operand[0] + start * plan.bytes, job->operand[1], first, end);
}

/* --- CONCAT: one copy per input, into its slice of the output */

/* The slice of y that input k fills, as a view that starts where y starts; the caller moves on. */
static dms_view slice_of_output(const dms_call *call, uint32_t k) {
    dms_view slice = call->view[call->n_in];
    slice.dim[call->i[0]] = call->view[k].dim[call->i[0]];
    return slice;
}

/* Parts of all inputs, one input after the other. */
static uint64_t parts_concat(const dms_call *call) {
    uint64_t parts = 0;
    for (uint32_t k = 0; k < call->n_in; k++) {
        dms_copy_plan plan;
        const dms_view slice = slice_of_output(call, k);
        DMS_ISA(dms_copy_plan)(&call->view[k], &slice, 0, &plan);
        parts += (uint64_t)plan.parts;
    }
    return parts;
}

/* Finds the inputs that parts [first, end) belong to: at most 32, so a look at each will do. */
static void run_concat(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const dms_view *y = &call->view[call->n_in];
    char *to = job->operand[call->n_in];
    uint64_t base = 0; /* parts of the inputs before k */
    for (uint32_t k = 0; k < call->n_in && base < end; k++) {
        dms_copy_plan plan;
        const dms_view slice = slice_of_output(call, k);
        DMS_ISA(dms_copy_plan)(&call->view[k], &slice, 0, &plan);
        const uint64_t n = (uint64_t)plan.parts;
        const uint64_t low = first > base ? first - base : 0;
        const uint64_t high = end - base < n ? end - base : n;
        if (low < high)
            DMS_ISA(dms_copy_run)(&plan, job->operand[k], to, low, high);
        base += n;
        to += slice.dim[call->i[0]] * y->pitch[call->i[0]] * (int64_t)plan.bytes;
    }
}

/* --- rows of the output, for PAD and TRILU */

/* Rows of a part: whole rows, about DMS_COPY_PART / 2 elements. */
static int64_t rows_per_part(int64_t width) {
    const int64_t rows = DMS_COPY_PART / 2 / (width > 0 ? width : 1);
    return rows < 1 ? 1 : rows;
}

/* The length of a row; a scalar is one row of one element. */
static int64_t width_of(const dms_view *view) {
    return view->rank == 0 ? 1 : view->dim[view->rank - 1];
}

/* Rows of PAD and TRILU are never cut: each has up to three segments. */
static uint64_t parts_of_rows(const dms_call *call) {
    const dms_view *y = &call->view[1];
    const int64_t width = width_of(y), count = dms_view_count(y);
    const int64_t each = rows_per_part(width);
    return count == 0 ? 0 : (uint64_t)((count / width + each - 1) / each);
}

/* --- PAD */

/* Everything of a PAD that does not change from row to row. */
typedef struct pad_job {
    const dms_cpu_job *job;
    const int64_t *begin;
    int64_t width, pitch_x, pitch_y, bytes;
    int64_t low, high; /* places of a row that stand in x */
    uint64_t value;
} pad_job;

/* Places [from, to) of a row become the constant. */
static void pad_fill(const pad_job *p, char *row, int64_t from, int64_t to) {
    if (from < to)
        DMS_ISA(dms_copy_strip)
    ((uint32_t)p->bytes, to - from, &p->value, 0, row + from * p->pitch_y * p->bytes, p->pitch_y);
}

/* Places [from, to) of a row, outside of x. */
static void pad_side(const pad_job *p, const char *x, char *row, int64_t from, int64_t to) {
    const dms_view *view = &p->job->call->view[0];
    const int64_t mode = p->job->call->i[0];
    if (mode == DMS_PAD_CONSTANT) {
        pad_fill(p, row, from, to);
        return;
    }
    const uint32_t last = view->rank - 1;
    for (int64_t i = from; i < to; i++) {
        const int64_t k = dms_pad_source(mode, i - p->begin[last], view->dim[last]);
        DMS_ISA(dms_copy_strip)
        ((uint32_t)p->bytes, 1, x + k * p->pitch_x * p->bytes, 1, row + i * p->pitch_y * p->bytes,
         1);
    }
}

/* The row of x that row `index` of y takes its elements from, counted in elements; -1 = none. */
static int64_t pad_row(const pad_job *p, int64_t index, int64_t *out_y) {
    const dms_view *x = &p->job->call->view[0], *y = &p->job->call->view[1];
    int64_t at = 0;
    *out_y = 0;
    for (uint32_t k = y->rank == 0 ? 0 : y->rank - 1; k-- > 0; index /= y->dim[k]) {
        const int64_t i = index % y->dim[k];
        const int64_t source = dms_pad_source(p->job->call->i[0], i - p->begin[k], x->dim[k]);
        *out_y += i * y->pitch[k];
        at = at < 0 || source < 0 ? -1 : at + source * x->pitch[k];
    }
    return at;
}

/* The call without trailing axes of one entry that gets no border, so that rows are long. `view`
 * gives storage for two. */
static dms_call without_units(const dms_call *call, dms_view *view) {
    dms_call out = *call;
    view[0] = call->view[0];
    view[1] = call->view[1];
    while (view[1].rank > 1 && view[1].dim[view[1].rank - 1] == 1 &&
           view[0].dim[view[0].rank - 1] == 1 && call->i[2 + view[1].rank - 1] == 0) {
        view[0].rank--;
        view[1].rank--;
    }
    out.view = view;
    return out;
}

static uint64_t parts_pad(const dms_call *call) {
    dms_view view[2];
    const dms_call whole = without_units(call, view);
    return parts_of_rows(&whole);
}

/* A row of y is a left side, a stretch of one row of x, and a right side; or all constant,
 * where one of its outer places falls outside of x. */
static void run_pad(const dms_cpu_job *whole, uint64_t first, uint64_t end) {
    dms_view squeezed[2];
    const dms_call rows_call = without_units(whole->call, squeezed), *const call = &rows_call;
    dms_cpu_job rows_job = *whole, *const job = &rows_job;
    rows_job.call = call;
    const dms_view *x = &call->view[0], *y = &call->view[1];
    const uint32_t last = y->rank == 0 ? 0 : y->rank - 1;
    if (first >= end)
        return;
    pad_job p = {.job = job,
                 .begin = call->i + 2,
                 .width = width_of(y),
                 .pitch_x = y->rank == 0 ? 1 : x->pitch[last],
                 .pitch_y = y->rank == 0 ? 1 : y->pitch[last],
                 .bytes = dms_dtype_bytes(y->dtype),
                 .high = width_of(y),
                 .value = (uint64_t)call->i[1]};
    if (y->rank > 0) {
        const int64_t begin = p.begin[last], stop = begin + x->dim[last];
        p.low = begin < 0 ? 0 : begin < p.width ? begin : p.width;
        p.high = stop < p.low ? p.low : stop < p.width ? stop : p.width;
    }
    const int64_t skip = y->rank == 0 ? 0 : p.low - p.begin[last];
    const int64_t each = rows_per_part(p.width), rows = dms_view_count(y) / p.width;
    const int64_t stop = (int64_t)end * each < rows ? (int64_t)end * each : rows;
    for (int64_t r = (int64_t)first * each; r < stop; r++) {
        int64_t at_y;
        const int64_t at_x = pad_row(&p, r, &at_y);
        char *row = (char *)job->operand[1] + at_y * p.bytes;
        if (at_x < 0) {
            pad_fill(&p, row, 0, p.width);
            continue;
        }
        const char *from = (const char *)job->operand[0] + at_x * p.bytes;
        pad_side(&p, from, row, 0, p.low);
        if (p.low < p.high)
            DMS_ISA(dms_copy_strip)
        ((uint32_t)p.bytes, p.high - p.low, from + skip * p.pitch_x * p.bytes, p.pitch_x,
         row + p.low * p.pitch_y * p.bytes, p.pitch_y);
        pad_side(&p, from, row, p.high, p.width);
    }
}

/* --- TRILU */

/* The view without its last axis: one element per row. */
static dms_view rows_of(const dms_view *view) {
    dms_view rows = *view;
    rows.rank--;
    return rows;
}

/* Each row is cut in two where the diagonal crosses it: one side is copied, the other zero. */
static void run_trilu(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const dms_view *y = &call->view[1];
    const uint32_t last = y->rank - 1;
    const dms_view x_rows = rows_of(&call->view[0]), y_rows = rows_of(y);
    const dms_view *const both[] = {&x_rows, &y_rows};
    dms_walk walk;
    dms_walk_init(&walk, both, 2);
    const int64_t width = y->dim[last], height = y->dim[last - 1],
                  bytes = dms_dtype_bytes(y->dtype);
    const int64_t pitch_x = call->view[0].pitch[last], pitch_y = y->pitch[last];
    const int64_t each = rows_per_part(width);
    const int64_t stop = (int64_t)end * each < walk.count ? (int64_t)end * each : walk.count;
    const uint64_t zero = 0;
    for (int64_t r = (int64_t)first * each; r < stop; r++) {
        dms_walk_at at;
        dms_walk_seek(&walk, r, &at);
        const char *from = (const char *)job->operand[0] + at.element[0] * bytes;
        char *to = (char *)job->operand[1] + at.element[1] * bytes;
        /* Upper keeps columns from the diagonal on, lower those up to it. k may be anything. */
        int64_t cut;
        if (__builtin_add_overflow(r % height, call->i[1], &cut))
            cut = call->i[1];
        const int64_t edge = call->i[0] != 0 ? cut : cut < width ? cut + 1 : width;
        const int64_t middle = edge < 0 ? 0 : edge < width ? edge : width;
        const int64_t keep_low = call->i[0] != 0 ? middle : 0;
        const int64_t keep_high = call->i[0] != 0 ? width : middle;
        const int64_t zero_low = call->i[0] != 0 ? 0 : middle;
        const int64_t zero_high = call->i[0] != 0 ? middle : width;
        if (keep_low < keep_high)
            DMS_ISA(dms_copy_strip)
        ((uint32_t)bytes, keep_high - keep_low, from + keep_low * pitch_x * bytes, pitch_x,
         to + keep_low * pitch_y * bytes, pitch_y);
        if (zero_low < zero_high)
            DMS_ISA(dms_copy_strip)
        ((uint32_t)bytes, zero_high - zero_low, &zero, 0, to + zero_low * pitch_y * bytes, pitch_y);
    }
}

#define KERNEL(name, ID, PARTS)                                                                    \
    const dms_cpu_kernel DMS_ISA(dms_cpu_##name) = {ID, PARTS, run_##name};
KERNEL(copy, DMS_K_COPY, parts_copy)
KERNEL(concat, DMS_K_CONCAT, parts_concat)
KERNEL(pad, DMS_K_PAD, parts_pad)
KERNEL(trilu, DMS_K_TRILU, parts_of_rows)
