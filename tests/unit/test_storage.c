/* test_storage.c - which files are opened, and how blocks are read from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/file_digest.h"
#include "support_storage.h"

#define N_NUMBERS 300000

/* Removes what the tests below put into the folder. */
static void remove_folder(storage_case *c) {
    static const char *const names[] = {"link", "twin", "pipe"};
    char path[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(storage_path(c, names[i], path));
    (void)rmdir(storage_path(c, "sub", path));
    storage_remove(c);
}

/* Opening a file of this name is refused with DMS_EIO, and the message says why. */
static void refuses(storage_case *c, const char *name, const char *reason) {
    c->run.file[0].name = name;
    assert_int_equal(storage_open(c), DMS_EIO);
    assert_non_null(strstr(c->st.msg, name));
    if (strstr(c->st.msg, reason) == NULL)
        fail_msg("'%s' does not say '%s'", c->st.msg, reason);
}

static void a_good_file_is_read(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    uint32_t *got = calloc(N_NUMBERS, 4);
    uint64_t bytes = 0;
    const int64_t pitch[2] = {1, 1};
    assert_int_equal(dms_storage_load(c.storage, 0, pitch, got, &bytes, &c.st), DMS_OK);
    assert_int_equal(bytes, 4 * N_NUMBERS);
    for (uint32_t i = 0; i < N_NUMBERS; i++)
        assert_int_equal(got[i], i);
    free(got);
    remove_folder(&c);
}

static void links_and_other_folders_are_refused(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    char path[200], twin[200];
    assert_int_equal(symlink("w.bin", storage_path(&c, "link", path)), 0);
    refuses(&c, "link", "symbolic link");
    refuses(&c, "../storage", "must be relative");
    refuses(&c, "/etc/passwd", "must be relative");
    refuses(&c, "absent.bin", "No such file");
    assert_int_equal(mkdir(storage_path(&c, "sub", path), 0700), 0);
    refuses(&c, "sub", "is a folder");
    assert_int_equal(mkfifo(storage_path(&c, "pipe", path), 0600), 0);
    refuses(&c, "pipe", "no regular file");
    assert_int_equal(link(storage_path(&c, "w.bin", path), storage_path(&c, "twin", twin)), 0);
    refuses(&c, "twin", "hard links");
    remove_folder(&c);
}

static void a_hard_linked_model_file_is_allowed(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    char path[200], twin[200];
    assert_int_equal(link(storage_path(&c, "w.bin", path), storage_path(&c, "twin", twin)), 0);
    c.run.file[0].kind = 0;
    assert_int_equal(storage_open(&c), DMS_OK);
    remove_folder(&c);
}

static void a_changed_file_is_a_plan_error(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    char path[200];
    const int fd = open(storage_path(&c, "w.bin", path), O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, 77), 1);
    assert_int_equal(storage_open(&c), DMS_EPLAN);
    assert_non_null(strstr(c.st.msg, "'w.bin' changed since the plan was made"));
    assert_int_equal(ftruncate(fd, 1000), 0);
    assert_int_equal(storage_open(&c), DMS_EPLAN);
    assert_non_null(strstr(c.st.msg, "has 1000 bytes, the plan was made for 1200000"));
    close(fd);
    remove_folder(&c);
}

static void verifying_weights_reads_what_samples_miss(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    const uint64_t offset = 0, bytes = 4 * N_NUMBERS;
    char path[200];
    const int fd = open(storage_path(&c, "w.bin", path), O_RDWR);
    const dms_file_ranges large = {1, &offset, &bytes};
    dms_plan_file *f = &c.run.file[0];
    f->n_large = 1;
    f->large_offset = &offset;
    f->large_bytes = &bytes;
    assert_int_equal(dms_file_digest(fd, "w", f->bytes, &large, &f->digest, NULL), DMS_OK);
    assert_int_equal(storage_open_with(&c, (dms_storage_options){.verify_weights = true}), DMS_OK);
    dms_storage_close(c.storage);
    uint64_t at = 4096; /* the first byte that no sample covers */
    for (bool is_sampled = true; is_sampled; at += 4096) {
        uint8_t old;
        dms_hash now;
        assert_int_equal(pread(fd, &old, 1, (off_t)at), 1);
        const uint8_t other = old ^ 1;
        assert_int_equal(pwrite(fd, &other, 1, (off_t)at), 1);
        assert_int_equal(dms_file_digest(fd, "w", f->bytes, &large, &now, NULL), DMS_OK);
        is_sampled = !dms_hash_equal(now, f->digest);
        if (is_sampled)
            assert_int_equal(pwrite(fd, &old, 1, (off_t)at), 1);
    }
    assert_int_equal(storage_open(&c), DMS_OK);
    dms_storage_close(c.storage);
    assert_int_equal(storage_open_with(&c, (dms_storage_options){.verify_weights = true}),
                     DMS_EPLAN);
    f->digest_all = (dms_hash){0, 0};
    assert_int_equal(storage_open_with(&c, (dms_storage_options){.verify_weights = true}),
                     DMS_EPLAN);
    assert_non_null(strstr(c.st.msg, "no digest of all its bytes"));
    close(fd);
    remove_folder(&c);
}

