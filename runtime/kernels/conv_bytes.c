/* conv_bytes.c - the row of convolutions and products of bytes.
 *
 *      sum[g, b, m, oy, ox] = sum over c, ky, kx of  (w[g, m, c, ky, kx] - zero_w[g, m]) *
 *              (x[g, b, c, oy step_h + ky dilation_h - top, ox step_w + kx dilation_w - left]
 *               - zero_x[g])                                      modulo 2^32; 0 beside the image
 *
 *      y = sum                                                              i32
 *          f32(sum + bias) * scale                                          f32
 *          clamp(round(f32(sum + bias) * scale) + zero_y, low, high)        u8, i8
 *
 * The group is an axis of its own, so that a product of matrices is a convolution whose pixels are
 * the rows of a, whose channels are their columns, and whose groups are the batch.
 *
 * A cell of the cut is some output channels of the only group. */
#include "runtime/kernels/conv_bytes_internal.h"
#include "runtime/kernels/conv_internal.h"
#include "runtime/kernels/rows_internal.h"

#define BYTES (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8))
#define I32 DMS_DTYPE_BIT(DMS_DTYPE_I32)
#define F32 DMS_DTYPE_BIT(DMS_DTYPE_F32)

/* How many inputs there are tells what y is. */
enum { SUM_INPUTS = 4, REAL_INPUTS = 6, BYTE_INPUTS = 7 };

/* Types: bytes, zeros like what they belong to, and y as the number of inputs says. */
static dms_code check_types(const dms_call *call, dms_status *st) {
    const uint32_t y = call->n_in;
    const dms_view *v = call->view;
    DMS_TRY(dms_row_want_dtype(call, DMS_BYTES_X, BYTES, st));
    DMS_TRY(dms_row_want_dtype(call, DMS_BYTES_W, BYTES, st));
    DMS_TRY(dms_row_want_dtype(call, DMS_BYTES_ZERO_X, DMS_DTYPE_BIT(v[DMS_BYTES_X].dtype), st));
    DMS_TRY(dms_row_want_dtype(call, DMS_BYTES_ZERO_W, DMS_DTYPE_BIT(v[DMS_BYTES_W].dtype), st));
    if (y == SUM_INPUTS)
        return dms_row_want_dtype(call, y, I32, st);
    if (y != REAL_INPUTS && y != BYTE_INPUTS)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "%" PRIu32 " inputs", y);
    DMS_TRY(dms_row_want_dtype(call, DMS_BYTES_BIAS, I32, st));
    DMS_TRY(dms_row_want_dtype(call, DMS_BYTES_SCALE, F32, st));
    if (y == REAL_INPUTS)
        return dms_row_want_dtype(call, y, F32, st);
    DMS_TRY(dms_row_want_dtype(call, y, BYTES, st));
    return dms_row_want_dtype(call, DMS_BYTES_ZERO_Y, DMS_DTYPE_BIT(v[y].dtype), st);
}

/* Steps, dilations and pads keep every position far from 63 bits. */
static dms_code check_window(const dms_call *call, dms_status *st) {
    const int64_t limit = INT64_C(1) << 31, room = INT64_C(1) << 60;
    for (uint32_t k = 0; k < 2; k++) {
        const int64_t in = call->view[DMS_BYTES_X].dim[3 + k];
        const int64_t out = call->view[call->n_in].dim[3 + k];
        DMS_TRY(dms_row_want_i(call, DMS_BYTES_KERNEL + k, 1, DMS_CONV_MAX_TAPS, st));
        DMS_TRY(dms_row_want_i(call, DMS_BYTES_STEP + k, 1, limit, st));
        DMS_TRY(dms_row_want_i(call, DMS_BYTES_DILATION + k, 1, limit, st));
        DMS_TRY(dms_row_want_i(call, DMS_BYTES_PAD + k, -limit, limit, st));
        if (call->i[DMS_BYTES_KERNEL + k] > limit / call->i[DMS_BYTES_DILATION + k] ||
            in > room / limit || out > room / limit)
            return dms_row_refuse(call, DMS_NO_OPERAND, st, "axis %" PRIu32 " is too long", k + 3);
    }
    if (call->i[DMS_BYTES_KERNEL] * call->i[DMS_BYTES_KERNEL + 1] > DMS_CONV_MAX_TAPS)
        return dms_row_refuse(call, DMS_BYTES_W, st, "more than %d taps", DMS_CONV_MAX_TAPS);
    return DMS_OK;
}

