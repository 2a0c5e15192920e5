/* norm.c - normalisations: BatchNormalization, InstanceNormalization, GroupNormalization,
 * LayerNormalization, RMSNormalization, LpNormalization, MeanVarianceNormalization, LRN.
 *
 * Versions: BatchNormalization-7 has `spatial` (must be 1), 14 training_mode (must be 0); further
 * outputs belong to training. GroupNormalization-18 has one scale per group, 21 one per channel.
 *
 *                        mean and variance over        scale and bias per
 *     Batch              (given, per channel)          channel
 *     Instance           positions of a channel        channel
 *     Group              channels of a group, and      group (18), channel (21)
 *                        their positions
 *     Layer              the axes from `axis` on       element of these axes
 *     RMS                the same, mean square only    element of these axes
 *
 * x [2, 6, h, w] with 2 groups is seen by DMS_K_GROUP_NORM as [2, 2, 3, h w] and a scale of one
 * number per group as [2, 3] with pitches [1, 0]; instance norm is 6 groups of one channel.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "runtime/kernels/chain.h"

/* x as [batch, channels, positions] of input 0, and output 0 alike. */
static dms_code channel_operands(dms_lowering *lo, const dms_node *node, dms_lowered_operand *x,
                                 dms_lowered_operand *y, dms_status *st) {
    const dms_tensor *t = dms_in(dms_lower_graph(lo), node, 0);
    const int64_t dim[3] = {dms_extent(t, 0), dms_extent(t, 1), dms_ops_count(t, 2, t->rank)};
    *y = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 3, dim, x, st));
    return dms_ops_view_as(node, y, 3, dim, st);
}

/* Input k in the dtype of the data: statistics and scales may have another one. */
static dms_code in_dtype(dms_lowering *lo, const dms_node *node, uint32_t k, dms_dtype dtype,
                         dms_lowered_operand *out, dms_status *st) {
    const int64_t saturate[1] = {1};
    *out = dms_lower_operand(lo, node->in[k]);
    if (out->view.dtype == dtype)
        return DMS_OK;
    dms_lowered_operand cast[2] = {*out, *out};
    DMS_TRY(dms_lower_temp(lo, dtype, out->view.rank, out->view.dim, &cast[1], st));
    *out = cast[1];
    return dms_lower_call(lo, node, DMS_K_CAST, 1, 1, cast, 1, saturate, 0, NULL, st);
}

/* ---- BatchNormalization, InstanceNormalization, LRN ---------------------------------------- */

/* Inputs [1, last] have one element per channel. */
static dms_code check_channels(dms_graph *graph, const dms_node *node, uint32_t last,
                               dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 2, DMS_MAX_RANK, st));
    for (uint32_t k = 1; k <= last; k++) {
        DMS_TRY(dms_ops_want_dtype(graph, node, k, DMS_OPS_FLOAT, st));
        DMS_TRY(dms_ops_want_vector(graph, node, k, dms_extent(x, 1), "channels", st));
    }
    return DMS_OK;
}

/* BatchNormalization(x, scale, bias, mean, var): scale (x - mean) / sqrt(var + epsilon) + bias,
 * all per channel. The mean and the variance are those of training, and arrive as inputs. dms
 * refuses the training form of the operator: its further outputs are running statistics. */
static dms_code batch_norm_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    DMS_TRY(check_channels(graph, node, 4, st));
    if (node->version < 9 && dms_node_int(node, "spatial", 1) != 1)
        return dms_node_fail(node, st, "attribute 'spatial' is 0: statistics per position");
    if (node->version >= 14 && dms_node_int(node, "training_mode", 0) != 0)
        return dms_node_fail(node, st, "training_mode is 1: dms runs inference only");
    for (uint32_t k = 1; k < node->n_out; k++)
        if (dms_out(graph, node, k) != NULL)
            return dms_node_fail(node, st, "output '%s' belongs to training",
                                 dms_out(graph, node, k)->name);
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* scale x + shift per channel, in f64: what constant statistics come to. False where one of the
 * four is computed from data, or its file is not there. */
