/* integer.c - MatMulInteger, QLinearMatMul, ConvInteger, QLinearConv: sums of products of bytes.
 *
 * Versions: QLinearMatMul-21 has scales of f16 and bf16.
 *
 * All are DMS_K_CONV_BYTES, whose operands have an axis of groups in front:
 *
 *     x [n, c, h, w]  w [m, c / g, kh, kw]   x [g, n, c / g, h, w]   w [g, m / g, c / g, kh, kw]
 *     a [b, m, k]     b [b, k, n]            x [b, 1, k, 1, m]       w [b, n, k, 1, 1]
 *     a [m, k] with a zero or scale per row  x [m, 1, k, 1, 1]       w [m (repeated), n, k, 1, 1]
 *
 * y = quantize((sum + bias) scale_a scale_b / scale_y), the scales first, as ONNX Runtime has it.
 * The rows of domain dms are what QuantizeLinear and DequantizeLinear around a Conv or MatMul
 * become (rewrite_quantised.c): with bounds for y, and a bias for both; without scale and zero of y
 * they give f32.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "onnx/ops/window.h"

#define BYTES (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8))
#define SCALES (DMS_OPS_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))
#define I32 DMS_DTYPE_BIT(DMS_DTYPE_I32)

#define NONE UINT32_MAX
enum { MOST_SCALES = 4096, N_I = 11 };

/* Where a node has its operands; NONE where its kind has no such. */
typedef struct places {
    uint32_t a, scale_a, zero_a, b, scale_b, zero_b, scale_y, zero_y, bias;
} places;

static const places integer_places = {0, NONE, 2, 1, NONE, 3, NONE, NONE, NONE};
static const places matmul_places = {0, 1, 2, 3, 4, 5, 6, 7, NONE};
static const places conv_places = {0, 1, 2, 3, 4, 5, 6, 7, 8};

/* ---- numbers ------------------------------------------------------------------------------- */

/* A scalar, a vector along `axis`, or anything that broadcasts, under `rank` axes. */
static dms_code shaped(dms_lowering *lo, const dms_node *node, uint32_t k, uint32_t rank,
                       uint32_t axis, dms_lowered_operand *out, dms_status *st) {
    const dms_tensor *t = dms_in(dms_lower_graph(lo), node, k);
    const int64_t count = dms_ops_count(t, 0, t->rank);
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t j = 0; j < rank; j++)
        dim[j] = 1;
    if (t->rank == 1 && rank > 0)
        dim[axis] = count;
    else
        for (uint32_t j = 0; j < t->rank && t->rank <= rank; j++)
            dim[rank - t->rank + j] = dms_extent(t, j);
    return dms_ops_reshaped(lo, node, node->in[k], rank, dim, out, st);
}

/* Repeats an operand to the dims of another. */
static dms_code repeat(const dms_node *node, const dms_view *like, dms_lowered_operand *operand,
                       dms_status *st) {
    const dms_view once = operand->view;
    if (!dms_view_expand(&once, like->rank, like->dim, &operand->view))
        return dms_node_fail(node, st, "a scale or zero does not fit its operand");
    return DMS_OK;
}

static bool is_there(dms_lowering *lo, const dms_node *node, uint32_t k) {
    return k != NONE && dms_in(dms_lower_graph(lo), node, k) != NULL;
}

/* Input k, or 0 of this type where it is absent, repeated to the dims of y. */
static dms_code spread(dms_lowering *lo, const dms_node *node, uint32_t k, dms_dtype dtype,
                       uint32_t axis, const dms_view *y, dms_lowered_operand *out, dms_status *st) {
    if (!is_there(lo, node, k))
        return dms_ops_scalar(lo, node, dtype, 0.0, y->rank, y->dim, out, st);
    DMS_TRY(shaped(lo, node, k, y->rank, axis, out, st));
    return repeat(node, y, out, st);
}

