/* plan_read.c - message -> tables. Nothing that a file says is used before its range is checked. */
#include "plan_internal.h"

#include <inttypes.h>
#include <string.h>

#include "schema/checked.h"

/* What every function here needs. */
typedef struct reader {
    const Dms__Plan *in;
    dms_plan *plan;
    dms_arena *arena;
    dms_status *st;
} reader;

/* Why an entry is refused: "tensor 3: ...". */
#define REFUSE(r, ...) dms_fail((r)->st, DMS_EPLAN, __VA_ARGS__)

/* The size of a table: DMS_NONE must stay free to mean "no entry". */
static dms_code count32(reader *r, size_t n, const char *what, uint32_t *out) {
    if (n >= DMS_NONE)
        return REFUSE(r, "%s: %zu entries", what, n);
    *out = (uint32_t)n;
    return DMS_OK;
}

/* Room for `n` entries; `out_ptr` is the address of a pointer. */
static dms_code table(reader *r, uint64_t n, uint64_t size, const char *what, void *out_ptr) {
    return dms_alloc_st(r->arena, n, size, what, out_ptr, r->st);
}

/* Names are bounded so that a message that quotes one stays readable. */
static dms_code copy_name(reader *r, const char *text, const char *what, const char **out) {
    const size_t length = strnlen(text, DMS_PLAN_NAME_BYTES + 1);
    if (length > DMS_PLAN_NAME_BYTES)
        return REFUSE(r, "%s: a name is longer than %u bytes", what, DMS_PLAN_NAME_BYTES);
    *out = dms_strndup(r->arena, text, length);
    return *out != NULL ? DMS_OK : dms_fail(r->st, DMS_EINTERNAL, "out of memory: names");
}

/* A column of scalars, copied: the message dies with its arena when reading ends. */
static dms_code copy_bytes(reader *r, const void *from, uint64_t n, uint64_t size, const char *what,
                           void *out_ptr) {
    void *copy;
    DMS_TRY(table(r, n, size, what, &copy));
    if (n != 0)
        memcpy(copy, from, (size_t)(n * size));
    memcpy(out_ptr, &copy, sizeof copy);
    return DMS_OK;
}

/* Dense when no pitches are given. */
static dms_code read_view(reader *r, const Dms__View *in, const char *what, dms_view *out) {
    if (in == NULL)
        return REFUSE(r, "%s: a view is missing", what);
    if (in->n_dim > DMS_MAX_RANK || (in->n_pitch != 0 && in->n_pitch != in->n_dim))
        return REFUSE(r, "%s: a view has %zu dims and %zu pitches", what, in->n_dim, in->n_pitch);
    const uint32_t rank = (uint32_t)in->n_dim;
    dms_view view = {.dtype = (dms_dtype)in->dtype, .rank = rank};
    if (in->n_pitch == 0 && !dms_view_dense((dms_dtype)in->dtype, rank, in->dim, &view))
        return REFUSE(r, "%s: dims of a view are out of range", what);
    view.offset = in->offset;
    for (uint32_t k = 0; k < rank; k++)
        view.dim[k] = in->dim[k];
    for (uint32_t k = 0; k < in->n_pitch; k++)
        view.pitch[k] = in->pitch[k];
    DMS_TRY(dms_view_check(&view, what, r->st));
    *out = view;
    return DMS_OK;
}

/* The name itself is judged by the checker (P10), before anything is opened. */
static dms_code read_file(reader *r, const Dms__File *in, dms_plan_file *out) {
    DMS_TRY(copy_name(r, in->name, "file", &out->name));
    if (in->kind > 3)
        return REFUSE(r, "file '%s': kind %" PRIu32, out->name, in->kind);
    if (in->n_large_offset != in->n_large_bytes)
        return REFUSE(r, "file '%s': columns of large ranges differ in length", out->name);
    for (size_t k = 0; k < in->n_large_offset; k++)
        if (!dms_range_fits(in->large_offset[k], in->large_bytes[k], in->bytes))
            return REFUSE(r, "file '%s': large range %zu lies outside", out->name, k);
    out->bytes = in->bytes;
    out->digest = (dms_hash){in->digest_lo, in->digest_hi};
    out->digest_all = (dms_hash){in->all_lo, in->all_hi};
    out->kind = in->kind;
    out->is_unread = in->unread;
    DMS_TRY(count32(r, in->n_large_offset, "large ranges", &out->n_large));
    DMS_TRY(copy_bytes(r, in->large_offset, out->n_large, 8, "ranges", &out->large_offset));
    return copy_bytes(r, in->large_bytes, out->n_large, 8, "ranges", &out->large_bytes);
}

