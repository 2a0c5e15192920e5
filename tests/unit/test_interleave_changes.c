/* test_interleave_changes.c - every single change of small plans: what the checker lets pass gives
 * the same bits in every order.
 *
 * A buffer moved to each place of its arena, a command moved by one, each wait that can be written
 * down, other marks, other operands. What the checker refuses runs as well, but for other operands,
 * which may lie outside: most of it goes wrong or stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "schema/checked.h"
#include "support_tiny.h"

/* What became of the changes of one kind. */
typedef struct tally {
    const tiny_case *t;
    interleave *machine;
    const char *what;
    bool runs_refused;
    uint32_t n, n_passed, n_wrong;
} tally;

static bool passes(const dms_plan *plan) {
    dms_arena scratch = {0};
    dms_hash meaning;
    dms_status st;
    const dms_code code = dms_check_plan(plan, &scratch, &meaning, &st);
    dms_arena_free(&scratch);
    return code == DMS_OK;
}

/* Judges the plan as it stands. */
static void judge(tally *all) {
    const bool is_passed = passes(&all->t->compiled.plan);
    all->n++;
    all->n_passed += is_passed;
    if (!is_passed && !all->runs_refused)
        return;
    interleave_case c = tiny_interleave(all->t);
    c.n_turns = 3;
    c.most_under_way = 2;
    c.effect = INTERLEAVE_TORN;
    c.stops_when_wrong = true;
    const interleave_result r = interleave_follow(all->machine, &c);
    const bool is_wrong = r.n_wrong + r.n_stuck > 0;
    if (is_passed && is_wrong)
        fail_msg("%s, change %u: passed by the checker, wrong in the order %s", all->what, all->n,
                 r.order);
    all->n_wrong += is_wrong;
}

/* Every place of every buffer, in steps of what offsets are counted in. */
static void move_buffers(tiny_case *t, tally *all) {
    dms_plan *p = &t->compiled.plan;
    for (uint32_t k = 0; k < p->n_buffers; k++) {
        dms_buffer *b = &p->buffer[k];
        const uint64_t was = b->offset;
        const uint64_t arena = b->arena == DMS_TIER_DEVICE ? p->device_arena : p->host_arena;
        for (b->offset = 0; b->offset + b->bytes <= arena; b->offset += DMS_ALIGN)
            if (b->offset != was)
                judge(all);
        b->offset = was;
    }
}

typedef void change_command(tally *, dms_plan *, dms_program *, uint32_t q, uint32_t k);

static void each_command(tiny_case *t, tally *all, change_command *change) {
    dms_plan *plan = &t->compiled.plan;
    dms_program *program[2] = {&plan->prologue, &plan->body};
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
            for (uint32_t k = 0; k < program[p]->n_cmds[q]; k++)
                change(all, plan, program[p], q, k);
}

/* Exchanges a command with the next one of its queue. */
static void swap_with_next(tally *all, dms_plan *plan, dms_program *p, uint32_t q, uint32_t k) {
    (void)plan;
    if (k + 1 == p->n_cmds[q])
        return;
    dms_cmd *const pair = &p->cmd[q][k], first = pair[0], second = pair[1];
    pair[0] = second;
    pair[1] = first;
    judge(all);
    pair[0] = first;
    pair[1] = second;
}

/* All waits of one command on one queue that a plan can say. */
static void change_waits(tally *all, dms_plan *plan, dms_program *p, uint32_t q, uint32_t k) {
    dms_cmd *cmd = &p->cmd[q][k];
    for (uint32_t on = 0; on < DMS_N_QUEUES; on++) {
        const uint32_t was = cmd->wait_cmd[on];
        const uint8_t back = cmd->wait_back[on];
        for (uint32_t to = 0; on != q && to < p->n_cmds[on]; to++)
            for (uint8_t b = 0; b <= (p == &plan->body); b++) {
                cmd->wait_cmd[on] = to;
                cmd->wait_back[on] = b;
                if (p->cmd[on][to].is_signal && (to != was || b != back))
                    judge(all);
            }
        cmd->wait_cmd[on] = was;
        cmd->wait_back[on] = back;
    }
}

static void flip_marks(tally *all, dms_plan *plan, dms_program *p, uint32_t q, uint32_t k) {
    dms_cmd *cmd = &p->cmd[q][k];
    (void)plan;
    cmd->is_signal = !cmd->is_signal;
    judge(all);
    cmd->is_signal = !cmd->is_signal;
    cmd->is_ahead = !cmd->is_ahead;
    judge(all);
    cmd->is_ahead = !cmd->is_ahead;
}

