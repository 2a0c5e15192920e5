/* rewrite_mask.c - a mask is followed from its last node back to ranges and constants.
 *
 * A tensor is FLAT where it is the same for all queries; COUNT where it is the number of the query
 * plus a base; SPLIT where it is one thing up to a diagonal and another beyond it. A comparison of
 * the number of the key with a COUNT makes a split:
 *
 *     t + a <= s + b     true up to diagonal b - a, false beyond
 *
 * Views move the axis of queries; Expand leaves a tensor what it was, for everything broadcasts at
 * the end.
 */
#include "onnx/rewrite_mask.h"

#include <stdint.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_coordinates.h"
#include "onnx/rewrite_internal.h"

#define NEWEST 23u
#define MOST_VISITS 200u
#define MOST_KNOWN 48u
#define MOST_DEPTH 40u

typedef enum { UNKNOWN = 0, FLAT, COUNT, SPLIT } kind_of_sides;

typedef struct sides {
    kind_of_sides kind;
    int64_t diagonal; /* of a SPLIT; of a COUNT the base */
    uint32_t seen, beyond;
} sides;

/* What was found of a tensor whose queries lie along `axis`. */
typedef struct known {
    uint32_t tensor, axis;
    sides sides;
} known;

typedef struct finder {
    dms_rewriter *rw;
    uint32_t like, n_visits, n_known, depth;
    known known[MOST_KNOWN];
} finder;

static const dms_tensor *tensor(const finder *f, uint32_t id) {
    return &f->rw->graph->tensor[id];
}

bool dms_is_bool(const dms_rewriter *rw, uint32_t id, bool value) {
    const dms_tensor *t = &rw->graph->tensor[id];
    return t->dtype == DMS_DTYPE_BOOL && t->origin == DMS_ORIGIN_MADE && t->bytes == 1 &&
           (t->data[0] != 0) == value;
}

static dms_code add_bool(finder *f, bool value, uint32_t *out, dms_status *st) {
    static const uint8_t no = 0, yes = 1;
    return dms_graph_add_constant(f->rw->graph, value ? "true" : "false", DMS_DTYPE_BOOL, 0, NULL,
                                  value ? &yes : &no, out, st);
}

/* Constants of one element with equal values: lowest and lowest, false and false, 0 and -0. */
static bool is_same_scalar(const finder *f, uint32_t a, uint32_t b) {
    double x, y;
    if (a == b)
        return true;
    if (tensor(f, a)->dtype != tensor(f, b)->dtype)
        return false;
    if (tensor(f, a)->dtype == DMS_DTYPE_BOOL)
        return (dms_is_bool(f->rw, a, true) && dms_is_bool(f->rw, b, true)) ||
               (dms_is_bool(f->rw, a, false) && dms_is_bool(f->rw, b, false));
    return dms_is_scalar(f->rw, a, &x) && dms_is_scalar(f->rw, b, &y) && x == y;
}

/* What an operator gives without being computed: true And p is p, Where(p, c, c) is c. DMS_NONE:
 * it must be computed. */
static uint32_t shortcut(const finder *f, const dms_node *node, const uint32_t *in) {
    double value;
    for (uint32_t k = 0; k < 2 && node->n_in == 2; k++) {
        const bool is_and = strcmp(node->op, "And") == 0, is_or = strcmp(node->op, "Or") == 0;
        if ((is_and && dms_is_bool(f->rw, in[k], true)) ||
            (is_or && dms_is_bool(f->rw, in[k], false)))
            return in[1 - k];
        if ((is_and && dms_is_bool(f->rw, in[k], false)) ||
            (is_or && dms_is_bool(f->rw, in[k], true)))
            return in[k];
        if (strcmp(node->op, "Add") == 0 && dms_is_scalar(f->rw, in[k], &value) && value == 0)
            return in[1 - k];
    }
    if (strcmp(node->op, "Where") != 0)
        return DMS_NONE;
    if (dms_is_bool(f->rw, in[0], true) || is_same_scalar(f, in[1], in[2]))
        return in[1];
    return dms_is_bool(f->rw, in[0], false) ? in[2] : DMS_NONE;
}

