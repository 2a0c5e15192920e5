/* test_onnx_order.c - an order of execution from operands alone: dead nodes, cycles, renumbering.
 *
 * A graph is a text: "a<bc d<" says that node a reads what b and c make, and node d reads nothing.
 * Nodes stand in the order of the text; each is called by one letter and makes one tensor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "onnx/graph.h"
#include "onnx/order.h"

#define MOST 64u

typedef struct order_case {
    dms_arena arena;
    dms_graph graph;
    dms_order order;
    dms_status st;
    char text[MOST + 1]; /* the order, in letters */
} order_case;

/* A graph of n nodes without operands; node k makes tensor k. */
static void begin(order_case *c, uint32_t n, uint32_t operands) {
    memset(c, 0, sizeof *c);
    dms_graph *g = &c->graph;
    g->arena = &c->arena;
    g->n_nodes = g->n_tensors = n;
    g->node = DMS_NEW(&c->arena, dms_node, n + 1);
    g->tensor = DMS_NEW(&c->arena, dms_tensor, n + 1);
    uint32_t *id = DMS_NEW(&c->arena, uint32_t, (uint64_t)n * (operands + 1) + 1);
    for (uint32_t k = 0; k < n; k++, id += operands + 1) {
        g->tensor[k] = (dms_tensor){.name = "", .origin = DMS_ORIGIN_NODE, .producer = k};
        g->node[k] = (dms_node){.name = "n", .op = "Op", .domain = "", .in = id + 1};
        g->node[k].n_out = 1;
        g->node[k].out = id;
        *id = k;
    }
}

static void reads(order_case *c, uint32_t node, uint32_t tensor) {
    c->graph.node[node].in[c->graph.node[node].n_in++] = tensor;
}

static void begin_text(order_case *c, const char *text) {
    uint32_t n = 0, at[128] = {0};
    for (const char *p = text; *p != 0; p++)
        if (p[1] == '<')
            at[(uint8_t)*p] = n++;
    begin(c, n, MOST);
    uint32_t node = 0;
    for (const char *p = text; *p != 0; p++) {
        if (p[1] == '<') {
            node = at[(uint8_t)*p];
            c->graph.node[node].name = dms_strndup(&c->arena, p++, 1);
        } else if (*p != ' ') {
            reads(c, node, at[(uint8_t)*p]);
        }
    }
}

static void end(order_case *c) {
    dms_arena_free(&c->arena);
}

/* The order that these nodes' results need, as letters, or "" where it is refused. */
static const char *order_of(order_case *c, const char *roots) {
    uint32_t root[MOST], n = 0;
    for (const char *p = roots; *p != 0; p++)
        for (uint32_t k = 0; k < c->graph.n_nodes; k++)
            if (c->graph.node[k].name[0] == *p)
                root[n++] = c->graph.node[k].out[0];
    c->text[0] = 0;
    if (dms_order_nodes(&c->graph, 0, c->graph.n_nodes, root, n, &c->arena, &c->order, &c->st) !=
        DMS_OK)
        return "";
    for (uint32_t k = 0; k < c->order.n; k++)
        c->text[k] = c->graph.node[c->order.node[k]].name[0];
    c->text[c->order.n] = 0;
    return c->text;
}

/* The order of one text. */
static void expect(const char *graph, const char *roots, const char *wanted) {
    order_case c;
    begin_text(&c, graph);
    assert_string_equal(order_of(&c, roots), wanted);
    end(&c);
}

/* ---- orders -------------------------------------------------------------------------------- */

static void a_sorted_file_keeps_its_order(void **state) {
    (void)state;
    expect("a< b<a c<a d<bc", "d", "abcd");
    expect("a< c<a b<a d<bc", "d", "acbd"); /* d asks for b first: the file decides */
}

static void operands_come_first_however_the_file_is_written(void **state) {
    (void)state;
    expect("d<bc c<a b<a a<", "d", "abcd");
    expect("a<b b<c c<", "a", "cba");
}

static void what_no_root_needs_is_left_out(void **state) {
    (void)state;
    expect("a< b<a c<a d<c", "b", "ab");
    expect("a< b<a c<a d<c", "", "");
}

static void the_order_does_not_depend_on_that_of_the_roots(void **state) {
    (void)state;
    expect("a< b<a c< d<c", "bd", "abcd");
    expect("a< b<a c< d<c", "db", "abcd");
    expect("a< b<a c< d<c", "dbdb", "abcd");
}

static void an_operand_read_twice_is_one_node(void **state) {
    (void)state;
    expect("b<aa a<", "b", "ab");
}

/* Absent operands and tensors that no node makes put nothing in order. */
static void inputs_and_absent_operands_are_no_nodes(void **state) {
    (void)state;
    order_case c;
    begin_text(&c, "a< b<a");
    c.graph.tensor[0].origin = DMS_ORIGIN_INPUT; /* a's result is taken from outside */
    reads(&c, 1, DMS_NONE);
    assert_string_equal(order_of(&c, "b"), "b");
    c.graph.tensor[0].origin = DMS_ORIGIN_NODE;
    c.graph.tensor[0].producer = DMS_NONE;
    assert_string_equal(order_of(&c, "b"), "b");
    end(&c);
}