static bool constant_moments(dms_lowering *lo, const dms_node *node, uint32_t n, double *scale,
                             double *shift) {
    const double *value[4];
    dms_status ignored = {0};
    for (uint32_t k = 0; k < 4; k++) {
        uint32_t found;
        if (dms_real_values(dms_lower_graph(lo), node, k + 1, &found, &value[k], &ignored) !=
                DMS_OK ||
            found != n)
            return false;
    }
    const double epsilon = dms_node_float(node, "epsilon", 1e-5f);
    for (uint32_t c = 0; c < n; c++) {
        scale[c] = value[0][c] / sqrt(value[3][c] + epsilon);
        shift[c] = value[1][c] - value[2][c] * scale[c];
    }
    return true;
}

/* A constant of one number per channel, walked under the dims of x. */
static dms_code channel_constant(dms_lowering *lo, const dms_node *node, dms_dtype dtype,
                                 const dms_view *x, const double *value, dms_lowered_operand *out,
                                 dms_status *st) {
    const int64_t n = x->dim[1], dim[2] = {n, 1};
    float *single = NULL;
    DMS_TRY(dms_alloc_st(dms_lower_graph(lo)->arena, (uint64_t)n, sizeof *single, "statistics",
                         &single, st));
    for (int64_t c = 0; c < n; c++)
        single[c] = (float)value[c];
    const void *data = dtype == DMS_DTYPE_F64 ? (const void *)value : single;
    DMS_TRY(dms_lower_constant(lo, dtype, 1, &n, data, out, st));
    DMS_TRY(dms_ops_view_as(node, out, 2, dim, st));
    const dms_view once = out->view;
    if (!dms_view_expand(&once, 3, x->dim, &out->view))
        return dms_node_fail(node, st, "its statistics do not fit its channels");
    return DMS_OK;
}

/* y = x scale + shift as a chain, which what stands before and behind may join. Narrow floats are
 * widened in between, as the kernel does that computes the statistics. */
static dms_code batch_norm_chain(dms_lowering *lo, const dms_node *node,
                                 const dms_lowered_operand *x, const dms_lowered_operand *y,
                                 const double *scale, const double *shift, dms_status *st) {
    const dms_dtype dtype = x->view.dtype;
    const bool is_narrow = dms_dtype_bytes(dtype) < 4;
    const dms_dtype in = is_narrow ? DMS_DTYPE_F32 : dtype;
    dms_lowered_operand operand[4] = {*x, *x, *x, *y};
    DMS_TRY(channel_constant(lo, node, in, &x->view, scale, &operand[1], st));
    DMS_TRY(channel_constant(lo, node, in, &x->view, shift, &operand[2], st));
    dms_chain chain = {.n_in = 3};
    uint8_t value = 0;
    if (is_narrow) {
        chain.op[chain.n_ops++] = (dms_chain_op){.kind = DMS_CHAIN_CAST, .dtype = in};
        value = (uint8_t)(2 + chain.n_ops);
    }
    chain.op[chain.n_ops++] =
        (dms_chain_op){.kind = DMS_CHAIN_BINARY, .fn = DMS_FN_MUL, .src = {value, 1}};
    chain.op[chain.n_ops] = (dms_chain_op){
        .kind = DMS_CHAIN_BINARY, .fn = DMS_FN_ADD, .src = {(uint8_t)(2 + chain.n_ops), 2}};
    chain.n_ops++;
    if (is_narrow) {
        chain.op[chain.n_ops] = (dms_chain_op){
            .kind = DMS_CHAIN_CAST, .dtype = dtype, .src = {(uint8_t)(2 + chain.n_ops)}};
        chain.n_ops++;
    }
    int64_t i[1 + 4];
    dms_chain_write(&chain, i, NULL);
    return dms_lower_call(lo, node, DMS_K_CHAIN, 3, 1, operand, 1 + chain.n_ops, i, 0, NULL, st);
}

/* Constant statistics are one product and one sum per element; others are computed with by a
 * kernel of their own. */
