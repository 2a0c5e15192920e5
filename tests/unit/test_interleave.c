/* test_interleave.c - every order in which the queues of a plan can run gives the same bits, and
 * every wait that the checker insists on is there for a reason.
 *
 * The plans are the planner's, of models small enough to follow all of their orders: 10^26 for the
 * longest, in a few thousand states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "support_rounds.h"
#include "support_tiny.h"

#define TURNS 3

/* What was seen over many plans. */
typedef struct tally {
    tiny_model model;
    uint32_t n_plans, n_three_tiers, n_saving, n_ahead, most_cmds;
    uint64_t n_states;
    double most_orders;
} tally;

/* Fails with the order that went wrong. */
static interleave_result must_be_right(const tiny_case *t, interleave *m, const interleave_case *c,
                                       const char *what) {
    const interleave_result r = interleave_follow(m, c);
    if (r.n_wrong + r.n_stuck > 0 || (c->n_walks == 0 && !r.is_whole))
        fail_msg("%s, device %llu, host %llu, effect %d: %llu wrong, %llu stuck: %s", what,
                 (unsigned long long)t->compiled.plan.device_arena,
                 (unsigned long long)t->compiled.plan.host_arena, (int)c->effect,
                 (unsigned long long)r.n_wrong, (unsigned long long)r.n_stuck, r.order);
    return r;
}

/* Counts what kinds of plans there are. */
static void count_plan(const tiny_case *t, tally *all) {
    const dms_program *body = &t->compiled.plan.body;
    const uint32_t n = tiny_n_cmds(t);
    all->n_plans++;
    all->n_three_tiers += body->n_cmds[DMS_QUEUE_LOAD] > 0;
    all->n_saving += body->n_cmds[DMS_QUEUE_OUT] > t->compiled.plan.n_outputs;
    bool is_ahead = false;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        for (uint32_t k = 0; k < body->n_cmds[q]; k++)
            is_ahead |= body->cmd[q][k].is_ahead;
    all->n_ahead += is_ahead;
    all->most_cmds = n > all->most_cmds ? n : all->most_cmds;
}

/* All orders of one plan, whenever its bytes move, with one and with two turns under way. */
static void follow_all_orders(tiny_case *t, void *data) {
    tally *all = data;
    interleave_case c = tiny_interleave(t);
    count_plan(t, all);
    c.n_turns = TURNS;
    c.poison = true;
    interleave *m = interleave_open(&c);
    for (int effect = 0; effect < INTERLEAVE_MIXED; effect++)
        for (c.most_under_way = 1; c.most_under_way <= 2; c.most_under_way++) {
            c.effect = (interleave_effect)effect;
            (void)must_be_right(t, m, &c, tiny_name(all->model));
        }
    c.most_under_way = 2;
    c.is_endless = true; /* nothing is skipped in the last turn */
    const interleave_result r = must_be_right(t, m, &c, tiny_name(all->model));
    interleave_close(m);
    all->n_states += r.n_states;
    all->most_orders = r.n_orders > all->most_orders ? r.n_orders : all->most_orders;
}

/* Each command by itself early, late or torn. */
static void follow_mixed_orders(tiny_case *t, void *data) {
    tally *all = data;
    interleave_case c = tiny_interleave(t);
    c.n_turns = TURNS;
    c.most_under_way = 2;
    c.effect = INTERLEAVE_MIXED;
    interleave *m = interleave_open(&c);
    for (c.seed = 1; c.seed <= ROUNDS_OF(5, 2); c.seed++)
        (void)must_be_right(t, m, &c, tiny_name(all->model));
    interleave_close(m);
}

/* Calls `use` for all plans of all models, then for those of a device that the host cannot write:
 * there kept weights come through places of the host in the prologue. */
static void each_plan(uint32_t n_budgets, void (*use)(tiny_case *, void *), void *data,
                      tiny_model *model) {
    for (*model = 0; *model < N_TINY_MODELS; (*model)++) {
        tiny_case t;
        tiny_begin(&t, *model, true);
        (void)tiny_each_plan(&t, n_budgets, use, data);
        t.g.profile.device_kind = DMS_DEVICE_CUDA;
        (void)tiny_each_plan(&t, n_budgets / 2, use, data);
        tiny_end(&t);
    }
}

