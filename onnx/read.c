/* read.c - one pass over the nodes in order: shapes, branches, constants; then rewriting.
 *
 *     import -> order, prune -> refuse -> for each node { infer, fold } -> prune -> rewrite
 *                  ^                                |
 *                  '--- the branch of an If <-------'   when its condition turned out constant
 *
 * Inference and folding must alternate: the shape of a Reshape is a value that folding finds, and
 * the values of a Shape are dims that inference finds. So there is one pass, not one for each.
 * Unknown operators are refused before any shape is inferred, all at once, but only those that the
 * outputs need: an exporter's dead end is nobody's problem.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "onnx/fold.h"
#include "onnx/graph.h"
#include "onnx/import_internal.h"
#include "onnx/op.h"
#include "onnx/order.h"
#include "onnx/rewrite.h"

/* State of one reading. */
typedef struct reader {
    dms_importer im;
    dms_folder folder;
    dms_order order; /* nodes that stay */
} reader;

static dms_code process_range(reader *r, uint32_t first, uint32_t end, const uint32_t *roots,
                              uint32_t n_roots, dms_status *st);

/* The one operator that is resolved here: its branch becomes nodes, it never runs. */
static bool is_if(const dms_node *node) {
    return dms_import_same_domain(node->domain, "") && strcmp(node->op, "If") == 0;
}

/* Puts the branch that a known condition selects in place of an If. */
static dms_code process_if(reader *r, uint32_t id, dms_status *st) {
    dms_graph *graph = r->im.graph;
    const dms_node *node = &graph->node[id];
    const uint32_t first = graph->n_nodes, n_out = node->n_out, *out = node->out;
    const dms_tensor *condition = node->n_in == 0 ? NULL : dms_in(graph, node, 0);
    const uint8_t *value;
    if (condition == NULL || condition->bytes != 1)
        return dms_node_fail(node, st, "its condition must be one bool");
    if (!dms_tensor_is_constant(condition))
        return dms_node_fail(node, st,
                             "its condition '%.120s' is computed from the inputs; only branches "
                             "known when compiling are supported",
                             condition->name);
    DMS_TRY(dms_constant_read(graph, node->in[0], 1, graph->arena, &value, st));
    DMS_TRY(dms_import_branch(&r->im, id, *value != 0, st));
    return process_range(r, first, graph->n_nodes, out, n_out, st);
}

/* Not as many inputs or outputs as the operator takes; `kind` names them. */
static dms_code fail_count(const dms_node *node, const char *kind, uint32_t n, uint32_t least,
                           uint32_t most, dms_status *st) {
    const char *s = n == 1 ? "" : "s";
    if (least == most)
        return dms_node_fail(node, st, "%" PRIu32 " %s%s, wanted %" PRIu32, n, kind, s, least);
    if (most == DMS_ANY)
        return dms_node_fail(node, st, "%" PRIu32 " %s%s, wanted at least %" PRIu32, n, kind, s,
                             least);
    return dms_node_fail(node, st, "%" PRIu32 " %s%s, wanted %" PRIu32 " to %" PRIu32, n, kind, s,
                         least, most);
}

/* As many operands as the row allows, the required ones present and with shapes. */
static dms_code check_operands(const dms_graph *graph, const dms_node *node, dms_status *st) {
    const dms_op *row = node->row;
    if (node->n_in < row->min_in || (row->max_in != DMS_ANY && node->n_in > row->max_in))
        return fail_count(node, "input", node->n_in, row->min_in, row->max_in, st);
    if (node->n_out < row->min_out || (row->max_out != DMS_ANY && node->n_out > row->max_out))
        return fail_count(node, "output", node->n_out, row->min_out, row->max_out, st);
    for (uint32_t k = 0; k < node->n_in; k++) {
        const dms_tensor *in = dms_in(graph, node, k);
        if (in == NULL && k < row->min_in)
            return dms_node_fail(node, st, "input %" PRIu32 " is missing", k);
        if (in != NULL && !in->has_shape)
            return dms_node_fail(node, st, "reads '%.120s', which nothing makes", in->name);
    }
    for (uint32_t k = 0; k < row->min_out; k++)
        if (dms_out(graph, node, k) == NULL)
            return dms_node_fail(node, st, "output %" PRIu32 " is missing", k);
    return DMS_OK;
}

/* Shapes of one node's outputs. */
static dms_code infer(dms_graph *graph, uint32_t id, dms_status *st) {
    dms_node *node = &graph->node[id];
    node->row = dms_op_find(node->domain, node->op, node->version);
    if (node->row == NULL)
        return dms_node_fail(node, st, "not supported in opset %" PRIu32, node->version);
    DMS_TRY(check_operands(graph, node, st));
    DMS_TRY(node->row->infer(graph, node, st));
    for (uint32_t k = 0; k < node->n_out; k++)
        if (dms_out(graph, node, k) != NULL && !dms_out(graph, node, k)->has_shape)
            return dms_node_fail(node, st, "output %" PRIu32 " is none of this operator", k);
    return DMS_OK;
}

