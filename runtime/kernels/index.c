/* index.c - the rows of the kernels whose data act as indices. Every access is clamped. */
#include <stddef.h>

#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

#define INDICES (DMS_DTYPE_BIT(DMS_DTYPE_I32) | DMS_DTYPE_BIT(DMS_DTYPE_I64))
#define NUMBERS (DMS_DTYPES_FLOAT | DMS_DTYPES_INTEGER)

/* The output has the dtype of operand `as`. */
static dms_code want_dtype_of(const dms_call *call, uint32_t operand, uint32_t as, dms_status *st) {
    return dms_row_want_dtype(call, operand, DMS_DTYPE_BIT(call->view[as].dtype), st);
}

/* Operand 0 has an entry along `axis` for every index to fall on, or there are no indices. */
static dms_code want_entries(const dms_call *call, uint32_t axis, dms_status *st) {
    if (call->view[0].dim[axis] == 0 && dms_view_count(&call->view[1]) > 0)
        return dms_row_refuse(call, 0, st, "has no entry along axis %" PRIu32 " to take", axis);
    return DMS_OK;
}

/* Gathers compute nothing. */
static uint64_t no_flops(const dms_call *call) {
    (void)call;
    return 0;
}

/* The lowering folds all axes before the gathered one into o, and those behind it into r. */
static dms_code check_gather(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 1, INDICES, st));
    DMS_TRY(want_dtype_of(call, 2, 0, st));
    DMS_TRY(dms_row_want_rank(call, 0, 3, st));
    DMS_TRY(dms_row_want_rank(call, 1, 1, st));
    DMS_TRY(dms_row_want_rank(call, 2, 3, st));
    DMS_TRY(dms_row_want_dim(call, 2, 0, call->view[0].dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 2, 1, call->view[1].dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 2, 2, call->view[0].dim[2], st));
    return want_entries(call, 1, st);
}

/* Of the table only the rows that are looked up, each once per look: an embedding of 100 MB gives a
 * prompt in microseconds. */
static uint64_t bytes_of_gather(const dms_call *call) {
    const uint64_t rows = dms_mul_saturated(dms_view_bytes(&call->view[2]), 2);
    const uint64_t indices = dms_view_bytes(&call->view[1]);
    return rows > UINT64_MAX - indices ? UINT64_MAX : rows + indices;
}

/* Between entries: each part of the table gives the rows that fall on it. */
static bool cut_gather_entries(const dms_call *call, dms_cut *out) {
    dms_cut_init(out);
    out->extent = call->view[0].dim[1];
    out->axis[0] = 1;
    out->is_pick = true;
    return out->extent > 1;
}

static void gather_place(int64_t extent, int64_t first, int64_t end, int64_t *out) {
    (void)end;
    out[0] = first;
    out[1] = extent;
}

/* As GATHER of these entries; the places of the others come from the parts before. */
static dms_code check_gather_part(const dms_call *call, dms_status *st) {
    const uint32_t y = call->n_in;
    const int64_t m = call->view[0].dim[1];
    DMS_TRY(dms_row_want_dtype(call, 1, INDICES, st));
    DMS_TRY(want_dtype_of(call, y, 0, st));
    DMS_TRY(dms_row_want_rank(call, 0, 3, st));
    DMS_TRY(dms_row_want_rank(call, 1, 1, st));
    DMS_TRY(dms_row_want_rank(call, y, 3, st));
    DMS_TRY(dms_row_want_dim(call, y, 0, call->view[0].dim[0], st));
    DMS_TRY(dms_row_want_dim(call, y, 1, call->view[1].dim[0], st));
    DMS_TRY(dms_row_want_dim(call, y, 2, call->view[0].dim[2], st));
    for (uint32_t k = 2; k < y; k++) {
        DMS_TRY(want_dtype_of(call, k, 0, st));
        DMS_TRY(dms_row_want_same_dims(call, k, y, st));
    }
    DMS_TRY(want_entries(call, 1, st));
    DMS_TRY(dms_row_want_i(call, 1, m > 1 ? m : 1, INT64_MAX, st));
    return dms_row_want_i(call, 0, 0, call->i[1] - m, st);
}