static void all_orders_of_the_queues_give_the_same_bits(void **state) {
    (void)state;
    tally all = {.n_plans = 0};
    each_plan(ROUNDS_OF(16, 4), follow_all_orders, &all, &all.model);
    print_message("%u plans of up to %u commands, %u on three tiers, %u that save activations, %u "
                  "that run ahead; %llu states, up to %.1e orders of one plan\n",
                  all.n_plans, all.most_cmds, all.n_three_tiers, all.n_saving, all.n_ahead,
                  (unsigned long long)all.n_states, all.most_orders);
    assert_true(all.n_plans > ROUNDS_OF(30, 15));
    assert_true(all.n_three_tiers > ROUNDS_OF(5, 2) && all.n_saving > ROUNDS_OF(5, 1));
    assert_true(all.n_ahead > ROUNDS_OF(5, 2) && all.most_cmds >= 14 && all.most_orders > 1e9);
}

static void commands_may_take_effect_each_in_its_own_way(void **state) {
    (void)state;
    tally all = {.n_plans = 0};
    each_plan(ROUNDS_OF(4, 2), follow_mixed_orders, &all, &all.model);
}

static void walk_long_plan(tiny_case *t, void *data) {
    tally *all = data;
    interleave_case c = tiny_interleave(t);
    count_plan(t, all);
    c.n_turns = 5;
    c.most_under_way = 2;
    c.effect = INTERLEAVE_MIXED;
    c.n_walks = ROUNDS_OF(25, 12);
    interleave *m = interleave_open(&c);
    for (c.seed = 1; c.seed <= 2; c.seed++)
        (void)must_be_right(t, m, &c, "long");
    interleave_close(m);
}

static void random_orders_of_long_plans_give_the_same_bits(void **state) {
    (void)state;
    tally all = {.n_plans = 0};
    for (uint32_t n_products = 12; n_products <= 24; n_products += 12)
        for (int is_in_file = 0; is_in_file < 2; is_in_file++) {
            tiny_case t;
            tiny_begin_long(&t, n_products, is_in_file != 0);
            (void)tiny_each_plan(&t, ROUNDS_OF(3, 1), walk_long_plan, &all);
            tiny_end(&t);
        }
    print_message("%u plans of up to %u commands, %u on three tiers\n", all.n_plans, all.most_cmds,
                  all.n_three_tiers);
}

/* Commands that move one cell of a tensor. */
static uint32_t n_cell_moves(const dms_plan *plan) {
    uint32_t n = 0;
    for (uint32_t q = DMS_QUEUE_IN; q <= DMS_QUEUE_OUT; q++)
        for (uint32_t k = 0; k < plan->body.n_cmds[q]; k++) {
            const dms_cmd *cmd = &plan->body.cmd[q][k];
            const uint32_t buffer = q == DMS_QUEUE_IN ? cmd->to : cmd->from;
            n += plan->tensor[plan->buffer[buffer].tensor].is_split;
        }
    return n;
}

static void walk_cells(tiny_case *t, uint64_t extra_bytes, bool is_least_host, uint32_t *n_moves) {
    tiny_plan_at(t, extra_bytes, is_least_host);
    interleave_case c = tiny_interleave(t);
    c.n_turns = 3;
    c.most_under_way = 2;
    c.effect = INTERLEAVE_MIXED;
    c.n_walks = 6;
    c.seed = 77 + extra_bytes;
    interleave *m = interleave_open(&c);
    (void)must_be_right(t, m, &c, "cells");
    interleave_close(m);
    *n_moves += n_cell_moves(&t->compiled.plan);
}

