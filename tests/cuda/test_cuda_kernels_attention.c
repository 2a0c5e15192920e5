/* test_cuda_kernels_attention.c - attention on tensor cores, emulated, against softmax in doubles
 * of the same narrow inputs; which kernel takes which call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/attention_parts.h"
#include "tests/cuda/emulate.h"
#include "tests/unit/support_call.h"
#include "tests/unit/support_device.h"

typedef struct shape {
    const char *kernel; /* that takes it */
    dms_dtype dtype;
    int64_t batch, heads, shared, s, t, d, e;
    int64_t causal, mask, empty; /* as the integer parameters */
    double softcap;
    bool has_fill;
    double fill;
    bool by_token; /* memory order b, s, h, d, as projections leave it */
    dms_dtype mask_dtype;
} shape;

#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16
#define F32 DMS_DTYPE_F32
#define BOOL DMS_DTYPE_BOOL
#define LOWEST (-3.4028234663852886e38)

static void begin(call_case *c, const shape *z) {
    static const uint32_t token_order[4] = {0, 2, 1, 3};
    const uint32_t *order = z->by_token ? token_order : NULL;
    const int64_t q[4] = {z->batch, z->heads, z->s, z->d}, k[4] = {z->batch, z->shared, z->t, z->d};
    const int64_t v[4] = {z->batch, z->shared, z->t, z->e}, m[4] = {z->batch, z->heads, z->s, z->t};
    const int64_t y[4] = {z->batch, z->heads, z->s, z->e}, i[3] = {z->causal, z->mask, z->empty};
    const double f[3] = {3.0 / sqrt((double)z->d), z->softcap, z->fill};
    call_begin(c, DMS_K_ATTENTION, (uint32_t)(z->s * 131 + z->t + z->d));
    call_in_strided(c, z->dtype, 4, q, order, 0, 0);
    call_in_strided(c, z->dtype, 4, k, order, z->by_token ? 8 : 0, 0);
    call_in_strided(c, z->dtype, 4, v, order, 0, 0);
    if (z->mask != 0) /* repeated over heads */
        call_in_strided(c, z->mask == 2 ? BOOL : z->mask_dtype, 4, m, NULL, 0, 2);
    call_out_strided(c, z->dtype, 4, y, order, 0);
    call_params(c, 3, i, z->has_fill ? 3 : 2, f);
    call_is_valid(c);
}

static bool is_taken(const call_case *c, int64_t b, int64_t s, int64_t t) {
    const dms_view *m = &c->view[3];
    return ((const uint8_t *)c->data[3])[b * m->pitch[0] + s * m->pitch[2] + t * m->pitch[3]] != 0;
}

/* The score of one pair; -infinity where it is masked. */
static double score(const call_case *c, const shape *z, int64_t b, int64_t h, int64_t s,
                    int64_t t) {
    const bool is_beyond = z->causal != 0 && t > s + z->t - z->s;
    double sum = 0;
    if (is_beyond && z->causal == 1)
        return z->has_fill ? z->fill : -INFINITY;
    for (int64_t k = 0; k < z->d; k++)
        sum +=
            (double)call_at(c, 0, b, h, s, k) * call_at(c, 1, b, h / (z->heads / z->shared), t, k);
    sum *= c->f[0];
    if (z->softcap != 0)
        sum = z->softcap * tanh(sum / z->softcap);
    if (is_beyond)
        sum = z->fill;
    if (z->mask == 1)
        sum = (float)(sum + call_at(c, 3, b, h, s, t)); /* the lowest float swallows a score */
    return z->mask == 2 && !is_taken(c, b, s, t) ? -INFINITY : sum;
}

static void expect_row(const call_case *c, const shape *z, int64_t b, int64_t h, int64_t s,
                       double tolerance) {
    double p[1200], high = -INFINITY, total = 0;
    assert_in_range(z->t, 0, 1200);
    for (int64_t t = 0; t < z->t; t++)
        high = fmax(high, p[t] = score(c, z, b, h, s, t));
    for (int64_t t = 0; t < z->t; t++)
        total += p[t] = high == -INFINITY ? z->empty == 1 : exp(p[t] - high);
    for (int64_t j = 0; j < z->e; j++) {
        double want = 0;
        for (int64_t t = 0; t < z->t; t++)
            want += p[t] * call_at(c, 2, b, h / (z->heads / z->shared), t, j);
        want = total == 0 && z->empty == 0 ? 0 : want / total;
        const double got = call_at(c, c->call.n_in, b, h, s, j);
        if (!(fabs(want - got) <= tolerance) && !(isnan(want) && isnan(got)))
            fail_msg("%s: y[%d,%d,%d,%d] is %g, wanted %g", z->kernel, (int)b, (int)h, (int)s,
                     (int)j, got, want);
    }
}

