/* view_report_details.c - what few people open: sizes, the certificate, the profile, the proofs. */
#include <inttypes.h>

#include "planner/dmsc.h"
#include "planner/view_report_internal.h"

static void begin(const dms_report *r, const char *title) {
    dms_report_put(r, "<details><summary>%s</summary><table class=\"kv\"><tbody>", title);
}

static void end(const dms_report *r) {
    dms_report_put(r, "</tbody></table></details>\n");
}

static void put_count(const dms_report *r, const char *name, uint64_t count) {
    char text[32];
    dms_report_put(r, "<tr><td>%s</td><td class=\"n\">%s</td></tr>", name,
                   dms_count_text(count, text));
}

static void put_text(const dms_report *r, const char *name, const char *text) {
    dms_report_put(r, "<tr><td>%s</td><td class=\"n\">", name);
    dms_report_text(r->out, text);
    dms_report_put(r, "</td></tr>");
}

static void put_sizes(const dms_report *r) {
    uint32_t kept = 0;
    char text[33];
    for (uint32_t b = 0; b < r->problem->n_tensors; b++)
        kept += r->is_kept[b];
    begin(r, "Plan and problem");
    put_count(r, "steps", r->problem->n_steps);
    put_count(r, "blocks", r->problem->n_tensors);
    put_count(r, "of weights and inputs", r->n_rows);
    put_count(r, "kept blocks", kept);
    put_count(r, "copies in per inference", r->d->n_loads);
    put_count(r, "copies out per inference", r->d->n_saves);
    put_count(r, "readings from storage per inference", r->n_reads);
    put_count(r, "evaluations", r->d->n_evaluations);
    put_text(r, "meaning of the plan", dms_hash_text(r->c->plan.meaning, text));
    end(r);
}

static void put_certificate(const dms_report *r) {
    dms_report_put(r, "<details><summary>Certificate</summary><p>");
    dms_report_put(r, "%s",
                   r->d->is_exact
                       ? "The full programme was solved to its end: with this order of steps, its "
                         "loads in order of deadline and its activations on the device, no plan is "
                         "faster, addresses apart."
                       : "The lower bound holds for every plan with this order of steps, these "
                         "blocks and this profile. dmsc --certificate writes the prices that prove "
                         "it, in whole numbers; a short program that shares no code with dmsc "
                         "checks them. It knows nothing of addresses.");
    dms_report_put(r, "</p></details>\n");
}

static void put_link(const dms_report *r, const char *name, const char *way, const dms_link *link) {
    char text[32];
    dms_report_put(r,
                   "<tr><td>%s</td><td>%s</td><td class=\"n\">%.1f GB/s</td><td class=\"n\">%s per "
                   "copy</td></tr>",
                   name, way, (double)link->bytes_per_s / 1e9,
                   dms_time_text(link->latency_ns, true, text));
}

static void put_profile(const dms_report *r) {
    const dms_profile *p = &r->c->profile;
    char text[32];
    begin(r, "Hardware profile");
    dms_report_put(r, "<tr><td>name</td><td>");
    dms_report_text(r->out, p->name);
    dms_report_put(r, "</td><td></td><td></td></tr>");
    put_link(r, "in", "host → device", &p->in);
    put_link(r, "out", "device → host", &p->out);
    put_link(r, "load", "nvme → host", &p->load);
    put_link(r, "store", "host → nvme", &p->store);
    dms_report_put(
        r,
        "<tr><td>device</td><td>memory</td><td class=\"n\">%.1f GB/s</td><td class=\"n\">"
        "%s per step</td></tr>",
        (double)p->memory_bytes_per_s / 1e9, dms_time_text(p->launch_ns, true, text));
    end(r);
}

/* dmsc writes no plan, and so no report, that the checker has not passed. */
static void put_safety(const dms_report *r) {
    static const char *const PROPERTY[] = {
        "buffers lie in their arena, loads in their file",
        "no deadlock",
        "no race",
        "nothing stale or undefined is read",
        "the meaning of the model is kept",
        "the body can repeat for ever",
        "arenas fit the budgets",
        "calls are valid, footprints stay inside",
        "indices in data are clamped",
        "files lie beneath their folder",
    };
    begin(r, "Safety");
    for (size_t k = 0; k < sizeof PROPERTY / sizeof PROPERTY[0]; k++)
        dms_report_put(r, "<tr><td>P%zu</td><td>%s</td><td>proven</td></tr>", k + 1, PROPERTY[k]);
    end(r);
}

void dms_report_details(const dms_report *report) {
    dms_report_put(report, "<section id=\"details\">");
    put_sizes(report);
    put_certificate(report);
    put_profile(report);
    put_safety(report);
    dms_report_put(report, "</section>\n");
}
