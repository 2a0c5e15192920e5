/* copy_cpu.c - strided copies: dense runs, blocked transposes, and whatever remains.
 *
 *     source, dense downward (t)        target, dense to the right (l)
 *       l0 l1 l2 l3 ...                   t0  a b c d ...
 *     t0 a  b  c  d                       t1  e f g h ...        a slab: 16 rows t of the target,
 *     t1 e  f  g  h                       ...                    all of l
 *
 * A slab reads 16 neighbouring elements per l, which is a cache line of 4-byte elements, and writes
 * 16 streams. Within it 4 x 4 elements at a time are turned in registers (about 50 GB/s against 29
 * for the plain loop; build/tests/bench/map). */
#include <string.h>

#include "runtime/kernels/copy_plan.h"

#define EACH_SIZE(X) X(1, uint8_t) X(2, uint16_t) X(4, uint32_t) X(8, uint64_t)

/* Rows of the target that one slab of a transpose writes: a cache line of 4-byte elements. */
#define SLAB 16

#define STRIP(SIZE, T)                                                                             \
    static void strip_##SIZE(int64_t n, const T *from, int64_t pitch_from, T *to,                  \
                             int64_t pitch_to) {                                                   \
        if (pitch_to == 1 && pitch_from == 0)                                                      \
            for (int64_t i = 0; i < n; i++)                                                        \
                to[i] = from[0];                                                                   \
        else if (pitch_to == 1)                                                                    \
            for (int64_t i = 0; i < n; i++)                                                        \
                to[i] = from[i * pitch_from];                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++)                                                        \
                to[i * pitch_to] = from[i * pitch_from];                                           \
    }
EACH_SIZE(STRIP)
#undef STRIP

void DMS_ISA(dms_copy_strip)(uint32_t bytes, int64_t n, const void *from, int64_t pitch_from,
                             void *to, int64_t pitch_to) {
    if (pitch_from == 1 && pitch_to == 1) {
        memmove(to, from, (size_t)n * bytes); /* an output may lie exactly over its input */
        return;
    }
#define STRIP(SIZE, T)                                                                             \
    case SIZE:                                                                                     \
        strip_##SIZE(n, from, pitch_from, to, pitch_to);                                           \
        return;
    switch (bytes) { EACH_SIZE(STRIP) }
#undef STRIP
}

/* --- transposes: to[t pitch_to + l] = from[l pitch_from + t] for t < rows, l < n */

#define SLAB_OF(SIZE, T)                                                                           \
    static void slab_##SIZE(int64_t rows, int64_t n, const T *from, int64_t pitch_from, T *to,     \
                            int64_t pitch_to) {                                                    \
        for (int64_t l = 0; l < n; l++)                                                            \
            for (int64_t t = 0; t < rows; t++)                                                     \
                to[t * pitch_to + l] = from[l * pitch_from + t];                                   \
    }
EACH_SIZE(SLAB_OF)
#undef SLAB_OF

typedef uint32_t vector4 __attribute__((vector_size(16)));

