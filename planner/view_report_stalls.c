/* view_report_stalls.c - where compute waits, and why: stalls in groups of a kind. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#define MOST_GROUPS 8u

const char *dms_report_cause(dms_stall_cause cause) {
    static const char *const NAME[DMS_N_STALL_CAUSES] = {"link", "room", "save"};
    return NAME[cause];
}

static bool is_joint(char c) {
    return c == 0 || c == '.' || c == '/' || c == '_' || c == ':';
}

/* A number counts where it is a part of the name by itself: not that of "conv1". */
const char *dms_report_role(const char *name, dms_arena *arena) {
    const size_t length = strlen(name);
    char *role = dms_alloc(arena, length + 1, 1);
    size_t n = 0;
    for (size_t i = 0; role != NULL && i < length;) {
        size_t end = i;
        while (name[end] >= '0' && name[end] <= '9')
            end++;
        if (end > i && (i == 0 || is_joint(name[i - 1])) && is_joint(name[end])) {
            role[n++] = '*';
            i = end;
            continue;
        }
        const size_t stop = end > i ? end : i + 1;
        while (i < stop)
            role[n++] = name[i++];
    }
    return role;
}

/* A stall and what it has in common with others. */
typedef struct member {
    const char *op, *role;
    dms_stall_cause cause;
    uint32_t id; /* in c->stalls.stall */
} member;

static int by_kind(const member *a, const member *b) {
    if (a->cause != b->cause)
        return a->cause < b->cause ? -1 : 1;
    const int op = strcmp(a->op, b->op);
    return op != 0 ? op : strcmp(a->role, b->role);
}

static int by_kind_and_step(const void *left, const void *right) {
    const member *a = left, *b = right;
    const int kind = by_kind(a, b);
    return kind != 0 ? kind : (a->id > b->id) - (a->id < b->id);
}

static int by_sum(const void *left, const void *right) {
    const dms_report_group *a = left, *b = right;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (a->cause > b->cause) - (a->cause < b->cause);
}

/* The flag of group k stands on one of its longest stalls, the one nearest to its share of the
 * turn, so that the flags spread. */
static void place_flag(const dms_report *r, const member *first, uint32_t k,
                       dms_report_group *group) {
    const dms_stall *stall = r->c->stalls.stall;
    const int64_t wanted = (int64_t)((double)r->turn_ns * (k + 0.5) / MOST_GROUPS);
    int64_t best = INT64_MAX;
    for (uint32_t i = 0; i < group->count; i++) {
        const dms_stall *s = &stall[first[i].id];
        const int64_t off = llabs(r->open_ns[s->step] - wanted);
        if ((double)s->ns < 0.999 * (double)group->longest_ns || off >= best)
            continue;
        best = off;
        group->flag = first[i].id;
    }
}

/* Runs of equal kind become groups; group.flag holds the place of the run until it is placed. */
static void make_groups(const dms_report *r, const member *members, dms_report_groups *out) {
    const dms_stalls *stalls = &r->c->stalls;
    for (uint32_t i = 0; i < stalls->n; i++) {
        const member *m = &members[i];
        const dms_stall *s = &stalls->stall[m->id];
        if (i == 0 || by_kind(m, m - 1) != 0)
            out->group[out->n++] = (dms_report_group){
                .cause = m->cause, .op = m->op, .role = m->role, .first = s->step, .flag = i};
        dms_report_group *group = &out->group[out->n - 1];
        group->count++;
        group->ns += s->ns;
        group->longest_ns = s->ns > group->longest_ns ? s->ns : group->longest_ns;
    }
    qsort(out->group, out->n, sizeof *out->group, by_sum);
    out->n_shown = out->n < MOST_GROUPS ? out->n : MOST_GROUPS;
    for (uint32_t k = 0; k < out->n; k++)
        place_flag(r, members + out->group[k].flag, k, &out->group[k]);
}

dms_code dms_report_group_stalls(const dms_report *report, dms_report_groups *out_groups,
                                 dms_status *st) {
    const dms_stalls *stalls = &report->c->stalls;
    member *members;
    *out_groups = (dms_report_groups){0};
    DMS_TRY(dms_alloc_st(report->arena, stalls->n, sizeof *members, "report", &members, st));
    DMS_TRY(dms_alloc_st(report->arena, stalls->n, sizeof *out_groups->group, "report",
                         &out_groups->group, st));
    for (uint32_t i = 0; i < stalls->n; i++) {
        const dms_stall *s = &stalls->stall[i];
        const dms_node *node = &report->c->graph.node[report->c->steps.step[s->step].node];
        const char *role = dms_report_role(node->name, report->arena);
        if (role == NULL)
            return dms_fail(st, DMS_EINTERNAL, "out of memory: report");
        members[i] = (member){node->op, role, s->cause, i};
    }
    qsort(members, stalls->n, sizeof *members, by_kind_and_step);
    make_groups(report, members, out_groups);
    return DMS_OK;
}

