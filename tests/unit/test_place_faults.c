/* test_place_faults.c - a decision written by hand is right; each fault planted in it is found by
 * its kind.
 *
 *   slot           0  1  2  3  4  5     units
 *   x input        =  *                 0        loaded after -1, due 1
 *   w weight          =  *  .  .  *     1..2     gap 2..5 kept, gap 5..8 loaded after 0, due 2
 *   k weight       .  .  .  *  .  .     3        kept
 *   a activation   *  s     =  *        4..5     saved after 0 before 2, loaded after 2, due 4
 *   y output       s              *     6        saved after 5, before 7 = slot 1 of the next turn
 *   v weight       .  *  *  .  .  .     7        kept; its first gap holds no slot
 *   scratch                 *           0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"

enum { X, W, K, A, Y, V };
enum { LOAD_X, LOAD_W, LOAD_A, N_LOADS };
enum { SAVE_A, SAVE_Y, N_SAVES };
enum { RES_X, RES_W, RES_K, RES_A, RES_A_BACK, RES_Y, RES_V, N_RES };

/* The decision and room for what damage adds. */
typedef struct by_hand {
    uint8_t keep[9];
    dms_place_load load[N_LOADS + 1];
    dms_place_save save[N_SAVES + 1];
    dms_place_residency res[N_RES + 1];
    uint64_t scratch[6];
    dms_decision d;
} by_hand;

static void make_problem(problem_case *c) {
    problem_begin(c, 6, 10);
    problem_once(c, DMS_PROBLEM_INPUT, 1, 1);
    problem_add(c, DMS_PROBLEM_WEIGHT, 2, 2, (const uint32_t[]){2, 5});
    problem_once(c, DMS_PROBLEM_WEIGHT, 1, 3);
    problem_add(c, DMS_PROBLEM_ACTIVATION, 2, 2, (const uint32_t[]){0, 4});
    problem_once(c, DMS_PROBLEM_OUTPUT, 1, 5);
    problem_add(c, DMS_PROBLEM_WEIGHT, 1, 2, (const uint32_t[]){1, 2});
    c->problem.steps[3].scratch_bytes = UNIT;
}

static void make_decision(by_hand *h) {
    *h = (by_hand){
        .keep = {0, 1, 0, 1, 0, 0, 0, 1, 1},
        .load = {{.tensor = X, .gap = 0, .after = -1, .due = 1},
                 {.tensor = W, .gap = 1, .after = 0, .due = 2},
                 {.tensor = A, .gap = 0, .after = 2, .due = 4}},
        .save = {{.tensor = A, .after = 0, .before = 2}, {.tensor = Y, .after = 5, .before = 7}},
        .res = {{X, 0, 0, 1, 0},
                {W, 1, 1, 5, 1 * UNIT},
                {K, DMS_PLACE_PRODUCED, 0, 5, 3 * UNIT},
                {A, DMS_PLACE_PRODUCED, 0, 1, 4 * UNIT},
                {A, 0, 3, 4, 4 * UNIT},
                {Y, DMS_PLACE_PRODUCED, 5, 6, 6 * UNIT},
                {V, DMS_PLACE_PRODUCED, 0, 5, 7 * UNIT}},
    };
    h->d = (dms_decision){.device_budget = 8 * UNIT,
                          .host_budget = 4 * UNIT,
                          .host_bytes = 4 * UNIT, /* W has its home there, A comes back */
                          .keep = h->keep,
                          .loads = h->load,
                          .n_loads = N_LOADS,
                          .saves = h->save,
                          .n_saves = N_SAVES,
                          .residencies = h->res,
                          .n_residencies = N_RES,
                          .scratch_offset = h->scratch,
                          .compute_ns = 60,
                          .bound_ns = 60,
                          .period_ns = 60};
}

/* A fault, and what the verifier must say about it. */
typedef struct fault {
    void (*plant)(by_hand *h);
    const char *says;
} fault;

static void check_faults(const fault *faults, size_t n) {
    problem_case c;
    make_problem(&c);
    for (size_t i = 0; i < n; i++) {
        by_hand h;
        dms_status st = {0};
        make_decision(&h);
        faults[i].plant(&h);
        assert_int_equal(dms_decision_verify(&c.problem, &h.d, &c.arena, &st), DMS_EPLAN);
        if (!strstr(st.msg, faults[i].says))
            fail_msg("fault %zu: wanted '%s', got '%s'", i, faults[i].says, st.msg);
    }
    problem_end(&c);
}

