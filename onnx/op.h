/* op.h - what one row of the operator table says, and the helpers that rows are written with.
 *
 * Reads    a node of a graph whose inputs have dtypes and shapes.
 * Returns  (infer) dtypes and shapes of its outputs; (alias) outputs as views of input 0;
 *          (lower) kernel calls.
 * Cost     O(operands) per node, but for copied constant data.
 * Source   ONNX operator specification; each file of onnx/ops names what differs by version.
 * Not here how a kernel runs (runtime/kernels).
 *
 * Adding an operator = its row in a file of onnx/ops and, where no kernel fits, a kernel. Values of
 * integer tensors need no code in a row: a node whose inputs are constants is folded by running
 * what it lowers to, and Shape of a known shape is a constant.
 */
#ifndef DMS_ONNX_OP_H
#define DMS_ONNX_OP_H

#include "runtime/kernels/catalogue.h"
#include "schema/dtype.h"
#include "schema/status.h"

/* Of onnx/graph.h, which every file that uses a row includes as well. */
typedef struct dms_graph dms_graph;
typedef struct dms_node dms_node;
typedef struct dms_tensor dms_tensor;
typedef struct dms_attr dms_attr;
typedef struct dms_lowered_operand dms_lowered_operand;
typedef struct dms_view dms_view; /* schema/view.h */

#define DMS_ANY 255u /* any number of operands */

typedef struct dms_op dms_op; /* the row; also of graph.h */
typedef struct dms_lowering dms_lowering;

struct dms_op {
    const char *name;
    const char *domain;    /* NULL = ai.onnx */
    uint32_t since, until; /* opsets [since, until]; until 0 = newest known (23) */
    uint8_t min_in, max_in, min_out, max_out;
    /* Sets dtype and shape of every output (dms_set_output). Input shapes are known.
     * Errors   DMS_EUNSUPPORTED naming the node, with what was wanted and found. */
    dms_code (*infer)(dms_graph *graph, dms_node *node, dms_status *st);
    /* Output k as a view of input 0's storage: `in` is input 0's view, `out` gets the output's dims
     * and pitches. Returns false when these elements have no such view. Asked for every output that
     * is present; when one has no view, none becomes one and `lower` computes all of them.
     * NULL = never a view. */
    bool (*alias)(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                  dms_view *out);
    /* Emits the calls that compute the outputs. NULL only where `alias` always succeeds. */
    dms_code (*lower)(dms_lowering *lo, const dms_node *node, dms_status *st);
    /* Outputs depend on dtypes and shapes of the inputs alone (Shape, Size, EyeLike): folded though
     * the inputs are not constant. `lower` then reads no input. */
    bool is_shape_only;
    /* Whether a node of constants is left to the rewrites, which may do better than its values;
     * what they leave is folded behind them. NULL = never. */
    bool (*folds_late)(const dms_graph *graph, const dms_node *node);
};

/* The row for a node's operator, domain and version; NULL when there is none. */
const dms_op *dms_op_find(const char *domain, const char *name, uint32_t version);

/* Whether any version of this operator is supported (for messages). */
bool dms_op_is_known(const char *domain, const char *name);

/* Order of rows by domain, name, first opset. */
int dms_op_compare(const dms_op *a, const dms_op *b);

/* ---- attributes ---------------------------------------------------------------------------- */

/* The attribute of this name, or NULL. */
const dms_attr *dms_node_attr(const dms_node *node, const char *name);

/* An integer attribute or its default; a wrong kind was refused on reading. */
int64_t dms_node_int(const dms_node *node, const char *name, int64_t otherwise);

/* A real attribute or its default. */
double dms_node_float(const dms_node *node, const char *name, double otherwise);

/* A string attribute or its default. */
const char *dms_node_string(const dms_node *node, const char *name, const char *otherwise);

/* Integers of an attribute; returns how many, 0 when absent. *out lives as long as the graph. */
uint32_t dms_node_ints(const dms_node *node, const char *name, const int64_t **out);

/* ---- shapes and values --------------------------------------------------------------------- */

/* Input k of a node; NULL where it is absent. */
dms_tensor *dms_in(const dms_graph *graph, const dms_node *node, uint32_t k);

/* Output k of a node; NULL where it is absent. */
dms_tensor *dms_out(const dms_graph *graph, const dms_node *node, uint32_t k);

/* Sets dtype and fixed dims of output k; absent outputs are skipped.
 * Errors   DMS_EUNSUPPORTED: rank above 8, negative dims, size beyond 63 bits. */