static dms_code batch_norm_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_lowered_operand operand[6];
    double *scale, *shift;
    DMS_TRY(channel_operands(lo, node, &operand[0], &operand[5], st));
    const uint64_t n = (uint64_t)operand[0].view.dim[1];
    DMS_TRY(dms_alloc_st(dms_lower_graph(lo)->arena, n, sizeof *scale, "statistics", &scale, st));
    DMS_TRY(dms_alloc_st(dms_lower_graph(lo)->arena, n, sizeof *shift, "statistics", &shift, st));
    if (n <= UINT32_MAX && constant_moments(lo, node, (uint32_t)n, scale, shift))
        return batch_norm_chain(lo, node, &operand[0], &operand[5], scale, shift, st);
    for (uint32_t k = 1; k <= 4; k++)
        DMS_TRY(in_dtype(lo, node, k, operand[0].view.dtype, &operand[k], st));
    const double f[1] = {dms_node_float(node, "epsilon", 1e-5f)};
    return dms_lower_call(lo, node, DMS_K_BATCH_NORM, 5, 1, operand, 0, NULL, 1, f, st);
}

/* InstanceNormalization(x, scale, bias): mean and variance of each channel of each picture.
 * Unlike BatchNormalization the statistics are computed here, from x itself. */
static dms_code instance_norm_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    DMS_TRY(check_channels(graph, node, 2, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* LRN(x): x / (bias + alpha / size sum of squares over `size` channels around) ^ beta. The
 * window of channels is cut at both ends, the divisor `size` stays. */
static dms_code lrn_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    int64_t size = 0;
    DMS_TRY(check_channels(graph, node, 0, st));
    DMS_TRY(dms_ops_int_in(node, "size", 0, 1, INT32_MAX, &size, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* One DMS_K_LRN on [batch, channels, positions]. */
static dms_code lrn_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    dms_lowered_operand operand[2];
    DMS_TRY(channel_operands(lo, node, &operand[0], &operand[1], st));
    const int64_t i[1] = {dms_node_int(node, "size", 1)};
    const double f[3] = {dms_node_float(node, "alpha", 0.0001f),
                         dms_node_float(node, "beta", 0.75f), dms_node_float(node, "bias", 1.0f)};
    return dms_lower_call(lo, node, DMS_K_LRN, 1, 1, operand, 1, i, 3, f, st);
}

/* ---- GroupNormalization -------------------------------------------------------------------- */

/* GroupNormalization(x, scale, bias): mean and variance over the channels of a group and all
 * positions. x [2, 6, h, w] in 2 groups: 4 means, each over 3 channels. */
static dms_code group_norm_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    int64_t groups = 0;
    DMS_TRY(check_channels(graph, node, 0, st));
    DMS_TRY(dms_ops_int_in(node, "num_groups", 0, 1, INT32_MAX, &groups, st));
    if (dms_extent(x, 1) % groups != 0)
        return dms_node_fail(
            node, st, "input '%s' has %" PRId64 " channels, not a multiple of %" PRId64 " groups",
            x->name, dms_extent(x, 1), groups);
    const bool per_channel = node->version >= 21;
    for (uint32_t k = 1; k <= 2; k++)
        DMS_TRY(dms_ops_want_vector(graph, node, k, per_channel ? dms_extent(x, 1) : groups,
                                    per_channel ? "channels" : "groups", st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* Instance norm is group norm with one channel per group. */
static dms_code group_norm_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_tensor *t = dms_in(dms_lower_graph(lo), node, 0);
    const int64_t channels = dms_extent(t, 1);
    const bool is_instance = strcmp(node->op, "InstanceNormalization") == 0;
    /* An empty tensor may have 0 channels, and then 0 groups. */
    const int64_t groups = is_instance ? channels : dms_node_int(node, "num_groups", 1);
    const int64_t c = groups == 0 ? 0 : channels / groups;
    const int64_t dim[4] = {dms_extent(t, 0), groups, c, dms_ops_count(t, 2, t->rank)};
    const int64_t plane[2] = {groups, c}, column[2] = {groups, 1};
    const bool per_group = !is_instance && node->version < 21;
    dms_lowered_operand operand[4];
    operand[3] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 4, dim, &operand[0], st));
    DMS_TRY(dms_ops_view_as(node, &operand[3], 4, dim, st));
    for (uint32_t k = 1; k <= 2; k++) {
        DMS_TRY(in_dtype(lo, node, k, operand[0].view.dtype, &operand[k], st));
        DMS_TRY(dms_ops_view_as(node, &operand[k], 2, per_group ? column : plane, st));
        const dms_view once = operand[k].view;
        if (!dms_view_expand(&once, 2, plane, &operand[k].view))
            return dms_node_fail(node, st, "its scale does not fit its groups");
    }
    const double f[1] = {dms_node_float(node, "epsilon", 1e-5f)};
    return dms_lower_call(lo, node, DMS_K_GROUP_NORM, 3, 1, operand, 0, NULL, 1, f, st);
}

/* ---- LayerNormalization, RMSNormalization -------------------------------------------------- */

/* Input k can be repeated to the axes [axis, rank) of input 0. */
static dms_code check_scale(dms_graph *graph, const dms_node *node, uint32_t k, uint32_t axis,
                            dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0), *scale = dms_in(graph, node, k);
    if (scale == NULL)
        return DMS_OK;
    const uint32_t n = x->rank - axis;
    bool fits = scale->rank <= n;
    for (uint32_t j = 0; fits && j < scale->rank; j++)
        fits = dms_extent(scale, j) == 1 ||
               dms_extent(scale, j) == dms_extent(x, x->rank - scale->rank + j);
    if (!fits) {
        int64_t dim[DMS_MAX_RANK];
        char text[192];
        (void)dms_ops_dims(x, dim);
        return dms_node_fail(node, st, "input '%s' does not fit the normalised dims %s",
                             scale->name, dms_ops_dims_text(n, dim + axis, text, sizeof text));
    }
    return dms_ops_want_dtype(graph, node, k, DMS_OPS_FLOAT, st);
}

/* LayerNormalization(x, scale, bias): mean and variance over the axes from `axis` on; mean and 1
 * / sqrt(var + epsilon) are further outputs. RMSNormalization(x, scale): the mean square
 * instead, and no mean taken away. x [2, 7, 64] with axis -1: scale and bias [64], mean and
 * inverse deviation [2, 7, 1]. */
static dms_code layer_norm_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    const int64_t stash = dms_node_int(node, "stash_type", 1);
    uint32_t axis = 0;
    int64_t dim[DMS_MAX_RANK];
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT, st));
    DMS_TRY(dms_ops_axis(graph, node, -1, &axis, st));
    DMS_TRY(check_scale(graph, node, 1, axis, st));
    DMS_TRY(check_scale(graph, node, 2, axis, st));
    if (stash != DMS_DTYPE_F32)
        return dms_node_fail(node, st, "attribute 'stash_type' is %" PRId64 ", wants 1 (f32)",
                             stash);
    const uint32_t rank = dms_ops_dims(x, dim);
    DMS_TRY(dms_set_output(graph, node, 0, x->dtype, rank, dim, st));
    for (uint32_t k = axis; k < rank; k++)
        dim[k] = 1;
    const dms_dtype stat = dms_in(graph, node, 0)->dtype;
    DMS_TRY(dms_set_output(graph, node, 1, stat, rank, dim, st));
    return dms_set_output(graph, node, 2, stat, rank, dim, st);
}

