/* constant.c - operators whose result follows from shapes or scalars: ConstantOfShape, Range,
 * Shape, Size, EyeLike. Small results are folded; a large ConstantOfShape is a step that fills.
 *
 * Versions: Shape-15 adds start and end.
 *
 * Exporters compute shapes with chains of these and of Gather, Concat, Mul and the like on small
 * integer tensors. All of that is known when compiling: Shape, Size and EyeLike depend on shapes
 * alone, and whatever follows from constants is folded by running what it lowers to.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

/* ---- ConstantOfShape ----------------------------------------------------------------------- */

/* dtype and bits of the value: attribute `value` of one element, f32 zero by default. */
static dms_code fill_value(dms_graph *graph, const dms_node *node, dms_dtype *dtype, uint64_t *bits,
                           dms_status *st) {
    const dms_attr *attr = dms_node_attr(node, "value");
    *dtype = DMS_DTYPE_F32;
    *bits = 0;
    if (attr == NULL)
        return DMS_OK;
    if (attr->kind != DMS_ATTR_TENSOR)
        return dms_node_fail(node, st, "attribute 'value' is no tensor");
    const dms_tensor *value = &graph->tensor[attr->tensor];
    const uint8_t *data = NULL;
    if (value->bytes != dms_dtype_bytes(value->dtype))
        return dms_node_fail(node, st, "attribute 'value' does not have one element");
    *dtype = value->dtype;
    if (value->bytes == 0) /* a string: refused with the other dtypes */
        return DMS_OK;
    DMS_TRY(dms_constant_read(graph, attr->tensor, 8, graph->arena, &data, st));
    memcpy(bits, data, dms_dtype_bytes(value->dtype));
    return DMS_OK;
}

/* ConstantOfShape(shape): every element is `value`. The shape must be known. The attribute
 * brings the dtype with it; without it the result is f32. */
static dms_code fill_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    uint32_t rank = 0;
    const int64_t *dim = NULL;
    dms_dtype dtype = DMS_DTYPE_NONE;
    uint64_t bits = 0;
    DMS_TRY(dms_int_values(graph, node, 0, &rank, &dim, st));
    DMS_TRY(fill_value(graph, node, &dtype, &bits, st));
    return dms_set_output(graph, node, 0, dtype, rank, dim, st);
}

/* One DMS_K_FILL, run when folding where the result is small, else as a step of every turn: a
 * model that makes its weights this way needs no bytes for them in any file. */
static dms_code fill_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_dtype dtype = DMS_DTYPE_NONE;
    uint64_t bits = 0;
    DMS_TRY(fill_value(dms_lower_graph(lo), node, &dtype, &bits, st));
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    return dms_ops_fill(lo, node, bits, &out, st);
}

/* ---- Range --------------------------------------------------------------------------------- */

#define RANGE_DTYPES                                                                               \
    (DMS_OPS_INDEX | DMS_DTYPE_BIT(DMS_DTYPE_I16) | DMS_DTYPE_BIT(DMS_DTYPE_F32) |                 \
     DMS_DTYPE_BIT(DMS_DTYPE_F64))

/* start, limit, delta of integers: how many steps stay before the limit. */
static int64_t integer_count(int64_t start, int64_t limit, int64_t delta) {
    const bool is_up = delta > 0;
    if (is_up ? start >= limit : start <= limit)
        return 0;
    const uint64_t length =
        is_up ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    const uint64_t stride = is_up ? (uint64_t)delta : 0 - (uint64_t)delta;
    const uint64_t count = (length - 1) / stride + 1;
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

/* The scalars as integers (i) or reals (f), whichever the dtype is; the number of elements. */
static dms_code range_read(dms_graph *graph, const dms_node *node, int64_t *i, double *f,
                           int64_t *count, dms_status *st) {
    const bool is_real = dms_dtype_is_float(dms_in(graph, node, 0)->dtype);
    for (uint32_t k = 0; k < 3; k++) {
        const dms_tensor *t = dms_in(graph, node, k);
        uint32_t n = 0;
        const double *value = NULL;
        i[k] = 0;
        f[k] = 0.0;
        if (!is_real) {
            DMS_TRY(dms_ops_int_value(graph, node, k, &i[k], st));
            continue;
        }
        if (!dms_tensor_is_constant(t))
            return dms_node_fail(node, st, "input '%s' is computed from data", t->name);
        DMS_TRY(dms_real_values(graph, node, k, &n, &value, st));
        if (n != 1)
            return dms_node_fail(node, st, "input '%s' has %" PRIu32 " elements, wants 1", t->name,
                                 n);
        f[k] = value[0];
    }
    if (is_real ? f[2] == 0.0 : i[2] == 0)
        return dms_node_fail(node, st, "its step is 0");
    const double real = is_real ? ceil((f[1] - f[0]) / f[2]) : 0.0;
    if (!(real < 0x1p53))
        return dms_node_fail(node, st, "it has no end");
    *count = !is_real ? integer_count(i[0], i[1], i[2]) : real > 0.0 ? (int64_t)real : 0;
    return DMS_OK;
}

/* Range(start, limit, delta): start + k delta for k = 0, 1, ... as long as that stays before the
 * limit: max(0, ceil((limit - start) / delta)) elements. 3, 10, 3 give 3 6 9; 10, 4, -2 give 10
 * 8 6; a step in the wrong direction gives nothing. */
static dms_code range_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t i[3], count = 0;
    double f[3];
    DMS_TRY(dms_ops_want_one_dtype(graph, node, 0, 2, RANGE_DTYPES, st));
    DMS_TRY(range_read(graph, node, i, f, &count, st));
    return dms_set_output(graph, node, 0, dms_in(graph, node, 0)->dtype, 1, &count, st);
}

