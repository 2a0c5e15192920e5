/* test_tile_time.c - what a step takes by a profile, and which family a call belongs to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "planner/tile_internal.h"
#include "runtime/kernels/catalogue.h"

#define MOST_VIEWS 5

/* A call without data. */
typedef struct time_case {
    dms_view view[MOST_VIEWS];
    int64_t i[8];
    double f[3];
    dms_call call;
} time_case;

static void add(time_case *t, dms_dtype dtype, uint32_t rank, int64_t a, int64_t b, int64_t c,
                int64_t d) {
    const int64_t dim[4] = {a, b, c, d};
    assert_true(dms_view_dense(dtype, rank, dim, &t->view[t->call.n_in + t->call.n_out]));
    t->call.n_in++;
}

/* The operand added last is the output. */
static const dms_call *finish(time_case *t, uint32_t kernel, uint32_t n_i, uint32_t n_f) {
    dms_status st;
    t->call.kernel = kernel;
    t->call.n_in--;
    t->call.n_out = 1;
    t->call.n_i = n_i;
    t->call.n_f = n_f;
    t->call.view = t->view;
    t->call.i = t->i;
    t->call.f = t->f;
    if (dms_call_check(&t->call, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return &t->call;
}

/* y[4, 8] = a[4, 16] b[16, 8]: 1,024 flops, 256 + 512 + 128 bytes, 32 results in 4 rows. */
static const dms_call *product(time_case *t, dms_dtype dtype) {
    *t = (time_case){.i = {0, 8}, .f = {1, 1}};
    add(t, dtype, 2, 4, 16, 0, 0);
    add(t, dtype, 2, 16, 8, 0, 0);
    add(t, dtype, 2, 4, 8, 0, 0);
    return finish(t, DMS_K_MATMUL, 2, 2);
}

/* 1 flop per ns, memory so fast that it does not show, 5 ns of launch. */
static dms_profile plain(void) {
    return (dms_profile){.f32_flops = 1000000000,
                         .f16_flops = 2000000000,
                         .f64_flops = 500000000,
                         .i8_flops = 4000000000,
                         .memory_bytes_per_s = 1000000000000000,
                         .launch_ns = 5};
}

static int64_t time_of(const dms_profile *p, const dms_call *call) {
    return dms_tile_step_ns(p, call, dms_call_cost(call));
}

static void arithmetic_takes_the_rate_of_its_type(void **state) {
    (void)state;
    const dms_profile p = plain();
    time_case t;
    assert_int_equal(time_of(&p, product(&t, DMS_DTYPE_F32)), 1024 + 5);
    assert_int_equal(time_of(&p, product(&t, DMS_DTYPE_F16)), 512 + 5);
    assert_int_equal(time_of(&p, product(&t, DMS_DTYPE_BF16)), 512 + 5);
    assert_int_equal(time_of(&p, product(&t, DMS_DTYPE_F64)), 2048 + 5);
}

static void the_slower_of_arithmetic_and_memory_counts(void **state) {
    (void)state;
    dms_profile p = plain();
    time_case t;
    const dms_call *call = product(&t, DMS_DTYPE_F32);
    p.memory_bytes_per_s = 500000000; /* 896 bytes at 2 ns each */
    assert_int_equal(time_of(&p, call), 1792 + 5);
}

static void a_step_that_fits_the_cache_runs_at_its_rate(void **state) {
    (void)state;
    dms_profile p = plain();
    time_case t;
    const dms_call *call = product(&t, DMS_DTYPE_F32);
    p.memory_bytes_per_s = 100000000; /* 8,960 ns */
    p.cache_bytes_per_s = 400000000;  /* 2,240 ns */
    p.cache_bytes = 896;
    assert_int_equal(time_of(&p, call), 2240 + 5);
    p.cache_bytes = 895;
    assert_int_equal(time_of(&p, call), 8960 + 5);
}

/* 896 bytes take 224 ns from the cache, which the arithmetic has in it, and 896 ns from memory. */
static void what_no_cache_holds_comes_a_longer_way(void **state) {
    (void)state;
    dms_profile p = plain();
    time_case t;
    const dms_call *call = product(&t, DMS_DTYPE_F32);
    p.memory_bytes_per_s = 1000000000;
    p.cache_bytes_per_s = 4000000000;
    p.cache_bytes = 896;
    assert_int_equal(time_of(&p, call), 1024 + 5);
    p.cache_bytes = 895;
    assert_int_equal(time_of(&p, call), 1024 + (896 - 224) + 5);
    p.cache_bytes_per_s = 500000000; /* a cache slower than memory saves nothing */
    assert_int_equal(time_of(&p, call), 1024 + 5);
    p.cache_bytes_per_s = 0; /* no word of a cache */
    assert_int_equal(time_of(&p, call), 1024 + 5);
}

/* Behind the 1,024 flops each of 32 results passes a function: 100 ps times what it weighs. */
static void a_chain_behind_a_kernel_takes_what_maps_take(void **state) {
    (void)state;
    dms_profile p = plain();
    time_case t;
    const dms_call *call = product(&t, DMS_DTYPE_F32);
    dms_cost cost = dms_call_cost(call);
    assert_int_equal(cost.carried, 0);
    cost.carried = 32 * 13;
    assert_int_equal(dms_tile_step_ns(&p, call, cost), 1024 + 5); /* a profile without families */
    p.family[DMS_FAMILY_MAP].result_ps = 125;
    assert_int_equal(dms_tile_step_ns(&p, call, cost), 1024 + 52 + 5);
}

/* 1,024 flops at 0.8 of the rate, 32 results of 500 ps, 4 rows of 2,000 ps. */
static void a_family_takes_its_share_and_time_for_results_and_rows(void **state) {
    (void)state;
    dms_profile p = plain();
    time_case t;
    const dms_call *call = product(&t, DMS_DTYPE_F32);
    p.family[DMS_FAMILY_PRODUCT] = (dms_family_cost){800, 500, 2000};
    assert_int_equal(time_of(&p, call), 1280 + 16 + 8 + 5);
    p.family[DMS_FAMILY_PRODUCT] = (dms_family_cost){2000, 0, 0}; /* faster than the reference */
    assert_int_equal(time_of(&p, call), 512 + 5);
    p.family[DMS_FAMILY_PRODUCT] = (dms_family_cost){0, 0, 0}; /* not in the profile */
    p.family[DMS_FAMILY_CONV] = (dms_family_cost){1, 1000, 1000};
    assert_int_equal(time_of(&p, call), 1024 + 5);
}

/* y = x of 64 bytes: 64 operations at 4 per ns, or at a tenth of 1 per ns. */
static void a_share_of_what_is_no_product_is_one_of_the_f32_rate(void **state) {
    (void)state;
    dms_profile p = plain();
    time_case t = {.i = {DMS_FN_NEG}};
    add(&t, DMS_DTYPE_I8, 1, 64, 0, 0, 0);
    add(&t, DMS_DTYPE_I8, 1, 64, 0, 0, 0);
    const dms_call *call = finish(&t, DMS_K_UNARY, 1, 2);
    assert_int_equal(time_of(&p, call), 16 + 5);
    p.family[DMS_FAMILY_MAP].share = 100;
    assert_int_equal(time_of(&p, call), 640 + 5);
}

static void no_cost_overflows(void **state) {
    (void)state;
    dms_profile p = plain();
    time_case t;
    const dms_call *call = product(&t, DMS_DTYPE_F32);
    const dms_cost most = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    p.family[DMS_FAMILY_PRODUCT] = (dms_family_cost){1, 1000000000, 1000000000};
    p.family[DMS_FAMILY_MAP].result_ps = 1000000000;
    p.cache_bytes_per_s = 2;
    p.f32_flops = p.memory_bytes_per_s = 1;
    assert_int_equal(dms_tile_step_ns(&p, call, most), (int64_t)1 << 62);
}

/* A convolution of 8 x 8 places with `m` outputs of `c` inputs in `group` groups. */
static dms_family family_of_conv(int64_t c, int64_t m, int64_t group) {
    time_case t = {.i = {group, 1, 1, 1, 1, 1, 1}};
    add(&t, DMS_DTYPE_F32, 4, 1, c, 8, 8);
    add(&t, DMS_DTYPE_F32, 4, m, c / group, 3, 3);
    add(&t, DMS_DTYPE_F32, 4, 1, m, 8, 8);
    return dms_call_family(finish(&t, DMS_K_CONV, 7, 0));
}

static void convolutions_are_of_three_families(void **state) {
    (void)state;
    assert_int_equal(family_of_conv(4, 16, 1), DMS_FAMILY_CONV);
    assert_int_equal(family_of_conv(4, 15, 1), DMS_FAMILY_CONV_NARROW);
    assert_int_equal(family_of_conv(32, 32, 32), DMS_FAMILY_CONV_GROUPED);
}

static void kernels_of_one_line_are_of_one_family(void **state) {
    (void)state;
    static const struct {
        uint32_t kernel;
        dms_family family;
    } want[] = {
        {DMS_K_MATMUL, DMS_FAMILY_PRODUCT},      {DMS_K_MATMUL_PART, DMS_FAMILY_PRODUCT},
        {DMS_K_CONV_BYTES, DMS_FAMILY_CONV},     {DMS_K_UNARY, DMS_FAMILY_MAP},
        {DMS_K_CHAIN, DMS_FAMILY_MAP},           {DMS_K_QUANTIZE, DMS_FAMILY_MAP},
        {DMS_K_CONCAT, DMS_FAMILY_MOVE},         {DMS_K_SOFTMAX, DMS_FAMILY_ROWS},
        {DMS_K_ATTENTION, DMS_FAMILY_ATTENTION}, {DMS_K_RECURRENT, DMS_FAMILY_RECURRENT},
        {DMS_K_GATHER, DMS_FAMILY_INDEX},        {DMS_K_POOL, DMS_FAMILY_POOL},
        {DMS_K_RESIZE, DMS_FAMILY_RESIZE},       {DMS_K_CONV_TRANSPOSE, DMS_FAMILY_CONV_TRANSPOSE}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const dms_call call = {.kernel = want[i].kernel};
        assert_int_equal(dms_call_family(&call), want[i].family);
    }
}

static void families_have_names_of_their_own(void **state) {
    (void)state;
    for (uint32_t f = 0; f < DMS_N_FAMILIES; f++)
        for (uint32_t g = 0; g < f; g++)
            assert_string_not_equal(dms_family_name((dms_family)f), dms_family_name((dms_family)g));
}

/* [2, 3, 5, 4] queries, 6 keys. */
static dms_cost cost_of_attention(bool is_causal, bool has_mask) {
    time_case t = {.i = {is_causal, has_mask, 0}, .f = {1, 0}};
    add(&t, DMS_DTYPE_F32, 4, 2, 3, 5, 4);
    add(&t, DMS_DTYPE_F32, 4, 2, 3, 6, 4);
    add(&t, DMS_DTYPE_F32, 4, 2, 3, 6, 4);
    if (has_mask)
        add(&t, DMS_DTYPE_F32, 4, 2, 3, 5, 6);
    add(&t, DMS_DTYPE_F32, 4, 2, 3, 5, 4);
    return dms_call_cost(finish(&t, DMS_K_ATTENTION, 3, 2));
}

/* Causal, 5 rows meet 2, 3, 4, 5, 6 keys: 20 of 30. */
static void results_of_attention_are_the_pairs_that_meet_and_half_for_a_mask(void **state) {
    (void)state;
    const dms_cost all = cost_of_attention(false, false), causal = cost_of_attention(true, false),
                   masked = cost_of_attention(false, true);
    assert_int_equal(all.results, 2 * 3 * 30);
    assert_int_equal(all.flops, 2 * 3 * 30 * 16);
    assert_int_equal(all.rows, 2 * 3 * 5);
    assert_int_equal(causal.results, 2 * 3 * (20 + 10));
    assert_int_equal(causal.flops, 2 * 3 * 20 * 16);
    assert_int_equal(masked.results, 2 * 3 * (30 + 15));
    assert_int_equal(masked.flops, all.flops);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_takes_the_rate_of_its_type),
        cmocka_unit_test(the_slower_of_arithmetic_and_memory_counts),
        cmocka_unit_test(a_step_that_fits_the_cache_runs_at_its_rate),
        cmocka_unit_test(what_no_cache_holds_comes_a_longer_way),
        cmocka_unit_test(a_chain_behind_a_kernel_takes_what_maps_take),
        cmocka_unit_test(a_family_takes_its_share_and_time_for_results_and_rows),
        cmocka_unit_test(a_share_of_what_is_no_product_is_one_of_the_f32_rate),
        cmocka_unit_test(no_cost_overflows),
        cmocka_unit_test(convolutions_are_of_three_families),
        cmocka_unit_test(kernels_of_one_line_are_of_one_family),
        cmocka_unit_test(families_have_names_of_their_own),
        cmocka_unit_test(results_of_attention_are_the_pairs_that_meet_and_half_for_a_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
