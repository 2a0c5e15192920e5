/* test_stalls.c - why compute waits, and for which copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/stalls.h"
#include "support_problem.h"
#include "support_rounds.h"

#define MOST 8

/* A decision written by hand: times alone, as the simulator would give them. */
typedef struct times_case {
    problem_case c;
    dms_decision d;
    int64_t start[MOST], stall[MOST];
    dms_place_load load[MOST];
    dms_place_save save[MOST];
} times_case;

/* Steps of 10 ns one after the other; `stall` holds those that wait. */
static void times_begin(times_case *t, uint32_t n_steps) {
    memset(t, 0, sizeof *t);
    problem_begin(&t->c, n_steps, 10);
    t->d.step_start_ns = t->start;
    t->d.step_stall_ns = t->stall;
    t->d.loads = t->load;
    t->d.saves = t->save;
}

static dms_stalls find(times_case *t) {
    dms_stalls found;
    dms_status st;
    int64_t at = 0;
    t->d.compute_ns = 10 * (int64_t)t->c.problem.n_steps;
    for (uint32_t s = 0; s < t->c.problem.n_steps; s++) {
        t->start[s] = at + t->stall[s];
        at = t->start[s] + 10;
    }
    assert_int_equal(dms_stalls_find(&t->c.problem, &t->d, &t->c.arena, &found, &st), DMS_OK);
    return found;
}

/* Adds a copy of a weight used by `due`, which may begin when step `after` has ended. */
static uint32_t copy(times_case *t, uint32_t due, int32_t after, int64_t start, int64_t ns) {
    const uint32_t w = problem_once(&t->c, DMS_PROBLEM_WEIGHT, 1, due);
    t->load[t->d.n_loads++] =
        (dms_place_load){.tensor = w, .after = after, .due = due, .start_ns = start, .ns = ns};
    return w;
}

static void nothing_waits_where_no_step_does(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 3);
    (void)copy(&t, 2, -1, 0, 5);
    const dms_stalls found = find(&t);
    assert_int_equal(found.n, 0);
    assert_int_equal(found.ns, 0);
    assert_int_equal(found.last_load[2], 0);
    assert_int_equal(found.last_load[1], UINT32_MAX);
    assert_int_equal(found.open_ns[2], 20);
    problem_end(&t.c);
}

/* in       [---- 30 ----][---- 30 ----]   of turns without end: the queue never rests
 * compute  #0 #1 ==10== #2 == 20 == #3 */
static void a_queue_that_never_rests_is_full(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 4);
    t.stall[2] = 10;
    t.stall[3] = 20;
    (void)copy(&t, 2, -3, 0, 30);
    const uint32_t w = copy(&t, 3, -2, 30, 30);
    t.load[0].after = -2;
    t.load[1].ns = 40; /* until the turn of 70 ns is over */
    const dms_stalls found = find(&t);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.stall[0].step, 2);
    assert_int_equal(found.stall[1].step, 3);
    assert_int_equal(found.stall[1].block, w);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(found.stall[i].cause, DMS_STALL_LINK);
        assert_int_equal(found.stall[i].part_ns[DMS_STALL_LINK], found.stall[i].ns);
    }
    assert_int_equal(found.part_ns[DMS_STALL_LINK], 30);
    assert_int_equal(found.ns, 30);
    problem_end(&t.c);
}

/* slot 1 opens at 10: the copy of 25 ns could not begin at 0, where the one of the turn before had
 * ended. It is due at 20 and arrives at 35: of 15 ns waited, 10 are for want of room.
 *
 * in       ..........[-------- 25 ---------]
 * compute  #0        #1        ======15======#2 */
static void idle_time_of_the_queue_is_want_of_room(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 3);
    t.stall[2] = 15;
    (void)copy(&t, 2, 0, 10, 35); /* ends with the turn of 45 ns: no other idle time */
    const dms_stalls found = find(&t);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.stall[0].part_ns[DMS_STALL_ROOM], 10);
    assert_int_equal(found.stall[0].part_ns[DMS_STALL_LINK], 5);
    assert_int_equal(found.stall[0].cause, DMS_STALL_ROOM);
    problem_end(&t.c);
}

