/* test_storage_read.c - blocks read past the page cache: every alignment, every failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support_rounds.h"
#include "support_storage.h"

#define MIB (1u << 20)

static dms_view row_of(int64_t n) {
    return (dms_view){DMS_DTYPE_U32, 1, 0, {n}, {1}};
}

static const int64_t dense1[1] = {1};

/* The readers a block may come through: the one of this machine, and the one every machine has. */
static void open_reader(storage_case *c, int reader) {
    storage_make(c, STORAGE_LARGE_NUMBERS);
    assert_int_equal(storage_open(c), DMS_OK);
    if (reader == 1)
        storage_use_pread(c);
}

/* Offsets, places and lengths around the boundaries of sectors and pages, and of the parts that a
 * read is cut into. */
static void every_alignment_gives_the_bytes_of_the_file(void **state) {
    (void)state;
    static const uint32_t around[] = {0, 4, 256, 508, 512, 516, 2048, 4092, 4096, 4100};
    static const uint32_t lengths[] = {1, 127, 128, 129, 1023, 1024, 1025, 17408, 20000};
    for (int reader = 0; reader < 2; reader++) {
        storage_case c;
        open_reader(&c, reader);
        for (size_t o = 0; o < sizeof around / sizeof *around; o++)
            for (size_t p = 0; p < sizeof around / sizeof *around; p++)
                for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++) {
                    const dms_view row = row_of(lengths[n]);
                    storage_check(&c, &row, 0, around[o] / 4, dense1, lengths[n], around[p]);
                }
        storage_remove(&c);
    }
}

static void long_blocks_are_cut_into_parts_that_fit(void **state) {
    (void)state;
    static const uint32_t bytes[] = {MIB - 8192, MIB - 8188,  MIB,     MIB + 4,
                                     4 * MIB,    4 * MIB + 4, 9 * MIB, 9 * MIB + 512};
    static const uint32_t offset[] = {0, 4, 512, 4096}, shift[] = {0, 4, 512};
    for (int reader = 0; reader < 2; reader++) {
        storage_case c;
        open_reader(&c, reader);
        for (size_t n = 0; n < sizeof bytes / sizeof *bytes; n++)
            for (size_t o = 0; o < 4; o++)
                for (size_t p = 0; p < 3; p += ROUNDS_OF(1, 2)) {
                    const dms_view row = row_of(bytes[n] / 4);
                    storage_check(&c, &row, 0, offset[o] / 4, dense1, bytes[n] / 4, shift[p]);
                }
        storage_remove(&c);
    }
}

static void the_last_bytes_of_a_file_are_read_although_they_fill_no_sector(void **state) {
    (void)state;
    for (int reader = 0; reader < 2; reader++) {
        storage_case c;
        open_reader(&c, reader);
        for (uint32_t n = 1; n < 400; n += 37) {
            const dms_view row = row_of(n);
            storage_check(&c, &row, 0, c.n_numbers - n, dense1, n, 0);
        }
        storage_remove(&c);
    }
}

static void strided_boxes_equal_the_plain_loop(void **state) {
    (void)state;
    for (int reader = 0; reader < 2; reader++) {
        storage_case c;
        open_reader(&c, reader);
        for (uint32_t first = 0; first < 130; first += 43) {
            const dms_view columns = {DMS_DTYPE_U32, 2, 3, {900, 960}, {2816, 1}};
            storage_check(&c, &columns, 0, first, (int64_t[]){960, 1}, 900 * 960, 256);
            const dms_view panels = {DMS_DTYPE_U32, 3, 0, {60, 700, 16}, {16, 1000, 1}};
            storage_check(&c, &panels, 11, first, (int64_t[]){11200, 16, 1}, 60 * 11200, 0);
            const dms_view turned = {DMS_DTYPE_U32, 2, 0, {1100, 1300}, {1, 1100}};
            storage_check(&c, &turned, 0, first, (int64_t[]){1300, 1}, 1100 * 1300, 4);
            const dms_view rows = {DMS_DTYPE_U32, 2, 0, {9, 70000}, {200000, 1}};
            storage_check(&c, &rows, 0, first, (int64_t[]){70001, 1}, 9 * 70001, 512);
        }
        storage_remove(&c);
    }
}