static dms_code read_files(reader *r) {
    dms_plan *plan = r->plan;
    DMS_TRY(count32(r, r->in->n_file, "files", &plan->n_files));
    DMS_TRY(table(r, plan->n_files, sizeof *plan->file, "files", &plan->file));
    for (uint32_t k = 0; k < plan->n_files; k++)
        DMS_TRY(read_file(r, r->in->file[k], &plan->file[k]));
    return DMS_OK;
}

/* Whether the walk ends inside the file is P1: the size of the file is only a claim here. */
static dms_code read_source(reader *r, uint32_t index, const Dms__Source *in, dms_source *out) {
    DMS_TRY(read_view(r, in->view, "source", &out->view));
    if (in->file > r->plan->n_files)
        return REFUSE(r, "source %" PRIu32 ": file %" PRIu32 " does not exist", index, in->file);
    if (in->valid_last > INT64_MAX || in->embedded.len > DMS_EMBEDDED_BYTES ||
        (in->file != 0 && in->embedded.len != 0))
        return REFUSE(r, "source %" PRIu32 ": %zu bytes embedded, valid_last %" PRIu64, index,
                      in->embedded.len, in->valid_last);
    if (in->packed_file > r->plan->n_files || (in->packed_file != 0 && in->file == 0))
        return REFUSE(r, "source %" PRIu32 ": packed file %" PRIu32 " does not exist", index,
                      in->packed_file);
    out->is_packed = in->packed_file != 0;
    out->packed_file = out->is_packed ? in->packed_file - 1 : 0;
    out->packed_offset = in->packed_offset;
    out->file = in->file == 0 ? DMS_NONE : in->file - 1;
    out->offset = in->offset;
    out->valid_last = (int64_t)in->valid_last;
    out->n_embedded = in->embedded.len;
    return copy_bytes(r, in->embedded.data, out->n_embedded, 1, "constants", &out->embedded);
}

static dms_code read_sources(reader *r) {
    dms_plan *plan = r->plan;
    DMS_TRY(count32(r, r->in->n_source, "sources", &plan->n_sources));
    DMS_TRY(table(r, plan->n_sources, sizeof *plan->source, "sources", &plan->source));
    for (uint32_t k = 0; k < plan->n_sources; k++)
        DMS_TRY(read_source(r, k, r->in->source[k], &plan->source[k]));
    return DMS_OK;
}

/* The grid: at most 2^31 cells, along an axis that exists. */
static dms_code read_grid(reader *r, const Dms__Tensor *in, dms_plan_tensor *out) {
    if (in->cell_len < 0 || (in->cell_len > 0 && in->cell_axis >= out->stored.rank))
        return REFUSE(r, "tensor '%s': cells of %" PRId64 " along axis %" PRIu32, out->name,
                      in->cell_len, in->cell_axis);
    if (in->cell_len > 0 && out->stored.dim[in->cell_axis] / in->cell_len >= INT32_MAX)
        return REFUSE(r, "tensor '%s': too many cells", out->name);
    out->cell_axis = in->cell_axis;
    out->cell_len = in->cell_len;
    out->is_split = in->is_split;
    return DMS_OK;
}

/* Tensors without elements have no place in a plan, so sizes below are never 0. */
static dms_code read_tensor(reader *r, const Dms__Tensor *in, dms_plan_tensor *out) {
    DMS_TRY(copy_name(r, in->name, "tensor", &out->name));
    if (in->kind > DMS_TENSOR_OUTPUT)
        return REFUSE(r, "tensor '%s': kind %" PRIu32, out->name, in->kind);
    if (in->n_dim > DMS_MAX_RANK ||
        !dms_view_dense((dms_dtype)in->dtype, (uint32_t)in->n_dim, in->dim, &out->stored))
        return REFUSE(r, "tensor '%s': dims or dtype out of range", out->name);
    if (dms_view_count(&out->stored) == 0)
        return REFUSE(r, "tensor '%s': has no elements", out->name);
    out->kind = (dms_tensor_kind)in->kind;
    DMS_TRY(read_grid(r, in, out));
    out->first_source = out->kind == DMS_TENSOR_WEIGHT ? in->first_source : DMS_NONE;
    if (out->kind == DMS_TENSOR_WEIGHT &&
        !dms_range_fits(out->first_source, dms_plan_cells(out), r->plan->n_sources))
        return REFUSE(r, "tensor '%s': its sources do not exist", out->name);
    return DMS_OK;
}

static dms_code read_tensors(reader *r) {
    dms_plan *plan = r->plan;
    DMS_TRY(count32(r, r->in->n_tensor, "tensors", &plan->n_tensors));
    DMS_TRY(table(r, plan->n_tensors, sizeof *plan->tensor, "tensors", &plan->tensor));
    for (uint32_t k = 0; k < plan->n_tensors; k++)
        DMS_TRY(read_tensor(r, r->in->tensor[k], &plan->tensor[k]));
    return DMS_OK;
}

