/* attention.c - attention as one operator: ONNX's, and what rewriting makes of exporters' forms.
 *
 * dms.Attention: q[b,h,s,d], k[b,hk,t,d], v[b,hk,t,e] (, mask) -> y[b,h,s,e]; the mask broadcasts
 * to [b,h,s,t]. Attributes: causal, mask_kind (0 none, 1 added, 2 bool), empty_row (0 zero,
 * 1 uniform, 2 NaN), scale, softcap, and fill where the triangle has a finite number. The file
 * format never holds it.
 *
 * Attention 23: heads may be folded into the last axis ([b,s,h d]); past k and v are put in front;
 * causal means t <= s + past. The kernel aligns its triangle at the end, which is the same when k
 * has as many new rows as q; otherwise the triangle becomes a mask.
 */
#include <inttypes.h>
#include <math.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "schema/checked.h"

enum { MASK_NONE = 0, MASK_ADDED = 1, MASK_BOOL = 2 };
enum { EMPTY_NAN = 2 };
enum { Q, K, V, MASK, PAST_K, PAST_V };   /* inputs */
enum { Y, PRESENT_K, PRESENT_V, SCORES }; /* outputs */
#define LARGEST_TRIANGLE (4u << 20)

/* The parameters of one call of the kernel. */
typedef struct parameters {
    int64_t causal, mask_kind, empty_row;
    double scale, softcap, fill;
    bool has_fill;
} parameters;

/* Emits the call: q, k, v (, mask) and y, in this order, are `operand`. */
static dms_code emit(dms_lowering *lo, const dms_node *node, const parameters *p,
                     const dms_lowered_operand *operand, dms_status *st) {
    const int64_t i[3] = {p->causal, p->mask_kind, p->empty_row};
    const double f[3] = {p->scale, p->softcap, p->fill};
    return dms_lower_call(lo, node, DMS_K_ATTENTION, p->mask_kind == MASK_NONE ? 3 : 4, 1, operand,
                          3, i, p->has_fill ? 3 : 2, f, st);
}

/* ---- dms.Attention ------------------------------------------------------------------------- */

/* y[b,h,s,e] from q[b,h,s,d] and v[b,hk,t,e]. */
static dms_code own_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *q = dms_in(graph, node, Q), *v = dms_in(graph, node, V);
    for (uint32_t k = Q; k <= V; k++)
        DMS_TRY(dms_ops_want_rank(graph, node, k, 4, 4, st));
    const int64_t dim[4] = {dms_extent(q, 0), dms_extent(q, 1), dms_extent(q, 2), dms_extent(v, 3)};
    return dms_set_output(graph, node, 0, q->dtype, 4, dim, st);
}

/* One call; a mask is repeated to the scores by pitch 0. */
static dms_code own_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *q = dms_in(graph, node, Q), *k = dms_in(graph, node, K);
    const double fill = dms_node_float(node, "fill", NAN);
    const parameters p = {.causal = dms_node_int(node, "causal", 0),
                          .has_fill = !isnan(fill),
                          .fill = fill,
                          .mask_kind = dms_node_int(node, "mask_kind", MASK_NONE),
                          .empty_row = dms_node_int(node, "empty_row", 0),
                          .scale = dms_node_float(node, "scale", 1.0),
                          .softcap = dms_node_float(node, "softcap", 0.0)};
    const int64_t dim[4] = {dms_extent(q, 0), dms_extent(q, 1), dms_extent(q, 2), dms_extent(k, 2)};
    dms_lowered_operand operand[5];
    uint32_t n = 0;
    for (; n < 3; n++)
        operand[n] = dms_lower_operand(lo, node->in[n]);
    if (p.mask_kind != MASK_NONE)
        DMS_TRY(dms_ops_expanded(lo, node, node->in[MASK], 4, dim, &operand[n++], st));
    operand[n] = dms_lower_operand(lo, node->out[Y]);
    return emit(lo, node, &p, operand, st);
}

/* ---- ai.onnx Attention --------------------------------------------------------------------- */

/* The sizes of one node: batch, heads of q, of k and v, rows of q, new rows of k, all, widths. */
typedef struct sizes {
    int64_t b, h, hk, s, fresh, past, t, d, e;
    bool is_flat; /* heads are folded into the last axis */
} sizes;

