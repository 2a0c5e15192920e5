/* test_order.c - orders of calls in numbers: hand-made cases, and all orders of tiny ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner/order.h"
#include "schema/arena.h"
#include "schema/plan.h"
#include "support_graph.h"
#include "support_session.h"

#define MOST 4000u

/* A problem under construction: call c makes value c. */
typedef struct order_case {
    dms_arena arena;
    dms_order_problem problem;
    dms_order_call call[MOST];
    uint64_t bytes[MOST];
    uint32_t order[MOST];
} order_case;

static void begin(order_case *c) {
    memset(c, 0, sizeof *c);
    dms_arena_init(&c->arena, 0);
    c->problem.call = c->call;
    c->problem.bytes = c->bytes;
}

static void end(order_case *c) {
    dms_arena_free(&c->arena);
}

/* Adds a call that reads the values of `n` others and makes one of `bytes`; returns its number. */
static uint32_t add(order_case *c, uint64_t bytes, uint32_t n, const uint32_t *reads) {
    const uint32_t id = c->problem.n_calls++;
    assert_true(id < MOST);
    uint32_t *value = DMS_NEW(&c->arena, uint32_t, n + 1);
    value[n] = id;
    if (n > 0)
        memcpy(value, reads, n * sizeof *reads);
    c->call[id] = (dms_order_call){.value = value,
                                   .n_values = n + 1,
                                   .pred = value,
                                   .n_preds = n,
                                   .gives = DMS_NONE,
                                   .takes = DMS_NONE,
                                   .ns = 1};
    c->bytes[id] = bytes;
    c->problem.n_values = c->problem.n_calls;
    return id;
}

static dms_order_cost cost_of(order_case *c, const uint32_t *order) {
    dms_order_cost cost;
    dms_status st;
    assert_int_equal(dms_order_measure(&c->problem, order, &c->arena, &cost, &st), DMS_OK);
    return cost;
}

static void search(order_case *c) {
    dms_status st;
    assert_int_equal(dms_order_search(&c->problem, &c->arena, c->order, &st), DMS_OK);
}

/* Every call once, behind what it waits for. */
static void must_be_an_order(const order_case *c) {
    bool *is_made = calloc(c->problem.n_calls, 1);
    for (uint32_t k = 0; k < c->problem.n_calls; k++) {
        const dms_order_call *call = &c->call[c->order[k]];
        assert_false(is_made[c->order[k]]);
        for (uint32_t j = 0; j < call->n_preds; j++)
            assert_true(is_made[call->pred[j]]);
        is_made[c->order[k]] = true;
    }
    free(is_made);
}

static void must_stay(const order_case *c) {
    for (uint32_t k = 0; k < c->problem.n_calls; k++)
        assert_int_equal(c->order[k], k);
}

/* a [4], b = f(a) [2], c = g(b) [8]: 4, 6, 10 bytes; 4 + 6 + 10 byte ns. */
static void a_chain_costs_two_neighbours_and_stays(void **state) {
    (void)state;
    static order_case c;
    static const uint32_t order[] = {0, 1, 2};
    begin(&c);
    const uint32_t a = add(&c, 4, 0, NULL), b = add(&c, 2, 1, &a);
    add(&c, 8, 1, &b);
    c.call[2].extra_bytes = 5; /* scratch counts at the peak alone */
    const dms_order_cost cost = cost_of(&c, order);
    assert_int_equal(cost.peak_bytes, 2 + 8 + 5);
    assert_true(cost.byte_ns == 4 + 6 + 10);
    search(&c);
    must_stay(&c);
    end(&c);
}

/* Three results of 10 bytes are each reduced to 1. Made one after another in the model, they live
 * together (30 + 1); each reduced at once, no more than one does (10 + 1 + 2). */
static void large_results_are_used_up_one_by_one(void **state) {
    (void)state;
    static order_case c;
    static const uint32_t own[] = {0, 1, 2, 3, 4, 5, 6};
    uint32_t small[3];
    begin(&c);
    for (uint32_t k = 0; k < 3; k++)
        add(&c, 10, 0, NULL);
    for (uint32_t k = 0; k < 3; k++)
        small[k] = add(&c, 1, 1, &k);
    add(&c, 1, 3, small);
    assert_int_equal(cost_of(&c, own).peak_bytes, 31);
    search(&c);
    must_be_an_order(&c);
    assert_int_equal(cost_of(&c, c.order).peak_bytes, 13);
    assert_int_equal(c.order[6], 6);
    end(&c);
}

