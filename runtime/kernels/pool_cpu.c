/* pool_cpu.c - pooling on the CPU device: a strip of output pixels at a time, tap after tap; maxima
 * and averages of f32 by pool_plane_cpu.c.
 *
 * Taps are taken in the order kh, kw; those outside the image are left out. Maximum: the first of
 * equal values, NaN before everything. Average: one chain of additions, divided by the number of
 * taps inside (or, counting pads, inside the padded image). Lp: the p-th root of the sum of |x|^p.
 * A window without taps gives the lowest value, 0 / 0, or 0.
 *
 * Parts: planes (one channel of one batch entry) by blocks of output rows. */
#include <math.h>
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/pool_internal.h"
#include "runtime/kernels/strip.h"
#include "schema/integers.h"

enum {
    WORTH = 16384, /* pixels of a part, about */
    LANES = 16,    /* planes that may be lanes of one vector */
};

typedef struct pool_scratch {
    dms_strip sum, x;
    int64_t index[DMS_STRIP];
} pool_scratch;

/* One strip of outputs, and the tap that is at work. */
typedef struct window {
    const dms_call *call;
    const char *x;          /* the plane */
    int64_t plane;          /* its number, for indices */
    int64_t row, column, n; /* outputs [column, column + n) of a row */
} window;

/* r = the greater of r and x, with its index. */
#define TAKE_MAX(NAME, T)                                                                          \
    static void NAME(int64_t n, const T *x, T *r, int64_t *index, int64_t at, int64_t step) {      \
        if (index == NULL)                                                                         \
            for (int64_t j = 0; j < n; j++)                                                        \
                r[j] = x[j] > r[j] || x[j] != x[j] ? x[j] : r[j];                                  \
        for (int64_t j = 0; j < n && index != NULL; j++)                                           \
            if (index[j] < 0 || x[j] > r[j] || (x[j] != x[j] && r[j] == r[j])) {                   \
                r[j] = x[j];                                                                       \
                index[j] = at + j * step;                                                          \
            }                                                                                      \
    }
TAKE_MAX(max_f32, float)
TAKE_MAX(max_f64, double)
TAKE_MAX(max_i64, int64_t)
TAKE_MAX(max_u64, uint64_t)

/* sum += x, or |x|^p; p = 0 stands for the average. */
#define TAKE_SUM(NAME, T, POW)                                                                     \
    static void NAME(int64_t n, const T *x, T *sum, int64_t p) {                                   \
        for (int64_t j = 0; j < n && p == 0; j++)                                                  \
            sum[j] += x[j];                                                                        \
        for (int64_t j = 0; j < n && p != 0; j++)                                                  \
            sum[j] += POW(x[j], p);                                                                \
    }
TAKE_SUM(sum_f32, float, dms_pool_power_f32)
TAKE_SUM(sum_f64, double, dms_pool_power_f64)

/* One tap of the strip: kernel position (ky, kx). */
static void take_tap(const window *w, int64_t ky, int64_t kx, pool_scratch *s) {
    const dms_call *call = w->call;
    const dms_view *x = &call->view[0];
    const int64_t *i = call->i;
    const int64_t step = i[DMS_POOL_STEP + 1];
    const int64_t row = w->row * i[DMS_POOL_STEP] + ky * i[DMS_POOL_DILATION] - i[DMS_POOL_PAD];
    const int64_t at = w->column * step + kx * i[DMS_POOL_DILATION + 1] - i[DMS_POOL_PAD + 1];
    int64_t first, end;
    dms_pool_range(at, step, x->dim[3], w->n, &first, &end);
    if (row < 0 || row >= x->dim[2] || first == end)
        return;
    const dms_class class = dms_class_of(x->dtype);
    const char *from =
        w->x + (row * x->pitch[2] + (at + first * step) * x->pitch[3]) * dms_dtype_bytes(x->dtype);
    const int64_t n = end - first, p = i[DMS_POOL_FN] == DMS_POOL_LP ? i[DMS_POOL_P] : 0;
    if (x->dtype == DMS_DTYPE_F32 && step * x->pitch[3] == 1 && p == 0 &&
        i[DMS_POOL_FN] != DMS_POOL_MAX) {
        sum_f32(n, (const float *)(const void *)from, s->sum.f32 + first, 0);
        return;
    }
    DMS_ISA(dms_strip_load)(x->dtype, from, step * x->pitch[3], n, &s->x);
    if (i[DMS_POOL_FN] != DMS_POOL_MAX) {
        if (class == DMS_CLASS_F32)
            sum_f32(n, s->x.f32, s->sum.f32 + first, p);
        else
            sum_f64(n, s->x.f64, s->sum.f64 + first, p);
        return;
    }
    int64_t *index = call->n_out == 2 ? s->index + first : NULL;
    const int64_t flat = (w->plane * x->dim[2] + row) * x->dim[3] + at + first * step;
    if (class == DMS_CLASS_F32)
        max_f32(n, s->x.f32, s->sum.f32 + first, index, flat, step);
    else if (class == DMS_CLASS_F64)
        max_f64(n, s->x.f64, s->sum.f64 + first, index, flat, step);
    else if (class == DMS_CLASS_I64)
        max_i64(n, s->x.i64, s->sum.i64 + first, index, flat, step);
    else
        max_u64(n, s->x.u64, s->sum.u64 + first, index, flat, step);
}

