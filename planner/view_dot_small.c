/* view_dot_small.c - up to 60 steps in full: rows are steps, kept weights stand left of the step
 * that uses them first, streamed ones right, in the row of the slot where their copy may start. */
#include <inttypes.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/view_dot_internal.h"

#define BAR_POINTS 210
#define KEPT_NAMED 2u

typedef struct picture {
    Agraph_t *graph;
    const dms_compiled *c;
    Agnode_t *step[64];
    uint64_t kept[64], streamed[64], activation[64]; /* bytes on the device during each step */
} picture;

/* Adds the bytes of every residency to the steps it covers. */
static void sum_bytes(picture *p) {
    const dms_decision *d = &p->c->decision;
    const int32_t T = (int32_t)p->c->steps.n_steps;
    for (uint32_t r = 0; r < d->n_residencies; r++) {
        const dms_place_residency *res = &d->residencies[r];
        const dms_problem_tensor *t = &p->c->blocks.problem.tensors[res->tensor];
        const bool is_weight = t->kind == DMS_PROBLEM_WEIGHT;
        uint64_t *sum = !is_weight                       ? p->activation
                        : res->gap == DMS_PLACE_PRODUCED ? p->kept
                                                         : p->streamed;
        for (int32_t slot = res->first_slot; slot <= res->last_slot; slot++)
            sum[(slot % T + T) % T] += t->bytes;
    }
}

static void draw_steps(picture *p) {
    const dms_compiled *c = p->c;
    for (uint32_t s = 0; s < c->steps.n_steps; s++) {
        const dms_step *step = &c->steps.step[s];
        const dms_node *node = &c->graph.node[step->node];
        const int64_t stall = c->decision.step_stall_ns[s];
        dms_text t = {.used = 0};
        char name[32], time[32];
        (void)snprintf(name, sizeof name, "s%" PRIu32, s);
        p->step[s] = dms_dot_node(p->graph, name, "box", "#eef1f4", "#1b1f24");
        dms_dot_set(p->step[s], "group", "steps");
        dms_text_add(&t,
                     "<TABLE BORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"1\"><TR><TD "
                     "ALIGN=\"LEFT\"><B>%" PRIu32 "  ",
                     s);
        dms_text_add_name(&t, node->op);
        dms_text_add(&t, "</B> ");
        dms_text_add_name(&t, node->name);
        dms_text_add(&t, " <FONT COLOR=\"" DMS_DOT_GREY "\">%s</FONT></TD></TR>",
                     dms_time_text(step->ns, true, time));
        if (stall > 0) {
            dms_dot_set(p->step[s], "color", DMS_DOT_STALL);
            dms_dot_set(p->step[s], "penwidth", "3");
            dms_text_add(&t,
                         "<TR><TD ALIGN=\"LEFT\"><FONT COLOR=\"" DMS_DOT_STALL
                         "\"><B>stall %s</B></FONT></TD></TR>",
                         dms_time_text(stall, true, time));
        }
        const dms_dot_piece piece[] = {{p->kept[s], DMS_DOT_KEPT},
                                       {p->activation[s], DMS_DOT_ACTIVATION},
                                       {p->streamed[s], DMS_DOT_STREAMED},
                                       {step->workspace_bytes, DMS_DOT_WORKSPACE}};
        dms_text_add(&t, "<TR><TD ALIGN=\"LEFT\">");
        dms_text_add_bar(&t, BAR_POINTS, 7, piece, 4, c->plan.device_arena);
        dms_text_add(&t, "</TD></TR></TABLE>");
        dms_dot_set_html(p->graph, p->step[s], "label", t.text);
        if (s > 0) {
            Agedge_t *order = dms_dot_edge(p->graph, p->step[s - 1], p->step[s], "#ffffff");
            dms_dot_set(order, "style", "invis");
            dms_dot_set(order, "weight", "50");
        }
    }
}

/* An edge from the step that makes a tensor to each that reads it. */
static void draw_activation(picture *p, uint32_t tensor) {
    const dms_steps *steps = &p->c->steps;
    const dms_step_tensor *t = &steps->tensor[tensor];
    bool is_labelled = false;
    for (uint32_t s = t->first_step + 1; s <= t->last_step; s++) {
        const dms_call *call = &steps->call[steps->step[s].call];
        bool reads = false;
        for (uint32_t k = 0; k < call->n_in; k++)
            reads = reads || steps->step[s].operand[k].tensor == tensor;
        if (!reads)
            continue;
        Agedge_t *edge =
            dms_dot_edge(p->graph, p->step[t->first_step], p->step[s], DMS_DOT_ACTIVATION);
        if (is_labelled)
            continue;
        dms_text label = {.used = 0};
        char bytes[32];
        dms_text_add(&label, "  ");
        if (t->over != DMS_NONE)
            dms_text_add(&label, "in place");
        else
            dms_text_add_name(&label, t->plan.name);
        dms_text_add(&label, "  %s", dms_bytes_text(t->bytes, bytes));
        dms_dot_set_html(p->graph, edge, "label", label.text);
        dms_dot_set(edge, "fontcolor", DMS_DOT_ACTIVATION);
        is_labelled = true;
    }
}