/* Terms of a sum; at most 2^31, so that they count in 32 bits. */
static dms_code check_terms(const dms_call *call, dms_status *st) {
    int64_t terms;
    const int64_t taps = call->i[DMS_BYTES_KERNEL] * call->i[DMS_BYTES_KERNEL + 1];
    if (!dms_mul_i64(call->view[DMS_BYTES_X].dim[2], taps, &terms) || terms > INT64_C(1) << 31)
        return dms_row_refuse(call, DMS_BYTES_W, st, "sums of more than 2^31 terms");
    return DMS_OK;
}

/* w[g, m, c, kh, kw], or panels [g, m / 8, kh, kw, c / 4, 8, 4]. */
static dms_code check_weights(const dms_call *call, dms_status *st) {
    const dms_view *w = &call->view[DMS_BYTES_W], *y = &call->view[call->n_in];
    DMS_TRY(check_terms(call, st));
    DMS_TRY(dms_row_want_dim(call, DMS_BYTES_W, 0, y->dim[0], st));
    if (call->i[DMS_BYTES_LAYOUT] == 0) {
        DMS_TRY(dms_row_want_dim(call, DMS_BYTES_W, 1, y->dim[2], st));
        DMS_TRY(dms_row_want_dim(call, DMS_BYTES_W, 2, call->view[DMS_BYTES_X].dim[2], st));
        DMS_TRY(dms_row_want_dim(call, DMS_BYTES_W, 3, call->i[DMS_BYTES_KERNEL], st));
        return dms_row_want_dim(call, DMS_BYTES_W, 4, call->i[DMS_BYTES_KERNEL + 1], st);
    }
    const int64_t dim[7] = {y->dim[0],
                            y->dim[2] / DMS_BYTES_ROWS,
                            call->i[DMS_BYTES_KERNEL],
                            call->i[DMS_BYTES_KERNEL + 1],
                            call->view[DMS_BYTES_X].dim[2] / DMS_BYTES_QUAD,
                            DMS_BYTES_ROWS,
                            DMS_BYTES_QUAD};
    if (y->dim[2] % DMS_BYTES_ROWS != 0 || call->view[DMS_BYTES_X].dim[2] % DMS_BYTES_QUAD != 0 ||
        !dms_view_is_dense(w))
        return dms_row_refuse(call, DMS_BYTES_W, st, "panels are dense and whole");
    for (uint32_t k = 1; k < 7; k++)
        DMS_TRY(dms_row_want_dim(call, DMS_BYTES_W, k, dim[k], st));
    return DMS_OK;
}

/* One number per group, or per group and output channel. */
static dms_code check_numbers(const dms_call *call, dms_status *st) {
    static const uint32_t rank[BYTE_INPUTS] = {5, 5, 1, 2, 2, 2, 1};
    const dms_view *y = &call->view[call->n_in];
    for (uint32_t k = 0; k < call->n_in; k++) {
        const bool is_panels = k == DMS_BYTES_W && call->i[DMS_BYTES_LAYOUT] == 1;
        DMS_TRY(dms_row_want_rank(call, k, is_panels ? 7 : rank[k], st));
        DMS_TRY(dms_row_want_dim(call, k, 0, y->dim[0], st));
        if (rank[k] == 2)
            DMS_TRY(dms_row_want_dim(call, k, 1, y->dim[2], st));
    }
    return dms_row_want_dim(call, DMS_BYTES_X, 1, y->dim[1], st);
}

/* The bounds are numbers of y's type; 0 where y has none. */
static dms_code check_bounds(const dms_call *call, dms_status *st) {
    const dms_dtype dtype = call->view[call->n_in].dtype;
    const int64_t low = dtype == DMS_DTYPE_I8 ? -128 : 0;
    const int64_t high = call->n_in != BYTE_INPUTS ? 0 : dtype == DMS_DTYPE_I8 ? 127 : 255;
    DMS_TRY(dms_row_want_i(call, DMS_BYTES_LOW, low, high, st));
    return dms_row_want_i(call, DMS_BYTES_HIGH, call->i[DMS_BYTES_LOW], high, st);
}

