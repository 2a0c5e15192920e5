/* test_cpu_copy.c - dms_host_copy moves all bytes, no other, at any size and alignment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device.h"

#define GUARD 128u
#define STREAM (512u * 1024u) /* from here on past the caches */

/* Room for a copy of up to `most` bytes at any alignment within a line, with guards. */
typedef struct copy_case {
    uint8_t *from, *to;
    size_t most;
} copy_case;

static void make_case(copy_case *c, size_t most) {
    c->most = most;
    const size_t bytes = (most + 2 * GUARD + 63) / 64 * 64; /* as aligned_alloc asks */
    c->from = aligned_alloc(64, bytes);
    c->to = aligned_alloc(64, bytes);
    assert_true(c->from != NULL && c->to != NULL);
    uint32_t word = 12345;
    for (size_t k = 0; k < most + 2 * GUARD; k++) {
        word = word * 1664525u + 1013904223u;
        c->from[k] = (uint8_t)(word >> 24);
    }
}

static void free_case(copy_case *c) {
    free(c->from);
    free(c->to);
}

/* Copies from and to these distances from a line; the target's surroundings keep their value. */
static void copy_and_check(copy_case *c, size_t bytes, size_t from, size_t to) {
    uint8_t *const target = c->to + GUARD / 2 + to;
    memset(c->to, 0x5a, GUARD / 2 + to);
    memset(target, 0xee, bytes);
    memset(target + bytes, 0x5a, GUARD);
    dms_host_copy(target, c->from + from, bytes);
    if (memcmp(target, c->from + from, bytes) != 0)
        fail_msg("%zu bytes from %zu to %zu: wrong", bytes, from, to);
    for (const uint8_t *p = c->to; p < target; p++)
        if (*p != 0x5a)
            fail_msg("%zu bytes from %zu to %zu: written before", bytes, from, to);
    for (size_t k = 0; k < GUARD; k++)
        if (target[bytes + k] != 0x5a)
            fail_msg("%zu bytes from %zu to %zu: written behind", bytes, from, to);
}

static void small_copies_of_every_size_and_alignment(void **state) {
    (void)state;
    copy_case c;
    make_case(&c, 4096);
    for (size_t bytes = 0; bytes < 300; bytes++)
        for (size_t place = 0; place < 8; place++)
            copy_and_check(&c, bytes, place * 9 % 64, place * 23 % 64);
    free_case(&c);
}

/* The first size that streams and its neighbours: head, lines and tail of every length. */
static void streams_start_and_end_at_any_byte(void **state) {
    (void)state;
    copy_case c;
    make_case(&c, STREAM + 256);
    for (size_t to = 0; to < 64; to++)
        copy_and_check(&c, STREAM + to * 5 % 64, to * 7 % 64, to);
    for (size_t tail = 0; tail < 70; tail++)
        copy_and_check(&c, STREAM - 3 + tail, 1, 3);
    free_case(&c);
}

static void the_source_of_a_stream_may_lie_anywhere(void **state) {
    (void)state;
    copy_case c;
    make_case(&c, STREAM + 256);
    for (size_t from = 0; from < 64; from++)
        copy_and_check(&c, STREAM + 17, from, 0);
    free_case(&c);
}

static void large_copies_are_whole(void **state) {
    (void)state;
    static const size_t sizes[] = {1u << 20, (1u << 20) + 1, (3u << 20) - 63, 5000011};
    copy_case c;
    make_case(&c, 5000011 + 128);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        copy_and_check(&c, sizes[k], k * 13, k * 29);
    free_case(&c);
}

static void nothing_needs_no_memory(void **state) {
    (void)state;
    dms_host_copy(NULL, NULL, 0);
    uint8_t one[2] = {1, 2};
    dms_host_copy(one, one + 1, 0);
    assert_true(one[0] == 1 && one[1] == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_copies_of_every_size_and_alignment),
        cmocka_unit_test(streams_start_and_end_at_any_byte),
        cmocka_unit_test(the_source_of_a_stream_may_lie_anywhere),
        cmocka_unit_test(large_copies_are_whole),
        cmocka_unit_test(nothing_needs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
