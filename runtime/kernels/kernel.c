/* kernel.c - the table of rows, and what follows from a row for any call. */
#include "runtime/kernels/kernel.h"

#include <stdio.h>
#include <string.h>

#include "runtime/kernels/chain.h"
#include "runtime/kernels/families.h"
#include "runtime/kernels/rows_internal.h"

#define ROW(name) &dms_row_##name,
static const dms_kernel_row *const rows[] = {DMS_ALL_KERNELS(ROW) NULL};
#undef ROW

/* A few dozen rows, asked for while compiling and opening, never between commands: no index. */
const dms_kernel_row *dms_kernel_row_find(uint32_t id) {
    for (const dms_kernel_row *const *row = rows; *row != NULL; row++)
        if ((*row)->id == id)
            return *row;
    return NULL;
}

const dms_kernel_row *dms_kernel_row_by_name(const char *name) {
    for (const dms_kernel_row *const *row = rows; *row != NULL; row++)
        if (strcmp((*row)->name, name) == 0)
            return *row;
    return NULL;
}

/* No two indices reach one element. Axes are taken by growing pitch; each must step over
 * everything that the smaller ones reach. (This refuses interleaved views, which nobody makes.) */
static bool view_has_no_repeats(const dms_view *view) {
    bool done[DMS_MAX_RANK] = {false};
    int64_t reach = 0;
    for (uint32_t round = 0; round < view->rank; round++) {
        uint32_t best = DMS_MAX_RANK;
        for (uint32_t k = 0; k < view->rank; k++)
            if (!done[k] && (best == DMS_MAX_RANK || view->pitch[k] < view->pitch[best]))
                best = k;
        done[best] = true;
        if (view->dim[best] <= 1)
            continue;
        if (view->pitch[best] <= reach)
            return false;
        reach += (view->dim[best] - 1) * view->pitch[best];
    }
    return true;
}

static bool count_is_in(uint32_t n, uint32_t low, uint32_t high) {
    return n >= low && n <= high;
}

/* 255 in a row stands for any number up to the limit. */
static bool count_is(uint32_t n, uint32_t wanted) {
    return wanted == 255 ? n <= DMS_MAX_PARAMS : n == wanted;
}

/* Numbers of operands and parameters; `call` is without its chain. */
static dms_code check_counts(const dms_call *call, const dms_kernel_row *row, dms_status *st) {
    if (!count_is_in(call->n_in, row->min_in, row->max_in) ||
        !count_is_in(call->n_out, row->min_out, row->max_out) ||
        call->n_in + call->n_out > DMS_MAX_OPERANDS)
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "%" PRIu32 " inputs and %" PRIu32 " outputs", call->n_in,
                              call->n_out);
    if (!count_is(call->n_i, row->n_i) || !count_is(call->n_f, row->n_f))
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "%" PRIu32 " integer and %" PRIu32 " real parameters", call->n_i,
                              call->n_f);
    return DMS_OK;
}

/* Every view by itself. */
static dms_code check_views(const dms_call *call, const dms_kernel_row *row, dms_status *st) {
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
        char what[96];
        (void)snprintf(what, sizeof what, "kernel '%s', operand %" PRIu32, row->name, k);
        DMS_TRY(dms_view_check(&call->view[k], what, st));
        if (k >= call->n_in && !view_has_no_repeats(&call->view[k]))
            return dms_row_refuse(call, k, st, "an output repeats elements");
    }
    return DMS_OK;
}

dms_code dms_call_check(const dms_call *call, dms_status *st) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (row == NULL)
        return dms_fail(st, DMS_EPLAN, "kernel %" PRIu32 " is not known", call->kernel);
    if (call->n_in > DMS_MAX_OPERANDS || call->n_out > DMS_MAX_OPERANDS ||
        call->n_in + call->n_out > DMS_MAX_OPERANDS || !dms_chain_detach(call, view, &own))
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "%" PRIu32 " inputs and %" PRIu32 " outputs", call->n_in,
                              call->n_out);
    DMS_TRY(check_counts(&own, row, st));
    DMS_TRY(check_views(call, row, st));
    DMS_TRY(row->check(&own, st));
    if (call->kernel == DMS_K_CHAIN || !dms_chain_is_in(call))
        return DMS_OK;
    if (row->epilogue(&own) == DMS_EPILOGUE_NONE)
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "this call cannot carry a chain");
    dms_chain chain;
    return dms_chain_read(call, &chain, st);
}

/* Elements in memory: axes of pitch 0 repeat what is there. */
static uint64_t bytes_once(const dms_view *view) {
    uint64_t count = 1;
    for (uint32_t k = 0; k < view->rank; k++)
        if (view->pitch[k] != 0 || view->dim[k] == 0)
            count *= (uint64_t)view->dim[k];
    return count * dms_dtype_bytes(view->dtype);
}

static void add_saturated(uint64_t *sum, uint64_t term) {
    if (__builtin_add_overflow(*sum, term, sum))
        *sum = UINT64_MAX;
}

