/* test_failed_turn.c - once a call has said that a turn failed, the caller's memory is the caller's
 * again: each test forbids it at once, and dms_close comes only then. Whoever still moves a tensor
 * ends the test with a fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "runtime/kernels/catalogue.h"
#include "support_cuda.h"
#include "support_rounds.h"
#include "support_run.h"

#define ENTRIES 4
#define PICKS 3
#define ROWS ROUNDS_OF(1000000, 300000) /* element by element: some milliseconds */

/* What one turn reads and writes, on pages of its own. x and z have room between their elements. */
typedef struct turn_memory {
    int64_t index[PICKS];
    float y[PICKS];
    float x[2 * ROWS], z[2 * ROWS];
} turn_memory;

typedef struct two_ports {
    run_case run;
    float table[ENTRIES], factor;
    turn_memory *turn[2];
} two_ports;

/* The turn waits for its tensors and nothing else: back waits keep the next one off its buffers. */
static dms_cmd *add_step(two_ports *p, uint32_t k, uint32_t port, uint32_t x, uint32_t w,
                         uint32_t y) {
    run_case *r = &p->run;
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, port, x);
    dms_cmd *step = run_step(r, port == 0 ? w : x, port == 0 ? x : w, y);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, y, port);
    run_wait(r, in, DMS_QUEUE_COMPUTE, k, 1);
    run_wait(r, step, DMS_QUEUE_IN, k, 0);
    run_wait(r, step, DMS_QUEUE_OUT, k, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, k, 0);
    return step;
}

/*   in       |index|-- x --|
 *   compute        |y = table[index]|     |z = 3 x|
 *   out                             |y|           |-- z --| */
static void make(two_ports *p, bool is_cuda) {
    static const int64_t TABLE[3] = {1, ENTRIES, 1}, INDEX[1] = {PICKS}, Y[3] = {1, PICKS, 1};
    run_case *r = &p->run;
    for (int i = 0; i < ENTRIES; i++)
        p->table[i] = (float)(10 * i + 1);
    p->factor = 3;
    run_init(r);
    const uint32_t table = run_constant(r, "table", DMS_DTYPE_F32, 3, TABLE, p->table);
    const uint32_t w = run_weight(r, "w", &p->factor);
    const uint32_t index = run_tensor(r, "index", DMS_TENSOR_INPUT, PICKS);
    const uint32_t x = run_tensor(r, "x", DMS_TENSOR_INPUT, ROWS);
    const uint32_t y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, PICKS);
    const uint32_t z = run_tensor(r, "z", DMS_TENSOR_OUTPUT, ROWS);
    run_reshape(r, index, DMS_DTYPE_I64, 1, INDEX);
    run_reshape(r, y, DMS_DTYPE_F32, 3, Y);
    uint32_t buffer[6];
    const uint32_t tensor[6] = {table, w, index, x, y, z};
    for (int k = 0; k < 6; k++)
        buffer[k] = run_buffer(r, tensor[k], DMS_TIER_DEVICE);
    for (int k = 0; k < 2; k++)
        run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[tensor[k]].first_source, buffer[k]);
    dms_plan_call *gather = &r->call[add_step(p, 0, 0, buffer[2], buffer[0], buffer[4])->call];
    gather->kernel = DMS_K_GATHER;
    gather->n_i = gather->n_f = 0;
    (void)add_step(p, 1, 1, buffer[3], buffer[1], buffer[5]);
    run_finish(r);
    if (is_cuda)
        cuda_plan(r);
    for (int k = 0; k < 2; k++) {
        p->turn[k] = mmap(NULL, sizeof *p->turn[k], PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(p->turn[k] != MAP_FAILED);
    }
}

