/* attention.c - the row of attention.
 *
 *      q[b, h, s, d]    k[b, hk, t, d]    v[b, hk, t, e]    mask[b, h, s, t]    y[b, h, s, e]
 *
 * Query head n reads key head n / (h / hk). The causal limit counts from the end: the last query
 * sees all t keys, the one before it t - 1; so one new token (s = 1) sees everything before it.
 *
 * Exporters write the triangle with a finite number, mostly the lowest one: a row whose keys are
 * all masked then has a softmax over the keys beyond the limit too. `fill` says that number. */
#include <math.h>

#include "runtime/kernels/attention_internal.h"
#include "runtime/kernels/attention_parts.h"
#include "runtime/kernels/rows_internal.h"

#define DTYPES                                                                                     \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16))

/* Mask dims [b, h, s, t]; its dtype follows from its kind. */
static dms_code check_mask(const dms_call *call, dms_status *st) {
    const int64_t kind = call->i[DMS_ATTENTION_MASK];
    if ((kind != DMS_MASK_NONE) != (call->n_in == 4))
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "%" PRIu32 " inputs and mask kind %" PRId64,
                              call->n_in, kind);
    if (kind == DMS_MASK_NONE)
        return DMS_OK;
    const dms_view *q = &call->view[0];
    const int64_t dim[4] = {q->dim[0], q->dim[1], q->dim[2], call->view[1].dim[2]};
    DMS_TRY(dms_row_want_rank(call, 3, 4, st));
    for (uint32_t k = 0; k < 4; k++)
        DMS_TRY(dms_row_want_dim(call, 3, k, dim[k], st));
    const uint32_t added = DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(q->dtype);
    const uint32_t set = kind == DMS_MASK_BOOL ? DMS_DTYPE_BIT(DMS_DTYPE_BOOL) : added;
    return dms_row_want_dtype(call, 3, set, st);
}

/* k and v have the batch of q and the same heads and length. */
static dms_code check_shapes(const dms_call *call, dms_status *st) {
    const dms_view *q = &call->view[0], *k = &call->view[1], *v = &call->view[2];
    const uint32_t y = call->n_in;
    const int64_t heads = k->dim[1];
    DMS_TRY(dms_row_want_dim(call, 1, 0, q->dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 1, 3, q->dim[3], st));
    for (uint32_t axis = 0; axis < 3; axis++)
        DMS_TRY(dms_row_want_dim(call, 2, axis, k->dim[axis], st));
    for (uint32_t axis = 0; axis < 3; axis++)
        DMS_TRY(dms_row_want_dim(call, y, axis, q->dim[axis], st));
    DMS_TRY(dms_row_want_dim(call, y, 3, v->dim[3], st));
    if (heads == 0 ? q->dim[1] != 0 : q->dim[1] % heads != 0)
        return dms_row_refuse(call, 0, st, "%" PRId64 " heads share %" PRId64, q->dim[1], heads);
    if (q->dim[3] > DMS_ATTENTION_MAX_WIDTH || v->dim[3] > DMS_ATTENTION_MAX_WIDTH)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "heads wider than %d",
                              DMS_ATTENTION_MAX_WIDTH);
    return DMS_OK;
}

/* scale, softcap and, where the triangle has one, its number; fill + mask wants a mask to add. */
static dms_code check_reals(const dms_call *call, dms_status *st) {
    if (call->n_f != DMS_ATTENTION_FILL && call->n_f != DMS_ATTENTION_FILL + 1)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "%" PRIu32 " real parameters, wants 2 or 3",
                              call->n_f);
    const bool has_fill = call->n_f > DMS_ATTENTION_FILL;
    if (has_fill && (call->i[DMS_ATTENTION_CAUSAL] == 0 || isnan(call->f[DMS_ATTENTION_FILL])))
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "a fill of %g with causal %" PRId64,
                              call->f[DMS_ATTENTION_FILL], call->i[DMS_ATTENTION_CAUSAL]);
    if (call->i[DMS_ATTENTION_CAUSAL] == DMS_CAUSAL_INNER &&
        (!has_fill || call->i[DMS_ATTENTION_MASK] != DMS_MASK_ADDED))
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "causal 2 without fill or added mask");
    return DMS_OK;
}