/* Width of one head of input k. */
static dms_code head_width(const dms_node *node, const dms_tensor *t, int64_t heads, int64_t *out,
                           dms_status *st) {
    const int64_t width = dms_extent(t, t->rank - 1);
    if (heads <= 0 || (t->rank == 3 && width % heads != 0))
        return dms_node_fail(node, st,
                             "input '%.120s' has %" PRId64 " columns for %" PRId64 " heads",
                             t->name, width, heads);
    *out = t->rank == 3 ? width / heads : width;
    return DMS_OK;
}

/* Past k and v come together and fit. */
static dms_code read_past(const dms_graph *graph, const dms_node *node, sizes *z, dms_status *st) {
    const dms_tensor *past_k = dms_in(graph, node, PAST_K), *past_v = dms_in(graph, node, PAST_V);
    z->past = 0;
    if ((past_k == NULL) != (past_v == NULL))
        return dms_node_fail(node, st, "past_key and past_value must come together");
    if (past_k != NULL) {
        DMS_TRY(dms_ops_want_rank(graph, node, PAST_K, 4, 4, st));
        DMS_TRY(dms_ops_want_rank(graph, node, PAST_V, 4, 4, st));
        z->past = dms_extent(past_k, 2);
        if (dms_extent(past_v, 2) != z->past)
            return dms_node_fail(node, st, "past_key has %" PRId64 " rows, past_value %" PRId64,
                                 z->past, dms_extent(past_v, 2));
    }
    z->t = z->past + z->fresh; /* both are dims of tensors that exist: no overflow */
    return DMS_OK;
}

/* All sizes, from three inputs of rank 3 or 4 and the past. */
static dms_code read_sizes(const dms_graph *graph, const dms_node *node, sizes *z, dms_status *st) {
    const dms_tensor *q = dms_in(graph, node, Q), *k = dms_in(graph, node, K),
                     *v = dms_in(graph, node, V);
    DMS_TRY(dms_ops_want_one_dtype(graph, node, Q, V, DMS_OPS_FLOAT, st));
    DMS_TRY(dms_ops_want_rank(graph, node, Q, 3, 4, st));
    DMS_TRY(dms_ops_want_rank(graph, node, K, q->rank, q->rank, st));
    DMS_TRY(dms_ops_want_rank(graph, node, V, q->rank, q->rank, st));
    z->is_flat = q->rank == 3;
    z->b = dms_extent(q, 0);
    z->h = z->is_flat ? dms_node_int(node, "q_num_heads", 0) : dms_extent(q, 1);
    z->hk = z->is_flat ? dms_node_int(node, "kv_num_heads", 0) : dms_extent(k, 1);
    z->s = dms_extent(q, z->is_flat ? 1 : 2);
    z->fresh = dms_extent(k, z->is_flat ? 1 : 2);
    int64_t d_of_k;
    DMS_TRY(head_width(node, q, z->h, &z->d, st));
    DMS_TRY(head_width(node, k, z->hk, &d_of_k, st));
    DMS_TRY(head_width(node, v, z->hk, &z->e, st));
    if (d_of_k != z->d || z->h % z->hk != 0 || dms_extent(v, z->is_flat ? 1 : 2) != z->fresh)
        return dms_node_fail(node, st,
                             "q has %" PRId64 " heads of width %" PRId64 ", k %" PRId64
                             " of width %" PRId64 "; k has %" PRId64 " rows, v %" PRId64,
                             z->h, z->d, z->hk, d_of_k, z->fresh,
                             dms_extent(v, z->is_flat ? 1 : 2));
    return read_past(graph, node, z, st);
}

/* y in the form of q; present k and v always with their heads apart. */
static dms_code onnx_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    sizes z;
    DMS_TRY(read_sizes(graph, node, &z, st));
    const dms_dtype dtype = dms_in(graph, node, Q)->dtype;
    const int64_t heads[4] = {z.b, z.h, z.s, z.e};
    const int64_t k[4] = {z.b, z.hk, z.t, z.d}, v[4] = {z.b, z.hk, z.t, z.e};
    int64_t flat[3] = {z.b, z.s, 0};
    if (dms_out(graph, node, SCORES) != NULL)
        return dms_node_fail(node, st, "its output qk_matmul_output is not supported");
    if (z.is_flat && !dms_mul_i64(z.h, z.e, &flat[2]))
        return dms_node_fail(node, st, "its output exceeds 63 bits of bytes");
    DMS_TRY(z.is_flat ? dms_set_output(graph, node, Y, dtype, 3, flat, st)
                      : dms_set_output(graph, node, Y, dtype, 4, heads, st));
    DMS_TRY(dms_set_output(graph, node, PRESENT_K, dtype, 4, k, st));
    return dms_set_output(graph, node, PRESENT_V, dtype, 4, v, st);
}

