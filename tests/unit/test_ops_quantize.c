/* test_ops_quantize.c - quantised operators: how scales are spread, exact sums of bytes. Computed
 * inputs hold 0, 1, 2, ... */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void the_zero_names_the_type(void **state) {
    (void)state;
    INFERS("QuantizeLinear-13", "x:f32[2,3] s=f32(2.) z=i8(1)", "", 1, "i8 [2, 3]");
    INFERS("QuantizeLinear-13", "x:f32[2,3] s=f32(2.)", "", 1, "u8 [2, 3]");
    INFERS("QuantizeLinear-21", "x:f32[2,3] s=f32(2.)", "output_dtype=i16", 1, "i16 [2, 3]");
    INFERS("QuantizeLinear-13", "x:f32[2,3] s=f32(2.) z=i16(1)", "", 1,
           "node 'n' (QuantizeLinear): input 'z' has dtype i16, which this operator does not take");
    INFERS("DequantizeLinear-19", "x:u8[2,3] s:f16[]", "", 1, "f16 [2, 3]");
    INFERS("DequantizeLinear-10", "x:i32[2,3] s=f32(2.)", "", 1, "f32 [2, 3]");
}

static void one_scale_serves_all(void **state) {
    (void)state;
    VALUES("QuantizeLinear-10", "x:f32[6] s=f32(2.) z=u8(10)", "", 1, "u8 [6]: 10 10 11 12 12 12");
    VALUES("DequantizeLinear-10", "x:u8[4] s=f32(0.5) z=u8(2)", "", 1, "f32 [4]: -1 -0.5 0 0.5");
    VALUES("DequantizeLinear-13", "x:u8[1,2] s=f32{0.5}", "", 1, "f32 [1, 2]: 0 0.5");
}

/* Axis 1 unless it is said otherwise. */
static void a_vector_of_scales_lies_along_the_axis(void **state) {
    (void)state;
    VALUES("DequantizeLinear-13", "x:u8[2,3] s=f32{1,2,3} z=u8{0,1,2}", "", 1,
           "f32 [2, 3]: 0 0 0 3 6 9");
    VALUES("DequantizeLinear-13", "x:u8[2,3] s=f32{1,2}", "axis=0", 1, "f32 [2, 3]: 0 1 2 6 8 10");
    VALUES("QuantizeLinear-13", "x:f32[2,2,2] s=f32{1,2} z=u8{0,100}", "axis=-1", 1,
           "u8 [2, 2, 2]: 0 100 2 102 4 102 6 104");
    assert_string_equal(op_calls("QuantizeLinear-13", "x:f32[2,3,4] s:f32[3] z:u8[3]", "", 1),
                        "quantize()");
    assert_string_equal(op_operand(0, 1), "f32 [2, 3, 4] pitches [0, 1, 0] offset 0");
}

static void blocks_share_a_scale(void **state) {
    (void)state;
    VALUES("DequantizeLinear-21", "x:u8[4,2] s=f32[2,2]{1,2,3,4}", "axis=0 block_size=2", 1,
           "f32 [4, 2]: 0 2 2 6 12 20 18 28");
    VALUES("QuantizeLinear-21", "x:f32[1,4] s=f32[1,2]{1,2} z=i8[1,2]{0,1}", "block_size=2", 1,
           "i8 [1, 4]: 0 1 2 3");
    INFERS("DequantizeLinear-21", "x:u8[5,2] s:f32[3,2]", "axis=0 block_size=2", 1,
           "node 'n' (DequantizeLinear): input 's' covers 6 of 5 elements along axis 0; only whole "
           "blocks are supported");
}

