/* view_dot.c - the picture of the placements through cgraph: what both sizes share. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/view_dot_internal.h"

#define STEPS_IN_FULL 60u
#define NAME_CHARACTERS 48u

void dms_text_add(dms_text *t, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(t->text + t->used, sizeof t->text - t->used, fmt, args);
    va_end(args);
    if (n > 0)
        t->used += (size_t)n < sizeof t->text - t->used ? (size_t)n : sizeof t->text - t->used - 1;
}

/* One byte of a name, as HTML-like labels want it; bytes that are no printable ASCII become '?'. */
static void add_character(dms_text *t, char byte) {
    switch (byte) {
    case '&':
        dms_text_add(t, "&amp;");
        return;
    case '<':
        dms_text_add(t, "&lt;");
        return;
    case '>':
        dms_text_add(t, "&gt;");
        return;
    case '"':
        dms_text_add(t, "&quot;");
        return;
    default:
        dms_text_add(t, "%c", byte >= 0x20 && byte < 0x7f ? byte : '?');
    }
}

void dms_text_add_name(dms_text *t, const char *name) {
    const size_t length = strlen(name), half = NAME_CHARACTERS / 2;
    for (size_t i = 0; i < length; i++) {
        if (length > NAME_CHARACTERS && i == half) {
            dms_text_add(t, "...");
            i = length - half;
        }
        add_character(t, name[i]);
    }
}

void dms_text_add_bar(dms_text *t, int width, int height, const dms_dot_piece *piece, size_t n,
                      uint64_t total) {
    int used = 0;
    dms_text_add(t,
                 "<TABLE BORDER=\"1\" COLOR=\"#9aa5b1\" CELLBORDER=\"0\" CELLSPACING=\"0\" "
                 "CELLPADDING=\"0\" FIXEDSIZE=\"TRUE\" WIDTH=\"%d\" HEIGHT=\"%d\"><TR>",
                 width + 2, height + 2);
    for (size_t i = 0; i <= n; i++) {
        const double share =
            i == n || total == 0 ? 0 : (double)piece[i].amount / (double)total * width;
        int points = i == n ? width - used : (int)(share + 0.5);
        if (i < n && points == 0 && piece[i].amount > 0)
            points = 2;
        if (points > width - used)
            points = width - used;
        if (points <= 0)
            continue;
        dms_text_add(t, "<TD FIXEDSIZE=\"TRUE\" WIDTH=\"%d\" HEIGHT=\"%d\" BGCOLOR=\"%s\"></TD>",
                     points, height, i == n ? "#ffffff" : piece[i].colour);
        used += points;
    }
    dms_text_add(t, "</TR></TABLE>");
}

/* cgraph takes char * for names and values that it only reads or copies. */
static char *writable(const char *text) {
    union {
        const char *in;
        char *out;
    } u = {.in = text};
    return u.out;
}

void dms_dot_set(void *object, const char *key, const char *value) {
    (void)agsafeset(object, writable(key), writable(value), writable(""));
}

void dms_dot_set_html(Agraph_t *graph, void *object, const char *key, const char *value) {
    (void)agsafeset(object, writable(key), agstrdup_html(graph, writable(value)), writable(""));
}

Agnode_t *dms_dot_node(Agraph_t *graph, const char *name, const char *shape, const char *fill,
                       const char *line) {
    Agnode_t *node = agnode(graph, writable(name), 1);
    dms_dot_set(node, "shape", shape);
    dms_dot_set(node, "style", strcmp(shape, "plain") == 0 ? "" : "filled");
    dms_dot_set(node, "fillcolor", fill);
    dms_dot_set(node, "color", line);
    return node;
}

Agedge_t *dms_dot_edge(Agraph_t *graph, Agnode_t *from, Agnode_t *to, const char *colour) {
    Agedge_t *edge = agedge(graph, from, to, NULL, 1);
    dms_dot_set(edge, "color", colour);
    dms_dot_set(edge, "penwidth", "2.5");
    return edge;
}

void dms_dot_same_rank(Agraph_t *graph, Agnode_t *a, Agnode_t *b) {
    Agraph_t *row = agsubg(graph, NULL, 1);
    dms_dot_set(row, "rank", "same");
    (void)agsubnode(row, a, 1);
    (void)agsubnode(row, b, 1);
}

