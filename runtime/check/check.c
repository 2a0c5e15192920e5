/* check.c - the order of the proofs: tables, calls, order, footprints, contents. Each may rely on
 * those before it. */
#include "runtime/check/check_internal.h"

#include <inttypes.h>
#include <stdio.h>

dms_code dms_check_refuse(const dms_checker *c, const char *property, dms_cmd_at at,
                          const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const dms_cmd *cmd = dms_check_cmd(c, at);
    const char *name = "";
    if (cmd->kind == DMS_CMD_CALL && cmd->step != DMS_NONE)
        name = c->plan->step_name[c->plan->step_name_id[cmd->step]];
    return dms_fail(c->st, DMS_EPLAN, "%s: %s, queue %s, command %" PRIu32 "%s%.200s%s: %s",
                    property, at.turn < 0 ? "prologue" : "body", dms_queue_name(at.queue), at.index,
                    *name == 0 ? "" : " (", name, *name == 0 ? "" : ")", text);
}

dms_call dms_check_call(const dms_plan_call *call) {
    return (dms_call){.kernel = call->kernel,
                      .n_in = call->n_in,
                      .n_out = call->n_out,
                      .n_i = call->n_i,
                      .n_f = call->n_f,
                      .view = call->view,
                      .i = call->i,
                      .f = call->f};
}

/* Every CALL of one program. */
static dms_code check_footprints(const dms_checker *c, const dms_program *program, int32_t turn) {
    for (uint32_t k = 0; k < program->n_cmds[DMS_QUEUE_COMPUTE]; k++)
        DMS_TRY(dms_check_footprint(c, (dms_cmd_at){turn, DMS_QUEUE_COMPUTE, k}));
    return DMS_OK;
}

static dms_code prove(dms_checker *c, dms_hash *out_meaning) {
    DMS_TRY(dms_check_tables(c));
    DMS_TRY(dms_check_calls(c));
    DMS_TRY(dms_check_order(c));
    DMS_TRY(check_footprints(c, &c->plan->prologue, -1));
    DMS_TRY(check_footprints(c, &c->plan->body, 0));
    return dms_check_contents(c, out_meaning);
}

dms_code dms_check_plan(const dms_plan *plan, dms_arena *scratch, dms_hash *out_meaning,
                        dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    dms_checker c = {.plan = plan, .scratch = scratch, .st = st};
    dms_hash meaning = {0, 0};
    const dms_code code = prove(&c, &meaning);
    dms_arena_release(scratch, mark);
    if (code == DMS_OK)
        *out_meaning = meaning;
    return code;
}
