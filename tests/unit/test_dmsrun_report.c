/* test_dmsrun_report.c - numbers for people: units, percentiles, shares, comparisons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dmsrun_options.h"
#include "runtime/dmsrun_report.h"
#include "runtime/dmsrun_tensors.h"

#define N_TURNS 4

/* A run of four turns of 10, 20, 30 and 40 ms, half of each computing; one output. */
typedef struct report_case {
    dmsrun_options options;
    dmsrun_tensors tensors;
    dmsrun_result result;
    int64_t turns[DMSRUN_N_MEASURES][N_TURNS];
    dms_port_info port;
    dms_user_tensor output;
    dms_hash digest;
    dms_difference difference;
    float data[2];
    char *text; /* what was printed */
    size_t size;
} report_case;

static void make_case(report_case *c) {
    static const int64_t shuffled[N_TURNS] = {30, 10, 40, 20};
    const int64_t dim[1] = {2};
    memset(c, 0, sizeof *c);
    c->options = (dmsrun_options){.plan = "p.plan", .iterations = N_TURNS, .warmup = 1};
    for (int i = 0; i < N_TURNS; i++) {
        c->turns[DMSRUN_TIME][i] = shuffled[i] * 1000000;
        c->turns[DMSRUN_COMPUTE][i] = shuffled[i] * 500000;
        c->turns[DMSRUN_STALL][i] = 500000;
    }
    assert_true(dms_view_dense(DMS_DTYPE_F32, 1, dim, &c->port.view));
    c->port.name = "y";
    c->output = (dms_user_tensor){c->port.view, c->data};
    c->tensors = (dmsrun_tensors){.n_outputs = 1,
                                  .output_port = &c->port,
                                  .output = &c->output,
                                  .digest = &c->digest,
                                  .difference = &c->difference};
    c->result =
        (dmsrun_result){.options = &c->options,
                        .tensors = &c->tensors,
                        .info = {.threads = 2,
                                 .device_arena_bytes = 3u << 20,
                                 .device_budget_bytes = 4u << 20,
                                 .period_ns = 20000000,
                                 .compute_ns = 10000000},
                        .after = {.in = {.busy_ns = 25000000, .commands = 8, .bytes = 400000000}},
                        .is_utf8 = true};
    for (int m = 0; m < DMSRUN_N_MEASURES; m++)
        c->result.turns[m] = c->turns[m];
    dmsrun_sort(&c->result);
}

/* Prints the report into c->text. */
static void print_report(report_case *c) {
    free(c->text);
    FILE *out = open_memstream(&c->text, &c->size);
    assert_non_null(out);
    dmsrun_print_head(&c->result, out);
    dmsrun_print(&c->result, out);
    assert_int_equal(fclose(out), 0);
}

static void says(const report_case *c, const char *words) {
    if (strstr(c->text, words) == NULL)
        fail_msg("no '%s' in:\n%s", words, c->text);
}

