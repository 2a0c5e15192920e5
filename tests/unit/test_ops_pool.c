/* test_ops_pool.c - MaxPool, AveragePool, LpPool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void a_pool_has_a_kernel(void **state) {
    (void)state;
    INFERS("MaxPool-8", "x:f32[1,3,8,9]", "kernel_shape=[2,3] strides=[2,2]", 2,
           "f32 [1, 3, 4, 4]; i64 [1, 3, 4, 4]");
    INFERS("MaxPool-12", "x:u8[1,3,8,9]", "kernel_shape=[2,3]", 1, "u8 [1, 3, 7, 7]");
    INFERS("AveragePool-7", "x:f32[1,3,8]", "kernel_shape=[3] pads=[1,1]", 1, "f32 [1, 3, 8]");
    INFERS("AveragePool-7", "x:f32[1,3,8]", "", 1,
           "node 'n' (AveragePool): attribute 'kernel_shape' is missing");
}

static void ceil_mode_keeps_a_window_that_hangs_over(void **state) {
    (void)state;
    INFERS("MaxPool-10", "x:f32[1,1,4,4]", "kernel_shape=[3,3] strides=[2,2]", 1,
           "f32 [1, 1, 1, 1]");
    INFERS("MaxPool-10", "x:f32[1,1,4,4]", "kernel_shape=[3,3] strides=[2,2] ceil_mode=1", 1,
           "f32 [1, 1, 2, 2]");
}

static void a_window_that_starts_in_the_end_pad_is_dropped(void **state) {
    (void)state;
    /* 2 elements, pad 0 before and 1 after, stride 3: a second window would start at 3. */
    INFERS("AveragePool-19", "x:f32[1,1,2]", "kernel_shape=[2] strides=[3] pads=[0,1] ceil_mode=1",
           1, "f32 [1, 1, 1]");
}

static void all_numbers_of_a_window_become_parameters(void **state) {
    (void)state;
    CALLS("AveragePool-19", "x:f32[1,1,8,9]",
          "kernel_shape=[2,3] strides=[1,2] dilations=[2,1] pads=[1,0,0,1] count_include_pad=1",
          "pool(1 2 3 1 2 2 1 1 0 0 1 1 2)");
    CALLS("LpPool-18", "x:f32[1,1,8]", "kernel_shape=[2] p=3", "pool(2 1 2 1 1 1 1 0 0 0 0 0 3)");
    CALLS("MaxPool-1", "x:f32[1,1,5,5]", "kernel_shape=[2,2] auto_pad='SAME_LOWER'",
          "pool(0 2 2 1 1 1 1 1 1 0 0 0 2)");
}

static void pools_refuse_what_they_cannot_do(void **state) {
    (void)state;
    INFERS("MaxPool-8", "x:f32[1,1,4,4]", "kernel_shape=[2,2] storage_order=1", 2,
           "node 'n' (MaxPool): attribute 'storage_order' is 1: column-major indices");
    INFERS("AveragePool-11", "x:f32[1,1,4,4,4]", "kernel_shape=[2,2,2]", 1,
           "node 'n' (AveragePool): input 'x' has rank 5; 1 or 2 spatial axes are supported");
    INFERS("LpPool-11", "x:f32[1,1,4]", "kernel_shape=[2] p=0", 1,
           "node 'n' (LpPool): attribute 'p' is 0, wants 1 to 2147483647");
    INFERS("AveragePool-11", "x:u8[1,1,4]", "kernel_shape=[2]", 1,
           "node 'n' (AveragePool): input 'x' has dtype u8, which this operator does not take");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_has_a_kernel),
        cmocka_unit_test(ceil_mode_keeps_a_window_that_hangs_over),
        cmocka_unit_test(a_window_that_starts_in_the_end_pad_is_dropped),
        cmocka_unit_test(all_numbers_of_a_window_become_parameters),
        cmocka_unit_test(pools_refuse_what_they_cannot_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