/* A scale as f32, not yet repeated. */
static dms_code emit_scale(dms_lowering *lo, const dms_node *node, uint32_t k, uint32_t rank,
                           uint32_t axis, dms_lowered_operand *out, dms_status *st) {
    const int64_t saturate[1] = {1};
    dms_lowered_operand cast[2];
    DMS_TRY(shaped(lo, node, k, rank, axis, &cast[0], st));
    *out = cast[0];
    if (out->view.dtype == DMS_DTYPE_F32)
        return DMS_OK;
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, rank, cast[0].view.dim, &cast[1], st));
    *out = cast[1];
    return dms_lower_call(lo, node, DMS_K_CAST, 1, 1, cast, 1, saturate, 0, NULL, st);
}

/* The scales of a, b and, where it is quantised, y; the dims that they have together. */
typedef struct scales {
    uint32_t n, input[3], axis[3], rank;
    int64_t dim[DMS_MAX_RANK];
} scales;

/* All values are known and stand in their own order. */
static bool are_known(dms_lowering *lo, const dms_node *node, const scales *s) {
    const dms_graph *graph = dms_lower_graph(lo);
    int64_t count = 1;
    for (uint32_t k = 0; k < s->rank; k++)
        if (__builtin_mul_overflow(count, s->dim[k], &count))
            return false;
    for (uint32_t k = 0; k < s->n; k++) {
        const dms_tensor *t = dms_in(graph, node, s->input[k]);
        if (!dms_tensor_is_constant(t) || t->origin == DMS_ORIGIN_FILL ||
            t->storage != node->in[s->input[k]] ||
            (t->origin == DMS_ORIGIN_FILE && graph->file_is_missing[t->file]))
            return false;
    }
    return count <= MOST_SCALES;
}

/* scale_a scale_b / scale_y of known scales, in f32 as the calls of the next would compute it. */
static dms_code multiply_known(dms_lowering *lo, const dms_node *node, const scales *s,
                               dms_lowered_operand *out, dms_status *st) {
    float product[MOST_SCALES];
    const double *value[3];
    dms_view view[3];
    int64_t count = 1;
    for (uint32_t k = 0; k < s->n; k++) {
        dms_lowered_operand one;
        uint32_t ignored;
        DMS_TRY(dms_real_values(dms_lower_graph(lo), node, s->input[k], &ignored, &value[k], st));
        DMS_TRY(shaped(lo, node, s->input[k], s->rank, s->axis[k], &one, st));
        if (!dms_view_expand(&one.view, s->rank, s->dim, &view[k]))
            return dms_node_fail(node, st, "a scale does not fit its operand");
    }
    for (uint32_t k = 0; k < s->rank; k++)
        count *= s->dim[k]; /* at most MOST_SCALES */
    for (int64_t n = 0; n < count; n++) {
        int64_t rest = n, at[3] = {0, 0, 0};
        for (uint32_t axis = s->rank; axis-- > 0; rest /= s->dim[axis])
            for (uint32_t k = 0; k < s->n; k++)
                at[k] += rest % s->dim[axis] * view[k].pitch[axis];
        const float both = (float)value[0][at[0]] * (float)value[1][at[1]];
        product[n] = s->n == 2 ? both : both / (float)value[2][at[2]];
    }
    return dms_lower_constant(lo, DMS_DTYPE_F32, s->rank, s->dim, product, out, st);
}

/* The same by calls. */
static dms_code emit_multiplication(dms_lowering *lo, const dms_node *node, const scales *s,
                                    dms_lowered_operand *out, dms_status *st) {
    const dms_view like = {.rank = s->rank};
    dms_view dims = like;
    memcpy(dims.dim, s->dim, sizeof dims.dim);
    dms_lowered_operand scale[3], both;
    for (uint32_t k = 0; k < s->n; k++) {
        DMS_TRY(emit_scale(lo, node, s->input[k], s->rank, s->axis[k], &scale[k], st));
        DMS_TRY(repeat(node, &dims, &scale[k], st));
    }
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, s->rank, s->dim, out, st));
    if (s->n == 2)
        return dms_ops_emit_binary(lo, node, DMS_FN_MUL, &scale[0], &scale[1], out, st);
    DMS_TRY(dms_lower_temp(lo, DMS_DTYPE_F32, s->rank, s->dim, &both, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_MUL, &scale[0], &scale[1], &both, st));
    return dms_ops_emit_binary(lo, node, DMS_FN_DIV, &both, &scale[2], out, st);
}

