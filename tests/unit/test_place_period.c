/* test_place_period.c - a second simulator, event by event over absolute step numbers, agrees with
 * the promised period; and no slot of a decision holds more than its budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"
#include "support_rounds.h"

#define N_TURNS 40

/* Everything about one decision that unrolls over turns. */
typedef struct replay {
    const dms_problem *p;
    const dms_decision *d;
    int64_t *step_end; /* per turn and step; -1 = not yet */
    int64_t *load_end; /* per turn and load */
    int64_t *save_end; /* per turn and save */
    int64_t storage_free;
} replay;

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The end of a step counted from turn 0; everything before turn 0 ended at 0. */
static int64_t ended(const replay *r, int64_t step) {
    return step < 0 ? 0 : r->step_end[step];
}

/* When slot `slot` (counted from turn 0) opens: the step before it, and saves that wait for it. */
static int64_t opens(const replay *r, int64_t slot) {
    const int64_t n = r->p->n_steps;
    int64_t time = ended(r, slot - 1);
    for (uint32_t q = 0; q < r->d->n_saves; q++) {
        const int64_t turn = (slot - (int64_t)r->d->saves[q].before) / n;
        if (slot >= (int64_t)r->d->saves[q].before && turn * n + r->d->saves[q].before == slot)
            time = later(time, r->save_end[turn * r->d->n_saves + q]);
    }
    return time;
}

/* When the reading that load q of a turn begins with has ended. It waits for the storage, and for
 * the copy that empties its place; what waits for a copy before turn 0 the prologue has read. */
static int64_t read_ended(replay *r, int64_t turn, uint32_t q) {
    const dms_place_load *l = r->d->loads + q;
    const int64_t emptied = turn * (int64_t)r->d->n_loads + l->read_after;
    if (!l->is_read || emptied < 0)
        return 0;
    assert_true(r->load_end[emptied] >= 0);
    r->storage_free = later(r->storage_free, r->load_end[emptied]) + l->read_ns;
    return r->storage_free;
}

/* Runs copies of one turn whose slot has opened, in queue order; each waits for the one before. */
static void run_loads(replay *r, int64_t turn, int64_t now) {
    for (uint32_t q = 0; q < r->d->n_loads; q++) {
        const int64_t at = turn * r->d->n_loads + q;
        const int64_t slot = turn * (int64_t)r->p->n_steps + r->d->loads[q].after + 1;
        if (r->load_end[at] >= 0)
            continue;
        if (slot > now || (at > 0 && r->load_end[at - 1] < 0))
            return;
        const int64_t open = later(slot < 0 ? 0 : opens(r, slot), read_ended(r, turn, q));
        r->load_end[at] = later(at > 0 ? r->load_end[at - 1] : 0, open) + r->d->loads[q].ns;
    }
}

static void run_saves(replay *r, int64_t turn, int64_t ended_step) {
    for (uint32_t q = 0; q < r->d->n_saves; q++) {
        const int64_t at = turn * r->d->n_saves + q;
        const int64_t step = turn * (int64_t)r->p->n_steps + r->d->saves[q].after;
        if (r->save_end[at] >= 0)
            continue;
        if (step > ended_step || (at > 0 && r->save_end[at - 1] < 0))
            return;
        r->save_end[at] =
            later(at > 0 ? r->save_end[at - 1] : 0, ended(r, step)) + r->d->saves[q].ns;
    }
}

/* The mean period of the second half of N_TURNS turns, x 2 for the rounding. */
static int64_t replayed(problem_case *c, const dms_decision *d) {
    const int64_t n = c->problem.n_steps;
    replay r = {.p = &c->problem, .d = d};
    r.step_end = DMS_NEW(&c->arena, int64_t, (uint64_t)(n * N_TURNS));
    r.load_end = DMS_NEW(&c->arena, int64_t, (uint64_t)d->n_loads * (N_TURNS + 1) + 1);
    r.save_end = DMS_NEW(&c->arena, int64_t, (uint64_t)d->n_saves * N_TURNS + 1);
    memset(r.load_end, -1, ((size_t)d->n_loads * (N_TURNS + 1) + 1) * sizeof *r.load_end);
    memset(r.save_end, -1, ((size_t)d->n_saves * N_TURNS + 1) * sizeof *r.save_end);
    for (int64_t s = 0; s < n * N_TURNS; s++) {
        const int64_t turn = s / n;
        for (int64_t k = turn > 0 ? turn - 1 : 0; k <= turn; k++)
            run_saves(&r, k, s - 1);
        run_loads(&r, turn, s);
        if (turn + 1 < N_TURNS)
            run_loads(&r, turn + 1, s);
        int64_t start = opens(&r, s);
        for (uint32_t q = 0; q < d->n_loads; q++)
            if (d->loads[q].due == (uint32_t)(s % n)) {
                assert_true(r.load_end[turn * d->n_loads + q] >= 0);
                start = later(start, r.load_end[turn * d->n_loads + q]);
            }
        r.step_end[s] = start + c->problem.steps[s % n].ns;
    }
    return (r.step_end[n * N_TURNS - 1] - r.step_end[n * N_TURNS / 2 - 1]) * 2 / N_TURNS;
}

