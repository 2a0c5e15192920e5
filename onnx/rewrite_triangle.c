/* rewrite_triangle.c - what attention makes of a mask whose sides are known.
 *
 * A mask that is added holds zero and a number so low that it swallows every score, or minus
 * infinity. Then a key beyond the diagonal has that number as its score, whatever q and k are, and
 * the kernel need not compute it. The lowest f16 swallows scores in f16 sums, as the exporter meant
 * them; the kernel adds in f32, so the lowest f32 takes its place.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"
#include "onnx/rewrite_mask.h"

#define NEWEST 23u
#define LOWEST_F16 (-65504.0)
#define SWALLOWS (-1e30) /* scores are far from the last digit of this */
enum { MASK_NONE = 0, MASK_ADDED = 1, MASK_BOOL = 2 };
enum { CAUSAL_NONE = 0, CAUSAL_OUTER = 1, CAUSAL_INNER = 2 };
enum { EMPTY_NAN = 2 };

static const dms_tensor *tensor(const dms_rewriter *rw, uint32_t id) {
    return &rw->graph->tensor[id];
}

dms_code dms_to_f32(dms_rewriter *rw, uint32_t id, uint32_t like, uint32_t *out, dms_status *st) {
    *out = id;
    if (tensor(rw, id)->dtype == DMS_DTYPE_F32)
        return DMS_OK;
    const dms_new_node cast = {.op = "Cast",
                               .domain = "",
                               .version = NEWEST,
                               .n_in = 1,
                               .in = {id},
                               .out = DMS_NONE,
                               .n_attrs = 1,
                               .attr = {dms_attr_int("to", DMS_DTYPE_F32)}};
    return dms_add_node(rw, &cast, like, out, st);
}

/* A mask for the kernel: f32, with the lowest f32 where it was the lowest f16. */
static dms_code widen(dms_rewriter *rw, uint32_t id, uint32_t like, uint32_t *out, dms_status *st) {
    static const float old = (float)LOWEST_F16, lowest = -FLT_MAX;
    const bool is_half = tensor(rw, id)->dtype == DMS_DTYPE_F16;
    uint32_t from, to, wide, is_old;
    DMS_TRY(dms_to_f32(rw, id, like, out, st));
    if (!is_half)
        return DMS_OK;
    wide = *out;
    DMS_TRY(dms_graph_add_constant(rw->graph, "lowest", DMS_DTYPE_F32, 0, NULL, &old, &from, st));
    DMS_TRY(dms_graph_add_constant(rw->graph, "lowest", DMS_DTYPE_F32, 0, NULL, &lowest, &to, st));
    const dms_new_node equal = {.op = "Equal",
                                .domain = "",
                                .version = NEWEST,
                                .n_in = 2,
                                .in = {wide, from},
                                .out = DMS_NONE};
    DMS_TRY(dms_add_node(rw, &equal, like, &is_old, st));
    const dms_new_node where = {.op = "Where",
                                .domain = "",
                                .version = NEWEST,
                                .n_in = 3,
                                .in = {is_old, to, wide},
                                .out = DMS_NONE};
    return dms_add_node(rw, &where, like, out, st);
}

/* The number of a fill, and whether it can stand for every score beyond the triangle. */
static bool read_fill(const dms_rewriter *rw, uint32_t id, double *out) {
    if (!dms_is_scalar(rw, id, out))
        return false;
    if (tensor(rw, id)->dtype == DMS_DTYPE_F16 && *out == LOWEST_F16)
        *out = -FLT_MAX;
    return !isnan(*out);
}

/* Sets the fill; minus infinity is what the kernel does without one. */
static void set_fill(dms_triangle *out, int64_t causal, double fill) {
    out->causal = isinf(fill) ? CAUSAL_OUTER : causal;
    out->has_fill = !isinf(fill);
    out->fill = isinf(fill) ? 0 : fill;
}

/* A bool mask: false beyond the diagonal, true or a tensor up to it. */
static void take_bool(const dms_rewriter *rw, const dms_sides *sides, int64_t diagonal,
                      dms_triangle *out) {
    if (sides->is_split && (sides->diagonal != diagonal || !dms_is_bool(rw, sides->beyond, false)))
        return;
    if (sides->is_split)
        set_fill(out, CAUSAL_OUTER, -INFINITY);
    out->mask = dms_is_bool(rw, sides->seen, true) ? DMS_NONE : sides->seen;
}

