/* test_check_random.c - thousands of random changes of the small plan. What the checker lets pass
 * is run on symbols, in many orders: the outputs of every turn are those of the good plan. What it
 * refuses as a race, a lost content or a deadlock does go wrong in some order, often enough to show
 * that the machine would notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/check/check.h"
#include "support_execute.h"
#include "support_plan.h"
#include "support_rounds.h"

enum { ROUNDS = ROUNDS_OF(2500, 1000), ORDERS = 12 };

static uint32_t below(uint64_t *random, uint32_t n) {
    return (uint32_t)(execute_random(random) >> 33) % n;
}

/* A command of the body, or sometimes of the prologue; `queue` and `k` say which. */
static dms_cmd *any_cmd(case_plan *c, uint64_t *random, dms_program **program, dms_queue *queue,
                        uint32_t *k) {
    *program = below(random, 6) == 0 ? &c->plan.prologue : &c->plan.body;
    do
        *queue = (dms_queue)below(random, 4);
    while ((*program)->n_cmds[*queue] == 0);
    *k = below(random, (*program)->n_cmds[*queue]);
    return case_cmd(*program, *queue, *k);
}

static void change_wait(dms_program *program, dms_queue queue, dms_cmd *cmd, uint64_t *random) {
    const dms_queue on = (dms_queue)((queue + 1 + below(random, 3)) % 4);
    const uint32_t n = program->n_cmds[on];
    if (n == 0 || below(random, 2) == 0)
        case_wait(cmd, on, DMS_NONE, 0);
    else
        case_wait(cmd, on, below(random, n), (uint8_t)below(random, 2));
}

static void change_copy(case_plan *c, dms_cmd *cmd, uint64_t *random) {
    if (below(random, 2) == 0)
        cmd->to = below(random, cmd->kind == DMS_CMD_TO_USER ? 1 : c->plan.n_buffers);
    else if (cmd->kind == DMS_CMD_LOAD)
        cmd->from = below(random, c->plan.n_sources);
    else
        cmd->from = below(random, cmd->kind == DMS_CMD_FROM_USER ? 1 : c->plan.n_buffers);
}

static void change_call(case_plan *c, dms_program *program, uint32_t k, uint64_t *random) {
    dms_cmd *cmd = case_cmd(program, COMPUTE, k);
    const uint32_t n = c->plan.call[cmd->call].n_in + c->plan.call[cmd->call].n_out;
    dms_operand *o = case_operand(program, k, below(random, n));
    switch (below(random, 4)) {
    case 0:
        o->buffer = below(random, c->plan.n_buffers);
        break;
    case 1:
        o->first = below(random, 2);
        break;
    case 2:
        o->n = 1 + below(random, 2);
        break;
    default:
        cmd->workspace = below(random, 2) == 0 ? DMS_NONE : (uint32_t)B_WORK;
    }
}

/* Two commands of a queue change places; their waits go with them. */
static void swap_commands(dms_program *program, dms_queue queue, uint64_t *random) {
    const uint32_t n = program->n_cmds[queue];
    dms_cmd *a = case_cmd(program, queue, below(random, n));
    dms_cmd *b = case_cmd(program, queue, below(random, n));
    const dms_cmd was = *a;
    *a = *b;
    *b = was;
}

static void shuffle_order(case_plan *c, dms_program *program, uint64_t *random) {
    char digits[64] = {0};
    for (uint32_t k = 0; k < program->n_order; k++)
        digits[k] = (char)('0' + program->order[k]);
    const uint32_t a = below(random, program->n_order), b = below(random, program->n_order);
    const char was = digits[a];
    digits[a] = digits[b];
    digits[b] = was;
    case_order(c, program, digits);
}

static void change_buffer(case_plan *c, uint64_t *random) {
    dms_buffer *b = &c->plan.buffer[below(random, c->plan.n_buffers)];
    const uint64_t arena = b->arena == DMS_TIER_DEVICE ? c->plan.device_arena : c->plan.host_arena;
    const uint64_t units = (arena - b->bytes) / DMS_ALIGN + 1;
    b->offset = (uint64_t)below(random, (uint32_t)units) * DMS_ALIGN;
}

