/* rows.c - the rows of the kernels that reduce, or go along, the last axes. A row of the tensor is
 * always computed by one thread, in an order that depends on its length alone. */
#include <stddef.h>

#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

#define BOOL DMS_DTYPE_BIT(DMS_DTYPE_BOOL)
#define NUMBERS (DMS_DTYPES_FLOAT | DMS_DTYPES_INTEGER)

/* Elements of an operand, as a cost. */
static uint64_t count_of(const dms_call *call, uint32_t operand) {
    return (uint64_t)dms_view_count(&call->view[operand]);
}

/* One operation per element that is read. */
static uint64_t flops_of_input(const dms_call *call) {
    return count_of(call, 0);
}

/* An exponential is about 20 operations; normalising about 8. */
static uint64_t flops_of_softmax(const dms_call *call) {
    return dms_mul_saturated(count_of(call, 0), 24);
}

/* Two passes of one or two operations, and three to scale. */
static uint64_t flops_of_norm(const dms_call *call) {
    return dms_mul_saturated(count_of(call, 0), 8);
}

/* The window, and a power. */
static uint64_t flops_of_lrn(const dms_call *call) {
    return dms_mul_saturated(count_of(call, 0), 2 * (uint64_t)call->i[0] + 60);
}

/* Output 0 over input 0: the last pass over a row reads each place before it writes it. */
static bool first_over_first(const dms_call *call, uint32_t in, uint32_t out) {
    return in == 0 && out == 0 && dms_row_lies_the_same(call, in, out);
}

/* The operand has the leading `n` dims of operand 0, and no more. */
static dms_code want_leading(const dms_call *call, uint32_t operand, uint32_t n, dms_status *st) {
    DMS_TRY(dms_row_want_rank(call, operand, n, st));
    for (uint32_t k = 0; k < n; k++)
        DMS_TRY(dms_row_want_dim(call, operand, k, call->view[0].dim[k], st));
    return DMS_OK;
}

/* For kernels whose rows are the last axis. */
static dms_code want_rank_at_least_1(const dms_call *call, dms_status *st) {
    return call->view[0].rank > 0 ? DMS_OK : dms_row_refuse(call, 0, st, "a scalar has no rows");
}

/* A truth has a largest element but no sum; a logarithm has no integer. */
static dms_code check_reduce(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_i(call, 0, 0, DMS_N_REDUCE_FNS - 1, st));
    const int64_t fn = call->i[0];
    uint32_t set = NUMBERS;
    if (fn == DMS_FN_REDUCE_MAX || fn == DMS_FN_REDUCE_MIN)
        set |= BOOL;
    if (fn == DMS_FN_LOG_SUM || fn == DMS_FN_LOG_SUM_EXP)
        set = DMS_DTYPES_FLOAT;
    DMS_TRY(dms_row_want_one_dtype(call, set, st));
    DMS_TRY(dms_row_want_i(call, 1, 0, call->view[0].rank, st));
    return want_leading(call, 1, (uint32_t)call->i[1], st);
}

/* Other axes than the last are permuted there by the lowering. */
static dms_code check_softmax(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_FLOAT, st));
    DMS_TRY(dms_row_want_i(call, 0, 0, 1, st));
    DMS_TRY(want_rank_at_least_1(call, st));
    return dms_row_want_same_dims(call, 1, 0, st);
}

/* A vector as long as axis `axis` of operand 0. */
static dms_code want_vector(const dms_call *call, uint32_t operand, uint32_t axis, dms_status *st) {
    DMS_TRY(dms_row_want_rank(call, operand, 1, st));
    return dms_row_want_dim(call, operand, 0, call->view[0].dim[axis], st);
}

/* scale and bias come in this order; a bias alone needs a scale of ones. */
static dms_code check_layer_norm(const dms_call *call, dms_status *st) {
    const uint32_t y = call->n_in;
    DMS_TRY(dms_row_want_dtype(call, 0, DMS_DTYPES_FLOAT, st));
    DMS_TRY(dms_row_want_i(call, 0, 0, 1, st));
    DMS_TRY(want_rank_at_least_1(call, st));
    const uint32_t last = call->view[0].rank - 1, own = DMS_DTYPE_BIT(call->view[0].dtype);
    for (uint32_t k = 1; k <= y; k++)
        DMS_TRY(dms_row_want_dtype(call, k, own, st));
    for (uint32_t k = 1; k < y; k++)
        DMS_TRY(want_vector(call, k, last, st));
    DMS_TRY(dms_row_want_same_dims(call, y, 0, st));
    for (uint32_t k = y + 1; k < y + call->n_out; k++) { /* mean, inv_std: f32 or the type of x */
        DMS_TRY(dms_row_want_dtype(call, k, own | DMS_DTYPE_BIT(DMS_DTYPE_F32), st));
        DMS_TRY(want_leading(call, k, last, st));
    }
    return DMS_OK;
}

