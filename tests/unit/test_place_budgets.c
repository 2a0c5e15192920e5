/* test_place_budgets.c - what a little more or less memory does: floors, periods, the edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"
#include "support_rounds.h"

static dms_place_floor floor_at(problem_case *c, const dms_place_options *options) {
    dms_place_floor floor;
    dms_status st;
    if (dms_floor(&c->problem, options, &c->arena, &floor, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return floor;
}

/* Places and, where that works, proves the decision and that it holds both budgets. */
static dms_code place_at(problem_case *c, const dms_place_options *options,
                         dms_place_floor *out_floor) {
    dms_decision d;
    dms_status st;
    const dms_code code = dms_place(&c->problem, options, &c->arena, &d, out_floor, &st);
    if (code != DMS_OK)
        return code;
    if (dms_decision_verify(&c->problem, &d, &c->arena, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_true(d.device_bytes <= options->device_budget);
    assert_true(d.host_bytes <= options->host_budget);
    return DMS_OK;
}

/* Three weights of 10, 8 and 6 units, each used by a step of its own. */
static void three_weights(problem_case *c) {
    problem_begin(c, 6, 10);
    problem_once(c, DMS_PROBLEM_WEIGHT, 8, 0);
    problem_once(c, DMS_PROBLEM_WEIGHT, 10, 2);
    problem_once(c, DMS_PROBLEM_WEIGHT, 6, 4);
}

/* Host units, and the device units that are needed at least. */
typedef struct edge {
    uint64_t host, device;
} edge;

static void check_edges(problem_case *c, uint32_t ring, const edge *edges, size_t n) {
    for (size_t i = 0; i < n; i++) {
        dms_place_floor floor;
        dms_place_options options = {
            .device_budget = UINT64_MAX, .host_budget = edges[i].host * UNIT, .ring_blocks = ring};
        assert_int_equal(floor_at(c, &options).device_bytes, edges[i].device * UNIT);
        options.device_budget = edges[i].device * UNIT;
        assert_int_equal(place_at(c, &options, &floor), DMS_OK);
        options.device_budget--;
        assert_int_equal(place_at(c, &options, &floor), DMS_EBUDGET);
        assert_int_equal(floor.device_bytes, edges[i].device * UNIT);
    }
}

static void the_largest_weights_stay_where_the_host_is_small(void **state) {
    (void)state;
    /* on the host   all     8, 6   6      nothing
     * bytes there   24      14     6      0
     * on the device 10 at a time, 10 + 8, 10 + 8 + 6, the same */
    const edge edges[] = {{24, 10}, {23, 18}, {14, 18}, {13, 24}, {6, 24}, {5, 24}, {0, 24}};
    problem_case c;
    three_weights(&c);
    check_edges(&c, 0, edges, sizeof edges / sizeof *edges);
    problem_end(&c);
}

static void the_host_holds_a_kept_block_on_its_way_in(void **state) {
    (void)state;
    /* kept weights pass through the host before homes lie there: what is kept must fit, no more */
    const edge edges[] = {{24, 10}, {23, 18}, {14, 18}, {13, 24}, {10, 24}};
    problem_case c;
    three_weights(&c);
    check_edges(&c, 1, edges, sizeof edges / sizeof *edges);
    dms_place_floor floor;
    const dms_place_options options = {
        .device_budget = 1000 * UNIT, .host_budget = 10 * UNIT - 1, .ring_blocks = 1};
    assert_int_equal(place_at(&c, &options, &floor), DMS_EBUDGET);
    assert_true(floor.host_is_short && !floor.device_is_short);
    assert_int_equal(floor.host_bytes, 10 * UNIT);
    problem_end(&c);
}

static void the_host_floor_falls_in_the_same_steps(void **state) {
    (void)state;
    const edge edges[] = {{24, 10}, {24, 17}, {14, 18}, {14, 23}, {0, 24}, {0, 1000}, {0, 9}};
    problem_case c;
    three_weights(&c);
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        const dms_place_options options = {.device_budget = edges[i].device * UNIT,
                                           .host_budget = UINT64_MAX};
        assert_int_equal(floor_at(&c, &options).host_bytes, edges[i].host * UNIT);
    }
    problem_end(&c);
}

static void it_is_said_which_budget_is_short(void **state) {
    (void)state;
    const struct {
        uint64_t device, host;
        bool device_is_short, host_is_short;
    } cases[] = {
        {9, 1000, true, false}, /* no host memory helps */
        {9, 0, true, false},
        {10, 23, false, true}, /* 1 of 23 is missing on the host, or 8 of 10 on the device */
        {17, 13, true, false}, /* 1 of 13, or 1 of 17 */
        {17, 0, true, false},  /* everything, or 7 of 17 */
        {10, 24, false, false},
        {24, 0, false, false},
    };
    problem_case c;
    three_weights(&c);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dms_place_floor floor;
        const dms_place_options options = {.device_budget = cases[i].device * UNIT,
                                           .host_budget = cases[i].host * UNIT};
        const dms_code code = place_at(&c, &options, &floor);
        assert_int_equal(floor.device_is_short, cases[i].device_is_short);
        assert_int_equal(floor.host_is_short, cases[i].host_is_short);
        const bool is_short = cases[i].device_is_short || cases[i].host_is_short;
        assert_int_equal(code, is_short ? DMS_EBUDGET : DMS_OK);
        assert_int_equal(floor_at(&c, &options).device_is_short, cases[i].device_is_short);
    }
    problem_end(&c);
}

