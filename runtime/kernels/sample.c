/* sample.c - the row of sampling at positions that are data.
 *
 *      x[n, c, h, w]    grid[n, oh, ow, 2]    y[n, c, oh, ow]
 *
 * A position is one number per spatial axis, the last axis first, from -1 at one end of the axis to
 * 1 at the other. One to three axes; what lies outside of x is decided by the padding. */
#include "runtime/kernels/sample.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

#define DTYPES (DMS_DTYPES_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))

static dms_code grid_sample_check(const dms_call *call, dms_status *st) {
    const dms_view *x = &call->view[0], *grid = &call->view[1];
    DMS_TRY(dms_row_want_i(call, DMS_SAMPLE_MODE, DMS_SAMPLE_NEAREST, DMS_SAMPLE_CUBIC, st));
    DMS_TRY(dms_row_want_i(call, DMS_SAMPLE_PADDING, DMS_SAMPLE_ZEROS, DMS_SAMPLE_REFLECTION, st));
    DMS_TRY(dms_row_want_i(call, DMS_SAMPLE_ALIGN, 0, 1, st));
    DMS_TRY(dms_row_want_dtype(call, 0, DTYPES, st));
    DMS_TRY(dms_row_want_dtype(call, 1, DTYPES, st));
    DMS_TRY(dms_row_want_dtype(call, 2, DMS_DTYPE_BIT(x->dtype), st));
    if (x->rank < 3 || x->rank > 2 + DMS_SAMPLE_MAX_AXES)
        return dms_row_refuse(call, 0, st, "rank %" PRIu32 ", wants 3 to 5", x->rank);
    DMS_TRY(dms_row_want_rank(call, 1, x->rank, st));
    DMS_TRY(dms_row_want_rank(call, 2, x->rank, st));
    DMS_TRY(dms_row_want_dim(call, 1, 0, x->dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 1, x->rank - 1, (int64_t)x->rank - 2, st));
    DMS_TRY(dms_row_want_dim(call, 2, 0, x->dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 2, 1, x->dim[1], st));
    for (uint32_t k = 2; k < x->rank; k++) {
        DMS_TRY(dms_row_want_dim(call, 2, k, grid->dim[k - 1], st));
        if (x->dim[k] < 1 || x->dim[k] > DMS_SAMPLE_MAX_EXTENT)
            return dms_row_refuse(call, 0, st, "%" PRId64 " elements along axis %" PRIu32,
                                  x->dim[k], k);
    }
    return DMS_OK;
}

/* Two per tap and channel, and about 40 per position. */
static uint64_t grid_sample_flops(const dms_call *call) {
    const uint32_t axes = call->view[0].rank - 2;
    const int64_t mode = call->i[DMS_SAMPLE_MODE];
    const uint64_t taps = mode == DMS_SAMPLE_NEAREST ? 1 : 1ull << (axes * (uint32_t)mode);
    const uint64_t sums = (uint64_t)dms_view_count(&call->view[2]);
    const uint64_t positions = (uint64_t)dms_view_count(&call->view[1]) / axes;
    return dms_mul_saturated(sums, 2 * taps) + dms_mul_saturated(positions, 40);
}

static const char *const sample_names[] = {"mode", "padding", "align_corners"};

/* x[n, c, spatial], grid[n, out, axes] -> y[n, c, out]. Every access is inside x, whatever the grid
 * holds: nothing is raised. */
const dms_kernel_row dms_row_grid_sample = {.id = DMS_K_GRID_SAMPLE,
                                            .name = "grid_sample",
                                            DMS_OPERANDS(2, 2, 1, 1),
                                            .has_index_data = true,
                                            .n_i = DMS_SAMPLE_N_I,
                                            .i_name = sample_names,
                                            .check = grid_sample_check,
                                            .flops = grid_sample_flops,
                                            .cpu_dtypes = DTYPES};
