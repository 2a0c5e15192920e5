/* profile_read.c - jansson in, plain numbers out. */
#include "planner/profile_read.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "planner/contention.h"
#include "planner/profiles_builtin.h" /* generated from planner/profiles/ */
#include "runtime/kernels/kernel.h"

#define LARGEST_FILE_BYTES (64u << 10)
#define MOST_PS 1000000000
#define MOST_LAUNCH 1000000000000 /* ns: a quarter of an hour for a step is no launch */

/* Each followed by a space. */
static const char ROOT_KEYS[] =
    "format version name kind source device_bytes host_bytes flops memory_bytes_per_s launch_ns "
    "links contention lead_ns cache families ";

static dms_code read_integer(const json_t *value, const char *key, int64_t least, int64_t most,
                             int64_t *out, dms_status *st) {
    if (!json_is_integer(value))
        return dms_fail(st, DMS_EUSAGE, "key '%s' is missing or no integer", key);
    const json_int_t number = json_integer_value(value);
    if (number < least || number > most)
        return dms_fail(st, DMS_EUSAGE, "key '%s': %lld is out of range, %lld to %lld", key,
                        (long long)number, (long long)least, (long long)most);
    *out = number;
    return DMS_OK;
}

/* An integer between 1 and 2^60 of an object or, with `at` >= 0, of an array. */
static dms_code read_number(const json_t *in, const char *key, int at, int64_t *out,
                            dms_status *st) {
    const json_t *value = at < 0 ? json_object_get(in, key) : json_array_get(in, (size_t)at);
    return read_integer(value, key, 1, INT64_C(1) << 60, out, st);
}

static dms_code read_link(const json_t *links, const char *key, dms_link *out, dms_status *st) {
    const json_t *pair = json_object_get(links, key);
    if (!json_is_array(pair) || json_array_size(pair) != 2)
        return dms_fail(st, DMS_EUSAGE, "key 'links.%s' is no pair of bytes/s and ns", key);
    DMS_TRY(read_integer(json_array_get(pair, 0), key, 1, DMS_MOST_RATE, &out->bytes_per_s, st));
    return read_integer(json_array_get(pair, 1), key, 0, DMS_MOST_LATENCY, &out->latency_ns, st);
}

static dms_code read_kind(const json_t *root, dms_profile *out, dms_status *st) {
    const char *kind = json_string_value(json_object_get(root, "kind"));
    if (kind != NULL && strcmp(kind, "cpu") == 0)
        out->device_kind = DMS_DEVICE_CPU;
    else if (kind != NULL && strcmp(kind, "cuda") == 0)
        out->device_kind = DMS_DEVICE_CUDA;
    else
        return dms_fail(st, DMS_EUSAGE, "key 'kind' is neither \"cpu\" nor \"cuda\"");
    return DMS_OK;
}

/* Absent: none. */
static dms_code read_lead(const json_t *root, dms_profile *out, dms_status *st) {
    const json_t *lead = json_object_get(root, "lead_ns");
    const json_int_t ns = json_integer_value(lead);
    if (lead != NULL && (!json_is_integer(lead) || ns < 0 || ns > DMS_MOST_LEAD))
        return dms_fail(st, DMS_EUSAGE, "key 'lead_ns' is no integer from 0 to %lld",
                        (long long)DMS_MOST_LEAD);
    out->lead_ns = ns;
    return DMS_OK;
}

/* A key that nobody reads is one that somebody misspelt. */
static dms_code check_keys(const json_t *object, const char *known, dms_status *st) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        const size_t length = strlen(key);
        const char *at = known;
        while (at != NULL && (strncmp(at, key, length) != 0 || at[length] != ' '))
            at = (at = strchr(at, ' ')) == NULL ? NULL : at + 1;
        if (at == NULL || length == 0)
            return dms_fail(st, DMS_EUSAGE, "unknown key '%s'", key);
    }
    return DMS_OK;
}