/* Values lie in [-1, 1): f16 keeps 11 bits of weights and results, bf16 8. */
static double tolerance_of(const shape *z) {
    return z->dtype == F16 ? 1e-3 : 8e-3;
}

static void run(call_case *c) {
    void *operand[CALL_OPERANDS];
    uint32_t index_error = 0;
    memcpy(operand, c->data, sizeof operand);
    assert_true(device_run(&c->call, operand, &index_error));
}

static void expect_softmax(const shape *z) {
    call_case c;
    const uint32_t before = emulate_launches_of(z->kernel);
    begin(&c, z);
    run(&c);
    if (emulate_launches_of(z->kernel) != before + 1)
        fail_msg("%s does not take the call", z->kernel);
    for (int64_t b = 0; b < z->batch; b++)
        for (int64_t h = 0; h < z->heads; h++)
            for (int64_t s = 0; s<z->s; s += z->s> 30 ? 5 : 1)
                expect_row(&c, z, b, h, s, tolerance_of(z));
    call_free(&c);
}

/* Once with a block for each tile, once with one for all of them. */
#define RUN(shapes)                                                                                \
    for (size_t k = 0; k < 2 * sizeof(shapes) / sizeof *(shapes); k++) {                           \
        emulate_limit_blocks(k % 2);                                                               \
        expect_softmax(&(shapes)[k / 2]);                                                          \
    }                                                                                              \
    emulate_limit_blocks(0);

/* One token after a long cache, alone and with query heads that share keys; 16 rows and 17. */
static void few_queries_take_parts_of_the_keys(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"attention_few_half_64", F16, 1, 2, 2, 1, 300, 64, 64, 1, 0, 0, 0, false, 0, false, 0},
        {"attention_few_brain_64", BF16, 1, 2, 1, 1, 77, 64, 40, 1, 0, 0, 0, false, 0, true, 0},
        {"attention_few_half_128", F16, 1, 8, 1, 2, 1100, 128, 128, 1, 0, 0, 0, false, 0, true, 0},
        {"attention_few_half_128", F16, 1, 2, 2, 17, 50, 80, 96, 1, 0, 0, 0, false, 0, false, 0},
        {"attention_few_brain_128", BF16, 2, 2, 1, 1, 40, 128, 72, 0, 0, 0, 0, false, 0, false, 0},
        {"attention_few_half_256", F16, 1, 2, 2, 1, 150, 256, 256, 1, 0, 0, 0, false, 0, false, 0},
        {"attention_few_brain_256", BF16, 1, 1, 1, 3, 33, 160, 256, 1, 0, 0, 0, false, 0, true, 0},
    };
    RUN(shapes)
}

/* Tiles of 128 rows, of 64 for the widest; rows that straddle heads, diagonals within a stage. */
static void many_queries_take_tiles(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"attention_tile_half_64", F16, 1, 1, 1, 130, 130, 64, 64, 1, 0, 0, 0, false, 0, false, 0},
        {"attention_tile_brain_64", BF16, 1, 2, 2, 65, 200, 40, 64, 1, 0, 0, 0, false, 0, true, 0},
        {"attention_tile_half_96", F16, 1, 4, 2, 40, 70, 80, 80, 1, 0, 0, 0, false, 0, true, 0},
        {"attention_tile_brain_96", BF16, 1, 1, 1, 70, 33, 72, 80, 0, 0, 0, 0, false, 0, false, 0},
        {"attention_tile_half_96", F16, 1, 3, 1, 30, 90, 96, 88, 0, 0, 0, 0, false, 0, false, 0},
        {"attention_tile_brain_96", BF16, 1, 1, 1, 66, 66, 96, 96, 1, 0, 0, 0, false, 0, true, 0},
        {"attention_tile_half_128", F16, 2, 2, 1, 70, 100, 128, 128, 1, 0, 0, 0, false, 0, true, 0},
        {"attention_tile_brain_128", BF16, 1, 1, 1, 65, 65, 128, 104, 1, 0, 0, 0, false, 0, true,
         0},
        {"attention_tile_half_256", F16, 1, 1, 1, 70, 80, 256, 200, 1, 0, 0, 0, false, 0, false, 0},
        {"attention_tile_brain_256", BF16, 1, 1, 1, 65, 40, 160, 256, 0, 0, 0, 0, false, 0, true,
         0},
    };
    RUN(shapes)
}

