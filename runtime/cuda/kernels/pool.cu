/* pool.cu - pools, a thread per output: taps in the order kh, kw, those outside the image left out.
 * Maximum: the first of equal values, NaN before everything. Average: one chain of additions.
 *
 * Grid: blocks of 256 threads over the outputs. Bytes: the image once, the windows' overlap from
 * the cache. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/window.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/pool_body.h"

enum { MAX = 0, AVERAGE = 1, LP = 2 };

/* One output: its place, and the taps of its window that lie in the image. */
typedef struct output {
    int64_t b, c, at[2], first[2], end[2], start[2]; /* start: of the window, before the padding */
} output;

DMS_DEVICE output output_of(const dms_pool_params *p, int64_t index) {
    output o;
    o.at[1] = index % p->y_dim[1];
    index /= p->y_dim[1];
    o.at[0] = index % p->y_dim[0];
    index /= p->y_dim[0];
    o.c = index % p->channels;
    o.b = index / p->channels;
    for (int k = 0; k < 2; k++) {
        o.start[k] = o.at[k] * p->step[k] - p->pad[k];
        dms_pool_range(o.start[k], p->dilation[k], p->x_dim[k], p->k[k], &o.first[k], &o.end[k]);
    }
    return o;
}

/* Taps that an average counts: inside the image, or inside the padded image. */
DMS_DEVICE int64_t counted(const dms_pool_params *p, const output *o) {
    int64_t n = 1;
    for (int k = 0; k < 2; k++) {
        const int64_t low = p->count_pads ? p->pad[k] : 0, high = p->count_pads ? p->pad_end[k] : 0;
        n *= dms_pool_counted(o->start[k], p->dilation[k], p->x_dim[k], p->k[k], low, high);
    }
    return n;
}

/* --- maxima */

DMS_DEVICE dms_scalar lowest_of(dms_dtype dtype) {
    dms_scalar v;
    v.u64 = 0;
    switch ((unsigned)dms_class_of(dtype)) {
    case DMS_CLASS_F32:
        v.f32 = -INFINITY;
        break;
    case DMS_CLASS_F64:
        v.f64 = -(double)INFINITY;
        break;
    case DMS_CLASS_I64:
        v.i64 = INT64_MIN >> (64 - 8 * dms_element_bytes(dtype));
        break;
    }
    return v;
}

/* Whether x is taken over r; with indices a second NaN is not. */
DMS_DEVICE int wins(dms_class of, dms_scalar x, dms_scalar r, int has_indices) {
    if (of == DMS_CLASS_F32)
        return x.f32 > r.f32 || (x.f32 != x.f32 && (!has_indices || r.f32 == r.f32));
    if (of == DMS_CLASS_F64)
        return x.f64 > r.f64 || (x.f64 != x.f64 && (!has_indices || r.f64 == r.f64));
    return of == DMS_CLASS_I64 ? x.i64 > r.i64 : x.u64 > r.u64;
}

DMS_DEVICE dms_scalar greatest(const dms_pool_params *p, const output *o, int64_t *out_index) {
    const dms_dtype dtype = (dms_dtype)p->dtype;
    const dms_class of = dms_class_of(dtype);
    const int64_t base = o->b * p->x_pitch[0] + o->c * p->x_pitch[1];
    dms_scalar r = lowest_of(dtype);
    *out_index = -1;
    for (int64_t ky = o->first[0]; ky < o->end[0]; ky++)
        for (int64_t kx = o->first[1]; kx < o->end[1]; kx++) {
            const int64_t y = o->start[0] + ky * p->dilation[0];
            const int64_t x = o->start[1] + kx * p->dilation[1];
            const dms_scalar v =
                dms_element_load(dtype, p->x, base + y * p->x_pitch[2] + x * p->x_pitch[3]);
            if ((p->indices != NULL && *out_index < 0) || wins(of, v, r, p->indices != NULL)) {
                r = v;
                *out_index = ((o->b * p->channels + o->c) * p->x_dim[0] + y) * p->x_dim[1] + x;
            }
        }
    return r;
}

/* --- sums */

/* The chain of one output in the class of the type; the average or root of it. */
DMS_DEVICE dms_scalar summed(const dms_pool_params *p, const output *o) {
    const dms_dtype dtype = (dms_dtype)p->dtype;
    const int64_t base = o->b * p->x_pitch[0] + o->c * p->x_pitch[1];
    const int is_f64 = dtype == DMS_DTYPE_F64;
    float sum = 0.0f;
    double wide = 0.0;
    dms_scalar out;
    for (int64_t ky = o->first[0]; ky < o->end[0]; ky++)
        for (int64_t kx = o->first[1]; kx < o->end[1]; kx++) {
            const int64_t y = o->start[0] + ky * p->dilation[0];
            const int64_t x = o->start[1] + kx * p->dilation[1];
            const dms_scalar v =
                dms_element_load(dtype, p->x, base + y * p->x_pitch[2] + x * p->x_pitch[3]);
            if (is_f64)
                wide += p->fn == LP ? dms_pool_power_f64(v.f64, p->p) : v.f64;
            else
                sum += p->fn == LP ? dms_pool_power_f32(v.f32, p->p) : v.f32;
        }
    if (is_f64)
        out.f64 = p->fn == LP ? dms_pool_root(wide, p->p) : wide / (double)counted(p, o);
    else
        out.f32 =
            p->fn == LP ? (float)dms_pool_root((double)sum, p->p) : sum / (float)counted(p, o);
    return out;
}

DMS_CUDA_KERNEL(pool, dms_pool_params) {
    const int64_t n = p.batch * p.channels * p.y_dim[0] * p.y_dim[1];
    for (int64_t index = dms_thread(); index < n; index += dms_threads()) {
        const output o = output_of(&p, index);
        int64_t at = -1;
        const dms_scalar v = p.fn == MAX ? greatest(&p, &o, &at) : summed(&p, &o);
        dms_element_store((dms_dtype)p.dtype, v, p.y,
                          o.b * p.y_pitch[0] + o.c * p.y_pitch[1] + o.at[0] * p.y_pitch[2] +
                              o.at[1] * p.y_pitch[3]);
        if (p.indices != NULL)
            p.indices[o.b * p.index_pitch[0] + o.c * p.index_pitch[1] + o.at[0] * p.index_pitch[2] +
                      o.at[1] * p.index_pitch[3]] = at;
    }
}
