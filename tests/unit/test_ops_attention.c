/* test_ops_attention.c - Attention of opset 23 in its forms, against a loop over rows and keys.
 *
 * q has h heads, k and v hk; heads may be folded into the last axis. A past of k and v goes in
 * front of the new rows, and what comes out of both is present_key and present_value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support_onnx.h"
#include "support_ops.h"

#define F32 DMS_DTYPE_F32
enum { MOST = 1024 };

/* One form. mask: NULL, or the dims of attn_mask; is_bool: its type. */
typedef struct form {
    int b, h, hk, s, fresh, past, d, e;
    bool is_flat, is_causal, has_presents, is_bool;
    const char *mask;
    double scale, softcap; /* 0: not said */
} form;

/* Inputs of one form and what comes out: y and the presents with heads apart. */
typedef struct values {
    float q[MOST], k[MOST], v[MOST], past_k[MOST], past_v[MOST], mask[MOST];
    uint8_t keep[MOST];
    double y[MOST], present_k[MOST], present_v[MOST];
} values;

/* Element of a tensor [b,heads,rows,width], whose heads may be folded into the last axis. */
static int at(const form *f, int heads, int rows, int width, const int *index) {
    return f->is_flat ? ((index[0] * rows + index[2]) * heads + index[1]) * width + index[3]
                      : ((index[0] * heads + index[1]) * rows + index[2]) * width + index[3];
}

/* Element t of k or v of one head: the past first, then the new rows. */
static double row_element(const form *f, const float *past, const float *fresh, int width, int b,
                          int h, int t, int c) {
    const int old[4] = {b, h, t, c}, new[4] = {b, h, t - f->past, c};
    if (t < f->past)
        return (double)past[((old[0] * f->hk + old[1]) * f->past + old[2]) * width + old[3]];
    return (double)fresh[at(f, f->hk, f->fresh, width, new)];
}

/* The mask's dims as four numbers, ones in front. */
static void mask_dims(const form *f, int *dim) {
    int given[4] = {1, 1, 1, 1};
    const int n = sscanf(f->mask, "%d,%d,%d,%d", &given[0], &given[1], &given[2], &given[3]);
    for (int k = 0; k < 4; k++)
        dim[k] = k < 4 - n ? 1 : given[k - (4 - n)];
}

/* What the mask adds to a score; -inf where it hides. */
static double masked(const form *f, const values *x, int b, int h, int s, int t) {
    int dim[4];
    if (f->is_causal && t > s + f->past)
        return -INFINITY;
    if (f->mask == NULL)
        return 0;
    mask_dims(f, dim);
    const int i =
        (((b % dim[0]) * dim[1] + h % dim[1]) * dim[2] + s % dim[2]) * dim[3] + t % dim[3];
    return f->is_bool ? (x->keep[i] != 0 ? 0.0 : -INFINITY) : (double)x->mask[i];
}

/* One row of y. */
static void attend(const form *f, values *x, int b, int h, int s) {
    const int total = f->past + f->fresh, from = h / (f->h / f->hk);
    const double scale = f->scale != 0 ? f->scale : 1 / sqrt(f->d);
    double score[64], top = -INFINITY, sum = 0;
    for (int t = 0; t < total; t++) {
        score[t] = 0;
        for (int c = 0; c < f->d; c++) {
            const int index[4] = {b, h, s, c};
            score[t] += scale * (double)x->q[at(f, f->h, f->s, f->d, index)] *
                        row_element(f, x->past_k, x->k, f->d, b, from, t, c);
        }
        if (f->softcap != 0)
            score[t] = f->softcap * tanh(score[t] / f->softcap);
        score[t] += masked(f, x, b, h, s, t);
        top = fmax(top, score[t]);
    }
    for (int t = 0; t < total; t++)
        sum += score[t] = exp(score[t] - top);
    for (int c = 0; c < f->e; c++) {
        const int index[4] = {b, h, s, c};
        double y = 0;
        for (int t = 0; t < total; t++)
            y += score[t] / sum * row_element(f, x->past_v, x->v, f->e, b, from, t, c);
        x->y[at(f, f->h, f->s, f->e, index)] = y;
    }
}

