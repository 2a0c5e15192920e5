/* test_onnx_dims.c - sizes that the user gives, and sizes that follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "onnx/expr.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* One input of this shape, y = Relu(x). */
static void begin(onnx_case *c, const char *shape) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, shape);
    (void)onnx_node(c, c->graph, "Relu", "x", "y");
    onnx_output(c, c->graph, "y", F32, shape);
}

static bool a_is_3_and_b_is_4(void *context, const char *text, uint32_t length, int64_t *out) {
    (void)context;
    if (length != 1 || (text[0] != 'a' && text[0] != 'b'))
        return false;
    *out = text[0] == 'a' ? 3 : 4;
    return true;
}

static void expressions_are_exact(void **state) {
    (void)state;
    static const struct {
        const char *text;
        dms_expr_result result;
        int64_t value;
    } one[] = {{"a + b", DMS_EXPR_OK, 7},
               {"2*a - b", DMS_EXPR_OK, 2},
               {"((b - 1)//2) + 1", DMS_EXPR_OK, 2},
               {"a*(b + 1)%4", DMS_EXPR_OK, 3},
               {"-a + b", DMS_EXPR_OK, 1},
               {"(-a)//2 + 5", DMS_EXPR_OK, 3}, /* rounds down, not toward zero */
               {"floor(a/2 - 1/2) + 1", DMS_EXPR_OK, 2},
               {"ceil(a/2)", DMS_EXPR_OK, 2},
               {"Max(a, b, 2)", DMS_EXPR_OK, 4},
               {"b**2", DMS_EXPR_OK, 16},
               {"a/2", DMS_EXPR_NO_DIM, 0},
               {"a - b", DMS_EXPR_NO_DIM, 0},
               {"a//(b - 4)", DMS_EXPR_NO_DIM, 0},
               {"9223372036854775807 + a", DMS_EXPR_NO_DIM, 0},
               {"a + c", DMS_EXPR_UNKNOWN, 0},
               {"a b", DMS_EXPR_NO_TEXT, 0},
               {"a +", DMS_EXPR_NO_TEXT, 0},
               {"(a", DMS_EXPR_NO_TEXT, 0},
               {"sqrt(a)", DMS_EXPR_NO_TEXT, 0},
               {"", DMS_EXPR_NO_TEXT, 0}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        int64_t value = 0;
        const dms_expr_result result =
            dms_expr_evaluate(one[k].text, a_is_3_and_b_is_4, NULL, &value);
        if (result != one[k].result || value != one[k].value)
            fail_msg("'%s': result %d, value %lld", one[k].text, (int)result, (long long)value);
    }
    char deep[2001];
    memset(deep, '(', 2000);
    deep[2000] = 0;
    int64_t value;
    assert_int_equal(dms_expr_evaluate(deep, a_is_3_and_b_is_4, NULL, &value), DMS_EXPR_NO_TEXT);
    deep[900] = 0;
    assert_int_equal(dms_expr_evaluate(deep, a_is_3_and_b_is_4, NULL, &value), DMS_EXPR_NO_TEXT);
}

static void named_and_nameless_dims_take_their_sizes(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "batch,?,3");
    assert_int_equal(onnx_read(&c, "batch=2,x[1]=5"), DMS_OK);
    onnx_expect_shape(&c, "x", "2,5,3");
    onnx_expect_shape(&c, "y", "2,5,3");
    assert_int_equal(c.read.n_dims, 2);
    assert_string_equal(c.read.dim[0].name, "batch");
    assert_int_equal(c.read.dim[0].value, 2);
    onnx_end(&c);
}

static void a_size_of_zero_is_a_size(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "past,4");
    assert_int_equal(onnx_lower(&c, "past=0"), DMS_OK);
    assert_int_equal(onnx_find(&c, "y")->bytes, 0);
    assert_int_equal(c.lowered.n_calls, 0);
    onnx_end(&c);
}

static void an_expression_follows_from_its_names(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "past,seq,past + seq");
    assert_int_equal(onnx_read(&c, "past=4,seq=3"), DMS_OK);
    onnx_expect_shape(&c, "x", "4,3,7");
    onnx_expect_failure(&c, onnx_read(&c, "past=4,seq=3,past + seq=9"), DMS_EUSAGE, "follows as 7");
    onnx_expect_failure(&c, onnx_read(&c, "past=4"), DMS_EUSAGE, "seq");
    onnx_end(&c);
    begin(&c, "n - 5");
    onnx_expect_failure(&c, onnx_read(&c, "n=3"), DMS_EUSAGE, "n - 5");
    onnx_end(&c);
}

static void a_text_with_strange_names_is_a_name(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "batch-size,3");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUSAGE, "--dim batch-size=1");
    assert_int_equal(onnx_read(&c, "batch-size=2"), DMS_OK);
    onnx_expect_shape(&c, "y", "2,3");
    onnx_end(&c);
}

/* The message holds a command; its options, given, must work. */
static void a_missing_dim_prints_a_command_that_works(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "batch,length,?,batch + length");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUSAGE,
                        "--dim batch=1 --dim length=16 --dim 'x[2]=16'");
    assert_non_null(strstr(c.st.msg, c.path));
    assert_int_equal(onnx_read(&c, "batch=1,length=16,x[2]=16"), DMS_OK);
    onnx_expect_failure(&c, onnx_read(&c, "batch=7,length=16"), DMS_EUSAGE,
                        "--dim batch=7 --dim length=16 --dim 'x[2]=16'");
    onnx_end(&c);
}

/* x [batch,width] times w [64,3]: only a width of 64 works, and that is what the message says. */
static void the_command_was_tried_before_it_is_printed(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "batch,width");
    (void)onnx_initializer(&c, c.graph, "w", F32, "64,3", NULL);
    (void)onnx_node(&c, c.graph, "MatMul", "x,w", "y");
    onnx_output(&c, c.graph, "y", F32, "batch,3");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUSAGE, "--dim batch=1 --dim width=64");
    onnx_end(&c);
}

static void wrong_dims_are_usage_errors_that_name_them(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "batch,3");
    onnx_expect_failure(&c, onnx_read(&c, "batch=2,wibble=3"), DMS_EUSAGE, "wibble");
    assert_non_null(strstr(c.st.msg, "batch"));
    onnx_expect_failure(&c, onnx_read(&c, "batch=-1"), DMS_EUSAGE, "batch");
    onnx_expect_failure(&c, onnx_read(&c, "batch=1,batch=2"), DMS_EUSAGE, "batch");
    onnx_expect_failure(&c, onnx_read(&c, "batch=9223372036854775807"), DMS_EUNSUPPORTED, "'x'");
    onnx_end(&c);
    begin(&c, "2,3");
    onnx_expect_failure(&c, onnx_read(&c, "batch=2"), DMS_EUSAGE, "fixed");
    onnx_end(&c);
    begin(&c, "-5,3");
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "-5");
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_are_exact),
        cmocka_unit_test(named_and_nameless_dims_take_their_sizes),
        cmocka_unit_test(a_size_of_zero_is_a_size),
        cmocka_unit_test(an_expression_follows_from_its_names),
        cmocka_unit_test(a_text_with_strange_names_is_a_name),
        cmocka_unit_test(a_missing_dim_prints_a_command_that_works),
        cmocka_unit_test(the_command_was_tried_before_it_is_printed),
        cmocka_unit_test(wrong_dims_are_usage_errors_that_name_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
