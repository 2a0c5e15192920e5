/* sample_cpu.c - GRID_SAMPLE on the CPU device.
 *
 * A part is 64 positions of one sample. Their taps, elements of a channel and weights, are found
 * once and used for every channel:
 *
 *      y[c, p] = sum over taps t of  weight[t, p] x[c, at[t, p]]       a fused chain from 0, first
 *                                                                      axis slowest
 *
 * Which taps an axis has: sample_body.h. */
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/sample_body.h"
#include "runtime/kernels/strip.h"

enum { POINTS = 64, MAX_TAPS = 64 }; /* 4 x 4 x 4 */

typedef struct sample_scratch {
    float position[DMS_SAMPLE_MAX_AXES][POINTS];
    int64_t at[MAX_TAPS][POINTS];
    float weight[MAX_TAPS][POINTS];
    float x[POINTS], sum[POINTS];
    uint8_t raw[POINTS * sizeof(float)];
} sample_scratch;
_Static_assert(sizeof(sample_scratch) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* All taps of point p: products of those of its axes. Returns how many. */
static int point_taps(const dms_call *call, int64_t p, sample_scratch *s) {
    const dms_view *x = &call->view[0];
    const uint32_t axes = x->rank - 2;
    const dms_sample_rule rule = {(int32_t)call->i[DMS_SAMPLE_MODE],
                                  (int32_t)call->i[DMS_SAMPLE_PADDING],
                                  call->i[DMS_SAMPLE_ALIGN] != 0};
    int n = 1;
    s->at[0][p] = 0;
    s->weight[0][p] = 1.0f;
    for (uint32_t axis = 0; axis < axes; axis++) {
        /* The grid names the last axis first. */
        dms_sample_taps taps;
        dms_sample_taps_of(&rule, s->position[axes - 1 - axis][p], x->dim[2 + axis], &taps);
        for (int t = n; t-- > 0;) /* from the end, so that a tap is read before it is replaced */
            for (int k = taps.n; k-- > 0;) {
                s->at[t * taps.n + k][p] = s->at[t][p] + taps.at[k] * x->pitch[2 + axis];
                s->weight[t * taps.n + k][p] = s->weight[t][p] * taps.weight[k];
            }
        n *= taps.n;
    }
    return n;
}

/* Positions of one sample: all axes of the grid but the first and the last. */
static int64_t positions_of(const dms_call *call) {
    const dms_view *grid = &call->view[1];
    int64_t count = 1;
    for (uint32_t k = 1; k + 1 < grid->rank; k++)
        count *= grid->dim[k];
    return count;
}

static int64_t blocks_of(const dms_call *call) {
    return (positions_of(call) + POINTS - 1) / POINTS;
}

static uint64_t grid_sample_parts(const dms_call *call) {
    if (dms_view_count(&call->view[2]) == 0)
        return 0;
    return (uint64_t)(call->view[0].dim[0] * blocks_of(call));
}

/* Element offset of position `index` in axes [first, first + n) of a view. */
static int64_t offset_of(const dms_view *view, uint32_t first, uint32_t n, int64_t index) {
    int64_t offset = 0;
    for (uint32_t k = first + n; k-- > first; index /= view->dim[k])
        offset += index % view->dim[k] * view->pitch[k];
    return offset;
}

static const char *address(const dms_cpu_job *job, uint32_t operand, int64_t element) {
    return (const char *)job->operand[operand] +
           element * (int64_t)dms_dtype_bytes(job->call->view[operand].dtype);
}

/* Reads the positions of n points, and makes their taps; returns how many each has. */
static int load_points(const dms_cpu_job *job, int64_t sample, int64_t first, int64_t n,
                       sample_scratch *s) {
    const dms_view *grid = &job->call->view[1];
    const uint32_t axes = grid->rank - 2;
    int taps = 0;
    for (int64_t p = 0; p < n; p++) {
        const int64_t at = sample * grid->pitch[0] + offset_of(grid, 1, axes, first + p);
        float position[DMS_SAMPLE_MAX_AXES];
        DMS_ISA(dms_strip_load)
        (grid->dtype, address(job, 1, at), grid->pitch[grid->rank - 1], axes, position);
        for (uint32_t k = 0; k < axes; k++)
            s->position[k][p] = position[k];
        taps = point_taps(job->call, p, s);
    }
    return taps;
}

/* x = elements at[0 .. n) of a channel. */
static void gather(dms_dtype dtype, const char *channel, const int64_t *at, int64_t n,
                   sample_scratch *s) {
    if (dtype == DMS_DTYPE_F32) {
        const float *from = (const float *)(const void *)channel;
        for (int64_t p = 0; p < n; p++)
            s->x[p] = from[at[p]];
        return;
    }
    for (int64_t p = 0; p < n; p++)
        memcpy(s->raw + 2 * p, channel + 2 * at[p], 2);
    DMS_ISA(dms_strip_load)(dtype, s->raw, 1, n, s->x);
}

/* One channel of n points. */
static void sample_channel(const dms_cpu_job *job, int64_t sample, int64_t c, int64_t first,
                           int64_t n, int taps, sample_scratch *s) {
    const dms_view *x = &job->call->view[0], *y = &job->call->view[2];
    const char *channel = address(job, 0, sample * x->pitch[0] + c * x->pitch[1]);
    memset(s->sum, 0, sizeof s->sum);
    for (int t = 0; t < taps; t++) {
        gather(x->dtype, channel, s->at[t], n, s);
        for (int64_t p = 0; p < n; p++) /* an element that weighs nothing may be infinite */
            s->sum[p] =
                s->weight[t][p] == 0.0f ? s->sum[p] : fmaf(s->weight[t][p], s->x[p], s->sum[p]);
    }
    const int64_t base = sample * y->pitch[0] + c * y->pitch[1], size = dms_dtype_bytes(y->dtype);
    for (int64_t p = 0; p < n; p++)
        DMS_ISA(dms_strip_store)
    (y->dtype, &s->sum[p],
     (char *)job->operand[2] + (base + offset_of(y, 2, y->rank - 2, first + p)) * size, 1, 1);
}

static void grid_sample_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_call *call = job->call;
    const int64_t blocks = blocks_of(call), all = positions_of(call);
    for (uint64_t part = first; part < end; part++) {
        const int64_t sample = (int64_t)part / blocks, from = (int64_t)part % blocks * POINTS;
        const int64_t n = all - from < POINTS ? all - from : POINTS;
        const int taps = load_points(job, sample, from, n, job->scratch);
        for (int64_t c = 0; c < call->view[0].dim[1]; c++)
            sample_channel(job, sample, c, from, n, taps, job->scratch);
    }
}

const dms_cpu_kernel DMS_ISA(dms_cpu_grid_sample) = {DMS_K_GRID_SAMPLE, grid_sample_parts,
                                                     grid_sample_run};
