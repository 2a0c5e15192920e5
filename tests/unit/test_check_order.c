/* test_check_order.c - P2 and P3: plans whose queues deadlock, carry the wrong things, or race. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* The good plan again, after a test has broken it. */
static dms_program *fresh(case_plan *c) {
    case_free(c);
    case_make(c);
    return &c->plan.body;
}

static void p2_a_wait_names_a_command_that_signals(void **state) {
    case_plan *c = *state;
    case_cmd(&c->plan.body, IN, 1)->is_signal = false; /* compute 1 waits for it */
    case_refused_with(c, "P2", "queue compute, command 1 (fc1): waits for in 1");
}

static void p2_commands_that_wait_for_each_other_have_no_order(void **state) {
    case_plan *c = *state;
    case_wait(case_cmd(&c->plan.body, COMPUTE, 3), IN, 3, 0); /* which waits for compute 3 */
    case_refused_with(c, "P2", "submitted later");
}

static void p2_a_cycle_through_queue_order_is_one_too(void **state) {
    case_plan *c = *state;
    /* in 1 waits for compute 2, which stands behind compute 1, which waits for in 1. */
    case_wait(case_cmd(&c->plan.body, IN, 1), COMPUTE, 2, 0);
    case_refused_with(c, "P2", "submitted later");
}

static void p2_the_submission_order_is_topological(void **state) {
    case_plan *c = *state;
    /*              in0 out0 c0 in1 c1 in2 c2 c3 in3 c4 out1 is right; here c0 comes before in0. */
    case_order(c, &c->plan.body, "01210100102");
    case_refused_with(c, "P2", "waits for in 0");
}

static void p2_a_wait_for_the_turn_before_needs_no_order(void **state) {
    case_plan *c = *state;
    case_wait(case_cmd(&c->plan.body, IN, 0), COMPUTE, 4, 1);
    case_accepted(c);
    case_wait(case_cmd(&c->plan.body, IN, 0), COMPUTE, 4, 0);
    case_refused_with(c, "P2", "waits for compute 4");
}

static void p2_the_prologue_has_an_order_too(void **state) {
    case_plan *c = *state;
    case_order(c, &c->plan.prologue, "133331");
    case_refused_with(c, "P2", "prologue, queue in, command 0");
}

static void p2_each_queue_carries_its_own_direction(void **state) {
    case_plan *c = *state;
    static const struct {
        dms_queue queue;
        uint32_t cmd;
        dms_cmd_kind kind;
        uint32_t from, to;
    } wrong[] = {
        {IN, 3, DMS_CMD_COPY, B_X, B_X_HOST},    /* device -> host */
        {IN, 3, DMS_CMD_COPY, B_X, B_X_BACK},    /* device -> device */
        {IN, 0, DMS_CMD_FROM_USER, 0, B_X_HOST}, /* user -> host */
        {IN, 1, DMS_CMD_LOAD, 1, B_RING1},       /* file -> device */
        {IN, 1, DMS_CMD_TO_USER, B_Z, 0},        /* device -> user */
        {OUT, 0, DMS_CMD_COPY, B_X_HOST, B_X},   /* host -> device */
        {OUT, 0, DMS_CMD_COPY, B_X_HOST, B_X_HOST}, {OUT, 0, DMS_CMD_FROM_USER, 0, B_X},
        {OUT, 1, DMS_CMD_TO_USER, B_X_HOST, 0}, /* host -> user */
        {COMPUTE, 2, DMS_CMD_COPY, B_X_HOST, B_X},
    };
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        dms_cmd *cmd = case_cmd(fresh(c), wrong[k].queue, wrong[k].cmd);
        cmd->kind = wrong[k].kind;
        cmd->from = wrong[k].from;
        cmd->to = wrong[k].to;
        case_refused_with(c, "P2", "does not carry");
    }
}

static void p2_calls_run_on_the_compute_queue(void **state) {
    case_plan *c = *state;
    const dms_cmd call = *case_cmd(&c->plan.body, COMPUTE, 2);
    case_insert(c, &c->plan.body, IN, 4, 11, &call);
    case_refused_with(c, "P2", "queue in, command 4");
}

static void p2_the_store_queue_is_empty(void **state) {
    case_plan *c = *state;
    const dms_cmd copy = *case_cmd(&c->plan.body, OUT, 0);
    case_insert(c, &c->plan.body, DMS_QUEUE_STORE, 0, 11, &copy);
    case_refused_with(c, "P2", "queue store");
}

static void p2_user_memory_belongs_to_turns(void **state) {
    case_plan *c = *state;
    const dms_cmd input = *case_cmd(&c->plan.body, IN, 0);
    case_insert(c, &c->plan.prologue, IN, 2, 6, &input);
    case_wait(case_cmd(&c->plan.prologue, IN, 2), COMPUTE, DMS_NONE, 0);
    case_refused_with(c, "P2", "prologue, queue in, command 2");
    (void)fresh(c);
    const dms_cmd output = *case_cmd(&c->plan.body, OUT, 1);
    case_insert(c, &c->plan.prologue, OUT, 0, 6, &output);
    case_wait(case_cmd(&c->plan.prologue, OUT, 0), COMPUTE, DMS_NONE, 0);
    case_refused_with(c, "P2", "prologue, queue out, command 0");
}

