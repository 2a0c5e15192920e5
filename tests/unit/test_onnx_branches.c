/* test_onnx_branches.c - If with a known condition: whose names, which nodes, how deep.
 *
 * x is [2,3] = 1 .. 6; `yes` and `no` are conditions known from the start.
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
static const float minus_x[6] = {-1, -2, -3, -4, -5, -6};

static void begin(onnx_case *c) {
    const uint8_t yes = 1, no = 0;
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "2,3");
    onnx_output(c, c->graph, "y", F32, "2,3");
    (void)onnx_initializer(c, c->graph, "yes", DMS_DTYPE_BOOL, "", &yes);
    (void)onnx_initializer(c, c->graph, "no", DMS_DTYPE_BOOL, "", &no);
}

/* An If in graph `g`. */
static Onnx__NodeProto *branch(onnx_case *c, Onnx__GraphProto *g, const char *condition,
                               const char *out, Onnx__GraphProto *yes, Onnx__GraphProto *no) {
    Onnx__NodeProto *node = onnx_node(c, g, "If", condition, out);
    onnx_branch(c, node, "then_branch", yes);
    onnx_branch(c, node, "else_branch", no);
    return node;
}

/* A branch of one node: out = op(in). */
static Onnx__GraphProto *single(onnx_case *c, const char *op, const char *in, const char *out) {
    Onnx__GraphProto *g = onnx_graph(c);
    (void)onnx_node(c, g, op, in, out);
    onnx_output(c, g, out, F32, "2,3");
    return g;
}

static void read_well(onnx_case *c) {
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("%s", c->st.msg);
}

static void refuse(onnx_case *c, const char *text) {
    onnx_expect_failure(c, onnx_lower(c, NULL), DMS_EUNSUPPORTED, text);
    onnx_end(c);
}

/* The operators that are left, and y. */
static void expect(onnx_case *c, const char *operators, const float *wanted) {
    read_well(c);
    assert_string_equal(onnx_operators(c), operators);
    onnx_expect_output(c, input, 0, 6, wanted);
    onnx_end(c);
}

/* ---- conditions ---------------------------------------------------------------------------- */

/* Whether x has two rows decides: Shape, Gather and Equal are folded first. */
static void a_condition_may_follow_from_shapes(void **state) {
    (void)state;
    for (int64_t rows = 2; rows <= 3; rows++) {
        onnx_case c;
        begin(&c);
        c.graph->input[0]->type->tensor_type->shape->dim[0]->dim_value = rows;
        const int64_t zero = 0, two = 2;
        (void)onnx_initializer(&c, c.graph, "zero", DMS_DTYPE_I64, "", &zero);
        (void)onnx_initializer(&c, c.graph, "two", DMS_DTYPE_I64, "", &two);
        (void)onnx_node(&c, c.graph, "Shape", "x", "s");
        (void)onnx_node(&c, c.graph, "Gather", "s,zero", "n");
        (void)onnx_node(&c, c.graph, "Equal", "n,two", "c");
        (void)branch(&c, c.graph, "c", "y", single(&c, "Neg", "x", "t"),
                     single(&c, "Exp", "x", "e"));
        read_well(&c);
        assert_string_equal(onnx_operators(&c), rows == 2 ? "Neg,Identity" : "Exp,Identity");
        assert_int_equal(c.lowered.n_calls, 1);
        onnx_end(&c);
    }
}

/* not(no and yes) */
static void a_condition_may_be_a_truth_of_constants(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)onnx_node(&c, c.graph, "And", "no,yes", "a");
    (void)onnx_node(&c, c.graph, "Not", "a", "c");
    (void)branch(&c, c.graph, "c", "y", single(&c, "Neg", "x", "t"), single(&c, "Exp", "x", "e"));
    expect(&c, "Neg,Identity", minus_x);
}

static void a_condition_of_one_element_may_have_axes(void **state) {
    (void)state;
    onnx_case c;
    const uint8_t one[2] = {1, 1};
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "c", DMS_DTYPE_BOOL, "1,1", one);
    (void)branch(&c, c.graph, "c", "y", single(&c, "Neg", "x", "t"), single(&c, "Exp", "x", "e"));
    expect(&c, "Neg,Identity", minus_x);
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "c", DMS_DTYPE_BOOL, "2", one);
    (void)branch(&c, c.graph, "c", "y", single(&c, "Neg", "x", "t"), single(&c, "Exp", "x", "e"));
    refuse(&c, "node 'If_y' (If): its condition must be one bool");
}

