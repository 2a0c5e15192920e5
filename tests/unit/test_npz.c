/* test_npz.c - one array inside a zip archive, and archives whose directories lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support_array.h"

#define PATH "npz_test.tmp"
#define HEADER_2_3 "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"

static const float six[6] = {1, 2, 3, 4, 5, 6};

/* An archive and where its parts lie, so that tests can change them. */
typedef struct archive {
    array_bytes zip;
    size_t n, local[4], entry[4], end;
} archive;

/* Fields of the three kinds of records, as offsets in them. */
enum {
    LOCAL_NAME = 26,
    LOCAL_EXTRA = 28,
    ENTRY_METHOD = 10,
    ENTRY_STORED = 20,
    ENTRY_NAME = 28,
    ENTRY_EXTRA = 30,
    ENTRY_COMMENT = 32,
    ENTRY_LOCAL = 42,
    END_COUNT = 10,
    END_OFFSET = 16
};

/* Adds a member: its local record, and its entry to `directory`. */
static void add(archive *a, array_bytes *directory, const char *name, const array_bytes *data,
                unsigned method) {
    const uint8_t extra[4] = {1, 0, 0, 0};
    const size_t length = strlen(name);
    a->local[a->n] = a->zip.n;
    array_put(&a->zip, "PK\3\4", 4);
    array_put_number(&a->zip, 0, 4);
    array_put_number(&a->zip, method, 2);
    array_put_number(&a->zip, 0, 8);
    array_put_number(&a->zip, data->n, 4);
    array_put_number(&a->zip, data->n, 4);
    array_put_number(&a->zip, length, 2);
    array_put_number(&a->zip, sizeof extra, 2);
    array_put(&a->zip, name, length);
    array_put(&a->zip, extra, sizeof extra);
    array_put(&a->zip, data->data, data->n);
    a->entry[a->n] = directory->n; /* moved behind the members later */
    array_put(directory, "PK\1\2", 4);
    array_put_number(directory, 0, 6);
    array_put_number(directory, method, 2);
    array_put_number(directory, 0, 8);
    array_put_number(directory, data->n, 4);
    array_put_number(directory, data->n, 4);
    array_put_number(directory, length, 2);
    array_put_number(directory, 0, 12);
    array_put_number(directory, a->local[a->n], 4);
    array_put(directory, name, length);
    a->n++;
}

/* An archive of the named members; member k holds six[0..5] + k. */
static archive make(size_t n, const char *const *name, unsigned method) {
    archive a = {.n = 0};
    array_bytes directory = {.n = 0};
    for (size_t k = 0; k < n; k++) {
        float data[6];
        for (int j = 0; j < 6; j++)
            data[j] = six[j] + (float)k;
        const array_bytes npy = array_npy(1, HEADER_2_3, data, sizeof data);
        add(&a, &directory, name[k], &npy, method);
    }
    const size_t begin = a.zip.n;
    for (size_t k = 0; k < n; k++)
        a.entry[k] += begin;
    array_put(&a.zip, directory.data, directory.n);
    a.end = a.zip.n;
    array_put(&a.zip, "PK\5\6", 4);
    array_put_number(&a.zip, 0, 4);
    array_put_number(&a.zip, n, 2);
    array_put_number(&a.zip, n, 2);
    array_put_number(&a.zip, directory.n, 4);
    array_put_number(&a.zip, begin, 4);
    array_put_number(&a.zip, 0, 2);
    return a;
}

static archive make_two(void) {
    static const char *const name[] = {"a.npy", "b.npy"};
    return make(2, name, 0);
}

/* The member that is found under a name is the one with this first number. */
static void expect(const archive *a, const char *member, float first) {
    dms_view view;
    dms_status st;
    float got[6];
    if (array_read(PATH, member, &a->zip, &view, got, &st) != DMS_OK)
        fail_msg("'%s': %s", member, st.msg);
    assert_int_equal(view.dim[1], 3);
    assert_true(got[0] == first && got[5] == first + 5);
}

static void refuse(const archive *a, const char *member, const char *why) {
    array_refuses(PATH, member, &a->zip, why);
}

/* ---- names --------------------------------------------------------------------------------- */

static void a_member_is_found_by_its_name(void **state) {
    (void)state;
    const archive a = make_two();
    expect(&a, "a", 1);
    expect(&a, "b", 2);
    refuse(&a, "c", "the .npz has no member 'c.npy'");
}

/* The whole name counts, with ".npy" and nothing else behind it. */
static void parts_of_names_are_no_names(void **state) {
    (void)state;
    static const char *const name[] = {"in.npy.npy", "xin.npy", "in", "in.npy"};
    const archive a = make(4, name, 0);
    expect(&a, "in", 4);
    expect(&a, "in.npy", 1);
    expect(&a, "xin", 2);
    refuse(&a, "i", "no member 'i.npy'");
    refuse(&a, "", "no member '.npy'");
}

