/* test_onnx_symbols.c - dims with names: which must be given, which follow, which contradict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* y = Relu(x); a second input z [..] is there when `other` is no NULL, unused. */
static void begin(onnx_case *c, const char *shape, const char *other) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, shape);
    if (other != NULL)
        onnx_input(c, "z", F32, other);
    onnx_text(c, "Relu x y");
    onnx_output(c, c->graph, "y", F32, "");
}

static void expect_shape(const char *shape, const char *other, const char *dims,
                         const char *wanted) {
    onnx_case c;
    begin(&c, shape, other);
    if (onnx_read(&c, dims) != DMS_OK)
        fail_msg("[%s], [%s] with %s: %s", shape, other, dims, c.st.msg);
    onnx_expect_shape(&c, "y", wanted);
    onnx_end(&c);
}

static void expect_usage(const char *shape, const char *other, const char *dims,
                         const char *message) {
    onnx_case c;
    begin(&c, shape, other);
    onnx_expect_failure(&c, onnx_read(&c, dims), DMS_EUSAGE, message);
    onnx_end(&c);
}

/* ---- what follows -------------------------------------------------------------------------- */

static void a_name_means_one_size_in_all_inputs(void **state) {
    (void)state;
    expect_shape("batch,seq", "seq,batch", "batch=2,seq=5", "2,5");
    expect_shape("n,n,n", NULL, "n=3", "3,3,3");
}

static void an_expression_follows_wherever_its_names_stand(void **state) {
    (void)state;
    expect_shape("past + seq", "past,seq", "past=4,seq=3", "7");
    expect_shape("2*seq,(h - 1)//2 + 1", "seq,h", "seq=3,h=8", "6,4");
    expect_shape("ceil(a/2),a%b", "a,b", "a=9,b=4", "5,1");
    expect_shape("batch*seq,8", "batch,seq", "batch=0,seq=5", "0,8");
}

/* Names that no input has by themselves may be given all the same. */
static void parts_of_an_expression_may_be_given(void **state) {
    (void)state;
    expect_shape("past + seq,4", NULL, "past=4,seq=3", "7,4");
    expect_shape("past + seq,past + 1", NULL, "past=4,seq=3", "7,5");
}

static void an_expression_may_be_given_as_a_whole(void **state) {
    (void)state;
    expect_shape("past + seq,4", NULL, "past + seq=9", "9,4");
    expect_shape("past + seq,past", NULL, "past=2,past + seq=9", "9,2");
    expect_shape("past + seq", "past,seq", "past=4,seq=3,past + seq=7", "7");
}

/* "batch-size" is a difference where both are dims, and a name where one is not. */
static void a_dash_is_a_minus_between_dims_only(void **state) {
    (void)state;
    expect_shape("batch-size", "batch,size", "batch=7,size=3", "4");
    expect_shape("batch-size", "batch,other", "batch=7,other=1,batch-size=5", "5");
}

static void what_is_given_twice_alike_is_given_once(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "n,3", NULL);
    assert_int_equal(onnx_read(&c, "n=2,n=2"), DMS_OK);
    assert_int_equal(c.read.n_dims, 1);
    onnx_end(&c);
}

/* The plan records what was given, in the order in which the model names it. */
static void given_dims_are_recorded_in_the_order_of_the_model(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "batch,seq,past + seq", "past");
    assert_int_equal(onnx_read(&c, "past=1,seq=2,batch=3"), DMS_OK);
    assert_int_equal(c.read.n_dims, 3);
    assert_string_equal(c.read.dim[0].name, "batch");
    assert_string_equal(c.read.dim[1].name, "seq");
    assert_string_equal(c.read.dim[2].name, "past");
    assert_int_equal(c.read.dim[2].value, 1);
    onnx_end(&c);
}

/* ---- what need not be given ---------------------------------------------------------------- */

/* Names in outputs say nothing that the nodes do not say. */
static void dims_of_outputs_are_not_asked_for(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "2,3", NULL);
    onnx_output(&c, c.graph, "y", F32, "rows,2*columns");
    c.graph->output[0] = c.graph->output[1];
    c.graph->n_output = 1;
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(onnx_read(&c, "rows=2"), DMS_OK); /* but may be given */
    onnx_end(&c);
}