static void an_if_without_its_parts_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_branch(&c, onnx_node(&c, c.graph, "If", "", "y"), "then_branch",
                single(&c, "Neg", "x", "t"));
    refuse(&c, "node 'If_y' (If): its condition must be one bool");
    begin(&c);
    onnx_branch(&c, onnx_node(&c, c.graph, "If", "no", "y"), "then_branch",
                single(&c, "Neg", "x", "t"));
    refuse(&c, "node 'If_y' (If): it has no else_branch");
    begin(&c);
    onnx_int(&c, onnx_node(&c, c.graph, "If", "yes", "y"), "then_branch", 1);
    refuse(&c, "node 'If_y' (If): it has no then_branch");
}

/* ---- results ------------------------------------------------------------------------------- */

/* A branch without a node gives back what lies around it. */
static void a_branch_may_give_back_an_outer_tensor(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__GraphProto *same = onnx_graph(&c);
    onnx_output(&c, same, "n", F32, "2,3");
    (void)onnx_node(&c, c.graph, "Neg", "x", "n");
    (void)branch(&c, c.graph, "yes", "y", same, single(&c, "Exp", "x", "e"));
    expect(&c, "Neg,Identity", minus_x);
}

/* Two results, (-x, exp x) or (exp x, -x); one of them may be left out. */
static void results_are_told_apart_by_their_place(void **state) {
    (void)state;
    static const struct {
        const char *condition, *out, *operators;
    } one[] = {{"yes", "y,z", "Neg,Identity"},
               {"no", "z,y", "Neg,Identity"},
               {"yes", "y", "Neg,Identity"},
               {"no", ",y", "Neg,Identity"},
               {"no", "y,", "Exp,Identity"}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        onnx_case c;
        begin(&c);
        Onnx__GraphProto *yes = single(&c, "Neg", "x", "a"), *no = single(&c, "Exp", "x", "a");
        (void)onnx_node(&c, yes, "Exp", "x", "b");
        onnx_output(&c, yes, "b", F32, "2,3");
        (void)onnx_node(&c, no, "Neg", "x", "b");
        onnx_output(&c, no, "b", F32, "2,3");
        (void)branch(&c, c.graph, one[k].condition, one[k].out, yes, no);
        read_well(&c);
        assert_string_equal(onnx_operators(&c), one[k].operators);
        onnx_end(&c);
    }
}

static void a_branch_must_make_what_its_if_gives(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)branch(&c, c.graph, "yes", "y,z", single(&c, "Neg", "x", "t"),
                 single(&c, "Exp", "x", "e"));
    refuse(&c, "node 'If_y' (If): its then_branch has too few outputs");
    begin(&c);
    Onnx__GraphProto *empty = onnx_graph(&c);
    onnx_output(&c, empty, "ghost", F32, "2,3");
    (void)branch(&c, c.graph, "no", "y", single(&c, "Neg", "x", "t"), empty);
    refuse(&c, "node 'If_y' (If): no node makes 'ghost'");
}

/* ---- names --------------------------------------------------------------------------------- */

/* Both branches, and the graph around them, call something 'w'. */
static void every_branch_has_its_own_names(void **state) {
    (void)state;
    static const float outer[1] = {100}, then_w[1] = {10}, else_w[1] = {20};
    for (int truth = 0; truth < 2; truth++) {
        onnx_case c;
        float wanted[6];
        for (int k = 0; k < 6; k++)
            wanted[k] = x[k] + (truth ? 10 : 20) + 100;
        begin(&c);
        Onnx__GraphProto *yes = single(&c, "Add", "x,w", "t"), *no = single(&c, "Add", "x,w", "t");
        (void)onnx_initializer(&c, yes, "w", F32, "1", then_w);
        (void)onnx_initializer(&c, no, "w", F32, "1", else_w);
        (void)onnx_initializer(&c, c.graph, "w", F32, "1", outer);
        (void)branch(&c, c.graph, truth ? "yes" : "no", "t", yes, no);
        (void)onnx_node(&c, c.graph, "Add", "t,w", "y");
        expect(&c, "Add,Identity,Add", wanted);
    }
}

/* The branch makes its own 'n', so that of the graph around it is not needed. */
static void a_name_inside_hides_the_one_outside(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__GraphProto *yes = single(&c, "Relu", "n", "t");
    (void)onnx_node(&c, yes, "Abs", "x", "n");
    (void)onnx_node(&c, c.graph, "Neg", "x", "n");
    (void)branch(&c, c.graph, "yes", "y", yes, single(&c, "Exp", "x", "e"));
    expect(&c, "Abs,Relu,Identity", x);
}

