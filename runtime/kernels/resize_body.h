/* resize_body.h - RESIZE along one axis: where an output comes from, and with which weights.
 *
 * Reads    an output's position along an axis, the rules of the call.
 * Returns  a window of taps: neighbouring elements, and the weight of each; nearest: one element.
 * Cost     O(1) per window and tap; antialiased windows sum their weights first.
 * Source   ONNX (Resize 10 to 19); positions are computed in f32 as ONNX Runtime does, whose
 *          rounding decides ties of nearest. Keys' cubic.
 * Not here sums over taps of several axes (resize_cpu.c, runtime/cuda/kernels/resize.cu).
 *
 * Antialiasing widens the filter by 1 / scale where the image shrinks. Taps outside the image
 * repeat the border or, if excluded, are left out and the other weights grow to sum to 1. */
#ifndef DMS_RUNTIME_KERNELS_RESIZE_BODY_H
#define DMS_RUNTIME_KERNELS_RESIZE_BODY_H

#include "runtime/kernels/dialect.h"
#include "runtime/kernels/resize.h"

/* Taps of one window at most. */
enum { DMS_RESIZE_TAPS = 4 * DMS_RESIZE_MAX_SHRINK + 4 };

/* Where output `at` lies among the inputs:
 *
 *      half_pixel             pixels are squares and positions their centres
 *      pytorch_half_pixel     the same, but a single output takes the first input
 *      align_corners          the first and last outputs are the first and last inputs
 *      asymmetric             the first output is the first input
 *      tf_crop_and_resize     from `begin` to `end`, as shares of the input
 *      half_pixel_symmetric   half_pixel, centred when out is not exactly in * scale
 */
DMS_FN float dms_resize_position(const dms_resize_rule *rule, const dms_resize_axis *a,
                                 int64_t at) {
    const float x = (float)at, in = (float)a->in, out = (float)a->out;
    const float half = (x + 0.5f) / a->scale - 0.5f;
    switch (rule->coordinates) {
    case DMS_PYTORCH_HALF_PIXEL:
        return a->out > 1 ? half : 0.0f;
    case DMS_ALIGN_CORNERS:
        return a->out == 1 ? 0.0f : x * (in - 1.0f) / (out - 1.0f);
    case DMS_ASYMMETRIC:
        return x / a->scale;
    case DMS_TF_CROP:
        return a->out > 1
                   ? a->begin * (in - 1.0f) + x * (a->end - a->begin) * (in - 1.0f) / (out - 1.0f)
                   : 0.5f * (a->begin + a->end) * (in - 1.0f);
    case DMS_HALF_PIXEL_SYMMETRIC:
        return in / 2.0f * (1.0f - out / (a->scale * in)) + half;
    }
    return half;
}

/* A position that fits an integer, whatever the scale. */
DMS_FN float dms_resize_bounded(float x) {
    return x > -2147483648.0f ? x < 2147483648.0f ? x : 2147483648.0f : -2147483648.0f;
}

/* The entry of an axis of n that is closest to a whole x. */
DMS_FN int64_t dms_resize_entry(float x, int64_t n) {
    if (!(x > 0.0f))
        return 0;
    return x >= (float)(n - 1) ? n - 1 : (int64_t)x;
}

/* The one element that nearest takes for position x. */
DMS_FN int64_t dms_resize_nearest(const dms_resize_rule *rule, const dms_resize_axis *a, float x) {
    switch (rule->rounding) {
    case DMS_PREFER_FLOOR:
        return dms_resize_entry(ceilf(x - 0.5f), a->in);
    case DMS_PREFER_CEIL:
        return dms_resize_entry(floorf(x + 0.5f), a->in);
    case DMS_FLOOR:
        return dms_resize_entry(floorf(x), a->in);
    }
    return dms_resize_entry(ceilf(x), a->in);
}

/* Where output `at` of an axis comes from (nearest). */
DMS_FN int64_t dms_resize_source(const dms_resize_rule *rule, const dms_resize_axis *a,
                                 int64_t at) {
    return dms_resize_nearest(rule, a, dms_resize_bounded(dms_resize_position(rule, a, at)));
}

/* The filters at distance |x|: a triangle; Keys' cubic with the coefficient of the call. */
DMS_FN float dms_resize_filter(const dms_resize_rule *rule, float x) {
    const float c = rule->coefficient, d = x < 0.0f ? -x : x;
    if (rule->mode == DMS_RESIZE_LINEAR)
        return d < 1.0f ? 1.0f - d : 0.0f;
    if (d <= 1.0f)
        return ((c + 2.0f) * d - (c + 3.0f)) * d * d + 1.0f;
    return d < 2.0f ? ((c * d - 5.0f * c) * d + 8.0f * c) * d - 4.0f * c : 0.0f;
}