/* scale_a scale_b / scale_y (1 where y stays real), repeated to the dims of y. */
static dms_code make_scale(dms_lowering *lo, const dms_node *node, const places *at,
                           uint32_t axis_a, uint32_t axis_b, const dms_view *y,
                           dms_lowered_operand *out, dms_status *st) {
    scales s = {.n = is_there(lo, node, at->scale_y) ? 3 : 2,
                .input = {at->scale_a, at->scale_b, at->scale_y},
                .axis = {axis_a, axis_b, axis_a},
                .rank = y->rank};
    for (uint32_t j = 0; j < y->rank; j++)
        s.dim[j] = 1;
    for (uint32_t k = 0; k < s.n; k++) {
        dms_lowered_operand one;
        DMS_TRY(shaped(lo, node, s.input[k], s.rank, s.axis[k], &one, st));
        for (uint32_t j = 0; j < y->rank; j++)
            s.dim[j] = s.dim[j] == 1 ? one.view.dim[j] : s.dim[j];
    }
    if (are_known(lo, node, &s))
        DMS_TRY(multiply_known(lo, node, &s, out, st));
    else
        DMS_TRY(emit_multiplication(lo, node, &s, out, st));
    return repeat(node, y, out, st);
}

/* ---- the call ------------------------------------------------------------------------------ */

enum { X, W, ZERO_X, ZERO_W, BIAS, SCALE, ZERO_Y, Y, N_OPERANDS };
enum { SUM_INPUTS = 4, REAL_INPUTS = 6, BYTE_INPUTS = 7 };

/* What DMS_K_CONV_BYTES gets; numbers under the axes of y. */
typedef struct bytes {
    dms_lowered_operand operand[N_OPERANDS];
    uint32_t n_in;           /* SUM_INPUTS: y is i32; REAL_INPUTS: f32; BYTE_INPUTS: bytes */
    uint32_t axis_g, axis_m; /* of y: which hold the groups (NONE: g equal parts of m) and m */
    int64_t groups;
    int64_t i[N_I];
} bytes;

/* Zeros, scale and bias, repeated to the dims of y. */
static dms_code make_numbers(dms_lowering *lo, const dms_node *node, const places *at,
                             uint32_t axis_a, uint32_t axis_b, bytes *b, dms_status *st) {
    const dms_view *y = &b->operand[Y].view;
    const dms_dtype dtype = y->dtype;
    dms_lowered_operand *o = b->operand;
    DMS_TRY(spread(lo, node, at->zero_a, o[X].view.dtype, axis_a, y, &o[ZERO_X], st));
    DMS_TRY(spread(lo, node, at->zero_b, o[W].view.dtype, axis_b, y, &o[ZERO_W], st));
    b->n_in = at->zero_y == NONE               ? SUM_INPUTS
              : is_there(lo, node, at->zero_y) ? BYTE_INPUTS
                                               : REAL_INPUTS;
    if (b->n_in == SUM_INPUTS)
        return DMS_OK;
    DMS_TRY(spread(lo, node, at->bias, DMS_DTYPE_I32, axis_b, y, &o[BIAS], st));
    DMS_TRY(make_scale(lo, node, at, axis_a, axis_b, y, &o[SCALE], st));
    if (b->n_in == REAL_INPUTS)
        return DMS_OK;
    DMS_TRY(spread(lo, node, at->zero_y, dtype, axis_a, y, &o[ZERO_Y], st));
    b->i[9] = dms_node_int(node, "low", dtype == DMS_DTYPE_I8 ? -128 : 0);
    b->i[10] = dms_node_int(node, "high", dtype == DMS_DTYPE_I8 ? 127 : 255);
    return DMS_OK;
}

