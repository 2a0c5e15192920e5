/* plan_program.c - packed columns of one queue -> commands, every index checked. */
#include "plan_internal.h"

#include <inttypes.h>
#include <string.h>

#include "schema/checked.h"

/* Bits of the flag column; others are refused, so that a later version can give them a meaning. */
#define FLAG_SIGNAL 1u
#define FLAG_AHEAD 2u

/* One queue being read: positions in its columns. */
typedef struct columns {
    const dms_plan *plan;
    const dms_program *program;
    const Dms__Queue *in;
    dms_plan_part part;
    dms_queue queue;
    uint32_t cmd;
    size_t wait, arg;
    dms_arena *arena;
    dms_status *st;
} columns;

#define REFUSE(c, fmt, ...)                                                                        \
    dms_fail((c)->st, DMS_EPLAN, "%s, queue %s, command %" PRIu32 ": " fmt,                        \
             (c)->part == DMS_BODY ? "body" : "prologue", dms_queue_name((c)->queue), (c)->cmd,    \
             __VA_ARGS__)

/* One wait of the current command, on a queue that it does not wait for yet. */
static dms_code read_wait(columns *c, dms_cmd *cmd) {
    const Dms__Queue *in = c->in;
    if (c->wait >= in->n_wait_queue)
        return REFUSE(c, "%s", "the wait columns are too short");
    const uint32_t queue = in->wait_queue[c->wait], k = in->wait_cmd[c->wait];
    const uint32_t back = in->wait_back[c->wait];
    if (queue >= DMS_N_QUEUES || queue == c->queue || k >= c->program->n_cmds[queue])
        return REFUSE(c, "waits for command %" PRIu32 " of queue %" PRIu32, k, queue);
    if (back > (c->part == DMS_BODY ? 1u : 0u))
        return REFUSE(c, "waits for %" PRIu32 " turns back", back);
    if (cmd->wait_cmd[queue] != DMS_NONE)
        return REFUSE(c, "waits twice for queue %s", dms_queue_name((dms_queue)queue));
    cmd->wait_cmd[queue] = k;
    cmd->wait_back[queue] = (uint8_t)back;
    c->wait++;
    return DMS_OK;
}

/* Cells of a split tensor lie in buffers of their own; others are named by range. */
static dms_code read_operand(columns *c, const uint32_t *arg, dms_operand *out) {
    const dms_plan *plan = c->plan;
    if (arg[0] >= plan->n_buffers || plan->buffer[arg[0]].tensor == DMS_NONE)
        return REFUSE(c, "operand in buffer %" PRIu32 ", which holds no tensor", arg[0]);
    const dms_buffer *buffer = &plan->buffer[arg[0]];
    const dms_plan_tensor *tensor = &plan->tensor[buffer->tensor];
    const uint32_t low = tensor->is_split ? buffer->cell : 0;
    const uint32_t end = tensor->is_split ? low + 1 : dms_plan_cells(tensor);
    if (arg[2] == 0 || arg[1] < low || !dms_range_fits(arg[1], arg[2], end))
        return REFUSE(c, "cells %" PRIu32 " + %" PRIu32 " of tensor '%s'", arg[1], arg[2],
                      tensor->name);
    *out = (dms_operand){arg[0], arg[1], arg[2]};
    return DMS_OK;
}

/* Commands of the prologue may belong to no step. */
static dms_code read_step(columns *c, uint32_t step, dms_cmd *cmd) {
    cmd->step = step;
    if (c->part == DMS_PROLOGUE && step == DMS_NONE)
        return DMS_OK;
    return step < c->plan->n_steps ? DMS_OK : REFUSE(c, "step %" PRIu32 " does not exist", step);
}

