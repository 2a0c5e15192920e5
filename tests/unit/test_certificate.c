/* test_certificate.c - prices: none is negative, and what they prove is what the plan prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planner/certificate.h"
#include "support_problem.h"

static dms_place_options budgets(uint64_t device, uint64_t host) {
    return (dms_place_options){.device_budget = device, .host_budget = host};
}

static void expect_no_negative_price(const dms_certificate *c) {
    assert_true(c->link_total >= 0 && c->storage >= 0 && c->large >= 0 && c->host >= 0);
    assert_true(c->shorts >= 0 && c->lasts >= 0);
    for (uint32_t g = 0; g < c->n_groups; g++) {
        const dms_certificate_group *at = c->group + g;
        assert_true(at->link >= 0 && at->arrival >= 0 && at->link_time >= 0);
        assert_true(at->arrival_time >= 0 && at->density >= 0 && at->memory >= 0 && at->out >= 0);
        assert_true(at->away >= 0 && at->busy >= 0 && c->spare >= 0);
        assert_true(g == 0 || at->last > at[-1].last);
    }
}

/* What an ns of the link pays in a group for memory beside the block that comes. */
static double carrying(const dms_problem *problem, const dms_certificate *c,
                       const dms_certificate_group *at) {
    return at->busy == 0 ? 0
                         : (double)at->busy * 1e-3 * (double)c->busy_bytes /
                               (double)problem->steps[at->last].ns;
}

/* In the checker's order; 1e-12 per ns and 1e-15 ns per byte, links of 256 bytes per ns. */
static void expect_no_stock_lowers_the_sum(const dms_problem *problem, const dms_certificate *c) {
    int64_t waits = 0;
    for (uint32_t g = 0; g < c->n_groups; g++)
        waits += c->group[g].inputs;
    for (uint32_t g = 0; g < c->n_groups; g++) {
        const dms_certificate_group *at = c->group + g, *next = c->group + (g + 1) % c->n_groups;
        const double more = carrying(problem, c, at), less = carrying(problem, c, next);
        assert_true(at->link + at->memory >= next->link + next->arrival + at->density);
        for (uint32_t p = 0; p < c->n_paces; p++) {
            const int64_t ahead = next->link_time + next->due[p] - next->early[p];
            assert_true((double)(at->link_time - at->early[p] + at->density * 256 / 1000) + more >=
                        (double)ahead + less);
            assert_in_range(at->due[p], 0, at->arrival_time);
            assert_true(at->early[p] >= 0);
        }
        assert_true(at->memory + at->busy + next->out >= at->out);
        assert_true(more <= (double)c->spare);
        const int64_t bytes = at->link + at->arrival + at->out;
        const int64_t ns =
            at->link_time + at->arrival_time + c->link_total + c->storage + c->large + c->lasts;
        assert_true((double)bytes * 256 * 1e-15 + ((double)(ns + waits) + more) * 1e-12 <= 1);
        waits -= at->inputs;
    }
}

static void the_printed_bound_is_that_of_the_prices(void **state) {
    (void)state;
    uint32_t n_priced = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        problem_case c;
        problem_random(&c, seed, 40);
        const uint64_t floor = problem_floor(&c);
        const dms_decision d = problem_place(&c, floor + floor / 8);
        assert_non_null(d.certificate);
        expect_no_negative_price(d.certificate);
        expect_no_stock_lowers_the_sum(&c.problem, d.certificate);
        assert_int_equal(d.certificate->group[d.certificate->n_groups - 1].last, 39);
        assert_true(d.certificate->bound_ns >= d.bound_ns);
        n_priced += d.certificate->bound_ns > d.compute_ns;
        problem_end(&c);
    }
    assert_true(n_priced >= 4);
}

static void weights_that_are_read_have_a_price_on_the_host(void **state) {
    (void)state;
    uint32_t n_priced = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        problem_case c;
        problem_random(&c, seed, 40);
        problem_store(&c);
        c.problem.load.bytes_per_s /= 4; /* so that storage sets the pace */
        const dms_place_options wide = budgets(UINT64_MAX / 4, UINT64_MAX);
        const uint64_t device = problem_floors(&c, &wide).device_bytes;
        const dms_place_options tight = budgets(device + device / 8, UINT64_MAX);
        const uint64_t host = problem_floors(&c, &tight).host_bytes;
        const dms_place_options both = budgets(device + device / 8, host + host / 4);
        const dms_decision d = problem_place_with(&c, &both);
        expect_no_negative_price(d.certificate);
        expect_no_stock_lowers_the_sum(&c.problem, d.certificate);
        assert_true(d.certificate->bound_ns >= d.bound_ns);
        n_priced += d.certificate->host > 0 || d.certificate->storage > 0;
        problem_end(&c);
    }
    assert_true(n_priced >= 2);
}

static void steps_without_copies_certify_themselves(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 3, 50);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 4, 1);
    const dms_decision d = problem_place(&c, 100);
    assert_int_equal(d.certificate->n_groups, 1);
    assert_int_equal(d.certificate->group[0].last, 2);
    assert_int_equal(d.certificate->group[0].memory, 0);
    assert_int_equal(d.certificate->bound_ns, 150);
    problem_end(&c);
}