/* A branch that grows waits until the other one has shrunk: x [1] -> p [9] -> q [1]; x -> r [3]. */
static void the_branch_that_shrinks_goes_first(void **state) {
    (void)state;
    static order_case c;
    begin(&c);
    const uint32_t x = add(&c, 1, 0, NULL), r = add(&c, 3, 1, &x), p = add(&c, 9, 1, &x);
    const uint32_t q = add(&c, 1, 1, &p);
    add(&c, 1, 2, (const uint32_t[]){r, q});
    search(&c);
    assert_int_equal(cost_of(&c, c.order).peak_bytes, 11); /* x, p, q; with r first 14 */
    assert_int_equal(c.order[1], p);
    assert_int_equal(c.order[2], q);
    end(&c);
}

/* Of orders with one peak, the one in which less lives for less time: what is needed at the end
 * alone is made there. */
static void what_is_needed_late_is_made_late(void **state) {
    (void)state;
    static order_case c;
    begin(&c);
    const uint32_t early = add(&c, 5, 0, NULL);
    uint32_t x = add(&c, 20, 0, NULL);
    for (uint32_t k = 0; k < 6; k++)
        x = add(&c, k == 5 ? 1 : 20, 1, &x);
    add(&c, 1, 2, (const uint32_t[]){early, x});
    search(&c);
    must_be_an_order(&c);
    assert_int_equal(c.order[7], early);
    assert_int_equal(cost_of(&c, c.order).peak_bytes, 40);
    end(&c);
}

/* A U-Net whose 24 small conditions are all made first: 12 results on the way down stay for the way
 * up, so that each condition, being smaller than any of them, looks cheaper to make now. */
static void conditions_wait_for_what_needs_them(void **state) {
    (void)state;
    static order_case c;
    enum { LEVELS = 12 };
    uint32_t condition[2 * LEVELS], down[LEVELS], up = 0, good[4 * LEVELS + 1], n = 0;
    begin(&c);
    const uint32_t t = add(&c, 1, 0, NULL);
    for (uint32_t k = 0; k < 2 * LEVELS; k++)
        condition[k] = add(&c, 3, 1, &t);
    good[n++] = t;
    for (uint32_t k = 0; k < LEVELS; k++) {
        const uint32_t reads[] = {condition[k], k == 0 ? t : down[k - 1]};
        down[k] = add(&c, 8, 2, reads);
        good[n++] = condition[k];
        good[n++] = down[k];
    }
    for (uint32_t k = LEVELS; k-- > 0;) {
        const uint32_t reads[] = {condition[LEVELS + k], down[k], up};
        up = add(&c, 8, k + 1 == LEVELS ? 2 : 3, reads);
        good[n++] = condition[LEVELS + k];
        good[n++] = up;
    }
    search(&c);
    must_be_an_order(&c);
    assert_int_equal(cost_of(&c, c.order).peak_bytes, cost_of(&c, good).peak_bytes);
    end(&c);
}

/* y over x costs nothing, if x was made just before and ends; not if another call lies between. */
static void a_result_in_place_counts_once(void **state) {
    (void)state;
    static order_case c;
    begin(&c);
    const uint32_t x = add(&c, 8, 0, NULL), z = add(&c, 1, 0, NULL), y = add(&c, 8, 1, &x);
    add(&c, 1, 2, (const uint32_t[]){y, z});
    c.call[y].gives = y;
    c.call[y].takes = x;
    assert_int_equal(cost_of(&c, (const uint32_t[]){0, 1, 2, 3}).peak_bytes, 17);
    assert_int_equal(cost_of(&c, (const uint32_t[]){1, 0, 2, 3}).peak_bytes, 10);
    search(&c);
    assert_int_equal(c.order[0], z);
    end(&c);
}

/* A small generator, so that the cases are the same everywhere. */
static uint32_t next_random(uint64_t *seed) {
    return (uint32_t)(graph_random(seed) >> 33);
}

/* Calls that read one to three of the results before them, near ones more often. */
static void make_random(order_case *c, uint32_t n, uint64_t seed, bool has_places) {
    begin(c);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t reads[3], n_reads = 0;
        const uint32_t wanted = k == 0 ? 0 : next_random(&seed) % 4;
        for (uint32_t j = 0; j < k && n_reads < wanted; j++)
            if (next_random(&seed) % (1 + k / 3) == 0)
                reads[n_reads++] = j;
        const uint64_t bytes = 1 + next_random(&seed) % 30;
        const uint32_t id =
            add(c, n_reads > 0 && has_places ? c->bytes[reads[0]] : bytes, n_reads, reads);
        c->call[id].extra_bytes = next_random(&seed) % 8;
        c->call[id].ns = 1 + next_random(&seed) % 5;
        if (n_reads > 0 && has_places && next_random(&seed) % 2 == 0) {
            c->call[id].gives = id;
            c->call[id].takes = reads[0];
        }
    }
}

