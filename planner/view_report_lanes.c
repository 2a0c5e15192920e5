/* view_report_lanes.c - the overview, the layers, and a lane for each queue. */
#include <inttypes.h>
#include <stdlib.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#define COLUMNS 240
#define MOST_HITS 200u /* stalls that are elements of their own */

/* Pieces of a lane, in units. */
typedef struct piece {
    int64_t from, to;
} piece;

typedef struct lane {
    piece *piece;
    uint32_t n;
} lane;

static void add_piece(void *data, int64_t from, int64_t to) {
    lane *l = data;
    l->piece[l->n++] = (piece){from, to};
}

static int by_time(const void *left, const void *right) {
    const piece *a = left, *b = right;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return (a->to > b->to) - (a->to < b->to);
}

/* One dashed line: pieces that touch are one. */
static void put_lane(const dms_report *r, const char *kind, lane *l) {
    int64_t at = 0, from = 0, to = 0;
    bool is_open = false;
    if (l->n == 0)
        return;
    qsort(l->piece, l->n, sizeof *l->piece, by_time);
    dms_report_put(r, "<path class=\"%s\" d=\"", kind);
    for (uint32_t i = 0; i <= l->n; i++) {
        if (i < l->n && i > 0 && l->piece[i].from <= to) {
            to = l->piece[i].to > to ? l->piece[i].to : to;
            continue;
        }
        if (i > 0 && to > from) {
            if (is_open)
                dms_report_put(r, "m%" PRId64 " 0h%" PRId64, from - at, to - from);
            else
                dms_report_put(r, "M%" PRId64 " 5h%" PRId64, from, to - from);
            is_open = true;
            at = to;
        }
        if (i < l->n) {
            from = l->piece[i].from;
            to = l->piece[i].to;
        }
    }
    dms_report_put(r, "\"/>");
}

/* Alternating stripes under the pictures, one per layer. */
static void put_bands(const dms_report *r) {
    for (uint32_t l = 0; l < r->n_layers; l++) {
        const int64_t from = dms_report_units(r, r->open_ns[r->layer[l].first]);
        const int64_t to = dms_report_units(r, r->end_ns[r->layer[l].end - 1]);
        dms_report_put(r,
                       "<path class=\"band%u\" d=\"M%" PRId64 " 0h%" PRId64 "v10h%" PRId64 "z\"/>",
                       (unsigned)(l & 1), from, to - from, from - to);
    }
}

/* Stall ns of each of the columns of the overview. */
static void share_out(const dms_report *r, double column[COLUMNS]) {
    const double width = (double)r->turn_ns / COLUMNS;
    for (uint32_t i = 0; i < r->c->stalls.n; i++) {
        const dms_stall *s = &r->c->stalls.stall[i];
        const double from = (double)r->open_ns[s->step], to = from + (double)s->ns;
        for (int k = (int)(from / width); k < COLUMNS && k * width < to; k++) {
            const double low = k * width > from ? k * width : from;
            const double high = (k + 1) * width < to ? (k + 1) * width : to;
            column[k] += high > low ? (high - low) / width : 0;
        }
    }
}

static void put_overview(const dms_report *r) {
    double column[COLUMNS] = {0};
    char share[32];
    dms_report_row_begin(r, "r-over", "overview", "stall share", 34);
    dms_report_put(r,
                   "<svg class=\"ov\" viewBox=\"0 0 %" PRId64 " 100\" "
                   "preserveAspectRatio=\"none\"><g transform=\"scale(1 10)\">",
                   r->width);
    put_bands(r);
    dms_report_put(r, "</g><path class=\"stall\" d=\"M0 100");
    if (r->turn_ns > 0)
        share_out(r, column);
    for (int k = 0; k < COLUMNS; k++) {
        const int64_t from = r->width * k / COLUMNS, to = r->width * (k + 1) / COLUMNS;
        const double height = column[k] > 1 ? 100 : 100 * column[k];
        if (height >= 0.05)
            dms_report_put(r, "M%" PRId64 " %.1fh%" PRId64 "V100h%" PRId64 "z", from, 100 - height,
                           to - from, from - to);
    }
    dms_report_put(r,
                   "\"/></svg><div id=\"win\"></div></div><div class=\"side\"><b>%s</b>"
                   "<span>stalled</span></div></div>\n",
                   dms_report_share((double)r->c->stalls.ns, (double)r->turn_ns, share));
    dms_report_axis(r, "");
}

