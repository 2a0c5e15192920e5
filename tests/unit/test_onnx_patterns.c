/* test_onnx_patterns.c - what looks like attention and is not, and what is though it looks odd.
 *
 * Every form is read twice: as it is, and with every result in between declared an output, which
 * forbids any replacement. Both must compute the same, and the first must hold as many attention
 * steps as the form deserves.
 *
 * q [2,2,3,4], k and v [2,2,5,4], mask [2,1,3,5] are inputs; kt is k with its last axes exchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
enum { FOUND = 1, KEPT = 0 };

static const char *const names[4] = {"q", "k", "v", "mask"};
static const char *const shapes[4] = {"2,2,3,4", "2,2,5,4", "2,2,5,4", "2,1,3,5"};

static void scalar(onnx_case *c, const char *name, const char *shape, float value) {
    (void)onnx_initializer(c, c->graph, name, F32, shape, &value);
}

/* Inputs and the constants that the texts below speak of. */
static void begin(onnx_case *c, int64_t opset) {
    const float column[5] = {1, 2, 0.5f, 1, 3}, shift[10] = {0, 1, 0, 2, 0, 1, 1, 0, 0, 3};
    const uint8_t keep[15] = {1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1},
                  row[5] = {1, 0, 1, 1, 0};
    uint8_t wide[30];
    for (uint32_t k = 0; k < 30; k++)
        wide[k] = k % 4 != 3;
    onnx_begin(c, opset);
    for (uint32_t k = 0; k < 4; k++)
        onnx_input(c, names[k], F32, shapes[k]);
    onnx_output(c, c->graph, "y", F32, "");
    scalar(c, "two", "", 2);
    scalar(c, "two1111", "1,1,1,1", 2);
    scalar(c, "two11111", "1,1,1,1,1", 2);
    scalar(c, "zero", "", 0);
    scalar(c, "one", "", 1);
    scalar(c, "minus", "", -1);
    scalar(c, "never", "", -INFINITY);
    scalar(c, "lowest", "", -3.402823466e38f);
    (void)onnx_initializer(c, c->graph, "column", F32, "5", column);
    (void)onnx_initializer(c, c->graph, "shift", F32, "2,5", shift);
    (void)onnx_initializer(c, c->graph, "keep", DMS_DTYPE_BOOL, "3,5", keep);
    (void)onnx_initializer(c, c->graph, "keeprow", DMS_DTYPE_BOOL, "5", row);
    (void)onnx_initializer(c, c->graph, "wide", DMS_DTYPE_BOOL, "2,1,3,5", wide);
    onnx_i64(c, c->graph, "halves", "1,1");
    onnx_i64(c, c->graph, "flat", "4,5,4");
    onnx_i64(c, c->graph, "back", "2,2,4,5");
    onnx_i64(c, c->graph, "first", "1");
    onnx_i64(c, c->graph, "cube", "4,3,5");
    onnx_i64(c, c->graph, "square", "2,2,3,5");
}

/* The form has `steps` attention steps and means what its parts mean. */
static void expect_opset(const char *text, int64_t opset, uint32_t steps) {
    const uint32_t found = onnx_pattern(begin, opset, text, "Attention");
    if (found != steps)
        fail_msg("'%s': %u attention steps, wanted %u", text, found, steps);
}

static void expect(const char *text, uint32_t steps) {
    expect_opset(text, 17, steps);
}

#define KT "Transpose k kt perm=[0,1,3,2]; MatMul q,kt s; "
#define END "; Softmax m p axis=-1; MatMul p,v y"

/* ---- the scale ----------------------------------------------------------------------------- */

static void a_scale_is_one_number_of_any_rank_up_to_that_of_the_scores(void **state) {
    (void)state;
    expect(KT "Mul s,two m" END, FOUND);
    expect(KT "Mul two,s m" END, FOUND);
    expect(KT "Div s,two1111 m" END, FOUND);
    expect(KT "Mul s,two11111 m" END, KEPT); /* makes scores of rank 5 */
}

static void a_scale_per_column_is_none(void **state) {
    (void)state;
    expect(KT "Mul s,column m" END, KEPT);
    expect("Transpose k kt perm=[0,1,3,2]; Mul kt,column k2; MatMul q,k2 m" END, FOUND);
}

/* two / s is no scale, and s * mask is none either. */
static void a_product_or_quotient_of_another_kind_is_no_scale(void **state) {
    (void)state;
    expect(KT "Div two,s m" END, KEPT);
    expect(KT "Mul s,mask m" END, KEPT);
    expect(KT "Mul s,s m" END, KEPT);
    expect(KT "Sub s,two m" END, KEPT);
}

