/* test_onnx_attention.c - attention is found in all forms of exporters, and means the same.
 *
 * q [2,4,3,8], k and v [2,hk,5,8] come in as inputs; the mask is [2,1,3,5]. A naive loop is the
 * oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
enum { B = 2, H = 4, S = 3, T = 5, D = 8 };

typedef struct data {
    float q[B * H * S * D], k[B * H * T * D], v[B * H * T * D], mask[B * S * T];
    float wanted[B * H * S * D];
} data;

/* Small numbers without pattern. */
static float noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 23) - 1;
}

static void fill(data *d) {
    uint32_t state = 7;
    for (uint32_t n = 0; n < B * H * S * D; n++)
        d->q[n] = noise(&state);
    for (uint32_t n = 0; n < B * H * T * D; n++) {
        d->k[n] = noise(&state);
        d->v[n] = noise(&state);
    }
    for (uint32_t n = 0; n < B * S * T; n++)
        d->mask[n] = n % 4 == 1 ? -INFINITY : noise(&state);
}

/* One row of scores becomes one row of y. `empty` is the result where every score is -inf. */
static void attend_row(const double *score, const float *v, double empty, float *y) {
    double top = -INFINITY, sum = 0, p[T];
    for (uint32_t t = 0; t < T; t++)
        top = fmax(top, score[t]);
    for (uint32_t t = 0; t < T; t++)
        sum += p[t] = exp(score[t] - top);
    for (uint32_t e = 0; e < D; e++) {
        double total = 0;
        for (uint32_t t = 0; t < T; t++)
            total += p[t] / sum * (double)v[t * D + e];
        y[e] = (float)(isinf(top) ? empty : total);
    }
}

/* The oracle, with `hk` heads of k and v. */
static void attend(data *d, uint32_t hk, double scale, bool is_masked, double empty) {
    for (uint32_t n = 0; n < B * H * S; n++) {
        const uint32_t b = n / (H * S), h = n / S % H, s = n % S;
        const uint32_t kv = (b * hk + h / (H / hk)) * T * D;
        double score[T];
        for (uint32_t t = 0; t < T; t++) {
            score[t] = is_masked ? (double)d->mask[(b * S + s) * T + t] : 0;
            for (uint32_t e = 0; e < D; e++)
                score[t] += scale * (double)d->q[n * D + e] * (double)d->k[kv + t * D + e];
        }
        attend_row(score, d->v + kv, empty, d->wanted + n * D);
    }
}

static void begin(onnx_case *c, const char *kv_shape) {
    onnx_begin(c, 17);
    onnx_input(c, "q", F32, "2,4,3,8");
    onnx_input(c, "k", F32, kv_shape);
    onnx_input(c, "v", F32, kv_shape);
    onnx_input(c, "mask", F32, "2,1,3,5");
    onnx_output(c, c->graph, "y", F32, "2,4,3,8");
}

static void scalar(onnx_case *c, const char *name, float value) {
    (void)onnx_initializer(c, c->graph, name, F32, "", &value);
}

static Onnx__NodeProto *node(onnx_case *c, const char *op, const char *in, const char *out) {
    return onnx_node(c, c->graph, op, in, out);
}

static void transpose(onnx_case *c, const char *in, const char *out, const char *perm) {
    onnx_ints(c, node(c, "Transpose", in, out), "perm", perm);
}

static void softmax(onnx_case *c, const char *in, const char *out) {
    onnx_int(c, node(c, "Softmax", in, out), "axis", -1);
}

/* Reads, expects one attention step and no softmax, runs, compares. */
static void expect_fused(onnx_case *c, const data *d) {
    const float *const input[4] = {d->q, d->k, d->v, d->mask};
    float y[B * H * S * D];
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("%s", c->st.msg);
    assert_int_equal(onnx_count(c, "Attention"), 1);
    assert_int_equal(onnx_count(c, "Softmax"), 0);
    assert_int_equal(onnx_count(c, "MatMul"), 0);
    onnx_run(c, input, 0, y, B * H * S * D);
    for (uint32_t n = 0; n < B * H * S * D; n++) {
        const double error = fabs((double)y[n] - (double)d->wanted[n]);
        if (isnan(d->wanted[n]) ? !isnan(y[n]) : !(error < 1e-5))
            fail_msg("element %u: %g, wanted %g", n, (double)y[n], (double)d->wanted[n]);
    }
    onnx_end(c);
}

/* Number of calls of a kernel. */
static uint32_t calls(const onnx_case *c, uint32_t kernel) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->lowered.n_calls; k++)
        n += c->lowered.call[k].call.kernel == kernel;
    return n;
}

/* TorchScript: k transposed, scores divided, mask added; an empty row is NaN. */
static void the_eager_form_is_found(void **state) {
    (void)state;
    onnx_case c;
    data d;
    fill(&d);
    for (uint32_t t = 0; t < T; t++)
        d.mask[t] = -INFINITY;
    attend(&d, H, 0.25, true, NAN);
    begin(&c, "2,4,5,8");
    scalar(&c, "four", 4);
    transpose(&c, "k", "kt", "0,1,3,2");
    (void)node(&c, "MatMul", "q,kt", "s");
    (void)node(&c, "Div", "s,four", "scaled");
    (void)node(&c, "Add", "scaled,mask", "masked");
    softmax(&c, "masked", "p");
    (void)node(&c, "MatMul", "p,v", "y");
    expect_fused(&c, &d);
}