static dms_code attention_check(const dms_call *call, dms_status *st) {
    const uint32_t y = call->n_in;
    const uint32_t floats[4] = {0, 1, 2, y};
    DMS_TRY(dms_row_want_i(call, DMS_ATTENTION_CAUSAL, DMS_CAUSAL_NONE, DMS_CAUSAL_INNER, st));
    DMS_TRY(dms_row_want_i(call, DMS_ATTENTION_MASK, DMS_MASK_NONE, DMS_MASK_BOOL, st));
    DMS_TRY(dms_row_want_i(call, DMS_ATTENTION_EMPTY, DMS_EMPTY_ZERO, DMS_EMPTY_NAN, st));
    for (uint32_t k = 0; k < 4; k++) {
        DMS_TRY(dms_row_want_dtype(call, floats[k], DTYPES, st));
        DMS_TRY(dms_row_want_rank(call, floats[k], 4, st));
        if (call->view[floats[k]].dtype != call->view[0].dtype)
            return dms_row_refuse(call, floats[k], st, "dtype differs from operand 0");
    }
    DMS_TRY(check_shapes(call, st));
    DMS_TRY(check_mask(call, st));
    return check_reals(call, st);
}

/* Pairs of query and key of one head that meet: all, or those up to the causal limit. */
static uint64_t pairs_of_head(const dms_call *call) {
    const uint64_t s = (uint64_t)call->view[0].dim[2], t = (uint64_t)call->view[1].dim[2];
    const uint64_t side = s < t ? s : t; /* of the triangle whose corner is the last pair */
    if (call->i[DMS_ATTENTION_CAUSAL] == DMS_CAUSAL_NONE)
        return dms_mul_saturated(s, t);
    const uint64_t triangle = dms_mul_saturated(side, side + 1) / 2;
    const uint64_t before = dms_mul_saturated(side, t - side);
    return triangle > UINT64_MAX - before ? UINT64_MAX : triangle + before;
}

/* Pairs of query and key that meet. */
static uint64_t attention_pairs(const dms_call *call) {
    const dms_view *q = &call->view[0];
    return dms_mul_saturated((uint64_t)(q->dim[0] * q->dim[1]), pairs_of_head(call));
}

/* An exponential for each pair; half as much again to read a mask, or to leave out what lies on the
 * wrong side of the diagonal in the blocks that it crosses. */
static uint64_t attention_results(const dms_call *call) {
    const uint64_t pairs = attention_pairs(call);
    const bool is_masked = call->n_in == 4 || call->i[0] != 0;
    return is_masked && pairs <= UINT64_MAX - pairs / 2 ? pairs + pairs / 2 : pairs;
}

/* Two products over the pairs. */
static uint64_t attention_flops(const dms_call *call) {
    const dms_view *q = &call->view[0], *v = &call->view[2];
    return dms_mul_saturated(attention_pairs(call), (uint64_t)(q->dim[3] + v->dim[3]) * 2);
}

/* On CUDA parts of the keys of few queries have sums of their own: m, l, o in f32 for each row.
 * More queries may be a library's. */
static uint64_t attention_workspace(const dms_call *call, dms_device_kind kind) {
    const dms_view *q = &call->view[0];
    const uint64_t rows = (uint64_t)(q->dim[0] * q->dim[1] * q->dim[2]);
    if (kind != DMS_DEVICE_CUDA)
        return 0;
    if (dms_attention_parts(call) == 0)
        return q->dtype == DMS_DTYPE_F32 ? 0 : DMS_ATTENTION_LIBRARY_BYTES;
    const uint64_t each = (uint64_t)(call->view[2].dim[3] + 2) * sizeof(float);
    return dms_mul_saturated(dms_mul_saturated(rows, (uint64_t)dms_attention_parts(call)), each);
}

static const char *const attention_i[] = {"causal", "mask_kind", "empty_row"};
static const char *const attention_f[] = {"scale", "softcap", "fill"};

const dms_kernel_row dms_row_attention = {
    .id = DMS_K_ATTENTION,
    .name = "attention",
    .min_in = 3,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .n_i = 3,
    .n_f = 255, /* two, or three with a fill */
    .i_name = attention_i,
    .f_name = attention_f,
    .check = attention_check,
    .flops = attention_flops,
    .results = attention_results,
    .workspace = attention_workspace,
    .cpu_dtypes = DTYPES | DMS_DTYPE_BIT(DMS_DTYPE_BOOL),
};
