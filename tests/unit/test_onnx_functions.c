/* test_onnx_functions.c - model-local functions: names, operands, attributes and opsets of a body.
 *
 * Every model is y = f(x) with x [2,3] = 1 .. 6; functions live in the domain "my".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

static const float x[6] = {1, 2, 3, 4, 5, 6};
static const float *const input[1] = {x};

static void begin(onnx_case *c) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "2,3");
    onnx_output(c, c->graph, "y", F32, "2,3");
}

/* A node that calls a function, in the main graph or in a body. */
static Onnx__NodeProto *call(onnx_case *c, const char *name, const char *in, const char *out) {
    Onnx__NodeProto *node = onnx_node(c, c->graph, name, in, out);
    node->domain = (char *)"my";
    return node;
}

static Onnx__NodeProto *call_inside(onnx_case *c, Onnx__FunctionProto *f, const char *name,
                                    const char *in, const char *out) {
    Onnx__NodeProto *node = onnx_body_node(c, f, name, in, out);
    node->domain = (char *)"my";
    return node;
}

static Onnx__FunctionProto *function(onnx_case *c, const char *name, const char *in,
                                     const char *out) {
    return onnx_function(c, "my", name, in, out, "");
}

static void read_well(onnx_case *c) {
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("%s", c->st.msg);
}

static void refuse(onnx_case *c, const char *text) {
    onnx_expect_failure(c, onnx_lower(c, NULL), DMS_EUNSUPPORTED, text);
    onnx_end(c);
}

/* The axis of the only Softmax; 99 when it has none. */
static int64_t axis_read(const onnx_case *c) {
    for (uint32_t k = 0; k < c->read.n_nodes; k++)
        if (strcmp(c->read.node[k].op, "Softmax") == 0)
            return c->read.node[k].n_attrs == 0 ? 99 : c->read.node[k].attr[0].i;
    fail_msg("no Softmax");
    return 0;
}

/* Soft(a) = Softmax(a), its axis that of the call. */
static Onnx__FunctionProto *define_soft(onnx_case *c) {
    Onnx__FunctionProto *f = onnx_function(c, "my", "Soft", "a", "r", "axis");
    onnx_reference(c, onnx_body_node(c, f, "Softmax", "a", "r"), "axis", "axis");
    return f;
}

/* ---- attributes ---------------------------------------------------------------------------- */

static void a_default_counts_where_the_call_says_nothing(void **state) {
    (void)state;
    for (int says = 0; says < 2; says++) {
        onnx_case c;
        begin(&c);
        onnx_function_default(&c, define_soft(&c), "axis", 0);
        Onnx__NodeProto *node = call(&c, "Soft", "x", "y");
        if (says)
            onnx_int(&c, node, "axis", 1);
        read_well(&c);
        assert_int_equal(axis_read(&c), says);
        onnx_end(&c);
    }
}

/* Left out without a word, the body would compute something else. */
static void a_default_that_is_no_attribute_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = define_soft(&c);
    onnx_function_default(&c, f, "axis", 0);
    uint8_t *data = f->base.unknown_fields[0].data; /* length, 0a 04 "axis", 18 00: i = 0, ... */
    assert_int_equal(data[7], 0x18);
    data[7] = 0x10; /* the float f, written as an integer */
    (void)call(&c, "Soft", "x", "y");
    refuse(&c, "function 'Soft': the default of an attribute cannot be parsed");
}

static void without_a_default_the_body_has_no_such_attribute(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)define_soft(&c);
    (void)call(&c, "Soft", "x", "y");
    read_well(&c);
    assert_int_equal(axis_read(&c), 99);
    onnx_end(&c);
}

/* Of several defaults each goes to the attribute of its name. */
static void defaults_are_found_by_name(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = define_soft(&c);
    onnx_function_default(&c, f, "other", 7);
    onnx_function_default(&c, f, "axis", 1);
    onnx_function_default(&c, f, "axes", 5);
    (void)call(&c, "Soft", "x", "y");
    read_well(&c);
    assert_int_equal(axis_read(&c), 1);
    onnx_end(&c);
}