/* dynamo sdpa: q and k scaled, k flattened to swap its axes, an empty row is zero. */
static void the_sdpa_form_is_found(void **state) {
    (void)state;
    onnx_case c;
    data d;
    fill(&d);
    for (uint32_t t = 0; t < T; t++)
        d.mask[t] = -INFINITY;
    attend(&d, H, 0.25, true, 0);
    begin(&c, "2,4,5,8");
    scalar(&c, "half", 0.5f);
    scalar(&c, "zero", 0);
    onnx_i64(&c, c.graph, "flat", "8,5,8");
    onnx_i64(&c, c.graph, "back", "2,4,8,5");
    (void)node(&c, "Reshape", "k,flat", "k3");
    transpose(&c, "k3", "k3t", "0,2,1");
    (void)node(&c, "Reshape", "k3t,back", "kt");
    (void)node(&c, "Mul", "q,half", "q2");
    (void)node(&c, "Mul", "kt,half", "kt2");
    (void)node(&c, "MatMul", "q2,kt2", "s");
    (void)node(&c, "Add", "mask,s", "masked");
    softmax(&c, "masked", "p");
    (void)node(&c, "IsNaN", "p", "n");
    (void)node(&c, "Where", "n,zero,p", "p2");
    (void)node(&c, "MatMul", "p2,v", "y");
    expect_fused(&c, &d);
}

/* Group-query attention: the repeat of k and v is absorbed, nothing is copied. */
static void shared_heads_are_not_repeated(void **state) {
    (void)state;
    onnx_case c;
    data d;
    fill(&d);
    attend(&d, 2, 1, false, 0);
    begin(&c, "2,2,5,8");
    onnx_i64(&c, c.graph, "axis", "2");
    onnx_i64(&c, c.graph, "wide", "2,2,2,5,8");
    onnx_i64(&c, c.graph, "heads", "2,4,5,8");
    (void)node(&c, "Unsqueeze", "k,axis", "k1");
    (void)node(&c, "Expand", "k1,wide", "k2");
    (void)node(&c, "Reshape", "k2,heads", "k4");
    (void)node(&c, "Unsqueeze", "v,axis", "v1");
    (void)node(&c, "Expand", "v1,wide", "v2");
    (void)node(&c, "Reshape", "v2,heads", "v4");
    transpose(&c, "k4", "kt", "0,1,3,2");
    (void)node(&c, "MatMul", "q,kt", "s");
    softmax(&c, "s", "p");
    (void)node(&c, "MatMul", "p,v4", "y");
    expect_fused(&c, &d);
}

/* BERT in TorchScript: k comes as [b,t,h,d] and is transposed once, to [b,h,d,t]. */
static void a_direct_transposition_is_a_view(void **state) {
    (void)state;
    onnx_case c;
    data d;
    fill(&d);
    attend(&d, H, 1, true, NAN);
    begin(&c, "2,4,5,8");
    transpose(&c, "k", "kh", "0,2,1,3"); /* as if it had come from a projection */
    (void)node(&c, "Relu", "kh", "kr");
    (void)node(&c, "Neg", "kr", "kn");
    (void)node(&c, "Neg", "kh", "km");
    (void)node(&c, "Relu", "km", "kq");
    (void)node(&c, "Add", "kn,kq", "kneg"); /* -k */
    (void)node(&c, "Neg", "kneg", "kb");    /* k as [b,t,h,d], computed */
    transpose(&c, "kb", "kt", "0,2,3,1");
    (void)node(&c, "MatMul", "q,kt", "s");
    (void)node(&c, "Add", "s,mask", "masked");
    softmax(&c, "masked", "p");
    (void)node(&c, "MatMul", "p,v", "y");
    const float *const input[4] = {d.q, d.k, d.v, d.mask};
    float y[B * H * S * D];
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(calls(&c, DMS_K_ATTENTION), 1);
    assert_int_equal(calls(&c, DMS_K_COPY), 0);
    onnx_run(&c, input, 0, y, B * H * S * D);
    for (uint32_t n = 0; n < B * H * S * D; n++)
        assert_true(fabsf(y[n] - d.wanted[n]) < 1e-5f);
    onnx_end(&c);
}

