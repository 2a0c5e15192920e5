/* import_node.c - names become operands, function calls their bodies. */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/import_internal.h"
#include "onnx/op.h"

/* The standard domain has two spellings: "" and "ai.onnx". */
bool dms_import_same_domain(const char *a, const char *b) {
    const char *x = strcmp(a, "ai.onnx") == 0 ? "" : a, *y = strcmp(b, "ai.onnx") == 0 ? "" : b;
    return strcmp(x, y) == 0;
}

/* From the inside out: a branch sees the names around it, and its own hide them. A function body
 * has no outer scope, so it sees nothing but its inputs. */
bool dms_import_find(const dms_scope *scope, const char *name, uint32_t *out) {
    for (; scope != NULL; scope = scope->outer) {
        const dms_name *entry = dms_names_find(&scope->names, name);
        if (entry != NULL) {
            *out = entry->value;
            return true;
        }
    }
    return false;
}

dms_code dms_import_add(dms_importer *im, dms_scope *scope, const char *name, uint32_t *out,
                        dms_status *st) {
    if (dms_names_find(&scope->names, name) != NULL)
        return dms_fail(st, DMS_EUNSUPPORTED, "the name '%.120s' stands for more than one tensor",
                        name);
    const char *text = dms_escape(im->graph->arena, name);
    dms_name *entry;
    if (text == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a name");
    DMS_TRY(dms_graph_add_tensor(im->graph, text, out, st));
    DMS_TRY(dms_names_add(&scope->names, name, *out, &entry, st));
    entry->is_made = true;
    return DMS_OK;
}

/* The opset that the model imports for a domain. Domains that it does not name count as 1; a
 * version out of range is 0. */
uint32_t dms_import_version(const dms_scope *scope, const char *domain) {
    for (size_t k = 0; k < scope->n_opsets; k++) {
        const Onnx__OperatorSetIdProto *set = scope->opset[k];
        if (dms_import_same_domain(dms_import_plain(set->domain), domain))
            return set->version > 0 && set->version < UINT32_MAX ? (uint32_t)set->version : 0;
    }
    return 1;
}

dms_code dms_import_new_node(dms_importer *im, uint32_t *out, dms_status *st) {
    dms_graph *graph = im->graph;
    if (graph->n_nodes >= im->most)
        return dms_fail(st, DMS_EUNSUPPORTED, "file '%.200s': more than %u nodes",
                        graph->model_file, im->most);
    DMS_TRY(dms_grow(graph->arena, &graph->node, &graph->cap_nodes, (uint64_t)graph->n_nodes + 1,
                     sizeof *graph->node, st));
    *out = graph->n_nodes++;
    graph->node[*out] = (dms_node){0};
    return DMS_OK;
}

/* A value under a second name: outputs of calls and branches. The alias costs nothing later, since
 * Identity becomes a view of its input. */
dms_code dms_import_identity(dms_importer *im, const dms_scope *scope, const char *name,
                             uint32_t from, uint32_t to, dms_status *st) {
    uint32_t id, *operand;
    if (from == DMS_NONE)
        return dms_fail(st, DMS_EUNSUPPORTED,
                        "'%.120s': an operand that was left out is given back", name);
    DMS_TRY(dms_alloc_st(im->graph->arena, 2, sizeof *operand, "operands", &operand, st));
    DMS_TRY(dms_import_new_node(im, &id, st));
    operand[0] = from;
    operand[1] = to;
    im->graph->node[id] = (dms_node){.name = name,
                                     .op = "Identity",
                                     .domain = "",
                                     .version = dms_import_version(scope, ""),
                                     .n_in = 1,
                                     .n_out = 1,
                                     .in = operand,
                                     .out = operand + 1};
    im->graph->tensor[to].producer = id;
    return DMS_OK;
}

/* The model's name for a node, or that of its first output, inside `scope`. */
static dms_code name_node(dms_importer *im, const dms_scope *scope, const Onnx__NodeProto *from,
                          const char **out, dms_status *st) {
    const char *own = dms_import_plain(from->name);
    for (size_t k = 0; own[0] == 0 && k < from->n_output; k++)
        own = from->output[k];
    if (own[0] == 0)
        own = dms_import_plain(from->op_type);
    const char *whole =
        scope->prefix == NULL ? own : dms_format(im->scratch, "%s/%s", scope->prefix, own);
    *out = whole == NULL ? NULL : dms_escape(im->graph->arena, whole);
    return *out == NULL ? dms_fail(st, DMS_EINTERNAL, "out of memory: a node's name") : DMS_OK;
}

/* Says before any node is read which names the nodes of this list make. */
static dms_code declare_outputs(dms_importer *im, dms_scope *scope, const Onnx__NodeProto *from,
                                dms_status *st) {
    for (size_t k = 0; k < from->n_output; k++) {
        uint32_t id;
        const char *name = from->output[k];
        if (name[0] == 0)
            continue;
        dms_name *entry = dms_names_find(&scope->names, name);
        if (entry == NULL)
            DMS_TRY(dms_import_add(im, scope, name, &id, st));
        else if (entry->is_made)
            return dms_fail(st, DMS_EUNSUPPORTED,
                            "node '%.120s' (%.60s) makes '%.120s', which another node, an "
                            "initializer or an input makes too",
                            dms_import_plain(from->name), dms_import_plain(from->op_type), name);
        else
            entry->is_made = true;
    }
    return DMS_OK;
}

/* Operand names as ids. */
static dms_code resolve(dms_importer *im, const dms_scope *scope, const dms_node *node, size_t n,
                        char **name, uint32_t *out_n, uint32_t **out, dms_status *st) {
    if (n > UINT16_MAX)
        return dms_node_fail(node, st, "%zu operands", n);
    DMS_TRY(dms_alloc_st(im->graph->arena, n, sizeof **out, "operands", out, st));
    for (size_t k = 0; k < n; k++) {
        (*out)[k] = DMS_NONE;
        if (name[k][0] != 0 && !dms_import_find(scope, name[k], &(*out)[k]))
            return dms_node_fail(node, st, "reads '%.120s', which nothing makes", name[k]);
    }
    *out_n = (uint32_t)n;
    return DMS_OK;
}

/* Branches read tensors of the scopes around them: those become operands, so that order and
 * liveness see them. */
static dms_code add_captures(dms_importer *im, dms_node *node, dms_status *st) {
    for (uint32_t k = 0; k < node->n_attrs; k++)
        if (node->attr[k].kind == DMS_ATTR_GRAPH)
            DMS_TRY(dms_import_captures(im, node->attr[k].graph, node, st));
    return DMS_OK;
}

/* A node that stays a node. */
static dms_code import_plain_node(dms_importer *im, dms_scope *scope, const Onnx__NodeProto *from,
                                  dms_status *st) {
    dms_node node = {.version = dms_import_version(scope, dms_import_plain(from->domain))};
    DMS_TRY(name_node(im, scope, from, &node.name, st));
    node.op = dms_escape(im->graph->arena, dms_import_plain(from->op_type));
    node.domain = dms_escape(im->graph->arena, dms_import_plain(from->domain));
    if (node.op == NULL || node.domain == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a node");
    DMS_TRY(resolve(im, scope, &node, from->n_input, from->input, &node.n_in, &node.in, st));
    DMS_TRY(resolve(im, scope, &node, from->n_output, from->output, &node.n_out, &node.out, st));
    DMS_TRY(dms_import_attributes(im, scope, from, &node, st));
    DMS_TRY(add_captures(im, &node, st));
    uint32_t id;
    DMS_TRY(dms_import_new_node(im, &id, st));
    im->graph->node[id] = node;
    for (uint32_t k = 0; k < node.n_out; k++)
        if (node.out[k] != DMS_NONE)
            im->graph->tensor[node.out[k]].producer = id;
    return DMS_OK;
}

/* One message: a call, a constant, or a node. */
static dms_code import_node(dms_importer *im, dms_scope *scope, const Onnx__NodeProto *from,
                            dms_status *st) {
    const char *domain = dms_import_plain(from->domain), *op = dms_import_plain(from->op_type);
    const Onnx__FunctionProto *function = dms_import_function(im, domain, op);
    if (function != NULL)
        return dms_import_call(im, scope, from, function, st);
    uint32_t id;
    if (strcmp(op, "Constant") == 0 && dms_import_same_domain(domain, "") && from->n_output == 1 &&
        dms_import_find(scope, from->output[0], &id) && id != DMS_NONE)
        return dms_import_constant_node(im, scope, from, id, st);
    return import_plain_node(im, scope, from, st);
}

/* All names first, then the nodes: nodes may stand in any order in a file, and a name that is made
 * twice is found before anything reads the wrong one. */
dms_code dms_import_nodes(dms_importer *im, dms_scope *scope, size_t n, Onnx__NodeProto **from,
                          dms_status *st) {
    for (size_t k = 0; k < n; k++)
        DMS_TRY(declare_outputs(im, scope, from[k], st));
    for (size_t k = 0; k < n; k++)
        DMS_TRY(import_node(im, scope, from[k], st));
    return DMS_OK;
}