/* Pages of the case's file that lie in the page cache. */
static uint64_t cached_pages(const storage_case *c) {
    char path[200];
    const int fd = open(storage_path(c, "w.bin", path), O_RDONLY);
    const size_t bytes = 4 * (size_t)c->n_numbers, n_pages = (bytes + 4095) / 4096;
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    unsigned char *in = malloc(n_pages);
    assert_int_equal(mincore(map, bytes, in), 0);
    uint64_t n = 0;
    for (size_t i = 0; i < n_pages; i++)
        n += in[i] & 1;
    free(in);
    (void)munmap(map, bytes);
    (void)close(fd);
    return n;
}

/* Dirty pages stay; what was just written must reach the disk first. */
static void sync_file(const storage_case *c) {
    char path[200];
    const int fd = open(storage_path(c, "w.bin", path), O_RDONLY);
    assert_int_equal(fsync(fd), 0);
    (void)close(fd);
}

static void a_large_file_leaves_nothing_in_the_page_cache(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    sync_file(&c);
    assert_int_equal(storage_open(&c), DMS_OK);
    if (!c.storage->file[0].takes_direct) {
        storage_remove(&c);
        skip(); /* a file system in memory */
    }
    const dms_view whole = row_of(c.n_numbers);
    storage_check(&c, &whole, 0, 0, dense1, c.n_numbers, 0);
    assert_int_equal(cached_pages(&c), 0);
    dms_storage_stats stats = dms_storage_stats_of(c.storage);
    assert_int_equal(stats.direct_bytes, 4 * (uint64_t)c.n_numbers);
    assert_int_equal(stats.buffered_bytes, 0);
    /* a cell of narrow columns goes through the cache, which is emptied when it is done with */
    const dms_view narrow = {DMS_DTYPE_U32, 2, 0, {1000, 16}, {4000, 1}};
    storage_check(&c, &narrow, 0, 0, (int64_t[]){16, 1}, 16000, 0);
    assert_true(cached_pages(&c) > 0);
    stats = dms_storage_stats_of(c.storage);
    assert_int_equal(stats.buffered_bytes, 64000);
    dms_storage_drop_cached(c.storage);
    assert_true(cached_pages(&c) < 128); /* but for what the system is still reading ahead */
    storage_remove(&c);
}

static void a_large_file_that_is_only_compared_leaves_nothing_either(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    sync_file(&c);
    assert_int_equal(storage_open(&c), DMS_OK);
    const bool is_in_memory = !c.storage->file[0].takes_direct;
    dms_storage_close(c.storage);
    c.storage = NULL;
    if (is_in_memory) {
        storage_remove(&c);
        skip();
    }
    /* no weight comes from it, as where a packed file stands for it */
    char path[200];
    const int fd = open(storage_path(&c, "w.bin", path), O_RDONLY);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
    assert_true(read(fd, (char[4096]){0}, 4096) == 4096 && cached_pages(&c) > 0);
    (void)close(fd);
    c.run.plan.n_sources = 0;
    assert_int_equal(storage_open(&c), DMS_OK);
    assert_true(cached_pages(&c) < 128);
    storage_remove(&c);
}

