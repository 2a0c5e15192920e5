/* pool.c - the rows of pooling and resizing.
 *
 * Both read a window of the input per output. Neither is cut: an activation alone moves through
 * them, and there is no weight whose residency a finer cell could improve. */
#include <math.h>

#include "runtime/kernels/pool_internal.h"
#include "runtime/kernels/rows_internal.h"

/* Window, steps and pads of one axis stay within 2^30, so that no position leaves 63 bits. */
static dms_code check_axis(const dms_call *call, uint32_t axis, dms_status *st) {
    const int64_t limit = INT64_C(1) << 30, room = INT64_C(1) << 31;
    const int64_t in = call->view[0].dim[axis + 2], out = call->view[1].dim[axis + 2];
    DMS_TRY(dms_row_want_i(call, DMS_POOL_WINDOW + axis, 1, limit, st));
    DMS_TRY(dms_row_want_i(call, DMS_POOL_STEP + axis, 1, limit, st));
    DMS_TRY(dms_row_want_i(call, DMS_POOL_DILATION + axis, 1, limit, st));
    DMS_TRY(dms_row_want_i(call, DMS_POOL_PAD + axis, -limit, limit, st));
    DMS_TRY(dms_row_want_i(call, DMS_POOL_PAD_END + axis, -limit, limit, st));
    if (in > room || out > room)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "axis %" PRIu32 " is too long", axis + 2);
    return DMS_OK;
}

static dms_code pool_check(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_i(call, DMS_POOL_FN, DMS_POOL_MAX, DMS_POOL_LP, st));
    const bool is_max = call->i[DMS_POOL_FN] == DMS_POOL_MAX;
    const uint32_t set = is_max ? DMS_DTYPES_FLOAT | DMS_DTYPES_INTEGER : DMS_DTYPES_FLOAT;
    for (uint32_t k = 0; k < 2; k++) {
        DMS_TRY(dms_row_want_dtype(call, k, set, st));
        DMS_TRY(dms_row_want_rank(call, k, 4, st));
        DMS_TRY(check_axis(call, k, st));
    }
    if (call->view[0].dtype != call->view[1].dtype)
        return dms_row_refuse(call, 1, st, "dtype differs from operand 0");
    DMS_TRY(dms_row_want_dim(call, 1, 0, call->view[0].dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 1, 1, call->view[0].dim[1], st));
    DMS_TRY(dms_row_want_i(call, DMS_POOL_COUNT_PADS, 0, 1, st));
    if (call->i[DMS_POOL_FN] == DMS_POOL_LP)
        DMS_TRY(dms_row_want_i(call, DMS_POOL_P, 1, INT32_MAX, st));
    if (call->n_out == 1)
        return DMS_OK;
    if (!is_max)
        return dms_row_refuse(call, 2, st, "only the maximum has indices");
    DMS_TRY(dms_row_want_dtype(call, 2, DMS_DTYPE_BIT(DMS_DTYPE_I64), st));
    return dms_row_want_same_dims(call, 2, 1, st);
}

static uint64_t pool_flops(const dms_call *call) {
    const uint64_t window = dms_mul_saturated((uint64_t)call->i[DMS_POOL_WINDOW],
                                              (uint64_t)call->i[DMS_POOL_WINDOW + 1]);
    return dms_mul_saturated(window, (uint64_t)dms_view_count(&call->view[1]));
}

static const char *const pool_i[] = {
    "fn",      "window_h", "window_w",   "stride_h",  "stride_w",   "dilation_h", "dilation_w",
    "pad_top", "pad_left", "pad_bottom", "pad_right", "count_pads", "p"};

const dms_kernel_row dms_row_pool = {
    .id = DMS_K_POOL,
    .name = "pool",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
    .n_i = 13,
    .i_name = pool_i,
    .check = pool_check,
    .flops = pool_flops,
    .cpu_dtypes = DMS_DTYPES_FLOAT | DMS_DTYPES_INTEGER,
};

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
