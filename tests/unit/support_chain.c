/* support_chain.c - see support_chain.h. */
#include "support_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const float factor[CHAIN_STEPS] = {2, 3, 0.5f, 1.25f, 7}; /* their product is 26.25 */

/* Loads a weight to its home; its place is filled from there before turn 0, and again behind step
 * `step` of every turn. */
static void stream_weight(run_case *r, uint32_t home, uint32_t to, uint32_t step) {
    const uint32_t load = r->plan.prologue.n_cmds[DMS_QUEUE_LOAD] - 1;
    r->cmd[0][DMS_QUEUE_LOAD][load].is_signal = true;
    run_cmd(r, 0, DMS_QUEUE_IN, DMS_CMD_COPY, home, to)->wait_cmd[DMS_QUEUE_LOAD] = load;
    dms_cmd *again = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_COPY, home, to);
    again->is_ahead = true;
    run_wait(r, again, DMS_QUEUE_COMPUTE, step, 0);
}

void chain_make(chain_case *c) {
    static const char *const names[CHAIN_STEPS] = {"w0", "w1", "w2", "w3", "w4"};
    run_case *r = &c->run;
    run_init(r);
    uint32_t weight[CHAIN_STEPS], value[CHAIN_STEPS + 1];
    value[0] = run_buffer(r, run_tensor(r, "x", DMS_TENSOR_INPUT, CHAIN_ROWS), DMS_TIER_DEVICE);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, value[0]), *step[CHAIN_STEPS];
    for (uint32_t k = 0; k < CHAIN_STEPS; k++) {
        const uint32_t w = run_weight(r, names[k], &factor[k]);
        const bool is_last = k + 1 == CHAIN_STEPS;
        const uint32_t h =
            run_tensor(r, is_last ? "y" : "h", is_last ? DMS_TENSOR_OUTPUT : DMS_TENSOR_ACTIVATION,
                       CHAIN_ROWS);
        weight[k] = run_buffer(r, w, DMS_TIER_DEVICE);
        value[k + 1] = run_buffer(r, h, DMS_TIER_DEVICE);
        step[k] = run_step(r, value[k], weight[k], value[k + 1]);
    }
    for (uint32_t k = 0; k < CHAIN_STEPS; k++) {
        const uint32_t w = r->buffer[weight[k]].tensor;
        const bool is_streamed = k == 1 || k == 3;
        const uint32_t at = is_streamed ? run_buffer(r, w, DMS_TIER_HOST) : weight[k];
        run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w].first_source, at);
        if (is_streamed)
            stream_weight(r, at, weight[k], k);
    }
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, value[CHAIN_STEPS], 0);
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, step[0], DMS_QUEUE_IN, 0, 0);
    run_wait(r, step[1], DMS_QUEUE_IN, 1, 1);
    run_wait(r, step[3], DMS_QUEUE_IN, 2, 1);
    run_wait(r, step[CHAIN_STEPS - 1], DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, CHAIN_STEPS - 1, 0);
    run_finish(r);
}

dms_session *chain_open(chain_case *c, dms_options options) {
    dms_session *s = run_open(&c->run, options);
    const dms_user_tensor in = run_user(c->x, CHAIN_ROWS), out = run_user(c->y, CHAIN_ROWS);
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    return s;
}

void chain_fill(chain_case *c, int turn) {
    for (int i = 0; i < CHAIN_ROWS; i++) {
        c->x[i] = (float)(turn * 10 + i);
        c->y[i] = -1;
    }
}

void chain_check(const chain_case *c, int turn) {
    for (int i = 0; i < CHAIN_ROWS; i++)
        assert_true(c->y[i] == 26.25f * (float)(turn * 10 + i));
}

void chain_run(chain_case *c, dms_session *s, int turn) {
    chain_fill(c, turn);
    assert_int_equal(dms_run(s, NULL), DMS_OK);
    chain_check(c, turn);
}
