/* check_tables.c - P1 (ranges), P7 (budgets), P10 (names of files): what the tables show alone. */
#include "runtime/check/check_internal.h"

#include <inttypes.h>
#include <string.h>

#include "schema/checked.h"

/* One component of a path, of `length` bytes: a name that stays in its folder. */
static bool component_is_plain(const char *text, size_t length) {
    return length != 0 && !(length == 1 && text[0] == '.') &&
           !(length == 2 && text[0] == '.' && text[1] == '.');
}

/* Relative, beneath its folder, one spelling: no empty, `.` or `..` component. */
static bool name_stays_beneath(const char *name) {
    for (const char *at = name;; at++) {
        const size_t length = strcspn(at, "/");
        if (!component_is_plain(at, length))
            return false;
        at += length;
        if (*at == 0)
            return true;
    }
}

static dms_code check_file_names(const dms_checker *c) {
    for (uint32_t k = 0; k < c->plan->n_files; k++)
        if (!name_stays_beneath(c->plan->file[k].name))
            return DMS_CHECK_REFUSE(c,
                                    "P10: file %" PRIu32 ": '%s' is no relative name beneath "
                                    "its folder",
                                    k, c->plan->file[k].name);
    return DMS_OK;
}

/* Arenas alone count: what lies outside them is bounded and reported by the runtime. */
static dms_code check_budgets(const dms_checker *c) {
    const dms_plan *plan = c->plan;
    if (plan->device_arena > plan->device_budget)
        return DMS_CHECK_REFUSE(
            c, "P7: device arena of %" PRIu64 " bytes exceeds the budget of %" PRIu64 " bytes",
            plan->device_arena, plan->device_budget);
    if (plan->host_arena > plan->host_budget)
        return DMS_CHECK_REFUSE(
            c, "P7: host arena of %" PRIu64 " bytes exceeds the budget of %" PRIu64 " bytes",
            plan->host_arena, plan->host_budget);
    return DMS_OK;
}

_Static_assert(DMS_DEVICE_CPU == 0, "as dms_plan_stage_of has it");

/* The top of the host arena is for inputs and outputs on their way: no buffer reaches into it. */
static dms_code find_host_end(const dms_checker *c, uint64_t *out_bytes) {
    const uint64_t staged = dms_plan_stage_all(c->plan), arena = c->plan->host_arena;
    if (arena % DMS_ALIGN != 0 && staged != 0)
        return DMS_CHECK_REFUSE(c, "P1: host arena of %" PRIu64 " bytes ends off alignment", arena);
    if (arena < staged)
        return DMS_CHECK_REFUSE(c,
                                "P1: host arena of %" PRIu64 " bytes has no room for the %" PRIu64
                                " bytes through which inputs and outputs pass",
                                arena, staged);
    *out_bytes = arena - staged;
    return DMS_OK;
}

/* In its arena, aligned, exactly as large as what it holds. */
static dms_code check_buffer(const dms_checker *c, uint32_t k, uint64_t host_end) {
    const dms_plan *plan = c->plan;
    const dms_buffer *buffer = &plan->buffer[k];
    const bool on_device = buffer->arena == DMS_TIER_DEVICE;
    const uint64_t arena = on_device ? plan->device_arena : host_end;
    if (buffer->bytes == 0 || buffer->offset % DMS_ALIGN != 0 ||
        !dms_range_fits(buffer->offset, buffer->bytes, arena))
        return DMS_CHECK_REFUSE(c,
                                "P1: buffer %" PRIu32 ": %" PRIu64 " bytes at %" PRIu64
                                " do not lie in the %s arena of %" PRIu64 " bytes",
                                k, buffer->bytes, buffer->offset, on_device ? "device" : "host",
                                arena);
    if (buffer->tensor == DMS_NONE)
        return DMS_OK;
    const dms_plan_tensor *tensor = &plan->tensor[buffer->tensor];
    const uint64_t wanted = dms_plan_buffer_bytes(tensor, buffer->cell);
    if (buffer->bytes != wanted)
        return DMS_CHECK_REFUSE(c,
                                "P1: buffer %" PRIu32 ": %" PRIu64 " bytes, tensor '%s' "
                                "needs %" PRIu64,
                                k, buffer->bytes, tensor->name, wanted);
    return DMS_OK;
}

/* One past the last byte that a source reaches, counted from its offset. The last entry of axis 0
 * ends at `valid_last` along the last axis, so what lies behind is never read. */
static uint64_t source_end_bytes(const dms_source *source) {
    const dms_view *view = &source->view;
    int64_t end = dms_view_end(view);
    if (source->valid_last != 0 && view->rank != 0 && end != 0) {
        dms_view first = *view, last = *view;
        last.offset += (last.dim[0] - 1) * last.pitch[0];
        first.dim[0] -= 1;
        last.dim[0] = 1;
        last.dim[last.rank - 1] = source->valid_last;
        const int64_t end_first = dms_view_end(&first), end_last = dms_view_end(&last);
        end = end_first > end_last ? end_first : end_last;
    }
    return (uint64_t)end * dms_dtype_bytes(view->dtype);
}

