/* einsum.c - Einsum: sums of products over named axes, for one or two inputs.
 *
 *     "bij, bjk -> bik"      b: batch (both inputs and the result)     j: summed (both inputs)
 *                            i: rows (first input and the result)      k: columns (second input)
 *
 * A label that one input has twice walks its diagonal: one axis whose pitch is the sum of both. An
 * ellipsis stands for the axes that are left, aligned at the last one and broadcast. Without an
 * arrow the result has the labels that occur once, in alphabetical order.
 *
 * Labels are numbers: 0 to 51 for A to Z and a to z, 52 + k for axis k from the end of an ellipsis.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

#define N_LETTERS 52u
#define N_LABELS (N_LETTERS + DMS_MAX_RANK)
/* What products of matrices take. */
#define EINSUM_DTYPES                                                                              \
    (DMS_OPS_FLOAT | DMS_OPS_INDEX | DMS_DTYPE_BIT(DMS_DTYPE_U32) | DMS_DTYPE_BIT(DMS_DTYPE_U64))
#define RESULT 2u /* index of the result among the terms */

/* Axes by label, in order. */
typedef struct einsum_term {
    uint32_t n;
    uint8_t label[DMS_MAX_RANK];
    uint32_t n_ellipsis; /* how many of them an ellipsis stands for */
} einsum_term;

typedef struct einsum {
    uint32_t n_in;
    einsum_term term[3]; /* inputs, then the result */
    int64_t dim[N_LABELS];
    uint32_t n_uses[N_LABELS]; /* axes of inputs with this label */
    uint32_t n_ellipsis;       /* the longest one of the inputs */
} einsum;

/* The axis of a label; term->n when it has none. */
static uint32_t axis_of(const einsum_term *term, uint32_t label) {
    uint32_t k = 0;
    while (k < term->n && term->label[k] != label)
        k++;
    return k;
}

static bool has(const einsum_term *term, uint32_t label) {
    return axis_of(term, label) < term->n;
}

/* Reads labels up to a comma, an arrow or the end; the ellipsis stands for `n_ellipsis` axes. */
static dms_code read_term(const dms_node *node, const char **text, uint32_t n_ellipsis,
                          einsum_term *out, dms_status *st) {
    const char *at = *text;
    *out = (einsum_term){0};
    bool has_ellipsis = false;
    for (; *at != 0 && *at != ',' && *at != '-'; at++) {
        if (*at == ' ')
            continue;
        const bool is_ellipsis = strncmp(at, "...", 3) == 0 && !has_ellipsis;
        const uint32_t n_new = is_ellipsis ? n_ellipsis : 1;
        if ((!is_ellipsis && !isalpha((unsigned char)*at)) || out->n + n_new > DMS_MAX_RANK)
            return dms_node_fail(node, st, "equation '%.60s' is not understood",
                                 dms_node_string(node, "equation", ""));
        for (uint32_t k = 0; is_ellipsis && k < n_ellipsis; k++)
            out->label[out->n++] = (uint8_t)(N_LETTERS + n_ellipsis - 1 - k);
        if (!is_ellipsis)
            out->label[out->n++] =
                (uint8_t)(isupper((unsigned char)*at) ? *at - 'A' : *at - 'a' + 26);
        at += is_ellipsis ? 2 : 0;
        has_ellipsis = has_ellipsis || is_ellipsis;
    }
    out->n_ellipsis = has_ellipsis ? n_ellipsis : 0;
    *text = at;
    return DMS_OK;
}

/* How many axes of input k its ellipsis stands for. */
static uint32_t ellipsis_axes(const char *text, uint32_t rank) {
    uint32_t n = 0;
    bool has_ellipsis = false;
    for (; *text != 0 && *text != ',' && *text != '-'; text++) {
        n += isalpha((unsigned char)*text) != 0;
        has_ellipsis = has_ellipsis || *text == '.';
    }
    return has_ellipsis && rank > n ? rank - n : 0;
}