static void cells_of_one_matrix_share_the_page_cache_until_another_begins(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    dms_view narrow = {DMS_DTYPE_U32, 2, 0, {300, 16}, {4000, 1}};
    const int64_t pitch[2] = {16, 1};
    uint32_t *to = malloc(300 * 16 * 4);
    assert_int_equal(storage_load(&c, &narrow, 0, pitch, to), DMS_OK);
    assert_int_equal(c.storage->cached_file, 0);
    const uint64_t end = c.storage->cached_end;
    narrow.offset = 16; /* the columns beside */
    assert_int_equal(storage_load(&c, &narrow, 0, pitch, to), DMS_OK);
    assert_int_equal(c.storage->cached_from, 0);
    assert_int_equal(c.storage->cached_end, end + 64);
    assert_int_equal(storage_load(&c, &narrow, 8u << 20, pitch, to), DMS_OK);
    assert_int_equal(c.storage->cached_from, (8u << 20) + 64); /* the first one is forgotten */
    free(to);
    storage_remove(&c);
}

/* Three cells side by side: in the prologue the cache reads what they share once, in a turn each
 * comes alone. Cells of short rows are never read directly. */
static void what_cells_share_is_read_directly_once_the_prologue_is_over(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    if (!c.storage->file[0].takes_direct) {
        storage_remove(&c);
        skip();
    }
    const dms_view third = {DMS_DTYPE_U32, 2, 0, {500, 960}, {2900, 1}};
    const dms_view narrow = {DMS_DTYPE_U32, 2, 0, {300, 16}, {4000, 1}};
    const int64_t pitch[2] = {960, 1};
    storage_check(&c, &third, 0, 0, pitch, 500 * 960, 0);
    assert_int_equal(dms_storage_stats_of(c.storage).direct_bytes, 0);
    const uint64_t cached = dms_storage_stats_of(c.storage).buffered_bytes;
    assert_true(cached > 2 * 4 * 500 * 960);
    dms_storage_settle(c.storage);
    storage_check(&c, &third, 0, 0, pitch, 500 * 960, 0);
    assert_int_equal(dms_storage_stats_of(c.storage).direct_bytes, cached);
    storage_check(&c, &narrow, 0, 0, (int64_t[]){16, 1}, 300 * 16, 0);
    assert_int_equal(dms_storage_stats_of(c.storage).direct_bytes, cached);
    assert_int_equal(dms_storage_stats_of(c.storage).buffered_bytes, cached + 300 * 64);
    storage_remove(&c);
}

static void a_small_file_is_read_through_the_page_cache(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, 10000);
    assert_int_equal(storage_open(&c), DMS_OK);
    const dms_view row = row_of(10000);
    storage_check(&c, &row, 0, 0, dense1, 10000, 4);
    const dms_storage_stats stats = dms_storage_stats_of(c.storage);
    assert_null(stats.direct_reader);
    assert_int_equal(stats.buffered_bytes, 40000);
    assert_int_equal(stats.direct_bytes, 0);
    assert_int_equal(c.storage->cached_file, DMS_NONE);
    storage_remove(&c);
}

/* Ten reads: nine parts in place (9 MiB in parts of 4 MiB are three), and staged ones. */
static dms_code load_with(storage_case *c, storage_faults *faults, void *to) {
    const dms_view boxes = {DMS_DTYPE_U32, 2, 0, {40, 60000}, {100001, 1}};
    storage_use_faults(c->storage, &c->arena, faults);
    return storage_load(c, &boxes, 0, (int64_t[]){60000, 1}, to);
}

static void whichever_read_fails_is_named_and_none_stays_under_way(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    uint32_t *to = malloc(40 * 60000 * 4);
    dms_code code = DMS_EIO;
    uint32_t n = 0;
    while (code != DMS_OK) { /* one further until nothing fails */
        storage_faults faults = {.fail_complete = ++n, .error = EIO};
        assert_int_equal(storage_open(&c), DMS_OK);
        code = load_with(&c, &faults, to);
        if (code != DMS_OK) {
            assert_int_equal(code, DMS_EIO);
            assert_non_null(strstr(c.st.msg, "file 'w.bin' at byte "));
            assert_non_null(strstr(c.st.msg, "Input/output error"));
        }
        assert_int_equal(faults.n_under_way, 0);
        dms_storage_close(c.storage);
    }
    assert_true(n > 10);
    code = DMS_EIO;
    for (n = 0; code != DMS_OK;) {
        storage_faults faults = {.fail_submit = ++n, .error = ENODEV};
        assert_int_equal(storage_open(&c), DMS_OK);
        code = load_with(&c, &faults, to);
        assert_true(code == DMS_OK || strstr(c.st.msg, "No such device") != NULL);
        assert_int_equal(faults.n_under_way, 0);
        assert_true(code == DMS_OK || faults.n_submits == n); /* no read begins after it */
        dms_storage_close(c.storage);
    }
    assert_true(n > 10);
    c.storage = NULL;
    free(to);
    storage_remove(&c);
}