static void random_orders_of_plans_with_cells_give_the_same_bits(void **state) {
    (void)state;
    uint32_t n_moves = 0, n_sent = 0;
    tiny_case t;
    tiny_begin_wide(&t, 4, 40, 320, true);
    for (uint32_t k = 0; k < 4; k++)
        walk_cells(&t, k / 2 * 300000, k % 2 == 1, &n_moves);
    tiny_end(&t);
    tiny_begin_cells(&t);
    walk_cells(&t, 0, false, &n_sent);
    tiny_end(&t);
    print_message("%u cells of weights moved, %u cells in the last plan\n", n_moves, n_sent);
    assert_true(n_moves > 20 && n_sent > 7); /* seven of y, and those of w */
}

/* ---- one wait less ---- */

/* Waits of one kind: compute waits for in, of this turn or the one before, ... */
typedef struct wait_kind {
    uint32_t n, n_refused, n_wrong;
} wait_kind;

typedef struct wait_tally {
    tiny_model model;
    interleave *machine;
    wait_kind kind[2][DMS_N_QUEUES][DMS_N_QUEUES][2]; /* [program][who][for whom][back] */
    wait_kind sum;
    uint32_t n_seen[INTERLEAVE_MIXED]; /* wrong ones, by the effect that shows it */
} wait_tally;

static bool is_refused(const dms_plan *plan) {
    dms_arena scratch = {0};
    dms_hash meaning;
    dms_status st;
    const dms_code code = dms_check_plan(plan, &scratch, &meaning, &st);
    dms_arena_free(&scratch);
    return code != DMS_OK;
}

/* Whether some order gives other bits, whenever its bytes move. */
static bool is_wrong(const tiny_case *t, wait_tally *all) {
    interleave_case c = tiny_interleave(t);
    bool wrong = false;
    c.n_turns = TURNS;
    c.most_under_way = 2;
    c.stops_when_wrong = true;
    for (int effect = 0; effect < INTERLEAVE_MIXED; effect++) {
        c.effect = (interleave_effect)effect;
        const interleave_result r = interleave_follow(all->machine, &c);
        all->n_seen[effect] += r.n_wrong + r.n_stuck > 0;
        wrong |= r.n_wrong + r.n_stuck > 0;
    }
    return wrong;
}

/* Judges a plan in which a wait is missing, or looser than it was: the checker refuses it if, and
 * on these plans only if, some order gives other bits. */
static void judge(const tiny_case *t, wait_tally *all, wait_kind *kind, const char *what) {
    const dms_plan *plan = &t->compiled.plan;
    const bool refused = is_refused(plan), wrong = is_wrong(t, all);
    if (wrong != refused)
        fail_msg("%s, device %llu, host %llu, %s: %s by the checker, %s", tiny_name(all->model),
                 (unsigned long long)plan->device_arena, (unsigned long long)plan->host_arena, what,
                 refused ? "refused" : "passed", wrong ? "wrong in some order" : "never wrong");
    wait_kind *const count[2] = {kind, &all->sum};
    for (int k = 0; k < 2; k++) {
        count[k]->n++;
        count[k]->n_refused += refused;
        count[k]->n_wrong += wrong;
    }
}

static void drop_waits_of(const tiny_case *t, wait_tally *all, uint32_t program, uint32_t q,
                          dms_cmd *cmd) {
    for (uint32_t on = 0; on < DMS_N_QUEUES; on++) {
        const uint32_t was = cmd->wait_cmd[on];
        if (was == DMS_NONE)
            continue;
        wait_kind *kind = &all->kind[program][q][on][cmd->wait_back[on]];
        cmd->wait_cmd[on] = DMS_NONE;
        judge(t, all, kind, "one wait less");
        cmd->wait_cmd[on] = was;
    }
}

/* The wait for the turn before instead of this one; for an earlier command of the queue that
 * signals. */
