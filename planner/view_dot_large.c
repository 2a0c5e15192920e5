/* view_dot_large.c - above 60 steps: one box per layer; a run of equal layers becomes its first
 * two, one folded box with a column per layer, and its last two. Never more than 40 boxes. */
#include <inttypes.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/view_dot_internal.h"

#define MOST_PARTS 32u
#define SHOWN_OF_RUN 4u /* two at each end */
#define MOST_COLUMNS 80u

/* Neighbouring steps drawn as one. */
typedef struct part {
    uint32_t first, end; /* steps */
    uint32_t layer;
    dms_hash shape;                                  /* of the operators in order */
    uint64_t kept_bytes, streamed_bytes, read_bytes; /* read: streamed from nvme */
    int64_t compute_ns, stall_ns;
} part;

typedef struct picture {
    Agraph_t *graph;
    const dms_compiled *c;
    part *part;
    uint32_t n_parts;
} picture;

/* Splits the steps where the layer changes, and sums what each part holds. */
static bool make_parts(picture *p) {
    const dms_compiled *c = p->c;
    const dms_problem *problem = &c->blocks.problem;
    p->part = DMS_NEW(c->graph.arena, part, c->steps.n_steps);
    uint32_t *part_of = DMS_NEW(c->graph.arena, uint32_t, c->steps.n_steps);
    if (p->part == NULL || part_of == NULL)
        return false;
    for (uint32_t s = 0; s < c->steps.n_steps; s++) {
        if (s == 0 || problem->steps[s].layer != problem->steps[s - 1].layer)
            p->part[p->n_parts++] = (part){.first = s, .layer = problem->steps[s].layer};
        part *now = &p->part[p->n_parts - 1];
        const char *op = c->graph.node[c->steps.step[s].node].op;
        part_of[s] = p->n_parts - 1;
        now->end = s + 1;
        now->shape = dms_hash_join(now->shape, dms_hash_bytes(op, strlen(op), 0));
        now->compute_ns += c->steps.step[s].ns;
        now->stall_ns += c->decision.step_stall_ns[s];
    }
    for (uint32_t b = 0; b < problem->n_tensors; b++) {
        const dms_problem_tensor *t = &problem->tensors[b];
        bool is_kept = true;
        for (uint32_t j = 0; j < t->n_touches; j++)
            is_kept = is_kept && c->decision.keep[t->first_touch + j];
        part *at = &p->part[part_of[problem->touches[t->first_touch]]];
        if (t->kind == DMS_PROBLEM_WEIGHT)
            *(is_kept ? &at->kept_bytes : &at->streamed_bytes) += t->bytes;
        if (t->kind == DMS_PROBLEM_WEIGHT && !is_kept && dms_is_on_nvme(c, b))
            at->read_bytes += t->bytes;
    }
    return true;
}

/* Joins part b into a, its neighbour before. */
static void join(part *a, const part *b) {
    a->end = b->end;
    a->shape = dms_hash_join(a->shape, b->shape);
    a->kept_bytes += b->kept_bytes;
    a->streamed_bytes += b->streamed_bytes;
    a->read_bytes += b->read_bytes;
    a->compute_ns += b->compute_ns;
    a->stall_ns += b->stall_ns;
}

/* The longest run of neighbouring parts of equal shape. */
static uint32_t longest_run(const picture *p, uint32_t *out_first) {
    uint32_t best = 0;
    for (uint32_t i = 0; i < p->n_parts;) {
        uint32_t end = i + 1;
        while (end < p->n_parts && dms_hash_equal(p->part[end].shape, p->part[i].shape))
            end++;
        if (end - i > best) {
            best = end - i;
            *out_first = i;
        }
        i = end;
    }
    return best;
}

/* Joins neighbours in [first, end) until at most `most` are left; returns how many were lost. */
static uint32_t thin_out(picture *p, uint32_t first, uint32_t end, uint32_t most) {
    const uint32_t n = end - first;
    if (n <= most || most == 0)
        return 0;
    uint32_t at = first;
    for (uint32_t i = 0; i < n; i++) {
        const bool begins = i == 0 || (uint64_t)i * most / n != (uint64_t)(i - 1) * most / n;
        if (begins)
            p->part[at++] = p->part[first + i];
        else
            join(&p->part[at - 1], &p->part[first + i]);
    }
    memmove(&p->part[at], &p->part[end], (p->n_parts - end) * sizeof *p->part);
    p->n_parts -= end - at;
    return end - at;
}