/* The lowest value of a type, in its class: what a maximum starts from. */
static void fill_lowest(dms_dtype dtype, int64_t n, dms_strip *out) {
    const uint32_t bits = dms_dtype_bytes(dtype) * 8;
    switch ((int)dms_class_of(dtype)) {
    case DMS_CLASS_F32:
        for (int64_t j = 0; j < n; j++)
            out->f32[j] = -INFINITY;
        break;
    case DMS_CLASS_F64:
        for (int64_t j = 0; j < n; j++)
            out->f64[j] = -INFINITY;
        break;
    case DMS_CLASS_I64:
        for (int64_t j = 0; j < n; j++)
            out->i64[j] = INT64_MIN >> (64 - bits);
        break;
    default:
        memset(out, 0, (size_t)n * sizeof out->u64[0]);
    }
}

/* Sums become averages or roots. */
static void finish_sums(const window *w, pool_scratch *s) {
    const int64_t *i = w->call->i;
    const bool is_f32 = dms_class_of(w->call->view[0].dtype) == DMS_CLASS_F32;
    if (i[DMS_POOL_FN] == DMS_POOL_AVERAGE) {
        const int64_t rows = dms_pool_taps(w->call, 0, w->row);
        for (int64_t j = 0; j < w->n; j++) {
            const int64_t taps = rows * dms_pool_taps(w->call, 1, w->column + j);
            if (is_f32)
                s->sum.f32[j] /= (float)taps;
            else
                s->sum.f64[j] /= (double)taps;
        }
        return;
    }
    for (int64_t j = 0; j < w->n; j++)
        if (is_f32)
            s->sum.f32[j] = (float)dms_pool_root(s->sum.f32[j], i[DMS_POOL_P]);
        else
            s->sum.f64[j] = dms_pool_root(s->sum.f64[j], i[DMS_POOL_P]);
}

static void run_strip(const window *w, const dms_cpu_job *job, int64_t y_at, int64_t index_at,
                      pool_scratch *s) {
    const dms_call *call = w->call;
    const dms_view *x = &call->view[0], *y = &call->view[1];
    const size_t n = (size_t)w->n;
    if (call->i[DMS_POOL_FN] == DMS_POOL_MAX) {
        fill_lowest(x->dtype, w->n, &s->sum);
    } else {
        memset(&s->sum, 0, n * sizeof s->sum.f64[0]); /* the widest class */
    }
    if (call->n_out == 2)
        memset(s->index, 0xff, n * sizeof s->index[0]);
    for (int64_t ky = 0; ky < call->i[DMS_POOL_WINDOW]; ky++)
        for (int64_t kx = 0; kx < call->i[DMS_POOL_WINDOW + 1]; kx++)
            take_tap(w, ky, kx, s);
    if (call->i[DMS_POOL_FN] != DMS_POOL_MAX)
        finish_sums(w, s);
    DMS_ISA(dms_strip_store)
    (y->dtype, &s->sum, (char *)job->operand[1] + y_at * dms_dtype_bytes(y->dtype), y->pitch[3],
     w->n);
    if (call->n_out == 2)
        DMS_ISA(dms_strip_store)
    (DMS_DTYPE_I64, s->index, (int64_t *)job->operand[2] + index_at, call->view[2].pitch[3], w->n);
}

/* Planes of a part, or, where a plane is large, its rows of outputs. */
static void size_of_part(const dms_view *x, const dms_view *y, int64_t *planes, int64_t *rows) {
    const int64_t in = x->dim[2] * x->dim[3], out = y->dim[2] * y->dim[3];
    const int64_t plane = in > out ? in : out;
    *planes = plane < WORTH ? WORTH / plane : 1;
    if (*planes > LANES)
        *planes = *planes / LANES * LANES;
    *rows = plane < WORTH ? y->dim[2] : dms_divide_up(y->dim[2], plane / WORTH);
}

