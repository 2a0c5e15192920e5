/* test_ops_values_axes.c - work along axes in every combination; expected values from the
 * reference implementation of the onnx package (1.19.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void reductions_by_function_and_axes(void **state) {
    (void)state;
    VALUES("ReduceSum-13", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}", "keepdims=0", 1,
           "f32 [2, 3]: 1 -1 4 -2.5 4 -0.5");
    VALUES("ReduceSum-13", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}", "keepdims=0", 1,
           "f32 [2, 3]: 1.5 0 2 -3 3 1.5");
    VALUES("ReduceSum-13", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}", "keepdims=0",
           1, "f32 [2]: 4 1");
    VALUES("ReduceSum-13", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}", "keepdims=0",
           1, "f32 [2]: 3.5 1.5");
    VALUES("ReduceMean-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}", "keepdims=0",
           1, "f32 [2, 3]: 0.5 -0.5 2 -1.25 2 -0.25");
    VALUES("ReduceMean-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}", "keepdims=0",
           1, "f32 [2, 3]: 0.75 0 1 -1.5 1.5 0.75");
    VALUES("ReduceMean-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}", "keepdims=0",
           1, "f32 [2]: 0.6667 0.1667");
    VALUES("ReduceMean-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}",
           "keepdims=0", 1, "f32 [2]: 0.5833 0.25");
    VALUES("ReduceMax-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}", "keepdims=0", 1,
           "f32 [2, 3]: 1 1 3 0.5 2 0.5");
    VALUES("ReduceMax-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}", "keepdims=0", 1,
           "f32 [2, 3]: 1 2 3 0 2 1");
    VALUES("ReduceMax-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}", "keepdims=0",
           1, "f32 [2]: 3 2");
    VALUES("ReduceMax-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}", "keepdims=0",
           1, "f32 [2]: 3 2");
    VALUES("ReduceMin-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}", "keepdims=0", 1,
           "f32 [2, 3]: 0 -2 1 -3 2 -1");
    VALUES("ReduceMin-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}", "keepdims=0", 1,
           "f32 [2, 3]: 0.5 -2 -1 -3 1 0.5");
    VALUES("ReduceMin-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}", "keepdims=0",
           1, "f32 [2]: -2 -3");
    VALUES("ReduceMin-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}", "keepdims=0",
           1, "f32 [2]: -2 -3");
    VALUES("ReduceProd-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}", "keepdims=0",
           1, "f32 [2, 3]: 0 -2 3 -1.5 4 -0.5");
    VALUES("ReduceProd-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}", "keepdims=0",
           1, "f32 [2, 3]: 0.5 -4 -3 -0 2 0.5");
    VALUES("ReduceProd-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}", "keepdims=0",
           1, "f32 [2]: -0 3");
    VALUES("ReduceProd-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}",
           "keepdims=0", 1, "f32 [2]: 6 -0");
    VALUES("ReduceL1-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}", "keepdims=0", 1,
           "f32 [2, 3]: 1 3 4 3.5 4 1.5");
    VALUES("ReduceL1-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}", "keepdims=0", 1,
           "f32 [2, 3]: 1.5 4 4 3 3 1.5");
    VALUES("ReduceL1-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}", "keepdims=0",
           1, "f32 [2]: 8 9");
    VALUES("ReduceL1-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}", "keepdims=0",
           1, "f32 [2]: 9.5 7.5");
    VALUES("ReduceL2-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}", "keepdims=0", 1,
           "f32 [2, 3]: 1 2.236 3.162 3.041 2.828 1.118");
    VALUES("ReduceL2-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}", "keepdims=0", 1,
           "f32 [2, 3]: 1.118 2.828 3.162 3 2.236 1.118");
    VALUES("ReduceL2-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}", "keepdims=0",
           1, "f32 [2]: 4 4.301");
    VALUES("ReduceL2-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}", "keepdims=0",
           1, "f32 [2]: 4.387 3.905");
    VALUES("ReduceSumSquare-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}",
           "keepdims=0", 1, "f32 [2, 3]: 1 5 10 9.25 8 1.25");
    VALUES("ReduceSumSquare-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}",
           "keepdims=0", 1, "f32 [2, 3]: 1.25 8 10 9 5 1.25");
    VALUES("ReduceSumSquare-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}",
           "keepdims=0", 1, "f32 [2]: 16 18.5");
    VALUES("ReduceSumSquare-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}",
           "keepdims=0", 1, "f32 [2]: 19.25 15.25");
    VALUES("ReduceLogSumExp-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0}",
           "keepdims=0", 1, "f32 [2, 3]: 1.313 1.049 3.127 0.5298 2.693 0.7014");
    VALUES("ReduceLogSumExp-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{1}",
           "keepdims=0", 1, "f32 [2, 3]: 1.474 2.018 3.018 0.04859 2.313 1.474");
    VALUES("ReduceLogSumExp-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{0,2}",
           "keepdims=0", 1, "f32 [2]: 3.38 2.917");
    VALUES("ReduceLogSumExp-18", "x=f32[2,2,3]{1,-2,3,0.5,2,-1,0,1,1,-3,2,0.5} a=i64{-1,1}",
           "keepdims=0", 1, "f32 [2]: 3.476 2.742");
}

static void reductions_of_integers_and_of_nothing(void **state) {
    (void)state;
    VALUES("ReduceMax-18", "x:i64[2,3] a=i64{0}", "", 1, "i64 [1, 3]: 3 4 5");
    VALUES("ReduceMax-18", "x:i64[2,3] a=i64{1}", "keepdims=0", 1, "i64 [2]: 2 5");
    VALUES("ReduceMin-18", "x:i64[2,3] a=i64{0}", "", 1, "i64 [1, 3]: 0 1 2");
    VALUES("ReduceMin-18", "x:i64[2,3] a=i64{1}", "keepdims=0", 1, "i64 [2]: 0 3");
    VALUES("ReduceMean-18", "x:i64[2,3] a=i64{0}", "", 1, "i64 [1, 3]: 1 2 3");
    VALUES("ReduceMean-18", "x:i64[2,3] a=i64{1}", "keepdims=0", 1, "i64 [2]: 1 4");
    VALUES("ReduceProd-18", "x:i64[2,3] a=i64{0}", "", 1, "i64 [1, 3]: 0 4 10");
    VALUES("ReduceProd-18", "x:i64[2,3] a=i64{1}", "keepdims=0", 1, "i64 [2]: 0 60");
    VALUES("ReduceSum-13", "x:i32[2,3] a=i64{1}", "", 1, "i32 [2, 1]: 3 12");
    VALUES("ReduceSum-13", "x:i64[2,0] a=i64{1}", "", 1, "i64 [2, 1]: 0 0");
    VALUES("ReduceProd-18", "x:f32[2,0] a=i64{1}", "", 1, "f32 [2, 1]: 1 1");
}

static void softmax_and_kin_by_axis(void **state) {
    (void)state;
    VALUES("Softmax-13", "x=f32[2,2,2]{0,1,2,3,-1,0.5,4,-2}", "axis=0", 1,
           "f32 [2, 2, 2]: 0.7311 0.6225 0.1192 0.9933 0.2689 0.3775 0.8808 0.006693");
    VALUES("Softmax-13", "x=f32[2,2,2]{0,1,2,3,-1,0.5,4,-2}", "axis=1", 1,
           "f32 [2, 2, 2]: 0.1192 0.1192 0.8808 0.8808 0.006693 0.9241 0.9933 0.07586");
    VALUES("Softmax-13", "x=f32[2,2,2]{0,1,2,3,-1,0.5,4,-2}", "axis=-1", 1,
           "f32 [2, 2, 2]: 0.2689 0.7311 0.2689 0.7311 0.1824 0.8176 0.9975 0.002473");
    VALUES("LogSoftmax-13", "x=f32[2,2,2]{0,1,2,3,-1,0.5,4,-2}", "axis=0", 1,
           "f32 [2, 2, 2]: -0.3133 -0.4741 -2.127 -0.006715 -1.313 -0.9741 -0.1269 -5.007");
    VALUES("LogSoftmax-13", "x=f32[2,2,2]{0,1,2,3,-1,0.5,4,-2}", "axis=1", 1,
           "f32 [2, 2, 2]: -2.127 -2.127 -0.1269 -0.1269 -5.007 -0.07889 -0.006715 -2.579");
    VALUES("LogSoftmax-13", "x=f32[2,2,2]{0,1,2,3,-1,0.5,4,-2}", "axis=-1", 1,
           "f32 [2, 2, 2]: -1.313 -0.3133 -1.313 -0.3133 -1.701 -0.2014 -0.002476 -6.002");
    VALUES("Hardmax-13", "x=f32[2,3]{0,1,2,3,-1,0.5}", "axis=0", 1, "f32 [2, 3]: 0 1 1 1 0 0");
    VALUES("Hardmax-13", "x=f32[2,3]{0,1,2,3,-1,0.5}", "axis=1", 1, "f32 [2, 3]: 0 0 1 1 0 0");
}

static void arg_by_axis_and_ties(void **state) {
    (void)state;
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=0 select_last_index=0", 1,
           "i64 [3]: 1 0 0");
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=0 select_last_index=1", 1,
           "i64 [3]: 1 0 0");
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=1 select_last_index=0", 1,
           "i64 [1, 3]: 1 0 0");
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=1 select_last_index=1", 1,
           "i64 [1, 3]: 1 0 0");
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=0 select_last_index=0", 1,
           "i64 [2]: 1 0");
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=0 select_last_index=1", 1,
           "i64 [2]: 2 0");
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=1 select_last_index=0", 1,
           "i64 [2, 1]: 1 0");
    VALUES("ArgMax-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=1 select_last_index=1", 1,
           "i64 [2, 1]: 2 0");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=0 select_last_index=0", 1,
           "i64 [3]: 0 1 1");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=0 select_last_index=1", 1,
           "i64 [3]: 0 1 1");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=1 select_last_index=0", 1,
           "i64 [1, 3]: 0 1 1");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=0 keepdims=1 select_last_index=1", 1,
           "i64 [1, 3]: 0 1 1");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=0 select_last_index=0", 1,
           "i64 [2]: 0 1");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=0 select_last_index=1", 1,
           "i64 [2]: 0 2");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=1 select_last_index=0", 1,
           "i64 [2, 1]: 0 1");
    VALUES("ArgMin-13", "x=f32[2,3]{0,2,2,3,-1,-1}", "axis=1 keepdims=1 select_last_index=1", 1,
           "i64 [2, 1]: 0 2");
}

static void running_sums_by_direction(void **state) {
    (void)state;
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(0)", "", 1, "f32 [2, 3]: 1 2 3 5 7 9");
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(0)", "exclusive=1", 1,
           "f32 [2, 3]: 0 0 0 1 2 3");
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(0)", "reverse=1", 1,
           "f32 [2, 3]: 5 7 9 4 5 6");
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(0)", "exclusive=1 reverse=1", 1,
           "f32 [2, 3]: 4 5 6 0 0 0");
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(1)", "", 1, "f32 [2, 3]: 1 3 6 4 9 15");
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(1)", "exclusive=1", 1,
           "f32 [2, 3]: 0 1 3 0 4 9");
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(1)", "reverse=1", 1,
           "f32 [2, 3]: 6 5 3 15 11 6");
    VALUES("CumSum-14", "x=f32[2,3]{1,2,3,4,5,6} a=i32(1)", "exclusive=1 reverse=1", 1,
           "f32 [2, 3]: 5 3 0 11 6 0");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(0)", "", 1, "i64 [2, 3]: 1 2 3 5 7 9");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(0)", "exclusive=1", 1,
           "i64 [2, 3]: 0 0 0 1 2 3");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(0)", "reverse=1", 1,
           "i64 [2, 3]: 5 7 9 4 5 6");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(0)", "exclusive=1 reverse=1", 1,
           "i64 [2, 3]: 4 5 6 0 0 0");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(1)", "", 1, "i64 [2, 3]: 1 3 6 4 9 15");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(1)", "exclusive=1", 1,
           "i64 [2, 3]: 0 1 3 0 4 9");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(1)", "reverse=1", 1,
           "i64 [2, 3]: 6 5 3 15 11 6");
    VALUES("CumSum-14", "x=i64[2,3]{1,2,3,4,5,6} a=i32(1)", "exclusive=1 reverse=1", 1,
           "i64 [2, 3]: 5 3 0 11 6 0");
}

static void largest_and_smallest_k(void **state) {
    (void)state;
    VALUES("TopK-11", "x=f32[2,4]{3,1,4,2,0,9,7,8} k=i64{2}", "largest=0 axis=1", 2,
           "f32 [2, 2]: 1 2 0 7; i64 [2, 2]: 1 3 0 2");
    VALUES("TopK-11", "x=f32[2,4]{3,1,4,2,0,9,7,8} k=i64{2}", "largest=1 axis=1", 2,
           "f32 [2, 2]: 4 3 9 8; i64 [2, 2]: 2 0 1 3");
    VALUES("TopK-11", "x=f32[2,4]{3,1,4,2,0,9,7,8} k=i64{1}", "largest=0 axis=0", 2,
           "f32 [1, 4]: 0 1 4 2; i64 [1, 4]: 1 0 0 0");
    VALUES("TopK-11", "x=f32[2,4]{3,1,4,2,0,9,7,8} k=i64{1}", "largest=1 axis=0", 2,
           "f32 [1, 4]: 3 9 7 8; i64 [1, 4]: 0 1 1 1");
    VALUES("TopK-11", "x=i64[2,4]{3,1,4,2,0,9,7,8} k=i64{2}", "largest=0 axis=1", 2,
           "i64 [2, 2]: 1 2 0 7; i64 [2, 2]: 1 3 0 2");
    VALUES("TopK-11", "x=i64[2,4]{3,1,4,2,0,9,7,8} k=i64{2}", "largest=1 axis=1", 2,
           "i64 [2, 2]: 4 3 9 8; i64 [2, 2]: 2 0 1 3");
    VALUES("TopK-11", "x=i64[2,4]{3,1,4,2,0,9,7,8} k=i64{1}", "largest=0 axis=0", 2,
           "i64 [1, 4]: 0 1 4 2; i64 [1, 4]: 1 0 0 0");
    VALUES("TopK-11", "x=i64[2,4]{3,1,4,2,0,9,7,8} k=i64{1}", "largest=1 axis=0", 2,
           "i64 [1, 4]: 3 9 7 8; i64 [1, 4]: 0 1 1 1");
}

static void normalisations_by_axes(void **state) {
    (void)state;
    VALUES("LayerNormalization-17", "x=f32[2,2,2]{1,2,3,5,-1,0,2,7} s=f32[2]{1,2} b=f32[2]{0,1}",
           "axis=-1", 3,
           "f32 [2, 2, 2]: -1 3 -1 3 -1 3 -1 3; f32 [2, 2, 1]: 1.5 4 -0.5 4.5; f32 [2, 2, 1]: 2 1 "
           "2 0.4");
    VALUES("LayerNormalization-17",
           "x=f32[2,2,2]{1,2,3,5,-1,0,2,7} s=f32[2,2]{1,1,2,2} b=f32[2,2]{0,0,1,1}", "axis=1", 3,
           "f32 [2, 2, 2]: -1.183 -0.5071 1.338 4.043 -0.9733 -0.6489 1 4.244; f32 [2, 1, 1]: 2.75 "
           "2; f32 [2, 1, 1]: 0.6761 0.3244");
    VALUES("LayerNormalization-17",
           "x=f32[2,2,2]{1,2,3,5,-1,0,2,7} s=f32[2,2,2]{1,1,1,1,1,1,1,1} "
           "b=f32[2,2,2]{0,0,0,0,0,0,0,0}",
           "axis=0", 3,
           "f32 [2, 2, 2]: -0.5621 -0.1533 0.2555 1.073 -1.38 -0.9709 -0.1533 1.891; f32 [1, 1, "
           "1]: 2.375; f32 [1, 1, 1]: 0.4088");
    VALUES("RMSNormalization-23", "x=f32[2,2,2]{1,2,3,5,-1,0,2,7} s=f32[2]{1,2}", "axis=-1", 1,
           "f32 [2, 2, 2]: 0.6325 2.53 0.7276 2.425 -1.414 0 0.3885 2.72");
    VALUES("RMSNormalization-23", "x=f32[2,2,2]{1,2,3,5,-1,0,2,7} s=f32[2,2]{1,1,2,2}", "axis=1", 1,
           "f32 [2, 2, 2]: 0.3203 0.6405 1.922 3.203 -0.2722 0 1.089 3.81");
    VALUES("InstanceNormalization-6", "x=f32[2,2,2]{1,2,3,5,-1,0,2,7} s=f32{1,2} b=f32{0,1}", "", 1,
           "f32 [2, 2, 2]: -1 1 -1 3 -1 1 -1 3");
    VALUES("GroupNormalization-21", "x=f32[1,4,2]{1,2,3,5,-1,0,2,7} s=f32{1,2,3,4} b=f32{0,1,0,1}",
           "num_groups=2", 1, "f32 [1, 4, 2]: -1.183 -0.5071 1.338 4.043 -2.92 -1.947 1 7.489");
    VALUES("LpNormalization-1", "x=f32[2,2]{1,2,3,5}", "axis=0", 1,
           "f32 [2, 2]: 0.3162 0.3714 0.9487 0.9285");
    /* by hand: the reference implementation differs from the specification here */
    VALUES("LpNormalization-1", "x=f32[2,2]{1,-2,3,5}", "axis=1 p=1", 1,
           "f32 [2, 2]: 0.3333 -0.6667 0.375 0.625");
    VALUES("MeanVarianceNormalization-13", "x=f32[2,1,1,2]{1,2,3,5}", "", 1,
           "f32 [2, 1, 1, 2]: -1.183 -0.5071 0.169 1.521");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reductions_by_function_and_axes),
        cmocka_unit_test(reductions_of_integers_and_of_nothing),
        cmocka_unit_test(softmax_and_kin_by_axis),
        cmocka_unit_test(arg_by_axis_and_ties),
        cmocka_unit_test(running_sums_by_direction),
        cmocka_unit_test(largest_and_smallest_k),
        cmocka_unit_test(normalisations_by_axes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