static void put_layers(const dms_report *r) {
    dms_report_row_begin(r, "r-layer", r->has_layers ? "layer" : "part", NULL, 16);
    dms_report_svg_begin(r, "lay", 10, "");
    put_bands(r);
    dms_report_put(r, "</svg><div class=\"lays\"></div></div><div class=\"side\"></div></div>\n");
}

/* The sentence that a stall shows when it is pointed at. */
static void put_title(const dms_report *r, const dms_stall *s) {
    char time[32];
    dms_report_put(r, "<title>step %" PRIu32 " ", s->step);
    dms_report_step_name(r, s->step);
    dms_report_put(r, " waits %s: %s", dms_time_text(s->ns, true, time),
                   dms_stall_cause_name(s->cause));
    if (s->block != DMS_NONE) {
        dms_report_put(r, s->cause == DMS_STALL_SAVE ? "; first " : "; ");
        dms_report_block_name(r, s->block);
        dms_report_put(r, s->cause == DMS_STALL_SAVE ? " had to leave" : " arrived last");
    }
    dms_report_put(r, "</title>");
}

static int longest_first(const void *left, const void *right) {
    const dms_stall *a = *(const dms_stall *const *)left, *b = *(const dms_stall *const *)right;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return (a->step > b->step) - (a->step < b->step);
}

static int by_step(const void *left, const void *right) {
    const dms_stall *a = *(const dms_stall *const *)left, *b = *(const dms_stall *const *)right;
    return (a->step > b->step) - (a->step < b->step);
}

/* The longest stalls as elements with a title. */
static dms_code put_hits(const dms_report *r, dms_status *st) {
    const dms_stalls *stalls = &r->c->stalls;
    const dms_arena_mark mark = dms_arena_here(r->arena);
    const dms_stall **order;
    DMS_TRY(dms_alloc_st(r->arena, stalls->n, sizeof *order, "report", &order, st));
    for (uint32_t i = 0; i < stalls->n; i++)
        order[i] = &stalls->stall[i];
    qsort(order, stalls->n, sizeof *order, longest_first);
    const uint32_t n = stalls->n < MOST_HITS ? stalls->n : MOST_HITS;
    qsort(order, n, sizeof *order, by_step);
    for (uint32_t i = 0; i < n; i++) {
        const dms_stall *s = order[i];
        const int64_t from = dms_report_units(r, r->open_ns[s->step]);
        const int64_t to = dms_report_units(r, r->open_ns[s->step] + s->ns);
        dms_report_put(r,
                       "<path class=\"hit\" data-step=\"%" PRIu32 "\" data-stall-ns=\"%" PRId64
                       "\" data-cause=\"%s\" d=\"M%" PRId64 " 0h%" PRId64 "v10h%" PRId64 "z\">",
                       s->step, s->ns, dms_report_cause(s->cause), from, to - from, from - to);
        put_title(r, s);
        dms_report_put(r, "</path>");
    }
    dms_arena_release(r->arena, mark);
    return DMS_OK;
}

/* Numbers of the groups of stalls, at one stall of each. */
static void put_flags(const dms_report *r, const dms_report_groups *groups) {
    for (uint32_t k = 0; k < groups->n_shown; k++) {
        const int64_t at =
            dms_report_units(r, r->open_ns[r->c->stalls.stall[groups->group[k].flag].step]);
        dms_report_put(
            r, "<b class=\"flag\" data-t=\"%" PRId64 "\" style=\"left:%.2f%%\">%" PRIu32 "</b>", at,
            100 * (double)at / (double)r->width, k + 1);
    }
}

