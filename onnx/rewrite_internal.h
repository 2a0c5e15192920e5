/* rewrite_internal.h - what patterns are written with.
 *
 * Reads    producers and uses of tensors.
 * Returns  the nodes of a pattern; new nodes before the one that is replaced.
 * Cost     O(1) each.
 * Source   none.
 * Not here the patterns (one file each).
 */
#ifndef DMS_ONNX_REWRITE_INTERNAL_H
#define DMS_ONNX_REWRITE_INTERNAL_H

#include "onnx/graph.h"
#include "onnx/op.h"
#include "onnx/rewrite.h"

#define DMS_NEW_OPERANDS 16u
#define DMS_NEW_ATTRS 12u

typedef struct dms_rewriter {
    dms_graph *graph;
    dms_folder *folder;
    dms_arena *scratch;
    uint32_t *n_uses; /* of the tensors there were at the start of the pass */
    uint32_t n_counted;
    dms_order order; /* nodes so far, new ones included */
} dms_rewriter;

/* A node to be made. `out` DMS_NONE makes a new tensor. */
typedef struct dms_new_node {
    const char *op, *domain;
    uint32_t version;
    uint32_t n_in, in[DMS_NEW_OPERANDS];
    uint32_t out;
    uint32_t n_attrs;
    dms_attr attr[DMS_NEW_ATTRS];
} dms_new_node;

/* A pattern: replaces node `id`, the last of its nodes, when it matches; sets *out_done. */
typedef dms_code (*dms_pattern)(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* The node of ai.onnx that makes a tensor by this operator, or NULL. */
const dms_node *dms_made_by(const dms_rewriter *rw, uint32_t tensor, const char *op);

/* Whether a tensor is used by one node (or not at all) and is no output. */
bool dms_used_once(const dms_rewriter *rw, uint32_t tensor);

/* Uses of a tensor, outputs of the graph included. */
uint32_t dms_uses(const dms_rewriter *rw, uint32_t tensor);

/* The value of a constant of one element. */
bool dms_is_scalar(const dms_rewriter *rw, uint32_t tensor, double *out);

/* Whether a tensor is a scalar within a few roundings of `value`. */
bool dms_is_value(const dms_rewriter *rw, uint32_t tensor, double value);

/* If a tensor is another one times a scalar (Mul, Div), that one, and *scale is multiplied. */
uint32_t dms_unscale(const dms_rewriter *rw, uint32_t tensor, double *scale);

/* If a tensor is a Cast of another one, both of reals, that one. */
uint32_t dms_uncast(const dms_rewriter *rw, uint32_t tensor);

/* Whether a tensor is a constant, or a chain of views over one: which, and how it lies in it. */
bool dms_view_of_constant(dms_rewriter *rw, uint32_t tensor, uint32_t *out_root, dms_view *out);

/* Appends a node, named after node `like`, with shapes inferred; folds it where that is possible.
 * *out is its output. */
DMS_CHECKED dms_code dms_add_node(dms_rewriter *rw, const dms_new_node *what, uint32_t like,
                                  uint32_t *out, dms_status *st);

/* An integer attribute of a new node. */
static inline dms_attr dms_attr_int(const char *name, int64_t value) {
    return (dms_attr){.name = name, .kind = DMS_ATTR_INT, .i = value, .tensor = DMS_NONE};
}

/* A real attribute of a new node. */
static inline dms_attr dms_attr_float(const char *name, double value) {
    return (dms_attr){.name = name, .kind = DMS_ATTR_FLOAT, .f = (float)value, .tensor = DMS_NONE};
}

/* Lets equal small constants, and nodes equal in operator, attributes and operands, be one. Nodes
 * that are left over are gone.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_unite_equal(dms_graph *graph, dms_arena *scratch, dms_status *st);

/* What moves elements between DequantizeLinear and QuantizeLinear of one scale: on bytes. */
dms_code dms_match_moved_bytes(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Concat between them: of bytes. */
dms_code dms_match_joined_bytes(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* A function of one element, or nothing, between them: dms.Lookup. */
dms_code dms_match_lookup(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Conv, MatMul or Gemm between them: dms.QLinearConv, dms.QLinearMatMul. */
dms_code dms_match_product_of_bytes(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* The same where the result stays real. */
dms_code dms_match_real_product(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Nodes of constants, kept for the patterns before: folded. */
dms_code dms_match_known(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* ScatterND of a whole tensor, element by element: Identity. */
dms_code dms_match_scatter(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Attention 23 whose k and v are repeated for every head of q: takes them before the repeat. */
dms_code dms_match_repeated(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Attention 23 whose mask holds a triangle, or repeats over queries: dms.Attention without it. */
dms_code dms_match_masked(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Scores, mask, softmax and the product with v: dms.Attention. */
dms_code dms_match_attention(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Decomposed LayerNormalization. Goes before the next, which is a part of it. */
dms_code dms_match_layer_norm(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Decomposed RMSNormalization. */
dms_code dms_match_rms_norm(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Decomposed Gelu, with Erf or Tanh. */
dms_code dms_match_gelu(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* Concat(-b, a) times a smaller factor: Concat(b, a) times the factor with other signs. */
dms_code dms_match_rotary(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* x Sigmoid(x): dms.Silu. */
dms_code dms_match_silu(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

/* MatMul with constant weight plus constant bias: dms.Linear. */
dms_code dms_match_linear(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st);

#endif