static void a_file_that_shrinks_later_is_an_io_error(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    char path[200];
    assert_int_equal(truncate(storage_path(&c, "w.bin", path), 5000), 0);
    uint32_t *got = calloc(N_NUMBERS, 4);
    uint64_t bytes;
    const int64_t pitch[2] = {1, 1};
    assert_int_equal(dms_storage_load(c.storage, 0, pitch, got, &bytes, &c.st), DMS_EIO);
    assert_non_null(strstr(c.st.msg, "'w.bin' ends at byte 5000"));
    free(got);
    remove_folder(&c);
}

static void a_file_that_was_missing_needs_random_weights(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    c.run.file[0].is_unread = true;
    refuses(&c, "absent.bin", "was missing when the plan was made");
    const dms_storage_options random = {.random_weights = true, .random_seed = 7};
    assert_int_equal(storage_open_with(&c, random), DMS_OK);
    float whole[1000], part[10];
    uint64_t bytes;
    const int64_t pitch[2] = {1, 1};
    dms_source *source = &c.run.source[0];
    source->view.dim[0] = 1000;
    assert_int_equal(dms_storage_load(c.storage, 0, pitch, whole, &bytes, &c.st), DMS_OK);
    assert_int_equal(bytes, 0); /* nothing came from storage */
    source->offset = 4 * 500;
    source->view.dim[0] = 10;
    assert_int_equal(dms_storage_load(c.storage, 0, pitch, part, &bytes, &c.st), DMS_OK);
    assert_memory_equal(part, whole + 500, sizeof part); /* the place decides, not the cell */
    for (int i = 0; i < 1000; i++)
        assert_true(whole[i] > -0.0626f && whole[i] < 0.0626f);
    assert_true(whole[0] != whole[1]);
    remove_folder(&c);
}

/* The walk begins at element 10 of the file. */
static void check_walk(storage_case *c, dms_view view, int64_t valid_last, const int64_t *pitch,
                       int64_t n_place) {
    storage_check(c, &view, valid_last, 10, pitch, n_place, 0);
}

static void every_walk_equals_the_plain_loop(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    const dms_view stripe = {DMS_DTYPE_U32, 2, 3, {200, 64}, {1000, 1}};
    check_walk(&c, stripe, 0, (int64_t[]){64, 1}, 200 * 64);
    check_walk(&c, stripe, 0, (int64_t[]){100, 1}, 200 * 100); /* rows with room between */
    const dms_view turned = {DMS_DTYPE_U32, 2, 0, {300, 700}, {1, 300}};
    check_walk(&c, turned, 0, (int64_t[]){700, 1}, 300 * 700);
    const dms_view wide = {
        DMS_DTYPE_U32, 2, 0, {10, 20000}, {29000, 1}}; /* long runs: read in place */
    check_walk(&c, wide, 0, (int64_t[]){20000, 1}, 10 * 20000);
    const dms_view sparse = {DMS_DTYPE_U32, 2, 0, {7, 2}, {40000, 13000}};
    check_walk(&c, sparse, 0, (int64_t[]){2, 1}, 14);
    const dms_view scalar = {DMS_DTYPE_U32, 0, 5, {0}, {0}};
    check_walk(&c, scalar, 0, (int64_t[]){0}, 1);
    const dms_view cube = {DMS_DTYPE_U32, 4, 0, {3, 5, 7, 11}, {1, 2000, 200, 10}};
    check_walk(&c, cube, 0, (int64_t[]){385, 77, 11, 1}, 3 * 385);
    const dms_view repeated = {DMS_DTYPE_U32, 3, 0, {4, 6, 8}, {0, 100, 3}};
    check_walk(&c, repeated, 0, (int64_t[]){48, 8, 1}, 4 * 48);
    const dms_view dense = {DMS_DTYPE_U32, 3, 0, {30, 40, 50}, {2000, 50, 1}};
    check_walk(&c, dense, 0, (int64_t[]){2000, 50, 1}, 60000);
    remove_folder(&c);
}