/* [bytes, bytes per second]; absent: what a step touches always comes from memory. */
static dms_code read_cache(const json_t *root, dms_profile *out, dms_status *st) {
    const json_t *pair = json_object_get(root, "cache");
    int64_t bytes;
    if (pair == NULL)
        return DMS_OK;
    if (!json_is_array(pair) || json_array_size(pair) != 2)
        return dms_fail(st, DMS_EUSAGE, "key 'cache' is no pair of bytes and bytes/s");
    DMS_TRY(read_number(pair, "cache", 0, &bytes, st));
    DMS_TRY(read_number(pair, "cache", 1, &out->cache_bytes_per_s, st));
    out->cache_bytes = (uint64_t)bytes;
    return DMS_OK;
}

/* A whole number of ps from 0 to 10^9; absent: 0. */
static dms_code read_ps(const json_t *in, const char *family, const char *key, int64_t *out,
                        dms_status *st) {
    const json_t *value = json_object_get(in, key);
    const json_int_t ps = json_integer_value(value);
    if (value != NULL && (!json_is_integer(value) || ps < 0 || ps > MOST_PS))
        return dms_fail(st, DMS_EUSAGE, "key 'families.%s.%s' is no integer from 0 to %d", family,
                        key, MOST_PS);
    *out = ps;
    return DMS_OK;
}

static dms_code read_family(const json_t *in, const char *name, dms_family_cost *out,
                            dms_status *st) {
    const json_t *share = json_object_get(in, "share");
    const double value = json_number_value(share);
    if (!json_is_object(in))
        return dms_fail(st, DMS_EUSAGE, "key 'families.%s' is no object", name);
    if (check_keys(in, "share result_ps row_ps ", st) != DMS_OK)
        return dms_context(st, "key 'families.%s'", name);
    if (share != NULL && !(value >= 0.001 && value <= 100)) /* a NaN is neither */
        return dms_fail(st, DMS_EUSAGE, "key 'families.%s.share' is no number from 0.001 to 100",
                        name);
    out->share = (int32_t)(value * 1000 + 0.5);
    DMS_TRY(read_ps(in, name, "result_ps", &out->result_ps, st));
    return read_ps(in, name, "row_ps", &out->row_ps, st);
}

/* DMS_N_FAMILIES where there is none of this name. */
static uint32_t find_family(const char *name) {
    uint32_t f = 0;
    while (f < DMS_N_FAMILIES && strcmp(name, dms_family_name((dms_family)f)) != 0)
        f++;
    return f;
}

/* Absent: every family reaches the rate of its type. */
static dms_code read_families(const json_t *root, dms_profile *out, dms_status *st) {
    const json_t *families = json_object_get(root, "families");
    const char *name;
    json_t *in;
    if (families != NULL && !json_is_object(families))
        return dms_fail(st, DMS_EUSAGE, "key 'families' is no object");
    json_object_foreach((json_t *)families, name, in) {
        const uint32_t f = find_family(name);
        if (f == DMS_N_FAMILIES)
            return dms_fail(st, DMS_EUSAGE, "key 'families': unknown family '%s'", name);
        DMS_TRY(read_family(in, name, &out->family[f], st));
    }
    return DMS_OK;
}

static dms_code read_profile(const json_t *root, dms_profile *out, dms_status *st) {
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *name = json_string_value(json_object_get(root, "name"));
    if (format == NULL || strcmp(format, "dms-profile") != 0 ||
        json_integer_value(json_object_get(root, "version")) != 1)
        return dms_fail(st, DMS_EUSAGE, "not a dms-profile of version 1");
    DMS_TRY(check_keys(root, ROOT_KEYS, st));
    DMS_TRY(check_keys(json_object_get(root, "flops"), "f32 f16 f64 i8 ", st));
    DMS_TRY(check_keys(json_object_get(root, "links"), "in out load store ", st));
    if (name == NULL || name[0] == 0 || strlen(name) >= sizeof out->name)
        return dms_fail(st, DMS_EUSAGE, "key 'name' is missing or longer than 63 bytes");
    memcpy(out->name, name, strlen(name) + 1);
    DMS_TRY(read_kind(root, out, st));
    int64_t device, host;
    DMS_TRY(read_number(root, "device_bytes", -1, &device, st));
    DMS_TRY(read_number(root, "host_bytes", -1, &host, st));
    out->device_bytes = (uint64_t)device;
    out->host_bytes = (uint64_t)host;
    const json_t *flops = json_object_get(root, "flops");
    DMS_TRY(read_number(flops, "f32", -1, &out->f32_flops, st));
    DMS_TRY(read_number(flops, "f16", -1, &out->f16_flops, st));
    DMS_TRY(read_number(flops, "f64", -1, &out->f64_flops, st));
    DMS_TRY(read_number(flops, "i8", -1, &out->i8_flops, st));
    DMS_TRY(read_number(root, "memory_bytes_per_s", -1, &out->memory_bytes_per_s, st));
    DMS_TRY(read_integer(json_object_get(root, "launch_ns"), "launch_ns", 1, MOST_LAUNCH,
                         &out->launch_ns, st));
    const json_t *links = json_object_get(root, "links");
    DMS_TRY(read_link(links, "in", &out->in, st));
    DMS_TRY(read_link(links, "out", &out->out, st));
    DMS_TRY(read_link(links, "load", &out->load, st));
    DMS_TRY(read_link(links, "store", &out->store, st));
    DMS_TRY(read_lead(root, out, st));
    DMS_TRY(read_cache(root, out, st));
    DMS_TRY(read_families(root, out, st));
    return dms_contention_read(json_object_get(root, "contention"), &out->contention, st);
}

