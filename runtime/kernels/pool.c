/* pool.c - the row of pooling.
 *
 * Like resizing it reads a window of the input per output. Neither is cut: an activation alone
 * moves through them, and there is no weight whose residency a finer cell could improve. */
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
