/* test_profile.c - hardware profiles, good and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "planner/profile_read.h"
#include "runtime/kernels/kernel.h"
#include "schema/plan.h"

#define GOOD                                                                                       \
    "{\"format\": \"dms-profile\", \"version\": 1, \"name\": \"tiny\", \"kind\": \"cpu\","         \
    " \"device_bytes\": 1000, \"host_bytes\": 2000,"                                               \
    " \"flops\": {\"f32\": 10, \"f16\": 20, \"f64\": 5, \"i8\": 40},"                              \
    " \"memory_bytes_per_s\": 100, \"launch_ns\": 3,"                                              \
    " \"links\": {\"in\": [50, 7], \"out\": [40, 0], \"load\": [30, 9], \"store\": [20, 9]}}"

/* Writes text to a file of its own and reads it as a profile. */
static dms_code load_text(const char *text, dms_profile *out, dms_status *st) {
    char path[] = "profile-XXXXXX.json";
    const int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    const dms_code code = dms_profile_load(path, out, st);
    assert_int_equal(unlink(path), 0);
    return code;
}

static void built_in_profiles_have_their_published_figures(void **state) {
    (void)state;
    dms_profile p;
    dms_status st;
    assert_int_equal(dms_profile_load("h100-pcie", &p, &st), DMS_OK);
    assert_int_equal(p.device_kind, DMS_DEVICE_CUDA);
    assert_int_equal(p.in.bytes_per_s, 55000000000);
    assert_int_equal(p.out.bytes_per_s, 52000000000);
    assert_int_equal(p.in.latency_ns, 10000);
    assert_int_equal(p.f16_flops, 415800000000000); /* 756 TFLOP/s at 0.55 */
    assert_int_equal(p.f32_flops, 28050000000000);  /* 51 TFLOP/s at 0.55 */
    assert_int_equal(p.memory_bytes_per_s, 1600000000000);
    assert_int_equal(p.device_bytes, 80000000000);
    assert_int_equal(p.launch_ns, 5000);
    assert_int_equal(dms_profile_load("cpu", &p, &st), DMS_OK);
    assert_int_equal(p.device_kind, DMS_DEVICE_CPU);
}

static void a_file_is_read_field_by_field(void **state) {
    (void)state;
    dms_profile p;
    dms_status st;
    assert_int_equal(load_text(GOOD, &p, &st), DMS_OK);
    assert_string_equal(p.name, "tiny");
    assert_int_equal(p.device_bytes, 1000);
    assert_int_equal(p.host_bytes, 2000);
    assert_int_equal(p.f32_flops, 10);
    assert_int_equal(p.f16_flops, 20);
    assert_int_equal(p.f64_flops, 5);
    assert_int_equal(p.i8_flops, 40);
    assert_int_equal(p.memory_bytes_per_s, 100);
    assert_int_equal(p.launch_ns, 3);
    assert_int_equal(p.in.bytes_per_s, 50);
    assert_int_equal(p.in.latency_ns, 7);
    assert_int_equal(p.out.latency_ns, 0);
    assert_int_equal(p.store.bytes_per_s, 20);
}

