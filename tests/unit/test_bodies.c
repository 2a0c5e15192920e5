/* test_bodies.c - formulas that the CPU device and CUDA share: windows of POOL and RESIZE, taps of
 * GRID_SAMPLE, cells of RECURRENT, ends of CONV_BYTES, one axis or number at a time, by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/conv_bytes_body.h"
#include "runtime/kernels/pool_body.h"
#include "runtime/kernels/recurrent_body.h"
#include "runtime/kernels/resize_body.h"
#include "runtime/kernels/resize_join.h"
#include "runtime/kernels/sample_body.h"

/* ---- RESIZE -------------------------------------------------------------------------------- */

/* Half pixels, the coefficient of ONNX; in and out of an axis whose scale is out / in. */
static dms_resize_rule rule_of(int32_t mode) {
    return (dms_resize_rule){.mode = mode, .coefficient = -0.75f};
}

static dms_resize_axis axis_of(int64_t in, int64_t out) {
    return (dms_resize_axis){in, out, (float)out / (float)in, 0.0f, 1.0f};
}

/* Output `at` has these taps. */
static void expect_window(const dms_resize_rule *rule, const dms_resize_axis *a, int64_t at,
                          int64_t n, const int64_t *element, const float *weight) {
    dms_resize_window window;
    dms_resize_window_of(rule, a, at, &window);
    assert_int_equal(window.n, n);
    for (int64_t k = 0; k < n; k++) {
        int64_t got;
        const float w = dms_resize_tap(rule, &window, k, &got);
        assert_int_equal(got, element[k]);
        assert_true(fabsf(w - weight[k]) < 1e-6f);
    }
}

/* Outputs 0 and 1 of 2 -> 4 lie at -1/4, which the border takes, and at 1/4. */
static void a_linear_window_has_the_two_neighbours(void **state) {
    (void)state;
    const dms_resize_rule rule = rule_of(DMS_RESIZE_LINEAR);
    const dms_resize_axis a = axis_of(2, 4);
    expect_window(&rule, &a, 0, 1, (int64_t[]){0}, (float[]){1.0f});
    expect_window(&rule, &a, 1, 2, (int64_t[]){0, 1}, (float[]){0.75f, 0.25f});
}

/* Keys at 1.75, 0.75, 0.25, 1.25 with -3/4, output 1 of 4 -> 8 at 1/4: the tap before the image is
 * its first element; excluded, it is gone and the others are divided by what they sum to. */
static void a_cubic_window_repeats_the_border_or_leaves_it_out(void **state) {
    (void)state;
    const float weight[4] = {-0.10546875f, 0.87890625f, 0.26171875f, -0.03515625f};
    const float left = 1.10546875f;
    dms_resize_rule rule = rule_of(DMS_RESIZE_CUBIC);
    const dms_resize_axis a = axis_of(4, 8);
    expect_window(&rule, &a, 1, 4, (int64_t[]){0, 0, 1, 2}, weight);
    rule.excludes = 1;
    expect_window(&rule, &a, 1, 3, (int64_t[]){0, 1, 2},
                  (float[]){weight[1] / left, weight[2] / left, weight[3] / left});
}

/* 4 -> 2: output 0 lies at 1/2, two elements to each side at distances 3/4 and 1/4 of the wide
 * triangle: 1/4 and 3/4 of 2 in all. */
static void an_antialiased_window_is_as_wide_as_the_image_shrinks(void **state) {
    (void)state;
    dms_resize_rule rule = rule_of(DMS_RESIZE_LINEAR);
    const dms_resize_axis a = axis_of(4, 2);
    rule.antialiases = 1;
    expect_window(&rule, &a, 0, 4, (int64_t[]){0, 0, 1, 2},
                  (float[]){0.125f, 0.375f, 0.375f, 0.125f});
}

