/* fault.c - a library to preload: the n-th call of one kind fails, comes short, waits or is
 * interrupted. The programs under test know nothing of it.
 *
 *   FAULT_KIND    alloc open read write sync rename close stat map thread uring clock
 *   FAULT_AT      which call, from 1 on; 0 or nothing: none, all are counted
 *   FAULT_EVER    1: that call and every later one of the kind
 *   FAULT_ERROR   errno of the failure; without it the usual one of the kind
 *   FAULT_SHORT   1: reads and writes move half of what was asked for (at least a byte) instead
 *   FAULT_STALL   milliseconds that the call waits before it goes on instead
 *   FAULT_SIGNAL  number of a signal that the process gets before the call goes on instead
 *   FAULT_COUNTS  file to which the calls of each kind are written when the program ends
 *   FAULT_PLACES  file to which the first call from every place is written, as kind and number: a
 *                 place is the whole stack, so one function that others call has many
 *
 * A program that ends with memory or streams of its own still in use ends with 98 instead, and a line
 * says who asked for them: what the C library and cgraph keep for themselves does not count.
 *
 * Streams of fopen, fdopen and tmpfile read and write through counted calls: the C library's own
 * calls cannot be preloaded. What happens before main, and what is printed, is not counted; nor is
 * what libcdt takes of malloc for a dictionary of cgraph's, and cgraph for the line that it writes:
 * they write through NULL, and neither library asks anyone else (docs/decisions.md). */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

struct io_uring;

/* Declared by headers in forms that differ between compilers and fortify levels. */
void *memalign(size_t align, size_t size);
int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int io_uring_register_buffers(struct io_uring *ring, const void *vectors, unsigned n);
int io_uring_submit(struct io_uring *ring);

enum kind { ALLOC, OPEN, READ, WRITE, SYNC, RENAME, CLOSE, STAT, MAP, THREAD, URING, CLOCK };
#define N_KINDS (CLOCK + 1)

static const struct {
    const char *name;
    int error;
} KIND[N_KINDS] = {
    [ALLOC] = {"alloc", ENOMEM},   [OPEN] = {"open", EMFILE},   [READ] = {"read", EIO},
    [WRITE] = {"write", ENOSPC},   [SYNC] = {"sync", EIO},      [RENAME] = {"rename", EACCES},
    [CLOSE] = {"close", EIO},      [STAT] = {"stat", EIO},      [MAP] = {"map", ENOMEM},
    [THREAD] = {"thread", EAGAIN}, [URING] = {"uring", ENOMEM}, [CLOCK] = {"clock", EIO},
};

/* What a sanitizer allocates in a thread before its function begins is none of the program's. */
static _Thread_local bool is_starting = true;

static atomic_ulong n_calls[N_KINDS];
static atomic_bool is_armed;
static int the_kind = -1, the_error, the_signal;
static unsigned long the_call, stall_ms;
static bool is_ever, is_short;
static const char *counts_path, *places_path;

/* ---- the real functions -------------------------------------------------------------------- */

/* Before this library has begun, the one behind it may not have either, and looking for functions
 * allocates: a buffer serves, of which nothing is given back. */
static _Alignas(64) unsigned char early[65536];
static size_t n_early;
static bool has_begun;

static void *take_early(size_t align, size_t size) {
    size_t at = (n_early + align - 1) / align * align;
    if (at > sizeof early || size > sizeof early - at)
        return NULL;
    n_early = at + size;
    return early + at;
}

static bool is_early(const void *p) {
    return (uintptr_t)p >= (uintptr_t)early && (uintptr_t)p < (uintptr_t)(early + sizeof early);
}

static void *resolve(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        _exit(125); /* the driver takes it for what it is: this library is wrong */
    return found;
}

