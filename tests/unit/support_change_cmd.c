/* support_change_cmd.c - changes of commands. Where a command goes to another place, the waits of
 * all others may follow it, so that a change reaches what lies behind the first test it fails. */
#include "support_change_internal.h"

#include <string.h>

/* A command and where it stands. */
typedef struct place {
    dms_program *program;
    uint32_t queue, k;
    dms_cmd *cmd;
} place;

/* Any command; mostly one of the body. False where the plan has none. */
static bool pick(dms_plan *plan, change_source *s, place *out) {
    out->program = change_below(s, 6) ? &plan->body : &plan->prologue;
    if (out->program->n_order == 0)
        out->program = &plan->body;
    const uint32_t n = out->program->n_order;
    if (n == 0)
        return false;
    uint32_t at = change_below(s, n);
    for (out->queue = 0; at >= out->program->n_cmds[out->queue]; out->queue++)
        at -= out->program->n_cmds[out->queue];
    out->k = at;
    out->cmd = &out->program->cmd[out->queue][at];
    return true;
}

/* A wait of some command: the queue it waits on. */
static bool pick_wait(dms_plan *plan, change_source *s, place *out, uint32_t *out_on) {
    for (uint32_t tries = 0; tries < 32; tries++) {
        if (!pick(plan, s, out))
            return false;
        const uint32_t first = change_below(s, DMS_N_QUEUES);
        for (uint32_t k = 0; k < DMS_N_QUEUES; k++) {
            *out_on = (first + k) % DMS_N_QUEUES;
            if (out->cmd->wait_cmd[*out_on] != DMS_NONE)
                return true;
        }
    }
    return false;
}

static bool drop_wait(dms_plan *plan, change_source *s) {
    place p;
    uint32_t on;
    if (!pick_wait(plan, s, &p, &on))
        return false;
    p.cmd->wait_cmd[on] = DMS_NONE;
    p.cmd->wait_back[on] = 0;
    return true;
}

static bool loosen_wait(dms_plan *plan, change_source *s) {
    place p;
    uint32_t on;
    if (!pick_wait(plan, s, &p, &on))
        return false;
    const uint32_t was = p.cmd->wait_cmd[on];
    switch (change_below(s, 3)) {
    case 0:
        p.cmd->wait_back[on] ^= 1;
        break;
    case 1: /* earlier, and marked, so that it is a wait like any other */
        p.cmd->wait_cmd[on] = change_below(s, was + 1);
        p.program->cmd[on][p.cmd->wait_cmd[on]].is_signal = true;
        break;
    default: {
        const uint32_t other = change_below(s, DMS_N_QUEUES);
        p.cmd->wait_cmd[on] = DMS_NONE;
        if (p.program->n_cmds[other] == 0)
            break;
        p.cmd->wait_cmd[other] = change_below(s, p.program->n_cmds[other]);
        p.program->cmd[other][p.cmd->wait_cmd[other]].is_signal = true;
    }
    }
    return true;
}

/* Calls of waits on `queue`, one by one, of every command of a program. */
typedef uint32_t renumber(uint32_t wait, uint32_t from, uint32_t to);

static void renumber_waits(const dms_program *program, uint32_t queue, renumber *rule,
                           uint32_t from, uint32_t to) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < program->n_cmds[q]; k++) {
            uint32_t *wait = &program->cmd[q][k].wait_cmd[queue];
            if (*wait != DMS_NONE)
                *wait = rule(*wait, from, to);
        }
}

/* A command goes from place `from` to place `to` of one queue. */
static uint32_t after_move(uint32_t wait, uint32_t from, uint32_t to) {
    if (wait == from)
        return to;
    if (from < to)
        return wait > from && wait <= to ? wait - 1 : wait;
    return wait >= to && wait < from ? wait + 1 : wait;
}

static uint32_t after_remove(uint32_t wait, uint32_t from, uint32_t to) {
    (void)to;
    if (wait == from)
        return from == 0 ? DMS_NONE : from - 1;
    return wait > from ? wait - 1 : wait;
}

static uint32_t after_insert(uint32_t wait, uint32_t from, uint32_t to) {
    (void)to;
    return wait >= from ? wait + 1 : wait;
}