/* Instance norm is a group per channel: c = 1. */
static dms_code check_group_norm(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_FLOAT, st));
    DMS_TRY(dms_row_want_rank(call, 0, 4, st));
    DMS_TRY(dms_row_want_same_dims(call, 3, 0, st));
    for (uint32_t k = 1; k < 3; k++) {
        DMS_TRY(dms_row_want_rank(call, k, 2, st));
        DMS_TRY(dms_row_want_dim(call, k, 0, call->view[0].dim[1], st));
        DMS_TRY(dms_row_want_dim(call, k, 1, call->view[0].dim[2], st));
    }
    return DMS_OK;
}

/* The four vectors may be of another float type than x and y. */
static dms_code check_batch_norm(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, DMS_DTYPES_FLOAT, st));
    DMS_TRY(dms_row_want_dtype(call, 5, DMS_DTYPE_BIT(call->view[0].dtype), st));
    DMS_TRY(dms_row_want_rank(call, 0, 3, st));
    DMS_TRY(dms_row_want_same_dims(call, 5, 0, st));
    for (uint32_t k = 1; k < 5; k++) {
        DMS_TRY(dms_row_want_dtype(call, k, DMS_DTYPES_FLOAT, st));
        DMS_TRY(want_vector(call, k, 1, st));
    }
    return DMS_OK;
}

/* An index has no value for an empty row, so that is refused; no rows at all are fine. */
static dms_code check_arg(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, NUMBERS, st));
    DMS_TRY(dms_row_want_dtype(call, 1, DMS_DTYPE_BIT(DMS_DTYPE_I64), st));
    DMS_TRY(dms_row_want_i(call, 0, 0, 1, st));
    DMS_TRY(dms_row_want_i(call, 1, 0, 1, st));
    DMS_TRY(want_rank_at_least_1(call, st));
    const uint32_t last = call->view[0].rank - 1;
    DMS_TRY(want_leading(call, 1, last, st));
    if (call->view[0].dim[last] == 0 && dms_view_count(&call->view[1]) > 0)
        return dms_row_refuse(call, 0, st, "an empty row has no largest element");
    return DMS_OK;
}

/* Sums of 8-bit integers wrap, as every sum in its own type does. */
static dms_code check_cumsum(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, NUMBERS, st));
    DMS_TRY(dms_row_want_i(call, 0, 0, 1, st));
    DMS_TRY(dms_row_want_i(call, 1, 0, 1, st));
    DMS_TRY(want_rank_at_least_1(call, st));
    return dms_row_want_same_dims(call, 1, 0, st);
}

/* k is the last dim of the outputs; it is no parameter, so it cannot disagree with them. */
static dms_code check_topk(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, NUMBERS, st));
    DMS_TRY(dms_row_want_dtype(call, 1, DMS_DTYPE_BIT(call->view[0].dtype), st));
    DMS_TRY(dms_row_want_dtype(call, 2, DMS_DTYPE_BIT(DMS_DTYPE_I64), st));
    DMS_TRY(dms_row_want_i(call, 0, 0, 1, st));
    DMS_TRY(dms_row_want_i(call, 1, 0, 1, st));
    DMS_TRY(want_rank_at_least_1(call, st));
    DMS_TRY(dms_row_want_same_dims(call, 2, 1, st));
    const uint32_t last = call->view[0].rank - 1;
    DMS_TRY(dms_row_want_rank(call, 1, last + 1, st));
    for (uint32_t k = 0; k < last; k++)
        DMS_TRY(dms_row_want_dim(call, 1, k, call->view[0].dim[k], st));
    if (call->view[1].dim[last] > call->view[0].dim[last])
        return dms_row_refuse(call, 1, st, "wants %" PRId64 " of %" PRId64 " elements",
                              call->view[1].dim[last], call->view[0].dim[last]);
    return DMS_OK;
}

/* An even window reaches one channel further behind than before. */
static dms_code check_lrn(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DMS_DTYPES_FLOAT, st));
    DMS_TRY(dms_row_want_i(call, 0, 1, INT32_MAX, st));
    DMS_TRY(dms_row_want_rank(call, 0, 3, st));
    return dms_row_want_same_dims(call, 1, 0, st);
}

static const char *const reduce_names[] = {"fn", "kept"};
static const char *const log_names[] = {"log"};
static const char *const rms_names[] = {"rms"};
static const char *const epsilon_names[] = {"epsilon"};
static const char *const arg_names[] = {"min", "last"};
static const char *const cumsum_names[] = {"exclusive", "reverse"};
static const char *const topk_names[] = {"largest", "sorted"};
static const char *const size_names[] = {"size"};
static const char *const lrn_names[] = {"alpha", "beta", "bias"};

