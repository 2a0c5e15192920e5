/* view_report_curve.c - what else was tried, and what more memory would buy. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#define MOST_POINTS 7u /* each is a placement */
#define WIDTH 1000.0
#define HEIGHT 400.0
#define LOWEST 0.93 /* of the resident time, at the bottom */
#define NEAR 1.0005 /* as good as resident */
#define TICKS 5

/* ---- candidates ------------------------------------------------------------------------------ */

/* A bar of the comparison. */
typedef struct bar {
    const char *kind, *key, *shown, *title;
    int64_t ns;
} bar;

static void put_bar(const dms_report *r, const bar *b, int64_t longest) {
    char time[32];
    dms_report_put(
        r,
        "<div class=\"cand %s\" data-candidate=\"%s\" data-period-ns=\"%" PRId64
        "\" title=\"%s\"><span>%s</span><div><i style=\"width:%.2f%%\"></i><u></u></div>",
        b->kind, b->key, b->ns, b->title, b->shown,
        longest > 0 ? 100 * (double)b->ns / (double)longest : 0);
    dms_report_put(r, "<b>%s</b><em>%.3f</em></div>\n", dms_time_text(b->ns, true, time),
                   r->d->bound_ns > 0 ? (double)b->ns / (double)r->d->bound_ns : 1);
}

/* Rules that keep more than the budget holds, by name. */
static void put_unfit(const dms_report *r) {
    const char *rule, *title, *before = "<p id=\"unfit\">What these keep does not fit: ";
    for (uint32_t k = 0; (rule = dms_simple_rule(k)) != NULL; k++)
        if (!dms_is_candidate(r->d, rule)) {
            dms_report_put(r, "%s%s", before, dms_report_candidate(rule, &title));
            before = ", ";
        }
    if (before[0] == ',')
        dms_report_put(r, ".</p>");
}

void dms_report_candidates(const dms_report *report) {
    const dms_report *r = report;
    const dms_decision *d = r->d;
    int64_t longest = d->period_ns;
    const bar last[] = {
        {"me", "this plan", "this plan", "the best of all, with addresses", d->period_ns},
        {"lb", "lower bound", "lower bound", "no plan can be faster", d->bound_ns},
        {"rs", "resident", "resident", "all weights on the device", d->compute_ns}};
    for (uint32_t k = 0; k < d->n_candidates; k++)
        longest = d->candidates[k].period_ns > longest ? d->candidates[k].period_ns : longest;
    dms_report_put(r,
                   "<div class=\"halves\"><section id=\"candidates\" class=\"half\"><h2>Against "
                   "the other ways</h2><p class=\"lead\">Predicted time of every candidate at this "
                   "budget, and its ratio to the bound. The dashed line is the proven lower bound: "
                   "no plan at this budget ends left of it. Resident takes all the memory it wants."
                   "</p><div class=\"cands\" style=\"--b:%.2f%%\">\n",
                   longest > 0 ? 100 * (double)d->bound_ns / (double)longest : 0);
    for (uint32_t k = d->n_candidates; k-- > 0;) {
        bar b = {.kind = "", .key = d->candidates[k].name, .ns = d->candidates[k].period_ns};
        b.shown = dms_report_candidate(b.key, &b.title);
        put_bar(r, &b, longest);
    }
    const bar before = {"", "before addresses", "before addresses",
                        "the best plan before its bytes had addresses", d->unpacked_ns};
    if ((double)d->unpacked_ns * NEAR < (double)d->period_ns)
        put_bar(r, &before, longest);
    for (size_t k = 0; k < sizeof last / sizeof last[0]; k++)
        put_bar(r, &last[k], longest);
    dms_report_put(r, "</div>");
    put_unfit(r);
    dms_report_put(r, "</section>\n");
}

/* ---- the curve ------------------------------------------------------------------------------- */

/* The points, this plan's among them, and how they lie in the picture. */
typedef struct curve {
    dms_curve_point point[MOST_POINTS + 1];
    uint32_t n, mine;
    double low_ns, high_ns, high_bytes;
    uint64_t knee_bytes; /* the first point that is as fast as resident; 0 = none */
} curve;

static int by_budget(const void *left, const void *right) {
    const dms_curve_point *a = left, *b = right;
    if (a->budget_bytes != b->budget_bytes)
        return a->budget_bytes < b->budget_bytes ? -1 : 1;
    return (a->period_ns > b->period_ns) - (a->period_ns < b->period_ns);
}

/* A plan for less memory runs with more as well; a bound for more memory holds for less. */
static void make_monotone(curve *v) {
    for (uint32_t i = 1; i < v->n; i++) {
        dms_curve_point *p = &v->point[i];
        if (p->period_ns > p[-1].period_ns && i != v->mine)
            p->period_ns = p[-1].period_ns;
    }
}