static void add_row(dms_text *t, const char *what, const dms_dot_piece *piece, size_t n,
                    uint64_t total, const char *figure) {
    dms_text_add(t, "<TR><TD ALIGN=\"LEFT\">%s</TD><TD>", what);
    dms_text_add_bar(t, 180, 11, piece, n, total);
    dms_text_add(t, "</TD><TD ALIGN=\"RIGHT\">%s</TD></TR>", figure);
}

/* Two rows: what is kept of the weights, how much of the time is stall. */
static void add_shares(dms_text *t, const part *it) {
    char figure[96], bytes[32], time[32];
    const uint64_t weights = it->kept_bytes + it->streamed_bytes;
    const dms_dot_piece memory[] = {{it->kept_bytes, DMS_DOT_KEPT},
                                    {it->streamed_bytes - it->read_bytes, DMS_DOT_HOST},
                                    {it->read_bytes, DMS_DOT_NVME}};
    (void)snprintf(figure, sizeof figure, "%.1f %% kept of %s",
                   weights == 0 ? 0 : 100.0 * (double)it->kept_bytes / (double)weights,
                   dms_bytes_text(weights, bytes));
    add_row(t, "weights", memory, 3, weights, figure);
    const int64_t total = it->compute_ns + it->stall_ns;
    const dms_dot_piece when[] = {{(uint64_t)it->compute_ns, DMS_DOT_COMPUTE},
                                  {(uint64_t)it->stall_ns, DMS_DOT_STALL}};
    (void)snprintf(figure, sizeof figure, "%s, %.1f %% stall", dms_time_text(total, true, time),
                   total == 0 ? 0 : 100.0 * (double)it->stall_ns / (double)total);
    add_row(t, "time", when, 2, (uint64_t)total, figure);
}

/* One part as a box. */
static Agnode_t *draw_part(picture *p, const part *it) {
    dms_text t = {.used = 0};
    char name[32];
    (void)snprintf(name, sizeof name, "p%" PRIu32, it->first);
    Agnode_t *node = dms_dot_node(p->graph, name, "box", "#f5f7f9", "#9aa5b1");
    dms_text_add(&t,
                 "<TABLE BORDER=\"0\" CELLSPACING=\"1\" CELLPADDING=\"1\"><TR><TD "
                 "ALIGN=\"LEFT\" COLSPAN=\"3\"><B>layer %" PRIu32 "</B>  ",
                 it->layer);
    dms_text_add(&t, "<FONT COLOR=\"" DMS_DOT_GREY "\">steps %" PRIu32 "&#8211;%" PRIu32 " from ",
                 it->first, it->end - 1);
    dms_text_add_name(&t, p->c->graph.node[p->c->steps.step[it->first].node].name);
    dms_text_add(&t, "</FONT></TD></TR>");
    add_shares(&t, it);
    dms_text_add(&t, "</TABLE>");
    dms_dot_set_html(p->graph, node, "label", t.text);
    return node;
}

/* Ten rows of cells, a column per `per` layers: from the bottom up to their kept share blue. */
static void add_columns(dms_text *t, const picture *p, uint32_t first, uint32_t end, uint32_t per) {
    for (int row = 0; row < 10; row++) {
        dms_text_add(t, "<TR>");
        for (uint32_t i = first; i < end; i += per) {
            uint64_t kept = 0, all = 0;
            for (uint32_t k = i; k < i + per && k < end; k++) {
                kept += p->part[k].kept_bytes;
                all += p->part[k].kept_bytes + p->part[k].streamed_bytes;
            }
            const bool is_kept = all > 0 && 10.0 * (double)kept / (double)all >= 9.5 - row;
            dms_text_add(t, "<TD WIDTH=\"5\" HEIGHT=\"5\" BGCOLOR=\"%s\"></TD>",
                         is_kept ? DMS_DOT_KEPT : DMS_DOT_HOST);
        }
        dms_text_add(t, "</TR>");
    }
}