static void a_name_made_twice_in_a_branch_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__GraphProto *yes = single(&c, "Relu", "x", "t");
    (void)onnx_node(&c, yes, "Abs", "x", "t");
    (void)branch(&c, c.graph, "yes", "y", yes, single(&c, "Exp", "x", "e"));
    refuse(&c, "makes 't', which another node");
    begin(&c);
    yes = single(&c, "Relu", "x", "t");
    (void)onnx_initializer(&c, yes, "t", F32, "2,3", NULL);
    (void)branch(&c, c.graph, "yes", "y", yes, single(&c, "Exp", "x", "e"));
    refuse(&c, "makes 't', which another node, an initializer or an input makes too");
}

static void what_a_branch_makes_is_not_seen_outside(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)branch(&c, c.graph, "yes", "t", single(&c, "Neg", "x", "inner"),
                 single(&c, "Exp", "x", "e"));
    (void)onnx_node(&c, c.graph, "Add", "t,inner", "y");
    refuse(&c, "node 'Add_y' (Add): reads 'inner', which nothing makes");
}

/* The If stands first in the file; what its branches read is made before it all the same. */
static void what_branches_read_is_made_before_the_if(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)branch(&c, c.graph, "yes", "y", single(&c, "Relu", "n", "t"),
                 single(&c, "Exp", "m", "e"));
    (void)onnx_node(&c, c.graph, "Neg", "a", "n");
    (void)onnx_node(&c, c.graph, "Neg", "x", "a");
    (void)onnx_node(&c, c.graph, "Cos", "x", "m"); /* for the other branch only: dropped */
    const float zeros[6] = {0};
    const float *const negative[1] = {minus_x};
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Neg,Neg,Relu,Identity");
    onnx_expect_output(&c, input, 0, 6, x);
    onnx_expect_output(&c, negative, 0, 6, zeros);
    onnx_end(&c);
}

/* ---- branches in branches ------------------------------------------------------------------ */

/* The inner branch reads a name of the graph two levels out, and one of the branch around it. */
static void an_inner_branch_sees_all_names_around_it(void **state) {
    (void)state;
    onnx_case c;
    const float wanted[6] = {0, 0, 0, 0, 0, 0};
    begin(&c);
    Onnx__GraphProto *outer = onnx_graph(&c);
    (void)onnx_node(&c, outer, "Neg", "x", "m");
    (void)branch(&c, outer, "no", "o", single(&c, "Exp", "x", "e"),
                 single(&c, "Add", "m,late", "i"));
    onnx_output(&c, outer, "o", F32, "2,3");
    (void)branch(&c, c.graph, "yes", "y", outer, single(&c, "Exp", "x", "e"));
    (void)onnx_node(&c, c.graph, "Abs", "x", "late");
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Abs,Neg,Add,Identity,Identity");
    assert_string_equal(c.read.node[2].name, "If_y/If_o/Add_i");
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

/* The inner branch hides the middle one's 'n', which hides the outer one's. */
static void the_nearest_name_counts(void **state) {
    (void)state;
    onnx_case c;
    const float outermost[1] = {100}, middle[1] = {10}, inner[1] = {1};
    const float wanted[6] = {2, 3, 4, 5, 6, 7};
    begin(&c);
    Onnx__GraphProto *in = single(&c, "Add", "x,n", "r"), *mid = onnx_graph(&c);
    (void)onnx_initializer(&c, in, "n", F32, "1", inner);
    (void)onnx_initializer(&c, mid, "n", F32, "1", middle);
    (void)onnx_initializer(&c, c.graph, "n", F32, "1", outermost);
    (void)branch(&c, mid, "yes", "o", in, single(&c, "Exp", "x", "e"));
    onnx_output(&c, mid, "o", F32, "2,3");
    (void)branch(&c, c.graph, "yes", "y", mid, single(&c, "Exp", "x", "e"));
    expect(&c, "Add,Identity,Identity", wanted);
}

/* The condition of an inner If that is not selected may be anything. */
static void a_branch_not_taken_is_not_looked_into(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_input(&c, "data", DMS_DTYPE_BOOL, "");
    Onnx__GraphProto *odd = single(&c, "Frobnicate", "x", "o");
    (void)branch(&c, odd, "data", "p", single(&c, "Exp", "x", "e"), single(&c, "Neg", "x", "e"));
    (void)branch(&c, c.graph, "yes", "y", single(&c, "Neg", "x", "t"), odd);
    read_well(&c);
    assert_string_equal(onnx_operators(&c), "Neg,Identity");
    onnx_end(&c);
}

static void an_unknown_operator_in_the_branch_taken_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    (void)branch(&c, c.graph, "no", "y", single(&c, "Neg", "x", "t"),
                 single(&c, "Frobnicate", "x", "o"));
    refuse(&c, "Frobnicate");
}

