/* sample_cpu.c - GRID_SAMPLE on the CPU device.
 *
 * A part is 64 positions of one sample. Their taps, elements of a channel and weights, are found
 * once and used for every channel:
 *
 *      y[c, p] = sum over taps t of  weight[t, p] x[c, at[t, p]]       a fused chain from 0, first
 *                                                                      axis slowest
 *
 * Per axis: nearest has one tap, ties to even; linear two; cubic four (Keys, -0.75). Positions
 * beyond the ends are first clamped (border, but for cubic) or reflected; taps that are still
 * outside weigh nothing (zeros) or are clamped or reflected themselves. A NaN counts as far
 * below. */
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/sample.h"
#include "runtime/kernels/strip.h"

enum { POINTS = 64, AXIS_TAPS = 4, MAX_TAPS = 64 }; /* 4 x 4 x 4 */

/* Far outside of every axis, and exact. */
#define FAR 1073741824.0f

typedef struct sample_scratch {
    float position[DMS_SAMPLE_MAX_AXES][POINTS];
    int64_t at[MAX_TAPS][POINTS];
    float weight[MAX_TAPS][POINTS];
    float x[POINTS], sum[POINTS];
    uint8_t raw[POINTS * sizeof(float)];
} sample_scratch;
_Static_assert(sizeof(sample_scratch) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* The taps of one position along one axis. */
typedef struct axis_taps {
    int n;
    int64_t at[AXIS_TAPS]; /* always inside */
    float weight[AXIS_TAPS];
} axis_taps;

/* x reflected at low and high until it lies between them. */
static float reflect(float x, float low, float high) {
    const float range = high - low;
    if (!(range > 0.0f))
        return low;
    const float beyond = x < low ? low - x : x > high ? x - high : 0.0f;
    if (beyond == 0.0f)
        return x;
    const float turns = floorf(beyond / range), rest = beyond - turns * range;
    const bool is_even = floorf(turns * 0.5f) * 2.0f == turns;
    return (x < low) == is_even ? low + rest : high - rest;
}

/* Element k of an axis of n, or another in its place; *weight becomes 0 where there is none. */
static int64_t inside(const dms_call *call, int64_t k, int64_t n, float *weight) {
    if (k >= 0 && k < n)
        return k;
    if (call->i[DMS_SAMPLE_PADDING] == DMS_SAMPLE_REFLECTION) {
        const bool is_aligned = call->i[DMS_SAMPLE_ALIGN] != 0;
        const float low = is_aligned ? 0.0f : -0.5f;
        const float x = reflect((float)k, low, (float)(n - 1) - low);
        k = (int64_t)x;
    } else if (call->i[DMS_SAMPLE_PADDING] == DMS_SAMPLE_ZEROS) {
        *weight = 0.0f;
    }
    return k < 0 ? 0 : k >= n ? n - 1 : k;
}

/* Keys' cubic at distances 1 + f, f, 1 - f, 2 - f. */
static void cubic_weights(float f, float *weight) {
    const float c = -0.75f;
    for (int k = 0; k < AXIS_TAPS; k++) {
        const float d = k < 2 ? (float)(1 - k) + f : (float)(k - 1) - f;
        weight[k] = k == 1 || k == 2 ? ((c + 2.0f) * d - (c + 3.0f)) * d * d + 1.0f
                                     : ((c * d - 5.0f * c) * d + 8.0f * c) * d - 4.0f * c;
    }
}

/* Taps of position g (-1 to 1) along an axis of n elements. */
static axis_taps taps_of(const dms_call *call, float g, int64_t n) {
    const bool is_aligned = call->i[DMS_SAMPLE_ALIGN] != 0;
    const float low = is_aligned ? 0.0f : -0.5f, last = (float)(n - 1), high = last - low;
    float x = is_aligned ? (g + 1.0f) * 0.5f * last : ((g + 1.0f) * (float)n - 1.0f) * 0.5f;
    x = x > -FAR ? x < FAR ? x : FAR : -FAR;
    const bool is_cubic = call->i[DMS_SAMPLE_MODE] == DMS_SAMPLE_CUBIC;
    if (call->i[DMS_SAMPLE_PADDING] == DMS_SAMPLE_BORDER && !is_cubic)
        x = x < 0.0f ? 0.0f : x > last ? last : x;
    else if (call->i[DMS_SAMPLE_PADDING] == DMS_SAMPLE_REFLECTION)
        x = reflect(x, low, high);
    axis_taps taps = {.n = 1, .weight = {1.0f}};
    int64_t first = (int64_t)rintf(x);
    if (call->i[DMS_SAMPLE_MODE] != DMS_SAMPLE_NEAREST) {
        const float floor_x = floorf(x), f = x - floor_x;
        first = (int64_t)floor_x - (is_cubic ? 1 : 0);
        taps.n = is_cubic ? 4 : 2;
        taps.weight[0] = 1.0f - f;
        taps.weight[1] = f;
        if (is_cubic)
            cubic_weights(f, taps.weight);
    }
    for (int k = 0; k < taps.n; k++)
        taps.at[k] = inside(call, first + k, n, &taps.weight[k]);
    return taps;
}

/* All taps of point p: products of those of its axes. Returns how many. */
static int point_taps(const dms_call *call, int64_t p, sample_scratch *s) {
    const dms_view *x = &call->view[0];
    const uint32_t axes = x->rank - 2;
    int n = 1;
    s->at[0][p] = 0;
    s->weight[0][p] = 1.0f;
    for (uint32_t axis = 0; axis < axes; axis++) {
        /* The grid names the last axis first. */
        const axis_taps taps = taps_of(call, s->position[axes - 1 - axis][p], x->dim[2 + axis]);
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
