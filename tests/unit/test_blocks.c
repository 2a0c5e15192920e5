/* test_blocks.c - steps become a placement problem: touches, sizes, layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_graph.h"

typedef struct blocks_case {
    graph_case g;
    dms_steps steps;
    dms_blocks blocks;
} blocks_case;

static void make(blocks_case *c) {
    dms_status st;
    if (dms_tile(&c->g.graph, &c->g.lowered, &c->g.profile, &c->g.arena, &c->steps, &st) !=
            DMS_OK ||
        dms_blocks_make(&c->g.graph, &c->steps, &c->g.profile, &c->g.arena, &c->blocks, &st) !=
            DMS_OK)
        fail_msg("%s", st.msg);
}

/* All blocks as text: kind, label, bytes, touches. */
static void blocks_are(blocks_case *c, const char *wanted) {
    const dms_problem *p = &c->blocks.problem;
    char text[4000] = "";
    size_t at = 0;
    for (uint32_t b = 0; b < p->n_tensors; b++) {
        const dms_problem_tensor *t = &p->tensors[b];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%c %s %u:", b > 0 ? "; " : "",
                               (char)t->kind, t->label, (unsigned)t->bytes);
        for (uint32_t k = 0; k < t->n_touches; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %u",
                                   (unsigned)p->touches[t->first_touch + k]);
        assert_true(at < sizeof text);
    }
    assert_string_equal(text, wanted);
}

/* The layers of all steps as text. */
static void layers_are(blocks_case *c, const char *wanted) {
    char text[1000] = "";
    size_t at = 0;
    for (uint32_t s = 0; s < c->blocks.problem.n_steps; s++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%u", s > 0 ? " " : "",
                               (unsigned)c->blocks.problem.steps[s].layer);
        assert_true(at < sizeof text);
    }
    assert_string_equal(text, wanted);
}

static void every_tensor_is_touched_by_its_writer_and_its_readers(void **state) {
    (void)state;
    /* a = -x; b = tanh(x); y = a b: a is read after a gap; y lies over b */
    blocks_case c;
    graph_begin(&c.g);
    const uint32_t x = graph_input(&c.g, "x", 4, 8), a = graph_result(&c.g, "a", 4, 8),
                   b = graph_result(&c.g, "b", 4, 8), y = graph_result(&c.g, "y", 4, 8);
    graph_unary(&c.g, DMS_FN_NEG, x, a);
    graph_unary(&c.g, DMS_FN_TANH, x, b);
    graph_binary(&c.g, DMS_FN_MUL, b, a, y);
    graph_output(&c.g, y);
    make(&c);
    blocks_are(&c, "i x 128: 0 1; a a 128: 0 2; o y 128: 1 2");
    graph_end(&c.g);
}

static void a_step_that_reads_a_tensor_twice_touches_it_once(void **state) {
    (void)state;
    blocks_case c;
    graph_begin(&c.g);
    const uint32_t x = graph_input(&c.g, "x", 4, 8), y = graph_result(&c.g, "y", 4, 8);
    graph_binary(&c.g, DMS_FN_MUL, x, x, y);
    graph_output(&c.g, y);
    make(&c);
    blocks_are(&c, "i x 128: 0; o y 128: 0");
    graph_end(&c.g);
}

static void a_weight_used_by_two_nodes_is_one_block_with_two_touches(void **state) {
    (void)state;
    blocks_case c;
    graph_begin(&c.g);
    const uint32_t x = graph_input(&c.g, "x", 4, 32), w = graph_weight(&c.g, "w", 32, 32, 1),
                   a = graph_result(&c.g, "a", 4, 32), y = graph_result(&c.g, "y", 4, 32);
    graph_matmul(&c.g, x, w, a);
    graph_matmul(&c.g, a, w, y);
    graph_output(&c.g, y);
    make(&c);
    blocks_are(&c, "i x 512: 0; w w 4096: 0 1; a a 512: 0 1; o y 512: 1");
    graph_end(&c.g);
}

