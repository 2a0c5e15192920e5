/* conv.c - the rows of convolution and transposed convolution.
 *
 *      x[b, c, h, w]     w[m, c/g, kh, kw]     bias[m]     y[b, m, oh, ow]
 *
 *      y[.., m, oy, ox] = bias[m] + sum over c, ky, kx of  w[m, c, ky, kx] *
 *                         x[.., c, oy step_h + ky dilation_h - top,
 *                                  ox step_w + kx dilation_w - left]
 *
 * in that order, one fused chain per output. The image is 0 outside; how far it is padded below and
 * to the right follows from oh and ow. Transposed, the same pairs of x and y meet with their roles
 * exchanged, and taps that fall between two inputs are left out.
 *
 * Groups: output channel m takes the c/g channels of group m / (m/g). A cell of the cut is some
 * output channels: contiguous weights, since m is their outermost axis. With groups a cell would
 * need some of x alone, which a cut cannot say, so there is none. */
#include "runtime/kernels/conv_internal.h"
#include "runtime/kernels/rows_internal.h"

#define DTYPES                                                                                     \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16))

enum { WIDTH = 16 }; /* output channels of a panel */

/* Where an axis of image, kernel and steps ends stays far from 63 bits. */
static dms_code check_reach(const dms_call *call, uint32_t axis, int64_t taps, dms_status *st) {
    const int64_t limit = INT64_C(1) << 31, room = INT64_C(1) << 60;
    const int64_t dims[2] = {call->view[0].dim[axis + 2], call->view[call->n_in].dim[axis + 2]};
    DMS_TRY(dms_row_want_i(call, DMS_CONV_STEP + axis, 1, limit, st));
    DMS_TRY(dms_row_want_i(call, DMS_CONV_DILATION + axis, 1, limit, st));
    DMS_TRY(dms_row_want_i(call, DMS_CONV_PAD + axis, -limit, limit, st));
    const int64_t spread = call->i[DMS_CONV_DILATION + axis];
    if (taps > limit / spread || dims[0] > room / limit || dims[1] > room / limit)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "axis %" PRIu32 " is too long", axis + 2);
    return DMS_OK;
}

/* What both convolutions share. `c` and `m` are the channels that the weights say. */
static dms_code check_common(const dms_call *call, int64_t c, int64_t m, dms_status *st) {
    const uint32_t y = call->n_in;
    const dms_view *w = &call->view[1];
    for (uint32_t k = 0; k < 2; k++)
        DMS_TRY(check_reach(call, k, w->dim[2 + k], st));
    const int64_t taps = w->dim[2] * w->dim[3];
    if (taps == 0 || taps > DMS_CONV_MAX_TAPS)
        return dms_row_refuse(call, 1, st, "no taps, or more than %d", DMS_CONV_MAX_TAPS);
    DMS_TRY(dms_row_want_dim(call, 0, 1, c, st));
    DMS_TRY(dms_row_want_dim(call, y, 0, call->view[0].dim[0], st));
    DMS_TRY(dms_row_want_dim(call, y, 1, m, st));
    if (call->n_in == 3) {
        DMS_TRY(dms_row_want_rank(call, 2, 1, st));
        DMS_TRY(dms_row_want_dim(call, 2, 0, m, st));
    }
    return DMS_OK;
}

static dms_code check_ranks(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_one_dtype(call, DTYPES, st));
    DMS_TRY(dms_row_want_rank(call, 0, 4, st));
    DMS_TRY(dms_row_want_rank(call, call->n_in, 4, st));
    return dms_row_want_i(call, DMS_CONV_GROUP, 1, INT64_C(1) << 31, st);
}

static dms_code conv_check(const dms_call *call, dms_status *st) {
    DMS_TRY(check_ranks(call, st));
    const dms_view *w = &call->view[1];
    const int64_t group = call->i[DMS_CONV_GROUP], m = call->view[call->n_in].dim[1];
    int64_t c;
    if (m % group != 0)
        return dms_row_refuse(call, call->n_in, st, "%" PRId64 " channels in %" PRId64 " groups", m,
                              group);
    if (w->rank == 5) {
        DMS_TRY(dms_row_want_dim(call, 1, 0, m / WIDTH + (m % WIDTH != 0), st));
        DMS_TRY(dms_row_want_dim(call, 1, 4, WIDTH, st));
        if (!dms_view_is_dense(w) || (group > 1 && m / group % WIDTH != 0))
            return dms_row_refuse(call, 1, st, "panels are dense and within a group");
    } else {
        DMS_TRY(dms_row_want_rank(call, 1, 4, st));
        DMS_TRY(dms_row_want_dim(call, 1, 0, m, st));
    }
    if (!dms_mul_i64(w->dim[1], group, &c))
        return dms_row_refuse(call, 1, st, "%" PRId64 " groups are too many", group);
    return check_common(call, c, m, st);
}