/* More idle time than the wait is long counts as far as the wait goes. */
static void no_more_is_want_of_room_than_was_waited(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 4);
    t.stall[3] = 5;
    (void)copy(&t, 3, 1, 20, 15);
    const dms_stalls found = find(&t);
    assert_int_equal(found.stall[0].part_ns[DMS_STALL_ROOM], 5);
    assert_int_equal(found.stall[0].part_ns[DMS_STALL_LINK], 0);
    problem_end(&t.c);
}

/* Idle time before the last stall explains nothing: only what lies between the two counts.
 *
 * in       ....[--16--][-----14-----]
 * compute  #0  #1  =10=#2 == 0 ==... */
static void idle_time_before_the_last_stall_is_forgotten(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 4);
    t.stall[2] = 10; /* step 2 starts at 30, step 3 would at 40 */
    t.stall[3] = 6;
    (void)copy(&t, 2, 0, 10, 20);
    (void)copy(&t, 3, -1, 30, 26); /* ends with the turn of 56 ns */
    const dms_stalls found = find(&t);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.stall[0].part_ns[DMS_STALL_ROOM], 10);
    assert_int_equal(found.stall[1].part_ns[DMS_STALL_ROOM], 0);
    assert_int_equal(found.stall[1].part_ns[DMS_STALL_LINK], 6);
    problem_end(&t.c);
}

/* The stall before the first one is the last one of the turn before: idle time in its tail and in
 * the head of this turn adds up. */
static void idle_time_is_counted_over_the_seam(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 4);
    t.stall[1] = 20; /* step 1 starts at 30, the turn takes 60 */
    (void)copy(&t, 1, 3 - 4, 4, 26);
    /* room at slot 0, that is at 0; the copy before ended at 30 - 60 = -30 */
    t.load[0].start_ns = 0;
    t.load[0].ns = 30;
    const dms_stalls found = find(&t);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.stall[0].part_ns[DMS_STALL_ROOM], 20);
    t.load[0].start_ns = -30;
    t.load[0].ns = 60;
    const dms_stalls busy = find(&t);
    assert_int_equal(busy.stall[0].part_ns[DMS_STALL_ROOM], 0);
    problem_end(&t.c);
}

/* Slot 2 opens only when a copy out has ended, and nothing else is waited for. */
static void a_slot_that_opens_late_waits_for_a_save(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 3);
    const uint32_t y = problem_once(&t.c, DMS_PROBLEM_OUTPUT, 1, 0);
    t.stall[2] = 7;
    t.save[0] = (dms_place_save){.tensor = y, .after = 0, .before = 2, .start_ns = 10, .ns = 17};
    t.d.n_saves = 1;
    const dms_stalls found = find(&t);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.stall[0].cause, DMS_STALL_SAVE);
    assert_int_equal(found.stall[0].block, y);
    assert_int_equal(found.part_ns[DMS_STALL_SAVE], 7);
    assert_int_equal(found.open_ns[2], 27);
    /* where a copy in arrives even later, that one is the cause */
    t.stall[2] = 9;
    const uint32_t w = copy(&t, 2, -3, -10, 39);
    const dms_stalls later = find(&t);
    assert_int_equal(later.stall[0].cause, DMS_STALL_LINK);
    assert_int_equal(later.stall[0].block, w);
    problem_end(&t.c);
}

/* A save of the turn before opens slot 0: before = T. */
static void a_save_of_the_turn_before_opens_a_slot(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 3);
    const uint32_t y = problem_once(&t.c, DMS_PROBLEM_OUTPUT, 1, 2);
    t.stall[0] = 4; /* the steps end at 34, the save at 38: 4 ns into the next turn */
    t.save[0] = (dms_place_save){.tensor = y, .after = 2, .before = 3, .start_ns = 34, .ns = 4};
    t.d.n_saves = 1;
    const dms_stalls found = find(&t);
    assert_int_equal(found.stall[0].step, 0);
    assert_int_equal(found.stall[0].cause, DMS_STALL_SAVE);
    assert_int_equal(found.open_ns[0], 4);
    problem_end(&t.c);
}