static void short_reads_interrupts_and_any_order_change_no_byte(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    for (int backwards = 0; backwards < 2; backwards++)
        for (uint64_t most = 4096; most <= MIB; most *= 16)
            for (uint32_t n = 0; n < 6; n++) {
                storage_faults faults = {.most_bytes = most,
                                         .is_backwards = backwards != 0,
                                         .fail_complete = n,
                                         .error = n % 2 == 0 ? EINTR : EAGAIN};
                storage_use_faults(c.storage, &c.arena, &faults);
                const dms_view row = row_of(2 * MIB / 4 + 77);
                storage_check(&c, &row, 0, 5, dense1, 2 * MIB / 4 + 77, n == 3 ? 20 : 0);
                const dms_view boxes = {DMS_DTYPE_U32, 2, 0, {9, 60000}, {100001, 1}};
                storage_check(&c, &boxes, 0, 1, (int64_t[]){60000, 1}, 9 * 60000, 8);
                assert_true(faults.n_under_way == 0);
            }
    c.storage->direct = NULL;
    storage_remove(&c);
}

/* A disk that says "again" to everything is not asked for ever; nor when the run is to end. */
static void reads_that_are_always_put_off_are_an_error(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    uint32_t *to = malloc(16u * MIB);
    const dms_view row = row_of(16 * MIB / 4 - 1);
    for (uint32_t n = 1; n < 6; n++) {
        storage_faults faults = {.fail_complete = n, .is_for_ever = true, .error = EAGAIN};
        storage_use_faults(c.storage, &c.arena, &faults);
        assert_int_equal(storage_load(&c, &row, 4, dense1, to), DMS_EIO);
        assert_non_null(strstr(c.st.msg, "Resource temporarily unavailable"));
        assert_int_equal(faults.n_under_way, 0);
        assert_true(faults.n_submits < 2000);
    }
    atomic_int cancel = 0;
    storage_faults faults = {.fail_complete = 1,
                             .is_for_ever = true,
                             .error = EINTR,
                             .cancel_after = 3,
                             .cancel = &cancel};
    c.storage->options.cancel = &cancel;
    storage_use_faults(c.storage, &c.arena, &faults);
    assert_int_equal(storage_load(&c, &row, 4, dense1, to), DMS_ECANCELLED);
    assert_int_equal(faults.n_under_way, 0);
    assert_true(faults.n_completes < 3 + 2 * DMS_READ_SLOTS);
    free(to);
    storage_remove(&c);
}

static void several_reads_are_under_way_at_a_time(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    storage_faults faults = {0};
    storage_use_faults(c.storage, &c.arena, &faults);
    const dms_view row = row_of(8 * MIB / 4);
    storage_check(&c, &row, 0, 1, dense1, 8 * MIB / 4, 0); /* staged: 4 bytes beside */
    assert_int_equal(faults.most_under_way, DMS_READ_SLOTS);
    storage_remove(&c);
}

/* As on a file system that opens files for direct reads and then takes none. */
static void a_file_system_that_refuses_direct_reads_is_read_through_the_cache(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    for (uint32_t n = 1; n < 9; n++) {
        assert_int_equal(storage_open(&c), DMS_OK);
        const bool had_direct = c.storage->file[0].takes_direct;
        storage_faults faults = {.fail_complete = n, .error = EINVAL};
        storage_use_faults(c.storage, &c.arena, &faults);
        const dms_view row = row_of(7 * MIB / 4 + 1);
        if (had_direct)
            storage_check(&c, &row, 0, 1, dense1, 7 * MIB / 4 + 1, 0);
        assert_false(had_direct && c.storage->file[0].takes_direct);
        dms_storage_close(c.storage);
        c.storage = NULL;
    }
    storage_remove(&c);
}