/* A number per group, or per group and m: other axes must not tell it apart. */
static dms_code by_group(const dms_node *node, const bytes *b, uint32_t k, dms_lowered_operand *out,
                         dms_status *st) {
    const bool has_m = k == ZERO_W || k == BIAS || k == SCALE;
    const dms_view v = b->operand[k].view;
    *out = b->operand[k];
    for (uint32_t j = 0; j < v.rank; j++)
        if (v.pitch[j] != 0 && v.dim[j] != 1 && j != b->axis_g && !(has_m && j == b->axis_m))
            return dms_node_fail(node, st, "a scale or zero differs along axis %" PRIu32, j);
    const bool is_split = b->axis_g == NONE;
    const int64_t all = v.dim[b->axis_m], each = is_split ? all / b->groups : all;
    out->view.rank = has_m ? 2 : 1;
    out->view.dim[0] = b->groups;
    out->view.dim[1] = each;
    out->view.pitch[1] = v.pitch[b->axis_m];
    out->view.pitch[0] = !is_split ? v.pitch[b->axis_g] : has_m ? each * v.pitch[b->axis_m] : 0;
    return DMS_OK;
}

/* x, w and y have their five axes in `view`. */
static dms_code emit_bytes(dms_lowering *lo, const dms_node *node, const bytes *b,
                           const dms_view *view, dms_status *st) {
    const uint32_t n_in = b->n_in;
    dms_lowered_operand operand[N_OPERANDS];
    operand[X] = b->operand[X];
    operand[W] = b->operand[W];
    for (uint32_t k = ZERO_X; k < n_in; k++)
        DMS_TRY(by_group(node, b, k, &operand[k], st));
    operand[n_in] = b->operand[Y];
    operand[X].view = view[0];
    operand[W].view = view[1];
    operand[n_in].view = view[2];
    return dms_lower_call(lo, node, DMS_K_CONV_BYTES, n_in, 1, operand, N_I, b->i, 0, NULL, st);
}

/* ---- checks -------------------------------------------------------------------------------- */

/* A zero or scale is a scalar, a vector of `n` entries, or broadcasts by its own shape. */
static dms_code check_small(const dms_graph *graph, const dms_node *node, uint32_t k, int64_t n,
                            dms_status *st) {
    const dms_tensor *t = k == NONE ? NULL : dms_in(graph, node, k);
    if (t == NULL || dms_ops_count(t, 0, t->rank) == 1 || t->rank != 1 || dms_extent(t, 0) == n)
        return DMS_OK;
    return dms_node_fail(node, st, "input '%s' has %" PRId64 " elements, wants 1 or %" PRId64,
                         t->name, dms_extent(t, 0), n);
}

/* Bytes, their zeros of the same type, scales of floats, the bias i32. */
static dms_code check_types(const dms_graph *graph, const dms_node *node, const places *at,
                            dms_status *st) {
    const uint32_t scale[3] = {at->scale_a, at->scale_b, at->scale_y};
    DMS_TRY(dms_ops_want_dtype(graph, node, at->a, BYTES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, at->b, BYTES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, at->zero_a,
                               DMS_DTYPE_BIT(dms_in(graph, node, at->a)->dtype), st));
    DMS_TRY(dms_ops_want_dtype(graph, node, at->zero_b,
                               DMS_DTYPE_BIT(dms_in(graph, node, at->b)->dtype), st));
    if (at->zero_y != NONE)
        DMS_TRY(dms_ops_want_dtype(graph, node, at->zero_y, BYTES, st));
    if (at->bias != NONE)
        DMS_TRY(dms_ops_want_dtype(graph, node, at->bias, I32, st));
    for (uint32_t k = 0; k < 3 && at->scale_a != NONE; k++)
        DMS_TRY(dms_ops_want_dtype(graph, node, scale[k], SCALES, st));
    return DMS_OK;
}

/* The dtype of the result: i32, or that of its zero, or f32 where a row of dms has none. */
static dms_dtype result_dtype(const dms_graph *graph, const dms_node *node, const places *at) {
    const dms_tensor *zero = at->zero_y == NONE ? NULL : dms_in(graph, node, at->zero_y);
    return zero != NULL ? zero->dtype : at->zero_y == NONE ? DMS_DTYPE_I32 : DMS_DTYPE_F32;
}

/* ---- MatMulInteger, QLinearMatMul ---------------------------------------------------------- */

