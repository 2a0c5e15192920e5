/* test_onnx_import.c - names, functions, branches, order, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

static void begin(onnx_case *c) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "2,3");
    onnx_output(c, c->graph, "y", F32, "2,3");
}

static void refuse(onnx_case *c, const char *text) {
    onnx_expect_failure(c, onnx_lower(c, NULL), DMS_EUNSUPPORTED, text);
    onnx_end(c);
}

/* Name of node k after reading. */
static const char *node_name(const onnx_case *c, uint32_t k) {
    return c->read.node[k].name;
}

static void nodes_are_put_in_order_and_dead_ones_dropped(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_node(&c, c.graph, "Tanh", "b", "y");
    (void)onnx_node(&c, c.graph, "Relu", "x", "a");
    (void)onnx_node(&c, c.graph, "Exp", "a", "dead");
    (void)onnx_node(&c, c.graph, "Abs", "a", "b");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_nodes, 3);
    assert_string_equal(node_name(&c, 0), "Relu_a");
    assert_string_equal(node_name(&c, 1), "Abs_b");
    assert_string_equal(node_name(&c, 2), "Tanh_y");
    assert_int_equal(onnx_find(&c, "b")->producer, 1);
    onnx_end(&c);
}

/* An unknown operator that nothing needs does not matter. */
static void dead_nodes_may_be_anything(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_node(&c, c.graph, "Frobnicate", "x", "dead");
    (void)onnx_node(&c, c.graph, "Relu", "x", "y");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    onnx_end(&c);
}

static void a_cycle_is_named(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_node(&c, c.graph, "Add", "x,b", "a");
    (void)onnx_node(&c, c.graph, "Neg", "a", "b");
    (void)onnx_node(&c, c.graph, "Relu", "b", "y");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "cycle");
    assert_non_null(strstr(c.st.msg, "Add_a"));
    assert_non_null(strstr(c.st.msg, "Neg_b"));
    onnx_end(&c);
}

static void every_name_has_one_maker(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_node(&c, c.graph, "Relu", "x", "y");
    (void)onnx_node(&c, c.graph, "Neg", "x", "y");
    refuse(&c, "'y'");
    begin(&c);
    (void)onnx_node(&c, c.graph, "Relu", "x", "x");
    refuse(&c, "'x'");
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "w", F32, "3", NULL);
    (void)onnx_initializer(&c, c.graph, "w", F32, "3", NULL);
    (void)onnx_node(&c, c.graph, "Add", "x,w", "y");
    refuse(&c, "'w'");
    begin(&c);
    (void)onnx_node(&c, c.graph, "Add", "x,ghost", "y");
    refuse(&c, "'ghost'");
    begin(&c);
    (void)onnx_node(&c, c.graph, "Relu", "x", "z");
    refuse(&c, "'y'");
}

/* Oldest files list initializers among the inputs. */
static void an_initialised_input_is_a_constant(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_input(&c, "w", F32, "2,3");
    (void)onnx_initializer(&c, c.graph, "w", F32, "2,3", NULL);
    (void)onnx_node(&c, c.graph, "Add", "x,w", "y");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_inputs, 1);
    assert_true(dms_tensor_is_constant(onnx_find(&c, "w")));
    onnx_end(&c);
}

static void opsets_outside_7_to_23_are_refused(void **state) {
    (void)state;
    static const int64_t bad[] = {1, 6, 24, 25, 999, -3};
    for (uint32_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        onnx_case c;
        char text[24];
        begin(&c);
        c.model->opset_import[0]->version = bad[k];
        (void)onnx_node(&c, c.graph, "Relu", "x", "y");
        (void)snprintf(text, sizeof text, "opset %lld ", (long long)bad[k]);
        refuse(&c, text);
    }
}

static void all_unknown_operators_are_listed_at_once(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_node(&c, c.graph, "Frobnicate", "x", "a");
    (void)onnx_node(&c, c.graph, "Relu", "a", "b");
    (void)onnx_node(&c, c.graph, "Frobnicate", "b", "d");
    onnx_node(&c, c.graph, "Wibble", "d", "y")->domain = (char *)"org.example";
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED,
                        "model.onnx uses 2 operators that are not supported, in 3 of 4 nodes\n");
    assert_non_null(strstr(c.st.msg, "Frobnicate                 ai.onnx           17      2  "
                                     "Frobnicate_a"));
    assert_non_null(strstr(c.st.msg, "Wibble                     org.example        1      1  "));
    assert_non_null(strstr(c.st.msg, "  the other operator is supported; "));
    onnx_end(&c);
}