static void p2_a_load_reaches_the_device_only_in_the_prologue_of_a_cpu(void **state) {
    case_plan *c = *state;
    c->plan.device_kind = 1; /* cuda: load 2 writes W2 straight into the arena */
    c->plan.host_budget = c->plan.host_arena += dms_plan_stage_all(&c->plan);
    case_refused_with(c, "P2", "prologue, queue load, command 2");
    (void)fresh(c);
    const dms_cmd load = *case_cmd(&c->plan.prologue, LOAD, 2);
    case_insert(c, &c->plan.body, LOAD, 0, 0, &load);
    case_refused_with(c, "P2", "body, queue load, command 0");
}

static void p2_only_weights_run_ahead(void **state) {
    case_plan *c = *state;
    static const struct {
        dms_queue queue;
        uint32_t cmd;
    } other[] = {{IN, 0}, {IN, 3}, {OUT, 0}, {OUT, 1}, {COMPUTE, 4}};
    for (size_t k = 0; k < sizeof other / sizeof other[0]; k++) {
        case_cmd(fresh(c), other[k].queue, other[k].cmd)->is_ahead = true;
        case_refused_with(c, "P2", "ahead");
    }
    (void)fresh(c);
    case_cmd(&c->plan.prologue, IN, 0)->is_ahead = true;
    case_refused_with(c, "P2", "prologue");
}

/* Every wait of the good plan but one is needed: without it, two commands race. */
static void p3_a_wait_less_is_a_race(void **state) {
    case_plan *c = *state;
    static const struct {
        dms_queue queue;
        uint32_t cmd;
        dms_queue on;
        const char *words;
    } race[] = {
        {COMPUTE, 0, IN, "not ordered after in 0 of this turn"},   /* x may not have arrived */
        {COMPUTE, 1, IN, "not ordered after in 1 of this turn"},   /* nor W1[1] */
        {COMPUTE, 4, IN, "not ordered after in 3 of this turn"},   /* nor x' */
        {COMPUTE, 3, OUT, "not ordered after out 0 of this turn"}, /* workspace over leaving x */
        {OUT, 0, IN, "not ordered after in 0 of this turn"},
        {OUT, 1, COMPUTE, "not ordered after compute 4 of this turn"}, /* z may not be ready */
        {IN, 1, COMPUTE, "not ordered after compute 0 of this turn"},  /* W1[0] still read */
        {IN, 2, COMPUTE, "not ordered after compute 1 of this turn"},  /* W1[1] still read */
        {IN, 3, COMPUTE, "not ordered after compute 3 of this turn"},  /* x' over the workspace */
        {IN, 0, COMPUTE, "not ordered after compute 4 of the turn before"}, /* x over x' */
    };
    for (size_t k = 0; k < sizeof race / sizeof race[0]; k++) {
        dms_cmd *cmd = case_cmd(fresh(c), race[k].queue, race[k].cmd);
        assert_int_not_equal(cmd->wait_cmd[race[k].on], DMS_NONE);
        case_wait(cmd, race[k].on, DMS_NONE, 0);
        case_refused_with(c, "P3", race[k].words);
    }
}

static void p3_order_through_other_queues_counts(void **state) {
    case_plan *c = *state;
    /* in 3 waits for compute 3, which waits for out 0: waiting for out 0 as well adds nothing. */
    case_wait(case_cmd(&c->plan.body, IN, 3), OUT, DMS_NONE, 0);
    case_accepted(c);
}

static void p3_a_wait_for_an_earlier_command_is_not_enough(void **state) {
    case_plan *c = *state;
    case_wait(case_cmd(&c->plan.body, IN, 2), COMPUTE, 0, 0); /* W1[1] is read by compute 1 */
    case_refused_with(c, "P3", "compute 1");
}

static void p3_a_wait_for_the_turn_before_is_not_enough(void **state) {
    case_plan *c = *state;
    case_wait(case_cmd(&c->plan.body, COMPUTE, 1), IN, 1, 1);
    case_refused_with(c, "P3", "in 1");
}

static void p3_the_prologue_races_too(void **state) {
    case_plan *c = *state;
    case_wait(case_cmd(&c->plan.prologue, IN, 0), LOAD, DMS_NONE, 0);
    case_refused_with(c, "P3", "prologue, queue in, command 0");
}

static void p3_the_body_begins_when_the_prologue_has_ended(void **state) {
    case_plan *c = *state;
    /* No command of the body waits for the loads of the prologue, and none has to. */
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < c->plan.body.n_cmds[q]; k++)
            assert_int_equal(c->plan.body.cmd[q][k].wait_cmd[LOAD], DMS_NONE);
    case_accepted(c);
}