static void open_two(two_ports *p, fake_cuda *fake, dms_session **out) {
    dms_status st = {.msg = ""};
    if (fake == NULL)
        *out = run_open(&p->run, (dms_options){.threads = 2});
    else if (cuda_open(&p->run.plan, (dms_options){0}, fake, out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

/* A turn on its own memory; `is_bad`: its first index is behind the table. */
static dms_code start(two_ports *p, dms_session *s, int turn, bool is_bad) {
    turn_memory *m = p->turn[turn % 2];
    m->index[0] = is_bad ? ENTRIES : 2;
    for (int i = 0; i < ROWS; i++)
        m->x[2 * i] = (float)(i % 1000 + turn);
    dms_user_tensor in[2] = {{p->run.input[0].view, m->index}, run_user(m->x, ROWS)};
    dms_user_tensor out[2] = {{p->run.output[0].view, m->y}, run_user(m->z, ROWS)};
    in[1].view.pitch[0] = out[1].view.pitch[0] = 2;
    assert_int_equal(dms_bind(s, in, 2, out, 2, NULL), DMS_OK);
    return dms_start(s, NULL);
}

static void check_turn(const two_ports *p, int turn) {
    const turn_memory *m = p->turn[turn % 2];
    assert_true(m->y[0] == 21 && m->y[1] == 1 && m->y[2] == 1);
    for (int i = 0; i < ROWS; i++)
        if (m->z[2 * i] != 3 * (float)(i % 1000 + turn))
            fail_msg("turn %d, element %d: %g", turn, i, (double)m->z[2 * i]);
}

/* From now on nobody may touch the memory of either turn; then the session is closed. */
static void forbid_and_close(two_ports *p, dms_session *s) {
    for (int k = 0; k < 2; k++)
        assert_int_equal(mprotect(p->turn[k], sizeof *p->turn[k], PROT_NONE), 0);
    dms_close(s);
    for (int k = 0; k < 2; k++)
        assert_int_equal(munmap(p->turn[k], sizeof *p->turn[k]), 0);
}

/* NULL: the CPU. */
static fake_cuda *card_of(int kind) {
    return kind == 0
               ? NULL
               : fake_cuda_new(&(fake_cuda_options){.is_calm = true, .has_no_values = kind == 2});
}

/* A session on one kind of device, and the memory of two turns. */
typedef struct attempt {
    two_ports p;
    fake_cuda *fake;
    dms_session *s;
    dms_status st;
} attempt;

static void begin(attempt *a, int kind) {
    memset(a, 0, sizeof *a);
    make(&a->p, kind != 0);
    a->fake = card_of(kind);
    open_two(&a->p, a->fake, &a->s);
}

static void end(attempt *a) {
    forbid_and_close(&a->p, a->s);
    if (a->fake != NULL)
        cuda_end(a->fake);
}

/* y fails at once; x is still on its way to the device. */
static void a_tensor_on_its_way_in_is_let_go_before_the_failure_is_told(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        attempt a;
        begin(&a, kind);
        assert_int_equal(start(&a.p, a.s, 0, true), DMS_OK);
        assert_int_equal(dms_wait(a.s, &a.st), DMS_EINPUT);
        assert_string_equal(a.st.msg, "step 0 'scale': operand 1: an index is out of range");
        end(&a);
    }
}

/* y of turn 1 fails while z of turn 0 is written, where turn 0 was not over before. */
static void a_tensor_on_its_way_out_is_let_go_before_the_failure_is_told(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        attempt a;
        begin(&a, kind);
        assert_int_equal(start(&a.p, a.s, 0, false), DMS_OK);
        assert_int_equal(start(&a.p, a.s, 1, true), DMS_OK);
        dms_code code = dms_wait(a.s, &a.st);
        if (code == DMS_OK) {
            check_turn(&a.p, 0);
            code = dms_wait(a.s, &a.st);
        }
        assert_int_equal(code, DMS_EINPUT);
        end(&a);
    }
}

/* A call that starts a turn finds the failure of the one before: it is told there. */
static void whichever_call_tells_of_the_failure_tells_it_then(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        attempt a;
        begin(&a, kind);
        assert_int_equal(start(&a.p, a.s, 0, true), DMS_OK);
        const dms_code code = start(&a.p, a.s, 1, false); /* it may be told in time, or not yet */
        assert_true(code == DMS_OK || code == DMS_EINPUT);
        if (code == DMS_OK)
            assert_int_equal(dms_wait(a.s, &a.st), DMS_EINPUT);
        end(&a);
    }
}

