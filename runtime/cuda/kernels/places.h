/* places.h - where element i of operands with the same dims lies, for threads that start anywhere.
 *
 * Reads    views of the same dims (walk.h merges their axes).
 * Returns  coordinates of an index, and the element of each operand there.
 * Cost     a multiplication and a shift per axis below 2^31 elements, a division above.
 * Source   division by a constant by way of its reciprocal, textbook.
 * Not here what is done there.
 */
#ifndef DMS_RUNTIME_CUDA_PLACES_H
#define DMS_RUNTIME_CUDA_PLACES_H

#include "runtime/kernels/dialect.h"
#include "schema/view.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DMS_PLACES_OPERANDS 14 /* as walk.h */

/* n / d for n < 2^31: the upper half of n * magic, plus n, shifted. */
typedef struct dms_divider {
    int64_t d;
    uint32_t magic, shift;
} dms_divider;

/* Merged axes, innermost last; at least one. */
typedef struct dms_places {
    int64_t count;
    uint32_t rank, is_small; /* fewer than 2^31 elements */
    dms_divider dim[DMS_MAX_RANK];
    int64_t pitch[DMS_PLACES_OPERANDS][DMS_MAX_RANK];
} dms_places;

/* The coordinates of an index. */
typedef struct dms_coords {
    int64_t at[DMS_MAX_RANK];
} dms_coords;

struct dms_walk; /* walk.h */

/* The divider by d > 0. */
dms_divider dms_divider_of(int64_t d);

/* Merges the axes of n views of the same dims. */
void dms_places_of(const dms_view *const *view, uint32_t n, dms_places *out);

/* The same without merging: axis k of the places is axis k of the views. */
void dms_places_apart(const dms_view *const *view, uint32_t n, dms_places *out);

/* The places of a walk, whose axes may have been put into another order. */
void dms_places_of_walk(const struct dms_walk *walk, dms_places *out);

/* Quotient and remainder; `is_small`: n < 2^31. */
DMS_FN int64_t dms_divide(const dms_divider *by, int64_t n, uint32_t is_small, int64_t *out_rest) {
    int64_t q;
    if (is_small) {
        const uint32_t small = (uint32_t)n;
        const uint32_t high = (uint32_t)((uint64_t)small * by->magic >> 32);
        q = (int64_t)((high + small) >> by->shift);
    } else {
        q = n / by->d;
    }
    *out_rest = n - q * by->d;
    return q;
}

/* The coordinates of element `index` < count. */
DMS_FN dms_coords dms_coords_of(const dms_places *p, int64_t index) {
    dms_coords c;
    for (int axis = DMS_MAX_RANK - 1; axis >= 0; axis--) {
        c.at[axis] = 0;
        if (axis < (int)p->rank)
            index = dms_divide(&p->dim[axis], index, p->is_small, &c.at[axis]);
    }
    return c;
}

/* The element of operand k at these coordinates. */
DMS_FN int64_t dms_place(const dms_places *p, uint32_t k, const dms_coords *c) {
    int64_t element = 0;
    for (int axis = 0; axis < (int)DMS_MAX_RANK; axis++)
        if (axis < (int)p->rank)
            element += c->at[axis] * p->pitch[k][axis];
    return element;
}

/* The element of operand k at an index: where one axis is left, without a division. */
DMS_FN int64_t dms_place_of(const dms_places *p, uint32_t k, int64_t index) {
    if (p->rank == 1)
        return index * p->pitch[k][0];
    const dms_coords c = dms_coords_of(p, index);
    return dms_place(p, k, &c);
}

#ifdef __cplusplus
}
#endif

#endif