static void scales_on_all_sides_multiply(void **state) {
    (void)state;
    expect("Mul q,two a; Div k,two b; Transpose b c perm=[0,1,3,2]; Mul c,two1111 d; "
           "MatMul a,d s; Div s,two e; Add e,mask m" END,
           FOUND);
}

/* A scale behind the mask would scale the mask too. */
static void a_scale_behind_the_mask_stays(void **state) {
    (void)state;
    expect(KT "Add s,mask a; Mul a,two m" END, KEPT);
    expect(KT "Where keep,s,minus a; Mul a,two m" END, KEPT);
}

/* ---- the mask ------------------------------------------------------------------------------ */

static void a_mask_may_have_any_dims_that_repeat_to_the_scores(void **state) {
    (void)state;
    expect(KT "Add s,mask m" END, FOUND);
    expect(KT "Add mask,s m" END, FOUND);
    expect(KT "Add s,column m" END, FOUND);
    expect(KT "Add s,two m" END, FOUND);
    expect(KT "Add s,two11111 m" END, KEPT);
}

/* The scores of one picture, masked in two ways: the mask brings the second batch. */
static void a_mask_that_widens_the_scores_is_none(void **state) {
    (void)state;
#define ONE                                                                                        \
    "Split q,halves q0,q1 axis=0; Split k,halves k0,k1 axis=0; Split v,halves v0,v1 axis=0; "      \
    "Transpose k0 kt perm=[0,1,3,2]; MatMul q0,kt s; "
    expect(ONE "Add s,mask m; Softmax m p axis=-1; MatMul p,v0 y", KEPT);
    expect(ONE "Where wide,s,never m; Softmax m p axis=-1; MatMul p,v0 y", KEPT);
}

static void two_masks_are_one_too_many(void **state) {
    (void)state;
    expect(KT "Add s,mask a; Add a,column m" END, KEPT);
    expect("Add mask,column a; " KT "Add s,a m" END, FOUND);
}

static void a_mask_that_is_taken_away_is_none(void **state) {
    (void)state;
    expect(KT "Sub s,mask m" END, KEPT);
    expect(KT "Sub mask,s m" END, KEPT);
}

/* ---- the selection ------------------------------------------------------------------------- */

/* A finite number that is not far below all scores has weight: s - 1 is not -1. */
static void a_selection_fills_with_something_very_low_or_is_none(void **state) {
    (void)state;
    expect(KT "Where keep,s,never m" END, FOUND);
    expect(KT "Where keeprow,s,lowest m" END, FOUND);
    expect(KT "Where keep,s,zero m" END, KEPT);
    expect(KT "Where keep,s,minus m" END, KEPT);
    expect(KT "Where keep,s,minus a; Add a,mask m" END, KEPT);
    expect(KT "Add s,mask a; Where keep,a,one m" END, KEPT);
}

static void a_selection_the_other_way_round_is_none(void **state) {
    (void)state;
    expect(KT "Where keep,never,s m" END, KEPT);
    expect(KT "Where keep,s,mask m" END, KEPT);
    expect(KT "Where keep,s,column m" END, KEPT);
}

static void two_selections_are_one_too_many(void **state) {
    (void)state;
    expect(KT "Where keep,s,never a; Where keeprow,a,never m" END, KEPT);
}

static void a_selection_may_stand_on_either_side_of_the_mask(void **state) {
    (void)state;
    expect(KT "Where keep,s,never a; Add a,mask m" END, FOUND);
    expect(KT "Add s,mask a; Where keep,a,never m" END, FOUND);
}

/* ---- softmax and its guard ----------------------------------------------------------------- */

static void only_a_softmax_over_the_last_axis_counts(void **state) {
    (void)state;
    expect(KT "Softmax s p axis=3; MatMul p,v y", FOUND);
    expect(KT "Softmax s p; MatMul p,v y", FOUND);
    expect(KT "Softmax s p axis=2; MatMul p,v y", KEPT);
    expect(KT "Softmax s p axis=-2; MatMul p,v y", KEPT);
    expect(KT "LogSoftmax s p axis=3; MatMul p,v y", KEPT);
}

/* Before opset 13 the default was axis 1 and all axes from there on shared one sum. */
static void before_opset_13_the_default_axis_is_another(void **state) {
    (void)state;
    expect_opset(KT "Softmax s p; MatMul p,v y", 12, KEPT);
    expect_opset(KT "Softmax s p axis=2; MatMul p,v y", 12, KEPT);
    expect_opset(KT "Softmax s p axis=3; MatMul p,v y", 12, FOUND);
}