/* `arg` holds call, step, workspace + 1, then buffer, first, n of each operand. */
static dms_code read_call_args(columns *c, const uint32_t *arg, size_t left, dms_cmd *cmd) {
    const dms_plan *plan = c->plan;
    if (left < 3 || arg[0] >= plan->n_calls || arg[2] > plan->n_buffers)
        return REFUSE(c, "%s", "its call or workspace does not exist");
    const dms_plan_call *call = &plan->call[arg[0]];
    const uint32_t n = call->n_in + call->n_out;
    if (n > (left - 3) / 3)
        return REFUSE(c, "%" PRIu32 " operands do not fit the argument column", n);
    cmd->call = arg[0];
    cmd->workspace = arg[2] == 0 ? DMS_NONE : arg[2] - 1;
    if (cmd->workspace != DMS_NONE && plan->buffer[cmd->workspace].tensor != DMS_NONE)
        return REFUSE(c, "buffer %" PRIu32 " is no workspace", cmd->workspace);
    DMS_TRY(read_step(c, arg[1], cmd));
    dms_operand *operand;
    DMS_TRY(dms_alloc_st(c->arena, n, sizeof *operand, "operands", &operand, c->st));
    for (uint32_t k = 0; k < n; k++)
        DMS_TRY(read_operand(c, arg + 3 + 3 * (size_t)k, &operand[k]));
    cmd->operand = operand;
    c->arg += 3 + 3 * (size_t)n;
    return DMS_OK;
}

/* How many things of each table a `from` and a `to` may name. */
static dms_code read_copy_args(columns *c, const uint32_t *arg, size_t left, dms_cmd *cmd) {
    const dms_plan *plan = c->plan;
    const uint32_t n_from[DMS_N_CMD_KINDS] = {[DMS_CMD_COPY] = plan->n_buffers,
                                              [DMS_CMD_FROM_USER] = plan->n_inputs,
                                              [DMS_CMD_TO_USER] = plan->n_buffers,
                                              [DMS_CMD_LOAD] = plan->n_sources};
    const bool to_user = cmd->kind == DMS_CMD_TO_USER;
    const bool from_buffer = cmd->kind == DMS_CMD_COPY || to_user;
    if (left < 2 || arg[0] >= n_from[cmd->kind] ||
        arg[1] >= (to_user ? plan->n_outputs : plan->n_buffers))
        return REFUSE(c, "%s", "what it copies from or to does not exist");
    if ((from_buffer && plan->buffer[arg[0]].tensor == DMS_NONE) ||
        (!to_user && plan->buffer[arg[1]].tensor == DMS_NONE))
        return REFUSE(c, "%s", "copies from or to a workspace");
    cmd->from = arg[0];
    cmd->to = arg[1];
    c->arg += 2;
    return DMS_OK;
}

/* Unused members keep DMS_NONE, so that a wrong use of them fails at once. */
static dms_code read_command(columns *c, dms_cmd *cmd) {
    const Dms__Queue *in = c->in;
    const uint32_t kind = in->kind[c->cmd], flags = in->flags[c->cmd];
    if (kind >= DMS_N_CMD_KINDS || (flags & ~(FLAG_SIGNAL | FLAG_AHEAD)) != 0)
        return REFUSE(c, "kind %" PRIu32 ", flags %" PRIu32, kind, flags);
    *cmd = (dms_cmd){.kind = (dms_cmd_kind)kind,
                     .is_signal = (flags & FLAG_SIGNAL) != 0,
                     .is_ahead = (flags & FLAG_AHEAD) != 0,
                     .call = DMS_NONE,
                     .step = DMS_NONE,
                     .workspace = DMS_NONE,
                     .from = DMS_NONE,
                     .to = DMS_NONE};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        cmd->wait_cmd[q] = DMS_NONE;
    if (in->n_waits[c->cmd] >= DMS_N_QUEUES)
        return REFUSE(c, "%" PRIu32 " waits", in->n_waits[c->cmd]);
    for (uint32_t w = 0; w < in->n_waits[c->cmd]; w++)
        DMS_TRY(read_wait(c, cmd));
    const size_t left = in->n_arg - c->arg;
    const uint32_t *arg = left == 0 ? NULL : in->arg + c->arg;
    return cmd->kind == DMS_CMD_CALL ? read_call_args(c, arg, left, cmd)
                                     : read_copy_args(c, arg, left, cmd);
}

