/* test_onnx_attributes.c - attributes: their kinds, where a file may leave the kind out, and the
 * forms of Constant. x is [2,3] = 1 .. 6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static void refuse(onnx_case *c, const char *text) {
    onnx_expect_failure(c, onnx_lower(c, NULL), DMS_EUNSUPPORTED, text);
    onnx_end(c);
}

/* ---- kinds --------------------------------------------------------------------------------- */

/* An attribute that a row would not find under its kind would silently take its default: a
 * Resize with mode = 1 would be a nearest one. */
static void every_attribute_has_one_kind(void **state) {
    (void)state;
    static const struct {
        const char *op, *attribute, *kind;
    } one[] = {{"Softmax", "axis", "an integer"},
               {"ReduceMean", "axes", "integers"},
               {"ReduceMean", "keepdims", "an integer"},
               {"Transpose", "perm", "integers"},
               {"Reshape", "allowzero", "an integer"},
               {"Conv", "kernel_shape", "integers"},
               {"Conv", "strides", "integers"},
               {"Conv", "pads", "integers"},
               {"Conv", "dilations", "integers"},
               {"Conv", "group", "an integer"},
               {"Conv", "auto_pad", "a string"},
               {"ConvTranspose", "output_padding", "integers"},
               {"ConvTranspose", "output_shape", "integers"},
               {"MaxPool", "ceil_mode", "an integer"},
               {"MaxPool", "storage_order", "an integer"},
               {"AveragePool", "count_include_pad", "an integer"},
               {"LpPool", "p", "an integer"},
               {"BatchNormalization", "epsilon", "a number"},
               {"BatchNormalization", "spatial", "an integer"},
               {"BatchNormalization", "training_mode", "an integer"},
               {"Gemm", "alpha", "a number"},
               {"Gemm", "beta", "a number"},
               {"Gemm", "transA", "an integer"},
               {"Gemm", "transB", "an integer"},
               {"LRN", "size", "an integer"},
               {"LRN", "bias", "a number"},
               {"Selu", "gamma", "a number"},
               {"Shrink", "lambd", "a number"},
               {"Gelu", "approximate", "a string"},
               {"Clip", "min", "a number"},
               {"Clip", "max", "a number"},
               {"Cast", "to", "an integer"},
               {"Cast", "saturate", "an integer"},
               {"Split", "split", "integers"},
               {"Split", "num_outputs", "an integer"},
               {"TopK", "k", "an integer"},
               {"TopK", "largest", "an integer"},
               {"TopK", "sorted", "an integer"},
               {"ArgMax", "select_last_index", "an integer"},
               {"CumSum", "exclusive", "an integer"},
               {"CumSum", "reverse", "an integer"},
               {"Shape", "start", "an integer"},
               {"Shape", "end", "an integer"},
               {"Pad", "mode", "a string"},
               {"Resize", "mode", "a string"},
               {"Resize", "nearest_mode", "a string"},
               {"Resize", "coordinate_transformation_mode", "a string"},
               {"Resize", "keep_aspect_ratio_policy", "a string"},
               {"Resize", "antialias", "an integer"},
               {"Resize", "cubic_coeff_a", "a number"},
               {"Resize", "exclude_outside", "an integer"},
               {"Resize", "extrapolation_value", "a number"},
               {"Upsample", "scales", "numbers"},
               {"DepthToSpace", "blocksize", "an integer"},
               {"GatherND", "batch_dims", "an integer"},
               {"ScatterND", "reduction", "a string"},
               {"Trilu", "upper", "an integer"},
               {"Mod", "fmod", "an integer"},
               {"BitShift", "direction", "a string"},
               {"Einsum", "equation", "a string"},
               {"IsInf", "detect_negative", "an integer"},
               {"EyeLike", "dtype", "an integer"},
               {"LayerNormalization", "stash_type", "an integer"},
               {"GroupNormalization", "num_groups", "an integer"},
               {"Attention", "is_causal", "an integer"},
               {"Attention", "q_num_heads", "an integer"},
               {"Attention", "scale", "a number"},
               {"Attention", "softcap", "a number"},
               {"RotaryEmbedding", "interleaved", "an integer"}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        onnx_case c;
        begin(&c);
        Onnx__NodeProto *node = onnx_node(&c, c.graph, one[k].op, "x", "y");
        const bool is_text = strcmp(one[k].kind, "a string") == 0;
        if (is_text)
            onnx_int(&c, node, one[k].attribute, 1);
        else
            onnx_string(&c, node, one[k].attribute, "1");
        refuse(&c, dms_format(&c.arena, "node '%s_y' (%s): attribute '%s' is %s, wanted %s",
                              one[k].op, one[k].op, one[k].attribute,
                              is_text ? "an integer" : "a string", one[k].kind));
    }
}

/* One number and a list of one are not the same. */
static void a_list_of_one_is_no_number(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_text(&c, "Softmax x y axis=[1]");
    refuse(&c, "attribute 'axis' is integers, wanted an integer");
    begin(&c);
    onnx_text(&c, "Transpose x y perm=1");
    refuse(&c, "attribute 'perm' is an integer, wanted integers");
    begin(&c);
    onnx_text(&c, "LeakyRelu x y alpha=2");
    refuse(&c, "attribute 'alpha' is an integer, wanted a number");
}