/* All weights kept for a step that uses them first, as one node. */
static void draw_kept(picture *p, uint32_t step) {
    const dms_decision *d = &p->c->decision;
    const dms_problem *problem = &p->c->blocks.problem;
    uint32_t n = 0;
    uint64_t total = 0;
    dms_text t = {.used = 0};
    char bytes[32], name[32];
    for (uint32_t r = 0; r < d->n_residencies; r++) {
        const dms_place_residency *res = &d->residencies[r];
        const dms_problem_tensor *b = &problem->tensors[res->tensor];
        if (b->kind != DMS_PROBLEM_WEIGHT || res->gap != DMS_PLACE_PRODUCED ||
            problem->touches[b->first_touch] != step)
            continue;
        if (n < KEPT_NAMED) {
            dms_text_add_name(&t, b->label);
            dms_text_add(&t, "<BR/>%s  kept at %" PRIu64 "<BR/>", dms_bytes_text(b->bytes, bytes),
                         res->offset);
        }
        total += b->bytes;
        n++;
    }
    if (n == 0)
        return;
    if (n > KEPT_NAMED)
        dms_text_add(&t, "%" PRIu32 " kept here, %s", n, dms_bytes_text(total, bytes));
    (void)snprintf(name, sizeof name, "k%" PRIu32, step);
    Agnode_t *node = dms_dot_node(p->graph, name, "box", DMS_DOT_KEPT, DMS_DOT_KEPT);
    dms_dot_set(node, "peripheries", "2");
    dms_dot_set(node, "fontcolor", "white");
    dms_dot_set_html(p->graph, node, "label", t.text);
    dms_dot_same_rank(p->graph, node, p->step[step]);
    dms_dot_set(dms_dot_edge(p->graph, node, p->step[step], DMS_DOT_KEPT), "arrowhead", "none");
}

/* One copy from the host: a streamed weight, an activation that comes back, or an input. */
static void draw_load(picture *p, uint32_t load) {
    const dms_place_load *l = &p->c->decision.loads[load];
    const dms_problem_tensor *b = &p->c->blocks.problem.tensors[l->tensor];
    const int32_t T = (int32_t)p->c->steps.n_steps, slot = l->after + 1;
    const uint32_t row = (uint32_t)(slot < 0 ? slot + T : slot % T);
    const bool is_input = b->kind == DMS_PROBLEM_INPUT;
    dms_text t = {.used = 0};
    char bytes[32], name[32];
    (void)snprintf(name, sizeof name, "l%" PRIu32, load);
    Agnode_t *node =
        is_input ? dms_dot_node(p->graph, name, "invhouse", DMS_DOT_PORT, DMS_DOT_ACTIVATION)
                 : dms_dot_node(p->graph, name, "hexagon", DMS_DOT_HOST, DMS_DOT_LOADING);
    dms_dot_set(node, "margin", "0,0.02");
    dms_text_add(&t, is_input ? "input  " : "");
    dms_text_add_name(&t, b->label);
    dms_text_add(&t, "<BR/>%s%s", dms_bytes_text(b->bytes, bytes),
                 is_input                        ? ""
                 : l->is_read                    ? "  streamed, read from nvme"
                 : b->kind == DMS_PROBLEM_WEIGHT ? "  streamed, home host"
                                                 : "  comes back from the host");
    const bool is_late = row == l->due;
    if (is_late)
        dms_text_add(&t, "<BR/>in: slot %" PRIu32 " &#8594; step %" PRIu32, row, l->due);
    dms_dot_set_html(p->graph, node, "label", t.text);
    dms_dot_same_rank(p->graph, p->step[row], node);
    if (is_late) { /* a flat edge with label and headport would lose its arrow head */
        Agedge_t *edge = dms_dot_edge(p->graph, p->step[row], node, DMS_DOT_LOADING);
        dms_dot_set(edge, "dir", "back");
        return;
    }
    Agedge_t *edge = dms_dot_edge(p->graph, node, p->step[l->due], DMS_DOT_LOADING);
    dms_text label = {.used = 0};
    dms_text_add(&label, "  in: slot %" PRIu32 "%s &#8594; step %" PRIu32, row,
                 slot < 0 ? " of the inference before" : "", l->due);
    dms_dot_set_html(p->graph, edge, "label", label.text);
    dms_dot_set(edge, "fontcolor", "#8a5a00");
    dms_dot_set(edge, "weight", "0");
    dms_dot_set(edge, "constraint", "false");
}