static void times_have_three_or_four_digits_and_a_unit(void **state) {
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0 ns"},           {999, "999 ns"},         {1000, "1.00 us"},      {9990, "9.99 us"},
        {99940, "99.9 us"},    {123456, "123.5 us"},    {999499, "999.5 us"},   {999500, "1.00 ms"},
        {12300000, "12.3 ms"}, {431900000, "431.9 ms"}, {61000000000, "61.0 s"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(dmsrun_time(cases[i].ns, false, text), cases[i].text);
    assert_string_equal(dmsrun_time(1000, true, text), "1.00 \xc2\xb5s");
}

static void percentiles_are_times_that_were_measured(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    assert_int_equal(dmsrun_percentile(&c.result, DMSRUN_TIME, 50), 20000000);
    assert_int_equal(dmsrun_percentile(&c.result, DMSRUN_TIME, 75), 30000000);
    assert_int_equal(dmsrun_percentile(&c.result, DMSRUN_TIME, 76), 40000000);
    assert_int_equal(dmsrun_percentile(&c.result, DMSRUN_TIME, 99), 40000000);
    assert_int_equal(dmsrun_percentile(&c.result, DMSRUN_COMPUTE, 50), 10000000);
    c.options.iterations = 1;
    assert_int_equal(dmsrun_percentile(&c.result, DMSRUN_TIME, 50), 10000000);
    assert_int_equal(dmsrun_percentile(&c.result, DMSRUN_TIME, 99), 10000000);
}

static void a_plain_run_prints_what_ran_and_how_long_it_took(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    print_report(&c);
    assert_string_equal(c.text, "p.plan on cpu, 2 threads, 4 iterations after 1\n"
                                "  time     20.0 ms\n");
    free(c.text);
}

static void a_card_is_named_with_the_way_it_is_used(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    c.result.device = "cuda:1 'fake card', streams wait for events";
    print_report(&c);
    assert_string_equal(c.text, "p.plan on cuda:1 'fake card', streams wait for events, "
                                "4 iterations after 1\n"
                                "  time     20.0 ms\n");
    free(c.text);
}

static void stats_compare_with_what_the_plan_predicts(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    c.options.stats = true;
    print_report(&c);
    says(&c, "median        p90        p99       predicted");
    says(&c, "  time       20.0 ms    40.0 ms    40.0 ms         20.0 ms   +0.0 %\n");
    says(&c, "  stall       50.0 %     50.0 %     50.0 %          50.0 %\n");
    says(&c, "  in       25.0 %"); /* 25 of 100 ms */
    says(&c, " 16.0 GB/s");        /* 400 MB in 25 ms */
    says(&c, "95.4 MiB each");     /* of 4 turns */
    says(&c, "3.00 MiB arena of 4.00 MiB budget");
    says(&c, "\xe2\x96\x88");
    c.result.is_utf8 = false;
    print_report(&c);
    assert_null(strstr(c.text, "\xe2\x96\x88"));
    for (size_t i = 0; i < c.size; i++)
        assert_true((unsigned char)c.text[i] < 128);
    free(c.text);
}

/* 20 ms beside 10.1 and 8 ms: percents up to twice as long, beyond it how many times. */
static void what_takes_far_longer_than_predicted_is_a_ratio(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    c.options.stats = true;
    c.result.info.period_ns = 10100000;
    print_report(&c);
    says(&c, "  time       20.0 ms    40.0 ms    40.0 ms         10.1 ms   +98.0 %\n");
    c.result.info.period_ns = 8000000;
    print_report(&c);
    says(&c, "  time       20.0 ms    40.0 ms    40.0 ms         8.00 ms   x 2.5\n");
    free(c.text);
}

static void stats_say_which_way_the_weights_came(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    c.options.stats = true;
    print_report(&c);
    says(&c, "  storage  nothing read\n");
    c.result.after.direct_reader = "io_uring";
    c.result.after.direct_bytes = 3ull << 30;
    print_report(&c);
    says(&c, "  storage   3.00 GiB past the page cache (io_uring)\n");
    c.result.after.buffered_bytes = 5u << 20;
    print_report(&c);
    says(&c, "  storage   3.00 GiB past the page cache (io_uring),   5.00 MiB through the page ");
    c.result.after.direct_bytes = 0;
    print_report(&c);
    says(&c, "  storage   5.00 MiB through the page cache\n");
    free(c.text);
}

static void a_comparison_says_how_far_each_output_is(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    c.options.compare = "set0";
    c.difference =
        (dms_difference){.n_elements = 2, .max_abs = 0.5, .max_rel = 0.25, .first_failed = -1};
    print_report(&c);
    says(&c, "inputs from set0");
    says(&c, "output 0 y f32 [2]: largest difference 0.5, relative 0.25, passes");
    c.difference.n_failed = 1;
    c.difference.first_failed = 0;
    print_report(&c);
    says(&c, "differs");
    c.difference = (dms_difference){0};
    print_report(&c);
    says(&c, "not compared");
    free(c.text);
}

/* 8 GiB, of which 1 are free less with the arena and another half with kernels. */
static void stats_of_a_card_have_what_its_driver_counts(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    c.options.stats = true;
    print_report(&c);
    assert_null(strstr(c.text, "  card "));
    c.result.card =
        (dms_card_memory){8ull << 30, 7ull << 30, 6ull << 30, 11ull << 29, 11ull << 29, 3 << 19};
    print_report(&c);
    says(&c, "  card    1.50 MiB beside the arena, 512.0 MiB for kernels, by the driver's count\n");
    c.result.card.beyond_arena_bytes = -(3 << 19); /* somebody else gave back */
    print_report(&c);
    says(&c, "  card    -1.50 MiB beside the arena");
    free(c.text);
}

static void the_digest_sees_bytes_dims_and_type(void **state) {
    (void)state;
    report_case c;
    make_case(&c);
    dmsrun_digest(&c.tensors);
    const dms_hash first = c.tensors.all;
    c.data[1] = -0.0f; /* equal as a number, other bits */
    dmsrun_digest(&c.tensors);
    assert_false(dms_hash_equal(first, c.tensors.all));
    c.data[1] = 0;
    c.output.view.dtype = DMS_DTYPE_I32;
    dmsrun_digest(&c.tensors);
    assert_false(dms_hash_equal(first, c.tensors.all));
    c.output.view.dtype = DMS_DTYPE_F32;
    c.output.view.rank = 2;
    c.output.view.dim[1] = 1;
    dmsrun_digest(&c.tensors);
    assert_false(dms_hash_equal(first, c.tensors.all));
    c.output.view = c.port.view;
    dmsrun_digest(&c.tensors);
    assert_true(dms_hash_equal(first, c.tensors.all));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_three_or_four_digits_and_a_unit),
        cmocka_unit_test(percentiles_are_times_that_were_measured),
        cmocka_unit_test(a_plain_run_prints_what_ran_and_how_long_it_took),
        cmocka_unit_test(a_card_is_named_with_the_way_it_is_used),
        cmocka_unit_test(stats_compare_with_what_the_plan_predicts),
        cmocka_unit_test(what_takes_far_longer_than_predicted_is_a_ratio),
        cmocka_unit_test(stats_say_which_way_the_weights_came),
        cmocka_unit_test(a_comparison_says_how_far_each_output_is),
        cmocka_unit_test(stats_of_a_card_have_what_its_driver_counts),
        cmocka_unit_test(the_digest_sees_bytes_dims_and_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
