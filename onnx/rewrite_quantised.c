/* rewrite_quantised.c - what stands between DequantizeLinear and QuantizeLinear, on bytes.
 *
 *     DQ, DQ (, DQ) -> Conv, MatMul, Gemm (-> Relu, Clip) -> Q     dms.QLinearConv, ..MatMul
 *     the same without Q                                           the same, f32
 *     DQ -> Reshape, Transpose, MaxPool, ... -> Q, one scale       the same operator on bytes
 *     DQ, DQ, ... -> Concat -> Q                                   Concat of bytes
 *     DQ -> any function of one element -> Q                       dms.Lookup in its 256 values
 *
 * Every replacement but the products gives the bits of what it replaces: whether a scale keeps all
 * 256 numbers apart is computed, and tables are folded from the very nodes that they stand for. A
 * product is rounded once instead of at every step: it may differ where a result lies on a tie.
 *
 * Relu and Clip behind a product are bounds, since quantising keeps the order.
 */
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"

#define BYTES (DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_I8))

enum { TABLE = 256 };

/* A tensor as DequantizeLinear reads, or QuantizeLinear makes it. */
typedef struct quantised {
    uint32_t bytes, scale, zero; /* zero: DMS_NONE where there is none */
    uint32_t real;               /* the tensor on the other side */
    uint32_t node;
    int64_t axis;
    dms_dtype dtype;
} quantised;

/* One scale for all: a number, and a zero that is one. */
typedef struct scaling {
    float scale;
    int32_t zero;
    dms_dtype dtype;
} scaling;

static const dms_tensor *tensor_at(const dms_rewriter *rw, uint32_t id) {
    return &rw->graph->tensor[id];
}

static bool is_of(const dms_rewriter *rw, uint32_t id, uint32_t dtypes) {
    return (DMS_DTYPE_BIT((uint32_t)tensor_at(rw, id)->dtype) & dtypes) != 0;
}

/* Input k of a node, DMS_NONE where it is absent. */
static uint32_t input_of(const dms_node *node, uint32_t k) {
    return k < node->n_in ? node->in[k] : DMS_NONE;
}

static bool has_blocks(const dms_node *node) {
    return dms_node_int(node, "block_size", 0) != 0;
}

/* `id` is DequantizeLinear in f32. */
static bool is_dequantised(const dms_rewriter *rw, uint32_t id, quantised *out) {
    const dms_node *node = dms_made_by(rw, id, "DequantizeLinear");
    if (node == NULL || has_blocks(node) || !is_of(rw, id, DMS_DTYPE_BIT(DMS_DTYPE_F32)))
        return false;
    *out = (quantised){node->in[0],
                       node->in[1],
                       input_of(node, 2),
                       id,
                       (uint32_t)(node - rw->graph->node),
                       dms_node_int(node, "axis", 1),
                       tensor_at(rw, node->in[0])->dtype};
    return true;
}

/* Node `id` is QuantizeLinear of an f32 to bytes. */
static bool is_quantising(const dms_rewriter *rw, uint32_t id, quantised *out) {
    const dms_node *node = &rw->graph->node[id];
    if (node->is_gone || dms_made_by(rw, node->out[0], "QuantizeLinear") != node ||
        has_blocks(node) || !is_of(rw, node->out[0], BYTES) ||
        !is_of(rw, node->in[0], DMS_DTYPE_BIT(DMS_DTYPE_F32)))
        return false;
    *out = (quantised){node->out[0],
                       node->in[1],
                       input_of(node, 2),
                       node->in[0],
                       id,
                       dms_node_int(node, "axis", 1),
                       tensor_at(rw, node->out[0])->dtype};
    return true;
}

/* Its scale and zero, where they are two known numbers. */
static bool is_scaled(const dms_rewriter *rw, const quantised *q, scaling *out) {
    double scale, zero = 0;
    if (!is_of(rw, q->bytes, BYTES) || !is_of(rw, q->scale, DMS_DTYPE_BIT(DMS_DTYPE_F32)) ||
        tensor_at(rw, q->scale)->rank > 1 || !dms_is_scalar(rw, q->scale, &scale) ||
        (q->zero != DMS_NONE && !dms_is_scalar(rw, q->zero, &zero)))
        return false;
    *out = (scaling){(float)scale, (int32_t)zero, q->dtype};
    return true;
}

