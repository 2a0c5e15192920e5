/* nbits.c - com.microsoft MatMulNBits: a product with a matrix of 4-bit numbers.
 *
 *     a [..., k]   b [n, blocks, block / 2] u8   scale [n, blocks]   zero [n, ceil(blocks / 2)] u8
 *
 *     y [..., n] = a w',  w[j, i] = (b[j, i] - zero) scale of block i / block of row j; zero 8
 *
 * Scales and zeros may be vectors of as many elements. The last block may reach beyond k. The
 * matrix travels packed, and its numbers grow within the product. Source: ONNX Runtime's contrib
 * operators.
 */
#include <inttypes.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

#define NBITS_DTYPES (DMS_OPS_FLOAT & ~DMS_DTYPE_BIT(DMS_DTYPE_F64))

enum { A, B, SCALE, ZERO, ORDER, BIAS }; /* inputs */

/* What the attributes say. */
typedef struct nbits {
    int64_t k, n, block, blocks;
} nbits;

static dms_code read_nbits(const dms_node *node, nbits *out, dms_status *st) {
    int64_t bits = 0;
    DMS_TRY(dms_ops_int_in(node, "K", 0, 1, INT32_MAX, &out->k, st));
    DMS_TRY(dms_ops_int_in(node, "N", 0, 1, INT32_MAX, &out->n, st));
    DMS_TRY(dms_ops_int_in(node, "bits", 4, 4, 4, &bits, st));
    DMS_TRY(dms_ops_int_in(node, "block_size", 0, 2, INT32_MAX - 1, &out->block, st));
    if (out->block % 2 != 0)
        return dms_node_fail(node, st, "attribute 'block_size' is %" PRId64 ", which is odd",
                             out->block);
    out->blocks = (out->k + out->block - 1) / out->block;
    return DMS_OK;
}

/* Input k, if it is there, has `count` elements, however they are arranged. */
static dms_code want_count(const dms_graph *graph, const dms_node *node, uint32_t k, int64_t count,
                           dms_status *st) {
    const dms_tensor *t = dms_in(graph, node, k);
    if (t == NULL || dms_ops_count(t, 0, t->rank) == count)
        return DMS_OK;
    return dms_node_fail(node, st, "input '%s' has %" PRId64 " elements, wants %" PRId64, t->name,
                         dms_ops_count(t, 0, t->rank), count);
}

/* MatMulNBits(a[..., k], b, scale, zero, -, bias[n]): [..., n]. */
static dms_code nbits_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *a = dms_in(graph, node, A);
    int64_t dim[DMS_MAX_RANK];
    nbits s;
    DMS_TRY(read_nbits(node, &s, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, A, NBITS_DTYPES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, SCALE, DMS_DTYPE_BIT(a->dtype), st));
    DMS_TRY(dms_ops_want_dtype(graph, node, BIAS, DMS_DTYPE_BIT(a->dtype), st));
    DMS_TRY(dms_ops_want_dtype(graph, node, B, DMS_DTYPE_BIT(DMS_DTYPE_U8), st));
    DMS_TRY(dms_ops_want_dtype(graph, node, ZERO, DMS_DTYPE_BIT(DMS_DTYPE_U8), st));
    if (dms_in(graph, node, ORDER) != NULL)
        return dms_node_fail(node, st, "input '%s' orders the rows, which is not supported",
                             dms_in(graph, node, ORDER)->name);
    DMS_TRY(dms_ops_want_rank(graph, node, A, 2, DMS_MAX_RANK, st));
    const uint32_t rank = dms_ops_dims(a, dim);
    if (dim[rank - 1] != s.k)
        return dms_node_fail(node, st,
                             "input '%s' has %" PRId64 " columns, attribute 'K' is %" PRId64,
                             a->name, dim[rank - 1], s.k);
    /* k, n and block are below 2^31, so these products fit */
    DMS_TRY(want_count(graph, node, B, s.n * s.blocks * (s.block / 2), st));
    DMS_TRY(want_count(graph, node, SCALE, s.n * s.blocks, st));
    DMS_TRY(want_count(graph, node, ZERO, s.n * ((s.blocks + 1) / 2), st));
    DMS_TRY(dms_ops_want_vector(graph, node, BIAS, s.n, "columns", st));
    dim[rank - 1] = s.n;
    return dms_set_output(graph, node, 0, a->dtype, rank, dim, st);
}