static void cells_of_a_shared_weight_are_touched_once_by_each_pass(void **state) {
    (void)state;
    /* 128 x 256 f32: two cells of 64 KiB, read by two products of two steps each */
    blocks_case c;
    graph_begin(&c.g);
    const uint32_t x = graph_input(&c.g, "x", 1, 128), v = graph_input(&c.g, "v", 1, 128),
                   w = graph_weight(&c.g, "w", 128, 256, 1), y = graph_result(&c.g, "y", 1, 256),
                   z = graph_result(&c.g, "z", 1, 256);
    graph_matmul(&c.g, x, w, y);
    graph_matmul(&c.g, v, w, z);
    graph_output(&c.g, y);
    graph_output(&c.g, z);
    make(&c);
    blocks_are(&c, "i x 512: 0 1; w w 65536: 0 2; w w 65536: 1 3; o y 1024: 0 1; i v 512: 2 3; "
                   "o z 1024: 2 3");
    assert_int_equal(c.blocks.block[1].cell, 0);
    assert_int_equal(c.blocks.block[2].cell, 1);
    assert_int_equal(c.blocks.block[1].tensor, c.blocks.block[2].tensor);
    graph_end(&c.g);
}

static void a_chain_in_place_is_one_block_with_the_name_of_its_end(void **state) {
    (void)state;
    blocks_case c;
    graph_begin(&c.g);
    const uint32_t x = graph_input(&c.g, "x", 4, 8), a = graph_result(&c.g, "a", 4, 8),
                   b = graph_result(&c.g, "b", 4, 8), y = graph_result(&c.g, "y", 4, 8);
    graph_unary(&c.g, DMS_FN_NEG, x, a);
    graph_unary(&c.g, DMS_FN_TANH, a, b);
    graph_unary(&c.g, DMS_FN_ABS, b, y);
    graph_output(&c.g, y);
    make(&c);
    blocks_are(&c, "i x 128: 0; o y 128: 0 1 2");
    const dms_block *chain = &c.blocks.block[1];
    assert_int_equal(c.steps.tensor[chain->tensor].origin, a);
    assert_int_equal(c.steps.tensor[chain->last].origin, y);
    for (uint32_t t = 0; t < c.steps.n_tensors; t++)
        assert_int_equal(c.blocks.first_block[t], c.steps.tensor[t].origin == x ? 0 : 1);
    graph_end(&c.g);
}

static void times_and_links_are_those_of_steps_and_profile(void **state) {
    (void)state;
    blocks_case c;
    graph_begin(&c.g);
    const uint32_t x = graph_input(&c.g, "x", 4, 8), y = graph_result(&c.g, "y", 4, 8);
    graph_unary(&c.g, DMS_FN_NEG, x, y);
    graph_output(&c.g, y);
    c.g.profile.in = (dms_link){11, 1};
    c.g.profile.out = (dms_link){12, 2};
    c.g.profile.load = (dms_link){13, 3};
    c.g.profile.store = (dms_link){14, 4};
    make(&c);
    const dms_problem *p = &c.blocks.problem;
    assert_int_equal(p->in.bytes_per_s, 11);
    assert_int_equal(p->out.bytes_per_s, 12);
    assert_int_equal(p->load.latency_ns, 3);
    assert_int_equal(p->store.latency_ns, 4);
    assert_int_equal(p->steps[0].ns, 256 + 100); /* 256 bytes at 1 byte/ns, and the launch */
    assert_string_equal(p->steps[0].label, "n0");
    assert_string_equal(p->name, "case.onnx");
    assert_true(p->host_mem == UINT64_MAX);
    graph_end(&c.g);
}

/* ---- layers: three groups of a product and two functions ----------------------------------- */

#define GROUPS 3u