/* Equal layers as one box: a column per layer (or per few), and their sums. */
static Agnode_t *draw_fold(picture *p, uint32_t first, uint32_t end) {
    const uint32_t n = end - first, per = (n + MOST_COLUMNS - 1) / MOST_COLUMNS;
    dms_text t = {.used = 0};
    part all = p->part[first];
    for (uint32_t i = first + 1; i < end; i++)
        join(&all, &p->part[i]);
    Agnode_t *node = dms_dot_node(p->graph, "fold", "box", "#ffffff", "#9aa5b1");
    dms_dot_set(node, "peripheries", "2");
    dms_text_add(&t,
                 "<TABLE BORDER=\"0\" CELLSPACING=\"1\" CELLPADDING=\"1\"><TR><TD COLSPAN=\"3\" "
                 "ALIGN=\"LEFT\"><B>layers %" PRIu32 "&#8211;%" PRIu32 ": &#215; %" PRIu32
                 " alike</B>  <FONT COLOR=\"" DMS_DOT_GREY "\">steps %" PRIu32 "&#8211;%" PRIu32
                 "</FONT></TD></TR><TR><TD COLSPAN=\"3\" ALIGN=\"LEFT\"><TABLE BORDER=\"1\" "
                 "COLOR=\"#9aa5b1\" "
                 "CELLBORDER=\"0\" CELLSPACING=\"1\" CELLPADDING=\"0\">",
                 p->part[first].layer, p->part[end - 1].layer, n, p->part[first].first,
                 p->part[end - 1].end - 1);
    add_columns(&t, p, first, end, per);
    dms_text_add(&t,
                 "</TABLE></TD></TR><TR><TD COLSPAN=\"3\" ALIGN=\"LEFT\"><FONT "
                 "COLOR=\"" DMS_DOT_GREY "\">one column per %s, full height = 100 %% kept"
                 "</FONT></TD></TR>",
                 per == 1 ? "layer" : "few layers");
    add_shares(&t, &all);
    dms_text_add(&t, "</TABLE>");
    dms_dot_set_html(p->graph, node, "label", t.text);
    return node;
}

/* The third tier, in front of the host. */
static void draw_nvme(picture *p, Agnode_t *host, uint64_t bytes) {
    const dms_decision *d = &p->c->decision;
    dms_text t = {.used = 0};
    char a[32];
    int64_t busy = 0;
    for (uint32_t l = 0; l < d->n_loads; l++)
        busy += d->loads[l].is_read ? d->loads[l].read_ns : 0;
    dms_text_add(&t, "nvme: %s read per inference\nload queue busy %.1f %%",
                 dms_bytes_text(bytes, a), 100.0 * (double)busy / (double)d->period_ns);
    Agnode_t *nvme = dms_dot_node(p->graph, "nvme", "cylinder", DMS_DOT_NVME_FILL, DMS_DOT_NVME);
    dms_dot_set(nvme, "label", t.text);
    dms_dot_set(dms_dot_edge(p->graph, nvme, host, DMS_DOT_NVME), "style", "dashed");
}

/* Where the bytes live and what moves. */
static void draw_tiers(picture *p, Agnode_t *beside) {
    const dms_decision *d = &p->c->decision;
    const dms_tier_bytes tier = dms_weights_by_tier(p->c);
    uint64_t moved = 0;
    dms_text t = {.used = 0};
    char a[32], b[32];
    int64_t busy = 0;
    for (uint32_t l = 0; l < d->n_loads; l++) {
        moved += p->c->blocks.problem.tensors[d->loads[l].tensor].bytes;
        busy += d->loads[l].ns;
    }
    Agnode_t *host = dms_dot_node(p->graph, "host", "hexagon", DMS_DOT_HOST, DMS_DOT_LOADING);
    dms_text_add(
        &t, "host: homes of %s\n%" PRIu32 " copies in, %s per inference\nin queue busy %.1f %%",
        dms_bytes_text(tier.host, a), d->n_loads, dms_bytes_text(moved, b),
        100.0 * (double)busy / (double)d->period_ns);
    if (tier.nvme > 0) {
        dms_text_add(&t, "\nring of %s for readings", dms_bytes_text(d->ring_bytes, a));
        draw_nvme(p, host, tier.nvme);
    }
    dms_dot_set(host, "label", t.text);
    Agnode_t *device = dms_dot_node(p->graph, "device", "box", DMS_DOT_KEPT, DMS_DOT_KEPT);
    dms_text u = {.used = 0};
    const uint64_t arena = p->c->plan.device_arena;
    dms_text_add(&u, "device: %s kept,\n%s for the stream and activations",
                 dms_bytes_text(tier.device, a),
                 dms_bytes_text(arena > tier.device ? arena - tier.device : 0, b));
    dms_dot_set(device, "label", u.text);
    dms_dot_set(device, "fontcolor", "white");
    dms_dot_set(device, "peripheries", "2");
    (void)dms_dot_edge(p->graph, host, beside, DMS_DOT_LOADING);
    dms_dot_set(dms_dot_edge(p->graph, beside, device, DMS_DOT_KEPT), "arrowhead", "none");
    dms_dot_same_rank(p->graph, host, beside);
    dms_dot_same_rank(p->graph, beside, device);
}