/* The operator of a node on one side of its operands. */
static dms_code apply(finder *f, uint32_t id, const uint32_t *in, uint32_t *out, dms_status *st) {
    const dms_node *node = &f->rw->graph->node[id];
    *out = shortcut(f, node, in);
    if (*out != DMS_NONE)
        return DMS_OK;
    dms_new_node made = {.op = node->op,
                         .domain = node->domain,
                         .version = node->version,
                         .n_in = node->n_in,
                         .out = DMS_NONE,
                         .n_attrs = node->n_attrs};
    memcpy(made.in, in, node->n_in * sizeof *in);
    for (uint32_t k = 0; k < node->n_attrs; k++)
        made.attr[k] = node->attr[k];
    return dms_add_node(f->rw, &made, f->like, out, st);
}

static dms_code find(finder *f, uint32_t id, int32_t axis, sides *out, dms_status *st);

/* ---- views --------------------------------------------------------------------------------- */

/* Axes longer than 1, in order: a Reshape that keeps them only adds and takes axes of 1. */
static uint32_t long_axes(const dms_tensor *t, uint32_t *axis) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < t->rank; k++)
        if (dms_extent(t, k) != 1)
            axis[n++] = k;
    return n;
}

/* Puts a side, which broadcasts to the view's input, under the dims of the view's output. */
static dms_code view_side(finder *f, uint32_t from, uint32_t to, uint32_t side, uint32_t *out,
                          dms_status *st) {
    dms_graph *graph = f->rw->graph;
    const dms_tensor *in = tensor(f, from), *y = tensor(f, to), *s = tensor(f, side);
    uint32_t in_axis[DMS_MAX_RANK], y_axis[DMS_MAX_RANK];
    const uint32_t n = long_axes(in, in_axis);
    const int64_t rank = y->rank;
    int64_t *dim;
    uint32_t shape;
    (void)long_axes(y, y_axis);
    *out = side;
    if (s->bytes == dms_dtype_bytes((uint32_t)s->dtype))
        return DMS_OK;
    DMS_TRY(dms_alloc_st(graph->arena, y->rank, sizeof *dim, "dims", &dim, st));
    for (uint32_t k = 0; k < y->rank; k++)
        dim[k] = 1;
    for (uint32_t k = 0; k < n; k++)
        if (in_axis[k] + s->rank >= in->rank)
            dim[y_axis[k]] = dms_extent(s, in_axis[k] + s->rank - in->rank);
    DMS_TRY(dms_graph_add_constant(graph, "shape", DMS_DTYPE_I64, 1, &rank, dim, &shape, st));
    const dms_new_node made = {.op = "Reshape",
                               .domain = "",
                               .version = NEWEST,
                               .n_in = 2,
                               .in = {side, shape},
                               .out = DMS_NONE};
    return dms_add_node(f->rw, &made, f->like, out, st);
}

/* Reshape, Unsqueeze, Squeeze, whole Slice: the same elements, axes of 1 come and go. */
static dms_code find_view(finder *f, uint32_t from, uint32_t to, uint32_t axis, sides *out,
                          dms_status *st) {
    const dms_tensor *in = tensor(f, from), *y = tensor(f, to);
    uint32_t in_axis[DMS_MAX_RANK], y_axis[DMS_MAX_RANK], at = 0;
    const uint32_t n = long_axes(in, in_axis);
    if (long_axes(y, y_axis) != n)
        return DMS_OK;
    for (uint32_t k = 0; k < n; k++) {
        if (dms_extent(in, in_axis[k]) != dms_extent(y, y_axis[k]))
            return DMS_OK;
        at = y_axis[k] == axis ? in_axis[k] : at;
    }
    sides found;
    DMS_TRY(find(f, from, (int32_t)at, &found, st));
    if (found.kind == SPLIT)
        DMS_TRY(view_side(f, from, to, found.beyond, &found.beyond, st));
    if (found.kind == SPLIT || found.kind == FLAT)
        DMS_TRY(view_side(f, from, to, found.seen, &found.seen, st));
    if (found.kind == FLAT)
        found.beyond = found.seen;
    *out = found;
    return DMS_OK;
}

/* Repeats count as broadcasts. */
static dms_code find_expand(finder *f, uint32_t from, uint32_t to, uint32_t axis, sides *out,
                            dms_status *st) {
    const uint32_t added = tensor(f, to)->rank - tensor(f, from)->rank;
    return find(f, from, axis < added ? -1 : (int32_t)(axis - added), out, st);
}

