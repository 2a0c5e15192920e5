/* view_report_text.c - names and figures of the report, escaped for where they stand. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"
#include "schema/json.h"

#define NO_TEXT 0xfffdu /* what stands for bytes that are no text */

/* Whether a page should show a character: not those that only turn the text around or hide. */
static bool is_shown(uint32_t code) {
    return code >= 0x20 && (code < 0x7f || code > 0x9f) && code != 0x200e && code != 0x200f &&
           (code < 0x202a || code > 0x202e) && (code < 0x2066 || code > 0x2069) &&
           (code & 0xfffe) != 0xfffe;
}

/* The character at *text, and the text behind it. */
static uint32_t next_character(const char **text) {
    const unsigned char *s = (const unsigned char *)*text;
    const uint32_t n = dms_utf8_length(*text);
    uint32_t code = n <= 1 ? s[0] : s[0] & (0x7fu >> n);
    for (uint32_t k = 1; k < n; k++)
        code = code << 6 | (s[k] & 0x3f);
    *text += n == 0 ? 1 : n;
    return n != 0 && is_shown(code) ? code : NO_TEXT;
}

/* One character in UTF-8. */
static void put_utf8(FILE *out, uint32_t code) {
    char text[5] = {0};
    if (code < 0x80) {
        text[0] = (char)code;
    } else {
        const uint32_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (uint32_t k = n; k-- > 1; code >>= 6)
            text[k] = (char)(0x80 | (code & 0x3f));
        text[0] = (char)((0xf00u >> n & 0xf0) | code);
    }
    (void)fputs(text, out);
}

/* Whether a name would look like an address of the network, for which people search the page. */
static bool is_address(const char *text) {
    return strncasecmp(text, "http", 4) == 0;
}

/* One character of a name for HTML. */
static void put_html(FILE *out, const char **text) {
    const bool is_coded = is_address(*text) || strchr("&<>\"'", **text) != NULL;
    const uint32_t code = next_character(text);
    if (is_coded)
        (void)fprintf(out, "&#%" PRIu32 ";", code);
    else
        put_utf8(out, code);
}

/* One character of a JSON string. */
static void put_json(FILE *out, const char **text) {
    const bool is_coded = is_address(*text) || strchr("&<>\"'\\", **text) != NULL;
    const uint32_t code = next_character(text);
    if (is_coded)
        (void)fprintf(out, "\\u%04" PRIx32, code);
    else
        put_utf8(out, code);
}

/* At most `most` characters of a text, the middle left out. */
static void put_cut(FILE *out, const char *text, uint32_t most,
                    void (*put)(FILE *out, const char **text)) {
    uint32_t n = 0, at = 0;
    for (const char *rest = text; *rest != 0; n++)
        (void)next_character(&rest);
    for (; *text != 0; at++) {
        if (n <= most || at < most / 2 || at >= n - (most - most / 2 - 1))
            put(out, &text);
        else
            (void)next_character(&text);
        if (n > most && at == most / 2)
            put_utf8(out, 0x2026);
    }
}

void dms_report_text(FILE *out, const char *text) {
    put_cut(out, text, UINT32_MAX, put_html);
}

void dms_report_text_cut(FILE *out, const char *text, uint32_t most) {
    put_cut(out, text, most, put_html);
}

void dms_report_json_cut(FILE *out, const char *text, uint32_t most) {
    put_cut(out, text, most, put_json);
}

void dms_report_put(const dms_report *report, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vfprintf(report->out, fmt, args);
    va_end(args);
}

void dms_report_cell(FILE *out, uint32_t cell, uint32_t n_cells) {
    if (n_cells > 1)
        (void)fprintf(out, " [%" PRIu32 "/%" PRIu32 "]", cell, n_cells);
}

const char *dms_report_block(const dms_report *report, uint32_t block, uint32_t *out_cell,
                             uint32_t *out_cells) {
    const dms_block *b = &report->c->blocks.block[block];
    const dms_plan_tensor *t = &report->c->steps.tensor[b->tensor].plan;
    *out_cell = b->cell + 1;
    *out_cells = t->is_split ? dms_plan_cells(t) : 1;
    return t->name[0] == 0 ? "(constant)" : t->name; /* one that dmsc folded */
}

void dms_report_block_name(const dms_report *report, uint32_t block) {
    uint32_t cell, n;
    dms_report_text_cut(report->out, dms_report_block(report, block, &cell, &n), DMS_REPORT_NAME);
    dms_report_cell(report->out, cell, n);
}

void dms_report_step_name(const dms_report *report, uint32_t step) {
    const dms_node *node = &report->c->graph.node[report->c->steps.step[step].node];
    dms_report_text(report->out, node->op);
    (void)fputc(' ', report->out);
    dms_report_text_cut(report->out, node->name, DMS_REPORT_NAME);
    dms_report_cell(report->out, report->step_cell[step], report->step_cells[step]);
}

const char *dms_report_share(double part, double whole, char out[32]) {
    const double share = whole > 0 ? 100 * part / whole : 0;
    (void)snprintf(out, 32, share >= 99.95 && share < 100.05 ? "%.0f %%" : "%.1f %%", share);
    return out;
}

void dms_report_path_begin(dms_report_path *path, FILE *out, const char *kind) {
    *path = (dms_report_path){.out = out};
    (void)fprintf(out, "<path class=\"%s\" d=\"", kind);
}

void dms_report_path_end(dms_report_path *path) {
    (void)fputs("\"/>", path->out);
}

void dms_report_rectangle(dms_report_path *path, int64_t x, int64_t y, int64_t w, int64_t h) {
    (void)fprintf(path->out, "%c%" PRId64 " %" PRId64 "h%" PRId64 "v%" PRId64 "h%" PRId64 "z",
                  path->is_open ? 'm' : 'M', x - path->x, y - path->y, w, h, -w);
    path->is_open = true;
    path->x = x; /* z takes the pen back to where it began */
    path->y = y;
}

void dms_report_row_begin(const dms_report *report, const char *id, const char *label,
                          const char *beneath, int height) {
    dms_report_put(report, "<div class=\"row\" id=\"%s\"><div class=\"lab\"><b>%s</b>", id, label);
    if (beneath != NULL)
        dms_report_put(report, "<span>%s</span>", beneath);
    dms_report_put(report, "</div><div class=\"plot\" style=\"height:%dpx\">", height);
}

void dms_report_svg_begin(const dms_report *report, const char *kind, uint64_t height,
                          const char *attributes) {
    dms_report_put(report,
                   "<svg class=\"t %s\" viewBox=\"0 0 %" PRId64 " %" PRIu64 "\" data-h=\"%" PRIu64
                   "\" preserveAspectRatio=\"none\"%s>",
                   kind, report->width, height, height, attributes);
}

void dms_report_axis(const dms_report *report, const char *note) {
    dms_report_put(report,
                   "<div class=\"row axis\"><div class=\"lab\"></div><div class=\"plot ticks\" "
                   "data-axis=\"\"></div><div class=\"side\"><span class=\"dim\">%s</span></div>"
                   "</div>\n",
                   note);
}
