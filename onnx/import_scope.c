/* import_scope.c - function bodies and branches: nodes under names of their own.
 *
 * A function sees its inputs alone; its outputs are bound to the tensors of the call before its
 * body is read, so no node is needed to hand them over. A branch sees all scopes around it: what it
 * reads from them becomes an operand of its If, so that order and liveness need no special case.
 * Both are expanded by copying, which a file could use to grow without end: depth and number of
 * expansions are limited, and so is the number of nodes, by the size of the file.
 */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/import_internal.h"
#include "onnx/op.h"

dms_code dms_import_enter(dms_importer *im, const dms_scope *outer, const char *name,
                          dms_scope **out, dms_status *st) {
    if (outer->depth >= DMS_IMPORT_CALLS || ++im->n_calls > im->most)
        return dms_fail(st, DMS_EUNSUPPORTED,
                        "'%.120s': functions and branches are nested more than %u levels deep, or "
                        "there are more than %u of them",
                        name, DMS_IMPORT_CALLS, im->most);
    dms_scope *scope;
    DMS_TRY(dms_alloc_st(im->scratch, 1, sizeof *scope, "a scope", &scope, st));
    *scope = (dms_scope){.names.arena = im->scratch, .depth = outer->depth + 1};
    scope->prefix = outer->prefix == NULL
                        ? dms_format(im->scratch, "%.200s", name)
                        : dms_format(im->scratch, "%.600s/%.200s", outer->prefix, name);
    if (scope->prefix == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a scope");
    *out = scope;
    return DMS_OK;
}

const Onnx__FunctionProto *dms_import_function(const dms_importer *im, const char *domain,
                                               const char *name) {
    if (im->functions.n == 0)
        return NULL;
    char key[512];
    if (strlen(domain) + strlen(name) + 2 > sizeof key)
        return NULL;
    (void)strcpy(key, domain);
    (void)strcat(key, "/");
    (void)strcat(key, name);
    const dms_name *entry = dms_names_find(&im->functions, key);
    return entry == NULL ? NULL : im->model->functions[entry->value];
}

/* Binds the inputs of a function to the operands of its call. */
static dms_code bind_inputs(dms_scope *outer, dms_scope *inner, const Onnx__NodeProto *call,
                            dms_status *st) {
    const Onnx__FunctionProto *f = inner->function;
    for (size_t k = 0; k < f->n_input; k++) {
        uint32_t id = DMS_NONE;
        dms_name *entry;
        if (k < call->n_input && call->input[k][0] != 0 &&
            !dms_import_find(outer, call->input[k], &id))
            return dms_fail(st, DMS_EUNSUPPORTED,
                            "node '%.120s' (%.60s): reads '%.120s', which nothing makes",
                            inner->prefix, call->op_type, call->input[k]);
        if (dms_names_find(&inner->names, f->input[k]) != NULL)
            return dms_fail(st, DMS_EUNSUPPORTED, "function '%.120s': two inputs called '%.120s'",
                            call->op_type, f->input[k]);
        DMS_TRY(dms_names_add(&inner->names, f->input[k], id, &entry, st));
        entry->is_made = true;
    }
    return DMS_OK;
}

/* Lets the body make the outputs of the call directly; an input given back needs a node. */
static dms_code bind_outputs(dms_importer *im, dms_scope *outer, dms_scope *inner,
                             const Onnx__NodeProto *call, dms_status *st) {
    const Onnx__FunctionProto *f = inner->function;
    for (size_t k = 0; k < f->n_output && k < call->n_output; k++) {
        uint32_t id;
        if (call->output[k][0] == 0 || !dms_import_find(outer, call->output[k], &id))
            continue;
        const dms_name *entry = dms_names_find(&inner->names, f->output[k]);
        if (entry == NULL)
            DMS_TRY(dms_names_add(&inner->names, f->output[k], id, NULL, st));
        else
            DMS_TRY(dms_import_identity(im, inner, inner->prefix, entry->value, id, st));
    }
    return DMS_OK;
}

/* Every output of the function was made by its body. */
static dms_code check_outputs(const dms_scope *inner, dms_status *st) {
    const Onnx__FunctionProto *f = inner->function;
    for (size_t k = 0; k < f->n_output; k++) {
        const dms_name *entry = dms_names_find(&inner->names, f->output[k]);
        if (entry != NULL && !entry->is_made)
            return dms_fail(st, DMS_EUNSUPPORTED,
                            "function '%.120s': no node makes its output '%.120s'",
                            dms_import_plain(f->name), f->output[k]);
    }
    return DMS_OK;
}

/* Defaults of attributes stand in field 11 of FunctionProto, which the schema we build with does
 * not know: protobuf-c keeps such fields with their length in front. */
static dms_code find_defaults(dms_importer *im, dms_scope *inner, ProtobufCAllocator *allocator,
                              dms_status *st) {
    const ProtobufCMessage *base = &inner->function->base;
    DMS_TRY(dms_alloc_st(im->scratch, base->n_unknown_fields, sizeof *inner->defaults, "defaults",
                         &inner->defaults, st));
    for (unsigned k = 0; k < base->n_unknown_fields; k++) {
        const ProtobufCMessageUnknownField *field = &base->unknown_fields[k];
        size_t skip = 0;
        if (field->tag != 11 || field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        while (skip < field->len && (field->data[skip] & 0x80) != 0)
            skip++;
        Onnx__AttributeProto *attr =
            skip >= field->len ? NULL
                               : onnx__attribute_proto__unpack(allocator, field->len - skip - 1,
                                                               field->data + skip + 1);
        if (attr == NULL && im->scratch->has_failed)
            return dms_fail(st, DMS_EINTERNAL, "out of memory: defaults of a function");
        if (attr == NULL)
            return dms_fail(st, DMS_EUNSUPPORTED,
                            "function '%.100s': the default of an attribute cannot be parsed",
                            dms_import_plain(inner->function->name));
        inner->defaults[inner->n_defaults++] = attr;
    }
    return DMS_OK;
}

dms_code dms_import_call(dms_importer *im, dms_scope *scope, const Onnx__NodeProto *call,
                         const Onnx__FunctionProto *function, dms_status *st) {
    const char *name = dms_import_plain(call->name)[0] != 0 ? call->name : call->op_type;
    dms_scope *inner;
    DMS_TRY(dms_import_enter(im, scope, name, &inner, st));
    inner->opset = function->n_opset_import == 0 ? scope->opset : function->opset_import;
    inner->n_opsets = function->n_opset_import == 0 ? scope->n_opsets : function->n_opset_import;
    inner->caller = call;
    inner->caller_scope = scope;
    inner->function = function;
    DMS_TRY(dms_import_check_opset(im, inner, st));
    DMS_TRY(find_defaults(im, inner, &im->allocator, st));
    DMS_TRY(bind_inputs(scope, inner, call, st));
    DMS_TRY(bind_outputs(im, scope, inner, call, st));
    DMS_TRY(dms_import_nodes(im, inner, function->n_node, function->node, st));
    return check_outputs(inner, st);
}

/* A list of names that a graph inside a branch makes itself. */
typedef struct local {
    const struct local *outer;
    dms_names names;
} local;

/* Whether the branch, or one around it, makes this name itself. */
static bool is_local(const local *where, const char *name) {
    for (; where != NULL; where = where->outer)
        if (dms_names_find(&where->names, name) != NULL)
            return true;
    return false;
}

/* A name may appear twice here: this is no check, only a question of whose it is. */
static dms_code add_local(local *where, const char *name, dms_status *st) {
    if (name == NULL || name[0] == 0 || dms_names_find(&where->names, name) != NULL)
        return DMS_OK;
    return dms_names_add(&where->names, name, 0, NULL, st);
}

/* All names that a graph inside a branch makes. */
static dms_code declare_locals(local *where, const Onnx__GraphProto *graph, dms_status *st) {
    for (size_t k = 0; k < graph->n_input; k++)
        DMS_TRY(add_local(where, graph->input[k]->name, st));
    for (size_t k = 0; k < graph->n_initializer; k++)
        DMS_TRY(add_local(where, graph->initializer[k]->name, st));
    for (size_t k = 0; k < graph->n_node; k++)
        for (size_t j = 0; j < graph->node[k]->n_output; j++)
            DMS_TRY(add_local(where, graph->node[k]->output[j], st));
    return DMS_OK;
}

/* What one search for captured tensors carries along. */
typedef struct capture {
    dms_importer *im;
    const dms_scope *scope; /* around the branch */
    dms_names seen;
    uint32_t n, cap;
    uint32_t *found;
} capture;

/* Notes a name that comes from outside the branch. */
static dms_code capture_name(capture *c, const local *where, const char *name, dms_status *st) {
    uint32_t id;
    if (name == NULL || name[0] == 0 || is_local(where, name) ||
        dms_names_find(&c->seen, name) != NULL || !dms_import_find(c->scope, name, &id) ||
        id == DMS_NONE)
        return DMS_OK;
    DMS_TRY(dms_names_add(&c->seen, name, id, NULL, st));
    DMS_TRY(dms_grow(c->im->scratch, &c->found, &c->cap, (uint64_t)c->n + 1, sizeof *c->found, st));
    c->found[c->n++] = id;
    return DMS_OK;
}

/* Walks a branch and the branches inside it; the scan has limited how deep they are. */
static dms_code capture_graph(capture *c, const local *outer, const Onnx__GraphProto *graph,
                              dms_status *st) {
    local here = {.outer = outer, .names.arena = c->im->scratch};
    DMS_TRY(declare_locals(&here, graph, st));
    for (size_t k = 0; k < graph->n_output; k++)
        DMS_TRY(capture_name(c, &here, graph->output[k]->name, st));
    for (size_t k = 0; k < graph->n_node; k++) {
        const Onnx__NodeProto *node = graph->node[k];
        for (size_t j = 0; j < node->n_input; j++)
            DMS_TRY(capture_name(c, &here, node->input[j], st));
        for (size_t j = 0; j < node->n_attribute; j++)
            if (node->attribute[j]->g != NULL)
                DMS_TRY(capture_graph(c, &here, node->attribute[j]->g, st));
    }
    return DMS_OK;
}

dms_code dms_import_captures(dms_importer *im, const dms_branch *branch, dms_node *node,
                             dms_status *st) {
    capture c = {.im = im, .scope = branch->scope, .seen.arena = im->scratch};
    uint32_t *in;
    DMS_TRY(capture_graph(&c, NULL, branch->graph, st));
    DMS_TRY(dms_alloc_st(im->graph->arena, (uint64_t)node->n_in + c.n, sizeof *in, "operands", &in,
                         st));
    if (node->n_in != 0)
        memcpy(in, node->in, node->n_in * sizeof *in);
    if (c.n != 0)
        memcpy(in + node->n_in, c.found, c.n * sizeof *in);
    node->in = in;
    node->n_in += c.n;
    return DMS_OK;
}

dms_code dms_import_branch(dms_importer *im, uint32_t node, bool condition, dms_status *st) {
    const dms_node whole = im->graph->node[node];
    const char *which = condition ? "then_branch" : "else_branch";
    const dms_attr *attr = dms_node_attr(&whole, which);
    if (attr == NULL || attr->kind != DMS_ATTR_GRAPH)
        return dms_node_fail(&whole, st, "it has no %s", which);
    const dms_branch *branch = attr->graph;
    dms_scope *inner;
    DMS_TRY(dms_import_enter(im, branch->scope, whole.name, &inner, st));
    const char *prefix = dms_format(im->scratch, "%.800s", whole.name); /* a path already */
    const uint32_t depth = inner->depth;
    if (prefix == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a branch");
    *inner = *branch->scope; /* opsets, and the attributes of the function around it */
    inner->outer = branch->scope;
    inner->names = (dms_names){.arena = im->scratch};
    inner->prefix = prefix;
    inner->depth = depth;
    DMS_TRY(dms_import_initializers(im, inner, branch->graph, st));
    DMS_TRY(dms_import_nodes(im, inner, branch->graph->n_node, branch->graph->node, st));
    if (branch->graph->n_output < whole.n_out)
        return dms_node_fail(&whole, st, "its %s has too few outputs", which);
    for (uint32_t k = 0; k < whole.n_out; k++) {
        const char *name = dms_import_plain(branch->graph->output[k]->name);
        uint32_t id;
        if (whole.out[k] == DMS_NONE)
            continue;
        if (!dms_import_find(inner, name, &id))
            return dms_node_fail(&whole, st, "no node makes '%.120s'", name);
        DMS_TRY(dms_import_identity(im, inner, whole.name, id, whole.out[k], st));
    }
    im->graph->node[node].is_gone = true;
    return DMS_OK;
}
