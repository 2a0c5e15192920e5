/* product.c - MATMUL, MATMUL_PART and MATMUL_BITS as the card runs them: one row by our own kernel,
 * more by the library where it takes the layout, else by our own; a chain behind them is a pass of
 * its own. */
#include "runtime/cuda/kernels/product.h"

#include <stddef.h>

#include "runtime/cuda/kernels/map.h"
#include "runtime/cuda/kernels/product_lt.h"
#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain.h"
#include "runtime/kernels/matmul_bits.h"
#include "runtime/kernels/matmul_part.h"

#define TILE 64

/* A call taken apart: the product of its own k, the operands' addresses in that order. */
typedef struct parts {
    dms_view own_view[DMS_MAX_OPERANDS], view[DMS_MAX_OPERANDS];
    dms_call own, product; /* without the chain; without the sums before as well */
    dms_bits bits;         /* of a b in 4 bits */
    int64_t i[2];          /* integer parameters of such a product */
    void *operand[4];      /* a, b, c or NULL, y or where its chain reads */
    void *before;
    bool has_chain, is_unfinished;
    dms_view y;
} parts;

static bool is_packed(const dms_call *call) {
    return call->kernel == DMS_K_MATMUL_BITS;
}

/* The own result of a call with a chain is dense, in the type of operand 0, at the start of the
 * workspace. */
static bool take_apart(const dms_call *call, void *const *operand, void *workspace, parts *out) {
    *out = (parts){.has_chain = dms_chain_is_in(call)};
    if (!dms_chain_detach(call, out->own_view, &out->own))
        return false;
    out->product = out->own;
    if (call->kernel == DMS_K_MATMUL_PART) {
        dms_matmul_of_part(&out->own, out->view, &out->product);
        out->is_unfinished = out->own.i[2] != 2;
    }
    if (is_packed(call))
        dms_matmul_of_bits(&out->own, operand, out->view, out->i, &out->product, &out->bits);
    const uint32_t n = out->product.n_in;
    out->y = out->product.view[n];
    if (operand == NULL)
        return true;
    for (uint32_t k = 0; k < n; k++)
        out->operand[k] = operand[k];
    out->operand[3] = operand[call->n_in];
    if (n != out->own.n_in && !is_packed(call))
        out->before = operand[n];
    if (out->has_chain) {
        out->operand[3] = workspace;
        return dms_view_dense(out->y.dtype, out->y.rank, out->y.dim, &out->y);
    }
    return true;
}

/* The leading axes of a view, of dims as in y; repeats where the operand has none. */
static dms_view leading(const dms_view *view, const dms_view *y) {
    dms_view out = {.dtype = view->dtype, .rank = y->rank - 2};
    for (uint32_t k = 0; k < out.rank; k++) {
        out.dim[k] = y->dim[k];
        out.pitch[k] = view->rank == y->rank ? view->pitch[k] : 0;
    }
    return out;
}

static void matrix_pitches(const dms_view *view, int64_t *out) {
    out[0] = view->pitch[view->rank - 2];
    out[1] = view->pitch[view->rank - 1];
}

static void fill(const parts *c, dms_product_params *out) {
    const dms_view *a = &c->product.view[0], *b = &c->product.view[1];
    const dms_view *bias = c->product.n_in == 3 ? &c->product.view[2] : &c->y;
    const dms_view head[4] = {leading(a, &c->y), leading(b, &c->y), leading(bias, &c->y),
                              leading(&c->y, &c->y)};
    const dms_view *const at[4] = {&head[0], &head[1], &head[2], &head[3]};
    const uint32_t rank = c->y.rank;
    *out = (dms_product_params){.a = c->operand[0],
                                .b = c->operand[1],
                                .c = c->product.n_in == 3 ? c->operand[2] : NULL,
                                .before = c->before,
                                .y = c->operand[3],
                                .dtype = a->dtype,
                                .y_dtype = c->y.dtype,
                                .layout = c->bits.half > 0       ? DMS_PRODUCT_BITS
                                          : c->product.i[0] == 1 ? DMS_PRODUCT_PANELS
                                                                 : DMS_PRODUCT_PLAIN,
                                .is_unfinished = c->is_unfinished,
                                .m = c->y.dim[rank - 2],
                                .n = c->y.dim[rank - 1],
                                .k = a->dim[rank - 1],
                                .alpha = c->product.f[0],
                                .beta = c->product.f[1],
                                .zero = c->bits.zero,
                                .scale = c->bits.scale,
                                .blocks = c->bits.blocks,
                                .half = c->bits.half};
    dms_places_of(at, 4, &out->batch);
    for (uint32_t operand = 0; operand < 4 && out->batch.count == 1; operand++)
        out->batch.pitch[operand][0] = 0; /* a walk's one run has pitch 1, which is no alignment */
    matrix_pitches(a, out->a_pitch);
    matrix_pitches(b, out->b_pitch);
    matrix_pitches(bias, out->c_pitch);
    matrix_pitches(&c->y, out->y_pitch);
    out->tiles[0] = (out->m + TILE - 1) / TILE;
    out->tiles[1] = (out->n + TILE - 1) / TILE;
}

static bool is_summed_in_f32(uint32_t dtype) {
    return dtype == DMS_DTYPE_F32 || dtype == DMS_DTYPE_F16 || dtype == DMS_DTYPE_BF16;
}

