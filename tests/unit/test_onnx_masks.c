/* test_onnx_masks.c - masks of exporters become a triangle and a vector; rows of padding keep the
 * meaning of the pattern.
 *
 * q [2,2,3,4], k and v [2,2,5,4]: two keys of a past, then three new ones. `am` [2,5] is the
 * padding mask of the caller; batch entry 0 has padding in front, so that query 0 sees it alone:
 *
 *     am[0]     . . . x x        query 0 may see keys 0 1 2, query 1 one more, query 2 all
 *     am[1]     x x x x x
 *
 * At this size every part of a mask that the inputs do not decide is folded to a constant first.
 * The large size, 1,100 new keys behind a past of 50, is beyond what is folded: there the nodes are
 * followed. The oracle computes what the nodes say, in f32 as they do, for every pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
enum { D = 4 };

/* The score of a pair after the mask; `is_seen`: by the triangle; `am`: of the key. */
typedef float masked_score(float score, bool is_seen, int64_t am);

/* The sizes of a case. */
typedef struct sizes {
    uint32_t b, h, s, t, past, padding; /* padding: keys of batch entry 0 that are none */
} sizes;

static const sizes SMALL = {2, 2, 3, 5, 2, 3}, LARGE = {1, 1, 1100, 1150, 50, 70};

typedef struct mask_case {
    onnx_case c;
    sizes z;
    uint32_t n_q, n_kv; /* elements */
    float *q, *k, *v;
    int64_t *am;
} mask_case;

static float noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 23) - 1;
}

static Onnx__NodeProto *node(mask_case *m, const char *op, const char *in, const char *out) {
    return onnx_node(&m->c, m->c.graph, op, in, out);
}

static void scalar(mask_case *m, const char *name, float value) {
    (void)onnx_initializer(&m->c, m->c.graph, name, F32, "", &value);
}

static void index_scalar(mask_case *m, const char *name, int64_t value) {
    (void)onnx_initializer(&m->c, m->c.graph, name, DMS_DTYPE_I64, "", &value);
}

/* "a,b,c,d" in memory of the case. */
static const char *shape(mask_case *m, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const char *text =
        dms_format(&m->c.arena, "%u,%u,%u,%u", (unsigned)a, (unsigned)b, (unsigned)c, (unsigned)d);
    assert_non_null(text);
    return text;
}

static float *noise_of(mask_case *m, uint32_t n, uint32_t *state) {
    float *data = DMS_NEW(&m->c.arena, float, n);
    assert_non_null(data);
    for (uint32_t k = 0; k < n; k++)
        data[k] = noise(state);
    return data;
}

static void begin_sized(mask_case *m, int64_t opset, const sizes *z) {
    uint32_t state = 11;
    memset(m, 0, sizeof *m);
    onnx_begin(&m->c, opset);
    m->z = *z;
    m->n_q = z->b * z->h * z->s * D;
    m->n_kv = z->b * z->h * z->t * D;
    m->q = noise_of(m, m->n_q, &state);
    m->k = noise_of(m, m->n_kv, &state);
    m->v = noise_of(m, m->n_kv, &state);
    m->am = DMS_NEW(&m->c.arena, int64_t, z->b * z->t);
    assert_non_null(m->am);
    for (uint32_t k = 0; k < z->b * z->t; k++)
        m->am[k] = k >= z->padding;
}

