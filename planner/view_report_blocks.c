/* view_report_blocks.c - where each block lives over the turn: by row, and by address. */
#include <inttypes.h>
#include <stdlib.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#define ADDRESS_UNITS 2000
#define LOW_PART 0.075  /* of the height, for kept weights that would fill more than a quarter */
#define MOST_LABELS 12u /* beside the rows */
#define ROW_PIXELS 16u

/* Rectangles of one class; y and height are those of what is being cut. */
typedef struct brush {
    dms_report_path path;
    int64_t y, h;
} brush;

static void draw(void *data, int64_t from, int64_t to) {
    brush *b = data;
    if (to > from)
        dms_report_rectangle(&b->path, from, b->y, to - from, b->h);
}

/* The part of a stay that belongs to a class. */
static void draw_stay(const dms_report *r, const dms_report_stay *s, uint32_t kind, brush *b) {
    if (kind == DMS_REPORT_RESERVED)
        dms_report_cut(r, s->begin, s->load, draw, b);
    if (kind == DMS_REPORT_LOADING)
        dms_report_cut(r, s->load, s->arrive, draw, b);
    if (kind == (uint32_t)s->kind)
        dms_report_cut(r, s->arrive, s->end, draw, b);
}

static const uint32_t BACK_TO_FRONT[DMS_N_REPORT_CLASSES] = {
    DMS_REPORT_KEPT,     DMS_REPORT_ACTIVATION, DMS_REPORT_WORKSPACE,
    DMS_REPORT_RESERVED, DMS_REPORT_PRESENT,    DMS_REPORT_LOADING};

/* ---- rows ---------------------------------------------------------------------------------- */

/* The stays of all rows; those of a block stand together. */
static dms_code draw_rows(const dms_report *r, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(r->arena);
    uint32_t *row_of;
    DMS_TRY(dms_alloc_st(r->arena, r->problem->n_tensors, sizeof *row_of, "report", &row_of, st));
    for (uint32_t b = 0; b < r->problem->n_tensors; b++)
        row_of[b] = DMS_NONE;
    for (uint32_t k = 0; k < r->n_rows; k++)
        row_of[r->row[k]] = k;
    for (size_t k = 0; k < DMS_N_REPORT_CLASSES; k++) {
        brush b = {.h = 1};
        dms_report_path_begin(&b.path, r->out,
                              dms_report_class_name((dms_report_class)BACK_TO_FRONT[k]));
        (void)fputs("M0 0", r->out);
        b.path.is_open = true;
        for (uint32_t i = 0; i < r->n_stays; i++) {
            const dms_report_stay *s = &r->stay[i];
            if (s->block == DMS_NONE || row_of[s->block] == DMS_NONE)
                continue;
            b.y = row_of[s->block];
            draw_stay(r, s, BACK_TO_FRONT[k], &b);
        }
        dms_report_path_end(&b.path);
    }
    dms_arena_release(r->arena, mark);
    return DMS_OK;
}

/* Layers beside the rows: about a dozen. */
static void put_row_labels(const dms_report *r) {
    const uint32_t every = (r->n_layers + MOST_LABELS - 1) / MOST_LABELS;
    for (uint32_t l = 0; l < r->n_layers; l += every == 0 ? 1 : every) {
        const dms_report_layer *layer = &r->layer[l];
        if (layer->end_row > layer->first_row)
            dms_report_put(r, "<span class=\"yr\" style=\"top:%.2f%%\">%" PRIu32 "</span>",
                           100.0 * layer->first_row / r->n_rows, layer->number);
    }
}

/* The share of each layer's bytes that is kept. */
static void put_bars(const dms_report *r, int height) {
    char share[32], kept[32], bytes[32];
    dms_report_put(r,
                   "<div class=\"side\"><div class=\"keptbars\" style=\"height:%dpx\"><svg "
                   "viewBox=\"0 0 100 %" PRIu32 "\" preserveAspectRatio=\"none\">",
                   height, r->n_rows);
    for (uint32_t l = 0; l < r->n_layers; l++) {
        const dms_report_layer *layer = &r->layer[l];
        if (layer->bytes == 0 || layer->kept_bytes == 0)
            continue;
        const double width = 100 * (double)layer->kept_bytes / (double)layer->bytes;
        const uint32_t rows = layer->end_row - layer->first_row;
        dms_report_put(
            r,
            "<path class=\"kept\" d=\"M0 %" PRIu32 "h%.1fv%" PRIu32 "h-%.1fz\"><title>%s %" PRIu32
            ": kept %s, %s of %s</title></path>",
            layer->first_row, width, rows, width, r->has_layers ? "layer" : "part", layer->number,
            dms_report_share((double)layer->kept_bytes, (double)layer->bytes, share),
            dms_bytes_text(layer->kept_bytes, kept), dms_bytes_text(layer->bytes, bytes));
    }
    dms_report_put(r, "</svg></div></div></div>\n");
}

