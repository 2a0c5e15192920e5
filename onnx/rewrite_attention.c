/* rewrite_attention.c - the forms in which exporters write attention.
 *
 *     q [b,h,s,d] -- x scale --.
 *                               MatMul -- x scale -- Where(keep, ., c) -- + mask -- Softmax --.
 *     k [b,hk,t,d] -- repeat -- transpose -- x scale --'                  [IsNaN, Where 0] ---'
 *     v [b,hk,t,e] -- repeat ------------------------------------------------------------- MatMul
 *
 * Each part but the products and the softmax may be missing; Casts may stand between any two. Where
 * and + may stand in either order. `repeat` is Unsqueeze, Expand, Reshape (group-query attention).
 * Nothing is replaced when a result in between has another use, so no S x S tensor is left.
 */
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"
#include "onnx/rewrite_mask.h"

#define NEWEST 23u
#define MOST_STEPS 12u
#define HIGHEST_FILL (-1e4) /* fills above it may have weight in the softmax */
enum { EMPTY_ZERO = 0, EMPTY_NAN = 2 };

/* What was found. Tensors are ids or DMS_NONE. */
typedef struct found {
    uint32_t q, k, v;
    bool k_is_transposed; /* k is [b,h,d,t] */
    uint32_t mask;        /* added to the scores */
    uint32_t keep, fill;  /* Where(keep, scores, fill) */
    bool fill_is_inner;   /* it comes before the mask is added */
    double scale;
    int64_t empty_row;
} found;

/* The tensor of an id. */
static const dms_tensor *tensor(const dms_rewriter *rw, uint32_t id) {
    return &rw->graph->tensor[id];
}

/* Its extent along an axis. */
static int64_t extent(const dms_rewriter *rw, uint32_t id, uint32_t axis) {
    return dms_extent(tensor(rw, id), axis);
}

/* Follows a Cast whose result nothing else uses. */
static uint32_t uncast_once(const dms_rewriter *rw, uint32_t id) {
    return dms_used_once(rw, id) ? dms_uncast(rw, id) : id;
}

/* Where(IsNaN(p), 0, p) gives p and an empty row of zeros. */
static uint32_t skip_nan(const dms_rewriter *rw, uint32_t id, found *f) {
    const dms_node *where = dms_made_by(rw, id, "Where");
    double zero;
    if (where == NULL || !dms_used_once(rw, id) || !dms_is_scalar(rw, where->in[1], &zero) ||
        zero != 0)
        return id;
    const dms_node *is_nan = dms_made_by(rw, where->in[0], "IsNaN");
    if (is_nan == NULL || is_nan->in[0] != where->in[2] || !dms_used_once(rw, where->in[0]) ||
        dms_uses(rw, where->in[2]) != 2)
        return id;
    f->empty_row = EMPTY_ZERO;
    return where->in[2];
}

/* The softmax over the last axis that makes the probabilities. Before opset 13 Softmax flattened
 * from its axis on, with 1 as the default: over four axes that is another function, unless the axis
 * is the last. Without a guard a row that is masked whole gives NaN, and so must ours. */
static const dms_node *find_softmax(const dms_rewriter *rw, uint32_t id, found *f) {
    f->empty_row = EMPTY_NAN;
    id = uncast_once(rw, id);
    const uint32_t after = skip_nan(rw, id, f);
    if (after == id && !dms_used_once(rw, id))
        return NULL;
    id = f->empty_row == EMPTY_ZERO ? after : uncast_once(rw, id);
    const dms_node *softmax = dms_made_by(rw, id, "Softmax");
    if (softmax == NULL || tensor(rw, id)->rank != 4)
        return NULL;
    const int64_t axis = dms_node_int(softmax, "axis", softmax->version >= 13 ? -1 : 1);
    return axis == -1 || axis == 3 ? softmax : NULL;
}

