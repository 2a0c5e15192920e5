/* resize.cu - RESIZE: a thread per output, which goes over the taps of all axes.
 *
 *      axis 0     taps   w0 w1          windows of the axes, the last axis innermost; weights
 *      axis 1     taps   u0 u1 u2      of the outer axes are multiplied from the first
 *      axis 2     taps   v0 v1         on and skipped where they are 0
 *
 * Grid: blocks of 256 threads over the outputs. Bytes: y once; elements of x that neighbouring
 * outputs share come from the cache. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/sample.h"
#include "runtime/cuda/kernels/words.h"
#include "runtime/kernels/element.h"

/* The taps of one output, and which of them are at hand: one of each outer axis. */
typedef struct taps {
    dms_resize_window window[DMS_RESIZE_MAX_RANK];
    int64_t digit[DMS_RESIZE_MAX_RANK];
    int64_t at[DMS_RESIZE_MAX_RANK];   /* of the outer axes before axis k together: an element, */
    float weight[DMS_RESIZE_MAX_RANK]; /* and what it weighs */
    uint32_t last, changed;            /* axis; the first whose digit has moved */
    int32_t is_outside, is_empty;      /* some axis: beyond the image; without outer taps */
} taps;

/* The column of an output, as a position of the last axis and a channel behind it. */
DMS_DEVICE int64_t column_of(const dms_resize_params *p, const dms_coords *c, int64_t *channel) {
    const int64_t column = c->at[p->y.rank - 1];
    *channel = p->inner == 1 ? 0 : column % p->inner;
    return p->inner == 1 ? column : column / p->inner;
}

DMS_DEVICE void find(const dms_resize_params *p, const dms_coords *c, taps *t) {
    int64_t channel;
    const int64_t position = column_of(p, c, &channel);
    t->last = p->y.rank - 1;
    t->changed = 0;
    t->is_outside = t->is_empty = 0;
    for (uint32_t k = 0; k <= t->last; k++) {
        dms_resize_window_of(&p->rule, &p->axis[k], k == t->last ? position : c->at[k],
                             &t->window[k]);
        t->digit[k] = 0;
        t->is_outside |= t->window[k].is_outside;
        t->is_empty |= k < t->last && t->window[k].n == 0;
    }
    t->at[0] = channel * p->pitch[t->last];
    t->weight[0] = 1.0f;
}

/* The element and the weight of the outer taps at hand: at[last], weight[last]. */
DMS_DEVICE void settle(const dms_resize_params *p, taps *t) {
    for (uint32_t k = t->changed; k < t->last; k++) {
        int64_t element;
        const float weight = dms_resize_tap(&p->rule, &t->window[k], t->digit[k], &element);
        t->at[k + 1] = t->at[k] + element * p->pitch[k];
        t->weight[k + 1] = t->weight[k] * weight;
    }
}

/* Moves on like an odometer; 0 behind the last taps. */
DMS_DEVICE int move_on(taps *t) {
    uint32_t k = t->last;
    while (k > 0 && ++t->digit[k - 1] == t->window[k - 1].n)
        t->digit[--k] = 0;
    t->changed = k == 0 ? 0 : k - 1;
    return k != 0;
}

/* Tap k of the last axis, behind the outer taps at hand. */
DMS_DEVICE float last_tap(const dms_resize_params *p, const taps *t, int64_t k, int64_t *at) {
    const int64_t step = p->inner * p->pitch[t->last];
    const float weight = dms_resize_tap(&p->rule, &t->window[t->last], k, at);
    *at = t->at[t->last] + *at * step;
    return weight;
}

/* An element as f64. */
DMS_DEVICE double wide_of(const dms_resize_params *p, int64_t at) {
    const dms_scalar v = dms_element_load((dms_dtype)p->dtype, p->from, at);
    switch ((unsigned)dms_class_of((dms_dtype)p->dtype)) {
    case DMS_CLASS_F64:
        return v.f64;
    case DMS_CLASS_I64:
        return (double)v.i64;
    case DMS_CLASS_U64:
        return (double)v.u64;
    }
    return (double)v.b8;
}

DMS_DEVICE float single_of(const dms_resize_params *p, int64_t at) {
    return dms_element_load((dms_dtype)p->dtype, p->from, at).f32;
}

/* sum over outer taps of weight * (sum over taps of the last axis), both as chains from 0. */
#define SUM(NAME, T, FMA, ELEMENT)                                                                 \
    DMS_DEVICE T NAME(const dms_resize_params *p, taps *t) {                                       \
        T sum = (T)0;                                                                              \
        do {                                                                                       \
            T inner = (T)0;                                                                        \
            settle(p, t);                                                                          \
            if (t->weight[t->last] == 0.0f)                                                        \
                continue;                                                                          \
            for (int64_t k = 0; k < t->window[t->last].n; k++) {                                   \
                int64_t at;                                                                        \
                const float weight = last_tap(p, t, k, &at);                                       \
                inner = FMA((T)weight, ELEMENT(p, at), inner);                                     \
            }                                                                                      \
            sum = FMA((T)t->weight[t->last], inner, sum);                                          \
        } while (move_on(t));                                                                      \
        return sum;                                                                                \
    }
