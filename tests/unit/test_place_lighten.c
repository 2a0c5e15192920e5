/* test_place_lighten.c - of plans that are as fast, the one that copies less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/placer.h"
#include "support_problem.h"

/* Steps of `ns`, each with a weight of its own of 10 units (10 ns to copy). */
static void chain(problem_case *c, uint32_t n_steps, int64_t ns) {
    problem_begin(c, n_steps, ns);
    for (uint32_t t = 0; t < n_steps; t++)
        (void)problem_once(c, DMS_PROBLEM_WEIGHT, 10, t);
}

static void where_compute_is_the_limit_what_fits_is_kept(void **state) {
    (void)state;
    /* Eight steps of 100 ns hide any copy. Of 80 units of weights `device` fit: beside the block in
     * use and one on its way, the rest stays. */
    for (uint64_t device = 20; device <= 80; device += 10) {
        problem_case c;
        chain(&c, 8, 100);
        const dms_decision d = problem_place(&c, device);
        const uint32_t streamed = device == 80 ? 0 : (uint32_t)(100 - device) / 10;
        assert_int_equal(d.period_ns, 800);
        assert_true(d.n_loads <= streamed);
        problem_end(&c);
    }
}

static void what_is_read_is_less_as_well(void **state) {
    (void)state;
    /* the host holds a ring and little else; what the device keeps need not be read */
    problem_case c;
    problem_begin(&c, 8, 1000);
    for (uint32_t t = 0; t < 8; t++) {
        const uint32_t id = problem_once(&c, DMS_PROBLEM_WEIGHT, 16, t);
        c.problem.tensors[id].storage_bytes = 16 * UNIT;
    }
    const dms_place_options options = {.device_budget = 96 * UNIT, .host_budget = 32 * UNIT};
    const dms_decision d = problem_place_with(&c, &options);
    assert_int_equal(d.period_ns, 8000);
    assert_true(d.n_loads <= 3 && d.n_read <= 3);
    problem_end(&c);
}

static void no_random_plan_gets_slower_or_copies_more_than_it_keeps(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        problem_case c;
        problem_random(&c, seed, 10 + (uint32_t)seed);
        for (uint32_t t = 0; t < c.problem.n_steps; t++)
            c.problem.steps[t].ns *= 10; /* compute is the limit */
        const uint64_t floor = problem_floor(&c);
        int64_t last = INT64_MAX;
        for (uint64_t extra = 0; extra <= 400; extra += 200) {
            const dms_decision d = problem_place(&c, floor + extra);
            int64_t copies = 0;
            for (uint32_t q = 0; q < d.n_loads; q++)
                copies += d.loads[q].ns;
            for (uint32_t i = 0; i < d.n_candidates; i++)
                assert_true(d.candidates[i].period_ns >= d.period_ns);
            /* far more memory never means more to copy: by then everything else is hidden */
            assert_true(extra < 400 || copies <= last);
            last = copies;
        }
        problem_end(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_compute_is_the_limit_what_fits_is_kept),
        cmocka_unit_test(what_is_read_is_less_as_well),
        cmocka_unit_test(no_random_plan_gets_slower_or_copies_more_than_it_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
