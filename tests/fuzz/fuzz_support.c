/* fuzz_support.c - bytes as a file, and the verdict that no input may cause. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* The file of this process: made once, filled anew for each input. Its place on the file system
 * would cost more than most inputs take to read. */
static struct {
    bool is_made;
    fuzz_file file;
    size_t size;
} the;

static bool make_once(void) {
    if (the.is_made)
        return true;
    the.file.fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (the.file.fd < 0)
        return false;
    (void)snprintf(the.file.path, sizeof the.file.path, "/proc/self/fd/%d", the.file.fd);
    the.is_made = true;
    return true;
}

bool fuzz_file_fill(fuzz_file *file, const uint8_t *data, size_t size) {
    if (!make_once() || pwrite(the.file.fd, data, size, 0) != (ssize_t)size ||
        (size < the.size && ftruncate(the.file.fd, (off_t)size) != 0))
        return false;
    the.size = size;
    *file = the.file;
    return true;
}

dms_code fuzz_verdict(dms_code code, const dms_status *st) {
    if (code == DMS_EINTERNAL) {
        fprintf(stderr, "an input caused an internal error: %s\n", st->msg);
        abort();
    }
    return code;
}