/* Every dim is that of the scores or 1. */
static bool broadcasts(const dms_rewriter *rw, uint32_t mask, uint32_t scores) {
    const dms_tensor *m = tensor(rw, mask), *s = tensor(rw, scores);
    if (m->rank > 4)
        return false;
    for (uint32_t k = 0; k < m->rank; k++) {
        const int64_t dim = dms_extent(m, k);
        if (dim != 1 && dim != dms_extent(s, k + 4 - m->rank))
            return false;
    }
    return true;
}

/* Whether `id` leads to a product by the steps that may stand before it: tells the scores from the
 * mask, for Add has its operands in either order. */
static bool leads_to_product(const dms_rewriter *rw, uint32_t id) {
    for (uint32_t n = 0; n < MOST_STEPS; n++) {
        double ignored = 1;
        if (dms_made_by(rw, id, "MatMul") != NULL)
            return dms_used_once(rw, id) && tensor(rw, id)->rank == 4;
        uint32_t next = dms_uncast(rw, dms_unscale(rw, id, &ignored));
        const dms_node *where = dms_made_by(rw, id, "Where");
        next = where != NULL ? where->in[1] : next;
        if (next == id || !dms_used_once(rw, id))
            return false;
        id = next;
    }
    return false;
}

/* Takes Where(keep, scores, fill) off; false when `id` is none. The fill will be added, not put in
 * the place of a score, so it must be far below all scores: 0 or -1 would be another function. */
static bool take_where(const dms_rewriter *rw, uint32_t *id, found *f) {
    const dms_node *where = dms_made_by(rw, *id, "Where");
    double fill;
    if (where == NULL || f->keep != DMS_NONE || !dms_used_once(rw, *id) ||
        !dms_is_scalar(rw, where->in[2], &fill) || !(fill <= HIGHEST_FILL) ||
        !broadcasts(rw, where->in[0], *id))
        return false;
    f->keep = where->in[0];
    f->fill = where->in[2];
    f->fill_is_inner = f->mask != DMS_NONE;
    *id = where->in[1];
    return true;
}

/* Takes scores + mask off. */
static bool take_mask(const dms_rewriter *rw, uint32_t *id, found *f) {
    const dms_node *add = dms_made_by(rw, *id, "Add");
    if (add == NULL || f->mask != DMS_NONE || !dms_used_once(rw, *id))
        return false;
    const uint32_t side = leads_to_product(rw, add->in[0]) ? 0 : 1;
    if (!leads_to_product(rw, add->in[side]) || !broadcasts(rw, add->in[1 - side], *id))
        return false;
    f->mask = add->in[1 - side];
    *id = add->in[side];
    return true;
}

/* From the softmax's input back to the product of q and k. */
static const dms_node *find_product(const dms_rewriter *rw, uint32_t id, found *f) {
    f->mask = f->keep = f->fill = DMS_NONE;
    for (uint32_t n = 0; n < MOST_STEPS; n++) {
        if (!dms_used_once(rw, id))
            return NULL;
        const dms_node *product = dms_made_by(rw, id, "MatMul");
        if (product != NULL)
            return product;
        if (take_mask(rw, &id, f) || take_where(rw, &id, f))
            continue;
        const uint32_t before = dms_uncast(rw, id);
        if (before == id)
            break;
        id = before;
    }
    for (uint32_t n = 0; n < MOST_STEPS;
         n++) { /* scales come before masks, or the mask is scaled */
        const dms_node *product = dms_made_by(rw, id, "MatMul");
        if (product != NULL || !dms_used_once(rw, id))
            return product;
        const uint32_t before = dms_unscale(rw, dms_uncast(rw, id), &f->scale);
        if (before == id)
            return NULL;
        id = before;
    }
    return NULL;
}

/* perm is 0, 1, ..., with the last two exchanged. */
static bool swaps_last_two(const dms_node *transpose, uint32_t rank) {
    const int64_t *perm;
    if (dms_node_ints(transpose, "perm", &perm) != rank)
        return false;
    for (uint32_t k = 0; k + 2 < rank; k++)
        if (perm[k] != k)
            return false;
    return perm[rank - 2] == rank - 1 && perm[rank - 1] == rank - 2;
}