static void the_only_member_is_taken_under_any_name(void **state) {
    (void)state;
    static const char *const name[] = {"arr_0"};
    const archive a = make(1, name, 0);
    expect(&a, "whatever", 1);
}

static void of_two_members_of_one_name_the_first_is_taken(void **state) {
    (void)state;
    static const char *const name[] = {"z.npy", "a.npy", "a.npy"};
    const archive a = make(3, name, 0);
    expect(&a, "a", 2);
}

static void an_archive_without_members_has_none(void **state) {
    (void)state;
    archive a = make_two();
    array_set(&a.zip, a.end + END_COUNT, 0, 2);
    refuse(&a, "a", "no member 'a.npy'");
}

/* ---- what is not supported ----------------------------------------------------------------- */

static void compressed_members_are_refused_with_advice(void **state) {
    (void)state;
    static const char *const name[] = {"a.npy"};
    const archive a = make(1, name, 8);
    refuse(&a, "a", "member 'a.npy' is compressed: write it with numpy.savez");
}

/* What is larger than 4 GiB has its real size in a record that we do not read. */
static void members_beyond_32_bits_are_refused_with_advice(void **state) {
    (void)state;
    archive a = make_two();
    array_set(&a.zip, a.entry[1] + ENTRY_STORED, UINT32_MAX, 4);
    refuse(&a, "b", "member 'b.npy' is larger than 4 GiB: use .npy");
    a = make_two();
    array_set(&a.zip, a.entry[1] + ENTRY_LOCAL, UINT32_MAX, 4);
    refuse(&a, "b", "member 'b.npy' is larger than 4 GiB: use .npy");
    expect(&a, "a", 1); /* the other one is fine */
}

static void a_comment_behind_the_end_hides_it(void **state) {
    (void)state;
    archive a = make_two();
    array_put(&a.zip, "hello", 5);
    refuse(&a, "a", "the .npz has no end record");
}

/* ---- directories that lie ------------------------------------------------------------------ */

static void a_directory_with_fewer_entries_than_it_says_is_damaged(void **state) {
    (void)state;
    static const uint64_t count[] = {3, 100, UINT16_MAX};
    for (size_t k = 0; k < 3; k++) {
        archive a = make_two();
        array_set(&a.zip, a.end + END_COUNT, count[k], 2);
        expect(&a, "b", 2); /* found before the end */
        refuse(&a, "c", "the directory of the .npz is damaged");
    }
}

static void a_directory_somewhere_else_is_damaged(void **state) {
    (void)state;
    const archive whole = make_two();
    const uint64_t at[] = {0,         1,           whole.entry[0] - 1, whole.entry[0] + 1,
                           whole.end, whole.zip.n, UINT32_MAX};
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
        archive a = whole;
        array_set(&a.zip, a.end + END_OFFSET, at[k], 4);
        refuse(&a, "b", "the directory of the .npz is damaged");
    }
}

/* The lengths of name, extra and comment lead to the next entry. */
static void lengths_that_lead_past_the_directory_are_damage(void **state) {
    (void)state;
    static const int field[] = {ENTRY_EXTRA, ENTRY_COMMENT};
    for (size_t k = 0; k < 2; k++) {
        archive a = make_two();
        array_set(&a.zip, a.entry[0] + (size_t)field[k], 1, 2);
        refuse(&a, "b", "the directory of the .npz is damaged");
        array_set(&a.zip, a.entry[0] + (size_t)field[k], UINT16_MAX, 2);
        refuse(&a, "b", "the directory of the .npz is damaged");
        expect(&a, "a", 1); /* stands before */
    }
}

static void names_of_1024_bytes_and_more_are_damage(void **state) {
    (void)state;
    static const uint64_t length[] = {1024, 1025, UINT16_MAX};
    for (size_t k = 0; k < 3; k++) {
        archive a = make_two();
        array_set(&a.zip, a.entry[0] + ENTRY_NAME, length[k], 2);
        refuse(&a, "a", "the directory of the .npz is damaged");
    }
    char name[1024];
    memset(name, 'n', 1023);
    name[1023] = 0;
    const char *const longest[] = {name};
    const archive a = make(1, longest, 0);
    expect(&a, "any", 1);
}

/* A name that runs into the end of the file, within the length we take. */
static void a_name_past_the_end_of_the_file_is_refused(void **state) {
    (void)state;
    archive a = make_two();
    array_set(&a.zip, a.entry[1] + ENTRY_NAME, 1000, 2);
    refuse(&a, "b", "the file ends at byte");
}

/* ---- members that lie ---------------------------------------------------------------------- */

static void members_outside_the_file_are_refused(void **state) {
    (void)state;
    const archive whole = make_two();
    const uint64_t at[] = {whole.zip.n, whole.zip.n - 29, UINT32_MAX - 1};
    for (size_t k = 0; k < 3; k++) {
        archive a = whole;
        array_set(&a.zip, a.entry[1] + ENTRY_LOCAL, at[k], 4);
        refuse(&a, "b", "member 'b.npy' lies outside the file");
    }
}

