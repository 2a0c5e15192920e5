/* test_emit.c - decisions made by hand become buffers, commands and waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_emit.h"

#define WEIGHT_BYTES (64u * 64 * 4)
#define ROW_BYTES (4u * 64 * 4)

/* ---- a chain of products: step k is a[k] = a[k - 1] w[k], a[2] leaves ----------------------- */

#define STEPS 3u
typedef struct chain_case {
    emit_case e;
    uint32_t x, w[STEPS], a[STEPS];
} chain_case;

static void chain_begin(chain_case *c) {
    static const char *const W[] = {"w0", "w1", "w2"}, *const A[] = {"a0", "a1", "a2"};
    memset(c, 0, sizeof *c);
    graph_begin(&c->e.g);
    c->x = graph_input(&c->e.g, "x", 4, 64);
    for (uint32_t k = 0; k < STEPS; k++) {
        c->w[k] = graph_weight(&c->e.g, W[k], 64, 64, k);
        c->a[k] = graph_result(&c->e.g, A[k], 4, 64);
        graph_matmul(&c->e.g, k == 0 ? c->x : c->a[k - 1], c->w[k], c->a[k]);
    }
    graph_output(&c->e.g, c->a[STEPS - 1]);
}

/* How one weight of the chain is placed: kept, or loaded when step `after` has ended. */
typedef struct chain_weight {
    bool is_streamed;
    int32_t after;
} chain_weight;

/* Residencies of all tensors; the queue is the test's own. The output is saved until `before`. */
static void chain_reside(chain_case *c, const chain_weight *weight, uint32_t before) {
    emit_case *e = &c->e;
    emit_decide(e);
    emit_resides(e, c->x, 0, 0, 0);
    for (uint32_t k = 0; k < STEPS; k++) {
        if (weight[k].is_streamed)
            emit_resides(e, c->w[k], 0, weight[k].after + 1, (int32_t)k);
        else
            emit_stays(e, c->w[k]);
        if (k + 1 < STEPS)
            emit_keeps(e, c->a[k], 1);
        emit_resides(e, c->a[k], DMS_PLACE_PRODUCED, (int32_t)k,
                     k + 1 < STEPS ? (int32_t)k + 1 : (int32_t)before - 1);
    }
    emit_save(e, c->a[STEPS - 1], STEPS - 1, before);
}

static void chain_end(chain_case *c) {
    graph_end(&c->e.g);
}

static const chain_weight ALL_KEPT[STEPS] = {{false, 0}, {false, 0}, {false, 0}};

static void an_input_comes_when_the_turn_before_has_left(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    const dms_program *body = &c.e.plan.body;
    assert_int_equal(body->n_cmds[IN], 1);
    assert_int_equal(emit_cmd(&c.e, IN, 0)->kind, DMS_CMD_FROM_USER);
    assert_int_equal(emit_cmd(&c.e, IN, 0)->from, 0); /* port 0 */
    assert_false(emit_cmd(&c.e, IN, 0)->is_ahead);
    emit_waits_are(emit_cmd(&c.e, IN, 0), "c2' o0'");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 0), "i0 o0'");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 1), "");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 2), "");
    chain_end(&c);
}

static void an_output_leaves_when_its_step_has_ended(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    assert_int_equal(c.e.plan.body.n_cmds[OUT], 1);
    const dms_cmd *out = emit_cmd(&c.e, OUT, 0);
    assert_int_equal(out->kind, DMS_CMD_TO_USER);
    assert_int_equal(out->to, 0);
    assert_int_equal(out->from, emit_cmd(&c.e, COMPUTE, 2)->operand[2].buffer);
    emit_waits_are(out, "c2");
    chain_end(&c);
}

static void the_order_puts_copies_as_early_as_their_waits_allow(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    emit_order_is(&c.e.plan.body, "iccco");
    emit_order_is(&c.e.plan.prologue, "lll");
    emit_signals_are(&c.e.plan.body, "c2 i0 o0");
    emit_signals_are(&c.e.plan.prologue, "");
    chain_end(&c);
}