static dms_code launch(const dms_cuda_job *job, const dms_product_params *p, dms_status *st) {
    if (!is_summed_in_f32(p->dtype)) {
        const dms_grid grid = dms_grid_of(p->batch.count * p->m * p->n, job->stream);
        return dms_launched(job->call, dms_launch_product_whole(grid, p), st);
    }
    const int64_t threads = p->batch.count * p->tiles[0] * p->tiles[1] * 256;
    return dms_launched(job->call, dms_launch_product(dms_grid_of(threads, job->stream), p), st);
}

/* One row, and rows of b at multiples of 16 bytes: decoding. */
static bool is_row(const dms_product_params *p) {
    const int64_t each = p->dtype == DMS_DTYPE_F32 ? 4 : 8;
    bool is_aligned = p->b_pitch[1] == 1 && p->b_pitch[0] % each == 0 && p->n % each == 0 &&
                      (uintptr_t)p->b % 16 == 0;
    for (uint32_t k = 0; k < p->batch.rank; k++)
        is_aligned = is_aligned && p->batch.pitch[1][k] % each == 0;
    return is_aligned && is_summed_in_f32(p->dtype) && p->m == 1 &&
           p->layout == DMS_PRODUCT_PLAIN && p->k > 0 &&
           p->k <= DMS_ROW_SEGMENTS * DMS_MATMUL_SEGMENT;
}

static dms_code launch_row(const dms_cuda_job *job, const dms_product_params *p, dms_status *st) {
    const int64_t wide = p->dtype == DMS_DTYPE_F32 ? 16 : 32;
    const int64_t warps = (p->k + 8 * DMS_MATMUL_SEGMENT - 1) / (8 * DMS_MATMUL_SEGMENT);
    const int64_t blocks = p->batch.count * ((p->n + wide - 1) / wide);
    const uint32_t threads = (uint32_t)warps * DMS_WARP;
    const dms_grid grid = dms_grid_for(blocks * threads, threads, job->stream);
    return dms_launched(job->call,
                        p->dtype == DMS_DTYPE_F32   ? dms_launch_product_row_float(grid, p)
                        : p->dtype == DMS_DTYPE_F16 ? dms_launch_product_row_half(grid, p)
                                                    : dms_launch_product_row_brain(grid, p),
                        st);
}

static dms_code enqueue_product(const dms_cuda_job *job, dms_status *st) {
    parts c;
    dms_product_params p;
    if (!take_apart(job->call, job->operand, job->workspace, &c))
        return dms_fail(st, DMS_EINTERNAL, "a product is no product");
    fill(&c, &p);
    if (p.batch.count == 0 || p.m == 0 || p.n == 0)
        return DMS_OK;
    if (is_row(&p))
        DMS_TRY(launch_row(job, &p, st));
    else if (dms_product_bits_takes(&p))
        DMS_TRY(dms_launched(job->call, dms_product_bits_launch(&p, job->stream), st));
    else if (job->state != NULL && dms_product_lt_takes(job, &p))
        DMS_TRY(dms_product_lt_enqueue(
            job, &p, (char *)job->workspace + dms_call_result_bytes(job->call), st));
    else
        DMS_TRY(launch(job, &p, st));
    return c.has_chain ? dms_map_epilogue(job, job->workspace, st) : DMS_OK;
}

/* Loads what enqueue launches, and asks the library for its algorithm. */
static dms_code prepare_product(dms_cuda_libraries *libraries, const dms_call *call,
                                dms_arena *arena, void **out_state, dms_status *st) {
    const dms_grid loaded = {0, 256, NULL};
    parts c;
    dms_product_params p;
    *out_state = NULL;
    if (is_packed(call))
        return dms_launched(call,
                            dms_product_bits_load(call->view[0].dtype) |
                                dms_launch_product(loaded, NULL) | dms_launch_map(loaded, NULL),
                            st);
    DMS_TRY(dms_launched(
        call,
        dms_launch_product(loaded, NULL) | dms_launch_product_whole(loaded, NULL) |
            dms_launch_product_row_half(loaded, NULL) | dms_launch_product_row_brain(loaded, NULL) |
            dms_launch_product_row_float(loaded, NULL) | dms_launch_map(loaded, NULL),
        st));
    if (libraries == NULL || !take_apart(call, NULL, NULL, &c))
        return DMS_OK;
    if (c.has_chain && !dms_view_dense(c.y.dtype, c.y.rank, c.y.dim, &c.y))
        return DMS_OK;
    fill(&c, &p);
    const float there = 0.0f; /* of these two only whether they are there counts */
    p.before = c.product.n_in != c.own.n_in ? &there : NULL;
    p.c = c.product.n_in == 3 ? &there : NULL;
    const uint64_t workspace =
        dms_call_workspace(call, DMS_DEVICE_CUDA) - dms_call_result_bytes(call);
    return dms_product_lt_prepare(libraries, &p, workspace, arena, out_state, st);
}

const dms_cuda_kernel dms_on_cuda_matmul = {DMS_K_MATMUL, dms_cuda_runs, prepare_product,
                                            enqueue_product};
const dms_cuda_kernel dms_on_cuda_matmul_part = {DMS_K_MATMUL_PART, dms_cuda_runs, prepare_product,
                                                 enqueue_product};
const dms_cuda_kernel dms_on_cuda_matmul_bits = {DMS_K_MATMUL_BITS, dms_cuda_runs, prepare_product,
                                                 enqueue_product};
