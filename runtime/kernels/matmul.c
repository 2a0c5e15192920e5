/* matmul.c - the row of matrix products.
 *
 *                  n                      A constant b becomes panels, so that the 16 columns of a
 *             +---------+                 register tile lie side by side for every k:
 *             |    b    | k
 *        k    +---------+                      0 .. 15   16 .. 31   32 .. n-1, zeros
 *      +---+  +---------+                     +--------+ +--------+ +--------+
 *    m | a |  |    y    | m                 k | panel  | | panel  | | panel  |  each [k][16]
 *      +---+  +---------+                     +--------+ +--------+ +--------+
 *
 * A cell of the cut is some columns of b, c and y; of panels it is whole panels, which is why the
 * granule is 16 whatever the layout: the grid of a weight does not depend on its layout. */
#include "runtime/kernels/rows_internal.h"

enum { LAYOUT = 0, COLUMNS = 1 };           /* integer parameters */
enum { PLAIN = 0, PANELS = 1, WIDTH = 16 }; /* layouts of b, columns of a panel */

#define DTYPES                                                                                     \
    (DMS_DTYPES_FLOAT | DMS_DTYPE_BIT(DMS_DTYPE_I32) | DMS_DTYPE_BIT(DMS_DTYPE_I64) |              \
     DMS_DTYPE_BIT(DMS_DTYPE_U32) | DMS_DTYPE_BIT(DMS_DTYPE_U64))

/* Panels of n columns; the last may be narrower. */
static int64_t panels_of(int64_t n) {
    return n / WIDTH + (n % WIDTH != 0);
}

/* Leading dims equal those of the result. */
static dms_code check_batch(const dms_call *call, uint32_t operand, dms_status *st) {
    const dms_view *y = &call->view[call->n_in];
    DMS_TRY(dms_row_want_rank(call, operand, y->rank, st));
    for (uint32_t k = 0; k + 2 < y->rank; k++)
        DMS_TRY(dms_row_want_dim(call, operand, k, y->dim[k], st));
    return DMS_OK;
}

static dms_code check_b(const dms_call *call, int64_t k, int64_t n, dms_status *st) {
    const uint32_t rank = call->view[call->n_in].rank;
    if (call->i[LAYOUT] == PLAIN) {
        DMS_TRY(check_batch(call, 1, st));
        DMS_TRY(dms_row_want_dim(call, 1, rank - 2, k, st));
        return dms_row_want_dim(call, 1, rank - 1, n, st);
    }
    if (!dms_dtype_is_float(call->view[1].dtype) || call->view[1].dtype == DMS_DTYPE_F64)
        return dms_row_refuse(call, 1, st, "panels are f32, f16 or bf16");
    DMS_TRY(dms_row_want_rank(call, 1, 3, st));
    DMS_TRY(dms_row_want_dim(call, 1, 0, panels_of(n), st));
    DMS_TRY(dms_row_want_dim(call, 1, 1, k, st));
    DMS_TRY(dms_row_want_dim(call, 1, 2, WIDTH, st));
    if (!dms_view_is_dense(&call->view[1]))
        return dms_row_refuse(call, 1, st, "panels are dense");
    return DMS_OK;
}

/* Integer products take integer factors. */
static dms_code check_factors(const dms_call *call, dms_status *st) {
    for (uint32_t k = 0; k < 2; k++) {
        const double f = call->f[k];
        const bool is_small = f >= -2147483648.0 && f <= 2147483647.0;
        if (!dms_dtype_is_float(call->view[0].dtype) && (!is_small || f != (double)(int64_t)f))
            return dms_row_refuse(call, DMS_NO_OPERAND, st, "factor %g of an integer product", f);
    }
    return DMS_OK;
}

