/* walk.h - in which order, and in which runs, does a kernel visit the elements of its operands?
 *
 * Reads    views of the same dims, with any pitches.
 * Returns  runs along one innermost axis, in row-major order of the dims; axes that are joint
 *          multiples of each other in every operand are merged first, so dense operands are one
 *          run.
 * Cost     O(rank) per run.
 * Source   none; the usual odometer.
 * Not here what is done with a run (each family).
 */
#ifndef DMS_RUNTIME_KERNELS_WALK_H
#define DMS_RUNTIME_KERNELS_WALK_H

#include "runtime/kernels/dialect.h"
#include "schema/view.h"

#define DMS_WALK_OPERANDS 14 /* a chain's 12 inputs, its output, the result before it */

/* Merged axes, innermost last; at least one. Pitches count elements and may be negative. */
typedef struct dms_walk {
    uint32_t n, rank;
    int64_t count;
    int64_t dim[DMS_MAX_RANK];
    int64_t pitch[DMS_WALK_OPERANDS][DMS_MAX_RANK];
} dms_walk;

/* A place in a walk: coordinates, and the element of each operand. */
typedef struct dms_walk_at {
    int64_t coord[DMS_MAX_RANK];
    int64_t element[DMS_WALK_OPERANDS];
} dms_walk_at;

/* Whether axis `outer` of every operand steps exactly over all of `dim` elements at these
 * pitches. */
DMS_FN int dms_walk_joins(const dms_walk *w, const dms_view *const *view, uint32_t axis) {
    for (uint32_t k = 0; k < w->n; k++)
        if (w->pitch[k][w->rank - 1] != view[k]->pitch[axis] * view[k]->dim[axis])
            return 0;
    return 1;
}

/* Starts a walk over n views of the same dims. */
DMS_FN void dms_walk_init(dms_walk *w, const dms_view *const *view, uint32_t n) {
    w->n = n;
    w->rank = 0;
    w->count = 1;
    for (uint32_t axis = 0; axis < view[0]->rank; axis++) {
        const int64_t dim = view[0]->dim[axis];
        w->count *= dim;
        if (dim == 1)
            continue;
        if (w->rank > 0 && dms_walk_joins(w, view, axis))
            w->dim[w->rank - 1] *= dim;
        else
            w->dim[w->rank++] = dim;
        for (uint32_t k = 0; k < n; k++)
            w->pitch[k][w->rank - 1] = view[k]->pitch[axis];
    }
    if (w->rank > 0)
        return;
    w->rank = 1; /* a scalar: one run of one element */
    w->dim[0] = 1;
    for (uint32_t k = 0; k < n; k++)
        w->pitch[k][0] = 1;
}

/* The place of element `index` in row-major order; index < count. */
DMS_FN void dms_walk_seek(const dms_walk *w, int64_t index, dms_walk_at *at) {
    for (uint32_t k = 0; k < w->n; k++)
        at->element[k] = 0;
    for (uint32_t axis = w->rank; axis-- > 0;) {
        at->coord[axis] = index % w->dim[axis];
        index /= w->dim[axis];
        for (uint32_t k = 0; k < w->n; k++)
            at->element[k] += at->coord[axis] * w->pitch[k][axis];
    }
}

/* Elements left in the run that `at` stands in. */
DMS_FN int64_t dms_walk_run(const dms_walk *w, const dms_walk_at *at) {
    return w->dim[w->rank - 1] - at->coord[w->rank - 1];
}

/* Goes on by `done` elements, at most what is left in the run. */
DMS_FN void dms_walk_next(const dms_walk *w, dms_walk_at *at, int64_t done) {
    uint32_t axis = w->rank - 1;
    at->coord[axis] += done;
    for (uint32_t k = 0; k < w->n; k++)
        at->element[k] += done * w->pitch[k][axis];
    while (at->coord[axis] == w->dim[axis] && axis > 0) {
        at->coord[axis] = 0;
        for (uint32_t k = 0; k < w->n; k++)
            at->element[k] += w->pitch[k][axis - 1] - w->dim[axis] * w->pitch[k][axis];
        at->coord[--axis]++;
    }
}

#endif