/* Splits the heads off the last axis and puts them in front of the rows. */
static dms_code split_heads(const dms_node *node, dms_lowered_operand *operand, int64_t heads,
                            dms_status *st) {
    static const uint32_t order[4] = {0, 2, 1, 3};
    dms_view *view = &operand->view;
    if (view->rank != 3)
        return DMS_OK;
    const int64_t dim[4] = {view->dim[0], view->dim[1], heads, view->dim[2] / heads};
    DMS_TRY(dms_ops_view_as(node, operand, 4, dim, st));
    dms_view_permute(view, order, view);
    return DMS_OK;
}

/* An input as [b,heads,rows,width]. */
static dms_code take_heads(dms_lowering *lo, const dms_node *node, uint32_t k, int64_t heads,
                           dms_lowered_operand *out, dms_status *st) {
    if (dms_in(dms_lower_graph(lo), node, k)->rank == 3)
        DMS_TRY(dms_lower_dense(lo, node->in[k], out, st));
    else
        *out = dms_lower_operand(lo, node->in[k]);
    return split_heads(node, out, heads, st);
}

/* k or v with its past in front, in output `present` where the node has it: rows 0 .. past-1 are
 * the old ones, the new ones follow. Without a past they are copied all the same, for `present` is
 * an output with bytes of its own. */
static dms_code join_past(dms_lowering *lo, const dms_node *node, uint32_t past, uint32_t present,
                          dms_lowered_operand *fresh, dms_status *st) {
    const bool has_past = dms_in(dms_lower_graph(lo), node, past) != NULL;
    const bool has_present = dms_out(dms_lower_graph(lo), node, present) != NULL;
    const int64_t axis = 2;
    dms_lowered_operand operand[3] = {0};
    if (!has_past && !has_present)
        return DMS_OK;
    if (has_past)
        operand[0] = dms_lower_operand(lo, node->in[past]);
    operand[1] = *fresh;
    int64_t dim[4] = {fresh->view.dim[0], fresh->view.dim[1], fresh->view.dim[2],
                      fresh->view.dim[3]};
    dim[2] += has_past ? operand[0].view.dim[2] : 0;
    if (has_present)
        operand[2] = dms_lower_operand(lo, node->out[present]);
    else
        DMS_TRY(dms_lower_temp(lo, fresh->view.dtype, 4, dim, &operand[2], st));
    *fresh = operand[2];
    if (!has_past || operand[0].view.dim[2] == 0)
        return dms_lower_copy(lo, node, operand[1], operand[2], st);
    return dms_lower_call(lo, node, DMS_K_CONCAT, 2, 1, operand, 1, &axis, 0, NULL, st);
}

/* The mask of the node over [b,h,s,t]: bool, or f32. */
static dms_code take_mask(dms_lowering *lo, const dms_node *node, const sizes *z,
                          dms_lowered_operand *out, dms_status *st) {
    const int64_t dim[4] = {z->b, z->h, z->s, z->t}, saturate = 1;
    const dms_tensor *mask = dms_in(dms_lower_graph(lo), node, MASK);
    dms_lowered_operand cast[2] = {dms_lower_operand(lo, node->in[MASK])};
    if (mask->dtype != DMS_DTYPE_BOOL && mask->dtype != DMS_DTYPE_F32) {
        DMS_TRY(
            dms_lower_temp(lo, DMS_DTYPE_F32, cast[0].view.rank, cast[0].view.dim, &cast[1], st));
        DMS_TRY(dms_lower_call(lo, node, DMS_K_CAST, 1, 1, cast, 1, &saturate, 0, NULL, st));
        cast[0] = cast[1];
    }
    *out = cast[0];
    if (!dms_view_expand(&out->view, 4, dim, &out->view))
        return dms_node_fail(node, st, "attn_mask '%.120s' does not broadcast to the scores",
                             mask->name);
    return DMS_OK;
}

/* Which of [s,t] a causal row may see, as a bool constant repeated over b and h. With a past of 1,
 * 3 new rows of k and 2 of q:
 *
 *   here     1 1 . .      aligned at the end, as the kernel does     1 1 1 .
 *            1 1 1 .                                                 1 1 1 1
 */