static void a_kept_weight_is_loaded_once_into_the_arena_of_the_cpu(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    assert_int_equal(p->host_arena, 0);
    assert_int_equal(p->prologue.n_cmds[LOAD], STEPS);
    assert_int_equal(p->prologue.n_cmds[IN], 0);
    for (uint32_t k = 0; k < STEPS; k++) {
        const dms_cmd *load = &p->prologue.cmd[LOAD][k];
        assert_int_equal(load->kind, DMS_CMD_LOAD);
        assert_int_equal(load->to, emit_cmd(&c.e, COMPUTE, k)->operand[1].buffer);
        assert_int_equal(p->buffer[load->to].arena, DMS_TIER_DEVICE);
        assert_int_equal(load->from, p->tensor[p->buffer[load->to].tensor].first_source);
    }
    chain_end(&c);
}

static void a_streamed_weight_is_copied_in_its_slot_from_its_home(void **state) {
    (void)state;
    static const chain_weight HOW[STEPS] = {{false, 0}, {false, 0}, {true, 0}};
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, HOW, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_load(&c.e, c.w[2], 0, 0, 2);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    const dms_cmd *copy = emit_cmd(&c.e, IN, 1);
    assert_int_equal(copy->kind, DMS_CMD_COPY);
    assert_int_equal(copy->to, emit_cmd(&c.e, COMPUTE, 2)->operand[1].buffer);
    assert_int_equal(p->buffer[copy->from].arena, DMS_TIER_HOST);
    assert_int_equal(p->buffer[copy->from].bytes, WEIGHT_BYTES);
    assert_int_equal(p->prologue.cmd[LOAD][2].to, copy->from);
    assert_int_equal(p->host_arena, WEIGHT_BYTES);
    assert_false(copy->is_ahead);
    emit_waits_are(copy, "c0");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 2), "i1");
    assert_int_equal(p->prologue.n_cmds[IN], 0); /* turn 0 copies it itself */
    emit_order_is(&p->body, "icicco");
    emit_signals_are(&p->body, "c0 c2 i0 i1 o0");
    chain_end(&c);
}

static void a_load_before_the_turn_begins_is_issued_at_the_end_of_the_one_before(void **state) {
    (void)state;
    static const chain_weight HOW[STEPS] = {{true, -2}, {false, 0}, {false, 0}};
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, HOW, STEPS);
    emit_load(&c.e, c.w[0], 0, -2, 0); /* when step 1 of the turn before has ended */
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    assert_int_equal(emit_cmd(&c.e, IN, 0)->kind, DMS_CMD_FROM_USER);
    const dms_cmd *ahead = emit_cmd(&c.e, IN, 1);
    assert_true(ahead->is_ahead);
    emit_waits_are(ahead, "c1"); /* it serves the next turn, so this is "before" for it */
    emit_waits_are(emit_cmd(&c.e, IN, 0), "c2' o0'");
    /* the queue is in order: who waits for x of this turn has w0 of the last one */
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 0), "i0 o0'");
    emit_order_is(&c.e.plan.body, "iccico");
    chain_end(&c);
}

static void the_prologue_does_what_the_turn_before_turn_0_would_have_done(void **state) {
    (void)state;
    static const chain_weight HOW[STEPS] = {{true, -2}, {false, 0}, {false, 0}};
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, HOW, STEPS);
    emit_load(&c.e, c.w[0], 0, -2, 0);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    const dms_program *prologue = &c.e.plan.prologue;
    assert_int_equal(prologue->n_cmds[IN], 1);
    assert_int_equal(prologue->cmd[IN][0].to, emit_cmd(&c.e, IN, 1)->to);
    assert_int_equal(prologue->cmd[IN][0].from, emit_cmd(&c.e, IN, 1)->from);
    assert_int_equal(prologue->cmd[LOAD][2].to, emit_cmd(&c.e, IN, 1)->from); /* kept ones first */
    emit_waits_are(&prologue->cmd[IN][0], "l2");
    emit_signals_are(prologue, "l2");
    emit_order_is(prologue, "llli");
    chain_end(&c);
}

static void two_loads_ahead_keep_their_order_and_the_step_waits_for_the_last(void **state) {
    (void)state;
    /* w1 due 1 and w0 due 0, both begin in the turn before; x lies behind both in the cycle */
    static const chain_weight HOW[STEPS] = {{true, -2}, {true, -2}, {false, 0}};
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, HOW, STEPS);
    emit_load(&c.e, c.w[0], 0, -2, 0);
    emit_load(&c.e, c.w[1], 0, -2, 1);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    assert_int_equal(emit_cmd(&c.e, IN, 1)->to, emit_cmd(&c.e, COMPUTE, 0)->operand[1].buffer);
    assert_int_equal(emit_cmd(&c.e, IN, 2)->to, emit_cmd(&c.e, COMPUTE, 1)->operand[1].buffer);
    assert_true(emit_cmd(&c.e, IN, 1)->is_ahead && emit_cmd(&c.e, IN, 2)->is_ahead);
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 1), "i2'"); /* of the turn before */
    assert_int_equal(c.e.plan.prologue.n_cmds[IN], 2);
    chain_end(&c);
}