/* Runs along the last axis. */
static uint64_t rows_of(const dms_view *y) {
    const uint64_t count = (uint64_t)dms_view_count(y);
    return count == 0 || y->rank == 0 ? 1 : count / (uint64_t)y->dim[y->rank - 1];
}

#define BRING_WORK                                                                                 \
    4u /* additions that bringing an element to where a chain runs takes as long as */

/* Operands of the chain that vary along the rows: one that does not is brought once. */
static uint64_t brought_by_chain(const dms_call *call, const dms_call *own) {
    uint64_t n = 0;
    for (uint32_t k = own->n_in; k < call->n_in; k++) {
        const dms_view *view = &call->view[k];
        n += view->rank > 0 && view->pitch[view->rank - 1] != 0;
    }
    return n;
}

dms_cost dms_call_cost(const dms_call *call) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_cost cost = {0};
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
        add_saturated(&cost.bytes, bytes_once(&call->view[k]));
        if (k >= call->n_in)
            add_saturated(&cost.results, (uint64_t)dms_view_count(&call->view[k]));
    }
    cost.flops = cost.results;
    cost.rows = rows_of(&call->view[call->n_in]);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (!dms_chain_detach(call, view, &own))
        return cost;
    if (row->flops != NULL)
        cost.flops = row->flops(&own);
    if (row->results != NULL)
        cost.results = row->results(&own);
    if (row->bytes != NULL)
        cost.bytes = row->bytes(&own);
    if (row->carried != NULL)
        cost.carried = row->carried(&own);
    dms_chain chain;
    dms_status ignored = {0};
    if (own.n_i != call->n_i && dms_chain_read(call, &chain, &ignored) == DMS_OK) {
        const uint64_t count = (uint64_t)dms_view_count(&call->view[call->n_in]);
        add_saturated(&cost.flops, dms_mul_saturated(count, dms_chain_flops(&chain)));
        const uint64_t work = dms_chain_work(&chain) + BRING_WORK * brought_by_chain(call, &own);
        add_saturated(&cost.carried, dms_mul_saturated(count, work));
    }
    return cost;
}

uint64_t dms_call_work(const dms_call *call) {
    const dms_cost cost = dms_call_cost(call);
    uint64_t work = cost.flops;
    add_saturated(&work, cost.results);
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
        add_saturated(&work, (uint64_t)dms_view_count(&call->view[k]));
    return work;
}

bool dms_call_in_place(const dms_call *call, uint32_t in, uint32_t out) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (!dms_chain_detach(call, view, &own))
        return false;
    if (in < own.n_in) /* the chain may have turned y into elements of another size */
        return row->in_place != NULL && row->in_place(&own, in, out) &&
               dms_dtype_bytes(call->view[call->n_in + out].dtype) ==
                   dms_dtype_bytes(own.view[own.n_in + out].dtype);
    return row->epilogue(&own) == DMS_EPILOGUE_OVER && dms_row_lies_the_same(call, in, out);
}

/* Operands of the chain have the dims of y and are cut as y is. */
bool dms_call_cut(const dms_call *call, dms_cut *out) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (row->cut == NULL || !dms_chain_detach(call, view, &own) || !row->cut(&own, out))
        return false;
    for (uint32_t k = call->n_in; k > own.n_in; k--) {
        out->axis[k] = out->axis[own.n_in];
        out->unit[k] = out->unit[own.n_in];
    }
    return true;
}

bool dms_call_pack(const dms_call *call, uint32_t operand, dms_device_kind kind, dms_packing *out) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (row->pack == NULL || !dms_chain_detach(call, view, &own) || operand >= own.n_in ||
        !row->pack(&own, operand, kind, out))
        return false;
    for (uint32_t k = own.n_i; k < call->n_i; k++)
        out->i[k] = call->i[k];
    return true;
}

uint64_t dms_call_result_bytes(const dms_call *call) {
    if (call->kernel == DMS_K_CHAIN || !dms_chain_is_in(call))
        return 0;
    const uint64_t count = (uint64_t)dms_view_count(&call->view[call->n_in]);
    return (count * dms_dtype_bytes(call->view[0].dtype) + 255) / 256 * 256;
}

uint64_t dms_call_workspace(const dms_call *call, dms_device_kind kind) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    const uint64_t result = kind == DMS_DEVICE_CUDA ? dms_call_result_bytes(call) : 0;
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    return result + (row->workspace == NULL || !dms_chain_detach(call, view, &own)
                         ? 0
                         : row->workspace(&own, kind));
}

bool dms_call_runs_on_cpu(const dms_call *call) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (row == NULL || dms_cpu_kernel_find(call->kernel, DMS_ISA_BASE) == NULL ||
        !dms_chain_detach(call, view, &own))
        return false;
    for (uint32_t k = 0; k < own.n_in + own.n_out; k++)
        if ((row->cpu_dtypes & DMS_DTYPE_BIT(own.view[k].dtype)) == 0)
            return false;
    return true;
}

/* What an operand's own start means is decided by `from_cell`: a view into a whole tensor moves its
 * offset along, a view of the cells themselves begins where they begin. */
