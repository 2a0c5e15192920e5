/* test_check_contents.c - P4, P5 and P6: plans that read the wrong bytes, mean something else, or
 * run well once and not twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "support_plan.h"

static int make(void **state) {
    *state = test_malloc(sizeof(case_plan));
    case_make(*state);
    return 0;
}

static int drop(void **state) {
    case_free(*state);
    test_free(*state);
    return 0;
}

/* Waits for x' that a test has taken away are replaced by ones that keep the order. */
static void p4_what_never_arrives_is_not_read(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.body, IN, 1); /* W1[1] -> ring */
    case_refused_with(c, "P4",
                      "command 1 (fc1): reads buffer 3, which does not hold cell 1 of 'W1'");
}

static void p4_a_copy_moves_what_was_put_there(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.prologue, LOAD, 1); /* the home of W1[1] stays empty */
    case_refused_with(c, "P4", "body, queue in, command 1");
}

static void p4_the_prologue_fills_what_turn_0_reads(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.prologue, IN, 0); /* W1[0] -> ring */
    case_refused_with(c, "P4", "command 0 (fc1)");
}

static void p4_a_copy_keeps_tensor_and_cell(void **state) {
    case_plan *c = *state;
    case_cmd(&c->plan.body, IN, 1)->from = B_HOME0;
    case_refused_with(c, "P4", "queue in, command 1: copies 'W1'");
    case_cmd(&c->plan.body, IN, 1)->from = B_X_HOST;
    case_refused_with(c, "P4", "copies 'x' to a buffer of 'W1'");
}

static void p4_a_load_brings_what_its_buffer_holds(void **state) {
    case_plan *c = *state;
    dms_cmd *load = case_cmd(&c->plan.prologue, LOAD, 1);
    load->from = 0; /* cell 0 of W1 */
    case_refused_with(c, "P4", "loads source 0");
    load->from = 2; /* W2 */
    case_refused_with(c, "P4", "loads source 2");
    load->from = 1;
    load->to = B_X_HOST;
    case_refused_with(c, "P4", "'x'");
}

static void p4_an_ended_buffer_holds_nothing(void **state) {
    case_plan *c = *state;
    case_operand(&c->plan.body, 4, 1)->buffer = B_X; /* the workspace of step 3 lay over it */
    case_refused_with(c, "P4", "command 4 (add): reads buffer 4");
}

static void p4_the_ring_holds_one_cell_at_a_time(void **state) {
    case_plan *c = *state;
    dms_operand *weight = case_operand(&c->plan.body, 1, 1);
    *weight = (dms_operand){B_RING0, 0, 1}; /* ended by the copy of W1[1] */
    case_refused_with(c, "P4", "command 1 (fc1): reads buffer 2");
}

static void p4_an_activation_is_made_before_it_is_read(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.body, COMPUTE, 2); /* relu */
    case_refused_with(c, "P4", "'r'");
}

static void p4_every_cell_is_made(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.body, COMPUTE, 1); /* h[1]; in 2 still waits through its queue for c 0 */
    case_wait(case_cmd(&c->plan.body, IN, 2), COMPUTE, 0, 0);
    case_refused_with(c, "P4", "(relu): reads buffer 7, which does not hold cell 1 of 'h'");
}

static void p4_an_activation_comes_back_from_where_it_went(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.body, OUT, 0);
    case_refused_with(c, "P4", "queue in, command 3: reads buffer 13");
}

static void p4_activations_do_not_outlive_their_turn(void **state) {
    case_plan *c = *state;
    /* x' comes back before x has left: in turn 0 there is nothing, later there is an old x. */
    dms_cmd *back = case_cmd(&c->plan.body, IN, 3);
    case_wait(back, OUT, 0, 1);
    case_order(c, &c->plan.body, "10101001022");
    case_wait(case_cmd(&c->plan.body, COMPUTE, 3), OUT, DMS_NONE, 0);
    case_refused_by(c, "P4");
}