/* Extents by label; an axis of 1 is repeated. */
static dms_code read_dims(const dms_graph *graph, const dms_node *node, uint32_t k, einsum *e,
                          dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, k);
    const einsum_term *term = &e->term[k];
    if (term->n != x->rank)
        return dms_node_fail(node, st,
                             "equation has %" PRIu32 " axes for input '%s' of rank %" PRIu32,
                             term->n, x->name, x->rank);
    for (uint32_t a = 0; a < term->n; a++) {
        int64_t *dim = &e->dim[term->label[a]];
        const int64_t n = dms_extent(x, a);
        if (e->n_uses[term->label[a]]++ == 0 || *dim == 1)
            *dim = n;
        else if (n != *dim && n != 1)
            return dms_node_fail(
                node, st, "input '%s' has %" PRId64 " along axis %" PRIu32 ", its label %" PRId64,
                x->name, n, a, *dim);
    }
    return DMS_OK;
}

/* The result where no arrow says it: the ellipsis, then labels that occur once, A to z. */
static dms_code result_of_uses(const dms_node *node, einsum *e, dms_status *st) {
    einsum_term *out = &e->term[RESULT];
    *out = (einsum_term){.n_ellipsis = e->n_ellipsis};
    for (uint32_t k = 0; k < e->n_ellipsis; k++)
        out->label[out->n++] = (uint8_t)(N_LETTERS + e->n_ellipsis - 1 - k);
    for (uint32_t l = 0; l < N_LETTERS; l++) {
        if (e->n_uses[l] == 1 && out->n == DMS_MAX_RANK)
            return dms_node_fail(node, st, "its result has more than %u axes", DMS_MAX_RANK);
        if (e->n_uses[l] == 1)
            out->label[out->n++] = (uint8_t)l;
    }
    return DMS_OK;
}

/* The whole equation, checked against the shapes of the inputs. */
static dms_code einsum_read(const dms_graph *graph, const dms_node *node, einsum *e,
                            dms_status *st) {
    const char *text = dms_node_string(node, "equation", "");
    *e = (einsum){.n_in = node->n_in};
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (dms_in(graph, node, k) == NULL)
            return dms_node_fail(node, st, "input %" PRIu32 " is missing", k);
        const uint32_t n = ellipsis_axes(text, dms_in(graph, node, k)->rank);
        e->n_ellipsis = n > e->n_ellipsis ? n : e->n_ellipsis;
        DMS_TRY(read_term(node, &text, n, &e->term[k], st));
        DMS_TRY(read_dims(graph, node, k, e, st));
        if (*text != (k + 1 < node->n_in ? ',' : *text == 0 ? 0 : '-'))
            return dms_node_fail(node, st, "equation has another number of terms than inputs");
        text += *text == ',';
    }
    if (*text == 0)
        return result_of_uses(node, e, st);
    text += text[1] == '>' ? 2 : 1;
    DMS_TRY(read_term(node, &text, e->n_ellipsis, &e->term[RESULT], st));
    const einsum_term *out = &e->term[RESULT];
    for (uint32_t k = 0; k < out->n; k++)
        if (e->n_uses[out->label[k]] == 0 || axis_of(out, out->label[k]) != k)
            return dms_node_fail(node, st, "the result of its equation repeats or invents a label");
    return DMS_OK;
}

/* Einsum(inputs) with attribute `equation`: the dims of the result's labels. */
static dms_code einsum_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    einsum e;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, node->n_in - 1, EINSUM_DTYPES, st));
    DMS_TRY(einsum_read(graph, node, &e, st));
    const einsum_term *out = &e.term[RESULT];
    for (uint32_t k = 0; k < out->n; k++)
        dim[k] = e.dim[out->label[k]];
    return dms_set_output(graph, node, 0, dms_in(graph, node, 0)->dtype, out->n, dim, st);
}

/* ---- lowering ------------------------------------------------------------------------------ */

/* An operand whose axes have labels. */
typedef struct labelled {
    dms_lowered_operand operand;
    einsum_term term;
} labelled;

/* Input k with one axis per label: a repeated one becomes its diagonal. */
static labelled input_of(dms_lowering *lo, const dms_node *node, const einsum *e, uint32_t k) {
    labelled out = {.operand = dms_lower_operand(lo, node->in[k])};
    const dms_view from = out.operand.view;
    dms_view *to = &out.operand.view;
    to->rank = 0;
    for (uint32_t a = 0; a < from.rank; a++) {
        const uint32_t at = axis_of(&out.term, e->term[k].label[a]);
        if (at < out.term.n) {
            to->pitch[at] += from.pitch[a];
            continue;
        }
        out.term.label[out.term.n++] = e->term[k].label[a];
        to->dim[to->rank] = from.dim[a];
        to->pitch[to->rank++] = from.pitch[a];
    }
    return out;
}

