/* infer.c - shapes and values, as rows see them.
 *
 * Sizes are checked where they are set: whatever has a shape has a size in bytes below 2^63, and
 * the code behind may multiply its dims. Values are those of constants; a row that needs a value
 * which is computed when running must say so, because no memory can be planned for its result.
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/op.h"
#include "schema/checked.h"

/* Shapes, axes, pads and the like: what has more values is data, not part of a shape. */
#define MOST_VALUES 4096u

/* An output that the model leaves out has no tensor, and a row need not ask. */
dms_code dms_set_output(dms_graph *graph, const dms_node *node, uint32_t k, dms_dtype dtype,
                        uint32_t rank, const int64_t *dim, dms_status *st) {
    dms_tensor *out = dms_out(graph, node, k);
    if (out == NULL)
        return DMS_OK;
    if (rank > DMS_MAX_RANK)
        return dms_node_fail(node, st, "output %" PRIu32 " has rank %" PRIu32 ", at most %u", k,
                             rank, DMS_MAX_RANK);
    for (uint32_t a = 0; a < rank; a++)
        if (dim[a] < 0)
            return dms_node_fail(
                node, st, "output %" PRIu32 " has dim %" PRId64 " on axis %" PRIu32, k, dim[a], a);
    dms_view dense;
    if (dms_dtype_bytes(dtype) == 0)
        return dms_node_fail(node, st, "output %" PRIu32 " has data type %s", k,
                             dms_dtype_name(dtype));
    if (!dms_view_dense(dtype, rank, dim, &dense))
        return dms_node_fail(node, st, "output %" PRIu32 " exceeds 63 bits of bytes", k);
    out->dtype = dtype;
    out->rank = rank;
    for (uint32_t a = 0; a < rank; a++)
        out->dim[a] = (dms_dim){dim[a], dim[a]};
    out->has_shape = true;
    return dms_tensor_bytes(out, &out->bytes, st);
}

dms_code dms_set_output_like(dms_graph *graph, const dms_node *node, uint32_t k, uint32_t j,
                             dms_status *st) {
    const dms_tensor *in = dms_in(graph, node, j);
    if (in == NULL)
        return dms_node_fail(node, st, "input %" PRIu32 " is missing", j);
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t a = 0; a < in->rank; a++)
        dim[a] = dms_extent(in, a);
    return dms_set_output(graph, node, k, in->dtype, in->rank, dim, st);
}

/* Joins the shape of input k into a broadcast shape, aligned at the last axis. */
static dms_code join_shape(const dms_node *node, const dms_tensor *in, uint32_t rank, int64_t *dim,
                           dms_status *st) {
    const uint32_t lead = rank - in->rank;
    for (uint32_t a = 0; a < in->rank; a++) {
        const int64_t have = dim[lead + a], want = dms_extent(in, a);
        if (have != want && have != 1 && want != 1)
            return dms_node_fail(node, st,
                                 "input '%.120s' has %" PRId64 " on axis %" PRIu32
                                 ", the others have %" PRId64,
                                 in->name, want, a, have);
        if (have == 1)
            dim[lead + a] = want;
    }
    return DMS_OK;
}

/* Aligned at the last axis, 1 stretches: [8, 1, 6] and [7, 1] give [8, 7, 6]. A 0 is a size like
 * any other: it meets 0 or 1 only. */
dms_code dms_broadcast(const dms_graph *graph, const dms_node *node, uint32_t first, uint32_t last,
                       uint32_t *out_rank, int64_t *out_dim, dms_status *st) {
    uint32_t rank = 0;
    for (uint32_t k = first; k <= last; k++) {
        const dms_tensor *in = dms_in(graph, node, k);
        if (in != NULL && in->rank > rank)
            rank = in->rank;
    }
    for (uint32_t a = 0; a < rank; a++)
        out_dim[a] = 1;
    for (uint32_t k = first; k <= last; k++) {
        const dms_tensor *in = dms_in(graph, node, k);
        if (in != NULL)
            DMS_TRY(join_shape(node, in, rank, out_dim, st));
    }
    *out_rank = rank;
    return DMS_OK;
}

/* Bytes and count of constant input k, which may have at most MOST_VALUES elements. */
static dms_code small_constant(dms_graph *graph, const dms_node *node, uint32_t k, uint32_t *out_n,
                               const uint8_t **out_data, dms_status *st) {
    const dms_tensor *in = dms_in(graph, node, k);
    if (in == NULL)
        return dms_node_fail(node, st, "input %" PRIu32 " is missing", k);
    if (!dms_tensor_is_constant(in))
        return dms_node_fail(node, st,
                             "input '%.120s' is computed from data, so no memory can be planned; "
                             "it must follow from constants and shapes",
                             in->name);
    const uint64_t n = in->bytes / dms_dtype_bytes(in->dtype);
    if (n > MOST_VALUES)
        return dms_node_fail(node, st, "input '%.120s' has %" PRIu64 " values, at most %u",
                             in->name, n, MOST_VALUES);
    DMS_TRY(dms_constant_read(graph, node->in[k], in->bytes, graph->arena, out_data, st));
    *out_n = (uint32_t)n;
    return DMS_OK;
}

