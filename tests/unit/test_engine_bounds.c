/* test_engine_bounds.c - a run is ended between any two of its commands, by the user or by an index
 * that its data do not allow; before that everything is right, behind it nothing happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/device.h"
#include "support_chain.h"

#define TURNS 3

/* ---- a device that cancels ------------------------------------------------------------------- */

/* Stands before the device of a session, and cancels the session during its `at`-th operation. */
typedef struct canceller {
    dms_device device; /* what the session sees; first, so that both addresses are one */
    dms_device *behind;
    dms_session *session;
    atomic_uint n_done;
    uint32_t at;          /* 0 = never */
    atomic_uint n_behind; /* operations that began behind the cancelled one */
} canceller;

static void count(canceller *c) {
    const uint32_t n = atomic_fetch_add(&c->n_done, 1) + 1;
    if (n == c->at)
        dms_cancel(c->session);
    if (c->at != 0 && n > c->at)
        atomic_fetch_add(&c->n_behind, 1);
}

static void call_through(dms_device *device, const dms_device_call *call, uint32_t *out_error) {
    canceller *c = (canceller *)device;
    count(c);
    c->behind->ops->call(c->behind, call, out_error);
}

static void copy_in_through(dms_device *device, uint64_t to, const void *from, uint64_t bytes) {
    canceller *c = (canceller *)device;
    count(c);
    c->behind->ops->copy_in(c->behind, to, from, bytes);
}

static void copy_out_through(dms_device *device, void *to, uint64_t from, uint64_t bytes) {
    canceller *c = (canceller *)device;
    count(c);
    c->behind->ops->copy_out(c->behind, to, from, bytes);
}

static void close_through(dms_device *device) {
    canceller *c = (canceller *)device;
    c->behind->ops->close(c->behind);
}

static const dms_device_ops CANCELLING = {.name = "cancelling",
                                          .call = call_through,
                                          .copy_in = copy_in_through,
                                          .copy_out = copy_out_through,
                                          .close = close_through};

/* Puts a canceller before the device of a session that has not run yet. */
static void stand_before(canceller *c, dms_session *s, uint32_t at) {
    memset(c, 0, sizeof *c);
    c->device = *s->device;
    c->device.ops = &CANCELLING;
    c->behind = s->device;
    c->session = s;
    c->at = at;
    s->device = &c->device;
}

/* Runs turns until one is cancelled; returns how many ended well. */
static int run_until_cancelled(chain_case *c, dms_session *s) {
    for (int turn = 0; turn < TURNS; turn++) {
        dms_status st = {0};
        chain_fill(c, turn);
        const dms_code code = dms_run(s, &st);
        if (code != DMS_OK) {
            assert_int_equal(code, DMS_ECANCELLED);
            assert_string_equal(st.msg, "interrupted");
            return turn;
        }
        chain_check(c, turn);
    }
    return TURNS;
}

/* Nothing but closing is left of a cancelled session. */
static void is_over(dms_session *s) {
    dms_status st = {0};
    assert_int_equal(dms_start(s, &st), DMS_ECANCELLED);
    assert_int_equal(dms_wait(s, &st), DMS_ECANCELLED);
    assert_int_equal(dms_prepare(s, &st), DMS_ECANCELLED);
}

static void a_run_ends_between_any_two_of_its_commands(void **state) {
    (void)state;
    /* five products, x in, y out and two copies a turn; two copies before. The last turn skips what
     * serves the next. */
    const uint32_t all = 2 + TURNS * (CHAIN_STEPS + 2 + 2) - 2;
    for (uint32_t threads = 1; threads <= 2; threads++)
        for (uint32_t at = 1; at <= all + 1; at++) {
            chain_case c;
            canceller device;
            chain_make(&c);
            dms_session *s = chain_open(&c, (dms_options){.threads = threads, .turns = TURNS});
            stand_before(&device, s, at);
            const int ended = run_until_cancelled(&c, s);
            if (at > all) { /* nobody came to cancel */
                assert_int_equal(ended, TURNS);
                assert_int_equal(atomic_load(&device.n_done), all);
            } else if (ended < TURNS) {
                is_over(s);
            } else {
                assert_true(at + 3 > all); /* only the last ones may come too late */
            }
            /* each of the other queues finishes what it had begun, and begins no more */
            assert_true(atomic_load(&device.n_behind) <= 2);
            dms_close(s);
        }
}