/* One DMS_K_RANGE, with integers or reals as the dtype is. */
static dms_code range_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    int64_t i[3], count = 0;
    double f[3];
    DMS_TRY(range_read(dms_lower_graph(lo), node, i, f, &count, st));
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    const int64_t integers[2] = {i[0], i[2]};
    const double reals[2] = {f[0], f[2]};
    return dms_lower_call(lo, node, DMS_K_RANGE, 0, 1, &out, 2, integers, 2, reals, st);
}

/* ---- Shape, Size --------------------------------------------------------------------------- */

/* The axes [*first, *end) whose extents Shape gives; bounds count from the end and are clamped. */
static void shape_range(const dms_node *node, uint32_t rank, uint32_t *first, uint32_t *end) {
    const int64_t n = (int64_t)rank;
    int64_t bound[2] = {0, n};
    if (node->version >= 15) {
        bound[0] = dms_node_int(node, "start", 0);
        bound[1] = dms_node_int(node, "end", n);
    }
    for (uint32_t k = 0; k < 2; k++) {
        bound[k] = bound[k] < 0 ? bound[k] + n : bound[k];
        bound[k] = bound[k] < 0 ? 0 : bound[k] > n ? n : bound[k];
    }
    *first = (uint32_t)bound[0];
    *end = (uint32_t)(bound[1] < bound[0] ? bound[0] : bound[1]);
}

/* Shape(x): the extents of axes [start, end) as i64. Known when compiling, like every shape. x
 * [2, 3, 4] with start 1 and end -1: one number, 3. */
static dms_code shape_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    uint32_t first = 0, end = 0;
    shape_range(node, dms_in(graph, node, 0)->rank, &first, &end);
    const int64_t dim[1] = {end - first};
    return dms_set_output(graph, node, 0, DMS_DTYPE_I64, 1, dim, st);
}

/* Size(x): the number of elements as an i64 scalar. */
static dms_code size_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    return dms_set_output(graph, node, 0, DMS_DTYPE_I64, 0, NULL, st);
}

/* The numbers as a constant, copied to the output. */
static dms_code shape_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(dms_lower_graph(lo), node, 0);
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    int64_t dim[DMS_MAX_RANK + 1] = {0};
    uint32_t first = 0, end = 0;
    dms_lowered_operand value;
    (void)dms_ops_dims(x, dim);
    if (strcmp(node->op, "Size") == 0)
        dim[0] = dms_ops_count(x, 0, x->rank);
    else
        shape_range(node, x->rank, &first, &end);
    DMS_TRY(dms_lower_constant(lo, DMS_DTYPE_I64, out.view.rank, out.view.dim, dim + first, &value,
                               st));
    return dms_lower_copy(lo, node, value, out, st);
}

/* ---- EyeLike ------------------------------------------------------------------------------- */

/* EyeLike(x): a matrix with the dims of x and ones on diagonal k (above the main one where
 * positive). The dtype is that of x unless an attribute names one. [2, 3] with k = 1: 0 1 0 / 0
 * 0 1. */
static dms_code eye_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    int64_t dim[DMS_MAX_RANK], k = 0;
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 2, 2, st));
    DMS_TRY(dms_ops_int_in(node, "k", 0, INT32_MIN, INT32_MAX, &k, st));
    const int64_t dtype = dms_node_int(node, "dtype", (int64_t)x->dtype);
    if (dtype < 0 || dtype > 31 || dms_dtype_bytes((uint32_t)dtype) == 0)
        return dms_node_fail(node, st, "attribute 'dtype' is %" PRId64 ", which is not supported",
                             dtype);
    (void)dms_ops_dims(x, dim);
    return dms_set_output(graph, node, 0, (dms_dtype)dtype, 2, dim, st);
}

/* Ones on diagonal k: what is above it taken away from ones, then what is below. */
static dms_code eye_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const int64_t k = dms_node_int(node, "k", 0);
    const dms_lowered_operand out = dms_lower_operand(lo, node->out[0]);
    dms_lowered_operand lower[2], upper[2];
    DMS_TRY(dms_ops_scalar(lo, node, out.view.dtype, 1.0, 2, out.view.dim, &lower[0], st));
    DMS_TRY(dms_lower_temp(lo, out.view.dtype, 2, out.view.dim, &lower[1], st));
    const int64_t below[2] = {0, k}, above[2] = {1, k};
    DMS_TRY(dms_lower_call(lo, node, DMS_K_TRILU, 1, 1, lower, 2, below, 0, NULL, st));
    upper[0] = lower[1];
    upper[1] = out;
    return dms_lower_call(lo, node, DMS_K_TRILU, 1, 1, upper, 2, above, 0, NULL, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("ConstantOfShape", 9, 0, 1, 1, 1, fill_infer, NULL, fill_lower),
    DMS_OPS_ROW("Range", 11, 0, 3, 3, 1, range_infer, NULL, range_lower),
    DMS_OPS_SHAPE_ROW("Shape", 1, shape_infer, shape_lower),
    DMS_OPS_SHAPE_ROW("Size", 1, size_infer, shape_lower),
    DMS_OPS_SHAPE_ROW("EyeLike", 9, eye_infer, eye_lower),
};

DMS_OPS_FAMILY(constant);
