/* quantize.c - the rows of quantisation: floats as small integers, and back.
 *
 *      x -> y = clamp(round(x / scale) + zero)        y -> x = (y - zero) scale
 *
 * Scale and zero are operands with the dims of x: one number for all, one per channel or one per
 * block of a channel are pitches of 0. */
#include <stddef.h>

#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

#define FLOATS (DMS_DTYPES_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))
#define BYTES (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8))
#define SMALL                                                                                      \
    (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8) | DMS_DTYPE_BIT(DMS_DTYPE_U16) |    \
     DMS_DTYPE_BIT(DMS_DTYPE_I16))
#define I32 DMS_DTYPE_BIT(DMS_DTYPE_I32)

/* All operands have the dims of operand 0; the zero, if there is one, has the dtype of `like`. */
static dms_code check_operands(const dms_call *call, uint32_t like, dms_status *st) {
    for (uint32_t k = 1; k <= call->n_in; k++)
        DMS_TRY(dms_row_want_same_dims(call, k, 0, st));
    if (call->n_in < 3)
        return DMS_OK;
    return dms_row_want_dtype(call, 2, DMS_DTYPE_BIT(call->view[like].dtype), st);
}

static dms_code check_quantize(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, FLOATS | I32, st));
    DMS_TRY(dms_row_want_dtype(call, 1, FLOATS, st));
    DMS_TRY(dms_row_want_dtype(call, call->n_in, SMALL, st));
    return check_operands(call, call->n_in, st);
}

static dms_code check_dequantize(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, SMALL | I32, st));
    DMS_TRY(dms_row_want_dtype(call, 1, FLOATS, st));
    DMS_TRY(dms_row_want_dtype(call, call->n_in, DMS_DTYPE_BIT(call->view[1].dtype), st));
    return check_operands(call, 0, st);
}

/* A table of 256 bytes, side by side. */
static dms_code check_lookup(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, BYTES, st));
    DMS_TRY(dms_row_want_dtype(call, 1, BYTES, st));
    DMS_TRY(dms_row_want_dtype(call, 2, DMS_DTYPE_BIT(call->view[1].dtype), st));
    DMS_TRY(dms_row_want_rank(call, 1, 1, st));
    DMS_TRY(dms_row_want_dim(call, 1, 0, 256, st));
    if (!dms_view_is_dense(&call->view[1]))
        return dms_row_refuse(call, 1, st, "is not dense");
    return dms_row_want_same_dims(call, 2, 0, st);
}

/* Each byte is read before it is written. */
static bool lookup_in_place(const dms_call *call, uint32_t in, uint32_t out) {
    return in == 0 && dms_row_lies_the_same(call, in, out);
}

/* A division, a rounding, an addition, two comparisons; or a subtraction and a product. */
static uint64_t quantize_flops(const dms_call *call) {
    return dms_mul_saturated((uint64_t)dms_view_count(&call->view[0]), 5);
}

static uint64_t dequantize_flops(const dms_call *call) {
    return dms_mul_saturated((uint64_t)dms_view_count(&call->view[0]), 2);
}

/* x[...], scale[...] (, zero[...]) -> y[...]. */
const dms_kernel_row dms_row_quantize = {.id = DMS_K_QUANTIZE,
                                         .name = "quantize",
                                         DMS_OPERANDS(2, 3, 1, 1),
                                         .check = check_quantize,
                                         .flops = quantize_flops,
                                         .cpu_dtypes = FLOATS | SMALL | I32};

/* x[...], scale[...] (, zero[...]) -> y[...]. */
const dms_kernel_row dms_row_dequantize = {.id = DMS_K_DEQUANTIZE,
                                           .name = "dequantize",
                                           DMS_OPERANDS(2, 3, 1, 1),
                                           .check = check_dequantize,
                                           .flops = dequantize_flops,
                                           .cpu_dtypes = FLOATS | SMALL | I32};

/* x[...], table[256] -> y[...]. */
const dms_kernel_row dms_row_lookup = {.id = DMS_K_LOOKUP,
                                       .name = "lookup",
                                       DMS_OPERANDS(2, 2, 1, 1),
                                       .check = check_lookup,
                                       .in_place = lookup_in_place,
                                       .cpu_dtypes = BYTES};