/* A packed cell lies in a packed file, dense. That this file has this cell in this place is proven
 * against its last page when it is opened (runtime/storage_packed.c). */
static dms_code check_packed(const dms_checker *c, uint32_t k) {
    const dms_source *source = &c->plan->source[k];
    if (!source->is_packed)
        return DMS_OK;
    const dms_plan_file *file = &c->plan->file[source->packed_file];
    if (file->kind != 3 || source->file == DMS_NONE)
        return DMS_CHECK_REFUSE(c, "P1: source %" PRIu32 ": '%s' is no packed file", k, file->name);
    const uint64_t bytes = dms_view_bytes(&source->view);
    if (!dms_range_fits(source->packed_offset, bytes, file->bytes))
        return DMS_CHECK_REFUSE(c,
                                "P1: source %" PRIu32 ": %" PRIu64 " bytes at %" PRIu64
                                " pass the end of %s, %" PRIu64 " bytes",
                                k, bytes, source->packed_offset, file->name, file->bytes);
    return DMS_OK;
}

/* The walk of one source against the size that the plan claims for its file. */
static dms_code check_source(const dms_checker *c, uint32_t k) {
    const dms_source *source = &c->plan->source[k];
    const dms_view *view = &source->view;
    if (source->valid_last < 0 ||
        (source->valid_last > 0 &&
         (view->rank < 2 || source->valid_last > view->dim[view->rank - 1])))
        return DMS_CHECK_REFUSE(c, "P1: source %" PRIu32 ": valid_last %" PRId64, k,
                                source->valid_last);
    const bool in_file = source->file != DMS_NONE;
    const uint64_t size = in_file ? c->plan->file[source->file].bytes : source->n_embedded;
    if (!dms_range_fits(source->offset, source_end_bytes(source), size))
        return DMS_CHECK_REFUSE(c,
                                "P1: source %" PRIu32 ": %" PRIu64 " bytes at %" PRIu64
                                " pass the end of %s, %" PRIu64 " bytes",
                                k, source_end_bytes(source), source->offset,
                                in_file ? c->plan->file[source->file].name : "the plan's constant",
                                size);
    return check_packed(c, k);
}

/* Each cell of a weight has a source of its own dims and dtype. */
static dms_code check_weight(const dms_checker *c, const dms_plan_tensor *tensor) {
    const uint32_t n_cells = dms_plan_cells(tensor);
    for (uint32_t cell = 0; cell < n_cells; cell++) {
        const dms_view *source = &c->plan->source[tensor->first_source + cell].view;
        const dms_view wanted = dms_plan_cell_view(tensor, cell, 1);
        if (source->dtype != wanted.dtype || !dms_view_same_dims(source, &wanted))
            return DMS_CHECK_REFUSE(c,
                                    "P1: tensor '%s', cell %" PRIu32 ": source %" PRIu32
                                    " has other dims or another dtype",
                                    tensor->name, cell, tensor->first_source + cell);
    }
    return DMS_OK;
}

/* Weights may share sources, so their cells are counted before they are looked at. */
static dms_code check_weights(const dms_checker *c) {
    const dms_plan *plan = c->plan;
    uint64_t total = 0;
    for (uint32_t k = 0; k < plan->n_tensors; k++) {
        if (plan->tensor[k].kind != DMS_TENSOR_WEIGHT)
            continue;
        total += dms_plan_cells(&plan->tensor[k]);
        if (total > DMS_CHECK_CELLS)
            return DMS_CHECK_REFUSE(c, "P1: weights have more than %u cells", DMS_CHECK_CELLS);
        DMS_TRY(check_weight(c, &plan->tensor[k]));
    }
    return DMS_OK;
}

dms_code dms_check_tables(const dms_checker *c) {
    const dms_plan *plan = c->plan;
    if (plan->device_kind >= DMS_N_DEVICES) /* what lies at the top of the host arena follows it */
        return DMS_CHECK_REFUSE(c, "P8: device kind %" PRIu32 " is not known", plan->device_kind);
    DMS_TRY(check_file_names(c));
    DMS_TRY(check_budgets(c));
    uint64_t host_end = 0;
    DMS_TRY(find_host_end(c, &host_end));
    for (uint32_t k = 0; k < plan->n_buffers; k++)
        DMS_TRY(check_buffer(c, k, host_end));
    for (uint32_t k = 0; k < plan->n_sources; k++)
        DMS_TRY(check_source(c, k));
    return check_weights(c);
}
