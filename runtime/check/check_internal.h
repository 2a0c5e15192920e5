/* check_internal.h - what the files of the checker share: the plan, messages, order of commands.
 *
 * Reads    a decoded plan.
 * Returns  one function per group of properties; each begins its messages with the property.
 * Cost     near-linear, see check.h.
 * Source   none.
 * Not here the proofs (check_*.c).
 */
#ifndef DMS_RUNTIME_CHECK_CHECK_INTERNAL_H
#define DMS_RUNTIME_CHECK_CHECK_INTERNAL_H

#include "runtime/check/check.h"

/* Turns of the body that are looked at; what holds for two holds for all (docs/plan-format.md). */
#define DMS_CHECK_TURNS 2u

/* Cells that the tables may name together, and that the commands of the prologue and two turns may:
 * a hundred times what the largest models have (docs/plan-format.md). They bound the memory and the
 * time that a plan of few bytes can ask for. */
#define DMS_CHECK_CELLS (1u << 20)
#define DMS_CHECK_VISITS (1u << 25)

/* Where a command stands: turn -1 is the prologue. */
typedef struct dms_cmd_at {
    int32_t turn;
    dms_queue queue;
    uint32_t index;
} dms_cmd_at;

/* A vector clock: how many commands of each queue have certainly finished. Commands of turn i count
 * from i n_q, as the timelines do; the prologue has clocks of its own. */
typedef struct dms_clock {
    uint32_t done[DMS_N_QUEUES];
} dms_clock;

/* Clocks of one program over its turns. */
typedef struct dms_order {
    const dms_program *program;
    uint32_t n_turns;
    dms_clock *clock[DMS_N_QUEUES]; /* [turn * n_cmds + index]: when the command has finished */
} dms_order;

/* One check of one plan. */
typedef struct dms_checker {
    const dms_plan *plan;
    dms_arena *scratch;
    dms_status *st;
    const dms_kernel_row **row; /* per call */
    dms_hash *call_hash;        /* per call */
    dms_order prologue, body;
} dms_checker;

/* Refuses the plan as a whole: "P7: ...". */
#define DMS_CHECK_REFUSE(c, ...) dms_fail((c)->st, DMS_EPLAN, __VA_ARGS__)

/* Refuses one command: "P3: body, queue in, command 7: ...". */
dms_code dms_check_refuse(const dms_checker *c, const char *property, dms_cmd_at at,
                          const char *fmt, ...) DMS_FORMAT(4, 5);

/* The kernel call behind a table entry. */
dms_call dms_check_call(const dms_plan_call *call);

/* The command at a place. */
static inline const dms_cmd *dms_check_cmd(const dms_checker *c, dms_cmd_at at) {
    const dms_program *program = at.turn < 0 ? &c->plan->prologue : &c->plan->body;
    return &program->cmd[at.queue][at.index];
}

/* P1: buffers and sources lie in arenas and files and have the right size.  P7: arenas fit budgets.
 * P10: names of files stay beneath their folder.
 * Errors   DMS_EPLAN beginning with the property. */
DMS_CHECKED dms_code dms_check_tables(const dms_checker *c);

/* P9 and the part of P8 that looks at calls alone; fills c->row and c->call_hash.
 * Errors   DMS_EPLAN beginning with the property; DMS_EINTERNAL out of memory. */
DMS_CHECKED dms_code dms_check_calls(dms_checker *c);

/* P8 of one command: operands, footprints, overlaps.  P7: its workspace.
 * Errors   DMS_EPLAN beginning with the property. */
DMS_CHECKED dms_code dms_check_footprint(const dms_checker *c, dms_cmd_at at);

/* P2: what may stand in which queue, waits, submission order; fills c->prologue and c->body.
 * Errors   DMS_EPLAN beginning with "P2"; DMS_EINTERNAL out of memory. */
DMS_CHECKED dms_code dms_check_order(dms_checker *c);

/* P3, P4 and P6 by going through prologue and two turns, P5 beside it.
 * Errors   DMS_EPLAN beginning with the property; DMS_EINTERNAL out of memory. */
DMS_CHECKED dms_code dms_check_contents(const dms_checker *c, dms_hash *out_meaning);

#endif
