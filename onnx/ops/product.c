/* product.c - MatMul and Gemm: matrices multiplied.
 *
 * Versions: Gemm's C is optional from opset 11 on; it is broadcast from opset 7 on.
 *
 *     a [5, 2, 3]     b [3, 6]         one product of [10, 3] and [3, 6]: b is a weight, whose
 *                                      columns can be cut into cells
 *     a [5, 1, 2, 3]  b [4, 3, 6]      20 products: a seen with pitches [6, 0, 3, 1], b with
 *                                      pitches [0, 18, 6, 1]
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

/* Reals and wide integers: narrow ones would overflow, and ONNX has other operators for them. */
#define PRODUCT_DTYPES                                                                             \
    (DMS_OPS_FLOAT | DMS_OPS_INDEX | DMS_DTYPE_BIT(DMS_DTYPE_U32) | DMS_DTYPE_BIT(DMS_DTYPE_U64))

/* One side of a product: its dims, and a name for messages. */
typedef struct dms_factor {
    const char *name;
    uint32_t rank;
    int64_t dim[DMS_MAX_RANK];
} dms_factor;

/* ---- MatMul -------------------------------------------------------------------------------- */

/* Both sides as matrices with leading axes: a vector gets the axis that NumPy gives it. */
typedef struct matmul_dims {
    uint32_t a_rank, b_rank, n_batch; /* n_batch: leading axes of the result */
    int64_t a[DMS_MAX_RANK + 1], b[DMS_MAX_RANK + 1];
    int64_t batch[DMS_MAX_RANK];
    int64_t m, k, n;
    bool a_is_vector, b_is_vector;
} matmul_dims;

/* Both shapes made ready, and checked: columns of a against rows of b, leading axes against each
 * other by the rule of broadcasting. */
static dms_code matmul_read(const dms_node *node, const dms_factor *a, const dms_factor *b,
                            matmul_dims *out, dms_status *st) {
    out->a_is_vector = a->rank == 1;
    out->b_is_vector = b->rank == 1;
    out->a[0] = 1;
    memcpy(out->a + out->a_is_vector, a->dim, a->rank * sizeof *a->dim);
    memcpy(out->b, b->dim, b->rank * sizeof *b->dim);
    out->a_rank = a->rank + out->a_is_vector;
    out->b_rank = b->rank + out->b_is_vector;
    if (out->b_is_vector)
        out->b[1] = 1;
    out->m = out->a[out->a_rank - 2];
    out->k = out->a[out->a_rank - 1];
    out->n = out->b[out->b_rank - 1];
    if (out->b[out->b_rank - 2] != out->k)
        return dms_node_fail(node, st,
                             "input '%s' has %" PRId64 " columns, input '%s' %" PRId64 " rows",
                             a->name, out->k, b->name, out->b[out->b_rank - 2]);
    const uint32_t n_batch = (out->a_rank > out->b_rank ? out->a_rank : out->b_rank) - 2;
    for (uint32_t j = 0; j < n_batch; j++) {
        const uint32_t back = n_batch - j + 2; /* this axis, counted from the end */
        const int64_t x = back <= out->a_rank ? out->a[out->a_rank - back] : 1;
        const int64_t y = back <= out->b_rank ? out->b[out->b_rank - back] : 1;
        if (x != y && x != 1 && y != 1)
            return dms_node_fail(node, st,
                                 "inputs '%s' and '%s' have %" PRId64 " and %" PRId64
                                 " matrices along axis %" PRIu32,
                                 a->name, b->name, x, y, j);
        out->batch[j] = x == 1 ? y : x;
    }
    out->n_batch = n_batch;
    return DMS_OK;
}

/* Input k as a factor of a product. */
static dms_factor factor_of(const dms_graph *graph, const dms_node *node, uint32_t k) {
    const dms_tensor *t = dms_in(graph, node, k);
    dms_factor factor = {.name = t->name};
    factor.rank = dms_ops_dims(t, factor.dim);
    return factor;
}

