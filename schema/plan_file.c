/* plan_file.c - a plan in a file: read whole; written beside its place, synced, renamed. */
#include "plan_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST_FILE_BYTES ((uint64_t)1 << 32)
#define MOST_TEMPORARY_NAMES 100u

/* Reads `size` bytes from an open file. */
static dms_code read_all(int fd, uint8_t *data, uint64_t size, dms_status *st) {
    for (uint64_t at = 0; at < size;) {
        const ssize_t n = read(fd, data + at, (size_t)(size - at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dms_fail(st, DMS_EIO, "reading: %s", strerror(errno));
        if (n == 0)
            return dms_fail(st, DMS_EIO, "the file became shorter while it was read");
        at += (uint64_t)n;
    }
    return DMS_OK;
}

/* Loads the file into `scratch`. */
static dms_code load_file(int fd, dms_arena *scratch, uint8_t **out_data, uint64_t *out_size,
                          dms_status *st) {
    struct stat info;
    if (fstat(fd, &info) != 0)
        return dms_fail(st, DMS_EIO, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return dms_fail(st, DMS_EIO, "not a regular file");
    const uint64_t size = (uint64_t)info.st_size;
    if (size > LARGEST_FILE_BYTES)
        return dms_fail(st, DMS_EPLAN, "not a plan: %" PRIu64 " bytes", size);
    DMS_TRY(dms_alloc_st(scratch, size, 1, "plan file", out_data, st));
    *out_size = size;
    return read_all(fd, *out_data, size, st);
}

dms_code dms_plan_read(const char *path, dms_arena *arena, dms_plan *out_plan, dms_status *st) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        (void)dms_fail(st, DMS_EIO, "%s", strerror(errno));
        (void)dms_context(st, "plan '%s'", path);
        return DMS_EIO;
    }
    dms_arena scratch = {0};
    uint8_t *data = NULL;
    uint64_t size = 0;
    dms_code code = load_file(fd, &scratch, &data, &size, st);
    if (code == DMS_OK)
        code = dms_plan_decode(data, size, arena, out_plan, st);
    if (code != DMS_OK)
        (void)dms_context(st, "plan '%s'", path);
    dms_arena_free(&scratch);
    (void)close(fd);
    return code;
}

/* Writes `size` bytes to an open file and waits until they are stored. */
static dms_code write_all(int fd, const uint8_t *data, uint64_t size, dms_status *st) {
    for (uint64_t at = 0; at < size;) {
        const ssize_t n = write(fd, data + at, (size_t)(size - at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return dms_fail(st, DMS_EIO, "writing: %s", n < 0 ? strerror(errno) : "no progress");
        at += (uint64_t)n;
    }
    if (fsync(fd) != 0)
        return dms_fail(st, DMS_EIO, "syncing: %s", strerror(errno));
    return DMS_OK;
}

/* Opens a new file beside `path`; its name is left in `name`. */
static dms_code open_temporary(const char *path, char *name, size_t size, int *out_fd,
                               dms_status *st) {
    for (unsigned k = 0; k < MOST_TEMPORARY_NAMES; k++) {
        const int n = snprintf(name, size, "%s.%ld-%u.tmp", path, (long)getpid(), k);
        if (n < 0 || (size_t)n >= size)
            return dms_fail(st, DMS_EIO, "the name is too long");
        const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *out_fd = fd;
            return DMS_OK;
        }
        if (errno != EEXIST)
            break;
    }
    return dms_fail(st, DMS_EIO, "creating '%s': %s", name, strerror(errno));
}

/* Stores `data` under `path`, whole or not at all. */
static dms_code replace_file(const char *path, const uint8_t *data, uint64_t size, dms_status *st) {
    char name[DMS_PLAN_NAME_BYTES + 64];
    int fd = -1;
    DMS_TRY(open_temporary(path, name, sizeof name, &fd, st));
    dms_code code = write_all(fd, data, size, st);
    if (close(fd) != 0 && code == DMS_OK)
        code = dms_fail(st, DMS_EIO, "closing: %s", strerror(errno));
    if (code == DMS_OK && rename(name, path) != 0)
        code = dms_fail(st, DMS_EIO, "renaming '%s': %s", name, strerror(errno));
    if (code != DMS_OK)
        (void)unlink(name);
    return code;
}

dms_code dms_plan_write(const dms_plan *plan, const char *path, uint64_t *out_bytes,
                        dms_status *st) {
    dms_arena scratch = {0};
    uint8_t *data = NULL;
    uint64_t size = 0;
    dms_code code = dms_plan_encode(plan, &scratch, &data, &size, st);
    if (code == DMS_OK)
        code = replace_file(path, data, size, st);
    if (code == DMS_OK)
        *out_bytes = size;
    else
        (void)dms_context(st, "plan '%s'", path);
    dms_arena_free(&scratch);
    return code;
}
