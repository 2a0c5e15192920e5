/* trace.h - when did, or should, every command of a plan run, and what was in memory meanwhile?
 *
 * Reads    a plan, and begin and end of each command of its first turns: predicted or measured.
 * Returns  Chrome trace JSON, which Perfetto and chrome://tracing show; one writer for both, so
 *          that the two have the same lanes, names and counters.
 * Cost     O(turns x operands) time, O(turns x commands + buffers) memory.
 * Source   the Trace Event Format, its JSON object form; times in microseconds.
 * Not here where the times come from: planner/view_trace.c predicts, runtime/engine.c measures.
 */
#ifndef DMS_SCHEMA_TRACE_H
#define DMS_SCHEMA_TRACE_H

#include <stdio.h>

#include "schema/plan.h"

#define DMS_TRACE_TURNS 3u /* what the programs show: the first turn and two steady ones */

/* When one command ran. end_ns 0: it did not run. */
typedef struct dms_trace_span {
    int64_t begin_ns, end_ns;
} dms_trace_span;

/* The first turns of a plan's body. Made by dms_trace_new. */
typedef struct dms_trace {
    const dms_plan *plan;
    uint32_t n_turns;
    uint32_t first_cmd[DMS_N_QUEUES]; /* of each queue, among the commands of a turn */
    uint32_t n_cmds;                  /* of a turn, all queues */
    dms_trace_span *span;             /* n_turns x n_cmds */
} dms_trace;

/* From `at_ns` on (until the next one) an arena holds so many live bytes. */
typedef struct dms_trace_level {
    int64_t at_ns;
    uint64_t bytes;
} dms_trace_level;

/* Allocates a trace in which nothing has run.
 * Owner    `arena`; the plan is borrowed.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_trace_new(const dms_plan *plan, uint32_t n_turns, dms_arena *arena,
                                   dms_trace *out_trace, dms_status *st);

/* The span of command `k` of a queue in a turn below n_turns. */
dms_trace_span *dms_trace_at(const dms_trace *trace, uint32_t turn, dms_queue queue, uint32_t k);

/* Earliest begin and latest end of all that ran; 0 and 0 where nothing did. */
dms_trace_span dms_trace_window(const dms_trace *trace);

/* How full an arena was over the window: a buffer is live from the begin of what writes it to the
 * end of its last reader, or, where the body never writes it, all the time. Ascending in time,
 * neighbours differ.
 * Owner    `arena`.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_trace_levels(const dms_trace *trace, dms_tier tier, dms_arena *arena,
                                      dms_trace_level **out_levels, uint32_t *out_n,
                                      dms_status *st);

/* Writes the trace: a lane per queue, a counter per arena, the seams between turns. `what` stands
 * in the title ("predicted", "measured"); `kernel_name` maps a kernel id to its name.
 * Errors   DMS_EINTERNAL: out of memory. What the stream says is the caller's to ask. */
DMS_CHECKED dms_code dms_trace_write(const dms_trace *trace, const char *what,
                                     const char *(*kernel_name)(uint32_t), dms_arena *scratch,
                                     FILE *out, dms_status *st);

#endif