/* Input k as one vector of `n` elements, repeated where its dims are 1. */
static dms_code scale_operand(dms_lowering *lo, const dms_node *node, uint32_t k, uint32_t rank,
                              const int64_t *dim, int64_t n, dms_dtype dtype,
                              dms_lowered_operand *out, dms_status *st) {
    DMS_TRY(in_dtype(lo, node, k, dtype, out, st));
    dms_lowered_operand wide = *out, dense;
    dms_view vector;
    if (!dms_view_expand(&out->view, rank, dim, &wide.view))
        return dms_node_fail(node, st, "its scale does not fit");
    if (!dms_view_reshape(&wide.view, 1, &n, &vector)) {
        DMS_TRY(dms_lower_temp(lo, dtype, rank, dim, &dense, st));
        DMS_TRY(dms_lower_copy(lo, node, wide, dense, st));
        *out = dense;
        return dms_ops_view_as(node, out, 1, &n, st);
    }
    *out = wide;
    out->view = vector;
    return DMS_OK;
}

/* One DMS_K_LAYER_NORM on the matrix [what stays, what is normalised]. */
static dms_code layer_norm_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_graph *graph = dms_lower_graph(lo);
    const dms_tensor *x = dms_in(graph, node, 0);
    const bool is_rms = strcmp(node->op, "RMSNormalization") == 0;
    const bool wants_mean = dms_out(graph, node, 1) != NULL;
    const bool wants_inverse = dms_out(graph, node, 2) != NULL;
    uint32_t axis = 0, n_in = 1, n_out = 1;
    int64_t all[DMS_MAX_RANK];
    DMS_TRY(dms_ops_axis(graph, node, -1, &axis, st));
    const uint32_t rank = dms_ops_dims(x, all) - axis;
    const int64_t matrix[2] = {dms_ops_count(x, 0, axis), dms_ops_count(x, axis, x->rank)};
    const dms_dtype dtype = x->dtype;
    dms_lowered_operand operand[6];
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[0], 2, matrix, &operand[0], st));
    for (uint32_t k = 1; k < node->n_in && node->in[k] != DMS_NONE; k++)
        DMS_TRY(
            scale_operand(lo, node, k, rank, all + axis, matrix[1], dtype, &operand[n_in++], st));
    operand[n_in] = dms_lower_operand(lo, node->out[0]);
    DMS_TRY(dms_ops_view_as(node, &operand[n_in], 2, matrix, st));
    /* The kernel gives both statistics or none; the one that nobody wants goes to a temporary. */
    if (wants_mean || wants_inverse) {
        for (uint32_t k = 1; k <= 2; k++, n_out++) {
            if (k == 1 ? !wants_mean : !wants_inverse) {
                DMS_TRY(dms_lower_temp(lo, dtype, 1, matrix, &operand[n_in + k], st));
                continue;
            }
            operand[n_in + k] = dms_lower_operand(lo, node->out[k]);
            DMS_TRY(dms_ops_view_as(node, &operand[n_in + k], 1, matrix, st));
        }
    }
    const int64_t i[1] = {is_rms};
    const double f[1] = {dms_node_float(node, "epsilon", 1e-5f)};
    return dms_lower_call(lo, node, DMS_K_LAYER_NORM, n_in, n_out, operand, 1, i, 1, f, st);
}