/* y and the presents by definition. */
static void compute(const form *f, values *x) {
    const int total = f->past + f->fresh;
    for (int b = 0; b < f->b; b++) {
        for (int h = 0; h < f->h; h++)
            for (int s = 0; s < f->s; s++)
                attend(f, x, b, h, s);
        for (int h = 0; h < f->hk; h++)
            for (int t = 0; t < total; t++) {
                const int row = (b * f->hk + h) * total + t;
                for (int c = 0; c < f->d; c++)
                    x->present_k[row * f->d + c] =
                        row_element(f, x->past_k, x->k, f->d, b, h, t, c);
                for (int c = 0; c < f->e; c++)
                    x->present_v[row * f->e + c] =
                        row_element(f, x->past_v, x->v, f->e, b, h, t, c);
            }
    }
}

/* Adds an input of heads. */
static void heads_input(onnx_case *c, const form *f, const char *name, int heads, int rows,
                        int width) {
    onnx_input(c, name, F32,
               f->is_flat ? dms_format(&c->arena, "%d,%d,%d", f->b, rows, heads * width)
                          : dms_format(&c->arena, "%d,%d,%d,%d", f->b, heads, rows, width));
}

/* The model of one form; the addresses of its inputs in order. */
static void build(onnx_case *c, const form *f, const values *x, const void **input) {
    uint32_t n = 3;
    onnx_begin(c, 23);
    heads_input(c, f, "q", f->h, f->s, f->d);
    heads_input(c, f, "k", f->hk, f->fresh, f->d);
    heads_input(c, f, "v", f->hk, f->fresh, f->e);
    input[0] = x->q;
    input[1] = x->k;
    input[2] = x->v;
    if (f->mask != NULL) {
        onnx_input(c, "mask", f->is_bool ? DMS_DTYPE_BOOL : F32, f->mask);
        input[n++] = f->is_bool ? (const void *)x->keep : x->mask;
    }
    if (f->past != 0) {
        const char *shape = "%d,%d,%d,%d";
        onnx_input(c, "pk", F32, dms_format(&c->arena, shape, f->b, f->hk, f->past, f->d));
        onnx_input(c, "pv", F32, dms_format(&c->arena, shape, f->b, f->hk, f->past, f->e));
        input[n++] = x->past_k;
        input[n++] = x->past_v;
    }
    Onnx__NodeProto *node = onnx_node(c, c->graph, "Attention",
                                      dms_format(&c->arena, "q,k,v%s%s",
                                                 f->mask != NULL ? ",mask"
                                                 : f->past != 0  ? ","
                                                                 : "",
                                                 f->past != 0 ? ",pk,pv" : ""),
                                      f->has_presents ? "y,k2,v2" : "y");
    if (f->is_flat) {
        onnx_int(c, node, "q_num_heads", f->h);
        onnx_int(c, node, "kv_num_heads", f->hk);
    }
    onnx_int(c, node, "is_causal", f->is_causal);
    if (f->scale != 0)
        onnx_float(c, node, "scale", (float)f->scale);
    if (f->softcap != 0)
        onnx_float(c, node, "softcap", (float)f->softcap);
    onnx_output(c, c->graph, "y", F32, "");
    if (f->has_presents) {
        onnx_output(c, c->graph, "k2", F32, "");
        onnx_output(c, c->graph, "v2", F32, "");
    }
}

static void check(const onnx_case *c, uint32_t k, const double *wanted, int n) {
    const uint32_t storage = c->lowered.output[k];
    const float *got = (const float *)c->storage[storage];
    assert_int_equal(c->read.tensor[storage].bytes, (size_t)n * sizeof *got);
    for (int j = 0; j < n; j++)
        if (isnan(wanted[j]) ? !isnan(got[j]) : !(fabs((double)got[j] - wanted[j]) < 1e-5))
            fail_msg("output %u, element %d: %g, wanted %g", k, j, (double)got[j], wanted[j]);
}

