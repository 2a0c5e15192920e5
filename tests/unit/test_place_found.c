/* test_place_found.c - what people do by hand comes out of the optimisation: residents spread
 * evenly, the last steps prefetch for the first of the next turn, copies paced, less time for
 * every block more. Links carry a unit per ns, so a copy takes as many ns as units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"

/* `n` steps of 10 ns, each with a weight of `units` of its own; weight t is tensor t. */
static void begin_chain(problem_case *c, uint32_t n, uint64_t units) {
    problem_begin(c, n, 10);
    for (uint32_t t = 0; t < n; t++)
        assert_int_equal(problem_once(c, DMS_PROBLEM_WEIGHT, units, t), t);
}

static const dms_place_load *load_of(const dms_decision *d, uint32_t tensor) {
    for (uint32_t q = 0; q < d->n_loads; q++)
        if (d->loads[q].tensor == tensor)
            return d->loads + q;
    return NULL;
}

static int64_t period_of(const dms_decision *d, const char *name) {
    for (uint32_t i = 0; i < d->n_candidates; i++)
        if (strcmp(d->candidates[i].name, name) == 0)
            return d->candidates[i].period_ns;
    return INT64_MAX;
}

static void residents_are_spread_evenly(void **state) {
    (void)state;
    /* Copies take twice as long as steps, and there is room for six of twelve weights beside the
     * one in use and the one on its way. The link has 120 ns for six loads of 20, so it never
     * rests; three streamed weights in a row would have to be loaded in 50 ns:
     *
     *   step     K    K    K    S1   S2   S3 |   a place is free when S1 ends, S2 ends ...
     *   link  .. [ S1' ][ S2' ]    ^ no place until S1' is used, 20 ns before S3' is due
     *
     * So neither three kept nor three streamed ones are neighbours, and the first six are not
     * kept. */
    problem_case c;
    begin_chain(&c, 12, 20);
    const dms_decision d = problem_place(&c, 160);
    assert_int_equal(d.period_ns, 120);
    assert_int_equal(d.n_loads, 6);
    for (uint32_t t = 0; t < 12; t++) {
        uint32_t streamed = 0;
        for (uint32_t k = 0; k < 3; k++)
            streamed += load_of(&d, (t + k) % 12) != NULL;
        assert_in_range(streamed, 1, 2);
    }
    assert_true(period_of(&d, "keep-first") > d.period_ns);
    problem_end(&c);
}

static void the_last_steps_prefetch_for_the_first_of_the_next_turn(void **state) {
    (void)state;
    /* Step 2 needs the whole device for itself, so both weights leave. Steps 0 and 1 could hide
     * nothing of their own loads; the three steps behind step 2 hide 60 of 60 ns.
     *
     *   step     0    1    2    3    4    5  |  0    1
     *   ns      20   20   20   20   20   20  |
     *   uses    w0   w1  all    -    -    -     w0   w1
     *   link                   [ w0' ][ w1' ]            */
    problem_case c;
    problem_begin(&c, 6, 20);
    const uint32_t w0 = problem_once(&c, DMS_PROBLEM_WEIGHT, 30, 0);
    const uint32_t w1 = problem_once(&c, DMS_PROBLEM_WEIGHT, 30, 1);
    c.problem.steps[2].scratch_bytes = 60 * UNIT;
    const dms_decision d = problem_place(&c, 60);
    assert_int_equal(d.period_ns, 120);
    assert_int_equal(d.n_loads, 2);
    assert_true(load_of(&d, w0)->after < 0 && load_of(&d, w0)->start_ns <= -30);
    assert_true(load_of(&d, w1)->after < 0 && load_of(&d, w1)->start_ns < 0);
    assert_int_equal(period_of(&d, "on-demand"), 180);
    problem_end(&c);
}

static void copies_are_paced_by_the_steps(void **state) {
    (void)state;
    /* Copies as long as steps, and room for two weights: while one is used, the next one comes, so
     * that a copy begins every 10 ns, neither sooner (no place) nor later (a stall). */
    problem_case c;
    begin_chain(&c, 8, 10);
    const dms_decision d = problem_place(&c, 20);
    assert_int_equal(d.period_ns, 80);
    assert_int_equal(d.n_loads, 8);
    for (uint32_t t = 0; t < 8; t++) {
        const dms_place_load *load = load_of(&d, t);
        assert_int_equal(load->start_ns, d.step_start_ns[t] - 10);
        assert_int_equal(d.step_stall_ns[t], 0);
        assert_int_equal(d.step_start_ns[t], 10 * (int64_t)t);
    }
    problem_end(&c);
}

static void a_block_more_is_a_load_less_until_the_steps_hide_the_rest(void **state) {
    (void)state;
    /* Two places for what is streamed, every other one keeps a weight: the link is always busy, for
     * 20 ns times what is not kept. Addresses are the same in each turn, so an odd number of loads
     * puts the last of a turn and the first of the next into one place: there the link waits for
     * a step of 10. Six loads are hidden by twelve steps. */
    problem_case c;
    begin_chain(&c, 12, 20);
    int64_t last = INT64_MAX;
    for (int64_t kept = 0; kept <= 12; kept++) {
        const int64_t loads = kept >= 10 ? 0 : 12 - kept;
        const int64_t link_ns = 20 * loads + 10 * (loads % 2);
        const dms_decision d = problem_place(&c, (uint64_t)(40 + 20 * kept));
        assert_int_equal(d.period_ns, link_ns > 120 ? link_ns : 120);
        assert_true(d.period_ns < last || last == 120);
        last = d.period_ns;
    }
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residents_are_spread_evenly),
        cmocka_unit_test(the_last_steps_prefetch_for_the_first_of_the_next_turn),
        cmocka_unit_test(copies_are_paced_by_the_steps),
        cmocka_unit_test(a_block_more_is_a_load_less_until_the_steps_hide_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
