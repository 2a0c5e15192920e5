/* view_algebra.c - which changes of shape are only another way to walk the same elements? */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/op.h"

/* Elements of a shape; the caller has checked that they fit. */
static int64_t count_of(uint32_t rank, const int64_t *dim) {
    int64_t count = 1;
    for (uint32_t k = 0; k < rank; k++)
        count *= dim[k];
    return count;
}

/* Copies the axes longer than 1 into `out`. */
static void squeeze(const dms_view *in, dms_view *out) {
    *out = (dms_view){.dtype = in->dtype, .offset = in->offset};
    for (uint32_t k = 0; k < in->rank; k++) {
        if (in->dim[k] == 1)
            continue;
        out->dim[out->rank] = in->dim[k];
        out->pitch[out->rank++] = in->pitch[k];
    }
}

/* Axes [first, end) can be walked as one. */
static bool is_mergeable(const dms_view *view, uint32_t first, uint32_t end) {
    for (uint32_t k = first; k + 1 < end; k++)
        if (view->pitch[k] != view->dim[k + 1] * view->pitch[k + 1])
            return false;
    return true;
}

/* Walks both shapes from the left; a group ends where the products of both agree:
 *     old  [4, 6]      groups (4 | 2 2)  (6 | 3 2)
 *     new  [2, 2, 3, 2]
 * The old axes of a group must merge; the new ones split the merged axis. */
static bool reshape_groups(const dms_view *old, dms_view *new) {
    uint32_t i = 0, j = 0;
    while (i < old->rank && j < new->rank) {
        uint32_t i_end = i + 1, j_end = j + 1;
        int64_t a = old->dim[i], b = new->dim[j];
        while (a != b) {
            if (a < b && i_end < old->rank)
                a *= old->dim[i_end++];
            else if (b < a && j_end < new->rank)
                b *= new->dim[j_end++];
            else
                return false;
        }
        if (!is_mergeable(old, i, i_end))
            return false;
        int64_t pitch = old->pitch[i_end - 1];
        for (uint32_t k = j_end; k-- > j; pitch *= new->dim[k])
            new->pitch[k] = pitch;
        i = i_end;
        j = j_end;
    }
    for (; j < new->rank; j++) /* trailing axes of 1 */
        new->pitch[j] = 1;
    return true;
}

bool dms_view_reshape(const dms_view *in, uint32_t rank, const int64_t *dim, dms_view *out) {
    dms_view new;
    if (!dms_view_dense(in->dtype, rank, dim, &new) || count_of(rank, dim) != dms_view_count(in))
        return false;
    new.offset = in->offset;
    if (count_of(rank, dim) != 0) {
        dms_view old;
        squeeze(in, &old);
        if (old.rank != 0 && !reshape_groups(&old, &new))
            return false;
    }
    *out = new;
    return true;
}

void dms_view_permute(const dms_view *in, const uint32_t *axis, dms_view *out) {
    const dms_view from = *in; /* `out` may be `in` */
    *out = from;
    for (uint32_t k = 0; k < from.rank; k++) {
        out->dim[k] = from.dim[axis[k]];
        out->pitch[k] = from.pitch[axis[k]];
    }
}

bool dms_view_expand(const dms_view *in, uint32_t rank, const int64_t *dim, dms_view *out) {
    if (rank < in->rank || rank > DMS_MAX_RANK)
        return false;
    dms_view new = {.dtype = in->dtype, .rank = rank, .offset = in->offset};
    const uint32_t lead = rank - in->rank;
    for (uint32_t k = 0; k < rank; k++) {
        const int64_t from = k < lead ? 1 : in->dim[k - lead];
        if (from != dim[k] && from != 1)
            return false;
        new.dim[k] = dim[k];
        new.pitch[k] = k < lead || from != dim[k] ? 0 : in->pitch[k - lead];
    }
    *out = new;
    return true;
}

void dms_view_narrow(dms_view *view, uint32_t axis, int64_t first, int64_t count, int64_t step) {
    view->dim[axis] = count;
    if (count != 0)
        view->offset += first * view->pitch[axis];
    if (count > 1) /* the pitch of a single entry is never used */
        view->pitch[axis] *= step;
}
