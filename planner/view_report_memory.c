/* view_report_memory.c - what fills the device over the turn, and what lies in the other tiers. */
#include <inttypes.h>
#include <stdlib.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

#define HEIGHT 1000

/* From `at` on there are so many bytes more of a class. */
typedef struct event {
    int64_t at, bytes;
    uint32_t kind, id;
} event;

typedef struct events {
    event *event;
    uint32_t n;
    event next; /* class and bytes of what is being cut */
} events;

static void add_span(void *data, int64_t from, int64_t to) {
    events *e = data;
    e->event[e->n] = (event){from, e->next.bytes, e->next.kind, e->n};
    e->event[e->n + 1] = (event){to, -e->next.bytes, e->next.kind, e->n + 1};
    e->n += 2;
}

/* By time; what goes before what comes, so that no sum is larger than it ever was. */
static int by_time(const void *left, const void *right) {
    const event *a = left, *b = right;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    if ((a->bytes < 0) != (b->bytes < 0))
        return a->bytes < 0 ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static void add_class(const dms_report *r, events *e, uint32_t kind, uint64_t bytes, int64_t from,
                      int64_t to) {
    e->next = (event){0, (int64_t)bytes, kind, 0};
    dms_report_cut(r, from, to, add_span, e);
}

/* All changes of the turn, in order. */
static dms_code list_events(const dms_report *r, events *e, dms_status *st) {
    /* at most three classes of a stay, each cut in two, each with a begin and an end */
    DMS_TRY(dms_alloc_st(r->arena, 12 * (uint64_t)r->n_stays, sizeof *e->event, "report", &e->event,
                         st));
    for (uint32_t i = 0; i < r->n_stays; i++) {
        const dms_report_stay *s = &r->stay[i];
        add_class(r, e, DMS_REPORT_RESERVED, s->bytes, s->begin, s->load);
        add_class(r, e, DMS_REPORT_LOADING, s->bytes, s->load, s->arrive);
        add_class(r, e, s->kind, s->bytes, s->arrive, s->end);
    }
    qsort(e->event, e->n, sizeof *e->event, by_time);
    return DMS_OK;
}

/* The top of all classes up to `kind`, as the area beneath it. */
static void put_area(const dms_report *r, const events *e, uint32_t kind) {
    int64_t bytes = 0, x = 0, y = HEIGHT;
    const double scale = HEIGHT / (double)r->top_bytes;
    dms_report_put(r, "<path class=\"%s\" d=\"M0 %d", dms_report_class_name((dms_report_class)kind),
                   HEIGHT);
    for (uint32_t i = 0; i < e->n; i++) {
        bytes += e->event[i].kind <= kind ? e->event[i].bytes : 0;
        if (i + 1 < e->n && e->event[i + 1].at == e->event[i].at)
            continue;
        if (e->event[i].at >= r->width)
            break;
        const int64_t now = HEIGHT - (int64_t)((double)bytes * scale + 0.5);
        if (now == y)
            continue;
        if (e->event[i].at > x)
            dms_report_put(r, "h%" PRId64, e->event[i].at - x);
        dms_report_put(r, "v%" PRId64, now - y);
        x = e->event[i].at;
        y = now;
    }
    dms_report_put(r, "H%" PRId64 "V%dz\"/>", r->width, HEIGHT);
}

/* A figure beside a picture. */
static void put_side(const dms_report *r, const char *kind, const char *name, double bytes) {
    char text[32];
    dms_report_put(r, "<span><i class=\"%s\"></i>%s<b>%s</b></span>", kind, name,
                   dms_bytes_text((uint64_t)bytes, text));
}

static void put_means(const dms_report *r) {
    static const char *const NAME[DMS_N_REPORT_CLASSES] = {"kept",    "activ.",  "workspace",
                                                           "present", "loading", "reserved"};
    double unused = (double)r->c->device_budget;
    dms_report_put(r, "<div class=\"side\">");
    for (int k = DMS_N_REPORT_CLASSES; k-- > 0;) {
        unused -= r->mean_bytes[k];
        if (r->mean_bytes[k] > 0)
            put_side(r, dms_report_class_name((dms_report_class)k), NAME[k], r->mean_bytes[k]);
    }
    put_side(r, "free", "free", unused > 0 ? unused : 0);
    dms_report_put(r, "<span class=\"dim\">mean over time</span></div></div>\n");
}

static void put_device(const dms_report *r, const events *e) {
    static const uint32_t BACK_TO_FRONT[] = {DMS_REPORT_RESERVED,   DMS_REPORT_LOADING,
                                             DMS_REPORT_PRESENT,    DMS_REPORT_WORKSPACE,
                                             DMS_REPORT_ACTIVATION, DMS_REPORT_KEPT};
    char beneath[64], attributes[128], text[32];
    const bool is_scaled = r->top_bytes != r->c->device_budget;
    (void)snprintf(beneath, sizeof beneath, "budget %s", dms_bytes_text(r->c->device_budget, text));
    (void)snprintf(attributes, sizeof attributes,
                   " data-budget-bytes=\"%" PRIu64 "\" data-peak-bytes=\"%" PRIu64
                   "\" data-top-bytes=\"%" PRIu64 "\"",
                   r->c->device_budget, r->d->live_peak_bytes, r->top_bytes);
    dms_report_row_begin(r, "r-device", "device", beneath, 210);
    dms_report_svg_begin(r, "mem", HEIGHT, attributes);
    for (size_t k = 0; k < sizeof BACK_TO_FRONT / sizeof BACK_TO_FRONT[0]; k++)
        put_area(r, e, BACK_TO_FRONT[k]);
    dms_report_put(r, "</svg>%s", is_scaled ? "" : "<i class=\"budget\"></i>");
    if (is_scaled)
        dms_report_put(r, "<span class=\"yg\" style=\"bottom:100%%\">%s</span>",
                       dms_bytes_text(r->top_bytes, text));
    dms_report_put(r,
                   "<span class=\"yg\" style=\"bottom:50%%\">%s</span><span class=\"yg\" "
                   "style=\"bottom:0\">0</span></div>",
                   dms_bytes_text(r->top_bytes / 2, text));
    put_means(r);
}

/* A layer of the picture of a tier that does not change over the turn. */
static double put_layer(const dms_report *r, const char *kind, double bytes, double all,
                        double bottom) {
    const double height = all > 0 ? 90 * bytes / all : 0;
    if (height > 0)
        dms_report_put(r, "<path class=\"%s\" d=\"M0 %.2fh100v%.2fh-100z\"/>", kind,
                       bottom - height, height);
    return bottom - height;
}

static void put_host(const dms_report *r) {
    const dms_tier_bytes tier = dms_weights_by_tier(r->c);
    const double stage = (double)dms_plan_stage_all(&r->c->plan), ring = (double)r->d->ring_bytes;
    const double all = (double)r->c->plan.host_arena, rest = all - ring - stage;
    const double homes = (double)tier.host < rest ? (double)tier.host : rest;
    const double saved = rest - homes;
    char text[32], attributes[64];
    (void)snprintf(attributes, sizeof attributes, "%s",
                   dms_bytes_text(r->c->plan.host_arena, text));
    dms_report_row_begin(r, "r-host", "host", attributes, all > 0 ? 40 : 8);
    dms_report_put(
        r, "<svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" data-bytes=\"%" PRIu64 "\">",
        r->c->plan.host_arena);
    double bottom = put_layer(r, "ring", ring, all, 100);
    bottom = put_layer(r, "home", homes, all, bottom);
    bottom = put_layer(r, "out", saved, all, bottom);
    (void)put_layer(r, "stage", stage, all, bottom);
    dms_report_put(r, "</svg></div><div class=\"side\">");
    if (stage >= 1)
        put_side(r, "stage", "inputs, outputs", stage);
    if (saved >= 1)
        put_side(r, "out", "saved", saved);
    if (homes >= 1)
        put_side(r, "home", "homes", homes);
    if (ring >= 1)
        put_side(r, "ring", "ring", ring);
    dms_report_put(r, "%s</div></div>\n", all > 0 ? "" : "<span>not used</span>");
}

static void put_nvme(const dms_report *r) {
    const uint64_t bytes = dms_weights_by_tier(r->c).nvme;
    char text[32];
    dms_report_row_begin(r, "r-nvme", "nvme", dms_bytes_text(bytes, text), bytes > 0 ? 24 : 8);
    if (bytes > 0) {
        dms_report_put(r,
                       "<svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" "
                       "data-bytes=\"%" PRIu64 "\">",
                       bytes);
        (void)put_layer(r, "file", (double)bytes, (double)bytes, 100);
        dms_report_put(r, "</svg></div><div class=\"side\">");
        put_side(r, "file", "homes", (double)bytes);
        dms_report_put(r, "</div></div>\n");
    } else {
        dms_report_put(r, "</div><div class=\"side\"><span>not used</span></div></div>\n");
    }
    dms_report_axis(r, "");
}

dms_code dms_report_memory(const dms_report *report, dms_status *st) {
    const dms_arena_mark mark = dms_arena_here(report->arena);
    events e = {0};
    DMS_TRY(list_events(report, &e, st));
    put_device(report, &e);
    dms_arena_release(report->arena, mark);
    put_host(report);
    put_nvme(report);
    return DMS_OK;
}
