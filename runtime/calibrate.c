/* calibrate.c - opens a device, measures part by part, prints, writes. */
#include "runtime/calibrate.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/calibrate_internal.h"
#include "runtime/cpu/cpu_device.h"
#include "runtime/load_cuda.h"
#include "runtime/session.h"
#include "runtime/storage.h"
#include "schema/json.h"
#include "schema/machine.h"

#define UNSTEADY 0.15 /* of the median: the middle half of the samples is wider */

/* Three quarters of what is free: the device arena gets a third of that, as the built-in profile
 * of the CPU has it. On a card it gets what the driver has left beside CUDA and the kernels, less a
 * 32nd, for it must be in one piece. */
static void take_sizes(const dms_device *device, dms_profile *p) {
    const uint64_t free_bytes = dms_machine_free_bytes();
    const uint64_t card = device->memory.with_kernels + device->device_bytes;
    const bool is_card = device->streams != NULL;
    p->device_kind = is_card ? DMS_DEVICE_CUDA : DMS_DEVICE_CPU;
    p->device_bytes = is_card ? card - card / 32 : free_bytes / 4;
    p->host_bytes = is_card ? free_bytes / 4 * 3 : free_bytes / 2;
    p->device_bytes = p->device_bytes < 1 ? 1 : p->device_bytes;
    p->host_bytes = p->host_bytes < 1 ? 1 : p->host_bytes;
}

/* Rounds go through everything that is short, so that what disturbs for a second or two disturbs a
 * minority of each figure's times. */
static dms_code measure(dms_bench *b, dms_status *st) {
    DMS_TRY(dms_calibrate_open_file(b, st)); /* first: what fails, fails before anybody waits */
    if (b->device->streams != NULL) {
        DMS_TRY(dms_calibrate_card(b, st));
        DMS_TRY(dms_calibrate_storage(b, st));
        return dms_calibrate_card_load(b, st);
    }
    DMS_TRY(dms_calibrate_compute_begin(b, st));
    DMS_TRY(dms_calibrate_links_begin(b, st));
    for (uint32_t round = 0; round < DMS_CALIBRATE_ROUNDS; round++) {
        DMS_TRY(dms_calibrate_compute_round(b, st));
        DMS_TRY(dms_calibrate_links_round(b, st));
    }
    dms_calibrate_compute_end(b);
    dms_calibrate_links_end(b);
    DMS_TRY(dms_calibrate_storage(b, st));
    return dms_calibrate_contention(b, st);
}

static dms_code check_folder(const char *folder, dms_status *st) {
    struct stat s;
    if (stat(folder, &s) != 0 || !S_ISDIR(s.st_mode))
        return dms_fail(st, DMS_EIO, "'%s' is no folder", folder);
    return DMS_OK;
}

/* The card's own way of opening is libdms_cuda's, unless a test has put its own there. */
static dms_code open_device(dms_bench *b, uint32_t threads, dms_status *st) {
    const dms_calibrate_options *options = b->options;
    uint32_t kind;
    int ordinal;
    DMS_TRY(dms_device_of_name(options->device, &kind, &ordinal, st));
    const bool is_card = kind != DMS_DEVICE_CPU;
    const dms_device_options how = {.device_bytes = is_card ? DMS_CALIBRATE_CARD_BYTES
                                                            : DMS_CALIBRATE_DEVICE_BYTES,
                                    .host_bytes = DMS_CALIBRATE_HOST_BYTES,
                                    .threads = threads,
                                    .ordinal = ordinal,
                                    .n_calls = DMS_CALIBRATE_CARD_CALLS,
                                    .n_commands = 1,
                                    .is_calibration = true};
    if (!is_card)
        return dms_cpu_device_open(&how, b->arena, &b->device, st);
    const dms_device_opener open = options->open_card == NULL ? dms_cuda_load : options->open_card;
    DMS_TRY(open(options->card_context, &how, b->arena, &b->device, st));
    const char *comma = strchr(b->device->note, ',');
    const int length =
        (int)(comma == NULL ? strlen(b->device->note) : (size_t)(comma - b->device->note));
    (void)snprintf(b->out->card, sizeof b->out->card, "%.*s", length, b->device->note);
    return DMS_OK;
}

dms_code dms_calibrate(const dms_calibrate_options *options, dms_arena *arena, dms_calibration *out,
                       dms_status *st) {
    const int64_t begin = dms_now_ns();
    const uint32_t threads = options->threads == 0 ? dms_cores_of_process() : options->threads;
    dms_bench b = {.options = options, .out = out, .arena = arena};
    *out = (dms_calibration){.threads = threads};
    if (strlen(options->name) >= sizeof out->profile.name)
        return dms_fail(st, DMS_EUSAGE, "name '%s' is longer than %zu bytes", options->name,
                        sizeof out->profile.name - 1);
    DMS_TRY(check_folder(options->folder, st));
    DMS_TRY(open_device(&b, threads, st));
    strcpy(out->profile.name, options->name);
    b.block = b.device->host_arena + DMS_CALIBRATE_COPY_BYTES;
    const dms_code code = measure(&b, st);
    take_sizes(b.device, &out->profile);
    dms_storage_close(b.storage);
    b.device->ops->close(b.device);
    out->took_ns = dms_now_ns() - begin;
    return code;
}