/* Inputs, and what all forms use. */
static void begin_at(mask_case *m, int64_t opset, const sizes *z) {
    begin_sized(m, opset, z);
    onnx_input(&m->c, "q", F32, shape(m, z->b, z->h, z->s, D));
    onnx_input(&m->c, "k", F32, shape(m, z->b, z->h, z->t, D));
    onnx_input(&m->c, "v", F32, shape(m, z->b, z->h, z->t, D));
    onnx_input(&m->c, "am", DMS_DTYPE_I64, dms_format(&m->c.arena, "%u,%u", z->b, z->t));
    onnx_output(&m->c, m->c.graph, "y", F32, shape(m, z->b, z->h, z->s, D));
    scalar(m, "zero", 0);
    scalar(m, "one", 1);
    scalar(m, "inf", -INFINITY);
    scalar(m, "lowest", -FLT_MAX);
    index_scalar(m, "i0", 0);
    index_scalar(m, "i1", 1);
    index_scalar(m, "past", z->past);
    index_scalar(m, "total", z->t);
    onnx_i64(&m->c, m->c.graph, "column", "-1,1");
    onnx_i64(&m->c, m->c.graph, "batch", shape(m, z->b, 1, 1, 1));
    onnx_i64(&m->c, m->c.graph, "front", "0,1");
    onnx_i64(&m->c, m->c.graph, "middle", "1,2");
}

static void begin(mask_case *m, int64_t opset) {
    begin_at(m, opset, &SMALL);
}

/* q k -> s; the form makes `masked` from it; softmax and v -> y. */
static void scores(mask_case *m) {
    onnx_ints(&m->c, node(m, "Transpose", "k", "kt"), "perm", "0,1,3,2");
    (void)node(m, "MatMul", "q,kt", "s");
}

static void weigh(mask_case *m, bool has_guard) {
    onnx_int(&m->c, node(m, "Softmax", "masked", "p"), "axis", -1);
    if (has_guard) {
        (void)node(m, "IsNaN", "p", "bad");
        (void)node(m, "Where", "bad,zero,p", "p2");
    }
    (void)node(m, "MatMul", has_guard ? "p2,v" : "p,v", "y");
}

/* am [2,5] as bool [2,1,1,5]. */
static void padding(mask_case *m, int dtype, const char *out) {
    onnx_int(&m->c, node(m, "Cast", "am", "am_cast"), "to", dtype);
    (void)node(m, "Unsqueeze", "am_cast,middle", out);
}

/* t <= s + past from two ranges, [1,1,3,5] -> `le`. */
static void causal_from_ranges(mask_case *m, const char *op) {
    (void)node(m, "Range", "i0,total,i1", "keys");
    (void)node(m, "Range", "past,total,i1", "rows");
    (void)node(m, "Reshape", "rows,column", "queries");
    (void)node(m, op, "keys,queries", "le2");
    (void)node(m, "Unsqueeze", "le2,front", "le");
}

/* One row of the oracle over `n` keys. `empty`: the result where the softmax is NaN. */
static void attend_row(const float *score, uint32_t n, const float *v, float empty, float *y) {
    float top = -INFINITY;
    double sum = 0, total[D] = {0};
    for (uint32_t t = 0; t < n; t++)
        top = fmaxf(top, score[t]);
    for (uint32_t t = 0; t < n; t++) {
        const double p = exp((double)score[t] - (double)top);
        sum += p;
        for (uint32_t e = 0; e < D; e++)
            total[e] += p * (double)v[t * D + e];
    }
    for (uint32_t e = 0; e < D; e++)
        y[e] = isinf(top) ? empty : (float)(total[e] / sum);
}

/* All rows, in memory of the case. */
static float *attend(mask_case *m, masked_score *masked, float empty) {
    const sizes *z = &m->z;
    float *y = DMS_NEW(&m->c.arena, float, m->n_q), *score = DMS_NEW(&m->c.arena, float, z->t);
    assert_true(y != NULL && score != NULL);
    for (uint32_t n = 0; n < z->b * z->h * z->s; n++) {
        const uint32_t bh = n / z->s, b = bh / z->h, s = n % z->s;
        for (uint32_t t = 0; t < z->t; t++) {
            double dot = 0;
            for (uint32_t e = 0; e < D; e++)
                dot += (double)m->q[n * D + e] * (double)m->k[(bh * z->t + t) * D + e];
            score[t] = masked((float)dot, t <= s + z->past, m->am[b * z->t + t]);
        }
        attend_row(score, z->t, m->v + bh * z->t * D, empty, y + n * D);
    }
    return y;
}

