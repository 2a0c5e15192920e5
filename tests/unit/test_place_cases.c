/* test_place_cases.c - the bound by cases of what the ring holds, by hand. A unit is 256 bytes; the
 * link carries one unit a ns, storage one in 4 ns. Every step takes 1 ns and has a weight of 48
 * units of its own; the device holds one of them, so all are loaded in every turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/bound.h"
#include "support_problem.h"

#define BLOCK 48 /* whole pages */
#define READ_NS 192
#define COPY_NS 48

static void begin(problem_case *c, uint32_t n_steps) {
    problem_begin(c, n_steps, 1);
    c->problem.load.bytes_per_s = UNIT * 250000000ll;
    for (uint32_t t = 0; t < n_steps; t++) {
        const uint32_t id = problem_add(c, DMS_PROBLEM_WEIGHT, BLOCK, 1, &t);
        c->problem.tensors[id].storage_bytes = BLOCK * UNIT;
    }
}

/* What is proven. */
typedef struct proof {
    int64_t plain, by_cases; /* ns; by_cases 0 = no such certificate */
    int64_t pair, apart;     /* prices of the first case, of the second */
} proof;

/* With `blocks` places of a block on the host, for plans of no more than `period_ns`. */
static proof prove(uint32_t n_steps, int64_t blocks, int64_t period_ns) {
    problem_case c;
    dms_cycle cycle;
    dms_bound *bound;
    dms_shares shares;
    dms_certificate *by_cases;
    dms_status st;
    begin(&c, n_steps);
    if (dms_cycle_build(&c.problem, &c.arena, &cycle, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    cycle.host_units = blocks * BLOCK - 1; /* a unit is added for what is cut off from a budget */
    if (dms_bound_open(&cycle, 200, &c.arena, &bound, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_bound_assume(bound, period_ns);
    if (dms_bound_solve(bound, BLOCK * UNIT, &(dms_bound_aim){0}, &shares, &st) != DMS_OK ||
        dms_bound_by_cases(bound, BLOCK * UNIT, &by_cases, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    proof found = {.plain = shares.bound_ns};
    if (by_cases) {
        assert_non_null(by_cases->other);
        assert_null(by_cases->other->other);
        assert_int_equal(by_cases->apart, 0); /* what holds in the other case */
        assert_int_equal(by_cases->other->pair, 0);
        found.by_cases = by_cases->bound_ns;
        found.pair = by_cases->pair;
        found.apart = by_cases->other->apart;
    }
    dms_bound_close(bound);
    problem_end(&c);
    return found;
}

static void a_ring_of_two_blocks_leaves_no_part_of_them_to_homes(void **state) {
    (void)state;
    /* Five places: two for the ring and three homes, so 9 of 12 are read. Or four homes, and 8 are
     * read and copied one after the other, which takes longer. On an average the ring holds 1.25
     * blocks; by that alone 8.13 would do. */
    const proof found = prove(12, 5, 9 * READ_NS);
    assert_in_range(found.by_cases, 9 * READ_NS - 2, 9 * READ_NS);
    assert_true(found.plain < 84 * READ_NS / 10);
    assert_true(found.pair > 0);
}

static void the_smaller_of_both_cases_is_what_is_proven(void **state) {
    (void)state;
    /* Four places for 5 blocks: with two homes 3 blocks are read, 576 ns; with three homes 2 blocks,
     * one after the other: 480 ns. By the time of the readings alone it would be 384. */
    const proof found = prove(5, 4, 2 * (READ_NS + COPY_NS));
    assert_in_range(found.by_cases, 2 * (READ_NS + COPY_NS) - 2, 2 * (READ_NS + COPY_NS));
    assert_true(found.plain < 2 * (READ_NS + COPY_NS) - 20);
    assert_true(found.apart > 0);
}

static void nothing_is_said_of_a_host_for_less_than_two_blocks(void **state) {
    (void)state;
    assert_int_equal(prove(5, 1, 9 * READ_NS).by_cases, 0);
    assert_true(prove(5, 2, 9 * READ_NS).by_cases > 0);
}

static void a_host_with_all_homes_has_no_cases(void **state) {
    (void)state;
    assert_int_equal(prove(5, 6, 9 * READ_NS).by_cases, 0);
}

static void a_plan_is_measured_by_what_the_cases_prove(void **state) {
    (void)state;
    problem_case c;
    begin(&c, 12);
    const dms_place_options options = {.device_budget = BLOCK * UNIT,
                                       .host_budget = 5 * BLOCK * UNIT};
    const dms_decision d = problem_place_with(&c, &options);
    assert_non_null(d.certificate->other);
    assert_int_equal(d.bound_ns, d.certificate->bound_ns);
    assert_in_range(d.bound_ns, 9 * READ_NS - 6, 9 * READ_NS); /* of the host one unit more */
    assert_in_range(d.period_ns, 9 * READ_NS, 9 * READ_NS + COPY_NS);
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_of_two_blocks_leaves_no_part_of_them_to_homes),
        cmocka_unit_test(the_smaller_of_both_cases_is_what_is_proven),
        cmocka_unit_test(nothing_is_said_of_a_host_for_less_than_two_blocks),
        cmocka_unit_test(a_host_with_all_homes_has_no_cases),
        cmocka_unit_test(a_plan_is_measured_by_what_the_cases_prove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
