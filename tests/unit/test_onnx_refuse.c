/* test_onnx_refuse.c - one message lists everything that a model uses and we do not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* Types of ONNX that have no kernels: text, complex, 8-bit floats, 4-bit integers. */
enum { STRING = 8, COMPLEX64 = 14, COMPLEX128 = 15, FLOAT8E4M3FN = 17, UINT4 = 21, INT4 = 22 };

static void begin(onnx_case *c) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "2");
    onnx_output(c, c->graph, "y", F32, "2");
}

/* Nodes in a chain from x to y: "Foo Relu Bar". */
static void chain(onnx_case *c, const char *operators) {
    const char *last = "x";
    for (uint32_t k = 0; *operators != 0; k++) {
        const size_t n = strcspn(operators, " ");
        const bool is_end = operators[n] == 0;
        const char *next = is_end ? "y" : dms_format(&c->arena, "t%u", k);
        (void)onnx_node(c, c->graph, dms_strndup(&c->arena, operators, n), last, next);
        last = next;
        operators += n + !is_end;
    }
}

static void expect(onnx_case *c, const char *message) {
    assert_int_equal(onnx_read(c, NULL), DMS_EUNSUPPORTED);
    assert_string_equal(c->st.msg, message);
    onnx_end(c);
}

#define HEAD "  operator                   domain         opset  nodes  first node\n"
#define LIST "dmsc --list-ops prints those that are supported"
#define NO_OTHER "  " LIST
#define ONE_OTHER "  the other operator is supported; " LIST
#define TWO_OTHERS "  all other 2 operators are supported; " LIST

static void one_operator_is_spoken_of_in_the_singular(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    chain(&c, "Frob");
    expect(&c, "model.onnx uses 1 operator that is not supported, in 1 of 1 nodes\n" HEAD
               "  Frob                       ai.onnx           17      1  Frob_y\n" NO_OTHER);
}

static void operators_stand_in_the_order_of_execution(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    chain(&c, "Zeta Relu Alpha Neg Zeta Relu");
    expect(&c, "model.onnx uses 2 operators that are not supported, in 3 of 6 nodes\n" HEAD
               "  Zeta                       ai.onnx           17      2  Zeta_t0\n"
               "  Alpha                      ai.onnx           17      1  Alpha_t2\n" TWO_OTHERS);
}

/* Other domains have versions of their own; one that is not imported counts as 1. */
static void a_domain_tells_operators_apart(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    chain(&c, "Relu Relu Relu");
    c.graph->node[0]->domain = (char *)"com.microsoft";
    c.graph->node[1]->domain = (char *)"org.other";
    Onnx__OperatorSetIdProto other = *c.model->opset_import[0];
    other.domain = (char *)"org.other";
    other.version = 5;
    c.model->opset_import[c.model->n_opset_import++] = &other;
    expect(&c, "model.onnx uses 2 operators that are not supported, in 2 of 3 nodes\n" HEAD
               "  Relu                       com.microsoft      1      1  Relu_t0\n"
               "  Relu                       org.other          5      1  Relu_t1\n" ONE_OTHER);
}

/* "ai.onnx" is another spelling of "". */
static void both_spellings_of_the_standard_domain_are_known(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    chain(&c, "Relu Neg");
    c.graph->node[0]->domain = (char *)"ai.onnx";
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_end(&c);
    begin(&c);
    chain(&c, "Frob");
    c.graph->node[0]->domain = (char *)"ai.onnx";
    expect(&c, "model.onnx uses 1 operator that is not supported, in 1 of 1 nodes\n" HEAD
               "  Frob                       ai.onnx           17      1  Frob_y\n" NO_OTHER);
}

/* Gelu came with opset 20: in 17 it is as unknown as any other. */
static void an_operator_of_a_later_opset_is_listed(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    chain(&c, "Gelu Relu");
    expect(&c, "model.onnx uses 1 operator that is not supported, in 1 of 2 nodes\n" HEAD
               "  Gelu                       ai.onnx           17      1  Gelu_t0\n" ONE_OTHER);
    begin(&c);
    c.model->opset_import[0]->version = 20;
    chain(&c, "Gelu Relu");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_end(&c);
}

/* The same operator from a body of another opset is a line of its own. */
static void versions_are_told_apart(void **state) {
    (void)state;
    onnx_case c, old;
    onnx_begin(&old, 11); /* lends its list of opsets */
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "my", "F", "a", "r", "");
    (void)onnx_body_node(&c, f, "Frob", "a", "r");
    f->opset_import = old.model->opset_import;
    onnx_node(&c, c.graph, "F", "x", "t")->domain = (char *)"my";
    (void)onnx_node(&c, c.graph, "Frob", "t", "y");
    expect(&c, "model.onnx uses 2 operators that are not supported, in 2 of 2 nodes\n" HEAD
               "  Frob                       ai.onnx           11      1  F_t/Frob_r\n"
               "  Frob                       ai.onnx           17      1  Frob_y\n" NO_OTHER);
    onnx_end(&old);
}

