/* check_calls.c - P8 (calls and footprints), P9 (indices in data), P7 (workspaces). */
#include "runtime/check/check_internal.h"

#include <inttypes.h>

#include "runtime/kernels/catalogue.h"

/* Kernels of the catalogue whose data act as indices have these numbers. */
static bool reads_indices(uint32_t kernel) {
    return kernel >= DMS_K_GATHER && kernel <= DMS_K_GATHER_PART;
}

/* P9: only what a row describes is known to stay in its operands whatever the data are. */
static dms_code check_row(const dms_checker *c, uint32_t k, const dms_kernel_row *row) {
    const uint32_t kernel = c->plan->call[k].kernel;
    if (row == NULL)
        return DMS_CHECK_REFUSE(c,
                                "P9: call %" PRIu32 ": kernel %" PRIu32
                                " is not known, nothing says that it clamps its accesses",
                                k, kernel);
    if (reads_indices(kernel) && !row->has_index_data)
        return DMS_CHECK_REFUSE(c,
                                "P9: call %" PRIu32 ": kernel '%s' takes indices from data and "
                                "does not clamp them",
                                k, row->name);
    return DMS_OK;
}

dms_code dms_check_calls(dms_checker *c) {
    const dms_plan *plan = c->plan;
    DMS_TRY(dms_alloc_st(c->scratch, plan->n_calls, sizeof(void *), "rows", &c->row, c->st));
    DMS_TRY(
        dms_alloc_st(c->scratch, plan->n_calls, sizeof(dms_hash), "calls", &c->call_hash, c->st));
    for (uint32_t k = 0; k < plan->n_calls; k++) {
        const dms_call call = dms_check_call(&plan->call[k]);
        c->row[k] = dms_kernel_row_find(call.kernel);
        DMS_TRY(check_row(c, k, c->row[k]));
        const dms_code code = dms_call_check(&call, c->st);
        if (code != DMS_OK) {
            (void)dms_context(c->st, "P8: call %" PRIu32, k);
            return code;
        }
        c->call_hash[k] = dms_call_hash(&call);
    }
    return DMS_OK;
}

/* The cells that an operand names, as elements of its buffer: `n` runs of `len`, `stride` apart,
 * the first at `start`. One run where the operand names all cells.
 *
 *     h [4, 128] in two cells of columns, cell 1:      . . . . # # # #      n = 4 runs of
 *     start = 64, stride = 128                         . . . . # # # #      len = 64
 */
typedef struct region {
    int64_t start, len, n, stride;
} region;

static region region_of(const dms_plan_tensor *tensor, const dms_operand *operand) {
    const dms_view cells = dms_plan_cell_view(tensor, operand->first, operand->n);
    const int64_t count = dms_view_count(&cells);
    if (tensor->is_split || operand->n == dms_plan_cells(tensor))
        return (region){0, count, 1, count};
    int64_t n = 1;
    for (uint32_t k = 0; k < tensor->cell_axis; k++)
        n *= tensor->stored.dim[k];
    return (region){dms_plan_cell_offset(tensor, operand->first), count / n, n,
                    dms_view_count(&tensor->stored) / n};
}

/* Every element of the view lies in the region. Over several runs each axis must either step from
 * run to run or stay inside one; then the two parts of an index cannot carry into each other. */
static bool view_fits(const dms_view *view, const region *r) {
    if (r->n == 1)
        return dms_view_end(view) <= r->len;
    int64_t run = view->offset / r->stride, inside = view->offset % r->stride;
    for (uint32_t k = 0; k < view->rank; k++) {
        if (view->dim[k] == 0)
            return true;
        if (view->dim[k] == 1 || view->pitch[k] == 0)
            continue;
        if (view->pitch[k] % r->stride == 0)
            run += (view->dim[k] - 1) * (view->pitch[k] / r->stride);
        else if (view->pitch[k] < r->stride)
            inside += (view->dim[k] - 1) * view->pitch[k];
        else
            return false;
    }
    return run < r->n && inside < r->len;
}

/* One operand against its view: place, type, footprint, and for outputs completeness. */
static dms_code check_operand(const dms_checker *c, dms_cmd_at at, uint32_t k) {
    const dms_plan *plan = c->plan;
    const dms_cmd *cmd = dms_check_cmd(c, at);
    const dms_plan_call *call = &plan->call[cmd->call];
    const dms_view *view = &call->view[k];
    const dms_buffer *buffer = &plan->buffer[cmd->operand[k].buffer];
    const dms_plan_tensor *tensor = &plan->tensor[buffer->tensor];
    if (buffer->arena != DMS_TIER_DEVICE)
        return dms_check_refuse(c, "P8", at, "operand %" PRIu32 " lies in the host arena", k);
    if (view->dtype != tensor->stored.dtype)
        return dms_check_refuse(c, "P8", at, "operand %" PRIu32 " is %s, tensor '%s' is %s", k,
                                dms_dtype_name(view->dtype), tensor->name,
                                dms_dtype_name(tensor->stored.dtype));
    const region r = region_of(tensor, &cmd->operand[k]);
    if (!view_fits(view, &r))
        return dms_check_refuse(c, "P8", at, "operand %" PRIu32 " leaves its cells of tensor '%s'",
                                k, tensor->name);
    /* Without repeats (dms_call_check), inside, and as many: every element is defined. */
    if (k >= call->n_in && dms_view_count(view) != r.len * r.n)
        return dms_check_refuse(c, "P8", at,
                                "output operand %" PRIu32 " does not fill its cells of '%s'", k,
                                tensor->name);
    return DMS_OK;
}