static int32_t lowest(dms_dtype dtype) {
    return dtype == DMS_DTYPE_I8 ? -128 : 0;
}

/* A real, quantised as DMS_K_QUANTIZE does it. */
static int32_t quantise(float x, const scaling *s) {
    const float low = (float)lowest(s->dtype), v = rintf(x / s->scale) + (float)s->zero;
    const float bounded = v > low ? v : low;
    return (int32_t)(bounded < low + 255.0f ? bounded : low + 255.0f);
}

/* Both have one scale, at which every number comes back as it was, and larger ones stay larger. */
static bool keep_numbers(const scaling *a, const scaling *b) {
    if (a->dtype != b->dtype || a->scale != b->scale || a->zero != b->zero || !(a->scale > 0))
        return false;
    const int32_t low = lowest(a->dtype);
    for (int32_t k = low; k < low + TABLE; k++)
        if (quantise((float)(k - a->zero) * a->scale, a) != k)
            return false;
    return true;
}

/* A node like another, but for its inputs and its output. */
static dms_new_node like_node(const dms_node *node, uint32_t out) {
    dms_new_node made = {.op = node->op,
                         .domain = node->domain,
                         .version = node->version,
                         .n_in = node->n_in,
                         .out = out,
                         .n_attrs = node->n_attrs};
    memcpy(made.in, node->in, node->n_in * sizeof *node->in);
    if (node->n_attrs > 0)
        memcpy(made.attr, node->attr, node->n_attrs * sizeof *node->attr);
    return made;
}

/* Whether like_node has room for it. */
static bool fits(const dms_node *node) {
    return node->n_in <= DMS_NEW_OPERANDS && node->n_attrs <= DMS_NEW_ATTRS && node->n_out == 1;
}

/* The node of ai.onnx that makes the real of a QuantizeLinear and nothing else; NULL else. */
static const dms_node *inner_of(const dms_rewriter *rw, uint32_t id) {
    const dms_tensor *t = tensor_at(rw, id);
    if (t->origin != DMS_ORIGIN_NODE || t->producer == DMS_NONE || !dms_used_once(rw, id))
        return NULL;
    const dms_node *node = &rw->graph->node[t->producer];
    return dms_made_by(rw, id, node->op) == node && node->out[0] == id && fits(node) ? node : NULL;
}

/* A constant byte. */
static dms_code add_byte(dms_rewriter *rw, dms_dtype dtype, int32_t value, uint32_t *out,
                         dms_status *st) {
    uint8_t *data;
    DMS_TRY(dms_alloc_st(rw->graph->arena, 1, 1, "a zero", &data, st));
    *data = (uint8_t)value;
    return dms_graph_add_constant(rw->graph, "zero", dtype, 0, NULL, data, out, st);
}

/* Makes the node in place of `id`. */
static dms_code put(dms_rewriter *rw, uint32_t id, const dms_new_node *made, bool *out_done,
                    dms_status *st) {
    uint32_t ignored;
    *out_done = true;
    return dms_add_node(rw, made, id, &ignored, st);
}

/* ---- what moves elements ------------------------------------------------------------------- */

/* Operators whose results are elements of their first input, or the greatest of some. */
static const char *const moving[] = {
    "Reshape", "Transpose", "Squeeze",  "Unsqueeze",    "Flatten",      "Slice",  "Gather",
    "Expand",  "Tile",      "Identity", "DepthToSpace", "SpaceToDepth", "MaxPool"};

static bool is_nearest(const dms_node *node) {
    const char *mode = dms_node_string(node, "mode", "nearest");
    const char *where = dms_node_string(node, "coordinate_transformation_mode", "half_pixel");
    return strcmp(node->op, "Resize") == 0 && strcmp(mode, "nearest") == 0 &&
           strcmp(where, "tf_crop_and_resize") != 0;
}