static void behind_an_input_a_load_waits_for_the_turn_before_instead(void **state) {
    (void)state;
    static const chain_weight HOW[STEPS] = {{true, -1}, {false, 0}, {false, 0}};
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, HOW, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_load(&c.e, c.w[0], 0, -1, 0);
    emit_must(&c.e);
    assert_false(emit_cmd(&c.e, IN, 1)->is_ahead);
    emit_waits_are(emit_cmd(&c.e, IN, 1), "c2' o0'");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 0), "i1 o0'");
    assert_int_equal(c.e.plan.prologue.n_cmds[IN], 0);
    chain_end(&c);
}

static void an_output_that_may_leave_late_holds_up_a_later_slot(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS + 2); /* slot 2 of the next turn */
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 0), "i0");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 1), "");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 2), "o0'");
    emit_waits_are(emit_cmd(&c.e, IN, 0), "c2'");
    chain_end(&c);
}

static void kept_weights_pass_through_a_ring_of_two_where_the_host_cannot_write(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    c.e.g.profile.device_kind = DMS_DEVICE_CUDA;
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan; /* above the places: x on its way in, y on its way out */
    assert_int_equal(p->host_arena, 2 * WEIGHT_BYTES + 2 * ROW_BYTES);
    assert_int_equal(p->prologue.n_cmds[LOAD], STEPS);
    assert_int_equal(p->prologue.n_cmds[IN], STEPS);
    for (uint32_t k = 0; k < STEPS; k++) {
        const dms_cmd *load = &p->prologue.cmd[LOAD][k], *copy = &p->prologue.cmd[IN][k];
        assert_int_equal(p->buffer[load->to].arena, DMS_TIER_HOST);
        assert_int_equal(p->buffer[load->to].offset, k % 2 * WEIGHT_BYTES);
        assert_int_equal(copy->from, load->to);
        assert_int_equal(copy->to, emit_cmd(&c.e, COMPUTE, k)->operand[1].buffer);
    }
    emit_waits_are(&p->prologue.cmd[LOAD][0], "");
    emit_waits_are(&p->prologue.cmd[LOAD][1], "");
    emit_waits_are(&p->prologue.cmd[LOAD][2], "i0"); /* place 0 is free again */
    emit_waits_are(&p->prologue.cmd[IN][2], "l2");
    emit_order_is(&p->prologue, "llilii");
    chain_end(&c);
}

