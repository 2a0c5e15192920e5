/* window.c - CONV, CONV_TRANSPOSE and POOL as the card runs them. Parameters by position, as
 * catalogue.h has them; pairs are height, width. */
#include "runtime/cuda/kernels/window.h"

#include <stddef.h>
#include <string.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain.h"

#define TILE 64

/* Groups of fewer channels than this take a thread per output: most of a tile would be empty. */
#define FEW_CHANNELS 8

enum { GROUP = 0, STEP = 1, DILATION = 3, PAD = 5 };
enum { FN = 0, WINDOW = 1, POOL_STEP = 3, POOL_DILATION = 5, POOL_PAD = 7, PAD_END = 9 };
enum { COUNT_PADS = 11, P = 12 };

static void pitches(const dms_view *view, int64_t *out) {
    memcpy(out, view->pitch, 4 * sizeof *out);
}

static void pair(const int64_t *from, int64_t *out) {
    out[0] = from[0];
    out[1] = from[1];
}

/* What both convolutions share; y is where the call's own result goes. False: `call` is none. */
static bool fill(const dms_cuda_job *job, dms_conv_params *out) {
    dms_view view[DMS_MAX_OPERANDS], y;
    dms_call own;
    if (!dms_chain_detach(job->call, view, &own))
        return false;
    const bool has_chain = dms_chain_is_in(job->call);
    const dms_view *x = &own.view[0], *w = &own.view[1];
    y = own.view[own.n_in];
    if (has_chain && !dms_view_dense(y.dtype, y.rank, y.dim, &y))
        return false;
    *out = (dms_conv_params){.x = job->operand[0],
                             .w = job->operand[1],
                             .bias = own.n_in == 3 ? job->operand[2] : NULL,
                             .y = has_chain ? job->workspace : job->operand[job->call->n_in],
                             .dtype = x->dtype,
                             .is_panels = w->rank == 5,
                             .batch = y.dim[0],
                             .group = own.i[GROUP],
                             .bias_pitch = own.n_in == 3 ? own.view[2].pitch[0] : 0};
    pair(x->dim + 2, out->x_dim);
    pair(y.dim + 2, out->y_dim);
    pair(w->dim + 2, out->k);
    pair(own.i + STEP, out->step);
    pair(own.i + DILATION, out->dilation);
    pair(own.i + PAD, out->pad);
    pitches(x, out->x_pitch);
    pitches(w, out->w_pitch);
    pitches(&y, out->y_pitch);
    out->m = y.dim[1] / out->group;
    out->c = x->dim[1] / out->group;
    return true;
}

static int64_t outputs_of(const dms_conv_params *p) {
    return p->batch * p->group * p->m * p->y_dim[0] * p->y_dim[1];
}

static dms_code enqueue_conv(const dms_cuda_job *job, dms_status *st) {
    dms_conv_params p;
    int error;
    if (!fill(job, &p))
        return dms_fail(st, DMS_EINTERNAL, "a convolution is none");
    if (outputs_of(&p) == 0)
        return DMS_OK;
    if (p.m < FEW_CHANNELS) {
        error = dms_launch_conv_few(dms_grid_of(outputs_of(&p), job->stream), &p);
    } else {
        p.tiles[0] = (p.m + TILE - 1) / TILE;
        p.tiles[1] = (p.y_dim[0] * p.y_dim[1] + TILE - 1) / TILE;
        const int64_t threads = p.batch * p.group * p.tiles[0] * p.tiles[1] * 256;
        error = dms_launch_conv(dms_grid_of(threads, job->stream), &p);
    }
    DMS_TRY(dms_launched(job->call, error, st));
    return dms_chain_is_in(job->call) ? dms_map_epilogue(job, job->workspace, st) : DMS_OK;
}

static dms_code enqueue_conv_transpose(const dms_cuda_job *job, dms_status *st) {
    dms_conv_params p;
    if (!fill(job, &p))
        return dms_fail(st, DMS_EINTERNAL, "a convolution is none");
    if (outputs_of(&p) == 0)
        return DMS_OK;
    const dms_grid grid = dms_grid_of(outputs_of(&p), job->stream);
    return dms_launched(job->call, dms_launch_conv_transpose(grid, &p), st);
}

static dms_code enqueue_pool(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[0], *y = &call->view[1];
    dms_pool_params p = {.x = job->operand[0],
                         .y = job->operand[1],
                         .indices = call->n_out == 2 ? job->operand[2] : NULL,
                         .dtype = x->dtype,
                         .fn = (uint32_t)call->i[FN],
                         .count_pads = call->i[COUNT_PADS] != 0,
                         .p = call->i[P],
                         .batch = y->dim[0],
                         .channels = y->dim[1]};
    if (dms_view_count(y) == 0)
        return DMS_OK;
    pair(x->dim + 2, p.x_dim);
    pair(y->dim + 2, p.y_dim);
    pair(call->i + WINDOW, p.k);
    pair(call->i + POOL_STEP, p.step);
    pair(call->i + POOL_DILATION, p.dilation);
    pair(call->i + POOL_PAD, p.pad);
    pair(call->i + PAD_END, p.pad_end);
    pitches(x, p.x_pitch);
    pitches(y, p.y_pitch);
    if (call->n_out == 2)
        pitches(&call->view[2], p.index_pitch);
    const dms_grid grid = dms_grid_of(dms_view_count(y), job->stream);
    return dms_launched(call, dms_launch_pool(grid, &p), st);
}

static const dms_grid loaded = {0, 256, NULL};

DMS_CUDA_ENTRY(conv, DMS_K_CONV,
               dms_launch_conv(loaded, NULL) | dms_launch_conv_few(loaded, NULL) |
                   dms_launch_map(loaded, NULL))
DMS_CUDA_ENTRY(conv_transpose, DMS_K_CONV_TRANSPOSE, dms_launch_conv_transpose(loaded, NULL))
DMS_CUDA_ENTRY(pool, DMS_K_POOL, dms_launch_pool(loaded, NULL))