/* Whether some call reads or writes a tensor with elements of its own for queries x keys. */
static bool has_square(const mask_case *m) {
    for (uint32_t n = 0; n < m->c.lowered.n_calls; n++) {
        const dms_call *call = &m->c.lowered.call[n].call;
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
            const dms_view *v = &call->view[k];
            if (v->rank >= 2 && v->dim[v->rank - 2] == m->z.s && v->dim[v->rank - 1] == m->z.t &&
                v->pitch[v->rank - 2] != 0)
                return true;
        }
    }
    return false;
}

/* The parameter `causal` of the one attention there is. */
static int64_t causal_of(const onnx_case *c) {
    int64_t causal = -1;
    for (uint32_t n = 0; n < c->lowered.n_calls; n++)
        if (c->lowered.call[n].call.kernel == DMS_K_ATTENTION) {
            assert_int_equal(causal, -1);
            causal = c->lowered.call[n].call.i[0];
        }
    return causal;
}

static void lower(mask_case *m) {
    if (onnx_lower(&m->c, NULL) != DMS_OK)
        fail_msg("%s", m->c.st.msg);
}

/* What the lowered graph computes, in memory of the case. */
static float *run(mask_case *m) {
    const float *const input[4] = {m->q, m->k, m->v, (const float *)(const void *)m->am};
    float *y = DMS_NEW(&m->c.arena, float, m->n_q);
    assert_non_null(y);
    onnx_run(&m->c, input, 0, y, m->n_q);
    return y;
}

/* The lowered graph computes what the oracle says. Ends the case. */
static void expect_result(mask_case *m, masked_score *masked, float empty) {
    const float *want = attend(m, masked, empty), *y = run(m);
    for (uint32_t n = 0; n < m->n_q; n++)
        if (isnan(want[n]) ? !isnan(y[n]) : !(fabsf(y[n] - want[n]) < 1e-5f))
            fail_msg("element %u: %g, wanted %g", (unsigned)n, (double)y[n], (double)want[n]);
    onnx_end(&m->c);
}

/* Without a square tensor, with the triangle as a parameter. */
static void expect_triangle(mask_case *m, int64_t causal, masked_score *masked, float empty) {
    lower(m);
    assert_false(has_square(m));
    assert_int_equal(causal_of(&m->c), causal);
    expect_result(m, masked, empty);
}

static float minus_infinity(float score, bool is_seen, int64_t am) {
    return is_seen && am != 0 ? score : -INFINITY;
}

static float plus_lowest(float score, bool is_seen, int64_t am) {
    return is_seen && am != 0 ? score : score + -FLT_MAX;
}

static const sizes *const SIZES[] = {&SMALL, &LARGE};

/* dynamo with sdpa: And of triangle and padding, Where 0 or -infinity, NaN becomes 0. */
static void sdpa_form(const sizes *z) {
    mask_case m;
    begin_at(&m, 18, z);
    scores(&m);
    causal_from_ranges(&m, "LessOrEqual");
    (void)node(&m, "Expand", "le,batch", "wide");
    padding(&m, DMS_DTYPE_BOOL, "pad");
    (void)node(&m, "And", "wide,pad", "both");
    (void)node(&m, "Where", "both,zero,inf", "mask");
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, true);
    expect_triangle(&m, 1, minus_infinity, 0);
}

static void the_sdpa_form_of_dynamo(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        sdpa_form(SIZES[k]);
}

/* The same without the guard: a row of padding is NaN. */
static void without_a_guard_a_row_of_padding_is_nan(void **state) {
    (void)state;
    mask_case m;
    begin(&m, 18);
    scores(&m);
    causal_from_ranges(&m, "LessOrEqual");
    padding(&m, DMS_DTYPE_BOOL, "pad");
    (void)node(&m, "And", "le,pad", "both");
    (void)node(&m, "Where", "both,zero,inf", "mask");
    (void)node(&m, "Add", "mask,s", "masked");
    weigh(&m, false);
    expect_triangle(&m, 1, minus_infinity, NAN);
}

