/* storage.c - the one place where files of a model are opened and proven. */
#include "runtime/storage_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "schema/file_digest.h"

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) /* a pipe must not block */

/* For kernels before 5.6 and sandboxes without openat2: component by component, without links. */
static int open_by_component(int folder, const char *name) {
    int at = dup(folder);
    while (at >= 0) {
        const char *slash = strchr(name, '/');
        const size_t length = slash == NULL ? strlen(name) : (size_t)(slash - name);
        char part[NAME_MAX + 1];
        const bool is_dots = length <= 2 && memcmp(name, "..", length) == 0;
        if (length > NAME_MAX || is_dots) { /* an empty part is "" of ".." */
            close(at);
            errno = EXDEV;
            return -1;
        }
        memcpy(part, name, length);
        part[length] = 0;
        const int flags = slash == NULL ? OPEN_FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC;
        const int next = openat(at, part, flags | O_NOFOLLOW);
        const int error = errno;
        close(at);
        errno = error;
        if (slash == NULL)
            return next;
        at = next;
        name = slash + 1;
    }
    return -1;
}

/* The kernel resolves the name: nothing can be swapped between check and use. */
static int open_beneath(int folder, const char *name) {
    const struct open_how how = {.flags = OPEN_FLAGS,
                                 .resolve =
                                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    const long fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_by_component(folder, name);
    return (int)fd;
}

/* What errno means where a name had to stay beneath a folder without links. */
static const char *reason_of(int error) {
    if (error == ELOOP)
        return "it is a symbolic link or lies behind one";
    if (error == EXDEV)
        return "it lies outside the folder";
    return strerror(error);
}

/* Opens one file beneath `dir` and looks at what it is. */
static dms_code open_file(const char *dir, const dms_plan_file *file, int *out_fd, struct stat *out,
                          dms_status *st) {
    const int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return dms_fail(st, DMS_EIO, "model folder '%s': %s", dir, strerror(errno));
    const int fd = open_beneath(folder, file->name);
    const int error = errno;
    close(folder);
    if (fd < 0)
        return dms_fail(st, DMS_EIO, "model file '%s' in folder '%s': %s", file->name, dir,
                        reason_of(error));
    *out_fd = fd;
    if (fstat(fd, out) != 0)
        return dms_fail(st, DMS_EIO, "model file '%s': %s", file->name, strerror(errno));
    return DMS_OK;
}

/* The file is what it was when the plan was made. */
static dms_code check_content(const dms_storage *s, const dms_plan_file *file, int fd,
                              dms_status *st) {
    const bool reads_all = s->options.verify_weights;
    const dms_hash want = reads_all ? file->digest_all : file->digest;
    const dms_file_ranges large = {file->n_large, file->large_offset, file->large_bytes};
    dms_hash found;
    if (reads_all && (want.lo | want.hi) == 0)
        return dms_fail(st, DMS_EPLAN,
                        "model file '%s' of %" PRIu64 " bytes: the plan holds no digest of all its "
                        "bytes (files above %u bytes are sampled)",
                        file->name, file->bytes, DMS_FILE_DIGEST_ALL_BYTES);
    if (reads_all)
        DMS_TRY(dms_file_digest_all(fd, file->name, file->bytes, &found, st));
    else
        DMS_TRY(dms_file_digest(fd, file->name, file->bytes, &large, &found, st));
    if (!dms_hash_equal(found, want))
        return dms_fail(st, DMS_EPLAN,
                        "model file '%s' changed since the plan was made: compile it again",
                        file->name);
    return DMS_OK;
}

/* Cheap questions first. */
static dms_code check_file(const dms_storage *s, const dms_plan_file *file, int fd,
                           const struct stat *is, dms_status *st) {
    if (!S_ISREG(is->st_mode))
        return dms_fail(st, DMS_EIO, "model file '%s' is not a regular file", file->name);
    if (file->kind == 1 && is->st_nlink != 1)
        return dms_fail(st, DMS_EIO,
                        "model file '%s' has %ju hard links: external data may have only one",
                        file->name, (uintmax_t)is->st_nlink);
    if ((uint64_t)is->st_size != file->bytes)
        return dms_fail(st, DMS_EPLAN,
                        "model file '%s' has %jd bytes, the plan was made for %" PRIu64
                        ": compile it again",
                        file->name, (intmax_t)is->st_size, file->bytes);
    return check_content(s, file, fd, st);
}

/* Opens, proves and, where weights come from it, keeps one file. */
static dms_code take_file(dms_storage *s, uint32_t i, bool is_source, dms_status *st) {
    const dms_plan_file *file = &s->plan->file[i];
    if (file->is_unread && s->options.random_weights)
        return DMS_OK;
    if (file->is_unread)
        return dms_fail(st, DMS_EIO,
                        "model file '%s' was missing when the plan was made: compile it again, or "
                        "give --random-weights",
                        file->name);
    struct stat is;
    const char *dir = file->kind == 2 ? s->options.plan_dir : s->options.model_dir;
    DMS_TRY(open_file(dir, file, &s->fd[i], &is, st));
    DMS_TRY(check_file(s, file, s->fd[i], &is, st));
    if (!is_source) {
        close(s->fd[i]);
        s->fd[i] = -1;
    }
    return DMS_OK;
}

/* Files without a source are proven too: the graph bytes of the model stand in one of them. */
static dms_code take_files(dms_storage *s, dms_arena *arena, dms_status *st) {
    const dms_plan *plan = s->plan;
    bool *is_source;
    DMS_TRY(dms_alloc_st(arena, plan->n_files, sizeof *is_source, "files", &is_source, st));
    for (uint32_t i = 0; i < plan->n_sources; i++)
        if (plan->source[i].file != DMS_NONE)
            is_source[plan->source[i].file] = true;
    for (uint32_t i = 0; i < plan->n_files; i++) {
        DMS_TRY(take_file(s, i, is_source[i], st));
        if (s->options.cancel != NULL && atomic_load(s->options.cancel) != 0)
            return dms_fail(st, DMS_ECANCELLED, "interrupted");
    }
    return DMS_OK;
}

dms_code dms_storage_open(const dms_plan *plan, const dms_storage_options *options,
                          dms_arena *arena, dms_storage **out_storage, dms_status *st) {
    dms_storage *s;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *s, "storage", &s, st));
    DMS_TRY(dms_alloc_st(arena, plan->n_files, sizeof *s->fd, "files", &s->fd, st));
    if (plan->n_sources != 0)
        DMS_TRY(dms_alloc_st(arena, DMS_STAGING_BYTES, 1, "staging", &s->staging, st));
    s->plan = plan;
    s->options = *options;
    for (uint32_t i = 0; i < plan->n_files; i++)
        s->fd[i] = -1;
    const dms_code code = take_files(s, arena, st);
    if (code != DMS_OK) {
        dms_storage_close(s);
        return code;
    }
    *out_storage = s;
    return DMS_OK;
}

void dms_storage_close(dms_storage *storage) {
    for (uint32_t i = 0; storage != NULL && i < storage->plan->n_files; i++) {
        if (storage->fd[i] >= 0)
            close(storage->fd[i]);
        storage->fd[i] = -1;
    }
}