/* y = x w on one thread: x in, one product, y out, in this order. */
static void make_small(chain_case *c, const float *factor) {
    run_case *r = &c->run;
    run_init(r);
    const uint32_t x =
        run_buffer(r, run_tensor(r, "x", DMS_TENSOR_INPUT, CHAIN_ROWS), DMS_TIER_DEVICE);
    const uint32_t weight = run_weight(r, "w", factor);
    const uint32_t w = run_buffer(r, weight, DMS_TIER_DEVICE);
    const uint32_t y =
        run_buffer(r, run_tensor(r, "y", DMS_TENSOR_OUTPUT, CHAIN_ROWS), DMS_TIER_DEVICE);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[weight].first_source, w);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, x);
    dms_cmd *step = run_step(r, x, w, y);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, y, 0);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
}

static void a_turn_on_one_thread_ends_behind_the_very_command(void **state) {
    (void)state;
    static const float factor = 26.25f;
    for (uint32_t at = 1; at <= 3 * TURNS; at++) {
        chain_case c;
        canceller device;
        make_small(&c, &factor);
        dms_session *s = chain_open(&c, (dms_options){.turns = TURNS});
        stand_before(&device, s, at);
        const int ended = run_until_cancelled(&c, s);
        /* the third command of a turn is its last: cancelled there, the next turn does not begin */
        assert_int_equal(ended, at / 3);
        assert_int_equal(atomic_load(&device.n_behind), 0);
        dms_close(s);
    }
}

/* ---- an index out of range ------------------------------------------------------------------- */

#define ENTRIES 4
#define PICKS 3

/* y = table[index]: the index is the user's, or a constant that the prologue looks up. */
typedef struct look_up {
    run_case run;
    float table[ENTRIES], y[PICKS];
    int64_t index[PICKS];
} look_up;

/* Makes a step of support_run.h a look-up. */
static void make_gather(run_case *r, const dms_cmd *step) {
    r->call[step->call].kernel = DMS_K_GATHER;
    r->call[step->call].n_i = r->call[step->call].n_f = 0;
}

static void look_up_make(look_up *c) {
    static const int64_t TABLE[3] = {1, ENTRIES, 1}, INDEX[1] = {PICKS}, Y[3] = {1, PICKS, 1};
    run_case *r = &c->run;
    run_init(r);
    for (int i = 0; i < ENTRIES; i++)
        c->table[i] = (float)(10 * i + 1);
    const uint32_t table = run_constant(r, "table", DMS_DTYPE_F32, 3, TABLE, c->table);
    const uint32_t index = run_tensor(r, "index", DMS_TENSOR_INPUT, PICKS);
    const uint32_t y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, PICKS);
    run_reshape(r, index, DMS_DTYPE_I64, 1, INDEX);
    run_reshape(r, y, DMS_DTYPE_F32, 3, Y);
    const uint32_t bt = run_buffer(r, table, DMS_TIER_DEVICE);
    const uint32_t bi = run_buffer(r, index, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(r, y, DMS_TIER_DEVICE);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[table].first_source, bt);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bi);
    dms_cmd *step = run_step(r, bt, bi, by);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    make_gather(r, step);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
}

static dms_session *look_up_open(look_up *c) {
    dms_session *s = run_open(&c->run, (dms_options){0});
    const dms_user_tensor in = {.view = c->run.input[0].view, .data = c->index};
    const dms_user_tensor out = {.view = c->run.output[0].view, .data = c->y};
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    return s;
}

static void set_index(look_up *c, int64_t a, int64_t b, int64_t d) {
    memcpy(c->index, ((const int64_t[]){a, b, d}), sizeof c->index);
}

static void an_index_out_of_range_ends_the_turn_that_has_it(void **state) {
    (void)state;
    static const int64_t WRONG[] = {ENTRIES, -ENTRIES - 1, INT64_MAX, INT64_MIN};
    for (int bad_turn = 0; bad_turn < 5; bad_turn++)
        for (size_t w = 0; w < sizeof WRONG / sizeof *WRONG; w++) {
            look_up c;
            dms_status st = {0};
            look_up_make(&c);
            dms_session *s = look_up_open(&c);
            for (int turn = 0; turn < bad_turn; turn++) {
                set_index(&c, turn % ENTRIES, -1, -ENTRIES); /* from the end, too */
                assert_int_equal(dms_run(s, &st), DMS_OK);
                assert_true(c.y[0] == c.table[turn % ENTRIES]);
                assert_true(c.y[1] == c.table[ENTRIES - 1] && c.y[2] == c.table[0]);
            }
            set_index(&c, 0, WRONG[w], 0);
            assert_int_equal(dms_run(s, &st), DMS_EINPUT);
            assert_string_equal(st.msg, "step 0 'scale': operand 1: an index is out of range");
            set_index(&c, 0, 0, 0); /* it stays so */
            assert_int_equal(dms_run(s, &st), DMS_EINPUT);
            assert_int_equal(dms_session_stats(s).turns, (uint64_t)bad_turn);
            dms_close(s);
        }
}