#define CHECK_FAULTS(table) check_faults(table, sizeof(table) / sizeof *(table))

static void swap_loads(by_hand *h, uint32_t i, uint32_t j) {
    const dms_place_load kept = h->load[i];
    h->load[i] = h->load[j];
    h->load[j] = kept;
}

static void load_of_nothing(by_hand *h) {
    h->load[LOAD_W].tensor = 6;
}
static void load_of_gap_2(by_hand *h) {
    h->load[LOAD_W].gap = 2;
}
static void load_of_output(by_hand *h) {
    h->load[LOAD_A] = (dms_place_load){.tensor = Y, .after = 4, .due = 5};
}
static void load_of_a_gap_without_slots(by_hand *h) {
    h->load[LOAD_W] = (dms_place_load){.tensor = V, .gap = 0, .after = 1, .due = 2};
}
static void load_twice(by_hand *h) {
    h->load[LOAD_W] = h->load[LOAD_X];
}
static void load_due_late(by_hand *h) {
    h->load[LOAD_W].due = 3;
}
static void load_before_its_gap(by_hand *h) {
    h->load[LOAD_W].after = -2; /* step 5 of the turn before is -1 */
}
static void load_behind_its_gap(by_hand *h) {
    h->load[LOAD_W].after = 2;
}
static void input_of_the_turn_before(by_hand *h) {
    h->load[LOAD_X].after = -2;
}
static void queue_that_waits_for_itself(by_hand *h) {
    swap_loads(h, LOAD_X, LOAD_A); /* slot 3 opens after step 1, which waits for x behind it */
}
static void load_left_out(by_hand *h) {
    h->d.n_loads--;
}
static void activation_that_was_not_saved(by_hand *h) {
    h->save[SAVE_A] = h->save[SAVE_Y];
    h->d.n_saves = 1;
}
static void load_before_the_save_ends(by_hand *h) {
    h->save[SAVE_A].before = 4; /* the load may begin in slot 3 */
}

static void loads_are_of_real_gaps_and_begin_inside_them(void **state) {
    (void)state;
    const fault faults[] = {
        {load_of_nothing, "load 1 (tensor 6, gap 1): no such tensor"},
        {load_of_gap_2, "load 1 (tensor 1, gap 2): no such gap"},
        {load_of_output, "load 2 (tensor 4, gap 0): no such gap"},
        {load_of_a_gap_without_slots, "load 1 (tensor 5, gap 0): no such gap"},
        {load_twice, "a second load of the same gap"},
        {load_due_late, "due at another step"},
        {load_before_its_gap, "outside its gap"},
        {load_behind_its_gap, "outside its gap"},
        {input_of_the_turn_before, "before the input of its turn"},
        {queue_that_waits_for_itself, "behind a load that begins after its use"},
        {load_left_out, "tensor 3: a gap that is both kept and loaded, or neither"},
        {activation_that_was_not_saved, "its tensor was never saved"},
        {load_before_the_save_ends, "it may begin before the save has ended"},
    };
    CHECK_FAULTS(faults);
}

static void save_of_nothing(by_hand *h) {
    h->save[SAVE_A].tensor = 6;
}
static void save_of_a_weight(by_hand *h) {
    h->save[SAVE_A].tensor = K;
}
static void save_of_an_input(by_hand *h) {
    h->save[SAVE_A].tensor = X;
}
static void save_twice(by_hand *h) {
    h->save[SAVE_Y] = h->save[SAVE_A];
}
static void save_before_it_is_written(by_hand *h) {
    h->save[SAVE_Y].after = 4;
}
static void save_that_ends_when_it_begins(by_hand *h) {
    h->save[SAVE_A].before = 0;
}
static void save_of_two_turns(by_hand *h) {
    h->save[SAVE_Y].before = 12;
}
static void save_behind_a_later_one(by_hand *h) {
    const dms_place_save kept = h->save[SAVE_A];
    h->save[SAVE_A] = h->save[SAVE_Y];
    h->save[SAVE_Y] = kept;
}
static void output_that_stays(by_hand *h) {
    h->d.n_saves = 1;
}

