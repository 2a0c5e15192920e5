/* places.c - see places.h. */
#include "runtime/cuda/kernels/places.h"

#include "runtime/kernels/walk.h"

/* magic = floor(2^32 (2^shift - d) / d) + 1, with 2^shift the first power that is not below d. */
dms_divider dms_divider_of(int64_t d) {
    dms_divider out = {d, 0, 0};
    if (d >= INT64_C(1) << 31)
        return out; /* such counts are divided by */
    while ((INT64_C(1) << out.shift) < d)
        out.shift++;
    const uint64_t above = ((uint64_t)1 << out.shift) - (uint64_t)d;
    out.magic = (uint32_t)((above << 32) / (uint64_t)d + 1);
    return out;
}

/* Sets one axis, for no operand yet. */
static void set_axis(dms_places *out, uint32_t axis, int64_t dim) {
    out->dim[axis] = dms_divider_of(dim > 0 ? dim : 1);
    for (uint32_t k = 0; k < DMS_PLACES_OPERANDS; k++)
        out->pitch[k][axis] = 0;
}

static void set_count(dms_places *out, int64_t count, uint32_t rank) {
    out->count = count;
    out->rank = rank;
    out->is_small = count < INT64_C(1) << 31;
}

void dms_places_of_walk(const dms_walk *walk, dms_places *out) {
    set_count(out, walk->count, walk->rank);
    for (uint32_t axis = 0; axis < DMS_MAX_RANK; axis++) {
        set_axis(out, axis, axis < walk->rank ? walk->dim[axis] : 1);
        for (uint32_t k = 0; k < walk->n && axis < walk->rank; k++)
            out->pitch[k][axis] = walk->pitch[k][axis];
    }
}

void dms_places_of(const dms_view *const *view, uint32_t n, dms_places *out) {
    dms_walk walk;
    dms_walk_init(&walk, view, n);
    dms_places_of_walk(&walk, out);
}

void dms_places_apart(const dms_view *const *view, uint32_t n, dms_places *out) {
    set_count(out, dms_view_count(view[0]), view[0]->rank);
    for (uint32_t axis = 0; axis < DMS_MAX_RANK; axis++) {
        set_axis(out, axis, axis < out->rank ? view[0]->dim[axis] : 1);
        for (uint32_t k = 0; k < n && axis < out->rank; k++)
            out->pitch[k][axis] = view[k]->pitch[axis];
    }
}
