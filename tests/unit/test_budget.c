/* test_budget.c - what the user's sizes mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"

/* Parses `text` and says what it means for a model with `weights` bytes of constants. */
static uint64_t bytes_of(const char *text, uint64_t weights) {
    dms_size size;
    dms_status st = {.code = DMS_OK};
    assert_int_equal(dms_size_parse(text, &size, &st), DMS_OK);
    return dms_size_bytes(size, weights, 7, 9);
}

static void refuses(const char *text) {
    dms_size size = {DMS_SIZE_DEFAULT, 42};
    dms_status st = {.code = DMS_OK};
    assert_int_equal(dms_size_parse(text, &size, &st), DMS_EUSAGE);
    assert_int_equal(size.value, 42);
    assert_non_null(strstr(st.msg, text));
}

static void binary_and_decimal_units_differ(void **state) {
    (void)state;
    assert_int_equal(bytes_of("4096", 0), 4096);
    assert_int_equal(bytes_of("0", 0), 0);
    assert_int_equal(bytes_of("3K", 0), 3072);
    assert_int_equal(bytes_of("3KiB", 0), 3072);
    assert_int_equal(bytes_of("3KB", 0), 3000);
    assert_int_equal(bytes_of("2M", 0), 2u << 20);
    assert_int_equal(bytes_of("2MB", 0), 2000000);
    assert_int_equal(bytes_of("1.5GiB", 0), 1610612736);
    assert_int_equal(bytes_of("0.25KB", 0), 250);
    assert_int_equal(bytes_of("16T", 0), 17592186044416);
}

static void percentages_are_of_the_weights_and_round_down(void **state) {
    (void)state;
    assert_int_equal(bytes_of("100%", 1001), 1001);
    assert_int_equal(bytes_of("12.5%", 1000), 125);
    assert_int_equal(bytes_of("12.5%", 1001), 125);
    assert_int_equal(bytes_of("50%", 3), 1);
    assert_int_equal(bytes_of("0%", 1000), 0);
    assert_int_equal(bytes_of("0.0001%", 100000000), 100);
    assert_int_equal(bytes_of("150%", 1000), 1500);
}

static void percentages_of_huge_models_do_not_overflow(void **state) {
    (void)state;
    assert_int_equal(bytes_of("100%", UINT64_MAX), UINT64_MAX);
    assert_int_equal(bytes_of("50%", UINT64_MAX), UINT64_MAX / 2);
    assert_int_equal(bytes_of("200%", UINT64_MAX), UINT64_MAX);
}

static void words_stand_for_what_the_caller_knows(void **state) {
    (void)state;
    assert_int_equal(bytes_of("floor", 0), 7);
    assert_int_equal(bytes_of("auto", 0), 9);
}

static void what_is_no_size_is_refused_with_its_text(void **state) {
    (void)state;
    refuses("12 MB");
    refuses("-1");
    refuses("1.5");
    refuses("1..5K");
    refuses(".5K");
    refuses("5.K");
    refuses("0x10");
    refuses("1e9");
    refuses("12.5 %");
    refuses("99999999999999999999");
    refuses("20000000000T");
    refuses("kib");
    refuses("%");
}

static void bytes_are_printed_with_three_digits(void **state) {
    (void)state;
    char text[32];
    assert_string_equal(dms_bytes_text(0, text), "0 B");
    assert_string_equal(dms_bytes_text(1023, text), "1023 B");
    assert_string_equal(dms_bytes_text(1024, text), "1.00 KiB");
    assert_string_equal(dms_bytes_text(33000, text), "32.2 KiB");
    assert_string_equal(dms_bytes_text(3212902400u, text), "2.99 GiB");
    assert_string_equal(dms_bytes_text(405u << 20, text), "405 MiB");
    assert_string_equal(dms_bytes_text((1u << 20) - 1, text), "1.00 MiB");
}

static void times_are_printed_in_their_unit(void **state) {
    (void)state;
    char text[32];
    assert_string_equal(dms_time_text(17, true, text), "17 ns");
    assert_string_equal(dms_time_text(4200, false, text), "4.2 us");
    assert_string_equal(dms_time_text(371000, true, text), "371 \u00b5s");
    assert_string_equal(dms_time_text(54400000, true, text), "54.4 ms");
    assert_string_equal(dms_time_text(428500000, true, text), "428.5 ms");
    assert_string_equal(dms_time_text(3018000000, true, text), "3.018 s");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_and_decimal_units_differ),
        cmocka_unit_test(percentages_are_of_the_weights_and_round_down),
        cmocka_unit_test(percentages_of_huge_models_do_not_overflow),
        cmocka_unit_test(words_stand_for_what_the_caller_knows),
        cmocka_unit_test(what_is_no_size_is_refused_with_its_text),
        cmocka_unit_test(bytes_are_printed_with_three_digits),
        cmocka_unit_test(times_are_printed_in_their_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