/* Dims stay and nothing is turned round. */
static bool is_whole_slice(const finder *f, const dms_node *node) {
    const dms_tensor *in = tensor(f, node->in[0]), *y = tensor(f, node->out[0]);
    const int64_t *step;
    uint32_t n;
    dms_status ignored;
    for (uint32_t k = 0; k < y->rank; k++)
        if (in->rank != y->rank || dms_extent(in, k) != dms_extent(y, k))
            return false;
    if (node->n_in < 5 || node->in[4] == DMS_NONE)
        return true;
    if (dms_int_values(f->rw->graph, node, 4, &n, &step, &ignored) != DMS_OK)
        return false;
    for (uint32_t k = 0; k < n; k++)
        if (step[k] <= 0)
            return false;
    return true;
}

/* ---- operators ----------------------------------------------------------------------------- */

/* The comparisons, as what they say of "key <= query". */
typedef struct comparison {
    const char *op;
    bool is_seen;   /* "key op query" holds on the seen side */
    int64_t closer; /* 1 where equal numbers are beyond the diagonal */
} comparison;

static const comparison COMPARISON[] = {{"LessOrEqual", true, 0},
                                        {"Less", true, 1},
                                        {"Greater", false, 0},
                                        {"GreaterOrEqual", false, 1}};
static const char *const MIRRORED[] = {"GreaterOrEqual", "Greater", "Less", "LessOrEqual"};

/* The comparison of key with query that a node makes, whichever comes first; NULL: none. */
static const comparison *find_comparison(const char *op, bool key_is_first) {
    for (size_t k = 0; k < sizeof COMPARISON / sizeof COMPARISON[0]; k++)
        if (strcmp(op, key_is_first ? COMPARISON[k].op : MIRRORED[k]) == 0)
            return &COMPARISON[k];
    return NULL;
}

/* Numbers of keys against numbers of queries. */
static dms_code compare(finder *f, uint32_t id, const sides *in, sides *out, dms_status *st) {
    const dms_node *node = &f->rw->graph->node[id];
    const bool key_is_first = in[1].kind == COUNT;
    const sides *key = &in[key_is_first ? 0 : 1], *query = &in[key_is_first ? 1 : 0];
    const comparison *how = find_comparison(node->op, key_is_first);
    int64_t base;
    if (how == NULL || key->kind != FLAT || query->kind != COUNT ||
        !dms_counts_keys(f->rw, key->seen, &base))
        return DMS_OK;
    DMS_TRY(add_bool(f, how->is_seen, &out->seen, st));
    DMS_TRY(add_bool(f, !how->is_seen, &out->beyond, st));
    out->kind = SPLIT;
    out->diagonal = query->diagonal - base - how->closer;
    return DMS_OK;
}

/* COUNT + c, c + COUNT, COUNT - c. */
static bool shift(const finder *f, const dms_node *node, const sides *in, sides *out) {
    const bool is_sub = strcmp(node->op, "Sub") == 0;
    const uint32_t k = in[0].kind == COUNT ? 0 : 1;
    double value;
    if ((!is_sub && strcmp(node->op, "Add") != 0) || (is_sub && k == 1) || in[1 - k].kind != FLAT ||
        !dms_is_scalar(f->rw, in[1 - k].seen, &value) || value != (double)(int64_t)value)
        return false;
    *out = in[k];
    out->diagonal += is_sub ? -(int64_t)value : (int64_t)value;
    return true;
}

/* The lowest and the highest diagonal of the operands that are split; returns how many differ, or
 * 3 where an operand has no sides. */
static uint32_t find_diagonals(const sides *in, uint32_t n, int64_t *low, int64_t *high) {
    uint32_t found = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (in[k].kind == UNKNOWN || in[k].kind == COUNT)
            return 3;
        const int64_t d = in[k].diagonal;
        if (in[k].kind == FLAT || (found > 0 && (d == *low || d == *high)))
            continue;
        *low = found == 0 || d < *low ? d : *low;
        *high = found == 0 || d > *high ? d : *high;
        found++;
    }
    return found;
}