/* ---- LpNormalization, MeanVarianceNormalization -------------------------------------------- */

/* LpNormalization(x): x divided by its L1 or L2 norm along the axis. */
static dms_code lp_norm_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    uint32_t axis = 0;
    int64_t p = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT, st));
    DMS_TRY(dms_ops_axis(graph, node, -1, &axis, st));
    DMS_TRY(dms_ops_int_in(node, "p", 2, 1, 2, &p, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* out = fn over the axes of `mask` of `in`; *wide: the result repeated along them again. */
static dms_code reduced(dms_lowering *lo, const dms_node *node, int64_t fn, uint32_t mask,
                        const dms_lowered_operand *in, dms_lowered_operand *wide, dms_status *st) {
    dms_lowered_operand operand[2] = {*in, *in};
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t k = 0; k < in->view.rank; k++)
        dim[k] = (mask >> k & 1u) != 0 ? 1 : in->view.dim[k];
    const uint32_t n_kept = dms_ops_axes_last(&operand[0].view, mask);
    const int64_t i[2] = {fn, n_kept};
    DMS_TRY(dms_lower_temp(lo, in->view.dtype, in->view.rank, dim, wide, st));
    operand[1] = *wide;
    DMS_TRY(dms_ops_view_as(node, &operand[1], n_kept, operand[0].view.dim, st));
    DMS_TRY(dms_lower_call(lo, node, DMS_K_REDUCE, 1, 1, operand, 2, i, 0, NULL, st));
    const dms_view once = wide->view;
    if (!dms_view_expand(&once, in->view.rank, in->view.dim, &wide->view))
        return dms_node_fail(node, st, "its sums cannot be repeated");
    return DMS_OK;
}

/* x / norm, also where the norm is 0: the specification's reference divides, and gives NaN. */
static dms_code lp_norm_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    uint32_t axis = 0;
    DMS_TRY(dms_ops_axis(dms_lower_graph(lo), node, -1, &axis, st));
    const dms_lowered_operand x = dms_lower_operand(lo, node->in[0]);
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    const int64_t fn = dms_node_int(node, "p", 2) == 1 ? DMS_FN_L1 : DMS_FN_L2;
    dms_lowered_operand norm;
    DMS_TRY(reduced(lo, node, fn, 1u << axis, &x, &norm, st));
    return dms_ops_emit_binary(lo, node, DMS_FN_DIV, &x, &norm, &y, st);
}

