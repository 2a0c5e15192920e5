/* attention.c - ATTENTION as the card runs it. */
#include "runtime/cuda/kernels/attention.h"

#include <stddef.h>
#include <string.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"

/* Below this many queries, eight warps share the keys of each: a card has some thousand warps. */
#define FEW_QUERIES 2048

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

static dms_code enqueue_attention(const dms_cuda_job *job, dms_status *st) {
    const dms_attention_params p = params_of(job);
    if (dms_view_count(&job->call->view[job->call->n_in]) == 0)
        return DMS_OK;
    const int64_t warps = p.batch * p.heads * p.s * p.split;
    const dms_grid grid = dms_grid_of(warps * DMS_WARP, job->stream);
    return dms_launched(job->call, dms_launch_attention(grid, &p), st);
}

DMS_CUDA_ENTRY(attention, DMS_K_ATTENTION, dms_launch_attention((dms_grid){0, 256, NULL}, NULL))