DMS_CHECKED dms_code dms_set_output(dms_graph *graph, const dms_node *node, uint32_t k,
                                    dms_dtype dtype, uint32_t rank, const int64_t *dim,
                                    dms_status *st);

/* Output k has dtype and shape of input j. */
DMS_CHECKED dms_code dms_set_output_like(dms_graph *graph, const dms_node *node, uint32_t k,
                                         uint32_t j, dms_status *st);

/* Broadcasts the shapes of inputs [first, last] by ONNX's rule into *out_rank, out_dim. */
DMS_CHECKED dms_code dms_broadcast(const dms_graph *graph, const dms_node *node, uint32_t first,
                                   uint32_t last, uint32_t *out_rank, int64_t *out_dim,
                                   dms_status *st);

/* The values of input k, an integer constant (i32, i64) of at most 4,096 elements, as int64.
 * Owner    graph->arena.
 * Errors   DMS_EUNSUPPORTED: "node 'n' (Reshape): input 'shape' is computed from data, ...". */
DMS_CHECKED dms_code dms_int_values(dms_graph *graph, const dms_node *node, uint32_t k,
                                    uint32_t *out_n, const int64_t **out, dms_status *st);

/* The values of input k, a float or integer constant, as double. */
DMS_CHECKED dms_code dms_real_values(dms_graph *graph, const dms_node *node, uint32_t k,
                                     uint32_t *out_n, const double **out, dms_status *st);

/* An axis as given (-rank .. rank-1) as 0 .. rank-1.
 * Errors   DMS_EUNSUPPORTED naming node, axis and rank. */
DMS_CHECKED dms_code dms_axis(const dms_node *node, int64_t axis, uint32_t rank, uint32_t *out,
                              dms_status *st);

/* "node 'n' (Op): " and the message; returns DMS_EUNSUPPORTED. */
dms_code dms_node_fail(const dms_node *node, dms_status *st, const char *fmt, ...) DMS_FORMAT(3, 4);

/* ---- lowering ------------------------------------------------------------------------------ */

/* The graph that is being lowered. */
dms_graph *dms_lower_graph(dms_lowering *lo);

/* The view of a tensor inside its storage, strided where views were composed. */
dms_lowered_operand dms_lower_operand(dms_lowering *lo, uint32_t tensor);

/* The same elements as a dense view: itself when dense, else a temporary that a COPY fills. */
DMS_CHECKED dms_code dms_lower_dense(dms_lowering *lo, uint32_t tensor, dms_lowered_operand *out,
                                     dms_status *st);

/* A new temporary with dense dims. */
DMS_CHECKED dms_code dms_lower_temp(dms_lowering *lo, dms_dtype dtype, uint32_t rank,
                                    const int64_t *dim, dms_lowered_operand *out, dms_status *st);

/* A small constant as operand. `data` is copied. */
DMS_CHECKED dms_code dms_lower_constant(dms_lowering *lo, dms_dtype dtype, uint32_t rank,
                                        const int64_t *dim, const void *data,
                                        dms_lowered_operand *out, dms_status *st);

/* Emits one call: operands are inputs, then outputs; parameters are copied.
 * Errors   DMS_EUNSUPPORTED naming the node where dms_call_check refuses. */
DMS_CHECKED dms_code dms_lower_call(dms_lowering *lo, const dms_node *node, uint32_t kernel,
                                    uint32_t n_in, uint32_t n_out,
                                    const dms_lowered_operand *operand, uint32_t n_i,
                                    const int64_t *i, uint32_t n_f, const double *f,
                                    dms_status *st);

/* ---- view algebra -------------------------------------------------------------------------- */

/* The same elements, in the same order, under other dims; false when no pitches walk them so. */
bool dms_view_reshape(const dms_view *in, uint32_t rank, const int64_t *dim, dms_view *out);

/* Axis k of the result is axis[k] of `in`; `out` may be `in`. */
void dms_view_permute(const dms_view *in, const uint32_t *axis, dms_view *out);

/* Repeats axes of 1 and adds leading ones by pitch 0; false when the dims do not broadcast. */
bool dms_view_expand(const dms_view *in, uint32_t rank, const int64_t *dim, dms_view *out);

/* Entries first, first + step, ... (count of them) of one axis; step > 0. */
void dms_view_narrow(dms_view *view, uint32_t axis, int64_t first, int64_t count, int64_t step);

#endif
