/* common.h - what the operator files of this folder share: checks, axes, operands under other dims.
 *
 * Reads    nodes whose inputs have dtypes and shapes.
 * Returns  statuses that name node and input; operands ready for a kernel call.
 * Cost     O(rank) each, but for copies that a call makes when a view cannot express the dims.
 * Source   ONNX operator specification.
 * Not here rows (one file per family), the helpers every row may use (onnx/op.h).
 */
#ifndef DMS_ONNX_OPS_COMMON_H
#define DMS_ONNX_OPS_COMMON_H

#include "onnx/lower.h"
#include "onnx/ops/ops.h"

#define DMS_OPS_FLOAT                                                                              \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16) | \
     DMS_DTYPE_BIT(DMS_DTYPE_F64))
#define DMS_OPS_INDEX (DMS_DTYPE_BIT(DMS_DTYPE_I32) | DMS_DTYPE_BIT(DMS_DTYPE_I64))
#define DMS_OPS_INTEGER                                                                            \
    (DMS_OPS_INDEX | DMS_DTYPE_BIT(DMS_DTYPE_I8) | DMS_DTYPE_BIT(DMS_DTYPE_I16) |                  \
     DMS_DTYPE_BIT(DMS_DTYPE_U8) | DMS_DTYPE_BIT(DMS_DTYPE_U16) | DMS_DTYPE_BIT(DMS_DTYPE_U32) |   \
     DMS_DTYPE_BIT(DMS_DTYPE_U64))
#define DMS_OPS_NUMBER (DMS_OPS_FLOAT | DMS_OPS_INTEGER)
#define DMS_OPS_BOOL DMS_DTYPE_BIT(DMS_DTYPE_BOOL)
#define DMS_OPS_ANY (DMS_OPS_NUMBER | DMS_OPS_BOOL)

/* One row: operator, opsets [since, until], numbers of operands, hooks. */
#define DMS_OPS_ROW(op, since_, until_, n_min, n_max, n_out, infer_, alias_, lower_)               \
    {                                                                                              \
        .name = op, .since = (since_), .until = (until_), .min_in = (n_min), .max_in = (n_max),    \
        .min_out = 1, .max_out = (n_out), .infer = infer_, .alias = alias_, .lower = lower_        \
    }

/* A row of one input, of which only the shape counts. */
#define DMS_OPS_SHAPE_ROW(op, since_, infer_, lower_)                                              \
    {                                                                                              \
        .name = op, .since = (since_), .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,       \
        .infer = infer_, .lower = lower_, .is_shape_only = true                                    \
    }

/* Ends an operator file: the family of its `rows`. */
#define DMS_OPS_FAMILY(name) const dms_op_family dms_ops_##name = {rows, sizeof rows / sizeof *rows}

/* ---- checks -------------------------------------------------------------------------------- */

/* Input k has a dtype of the set (bits of dms_dtype); an absent input passes. */
DMS_CHECKED dms_code dms_ops_want_dtype(const dms_graph *graph, const dms_node *node, uint32_t k,
                                        uint32_t set, dms_status *st);

/* Inputs [first, last] that are present have one dtype, which is in the set. */
DMS_CHECKED dms_code dms_ops_want_one_dtype(const dms_graph *graph, const dms_node *node,
                                            uint32_t first, uint32_t last, uint32_t set,
                                            dms_status *st);

/* Input k has a rank of [low, high]. */
DMS_CHECKED dms_code dms_ops_want_rank(const dms_graph *graph, const dms_node *node, uint32_t k,
                                       uint32_t low, uint32_t high, dms_status *st);

/* Input k is a vector of `count` elements; `what` says of what ("channels"). */
DMS_CHECKED dms_code dms_ops_want_vector(const dms_graph *graph, const dms_node *node, uint32_t k,
                                         int64_t count, const char *what, dms_status *st);

/* The attribute is an integer of [low, high]; its value or the default in *out. */
DMS_CHECKED dms_code dms_ops_int_in(const dms_node *node, const char *name, int64_t otherwise,
                                    int64_t low, int64_t high, int64_t *out, dms_status *st);

/* The attribute is one of `n` words; the index of its value or of the default (word 0). */
DMS_CHECKED dms_code dms_ops_word(const dms_node *node, const char *name, const char *const *word,
                                  uint32_t n, uint32_t *out, dms_status *st);

/* The single value of input k, an integer constant. */
DMS_CHECKED dms_code dms_ops_int_value(dms_graph *graph, const dms_node *node, uint32_t k,
                                       int64_t *out, dms_status *st);

/* "[2, 3]" into `out`; returns `out`. */
const char *dms_ops_dims_text(uint32_t rank, const int64_t *dim, char *out, uint64_t size);

/* ---- axes and dims ------------------------------------------------------------------------- */

