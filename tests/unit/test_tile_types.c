/* test_tile_types.c - steps of models in every number type: their times, and what always holds of
 * the tables that tile makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planner/blocks.h"
#include "planner/steps.h"
#include "support_graph.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

/* A profile in which arithmetic alone counts: flops per second of each type. */
static const dms_profile ARITHMETIC = {.name = "arithmetic",
                                       .f32_flops = 1000000000,
                                       .f16_flops = 4000000000,
                                       .f64_flops = 500000000,
                                       .i8_flops = 8000000000,
                                       .memory_bytes_per_s = 1000000000000000,
                                       .launch_ns = 7,
                                       .in = {1000000000, 0},
                                       .out = {1000000000, 0},
                                       .load = {1000000000, 0},
                                       .store = {1000000000, 0}};

/* Reads, lowers and cuts the model of a case. */
static dms_steps tiled(onnx_case *c, const dms_profile *profile, dms_arena *arena) {
    dms_steps steps;
    if (onnx_lower(c, NULL) != DMS_OK ||
        dms_tile(&c->read, &c->lowered, profile, arena, &steps, &c->st) != DMS_OK)
        fail_msg("%s", c->st.msg);
    return steps;
}

static void a_product_takes_the_flops_of_its_type(void **state) {
    (void)state;
    static const struct {
        int dtype;
        int64_t ns; /* of 2 x 8 x 16 x 32 = 8192 flops */
    } CASES[] = {{F32, 8192},
                 {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, 2048},
                 {ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, 2048},
                 {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, 16384},
                 {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, 8192}};
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        onnx_case c;
        dms_arena arena = {0};
        onnx_begin(&c, 17);
        onnx_input(&c, "x", CASES[k].dtype, "8,16");
        onnx_input(&c, "w", CASES[k].dtype, "16,32");
        onnx_node(&c, c.graph, "MatMul", "x,w", "y");
        onnx_output(&c, c.graph, "y", CASES[k].dtype, "8,32");
        const dms_steps s = tiled(&c, &ARITHMETIC, &arena);
        assert_int_equal(s.n_steps, 1);
        assert_int_equal(s.step[0].ns, CASES[k].ns + 7);
        dms_arena_free(&arena);
        onnx_end(&c);
    }
}

/* 192 bytes in and out of i8 at 8 operations a ns: the 64 sums take 8 ns, rounded up. */
static void bytes_have_a_rate_of_their_own(void **state) {
    (void)state;
    onnx_case c;
    dms_arena arena = {0};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", ONNX__TENSOR_PROTO__DATA_TYPE__INT8, "8,8");
    onnx_input(&c, "z", ONNX__TENSOR_PROTO__DATA_TYPE__INT8, "8,8");
    onnx_node(&c, c.graph, "Add", "x,z", "y");
    onnx_output(&c, c.graph, "y", ONNX__TENSOR_PROTO__DATA_TYPE__INT8, "8,8");
    assert_int_equal(tiled(&c, &ARITHMETIC, &arena).step[0].ns, 8 + 7);
    dms_profile slow = ARITHMETIC;
    slow.memory_bytes_per_s = 1000000000; /* a byte per ns */
    assert_int_equal(tiled(&c, &slow, &arena).step[0].ns, 192 + 7);
    dms_arena_free(&arena);
    onnx_end(&c);
}

static void a_time_that_does_not_fit_stops_at_the_largest(void **state) {
    (void)state;
    onnx_case c;
    dms_arena arena = {0};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2097152,2097152");
    onnx_node(&c, c.graph, "Tanh", "x", "y");
    onnx_output(&c, c.graph, "y", F32, "2097152,2097152");
    dms_profile slow = ARITHMETIC;
    slow.memory_bytes_per_s = 1; /* 32 TiB at a byte per second */
    const dms_steps s = tiled(&c, &slow, &arena);
    assert_true(s.step[0].ns > INT64_C(1) << 61);
    dms_arena_free(&arena);
    onnx_end(&c);
}

static void an_empty_operand_of_a_step_is_refused_by_name(void **state) {
    (void)state;
    graph_case g;
    dms_steps steps;
    dms_status st = {0};
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "hollow", 3, 0), w = graph_weight(&g, "w", 0, 4, 1),
                   y = graph_result(&g, "y", 3, 4);
    graph_matmul(&g, x, w, y);
    graph_output(&g, y);
    assert_int_equal(dms_tile(&g.graph, &g.lowered, &g.profile, &g.arena, &steps, &st),
                     DMS_EUNSUPPORTED);
    assert_non_null(strstr(st.msg, "'hollow' is empty"));
    graph_end(&g);
}

/* ---- what always holds ----------------------------------------------------------------------- */

/* Tensors are made before they are read, by steps that cover each of their cells once; only weights
 * and inputs are there from the beginning. */
