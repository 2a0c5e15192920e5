/* test_place_shapes.c - problems of odd shape, whose best plan a reader can work out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"
#include "support_rounds.h"

static uint64_t rounded(uint64_t bytes) {
    return (bytes + UNIT - 1) / UNIT * UNIT;
}

/* A tensor of one byte, touched by one step. */
static void add_byte(problem_case *c, dms_problem_kind kind, uint32_t step) {
    const uint32_t id = problem_once(c, kind, 1, step);
    c->problem.tensors[id].bytes = 1;
}

static uint32_t loads_of(const dms_decision *d, uint32_t tensor) {
    uint32_t n = 0;
    for (uint32_t q = 0; q < d->n_loads; q++)
        n += d->loads[q].tensor == tensor;
    return n;
}

static void a_tensor_of_one_byte_takes_a_unit(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 4, 10);
    for (uint32_t t = 0; t < 4; t++)
        add_byte(&c, DMS_PROBLEM_WEIGHT, t);
    assert_int_equal(problem_floor(&c), 1);
    const dms_decision d = problem_place(&c, 4);
    assert_int_equal(d.n_loads, 0);
    assert_int_equal(d.device_bytes, 4 * UNIT);
    assert_int_equal(d.live_peak_bytes, 4 * UNIT);
    assert_int_equal(d.period_ns, 40);
    problem_end(&c);
}

static void a_copy_of_one_byte_takes_a_ns_and_the_latency(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 4, 100);
    c.problem.in.latency_ns = 7;
    c.problem.out.latency_ns = 3;
    add_byte(&c, DMS_PROBLEM_INPUT, 0);
    add_byte(&c, DMS_PROBLEM_OUTPUT, 3);
    const dms_decision d = problem_place(&c, 4);
    assert_int_equal(d.loads[0].ns, 8); /* 1/256 ns, rounded up */
    assert_int_equal(d.saves[0].ns, 4);
    assert_int_equal(d.period_ns, 408); /* the input comes when slot 0 opens */
    assert_int_equal(d.latency_ns, 412);
    problem_end(&c);
}

static void with_all_tensors_equal_one_place_streams_one_after_the_other(void **state) {
    (void)state;
    /* ten weights of 7 units, a step of 10 ns each. With one place: copy, step, copy, step. With
     * two the next copy runs under the step. */
    for (uint64_t places = 1; places <= 10; places++) {
        problem_case c;
        problem_begin(&c, 10, 10);
        for (uint32_t t = 0; t < 10; t++)
            problem_once(&c, DMS_PROBLEM_WEIGHT, 7, t);
        assert_int_equal(problem_floor(&c), 7);
        const dms_decision d = problem_place(&c, 7 * places);
        assert_int_equal(d.period_ns, places == 1 ? 170 : 100);
        /* one of the places is that of what is streamed */
        assert_true(d.n_loads >= (places == 10 ? 0 : 11 - places));
        assert_true(d.host_bytes >= (places == 10 ? 0 : (11 - places) * 7 * UNIT));
        problem_end(&c);
    }
}

static void where_the_link_is_the_limit_each_place_more_is_a_load_less(void **state) {
    (void)state;
    /* eight weights of 50 ns against steps of 1 ns: whatever does not stay is loaded, one after
     * the other; more than one place for what is streamed gains little */
    for (uint64_t places = 2; places < 8; places++) {
        problem_case c;
        problem_begin(&c, 8, 1);
        for (uint32_t t = 0; t < 8; t++)
            problem_once(&c, DMS_PROBLEM_WEIGHT, 50, t);
        const dms_decision d = problem_place(&c, 50 * places);
        const int64_t least = (int64_t)(8 - places) * 50; /* 8 - places cannot stay at all */
        assert_true(d.bound_ns >= least && d.period_ns >= least + 50);
        assert_true(d.period_ns <=
                    least + 50 + 8); /* streamed through one place: steps in between */
        problem_end(&c);
    }
}

static void what_every_step_touches_is_never_copied(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 5, 10);
    const uint32_t all[] = {0, 1, 2, 3, 4};
    const uint32_t w = problem_add(&c, DMS_PROBLEM_WEIGHT, 9, 5, all);
    const uint32_t a = problem_add(&c, DMS_PROBLEM_ACTIVATION, 4, 5, all);
    const uint32_t s = problem_once(&c, DMS_PROBLEM_WEIGHT, 6, 2);
    assert_int_equal(problem_floor(&c), 19);
    const dms_decision d = problem_place(&c, 19);
    assert_int_equal(loads_of(&d, w) + loads_of(&d, a), 0);
    assert_int_equal(d.n_saves, 0);
    assert_true(loads_of(&d, s) <= 1);
    assert_int_equal(d.period_ns, 50);
    assert_int_equal(d.device_bytes, 19 * UNIT);
    problem_end(&c);
}

