/* test_emit_reads.c - weights that are read from storage in every turn: the ring on the host, what
 * a reading waits for, what the prologue has read already. Decisions are written down by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "support_emit.h"
#include "support_session.h"

#define STEPS 3u
#define WEIGHT_BYTES (64u * 64 * 4) /* 4 pages */

/* y = x w0 w1 w2: every weight is streamed, and lies on the device while its step runs, or one slot
 * longer. */
typedef struct reads_case {
    emit_case e;
    uint32_t x, w[STEPS], a[STEPS];
    uint8_t is_read[EMIT_MOST];
} reads_case;

/* How one weight comes: when step `after` has ended, from its place in the ring, which is free when
 * copy `read_after` has ended; NOT_IN_RING: from its home. */
#define NOT_IN_RING UINT64_MAX
typedef struct coming {
    int32_t after;
    uint64_t place;
    int32_t read_after;
} coming;

static void reads_begin(reads_case *c) {
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

/* Residencies, the queue w0, x, w1, w2 (x first where w0 does not begin a turn early), the save. */
static void reads_decide(reads_case *c, uint64_t ring_places, const coming *how) {
    emit_case *e = &c->e;
    emit_decide(e);
    emit_resides(e, c->x, 0, 0, 0);
    for (uint32_t k = 0; k < STEPS; k++) {
        emit_resides(e, c->w[k], 0, how[k].after + 1, (int32_t)k);
        if (k + 1 < STEPS)
            emit_keeps(e, c->a[k], 1);
        emit_resides(e, c->a[k], DMS_PLACE_PRODUCED, (int32_t)k,
                     k + 1 < STEPS ? (int32_t)k + 1 : (int32_t)k);
    }
    const bool x_first = how[0].after == -1;
    if (x_first)
        emit_load(e, c->x, 0, -1, 0);
    for (uint32_t k = 0; k < STEPS; k++) {
        emit_load(e, c->w[k], 0, how[k].after, k);
        if (how[k].place != NOT_IN_RING) {
            dms_place_load *l = &e->load[e->d.n_loads - 1];
            l->is_read = true;
            l->ring_offset = how[k].place * WEIGHT_BYTES;
            l->read_after = how[k].read_after;
            c->is_read[l->tensor] = 1;
            e->d.n_read++;
        }
        if (!x_first && k == 0)
            emit_load(e, c->x, 0, -1, 0);
    }
    emit_save(e, c->a[STEPS - 1], STEPS - 1, STEPS);
    e->d.is_read = c->is_read;
    e->d.ring_bytes = ring_places * WEIGHT_BYTES;
    e->d.host_budget = UINT64_MAX;
}

/* Three turns of the plan give what the graph computes. */
static void it_runs(reads_case *c) {
    graph_case *g = &c->e.g;
    graph_compute(g, 5);
    float *input[1] = {g->value[c->x]}, *want[1] = {g->value[c->a[STEPS - 1]]};
    const session_case how = {.threads = 1, .turns = 3, .poison = true};
    session_must_give(&c->e.plan, c->e.steps.consts, c->e.steps.n_consts, input, want, &how);
}

/* Copies are x 0, w0 1, w1 2, w2 3. w2 lands where w0 lay; in the next turn w0 where w2 lay, and w1
 * where it was itself. */
static const coming TWO_PLACES[STEPS] = {{-1, 0, -1}, {-1, 1, -2}, {0, 0, 1}};

static void a_reading_waits_for_the_copy_that_emptied_its_place(void **state) {
    (void)state;
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 2, TWO_PLACES);
    emit_must(&c.e);
    assert_int_equal(c.e.plan.body.n_cmds[LOAD], STEPS);
    /* w2 of this turn comes first; w0 and w1 of the next turn are read ahead */
    emit_waits_are(emit_cmd(&c.e, LOAD, 0), "i1");
    emit_waits_are(emit_cmd(&c.e, LOAD, 1), "i3");
    emit_waits_are(emit_cmd(&c.e, LOAD, 2), "i2");
    assert_false(emit_cmd(&c.e, LOAD, 0)->is_ahead);
    assert_true(emit_cmd(&c.e, LOAD, 1)->is_ahead && emit_cmd(&c.e, LOAD, 2)->is_ahead);
    it_runs(&c);
    graph_end(&c.e.g);
}