static void many_unknown_operators_make_a_short_message(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    char name[700], last[16] = "x", next[16];
    for (uint32_t k = 0; k < 40; k++) {
        memset(name, 'a' + (int)(k % 26), sizeof name - 1);
        name[sizeof name - 1] = 0;
        name[0] = (char)('A' + k % 26);
        name[1] = (char)('A' + k / 26);
        (void)snprintf(next, sizeof next, k == 39 ? "y" : "t%u", k);
        (void)onnx_node(&c, c.graph, name, last, next);
        (void)strcpy(last, next);
    }
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "40 operators");
    uint32_t lines = 1, column = 0;
    for (const char *p = c.st.msg; *p != 0; p++) {
        column = *p == '\n' ? 0 : column + 1;
        lines += *p == '\n';
        assert_true(column <= 500);
    }
    assert_true(lines <= 12);
    onnx_end(&c);
}

static void an_operator_newer_than_the_opset_is_unknown(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    c.model->opset_import[0]->version = 13;
    (void)onnx_node(&c, c.graph, "Gelu", "x", "y");
    refuse(&c, "Gelu");
}

static void data_types_that_are_not_supported_are_named(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", 8, "2,3"); /* string */
    (void)onnx_node(&c, c.graph, "Identity", "x", "y");
    onnx_output(&c, c.graph, "y", 8, "2,3");
    refuse(&c, "string (8, in 1 tensor, first 'x')");
}

static void control_characters_do_not_reach_the_terminal(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_node(&c, c.graph, "Frobnicate", "x", "y")->name = (char *)"a\x1b[2J\nb";
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "a\\x1b[2J\\x0ab");
    assert_null(strchr(c.st.msg, 0x1b));
    onnx_end(&c);
}

static void an_attribute_of_another_kind_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_string(&c, onnx_node(&c, c.graph, "Softmax", "x", "y"), "axis", "one");
    refuse(&c, "attribute 'axis' is a string, wanted an integer");
}

static void constant_nodes_are_constants(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_float(&c, onnx_node(&c, c.graph, "Constant", "", "half"), "value_float", 0.5f);
    (void)onnx_node(&c, c.graph, "Mul", "x,half", "y");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_nodes, 1);
    const dms_tensor *half = onnx_find(&c, "half");
    assert_int_equal(half->origin, DMS_ORIGIN_MADE);
    float value;
    memcpy(&value, half->data, sizeof value);
    assert_true(value == 0.5f);
    onnx_end(&c);
    begin(&c);
    onnx_string(&c, onnx_node(&c, c.graph, "Constant", "", "text"), "value_string", "hello");
    (void)onnx_node(&c, c.graph, "Add", "x,text", "y");
    refuse(&c, "Constant");
}

/* f(a, b) = Softmax_axis(a) + b, called twice with different attributes. */
static void functions_are_expanded_with_their_attributes(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "my", "SoftAdd", "a,b", "r", "where");
    Onnx__NodeProto *soft = onnx_loose_node(&c, "Softmax", "a", "s");
    onnx_reference(&c, soft, "axis", "where");
    onnx_function_node(&c, f, soft);
    onnx_function_node(&c, f, onnx_loose_node(&c, "Add", "s,b", "r"));
    Onnx__NodeProto *one = onnx_node(&c, c.graph, "SoftAdd", "x,x", "t");
    Onnx__NodeProto *two = onnx_node(&c, c.graph, "SoftAdd", "t,x", "y");
    one->domain = two->domain = (char *)"my";
    onnx_int(&c, one, "where", 0);
    onnx_int(&c, two, "where", 1);
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_nodes, 4);
    assert_int_equal(onnx_count(&c, "Softmax"), 2);
    assert_int_equal(c.read.node[0].attr[0].i, 0);
    assert_int_equal(c.read.node[2].attr[0].i, 1);
    assert_string_equal(node_name(&c, 0), "SoftAdd_t/Softmax_s");
    assert_int_equal(c.read.node[3].out[0], c.read.output[0]);
    onnx_end(&c);
}

static void functions_may_call_functions_but_not_for_ever(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "my", "Inner", "a", "r", "");
    onnx_function_node(&c, f, onnx_loose_node(&c, "Relu", "a", "r"));
    Onnx__FunctionProto *g = onnx_function(&c, "my", "Outer", "a", "r", "");
    Onnx__NodeProto *call = onnx_loose_node(&c, "Inner", "a", "r");
    call->domain = (char *)"my";
    onnx_function_node(&c, g, call);
    onnx_node(&c, c.graph, "Outer", "x", "y")->domain = (char *)"my";
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_string_equal(node_name(&c, 0), "Outer_y/Inner_r/Relu_r");
    onnx_function_node(&c, f, onnx_loose_node(&c, "Outer", "a", "q"));
    f->node[1]->domain = (char *)"my";
    refuse(&c, "nested");
}