void dms_dot_title(Agraph_t *graph, const dms_compiled *c, const char *more) {
    dms_text t = {.used = 0};
    char bytes[32], time[32];
    const dms_decision *d = &c->decision;
    dms_text_add(&t, "<TABLE BORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"1\"><TR><TD "
                     "ALIGN=\"LEFT\"><B>");
    dms_text_add_name(&t, c->graph.model_file);
    dms_text_add(&t, " fits in %s of device memory", dms_bytes_text(c->plan.device_arena, bytes));
    if (c->steps.weights_bytes > 0)
        dms_text_add(&t, " (%.1f %% of its weights)",
                     100.0 * (double)c->plan.device_arena / (double)c->steps.weights_bytes);
    dms_text_add(&t,
                 "</B></TD></TR><TR><TD ALIGN=\"LEFT\"><FONT POINT-SIZE=\"13\" "
                 "COLOR=\"" DMS_DOT_GREY "\">%s per inference, %.2f &#215; resident, within "
                 "%.1f %% of the best possible. %s</FONT></TD></TR></TABLE>",
                 dms_time_text(d->period_ns, true, time),
                 (double)d->period_ns / (double)d->compute_ns,
                 100.0 * ((double)d->period_ns / (double)d->bound_ns - 1) + 0.05, more);
    dms_dot_set_html(graph, graph, "label", t.text);
    dms_dot_set(graph, "labelloc", "t");
    dms_dot_set(graph, "labeljust", "l");
    dms_dot_set(graph, "fontname", "Helvetica");
    dms_dot_set(graph, "fontsize", "18");
    dms_dot_set(graph, "pad", "0.3");
    dms_dot_set(graph, "bgcolor", "white");
}

/* The memory that cgraph works in. It hands the discipline, which stands first, to `open_pool`. */
typedef struct pool {
    Agdisc_t disc;
    Agmemdisc_t functions;
    dms_heap *heap;
    jmp_buf out;
} pool;

static void *open_pool(Agdisc_t *disc) {
    return disc;
}

/* cgraph reads and writes through what it did not get: where there is no memory it is left. */
static void *or_leave(pool *p, void *memory) {
    if (memory == NULL)
        longjmp(p->out, 1);
    return memory;
}

/* Zeroed, as cgraph's own does. */
static void *take(void *state, size_t bytes) {
    pool *p = state;
    return memset(or_leave(p, dms_heap_resize(p->heap, NULL, bytes)), 0, bytes);
}

static void *resize(void *state, void *old, size_t before, size_t bytes) {
    pool *p = state;
    unsigned char *memory = or_leave(p, dms_heap_resize(p->heap, old, bytes));
    if (bytes > before)
        memset(memory + before, 0, bytes - before);
    return memory;
}

static void give_back(void *state, void *memory) {
    dms_heap_drop(((pool *)state)->heap, memory);
}

static void draw(pool *p, const dms_compiled *c, FILE *out) {
    Agraph_t *graph = agopen(writable("placement"), Agdirected, &p->disc);
    (void)agattr(graph, AGNODE, writable("fontname"), writable("Helvetica"));
    (void)agattr(graph, AGNODE, writable("fontsize"), writable("12"));
    (void)agattr(graph, AGEDGE, writable("fontname"), writable("Helvetica"));
    (void)agattr(graph, AGEDGE, writable("fontsize"), writable("11"));
    (void)agattr(graph, AGEDGE, writable("arrowsize"), writable("0.7"));
    if (c->steps.n_steps <= STEPS_IN_FULL)
        dms_dot_small(graph, c);
    else
        dms_dot_large(graph, c);
    (void)agwrite(graph, out);
    (void)agclose(graph);
}

dms_code dms_dot_draw(const dms_compiled *c, dms_heap *heap, FILE *out, dms_status *st) {
    /* no close: with one, agclose would forget what its dictionaries took from the C library */
    pool p = {.functions = {open_pool, take, resize, give_back, NULL}, .heap = heap};
    p.disc = (Agdisc_t){.mem = &p.functions, .id = &AgIdDisc, .io = &AgIoDisc};
    const bool has_failed = setjmp(p.out) != 0;
    if (!has_failed)
        draw(&p, c, out);
    dms_heap_free(heap);
    return has_failed ? dms_fail(st, DMS_EINTERNAL, "out of memory: picture") : DMS_OK;
}

dms_code dms_view_dot(const dms_compiled *c, FILE *out, dms_status *st) {
    dms_heap heap = {0};
    return dms_dot_draw(c, &heap, out, st);
}