/* Input k, dense, under these dims. */
static dms_code dense_as(dms_lowering *lo, const dms_node *node, uint32_t k, uint32_t rank,
                         const int64_t *dim, dms_lowered_operand *out, dms_status *st) {
    DMS_TRY(dms_lower_dense(lo, node->in[k], out, st));
    return dms_ops_view_as(node, out, rank, dim, st);
}

/* The rows of a and y as those of one matrix each, where they lie so. */
static void flatten(dms_lowered_operand *a, dms_lowered_operand *y) {
    const uint32_t last = a->view.rank - 1;
    int64_t rows = 1;
    for (uint32_t k = 0; k < last; k++)
        rows *= a->view.dim[k];
    const int64_t a_dim[2] = {rows, a->view.dim[last]}, y_dim[2] = {rows, y->view.dim[last]};
    dms_view a_view, y_view;
    if (!dms_view_reshape(&a->view, 2, a_dim, &a_view) ||
        !dms_view_reshape(&y->view, 2, y_dim, &y_view))
        return;
    a->view = a_view;
    y->view = y_view;
}

/* One DMS_K_MATMUL_BITS into y. */
static dms_code emit_product(dms_lowering *lo, const dms_node *node, const nbits *s,
                             const dms_lowered_operand *y, dms_status *st) {
    const bool has_zero = dms_in(dms_lower_graph(lo), node, ZERO) != NULL;
    const int64_t packed[3] = {s->n, s->blocks, s->block / 2}, scale[2] = {s->n, s->blocks};
    const int64_t zero[2] = {s->n, (s->blocks + 1) / 2};
    const uint32_t n_in = has_zero ? 4 : 3;
    dms_lowered_operand operand[5] = {dms_lower_operand(lo, node->in[A])};
    DMS_TRY(dense_as(lo, node, B, 3, packed, &operand[1], st));
    DMS_TRY(dense_as(lo, node, SCALE, 2, scale, &operand[2], st));
    if (has_zero)
        DMS_TRY(dense_as(lo, node, ZERO, 2, zero, &operand[3], st));
    operand[n_in] = *y;
    flatten(&operand[0], &operand[n_in]);
    return dms_lower_call(lo, node, DMS_K_MATMUL_BITS, n_in, 1, operand, 0, NULL, 0, NULL, st);
}

/* A bias is added, by the product's own step where it can (onnx/fuse.h). */
static dms_code nbits_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    dms_lowered_operand product, bias;
    nbits s;
    DMS_TRY(read_nbits(node, &s, st));
    if (dms_in(dms_lower_graph(lo), node, BIAS) == NULL)
        return emit_product(lo, node, &s, &y, st);
    DMS_TRY(dms_lower_temp(lo, y.view.dtype, y.view.rank, y.view.dim, &product, st));
    DMS_TRY(emit_product(lo, node, &s, &product, st));
    DMS_TRY(dms_ops_expanded(lo, node, node->in[BIAS], y.view.rank, y.view.dim, &bias, st));
    return dms_ops_emit_binary(lo, node, DMS_FN_ADD, &product, &bias, &y, st);
}

static const dms_op rows[] = {
    {.name = "MatMulNBits",
     .domain = "com.microsoft",
     .since = 1,
     .min_in = 3,
     .max_in = 6,
     .min_out = 1,
     .max_out = 1,
     .infer = nbits_infer,
     .lower = nbits_lower},
};

DMS_OPS_FAMILY(nbits);