/* What the kernel makes of operands and parameters is P8. */
static dms_code read_call(reader *r, uint32_t index, const Dms__Call *in, dms_plan_call *out) {
    if (in->n_in > in->n_view)
        return REFUSE(r, "call %" PRIu32 ": %" PRIu32 " inputs, %zu views", index, in->n_in,
                      in->n_view);
    out->kernel = in->kernel;
    out->n_in = in->n_in;
    DMS_TRY(count32(r, in->n_view - in->n_in, "operands", &out->n_out));
    DMS_TRY(count32(r, in->n_i, "parameters", &out->n_i));
    DMS_TRY(count32(r, in->n_f, "parameters", &out->n_f));
    dms_view *view;
    DMS_TRY(table(r, in->n_view, sizeof *view, "calls", &view));
    for (size_t k = 0; k < in->n_view; k++)
        DMS_TRY(read_view(r, in->view[k], "call", &view[k]));
    out->view = view;
    DMS_TRY(copy_bytes(r, in->i, out->n_i, sizeof(int64_t), "parameters", &out->i));
    return copy_bytes(r, in->f, out->n_f, sizeof(double), "parameters", &out->f);
}

static dms_code read_calls(reader *r) {
    dms_plan *plan = r->plan;
    DMS_TRY(count32(r, r->in->n_call, "calls", &plan->n_calls));
    DMS_TRY(table(r, plan->n_calls, sizeof *plan->call, "calls", &plan->call));
    for (uint32_t k = 0; k < plan->n_calls; k++) {
        DMS_TRY(read_call(r, k, r->in->call[k], &plan->call[k]));
    }
    return DMS_OK;
}

/* Size and place are P1. A buffer of a tensor that is not split holds all of its cells: cell 0. */
static dms_code read_buffer(reader *r, const Dms__Buffers *in, uint32_t k, dms_buffer *out) {
    const dms_plan *plan = r->plan;
    if (in->tensor[k] > plan->n_tensors || in->arena[k] > DMS_TIER_HOST)
        return REFUSE(r, "buffer %" PRIu32 ": tensor %" PRIu32 ", arena %" PRIu32, k, in->tensor[k],
                      in->arena[k]);
    const dms_plan_tensor *t = in->tensor[k] == 0 ? NULL : &plan->tensor[in->tensor[k] - 1];
    const uint32_t n_cells = t != NULL && t->is_split ? dms_plan_cells(t) : 1;
    if (in->cell[k] >= n_cells)
        return REFUSE(r, "buffer %" PRIu32 ": cell %" PRIu32 " of %" PRIu32, k, in->cell[k],
                      n_cells);
    *out = (dms_buffer){.tensor = t == NULL ? DMS_NONE : in->tensor[k] - 1,
                        .cell = in->cell[k],
                        .arena = (dms_tier)in->arena[k],
                        .offset = (uint64_t)in->offset_256[k] * DMS_ALIGN,
                        .bytes = in->bytes[k]};
    return DMS_OK;
}

static dms_code read_buffers(reader *r) {
    dms_plan *plan = r->plan;
    const Dms__Buffers *in = r->in->buffers;
    if (in == NULL)
        return table(r, 0, sizeof *plan->buffer, "buffers", &plan->buffer);
    const size_t n = in->n_tensor;
    if (in->n_cell != n || in->n_arena != n || in->n_offset_256 != n || in->n_bytes != n)
        return REFUSE(r, "buffers: columns differ in length");
    DMS_TRY(count32(r, n, "buffers", &plan->n_buffers));
    DMS_TRY(table(r, n, sizeof *plan->buffer, "buffers", &plan->buffer));
    for (uint32_t k = 0; k < plan->n_buffers; k++)
        DMS_TRY(read_buffer(r, in, k, &plan->buffer[k]));
    return DMS_OK;
}

/* A port shows the elements of its tensor under the dims that the user knows. It has no tensor when
 * it has no elements, or when it is an input that nothing reads. */
static dms_code read_port(reader *r, const Dms__Port *in, bool is_input, dms_port *out) {
    DMS_TRY(copy_name(r, in->name, "port", &out->name));
    if (in->n_dim > DMS_MAX_RANK ||
        !dms_view_dense((dms_dtype)in->dtype, (uint32_t)in->n_dim, in->dim, &out->view))
        return REFUSE(r, "port '%s': dims or dtype out of range", out->name);
    if (in->tensor > r->plan->n_tensors)
        return REFUSE(r, "port '%s': tensor %" PRIu32 " does not exist", out->name, in->tensor);
    out->tensor = in->tensor == 0 ? DMS_NONE : in->tensor - 1;
    const dms_view *stored = in->tensor == 0 ? NULL : &r->plan->tensor[out->tensor].stored;
    const int64_t count = dms_view_count(&out->view);
    if (stored == NULL ? count != 0 && !is_input
                       : count != dms_view_count(stored) || out->view.dtype != stored->dtype)
        return REFUSE(r, "port '%s': its elements are not those of its tensor", out->name);
    return DMS_OK;
}