static void an_activation_without_a_home_stays_and_raises_the_floor(void **state) {
    (void)state;
    /* a (20) spans a step of 30: with 20 on the host it leaves, without it stays */
    problem_case c;
    problem_begin(&c, 8, 10);
    problem_add(&c, DMS_PROBLEM_ACTIVATION, 20, 2, (const uint32_t[]){0, 7});
    problem_once(&c, DMS_PROBLEM_ACTIVATION, 30, 3);
    const edge edges[] = {{20, 30}, {19, 50}, {0, 50}};
    check_edges(&c, 0, edges, sizeof edges / sizeof *edges);
    problem_end(&c);
}

static void more_host_never_raises_the_device_floor(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(20, 8); seed++) {
        problem_case c;
        uint64_t last = UINT64_MAX, steps = 0;
        problem_random(&c, seed, 8 + (uint32_t)seed);
        for (uint64_t host = 0; host <= 1200; host += 40) {
            const dms_place_options options = {.device_budget = UINT64_MAX,
                                               .host_budget = host * UNIT};
            const dms_place_floor floor = floor_at(&c, &options);
            assert_true(floor.device_bytes <= last);
            assert_true(floor.device_bytes >= floor.lower_bound_bytes);
            steps += floor.device_bytes < last;
            last = floor.device_bytes;
        }
        assert_true(steps >= 2);
        problem_end(&c);
    }
}

static void more_device_never_raises_the_host_floor(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(20, 8); seed++) {
        problem_case c;
        uint64_t last = UINT64_MAX;
        problem_random(&c, seed, 8 + (uint32_t)seed);
        const uint64_t least = problem_floor(&c);
        for (uint64_t extra = 0; extra <= 600; extra += 25) {
            const dms_place_options options = {.device_budget = (least + extra) * UNIT,
                                               .host_budget = UINT64_MAX};
            const uint64_t host = floor_at(&c, &options).host_bytes;
            assert_true(host <= last);
            last = host;
        }
        problem_end(&c);
    }
}

static void a_plan_exists_at_both_floors_at_once(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(10, 4); seed++)
        for (uint64_t part = 0; part <= 3; part++) {
            problem_case c;
            dms_place_floor floor;
            problem_random(&c, seed, 12);
            dms_place_options options = {.device_budget = UINT64_MAX,
                                         .host_budget = part * 80 * UNIT};
            options.device_budget = floor_at(&c, &options).device_bytes;
            assert_int_equal(place_at(&c, &options, &floor), DMS_OK);
            assert_int_equal(floor.device_bytes, options.device_budget);
            options.device_budget -= UNIT;
            assert_int_equal(place_at(&c, &options, &floor), DMS_EBUDGET);
            assert_true(floor.device_is_short != floor.host_is_short);
            problem_end(&c);
        }
}

/* Packing is a matter of luck, so the curve over budgets may rise a little, as in test_place.c; the
 * bound may not, beyond what its grouping leaves. */
static void more_memory_costs_at_most_three_percent(void **state) {
    (void)state;
    for (uint64_t seed = 50; seed <= ROUNDS_OF(57, 51); seed++) {
        problem_case c;
        int64_t best = INT64_MAX, bound = INT64_MAX;
        problem_random(&c, seed, 14);
        const uint64_t least = problem_floor(&c);
        for (uint64_t extra = 0; extra <= 300; extra += 25) {
            const dms_decision d = problem_place(&c, least + extra);
            assert_true((double)d.period_ns <= (double)best * 1.03);
            assert_true((double)d.bound_ns <= (double)bound * 1.001);
            best = d.period_ns < best ? d.period_ns : best;
            bound = d.bound_ns < bound ? d.bound_ns : bound;
        }
        problem_end(&c);
    }
}

