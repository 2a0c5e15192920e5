/* graph.h - an ONNX model as a graph of nodes and tensors: the door of this folder.
 *
 * Reads    a model file and the dims the user gave; weights stay byte ranges of their files.
 * Returns  nodes in execution order with every dtype and shape known, constants folded, functions
 *          and known branches inlined, attention found; and, lowered, one kernel call per step.
 * Cost     O(nodes + bytes folded); a 140 GB model costs a few MB to read.
 * Source   ONNX IR and operator specifications, opsets 7 to 23.
 * Not here cells (planner/tile), tiers (planner/place.h).
 */
#ifndef DMS_ONNX_GRAPH_H
#define DMS_ONNX_GRAPH_H

#include "runtime/kernels/kernel.h"
#include "schema/arena.h"
#include "schema/plan.h"

#define DMS_FOLD_BYTES (1u << 20) /* largest constant folded whatever it replaces */

/* A dim as an interval; a compile for fixed dims has lo == hi everywhere. */
typedef struct dms_dim {
    int64_t lo, hi;
} dms_dim;

typedef enum dms_origin {
    DMS_ORIGIN_NODE = 0,  /* computed by `producer` */
    DMS_ORIGIN_INPUT = 1, /* graph input `index` */
    DMS_ORIGIN_FILE = 2,  /* constant: `bytes` at `offset` of `file`, dense, little endian */
    DMS_ORIGIN_MADE = 3,  /* constant: `data` in memory, folded or converted from typed fields */
    DMS_ORIGIN_FILL = 4   /* constant: `data` is one element, which all others equal */
} dms_origin;

/* A value of the graph. Id = index into dms_graph.tensor. Rank <= DMS_MAX_RANK. */
typedef struct dms_tensor {
    const char *name; /* never NULL; "" only for temporaries of a lowering */
    dms_dtype dtype;  /* DMS_DTYPE_NONE until inferred */
    bool has_shape;
    uint32_t rank;
    dms_dim dim[DMS_MAX_RANK];
    dms_origin origin;
    uint32_t producer; /* node id, or DMS_NONE */
    uint32_t index;    /* of an input */
    uint32_t file;     /* ORIGIN_FILE: index into dms_graph.file */
    uint64_t offset, bytes;
    const uint8_t *data; /* ORIGIN_MADE, ORIGIN_FILL */
    uint32_t storage;    /* tensor whose buffer holds this one: itself, or the root of its views */
    dms_view view;       /* its elements inside the storage; set by the lowering */
} dms_tensor;

typedef enum dms_attr_kind {
    DMS_ATTR_INT = 0,
    DMS_ATTR_FLOAT,
    DMS_ATTR_STRING,
    DMS_ATTR_INTS,
    DMS_ATTR_FLOATS,
    DMS_ATTR_STRINGS,
    DMS_ATTR_TENSOR, /* a constant of the graph */
    DMS_ATTR_GRAPH   /* a branch or body; opaque outside import.c */
} dms_attr_kind;

typedef struct dms_attr {
    const char *name;
    dms_attr_kind kind;
    int64_t i;
    float f;
    const char *s; /* STRING: 0-terminated */
    uint32_t n;    /* INTS, FLOATS, STRINGS */
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
    uint32_t tensor;
    const void *graph;
} dms_attr;

typedef struct dms_op dms_op;

/* One operator application. Absent optional operands are DMS_NONE. */
typedef struct dms_node {
    const char *name; /* never empty: the model's, or made from the first output */
    const char *op, *domain;
    uint32_t version; /* opset of `domain` that the model (or function) imports */
    uint32_t n_in, n_out, n_attrs;
    uint32_t *in, *out;
    const dms_attr *attr;
    const dms_op *row; /* NULL until found */
    bool is_gone;      /* folded, inlined, or found to be dead */
} dms_node;

typedef struct dms_graph {
    dms_arena *arena;
    const char *model_path, *model_dir, *model_file; /* folder and file name of the path */
    uint32_t n_tensors, cap_tensors;
    dms_tensor *tensor;
    uint32_t n_nodes, cap_nodes;
    dms_node *node; /* in execution order after dms_model_read */
    uint32_t n_inputs, n_outputs;
    uint32_t *input, *output; /* tensor ids in the model's order, initialised inputs left out */
    uint32_t n_files, cap_files;
    dms_plan_file *file;   /* file 0 is the model itself; digests are filled by the planner */
    bool *file_is_missing; /* per file */
    uint32_t n_dims, cap_dims;
    dms_plan_dim *dim;   /* symbolic dims and their values */
    uint64_t fill_bytes; /* of large constants that FILL steps make; set by dms_graph_lower */
    uint32_t n_warnings, cap_warnings;
    const char **warning; /* sentences for the user: missing external data */
} dms_graph;

