/* sample_body.h - GRID_SAMPLE along one axis: which elements a position is made of.
 *
 * Reads    a position from -1 to 1, an axis of n elements, the rules of the call.
 * Returns  the taps of the position: elements that are all inside, and their weights.
 * Cost     O(1), about 40 operations.
 * Source   ONNX (GridSample 16 and 20); Keys' cubic with -0.75.
 * Not here products of several axes, sums (sample_cpu.c, runtime/cuda/kernels/sample.cu).
 *
 * Nearest has one tap, ties to even; linear two; cubic four. Positions beyond the ends are first
 * clamped (border, but for cubic) or reflected; taps that are still outside weigh nothing (zeros)
 * or are clamped or reflected themselves. A NaN counts as far below. */
#ifndef DMS_RUNTIME_KERNELS_SAMPLE_BODY_H
#define DMS_RUNTIME_KERNELS_SAMPLE_BODY_H

#include "runtime/kernels/dialect.h"
#include "runtime/kernels/sample.h"

enum { DMS_SAMPLE_AXIS_TAPS = 4 };

/* Far outside of every axis, and exact. */
#define DMS_SAMPLE_FAR 1073741824.0f

/* The integer parameters of a call. */
typedef struct dms_sample_rule {
    int32_t mode, padding, is_aligned;
} dms_sample_rule;

/* The taps of one position along one axis. */
typedef struct dms_sample_taps {
    int n;
    int64_t at[DMS_SAMPLE_AXIS_TAPS]; /* always inside */
    float weight[DMS_SAMPLE_AXIS_TAPS];
} dms_sample_taps;

/* x reflected at low and high until it lies between them. */
DMS_FN float dms_sample_reflect(float x, float low, float high) {
    const float range = high - low;
    if (!(range > 0.0f))
        return low;
    const float beyond = x < low ? low - x : x > high ? x - high : 0.0f;
    if (beyond == 0.0f)
        return x;
    const float turns = floorf(beyond / range), rest = beyond - turns * range;
    const int is_even = floorf(turns * 0.5f) * 2.0f == turns;
    return (x < low) == is_even ? low + rest : high - rest;
}

/* Element k of an axis of n, or another in its place; *weight becomes 0 where there is none. */
DMS_FN int64_t dms_sample_inside(const dms_sample_rule *rule, int64_t k, int64_t n, float *weight) {
    if (k >= 0 && k < n)
        return k;
    if (rule->padding == DMS_SAMPLE_REFLECTION) {
        const float low = rule->is_aligned ? 0.0f : -0.5f;
        k = (int64_t)dms_sample_reflect((float)k, low, (float)(n - 1) - low);
    } else if (rule->padding == DMS_SAMPLE_ZEROS) {
        *weight = 0.0f;
    }
    return k < 0 ? 0 : k >= n ? n - 1 : k;
}

/* Keys' cubic at distances 1 + f, f, 1 - f, 2 - f. */
DMS_FN void dms_sample_cubic(float f, float *weight) {
    const float c = -0.75f;
    for (int k = 0; k < DMS_SAMPLE_AXIS_TAPS; k++) {
        const float d = k < 2 ? (float)(1 - k) + f : (float)(k - 1) - f;
        weight[k] = k == 1 || k == 2 ? ((c + 2.0f) * d - (c + 3.0f)) * d * d + 1.0f
                                     : ((c * d - 5.0f * c) * d + 8.0f * c) * d - 4.0f * c;
    }
}

/* Position g as an element of an axis of n, before it is cut into taps. */
DMS_FN float dms_sample_position(const dms_sample_rule *rule, float g, int64_t n) {
    const float low = rule->is_aligned ? 0.0f : -0.5f, last = (float)(n - 1);
    float x = rule->is_aligned ? (g + 1.0f) * 0.5f * last : ((g + 1.0f) * (float)n - 1.0f) * 0.5f;
    x = x > -DMS_SAMPLE_FAR ? x < DMS_SAMPLE_FAR ? x : DMS_SAMPLE_FAR : -DMS_SAMPLE_FAR;
    if (rule->padding == DMS_SAMPLE_BORDER && rule->mode != DMS_SAMPLE_CUBIC)
        return x < 0.0f ? 0.0f : x > last ? last : x;
    return rule->padding == DMS_SAMPLE_REFLECTION ? dms_sample_reflect(x, low, last - low) : x;
}

/* Taps of position g along an axis of n elements. */
DMS_FN void dms_sample_taps_of(const dms_sample_rule *rule, float g, int64_t n,
                               dms_sample_taps *out) {
    const float x = dms_sample_position(rule, g, n), floor_x = floorf(x), f = x - floor_x;
    const int is_cubic = rule->mode == DMS_SAMPLE_CUBIC;
    int64_t first = (int64_t)floor_x - is_cubic;
    out->n = is_cubic ? 4 : 2;
    out->weight[0] = 1.0f - f;
    out->weight[1] = f;
    if (is_cubic)
        dms_sample_cubic(f, out->weight);
    if (rule->mode == DMS_SAMPLE_NEAREST) {
        out->n = 1;
        out->weight[0] = 1.0f;
        first = (int64_t)rintf(x);
    }
    for (int k = 0; k < out->n; k++)
        out->at[k] = dms_sample_inside(rule, first + k, n, &out->weight[k]);
}

#endif