/* Names of weights, or of the nodes of each group, from a pattern; `side` is that of the weight. */
static void make_groups(blocks_case *c, const char *const weight[GROUPS],
                        const char *const node[GROUPS], int64_t side) {
    graph_begin(&c->g);
    uint32_t x = graph_input(&c->g, "x", 2, side);
    for (uint32_t k = 0; k < GROUPS; k++) {
        const uint32_t w = graph_weight(&c->g, weight[k], side, side, k),
                       a = graph_result(&c->g, "a", 2, side), b = graph_result(&c->g, "b", 2, side),
                       d = graph_result(&c->g, "d", 2, side);
        graph_matmul(&c->g, x, w, a);
        graph_unary(&c->g, DMS_FN_TANH, a, b);
        graph_unary(&c->g, DMS_FN_NEG, b, d);
        for (uint32_t n = 0; node != NULL && n < 3; n++)
            c->g.graph.node[3 * k + n].name = node[k];
        x = d;
    }
    graph_output(&c->g, x);
    make(c);
}

#define PARTS "0 4 8 13 17 22 26 31 35" /* floor(40 s / 9) */
#define LAYERS "0 0 0 1 1 1 2 2 2"

static void numbers_in_names_count_layers_where_they_rise_one_by_one(void **state) {
    (void)state;
    static const struct {
        const char *weight[GROUPS], *layers;
    } CASES[] = {
        {{"layers.0.w", "layers.1.w", "layers.2.w"}, LAYERS},
        {{"h/0/w", "h/1/w", "h/2/w"}, LAYERS},
        {{"0.w", "1.w", "2.w"}, LAYERS},
        {{"w.0", "w.1", "w.2"}, LAYERS},
        {{"b1.0.w", "b1.1.w", "b1.2.w"}, LAYERS},                /* the 1 is no part by itself */
        {{"w0", "w1", "w2"}, PARTS},                             /* no part by itself */
        {{"l.0x.w", "l.1x.w", "l.2x.w"}, PARTS},                 /* neither */
        {{"l.0.w", "l.50.w", "l.100.w"}, PARTS},                 /* jumps: not layers */
        {{"l.2.w", "l.1.w", "l.0.w"}, PARTS},                    /* falls */
        {{"l.7.w", "l.7.w", "l.7.w"}, PARTS},                    /* one number alone */
        {{"l.0.w", "l.999999.w", "l.1.w"}, "0 0 0 0 0 0 1 1 1"}, /* no layer has this number */
        {{"", "", ""}, PARTS},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        blocks_case c;
        make_groups(&c, CASES[i].weight, NULL, 32);
        layers_are(&c, CASES[i].layers);
        graph_end(&c.g);
    }
}

static void names_of_nodes_come_before_names_of_weights(void **state) {
    (void)state;
    static const char *const WEIGHT[] = {"w.5", "w.6", "w.7"};
    static const char *const NODE[] = {"/m/layers.0/op", "/m/layers.1/op", "/m/layers.2/op"};
    blocks_case c;
    make_groups(&c, WEIGHT, NODE, 32);
    layers_are(&c, LAYERS);
    graph_end(&c.g);
}

static void small_constants_say_nothing_of_layers(void **state) {
    (void)state;
    static const char *const WEIGHT[] = {"layers.0.w", "layers.1.w", "layers.2.w"};
    blocks_case c;
    make_groups(&c, WEIGHT, NULL, 8); /* 8 x 16 f32 in panels: 512 bytes */
    layers_are(&c, PARTS);
    graph_end(&c.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_is_touched_by_its_writer_and_its_readers),
        cmocka_unit_test(a_step_that_reads_a_tensor_twice_touches_it_once),
        cmocka_unit_test(a_weight_used_by_two_nodes_is_one_block_with_two_touches),
        cmocka_unit_test(cells_of_a_shared_weight_are_touched_once_by_each_pass),
        cmocka_unit_test(a_chain_in_place_is_one_block_with_the_name_of_its_end),
        cmocka_unit_test(times_and_links_are_those_of_steps_and_profile),
        cmocka_unit_test(numbers_in_names_count_layers_where_they_rise_one_by_one),
        cmocka_unit_test(names_of_nodes_come_before_names_of_weights),
        cmocka_unit_test(small_constants_say_nothing_of_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