/* Reshape to [bh,t,d], Transpose, Reshape to [b,h,d,t]: the tensor before, else DMS_NONE. Batch
 * and heads were folded into one axis for it. The extents are compared, since a Reshape alone says
 * nothing of which axes it joined. */
static uint32_t unswap_flat(const dms_rewriter *rw, uint32_t id) {
    const dms_node *last = dms_made_by(rw, id, "Reshape");
    const dms_node *swap = last == NULL ? NULL : dms_made_by(rw, last->in[0], "Transpose");
    const dms_node *first = swap == NULL ? NULL : dms_made_by(rw, swap->in[0], "Reshape");
    if (first == NULL || tensor(rw, swap->in[0])->rank != 3 || !swaps_last_two(swap, 3) ||
        tensor(rw, first->in[0])->rank != 4)
        return DMS_NONE;
    const uint32_t from = first->in[0];
    const bool fits =
        extent(rw, from, 0) == extent(rw, id, 0) && extent(rw, from, 1) == extent(rw, id, 1) &&
        extent(rw, from, 2) == extent(rw, id, 3) && extent(rw, from, 3) == extent(rw, id, 2) &&
        extent(rw, swap->in[0], 1) == extent(rw, from, 2);
    return fits ? from : DMS_NONE;
}

/* k from the product's second operand: scales and the transposition taken off. */
static void find_k(const dms_rewriter *rw, uint32_t id, found *f) {
    id = dms_unscale(rw, id, &f->scale);
    const dms_node *swap = dms_made_by(rw, id, "Transpose");
    const uint32_t flat = unswap_flat(rw, id);
    f->k_is_transposed = false;
    if (flat != DMS_NONE)
        id = flat;
    else if (swap != NULL && swaps_last_two(swap, 4))
        id = swap->in[0];
    else
        f->k_is_transposed = true;
    f->k = f->k_is_transposed ? id : dms_unscale(rw, id, &f->scale);
}

/* The tensor of hk heads that a repeat gives to h heads, else DMS_NONE.
 *
 *   [b,hk,t,d] -- Unsqueeze -> [b,hk,1,t,d] -- Expand -> [b,hk,r,t,d] -- Reshape -> [b,hk r,t,d]
 *
 * The kernel reads head i / r itself: k and v stay r times smaller, on the link as well. */
static uint32_t unrepeat(const dms_rewriter *rw, uint32_t id) {
    const dms_node *last = dms_made_by(rw, id, "Reshape");
    const dms_node *expand = last == NULL ? NULL : dms_made_by(rw, last->in[0], "Expand");
    if (expand == NULL || tensor(rw, last->in[0])->rank != 5)
        return DMS_NONE;
    const dms_node *first = dms_made_by(rw, expand->in[0], "Unsqueeze");
    if (first == NULL)
        first = dms_made_by(rw, expand->in[0], "Reshape");
    if (first == NULL || tensor(rw, first->in[0])->rank != 4)
        return DMS_NONE;
    const uint32_t from = first->in[0], wide = last->in[0], one = expand->in[0];
    const uint32_t axis[4] = {0, 1, 3, 4};
    bool fits = tensor(rw, one)->rank == 5 && extent(rw, one, 2) == 1 &&
                extent(rw, id, 1) == extent(rw, from, 1) * extent(rw, wide, 2);
    for (uint32_t k = 0; k < 4; k++)
        fits = fits && extent(rw, wide, axis[k]) == extent(rw, from, k) &&
               (k == 1 || extent(rw, id, k) == extent(rw, from, k));
    return fits ? from : DMS_NONE;
}

/* Lets k and v have fewer heads than q, when both do. */
static void share_heads(const dms_rewriter *rw, found *f) {
    const uint32_t k = f->k_is_transposed ? DMS_NONE : unrepeat(rw, f->k);
    const uint32_t v = unrepeat(rw, f->v);
    if (k == DMS_NONE || v == DMS_NONE || extent(rw, k, 1) != extent(rw, v, 1))
        return;
    f->k = k;
    f->v = v;
}

