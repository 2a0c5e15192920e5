/* test_onnx_expr.c - what the text of a dim is worth, where a = 3, b = 4, layer.0_n = 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "onnx/expr.h"

/* A text and its value, or why it has none. */
typedef struct example {
    const char *text;
    dms_expr_result result;
    int64_t value;
} example;

static bool look_up(void *context, const char *text, uint32_t length, int64_t *out) {
    static const struct {
        const char *name;
        int64_t value;
    } known[] = {{"a", 3}, {"b", 4}, {"layer.0_n", 10}};
    if (context != NULL)
        ++*(uint32_t *)context;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (strlen(known[k].name) == length && memcmp(known[k].name, text, length) == 0) {
            *out = known[k].value;
            return true;
        }
    return false;
}

static void expect(const example *one, size_t n) {
    for (size_t k = 0; k < n; k++) {
        int64_t value = -7;
        const dms_expr_result result = dms_expr_evaluate(one[k].text, look_up, NULL, &value);
        if (result != one[k].result || (result == DMS_EXPR_OK && value != one[k].value))
            fail_msg("'%s': result %d, value %lld", one[k].text, (int)result, (long long)value);
    }
}

#define EXPECT(list) expect(list, sizeof(list) / sizeof *(list))

static void products_bind_tighter_than_sums(void **state) {
    (void)state;
    static const example list[] = {
        {"1 + 2*3", DMS_EXPR_OK, 7},       {"(1 + 2)*3", DMS_EXPR_OK, 9},
        {"10 - 2 - 3", DMS_EXPR_OK, 5},    {"10 - (2 - 3)", DMS_EXPR_OK, 11},
        {"24//4//3", DMS_EXPR_OK, 2},      {"24//(4//3)", DMS_EXPR_OK, 24},
        {"7*3//2", DMS_EXPR_OK, 10},       {"7*(3//2)", DMS_EXPR_OK, 7},
        {"2*3**2", DMS_EXPR_OK, 18},       {"2**3**2", DMS_EXPR_OK, 512},
        {"(2**3)**2", DMS_EXPR_OK, 64},    {"20 - 2**4", DMS_EXPR_OK, 4},
        {"9 % 5 + 1", DMS_EXPR_OK, 5},     {"9 % (5 + 1)", DMS_EXPR_OK, 3},
        {"10 + -3**2", DMS_EXPR_OK, 1},    {"10 + (-3)**2", DMS_EXPR_OK, 19},
        {"a*b - b*a", DMS_EXPR_OK, 0},     {"--a", DMS_EXPR_OK, 3},
        {"layer.0_n + a", DMS_EXPR_OK, 13}};
    EXPECT(list);
}

static void division_rounds_down_and_the_rest_has_the_divisors_sign(void **state) {
    (void)state;
    static const example list[] = {
        {"7//2", DMS_EXPR_OK, 3},          {"10 + (-7)//2", DMS_EXPR_OK, 6},
        {"10 + 7//(-2)", DMS_EXPR_OK, 6},  {"(-7)//(-2)", DMS_EXPR_OK, 3},
        {"10 + (-8)//2", DMS_EXPR_OK, 6},  {"(-7) % 3", DMS_EXPR_OK, 2},
        {"10 + 7 % (-3)", DMS_EXPR_OK, 8}, {"6 % 3", DMS_EXPR_OK, 0},
        {"0//5", DMS_EXPR_OK, 0},          {"FloorDiv(-7, 2) + 9", DMS_EXPR_OK, 5},
        {"Mod(-7, 4)", DMS_EXPR_OK, 1},    {"Mod(7, 4)", DMS_EXPR_OK, 3}};
    EXPECT(list);
}

