/* plan_write.c - tables -> message. Columns are built in the caller's arena; names and arrays that
 * already have the right form are only pointed to. */
#include "plan_internal.h"

#include <inttypes.h>
#include <string.h>

#include "schema/checked.h"

/* What every function here needs. */
typedef struct writer {
    const dms_plan *plan;
    dms_arena *arena;
    dms_status *st;
    Dms__Plan *out;
} writer;

/* Zeroed memory of the message; it lives until the bytes are packed. */
static dms_code room(writer *w, uint64_t n, uint64_t size, void *out_ptr) {
    return dms_alloc_st(w->arena, n, size, "plan message", out_ptr, w->st);
}

/* protobuf-c wants `char *` for strings it only reads. */
static char *name_of(const char *text) {
    char *p;
    const char *q = text == NULL ? "" : text;
    memcpy(&p, &q, sizeof p);
    return p;
}

/* The same for arrays. */
static void point_to(const void *from, void *out_ptr) {
    memcpy(out_ptr, &from, sizeof from);
}

/* Pitches of dense views are left out. */
static dms_code put_view(writer *w, const dms_view *view, Dms__View **out) {
    Dms__View *v;
    DMS_TRY(room(w, 1, sizeof *v, &v));
    dms__view__init(v);
    v->dtype = (uint32_t)view->dtype;
    v->offset = view->offset;
    v->n_dim = view->rank;
    point_to(view->dim, &v->dim);
    dms_view dense;
    if (!dms_view_dense(view->dtype, view->rank, view->dim, &dense) ||
        memcmp(dense.pitch, view->pitch, view->rank * sizeof view->pitch[0]) != 0) {
        v->n_pitch = view->rank;
        point_to(view->pitch, &v->pitch);
    }
    *out = v;
    return DMS_OK;
}

/* index + 1 stands for "an index or none" throughout: 0 costs nothing in proto3. */
static dms_code put_files(writer *w) {
    const dms_plan *plan = w->plan;
    DMS_TRY(room(w, plan->n_files, sizeof(void *), &w->out->file));
    for (uint32_t k = 0; k < plan->n_files; k++) {
        const dms_plan_file *file = &plan->file[k];
        Dms__File *f;
        DMS_TRY(room(w, 1, sizeof *f, &f));
        dms__file__init(f);
        f->name = name_of(file->name);
        f->bytes = file->bytes;
        f->digest_lo = file->digest.lo;
        f->digest_hi = file->digest.hi;
        f->all_lo = file->digest_all.lo;
        f->all_hi = file->digest_all.hi;
        f->kind = file->kind;
        f->unread = file->is_unread;
        f->n_large_offset = f->n_large_bytes = file->n_large;
        point_to(file->large_offset, &f->large_offset);
        point_to(file->large_bytes, &f->large_bytes);
        w->out->file[w->out->n_file++] = f;
    }
    return DMS_OK;
}

/* File index + 1; 0 means that the bytes are embedded. */
static dms_code put_sources(writer *w) {
    const dms_plan *plan = w->plan;
    DMS_TRY(room(w, plan->n_sources, sizeof(void *), &w->out->source));
    for (uint32_t k = 0; k < plan->n_sources; k++) {
        const dms_source *source = &plan->source[k];
        Dms__Source *s;
        DMS_TRY(room(w, 1, sizeof *s, &s));
        dms__source__init(s);
        s->file = source->file == DMS_NONE ? 0 : source->file + 1;
        s->offset = source->offset;
        s->valid_last = (uint64_t)source->valid_last;
        s->embedded.len = (size_t)source->n_embedded;
        s->packed_file = source->is_packed ? source->packed_file + 1 : 0;
        s->packed_offset = source->is_packed ? source->packed_offset : 0;
        point_to(source->embedded, &s->embedded.data);
        DMS_TRY(put_view(w, &source->view, &s->view));
        w->out->source[w->out->n_source++] = s;
    }
    return DMS_OK;
}