/* The axes of MeanVarianceNormalization as a mask. */
static dms_code mvn_axes(const dms_node *node, uint32_t rank, uint32_t *mask, dms_status *st) {
    static const int64_t otherwise[3] = {0, 2, 3};
    const int64_t *axis = NULL;
    uint32_t n = dms_node_ints(node, "axes", &axis);
    *mask = 0;
    if (dms_node_attr(node, "axes") == NULL) {
        n = 3;
        axis = otherwise;
    }
    for (uint32_t k = 0; k < n; k++) {
        uint32_t at = 0;
        DMS_TRY(dms_axis(node, axis[k], rank, &at, st));
        *mask |= 1u << at;
    }
    return DMS_OK;
}

/* MeanVarianceNormalization(x): mean 0 and variance 1 over `axes`. */
static dms_code mvn_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    uint32_t mask = 0;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_FLOAT, st));
    DMS_TRY(mvn_axes(node, dms_in(graph, node, 0)->rank, &mask, st));
    return dms_set_output_like(graph, node, 0, 0, st);
}

/* (x - mean) / (sqrt(mean of squares of that) + 1e-9), as ONNX's function body has it. */
static dms_code mvn_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    const dms_lowered_operand x = dms_lower_operand(lo, node->in[0]);
    const dms_lowered_operand y = dms_lower_operand(lo, node->out[0]);
    const uint32_t rank = x.view.rank;
    const dms_dtype dtype = x.view.dtype;
    uint32_t mask = 0;
    dms_lowered_operand mean, centred, square, variance, deviation, root, epsilon;
    DMS_TRY(mvn_axes(node, rank, &mask, st));
    DMS_TRY(reduced(lo, node, DMS_FN_MEAN, mask, &x, &mean, st));
    DMS_TRY(dms_lower_temp(lo, dtype, rank, x.view.dim, &centred, st));
    DMS_TRY(dms_lower_temp(lo, dtype, rank, x.view.dim, &square, st));
    DMS_TRY(dms_lower_temp(lo, dtype, rank, x.view.dim, &root, st));
    DMS_TRY(dms_lower_temp(lo, dtype, rank, x.view.dim, &deviation, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_SUB, &x, &mean, &centred, st));
    DMS_TRY(dms_ops_emit_unary(lo, node, DMS_FN_SQUARE, 0.0, 0.0, &centred, &square, st));
    DMS_TRY(reduced(lo, node, DMS_FN_MEAN, mask, &square, &variance, st));
    DMS_TRY(dms_ops_emit_unary(lo, node, DMS_FN_SQRT, 0.0, 0.0, &variance, &root, st));
    DMS_TRY(dms_ops_scalar(lo, node, dtype, 1e-9, rank, x.view.dim, &epsilon, st));
    DMS_TRY(dms_ops_emit_binary(lo, node, DMS_FN_ADD, &root, &epsilon, &deviation, st));
    return dms_ops_emit_binary(lo, node, DMS_FN_DIV, &centred, &deviation, &y, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("BatchNormalization", 7, 0, 5, 5, 5, batch_norm_infer, NULL, batch_norm_lower),
    DMS_OPS_ROW("InstanceNormalization", 6, 0, 3, 3, 1, instance_norm_infer, NULL,
                group_norm_lower),
    DMS_OPS_ROW("GroupNormalization", 18, 0, 3, 3, 1, group_norm_infer, NULL, group_norm_lower),
    DMS_OPS_ROW("LayerNormalization", 17, 0, 2, 3, 3, layer_norm_infer, NULL, layer_norm_lower),
    DMS_OPS_ROW("RMSNormalization", 23, 0, 2, 2, 1, layer_norm_infer, NULL, layer_norm_lower),
    DMS_OPS_ROW("LRN", 1, 0, 1, 1, 1, lrn_infer, NULL, lrn_lower),
    DMS_OPS_ROW("LpNormalization", 1, 0, 1, 1, 1, lp_norm_infer, NULL, lp_norm_lower),
    DMS_OPS_ROW("MeanVarianceNormalization", 9, 0, 1, 1, 1, mvn_infer, NULL, mvn_lower),
};

DMS_OPS_FAMILY(norm);