/* Parses text; `what` is for messages. jansson calls some allocations that fail a wrong text: one
 * of ours is right, and one it could say nothing of has no line. */
static dms_code parse(const char *text, size_t length, const char *what, bool is_builtin,
                      dms_profile *out, dms_status *st) {
    json_error_t error;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL && (is_builtin || error.line < 1))
        return dms_fail(st, DMS_EINTERNAL, "out of memory: profile '%s'", what);
    if (root == NULL)
        return dms_fail(st, DMS_EUSAGE, "profile '%s': line %d: %s", what, error.line, error.text);
    dms_profile profile = {.name = ""};
    const dms_code code = read_profile(root, &profile, st);
    json_decref(root);
    if (code != DMS_OK)
        return dms_context(st, "profile '%s'", what);
    *out = profile;
    return DMS_OK;
}

static dms_code read_file(const char *path, dms_profile *out, dms_status *st) {
    char text[LARGEST_FILE_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return dms_fail(st, DMS_EIO, "profile '%s': cannot be opened", path);
    const size_t length = fread(text, 1, sizeof text, file);
    const int failed = ferror(file) || !feof(file);
    (void)fclose(file);
    if (failed)
        return dms_fail(st, DMS_EIO, "profile '%s': unreadable, or larger than %zu bytes", path,
                        sizeof text);
    return parse(text, length, path, false, out, st);
}

dms_code dms_profile_load(const char *name, dms_profile *out, dms_status *st) {
    const size_t length = strlen(name);
    for (size_t i = 0; i < DMS_N_BUILTIN_PROFILES; i++) {
        const char *text = DMS_BUILTIN_PROFILES[i].text;
        if (strcmp(DMS_BUILTIN_PROFILES[i].name, name) == 0)
            return parse(text, strlen(text), name, true, out, st);
    }
    if (strchr(name, '/') != NULL || (length > 5 && strcmp(name + length - 5, ".json") == 0))
        return read_file(name, out, st);
    return dms_fail(st, DMS_EUSAGE, "no profile '%s'; dmsc --list-profiles prints those there are",
                    name);
}

dms_code dms_profiles_print(FILE *out, dms_status *st) {
    (void)fprintf(out, "%-12s %-5s %12s %14s %10s %10s\n", "profile", "kind", "f32 GFLOP/s",
                  "memory GB/s", "in GB/s", "out GB/s");
    for (size_t i = 0; i < DMS_N_BUILTIN_PROFILES; i++) {
        dms_profile p;
        DMS_TRY(dms_profile_load(DMS_BUILTIN_PROFILES[i].name, &p, st));
        (void)fprintf(out, "%-12s %-5s %12.0f %14.1f %10.1f %10.1f\n", p.name,
                      p.device_kind == DMS_DEVICE_CPU ? "cpu" : "cuda", (double)p.f32_flops / 1e9,
                      (double)p.memory_bytes_per_s / 1e9, (double)p.in.bytes_per_s / 1e9,
                      (double)p.out.bytes_per_s / 1e9);
    }
    return DMS_OK;
}