static void p3_part_of_a_buffer_is_enough_for_a_race(void **state) {
    case_plan *c = *state;
    /* The workspace is the last quarter of x. */
    c->plan.buffer[B_WORK].offset = 49408 + 768;
    c->plan.buffer[B_WORK].bytes = 256;
    case_accepted(c);
    case_wait(case_cmd(&c->plan.body, COMPUTE, 3), OUT, DMS_NONE, 0);
    case_refused_with(c, "P3", "out 0");
}

static void p3_an_output_leaves_once_a_turn(void **state) {
    case_plan *c = *state;
    const dms_cmd again = *case_cmd(&c->plan.body, OUT, 1);
    case_insert(c, &c->plan.body, OUT, 2, 11, &again);
    case_refused_with(c, "P3", "a second time");
}

/* The bytes behind an ended buffer still belong to its last reader until somebody waits for it. */
static void p3_what_is_left_of_an_ended_buffer_is_still_in_use(void **state) {
    case_plan *c = *state;
    dms_program *body = &c->plan.body;
    /* A workspace over the first 256 bytes of x ends it; x' then comes back 256 bytes further on,
     * over bytes that out 0 may still read. It must wait although the workspace is elsewhere. */
    c->plan.buffer[B_WORK].bytes = 256;
    c->plan.buffer[B_X_BACK].offset = 49664;
    c->plan.buffer[B_H].offset = c->plan.buffer[B_R].offset = 50688;
    c->plan.buffer[B_Y].offset = c->plan.buffer[B_Z].offset = 52736;
    c->plan.device_arena = 53760;
    case_accepted(c);
    case_wait(case_cmd(body, IN, 3), COMPUTE, DMS_NONE, 0);
    case_accepted(c);
    case_wait(case_cmd(body, COMPUTE, 3), OUT, DMS_NONE, 0);
    case_refused_with(c, "P3", "fc2"); /* the workspace */
    case_cmd(body, COMPUTE, 3)->workspace = DMS_NONE;
    case_refused_with(c, "P3", "of the turn before"); /* now z is overwritten while it leaves */
}

/* h stays where it is and leaves as a second output; the next turn writes it again in place. */
static void p3_a_cell_is_written_again_when_its_readers_are_done(void **state) {
    case_plan *c = *state;
    dms_program *body = &c->plan.body;
    dms_port output[2] = {c->plan.output[0], {"h", T_H, c->plan.tensor[T_H].stored}};
    c->plan.output = output;
    c->plan.n_outputs = 2;
    c->plan.meaning = (dms_hash){0, 0};
    c->plan.buffer[B_R].offset = c->plan.device_arena;
    c->plan.device_arena += 2048;
    dms_cmd leave = *case_cmd(body, OUT, 1);
    leave.from = B_H;
    leave.to = 1;
    case_insert(c, body, OUT, 2, body->n_order, &leave);
    case_refused_with(c, "P3", "command 0 (fc1): is not ordered after out 2 of the turn before");
    case_wait(case_cmd(body, COMPUTE, 0), OUT, 2, 1);
    case_accepted(c);
}

static void p3_a_cell_is_written_again_when_its_writer_is_done(void **state) {
    case_plan *c = *state;
    dms_program *prologue = &c->plan.prologue;
    /* b comes to the device twice: straight from the plan, and through the host. */
    dms_cmd load = *case_cmd(prologue, LOAD, 3);
    load.to = B_B;
    case_insert(c, prologue, LOAD, 4, 4, &load);
    case_refused_with(c, "P3", "prologue, queue in, command 1: is not ordered after load 4");
    case_wait(case_cmd(prologue, IN, 1), LOAD, 4, 0);
    case_accepted(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(p2_a_wait_names_a_command_that_signals),
        CASE(p2_commands_that_wait_for_each_other_have_no_order),
        CASE(p2_a_cycle_through_queue_order_is_one_too),
        CASE(p2_the_submission_order_is_topological),
        CASE(p2_a_wait_for_the_turn_before_needs_no_order),
        CASE(p2_the_prologue_has_an_order_too),
        CASE(p2_each_queue_carries_its_own_direction),
        CASE(p2_calls_run_on_the_compute_queue),
        CASE(p2_the_store_queue_is_empty),
        CASE(p2_user_memory_belongs_to_turns),
        CASE(p2_a_load_reaches_the_device_only_in_the_prologue_of_a_cpu),
        CASE(p2_only_weights_run_ahead),
        CASE(p3_a_wait_less_is_a_race),
        CASE(p3_order_through_other_queues_counts),
        CASE(p3_a_wait_for_an_earlier_command_is_not_enough),
        CASE(p3_a_wait_for_the_turn_before_is_not_enough),
        CASE(p3_the_prologue_races_too),
        CASE(p3_the_body_begins_when_the_prologue_has_ended),
        CASE(p3_part_of_a_buffer_is_enough_for_a_race),
        CASE(p3_an_output_leaves_once_a_turn),
        CASE(p3_a_cell_is_written_again_when_its_readers_are_done),
        CASE(p3_a_cell_is_written_again_when_its_writer_is_done),
        CASE(p3_what_is_left_of_an_ended_buffer_is_still_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
