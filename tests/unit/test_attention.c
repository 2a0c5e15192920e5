/* test_attention.c - attention against softmax in doubles; equal bits in every way of running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support_call.h"

typedef struct shape {
    int64_t batch, heads, shared, s, t, d, e;
    int64_t causal, mask, empty; /* as the integer parameters */
    double softcap;
    bool has_fill;
    double fill; /* the score beyond the causal limit */
} shape;

static void begin_typed(call_case *c, const shape *s, bool by_token, dms_dtype dtype) {
    /* by token: memory order b, s, h, d, as projections leave it */
    static const uint32_t token_order[4] = {0, 2, 1, 3};
    const uint32_t *order = by_token ? token_order : NULL;
    const int64_t q[4] = {s->batch, s->heads, s->s, s->d}, k[4] = {s->batch, s->shared, s->t, s->d};
    const int64_t v[4] = {s->batch, s->shared, s->t, s->e}, m[4] = {s->batch, s->heads, s->s, s->t};
    const int64_t y[4] = {s->batch, s->heads, s->s, s->e}, i[3] = {s->causal, s->mask, s->empty};
    const double f[3] = {1.0 / sqrt((double)s->d), s->softcap, s->fill};
    call_begin(c, DMS_K_ATTENTION, (uint32_t)(s->s * 131 + s->t + s->d));
    call_in_strided(c, dtype, 4, q, order, 0, 0);
    call_in_strided(c, dtype, 4, k, order, 0, 0);
    call_in_strided(c, dtype, 4, v, order, by_token ? 3 : 0, 0);
    if (s->mask != 0) /* repeated over heads */
        call_in_strided(c, s->mask == 2 ? DMS_DTYPE_BOOL : dtype, 4, m, NULL, 0, 2);
    call_out_strided(c, dtype, 4, y, order, 0);
    call_params(c, 3, i, s->has_fill ? 3 : 2, f);
}

static void begin(call_case *c, const shape *s, bool by_token) {
    begin_typed(c, s, by_token, DMS_DTYPE_F32);
}

static const uint8_t *bool_at(const call_case *c, int64_t b, int64_t s, int64_t t) {
    const dms_view *m = &c->view[3];
    return (const uint8_t *)c->data[3] + b * m->pitch[0] + s * m->pitch[2] + t * m->pitch[3];
}

/* The score of one pair; -infinity where it is masked. */
static double score(const call_case *c, const shape *z, int64_t b, int64_t h, int64_t s,
                    int64_t t) {
    double sum = 0;
    for (int64_t k = 0; k < z->d; k++)
        sum +=
            (double)call_at(c, 0, b, h, s, k) * call_at(c, 1, b, h / (z->heads / z->shared), t, k);
    sum *= c->f[0];
    if (z->softcap != 0)
        sum = z->softcap * tanh(sum / z->softcap);
    const bool is_beyond = z->causal != 0 && t > s + z->t - z->s;
    if (is_beyond && z->causal == 2)
        sum = z->fill;
    if (z->mask == 1)
        sum += call_at(c, 3, b, h, s, t);
    if (z->mask == 2 && *bool_at(c, b, s, t) == 0)
        sum = -INFINITY;
    if (is_beyond && z->causal == 1)
        sum = z->has_fill ? z->fill : -INFINITY;
    return sum;
}

/* Softmax of a row times column j of v. */
static double specified(const call_case *c, const shape *z, int64_t b, int64_t h, int64_t s,
                        int64_t j) {
    double high = -INFINITY, total = 0, sum = 0;
    for (int64_t t = 0; t < z->t; t++)
        high = fmax(high, score(c, z, b, h, s, t));
    for (int64_t t = 0; t < z->t; t++) {
        const bool is_empty = high == -INFINITY;
        const double p = is_empty ? (z->empty == 1) : exp(score(c, z, b, h, s, t) - high);
        total += p;
        sum += p * call_at(c, 2, b, h / (z->heads / z->shared), t, j);
    }
    return total == 0 && z->empty == 0 ? 0 : sum / total;
}

