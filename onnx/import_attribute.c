/* import_attribute.c - attributes of nodes, and Constant nodes, which are all attribute. */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/import_internal.h"
#include "onnx/op.h"

/* The default of a function's attribute; NULL when none. */
static const Onnx__AttributeProto *default_of(const dms_scope *scope, const char *name) {
    for (uint32_t k = 0; k < scope->n_defaults; k++)
        if (strcmp(dms_import_plain(scope->defaults[k]->name), name) == 0)
            return scope->defaults[k];
    return NULL;
}

/* The attribute of this name in a node of the caller. */
static const Onnx__AttributeProto *attribute_of(const Onnx__NodeProto *node, const char *name) {
    for (size_t k = 0; k < node->n_attribute; k++)
        if (strcmp(dms_import_plain(node->attribute[k]->name), name) == 0)
            return node->attribute[k];
    return NULL;
}

/* Inside a function an attribute may name one of the function instead of a value. That is looked up
 * in the node that calls, whose attribute may again name one of the function around it:
 *
 *   f(axis = 2)  ->  body of f: g(dim = ref axis)  ->  body of g: Concat(axis = ref dim)
 *
 * An absent one takes the function's default, and without that it is absent here too (NULL). */
const Onnx__AttributeProto *dms_import_referenced(const dms_scope *scope,
                                                  const Onnx__AttributeProto *attr) {
    while (attr != NULL && dms_import_plain(attr->ref_attr_name)[0] != 0) {
        const char *name = attr->ref_attr_name;
        if (scope == NULL || scope->caller == NULL)
            return NULL;
        attr = attribute_of(scope->caller, name);
        if (attr == NULL)
            return default_of(scope, name);
        scope = scope->caller_scope;
    }
    return attr;
}

/* The kind by its type, or, in the oldest files, by the member that is there. */
static bool kind_of(const Onnx__AttributeProto *from, dms_attr_kind *out) {
    static const int8_t by_type[] = {-1,
                                     DMS_ATTR_FLOAT,
                                     DMS_ATTR_INT,
                                     DMS_ATTR_STRING,
                                     DMS_ATTR_TENSOR,
                                     DMS_ATTR_GRAPH,
                                     DMS_ATTR_FLOATS,
                                     DMS_ATTR_INTS,
                                     DMS_ATTR_STRINGS};
    const int type = from->has_type ? (int)from->type : 0;
    if (type < 0 || type >= (int)sizeof by_type)
        return false;
    int kind = by_type[type];
    if (kind < 0)
        kind = from->has_f            ? DMS_ATTR_FLOAT
               : from->has_i          ? DMS_ATTR_INT
               : from->has_s          ? DMS_ATTR_STRING
               : from->t != NULL      ? DMS_ATTR_TENSOR
               : from->g != NULL      ? DMS_ATTR_GRAPH
               : from->n_floats != 0  ? DMS_ATTR_FLOATS
               : from->n_strings != 0 ? DMS_ATTR_STRINGS
                                      : DMS_ATTR_INTS;
    *out = (dms_attr_kind)kind;
    return true;
}

/* Bytes as a text of the graph. */
static dms_code copy_string(dms_importer *im, const ProtobufCBinaryData *from, const char **out,
                            dms_status *st) {
    *out = dms_strndup(im->graph->arena, (const char *)from->data, from->len);
    return *out == NULL ? dms_fail(st, DMS_EINTERNAL, "out of memory: a string") : DMS_OK;
}

/* A list of texts. */
static dms_code copy_strings(dms_importer *im, const Onnx__AttributeProto *from, dms_attr *to,
                             dms_status *st) {
    const char **text;
    DMS_TRY(dms_alloc_st(im->graph->arena, from->n_strings, sizeof *text, "strings", &text, st));
    for (size_t k = 0; k < from->n_strings; k++)
        DMS_TRY(copy_string(im, &from->strings[k], &text[k], st));
    to->strings = text;
    to->n = (uint32_t)from->n_strings;
    return DMS_OK;
}

/* Copies `n` numbers. */
static dms_code copy_list(dms_importer *im, const void *from, size_t n, size_t size,
                          const void **out, dms_status *st) {
    void *copy;
    DMS_TRY(dms_alloc_st(im->graph->arena, n, size, "a list", &copy, st));
    if (n != 0)
        memcpy(copy, from, n * size);
    *out = copy;
    return DMS_OK;
}