/* Reads and runs one form; its outputs are those of the loops. */
static void expect(form f) {
    onnx_case c;
    values *x = test_calloc(1, sizeof *x);
    const void *input[6];
    float *const list[] = {x->q, x->k, x->v, x->past_k, x->past_v, x->mask};
    for (uint32_t k = 0; k < 6; k++)
        onnx_noise(list[k], MOST, k + 1);
    for (uint32_t k = 0; k < MOST; k++)
        x->keep[k] = k % 3 != 1;
    compute(&f, x);
    build(&c, &f, x, input);
    if (onnx_lower(&c, NULL) != DMS_OK || !onnx_execute(&c, input))
        fail_msg("%s", c.st.msg);
    check(&c, 0, x->y, f.b * f.h * f.s * f.e);
    if (f.has_presents) {
        check(&c, 1, x->present_k, f.b * f.hk * (f.past + f.fresh) * f.d);
        check(&c, 2, x->present_v, f.b * f.hk * (f.past + f.fresh) * f.e);
    }
    onnx_end(&c);
    test_free(x);
}

/* ---- forms --------------------------------------------------------------------------------- */

static void heads_apart_and_folded_mean_the_same(void **state) {
    (void)state;
    expect((form){.b = 2, .h = 2, .hk = 2, .s = 3, .fresh = 5, .d = 4, .e = 4});
    expect((form){.b = 2, .h = 2, .hk = 2, .s = 3, .fresh = 5, .d = 4, .e = 4, .is_flat = true});
    expect((form){.b = 1, .h = 1, .hk = 1, .s = 1, .fresh = 1, .d = 1, .e = 1, .is_flat = true});
}

/* v may be of another width; y has it. */
static void values_may_be_wider_than_keys(void **state) {
    (void)state;
    expect((form){.b = 1, .h = 2, .hk = 2, .s = 3, .fresh = 4, .d = 2, .e = 5});
    expect((form){.b = 1, .h = 2, .hk = 1, .s = 3, .fresh = 4, .d = 2, .e = 3, .is_flat = true});
}

static void heads_of_q_share_those_of_k_and_v(void **state) {
    (void)state;
    expect((form){.b = 2, .h = 6, .hk = 2, .s = 2, .fresh = 3, .d = 2, .e = 2});
    expect((form){.b = 2, .h = 6, .hk = 3, .s = 2, .fresh = 3, .d = 2, .e = 2, .is_flat = true});
    expect((form){.b = 2, .h = 4, .hk = 1, .s = 2, .fresh = 3, .d = 2, .e = 2});
}

static void a_scale_replaces_one_over_the_root_of_the_width(void **state) {
    (void)state;
    expect((form){.b = 1, .h = 1, .hk = 1, .s = 3, .fresh = 4, .d = 4, .e = 2, .scale = 0.125});
    expect((form){.b = 1, .h = 1, .hk = 1, .s = 3, .fresh = 4, .d = 4, .e = 2, .scale = 3});
}

static void a_soft_cap_bends_scores(void **state) {
    (void)state;
    expect((form){
        .b = 1, .h = 2, .hk = 1, .s = 3, .fresh = 4, .d = 4, .e = 2, .scale = 4, .softcap = 0.5});
}

static void a_mask_is_repeated_to_the_scores(void **state) {
    (void)state;
    static const char *const dims[] = {"2,2,3,5", "2,1,3,5", "1,2,1,5", "1,1,3,1",
                                       "2,3,5",   "3,5",     "5",       "1"};
    for (uint32_t k = 0; k < sizeof dims / sizeof *dims; k++)
        for (int is_bool = 0; is_bool < 2; is_bool++)
            expect((form){.b = 2,
                          .h = 2,
                          .hk = 2,
                          .s = 3,
                          .fresh = 5,
                          .d = 4,
                          .e = 4,
                          .mask = dims[k],
                          .is_bool = is_bool});
}

/* Row s sees keys up to s, and all of the past. */
static void causal_rows_see_what_came_before(void **state) {
    (void)state;
    expect((form){.b = 1, .h = 2, .hk = 1, .s = 4, .fresh = 4, .d = 2, .e = 2, .is_causal = true});
    expect((form){
        .b = 1, .h = 2, .hk = 1, .s = 3, .fresh = 3, .past = 2, .d = 2, .e = 2, .is_causal = true});
    expect((form){
        .b = 1, .h = 2, .hk = 1, .s = 1, .fresh = 1, .past = 6, .d = 2, .e = 2, .is_causal = true});
}

/* As many rows of q as new rows of k make a square behind the past; otherwise the triangle starts
 * at the upper left all the same. */