static void homes_are_filled_when_kept_weights_have_passed_through_their_place(void **state) {
    (void)state;
    static const chain_weight HOW[STEPS] = {{false, 0}, {false, 0}, {true, 0}};
    chain_case c;
    chain_begin(&c);
    c.e.g.profile.device_kind = DMS_DEVICE_CUDA;
    chain_reside(&c, HOW, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_load(&c.e, c.w[2], 0, 0, 2);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    assert_int_equal(p->host_arena, 2 * WEIGHT_BYTES + 2 * ROW_BYTES);
    assert_int_equal(p->buffer[p->prologue.cmd[LOAD][0].to].offset, 0);
    assert_int_equal(p->buffer[p->prologue.cmd[LOAD][1].to].offset, WEIGHT_BYTES);
    assert_int_equal(p->buffer[p->prologue.cmd[LOAD][2].to].offset, 0);
    assert_int_equal(p->prologue.cmd[LOAD][2].to, emit_cmd(&c.e, IN, 1)->from);
    emit_waits_are(&p->prologue.cmd[LOAD][2], "i0"); /* w0 has left for the device */
    chain_end(&c);
}

static void ports_and_figures_are_those_of_graph_and_decision(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    c.e.d.period_ns = 30;
    c.e.d.latency_ns = 40;
    c.e.d.bound_ns = 20;
    c.e.d.compute_ns = 10;
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    assert_int_equal(p->period_ns, 30);
    assert_int_equal(p->latency_ns, 40);
    assert_int_equal(p->bound_ns, 20);
    assert_int_equal(p->compute_ns, 10);
    assert_int_equal(p->device_arena, 3 * WEIGHT_BYTES + 4 * ROW_BYTES);
    assert_int_equal(p->n_inputs, 1);
    assert_string_equal(p->input[0].name, "x");
    assert_string_equal(p->output[0].name, "a2");
    assert_int_equal(p->output[0].view.rank, 2);
    assert_int_equal(p->output[0].view.dim[0], 4);
    assert_int_equal(p->output[0].view.dim[1], 64);
    chain_end(&c);
}

static void every_node_has_a_name_and_its_steps_a_time(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    assert_int_equal(p->n_steps, 3);
    assert_int_equal(p->n_step_names, 3);
    assert_string_equal(p->step_name[p->step_name_id[0]], "Product n0");
    assert_string_equal(p->step_name[p->step_name_id[2]], "Product n2");
    for (uint32_t k = 0; k < STEPS; k++)
        assert_int_equal(p->step_ns[k], c.e.steps.step[k].ns);
    chain_end(&c);
}

/* ---- decisions that contradict the steps --------------------------------------------------- */

static void refuses(emit_case *c, const char *words) {
    assert_int_equal(emit_try(c), DMS_EINTERNAL);
    if (strstr(c->st.msg, words) == NULL)
        fail_msg("'%s' does not say '%s'", c->st.msg, words);
}

static void a_touch_without_residency_is_refused_by_name(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    c.e.d.n_residencies--; /* that of the output */
    refuses(&c.e, "block 'a2': touch 0 has no residency");
    chain_end(&c);
}

static void two_residencies_of_one_touch_are_refused(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_resides(&c.e, c.a[2], DMS_PLACE_PRODUCED, 2, 2);
    refuses(&c.e, "block 'a2': two residencies begin at one touch");
    chain_end(&c);
}

static void a_load_that_waits_for_its_own_step_is_a_cycle(void **state) {
    (void)state;
    static const chain_weight HOW[STEPS] = {{false, 0}, {true, 1}, {false, 0}};
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, HOW, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_load(&c.e, c.w[1], 0, 1, 1);
    refuses(&c.e, "the waits of the plan have a cycle");
    chain_end(&c);
}

static void a_save_that_nobody_wants_is_refused(void **state) {
    (void)state;
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, ALL_KEPT, STEPS);
    emit_load(&c.e, c.x, 0, -1, 0);
    c.e.d.n_saves = 0;
    emit_save(&c.e, c.a[0], 1, 2); /* neither an output nor read back */
    refuses(&c.e, "save 0 goes nowhere");
    chain_end(&c);
}

static void a_wait_reaches_back_one_turn_and_no_further(void **state) {
    (void)state;
    /* the output of turn i - 2 may last to slot 2 of turn i - 1, and w0 begins in that slot, but
     * is issued in turn i: two turns after the save */
    static const chain_weight HOW[STEPS] = {{true, -2}, {false, 0}, {false, 0}};
    chain_case c;
    chain_begin(&c);
    chain_reside(&c, HOW, 2 * STEPS - 1);
    emit_load(&c.e, c.x, 0, -1, 0);
    emit_load(&c.e, c.w[0], 0, -2, 0);
    refuses(&c.e, "load 1 of 'w0' waits for a save two turns ago");
    chain_end(&c);
}

/* ---- activations that leave and come back: a = x w0, b = a w1, c = b w2, y = c + a ----------- */

typedef struct skip_case {
    emit_case e;
    uint32_t x, w0, a, w1, b, w2, c, y;
} skip_case;

static void skip_begin(skip_case *s) {
    memset(s, 0, sizeof *s);
    graph_case *g = &s->e.g;
    graph_begin(g);
    s->x = graph_input(g, "x", 4, 64);
    s->w0 = graph_weight(g, "w0", 64, 64, 0);
    s->a = graph_result(g, "a", 4, 64);
    s->w1 = graph_weight(g, "w1", 64, 64, 1);
    s->b = graph_result(g, "b", 4, 64);
    s->w2 = graph_weight(g, "w2", 64, 64, 2);
    s->c = graph_result(g, "c", 4, 64);
    s->y = graph_result(g, "y", 4, 64);
    graph_matmul(g, s->x, s->w0, s->a);
    graph_matmul(g, s->a, s->w1, s->b);
    graph_matmul(g, s->b, s->w2, s->c);
    graph_binary(g, DMS_FN_ADD, s->c, s->a, s->y);
    graph_output(g, s->y);
}

