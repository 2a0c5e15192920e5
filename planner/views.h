/* views.h - what people and programs see of a compile.
 *
 * Reads    a finished compile (dmsc.h).
 * Returns  text on a FILE that the caller owns.
 * Cost     O(steps + copies).
 * Source   the mock-ups of this project; ONNX names are escaped for each format.
 * Not here plans as text (schema/plan.h: dms_plan_print).
 */
#ifndef DMS_PLANNER_VIEWS_H
#define DMS_PLANNER_VIEWS_H

#include <stdio.h>

#include <stdbool.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_compiled dms_compiled; /* dmsc.h */
typedef struct dms_arena dms_arena;       /* schema/arena.h */
typedef struct dms_plan dms_plan;         /* schema/plan.h */
typedef struct dms_profile dms_profile;   /* schema/profile.h */
typedef struct dms_trace dms_trace;       /* schema/trace.h */

/* What only the command line can know of a compile. */
typedef struct dms_view_facts {
    int64_t compile_ms;
    uint64_t peak_rss_bytes;
    const char *plan_path; /* NULL = none written */
    const char *host_note; /* where the host budget comes from; NULL or "": given, or the profile */
    bool utf8;             /* the terminal shows more than ASCII */
} dms_view_facts;

/* The summary of the terminal: does it fit, how fast, how near to the best, what stalls. */
void dms_view_summary(const dms_compiled *c, const dms_view_facts *facts, FILE *out);

/* What fills the device over one inference, as a picture of letters for a terminal.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_view_memory(const dms_compiled *c, dms_arena *scratch, bool utf8,
                                     FILE *out, dms_status *st);

/* The keys of the --json file. */
void dms_view_json(const dms_compiled *c, const dms_view_facts *facts, FILE *out);

/* The picture of the placements, through cgraph: up to 60 steps in full, above that grouped by
 * repeated layers. For `dot -Tsvg`.
 * Errors   DMS_EINTERNAL: out of memory; a part may have been written. */
DMS_CHECKED dms_code dms_view_dot(const dms_compiled *c, FILE *out, dms_status *st);

/* One page for a browser, with nothing to fetch: time, memory, blocks, addresses, stalls, what else
 * was tried and what more memory would buy. Equal compiles give equal bytes.
 * Cost     a placement per point of its curve, some ten of them.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_view_report(const dms_compiled *c, dms_arena *scratch, FILE *out,
                                     dms_status *st);

/* Where one tensor lives, when it moves and why, in sentences: of a weight, an activation, an input
 * or output, or a view of one.
 * Errors   DMS_EUSAGE: no step reads or writes a tensor of this name; names near ones. */
DMS_CHECKED dms_code dms_view_explain(const dms_compiled *c, const char *tensor, bool utf8,
                                      FILE *out, dms_status *st);

#define DMS_MOST_POINTS 1000u

/* Period, bound and floor at up to `most` device budgets (2 to DMS_MOST_POINTS; 0 = 12), from the
 * floor to where everything stays, as CSV with a head line; times in ns.
 * Cost     a placement per budget.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_view_curve(const dms_compiled *c, uint32_t most, dms_arena *scratch,
                                    FILE *out, dms_status *st);

/* One budget of the curve. */
typedef struct dms_curve_point {
    uint64_t budget_bytes, device_bytes; /* given; taken */
    int64_t period_ns, bound_ns, compute_ns;
    int64_t rule_ns; /* of the best simple rule; 0 = none has a plan */
} dms_curve_point;

/* Up to `most` (>= 2) points of the curve, ascending by budget: from the floor to where everything
 * stays, budgets in equal ratios.
 * Shapes   out_point holds `most`.
 * Cost     a placement per point.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_curve_points(const dms_compiled *c, uint32_t most, dms_arena *scratch,
                                      dms_curve_point *out_point, uint32_t *out_n, dms_status *st);

/* When every command of the first turns is to run, as Chrome trace JSON (schema/trace.h).
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_view_trace(const dms_compiled *c, dms_arena *scratch, FILE *out,
                                    dms_status *st);

/* Runs the first turns of a plan on paper: steps take what the plan predicts, copies what the
 * links of the profile say.
 * Owner    `arena`; the plan is borrowed.
 * Errors   DMS_EINTERNAL: out of memory. */
DMS_CHECKED dms_code dms_trace_predict(const dms_plan *plan, const dms_profile *profile,
                                       uint32_t n_turns, dms_arena *arena, dms_trace *out_trace,
                                       dms_status *st);

/* Rows of the product with most work among those that read a weight: the batch x tokens of a
 * transformer. 0 where no product reads one. */
int64_t dms_rows_of_products(const dms_compiled *c);

/* Rows of the largest product of the graph x time of the link / time of the steps: the batch x
 * tokens from which copies hide behind compute; 0 where there is no product with weights. */
uint64_t dms_break_even_tokens(const dms_compiled *c);

/* What a plan waits for most. */
typedef enum dms_limit {
    DMS_LIMIT_COMPUTE, /* stalls are below 0.1 % of the period */
    DMS_LIMIT_LINK,
    DMS_LIMIT_STORAGE, /* link full, and readings take longer than copies in */
    DMS_LIMIT_ROOM,
    DMS_LIMIT_SAVE
} dms_limit;

/* The largest cause of the stalls. */
dms_limit dms_limit_of(const dms_compiled *c);

/* Bytes of weights by home: kept on the device, or streamed from the host or their file. */
typedef struct dms_tier_bytes {
    uint64_t device, host, nvme;
} dms_tier_bytes;

/* Sums the blocks of all weights by home. */
dms_tier_bytes dms_weights_by_tier(const dms_compiled *c);

/* Whether the home of block `block` is its file. */
bool dms_is_on_nvme(const dms_compiled *c, uint32_t block);

#endif