static void loosen_waits_of(const tiny_case *t, wait_tally *all, uint32_t program, uint32_t q,
                            dms_cmd *cmd) {
    const dms_program *p = program == 0 ? &t->compiled.plan.prologue : &t->compiled.plan.body;
    for (uint32_t on = 0; on < DMS_N_QUEUES; on++) {
        const uint32_t was = cmd->wait_cmd[on];
        const uint8_t back = cmd->wait_back[on];
        if (was == DMS_NONE)
            continue;
        wait_kind *kind = &all->kind[program][q][on][back];
        if (program == 1 && back == 0) {
            cmd->wait_back[on] = 1;
            judge(t, all, kind, "a wait one turn back");
            cmd->wait_back[on] = 0;
        }
        uint32_t k = was;
        while (k > 0 && !p->cmd[on][k - 1].is_signal)
            k--;
        if (k > 0) {
            cmd->wait_cmd[on] = k - 1;
            judge(t, all, kind, "a wait for a command before");
            cmd->wait_cmd[on] = was;
        }
    }
}

typedef void change_waits(const tiny_case *, wait_tally *, uint32_t, uint32_t, dms_cmd *);

static void change_each(tiny_case *t, wait_tally *all, change_waits *change) {
    dms_program *program[2] = {&t->compiled.plan.prologue, &t->compiled.plan.body};
    const interleave_case c = tiny_interleave(t);
    all->machine = interleave_open(&c);
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
            for (uint32_t k = 0; k < program[p]->n_cmds[q]; k++)
                change(t, all, p, q, &program[p]->cmd[q][k]);
    interleave_close(all->machine);
}

static void drop_each_wait(tiny_case *t, void *data) {
    change_each(t, data, drop_waits_of);
}

static void loosen_each_wait(tiny_case *t, void *data) {
    change_each(t, data, loosen_waits_of);
}

static void print_kinds(const wait_tally *all) {
    static const char *const names[2] = {"prologue", "body"};
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
            for (uint32_t on = 0; on < DMS_N_QUEUES; on++)
                for (uint32_t back = 0; back < 2; back++) {
                    const wait_kind *k = &all->kind[p][q][on][back];
                    if (k->n != 0)
                        print_message("  %-8s %-7s waits for %-7s%s %4u, refused %4u, wrong %4u\n",
                                      names[p], dms_queue_name((dms_queue)q),
                                      dms_queue_name((dms_queue)on), back ? "'" : " ", k->n,
                                      k->n_refused, k->n_wrong);
                }
    print_message(
        "  all %u, refused %u, of these with other bits %u; not needed %u; seen early %u, "
        "late %u, torn %u\n",
        all->sum.n, all->sum.n_refused, all->sum.n_wrong, all->sum.n - all->sum.n_refused,
        all->n_seen[INTERLEAVE_EARLY], all->n_seen[INTERLEAVE_LATE], all->n_seen[INTERLEAVE_TORN]);
}

static void a_plan_without_a_wait_is_refused_if_and_only_if_some_order_is_wrong(void **state) {
    (void)state;
    wait_tally all = {.sum = {0}};
    each_plan(ROUNDS_OF(6, 2), drop_each_wait, &all, &all.model);
    print_kinds(&all);
    assert_true(all.sum.n_wrong > ROUNDS_OF(150, 50) && all.sum.n > all.sum.n_wrong);
}

static void a_plan_with_a_looser_wait_is_refused_if_and_only_if_some_order_is_wrong(void **state) {
    (void)state;
    wait_tally all = {.sum = {0}};
    each_plan(ROUNDS_OF(6, 2), loosen_each_wait, &all, &all.model);
    print_kinds(&all);
    assert_true(all.sum.n_wrong > ROUNDS_OF(150, 50) && all.sum.n > all.sum.n_wrong);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_orders_of_the_queues_give_the_same_bits),
        cmocka_unit_test(commands_may_take_effect_each_in_its_own_way),
        cmocka_unit_test(random_orders_of_long_plans_give_the_same_bits),
        cmocka_unit_test(random_orders_of_plans_with_cells_give_the_same_bits),
        cmocka_unit_test(a_plan_without_a_wait_is_refused_if_and_only_if_some_order_is_wrong),
        cmocka_unit_test(a_plan_with_a_looser_wait_is_refused_if_and_only_if_some_order_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
