/* test_file_digest.c - a changed file has another digest, unless only unsampled bytes changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schema/file_digest.h"

#define SIZE 400000u

/* A file of SIZE bytes: a graph of 1000, a large weight of 300000, a rest. */
typedef struct file_case {
    int fd;
    uint64_t offset, bytes;
    dms_file_ranges large;
} file_case;

static void make_file(file_case *c) {
    c->fd = memfd_create("digest", 0);
    assert_true(c->fd >= 0);
    for (uint32_t i = 0; i < SIZE; i += 4) {
        const uint32_t word = i * 2654435761u;
        assert_int_equal(pwrite(c->fd, &word, 4, i), 4);
    }
    c->offset = 1000;
    c->bytes = 300000;
    c->large = (dms_file_ranges){1, &c->offset, &c->bytes};
}

static dms_hash digest_of(const file_case *c) {
    dms_hash hash;
    assert_int_equal(dms_file_digest(c->fd, "f", SIZE, &c->large, &hash, NULL), DMS_OK);
    return hash;
}

static dms_hash all_of(const file_case *c) {
    dms_hash hash;
    assert_int_equal(dms_file_digest_all(c->fd, "f", SIZE, &hash, NULL), DMS_OK);
    return hash;
}

static void flip(const file_case *c, uint64_t at) {
    uint8_t byte;
    assert_int_equal(pread(c->fd, &byte, 1, (off_t)at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(c->fd, &byte, 1, (off_t)at), 1);
}

/* Flips one byte and says whether the sampled digest noticed. */
static bool notices(const file_case *c, uint64_t at) {
    const dms_hash before = digest_of(c);
    flip(c, at);
    const bool differs = !dms_hash_equal(before, digest_of(c));
    flip(c, at);
    return differs;
}

static void every_byte_outside_a_large_range_counts(void **state) {
    (void)state;
    file_case c;
    make_file(&c);
    assert_true(notices(&c, 0));
    assert_true(notices(&c, 999));
    assert_true(notices(&c, 301000));
    assert_true(notices(&c, SIZE - 1));
    close(c.fd);
}

static void the_first_and_last_page_of_a_large_range_count(void **state) {
    (void)state;
    file_case c;
    make_file(&c);
    assert_true(notices(&c, 1000));
    assert_true(notices(&c, 1000 + 4095));
    assert_true(notices(&c, 301000 - 4096));
    assert_true(notices(&c, 300999));
    close(c.fd);
}

static void eight_pages_between_count_and_the_others_do_not(void **state) {
    (void)state;
    file_case c;
    make_file(&c);
    int n = 0;
    for (uint64_t at = 1000 + 4096 + 2048; at < 301000 - 4096; at += 4096)
        n += notices(&c, at);
    assert_int_equal(n, 8);
    close(c.fd);
}

static void the_digest_of_all_bytes_sees_what_sampling_misses(void **state) {
    (void)state;
    file_case c;
    make_file(&c);
    uint64_t at = 1000 + 4096;
    while (notices(&c, at))
        at++;
    const dms_hash before = all_of(&c);
    flip(&c, at);
    assert_false(dms_hash_equal(before, all_of(&c)));
    close(c.fd);
}

static void a_file_that_is_too_short_is_an_io_error(void **state) {
    (void)state;
    file_case c;
    make_file(&c);
    assert_int_equal(ftruncate(c.fd, SIZE - 1), 0);
    dms_hash hash;
    dms_status st;
    assert_int_equal(dms_file_digest(c.fd, "w.bin", SIZE, &c.large, &hash, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "'w.bin' ends at byte 399999, 1 bytes early"));
    close(c.fd);
}

static void ranges_out_of_order_or_outside_are_refused(void **state) {
    (void)state;
    file_case c;
    make_file(&c);
    const uint64_t offset[2] = {5000, 4000}, bytes[2] = {100, 100};
    const dms_file_ranges crossed = {2, offset, bytes};
    dms_hash hash;
    assert_int_equal(dms_file_digest(c.fd, "f", SIZE, &crossed, &hash, NULL), DMS_EPLAN);
    c.bytes = UINT64_MAX;
    assert_int_equal(dms_file_digest(c.fd, "f", SIZE, &c.large, &hash, NULL), DMS_EPLAN);
    close(c.fd);
}

static void a_missing_file_is_known_by_name_and_size(void **state) {
    (void)state;
    const dms_hash a = dms_file_digest_missing("a.bin", 10);
    assert_true(dms_hash_equal(a, dms_file_digest_missing("a.bin", 10)));
    assert_false(dms_hash_equal(a, dms_file_digest_missing("b.bin", 10)));
    assert_false(dms_hash_equal(a, dms_file_digest_missing("a.bin", 11)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_outside_a_large_range_counts),
        cmocka_unit_test(the_first_and_last_page_of_a_large_range_count),
        cmocka_unit_test(eight_pages_between_count_and_the_others_do_not),
        cmocka_unit_test(the_digest_of_all_bytes_sees_what_sampling_misses),
        cmocka_unit_test(a_file_that_is_too_short_is_an_io_error),
        cmocka_unit_test(ranges_out_of_order_or_outside_are_refused),
        cmocka_unit_test(a_missing_file_is_known_by_name_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
