/* emit_commands.c - slots become waits.
 *
 * With T steps, compute command k of the body is step k. A load with `after` = a >= 0 waits for
 * command a of its own turn; with a < 0 for command a + T of the turn before. Loads at the head of
 * the queue with a < 0 are issued a turn early (`ahead`), at the end of the turn before the one
 * they serve, so that for them that command belongs to the turn in which they are issued:
 *
 *     order of one cycle      l0 l1 | l2 l3 l4        l0, l1: a < 0
 *     queue `in`, turn i      l2 l3 l4 | l0 l1        l0, l1 serve turn i + 1
 *
 * A slot opens when the step before it has ended and the saves due at it are done. So a load that
 * begins in slot a + 1 also waits for the saves with `before` = a + 1; earlier saves have been
 * waited for by the step of their own slot.
 */
#include <inttypes.h>

#include "planner/emit_internal.h"

void dms_emit_add_wait(dms_cmd *cmd, dms_queue queue, uint32_t k, uint8_t back) {
    const bool is_first = cmd->wait_cmd[queue] == DMS_NONE;
    const bool is_later =
        back < cmd->wait_back[queue] || (back == cmd->wait_back[queue] && k > cmd->wait_cmd[queue]);
    if (is_first || is_later) {
        cmd->wait_cmd[queue] = k;
        cmd->wait_back[queue] = back;
    }
}

dms_cmd dms_emit_new_cmd(dms_cmd_kind kind) {
    dms_cmd cmd = {.kind = kind, .workspace = DMS_NONE, .from = DMS_NONE, .to = DMS_NONE};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        cmd.wait_cmd[q] = DMS_NONE;
    return cmd;
}

/* The port of a stored tensor. */
static uint32_t port_of(const dms_port *port, uint32_t n, uint32_t tensor) {
    for (uint32_t k = 0; k < n; k++)
        if (port[k].tensor == tensor)
            return k;
    return DMS_NONE;
}

/* How many loads at the head of the queue are issued a turn early. */
static uint32_t count_ahead(const dms_emitter *e) {
    const dms_decision *d = e->in->decision;
    uint32_t n = 0;
    while (n < d->n_loads && d->loads[n].after < 0 &&
           e->in->blocks->problem.tensors[d->loads[n].tensor].kind != DMS_PROBLEM_INPUT)
        n++;
    return n;
}

uint32_t dms_emit_load_position(const dms_emitter *e, uint32_t l, uint8_t *out_back) {
    const uint32_t n = e->in->decision->n_loads;
    *out_back = l < e->n_ahead;
    return l < e->n_ahead ? n - e->n_ahead + l : l - e->n_ahead;
}

/* Waits for the saves that open slot `slot` (negative or >= T: of a neighbouring cycle). Returns
 * false where one of them lies more than one turn back, which no wait can say. */
static bool wait_for_saves(const dms_emitter *e, int64_t slot, uint8_t back, dms_cmd *cmd) {
    const dms_decision *d = e->in->decision;
    const int64_t T = e->plan->n_steps;
    for (uint32_t s = 0; s < d->n_saves; s++)
        for (int64_t cycle = 0; cycle <= 2; cycle++) {
            const int64_t turns = cycle - (back ? 1 : 0); /* a save of so many turns ago */
            if ((int64_t)d->saves[s].before - cycle * T != slot)
                continue;
            if (turns < 0 || turns > 1)
                return false;
            dms_emit_add_wait(cmd, DMS_QUEUE_OUT, e->save_cmd[s], (uint8_t)turns);
        }
    return true;
}

/* The command of load l, with its waits as seen from the turn in which it is issued. */
static dms_code make_load(const dms_emitter *e, uint32_t l, dms_cmd *out, dms_status *st) {
    const dms_place_load *load = &e->in->decision->loads[l];
    const dms_problem *p = &e->in->blocks->problem;
    const dms_problem_tensor *t = &p->tensors[load->tensor];
    const uint32_t touch = t->first_touch + (load->gap + 1) % t->n_touches;
    const bool is_input = t->kind == DMS_PROBLEM_INPUT;
    dms_cmd cmd = dms_emit_new_cmd(is_input ? DMS_CMD_FROM_USER : DMS_CMD_COPY);
    cmd.to = e->residency_buffer[e->residency_of[touch]];
    cmd.from = load->is_read ? e->ring_buffer[l] : e->host_buffer[load->tensor];
    if (is_input)
        cmd.from =
            port_of(e->plan->input, e->plan->n_inputs, e->in->blocks->block[load->tensor].tensor);
    if (cmd.from == DMS_NONE || cmd.to == DMS_NONE)
        return dms_fail(st, DMS_EINTERNAL, "load %" PRIu32 " of '%s' has no buffers", l, t->label);
    const uint8_t is_ahead = l < e->n_ahead;
    cmd.is_ahead = is_ahead;
    const int64_t T = e->plan->n_steps;
    const uint32_t step = (uint32_t)(load->after < 0 ? load->after + T : load->after);
    dms_emit_add_wait(&cmd, DMS_QUEUE_COMPUTE, step, load->after < 0 && !is_ahead);
    if (!wait_for_saves(e, (int64_t)load->after + 1, is_ahead, &cmd))
        return dms_fail(st, DMS_EINTERNAL,
                        "load %" PRIu32 " of '%s' waits for a save two turns ago", l, t->label);
    dms_emit_wait_for_read(e, l, &cmd);
    *out = cmd;
    return DMS_OK;
}