/* What the colours mean, beneath the host. */
static void draw_legend(picture *p, Agnode_t *beside) {
    static const struct {
        const char *colour, *what;
    } ENTRY[] = {{DMS_DOT_KEPT, "kept on the device"},
                 {DMS_DOT_HOST, "streamed from the host"},
                 {DMS_DOT_NVME, "streamed from nvme"},
                 {DMS_DOT_COMPUTE, "compute"},
                 {DMS_DOT_STALL, "stall: compute waits for a copy"},
                 {DMS_DOT_ACTIVATION, "activations"}};
    dms_text t = {.used = 0};
    dms_text_add(&t, "<TABLE BORDER=\"1\" COLOR=\"#d5dae0\" CELLBORDER=\"0\" CELLSPACING=\"3\">");
    for (size_t i = 0; i < sizeof ENTRY / sizeof ENTRY[0]; i++)
        dms_text_add(&t,
                     "<TR><TD BGCOLOR=\"%s\" WIDTH=\"16\" HEIGHT=\"10\" FIXEDSIZE=\"TRUE\">"
                     "</TD><TD ALIGN=\"LEFT\">%s</TD></TR>",
                     ENTRY[i].colour, ENTRY[i].what);
    dms_text_add(&t, "</TABLE>");
    Agnode_t *legend = dms_dot_node(p->graph, "legend", "plain", "", "");
    dms_dot_set_html(p->graph, legend, "label", t.text);
    dms_dot_same_rank(p->graph, legend, beside);
    dms_dot_set(dms_dot_edge(p->graph, legend, beside, "#ffffff"), "style", "invis");
}

/* Draws all parts, the inner ones of a long run folded; returns the box in the middle, and the
 * last. */
static Agnode_t *draw_chain(picture *p, uint32_t run_first, uint32_t run, Agnode_t **out_last) {
    Agnode_t *before = NULL, *middle = NULL;
    const bool folds = run > SHOWN_OF_RUN + 1;
    for (uint32_t i = 0; i < p->n_parts; i++) {
        const bool is_fold = folds && i == run_first + SHOWN_OF_RUN / 2;
        Agnode_t *node;
        if (is_fold) {
            node = draw_fold(p, i, run_first + run - SHOWN_OF_RUN / 2);
            i = run_first + run - SHOWN_OF_RUN / 2 - 1;
        } else {
            node = draw_part(p, &p->part[i]);
        }
        if (before != NULL)
            (void)dms_dot_edge(p->graph, before, node, DMS_DOT_ACTIVATION);
        if (is_fold || (middle == NULL && i >= p->n_parts / 2))
            middle = node;
        before = node;
    }
    *out_last = before;
    return middle;
}

void dms_dot_large(Agraph_t *graph, const dms_compiled *c) {
    picture p = {.graph = graph, .c = c};
    const dms_arena_mark mark = dms_arena_here(c->graph.arena);
    char more[128];
    (void)snprintf(more, sizeof more, "%" PRIu32 " steps, %" PRIu32 " blocks.", c->steps.n_steps,
                   c->blocks.problem.n_tensors);
    dms_dot_title(graph, c, more);
    dms_dot_set(graph, "rankdir", "TB");
    if (make_parts(&p)) {
        uint32_t first = 0, run = longest_run(&p, &first);
        if (run <= SHOWN_OF_RUN + 1) {
            (void)thin_out(&p, 0, p.n_parts, MOST_PARTS);
            run = 0;
        } else {
            (void)thin_out(&p, first + run, p.n_parts, MOST_PARTS / 2);
            first -= thin_out(&p, 0, first, MOST_PARTS / 2);
        }
        Agnode_t *last;
        draw_tiers(&p, draw_chain(&p, first, run, &last));
        draw_legend(&p, last);
    }
    dms_arena_release(c->graph.arena, mark);
}