/* dynamo, eager: the lowest number instead; a row of padding is the mean over all keys. */
static void eager_form(const sizes *z) {
    mask_case m;
    begin_at(&m, 18, z);
    scores(&m);
    causal_from_ranges(&m, "LessOrEqual");
    (void)node(&m, "Expand", "le,batch", "wide");
    padding(&m, DMS_DTYPE_BOOL, "pad");
    (void)node(&m, "And", "wide,pad", "both");
    (void)node(&m, "Where", "both,zero,lowest", "mask");
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, false);
    expect_triangle(&m, 1, plus_lowest, NAN);
}

static void the_eager_form_of_dynamo(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        eager_form(SIZES[k]);
}

/* The mean over all keys, and not over those that the triangle leaves: checked by hand. */
static void a_row_of_padding_spreads_over_all_keys(void **state) {
    (void)state;
    mask_case m;
    begin(&m, 18);
    const float *y = attend(&m, plus_lowest, NAN);
    for (uint32_t e = 0; e < D; e++) {
        float mean = 0;
        for (uint32_t t = 0; t < m.z.t; t++)
            mean += m.v[t * D + e] / (float)m.z.t;
        assert_true(fabsf(y[e] - mean) < 1e-6f);
    }
    onnx_end(&m.c);
}

/* TorchScript: lowest x (t > s + past), then lowest where triangle + padding is 0. With `has_trilu`
 * the lowest numbers themselves begin at diagonal 1, which is another one than that of the past. */
static void torchscript(mask_case *m, bool has_trilu, const sizes *z) {
    begin_at(m, 17, z);
    onnx_i64(&m->c, m->c.graph, "square", dms_format(&m->c.arena, "%u,%u", z->s, z->t));
    static const float lowest = -FLT_MAX;
    onnx_tensor_attr(&m->c, node(m, "ConstantOfShape", "square", "all"), "value",
                     onnx_tensor(&m->c, "", F32, "1", &lowest));
    onnx_i64(&m->c, m->c.graph, "starts", "0");
    onnx_i64(&m->c, m->c.graph, "ends", "9223372036854775807");
    onnx_i64(&m->c, m->c.graph, "axis3", "3");
    scores(m);
    if (has_trilu)
        onnx_int(&m->c, node(m, "Trilu", "all,i1", "upper"), "upper", 1);
    causal_from_ranges(m, "Greater");
    onnx_int(&m->c, node(m, "Cast", "le2", "is_later"), "to", F32);
    (void)node(m, "Mul", has_trilu ? "upper,is_later" : "all,is_later", "tri2");
    (void)node(m, "Unsqueeze", "tri2,front", "tri4");
    (void)node(m, "Expand", "tri4,batch", "tri");
    (void)node(m, "Slice", "tri,starts,ends,axis3", "part");
    padding(m, F32, "pad");
    (void)node(m, "Add", "part,pad", "sum");
    (void)node(m, "Equal", "sum,zero", "is_pad");
    (void)node(m, "Where", "is_pad,lowest,part", "mask");
    (void)node(m, "Add", "s,mask", "masked");
    weigh(m, false);
}

static void the_eager_form_of_torchscript(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        mask_case m;
        torchscript(&m, false, SIZES[k]);
        expect_triangle(&m, 1, plus_lowest, NAN);
    }
}

static void two_triangles_of_torchscript_are_one(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        mask_case m;
        torchscript(&m, true, SIZES[k]);
        expect_triangle(&m, 1, plus_lowest, NAN);
    }
}

static float gpt2_score(float score, bool is_seen, int64_t am) {
    return (is_seen ? score : -FLT_MAX) + (1.0f - (float)am) * -FLT_MAX;
}

/* GPT-2 in TorchScript: Where(triangle, s, lowest), then (1 - am) x lowest is added. Lowest twice
 * is -infinity: a row of padding spreads over the padding it may see and what is none beyond. */