/* One node in order. */
static dms_code process_node(reader *r, uint32_t id, dms_status *st) {
    dms_graph *graph = r->im.graph;
    bool is_folded = false;
    if (is_if(&graph->node[id]))
        return process_if(r, id, st);
    DMS_TRY(infer(graph, id, st));
    const dms_node *node = &graph->node[id];
    if (node->row->folds_late == NULL || !node->row->folds_late(graph, node))
        DMS_TRY(dms_fold_node(&r->folder, id, &is_folded, st));
    graph->node[id].is_gone = is_folded;
    if (is_folded)
        return DMS_OK;
    DMS_TRY(dms_grow(r->im.scratch, &r->order.node, &r->order.cap, (uint64_t)r->order.n + 1,
                     sizeof *r->order.node, st));
    r->order.node[r->order.n++] = id;
    return DMS_OK;
}

/* A graph or branch: order, refusal of what is unknown, then node by node. An If comes back here
 * with the nodes of its branch, so that shapes flow through it. */
static dms_code process_range(reader *r, uint32_t first, uint32_t end, const uint32_t *roots,
                              uint32_t n_roots, dms_status *st) {
    dms_graph *graph = r->im.graph;
    dms_order order;
    DMS_TRY(dms_order_nodes(graph, first, end, roots, n_roots, r->im.scratch, &order, st));
    DMS_TRY(dms_refuse_unknown(graph, &order, r->im.scratch, st));
    for (uint32_t k = 0; k < order.n; k++) {
        const dms_node *node = &graph->node[order.node[k]];
        DMS_TRY(dms_fold_count(&r->folder, node->in, node->n_in, st));
    }
    DMS_TRY(dms_fold_count(&r->folder, roots, n_roots, st));
    for (uint32_t k = 0; k < order.n; k++)
        DMS_TRY(process_node(r, order.node[k], st));
    return DMS_OK;
}

/* Everything between the open file and the finished graph. */
static dms_code read_graph(reader *r, const char *path, dms_status *st) {
    dms_graph *graph = r->im.graph;
    DMS_TRY(dms_import_model(&r->im, path, st));
    DMS_TRY(process_range(r, 0, graph->n_nodes, graph->output, graph->n_outputs, st));
    DMS_TRY(dms_order_prune(graph, &r->order, r->im.scratch, st));
    DMS_TRY(dms_order_apply(graph, &r->order, st));
    return dms_rewrite(graph, &r->folder, r->im.scratch, st);
}

/* Whether the model reads and lowers with these options. */
static bool works(const char *path, const dms_read_options *options) {
    dms_arena arena = {0}, messages = {0}, folding = {0};
    dms_graph graph = {.arena = &arena};
    dms_lowered lowered;
    dms_status ignored;
    reader r = {.im = {.graph = &graph, .scratch = &messages, .options = options, .fd = -1},
                .folder = {.graph = &graph, .scratch = &folding}};
    const bool is_fine = read_graph(&r, path, &ignored) == DMS_OK &&
                         dms_graph_lower(&graph, &lowered, &ignored) == DMS_OK;
    if (r.im.fd >= 0)
        (void)close(r.im.fd);
    dms_arena_free(&folding);
    dms_arena_free(&messages);
    dms_arena_free(&arena);
    return is_fine;
}

/* Dims are missing: finds sizes that work, so that the command in the message does. Where none of
 * the attempts works, the first one stands in the message. */
static dms_code suggest_dims(reader *r, const char *path, dms_status *st) {
    dms_read_options options;
    for (uint32_t attempt = 0; attempt < DMS_DIMS_ATTEMPTS; attempt++) {
        dms_status ignored;
        if (dms_dims_try(&r->im.dims, attempt, r->im.scratch, &options, &ignored) == DMS_OK &&
            works(path, &options))
            return dms_dims_complain(&r->im.dims, r->im.graph, attempt, st);
    }
    return st->code;
}

dms_code dms_model_read(const char *path, const dms_read_options *options, dms_arena *arena,
                        dms_graph *out_graph, dms_status *st) {
    dms_arena messages = {0}, folding = {0};
    dms_graph graph = {.arena = arena};
    reader r = {.im = {.graph = &graph, .scratch = &messages, .options = options, .fd = -1},
                .folder = {.graph = &graph, .scratch = &folding}};
    dms_status why = {0};
    dms_code code = read_graph(&r, path, &why);
    if (code == DMS_EUSAGE && r.im.dims.n_missing != 0)
        code = suggest_dims(&r, path, &why);
    if (r.im.fd >= 0)
        (void)close(r.im.fd);
    dms_arena_free(&folding);
    dms_arena_free(&messages);
    if (code == DMS_OK)
        *out_graph = graph;
    else if (st != NULL)
        *st = why;
    return code;
}