/* Its axes in this order; a label that it lacks, or has once, is repeated. */
static dms_lowered_operand arranged(const labelled *x, const einsum *e, uint32_t n,
                                    const uint8_t *label) {
    dms_lowered_operand out = x->operand;
    out.view.rank = n;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t at = axis_of(&x->term, label[k]);
        const int64_t dim = e->dim[label[k]];
        const bool repeats = at == x->term.n || x->operand.view.dim[at] != dim;
        out.view.dim[k] = dim;
        out.view.pitch[k] = repeats ? 0 : x->operand.view.pitch[at];
    }
    return out;
}

/* Sums the labels of x that neither `other` nor the result has, into a temporary. */
static dms_code sum_own_labels(dms_lowering *lo, const dms_node *node, const einsum *e,
                               const einsum_term *other, labelled *x, dms_status *st) {
    uint8_t order[DMS_MAX_RANK];
    labelled sum = {0};
    for (uint32_t k = 0; k < x->term.n; k++)
        if (has(other, x->term.label[k]) || has(&e->term[RESULT], x->term.label[k]))
            sum.term.label[sum.term.n++] = x->term.label[k];
    if (sum.term.n == x->term.n)
        return DMS_OK;
    memcpy(order, sum.term.label, sizeof order);
    uint32_t n = sum.term.n;
    for (uint32_t k = 0; k < x->term.n; k++)
        if (!has(&sum.term, x->term.label[k]))
            order[n++] = x->term.label[k];
    dms_lowered_operand operand[2] = {arranged(x, e, n, order), x->operand};
    DMS_TRY(dms_lower_temp(lo, x->operand.view.dtype, sum.term.n, operand[0].view.dim, &sum.operand,
                           st));
    operand[1] = sum.operand;
    const int64_t i[2] = {DMS_FN_SUM, sum.term.n};
    DMS_TRY(dms_lower_call(lo, node, DMS_K_REDUCE, 1, 1, operand, 2, i, 0, NULL, st));
    *x = sum;
    return DMS_OK;
}

/* Under other dims: a view, or a dense copy. */
static dms_code merged(dms_lowering *lo, const dms_node *node, uint32_t rank, const int64_t *dim,
                       dms_lowered_operand *operand, dms_status *st) {
    dms_view view;
    if (!dms_view_reshape(&operand->view, rank, dim, &view)) {
        const dms_lowered_operand from = *operand;
        DMS_TRY(dms_lower_temp(lo, from.view.dtype, from.view.rank, from.view.dim, operand, st));
        DMS_TRY(dms_lower_copy(lo, node, from, *operand, st));
        return dms_ops_view_as(node, operand, rank, dim, st);
    }
    operand->view = view;
    return DMS_OK;
}

/* Labels in groups: batch, rows, columns, summed. */
typedef struct einsum_groups {
    uint32_t n[4];
    uint8_t label[4][DMS_MAX_RANK];
    int64_t extent[4]; /* product of each group */
} einsum_groups;

enum { BATCH, ROWS, COLUMNS, SUMMED };

static void add_label(const einsum *e, einsum_groups *g, uint32_t group, uint8_t label) {
    g->label[group][g->n[group]++] = label;
    g->extent[group] *= e->dim[label]; /* a factor of an operand's size */
}

/* Which group every label of two inputs belongs to; rows and columns in the result's order. */
static einsum_groups group_labels(const einsum *e, const labelled *a, const labelled *b) {
    einsum_groups g = {.extent = {1, 1, 1, 1}};
    for (uint32_t k = 0; k < e->term[RESULT].n; k++) {
        const uint8_t label = e->term[RESULT].label[k];
        const bool in_a = has(&a->term, label), in_b = has(&b->term, label);
        add_label(e, &g, in_a && in_b ? BATCH : in_a ? ROWS : COLUMNS, label);
    }
    for (uint32_t k = 0; k < a->term.n; k++)
        if (!has(&e->term[RESULT], a->term.label[k]))
            add_label(e, &g, SUMMED, a->term.label[k]);
    return g;
}

