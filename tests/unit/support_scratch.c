/* support_scratch.c - copies of a file in memory, made as they are written: to fill 4 MiB before
 * every call takes longer than the call. */
#include "support_scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/kernels/cpu_kernel.h"

#define BYTES DMS_CPU_SCRATCH_BYTES
#define WALL 65536u

/* The tests of kernels have one thread. */
static uint8_t *scratch;

static int make_file(void) {
    const int fd = memfd_create("scratch", MFD_CLOEXEC);
    assert_true(fd >= 0 && ftruncate(fd, BYTES) == 0);
    void *all = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(all != MAP_FAILED);
    memset(all, 0xff, BYTES);
    assert_int_equal(munmap(all, BYTES), 0);
    return fd;
}

void *scratch_fresh(void) {
    if (scratch != NULL) {
        assert_int_equal(madvise(scratch, BYTES, MADV_DONTNEED), 0);
        return scratch;
    }
    uint8_t *room = mmap(NULL, BYTES + 2 * WALL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room != MAP_FAILED);
    const int fd = make_file();
    scratch = mmap(room + WALL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
    assert_ptr_equal(scratch, room + WALL);
    assert_int_equal(close(fd), 0);
    return scratch;
}