static void gpt2(mask_case *m, const sizes *z) {
    begin_at(m, 14, z);
    uint8_t *keep = DMS_NEW(&m->c.arena, uint8_t, z->s * z->t);
    assert_non_null(keep);
    for (uint32_t n = 0; n < z->s * z->t; n++)
        keep[n] = n % z->t <= n / z->t + z->past;
    (void)onnx_initializer(&m->c, m->c.graph, "keep", DMS_DTYPE_BOOL, shape(m, 1, 1, z->s, z->t),
                           keep);
    scores(m);
    (void)node(m, "Where", "keep,s,lowest", "kept");
    padding(m, F32, "pad");
    (void)node(m, "Sub", "one,pad", "rest");
    (void)node(m, "Mul", "rest,lowest", "mask");
    (void)node(m, "Add", "kept,mask", "masked");
    weigh(m, false);
}

static void the_form_of_gpt2_in_torchscript(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        mask_case m;
        gpt2(&m, SIZES[k]);
        expect_triangle(&m, 2, gpt2_score, NAN);
    }
}

static float only_triangle(float score, bool is_seen, int64_t am) {
    (void)am;
    return is_seen ? score : -INFINITY;
}

/* A stored triangle, as decoders without padding have it: no mask is left at all. */
static void a_constant_triangle_needs_no_mask(void **state) {
    (void)state;
    mask_case m;
    float mask[2 * 3 * 5];
    begin(&m, 18);
    for (uint32_t n = 0; n < 30; n++)
        mask[n] = n % 5 <= n / 5 % 3 + 2 ? 0 : -INFINITY;
    (void)onnx_initializer(&m.c, m.c.graph, "mask", F32, "2,1,3,5", mask);
    scores(&m);
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, true);
    lower(&m);
    for (uint32_t n = 0; n < m.c.lowered.n_calls; n++)
        if (m.c.lowered.call[n].call.kernel == DMS_K_ATTENTION)
            assert_int_equal(m.c.lowered.call[n].call.n_in, 3);
    assert_int_equal(causal_of(&m.c), 1);
    expect_result(&m, only_triangle, 0);
}

static float bert_score(float score, bool is_seen, int64_t am) {
    (void)is_seen;
    return score + (am != 0 ? 0 : -FLT_MAX);
}

/* BERT: the padding mask is expanded to a square, cast and inverted: a vector is left. */
static void an_expanded_padding_mask_stays_a_vector(void **state) {
    (void)state;
    mask_case m;
    begin(&m, 18);
    onnx_i64(&m.c, m.c.graph, "square", shape(&m, 2, 1, 3, 5));
    scores(&m);
    (void)node(&m, "Unsqueeze", "am,middle", "am4");
    (void)node(&m, "Expand", "am4,square", "wide");
    onnx_int(&m.c, node(&m, "Cast", "wide", "real"), "to", F32);
    (void)node(&m, "Sub", "one,real", "rest");
    onnx_int(&m.c, node(&m, "Cast", "rest", "is_pad"), "to", DMS_DTYPE_BOOL);
    (void)node(&m, "Where", "is_pad,lowest,rest", "mask");
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, false);
    expect_triangle(&m, 0, bert_score, NAN);
}

/* The upper triangle of -infinity, and the lower one of ones, cut behind the past. */
static void triangle_of_trilu(bool is_upper, const sizes *z) {
    static const float lowest = -INFINITY, one = 1;
    mask_case m;
    begin_at(&m, 18, z);
    index_scalar(&m, "cut", is_upper ? z->past + 1 : z->past);
    onnx_i64(&m.c, m.c.graph, "square", dms_format(&m.c.arena, "%u,%u", z->s, z->t));
    scores(&m);
    onnx_tensor_attr(&m.c, node(&m, "ConstantOfShape", "square", "all"), "value",
                     onnx_tensor(&m.c, "", F32, "1", is_upper ? &lowest : &one));
    onnx_int(&m.c, node(&m, "Trilu", "all,cut", is_upper ? "mask" : "ones"), "upper", is_upper);
    if (!is_upper) {
        onnx_int(&m.c, node(&m, "Cast", "ones", "seen"), "to", DMS_DTYPE_BOOL);
        (void)node(&m, "Not", "seen", "hidden");
        (void)node(&m, "Where", "hidden,inf,zero", "mask");
    }
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, false);
    expect_triangle(&m, 1, only_triangle, NAN);
}