SUM(sum_f32, float, fmaf, single_of)
SUM(sum_f64, double, fma, wide_of)

/* A sum in f64 as an element. */
DMS_DEVICE dms_scalar narrow(const dms_resize_params *p, double v) {
    const int bits = 8 * (int)p->bytes;
    dms_scalar y;
    y.u64 = 0;
    switch ((unsigned)dms_class_of((dms_dtype)p->dtype)) {
    case DMS_CLASS_F64:
        y.f64 = v;
        break;
    case DMS_CLASS_I64:
        y.i64 = dms_resize_signed(bits, v);
        break;
    case DMS_CLASS_U64:
        y.u64 = dms_resize_unsigned(bits, v);
        break;
    default:
        y.b8 = v != 0.0;
    }
    return y;
}

DMS_CUDA_KERNEL(resize, dms_resize_params) {
    const dms_dtype dtype = (dms_dtype)p.dtype;
    for (int64_t i = dms_thread(); i < p.y.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.y, i);
        taps t;
        dms_scalar y;
        find(&p, &c, &t);
        if (dms_class_of(dtype) == DMS_CLASS_F32)
            y.f32 = t.is_outside ? (float)p.extrapolation : t.is_empty ? 0.0f : sum_f32(&p, &t);
        else
            y = narrow(&p, t.is_outside ? p.extrapolation : t.is_empty ? 0.0 : sum_f64(&p, &t));
        dms_element_store(dtype, y, p.to, dms_place(&p.y, 0, &c));
    }
}

/* --- integers, antialiased: rounded after every axis, the last axis first */

/* The rounded sum over the taps of the last axis. */
DMS_DEVICE double last_level(const dms_resize_params *p, const taps *t, int is_byte,
                             int is_signed) {
    double sum = 0.0;
    for (int64_t k = 0; k < t->window[t->last].n; k++) {
        int64_t at;
        const float weight = last_tap(p, t, k, &at);
        sum = fma(dms_resize_fixed(is_byte, weight), wide_of(p, at), sum);
    }
    return dms_resize_round(is_byte, is_signed, sum);
}

/* Each outer axis adds what the axes behind it have made; behind its last tap it is rounded and
 * becomes a term of the axis before. */
DMS_DEVICE double levels_of(const dms_resize_params *p, taps *t) {
    const int is_byte = p->bytes == 1;
    const int is_signed = dms_class_of((dms_dtype)p->dtype) == DMS_CLASS_I64;
    double sum[DMS_RESIZE_MAX_RANK];
    for (uint32_t k = 0; k < t->last; k++)
        sum[k] = 0.0;
    for (;;) {
        settle(p, t);
        double v = last_level(p, t, is_byte, is_signed);
        uint32_t k = t->last;
        for (; k > 0; k--) {
            int64_t ignored;
            const float weight =
                dms_resize_tap(&p->rule, &t->window[k - 1], t->digit[k - 1], &ignored);
            sum[k - 1] = fma(dms_resize_fixed(is_byte, weight), v, sum[k - 1]);
            if (++t->digit[k - 1] < t->window[k - 1].n)
                break;
            v = dms_resize_round(is_byte, is_signed, sum[k - 1]);
            sum[k - 1] = 0.0;
            t->digit[k - 1] = 0;
        }
        if (k == 0)
            return v;
        t->changed = k - 1;
    }
}

DMS_CUDA_KERNEL(resize_levels, dms_resize_params) {
    for (int64_t i = dms_thread(); i < p.y.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.y, i);
        taps t;
        find(&p, &c, &t);
        const double v = t.is_outside ? p.extrapolation : t.is_empty ? 0.0 : levels_of(&p, &t);
        dms_element_store((dms_dtype)p.dtype, narrow(&p, v), p.to, dms_place(&p.y, 0, &c));
    }
}

/* --- nearest: bytes are moved */

DMS_CUDA_KERNEL(resize_move, dms_resize_params) {
    for (int64_t i = dms_thread(); i < p.y.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.y, i);
        const uint32_t last = p.y.rank - 1;
        int64_t channel;
        const int64_t position = column_of(&p, &c, &channel);
        int64_t from = channel * p.pitch[last];
        for (uint32_t k = 0; k < last; k++)
            from += dms_resize_source(&p.rule, &p.axis[k], c.at[k]) * p.pitch[k];
        from += dms_resize_source(&p.rule, &p.axis[last], position) * p.inner * p.pitch[last];
        dms_words_store(p.bytes, dms_words_load(p.bytes, p.from, from), p.to,
                        dms_place(&p.y, 0, &c));
    }
}
