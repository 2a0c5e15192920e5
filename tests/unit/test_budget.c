/* test_budget.c - what the user's sizes mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

__extension__ typedef unsigned __int128 wide;

static uint64_t draw(uint64_t *random) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

/* Any whole number with up to five decimals and any unit: exact where the bytes are whole and fit
 * 64 bits, else refused. */
static void sizes_are_exact_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *suffix;
        uint64_t bytes;
    } UNIT[] = {{"", 1},
                {"B", 1},
                {"K", 1024},
                {"KiB", 1024},
                {"KB", 1000},
                {"M", 1048576},
                {"MB", 1000000},
                {"GiB", 1073741824},
                {"GB", 1000000000},
                {"T", 1099511627776},
                {"TB", 1000000000000}};
    uint64_t random = 11, n_taken = 0, n_refused = 0;
    for (uint32_t round = 0; round < 4000; round++) {
        const uint64_t unit = draw(&random) % (sizeof UNIT / sizeof *UNIT), whole = draw(&random);
        const uint32_t decimals = (uint32_t)(draw(&random) % 6);
        uint64_t scale = 1;
        for (uint32_t k = 0; k < decimals; k++)
            scale *= 10;
        const uint64_t part = draw(&random) % scale;
        char text[64];
        if (decimals == 0)
            (void)snprintf(text, sizeof text, "%llu%s", (unsigned long long)whole,
                           UNIT[unit].suffix);
        else
            (void)snprintf(text, sizeof text, "%llu.%0*llu%s", (unsigned long long)whole,
                           (int)decimals, (unsigned long long)part, UNIT[unit].suffix);
        const wide scaled = ((wide)whole * scale + part) * UNIT[unit].bytes;
        const bool is_size = scaled % scale == 0 && scaled <= UINT64_MAX;
        dms_size size;
        dms_status st;
        const dms_code code = dms_size_parse(text, &size, &st);
        if (code == DMS_OK) {
            assert_true(scaled % scale == 0);
            assert_int_equal(size.kind, DMS_SIZE_BYTES);
            assert_true(size.value == (uint64_t)(scaled / scale));
            n_taken++;
        } else if (is_size) {
            fail_msg("'%s' is refused", text);
        } else {
            n_refused++;
        }
    }
    assert_true(n_taken > 500 && n_refused > 500);
}

/* A share of a share is never more than it: floor(w p / 100) in 128 bits. */
static void percentages_are_exact_in_128_bits(void **state) {
    (void)state;
    uint64_t random = 5;
    for (uint32_t round = 0; round < 2000; round++) {
        const uint64_t weights = (draw(&random) << 31 | draw(&random)) >> (draw(&random) % 50);
        const uint64_t whole = draw(&random) % 300, part = draw(&random) % 10000;
        char text[64];
        (void)snprintf(text, sizeof text, "%llu.%04llu%%", (unsigned long long)whole,
                       (unsigned long long)part);
        const wide wanted = (wide)weights * (whole * 10000 + part) / 1000000;
        assert_true(bytes_of(text, weights) ==
                    (wanted > UINT64_MAX ? UINT64_MAX : (uint64_t)wanted));
    }
}

/* Three digits are at most half of the last one wrong, and larger sizes never look smaller. */
static void a_size_in_words_is_near_the_size(void **state) {
    (void)state;
    static const char *const NAME[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    uint64_t random = 3;
    for (uint32_t round = 0; round < 3000; round++) {
        const uint64_t bytes = (draw(&random) << 31 | draw(&random)) >> (draw(&random) % 62);
        char text[32], name[8] = "";
        double value = 0, unit = 1;
        (void)dms_bytes_text(bytes, text);
        assert_int_equal(sscanf(text, "%lf %7s", &value, name), 2);
        for (size_t k = 0; strcmp(NAME[k], name) != 0; k++)
            unit *= 1024;
        const double error = value * unit - (double)bytes;
        assert_true((error < 0 ? -error : error) <= 0.0051 * (double)bytes + 0.5);
        assert_true(unit * 1024 > (double)bytes || unit > 1e15);
        assert_true(strlen(text) <= 8);
    }
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
    assert_string_equal(dms_time_text(4200, false, text), "4.20 us");
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
        cmocka_unit_test(sizes_are_exact_or_refused),
        cmocka_unit_test(percentages_are_exact_in_128_bits),
        cmocka_unit_test(a_size_in_words_is_near_the_size),
        cmocka_unit_test(words_stand_for_what_the_caller_knows),
        cmocka_unit_test(what_is_no_size_is_refused_with_its_text),
        cmocka_unit_test(bytes_are_printed_with_three_digits),
        cmocka_unit_test(times_are_printed_in_their_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