static bool move(dms_plan *plan, change_source *s) {
    place p;
    if (!pick(plan, s, &p) || p.program->n_cmds[p.queue] < 2)
        return false;
    dms_cmd *cmd = p.program->cmd[p.queue];
    const uint32_t to = change_below(s, p.program->n_cmds[p.queue]);
    const dms_cmd moved = cmd[p.k];
    if (to > p.k)
        memmove(cmd + p.k, cmd + p.k + 1, (to - p.k) * sizeof *cmd);
    else
        memmove(cmd + to + 1, cmd + to, (p.k - to) * sizeof *cmd);
    cmd[to] = moved;
    if (change_below(s, 2))
        renumber_waits(p.program, p.queue, after_move, p.k, to);
    return true;
}

/* Position of command k of a queue in the submission order. */
static uint32_t order_of(const dms_program *program, uint32_t queue, uint32_t k) {
    uint32_t at = 0;
    for (uint32_t seen = 0; at + 1 < program->n_order; at++)
        if (program->order[at] == queue && seen++ == k)
            break;
    return at;
}

static void take_out(dms_program *program, uint32_t queue, uint32_t k) {
    dms_cmd *cmd = program->cmd[queue];
    memmove(cmd + k, cmd + k + 1, (program->n_cmds[queue] - k - 1) * sizeof *cmd);
    program->n_cmds[queue]--;
    renumber_waits(program, queue, after_remove, k, 0);
}

static bool remove_cmd(dms_plan *plan, change_source *s) {
    place p;
    if (!pick(plan, s, &p))
        return false;
    const uint32_t at = order_of(p.program, p.queue, p.k);
    uint8_t *order = (uint8_t *)p.program->order;
    memmove(order + at, order + at + 1, p.program->n_order - at - 1);
    p.program->n_order--;
    take_out(p.program, p.queue, p.k);
    return true;
}

/* The command keeps its place in the submission order. */
static bool send_elsewhere(dms_plan *plan, dms_arena *arena, change_source *s) {
    place p;
    if (!pick(plan, s, &p))
        return false;
    const uint32_t to = change_below(s, DMS_N_QUEUES);
    const uint32_t at = order_of(p.program, p.queue, p.k), n = p.program->n_cmds[to];
    dms_cmd moved = *p.cmd;
    dms_cmd *grown = to == p.queue ? NULL : DMS_NEW(arena, dms_cmd, (uint64_t)n + 1);
    if (grown == NULL)
        return false;
    take_out(p.program, p.queue, p.k);
    uint32_t before = 0;
    for (uint32_t i = 0; i < at; i++)
        before += p.program->order[i] == to;
    if (n > 0)
        memcpy(grown, p.program->cmd[to], n * sizeof *grown);
    memmove(grown + before + 1, grown + before, (n - before) * sizeof *grown);
    renumber_waits(p.program, to, after_insert, before, 0);
    moved.wait_cmd[to] = DMS_NONE;
    grown[before] = moved;
    p.program->cmd[to] = grown;
    p.program->n_cmds[to] = n + 1;
    ((uint8_t *)p.program->order)[at] = (uint8_t)to;
    return true;
}

static bool flip_flag(dms_plan *plan, change_source *s) {
    place p;
    if (!pick(plan, s, &p))
        return false;
    if (change_below(s, 2))
        p.cmd->is_signal = !p.cmd->is_signal;
    else
        p.cmd->is_ahead = !p.cmd->is_ahead;
    return true;
}

static bool swap_order(dms_plan *plan, change_source *s) {
    place p;
    if (!pick(plan, s, &p))
        return false;
    uint8_t *order = (uint8_t *)p.program->order;
    const uint32_t a = change_below(s, p.program->n_order);
    const uint32_t b = change_below(s, 2) && a > 0 ? a - 1 : change_below(s, p.program->n_order);
    const uint8_t was = order[a];
    order[a] = order[b];
    order[b] = was;
    return true;
}

/* An operand of a call, to be changed; NULL for other commands. */
static dms_operand *some_operand(const dms_plan *plan, const dms_cmd *cmd, change_source *s) {
    if (cmd->kind != DMS_CMD_CALL)
        return NULL;
    const dms_plan_call *call = &plan->call[cmd->call];
    const uint32_t n = call->n_in + call->n_out;
    return n == 0 ? NULL : (dms_operand *)&cmd->operand[change_below(s, n)];
}