static dms_code make_in(dms_emitter *e, dms_status *st) {
    dms_program *body = &e->plan->body;
    const uint32_t n = e->in->decision->n_loads;
    e->n_ahead = count_ahead(e);
    DMS_TRY(dms_emit_reads(e, st));
    body->n_cmds[DMS_QUEUE_IN] = n;
    DMS_TRY(dms_alloc_st(e->arena, n, sizeof(dms_cmd), "commands", &body->cmd[DMS_QUEUE_IN], st));
    for (uint32_t l = 0; l < n; l++) {
        uint8_t back;
        DMS_TRY(make_load(e, l, &body->cmd[DMS_QUEUE_IN][dms_emit_load_position(e, l, &back)], st));
    }
    return DMS_OK;
}

/* The buffer that a block is produced in: of its newest version, or of its cell. */
static uint32_t produced_buffer(const dms_emitter *e, uint32_t block) {
    const dms_problem_tensor *t = &e->in->blocks->problem.tensors[block];
    const uint32_t of_cell = e->residency_buffer[e->residency_of[t->first_touch]];
    return of_cell != DMS_NONE ? of_cell : e->produced_buffer[e->in->blocks->block[block].last];
}

/* A save is a copy to the host where the block comes back, a copy to the user where it leaves, or
 * both, in this order. */
static dms_code make_out(dms_emitter *e, dms_status *st) {
    const dms_decision *d = e->in->decision;
    dms_program *body = &e->plan->body;
    dms_cmd *cmd;
    DMS_TRY(dms_alloc_st(e->arena, 2 * (uint64_t)d->n_saves, sizeof *cmd, "commands", &cmd, st));
    DMS_TRY(dms_alloc_st(e->arena, d->n_saves, sizeof *e->save_cmd, "saves", &e->save_cmd, st));
    uint32_t n = 0;
    for (uint32_t s = 0; s < d->n_saves; s++) {
        const dms_place_save *save = &d->saves[s];
        const uint32_t last = e->in->blocks->block[save->tensor].last;
        const uint32_t from = produced_buffer(e, save->tensor);
        const uint32_t port = port_of(e->plan->output, e->plan->n_outputs, last);
        if (e->host_buffer[save->tensor] != DMS_NONE) {
            cmd[n] = dms_emit_new_cmd(DMS_CMD_COPY);
            cmd[n].to = e->host_buffer[save->tensor];
            cmd[n].from = from;
            dms_emit_add_wait(&cmd[n++], DMS_QUEUE_COMPUTE, save->after, 0);
        }
        if (port != DMS_NONE) {
            cmd[n] = dms_emit_new_cmd(DMS_CMD_TO_USER);
            cmd[n].to = port;
            cmd[n].from = from;
            dms_emit_add_wait(&cmd[n++], DMS_QUEUE_COMPUTE, save->after, 0);
        }
        if (n == 0)
            return dms_fail(st, DMS_EINTERNAL, "save %" PRIu32 " goes nowhere", s);
        e->save_cmd[s] = n - 1;
    }
    body->cmd[DMS_QUEUE_OUT] = cmd;
    body->n_cmds[DMS_QUEUE_OUT] = n;
    return DMS_OK;
}

/* Buffers of one step's operands. */
static dms_code make_operands(dms_emitter *e, uint32_t step, dms_cmd *cmd, dms_status *st) {
    const dms_step *s = &e->in->steps->step[step];
    const dms_call *call = &e->in->steps->call[s->call];
    const uint32_t n = call->n_in + call->n_out;
    dms_operand *operand;
    DMS_TRY(dms_alloc_st(e->arena, n, sizeof *operand, "operands", &operand, st));
    for (uint32_t k = 0; k < n; k++) {
        const dms_step_operand *o = &s->operand[k];
        const bool is_split = e->plan->tensor[o->tensor].is_split;
        operand[k] = (dms_operand){dms_emit_buffer_at(e, o->tensor, is_split ? o->first : 0, step),
                                   o->first, o->n};
    }
    cmd->operand = operand;
    return DMS_OK;
}

static dms_code make_compute(dms_emitter *e, dms_status *st) {
    const dms_decision *d = e->in->decision;
    dms_program *body = &e->plan->body;
    const uint32_t T = e->plan->n_steps;
    dms_cmd *cmd;
    DMS_TRY(dms_alloc_st(e->arena, T, sizeof *cmd, "commands", &cmd, st));
    for (uint32_t t = 0; t < T; t++) {
        cmd[t] = dms_emit_new_cmd(DMS_CMD_CALL);
        cmd[t].call = e->in->steps->step[t].call;
        cmd[t].step = t;
        cmd[t].workspace = e->workspace[t];
        DMS_TRY(make_operands(e, t, &cmd[t], st));
    }
    for (uint32_t l = 0; l < d->n_loads; l++) {
        uint8_t back;
        const uint32_t position = dms_emit_load_position(e, l, &back);
        dms_emit_add_wait(&cmd[d->loads[l].due], DMS_QUEUE_IN, position, back);
    }
    for (uint32_t s = 0; s < d->n_saves; s++)
        dms_emit_add_wait(&cmd[d->saves[s].before % T], DMS_QUEUE_OUT, e->save_cmd[s],
                          d->saves[s].before >= T);
    body->cmd[DMS_QUEUE_COMPUTE] = cmd;
    body->n_cmds[DMS_QUEUE_COMPUTE] = T;
    return DMS_OK;
}

dms_code dms_emit_body(dms_emitter *e, dms_status *st) {
    DMS_TRY(make_out(e, st));
    DMS_TRY(make_in(e, st));
    return make_compute(e, st);
}