/* The shared columns must be used up exactly: what is left over belongs to no command. */
static dms_code read_queue(columns *c, dms_cmd *cmd) {
    for (c->cmd = 0; c->cmd < c->program->n_cmds[c->queue]; c->cmd++)
        DMS_TRY(read_command(c, &cmd[c->cmd]));
    if (c->wait != c->in->n_wait_queue || c->arg != c->in->n_arg)
        return REFUSE(c, "%s", "arguments or waits are left over");
    return DMS_OK;
}

/* Lengths first: waits may name commands of later queues. */
static dms_code read_lengths(const Dms__Queue *in, dms_queue queue, uint32_t *out, dms_status *st) {
    const size_t n = in->n_kind, w = in->n_wait_queue;
    if (in->n_flags != n || in->n_n_waits != n || in->n_wait_cmd != w || in->n_wait_back != w ||
        n >= DMS_NONE)
        return dms_fail(st, DMS_EPLAN, "queue %s: columns differ in length", dms_queue_name(queue));
    *out = (uint32_t)n;
    return DMS_OK;
}

/* The submission order names every queue as often as it has commands. */
static dms_code read_order(const Dms__Program *in, dms_program *program, dms_arena *arena,
                           dms_status *st) {
    uint64_t n[DMS_N_QUEUES] = {0}, total = 0;
    uint8_t *order;
    DMS_TRY(dms_alloc_st(arena, in->n_order, 1, "submission order", &order, st));
    for (size_t k = 0; k < in->n_order; k++) {
        if (in->order[k] >= DMS_N_QUEUES)
            return dms_fail(st, DMS_EPLAN, "submission order: queue %" PRIu32, in->order[k]);
        n[in->order[k]]++;
        order[k] = (uint8_t)in->order[k];
    }
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (n[q] != program->n_cmds[q])
            return dms_fail(st, DMS_EPLAN,
                            "submission order: queue %s %" PRIu64 " times, has %" PRIu32
                            " commands",
                            dms_queue_name((dms_queue)q), n[q], program->n_cmds[q]);
        total += n[q];
    }
    if (total >= DMS_NONE)
        return dms_fail(st, DMS_EPLAN, "submission order: %" PRIu64 " commands", total);
    program->n_order = (uint32_t)total;
    program->order = order;
    return DMS_OK;
}

dms_code dms_plan_read_program(dms_plan *plan, const Dms__Program *in, dms_plan_part part,
                               dms_arena *arena, dms_status *st) {
    dms_program *program = part == DMS_BODY ? &plan->body : &plan->prologue;
    if (in == NULL)
        return DMS_OK;
    if (in->n_queue != DMS_N_QUEUES)
        return dms_fail(st, DMS_EPLAN, "a program has %zu queues", in->n_queue);
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        DMS_TRY(read_lengths(in->queue[q], (dms_queue)q, &program->n_cmds[q], st));
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        columns c = {.plan = plan,
                     .program = program,
                     .in = in->queue[q],
                     .part = part,
                     .queue = (dms_queue)q,
                     .arena = arena,
                     .st = st};
        DMS_TRY(dms_alloc_st(arena, program->n_cmds[q], sizeof(dms_cmd), "commands",
                             &program->cmd[q], st));
        DMS_TRY(read_queue(&c, program->cmd[q]));
    }
    return read_order(in, program, arena, st);
}

/* Sizes of the columns of one queue. */
static void count_columns(const dms_plan *plan, const dms_cmd *cmd, uint32_t n, size_t *n_waits,
                          size_t *n_args) {
    for (uint32_t k = 0; k < n; k++) {
        for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
            *n_waits += cmd[k].wait_cmd[q] != DMS_NONE;
        if (cmd[k].kind != DMS_CMD_CALL)
            *n_args += 2;
        else
            *n_args +=
                3 + 3 * ((size_t)plan->call[cmd[k].call].n_in + plan->call[cmd[k].call].n_out);
    }
}