static uint64_t pool_parts(const dms_call *call) {
    const dms_view *y = &call->view[1];
    int64_t planes, rows;
    if (dms_view_count(y) == 0)
        return 0;
    size_of_part(&call->view[0], y, &planes, &rows);
    return (uint64_t)(dms_divide_up(y->dim[0] * y->dim[1], planes) *
                      dms_divide_up(y->dim[2], rows));
}

/* A row of one output, f32, without indices (global pools): the same chains without strips. */
static float single_f32(const window *w) {
    const dms_view *x = &w->call->view[0];
    const int64_t *i = w->call->i;
    const bool is_max = i[DMS_POOL_FN] == DMS_POOL_MAX;
    const float *from = (const float *)(const void *)w->x;
    float sum = is_max ? -INFINITY : 0.0f;
    for (int64_t ky = 0; ky < i[DMS_POOL_WINDOW]; ky++) {
        const int64_t row = w->row * i[DMS_POOL_STEP] + ky * i[DMS_POOL_DILATION] - i[DMS_POOL_PAD];
        int64_t first, end;
        dms_pool_range(-i[DMS_POOL_PAD + 1], i[DMS_POOL_DILATION + 1], x->dim[3],
                       i[DMS_POOL_WINDOW + 1], &first, &end);
        if (row < 0 || row >= x->dim[2])
            continue;
        const float *at = from + row * x->pitch[2] - i[DMS_POOL_PAD + 1] * x->pitch[3];
        const int64_t pitch = i[DMS_POOL_DILATION + 1] * x->pitch[3];
        for (int64_t kx = first; kx < end; kx++) {
            const float v = at[kx * pitch];
            sum = is_max ? (v > sum || v != v ? v : sum) : sum + v;
        }
    }
    if (is_max)
        return sum;
    return sum / (float)(dms_pool_taps(w->call, 0, w->row) * dms_pool_taps(w->call, 1, 0));
}

/* Whether single_f32 says it all. */
static bool is_single(const dms_call *call) {
    return call->view[1].dim[3] == 1 && call->view[0].dtype == DMS_DTYPE_F32 && call->n_out == 1 &&
           call->i[DMS_POOL_FN] != DMS_POOL_LP;
}

static void run_row(const dms_cpu_job *job, int64_t plane, int64_t row) {
    const dms_view *x = &job->call->view[0], *y = &job->call->view[1], *z = &job->call->view[2];
    const int64_t b = plane / y->dim[1], c = plane % y->dim[1];
    window w = {.call = job->call, .plane = plane, .row = row};
    w.x = (const char *)job->operand[0] +
          (b * x->pitch[0] + c * x->pitch[1]) * dms_dtype_bytes(x->dtype);
    if (is_single(job->call)) {
        float *to = job->operand[1];
        to[b * y->pitch[0] + c * y->pitch[1] + row * y->pitch[2]] = single_f32(&w);
        return;
    }
    for (; w.column < y->dim[3]; w.column += DMS_STRIP) {
        w.n = y->dim[3] - w.column < DMS_STRIP ? y->dim[3] - w.column : DMS_STRIP;
        const int64_t y_at =
            b * y->pitch[0] + c * y->pitch[1] + row * y->pitch[2] + w.column * y->pitch[3];
        const int64_t index_at =
            job->call->n_out == 1
                ? 0
                : b * z->pitch[0] + c * z->pitch[1] + row * z->pitch[2] + w.column * z->pitch[3];
        run_strip(&w, job, y_at, index_at, job->scratch);
    }
}

/* ---- maxima of bytes ----------------------------------------------------------------------- */

/* The greatest of the rows of a window, column by column; then every step-th of the columns. */
#define MAX_OF_BYTES(NAME, T)                                                                      \
    static void NAME##_rows(int64_t n, const T *DMS_RESTRICT x, T *DMS_RESTRICT to) {              \
        for (int64_t k = 0; k < n; k++)                                                            \
            to[k] = x[k] > to[k] ? x[k] : to[k];                                                   \
    }                                                                                              \
    static void NAME##_columns(int64_t n, const T *DMS_RESTRICT x, int64_t step,                   \
                               T *DMS_RESTRICT to) {                                               \
        if (step == 1)                                                                             \
            NAME##_rows(n, x, to);                                                                 \
        else if (step == 2)                                                                        \
            for (int64_t k = 0; k < n; k++)                                                        \
                to[k] = x[2 * k] > to[k] ? x[2 * k] : to[k];                                       \
        else                                                                                       \
            for (int64_t k = 0; k < n; k++)                                                        \
                to[k] = x[k * step] > to[k] ? x[k * step] : to[k];                                 \
    }
