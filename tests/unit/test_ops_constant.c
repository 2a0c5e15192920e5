/* test_ops_constant.c - ConstantOfShape, Range, Shape, Size, EyeLike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void constant_of_shape_is_f32_zero_by_default(void **state) {
    (void)state;
    INFERS("ConstantOfShape-9", "s=i64{2,0,3}", "", 1, "f32 [2, 0, 3]");
    INFERS("ConstantOfShape-9", "s=i64{}", "", 1, "f32 []");
    CALLS("ConstantOfShape-9", "s=i64{200,300}", "", "fill(0)");
}

static void constant_of_shape_refuses_shapes_it_cannot_have(void **state) {
    (void)state;
    INFERS("ConstantOfShape-9", "s=i64{2,-1}", "", 1,
           "node 'n' (ConstantOfShape): output 0 has dim -1 on axis 1");
    INFERS("ConstantOfShape-9", "s=i64{4611686018427387904,4}", "", 1,
           "node 'n' (ConstantOfShape): output 0 exceeds 63 bits of bytes");
    INFERS("ConstantOfShape-9", "s:i64[2]", "", 1,
           "node 'n' (ConstantOfShape): input 's' is computed from data, so no memory can be "
           "planned; it must follow from constants and shapes");
}

static void range_counts_the_steps_before_its_limit(void **state) {
    (void)state;
    INFERS("Range-11", "a=i64(3) b=i64(9) d=i64(3)", "", 1, "i64 [2]");
    INFERS("Range-11", "a=i64(3) b=i64(10) d=i64(3)", "", 1, "i64 [3]");
    INFERS("Range-11", "a=i32(10) b=i32(4) d=i32(-2)", "", 1, "i32 [3]");
    INFERS("Range-11", "a=i64(3) b=i64(3) d=i64(1)", "", 1, "i64 [0]");
    INFERS("Range-11", "a=f32(0) b=f32(1) d=f32(0.3)", "", 1, "f32 [4]");
    CALLS("Range-11", "a=i64(3) b=i64(9) d=i64(3)", "", "range(3 3 | 0 0)");
    CALLS("Range-11", "a=f64(1) b=f64(2) d=f64(0.5)", "", "range(0 0 | 1 0.5)");
}

static void the_longest_range_does_not_overflow(void **state) {
    (void)state;
    INFERS("Range-11",
           "a=i64(-9223372036854775808) b=i64(9223372036854775807) d=i64(4611686018427387904)", "",
           1, "i64 [4]");
    INFERS("Range-11", "a=i64(-9223372036854775808) b=i64(9223372036854775807) d=i64(1)", "", 1,
           "node 'n' (Range): output 0 exceeds 63 bits of bytes");
}

static void range_refuses_steps_of_0_and_computed_ends(void **state) {
    (void)state;
    INFERS("Range-11", "a=i64(0) b=i64(1) d=i64(0)", "", 1, "node 'n' (Range): its step is 0");
    INFERS("Range-11", "a=f32(0) b:f32[] d=f32(1)", "", 1,
           "node 'n' (Range): input 'b' is computed from data");
    INFERS("Range-11", "a=f32(0) b=f32(inf) d=f32(1)", "", 1, "node 'n' (Range): it has no end");
    INFERS("Range-11", "a=f32(nan) b=f32(1) d=f32(1)", "", 1, "node 'n' (Range): it has no end");
}

static void shape_gives_the_dims_between_start_and_end(void **state) {
    (void)state;
    INFERS("Shape-13", "x:f32[2,3,4]", "", 1, "i64 [3]");
    INFERS("Shape-15", "x:f32[2,3,4]", "start=-2", 1, "i64 [2]");
    INFERS("Shape-15", "x:f32[2,3,4]", "start=1 end=-1", 1, "i64 [1]");
    INFERS("Shape-15", "x:f32[2,3,4]", "start=2 end=1", 1, "i64 [0]");
    INFERS("Shape-15", "x:f32[2,3,4]", "start=-9 end=9", 1, "i64 [3]");
    INFERS("Shape-13", "x:f32[2,3,4]", "start=1", 1, "i64 [3]"); /* not known before 15 */
    CALLS("Shape-13", "x:f32[2,3,4]", "", "copy(0)");
}

static void size_is_a_scalar(void **state) {
    (void)state;
    INFERS("Size-13", "x:f32[2,3,4]", "", 1, "i64 []");
    CALLS("Size-13", "x:f32[2,3,4]", "", "copy(0)");
}

static void only_the_shape_counts_for_these(void **state) {
    (void)state;
    assert_true(dms_op_find(NULL, "Shape", 13)->is_shape_only);
    assert_true(dms_op_find(NULL, "Size", 13)->is_shape_only);
    assert_true(dms_op_find(NULL, "EyeLike", 13)->is_shape_only);
    assert_false(dms_op_find(NULL, "ConstantOfShape", 13)->is_shape_only);
}

static void eye_like_takes_a_dtype_and_a_diagonal(void **state) {
    (void)state;
    INFERS("EyeLike-9", "x:i32[3,4]", "", 1, "i32 [3, 4]");
    INFERS("EyeLike-9", "x:i32[3,4]", "dtype=f64", 1, "f64 [3, 4]");
    CALLS("EyeLike-9", "x:i32[3,4]", "k=-1", "trilu(0 -1); trilu(1 -1)");
    INFERS("EyeLike-9", "x:i32[3]", "", 1, "node 'n' (EyeLike): input 'x' has rank 1, wants 2");
    INFERS("EyeLike-9", "x:i32[3,4]", "dtype=8", 1,
           "node 'n' (EyeLike): attribute 'dtype' is 8, which is not supported");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_of_shape_is_f32_zero_by_default),
        cmocka_unit_test(constant_of_shape_refuses_shapes_it_cannot_have),
        cmocka_unit_test(range_counts_the_steps_before_its_limit),
        cmocka_unit_test(the_longest_range_does_not_overflow),
        cmocka_unit_test(range_refuses_steps_of_0_and_computed_ends),
        cmocka_unit_test(shape_gives_the_dims_between_start_and_end),
        cmocka_unit_test(size_is_a_scalar),
        cmocka_unit_test(only_the_shape_counts_for_these),
        cmocka_unit_test(eye_like_takes_a_dtype_and_a_diagonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
