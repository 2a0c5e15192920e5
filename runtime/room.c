/* room.c - is there memory for the arenas, and how long may a turn take? Asked before anything is
 * loaded: arenas are taken page by page as they are written, and who runs out of memory then is
 * killed without a word. A card has memory of its own, and is asked for it by its device. */
#include <inttypes.h>
#include <stdio.h>

#include "runtime/kernels/kernel.h"
#include "runtime/session.h"
#include "schema/checked.h"

/* What one command takes. */
static uint64_t work_of(const dms_plan *plan, const dms_cmd *cmd) {
    if (cmd->kind == DMS_CMD_CALL) {
        const dms_plan_call *c = &plan->call[cmd->call];
        const dms_call call = {c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
        return dms_call_work(&call);
    }
    if (cmd->kind == DMS_CMD_LOAD)
        return dms_view_bytes(&plan->source[cmd->from].view);
    return plan->buffer[cmd->kind == DMS_CMD_TO_USER ? cmd->from : cmd->to].bytes;
}

uint64_t dms_plan_work(const dms_plan *plan) {
    const dms_program *program[] = {&plan->prologue, &plan->body};
    uint64_t sum = 0;
    for (int p = 0; p < 2; p++)
        for (int q = 0; q < DMS_N_QUEUES; q++)
            for (uint32_t k = 0; k < program[p]->n_cmds[q]; k++)
                if (!dms_add(sum, work_of(plan, &program[p]->cmd[q][k]), &sum))
                    return UINT64_MAX;
    return sum;
}

/* "the container's limit of N bytes leaves M", or what the machine has. */
static void name_reason(const dms_machine *machine, uint64_t free_bytes, char out[160]) {
    if (machine->limit_bytes != UINT64_MAX && machine->left_bytes == free_bytes)
        (void)snprintf(out, 160,
                       "the container's limit of %" PRIu64 " bytes leaves %" PRIu64 " bytes",
                       machine->limit_bytes, free_bytes);
    else
        (void)snprintf(out, 160, "this machine has %" PRIu64 " bytes free", free_bytes);
}

dms_code dms_room_check(const dms_plan *plan, uint64_t outside_bytes, const dms_machine *machine,
                        dms_status *st) {
    const uint64_t all = machine->available_bytes + machine->swap_bytes;
    const uint64_t free_bytes = machine->left_bytes < all ? machine->left_bytes : all;
    const uint64_t left = free_bytes > outside_bytes ? free_bytes - outside_bytes : 0;
    const uint64_t device = plan->device_kind == DMS_DEVICE_CPU ? plan->device_arena : 0;
    char reason[160];
    if (all == 0 || (plan->host_arena <= left && device <= left - plan->host_arena))
        return DMS_OK; /* or a system that does not tell */
    name_reason(machine, free_bytes, reason);
    if (plan->host_arena > left)
        return dms_fail(st, DMS_EBUDGET,
                        "the plan's host arena takes %" PRIu64 " bytes, but %s: compile with "
                        "--host-mem %" PRIu64,
                        plan->host_arena, reason, left > device ? left - device : 0);
    const uint64_t fits = left - plan->host_arena;
    const bool is_below = fits < plan->floor_bytes;
    return dms_fail(st, DMS_EDEVICE,
                    "device arena %" PRIu64 ", host arena %" PRIu64 " and %" PRIu64
                    " bytes beside them do not fit: %s%s%" PRIu64,
                    plan->device_arena, plan->host_arena, outside_bytes, reason,
                    is_below ? ", less than at the model's floor, --device-mem "
                             : ": compile with --device-mem ",
                    is_below ? plan->floor_bytes : fits);
}