/* Only nodes [first, end) are asked: those of a branch, whose surroundings ran already. */
static void a_range_does_not_reach_beyond_itself(void **state) {
    (void)state;
    order_case c;
    begin_text(&c, "a< b<a c<b d<c");
    const uint32_t root = 3;
    assert_int_equal(dms_order_nodes(&c.graph, 2, 4, &root, 1, &c.arena, &c.order, &c.st), DMS_OK);
    assert_int_equal(c.order.n, 2);
    assert_int_equal(c.order.node[0], 2);
    assert_int_equal(c.order.node[1], 3);
    const uint32_t outside = 1;
    assert_int_equal(dms_order_nodes(&c.graph, 2, 4, &outside, 1, &c.arena, &c.order, &c.st),
                     DMS_OK);
    assert_int_equal(c.order.n, 0);
    end(&c);
}

static void nodes_that_are_gone_are_passed_over(void **state) {
    (void)state;
    order_case c;
    begin_text(&c, "a< b<a c<b");
    c.graph.node[1].is_gone = true; /* folded: its result is there */
    assert_string_equal(order_of(&c, "c"), "c");
    end(&c);
}

/* ---- cycles -------------------------------------------------------------------------------- */

static void expect_cycle(const char *graph, const char *roots, const char *message) {
    order_case c;
    begin_text(&c, graph);
    assert_string_equal(order_of(&c, roots), "");
    assert_int_equal(c.st.code, DMS_EUNSUPPORTED);
    assert_string_equal(c.st.msg, message);
    end(&c);
}

static void a_node_that_reads_itself_is_a_cycle(void **state) {
    (void)state;
    expect_cycle("a<a", "a", "nodes form a cycle: 'a' feeds 'a'");
}

/* Only nodes of the cycle are named, not the way that led to it. */
static void a_cycle_names_its_nodes_in_the_direction_of_data(void **state) {
    (void)state;
    expect_cycle("x<y y<a a<b b<c c<a", "x",
                 "nodes form a cycle: 'a' feeds 'c', which feeds 'b', which feeds 'a'");
}

static void of_a_long_cycle_six_nodes_are_named(void **state) {
    (void)state;
    expect_cycle("a<b b<c c<d d<e e<f f<g g<h h<i i<a", "a",
                 "nodes form a cycle: 'a' feeds 'i', which feeds 'h', which feeds 'g', which "
                 "feeds 'f', which feeds 'e', which feeds 'd', which ... feeds 'a'");
}

static void a_cycle_that_nothing_needs_does_no_harm(void **state) {
    (void)state;
    expect("a<b b<a c< d<c", "d", "cd");
}

/* ---- many nodes ---------------------------------------------------------------------------- */

/* A chain of 300,000 nodes, last one first: the search uses no stack of the machine. */
static void a_long_chain_needs_no_deep_stack(void **state) {
    (void)state;
    order_case c;
    const uint32_t n = 300000, root = 0;
    begin(&c, n, 1);
    for (uint32_t k = 0; k + 1 < n; k++)
        reads(&c, k, k + 1);
    assert_int_equal(dms_order_nodes(&c.graph, 0, n, &root, 1, &c.arena, &c.order, &c.st), DMS_OK);
    assert_int_equal(c.order.n, n);
    for (uint32_t k = 0; k < n; k++)
        assert_int_equal(c.order.node[k], n - 1 - k);
    end(&c);
}

/* What `root` depends on, by asking again and again until nothing is added. */
static void close_over(const order_case *c, uint32_t root, bool *needed) {
    bool has_grown = true;
    needed[root] = true;
    while (has_grown) {
        has_grown = false;
        for (uint32_t k = 0; k < c->graph.n_nodes; k++)
            for (uint32_t j = 0; needed[k] && j < c->graph.node[k].n_in; j++) {
                const uint32_t from = c->graph.node[k].in[j];
                has_grown |= !needed[from];
                needed[from] = true;
            }
    }
}

/* Acyclic graphs whose nodes are numbered without regard to that: each needed node appears once,
 * behind all that it reads. */
