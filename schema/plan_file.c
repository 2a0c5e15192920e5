/* plan_file.c - a plan in a file: read whole; written beside its place, synced, renamed. */
#include "plan_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/file_write.h"

#define LARGEST_FILE_BYTES ((uint64_t)1 << 32)

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

/* Loads the file into `scratch`. Pipes and devices are refused: their size says nothing, and
 * reading them may never end. */
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

/* Stores `data` under `path`, whole or not at all. */
static dms_code replace_file(const char *path, const uint8_t *data, uint64_t size, dms_status *st) {
    dms_file_write file;
    DMS_TRY(dms_file_begin(&file, path, st));
    (void)fwrite(data, 1, (size_t)size, file.out); /* a failure shows in the commit */
    return dms_file_commit(&file, st);
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