/* All weights stay; a is saved after step 1 and comes back for step 3. */
static void skip_evict(skip_case *s) {
    emit_case *e = &s->e;
    emit_decide(e);
    emit_resides(e, s->x, 0, 0, 0);
    emit_stays(e, s->w0);
    emit_keeps(e, s->a, 1);
    emit_resides(e, s->a, DMS_PLACE_PRODUCED, 0, 1);
    emit_resides(e, s->a, 1, 2, 3);
    emit_stays(e, s->w1);
    emit_keeps(e, s->b, 1);
    emit_resides(e, s->b, DMS_PLACE_PRODUCED, 1, 2);
    emit_stays(e, s->w2);
    emit_keeps(e, s->c, 1);
    emit_resides(e, s->c, DMS_PLACE_PRODUCED, 2, 3);
    emit_load(e, s->x, 0, -1, 0);
    emit_load(e, s->a, 1, 1, 3);
    emit_save(e, s->a, 1, 2);
    emit_save(e, s->y, 3, 4);
}

static void an_activation_that_leaves_is_copied_out_before_it_is_copied_in(void **state) {
    (void)state;
    skip_case s;
    skip_begin(&s);
    skip_evict(&s);
    emit_must(&s.e);
    const dms_plan *p = &s.e.plan;
    const dms_cmd *out = emit_cmd(&s.e, OUT, 0), *in = emit_cmd(&s.e, IN, 1);
    assert_int_equal(out->kind, DMS_CMD_COPY);
    assert_int_equal(in->kind, DMS_CMD_COPY);
    assert_int_equal(out->to, in->from);
    assert_int_equal(p->buffer[in->from].arena, DMS_TIER_HOST);
    assert_int_equal(p->host_arena, ROW_BYTES);
    emit_waits_are(out, "c1");
    emit_waits_are(in, "c1 o0");
    emit_waits_are(emit_cmd(&s.e, COMPUTE, 2), "o0"); /* slot 2 opens when it is out */
    emit_waits_are(emit_cmd(&s.e, COMPUTE, 3), "i1");
    emit_order_is(&p->body, "iccoicco");
    graph_end(&s.e.g);
}

static void readers_use_the_place_that_holds_the_tensor_then(void **state) {
    (void)state;
    skip_case s;
    skip_begin(&s);
    skip_evict(&s);
    emit_must(&s.e);
    const uint32_t made = emit_cmd(&s.e, COMPUTE, 0)->operand[2].buffer;
    assert_int_equal(emit_cmd(&s.e, COMPUTE, 1)->operand[0].buffer, made);
    assert_int_equal(emit_cmd(&s.e, OUT, 0)->from, made);
    assert_int_equal(emit_cmd(&s.e, COMPUTE, 3)->operand[1].buffer, emit_cmd(&s.e, IN, 1)->to);
    assert_int_not_equal(emit_cmd(&s.e, IN, 1)->to, made);
    graph_end(&s.e.g);
}

static void what_lies_over_another_tensor_has_a_buffer_of_its_own_at_the_same_place(void **state) {
    (void)state;
    skip_case s;
    skip_begin(&s);
    skip_evict(&s);
    emit_must(&s.e);
    const dms_operand *add = emit_cmd(&s.e, COMPUTE, 3)->operand;
    const dms_buffer *c = &s.e.plan.buffer[add[0].buffer], *y = &s.e.plan.buffer[add[2].buffer];
    assert_int_not_equal(add[0].buffer, add[2].buffer);
    assert_int_equal(c->offset, y->offset);
    assert_string_equal(s.e.plan.tensor[c->tensor].name, "c");
    assert_string_equal(s.e.plan.tensor[y->tensor].name, "y");
    assert_int_equal(emit_cmd(&s.e, OUT, 1)->from, add[2].buffer); /* the newest version leaves */
    graph_end(&s.e.g);
}