static void a_copy_waits_for_its_reading(void **state) {
    (void)state;
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 2, TWO_PLACES);
    emit_must(&c.e);
    emit_waits_are(emit_cmd(&c.e, IN, 1), "c2' o0' l1'"); /* read in the turn before */
    emit_waits_are(emit_cmd(&c.e, IN, 2), "c2' o0' l2'");
    emit_waits_are(emit_cmd(&c.e, IN, 3), "c0 l0");
    for (uint32_t k = 1; k < 4; k++) {
        const dms_cmd *copy = emit_cmd(&c.e, IN, k);
        const dms_cmd *read = emit_cmd(&c.e, LOAD, k == 3 ? 0 : k);
        assert_int_equal(copy->from, read->to);
        assert_int_equal(c.e.plan.buffer[copy->from].arena, DMS_TIER_HOST);
        assert_int_equal(c.e.plan.buffer[copy->from].tensor, c.e.plan.buffer[copy->to].tensor);
    }
    graph_end(&c.e.g);
}

static void a_reading_brings_the_source_of_its_weight(void **state) {
    (void)state;
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 2, TWO_PLACES);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    for (uint32_t k = 0; k < STEPS; k++) {
        const dms_cmd *read = emit_cmd(&c.e, LOAD, k);
        const dms_plan_tensor *t = &p->tensor[p->buffer[read->to].tensor];
        assert_int_equal(read->kind, DMS_CMD_LOAD);
        assert_int_equal(read->from, t->first_source);
        assert_string_equal(t->name, k == 0 ? "w2" : k == 1 ? "w0" : "w1");
    }
    graph_end(&c.e.g);
}

/* Nothing has a home: the host holds the ring, and the prologue fills it for turn 0. */
static void the_ring_is_all_that_the_host_holds(void **state) {
    (void)state;
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 2, TWO_PLACES);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    assert_int_equal(p->host_arena, 2 * WEIGHT_BYTES);
    assert_int_equal(p->prologue.n_cmds[LOAD], 2); /* w0 and w1, which turn 0 finds there */
    assert_int_equal(p->prologue.n_cmds[IN], 0);
    for (uint32_t k = 0; k < 2; k++)
        assert_int_equal(p->prologue.cmd[LOAD][k].to, emit_cmd(&c.e, LOAD, 1 + k)->to);
    graph_end(&c.e.g);
}

static void with_a_place_for_each_all_are_read_ahead(void **state) {
    (void)state;
    static const coming HOW[STEPS] = {{-1, 0, -3}, {-1, 1, -2}, {0, 2, -1}};
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 3, HOW);
    emit_must(&c.e);
    for (uint32_t k = 0; k < STEPS; k++) {
        char own[8] = "i1";
        own[1] = (char)('1' + k);
        assert_true(emit_cmd(&c.e, LOAD, k)->is_ahead);
        emit_waits_are(emit_cmd(&c.e, LOAD, k), own); /* its own copy of this turn */
    }
    emit_waits_are(emit_cmd(&c.e, IN, 3), "c0 l2'");
    assert_int_equal(c.e.plan.prologue.n_cmds[LOAD], STEPS);
    it_runs(&c);
    graph_end(&c.e.g);
}

static void one_place_is_read_and_copied_in_turns(void **state) {
    (void)state;
    static const coming HOW[STEPS] = {{-1, 0, -1}, {-1, 0, 1}, {0, 0, 2}};
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 1, HOW);
    emit_must(&c.e);
    assert_int_equal(c.e.plan.host_arena, WEIGHT_BYTES);
    emit_waits_are(emit_cmd(&c.e, LOAD, 0), "i1"); /* w1 behind w0 */
    emit_waits_are(emit_cmd(&c.e, LOAD, 1), "i2"); /* w2 behind w1 */
    emit_waits_are(emit_cmd(&c.e, LOAD, 2), "i3"); /* w0 of the next turn behind w2 */
    it_runs(&c);
    graph_end(&c.e.g);
}