static void scales_that_do_not_fit_are_refused(void **state) {
    (void)state;
    INFERS("QuantizeLinear-10", "x:f32[2,3] s:f32[3]", "", 1,
           "node 'n' (QuantizeLinear): input 's' has more than one element");
    INFERS("QuantizeLinear-13", "x:f32[2,3] s:f32[2]", "", 1,
           "node 'n' (QuantizeLinear): input 's' has 2 elements for 3 entries of its axis");
    INFERS("QuantizeLinear-13", "x:f32[2,3] s:f32[3] z:u8[2]", "", 1,
           "node 'n' (QuantizeLinear): inputs 's' and 'z' differ in size");
    INFERS("QuantizeLinear-13", "x:f64[2,3] s:f32[3]", "", 1,
           "node 'n' (QuantizeLinear): input 'x' has dtype f64, which this operator does not take");
    INFERS("DequantizeLinear-23", "x:u8[2,3] s=f32(1.)", "output_dtype=f16", 1,
           "node 'n' (DequantizeLinear): attribute 'output_dtype' is not the dtype of input 's'");
}

/* The range -2 to 4 is 6: scale 6 / 255 = 0.0235294, zero 85. Zeros alone: scale 1. The range holds
 * 0 even if no element does. */
static void a_dynamic_scale_comes_from_the_range(void **state) {
    (void)state;
    VALUES("DynamicQuantizeLinear-11", "x=f32{-2,4}", "", 3,
           "u8 [2]: 0 255; f32 []: 0.02353; u8 []: 85");
    VALUES("DynamicQuantizeLinear-11", "x=f32{0,0}", "", 3, "u8 [2]: 0 0; f32 []: 1; u8 []: 0");
    VALUES("DynamicQuantizeLinear-11", "x=f32{51,255}", "", 3,
           "u8 [2]: 51 255; f32 []: 1; u8 []: 0");
    VALUES("DynamicQuantizeLinear-11", "x=f32{-255}", "", 3, "u8 [1]: 0; f32 []: 1; u8 []: 255");
    INFERS("DynamicQuantizeLinear-11", "x:f32[0]", "", 3,
           "node 'n' (DynamicQuantizeLinear): input 'x' has no element");
}

/* a = 0 1 2; 3 4 5. */
static void products_of_bytes_are_integers(void **state) {
    (void)state;
    VALUES("MatMulInteger-10", "a:u8[2,3] b:u8[3,2]", "", 1, "i32 [2, 2]: 10 13 28 40");
    VALUES("MatMulInteger-10", "a:u8[2,3] b:i8[3,2] z=u8(1)", "", 1, "i32 [2, 2]: 4 4 22 31");
    /* a zero per row of a, and per column of b */
    VALUES("MatMulInteger-10", "a:u8[2,3] b:u8[3,2] z=u8{0,3} y=u8{0,1}", "", 1,
           "i32 [2, 2]: 10 10 10 10");
    VALUES("MatMulInteger-10", "a:u8[3] b:u8[3]", "", 1, "i32 []: 5");
    INFERS("MatMulInteger-10", "a:u8[2,3] b:u8[2,3]", "", 1,
           "node 'n' (MatMulInteger): input 'a' has 3 columns, input 'b' 2 rows");
    INFERS("MatMulInteger-10", "a:u8[2,3] b:u8[3,2] z:u8[3]", "", 1,
           "node 'n' (MatMulInteger): input 'z' has 3 elements, wants 1 or 2");
    INFERS("MatMulInteger-10", "a:u8[2,3] b:u8[3,2] z:i8[1]", "", 1,
           "node 'n' (MatMulInteger): input 'z' has dtype i8, which this operator does not take");
}

/* Rows are pixels, columns of a channels; a batch of matrices of its own is a group. */
static void a_product_of_bytes_is_one_call(void **state) {
    (void)state;
    CALLS("MatMulInteger-10", "a:u8[2,600] b:u8[600,2]", "", "conv_bytes(0 1 1 1 1 1 1 0 0 0 0)");
    assert_string_equal(op_operand(0, 0), "u8 [1, 1, 600, 1, 2] pitches [1200, 0, 1, 0, 600] "
                                          "offset 0");
    assert_string_equal(op_operand(0, 1), "u8 [1, 2, 600, 1, 1] pitches [0, 1, 2, 1, 1] offset 0");
    assert_string_equal(op_operand(0, 4), "i32 [1, 1, 2, 1, 2] pitches [4, 0, 1, 0, 2] offset 0");
    CALLS("MatMulInteger-10", "a:u8[5,2,3] b:u8[3,4]", "", "conv_bytes(0 1 1 1 1 1 1 0 0 0 0)");
    assert_string_equal(op_operand(0, 0), "u8 [1, 1, 3, 1, 10] pitches [30, 0, 1, 0, 3] offset 0");
    CALLS("MatMulInteger-10", "a:u8[5,2,3] b:u8[5,3,4]", "", "conv_bytes(0 1 1 1 1 1 1 0 0 0 0)");
    assert_string_equal(op_operand(0, 1), "u8 [5, 4, 3, 1, 1] pitches [12, 1, 4, 1, 1] offset 0");
}