/* GOOD with `from` replaced by `to` must be refused, naming `says`. */
static void refuses(const char *from, const char *to, const char *says) {
    char text[2048];
    const char *at = strstr(GOOD, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
    dms_profile p = {.name = "untouched"};
    dms_status st;
    assert_int_equal(load_text(text, &p, &st), DMS_EUSAGE);
    if (strstr(st.msg, says) == NULL)
        fail_msg("'%s' does not name '%s'", st.msg, says);
    assert_string_equal(p.name, "untouched");
}

static void wrong_values_are_refused_by_key(void **state) {
    (void)state;
    refuses("dms-profile", "other", "dms-profile");
    refuses("\"version\": 1", "\"version\": 2", "version 1");
    refuses("\"tiny\"", "\"\"", "name");
    refuses("\"cpu\"", "\"tpu\"", "kind");
    refuses("\"f16\": 20", "\"f16\": 0", "f16");
    refuses("\"f16\": 20", "\"f16\": -5", "f16");
    refuses("\"f16\": 20", "\"f16\": 1.5", "f16");
    refuses("\"f16\": 20, ", "", "f16");
    refuses("\"launch_ns\": 3", "\"launch_ns\": 4611686018427387904", "launch_ns");
    refuses("[50, 7]", "[50]", "in");
    refuses("[50, 7]", "[0, 7]", "in");
    refuses("[40, 0]", "[40, -1]", "out");
    refuses("[40, 0]", "40", "out");
    refuses("}}", "}", "line");
}

/* GOOD with one key more. */
static dms_code load_with(const char *more, dms_profile *out, dms_status *st) {
    char text[2048];
    (void)snprintf(text, sizeof text, "{%s, %s", more, &GOOD[1]);
    return load_text(text, out, st);
}

static void contention_and_lead_are_none_until_they_are_named(void **state) {
    (void)state;
    const dms_contention none = {{{0}}};
    dms_profile p;
    dms_status st;
    assert_int_equal(load_text(GOOD, &p, &st), DMS_OK);
    assert_memory_equal(&p.contention, &none, sizeof none);
    assert_int_equal(p.lead_ns, 0);
    assert_int_equal(load_with("\"lead_ns\": 250000, \"contention\":"
                               " {\"compute\": {\"in\": 1.05, \"load\": 2}, \"in\": {\"out\": 1}}",
                               &p, &st),
                     DMS_OK);
    assert_int_equal(p.lead_ns, 250000);
    assert_int_equal(p.contention.extra[DMS_QUEUE_COMPUTE][DMS_QUEUE_IN], 50);
    assert_int_equal(p.contention.extra[DMS_QUEUE_COMPUTE][DMS_QUEUE_LOAD], 1000);
    assert_int_equal(p.contention.extra[DMS_QUEUE_IN][DMS_QUEUE_OUT], 0);
}

static void refuses_more(const char *more, const char *says) {
    dms_profile p = {.name = "untouched"};
    dms_status st;
    assert_int_equal(load_with(more, &p, &st), DMS_EUSAGE);
    if (strstr(st.msg, says) == NULL)
        fail_msg("'%s' does not name '%s'", st.msg, says);
    assert_string_equal(p.name, "untouched");
}

static void absurd_factors_and_leads_are_refused(void **state) {
    (void)state;
    refuses_more("\"contention\": 2", "contention");
    refuses_more("\"contention\": {\"gpu\": {}}", "gpu");
    refuses_more("\"contention\": {\"in\": 2}", "contention.in");
    refuses_more("\"contention\": {\"in\": {\"in\": 2}}", "contention.in");
    refuses_more("\"contention\": {\"in\": {\"out\": 0.9}}", "contention.in.out");
    refuses_more("\"contention\": {\"in\": {\"out\": 16.5}}", "contention.in.out");
    refuses_more("\"contention\": {\"in\": {\"out\": \"2\"}}", "contention.in.out");
    refuses_more("\"lead_ns\": -1", "lead_ns");
    refuses_more("\"lead_ns\": 1.5", "lead_ns");
    refuses_more("\"lead_ns\": 10000000001", "lead_ns");
}

static void a_cache_and_families_are_read_by_name(void **state) {
    (void)state;
    dms_profile p;
    dms_status st;
    assert_int_equal(load_text(GOOD, &p, &st), DMS_OK);
    assert_int_equal(p.cache_bytes_per_s, 0);
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++)
        assert_int_equal(p.family[f].share | p.family[f].result_ps | p.family[f].row_ps, 0);
    assert_int_equal(
        load_with("\"cache\": [4096, 700], \"families\": {\"conv\": {\"share\": 0.95, "
                  "\"result_ps\": 187}, \"index\": {\"row_ps\": 1000000000}, \"map\": {}}",
                  &p, &st),
        DMS_OK);
    assert_int_equal(p.cache_bytes, 4096);
    assert_int_equal(p.cache_bytes_per_s, 700);
    assert_int_equal(p.family[DMS_FAMILY_CONV].share, 950);
    assert_int_equal(p.family[DMS_FAMILY_CONV].result_ps, 187);
    assert_int_equal(p.family[DMS_FAMILY_INDEX].row_ps, 1000000000);
    assert_int_equal(p.family[DMS_FAMILY_MAP].share, 0); /* as if it were not there */
}

static void absurd_families_and_caches_are_refused_by_key(void **state) {
    (void)state;
    refuses_more("\"cache\": 4096", "cache");
    refuses_more("\"cache\": [0, 5]", "cache");
    refuses_more("\"cache\": [5, -1]", "cache");
    refuses_more("\"families\": []", "families");
    refuses_more("\"families\": {\"gemm\": {}}", "gemm");
    refuses_more("\"families\": {\"conv\": 1}", "families.conv");
    refuses_more("\"families\": {\"conv\": {\"speed\": 1}}", "speed");
    refuses_more("\"families\": {\"conv\": {\"share\": 0}}", "families.conv.share");
    refuses_more("\"families\": {\"conv\": {\"share\": -1}}", "families.conv.share");
    refuses_more("\"families\": {\"conv\": {\"share\": 101}}", "families.conv.share");
    refuses_more("\"families\": {\"conv\": {\"share\": \"NaN\"}}", "families.conv.share");
    refuses_more("\"families\": {\"conv\": {\"result_ps\": 0.5}}", "families.conv.result_ps");
    refuses_more("\"families\": {\"conv\": {\"row_ps\": 1000000001}}", "families.conv.row_ps");
}

