/* test_beneath.c - every way out of a folder is closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/beneath.h"

/*  top/secret                 outside the folder
 *  top/in/a        "hello"    in/deep/er/b  "deep"
 *  top/in/out   -> ../secret  in/self   -> a         in/up -> ..      in/loop -> loop
 *  top/in/gone  -> nothing    in/near   -> deep      in/twin, in/twin2: one file, two names
 *  top/in/pipe                a fifo */
typedef struct folder_case {
    char top[64], in[80];
} folder_case;

static void write_file(const char *folder, const char *name, const char *text) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void make_links(const char *in) {
    static const char *const links[][2] = {{"../secret", "out"}, {"a", "self"},
                                           {"..", "up"},         {"loop", "loop"},
                                           {"nothing", "gone"},  {"deep", "near"}};
    char path[300], twin[300];
    for (size_t k = 0; k < sizeof links / sizeof *links; k++) {
        (void)snprintf(path, sizeof path, "%s/%s", in, links[k][1]);
        assert_int_equal(symlink(links[k][0], path), 0);
    }
    (void)snprintf(path, sizeof path, "%s/twin", in);
    (void)snprintf(twin, sizeof twin, "%s/twin2", in);
    assert_int_equal(link(path, twin), 0);
    (void)snprintf(path, sizeof path, "%s/pipe", in);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static int make_folder(void **state) {
    folder_case *c = calloc(1, sizeof *c);
    char path[300];
    strcpy(c->top, "beneath.XXXXXX");
    assert_non_null(mkdtemp(c->top));
    (void)snprintf(c->in, sizeof c->in, "%s/in", c->top);
    assert_int_equal(mkdir(c->in, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/deep", c->in);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/deep/er", c->in);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(c->top, "secret", "secret");
    write_file(c->in, "a", "hello");
    write_file(c->in, "empty", "");
    write_file(c->in, "twin", "twin");
    write_file(c->in, "deep/er/b", "deep");
    make_links(c->in);
    *state = c;
    return 0;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"in/a",    "in/empty",     "in/twin", "in/twin2", "in/out",
                                        "in/self", "in/up",        "in/loop", "in/gone",  "in/near",
                                        "in/pipe", "in/deep/er/b", "secret"};
    static const char *const folders[] = {"in/deep/er", "in/deep", "in"};
    folder_case *c = *state;
    char path[300];
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        (void)snprintf(path, sizeof path, "%s/%s", c->top, names[k]);
        (void)unlink(path);
    }
    for (size_t k = 0; k < sizeof folders / sizeof *folders; k++) {
        (void)snprintf(path, sizeof path, "%s/%s", c->top, folders[k]);
        (void)rmdir(path);
    }
    const int left = rmdir(c->top);
    free(c);
    return left;
}

/* The lowest free descriptor: the same before and after when nothing leaks. */
static int next_fd(void) {
    const int fd = dup(0);
    (void)close(fd);
    return fd;
}

static void files_beneath_open_with_their_size(void **state) {
    const folder_case *c = *state;
    static const struct {
        const char *name, *text;
    } good[] = {{"a", "hello"}, {"empty", ""}, {"deep/er/b", "deep"}};
    for (size_t k = 0; k < 3; k++) {
        int fd;
        uint64_t bytes;
        bool missing = true;
        char text[16] = "";
        assert_int_equal(dms_beneath_open(c->in, good[k].name, &fd, &bytes, &missing, NULL),
                         DMS_OK);
        assert_int_equal(bytes, strlen(good[k].text));
        assert_false(missing);
        assert_int_equal(dms_read_at(fd, "f", 0, text, bytes, NULL), DMS_OK);
        assert_string_equal(text, good[k].text);
        assert_int_equal(close(fd), 0);
    }
}

static void names_that_lead_elsewhere_are_refused(void **state) {
    const folder_case *c = *state;
    char absolute[PATH_MAX + 8];
    assert_non_null(realpath(c->in, absolute));
    strcat(absolute, "/a");
    const char *const bad[] = {absolute,      "/",       "",          ".",       "..",
                               "../secret",   "./a",     "a/",        "//a",     "deep//er/b",
                               "deep/.",      "deep/..", "deep/../a", "../in/a", "deep/er/../er/b",
                               "deep/./er/b", "/a"};
    const int before = next_fd();
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        int fd = -7;
        uint64_t bytes;
        bool missing = true;
        dms_status st = {0};
        assert_int_equal(dms_beneath_open(c->in, bad[k], &fd, &bytes, &missing, &st), DMS_EIO);
        assert_non_null(strstr(st.msg, "the name must be relative"));
        assert_false(missing); /* refused, whether there is such a file or not */
        assert_int_equal(fd, -7);
    }
    assert_int_equal(next_fd(), before);
}