static dms_code matmul_check(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DTYPES, st));
    DMS_TRY(dms_row_want_i(call, LAYOUT, PLAIN, PANELS, st));
    const dms_view *a = &call->view[0], *y = &call->view[call->n_in];
    if (y->rank < 2)
        return dms_row_refuse(call, call->n_in, st, "rank %" PRIu32 ", wants 2 or more", y->rank);
    const int64_t m = y->dim[y->rank - 2], n = y->dim[y->rank - 1];
    DMS_TRY(dms_row_want_i(call, COLUMNS, n, n, st));
    DMS_TRY(check_batch(call, 0, st));
    DMS_TRY(dms_row_want_dim(call, 0, y->rank - 2, m, st));
    DMS_TRY(check_b(call, a->dim[y->rank - 1], n, st));
    if (call->n_in == 3)
        DMS_TRY(dms_row_want_same_dims(call, 2, 3, st));
    return check_factors(call, st);
}

static uint64_t matmul_flops(const dms_call *call) {
    const dms_view *a = &call->view[0];
    const uint64_t sums = (uint64_t)dms_view_count(&call->view[call->n_in]);
    return dms_mul_saturated(dms_mul_saturated(sums, (uint64_t)a->dim[a->rank - 1]), 2);
}

static bool matmul_cut(const dms_call *call, dms_cut *out) {
    const int32_t last = (int32_t)call->view[call->n_in].rank - 1;
    dms_cut_init(out);
    out->extent = call->i[COLUMNS];
    out->granule = WIDTH;
    out->extent_param = COLUMNS;
    for (uint32_t k = 1; k < call->n_in + call->n_out; k++)
        out->axis[k] = last;
    if (call->i[LAYOUT] == PANELS) {
        out->axis[1] = 0;
        out->unit[1] = WIDTH;
    }
    return out->extent > 1;
}

/* A weight without batch becomes panels: 16 columns side by side, K entries each. */
static bool matmul_pack(const dms_call *call, uint32_t operand, dms_device_kind kind,
                        dms_packing *out) {
    const dms_view *b = &call->view[1];
    if (operand != 1 || kind != DMS_DEVICE_CPU || call->i[LAYOUT] != PLAIN ||
        !dms_dtype_is_float(b->dtype) || b->dtype == DMS_DTYPE_F64)
        return false;
    for (uint32_t k = 0; k + 2 < b->rank; k++)
        if (b->pitch[k] != 0 && b->dim[k] != 1)
            return false;
    const int64_t n = b->dim[b->rank - 1], depth = b->dim[b->rank - 2];
    const int64_t pitch_k = b->pitch[b->rank - 2], pitch_n = b->pitch[b->rank - 1];
    const int64_t dim[3] = {panels_of(n), depth, WIDTH};
    int64_t pitch_panel;
    if (n == 0 || depth == 0 || __builtin_mul_overflow(pitch_n, (int64_t)WIDTH, &pitch_panel) ||
        !dms_view_dense(b->dtype, 3, dim, &out->stored))
        return false;
    out->source = out->stored;
    out->source.offset = b->offset;
    out->source.pitch[0] = pitch_panel;
    out->source.pitch[1] = pitch_k;
    out->source.pitch[2] = pitch_n;
    out->valid_last = n % WIDTH;
    out->i[LAYOUT] = PANELS;
    out->i[COLUMNS] = n;
    return true;
}

/* Rows wait in scratch until they are final, so y may lie over what the chain reads. */
static dms_epilogue matmul_epilogue(const dms_call *call) {
    const dms_dtype dtype = call->view[0].dtype;
    return dms_dtype_is_float(dtype) && dtype != DMS_DTYPE_F64 ? DMS_EPILOGUE_OVER
                                                               : DMS_EPILOGUE_NONE;
}

static const char *const matmul_i[] = {"b_layout", "n"};
static const char *const matmul_f[] = {"alpha", "beta"};

const dms_kernel_row dms_row_matmul = {
    .id = DMS_K_MATMUL,
    .name = "matmul",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .n_i = 2,
    .n_f = 2,
    .i_name = matmul_i,
    .f_name = matmul_f,
    .check = matmul_check,
    .flops = matmul_flops,
    .cut = matmul_cut,
    .pack = matmul_pack,
    .epilogue = matmul_epilogue,
    .cpu_dtypes = DTYPES,
};
