/* rewrite_activation.c - GELU and SiLU from their parts, and the bias of a product.
 *
 *     GELU       0.5 x (1 + Erf(x / sqrt 2))             factors in any order
 *     GELU tanh  0.5 x (1 + Tanh(0.79788 (x + 0.044715 x^3)))
 *     SiLU       x Sigmoid(x)
 *     Linear     MatMul(x, w) + b, w and b constant
 */
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"

#define NEWEST 23u
#define MOST_FACTORS 3u

/* A product taken apart: a number and what it multiplies. */
typedef struct factors {
    double number;
    uint32_t n, tensor[MOST_FACTORS];
} factors;

/* Collects the factors of `id`; products inside must have no other use. */
static void collect(const dms_rewriter *rw, uint32_t id, uint32_t depth, factors *f) {
    const dms_node *mul = dms_made_by(rw, id, "Mul");
    double number;
    if (dms_is_scalar(rw, id, &number)) {
        f->number *= number;
        return;
    }
    if (mul != NULL && depth < 3 && (depth == 0 || dms_used_once(rw, id))) {
        collect(rw, mul->in[0], depth + 1, f);
        collect(rw, mul->in[1], depth + 1, f);
        return;
    }
    if (f->n < MOST_FACTORS)
        f->tensor[f->n] = id;
    f->n++;
}

/* Exporters round constants to the type of `like`: half a unit of a bf16 is 0.2 %. */
static bool is_near(const dms_rewriter *rw, uint32_t like, double value, double wanted) {
    const bool is_brain = rw->graph->tensor[like].dtype == DMS_DTYPE_BF16;
    return fabs(value - wanted) <= (is_brain ? 2e-3 : 1e-3) * fabs(wanted);
}

/* What 1 is added to, else DMS_NONE. */
static uint32_t plus_one(const dms_rewriter *rw, uint32_t id) {
    const dms_node *add = dms_made_by(rw, id, "Add");
    if (add == NULL || !dms_used_once(rw, id))
        return DMS_NONE;
    const uint32_t side = dms_is_value(rw, add->in[0], 1) ? 1 : 0;
    return dms_is_value(rw, add->in[1 - side], 1) && dms_used_once(rw, add->in[side])
               ? add->in[side]
               : DMS_NONE;
}

/* The exponent of x that a factor stands for: x itself or Pow(x, constant); 0 for anything else. */
static double exponent_of(const dms_rewriter *rw, uint32_t id, uint32_t x) {
    const dms_node *power = dms_made_by(rw, id, "Pow");
    double exponent;
    if (id == x)
        return 1;
    return power != NULL && power->in[0] == x && dms_is_scalar(rw, power->in[1], &exponent)
               ? exponent
               : 0;
}

/* `id` is 0.044715 x^3, its factors in any order. */
static bool is_scaled_cube(const dms_rewriter *rw, uint32_t id, uint32_t x) {
    factors f = {.number = 1};
    double exponent = 0;
    collect(rw, id, 0, &f);
    for (uint32_t k = 0; k < f.n && k < MOST_FACTORS; k++) {
        const double one = exponent_of(rw, f.tensor[k], x);
        if (one == 0)
            return false;
        exponent += one;
    }
    return f.n <= MOST_FACTORS && exponent == 3 && is_near(rw, x, f.number, 0.044715);
}

/* `id` is x + 0.044715 x^3. */
static bool is_cubic(const dms_rewriter *rw, uint32_t id, uint32_t x) {
    const dms_node *add = dms_made_by(rw, id, "Add");
    if (add == NULL || !dms_used_once(rw, id))
        return false;
    const uint32_t side = add->in[0] == x ? 1 : 0;
    return add->in[1 - side] == x && dms_used_once(rw, add->in[side]) &&
           is_scaled_cube(rw, add->in[side], x);
}

/* `id` is 1 + Erf(..) or 1 + Tanh(..) of x as GELU has it: its attribute, else NULL. */
static const char *gelu_of(const dms_rewriter *rw, uint32_t id, uint32_t x) {
    const uint32_t inner = plus_one(rw, id);
    const dms_node *erf_node = dms_made_by(rw, inner, "Erf");
    const dms_node *tanh_node = dms_made_by(rw, inner, "Tanh");
    double scale = 1;
    if (erf_node != NULL && dms_unscale(rw, erf_node->in[0], &scale) == x)
        return is_near(rw, x, scale, 0.70710678) ? "none" : NULL;
    scale = 1;
    if (tanh_node == NULL || !is_cubic(rw, dms_unscale(rw, tanh_node->in[0], &scale), x))
        return NULL;
    return is_near(rw, x, scale, 0.79788456) ? "tanh" : NULL;
}

/* Replaces a node by one with one input. */
static dms_code replace(dms_rewriter *rw, uint32_t id, dms_new_node *by, bool *out_done,
                        dms_status *st) {
    uint32_t ignored;
    by->out = rw->graph->node[id].out[0];
    DMS_TRY(dms_add_node(rw, by, id, &ignored, st));
    *out_done = true;
    return DMS_OK;
}