/* What a plan could not count with is refused where it is read, with the range that is taken. */
static void rates_and_latencies_have_a_range(void **state) {
    (void)state;
    dms_profile p;
    dms_status st;
    char text[2048];
    refuses("[50, 7]", "[8796093022209, 7]",
            "'in': 8796093022209 is out of range, 1 to 8796093022208");
    refuses("[50, 7]", "[50, 2147483648]", "'in': 2147483648 is out of range, 0 to 2147483647");
    refuses("[20, 9]", "[1152921504606846976, 9]", "'store'");
    refuses("\"launch_ns\": 3", "\"launch_ns\": 1000000000001", "1 to 1000000000000");
    const char *at = strstr(GOOD, "[50, 7]");
    (void)snprintf(text, sizeof text, "%.*s[8796093022208, 2147483647]%s", (int)(at - GOOD), GOOD,
                   at + strlen("[50, 7]"));
    assert_int_equal(load_text(text, &p, &st), DMS_OK);
    assert_int_equal(p.in.bytes_per_s, DMS_MOST_RATE);
    assert_int_equal(p.in.latency_ns, DMS_MOST_LATENCY);
}

/* Numbers that are none, or too large for any machine: key and file are named. */
static void absurd_numbers_are_refused_by_key_and_file(void **state) {
    (void)state;
    static const char *const ABSURD[] = {
        "\"NaN\"", "\"1e9\"", "null", "[]",  "1e300",
        "-1",      "0",       "true", "1.0", "9223372036854775807"};
    char to[64];
    for (size_t i = 0; i < sizeof ABSURD / sizeof ABSURD[0]; i++) {
        (void)snprintf(to, sizeof to, "\"memory_bytes_per_s\": %s", ABSURD[i]);
        refuses("\"memory_bytes_per_s\": 100", to, "memory_bytes_per_s");
        refuses("\"memory_bytes_per_s\": 100", to, ".json");
        (void)snprintf(to, sizeof to, "[%s, 7]", ABSURD[i]);
        refuses("[50, 7]", to, "'in'");
    }
    refuses("100", "1e999", "line 1");                   /* beyond any double */
    refuses("100", "99999999999999999999999", "line 1"); /* beyond any integer */
    refuses("100", "NaN", "line 1");
    refuses("\"links\": {", "\"link\": {", "link");
}

static void a_key_that_nobody_reads_is_refused(void **state) {
    (void)state;
    refuses_more("\"contentoin\": {}", "contentoin");
    refuses_more("\"name \": 1", "name ");
    refuses_more("\"\": 1", "unknown key");
    refuses("\"i8\": 40", "\"i8\": 40, \"i4\": 80", "i4");
    refuses("\"store\": [20, 9]", "\"store\": [20, 9], \"peer\": [20, 9]", "peer");
    refuses("\"out\": [40, 0], ", "", "links.out");
}

static void a_name_that_is_none_says_how_to_list_them(void **state) {
    (void)state;
    dms_profile p;
    dms_status st;
    assert_int_equal(dms_profile_load("h100-nvl", &p, &st), DMS_EUSAGE);
    assert_non_null(strstr(st.msg, "--list-profiles"));
    assert_int_equal(dms_profile_load("not/there.json", &p, &st), DMS_EIO);
}

static void a_file_that_is_too_large_is_not_read(void **state) {
    (void)state;
    static char text[100000];
    memset(text, ' ', sizeof text - 1);
    memcpy(text, GOOD, strlen(GOOD));
    dms_profile p;
    dms_status st;
    assert_int_equal(load_text(text, &p, &st), DMS_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_profiles_have_their_published_figures),
        cmocka_unit_test(a_file_is_read_field_by_field),
        cmocka_unit_test(wrong_values_are_refused_by_key),
        cmocka_unit_test(contention_and_lead_are_none_until_they_are_named),
        cmocka_unit_test(absurd_factors_and_leads_are_refused),
        cmocka_unit_test(a_cache_and_families_are_read_by_name),
        cmocka_unit_test(absurd_families_and_caches_are_refused_by_key),
        cmocka_unit_test(rates_and_latencies_have_a_range),
        cmocka_unit_test(absurd_numbers_are_refused_by_key_and_file),
        cmocka_unit_test(a_key_that_nobody_reads_is_refused),
        cmocka_unit_test(a_name_that_is_none_says_how_to_list_them),
        cmocka_unit_test(a_file_that_is_too_large_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
