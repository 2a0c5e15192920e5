/* view_summary.c - the summary of the terminal. */
#include <inttypes.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/views.h"

#define BAR_CELLS 24

const char *dms_time_text(int64_t ns, bool utf8, char out[32]) {
    static const char *const NAME[] = {"ns", "us", "ms", "s"};
    double value = (double)ns;
    int unit = 0;
    while (unit < 3 && value >= 999.5) {
        value /= 1000;
        unit++;
    }
    const bool has_four = unit == 3 || (unit == 2 && value >= 99.95);
    int decimals = unit == 0 ? 0 : has_four ? 3 : 2;
    for (double bound = unit == 3 ? 9.9995 : 9.995; decimals > 0 && value >= bound; bound *= 10)
        decimals--;
    (void)snprintf(out, 32, "%.*f %s", decimals, value, unit == 1 && utf8 ? "µs" : NAME[unit]);
    return out;
}

const char *dms_count_text(uint64_t count, char out[32]) {
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%" PRIu64, count);
    int at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

int dms_text_width(const char *text, int columns) {
    for (; *text != 0; text++)
        columns += ((unsigned char)*text & 0xc0) == 0x80;
    return columns;
}

/* A bar of `share` (0..1) of `cells` cells. */
static void print_bar(double share, int cells, bool utf8, FILE *out) {
    const int full = (int)(share * cells + 0.5);
    for (int i = 0; i < cells; i++)
        (void)fputs(i < full ? (utf8 ? "█" : "#") : (utf8 ? "·" : "."), out);
}

static void print_head(const dms_compiled *c, const char *host_note, FILE *out) {
    char device[32], host[32], weights[32], steps[32], blocks[32];
    const bool has_note = host_note != NULL && host_note[0] != 0;
    (void)fprintf(out,
                  "profile %s (%s), device budget %" PRIu64 " bytes (%s), host budget %" PRIu64
                  " bytes (%s%s%s)\n",
                  c->profile.name, c->profile.device_kind == DMS_DEVICE_CPU ? "cpu" : "cuda",
                  c->device_budget, dms_bytes_text(c->device_budget, device), c->host_budget,
                  dms_bytes_text(c->host_budget, host), has_note ? "; " : "",
                  has_note ? host_note : "");
    (void)fprintf(out, "%s: %s steps, %s blocks, %s of weights\n\n", c->graph.model_file,
                  dms_count_text(c->steps.n_steps, steps),
                  dms_count_text(c->blocks.problem.n_tensors, blocks),
                  dms_bytes_text(c->steps.weights_bytes, weights));
}

/* What the stalls wait for; nothing where there are none. */
static void print_causes(const dms_stalls *stalls, bool utf8, FILE *out) {
    char text[32];
    for (int k = 0; stalls->n > 0 && k < DMS_N_STALL_CAUSES; k++)
        (void)fprintf(
            out, "%s%s %s", k == 0 ? " (" : ", ", dms_stall_cause_name((dms_stall_cause)k),
            stalls->part_ns[k] == 0 ? "0" : dms_time_text(stalls->part_ns[k], utf8, text));
    (void)fputs(stalls->n > 0 ? ")" : "", out);
    if (stalls->slowed_ns > 0)
        (void)fprintf(out, "; %s of it: steps slowed by copies",
                      dms_time_text(stalls->slowed_ns, utf8, text));
    (void)fputc('\n', out);
}

static void print_verdict(const dms_compiled *c, bool utf8, FILE *out) {
    const dms_decision *d = &c->decision;
    char a[32], b[32], e[32];
    const double share = c->steps.weights_bytes == 0 ? 0
                                                     : 100.0 * (double)c->plan.device_arena /
                                                           (double)c->steps.weights_bytes;
    (void)fprintf(
        out, "  FITS   %s of device memory (%.1f %% of the weights; floor %s, no plan below %s)\n",
        dms_bytes_text(c->plan.device_arena, a), share, dms_bytes_text(c->floor.device_bytes, b),
        dms_bytes_text(c->floor.lower_bound_bytes, e));
    (void)fprintf(
        out, "  TIME   %s predicted, %.2f x resident (%s)\n", dms_time_text(d->period_ns, utf8, a),
        (double)d->period_ns / (double)d->compute_ns, dms_time_text(d->compute_ns, utf8, b));
    (void)fprintf(out, "  BOUND  %s is the least any plan can take: this one is within %.1f %%\n",
                  dms_time_text(d->bound_ns, utf8, a),
                  100.0 * ((double)d->period_ns / (double)d->bound_ns - 1) + 0.05);
    const int64_t stall = d->period_ns - d->compute_ns;
    (void)fprintf(out, "  STALL  %.1f %% of the time: %s",
                  100.0 * (double)stall / (double)d->period_ns, dms_time_text(stall, utf8, a));
    print_causes(&c->stalls, utf8, out);
}

/* What stands in the way of a shorter period. */
static void print_limit(const dms_compiled *c, FILE *out) {
    const dms_decision *d = &c->decision;
    uint64_t in_bytes = 0, read_bytes = 0;
    const uint64_t even = dms_break_even_tokens(c), rows = (uint64_t)dms_rows_of_products(c);
    char in[32], read[32], most[32], now[32];
    for (uint32_t l = 0; l < d->n_loads; l++) {
        const dms_problem_tensor *t = &c->blocks.problem.tensors[d->loads[l].tensor];
        in_bytes += t->bytes;
        read_bytes += d->loads[l].is_read ? t->storage_bytes : 0;
    }
    (void)dms_bytes_text(in_bytes, in);
    switch (dms_limit_of(c)) {
    case DMS_LIMIT_COMPUTE:
        (void)fprintf(out, "  LIMIT  compute: every copy hides behind it\n\n");
        break;
    case DMS_LIMIT_LINK:
        (void)fprintf(out, "  LIMIT  the link: %s in per inference", in);
        if (even > rows)
            (void)fprintf(out, "; hidden from about %s rows (batch x tokens) on (now %s)",
                          dms_count_text(even, most), dms_count_text(rows, now));
        else if (even > 0)
            (void)fprintf(out, ", less than compute could hide, but not at all moments");
        (void)fprintf(out, "\n\n");
        break;
    case DMS_LIMIT_STORAGE:
        (void)fprintf(out,
                      "  LIMIT  the storage: %s read per inference, for the host has no room for "
                      "their homes\n\n",
                      dms_bytes_text(read_bytes, read));
        break;
    case DMS_LIMIT_ROOM:
        (void)fprintf(
            out, "  LIMIT  the device's memory: copies of %s per inference wait for room\n\n", in);
        break;
    case DMS_LIMIT_SAVE:
        (void)fprintf(out, "  LIMIT  copies out: what has to leave first\n\n");
        break;
    }
}

static void print_queues(const dms_compiled *c, bool utf8, FILE *out) {
    const dms_decision *d = &c->decision;
    int64_t busy[DMS_N_QUEUES] = {d->compute_ns};
    uint64_t bytes[DMS_N_QUEUES] = {0};
    static const char *const WAY[] = {"", "host > device", "device > host", "nvme > host",
                                      "host > nvme"};
    for (uint32_t l = 0; l < d->n_loads; l++) {
        busy[DMS_QUEUE_IN] += d->loads[l].ns;
        bytes[DMS_QUEUE_IN] += c->blocks.problem.tensors[d->loads[l].tensor].bytes;
        if (!d->loads[l].is_read)
            continue;
        busy[DMS_QUEUE_LOAD] += d->loads[l].read_ns;
        bytes[DMS_QUEUE_LOAD] += c->blocks.problem.tensors[d->loads[l].tensor].storage_bytes;
    }
    for (uint32_t s = 0; s < d->n_saves; s++) {
        busy[DMS_QUEUE_OUT] += d->saves[s].ns;
        bytes[DMS_QUEUE_OUT] += c->blocks.problem.tensors[d->saves[s].tensor].bytes;
    }
    (void)fprintf(out, "  queue    direction         busy\n");
    for (uint32_t q = 0; q < DMS_QUEUE_STORE; q++) {
        const double share = (double)busy[q] / (double)d->period_ns;
        char text[32], count[32];
        (void)fprintf(out, "  %-8s %-14s %6.1f %%  ", dms_queue_name((dms_queue)q), WAY[q],
                      100 * share);
        print_bar(share, BAR_CELLS, utf8, out);
        if (q == DMS_QUEUE_COMPUTE)
            (void)fprintf(out, "  %s steps\n", dms_count_text(c->steps.n_steps, text));
        else
            (void)fprintf(out, "  %s copies  %s\n", dms_count_text(c->plan.body.n_cmds[q], count),
                          dms_bytes_text(bytes[q], text));
    }
    (void)fputc('\n', out);
}

static void print_candidates(const dms_compiled *c, bool utf8, FILE *out) {
    const dms_decision *d = &c->decision;
    int64_t slowest = d->period_ns;
    char text[32];
    for (uint32_t k = 0; k < d->n_candidates; k++)
        if (d->candidates[k].period_ns > slowest)
            slowest = d->candidates[k].period_ns;
    (void)fprintf(out, "  candidate        predicted   / bound\n");
    const char *rule;
    for (uint32_t k = 0; (rule = dms_simple_rule(k)) != NULL; k++)
        if (!dms_is_candidate(d, rule))
            (void)fprintf(out, "  %-14s %11s  %8s  does not fit\n", rule, "-", "-");
    for (uint32_t k = d->n_candidates; k-- > 0;) {
        const int64_t ns = d->candidates[k].period_ns;
        (void)dms_time_text(ns, utf8, text);
        (void)fprintf(out, "  %-14s %*s  %8.3f  ", d->candidates[k].name, dms_text_width(text, 11),
                      text, (double)ns / (double)d->bound_ns);
        print_bar((double)ns / (double)slowest, BAR_CELLS, utf8, out);
        (void)fputc('\n', out);
    }
    (void)dms_time_text(d->period_ns, utf8, text);
    (void)fprintf(out, "  %-14s %*s  %8.3f  ", "this plan", dms_text_width(text, 11), text,
                  (double)d->period_ns / (double)d->bound_ns);
    print_bar((double)d->period_ns / (double)slowest, BAR_CELLS, utf8, out);
    (void)fprintf(out, "  <\n\n");
}

void dms_view_summary(const dms_compiled *c, const dms_view_facts *facts, FILE *out) {
    char text[32];
    print_head(c, facts->host_note, out);
    print_verdict(c, facts->utf8, out);
    print_limit(c, out);
    print_queues(c, facts->utf8, out);
    print_candidates(c, facts->utf8, out);
    if (c->pack.path != NULL)
        (void)fprintf(out, "  %s %s, %s\n", c->pack.path,
                      c->pack.is_reused ? "holds the packed weights already" : "written",
                      dms_bytes_text(c->pack.bytes, text));
    if (facts->plan_path != NULL)
        (void)fprintf(out, "  %s written, %s, P1..P10 proven", facts->plan_path,
                      dms_bytes_text(c->plan_bytes, text));
    else
        (void)fprintf(out, "  no plan written (-o PLAN writes one), P1..P10 proven");
    (void)fprintf(out, ", %.1f s\n", (double)facts->compile_ms / 1000);
}