/* [2, 1] by [3] matrices cannot be one axis: six calls. A zero per row of a makes rows groups. */
static void a_batch_that_is_no_axis_is_a_call_each(void **state) {
    (void)state;
    CALLS("MatMulInteger-10", "a:u8[2,1,1,3] b:u8[3,3,1]", "",
          "conv_bytes(0 1 1 1 1 1 1 0 0 0 0); conv_bytes(0 1 1 1 1 1 1 0 0 0 0); "
          "conv_bytes(0 1 1 1 1 1 1 0 0 0 0); conv_bytes(0 1 1 1 1 1 1 0 0 0 0); "
          "conv_bytes(0 1 1 1 1 1 1 0 0 0 0); conv_bytes(0 1 1 1 1 1 1 0 0 0 0)");
    assert_string_equal(op_operand(4, 0), "u8 [1, 1, 3, 1, 1] pitches [0, 0, 1, 0, 3] offset 3");
    assert_string_equal(op_operand(4, 1), "u8 [1, 1, 3, 1, 1] pitches [0, 1, 1, 1, 1] offset 3");
    /* x = 0 .. 5 and w = 0 .. 8: 0 1 2 by 0 1 2, 3 4 5, 6 7 8; then 3 4 5 by the same */
    VALUES("MatMulInteger-10", "a:u8[2,1,1,3] b:u8[3,3,1]", "", 1,
           "i32 [2, 3, 1, 1]: 5 14 23 14 50 86");
    CALLS("MatMulInteger-10", "a:u8[4,3] b:u8[3,2] z:u8[4]", "",
          "conv_bytes(0 1 1 1 1 1 1 0 0 0 0)");
    assert_string_equal(op_operand(0, 0), "u8 [4, 1, 3, 1, 1] pitches [3, 0, 1, 0, 3] offset 0");
    assert_string_equal(op_operand(0, 2), "u8 [4] pitches [1] offset 0");
}

/* k k for k = 0 .. 255 three times, then for 0 .. 230: 20,761,195 is odd and above 2^24, so f32
 * does not have it. */
static void sums_beyond_f32_are_exact(void **state) {
    (void)state;
    VALUES("MatMulInteger-10", "a:u8[1,999] b:u8[999,1]", "", 1, "i32 [1, 1]: 20761195");
}

static void a_product_is_quantised_again(void **state) {
    (void)state;
    /* sums 10 13 28 40, x 0.5 x 0.5 / 0.25 + 3 */
    VALUES("QLinearMatMul-10",
           "a:u8[2,3] s=f32(0.5) z=u8(0) b:u8[3,2] t=f32(0.5) y=u8(0) u=f32(0.25) w=u8(3)", "", 1,
           "u8 [2, 2]: 13 16 31 43");
    /* a scale per column: 10 x 1, 13 x 10 (beyond i8), 28 x 1, 40 x 10 */
    VALUES("QLinearMatMul-21",
           "a:u8[2,3] s=f32(1.) z=u8(0) b:u8[3,2] t=f32{1,10} y=u8(0) u=f32(1.) w=i8(0)", "", 1,
           "i8 [2, 2]: 10 127 28 127");
}

