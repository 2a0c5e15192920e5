/* import.c - the main graph: opsets, functions, inputs and their dims, outputs. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "onnx/files.h"
#include "onnx/graph.h"
#include "onnx/import_internal.h"
#include "onnx/op.h"
#include "schema/beneath.h"

/* Opset 7 brought broadcasting as it is today; what newer ones than the last change is unknown, and
 * a silent guess would be a wrong result. */
#define OLDEST_OPSET 7u
#define NEWEST_OPSET 23u

/* protobuf-c's allocator: everything lives until the model has been read. */
static void *take(void *arena, size_t size) {
    return dms_alloc(arena, 1, size);
}

/* The other half of it. */
static void give_back(void *arena, void *data) {
    (void)arena; /* the arena is freed as a whole */
    (void)data;
}

/* Scans and parses the open model. */
static dms_code parse(dms_importer *im, uint64_t bytes, dms_status *st) {
    const char *name = im->graph->model_file;
    DMS_TRY(dms_scan_file(im->fd, name, bytes, im->scratch, &im->scan, st));
    im->allocator =
        (ProtobufCAllocator){.alloc = take, .free = give_back, .allocator_data = im->scratch};
    im->model = onnx__model_proto__unpack(&im->allocator, im->scan.n_slim, im->scan.slim);
    if (im->model == NULL && im->scratch->has_failed)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: parsing file '%.200s'", name);
    if (im->model == NULL)
        return dms_fail(st, DMS_EUNSUPPORTED,
                        "file '%.200s' is no ONNX model: its messages cannot be parsed", name);
    if (im->model->graph == NULL)
        return dms_fail(st, DMS_EUNSUPPORTED, "file '%.200s' is no ONNX model: it has no graph",
                        name);
    return DMS_OK;
}

/* Only the standard domain: versions of others are judged where their operators are looked up. */
dms_code dms_import_check_opset(const dms_importer *im, const dms_scope *scope, dms_status *st) {
    for (size_t k = 0; k < scope->n_opsets; k++) {
        const Onnx__OperatorSetIdProto *set = scope->opset[k];
        if (dms_import_same_domain(dms_import_plain(set->domain), "") &&
            (set->version < (int64_t)OLDEST_OPSET || set->version > (int64_t)NEWEST_OPSET))
            return dms_fail(st, DMS_EUNSUPPORTED,
                            "file '%.200s' uses opset %" PRId64 " of ai.onnx; supported are %u to "
                            "%u",
                            im->graph->model_file, set->version, OLDEST_OPSET, NEWEST_OPSET);
    }
    return DMS_OK;
}

/* Indexes the functions of the model. */
static dms_code index_functions(dms_importer *im, dms_status *st) {
    im->functions.arena = im->scratch;
    for (size_t k = 0; k < im->model->n_functions; k++) {
        const Onnx__FunctionProto *f = im->model->functions[k];
        const char *key = dms_format(im->scratch, "%s/%s", dms_import_plain(f->domain),
                                     dms_import_plain(f->name));
        if (key == NULL)
            return dms_fail(st, DMS_EINTERNAL, "out of memory: a function");
        if (dms_names_find(&im->functions, key) != NULL)
            return dms_fail(st, DMS_EUNSUPPORTED, "function '%.200s' is defined twice", key);
        DMS_TRY(dms_names_add(&im->functions, key, (uint32_t)k, NULL, st));
    }
    return DMS_OK;
}