/* Both factors have the shape of the product: nothing is broadcast. */
static bool same_shape(const dms_rewriter *rw, uint32_t a, uint32_t b) {
    const dms_tensor *x = &rw->graph->tensor[a], *y = &rw->graph->tensor[b];
    bool same = x->rank == y->rank && x->dtype == y->dtype;
    for (uint32_t k = 0; same && k < x->rank; k++)
        same = dms_extent(x, k) == dms_extent(y, k);
    return same;
}

dms_code dms_match_gelu(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    factors f = {.number = 1};
    if (strcmp(node->op, "Mul") != 0 || node->is_gone)
        return DMS_OK;
    collect(rw, node->out[0], 0, &f);
    if (f.n != 2 || !is_near(rw, node->out[0], f.number, 0.5))
        return DMS_OK;
    for (uint32_t side = 0; side < 2; side++) {
        const uint32_t x = f.tensor[side];
        const char *form = gelu_of(rw, f.tensor[1 - side], x);
        if (form == NULL || !same_shape(rw, x, node->out[0]))
            continue;
        dms_new_node gelu = {
            .op = "Gelu",
            .domain = "",
            .version = NEWEST,
            .n_in = 1,
            .in = {x},
            .n_attrs = 1,
            .attr = {
                {.name = "approximate", .kind = DMS_ATTR_STRING, .s = form, .tensor = DMS_NONE}}};
        return replace(rw, id, &gelu, out_done, st);
    }
    return DMS_OK;
}

dms_code dms_match_silu(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    if (strcmp(node->op, "Mul") != 0 || node->n_in != 2)
        return DMS_OK;
    for (uint32_t side = 0; side < 2; side++) {
        const dms_node *sigmoid = dms_made_by(rw, node->in[side], "Sigmoid");
        const uint32_t x = node->in[1 - side];
        if (sigmoid == NULL || sigmoid->in[0] != x || !dms_used_once(rw, node->in[side]) ||
            !dms_dtype_is_float((uint32_t)rw->graph->tensor[x].dtype))
            continue;
        dms_new_node silu = {.op = "Silu", .domain = "dms", .version = 1, .n_in = 1, .in = {x}};
        return replace(rw, id, &silu, out_done, st);
    }
    return DMS_OK;
}

/* A constant with `n` elements along its last axis and no others. */
static bool is_row(const dms_tensor *t, int64_t n) {
    return dms_tensor_is_constant(t) && t->rank != 0 && dms_extent(t, t->rank - 1) == n &&
           t->bytes / dms_dtype_bytes((uint32_t)t->dtype) == (uint64_t)n;
}

/* A bias of shape [1,..,n] as [n]: the same bytes. */
static dms_code flatten_bias(dms_rewriter *rw, uint32_t id, uint32_t *bias, dms_status *st) {
    const dms_tensor *t = &rw->graph->tensor[*bias];
    const int64_t one = 1;
    int64_t *n;
    uint32_t shape;
    if (t->rank == 1)
        return DMS_OK;
    DMS_TRY(dms_alloc_st(rw->graph->arena, 1, sizeof *n, "a shape", &n, st));
    *n = dms_extent(t, t->rank - 1);
    DMS_TRY(dms_graph_add_constant(rw->graph, "shape", DMS_DTYPE_I64, 1, &one, n, &shape, st));
    const dms_new_node flat = {.op = "Reshape",
                               .domain = "",
                               .version = NEWEST,
                               .n_in = 2,
                               .in = {*bias, shape},
                               .out = DMS_NONE};
    return dms_add_node(rw, &flat, id, bias, st);
}

/* MatMul(x, w) that may take `bias`: w a constant matrix, nothing else uses the product. */
static const dms_node *product_for(const dms_rewriter *rw, uint32_t product, uint32_t bias) {
    const dms_graph *graph = rw->graph;
    const dms_node *node = dms_made_by(rw, product, "MatMul");
    if (node == NULL || !dms_used_once(rw, product))
        return NULL;
    const dms_tensor *x = &graph->tensor[node->in[0]], *w = &graph->tensor[node->in[1]];
    const dms_tensor *b = &graph->tensor[bias];
    const bool fits = dms_tensor_is_constant(w) && w->rank == 2 && dms_extent(w, 0) != 0 &&
                      dms_dtype_is_float((uint32_t)w->dtype) && x->rank >= 2 &&
                      b->rank <= x->rank && is_row(b, dms_extent(w, 1));
    return fits ? node : NULL;
}

dms_code dms_match_linear(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    if (strcmp(node->op, "Add") != 0 || node->n_in != 2)
        return DMS_OK;
    for (uint32_t side = 0; side < 2; side++) {
        uint32_t bias = node->in[1 - side];
        const dms_node *product = product_for(rw, node->in[side], bias);
        if (product == NULL)
            continue;
        dms_new_node linear = {.op = "Linear",
                               .domain = "dms",
                               .version = 1,
                               .n_in = 3,
                               .in = {product->in[0], product->in[1], bias}};
        DMS_TRY(flatten_bias(rw, id, &linear.in[2], st));
        return replace(rw, id, &linear, out_done, st);
    }
    return DMS_OK;
}