static void steps_that_wait_for_inputs_alone_certify_the_wait(void **state) {
    (void)state;
    /* step     0   1   2    Inputs of 30 and 40 units (ns) are due at 0 and 1: step 0 starts at 30 at
     * ns      20  20  20    the soonest, step 1 at 70: 70 + 40. */
    problem_case c;
    problem_begin(&c, 3, 20);
    problem_once(&c, DMS_PROBLEM_INPUT, 30, 0);
    problem_once(&c, DMS_PROBLEM_INPUT, 40, 1);
    const dms_decision d = problem_place(&c, 200);
    assert_int_equal(d.period_ns, 110);
    assert_in_range(d.bound_ns, 109, 110);
    assert_int_equal(d.certificate->n_groups, 2);
    assert_int_equal(d.certificate->group[0].last, 1);
    assert_int_equal(d.certificate->group[0].inputs, 1000000000000);
    assert_int_equal(d.certificate->group[1].inputs, 0);
    assert_int_equal(d.certificate->bound_ns, d.bound_ns);
    problem_end(&c);
}

static void waits_for_inputs_are_in_the_bound_of_the_program(void **state) {
    (void)state;
    /* step     0   1   2   3    The input of 50 units waits for the link from slot 0 on, 50 ns; the
     * ns      10  10  10  10    weights of 30 units due at 1 and 3 have room for one of them: one is
     * loaded in each turn, beside steps 0 to 3 or the wait. No schedule is below 50 + 40. */
    problem_case c;
    problem_begin(&c, 4, 10);
    problem_once(&c, DMS_PROBLEM_INPUT, 50, 0);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 30, 1);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 30, 3);
    const dms_decision d = problem_place(&c, 80);
    assert_in_range(d.bound_ns, 89, d.period_ns);
    problem_end(&c);
}

static void the_json_form_has_every_price(void **state) {
    (void)state;
    dms_certificate_group group = {
        6, 1, 2, 3, 4, 5, INT64_MAX, 7, 8, 50, 60, .due = {9, 11, 13}, .early = {10, 12, 14}};
    const dms_certificate c = {.device_bytes = UINT64_MAX,
                               .host_bytes = 12,
                               .bound_ns = 13,
                               .period_ns = 14,
                               .cut_bytes = {15, 25, 35},
                               .n_paces = 2,
                               .link_total = 16,
                               .spare = 26,
                               .busy_bytes = 27,
                               .storage = 17,
                               .large = 18,
                               .lasts = 23,
                               .large_bytes = 19,
                               .host = 20,
                               .shorts = 21,
                               .short_bytes = 22,
                               .own_bytes = 23,
                               .group = &group,
                               .n_groups = 1};
    char text[1024] = {0};
    dms_status st;
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    assert_int_equal(dms_certificate_write(&c, out, &st), DMS_OK);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\"device_bytes\": 18446744073709551615"));
    assert_non_null(strstr(text, "\"host_bytes\": 12"));
    assert_non_null(strstr(text, "\"bound_ns\": 13"));
    assert_non_null(strstr(text, "\"period_ns\": 14"));
    assert_non_null(strstr(text, "\"cut_bytes\": ["));
    assert_null(strstr(text, "35"));
    assert_non_null(strstr(text, "\"link_total\": 16"));
    assert_non_null(strstr(text, "\"spare\": 26"));
    assert_non_null(strstr(text, "\"busy_bytes\": 27"));
    assert_non_null(strstr(text, "\"storage\": 17"));
    assert_non_null(strstr(text, "\"large\": 18"));
    assert_non_null(strstr(text, "\"lasts\": 23"));
    assert_non_null(strstr(text, "\"large_bytes\": 19"));
    assert_non_null(strstr(text, "\"host\": 20"));
    assert_non_null(strstr(text, "\"short\": 21"));
    assert_non_null(strstr(text, "\"short_bytes\": 22"));
    assert_non_null(strstr(text, "\"own_bytes\": 23"));
    assert_non_null(
        strstr(text, "[6, 1, 2, 3, 4, 5, 9223372036854775807, 7, 8, 50, 60, 9, 10, 11, 12]"));
}

static void a_full_disk_is_reported(void **state) {
    (void)state;
    dms_certificate_group group = {0};
    const dms_certificate c = {.group = &group, .n_groups = 1};
    dms_status st;
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(out);
    (void)setvbuf(out, NULL, _IONBF, 0);
    assert_int_equal(dms_certificate_write(&c, out, &st), DMS_EIO);
    (void)fclose(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_printed_bound_is_that_of_the_prices),
        cmocka_unit_test(weights_that_are_read_have_a_price_on_the_host),
        cmocka_unit_test(steps_without_copies_certify_themselves),
        cmocka_unit_test(steps_that_wait_for_inputs_alone_certify_the_wait),
        cmocka_unit_test(waits_for_inputs_are_in_the_bound_of_the_program),
        cmocka_unit_test(the_json_form_has_every_price),
        cmocka_unit_test(a_full_disk_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