static void links_pipes_and_folders_are_refused(void **state) {
    const folder_case *c = *state;
    static const struct {
        const char *name, *says;
    } bad[] = {
        {"out", "symbolic link"},       {"self", "symbolic link"},
        {"up/secret", "symbolic link"}, {"up/in/a", "symbolic link"},
        {"loop", "symbolic link"},      {"gone", "symbolic link"},
        {"near/er/b", "symbolic link"}, {"a/b", "no folder"},
        {"deep", "is a folder"},        {"deep/er", "is a folder"},
        {"pipe", "is no regular file"}, {"twin", "has several names"},
        {"twin2", "has several names"},
    };
    const int before = next_fd();
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        int fd = -7;
        uint64_t bytes;
        bool missing = true;
        dms_status st = {0};
        assert_int_equal(dms_beneath_open(c->in, bad[k].name, &fd, &bytes, &missing, &st), DMS_EIO);
        if (strstr(st.msg, bad[k].says) == NULL || strstr(st.msg, bad[k].name) == NULL)
            fail_msg("'%s' says '%s'", bad[k].name, st.msg);
        assert_false(missing);
        assert_int_equal(fd, -7);
    }
    assert_int_equal(next_fd(), before);
}

static void absence_is_told_from_refusal(void **state) {
    const folder_case *c = *state;
    static const char *const names[] = {"b", "deep/b", "deep/er/c", "no/such/folder"};
    for (size_t k = 0; k < 4; k++) {
        int fd;
        uint64_t bytes;
        bool missing = false;
        assert_int_equal(dms_beneath_open(c->in, names[k], &fd, &bytes, &missing, NULL), DMS_EIO);
        assert_true(missing);
    }
    int fd;
    uint64_t bytes;
    bool missing = true;
    dms_status st = {0};
    assert_int_equal(dms_beneath_open("no such folder", "a", &fd, &bytes, &missing, &st), DMS_EIO);
    assert_memory_equal(st.msg, "folder 'no such folder'", 23);
    assert_false(missing); /* the folder is the user's, not the file's fault */
}

static void parts_have_at_most_255_bytes(void **state) {
    const folder_case *c = *state;
    char name[300];
    for (size_t length = 254; length <= 257; length++) {
        memset(name, 'n', length);
        name[length] = 0;
        int fd;
        uint64_t bytes;
        bool missing;
        assert_int_equal(dms_beneath_open(c->in, name, &fd, &bytes, &missing, NULL), DMS_EIO);
        assert_int_equal(missing, length <= 255);
    }
}

static void the_model_itself_may_have_two_names_but_be_no_link(void **state) {
    const folder_case *c = *state;
    int fd;
    uint64_t bytes;
    bool missing;
    assert_int_equal(dms_beneath_open_linked(c->in, "twin", &fd, &bytes, &missing, NULL), DMS_OK);
    assert_int_equal(bytes, 4);
    assert_int_equal(close(fd), 0);
    assert_int_equal(dms_beneath_open_linked(c->in, "self", &fd, &bytes, &missing, NULL), DMS_EIO);
    assert_int_equal(dms_beneath_open_linked(c->in, "../in/a", &fd, &bytes, &missing, NULL),
                     DMS_EIO);
}

static void what_the_user_names_may_be_a_link_but_no_pipe(void **state) {
    const folder_case *c = *state;
    static const struct {
        const char *name;
        dms_code code;
    } cases[] = {{"a", DMS_OK},     {"self", DMS_OK},  {"../secret", DMS_OK}, {"twin", DMS_OK},
                 {"pipe", DMS_EIO}, {"deep", DMS_EIO}, {"gone", DMS_EIO},     {"loop", DMS_EIO}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char path[300];
        int fd;
        uint64_t bytes;
        (void)snprintf(path, sizeof path, "%s/%s", c->in, cases[k].name);
        assert_int_equal(dms_regular_open(path, &fd, &bytes, NULL), cases[k].code);
        if (cases[k].code == DMS_OK)
            assert_int_equal(close(fd), 0);
    }
}

static void reading_past_the_end_says_how_much_is_missing(void **state) {
    const folder_case *c = *state;
    int fd;
    uint64_t bytes;
    bool missing;
    char text[16] = "";
    dms_status st = {0};
    assert_int_equal(dms_beneath_open(c->in, "a", &fd, &bytes, &missing, NULL), DMS_OK);
    assert_int_equal(dms_read_at(fd, "a", 1, text, 4, &st), DMS_OK);
    assert_string_equal(text, "ello");
    assert_int_equal(dms_read_at(fd, "a", 5, text, 0, &st), DMS_OK);
    assert_int_equal(dms_read_at(fd, "a", 3, text, 4, &st), DMS_EIO);
    assert_string_equal(st.msg, "file 'a' ends at byte 5, 2 bytes early");
    assert_int_equal(dms_read_at(fd, "a", (uint64_t)INT64_MAX, text, 1, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "out of range"));
    assert_int_equal(dms_read_at(fd, "a", UINT64_MAX, text, 2, &st), DMS_EIO);
    assert_int_equal(dms_read_at(-1, "a", 0, text, 1, &st), DMS_EIO);
    assert_int_equal(close(fd), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_beneath_open_with_their_size, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(names_that_lead_elsewhere_are_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(links_pipes_and_folders_are_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(absence_is_told_from_refusal, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(parts_have_at_most_255_bytes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_model_itself_may_have_two_names_but_be_no_link,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_the_user_names_may_be_a_link_but_no_pipe, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(reading_past_the_end_says_how_much_is_missing, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