/* One copy to the host or to the user. */
static void draw_save(picture *p, uint32_t save) {
    const dms_place_save *s = &p->c->decision.saves[save];
    const dms_problem_tensor *b = &p->c->blocks.problem.tensors[s->tensor];
    dms_text t = {.used = 0};
    char bytes[32], name[32];
    (void)snprintf(name, sizeof name, "o%" PRIu32, save);
    Agnode_t *node = dms_dot_node(p->graph, name, "house", DMS_DOT_PORT, DMS_DOT_ACTIVATION);
    dms_text_add(&t, b->kind == DMS_PROBLEM_OUTPUT ? "output  " : "saved  ");
    dms_text_add_name(&t, b->label);
    dms_text_add(&t, "<BR/>%s", dms_bytes_text(b->bytes, bytes));
    dms_dot_set_html(p->graph, node, "label", t.text);
    Agedge_t *edge = dms_dot_edge(p->graph, p->step[s->after], node, DMS_DOT_OUT);
    dms_text label = {.used = 0};
    dms_text_add(&label, "  out: after step %" PRIu32, s->after);
    dms_dot_set(edge, "label", label.text);
    dms_dot_set(edge, "fontcolor", DMS_DOT_OUT);
}

static void draw_legend(picture *p) {
    static const struct {
        const char *colour, *what;
    } ENTRY[] = {
        {DMS_DOT_KEPT, "kept weight (double box)"}, {DMS_DOT_STREAMED, "streamed weight"},
        {DMS_DOT_ACTIVATION, "activation"},         {DMS_DOT_WORKSPACE, "workspace"},
        {DMS_DOT_HOST, "home host (hexagon)"},      {DMS_DOT_STALL, "stall (thick frame)"}};
    dms_text t = {.used = 0};
    char bytes[32];
    dms_text_add(&t, "<TABLE BORDER=\"1\" COLOR=\"#d5dae0\" CELLBORDER=\"0\" CELLSPACING=\"3\">");
    for (size_t i = 0; i < sizeof ENTRY / sizeof ENTRY[0]; i++)
        dms_text_add(&t,
                     "%s<TD BGCOLOR=\"%s\" WIDTH=\"16\" HEIGHT=\"10\" FIXEDSIZE=\"TRUE\"></TD>"
                     "<TD ALIGN=\"LEFT\">%s</TD>%s",
                     i % 3 == 0 ? "<TR>" : "", ENTRY[i].colour, ENTRY[i].what,
                     i % 3 == 2 ? "</TR>" : "");
    dms_text_add(&t,
                 "<TR><TD COLSPAN=\"6\" ALIGN=\"LEFT\"><FONT COLOR=\"" DMS_DOT_GREY
                 "\">bar in a step: what fills the %s of the device during it</FONT></TD></TR>"
                 "</TABLE>",
                 dms_bytes_text(p->c->plan.device_arena, bytes));
    Agnode_t *legend = dms_dot_node(p->graph, "legend", "plain", "", "");
    dms_dot_set_html(p->graph, legend, "label", t.text);
    Agedge_t *edge = dms_dot_edge(p->graph, p->step[p->c->steps.n_steps - 1], legend, "#ffffff");
    dms_dot_set(edge, "style", "invis");
}

void dms_dot_small(Agraph_t *graph, const dms_compiled *c) {
    picture p = {.graph = graph, .c = c};
    dms_dot_title(graph, c, "Steps run top to bottom, then from the top again.");
    dms_dot_set(graph, "rankdir", "TB");
    dms_dot_set(graph, "nodesep", "0.35");
    dms_dot_set(graph, "ranksep", "0.32");
    sum_bytes(&p);
    draw_steps(&p);
    for (uint32_t s = 0; s < c->steps.n_steps; s++)
        draw_kept(&p, s);
    for (uint32_t t = 0; t < c->steps.n_tensors; t++)
        if (c->steps.tensor[t].plan.kind == DMS_TENSOR_ACTIVATION &&
            c->steps.tensor[t].first_step != DMS_NONE)
            draw_activation(&p, t);
    for (uint32_t l = 0; l < c->decision.n_loads; l++)
        draw_load(&p, l);
    for (uint32_t s = 0; s < c->decision.n_saves; s++)
        draw_save(&p, s);
    draw_legend(&p);
}