static void a_home_lies_above_the_ring(void **state) {
    (void)state;
    static const coming HOW[STEPS] = {{-1, 0, -1}, {-1, NOT_IN_RING, 0}, {0, 0, 1}};
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 1, HOW);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    const dms_buffer *home = &p->buffer[emit_cmd(&c.e, IN, 2)->from];
    assert_int_equal(p->host_arena, 2 * WEIGHT_BYTES);
    assert_int_equal(home->offset, WEIGHT_BYTES);
    emit_waits_are(emit_cmd(&c.e, IN, 2), "c2' o0'"); /* no reading */
    assert_int_equal(p->body.n_cmds[LOAD], 2);
    assert_int_equal(p->prologue.n_cmds[LOAD], 2); /* the home, and w0 in the ring */
    it_runs(&c);
    graph_end(&c.e.g);
}

/* w0 is copied when step 1 of the turn before has ended: its command is issued in that turn, and so
 * is its reading. */
static void a_copy_a_turn_early_has_its_reading_as_early(void **state) {
    (void)state;
    static const coming HOW[STEPS] = {{-2, 0, -1}, {-1, 1, -2}, {0, 0, 0}};
    reads_case c;
    reads_begin(&c);
    reads_decide(&c, 2, HOW); /* copies: w0 0, x 1, w1 2, w2 3 */
    emit_must(&c.e);
    const dms_program *body = &c.e.plan.body;
    const dms_cmd *ahead = emit_cmd(&c.e, IN, 3);
    assert_true(ahead->is_ahead);
    assert_string_equal(c.e.plan.tensor[c.e.plan.buffer[ahead->to].tensor].name, "w0");
    uint32_t n_ahead = 0;
    for (uint32_t k = 0; k < body->n_cmds[LOAD]; k++)
        n_ahead += body->cmd[LOAD][k].is_ahead;
    assert_true(n_ahead >= 2);
    it_runs(&c);
    graph_end(&c.e.g);
}

/* A decision that forgets to wait is emitted as it says; the checker then refuses the plan. */
static void a_place_that_is_taken_too_soon_is_found_by_the_checker(void **state) {
    (void)state;
    static const coming WRONG[][STEPS] = {
        {{-1, 0, -1}, {-1, 1, -2}, {0, 1, 1}}, /* w2 over w1, but waits for w0 alone */
        {{-1, 0, -3}, {-1, 1, -2}, {0, 0, 1}}, /* w0 over w2, but waits for itself */
    };
    for (size_t k = 0; k < sizeof WRONG / sizeof *WRONG; k++) {
        reads_case c;
        dms_hash meaning;
        reads_begin(&c);
        reads_decide(&c, 2, TWO_PLACES);
        emit_must(&c.e); /* fills in names and budgets */
        const dms_plan good = c.e.plan;
        for (uint32_t w = 0; w < STEPS; w++) {
            c.e.load[1 + w].ring_offset = WRONG[k][w].place * WEIGHT_BYTES;
            c.e.load[1 + w].read_after = WRONG[k][w].read_after;
        }
        assert_int_equal(emit_try(&c.e), DMS_OK);
        dms_plan bad = c.e.plan;
        bad.producer = bad.solver = bad.model = bad.profile = "case";
        bad.device_budget = good.device_budget;
        bad.host_budget = good.host_budget;
        bad.file = good.file;
        bad.n_files = good.n_files;
        assert_int_equal(dms_check_plan(&bad, &c.e.g.arena, &meaning, &c.e.st), DMS_EPLAN);
        graph_end(&c.e.g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reading_waits_for_the_copy_that_emptied_its_place),
        cmocka_unit_test(a_copy_waits_for_its_reading),
        cmocka_unit_test(a_reading_brings_the_source_of_its_weight),
        cmocka_unit_test(the_ring_is_all_that_the_host_holds),
        cmocka_unit_test(with_a_place_for_each_all_are_read_ahead),
        cmocka_unit_test(one_place_is_read_and_copied_in_turns),
        cmocka_unit_test(a_home_lies_above_the_ring),
        cmocka_unit_test(a_copy_a_turn_early_has_its_reading_as_early),
        cmocka_unit_test(a_place_that_is_taken_too_soon_is_found_by_the_checker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
