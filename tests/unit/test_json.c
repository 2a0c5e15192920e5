/* test_json.c - the JSON writer: commas, nesting, escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/json.h"

/* Begins a text; `end` closes the file and compares. */
typedef struct sink {
    char *text;
    size_t size;
    dms_json json;
} sink;

static void begin(sink *s) {
    *s = (sink){0};
    s->json.out = open_memstream(&s->text, &s->size);
    assert_non_null(s->json.out);
}

static void end(sink *s, const char *wanted) {
    fclose(s->json.out);
    assert_string_equal(s->text, wanted);
    free(s->text);
}

static void an_empty_object_is_two_braces(void **state) {
    (void)state;
    sink s;
    begin(&s);
    dms_json_object(&s.json, NULL);
    dms_json_end_object(&s.json);
    end(&s, "{}\n");
}

static void commas_stand_between_items_only(void **state) {
    (void)state;
    sink s;
    begin(&s);
    dms_json_object(&s.json, NULL);
    dms_json_int(&s.json, "a", INT64_MIN);
    dms_json_array(&s.json, "b");
    dms_json_uint(&s.json, NULL, UINT64_MAX);
    dms_json_bool(&s.json, NULL, true);
    dms_json_end_array(&s.json);
    dms_json_array(&s.json, "c");
    dms_json_end_array(&s.json);
    dms_json_null(&s.json, "d");
    dms_json_end_object(&s.json);
    end(&s, "{\n  \"a\": -9223372036854775808,\n  \"b\": [\n    18446744073709551615,\n    true\n"
            "  ],\n  \"c\": [],\n  \"d\": null\n}\n");
}

static void reals_are_short_and_exact_or_null(void **state) {
    (void)state;
    sink s;
    begin(&s);
    dms_json_array(&s.json, NULL);
    dms_json_real(&s.json, NULL, 0.1);
    dms_json_real(&s.json, NULL, 1.0 / 3.0);
    dms_json_real(&s.json, NULL, (double)NAN);
    dms_json_real(&s.json, NULL, (double)INFINITY);
    dms_json_end_array(&s.json);
    end(&s, "[\n  0.1,\n  0.3333333333333333,\n  null,\n  null\n]\n");
}

static void deep_values_share_a_line_where_that_is_wanted(void **state) {
    (void)state;
    sink s;
    begin(&s);
    s.json.line_depth = 1;
    dms_json_array(&s.json, NULL);
    dms_json_object(&s.json, NULL);
    dms_json_int(&s.json, "a", 1);
    dms_json_array(&s.json, "b");
    dms_json_int(&s.json, NULL, 2);
    dms_json_int(&s.json, NULL, 3);
    dms_json_end_array(&s.json);
    dms_json_end_object(&s.json);
    dms_json_int(&s.json, NULL, 4);
    dms_json_end_array(&s.json);
    end(&s, "[\n  {\"a\": 1, \"b\": [2, 3]},\n  4\n]\n");
}

static void names_are_escaped_and_stay_valid_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"plain", "\"plain\"\n"},
        {"a\"b\\c", "\"a\\\"b\\\\c\"\n"},
        {"\x1b[31m\n\x7f", "\"\\u001b[31m\\u000a\\u007f\"\n"},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"\n"},
        {"\xff", "\"\\ufffd\"\n"},                                  /* never begins a character */
        {"\xc0\xaf", "\"\\ufffd\\ufffd\"\n"},                       /* overlong */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"\n"},            /* surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"\n"}, /* above U+10FFFF */
        {"\xe2\x82", "\"\\ufffd\\ufffd\"\n"},                       /* cut off at the end */
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        sink s;
        begin(&s);
        dms_json_array(&s.json, NULL);
        dms_json_text(&s.json, NULL, cases[k].text);
        dms_json_end_array(&s.json);
        char wanted[128];
        snprintf(wanted, sizeof wanted, "[\n  %.*s\n]\n", (int)strlen(cases[k].wanted) - 1,
                 cases[k].wanted);
        end(&s, wanted);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_object_is_two_braces),
        cmocka_unit_test(commas_stand_between_items_only),
        cmocka_unit_test(reals_are_short_and_exact_or_null),
        cmocka_unit_test(names_are_escaped_and_stay_valid_utf8),
        cmocka_unit_test(deep_values_share_a_line_where_that_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
