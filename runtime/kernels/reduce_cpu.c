/* reduce_cpu.c - REDUCE. A row that lies along memory is folded lane by lane; rows that lie side by
 * side (a reduction over outer axes) are folded 64 at a time, each by the same tree.
 *
 *     along memory               side by side
 *     row 0  x x x x x x ...     row 0  x . . .        strip i holds element i of 64 rows;
 *     row 1  x x x x x x ...     row 1  . x . .        lane i mod 32 of each row takes it
 *     each row by itself         element 0 of all rows, then element 1, ...
 *
 * Either way element i of a row meets lane i mod 32, and the lanes are joined in halves: the layout
 * of an operand changes no bit of the result. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/elementary.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/fold.h"
#include "runtime/kernels/line.h"
#include "runtime/kernels/short_row.h"
#include "runtime/kernels/turn_internal.h"

/* Columns folded together: 32 lanes of them are a quarter of the L1 cache. */
#define COLUMNS 64

/* A call taken apart: rows of n elements, one result each. */
typedef struct reduction {
    const dms_cpu_job *job;
    int64_t fn, n, outputs;
    dms_class class;
    const dms_fold *fold, *largest;
    dms_walk rows; /* kept axes of x and y */
    dms_line x;
} reduction;

/* All that parts and rows share. A part knows no operands yet: run_reduce adds them. */
static void open_reduction(const dms_call *call, reduction *out) {
    const dms_view *x = &call->view[0], *y = &call->view[1];
    const dms_view *const both[] = {x, y};
    const uint32_t kept = (uint32_t)call->i[1];
    out->fn = call->i[0];
    out->class = dms_class_of(x->dtype);
    out->fold = DMS_ISA(dms_fold_find)(dms_fold_of_reduce(out->fn), out->class);
    out->largest = DMS_ISA(dms_fold_find)(DMS_FOLD_MAX, out->class);
    dms_line_rows(both, 2, kept, &out->rows);
    dms_line_open(&out->x, x, kept, NULL);
    out->n = out->x.walk.count;
    out->outputs = out->rows.count;
}

/* --- what follows the fold */

/* n folded values of the call's class, finished where they are; `shift` is NULL but for
 * LOG_SUM_EXP. */
static void finish_integer(const reduction *r, int64_t n, int64_t *value) {
    const bool is_signed = r->class == DMS_CLASS_I64;
    const unsigned bits = 8 * dms_dtype_bytes(r->x.dtype);
    for (int64_t i = 0; i < n; i++) {
        value[i] = dms_reduce_finish_integer(r->fn, value[i], r->n, is_signed);
        if (r->n == 0)
            value[i] = dms_reduce_limit(r->fn, value[i], bits, is_signed);
    }
}

static void finish_f32(const reduction *r, int64_t n, float *value, const float *shift) {
    for (int64_t i = 0; i < n; i++)
        value[i] = dms_reduce_finish_f32(r->fn, value[i], r->n, shift == NULL ? 0.0f : shift[i]);
}

static void finish_f64(const reduction *r, int64_t n, double *value, const double *shift) {
    for (int64_t i = 0; i < n; i++)
        value[i] = dms_reduce_finish_f64(r->fn, value[i], r->n, shift == NULL ? 0.0 : shift[i]);
}

/* Finishes n folded values and writes them to outputs `pitch` apart. */
static void finish(const reduction *r, int64_t n, void *value, const void *shift, int64_t element,
                   int64_t pitch) {
    const dms_view *y = &r->job->call->view[1];
    if (r->class == DMS_CLASS_F32)
        finish_f32(r, n, value, shift);
    else if (r->class == DMS_CLASS_F64)
        finish_f64(r, n, value, shift);
    else if (r->class != DMS_CLASS_BOOL)
        finish_integer(r, n, value);
    DMS_ISA(dms_strip_store)
    (y->dtype, value, (char *)r->job->operand[1] + element * (int64_t)dms_dtype_bytes(y->dtype),
     pitch, n);
}

/* --- LOG_SUM_EXP: exp(x - shift) is summed, where shift is the largest element, or 0 where that is
 * infinite (then the sum says what is right). */

/* Infinite and NaN shifts become 0. */
static void clean_shift(dms_class class, int64_t n, void *shift) {
    for (int64_t i = 0; i < n; i++)
        if (class == DMS_CLASS_F32 && !(dms_absf(((float *)shift)[i]) < INFINITY))
            ((float *)shift)[i] = 0.0f;
        else if (class == DMS_CLASS_F64 && !(fabs(((double *)shift)[i]) < INFINITY))
            ((double *)shift)[i] = 0.0;
}

/* y = exp(x - shift[i step]): one shift for a row (step 0), one per column (step 1). */
static void exp_shifted(dms_class class, int64_t n, const void *x, const void *shift, int64_t step,
                        dms_strip *y) {
    if (class == DMS_CLASS_F32) {
        const float *a = x, *s = shift;
        for (int64_t i = 0; i < n; i++)
            y->f32[i] = dms_expf(a[i] - s[i * step]);
    } else {
        const double *a = x, *s = shift;
        for (int64_t i = 0; i < n; i++)
            y->f64[i] = exp(a[i] - s[i * step]);
    }
}