/* REAL(name): the function of that name behind this library. */
#define REAL(name)                                                                                 \
    __extension__({                                                                                \
        static _Atomic(void *) found_;                                                             \
        void *p_ = atomic_load(&found_);                                                           \
        if (p_ == NULL)                                                                            \
            atomic_store(&found_, p_ = resolve(#name));                                            \
        (__typeof__(&name))p_;                                                                     \
    })

/* ---- which call it is ---------------------------------------------------------------------- */

static void stall(void) {
    const struct timespec wait = {(time_t)(stall_ms / 1000), (long)(stall_ms % 1000) * 1000000};
    (void)nanosleep(&wait, NULL);
}

/* ---- where it comes from ------------------------------------------------------------------- */

#define MOST_PLACES (1u << 16)
#define MOST_FRAMES 48

/* First calls from each place: by open addressing; 0 is an empty entry. */
static struct {
    uint64_t stack;
    enum kind kind;
    unsigned long call;
} places[MOST_PLACES];
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool is_looking; /* to walk the stack may allocate */

/* FNV-1a over the return addresses, never 0. */
static uint64_t hash_stack(enum kind kind) {
    void *frame[MOST_FRAMES];
    const int n = backtrace(frame, MOST_FRAMES);
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)kind;
    for (int k = 0; k < n; k++)
        hash = (hash ^ (uintptr_t)frame[k]) * 0x100000001b3u;
    return hash | 1;
}

/* Notes where call `n` of a kind comes from, unless another came from there. */
static void note_place(enum kind kind, unsigned long n) {
    if (places_path == NULL || is_looking)
        return;
    is_looking = true;
    const uint64_t stack = hash_stack(kind);
    (void)pthread_mutex_lock(&places_lock);
    uint32_t at = (uint32_t)(stack >> 32) % MOST_PLACES;
    for (uint32_t k = 0; k < MOST_PLACES && places[at].stack != 0 && places[at].stack != stack; k++)
        at = (at + 1) % MOST_PLACES;
    if (places[at].stack == 0) {
        places[at].stack = stack;
        places[at].kind = kind;
        places[at].call = n;
    }
    (void)pthread_mutex_unlock(&places_lock);
    is_looking = false;
}

/* Counts a call; true when it is the one, and to fail or come short. */
static bool is_due(enum kind kind) {
    if (!atomic_load(&is_armed) || is_looking)
        return false;
    const unsigned long n = atomic_fetch_add(&n_calls[kind], 1) + 1;
    note_place(kind, n);
    if ((int)kind != the_kind || the_call == 0 || (is_ever ? n < the_call : n != the_call))
        return false;
    if (stall_ms != 0)
        stall();
    if (the_signal != 0)
        (void)kill(getpid(), the_signal);
    return stall_ms == 0 && the_signal == 0;
}

/* The same for calls that cannot come short; sets errno. */
static bool fails(enum kind kind) {
    if (!is_due(kind) || is_short)
        return false;
    errno = the_error;
    return true;
}

/* For reads and writes: false when it fails; otherwise *bytes may have become less. */
static bool may_move(enum kind kind, size_t *bytes) {
    if (!is_due(kind))
        return true;
    if (is_short && *bytes > 1)
        *bytes /= 2;
    if (is_short)
        return true;
    errno = the_error;
    return false;
}

static unsigned long number_of(const char *name) {
    const char *text = getenv(name);
    return text == NULL ? 0 : strtoul(text, NULL, 10);
}

/* Where libraries lie of which something is known: whose allocations never fail (the first N_SPARED),
 * and all that may keep some. Nowhere where the program does not have them. */
#define N_SPARED 2
static struct {
    const char *name;
    uintptr_t begin, end;
} libraries[] = {
    {"/libcdt.so", 0, 0}, {"/libcgraph.so", 0, 0}, {"/libc.so", 0, 0}, {"/ld-linux", 0, 0}};
#define N_LIBRARIES (sizeof libraries / sizeof *libraries)

static int find_libraries(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    for (size_t s = 0; s < N_LIBRARIES; s++) {
        if (strstr(info->dlpi_name, libraries[s].name) == NULL)
            continue;
        libraries[s].begin = info->dlpi_addr;
        for (int k = 0; k < info->dlpi_phnum; k++) {
            const uintptr_t end =
                info->dlpi_addr + info->dlpi_phdr[k].p_vaddr + info->dlpi_phdr[k].p_memsz;
            if (info->dlpi_phdr[k].p_type == PT_LOAD && end > libraries[s].end)
                libraries[s].end = end;
        }
    }
    return 0;
}

/* Whether an address lies in one of the first `n` libraries. */
static bool is_in_library(const void *caller, size_t n) {
    const uintptr_t at = (uintptr_t)caller;
    for (size_t s = 0; s < n; s++)
        if (at >= libraries[s].begin && at < libraries[s].end)
            return true;
    return false;
}

__attribute__((constructor)) static void begin(void) {
    const char *kind = getenv("FAULT_KIND");
    for (int k = 0; kind != NULL && k < N_KINDS; k++)
        if (strcmp(kind, KIND[k].name) == 0)
            the_kind = k;
    the_call = number_of("FAULT_AT");
    (void)dl_iterate_phdr(find_libraries, NULL);
    the_error = (int)number_of("FAULT_ERROR");
    the_signal = (int)number_of("FAULT_SIGNAL");
    stall_ms = number_of("FAULT_STALL");
    is_ever = number_of("FAULT_EVER") != 0;
    is_short = number_of("FAULT_SHORT") != 0;
    counts_path = getenv("FAULT_COUNTS");
    places_path = getenv("FAULT_PLACES");
    if (the_error == 0 && the_kind >= 0)
        the_error = KIND[the_kind].error;
    if (kind != NULL && the_kind < 0)
        _exit(125);
    has_begun = true;
    is_starting = false;
    (void)REAL(malloc), (void)REAL(free); /* found while nothing is counted */
    atomic_store(&is_armed, true);
}

/* A new file for what is told at the end; -1 where nobody asked. */
static int open_list(const char *path) {
    return path == NULL ? -1 : REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

static void refuse_leftovers(void);

__attribute__((destructor)) static void end(void) {
    atomic_store(&is_armed, false);
    int fd = open_list(counts_path);
    for (int k = 0; fd >= 0 && k < N_KINDS; k++)
        (void)dprintf(fd, "%s %lu\n", KIND[k].name, atomic_load(&n_calls[k]));
    if (fd >= 0)
        (void)REAL(close)(fd);
    fd = open_list(places_path);
    for (uint32_t k = 0; fd >= 0 && k < MOST_PLACES; k++)
        if (places[k].stack != 0)
            (void)dprintf(fd, "%s %lu\n", KIND[places[k].kind].name, places[k].call);
    if (fd >= 0)
        (void)REAL(close)(fd);
    refuse_leftovers();
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Blocks that are in use and who asked for them, by open addressing. A place that was used stays so:
 * the next block takes it, and a search goes on behind it. */
#define MOST_BLOCKS (1u << 17)
#define GIVEN_BACK 1u
static struct {
    uintptr_t block;
    const void *caller;
} blocks[MOST_BLOCKS];
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;

/* Where a block is, or where it may be put; with the lock held. */
static uint32_t find_block(uintptr_t block, bool is_new) {
    uint32_t at = (uint32_t)((block >> 4) * 0x9e3779b97f4a7c15u >> 32) % MOST_BLOCKS;
    for (uint32_t k = 0; k < MOST_BLOCKS; k++, at = (at + 1) % MOST_BLOCKS)
        if (blocks[at].block == block || blocks[at].block == 0 ||
            (is_new && blocks[at].block == GIVEN_BACK))
            return at;
    _exit(125);
}

/* Notes a block that `caller` got, NULL where there was none, and returns it. */
static void *take(void *block, const void *caller) {
    if (block == NULL || is_starting || !atomic_load(&is_armed) ||
        is_in_library(caller, N_LIBRARIES))
        return block;
    (void)pthread_mutex_lock(&blocks_lock);
    const uint32_t at = find_block((uintptr_t)block, true);
    blocks[at].block = (uintptr_t)block;
    blocks[at].caller = caller;
    (void)pthread_mutex_unlock(&blocks_lock);
    return block;
}

/* Before the block goes, for another thread may get it at once. While a sanitizer finds the functions
 * that it stands before, a lock is one of those that it does not have yet. */
static void give_back(const void *block) {
    if (block == NULL || !atomic_load(&is_armed))
        return;
    (void)pthread_mutex_lock(&blocks_lock);
    const uint32_t at = find_block((uintptr_t)block, false);
    if (blocks[at].block != 0)
        blocks[at].block = GIVEN_BACK;
    (void)pthread_mutex_unlock(&blocks_lock);
}

static bool lacks_memory(const void *caller) {
    return !is_starting && !is_in_library(caller, N_SPARED) && fails(ALLOC);
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size) {
    if (!has_begun)
        return take_early(16, size);
    return lacks_memory(CALLER) ? NULL : take(REAL(malloc)(size), CALLER);
}

void *calloc(size_t n, size_t size) {
    if (!has_begun) /* the buffer begins as zeros and is used once */
        return take_early(16, n * size);
    return lacks_memory(CALLER) ? NULL : take(REAL(calloc)(n, size), CALLER);
}

/* A block that could not grow is noted again: nobody else got it, for it never went. */
void *realloc(void *p, size_t size) {
    if (is_early(p) || !has_begun) {
        void *grown = malloc(size);
        const size_t left = (size_t)(early + sizeof early - (unsigned char *)p);
        return p == NULL || grown == NULL ? grown : memcpy(grown, p, size < left ? size : left);
    }
    if (lacks_memory(CALLER))
        return NULL;
    give_back(p);
    void *grown = REAL(realloc)(p, size);
    (void)take(grown == NULL && size != 0 ? p : grown, CALLER);
    return grown;
}

void *memalign(size_t align, size_t size) {
    return lacks_memory(CALLER) ? NULL : take(REAL(memalign)(align, size), CALLER);
}

void *aligned_alloc(size_t align, size_t size) {
    return lacks_memory(CALLER) ? NULL : take(REAL(aligned_alloc)(align, size), CALLER);
}

int posix_memalign(void **out, size_t align, size_t size) {
    const int error = lacks_memory(CALLER) ? ENOMEM : REAL(posix_memalign)(out, align, size);
    if (error == 0)
        (void)take(*out, CALLER);
    return error;
}

void free(void *p) {
    give_back(p);
    if (!is_early(p))
        REAL(free)(p);
}

void *mmap(void *at, size_t bytes, int protect, int flags, int fd, off_t offset) {
    return fails(MAP) ? MAP_FAILED : REAL(mmap)(at, bytes, protect, flags, fd, offset);
}

/* ---- files --------------------------------------------------------------------------------- */

static mode_t mode_of(int how, va_list rest) {
    return (how & (O_CREAT | O_TMPFILE)) == 0 ? 0 : (mode_t)va_arg(rest, int);
}

int open(const char *path, int how, ...) {
    va_list rest;
    va_start(rest, how);
    const mode_t mode = mode_of(how, rest);
    va_end(rest);
    return fails(OPEN) ? -1 : REAL(open)(path, how, mode);
}

int openat(int folder, const char *path, int how, ...) {
    va_list rest;
    va_start(rest, how);
    const mode_t mode = mode_of(how, rest);
    va_end(rest);
    return fails(OPEN) ? -1 : REAL(openat)(folder, path, how, mode);
}

int mkdir(const char *path, mode_t mode) {
    return fails(OPEN) ? -1 : REAL(mkdir)(path, mode);
}

ssize_t read(int fd, void *to, size_t bytes) {
    return may_move(READ, &bytes) ? REAL(read)(fd, to, bytes) : -1;
}

ssize_t pread(int fd, void *to, size_t bytes, off_t at) {
    return may_move(READ, &bytes) ? REAL(pread)(fd, to, bytes, at) : -1;
}

ssize_t write(int fd, const void *from, size_t bytes) {
    return may_move(WRITE, &bytes) ? REAL(write)(fd, from, bytes) : -1;
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
    return may_move(WRITE, &bytes) ? REAL(pwrite)(fd, from, bytes, at) : -1;
}

int ftruncate(int fd, off_t bytes) {
    return fails(WRITE) ? -1 : REAL(ftruncate)(fd, bytes);
}

int fsync(int fd) {
    return fails(SYNC) ? -1 : REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
    return fails(RENAME) ? -1 : REAL(rename)(from, to);
}

/* As Linux does it: the descriptor is gone in any case. */
int close(int fd) {
    const bool is_lost = fails(CLOSE);
    const int result = REAL(close)(fd);
    if (is_lost)
        errno = the_error;
    return is_lost ? -1 : result;
}

int fstat(int fd, struct stat *out) {
    return fails(STAT) ? -1 : REAL(fstat)(fd, out);
}

int stat(const char *path, struct stat *out) {
    return fails(STAT) ? -1 : REAL(stat)(path, out);
}

int statx(int fd, const char *path, int how, unsigned mask, struct statx *out) {
    return fails(STAT) ? -1 : REAL(statx)(fd, path, how, mask, out);
}

int fstatfs(int fd, struct statfs *out) {
    return fails(STAT) ? -1 : REAL(fstatfs)(fd, out);
}

/* ---- streams ------------------------------------------------------------------------------- */

#define MOST_STREAMS 64

static struct {
    _Atomic(FILE *) stream;
    int fd;
} streams[MOST_STREAMS];

static ssize_t cookie_read(void *cookie, char *to, size_t bytes) {
    return read((int)(intptr_t)cookie, to, bytes);
}

/* As the C library writes files: on and on until all is there. A cookie says 0, not -1, where
 * nothing could be written. */
static ssize_t cookie_write(void *cookie, const char *from, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
        const ssize_t wrote = write((int)(intptr_t)cookie, from + done, bytes - done);
        if (wrote < 0)
            break;
        done += (size_t)wrote;
    }
    return (ssize_t)done;
}

static int cookie_seek(void *cookie, off64_t *at, int whence) {
    const off_t now = lseek((int)(intptr_t)cookie, (off_t)*at, whence);
    *at = now;
    return now < 0 ? -1 : 0;
}

static int cookie_close(void *cookie) {
    return close((int)(intptr_t)cookie);
}

/* A stream over a descriptor; NULL with errno, the descriptor still open. */
static FILE *stream_of(int fd, const char *mode) {
    const cookie_io_functions_t io = {cookie_read, cookie_write, cookie_seek, cookie_close};
    FILE *stream = fopencookie((void *)(intptr_t)fd, mode, io);
    for (int i = 0; stream != NULL && i < MOST_STREAMS; i++) {
        FILE *none = NULL;
        if (atomic_compare_exchange_strong(&streams[i].stream, &none, stream)) {
            streams[i].fd = fd;
            break;
        }
    }
    return stream;
}

FILE *fdopen(int fd, const char *mode) {
    return fails(OPEN) ? NULL : stream_of(fd, mode);
}

FILE *fopen(const char *path, const char *mode) {
    const int more = mode[0] == 'r' ? 0 : O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND);
    const int one_way = mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    const int fd = open(path, more | (strchr(mode, '+') != NULL ? O_RDWR : one_way), 0666);
    FILE *stream = fd < 0 ? NULL : stream_of(fd, mode);
    if (fd >= 0 && stream == NULL) {
        const int error = errno;
        (void)REAL(close)(fd);
        errno = error;
    }
    return stream;
}

FILE *tmpfile(void) {
    const int fd = fails(OPEN) ? -1 : memfd_create("tmpfile", MFD_CLOEXEC);
    return fd < 0 ? NULL : stream_of(fd, "w+");
}

int fileno(FILE *stream) {
    for (int i = 0; i < MOST_STREAMS; i++)
        if (atomic_load(&streams[i].stream) == stream)
            return streams[i].fd;
    return REAL(fileno)(stream);
}

int fclose(FILE *stream) {
    for (int i = 0; i < MOST_STREAMS; i++) {
        FILE *same = stream;
        (void)atomic_compare_exchange_strong(&streams[i].stream, &same, NULL);
    }
    return REAL(fclose)(stream);
}

/* ---- threads, io_uring, clocks ------------------------------------------------------------- */

typedef struct start {
    void *(*run)(void *);
    void *with;
} start;

static void *run_thread(void *argument) {
    const start s = *(start *)argument;
    REAL(free)(argument);
    is_starting = false;
    return s.run(s.with);
}

int pthread_create(pthread_t *out, const pthread_attr_t *how, void *(*run)(void *), void *with) {
    if (is_due(THREAD))
        return the_error;
    start *s = REAL(malloc)(sizeof *s);
    *s = (start){run, with};
    const int error = REAL(pthread_create)(out, how, run_thread, s);
    if (error != 0)
        REAL(free)(s);
    return error;
}

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags) {
    return is_due(URING) ? -the_error : REAL(io_uring_queue_init)(entries, ring, flags);
}