/* Position 1/2 of asymmetric 2 -> 4 at output 1: down, up, floor, ceil. */
static void ties_of_nearest_go_where_the_rule_says(void **state) {
    (void)state;
    const int64_t want[4] = {0, 1, 0, 1};
    const dms_resize_axis a = axis_of(2, 4);
    for (int32_t rounding = 0; rounding < 4; rounding++) {
        dms_resize_rule rule = rule_of(DMS_RESIZE_NEAREST);
        rule.coordinates = DMS_ASYMMETRIC;
        rule.rounding = rounding;
        assert_int_equal(dms_resize_source(&rule, &a, 1), want[rounding]);
        expect_window(&rule, &a, 1, 1, &want[rounding], (float[]){1.0f});
    }
}

/* 5 -> 3, output 1: the middle of the image in every rule but asymmetric (1 x 5/3). A single
 * output: the first element, or the centre. */
static void coordinates_follow_their_definitions(void **state) {
    (void)state;
    const float middle[6] = {2.0f, 2.0f, 2.0f, 1.6666666f, 2.0f, 2.0f};
    const float single[6] = {2.0f, 0.0f, 0.0f, 0.0f, 2.0f, 2.0f};
    const dms_resize_axis three = axis_of(5, 3), one = axis_of(5, 1);
    for (int32_t k = 0; k < 6; k++) {
        dms_resize_rule rule = rule_of(DMS_RESIZE_LINEAR);
        rule.coordinates = k;
        assert_true(fabsf(dms_resize_position(&rule, &three, 1) - middle[k]) < 1e-6f);
        assert_true(fabsf(dms_resize_position(&rule, &one, 0) - single[k]) < 1e-6f);
    }
}

/* The region from -1/2 to 3/2 of 5 elements begins and ends two beyond. */
static void a_crop_knows_what_lies_outside(void **state) {
    (void)state;
    dms_resize_rule rule = rule_of(DMS_RESIZE_LINEAR);
    const dms_resize_axis a = {5, 5, 1.0f, -0.5f, 1.5f};
    const int want[5] = {1, 0, 0, 0, 1};
    rule.coordinates = DMS_TF_CROP;
    for (int64_t at = 0; at < 5; at++) {
        dms_resize_window window;
        dms_resize_window_of(&rule, &a, at, &window);
        assert_int_equal(window.is_outside, want[at]);
    }
}

/* No scale, however wild, makes an index that is none. */
static void every_tap_is_inside(void **state) {
    (void)state;
    const float scales[] = {1.0f / DMS_RESIZE_MAX_SHRINK, 0.3f, 1.0f, 1e30f};
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++)
        for (int32_t mode = 0; mode < 3; mode++)
            for (int32_t antialiases = 0; antialiases < 2; antialiases++)
                for (int32_t excludes = 0; excludes < 2; excludes++) {
                    dms_resize_rule rule = rule_of(mode);
                    const dms_resize_axis a = {3, INT64_C(1) << 31, scales[k], -1e30f, 1e30f};
                    rule.antialiases = antialiases;
                    rule.excludes = excludes;
                    for (int32_t c = 0; c < 6; c++) {
                        dms_resize_window window;
                        rule.coordinates = c;
                        dms_resize_window_of(&rule, &a, a.out - 1, &window);
                        assert_in_range(window.n, 0, DMS_RESIZE_TAPS);
                        for (int64_t tap = 0; tap < window.n; tap++) {
                            int64_t element;
                            (void)dms_resize_tap(&rule, &window, tap, &element);
                            assert_in_range(element, 0, 2);
                        }
                    }
                }
}