/* x[kept..., red...] -> y[kept...]. The lowering permutes the view so that the reduced axes
 * come last; nothing moves. */
const dms_kernel_row dms_row_reduce = {.id = DMS_K_REDUCE,
                                       .name = "reduce",
                                       DMS_OPERANDS(1, 1, 1, 1),
                                       .n_i = 2,
                                       .i_name = reduce_names,
                                       .check = check_reduce,
                                       .flops = flops_of_input,
                                       .cpu_dtypes = DMS_DTYPES_ALL};

/* x[..., n] -> y[..., n]. */
const dms_kernel_row dms_row_softmax = {.id = DMS_K_SOFTMAX,
                                        .name = "softmax",
                                        DMS_OPERANDS(1, 1, 1, 1),
                                        .n_i = 1,
                                        .i_name = log_names,
                                        .check = check_softmax,
                                        .flops = flops_of_softmax,
                                        .in_place = first_over_first,
                                        .cpu_dtypes = DMS_DTYPES_FLOAT};

/* x[..., n] (, scale[n] (, bias[n])) -> y[..., n] (, mean[...] (, inv_std[...])). */
const dms_kernel_row dms_row_layer_norm = {.id = DMS_K_LAYER_NORM,
                                           .name = "layer_norm",
                                           DMS_OPERANDS(1, 3, 1, 3),
                                           .n_i = 1,
                                           .n_f = 1,
                                           .i_name = rms_names,
                                           .f_name = epsilon_names,
                                           .check = check_layer_norm,
                                           .flops = flops_of_norm,
                                           .in_place = first_over_first,
                                           .cpu_dtypes = DMS_DTYPES_FLOAT};

/* x[b, g, c, s], scale[g, c], bias[g, c] -> y: the moments are those of c and s together. */
const dms_kernel_row dms_row_group_norm = {.id = DMS_K_GROUP_NORM,
                                           .name = "group_norm",
                                           DMS_OPERANDS(3, 3, 1, 1),
                                           .n_f = 1,
                                           .f_name = epsilon_names,
                                           .check = check_group_norm,
                                           .flops = flops_of_norm,
                                           .in_place = first_over_first,
                                           .cpu_dtypes = DMS_DTYPES_FLOAT};

/* x[b, c, s], scale[c], bias[c], mean[c], var[c] -> y. Only where it could not be folded into
 * the convolution before it. */
const dms_kernel_row dms_row_batch_norm = {.id = DMS_K_BATCH_NORM,
                                           .name = "batch_norm",
                                           DMS_OPERANDS(5, 5, 1, 1),
                                           .n_f = 1,
                                           .f_name = epsilon_names,
                                           .check = check_batch_norm,
                                           .flops = flops_of_norm,
                                           .in_place = first_over_first,
                                           .cpu_dtypes = DMS_DTYPES_FLOAT};

/* x[..., n] -> y[...] of i64: where the largest (or smallest) element of each row lies. */
const dms_kernel_row dms_row_arg = {.id = DMS_K_ARG,
                                    .name = "arg",
                                    DMS_OPERANDS(1, 1, 1, 1),
                                    .n_i = 2,
                                    .i_name = arg_names,
                                    .check = check_arg,
                                    .flops = flops_of_input,
                                    .cpu_dtypes = DMS_DTYPES_ALL};

/* x[..., n] -> y[..., n]. */
const dms_kernel_row dms_row_cumsum = {.id = DMS_K_CUMSUM,
                                       .name = "cumsum",
                                       DMS_OPERANDS(1, 1, 1, 1),
                                       .n_i = 2,
                                       .i_name = cumsum_names,
                                       .check = check_cumsum,
                                       .in_place = first_over_first,
                                       .cpu_dtypes = DMS_DTYPES_ALL};

/* x[..., n] -> values[..., k], indices[..., k]. Always sorted, which `sorted` = 0 permits too;
 * equal elements in order of index. */
const dms_kernel_row dms_row_topk = {.id = DMS_K_TOPK,
                                     .name = "topk",
                                     DMS_OPERANDS(1, 1, 2, 2),
                                     .n_i = 2,
                                     .i_name = topk_names,
                                     .check = check_topk,
                                     .flops = flops_of_input,
                                     .cpu_dtypes = DMS_DTYPES_ALL};

/* x[b, c, s] -> y: each element over its neighbours along c. */
const dms_kernel_row dms_row_lrn = {.id = DMS_K_LRN,
                                    .name = "lrn",
                                    DMS_OPERANDS(1, 1, 1, 1),
                                    .n_i = 1,
                                    .n_f = 3,
                                    .i_name = size_names,
                                    .f_name = lrn_names,
                                    .check = check_lrn,
                                    .flops = flops_of_lrn,
                                    .cpu_dtypes = DMS_DTYPES_FLOAT};
