/* conv_bytes.c - CONV_BYTES as the card runs it. */
#include "runtime/cuda/kernels/conv_bytes.h"

#include <stddef.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/conv_bytes.h"

/* Groups of fewer channels than this take a thread per output. */
#define FEW_CHANNELS 8

static dms_bytes_numbers numbers_of(const dms_cuda_job *job, uint32_t operand) {
    dms_bytes_numbers out = {NULL, {0, 0}};
    if (operand >= job->call->n_in)
        return out;
    const dms_view *view = &job->call->view[operand];
    out.at = job->operand[operand];
    out.pitch[0] = view->pitch[0];
    out.pitch[1] = view->rank > 1 ? view->pitch[1] : 0;
    return out;
}

static uint32_t flip_of(dms_dtype dtype) {
    return dtype == DMS_DTYPE_U8 ? 0x80 : 0;
}

static void pair(const int64_t *from, int64_t *out) {
    out[0] = from[0];
    out[1] = from[1];
}

/* Whether four channels of an operand [g, b or m, c, h, w] are one aligned word wherever they
 * begin. */
static bool has_quads(const dms_view *view, const void *at) {
    bool is_aligned = (uintptr_t)at % 4 == 0;
    for (uint32_t k = 0; k < 5; k++)
        is_aligned &= k == 2 || view->pitch[k] % 4 == 0;
    return is_aligned && view->pitch[2] == 1 && view->dim[2] % 4 == 0;
}

static void fill_views(const dms_cuda_job *job, dms_conv_bytes_params *out) {
    const dms_call *call = job->call;
    const dms_view *x = &call->view[DMS_BYTES_X], *w = &call->view[DMS_BYTES_W];
    const dms_view *y = &call->view[call->n_in];
    for (uint32_t k = 0; k < 5; k++) {
        out->x_pitch[k] = x->pitch[k];
        out->w_pitch[k] = w->pitch[k];
        out->y_pitch[k] = y->pitch[k];
    }
    out->groups = y->dim[0];
    out->batch = y->dim[1];
    out->m = y->dim[2];
    out->c = x->dim[2];
    out->n_pixels = y->dim[1] * y->dim[3] * y->dim[4];
    out->terms = out->c * call->i[DMS_BYTES_KERNEL] * call->i[DMS_BYTES_KERNEL + 1];
    out->x_quads = has_quads(x, job->operand[DMS_BYTES_X]);
    out->is_panels = call->i[DMS_BYTES_LAYOUT] == 1;
    out->w_quads = out->is_panels ? (uintptr_t)job->operand[DMS_BYTES_W] % 4 == 0
                                  : has_quads(w, job->operand[DMS_BYTES_W]);
    pair(x->dim + 3, out->x_dim);
    out->by_c = dms_divider_of(out->c > 0 ? out->c : 1);
    out->by_kw = dms_divider_of(call->i[DMS_BYTES_KERNEL + 1]);
    out->by_high = dms_divider_of(y->dim[3]);
    out->by_wide = dms_divider_of(y->dim[4]);
}

static dms_code enqueue_conv_bytes(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *y = &call->view[call->n_in];
    if (dms_view_count(y) == 0)
        return DMS_OK;
    dms_conv_bytes_params p = {.x = job->operand[DMS_BYTES_X],
                               .w = job->operand[DMS_BYTES_W],
                               .y = job->operand[call->n_in],
                               .zero_x = numbers_of(job, DMS_BYTES_ZERO_X),
                               .zero_w = numbers_of(job, DMS_BYTES_ZERO_W),
                               .bias = numbers_of(job, DMS_BYTES_BIAS),
                               .scale = numbers_of(job, DMS_BYTES_SCALE),
                               .zero_y = numbers_of(job, DMS_BYTES_ZERO_Y),
                               .x_flip = flip_of(call->view[DMS_BYTES_X].dtype),
                               .w_flip = flip_of(call->view[DMS_BYTES_W].dtype),
                               .is_real = call->n_in > DMS_BYTES_SCALE,
                               .is_byte = call->n_in > DMS_BYTES_ZERO_Y,
                               .y_flip = flip_of(y->dtype),
                               .low = (int32_t)call->i[DMS_BYTES_LOW],
                               .high = (int32_t)call->i[DMS_BYTES_HIGH]};
    fill_views(job, &p);
    pair(call->i + DMS_BYTES_KERNEL, p.k);
    pair(call->i + DMS_BYTES_STEP, p.step);
    pair(call->i + DMS_BYTES_DILATION, p.dilation);
    pair(call->i + DMS_BYTES_PAD, p.pad);
    if (p.m < FEW_CHANNELS) {
        const dms_grid outputs = dms_grid_of(p.groups * p.m * p.n_pixels, job->stream);
        return dms_launched(call, dms_launch_conv_bytes_few(outputs, &p), st);
    }
    p.tiles[0] = (p.m + DMS_BYTES_TILE - 1) / DMS_BYTES_TILE;
    p.tiles[1] = (p.n_pixels + DMS_BYTES_TILE - 1) / DMS_BYTES_TILE;
    const dms_grid tiles = dms_grid_of(p.groups * p.tiles[0] * p.tiles[1] * 256, job->stream);
    return dms_launched(call, dms_launch_conv_bytes(tiles, &p), st);
}

static const dms_grid loaded = {0, 256, NULL};

DMS_CUDA_ENTRY(conv_bytes, DMS_K_CONV_BYTES,
               dms_launch_conv_bytes(loaded, NULL) | dms_launch_conv_bytes_few(loaded, NULL))