/* Bytes: 2.5 goes up, -2.5 too; 300 and -1 stay within. Wider ones: away from 0. */
static void sums_of_integers_are_rounded_and_bounded(void **state) {
    (void)state;
    assert_true(dms_resize_round(1, 0, 2.5) == 3.0 && dms_resize_round(1, 1, -2.5) == -2.0);
    assert_true(dms_resize_round(1, 0, 300.0) == 255.0 && dms_resize_round(1, 0, -1.0) == 0.0);
    assert_true(dms_resize_round(1, 1, 300.0) == 127.0 && dms_resize_round(1, 1, -300.0) == -128.0);
    assert_true(dms_resize_round(0, 1, -2.5) == -3.0);
    assert_int_equal(dms_resize_signed(16, 40000.0), 32767);
    assert_int_equal(dms_resize_signed(16, -40000.0), -32768);
    assert_int_equal(dms_resize_signed(64, 1e30), INT64_C(9223372036854774784));
    assert_int_equal(dms_resize_unsigned(32, 1e30), UINT32_MAX);
    assert_int_equal(dms_resize_unsigned(8, -1.0), 0);
    assert_int_equal(dms_resize_unsigned(8, (double)NAN), 0);
}

/* Weights of bytes are multiples of 2^-22; others stay as they are. */
static void weights_of_bytes_are_fixed_point(void **state) {
    (void)state;
    assert_true(dms_resize_fixed(1, 0.3f) == 1258291.0 * 0x1p-22);
    assert_true(dms_resize_fixed(0, 0.3f) == (double)0.3f);
}

/* x[4, 5, 3] -> y[8, 10, 3] in one piece: rows of 30 columns, three per position. */
static void channels_behind_a_picture_join_its_columns(void **state) {
    (void)state;
    const int64_t in[3] = {4, 5, 3}, out[3] = {8, 10, 3}, i[5] = {DMS_RESIZE_LINEAR};
    double f[11] = {-0.75, 0, 2, 0, 1, 2, 0, 1, 1, 0, 1};
    dms_view view[2];
    const dms_call call = {.kernel = DMS_K_RESIZE,
                           .n_in = 1,
                           .n_out = 1,
                           .n_i = 5,
                           .n_f = 11,
                           .view = view,
                           .i = i,
                           .f = f};
    dms_resize_joined it;
    assert_true(dms_view_dense(DMS_DTYPE_F32, 3, in, &view[0]));
    assert_true(dms_view_dense(DMS_DTYPE_F32, 3, out, &view[1]));
    dms_resize_join(&call, &it);
    assert_int_equal(it.inner, 3);
    assert_int_equal(it.call.view[1].rank, 2);
    assert_int_equal(it.call.view[1].dim[1], 30);
    assert_int_equal(it.last.out, 10);
    view[0].pitch[1] = 4; /* a gap behind each pixel */
    dms_resize_join(&call, &it);
    assert_int_equal(it.inner, 1);
    view[0].pitch[1] = 3;
    f[8] = 0.5; /* asked for another scale, three channels are no longer themselves */
    dms_resize_join(&call, &it);
    assert_int_equal(it.inner, 1);
    assert_int_equal(it.call.view[1].rank, 3);
}

/* ---- POOL ---------------------------------------------------------------------------------- */

/* Windows of 3 taps, 2 apart, in 5 elements: from -3 on one tap (1), from 0 three, from 3 one, from
 * 9 none, from -9 none. */
static void a_window_has_the_taps_that_lie_inside(void **state) {
    (void)state;
    const int64_t at[5] = {-3, 0, 3, 9, -9}, first[5] = {2, 0, 0, 0, 3}, end[5] = {3, 3, 1, 0, 3};
    for (int k = 0; k < 5; k++) {
        int64_t f, e;
        dms_pool_range(at[k], 2, 5, 3, &f, &e);
        assert_int_equal(f, first[k]);
        assert_int_equal(e, end[k]);
    }
}

/* From -1 on, of 3 taps: two inside, all three where one element of padding counts, at the other end
 * likewise. */
static void padding_counts_where_it_is_asked_for(void **state) {
    (void)state;
    assert_int_equal(dms_pool_counted(-1, 1, 5, 3, 0, 0), 2);
    assert_int_equal(dms_pool_counted(-1, 1, 5, 3, 1, 0), 3);
    assert_int_equal(dms_pool_counted(4, 1, 5, 3, 0, 0), 1);
    assert_int_equal(dms_pool_counted(4, 1, 5, 3, 0, 1), 2);
    assert_int_equal(dms_pool_counted(-2, 1, 5, 3, -1, 0), 0); /* cropped */
}

