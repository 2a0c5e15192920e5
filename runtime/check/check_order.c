/* check_order.c - P2: no deadlock, and which command has certainly finished when another runs.
 *
 * The submission order is a topological order of queue order and waits, so it proves that they have
 * no cycle. Along it each command's vector clock is the largest of the clocks it waits for:
 *
 *     in      L0 --------- L1        clock(C1) = { compute 2, in 2 }: C1 runs after C0, L0 and L1
 *               \           \
 *     compute    C0 -------- C1
 */
#include "runtime/check/check_internal.h"

#include <inttypes.h>

/* Where the data of a command come from and go to. */
typedef enum place { ON_DEVICE, ON_HOST, IN_FILE, WITH_USER } place;

static place buffer_place(const dms_plan *plan, uint32_t buffer) {
    return plan->buffer[buffer].arena == DMS_TIER_DEVICE ? ON_DEVICE : ON_HOST;
}

/* Which two places a command moves data between; calls stay on the device. */
static void places_of(const dms_plan *plan, const dms_cmd *cmd, place *from, place *to) {
    const bool is_load = cmd->kind == DMS_CMD_LOAD;
    *from = cmd->kind == DMS_CMD_FROM_USER ? WITH_USER
            : is_load                      ? IN_FILE
                                           : buffer_place(plan, cmd->from);
    *to = cmd->kind == DMS_CMD_TO_USER ? WITH_USER : buffer_place(plan, cmd->to);
}

/* Whether a queue carries this command. Queues are directions: a copy in the wrong one would move
 * bytes that its device never looks for. */
static bool queue_carries(const dms_plan *plan, dms_cmd_at at, const dms_cmd *cmd) {
    if (at.queue == DMS_QUEUE_COMPUTE || cmd->kind == DMS_CMD_CALL)
        return at.queue == DMS_QUEUE_COMPUTE && cmd->kind == DMS_CMD_CALL;
    place from, to;
    places_of(plan, cmd, &from, &to);
    const bool is_body = at.turn >= 0;
    const bool host_writes_device = !is_body && plan->device_kind == DMS_DEVICE_CPU;
    switch (at.queue) {
    case DMS_QUEUE_IN:
        return to == ON_DEVICE && (from == ON_HOST || (from == WITH_USER && is_body));
    case DMS_QUEUE_OUT:
        return from == ON_DEVICE && (to == ON_HOST || (to == WITH_USER && is_body));
    case DMS_QUEUE_LOAD:
        return from == IN_FILE && (to == ON_HOST || (to == ON_DEVICE && host_writes_device));
    case DMS_QUEUE_COMPUTE:
    case DMS_QUEUE_STORE:
    case DMS_N_QUEUES:
        break;
    }
    return false;
}

/* What runs on while the user is idle, and what the last turn skips, moves weights and no more. */
static bool may_run_ahead(const dms_plan *plan, const dms_cmd *cmd) {
    return cmd->kind == DMS_CMD_LOAD ||
           (cmd->kind == DMS_CMD_COPY &&
            plan->tensor[plan->buffer[cmd->from].tensor].kind == DMS_TENSOR_WEIGHT);
}

/* The reader has shown most of this for files; a plan that was just made comes here directly. */
static dms_code check_command(const dms_checker *c, dms_cmd_at at) {
    const dms_cmd *cmd = dms_check_cmd(c, at);
    const dms_program *program = at.turn < 0 ? &c->plan->prologue : &c->plan->body;
    if (!queue_carries(c->plan, at, cmd))
        return dms_check_refuse(c, "P2", at, "this queue does not carry such a command");
    if (cmd->is_ahead && (at.turn < 0 || !may_run_ahead(c->plan, cmd)))
        return dms_check_refuse(c, "P2", at,
                                "only weights on their way to the next turn run ahead");
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE)
            continue;
        if (q == (uint32_t)at.queue || cmd->wait_cmd[q] >= program->n_cmds[q] ||
            cmd->wait_back[q] > (at.turn < 0 ? 0 : 1))
            return dms_check_refuse(c, "P2", at, "its wait on queue %s names no command",
                                    dms_queue_name((dms_queue)q));
        if (!program->cmd[q][cmd->wait_cmd[q]].is_signal)
            return dms_check_refuse(c, "P2", at, "waits for %s %" PRIu32 ", which does not signal",
                                    dms_queue_name((dms_queue)q), cmd->wait_cmd[q]);
    }
    return DMS_OK;
}

static void clock_join(dms_clock *into, const dms_clock *other) {
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (into->done[q] < other->done[q])
            into->done[q] = other->done[q];
}

/* Sets the clock of one command from those before it; `next` counts what was submitted so far. */
static dms_code set_clock(const dms_checker *c, const dms_order *order, dms_cmd_at at,
                          const uint32_t *next) {
    const dms_program *program = order->program;
    const dms_cmd *cmd = &program->cmd[at.queue][at.index];
    const uint32_t turn = at.turn < 0 ? 0 : (uint32_t)at.turn;
    const uint32_t self = turn * program->n_cmds[at.queue] + at.index;
    dms_clock clock = {{0}};
    if (self > 0)
        clock = order->clock[at.queue][self - 1];
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE || cmd->wait_back[q] > turn)
            continue;
        const uint32_t k = (turn - cmd->wait_back[q]) * program->n_cmds[q] + cmd->wait_cmd[q];
        if (k >= turn * program->n_cmds[q] + next[q])
            return dms_check_refuse(c, "P2", at,
                                    "waits for %s %" PRIu32 ", which is submitted later",
                                    dms_queue_name((dms_queue)q), cmd->wait_cmd[q]);
        clock_join(&clock, &order->clock[q][k]);
    }
    clock.done[at.queue] = self + 1;
    order->clock[at.queue][self] = clock;
    return DMS_OK;
}

static dms_code set_clocks(const dms_checker *c, const dms_order *order, int32_t first_turn) {
    for (uint32_t t = 0; t < order->n_turns; t++) {
        uint32_t next[DMS_N_QUEUES] = {0};
        for (uint32_t k = 0; k < order->program->n_order; k++) {
            const dms_queue queue = (dms_queue)order->program->order[k];
            const dms_cmd_at at = {first_turn + (int32_t)t, queue, next[queue]};
            DMS_TRY(set_clock(c, order, at, next));
            next[queue]++;
        }
    }
    return DMS_OK;
}

static dms_code check_program(const dms_checker *c, const dms_program *program, int32_t turn,
                              dms_order *out) {
    const uint32_t n_turns = turn < 0 ? 1 : DMS_CHECK_TURNS;
    dms_order order = {.program = program, .n_turns = n_turns};
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (program->n_cmds[q] > INT32_MAX / n_turns)
            return DMS_CHECK_REFUSE(c, "P2: queue %s has %" PRIu32 " commands",
                                    dms_queue_name((dms_queue)q), program->n_cmds[q]);
        DMS_TRY(dms_alloc_st(c->scratch, (uint64_t)n_turns * program->n_cmds[q], sizeof(dms_clock),
                             "clocks", &order.clock[q], c->st));
        for (uint32_t k = 0; k < program->n_cmds[q]; k++)
            DMS_TRY(check_command(c, (dms_cmd_at){turn, (dms_queue)q, k}));
    }
    DMS_TRY(set_clocks(c, &order, turn));
    *out = order;
    return DMS_OK;
}

dms_code dms_check_order(dms_checker *c) {
    DMS_TRY(check_program(c, &c->plan->prologue, -1, &c->prologue));
    return check_program(c, &c->plan->body, 0, &c->body);
}