static bool is_moving(const dms_node *node) {
    for (uint32_t k = 0; k < sizeof moving / sizeof *moving; k++)
        if (strcmp(node->op, moving[k]) == 0)
            return true;
    return is_nearest(node);
}

/* Pad with a constant 0, or with elements of its input. The zero of the bytes stands for 0. */
static bool is_padding(const dms_rewriter *rw, const dms_node *node) {
    double value = 0;
    return strcmp(node->op, "Pad") == 0 && node->version >= 11 &&
           (input_of(node, 2) == DMS_NONE ||
            (dms_is_scalar(rw, node->in[2], &value) && value == 0));
}

dms_code dms_match_moved_bytes(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    quantised after, before;
    scaling a, b;
    if (!is_quantising(rw, id, &after) || !is_scaled(rw, &after, &b))
        return DMS_OK;
    const dms_node *inner = inner_of(rw, after.real);
    if (inner == NULL || inner->n_in == 0 || inner->in[0] == DMS_NONE ||
        !is_dequantised(rw, inner->in[0], &before) || !is_scaled(rw, &before, &a) ||
        !keep_numbers(&a, &b))
        return DMS_OK;
    const bool pads = is_padding(rw, inner);
    if (!pads && !is_moving(inner))
        return DMS_OK;
    dms_new_node made = like_node(inner, after.bytes);
    made.in[0] = before.bytes;
    if (pads) {
        for (; made.n_in < 3; made.n_in++)
            made.in[made.n_in] = DMS_NONE;
        DMS_TRY(add_byte(rw, a.dtype, a.zero, &made.in[2], st));
    }
    return put(rw, id, &made, out_done, st);
}

/* ---- functions of one element -------------------------------------------------------------- */

/* Operators with one varying operand, which act on each element by itself. */
static const char *const elementwise[] = {
    "Relu", "LeakyRelu", "Sigmoid",  "Tanh",  "HardSigmoid", "HardSwish", "Elu", "Selu",
    "Celu", "Softplus",  "Softsign", "Clip",  "Exp",         "Abs",       "Neg", "Sqrt",
    "Erf",  "Gelu",      "Mish",     "Floor", "Ceil",        "Round"};

static bool is_elementwise(const dms_node *node) {
    for (uint32_t k = 0; k < sizeof elementwise / sizeof *elementwise; k++)
        if (strcmp(node->op, elementwise[k]) == 0)
            return true;
    return false;
}

/* Other operands than the first are known. */
static bool has_constants(const dms_rewriter *rw, const dms_node *node) {
    for (uint32_t k = 1; k < node->n_in; k++)
        if (node->in[k] != DMS_NONE && !dms_tensor_is_constant(tensor_at(rw, node->in[k])))
            return false;
    return true;
}

/* All 256 numbers of a type, by their bits. */
static dms_code add_numbers(dms_rewriter *rw, dms_dtype dtype, uint32_t *out, dms_status *st) {
    const int64_t dim = TABLE;
    uint8_t *data;
    DMS_TRY(dms_alloc_st(rw->graph->arena, TABLE, 1, "a table", &data, st));
    for (uint32_t k = 0; k < TABLE; k++)
        data[k] = (uint8_t)k;
    return dms_graph_add_constant(rw->graph, "numbers", dtype, 1, &dim, data, out, st);
}

/* What `after` makes of every number that `before` dequantises, with `inner` (or nothing) in
 * between: nodes on constants, which fold. */
