/* map.c - chains, and the kernels that are chains of one instruction, made into programs of the
 * card. */
#include "runtime/cuda/kernels/map.h"

#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/element.h"

#define THREADS 256

dms_grid dms_grid_for(int64_t work, uint32_t threads, void *stream) {
    const int64_t blocks = (work + threads - 1) / threads;
    return (dms_grid){(uint32_t)(blocks < 1                 ? 1
                                 : blocks < DMS_MOST_BLOCKS ? blocks
                                                            : DMS_MOST_BLOCKS),
                      threads, stream};
}

dms_grid dms_grid_of(int64_t work, void *stream) {
    return dms_grid_for(work, THREADS, stream);
}

dms_code dms_launched(const dms_call *call, int error, dms_status *st) {
    if (error == 0)
        return DMS_OK;
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    return dms_fail(st, DMS_EDEVICE, "kernel '%s': CUDA refuses the launch with error %d",
                    row == NULL ? "?" : row->name, error);
}

/* --- programs */

/* Whether an instruction behind the next one reads the result of instruction j. */
static bool is_read_later(const dms_chain *chain, uint32_t j) {
    for (uint32_t later = j + 2; later < chain->n_ops; later++) {
        uint32_t n_reals;
        const uint32_t n = dms_chain_sources(chain, later, &n_reals);
        for (uint32_t k = 0; k < n; k++)
            if (chain->op[later].src[k] == chain->n_in + j)
                return true;
    }
    return false;
}

/* Where instruction j finds value `src`. */
static uint8_t place_of_value(const dms_chain *chain, uint32_t j, uint32_t src) {
    if (src < chain->n_in)
        return (uint8_t)src;
    if (src == chain->n_in + j - 1)
        return DMS_MAP_LAST;
    return (uint8_t)(DMS_MAP_REGISTER + chain->op[src - chain->n_in].reg);
}

static dms_map_op op_of(const dms_chain *chain, uint32_t j) {
    const dms_chain_op *from = &chain->op[j];
    uint32_t n_reals;
    const uint32_t n = dms_chain_sources(chain, j, &n_reals);
    dms_map_op op = {.kind = (uint8_t)from->kind,
                     .fn = from->fn,
                     .dtype = (uint8_t)from->dtype,
                     .real = from->real,
                     .reg = is_read_later(chain, j) ? from->reg : DMS_MAP_LAST};
    for (uint32_t k = 0; k < n; k++) {
        op.src[k] = place_of_value(chain, j, from->src[k]);
        op.src_dtype[k] = (uint8_t)chain->dtype[from->src[k]];
    }
    op.n_reals =
        (uint8_t)(from->real + n_reals <= chain->n_reals ? n_reals : chain->n_reals - from->real);
    op.is_rounded = !dms_chain_is_full(from->dtype) && !dms_chain_keeps_precision(from) &&
                    (j + 1 < chain->n_ops || from->kind == DMS_CHAIN_REAL);
    return op;
}

/* Whether every operand is one run from an address of whole accesses on, or one element. */
static bool is_flat(const dms_map_params *p) {
    if (p->places.rank != 1)
        return false;
    for (uint32_t k = 0; k <= p->n_in; k++) {
        const int64_t pitch = p->places.pitch[k][0];
        const uint32_t each = dms_dtype_bytes(p->dtype[k]) * DMS_MAP_EACH;
        if (pitch != 1 && (pitch != 0 || k == p->n_in))
            return false;
        if (pitch == 1 && (uintptr_t)p->operand[k] % (each < 16 ? each : 16) != 0)
            return false;
    }
    return true;
}

bool dms_map_fill(const dms_chain *chain, const dms_view *const *view, void *const *operand,
                  dms_map_params *out) {
    const uint32_t n = chain->n_in + 1;
    if (n > DMS_PLACES_OPERANDS)
        return false;
    dms_places_of(view, n, &out->places);
    out->n_in = (uint8_t)chain->n_in;
    out->n_ops = (uint8_t)chain->n_ops;
    for (uint32_t k = 0; k < n; k++) {
        out->operand[k] = operand[k];
        out->dtype[k] = (uint8_t)view[k]->dtype;
    }
    for (uint32_t j = 0; j < chain->n_ops; j++)
        out->op[j] = op_of(chain, j);
    for (uint32_t k = 0; k < chain->n_reals; k++)
        out->real[k] = chain->real[k];
    out->is_flat = is_flat(out);
    return true;
}

/* --- calls */

/* Launches a chain over these operands. */
static dms_code launch(const dms_cuda_job *job, const dms_chain *chain, const dms_view *const *view,
                       void *const *operand, dms_status *st) {
    dms_map_params p;
    if (!dms_map_fill(chain, view, operand, &p))
        return dms_fail(st, DMS_EINTERNAL, "a chain has more operands than a launch takes");
    if (p.places.count == 0)
        return DMS_OK;
    const int64_t threads = (p.places.count + DMS_MAP_EACH - 1) / DMS_MAP_EACH;
    return dms_launched(job->call, dms_launch_map(dms_grid_of(threads, job->stream), &p), st);
}

dms_code dms_map_epilogue(const dms_cuda_job *job, void *result, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *y = &call->view[call->n_in], *view[DMS_PLACES_OPERANDS];
    void *operand[DMS_PLACES_OPERANDS];
    dms_chain chain;
    dms_view dense;
    DMS_TRY(dms_chain_read(call, &chain, st));
    if (!dms_view_dense(call->view[0].dtype, y->rank, y->dim, &dense))
        return dms_fail(st, DMS_EINTERNAL, "a result is too large");
    const uint32_t first = call->n_in - (chain.n_in - 1);
    view[0] = &dense;
    operand[0] = result;
    for (uint32_t k = 0; k < chain.n_in; k++) { /* the chain's operands, then y */
        view[1 + k] = &call->view[first + k];
        operand[1 + k] = job->operand[first + k];
    }
    return launch(job, &chain, view, operand, st);
}

/* UNARY, BINARY, CAST, CHAIN. */
static dms_code enqueue_chain(const dms_cuda_job *job, dms_status *st) {
    const dms_call *call = job->call;
    const dms_view *view[DMS_PLACES_OPERANDS];
    dms_chain chain;
    if (!dms_chain_of_call(call, &chain))
        DMS_TRY(dms_chain_read(call, &chain, st));
    for (uint32_t k = 0; k <= call->n_in; k++)
        view[k] = &call->view[k];
    return launch(job, &chain, view, job->operand, st);
}

#define enqueue_unary enqueue_chain
#define enqueue_binary enqueue_chain
#define enqueue_cast enqueue_chain
#define LOAD dms_launch_map((dms_grid){0, THREADS, NULL}, NULL)
DMS_CUDA_ENTRY(unary, DMS_K_UNARY, LOAD)
DMS_CUDA_ENTRY(binary, DMS_K_BINARY, LOAD)
DMS_CUDA_ENTRY(cast, DMS_K_CAST, LOAD)
DMS_CUDA_ENTRY(chain, DMS_K_CHAIN, LOAD)