static void an_input_that_every_step_touches_is_loaded_anew_all_the_same(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 4, 10);
    const uint32_t all[] = {0, 1, 2, 3};
    problem_add(&c, DMS_PROBLEM_INPUT, 5, 4, all);
    for (uint64_t units = 5; units <= 15; units += 5) {
        const dms_decision d = problem_place(&c, units);
        assert_int_equal(d.n_loads, 1);
        assert_int_equal(d.loads[0].gap, 3);
        assert_int_equal(d.loads[0].after, -1);
        assert_int_equal(d.loads[0].start_ns, 0);
        assert_int_equal(d.step_start_ns[0], 5);
        assert_int_equal(d.period_ns, 45); /* more memory does not make it come sooner */
    }
    problem_end(&c);
}

static void a_cycle_of_one_step_keeps_its_weights(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 1, 50);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 6, 0);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 3, 0);
    problem_once(&c, DMS_PROBLEM_ACTIVATION, 2, 0);
    c.problem.steps[0].scratch_bytes = 1;
    assert_int_equal(problem_floor(&c), 12);
    const dms_decision d = problem_place(&c, 12);
    assert_int_equal(d.n_loads + d.n_saves, 0);
    assert_int_equal(d.period_ns, 50);
    assert_int_equal(d.latency_ns, 50);
    assert_int_equal(d.host_bytes, 0);
    assert_int_equal(d.n_residencies, 3);
    problem_end(&c);
}

static void a_cycle_of_one_step_overlaps_its_output_where_two_turns_have_room(void **state) {
    (void)state;
    /* before is at most 2T - 1 = 1: slot 0 of the next turn waits for the save */
    problem_case c;
    problem_begin(&c, 1, 50);
    problem_once(&c, DMS_PROBLEM_OUTPUT, 8, 0);
    const dms_decision d = problem_place(&c, 100);
    assert_int_equal(d.saves[0].after, 0);
    assert_int_equal(d.saves[0].before, 1);
    assert_int_equal(d.period_ns, 58);
    problem_end(&c);
}

static void two_steps_of_one_place_take_turns(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 2, 10);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 4, 0);
    problem_once(&c, DMS_PROBLEM_WEIGHT, 4, 1);
    const dms_decision one = problem_place(&c, 4), two = problem_place(&c, 8);
    assert_int_equal(one.n_loads, 2);
    assert_int_equal(one.period_ns, 28);
    assert_int_equal(two.n_loads, 0);
    assert_int_equal(two.period_ns, 20);
    problem_end(&c);
}

static void an_activation_leaves_and_comes_back_under_the_steps(void **state) {
    (void)state;
    /* ns           0  10  20  30  40  50  60  70
     * step         0   1   2   3   4   5   6   7      a: 20 units, made by 0, read by 7
     * footprint   20   0   0  30   0   0   0  20      budget 35: a must be gone in step 3
     * save            [======]                        10..30, done as slot 3 opens
     * load                        [======]            40 at the soonest, 20 ns, due at 70 */
    problem_case c;
    problem_begin(&c, 8, 10);
    const uint32_t a = problem_add(&c, DMS_PROBLEM_ACTIVATION, 20, 2, (const uint32_t[]){0, 7});
    problem_once(&c, DMS_PROBLEM_ACTIVATION, 30, 3);
    const dms_decision d = problem_place(&c, 35);
    assert_int_equal(d.n_saves, 1);
    assert_int_equal(d.n_loads, 1);
    assert_int_equal(d.loads[0].tensor, a);
    assert_true(d.saves[0].before <= 3 && d.loads[0].after >= 3);
    assert_int_equal(d.saves[0].start_ns, 10);
    assert_int_equal(d.host_bytes, 20 * UNIT);
    assert_int_equal(d.period_ns, 80);
    const dms_decision roomy = problem_place(&c, 50);
    assert_int_equal(roomy.n_saves + roomy.n_loads, 0);
    assert_int_equal(roomy.host_bytes, 0);
    problem_end(&c);
}