static void trilu_cuts_at_any_diagonal(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        triangle_of_trilu(true, SIZES[k]);
        triangle_of_trilu(false, SIZES[k]);
    }
}

/* Attention 23 with a bool mask: a row of padding is NaN. */
static void attention_23(const sizes *z) {
    mask_case m;
    begin_at(&m, 23, z);
    causal_from_ranges(&m, "LessOrEqual");
    (void)node(&m, "Expand", "le,batch", "wide");
    padding(&m, DMS_DTYPE_BOOL, "pad");
    (void)node(&m, "And", "wide,pad", "both");
    onnx_float(&m.c, node(&m, "Attention", "q,k,v,both", "y"), "scale", 1);
    expect_triangle(&m, 1, minus_infinity, NAN);
}

static void the_mask_of_attention_23(void **state) {
    (void)state;
    for (size_t k = 0; k < 2; k++)
        attention_23(SIZES[k]);
}

/* Every comparison, with the keys on either side. */
static void comparisons_may_be_written_in_any_way(void **state) {
    (void)state;
    static const struct {
        const char *op;
        bool key_is_first, holds_if_seen, is_strict;
    } FORM[] = {
        {"LessOrEqual", true, true, false},
        {"GreaterOrEqual", false, true, false},
        {"Less", true, true, true},
        {"Greater", false, true, true},
        {"Greater", true, false, false},
        {"Less", false, false, false},
        {"GreaterOrEqual", true, false, true},
        {"LessOrEqual", false, false, true},
    };
    for (size_t k = 0; k < 2 * (sizeof FORM / sizeof FORM[0]); k++) {
        const size_t form = k / 2;
        mask_case m;
        begin_at(&m, 18, SIZES[k % 2]);
        scores(&m);
        (void)node(&m, "Range", "i0,total,i1", "keys");
        (void)node(&m, "Range", "past,total,i1", "rows");
        if (FORM[form].is_strict) /* t < s + past + 1 */
            (void)node(&m, "Add", "rows,i1", "more");
        (void)node(&m, "Reshape", FORM[form].is_strict ? "more,column" : "rows,column", "queries");
        (void)node(&m, FORM[form].op, FORM[form].key_is_first ? "keys,queries" : "queries,keys",
                   "le2");
        (void)node(&m, "Where", FORM[form].holds_if_seen ? "le2,zero,inf" : "le2,inf,zero", "mask");
        (void)node(&m, "Add", "s,mask", "masked");
        weigh(&m, false);
        expect_triangle(&m, 1, only_triangle, NAN);
    }
}

/* Scores can be felt beside -3: the mask stays as it is. */
static float minus_three(float score, bool is_seen, int64_t am) {
    (void)am;
    return is_seen ? score : score - 3;
}

static void a_number_that_swallows_nothing_stays_a_mask(void **state) {
    (void)state;
    mask_case m;
    begin(&m, 18);
    scalar(&m, "three", -3);
    scores(&m);
    causal_from_ranges(&m, "LessOrEqual");
    (void)node(&m, "Where", "le,zero,three", "mask");
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, false);
    lower(&m);
    assert_true(has_square(&m));
    assert_int_equal(causal_of(&m.c), 0);
    expect_result(&m, minus_three, NAN);
}

/* Where(triangle, s + pad, -10,000) replaces the score: no need for a number that swallows it. A
 * row of padding, lower still, spreads over the keys beyond the triangle alone. */
