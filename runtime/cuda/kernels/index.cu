/* index.cu - gathers, scatters, ONE_HOT.
 *
 *     scatter      line 0   line 1   line 2        updates of one line meet places of that line
 *     update 0       |        |        |           alone: a thread takes a line, one update after
 *     update 1       |        |        |           the other, and which of two stays is what the
 *     update 2       v        v        v           CPU device says
 *
 * Grid: blocks of 256 threads over elements (gathers) or lines (scatters). */
#include "runtime/cuda/kernels/index.h"

#include "runtime/cuda/kernels/words.h"
#include "runtime/kernels/convert.h"
#include "runtime/kernels/index_body.h"
#include "runtime/kernels/map_binary.h"

/* The index at `element`, as an entry of an axis of n entries. */
DMS_DEVICE int64_t read_index(const dms_index_source *s, int64_t element, int64_t n) {
    const int64_t index =
        s->is_wide ? ((const int64_t *)s->at)[element] : ((const int32_t *)s->at)[element];
    int is_wrong;
    const int64_t entry = dms_entry_of(index, n, &is_wrong);
    if (is_wrong)
        *s->error = 1 + s->operand; /* every thread that comes here writes the same */
    return entry;
}

/* An element of another part: what was there before, unless it is where it belongs. */
DMS_DEVICE void keep(const dms_gather_params *p, const dms_coords *c) {
    dms_words w;
    w.low = w.high = 0;
    if (p->before == p->to)
        return;
    if (p->before != NULL)
        w = dms_words_load(p->bytes, p->before, dms_place(&p->places, 1, c));
    dms_words_store(p->bytes, w, p->to, dms_place(&p->places, 0, c));
}

DMS_CUDA_KERNEL(gather, dms_gather_params) {
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i); /* b, j, r */
        const int64_t row = c.at[0] * p.index_pitch[0] + c.at[1] * p.index_pitch[1];
        int64_t from = c.at[0] * p.x_pitch[0] + c.at[2] * p.x_pitch[p.k + 1];
        int is_here = 1;
        for (uint32_t k = 0; k < p.k; k++) {
            const int64_t entry =
                read_index(&p.index, row + k * p.index_pitch[2], p.n[k]) - p.first;
            is_here = !p.is_part || (entry >= 0 && entry < p.n_here);
            from += entry * p.x_pitch[k + 1];
        }
        if (!is_here) {
            keep(&p, &c);
            continue;
        }
        dms_words_store(p.bytes, dms_words_load(p.bytes, p.from, from), p.to,
                        dms_place(&p.places, 0, &c));
    }
}

DMS_CUDA_KERNEL(gather_elements, dms_elements_params) {
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i);
        const int64_t entry = read_index(&p.index, dms_place(&p.places, 0, &c), p.n);
        const dms_words w =
            dms_words_load(p.bytes, p.from, dms_place(&p.places, 2, &c) + entry * p.pitch);
        dms_words_store(p.bytes, w, p.to, dms_place(&p.places, 1, &c));
    }
}

/* --- scatters */

enum { SCATTER_ADD = 1, SCATTER_MUL = 2, SCATTER_MIN = 3, SCATTER_MAX = 4 };

/* What an update makes of what is there; min and max of truths are and, or. */
#define REDUCE(x, z, QUIET, ADD, MUL, MIN, MAX)                                                    \
    (reduction == SCATTER_ADD   ? QUIET(ADD)                                                       \
     : reduction == SCATTER_MUL ? QUIET(MUL)                                                       \
     : reduction == SCATTER_MIN ? QUIET(MIN)                                                       \
                                : QUIET(MAX))
#define AS_IT_IS(x) (x)
DMS_DEVICE_FAR dms_scalar reduce(uint32_t reduction, dms_class of, dms_scalar a, dms_scalar b) {
    dms_scalar y;
    y.u64 = 0;
    if (of == DMS_CLASS_F32) {
        const float x = a.f32, z = b.f32;
        y.f32 = REDUCE(x, z, dms_quietf, x + z, x * z, dms_minf(x, z), dms_maxf(x, z));
    } else if (of == DMS_CLASS_F64) {
        const double x = a.f64, z = b.f64;
        y.f64 = REDUCE(x, z, dms_quiet, x + z, x * z, dms_min(x, z), dms_max(x, z));
    } else if (of == DMS_CLASS_I64) {
        const int64_t x = a.i64, z = b.i64;
        const uint64_t u = a.u64, v = b.u64;
        y.u64 = REDUCE(x, z, AS_IT_IS, u + v, u * v, (uint64_t)(x < z ? x : z),
                       (uint64_t)(x > z ? x : z));
    } else {
        const uint64_t x = a.u64, z = b.u64;
        y.u64 = REDUCE(x, z, AS_IT_IS, x + z, x * z, x < z ? x : z, x > z ? x : z);
    }
    return y;
}

/* One update onto one place. */
DMS_DEVICE void update(uint32_t reduction, dms_dtype dtype, uint32_t bytes, const void *from,
                       int64_t element, void *to, int64_t place) {
    if (reduction == 0) {
        dms_words_store(bytes, dms_words_load(bytes, from, element), to, place);
        return;
    }
    const dms_scalar before = dms_element_load(dtype, to, place);
    const dms_scalar by = dms_element_load(dtype, from, element);
    dms_element_store(dtype, reduce(reduction, dms_class_of(dtype), before, by), to, place);
}

DMS_CUDA_KERNEL(scatter_elements, dms_elements_params) {
    const uint32_t last = p.places.rank - 1;
    for (int64_t line = dms_thread(); line * p.n_updates < p.places.count; line += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, line * p.n_updates);
        int64_t index = dms_place(&p.places, 0, &c), from = dms_place(&p.places, 1, &c);
        const int64_t to = dms_place(&p.places, 2, &c);
        for (int64_t k = 0; k < p.n_updates; k++) {
            const int64_t entry = read_index(&p.index, index, p.n);
            update(p.reduction, (dms_dtype)p.dtype, p.bytes, p.from, from, p.to,
                   to + entry * p.pitch);
            index += p.places.pitch[0][last];
            from += p.places.pitch[1][last];
        }
    }
}

DMS_CUDA_KERNEL(scatter_nd, dms_scatter_params) {
    for (int64_t r = dms_thread(); r < p.width; r += dms_threads())
        for (int64_t j = 0; j < p.n_rows; j++) {
            int64_t to = r * p.y_pitch[p.k];
            for (uint32_t k = 0; k < p.k; k++)
                to += read_index(&p.index, j * p.index_pitch[0] + k * p.index_pitch[1], p.n[k]) *
                      p.y_pitch[k];
            update(p.reduction, (dms_dtype)p.dtype, p.bytes, p.from,
                   j * p.update_pitch[0] + r * p.update_pitch[1], p.to, to);
        }
}

DMS_CUDA_KERNEL(one_hot, dms_one_hot_params) {
    const dms_dtype dtype = (dms_dtype)p.index_dtype;
    for (int64_t i = dms_thread(); i < p.places.count; i += dms_threads()) {
        const dms_coords c = dms_coords_of(&p.places, i); /* o, depth, r */
        const dms_scalar value = dms_element_load(dtype, p.index, dms_place(&p.places, 1, &c));
        const dms_scalar whole =
            dms_is_integer(dtype) ? value : dms_convert(dtype, value, DMS_DTYPE_I64);
        const int is_hot = dms_hot_entry(whole.i64, p.depth) == c.at[1];
        dms_words_store(p.bytes, dms_words_load(p.bytes, is_hot ? p.on : p.off, 0), p.to,
                        dms_place(&p.places, 0, &c));
    }
}