/* The turn before it, which was started first, still gives its outputs. */
static void the_turn_in_front_of_a_bad_one_ends_well(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        look_up c;
        dms_status st = {0};
        float second[PICKS];
        int64_t bad[PICKS] = {0, 99, 0};
        look_up_make(&c);
        dms_session *s = look_up_open(&c);
        set_index(&c, 2, 1, 0);
        assert_int_equal(dms_start(s, &st), DMS_OK);
        assert_int_equal(dms_wait(s, &st), DMS_OK);
        const dms_user_tensor in = {.view = c.run.input[0].view, .data = bad};
        const dms_user_tensor out = {.view = c.run.output[0].view, .data = second};
        assert_int_equal(dms_bind(s, &in, 1, &out, 1, &st), DMS_OK);
        assert_int_equal(dms_start(s, &st), DMS_OK);
        assert_int_equal(dms_wait(s, &st), DMS_EINPUT);
        assert_true(c.y[0] == c.table[2] && c.y[1] == c.table[1] && c.y[2] == c.table[0]);
        dms_close(s);
    }
}

/* y = x w, and before turn 0 something is looked up that nobody needs. */
static void an_index_out_of_range_in_the_prologue_ends_opening(void **state) {
    (void)state;
    static const float factor = 26.25f, table[ENTRIES] = {1, 2, 3, 4};
    static const int64_t TABLE[3] = {1, ENTRIES, 1}, INDEX[1] = {1}, H[3] = {1, 1, 1};
    for (int64_t index = 0; index < 2 * ENTRIES; index++) {
        chain_case c;
        dms_status st = {0};
        make_small(&c, &factor);
        run_case *r = &c.run;
        const uint32_t t = run_constant(r, "table", DMS_DTYPE_F32, 3, TABLE, table);
        const uint32_t k = run_constant(r, "k", DMS_DTYPE_I64, 1, INDEX, &index);
        const uint32_t h = run_tensor(r, "h", DMS_TENSOR_ACTIVATION, 1);
        run_reshape(r, h, DMS_DTYPE_F32, 3, H);
        const uint32_t bt = run_buffer(r, t, DMS_TIER_DEVICE);
        const uint32_t bk = run_buffer(r, k, DMS_TIER_DEVICE);
        const uint32_t bh = run_buffer(r, h, DMS_TIER_DEVICE);
        run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[t].first_source, bt);
        run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[k].first_source, bk)->is_signal =
            true;
        dms_cmd step = *run_step(r, bt, bk, bh); /* made in the body, moved to the prologue */
        r->plan.body.n_cmds[DMS_QUEUE_COMPUTE]--;
        r->plan.n_step_names = --r->plan.n_steps;
        make_gather(r, &step);
        step.step = DMS_NONE;
        step.wait_cmd[DMS_QUEUE_LOAD] = 2;
        *run_cmd(r, 0, DMS_QUEUE_COMPUTE, DMS_CMD_CALL, DMS_NONE, DMS_NONE) = step;
        r->plan.prologue.n_order = r->plan.body.n_order = 0;
        run_finish(r);
        dms_session *s = chain_open(&c, (dms_options){0});
        if (index < ENTRIES) {
            chain_run(&c, s, 1);
        } else {
            assert_int_equal(dms_prepare(s, &st), DMS_EINPUT);
            assert_string_equal(st.msg, "prologue: operand 1: an index is out of range");
            assert_int_equal(dms_run(s, &st), DMS_EINPUT);
        }
        dms_close(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_ends_between_any_two_of_its_commands),
        cmocka_unit_test(a_turn_on_one_thread_ends_behind_the_very_command),
        cmocka_unit_test(an_index_out_of_range_ends_the_turn_that_has_it),
        cmocka_unit_test(the_turn_in_front_of_a_bad_one_ends_well),
        cmocka_unit_test(an_index_out_of_range_in_the_prologue_ends_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