/* q, k, v have rank 4 and dims that belong together, before heads are shared. */
static bool fits_together(const dms_rewriter *rw, const found *f) {
    const uint32_t t_axis = f->k_is_transposed ? 3 : 2;
    if (tensor(rw, f->q)->rank != 4 || tensor(rw, f->k)->rank != 4 || tensor(rw, f->v)->rank != 4)
        return false;
    for (uint32_t axis = 0; axis < 2; axis++)
        if (extent(rw, f->q, axis) != extent(rw, f->k, axis) ||
            extent(rw, f->q, axis) != extent(rw, f->v, axis))
            return false;
    const dms_dtype dtype = tensor(rw, f->q)->dtype;
    return extent(rw, f->k, t_axis) == extent(rw, f->v, 2) && tensor(rw, f->k)->dtype == dtype &&
           tensor(rw, f->v)->dtype == dtype && isfinite(f->scale);
}

/* Every part of the pattern that ends in this node. */
static bool match(const dms_rewriter *rw, const dms_node *node, found *f) {
    *f = (found){.scale = 1};
    if (strcmp(node->op, "MatMul") != 0 || node->n_in != 2 || node->is_gone)
        return false;
    const dms_node *softmax = find_softmax(rw, node->in[0], f);
    const dms_node *product = softmax == NULL ? NULL : find_product(rw, softmax->in[0], f);
    if (product == NULL || tensor(rw, product->out[0])->rank != 4 ||
        !broadcasts(rw, softmax->in[0], product->out[0])) /* no mask has widened the scores */
        return false;
    f->q = dms_unscale(rw, product->in[0], &f->scale);
    f->v = node->in[1];
    find_k(rw, product->in[1], f);
    if (!fits_together(rw, f))
        return false;
    share_heads(rw, f);
    return true;
}

/* The mask to add, with Where(keep, ., fill) worked into it:
 *     Where(keep, s, fill) + mask  =  s + Where(keep, mask, fill + mask)
 *     Where(keep, s + mask, fill)  =  s + Where(keep, mask, fill)    but for rounding below fill */
static dms_code make_mask(dms_rewriter *rw, uint32_t id, const found *f, uint32_t *out,
                          dms_status *st) {
    uint32_t mask = f->mask, fill = f->fill;
    if (f->keep != DMS_NONE && mask == DMS_NONE) {
        static const float zero = 0;
        const dms_dtype dtype = tensor(rw, f->fill)->dtype;
        uint32_t none;
        DMS_TRY(dms_graph_add_constant(rw->graph, "0", DMS_DTYPE_F32, 0, NULL, &zero, &none, st));
        const dms_new_node cast = {.op = "Cast",
                                   .domain = "",
                                   .version = NEWEST,
                                   .n_in = 1,
                                   .in = {none},
                                   .out = DMS_NONE,
                                   .n_attrs = 1,
                                   .attr = {dms_attr_int("to", dtype)}};
        DMS_TRY(dms_add_node(rw, &cast, id, &mask, st));
    } else if (f->keep != DMS_NONE && f->fill_is_inner) {
        const dms_new_node add = {.op = "Add",
                                  .domain = "",
                                  .version = NEWEST,
                                  .n_in = 2,
                                  .in = {mask, fill},
                                  .out = DMS_NONE};
        DMS_TRY(dms_add_node(rw, &add, id, &fill, st));
    }
    *out = mask;
    if (f->keep == DMS_NONE)
        return DMS_OK;
    const dms_new_node where = {.op = "Where",
                                .domain = "",
                                .version = NEWEST,
                                .n_in = 3,
                                .in = {f->keep, mask, fill},
                                .out = DMS_NONE};
    return dms_add_node(rw, &where, id, out, st);
}

