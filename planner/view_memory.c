/* view_memory.c - -v: what fills the device over one inference, drawn with letters.
 *
 * A column is a part of the period and shows its fullest slot. What is kept is one line and not to
 * scale; the lines above share what is left of the budget. */
#include <inttypes.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/place_internal.h"
#include "planner/views.h"
#include "schema/checked.h"

#define COLUMNS 60
#define LINES 6

/* One column: bytes of its fullest slot, and the share of its time that is stall. */
typedef struct column {
    int64_t activation_bytes, streamed_bytes;
    double stall;
} column;

/* Per slot, as differences: activations with inputs and workspaces; weights that are streamed. */
typedef struct fill {
    int64_t *activation, *streamed;
    uint64_t kept_bytes;
} fill;

static int64_t packed(uint64_t bytes) {
    return (int64_t)((bytes + DMS_ALIGN - 1) / DMS_ALIGN * DMS_ALIGN);
}

static void fill_slots(const dms_compiled *c, fill *f) {
    const dms_problem *p = &c->blocks.problem;
    const dms_decision *d = &c->decision;
    const int32_t n = (int32_t)p->n_steps;
    for (int32_t s = 0; s < n; s++)
        dms_diff_add(f->activation, n, s, s, packed(p->steps[s].scratch_bytes));
    for (uint32_t i = 0; i < d->n_residencies; i++) {
        const dms_place_residency *r = &d->residencies[i];
        const int64_t bytes = packed(p->tensors[r->tensor].bytes);
        if (p->tensors[r->tensor].kind != DMS_PROBLEM_WEIGHT)
            dms_diff_add(f->activation, n, r->first_slot, r->last_slot, bytes);
        else if (r->gap < 0)
            f->kept_bytes += (uint64_t)bytes;
        else
            dms_diff_add(f->streamed, n, r->first_slot, r->last_slot, bytes);
    }
}

/* The part of [from, to) that lies in column k, of columns `width` ns wide. */
static double overlap(double from, double to, int k, double width) {
    const double low = k * width > from ? k * width : from;
    const double high = (k + 1) * width < to ? (k + 1) * width : to;
    return high > low ? high - low : 0;
}

/* Gives every slot to the columns in which it begins, runs and ends. */
static void fill_columns(const dms_compiled *c, const fill *f, column *out) {
    const dms_stalls *stalls = &c->stalls;
    const double width = (double)stalls->turn_ns / COLUMNS;
    const int64_t origin = stalls->start_ns[0] - c->decision.step_stall_ns[0];
    int64_t activation = 0, streamed = 0;
    for (uint32_t s = 0; s < c->steps.n_steps && width > 0; s++) {
        const double start = (double)(stalls->start_ns[s] - origin);
        const double from = start - (double)c->decision.step_stall_ns[s];
        const double to =
            s + 1 < c->steps.n_steps
                ? (double)(stalls->start_ns[s + 1] - origin - c->decision.step_stall_ns[s + 1])
                : (double)stalls->turn_ns;
        activation += f->activation[s];
        streamed += f->streamed[s];
        for (int k = (int)(from / width); k < COLUMNS && k * width <= to; k++) {
            column *it = &out[k];
            it->stall += overlap(from, start, k, width) / width;
            if (activation + streamed > it->activation_bytes + it->streamed_bytes) {
                it->activation_bytes = activation;
                it->streamed_bytes = streamed;
            }
        }
    }
}

/* What fills the middle of a line. */
static const char *cell(const column *it, double middle, bool utf8) {
    if (middle < (double)it->activation_bytes)
        return utf8 ? "▓" : "=";
    if (middle < (double)(it->activation_bytes + it->streamed_bytes))
        return utf8 ? "█" : "#";
    return utf8 ? "·" : ".";
}

static void print_lines(const dms_compiled *c, const fill *f, const column *it, bool utf8,
                        FILE *out) {
    const double room = (double)c->device_budget > (double)f->kept_bytes
                            ? (double)c->device_budget - (double)f->kept_bytes
                            : 1;
    char text[32];
    for (int line = LINES; line-- > 0;) {
        (void)fprintf(out, "  %10s %s",
                      line == LINES - 1 ? dms_bytes_text(c->device_budget, text) : "",
                      utf8 ? "│" : "|");
        for (int k = 0; k < COLUMNS; k++)
            (void)fputs(cell(&it[k], room * (line + 0.5) / LINES, utf8), out);
        (void)fprintf(out, "%s%s\n", utf8 ? "│" : "|", line == LINES - 1 ? " budget" : "");
    }
    (void)fprintf(out, "  %10s %s", dms_bytes_text(f->kept_bytes, text), utf8 ? "│" : "|");
    for (int k = 0; k < COLUMNS; k++)
        (void)fputs(f->kept_bytes == 0 ? " " : utf8 ? "░" : "+", out);
    (void)fprintf(out, "%s kept\n", utf8 ? "│" : "|");
}

/* Nine heights, or four where there is no UTF-8. */
static void print_stalls(const dms_compiled *c, const column *it, bool utf8, FILE *out) {
    static const char *const RICH[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const PLAIN[] = {" ", ".", ".", ":", ":", ":", "#", "#", "#"};
    char text[32];
    (void)fprintf(out, "  %10s  ", "stall");
    for (int k = 0; k < COLUMNS; k++) {
        const int height = it[k].stall >= 1 ? 8 : (int)(it[k].stall * 8 + 0.999);
        (void)fputs((utf8 ? RICH : PLAIN)[height], out);
    }
    (void)fprintf(out, "\n  %10s  0%*s\n", "",
                  dms_text_width(dms_time_text(c->stalls.turn_ns, utf8, text), COLUMNS - 1), text);
    (void)fprintf(
        out,
        "  device memory at the fullest moment of each column: %s kept (not to scale), %s "
        "activations,\n  %s streamed weights; stall: share of the time\n\n",
        utf8 ? "░" : "+", utf8 ? "▓" : "=", utf8 ? "█" : "#");
}

dms_code dms_view_memory(const dms_compiled *c, dms_arena *scratch, bool utf8, FILE *out,
                         dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    const uint64_t n = (uint64_t)c->steps.n_steps + 1;
    column columns[COLUMNS] = {{0}};
    fill f = {0};
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *f.activation, "picture", &f.activation, st));
    DMS_TRY(dms_alloc_st(scratch, n, sizeof *f.streamed, "picture", &f.streamed, st));
    fill_slots(c, &f);
    fill_columns(c, &f, columns);
    print_lines(c, &f, columns, utf8, out);
    print_stalls(c, columns, utf8, out);
    dms_arena_release(scratch, mark);
    return DMS_OK;
}