#define P KT "Where keep,s,never m; Softmax m p axis=-1; "
static void a_guard_against_nan_puts_zero_where_its_own_input_is_nan(void **state) {
    (void)state;
    expect(P "IsNaN p n; Where n,zero,p g; MatMul g,v y", FOUND);
    expect(P "IsNaN p n; Where n,one,p g; MatMul g,v y", KEPT);
    expect(P "IsNaN s n; Where n,zero,p g; MatMul g,v y", KEPT);
    expect(P "IsNaN p n; Where n,p,zero g; MatMul g,v y", KEPT);
    expect(P "IsInf p n; Where n,zero,p g; MatMul g,v y", KEPT);
}

static void what_stands_between_softmax_and_v_keeps_it(void **state) {
    (void)state;
    expect(P "Mul p,two g; MatMul g,v y", KEPT);
    expect(P "Add p,column g; MatMul g,v y", KEPT);
}

/* ---- casts --------------------------------------------------------------------------------- */

/* A Cast between reals is a rounding, that to an integer another function. */
static void casts_between_reals_are_looked_through_and_others_are_not(void **state) {
    (void)state;
    expect(KT "Cast s d to=11; Cast d m to=1" END, FOUND); /* f64 and back */
    expect(KT "Mul s,two a; Cast a i to=6; Cast i m to=1" END, KEPT);
    expect(KT "Add s,mask a; Cast a i to=7; Cast i m to=1" END, KEPT);
    expect(KT "Softmax s p axis=-1; Cast p i to=9; Cast i g to=1; MatMul g,v y", KEPT);
}

/* ---- k ------------------------------------------------------------------------------------- */

static void k_may_be_turned_in_any_way(void **state) {
    (void)state;
    expect("Reshape k,flat a; Transpose a b perm=[0,2,1]; Reshape b,back kt; MatMul q,kt m" END,
           FOUND);
    expect("Transpose k kt perm=[1,0,3,2]; MatMul q,kt m" END, FOUND); /* heads and batch change */
    expect("Reshape k,back kt; MatMul q,kt m" END, FOUND); /* not turned at all: other numbers */
    expect("Transpose k kt perm=[0,1,3,2]; Relu kt kr; MatMul q,kr m" END, FOUND);
}

static void scores_that_were_reshaped_are_kept(void **state) {
    (void)state;
    expect(KT "Reshape s,cube c; Reshape c,square m" END, KEPT);
    expect(KT "Transpose s t perm=[1,0,2,3]; Transpose t m perm=[1,0,2,3]" END, KEPT);
}

/* ---- other uses ---------------------------------------------------------------------------- */

/* Each result in between, used once more: nothing is saved by replacing the rest. */
static void a_result_that_is_used_again_keeps_all(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t steps;
    } one[] = {{"kt", FOUND}, {"s", KEPT}, {"d", KEPT}, {"m", KEPT},
               {"p", KEPT},   {"n", KEPT}, {"g", KEPT}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        onnx_case c;
        begin(&c, 17);
        onnx_text(&c, KT "Div s,two d; Add d,mask m; Softmax m p axis=-1; IsNaN p n; "
                         "Where n,zero,p g; MatMul g,v y");
        onnx_output(&c, c.graph, one[k].name, F32, "");
        assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
        if (onnx_count(&c, "Attention") != one[k].steps)
            fail_msg("'%s' leaves the graph: %u attention steps", one[k].name,
                     onnx_count(&c, "Attention"));
        onnx_end(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scale_is_one_number_of_any_rank_up_to_that_of_the_scores),
        cmocka_unit_test(a_scale_per_column_is_none),
        cmocka_unit_test(a_product_or_quotient_of_another_kind_is_no_scale),
        cmocka_unit_test(scales_on_all_sides_multiply),
        cmocka_unit_test(a_scale_behind_the_mask_stays),
        cmocka_unit_test(a_mask_may_have_any_dims_that_repeat_to_the_scores),
        cmocka_unit_test(a_mask_that_widens_the_scores_is_none),
        cmocka_unit_test(two_masks_are_one_too_many),
        cmocka_unit_test(a_mask_that_is_taken_away_is_none),
        cmocka_unit_test(a_selection_fills_with_something_very_low_or_is_none),
        cmocka_unit_test(a_selection_the_other_way_round_is_none),
        cmocka_unit_test(two_selections_are_one_too_many),
        cmocka_unit_test(a_selection_may_stand_on_either_side_of_the_mask),
        cmocka_unit_test(only_a_softmax_over_the_last_axis_counts),
        cmocka_unit_test(before_opset_13_the_default_axis_is_another),
        cmocka_unit_test(a_guard_against_nan_puts_zero_where_its_own_input_is_nan),
        cmocka_unit_test(what_stands_between_softmax_and_v_keeps_it),
        cmocka_unit_test(casts_between_reals_are_looked_through_and_others_are_not),
        cmocka_unit_test(k_may_be_turned_in_any_way),
        cmocka_unit_test(scores_that_were_reshaped_are_kept),
        cmocka_unit_test(a_result_that_is_used_again_keeps_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