static void random_graphs_are_ordered(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (uint32_t round = 0; round < 200; round++) {
        order_case c;
        const uint32_t n = 2 + round % 30;
        uint32_t shuffled[MOST], place[MOST];
        bool needed[MOST] = {0};
        begin(&c, n, MOST);
        for (uint32_t k = 0; k < n; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const uint32_t j = (uint32_t)(seed >> 33) % (k + 1);
            shuffled[k] = shuffled[j];
            shuffled[j] = k;
        }
        for (uint32_t k = 1; k < n; k++)
            for (uint32_t j = 0; j < k; j++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                if (seed >> 62 == 0)
                    reads(&c, shuffled[k], shuffled[j]);
            }
        const uint32_t root = shuffled[n - 1];
        assert_int_equal(dms_order_nodes(&c.graph, 0, n, &root, 1, &c.arena, &c.order, &c.st),
                         DMS_OK);
        close_over(&c, root, needed);
        uint32_t n_needed = 0;
        for (uint32_t k = 0; k < n; k++) {
            n_needed += needed[k];
            place[k] = UINT32_MAX;
        }
        assert_int_equal(c.order.n, n_needed);
        for (uint32_t k = 0; k < c.order.n; k++) {
            const uint32_t id = c.order.node[k];
            assert_true(needed[id]);
            assert_int_equal(place[id], UINT32_MAX);
            place[id] = k;
            for (uint32_t j = 0; j < c.graph.node[id].n_in; j++)
                assert_true(place[c.graph.node[id].in[j]] < k);
        }
        end(&c);
    }
}

/* ---- pruning and renumbering --------------------------------------------------------------- */

/* d was needed when the order was made; now the graph gives only b. */
static void pruning_follows_the_outputs_of_the_graph(void **state) {
    (void)state;
    order_case c;
    uint32_t output = 1;
    begin_text(&c, "a< b<a c<a d<c");
    assert_string_equal(order_of(&c, "bd"), "abcd");
    c.graph.output = &output;
    c.graph.n_outputs = 1;
    assert_int_equal(dms_order_prune(&c.graph, &c.order, &c.arena, &c.st), DMS_OK);
    assert_int_equal(c.order.n, 2);
    assert_int_equal(c.order.node[0], 0);
    assert_int_equal(c.order.node[1], 1);
    assert_true(c.graph.node[2].is_gone && c.graph.node[3].is_gone);
    assert_false(c.graph.node[0].is_gone || c.graph.node[1].is_gone);
    end(&c);
}

/* One of two results is enough to keep a node; an absent one keeps nothing. */
static void a_node_stays_for_any_of_its_results(void **state) {
    (void)state;
    for (int is_absent = 0; is_absent < 2; is_absent++) {
        order_case c;
        uint32_t output = 1, results[2] = {DMS_NONE, is_absent ? DMS_NONE : 1};
        begin_text(&c, "a< b<a");
        c.graph.node[0].out = results; /* a makes what b made */
        c.graph.node[0].n_out = 2;
        c.graph.node[1].out = results;
        c.graph.output = &output;
        c.graph.n_outputs = 1;
        c.order = (dms_order){.n = 1, .cap = 1, .node = DMS_NEW(&c.arena, uint32_t, 1)};
        assert_int_equal(dms_order_prune(&c.graph, &c.order, &c.arena, &c.st), DMS_OK);
        assert_int_equal(c.order.n, !is_absent);
        end(&c);
    }
}

/* The table becomes the order; producers are numbers in the new table, none for what left. */
static void applying_an_order_renumbers_producers(void **state) {
    (void)state;
    order_case c;
    begin_text(&c, "d<bc c<a b<a a< z<");
    assert_string_equal(order_of(&c, "d"), "abcd");
    assert_int_equal(dms_order_apply(&c.graph, &c.order, &c.st), DMS_OK);
    assert_int_equal(c.graph.n_nodes, 4);
    for (uint32_t k = 0; k < 4; k++) {
        assert_int_equal(c.graph.node[k].name[0], "abcd"[k]);
        assert_int_equal(c.graph.tensor[c.graph.node[k].out[0]].producer, k);
    }
    assert_int_equal(c.graph.tensor[4].producer, DMS_NONE);
    assert_string_equal(order_of(&c, "d"), "abcd"); /* sorted now */
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sorted_file_keeps_its_order),
        cmocka_unit_test(operands_come_first_however_the_file_is_written),
        cmocka_unit_test(what_no_root_needs_is_left_out),
        cmocka_unit_test(the_order_does_not_depend_on_that_of_the_roots),
        cmocka_unit_test(an_operand_read_twice_is_one_node),
        cmocka_unit_test(inputs_and_absent_operands_are_no_nodes),
        cmocka_unit_test(a_range_does_not_reach_beyond_itself),
        cmocka_unit_test(nodes_that_are_gone_are_passed_over),
        cmocka_unit_test(a_node_that_reads_itself_is_a_cycle),
        cmocka_unit_test(a_cycle_names_its_nodes_in_the_direction_of_data),
        cmocka_unit_test(of_a_long_cycle_six_nodes_are_named),
        cmocka_unit_test(a_cycle_that_nothing_needs_does_no_harm),
        cmocka_unit_test(a_long_chain_needs_no_deep_stack),
        cmocka_unit_test(random_graphs_are_ordered),
        cmocka_unit_test(pruning_follows_the_outputs_of_the_graph),
        cmocka_unit_test(a_node_stays_for_any_of_its_results),
        cmocka_unit_test(applying_an_order_renumbers_producers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
