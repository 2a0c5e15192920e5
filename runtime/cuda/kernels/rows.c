/* rows.c - REDUCE, SOFTMAX, the norms, ARG, CUMSUM, TOPK and LRN as the card runs them. */
#include "runtime/cuda/kernels/rows.h"

#include <stddef.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"

/* Adds an operand: its first `axis` axes are rows, the others elements. A view without axes of its
 * own from `axis` on (a result per row) has no elements beside the first. */
typedef struct builder {
    const dms_cuda_job *job;
    dms_rows_params p;
    dms_view head[DMS_ROW_OPERANDS], tail[DMS_ROW_OPERANDS];
    uint32_t n;
} builder;

static void add(builder *b, uint32_t operand, const dms_view *view, uint32_t axis) {
    const uint32_t k = b->n++;
    b->p.operand[k] = b->job->operand[operand];
    b->p.dtype[k] = view->dtype;
    b->head[k] = *view;
    b->head[k].rank = axis;
    b->tail[k] = (dms_view){.dtype = view->dtype, .rank = b->tail[0].rank};
    if (k == 0)
        b->tail[0].rank = view->rank - axis;
    for (uint32_t a = 0; a < b->tail[0].rank; a++) {
        b->tail[k].dim[a] = k == 0 ? view->dim[axis + a] : b->tail[0].dim[a];
        b->tail[k].pitch[a] = axis + a < view->rank ? view->pitch[axis + a] : 0;
    }
}

/* Operands that are one row for all, or one element per row group: pitches by hand. */
static void add_with(builder *b, uint32_t operand, const int64_t *head_pitch,
                     const int64_t *tail_pitch) {
    const uint32_t k = b->n++;
    b->p.operand[k] = b->job->operand[operand];
    b->p.dtype[k] = b->job->call->view[operand].dtype;
    b->head[k] = b->head[0];
    b->tail[k] = b->tail[0];
    for (uint32_t a = 0; a < b->head[k].rank; a++)
        b->head[k].pitch[a] = head_pitch == NULL ? 0 : head_pitch[a];
    for (uint32_t a = 0; a < b->tail[k].rank; a++)
        b->tail[k].pitch[a] = tail_pitch[a];
}

static void settle(builder *b) {
    const dms_view *head[DMS_ROW_OPERANDS], *tail[DMS_ROW_OPERANDS];
    for (uint32_t k = 0; k < b->n; k++) {
        head[k] = &b->head[k];
        tail[k] = &b->tail[k];
    }
    dms_places_of(head, b->n, &b->p.rows);
    dms_places_of(tail, b->n, &b->p.row);
}

typedef int launch_rows(dms_grid grid, const dms_rows_params *p);

/* `threads` of each row. */
static dms_code launch(builder *b, launch_rows *kernel, int64_t threads, dms_status *st) {
    settle(b);
    if (b->p.rows.count == 0)
        return DMS_OK;
    const dms_grid grid = dms_grid_of(b->p.rows.count * threads, b->job->stream);
    return dms_launched(b->job->call, kernel(grid, &b->p), st);
}

static dms_code enqueue_reduce(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const uint32_t kept = (uint32_t)call->i[1];
    builder b = {.job = job, .p = {.fn = call->i[0]}};
    add(&b, 0, &call->view[0], kept);
    add(&b, 1, &call->view[1], kept);
    return launch(&b, dms_launch_reduce, DMS_WARP, st);
}

static dms_code enqueue_softmax(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const uint32_t last = call->view[0].rank - 1;
    builder b = {.job = job, .p = {.fn = call->i[0]}};
    add(&b, 0, &call->view[0], last);
    add(&b, 1, &call->view[1], last);
    return launch(&b, dms_launch_softmax, DMS_WARP, st);
}

/* Operands of the kernel: x, y, scale, bias, mean, inv_std; what is not there is x again. */
static dms_code enqueue_layer_norm(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const uint32_t last = call->view[0].rank - 1, y = call->n_in;
    builder b = {.job = job, .p = {.fn = call->i[0], .epsilon = call->f[0]}};
    add(&b, 0, &call->view[0], last);
    add(&b, y, &call->view[y], last);
    for (uint32_t k = 1; k < 3; k++)
        add_with(&b, k < y ? k : 0, NULL, call->view[k < y ? k : 0].pitch);
    for (uint32_t k = 1; k < call->n_out; k++)
        add(&b, y + k, &call->view[y + k], last);
    b.p.form = y - 1; /* PLAIN, SCALE, BIAS */
    b.p.mean = call->n_out > 1 ? 4 : 0;
    b.p.inv_std = call->n_out > 2 ? 5 : 0;
    if (b.tail[0].dim[0] == 0)
        return DMS_OK;
    return launch(&b, dms_launch_norm, DMS_WARP, st);
}

/* Rows are (b, g), each of c channels of s elements. */
static dms_code enqueue_group_norm(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    builder b = {.job = job, .p = {.form = DMS_NORM_GROUP, .epsilon = call->f[0]}};
    add(&b, 0, &call->view[0], 2);
    add(&b, 3, &call->view[3], 2);
    for (uint32_t k = 1; k < 3; k++) {
        const int64_t head[2] = {0, call->view[k].pitch[0]}, tail[2] = {call->view[k].pitch[1], 0};
        add_with(&b, k, head, tail);
    }
    if (b.tail[0].dim[0] == 0 || b.tail[0].dim[1] == 0)
        return DMS_OK;
    return launch(&b, dms_launch_norm, DMS_WARP, st);
}