static void add_mine(const dms_report *r, curve *v) {
    const dms_decision *d = r->d;
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n; i++) /* the plan itself has the last word at its budget */
        if (v->point[i].budget_bytes != r->c->device_budget)
            v->point[n++] = v->point[i];
    v->point[n++] = (dms_curve_point){r->c->device_budget, r->c->plan.device_arena, d->period_ns,
                                      d->bound_ns,         d->compute_ns,           r->rule_ns};
    v->n = n;
    qsort(v->point, v->n, sizeof v->point[0], by_budget);
    for (uint32_t i = 0; i < v->n; i++)
        if (v->point[i].budget_bytes == r->c->device_budget)
            v->mine = i;
}

/* Across to twice the knee, or all weights where that is less; up from below resident. */
static void scale(const dms_report *r, curve *v) {
    const double weights = (double)r->c->steps.weights_bytes;
    const double resident = (double)r->d->compute_ns;
    const double mine = (double)r->c->device_budget;
    v->high_bytes = (double)v->point[v->n - 1].budget_bytes;
    for (uint32_t i = v->n; i-- > 0;) {
        const dms_curve_point *p = &v->point[i];
        if ((double)p->period_ns <= NEAR * resident)
            v->knee_bytes = p->budget_bytes;
        v->high_ns = (double)p->period_ns > v->high_ns ? (double)p->period_ns : v->high_ns;
        if ((double)p->rule_ns > v->high_ns && (double)p->rule_ns < 1.5 * v->high_ns)
            v->high_ns = (double)p->rule_ns;
    }
    double end = v->knee_bytes > 0 ? 2 * (double)v->knee_bytes : v->high_bytes;
    if (end > weights && weights > (double)v->knee_bytes)
        end = weights;
    if (end < 1.05 * mine && mine <= v->high_bytes)
        end = 1.05 * mine;
    if (end < v->high_bytes || mine > 4 * v->high_bytes)
        v->high_bytes = end;
    v->low_ns = LOWEST * resident;
    v->high_ns *= 1.02;
    if (v->high_ns <= v->low_ns)
        v->high_ns = v->low_ns + 1;
}

static double x_of(const curve *v, double bytes) {
    return v->high_bytes > 0 ? WIDTH * bytes / v->high_bytes : 0;
}

static double y_of(const curve *v, double ns) {
    return HEIGHT * (v->high_ns - ns) / (v->high_ns - v->low_ns);
}

static double ns_of(const dms_curve_point *p, int line) {
    return line == 0 ? (double)p->rule_ns : line == 1 ? (double)p->period_ns : (double)p->bound_ns;
}

/* One line through the points, cut where the picture ends. */
static void put_line(const dms_report *r, const curve *v, const char *kind, int line) {
    bool is_open = false;
    dms_report_put(r, "<path class=\"%s\" d=\"M0 0", kind);
    for (uint32_t i = 0; i < v->n; i++) {
        const dms_curve_point *p = &v->point[i];
        double x = x_of(v, (double)p->budget_bytes), ns = ns_of(p, line);
        if (ns <= 0)
            continue;
        if (x > WIDTH) {
            const double before = i > 0 ? x_of(v, (double)p[-1].budget_bytes) : WIDTH;
            if (before >= WIDTH || ns_of(p - 1, line) <= 0)
                break;
            ns = ns_of(p - 1, line) + (ns - ns_of(p - 1, line)) * (WIDTH - before) / (x - before);
            x = WIDTH;
        }
        dms_report_put(r, "%c%.1f %.1f", is_open ? 'L' : 'M', x, y_of(v, ns));
        is_open = true;
    }
    dms_report_put(r, "\"/>");
}

static void put_points(const dms_report *r, const curve *v) {
    char bytes[32], period[32], bound[32];
    for (uint32_t i = 0; i < v->n; i++) {
        const dms_curve_point *p = &v->point[i];
        const double x = x_of(v, (double)p->budget_bytes);
        if (x > WIDTH)
            continue;
        dms_report_put(
            r,
            "<i class=\"pt\" style=\"left:%.2f%%;top:%.2f%%\" title=\"%s: %s, bound %s\" "
            "data-budget-bytes=\"%" PRIu64 "\" data-period-ns=\"%" PRId64
            "\" data-bound-ns=\"%" PRId64 "\"></i>",
            100 * x / WIDTH, 100 * y_of(v, (double)p->period_ns) / HEIGHT,
            dms_bytes_text(p->budget_bytes, bytes), dms_time_text(p->period_ns, true, period),
            dms_time_text(p->bound_ns, true, bound), p->budget_bytes, p->period_ns, p->bound_ns);
    }
}

/* The axis: shares of the weights, or bytes where the model is mostly activations. */
static void put_axis(const dms_report *r, const curve *v) {
    const double weights = (double)r->c->steps.weights_bytes;
    char text[32];
    dms_report_put(r, "<div class=\"cx\">");
    for (int k = 0; k <= TICKS; k++) {
        const double bytes = v->high_bytes * k / TICKS;
        if (weights > 0 && v->high_bytes < 2.5 * weights)
            (void)snprintf(text, sizeof text, "%.*f %%", v->high_bytes < 0.25 * weights ? 1 : 0,
                           100 * bytes / weights);
        else
            (void)dms_bytes_text((uint64_t)bytes, text);
        dms_report_put(r, "<span style=\"left:%d%%\">%s</span>", 100 * k / TICKS, text);
    }
    dms_report_put(r, "</div>");
}