/* Unaligned; memcpy of a vector is one instruction. */
static vector4 load4(const uint32_t *from) {
    vector4 v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* The same way out. */
static void store4(uint32_t *to, vector4 v) {
    memcpy(to, &v, sizeof v);
}

/* 4 x 4 elements of 4 bytes in registers. */
static void block4(const uint32_t *from, int64_t pitch_from, uint32_t *to, int64_t pitch_to) {
    const vector4 a = load4(from), b = load4(from + pitch_from);
    const vector4 c = load4(from + 2 * pitch_from), d = load4(from + 3 * pitch_from);
    const vector4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const vector4 ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const vector4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const vector4 cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    store4(to, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
    store4(to + pitch_to, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
    store4(to + 2 * pitch_to, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
    store4(to + 3 * pitch_to, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

/* A full slab: the four blocks of a cache line of the source together, then the next four lines. */
static void slab_of_16(int64_t n, const uint32_t *from, int64_t pitch_from, uint32_t *to,
                       int64_t pitch_to) {
    int64_t l = 0;
    for (; l + 4 <= n; l += 4)
        for (int64_t t = 0; t < SLAB; t += 4)
            block4(from + l * pitch_from + t, pitch_from, to + t * pitch_to + l, pitch_to);
    slab_4(SLAB, n - l, from + l * pitch_from, pitch_from, to + l, pitch_to);
}

/* The last rows of a transpose, and the other sizes, take the plain loops. */
static void slab(uint32_t bytes, int64_t rows, int64_t n, const void *from, int64_t pitch_from,
                 void *to, int64_t pitch_to) {
    if (bytes == 4 && rows == SLAB) {
        slab_of_16(n, from, pitch_from, to, pitch_to);
        return;
    }
#define SLAB_OF(SIZE, T)                                                                           \
    case SIZE:                                                                                     \
        slab_##SIZE(rows, n, from, pitch_from, to, pitch_to);                                      \
        return;
    switch (bytes) { EACH_SIZE(SLAB_OF) }
#undef SLAB_OF
}

/* --- plans */

/* Axes in falling order of the target's pitch, so that the target is written as it lies; insertion
 * keeps the given order among equals. */
static uint32_t order_axes(const dms_view *to, uint32_t *axis) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < to->rank; k++) {
        if (to->dim[k] == 1)
            continue;
        uint32_t at = n++;
        for (; at > 0 && to->pitch[axis[at - 1]] < to->pitch[k]; at--)
            axis[at] = axis[at - 1];
        axis[at] = k;
    }
    return n;
}

/* Makes the last two axes a block where the target's innermost axis is not dense in the source, but
 * another axis is. */
static void find_block(dms_walk *w, dms_copy_plan *out) {
    const uint32_t last = w->rank - 1;
    out->is_transpose = false;
    if (w->pitch[1][last] != 1 || w->pitch[0][last] == 1 || w->pitch[0][last] == 0)
        return;
    for (uint32_t k = 0; k < last; k++) {
        if (w->pitch[0][k] != 1 || w->dim[k] < 4)
            continue;
        const int64_t dim = w->dim[k], to = w->pitch[1][k];
        for (uint32_t j = k; j + 1 < last; j++) {
            w->dim[j] = w->dim[j + 1];
            w->pitch[0][j] = w->pitch[0][j + 1];
            w->pitch[1][j] = w->pitch[1][j + 1];
        }
        w->dim[last - 1] = dim;
        w->pitch[0][last - 1] = 1;
        w->pitch[1][last - 1] = to;
        out->is_transpose = true;
        return;
    }
}

int64_t DMS_ISA(dms_copy_start)(const dms_view *from, uint64_t backward) {
    int64_t start = 0;
    for (uint32_t k = 0; k < from->rank; k++)
        if ((backward >> k & 1u) != 0 && from->dim[k] > 0)
            start += (from->dim[k] - 1) * from->pitch[k];
    return start;
}

/* The view with its axes in this order; pitches of `backward` axes negated. */
static dms_view reorder(const dms_view *view, const uint32_t *axis, uint32_t n, uint64_t backward) {
    dms_view out = {.dtype = view->dtype, .rank = n};
    for (uint32_t k = 0; k < n; k++) {
        const int64_t pitch = view->pitch[axis[k]];
        out.dim[k] = view->dim[axis[k]];
        out.pitch[k] = (backward >> axis[k] & 1u) != 0 ? -pitch : pitch;
    }
    return out;
}

void DMS_ISA(dms_copy_plan)(const dms_view *from, const dms_view *to, uint64_t backward,
                            dms_copy_plan *out) {
    uint32_t axis[DMS_MAX_RANK];
    const uint32_t n = order_axes(to, axis);
    const dms_view source = reorder(from, axis, n, backward), target = reorder(to, axis, n, 0);
    const dms_view *const both[] = {&source, &target};
    dms_walk_init(&out->walk, both, 2);
    find_block(&out->walk, out);
    out->bytes = dms_dtype_bytes(to->dtype);
    dms_walk *w = &out->walk;
    out->units = w->count;
    out->units_per_part = DMS_COPY_PART;
    if (out->is_transpose && w->count > 0) {
        const int64_t rows = w->dim[w->rank - 2], width = w->dim[w->rank - 1];
        const int64_t slabs = (rows + SLAB - 1) / SLAB;
        out->units = w->count / (rows * width) * slabs;
        out->units_per_part = DMS_COPY_PART / (SLAB * width);
        out->units_per_part = out->units_per_part < 1 ? 1 : out->units_per_part;
    }
    out->parts = (out->units + out->units_per_part - 1) / out->units_per_part;
}

/* --- running */

/* Unit u is slab u mod slabs of the outer place u / slabs. */
static void run_slabs(const dms_copy_plan *plan, const char *from, char *to, int64_t unit,
                      int64_t end) {
    dms_walk outer = plan->walk;
    const uint32_t rank = outer.rank;
    const int64_t rows = outer.dim[rank - 2], width = outer.dim[rank - 1];
    const int64_t pitch_from = outer.pitch[0][rank - 1], pitch_to = outer.pitch[1][rank - 2];
    const int64_t slabs = (rows + SLAB - 1) / SLAB, bytes = plan->bytes;
    outer.rank = rank - 2;
    for (; unit < end; unit++) {
        dms_walk_at at;
        dms_walk_seek(&outer, unit / slabs, &at);
        const int64_t t = unit % slabs * SLAB;
        slab(plan->bytes, rows - t < SLAB ? rows - t : SLAB, width,
             from + (at.element[0] + t) * bytes, pitch_from,
             to + (at.element[1] + t * pitch_to) * bytes, pitch_to);
    }
}

/* Elements [index, end) in the order of the target, run after run. */
static void run_strips(const dms_copy_plan *plan, const char *from, char *to, int64_t index,
                       int64_t end) {
    const dms_walk *w = &plan->walk;
    const int64_t bytes = plan->bytes;
    dms_walk_at at;
    if (index < end)
        dms_walk_seek(w, index, &at);
    while (index < end) {
        int64_t n = dms_walk_run(w, &at);
        n = n < end - index ? n : end - index;
        DMS_ISA(dms_copy_strip)
        (plan->bytes, n, from + at.element[0] * bytes, w->pitch[0][w->rank - 1],
         to + at.element[1] * bytes, w->pitch[1][w->rank - 1]);
        dms_walk_next(w, &at, n);
        index += n;
    }
}

void DMS_ISA(dms_copy_run)(const dms_copy_plan *plan, const void *from, void *to, uint64_t first,
                           uint64_t end) {
    const int64_t unit = (int64_t)first * plan->units_per_part;
    const int64_t last = (int64_t)end * plan->units_per_part;
    const int64_t stop = last < plan->units ? last : plan->units;
    if (plan->is_transpose)
        run_slabs(plan, from, to, unit, stop);
    else
        run_strips(plan, from, to, unit, stop);
}
