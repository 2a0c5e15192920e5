/* import_internal.h - what the files that turn protobuf messages into a graph share.
 *
 * Reads    the slim copy that scan.c made, parsed by protobuf-c.
 * Returns  nodes and tensors of a dms_graph.
 * Cost     O(messages).
 * Source   ONNX IR specification.
 * Not here shapes of computed tensors, folding (read.c).
 */
#ifndef DMS_ONNX_IMPORT_INTERNAL_H
#define DMS_ONNX_IMPORT_INTERNAL_H

#include "onnx/dims.h"
#include "onnx/graph.h"
#include "onnx/names.h"
#include "onnx/onnx.pb-c.h"
#include "onnx/scan.h"

#define DMS_IMPORT_NODES (1u << 19) /* most nodes, functions expanded */
#define DMS_IMPORT_FEW (1u << 14)   /* nodes that functions of any model may expand to */
#define DMS_IMPORT_CALLS 64u        /* deepest nesting of functions and branches */
#define DMS_IMPORT_LOADED 256u      /* constants up to this many bytes are kept in memory */

/* A graph, function body or branch: its names, opsets and, in a function, the attributes of the
 * call. */
typedef struct dms_scope {
    struct dms_scope *outer; /* where names of a branch may also come from */
    dms_names names;
    Onnx__OperatorSetIdProto **opset;
    size_t n_opsets;
    const Onnx__NodeProto *caller; /* of a function, for attributes by reference */
    const struct dms_scope *caller_scope;
    const Onnx__FunctionProto *function;
    Onnx__AttributeProto **defaults; /* of the function's attributes */
    uint32_t n_defaults;
    const char *prefix; /* of node names */
    uint32_t depth;
} dms_scope;

/* A branch as an attribute: the message and where it stands. */
typedef struct dms_branch {
    Onnx__GraphProto *graph;
    dms_scope *scope;
} dms_branch;

typedef struct dms_importer {
    dms_graph *graph;
    dms_arena *scratch;
    const dms_read_options *options;
    const Onnx__ModelProto *model;
    dms_scan scan;
    int fd;                       /* the model */
    ProtobufCAllocator allocator; /* of `scratch` */
    uint32_t n_calls;             /* functions and branches expanded */
    uint32_t most;                /* of them, and of nodes: grows with the file, up to _NODES */
    dms_names files;              /* locations of external data -> index into graph->file */
    dms_dims dims;
    dms_names functions; /* "domain/name" -> index into model->functions */
} dms_importer;

/* Looks a name up outwards; false when no scope has it. *out is DMS_NONE for an operand that the
 * caller of a function left out. */
bool dms_import_find(const dms_scope *scope, const char *name, uint32_t *out);

/* "" for NULL: protobuf-c gives NULL for absent texts. */
static inline const char *dms_import_plain(const char *text) {
    return text == NULL ? "" : text;
}

/* Adds a tensor under a name of this scope.
 * Errors   DMS_EUNSUPPORTED: the scope has the name already. */
DMS_CHECKED dms_code dms_import_add(dms_importer *im, dms_scope *scope, const char *name,
                                    uint32_t *out, dms_status *st);

/* Fills tensor `id` from a TensorProto; an unsupported data type is kept as its number.
 * Errors   DMS_EUNSUPPORTED, DMS_EIO naming the tensor. */
DMS_CHECKED dms_code dms_import_constant(dms_importer *im, const Onnx__TensorProto *from,
                                         uint32_t id, dms_status *st);

/* Adds the initializers of a graph or branch to its scope. */
DMS_CHECKED dms_code dms_import_initializers(dms_importer *im, dms_scope *scope,
                                             const Onnx__GraphProto *from, dms_status *st);

/* Adds a list of nodes: functions and constants are expanded. */
DMS_CHECKED dms_code dms_import_nodes(dms_importer *im, dms_scope *scope, size_t n,
                                      Onnx__NodeProto **from, dms_status *st);

/* Attributes of a node, references to the caller's replaced. */
DMS_CHECKED dms_code dms_import_attributes(dms_importer *im, dms_scope *scope,
                                           const Onnx__NodeProto *from, dms_node *node,
                                           dms_status *st);

/* Makes the output of a Constant node a constant. */
DMS_CHECKED dms_code dms_import_constant_node(dms_importer *im, const dms_scope *scope,
                                              const Onnx__NodeProto *from, uint32_t id,
                                              dms_status *st);

/* The attribute that a name stands for in this scope: references followed; NULL when absent. */
const Onnx__AttributeProto *dms_import_referenced(const dms_scope *scope,
                                                  const Onnx__AttributeProto *attr);

/* Version of a domain's operator set in this scope; 1 where it is not imported. */
uint32_t dms_import_version(const dms_scope *scope, const char *domain);

/* Whether two names of an operator domain mean the same ("" is ai.onnx). */
bool dms_import_same_domain(const char *a, const char *b);

/* Tensors of outer scopes that a branch uses, each once, appended to the operands of `node`. */
DMS_CHECKED dms_code dms_import_captures(dms_importer *im, const dms_branch *branch, dms_node *node,
                                         dms_status *st);

/* Replaces an If whose condition is known by the nodes of one branch, appended to the graph. */
DMS_CHECKED dms_code dms_import_branch(dms_importer *im, uint32_t node, bool condition,
                                       dms_status *st);

/* Replaces the call of a model-local function by its nodes. */
DMS_CHECKED dms_code dms_import_call(dms_importer *im, dms_scope *scope,
                                     const Onnx__NodeProto *call,
                                     const Onnx__FunctionProto *function, dms_status *st);

/* The function of this model that a node calls; NULL when it is an operator. */
const Onnx__FunctionProto *dms_import_function(const dms_importer *im, const char *domain,
                                               const char *name);

/* Adds a node Identity(from) -> to. */
DMS_CHECKED dms_code dms_import_identity(dms_importer *im, const dms_scope *scope, const char *name,
                                         uint32_t from, uint32_t to, dms_status *st);

/* A scope inside `outer` for a function or branch; the caller fills in what differs.
 * Errors   DMS_EUNSUPPORTED: nested too deep, too many of them. */
DMS_CHECKED dms_code dms_import_enter(dms_importer *im, const dms_scope *outer, const char *name,
                                      dms_scope **out, dms_status *st);

/* Which kind an attribute of ai.onnx must have; false where it depends on the operator. */
bool dms_attr_wanted(const char *name, dms_attr_kind *out);

/* Opsets that are understood: 7 to 23 of ai.onnx.
 * Errors   DMS_EUNSUPPORTED naming the version. */
DMS_CHECKED dms_code dms_import_check_opset(const dms_importer *im, const dms_scope *scope,
                                            dms_status *st);

/* Appends a zeroed node. */
DMS_CHECKED dms_code dms_import_new_node(dms_importer *im, uint32_t *out, dms_status *st);

/* Opens, scans and parses the model and imports its main graph: inputs, constants, nodes, outputs.
 * The importer keeps what branches need later. */
DMS_CHECKED dms_code dms_import_model(dms_importer *im, const char *path, dms_status *st);

#endif
