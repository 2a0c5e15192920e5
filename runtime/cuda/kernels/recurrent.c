/* recurrent.c - RECURRENT as the card runs it: a launch per step, two where a GRU resets its state
 * before the last product. */
#include "runtime/cuda/kernels/recurrent.h"

#include <stddef.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/recurrent.h"
#include "schema/integers.h"

static dms_recurrent_operand_at operand_of(const dms_cuda_job *job, dms_recurrent_role role) {
    dms_recurrent_operand_at out = {0};
    if (!dms_recurrent_has(job->call, role))
        return out;
    const uint32_t k = dms_recurrent_operand(job->call, role);
    out.at = job->operand[k];
    for (uint32_t axis = 0; axis < 4 && axis < job->call->view[k].rank; axis++)
        out.pitch[axis] = job->call->view[k].pitch[axis];
    return out;
}

static void fill_operands(const dms_cuda_job *job, dms_recurrent_params *out) {
    out->p = operand_of(job, DMS_RECURRENT_P);
    out->r = operand_of(job, DMS_RECURRENT_R);
    out->bias = operand_of(job, DMS_RECURRENT_BIAS);
    out->lengths = operand_of(job, DMS_RECURRENT_LENGTHS);
    out->h0 = operand_of(job, DMS_RECURRENT_H0);
    out->c0 = operand_of(job, DMS_RECURRENT_C0);
    out->peephole = operand_of(job, DMS_RECURRENT_PEEPHOLE);
    out->y = operand_of(job, DMS_RECURRENT_Y);
    out->y_h = operand_of(job, DMS_RECURRENT_Y_H);
    out->y_c = operand_of(job, DMS_RECURRENT_Y_C);
    out->error = job->index_error;
    out->lengths_operand = 1 + dms_recurrent_operand(job->call, DMS_RECURRENT_LENGTHS);
}

static void fill_cell(const dms_call *call, dms_recurrent_params *out) {
    out->kind = (uint32_t)call->i[DMS_RECURRENT_CELL];
    out->gates = (uint32_t)dms_recurrent_gates(call->i[DMS_RECURRENT_CELL]);
    out->is_panels = call->i[DMS_RECURRENT_LAYOUT] != 0;
    out->reverse = (uint32_t)call->i[DMS_RECURRENT_REVERSE];
    out->is_coupled = call->i[DMS_RECURRENT_COUPLED] != 0;
    out->clip = (float)call->f[DMS_RECURRENT_CLIP];
    for (uint32_t k = 0; k < 2 * DMS_RECURRENT_FNS; k++) {
        out->fn[k] = (uint32_t)call->i[DMS_RECURRENT_FN + k];
        out->alpha[k] = (float)call->f[DMS_RECURRENT_ALPHA + 2 * k];
        out->beta[k] = (float)call->f[DMS_RECURRENT_ALPHA + 2 * k + 1];
    }
}

/* Gates [first, first + n) of one step. */
static int launch_step(const dms_cuda_job *job, dms_recurrent_params *p, uint32_t first,
                       uint32_t n) {
    p->first_gate = first;
    p->n_gates = n;
    const int64_t tiles = p->directions * dms_divide_up(p->units, DMS_RECURRENT_COLUMNS / n) *
                          dms_divide_up(p->rows, DMS_RECURRENT_ROWS);
    return dms_launch_recurrent_step(dms_grid_of(tiles * 256, job->stream), p);
}

static dms_code enqueue_recurrent(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *in = &call->view[DMS_RECURRENT_P];
    dms_recurrent_params p = {.dtype = in->dtype,
                              .directions = in->dim[0],
                              .steps = in->dim[1],
                              .rows = in->dim[2],
                              .units = dms_recurrent_units(call)};
    fill_operands(job, &p);
    fill_cell(call, &p);
    const int64_t each = p.directions * p.rows * p.units;
    if (each == 0)
        return DMS_OK;
    p.state[0] = job->workspace;
    p.state[1] = p.state[0] + each;
    p.cell = p.state[1] + each;
    p.update = p.cell + each;
    const dms_grid units = dms_grid_of(each, job->stream);
    const uint32_t first = p.kind == DMS_CELL_GRU ? 2 : p.gates;
    int error = dms_launch_recurrent_start(units, &p);
    for (p.step = 0; p.step < p.steps && error == 0; p.step++) {
        error = launch_step(job, &p, 0, first);
        if (first < p.gates && error == 0)
            error = launch_step(job, &p, first, p.gates - first);
    }
    return dms_launched(call, error != 0 ? error : dms_launch_recurrent_finish(units, &p), st);
}

static const dms_grid loaded = {0, 256, NULL};

DMS_CUDA_ENTRY(recurrent, DMS_K_RECURRENT,
               dms_launch_recurrent_start(loaded, NULL) | dms_launch_recurrent_step(loaded, NULL) |
                   dms_launch_recurrent_finish(loaded, NULL))
