/* test_arena.c - where memory lies, when it goes, and what happens when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schema/arena.h"

static uintptr_t place(const void *p) {
    return (uintptr_t)p;
}

static int is_zero(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return 0;
    return 1;
}

/* From 64 bytes on an object starts at a line of the cache, however odd the ones before are. */
static void small_objects_start_at_16_large_ones_at_64(void **state) {
    (void)state;
    dms_arena a = {0};
    for (uint64_t bytes = 0; bytes < 300; bytes++) {
        const uint8_t *p = dms_alloc(&a, bytes, 1);
        assert_non_null(p);
        assert_int_equal(place(p) % (bytes < 64 ? 16 : 64), 0);
        const char *odd = dms_alloc(&a, 1, 1);
        assert_non_null(odd);
        assert_true(place(odd) >= place(p) + bytes);
    }
    dms_arena_free(&a);
}

/* An object of 63 bytes takes 64: the next one is its neighbour, not one line further. */
static void neighbours_do_not_overlap_and_waste_no_line(void **state) {
    (void)state;
    dms_arena a = {0};
    const char *first = dms_alloc(&a, 63, 1), *second = dms_alloc(&a, 1, 1);
    const char *third = dms_alloc(&a, 1, 64), *fourth = dms_alloc(&a, 17, 1);
    assert_int_equal(second - first, 64);
    assert_int_equal(third - first, 128);
    assert_int_equal(fourth - third, 64);
    dms_arena_free(&a);
}

/* 64 MiB, which the system always maps anew. */
static void what_is_untouched_takes_no_memory_until_it_is_written(void **state) {
    (void)state;
    const size_t bytes = 64u << 20, page = (size_t)sysconf(_SC_PAGESIZE);
    dms_arena a = {0};
    unsigned char is_there = 1;
    uint8_t *room = dms_alloc_untouched(&a, bytes);
    assert_non_null(room);
    assert_int_equal(place(room) % 64, 0);
    uint8_t *middle = room + bytes / 2 - place(room + bytes / 2) % page;
    assert_int_equal(mincore(middle, page, &is_there), 0);
    assert_int_equal(is_there & 1, 0);
    memset(room, 1, bytes);
    assert_int_equal(mincore(middle, page, &is_there), 0);
    assert_int_equal(is_there & 1, 1);
    dms_arena_free(&a);
}

/* It counts towards the limit, and a refusal is kept as of any other. */
static void untouched_memory_is_refused_as_any_other(void **state) {
    (void)state;
    dms_arena a;
    dms_arena_init(&a, 1 << 20);
    assert_null(dms_alloc_untouched(&a, 2 << 20));
    assert_true(a.has_failed);
    dms_arena_free(&a);
    a = (dms_arena){.fail_at = 1};
    assert_null(dms_alloc_untouched(&a, 8));
    assert_true(a.has_failed);
    dms_arena_free(&a);
}

static void a_size_is_count_times_size(void **state) {
    (void)state;
    dms_arena a = {0};
    const char *table = dms_alloc(&a, 10, 24), *behind = dms_alloc(&a, 1, 1);
    assert_int_equal(behind - table, 240);
    dms_arena_free(&a);
}

static void products_beyond_64_bits_are_refused(void **state) {
    (void)state;
    static const uint64_t bad[][2] = {
        {UINT64_MAX, 2},     {2, UINT64_MAX}, {(uint64_t)1 << 32, (uint64_t)1 << 32},
        {UINT64_MAX, 1},     {1, UINT64_MAX}, {(uint64_t)1 << 33, (uint64_t)1 << 31},
        {INT64_MAX / 3, 13},
    };
    dms_arena a = {0};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_null(dms_alloc(&a, bad[k][0], bad[k][1]));
    assert_int_equal(a.used_bytes, 0);
    assert_non_null(dms_alloc(&a, 1, 1)); /* a refusal leaves the arena usable */
    dms_arena_free(&a);
}

/* Whoever releases and allocates again must not see what was there before. */
static void memory_is_zero_also_where_it_was_in_use(void **state) {
    (void)state;
    dms_arena a = {0};
    assert_non_null(dms_alloc(&a, 8, 1));
    const dms_arena_mark mark = dms_arena_here(&a);
    uint8_t *first = dms_alloc(&a, 5000, 1);
    memset(first, 0xa5, 5000);
    dms_arena_release(&a, mark);
    const uint8_t *again = dms_alloc(&a, 5000, 1);
    assert_ptr_equal(first, again);
    assert_true(is_zero(again, 5000));
    dms_arena_free(&a);
}