/* x = 0 .. 8 as 3 x 3; a window of ones. What lies outside counts as the zero of x. */
static void convolutions_of_bytes_are_integers(void **state) {
    (void)state;
    VALUES("ConvInteger-10", "x:u8[1,1,3,3] w=u8[1,1,2,2]{1,1,1,1}", "", 1,
           "i32 [1, 1, 2, 2]: 8 12 20 24");
    VALUES("ConvInteger-10", "x:u8[1,1,3,3] w=u8[1,1,2,2]{1,1,1,1} z=u8(1)", "pads=[1,0,0,0]", 1,
           "i32 [1, 1, 3, 2]: -1 1 4 8 16 20");
    VALUES("ConvInteger-10", "x:u8[1,2,3] w=u8[2,1,2]{1,1,1,2} z=u8(0) y=u8{0,1}", "group=2", 1,
           "i32 [1, 2, 2]: 1 3 4 5");
    INFERS("ConvInteger-10", "x:u8[1,3,3,3] w:u8[2,2,2,2]", "", 1,
           "node 'n' (ConvInteger): input 'x' has 3 channels in 1 groups, weight 'w' has 2 filters "
           "of 2");
}

/* Groups become an axis in front; a signal gets a height of 1. */
static void a_convolution_of_bytes_is_one_call(void **state) {
    (void)state;
    CALLS("ConvInteger-10", "x:u8[1,40,3,3] w:u8[2,20,3,3]", "group=2 strides=[2,1] pads=[1,0,1,0]",
          "conv_bytes(0 3 3 2 1 1 1 1 0 0 0)");
    assert_string_equal(op_operand(0, 0),
                        "u8 [2, 1, 20, 3, 3] pitches [180, 360, 9, 3, 1] offset 0");
    assert_string_equal(op_operand(0, 1),
                        "u8 [2, 1, 20, 3, 3] pitches [180, 180, 9, 3, 1] offset 0");
    assert_string_equal(op_operand(0, 4), "i32 [2, 1, 1, 2, 1] pitches [2, 4, 2, 1, 1] offset 0");
    CALLS("ConvInteger-10", "x:u8[1,4,9] w:u8[2,4,3]", "", "conv_bytes(0 1 3 1 1 1 1 0 0 0 0)");
}

static void a_convolution_is_quantised_again(void **state) {
    (void)state;
    /* sums 8 12 20 24, + 2, x 0.5 */
    VALUES("QLinearConv-10",
           "x:u8[1,1,3,3] s=f32(0.5) z=u8(0) w=u8[1,1,2,2]{1,1,1,1} t=f32(1.) y=u8(0) u=f32(1.) "
           "v=u8(0) b=i32{2}",
           "", 1, "u8 [1, 1, 2, 2]: 5 7 11 13");
    INFERS("QLinearConv-10",
           "x:u8[1,1,3,3] s=f32(0.5) z=u8(0) w:u8[1,1,2,2] t=f32(1.) y=u8(0) u=f32(1.) v=u8(0) "
           "b:i32[2]",
           "", 1, "node 'n' (QLinearConv): input 'b' has 2 elements for 1 output channels");
}

/* Known scales are one number per column, made when planning; others are calls of their own. */
static void scales_are_multiplied_when_they_are_known(void **state) {
    (void)state;
    CALLS("QLinearConv-10",
          "x:u8[1,1,3,3] s=f32(0.5) z:u8[] w:u8[2,1,2,2] t=f32{1,2} y:u8[] u=f32(0.25) v:u8[]", "",
          "conv_bytes(0 2 2 1 1 1 1 0 0 0 255)");
    assert_string_equal(op_operand(0, 5), "f32 [1, 2] pitches [2, 1] offset 0");
    CALLS("QLinearConv-10",
          "x:u8[1,1,3,3] s:f32[] z:u8[] w:u8[2,1,2,2] t=f32{1,2} y:u8[] u=f32(0.25) v:i8[]", "",
          "binary(2); binary(3); conv_bytes(0 2 2 1 1 1 1 0 0 -128 127)");
    assert_string_equal(op_operand(2, 5), "f32 [1, 2] pitches [2, 1] offset 0");
    CALLS("QLinearMatMul-21", "a:u8[2,3] s:f16[] z:u8[] b:u8[3,4] t:f16[4] y:u8[] u:f16[] v:u8[]",
          "",
          "cast(1); cast(1); cast(1); binary(2); binary(3); conv_bytes(0 1 1 1 1 1 1 0 0 0 255)");
}

