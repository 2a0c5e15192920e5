/* file_write.c - temporary name, fsync, rename. */
#include "schema/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_TEMPORARY_NAMES 100u

/* One form for every failure: what, which file, why. */
static dms_code refuse(const dms_file_write *file, const char *what, int error, dms_status *st) {
    return dms_fail(st, DMS_EIO, "%s '%s': %s", what, file->path, strerror(error));
}

/* Something is there that renaming would destroy instead of writing to it. */
static bool is_no_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/* A descriptor for a new temporary file, or for what is there; -1 with *out_error. */
static int open_place(dms_file_write *file, int *out_error) {
    int fd = -1, error = EEXIST;
    if (is_no_file(file->path)) {
        fd = open(file->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        error = fd >= 0 ? 0 : errno;
    }
    for (unsigned k = 0; k < MOST_TEMPORARY_NAMES && error == EEXIST; k++) {
        const int n = snprintf(file->temporary, sizeof file->temporary, "%s.%ld-%u.tmp", file->path,
                               (long)getpid(), k);
        if (n < 0 || (size_t)n >= sizeof file->temporary) {
            error = ENAMETOOLONG;
            break;
        }
        fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        error = fd >= 0 ? 0 : errno;
    }
    *out_error = error;
    return fd;
}

/* The temporary file goes; what is written to directly stays. */
static void drop(const dms_file_write *file) {
    if (file->temporary[0] != 0)
        (void)unlink(file->temporary);
}

dms_code dms_file_begin(dms_file_write *file, const char *path, dms_status *st) {
    int error;
    file->out = NULL;
    file->path = path;
    file->temporary[0] = 0;
    file->before = DMS_FILE_NONE;
    file->is_sealed = false;
    const int fd = open_place(file, &error);
    if (error != 0)
        return refuse(file, "writing", error, st);
    file->out = fdopen(fd, "wb");
    if (file->out == NULL) {
        error = errno;
        (void)close(fd);
        drop(file);
        return refuse(file, "writing", error, st);
    }
    return DMS_OK;
}

/* Why an earlier write failed: the stream knows only that it did, so the file, which goes anyway,
 * is asked for one byte more. */
static int why_unwritten(const dms_file_write *file) {
    return write(fileno(file->out), "", 1) < 0 ? errno : EIO;
}

/* Everything but the name; 0, or errno and nothing is left. A pipe cannot be synced. */
static int seal(dms_file_write *file) {
    int error = fflush(file->out) != 0 ? errno : 0;
    if (error == 0 && ferror(file->out) != 0)
        error = why_unwritten(file);
    if (error == 0 && file->temporary[0] != 0 && fsync(fileno(file->out)) != 0)
        error = errno;
    if (fclose(file->out) != 0 && error == 0)
        error = errno;
    file->out = NULL;
    file->is_sealed = error == 0;
    if (error != 0)
        drop(file);
    return error;
}

dms_code dms_file_seal(dms_file_write *file, dms_status *st) {
    const int error = seal(file);
    return error == 0 ? DMS_OK : refuse(file, "writing", error, st);
}

/* Gives a sealed file its name; 0 or errno. */
static int give_name(const dms_file_write *file) {
    return file->temporary[0] == 0 || rename(file->temporary, file->path) == 0 ? 0 : errno;
}

dms_code dms_file_commit(dms_file_write *file, dms_status *st) {
    int error = seal(file);
    if (error == 0 && (error = give_name(file)) != 0)
        drop(file);
    file->is_sealed = false;
    return error == 0 ? DMS_OK : refuse(file, "writing", error, st);
}

/* The name under which the older file waits while others get their names. */
static void name_of_older(const dms_file_write *file, char out[DMS_FILE_NAME_BYTES + 80]) {
    (void)snprintf(out, DMS_FILE_NAME_BYTES + 80, "%s.old", file->temporary);
}

/* Keeps the older file by a second name; where that is not possible it cannot come back. */
static void keep_older(dms_file_write *file) {
    char older[DMS_FILE_NAME_BYTES + 80];
    name_of_older(file, older);
    file->before = DMS_FILE_LOST;
    if (file->temporary[0] != 0 && link(file->path, older) == 0)
        file->before = DMS_FILE_KEPT;
    else if (file->temporary[0] != 0 && errno == ENOENT)
        file->before = DMS_FILE_NONE;
}

/* The second name goes: the older file with it, or back to its place. */
static void settle_older(const dms_file_write *file, bool is_named, bool is_final) {
    char older[DMS_FILE_NAME_BYTES + 80];
    name_of_older(file, older);
    if (file->before == DMS_FILE_KEPT)
        (void)(is_final || !is_named ? unlink(older) : rename(older, file->path));
    else if (file->before == DMS_FILE_NONE && is_named && !is_final)
        (void)unlink(file->path);
}

/* Names all files or none; 0, or errno and whose it is. */
static int name_all(dms_file_write *file, uint32_t n, uint32_t *out_at) {
    uint32_t n_named = 0;
    int error = 0;
    for (uint32_t k = 0; k < n && error == 0; k++) {
        keep_older(&file[k]);
        error = give_name(&file[k]);
        n_named += error == 0;
        *out_at = k;
    }
    for (uint32_t k = 0; k < n && k <= n_named; k++)
        settle_older(&file[k], k < n_named, error == 0);
    return error;
}

dms_code dms_files_commit(dms_file_write *file, uint32_t n, dms_status *st) {
    uint32_t at = 0;
    int error = 0;
    for (uint32_t k = 0; k < n; k++) {
        const int own = file[k].is_sealed ? 0 : seal(&file[k]);
        if (own == 0 || error != 0)
            continue;
        at = k;
        error = own;
    }
    if (error == 0)
        error = name_all(file, n, &at);
    for (uint32_t k = 0; k < n; k++) {
        if (error != 0)
            drop(&file[k]); /* what has its name is no longer there */
        file[k].is_sealed = false;
    }
    return error == 0 ? DMS_OK : refuse(&file[at], "writing", error, st);
}

void dms_file_abort(dms_file_write *file) {
    if (file->out == NULL && !file->is_sealed)
        return;
    if (file->out != NULL)
        (void)fclose(file->out);
    drop(file);
    file->out = NULL;
    file->is_sealed = false;
}