static void change(case_plan *c, uint64_t *random) {
    dms_program *program;
    dms_queue queue;
    uint32_t k;
    dms_cmd *cmd = any_cmd(c, random, &program, &queue, &k);
    switch (below(random, 10)) {
    case 0:
    case 1:
    case 2:
        change_wait(program, queue, cmd, random);
        break;
    case 3:
        if (cmd->kind == DMS_CMD_CALL)
            change_call(c, program, k, random);
        else
            change_copy(c, cmd, random);
        break;
    case 4:
        swap_commands(program, queue, random);
        break;
    case 5:
        shuffle_order(c, program, random);
        break;
    case 6:
        change_buffer(c, random);
        break;
    case 7:
        cmd->is_ahead = !cmd->is_ahead;
        break;
    case 8:
        case_remove(program, queue, k);
        break;
    default:
        cmd->is_signal = !cmd->is_signal;
    }
}

/* What became of the changed plan: 0 the reader refused it, 1 passed, else the digit of P. */
static int judge(case_plan *c, dms_plan *out, dms_arena *arena) {
    uint8_t *data;
    uint64_t size;
    assert_int_equal(dms_plan_encode(&c->plan, arena, &data, &size, &c->st), DMS_OK);
    if (dms_plan_decode(data, size, arena, out, &c->st) != DMS_OK)
        return 0;
    if (dms_check_plan(out, arena, &c->meaning, &c->st) == DMS_OK)
        return 1;
    assert_int_equal(c->st.msg[0], 'P');
    return c->st.msg[1] == '1' ? 10 : c->st.msg[1] - '0';
}

/* In how many of the orders the outputs differ from the good ones. */
static uint32_t count_wrong(const dms_plan *plan, const execute_result *good, uint64_t *random) {
    uint32_t wrong = 0;
    for (uint32_t k = 0; k < ORDERS; k++) {
        const execute_result r = execute_plan(plan, execute_random(random));
        wrong += r.end != EXECUTE_DONE || memcmp(r.output, good->output, sizeof r.output) != 0;
    }
    return wrong;
}

static void the_good_plan_gives_the_same_in_every_order(void **state) {
    (void)state;
    uint64_t random = 20260;
    case_plan c;
    case_make(&c);
    const execute_result good = execute_plan(&c.plan, 1);
    assert_int_equal(good.end, EXECUTE_DONE);
    assert_true(good.output[0] != good.output[1] && good.output[1] != good.output[2]);
    for (uint32_t k = 0; k < 50; k++)
        assert_int_equal(count_wrong(&c.plan, &good, &random), 0);
    case_free(&c);
}

static void what_passes_is_right_in_every_order(void **state) {
    (void)state;
    uint64_t random = 88172645463325252u;
    uint32_t n_verdict[11] = {0}, n_wrong[11] = {0}, n_changed_and_passed = 0;
    case_plan c;
    case_make(&c);
    const execute_result good = execute_plan(&c.plan, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        dms_arena arena = {0};
        dms_plan plan;
        case_free(&c);
        case_make(&c);
        for (uint32_t n = 1 + below(&random, 3); n > 0; n--)
            change(&c, &random);
        const int verdict = judge(&c, &plan, &arena);
        n_verdict[verdict]++;
        if (verdict != 0 && verdict != 8 && verdict != 10) {
            const uint32_t wrong = count_wrong(&plan, &good, &random);
            n_wrong[verdict] += wrong != 0;
            if (verdict == 1 && wrong != 0)
                fail_msg("round %u: passed, and wrong in %u orders", round, wrong);
            n_changed_and_passed += verdict == 1;
        }
        dms_arena_free(&arena);
    }
    case_free(&c);
    print_message("reader %u, passed %u, P2 %u, P3 %u (%u wrong), P4 %u (%u wrong), P5 %u, P6 %u "
                  "(%u wrong), P8 %u\n",
                  n_verdict[0], n_verdict[1], n_verdict[2], n_verdict[3], n_wrong[3], n_verdict[4],
                  n_wrong[4], n_verdict[5], n_verdict[6], n_wrong[6], n_verdict[8]);
    assert_true(n_changed_and_passed > ROUNDS / 20);
    assert_true(n_verdict[3] > ROUNDS / 20 && n_wrong[3] > n_verdict[3] / 2);
    assert_true(n_verdict[4] > ROUNDS / 50 && n_wrong[4] > n_verdict[4] / 2);
    assert_true(n_verdict[6] > 10 && n_wrong[6] > n_verdict[6] / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_good_plan_gives_the_same_in_every_order),
        cmocka_unit_test(what_passes_is_right_in_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