/* Outer(dim) calls Soft(axis = dim): whoever says it last, the Softmax hears it. */
static void references_pass_through_all_calls(void **state) {
    (void)state;
    static const struct {
        bool is_said, has_outer, has_inner;
        int64_t axis;
    } one[] = {{true, true, true, -1}, {false, true, true, 0}, {false, true, false, 0}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        onnx_case c;
        begin(&c);
        Onnx__FunctionProto *soft = define_soft(&c);
        Onnx__FunctionProto *outer = onnx_function(&c, "my", "Outer", "a", "r", "dim");
        onnx_reference(&c, call_inside(&c, outer, "Soft", "a", "r"), "axis", "dim");
        if (one[k].has_inner)
            onnx_function_default(&c, soft, "axis", 1);
        if (one[k].has_outer)
            onnx_function_default(&c, outer, "dim", 0);
        Onnx__NodeProto *node = call(&c, "Outer", "x", "y");
        if (one[k].is_said)
            onnx_int(&c, node, "dim", -1);
        read_well(&c);
        assert_int_equal(axis_read(&c), one[k].axis);
        onnx_end(&c);
    }
}

/* Plus(a; by) = a + Constant(by): two calls, two constants. */
static void a_constant_of_the_body_takes_its_value_from_the_call(void **state) {
    (void)state;
    onnx_case c;
    const float wanted[6] = {10.5f, 11.5f, 12.5f, 13.5f, 14.5f, 15.5f};
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "my", "Plus", "a", "r", "by");
    onnx_reference(&c, onnx_body_node(&c, f, "Constant", "", "k"), "value_float", "by");
    (void)onnx_body_node(&c, f, "Add", "a,k", "r");
    onnx_float(&c, call(&c, "Plus", "x", "t"), "by", 9);
    onnx_float(&c, call(&c, "Plus", "t", "y"), "by", 0.5f);
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Add,Add");
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

static void a_constant_of_the_body_without_any_value_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "my", "Plus", "a", "r", "by");
    onnx_reference(&c, onnx_body_node(&c, f, "Constant", "", "k"), "value_float", "by");
    (void)onnx_body_node(&c, f, "Add", "a,k", "r");
    (void)call(&c, "Plus", "x", "y");
    refuse(&c, "(Constant): no value that is a tensor or numbers");
}

/* An attribute of the call that is of the wrong kind for the operator inside is named there. */
static void a_wrong_kind_is_found_inside_the_body(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)define_soft(&c);
    onnx_string(&c, call(&c, "Soft", "x", "y"), "axis", "one");
    refuse(&c,
           "node 'Soft_y/Softmax_r' (Softmax): attribute 'axis' is a string, wanted an integer");
}

/* ---- operands ------------------------------------------------------------------------------ */

/* Bound(a, lo, hi) = Clip(a, lo, hi), called without lo: nothing is cut from below. */
static void an_input_left_out_is_absent_in_the_body(void **state) {
    (void)state;
    onnx_case c;
    const float four = 4, wanted[6] = {1, 2, 3, 4, 4, 4};
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "h", F32, "", &four);
    Onnx__FunctionProto *f = function(&c, "Bound", "a,lo,hi", "r");
    (void)onnx_body_node(&c, f, "Clip", "a,lo,hi", "r");
    (void)call(&c, "Bound", "x,,h", "y");
    read_well(&c);
    assert_int_equal(c.read.node[0].in[1], DMS_NONE);
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

static void inputs_behind_the_last_one_given_are_absent_too(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "Bound", "a,lo,hi", "r");
    (void)onnx_body_node(&c, f, "Clip", "a,lo,hi", "r");
    (void)call(&c, "Bound", "x", "y");
    read_well(&c);
    onnx_expect_output(&c, input, 0, 6, x);
    onnx_end(&c);
}

static void a_required_operand_that_was_left_out_names_the_node_inside(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "Sum", "a,b", "r");
    (void)onnx_body_node(&c, f, "Add", "a,b", "r");
    (void)call(&c, "Sum", "x", "y");
    refuse(&c, "node 'Sum_y/Add_r' (Add): input 1 is missing");
}