static dms_code make_triangle(dms_lowering *lo, const dms_node *node, const sizes *z,
                              dms_lowered_operand *out, dms_status *st) {
    const int64_t dim[2] = {z->s, z->t}, whole[4] = {z->b, z->h, z->s, z->t};
    uint8_t *seen;
    if (z->s != 0 && z->t > (int64_t)LARGEST_TRIANGLE / z->s)
        return dms_node_fail(node, st,
                             "causal over %" PRId64 " rows and %" PRId64
                             " keys that are no square: its mask exceeds %u elements",
                             z->s, z->t, LARGEST_TRIANGLE);
    DMS_TRY(dms_alloc_st(lo->arena, (uint64_t)(z->s * z->t), 1, "a mask", &seen, st));
    for (int64_t s = 0; s < z->s; s++)
        for (int64_t t = 0; t < z->t; t++)
            seen[s * z->t + t] = t <= s + z->past;
    DMS_TRY(dms_lower_constant(lo, DMS_DTYPE_BOOL, 2, dim, seen, out, st));
    return dms_view_expand(&out->view, 4, whole, &out->view)
               ? DMS_OK
               : dms_node_fail(node, st, "a mask does not broadcast");
}

/* A causal triangle that is no square, joined with the mask where there is one. */
static dms_code add_triangle(dms_lowering *lo, const dms_node *node, const sizes *z, bool has_mask,
                             dms_lowered_operand *mask, dms_status *st) {
    dms_lowered_operand seen, joined, never;
    DMS_TRY(make_triangle(lo, node, z, &seen, st));
    if (!has_mask) {
        *mask = seen;
        return DMS_OK;
    }
    DMS_TRY(dms_lower_temp(lo, mask->view.dtype, 4, mask->view.dim, &joined, st));
    if (mask->view.dtype == DMS_DTYPE_BOOL)
        DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_AND, &seen, mask, &joined, st));
    else {
        DMS_TRY(dms_ops_scalar(lo, node, DMS_DTYPE_F32, -INFINITY, 4, mask->view.dim, &never, st));
        const dms_lowered_operand select[4] = {seen, *mask, never, joined};
        DMS_TRY(dms_lower_call(lo, node, DMS_K_SELECT, 3, 1, select, 0, NULL, 0, NULL, st));
    }
    *mask = joined;
    return DMS_OK;
}

/* Views of heads, the past in front, the mask, then one call. */
static dms_code onnx_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    sizes z;
    DMS_TRY(read_sizes(dms_lower_graph(lo), node, &z, st));
    bool has_mask = dms_in(dms_lower_graph(lo), node, MASK) != NULL;
    const bool is_causal = dms_node_int(node, "is_causal", 0) != 0;
    const bool is_triangle = is_causal && z.fresh != z.s;
    dms_lowered_operand operand[5];
    DMS_TRY(take_heads(lo, node, Q, z.h, &operand[0], st));
    DMS_TRY(take_heads(lo, node, K, z.hk, &operand[1], st));
    DMS_TRY(take_heads(lo, node, V, z.hk, &operand[2], st));
    DMS_TRY(join_past(lo, node, PAST_K, PRESENT_K, &operand[1], st));
    DMS_TRY(join_past(lo, node, PAST_V, PRESENT_V, &operand[2], st));
    if (has_mask)
        DMS_TRY(take_mask(lo, node, &z, &operand[3], st));
    if (is_triangle)
        DMS_TRY(add_triangle(lo, node, &z, has_mask, &operand[3], st));
    has_mask |= is_triangle;
    dms_lowered_operand *y = &operand[has_mask ? 4 : 3];
    *y = dms_lower_operand(lo, node->out[Y]);
    DMS_TRY(split_heads(node, y, z.h, st));
    const parameters p = {.causal = is_causal && !is_triangle,
                          .mask_kind = !has_mask                                 ? MASK_NONE
                                       : operand[3].view.dtype == DMS_DTYPE_BOOL ? MASK_BOOL
                                                                                 : MASK_ADDED,
                          .empty_row = EMPTY_NAN,
                          .scale = dms_node_float(node, "scale", 1.0 / sqrt((double)z.d)),
                          .softcap = dms_node_float(node, "softcap", 0.0)};
    return emit(lo, node, &p, operand, st);
}

static const dms_op rows[] = {
    {.name = "Attention",
     .domain = "dms",
     .since = 1,
     .min_in = 3,
     .max_in = 4,
     .min_out = 1,
     .max_out = 1,
     .infer = own_infer,
     .lower = own_lower},
    {.name = "Attention",
     .since = 23,
     .min_in = 3,
     .max_in = 6,
     .min_out = 1,
     .max_out = 4,
     .infer = onnx_infer,
     .lower = onnx_lower},
};

DMS_OPS_FAMILY(attention);
