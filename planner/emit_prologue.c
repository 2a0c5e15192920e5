/* emit_prologue.c - what runs once at open, the marks of waited-for commands, submission orders. */
#include "planner/emit_internal.h"

static dms_cmd prologue_cmd(dms_cmd_kind kind, uint32_t from, uint32_t to) {
    dms_cmd cmd = {.kind = kind, .workspace = DMS_NONE, .from = from, .to = to};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        cmd.wait_cmd[q] = DMS_NONE;
    return cmd;
}

/* The source of a block's bytes. */
static uint32_t source_of(const dms_emitter *e, uint32_t block) {
    const dms_block *b = &e->in->blocks->block[block];
    return e->plan->tensor[b->tensor].first_source + b->cell;
}

/* Kept weights go straight to their device buffer, streamed ones to their home. */
static dms_code load_weights(dms_emitter *e, uint32_t *load_of, dms_status *st) {
    const dms_decision *d = e->in->decision;
    const dms_problem *p = &e->in->blocks->problem;
    dms_program *prologue = &e->plan->prologue;
    dms_cmd *cmd;
    uint32_t n = 0;
    DMS_TRY(dms_alloc_st(e->arena, p->n_tensors, sizeof *cmd, "commands", &cmd, st));
    for (uint32_t r = 0; r < d->n_residencies; r++) {
        const uint32_t b = d->residencies[r].tensor;
        if (p->tensors[b].kind != DMS_PROBLEM_WEIGHT || load_of[b] != DMS_NONE)
            continue;
        const bool is_kept = d->residencies[r].gap == DMS_PLACE_PRODUCED;
        const uint32_t to = is_kept ? e->residency_buffer[r] : e->host_buffer[b];
        load_of[b] = n;
        cmd[n++] = prologue_cmd(DMS_CMD_LOAD, source_of(e, b), to);
    }
    prologue->cmd[DMS_QUEUE_LOAD] = cmd;
    prologue->n_cmds[DMS_QUEUE_LOAD] = n;
    return DMS_OK;
}

/* Turn 0 finds on the device what the turn before it would have left there: loads issued a turn
 * early, and residencies that reach over the edge of the cycle. */
static dms_code fill_device(dms_emitter *e, const uint32_t *load_of, dms_status *st) {
    const dms_decision *d = e->in->decision;
    const dms_problem *p = &e->in->blocks->problem;
    dms_program *prologue = &e->plan->prologue;
    dms_cmd *cmd;
    uint32_t n = 0;
    DMS_TRY(dms_alloc_st(e->arena, d->n_loads, sizeof *cmd, "commands", &cmd, st));
    for (uint32_t l = 0; l < d->n_loads; l++) {
        const dms_place_load *load = &d->loads[l];
        const dms_problem_tensor *t = &p->tensors[load->tensor];
        const uint32_t touch = t->first_touch + (load->gap + 1) % t->n_touches;
        const uint32_t r = e->residency_of[touch];
        const bool wraps = d->residencies[r].last_slot >= (int32_t)p->n_steps;
        if (t->kind != DMS_PROBLEM_WEIGHT || (l >= e->n_ahead && !wraps))
            continue;
        cmd[n] = prologue_cmd(DMS_CMD_COPY, e->host_buffer[load->tensor], e->residency_buffer[r]);
        cmd[n++].wait_cmd[DMS_QUEUE_LOAD] = load_of[load->tensor];
    }
    prologue->cmd[DMS_QUEUE_IN] = cmd;
    prologue->n_cmds[DMS_QUEUE_IN] = n;
    return DMS_OK;
}

dms_code dms_emit_prologue(dms_emitter *e, dms_status *st) {
    const uint32_t n = e->in->blocks->problem.n_tensors;
    uint32_t *load_of;
    DMS_TRY(dms_alloc_st(e->arena, n, sizeof *load_of, "loads", &load_of, st));
    for (uint32_t b = 0; b < n; b++)
        load_of[b] = DMS_NONE;
    DMS_TRY(load_weights(e, load_of, st));
    return fill_device(e, load_of, st);
}

/* Every command that a wait names becomes a signal. */
static void mark_signals(dms_program *program) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < program->n_cmds[q]; k++)
            for (uint32_t w = 0; w < DMS_N_QUEUES; w++) {
                const uint32_t waited = program->cmd[q][k].wait_cmd[w];
                if (waited != DMS_NONE)
                    program->cmd[w][waited].is_signal = true;
            }
}

/* All waits of this turn are on commands already in the order. */
static bool is_ready(const dms_cmd *cmd, const uint32_t *done) {
    for (uint32_t w = 0; w < DMS_N_QUEUES; w++)
        if (cmd->wait_cmd[w] != DMS_NONE && cmd->wait_back[w] == 0 && cmd->wait_cmd[w] >= done[w])
            return false;
    return true;
}

dms_code dms_emit_order(dms_emitter *e, dms_program *program, dms_status *st) {
    /* copies first: a device with one submitting thread should have them under way early */
    static const dms_queue PREFERENCE[] = {DMS_QUEUE_LOAD, DMS_QUEUE_IN, DMS_QUEUE_OUT,
                                           DMS_QUEUE_COMPUTE, DMS_QUEUE_STORE};
    mark_signals(program);
    uint32_t total = 0, done[DMS_N_QUEUES] = {0};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        total += program->n_cmds[q];
    uint8_t *order;
    DMS_TRY(dms_alloc_st(e->arena, total, 1, "submission order", &order, st));
    for (uint32_t n = 0; n < total; n++) {
        uint32_t p = 0;
        while (p < DMS_N_QUEUES) {
            const dms_queue q = PREFERENCE[p];
            if (done[q] < program->n_cmds[q] && is_ready(&program->cmd[q][done[q]], done))
                break;
            p++;
        }
        if (p == DMS_N_QUEUES)
            return dms_fail(st, DMS_EINTERNAL, "the waits of the plan have a cycle");
        order[n] = (uint8_t)PREFERENCE[p];
        done[PREFERENCE[p]]++;
    }
    program->order = order;
    program->n_order = total;
    return DMS_OK;
}