static void an_output_that_comes_back_goes_to_the_host_and_to_the_user(void **state) {
    (void)state;
    skip_case s;
    skip_begin(&s);
    graph_output(&s.e.g, s.a); /* port 1 */
    skip_evict(&s);
    emit_must(&s.e);
    assert_int_equal(s.e.plan.body.n_cmds[OUT], 3);
    assert_int_equal(emit_cmd(&s.e, OUT, 0)->kind, DMS_CMD_COPY);
    assert_int_equal(emit_cmd(&s.e, OUT, 1)->kind, DMS_CMD_TO_USER);
    assert_int_equal(emit_cmd(&s.e, OUT, 1)->to, 1);
    assert_int_equal(emit_cmd(&s.e, OUT, 1)->from, emit_cmd(&s.e, OUT, 0)->from);
    emit_waits_are(emit_cmd(&s.e, OUT, 0), "c1");
    emit_waits_are(emit_cmd(&s.e, OUT, 1), "c1");
    emit_waits_are(emit_cmd(&s.e, COMPUTE, 2), "o1"); /* both are done */
    emit_waits_are(emit_cmd(&s.e, IN, 1), "c1 o1");
    graph_end(&s.e.g);
}

/* ---- one weight for steps 0 and 2 of four: its gaps lie inside the turn and over its edge ---- */

typedef struct shared_case {
    emit_case e;
    uint32_t x, w, a, v, b, c, u, y;
} shared_case;

static void shared_begin(shared_case *s) {
    memset(s, 0, sizeof *s);
    graph_case *g = &s->e.g;
    graph_begin(g);
    s->x = graph_input(g, "x", 4, 64);
    s->w = graph_weight(g, "w", 64, 64, 0);
    s->a = graph_result(g, "a", 4, 64);
    s->v = graph_weight(g, "v", 64, 64, 1);
    s->b = graph_result(g, "b", 4, 64);
    s->c = graph_result(g, "c", 4, 64);
    s->u = graph_weight(g, "u", 64, 64, 2);
    s->y = graph_result(g, "y", 4, 64);
    graph_matmul(g, s->x, s->w, s->a);
    graph_matmul(g, s->a, s->v, s->b);
    graph_matmul(g, s->b, s->w, s->c);
    graph_matmul(g, s->c, s->u, s->y);
    graph_output(g, s->y);
    emit_decide(&s->e);
    emit_resides(&s->e, s->x, 0, 0, 0);
}

/* Everything behind w in the order of blocks. */
static void shared_rest(shared_case *s) {
    emit_case *e = &s->e;
    emit_keeps(e, s->a, 1);
    emit_resides(e, s->a, DMS_PLACE_PRODUCED, 0, 1);
    emit_stays(e, s->v);
    emit_keeps(e, s->b, 1);
    emit_resides(e, s->b, DMS_PLACE_PRODUCED, 1, 2);
    emit_keeps(e, s->c, 1);
    emit_resides(e, s->c, DMS_PLACE_PRODUCED, 2, 3);
    emit_stays(e, s->u);
    emit_resides(e, s->y, DMS_PLACE_PRODUCED, 3, 3);
    emit_save(e, s->y, 3, 4);
}

static void a_weight_that_stays_over_the_edge_is_on_the_device_at_turn_0(void **state) {
    (void)state;
    shared_case s;
    shared_begin(&s);
    const dms_problem_tensor *t = &s.e.blocks.problem.tensors[emit_block_of(&s.e, s.w)];
    s.e.keep[t->first_touch + 1] = 1; /* from step 2 over the edge to step 0 */
    emit_resides(&s.e, s.w, 0, 1, 4);
    shared_rest(&s);
    emit_load(&s.e, s.x, 0, -1, 0);
    emit_load(&s.e, s.w, 0, 0, 2);
    emit_must(&s.e);
    const dms_program *prologue = &s.e.plan.prologue;
    const uint32_t place = emit_cmd(&s.e, COMPUTE, 2)->operand[1].buffer;
    assert_int_equal(emit_cmd(&s.e, COMPUTE, 0)->operand[1].buffer, place);
    assert_int_equal(prologue->n_cmds[IN], 1);
    assert_int_equal(prologue->cmd[IN][0].to, place);
    assert_false(emit_cmd(&s.e, IN, 1)->is_ahead);
    emit_waits_are(emit_cmd(&s.e, COMPUTE, 0), "i0 o0'"); /* nothing is loaded for it */
    emit_waits_are(emit_cmd(&s.e, COMPUTE, 2), "i1");
    graph_end(&s.e.g);
}