/* The least peak of all orders that go on from order[0 .. n). */
static uint64_t least_peak(order_case *c, uint32_t *order, uint32_t n, uint32_t made) {
    uint64_t least = UINT64_MAX;
    if (n == c->problem.n_calls)
        return cost_of(c, order).peak_bytes;
    for (uint32_t k = 0; k < c->problem.n_calls; k++) {
        bool may = (made >> k & 1) == 0;
        for (uint32_t j = 0; j < c->call[k].n_preds; j++)
            may = may && (made >> c->call[k].pred[j] & 1) != 0;
        if (!may)
            continue;
        order[n] = k;
        const uint64_t peak = least_peak(c, order, n + 1, made | 1u << k);
        least = peak < least ? peak : least;
    }
    return least;
}

static void the_peak_is_the_least_of_all_orders_of_tiny_cases(void **state) {
    (void)state;
    static order_case c;
    uint32_t n_gained = 0;
    for (uint64_t seed = 1; seed <= 90; seed++) {
        uint32_t order[8], own[8] = {0, 1, 2, 3, 4, 5, 6, 7};
        make_random(&c, 4 + (uint32_t)seed % 3, seed, false);
        const uint64_t least = least_peak(&c, order, 0, 0);
        search(&c);
        must_be_an_order(&c);
        if (cost_of(&c, c.order).peak_bytes != least)
            fail_msg("case %u: %u, not %u", (unsigned)seed,
                     (unsigned)cost_of(&c, c.order).peak_bytes, (unsigned)least);
        n_gained += least < cost_of(&c, own).peak_bytes;
        end(&c);
    }
    assert_true(n_gained > 15);
}

/* Results in place depend on what was made just before, not on the set alone: the search may miss
 * the least peak, but seldom does. */
static void results_in_place_are_sought(void **state) {
    (void)state;
    static order_case c;
    uint32_t n_least = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint32_t order[8];
        make_random(&c, 4 + (uint32_t)seed % 3, seed, true);
        const uint64_t least = least_peak(&c, order, 0, 0);
        search(&c);
        assert_true(cost_of(&c, c.order).peak_bytes >= least);
        n_least += cost_of(&c, c.order).peak_bytes == least;
        end(&c);
    }
    if (n_least < 58)
        fail_msg("%u of 60", (unsigned)n_least);
}

/* Larger ones, with results in place: never worse, mostly better, and the same every time. */
static void no_order_is_worse_than_the_given_one(void **state) {
    (void)state;
    static order_case c;
    uint32_t n_better = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        uint32_t own[200], again[200];
        make_random(&c, 20 + (uint32_t)seed * 4, seed, seed % 2 == 0);
        for (uint32_t k = 0; k < c.problem.n_calls; k++)
            own[k] = k;
        search(&c);
        must_be_an_order(&c);
        memcpy(again, c.order, sizeof again);
        const dms_order_cost a = cost_of(&c, own), b = cost_of(&c, c.order);
        assert_true(b.peak_bytes < a.peak_bytes ||
                    (b.peak_bytes == a.peak_bytes && b.byte_ns <= a.byte_ns));
        n_better += b.peak_bytes < a.peak_bytes;
        search(&c);
        assert_memory_equal(again, c.order, c.problem.n_calls * sizeof *again);
        end(&c);
    }
    assert_true(n_better > 15);
}

/* 1,800 calls with three ways to go at each point: parts between calls that have one place are
 * searched one by one. */
static void a_long_model_is_searched_part_by_part(void **state) {
    (void)state;
    static order_case c;
    begin(&c);
    uint32_t x = add(&c, 4, 0, NULL);
    for (uint32_t layer = 0; layer < 300; layer++) {
        uint32_t made[3];
        for (uint32_t k = 0; k < 3; k++)
            made[k] = add(&c, 8, 1, &x);
        for (uint32_t k = 0; k < 2; k++)
            made[k] = add(&c, 1, 1, &made[k]);
        x = add(&c, 4, 3, made);
    }
    search(&c);
    must_be_an_order(&c);
    assert_int_equal(cost_of(&c, c.order).peak_bytes, 4 + 8 + 1 + 1); /* own: x and 3 x 8 */
    end(&c);
}

static void an_arena_that_ends_is_told(void **state) {
    (void)state;
    static order_case c;
    make_random(&c, 40, 3, false);
    dms_arena small;
    dms_status st;
    for (uint64_t limit = 1000; limit < 60000; limit += 5000) {
        dms_arena_init(&small, limit);
        const dms_code code = dms_order_search(&c.problem, &small, c.order, &st);
        assert_true(code == DMS_OK || code == DMS_EINTERNAL);
        dms_arena_free(&small);
    }
    end(&c);
}

/* ---- calls of graphs ---------------------------------------------------------------------- */