/* --- rows along memory */

/* Folds the row at hand into `lanes` and joins them. */
static void fold_row(reduction *r, const dms_fold *fold, const dms_scalar *shift,
                     dms_lanes *lanes) {
    DMS_ISA(dms_fold_start)(fold, r->class, DMS_LANES, lanes);
    if (r->n > 0)
        dms_line_restart(&r->x);
    const int64_t step = shift == NULL && dms_line_is_strip(&r->x) ? r->n : DMS_STRIP;
    for (int64_t i = 0; i < r->n; i += step) {
        const int64_t n = r->n - i < step ? r->n - i : step;
        dms_strip strip, powers;
        const void *x = dms_line_get(&r->x, n, &strip);
        if (shift != NULL) {
            exp_shifted(r->class, n, x, shift, 0, &powers);
            x = &powers;
        }
        fold->along(lanes, x, n);
    }
    DMS_ISA(dms_fold_join)(fold, r->class, 1, lanes);
}

/* Sums and maxima of short rows of f32 without the calls of a fold; false for others. */
static bool fold_short(const reduction *r, dms_lanes *lanes) {
    const float *a = (const float *)(const void *)r->x.row;
    const dms_fold_kind kind = dms_fold_of_reduce(r->fn);
    if (r->x.dtype != DMS_DTYPE_F32 || r->n == 0 || r->n > DMS_STRIP ||
        (kind != DMS_FOLD_SUM && kind != DMS_FOLD_MAX) || !dms_line_is_strip(&r->x))
        return false;
    if (kind == DMS_FOLD_SUM && r->n <= 8) {
        lanes->f32[0] = dms_short_sum8(a, r->n);
        return true;
    }
    float padded[DMS_STRIP];
    dms_short_load(a, r->n, kind == DMS_FOLD_SUM ? 0.0f : -INFINITY, padded);
    lanes->f32[0] =
        kind == DMS_FOLD_SUM ? dms_short_sum(padded, r->n, 0) : dms_short_max(padded, r->n);
    return true;
}

/* One result. */
static void run_row(reduction *r, const dms_walk_at *at) {
    dms_lanes lanes;
    dms_scalar shift = {.f64 = 0.0};
    r->x.row = r->x.operand + at->element[0] * r->x.bytes;
    if (r->fn == DMS_FN_LOG_SUM_EXP) {
        fold_row(r, r->largest, NULL, &lanes);
        memcpy(&shift, &lanes, sizeof shift);
        clean_shift(r->class, 1, &shift);
        fold_row(r, r->fold, &shift, &lanes);
    } else if (!fold_short(r, &lanes)) {
        fold_row(r, r->fold, NULL, &lanes);
    }
    finish(r, 1, &lanes, &shift, at->element[1], 1);
}

/* --- short rows along memory, one after the other: neighbouring rows are the lanes of a vector, so
 * that each of the 32 lanes of the tree is a vector of its own */

#ifdef __FMA__

DMS_FN dms_vec take(bool is_max, dms_vec r, dms_vec x) {
    return is_max ? dms_vgreater(r, x) : DMS_VADD(r, x);
}

