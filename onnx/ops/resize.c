/* resize.c - Resize and Upsample: a tensor at other positions.
 *
 * Versions: Upsample-7 has its scales as attribute, 9 as input; from 10 on it is Resize. Resize-10
 * counts positions from the corner and rounds down (up where it shrinks). 11 adds region, sizes,
 * coordinate and nearest modes; 18 axes, aspect policies and antialiasing; 19 half_pixel_symmetric.
 *
 * Position in the input of output position p, n elements in and m out, scale s = m / n or as given:
 *
 *     half_pixel            (p + 0.5) / s - 0.5
 *     pytorch_half_pixel    the same, 0 where m is 1
 *     align_corners         p (n - 1) / (m - 1)
 *     asymmetric            p / s
 *     tf_crop_and_resize    begin (n - 1) + p (end - begin) (n - 1) / (m - 1)
 *     half_pixel_symmetric  half_pixel, moved so that what floor(n s) cuts off is cut at both ends
 *
 * m is an integer in all of them, as in ONNX Runtime; the reference data of ONNX's tests take n s
 * for align_corners even where that is none.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"

enum { COORDINATES_HALF_PIXEL, COORDINATES_ASYMMETRIC = 3, COORDINATES_CROP = 4 };
enum { NEAREST_FLOOR = 2, NEAREST_CEIL = 3 };

static const char *const mode_words[] = {"nearest", "linear", "cubic"};
static const char *const coordinate_words[] = {"half_pixel",         "pytorch_half_pixel",
                                               "align_corners",      "asymmetric",
                                               "tf_crop_and_resize", "half_pixel_symmetric"};
static const char *const nearest_words[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil"};
static const char *const policy_words[] = {"stretch", "not_larger", "not_smaller"};

/* What a node asks for, per axis of its input. */
typedef struct resize_plan {
    uint32_t mode, coordinates, nearest, policy;
    bool antialias;
    double scale[DMS_MAX_RANK], begin[DMS_MAX_RANK], end[DMS_MAX_RANK];
    int64_t dim[DMS_MAX_RANK];
} resize_plan;

/* The axes that scales, sizes and region speak of, in their order. */
static dms_code resized_axes(const dms_node *node, uint32_t rank, uint32_t *n, uint32_t *axis,
                             dms_status *st) {
    const int64_t *given = NULL;
    const bool has_axes = node->version >= 18 && dms_node_attr(node, "axes") != NULL;
    uint32_t seen = 0;
    *n = has_axes ? dms_node_ints(node, "axes", &given) : rank;
    if (*n > rank)
        return dms_node_fail(node, st, "attribute 'axes' names %" PRIu32 " axes of %" PRIu32, *n,
                             rank);
    for (uint32_t k = 0; k < *n; k++) {
        axis[k] = k;
        if (has_axes)
            DMS_TRY(dms_axis(node, given[k], rank, &axis[k], st));
        if ((seen >> axis[k] & 1u) != 0)
            return dms_node_fail(node, st, "attribute 'axes' names axis %" PRIu32 " twice",
                                 axis[k]);
        seen |= 1u << axis[k];
    }
    return DMS_OK;
}

/* Real numbers of input k; an empty one counts as absent. */
static dms_code real_input(dms_graph *graph, const dms_node *node, uint32_t k, uint32_t *n,
                           const double **out, dms_status *st) {
    const dms_tensor *t = dms_in(graph, node, k);
    *n = 0;
    *out = NULL;
    if (t == NULL || dms_ops_count(t, 0, t->rank) == 0)
        return DMS_OK;
    if (!dms_tensor_is_constant(t))
        return dms_node_fail(node, st, "input '%s' is computed from data", t->name);
    return dms_real_values(graph, node, k, n, out, st);
}

/* The scales: attribute of Upsample-7, input 1 before Resize-11, input 2 from then on. */
static dms_code read_scales(dms_graph *graph, const dms_node *node, uint32_t *n, const double **out,
                            dms_status *st) {
    if (strcmp(node->op, "Resize") == 0)
        return real_input(graph, node, node->version < 11 ? 1 : 2, n, out, st);
    if (node->version >= 9)
        return real_input(graph, node, 1, n, out, st);
    const dms_attr *attr = dms_node_attr(node, "scales");
    double *value = NULL;
    *n = attr == NULL || attr->kind != DMS_ATTR_FLOATS ? 0 : attr->n;
    DMS_TRY(dms_alloc_st(graph->arena, *n, sizeof *value, "the scales of Upsample", &value, st));
    for (uint32_t k = 0; k < *n; k++)
        value[k] = (double)attr->floats[k];
    *out = value;
    return DMS_OK;
}