/* Same element for the same index. Axes of one element may have any pitch. */
static bool views_match(const dms_view *a, const dms_view *b) {
    if (!dms_view_same_dims(a, b) || a->offset != b->offset ||
        dms_dtype_bytes(a->dtype) != dms_dtype_bytes(b->dtype))
        return false;
    for (uint32_t k = 0; k < a->rank; k++)
        if (a->dim[k] > 1 && a->pitch[k] != b->pitch[k])
            return false;
    return true;
}

/* P1 has shown that the sums do not wrap. */
static bool ranges_touch(const dms_buffer *a, const dms_buffer *b) {
    return a->arena == b->arena && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

/* Whether two operands share bytes, and whether they then cover exactly the same ones. */
typedef enum overlap { APART, EQUAL, PARTIAL } overlap;

static overlap overlap_of(const dms_plan *plan, const dms_operand *a, const dms_operand *b) {
    const dms_buffer *x = &plan->buffer[a->buffer], *y = &plan->buffer[b->buffer];
    if (a->buffer == b->buffer) {
        if (a->first + a->n <= b->first || b->first + b->n <= a->first)
            return APART;
        return a->first == b->first && a->n == b->n ? EQUAL : PARTIAL;
    }
    if (!ranges_touch(x, y))
        return APART;
    const dms_plan_tensor *t = &plan->tensor[x->tensor], *u = &plan->tensor[y->tensor];
    const bool whole =
        (t->is_split || a->n == dms_plan_cells(t)) && (u->is_split || b->n == dms_plan_cells(u));
    return whole && x->offset == y->offset && x->bytes == y->bytes ? EQUAL : PARTIAL;
}

/* An output may lie exactly over an input where the row says so. */
static dms_code check_pair(const dms_checker *c, dms_cmd_at at, uint32_t k, uint32_t out) {
    const dms_cmd *cmd = dms_check_cmd(c, at);
    const dms_plan_call *call = &c->plan->call[cmd->call];
    const overlap o = overlap_of(c->plan, &cmd->operand[k], &cmd->operand[out]);
    if (o == APART)
        return DMS_OK;
    const dms_kernel_row *row = c->row[cmd->call];
    const dms_call plain = dms_check_call(call);
    const bool allowed = k < call->n_in && o == EQUAL &&
                         dms_call_in_place(&plain, k, out - call->n_in) &&
                         views_match(&call->view[k], &call->view[out]);
    return allowed ? DMS_OK
                   : dms_check_refuse(c, "P8", at,
                                      "operands %" PRIu32 " and %" PRIu32 " of kernel '%s' overlap",
                                      k, out, row->name);
}

/* The row says how large; more room than that does no harm. */
static dms_code check_workspace(const dms_checker *c, dms_cmd_at at) {
    const dms_plan *plan = c->plan;
    const dms_cmd *cmd = dms_check_cmd(c, at);
    const dms_call call = dms_check_call(&plan->call[cmd->call]);
    const uint64_t wanted = dms_call_workspace(&call, (dms_device_kind)plan->device_kind);
    if (cmd->workspace == DMS_NONE)
        return wanted == 0
                   ? DMS_OK
                   : dms_check_refuse(c, "P7", at,
                                      "needs a workspace of %" PRIu64 " bytes, has none", wanted);
    const dms_buffer *room = &plan->buffer[cmd->workspace];
    if (room->arena != DMS_TIER_DEVICE || room->bytes < wanted)
        return dms_check_refuse(
            c, "P7", at, "needs a workspace of %" PRIu64 " bytes on the device, has %" PRIu64,
            wanted, room->bytes);
    for (uint32_t k = 0; k < call.n_in + call.n_out; k++)
        if (ranges_touch(room, &plan->buffer[cmd->operand[k].buffer]))
            return dms_check_refuse(c, "P8", at, "operand %" PRIu32 " overlaps the workspace", k);
    return DMS_OK;
}

dms_code dms_check_footprint(const dms_checker *c, dms_cmd_at at) {
    const dms_plan_call *call = &c->plan->call[dms_check_cmd(c, at)->call];
    const uint32_t n = call->n_in + call->n_out;
    for (uint32_t k = 0; k < n; k++)
        DMS_TRY(check_operand(c, at, k));
    for (uint32_t out = call->n_in; out < n; out++)
        for (uint32_t k = 0; k < out; k++)
            DMS_TRY(check_pair(c, at, k, out));
    return check_workspace(c, at);
}