static void put_picture(const dms_report *r, const curve *v) {
    const dms_curve_point *mine = &v->point[v->mine];
    const double x = x_of(v, (double)mine->budget_bytes) / WIDTH;
    const double y = y_of(v, (double)mine->period_ns) / HEIGHT;
    const double floor = x_of(v, (double)r->c->floor.device_bytes);
    const double resident = y_of(v, (double)r->d->compute_ns);
    char time[32];
    dms_report_put(
        r,
        "<div class=\"cwrap\"><svg viewBox=\"0 0 1000 400\" preserveAspectRatio=\"none\" "
        "class=\"cv\"><path class=\"floorz\" d=\"M0 0h%.1fv400h-%.1fz\"/><path "
        "class=\"resl\" d=\"M0 %.1fH1000\"/>",
        floor < WIDTH ? floor : WIDTH, floor < WIDTH ? floor : WIDTH, resident);
    put_line(r, v, "rulel", 0);
    put_line(r, v, "planl", 1);
    put_line(r, v, "bndl", 2);
    dms_report_put(r, "</svg>\n");
    put_points(r, v);
    if (x <= 1)
        dms_report_put(
            r,
            "\n<i class=\"me\" style=\"left:%.2f%%;top:%.2f%%\"></i><span class=\"ml%s\" "
            "style=\"left:%.2f%%;top:%.2f%%\">this plan</span>",
            100 * x, 100 * y, x < 0.85 ? " right" : "", 100 * x, 100 * y);
    dms_report_put(r, "<span class=\"rl%s\" style=\"top:%.1f%%\">resident %s</span>",
                   resident > 0.85 * HEIGHT ? " up" : "", 100 * resident / HEIGHT,
                   dms_time_text(r->d->compute_ns, true, time));
    dms_report_put(r, "\n<span class=\"y0\" style=\"top:0\">%s</span>",
                   dms_time_text((int64_t)v->high_ns, true, time));
    dms_report_put(r, "<span class=\"y0\" style=\"top:100%%\">%s</span></div>",
                   dms_time_text((int64_t)v->low_ns, true, time));
    put_axis(r, v);
    dms_report_put(
        r,
        "<p class=\"legend c\"><i class=\"lpl\"></i>plan <i class=\"lbd\"></i>lower "
        "bound <i class=\"lru\"></i>best simple rule; across: device budget%s; up: "
        "time</p>",
        v->high_bytes < 2.5 * (double)r->c->steps.weights_bytes ? ", share of the weights" : "");
}

/* What one unit of memory more would save: the slope between the neighbours of this plan. */
static void put_slope(const dms_report *r, const curve *v) {
    const dms_curve_point *a = &v->point[v->mine > 0 ? v->mine - 1 : v->mine];
    const dms_curve_point *b = &v->point[v->mine + 1 < v->n ? v->mine + 1 : v->mine];
    uint64_t unit = 1ull << 30;
    char time[32], bytes[32], share[32];
    while (unit > 1024 && unit > r->c->device_budget)
        unit >>= 10;
    if (b->budget_bytes > a->budget_bytes && a->period_ns > b->period_ns &&
        (double)v->point[v->mine].period_ns > NEAR * (double)r->d->compute_ns) {
        const double saved = (double)(a->period_ns - b->period_ns) * (double)unit /
                             (double)(b->budget_bytes - a->budget_bytes);
        dms_report_put(r, "One more %s saves about %s per inference. ",
                       unit >> 30   ? "GiB"
                       : unit >> 20 ? "MiB"
                                    : "KiB",
                       dms_time_text((int64_t)(saved + 0.5), true, time));
    }
    if (v->knee_bytes > 0)
        dms_report_put(
            r, "From %s (%s of the weights) on it runs at resident speed. ",
            dms_bytes_text(v->knee_bytes, bytes),
            dms_report_share((double)v->knee_bytes, (double)r->c->steps.weights_bytes, share));
    dms_report_put(r, "Below the floor of %s nothing runs.",
                   dms_bytes_text(r->c->floor.device_bytes, bytes));
}

dms_code dms_report_curve(const dms_report *report, dms_status *st) {
    curve v = {.n = 0};
    DMS_TRY(dms_curve_points(report->c, MOST_POINTS, report->arena, v.point, &v.n, st));
    add_mine(report, &v);
    make_monotone(&v);
    scale(report, &v);
    dms_report_put(report,
                   "<section id=\"curve\" class=\"half\"><h2>What more memory would buy</h2>"
                   "<p class=\"lead\">");
    put_slope(report, &v);
    dms_report_put(report, "</p>\n");
    put_picture(report, &v);
    dms_report_put(report, "</section></div>\n");
    return DMS_OK;
}