static void saves_are_of_what_is_made_and_in_order(void **state) {
    (void)state;
    const fault faults[] = {
        {save_of_nothing, "save 0: no such tensor"},
        {save_of_a_weight, "tensor 2: saved twice, or cannot be saved"},
        {save_of_an_input, "tensor 0: saved twice, or cannot be saved"},
        {save_twice, "tensor 3: saved twice"},
        {save_before_it_is_written, "tensor 4: saved in no possible slots"},
        {save_that_ends_when_it_begins, "tensor 3: saved in no possible slots"},
        {save_of_two_turns, "tensor 4: saved in no possible slots"},
        {save_behind_a_later_one, "tensor 3: its save stands behind one that begins later"},
        {output_that_stays, "tensor 4: an output that is never saved"},
    };
    CHECK_FAULTS(faults);
}

static void gap_neither(by_hand *h) {
    h->keep[1] = 0; /* w, gap 0 */
}
static void gap_both(by_hand *h) {
    h->keep[2] = 1; /* w, gap 1 */
}
static void input_kept_over_its_wrap(by_hand *h) {
    h->keep[0] = 1;
}

static void every_gap_is_decided_once(void **state) {
    (void)state;
    const fault faults[] = {
        {gap_neither, "tensor 1: a gap that is both kept and loaded, or neither"},
        {gap_both, "tensor 1: a gap that is both kept and loaded, or neither"},
        {input_kept_over_its_wrap, "tensor 0: a gap that is both kept and loaded, or neither"},
    };
    CHECK_FAULTS(faults);
}

static void residency_of_a_kept_gap(by_hand *h) {
    h->res[RES_W].gap = 0;
}
static void residency_of_no_gap(by_hand *h) {
    h->res[RES_W].gap = 2;
}
static void residency_of_the_cycle_with_a_load(by_hand *h) {
    h->res[RES_W] = (dms_place_residency){W, DMS_PLACE_PRODUCED, 0, 5, UNIT};
}
static void residency_behind_its_load(by_hand *h) {
    h->res[RES_W].first_slot = 2;
}
static void residency_that_ends_at_its_first_touch(by_hand *h) {
    h->res[RES_W].last_slot = 2;
}
static void residency_given_up_while_it_is_saved(by_hand *h) {
    h->res[RES_Y].last_slot = 5;
}
static void residency_kept_over_a_gap_it_leaves(by_hand *h) {
    h->res[RES_A].last_slot = 4;
}
static void kept_weight_of_half_a_cycle(by_hand *h) {
    h->res[RES_K].first_slot = 3;
}
static void residencies_alike(by_hand *h) {
    h->res[RES_A_BACK] = h->res[RES_A];
}
static void residency_left_out_at_the_end(by_hand *h) {
    h->d.n_residencies--;
}
static void residency_left_out_inside(by_hand *h) {
    memmove(h->res + RES_A_BACK, h->res + RES_Y, 2 * sizeof *h->res);
    h->d.n_residencies--;
}
static void residency_out_of_order(by_hand *h) {
    h->res[N_RES] = h->res[RES_X];
    h->d.n_residencies++;
}

static void residencies_follow_from_the_copies(void **state) {
    (void)state;
    const fault faults[] = {
        {residency_of_a_kept_gap, "tensor 1: a residency that nothing begins"},
        {residency_of_no_gap, "tensor 1: a residency that nothing begins"},
        {residency_of_the_cycle_with_a_load, "tensor 1: a whole cycle, but a load ends one"},
        {residency_behind_its_load, "tensor 1: a residency of other slots"},
        {residency_that_ends_at_its_first_touch, "tensor 1: a residency of other slots"},
        {residency_given_up_while_it_is_saved, "tensor 4: a residency of other slots"},
        {residency_kept_over_a_gap_it_leaves, "tensor 3: a residency of other slots"},
        {kept_weight_of_half_a_cycle, "tensor 2: a residency of other slots"},
        {residencies_alike, "tensor 3: two residencies begin alike"},
        {residency_left_out_at_the_end, "tensor 5: residencies are missing"},
        {residency_left_out_inside, "tensor 3: residencies are missing"},
        {residency_out_of_order, "residencies are not sorted"},
    };
    CHECK_FAULTS(faults);
}

