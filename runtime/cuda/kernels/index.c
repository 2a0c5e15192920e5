/* index.c - gathers, scatters and ONE_HOT as the card runs them. */
#include "runtime/cuda/kernels/index.h"

#include <stddef.h>
#include <string.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/move.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"

/* Operand `k` holds the indices. */
static dms_index_source source_of(const dms_cuda_job *job, uint32_t k) {
    return (dms_index_source){job->operand[k], job->call->view[k].dtype == DMS_DTYPE_I64, k,
                              job->index_error};
}

/* --- gathers */

/* How many elements of a row are one access: rows dense in x and y, all their starts aligned. */
static int64_t elements_per_access(const dms_gather_params *p, const dms_view *x,
                                   const dms_view *y) {
    if (x->pitch[p->k + 1] != 1 || y->pitch[2] != 1)
        return 1;
    for (int64_t n = 16 / p->bytes; n > 1; n /= 2) {
        const uint64_t access = (uint64_t)n * p->bytes;
        bool fits = y->dim[2] % n == 0 && (uintptr_t)p->from % access == 0 &&
                    (uintptr_t)p->to % access == 0 && y->pitch[0] % n == 0 && y->pitch[1] % n == 0;
        for (uint32_t axis = 0; axis <= p->k; axis++)
            fits = fits && x->pitch[axis] % n == 0;
        if (fits)
            return n;
    }
    return 1;
}

/* y[b,j,r] of x[b,n0..nk-1,r], where a row of indices lies `index_pitch` apart along b, j, k. */
static dms_code gather(const dms_cuda_job *job, uint32_t k, const int64_t *index_pitch,
                       dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0];
    dms_view y = call->view[call->n_in],
             before = call->view[2]; /* y again, without a third input */
    const dms_view *const both[] = {&y, &before};
    dms_gather_params p = {.index = source_of(job, 1),
                           .k = k,
                           .bytes = dms_dtype_bytes(y.dtype),
                           .from = job->operand[0],
                           .to = job->operand[call->n_in]};
    memcpy(p.index_pitch, index_pitch, sizeof p.index_pitch);
    p.is_part = call->kernel == DMS_K_GATHER_PART;
    p.before = call->n_in == 3 ? job->operand[2] : NULL;
    const int64_t n = p.is_part ? 1 : elements_per_access(&p, x, &y);
    for (uint32_t axis = 0; axis <= k; axis++)
        p.x_pitch[axis] = x->pitch[axis] / n;
    p.x_pitch[k + 1] = x->pitch[k + 1];
    for (uint32_t axis = 0; axis < k; axis++)
        p.n[axis] = x->dim[axis + 1];
    if (p.is_part) {
        p.first = call->i[0];
        p.n[0] = call->i[1];
        p.n_here = x->dim[1];
    }
    p.bytes *= (uint32_t)n;
    y.dim[2] /= n;
    y.pitch[0] /= n;
    y.pitch[1] /= n;
    dms_places_apart(both, 2, &p.places);
    if (p.places.count == 0)
        return DMS_OK;
    return dms_launched(call, dms_launch_gather(dms_grid_of(p.places.count, job->stream), &p), st);
}

static dms_code enqueue_gather(const dms_cuda_job *job, dms_status *st) {
    const int64_t pitch[3] = {0, job->call->view[1].pitch[0], 0};
    return gather(job, 1, pitch, st);
}

static dms_code enqueue_gather_nd(const dms_cuda_job *job, dms_status *st) {
    return gather(job, (uint32_t)job->call->i[0], job->call->view[1].pitch, st);
}

static dms_code enqueue_gather_part(const dms_cuda_job *job, dms_status *st) {
    return enqueue_gather(job, st);
}

/* --- element by element */

/* The places of idx, `other` and `table`, which stands still along the axis; the axis is made the
 * last one. */
static void elements(const dms_cuda_job *job, uint32_t other, uint32_t table,
                     dms_elements_params *p) {
    const dms_call *call = job->call;
    const uint32_t axis = (uint32_t)call->i[0], last = call->view[1].rank - 1;
    dms_view view[3] = {call->view[1], call->view[other], call->view[table]};
    const dms_view *const at[] = {&view[0], &view[1], &view[2]};
    p->index = source_of(job, 1);
    p->pitch = view[2].pitch[axis];
    p->n = view[2].dim[axis];
    p->n_updates = view[0].dim[axis];
    p->dtype = view[2].dtype;
    p->bytes = dms_dtype_bytes(p->dtype);
    view[2].pitch[axis] = 0;
    for (uint32_t k = 0; k < 3; k++) {
        const int64_t dim = view[k].dim[axis], pitch = view[k].pitch[axis];
        view[k].dim[axis] = view[k].dim[last];
        view[k].pitch[axis] = view[k].pitch[last];
        view[k].dim[last] = dim;
        view[k].pitch[last] = pitch;
    }
    dms_places_apart(at, 3, &p->places);
}

