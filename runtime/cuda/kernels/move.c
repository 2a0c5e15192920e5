/* move.c - COPY, CONCAT, PAD, TRILU, SELECT, FILL and RANGE on the card. */
#include "runtime/cuda/kernels/move.h"

#include <stddef.h>
#include <string.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"

#define DMS_ISA_SUFFIX _base /* plans of copies are those of the CPU device */
#include "runtime/kernels/copy_plan.h"

#define TILE 32 /* as in move.cu */

/* --- copies */

/* How many elements fit one access of up to 16 bytes, wherever a copy touches them; 1 = no more
 * than one. */
static int64_t elements_per_access(const dms_walk *w, uint32_t bytes, const void *from,
                                   const void *to) {
    const uint32_t last = w->rank - 1;
    if (w->pitch[0][last] != 1 || w->pitch[1][last] != 1)
        return 1;
    for (int64_t n = 16 / bytes; n > 1; n /= 2) {
        const uint64_t access = (uint64_t)n * bytes;
        bool fits =
            (uintptr_t)from % access == 0 && (uintptr_t)to % access == 0 && w->dim[last] % n == 0;
        for (uint32_t axis = 0; axis < last; axis++)
            fits = fits && w->pitch[0][axis] % n == 0 && w->pitch[1][axis] % n == 0;
        if (fits)
            return n;
    }
    return 1;
}

/* The same copy in elements of n. */
static void widen(dms_walk *w, int64_t n) {
    const uint32_t last = w->rank - 1;
    w->count /= n;
    w->dim[last] /= n;
    for (uint32_t axis = 0; axis < last; axis++) {
        w->pitch[0][axis] /= n;
        w->pitch[1][axis] /= n;
    }
}

static int64_t tiles_along(const dms_walk *w, uint32_t axis) {
    return (w->dim[axis] + TILE - 1) / TILE;
}

dms_code dms_cuda_copy(const dms_cuda_job *job, const dms_view *from_view, const void *from,
                       const dms_view *to_view, void *to, uint64_t backward, dms_status *st) {
    dms_copy_plan plan;
    DMS_ISA(dms_copy_plan)(from_view, to_view, backward, &plan);
    dms_walk *w = &plan.walk;
    if (w->count == 0)
        return DMS_OK;
    dms_copy_params p = {.to = to, .bytes = plan.bytes};
    p.from = (const char *)from + DMS_ISA(dms_copy_start)(from_view, backward) * plan.bytes;
    if (plan.is_transpose) {
        const uint32_t last = w->rank - 1;
        p.tiles[0] = tiles_along(w, last - 1);
        p.tiles[1] = tiles_along(w, last);
        p.n_tiles = w->count / (w->dim[last - 1] * w->dim[last]) * p.tiles[0] * p.tiles[1];
        dms_places_of_walk(w, &p.places);
        const int64_t threads = p.n_tiles * 256;
        return dms_launched(job->call, dms_launch_turn(dms_grid_of(threads, job->stream), &p), st);
    }
    const int64_t n = elements_per_access(w, plan.bytes, p.from, to);
    widen(w, n);
    p.bytes = plan.bytes * (uint32_t)n;
    dms_places_of_walk(w, &p.places);
    return dms_launched(job->call, dms_launch_copy(dms_grid_of(w->count, job->stream), &p), st);
}

static dms_code enqueue_copy(const dms_cuda_job *job, dms_status *st) {
    const dms_view *view = job->call->view;
    return dms_cuda_copy(job, &view[0], job->operand[0], &view[1], job->operand[1],
                         (uint64_t)job->call->i[0], st);
}

/* One copy per input, into its slice of y. */
static dms_code enqueue_concat(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const int64_t axis = call->i[0];
    dms_view slice = call->view[call->n_in];
    char *to = job->operand[call->n_in];
    for (uint32_t k = 0; k < call->n_in; k++) {
        slice.dim[axis] = call->view[k].dim[axis];
        DMS_TRY(dms_cuda_copy(job, &call->view[k], job->operand[k], &slice, to, 0, st));
        to += slice.dim[axis] * slice.pitch[axis] * (int64_t)dms_dtype_bytes(slice.dtype);
    }
    return DMS_OK;
}

