/* attention.c - attention as one operator: what rewriting makes of the exporters' patterns.
 *
 * dms.Attention: q[b,h,s,d], k[b,hk,t,d], v[b,hk,t,e] (, mask) -> y[b,h,s,e]; the mask broadcasts to
 * [b,h,s,t]. Attributes: causal (int), mask_kind (0 none, 1 added, 2 bool), empty_row (0 zero,
 * 1 uniform, 2 NaN), scale, softcap (floats). No opset range: the file format never holds it.
 */
#include <inttypes.h>

#include "onnx/ops/ops.h"

#define MASK_ADDED 1

/* The attributes as they stand in the node. */
typedef struct attention {
    int64_t causal, mask_kind, empty_row;
    double scale, softcap;
} attention;

static attention read_attributes(const dms_node *node) {
    return (attention){.causal = dms_node_int(node, "causal", 0),
                       .mask_kind = dms_node_int(node, "mask_kind", 0),
                       .empty_row = dms_node_int(node, "empty_row", 0),
                       .scale = dms_node_float(node, "scale", 1.0),
                       .softcap = dms_node_float(node, "softcap", 0.0)};
}

/* y[b,h,s,e] from q[b,h,s,d] and v[b,hk,t,e]. */
static dms_code attention_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *q = dms_in(graph, node, 0), *k = dms_in(graph, node, 1),
                     *v = dms_in(graph, node, 2);
    if (q->rank != 4 || k->rank != 4 || v->rank != 4)
        return dms_node_fail(node, st,
                             "q, k, v have ranks %" PRIu32 ", %" PRIu32 ", %" PRIu32 ", wanted 4",
                             q->rank, k->rank, v->rank);
    const int64_t dim[4] = {dms_extent(q, 0), dms_extent(q, 1), dms_extent(q, 2), dms_extent(v, 3)};
    return dms_set_output(graph, node, 0, q->dtype, 4, dim, st);
}

/* The mask as a view of dims [b,h,s,t]. */
static dms_code widen_mask(dms_lowering *lo, const dms_node *node, dms_lowered_operand *mask,
                           dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *q = dms_in(graph, node, 0), *k = dms_in(graph, node, 1);
    const int64_t dim[4] = {dms_extent(q, 0), dms_extent(q, 1), dms_extent(q, 2), dms_extent(k, 2)};
    *mask = dms_lower_operand(lo, node->in[3]);
    if (!dms_view_expand(&mask->view, 4, dim, &mask->view))
        return dms_node_fail(node, st, "the mask does not broadcast to the scores");
    return DMS_OK;
}

static dms_code attention_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const attention a = read_attributes(node);
    dms_lowered_operand operand[5];
    uint32_t n = 0;
    for (uint32_t k = 0; k < 3; k++)
        operand[n++] = dms_lower_operand(lo, node->in[k]);
    if (a.mask_kind != 0)
        DMS_TRY(widen_mask(lo, node, &operand[n++], st));
    operand[n] = dms_lower_operand(lo, node->out[0]);
    const int64_t i[3] = {a.causal, a.mask_kind, a.empty_row};
    const double f[2] = {a.scale, a.softcap};
    return dms_lower_call(lo, node, DMS_K_ATTENTION, n, 1, operand, 3, i, 2, f, st);
}

static const dms_op rows[] = {
    {.name = "Attention",
     .domain = "dms",
     .since = 1,
     .min_in = 3,
     .max_in = 4,
     .min_out = 1,
     .max_out = 1,
     .infer = attention_infer,
     .lower = attention_lower},
};

const dms_op_family dms_ops_attention = {rows, sizeof rows / sizeof *rows};