static dms_code matmul_infer(dms_graph *graph, dms_node *node, const places *at, dms_status *st) {
    DMS_TRY(check_types(graph, node, at, st));
    DMS_TRY(dms_ops_want_rank(graph, node, at->a, 1, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_want_rank(graph, node, at->b, 1, DMS_MAX_RANK, st));
    const dms_tensor *a = dms_in(graph, node, at->a), *b = dms_in(graph, node, at->b);
    const int64_t rows = a->rank < 2 ? 1 : dms_extent(a, a->rank - 2);
    const int64_t columns = b->rank < 2 ? 1 : dms_extent(b, b->rank - 1);
    DMS_TRY(check_small(graph, node, at->zero_a, rows, st));
    DMS_TRY(check_small(graph, node, at->scale_a, rows, st));
    DMS_TRY(check_small(graph, node, at->zero_b, columns, st));
    DMS_TRY(check_small(graph, node, at->scale_b, columns, st));
    DMS_TRY(check_small(graph, node, at->scale_y, rows, st));
    DMS_TRY(check_small(graph, node, at->zero_y, rows, st));
    return dms_product_infer(graph, node, at->a, at->b, result_dtype(graph, node, at), st);
}

/* An operand as [batch..., rows, columns]; a vector gets the axis that NumPy gives it. */
static dms_code as_matrices(const dms_node *node, dms_lowered_operand *operand, bool is_row,
                            const dms_view *y, int64_t rows, int64_t columns, dms_status *st) {
    const dms_view *v = &operand->view;
    int64_t dim[DMS_MAX_RANK];
    if (v->rank == 1) {
        const int64_t matrix[2] = {is_row ? 1 : v->dim[0], is_row ? v->dim[0] : 1};
        DMS_TRY(dms_ops_view_as(node, operand, 2, matrix, st));
    }
    const dms_view once = operand->view;
    memcpy(dim, y->dim, sizeof dim);
    dim[y->rank - 2] = rows;
    dim[y->rank - 1] = columns;
    if (!dms_view_expand(&once, y->rank, dim, &operand->view))
        return dms_node_fail(node, st, "its matrices cannot be repeated");
    return DMS_OK;
}

/* [batch..., m, n] as [batch, m, n], or, where `is_flat`, as [1, batch m, n]. */
static bool join_batch(dms_lowered_operand *operand, bool is_flat) {
    const dms_view v = operand->view;
    int64_t dim[3] = {1, v.dim[v.rank - 2], v.dim[v.rank - 1]};
    for (uint32_t k = 0; k + 2 < v.rank; k++)
        dim[is_flat ? 1 : 0] *= v.dim[k]; /* a factor of the result's size */
    return dms_view_reshape(&v, 3, dim, &operand->view);
}

/* All operands with one axis of batch, or with none. */
static bool join_all(bytes *b, bool is_flat) {
    bytes joined = *b;
    for (uint32_t k = 0; k < N_OPERANDS; k++) {
        const dms_view v = b->operand[k].view;
        if (k >= b->n_in && k != Y)
            continue;
        if (is_flat && k == W) { /* one matrix for all rows */
            for (uint32_t j = 0; j + 2 < v.rank; j++)
                if (v.dim[j] != 1 && v.pitch[j] != 0)
                    return false;
            dms_view *w = &joined.operand[W].view;
            w->rank = 3;
            for (uint32_t j = 0; j < 2; j++) {
                w->dim[j + 1] = v.dim[v.rank - 2 + j];
                w->pitch[j + 1] = v.pitch[v.rank - 2 + j];
            }
            w->dim[0] = 1;
            w->pitch[0] = 0;
        } else if (!join_batch(&joined.operand[k], is_flat)) {
            return false;
        }
    }
    *b = joined;
    return true;
}

/* Whether a number of a, or of y, differs from row to row. */
static bool has_rows(const bytes *b) {
    static const uint32_t of_rows[3] = {ZERO_X, SCALE, ZERO_Y};
    for (uint32_t k = 0; k < 3 && of_rows[k] < b->n_in; k++) {
        const dms_view *v = &b->operand[of_rows[k]].view;
        if (v->pitch[v->rank - 2] != 0 && v->dim[v->rank - 2] != 1)
            return true;
    }
    return false;
}

/* Matrices [batch, m, k], [batch, k, n], [batch, m, n]: one call. Rows are pixels, or groups where
 * each has numbers of its own; then the batch is 1. */
static dms_code emit_matrices(dms_lowering *lo, const dms_node *node, bytes *b, dms_status *st) {
    const dms_view x = b->operand[X].view, w = b->operand[W].view, y = b->operand[Y].view;
    const bool by_row = has_rows(b);
    dms_view view[3] = {x, w, y};
    const uint32_t g = by_row ? 1 : 0; /* the axis of groups */
    for (uint32_t k = 0; k < 3; k++)
        view[k].rank = 5;
    b->axis_g = g;
    b->axis_m = 2;
    b->groups = y.dim[g];
    const int64_t pixels = by_row ? 1 : x.dim[1], terms = x.dim[2], n = y.dim[2];
    const int64_t dim[3][5] = {{b->groups, 1, terms, 1, pixels},
                               {b->groups, n, terms, 1, 1},
                               {b->groups, 1, n, 1, pixels}};
    const int64_t pitch[3][5] = {{x.pitch[g], 0, x.pitch[2], 0, x.pitch[1]},
                                 {by_row ? 0 : w.pitch[0], w.pitch[2], w.pitch[1], 1, 1},
                                 {y.pitch[g], 0, y.pitch[2], 0, y.pitch[1]}};
    for (uint32_t k = 0; k < 3; k++) {
        memcpy(view[k].dim, dim[k], sizeof dim[k]);
        memcpy(view[k].pitch, pitch[k], sizeof pitch[k]);
    }
    return emit_bytes(lo, node, b, view, st);
}

/* One call per entry of the batch. */
static dms_code emit_each(dms_lowering *lo, const dms_node *node, const bytes *b, dms_status *st) {
    const dms_view *y = &b->operand[Y].view;
    int64_t count = 1;
    for (uint32_t k = 0; k + 2 < y->rank; k++)
        count *= y->dim[k]; /* a factor of the result's size */
    for (int64_t n = 0; n < count; n++) {
        bytes one = *b;
        for (uint32_t k = 0; k < N_OPERANDS; k++) {
            dms_view *v = &one.operand[k].view;
            const dms_view all = *v;
            if (k >= b->n_in && k != Y)
                continue;
            int64_t rest = n;
            for (uint32_t axis = all.rank - 2; axis-- > 0; rest /= all.dim[axis])
                v->offset += rest % all.dim[axis] * all.pitch[axis];
            v->rank = 3;
            v->dim[0] = 1;
            v->pitch[0] = 0;
            for (uint32_t j = 1; j < 3; j++) {
                v->dim[j] = all.dim[all.rank - 3 + j];
                v->pitch[j] = all.pitch[all.rank - 3 + j];
            }
        }
        DMS_TRY(emit_matrices(lo, node, &one, st));
    }
    return DMS_OK;
}

static dms_code matmul_lower(dms_lowering *lo, const dms_node *node, const places *at,
                             dms_status *st) {
    bytes b = {.i = {0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0}};
    dms_lowered_operand *o = b.operand;
    o[X] = dms_lower_operand(lo, node->in[at->a]);
    o[W] = dms_lower_operand(lo, node->in[at->b]);
    o[Y] = dms_lower_operand(lo, node->out[0]);
    const dms_view x = o[X].view, w = o[W].view, y = o[Y].view;
    const int64_t rows = x.rank < 2 ? 1 : x.dim[x.rank - 2], terms = x.dim[x.rank - 1];
    const int64_t columns = w.rank < 2 ? 1 : w.dim[w.rank - 1];
    const uint32_t n_batch =
        (x.rank > w.rank ? x.rank : w.rank) < 2 ? 0 : (x.rank > w.rank ? x.rank : w.rank) - 2;
    int64_t dim[DMS_MAX_RANK];
    memcpy(dim, y.dim, sizeof dim); /* the batch comes first */
    dim[n_batch] = rows;
    dim[n_batch + 1] = columns;
    DMS_TRY(dms_ops_view_as(node, &o[Y], n_batch + 2, dim, st));
    const dms_view full = o[Y].view;
    DMS_TRY(as_matrices(node, &o[X], true, &full, rows, terms, st));
    DMS_TRY(as_matrices(node, &o[W], false, &full, terms, columns, st));
    DMS_TRY(make_numbers(lo, node, at, n_batch, n_batch + 1, &b, st));
    const bool by_row = has_rows(&b);
    if ((!by_row && join_all(&b, true)) || (!by_row && join_all(&b, false)))
        return emit_matrices(lo, node, &b, st);
    return emit_each(lo, node, &b, st);
}

/* MatMulInteger(a, b, zero_a, zero_b): the product of a - zero_a and b - zero_b, in i32. */
static dms_code matmul_integer_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return matmul_infer(graph, node, &integer_places, st);
}