static void expect_specified(const call_case *c, const shape *z) {
    const int64_t step = z->s > 20 ? 7 : 1;
    for (int64_t b = 0; b < z->batch; b++)
        for (int64_t h = 0; h < z->heads; h++)
            for (int64_t s = 0; s < z->s; s += step)
                for (int64_t j = 0; j < z->e; j += step) {
                    const double want = specified(c, z, b, h, s, j);
                    const double got = call_at(c, c->call.n_in, b, h, s, j);
                    if (!(fabs(want - got) < 2e-6) && !(isnan(want) && isnan(got)))
                        fail_msg("y[%d,%d,%d,%d] is %g, wanted %g", (int)b, (int)h, (int)s, (int)j,
                                 got, want);
                }
}

/* batch heads shared s t d e  causal mask empty softcap */
static const shape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, false, 0},      {2, 3, 3, 7, 9, 16, 16, 0, 0, 0, 0, false, 0},
    {1, 4, 2, 5, 300, 20, 24, 1, 0, 0, 0, false, 0},  /* two blocks of keys, two heads share */
    {1, 2, 1, 100, 100, 8, 17, 1, 0, 0, 0, false, 0}, /* tiles on the diagonal, heads meet */
    {1, 8, 2, 1, 513, 64, 64, 1, 0, 0, 0, false, 0},  /* one new token */
    {2, 2, 2, 13, 40, 12, 8, 0, 1, 0, 0, false, 0},   /* added mask */
    {2, 2, 1, 13, 290, 12, 8, 0, 2, 0, 0, false, 0},  /* bool mask */
    {1, 2, 2, 6, 30, 300, 5, 1, 2, 1, 0, false, 0},   /* two segments of q k; causal and masked */
    {1, 1, 1, 9, 20, 8, 8, 0, 0, 0, 3.0, false, 0},   /* softcap */
    {1, 2, 2, 8, 5, 8, 8, 1, 0, 0, 0, false, 0},      /* rows without a key: zero */
    {1, 2, 2, 8, 5, 8, 8, 1, 0, 1, 0, false, 0},      /* ... uniform */
    {1, 2, 2, 8, 5, 8, 8, 1, 0, 2, 0, false, 0},      /* ... NaN */
};

static void every_row_is_a_softmax_over_its_keys(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        for (int by_token = 0; by_token < 2; by_token++) {
            call_case c;
            begin(&c, &shapes[k], by_token != 0);
            call_runs_alike(&c);
            expect_specified(&c, &shapes[k]);
            call_free(&c);
        }
}

/* A fill that weighs something beside every row's scores, and one that none of them feels. */
static void keys_beyond_the_limit_have_the_score_of_the_fill(void **state) {
    (void)state;
    static const shape filled[] = {
        {1, 2, 2, 7, 7, 8, 8, 1, 0, 0, 0, true, -0.5},
        {1, 4, 2, 5, 300, 20, 24, 1, 0, 0, 0, true, 1.5}, /* two blocks of keys */
        {2, 2, 1, 13, 290, 12, 8, 1, 1, 0, 0, true, -2},  /* added mask, not beyond the limit */
        {2, 2, 1, 13, 290, 12, 8, 2, 1, 0, 0, true, -2},  /* ... and there as well */
        {2, 2, 2, 13, 13, 12, 8, 2, 1, 0, 0, true, 0.25},
        {1, 2, 1, 100, 100, 8, 17, 1, 2, 0, 0, true, -1}, /* bool mask */
        {1, 2, 2, 8, 5, 8, 8, 1, 0, 2, 0, true, -3},      /* rows that see no key: the mean */
        {1, 2, 1, 100, 100, 8, 17, 1, 0, 0, 0, true, -200},
        {1, 2, 1, 100, 100, 8, 17, 1, 0, 2, 0, true, -INFINITY},
    };
    for (size_t k = 0; k < sizeof filled / sizeof *filled; k++)
        for (int by_token = 0; by_token < 2; by_token++) {
            call_case c;
            begin(&c, &filled[k], by_token != 0);
            call_runs_alike(&c);
            expect_specified(&c, &filled[k]);
            call_free(&c);
        }
}

/* Padding on the left, written with the lowest float: the first rows see only masked keys, and
 * equal scores on both sides of the limit give the mean over all keys. */