static void a_triangle_that_is_no_square_starts_at_the_upper_left(void **state) {
    (void)state;
    static const char *const masks[] = {NULL, "5", "2,5"};
    for (uint32_t k = 0; k < 3; k++)
        for (int is_bool = 0; is_bool < 2; is_bool++) {
            expect((form){.b = 1,
                          .h = 2,
                          .hk = 1,
                          .s = 2,
                          .fresh = 5,
                          .d = 2,
                          .e = 2,
                          .is_causal = true,
                          .mask = masks[k],
                          .is_bool = is_bool});
            expect((form){.b = 1,
                          .h = 2,
                          .hk = 2,
                          .s = 2,
                          .fresh = 3,
                          .past = 2,
                          .d = 2,
                          .e = 2,
                          .is_causal = true,
                          .mask = masks[k],
                          .is_bool = is_bool});
        }
}

static void a_mask_and_a_square_triangle_both_hide(void **state) {
    (void)state;
    expect((form){.b = 2,
                  .h = 2,
                  .hk = 2,
                  .s = 4,
                  .fresh = 4,
                  .d = 2,
                  .e = 2,
                  .is_causal = true,
                  .mask = "2,1,4,4"});
    expect((form){.b = 1,
                  .h = 1,
                  .hk = 1,
                  .s = 4,
                  .fresh = 4,
                  .d = 2,
                  .e = 2,
                  .is_causal = true,
                  .mask = "4",
                  .is_bool = true});
}

static void the_past_goes_in_front_and_comes_out_as_present(void **state) {
    (void)state;
    for (int is_flat = 0; is_flat < 2; is_flat++) {
        expect((form){.b = 2,
                      .h = 4,
                      .hk = 2,
                      .s = 1,
                      .fresh = 1,
                      .past = 3,
                      .d = 2,
                      .e = 3,
                      .is_flat = is_flat,
                      .has_presents = true});
        expect((form){.b = 2,
                      .h = 2,
                      .hk = 2,
                      .s = 2,
                      .fresh = 2,
                      .d = 2,
                      .e = 3,
                      .is_flat = is_flat,
                      .has_presents = true}); /* the first turn */
        expect((form){.b = 1,
                      .h = 2,
                      .hk = 1,
                      .s = 2,
                      .fresh = 2,
                      .past = 4,
                      .d = 2,
                      .e = 2,
                      .is_flat = is_flat});
    }
}

/* ---- shapes and refusals ------------------------------------------------------------------- */

#define HEADS "q_num_heads=4 kv_num_heads=2"

static void shapes_follow_from_heads_rows_and_widths(void **state) {
    (void)state;
    INFERS("Attention-23", "q:f32[2,4,3,8] k:f32[2,2,5,8] v:f32[2,2,5,6]", "", 3,
           "f32 [2, 4, 3, 6]; f32 [2, 2, 5, 8]; f32 [2, 2, 5, 6]");
    INFERS("Attention-23", "q:f16[2,3,32] k:f16[2,5,16] v:f16[2,5,12]", HEADS, 3,
           "f16 [2, 3, 24]; f16 [2, 2, 5, 8]; f16 [2, 2, 5, 6]");
    INFERS("Attention-23",
           "q:f32[1,2,1,8] k:f32[1,2,1,8] v:f32[1,2,1,8] - p:f32[1,2,0,8] r:f32[1,2,0,8]", "", 3,
           "f32 [1, 2, 1, 8]; f32 [1, 2, 1, 8]; f32 [1, 2, 1, 8]");
}

static void heads_must_divide_what_they_are_folded_into(void **state) {
    (void)state;
    INFERS("Attention-23", "q:f32[2,3,30] k:f32[2,5,16] v:f32[2,5,16]", HEADS, 1,
           "node 'n' (Attention): input 'q' has 30 columns for 4 heads");
    INFERS("Attention-23", "q:f32[2,3,32] k:f32[2,5,16] v:f32[2,5,15]", HEADS, 1,
           "node 'n' (Attention): input 'v' has 15 columns for 2 heads");
    INFERS("Attention-23", "q:f32[2,3,32] k:f32[2,5,16] v:f32[2,5,16]", "", 1,
           "node 'n' (Attention): input 'q' has 32 columns for 0 heads");
    INFERS("Attention-23", "q:f32[2,3,32] k:f32[2,5,16] v:f32[2,5,16]", "q_num_heads=-4", 1,
           "node 'n' (Attention): input 'q' has 32 columns for -4 heads");
}

