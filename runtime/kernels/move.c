/* move.c - the rows of the kernels that move elements of any type without looking at them. */
#include <stddef.h>

#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

/* No operation at all: a move is judged by its bytes. */
static uint64_t no_flops(const dms_call *call) {
    (void)call;
    return 0;
}

/* A bit of `backward` beyond the rank names an axis that is not there. */
static dms_code check_copy(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_ALL, st));
    DMS_TRY(dms_row_want_same_dims(call, 1, 0, st));
    return dms_row_want_i(call, 0, 0, (INT64_C(1) << call->view[0].rank) - 1, st);
}

/* Inputs agree with y on every axis but one, along which they add up to it. */
static dms_code check_concat(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_ALL, st));
    const dms_view *y = &call->view[call->n_in];
    DMS_TRY(dms_row_want_i(call, 0, 0, (int64_t)y->rank - 1, st));
    const uint32_t axis = (uint32_t)call->i[0];
    int64_t left = y->dim[axis];
    for (uint32_t k = 0; k < call->n_in; k++) {
        DMS_TRY(dms_row_want_rank(call, k, y->rank, st));
        for (uint32_t j = 0; j < y->rank; j++)
            if (j != axis)
                DMS_TRY(dms_row_want_dim(call, k, j, y->dim[j], st));
        if (call->view[k].dim[axis] > left)
            return dms_row_refuse(call, k, st, "does not fit into the output along axis %" PRIu32,
                                  axis);
        left -= call->view[k].dim[axis];
    }
    if (left != 0)
        return dms_row_refuse(call, call->n_in, st,
                              "the inputs leave %" PRId64 " of its entries along axis %" PRIu32,
                              left, axis);
    return DMS_OK;
}

/* Pads on both sides may be negative, which cuts; the dims of y say how much is added after. */
static dms_code check_pad(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_ALL, st));
    const dms_view *x = &call->view[0], *y = &call->view[1];
    DMS_TRY(dms_row_want_rank(call, 1, x->rank, st));
    if (call->n_i != 2 + x->rank)
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "wants mode, value and %" PRIu32 " pads, has %" PRIu32 " parameters",
                              x->rank, call->n_i);
    DMS_TRY(dms_row_want_i(call, 0, 0, 3, st));
    for (uint32_t k = 0; k < x->rank; k++) {
        /* Far below overflow, and more than any tensor can be padded by. */
        DMS_TRY(dms_row_want_i(call, 2 + k, -(INT64_C(1) << 40), INT64_C(1) << 40, st));
        if (call->i[0] != 0 && x->dim[k] == 0 && y->dim[k] > 0)
            return dms_row_refuse(call, 0, st, "nothing to repeat along axis %" PRIu32, k);
    }
    return DMS_OK;
}

/* The last two axes are the matrix; k may lie anywhere, far outside included. */
static dms_code check_trilu(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_ALL, st));
    DMS_TRY(dms_row_want_same_dims(call, 1, 0, st));
    if (call->view[0].rank < 2)
        return dms_row_refuse(call, 0, st, "rank %" PRIu32 ", wants at least 2",
                              call->view[0].rank);
    return dms_row_want_i(call, 0, 0, 1, st);
}

static const char *const copy_names[] = {"backward"};
static const char *const concat_names[] = {"axis"};
static const char *const trilu_names[] = {"upper", "k"};

/* x[...] -> y[...]: a Transpose, Expand or reversing Slice is a copy from a view. */
const dms_kernel_row dms_row_copy = {.id = DMS_K_COPY,
                                     .name = "copy",
                                     DMS_OPERANDS(1, 1, 1, 1),
                                     .n_i = 1,
                                     .i_name = copy_names,
                                     .check = check_copy,
                                     .flops = no_flops,
                                     .cpu_dtypes = DMS_DTYPES_ALL};

/* x0[..., n0, ...], x1[..., n1, ...], ... -> y[..., n0 + n1 + ..., ...]. */
const dms_kernel_row dms_row_concat = {.id = DMS_K_CONCAT,
                                       .name = "concat",
                                       DMS_OPERANDS(1, 32, 1, 1),
                                       .n_i = 1,
                                       .i_name = concat_names,
                                       .check = check_concat,
                                       .flops = no_flops,
                                       .cpu_dtypes = DMS_DTYPES_ALL};

/* x[...] -> y[...]. Parameters: mode, the bits of the value, then how much is added before each
 * axis; what is added after follows from y. */
const dms_kernel_row dms_row_pad = {.id = DMS_K_PAD,
                                    .name = "pad",
                                    DMS_OPERANDS(1, 1, 1, 1),
                                    .n_i = 255,
                                    .check = check_pad,
                                    .flops = no_flops,
                                    .cpu_dtypes = DMS_DTYPES_ALL};

/* x[..., m, n] -> y[..., m, n]: one side of diagonal k stays, the other becomes 0. */
const dms_kernel_row dms_row_trilu = {.id = DMS_K_TRILU,
                                      .name = "trilu",
                                      DMS_OPERANDS(1, 1, 1, 1),
                                      .n_i = 2,
                                      .i_name = trilu_names,
                                      .check = check_trilu,
                                      .flops = no_flops,
                                      .in_place = dms_row_lies_the_same,
                                      .cpu_dtypes = DMS_DTYPES_ALL};