static void tables_hold_together(const dms_steps *s) {
    uint8_t made[64][64] = {{0}};
    assert_true(s->n_tensors <= 64);
    for (uint32_t t = 0; t < s->n_steps; t++) {
        const dms_step *step = &s->step[t];
        const dms_call *call = &s->call[step->call];
        assert_true(step->call < s->n_calls && step->ns > 0);
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
            const dms_step_operand *o = &step->operand[k];
            const dms_step_tensor *tensor = &s->tensor[o->tensor];
            const uint32_t cells = dms_plan_cells(&tensor->plan);
            assert_true(o->tensor < s->n_tensors && o->n > 0 && o->first + o->n <= cells);
            assert_true(cells <= 64);
            assert_true(tensor->first_step <= t && t <= tensor->last_step);
            assert_int_equal(call->view[k].dtype, tensor->plan.stored.dtype);
            for (uint32_t c = o->first; c < o->first + o->n; c++)
                if (k >= call->n_in)
                    assert_int_equal(made[o->tensor][c]++, 0);
                else if (tensor->plan.kind == DMS_TENSOR_ACTIVATION ||
                         tensor->plan.kind == DMS_TENSOR_OUTPUT)
                    assert_int_equal(made[o->tensor][c], 1);
        }
    }
}

/* Nothing that lies over another tensor begins before the last step of that one. */
static void what_lies_over_begins_where_the_other_ends(const dms_steps *s) {
    for (uint32_t i = 0; i < s->n_tensors; i++) {
        const uint32_t over = s->tensor[i].over;
        if (over == DMS_NONE)
            continue;
        assert_int_equal(s->tensor[i].first_step, s->tensor[over].last_step);
        assert_true(s->tensor[i].bytes <= s->tensor[over].bytes);
        assert_int_equal(s->tensor[over].plan.kind, DMS_TENSOR_ACTIVATION);
    }
}

/* A network with a cut convolution, a cut product, branches that join, and normalisation. */
static void begin_network(onnx_case *c, int dtype) {
    onnx_begin(c, 17);
    onnx_input(c, "x", dtype, "1,8,12,12");
    onnx_initializer(c, c->graph, "k", dtype, "256,8,3,3", NULL);
    onnx_initializer(c, c->graph, "w", dtype, "12,4096", NULL);
    onnx_initializer(c, c->graph, "s", dtype, "256,12,1", NULL);
    Onnx__NodeProto *conv = onnx_node(c, c->graph, "Conv", "x,k", "a");
    onnx_ints(c, conv, "pads", "1,1,1,1");
    onnx_node(c, c->graph, "Relu", "a", "b");
    onnx_node(c, c->graph, "Sigmoid", "b", "d");
    onnx_node(c, c->graph, "Mul", "b,d", "e");
    onnx_node(c, c->graph, "Mul", "e,s", "f");
    onnx_node(c, c->graph, "MatMul", "f,w", "g");
    onnx_node(c, c->graph, "Softmax", "g", "y");
    onnx_output(c, c->graph, "y", dtype, "1,256,12,4096");
    onnx_output(c, c->graph, "d", dtype, "1,256,12,12");
}

static void steps_of_every_type_and_device_hold_together(void **state) {
    (void)state;
    static const int DTYPE[] = {F32, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
                                ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16};
    for (size_t k = 0; k < sizeof DTYPE / sizeof *DTYPE; k++)
        for (uint32_t kind = 0; kind < DMS_N_DEVICES; kind++) {
            onnx_case c;
            dms_arena arena = {0};
            dms_blocks blocks;
            dms_profile profile = ARITHMETIC;
            profile.device_kind = kind;
            begin_network(&c, DTYPE[k]);
            const dms_steps s = tiled(&c, &profile, &arena);
            tables_hold_together(&s);
            what_lies_over_begins_where_the_other_ends(&s);
            assert_int_equal(dms_blocks_make(&c.read, &s, &profile, &arena, &blocks, &c.st),
                             DMS_OK);
            assert_int_equal(blocks.problem.n_steps, s.n_steps);
            uint64_t weights = 0;
            for (uint32_t b = 0; b < blocks.problem.n_tensors; b++)
                if (blocks.problem.tensors[b].kind == DMS_PROBLEM_WEIGHT)
                    weights += blocks.problem.tensors[b].bytes;
            assert_true(weights >= s.weights_bytes); /* panels may be padded, none is lost */
            assert_true(weights <= s.weights_bytes + s.weights_bytes / 8);
            dms_arena_free(&arena);
            onnx_end(&c);
        }
}

/* The grid is a matter of model and device: a half as wide type has half the cells, or as many. */
static void the_grid_follows_the_bytes_of_the_weight(void **state) {
    (void)state;
    uint32_t cells[2];
    for (uint32_t k = 0; k < 2; k++) {
        onnx_case c;
        dms_arena arena = {0};
        begin_network(&c, k == 0 ? F32 : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16);
        const dms_steps s = tiled(&c, &ARITHMETIC, &arena);
        cells[k] = 0;
        for (uint32_t i = 0; i < s.n_tensors; i++)
            if (strcmp(s.tensor[i].plan.name, "w") == 0)
                cells[k] = dms_plan_cells(&s.tensor[i].plan);
        dms_arena_free(&arena);
        onnx_end(&c);
    }
    assert_true(cells[0] > 1 && cells[1] >= 1 && cells[1] <= cells[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_takes_the_flops_of_its_type),
        cmocka_unit_test(bytes_have_a_rate_of_their_own),
        cmocka_unit_test(a_time_that_does_not_fit_stops_at_the_largest),
        cmocka_unit_test(an_empty_operand_of_a_step_is_refused_by_name),
        cmocka_unit_test(steps_of_every_type_and_device_hold_together),
        cmocka_unit_test(the_grid_follows_the_bytes_of_the_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