/* Four slots, each with room for the whole file and the two boundaries of a direct read. */
static void a_small_file_takes_little_staging_and_is_read_alike(void **state) {
    (void)state;
    static const uint32_t n_numbers[] = {12, 1024, 1025, 5000, 258048, 259072, 262144};
    static const uint64_t slot_kilobytes[] = {12, 16, 16, 28, 1020, 1024, 1024};
    for (uint32_t k = 0; k < sizeof n_numbers / sizeof *n_numbers; k++) {
        storage_case c;
        const int64_t n = n_numbers[k] - 10;
        storage_make(&c, n_numbers[k]);
        assert_int_equal(storage_open(&c), DMS_OK);
        assert_int_equal(c.storage->slot_bytes, slot_kilobytes[k] << 10);
        assert_true(n > 5000 || c.arena.used_bytes < 200u << 10);
        const dms_view every_second = {DMS_DTYPE_U32, 1, 0, {(n + 1) / 2}, {2}};
        check_walk(&c, every_second, 0, (int64_t[]){1}, (n + 1) / 2);
        const dms_view all = {DMS_DTYPE_U32, 1, 0, {n}, {1}};
        check_walk(&c, all, 0, (int64_t[]){2}, 2 * n);
        remove_folder(&c);
    }
}

static void panels_end_with_zeros_where_the_matrix_ends(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    /* b[k = 30, n = 40] as panels [3, 30, 16]: the last panel has 8 columns */
    const dms_view rows = {DMS_DTYPE_U32, 3, 0, {3, 30, 16}, {16, 40, 1}};
    check_walk(&c, rows, 8, (int64_t[]){480, 16, 1}, 3 * 480);
    /* the same from a matrix that is stored transposed, and with one panel only */
    const dms_view turned = {DMS_DTYPE_U32, 3, 0, {3, 30, 16}, {16 * 30, 1, 30}};
    check_walk(&c, turned, 8, (int64_t[]){480, 16, 1}, 3 * 480);
    const dms_view single = {DMS_DTYPE_U32, 3, 0, {1, 30, 16}, {16, 40, 1}};
    check_walk(&c, single, 5, (int64_t[]){480, 16, 1}, 480);
    remove_folder(&c);
}

static void elements_of_every_size_are_scattered(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    static const dms_dtype types[] = {DMS_DTYPE_U8, DMS_DTYPE_F16, DMS_DTYPE_F32, DMS_DTYPE_I64};
    for (size_t t = 0; t < 4; t++) {
        const uint64_t size = dms_dtype_bytes(types[t]);
        const dms_view turned = {types[t], 2, 0, {3, 5}, {1, 3}};
        uint8_t got[15 * 8];
        uint64_t bytes;
        c.run.source[0].offset = 0;
        c.run.source[0].view = turned;
        const int64_t pitch[2] = {5, 1};
        assert_int_equal(dms_storage_load(c.storage, 0, pitch, got, &bytes, &c.st), DMS_OK);
        for (uint64_t i = 0; i < 15; i++)
            for (uint64_t b = 0; b < size; b++) {
                const uint64_t at = (i / 5 + i % 5 * 3) * size + b; /* byte of the file */
                assert_int_equal(got[i * size + b], (at / 4) >> (8 * (at % 4)) & 255);
            }
    }
    remove_folder(&c);
}

/* One element in the plan, walked with pitches of 0, fills panels of 40 columns: 2 1/2 of them. */
static void one_embedded_element_fills_a_block(void **state) {
    (void)state;
    storage_case c;
    storage_make(&c, N_NUMBERS);
    assert_int_equal(storage_open(&c), DMS_OK);
    static const uint32_t seven = 7;
    c.run.source[0] = (dms_source){.file = DMS_NONE,
                                   .view = {DMS_DTYPE_U32, 3, 0, {3, 30, 16}, {0, 0, 0}},
                                   .embedded = (const uint8_t *)&seven,
                                   .n_embedded = sizeof seven};
    const int64_t pitch[3] = {480, 16, 1};
    for (int64_t valid = 0; valid <= 8; valid += 8) {
        uint32_t got[3 * 480];
        uint64_t bytes;
        memset(got, 0xff, sizeof got);
        c.run.source[0].valid_last = valid;
        assert_int_equal(dms_storage_load(c.storage, 0, pitch, got, &bytes, &c.st), DMS_OK);
        assert_int_equal(bytes, 0); /* nothing is read from a file */
        for (int64_t i = 0; i < 3 * 480; i++)
            assert_int_equal(got[i], valid == 8 && i >= 960 && i % 16 >= 8 ? 0 : 7);
    }
    remove_folder(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read),
        cmocka_unit_test(links_and_other_folders_are_refused),
        cmocka_unit_test(a_hard_linked_model_file_is_allowed),
        cmocka_unit_test(a_changed_file_is_a_plan_error),
        cmocka_unit_test(verifying_weights_reads_what_samples_miss),
        cmocka_unit_test(a_file_that_shrinks_later_is_an_io_error),
        cmocka_unit_test(a_file_that_was_missing_needs_random_weights),
        cmocka_unit_test(every_walk_equals_the_plain_loop),
        cmocka_unit_test(a_small_file_takes_little_staging_and_is_read_alike),
        cmocka_unit_test(panels_end_with_zeros_where_the_matrix_ends),
        cmocka_unit_test(elements_of_every_size_are_scattered),
        cmocka_unit_test(one_embedded_element_fills_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