static bool change_operand(dms_plan *plan, change_source *s) {
    place p;
    if (!pick(plan, s, &p))
        return false;
    dms_operand *operand = some_operand(plan, p.cmd, s);
    if (operand == NULL) {
        if (change_below(s, 2))
            p.cmd->from = change_below(s, plan->n_buffers);
        else
            p.cmd->to = change_below(s, plan->n_buffers);
        return true;
    }
    switch (change_below(s, 6)) {
    case 0:
        p.cmd->workspace = change_below(s, 2) ? DMS_NONE : change_below(s, plan->n_buffers);
        break;
    case 1:
        p.cmd->step = change_below(s, 2) ? DMS_NONE : change_below(s, plan->n_steps);
        break;
    case 2: { /* as many operands, or the file would be damaged */
        const uint32_t other = change_below(s, plan->n_calls);
        const dms_plan_call *is = &plan->call[p.cmd->call], *to = &plan->call[other];
        if (is->n_in + is->n_out == to->n_in + to->n_out)
            p.cmd->call = other;
        break;
    }
    default:
        operand->buffer = change_below(s, plan->n_buffers);
    }
    return true;
}

static bool change_cells(dms_plan *plan, change_source *s) {
    place p;
    dms_operand *operand = pick(plan, s, &p) ? some_operand(plan, p.cmd, s) : NULL;
    const uint32_t what = change_below(s, 8);
    if (what == 0 && plan->n_buffers > 0) {
        dms_buffer *b = &plan->buffer[change_below(s, plan->n_buffers)];
        b->cell = (uint32_t)change_number(s, b->cell);
    } else if (what < 3 && plan->n_tensors > 0) {
        dms_plan_tensor *t = &plan->tensor[change_below(s, plan->n_tensors)];
        t->is_split ^= change_below(s, 4) == 0;
        t->cell_axis = change_below(s, 4) ? t->cell_axis : change_below(s, t->stored.rank);
        t->cell_len = (int64_t)change_number(s, (uint64_t)t->cell_len);
    } else if (operand != NULL && what % 2) {
        operand->first = (uint32_t)change_number(s, operand->first);
    } else if (operand != NULL) {
        operand->n = (uint32_t)change_number(s, operand->n);
    } else {
        return false;
    }
    return true;
}

static bool change_home(dms_plan *plan, change_source *s) {
    place p;
    if (plan->n_buffers == 0 || plan->n_tensors == 0)
        return false;
    dms_plan_tensor *t = &plan->tensor[change_below(s, plan->n_tensors)];
    switch (change_below(s, 4)) {
    case 0:
        t->kind = (dms_tensor_kind)change_below(s, 4);
        return true;
    case 1:
        t->first_source = change_below(s, plan->n_sources + 1);
        return true;
    case 2:
        if (!pick(plan, s, &p))
            return false;
        p.cmd->kind = (dms_cmd_kind)change_below(s, DMS_N_CMD_KINDS);
        if (p.cmd->kind == DMS_CMD_CALL && p.cmd->operand == NULL)
            p.cmd->kind = DMS_CMD_COPY; /* a call without operands cannot be written */
        return true;
    default: {
        dms_buffer *b = &plan->buffer[change_below(s, plan->n_buffers)];
        b->arena = b->arena == DMS_TIER_HOST ? DMS_TIER_DEVICE : DMS_TIER_HOST;
        return true;
    }
    }
}

bool change_command(dms_plan *plan, dms_arena *arena, change_kind kind, change_source *source) {
    switch (kind) {
    case CHANGE_WAIT_DROPPED:
        return drop_wait(plan, source);
    case CHANGE_WAIT_LOOSENED:
        return loosen_wait(plan, source);
    case CHANGE_MOVED:
        return move(plan, source);
    case CHANGE_QUEUE:
        return send_elsewhere(plan, arena, source);
    case CHANGE_REMOVED:
        return remove_cmd(plan, source);
    case CHANGE_FLAG:
        return flip_flag(plan, source);
    case CHANGE_ORDER:
        return swap_order(plan, source);
    case CHANGE_HOME:
        return change_home(plan, source);
    case CHANGE_OPERAND:
        return change_operand(plan, source);
    case CHANGE_CELLS:
        return change_cells(plan, source);
    default:
        return false;
    }
}
