/* test_blocks_layers.c - which layer a step belongs to, by the numbers in names of nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support_graph.h"

#define MOST_STEPS 200u

/* Labels of a chain of functions whose nodes are named by numbers; -1 = a name without one. */
typedef struct layers_case {
    graph_case g;
    uint32_t n_steps, label[MOST_STEPS];
} layers_case;

static void label_by(layers_case *c, const int *number, uint32_t n) {
    dms_steps steps;
    dms_blocks blocks;
    dms_status st;
    assert_true(n <= MOST_STEPS);
    graph_begin(&c->g);
    uint32_t x = graph_input(&c->g, "x", 4, 64);
    for (uint32_t s = 0; s < n; s++) {
        const uint32_t y = graph_result(&c->g, "y", 4, 64);
        graph_unary(&c->g, DMS_FN_TANH, x, y);
        c->g.graph.node[s].name =
            number[s] < 0 ? "head" : dms_format(&c->g.arena, "/model/layers.%d/act", number[s]);
        x = y;
    }
    graph_output(&c->g, x);
    if (dms_tile(&c->g.graph, &c->g.lowered, &c->g.profile, &c->g.arena, &steps, &st) != DMS_OK ||
        dms_blocks_make(&c->g.graph, &steps, &c->g.profile, &c->g.arena, &blocks, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(blocks.problem.n_steps, n);
    c->n_steps = n;
    for (uint32_t s = 0; s < n; s++)
        c->label[s] = blocks.problem.steps[s].layer;
    graph_end(&c->g);
}

/* Writes `each` steps of every layer first..last; returns how many there are then. */
static uint32_t add_layers(int *number, uint32_t n, int first, int last, uint32_t each) {
    for (int layer = first; layer <= last; layer++)
        for (uint32_t k = 0; k < each; k++)
            number[n++] = layer;
    assert_true(n <= MOST_STEPS);
    return n;
}

static void three_layers_are_layers(void **state) {
    (void)state;
    int number[MOST_STEPS];
    layers_case c;
    label_by(&c, number, add_layers(number, 0, 0, 2, 4));
    for (uint32_t s = 0; s < c.n_steps; s++)
        assert_int_equal(c.label[s], s / 4);
}

static void layers_may_begin_at_one(void **state) {
    (void)state;
    int number[MOST_STEPS];
    layers_case c;
    label_by(&c, number, add_layers(number, 0, 1, 6, 5));
    for (uint32_t s = 0; s < c.n_steps; s++)
        assert_int_equal(c.label[s], 1 + s / 5);
}

static void what_has_no_number_belongs_to_the_layer_before(void **state) {
    (void)state;
    int number[MOST_STEPS] = {-1, -1};
    layers_case c;
    uint32_t n = add_layers(number, 2, 0, 7, 4);
    number[12] = -1; /* in the middle of layer 2 */
    number[n++] = -1;
    number[n++] = -1;
    label_by(&c, number, n);
    for (uint32_t s = 0; s < n; s++)
        assert_int_equal(c.label[s], s < 2 ? 0 : s < n - 2 ? (s - 2) / 4 : 7);
}

static void one_layer_that_is_missing_is_no_matter(void **state) {
    (void)state;
    int number[MOST_STEPS];
    layers_case c;
    uint32_t n = add_layers(number, 0, 0, 4, 4);
    n = add_layers(number, n, 6, 11, 4);
    label_by(&c, number, n);
    assert_int_equal(c.label[19], 4);
    assert_int_equal(c.label[20], 6);
    assert_int_equal(c.label[n - 1], 11);
}

/* What the exporter wrote a little out of order stays in the layer that has begun. */
static void a_step_of_an_earlier_layer_does_not_bring_it_back(void **state) {
    (void)state;
    int number[MOST_STEPS];
    layers_case c;
    const uint32_t n = add_layers(number, 0, 0, 9, 5);
    number[23] = 3; /* among those of layer 4 */
    label_by(&c, number, n);
    for (uint32_t s = 0; s < n; s++)
        assert_int_equal(c.label[s], s / 5);
}

/* Numbers that are none of layers: all alike, all different, falling, far apart. */
static void other_numbers_give_equal_parts(void **state) {
    (void)state;
    enum { N = 80 };
    for (uint32_t kind = 0; kind < 4; kind++) {
        int number[MOST_STEPS];
        layers_case c;
        uint32_t of[41] = {0};
        for (int s = 0; s < N; s++)
            number[s] = kind == 0 ? 3 : kind == 1 ? s : kind == 2 ? N - s / 4 : s / 4 * 50;
        label_by(&c, number, N);
        for (uint32_t s = 0; s < N; s++) {
            assert_true(c.label[s] <= 40);
            of[c.label[s]]++;
        }
        for (uint32_t k = 0; k <= c.label[N - 1]; k++) /* as many steps in each, give or take one */
            assert_in_range(of[k], N / (c.label[N - 1] + 1), N / (c.label[N - 1] + 1) + 1);
    }
}

/* Two towers count from 0 twice: whatever is made of that, time goes on. */
static void labels_never_fall(void **state) {
    (void)state;
    uint64_t random = 9;
    for (uint32_t round = 0; round < 120; round++) {
        int number[MOST_STEPS];
        layers_case c;
        uint32_t n = 0;
        while (n < 60 + round % 90) {
            const int first = (int)(graph_random(&random) % 4);
            const int last = first + (int)(graph_random(&random) % 6);
            const uint32_t each = 1 + (uint32_t)(graph_random(&random) % 5);
            if (n + (uint32_t)(last - first + 1) * each > MOST_STEPS)
                break;
            n = add_layers(number, n, first, last, each);
            if (graph_random(&random) % 3 == 0 && n < MOST_STEPS)
                number[n++] = -1;
        }
        label_by(&c, number, n);
        for (uint32_t s = 1; s < n; s++)
            assert_true(c.label[s] >= c.label[s - 1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_layers_are_layers),
        cmocka_unit_test(layers_may_begin_at_one),
        cmocka_unit_test(what_has_no_number_belongs_to_the_layer_before),
        cmocka_unit_test(one_layer_that_is_missing_is_no_matter),
        cmocka_unit_test(a_step_of_an_earlier_layer_does_not_bring_it_back),
        cmocka_unit_test(other_numbers_give_equal_parts),
        cmocka_unit_test(labels_never_fall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
