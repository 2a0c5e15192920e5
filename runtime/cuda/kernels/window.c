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

/* Fewer tiles of 128 by 128 leave multiprocessors of a card idle: tiles are halved. */
#define ENOUGH_TILES 192

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

/* Weights whose terms lie in order, and an image of one batch entry that 29 bits count: what tiles
 * of 128 pixels take. Groups of few channels would leave them empty. */
static bool has_terms_in_order(const dms_conv_params *p) {
    const int64_t taps = p->k[0] * p->k[1], limit = INT32_MAX / 4;
    int64_t reach = p->c * taps > p->m ? p->c * taps : p->m;
    for (uint32_t k = 0; k < 2; k++) {
        const int64_t far = p->y_dim[k] * p->step[k] + p->k[k] * p->dilation[k] + 2;
        const int64_t both = far + (p->pad[k] < 0 ? -p->pad[k] : p->pad[k]);
        reach = both > reach ? both : reach;
        if (p->x_pitch[2 + k] < 0 || p->x_pitch[2 + k] > limit / (p->x_dim[k] + 1))
            return false;
    }
    return !p->is_panels && p->m >= FEW_CHANNELS && p->c > 0 && p->w_pitch[3] == 1 &&
           p->w_pitch[2] == p->k[1] && p->w_pitch[1] == taps && reach < limit &&
           p->y_dim[0] < limit / p->y_dim[1] && p->x_pitch[1] >= 0 && p->x_pitch[1] < limit / p->c;
}

/* Tiles of 128 channels where there are so many, and enough tiles for a card. */
static bool is_high(const dms_conv_params *p) {
    const int64_t pixels = (p->y_dim[0] * p->y_dim[1] + DMS_CONV_PIXELS - 1) / DMS_CONV_PIXELS;
    return p->m > 64 && p->batch * p->group * ((p->m + 127) / 128) * pixels >= ENOUGH_TILES;
}

/* What loads of 16 bytes may count on. */
static void find_alignment(dms_conv_params *p) {
    const int64_t terms = p->c * p->k[0] * p->k[1], pixels = p->y_dim[0] * p->y_dim[1];
    const int64_t each = p->dtype == DMS_DTYPE_F32 ? 4 : 8;
    p->is_wide = terms % each == 0 && p->w_pitch[0] % each == 0 && (uintptr_t)p->w % 16 == 0;
    p->is_point = p->k[0] * p->k[1] == 1 && p->step[0] == 1 && p->step[1] == 1 && p->pad[0] == 0 &&
                  p->pad[1] == 0 && p->x_dim[0] == p->y_dim[0] && p->x_dim[1] == p->y_dim[1] &&
                  p->x_pitch[3] == 1 && p->x_pitch[2] == p->x_dim[1] && pixels % each == 0 &&
                  p->x_pitch[1] % each == 0 && p->x_pitch[0] % each == 0 &&
                  (uintptr_t)p->x % 16 == 0;
}

static int launch_tile(dms_conv_params *p, void *stream) {
    const bool high = is_high(p), is_brain = p->dtype == DMS_DTYPE_BF16;
    const int64_t each = high ? 128 : 64;
    find_alignment(p);
    p->tiles[0] = (p->m + each - 1) / each;
    p->tiles[1] = (p->y_dim[0] * p->y_dim[1] + DMS_CONV_PIXELS - 1) / DMS_CONV_PIXELS;
    const dms_grid grid =
        dms_grid_of(p->batch * p->group * p->tiles[0] * p->tiles[1] * 256, stream);
    if (p->dtype == DMS_DTYPE_F32)
        return high ? dms_launch_conv_float_128(grid, p) : dms_launch_conv_float_64(grid, p);
    if (is_brain)
        return high ? dms_launch_conv_tensor_brain_128(grid, p)
                    : dms_launch_conv_tensor_brain_64(grid, p);
    return high ? dms_launch_conv_tensor_half_128(grid, p)
                : dms_launch_conv_tensor_half_64(grid, p);
}

static int launch_conv(dms_conv_params *p, void *stream) {
    if (has_terms_in_order(p))
        return launch_tile(p, stream);
    if (p->m < FEW_CHANNELS)
        return dms_launch_conv_few(dms_grid_of(outputs_of(p), stream), p);
    p->tiles[0] = (p->m + TILE - 1) / TILE;
    p->tiles[1] = (p->y_dim[0] * p->y_dim[1] + TILE - 1) / TILE;
    const int64_t threads = p->batch * p->group * p->tiles[0] * p->tiles[1] * 256;
    return dms_launch_conv(dms_grid_of(threads, stream), p);
}

static dms_code enqueue_conv(const dms_cuda_job *job, dms_status *st) {
    dms_conv_params p;
    if (!fill(job, &p))
        return dms_fail(st, DMS_EINTERNAL, "a convolution is none");
    if (outputs_of(&p) == 0)
        return DMS_OK;
    DMS_TRY(dms_launched(job->call, launch_conv(&p, job->stream), st));
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

static int load_tiles(const dms_call *call) {
    const uint32_t dtype = call->view[0].dtype;
    if (dtype == DMS_DTYPE_F32)
        return dms_launch_conv_float_64(loaded, NULL) | dms_launch_conv_float_128(loaded, NULL);
    if (dtype == DMS_DTYPE_F16)
        return dms_launch_conv_tensor_half_64(loaded, NULL) |
               dms_launch_conv_tensor_half_128(loaded, NULL);
    if (dtype == DMS_DTYPE_BF16)
        return dms_launch_conv_tensor_brain_64(loaded, NULL) |
               dms_launch_conv_tensor_brain_128(loaded, NULL);
    return 0;
}

DMS_CUDA_ENTRY(conv, DMS_K_CONV,
               load_tiles(call) | dms_launch_conv(loaded, NULL) |
                   dms_launch_conv_few(loaded, NULL) | dms_launch_map(loaded, NULL))
DMS_CUDA_ENTRY(conv_transpose, DMS_K_CONV_TRANSPOSE, dms_launch_conv_transpose(loaded, NULL))
DMS_CUDA_ENTRY(pool, DMS_K_POOL, dms_launch_pool(loaded, NULL))