/* Exporters add attributes of their own. */
static void unknown_attributes_do_no_harm(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_text(&c, "Relu x y colour='red' size_of_it=3 weights=[1,2]");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_expect_output(&c, input, 0, 6, x);
    onnx_end(&c);
}

/* The oldest files have no type: the member that is there tells. */
static void a_kind_left_out_follows_from_the_value(void **state) {
    (void)state;
    onnx_case c;
    const float wanted[6] = {1, 4, 2, 5, 3, 6};
    begin(&c);
    onnx_text(&c, "LeakyRelu x a alpha=0.5; Transpose a y perm=[1,0]; Softmax x s axis=0");
    for (uint32_t k = 0; k < 3; k++)
        c.graph->node[k]->attribute[0]->has_type = 0;
    onnx_output(&c, c.graph, "s", F32, "");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
    begin(&c);
    onnx_text(&c, "Softmax x y axis=0.5");
    c.graph->node[0]->attribute[0]->has_type = 0;
    refuse(&c, "attribute 'axis' is a number, wanted an integer");
}

/* Outside a function a reference leads nowhere: the attribute is absent, its default counts. */
static void a_reference_in_the_main_graph_is_an_absent_attribute(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_reference(&c, onnx_node(&c, c.graph, "Softmax", "x", "y"), "axis", "where");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.read.node[0].n_attrs, 0);
    onnx_end(&c);
}

/* ---- Constant ------------------------------------------------------------------------------ */

/* y = x + the constant, whose dims are those of its form. */
static void expect_constant(onnx_case *c, const char *shape, dms_dtype dtype, float added) {
    float wanted[6];
    for (int k = 0; k < 6; k++)
        wanted[k] = x[k] + added;
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("%s", c->st.msg);
    onnx_expect_shape(c, "c", shape);
    assert_int_equal(onnx_find(c, "c")->dtype, dtype);
    onnx_expect_output(c, input, 0, 6, wanted);
    onnx_end(c);
}

static void a_constant_may_be_written_in_five_forms(void **state) {
    (void)state;
    onnx_case c;
    const float three[3] = {7, 7, 7};
    begin(&c);
    onnx_text(&c, "Constant , c value_float=7.; Add x,c y");
    expect_constant(&c, "", F32, 7);
    begin(&c);
    onnx_text(&c, "Constant , c value_int=7; Cast c f to=1; Add x,f y");
    expect_constant(&c, "", DMS_DTYPE_I64, 7);
    begin(&c);
    onnx_text(&c, "Constant , c value_ints=[7,7,7]; Cast c f to=1; Add x,f y");
    expect_constant(&c, "3", DMS_DTYPE_I64, 7);
    begin(&c);
    onnx_tensor_attr(&c, onnx_node(&c, c.graph, "Constant", "", "c"), "value",
                     onnx_tensor(&c, "t", F32, "1,3", three));
    onnx_text(&c, "Add x,c y");
    expect_constant(&c, "1,3", F32, 7);
    begin(&c); /* as old files write it: numbers in a field of their own */
    Onnx__TensorProto *t = onnx_tensor(&c, "t", DMS_DTYPE_I32, "3", NULL);
    int32_t numbers[3] = {7, 7, 7};
    t->has_raw_data = 0;
    t->int32_data = numbers;
    t->n_int32_data = 3;
    onnx_tensor_attr(&c, onnx_node(&c, c.graph, "Constant", "", "c"), "value", t);
    onnx_text(&c, "Cast c f to=1; Add x,f y");
    expect_constant(&c, "3", DMS_DTYPE_I32, 7);
}

static void a_constant_of_no_numbers_is_refused(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_text(&c, "Constant , c value_string='seven'; Add x,c y");
    refuse(&c, "node 'c' (Constant): no value that is a tensor or numbers");
    begin(&c);
    onnx_text(&c, "Constant , c; Add x,c y");
    refuse(&c, "node 'c' (Constant): no value that is a tensor or numbers");
}

/* The data of a tensor in an attribute are checked like those of an initializer. */
static void a_constant_whose_data_do_not_fit_names_itself(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    Onnx__TensorProto *t = onnx_tensor(&c, "t", F32, "3", NULL);
    t->raw_data.len = 8;
    onnx_tensor_attr(&c, onnx_node(&c, c.graph, "Constant", "", "c"), "value", t);
    onnx_text(&c, "Add x,c y");
    refuse(&c, "tensor 'c': 8 bytes of data, its dims want 12");
}

/* A name made by a Constant is made like any other. */
static void a_constant_cannot_take_a_name_twice(void **state) {
    (void)state;
    onnx_case c;
    begin(&c);
    onnx_text(&c, "Constant , c value_float=1.; Constant , c value_float=2.; Add x,c y");
    refuse(&c, "makes 'c', which another node");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_attribute_has_one_kind),
        cmocka_unit_test(a_list_of_one_is_no_number),
        cmocka_unit_test(unknown_attributes_do_no_harm),
        cmocka_unit_test(a_kind_left_out_follows_from_the_value),
        cmocka_unit_test(a_reference_in_the_main_graph_is_an_absent_attribute),
        cmocka_unit_test(a_constant_may_be_written_in_five_forms),
        cmocka_unit_test(a_constant_of_no_numbers_is_refused),
        cmocka_unit_test(a_constant_whose_data_do_not_fit_names_itself),
        cmocka_unit_test(a_constant_cannot_take_a_name_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