static void a_mark_releases_blocks_that_came_later(void **state) {
    (void)state;
    dms_arena a = {0};
    uint8_t *kept = dms_alloc(&a, 1000, 1);
    memset(kept, 7, 1000);
    const uint64_t before = a.used_bytes;
    const dms_arena_mark mark = dms_arena_here(&a);
    for (int i = 0; i < 40; i++)
        assert_non_null(dms_alloc(&a, 100000, 1));
    assert_true(a.used_bytes > 4000000);
    dms_arena_release(&a, mark);
    assert_int_equal(a.used_bytes, before);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(kept[i], 7);
    dms_arena_free(&a);
}

static void marks_nest(void **state) {
    (void)state;
    dms_arena a = {0};
    const dms_arena_mark empty = dms_arena_here(&a);
    const char *first = dms_alloc(&a, 100, 1);
    const dms_arena_mark outer = dms_arena_here(&a);
    const char *second = dms_alloc(&a, 100, 1);
    const dms_arena_mark inner = dms_arena_here(&a);
    const char *third = dms_alloc(&a, 100, 1);
    dms_arena_release(&a, inner);
    assert_ptr_equal(dms_alloc(&a, 100, 1), third);
    dms_arena_release(&a, outer);
    assert_ptr_equal(dms_alloc(&a, 100, 1), second);
    dms_arena_release(&a, empty);
    assert_int_equal(a.used_bytes, 0);
    assert_null(a.last);
    (void)first;
    dms_arena_free(&a);
}

static void releasing_to_here_changes_nothing(void **state) {
    (void)state;
    dms_arena a = {0};
    const char *first = dms_alloc(&a, 16, 1);
    dms_arena_release(&a, dms_arena_here(&a));
    const char *second = dms_alloc(&a, 16, 1);
    assert_int_equal(second - first, 16);
    dms_arena_free(&a);
    dms_arena_free(&a); /* twice is once */
    assert_int_equal(a.used_bytes, 0);
}

/* 64 KiB, 128 KiB, ... 1 MiB and no further: what a large model wastes at the end is bounded. */
static void blocks_double_up_to_a_mebibyte(void **state) {
    (void)state;
    dms_arena a = {0};
    uint64_t before = 0, largest = 0, blocks = 0;
    for (int i = 0; i < 8192; i++) {
        assert_non_null(dms_alloc(&a, 1024, 1));
        const uint64_t taken = a.used_bytes - before;
        before = a.used_bytes;
        if (taken == 0)
            continue;
        blocks++;
        assert_true(taken >= largest);
        assert_true(largest == 0 || taken <= 2 * largest + 128);
        assert_true(taken <= 1024 * 1024 + 128);
        largest = taken;
    }
    assert_true(largest >= 1024 * 1024);
    assert_true(blocks >= 10 && blocks <= 14); /* 4 small ones, then 8 MiB by the MiB */
    dms_arena_free(&a);
}

static void what_exceeds_a_block_gets_one_of_its_size(void **state) {
    (void)state;
    dms_arena a = {0};
    uint8_t *p = dms_alloc(&a, 3, 1024 * 1024);
    assert_non_null(p);
    assert_true(a.used_bytes >= 3u << 20 && a.used_bytes < (3u << 20) + 256);
    p[(3u << 20) - 1] = 1;
    dms_arena_free(&a);
}

static void no_block_passes_the_limit(void **state) {
    (void)state;
    for (uint64_t limit = 65536; limit < 3000000; limit += 77777) {
        dms_arena a;
        dms_arena_init(&a, limit);
        int n = 0;
        while (dms_alloc(&a, 1000, 1) != NULL) {
            assert_true(a.used_bytes <= limit);
            assert_true(++n < 4000);
        }
        assert_true(a.used_bytes <= limit);
        dms_arena_free(&a);
        assert_int_equal(a.limit_bytes, limit); /* freeing keeps it */
    }
}

static void room_that_was_released_counts_for_the_limit_again(void **state) {
    (void)state;
    dms_arena a;
    dms_arena_init(&a, 300000);
    for (int i = 0; i < 100; i++) {
        const dms_arena_mark mark = dms_arena_here(&a);
        assert_non_null(dms_alloc(&a, 200000, 1));
        assert_null(dms_alloc(&a, 200000, 1));
        dms_arena_release(&a, mark);
    }
    dms_arena_free(&a);
}