static void a_row_of_masked_keys_spreads_over_the_keys_beyond_the_limit(void **state) {
    (void)state;
    const double lowest = -3.4028234663852886e38;
    const shape z = {1, 1, 1, 4, 4, 4, 4, 1, 1, 0, 0, true, lowest};
    call_case c;
    begin(&c, &z, false);
    for (int64_t t = 0; t < 16; t++)
        ((float *)c.data[3])[t] = t % 4 < 2 ? (float)lowest : 0.0f; /* two keys are padding */
    call_runs_alike(&c);
    float mean = 0;
    for (int64_t t = 0; t < 4; t++)
        mean += call_at(&c, 2, 0, 0, t, 1) / 4;
    for (int64_t s = 0; s < 2; s++)
        assert_true(fabsf(call_at(&c, 4, 0, 0, s, 1) - mean) < 1e-6f);
    assert_true(call_at(&c, 4, 0, 0, 2, 1) == call_at(&c, 2, 0, 0, 2, 1)); /* one key left */
    call_free(&c);
}

/* The same with the mask added to the fill: lowest + lowest is -infinity, so the mean is over the
 * padding within the limit and what is no padding beyond it. */
static void a_mask_added_to_the_fill_takes_padding_out_beyond_the_limit(void **state) {
    (void)state;
    const double lowest = -3.4028234663852886e38;
    const shape z = {1, 1, 1, 4, 4, 4, 4, 2, 1, 0, 0, true, lowest};
    call_case c;
    begin(&c, &z, false);
    for (int64_t t = 0; t < 16; t++)
        ((float *)c.data[3])[t] = t % 4 < 2 ? (float)lowest : 0.0f;
    call_runs_alike(&c);
    const float mean =
        (call_at(&c, 2, 0, 0, 0, 3) + call_at(&c, 2, 0, 0, 2, 3) + call_at(&c, 2, 0, 0, 3, 3)) /
        3; /* key 1 is padding beyond the limit of row 0 */
    assert_true(fabsf(call_at(&c, 4, 0, 0, 0, 3) - mean) < 1e-6f);
    call_free(&c);
}

static void a_fill_wants_a_triangle_and_a_number(void **state) {
    (void)state;
    shape z = {1, 1, 1, 4, 4, 4, 4, 1, 0, 0, 0, true, -1};
    call_case c;
    begin(&c, &z, false);
    call_is_valid(&c);
    c.i[0] = 0;
    call_is_refused(&c, "a fill of -1 with causal 0");
    c.i[0] = 2;
    call_is_refused(&c, "causal 2 without fill or added mask");
    c.i[0] = 1;
    c.f[2] = NAN;
    call_is_refused(&c, "a fill of nan");
    c.call.n_f = 1;
    call_is_refused(&c, "1 real parameters, wants 2 or 3");
    call_free(&c);
}

/* A row whose mask is false everywhere: 0, the mean of v, NaN. */
static void a_row_without_keys_is_what_the_pattern_defines(void **state) {
    (void)state;
    for (int64_t empty = 0; empty < 3; empty++) {
        const shape z = {1, 1, 1, 2, 3, 4, 4, 0, 2, empty, 0, false, 0};
        call_case c;
        begin(&c, &z, false);
        memset(c.data[3], 0, 6);
        ((uint8_t *)c.data[3])[4] = 1; /* query 1 sees key 1 */
        call_runs_alike(&c);
        float mean = 0;
        for (int64_t t = 0; t < 3; t++)
            mean += call_at(&c, 2, 0, 0, t, 0);
        const float y = call_at(&c, 4, 0, 0, 0, 0);
        assert_true(empty == 0 ? y == 0.0f : empty == 1 ? y == mean / 3.0f : y != y);
        assert_true(call_at(&c, 4, 0, 0, 1, 2) == call_at(&c, 2, 0, 0, 1, 2));
        call_free(&c);
    }
}

/* Exporters mask with the lowest float: it swallows every score, and equal scores are uniform,
 * whatever `empty_row` says. */