dms_code dms_product_infer(dms_graph *graph, const dms_node *node, uint32_t a, uint32_t b,
                           dms_dtype dtype, dms_status *st) {
    matmul_dims d;
    int64_t dim[DMS_MAX_RANK];
    uint32_t rank = 0;
    DMS_TRY(dms_ops_want_rank(graph, node, a, 1, DMS_MAX_RANK, st));
    DMS_TRY(dms_ops_want_rank(graph, node, b, 1, DMS_MAX_RANK, st));
    const dms_factor factor[2] = {factor_of(graph, node, a), factor_of(graph, node, b)};
    DMS_TRY(matmul_read(node, &factor[0], &factor[1], &d, st));
    for (; rank < d.n_batch; rank++)
        dim[rank] = d.batch[rank];
    if (!d.a_is_vector)
        dim[rank++] = d.m;
    if (!d.b_is_vector)
        dim[rank++] = d.n;
    return dms_set_output(graph, node, 0, dtype, rank, dim, st);
}

/* MatMul(a, b): [..., m, k] by [..., k, n]; leading axes are broadcast. A vector on the left is
 * a row, on the right a column, and its axis vanishes from the result. [5, 1, 2, 3] by [4, 3, 6]
 * give [5, 4, 2, 6]; [3] by [5, 3, 6] give [5, 6]. */
static dms_code matmul_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, 1, PRODUCT_DTYPES, st));
    return dms_product_infer(graph, node, 0, 1, dms_in(graph, node, 0)->dtype, st);
}

/* y = alpha a b + beta c; `operand` holds a, b, perhaps c, y. */
static dms_code emit_product(dms_lowering *lo, const dms_node *node, uint32_t n_in,
                             const dms_lowered_operand *operand, double alpha, double beta,
                             dms_status *st) {
    const dms_view *y = &operand[n_in].view;
    const int64_t i[2] = {0, y->dim[y->rank - 1]};
    const double f[2] = {alpha, beta};
    return dms_lower_call(lo, node, DMS_K_MATMUL, n_in, 1, operand, 2, i, 2, f, st);
}

/* One matrix b for all rows of a: the leading axes of a become rows, where its pitches allow. */
static bool flatten_rows(const matmul_dims *d, dms_lowered_operand *operand) {
    int64_t rows = d->m;
    for (uint32_t k = 0; k < d->b_rank - 2; k++)
        if (d->b[k] != 1)
            return false;
    for (uint32_t k = 0; k < d->n_batch; k++)
        rows *= d->batch[k]; /* a factor of the result's size */
    const int64_t a[2] = {rows, d->k}, b[2] = {d->k, d->n}, y[2] = {rows, d->n};
    dms_view view[3];
    if (!dms_view_reshape(&operand[0].view, 2, a, &view[0]) ||
        !dms_view_reshape(&operand[1].view, 2, b, &view[1]) ||
        !dms_view_reshape(&operand[2].view, 2, y, &view[2]))
        return false;
    for (uint32_t k = 0; k < 3; k++)
        operand[k].view = view[k];
    return true;
}

/* An operand as a factor; its name is that of the node's input for messages alone. */
static dms_factor factor_of_view(const dms_view *view) {
    dms_factor factor = {.name = "", .rank = view->rank};
    memcpy(factor.dim, view->dim, view->rank * sizeof *view->dim);
    return factor;
}

/* A weight shared by all rows is one matrix product, which can be cut along n; otherwise the
 * matrices are repeated by pitches of 0. */
dms_code dms_product_emit(dms_lowering *lo, const dms_node *node,
                          const dms_lowered_operand *factors_and_result, dms_status *st) {
    matmul_dims d;
    int64_t full[3][DMS_MAX_RANK + 1];
    dms_lowered_operand operand[3];
    memcpy(operand, factors_and_result, sizeof operand);
    const dms_factor factor[2] = {factor_of_view(&operand[0].view),
                                  factor_of_view(&operand[1].view)};
    DMS_TRY(matmul_read(node, &factor[0], &factor[1], &d, st));
    if (d.k == 0) /* an empty sum */
        return dms_ops_fill(lo, node, 0, &operand[2], st);
    if (flatten_rows(&d, operand))
        return emit_product(lo, node, 2, operand, 1.0, 0.0, st);
    const int64_t last[3][2] = {{d.m, d.k}, {d.k, d.n}, {d.m, d.n}};
    const uint32_t rank = d.n_batch + 2;
    for (uint32_t k = 0; k < 3; k++) {
        for (uint32_t j = 0; j < d.n_batch; j++)
            full[k][j] = d.batch[j];
        full[k][rank - 2] = last[k][0];
        full[k][rank - 1] = last[k][1];
    }
    DMS_TRY(dms_ops_view_as(node, &operand[0], d.a_rank, d.a, st));
    DMS_TRY(dms_ops_view_as(node, &operand[1], d.b_rank, d.b, st));
    DMS_TRY(dms_ops_view_as(node, &operand[2], rank, full[2], st));
    for (uint32_t k = 0; k < 2; k++) {
        const dms_view once = operand[k].view;
        if (!dms_view_expand(&once, rank, full[k], &operand[k].view))
            return dms_node_fail(node, st, "its matrices cannot be repeated");
    }
    return emit_product(lo, node, 2, operand, 1.0, 0.0, st);
}