static void a_function_must_make_its_outputs(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "my", "F", "a", "r", "");
    onnx_function_node(&c, f, onnx_loose_node(&c, "Relu", "a", "q"));
    onnx_node(&c, c.graph, "F", "x", "y")->domain = (char *)"my";
    refuse(&c, "'r'");
}

/* If whose branches are Relu(x) + w and Neg(x): w lies in the branch, x outside. */
static void begin_if(onnx_case *c) {
    begin(c);
    Onnx__GraphProto *yes = onnx_graph(c), *no = onnx_graph(c);
    const float w[3] = {1, 2, 3};
    (void)onnx_initializer(c, yes, "w", F32, "3", w);
    (void)onnx_node(c, yes, "Relu", "early", "r");
    (void)onnx_node(c, yes, "Add", "r,w", "out");
    onnx_output(c, yes, "out", F32, "2,3");
    (void)onnx_node(c, no, "Neg", "x", "out");
    onnx_output(c, no, "out", F32, "2,3");
    Onnx__NodeProto *node = onnx_node(c, c->graph, "If", "c", "y");
    onnx_branch(c, node, "then_branch", yes);
    onnx_branch(c, node, "else_branch", no);
    (void)onnx_node(c, c->graph, "Abs", "x", "early"); /* after the If: its branch captures it */
}

static void a_known_condition_selects_its_branch(void **state) {
    (void)state;
    for (uint8_t condition = 0; condition < 2; condition++) {
        onnx_case c;
        begin_if(&c);
        (void)onnx_initializer(&c, c.graph, "c", DMS_DTYPE_BOOL, "", &condition);
        assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
        assert_int_equal(onnx_count(&c, "If"), 0);
        assert_int_equal(onnx_count(&c, "Neg"), condition == 0);
        assert_int_equal(onnx_count(&c, "Relu"), condition == 1);
        const float x[6] = {-1, 2, -3, 4, -5, 6};
        const float *const input[1] = {x};
        float y[6];
        onnx_run(&c, input, 0, y, 6);
        assert_true(y[0] == (condition == 1 ? 2.0f : 1.0f)); /* |-1| + 1, or 1 */
        assert_true(y[5] == (condition == 1 ? 9.0f : -6.0f));
        onnx_end(&c);
    }
}

static void a_computed_condition_is_refused_by_name(void **state) {
    (void)state;
    onnx_case c;
    begin_if(&c);
    onnx_input(&c, "c", DMS_DTYPE_BOOL, "");
    refuse(&c, "node 'If_y' (If)");
}

static void loops_are_refused_by_name(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__GraphProto *body = onnx_graph(&c);
    (void)onnx_node(&c, body, "Relu", "x", "b");
    onnx_output(&c, body, "b", F32, "2,3");
    onnx_branch(&c, onnx_node(&c, c.graph, "Loop", ",,x", "y"), "body", body);
    refuse(&c, "Loop");
}

static void wrong_operand_counts_and_shapes_name_the_node(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_node(&c, c.graph, "Add", "x", "y");
    refuse(&c, "Add_y");
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "w", F32, "4,5", NULL);
    (void)onnx_node(&c, c.graph, "MatMul", "x,w", "y");
    refuse(&c, "MatMul_y");
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "w", F32, "1,1,1,1,1,1,1,1,1", NULL);
    (void)onnx_node(&c, c.graph, "Add", "x,w", "y");
    refuse(&c, "rank 9");
    begin(&c);
    c.graph->n_output = 0;
    refuse(&c, "output");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_put_in_order_and_dead_ones_dropped),
        cmocka_unit_test(dead_nodes_may_be_anything),
        cmocka_unit_test(a_cycle_is_named),
        cmocka_unit_test(every_name_has_one_maker),
        cmocka_unit_test(an_initialised_input_is_a_constant),
        cmocka_unit_test(opsets_outside_7_to_23_are_refused),
        cmocka_unit_test(all_unknown_operators_are_listed_at_once),
        cmocka_unit_test(many_unknown_operators_make_a_short_message),
        cmocka_unit_test(an_operator_newer_than_the_opset_is_unknown),
        cmocka_unit_test(data_types_that_are_not_supported_are_named),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(an_attribute_of_another_kind_is_refused),
        cmocka_unit_test(constant_nodes_are_constants),
        cmocka_unit_test(functions_are_expanded_with_their_attributes),
        cmocka_unit_test(functions_may_call_functions_but_not_for_ever),
        cmocka_unit_test(a_function_must_make_its_outputs),
        cmocka_unit_test(a_known_condition_selects_its_branch),
        cmocka_unit_test(a_computed_condition_is_refused_by_name),
        cmocka_unit_test(loops_are_refused_by_name),
        cmocka_unit_test(wrong_operand_counts_and_shapes_name_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
