/* view_trace.c - --trace: the plan's own commands, run on paper.
 *
 * The simulator of the placement (simulate.c) knows the steady state alone. This one walks the
 * commands of the plan, so that the first turns show as they are to run, in the lanes and under
 * the names that a measured trace has. A command begins when its queue is free and what it waits
 * for has ended; inputs are there at the begin and outputs are taken at once. What runs at the same
 * time takes as much longer as the profile says.
 */
#include "planner/blocks_internal.h"
#include "planner/contention.h"
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

/* The commands of a plan on their way through some turns. */
typedef struct walk {
    const dms_plan *plan;
    const dms_profile *profile;
    const dms_trace *trace;
    uint32_t n_turns;
    dms_lanes lanes;
    uint64_t next[DMS_N_QUEUES]; /* commands that have ended, counted on from turn to turn */
    int64_t wakes;               /* when a command may begin that waits for nothing but its lead */
} walk;

/* When everything that a command waits for has ended, and been ended for its lead; INT64_MAX while
 * something has not. */
static int64_t end_of_waits(const walk *w, uint32_t turn, const dms_cmd *cmd) {
    int64_t end = 1;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        if (cmd->wait_cmd[q] == DMS_NONE || turn < cmd->wait_back[q])
            continue;
        const int64_t ended =
            dms_trace_at(w->trace, turn - cmd->wait_back[q], (dms_queue)q, cmd->wait_cmd[q])
                ->end_ns;
        const int64_t ready = ended + (q == DMS_QUEUE_LOAD ? w->profile->lead_ns : 0);
        if (ended == 0)
            return INT64_MAX;
        end = ready > end ? ready : end;
    }
    return end;
}

/* Begins the next command of an idle queue where nothing is in its way. */
static void try_queue(walk *w, uint32_t q) {
    const uint64_t n = w->plan->body.n_cmds[q];
    if (w->lanes.running >> q & 1 || n == 0 || w->next[q] / n >= w->n_turns)
        return;
    const uint32_t turn = (uint32_t)(w->next[q] / n), k = (uint32_t)(w->next[q] % n);
    const dms_cmd *cmd = &w->plan->body.cmd[q][k];
    const int64_t begin = end_of_waits(w, turn, cmd);
    if (begin > w->lanes.now) {
        w->wakes = begin < w->wakes ? begin : w->wakes;
        return;
    }
    dms_trace_at(w->trace, turn, (dms_queue)q, k)->begin_ns = w->lanes.now;
    dms_lanes_start(&w->lanes, q, predict(w->plan, w->profile, (dms_queue)q, cmd));
}

/* Ends what ends next. Returns false when nothing runs any more. */
static bool advance(walk *w) {
    w->wakes = INT64_MAX;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        try_queue(w, q);
    if (w->lanes.running == 0 && w->wakes == INT64_MAX)
        return false;
    const uint32_t ended = dms_lanes_advance(&w->lanes, w->wakes);
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++) {
        const uint64_t n = w->plan->body.n_cmds[q];
        if (!(ended >> q & 1))
            continue;
        dms_trace_at(w->trace, (uint32_t)(w->next[q] / n), (dms_queue)q, (uint32_t)(w->next[q] % n))
            ->end_ns = w->lanes.now;
        w->next[q]++;
    }
    return true;
}

dms_code dms_trace_predict(const dms_plan *plan, const dms_profile *profile, uint32_t n_turns,
                           dms_arena *arena, dms_trace *out_trace, dms_status *st) {
    DMS_TRY(dms_trace_new(plan, n_turns, arena, out_trace, st));
    walk w = {.plan = plan, .profile = profile, .trace = out_trace, .n_turns = n_turns};
    dms_lanes_begin(&profile->contention, 1, &w.lanes); /* from 1 on: 0 means "did not run" */
    while (advance(&w))
        ;
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