/* --- element by element */

static dms_code enqueue_batch_norm(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    dms_view view[DMS_ROW_OPERANDS];
    const dms_view *at[DMS_ROW_OPERANDS];
    dms_channel_params p = {.epsilon = call->f[0]};
    for (uint32_t k = 0; k < DMS_ROW_OPERANDS; k++) {
        view[k] = call->view[k];
        if (k > 0 && k < 5) { /* one number per channel */
            const int64_t pitch = view[k].pitch[0];
            view[k] = call->view[0];
            view[k].pitch[0] = view[k].pitch[2] = 0;
            view[k].pitch[1] = pitch;
        }
        at[k] = &view[k];
        p.operand[k] = job->operand[k];
        p.dtype[k] = call->view[k].dtype;
    }
    dms_places_of(at, DMS_ROW_OPERANDS, &p.places);
    if (p.places.count == 0)
        return DMS_OK;
    const dms_grid grid = dms_grid_of(p.places.count, job->stream);
    return dms_launched(call, dms_launch_batch_norm(grid, &p), st);
}

static dms_code enqueue_lrn(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *const both[] = {&call->view[0], &call->view[1]};
    dms_channel_params p = {.size = call->i[0],
                            .channels = call->view[0].dim[1],
                            .pitch = call->view[0].pitch[1],
                            .alpha = call->f[0],
                            .beta = call->f[1],
                            .bias = call->f[2]};
    for (uint32_t k = 0; k < 2; k++) {
        p.operand[k] = job->operand[k];
        p.dtype[k] = call->view[k].dtype;
    }
    dms_places_apart(both, 2, &p.places);
    if (p.places.count == 0)
        return DMS_OK;
    return dms_launched(call, dms_launch_lrn(dms_grid_of(p.places.count, job->stream), &p), st);
}

/* --- in order */

static dms_code enqueue_arg(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const uint32_t last = call->view[0].rank - 1;
    builder b = {.job = job, .p = {.fn = call->i[0], .form = (uint32_t)call->i[1]}};
    add(&b, 0, &call->view[0], last);
    add(&b, 1, &call->view[1], last);
    return launch(&b, dms_launch_arg, DMS_WARP, st);
}

/* Reversed, both rows start at their last element and walk with negated pitches. */
static dms_code enqueue_cumsum(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const uint32_t last = call->view[0].rank - 1;
    const int64_t n = call->view[0].dim[last];
    builder b = {.job = job, .p = {.form = (uint32_t)call->i[0]}};
    for (uint32_t k = 0; k < 2; k++) {
        add(&b, k, &call->view[k], last);
        if (call->i[1] == 0 || n < 2)
            continue;
        const int64_t bytes = dms_dtype_bytes(call->view[k].dtype), pitch = b.tail[k].pitch[0];
        b.p.operand[k] = (char *)b.p.operand[k] + (n - 1) * pitch * bytes;
        b.tail[k].pitch[0] = -pitch;
    }
    return launch(&b, dms_launch_cumsum, 1, st);
}

static dms_code enqueue_topk(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const uint32_t last = call->view[0].rank - 1;
    dms_view head[3];
    const dms_view *at[3];
    dms_topk_params p = {.dtype = call->view[0].dtype,
                         .bytes = dms_dtype_bytes(call->view[0].dtype),
                         .n = call->view[0].dim[last],
                         .k = call->view[1].dim[last],
                         .flip = call->i[0] != 0 ? 0 : UINT64_MAX};
    for (uint32_t k = 0; k < 3; k++) {
        head[k] = call->view[k];
        head[k].rank = last;
        at[k] = &head[k];
        p.operand[k] = job->operand[k];
        p.pitch[k] = call->view[k].pitch[last];
    }
    dms_places_of(at, 3, &p.rows);
    if (p.rows.count == 0 || p.k == 0)
        return DMS_OK;
    return dms_launched(call, dms_launch_topk(dms_grid_of(p.rows.count, job->stream), &p), st);
}

/* --- the kernels */

static const dms_grid loaded = {0, 256, NULL};

DMS_CUDA_ENTRY(reduce, DMS_K_REDUCE, dms_launch_reduce(loaded, NULL))
DMS_CUDA_ENTRY(softmax, DMS_K_SOFTMAX, dms_launch_softmax(loaded, NULL))
DMS_CUDA_ENTRY(layer_norm, DMS_K_LAYER_NORM, dms_launch_norm(loaded, NULL))
DMS_CUDA_ENTRY(group_norm, DMS_K_GROUP_NORM, dms_launch_norm(loaded, NULL))
DMS_CUDA_ENTRY(batch_norm, DMS_K_BATCH_NORM, dms_launch_batch_norm(loaded, NULL))
DMS_CUDA_ENTRY(arg, DMS_K_ARG, dms_launch_arg(loaded, NULL))
DMS_CUDA_ENTRY(cumsum, DMS_K_CUMSUM, dms_launch_cumsum(loaded, NULL))
DMS_CUDA_ENTRY(topk, DMS_K_TOPK, dms_launch_topk(loaded, NULL))
DMS_CUDA_ENTRY(lrn, DMS_K_LRN, dms_launch_lrn(loaded, NULL))
