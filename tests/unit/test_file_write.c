/* test_file_write.c - a file appears whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/file_write.h"

/* A folder, and the path of "f" in it. */
typedef struct write_case {
    char dir[64], path[80];
} write_case;

static void make_case(write_case *c) {
    strcpy(c->dir, "write.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    (void)snprintf(c->path, sizeof c->path, "%s/f", c->dir);
}

static void remove_case(const write_case *c) {
    (void)unlink(c->path);
    assert_int_equal(rmdir(c->dir), 0); /* fails where a temporary file is left */
}

static int count_files(const write_case *c) {
    DIR *folder = opendir(c->dir);
    assert_non_null(folder);
    int n = 0;
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n - 2;
}

static void read_text(const char *path, char out[64]) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    out[fread(out, 1, 63, f)] = 0;
    fclose(f);
}

static void nothing_is_seen_before_the_commit(void **state) {
    (void)state;
    write_case c;
    dms_file_write file;
    char text[64];
    make_case(&c);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    fprintf(file.out, "hello");
    assert_int_equal(access(c.path, F_OK), -1);
    assert_int_equal(dms_file_commit(&file, NULL), DMS_OK);
    read_text(c.path, text);
    assert_string_equal(text, "hello");
    assert_int_equal(count_files(&c), 1);
    remove_case(&c);
}

static void an_older_file_stays_until_the_new_one_is_whole(void **state) {
    (void)state;
    write_case c;
    dms_file_write file;
    char text[64];
    make_case(&c);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    fprintf(file.out, "old");
    assert_int_equal(dms_file_commit(&file, NULL), DMS_OK);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    fprintf(file.out, "new");
    read_text(c.path, text);
    assert_string_equal(text, "old");
    dms_file_abort(&file);
    dms_file_abort(&file); /* twice is allowed */
    read_text(c.path, text);
    assert_string_equal(text, "old");
    assert_int_equal(count_files(&c), 1);
    remove_case(&c);
}

static void two_writers_of_one_name_do_not_mix(void **state) {
    (void)state;
    write_case c;
    dms_file_write a, b;
    char text[64];
    make_case(&c);
    assert_int_equal(dms_file_begin(&a, c.path, NULL), DMS_OK);
    assert_int_equal(dms_file_begin(&b, c.path, NULL), DMS_OK);
    fprintf(a.out, "a");
    fprintf(b.out, "b");
    assert_int_equal(dms_file_commit(&b, NULL), DMS_OK);
    assert_int_equal(dms_file_commit(&a, NULL), DMS_OK);
    read_text(c.path, text);
    assert_string_equal(text, "a"); /* the last one wins, whole */
    remove_case(&c);
}

static void a_place_that_cannot_be_written_is_named(void **state) {
    (void)state;
    write_case c;
    dms_file_write file;
    dms_status st;
    char path[100], longest[DMS_FILE_NAME_BYTES + 100];
    make_case(&c);
    (void)snprintf(path, sizeof path, "%s/no/f", c.dir);
    assert_int_equal(dms_file_begin(&file, path, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, path));
    assert_non_null(strstr(st.msg, "No such file or directory"));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(dms_file_begin(&file, longest, &st), DMS_EIO);
    assert_int_equal(mkdir(c.path, 0700), 0); /* a folder of that name */
    assert_int_equal(dms_file_begin(&file, c.path, &st), DMS_OK);
    fprintf(file.out, "x");
    assert_int_equal(dms_file_commit(&file, &st), DMS_EIO);
    assert_int_equal(count_files(&c), 1);
    assert_int_equal(rmdir(c.path), 0);
    remove_case(&c);
}

static void a_disk_that_is_full_is_noticed(void **state) {
    (void)state;
    write_case c;
    dms_file_write file;
    dms_status st;
    make_case(&c);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    FILE *full = freopen("/dev/full", "wb", file.out);
    assert_non_null(full);
    file.out = full;
    fprintf(file.out, "x");
    assert_int_equal(dms_file_commit(&file, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "No space left"));
    assert_int_equal(count_files(&c), 0);
    remove_case(&c);
}

/* The stream is told of a full disk long before the commit; the reason is not lost. */
static void a_write_that_failed_long_ago_is_named_by_its_reason(void **state) {
    (void)state;
    write_case c;
    dms_file_write file;
    dms_status st;
    make_case(&c);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    file.out = freopen("/dev/full", "wb", file.out);
    assert_non_null(file.out);
    fprintf(file.out, "x");
    assert_true(fflush(file.out) != 0);
    assert_int_equal(setvbuf(file.out, NULL, _IONBF, 0), 0); /* nothing waits to be written */
    assert_int_equal(dms_file_commit(&file, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "No space left"));
    remove_case(&c);
}

/* "one" into f, "two" into g, under way. */
static void begin_pair(const write_case *c, char second[80], dms_file_write file[2]) {
    (void)snprintf(second, 80, "%.60s/g", c->dir);
    assert_int_equal(dms_file_begin(&file[0], c->path, NULL), DMS_OK);
    assert_int_equal(dms_file_begin(&file[1], second, NULL), DMS_OK);
    fprintf(file[0].out, "one");
    fprintf(file[1].out, "two");
}

