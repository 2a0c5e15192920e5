/* attention.c - ATTENTION as the card runs it: f16 and bf16 on tensor cores where rows lie at
 * multiples of 16 bytes, few queries over parts of the keys; the rest by the general kernel. Many
 * queries without a mask are cuDNN's where it is found. */
#include "runtime/cuda/kernels/attention.h"

#include <stddef.h>
#include <string.h>

#include "runtime/cuda/kernels/attention_dnn.h"
#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/attention_parts.h"
#include "runtime/kernels/catalogue.h"

/* Below this many queries, eight warps share the keys of each: a card has some thousand warps. */
#define FEW_QUERIES 2048

#define LOG2_E 1.44269504088896340736f

static void pitches(const dms_view *view, int64_t *out) {
    memcpy(out, view->pitch, 4 * sizeof *out);
}

/* Parameters by position, as catalogue.h has them. */
static dms_attention_params params_of(const dms_cuda_job *job) {
    const dms_call *call = job->call;
    const dms_view *q = &call->view[0], *k = &call->view[1], *v = &call->view[2];
    const dms_view *mask = call->n_in == 4 ? &call->view[3] : q;
    dms_attention_params p = {.q = job->operand[0],
                              .k = job->operand[1],
                              .v = job->operand[2],
                              .mask = job->operand[call->n_in == 4 ? 3 : 0],
                              .y = job->operand[call->n_in],
                              .dtype = q->dtype,
                              .mask_dtype = mask->dtype,
                              .causal = (uint32_t)call->i[0],
                              .mask_kind = (uint32_t)call->i[1],
                              .empty = (uint32_t)call->i[2],
                              .has_fill = call->n_f > 2,
                              .batch = q->dim[0],
                              .heads = q->dim[1],
                              .per_head = k->dim[1] == 0 ? 1 : q->dim[1] / k->dim[1],
                              .s = q->dim[2],
                              .t = k->dim[2],
                              .d = q->dim[3],
                              .e = v->dim[3],
                              .scale = (float)call->f[0],
                              .softcap = (float)call->f[1],
                              .fill = call->n_f > 2 ? (float)call->f[2] : 0.0f};
    p.split = p.batch * p.heads * p.s < FEW_QUERIES ? DMS_ATTENTION_WARPS : 1;
    pitches(q, p.q_pitch);
    pitches(k, p.k_pitch);
    pitches(v, p.v_pitch);
    pitches(mask, p.mask_pitch);
    pitches(&call->view[call->n_in], p.y_pitch);
    return p;
}

/* Whether tensor cores have a kernel for the call; the rest goes to `attention`. */
static bool takes_tensor_cores(const dms_cuda_job *job, const dms_attention_params *p) {
    const dms_call *call = job->call;
    const int64_t rows = p->per_head * p->s;
    return p->dtype != DMS_DTYPE_F32 && rows < INT32_MAX / 2 && p->t < INT32_MAX / 2 && p->d > 0 &&
           p->scale > 0.0f && dms_attention_rows_of_16(&call->view[0], p->q) &&
           dms_attention_rows_of_16(&call->view[1], p->k) &&
           dms_attention_rows_of_16(&call->view[2], p->v) &&
           dms_attention_rows_of_16(&call->view[call->n_in], p->y);
}

typedef struct instance {
    bool is_brain;
    int64_t width;
    int (*launch)(dms_grid grid, const dms_attention_params *p);
} instance;

#define TYPE_half false
#define TYPE_brain true
#define INSTANCE(KIND, TYPE, WIDTH) {TYPE_##TYPE, WIDTH, dms_launch_##KIND##_##TYPE##_##WIDTH},
static const instance few[] = {DMS_ATTENTION_FEW(INSTANCE)};
static const instance tile[] = {DMS_ATTENTION_TILE(INSTANCE)};
enum { N_FEW = sizeof few / sizeof *few, N_TILE = sizeof tile / sizeof *tile };

/* The narrowest that holds the heads of the call. */
static const instance *find_instance(const instance *from, uint32_t n,
                                     const dms_attention_params *p) {
    const int64_t width = p->d > p->e ? p->d : p->e;
    const bool is_brain = p->dtype == DMS_DTYPE_BF16;
    for (uint32_t k = 0; k < n; k++)
        if (from[k].is_brain == is_brain && from[k].width >= width)
            return &from[k];
    return &from[n - 1];
}

