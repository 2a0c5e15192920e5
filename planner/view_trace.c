/* view_trace.c - --trace: the plan's own commands, run on paper.
 *
 * The simulator of the placement (simulate.c) knows the steady state alone. This one walks the
 * commands of the plan, so that the first turns show as they are to run, in the lanes and under
 * the names that a measured trace has. A command begins when its queue is free and what it waits
 * for has ended; inputs are there at the begin and outputs are taken at once.
 */
#include "planner/blocks_internal.h"
#include "planner/dmsc.h"
#include "planner/place_internal.h"
#include "planner/views.h"
#include "runtime/kernels/kernel.h"
#include "schema/trace.h"

static const char *kernel_name(uint32_t id) {
    const dms_kernel_row *row = dms_kernel_row_find(id);
    return row == NULL ? "unknown" : row->name;
}

/* What the profile says that a command takes. No default: a new kind must be handled here. */
static int64_t predict(const dms_plan *plan, const dms_profile *profile, dms_queue queue,
                       const dms_cmd *cmd) {
    const dms_link *const LINK[DMS_N_QUEUES] = {NULL, &profile->in, &profile->out, &profile->load,
                                                &profile->store};
    switch (cmd->kind) {
    case DMS_CMD_CALL:
        return plan->step_ns[cmd->step];
    case DMS_CMD_COPY:
    case DMS_CMD_FROM_USER:
        return dms_copy_ns(LINK[queue], plan->buffer[cmd->to].bytes);
    case DMS_CMD_TO_USER:
        return dms_copy_ns(LINK[queue], plan->buffer[cmd->from].bytes);
    case DMS_CMD_LOAD:
        return dms_copy_ns(LINK[queue], dms_blocks_storage_bytes(&plan->source[cmd->from]));
    case DMS_N_CMD_KINDS:
        break;
    }
    return 0;
}

/* When everything that a command waits for has ended. */
static int64_t end_of_waits(const dms_trace *trace, uint32_t turn, const dms_cmd *cmd) {
    int64_t end = 1;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE || turn < cmd->wait_back[q])
            continue;
        const int64_t ended =
            dms_trace_at(trace, turn - cmd->wait_back[q], (dms_queue)q, cmd->wait_cmd[q])->end_ns;
        if (ended > end)
            end = ended;
    }
    return end;
}

dms_code dms_trace_predict(const dms_plan *plan, const dms_profile *profile, uint32_t n_turns,
                           dms_arena *arena, dms_trace *out_trace, dms_status *st) {
    DMS_TRY(dms_trace_new(plan, n_turns, arena, out_trace, st));
    int64_t is_free[DMS_N_QUEUES] = {1, 1, 1, 1,
                                     1}; /* the clock starts at 1: 0 means "did not run" */
    for (uint32_t turn = 0; turn < n_turns; turn++) {
        uint32_t next[DMS_N_QUEUES] = {0};
        for (uint32_t i = 0; i < plan->body.n_order; i++) {
            const dms_queue q = (dms_queue)plan->body.order[i];
            const uint32_t k = next[q]++;
            const dms_cmd *cmd = &plan->body.cmd[q][k];
            int64_t begin = end_of_waits(out_trace, turn, cmd);
            if (begin < is_free[q])
                begin = is_free[q];
            is_free[q] = begin + predict(plan, profile, q, cmd);
            *dms_trace_at(out_trace, turn, q, k) = (dms_trace_span){begin, is_free[q]};
        }
    }
    return DMS_OK;
}

dms_code dms_view_trace(const dms_compiled *c, dms_arena *scratch, FILE *out, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    dms_trace trace;
    dms_code code = dms_trace_predict(&c->plan, &c->profile, DMS_TRACE_TURNS, scratch, &trace, st);
    if (code == DMS_OK)
        code = dms_trace_write(&trace, "predicted", kernel_name, scratch, out, st);
    dms_arena_release(scratch, mark);
    return code;
}