/* Both(a) -> (Neg(a), Exp(a)): what the call does not take is not computed. */
static void an_output_left_out_is_not_computed(void **state) {
    (void)state;
    static const struct { const char *out, *operators; } one[] = {{"y", "Neg"}, {",y", "Exp"}};
    for (uint32_t k = 0; k < 2; k++) {
        onnx_case c;
        begin(&c);
        Onnx__FunctionProto *f = function(&c, "Both", "a", "n,e");
        (void)onnx_body_node(&c, f, "Neg", "a", "n");
        (void)onnx_body_node(&c, f, "Exp", "a", "e");
        (void)call(&c, "Both", "x", one[k].out);
        read_well(&c);
        assert_string_equal(onnx_operators(&c), one[k].operators);
        onnx_end(&c);
    }
}

static void an_output_that_the_function_lacks_is_made_by_nobody(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "One", "a", "r");
    (void)onnx_body_node(&c, f, "Neg", "a", "r");
    (void)call(&c, "One", "x", "t,u");
    (void)onnx_node(&c, c.graph, "Relu", "u", "y");
    refuse(&c, "node 'Relu_y' (Relu): reads 'u', which nothing makes");
}

static void an_input_may_be_given_back(void **state) {
    (void)state;
    onnx_case c;
    const float wanted[6] = {-1, -2, -3, -4, -5, -6};
    begin(&c);
    (void)function(&c, "Same", "a", "a");
    (void)call(&c, "Same", "x", "t");
    (void)onnx_node(&c, c.graph, "Neg", "t", "y");
    read_well(&c);
    assert_int_equal(c.lowered.n_calls, 1); /* the second name is a view */
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

static void an_input_left_out_cannot_be_given_back(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "Pair", "a,b", "r,b");
    (void)onnx_body_node(&c, f, "Neg", "a", "r");
    (void)call(&c, "Pair", "x", "t,y");
    refuse(&c, "'Pair_t': an operand that was left out is given back");
}

/* One result under two names: f returns r twice. */
static void one_result_may_leave_twice(void **state) {
    (void)state;
    onnx_case c;
    const float wanted[6] = {1, 4, 9, 16, 25, 36};
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "Twice", "a", "r,r");
    (void)onnx_body_node(&c, f, "Neg", "a", "r");
    (void)call(&c, "Twice", "x", "s,t");
    (void)onnx_node(&c, c.graph, "Mul", "s,t", "y");
    read_well(&c);
    assert_int_equal(onnx_count(&c, "Neg"), 1);
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

static void an_operand_of_the_call_that_nobody_makes_is_named(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "One", "a", "r");
    (void)onnx_body_node(&c, f, "Neg", "a", "r");
    (void)call(&c, "One", "ghost", "y");
    refuse(&c, "node 'One_y' (One): reads 'ghost', which nothing makes");
}

/* ---- names --------------------------------------------------------------------------------- */

/* The body and the caller both have a 't': f(a) = Neg(Relu(a)), y = f(Abs(f(x))). */
static void names_inside_do_not_meet_names_outside(void **state) {
    (void)state;
    onnx_case c;
    const float wanted[6] = {-1, -2, -3, -4, -5, -6};
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, f, "Relu", "a", "t");
    (void)onnx_body_node(&c, f, "Neg", "t", "r");
    (void)call(&c, "F", "x", "r");
    (void)onnx_node(&c, c.graph, "Abs", "r", "t");
    (void)call(&c, "F", "t", "y");
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Relu,Neg,Abs,Relu,Neg");
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

static void a_body_sees_nothing_but_its_inputs(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, f, "Add", "a,x", "r");
    (void)call(&c, "F", "x", "y");
    refuse(&c, "node 'F_y/Add_r' (Add): reads 'x', which nothing makes");
}

static void a_body_may_be_written_in_any_order(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, f, "Neg", "t", "r");
    (void)onnx_body_node(&c, f, "Relu", "a", "t");
    (void)call(&c, "F", "x", "y");
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Relu,Neg");
    onnx_end(&c);
}

static void a_name_made_twice_in_a_body_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, f, "Relu", "a", "r");
    (void)onnx_body_node(&c, f, "Neg", "a", "r");
    (void)call(&c, "F", "x", "y");
    refuse(&c, "node 'Neg_r' (Neg) makes 'r', which another node");
}

