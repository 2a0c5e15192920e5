/* test_onnx_inputs.c - inputs, outputs, constants and operands of a model, and what is refused of
 * them by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* ---- inputs and outputs -------------------------------------------------------------------- */

static void only_tensors_come_in(void **state) {
    (void)state;
    Onnx__TypeProto__Sequence sequence = ONNX__TYPE_PROTO__SEQUENCE__INIT;
    Onnx__TypeProto__Map map = ONNX__TYPE_PROTO__MAP__INIT;
    Onnx__TypeProto__Optional optional = ONNX__TYPE_PROTO__OPTIONAL__INIT;
    Onnx__TypeProto__SparseTensor sparse = ONNX__TYPE_PROTO__SPARSE_TENSOR__INIT;
    static const char *const message[] = {
        "input 'x' is a sequence; only tensors are supported",
        "input 'x' is a map; only tensors are supported",
        "input 'x' is optional; only tensors are supported",
        "input 'x' is a sparse tensor; only tensors are supported",
        "input 'x' is of no type; only tensors are supported",
        "input 'x' is of no type; only tensors are supported"};
    for (uint32_t k = 0; k < 6; k++) {
        onnx_case c;
        begin(&c);
        Onnx__TypeProto *type = c.graph->input[0]->type;
        if (k == 0) {
            type->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
            type->sequence_type = &sequence;
        } else if (k == 1) {
            type->value_case = ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
            type->map_type = &map;
        } else if (k == 2) {
            type->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
            type->optional_type = &optional;
        } else if (k == 3) {
            type->value_case = ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE;
            type->sparse_tensor_type = &sparse;
        } else if (k == 4) {
            type->value_case = ONNX__TYPE_PROTO__VALUE__NOT_SET;
        } else {
            c.graph->input[0]->type = NULL;
        }
        onnx_text(&c, "Relu x y");
        refuse(&c, message[k]);
    }
}

static void an_input_has_a_shape_of_at_most_eight_axes(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    c.graph->input[0]->type->tensor_type->shape = NULL;
    onnx_text(&c, "Relu x y");
    refuse(&c, "input 'x' has no shape");
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "1,1,1,1,1,1,1,1,1");
    onnx_text(&c, "Relu x y");
    onnx_output(&c, c.graph, "y", F32, "");
    refuse(&c, "input 'x': rank 9, at most 8");
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "1,1,1,1,1,1,1,2");
    onnx_text(&c, "Relu x y");
    onnx_output(&c, c.graph, "y", F32, "");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_end(&c);
}

/* Outputs need no type and no shape: both follow. */
static void an_output_may_say_nothing_of_itself(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    c.graph->output[0]->type = NULL;
    onnx_text(&c, "Relu x y");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_expect_shape(&c, "y", "2,3");
    onnx_end(&c);
}

static void outputs_are_there_and_made(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_text(&c, "Relu x z");
    refuse(&c, "graph output 'y' is made by no node");
    begin(&c);
    onnx_text(&c, "Relu x y");
    c.graph->n_output = 0;
    refuse(&c, "file 'model.onnx': the graph has no outputs");
}

/* An input, a constant or nothing in between may leave the graph as it is. */
static void an_output_may_be_an_input_or_a_constant(void **state) {
    (void)state;
    onnx_case c;
    const float w[2] = {7, 8}, x[6] = {1, 2, 3, 4, 5, 6};
    const float *const input[1] = {x};
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "w", F32, "2", w);
    onnx_output(&c, c.graph, "x", F32, "2,3");
    onnx_output(&c, c.graph, "w", F32, "2");
    onnx_output(&c, c.graph, "x", F32, "2,3");
    onnx_text(&c, "Relu x y");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_expect_output(&c, input, 1, 6, x);
    onnx_expect_output(&c, input, 2, 2, w);
    onnx_expect_output(&c, input, 3, 6, x);
    onnx_end(&c);
}

/* A model without inputs computes the same always; all of it is folded. */
static void a_model_may_have_no_inputs(void **state) {
    (void)state;
    onnx_case c;
    const float w[2] = {-7, 8}, wanted[2] = {0, 8};
    onnx_begin(&c, 17);
    (void)onnx_initializer(&c, c.graph, "w", F32, "2", w);
    onnx_text(&c, "Relu w y");
    onnx_output(&c, c.graph, "y", F32, "2");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_string_equal(onnx_operators(&c), "");
    onnx_expect_output(&c, NULL, 0, 2, wanted);
    onnx_end(&c);
}

/* ---- initializers -------------------------------------------------------------------------- */