/* The operator where t <= s + diagonal holds for the diagonals from `least` on, and no others. */
static dms_code apply_band(finder *f, uint32_t id, const sides *in, int64_t least, uint32_t *out,
                           dms_status *st) {
    uint32_t operand[DMS_NEW_OPERANDS];
    for (uint32_t k = 0; k < f->rw->graph->node[id].n_in; k++)
        operand[k] = in[k].kind == FLAT || in[k].diagonal >= least ? in[k].seen : in[k].beyond;
    return apply(f, id, operand, out, st);
}

/* Each side by itself. Between two diagonals lies a band; where it is like one of its neighbours,
 * one diagonal is left. (A triangle that starts at the diagonal, times one that starts after the
 * past: TorchScript.) */
static dms_code find_pointwise(finder *f, uint32_t id, const sides *in, sides *out,
                               dms_status *st) {
    int64_t low = 0, high = 0;
    const uint32_t n = find_diagonals(in, f->rw->graph->node[id].n_in, &low, &high);
    sides found = {.kind = n == 0 ? FLAT : SPLIT, .diagonal = low};
    uint32_t between;
    if (n > 2)
        return DMS_OK;
    DMS_TRY(apply_band(f, id, in, low, &found.seen, st));
    found.beyond = found.seen;
    if (n > 0)
        DMS_TRY(apply_band(f, id, in, INT64_MAX, &found.beyond, st));
    if (n == 2) {
        DMS_TRY(apply_band(f, id, in, high, &between, st));
        if (is_same_scalar(f, between, found.seen))
            found.diagonal = high;
        else if (!is_same_scalar(f, between, found.beyond))
            return DMS_OK;
    }
    *out = found;
    return DMS_OK;
}

/* Integers that stay integers: a COUNT stays one. */
static bool is_integer(dms_dtype dtype) {
    return dtype == DMS_DTYPE_I64 || dtype == DMS_DTYPE_I32;
}

static dms_code find_elementwise(finder *f, uint32_t id, uint32_t axis, sides *out,
                                 dms_status *st) {
    const uint32_t n = f->rw->graph->node[id].n_in;
    const uint32_t y = f->rw->graph->node[id].out[0], rank = tensor(f, y)->rank;
    sides in[DMS_NEW_OPERANDS];
    if (n > DMS_NEW_OPERANDS || f->rw->graph->node[id].n_attrs > DMS_NEW_ATTRS)
        return DMS_OK;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t operand = f->rw->graph->node[id].in[k];
        if (operand == DMS_NONE)
            return DMS_OK;
        const int32_t at = (int32_t)axis - (int32_t)(rank - tensor(f, operand)->rank);
        DMS_TRY(find(f, operand, at < 0 ? -1 : at, &in[k], st));
    }
    const dms_node *node = &f->rw->graph->node[id];
    if (n == 1 && in[0].kind == COUNT && strcmp(node->op, "Cast") == 0 &&
        is_integer(tensor(f, y)->dtype)) {
        *out = in[0];
        return DMS_OK;
    }
    if (n == 2 && (in[0].kind == COUNT || in[1].kind == COUNT))
        return shift(f, node, in, out) || axis + 2 != rank ? DMS_OK : compare(f, id, in, out, st);
    return find_pointwise(f, id, in, out, st);
}

