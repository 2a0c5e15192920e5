/* emit.c - the tables of a plan: tensors, sources, calls, ports, steps. */
#include <inttypes.h>
#include <string.h>

#include "planner/emit_internal.h"
#include "schema/checked.h"

dms_code dms_emit_add_buffer(dms_emitter *e, dms_buffer buffer, uint32_t *out, dms_status *st) {
    dms_plan *plan = e->plan;
    DMS_TRY(dms_grow(e->arena, &plan->buffer, &e->cap_buffers, (uint64_t)plan->n_buffers + 1,
                     sizeof *plan->buffer, st));
    *out = plan->n_buffers;
    plan->buffer[plan->n_buffers++] = buffer;
    return DMS_OK;
}

/* Tensors, sources and calls are those of the steps. */
static dms_code copy_tables(dms_emitter *e, dms_status *st) {
    const dms_steps *s = e->in->steps;
    dms_plan *plan = e->plan;
    plan->n_tensors = s->n_tensors;
    plan->n_sources = s->n_sources;
    plan->n_calls = s->n_calls;
    DMS_TRY(dms_alloc_st(e->arena, s->n_tensors, sizeof *plan->tensor, "plan", &plan->tensor, st));
    DMS_TRY(dms_alloc_st(e->arena, s->n_calls, sizeof *plan->call, "plan", &plan->call, st));
    plan->source = s->source;
    for (uint32_t i = 0; i < s->n_tensors; i++)
        plan->tensor[i] = s->tensor[i].plan;
    for (uint32_t c = 0; c < s->n_calls; c++) {
        const dms_call *call = &s->call[c];
        plan->call[c] = (dms_plan_call){call->kernel, call->n_in, call->n_out, call->n_i,
                                        call->n_f,    call->view, call->i,     call->f};
    }
    return DMS_OK;
}

/* One port: the dims the user sees are those of the graph's tensor. */
static dms_code make_port(const dms_emitter *e, uint32_t graph_tensor, uint32_t stored,
                          dms_port *out, dms_status *st) {
    const dms_tensor *t = &e->in->graph->tensor[graph_tensor];
    int64_t dim[DMS_MAX_RANK];
    for (uint32_t k = 0; k < t->rank; k++)
        dim[k] = t->dim[k].hi;
    *out = (dms_port){.name = t->name, .tensor = stored};
    if (!dms_view_dense(t->dtype, t->rank, dim, &out->view))
        return dms_fail(st, DMS_EUNSUPPORTED, "tensor '%s': size exceeds 63 bits", t->name);
    return DMS_OK;
}

static dms_code make_ports(dms_emitter *e, dms_status *st) {
    const dms_graph *g = e->in->graph;
    const dms_steps *s = e->in->steps;
    dms_plan *plan = e->plan;
    plan->n_inputs = g->n_inputs;
    plan->n_outputs = g->n_outputs;
    DMS_TRY(dms_alloc_st(e->arena, g->n_inputs, sizeof *plan->input, "plan", &plan->input, st));
    DMS_TRY(dms_alloc_st(e->arena, g->n_outputs, sizeof *plan->output, "plan", &plan->output, st));
    for (uint32_t k = 0; k < g->n_inputs; k++)
        DMS_TRY(make_port(e, g->input[k], s->input[k], &plan->input[k], st));
    for (uint32_t k = 0; k < g->n_outputs; k++)
        DMS_TRY(make_port(e, g->output[k], s->output[k], &plan->output[k], st));
    return DMS_OK;
}

/* Names and predicted times of the steps; steps of one node share a name. */
static dms_code name_steps(dms_emitter *e, dms_status *st) {
    const dms_steps *s = e->in->steps;
    dms_plan *plan = e->plan;
    plan->n_steps = s->n_steps;
    DMS_TRY(
        dms_alloc_st(e->arena, s->n_steps, sizeof *plan->step_name, "plan", &plan->step_name, st));
    DMS_TRY(dms_alloc_st(e->arena, s->n_steps, sizeof *plan->step_name_id, "plan",
                         &plan->step_name_id, st));
    DMS_TRY(dms_alloc_st(e->arena, s->n_steps, sizeof *plan->step_ns, "plan", &plan->step_ns, st));
    for (uint32_t k = 0; k < s->n_steps; k++) {
        plan->step_ns[k] = s->step[k].ns;
        if (k == 0 || s->step[k].node != s->step[k - 1].node) {
            const dms_node *node = &e->in->graph->node[s->step[k].node];
            const char *name = dms_format(e->arena, "%s %s", node->op, node->name);
            if (name == NULL)
                return dms_fail(st, DMS_EINTERNAL, "out of memory: step names");
            plan->step_name[plan->n_step_names++] = name;
        }
        plan->step_name_id[k] = plan->n_step_names - 1;
    }
    return DMS_OK;
}

/* Above all buffers of the host: what is there for tensors of the caller. */
static dms_code add_stage(dms_plan *plan, dms_status *st) {
    const uint64_t bytes = dms_plan_stage_all(plan);
    if (bytes != 0 && (!dms_align_up(plan->host_arena, DMS_ALIGN, &plan->host_arena) ||
                       !dms_add(plan->host_arena, bytes, &plan->host_arena)))
        return dms_fail(st, DMS_EBUDGET, "the host arena exceeds 64 bits");
    return DMS_OK;
}

dms_code dms_emit(const dms_emit_input *input, dms_arena *arena, dms_plan *out_plan,
                  dms_status *st) {
    dms_plan plan = {0};
    dms_emitter e = {.in = input, .arena = arena, .plan = &plan, .device_kind = input->device_kind};
    const dms_decision *d = input->decision;
    plan.period_ns = d->period_ns;
    plan.latency_ns = d->latency_ns;
    plan.bound_ns = d->bound_ns;
    plan.compute_ns = d->compute_ns;
    plan.device_arena = d->device_bytes;
    plan.device_kind = input->device_kind;
    DMS_TRY(copy_tables(&e, st));
    DMS_TRY(make_ports(&e, st));
    DMS_TRY(name_steps(&e, st));
    DMS_TRY(dms_emit_buffers(&e, st));
    DMS_TRY(dms_emit_body(&e, st));
    DMS_TRY(dms_emit_prologue(&e, st));
    DMS_TRY(add_stage(&plan, st));
    DMS_TRY(dms_emit_order(&e, &plan.prologue, st));
    DMS_TRY(dms_emit_order(&e, &plan.body, st));
    *out_plan = plan;
    return DMS_OK;
}