/* Operand x with its batch labels, then groups p and q merged into one axis each. */
static dms_code as_matrices(dms_lowering *lo, const dms_node *node, const einsum *e,
                            const einsum_groups *g, uint32_t p, uint32_t q, const labelled *x,
                            dms_lowered_operand *out, dms_status *st) {
    const uint32_t group[3] = {BATCH, p, q};
    uint8_t order[3 * DMS_MAX_RANK];
    int64_t dim[DMS_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t j = 0; j < 3; j++)
        for (uint32_t k = 0; k < g->n[group[j]]; k++)
            order[n++] = g->label[group[j]][k];
    *out = arranged(x, e, n, order);
    memcpy(dim, out->view.dim, sizeof dim);
    dim[g->n[BATCH]] = g->extent[p];
    dim[g->n[BATCH] + 1] = g->extent[q];
    return merged(lo, node, g->n[BATCH] + 2, dim, out, st);
}

/* Two inputs with summed labels: a product of matrices [batch, rows, summed] and [batch, summed,
 * columns]. Where the result's axes are woven otherwise, it goes through a temporary. */
static dms_code emit_matmul(dms_lowering *lo, const dms_node *node, const einsum *e,
                            const labelled *a, const labelled *b, dms_status *st) {
    const einsum_groups g = group_labels(e, a, b);
    const labelled y = {.operand = dms_lower_operand(lo, node->out[0]), .term = e->term[RESULT]};
    if (g.n[BATCH] + 2 > DMS_MAX_RANK)
        return dms_node_fail(node, st, "its equation has more than %u batch labels",
                             DMS_MAX_RANK - 2);
    if (g.extent[SUMMED] == 0)
        return dms_ops_fill(lo, node, 0, &y.operand, st);
    uint8_t order[2 * DMS_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t group = BATCH; group <= COLUMNS; group++)
        for (uint32_t k = 0; k < g.n[group]; k++)
            order[n++] = g.label[group][k];
    dms_lowered_operand operand[3], result = arranged(&y, e, n, order);
    const dms_lowered_operand woven = result;
    int64_t dim[DMS_MAX_RANK];
    memcpy(dim, result.view.dim, sizeof dim);
    dim[g.n[BATCH]] = g.extent[ROWS];
    dim[g.n[BATCH] + 1] = g.extent[COLUMNS];
    dms_view matrix;
    const bool is_view = dms_view_reshape(&result.view, g.n[BATCH] + 2, dim, &matrix);
    if (!is_view)
        DMS_TRY(dms_lower_temp(lo, result.view.dtype, n, woven.view.dim, &result, st));
    operand[2] = result;
    DMS_TRY(dms_ops_view_as(node, &operand[2], g.n[BATCH] + 2, dim, st));
    DMS_TRY(as_matrices(lo, node, e, &g, ROWS, SUMMED, a, &operand[0], st));
    DMS_TRY(as_matrices(lo, node, e, &g, SUMMED, COLUMNS, b, &operand[1], st));
    const int64_t i[2] = {0, g.extent[COLUMNS]};
    const double f[2] = {1.0, 0.0};
    DMS_TRY(dms_lower_call(lo, node, DMS_K_MATMUL, 2, 1, operand, 2, i, 2, f, st));
    return is_view ? DMS_OK : dms_lower_copy(lo, node, result, woven, st);
}

/* One input: its own labels are summed, the rest is put in order. Two: without labels to sum over
 * both a product element by element, else one of matrices. */
static dms_code einsum_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    einsum e;
    DMS_TRY(einsum_read(dms_lower_graph(lo), node, &e, st));
    const einsum_term *out = &e.term[RESULT], nothing = {0};
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    labelled x[2];
    for (uint32_t k = 0; k < e.n_in; k++)
        x[k] = input_of(lo, node, &e, k);
    DMS_TRY(sum_own_labels(lo, node, &e, e.n_in == 2 ? &x[1].term : &nothing, &x[0], st));
    if (e.n_in == 1)
        return dms_lower_copy(lo, node, arranged(&x[0], &e, out->n, out->label), y, st);
    DMS_TRY(sum_own_labels(lo, node, &e, &x[0].term, &x[1], st));
    for (uint32_t k = 0; k < x[0].term.n; k++)
        if (!has(out, x[0].term.label[k]))
            return emit_matmul(lo, node, &e, &x[0], &x[1], st);
    const dms_lowered_operand a = arranged(&x[0], &e, out->n, out->label);
    const dms_lowered_operand b = arranged(&x[1], &e, out->n, out->label);
    return dms_ops_emit_binary(lo, node, DMS_FN_MUL, &a, &b, &y, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Einsum", 12, 0, 1, 2, 1, einsum_infer, NULL, einsum_lower),
};

DMS_OPS_FAMILY(einsum);
