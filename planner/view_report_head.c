/* view_report_head.c - the verdict, the six figures beneath it, and the tools of the pictures. */
#include <inttypes.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

/* Percent that a plan is above the bound; rounded up, so that "within" is true. */
static double above_bound(const dms_decision *d) {
    return d->bound_ns <= 0 ? 0 : 100 * ((double)d->period_ns / (double)d->bound_ns - 1) + 0.05;
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : 1;
}

static void put_verdict(const dms_report *r) {
    const dms_compiled *c = r->c;
    const dms_decision *d = r->d;
    char a[32], b[32], e[32], share[32];
    dms_report_put(
        r,
        "<p id=\"verdict\" class=\"verdict\" data-fits=\"1\" "
        "data-device-budget-bytes=\"%" PRIu64 "\" data-device-peak-bytes=\"%" PRIu64
        "\" data-weight-bytes=\"%" PRIu64 "\" data-period-ns=\"%" PRId64
        "\" data-resident-ns=\"%" PRId64 "\" data-bound-ns=\"%" PRId64 "\" data-stall-ns=\"%" PRId64
        "\" data-slowed-ns=\"%" PRId64 "\" data-floor-bytes=\"%" PRIu64 "\">\n",
        c->device_budget, c->plan.device_arena, c->steps.weights_bytes, d->period_ns, d->compute_ns,
        d->bound_ns, c->stalls.ns, c->stalls.slowed_ns, c->floor.device_bytes);
    dms_report_put(
        r,
        "<b class=\"ok\">Fits.</b> %s of weights run in <b>%s</b> of device memory "
        "(%s), ",
        dms_bytes_text(c->steps.weights_bytes, a), dms_bytes_text(c->plan.device_arena, b),
        dms_report_share((double)c->plan.device_arena, (double)c->steps.weights_bytes, share));
    dms_report_put(r,
                   "predicted <b>%s</b> per inference: <b>%.2f ×</b> resident, and <b>within "
                   "%.1f %%</b> of the best any plan could do.</p>\n",
                   dms_time_text(d->period_ns, true, e),
                   ratio((double)d->period_ns, (double)d->compute_ns), above_bound(d));
}

/* What the plan waits for most, in a sentence. */
static const char *limit_of(const dms_report *r) {
    static const char *const TEXT[] = {
        "Compute is the limit.", "The link is the limit.", "The storage is the limit.",
        "Memory is the limit: copies wait for room.", "Copies out are the limit."};
    return TEXT[dms_limit_of(r->c)];
}

static void put_limit(const dms_report *r) {
    char bytes[32], busy[32], time[32], compute[32];
    const uint64_t even = dms_break_even_tokens(r->c), rows = (uint64_t)dms_rows_of_products(r->c);
    dms_report_put(r,
                   "<p class=\"sub\"><b>%s</b> %s come in per inference and keep the in queue busy "
                   "%s of the time (%s); compute needs %s.",
                   limit_of(r), dms_bytes_text(r->in_bytes, bytes),
                   dms_report_share((double)r->in_ns, (double)r->d->period_ns, busy),
                   dms_time_text(r->in_ns, true, time),
                   dms_time_text(r->d->compute_ns, true, compute));
    if (r->n_reads > 0)
        dms_report_put(r, " %s of it are read from storage (%s).",
                       dms_bytes_text(r->read_bytes, bytes), dms_time_text(r->read_ns, true, time));
    if (even > rows)
        dms_report_put(r,
                       " At this budget the link is hidden from about <b>%s rows</b> (batch × "
                       "tokens) on; this model runs %s.",
                       dms_count_text(even, bytes), dms_count_text(rows, busy));
    dms_report_put(r, "</p></header>\n");
}

/* A piece of the bar of a tile. */
static void put_piece(const dms_report *r, const char *kind, double share, const char *title) {
    dms_report_put(r, "<i class=\"%s\" style=\"width:%.2f%%\" title=\"%s\"></i>", kind,
                   share > 1 ? 100 : 100 * share, title);
}

static void begin_tile(const dms_report *r, const char *id, const char *title, const char *figure) {
    dms_report_put(r,
                   "<div class=\"tile\" id=\"%s\"><p>%s</p><strong>%s</strong><div class=\"bar\">",
                   id, title, figure);
}

