/* quantize.c - QUANTIZE, DEQUANTIZE and LOOKUP as the card runs them. */
#include "runtime/cuda/kernels/quantize.h"

#include <stddef.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"

/* x, scale, zero or x again, y. */
static void operands(const dms_cuda_job *job, dms_quantize_params *p) {
    const dms_call *call = job->call;
    const uint32_t from[4] = {0, 1, call->n_in == 3 ? 2 : 0, call->n_in};
    const dms_view *view[4];
    for (uint32_t k = 0; k < 4; k++) {
        view[k] = &call->view[from[k]];
        p->operand[k] = job->operand[from[k]];
        p->dtype[k] = view[k]->dtype;
    }
    p->has_zero = call->n_in == 3;
    dms_places_of(view, 4, &p->places);
}

typedef int launch_quantize(dms_grid grid, const dms_quantize_params *p);

static dms_code launch(const dms_cuda_job *job, const dms_quantize_params *p, int64_t count,
                       launch_quantize *kernel, dms_status *st) {
    if (count == 0)
        return DMS_OK;
    return dms_launched(job->call, kernel(dms_grid_of(count, job->stream), p), st);
}

static dms_code enqueue_quantize(const dms_cuda_job *job, dms_status *st) {
    dms_quantize_params p = {.has_zero = 0};
    operands(job, &p);
    const dms_dtype to = (dms_dtype)p.dtype[3];
    p.low = to == DMS_DTYPE_I8 ? -128.0f : to == DMS_DTYPE_I16 ? -32768.0f : 0.0f;
    p.high = p.low + (dms_dtype_bytes(to) == 1 ? 255.0f : 65535.0f);
    return launch(job, &p, p.places.count, dms_launch_quantize, st);
}

static dms_code enqueue_dequantize(const dms_cuda_job *job, dms_status *st) {
    dms_quantize_params p = {.has_zero = 0};
    operands(job, &p);
    return launch(job, &p, p.places.count, dms_launch_dequantize, st);
}

static dms_code enqueue_lookup(const dms_cuda_job *job, dms_status *st) {
    const dms_view *const both[] = {&job->call->view[0], &job->call->view[2]};
    dms_quantize_params p = {.operand = {job->operand[0], job->operand[1], NULL, job->operand[2]}};
    dms_places_of(both, 2, &p.places);
    return launch(job, &p, p.places.count, dms_launch_lookup, st);
}

static const dms_grid loaded = {0, 256, NULL};

DMS_CUDA_ENTRY(quantize, DMS_K_QUANTIZE, dms_launch_quantize(loaded, NULL))
DMS_CUDA_ENTRY(dequantize, DMS_K_DEQUANTIZE, dms_launch_dequantize(loaded, NULL))
DMS_CUDA_ENTRY(lookup, DMS_K_LOOKUP, dms_launch_lookup(loaded, NULL))
