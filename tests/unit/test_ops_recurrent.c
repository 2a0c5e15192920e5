/* test_ops_recurrent.c - RNN, GRU, LSTM: shapes, layouts, functions, and what they lower to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

/* 5 steps of 2 sequences of 3 features, 4 units. */
#define X "x:f32[5,2,3] "
#define LSTM_WEIGHTS "w:f32[1,16,3] r:f32[1,16,4]"
#define GRU_WEIGHTS "w:f32[1,12,3] r:f32[1,12,4]"
#define RNN_WEIGHTS "w:f32[1,4,3] r:f32[1,4,4]"

static void every_state_and_the_last_of_each_sequence_are_outputs(void **state) {
    (void)state;
    INFERS("LSTM-14", X LSTM_WEIGHTS, "hidden_size=4", 3,
           "f32 [5, 1, 2, 4]; f32 [1, 2, 4]; f32 [1, 2, 4]");
    INFERS("GRU-7", X GRU_WEIGHTS " b:f32[1,24]", "hidden_size=4", 2,
           "f32 [5, 1, 2, 4]; f32 [1, 2, 4]");
    INFERS("RNN-22", X RNN_WEIGHTS " - l:i32[2] h:f32[1,2,4]", "hidden_size=4", 2,
           "f32 [5, 1, 2, 4]; f32 [1, 2, 4]");
}

static void units_are_known_without_the_attribute(void **state) {
    (void)state;
    INFERS("RNN-7", X RNN_WEIGHTS, "", 1, "f32 [5, 1, 2, 4]");
}

static void layout_1_puts_the_batch_first(void **state) {
    (void)state;
    INFERS("GRU-14", X "w:f32[2,12,3] r:f32[2,12,4] - - h:f32[5,2,4]",
           "layout=1 direction='bidirectional'", 2, "f32 [5, 2, 2, 4]; f32 [5, 2, 4]");
    INFERS("GRU-14", X "w:f32[2,12,3] r:f32[2,12,4]", "layout=2 direction='bidirectional'", 1,
           "node 'n' (GRU): attribute 'layout' is 2, wants 0 to 1");
    /* no such attribute yet */
    INFERS("GRU-7", X "w:f32[2,12,3] r:f32[2,12,4]", "layout=1 direction='bidirectional'", 1,
           "f32 [5, 2, 2, 4]");
}

static void other_floats_are_taken_but_doubles(void **state) {
    (void)state;
    INFERS("RNN-22", "x:bf16[5,2,3] w:bf16[1,4,3] r:bf16[1,4,4]", "", 1, "bf16 [5, 1, 2, 4]");
    INFERS("RNN-22", "x:f16[5,2,3] w:f16[1,4,3] r:f16[1,4,4] - - h:f16[1,2,4]", "", 1,
           "f16 [5, 1, 2, 4]");
    INFERS("RNN-22", "x:f64[5,2,3] w:f64[1,4,3] r:f64[1,4,4]", "", 1,
           "node 'n' (RNN): input 'x' has dtype f64, which this operator does not take");
}