/* What was fitted to the kernels. */
static void print_families(const dms_calibration *c, FILE *out) {
    (void)fprintf(out, "\n%-16s %8s %12s %12s %8s\n", "kernels", "share", "ps/result", "ps/row",
                  "within");
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++) {
        const dms_family_cost *cost = &c->profile.family[f];
        (void)fprintf(out, "%-16s %8.2f %12" PRId64 " %12" PRId64 " %6.0f %%\n",
                      dms_family_name((dms_family)f), cost->share / 1000.0, cost->result_ps,
                      cost->row_ps, 100 * c->fit_error[f]);
    }
}

void dms_calibration_print(const dms_calibration *c, FILE *out) {
    uint32_t n_unsteady = 0;
    (void)fprintf(out, "%-24s %12s\n", "measured", "median");
    for (uint32_t i = 0; i < c->n_figures; i++) {
        const dms_figure *f = &c->figure[i];
        (void)fprintf(out, "%-24s %12.2f %-8s", f->name, f->value, f->unit);
        if (f->spread > UNSTEADY) {
            (void)fprintf(out, " varies by %.0f %%", 100 * f->spread);
            n_unsteady++;
        }
        (void)fprintf(out, "\n");
    }
    print_families(c, out);
    if (c->card[0] != 0)
        (void)fprintf(out, "\n%s", c->card);
    else
        (void)fprintf(out, "\n%" PRIu32 " thread%s", c->threads, c->threads == 1 ? "" : "s");
    (void)fprintf(out, ", %.1f s; storage is read %s%s\n", (double)c->took_ns / 1e9,
                  c->reader == NULL ? "through the page cache" : "past the page cache by ",
                  c->reader == NULL ? "" : c->reader);
    if (n_unsteady != 0)
        (void)fprintf(out,
                      "%" PRIu32 " of %" PRIu32 " figures varied: something else is running, and "
                      "predictions will be off by as much\n",
                      n_unsteady, c->n_figures);
}

static void write_pair(dms_json *j, const char *key, int64_t a, int64_t b) {
    dms_json_array(j, key);
    dms_json_int(j, NULL, a);
    dms_json_int(j, NULL, b);
    dms_json_end_array(j);
}

static void write_links(dms_json *j, const dms_profile *p) {
    dms_json_object(j, "links");
    write_pair(j, "in", p->in.bytes_per_s, p->in.latency_ns);
    write_pair(j, "out", p->out.bytes_per_s, p->out.latency_ns);
    write_pair(j, "load", p->load.bytes_per_s, p->load.latency_ns);
    write_pair(j, "store", p->store.bytes_per_s, p->store.latency_ns);
    dms_json_end_object(j);
}

static void write_families(dms_json *j, const dms_profile *p) {
    dms_json_object(j, "families");
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++) {
        const dms_family_cost *cost = &p->family[f];
        dms_json_object(j, dms_family_name((dms_family)f));
        dms_json_real(j, "share", cost->share / 1000.0);
        dms_json_int(j, "result_ps", cost->result_ps);
        dms_json_int(j, "row_ps", cost->row_ps);
        dms_json_end_object(j);
    }
    dms_json_end_object(j);
}

static void write_contention(dms_json *j, const dms_profile *p) {
    static const char *const QUEUE[] = {"compute", "in", "out", "load"};
    enum { N = sizeof QUEUE / sizeof QUEUE[0] };
    dms_json_object(j, "contention");
    for (uint32_t a = 0; a < N; a++) {
        dms_json_object(j, QUEUE[a]);
        for (uint32_t b = 0; b < N; b++)
            if (a != b)
                dms_json_real(j, QUEUE[b], 1 + p->contention.extra[a][b] / 1000.0);
        dms_json_end_object(j);
    }
    dms_json_end_object(j);
}

void dms_calibration_write(const dms_calibration *c, FILE *out) {
    const dms_profile *p = &c->profile;
    char source[200];
    const bool is_card = c->card[0] != 0;
    dms_json j = {.out = out};
    if (is_card)
        (void)snprintf(source, sizeof source, "dmsrun %s --calibrate, %s", DMS_VERSION, c->card);
    else
        (void)snprintf(source, sizeof source, "dmsrun %s --calibrate, %" PRIu32 " threads",
                       DMS_VERSION, c->threads);
    dms_json_object(&j, NULL);
    dms_json_text(&j, "format", "dms-profile");
    dms_json_int(&j, "version", 1);
    dms_json_text(&j, "name", p->name);
    dms_json_text(&j, "kind", is_card ? "cuda" : "cpu");
    dms_json_text(&j, "source", source);
    dms_json_uint(&j, "device_bytes", p->device_bytes);
    dms_json_uint(&j, "host_bytes", p->host_bytes);
    dms_json_object(&j, "flops");
    dms_json_int(&j, "f32", p->f32_flops);
    dms_json_int(&j, "f16", p->f16_flops);
    dms_json_int(&j, "f64", p->f64_flops);
    dms_json_int(&j, "i8", p->i8_flops);
    dms_json_end_object(&j);
    dms_json_int(&j, "memory_bytes_per_s", p->memory_bytes_per_s);
    write_pair(&j, "cache", (int64_t)p->cache_bytes, p->cache_bytes_per_s);
    dms_json_int(&j, "launch_ns", p->launch_ns);
    write_links(&j, p);
    write_families(&j, p);
    write_contention(&j, p);
    dms_json_int(&j, "lead_ns", p->lead_ns);
    dms_json_end_object(&j);
    (void)fprintf(out, "\n");
}