/* The mask, and the triangle that is taken out of it; k is [b,h,t,d] by now. */
static dms_code find_triangle(dms_rewriter *rw, uint32_t id, const found *f, dms_triangle *out,
                              dms_status *st) {
    const int64_t diagonal = extent(rw, f->k, 2) - extent(rw, f->q, 2);
    uint32_t mask;
    bool is_triangle = false;
    *out = (dms_triangle){.mask = DMS_NONE};
    if (f->keep != DMS_NONE)
        DMS_TRY(dms_split_keep(rw, f->keep, f->fill, f->mask, f->fill_is_inner, diagonal, id,
                               &is_triangle, out, st));
    if (is_triangle || (f->keep == DMS_NONE && f->mask == DMS_NONE))
        return DMS_OK;
    DMS_TRY(make_mask(rw, id, f, &mask, st));
    return dms_split_mask(rw, mask, diagonal, id, out, st);
}

/* k as [b,h,t,d]: a view. */
static dms_code swap_k(dms_rewriter *rw, uint32_t id, found *f, dms_status *st) {
    static const int64_t perm[4] = {0, 1, 3, 2};
    if (!f->k_is_transposed)
        return DMS_OK;
    const dms_new_node swap = {
        .op = "Transpose",
        .domain = "",
        .version = NEWEST,
        .n_in = 1,
        .in = {f->k},
        .out = DMS_NONE,
        .n_attrs = 1,
        .attr = {
            {.name = "perm", .kind = DMS_ATTR_INTS, .n = 4, .ints = perm, .tensor = DMS_NONE}}};
    return dms_add_node(rw, &swap, id, &f->k, st);
}

dms_code dms_match_attention(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    found f;
    dms_triangle triangle;
    uint32_t ignored;
    if (!match(rw, &rw->graph->node[id], &f))
        return DMS_OK;
    DMS_TRY(swap_k(rw, id, &f, st));
    DMS_TRY(find_triangle(rw, id, &f, &triangle, st));
    dms_new_node attention = {
        .op = "Attention",
        .domain = "dms",
        .version = 1,
        .n_in = triangle.mask == DMS_NONE ? 3 : 4,
        .in = {f.q, f.k, f.v, triangle.mask},
        .out = rw->graph->node[id].out[0],
        .n_attrs = 2,
        .attr = {dms_attr_int("empty_row", f.empty_row), dms_attr_float("scale", f.scale)}};
    attention.n_attrs += dms_triangle_attrs(&triangle, false, &attention.attr[attention.n_attrs]);
    DMS_TRY(dms_add_node(rw, &attention, id, &ignored, st));
    *out_done = true;
    return DMS_OK;
}

dms_code dms_match_repeated(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    const bool is_main = node->domain[0] == 0 || strcmp(node->domain, "ai.onnx") == 0;
    if (!is_main || strcmp(node->op, "Attention") != 0 || node->n_in > DMS_NEW_OPERANDS ||
        node->n_out != 1 || node->n_attrs > DMS_NEW_ATTRS || tensor(rw, node->in[0])->rank != 4)
        return DMS_OK; /* with a past, its rows would have to be shared too */
    const uint32_t k = unrepeat(rw, node->in[1]), v = unrepeat(rw, node->in[2]);
    if (k == DMS_NONE || v == DMS_NONE || extent(rw, k, 1) != extent(rw, v, 1))
        return DMS_OK;
    dms_new_node shared = {.op = node->op,
                           .domain = node->domain,
                           .version = node->version,
                           .n_in = node->n_in,
                           .out = node->out[0],
                           .n_attrs = node->n_attrs};
    for (uint32_t j = 0; j < node->n_in; j++)
        shared.in[j] = j == 1 ? k : j == 2 ? v : node->in[j];
    for (uint32_t j = 0; j < node->n_attrs; j++)
        shared.attr[j] = node->attr[j];
    uint32_t ignored;
    DMS_TRY(dms_add_node(rw, &shared, id, &ignored, st));
    *out_done = true;
    return DMS_OK;
}