/* 64 levels are read, 65 are not. */
static void branches_are_nested_64_deep_at_most(void **state) {
    (void)state;
    for (uint32_t levels = 63; levels <= 65; levels++) {
        onnx_case c;
        begin(&c);
        Onnx__GraphProto *in = single(&c, "Neg", "x", "t");
        for (uint32_t k = 1; k < levels; k++) {
            Onnx__GraphProto *around = onnx_graph(&c);
            onnx_branch(&c, onnx_node(&c, around, "If", "yes", "t"), "then_branch", in);
            onnx_output(&c, around, "t", F32, "2,3");
            in = around;
        }
        onnx_branch(&c, onnx_node(&c, c.graph, "If", "yes", "y"), "then_branch", in);
        if (levels <= 64) {
            read_well(&c);
            assert_int_equal(onnx_count(&c, "Neg"), 1);
            onnx_end(&c);
        } else {
            refuse(&c, "nested more than 64 levels deep");
        }
    }
}

/* ---- branches and functions ---------------------------------------------------------------- */

/* F(a; axis) = If(yes) Softmax(a, axis): the branch hears the attribute of the call. */
static void a_branch_in_a_body_takes_attributes_of_the_call(void **state) {
    (void)state;
    for (int64_t axis = 0; axis < 2; axis++) {
        onnx_case c;
        begin(&c);
        Onnx__FunctionProto *f = onnx_function(&c, "my", "F", "a,c", "r", "axis");
        Onnx__GraphProto *yes = single(&c, "Softmax", "a", "s");
        onnx_reference(&c, yes->node[0], "axis", "axis");
        Onnx__NodeProto *choose = onnx_body_node(&c, f, "If", "c", "r");
        onnx_branch(&c, choose, "then_branch", yes);
        Onnx__NodeProto *node = onnx_node(&c, c.graph, "F", "x,yes", "y");
        node->domain = (char *)"my";
        onnx_int(&c, node, "axis", axis);
        read_well(&c);
        assert_int_equal(c.read.node[0].attr[0].i, axis);
        assert_string_equal(c.read.node[0].name, "F_y/If_r/Softmax_s");
        onnx_end(&c);
    }
}

/* A branch calls a function on a tensor from outside; its names do not mix with the body's. */
static void a_function_may_be_called_in_a_branch(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__FunctionProto *f = onnx_function(&c, "my", "F", "a", "r", "");
    (void)onnx_body_node(&c, f, "Relu", "a", "t");
    (void)onnx_body_node(&c, f, "Neg", "t", "r");
    Onnx__GraphProto *yes = single(&c, "F", "x", "t");
    yes->node[0]->domain = (char *)"my";
    (void)branch(&c, c.graph, "yes", "y", yes, single(&c, "Exp", "x", "e"));
    expect(&c, "Relu,Neg,Identity", minus_x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_may_follow_from_shapes),
        cmocka_unit_test(a_condition_may_be_a_truth_of_constants),
        cmocka_unit_test(a_condition_of_one_element_may_have_axes),
        cmocka_unit_test(an_if_without_its_parts_is_refused),
        cmocka_unit_test(a_branch_may_give_back_an_outer_tensor),
        cmocka_unit_test(results_are_told_apart_by_their_place),
        cmocka_unit_test(a_branch_must_make_what_its_if_gives),
        cmocka_unit_test(every_branch_has_its_own_names),
        cmocka_unit_test(a_name_inside_hides_the_one_outside),
        cmocka_unit_test(a_name_made_twice_in_a_branch_is_refused),
        cmocka_unit_test(what_a_branch_makes_is_not_seen_outside),
        cmocka_unit_test(what_branches_read_is_made_before_the_if),
        cmocka_unit_test(an_inner_branch_sees_all_names_around_it),
        cmocka_unit_test(the_nearest_name_counts),
        cmocka_unit_test(a_branch_not_taken_is_not_looked_into),
        cmocka_unit_test(an_unknown_operator_in_the_branch_taken_is_refused),
        cmocka_unit_test(branches_are_nested_64_deep_at_most),
        cmocka_unit_test(a_branch_in_a_body_takes_attributes_of_the_call),
        cmocka_unit_test(a_function_may_be_called_in_a_branch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