static void offset_between_units(by_hand *h) {
    h->res[RES_Y].offset += 128;
}
static void offset_whose_end_passes_the_budget(by_hand *h) {
    h->res[RES_W].offset = 7 * UNIT;
}
static void offset_whose_end_passes_64_bits(by_hand *h) {
    h->res[RES_W].offset = UINT64_MAX - 255;
}
static void scratch_between_units(by_hand *h) {
    h->scratch[3] = 1;
}
static void scratch_outside(by_hand *h) {
    h->scratch[3] = 8 * UNIT;
}
static void budget_below_the_offsets(by_hand *h) {
    h->d.device_budget = 8 * UNIT - 1;
}
static void scratch_on_a_resident(by_hand *h) {
    h->scratch[3] = 2 * UNIT;
}
static void output_on_an_activation_over_the_seam(by_hand *h) {
    h->res[RES_Y].offset = 4 * UNIT; /* slot 6 is slot 0 of the next turn, where `a` is made */
}
static void load_on_what_is_not_yet_gone(by_hand *h) {
    h->res[RES_W].offset = 0; /* x lies there until slot 1 */
}
static void kept_weights_on_each_other(by_hand *h) {
    h->res[RES_V].offset = 3 * UNIT;
}

static void addresses_are_aligned_inside_and_apart(void **state) {
    (void)state;
    const fault faults[] = {
        {offset_between_units, "tensor 4: an offset that is not aligned or outside"},
        {offset_whose_end_passes_the_budget, "tensor 1: an offset that is not aligned or outside"},
        {offset_whose_end_passes_64_bits, "tensor 1: an offset that is not aligned or outside"},
        {scratch_between_units, "scratch of step 3: outside the budget"},
        {scratch_outside, "scratch of step 3: outside the budget"},
        {budget_below_the_offsets, "tensor 5: an offset that is not aligned or outside"},
        {scratch_on_a_resident, "scratch of step 3: overlaps another range in slots 3..3"},
        {output_on_an_activation_over_the_seam, "tensor 4: overlaps another range in slots 5..6"},
        {load_on_what_is_not_yet_gone, "tensor 1: overlaps another range in slots 1..5"},
        {kept_weights_on_each_other, "tensor 5: overlaps another range in slots 0..5"},
    };
    CHECK_FAULTS(faults);
}

static void bound_below_the_steps(by_hand *h) {
    h->d.bound_ns = 59;
}
static void period_below_the_bound(by_hand *h) {
    h->d.period_ns = 59;
}

static void compute_bound_and_period_are_in_order(void **state) {
    (void)state;
    const fault faults[] = {
        {bound_below_the_steps, "not in this order"},
        {period_below_the_bound, "not in this order"},
    };
    CHECK_FAULTS(faults);
}

static void is_right(const problem_case *c, by_hand *h) {
    dms_arena arena = {0};
    dms_status st = {0};
    if (dms_decision_verify(&c->problem, &h->d, &arena, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_arena_free(&arena);
}

static void the_decision_by_hand_is_right_as_it_stands(void **state) {
    (void)state;
    problem_case c;
    by_hand h;
    make_problem(&c);
    make_decision(&h);
    is_right(&c, &h);
    problem_end(&c);
}

/* Each differs from the decision above by something that no rule forbids. */
static void what_is_allowed_is_not_refused(void **state) {
    (void)state;
    problem_case c;
    by_hand h;
    make_problem(&c);
    make_decision(&h);
    h.load[LOAD_W].after = -1; /* the very end of step 5, at which its gap begins */
    h.res[RES_W].first_slot = 0;
    is_right(&c, &h);
    make_decision(&h);
    h.save[SAVE_A].before = 3; /* the load may begin in the slot that the save opens */
    h.res[RES_A].last_slot = 2;
    is_right(&c, &h);
    make_decision(&h);
    h.save[SAVE_Y].before = 6; /* slot 0 of the next turn waits for it: gone by then */
    h.res[RES_Y].last_slot = 5;
    h.res[RES_Y].offset = 4 * UNIT; /* so it may lie where `a` was made */
    is_right(&c, &h);
    make_decision(&h);
    swap_loads(&h, LOAD_X, LOAD_W); /* slot 1 opens before x is due */
    is_right(&c, &h);
    make_decision(&h);
    h.scratch[0] = 77; /* a step without scratch has no offset that matters */
    is_right(&c, &h);
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decision_by_hand_is_right_as_it_stands),
        cmocka_unit_test(what_is_allowed_is_not_refused),
        cmocka_unit_test(loads_are_of_real_gaps_and_begin_inside_them),
        cmocka_unit_test(saves_are_of_what_is_made_and_in_order),
        cmocka_unit_test(every_gap_is_decided_once),
        cmocka_unit_test(residencies_follow_from_the_copies),
        cmocka_unit_test(addresses_are_aligned_inside_and_apart),
        cmocka_unit_test(compute_bound_and_period_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