/* One DMS_K_CONV_BYTES. */
static dms_code matmul_integer_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return matmul_lower(lo, node, &integer_places, st);
}

/* QLinearMatMul: the same, quantised again. */
static dms_code qlinear_matmul_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return matmul_infer(graph, node, &matmul_places, st);
}

/* One DMS_K_CONV_BYTES. */
static dms_code qlinear_matmul_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return matmul_lower(lo, node, &matmul_places, st);
}

/* ---- ConvInteger, QLinearConv -------------------------------------------------------------- */

/* Reads the window over input a. */
static dms_code read_window(const dms_graph *graph, const dms_node *node, const places *at,
                            dms_window *out, dms_status *st) {
    int64_t dim[DMS_MAX_RANK];
    (void)dms_ops_dims(dms_in(graph, node, at->b), dim);
    return dms_window_read(graph, node, dim + 2, out, st);
}

static dms_code conv_infer(dms_graph *graph, dms_node *node, const places *at, dms_status *st) {
    int64_t group = 0, dim[DMS_MAX_RANK], wanted = 0;
    dms_window window;
    DMS_TRY(check_types(graph, node, at, st));
    DMS_TRY(dms_ops_want_rank(graph, node, at->a, 3, 4, st));
    const dms_tensor *x = dms_in(graph, node, at->a), *w = dms_in(graph, node, at->b);
    DMS_TRY(dms_ops_want_rank(graph, node, at->b, x->rank, x->rank, st));
    DMS_TRY(dms_ops_int_in(node, "group", 1, 1, DMS_WINDOW_LIMIT, &group, st));
    const int64_t filters = dms_extent(w, 0);
    if (__builtin_mul_overflow(dms_extent(w, 1), group, &wanted) || dms_extent(x, 1) != wanted ||
        filters % group != 0)
        return dms_node_fail(node, st,
                             "input '%s' has %" PRId64 " channels in %" PRId64 " groups, weight "
                             "'%s' has %" PRId64 " filters of %" PRId64,
                             x->name, dms_extent(x, 1), group, w->name, filters, dms_extent(w, 1));
    DMS_TRY(check_small(graph, node, at->zero_a, 1, st));
    DMS_TRY(check_small(graph, node, at->scale_a, 1, st));
    DMS_TRY(check_small(graph, node, at->zero_b, filters, st));
    DMS_TRY(check_small(graph, node, at->scale_b, filters, st));
    DMS_TRY(check_small(graph, node, at->scale_y, 1, st));
    DMS_TRY(check_small(graph, node, at->zero_y, 1, st));
    if (at->bias != NONE)
        DMS_TRY(dms_ops_want_vector(graph, node, at->bias, filters, "output channels", st));
    DMS_TRY(read_window(graph, node, at, &window, st));
    const uint32_t rank = dms_window_dims(&window, dms_extent(x, 0), filters, window.out, dim);
    return dms_set_output(graph, node, 0, result_dtype(graph, node, at), rank, dim, st);
}