static void rows_and_widths_must_agree(void **state) {
    (void)state;
    INFERS("Attention-23", "q:f32[2,4,3,8] k:f32[2,2,5,7] v:f32[2,2,5,8]", "", 1,
           "node 'n' (Attention): q has 4 heads of width 8, k 2 of width 7; k has 5 rows, v 5");
    INFERS("Attention-23", "q:f32[2,4,3,8] k:f32[2,2,5,8] v:f32[2,2,6,8]", "", 1,
           "node 'n' (Attention): q has 4 heads of width 8, k 2 of width 8; k has 5 rows, v 6");
    INFERS("Attention-23", "q:f32[2,4,3,8] k:f32[2,3,5,8] v:f32[2,3,5,8]", "", 1,
           "node 'n' (Attention): q has 4 heads of width 8, k 3 of width 8; k has 5 rows, v 5");
    INFERS("Attention-23", "q:f32[2,4,3,8] k:f32[2,5,16] v:f32[2,5,16]", "", 1,
           "node 'n' (Attention): input 'k' has rank 3, wants 4");
}

static void a_past_has_both_parts_and_as_many_rows(void **state) {
    (void)state;
    const char *qkv = "q:f32[1,2,1,8] k:f32[1,2,1,8] v:f32[1,2,1,8] - ";
    char inputs[160];
    (void)snprintf(inputs, sizeof inputs, "%sp:f32[1,2,4,8]", qkv);
    INFERS("Attention-23", inputs, "", 1,
           "node 'n' (Attention): past_key and past_value must come together");
    (void)snprintf(inputs, sizeof inputs, "%sp:f32[1,2,4,8] r:f32[1,2,3,8]", qkv);
    INFERS("Attention-23", inputs, "", 1,
           "node 'n' (Attention): past_key has 4 rows, past_value 3");
    (void)snprintf(inputs, sizeof inputs, "%sp:f32[2,4,8] r:f32[2,4,8]", qkv);
    INFERS("Attention-23", inputs, "", 1, "node 'n' (Attention): input 'p' has rank 3, wants 4");
}

static void what_does_not_fit_is_refused_when_lowered(void **state) {
    (void)state;
    assert_non_null(strstr(
        op_calls("Attention-23", "q:f32[1,2,3,8] k:f32[1,2,5,8] v:f32[1,2,5,8] m:f32[3,4]", "", 1),
        "attn_mask 'm' does not broadcast to the scores"));
    assert_non_null(
        strstr(op_calls("Attention-23", "q:f32[1,1,4096,8] k:f32[1,1,4097,8] v:f32[1,1,4097,8]",
                        "is_causal=1", 1),
               "causal over 4096 rows and 4097 keys that are no square"));
    INFERS("Attention-23", "q:f32[1,2,3,8] k:f32[1,2,5,8] v:f32[1,2,5,8]", "", 4,
           "node 'n' (Attention): its output qk_matmul_output is not supported");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_apart_and_folded_mean_the_same),
        cmocka_unit_test(values_may_be_wider_than_keys),
        cmocka_unit_test(heads_of_q_share_those_of_k_and_v),
        cmocka_unit_test(a_scale_replaces_one_over_the_root_of_the_width),
        cmocka_unit_test(a_soft_cap_bends_scores),
        cmocka_unit_test(a_mask_is_repeated_to_the_scores),
        cmocka_unit_test(causal_rows_see_what_came_before),
        cmocka_unit_test(a_triangle_that_is_no_square_starts_at_the_upper_left),
        cmocka_unit_test(a_mask_and_a_square_triangle_both_hide),
        cmocka_unit_test(the_past_goes_in_front_and_comes_out_as_present),
        cmocka_unit_test(shapes_follow_from_heads_rows_and_widths),
        cmocka_unit_test(heads_must_divide_what_they_are_folded_into),
        cmocka_unit_test(rows_and_widths_must_agree),
        cmocka_unit_test(a_past_has_both_parts_and_as_many_rows),
        cmocka_unit_test(what_does_not_fit_is_refused_when_lowered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