static dms_code conv_bytes_check(const dms_call *call, dms_status *st) {
    DMS_TRY(check_types(call, st));
    DMS_TRY(dms_row_want_rank(call, call->n_in, 5, st));
    DMS_TRY(dms_row_want_i(call, DMS_BYTES_LAYOUT, 0, 1, st));
    DMS_TRY(check_numbers(call, st));
    DMS_TRY(check_window(call, st));
    DMS_TRY(check_weights(call, st));
    return check_bounds(call, st);
}

static uint64_t conv_bytes_flops(const dms_call *call) {
    const uint64_t taps = (uint64_t)(call->i[DMS_BYTES_KERNEL] * call->i[DMS_BYTES_KERNEL + 1]);
    return dms_mul_saturated(dms_mul_saturated(2 * taps, (uint64_t)call->view[0].dim[2]),
                             (uint64_t)dms_view_count(&call->view[call->n_in]));
}

/* Along output channels, where there is one group: with more, a cell would need some of x alone. */
static bool conv_bytes_cut(const dms_call *call, dms_cut *out) {
    const dms_view *y = &call->view[call->n_in];
    if (y->dim[0] != 1)
        return false;
    dms_cut_init(out);
    out->extent = y->dim[2];
    out->granule = DMS_BYTES_ROWS;
    out->axis[DMS_BYTES_W] = 1;
    out->unit[DMS_BYTES_W] = call->i[DMS_BYTES_LAYOUT] == 1 ? DMS_BYTES_ROWS : 1;
    out->axis[DMS_BYTES_ZERO_W] = 1;
    if (call->n_in > SUM_INPUTS)
        out->axis[DMS_BYTES_BIAS] = out->axis[DMS_BYTES_SCALE] = 1;
    out->axis[call->n_in] = 2;
    return out->extent > 1;
}

/* Panels of eight output channels whose terms lie in fours, where both are whole. */
static bool conv_bytes_pack(const dms_call *call, uint32_t operand, dms_device_kind kind,
                            dms_packing *out) {
    const dms_view *w = &call->view[DMS_BYTES_W];
    if (operand != DMS_BYTES_W || kind != DMS_DEVICE_CPU || call->i[DMS_BYTES_LAYOUT] != 0 ||
        dms_view_count(w) == 0 || w->dim[1] % DMS_BYTES_ROWS != 0 ||
        w->dim[2] % DMS_BYTES_QUAD != 0)
        return false;
    const int64_t dim[7] = {w->dim[0],     w->dim[1] / DMS_BYTES_ROWS, w->dim[3],
                            w->dim[4],     w->dim[2] / DMS_BYTES_QUAD, DMS_BYTES_ROWS,
                            DMS_BYTES_QUAD};
    int64_t panel, quad;
    if (!dms_mul_i64(w->pitch[1], DMS_BYTES_ROWS, &panel) ||
        !dms_mul_i64(w->pitch[2], DMS_BYTES_QUAD, &quad) ||
        !dms_view_dense(w->dtype, 7, dim, &out->stored))
        return false;
    const int64_t pitch[7] = {w->pitch[0], panel,       w->pitch[3], w->pitch[4],
                              quad,        w->pitch[1], w->pitch[2]};
    out->source = out->stored;
    out->source.offset = w->offset;
    for (uint32_t k = 0; k < 7; k++)
        out->source.pitch[k] = pitch[k];
    out->valid_last = 0;
    for (uint32_t k = 0; k < call->n_i; k++)
        out->i[k] = call->i[k];
    out->i[DMS_BYTES_LAYOUT] = 1;
    return true;
}

static const char *const conv_bytes_i[DMS_BYTES_N_I] = {
    "layout",     "kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h",
    "dilation_w", "pad_top",  "pad_left", "low",      "high"};

const dms_kernel_row dms_row_conv_bytes = {
    .id = DMS_K_CONV_BYTES,
    .name = "conv_bytes",
    DMS_OPERANDS(SUM_INPUTS, BYTE_INPUTS, 1, 1),
    .n_i = DMS_BYTES_N_I,
    .i_name = conv_bytes_i,
    .check = conv_bytes_check,
    .flops = conv_bytes_flops,
    .cut = conv_bytes_cut,
    .pack = conv_bytes_pack,
    .cpu_dtypes = BYTES | I32 | F32,
};