#define DMS_CONV "dms/QLinearConv-1"
#define DMS_MATMUL "dms/QLinearMatMul-1"

/* Sums 10 13 28 40, less 4 in the second column: 13 12 31 39 with the zero, held within 15 and 30;
 * as reals half of them, the second column twice. */
static void rows_of_our_own_have_bounds_and_reals(void **state) {
    (void)state;
    VALUES(DMS_MATMUL,
           "a:u8[2,3] s=f32(0.5) z=u8(0) b:u8[3,2] t=f32(0.5) y=u8(0) u=f32(0.25) w=u8(3) "
           "c=i32{0,-4}",
           "low=15 high=30", 1, "u8 [2, 2]: 15 15 30 30");
    VALUES(DMS_MATMUL, "a:u8[2,3] s=f32(0.5) z=u8(0) b:u8[3,2] t=f32{1,2} y=u8(0)", "", 1,
           "f32 [2, 2]: 5 13 14 40");
    CALLS(DMS_MATMUL, "a:u8[2,3] s:f32[] - b:u8[3,2] t=f32{1,2}", "",
          "binary(2); conv_bytes(0 1 1 1 1 1 1 0 0 0 0)");
    VALUES(DMS_CONV,
           "x:u8[1,1,3,3] s=f32(2.) z=u8(0) w=u8[1,1,2,2]{1,1,1,1} t=f32(1.) - - - b=i32{2}", "", 1,
           "f32 [1, 1, 2, 2]: 20 28 44 52");
    INFERS(DMS_MATMUL, "a:u8[2,3] s:f32[] - b:u8[3,2] t:f32[] - - - c:i32[3]", "", 1,
           "node 'n' (QLinearMatMul): input 'c' has 3 elements for 2 columns");
}

static void a_table_has_an_entry_for_every_byte(void **state) {
    (void)state;
    INFERS("dms/Lookup-1", "x:i8[2,3] t:u8[256]", "", 1, "u8 [2, 3]");
    CALLS("dms/Lookup-1", "x:i8[2,3] t:u8[256]", "", "lookup()");
    /* the table is 0, 1, 2, ...: a byte without its sign */
    VALUES("dms/Lookup-1", "x=i8{-1,0,127} t:u8[256]", "", 1, "u8 [3]: 255 0 127");
    INFERS("dms/Lookup-1", "x:i8[2,3] t:u8[255]", "", 1,
           "node 'n' (Lookup): input 't' has 255 elements for 256 bytes");
    INFERS("dms/Lookup-1", "x:i16[2,3] t:u8[256]", "", 1,
           "node 'n' (Lookup): input 'x' has dtype i16, which this operator does not take");
}

#define NBITS "com.microsoft/MatMulNBits-1"

/* n = 2 rows of k = 4 in one block: 0 1 2 3 and 4 5 6 7, less 8, times 1 and 2. a = 0 1 2 3. */
static void a_matrix_of_four_bits_by_hand(void **state) {
    (void)state;
    /* -8 -7 -6 -5 and -8 -6 -4 -2: sums -34 and -20 */
    VALUES(NBITS, "a:f32[1,4] b=u8[2,1,2]{16,50,84,118} s=f32{1,2}", "K=4 N=2 block_size=4", 1,
           "f32 [1, 2]: -34 -20");
    VALUES(NBITS, "a:f32[1,4] b=u8[2,1,2]{16,50,84,118} s=f32{1,2} z=u8{0,4} - c=f32{10,20}",
           "K=4 N=2 block_size=4", 1, "f32 [1, 2]: 24 48");
    /* the last block reaches beyond k = 3: its fourth number counts for nothing */
    VALUES(NBITS, "a:f32[1,3] b=u8[2,1,2]{16,50,84,118} s=f32{1,2} z=u8{0,4}",
           "K=3 N=2 block_size=4", 1, "f32 [1, 2]: 5 10");
}