static void put_memory(const dms_report *r) {
    static const char *const TITLE[DMS_N_REPORT_CLASSES] = {
        "kept weights", "activations", "workspace", "streamed, present", "loading", "reserved"};
    char a[32], b[32], title[96];
    begin_tile(r, "t-memory", "Device memory", dms_bytes_text(r->c->plan.device_arena, a));
    for (int k = 0; k < DMS_N_REPORT_CLASSES; k++) {
        (void)snprintf(title, sizeof title, "%s %s, on the average", TITLE[k],
                       dms_bytes_text((uint64_t)r->mean_bytes[k], a));
        put_piece(r, dms_report_class_name((dms_report_class)k),
                  r->mean_bytes[k] / (double)r->top_bytes, title);
    }
    dms_report_put(r, "</div><span>budget %s · floor %s</span></div>\n",
                   dms_bytes_text(r->c->device_budget, a),
                   dms_bytes_text(r->c->floor.device_bytes, b));
}

static void put_time(const dms_report *r) {
    const double period = (double)r->d->period_ns;
    char a[32], b[32], title[96];
    begin_tile(r, "t-time", "Time per inference", dms_time_text(r->d->period_ns, true, a));
    (void)snprintf(title, sizeof title, "compute %s", dms_time_text(r->d->compute_ns, true, a));
    put_piece(r, "comp", ratio((double)r->d->compute_ns, period), title);
    (void)snprintf(title, sizeof title, "stall %s", dms_time_text(r->c->stalls.ns, true, a));
    put_piece(r, "stall", ratio((double)r->c->stalls.ns, period), title);
    dms_report_put(r, "</div><span>compute %s · stall %s",
                   dms_report_share((double)r->d->compute_ns, period, a),
                   dms_report_share((double)r->c->stalls.ns, period, b));
    if (r->c->stalls.slowed_ns > 0)
        dms_report_put(r, " · slowed by copies %s",
                       dms_report_share((double)r->c->stalls.slowed_ns, period, a));
    dms_report_put(r, "</span></div>\n");
}

static void put_bound(const dms_report *r) {
    const int64_t above = r->d->period_ns - r->d->bound_ns;
    char a[32], title[96];
    begin_tile(r, "t-bound", "Best possible, proven", dms_time_text(r->d->bound_ns, true, a));
    (void)snprintf(title, sizeof title, "lower bound %s", dms_time_text(r->d->bound_ns, true, a));
    put_piece(r, "bound", ratio((double)r->d->bound_ns, (double)r->d->period_ns), title);
    (void)snprintf(title, sizeof title, "above the bound %s", dms_time_text(above, true, a));
    put_piece(r, "over", (double)above / ((double)r->d->period_ns + 1), title);
    if (above == 0)
        dms_report_put(r, "</div><span>this plan reaches it</span></div>\n");
    else
        dms_report_put(r, "</div><span>this plan is %s above (%.1f %%)</span></div>\n",
                       dms_time_text(above, true, a), above_bound(r->d));
}

static void put_rule(const dms_report *r) {
    char a[32], title[96];
    if (r->rule_ns == 0) {
        begin_tile(r, "t-rule", "Best simple rule", "none");
        dms_report_put(r, "</div><span>none of them fits this budget</span></div>\n");
        return;
    }
    const double rule = (double)r->rule_ns, plan = (double)r->d->period_ns;
    begin_tile(r, "t-rule", "Best simple rule", dms_time_text(r->rule_ns, true, a));
    put_piece(r, "comp", ratio(plan, rule), "this plan");
    (void)snprintf(title, sizeof title, "slower by %s",
                   dms_time_text(r->rule_ns - r->d->period_ns, true, a));
    put_piece(r, "over", 1 - ratio(plan, rule), title);
    dms_report_put(r, "</div><span>%.1f %% slower than this plan</span></div>\n",
                   100 * (ratio(rule, plan) - 1));
}