static dms_code conv_transpose_check(const dms_call *call, dms_status *st) {
    DMS_TRY(check_ranks(call, st));
    DMS_TRY(dms_row_want_rank(call, 1, 4, st));
    const dms_view *w = &call->view[1];
    const int64_t group = call->i[DMS_CONV_GROUP];
    int64_t m;
    if (w->dim[0] % group != 0 || !dms_mul_i64(w->dim[1], group, &m))
        return dms_row_refuse(call, 1, st, "%" PRId64 " groups do not fit", group);
    return check_common(call, w->dim[0], m, st);
}

/* Two per term: m/g channels meet c/g channels through kh kw taps, once per output pixel (input
 * pixel where transposed). */
static uint64_t flops_of(const dms_call *call, uint64_t pixels, int64_t other_channels) {
    const dms_view *w = &call->view[1];
    const uint64_t taps = (uint64_t)(w->dim[2] * w->dim[3]);
    return dms_mul_saturated(2 * taps, dms_mul_saturated(pixels, (uint64_t)other_channels));
}

static uint64_t conv_flops(const dms_call *call) {
    return flops_of(call, (uint64_t)dms_view_count(&call->view[call->n_in]), call->view[1].dim[1]);
}

static uint64_t conv_transpose_flops(const dms_call *call) {
    return flops_of(call, (uint64_t)dms_view_count(&call->view[0]), call->view[1].dim[1]);
}

/* Each input is taken up once, each output put down once. */
static uint64_t conv_transpose_results(const dms_call *call) {
    const uint64_t x = (uint64_t)dms_view_count(&call->view[0]);
    const uint64_t y = (uint64_t)dms_view_count(&call->view[call->n_in]);
    return x > UINT64_MAX - y ? UINT64_MAX : x + y;
}

/* Along output channels; weights of a cell are contiguous since m is their outermost axis. */
static bool conv_cut(const dms_call *call, dms_cut *out) {
    if (call->i[DMS_CONV_GROUP] != 1)
        return false;
    dms_cut_init(out);
    out->extent = call->view[call->n_in].dim[1];
    out->granule = WIDTH;
    out->axis[1] = 0;
    out->unit[1] = call->view[1].rank == 5 ? WIDTH : 1;
    if (call->n_in == 3)
        out->axis[2] = 0;
    out->axis[call->n_in] = 1;
    return out->extent > 1;
}

/* Panels of 16 output channels: [m / 16][c/g][kh][kw][16]. Fewer than 8 channels stay plain: half
 * of the panel or more would be zeros, and vectors along the width are faster. */
static bool conv_pack(const dms_call *call, uint32_t operand, dms_device_kind kind,
                      dms_packing *out) {
    const dms_view *w = &call->view[1];
    const int64_t m = w->dim[0], group = call->i[DMS_CONV_GROUP];
    if (operand != 1 || kind != DMS_DEVICE_CPU || w->rank != 4 || m < DMS_CONV_FEW ||
        (group > 1 && m / group % WIDTH != 0))
        return false;
    const int64_t dim[5] = {m / WIDTH + (m % WIDTH != 0), w->dim[1], w->dim[2], w->dim[3], WIDTH};
    int64_t pitch_panel;
    if (dms_view_count(w) == 0 || !dms_mul_i64(w->pitch[0], WIDTH, &pitch_panel) ||
        !dms_view_dense(w->dtype, 5, dim, &out->stored))
        return false;
    out->source = out->stored;
    out->source.offset = w->offset;
    out->source.pitch[0] = pitch_panel;
    for (uint32_t k = 1; k < 4; k++)
        out->source.pitch[k] = w->pitch[k];
    out->source.pitch[4] = w->pitch[0];
    out->valid_last = m % WIDTH;
    for (uint32_t k = 0; k < call->n_i; k++)
        out->i[k] = call->i[k];
    return true;
}

/* Sums wait in scratch until they are final, so y may lie over what the chain reads. */
static dms_epilogue conv_epilogue(const dms_call *call) {
    (void)call;
    return DMS_EPILOGUE_OVER;
}

static const char *const conv_i[] = {"group",      "stride_h", "stride_w", "dilation_h",
                                     "dilation_w", "pad_top",  "pad_left"};

const dms_kernel_row dms_row_conv = {
    .id = DMS_K_CONV,
    .name = "conv",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .n_i = 7,
    .i_name = conv_i,
    .check = conv_check,
    .flops = conv_flops,
    .cut = conv_cut,
    .pack = conv_pack,
    .epilogue = conv_epilogue,
    .cpu_dtypes = DTYPES,
};

const dms_kernel_row dms_row_conv_transpose = {
    .id = DMS_K_CONV_TRANSPOSE,
    .name = "conv_transpose",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .n_i = 7,
    .i_name = conv_i,
    .check = conv_transpose_check,
    .flops = conv_transpose_flops,
    .results = conv_transpose_results,
    .cpu_dtypes = DTYPES,
};