/* The results of DMS_V rows of n elements, `pitch` apart. */
DMS_FN dms_vec fold_vectors(bool is_max, const float *x, int64_t pitch, int64_t n) {
    dms_vec lane[DMS_LANES], v[DMS_QUAD];
    for (int l = 0; l < DMS_LANES; l++)
        lane[l] = DMS_VALL(is_max ? -INFINITY : 0.0f);
    int64_t k = 0;
    for (; k + DMS_QUAD <= n; k += DMS_QUAD) { /* 32 is a multiple of four */
        dms_turn_in(x + k, pitch, v);
        for (int j = 0; j < DMS_QUAD; j++)
            lane[k % DMS_LANES + j] = take(is_max, lane[k % DMS_LANES + j], v[j]);
    }
    for (; k < n; k++) {
        float one[DMS_V];
        for (int row = 0; row < DMS_V; row++)
            one[row] = x[row * pitch + k];
        lane[k % DMS_LANES] = take(is_max, lane[k % DMS_LANES], DMS_VLOAD(one));
    }
    for (int half = DMS_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = take(is_max, lane[l], lane[l + half]);
    return lane[0];
}

/* Folds as many of `rows` rows from `at` on as fill vectors; returns how many. */
static int64_t run_vectors(const reduction *r, const dms_walk_at *at, int64_t rows) {
    const dms_fold_kind kind = dms_fold_of_reduce(r->fn);
    const dms_line *x = &r->x;
    if (x->dtype != DMS_DTYPE_F32 || r->n == 0 || r->n > DMS_STRIP || !dms_line_is_strip(x) ||
        (kind != DMS_FOLD_MAX && kind != DMS_FOLD_SUM) || r->fn == DMS_FN_LOG_SUM_EXP)
        return 0;
    const int64_t pitch = r->rows.pitch[0][r->rows.rank - 1];
    const int64_t pitch_y = r->rows.pitch[1][r->rows.rank - 1];
    const float *from = (const float *)(const void *)x->operand + at->element[0];
    int64_t done = 0;
    for (; done + DMS_V <= rows; done += DMS_V) {
        float value[DMS_STRIP];
        DMS_VSTORE(value, kind == DMS_FOLD_MAX
                              ? fold_vectors(true, from + done * pitch, pitch, r->n)
                              : fold_vectors(false, from + done * pitch, pitch, r->n));
        finish(r, DMS_V, value, NULL, at->element[1] + done * pitch_y, pitch_y);
    }
    return done;
}

#else

static int64_t run_vectors(const reduction *r, const dms_walk_at *at, int64_t rows) {
    (void)r, (void)at, (void)rows;
    return 0;
}

#endif

/* --- rows side by side */

/* Lane l of column c lies at l n + c: 32 lanes of 64 columns of 8 bytes. */
typedef struct columns {
    _Alignas(64) char lane[DMS_LANES * COLUMNS * 8];
} columns;

/* Element i of each row is a strip of n columns: lane i mod 32 takes it. */
static void fold_columns(const reduction *r, const dms_fold *fold, int64_t n, const char *first,
                         const void *shift, columns *out) {
    const dms_walk *w = &r->x.walk;
    const int64_t lane_bytes = n * (int64_t)dms_class_bytes(r->class);
    const bool is_strip = dms_class_is_storage(r->x.dtype);
    DMS_ISA(dms_fold_start)(fold, r->class, DMS_LANES * n, out->lane);
    dms_walk_at at;
    if (r->n > 0)
        dms_walk_seek(w, 0, &at);
    for (int64_t i = 0; i < r->n; i++) {
        dms_strip strip, powers;
        const void *x = first + at.element[0] * r->x.bytes;
        if (!is_strip) {
            DMS_ISA(dms_strip_load)(r->x.dtype, x, 1, n, &strip);
            x = &strip;
        }
        if (shift != NULL) {
            exp_shifted(r->class, n, x, shift, 1, &powers);
            x = &powers;
        }
        fold->across(out->lane + i % DMS_LANES * lane_bytes, x, n);
        dms_walk_next(w, &at, 1);
    }
    DMS_ISA(dms_fold_join)(fold, r->class, n, out->lane);
}

/* n results of neighbouring columns. */
static void run_columns(const reduction *r, const dms_walk_at *at, int64_t n) {
    columns folded, largest;
    const char *first = r->x.operand + at->element[0] * r->x.bytes;
    const void *shift = NULL;
    if (r->fn == DMS_FN_LOG_SUM_EXP) {
        fold_columns(r, r->largest, n, first, NULL, &largest);
        clean_shift(r->class, n, largest.lane);
        shift = largest.lane;
    }
    fold_columns(r, r->fold, n, first, shift, &folded);
    finish(r, n, folded.lane, shift, at->element[1], r->rows.pitch[1][r->rows.rank - 1]);
}

/* --- parts */

/* Whether neighbouring results read neighbouring elements, and a row does not. */
static bool lies_side_by_side(const reduction *r) {
    return r->x.walk.pitch[0][r->x.walk.rank - 1] != 1 && r->rows.pitch[0][r->rows.rank - 1] == 1 &&
           r->rows.dim[r->rows.rank - 1] > 1;
}

/* Results per part. Rows side by side share cache lines: a part takes whole groups of them. */
static int64_t outputs_each(const reduction *r) {
    const int64_t each = dms_line_rows_each(r->n);
    return lies_side_by_side(r) && each < COLUMNS ? COLUMNS : each;
}

/* A result is the work of one part; its row is never cut. */
static uint64_t parts_reduce(const dms_call *call) {
    reduction r;
    open_reduction(call, &r);
    return (uint64_t)((r.outputs + outputs_each(&r) - 1) / outputs_each(&r));
}

/* Results in row-major order of the kept dims. */
static void run_reduce(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    reduction r;
    open_reduction(job->call, &r);
    r.job = job;
    r.x.operand = job->operand[0];
    int64_t index = (int64_t)first * outputs_each(&r);
    const int64_t last = (int64_t)end * outputs_each(&r);
    const int64_t stop = last < r.outputs ? last : r.outputs;
    dms_walk_at at;
    if (index < stop)
        dms_walk_seek(&r.rows, index, &at);
    const bool is_side_by_side = lies_side_by_side(&r);
    while (index < stop) {
        int64_t n = dms_walk_run(&r.rows, &at);
        n = n < stop - index ? n : stop - index;
        if (is_side_by_side) {
            n = n < COLUMNS ? n : COLUMNS;
            run_columns(&r, &at, n);
        } else {
            const int64_t together = run_vectors(&r, &at, n);
            n = together > 0 ? together : 1;
            if (together == 0)
                run_row(&r, &at);
        }
        dms_walk_next(&r.rows, &at, n);
        index += n;
    }
}

const dms_cpu_kernel DMS_ISA(dms_cpu_reduce) = {DMS_K_REDUCE, parts_reduce, run_reduce};