static void an_initializer_whose_message_lies_is_named(void **state) {
    (void)state;
    onnx_case c;
    Onnx__TensorProto__Segment segment = ONNX__TENSOR_PROTO__SEGMENT__INIT;
    begin(&c);
    Onnx__TensorProto *t = onnx_initializer(&c, c.graph, "w", F32, "3", NULL);
    t->dims[0] = -3;
    onnx_text(&c, "Add x,w y");
    refuse(&c, "tensor 'w': dim -3 on axis 0");
    begin(&c);
    onnx_initializer(&c, c.graph, "w", F32, "3", NULL)->segment = &segment;
    onnx_text(&c, "Add x,w y");
    refuse(&c, "tensor 'w': tensors in segments are not supported");
    begin(&c);
    onnx_initializer(&c, c.graph, "w", F32, "3", NULL)->raw_data.len = 13;
    onnx_text(&c, "Add x,w y");
    refuse(&c, "tensor 'w': 13 bytes of data, its dims want 12");
    begin(&c);
    t = onnx_initializer(&c, c.graph, "w", F32, "3", NULL);
    t->has_raw_data = 0;
    onnx_text(&c, "Add x,w y");
    refuse(&c, "tensor 'w': 0 values of data, its dims want 3");
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "w", F32, "1,1,1,1,1,1,1,1,3", NULL);
    onnx_text(&c, "Add x,w y");
    refuse(&c, "tensor 'w': rank 9, at most 8");
}

/* Dims whose product exceeds 63 bits, without any data of that size. */
static void an_initializer_beyond_63_bits_is_named(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__TensorProto *t = onnx_initializer(&c, c.graph, "w", F32, "3,3", NULL);
    t->dims[0] = t->dims[1] = INT64_C(1) << 40;
    onnx_text(&c, "Add x,w y");
    refuse(&c, "tensor 'w': its size exceeds 63 bits");
}

/* Data of a type whose bytes are right but that stand in another type's field. */
static void floats_in_the_field_of_doubles_are_refused(void **state) {
    (void)state;
    onnx_case c;
    double wide[3] = {1, 2, 3};
    begin(&c);
    Onnx__TensorProto *t = onnx_initializer(&c, c.graph, "w", DMS_DTYPE_I64, "3", NULL);
    t->has_raw_data = 0;
    t->double_data = wide;
    t->n_double_data = 3;
    onnx_text(&c, "Cast w f to=1; Add x,f y");
    refuse(&c, "tensor 'w': its data are in a field for another data type");
}

static void names_stand_for_one_tensor(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_input(&c, "x", F32, "2,3");
    onnx_text(&c, "Relu x y");
    refuse(&c, "the name 'x' stands for more than one tensor");
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "w", F32, "3", NULL);
    (void)onnx_initializer(&c, c.graph, "w", F32, "3", NULL);
    onnx_text(&c, "Add x,w y");
    refuse(&c, "the name 'w' stands for more than one tensor");
}

/* ---- operands ------------------------------------------------------------------------------ */

static void operators_take_as_many_operands_as_they_have(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_text(&c, "Relu x,x y");
    refuse(&c, "node 'Relu_y' (Relu): 2 inputs, wanted 1");
    begin(&c);
    onnx_text(&c, "Clip x,x,x,x y");
    refuse(&c, "node 'Clip_y' (Clip): 4 inputs, wanted 1 to 3");
    begin(&c);
    onnx_text(&c, "Relu x y,z");
    refuse(&c, "node 'Relu_y' (Relu): 2 outputs, wanted 1");
    begin(&c);
    onnx_text(&c, "Max x y");
    c.graph->node[0]->n_input = 0;
    refuse(&c, "node 'Max_y' (Max): 0 inputs, wanted at least 1");
    begin(&c);
    onnx_text(&c, "Add x, y");
    refuse(&c, "node 'Add_y' (Add): input 1 is missing");
    begin(&c);
    onnx_text(&c, "Add ,x y");
    refuse(&c, "node 'Add_y' (Add): input 0 is missing");
}

/* Values and positions of TopK belong together in the specification: neither may be left out. */
static void an_output_that_is_required_is_missed(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_i64(&c, c.graph, "k", "1");
    onnx_text(&c, "TopK x,k ,i; Cast i y to=1");
    refuse(&c, "node 'TopK_' (TopK): output 0 is missing");
}