/* An operand as [dim 0, dim 1, height, width]: signals get a height of 1. */
static dms_view as_picture(const dms_view *v) {
    dms_view out = *v;
    if (v->rank == 4)
        return out;
    out.rank = 4;
    out.dim[2] = 1;
    out.pitch[2] = 0;
    out.dim[3] = v->dim[2];
    out.pitch[3] = v->pitch[2];
    return out;
}

/* Splits axis `axis` into groups, which become axis 0. */
static dms_view in_groups(const dms_view *v, uint32_t axis, int64_t groups) {
    dms_view out = *v;
    const int64_t each = v->dim[axis] / groups;
    out.rank = 5;
    memcpy(out.dim + 1, v->dim, 4 * sizeof *v->dim);
    memcpy(out.pitch + 1, v->pitch, 4 * sizeof *v->pitch);
    out.dim[0] = groups;
    out.pitch[0] = each * v->pitch[axis];
    out.dim[axis + 1] = each;
    return out;
}

static dms_code conv_lower(dms_lowering *lo, const dms_node *node, const places *at,
                           dms_status *st) {
    dms_window window;
    DMS_TRY(read_window(dms_lower_graph(lo), node, at, &window, st));
    bytes b = {.axis_g = NONE, .axis_m = 1, .groups = dms_node_int(node, "group", 1)};
    dms_lowered_operand *o = b.operand;
    const uint32_t input[3] = {node->in[at->a], node->in[at->b], node->out[0]};
    static const uint32_t place[3] = {X, W, Y}, split[3] = {1, 0, 1};
    dms_view view[3];
    for (uint32_t k = 0; k < 3; k++) {
        o[place[k]] = dms_lower_operand(lo, input[k]);
        o[place[k]].view = as_picture(&o[place[k]].view);
        view[k] = in_groups(&o[place[k]].view, split[k], b.groups);
    }
    for (uint32_t k = 0; k < 2; k++) {
        b.i[1 + k] = window.kernel[k];
        b.i[3 + k] = window.stride[k];
        b.i[5 + k] = window.dilation[k];
        b.i[7 + k] = window.begin[k];
    }
    DMS_TRY(make_numbers(lo, node, at, 1, 1, &b, st));
    return emit_bytes(lo, node, &b, view, st);
}