/* Extents from scales: rounded down, in single precision as the specification's inference does. */
static dms_code apply_scales(const dms_node *node, const dms_tensor *x, uint32_t n,
                             const uint32_t *axis, const double *scale, resize_plan *plan,
                             dms_status *st) {
    for (uint32_t k = 0; k < n; k++) {
        const float extent = (float)dms_extent(x, axis[k]) * (float)scale[k];
        if (!(scale[k] > 0.0) || !(extent < 0x1p40f))
            return dms_node_fail(node, st, "scale %g of axis %" PRIu32 " is out of range", scale[k],
                                 axis[k]);
        plan->scale[axis[k]] = scale[k];
        plan->dim[axis[k]] = (int64_t)floorf(extent);
    }
    return DMS_OK;
}

/* Extents from sizes; a policy takes one scale for all axes. */
static dms_code apply_sizes(const dms_node *node, const dms_tensor *x, uint32_t n,
                            const uint32_t *axis, const int64_t *size, resize_plan *plan,
                            dms_status *st) {
    double common = 0.0; /* the smallest (not_larger) or largest (not_smaller) scale */
    for (uint32_t k = 0; k < n; k++) {
        const int64_t from = dms_extent(x, axis[k]);
        if (size[k] < 1 || size[k] > INT64_C(1) << 40 || from < 1)
            return dms_node_fail(node, st, "size %" PRId64 " of axis %" PRIu32 " is out of range",
                                 size[k], axis[k]);
        const double scale = (double)size[k] / (double)from;
        const bool takes = plan->policy == 1 ? scale < common : scale > common;
        common = k == 0 || takes ? scale : common;
        plan->scale[axis[k]] = scale;
        plan->dim[axis[k]] = size[k];
    }
    for (uint32_t k = 0; plan->policy != 0 && k < n; k++) {
        plan->scale[axis[k]] = common;
        plan->dim[axis[k]] = (int64_t)(common * (double)dms_extent(x, axis[k]) + 0.5);
    }
    return DMS_OK;
}

/* The region of tf_crop_and_resize: all begins, then all ends, as shares of the extents. */
static dms_code read_region(dms_graph *graph, const dms_node *node, uint32_t n,
                            const uint32_t *axis, resize_plan *plan, dms_status *st) {
    uint32_t given = 0;
    const double *value = NULL;
    if (plan->coordinates != COORDINATES_CROP)
        return DMS_OK;
    DMS_TRY(real_input(graph, node, 1, &given, &value, st));
    if (given != 2 * n)
        return dms_node_fail(node, st, "its region has %" PRIu32 " numbers for %" PRIu32 " axes",
                             given, n);
    for (uint32_t k = 0; k < n; k++) {
        plan->begin[axis[k]] = value[k];
        plan->end[axis[k]] = value[k + n];
    }
    return DMS_OK;
}

/* The words; before opset 11 positions count from the corner and round down, or up to shrink. */
static dms_code read_words(const dms_node *node, resize_plan *plan, dms_status *st) {
    DMS_TRY(dms_ops_word(node, "mode", mode_words, node->version < 11 ? 2 : 3, &plan->mode, st));
    if (node->version < 11) {
        plan->coordinates = COORDINATES_ASYMMETRIC;
        plan->nearest = NEAREST_FLOOR;
        return DMS_OK;
    }
    DMS_TRY(dms_ops_word(node, "coordinate_transformation_mode", coordinate_words,
                         node->version < 19 ? 5 : 6, &plan->coordinates, st));
    DMS_TRY(dms_ops_word(node, "nearest_mode", nearest_words, 4, &plan->nearest, st));
    plan->antialias = node->version >= 18 && dms_node_int(node, "antialias", 0) != 0;
    if (node->version >= 18)
        DMS_TRY(dms_ops_word(node, "keep_aspect_ratio_policy", policy_words, 3, &plan->policy, st));
    return DMS_OK;
}

/* Before opset 11 a nearest position is rounded up along axes that shrink. */
static dms_code round_as_opset_10(const dms_node *node, uint32_t rank, resize_plan *plan,
                                  dms_status *st) {
    bool grows = false, shrinks = false;
    for (uint32_t k = 0; k < rank; k++) {
        grows = grows || plan->scale[k] > 1.0;
        shrinks = shrinks || plan->scale[k] < 1.0;
    }
    if (node->version >= 11 || plan->mode != 0 || !shrinks)
        return DMS_OK;
    if (grows)
        return dms_node_fail(node, st, "it shrinks one axis and stretches another");
    plan->nearest = NEAREST_CEIL;
    return DMS_OK;
}

