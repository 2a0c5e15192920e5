/* calibrate_storage.c - a file of its own, written, then read by the loader that reads weights. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/calibrate_internal.h"
#include "runtime/random.h"
#include "runtime/session.h"
#include "runtime/storage_internal.h"
#include "schema/file_digest.h"

#define WRITE_BYTES (4u << 20)
#define UNIT_BYTES (256u << 10) /* sources are multiples of it */
#define N_SIZES 4u
#define READ_NS 400000000
#define BESIDE_BYTES (2u << 20)
#define LEAD_BYTES (4u << 20)

/* Sizes of blocks that are read; depths follow: the loader keeps up to four pieces under way. */
static const uint64_t SIZES[N_SIZES] = {256u << 10, 1u << 20, 4u << 20, 16u << 20};

/* A reading of blocks of one size, one behind the other through the file. */
typedef struct reading {
    dms_storage *storage;
    uint64_t bytes, at;
    uint8_t *to;
    uint32_t size; /* index: sources of this size begin at first[size] */
    uint32_t n_blocks, first;
    bool has_failed;
    dms_status st;
} reading;

static void run_reading(void *context) {
    reading *r = context;
    const int64_t pitch[1] = {1};
    uint64_t got;
    if (!r->has_failed && dms_storage_load(r->storage, r->first + (uint32_t)(r->at % r->n_blocks),
                                           pitch, r->to, &got, &r->st) != DMS_OK)
        r->has_failed = true;
    r->at++;
}

/* Sources of all sizes, each size over the whole file. */
static dms_code make_sources(dms_bench *b, dms_plan *plan, dms_status *st) {
    uint64_t n = 0;
    for (uint32_t s = 0; s < N_SIZES; s++)
        n += DMS_CALIBRATE_FILE_BYTES / SIZES[s];
    DMS_TRY(dms_alloc_st(b->arena, n, sizeof *plan->source, "sources", &plan->source, st));
    for (uint32_t s = 0; s < N_SIZES; s++)
        for (uint64_t at = 0; at + SIZES[s] <= DMS_CALIBRATE_FILE_BYTES; at += SIZES[s])
            plan->source[plan->n_sources++] =
                (dms_source){.offset = at, .view = {DMS_DTYPE_U8, 1, 0, {(int64_t)SIZES[s]}, {1}}};
    return DMS_OK;
}

static reading make_reading(const dms_bench *b, uint32_t size) {
    uint32_t first = 0;
    for (uint32_t s = 0; s < size; s++)
        first += (uint32_t)(DMS_CALIBRATE_FILE_BYTES / SIZES[s]);
    return (reading){.storage = b->storage,
                     .bytes = SIZES[size],
                     .to = b->block,
                     .first = first,
                     .n_blocks = (uint32_t)(DMS_CALIBRATE_FILE_BYTES / SIZES[size])};
}

/* Random bytes, so that no file system makes them smaller; written past the page cache where that
 * is allowed, and there when this returns. */
static dms_code write_file(dms_bench *b, int fd, dms_samples *out, dms_status *st) {
    uint64_t *words = (uint64_t *)(void *)b->block;
    for (uint64_t k = 0; k < WRITE_BYTES / 8; k++)
        words[k] = dms_random_word(k);
    (void)fcntl(fd, F_SETFL, O_DIRECT);
    out->n = 0;
    for (uint64_t at = 0; at < DMS_CALIBRATE_FILE_BYTES; at += WRITE_BYTES) {
        words[0] = at; /* no two blocks are equal */
        const int64_t begin = dms_now_ns();
        ssize_t got = pwrite(fd, b->block, WRITE_BYTES, (off_t)at);
        if (got < 0 && errno == EINVAL && fcntl(fd, F_SETFL, 0) == 0)
            got = pwrite(fd, b->block, WRITE_BYTES, (off_t)at);
        if (got != (ssize_t)WRITE_BYTES)
            return dms_fail(st, DMS_EIO, "'%s': writing %u bytes: %s", b->options->folder,
                            DMS_CALIBRATE_FILE_BYTES, strerror(got < 0 ? errno : ENOSPC));
        out->ns[out->n++] = dms_now_ns() - begin;
    }
    const int64_t begin = dms_now_ns();
    if (fsync(fd) != 0)
        return dms_fail(st, DMS_EIO, "'%s': fsync: %s", b->options->folder, strerror(errno));
    (void)fcntl(fd, F_SETFL, 0); /* its digest is read through the cache */
    const int64_t sync = (dms_now_ns() - begin) / out->n;
    for (uint32_t k = 0; k < out->n; k++)
        out->ns[k] += sync;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return DMS_OK;
}