/* The share of the looks that falls on these entries when all are looked up alike; the first part
 * writes the other rows too. */
static uint64_t bytes_of_gather_part(const dms_call *call) {
    const uint64_t rows = dms_view_bytes(&call->view[call->n_in]);
    const double share = (double)call->view[0].dim[1] / (double)call->i[1];
    const uint64_t indices = dms_view_bytes(&call->view[1]);
    return indices + (uint64_t)(2.0 * share * (double)rows) + (call->n_in == 2 ? rows : 0);
}

/* Over the rows so far: those of other parts are left as they are. */
static bool gather_part_in_place(const dms_call *call, uint32_t in, uint32_t out) {
    return in == 2 && dms_row_lies_the_same(call, in, out);
}

/* By the elements of a row: each cell of the table gives its part of every row. */
static bool cut_gather(const dms_call *call, dms_cut *out) {
    dms_cut_init(out);
    out->extent = call->view[0].dim[2];
    out->axis[0] = out->axis[2] = 2;
    return out->extent > 1;
}

/* Dims of operand `inner` are at most those of operand 0, except along `axis`. */
static dms_code want_within(const dms_call *call, uint32_t inner, uint32_t axis, dms_status *st) {
    const dms_view *x = &call->view[0], *in = &call->view[inner];
    DMS_TRY(dms_row_want_rank(call, inner, x->rank, st));
    for (uint32_t k = 0; k < x->rank; k++)
        if (k != axis && in->dim[k] > x->dim[k])
            return dms_row_refuse(call, inner, st, "reaches beyond operand 0 along axis %" PRIu32,
                                  k);
    return want_entries(call, axis, st);
}

/* Indices may cover less than x on the other axes: ONNX takes the leading part. */
static dms_code check_gather_elements(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 1, INDICES, st));
    DMS_TRY(want_dtype_of(call, 2, 0, st));
    DMS_TRY(dms_row_want_i(call, 0, 0, (int64_t)call->view[0].rank - 1, st));
    DMS_TRY(dms_row_want_same_dims(call, 2, 1, st));
    return want_within(call, 1, (uint32_t)call->i[0], st);
}

/* Ranks: k + 2 for x, so that a batch axis and a row remain; at most 6 indexed axes. */
static dms_code check_gather_nd(const dms_call *call, dms_status *st) {
    const dms_view *x = &call->view[0];
    DMS_TRY(dms_row_want_dtype(call, 1, INDICES, st));
    DMS_TRY(want_dtype_of(call, 2, 0, st));
    DMS_TRY(dms_row_want_i(call, 0, 1, DMS_MAX_RANK - 2, st));
    const uint32_t k = (uint32_t)call->i[0];
    DMS_TRY(dms_row_want_rank(call, 0, k + 2, st));
    DMS_TRY(dms_row_want_rank(call, 1, 3, st));
    DMS_TRY(dms_row_want_rank(call, 2, 3, st));
    DMS_TRY(dms_row_want_dim(call, 1, 0, x->dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 1, 2, k, st));
    DMS_TRY(dms_row_want_dim(call, 2, 0, x->dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 2, 1, call->view[1].dim[1], st));
    DMS_TRY(dms_row_want_dim(call, 2, 2, x->dim[k + 1], st));
    for (uint32_t axis = 1; axis <= k; axis++)
        DMS_TRY(want_entries(call, axis, st));
    return DMS_OK;
}

/* x, updates and y have one dtype, which the reduction can add up or compare. */
static dms_code check_scatter_types(const dms_call *call, uint32_t reduction, dms_status *st) {
    DMS_TRY(dms_row_want_i(call, reduction, 0, 4, st));
    DMS_TRY(dms_row_want_dtype(call, 0, call->i[reduction] == 0 ? DMS_DTYPES_ALL : NUMBERS, st));
    DMS_TRY(dms_row_want_dtype(call, 1, INDICES, st));
    DMS_TRY(want_dtype_of(call, 2, 0, st));
    DMS_TRY(want_dtype_of(call, 3, 0, st));
    return dms_row_want_same_dims(call, 3, 0, st);
}