static dms_code add_table(dms_rewriter *rw, const quantised *before, uint32_t inner,
                          const quantised *after, uint32_t *out, dms_status *st) {
    uint32_t numbers;
    DMS_TRY(add_numbers(rw, before->dtype, &numbers, st));
    dms_new_node node = like_node(&rw->graph->node[before->node], DMS_NONE);
    node.in[0] = numbers;
    DMS_TRY(dms_add_node(rw, &node, after->node, &numbers, st));
    if (inner != DMS_NONE) {
        node = like_node(&rw->graph->node[inner], DMS_NONE);
        node.in[0] = numbers;
        DMS_TRY(dms_add_node(rw, &node, after->node, &numbers, st));
    }
    node = like_node(&rw->graph->node[after->node], DMS_NONE);
    node.in[0] = numbers;
    return dms_add_node(rw, &node, after->node, out, st);
}

static dms_new_node lookup_of(uint32_t bytes, uint32_t table, uint32_t out) {
    return (dms_new_node){
        .op = "Lookup", .domain = "dms", .version = 1, .n_in = 2, .in = {bytes, table}, .out = out};
}

dms_code dms_match_lookup(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    quantised after, before;
    scaling a, b;
    uint32_t inner = DMS_NONE, table;
    if (!is_quantising(rw, id, &after) || !is_scaled(rw, &after, &b))
        return DMS_OK;
    if (!is_dequantised(rw, after.real, &before)) {
        const dms_node *node = inner_of(rw, after.real);
        if (node == NULL || !is_elementwise(node) || !has_constants(rw, node) ||
            !is_dequantised(rw, node->in[0], &before))
            return DMS_OK;
        inner = (uint32_t)(node - rw->graph->node);
    }
    if (!is_scaled(rw, &before, &a))
        return DMS_OK;
    DMS_TRY(add_table(rw, &before, inner, &after, &table, st));
    const dms_new_node made = lookup_of(before.bytes, table, after.bytes);
    return put(rw, id, &made, out_done, st);
}

/* Every operand becomes bytes of the result's scale: looked up where it has another. */
dms_code dms_match_joined_bytes(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    quantised after, before[DMS_NEW_OPERANDS];
    scaling a[DMS_NEW_OPERANDS], b;
    if (!is_quantising(rw, id, &after) || !is_scaled(rw, &after, &b))
        return DMS_OK;
    const dms_node *concat = inner_of(rw, after.real);
    if (concat == NULL || strcmp(concat->op, "Concat") != 0)
        return DMS_OK;
    for (uint32_t k = 0; k < concat->n_in; k++)
        if (!is_dequantised(rw, concat->in[k], &before[k]) || !is_scaled(rw, &before[k], &a[k]))
            return DMS_OK;
    dms_new_node made = like_node(concat, after.bytes);
    for (uint32_t k = 0; k < made.n_in; k++) {
        uint32_t table;
        made.in[k] = before[k].bytes;
        if (keep_numbers(&a[k], &b))
            continue;
        DMS_TRY(add_table(rw, &before[k], DMS_NONE, &after, &table, st));
        const dms_new_node lookup = lookup_of(before[k].bytes, table, DMS_NONE);
        DMS_TRY(dms_add_node(rw, &lookup, id, &made.in[k], st));
    }
    return put(rw, id, &made, out_done, st);
}

/* ---- products ------------------------------------------------------------------------------ */

/* A product between its operands and its result. */
typedef struct product {
    quantised a, b, bias, y;
    bool has_bias;
    scaling of_y;
    int64_t low, high;
} product;

/* Takes a Relu or Clip with known bounds off; the tensor in front of it. */
static uint32_t take_bounds(const dms_rewriter *rw, product *p) {
    const dms_node *node = inner_of(rw, p->y.real);
    const bool is_clip = node != NULL && strcmp(node->op, "Clip") == 0 && node->version >= 11;
    double low = 0, high = INFINITY;
    p->low = lowest(p->of_y.dtype);
    p->high = p->low + 255;
    if (node == NULL || (!is_clip && strcmp(node->op, "Relu") != 0))
        return p->y.real;
    if (is_clip) {
        low = -INFINITY;
        if ((input_of(node, 1) != DMS_NONE && !dms_is_scalar(rw, node->in[1], &low)) ||
            (input_of(node, 2) != DMS_NONE && !dms_is_scalar(rw, node->in[2], &high)) ||
            !(low <= high))
            return p->y.real;
    }
    p->low = quantise((float)low, &p->of_y);
    p->high = quantise((float)high, &p->of_y);
    return node->in[0];
}