/* Opens the file as a plan's model is opened, with its digest. */
static dms_code open_storage(dms_bench *b, int fd, const char *name, dms_status *st) {
    static const uint64_t zero = 0, all = DMS_CALIBRATE_FILE_BYTES;
    const dms_file_ranges large = {1, &zero, &all};
    const dms_storage_options how = {.model_dir = b->options->folder,
                                     .plan_dir = b->options->folder};
    dms_plan_file *file;
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *b->plan, "calibration", &b->plan, st));
    DMS_TRY(dms_alloc_st(b->arena, 1, sizeof *file, "calibration", &file, st));
    *file = (dms_plan_file){.name = name, .bytes = all, .n_large = 1};
    file->large_offset = &zero;
    file->large_bytes = &all;
    DMS_TRY(dms_file_digest(fd, name, all, &large, &file->digest, st));
    *b->plan = (dms_plan){.n_files = 1, .file = file};
    DMS_TRY(make_sources(b, b->plan, st));
    return dms_storage_open(b->plan, &how, b->arena, &b->storage, st);
}

/* The name is gone before anything is measured: whatever ends us, nothing is left. */
dms_code dms_calibrate_open_file(dms_bench *b, dms_status *st) {
    dms_samples samples;
    char *path =
        (char *)(uintptr_t)dms_format(b->arena, "%s/dmsrun-calibrate-XXXXXX", b->options->folder);
    if (path == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: calibration");
    const int fd = mkstemp(path);
    if (fd < 0)
        return dms_fail(st, DMS_EIO, "'%s': %s", b->options->folder, strerror(errno));
    dms_code code = write_file(b, fd, &samples, st);
    if (code == DMS_OK)
        code = open_storage(b, fd, strrchr(path, '/') + 1, st);
    (void)unlink(path);
    (void)close(fd);
    if (code != DMS_OK)
        return code;
    const int64_t ns = dms_samples_percentile(&samples, 50);
    b->out->profile.store = (dms_link){(int64_t)((double)WRITE_BYTES / (double)ns * 1e9), 0};
    dms_add_figure(b, "store, 4096 KiB", "GB/s", (double)WRITE_BYTES / (double)ns,
                   dms_samples_spread(&samples));
    return DMS_OK;
}

/* One size; the samples stay sorted in `samples`. */
static dms_code read_size(dms_bench *b, const char *how, uint32_t size, dms_samples *samples,
                          dms_status *st) {
    reading r = make_reading(b, size);
    char line[32];
    DMS_TRY(dms_time(b, (dms_action){run_reading, &r}, READ_NS, samples, st));
    if (r.has_failed) {
        *st = r.st;
        return r.st.code;
    }
    const int64_t ns = dms_samples_percentile(samples, 50);
    (void)snprintf(line, sizeof line, "load%s, %u KiB", how, (unsigned)(SIZES[size] >> 10));
    dms_add_figure(b, line, "GB/s", (double)SIZES[size] / (double)ns, dms_samples_spread(samples));
    return DMS_OK;
}

/* How much later than the median one reading in a hundred comes. */
static void note_lead(dms_bench *b, dms_samples *samples) {
    const int64_t late = dms_samples_percentile(samples, 99) - dms_samples_percentile(samples, 50);
    b->out->profile.lead_ns = late < 1 ? 1 : late > 10000000000 ? 10000000000 : late;
    dms_add_figure(b, "load: p99 - median", "us", (double)b->out->profile.lead_ns / 1e3, 0);
}

/* The same with one reading at a time, for comparison: what the depth is worth. */
static dms_code read_one_by_one(dms_bench *b, dms_status *st) {
    dms_storage *s = b->storage;
    dms_samples samples;
    dms_reader *deep = s->direct;
    DMS_TRY(dms_reader_open_pread(b->arena, &s->direct, st));
    const dms_code code = read_size(b, " by one", 2, &samples, st);
    s->direct->ops->close(s->direct);
    s->direct = deep;
    return code;
}

dms_code dms_calibrate_storage(dms_bench *b, dms_status *st) {
    int64_t ns[N_SIZES];
    dms_samples samples;
    for (uint32_t size = 0; size < N_SIZES; size++) {
        DMS_TRY(read_size(b, "", size, &samples, st));
        ns[size] = dms_samples_percentile(&samples, 50);
        if (SIZES[size] == LEAD_BYTES)
            note_lead(b, &samples);
    }
    b->out->profile.load = dms_fit_link(N_SIZES, SIZES, ns);
    b->out->reader = dms_storage_stats_of(b->storage).direct_reader;
    return b->out->reader == NULL ? DMS_OK : read_one_by_one(b, st);
}

dms_action dms_calibrate_reading(dms_bench *b) {
    reading *r;
    dms_status ignored;
    if (dms_alloc_st(b->arena, 1, sizeof *r, "calibration", &r, &ignored) != DMS_OK)
        return (dms_action){NULL, NULL};
    *r = make_reading(b, 1);
    return (dms_action){run_reading, r};
}