/* Taps first, first + 1, ... of a window, before those outside find their element. */
typedef struct dms_resize_window {
    int64_t first, n, in;
    float x, unit, total; /* filter units per element; 0: weights stay as they are */
    int32_t is_outside;   /* tf_crop_and_resize: the value is the extrapolation */
} dms_resize_window;

/* The weight of tap k; *at is its element. */
DMS_FN float dms_resize_tap(const dms_resize_rule *rule, const dms_resize_window *w, int64_t k,
                            int64_t *at) {
    const int64_t element = w->first + k;
    *at = element < 0 ? 0 : element >= w->in ? w->in - 1 : element;
    if (rule->mode == DMS_RESIZE_NEAREST)
        return 1.0f;
    const float weight = dms_resize_filter(rule, ((float)element - w->x) * w->unit);
    return w->total != 0.0f ? weight / w->total : weight;
}

/* The taps of a filter around w->x, which reaches `reach` filter units to each side. */
DMS_FN void dms_resize_reach(const dms_resize_rule *rule, int is_excluding, int is_scaled,
                             dms_resize_window *w) {
    const float reach = (rule->mode == DMS_RESIZE_LINEAR ? 1.0f : 2.0f) / w->unit;
    int64_t first = (int64_t)floorf(w->x - reach) + 1, last = (int64_t)ceilf(w->x + reach) - 1;
    if (is_excluding) {
        first = first < 0 ? 0 : first;
        last = last < w->in ? last : w->in - 1;
    }
    w->first = first;
    w->n = last < first ? 0 : last - first + 1;
    w->n = w->n < DMS_RESIZE_TAPS ? w->n : DMS_RESIZE_TAPS;
    float total = 0.0f;
    for (int64_t k = 0; k < w->n && is_scaled; k++)
        total += dms_resize_filter(rule, ((float)(w->first + k) - w->x) * w->unit);
    w->total = total;
}

/* The window of output `at` of an axis. */
DMS_FN void dms_resize_window_of(const dms_resize_rule *rule, const dms_resize_axis *a, int64_t at,
                                 dms_resize_window *out) {
    const float last = (float)(a->in - 1), x = dms_resize_position(rule, a, at);
    const int is_excluding = rule->excludes;
    out->in = a->in;
    out->is_outside = rule->coordinates == DMS_TF_CROP && (x < 0.0f || x > last);
    out->x = dms_resize_bounded(x);
    out->unit = 1.0f;
    out->total = 0.0f;
    if (rule->mode == DMS_RESIZE_NEAREST) {
        out->n = 1;
        out->first = dms_resize_nearest(rule, a, out->x);
    } else if (rule->antialiases) {
        out->unit = a->scale < 1.0f ? a->scale : 1.0f;
        dms_resize_reach(rule, is_excluding, 1, out);
    } else if (rule->mode == DMS_RESIZE_LINEAR) {
        out->x = out->x < 0.0f ? 0.0f : out->x > last ? last : out->x;
        dms_resize_reach(rule, 0, 0, out);
    } else {
        dms_resize_reach(rule, is_excluding, is_excluding, out);
    }
}

/* ---- integers: sums are made in f64 --------------------------------------------------------- */

/* Weights of 8-bit types are fixed-point numbers, where the image is antialiased. */
DMS_FN double dms_resize_fixed(int is_byte, float weight) {
    return is_byte ? round((double)weight * 0x1p+22) * 0x1p-22 : (double)weight;
}

/* To the nearest integer, within the type; ties of 8-bit types go up, others away from 0. */
DMS_FN double dms_resize_round(int is_byte, int is_signed, double v) {
    const double low = is_signed ? -128.0 : 0.0, high = is_signed ? 127.0 : 255.0;
    if (!is_byte)
        return round(v);
    v = floor(v + 0.5);
    return v < low ? low : v > high ? high : v;
}

/* f64 to an integer that fits a type of so many bits. The limits of 64-bit types are the nearest
 * doubles inside. */
DMS_FN int64_t dms_resize_signed(int bits, double v) {
    const double half = (double)((uint64_t)1 << (bits - 1));
    const double high = bits == 64 ? 9223372036854774784.0 : half - 1.0;
    return (int64_t)(v > high ? high : v >= -half ? v : -half);
}
DMS_FN uint64_t dms_resize_unsigned(int bits, double v) {
    const double high = bits == 64 ? 18446744073709549568.0 : (double)(((uint64_t)1 << bits) - 1);
    return (uint64_t)(v > high ? high : v >= 0.0 ? v : 0.0);
}

#endif