static void an_activation_is_saved_once_however_often_it_comes_back(void **state) {
    (void)state;
    /* a is read by 4 and by 8; steps 2 and 6 leave no room for it */
    problem_case c;
    problem_begin(&c, 10, 10);
    problem_add(&c, DMS_PROBLEM_ACTIVATION, 5, 3, (const uint32_t[]){0, 4, 8});
    problem_once(&c, DMS_PROBLEM_ACTIVATION, 30, 2);
    problem_once(&c, DMS_PROBLEM_ACTIVATION, 30, 6);
    const dms_decision d = problem_place(&c, 32);
    assert_int_equal(d.n_saves, 1);
    assert_int_equal(d.n_loads, 2);
    assert_int_equal(d.host_bytes, 5 * UNIT);
    assert_int_equal(d.period_ns, 100);
    assert_int_equal(d.n_residencies, 3 + 2);
    problem_end(&c);
}

static void an_output_is_saved_when_it_is_written_and_stays_for_its_readers(void **state) {
    (void)state;
    /* written by 1 and 2, read by 5 */
    problem_case c;
    problem_begin(&c, 8, 10);
    problem_add(&c, DMS_PROBLEM_OUTPUT, 6, 3, (const uint32_t[]){1, 2, 5});
    const dms_decision d = problem_place(&c, 6);
    assert_int_equal(d.n_saves, 1);
    assert_int_equal(d.saves[0].after, 2);
    assert_int_equal(d.saves[0].start_ns, 30);
    assert_int_equal(d.n_loads, 0);
    assert_int_equal(d.residencies[0].first_slot, 1);
    assert_true(d.residencies[0].last_slot >= 5);
    assert_int_equal(d.latency_ns, 80); /* the copy ends under the steps */
    assert_int_equal(d.period_ns, 80);
    assert_int_equal(d.host_bytes, 0); /* the user's memory, not ours */
    problem_end(&c);
}

static void an_output_of_the_last_step_leaves_under_the_next_turn(void **state) {
    (void)state;
    problem_case c;
    problem_begin(&c, 3, 10);
    problem_once(&c, DMS_PROBLEM_OUTPUT, 6, 2);
    const dms_decision d = problem_place(&c, 6);
    assert_int_equal(d.saves[0].start_ns, 30);
    assert_int_equal(d.period_ns, 30);
    assert_int_equal(d.latency_ns, 36);
    problem_end(&c);
}

static void no_input_comes_before_slot_0_of_its_turn(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(20, 6); seed++) {
        problem_case c;
        problem_random(&c, seed, 10 + (uint32_t)seed);
        for (uint32_t i = 0; i < 3; i++)
            problem_once(&c, DMS_PROBLEM_INPUT, 1 + i, problem_draw(&c, c.problem.n_steps));
        const dms_decision d = problem_place(&c, problem_floor(&c) + 40 * (seed % 5));
        uint32_t wraps = 0;
        for (uint32_t q = 0; q < d.n_loads; q++) {
            const dms_place_load *l = d.loads + q;
            const dms_problem_tensor *t = c.problem.tensors + l->tensor;
            if (t->kind != DMS_PROBLEM_INPUT || l->gap + 1 != t->n_touches)
                continue;
            assert_true(l->after >= -1);
            assert_true(l->start_ns >= 0);
            wraps++;
        }
        assert_int_equal(wraps, 4);
        problem_end(&c);
    }
}

/* The bytes on the device in one slot of the cycle, scratch included. */
static uint64_t present(const dms_problem *p, const dms_decision *d, int32_t slot) {
    const int32_t n = (int32_t)p->n_steps;
    uint64_t sum = rounded(p->steps[slot].scratch_bytes);
    for (uint32_t i = 0; i < d->n_residencies; i++)
        for (int32_t s = d->residencies[i].first_slot; s <= d->residencies[i].last_slot; s++)
            if ((s + n) % n == slot)
                sum += rounded(p->tensors[d->residencies[i].tensor].bytes);
    return sum;
}

