/* conv_transpose_cpu.c - transposed convolution on the CPU device, as plain convolutions.
 *
 * Output row oy takes input row iy through tap ky where iy * step + ky * dilation - pad = oy. Rows
 * with the same oy modulo step use the same taps, and from one of them to the next iy grows by one.
 * So each pair (row phase, column phase) is a convolution of step 1 with some of the taps, whose
 * outputs lie `step` apart. Chains run over c, kh, kw; a tap beside the image counts as w * 0.
 *
 * Parts: batch entry x group x block of output channels x phases x block of rows x columns. */
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/taps_internal.h"
#include "schema/integers.h"

/* Sizes of parts; a phase may have fewer rows and columns than the largest, even none. */
typedef struct geometry {
    int64_t batch, group, c, m, channels, deep;
    int64_t step[2], phase_rows, phase_columns;
    int64_t rows, columns, down, across;
} geometry;

static geometry geometry_of(const dms_call *call) {
    const dms_view *w = &call->view[1], *y = &call->view[call->n_in];
    geometry g = {.batch = y->dim[0], .group = call->i[DMS_CONV_GROUP], .m = w->dim[1]};
    g.c = w->dim[0] / g.group;
    if (y->dim[1] == 0 || y->dim[2] == 0 || y->dim[3] == 0)
        return g;
    for (int k = 0; k < 2; k++) { /* no more phases than rows, or columns */
        const int64_t step = call->i[DMS_CONV_STEP + k];
        g.step[k] = step < y->dim[2 + k] ? step : y->dim[2 + k];
    }
    g.phase_rows = dms_divide_up(y->dim[2], call->i[DMS_CONV_STEP]);
    g.phase_columns = dms_divide_up(y->dim[3], call->i[DMS_CONV_STEP + 1]);
    g.channels = g.m < DMS_TAPS_CHANNELS ? g.m : DMS_TAPS_CHANNELS;
    g.deep = dms_divide_up(g.m, g.channels);
    const int64_t gap =
        dms_divide_up((w->dim[3] - 1) * call->i[DMS_CONV_DILATION + 1], call->i[DMS_CONV_STEP + 1]);
    dms_taps_part(g.phase_rows, g.phase_columns, gap, dms_taps_room(g.m, false), &g.rows,
                  &g.columns);
    g.down = dms_divide_up(g.phase_rows, g.rows);
    g.across = dms_divide_up(g.phase_columns, g.columns);
    return g;
}

static uint64_t conv_transpose_parts(const dms_call *call) {
    const geometry g = geometry_of(call);
    return (uint64_t)(g.batch * g.group * g.deep * g.step[0] * g.step[1] * g.down * g.across);
}

/* Removes the next digit of a mixed-radix number. */
static int64_t take(int64_t *rest, int64_t radix) {
    const int64_t digit = *rest % radix;
    *rest /= radix;
    return digit;
}

/* The input row that tap k of an axis reads for the first output of a phase; false when this tap
 * never meets the phase. */
static bool tap_meets(const dms_call *call, int axis, int64_t phase, int64_t k, int64_t *out) {
    const int64_t step = call->i[DMS_CONV_STEP + axis];
    const int64_t at = phase + call->i[DMS_CONV_PAD + axis] - k * call->i[DMS_CONV_DILATION + axis];
    *out = at / step;
    return at % step == 0;
}

static int64_t list_taps(const dms_call *call, const int64_t phase[2], dms_tap_table *table) {
    const dms_view *w = &call->view[1];
    int64_t n = 0;
    for (int64_t ky = 0; ky < w->dim[2]; ky++)
        for (int64_t kx = 0; kx < w->dim[3]; kx++)
            if (tap_meets(call, 0, phase[0], ky, &table->dy[n]) &&
                tap_meets(call, 1, phase[1], kx, &table->dx[n]))
                table->w_at[n++] = ky * w->pitch[2] + kx * w->pitch[3];
    return n;
}

static void run_part(const dms_cpu_job *job, const geometry *g, int64_t part) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0], *w = &call->view[1], *y = &call->view[call->n_in];
    const int64_t row0 = take(&part, g->down) * g->rows;
    const int64_t column0 = take(&part, g->across) * g->columns;
    const int64_t phase[2] = {take(&part, g->step[0]), take(&part, g->step[1])};
    const int64_t m = take(&part, g->deep) * g->channels, group = take(&part, g->group);
    const int64_t step_h = call->i[DMS_CONV_STEP], step_w = call->i[DMS_CONV_STEP + 1];
    const int64_t rows = dms_divide_up(y->dim[2] - phase[0], step_h) - row0;
    const int64_t columns = dms_divide_up(y->dim[3] - phase[1], step_w) - column0;
    if (rows <= 0 || columns <= 0)
        return;
    const int64_t size = dms_dtype_bytes(x->dtype);
    dms_tap_table *table = dms_tap_table_in(job->scratch);
    const int64_t channel = group * g->m + m;
    dms_taps t = {
        .dtype = x->dtype,
        .size = (uint32_t)size,
        .x = {(char *)job->operand[0] + (part * x->pitch[0] + group * g->c * x->pitch[1]) * size,
              g->c, x->dim[2], x->dim[3], x->pitch[1], x->pitch[2], x->pitch[3]},
        .y = {(char *)job->operand[call->n_in] + (part * y->pitch[0] + channel * y->pitch[1] +
                                                  (phase[0] + row0 * step_h) * y->pitch[2] +
                                                  (phase[1] + column0 * step_w) * y->pitch[3]) *
                                                     size,
              g->m - m < g->channels ? g->m - m : g->channels, rows < g->rows ? rows : g->rows,
              columns < g->columns ? columns : g->columns, y->pitch[1], y->pitch[2] * step_h,
              y->pitch[3] * step_w},
        .row0 = row0,
        .column0 = column0,
        .step_h = 1,
        .step_w = 1,
        .n = list_taps(call, phase, table),
        .dy = table->dy,
        .dx = table->dx,
        .w_at = table->w_at,
        .w = (const char *)job->operand[1] + (group * g->c * w->pitch[0] + m * w->pitch[1]) * size,
        .w_m = w->pitch[1],
        .w_c = w->pitch[0],
        .groups = 1,
    };
    if (call->n_in == 3) {
        t.bias_pitch = call->view[2].pitch[0];
        t.bias = (const char *)job->operand[2] + channel * t.bias_pitch * size;
    }
    DMS_ISA(dms_taps_run)(&t, job->scratch);
}

static void conv_transpose_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const geometry g = geometry_of(job->call);
    for (uint64_t part = first; part < end; part++)
        run_part(job, &g, (int64_t)part);
}

const dms_cpu_kernel DMS_ISA(dms_cpu_conv_transpose) = {DMS_K_CONV_TRANSPOSE, conv_transpose_parts,
                                                        conv_transpose_run};