/* Roots undo powers, of small numbers too. */
static void roots_undo_powers(void **state) {
    (void)state;
    assert_true(dms_pool_power_f32(-3.0f, 4) == 81.0f && dms_pool_power_f64(2.0, 10) == 1024.0);
    assert_true(dms_pool_power_f32(7.0f, 0) == 1.0f);
    assert_true(dms_pool_root(81.0, 4) == 3.0 && dms_pool_root(1024.0, 10) == 2.0);
    assert_true(dms_pool_root(9.0, 2) == 3.0 && dms_pool_root(9.0, 1) == 9.0);
    assert_true(dms_pool_root(0.0, 3) == 0.0 && isinf(dms_pool_root((double)INFINITY, 3)));
    assert_true(isnan(dms_pool_root((double)NAN, 3)));
    for (int64_t p = 3; p < 9; p++)
        assert_true(fabs(dms_pool_power_f64(dms_pool_root(1e-300, p), p) / 1e-300 - 1.0) < 1e-14);
}

/* ---- GRID_SAMPLE --------------------------------------------------------------------------- */

/* Between -1/2 and 3 1/2: -1 is as far beyond as 0 is inside; 9 goes around once. */
static void positions_are_reflected_until_they_are_inside(void **state) {
    (void)state;
    assert_true(dms_sample_reflect(-1.0f, -0.5f, 3.5f) == 0.0f);
    assert_true(dms_sample_reflect(4.0f, -0.5f, 3.5f) == 3.0f);
    assert_true(dms_sample_reflect(9.0f, -0.5f, 3.5f) == 1.0f);
    assert_true(dms_sample_reflect(2.0f, -0.5f, 3.5f) == 2.0f);
    assert_true(dms_sample_reflect(7.0f, 0.0f, 0.0f) == 0.0f); /* an axis of one element */
}

/* Position 1 is 3 1/2 of 4 elements: half of element 3, half of what lies beyond. */
static void what_lies_beyond_is_what_the_padding_says(void **state) {
    (void)state;
    const float weight[3][2] = {{0.5f, 0.0f}, {1.0f, 0.0f}, {0.5f, 0.5f}};
    for (int32_t padding = 0; padding < 3; padding++) {
        const dms_sample_rule rule = {DMS_SAMPLE_LINEAR, padding, 0};
        dms_sample_taps taps;
        dms_sample_taps_of(&rule, 1.0f, 4, &taps);
        assert_int_equal(taps.n, 2);
        for (int k = 0; k < 2; k++) {
            assert_in_range(taps.at[k], 0, 3);
            assert_true(taps.weight[k] == weight[padding][k]);
        }
        assert_int_equal(taps.at[0], 3);
    }
}

/* A NaN counts as far below; an infinity as far beyond; both read inside. */
static void no_position_reads_outside(void **state) {
    (void)state;
    const float wild[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e9f};
    for (size_t k = 0; k < sizeof wild / sizeof *wild; k++)
        for (int32_t mode = 0; mode < 3; mode++)
            for (int32_t padding = 0; padding < 3; padding++)
                for (int32_t is_aligned = 0; is_aligned < 2; is_aligned++) {
                    const dms_sample_rule rule = {mode, padding, is_aligned};
                    dms_sample_taps taps;
                    dms_sample_taps_of(&rule, wild[k], 5, &taps);
                    for (int t = 0; t < taps.n; t++)
                        assert_in_range(taps.at[t], 0, 4);
                }
}

/* ---- cells, bytes -------------------------------------------------------------------------- */

#define FN(ID, name, expr)                                                                         \
    static float cell_##name(float x, float a, float b) {                                          \
        (void)a, (void)b;                                                                          \
        return (expr);                                                                             \
    }
DMS_CELL_FNS(FN)