/* Everything a node says, per axis of its input. Scales and sizes exclude each other. */
static dms_code read_plan(dms_graph *graph, const dms_node *node, resize_plan *plan,
                          dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    uint32_t n = 0, n_scales = 0, n_sizes = 0, axis[DMS_MAX_RANK];
    const double *scale = NULL;
    const int64_t *size = NULL;
    *plan = (resize_plan){0};
    DMS_TRY(read_words(node, plan, st));
    DMS_TRY(resized_axes(node, x->rank, &n, axis, st));
    for (uint32_t k = 0; k < x->rank; k++) {
        plan->scale[k] = plan->end[k] = 1.0;
        plan->dim[k] = dms_extent(x, k);
    }
    DMS_TRY(read_scales(graph, node, &n_scales, &scale, st));
    const dms_tensor *sizes = node->version >= 11 ? dms_in(graph, node, 3) : NULL;
    if (sizes != NULL && dms_ops_count(sizes, 0, sizes->rank) != 0)
        DMS_TRY(dms_int_values(graph, node, 3, &n_sizes, &size, st));
    if ((n_scales != 0) == (n_sizes != 0) || n_scales + n_sizes != n)
        return dms_node_fail(node, st,
                             "%" PRIu32 " scales and %" PRIu32 " sizes for %" PRIu32 " axes",
                             n_scales, n_sizes, n);
    DMS_TRY(read_region(graph, node, n, axis, plan, st));
    if (n_sizes != 0)
        return apply_sizes(node, x, n, axis, size, plan, st);
    DMS_TRY(apply_scales(node, x, n, axis, scale, plan, st));
    return round_as_opset_10(node, x->rank, plan, st);
}

/* Resize(x, region, scales, sizes): y at positions spread over x as the coordinate mode says;
 * extents are floor(extent x scale), or the sizes. x [1, 1, 2, 4] with scales 1, 1, 2.5, 0.6:
 * [1, 1, 5, 2]. */
static dms_code resize_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    const dms_tensor *x = dms_in(graph, node, 0);
    resize_plan plan;
    DMS_TRY(dms_ops_want_dtype(graph, node, 0, DMS_OPS_NUMBER, st));
    DMS_TRY(dms_ops_want_rank(graph, node, 0, 1, 5, st));
    DMS_TRY(read_plan(graph, node, &plan, st));
    return dms_set_output(graph, node, 0, x->dtype, x->rank, plan.dim, st);
}

/* Axes that keep their extents, then those that change, both in their order: the kernel is fast
 * along the last axis, and channels that come last in memory are only another pitch. */
static void changing_axes_last(const resize_plan *plan, const dms_view *x, uint32_t *order) {
    uint32_t n = 0;
    for (uint32_t changes = 0; changes < 2; changes++)
        for (uint32_t k = 0; k < x->rank; k++) {
            const bool is_kept = plan->scale[k] == 1.0 && plan->dim[k] == x->dim[k] &&
                                 plan->begin[k] == 0.0 && plan->end[k] == 1.0;
            if (is_kept == (changes == 0))
                order[n++] = k;
        }
}

/* One DMS_K_RESIZE over all axes. */
static dms_code resize_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    resize_plan plan;
    DMS_TRY(read_plan(dms_lower_graph(lo), node, &plan, st));
    dms_lowered_operand operand[2] = {dms_lower_operand(lo, node->in[0]),
                                      dms_lower_operand(lo, node->out[0])};
    const uint32_t rank = operand[0].view.rank;
    uint32_t order[DMS_MAX_RANK] = {0};
    changing_axes_last(&plan, &operand[0].view, order);
    for (uint32_t k = 0; k < 2; k++) {
        const dms_view in_memory = operand[k].view;
        dms_view_permute(&in_memory, order, &operand[k].view);
    }
    const int64_t i[5] = {plan.mode, plan.coordinates, plan.nearest,
                          dms_node_int(node, "exclude_outside", 0) != 0, plan.antialias};
    double f[2 + 3 * DMS_MAX_RANK] = {dms_node_float(node, "cubic_coeff_a", -0.75),
                                      dms_node_float(node, "extrapolation_value", 0.0)};
    for (uint32_t k = 0; k < rank; k++) {
        f[2 + 3 * k] = plan.scale[order[k]];
        f[3 + 3 * k] = plan.begin[order[k]];
        f[4 + 3 * k] = plan.end[order[k]];
    }
    return dms_lower_call(lo, node, DMS_K_RESIZE, 1, 1, operand, 5, i, 2 + 3 * rank, f, st);
}

static const dms_op rows[] = {
    DMS_OPS_ROW("Upsample", 7, 8, 1, 1, 1, resize_infer, NULL, resize_lower),
    DMS_OPS_ROW("Upsample", 9, 9, 2, 2, 1, resize_infer, NULL, resize_lower),
    DMS_OPS_ROW("Resize", 10, 10, 2, 2, 1, resize_infer, NULL, resize_lower),
    DMS_OPS_ROW("Resize", 11, 0, 1, 4, 1, resize_infer, NULL, resize_lower),
};

DMS_OPS_FAMILY(resize);