static void the_request_that_is_to_fail_fails_alone(void **state) {
    (void)state;
    for (uint64_t at = 1; at <= 5; at++) {
        dms_arena a = {.fail_at = at};
        for (uint64_t k = 1; k <= 8; k++)
            assert_int_equal(dms_alloc(&a, 4, 4) == NULL, k == at);
        dms_arena_free(&a);
    }
}

/* protobuf-c says only that it gave up: the arena knows whether for lack of memory. */
static void an_arena_remembers_that_a_request_was_refused(void **state) {
    (void)state;
    dms_arena a = {.fail_at = 2};
    assert_non_null(dms_alloc(&a, 4, 4));
    assert_false(a.has_failed);
    assert_null(dms_alloc(&a, 4, 4));
    assert_true(a.has_failed);
    assert_non_null(dms_alloc(&a, 4, 4));
    assert_true(a.has_failed);
    dms_arena_free(&a);
    dms_arena_init(&a, 0);
    assert_null(dms_alloc(&a, UINT64_MAX, 2));
    assert_true(a.has_failed);
    dms_arena_free(&a);
}

static void what_failed_is_named(void **state) {
    (void)state;
    dms_arena a = {.fail_at = 1};
    dms_status st = {0};
    int untouched = 3, *p = &untouched;
    assert_int_equal(dms_alloc_st(&a, 1, 4, "a table of nodes", &p, &st), DMS_EINTERNAL);
    assert_string_equal(st.msg, "out of memory: a table of nodes");
    assert_ptr_equal(p, &untouched);
    assert_int_equal(dms_alloc_st(&a, 1, 4, "a table of nodes", &p, &st), DMS_OK);
    assert_true(p != &untouched && *p == 0);
    dms_arena_free(&a);
}

static void a_table_grows_one_by_one_and_keeps_its_entries(void **state) {
    (void)state;
    dms_arena a = {0};
    uint32_t *table = NULL, capacity = 0, moves = 0;
    for (uint32_t n = 0; n < 10000; n++) {
        const uint32_t before = capacity;
        assert_int_equal(dms_grow(&a, &table, &capacity, n + 1, sizeof *table, NULL), DMS_OK);
        assert_true(capacity > n);
        if (capacity != before) {
            moves++;
            for (uint32_t k = n; k < capacity; k++)
                assert_int_equal(table[k], 0);
        }
        table[n] = n * 3;
    }
    for (uint32_t n = 0; n < 10000; n++)
        assert_int_equal(table[n], n * 3);
    assert_true(moves <= 11); /* 16, 32, ... 16384 */
    dms_arena_free(&a);
}

static void a_table_jumps_to_what_is_needed(void **state) {
    (void)state;
    dms_arena a = {0};
    uint64_t *table = NULL;
    uint32_t capacity = 0;
    assert_int_equal(dms_grow(&a, &table, &capacity, 1000, sizeof *table, NULL), DMS_OK);
    assert_true(capacity >= 1000);
    const uint64_t *const same = table;
    assert_int_equal(dms_grow(&a, &table, &capacity, 999, sizeof *table, NULL), DMS_OK);
    assert_int_equal(dms_grow(&a, &table, &capacity, 0, sizeof *table, NULL), DMS_OK);
    assert_ptr_equal(table, same);
    dms_arena_free(&a);
}

static void a_table_that_cannot_grow_stays(void **state) {
    (void)state;
    dms_arena a = {0};
    uint32_t *table = NULL, capacity = 0;
    dms_status st = {0};
    assert_int_equal(dms_grow(&a, &table, &capacity, 1, sizeof *table, &st), DMS_OK);
    uint32_t *const same = table;
    const uint32_t room = capacity;
    table[0] = 42;
    a.fail_at = 1;
    assert_int_equal(dms_grow(&a, &table, &capacity, room + 1, 4, &st), DMS_EINTERNAL);
    assert_int_equal(dms_grow(&a, &table, &capacity, (uint64_t)1 << 32, 4, &st), DMS_EINTERNAL);
    assert_int_equal(dms_grow(&a, &table, &capacity, UINT64_MAX, 4, &st), DMS_EINTERNAL);
    assert_true(table == same && capacity == room && table[0] == 42);
    dms_arena_free(&a);
}