/* The highest end of anything, by a plain loop. */
static uint64_t highest_end(const dms_problem *p, const dms_decision *d) {
    uint64_t top = 0;
    for (uint32_t i = 0; i < d->n_residencies; i++) {
        const uint64_t bytes = rounded(p->tensors[d->residencies[i].tensor].bytes);
        if (d->residencies[i].offset + bytes > top)
            top = d->residencies[i].offset + bytes;
    }
    for (uint32_t t = 0; t < p->n_steps; t++)
        if (p->steps[t].scratch_bytes > 0 &&
            d->scratch_offset[t] + rounded(p->steps[t].scratch_bytes) > top)
            top = d->scratch_offset[t] + rounded(p->steps[t].scratch_bytes);
    return top;
}

/* Homes of weights that are loaded, and of activations that are: no ring here. */
static uint64_t homes(const dms_problem *p, const dms_decision *d) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n_tensors; i++)
        if (p->tensors[i].kind != DMS_PROBLEM_INPUT && loads_of(d, i) > 0)
            sum += rounded(p->tensors[i].bytes);
    return sum;
}

static void the_totals_of_a_decision_are_those_of_its_lists(void **state) {
    (void)state;
    uint32_t with_saves = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(24, 8); seed++) {
        problem_case c;
        problem_random(&c, seed, 8 + (uint32_t)seed);
        const dms_decision d = problem_place(&c, problem_floor(&c) + 30 * (seed % 6));
        const dms_problem *p = &c.problem;
        uint64_t peak = 0;
        int64_t stalls = 0, steps = 0;
        for (uint32_t t = 0; t < p->n_steps; t++) {
            const uint64_t bytes = present(p, &d, (int32_t)t);
            peak = bytes > peak ? bytes : peak;
            stalls += d.step_stall_ns[t];
            steps += p->steps[t].ns;
        }
        assert_int_equal(d.live_peak_bytes, peak);
        assert_int_equal(d.device_bytes, highest_end(p, &d));
        assert_int_equal(d.host_bytes, homes(p, &d));
        assert_int_equal(d.compute_ns, steps);
        /* a cycle may settle into two turns that differ: then the last is not the mean */
        assert_true(steps + stalls >= d.period_ns * 9 / 10);
        with_saves += d.n_saves > 1;
        problem_end(&c);
    }
    assert_true(with_saves > 0);
}

static void every_load_and_save_has_the_time_of_its_bytes(void **state) {
    (void)state;
    for (uint64_t seed = 30; seed <= ROUNDS_OF(40, 33); seed++) {
        problem_case c;
        problem_random(&c, seed, 20);
        c.problem.in = (dms_link){.bytes_per_s = 100 * 1000000000ll, .latency_ns = 11};
        c.problem.out = (dms_link){.bytes_per_s = 50 * 1000000000ll, .latency_ns = 5};
        const dms_decision d = problem_place(&c, problem_floor(&c) + 20);
        for (uint32_t q = 0; q < d.n_loads; q++)
            assert_int_equal(d.loads[q].ns,
                             11 + (c.problem.tensors[d.loads[q].tensor].bytes + 99) / 100);
        for (uint32_t q = 0; q < d.n_saves; q++)
            assert_int_equal(d.saves[q].ns,
                             5 + (c.problem.tensors[d.saves[q].tensor].bytes + 49) / 50);
        problem_end(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tensor_of_one_byte_takes_a_unit),
        cmocka_unit_test(a_copy_of_one_byte_takes_a_ns_and_the_latency),
        cmocka_unit_test(with_all_tensors_equal_one_place_streams_one_after_the_other),
        cmocka_unit_test(where_the_link_is_the_limit_each_place_more_is_a_load_less),
        cmocka_unit_test(what_every_step_touches_is_never_copied),
        cmocka_unit_test(an_input_that_every_step_touches_is_loaded_anew_all_the_same),
        cmocka_unit_test(a_cycle_of_one_step_keeps_its_weights),
        cmocka_unit_test(a_cycle_of_one_step_overlaps_its_output_where_two_turns_have_room),
        cmocka_unit_test(two_steps_of_one_place_take_turns),
        cmocka_unit_test(an_activation_leaves_and_comes_back_under_the_steps),
        cmocka_unit_test(an_activation_is_saved_once_however_often_it_comes_back),
        cmocka_unit_test(an_output_is_saved_when_it_is_written_and_stays_for_its_readers),
        cmocka_unit_test(an_output_of_the_last_step_leaves_under_the_next_turn),
        cmocka_unit_test(no_input_comes_before_slot_0_of_its_turn),
        cmocka_unit_test(the_totals_of_a_decision_are_those_of_its_lists),
        cmocka_unit_test(every_load_and_save_has_the_time_of_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
