/* fuzz_support.c - bytes as a file, and the verdict that no input may cause. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

bool fuzz_file_make(fuzz_file *file, const uint8_t *data, size_t size) {
    file->fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (file->fd < 0)
        return false;
    (void)snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
    if (write(file->fd, data, size) == (ssize_t)size)
        return true;
    fuzz_file_drop(file);
    return false;
}

void fuzz_file_drop(fuzz_file *file) {
    (void)close(file->fd);
}

dms_code fuzz_verdict(dms_code code, const dms_status *st) {
    if (code == DMS_EINTERNAL) {
        fprintf(stderr, "an input caused an internal error: %s\n", st->msg);
        abort();
    }
    return code;
}
