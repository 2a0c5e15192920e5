/* view_report_costs.c - the weights that cost most: what is copied in for them, and who waits. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#define MOST_ROWS 10u
#define MOST_SQUARES 16u

/* A weight, or several of a kind. */
typedef struct cost {
    const char *role, *op; /* of its name; of the step that uses it first */
    uint32_t first, n;     /* blocks of the first weight */
    uint32_t n_kept, n_weights, n_loads, n_late;
    uint64_t bytes, moved_bytes;
    int64_t link_ns, lead_ns, stall_ns; /* lead: the shortest */
    int64_t cause_ns[DMS_N_STALL_CAUSES];
} cost;

/* Charges every load to its weight, and every stall to the block that arrived last. */
static void charge(const dms_report *r, const uint32_t *cost_of, cost *costs) {
    for (uint32_t q = 0; q < r->d->n_loads; q++) {
        const dms_place_load *load = &r->d->loads[q];
        if (cost_of[load->tensor] == DMS_NONE)
            continue;
        cost *c = &costs[cost_of[load->tensor]];
        const int64_t lead = r->c->stalls.start_ns[load->due] - load->start_ns;
        c->lead_ns = c->n_loads == 0 || lead < c->lead_ns ? lead : c->lead_ns;
        c->n_loads++;
        c->moved_bytes += r->problem->tensors[load->tensor].bytes;
        c->link_ns += load->ns;
    }
    for (uint32_t i = 0; i < r->c->stalls.n; i++) {
        const dms_stall *s = &r->c->stalls.stall[i];
        if (s->block == DMS_NONE || cost_of[s->block] == DMS_NONE)
            continue;
        cost *c = &costs[cost_of[s->block]];
        c->stall_ns += s->ns;
        c->n_late++;
        for (int k = 0; k < DMS_N_STALL_CAUSES; k++)
            c->cause_ns[k] += s->part_ns[k];
    }
}

/* One cost per weight; cost_of: per block, the weight's or DMS_NONE. */
static dms_code list_weights(const dms_report *r, uint32_t *cost_of, cost *costs, uint32_t *out_n,
                             dms_status *st) {
    uint32_t n = 0;
    for (uint32_t b = 0; b < r->problem->n_tensors; b++) {
        const dms_problem_tensor *t = &r->problem->tensors[b];
        uint32_t cell, cells;
        cost_of[b] = DMS_NONE;
        if (t->kind != DMS_PROBLEM_WEIGHT)
            continue;
        const char *name = dms_report_block(r, b, &cell, &cells);
        if (cell == 1) {
            const uint32_t step = r->problem->touches[t->first_touch];
            const char *role = dms_report_role(name, r->arena);
            if (role == NULL)
                return dms_fail(st, DMS_EINTERNAL, "out of memory: report");
            costs[n++] = (cost){.role = role,
                                .op = r->c->graph.node[r->c->steps.step[step].node].op,
                                .first = b,
                                .n = cells,
                                .n_weights = 1};
        }
        cost_of[b] = n - 1;
        costs[n - 1].bytes += t->bytes;
        costs[n - 1].n_kept += r->is_kept[b];
    }
    *out_n = n;
    return DMS_OK;
}

/* Equal role, size, blocks, kept blocks, and whether any step waits. */
static int by_kind(const cost *a, const cost *b) {
    const int role = strcmp(a->role, b->role), op = strcmp(a->op, b->op);
    if (role != 0 || op != 0)
        return role != 0 ? role : op;
    const uint64_t left[] = {a->bytes, a->n, a->n_kept, a->stall_ns > 0};
    const uint64_t right[] = {b->bytes, b->n, b->n_kept, b->stall_ns > 0};
    for (size_t k = 0; k < sizeof left / sizeof left[0]; k++)
        if (left[k] != right[k])
            return left[k] < right[k] ? -1 : 1;
    return 0;
}

static int by_kind_and_block(const void *left, const void *right) {
    const cost *a = left, *b = right;
    const int kind = by_kind(a, b);
    return kind != 0 ? kind : (a->first > b->first) - (a->first < b->first);
}