/* Halves inside are no error as long as the whole is an integer. */
static void fractions_are_exact_until_the_end(void **state) {
    (void)state;
    static const example list[] = {
        {"a/2 + a/2", DMS_EXPR_OK, 3},       {"1/3 + 1/3 + 1/3", DMS_EXPR_OK, 1},
        {"a/2*b", DMS_EXPR_OK, 6},           {"(1/2)**2*8", DMS_EXPR_OK, 2},
        {"floor(7/2)", DMS_EXPR_OK, 3},      {"ceil(7/2)", DMS_EXPR_OK, 4},
        {"ceiling(8/2)", DMS_EXPR_OK, 4},    {"5 + floor(-7/2)", DMS_EXPR_OK, 1},
        {"5 + ceil(-7/2)", DMS_EXPR_OK, 2},  {"7/2 % 1 * 2", DMS_EXPR_OK, 1},
        {"7/2//1", DMS_EXPR_OK, 3},          {"1/3 + 1/3", DMS_EXPR_NO_DIM, 0},
        {"min(1/2, 1/3)*3", DMS_EXPR_OK, 1}, {"max(1/2, 1/3)*2", DMS_EXPR_OK, 1}};
    EXPECT(list);
}

static void functions_take_the_arguments_they_have(void **state) {
    (void)state;
    static const example list[] = {{"min(5, a, b)", DMS_EXPR_OK, 3},
                                   {"Min(b)", DMS_EXPR_OK, 4},
                                   {"max(1, min(a, b), 2)", DMS_EXPR_OK, 3},
                                   {"max(1,2,3,4,5,6,7,8)", DMS_EXPR_OK, 8},
                                   {"max(1,2,3,4,5,6,7,8,9)", DMS_EXPR_NO_TEXT, 0},
                                   {"max()", DMS_EXPR_NO_TEXT, 0},
                                   {"max(1,)", DMS_EXPR_NO_TEXT, 0},
                                   {"max(1", DMS_EXPR_NO_TEXT, 0},
                                   {"MAX(1, 2)", DMS_EXPR_NO_TEXT, 0},
                                   {"Mod(7)", DMS_EXPR_NO_DIM, 0},
                                   {"FloorDiv(1, 2, 3)", DMS_EXPR_NO_DIM, 0}};
    EXPECT(list);
}

static void what_is_no_size_is_no_dim(void **state) {
    (void)state;
    static const example list[] = {{"0", DMS_EXPR_OK, 0},
                                   {"-0", DMS_EXPR_OK, 0},
                                   {"-1", DMS_EXPR_NO_DIM, 0},
                                   {"a - 4", DMS_EXPR_NO_DIM, 0},
                                   {"1/2", DMS_EXPR_NO_DIM, 0},
                                   {"1/0", DMS_EXPR_NO_DIM, 0},
                                   {"1//0", DMS_EXPR_NO_DIM, 0},
                                   {"1 % 0", DMS_EXPR_NO_DIM, 0},
                                   {"0*(1//0)", DMS_EXPR_NO_DIM, 0},
                                   {"2**-1", DMS_EXPR_NO_DIM, 0},
                                   {"4**(1/2)", DMS_EXPR_NO_DIM, 0}};
    EXPECT(list);
}

/* 2^63 - 1 = 9223372036854775807 is the largest dim. */
static void beyond_63_bits_there_is_no_dim(void **state) {
    (void)state;
    static const example list[] = {{"9223372036854775807", DMS_EXPR_OK, INT64_MAX},
                                   {"9223372036854775806 + 1", DMS_EXPR_OK, INT64_MAX},
                                   {"2**62", DMS_EXPR_OK, INT64_C(1) << 62},
                                   {"2**62 - 1 + 2**62", DMS_EXPR_OK, INT64_MAX},
                                   {"9223372036854775808", DMS_EXPR_NO_DIM, 0},
                                   {"99999999999999999999999999", DMS_EXPR_NO_DIM, 0},
                                   {"2**63", DMS_EXPR_NO_DIM, 0},
                                   {"2**62 + 2**62", DMS_EXPR_NO_DIM, 0},
                                   {"4611686018427387904*2", DMS_EXPR_NO_DIM, 0},
                                   {"9223372036854775807*0 + 1", DMS_EXPR_OK, 1},
                                   {"(9223372036854775807 + 1) - 1", DMS_EXPR_NO_DIM, 0},
                                   {"-9223372036854775807 - 1", DMS_EXPR_NO_DIM, 0}};
    EXPECT(list);
}

static void other_texts_are_names_not_errors(void **state) {
    (void)state;
    static const char *const text[] = {
        "",    " ",   "+",   "a +", "* a",  "a b",  "a 2",   "2 a",  "2a",      "(a",  "a)", "()",
        "a++", "a//", "a,b", "1.5", "a-b:", "a[0]", "a = 3", "a\nb", "sqrt(4)", "a^2", "#"};
    for (size_t k = 0; k < sizeof text / sizeof *text; k++) {
        const example one = {text[k], DMS_EXPR_NO_TEXT, 0};
        expect(&one, 1);
    }
}