/* The dims of one input, as a tensor for it has them. */
typedef struct dms_input_dims {
    uint32_t rank;
    int64_t dim[DMS_MAX_RANK];
} dms_input_dims;

/* What the user fixes before reading. `dim` gives symbolic dims by name, and nameless ones as
 * "INPUT[AXIS]"; `input` gives those of the first inputs by example. */
typedef struct dms_read_options {
    const dms_plan_dim *dim;
    uint32_t n_dims;
    const dms_input_dims *input;
    uint32_t n_inputs;
} dms_read_options;

/* Reads a model file into a graph, ready to lower.
 * Owner    everything lives in `arena`; `graph->arena` is it.
 * Errors   DMS_EIO (file), DMS_EUSAGE (dims: prints a command that would work), DMS_EUNSUPPORTED
 *          (all unsupported operators and dtypes listed at once), each naming node or tensor. */
DMS_CHECKED dms_code dms_model_read(const char *path, const dms_read_options *options,
                                    dms_arena *arena, dms_graph *out_graph, dms_status *st);

/* One operand of a lowered call: a view into the storage of a tensor. */
typedef struct dms_lowered_operand {
    uint32_t tensor; /* a storage: graph->tensor[tensor].storage == tensor */
    dms_view view;
} dms_lowered_operand;

/* One kernel call, in execution order, before it is cut into cells. */
typedef struct dms_lowered_call {
    uint32_t node;
    dms_call call;                /* views as in `operand` */
    dms_lowered_operand *operand; /* n_in + n_out */
} dms_lowered_call;

/* The whole graph as calls. Every graph output is the whole dense storage of a tensor of its own
 * (kind DMS_ORIGIN_NODE), copied where it would not be. */
typedef struct dms_lowered {
    uint32_t n_calls, cap_calls;
    dms_lowered_call *call;
    uint32_t *output; /* n_outputs storages */
} dms_lowered;

/* Lowers every node: views become views, operators become calls that passed dms_call_check.
 * Errors   DMS_EUNSUPPORTED naming node and operator. */
DMS_CHECKED dms_code dms_graph_lower(dms_graph *graph, dms_lowered *out, dms_status *st);

/* Joins element-wise calls into chains (runtime/kernels/chain.h), and chains into the calls that
 * make what they read, where an intermediate has one reader and the bits stay the same. No step's
 * footprint grows beyond the largest one there was, so the floor does not rise.
 * Cost     O(calls x operands) joins, each O(instructions).
 * Errors   DMS_EINTERNAL (memory). */
DMS_CHECKED dms_code dms_graph_fuse(dms_graph *graph, dms_lowered *lowered, dms_status *st);

/* Bytes of a tensor with a fixed shape.
 * Errors   DMS_EUNSUPPORTED naming the tensor when they exceed 63 bits. */
DMS_CHECKED dms_code dms_tensor_bytes(const dms_tensor *tensor, uint64_t *out_bytes,
                                      dms_status *st);

/* The bytes of a constant, read from its file when they are there; *out_data lives in `arena` and
 * is never NULL.
 * Errors   DMS_EIO (missing, short), DMS_EINTERNAL when larger than `limit_bytes`. */
DMS_CHECKED dms_code dms_constant_read(const dms_graph *graph, uint32_t tensor,
                                       uint64_t limit_bytes, dms_arena *arena,
                                       const uint8_t **out_data, dms_status *st);

/* Extent of axis k (its fixed value). */
static inline int64_t dms_extent(const dms_tensor *t, uint32_t k) {
    return t->dim[k].hi;
}

/* Whether a tensor is a constant (FILE or MADE). */
bool dms_tensor_is_constant(const dms_tensor *tensor);

/* Adds a constant made in memory; `data` must live in graph->arena. Returns its id in *out. */
DMS_CHECKED dms_code dms_graph_add_constant(dms_graph *graph, const char *name, dms_dtype dtype,
                                            uint32_t rank, const int64_t *dim, const void *data,
                                            uint32_t *out, dms_status *st);

/* Adds a tensor without shape; returns its id in *out. */
DMS_CHECKED dms_code dms_graph_add_tensor(dms_graph *graph, const char *name, uint32_t *out,
                                          dms_status *st);

/* Prints every supported operator with its opset range (dmsc --list-ops). */
void dms_ops_print(FILE *out);

#endif