/* --- PAD, TRILU */

static dms_code enqueue_pad(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *const both[] = {&call->view[0], &call->view[1]};
    dms_pad_params p = {.from = job->operand[0],
                        .to = job->operand[1],
                        .mode = call->i[0],
                        .value = (uint64_t)call->i[1],
                        .bytes = dms_dtype_bytes(call->view[1].dtype)};
    dms_places_apart(both, 2, &p.places);
    p.places.count = dms_view_count(both[1]);
    p.places.is_small = p.places.count < INT64_C(1) << 31;
    for (uint32_t axis = 0; axis < both[1]->rank; axis++) {
        p.places.dim[axis] = dms_divider_of(both[1]->dim[axis] > 0 ? both[1]->dim[axis] : 1);
        p.dim[axis] = both[0]->dim[axis];
        p.begin[axis] = call->i[2 + axis];
    }
    if (p.places.count == 0)
        return DMS_OK;
    return dms_launched(call, dms_launch_pad(dms_grid_of(p.places.count, job->stream), &p), st);
}

static dms_code enqueue_trilu(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *const both[] = {&call->view[0], &call->view[1]};
    dms_trilu_params p = {.from = job->operand[0],
                          .to = job->operand[1],
                          .k = call->i[1],
                          .is_upper = call->i[0] != 0,
                          .bytes = dms_dtype_bytes(call->view[1].dtype)};
    dms_places_apart(both, 2, &p.places);
    if (p.places.count == 0)
        return DMS_OK;
    return dms_launched(call, dms_launch_trilu(dms_grid_of(p.places.count, job->stream), &p), st);
}

/* --- SELECT, FILL, RANGE */

typedef int launch_pick(dms_grid grid, const dms_pick_params *p);

/* All operands of the call at the same places; `sized` names the one whose elements are moved. */
static dms_code pick(const dms_cuda_job *job, dms_pick_params *p, uint32_t sized,
                     launch_pick *launch, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *view[4] = {NULL};
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
        view[k] = &call->view[k];
        p->operand[k] = job->operand[k];
    }
    dms_places_of(view, call->n_in + call->n_out, &p->places);
    p->dtype = call->view[sized].dtype;
    p->bytes = dms_dtype_bytes(p->dtype);
    if (p->places.count == 0)
        return DMS_OK;
    return dms_launched(call, launch(dms_grid_of(p->places.count, job->stream), p), st);
}

static dms_code enqueue_select(const dms_cuda_job *job, dms_status *st) {
    dms_pick_params p = {.value = 0};
    return pick(job, &p, 1, dms_launch_select, st);
}

static dms_code enqueue_fill(const dms_cuda_job *job, dms_status *st) {
    dms_pick_params p = {.value = (uint64_t)job->call->i[0]};
    return pick(job, &p, 0, dms_launch_fill, st);
}

static dms_code enqueue_range(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    dms_pick_params p = {.value = 0};
    if (dms_dtype_is_float(call->view[0].dtype)) {
        p.real_start = call->f[0];
        p.real_delta = call->f[1];
    } else {
        p.start = (uint64_t)call->i[0];
        p.delta = (uint64_t)call->i[1];
    }
    return pick(job, &p, 0, dms_launch_range, st);
}

/* --- the kernels */

static const dms_grid loaded = {0, 256, NULL};

#define LOAD_COPIES dms_launch_copy(loaded, NULL) | dms_launch_turn(loaded, NULL)
DMS_CUDA_ENTRY(copy, DMS_K_COPY, LOAD_COPIES)
DMS_CUDA_ENTRY(concat, DMS_K_CONCAT, LOAD_COPIES)
DMS_CUDA_ENTRY(pad, DMS_K_PAD, dms_launch_pad(loaded, NULL))
DMS_CUDA_ENTRY(trilu, DMS_K_TRILU, dms_launch_trilu(loaded, NULL))
DMS_CUDA_ENTRY(select, DMS_K_SELECT, dms_launch_select(loaded, NULL))
DMS_CUDA_ENTRY(fill, DMS_K_FILL, dms_launch_fill(loaded, NULL))
DMS_CUDA_ENTRY(range, DMS_K_RANGE, dms_launch_range(loaded, NULL))
