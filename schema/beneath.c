/* beneath.c - opens files part by part, following no link. */
#include "schema/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_PART 255u
#define LARGEST_READ (1u << 30)

/* Opens one part of a name; ELOOP where it is a link. */
static int open_part(int folder, const char *part, size_t length, bool is_last) {
    char name[LONGEST_PART + 1];
    memcpy(name, part, length);
    name[length] = 0;
    const int how = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (is_last ? 0 : O_DIRECTORY);
    return openat(folder, name, how);
}

/* Checks one part by its text alone. */
static bool is_plain_part(const char *part, size_t length) {
    return length != 0 && length <= LONGEST_PART && !(length == 1 && part[0] == '.') &&
           !(length == 2 && part[0] == '.' && part[1] == '.');
}

/* Every part of a relative name is plain. */
static bool is_plain_name(const char *name) {
    for (const char *part = name;;) {
        const size_t length = strcspn(part, "/");
        if (!is_plain_part(part, length))
            return false;
        if (part[length] == 0)
            return true;
        part += length + 1;
    }
}

/* Walks down from `folder`, which it closes; returns a descriptor or -1 with errno. */
static int walk(int folder, const char *name) {
    while (folder >= 0) {
        const size_t length = strcspn(name, "/");
        const bool is_last = name[length] == 0;
        const int next = open_part(folder, name, length, is_last);
        const int error = errno;
        (void)close(folder);
        errno = error;
        if (is_last)
            return next;
        folder = next;
        name += length + 1;
    }
    return -1;
}

/* Why this open file may not be used; NULL when it may. */
static const char *wrong_kind(const struct stat *info, bool one_link) {
    if (S_ISDIR(info->st_mode))
        return "is a folder";
    if (!S_ISREG(info->st_mode))
        return "is no regular file";
    if (one_link && info->st_nlink > 1)
        return "has several names (hard links)";
    return NULL;
}

/* Checks what was opened; closes it when it may not be used. */
static dms_code finish(int fd, const char *name, bool one_link, int *out_fd, uint64_t *out_bytes,
                       dms_status *st) {
    struct stat info;
    const char *wrong = fstat(fd, &info) == 0 ? wrong_kind(&info, one_link) : "cannot be examined";
    if (wrong != NULL) {
        (void)close(fd);
        return dms_fail(st, DMS_EIO, "file '%.200s' %s", name, wrong);
    }
    *out_fd = fd;
    *out_bytes = (uint64_t)info.st_size;
    return DMS_OK;
}

/* Walks to a file and checks what it is. */
static dms_code open_beneath(const char *folder, const char *name, bool one_link, int *out_fd,
                             uint64_t *out_bytes, bool *out_is_missing, dms_status *st) {
    *out_is_missing = false;
    if (!is_plain_name(name))
        return dms_fail(st, DMS_EIO,
                        "file '%.200s': the name must be relative, without empty parts, . or ..",
                        name);
    const int top = open(folder[0] == 0 ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return dms_fail(st, DMS_EIO, "folder '%.200s': %s", folder, strerror(errno));
    const int fd = walk(top, name);
    if (fd < 0) {
        const int error = errno;
        *out_is_missing = error == ENOENT;
        const char *why = error == ELOOP || error == ENOTDIR ? "passes a symbolic link or no folder"
                                                             : strerror(error);
        return dms_fail(st, DMS_EIO, "file '%.200s': %s", name, why);
    }
    return finish(fd, name, one_link, out_fd, out_bytes, st);
}

dms_code dms_beneath_open(const char *folder, const char *name, int *out_fd, uint64_t *out_bytes,
                          bool *out_is_missing, dms_status *st) {
    return open_beneath(folder, name, true, out_fd, out_bytes, out_is_missing, st);
}

dms_code dms_beneath_open_linked(const char *folder, const char *name, int *out_fd,
                                 uint64_t *out_bytes, bool *out_is_missing, dms_status *st) {
    return open_beneath(folder, name, false, out_fd, out_bytes, out_is_missing, st);
}

dms_code dms_regular_open(const char *path, int *out_fd, uint64_t *out_bytes, dms_status *st) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return dms_fail(st, DMS_EIO, "file '%.200s': %s", path, strerror(errno));
    return finish(fd, path, false, out_fd, out_bytes, st);
}

dms_code dms_read_at(int fd, const char *name, uint64_t offset, void *data, uint64_t size,
                     dms_status *st) {
    if (offset > (uint64_t)INT64_MAX || size > (uint64_t)INT64_MAX - offset)
        return dms_fail(st, DMS_EIO, "file '%.200s': offset %" PRIu64 " is out of range", name,
                        offset);
    uint8_t *at = data;
    while (size != 0) {
        const size_t piece = size < LARGEST_READ ? (size_t)size : LARGEST_READ;
        const ssize_t got = pread(fd, at, piece, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dms_fail(st, DMS_EIO, "file '%.200s' at byte %" PRIu64 ": %s", name, offset,
                            strerror(errno));
        if (got == 0)
            return dms_fail(st, DMS_EIO,
                            "file '%.200s' ends at byte %" PRIu64 ", %" PRIu64 " bytes early", name,
                            offset, size);
        at += got;
        offset += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return DMS_OK;
}