/* The three sums, as a bar and in words. */
static void put_causes(const dms_report *r) {
    const dms_stalls *s = &r->c->stalls;
    char time[32], count[32];
    dms_report_put(r,
                   "<div class=\"cause\" data-link-ns=\"%" PRId64 "\" data-room-ns=\"%" PRId64
                   "\" data-save-ns=\"%" PRId64 "\"><div class=\"bar\">",
                   s->part_ns[DMS_STALL_LINK], s->part_ns[DMS_STALL_ROOM],
                   s->part_ns[DMS_STALL_SAVE]);
    for (int k = 0; k < DMS_N_STALL_CAUSES; k++)
        dms_report_put(r, "<i class=\"%s\" style=\"width:%.2f%%\" title=\"%s %s\"></i>",
                       dms_report_cause((dms_stall_cause)k),
                       s->ns > 0 ? 100 * (double)s->part_ns[k] / (double)s->ns : 0,
                       dms_stall_cause_name((dms_stall_cause)k),
                       dms_time_text(s->part_ns[k], true, time));
    dms_report_put(r, "</div><p>");
    for (int k = 0; k < DMS_N_STALL_CAUSES; k++)
        dms_report_put(r, "<i class=\"%s\"></i>%s %s ", dms_report_cause((dms_stall_cause)k),
                       dms_stall_cause_name((dms_stall_cause)k),
                       s->part_ns[k] == 0 ? "0" : dms_time_text(s->part_ns[k], true, time));
    dms_report_put(r, "<span class=\"dim\">%s stall%s, %s</span></p></div>\n",
                   dms_count_text(s->n, count), s->n == 1 ? "" : "s",
                   dms_time_text(s->ns, true, time));
}

/* Why one stall is what it is called. */
static const char *reason_of(dms_stall_cause cause) {
    static const char *const REASON[DMS_N_STALL_CAUSES] = {
        "the queue was busy since the stall before",
        "the queue in stood idle since the stall before: its next copy had no memory yet",
        "its memory was still being copied out"};
    return REASON[cause];
}

static void put_group(const dms_report *r, const dms_report_group *g, uint32_t number) {
    const dms_stall *s = &r->c->stalls.stall[g->flag];
    char a[32], b[32], e[32], count[32], step[32];
    dms_report_put(
        r,
        "<tr data-step=\"%" PRIu32 "\" data-stall-ns=\"%" PRId64 "\" data-count=\"%" PRIu32
        "\" data-cause=\"%s\"><td><b class=\"flag s\">%" PRIu32
        "</b></td><td class=\"n\">%s</td><td class=\"n\">%s</td>",
        s->step, g->ns, g->count, dms_report_cause(g->cause), number, dms_time_text(g->ns, true, a),
        dms_report_share((double)g->ns, (double)r->c->stalls.ns, b));
    dms_report_put(r, "<td class=\"n\">%s</td><td class=\"n\">%s</td><td>",
                   dms_count_text(g->count, count), dms_time_text(g->longest_ns, true, e));
    dms_report_text(r->out, g->op);
    dms_report_put(r, " ");
    dms_report_text_cut(r->out, g->role, DMS_REPORT_NAME);
    dms_report_put(r, "</td><td class=\"n\">%s</td><td>", dms_count_text(s->step, step));
    if (s->block != DMS_NONE)
        dms_report_block_name(r, s->block);
    dms_report_put(r, "</td><td title=\"%s\"><i class=\"%s\"></i> %s</td></tr>\n",
                   reason_of(g->cause), dms_report_cause(g->cause), dms_stall_cause_name(g->cause));
}

void dms_report_stalls(const dms_report *report, const dms_report_groups *groups) {
    const dms_report *r = report;
    dms_report_put(r, "<section id=\"stalls\"><h2>Where it waits, and why</h2>");
    if (groups->n == 0) {
        dms_report_put(r, "<p class=\"lead\">It never waits: every copy hides behind compute.</p>"
                          "</section>\n");
        return;
    }
    put_causes(r);
    dms_report_put(r, "<div class=\"scroll\"><table><thead><tr><th></th><th class=\"n\">stall</th>"
                      "<th class=\"n\">of all</th><th class=\"n\">times</th><th class=\"n\">longest"
                      "</th><th>in steps like</th><th class=\"n\">step</th><th>waits for</th>"
                      "<th>cause</th></tr></thead><tbody>\n");
    for (uint32_t k = 0; k < groups->n_shown; k++)
        put_group(r, &groups->group[k], k + 1);
    dms_report_put(r, "</tbody></table></div>");
    if (groups->n > groups->n_shown)
        dms_report_put(r, "<p class=\"lead\">%" PRIu32 " smaller groups are not shown.</p>",
                       groups->n - groups->n_shown);
    dms_report_put(r, "</section>\n");
}