/* Element k of integer data. */
static int64_t int_at(dms_dtype dtype, const uint8_t *data, uint32_t k) {
    int64_t i64;
    int32_t i32;
    switch (dtype) {
    case DMS_DTYPE_I64:
    case DMS_DTYPE_U64:
        memcpy(&i64, data + 8 * (size_t)k, 8);
        return i64;
    case DMS_DTYPE_I32:
        memcpy(&i32, data + 4 * (size_t)k, 4);
        return i32;
    case DMS_DTYPE_U32:
        memcpy(&i32, data + 4 * (size_t)k, 4);
        return (uint32_t)i32;
    case DMS_DTYPE_I16:
        return (int16_t)(data[2 * (size_t)k] | data[2 * (size_t)k + 1] << 8);
    case DMS_DTYPE_U16:
        return (uint16_t)(data[2 * (size_t)k] | data[2 * (size_t)k + 1] << 8);
    case DMS_DTYPE_I8:
        return (int8_t)data[k];
    case DMS_DTYPE_U8:
    case DMS_DTYPE_BOOL:
        return data[k];
    case DMS_DTYPE_NONE:
    case DMS_DTYPE_F32:
    case DMS_DTYPE_F16:
    case DMS_DTYPE_F64:
    case DMS_DTYPE_BF16:
        break;
    }
    return 0;
}

/* The bits of an f32 as double. */
static double from_f32_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return (double)value;
}

/* The bits of an f16 as double: a subnormal is mantissa x 2^-24. */
static double from_f16_bits(uint32_t bits) {
    const uint32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double sign = bits >> 15 != 0 ? -1.0 : 1.0;
    if (exponent == 0)
        return sign * mantissa * 0x1p-24;
    if (exponent == 31)
        return from_f32_bits(bits >> 15 << 31 | 0x7f800000u | mantissa << 13);
    return from_f32_bits(bits >> 15 << 31 | (exponent + 112) << 23 | mantissa << 13);
}

/* Element k of real or integer data. */
static double real_at(dms_dtype dtype, const uint8_t *data, uint32_t k) {
    uint32_t bits;
    uint16_t half;
    double f64;
    if (dtype == DMS_DTYPE_F64) {
        memcpy(&f64, data + 8 * (size_t)k, 8);
        return f64;
    }
    if (dtype == DMS_DTYPE_F32) {
        memcpy(&bits, data + 4 * (size_t)k, 4);
        return from_f32_bits(bits);
    }
    if (dtype != DMS_DTYPE_F16 && dtype != DMS_DTYPE_BF16)
        return (double)int_at(dtype, data, k);
    memcpy(&half, data + 2 * (size_t)k, 2);
    return dtype == DMS_DTYPE_F16 ? from_f16_bits(half) : from_f32_bits((uint32_t)half << 16);
}

dms_code dms_int_values(dms_graph *graph, const dms_node *node, uint32_t k, uint32_t *out_n,
                        const int64_t **out, dms_status *st) {
    uint32_t n;
    const uint8_t *data;
    int64_t *value;
    DMS_TRY(small_constant(graph, node, k, &n, &data, st));
    const dms_tensor *in = dms_in(graph, node, k);
    if (!dms_dtype_is_integer(in->dtype) && in->dtype != DMS_DTYPE_BOOL)
        return dms_node_fail(node, st, "input '%.120s' is %s, wanted integers", in->name,
                             dms_dtype_name(in->dtype));
    DMS_TRY(dms_alloc_st(graph->arena, n, sizeof *value, "integer values", &value, st));
    for (uint32_t j = 0; j < n; j++)
        value[j] = int_at(in->dtype, data, j);
    *out_n = n;
    *out = value;
    return DMS_OK;
}

dms_code dms_real_values(dms_graph *graph, const dms_node *node, uint32_t k, uint32_t *out_n,
                         const double **out, dms_status *st) {
    uint32_t n;
    const uint8_t *data;
    double *value;
    DMS_TRY(small_constant(graph, node, k, &n, &data, st));
    const dms_tensor *in = dms_in(graph, node, k);
    DMS_TRY(dms_alloc_st(graph->arena, n, sizeof *value, "real values", &value, st));
    for (uint32_t j = 0; j < n; j++)
        value[j] = real_at(in->dtype, data, j);
    *out_n = n;
    *out = value;
    return DMS_OK;
}
