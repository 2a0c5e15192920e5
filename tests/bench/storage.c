/* storage.c - how fast do blocks come from a file, beside the plainest direct reader?
 *
 * Reads a file of at least 16 MiB in turns: pread with O_DIRECT, 4 MiB at a time, into one place;
 * and by dms_storage_load, block by block, as the load queue of a run does. Blocks are read where
 * they lie aligned in the file (as --pack puts them), 52 bytes beside, and as two columns of a
 * matrix side by side, by io_uring (where it is allowed) and by pread. Prints medians of the rates
 * of the rounds, each against the plain reader of the same round, the processor's time, and the
 * pages that the reads have left in the page cache.
 *
 *     tests/bench/storage FILE [rounds [block bytes]]      default 5 rounds, blocks of 4,980,736
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/storage_internal.h"
#include "schema/file_digest.h"

#define MOST_BYTES (1ull << 30)
#define MOST_ROUNDS 64u
#define PLAIN_BYTES (4u << 20)
#define ROW 8192 /* elements of a row of the matrix that is read by columns */

typedef enum way { PLAIN, ALIGNED, BESIDE, COLUMNS, ALIGNED_PREAD, BESIDE_PREAD, N_WAYS } way;
static const char *const WAY[N_WAYS] = {
    "plain reader",        "blocks, aligned",        "blocks, 52 bytes beside",
    "blocks of half rows", "blocks, aligned, pread", "blocks, beside, pread"};

typedef struct bench {
    dms_arena arena;
    dms_status st;
    dms_plan plan;
    dms_plan_file file;
    dms_source *source;
    char folder[4096];
    uint64_t bytes, block_bytes;
    uint8_t *place;
    double rate[N_WAYS][MOST_ROUNDS], share[N_WAYS][MOST_ROUNDS], cpu[N_WAYS][MOST_ROUNDS];
} bench;

static void must(bench *b, dms_code code) {
    if (code == DMS_OK)
        return;
    (void)fprintf(stderr, "storage: %s\n", b->st.msg);
    exit((int)code);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Time of the processor in this process, the kernel's part included. */
static double cpu_seconds(void) {
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static uint64_t cached_bytes(const char *path) {
    struct stat s;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &s) != 0)
        return 0;
    const size_t size = (size_t)s.st_size, n_pages = (size + 4095) / 4096;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char *in = malloc(n_pages);
    uint64_t n = 0;
    if (map != MAP_FAILED && mincore(map, size, in) == 0)
        for (size_t i = 0; i < n_pages; i++)
            n += in[i] & 1;
    (void)munmap(map, size);
    (void)close(fd);
    free(in);
    return n * 4096;
}

static uint64_t read_plain(bench *b, const char *path) {
    const int fd = open(path, O_RDONLY | O_DIRECT);
    uint64_t at = 0;
    while (fd >= 0 && at + PLAIN_BYTES <= b->bytes) {
        if (pread(fd, b->place, PLAIN_BYTES, (off_t)at) != PLAIN_BYTES)
            must(b, dms_fail(&b->st, DMS_EIO, "the plain reader fails"));
        at += PLAIN_BYTES;
    }
    if (fd >= 0)
        (void)close(fd);
    return at;
}

/* One source per block; n of them. Half rows: blocks 2 k and 2 k + 1 lie side by side. */
static uint32_t make_sources(bench *b, way w) {
    const uint64_t step = (b->block_bytes + 4095) / 4096 * 4096;
    const uint64_t beside = w == BESIDE || w == BESIDE_PREAD ? 52 : 0;
    const int64_t rows = (int64_t)(b->block_bytes / (ROW / 2));
    uint32_t n = 0;
    for (uint64_t at = 0; at + 2 * step + beside <= b->bytes;
         at += w == COLUMNS ? 2 * step : step) {
        const dms_view run = {DMS_DTYPE_U8, 1, 0, {(int64_t)b->block_bytes}, {1}};
        dms_view half = {DMS_DTYPE_U8, 2, 0, {rows, ROW / 2}, {ROW, 1}};
        b->source[n++] = (dms_source){.offset = at + beside, .view = w == COLUMNS ? half : run};
        half.offset = ROW / 2;
        if (w == COLUMNS)
            b->source[n++] = (dms_source){.offset = at, .view = half};
    }
    b->plan.n_sources = n;
    return n;
}