static float replaced(float score, bool is_seen, int64_t am) {
    return is_seen ? score + (am != 0 ? 0 : -FLT_MAX) : -10000;
}

static void a_score_that_is_replaced_may_be_a_smaller_number(void **state) {
    (void)state;
    mask_case m;
    begin(&m, 18);
    scalar(&m, "low", -10000);
    scores(&m);
    causal_from_ranges(&m, "LessOrEqual");
    padding(&m, DMS_DTYPE_BOOL, "pad");
    (void)node(&m, "Where", "pad,zero,lowest", "mask");
    (void)node(&m, "Add", "s,mask", "padded");
    (void)node(&m, "Where", "le,padded,low", "masked");
    weigh(&m, false);
    expect_triangle(&m, 1, replaced, NAN);
}

/* t <= s without the past is another triangle than the kernel's: it stays a mask. */
static void a_triangle_at_another_diagonal_stays_a_mask(void **state) {
    (void)state;
    mask_case m;
    begin(&m, 18);
    index_scalar(&m, "three", SMALL.s);
    scores(&m);
    (void)node(&m, "Range", "i0,total,i1", "keys");
    (void)node(&m, "Range", "i0,three,i1", "rows");
    (void)node(&m, "Reshape", "rows,column", "queries");
    (void)node(&m, "LessOrEqual", "keys,queries", "le");
    (void)node(&m, "Where", "le,zero,inf", "mask");
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, false);
    lower(&m);
    assert_true(has_square(&m));
    assert_int_equal(causal_of(&m.c), 0);
    onnx_end(&m.c);
}

/* A window has two diagonals, and what lies between is like neither side. */
static float in_window(float score, bool is_seen, int64_t am) {
    (void)am;
    return is_seen ? score : -INFINITY;
}

static void a_window_stays_a_mask(void **state) {
    (void)state;
    mask_case m;
    begin(&m, 18);
    scores(&m);
    causal_from_ranges(&m, "LessOrEqual");
    (void)node(&m, "Sub", "queries,past", "oldest"); /* the three newest keys */
    (void)node(&m, "GreaterOrEqual", "keys,oldest", "is_new");
    (void)node(&m, "And", "le2,is_new", "both");
    (void)node(&m, "Where", "both,zero,inf", "mask");
    (void)node(&m, "Add", "s,mask", "masked");
    weigh(&m, false);
    lower(&m);
    assert_true(has_square(&m));
    const float *y = run(&m), *want = attend(&m, in_window, NAN);
    for (uint32_t e = 0; e < D; e++) { /* query 0 sees keys 0 1 2 either way, query 2 does not */
        assert_true(fabsf(y[e] - want[e]) < 1e-5f);
        assert_true(fabsf(y[2 * D + e] - want[2 * D + e]) > 1e-5f);
    }
    onnx_end(&m.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sdpa_form_of_dynamo),
        cmocka_unit_test(without_a_guard_a_row_of_padding_is_nan),
        cmocka_unit_test(the_eager_form_of_dynamo),
        cmocka_unit_test(a_row_of_padding_spreads_over_all_keys),
        cmocka_unit_test(the_eager_form_of_torchscript),
        cmocka_unit_test(two_triangles_of_torchscript_are_one),
        cmocka_unit_test(the_form_of_gpt2_in_torchscript),
        cmocka_unit_test(a_constant_triangle_needs_no_mask),
        cmocka_unit_test(an_expanded_padding_mask_stays_a_vector),
        cmocka_unit_test(trilu_cuts_at_any_diagonal),
        cmocka_unit_test(the_mask_of_attention_23),
        cmocka_unit_test(comparisons_may_be_written_in_any_way),
        cmocka_unit_test(a_number_that_swallows_nothing_stays_a_mask),
        cmocka_unit_test(a_score_that_is_replaced_may_be_a_smaller_number),
        cmocka_unit_test(a_triangle_at_another_diagonal_stays_a_mask),
        cmocka_unit_test(a_window_stays_a_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