static void functions_of_a_cell_by_hand(void **state) {
    (void)state;
    assert_true(cell_sigmoid(0, 0, 0) == 0.5f && cell_tanh(0, 0, 0) == 0.0f);
    assert_true(cell_relu(-2, 0, 0) == 0.0f && cell_relu(2, 0, 0) == 2.0f);
    assert_true(cell_affine(3, 2, 1) == 7.0f && cell_leaky_relu(-3, 0.5f, 0) == -1.5f);
    assert_true(cell_thresholded_relu(1, 2, 0) == 0.0f && cell_thresholded_relu(3, 2, 0) == 3.0f);
    assert_true(fabsf(cell_scaled_tanh(1, 2, 0.5f) - 2 * tanhf(0.5f)) < 1e-6f);
    assert_true(cell_hard_sigmoid(9, 0.2f, 0.5f) == 1.0f);
    assert_true(fabsf(cell_elu(-1, 2, 0) - 2 * (expf(-1) - 1)) < 1e-6f);
    assert_true(cell_softsign(-1, 0, 0) == -0.5f);
    assert_true(fabsf(cell_softplus(0, 0, 0) - logf(2)) < 1e-6f);
    assert_true(isnan(cell_hard_sigmoid(NAN, 1, 0)));
}

/* A quarter of the old state and three of what is new; f c + i g. */
static void states_are_mixed(void **state) {
    (void)state;
    assert_true(dms_gru_state(0.25f, 8.0f, 4.0f) == 7.0f);
    assert_true(dms_lstm_cell(0.5f, 2.0f, 3.0f, 4.0f) == 8.0f);
    assert_true(dms_cell_clip(5.0f, 2.0f) == 2.0f && dms_cell_clip(-5.0f, 2.0f) == -2.0f);
    assert_true(isnan(dms_cell_clip(NAN, 2.0f)));
}

/* Zero 3 of a u8: bounds are -3 and 252. Halves go to the even number. */
static void sums_become_bytes(void **state) {
    (void)state;
    assert_int_equal(dms_bytes_byte(5, 0.5f, -3, 252, 3), 5);              /* 2.5 -> 2 */
    assert_int_equal(dms_bytes_byte(7, 0.5f, -3, 252, 3), 7);              /* 3.5 -> 4 */
    assert_int_equal(dms_bytes_byte(100000, 1.0f, -3, 252, 3), 255);       /* above */
    assert_int_equal(dms_bytes_byte((uint32_t)-100000, 1, -3, 252, 3), 0); /* below */
    assert_int_equal(dms_bytes_byte(1, NAN, -3, 252, 3), 0);
    assert_int_equal((int8_t)dms_bytes_byte((uint32_t)-5, 1.0f, -128, 127, 0), -5);
    assert_true(dms_bytes_real((uint32_t)-4, 0.25f) == -1.0f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linear_window_has_the_two_neighbours),
        cmocka_unit_test(a_cubic_window_repeats_the_border_or_leaves_it_out),
        cmocka_unit_test(an_antialiased_window_is_as_wide_as_the_image_shrinks),
        cmocka_unit_test(ties_of_nearest_go_where_the_rule_says),
        cmocka_unit_test(coordinates_follow_their_definitions),
        cmocka_unit_test(a_crop_knows_what_lies_outside),
        cmocka_unit_test(every_tap_is_inside),
        cmocka_unit_test(sums_of_integers_are_rounded_and_bounded),
        cmocka_unit_test(weights_of_bytes_are_fixed_point),
        cmocka_unit_test(channels_behind_a_picture_join_its_columns),
        cmocka_unit_test(a_window_has_the_taps_that_lie_inside),
        cmocka_unit_test(padding_counts_where_it_is_asked_for),
        cmocka_unit_test(roots_undo_powers),
        cmocka_unit_test(positions_are_reflected_until_they_are_inside),
        cmocka_unit_test(what_lies_beyond_is_what_the_padding_says),
        cmocka_unit_test(no_position_reads_outside),
        cmocka_unit_test(functions_of_a_cell_by_hand),
        cmocka_unit_test(states_are_mixed),
        cmocka_unit_test(sums_become_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