/* A tensor attribute becomes a constant named after the node. */
static dms_code copy_tensor(dms_importer *im, const Onnx__AttributeProto *from,
                            const dms_node *node, dms_attr *to, dms_status *st) {
    if (from->t == NULL)
        return dms_node_fail(node, st, "attribute '%.60s' is empty", to->name);
    const char *name = dms_format(im->graph->arena, "%s.%s", node->name, to->name);
    if (name == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: an attribute");
    DMS_TRY(dms_graph_add_tensor(im->graph, name, &to->tensor, st));
    return dms_import_constant(im, from->t, to->tensor, st);
}

/* A branch stays a message: it is imported if its condition selects it. */
static dms_code copy_graph(dms_importer *im, dms_scope *scope, const Onnx__AttributeProto *from,
                           const dms_node *node, dms_attr *to, dms_status *st) {
    dms_branch *branch;
    if (from->g == NULL)
        return dms_node_fail(node, st, "attribute '%.60s' is empty", to->name);
    DMS_TRY(dms_alloc_st(im->graph->arena, 1, sizeof *branch, "a branch", &branch, st));
    *branch = (dms_branch){from->g, scope};
    to->graph = branch;
    return DMS_OK;
}

/* Copies the value of an attribute whose kind is set. */
static dms_code copy_value(dms_importer *im, dms_scope *scope, const Onnx__AttributeProto *from,
                           const dms_node *node, dms_attr *to, dms_status *st) {
    const void *list = NULL;
    switch (to->kind) {
    case DMS_ATTR_INT:
        to->i = from->i;
        return DMS_OK;
    case DMS_ATTR_FLOAT:
        to->f = from->f;
        return DMS_OK;
    case DMS_ATTR_STRING:
        return copy_string(im, &from->s, &to->s, st);
    case DMS_ATTR_INTS:
        DMS_TRY(copy_list(im, from->ints, from->n_ints, sizeof *from->ints, &list, st));
        to->ints = list;
        to->n = (uint32_t)from->n_ints;
        return DMS_OK;
    case DMS_ATTR_FLOATS:
        DMS_TRY(copy_list(im, from->floats, from->n_floats, sizeof *from->floats, &list, st));
        to->floats = list;
        to->n = (uint32_t)from->n_floats;
        return DMS_OK;
    case DMS_ATTR_STRINGS:
        return copy_strings(im, from, to, st);
    case DMS_ATTR_TENSOR:
        return copy_tensor(im, from, node, to, st);
    case DMS_ATTR_GRAPH:
        return copy_graph(im, scope, from, node, to, st);
    }
    return DMS_OK;
}

/* For messages. */
static const char *kind_name(dms_attr_kind kind) {
    static const char *const name[] = {"an integer", "a number", "a string", "integers",
                                       "numbers",    "strings",  "a tensor", "a graph"};
    return name[kind];
}

/* One attribute; *out_is_kept is false for one that is absent in the caller, or that only an
 * unsupported operator can have. */
static dms_code import_attribute(dms_importer *im, dms_scope *scope,
                                 const Onnx__AttributeProto *from, const dms_node *node,
                                 dms_attr *to, bool *out_is_kept, dms_status *st) {
    const Onnx__AttributeProto *value = dms_import_referenced(scope, from);
    dms_attr_kind wanted;
    *out_is_kept = value != NULL && kind_of(value, &to->kind);
    if (!*out_is_kept)
        return DMS_OK;
    to->name = dms_escape(im->graph->arena, dms_import_plain(from->name));
    if (to->name == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: an attribute");
    if (dms_import_same_domain(node->domain, "") && dms_attr_wanted(to->name, &wanted) &&
        wanted != to->kind && dms_op_is_known(node->domain, node->op))
        return dms_node_fail(node, st, "attribute '%.60s' is %s, wanted %s", to->name,
                             kind_name(to->kind), kind_name(wanted));
    to->tensor = DMS_NONE;
    return copy_value(im, scope, value, node, to, st);
}

dms_code dms_import_attributes(dms_importer *im, dms_scope *scope, const Onnx__NodeProto *from,
                               dms_node *node, dms_status *st) {
    dms_attr *attr;
    DMS_TRY(
        dms_alloc_st(im->graph->arena, from->n_attribute, sizeof *attr, "attributes", &attr, st));
    node->n_attrs = 0;
    for (size_t k = 0; k < from->n_attribute; k++) {
        bool is_kept;
        DMS_TRY(import_attribute(im, scope, from->attribute[k], node, &attr[node->n_attrs],
                                 &is_kept, st));
        node->n_attrs += is_kept;
    }
    node->attr = attr;
    return DMS_OK;
}

/* Makes tensor `id` a constant of these numbers. */
static dms_code set_numbers(dms_importer *im, uint32_t id, dms_dtype dtype, bool is_list, size_t n,
                            const void *data, dms_status *st) {
    dms_tensor *t = &im->graph->tensor[id];
    const void *copy;
    DMS_TRY(copy_list(im, data, n, dms_dtype_bytes(dtype), &copy, st));
    t->dtype = dtype;
    t->rank = is_list ? 1 : 0;
    t->dim[0] = (dms_dim){(int64_t)n, (int64_t)n};
    t->has_shape = true;
    t->origin = DMS_ORIGIN_MADE;
    t->data = copy;
    return dms_tensor_bytes(t, &t->bytes, st);
}

/* A Constant node becomes no node: its output is a constant from the start, so that shapes
 * which follow from it are known while the graph is read. */
dms_code dms_import_constant_node(dms_importer *im, const dms_scope *scope,
                                  const Onnx__NodeProto *from, uint32_t id, dms_status *st) {
    for (size_t k = 0; k < from->n_attribute; k++) {
        const char *name = dms_import_plain(from->attribute[k]->name);
        const Onnx__AttributeProto *value = dms_import_referenced(scope, from->attribute[k]);
        if (value == NULL)
            continue;
        if (strcmp(name, "value") == 0 && value->t != NULL)
            return dms_import_constant(im, value->t, id, st);
        if (strcmp(name, "value_int") == 0)
            return set_numbers(im, id, DMS_DTYPE_I64, false, 1, &value->i, st);
        if (strcmp(name, "value_ints") == 0)
            return set_numbers(im, id, DMS_DTYPE_I64, true, value->n_ints, value->ints, st);
        if (strcmp(name, "value_float") == 0)
            return set_numbers(im, id, DMS_DTYPE_F32, false, 1, &value->f, st);
        if (strcmp(name, "value_floats") == 0)
            return set_numbers(im, id, DMS_DTYPE_F32, true, value->n_floats, value->floats, st);
    }
    return dms_fail(st, DMS_EUNSUPPORTED,
                    "node '%.120s' (Constant): no value that is a tensor or numbers",
                    im->graph->tensor[id].name);
}