static uint64_t read_blocks(bench *b, way w, dms_storage *storage) {
    const int64_t pitch[2] = {w == COLUMNS ? ROW / 2 : 1, 1};
    uint64_t sum = 0, bytes;
    for (uint32_t k = 0; k < b->plan.n_sources; k++) {
        must(b, dms_storage_load(storage, k, pitch, b->place, &bytes, &b->st));
        sum += dms_view_bytes(&b->source[k].view);
    }
    return sum;
}

/* One way, once: rate and time of the processor, opening excluded. */
static void measure(bench *b, const char *path, way w, uint32_t round) {
    dms_storage *storage = NULL;
    const dms_storage_options options = {.model_dir = b->folder, .plan_dir = b->folder};
    if (w != PLAIN) {
        (void)make_sources(b, w);
        must(b, dms_storage_open(&b->plan, &options, &b->arena, &storage, &b->st));
    }
    if (w == ALIGNED_PREAD || w == BESIDE_PREAD) {
        if (storage->direct != NULL)
            storage->direct->ops->close(storage->direct);
        must(b, dms_reader_open_pread(&b->arena, &storage->direct, &b->st));
    }
    const double begin = seconds(CLOCK_MONOTONIC), cpu = cpu_seconds();
    const uint64_t bytes = w == PLAIN ? read_plain(b, path) : read_blocks(b, w, storage);
    const double spent = seconds(CLOCK_MONOTONIC) - begin;
    b->rate[w][round] = (double)bytes / spent * 1e-9;
    b->share[w][round] = b->rate[w][round] / b->rate[PLAIN][round];
    b->cpu[w][round] = (cpu_seconds() - cpu) * 1e12 / (double)bytes;
    dms_storage_close(storage);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *value, uint32_t n) {
    qsort(value, n, sizeof *value, compare);
    return value[n / 2];
}

static void open_file(bench *b, const char *path) {
    struct stat s;
    const char *slash = strrchr(path, '/');
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &s) != 0 || s.st_size < (off_t)DMS_DIRECT_FILE_BYTES)
        must(b, dms_fail(&b->st, DMS_EIO, "'%s' cannot be read, or is below 16 MiB", path));
    (void)snprintf(b->folder, sizeof b->folder, "%.*s", slash == NULL ? 1 : (int)(slash - path),
                   slash == NULL ? "." : path);
    b->bytes = (uint64_t)s.st_size;
    b->file = (dms_plan_file){.name = slash == NULL ? path : slash + 1, .bytes = b->bytes};
    static const uint64_t zero = 0;
    const dms_file_ranges large = {1, &zero, &b->bytes};
    b->file.n_large = 1;
    b->file.large_offset = &zero;
    b->file.large_bytes = &b->file.bytes;
    must(b, dms_file_digest(fd, path, b->bytes, &large, &b->file.digest, &b->st));
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)close(fd);
    if (b->bytes > MOST_BYTES)
        b->bytes = MOST_BYTES;
}

int main(int argc, char **argv) {
    bench b = {.st = {.code = DMS_OK}};
    if (argc < 2) {
        (void)fprintf(stderr, "usage: storage FILE [rounds [block bytes]]\n");
        return 2;
    }
    const uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 5;
    b.block_bytes = (argc > 3 ? strtoull(argv[3], NULL, 10) : 4980736) / ROW * ROW;
    open_file(&b, argv[1]);
    if (rounds == 0 || rounds > MOST_ROUNDS || b.block_bytes == 0 || b.block_bytes * 4 > b.bytes) {
        (void)fprintf(stderr, "storage: rounds or block bytes are out of range\n");
        return 2;
    }
    const size_t place = b.block_bytes < PLAIN_BYTES ? PLAIN_BYTES : (size_t)b.block_bytes;
    b.place = aligned_alloc(4096, (place + 4095) / 4096 * 4096);
    memset(b.place, 0, place);
    must(&b, dms_alloc_st(&b.arena, b.bytes / b.block_bytes + 2, sizeof *b.source, "sources",
                          &b.source, &b.st));
    b.plan = (dms_plan){.n_files = 1, .file = &b.file, .source = b.source};
    for (uint32_t round = 0; round < rounds; round++)
        for (way w = 0; w < N_WAYS; w++)
            measure(&b, argv[1], w, round);
    (void)printf("%-26s %8s %8s %10s\n", "", "GB/s", "/ plain", "CPU ms/GB");
    for (way w = 0; w < N_WAYS; w++)
        (void)printf("%-26s %8.2f %8.3f %10.1f\n", WAY[w], median(b.rate[w], rounds),
                     median(b.share[w], rounds), median(b.cpu[w], rounds));
    (void)printf("left in the page cache: %" PRIu64 " bytes\n", cached_bytes(argv[1]));
    return 0;
}
