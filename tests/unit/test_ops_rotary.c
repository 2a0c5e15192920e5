/* test_ops_rotary.c - RotaryEmbedding: layouts, caches, halves and pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void rotary_takes_four_axes_or_three_with_heads(void **state) {
    (void)state;
    INFERS("RotaryEmbedding-23", "x:f32[2,4,3,8] c:f32[50,4] s:f32[50,4] p:i64[2,3]", "", 1,
           "f32 [2, 4, 3, 8]");
    INFERS("RotaryEmbedding-23", "x:f32[2,3,32] c:f32[50,4] s:f32[50,4] p:i64[2,3]", "num_heads=4",
           1, "f32 [2, 3, 32]");
    INFERS("RotaryEmbedding-23", "x:f32[2,4,3,8] c:f32[2,3,4] s:f32[2,3,4]", "", 1,
           "f32 [2, 4, 3, 8]");
}

static void angles_are_looked_up_by_position(void **state) {
    (void)state;
    CALLS("RotaryEmbedding-23", "x:f32[2,4,3,8] c:f32[50,4] s:f32[50,4] p:i64[2,3]", "",
          "gather(); gather(); binary(2); binary(2); binary(1); binary(2); binary(2); binary(0); "
          "concat(3)");
    assert_string_equal(op_operand(2, 0), "f32 [2, 4, 3, 4] pitches [12, 0, 4, 1] offset 0");
}

static void halves_of_a_head_are_views(void **state) {
    (void)state;
    CALLS("RotaryEmbedding-23", "x:f32[2,3,32] c:f32[2,3,4] s:f32[2,3,4]", "num_heads=4",
          "binary(2); binary(2); binary(1); binary(2); binary(2); binary(0); concat(3)");
    assert_string_equal(op_operand(0, 1), "f32 [2, 4, 3, 4] pitches [96, 8, 32, 1] offset 0");
    assert_string_equal(op_operand(1, 1), "f32 [2, 4, 3, 4] pitches [96, 8, 32, 1] offset 4");
    assert_string_equal(op_operand(6, 2), "f32 [2, 4, 3, 8] pitches [96, 8, 32, 1] offset 0");
}

static void interleaved_pairs_are_every_second_element(void **state) {
    (void)state;
    CALLS("RotaryEmbedding-23", "x:f32[1,1,3,8] c:f32[1,3,4] s:f32[1,3,4]", "interleaved=1",
          "binary(2); binary(2); binary(1); binary(2); binary(2); binary(0); concat(4)");
    assert_string_equal(op_operand(1, 1), "f32 [1, 1, 3, 4] pitches [24, 24, 8, 2] offset 1");
}

static void elements_that_are_not_turned_are_joined_at_the_end(void **state) {
    (void)state;
    CALLS("RotaryEmbedding-23", "x:f32[1,1,3,8] c:f32[1,3,2] s:f32[1,3,2]",
          "rotary_embedding_dim=4",
          "binary(2); binary(2); binary(1); binary(2); binary(2); binary(0); concat(3); "
          "concat(3)");
    assert_string_equal(op_operand(7, 1), "f32 [1, 1, 3, 4] pitches [24, 24, 8, 1] offset 4");
}

static void rotary_refuses_what_does_not_fit(void **state) {
    (void)state;
    INFERS("RotaryEmbedding-23", "x:f32[2,3,32] c:f32[50,4] s:f32[50,4] p:i64[2,3]", "", 1,
           "node 'n' (RotaryEmbedding): attribute 'num_heads' is 0, input 'x' has 32 columns");
    INFERS("RotaryEmbedding-23", "x:f32[2,4,3,8] c:f32[50,3] s:f32[50,4] p:i64[2,3]", "", 1,
           "node 'n' (RotaryEmbedding): input 'c' does not fit 8 turned elements");
    INFERS("RotaryEmbedding-23", "x:f32[2,4,3,7] c:f32[50,3] s:f32[50,3] p:i64[2,3]", "", 1,
           "node 'n' (RotaryEmbedding): 7 elements of a head of 7 cannot be turned in pairs");
    INFERS("RotaryEmbedding-23", "x:f32[2,4,3,8] c:f32[50,4] s:f32[50,4] p:i64[2,4]", "", 1,
           "node 'n' (RotaryEmbedding): input 'p' wants dims [2, 3]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotary_takes_four_axes_or_three_with_heads),
        cmocka_unit_test(angles_are_looked_up_by_position),
        cmocka_unit_test(halves_of_a_head_are_views),
        cmocka_unit_test(interleaved_pairs_are_every_second_element),
        cmocka_unit_test(elements_that_are_not_turned_are_joined_at_the_end),
        cmocka_unit_test(rotary_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
