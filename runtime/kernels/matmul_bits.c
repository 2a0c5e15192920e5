/* matmul_bits.c - the row of products with a matrix of 4-bit numbers, which stays packed in memory.
 *
 *      y[.., i, j] = sum over p < k of a[.., i, p] w[j, p]
 *
 *      w[j, p] = (b[j, p / 2h, half p % 2 of byte p / 2 % h] - zero) scale     of block p / 2h,
 *                rounded to the type of a; zero is 8 where there is none
 *
 * Numbers grow on their way into the sum: nine times fewer bytes pass than by way of an unpacked
 * f32 matrix. Sums are those of MATMUL. A cell of the cut is some rows of b, one range of a file,
 * and of the scales and zeros beside it. */
#include "runtime/kernels/matmul_bits.h"

#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"
#include "schema/checked.h"

#define SUMMED                                                                                     \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16))
#define U8 DMS_DTYPE_BIT(DMS_DTYPE_U8)

#define GRANULE 16     /* columns of a panel, as of MATMUL */
#define UNPACK_WORK 3u /* additions that making one number takes as long as */

/* Dense operands alone: two numbers of a byte have no pitch of their own. */
static dms_code check_packed(const dms_call *call, uint32_t k, uint32_t rank, int64_t n,
                             dms_status *st) {
    DMS_TRY(dms_row_want_rank(call, k, rank, st));
    DMS_TRY(dms_row_want_dim(call, k, 0, n, st));
    if (!dms_view_is_dense(&call->view[k]))
        return dms_row_refuse(call, k, st, "is not dense");
    return DMS_OK;
}

/* The last block begins before k and ends at k or behind it. */
static dms_code check_blocks(const dms_call *call, int64_t k, dms_status *st) {
    const int64_t blocks = call->view[DMS_BITS_B].dim[1], half = call->view[DMS_BITS_B].dim[2];
    int64_t each, all;
    if (!dms_mul_i64(half, 2, &each) || !dms_mul_i64(blocks, each, &all) || all < k ||
        k <= all - each)
        return dms_row_refuse(call, DMS_BITS_B, st,
                              "%" PRId64 " blocks of %" PRId64 " bytes for %" PRId64 " terms",
                              blocks, half, k);
    return DMS_OK;
}

static dms_code check_a(const dms_call *call, dms_status *st) {
    const dms_view *y = &call->view[call->n_in];
    if (y->rank < 2)
        return dms_row_refuse(call, call->n_in, st, "rank %" PRIu32 ", wants 2 or more", y->rank);
    DMS_TRY(dms_row_want_rank(call, DMS_BITS_A, y->rank, st));
    for (uint32_t k = 0; k + 1 < y->rank; k++)
        DMS_TRY(dms_row_want_dim(call, DMS_BITS_A, k, y->dim[k], st));
    return DMS_OK;
}

static dms_code bits_check(const dms_call *call, dms_status *st) {
    const dms_view *a = &call->view[DMS_BITS_A], *y = &call->view[call->n_in];
    DMS_TRY(dms_row_want_dtype(call, DMS_BITS_A, SUMMED, st));
    DMS_TRY(dms_row_want_dtype(call, DMS_BITS_B, U8, st));
    DMS_TRY(dms_row_want_dtype(call, DMS_BITS_SCALE, DMS_DTYPE_BIT(a->dtype), st));
    DMS_TRY(dms_row_want_dtype(call, call->n_in, DMS_DTYPE_BIT(a->dtype), st));
    DMS_TRY(check_a(call, st));
    const int64_t n = y->dim[y->rank - 1];
    DMS_TRY(check_packed(call, DMS_BITS_B, 3, n, st));
    DMS_TRY(check_blocks(call, a->dim[a->rank - 1], st));
    const int64_t blocks = call->view[DMS_BITS_B].dim[1];
    DMS_TRY(check_packed(call, DMS_BITS_SCALE, 2, n, st));
    DMS_TRY(dms_row_want_dim(call, DMS_BITS_SCALE, 1, blocks, st));
    if (call->n_in <= DMS_BITS_ZERO)
        return DMS_OK;
    DMS_TRY(dms_row_want_dtype(call, DMS_BITS_ZERO, U8, st));
    DMS_TRY(check_packed(call, DMS_BITS_ZERO, 2, n, st));
    return dms_row_want_dim(call, DMS_BITS_ZERO, 1, blocks / 2 + blocks % 2, st);
}

static uint64_t bits_flops(const dms_call *call) {
    const dms_view *a = &call->view[DMS_BITS_A];
    const uint64_t sums = (uint64_t)dms_view_count(&call->view[call->n_in]);
    return dms_mul_saturated(dms_mul_saturated(sums, (uint64_t)a->dim[a->rank - 1]), 2);
}

static uint64_t bits_carried(const dms_call *call) {
    const uint64_t numbers =
        dms_mul_saturated((uint64_t)dms_view_count(&call->view[DMS_BITS_B]), 2);
    return dms_mul_saturated(numbers, UNPACK_WORK);
}

static bool bits_cut(const dms_call *call, dms_cut *out) {
    const dms_view *y = &call->view[call->n_in];
    dms_cut_init(out);
    out->extent = y->dim[y->rank - 1];
    out->granule = GRANULE;
    for (uint32_t k = DMS_BITS_B; k < call->n_in; k++)
        out->axis[k] = 0;
    out->axis[call->n_in] = (int32_t)y->rank - 1;
    return out->extent > 1;
}

/* As of MATMUL: rows wait until they are final. */
static dms_epilogue bits_epilogue(const dms_call *call) {
    (void)call;
    return DMS_EPILOGUE_OVER;
}

/* a[..., m, k], b[n, blocks, h], scale[n, blocks] (, zero[n, ceil(blocks / 2)]) -> y[..., m, n]. */
const dms_kernel_row dms_row_matmul_bits = {
    .id = DMS_K_MATMUL_BITS,
    .name = "matmul_bits",
    DMS_OPERANDS(3, 4, 1, 1),
    .check = bits_check,
    .flops = bits_flops,
    .carried = bits_carried,
    .cut = bits_cut,
    .epilogue = bits_epilogue,
    .cpu_dtypes = SUMMED | U8,
};

void dms_matmul_of_bits(const dms_call *own, void *const *operand, dms_view *view, int64_t *i,
                        dms_call *out, dms_bits *out_bits) {
    static const double f[2] = {1.0, 0.0};
    const dms_view *a = &own->view[DMS_BITS_A], *y = &own->view[own->n_in];
    view[0] = *a;
    view[1] = (dms_view){.dtype = a->dtype, .rank = y->rank};
    for (uint32_t k = 0; k < y->rank; k++)
        view[1].dim[k] = y->dim[k];
    view[1].dim[y->rank - 2] = a->dim[a->rank - 1];
    view[2] = *y;
    i[0] = 0;
    i[1] = y->dim[y->rank - 1];
    *out = (dms_call){.kernel = DMS_K_MATMUL,
                      .n_in = 2,
                      .n_out = 1,
                      .n_i = 2,
                      .n_f = 2,
                      .view = view,
                      .i = i,
                      .f = f};
    *out_bits = (dms_bits){.dtype = a->dtype,
                           .blocks = own->view[DMS_BITS_B].dim[1],
                           .half = own->view[DMS_BITS_B].dim[2]};
    if (operand == NULL)
        return;
    out_bits->b = operand[DMS_BITS_B];
    out_bits->scale = operand[DMS_BITS_SCALE];
    out_bits->zero = own->n_in > DMS_BITS_ZERO ? operand[DMS_BITS_ZERO] : NULL;
}