/* An entry that leads to bytes which are no local record. */
static void a_place_without_a_local_record_is_refused(void **state) {
    (void)state;
    archive a = make_two();
    array_set(&a.zip, a.entry[1] + ENTRY_LOCAL, a.local[1] + 1, 4);
    refuse(&a, "b", "member 'b.npy' lies outside the file");
    array_set(&a.zip, a.entry[1] + ENTRY_LOCAL, a.entry[0], 4);
    refuse(&a, "b", "member 'b.npy' lies outside the file");
}

static void a_member_longer_than_the_file_is_refused(void **state) {
    (void)state;
    archive a = make_two();
    array_set(&a.zip, a.entry[1] + ENTRY_STORED, a.zip.n, 4);
    refuse(&a, "b", "member 'b.npy' lies outside the file");
    array_set(&a.zip, a.entry[1] + ENTRY_STORED, UINT32_MAX - 1, 4);
    refuse(&a, "b", "member 'b.npy' lies outside the file");
}

static void lengths_of_the_local_record_may_not_lead_outside(void **state) {
    (void)state;
    static const int field[] = {LOCAL_NAME, LOCAL_EXTRA};
    for (size_t k = 0; k < 2; k++) {
        archive a = make_two();
        array_set(&a.zip, a.local[1] + (size_t)field[k], UINT16_MAX, 2);
        refuse(&a, "b", "member 'b.npy' lies outside the file");
        array_set(&a.zip, a.local[1] + (size_t)field[k], 9, 2);
        refuse(&a, "b", "not a .npy file"); /* a few bytes off */
    }
}

/* The member ends before its header says: what follows in the archive is not its data. */
static void data_do_not_run_on_into_the_next_member(void **state) {
    (void)state;
    archive a = make_two();
    const size_t bytes = array_npy(1, HEADER_2_3, six, sizeof six).n;
    array_set(&a.zip, a.entry[0] + ENTRY_STORED, bytes - 1, 4);
    refuse(&a, "a", "its header wants 24 bytes of data, it has 23");
    array_set(&a.zip, a.entry[0] + ENTRY_STORED, bytes - sizeof six - 1, 4);
    refuse(&a, "a", "a header of");
    array_set(&a.zip, a.entry[0] + ENTRY_STORED, 11, 4);
    refuse(&a, "a", "the file is too short for .npy");
    array_set(&a.zip, a.entry[0] + ENTRY_STORED, 0, 4);
    refuse(&a, "a", "the file is too short for .npy");
}

/* Two entries of one member are two names for it. */
static void entries_may_share_a_member(void **state) {
    (void)state;
    archive a = make_two();
    array_set(&a.zip, a.entry[1] + ENTRY_LOCAL, a.local[0], 4);
    expect(&a, "a", 1);
    expect(&a, "b", 1);
}

/* ---- anything ------------------------------------------------------------------------------ */

static void an_archive_cut_anywhere_is_refused(void **state) {
    (void)state;
    const archive whole = make_two();
    for (size_t n = 0; n < whole.zip.n; n++) {
        archive part = whole;
        part.zip.n = n;
        refuse(&part, "b", "");
    }
}

/* Each byte with each bit changed: an array inside the file, or a refusal. */
static void a_changed_bit_never_leads_outside(void **state) {
    (void)state;
    const archive whole = make_two();
    for (size_t at = 0; at < whole.zip.n; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            archive a = whole;
            a.zip.data[at] ^= (uint8_t)(1u << bit);
            array_is_contained(PATH, "b", &a.zip);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_found_by_its_name),
        cmocka_unit_test(parts_of_names_are_no_names),
        cmocka_unit_test(the_only_member_is_taken_under_any_name),
        cmocka_unit_test(of_two_members_of_one_name_the_first_is_taken),
        cmocka_unit_test(an_archive_without_members_has_none),
        cmocka_unit_test(compressed_members_are_refused_with_advice),
        cmocka_unit_test(members_beyond_32_bits_are_refused_with_advice),
        cmocka_unit_test(a_comment_behind_the_end_hides_it),
        cmocka_unit_test(a_directory_with_fewer_entries_than_it_says_is_damaged),
        cmocka_unit_test(a_directory_somewhere_else_is_damaged),
        cmocka_unit_test(lengths_that_lead_past_the_directory_are_damage),
        cmocka_unit_test(names_of_1024_bytes_and_more_are_damage),
        cmocka_unit_test(a_name_past_the_end_of_the_file_is_refused),
        cmocka_unit_test(members_outside_the_file_are_refused),
        cmocka_unit_test(a_place_without_a_local_record_is_refused),
        cmocka_unit_test(a_member_longer_than_the_file_is_refused),
        cmocka_unit_test(lengths_of_the_local_record_may_not_lead_outside),
        cmocka_unit_test(data_do_not_run_on_into_the_next_member),
        cmocka_unit_test(entries_may_share_a_member),
        cmocka_unit_test(an_archive_cut_anywhere_is_refused),
        cmocka_unit_test(a_changed_bit_never_leads_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
