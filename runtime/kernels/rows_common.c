/* rows_common.c - checks that rows of several families need. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/kernels/rows_internal.h"

dms_code dms_row_refuse(const dms_call *call, uint32_t operand, dms_status *st, const char *fmt,
                        ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    const char *name = row == NULL ? "?" : row->name;
    if (operand == DMS_NO_OPERAND)
        return dms_fail(st, DMS_EPLAN, "kernel '%s': %s", name, text);
    return dms_fail(st, DMS_EPLAN, "kernel '%s', operand %" PRIu32 ": %s", name, operand, text);
}

dms_code dms_row_want_dtype(const dms_call *call, uint32_t operand, uint32_t set, dms_status *st) {
    const dms_dtype dtype = call->view[operand].dtype;
    if ((set & DMS_DTYPE_BIT(dtype)) == 0)
        return dms_row_refuse(call, operand, st, "dtype %s does not fit", dms_dtype_name(dtype));
    return DMS_OK;
}

dms_code dms_row_want_one_dtype(const dms_call *call, uint32_t set, dms_status *st) {
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
        DMS_TRY(dms_row_want_dtype(call, k, set, st));
        if (call->view[k].dtype != call->view[0].dtype)
            return dms_row_refuse(call, k, st, "dtype %s differs from %s of operand 0",
                                  dms_dtype_name(call->view[k].dtype),
                                  dms_dtype_name(call->view[0].dtype));
    }
    return DMS_OK;
}

dms_code dms_row_want_rank(const dms_call *call, uint32_t operand, uint32_t rank, dms_status *st) {
    if (call->view[operand].rank != rank)
        return dms_row_refuse(call, operand, st, "rank %" PRIu32 ", wants %" PRIu32,
                              call->view[operand].rank, rank);
    return DMS_OK;
}

dms_code dms_row_want_dim(const dms_call *call, uint32_t operand, uint32_t axis, int64_t dim,
                          dms_status *st) {
    if (call->view[operand].rank <= axis || call->view[operand].dim[axis] != dim) {
        char text[160];
        return dms_row_refuse(call, operand, st, "%s, wants %" PRId64 " along axis %" PRIu32,
                              dms_view_text(&call->view[operand], text, sizeof text), dim, axis);
    }
    return DMS_OK;
}

dms_code dms_row_want_same_dims(const dms_call *call, uint32_t a, uint32_t b, dms_status *st) {
    if (!dms_view_same_dims(&call->view[a], &call->view[b])) {
        char text[2][160];
        return dms_row_refuse(call, a, st, "%s, operand %" PRIu32 " is %s",
                              dms_view_text(&call->view[a], text[0], sizeof text[0]), b,
                              dms_view_text(&call->view[b], text[1], sizeof text[1]));
    }
    return DMS_OK;
}

dms_code dms_row_want_i(const dms_call *call, uint32_t k, int64_t low, int64_t high,
                        dms_status *st) {
    if (call->i[k] < low || call->i[k] > high)
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "integer parameter %" PRIu32 " is %" PRId64 ", wants %" PRId64
                              " to %" PRId64,
                              k, call->i[k], low, high);
    return DMS_OK;
}

bool dms_row_lies_the_same(const dms_call *call, uint32_t in, uint32_t out) {
    const dms_view *x = &call->view[in];
    const dms_view *y = &call->view[call->n_in + out];
    if (!dms_view_same_dims(x, y) || x->offset != y->offset ||
        dms_dtype_bytes(x->dtype) != dms_dtype_bytes(y->dtype))
        return false;
    for (uint32_t k = 0; k < x->rank; k++)
        if (x->dim[k] > 1 && x->pitch[k] != y->pitch[k])
            return false;
    return true;
}

void dms_cut_init(dms_cut *out) {
    out->extent = 0;
    out->granule = 1;
    out->extent_param = -1;
    out->is_pick = false;
    for (uint32_t k = 0; k < DMS_MAX_OPERANDS; k++) {
        out->axis[k] = -1;
        out->unit[k] = 1;
    }
}