static void a_cycle_through_a_body_is_named(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a,b", "r");
    (void)onnx_body_node(&c, f, "Add", "a,b", "r");
    (void)call(&c, "F", "x,t", "y");
    (void)onnx_node(&c, c.graph, "Neg", "y", "t");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "nodes form a cycle: ");
    assert_non_null(strstr(c.st.msg, "'F_y/Add_r'"));
    assert_non_null(strstr(c.st.msg, "'Neg_t'"));
    onnx_end(&c);
}

static void two_inputs_of_one_name_are_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a,a", "r");
    (void)onnx_body_node(&c, f, "Neg", "a", "r");
    (void)call(&c, "F", "x,x", "y");
    refuse(&c, "function 'F': two inputs called 'a'");
}

/* ---- which function ------------------------------------------------------------------------ */

static void a_function_is_found_by_domain_and_name(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *mine = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, mine, "Neg", "a", "r");
    Onnx__FunctionProto *other = onnx_function(&c, "your", "F", "a", "r", "");
    (void)onnx_body_node(&c, other, "Exp", "a", "r");
    onnx_node(&c, c.graph, "F", "x", "t")->domain = (char *)"your";
    (void)call(&c, "F", "t", "y");
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Exp,Neg");
    onnx_end(&c);
    begin(&c);
    mine = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, mine, "Neg", "a", "r");
    onnx_node(&c, c.graph, "F", "x", "y")->domain = (char *)"their";
    refuse(&c, "their");
}

/* A model may bring its own Relu. */
static void a_function_goes_before_an_operator_of_its_name(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "", "Relu", "a", "r", "");
    (void)onnx_body_node(&c, f, "Neg", "a", "r");
    (void)onnx_node(&c, c.graph, "Relu", "x", "y");
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Neg");
    onnx_end(&c);
}

static void a_function_defined_twice_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)function(&c, "F", "a", "a");
    (void)function(&c, "F", "a", "a");
    (void)onnx_node(&c, c.graph, "Relu", "x", "y");
    refuse(&c, "function 'my/F' is defined twice");
}

/* A body of opset 12 in a model of opset 17: every node is read by its own. */
static void a_body_has_its_own_opset(void **state) {
    (void)state;
    onnx_case c, old;
    onnx_begin(&old, 12); /* lends its list of opsets */
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, f, "Softmax", "a", "r");
    f->opset_import = old.model->opset_import;
    (void)call(&c, "F", "x", "s");
    onnx_int(&c, onnx_node(&c, c.graph, "Softmax", "s", "y"), "axis", 1);
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(c.read.node[0].version, 12);
    assert_int_equal(c.read.node[1].version, 17);
    onnx_end(&c);
    begin(&c);
    f = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, f, "Relu", "a", "r");
    f->opset_import = old.model->opset_import;
    old.model->opset_import[0]->version = 6;
    (void)call(&c, "F", "x", "y");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "opset 6 of ai.onnx");
    onnx_end(&c);
    onnx_end(&old);
}

static void a_body_without_opsets_has_those_of_the_caller(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = function(&c, "F", "a", "r");
    (void)onnx_body_node(&c, f, "Relu", "a", "r");
    f->n_opset_import = 0;
    (void)call(&c, "F", "x", "y");
    read_well(&c);
    assert_int_equal(c.read.node[0].version, 17);
    onnx_end(&c);
}

/* F0(a) = Neg(a), Fk(a) = Fk-1(a): 64 calls inside each other are read, 65 are not. */
static void calls_are_nested_64_deep_at_most(void **state) {
    (void)state;
    for (uint32_t deepest = 62; deepest <= 64; deepest++) {
        onnx_case c;
        char name[16] = "F0", below[16];
        begin(&c);
        c.model->functions = dms_alloc(&c.arena, 80, sizeof *c.model->functions);
        (void)onnx_body_node(&c, function(&c, name, "a", "r"), "Neg", "a", "r");
        for (uint32_t k = 1; k <= deepest; k++) {
            (void)strcpy(below, name);
            (void)snprintf(name, sizeof name, "F%u", k);
            (void)call_inside(&c, function(&c, name, "a", "r"), below, "a", "r");
        }
        (void)call(&c, name, "x", "y");
        if (deepest < 64) {
            read_well(&c);
            assert_string_equal(onnx_operators(&c), "Neg");
            onnx_end(&c);
        } else {
            refuse(&c, "nested more than 64 levels deep");
        }
    }
}