static dms_code read_ports(reader *r, size_t n_in, Dms__Port *const *in, bool is_input, uint32_t *n,
                           dms_port **out) {
    DMS_TRY(count32(r, n_in, "ports", n));
    DMS_TRY(table(r, *n, sizeof **out, "ports", out));
    for (uint32_t k = 0; k < *n; k++)
        DMS_TRY(read_port(r, in[k], is_input, &(*out)[k]));
    return DMS_OK;
}

/* Names of steps repeat over layers, so steps point to distinct ones. */
static dms_code read_steps(reader *r) {
    dms_plan *plan = r->plan;
    static const Dms__Steps none = DMS__STEPS__INIT;
    const Dms__Steps *in = r->in->steps != NULL ? r->in->steps : &none;
    if (in->n_name_id != in->n_predicted_ns)
        return REFUSE(r, "steps: columns differ in length");
    DMS_TRY(count32(r, in->n_name, "step names", &plan->n_step_names));
    DMS_TRY(count32(r, in->n_name_id, "steps", &plan->n_steps));
    DMS_TRY(table(r, plan->n_step_names, sizeof *plan->step_name, "steps", &plan->step_name));
    for (uint32_t k = 0; k < plan->n_step_names; k++)
        DMS_TRY(copy_name(r, in->name[k], "step", &plan->step_name[k]));
    for (uint32_t k = 0; k < plan->n_steps; k++)
        if (in->name_id[k] >= plan->n_step_names)
            return REFUSE(r, "step %" PRIu32 ": name %" PRIu32, k, in->name_id[k]);
    DMS_TRY(copy_bytes(r, in->name_id, plan->n_steps, 4, "steps", &plan->step_name_id));
    return copy_bytes(r, in->predicted_ns, plan->n_steps, 8, "steps", &plan->step_ns);
}

/* Nothing in the head steers a run but kind, arenas and meaning, which the checker judges. */
static dms_code read_head(reader *r) {
    const Dms__Plan *in = r->in;
    dms_plan *plan = r->plan;
    DMS_TRY(copy_name(r, in->producer, "producer", &plan->producer));
    DMS_TRY(copy_name(r, in->solver, "solver", &plan->solver));
    DMS_TRY(copy_name(r, in->model, "model", &plan->model));
    DMS_TRY(copy_name(r, in->profile, "profile", &plan->profile));
    plan->device_kind = in->device_kind;
    plan->meaning = (dms_hash){in->meaning_lo, in->meaning_hi};
    if (in->budget != NULL) {
        plan->device_budget = in->budget->device_budget;
        plan->host_budget = in->budget->host_budget;
        plan->device_arena = in->budget->device_arena;
        plan->host_arena = in->budget->host_arena;
    }
    if (in->predicted != NULL) {
        plan->period_ns = in->predicted->period_ns;
        plan->latency_ns = in->predicted->latency_ns;
        plan->bound_ns = in->predicted->bound_ns;
        plan->compute_ns = in->predicted->compute_ns;
        plan->floor_bytes = in->predicted->floor_bytes;
        plan->weights_bytes = in->predicted->weights_bytes;
    }
    DMS_TRY(count32(r, in->n_dims, "dims", &plan->n_dims));
    DMS_TRY(table(r, plan->n_dims, sizeof *plan->dim, "dims", &plan->dim));
    for (uint32_t k = 0; k < plan->n_dims; k++) {
        DMS_TRY(copy_name(r, in->dims[k]->name, "dim", &plan->dim[k].name));
        plan->dim[k].value = in->dims[k]->value;
    }
    return DMS_OK;
}

dms_code dms_plan_from_message(const Dms__Plan *message, dms_arena *arena, dms_plan *out_plan,
                               dms_status *st) {
    dms_plan plan = {0};
    reader r = {message, &plan, arena, st};
    DMS_TRY(read_head(&r));
    DMS_TRY(read_files(&r));
    DMS_TRY(read_sources(&r));
    DMS_TRY(read_tensors(&r));
    DMS_TRY(read_calls(&r));
    DMS_TRY(read_buffers(&r));
    DMS_TRY(read_ports(&r, message->n_input, message->input, true, &plan.n_inputs, &plan.input));
    DMS_TRY(
        read_ports(&r, message->n_output, message->output, false, &plan.n_outputs, &plan.output));
    DMS_TRY(read_steps(&r));
    DMS_TRY(dms_plan_read_program(&plan, message->prologue, DMS_PROLOGUE, arena, st));
    DMS_TRY(dms_plan_read_program(&plan, message->body, DMS_BODY, arena, st));
    *out_plan = plan;
    return DMS_OK;
}