/* Old files list weights among the inputs; their dims are those of the data. */
static void dims_of_initialised_inputs_are_not_asked_for(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,3");
    onnx_input(&c, "w", F32, "rows,columns");
    (void)onnx_initializer(&c, c.graph, "w", F32, "2,3", NULL);
    onnx_text(&c, "Add x,w y");
    onnx_output(&c, c.graph, "y", F32, "");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    onnx_end(&c);
}

/* An input that no node reads is still one that the user must give. */
static void dims_of_unused_inputs_are_asked_for(void **state) {
    (void)state;
    expect_usage("2,3", "length", NULL, "1 dim of the model's inputs has no size: length");
}

/* ---- nameless dims ------------------------------------------------------------------------- */

/* No value, an empty name, "?" and -1 are four ways to say nothing. */
static void a_dim_without_a_name_goes_by_its_input_and_axis(void **state) {
    (void)state;
    static const char *const way[] = {"?", "-1", "", NULL};
    for (uint32_t k = 0; k < 4; k++) {
        onnx_case c;
        begin(&c, "2,?", NULL);
        Onnx__TensorShapeProto__Dimension *dim =
            c.graph->input[0]->type->tensor_type->shape->dim[1];
        if (k == 1) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = -1;
        } else if (way[k] != NULL) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = (char *)way[k];
        }
        onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUSAGE, "--dim 'x[1]=");
        assert_int_equal(onnx_read(&c, "x[1]=5"), DMS_OK);
        onnx_expect_shape(&c, "y", "2,5");
        onnx_end(&c);
    }
}

static void two_nameless_dims_are_two_sizes(void **state) {
    (void)state;
    expect_shape("?,?", "?", "x[0]=2,x[1]=5,z[0]=1", "2,5");
    expect_usage("?,?", "?", "x[0]=2", "2 dims of the model's inputs have no size: x[1], z[0]");
}

/* ---- contradictions ------------------------------------------------------------------------ */

static void what_is_given_must_be_what_follows(void **state) {
    (void)state;
    expect_usage("past + seq", "past,seq", "past=4,seq=3,past + seq=8",
                 "dim 'past + seq' is given as 8, but follows as 7");
    expect_usage("n,3", NULL, "n=2,n=3", "--dim n: given as 2 and as 3");
    expect_usage("2*n,n", NULL, "n=4,2*n=9", "dim '2*n' is given as 9, but follows as 8");
}

static void what_follows_must_be_a_size(void **state) {
    (void)state;
    expect_usage("n - 5", "n", "n=3", "dim 'n - 5' is no size with the dims given");
    expect_usage("n/2", "n", "n=3", "dim 'n/2' is no size with the dims given");
    expect_usage("n//m", "n,m", "n=3,m=0", "dim 'n//m' is no size with the dims given");
    expect_usage("n%m", "n,m", "n=3,m=0", "dim 'n%m' is no size with the dims given");
    expect_shape("n - 5", "n", "n=5", "0");
}

static void sizes_beyond_63_bits_are_none(void **state) {
    (void)state;
    expect_usage("n*n", "n", "n=4294967296", "dim 'n*n' is no size with the dims given");
    expect_usage("n + m", "n,m", "n=9223372036854775807,m=1",
                 "dim 'n + m' is no size with the dims given");
    expect_usage("n**8", "n", "n=1000", "dim 'n**8' is no size with the dims given");
}

/* Each dim is a size, but the bytes of the tensor are not. */
static void tensors_beyond_63_bits_are_named(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "n,n", NULL);
    onnx_expect_failure(&c, onnx_read(&c, "n=2147483648"), DMS_EUNSUPPORTED, "'x'");
    onnx_end(&c);
}

static void a_dim_of_no_input_is_refused_with_the_names_there_are(void **state) {
    (void)state;
    expect_usage("batch,seq", NULL, "batch=1,seq=2,bach=3",
                 "--dim bach: the model has no such dim; it has batch, seq");
    expect_usage("2,3", NULL, "n=1", "--dim n: the model has no such dim, all its sizes are fixed");
    expect_usage("n", NULL, "n=-4", "--dim n=-4: a size is not negative");
}