static void with_room_for_everything_only_inputs_are_loaded(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(12, 4); seed++) {
        problem_case c;
        problem_random(&c, seed, 16);
        const dms_place_options options = {.device_budget = UINT64_MAX, .host_budget = 0};
        dms_decision d;
        dms_place_floor floor;
        dms_status st;
        assert_int_equal(dms_place(&c.problem, &options, &c.arena, &d, &floor, &st), DMS_OK);
        assert_int_equal(dms_decision_verify(&c.problem, &d, &c.arena, &st), DMS_OK);
        assert_int_equal(d.host_bytes, 0);
        for (uint32_t q = 0; q < d.n_loads; q++)
            assert_int_equal(c.problem.tensors[d.loads[q].tensor].kind, DMS_PROBLEM_INPUT);
        for (uint32_t q = 0; q < d.n_saves; q++)
            assert_int_equal(c.problem.tensors[d.saves[q].tensor].kind, DMS_PROBLEM_OUTPUT);
        problem_end(&c);
    }
}

static void bytes_below_a_unit_change_nothing(void **state) {
    (void)state;
    problem_case c;
    problem_random(&c, 9, 16);
    const uint64_t units = problem_floor(&c) + 33;
    dms_decision d[2];
    for (uint64_t odd = 0; odd < 2; odd++) {
        const dms_place_options options = {.device_budget = units * UNIT + 255 * odd,
                                           .host_budget = UINT64_MAX};
        dms_place_floor floor;
        dms_status st;
        assert_int_equal(dms_place(&c.problem, &options, &c.arena, &d[odd], &floor, &st), DMS_OK);
    }
    assert_int_equal(d[0].period_ns, d[1].period_ns);
    assert_int_equal(d[0].device_bytes, d[1].device_bytes);
    assert_int_equal(d[0].n_loads, d[1].n_loads);
    assert_memory_equal(d[0].loads, d[1].loads, d[0].n_loads * sizeof *d[0].loads);
    problem_end(&c);
}

/* Plans of random problems by `how`: none is better than the one of all evaluations, some are worse.
 * Returns how many named a search among their candidates. */
static uint32_t compare_with_all(dms_place_options how) {
    uint32_t better = 0, searched = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(8, 4); seed++) {
        problem_case c;
        problem_random(&c, seed, 24);
        how.device_budget = (problem_floor(&c) + 60) * UNIT;
        how.host_budget = UINT64_MAX;
        const dms_place_options all = {.device_budget = how.device_budget,
                                       .host_budget = UINT64_MAX};
        dms_decision few, many;
        dms_place_floor floor;
        dms_status st;
        assert_int_equal(dms_place(&c.problem, &how, &c.arena, &few, &floor, &st), DMS_OK);
        assert_int_equal(dms_decision_verify(&c.problem, &few, &c.arena, &st), DMS_OK);
        assert_int_equal(dms_place(&c.problem, &all, &c.arena, &many, &floor, &st), DMS_OK);
        assert_true(few.n_evaluations <= many.n_evaluations);
        assert_true(many.period_ns <= few.period_ns);
        better += many.period_ns < few.period_ns;
        for (uint32_t k = 0; k < few.n_candidates; k++)
            searched += strcmp(few.candidates[k].name, "search") == 0;
        problem_end(&c);
    }
    assert_true(better > 0);
    return searched;
}

static void fewer_evaluations_are_still_a_plan_and_not_a_better_one(void **state) {
    (void)state;
    (void)compare_with_all((dms_place_options){.max_evaluations = 1});
}

static void a_plan_without_search_is_one_too(void **state) {
    (void)state;
    assert_int_equal(compare_with_all((dms_place_options){.without_search = true}), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_weights_stay_where_the_host_is_small),
        cmocka_unit_test(the_host_holds_a_kept_block_on_its_way_in),
        cmocka_unit_test(the_host_floor_falls_in_the_same_steps),
        cmocka_unit_test(it_is_said_which_budget_is_short),
        cmocka_unit_test(an_activation_without_a_home_stays_and_raises_the_floor),
        cmocka_unit_test(more_host_never_raises_the_device_floor),
        cmocka_unit_test(more_device_never_raises_the_host_floor),
        cmocka_unit_test(a_plan_exists_at_both_floors_at_once),
        cmocka_unit_test(more_memory_costs_at_most_three_percent),
        cmocka_unit_test(with_room_for_everything_only_inputs_are_loaded),
        cmocka_unit_test(bytes_below_a_unit_change_nothing),
        cmocka_unit_test(fewer_evaluations_are_still_a_plan_and_not_a_better_one),
        cmocka_unit_test(a_plan_without_search_is_one_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
