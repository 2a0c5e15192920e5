/* test_onnx_names.c - a table of names, and names made fit for one line of a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "onnx/names.h"

static void an_empty_table_holds_nothing(void **state) {
    (void)state;
    const dms_names names = {0};
    assert_null(dms_names_find(&names, "x"));
    assert_null(dms_names_find(&names, ""));
}

/* 1,000 names force the table to grow several times; each keeps its value, whatever the order. */
static void every_name_keeps_its_value_while_the_table_grows(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_names names = {.arena = &arena};
    dms_status st;
    const char *key[1000];
    for (uint32_t k = 0; k < 1000; k++) {
        key[k] = dms_format(&arena, "layer.%u", (unsigned)k);
        assert_null(dms_names_find(&names, key[k]));
        assert_int_equal(dms_names_add(&names, key[k], 7 * k, NULL, &st), DMS_OK);
    }
    assert_int_equal(names.n, 1000);
    for (uint32_t k = 0; k < 1000; k++) {
        char other[32];
        (void)strcpy(other, key[k]); /* the text counts, not its address */
        const dms_name *entry = dms_names_find(&names, other);
        assert_non_null(entry);
        assert_ptr_equal(entry->key, key[k]);
        assert_int_equal(entry->value, 7 * k);
    }
    assert_null(dms_names_find(&names, "layer.1000"));
    assert_null(dms_names_find(&names, "layer."));
    dms_arena_free(&arena);
}

static void a_new_entry_is_not_made_until_someone_says_so(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_names names = {.arena = &arena};
    dms_status st;
    dms_name *entry;
    assert_int_equal(dms_names_add(&names, "x", 3, &entry, &st), DMS_OK);
    assert_false(entry->is_made);
    entry->is_made = true;
    for (uint32_t k = 0; k < 40; k++) /* moves all entries */
        assert_int_equal(
            dms_names_add(&names, dms_format(&arena, "n%u", (unsigned)k), k, NULL, &st), DMS_OK);
    assert_true(dms_names_find(&names, "x")->is_made);
    assert_false(dms_names_find(&names, "n0")->is_made);
    dms_arena_free(&arena);
}

static void control_characters_are_written_as_numbers(void **state) {
    (void)state;
    static const char *const pair[][2] = {{"", ""},
                                          {"plain name", "plain name"},
                                          {"a\nb", "a\\x0ab"},
                                          {"\x1b[31m", "\\x1b[31m"},
                                          {"\x01\x1f\x7f", "\\x01\\x1f\\x7f"},
                                          {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"}};
    dms_arena arena = {0};
    for (size_t k = 0; k < sizeof pair / sizeof *pair; k++)
        assert_string_equal(dms_escape(&arena, pair[k][0]), pair[k][1]);
    dms_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_holds_nothing),
        cmocka_unit_test(every_name_keeps_its_value_while_the_table_grows),
        cmocka_unit_test(a_new_entry_is_not_made_until_someone_says_so),
        cmocka_unit_test(control_characters_are_written_as_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