dms_code dms_report_blocks(const dms_report *report, dms_status *st) {
    const dms_report *r = report;
    char beneath[96], bytes[32], count[32];
    int height = r->n_rows * ROW_PIXELS > 620 ? 620 : (int)(r->n_rows * ROW_PIXELS);
    height = height < 60 ? 60 : height;
    dms_report_put(r,
                   "<h3 id=\"h-res\">Where each weight block lives</h3><p class=\"lead\">One row "
                   "per block%s, in order of first use. A full blue row stays; the diagonal is the "
                   "stream. At the right: the share of each %s that is kept.</p>\n",
                   r->c->graph.n_inputs > 0 ? " or input" : "", r->has_layers ? "layer" : "part");
    (void)snprintf(beneath, sizeof beneath, "%s, weights of %s", dms_count_text(r->n_rows, count),
                   dms_bytes_text(r->c->steps.weights_bytes, bytes));
    dms_report_row_begin(r, "r-res", "blocks", beneath, height);
    dms_report_svg_begin(r, "res", r->n_rows == 0 ? 1 : r->n_rows, "");
    DMS_TRY(draw_rows(r, st));
    dms_report_put(r, "</svg>");
    put_row_labels(r);
    dms_report_put(r, "</div>");
    put_bars(r, height);
    dms_report_axis(r,
                    r->has_layers ? "kept share by layer, 0–100 %" : "kept share by part, 0–100 %");
    return DMS_OK;
}

/* ---- addresses ----------------------------------------------------------------------------- */

/* How offsets become heights: what is kept lies at the bottom and may be squeezed. */
typedef struct scale {
    double low_bytes, low_height, bytes;
} scale;

static scale make_scale(const dms_report *r) {
    scale s = {.bytes = (double)r->c->plan.device_arena};
    uint64_t low = 0;
    for (uint32_t i = 0; i < r->n_stays; i++)
        if (r->stay[i].kind == DMS_REPORT_KEPT && r->stay[i].offset + r->stay[i].bytes > low)
            low = r->stay[i].offset + r->stay[i].bytes;
    s.low_bytes = (double)low;
    s.low_height = s.low_bytes;
    if (s.low_bytes > 0.25 * s.bytes && s.low_bytes < s.bytes)
        s.low_height = LOW_PART / (1 - LOW_PART) * (s.bytes - s.low_bytes);
    return s;
}

/* The height of an offset over the bottom, in units of the picture. */
static int64_t height_of(const scale *s, uint64_t offset) {
    const double all = s->bytes - s->low_bytes + s->low_height, at = (double)offset;
    const double height =
        at < s->low_bytes ? at / s->low_bytes * s->low_height : at - s->low_bytes + s->low_height;
    return all > 0 ? (int64_t)(ADDRESS_UNITS * height / all + 0.5) : 0;
}

static void draw_addresses(const dms_report *r, const scale *s) {
    for (size_t k = 0; k < DMS_N_REPORT_CLASSES; k++) {
        brush b = {0};
        dms_report_path_begin(&b.path, r->out,
                              dms_report_class_name((dms_report_class)BACK_TO_FRONT[k]));
        (void)fputs("M0 0", r->out);
        b.path.is_open = true;
        for (uint32_t i = 0; i < r->n_stays; i++) {
            const dms_report_stay *stay = &r->stay[i];
            const int64_t low = height_of(s, stay->offset);
            const int64_t high = height_of(s, stay->offset + stay->bytes);
            b.h = high > low ? high - low : 1;
            b.y = ADDRESS_UNITS - low - b.h;
            draw_stay(r, stay, BACK_TO_FRONT[k], &b);
        }
        dms_report_path_end(&b.path);
    }
}

void dms_report_addresses(const dms_report *report) {
    const dms_report *r = report;
    const scale s = make_scale(r);
    const bool is_squeezed = s.low_height < s.low_bytes;
    char arena[64], kept[32], text[32];
    (void)dms_bytes_text((uint64_t)s.low_bytes, kept);
    dms_report_put(r, "<h3>At which address</h3><p class=\"lead\">Height is the offset in the "
                      "device arena; what is empty is free.");
    if (is_squeezed)
        dms_report_put(r, " The kept weights at the bottom (%s) are not to scale.", kept);
    (void)snprintf(arena, sizeof arena, "arena %s", dms_bytes_text(r->c->plan.device_arena, text));
    dms_report_put(r, "</p>\n");
    dms_report_row_begin(r, "r-addr", "offset", arena, 280);
    dms_report_svg_begin(r, "addr", ADDRESS_UNITS, "");
    draw_addresses(r, &s);
    dms_report_put(r, "</svg><i class=\"budget\"></i>");
    if (s.low_bytes > 0 && s.low_bytes < s.bytes)
        dms_report_put(r, "<span class=\"yg\" style=\"bottom:%.1f%%\">%s</span>",
                       100.0 * (double)height_of(&s, (uint64_t)s.low_bytes) / ADDRESS_UNITS, kept);
    dms_report_put(r, "</div><div class=\"side\"><span>highest<b>%s</b></span>",
                   dms_bytes_text(r->c->plan.device_arena, text));
    dms_report_put(r, "<span>moves<b>%s</b></span>", dms_count_text(r->d->n_loads, text));
    dms_report_put(r, "<span>kept up to<b>%s</b></span></div></div>\n", kept);
    dms_report_axis(r, "");
    dms_report_put(r, "</section>\n");
}