/* The bias counts in units of a's scale times b's, from 0. */
static bool is_bias(dms_rewriter *rw, const product *p) {
    uint32_t input[3] = {p->bias.scale, p->a.scale, p->b.scale}, n[3];
    const dms_node reader = {.name = "", .op = "", .n_in = 3, .in = input};
    const double *value[3];
    dms_status ignored;
    if (tensor_at(rw, p->bias.bytes)->dtype != DMS_DTYPE_I32)
        return false;
    for (uint32_t k = 0; k < 3; k++)
        if (!dms_tensor_is_constant(tensor_at(rw, input[k])) ||
            dms_real_values(rw->graph, &reader, k, &n[k], &value[k], &ignored) != DMS_OK)
            return false;
    if (n[1] != 1 || (n[0] != n[2] && n[0] != 1 && n[2] != 1))
        return false;
    for (uint32_t k = 0; k < (n[0] > n[2] ? n[0] : n[2]); k++) {
        const double have = value[0][n[0] == 1 ? 0 : k];
        const double want = value[1][0] * value[2][n[2] == 1 ? 0 : k];
        if (!(fabs(have - want) <= 1e-4 * fabs(want)))
            return false;
    }
    return true;
}

/* A zero that is 0 everywhere, or absent. */
static bool is_zero(dms_rewriter *rw, uint32_t id) {
    const dms_node reader = {.name = "", .op = "", .n_in = 1, .in = &id};
    const double *value;
    uint32_t n;
    dms_status ignored;
    if (id == DMS_NONE)
        return true;
    if (!dms_tensor_is_constant(tensor_at(rw, id)) ||
        dms_real_values(rw->graph, &reader, 0, &n, &value, &ignored) != DMS_OK)
        return false;
    for (uint32_t k = 0; k < n; k++)
        if (value[k] != 0)
            return false;
    return true;
}

/* One scale, or one per entry of `axis`. */
static bool is_spread(const dms_rewriter *rw, const quantised *q, int64_t axis) {
    const dms_tensor *t = tensor_at(rw, q->bytes), *scale = tensor_at(rw, q->scale);
    const bool is_single = scale->rank == 0 || (scale->rank == 1 && dms_extent(scale, 0) == 1);
    const int64_t given = q->axis < 0 ? q->axis + (int64_t)t->rank : q->axis;
    return is_of(rw, q->scale, DMS_DTYPE_BIT(DMS_DTYPE_F32)) &&
           (is_single || (scale->rank == 1 && given == axis));
}

/* Operands of a product node that are all dequantised; the columns of b (filters) lie on `axis`. */
static bool take_operands(dms_rewriter *rw, const dms_node *node, int64_t axis, product *p) {
    const uint32_t bias = input_of(node, 2);
    p->has_bias = bias != DMS_NONE;
    return is_dequantised(rw, node->in[0], &p->a) && is_dequantised(rw, node->in[1], &p->b) &&
           is_of(rw, p->a.bytes, BYTES) && is_of(rw, p->b.bytes, BYTES) &&
           is_spread(rw, &p->a, -1) && is_spread(rw, &p->b, axis) &&
           (!p->has_bias ||
            (is_dequantised(rw, bias, &p->bias) && is_bias(rw, p) && is_zero(rw, p->bias.zero)));
}

/* The last axis, where the columns of a matrix are; filters come first. */
static int64_t columns_of(const dms_rewriter *rw, const dms_node *node) {
    if (strcmp(node->op, "Conv") == 0)
        return 0;
    if (strcmp(node->op, "Gemm") == 0)
        return dms_node_int(node, "transB", 0) != 0 ? 0 : 1;
    return (int64_t)tensor_at(rw, node->in[1])->rank - 1;
}

