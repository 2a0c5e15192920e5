/* test_ops_signal.c - windows and transforms: small ones by hand, shapes, refusals. Inputs hold 0, 1,
 * 2, ... */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void a_periodic_window_leaves_its_last_point_out(void **state) {
    (void)state;
    VALUES("HannWindow-17", "n=i64(4)", "", 1, "f32 [4]: 0 0.5 1 0.5");
    VALUES("HannWindow-17", "n=i64(5)", "periodic=0", 1, "f32 [5]: 0 0.5 1 0.5 0");
    VALUES("HammingWindow-17", "n=i32(2)", "", 1, "f32 [2]: 0.08696 1");
    VALUES("BlackmanWindow-17", "n=i32(3)", "periodic=0", 1, "f32 [3]: -1.49e-08 1 -1.49e-08");
    VALUES("HannWindow-17", "n=i64(1)", "periodic=0", 1, "f32 [1]: 0");
    INFERS("HannWindow-17", "n=i64(0)", "", 1, "f32 [0]");
}

/* 0 1 2 3: their sum; -2 + 2i; -2; -2 - 2i. */
static void a_real_signal_by_hand(void **state) {
    (void)state;
    VALUES("DFT-17", "x:f32[1,4,1]", "onesided=1", 1, "f32 [1, 3, 2]: 6 0 -2 2 -2 0");
    INFERS("DFT-17", "x:f32[1,4,1]", "", 1, "f32 [1, 4, 2]");
    INFERS("DFT-20", "x:f32[3,4,1] - a=i64(0)", "onesided=1", 1, "f32 [2, 4, 2]");
    /* two points: 0 + 1 and 0 - 1; zeros behind: 0 1 2 3 0 0 0 0 */
    VALUES("DFT-17", "x:f32[1,4,1] n=i64(2)", "onesided=1", 1, "f32 [1, 2, 2]: 1 0 -1 0");
    INFERS("DFT-17", "x:f32[1,4,1] n=i64(8)", "onesided=1", 1, "f32 [1, 5, 2]");
}

/* i, 2 + 3i at two points: the sum and the difference; inverse: half of both. */
static void a_complex_signal_by_hand(void **state) {
    (void)state;
    VALUES("DFT-17", "x=f32[1,2,2]{0,1,2,3}", "", 1, "f32 [1, 2, 2]: 2 4 -2 -2");
    VALUES("DFT-17", "x=f32[1,2,2]{2,4,-2,-2}", "inverse=1", 1, "f32 [1, 2, 2]: 0 1 2 3");
}

/* The axis before the numbers of an element needs no copy; another one is turned twice. */
static void a_transform_is_one_product(void **state) {
    (void)state;
    CALLS("DFT-20", "x:f32[5,8,2]", "", "matmul(0 16 | 1 0)");
    CALLS("DFT-17", "x:f32[5,8,6,1]", "", "copy(0); matmul(0 16 | 1 0); copy(0)");
    assert_string_equal(op_operand(0, 0), "f32 [5, 6, 8, 1] pitches [48, 1, 6, 1] offset 0");
    assert_string_equal(op_operand(1, 1), "f32 [8, 16] pitches [16, 1] offset 0");
}

/* Frames 0 1 2 3 and 2 3 4 5: sums 6 and 14, at half the rate -2 each. */
static void frames_overlap_as_a_view(void **state) {
    (void)state;
    INFERS("STFT-17", "x:f32[2,10,1] s=i64(2) - n=i64(4)", "", 1, "f32 [2, 4, 3, 2]");
    INFERS("STFT-17", "x:f32[2,10] s=i64(3) w:f32[4]", "onesided=0", 1, "f32 [2, 3, 4, 2]");
    CALLS("STFT-17", "x:f32[2,10,1] s=i64(2) w:f32[4]", "", "binary(2); matmul(0 6 | 1 0)");
    assert_string_equal(op_operand(0, 0), "f32 [2, 4, 4] pitches [10, 2, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [2, 4, 4] pitches [0, 0, 1] offset 0");
    VALUES("STFT-17", "x:f32[1,6,1] s=i64(2) w=f32{1,0,0,0}", "", 1,
           "f32 [1, 2, 3, 2]: 0 0 0 0 0 0 2 0 2 0 2 0");
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    INFERS("DFT-17", "x:f32[1,4,3]", "", 1,
           "node 'n' (DFT): input 'x' has elements of 3 numbers, axis 1");
    INFERS("DFT-17", "x:f32[1,4,2]", "onesided=1", 1,
           "node 'n' (DFT): one side of a complex or an inverse transform");
    INFERS("DFT-17", "x:f32[1,4,1] n=i64(0)", "", 1, "node 'n' (DFT): a transform of 0 points");
    INFERS(
        "DFT-17", "x:f32[1,100000,1]", "", 1,
        "node 'n' (DFT): a transform of 100000 points to 100000 is a matrix of more than 16777216 "
        "elements");
    INFERS("STFT-17", "x:f32[2,10,1] s=i64(2) - n=i64(11)", "", 1,
           "node 'n' (STFT): frames of 11 elements every 2 of 10");
    INFERS("STFT-17", "x:f32[2,10,1] s=i64(0) - n=i64(4)", "", 1,
           "node 'n' (STFT): frames of 4 elements every 0 of 10");
    INFERS("STFT-17", "x:f32[2,10,2] s=i64(2) - n=i64(4)", "", 1,
           "node 'n' (STFT): a complex signal");
    INFERS("STFT-17", "x:f32[2,10,1] s=i64(2) w:f32[4] n=i64(3)", "", 1,
           "node 'n' (STFT): input 'w' has 4 elements for 3 elements of a frame");
    INFERS("HannWindow-17", "n=i64(4)", "output_datatype=f16", 1,
           "node 'n' (HannWindow): attribute 'output_datatype' is 10, wants 1 (f32)");
    INFERS("HannWindow-17", "n=i64{-1}", "", 1, "node 'n' (HannWindow): a window of -1 elements");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_periodic_window_leaves_its_last_point_out),
        cmocka_unit_test(a_real_signal_by_hand),
        cmocka_unit_test(a_complex_signal_by_hand),
        cmocka_unit_test(a_transform_is_one_product),
        cmocka_unit_test(frames_overlap_as_a_view),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