/* ConvInteger(x, w, zero_x, zero_w): Conv of x - zero_x and w - zero_w, in i32. What lies outside x
 * counts as zero_x. */
static dms_code conv_integer_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return conv_infer(graph, node, &integer_places, st);
}

/* One DMS_K_CONV_BYTES. */
static dms_code conv_integer_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return conv_lower(lo, node, &integer_places, st);
}

/* QLinearConv: the same, a bias in units of the sum, quantised again. */
static dms_code qlinear_conv_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return conv_infer(graph, node, &conv_places, st);
}

/* One DMS_K_CONV_BYTES. */
static dms_code qlinear_conv_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return conv_lower(lo, node, &conv_places, st);
}

/* dms.QLinearMatMul: with a bias per column, and bounds for y. */
static dms_code biased_matmul_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *b = dms_in(graph, node, conv_places.b);
    DMS_TRY(dms_ops_want_rank(graph, node, conv_places.b, 2, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_want_vector(graph, node, conv_places.bias, dms_extent(b, b->rank - 1),
                                "columns", st));
    return matmul_infer(graph, node, &conv_places, st);
}

/* One DMS_K_CONV_BYTES. */
static dms_code biased_matmul_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    return matmul_lower(lo, node, &conv_places, st);
}

#define BOUNDED_ROW(op, infer_, lower_)                                                            \
    {                                                                                              \
        .name = op, .domain = "dms", .since = 1, .min_in = 5, .max_in = 9, .min_out = 1,           \
        .max_out = 1, .infer = infer_, .lower = lower_                                             \
    }

static const dms_op rows[] = {
    BOUNDED_ROW("QLinearConv", qlinear_conv_infer, qlinear_conv_lower),
    BOUNDED_ROW("QLinearMatMul", biased_matmul_infer, biased_matmul_lower),
    DMS_OPS_ROW("MatMulInteger", 10, 0, 2, 4, 1, matmul_integer_infer, NULL, matmul_integer_lower),
    DMS_OPS_ROW("QLinearMatMul", 10, 0, 8, 8, 1, qlinear_matmul_infer, NULL, qlinear_matmul_lower),
    DMS_OPS_ROW("ConvInteger", 10, 0, 2, 4, 1, conv_integer_infer, NULL, conv_integer_lower),
    DMS_OPS_ROW("QLinearConv", 10, 0, 8, 9, 1, qlinear_conv_infer, NULL, qlinear_conv_lower),
};

DMS_OPS_FAMILY(integer);