/* GPT-2 in TorchScript: Where(causal, scores, lowest), then a mask is added. */
static void a_selection_and_a_mask_are_joined(void **state) {
    (void)state;
    onnx_case c;
    data d;
    fill(&d);
    for (uint32_t n = 0; n < B * S * T; n++)
        d.mask[n] = n % 4 == 1 ? -1e30f : 0;
    data joined = d;
    uint8_t keep[S * T];
    for (uint32_t s = 0; s < S; s++)
        for (uint32_t t = 0; t < T; t++)
            keep[s * T + t] = t <= s + 2;
    for (uint32_t n = 0; n < B * S * T; n++)
        joined.mask[n] += keep[n % (S * T)] != 0 ? 0 : -1e30f;
    attend(&joined, H, 1, true, NAN);
    memcpy(d.wanted, joined.wanted, sizeof d.wanted);
    begin(&c, "2,4,5,8");
    (void)onnx_initializer(&c, c.graph, "keep", DMS_DTYPE_BOOL, "1,1,3,5", keep);
    scalar(&c, "lowest", -1e30f);
    transpose(&c, "k", "kt", "0,1,3,2");
    (void)node(&c, "MatMul", "q,kt", "s");
    (void)node(&c, "Where", "keep,s,lowest", "kept");
    (void)node(&c, "Add", "kept,mask", "masked");
    softmax(&c, "masked", "p");
    (void)node(&c, "MatMul", "p,v", "y");
    expect_fused(&c, &d);
}

/* A selection alone becomes a mask of 0 and -inf. */
static void a_selection_alone_is_a_mask(void **state) {
    (void)state;
    onnx_case c;
    data d;
    uint8_t keep[S * T];
    fill(&d);
    for (uint32_t n = 0; n < S * T; n++)
        keep[n] = n % 4 != 1;
    for (uint32_t n = 0; n < B * S * T; n++)
        d.mask[n] = keep[n % (S * T)] != 0 ? 0 : -INFINITY;
    attend(&d, H, 1, true, NAN);
    begin(&c, "2,4,5,8");
    (void)onnx_initializer(&c, c.graph, "keep", DMS_DTYPE_BOOL, "3,5", keep);
    scalar(&c, "never", -INFINITY);
    transpose(&c, "k", "kt", "0,1,3,2");
    (void)node(&c, "MatMul", "q,kt", "s");
    (void)node(&c, "Where", "keep,s,never", "kept");
    softmax(&c, "kept", "p");
    (void)node(&c, "MatMul", "p,v", "y");
    expect_fused(&c, &d);
}

/* Attention 23 behind a repeat of k and v, as dynamo writes it: takes them before the repeat. */
static void a_repeat_in_front_of_attention_is_absorbed(void **state) {
    (void)state;
    onnx_case c;
    data d;
    fill(&d);
    attend(&d, 2, 1, true, NAN);
    begin(&c, "2,2,5,8");
    c.model->opset_import[0]->version = 23;
    onnx_i64(&c, c.graph, "axis", "2");
    onnx_i64(&c, c.graph, "wide", "2,2,2,5,8");
    onnx_i64(&c, c.graph, "heads", "2,4,5,8");
    (void)node(&c, "Unsqueeze", "k,axis", "k1");
    (void)node(&c, "Expand", "k1,wide", "k2");
    (void)node(&c, "Reshape", "k2,heads", "k4");
    (void)node(&c, "Unsqueeze", "v,axis", "v1");
    (void)node(&c, "Expand", "v1,wide", "v2");
    (void)node(&c, "Reshape", "v2,heads", "v4");
    onnx_float(&c, node(&c, "Attention", "q,k4,v4,mask", "y"), "scale", 1);
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_nodes, 1);
    expect_fused(&c, &d);
}

/* The eager form with one thing changed: what is not attention stays as it is. */
static void expect_unfused(const char *extra_use, const char *axis, bool scale_is_last) {
    onnx_case c;
    begin(&c, "2,4,5,8");
    scalar(&c, "four", 4);
    transpose(&c, "k", "kt", "0,1,3,2");
    (void)node(&c, "MatMul", "q,kt", "s");
    if (scale_is_last) {
        (void)node(&c, "Add", "s,mask", "added");
        (void)node(&c, "Div", "added,four", "masked");
    } else {
        (void)node(&c, "Div", "s,four", "scaled");
        (void)node(&c, "Add", "scaled,mask", "masked");
    }
    onnx_int(&c, node(&c, "Softmax", "masked", "p"), "axis", axis[0] - '0');
    (void)node(&c, "MatMul", "p,v", "y");
    if (extra_use[0] != 0) {
        (void)node(&c, "Relu", extra_use, "other");
        onnx_output(&c, c.graph, "other", F32, "2,4,3,5");
    }
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "Attention"), 0);
    assert_int_equal(onnx_count(&c, "Softmax"), 1);
    onnx_end(&c);
}

static void what_is_not_attention_stays(void **state) {
    (void)state;
    expect_unfused("p", "3", false);
    expect_unfused("masked", "3", false);
    expect_unfused("s", "3", false);
    expect_unfused("", "2", false);
    expect_unfused("", "3", true); /* the mask would be divided too */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_eager_form_is_found),
        cmocka_unit_test(the_sdpa_form_is_found),
        cmocka_unit_test(shared_heads_are_not_repeated),
        cmocka_unit_test(a_direct_transposition_is_a_view),
        cmocka_unit_test(a_selection_and_a_mask_are_joined),
        cmocka_unit_test(a_selection_alone_is_a_mask),
        cmocka_unit_test(a_repeat_in_front_of_attention_is_absorbed),
        cmocka_unit_test(what_is_not_attention_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