/* Trilu of something flat: it, and zero, on the sides of a diagonal. */
static dms_code find_trilu(finder *f, uint32_t id, uint32_t axis, sides *out, dms_status *st) {
    dms_graph *graph = f->rw->graph;
    const dms_node *node = &graph->node[id];
    const bool is_upper = dms_node_int(node, "upper", 1) != 0;
    double k = 0;
    sides in;
    uint8_t *zero;
    uint32_t nothing;
    if (axis + 2 != tensor(f, node->out[0])->rank ||
        (node->n_in > 1 && node->in[1] != DMS_NONE && !dms_is_scalar(f->rw, node->in[1], &k)))
        return DMS_OK;
    DMS_TRY(find(f, node->in[0], (int32_t)axis, &in, st));
    if (in.kind != FLAT)
        return DMS_OK;
    DMS_TRY(dms_alloc_st(graph->arena, 1, 16, "a zero", &zero, st));
    DMS_TRY(
        dms_graph_add_constant(graph, "0", tensor(f, in.seen)->dtype, 0, NULL, zero, &nothing, st));
    *out = is_upper ? (sides){SPLIT, (int64_t)k - 1, nothing, in.seen}
                    : (sides){SPLIT, (int64_t)k, in.seen, nothing};
    return DMS_OK;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static bool is_one_of(const char *op, const char *const *list, size_t n) {
    for (size_t k = 0; k < n; k++)
        if (strcmp(op, list[k]) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(op, list) is_one_of(op, list, sizeof(list) / sizeof *(list))

/* By the operator that makes the tensor. */
static dms_code find_made(finder *f, uint32_t id, uint32_t axis, sides *out, dms_status *st) {
    static const char *const VIEW[] = {"Identity", "Reshape", "Unsqueeze", "Squeeze"};
    static const char *const POINTWISE[] = {
        "Cast", "Not", "Neg", "And", "Or",    "Xor",         "Equal",   "Less",           "Add",
        "Sub",  "Mul", "Div", "Min", "Where", "LessOrEqual", "Greater", "GreaterOrEqual", "Max"};
    const uint32_t producer = tensor(f, id)->producer;
    if (tensor(f, id)->origin != DMS_ORIGIN_NODE || producer == DMS_NONE)
        return DMS_OK;
    const dms_node *node = &f->rw->graph->node[producer];
    const bool is_main = node->domain[0] == 0 || strcmp(node->domain, "ai.onnx") == 0;
    if (!is_main || node->is_gone || node->n_in == 0 || node->n_out != 1)
        return DMS_OK;
    if (IS_ONE_OF(node->op, VIEW) || (strcmp(node->op, "Slice") == 0 && is_whole_slice(f, node)))
        return find_view(f, node->in[0], id, axis, out, st);
    if (strcmp(node->op, "Expand") == 0)
        return find_expand(f, node->in[0], id, axis, out, st);
    if (strcmp(node->op, "Trilu") == 0)
        return find_trilu(f, producer, axis, out, st);
    return IS_ONE_OF(node->op, POINTWISE) ? find_elementwise(f, producer, axis, out, st) : DMS_OK;
}

/* A constant is looked at. */
static dms_code find_constant(finder *f, uint32_t id, uint32_t axis, sides *out, dms_status *st) {
    dms_coordinates c;
    DMS_TRY(dms_constant_coordinates(f->rw, id, axis, &c, st));
    static const kind_of_sides KIND[] = {[DMS_COORDINATES_NONE] = UNKNOWN,
                                         [DMS_COORDINATES_FLAT] = FLAT,
                                         [DMS_COORDINATES_COUNT] = COUNT,
                                         [DMS_COORDINATES_SPLIT] = SPLIT};
    *out = (sides){KIND[c.kind], c.number, c.seen, c.beyond};
    return DMS_OK;
}

/* `axis` -1: the tensor has no axis of queries. */
static dms_code find(finder *f, uint32_t id, int32_t axis, sides *out, dms_status *st) {
    *out = (sides){.kind = UNKNOWN};
    if (axis < 0 || dms_extent(tensor(f, id), (uint32_t)axis) == 1) {
        *out = (sides){FLAT, 0, id, id};
        return DMS_OK;
    }
    for (uint32_t k = 0; k < f->n_known; k++)
        if (f->known[k].tensor == id && f->known[k].axis == (uint32_t)axis) {
            *out = f->known[k].sides;
            return DMS_OK;
        }
    if (++f->n_visits > MOST_VISITS || f->depth == MOST_DEPTH)
        return DMS_OK;
    f->depth++;
    DMS_TRY(find_constant(f, id, (uint32_t)axis, out, st));
    if (out->kind == UNKNOWN)
        DMS_TRY(find_made(f, id, (uint32_t)axis, out, st));
    f->depth--;
    if (f->n_known < MOST_KNOWN)
        f->known[f->n_known++] = (known){id, (uint32_t)axis, *out};
    return DMS_OK;
}

dms_code dms_find_sides(dms_rewriter *rw, uint32_t mask, uint32_t like, bool *out_found,
                        dms_sides *out_sides, dms_status *st) {
    finder f = {.rw = rw, .like = like};
    const uint32_t rank = rw->graph->tensor[mask].rank;
    sides found;
    DMS_TRY(find(&f, mask, rank < 2 ? -1 : (int32_t)rank - 2, &found, st));
    *out_found = found.kind == FLAT || found.kind == SPLIT;
    if (*out_found)
        *out_sides = (dms_sides){found.kind == SPLIT, found.diagonal, found.seen, found.beyond};
    return DMS_OK;
}
