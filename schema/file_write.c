/* file_write.c - temporary name, fsync, rename. */
#include "schema/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MOST_TEMPORARY_NAMES 100u

/* One form for every failure: what, which file, why. */
static dms_code refuse(const dms_file_write *file, const char *what, int error, dms_status *st) {
    return dms_fail(st, DMS_EIO, "%s '%s': %s", what, file->path, strerror(error));
}

dms_code dms_file_begin(dms_file_write *file, const char *path, dms_status *st) {
    *file = (dms_file_write){.path = path};
    int fd = -1, error = EEXIST;
    for (unsigned k = 0; k < MOST_TEMPORARY_NAMES && error == EEXIST; k++) {
        const int n = snprintf(file->temporary, sizeof file->temporary, "%s.%ld-%u.tmp", path,
                               (long)getpid(), k);
        if (n < 0 || (size_t)n >= sizeof file->temporary)
            return refuse(file, "writing", ENAMETOOLONG, st);
        fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        error = fd >= 0 ? 0 : errno;
    }
    if (error != 0)
        return refuse(file, "writing", error, st);
    file->out = fdopen(fd, "wb");
    if (file->out == NULL) {
        error = errno;
        (void)close(fd);
        (void)unlink(file->temporary);
        return refuse(file, "writing", error, st);
    }
    return DMS_OK;
}

dms_code dms_file_commit(dms_file_write *file, dms_status *st) {
    int error = fflush(file->out) != 0 ? errno : 0;
    if (error == 0 && ferror(file->out) != 0)
        error = EIO;
    if (error == 0 && fsync(fileno(file->out)) != 0)
        error = errno;
    if (fclose(file->out) != 0 && error == 0)
        error = errno;
    file->out = NULL;
    if (error == 0 && rename(file->temporary, file->path) != 0)
        error = errno;
    if (error == 0)
        return DMS_OK;
    (void)unlink(file->temporary);
    return refuse(file, "writing", error, st);
}

void dms_file_abort(dms_file_write *file) {
    if (file->out == NULL)
        return;
    (void)fclose(file->out);
    (void)unlink(file->temporary);
    file->out = NULL;
}