/* Conv, MatMul, or a Gemm that is a product and a vector. */
static bool is_product(const dms_rewriter *rw, const dms_node *node) {
    if (node == NULL || node->n_in < 2)
        return false;
    if (strcmp(node->op, "Gemm") != 0)
        return strcmp(node->op, "Conv") == 0 || strcmp(node->op, "MatMul") == 0;
    const uint32_t c = input_of(node, 2);
    return dms_node_float(node, "alpha", 1) == 1 && dms_node_float(node, "beta", 1) == 1 &&
           dms_node_int(node, "transA", 0) == 0 && (c == DMS_NONE || tensor_at(rw, c)->rank == 1);
}

/* The matrix of a Gemm as MatMul reads it. */
static dms_code add_transposed(dms_rewriter *rw, uint32_t id, uint32_t *b, dms_status *st) {
    const dms_new_node made = {
        .op = "Transpose", .domain = "", .version = 13, .n_in = 1, .in = {*b}, .out = DMS_NONE};
    return dms_add_node(rw, &made, id, b, st);
}

/* Makes the product of bytes in place of node `id`; y.scale and y.zero are DMS_NONE for reals. */
static dms_code put_product(dms_rewriter *rw, uint32_t id, const dms_node *node, product *p,
                            uint32_t out, bool *out_done, dms_status *st) {
    const bool is_conv = strcmp(node->op, "Conv") == 0, is_real = p->y.scale == DMS_NONE;
    const bool is_turned = !is_conv && dms_node_int(node, "transB", 0) != 0;
    dms_new_node made = {.n_attrs = 0};
    if (is_conv)
        made = like_node(node, DMS_NONE);
    if (made.n_attrs + 2 > DMS_NEW_ATTRS)
        return DMS_OK;
    if (is_turned)
        DMS_TRY(add_transposed(rw, id, &p->b.bytes, st));
    if (p->y.zero == DMS_NONE && !is_real)
        DMS_TRY(add_byte(rw, p->of_y.dtype, 0, &p->y.zero, st));
    const uint32_t in[] = {p->a.bytes, p->a.scale, p->a.zero,
                           p->b.bytes, p->b.scale, p->b.zero,
                           p->y.scale, p->y.zero,  p->has_bias ? p->bias.bytes : DMS_NONE};
    made.op = is_conv ? "QLinearConv" : "QLinearMatMul";
    made.domain = "dms";
    made.version = 1;
    made.out = out;
    made.n_in = sizeof in / sizeof *in;
    memcpy(made.in, in, sizeof in);
    if (!is_real) {
        made.attr[made.n_attrs++] = dms_attr_int("low", p->low);
        made.attr[made.n_attrs++] = dms_attr_int("high", p->high);
    }
    return put(rw, id, &made, out_done, st);
}

dms_code dms_match_product_of_bytes(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    product p;
    if (!is_quantising(rw, id, &p.y) || !is_scaled(rw, &p.y, &p.of_y))
        return DMS_OK;
    const dms_node *node = inner_of(rw, take_bounds(rw, &p));
    if (!is_product(rw, node) || !take_operands(rw, node, columns_of(rw, node), &p))
        return DMS_OK;
    return put_product(rw, id, node, &p, p.y.bytes, out_done, st);
}

/* The same where nothing quantises the result: with weights, for a product of two results may be
 * part of an attention, and as reals it is found there. */
dms_code dms_match_real_product(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    product p = {.y = {.scale = DMS_NONE, .zero = DMS_NONE}};
    if (node->is_gone || node->n_out != 1 || !fits(node) ||
        dms_made_by(rw, node->out[0], node->op) != node || !is_product(rw, node) ||
        !take_operands(rw, node, columns_of(rw, node), &p) ||
        !dms_tensor_is_constant(tensor_at(rw, p.b.bytes)))
        return DMS_OK;
    return put_product(rw, id, node, &p, node->out[0], out_done, st);
}

/* ---- what was kept for these patterns ------------------------------------------------------ */

dms_code dms_match_known(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    if (rw->graph->node[id].is_gone)
        return DMS_OK;
    return dms_fold_node(rw->folder, id, out_done, st);
}