/* Stored layouts are dense, so their pitches are not written. */
static dms_code put_tensors(writer *w) {
    const dms_plan *plan = w->plan;
    DMS_TRY(room(w, plan->n_tensors, sizeof(void *), &w->out->tensor));
    for (uint32_t k = 0; k < plan->n_tensors; k++) {
        const dms_plan_tensor *tensor = &plan->tensor[k];
        Dms__Tensor *t;
        DMS_TRY(room(w, 1, sizeof *t, &t));
        dms__tensor__init(t);
        t->name = name_of(tensor->name);
        t->kind = (uint32_t)tensor->kind;
        t->dtype = (uint32_t)tensor->stored.dtype;
        t->n_dim = tensor->stored.rank;
        point_to(tensor->stored.dim, &t->dim);
        t->cell_axis = tensor->cell_axis;
        t->cell_len = tensor->cell_len;
        t->is_split = tensor->is_split;
        t->first_source = tensor->kind == DMS_TENSOR_WEIGHT ? tensor->first_source : 0;
        w->out->tensor[w->out->n_tensor++] = t;
    }
    return DMS_OK;
}

/* n_out is not written: what follows the n_in first views are the outputs. */
static dms_code put_call(writer *w, const dms_plan_call *call, Dms__Call **out) {
    Dms__Call *c;
    DMS_TRY(room(w, 1, sizeof *c, &c));
    dms__call__init(c);
    c->kernel = call->kernel;
    c->n_in = call->n_in;
    c->n_i = call->n_i;
    c->n_f = call->n_f;
    point_to(call->i, &c->i);
    point_to(call->f, &c->f);
    const uint64_t n = (uint64_t)call->n_in + call->n_out;
    DMS_TRY(room(w, n, sizeof(void *), &c->view));
    for (uint64_t k = 0; k < n; k++)
        DMS_TRY(put_view(w, &call->view[k], &c->view[c->n_view++]));
    *out = c;
    return DMS_OK;
}

static dms_code put_calls(writer *w) {
    const dms_plan *plan = w->plan;
    DMS_TRY(room(w, plan->n_calls, sizeof(void *), &w->out->call));
    for (uint32_t k = 0; k < plan->n_calls; k++)
        DMS_TRY(put_call(w, &plan->call[k], &w->out->call[w->out->n_call++]));
    return DMS_OK;
}

/* Offsets in units of 256 bytes: 32 bits reach 1 TiB, and most varints have two bytes. */
static dms_code put_buffers(writer *w) {
    const dms_plan *plan = w->plan;
    const uint32_t n = plan->n_buffers;
    Dms__Buffers *b;
    DMS_TRY(room(w, 1, sizeof *b, &b));
    dms__buffers__init(b);
    DMS_TRY(room(w, n, sizeof(uint32_t), &b->tensor));
    DMS_TRY(room(w, n, sizeof(uint32_t), &b->cell));
    DMS_TRY(room(w, n, sizeof(uint32_t), &b->arena));
    DMS_TRY(room(w, n, sizeof(uint32_t), &b->offset_256));
    DMS_TRY(room(w, n, sizeof(uint64_t), &b->bytes));
    for (uint32_t k = 0; k < n; k++) {
        const dms_buffer *buffer = &plan->buffer[k];
        const uint64_t units = buffer->offset / DMS_ALIGN;
        if (buffer->offset % DMS_ALIGN != 0 || units > UINT32_MAX)
            return dms_fail(w->st, DMS_EINTERNAL,
                            "buffer %" PRIu32 ": offset %" PRIu64 " has no form in a plan", k,
                            buffer->offset);
        b->tensor[k] = buffer->tensor == DMS_NONE ? 0 : buffer->tensor + 1;
        b->cell[k] = buffer->cell;
        b->arena[k] = (uint32_t)buffer->arena;
        b->offset_256[k] = (uint32_t)units;
        b->bytes[k] = buffer->bytes;
    }
    b->n_tensor = b->n_cell = b->n_arena = b->n_offset_256 = b->n_bytes = n;
    w->out->buffers = b;
    return DMS_OK;
}