static void put_text(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void check_text(const char *path, const char *want) {
    char text[64];
    read_text(path, text);
    assert_string_equal(text, want);
}

static void a_pair_gets_its_names_together(void **state) {
    (void)state;
    write_case c;
    dms_file_write file[2];
    char second[80];
    make_case(&c);
    put_text(c.path, "older");
    begin_pair(&c, second, file);
    check_text(c.path, "older");
    assert_int_equal(dms_files_commit(file, 2, NULL), DMS_OK);
    check_text(c.path, "one");
    check_text(second, "two");
    assert_int_equal(count_files(&c), 2); /* the older one has no second name any more */
    dms_file_abort(&file[0]);             /* allowed, without effect */
    check_text(c.path, "one");
    assert_int_equal(unlink(second), 0);
    remove_case(&c);
}

/* Many files cannot all be open: they are sealed one by one, and named together. */
static void files_may_be_sealed_before_they_are_named(void **state) {
    (void)state;
    for (int is_kept = 0; is_kept < 2; is_kept++) {
        write_case c;
        dms_file_write file[2];
        char second[80];
        make_case(&c);
        put_text(c.path, "older");
        begin_pair(&c, second, file);
        assert_int_equal(dms_file_seal(&file[0], NULL), DMS_OK);
        assert_null(file[0].out);
        check_text(c.path, "older");
        if (is_kept) { /* one sealed, one still open */
            assert_int_equal(dms_files_commit(file, 2, NULL), DMS_OK);
            check_text(c.path, "one");
            check_text(second, "two");
            assert_int_equal(count_files(&c), 2);
            assert_int_equal(unlink(second), 0);
        }
        dms_file_abort(&file[0]);
        dms_file_abort(&file[1]);
        assert_int_equal(count_files(&c), 1);
        check_text(c.path, is_kept ? "one" : "older");
        remove_case(&c);
    }
}

/* What cannot be synced is dropped when it is sealed. */
static void a_full_disk_is_noticed_when_a_file_is_sealed(void **state) {
    (void)state;
    write_case c;
    dms_file_write file;
    dms_status st;
    make_case(&c);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    file.out = freopen("/dev/full", "wb", file.out);
    assert_non_null(file.out);
    fprintf(file.out, "x");
    assert_int_equal(dms_file_seal(&file, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, c.path));
    dms_file_abort(&file); /* allowed, without effect */
    assert_int_equal(count_files(&c), 0);
    remove_case(&c);
}

/* The second of two cannot get its name, for a folder has it. */
static void of_a_pair_that_fails_the_older_files_stay(void **state) {
    (void)state;
    for (int has_older = 0; has_older < 2; has_older++) {
        write_case c;
        dms_file_write file[2];
        dms_status st;
        char second[80];
        make_case(&c);
        if (has_older)
            put_text(c.path, "older");
        begin_pair(&c, second, file);
        assert_int_equal(mkdir(second, 0700), 0);
        assert_int_equal(dms_files_commit(file, 2, &st), DMS_EIO);
        assert_non_null(strstr(st.msg, second));
        assert_int_equal(rmdir(second), 0);
        assert_int_equal(count_files(&c), has_older);
        if (has_older)
            check_text(c.path, "older");
        remove_case(&c);
    }
}

/* The disk is full when the second is synced: the first has not got its name yet. */
static void of_a_pair_that_cannot_be_synced_nothing_is_named(void **state) {
    (void)state;
    write_case c;
    dms_file_write file[2];
    dms_status st;
    char second[80];
    make_case(&c);
    begin_pair(&c, second, file);
    file[1].out = freopen("/dev/full", "wb", file[1].out);
    assert_non_null(file[1].out);
    fprintf(file[1].out, "two");
    assert_int_equal(dms_files_commit(file, 2, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, second));
    assert_int_equal(count_files(&c), 0);
    remove_case(&c);
}

/* Renaming over it would put a file in the place of a pipe, or, as root, of /dev/null. */
static void what_is_no_file_is_written_to_and_stays_what_it_is(void **state) {
    (void)state;
    write_case c;
    dms_file_write file;
    struct stat info;
    char text[64];
    make_case(&c);
    assert_int_equal(mkfifo(c.path, 0600), 0);
    const int reader = open(c.path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    fprintf(file.out, "hello");
    assert_int_equal(dms_file_commit(&file, NULL), DMS_OK);
    assert_int_equal(read(reader, text, sizeof text), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(dms_file_begin(&file, c.path, NULL), DMS_OK);
    dms_file_abort(&file);
    assert_int_equal(close(reader), 0);
    assert_int_equal(stat(c.path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(count_files(&c), 1);
    remove_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_failed_long_ago_is_named_by_its_reason),
        cmocka_unit_test(a_pair_gets_its_names_together),
        cmocka_unit_test(files_may_be_sealed_before_they_are_named),
        cmocka_unit_test(a_full_disk_is_noticed_when_a_file_is_sealed),
        cmocka_unit_test(of_a_pair_that_fails_the_older_files_stay),
        cmocka_unit_test(of_a_pair_that_cannot_be_synced_nothing_is_named),
        cmocka_unit_test(what_is_no_file_is_written_to_and_stays_what_it_is),
        cmocka_unit_test(nothing_is_seen_before_the_commit),
        cmocka_unit_test(an_older_file_stays_until_the_new_one_is_whole),
        cmocka_unit_test(two_writers_of_one_name_do_not_mix),
        cmocka_unit_test(a_place_that_cannot_be_written_is_named),
        cmocka_unit_test(a_disk_that_is_full_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
