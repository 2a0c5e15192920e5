/* test_machine.c - what this machine has left, and what this process has taken of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "schema/machine.h"

#define LARGE ((size_t)96 << 20)
#define SLACK ((uint64_t)8 << 20) /* the system counts pages in batches per processor */

/* Physical memory. */
static uint64_t all_bytes(void) {
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void free_memory_is_some_of_what_there_is(void **state) {
    (void)state;
    const uint64_t free_bytes = dms_machine_free_bytes();
    assert_true(free_bytes > 0);
    assert_true(free_bytes <= all_bytes());
}

/* The kernel counts the same peak for getrusage, in KiB. It may lag by what each thread has not
 * handed in yet. */
static void the_peak_is_the_one_that_the_system_accounts(void **state) {
    (void)state;
    struct rusage usage;
    const uint64_t peak = dms_machine_peak_rss();
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    const uint64_t accounted = (uint64_t)usage.ru_maxrss * 1024;
    assert_true(peak > 100 * 1024);
    assert_true(peak <= accounted + SLACK);
    assert_true(peak + SLACK >= accounted);
}

/* Touched pages count, from then on, even when they are given back. */
static void the_peak_rises_by_what_is_touched_and_never_falls(void **state) {
    (void)state;
    const uint64_t before = dms_machine_peak_rss();
    void *memory = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    const uint64_t mapped = dms_machine_peak_rss();
    assert_true(mapped < before + LARGE / 2); /* mapped alone is not resident */
    memset(memory, 1, LARGE);
    const uint64_t touched = dms_machine_peak_rss();
    assert_true(touched + SLACK >= LARGE && touched + SLACK >= before);
    assert_int_equal(munmap(memory, LARGE), 0);
    assert_true(dms_machine_peak_rss() + SLACK >= touched);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_memory_is_some_of_what_there_is),
        cmocka_unit_test(the_peak_is_the_one_that_the_system_accounts),
        cmocka_unit_test(the_peak_rises_by_what_is_touched_and_never_falls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
