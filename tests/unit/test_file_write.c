/* test_file_write.c - a file appears whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_seen_before_the_commit),
        cmocka_unit_test(an_older_file_stays_until_the_new_one_is_whole),
        cmocka_unit_test(two_writers_of_one_name_do_not_mix),
        cmocka_unit_test(a_place_that_cannot_be_written_is_named),
        cmocka_unit_test(a_disk_that_is_full_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