static void p4_activations_of_the_prologue_do_not_reach_the_body(void **state) {
    case_plan *c = *state;
    /* r is filled with zeros once, at open, instead of being made in every turn. */
    const dms_operand r = {B_R, 0, 1};
    dms_cmd fill = *case_cmd(&c->plan.body, COMPUTE, 2);
    case_set_call(c, C_RELU,
                  (dms_plan_call){.kernel = DMS_K_FILL,
                                  .n_out = 1,
                                  .n_i = 1,
                                  .view = case_view(c, C_RELU, 1),
                                  .i = (const int64_t[]){0}});
    fill.operand = &r;
    case_remove(&c->plan.body, COMPUTE, 2);
    case_insert(c, &c->plan.prologue, COMPUTE, 0, 0, &fill);
    c->plan.buffer[B_R].offset = c->plan.device_arena; /* nothing ends it */
    c->plan.device_arena += 2048;
    case_refused_with(c, "P4", "reads cell 0 of 'r' in buffer 8, which is left from an earlier");
}

static void p4_ports_are_those_of_the_tensor(void **state) {
    case_plan *c = *state;
    case_cmd(&c->plan.body, OUT, 1)->from = B_Y;
    case_refused_with(c, "P4", "gives 'y' to output 'z'");
    case_cmd(&c->plan.body, OUT, 1)->from = B_Z;
    case_cmd(&c->plan.body, IN, 0)->to = B_Y;
    case_refused_with(c, "P4", "puts input 'x' into a buffer of 'y'");
}

static void p4_weights_and_inputs_are_not_computed(void **state) {
    case_plan *c = *state;
    c->plan.tensor[T_Y].kind = DMS_TENSOR_INPUT;
    case_refused_with(c, "P4", "computes 'y'");
}

static void p4_nobody_reads_in_the_same_turn_what_ran_ahead(void **state) {
    case_plan *c = *state;
    /* On the last turn in 1 would be skipped, and step 1 would read W1[0]. */
    case_cmd(&c->plan.body, IN, 1)->is_ahead = true;
    case_refused_with(c, "P4", "runs ahead");
}

static void p4_commands_ahead_may_read_each_other(void **state) {
    case_plan *c = *state;
    dms_program *body = &c->plan.body;
    /* W1[0] has no home: a load ahead refills the host place, and the copy ahead waits for it. */
    dms_cmd load = *case_cmd(&c->plan.prologue, LOAD, 0);
    load.is_ahead = true;
    case_wait(&load, IN, 2, 1);
    case_insert(c, body, LOAD, 0, 5, &load);
    case_wait(case_cmd(body, IN, 2), LOAD, 0, 0);
    case_accepted(c);
    case_cmd(body, IN, 2)->is_ahead = false;
    case_refused_with(c, "P4", "queue in, command 2");
}

static void p5_another_operand_order_is_another_meaning(void **state) {
    case_plan *c = *state;
    dms_operand *a = case_operand(&c->plan.body, 4, 0), *b = case_operand(&c->plan.body, 4, 1);
    const dms_operand swapped = *a;
    *a = *b;
    *b = swapped;
    case_refused_with(c, "P5", "the commands mean");
}

static void p5_cells_in_the_wrong_place_are_another_meaning(void **state) {
    case_plan *c = *state;
    case_operand(&c->plan.body, 0, 2)->first = 1;
    case_operand(&c->plan.body, 1, 2)->first = 0;
    case_refused_by(c, "P5");
}

static void p5_another_function_is_another_meaning(void **state) {
    case_plan *c = *state;
    *case_param(c, C_RELU, 0) = DMS_FN_NEG;
    case_refused_by(c, "P5");
}

static void p5_other_weights_are_another_meaning(void **state) {
    case_plan *c = *state;
    c->plan.source[1].offset = 0; /* both cells of W1 are its left half */
    case_refused_by(c, "P5");
    c->plan.source[1].offset = 256;
    c->plan.source[2].view.pitch[0] = 1; /* W2 walked column by column */
    c->plan.source[2].view.pitch[1] = 128;
    case_refused_by(c, "P5");
    c->plan.source[2].view.pitch[0] = 64;
    c->plan.source[2].view.pitch[1] = 1;
    c->plan.source[2].valid_last = 1;
    case_refused_by(c, "P5");
    c->plan.source[2].valid_last = 0;
    c->plan.file[0].digest.hi ^= 1;
    case_refused_by(c, "P5");
    c->plan.file[0].digest.hi ^= 1;
    case_accepted(c);
    uint8_t other[256] = {1};
    c->plan.source[3].embedded = other;
    case_refused_by(c, "P5");
}

static void p5_every_output_leaves(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.body, OUT, 1);
    case_refused_with(c, "P5", "output 'z' never leaves");
}