/* Updates stand where their indices stand. */
static dms_code check_scatter_elements(const dms_call *call, dms_status *st) {
    DMS_TRY(check_scatter_types(call, 1, st));
    DMS_TRY(dms_row_want_i(call, 0, 0, (int64_t)call->view[0].rank - 1, st));
    DMS_TRY(dms_row_want_same_dims(call, 2, 1, st));
    return want_within(call, 1, (uint32_t)call->i[0], st);
}

/* The batch is always 1 here, so x has one axis less than for gather_nd. */
static dms_code check_scatter_nd(const dms_call *call, dms_status *st) {
    const dms_view *x = &call->view[0];
    DMS_TRY(check_scatter_types(call, 1, st));
    DMS_TRY(dms_row_want_i(call, 0, 1, DMS_MAX_RANK - 1, st));
    const uint32_t k = (uint32_t)call->i[0];
    DMS_TRY(dms_row_want_rank(call, 0, k + 1, st));
    DMS_TRY(dms_row_want_rank(call, 1, 2, st));
    DMS_TRY(dms_row_want_rank(call, 2, 2, st));
    DMS_TRY(dms_row_want_dim(call, 1, 1, k, st));
    DMS_TRY(dms_row_want_dim(call, 2, 0, call->view[1].dim[0], st));
    DMS_TRY(dms_row_want_dim(call, 2, 1, x->dim[k], st));
    for (uint32_t axis = 0; axis < k; axis++)
        DMS_TRY(want_entries(call, axis, st));
    return DMS_OK;
}

/* Indices may be floats (ONNX allows it); they are cut toward zero. */
static dms_code check_one_hot(const dms_call *call, dms_status *st) {
    DMS_TRY(dms_row_want_dtype(call, 0, NUMBERS, st));
    DMS_TRY(want_dtype_of(call, 2, 1, st));
    DMS_TRY(dms_row_want_rank(call, 0, 2, st));
    DMS_TRY(dms_row_want_rank(call, 1, 1, st));
    DMS_TRY(dms_row_want_rank(call, 2, 3, st));
    DMS_TRY(dms_row_want_dim(call, 1, 0, 2, st));
    DMS_TRY(dms_row_want_dim(call, 2, 0, call->view[0].dim[0], st));
    return dms_row_want_dim(call, 2, 2, call->view[0].dim[1], st);
}

/* A scatter starts as a copy of x: lying over it, the copy is done. */
static bool scatter_in_place(const dms_call *call, uint32_t in, uint32_t out) {
    return in == 0 && dms_row_lies_the_same(call, in, out);
}

/* One operation per update. */
static uint64_t scatter_flops(const dms_call *call) {
    return call->i[1] == 0 ? 0 : (uint64_t)dms_view_count(&call->view[2]);
}

static const char *const axis_names[] = {"axis"};
static const char *const gather_part_names[] = {"first", "n"};
static const char *const k_names[] = {"k"};
static const char *const scatter_elements_names[] = {"axis", "reduction"};
static const char *const scatter_nd_names[] = {"k", "reduction"};

/* x[o, n, r], idx[j] -> y[o, j, r].
 *
 *     y[o, j, :] = x[o, idx[j], :]        an Embedding has o = 1 */
const dms_kernel_row dms_row_gather = {.id = DMS_K_GATHER,
                                       .name = "gather",
                                       DMS_OPERANDS(2, 2, 1, 1),
                                       .has_index_data = true,
                                       .check = check_gather,
                                       .flops = no_flops,
                                       .cut = cut_gather,
                                       .cut_sums = cut_gather_entries,
                                       .part_place = gather_place,
                                       .part = DMS_K_GATHER_PART,
                                       .part_reads = 2,
                                       .bytes = bytes_of_gather,
                                       .cpu_dtypes = DMS_DTYPES_ALL};

