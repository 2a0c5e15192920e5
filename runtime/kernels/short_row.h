/* short_row.h - sums and maxima of a row of at most 512 f32, in the fixed tree of fold.h.
 *
 * Reads    elements padded to whole groups of 32 with what changes nothing: 0, or minus infinity.
 * Returns  the bits of fold.h: lane l takes elements l, l + 32, ...; lanes are joined in halves.
 * Cost     a row of ten takes 10 ns, where the calls of fold.h take 60: attention-sized rows are
 *          many and short.
 * Source   none.
 * Not here long rows, other types (fold.h).
 */
#ifndef DMS_RUNTIME_KERNELS_SHORT_ROW_H
#define DMS_RUNTIME_KERNELS_SHORT_ROW_H

#include <string.h>

#include "runtime/kernels/strip.h"

/* Every instruction set has vectors of 16 bytes; rows this short wait for latencies, not widths. */
typedef float dms_f32x4 __attribute__((vector_size(16)));
typedef int32_t dms_i32x4 __attribute__((vector_size(16)));

/* Elements in whole groups of lanes. */
DMS_FN int64_t dms_short_padded(int64_t n) {
    return (n + DMS_LANES - 1) / DMS_LANES * DMS_LANES;
}

/* Copies n elements, then pads. `to` holds DMS_STRIP. */
DMS_FN void dms_short_load(const float *from, int64_t n, float padding, float *to) {
    const int64_t padded = dms_short_padded(n);
    memcpy(to, from, (size_t)n * sizeof *to);
    for (int64_t k = n; k < padded; k++)
        to[k] = padding;
}

DMS_FN dms_f32x4 dms_short_get(const float *from) {
    dms_f32x4 out;
    memcpy(&out, from, sizeof out);
    return out;
}

/* The greater of each pair; a NaN wins. */
DMS_FN dms_f32x4 dms_short_greater(dms_f32x4 r, dms_f32x4 x) {
    const dms_i32x4 takes = (x > r) | (x != x);
    return (dms_f32x4)((takes & (dms_i32x4)x) | (~takes & (dms_i32x4)r));
}

DMS_FN float dms_short_greater1(float r, float x) {
    return x > r || x != x ? x : r;
}

/* The sum of n elements, or of their squares. */
DMS_FN float dms_short_sum(const float *a, int64_t n, int is_square) {
    dms_f32x4 lane[8] = {{0}};
    for (int64_t i = 0; i < n; i += DMS_LANES)
        DMS_UNROLL
    for (int l = 0; l < 8; l++) {
        const dms_f32x4 x = dms_short_get(a + i + 4 * l);
        if (is_square)
            for (int k = 0; k < 4; k++)
                lane[l][k] = fmaf(x[k], x[k], lane[l][k]);
        else
            lane[l] += x;
    }
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return (lane[0][0] + lane[0][2]) + (lane[0][1] + lane[0][3]);
}

/* The sum of at most 8 elements, which need no padding: lanes beyond them add 0. */
DMS_FN float dms_short_sum8(const float *a, int64_t n) {
    float lane[8] = {0};
    for (int64_t k = 0; k < n; k++)
        lane[k] += a[k];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* The largest of n elements. */
DMS_FN float dms_short_max(const float *a, int64_t n) {
    const float none = -INFINITY;
    dms_f32x4 lane[8];
    for (int l = 0; l < 8; l++)
        lane[l] = (dms_f32x4){none, none, none, none};
    for (int64_t i = 0; i < n; i += DMS_LANES)
        DMS_UNROLL
    for (int l = 0; l < 8; l++)
        lane[l] = dms_short_greater(lane[l], dms_short_get(a + i + 4 * l));
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = dms_short_greater(lane[l], lane[l + half]);
    return dms_short_greater1(dms_short_greater1(lane[0][0], lane[0][2]),
                              dms_short_greater1(lane[0][1], lane[0][3]));
}

#endif
