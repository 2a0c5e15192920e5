/* rotary.c - RotaryEmbedding: pairs of elements of each head turned by an angle of their position.
 *
 * Versions: the operator comes with opset 23. Older models write it out (Slice, Neg, Concat, Mul,
 * Add), which needs nothing from here.
 *
 *     x [b, h, s, d], its first r elements:    halves   x1 = [0, r/2)   x2 = [r/2, r)
 *                                              or every second one (interleaved)
 *     y1 = cos x1 - sin x2
 *     y2 = sin x1 + cos x2                     elements from r on are copied
 *
 * The angles are tables: one row per position of the sequence, or one per position that there can
 * be, in which case a further input names the row of every token. Heads share them: pitch 0.
 */
#include <inttypes.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

/* Sizes of a node: batch, heads, sequence, head size, turned elements. */
typedef struct rotary_sizes {
    int64_t b, h, s, d, r;
    bool has_positions, is_interleaved;
} rotary_sizes;

/* Reads and checks: x is [b, h, s, d], or [b, s, h d] with attribute num_heads. */
static dms_code rotary_read(const dms_graph *graph, const dms_node *node, rotary_sizes *out,
                            dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    int64_t heads = 0, turned = 0;
    DMS_TRY(dms_ops_int_in(node, "num_heads", 0, 0, INT32_MAX, &heads, st));
    DMS_TRY(dms_ops_int_in(node, "rotary_embedding_dim", 0, 0, INT32_MAX, &turned, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 3, 4, st));
    const int64_t width = dms_extent(x, x->rank - 1);
    if (x->rank == 3 && (heads == 0 || width % heads != 0))
        return dms_node_fail(
            node, st, "attribute 'num_heads' is %" PRId64 ", input '%s' has %" PRId64 " columns",
            heads, x->name, width);
    *out = (rotary_sizes){.b = dms_extent(x, 0),
                          .h = x->rank == 4 ? dms_extent(x, 1) : heads,
                          .s = dms_extent(x, x->rank - 2),
                          .d = x->rank == 4 ? width : width / heads,
                          .has_positions = dms_in(graph, node, 3) != NULL,
                          .is_interleaved = dms_node_int(node, "interleaved", 0) != 0};
    if (x->rank == 3)
        out->s = dms_extent(x, 1);
    out->r = turned == 0 ? out->d : turned;
    if (out->r % 2 != 0 || out->r > out->d)
        return dms_node_fail(
            node, st, "%" PRId64 " elements of a head of %" PRId64 " cannot be turned in pairs",
            out->r, out->d);
    return DMS_OK;
}

/* Cosines and sines are [positions, r/2], looked up by position, or [b, s, r/2]. */
static dms_code check_cache(const dms_graph *graph, const dms_node *node, uint32_t k,
                            const rotary_sizes *z, dms_status *st) {
    const dms_tensor *cache = dms_in(graph, node, k);
    const uint32_t rank = z->has_positions ? 2 : 3;
    DMS_TRY(dms_ops_want_rank(graph, node, k, rank, rank, st));
    const bool fits =
        dms_extent(cache, rank - 1) == z->r / 2 &&
        (z->has_positions || (dms_extent(cache, 0) == z->b && dms_extent(cache, 1) == z->s));
    if (!fits)
        return dms_node_fail(node, st, "input '%s' does not fit %" PRId64 " turned elements",
                             cache->name, z->r);
    return DMS_OK;
}

/* RotaryEmbedding(x, cos, sin, positions): dtype and dims of x. */
static dms_code rotary_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    rotary_sizes z;
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, 2, DMS_OPS_FLOAT, st));
    DMS_TRY(rotary_read(graph, node, &z, st));
    DMS_TRY(check_cache(graph, node, 1, &z, st));
    DMS_TRY(check_cache(graph, node, 2, &z, st));
    if (z.has_positions) {
        const dms_tensor *p = dms_in(graph, node, 3);
        DMS_TRY(dms_ops_want_dtype(graph, node, 3, DMS_OPS_INDEX, st));
        DMS_TRY(dms_ops_want_rank(graph, node, 3, 2, 2, st));
        if (dms_extent(p, 0) != z.b || dms_extent(p, 1) != z.s)
            return dms_node_fail(node, st, "input '%s' wants dims [%" PRId64 ", %" PRId64 "]",
                                 p->name, z.b, z.s);
    }
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* x or y as [b, h, s, d], heads before positions whatever the layout is. */
static dms_code by_heads(const dms_node *node, const rotary_sizes *z, dms_lowered_operand *operand,
                         dms_status *st) {
    static const uint32_t swap[4] = {0, 2, 1, 3};
    const int64_t dim[4] = {z->b, z->s, z->h, z->d};
    if (operand->view.rank == 4)
        return DMS_OK;
    DMS_TRY(dms_ops_view_as(node, operand, 4, dim, st));
    const dms_view plain = operand->view;
    dms_view_permute(&plain, swap, &operand->view);
    return DMS_OK;
}