static void a_copied_string_ends_where_it_should(void **state) {
    (void)state;
    dms_arena a = {0};
    assert_string_equal(dms_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(dms_strndup(&a, "", 0), "");
    assert_string_equal(dms_strndup(&a, NULL, 0), "");
    assert_memory_equal(dms_strndup(&a, "a\0b", 3), "a\0b", 4); /* bytes, not words */
    assert_null(dms_strndup(&a, "a", UINT64_MAX));
    dms_arena_free(&a);
}

static void formatted_text_of_any_length_is_whole(void **state) {
    (void)state;
    dms_arena a = {0};
    assert_string_equal(dms_format(&a, "%s[%d]", "node", 7), "node[7]");
    assert_string_equal(dms_format(&a, "%s", ""), "");
    char *wide = dms_format(&a, "%*d", 100000, 5);
    assert_non_null(wide);
    assert_int_equal(strlen(wide), 100000);
    assert_int_equal(wide[99999], '5');
    a.fail_at = 1;
    assert_null(dms_format(&a, "%d", 1));
    dms_arena_free(&a);
}

/* Given back from the middle, from both ends, and the rest at once. */
static void objects_of_a_heap_go_one_by_one_or_together(void **state) {
    (void)state;
    dms_heap heap = {0};
    char *object[5];
    for (int i = 0; i < 5; i++) {
        object[i] = dms_heap_resize(&heap, NULL, 16);
        assert_non_null(object[i]);
        assert_int_equal((uintptr_t)object[i] % 16, 0);
        memset(object[i], 'a' + i, 16);
    }
    dms_heap_drop(&heap, object[2]);
    dms_heap_drop(&heap, object[4]);
    dms_heap_drop(&heap, object[0]);
    dms_heap_drop(&heap, NULL);
    assert_int_equal(heap.n_pieces, 2);
    for (int i = 1; i < 5; i += 2 * i) { /* 1 and 3 */
        object[i] = dms_heap_resize(&heap, object[i], 1u << 20);
        assert_int_equal(object[i][0], 'a' + i);
        assert_int_equal(object[i][15], 'a' + i);
    }
    assert_int_equal(heap.n_pieces, 2);
    dms_heap_free(&heap);
    assert_int_equal(heap.n_pieces, 0);
    assert_null(heap.last);
}

static void an_object_that_cannot_grow_stays_as_it_was(void **state) {
    (void)state;
    dms_heap heap = {.fail_at = 2};
    char *object = dms_heap_resize(&heap, NULL, 4);
    memcpy(object, "abc", 4);
    assert_null(dms_heap_resize(&heap, object, 8));
    assert_null(dms_heap_resize(&heap, object, UINT64_MAX));
    assert_string_equal(object, "abc");
    assert_int_equal(heap.n_pieces, 1);
    dms_heap_free(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_objects_start_at_16_large_ones_at_64),
        cmocka_unit_test(neighbours_do_not_overlap_and_waste_no_line),
        cmocka_unit_test(what_is_untouched_takes_no_memory_until_it_is_written),
        cmocka_unit_test(untouched_memory_is_refused_as_any_other),
        cmocka_unit_test(a_size_is_count_times_size),
        cmocka_unit_test(products_beyond_64_bits_are_refused),
        cmocka_unit_test(memory_is_zero_also_where_it_was_in_use),
        cmocka_unit_test(a_mark_releases_blocks_that_came_later),
        cmocka_unit_test(marks_nest),
        cmocka_unit_test(releasing_to_here_changes_nothing),
        cmocka_unit_test(blocks_double_up_to_a_mebibyte),
        cmocka_unit_test(what_exceeds_a_block_gets_one_of_its_size),
        cmocka_unit_test(no_block_passes_the_limit),
        cmocka_unit_test(room_that_was_released_counts_for_the_limit_again),
        cmocka_unit_test(the_request_that_is_to_fail_fails_alone),
        cmocka_unit_test(an_arena_remembers_that_a_request_was_refused),
        cmocka_unit_test(what_failed_is_named),
        cmocka_unit_test(a_table_grows_one_by_one_and_keeps_its_entries),
        cmocka_unit_test(a_table_jumps_to_what_is_needed),
        cmocka_unit_test(a_table_that_cannot_grow_stays),
        cmocka_unit_test(a_copied_string_ends_where_it_should),
        cmocka_unit_test(objects_of_a_heap_go_one_by_one_or_together),
        cmocka_unit_test(an_object_that_cannot_grow_stays_as_it_was),
        cmocka_unit_test(formatted_text_of_any_length_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