static void a_weight_loaded_twice_a_turn_has_two_places_and_one_home(void **state) {
    (void)state;
    shared_case s;
    shared_begin(&s);
    emit_resides(&s.e, s.w, 1, 0, 0);
    emit_resides(&s.e, s.w, 0, 1, 2);
    shared_rest(&s);
    emit_load(&s.e, s.x, 0, -1, 0);
    emit_load(&s.e, s.w, 1, -1, 0);
    emit_load(&s.e, s.w, 0, 0, 2);
    emit_must(&s.e);
    const dms_cmd *first = emit_cmd(&s.e, IN, 1), *second = emit_cmd(&s.e, IN, 2);
    assert_int_equal(first->from, second->from);
    assert_int_not_equal(first->to, second->to);
    assert_int_equal(emit_cmd(&s.e, COMPUTE, 0)->operand[1].buffer, first->to);
    assert_int_equal(emit_cmd(&s.e, COMPUTE, 2)->operand[1].buffer, second->to);
    assert_int_equal(s.e.plan.host_arena, WEIGHT_BYTES);
    assert_int_equal(s.e.plan.prologue.n_cmds[LOAD], 3); /* w, v, u: each once */
    graph_end(&s.e.g);
}

static void a_shared_weight_that_stays_has_one_place_for_all_its_steps(void **state) {
    (void)state;
    shared_case s;
    shared_begin(&s);
    emit_stays(&s.e, s.w);
    shared_rest(&s);
    emit_load(&s.e, s.x, 0, -1, 0);
    emit_must(&s.e);
    assert_int_equal(emit_cmd(&s.e, COMPUTE, 0)->operand[1].buffer,
                     emit_cmd(&s.e, COMPUTE, 2)->operand[1].buffer);
    assert_int_equal(s.e.plan.host_arena, 0);
    assert_int_equal(s.e.plan.prologue.n_cmds[LOAD], 3);
    /* steps 0, 1, 2 and 3 are equal calls: the table has one */
    assert_int_equal(s.e.plan.n_calls, 1);
    graph_end(&s.e.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_input_comes_when_the_turn_before_has_left),
        cmocka_unit_test(an_output_leaves_when_its_step_has_ended),
        cmocka_unit_test(the_order_puts_copies_as_early_as_their_waits_allow),
        cmocka_unit_test(a_kept_weight_is_loaded_once_into_the_arena_of_the_cpu),
        cmocka_unit_test(a_streamed_weight_is_copied_in_its_slot_from_its_home),
        cmocka_unit_test(a_load_before_the_turn_begins_is_issued_at_the_end_of_the_one_before),
        cmocka_unit_test(the_prologue_does_what_the_turn_before_turn_0_would_have_done),
        cmocka_unit_test(two_loads_ahead_keep_their_order_and_the_step_waits_for_the_last),
        cmocka_unit_test(behind_an_input_a_load_waits_for_the_turn_before_instead),
        cmocka_unit_test(an_output_that_may_leave_late_holds_up_a_later_slot),
        cmocka_unit_test(kept_weights_pass_through_a_ring_of_two_where_the_host_cannot_write),
        cmocka_unit_test(homes_are_filled_when_kept_weights_have_passed_through_their_place),
        cmocka_unit_test(ports_and_figures_are_those_of_graph_and_decision),
        cmocka_unit_test(every_node_has_a_name_and_its_steps_a_time),
        cmocka_unit_test(a_touch_without_residency_is_refused_by_name),
        cmocka_unit_test(two_residencies_of_one_touch_are_refused),
        cmocka_unit_test(a_load_that_waits_for_its_own_step_is_a_cycle),
        cmocka_unit_test(a_save_that_nobody_wants_is_refused),
        cmocka_unit_test(a_wait_reaches_back_one_turn_and_no_further),
        cmocka_unit_test(an_activation_that_leaves_is_copied_out_before_it_is_copied_in),
        cmocka_unit_test(readers_use_the_place_that_holds_the_tensor_then),
        cmocka_unit_test(what_lies_over_another_tensor_has_a_buffer_of_its_own_at_the_same_place),
        cmocka_unit_test(an_output_that_comes_back_goes_to_the_host_and_to_the_user),
        cmocka_unit_test(a_weight_that_stays_over_the_edge_is_on_the_device_at_turn_0),
        cmocka_unit_test(a_weight_loaded_twice_a_turn_has_two_places_and_one_home),
        cmocka_unit_test(a_shared_weight_that_stays_has_one_place_for_all_its_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