/* Cosines (k = 1) or sines (2) as [b, h, s, r/2]: looked up where there are positions. */
static dms_code angles(dms_lowering *lo, const dms_node *node, uint32_t k, const rotary_sizes *z,
                       dms_lowered_operand *out, dms_status *st) {
    const int64_t half = z->r / 2, rows[3] = {1, z->b * z->s, half}, n = z->b * z->s;
    const int64_t once[4] = {z->b, 1, z->s, half}, all[4] = {z->b, z->h, z->s, half};
    if (z->has_positions) {
        const int64_t positions = dms_extent(dms_in(dms_lower_graph(lo), node, k), 0);
        const int64_t table[3] = {1, positions, half};
        dms_lowered_operand gather[3];
        DMS_TRY(dms_ops_reshaped(lo, node, node->in[k], 3, table, &gather[0], st));
        DMS_TRY(dms_ops_reshaped(lo, node, node->in[3], 1, &n, &gather[1], st));
        DMS_TRY(dms_lower_temp(lo, gather[0].view.dtype, 3, rows, &gather[2], st));
        DMS_TRY(dms_lower_call(lo, node, DMS_K_GATHER, 2, 1, gather, 0, NULL, 0, NULL, st));
        *out = gather[2];
        DMS_TRY(dms_ops_view_as(node, out, 4, once, st));
    } else {
        DMS_TRY(dms_ops_reshaped(lo, node, node->in[k], 4, once, out, st));
    }
    const dms_view one = out->view;
    if (!dms_view_expand(&one, 4, all, &out->view))
        return dms_node_fail(node, st, "its angles cannot be repeated");
    return DMS_OK;
}

/* The two members of every pair: halves, or every second element. */
static void pair_members(const rotary_sizes *z, const dms_lowered_operand *x,
                         dms_lowered_operand *member) {
    for (uint32_t k = 0; k < 2; k++) {
        member[k] = *x;
        const int64_t first = z->is_interleaved ? k : k * (z->r / 2);
        dms_view_narrow(&member[k].view, 3, first, z->r / 2, z->is_interleaved ? 2 : 1);
    }
}

/* *out = fn(a b, c d) in a new temporary. */
static dms_code turn(dms_lowering *lo, const dms_node *node, int64_t fn,
                     const dms_lowered_operand *const factor[4], dms_lowered_operand *out,
                     dms_status *st) {
    const dms_view like = factor[0]->view;
    dms_lowered_operand product[2];
    for (uint32_t k = 0; k < 2; k++) {
        DMS_TRY(dms_lower_temp(lo, like.dtype, 4, like.dim, &product[k], st));
        DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_MUL, factor[2 * k], factor[2 * k + 1],
                                    &product[k], st));
    }
    DMS_TRY(dms_lower_temp(lo, like.dtype, 4, like.dim, out, st));
    return dms_ops_emit_binary(lo, node, fn, &product[0], &product[1], out, st);
}

/* Pairs side by side (halves) or woven (interleaved) into [b, h, s, r] of y. */
static dms_code join_pairs(dms_lowering *lo, const dms_node *node, const rotary_sizes *z,
                           const dms_lowered_operand *pair, const dms_lowered_operand *to,
                           dms_status *st) {
    dms_lowered_operand operand[3] = {pair[0], pair[1], *to};
    const int64_t i[1] = {z->is_interleaved ? 4 : 3};
    const int64_t woven[5] = {z->b, z->h, z->s, z->r / 2, 2};
    const int64_t thread[5] = {z->b, z->h, z->s, z->r / 2, 1};
    for (uint32_t k = 0; k < 3 && z->is_interleaved; k++)
        DMS_TRY(dms_ops_view_as(node, &operand[k], 5, k == 2 ? woven : thread, st));
    return dms_lower_call(lo, node, DMS_K_CONCAT, 2, 1, operand, 1, i, 0, NULL, st);
}

/* Four products, two sums, one or two joins; every operand is a view of what is there. */
static dms_code rotary_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    rotary_sizes z;
    DMS_TRY(rotary_read(dms_lower_graph(lo), node, &z, st));
    dms_lowered_operand x = dms_lower_operand(lo, node->in[0]);
    dms_lowered_operand y = dms_lower_operand(lo, node->out[0]), cosine, sine, member[2], turned[2];
    if (dms_view_count(&y.view) == 0)
        return DMS_OK;
    const int64_t flat[3] = {z.b, z.s, z.h * z.d};
    if (x.view.rank == 3)
        DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 3, flat, &x, st));
    DMS_TRY(by_heads(node, &z, &x, st));
    DMS_TRY(by_heads(node, &z, &y, st));
    DMS_TRY(angles(lo, node, 1, &z, &cosine, st));
    DMS_TRY(angles(lo, node, 2, &z, &sine, st));
    pair_members(&z, &x, member);
    const dms_lowered_operand *const first[4] = {&cosine, &member[0], &sine, &member[1]};
    const dms_lowered_operand *const second[4] = {&sine, &member[0], &cosine, &member[1]};
    DMS_TRY(turn(lo, node, DMS_FN_SUB, first, &turned[0], st));
    DMS_TRY(turn(lo, node, DMS_FN_ADD, second, &turned[1], st));
    if (z.r == z.d)
        return join_pairs(lo, node, &z, turned, &y, st);
    dms_lowered_operand whole[3] = {turned[0], x, y};
    const int64_t dim[4] = {z.b, z.h, z.s, z.r}, i[1] = {3};
    DMS_TRY(dms_lower_temp(lo, x.view.dtype, 4, dim, &whole[0], st));
    DMS_TRY(join_pairs(lo, node, &z, turned, &whole[0], st));
    dms_view_narrow(&whole[1].view, 3, z.r, z.d - z.r, 1);
    return dms_lower_call(lo, node, DMS_K_CONCAT, 2, 1, whole, 1, i, 0, NULL, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("RotaryEmbedding", 23, 0, 3, 4, 1, rotary_infer, NULL, rotary_lower),
};

DMS_OPS_FAMILY(rotary);