static void eight_operators_are_listed_and_the_rest_counted(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    chain(&c, "A B C D E F G H");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "H_y\n" NO_OTHER);
    onnx_end(&c);
    begin(&c);
    chain(&c, "A B C D E F G H I J");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "\n  and 2 more\n" NO_OTHER);
    assert_null(strstr(c.st.msg, "I_t8"));
    onnx_end(&c);
}

/* Only what the outputs need is judged, and an If is no unknown operator. */
static void what_is_not_needed_is_not_judged(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    chain(&c, "Relu Neg");
    (void)onnx_node(&c, c.graph, "Frob", "t0", "dead");
    (void)onnx_node(&c, c.graph, "Wob", "dead", "deader");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_end(&c);
}

/* ---- data types ---------------------------------------------------------------------------- */

static void a_data_type_is_named_with_its_first_tensor(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    c.graph->input[0]->type->tensor_type->elem_type = COMPLEX64;
    chain(&c, "Relu");
    expect(&c, "model.onnx uses data types that are not supported\n"
               "  data types: complex64 (14, in 1 tensor, first 'x')\n" ONE_OTHER);
}

/* w and v are of one type, u of another; a tensor that is read twice is one tensor. */
static void the_tensors_of_each_data_type_are_counted(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "w", INT4, "2", NULL);
    (void)onnx_initializer(&c, c.graph, "v", INT4, "2", NULL);
    (void)onnx_initializer(&c, c.graph, "u", STRING, "2", NULL);
    (void)onnx_node(&c, c.graph, "Add", "x,w", "a");
    (void)onnx_node(&c, c.graph, "Add", "a,u", "b");
    (void)onnx_node(&c, c.graph, "Add", "b,v", "d");
    (void)onnx_node(&c, c.graph, "Add", "d,u", "y");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED,
                        "(22, in 2 tensors, first 'w'), string (8, in 1 tensor, first 'u')\n");
    onnx_end(&c);
}

static void of_many_data_types_four_are_named(void **state) {
    (void)state;
    static const int type[] = {STRING, COMPLEX64, COMPLEX128, FLOAT8E4M3FN, UINT4};
    onnx_case c;
    char last[8] = "x", next[8], name[8];
    begin(&c);
    for (uint32_t k = 0; k < 5; k++) {
        (void)snprintf(name, sizeof name, "w%u", k);
        (void)snprintf(next, sizeof next, k == 4 ? "y" : "t%u", k);
        (void)onnx_initializer(&c, c.graph, name, type[k], "2", NULL);
        (void)onnx_node(&c, c.graph, "Add", dms_format(&c.arena, "%s,%s", last, name), next);
        (void)strcpy(last, next);
    }
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "first 'w3')\n" ONE_OTHER);
    onnx_end(&c);
}

static void operators_and_data_types_share_one_message(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    c.graph->input[0]->type->tensor_type->elem_type = STRING;
    chain(&c, "Frob Relu");
    expect(&c, "model.onnx uses 1 operator that is not supported, in 1 of 2 nodes\n" HEAD
               "  Frob                       ai.onnx           17      1  Frob_t0\n"
               "  data types: string (8, in 1 tensor, first 'x')\n" ONE_OTHER);
}

/* 20,000 names, all different, were compared with each other for most of a second. */
static void operators_without_number_are_counted_up_to_fifty(void **state) {
    (void)state;
    onnx_case c;
    char last[16] = "x", next[16], op[16];
    begin(&c);
    for (uint32_t k = 0; k < 60; k++) {
        (void)snprintf(op, sizeof op, "Odd%u", k);
        (void)snprintf(next, sizeof next, k == 59 ? "y" : "t%u", k);
        (void)onnx_node(&c, c.graph, op, last, next);
        (void)strcpy(last, next);
    }
    const dms_code code = onnx_read(&c, NULL);
    onnx_expect_failure(&c, code, DMS_EUNSUPPORTED, "at least 50 operators that are not");
    onnx_expect_failure(&c, code, DMS_EUNSUPPORTED, "in 60 of 60 nodes");
    onnx_expect_failure(&c, code, DMS_EUNSUPPORTED, "  and at least 42 more\n");
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_without_number_are_counted_up_to_fifty),
        cmocka_unit_test(one_operator_is_spoken_of_in_the_singular),
        cmocka_unit_test(operators_stand_in_the_order_of_execution),
        cmocka_unit_test(a_domain_tells_operators_apart),
        cmocka_unit_test(both_spellings_of_the_standard_domain_are_known),
        cmocka_unit_test(an_operator_of_a_later_opset_is_listed),
        cmocka_unit_test(versions_are_told_apart),
        cmocka_unit_test(eight_operators_are_listed_and_the_rest_counted),
        cmocka_unit_test(what_is_not_needed_is_not_judged),
        cmocka_unit_test(a_data_type_is_named_with_its_first_tensor),
        cmocka_unit_test(the_tensors_of_each_data_type_are_counted),
        cmocka_unit_test(of_many_data_types_four_are_named),
        cmocka_unit_test(operators_and_data_types_share_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
