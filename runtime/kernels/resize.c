/* resize.c - the row of resizing, and calls as its code sees them. */
#include <math.h>

#include "runtime/kernels/resize_body.h"
#include "runtime/kernels/resize_join.h"
#include "runtime/kernels/rows_internal.h"

/* A scale of at least 1/4096, finite numbers, lengths that fit. */
static dms_code check_scale(const dms_call *call, uint32_t axis, dms_status *st) {
    const double *f = call->f + DMS_RESIZE_AXES + 3 * axis;
    if (!(f[0] >= 1.0 / DMS_RESIZE_MAX_SHRINK) || !isfinite(f[0]) || !isfinite(f[1]) ||
        !isfinite(f[2]))
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "scale %g of axis %" PRIu32, f[0], axis);
    for (uint32_t k = 0; k < 2; k++)
        if (call->view[k].dim[axis] > INT64_C(1) << 31)
            return dms_row_refuse(call, k, st, "axis %" PRIu32 " is too long", axis);
    if (call->view[0].dim[axis] == 0 && call->view[1].dim[axis] != 0)
        return dms_row_refuse(call, 0, st, "axis %" PRIu32 " has nothing to take from", axis);
    return DMS_OK;
}

static dms_code resize_check(const dms_call *call, dms_status *st) {
    const uint32_t rank = call->view[0].rank;
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_ALL, st));
    DMS_TRY(dms_row_want_rank(call, 1, rank, st));
    DMS_TRY(dms_row_want_i(call, DMS_RESIZE_MODE, DMS_RESIZE_NEAREST, DMS_RESIZE_CUBIC, st));
    DMS_TRY(dms_row_want_i(call, DMS_RESIZE_COORDINATES, 0, DMS_HALF_PIXEL_SYMMETRIC, st));
    DMS_TRY(dms_row_want_i(call, DMS_RESIZE_ROUNDING, 0, DMS_CEIL, st));
    DMS_TRY(dms_row_want_i(call, DMS_RESIZE_EXCLUDE, 0, 1, st));
    DMS_TRY(dms_row_want_i(call, DMS_RESIZE_ANTIALIAS, 0, 1, st));
    if (rank < 1 || rank > DMS_RESIZE_MAX_RANK || call->n_f != DMS_RESIZE_AXES + 3 * rank)
        return dms_row_refuse(call, 0, st, "rank %" PRIu32 " with %" PRIu32 " real parameters",
                              rank, call->n_f);
    for (uint32_t axis = 0; axis < rank; axis++)
        DMS_TRY(check_scale(call, axis, st));
    if (call->i[DMS_RESIZE_MODE] != DMS_RESIZE_NEAREST && call->view[0].dtype == DMS_DTYPE_BOOL)
        return dms_row_refuse(call, 0, st, "bool cannot be interpolated");
    return DMS_OK;
}

/* Elements that a result is made of: 1, 2 or 4 along every axis that changes. */
static uint64_t resize_results(const dms_call *call) {
    const dms_view *x = &call->view[0], *y = &call->view[1];
    uint64_t n = (uint64_t)dms_view_count(y);
    for (uint32_t axis = 0; axis < y->rank; axis++)
        if (x->dim[axis] != y->dim[axis])
            n = dms_mul_saturated(n, UINT64_C(1) << call->i[DMS_RESIZE_MODE]);
    return n;
}

static const char *const resize_i[] = {"mode", "coordinates", "nearest", "exclude_outside",
                                       "antialias"};

const dms_kernel_row dms_row_resize = {
    .id = DMS_K_RESIZE,
    .name = "resize",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .n_i = 5,
    .n_f = 255,
    .i_name = resize_i,
    .check = resize_check,
    .results = resize_results,
    .cpu_dtypes = DMS_DTYPES_ALL,
};

/* ---- axes ----------------------------------------------------------------------------------- */

dms_resize_rule dms_resize_rule_of(const dms_call *call) {
    const int64_t *i = call->i;
    return (dms_resize_rule){
        (int32_t)i[DMS_RESIZE_MODE],      (int32_t)i[DMS_RESIZE_COORDINATES],
        (int32_t)i[DMS_RESIZE_ROUNDING],  (int32_t)i[DMS_RESIZE_EXCLUDE],
        (int32_t)i[DMS_RESIZE_ANTIALIAS], (float)call->f[DMS_RESIZE_COEFFICIENT]};
}

dms_resize_axis dms_resize_axis_of(const dms_call *call, uint32_t k) {
    const double *f = call->f + DMS_RESIZE_AXES + 3 * k;
    return (dms_resize_axis){call->view[0].dim[k], call->view[1].dim[k], (float)f[0], (float)f[1],
                             (float)f[2]};
}

enum { MOST_CHANNELS = 64 };

/* Whether every position of an axis is the input of the same number, and nothing else: cubic
 * filters reach further, with weights of 0. */
static bool is_kept(const dms_resize_rule *rule, const dms_resize_axis *a) {
    if (a->in != a->out || a->in > MOST_CHANNELS)
        return false;
    for (int64_t at = 0; at < a->in; at++) {
        dms_resize_window window;
        dms_resize_window_of(rule, a, at, &window);
        float own = 0.0f;
        for (int64_t k = 0; k < window.n; k++) {
            int64_t element;
            const float weight = dms_resize_tap(rule, &window, k, &element);
            if (element != at && weight != 0.0f)
                return false;
            own += element == at ? weight : 0.0f;
        }
        if (own != 1.0f || window.is_outside)
            return false;
    }
    return true;
}

void dms_resize_join(const dms_call *call, dms_resize_joined *out) {
    const dms_view *x = &call->view[0], *y = &call->view[1];
    const uint32_t last = y->rank - 1;
    out->call = *call;
    out->rule = dms_resize_rule_of(call);
    out->last = dms_resize_axis_of(call, last);
    out->inner = 1;
    if (last == 0 || x->pitch[last - 1] != x->dim[last] * x->pitch[last] ||
        y->pitch[last - 1] != y->dim[last] * y->pitch[last] || !is_kept(&out->rule, &out->last))
        return;
    out->inner = y->dim[last];
    out->last = dms_resize_axis_of(call, last - 1);
    for (uint32_t k = 0; k < 2; k++) {
        out->view[k] = call->view[k];
        out->view[k].rank = last;
        out->view[k].dim[last - 1] *= out->inner;
        out->view[k].pitch[last - 1] = call->view[k].pitch[last];
    }
    out->call.view = out->view;
}