/* It stays packed up to its product; rows of a are one matrix, a bias is what is added to it. */
static void a_matrix_of_four_bits_grows_within_its_product(void **state) {
    (void)state;
    CALLS(NBITS, "a:f32[2,3,64] b:u8[16,2,16] s:f32[16,2] z:u8[16]", "K=64 N=16 block_size=32",
          "matmul_bits()");
    assert_string_equal(op_operand(0, 0), "f32 [6, 64] pitches [64, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "u8 [16, 2, 16] pitches [32, 16, 1] offset 0");
    assert_string_equal(op_operand(0, 3), "u8 [16, 1] pitches [1, 1] offset 0");
    assert_string_equal(op_operand(0, 4), "f32 [6, 16] pitches [16, 1] offset 0");
    CALLS(NBITS, "a:f32[4,8] b:u8[3,1,4] s:f32[3] - - c:f32[3]", "K=8 N=3 block_size=8",
          "matmul_bits(); binary(0)");
}

static void matrices_of_four_bits_that_do_not_fit_are_refused(void **state) {
    (void)state;
    INFERS(NBITS, "a:f32[1,4] b:u8[2,1,2] s:f32[2]", "K=5 N=2 block_size=4", 1,
           "node 'n' (MatMulNBits): input 'a' has 4 columns, attribute 'K' is 5");
    INFERS(NBITS, "a:f32[1,4] b:u8[2,1,2] s:f32[3]", "K=4 N=2 block_size=4", 1,
           "node 'n' (MatMulNBits): input 's' has 3 elements, wants 2");
    INFERS(NBITS, "a:f32[1,4] b:u8[2,1,2] s:f32[2]", "K=4 N=2 block_size=4 bits=8", 1,
           "node 'n' (MatMulNBits): attribute 'bits' is 8, wants 4 to 4");
    INFERS(NBITS, "a:f32[1,4] b:u8[2,1,2] s:f32[2]", "K=4 N=2 block_size=3", 1,
           "node 'n' (MatMulNBits): attribute 'block_size' is 3, which is odd");
    INFERS(NBITS, "a:f32[1,4] b:u8[2,1,2] s:f32[2] - g:i32[4]", "K=4 N=2 block_size=4", 1,
           "node 'n' (MatMulNBits): input 'g' orders the rows, which is not supported");
    INFERS(NBITS, "a:f32[1,4] b:u8[2,1,2] s:f32[2] z:f32[2]", "K=4 N=2 block_size=4", 1,
           "node 'n' (MatMulNBits): input 'z' has dtype f32, which this operator does not take");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_zero_names_the_type),
        cmocka_unit_test(one_scale_serves_all),
        cmocka_unit_test(a_vector_of_scales_lies_along_the_axis),
        cmocka_unit_test(blocks_share_a_scale),
        cmocka_unit_test(scales_that_do_not_fit_are_refused),
        cmocka_unit_test(a_dynamic_scale_comes_from_the_range),
        cmocka_unit_test(products_of_bytes_are_integers),
        cmocka_unit_test(a_product_of_bytes_is_one_call),
        cmocka_unit_test(a_batch_that_is_no_axis_is_a_call_each),
        cmocka_unit_test(sums_beyond_f32_are_exact),
        cmocka_unit_test(a_product_is_quantised_again),
        cmocka_unit_test(convolutions_of_bytes_are_integers),
        cmocka_unit_test(a_convolution_of_bytes_is_one_call),
        cmocka_unit_test(a_convolution_is_quantised_again),
        cmocka_unit_test(scales_are_multiplied_when_they_are_known),
        cmocka_unit_test(rows_of_our_own_have_bounds_and_reals),
        cmocka_unit_test(a_table_has_an_entry_for_every_byte),
        cmocka_unit_test(a_matrix_of_four_bits_by_hand),
        cmocka_unit_test(a_matrix_of_four_bits_grows_within_its_product),
        cmocka_unit_test(matrices_of_four_bits_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
