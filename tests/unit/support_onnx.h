/* support_onnx.h - small ONNX models for tests, built in memory, written to a folder of their own.
 *
 * Reads    nothing.
 * Returns  a model file; files that lie beside it.
 * Cost     one temporary folder per case, removed at the end.
 * Source   ONNX IR specification.
 * Not here models made by exporters (tests/models).
 *
 * Lists of names are texts with commas: "x,,w" has an absent middle operand. So are shapes:
 * "2,seq,?" is a number, a symbolic dim and a nameless one; "" is a scalar.
 */
#ifndef DMS_TESTS_SUPPORT_ONNX_H
#define DMS_TESTS_SUPPORT_ONNX_H

#include "onnx/graph.h"
#include "onnx/onnx.pb-c.h"

#define ONNX_MOST 64 /* entries of one list */

typedef struct onnx_case {
    dms_arena arena;       /* of the messages */
    dms_arena graph_arena; /* of what was read */
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph; /* the main graph */
    char folder[64], path[96];
    dms_graph read;      /* after onnx_read */
    dms_lowered lowered; /* after onnx_lower */
    uint8_t **storage;   /* after onnx_execute */
    dms_status st;
} onnx_case;

/* Starts a model of one ai.onnx opset. */
void onnx_begin(onnx_case *c, int64_t opset);

/* Removes the folder and frees everything. */
void onnx_end(onnx_case *c);

/* An empty graph, for branches. */
Onnx__GraphProto *onnx_graph(onnx_case *c);

/* Adds an input or output of f32, or of any type. */
void onnx_input(onnx_case *c, const char *name, int dtype, const char *shape);
void onnx_output(onnx_case *c, Onnx__GraphProto *g, const char *name, int dtype, const char *shape);

/* Adds a node; its name is its operator, an underscore and its first output. */
Onnx__NodeProto *onnx_node(onnx_case *c, Onnx__GraphProto *g, const char *op, const char *in,
                           const char *out);

/* Adds nodes written as text to the main graph: "Transpose k kt perm=[0,2,1]; Add kt,b y". Behind
 * operands and outputs stand attributes, as in support_ops.h: axis=1 alpha=0.5 mode='linear'. */
void onnx_text(onnx_case *c, const char *text);

/* Adds a chain of `n` products (any number) of 8 rows, from "a0" to "a<n>", with weights of very
 * different sizes by this seed: where they do not fit only a search says which should stay. */
void onnx_products(onnx_case *c, uint32_t n, uint64_t seed);

/* A node that belongs to no graph (yet). */
Onnx__NodeProto *onnx_loose_node(onnx_case *c, const char *op, const char *in, const char *out);

/* Attributes. */
void onnx_int(onnx_case *c, Onnx__NodeProto *node, const char *name, int64_t value);
void onnx_ints(onnx_case *c, Onnx__NodeProto *node, const char *name, const char *values);
void onnx_float(onnx_case *c, Onnx__NodeProto *node, const char *name, float value);
void onnx_string(onnx_case *c, Onnx__NodeProto *node, const char *name, const char *value);
void onnx_tensor_attr(onnx_case *c, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *t);
void onnx_branch(onnx_case *c, Onnx__NodeProto *node, const char *name, Onnx__GraphProto *g);
void onnx_reference(onnx_case *c, Onnx__NodeProto *node, const char *name, const char *of);

/* A tensor with raw data; data NULL gives zeros. */
Onnx__TensorProto *onnx_tensor(onnx_case *c, const char *name, int dtype, const char *shape,
                               const void *data);

/* Adds an initializer to a graph. */
Onnx__TensorProto *onnx_initializer(onnx_case *c, Onnx__GraphProto *g, const char *name, int dtype,
                                    const char *shape, const void *data);

/* Adds i64 values, "2,3,-1", as an initializer of rank 1 ("" = none). */
void onnx_i64(onnx_case *c, Onnx__GraphProto *g, const char *name, const char *values);

/* Makes a tensor external. offset and length may be NULL. */
void onnx_external(onnx_case *c, Onnx__TensorProto *t, const char *location, const char *offset,
                   const char *length);

/* Adds an empty model-local function. */
Onnx__FunctionProto *onnx_function(onnx_case *c, const char *domain, const char *name,
                                   const char *in, const char *out, const char *attributes);
void onnx_function_node(onnx_case *c, Onnx__FunctionProto *f, Onnx__NodeProto *node);

/* Adds a node to a function's body; gives an integer attribute of a function a default. */
Onnx__NodeProto *onnx_body_node(onnx_case *c, Onnx__FunctionProto *f, const char *op,
                                const char *in, const char *out);
void onnx_function_default(onnx_case *c, Onnx__FunctionProto *f, const char *name, int64_t value);

/* The operators of all nodes that were read, in order: "Relu,Add,Softmax". */
const char *onnx_operators(onnx_case *c);

/* Makes every result of the main graph an output too, so that no pattern may replace it. */
void onnx_expose(onnx_case *c);

/* Reads a model twice: `begin` and the nodes of `text`, as they are and exposed. Fails the test
 * unless output 0 (f32) is the same on made-up inputs; returns how many nodes `op` the first one
 * holds. The exposed one must hold none. */
uint32_t onnx_pattern(void (*begin)(onnx_case *c, int64_t opset), int64_t opset, const char *text,
                      const char *op);

/* The same where results may differ by `tolerance`: models in f16 and bf16, whose parts round. */
uint32_t onnx_pattern_within(void (*begin)(onnx_case *c, int64_t opset), int64_t opset,
                             const char *text, const char *op, float tolerance);

/* Numbers in -1 .. 1 without pattern, the same for the same seed. */
void onnx_noise(float *data, uint64_t n, uint32_t seed);

/* Checks that output k is these numbers on these f32 inputs. */
void onnx_expect_output(onnx_case *c, const float *const *input, uint32_t k, uint32_t n,
                        const float *wanted);

/* Writes a file beside the model; its path in the case's arena. */
const char *onnx_file(onnx_case *c, const char *name, const void *data, size_t size);

/* Encodes the model. */
uint8_t *onnx_encode(onnx_case *c, size_t *out_size);

/* Writes the model, then reads it with --dim options such as "batch=2,seq=5" (NULL = none). */
dms_code onnx_read(onnx_case *c, const char *dims);

/* The same, and lowers it. */
dms_code onnx_lower(onnx_case *c, const char *dims);

/* Reads these bytes as a model file. */
dms_code onnx_read_bytes(onnx_case *c, const void *data, size_t size);

/* A tensor of the graph that was read, by name; fails the test when there is none. */
const dms_tensor *onnx_find(const onnx_case *c, const char *name);

/* Number of nodes of an operator that are left. */
uint32_t onnx_count(const onnx_case *c, const char *op);

/* Checks dims of a tensor: "2,3". */
void onnx_expect_shape(const onnx_case *c, const char *name, const char *shape);

/* Checks that an operation failed with this code and that the message holds this text. */
void onnx_expect_failure(const onnx_case *c, dms_code got, dms_code wanted, const char *text);

/* Runs the lowered graph, call by call; one address per input, in order. False where this build has
 * no kernel for a call (the message names it). */
bool onnx_execute(onnx_case *c, const void *const *input);

/* Runs the lowered graph on f32 inputs (in order) and copies output k. */
void onnx_run(onnx_case *c, const float *const *input, uint32_t k, float *out, uint32_t n);

#endif