int io_uring_register_buffers(struct io_uring *ring, const void *vectors, unsigned n) {
    return is_due(URING) ? -the_error : REAL(io_uring_register_buffers)(ring, vectors, n);
}

int io_uring_submit(struct io_uring *ring) {
    return is_due(URING) ? -the_error : REAL(io_uring_submit)(ring);
}

/* Nobody counts on a clock that fails; a thread that is held up here is one that the machine
 * does not run. */
int clock_gettime(clockid_t clock, struct timespec *out) {
    (void)is_due(CLOCK);
    return REAL(clock_gettime)(clock, out);
}

/* ---- what is still in use at the end ------------------------------------------------------- */

static void refuse_leftovers(void) {
    uint32_t n_blocks = 0, n_streams = 0;
    for (uint32_t k = 0; k < MOST_BLOCKS; k++) {
        Dl_info at = {.dli_fname = "?", .dli_fbase = NULL};
        if (blocks[k].block <= GIVEN_BACK || n_blocks++ != 0)
            continue;
        (void)dladdr(blocks[k].caller, &at);
        (void)dprintf(STDERR_FILENO, "fault: a block is still in use, of %s+0x%zx\n", at.dli_fname,
                      (size_t)((const char *)blocks[k].caller - (const char *)at.dli_fbase));
    }
    for (int i = 0; i < MOST_STREAMS; i++)
        n_streams += atomic_load(&streams[i].stream) != NULL;
    if (n_blocks + n_streams == 0)
        return;
    (void)dprintf(STDERR_FILENO, "fault: %u blocks and %u streams are still in use\n", n_blocks,
                  n_streams);
    _exit(98); /* as LeakSanitizer is told to */
}