/* The tensor type of an input; NULL with a message for sequences and the like. */
static const Onnx__TypeProto__Tensor *tensor_type(const Onnx__ValueInfoProto *from,
                                                  dms_status *st) {
    static const char *const other[] = {[ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE] = "a sequence",
                                        [ONNX__TYPE_PROTO__VALUE_MAP_TYPE] = "a map",
                                        [ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE] = "optional",
                                        [ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE] =
                                            "a sparse tensor"};
    const Onnx__TypeProto *type = from->type;
    const size_t which = type == NULL ? 0 : (size_t)type->value_case;
    if (which == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return type->tensor_type;
    (void)dms_fail(st, DMS_EUNSUPPORTED, "input '%.120s' is %s; only tensors are supported",
                   dms_import_plain(from->name),
                   which < sizeof other / sizeof *other && other[which] != NULL ? other[which]
                                                                                : "of no type");
    return NULL;
}

/* The text under which a symbolic dim goes: its name, or INPUT[AXIS]; NULL when out of memory. */
static const char *dim_text(dms_importer *im, const Onnx__ValueInfoProto *from, size_t axis) {
    const Onnx__TensorShapeProto__Dimension *dim = from->type->tensor_type->shape->dim[axis];
    const char *text = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                           ? dim->dim_param
                           : "";
    if (text != NULL && text[0] != 0 && strcmp(text, "?") != 0)
        return dms_escape(im->scratch, text);
    const char *name = dms_escape(im->scratch, dms_import_plain(from->name));
    return name == NULL ? NULL : dms_format(im->scratch, "%s[%zu]", name, axis);
}

/* A dim with a number. -1 is how some exporters write a dim without one. */
static bool is_fixed(const Onnx__TensorShapeProto__Dimension *dim) {
    return dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
           dim->dim_value != -1;
}

/* Notes the symbolic dims of an input or output. */
static dms_code note_dims(dms_importer *im, const Onnx__ValueInfoProto *from, bool is_required,
                          dms_status *st) {
    const Onnx__TensorShapeProto *shape = from->type->tensor_type->shape;
    for (size_t k = 0; shape != NULL && k < shape->n_dim; k++) {
        if (is_fixed(shape->dim[k]))
            continue;
        const char *text = dim_text(im, from, k);
        if (text == NULL)
            return dms_fail(st, DMS_EINTERNAL, "out of memory: a dim");
        if (is_required || text[0] == 0 || strchr(text, '[') == NULL)
            DMS_TRY(dms_dims_note(&im->dims, text, is_required, k == 0 && shape->n_dim > 1, st));
    }
    return DMS_OK;
}

/* Adds one input of the model and notes its dims. */
static dms_code add_input(dms_importer *im, dms_scope *scope, const Onnx__ValueInfoProto *from,
                          dms_status *st) {
    dms_graph *graph = im->graph;
    const char *name = dms_import_plain(from->name);
    const dms_name *entry = dms_names_find(&scope->names, name);
    if (entry != NULL && dms_tensor_is_constant(&graph->tensor[entry->value]))
        return DMS_OK; /* an initializer: a constant, whatever else it could be */
    const Onnx__TypeProto__Tensor *type = tensor_type(from, st);
    if (type == NULL)
        return DMS_EUNSUPPORTED;
    if (type->shape == NULL)
        return dms_fail(st, DMS_EUNSUPPORTED, "input '%.120s' has no shape", name);
    if (type->shape->n_dim > DMS_MAX_RANK)
        return dms_fail(st, DMS_EUNSUPPORTED, "input '%.120s': rank %zu, at most %u", name,
                        type->shape->n_dim, DMS_MAX_RANK);
    uint32_t id;
    DMS_TRY(dms_import_add(im, scope, name, &id, st));
    graph->tensor[id].origin = DMS_ORIGIN_INPUT;
    graph->tensor[id].index = graph->n_inputs;
    graph->tensor[id].dtype = (dms_dtype)type->elem_type;
    graph->tensor[id].rank = (uint32_t)type->shape->n_dim;
    graph->input[graph->n_inputs++] = id;
    return note_dims(im, from, true, st);
}

/* Sets the dims of an input once all symbolic ones have sizes. */
static dms_code size_input(dms_importer *im, const Onnx__ValueInfoProto *from, uint32_t id,
                           dms_status *st) {
    dms_tensor *t = &im->graph->tensor[id];
    const Onnx__TensorShapeProto *shape = from->type->tensor_type->shape;
    for (uint32_t k = 0; k < t->rank; k++) {
        int64_t size = shape->dim[k]->dim_value;
        if (!is_fixed(shape->dim[k])) {
            const char *text = dim_text(im, from, k);
            if (text == NULL || !dms_dims_value(&im->dims, text, &size))
                return dms_fail(st, DMS_EINTERNAL, "input '%.120s': axis %u has no size", t->name,
                                (unsigned)k);
        }
        if (size < 0)
            return dms_fail(st, DMS_EUNSUPPORTED, "input '%.120s': dim %" PRId64 " on axis %u",
                            t->name, size, (unsigned)k);
        t->dim[k] = (dms_dim){size, size};
    }
    t->has_shape = true;
    return dms_dtype_bytes(t->dtype) == 0 ? DMS_OK : dms_tensor_bytes(t, &t->bytes, st);
}

/* Compares the dims of an example with those of an input, and adds the symbolic ones to `all`. */
static dms_code add_example(dms_importer *im, const Onnx__ValueInfoProto *from, uint32_t k,
                            dms_plan_dim *all, uint32_t *n, dms_status *st) {
    const dms_input_dims *example = &im->options->input[k];
    const Onnx__TensorShapeProto *shape = from->type->tensor_type->shape;
    const char *name = dms_import_plain(from->name);
    if (example->rank != shape->n_dim)
        return dms_fail(st, DMS_EUSAGE,
                        "input %" PRIu32 " '%.120s' has %zu dims, its example has %" PRIu32, k,
                        name, shape->n_dim, example->rank);
    for (uint32_t axis = 0; axis < example->rank; axis++) {
        const int64_t wanted = shape->dim[axis]->dim_value, given = example->dim[axis];
        if (is_fixed(shape->dim[axis]) && given != wanted)
            return dms_fail(st, DMS_EUSAGE,
                            "input %" PRIu32 " '%.120s' has %" PRId64 " on axis %" PRIu32
                            ", its example has %" PRId64,
                            k, name, wanted, axis, given);
        if (is_fixed(shape->dim[axis]))
            continue;
        all[*n] = (dms_plan_dim){dim_text(im, from, axis), given};
        if (all[(*n)++].name == NULL)
            return dms_fail(st, DMS_EINTERNAL, "out of memory: a dim");
    }
    return DMS_OK;
}

/* Sizes by name and by example; the two must agree. */
static dms_code resolve_dims(dms_importer *im, const Onnx__ValueInfoProto *const *port,
                             dms_status *st) {
    const dms_read_options *given = im->options;
    if (given == NULL || given->n_inputs == 0)
        return dms_dims_resolve(&im->dims, im->graph, given, st);
    const uint32_t n_examples =
        given->n_inputs < im->graph->n_inputs ? given->n_inputs : im->graph->n_inputs;
    dms_plan_dim *all;
    uint32_t n = given->n_dims;
    DMS_TRY(dms_alloc_st(im->scratch, n + (uint64_t)n_examples * DMS_MAX_RANK, sizeof *all, "dims",
                         &all, st));
    for (uint32_t k = 0; k < n; k++)
        all[k] = given->dim[k];
    for (uint32_t k = 0; k < n_examples; k++)
        DMS_TRY(add_example(im, port[k], k, all, &n, st));
    const dms_read_options both = {.dim = all, .n_dims = n};
    return dms_dims_resolve(&im->dims, im->graph, &both, st);
}

/* Inputs of the model that are no initializers, with their sizes. */
static dms_code import_inputs(dms_importer *im, dms_scope *scope, dms_status *st) {
    const Onnx__GraphProto *from = im->model->graph;
    dms_graph *graph = im->graph;
    const Onnx__ValueInfoProto **port;
    DMS_TRY(dms_alloc_st(graph->arena, from->n_input, sizeof *graph->input, "inputs", &graph->input,
                         st));
    DMS_TRY(dms_alloc_st(im->scratch, from->n_input, sizeof *port, "inputs", &port, st));
    for (size_t k = 0; k < from->n_input; k++) {
        const uint32_t before = graph->n_inputs;
        DMS_TRY(add_input(im, scope, from->input[k], st));
        if (graph->n_inputs != before)
            port[before] = from->input[k];
    }
    for (size_t k = 0; k < from->n_output; k++)
        if (from->output[k]->type != NULL &&
            from->output[k]->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
            DMS_TRY(note_dims(im, from->output[k], false, st));
    DMS_TRY(resolve_dims(im, port, st));
    for (uint32_t k = 0; k < graph->n_inputs; k++)
        DMS_TRY(size_input(im, port[k], graph->input[k], st));
    return DMS_OK;
}

/* Resolves the names of the outputs. */
static dms_code import_outputs(dms_importer *im, const dms_scope *scope, dms_status *st) {
    const Onnx__GraphProto *from = im->model->graph;
    dms_graph *graph = im->graph;
    if (from->n_output == 0)
        return dms_fail(st, DMS_EUNSUPPORTED, "file '%.200s': the graph has no outputs",
                        graph->model_file);
    DMS_TRY(dms_alloc_st(graph->arena, from->n_output, sizeof *graph->output, "outputs",
                         &graph->output, st));
    for (size_t k = 0; k < from->n_output; k++) {
        const char *name = dms_import_plain(from->output[k]->name);
        if (!dms_import_find(scope, name, &graph->output[k]))
            return dms_fail(st, DMS_EUNSUPPORTED, "graph output '%.120s' is made by no node", name);
    }
    graph->n_outputs = (uint32_t)from->n_output;
    return DMS_OK;
}

/* Initializers before inputs, for old files list them among the inputs too; inputs before nodes,
 * since a node's operands must have names by then; outputs last, when all names are made. */
dms_code dms_import_model(dms_importer *im, const char *path, dms_status *st) {
    uint64_t bytes;
    dms_scope *main_scope;
    im->dims.scratch = im->scratch;
    DMS_TRY(dms_files_begin(im->graph, path, st));
    DMS_TRY(dms_regular_open(path, &im->fd, &bytes, st));
    DMS_TRY(parse(im, bytes, st));
    im->files.arena = im->scratch;
    im->most = im->scan.n_slim / 4 + DMS_IMPORT_FEW; /* a node of the file itself has 8 bytes */
    im->most = im->most < DMS_IMPORT_NODES ? im->most : DMS_IMPORT_NODES;
    DMS_TRY(dms_alloc_st(im->scratch, 1, sizeof *main_scope, "a scope", &main_scope, st));
    *main_scope = (dms_scope){.names.arena = im->scratch,
                              .opset = im->model->opset_import,
                              .n_opsets = im->model->n_opset_import};
    DMS_TRY(dms_import_check_opset(im, main_scope, st));
    DMS_TRY(index_functions(im, st));
    DMS_TRY(dms_import_initializers(im, main_scope, im->model->graph, st));
    DMS_TRY(import_inputs(im, main_scope, st));
    DMS_TRY(dms_import_nodes(im, main_scope, im->model->graph->n_node, im->model->graph->node, st));
    return import_outputs(im, main_scope, st);
}