bool dms_call_slice(const dms_call *call, const dms_cut *cut, int64_t first, int64_t end,
                    const bool *from_cell, dms_view *view, int64_t *i, dms_call *out) {
    if (cut->extent <= 0 || first < 0 || end <= first || end > cut->extent ||
        first % cut->granule != 0 || (end != cut->extent && end % cut->granule != 0))
        return false;
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
        view[k] = call->view[k];
        const int32_t axis = cut->axis[k];
        if (axis < 0)
            continue;
        const int64_t low = first / cut->unit[k];
        view[k].dim[axis] = (end + cut->unit[k] - 1) / cut->unit[k] - low;
        if (from_cell == NULL || !from_cell[k])
            view[k].offset += low * view[k].pitch[axis];
    }
    if (call->n_i > 0)
        memcpy(i, call->i, call->n_i * sizeof *i);
    if (cut->extent_param >= 0)
        i[cut->extent_param] = end - first;
    *out = *call;
    out->view = view;
    out->i = i;
    return true;
}

bool dms_call_cut_sums(const dms_call *call, dms_cut *out) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    return row->cut_sums != NULL && dms_chain_detach(call, view, &own) && row->cut_sums(&own, out);
}

/* The whole's parameters with those of the part, which say its place, behind its own ones; all but
 * the last part drop the chain. */
static bool part_params(const dms_call *call, const dms_kernel_row *row, const dms_cut *cut,
                        int64_t first, int64_t end, int64_t *i, dms_call *out) {
    const uint32_t own = row->n_i, with_place = dms_kernel_row_find(row->part)->n_i;
    const bool is_last = end == cut->extent;
    if (call->n_i - own + with_place > DMS_MAX_PARAMS)
        return false;
    if (own > 0)
        memcpy(i, call->i, own * sizeof *i);
    row->part_place(cut->extent, first, end, i + own);
    if (call->n_i > own)
        memcpy(i + with_place, call->i + own, (call->n_i - own) * sizeof *i);
    out->kernel = row->part;
    out->n_i = is_last ? call->n_i - own + with_place : with_place;
    out->n_f = is_last ? call->n_f : row->n_f;
    out->i = i;
    return true;
}

bool dms_call_part(const dms_call *call, const dms_cut *cut, int64_t first, int64_t end,
                   const bool *from_cell, dms_view *view, int64_t *i, uint32_t *out_operand,
                   dms_call *out) {
    const dms_kernel_row *row = dms_kernel_row_find(call->kernel);
    const bool is_first = first == 0, is_last = end == cut->extent;
    dms_view all[DMS_MAX_OPERANDS], own_view[DMS_MAX_OPERANDS], sums = call->view[call->n_in];
    dms_call slice, own;
    uint32_t n = 0;
    if (row->part_dtype != DMS_DTYPE_NONE)
        sums.dtype = row->part_dtype;
    if ((is_first && is_last) || call->n_in + 2 > DMS_MAX_OPERANDS ||
        !dms_call_slice(call, cut, first, end, from_cell, all, i, &slice) ||
        !dms_chain_detach(call, own_view, &own) ||
        !dms_view_dense(sums.dtype, sums.rank, sums.dim, &sums))
        return false;
    for (uint32_t k = 0; k <= call->n_in; k++) {
        if (k == own.n_in && !is_first) {
            out_operand[n] = DMS_SUMS;
            view[n++] = sums;
        }
        if (k < call->n_in && (is_last || cut->axis[k] >= 0 || k < row->part_reads)) {
            out_operand[n] = k;
            view[n++] = all[k];
        }
    }
    out_operand[n] = is_last ? call->n_in : DMS_SUMS;
    view[n] = is_last ? all[call->n_in] : sums;
    *out = slice;
    out->n_in = n;
    out->view = view;
    return part_params(call, row, cut, first, end, i, out);
}

/* Words of a view; entries beyond its rank do not count. */
static dms_hash view_hash(const dms_view *view) {
    uint64_t word[3 + 2 * DMS_MAX_RANK] = {view->dtype, view->rank, (uint64_t)view->offset};
    for (uint32_t k = 0; k < view->rank; k++) {
        word[3 + 2 * k] = (uint64_t)view->dim[k];
        word[4 + 2 * k] = (uint64_t)view->pitch[k];
    }
    return dms_hash_bytes(word, (3 + 2 * view->rank) * sizeof word[0], 0);
}

dms_hash dms_call_hash(const dms_call *call) {
    const uint32_t head[5] = {call->kernel, call->n_in, call->n_out, call->n_i, call->n_f};
    dms_hash hash = dms_hash_bytes(head, sizeof head, 0);
    if (call->n_i > 0)
        hash = dms_hash_join(hash, dms_hash_bytes(call->i, call->n_i * sizeof *call->i, 1));
    if (call->n_f > 0)
        hash = dms_hash_join(hash, dms_hash_bytes(call->f, call->n_f * sizeof *call->f, 2));
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++)
        hash = dms_hash_join(hash, view_hash(&call->view[k]));
    return hash;
}