/* One DMS_K_MATMUL. */
static dms_code matmul_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand operand[3] = {dms_lower_operand(lo, node->in[0]),
                                            dms_lower_operand(lo, node->in[1]),
                                            dms_lower_operand(lo, node->out[0])};
    return dms_product_emit(lo, node, operand, st);
}

/* ---- Gemm ---------------------------------------------------------------------------------- */

/* Gemm(a, b, c): alpha a' b' + beta c; a' and b' may be transposed, c is broadcast to the result
 * but not the other way round. a [3, 2] and b [6, 3], both transposed, with c [6]: [2, 6]. */
static dms_code gemm_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *a = dms_in(graph, node, 0), *b = dms_in(graph, node, 1);
    const dms_tensor *c = dms_in(graph, node, 2);
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, 2, PRODUCT_DTYPES, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 2, 2, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 1, 2, 2, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 2, 0, 2, st));
    const uint32_t ta = dms_node_int(node, "transA", 0) != 0;
    const uint32_t tb = dms_node_int(node, "transB", 0) != 0;
    const int64_t k = dms_extent(a, 1 - ta), dim[2] = {dms_extent(a, ta), dms_extent(b, 1 - tb)};
    if (dms_extent(b, tb) != k)
        return dms_node_fail(node, st,
                             "input '%s' has %" PRId64 " columns, input '%s' %" PRId64 " rows",
                             a->name, k, b->name, dms_extent(b, tb));
    for (uint32_t j = 0; c != NULL && j < c->rank; j++) {
        const int64_t n = dms_extent(c, j), want = dim[2 - c->rank + j];
        if (n != 1 && n != want)
            return dms_node_fail(
                node, st, "input '%s' has %" PRId64 " along axis %" PRIu32 ", wants 1 or %" PRId64,
                c->name, n, j, want);
    }
    return dms_set_output(graph, node, 0, a->dtype, 2, dim, st);
}

/* One DMS_K_MATMUL; transposing swaps pitches. A factor of 0 drops c, as in ONNX Runtime. */
static dms_code gemm_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    static const uint32_t swap[2] = {1, 0};
    const double alpha = dms_node_float(node, "alpha", 1.0),
                 beta = dms_node_float(node, "beta", 1.0);
    const bool has_c = dms_in(dms_lower_graph(lo), node, 2) != NULL;
    const uint32_t n_in = has_c && beta != 0.0 ? 3 : 2;
    dms_lowered_operand operand[4];
    operand[n_in] = dms_lower_operand(lo, node->out[0]);
    for (uint32_t k = 0; k < 2; k++) {
        operand[k] = dms_lower_operand(lo, node->in[k]);
        const dms_view plain = operand[k].view;
        if (dms_node_int(node, k == 0 ? "transA" : "transB", 0) != 0)
            dms_view_permute(&plain, swap, &operand[k].view);
    }
    if (n_in == 3)
        DMS_TRY(dms_ops_expanded(lo, node, node->in[2], 2, operand[3].view.dim, &operand[2], st));
    if (operand[0].view.dim[1] == 0)
        return dms_node_fail(node, st, "its inner dim is 0");
    return emit_product(lo, node, n_in, operand, alpha, beta, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("MatMul", 1, 0, 2, 2, 1, matmul_infer, NULL, matmul_lower),
    DMS_OPS_ROW("Gemm", 7, 10, 3, 3, 1, gemm_infer, NULL, gemm_lower),
    DMS_OPS_ROW("Gemm", 11, 0, 2, 3, 1, gemm_infer, NULL, gemm_lower),
};

DMS_OPS_FAMILY(product);