/* One product for all steps and both directions, then the recurrence; no copy in either layout. */
static void the_product_with_x_is_one_matrix_product(void **state) {
    (void)state;
    CALLS("GRU-14", X "w:f32[2,12,3] r:f32[2,12,4]", "direction='bidirectional'",
          "matmul(0 24 | 1 0); recurrent(1 0 2 0 1 0 0 1 0 0 1 0 | 0 0 0 0 0 0 0 0 0 0 0 0 0)");
    assert_string_equal(op_operand(0, 0), "f32 [10, 3] pitches [3, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "f32 [3, 24] pitches [1, 3] offset 0");
    assert_string_equal(op_operand(1, 0), "f32 [2, 5, 2, 12] pitches [12, 48, 24, 1] offset 0");
    assert_string_equal(op_operand(1, 2), "f32 [2, 5, 2, 4] pitches [8, 16, 4, 1] offset 0");
    CALLS("GRU-14", X "w:f32[2,12,3] r:f32[2,12,4]", "direction='bidirectional' layout=1",
          "matmul(0 24 | 1 0); recurrent(1 0 2 0 1 0 0 1 0 0 1 0 | 0 0 0 0 0 0 0 0 0 0 0 0 0)");
    assert_string_equal(op_operand(1, 0), "f32 [2, 2, 5, 12] pitches [12, 24, 48, 1] offset 0");
    assert_string_equal(op_operand(1, 2), "f32 [2, 2, 5, 4] pitches [4, 8, 16, 1] offset 0");
}

static void operands_that_are_there_are_named_by_bits(void **state) {
    (void)state;
    assert_string_equal(
        op_calls("LSTM-14", X LSTM_WEIGHTS " - - h:f32[1,2,4] - p:f32[1,12]",
                 "direction='reverse' input_forget=1 clip=0.5", 3),
        "matmul(0 16 | 1 0); recurrent(3 0 1 20 7 1 0 1 1 0 0 0 | 0.5 0 0 0 0 0 0 0 0 0 0 0 0)");
    assert_string_equal(op_operand(1, 3), "f32 [1, 12] pitches [12, 1] offset 0");
}

/* linear_before_reset is another cell. */
static void a_gru_resets_before_or_after_its_product(void **state) {
    (void)state;
    CALLS("GRU-14", X GRU_WEIGHTS, "linear_before_reset=1",
          "matmul(0 12 | 1 0); recurrent(2 0 0 0 1 0 0 1 0 0 0 0 | 0 0 0 0 0 0 0 0 0 0 0 0 0)");
}

/* The lists of alpha and beta have entries only for functions that take one. */
static void functions_take_their_numbers_in_turn(void **state) {
    (void)state;
    CALLS("LSTM-14", X LSTM_WEIGHTS,
          "activations=['HardSigmoid','Tanh','leakyrelu'] activation_alpha=[0.25,0.5] "
          "activation_beta=[0.75]",
          "matmul(0 16 | 1 0); recurrent(3 0 0 0 1 0 7 1 4 0 0 0 | "
          "0 0.25 0.75 0 0 0.5 0 0 0 0 0 0 0)");
    CALLS("RNN-14", X RNN_WEIGHTS, "activations=['Elu']",
          "matmul(0 4 | 1 0); recurrent(0 0 0 0 1 0 8 0 0 0 0 0 | 0 1 0 0 0 0 0 0 0 0 0 0 0)");
}

static void functions_that_are_not_known_are_refused(void **state) {
    (void)state;
    INFERS("RNN-14", X RNN_WEIGHTS, "activations=['Swish']", 1,
           "node 'n' (RNN): attribute 'activations' has 'Swish', which is not known");
    INFERS("RNN-14", X RNN_WEIGHTS, "activations=['Tanh','Tanh']", 1,
           "node 'n' (RNN): attribute 'activations' has 2 names, wants 1");
    INFERS("RNN-14", X RNN_WEIGHTS, "activations=['Affine'] activation_alpha=[1.]", 1,
           "node 'n' (RNN): activation 'Affine' wants an alpha and a beta");
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    INFERS("LSTM-14", X "w:f32[1,15,3] r:f32[1,16,4]", "", 1,
           "node 'n' (LSTM): input 'w' has dims [1, 15, 3], wants [1, 16, 3]");
    INFERS("LSTM-14", X LSTM_WEIGHTS, "direction='bidirectional'", 1,
           "node 'n' (LSTM): input 'w' has dims [1, 16, 3], wants [2, 16, 3]");
    INFERS("LSTM-14", X LSTM_WEIGHTS, "direction='sideways'", 1,
           "node 'n' (LSTM): attribute 'direction' is 'sideways', which is not known");
    INFERS("LSTM-14", X LSTM_WEIGHTS, "hidden_size=5", 1,
           "node 'n' (LSTM): attribute 'hidden_size' is 5, input 'r' has 4 units");
    INFERS("LSTM-14", X LSTM_WEIGHTS " b:f32[1,16]", "", 1,
           "node 'n' (LSTM): input 'b' has dims [1, 16], wants [1, 32]");
    INFERS("LSTM-14", X LSTM_WEIGHTS " - l:i32[3]", "", 1,
           "node 'n' (LSTM): input 'l' has 3 elements for 2 sequences");
    INFERS("LSTM-14", X LSTM_WEIGHTS " - l:i64[2]", "", 1,
           "node 'n' (LSTM): input 'l' has dtype i64, which this operator does not take");
    INFERS("LSTM-14", X LSTM_WEIGHTS " - - h:f32[2,1,4]", "", 1,
           "node 'n' (LSTM): input 'h' has dims [2, 1, 4], wants [1, 2, 4]");
    INFERS("LSTM-14", X LSTM_WEIGHTS " - - - c:f16[1,2,4]", "", 1,
           "node 'n' (LSTM): input 'c' has dtype f16, which this operator does not take");
    INFERS("LSTM-14", X LSTM_WEIGHTS " - - - - p:f32[1,4]", "", 1,
           "node 'n' (LSTM): input 'p' has dims [1, 4], wants [1, 12]");
    INFERS("LSTM-14", X LSTM_WEIGHTS, "clip=0.0", 1,
           "node 'n' (LSTM): attribute 'clip' is 0, wants more than 0");
    INFERS("RNN-14", "x:f32[2,3] w:f32[1,4,3] r:f32[1,4,4]", "", 1,
           "node 'n' (RNN): input 'x' has rank 2, wants 3");
    INFERS("RNN-14", "x:f32[5,2,0] w:f32[1,4,0] r:f32[1,4,4]", "", 1,
           "node 'n' (RNN): 4 units of 0 features");
}

/* One unit, weights of 1, by hand. RNN with Relu: h = x + h. x = 0, 1, 2 one after another. */
static void a_layer_of_one_unit_by_hand(void **state) {
    (void)state;
    VALUES("RNN-14", "x:f32[3,1,1] w=f32[1,1,1]{1} r=f32[1,1,1]{1}", "activations=['Relu']", 2,
           "f32 [3, 1, 1, 1]: 0 1 3; f32 [1, 1, 1]: 3");
    VALUES("RNN-14", "x:f32[3,1,1] w=f32[1,1,1]{1} r=f32[1,1,1]{1}",
           "activations=['Relu'] direction='reverse'", 2,
           "f32 [3, 1, 1, 1]: 3 3 2; f32 [1, 1, 1]: 3");
    /* the second sequence (1, 3, 5) has two steps only */
    VALUES("RNN-14", "x:f32[3,2,1] w=f32[1,1,1]{1} r=f32[1,1,1]{1} - l=i32{3,2}",
           "activations=['Relu']", 2, "f32 [3, 1, 2, 1]: 0 1 2 4 6 0; f32 [1, 2, 1]: 6 4");
    /* z = 0.5 at every step, candidate x: h = 0.5 x + 0.5 h */
    VALUES("GRU-14", "x:f32[3,1,1] w=f32[1,3,1]{0,0,1} r=f32[1,3,1]{0,0,0}",
           "activations=['HardSigmoid','Relu']", 1, "f32 [3, 1, 1, 1]: 0 0.5 1.25");
    /* all gates 0.5, candidate x: c = 0.5 c + 0.5 x, h = 0.5 c */
    VALUES("LSTM-14", "x:f32[3,1,1] w=f32[1,4,1]{0,0,0,1} r=f32[1,4,1]{0,0,0,0}",
           "activations=['HardSigmoid','Relu','Relu']", 3,
           "f32 [3, 1, 1, 1]: 0 0.25 0.625; f32 [1, 1, 1]: 0.625; f32 [1, 1, 1]: 1.25");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_the_last_of_each_sequence_are_outputs),
        cmocka_unit_test(units_are_known_without_the_attribute),
        cmocka_unit_test(layout_1_puts_the_batch_first),
        cmocka_unit_test(other_floats_are_taken_but_doubles),
        cmocka_unit_test(the_product_with_x_is_one_matrix_product),
        cmocka_unit_test(operands_that_are_there_are_named_by_bits),
        cmocka_unit_test(a_gru_resets_before_or_after_its_product),
        cmocka_unit_test(functions_take_their_numbers_in_turn),
        cmocka_unit_test(functions_that_are_not_known_are_refused),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_layer_of_one_unit_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