static dms_code enqueue_gather_elements(const dms_cuda_job *job, dms_status *st) {
    dms_elements_params p = {.from = job->operand[0], .to = job->operand[2]};
    elements(job, 2, 0, &p);
    if (p.places.count == 0)
        return DMS_OK;
    const dms_grid grid = dms_grid_of(p.places.count, job->stream);
    return dms_launched(job->call, dms_launch_gather_elements(grid, &p), st);
}

/* y over x already is x. */
static dms_code start_as_x(const dms_cuda_job *job, dms_status *st) {
    const dms_view *view = job->call->view;
    if (job->operand[3] == job->operand[0])
        return DMS_OK;
    return dms_cuda_copy(job, &view[0], job->operand[0], &view[3], job->operand[3], 0, st);
}

static dms_code enqueue_scatter_elements(const dms_cuda_job *job, dms_status *st) {
    dms_elements_params p = {
        .reduction = (uint32_t)job->call->i[1], .from = job->operand[2], .to = job->operand[3]};
    DMS_TRY(start_as_x(job, st));
    elements(job, 2, 3, &p);
    if (p.places.count == 0)
        return DMS_OK;
    const dms_grid grid = dms_grid_of(p.places.count / p.n_updates, job->stream);
    return dms_launched(job->call, dms_launch_scatter_elements(grid, &p), st);
}

static dms_code enqueue_scatter_nd(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *idx = &call->view[1], *upd = &call->view[2], *y = &call->view[3];
    dms_scatter_params p = {.index = source_of(job, 1),
                            .index_pitch = {idx->pitch[0], idx->pitch[1]},
                            .update_pitch = {upd->pitch[0], upd->pitch[1]},
                            .n_rows = idx->dim[0],
                            .width = upd->dim[1],
                            .k = (uint32_t)call->i[0],
                            .dtype = y->dtype,
                            .bytes = dms_dtype_bytes(y->dtype),
                            .reduction = (uint32_t)call->i[1],
                            .from = job->operand[2],
                            .to = job->operand[3]};
    memcpy(p.y_pitch, y->pitch, sizeof p.y_pitch);
    memcpy(p.n, y->dim, sizeof p.n);
    DMS_TRY(start_as_x(job, st));
    if (dms_view_count(y) == 0)
        return DMS_OK;
    return dms_launched(call, dms_launch_scatter_nd(dms_grid_of(p.width, job->stream), &p), st);
}

static dms_code enqueue_one_hot(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *values = &call->view[1], *y = &call->view[2];
    dms_view idx = call->view[0]; /* [o,r], as [o,depth,r] */
    idx.rank = 3;
    idx.dim[2] = idx.dim[1];
    idx.pitch[2] = idx.pitch[1];
    idx.pitch[1] = 0;
    const dms_view *const view[] = {y, &idx};
    const uint32_t bytes = dms_dtype_bytes(y->dtype);
    dms_one_hot_params p = {.index = job->operand[0],
                            .off = job->operand[1],
                            .to = job->operand[2],
                            .depth = y->dim[1],
                            .index_dtype = idx.dtype,
                            .bytes = bytes};
    p.on = (const char *)p.off + values->pitch[0] * (int64_t)bytes;
    dms_places_apart(view, 2, &p.places);
    if (p.places.count == 0)
        return DMS_OK;
    return dms_launched(call, dms_launch_one_hot(dms_grid_of(p.places.count, job->stream), &p), st);
}

/* --- the kernels */

static const dms_grid loaded = {0, 256, NULL};

#define LOAD_SCATTER dms_launch_copy(loaded, NULL) | dms_launch_turn(loaded, NULL)
DMS_CUDA_ENTRY(gather, DMS_K_GATHER, dms_launch_gather(loaded, NULL))
DMS_CUDA_ENTRY(gather_part, DMS_K_GATHER_PART, dms_launch_gather(loaded, NULL))
DMS_CUDA_ENTRY(gather_nd, DMS_K_GATHER_ND, dms_launch_gather(loaded, NULL))
DMS_CUDA_ENTRY(gather_elements, DMS_K_GATHER_ELEMENTS, dms_launch_gather_elements(loaded, NULL))
DMS_CUDA_ENTRY(scatter_elements, DMS_K_SCATTER_ELEMENTS,
               dms_launch_scatter_elements(loaded, NULL) | LOAD_SCATTER)
DMS_CUDA_ENTRY(scatter_nd, DMS_K_SCATTER_ND, dms_launch_scatter_nd(loaded, NULL) | LOAD_SCATTER)
DMS_CUDA_ENTRY(one_hot, DMS_K_ONE_HOT, dms_launch_one_hot(loaded, NULL))