/* Masks, caps and empty rows, on both kinds of kernel. */
static void masks_caps_and_empty_rows_are_as_the_call_says(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"attention_tile_half_64", F16, 2, 2, 2, 66, 70, 64, 64, 0, 1, 0, 0, false, 0, false, F16},
        {"attention_tile_half_64", F16, 1, 2, 1, 66, 70, 64, 64, 1, 1, 0, 0, false, 0, true, F32},
        {"attention_tile_brain_64", BF16, 1, 2, 1, 66, 9, 64, 64, 0, 1, 0, 0, false, 0, true, BF16},
        {"attention_tile_half_64", F16, 1, 2, 2, 66, 70, 64, 64, 1, 2, 1, 0, false, 0, false, 0},
        {"attention_tile_half_64", F16, 1, 1, 1, 70, 90, 64, 64, 0, 0, 0, 2.0, false, 0, false, 0},
        {"attention_tile_half_64", F16, 1, 1, 1, 80, 5, 64, 64, 1, 0, 0, 0, false, 0, false, 0},
        {"attention_tile_half_64", F16, 1, 1, 1, 80, 5, 64, 64, 1, 0, 1, 0, false, 0, false, 0},
        {"attention_tile_half_64", F16, 1, 1, 1, 80, 5, 64, 64, 1, 0, 2, 0, false, 0, false, 0},
        {"attention_few_half_64", F16, 2, 2, 2, 3, 70, 64, 64, 0, 1, 0, 0, false, 0, false, F16},
        {"attention_few_half_64", F16, 1, 4, 2, 3, 70, 64, 64, 1, 2, 1, 1.5, false, 0, true, 0},
        {"attention_few_half_64", F16, 1, 1, 1, 8, 5, 64, 64, 1, 0, 0, 0, false, 0, false, 0},
        {"attention_few_half_64", F16, 1, 1, 1, 8, 5, 64, 64, 1, 0, 1, 0, false, 0, false, 0},
        {"attention_few_half_64", F16, 1, 1, 1, 8, 5, 64, 64, 1, 0, 2, 0, false, 0, false, 0},
    };
    RUN(shapes)
}

/* A triangle written with a number: felt by all rows, by none, by rows that see no key. */
static void keys_beyond_the_limit_have_the_score_of_the_fill(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"attention_tile_half_64", F16, 1, 1, 1, 150, 200, 64, 64, 1, 0, 0, 0, true, -1, false, 0},
        {"attention_tile_half_64", F16, 1, 1, 1, 150, 200, 64, 64, 1, 0, 0, 0, true, LOWEST, true,
         0},
        {"attention_tile_half_64", F16, 1, 1, 1, 150, 140, 64, 64, 1, 0, 2, 0, true, LOWEST, true,
         0},
        {"attention_tile_half_64", F16, 1, 2, 1, 150, 200, 64, 64, 2, 1, 0, 0, true, -1, false,
         F32},
        {"attention_tile_half_64", F16, 1, 2, 1, 150, 200, 64, 64, 2, 1, 0, 0, true, -99, false,
         F16},
        {"attention_few_half_64", F16, 1, 1, 1, 20, 40, 64, 64, 1, 0, 0, 0, true, -1, false, 0},
        {"attention_few_half_64", F16, 1, 2, 1, 20, 40, 64, 64, 2, 1, 0, 0, true, -1, false, F32},
    };
    RUN(shapes)
}

/* Padding on the left, written with the lowest float: the first rows see only masked keys, and
 * equal scores on both sides of the limit give the mean over all keys. */
static void a_row_of_masked_keys_spreads_over_the_keys_beyond_the_limit(void **state) {
    (void)state;
    static const int64_t rows[] = {4, 70};
    for (size_t k = 0; k < 2; k++) {
        const shape z = {"attention", F16, 1, 1, 1,    rows[k], rows[k], 64, 64,
                         1,           1,   0, 0, true, LOWEST,  false,   F32};
        call_case c;
        begin(&c, &z);
        for (int64_t e = 0; e < z.s * z.t; e++)
            ((float *)c.data[3])[e] = e % z.t < 2 ? (float)LOWEST : 0.0f; /* two keys are padding */
        run(&c);
        for (int64_t s = 0; s < z.s; s++)
            expect_row(&c, &z, 0, 0, s, tolerance_of(&z));
        call_free(&c);
    }
}