static void a_cancel_ends_a_long_block_between_two_reads(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, STORAGE_LARGE_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    uint32_t *to = malloc(16u * MIB + 4);
    for (uint32_t n = 1; n < 8; n++) {
        atomic_int cancel = 0;
        storage_faults faults = {.cancel_after = n, .cancel = &cancel};
        c.storage->options.cancel = n % 2 == 0 ? &cancel : NULL;
        c.storage->options.stop = n % 2 == 0 ? NULL : &cancel; /* the session ends */
        storage_use_faults(c.storage, &c.arena, &faults);
        const dms_view row = row_of(16 * MIB / 4);
        assert_int_equal(storage_load(&c, &row, 4, dense1, to), DMS_ECANCELLED);
        assert_string_equal(c.st.msg, "interrupted");
        assert_true(faults.n_completes < n + DMS_READ_SLOTS); /* those under way, no more */
        assert_int_equal(faults.n_under_way, 0);
    }
    free(to);
    storage_remove(&c);
}

static void a_file_that_shrinks_says_where_it_ends(void **state) {
    (void)state;
    static const struct {
        uint32_t size;
        const char *message;
    } cut[] = {{9000, "file 'w.bin' ends at byte 9000, "},
               {8192, "file 'w.bin' ends at byte 8192, "},
               {5 * MIB + 77, "file 'w.bin' ends at byte 5242957, "},
               {0, "file 'w.bin' ends at byte 0, "}};
    for (int reader = 0; reader < 2; reader++)
        for (size_t k = 0; k < sizeof cut / sizeof *cut; k++) {
            storage_case c;
            char path[200];
            open_reader(&c, reader);
            uint32_t *to = malloc(16u * MIB);
            const dms_view row = row_of(16 * MIB / 4);
            assert_int_equal(truncate(storage_path(&c, "w.bin", path), cut[k].size), 0);
            assert_int_equal(storage_load(&c, &row, 0, dense1, to), DMS_EIO);
            if (strstr(c.st.msg, cut[k].message) == NULL) /* several reads were under way */
                fail_msg("'%s' is not '%s'", c.st.msg, cut[k].message);
            free(to);
            storage_remove(&c);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_alignment_gives_the_bytes_of_the_file),
        cmocka_unit_test(long_blocks_are_cut_into_parts_that_fit),
        cmocka_unit_test(the_last_bytes_of_a_file_are_read_although_they_fill_no_sector),
        cmocka_unit_test(strided_boxes_equal_the_plain_loop),
        cmocka_unit_test(a_large_file_leaves_nothing_in_the_page_cache),
        cmocka_unit_test(a_large_file_that_is_only_compared_leaves_nothing_either),
        cmocka_unit_test(cells_of_one_matrix_share_the_page_cache_until_another_begins),
        cmocka_unit_test(what_cells_share_is_read_directly_once_the_prologue_is_over),
        cmocka_unit_test(a_small_file_is_read_through_the_page_cache),
        cmocka_unit_test(whichever_read_fails_is_named_and_none_stays_under_way),
        cmocka_unit_test(short_reads_interrupts_and_any_order_change_no_byte),
        cmocka_unit_test(reads_that_are_always_put_off_are_an_error),
        cmocka_unit_test(several_reads_are_under_way_at_a_time),
        cmocka_unit_test(a_file_system_that_refuses_direct_reads_is_read_through_the_cache),
        cmocka_unit_test(a_cancel_ends_a_long_block_between_two_reads),
        cmocka_unit_test(a_file_that_shrinks_says_where_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