/* New inputs cannot come before their inference begins, however much room there is. */
static void waiting_for_new_inputs_is_the_links(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 3);
    const uint32_t x = problem_once(&t.c, DMS_PROBLEM_INPUT, 1, 0);
    t.stall[0] = 6;
    t.load[0] = (dms_place_load){.tensor = x, .after = -1, .due = 0, .start_ns = 0, .ns = 6};
    t.d.n_loads = 1;
    const dms_stalls found = find(&t);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.stall[0].cause, DMS_STALL_LINK);
    assert_int_equal(found.stall[0].block, x);
    assert_int_equal(found.part_ns[DMS_STALL_ROOM], 0);
    problem_end(&t.c);
}

/* Waiting for a reading is no want of room: the copy has its memory. */
static void waiting_for_storage_is_the_links(void **state) {
    (void)state;
    times_case t;
    times_begin(&t, 3);
    t.stall[1] = 20; /* the turn takes 50 */
    (void)copy(&t, 1, -2, 25, 5);
    t.load[0].is_read = true;
    t.load[0].read_start_ns = -25;
    t.load[0].read_ns = 50;
    t.load[0].after = -3;
    const dms_stalls found = find(&t);
    /* memory from slot -2 on, which opened at 30 - 50 = -20: the copy before ended at -20 */
    assert_int_equal(found.part_ns[DMS_STALL_ROOM], 0);
    assert_int_equal(found.part_ns[DMS_STALL_LINK], 20);
    problem_end(&t.c);
}

/* Of any decision: the parts add up to the stalls, and these with the steps to the period; a stall
 * names a copy that is due, or a save. */
static void parts_of_random_decisions_add_up(void **state) {
    (void)state;
    uint32_t n_stalls = 0, n_room = 0;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(40, 14); seed++) {
        problem_case c;
        dms_stalls found;
        dms_status st;
        problem_random(&c, seed, 8 + (uint32_t)seed);
        const uint64_t floor = problem_floor(&c);
        const dms_decision d = problem_place(&c, floor + floor * (seed % 4) / 4);
        assert_int_equal(dms_stalls_find(&c.problem, &d, &c.arena, &found, &st), DMS_OK);
        int64_t sum = 0, parts[DMS_N_STALL_CAUSES] = {0};
        for (uint32_t i = 0; i < found.n; i++) {
            const dms_stall *s = &found.stall[i];
            int64_t all = 0;
            for (int k = 0; k < DMS_N_STALL_CAUSES; k++) {
                assert_true(s->part_ns[k] >= 0);
                assert_true(s->part_ns[k] <= s->part_ns[s->cause]);
                all += s->part_ns[k];
                parts[k] += s->part_ns[k];
            }
            assert_int_equal(all, s->ns);
            assert_int_equal(s->ns, d.step_stall_ns[s->step]);
            assert_true(i == 0 || s->step > s[-1].step);
            assert_true(s->block < c.problem.n_tensors);
            sum += s->ns;
        }
        assert_int_equal(sum, found.ns);
        assert_int_equal(sum + d.compute_ns, d.period_ns);
        for (int k = 0; k < DMS_N_STALL_CAUSES; k++)
            assert_int_equal(parts[k], found.part_ns[k]);
        n_stalls += found.n;
        n_room += found.part_ns[DMS_STALL_ROOM] > 0;
        problem_end(&c);
    }
    assert_true(n_stalls > ROUNDS_OF(100, 20));
    assert_true(n_room > ROUNDS_OF(5, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_waits_where_no_step_does),
        cmocka_unit_test(a_queue_that_never_rests_is_full),
        cmocka_unit_test(idle_time_of_the_queue_is_want_of_room),
        cmocka_unit_test(no_more_is_want_of_room_than_was_waited),
        cmocka_unit_test(idle_time_before_the_last_stall_is_forgotten),
        cmocka_unit_test(idle_time_is_counted_over_the_seam),
        cmocka_unit_test(a_slot_that_opens_late_waits_for_a_save),
        cmocka_unit_test(a_save_of_the_turn_before_opens_a_slot),
        cmocka_unit_test(waiting_for_new_inputs_is_the_links),
        cmocka_unit_test(waiting_for_storage_is_the_links),
        cmocka_unit_test(parts_of_random_decisions_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