/* Axes of a tensor of rank `rank` as a bit mask, without repeats: from attribute `axes` before
 * opset `input_since`, from then on from input `k`. *is_given: present, even if empty. */
DMS_CHECKED dms_code dms_ops_axes(dms_graph *graph, const dms_node *node, uint32_t k,
                                  uint32_t input_since, uint32_t rank, uint32_t *mask,
                                  bool *is_given, dms_status *st);

/* The attribute `axis` (or its default) as an axis of input 0. */
DMS_CHECKED dms_code dms_ops_axis(const dms_graph *graph, const dms_node *node, int64_t otherwise,
                                  uint32_t *out, dms_status *st);

/* Fixed dims of a tensor; returns its rank. */
uint32_t dms_ops_dims(const dms_tensor *t, int64_t *dim);

/* Number of elements of axes [first, end). */
int64_t dms_ops_count(const dms_tensor *t, uint32_t first, uint32_t end);

/* ---- operands ------------------------------------------------------------------------------ */

/* The elements of a tensor under other dims: a view where that can be, else a copy. */
DMS_CHECKED dms_code dms_ops_reshaped(dms_lowering *lo, const dms_node *node, uint32_t tensor,
                                      uint32_t rank, const int64_t *dim, dms_lowered_operand *out,
                                      dms_status *st);

/* A tensor repeated to these dims by ONNX's broadcast rule, without a copy. */
DMS_CHECKED dms_code dms_ops_expanded(dms_lowering *lo, const dms_node *node, uint32_t tensor,
                                      uint32_t rank, const int64_t *dim, dms_lowered_operand *out,
                                      dms_status *st);

/* The view of an operand under other dims; refuses where there is none (dense ones have one). */
DMS_CHECKED dms_code dms_ops_view_as(const dms_node *node, dms_lowered_operand *operand,
                                     uint32_t rank, const int64_t *dim, dms_status *st);

/* Moves an axis behind all others. */
void dms_ops_axis_last(dms_view *view, uint32_t axis);

/* Reorders axes: those outside `mask` in order, then those inside; returns how many are outside. */
uint32_t dms_ops_axes_last(dms_view *view, uint32_t mask);

/* out = fn(in) for operands of equal dims, with the parameters that dms_unary_fn names. */
DMS_CHECKED dms_code dms_ops_emit_unary(dms_lowering *lo, const dms_node *node, int64_t fn,
                                        double p0, double p1, const dms_lowered_operand *in,
                                        const dms_lowered_operand *out, dms_status *st);
/* out = fn(a, b) for operands of equal dims (dms_binary_fn). */
DMS_CHECKED dms_code dms_ops_emit_binary(dms_lowering *lo, const dms_node *node, int64_t fn,
                                         const dms_lowered_operand *a, const dms_lowered_operand *b,
                                         const dms_lowered_operand *out, dms_status *st);

/* A constant of one element with value `value` in this dtype, repeated to these dims. */
DMS_CHECKED dms_code dms_ops_scalar(dms_lowering *lo, const dms_node *node, dms_dtype dtype,
                                    double value, uint32_t rank, const int64_t *dim,
                                    dms_lowered_operand *out, dms_status *st);

/* Fills an operand with one bit pattern. */
DMS_CHECKED dms_code dms_ops_fill(dms_lowering *lo, const dms_node *node, uint64_t bits,
                                  const dms_lowered_operand *out, dms_status *st);

/* The bits of a small number in a dtype: f32, f64, f16, bf16, integers and bool. */
uint64_t dms_ops_bits(dms_dtype dtype, double value);

/* Alias of operators whose output is input 0 under the output's dims. */
bool dms_ops_alias_reshape(dms_graph *graph, const dms_node *node, uint32_t k, const dms_view *in,
                           dms_view *out);

/* Lowering of the same where there is no view: one copy. */
DMS_CHECKED dms_code dms_ops_lower_reshape(dms_lowering *lo, const dms_node *node, dms_status *st);

/* Infers output 0 like input 0. */
DMS_CHECKED dms_code dms_ops_infer_same(dms_graph *graph, dms_node *node, dms_status *st);

/* ---- products (product.c), for operators that compute one among other things --------------- */

/* Sets output 0 to the shape of input a times input b, with this dtype.
 * Errors   DMS_EUNSUPPORTED: the shapes do not fit; names both inputs. */
DMS_CHECKED dms_code dms_product_infer(dms_graph *graph, const dms_node *node, uint32_t a,
                                       uint32_t b, dms_dtype dtype, dms_status *st);

/* Emits the product of operands 0 and 1 into operand 2, whose dims are those of the result. */
DMS_CHECKED dms_code dms_product_emit(dms_lowering *lo, const dms_node *node,
                                      const dms_lowered_operand *factors_and_result,
                                      dms_status *st);

#endif