/* Nodes without a name go by their first output, and those without both by their operator. */
static void nodes_without_a_name_are_named_all_the_same(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_text(&c, "Add x y");
    c.graph->node[0]->name = NULL;
    refuse(&c, "node 'y' (Add): 1 input, wanted 2");
    begin(&c);
    onnx_text(&c, "Add x y");
    c.graph->node[0]->name = (char *)"";
    refuse(&c, "node 'y' (Add): 1 input, wanted 2");
}

/* Lists of numbers and of texts are kept for those who read them. */
static void lists_of_reals_and_texts_are_read(void **state) {
    (void)state;
    onnx_case c;
    float scales[2] = {1, 2};
    begin(&c);
    c.model->opset_import[0]->version = 7;
    Onnx__NodeProto *node = onnx_node(&c, c.graph, "Upsample", "x", "y");
    onnx_ints(&c, node, "scales", "");
    node->attribute[0]->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    node->attribute[0]->floats = scales;
    node->attribute[0]->n_floats = 2;
    ProtobufCBinaryData words[2] = {{3, (uint8_t *)(char *)"one"}, {3, (uint8_t *)(char *)"two"}};
    onnx_ints(&c, node, "words", "");
    node->attribute[1]->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
    node->attribute[1]->strings = words;
    node->attribute[1]->n_strings = 2;
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_expect_shape(&c, "y", "2,6");
    const dms_attr *attr = c.read.node[0].attr;
    assert_int_equal(attr[1].n, 2);
    assert_string_equal(attr[1].strings[1], "two");
    onnx_end(&c);
    begin(&c);
    node = onnx_node(&c, c.graph, "Constant", "", "k");
    onnx_ints(&c, node, "value_floats", "");
    node->attribute[0]->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    node->attribute[0]->floats = scales;
    node->attribute[0]->n_floats = 2;
    onnx_text(&c, "ReduceSum k s keepdims=0; Add x,s y");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_expect_shape(&c, "k", "2");
    onnx_end(&c);
}

/* An attribute that says it is a tensor or a graph and holds none. */
static void an_attribute_may_not_be_empty(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_tensor_attr(&c, onnx_node(&c, c.graph, "ConstantOfShape", "x", "y"), "value", NULL);
    refuse(&c, "node 'ConstantOfShape_y' (ConstantOfShape): attribute 'value' is empty");
    begin(&c);
    onnx_branch(&c, onnx_node(&c, c.graph, "If", "x", "y"), "then_branch", NULL);
    refuse(&c, "node 'If_y' (If): attribute 'then_branch' is empty");
}

/* A kernel that refuses its operands while folding: the node and the reason are named. */
static void what_cannot_be_folded_is_named(void **state) {
    (void)state;
    onnx_case c;
    const float data[3] = {1, 2, 3};
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "data", F32, "3", data);
    onnx_i64(&c, c.graph, "beyond", "3");
    onnx_text(&c, "Gather data,beyond g; Add x,g y");
    onnx_expect_failure(&c, onnx_lower(&c, NULL), DMS_EUNSUPPORTED, "node 'Gather_g' (Gather): ");
    assert_non_null(strstr(c.st.msg, "3"));
    onnx_end(&c);
    begin(&c);
    (void)onnx_initializer(&c, c.graph, "data", F32, "3", data);
    onnx_i64(&c, c.graph, "at", "0");
    onnx_i64(&c, c.graph, "row", "7");
    onnx_i64(&c, c.graph, "shape", "1,1");
    onnx_text(&c, "Slice data,at,row first; Reshape row,shape index; "
                  "ScatterND data,index,first s; Add x,s y");
    refuse(&c, "node 'ScatterND_s' (ScatterND): ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_tensors_come_in),
        cmocka_unit_test(an_input_has_a_shape_of_at_most_eight_axes),
        cmocka_unit_test(an_output_may_say_nothing_of_itself),
        cmocka_unit_test(outputs_are_there_and_made),
        cmocka_unit_test(an_output_may_be_an_input_or_a_constant),
        cmocka_unit_test(a_model_may_have_no_inputs),
        cmocka_unit_test(an_initializer_whose_message_lies_is_named),
        cmocka_unit_test(an_initializer_beyond_63_bits_is_named),
        cmocka_unit_test(floats_in_the_field_of_doubles_are_refused),
        cmocka_unit_test(names_stand_for_one_tensor),
        cmocka_unit_test(operators_take_as_many_operands_as_they_have),
        cmocka_unit_test(an_output_that_is_required_is_missed),
        cmocka_unit_test(nodes_without_a_name_are_named_all_the_same),
        cmocka_unit_test(lists_of_reals_and_texts_are_read),
        cmocka_unit_test(an_attribute_may_not_be_empty),
        cmocka_unit_test(what_cannot_be_folded_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