/* f0 = f1 f1, f1 = f2 f2, ...: a file of 2 KB that means 2^29 nodes. */
static void functions_that_double_are_refused_in_little_memory(void **state) {
    (void)state;
    enum { LEVELS = 30 };
    char name[LEVELS][8];
    onnx_case c;
    begin(&c);
    for (int k = 0; k < LEVELS; k++)
        (void)snprintf(name[k], sizeof name[k], "f%d", k);
    for (int k = 0; k + 1 < LEVELS; k++) {
        Onnx__FunctionProto *f = function(&c, name[k], "a", "c");
        call_inside(&c, f, name[k + 1], "a", "b");
        call_inside(&c, f, name[k + 1], "b", "c");
    }
    Onnx__FunctionProto *last = function(&c, name[LEVELS - 1], "a", "c");
    onnx_body_node(&c, last, "Neg", "a", "c");
    call(&c, "f0", "x", "y");
    dms_arena_init(&c.graph_arena, 64u << 20);
    refuse(&c, "there are more than 1"); /* 16384 and a quarter of the file's bytes */
}

/* A small model may call a small function often: 10 levels of two calls are 1,024 nodes. */
static void functions_may_expand_to_thousands_of_nodes(void **state) {
    (void)state;
    static const char *const name[] = {"f0", "f1", "f2", "f3", "f4", "f5",
                                       "f6", "f7", "f8", "f9", "f10"};
    onnx_case c;
    begin(&c);
    for (int k = 0; k < 10; k++) {
        Onnx__FunctionProto *f = function(&c, name[k], "a", "c");
        call_inside(&c, f, name[k + 1], "a", "b");
        call_inside(&c, f, name[k + 1], "b", "c");
    }
    onnx_body_node(&c, function(&c, "f10", "a", "c"), "Neg", "a", "c");
    call(&c, "f0", "x", "y");
    read_well(&c);
    assert_int_equal(onnx_count(&c, "Neg"), 1024);
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_that_double_are_refused_in_little_memory),
        cmocka_unit_test(functions_may_expand_to_thousands_of_nodes),
        cmocka_unit_test(a_default_counts_where_the_call_says_nothing),
        cmocka_unit_test(a_default_that_is_no_attribute_is_refused),
        cmocka_unit_test(without_a_default_the_body_has_no_such_attribute),
        cmocka_unit_test(defaults_are_found_by_name),
        cmocka_unit_test(references_pass_through_all_calls),
        cmocka_unit_test(a_constant_of_the_body_takes_its_value_from_the_call),
        cmocka_unit_test(a_constant_of_the_body_without_any_value_is_refused),
        cmocka_unit_test(a_wrong_kind_is_found_inside_the_body),
        cmocka_unit_test(an_input_left_out_is_absent_in_the_body),
        cmocka_unit_test(inputs_behind_the_last_one_given_are_absent_too),
        cmocka_unit_test(a_required_operand_that_was_left_out_names_the_node_inside),
        cmocka_unit_test(an_output_left_out_is_not_computed),
        cmocka_unit_test(an_output_that_the_function_lacks_is_made_by_nobody),
        cmocka_unit_test(an_input_may_be_given_back),
        cmocka_unit_test(an_input_left_out_cannot_be_given_back),
        cmocka_unit_test(one_result_may_leave_twice),
        cmocka_unit_test(an_operand_of_the_call_that_nobody_makes_is_named),
        cmocka_unit_test(names_inside_do_not_meet_names_outside),
        cmocka_unit_test(a_body_sees_nothing_but_its_inputs),
        cmocka_unit_test(a_body_may_be_written_in_any_order),
        cmocka_unit_test(a_name_made_twice_in_a_body_is_refused),
        cmocka_unit_test(a_cycle_through_a_body_is_named),
        cmocka_unit_test(two_inputs_of_one_name_are_refused),
        cmocka_unit_test(a_function_is_found_by_domain_and_name),
        cmocka_unit_test(a_function_goes_before_an_operator_of_its_name),
        cmocka_unit_test(a_function_defined_twice_is_refused),
        cmocka_unit_test(a_body_has_its_own_opset),
        cmocka_unit_test(a_body_without_opsets_has_those_of_the_caller),
        cmocka_unit_test(calls_are_nested_64_deep_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
