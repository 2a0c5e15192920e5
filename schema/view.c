/* view.c - strided arrays. */
#include "schema/view.h"

#include <inttypes.h>
#include <stdio.h>

#include "schema/checked.h"

/* [2, 3, 4] gets the pitches [12, 4, 1]. A dim of 0 counts as 1 in them, so that a view without
 * elements has the pitches of any other and axes behind it are checked all the same. */
bool dms_view_dense(dms_dtype dtype, uint32_t rank, const int64_t *dim, dms_view *out) {
    if (rank > DMS_MAX_RANK || dms_dtype_bytes(dtype) == 0)
        return false;
    dms_view view = {.dtype = dtype, .rank = rank};
    int64_t pitch = 1, bytes;
    for (uint32_t k = rank; k-- > 0;) {
        if (dim[k] < 0)
            return false;
        view.dim[k] = dim[k];
        view.pitch[k] = pitch;
        if (!dms_mul_i64(pitch, dim[k] == 0 ? 1 : dim[k], &pitch))
            return false;
    }
    if (!dms_mul_i64(pitch, dms_dtype_bytes(dtype), &bytes))
        return false;
    *out = view;
    return true;
}

int64_t dms_view_count(const dms_view *view) {
    int64_t count = 1;
    for (uint32_t k = 0; k < view->rank; k++)
        count *= view->dim[k];
    return count;
}

uint64_t dms_view_bytes(const dms_view *view) {
    return (uint64_t)dms_view_count(view) * dms_dtype_bytes(view->dtype);
}

/* offset + sum of (dim - 1) x pitch: since no pitch is negative, the last index is the largest. */
int64_t dms_view_end(const dms_view *view) {
    int64_t last = view->offset;
    for (uint32_t k = 0; k < view->rank; k++) {
        if (view->dim[k] == 0)
            return 0;
        last += (view->dim[k] - 1) * view->pitch[k];
    }
    return last + 1;
}

/* From the last axis on, each pitch is the product of the dims behind it. The one index of an axis
 * of dim 1 is 0, so its pitch reaches nothing and may be what it likes. */
bool dms_view_is_dense(const dms_view *view) {
    int64_t pitch = 1;
    for (uint32_t k = view->rank; k-- > 0;) {
        if (view->dim[k] == 0)
            return true;
        if (view->dim[k] != 1 && view->pitch[k] != pitch)
            return false;
        pitch *= view->dim[k];
    }
    return true;
}

bool dms_view_same_dims(const dms_view *a, const dms_view *b) {
    if (a->rank != b->rank)
        return false;
    for (uint32_t k = 0; k < a->rank; k++)
        if (a->dim[k] != b->dim[k])
            return false;
    return true;
}

/* Count and end are checked apart: a broadcast view has more elements than the range it covers, one
 * with holes covers more than its elements. Both in bytes must stay below 2^63, so that whoever
 * multiplies a checked view needs no check. */
dms_code dms_view_check(const dms_view *view, const char *what, dms_status *st) {
    const uint32_t element = dms_dtype_bytes(view->dtype);
    if (element == 0)
        return dms_fail(st, DMS_EPLAN, "%s: dtype %u is not known", what, (unsigned)view->dtype);
    if (view->rank > DMS_MAX_RANK)
        return dms_fail(st, DMS_EPLAN, "%s: rank %" PRIu32 " exceeds %u", what, view->rank,
                        DMS_MAX_RANK);
    int64_t count = 1, end = view->offset, step;
    bool fits = view->offset >= 0;
    for (uint32_t k = 0; k < view->rank; k++) {
        const int64_t dim = view->dim[k];
        fits = fits && dim >= 0 && view->pitch[k] >= 0;
        fits = fits && dms_mul_i64(count, dim == 0 ? 1 : dim, &count);
        fits = fits && dms_mul_i64(dim == 0 ? 0 : dim - 1, view->pitch[k], &step);
        fits = fits && dms_add_i64(end, step, &end);
    }
    int64_t bytes;
    fits = fits && dms_mul_i64(count, element, &bytes) && dms_add_i64(end, 1, &end) &&
           dms_mul_i64(end, element, &bytes);
    if (!fits)
        return dms_fail(st, DMS_EPLAN, "%s: dims or pitches are negative or exceed 63 bits", what);
    return DMS_OK;
}

const char *dms_view_text(const dms_view *view, char *out, uint64_t size) {
    size_t at = 0;
    int n = snprintf(out, size, "%s [", dms_dtype_name(view->dtype));
    for (uint32_t k = 0; n >= 0 && k < view->rank && k < DMS_MAX_RANK; k++) {
        at = at + (size_t)n < size ? at + (size_t)n : size - 1;
        n = snprintf(out + at, size - at, "%s%" PRId64, k == 0 ? "" : ", ", view->dim[k]);
    }
    at = n > 0 && at + (size_t)n < size ? at + (size_t)n : at;
    if (at + 1 < size)
        (void)snprintf(out + at, size - at, "]");
    return out;
}