static void put_break_even(const dms_report *r) {
    const uint64_t even = dms_break_even_tokens(r->c);
    const int64_t rows = dms_rows_of_products(r->c);
    char a[32], b[32], figure[64];
    if (even == 0) {
        begin_tile(r, "t-breakeven", "Break-even", "–");
        dms_report_put(r, "</div><span>no product with weights</span></div>\n");
        return;
    }
    (void)snprintf(figure, sizeof figure, "%s rows", dms_count_text(even, a));
    begin_tile(r, "t-breakeven", "Break-even", figure);
    put_piece(r, "comp", ratio((double)rows, (double)even), "this model");
    dms_report_put(r, "</div><span>now %s (%s)</span></div>\n", dms_count_text((uint64_t)rows, a),
                   dms_report_share((double)rows, (double)even, b));
}

static void put_moved(const dms_report *r) {
    const dms_tier_bytes tier = dms_weights_by_tier(r->c);
    char a[32], b[32], busy[32], title[96];
    begin_tile(r, "t-in", "Moved in", dms_bytes_text(r->in_bytes, a));
    (void)snprintf(title, sizeof title, "in queue busy %s",
                   dms_report_share((double)r->in_ns, (double)r->d->period_ns, busy));
    put_piece(r, "loading", ratio((double)r->in_ns, (double)r->d->period_ns), title);
    dms_report_put(
        r, "</div><span>kept %s (%s of the weights)</span></div></section>\n",
        dms_bytes_text(tier.device, a),
        dms_report_share((double)tier.device, (double)(tier.device + tier.host + tier.nvme), b));
}

static void put_layer_choice(const dms_report *r) {
    dms_report_put(r, "<label>%s <select id=\"lsel\"><option value=\"\">all</option>",
                   r->has_layers ? "layer" : "part");
    for (uint32_t l = 0; l < r->n_layers; l++)
        dms_report_put(r, "<option value=\"%" PRId64 ",%" PRId64 "\">%s %" PRIu32 "</option>",
                       dms_report_units(r, r->open_ns[r->layer[l].first]),
                       dms_report_units(r, r->end_ns[r->layer[l].end - 1]),
                       r->has_layers ? "layer" : "part", r->layer[l].number);
    dms_report_put(r, "</select></label>");
}

static void put_tools(const dms_report *r) {
    dms_report_put(r,
                   "<section id=\"time\" data-period=\"%" PRId64 "\" data-unit-ns=\"%" PRId64
                   "\"><h2>One inference, in time</h2>\n<p class=\"lead\">The steady state: the "
                   "right edge goes on at the left one. All pictures share one time axis; drag to "
                   "zoom, double-click for all.</p>\n<div class=\"tools\">",
                   r->width, r->unit_ns);
    dms_report_put(r, "<button data-z=\"all\">all</button><button data-z=\"in\">+</button>"
                      "<button data-z=\"out\">−</button><button data-z=\"l\" aria-label=\"left\">"
                      "◂</button><button data-z=\"r\" aria-label=\"right\">▸</button>");
    put_layer_choice(r);
    dms_report_put(r, "<span class=\"legend\"><i class=\"kept\"></i>kept <i class=\"present\"></i>"
                      "streamed, present <i class=\"loading\"></i>loading (in) <i class=\"wait\">"
                      "</i>reserved <i class=\"act\"></i>activations <i class=\"work\"></i>"
                      "workspace <i class=\"out\"></i>out <i class=\"comp\"></i>compute "
                      "<i class=\"stall\"></i>stall</span></div>\n<div id=\"read\" "
                      "aria-live=\"polite\">Point at a picture to read one moment.</div>\n");
}

void dms_report_head(const dms_report *report) {
    const dms_report *r = report;
    char budget[32];
    dms_report_put(r, "<body><header><p class=\"kick\">dms placement report</p><h1>");
    dms_report_text(r->out, r->c->graph.model_file);
    dms_report_put(r, "</h1>\n<p class=\"kick2\">");
    dms_report_put(r, "device budget %s, profile ", dms_bytes_text(r->c->device_budget, budget));
    dms_report_text(r->out, r->c->profile.name);
    dms_report_put(r, "</p>\n");
    put_verdict(r);
    put_limit(r);
    dms_report_put(r, "<section class=\"tiles\">");
    put_memory(r);
    put_time(r);
    put_bound(r);
    put_rule(r);
    put_break_even(r);
    put_moved(r);
    put_tools(r);
}