/* ---- the command that is printed ----------------------------------------------------------- */

/* Where a name of the expression is no dim, the text is asked for as a whole. */
static void a_text_with_a_stranger_is_asked_for_as_a_whole(void **state) {
    (void)state;
    expect_usage("past + seq,4", NULL, NULL, "--dim 'past + seq=");
    expect_usage("past + seq,past", NULL, NULL, "2 dims of the model's inputs have no size");
}

/* What was given stands in the command too, so that it can be pasted. */
static void the_command_repeats_what_was_given(void **state) {
    (void)state;
    expect_usage("batch,seq,hidden", NULL, "seq=33", " --dim batch=1 --dim seq=33 --dim hidden=");
}

/* Quotes around what a shell would take apart. */
static void names_are_quoted_where_a_shell_needs_it(void **state) {
    (void)state;
    expect_usage("batch size,3", NULL, NULL, "--dim 'batch size=1'");
    expect_usage("a;b,3", NULL, NULL, "--dim 'a;b=1'");
    expect_usage("seq_len.1,3", NULL, NULL, "--dim seq_len.1=1");
}

static void control_characters_in_names_are_written_as_numbers(void **state) {
    (void)state;
    expect_usage("a\nb,3", NULL, NULL, "a\\x0ab");
}

/* 30 dims: 24 are listed, and the count is that of all. */
static void a_long_list_is_cut_and_says_so(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    for (uint32_t k = 0; k < 30; k++) {
        const char *name = dms_format(&c.arena, "x%u", k);
        onnx_input(&c, name, F32, dms_format(&c.arena, "n%u", k));
    }
    onnx_text(&c, "Relu x0 y");
    onnx_output(&c, c.graph, "y", F32, "");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUSAGE,
                        "30 dims of the model's inputs have no size: n0, n1, ");
    assert_non_null(strstr(c.st.msg, "n23, ...\n"));
    onnx_end(&c);
}

/* Batches are 1, caches are empty, the rest is long enough for most. */
static void likely_sizes_are_suggested(void **state) {
    (void)state;
    expect_usage("batch,past_len,length", NULL, NULL,
                 "--dim batch=1 --dim past_len=0 --dim length=16");
    expect_usage("n,m", NULL, NULL, "--dim n=1 --dim m=16"); /* the first axis of several */
    expect_usage("n", NULL, NULL, "--dim n=16");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_means_one_size_in_all_inputs),
        cmocka_unit_test(an_expression_follows_wherever_its_names_stand),
        cmocka_unit_test(parts_of_an_expression_may_be_given),
        cmocka_unit_test(an_expression_may_be_given_as_a_whole),
        cmocka_unit_test(a_dash_is_a_minus_between_dims_only),
        cmocka_unit_test(what_is_given_twice_alike_is_given_once),
        cmocka_unit_test(given_dims_are_recorded_in_the_order_of_the_model),
        cmocka_unit_test(dims_of_outputs_are_not_asked_for),
        cmocka_unit_test(dims_of_initialised_inputs_are_not_asked_for),
        cmocka_unit_test(dims_of_unused_inputs_are_asked_for),
        cmocka_unit_test(a_dim_without_a_name_goes_by_its_input_and_axis),
        cmocka_unit_test(two_nameless_dims_are_two_sizes),
        cmocka_unit_test(what_is_given_must_be_what_follows),
        cmocka_unit_test(what_follows_must_be_a_size),
        cmocka_unit_test(sizes_beyond_63_bits_are_none),
        cmocka_unit_test(tensors_beyond_63_bits_are_named),
        cmocka_unit_test(a_dim_of_no_input_is_refused_with_the_names_there_are),
        cmocka_unit_test(a_text_with_a_stranger_is_asked_for_as_a_whole),
        cmocka_unit_test(the_command_repeats_what_was_given),
        cmocka_unit_test(names_are_quoted_where_a_shell_needs_it),
        cmocka_unit_test(control_characters_in_names_are_written_as_numbers),
        cmocka_unit_test(a_long_list_is_cut_and_says_so),
        cmocka_unit_test(likely_sizes_are_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