static void a_second_simulator_agrees_with_the_period(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(25, 8); seed++) {
        problem_case c;
        problem_random(&c, seed, 6 + (uint32_t)seed);
        const uint64_t floor = problem_floor(&c);
        for (uint64_t extra = 0; extra < 300; extra += 75) {
            const dms_decision d = problem_place(&c, floor + extra);
            const int64_t period = replayed(&c, &d);
            assert_in_range(period, d.period_ns - 1 - d.period_ns / 20000,
                            d.period_ns + 1 + d.period_ns / 20000);
        }
        problem_end(&c);
    }
}

static void it_agrees_as_well_where_homes_are_on_storage(void **state) {
    (void)state;
    uint32_t n_read = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(25, 8); seed++) {
        problem_case c;
        problem_random(&c, seed, 6 + (uint32_t)seed);
        problem_store(&c);
        c.problem.load.bytes_per_s /= 1 + (int64_t)seed % 4;
        dms_place_options options = {.device_budget = problem_floor(&c) * UNIT,
                                     .host_budget = UINT64_MAX};
        options.host_budget = problem_floors(&c, &options).host_bytes;
        for (uint64_t extra = 0; extra < 300; extra += 75) {
            const dms_decision d = problem_place_with(&c, &options);
            const int64_t period = replayed(&c, &d);
            assert_in_range(period, d.period_ns - 1 - d.period_ns / 20000,
                            d.period_ns + 1 + d.period_ns / 20000);
            n_read += d.n_read;
            options.device_budget += 20 * UNIT;
            options.host_budget += 30 * UNIT;
        }
        problem_end(&c);
    }
    assert_true(n_read > ROUNDS_OF(100, 30));
}

/* Bytes that a tensor takes, rounded up. */
static uint64_t rounded(uint64_t bytes) {
    return (bytes + UNIT - 1) / UNIT * UNIT;
}

static void no_slot_holds_more_than_the_arena(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(25, 8); seed++) {
        problem_case c;
        problem_random(&c, seed, 8 + (uint32_t)seed % 9);
        const dms_decision d = problem_place(&c, problem_floor(&c) + 5 * seed);
        const int32_t n = (int32_t)c.problem.n_steps;
        uint64_t peak = 0;
        for (int32_t t = 0; t < n; t++) {
            uint64_t held = rounded(c.problem.steps[t].scratch_bytes);
            for (uint32_t i = 0; i < d.n_residencies; i++)
                for (int32_t s = d.residencies[i].first_slot; s <= d.residencies[i].last_slot; s++)
                    if ((s + n) % n == t)
                        held += rounded(c.problem.tensors[d.residencies[i].tensor].bytes);
            peak = held > peak ? held : peak;
        }
        assert_int_equal(peak, d.live_peak_bytes);
        assert_true(peak <= d.device_bytes && d.device_bytes <= d.device_budget);
        problem_end(&c);
    }
}

static void every_touch_finds_its_tensor_there(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(25, 8); seed++) {
        problem_case c;
        problem_random(&c, seed, 8 + (uint32_t)seed % 9);
        const dms_decision d = problem_place(&c, problem_floor(&c) + 5 * seed);
        const int32_t n = (int32_t)c.problem.n_steps;
        for (uint32_t i = 0; i < c.problem.n_tensors; i++)
            for (uint32_t k = 0; k < c.problem.tensors[i].n_touches; k++) {
                const int32_t touch =
                    (int32_t)c.problem.touches[c.problem.tensors[i].first_touch + k];
                uint32_t there = 0;
                for (uint32_t r = 0; r < d.n_residencies; r++)
                    for (int32_t s = d.residencies[r].first_slot; s <= d.residencies[r].last_slot;
                         s++)
                        there += d.residencies[r].tensor == i && (s + n) % n == touch;
                assert_int_equal(there, 1);
            }
        problem_end(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_simulator_agrees_with_the_period),
        cmocka_unit_test(it_agrees_as_well_where_homes_are_on_storage),
        cmocka_unit_test(no_slot_holds_more_than_the_arena),
        cmocka_unit_test(every_touch_finds_its_tensor_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