/* Waits in the order of queues: one plan, one form. */
static void put_waits(const dms_cmd *cmd, uint32_t k, Dms__Queue *out) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE)
            continue;
        out->wait_queue[out->n_wait_queue++] = q;
        out->wait_cmd[out->n_wait_cmd++] = cmd->wait_cmd[q];
        out->wait_back[out->n_wait_back++] = cmd->wait_back[q];
        out->n_waits[k]++;
    }
}

/* The mirror of read_call_args and read_copy_args. */
static void put_args(const dms_plan *plan, const dms_cmd *cmd, Dms__Queue *out) {
    uint32_t *arg = out->arg + out->n_arg;
    if (cmd->kind != DMS_CMD_CALL) {
        arg[0] = cmd->from;
        arg[1] = cmd->to;
        out->n_arg += 2;
        return;
    }
    const uint32_t n = plan->call[cmd->call].n_in + plan->call[cmd->call].n_out;
    arg[0] = cmd->call;
    arg[1] = cmd->step;
    arg[2] = cmd->workspace == DMS_NONE ? 0 : cmd->workspace + 1;
    for (uint32_t k = 0; k < n; k++) {
        arg[3 + 3 * k] = cmd->operand[k].buffer;
        arg[4 + 3 * k] = cmd->operand[k].first;
        arg[5 + 3 * k] = cmd->operand[k].n;
    }
    out->n_arg += 3 + 3 * (size_t)n;
}

static dms_code put_queue(const dms_plan *plan, const dms_cmd *cmd, uint32_t n, dms_arena *arena,
                          Dms__Queue *out, dms_status *st) {
    size_t n_waits = 0, n_args = 0;
    count_columns(plan, cmd, n, &n_waits, &n_args);
    const char *what = "command columns";
    DMS_TRY(dms_alloc_st(arena, n, sizeof(uint32_t), what, &out->kind, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof(uint32_t), what, &out->flags, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof(uint32_t), what, &out->n_waits, st));
    DMS_TRY(dms_alloc_st(arena, n_waits, sizeof(uint32_t), what, &out->wait_queue, st));
    DMS_TRY(dms_alloc_st(arena, n_waits, sizeof(uint32_t), what, &out->wait_cmd, st));
    DMS_TRY(dms_alloc_st(arena, n_waits, sizeof(uint32_t), what, &out->wait_back, st));
    DMS_TRY(dms_alloc_st(arena, n_args, sizeof(uint32_t), what, &out->arg, st));
    out->n_kind = out->n_flags = out->n_n_waits = n;
    for (uint32_t k = 0; k < n; k++) {
        out->kind[k] = (uint32_t)cmd[k].kind;
        out->flags[k] = (cmd[k].is_signal ? FLAG_SIGNAL : 0) | (cmd[k].is_ahead ? FLAG_AHEAD : 0);
        put_waits(&cmd[k], k, out);
        put_args(plan, &cmd[k], out);
    }
    return DMS_OK;
}

dms_code dms_plan_write_program(const dms_plan *plan, const dms_program *program, dms_arena *arena,
                                Dms__Program **out, dms_status *st) {
    Dms__Program *p;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *p, "program", &p, st));
    dms__program__init(p);
    DMS_TRY(dms_alloc_st(arena, DMS_N_QUEUES, sizeof(void *), "program", &p->queue, st));
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        DMS_TRY(dms_alloc_st(arena, 1, sizeof(Dms__Queue), "program", &p->queue[q], st));
        dms__queue__init(p->queue[q]);
        DMS_TRY(put_queue(plan, program->cmd[q], program->n_cmds[q], arena, p->queue[q], st));
    }
    p->n_queue = DMS_N_QUEUES;
    DMS_TRY(dms_alloc_st(arena, program->n_order, sizeof(uint32_t), "program", &p->order, st));
    for (uint32_t k = 0; k < program->n_order; k++)
        p->order[k] = program->order[k];
    p->n_order = program->n_order;
    *out = p;
    return DMS_OK;
}