/* Wide functions of x one after another, then their reductions: rows of 512 columns to 8. */
static void make_wide(graph_case *g, uint32_t n) {
    uint32_t wide[8], small[8];
    char name[16] = "a";
    graph_begin(g);
    const uint32_t x = graph_input(g, "x", 16, 64);
    for (uint32_t k = 0; k < n; k++, name[0]++) {
        wide[k] = graph_result(g, name, 16, 512);
        graph_matmul(g, x, graph_weight(g, name, 64, 512, k), wide[k]);
    }
    for (uint32_t k = 0; k < n; k++, name[0]++) {
        small[k] = graph_result(g, name, 16, 8);
        graph_matmul(g, wide[k], graph_weight(g, name, 512, 8, k), small[k]);
    }
    for (uint32_t k = 1; k < n; k++, name[0]++) {
        const uint32_t sum = graph_result(g, name, 16, 8);
        graph_binary(g, DMS_FN_ADD, small[0], small[k], sum);
        small[0] = sum;
    }
    graph_output(g, small[0]);
}

static void calls_in_the_order_that_was_found_give_the_same_bits(void **state) {
    (void)state;
    graph_case g;
    dms_lowered other;
    dms_compiled own, found;
    dms_status st;
    bool is_other;
    make_wide(&g, 6);
    graph_compute(&g, 3);
    assert_int_equal(graph_plan(&g, UINT64_C(1) << 40, UINT64_C(1) << 40, &own, &st), DMS_OK);
    assert_int_equal(
        dms_order_calls(&g.graph, &g.lowered, &g.profile, &g.arena, &other, &is_other, &st),
        DMS_OK);
    assert_true(is_other);
    g.lowered = other;
    assert_int_equal(graph_plan(&g, UINT64_C(1) << 40, UINT64_C(1) << 40, &found, &st), DMS_OK);
    assert_true(dms_hash_equal(own.plan.meaning, found.plan.meaning));
    assert_true(found.decision.live_peak_bytes + 4 * 16 * 512 * 4 <= own.decision.live_peak_bytes);
    bool is_worth;
    assert_int_equal(
        dms_order_is_worth(&own.blocks.problem, &found.blocks.problem, &g.arena, &is_worth, &st),
        DMS_OK);
    assert_true(is_worth);
    assert_int_equal(
        dms_order_is_worth(&found.blocks.problem, &own.blocks.problem, &g.arena, &is_worth, &st),
        DMS_OK);
    assert_false(is_worth);
    float *input[1] = {g.value[g.input[0]]}, *want[1] = {g.value[g.output[0]]};
    for (uint32_t threads = 1; threads <= 2; threads++) {
        const session_case how = {.threads = threads, .turns = 2, .poison = true};
        session_must_give(&found.plan, found.steps.consts, found.steps.n_consts, input, want, &how);
    }
    graph_end(&g);
}

/* Two results in one storage would be mixed up by an order that forgets who wrote last. */
static void a_storage_that_is_written_twice_keeps_its_order(void **state) {
    (void)state;
    graph_case g;
    dms_lowered other;
    dms_status st;
    bool is_other;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 64), a = graph_result(&g, "a", 4, 64);
    const uint32_t b = graph_result(&g, "b", 4, 64), c = graph_result(&g, "c", 4, 64);
    graph_unary(&g, DMS_FN_TANH, x, a); /* 0: a */
    graph_unary(&g, DMS_FN_TANH, a, b); /* 1: reads it */
    graph_unary(&g, DMS_FN_ABS, x, a);  /* 2: a again */
    graph_binary(&g, DMS_FN_ADD, a, b, c);
    graph_output(&g, c);
    assert_int_equal(
        dms_order_calls(&g.graph, &g.lowered, &g.profile, &g.arena, &other, &is_other, &st),
        DMS_OK);
    assert_false(is_other); /* each waits for the one before */
    graph_end(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_costs_two_neighbours_and_stays),
        cmocka_unit_test(large_results_are_used_up_one_by_one),
        cmocka_unit_test(the_branch_that_shrinks_goes_first),
        cmocka_unit_test(what_is_needed_late_is_made_late),
        cmocka_unit_test(conditions_wait_for_what_needs_them),
        cmocka_unit_test(a_result_in_place_counts_once),
        cmocka_unit_test(results_in_place_are_sought),
        cmocka_unit_test(the_peak_is_the_least_of_all_orders_of_tiny_cases),
        cmocka_unit_test(no_order_is_worse_than_the_given_one),
        cmocka_unit_test(a_long_model_is_searched_part_by_part),
        cmocka_unit_test(an_arena_that_ends_is_told),
        cmocka_unit_test(calls_in_the_order_that_was_found_give_the_same_bits),
        cmocka_unit_test(a_storage_that_is_written_twice_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