static dms_code put_compute(const dms_report *r, const dms_report_groups *groups, lane *l,
                            dms_status *st) {
    char beneath[64], count[32], share[32];
    (void)snprintf(beneath, sizeof beneath, "%s steps", dms_count_text(r->problem->n_steps, count));
    dms_report_row_begin(r, "r-compute", "compute", beneath, 26);
    dms_report_svg_begin(r, "ln", 10, "");
    l->n = 0;
    for (uint32_t s = 0; s < r->problem->n_steps; s++)
        dms_report_cut(r, r->start_ns[s], r->end_ns[s], add_piece, l);
    put_lane(r, "comp", l);
    l->n = 0;
    for (uint32_t i = 0; i < r->c->stalls.n; i++) {
        const dms_stall *s = &r->c->stalls.stall[i];
        dms_report_cut(r, r->open_ns[s->step], r->open_ns[s->step] + s->ns, add_piece, l);
    }
    put_lane(r, "stall", l);
    DMS_TRY(put_hits(r, st));
    dms_report_put(r, "</svg>");
    put_flags(r, groups);
    dms_report_put(r, "</div><div class=\"side\"><b>%s</b><span>busy</span></div></div>\n",
                   dms_report_share((double)r->d->compute_ns, (double)r->turn_ns, share));
    return DMS_OK;
}

/* What one lane of copies shows. */
typedef struct queue_row {
    const char *id, *label, *way, *kind;
    int64_t busy_ns;
    uint32_t n;
} queue_row;

static void put_queue(const dms_report *r, const queue_row *row, lane *l) {
    char share[32], count[32];
    dms_report_row_begin(r, row->id, row->label, row->way, row->n > 0 ? 18 : 12);
    dms_report_svg_begin(r, "ln", 10, "");
    put_lane(r, row->kind, l);
    if (row->n == 0)
        dms_report_put(r, "</svg></div><div class=\"side\"><span>not used</span></div></div>\n");
    else
        dms_report_put(r,
                       "</svg></div><div class=\"side\" title=\"%s copies\"><b>%s</b><span>busy"
                       "</span></div></div>\n",
                       dms_count_text(row->n, count),
                       dms_report_share((double)row->busy_ns, (double)r->turn_ns, share));
    l->n = 0;
}

static void put_copies(const dms_report *r, lane *l) {
    const dms_decision *d = r->d;
    const queue_row in = {"r-in", "in", "host → device", "loading", r->in_ns, d->n_loads};
    const queue_row out = {"r-out", "out", "device → host", "out", r->out_ns, d->n_saves};
    const queue_row load = {"r-load", "load", "nvme → host", "loading", r->read_ns, r->n_reads};
    const queue_row store = {"r-store", "store", "host → nvme", "out", 0, 0};
    l->n = 0;
    for (uint32_t q = 0; q < d->n_loads; q++)
        dms_report_cut(r, d->loads[q].start_ns - r->origin_ns,
                       d->loads[q].start_ns + d->loads[q].ns - r->origin_ns, add_piece, l);
    put_queue(r, &in, l);
    for (uint32_t q = 0; q < d->n_saves; q++)
        dms_report_cut(r, d->saves[q].start_ns - r->origin_ns,
                       d->saves[q].start_ns + d->saves[q].ns - r->origin_ns, add_piece, l);
    put_queue(r, &out, l);
    for (uint32_t q = 0; q < d->n_loads; q++)
        if (d->loads[q].is_read)
            dms_report_cut(r, d->loads[q].read_start_ns - r->origin_ns,
                           d->loads[q].read_start_ns + d->loads[q].read_ns - r->origin_ns,
                           add_piece, l);
    put_queue(r, &load, l);
    put_queue(r, &store, l);
}

dms_code dms_report_lanes(const dms_report *report, const dms_report_groups *groups,
                          dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(report->arena);
    uint32_t most = report->problem->n_steps;
    lane l = {0};
    most = report->d->n_loads > most ? report->d->n_loads : most;
    most = report->d->n_saves > most ? report->d->n_saves : most;
    DMS_TRY(
        dms_alloc_st(report->arena, 2 * (uint64_t)most, sizeof *l.piece, "report", &l.piece, st));
    put_overview(report);
    put_layers(report);
    DMS_TRY(put_compute(report, groups, &l, st));
    put_copies(report, &l);
    dms_arena_release(report->arena, mark);
    return DMS_OK;
}