/* Other buffers for what a command reads and writes. */
static void change_ends(tally *all, dms_plan *plan, dms_program *p, uint32_t q, uint32_t k) {
    dms_cmd *cmd = &p->cmd[q][k];
    if (cmd->kind == DMS_CMD_CALL) {
        const dms_plan_call *call = &plan->call[cmd->call];
        for (uint32_t o = 0; o < call->n_in + call->n_out; o++) {
            dms_operand *operand = (dms_operand *)&cmd->operand[o];
            const uint32_t was = operand->buffer;
            for (operand->buffer = 0; operand->buffer < plan->n_buffers; operand->buffer++)
                if (operand->buffer != was)
                    judge(all);
            operand->buffer = was;
        }
        return;
    }
    const uint32_t from = cmd->from, to = cmd->to;
    const bool is_buffer = cmd->kind == DMS_CMD_COPY || cmd->kind == DMS_CMD_TO_USER;
    const uint32_t n_from = is_buffer                        ? plan->n_buffers
                            : cmd->kind == DMS_CMD_FROM_USER ? plan->n_inputs
                                                             : plan->n_sources;
    const uint32_t n_to = cmd->kind == DMS_CMD_TO_USER ? plan->n_outputs : plan->n_buffers;
    for (cmd->from = 0; cmd->from < n_from; cmd->from++)
        if (cmd->from != from)
            judge(all);
    cmd->from = from;
    for (cmd->to = 0; cmd->to < n_to; cmd->to++)
        if (cmd->to != to)
            judge(all);
    cmd->to = to;
}

/* Two tiers, three tiers, saved activations, two outputs, weights kept through a ring. */
static const struct {
    tiny_model model;
    uint64_t extra_bytes;
    bool is_least_host;
    dms_device_kind kind;
} plans[] = {
    {TINY_PAIR, 256, false, DMS_DEVICE_CPU},   {TINY_CHAIN, 0, true, DMS_DEVICE_CPU},
    {TINY_RESIDUAL, 0, false, DMS_DEVICE_CPU}, {TINY_ENDS, 512, false, DMS_DEVICE_CPU},
    {TINY_CHAIN, 4096, true, DMS_DEVICE_CUDA},
};

#define N_PLANS (sizeof plans / sizeof *plans)

/* Makes all changes of a kind: the buffers where `change` is NULL. */
static tally change_all(const char *what, bool runs_refused, change_command *change) {
    tally all = {.what = what, .runs_refused = runs_refused};
    for (uint32_t k = 0; k < N_PLANS; k++) {
        tiny_case t;
        tiny_begin(&t, plans[k].model, true);
        t.g.profile.device_kind = plans[k].kind;
        tiny_plan_at(&t, plans[k].extra_bytes, plans[k].is_least_host);
        const interleave_case c = tiny_interleave(&t);
        all.t = &t;
        all.machine = interleave_open(&c);
        assert_true(passes(&t.compiled.plan));
        if (change == NULL)
            move_buffers(&t, &all);
        else
            each_command(&t, &all, change);
        interleave_close(all.machine);
        tiny_end(&t);
    }
    print_message("%s: %u, of which %u pass and are right in every order; of %u refused %u are "
                  "wrong in one\n",
                  what, all.n, all.n_passed, all.n - all.n_passed, all.n_wrong);
    return all;
}

static void a_buffer_may_move_where_the_checker_lets_it(void **state) {
    (void)state;
    const tally all = change_all("buffers moved", true, NULL);
    assert_true(all.n_passed > 20 && all.n_wrong > 300);
}

static void a_command_may_move_where_the_checker_lets_it(void **state) {
    (void)state;
    const tally all = change_all("commands exchanged", true, swap_with_next);
    assert_true(all.n_passed > 2 && all.n_wrong > 10);
}

static void waits_may_change_where_the_checker_lets_them(void **state) {
    (void)state;
    const tally all = change_all("waits changed", true, change_waits);
    assert_true(all.n_passed > 50 && all.n_wrong > 100);
}

static void marks_may_change_where_the_checker_lets_them(void **state) {
    (void)state;
    const tally all = change_all("marks changed", true, flip_marks);
    assert_true(all.n_passed > 5 && all.n_wrong > 20);
}

static void operands_may_change_where_the_checker_lets_them(void **state) {
    (void)state;
    const tally all = change_all("operands changed", false, change_ends);
    assert_true(all.n > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_may_move_where_the_checker_lets_it),
        cmocka_unit_test(a_command_may_move_where_the_checker_lets_it),
        cmocka_unit_test(waits_may_change_where_the_checker_lets_them),
        cmocka_unit_test(marks_may_change_where_the_checker_lets_them),
        cmocka_unit_test(operands_may_change_where_the_checker_lets_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
