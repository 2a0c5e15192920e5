/* dmsrun_report.c - lines, tables, JSON. */
#include "runtime/dmsrun_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dmsrun_options.h"
#include "runtime/dmsrun_tensors.h"
#include "schema/json.h"
#include "schema/trace.h"

#define BAR_CELLS 24

/* Ascending; equal times are equal, so their order does not show. */
static int compare_ns(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void dmsrun_sort(dmsrun_result *result) {
    for (int m = 0; m < DMSRUN_N_MEASURES; m++)
        qsort(result->turns[m], (size_t)result->options->iterations, sizeof(int64_t), compare_ns);
}

int64_t dmsrun_percentile(const dmsrun_result *result, dmsrun_measure measure, uint32_t percent) {
    const uint64_t n = result->options->iterations;
    return result->turns[measure][(n * percent + 99) / 100 - 1];
}

/* Three digits, four from 100 on; switches to the larger unit at 0.9995 of it. */
static const char *scaled(double value, const char *const *unit, double step, uint32_t n_units,
                          char text[32]) {
    uint32_t k = 0;
    while (k + 1 < n_units && value >= 0.9995 * step) {
        value /= step;
        k++;
    }
    const int digits = value >= 99.95 ? 1 : value >= 9.995 ? 1 : 2;
    (void)snprintf(text, 32, "%.*f %s", k == 0 ? 0 : digits, value, unit[k]);
    return text;
}

const char *dmsrun_time(int64_t ns, bool is_utf8, char text[32]) {
    const char *const units[4] = {"ns", is_utf8 ? "\xc2\xb5s" : "us", "ms", "s"};
    return scaled((double)ns, units, 1000, 4, text);
}

/* "2.99 GiB" */
static const char *bytes_text(uint64_t bytes, char text[32]) {
    static const char *const units[5] = {"B", "KiB", "MiB", "GiB", "TiB"};
    return scaled((double)bytes, units, 1024, 5, text);
}

void dmsrun_print_head(const dmsrun_result *r, FILE *out) {
    const dmsrun_options *o = r->options;
    if (r->device == NULL || strcmp(r->device, "cpu") == 0)
        fprintf(out, "%s on cpu, %" PRIu32 " thread%s", o->plan, r->info.threads,
                r->info.threads == 1 ? "" : "s");
    else
        fprintf(out, "%s on %s", o->plan, r->device);
    fprintf(out, ", %" PRIu64 " iteration%s", o->iterations, o->iterations == 1 ? "" : "s");
    if (o->warmup != 0)
        fprintf(out, " after %" PRIu64, o->warmup);
    if (r->tensors->is_made_up && r->tensors->n_inputs != 0)
        fprintf(out, "; inputs made from seed %" PRIu64, o->seed);
    else if (o->compare != NULL)
        fprintf(out, "; inputs from %s", o->compare);
    fprintf(out, "\n");
}

/* A line per output. Those behind the first one that could not be read were not compared. */
static void print_comparison(const dmsrun_result *r, FILE *out) {
    for (uint32_t i = 0; i < r->tensors->n_outputs; i++) {
        const dms_difference *d = &r->tensors->difference[i];
        char view[160];
        fprintf(out, "  output %" PRIu32 " %s %s: ", i, r->tensors->output_port[i].name,
                dms_view_text(&r->tensors->output_port[i].view, view, sizeof view));
        if (d->first_failed == 0 && d->n_failed == 0) /* -1 where all passed */
            fprintf(out, "not compared\n");
        else
            fprintf(out, "largest difference %.3g, relative %.3g, %s\n", d->max_abs, d->max_rel,
                    d->n_failed == 0 ? "passes" : "differs");
    }
}

/* "+0.8 %" of what was predicted; from twice as long on "x 2.3". */
static void print_against(int64_t ns, int64_t predicted_ns, bool is_utf8, FILE *out) {
    char text[32];
    if (predicted_ns <= 0) {
        fprintf(out, "\n");
        return;
    }
    const double ratio = (double)ns / (double)predicted_ns;
    fprintf(out, " %15s   ", dmsrun_time(predicted_ns, is_utf8, text));
    if (ratio < 2)
        fprintf(out, "%+.1f %%\n", 100 * (ratio - 1));
    else
        fprintf(out, "x %.1f\n", ratio);
}

/* The width of UTF-8 micro signs is one column less than their bytes. */
static int padded(const char *text, int width) {
    return strchr(text, '\xc2') != NULL ? width + 1 : width;
}

/* Median, p90 and p99 beside what the plan predicts. */
static void print_times(const dmsrun_result *r, FILE *out) {
    static const uint32_t percents[3] = {50, 90, 99};
    const bool u = r->is_utf8;
    char text[32];
    fprintf(out, "\n              median        p90        p99       predicted\n  time   ");
    for (int k = 0; k < 3; k++) {
        (void)dmsrun_time(dmsrun_percentile(r, DMSRUN_TIME, percents[k]), u, text);
        fprintf(out, "%*s", padded(text, 11), text);
    }
    print_against(dmsrun_percentile(r, DMSRUN_TIME, 50), r->info.period_ns, u, out);
    fprintf(out, "  compute");
    for (int k = 0; k < 3; k++) {
        (void)dmsrun_time(dmsrun_percentile(r, DMSRUN_COMPUTE, percents[k]), u, text);
        fprintf(out, "%*s", padded(text, 11), text);
    }
    print_against(dmsrun_percentile(r, DMSRUN_COMPUTE, 50), r->info.compute_ns, u, out);
    fprintf(out, "  stall  ");
    for (int k = 0; k < 3; k++)
        fprintf(out, "%9.1f %%", (double)dmsrun_percentile(r, DMSRUN_STALL, percents[k]) / 1e4);
    if (r->info.period_ns > 0)
        fprintf(out, " %13.1f %%",
                100 * (1 - (double)r->info.compute_ns / (double)r->info.period_ns));
    fprintf(out, "\n");
}

/* Share of the measured time in which a queue worked, and its rate while it did. */
static void print_queue(const dmsrun_result *r, const char *name, const dms_queue_stats *before,
                        const dms_queue_stats *after, FILE *out) {
    int64_t total_ns = 0;
    char text[32];
    for (uint64_t i = 0; i < r->options->iterations; i++)
        total_ns += r->turns[DMSRUN_TIME][i];
    const double busy_ns = (double)(after->busy_ns - before->busy_ns);
    const double share = total_ns > 0 ? busy_ns / (double)total_ns : 0;
    const int cells = share >= 1 ? BAR_CELLS : (int)(share * BAR_CELLS + 0.5);
    fprintf(out, "  %-8s", name);
    if (after->commands == before->commands)
        fprintf(out, "%7s   ", "-");
    else
        fprintf(out, "%5.1f %%  ", 100 * share);
    for (int i = 0; i < BAR_CELLS; i++)
        fprintf(out, "%s",
                r->is_utf8 ? (i < cells ? "\xe2\x96\x88" : "\xc2\xb7") : (i < cells ? "#" : "."));
    if (after->bytes != before->bytes && busy_ns > 0)
        fprintf(out, "  %5.1f GB/s  %10s each", (double)(after->bytes - before->bytes) / busy_ns,
                bytes_text((after->bytes - before->bytes) / r->options->iterations, text));
    fprintf(out, "\n");
}

/* The arena is all a tier takes; overhead lies outside of both. */
static void print_memory(const char *name, uint64_t arena, uint64_t budget, uint64_t overhead,
                         FILE *out) {
    char a[32], b[32];
    fprintf(out, "  %-8s%10s arena of %s budget", name, bytes_text(arena, a),
            bytes_text(budget, b));
    if (overhead != 0)
        fprintf(out, "   + %s outside (plan in memory, scratch of threads)",
                bytes_text(overhead, a));
    fprintf(out, "\n");
}

/* What the driver of the card counts, which takes whole pages. */
static void print_card(const dms_card_memory *card, FILE *out) {
    char a[32], b[32];
    if (card->total_bytes == 0)
        return;
    const int64_t beyond = card->beyond_arena_bytes,
                  kernels = (int64_t)(card->free_with_arena - card->free_with_kernels);
    fprintf(out, "  card    %s%s beside the arena, %s for kernels, by the driver's count\n",
            beyond < 0 ? "-" : "", bytes_text((uint64_t)(beyond < 0 ? -beyond : beyond), a),
            bytes_text((uint64_t)(kernels < 0 ? 0 : kernels), b));
}

/* Which way the weights came, loading before the first turn included. */
static void print_storage(const dms_stats *stats, FILE *out) {
    char text[32];
    fprintf(out, "  storage");
    if (stats->direct_bytes != 0)
        fprintf(out, "%11s past the page cache (%s)", bytes_text(stats->direct_bytes, text),
                stats->direct_reader);
    if (stats->buffered_bytes != 0)
        fprintf(out, "%s%11s through the page cache", stats->direct_bytes != 0 ? "," : "",
                bytes_text(stats->buffered_bytes, text));
    fprintf(out, "%s\n", stats->direct_bytes + stats->buffered_bytes == 0 ? "  nothing read" : "");
}

/* Opening and the first turn stand apart: they are not what a steady turn takes. */
static void print_stats(const dmsrun_result *r, FILE *out) {
    char a[32], b[32];
    fprintf(out, "\n  open %s, first turn %s\n", dmsrun_time(r->after.open_ns, r->is_utf8, a),
            dmsrun_time(r->first_turn_ns, r->is_utf8, b));
    print_times(r, out);
    fprintf(out, "\n  queue     busy                              rate\n");
    print_queue(r, "compute", &r->before.compute, &r->after.compute, out);
    print_queue(r, "in", &r->before.in, &r->after.in, out);
    print_queue(r, "out", &r->before.out, &r->after.out, out);
    print_queue(r, "load", &r->before.load, &r->after.load, out);
    fprintf(out, "\n");
    print_memory("device", r->info.device_arena_bytes, r->info.device_budget_bytes, 0, out);
    print_memory("host", r->info.host_arena_bytes, r->info.host_budget_bytes,
                 r->info.overhead_bytes, out);
    print_card(&r->card, out);
    print_storage(&r->after, out);
    fprintf(out, "  %-8s%10s resident at most\n", "process", bytes_text(r->peak_rss_bytes, a));
}

void dmsrun_print(const dmsrun_result *r, FILE *out) {
    char text[33], time[32];
    if (r->options->compare != NULL)
        print_comparison(r, out);
    if (r->options->stats)
        print_stats(r, out);
    else
        fprintf(out, "  time     %s\n",
                dmsrun_time(dmsrun_percentile(r, DMSRUN_TIME, 50), r->is_utf8, time));
    if (r->options->digest || r->options->stats)
        fprintf(out, "  digest   %s\n", dms_hash_text(r->tensors->all, text));
}

/* One queue, per inference. */
static void json_queue(dms_json *json, const char *name, const dms_queue_stats *before,
                       const dms_queue_stats *after, uint64_t n) {
    dms_json_object(json, name);
    dms_json_uint(json, "busy_ns", (after->busy_ns - before->busy_ns + n / 2) / n);
    dms_json_uint(json, "commands", (after->commands - before->commands + n / 2) / n);
    dms_json_uint(json, "bytes", (after->bytes - before->bytes + n / 2) / n);
    dms_json_end_object(json);
}

/* Errors are null where nothing was compared. */
static void json_outputs(const dmsrun_result *r, dms_json *json) {
    char digest[33];
    dms_json_array(json, "outputs");
    for (uint32_t i = 0; i < r->tensors->n_outputs; i++) {
        const dms_view *view = &r->tensors->output[i].view;
        const dms_difference *d = &r->tensors->difference[i];
        dms_json_object(json, NULL);
        dms_json_text(json, "name", r->tensors->output_port[i].name);
        dms_json_text(json, "dtype", dms_dtype_name(view->dtype));
        dms_json_array(json, "dims");
        for (uint32_t k = 0; k < view->rank; k++)
            dms_json_int(json, NULL, view->dim[k]);
        dms_json_end_array(json);
        dms_json_text(json, "digest", dms_hash_text(r->tensors->digest[i], digest));
        if (r->options->compare != NULL) {
            dms_json_real(json, "max_abs_err", d->max_abs);
            dms_json_real(json, "max_rel_err", d->max_rel);
        } else {
            dms_json_null(json, "max_abs_err");
            dms_json_null(json, "max_rel_err");
        }
        dms_json_end_object(json);
    }
    dms_json_end_array(json);
}

/* Measured beside predicted, so that a reader needs no second file. */
static void json_times(const dmsrun_result *r, dms_json *json) {
    dms_json_uint(json, "iterations", r->options->iterations);
    dms_json_uint(json, "warmup", r->options->warmup);
    dms_json_int(json, "open_ns", r->after.open_ns);
    dms_json_int(json, "first_turn_ns", r->first_turn_ns);
    dms_json_int(json, "median_ns", dmsrun_percentile(r, DMSRUN_TIME, 50));
    dms_json_int(json, "p90_ns", dmsrun_percentile(r, DMSRUN_TIME, 90));
    dms_json_int(json, "p99_ns", dmsrun_percentile(r, DMSRUN_TIME, 99));
    dms_json_int(json, "compute_ns", dmsrun_percentile(r, DMSRUN_COMPUTE, 50));
    dms_json_int(json, "predicted_period_ns", r->info.period_ns);
    dms_json_int(json, "predicted_compute_ns", r->info.compute_ns);
    dms_json_uint(json, "work", r->info.work);
}

/* All five queues; store is reserved and empty. */
static void json_queues(const dmsrun_result *r, dms_json *json) {
    const uint64_t n = r->options->iterations;
    const dms_queue_stats none = {0, 0, 0};
    dms_json_object(json, "queues");
    json_queue(json, "compute", &r->before.compute, &r->after.compute, n);
    json_queue(json, "in", &r->before.in, &r->after.in, n);
    json_queue(json, "out", &r->before.out, &r->after.out, n);
    json_queue(json, "load", &r->before.load, &r->after.load, n);
    json_queue(json, "store", &none, &none, n);
    dms_json_end_object(json);
}

/* Sums since the session was opened. */
static void json_storage(const dms_stats *stats, dms_json *json) {
    dms_json_object(json, "storage");
    if (stats->direct_reader != NULL)
        dms_json_text(json, "direct_reader", stats->direct_reader);
    else
        dms_json_null(json, "direct_reader");
    dms_json_uint(json, "direct_bytes", stats->direct_bytes);
    dms_json_uint(json, "buffered_bytes", stats->buffered_bytes);
    dms_json_end_object(json);
}

/* Which ways are taken on the card, and the driver's count; null on the CPU. */
static void json_card(const dmsrun_result *r, dms_json *json) {
    const dms_card_memory *card = &r->card;
    if (card->total_bytes == 0) {
        dms_json_null(json, "card");
        return;
    }
    dms_json_object(json, "card");
    dms_json_text(json, "paths", r->device);
    dms_json_uint(json, "total_bytes", card->total_bytes);
    dms_json_uint(json, "free_first_bytes", card->free_first);
    dms_json_uint(json, "free_with_arena_bytes", card->free_with_arena);
    dms_json_uint(json, "free_with_kernels_bytes", card->free_with_kernels);
    dms_json_uint(json, "free_after_bytes", card->free_now);
    dms_json_int(json, "beyond_arena_bytes", card->beyond_arena_bytes);
    dms_json_end_object(json);
}

dms_code dmsrun_print_json(const dmsrun_result *r, dms_arena *arena, FILE *out, dms_status *st) {
    dms_json json = {.out = out};
    char digest[33], meaning[33];
    int64_t *step_ns;
    DMS_TRY(dms_alloc_st(arena, r->info.n_steps, sizeof *step_ns, "step times", &step_ns, st));
    /* of a card in its recorded turns, of which the last is as good as a measured one */
    const bool is_late = r->card.total_bytes != 0 && r->options->warmup >= DMS_TRACE_TURNS;
    dms_session_step_ns(r->session, is_late ? DMS_TRACE_TURNS - 1 : r->options->warmup, step_ns);
    dms_json_object(&json, NULL);
    dms_json_text(&json, "model", r->info.model);
    dms_json_text(&json, "meaning", dms_session_meaning(r->session, meaning));
    dms_json_text(&json, "digest", dms_hash_text(r->tensors->all, digest));
    json_outputs(r, &json);
    json_times(r, &json);
    json_queues(r, &json);
    json_storage(&r->after, &json);
    dms_json_array(&json, "steps");
    for (uint32_t i = 0; i < r->info.n_steps; i++)
        dms_json_text(&json, NULL, dms_session_step(r->session, i));
    dms_json_end_array(&json);
    dms_json_array(&json, "steps_ns");
    for (uint32_t i = 0; i < r->info.n_steps; i++)
        dms_json_int(&json, NULL, step_ns[i]);
    dms_json_end_array(&json);
    dms_json_uint(&json, "device_arena_bytes", r->info.device_arena_bytes);
    dms_json_uint(&json, "host_arena_bytes", r->info.host_arena_bytes);
    dms_json_uint(&json, "overhead_bytes", r->info.overhead_bytes);
    json_card(r, &json);
    dms_json_uint(&json, "peak_rss_bytes", r->peak_rss_bytes);
    dms_json_uint(&json, "threads", r->info.threads);
    dms_json_end_object(&json);
    fprintf(out, "\n");
    return DMS_OK;
}