static void a_finite_mask_over_a_whole_row_gives_the_mean(void **state) {
    (void)state;
    const shape z = {1, 1, 1, 1, 5, 4, 4, 0, 1, 0, 0, false, 0};
    call_case c;
    begin(&c, &z, false);
    for (int64_t t = 0; t < 5; t++)
        ((float *)c.data[3])[t] = -3.4028234663852886e38f;
    call_runs_alike(&c);
    float mean = 0;
    for (int64_t t = 0; t < 5; t++)
        mean += call_at(&c, 2, 0, 0, t, 3);
    assert_true(fabsf(mean / 5.0f - call_at(&c, 4, 0, 0, 0, 3)) < 1e-6f);
    call_free(&c);
}

/* A NaN score must not vanish in a maximum. */
static void nan_in_a_score_reaches_its_row(void **state) {
    (void)state;
    const shape z = {1, 1, 1, 2, 5, 4, 4, 0, 0, 0, 0, false, 0};
    call_case c;
    begin(&c, &z, false);
    ((float *)c.data[0])[0] = NAN;
    call_run(&c, DMS_ISA_BASE);
    assert_true(isnan(call_at(&c, 3, 0, 0, 0, 1)));
    assert_false(isnan(call_at(&c, 3, 0, 0, 1, 1)));
    call_free(&c);
}

/* f16 and bf16, their masks too, are computed in f32 and rounded once. */
static void narrow_attention_is_computed_in_f32(void **state) {
    (void)state;
    for (size_t k = 0; k < 9; k++)
        for (int is_brain = 0; is_brain < 2; is_brain++) {
            call_case c;
            begin_typed(&c, &shapes[k], false, is_brain != 0 ? DMS_DTYPE_BF16 : DMS_DTYPE_F16);
            call_rounds_once(&c);
            call_free(&c);
        }
}

/* More than 64 rows to a key head, rows of 16 bytes, no mask: what a card may leave to a library. */
static void narrow_attention_of_many_queries_is_computed_in_f32(void **state) {
    (void)state;
    static const shape many[] = {
        {1, 2, 1, 40, 40, 16, 16, 0, 0, 0, 0, false, 0},
        {2, 2, 2, 70, 90, 64, 64, 1, 0, 0, 0, false, 0},
        {1, 4, 2, 66, 66, 128, 128, 1, 0, 0, 0, true, -65504},
        {1, 1, 1, 130, 77, 40, 48, 0, 0, 0, 0, false, 0},
    };
    for (size_t k = 0; k < sizeof many / sizeof *many; k++)
        for (int is_brain = 0; is_brain < 2; is_brain++) {
            call_case c;
            begin_typed(&c, &many[k], false, is_brain != 0 ? DMS_DTYPE_BF16 : DMS_DTYPE_F16);
            call_rounds_once(&c);
            call_free(&c);
        }
}

static void wrong_calls_are_refused(void **state) {
    (void)state;
    const shape z = {1, 4, 2, 2, 5, 4, 4, 0, 2, 0, 0, false, 0};
    call_case c;
    begin(&c, &z, false);
    call_is_valid(&c);
    c.i[1] = 0;
    call_is_refused(&c, "4 inputs and mask kind 0");
    c.i[1] = 1;
    call_is_refused(&c, "dtype bool does not fit");
    c.i[1] = 2;
    c.view[3].dim[3] = 4;
    call_is_refused(&c, "operand 3");
    c.view[3].dim[3] = 5;
    c.view[1].dim[1] = c.view[2].dim[1] = 3;
    call_is_refused(&c, "4 heads share 3");
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_a_softmax_over_its_keys),
        cmocka_unit_test(keys_beyond_the_limit_have_the_score_of_the_fill),
        cmocka_unit_test(a_row_of_masked_keys_spreads_over_the_keys_beyond_the_limit),
        cmocka_unit_test(a_mask_added_to_the_fill_takes_padding_out_beyond_the_limit),
        cmocka_unit_test(a_fill_wants_a_triangle_and_a_number),
        cmocka_unit_test(a_row_without_keys_is_what_the_pattern_defines),
        cmocka_unit_test(a_finite_mask_over_a_whole_row_gives_the_mean),
        cmocka_unit_test(nan_in_a_score_reaches_its_row),
        cmocka_unit_test(narrow_attention_is_computed_in_f32),
        cmocka_unit_test(narrow_attention_of_many_queries_is_computed_in_f32),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
