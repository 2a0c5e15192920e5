/* test_place_predicted.c - with the times of a run: never slower, by these times, than the plan that
 * the predicted times alone make. What a plan takes by other times is found by rounds over all
 * events until nothing moves, which knows nothing of the planner's simulator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"

#define TURNS 16
#define MOST 64 /* steps, loads or saves of a turn */

/* When everything of all turns happens; what begins before turn 0 may begin at 0. */
typedef struct events {
    int64_t opens[TURNS * MOST], ends[TURNS * MOST], arrives[TURNS * MOST], out[TURNS * MOST];
    bool moved;
} events;

static void at_least(events *e, int64_t *time, int64_t value) {
    if (*time < value) {
        *time = value;
        e->moved = true;
    }
}

static void place_copies(events *e, const dms_decision *d, int64_t turn, int64_t n_steps) {
    for (int64_t q = 0; q < d->n_loads; q++) {
        const dms_place_load *load = d->loads + q;
        int64_t *done = e->arrives + turn * d->n_loads + q;
        const int64_t slot = turn * n_steps + load->after + 1;
        at_least(e, done, (turn > 0 || q > 0 ? done[-1] : 0) + load->ns);
        at_least(e, done, (slot < 0 ? 0 : e->opens[slot]) + load->ns);
    }
    for (int64_t q = 0; q < d->n_saves; q++) {
        const dms_place_save *save = d->saves + q;
        int64_t *done = e->out + turn * d->n_saves + q;
        at_least(e, done, (turn > 0 || q > 0 ? done[-1] : 0) + save->ns);
        at_least(e, done, e->ends[turn * n_steps + save->after] + save->ns);
        const int64_t slot = turn * n_steps + save->before;
        if (slot < TURNS * n_steps)
            at_least(e, e->opens + slot, *done);
    }
}

static void place_steps(events *e, const dms_problem *p, const dms_decision *d, int64_t turn) {
    for (int64_t t = 0; t < p->n_steps; t++) {
        const int64_t at = turn * p->n_steps + t;
        at_least(e, e->opens + at, at > 0 ? e->ends[at - 1] : 0);
        at_least(e, e->ends + at, e->opens[at] + p->steps[t].ns);
        for (int64_t q = 0; q < d->n_loads; q++)
            if (d->loads[q].due == t)
                at_least(e, e->ends + at, e->arrives[turn * d->n_loads + q] + p->steps[t].ns);
    }
}

/* The period of a decision by the step times of `p`: half of the last two turns, rounded up. */
static int64_t period_by(const dms_problem *p, const dms_decision *d) {
    static const events NOTHING;
    events e = NOTHING;
    assert_true(p->n_steps <= MOST && d->n_loads <= MOST && d->n_saves <= MOST);
    do {
        e.moved = false;
        for (int64_t turn = 0; turn < TURNS; turn++) {
            place_copies(&e, d, turn, p->n_steps);
            place_steps(&e, p, d, turn);
        }
    } while (e.moved);
    const int64_t last = (int64_t)TURNS * p->n_steps - 1;
    return (e.ends[last] - e.ends[last - 2 * (int64_t)p->n_steps] + 1) / 2;
}

/* The same problem, whose steps take from a third to three times as long. */
static dms_problem run_of(problem_case *c) {
    dms_problem run = c->problem;
    run.steps = DMS_NEW(&c->arena, dms_problem_step, run.n_steps);
    assert_non_null(run.steps);
    for (uint32_t t = 0; t < run.n_steps; t++) {
        run.steps[t] = c->problem.steps[t];
        run.steps[t].ns = run.steps[t].ns * (1 + problem_draw(c, 9)) / 3;
    }
    return run;
}

static dms_decision place(problem_case *c, const dms_problem *problem, const dms_problem *predicted,
                          uint64_t units) {
    const dms_place_options options = {.device_budget = units * UNIT,
                                       .host_budget = UINT64_MAX,
                                       .predicted = predicted,
                                       .without_search = true};
    dms_decision d;
    dms_place_floor floor;
    dms_status st;
    if (dms_place(problem, &options, &c->arena, &d, &floor, &st) != DMS_OK ||
        dms_decision_verify(problem, &d, &c->arena, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return d;
}

static int64_t candidate(const dms_decision *d, const char *name) {
    for (uint32_t i = 0; i < d->n_candidates; i++)
        if (strcmp(d->candidates[i].name, name) == 0)
            return d->candidates[i].period_ns;
    return -1;
}

static void
the_plan_by_predicted_times_stays_where_those_of_the_run_gain_less_than_their_noise(void **state) {
    (void)state;
    uint32_t n_worse = 0, n_same = 0, n_taken = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        problem_case c;
        problem_random(&c, seed, 10 + (uint32_t)seed % 30);
        const dms_problem run = run_of(&c);
        const uint64_t units = problem_floor(&c) + 10 + problem_draw(&c, 120);
        const dms_decision predicted = place(&c, &c.problem, NULL, units);
        assert_int_equal(period_by(&c.problem, &predicted), predicted.period_ns);
        const int64_t limit = period_by(&run, &predicted);
        const dms_decision alone = place(&c, &run, NULL, units);
        const dms_decision both = place(&c, &run, &c.problem, units);
        assert_int_equal(period_by(&run, &both), both.period_ns);
        const bool gains = 1000 * alone.period_ns < 995 * limit;
        assert_int_equal(both.period_ns, gains ? alone.period_ns : limit);
        assert_true(candidate(&both, "predicted") >= both.period_ns);
        assert_int_equal(candidate(&alone, "predicted"), -1);
        n_worse += alone.period_ns > limit;
        n_same += alone.period_ns < limit && !gains;
        n_taken += gains;
        problem_end(&c);
    }
    assert_true(n_worse > 0); /* so there is something that it mends */
    assert_true(n_same > 0 && n_taken > 0);
}

static void times_that_are_the_same_change_nothing(void **state) {
    (void)state;
    problem_case c;
    problem_random(&c, 3, 30);
    const uint64_t units = problem_floor(&c) + 40;
    const dms_decision once = place(&c, &c.problem, NULL, units);
    const dms_decision twice = place(&c, &c.problem, &c.problem, units);
    assert_int_equal(once.period_ns, twice.period_ns);
    assert_int_equal(once.n_loads, twice.n_loads);
    assert_memory_equal(once.loads, twice.loads, once.n_loads * sizeof *once.loads);
    assert_int_equal(candidate(&twice, "predicted"), twice.period_ns);
    problem_end(&c);
}

static void a_budget_below_the_floor_is_refused_as_without(void **state) {
    (void)state;
    problem_case c;
    dms_decision d;
    dms_place_floor floor;
    dms_status st;
    problem_random(&c, 5, 12);
    const uint64_t least = problem_floor(&c) * UNIT;
    const dms_place_options options = {
        .device_budget = least - 1, .host_budget = UINT64_MAX, .predicted = &c.problem};
    assert_int_equal(dms_place(&c.problem, &options, &c.arena, &d, &floor, &st), DMS_EBUDGET);
    assert_int_equal(floor.device_bytes, least);
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_plan_by_predicted_times_stays_where_those_of_the_run_gain_less_than_their_noise),
        cmocka_unit_test(times_that_are_the_same_change_nothing),
        cmocka_unit_test(a_budget_below_the_floor_is_refused_as_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