static int costliest_first(const void *left, const void *right) {
    const cost *a = left, *b = right;
    if (a->stall_ns != b->stall_ns)
        return a->stall_ns > b->stall_ns ? -1 : 1;
    if (a->link_ns != b->link_ns)
        return a->link_ns > b->link_ns ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

static void join(cost *into, const cost *from) {
    if (from->n_loads > 0 && (into->n_loads == 0 || from->lead_ns < into->lead_ns))
        into->lead_ns = from->lead_ns;
    into->n_weights += from->n_weights;
    into->n_loads += from->n_loads;
    into->n_late += from->n_late;
    into->bytes += from->bytes;
    into->moved_bytes += from->moved_bytes;
    into->link_ns += from->link_ns;
    into->stall_ns += from->stall_ns;
    for (int k = 0; k < DMS_N_STALL_CAUSES; k++)
        into->cause_ns[k] += from->cause_ns[k];
}

/* Equal weights become one line; returns the number of lines. A line keeps its first weight to
 * compare with: sums tell nothing of a kind. */
static uint32_t join_alike(cost *costs, uint32_t n) {
    uint32_t lines = 0;
    cost kind = {0};
    qsort(costs, n, sizeof *costs, by_kind_and_block);
    for (uint32_t i = 0; i < n; i++) {
        const cost now = costs[i];
        if (lines > 0 && by_kind(&kind, &now) == 0)
            join(&costs[lines - 1], &now);
        else
            costs[lines++] = kind = now;
    }
    qsort(costs, lines, sizeof *costs, costliest_first);
    return lines;
}

/* The blocks of the first weight: filled = kept. */
static void put_squares(const dms_report *r, const cost *c) {
    const uint32_t n = c->n < MOST_SQUARES ? c->n : MOST_SQUARES;
    dms_report_put(r, "<td class=\"sq\">");
    for (uint32_t k = 0; k < n; k++)
        dms_report_put(r, "<i class=\"%s\"></i>", r->is_kept[c->first + k] ? "kept" : "str");
    dms_report_put(r, n < c->n ? "<span class=\"dim\">…</span></td>" : "</td>");
}

static void put_reason(const dms_report *r, const cost *c) {
    char late[32], loads[32];
    dms_stall_cause cause = DMS_STALL_LINK;
    for (int k = 1; k < DMS_N_STALL_CAUSES; k++)
        if (c->cause_ns[k] > c->cause_ns[cause])
            cause = (dms_stall_cause)k;
    if (c->n_late == 0)
        dms_report_put(r, "<td>no copy came late</td></tr>\n");
    else
        dms_report_put(r, "<td>%s of %s cop%s came late: %s</td></tr>\n",
                       dms_count_text(c->n_late, late), dms_count_text(c->n_loads, loads),
                       c->n_loads == 1 ? "y" : "ies", dms_stall_cause_name(cause));
}

static void put_line(const dms_report *r, const cost *c) {
    uint32_t cell, cells;
    char a[32], b[32], link[32], lead[32], stall[32];
    const char *name = dms_report_block(r, c->first, &cell, &cells);
    dms_report_put(r, "<tr data-tensor=\"");
    dms_report_text(r->out, name);
    dms_report_put(r,
                   "\" data-alike=\"%" PRIu32 "\" data-moved-bytes=\"%" PRIu64
                   "\" data-stall-ns=\"%" PRId64 "\"><td title=\"first used by ",
                   c->n_weights, c->moved_bytes, c->stall_ns);
    dms_report_step_name(r, r->problem->touches[r->problem->tensors[c->first].first_touch]);
    dms_report_put(r, "\">");
    dms_report_text_cut(r->out, name, DMS_REPORT_NAME);
    if (c->n_weights > 1)
        dms_report_put(r, " <span class=\"dim\">and %" PRIu32 " alike</span>", c->n_weights - 1);
    dms_report_put(r, "</td><td class=\"n\">%s</td>", dms_bytes_text(c->bytes, a));
    put_squares(r, c);
    dms_report_put(r,
                   "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td>"
                   "<td class=\"n\">%s</td>",
                   dms_bytes_text(c->moved_bytes, b), dms_time_text(c->link_ns, true, link),
                   dms_time_text(c->lead_ns, true, lead),
                   c->stall_ns == 0 ? "–" : dms_time_text(c->stall_ns, true, stall));
    put_reason(r, c);
}

static void put_table(const dms_report *r, const cost *costs, uint32_t n) {
    uint32_t shown = 0;
    while (shown < n && shown < MOST_ROWS && costs[shown].n_loads > 0)
        shown++;
    dms_report_put(r, "<section id=\"cost\"><h2>The costliest weights</h2>");
    if (shown == 0) {
        dms_report_put(r, "<p class=\"lead\">All weights stay on the device; none is copied in.</p>"
                          "</section>\n");
        return;
    }
    dms_report_put(r, "<p class=\"lead\">Ordered by the stall charged to them, then by link time; "
                      "weights of one role with as many kept blocks are one row, numbers are their "
                      "sums. Squares are the blocks of one weight: filled = kept, empty = "
                      "streamed. Lead is the shortest time from the start of a copy to its use."
                      "</p>");
    dms_report_put(r, "<div class=\"scroll\"><table><thead><tr><th>weight</th><th class=\"n\">size"
                      "</th><th>blocks</th><th class=\"n\">moved</th><th class=\"n\">link time</th>"
                      "<th class=\"n\">lead</th><th class=\"n\">stall</th><th>reason</th></tr>"
                      "</thead><tbody>\n");
    for (uint32_t k = 0; k < shown; k++)
        put_line(r, &costs[k]);
    dms_report_put(r, "</tbody></table></div></section>\n");
}

dms_code dms_report_costs(const dms_report *report, dms_status *st) {
    const uint64_t blocks = report->problem->n_tensors;
    const dms_arena_mark mark = dms_arena_here(report->arena);
    uint32_t *cost_of, n = 0;
    cost *costs;
    DMS_TRY(dms_alloc_st(report->arena, blocks, sizeof *cost_of, "report", &cost_of, st));
    DMS_TRY(dms_alloc_st(report->arena, blocks, sizeof *costs, "report", &costs, st));
    DMS_TRY(list_weights(report, cost_of, costs, &n, st));
    charge(report, cost_of, costs);
    put_table(report, costs, join_alike(costs, n));
    dms_arena_release(report->arena, mark);
    return DMS_OK;
}