static void blanks_and_tabs_between_parts_do_not_matter(void **state) {
    (void)state;
    static const example list[] = {{" a+b ", DMS_EXPR_OK, 7},
                                   {"\ta\t*\tb", DMS_EXPR_OK, 12},
                                   {"( a // 2 )", DMS_EXPR_OK, 1},
                                   {"max (a, b)", DMS_EXPR_OK, 4},
                                   {"a / / b", DMS_EXPR_NO_TEXT, 0}};
    EXPECT(list);
}

/* All names are asked for, so that all missing ones can be listed in one message. */
static void every_name_is_looked_up_though_one_is_unknown(void **state) {
    (void)state;
    static const example list[] = {{"c", DMS_EXPR_UNKNOWN, 0},
                                   {"aa", DMS_EXPR_UNKNOWN, 0},
                                   {"c - c", DMS_EXPR_UNKNOWN, 0},
                                   {"c/0", DMS_EXPR_UNKNOWN, 0},
                                   {"c +", DMS_EXPR_NO_TEXT, 0}};
    EXPECT(list);
    uint32_t asked = 0;
    int64_t value = -7;
    assert_int_equal(dms_expr_evaluate("c + max(a, d)*b", look_up, &asked, &value),
                     DMS_EXPR_UNKNOWN);
    assert_int_equal(asked, 4);
    assert_int_equal(value, -7);
}

static void nesting_and_length_have_limits(void **state) {
    (void)state;
    char text[1100];
    int64_t value = 0;
    for (size_t depth = 1; depth < 100; depth += 49) { /* 1 and 50 levels are read, 99 are not */
        memset(text, '(', depth);
        text[depth] = '7';
        memset(text + depth + 1, ')', depth);
        text[2 * depth + 1] = 0;
        assert_int_equal(dms_expr_evaluate(text, look_up, NULL, &value),
                         depth < 64 ? DMS_EXPR_OK : DMS_EXPR_NO_TEXT);
        assert_int_equal(value, 7);
    }
    memset(text, '-', 80);
    (void)strcpy(text + 80, "7");
    assert_int_equal(dms_expr_evaluate(text, look_up, NULL, &value), DMS_EXPR_NO_TEXT);
    memset(text, ' ', 1000);
    (void)strcpy(text + 999, "5");
    assert_int_equal(dms_expr_evaluate(text, look_up, NULL, &value), DMS_EXPR_OK);
    assert_int_equal(value, 5);
    memset(text, ' ', 1001);
    (void)strcpy(text + 1000, "5");
    assert_int_equal(dms_expr_evaluate(text, look_up, NULL, &value), DMS_EXPR_NO_TEXT);
}

static void a_name_is_letters_digits_dots_and_underscores(void **state) {
    (void)state;
    static const char *const yes[] = {"a", "batch", "_", ".x", "s0", "layer.0_n", "Z9"};
    static const char *const no[] = {"", "0", "0a", "a b", "a+b", "batch-size", " a", "a ", "x[0]"};
    for (size_t k = 0; k < sizeof yes / sizeof *yes; k++)
        assert_true(dms_expr_is_name(yes[k]));
    for (size_t k = 0; k < sizeof no / sizeof *no; k++)
        assert_false(dms_expr_is_name(no[k]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_bind_tighter_than_sums),
        cmocka_unit_test(division_rounds_down_and_the_rest_has_the_divisors_sign),
        cmocka_unit_test(fractions_are_exact_until_the_end),
        cmocka_unit_test(functions_take_the_arguments_they_have),
        cmocka_unit_test(what_is_no_size_is_no_dim),
        cmocka_unit_test(beyond_63_bits_there_is_no_dim),
        cmocka_unit_test(other_texts_are_names_not_errors),
        cmocka_unit_test(blanks_and_tabs_between_parts_do_not_matter),
        cmocka_unit_test(every_name_is_looked_up_though_one_is_unknown),
        cmocka_unit_test(nesting_and_length_have_limits),
        cmocka_unit_test(a_name_is_letters_digits_dots_and_underscores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