/* Ports are dense under the user's dims, so dims and dtype say all. */
static dms_code put_ports(writer *w, const dms_port *port, uint32_t n, size_t *n_out,
                          Dms__Port ***out) {
    DMS_TRY(room(w, n, sizeof(void *), out));
    for (uint32_t k = 0; k < n; k++) {
        Dms__Port *p;
        DMS_TRY(room(w, 1, sizeof *p, &p));
        dms__port__init(p);
        p->name = name_of(port[k].name);
        p->tensor = port[k].tensor == DMS_NONE ? 0 : port[k].tensor + 1;
        p->n_dim = port[k].view.rank;
        point_to(port[k].view.dim, &p->dim);
        p->dtype = (uint32_t)port[k].view.dtype;
        (*out)[k] = p;
    }
    *n_out = n;
    return DMS_OK;
}

/* Columns of numbers pack into one field each: a step costs the bytes of two varints. */
static dms_code put_steps(writer *w) {
    const dms_plan *plan = w->plan;
    Dms__Steps *s;
    DMS_TRY(room(w, 1, sizeof *s, &s));
    dms__steps__init(s);
    DMS_TRY(room(w, plan->n_step_names, sizeof(char *), &s->name));
    for (uint32_t k = 0; k < plan->n_step_names; k++)
        s->name[k] = name_of(plan->step_name[k]);
    s->n_name = plan->n_step_names;
    s->n_name_id = s->n_predicted_ns = plan->n_steps;
    point_to(plan->step_name_id, &s->name_id);
    point_to(plan->step_ns, &s->predicted_ns);
    w->out->steps = s;
    return DMS_OK;
}

static dms_code put_numbers(writer *w) {
    const dms_plan *plan = w->plan;
    Dms__Budget *b;
    Dms__Predicted *p;
    DMS_TRY(room(w, 1, sizeof *b, &b));
    DMS_TRY(room(w, 1, sizeof *p, &p));
    dms__budget__init(b);
    b->device_budget = plan->device_budget;
    b->host_budget = plan->host_budget;
    b->device_arena = plan->device_arena;
    b->host_arena = plan->host_arena;
    dms__predicted__init(p);
    p->period_ns = plan->period_ns;
    p->latency_ns = plan->latency_ns;
    p->bound_ns = plan->bound_ns;
    p->compute_ns = plan->compute_ns;
    p->floor_bytes = plan->floor_bytes;
    p->weights_bytes = plan->weights_bytes;
    w->out->budget = b;
    w->out->predicted = p;
    return DMS_OK;
}

static dms_code put_dims(writer *w) {
    const dms_plan *plan = w->plan;
    DMS_TRY(room(w, plan->n_dims, sizeof(void *), &w->out->dims));
    for (uint32_t k = 0; k < plan->n_dims; k++) {
        Dms__Dim *d;
        DMS_TRY(room(w, 1, sizeof *d, &d));
        dms__dim__init(d);
        d->name = name_of(plan->dim[k].name);
        d->value = plan->dim[k].value;
        w->out->dims[w->out->n_dims++] = d;
    }
    return DMS_OK;
}

dms_code dms_plan_to_message(const dms_plan *plan, dms_arena *arena, Dms__Plan **out_message,
                             dms_status *st) {
    Dms__Plan *m;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *m, "plan message", &m, st));
    dms__plan__init(m);
    writer w = {plan, arena, st, m};
    m->producer = name_of(plan->producer);
    m->solver = name_of(plan->solver);
    m->model = name_of(plan->model);
    m->profile = name_of(plan->profile);
    m->device_kind = plan->device_kind;
    m->meaning_lo = plan->meaning.lo;
    m->meaning_hi = plan->meaning.hi;
    DMS_TRY(put_numbers(&w));
    DMS_TRY(put_dims(&w));
    DMS_TRY(put_files(&w));
    DMS_TRY(put_sources(&w));
    DMS_TRY(put_tensors(&w));
    DMS_TRY(put_calls(&w));
    DMS_TRY(put_buffers(&w));
    DMS_TRY(put_ports(&w, plan->input, plan->n_inputs, &m->n_input, &m->input));
    DMS_TRY(put_ports(&w, plan->output, plan->n_outputs, &m->n_output, &m->output));
    DMS_TRY(put_steps(&w));
    DMS_TRY(dms_plan_write_program(plan, &plan->prologue, arena, &m->prologue, st));
    DMS_TRY(dms_plan_write_program(plan, &plan->body, arena, &m->body, st));
    *out_message = m;
    return DMS_OK;
}