/* What tensor cores do not take goes to the kernel that takes all: f32, rows that lie at odd
 * places, heads that are wider. */
static void other_calls_take_the_general_kernel(void **state) {
    (void)state;
    static const shape shapes[] = {
        {"attention_tile", F32, 1, 1, 1, 80, 9, 64, 64, 0, 0, 0, 0, false, 0, false, 0},
        {"attention_tile", F16, 1, 1, 1, 80, 9, 60, 64, 0, 0, 0, 0, false, 0, false, 0},
        {"attention_tile", F16, 1, 1, 1, 80, 9, 264, 64, 0, 0, 0, 0, false, 0, false, 0},
        {"attention_few", F16, 1, 1, 1, 2, 9, 64, 20, 0, 0, 0, 0, false, 0, false, 0},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const shape *z = &shapes[k];
        call_case c;
        const uint32_t special = emulate_launches_of(z->kernel), all = emulate_launches();
        begin(&c, z);
        run(&c);
        assert_int_equal(emulate_launches_of(z->kernel), special);
        assert_int_equal(emulate_launches(), all + 1);
        for (int64_t s = 0; s < z->s; s += 7)
            expect_row(&c, z, 0, 0, s, tolerance_of(z));
        call_free(&c);
    }
}

/* A NaN in a query reaches its row and no other. */
static void nan_in_a_score_reaches_its_row(void **state) {
    (void)state;
    static const int64_t rows[] = {2, 70};
    for (size_t k = 0; k < 2; k++) {
        const shape z = {"attention", F16, 1, 1, 1,     rows[k], 30,    64, 64,
                         0,           0,   0, 0, false, 0,       false, 0};
        call_case c;
        begin(&c, &z);
        ((uint16_t *)c.data[0])[64] = 0x7E00;
        run(&c);
        assert_true(isnan(call_at(&c, 3, 0, 0, 1, 5)));
        assert_false(isnan(call_at(&c, 3, 0, 0, 0, 5)));
        call_free(&c);
    }
}

/* 40 heads of one query: 1056 warps over 40 groups are 26.4, in whole blocks 28 parts; at most one
 * per 32 keys and at least four. More than 64 rows are not split, and f32 never is. */
static void parts_depend_on_the_call_alone(void **state) {
    (void)state;
    static const struct {
        dms_dtype dtype;
        int64_t batch, heads, shared, s, t, parts;
    } wants[] = {
        {F16, 1, 40, 40, 1, 8192, 28},    {F16, 1, 40, 40, 1, 130, 8},
        {F16, 1, 40, 40, 1, 1, 4},        {F16, 1, 32, 8, 1, 8192, 132},
        {F16, 1, 32, 1, 1, 1 << 17, 256}, {BF16, 64, 32, 32, 1, 999, 4},
        {F16, 1, 2, 2, 64, 999, 32},      {F16, 1, 2, 2, 65, 999, 0},
        {F32, 1, 40, 40, 1, 8192, 0},
    };
    for (size_t k = 0; k < sizeof wants / sizeof *wants; k++) {
        const shape z = {"",
                         wants[k].dtype,
                         wants[k].batch,
                         wants[k].heads,
                         wants[k].shared,
                         wants[k].s,
                         wants[k].t,
                         8,
                         16,
                         0,
                         0,
                         0,
                         0,
                         false,
                         0,
                         false,
                         0};
        call_case c;
        begin(&c, &z);
        assert_int_equal(dms_attention_parts(&c.call), wants[k].parts);
        const int64_t of_a_library = wants[k].parts == 0 && z.dtype != F32 ? 256 : 0;
        assert_int_equal(dms_call_workspace(&c.call, DMS_DEVICE_CUDA),
                         z.batch * z.heads * z.s * wants[k].parts * 18 * 4 + of_a_library);
        assert_int_equal(dms_call_workspace(&c.call, DMS_DEVICE_CPU), 0);
        call_free(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_queries_take_parts_of_the_keys),
        cmocka_unit_test(many_queries_take_tiles),
        cmocka_unit_test(masks_caps_and_empty_rows_are_as_the_call_says),
        cmocka_unit_test(keys_beyond_the_limit_have_the_score_of_the_fill),
        cmocka_unit_test(a_row_of_masked_keys_spreads_over_the_keys_beyond_the_limit),
        cmocka_unit_test(other_calls_take_the_general_kernel),
        cmocka_unit_test(nan_in_a_score_reaches_its_row),
        cmocka_unit_test(parts_depend_on_the_call_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