dms_code dms_split_mask(dms_rewriter *rw, uint32_t mask, int64_t diagonal, uint32_t like,
                        dms_triangle *out, dms_status *st) {
    dms_sides sides;
    bool is_found;
    double fill = 0, seen;
    *out = (dms_triangle){.mask = mask};
    DMS_TRY(dms_find_sides(rw, mask, like, &is_found, &sides, st));
    if (tensor(rw, mask)->dtype == DMS_DTYPE_BOOL) {
        if (is_found)
            take_bool(rw, &sides, diagonal, out);
        return DMS_OK;
    }
    if (!is_found || (sides.is_split && (sides.diagonal != diagonal ||
                                         !read_fill(rw, sides.beyond, &fill) || fill > SWALLOWS)))
        return dms_to_f32(rw, mask, like, &out->mask, st);
    if (sides.is_split)
        set_fill(out, CAUSAL_OUTER, fill);
    if (dms_is_scalar(rw, sides.seen, &seen) && seen == 0) {
        out->mask = DMS_NONE;
        return DMS_OK;
    }
    return widen(rw, sides.seen, like, &out->mask, st);
}

dms_code dms_split_keep(dms_rewriter *rw, uint32_t keep, uint32_t fill, uint32_t added,
                        bool fill_is_inner, int64_t diagonal, uint32_t like, bool *out_found,
                        dms_triangle *out, dms_status *st) {
    dms_sides sides, of_mask = {.seen = DMS_NONE};
    bool is_found;
    double number;
    *out_found = false;
    DMS_TRY(dms_find_sides(rw, keep, like, &is_found, &sides, st));
    if (!is_found || !sides.is_split || sides.diagonal != diagonal ||
        !dms_is_bool(rw, sides.seen, true) || !dms_is_bool(rw, sides.beyond, false) ||
        !read_fill(rw, fill, &number) || (isinf(number) && number > 0))
        return DMS_OK;
    if (added != DMS_NONE) {
        DMS_TRY(dms_find_sides(rw, added, like, &is_found, &of_mask, st));
        if (!is_found || of_mask.is_split)
            return DMS_OK;
        DMS_TRY(widen(rw, of_mask.seen, like, &of_mask.seen, st));
    }
    *out = (dms_triangle){.mask = of_mask.seen};
    set_fill(out, added != DMS_NONE && fill_is_inner ? CAUSAL_INNER : CAUSAL_OUTER, number);
    *out_found = true;
    return DMS_OK;
}

uint32_t dms_triangle_attrs(const dms_triangle *triangle, bool is_bool, dms_attr *out) {
    out[0] = dms_attr_int("causal", triangle->causal);
    out[1] = dms_attr_int("mask_kind", triangle->mask == DMS_NONE ? MASK_NONE
                                       : is_bool                  ? MASK_BOOL
                                                                  : MASK_ADDED);
    if (triangle->has_fill)
        out[2] = dms_attr_float("fill", triangle->fill);
    return triangle->has_fill ? 3 : 2;
}

/* ai.onnx Attention with a mask and nothing else than q, k and v, whose heads stand apart. */
static bool is_plain_attention(const dms_rewriter *rw, const dms_node *node) {
    const bool is_main = node->domain[0] == 0 || strcmp(node->domain, "ai.onnx") == 0;
    return is_main && strcmp(node->op, "Attention") == 0 && !node->is_gone && node->n_in >= 4 &&
           node->in[3] != DMS_NONE && (node->n_in < 5 || node->in[4] == DMS_NONE) &&
           (node->n_in < 6 || node->in[5] == DMS_NONE) && node->n_out == 1 &&
           tensor(rw, node->in[0])->rank == 4 && dms_node_int(node, "is_causal", 0) == 0;
}

dms_code dms_match_masked(dms_rewriter *rw, uint32_t id, bool *out_done, dms_status *st) {
    const dms_node *node = &rw->graph->node[id];
    if (!is_plain_attention(rw, node))
        return DMS_OK;
    const uint32_t in[4] = {node->in[0], node->in[1], node->in[2], node->in[3]}, y = node->out[0];
    const int64_t s = dms_extent(tensor(rw, in[0]), 2), t = dms_extent(tensor(rw, in[1]), 2);
    const double width = (double)dms_extent(tensor(rw, in[0]), 3);
    const double scale = dms_node_float(node, "scale", 1.0 / sqrt(width));
    const double softcap = dms_node_float(node, "softcap", 0.0);
    const bool is_bool = tensor(rw, in[3])->dtype == DMS_DTYPE_BOOL;
    dms_triangle triangle;
    uint32_t ignored;
    DMS_TRY(dms_split_mask(rw, in[3], t - s, id, &triangle, st));
    dms_new_node own = {.op = "Attention",
                        .domain = "dms",
                        .version = 1,
                        .n_in = triangle.mask == DMS_NONE ? 3 : 4,
                        .in = {in[0], in[1], in[2], triangle.mask},
                        .out = y,
                        .n_attrs = 3,
                        .attr = {dms_attr_int("empty_row", EMPTY_NAN),
                                 dms_attr_float("scale", scale),
                                 dms_attr_float("softcap", softcap)}};
    own.n_attrs += dms_triangle_attrs(&triangle, is_bool, &own.attr[own.n_attrs]);
    DMS_TRY(dms_add_node(rw, &own, id, &ignored, st));
    *out_done = true;
    return DMS_OK;
}