/* Interrupted with both turns under way. */
static void a_turn_that_is_cancelled_lets_go_as_one_that_fails(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        attempt a;
        begin(&a, kind);
        assert_int_equal(start(&a.p, a.s, 0, false), DMS_OK);
        assert_int_equal(start(&a.p, a.s, 1, false), DMS_OK);
        dms_cancel(a.s);
        dms_code code = dms_wait(a.s, &a.st);
        for (int turn = 1; code == DMS_OK; turn++)
            code = turn == 1 ? dms_wait(a.s, &a.st) : dms_run(a.s, &a.st);
        assert_int_equal(code, DMS_ECANCELLED);
        end(&a);
    }
}

/* The card is lost under a host function: CUDA calls its streams ended, the function is not. Four
 * of them in a turn: index, x, y, z. */
static void a_card_that_is_lost_while_the_host_moves_is_waited_for(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 8; n++) {
        two_ports p;
        dms_session *s;
        dms_status st = {.msg = ""};
        make(&p, true);
        fake_cuda *fake =
            fake_cuda_new(&(fake_cuda_options){.is_calm = true, .fail_host = n, .fail_code = 719});
        open_two(&p, fake, &s);
        assert_int_equal(start(&p, s, 0, false), DMS_OK);
        (void)start(&p, s, 1, false);
        dms_code code = dms_wait(s, &st);
        if (code == DMS_OK) {
            check_turn(&p, 0);
            code = dms_wait(s, &st);
        }
        assert_int_equal(code, DMS_EDEVICE);
        assert_non_null(strstr(st.msg, "cudaErrorLaunchFailure"));
        forbid_and_close(&p, s);
        cuda_end(fake);
    }
}

/* Takes what a session has given back, and leaves nothing of it as it was. */
static void use_again(void) {
    void *block[64];
    for (uint32_t k = 0; k < 64; k++) {
        block[k] = calloc(1, (size_t)1 << (12 + k % 9));
        assert_non_null(block[k]);
    }
    for (uint32_t k = 0; k < 64; k++)
        free(block[k]);
}

/* A thread of CUDA's has taken the function up when the card is lost, and comes to it when session
 * and tensors are gone: it may touch neither. */
static void a_host_function_that_a_lost_card_still_calls_touches_nothing(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 8; n++) {
        two_ports p;
        dms_session *s;
        dms_status st = {.msg = ""};
        make(&p, true);
        fake_cuda *fake = fake_cuda_new(&(fake_cuda_options){
            .is_calm = true, .fail_host = n, .fail_code = 719, .is_late = true});
        open_two(&p, fake, &s);
        assert_int_equal(start(&p, s, 0, false), DMS_OK);
        (void)start(&p, s, 1, false);
        dms_code code = dms_wait(s, &st);
        if (code == DMS_OK)
            code = dms_wait(s, &st);
        assert_int_equal(code, DMS_EDEVICE);
        forbid_and_close(&p, s);
        use_again();
        assert_true(fake_cuda_call_late(fake));
        cuda_end(fake);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tensor_on_its_way_in_is_let_go_before_the_failure_is_told),
        cmocka_unit_test(a_tensor_on_its_way_out_is_let_go_before_the_failure_is_told),
        cmocka_unit_test(whichever_call_tells_of_the_failure_tells_it_then),
        cmocka_unit_test(a_turn_that_is_cancelled_lets_go_as_one_that_fails),
        cmocka_unit_test(a_card_that_is_lost_while_the_host_moves_is_waited_for),
        cmocka_unit_test(a_host_function_that_a_lost_card_still_calls_touches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
