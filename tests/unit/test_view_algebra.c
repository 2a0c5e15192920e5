/* test_view_algebra.c - which changes of shape need no copy? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onnx/graph.h"
#include "onnx/op.h"

static dms_view dense(uint32_t rank, const int64_t *dim) {
    dms_view view;
    assert_true(dms_view_dense(DMS_DTYPE_F32, rank, dim, &view));
    return view;
}

static void expect(const dms_view *view, uint32_t rank, const int64_t *dim, const int64_t *pitch) {
    assert_int_equal(view->rank, rank);
    for (uint32_t k = 0; k < rank; k++) {
        assert_int_equal(view->dim[k], dim[k]);
        if (dim[k] > 1)
            assert_int_equal(view->pitch[k], pitch[k]);
    }
}

static void a_dense_view_takes_any_shape_of_as_many_elements(void **state) {
    (void)state;
    const dms_view in = dense(2, (int64_t[]){4, 6});
    dms_view out;
    assert_true(dms_view_reshape(&in, 4, (int64_t[]){2, 2, 1, 6}, &out));
    expect(&out, 4, (int64_t[]){2, 2, 1, 6}, (int64_t[]){12, 6, 6, 1});
    assert_true(dms_view_reshape(&in, 1, (int64_t[]){24}, &out));
    expect(&out, 1, (int64_t[]){24}, (int64_t[]){1});
    assert_false(dms_view_reshape(&in, 1, (int64_t[]){23}, &out));
    assert_true(dms_view_reshape(&in, 3, (int64_t[]){3, 8, 1}, &out));
    expect(&out, 3, (int64_t[]){3, 8, 1}, (int64_t[]){8, 1, 1});
}

static void a_transposed_view_splits_axes_but_does_not_merge_them(void **state) {
    (void)state;
    dms_view in = dense(2, (int64_t[]){4, 6}), out;
    dms_view_permute(&in, (uint32_t[]){1, 0}, &in); /* [6, 4], pitches 1, 6 */
    expect(&in, 2, (int64_t[]){6, 4}, (int64_t[]){1, 6});
    assert_true(dms_view_reshape(&in, 3, (int64_t[]){3, 2, 4}, &out));
    expect(&out, 3, (int64_t[]){3, 2, 4}, (int64_t[]){2, 1, 6});
    assert_false(dms_view_reshape(&in, 1, (int64_t[]){24}, &out));
}

static void axes_of_one_come_and_go_whatever_their_pitch(void **state) {
    (void)state;
    dms_view in = dense(3, (int64_t[]){2, 1, 3}), out;
    in.pitch[1] = 77;
    assert_true(dms_view_reshape(&in, 2, (int64_t[]){2, 3}, &out));
    expect(&out, 2, (int64_t[]){2, 3}, (int64_t[]){3, 1});
    const dms_view scalar = dense(0, NULL);
    assert_true(dms_view_reshape(&scalar, 3, (int64_t[]){1, 1, 1}, &out));
    assert_int_equal(out.rank, 3);
    assert_true(dms_view_reshape(&out, 0, NULL, &out));
    assert_int_equal(out.rank, 0);
}

static void an_empty_view_takes_any_empty_shape(void **state) {
    (void)state;
    const dms_view in = dense(2, (int64_t[]){0, 6});
    dms_view out;
    assert_true(dms_view_reshape(&in, 3, (int64_t[]){5, 0, 7}, &out));
    assert_int_equal(out.dim[2], 7);
    assert_false(dms_view_reshape(&in, 1, (int64_t[]){6}, &out));
}

static void expanding_repeats_axes_of_one_and_adds_leading_ones(void **state) {
    (void)state;
    const dms_view in = dense(2, (int64_t[]){1, 3});
    dms_view out;
    assert_true(dms_view_expand(&in, 3, (int64_t[]){5, 4, 3}, &out));
    expect(&out, 3, (int64_t[]){5, 4, 3}, (int64_t[]){0, 0, 1});
    assert_false(dms_view_expand(&in, 2, (int64_t[]){1, 4}, &out));
    assert_false(dms_view_expand(&in, 1, (int64_t[]){3}, &out));
}

/* Group-query attention: [2, 3] heads -> Unsqueeze [2, 1, 3] -> Expand [2, 4, 3] -> Reshape [8, 3]
 * repeats each row four times, which no pitch can say. */
static void a_repeat_inside_an_axis_is_no_view(void **state) {
    (void)state;
    const dms_view in = dense(3, (int64_t[]){2, 1, 3});
    dms_view out;
    assert_true(dms_view_expand(&in, 3, (int64_t[]){2, 4, 3}, &out));
    assert_false(dms_view_reshape(&out, 2, (int64_t[]){8, 3}, &out));
    const dms_view one = dense(3, (int64_t[]){1, 1, 3});
    assert_true(dms_view_expand(&one, 3, (int64_t[]){2, 4, 3}, &out));
    assert_true(dms_view_reshape(&out, 2, (int64_t[]){8, 3}, &out));
    expect(&out, 2, (int64_t[]){8, 3}, (int64_t[]){0, 1});
}

static void narrowing_moves_the_start_and_widens_the_step(void **state) {
    (void)state;
    dms_view view = dense(2, (int64_t[]){10, 6});
    dms_view_narrow(&view, 0, 1, 4, 2); /* rows 1, 3, 5, 7 */
    expect(&view, 2, (int64_t[]){4, 6}, (int64_t[]){12, 1});
    assert_int_equal(view.offset, 6);
    dms_view_narrow(&view, 1, 6, 0, 1); /* an empty end does not move past the storage */
    assert_int_equal(view.offset, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_view_takes_any_shape_of_as_many_elements),
        cmocka_unit_test(a_transposed_view_splits_axes_but_does_not_merge_them),
        cmocka_unit_test(axes_of_one_come_and_go_whatever_their_pitch),
        cmocka_unit_test(an_empty_view_takes_any_empty_shape),
        cmocka_unit_test(expanding_repeats_axes_of_one_and_adds_leading_ones),
        cmocka_unit_test(a_repeat_inside_an_axis_is_no_view),
        cmocka_unit_test(narrowing_moves_the_start_and_widens_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
