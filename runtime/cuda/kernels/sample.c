/* sample.c - RESIZE and GRID_SAMPLE as the card runs them. */
#include "runtime/cuda/kernels/sample.h"

#include <stddef.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/resize_join.h"

static bool is_whole(dms_dtype dtype) {
    return !dms_dtype_is_float(dtype);
}

/* Nearest without extrapolation moves bytes. */
static int launch_resize(dms_grid grid, const dms_resize_params *p) {
    if (p->rule.mode == DMS_RESIZE_NEAREST && p->rule.coordinates != DMS_TF_CROP)
        return dms_launch_resize_move(grid, p);
    if (p->rule.antialiases && is_whole((dms_dtype)p->dtype))
        return dms_launch_resize_levels(grid, p);
    return dms_launch_resize(grid, p);
}

static dms_code enqueue_resize(const dms_cuda_job *job, dms_status *st) {
    dms_resize_joined it;
    if (dms_view_count(&job->call->view[1]) == 0)
        return DMS_OK;
    dms_resize_join(job->call, &it);
    const dms_view *x = &it.call.view[0], *y = &it.call.view[1];
    dms_resize_params p = {.from = job->operand[0],
                           .to = job->operand[1],
                           .dtype = x->dtype,
                           .bytes = dms_dtype_bytes(x->dtype),
                           .rule = it.rule,
                           .inner = it.inner,
                           .extrapolation = it.call.f[DMS_RESIZE_EXTRAPOLATION]};
    for (uint32_t k = 0; k < x->rank; k++) {
        p.axis[k] = k + 1 == x->rank ? it.last : dms_resize_axis_of(&it.call, k);
        p.pitch[k] = x->pitch[k];
    }
    dms_places_apart(&y, 1, &p.y);
    return dms_launched(job->call, launch_resize(dms_grid_of(p.y.count, job->stream), &p), st);
}

/* The grid without its last axis, y without its channels: both are [n, spatial]. */
static dms_view without(const dms_view *view, uint32_t axis) {
    dms_view out = *view;
    out.rank--;
    for (uint32_t k = axis; k < out.rank; k++) {
        out.dim[k] = view->dim[k + 1];
        out.pitch[k] = view->pitch[k + 1];
    }
    return out;
}

static dms_code enqueue_grid_sample(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0], *grid = &call->view[1], *y = &call->view[2];
    const dms_view points = without(y, 1), positions = without(grid, grid->rank - 1);
    const dms_view *const both[] = {&points, &positions};
    if (dms_view_count(y) == 0)
        return DMS_OK;
    dms_sample_params p = {.x = job->operand[0],
                           .grid = job->operand[1],
                           .y = job->operand[2],
                           .dtype = x->dtype,
                           .grid_dtype = grid->dtype,
                           .axes = x->rank - 2,
                           .rule = {(int32_t)call->i[DMS_SAMPLE_MODE],
                                    (int32_t)call->i[DMS_SAMPLE_PADDING],
                                    call->i[DMS_SAMPLE_ALIGN] != 0},
                           .channels = x->dim[1],
                           .y_pitch = y->pitch[1],
                           .grid_pitch = grid->pitch[grid->rank - 1]};
    for (uint32_t k = 0; k < x->rank; k++)
        p.x_pitch[k] = x->pitch[k];
    for (uint32_t k = 0; k < p.axes; k++)
        p.dim[k] = x->dim[2 + k];
    dms_places_apart(both, 2, &p.points);
    const int64_t slices = (p.channels + DMS_SAMPLE_CHANNELS - 1) / DMS_SAMPLE_CHANNELS;
    const dms_grid threads = dms_grid_of(p.points.count * slices, job->stream);
    return dms_launched(call, dms_launch_grid_sample(threads, &p), st);
}

static const dms_grid loaded = {0, 256, NULL};

DMS_CUDA_ENTRY(resize, DMS_K_RESIZE,
               dms_launch_resize(loaded, NULL) | dms_launch_resize_levels(loaded, NULL) |
                   dms_launch_resize_move(loaded, NULL))
DMS_CUDA_ENTRY(grid_sample, DMS_K_GRID_SAMPLE, dms_launch_grid_sample(loaded, NULL))