static dms_code enqueue_few(const dms_cuda_job *job, const dms_attention_params *p,
                            dms_status *st) {
    const int64_t groups = p->batch * (p->heads / p->per_head);
    const int64_t tiles = (p->per_head * p->s + 15) / 16, warps = groups * tiles * p->parts;
    const dms_grid grid = dms_grid_for(warps * DMS_WARP, DMS_ATTENTION_FEW_THREADS, job->stream);
    DMS_TRY(dms_launched(job->call, find_instance(few, N_FEW, p)->launch(grid, p), st));
    const int64_t elements = p->batch * p->heads * p->s * p->e;
    const dms_grid join = dms_grid_for(elements, DMS_ATTENTION_FEW_THREADS, job->stream);
    return dms_launched(job->call, dms_launch_attention_join(join, p), st);
}

static dms_code enqueue_tile(const dms_cuda_job *job, const dms_attention_params *p,
                             dms_status *st) {
    const instance *found = find_instance(tile, N_TILE, p);
    const int64_t rows = found->width > 128 ? 64 : 128;
    const int64_t blocks =
        p->batch * (p->heads / p->per_head) * ((p->per_head * p->s + rows - 1) / rows);
    const dms_grid grid =
        dms_grid_for(blocks * DMS_ATTENTION_TILE_THREADS, DMS_ATTENTION_TILE_THREADS, job->stream);
    return dms_launched(job->call, found->launch(grid, p), st);
}

static dms_code enqueue_attention(const dms_cuda_job *job, dms_status *st) {
    dms_attention_params p = params_of(job);
    if (dms_view_count(&job->call->view[job->call->n_in]) == 0)
        return DMS_OK;
    if (dms_attention_dnn_takes(job))
        return dms_attention_dnn_enqueue(job, st);
    p.is_plain = p.mask_kind == 0 && p.softcap == 0.0f && !p.has_fill;
    p.unit = p.is_plain ? p.scale * LOG2_E : LOG2_E;
    p.parts = dms_attention_parts(job->call);
    p.partial = job->workspace;
    if (takes_tensor_cores(job, &p))
        return p.parts > 0 ? enqueue_few(job, &p, st) : enqueue_tile(job, &p, st);
    const int64_t warps = p.batch * p.heads * p.s * p.split;
    const dms_grid grid = dms_grid_of(warps * DMS_WARP, job->stream);
    return dms_launched(job->call, dms_launch_attention(grid, &p), st);
}

/* Loads the general kernel, and those that a call of these widths may take. */
static int load_attention(const dms_call *call) {
    const dms_attention_params p = {
        .dtype = call->view[0].dtype, .d = call->view[0].dim[3], .e = call->view[2].dim[3]};
    const dms_grid loaded = {0, 256, NULL};
    int error = dms_launch_attention(loaded, NULL);
    if (p.dtype == DMS_DTYPE_F32 || p.d > DMS_ATTENTION_WIDEST || p.e > DMS_ATTENTION_WIDEST)
        return error;
    if (dms_attention_parts(call) == 0)
        return error | find_instance(tile, N_TILE, &p)->launch(loaded, NULL);
    return error | dms_launch_attention_join(loaded, NULL) |
           find_instance(few, N_FEW, &p)->launch(loaded, NULL);
}

/* Our kernel is loaded in any case: an operand may lie beside 16 bytes. */
static dms_code prepare_attention(dms_cuda_libraries *libraries, const dms_call *call,
                                  dms_arena *arena, void **out_state, dms_status *st) {
    *out_state = NULL;
    DMS_TRY(dms_launched(call, load_attention(call), st));
    if (libraries == NULL)
        return DMS_OK;
    return dms_attention_dnn_prepare(libraries, call, dms_call_workspace(call, DMS_DEVICE_CUDA),
                                     arena, out_state, st);
}

const dms_cuda_kernel dms_on_cuda_attention = {DMS_K_ATTENTION, dms_cuda_runs, prepare_attention,
                                               enqueue_attention};
