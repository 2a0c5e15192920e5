/* view_report.c - --report: one page that shows a plan. Its parts are drawn by the files beside
 * this one, from what view_report_collect.c worked out; style and script are files of their own,
 * which the build turns into text. Nothing in it depends on the clock or on where it was made. */
#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#include "planner/report_files.h"

/* Lines of a file that the build has turned into text. */
static void put_lines(FILE *out, const char *const *line) {
    for (; *line != NULL; line++)
        (void)fputs(*line, out);
}

/* The page is HTML and well-formed XML at once: what holds < or & for itself stands in CDATA, which
 * a reader of HTML takes for comments of the script. */
static void begin_page(const dms_report *r) {
    char share[32];
    dms_report_put(r, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta "
                      "name=\"viewport\" content=\"width=device-width,initial-scale=1\"/><meta "
                      "name=\"color-scheme\" content=\"light dark\"/><title>dms plan: ");
    dms_report_text_cut(r->out, r->c->graph.model_file, DMS_REPORT_NAME);
    dms_report_put(
        r, " at %s</title>\n<style>\n",
        dms_report_share((double)r->c->device_budget, (double)r->c->steps.weights_bytes, share));
    put_lines(r->out, DMS_REPORT_CSS);
    dms_report_put(r, "</style></head>\n");
}

static void end_page(const dms_report *r) {
    dms_report_put(r, "<script>\n//<![CDATA[\n");
    put_lines(r->out, DMS_REPORT_JS);
    dms_report_put(r, "//]]>\n</script></body></html>\n");
}

static dms_code put_parts(const dms_report *r, dms_status *st) {
    dms_report_groups groups;
    DMS_TRY(dms_report_group_stalls(r, &groups, st));
    dms_report_head(r);
    DMS_TRY(dms_report_lanes(r, &groups, st));
    DMS_TRY(dms_report_memory(r, st));
    DMS_TRY(dms_report_blocks(r, st));
    dms_report_addresses(r);
    dms_report_stalls(r, &groups);
    DMS_TRY(dms_report_costs(r, st));
    dms_report_candidates(r);
    DMS_TRY(dms_report_curve(r, st));
    dms_report_details(r);
    return dms_report_data(r, st);
}

dms_code dms_view_report(const dms_compiled *c, dms_arena *scratch, FILE *out, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(scratch);
    dms_report report;
    dms_code code = dms_report_collect(c, scratch, out, &report, st);
    if (code == DMS_OK) {
        begin_page(&report);
        code = put_parts(&report, st);
        end_page(&report);
    }
    dms_arena_release(scratch, mark);
    return code;
}
