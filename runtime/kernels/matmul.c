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
 * granule is 16 whatever the layout: the grid of a weight does not depend on its layout.
 *
 * A part of the sum is some segments of k: columns of a and rows of b. */
#include "runtime/kernels/matmul_part.h"
#include "runtime/kernels/rows_internal.h"

#include <string.h>

enum { LAYOUT = 0, COLUMNS = 1, PLACE = 2 }; /* integer parameters; PLACE of a part alone */
enum { FIRST = 0, MIDDLE = 1, LAST = 2 };    /* places */
enum { PLAIN = 0, PANELS = 1, WIDTH = 16 };  /* layouts of b, columns of a panel */

#define DTYPES                                                                                     \
    (DMS_DTYPES_FLOAT | DMS_DTYPE_BIT(DMS_DTYPE_I32) | DMS_DTYPE_BIT(DMS_DTYPE_I64) |              \
     DMS_DTYPE_BIT(DMS_DTYPE_U32) | DMS_DTYPE_BIT(DMS_DTYPE_U64))

/* Types whose sums are f32, and may be kept between parts. */
#define SUMMED                                                                                     \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16))

#define TAKE_UP_WORK 18u /* additions that taking up a sum of an earlier part takes as long as */

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

/* Along k, between segments: every part but the last then has whole ones. */
static bool matmul_cut_sums(const dms_call *call, dms_cut *out) {
    const dms_view *a = &call->view[0];
    dms_cut_init(out);
    out->extent = a->dim[a->rank - 1];
    out->granule = DMS_MATMUL_SEGMENT;
    out->axis[0] = (int32_t)a->rank - 1;
    out->axis[1] = call->i[LAYOUT] == PANELS ? 1 : (int32_t)call->view[1].rank - 2;
    return dms_dtype_is_float(a->dtype) && a->dtype != DMS_DTYPE_F64 && out->extent > out->granule;
}

/* Which part of the sum this is. */
static void matmul_place(int64_t extent, int64_t first, int64_t end, int64_t *out) {
    *out = first == 0 ? FIRST : end == extent ? LAST : MIDDLE;
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

/* On CUDA the library may sum slices of a long k there: 16 of f32 for each output, 32 MiB at most.
 */
static uint64_t matmul_workspace(const dms_call *call, dms_device_kind kind) {
    const uint64_t most = UINT64_C(32) << 20, each = 16 * sizeof(float);
    const uint64_t count = (uint64_t)dms_view_count(&call->view[call->n_in]);
    const dms_dtype dtype = call->view[0].dtype;
    const int64_t depth = call->view[0].dim[call->view[0].rank - 1];
    if (kind != DMS_DEVICE_CUDA || !dms_dtype_is_float(dtype) || dtype == DMS_DTYPE_F64 ||
        depth < 4 * DMS_MATMUL_SEGMENT)
        return 0;
    return count < most / each ? count * each : most;
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
    .cut_sums = matmul_cut_sums,
    .part_place = matmul_place,
    .part = DMS_K_MATMUL_PART,
    .part_reads = 2,
    .part_dtype = DMS_DTYPE_F32,
    .pack = matmul_pack,
    .workspace = matmul_workspace,
    .epilogue = matmul_epilogue,
    .cpu_dtypes = DTYPES,
};

void dms_matmul_of_part(const dms_call *part, dms_view *view, dms_call *out) {
    const uint32_t n_in = part->n_in - (part->i[PLACE] != FIRST);
    memcpy(view, part->view, n_in * sizeof *view);
    view[n_in] = part->view[part->n_in];
    *out = *part;
    out->n_in = n_in;
    out->view = view;
}

/* Dense f32 of the dims of y. */
static dms_code check_sums(const dms_call *call, uint32_t operand, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, operand, DMS_DTYPE_BIT(DMS_DTYPE_F32), st));
    DMS_TRY(dms_row_want_same_dims(call, operand, call->n_in, st));
    if (!dms_view_is_dense(&call->view[operand]))
        return dms_row_refuse(call, operand, st, "sums are dense");
    return DMS_OK;
}

/* As the product of these k would be, whose y may be sums. */
static dms_code part_check(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_i(call, PLACE, FIRST, LAST, st));
    const bool is_first = call->i[PLACE] == FIRST, is_last = call->i[PLACE] == LAST;
    const uint32_t least = is_first ? 2 : 3;
    if (call->n_in < least || call->n_in > least + is_last)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "%" PRIu32 " inputs at place %d",
                              call->n_in, (int)call->i[PLACE]);
    if (!is_first)
        DMS_TRY(check_sums(call, call->n_in - 1, st));
    if (!is_last)
        DMS_TRY(check_sums(call, call->n_in, st));
    dms_view view[DMS_MAX_OPERANDS];
    dms_call whole;
    dms_matmul_of_part(call, view, &whole);
    if (!is_last)
        view[whole.n_in].dtype = view[0].dtype;
    DMS_TRY(dms_row_want_dtype(&whole, 0, SUMMED, st));
    DMS_TRY(matmul_check(&whole, st));
    const int64_t k = view[0].dim[view[0].rank - 1];
    if (!is_last && k % DMS_MATMUL_SEGMENT != 0)
        return dms_row_refuse(call, 0, st, "%" PRId64 " columns, wants a multiple of %d", k,
                              DMS_MATMUL_SEGMENT);
    return DMS_OK;
}

/* A place of the sums is read before that of y is written. */
static bool part_in_place(const dms_call *call, uint32_t in, uint32_t out) {
    return call->i[PLACE] != FIRST && in == call->n_in - 1 && dms_row_lies_the_same(call, in, out);
}

/* Sums of earlier parts are copied to where the tiles add to them, and back. */
static uint64_t part_carried(const dms_call *call) {
    const uint64_t count = (uint64_t)dms_view_count(&call->view[call->n_in]);
    return call->i[PLACE] == FIRST ? 0 : dms_mul_saturated(count, TAKE_UP_WORK);
}

static dms_epilogue part_epilogue(const dms_call *call) {
    return call->i[PLACE] == LAST ? DMS_EPILOGUE_OVER : DMS_EPILOGUE_NONE;
}

static const char *const part_i[] = {"b_layout", "n", "place"};

const dms_kernel_row dms_row_matmul_part = {
    .id = DMS_K_MATMUL_PART,
    .name = "matmul_part",
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .n_i = 3,
    .n_f = 2,
    .i_name = part_i,
    .f_name = matmul_f,
    .check = part_check,
    .flops = matmul_flops,
    .carried = part_carried,
    .in_place = part_in_place,
    .workspace = matmul_workspace,
    .epilogue = part_epilogue,
    .cpu_dtypes = SUMMED,
};