MAX_OF_BYTES(max_u8, uint8_t)
MAX_OF_BYTES(max_i8, int8_t)

/* Whether rows of bytes lie side by side, and the windows of a row fit into scratch. */
static bool is_bytes(const dms_call *call) {
    const dms_view *x = &call->view[0], *y = &call->view[1];
    return call->i[DMS_POOL_FN] == DMS_POOL_MAX && call->n_out == 1 &&
           dms_dtype_bytes(x->dtype) == 1 && x->pitch[3] == 1 && y->pitch[3] == 1 &&
           x->dim[3] <= DMS_CPU_SCRATCH_BYTES;
}

/* A row of outputs of bytes. */
static void run_row_of_bytes(const dms_cpu_job *job, const window *w, uint8_t *y) {
    const dms_view *x = &job->call->view[0];
    const int64_t *i = job->call->i, n = job->call->view[1].dim[3], step = i[DMS_POOL_STEP + 1];
    const bool is_signed = x->dtype == DMS_DTYPE_I8;
    uint8_t *tallest = job->scratch;
    memset(tallest, is_signed ? 0x80 : 0, (size_t)x->dim[3]);
    memset(y, is_signed ? 0x80 : 0, (size_t)n);
    for (int64_t ky = 0; ky < i[DMS_POOL_WINDOW]; ky++) {
        const int64_t row = w->row * i[DMS_POOL_STEP] + ky * i[DMS_POOL_DILATION] - i[DMS_POOL_PAD];
        const char *from = w->x + row * x->pitch[2];
        if (row < 0 || row >= x->dim[2])
            continue;
        if (is_signed)
            max_i8_rows(x->dim[3], (const int8_t *)from, (int8_t *)tallest);
        else
            max_u8_rows(x->dim[3], (const uint8_t *)from, tallest);
    }
    for (int64_t kx = 0; kx < i[DMS_POOL_WINDOW + 1]; kx++) {
        const int64_t at = kx * i[DMS_POOL_DILATION + 1] - i[DMS_POOL_PAD + 1];
        int64_t first, end;
        dms_pool_range(at, step, x->dim[3], n, &first, &end);
        const uint8_t *from = tallest + at + first * step;
        if (first == end)
            continue;
        if (is_signed)
            max_i8_columns(end - first, (const int8_t *)from, step, (int8_t *)y + first);
        else
            max_u8_columns(end - first, from, step, y + first);
    }
}

static void run_bytes(const dms_cpu_job *job, const dms_pool_part *part) {
    const dms_view *x = &job->call->view[0], *y = &job->call->view[1];
    for (int64_t plane = part->plane; plane < part->plane_end; plane++) {
        const int64_t b = plane / y->dim[1], c = plane % y->dim[1];
        window w = {.call = job->call,
                    .x = (const char *)job->operand[0] + b * x->pitch[0] + c * x->pitch[1]};
        for (w.row = part->row; w.row < part->row_end; w.row++)
            run_row_of_bytes(job, &w,
                             (uint8_t *)job->operand[1] + b * y->pitch[0] + c * y->pitch[1] +
                                 w.row * y->pitch[2]);
    }
}

static void run_part(const dms_cpu_job *job, const dms_pool_part *part) {
    if (is_bytes(job->call)) {
        run_bytes(job, part);
        return;
    }
    const bool is_one = is_single(job->call);
    int64_t plane = part->plane;
    if (!is_one && DMS_ISA(dms_pool_planes)(job, part))
        return;
    if (is_one)
        plane = DMS_ISA(dms_pool_lanes)(job, part);
    for (; plane < part->plane_end; plane++)
        for (int64_t row = part->row; row < part->row_end; row++)
            run_row(job, plane, row);
}

static void pool_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_view *y = &job->call->view[1];
    int64_t planes, rows;
    if (first == end)
        return;
    size_of_part(&job->call->view[0], y, &planes, &rows);
    const int64_t down = dms_divide_up(y->dim[2], rows), all = y->dim[0] * y->dim[1];
    for (int64_t k = (int64_t)first; k < (int64_t)end; k++) {
        dms_pool_part part = {.plane = k / down * planes, .row = k % down * rows};
        part.plane_end = part.plane + planes < all ? part.plane + planes : all;
        part.row_end = part.row + rows < y->dim[2] ? part.row + rows : y->dim[2];
        run_part(job, &part);
    }
}

const dms_cpu_kernel DMS_ISA(dms_cpu_pool) = {DMS_K_POOL, pool_parts, pool_run};
