/* sample.cu - GRID_SAMPLE: a thread per point, which finds its taps once for all channels that it
 * has.
 *
 * Grid: blocks of 256 threads over points times slices of CHANNELS channels. Bytes: the grid once
 * per slice, y once; the elements that neighbouring points share come from the cache. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/sample.h"
#include "runtime/kernels/element.h"

enum { CHANNELS = DMS_SAMPLE_CHANNELS, AXES = DMS_SAMPLE_MAX_AXES };

/* The taps of a point along its axes; axes that are not there have one tap that weighs 1. */
DMS_DEVICE void point_taps(const dms_sample_params *p, const dms_coords *c, dms_sample_taps *taps) {
    const int64_t at = dms_place(&p->points, 1, c);
    DMS_EACH(k, AXES) {
        taps[k].n = 1;
        taps[k].at[0] = 0;
        taps[k].weight[0] = 1.0f;
        if (k < (int)p->axes) { /* the grid names the last axis first */
            const int64_t number = at + ((int64_t)p->axes - 1 - k) * p->grid_pitch;
            const float g = dms_element_load((dms_dtype)p->grid_dtype, p->grid, number).f32;
            dms_sample_taps_of(&p->rule, g, p->dim[k], &taps[k]);
        }
    }
}

/* The sum over all taps, first axis slowest. An element that weighs nothing may be infinite. */
DMS_DEVICE float sum_of(const dms_sample_params *p, const dms_sample_taps *taps, int64_t base) {
    float sum = 0.0f;
    for (int i = 0; i < taps[0].n; i++)
        for (int j = 0; j < taps[1].n; j++)
            for (int k = 0; k < taps[2].n; k++) {
                const int64_t at = base + taps[0].at[i] * p->x_pitch[2] +
                                   taps[1].at[j] * p->x_pitch[3] + taps[2].at[k] * p->x_pitch[4];
                const float weight = taps[0].weight[i] * taps[1].weight[j] * taps[2].weight[k];
                if (weight != 0.0f)
                    sum = fmaf(weight, dms_element_load((dms_dtype)p->dtype, p->x, at).f32, sum);
            }
    return sum;
}

DMS_CUDA_KERNEL(grid_sample, dms_sample_params) {
    const int64_t slices = (p.channels + CHANNELS - 1) / CHANNELS;
    for (int64_t i = dms_thread(); i < p.points.count * slices; i += dms_threads()) {
        dms_sample_taps taps[AXES];
        const dms_coords c = dms_coords_of(&p.points, i % p.points.count);
        const int64_t first = i / p.points.count * CHANNELS, to = dms_place(&p.points, 0, &c);
        point_taps(&p, &c, taps);
        for (int64_t k = first; k < first + CHANNELS && k < p.channels; k++) {
            dms_scalar y;
            y.f32 = sum_of(&p, taps, c.at[0] * p.x_pitch[0] + k * p.x_pitch[1]);
            dms_element_store((dms_dtype)p.dtype, y, p.y, to + k * p.y_pitch);
        }
    }
}