/* x[o, m, r], idx[j] (, y so far[o, j, r]) -> y[o, j, r], n entries in the whole table:
 *
 *     first <= idx[j] < first + m      y[o, j, :] = x[o, idx[j] - first, :]
 *     else                             y[o, j, :] as it was, or 0 */
const dms_kernel_row dms_row_gather_part = {.id = DMS_K_GATHER_PART,
                                            .name = "gather_part",
                                            DMS_OPERANDS(2, 3, 1, 1),
                                            .has_index_data = true,
                                            .n_i = 2,
                                            .i_name = gather_part_names,
                                            .check = check_gather_part,
                                            .flops = no_flops,
                                            .bytes = bytes_of_gather_part,
                                            .in_place = gather_part_in_place,
                                            .cpu_dtypes = DMS_DTYPES_ALL};

/* x[...], idx[d...] -> y[d...]: each element picks its own entry along one axis. */
const dms_kernel_row dms_row_gather_elements = {.id = DMS_K_GATHER_ELEMENTS,
                                                .name = "gather_elements",
                                                DMS_OPERANDS(2, 2, 1, 1),
                                                .has_index_data = true,
                                                .n_i = 1,
                                                .i_name = axis_names,
                                                .check = check_gather_elements,
                                                .flops = no_flops,
                                                .cpu_dtypes = DMS_DTYPES_ALL};

/* x[b, n0, ..., nk-1, r], idx[b, j, k] -> y[b, j, r]: k indices name a row of r elements. */
const dms_kernel_row dms_row_gather_nd = {.id = DMS_K_GATHER_ND,
                                          .name = "gather_nd",
                                          DMS_OPERANDS(2, 2, 1, 1),
                                          .has_index_data = true,
                                          .n_i = 1,
                                          .i_name = k_names,
                                          .check = check_gather_nd,
                                          .flops = no_flops,
                                          .cpu_dtypes = DMS_DTYPES_ALL};

/* x[...], idx[d...], updates[d...] -> y[...]: the inverse of gather_elements, on a copy of x.
 * Updates apply in row-major order, so the last one of a place wins. */
const dms_kernel_row dms_row_scatter_elements = {.id = DMS_K_SCATTER_ELEMENTS,
                                                 .name = "scatter_elements",
                                                 DMS_OPERANDS(3, 3, 1, 1),
                                                 .has_index_data = true,
                                                 .n_i = 2,
                                                 .i_name = scatter_elements_names,
                                                 .check = check_scatter_elements,
                                                 .flops = scatter_flops,
                                                 .in_place = scatter_in_place,
                                                 .cpu_dtypes = DMS_DTYPES_ALL};

/* x[n0, ..., nk-1, r], idx[j, k], updates[j, r] -> y: whole rows of r elements, in order of j. */
const dms_kernel_row dms_row_scatter_nd = {.id = DMS_K_SCATTER_ND,
                                           .name = "scatter_nd",
                                           DMS_OPERANDS(3, 3, 1, 1),
                                           .has_index_data = true,
                                           .n_i = 2,
                                           .i_name = scatter_nd_names,
                                           .check = check_scatter_nd,
                                           .flops = scatter_flops,
                                           .in_place = scatter_in_place,
                                           .cpu_dtypes = DMS_DTYPES_ALL};

/* An index outside of [-depth, depth) gives a row without a hot element: it is compared, never
 * followed, so nothing is clamped. */
const dms_kernel_row dms_row_one_hot = {.id = DMS_K_ONE_HOT,
                                        .name = "one_hot",
                                        DMS_OPERANDS(2, 2, 1, 1),
                                        .has_index_data = true,
                                        .check = check_one_hot,
                                        .flops = no_flops,
                                        .cpu_dtypes = DMS_DTYPES_ALL};
