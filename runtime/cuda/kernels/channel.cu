/* channel.cu - BATCH_NORM and LRN: one element of the result per thread.
 *
 * Grid: blocks of 256 threads over the elements. Bytes: x and y once; the neighbours in channels
 * that LRN reads come from the cache. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/rows.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/elementary_more.h"

/* Operand k at these coordinates, in f64 where the result is. */
DMS_DEVICE double real_of(const dms_channel_params *p, uint32_t k, const dms_coords *c) {
    const dms_dtype dtype = (dms_dtype)p->dtype[k];
    const dms_scalar v = dms_element_load(dtype, p->operand[k], dms_place(&p->places, k, c));
    return dms_class_of(dtype) == DMS_CLASS_F32 ? (double)v.f32 : v.f64;
}

/* x - mean first, as the difference is exact where x is close to the mean. Operands: x, scale,
 * bias, mean, variance, y. */
DMS_CUDA_KERNEL(batch_norm, dms_channel_params) {
    const dms_dtype dtype = (dms_dtype)p.dtype[5];
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        double v[5];
        dms_scalar y;
        DMS_EACH(k, 5)
        v[k] = real_of(&p, (uint32_t)k, &c);
        if (dtype == DMS_DTYPE_F64) {
            const double by = v[1] / sqrt(v[4] + p.epsilon);
            y.f64 = dms_quiet(fma(v[0] - v[3], by, v[2]));
        } else {
            const float by = (float)v[1] / sqrtf((float)v[4] + (float)p.epsilon);
            y.f32 = dms_quietf(fmaf((float)v[0] - (float)v[3], by, (float)v[2]));
        }
        dms_element_store(dtype, y, p.operand[5], dms_place(&p.places, 5, &c));
    }
}

/* y = x / (bias + alpha / size * sum of the squares of `size` channels)^beta, squares in order of
 * channel. Operands: x[b,c,s], y. */
DMS_CUDA_KERNEL(lrn, dms_channel_params) {
    const dms_dtype dtype = (dms_dtype)p.dtype[0];
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        const int64_t own = dms_place(&p.places, 0, &c), channel = c.at[1];
        const int64_t low = channel - (p.size - 1) / 2, high = channel + p.size / 2;
        double wide = 0.0;
        float sum = 0.0f;
        for (int64_t j = low < 0 ? 0 : low; j <= high && j < p.channels; j++) {
            const dms_scalar v =
                dms_element_load(dtype, p.operand[0], own + (j - channel) * p.pitch);
            if (dtype == DMS_DTYPE_F64)
                wide = fma(v.f64, v.f64, wide);
            else
                sum = fmaf(v.f32, v.f32, sum);
        }
        const dms_scalar x = dms_element_load(dtype, p.operand[0], own);
        const double alpha = p.alpha / (double)p.size;
        dms_scalar y;
        if (dtype == DMS_DTYPE_F64)
            y.f64 = dms_quiet(x.f64 * pow(fma(alpha, wide, p.bias), -p.beta));
        else
            y.f32 = dms_quietf(x.f32 *
                               dms_powf(fmaf((float)alpha, sum, (float)p.bias), (float)-p.beta));
        dms_element_store(dtype, y, p.operand[1], dms_place(&p.places, 1, &c));
    }
}