static void p5_a_digest_of_zero_claims_nothing(void **state) {
    case_plan *c = *state;
    const dms_hash before = c->plan.meaning;
    c->plan.meaning = (dms_hash){0, 0};
    *case_param(c, C_RELU, 0) = DMS_FN_NEG;
    case_accepted(c);
    assert_false(dms_hash_equal(c->meaning, before));
}

/* Another placement: x stays on the device, W2 lies elsewhere, names and times differ. */
static void p5_the_meaning_does_not_depend_on_the_placement(void **state) {
    case_plan *c = *state;
    dms_program *body = &c->plan.body;
    case_cmd(body, COMPUTE, 3)->workspace = DMS_NONE;
    case_operand(body, 4, 1)->buffer = B_X;
    case_remove(body, IN, 3);
    case_remove(body, OUT, 0);
    case_wait(case_cmd(body, COMPUTE, 3), OUT, 0, 1); /* z has left before y is written */
    for (uint32_t k = 0; k < N_BUFFERS; k++)
        if (c->plan.buffer[k].arena == DMS_TIER_DEVICE)
            c->plan.buffer[k].offset += 256;
    c->plan.device_arena += 256;
    c->plan.tensor[T_H].name = "another name";
    c->plan.period_ns = 1;
    case_accepted(c); /* against the digest of the old plan */
}

static void p6_what_a_turn_uses_up_it_brings_back(void **state) {
    case_plan *c = *state;
    case_remove(&c->plan.body, IN, 2); /* W1[0] for the next turn */
    case_refused_with(c, "P6",
                      "command 0 (fc1): reads buffer 2, which does not hold cell 0 of 'W1'");
}

static void p6_what_is_kept_is_not_written_over(void **state) {
    case_plan *c = *state;
    /* After its last use W2 gives way to a workspace: fine in turn 0, and never again. */
    const uint32_t work = case_add_buffer(c, (dms_buffer){DMS_NONE, 0, DMS_TIER_DEVICE, 256, 512});
    case_cmd(&c->plan.body, COMPUTE, 4)->workspace = work;
    case_refused_with(c, "P6",
                      "command 3 (fc2): reads buffer 0, which does not hold cell 0 of 'W2'");
}

static void p6_a_home_is_not_written_over(void **state) {
    case_plan *c = *state;
    /* x leaves over the home of W1[1] after that was read. */
    dms_program *body = &c->plan.body;
    c->plan.buffer[B_X_HOST].offset = c->plan.buffer[B_HOME1].offset;
    case_wait(case_cmd(body, OUT, 0), IN, 1, 0);
    case_order(c, body, "10120100102");
    case_refused_with(c, "P6", "queue in, command 1: reads buffer 12");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(p4_what_never_arrives_is_not_read),
        CASE(p4_a_copy_moves_what_was_put_there),
        CASE(p4_the_prologue_fills_what_turn_0_reads),
        CASE(p4_a_copy_keeps_tensor_and_cell),
        CASE(p4_a_load_brings_what_its_buffer_holds),
        CASE(p4_an_ended_buffer_holds_nothing),
        CASE(p4_the_ring_holds_one_cell_at_a_time),
        CASE(p4_an_activation_is_made_before_it_is_read),
        CASE(p4_every_cell_is_made),
        CASE(p4_an_activation_comes_back_from_where_it_went),
        CASE(p4_activations_do_not_outlive_their_turn),
        CASE(p4_activations_of_the_prologue_do_not_reach_the_body),
        CASE(p4_ports_are_those_of_the_tensor),
        CASE(p4_weights_and_inputs_are_not_computed),
        CASE(p4_nobody_reads_in_the_same_turn_what_ran_ahead),
        CASE(p4_commands_ahead_may_read_each_other),
        CASE(p5_another_operand_order_is_another_meaning),
        CASE(p5_cells_in_the_wrong_place_are_another_meaning),
        CASE(p5_another_function_is_another_meaning),
        CASE(p5_other_weights_are_another_meaning),
        CASE(p5_every_output_leaves),
        CASE(p5_a_digest_of_zero_claims_nothing),
        CASE(p5_the_meaning_does_not_depend_on_the_placement),
        CASE(p6_what_a_turn_uses_up_it_brings_back),
        CASE(p6_what_is_kept_is_not_written_over),
        CASE(p6_a_home_is_not_written_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
