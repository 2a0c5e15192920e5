/* test_product_lt.c - what cuBLASLt is asked for, by a library of that name that multiplies as it is
 * told (lt/fake_lt.c): products in every layout it takes, and that the same call is asked the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "cublasLt.h"
#include "runtime/cuda/kernels/product_lt.h"
#include "runtime/kernels/element.h"

#define MOST 20000
#define WORKSPACE 4096

/* A product of [batches, m, k] and [batches, k, n]; gaps are unused elements behind a row. */
typedef struct shape {
    dms_dtype dtype;
    int64_t batches, m, k, n, gap;
    bool is_a_turned, is_b_turned; /* columns lie dense instead of rows */
    enum { NOTHING, BIAS, C, BEFORE } added;
    double alpha, beta;
    bool is_unfinished;
} shape;

typedef struct product_case {
    dms_product_params p;
    dms_cuda_libraries *libraries;
    dms_arena arena;
    _Alignas(16) uint8_t a[4 * MOST], b[4 * MOST], c[4 * MOST], y[4 * MOST];
    _Alignas(16) float before[MOST];
    uint8_t workspace[WORKSPACE];
    void *state;
} product_case;

static double element(dms_dtype dtype, const void *from, int64_t at) {
    return (double)dms_element_load(dtype, from, at).f32;
}

/* Small numbers that every type has exactly. */
static void fill(dms_dtype dtype, void *to, uint32_t seed) {
    for (int64_t k = 0; k < MOST; k++) {
        seed = seed * 1664525u + 1013904223u;
        dms_element_store(dtype, (dms_scalar){.f32 = (float)(seed >> 28) / 4 - 2}, to, k);
    }
}

/* Rows of `inner` and a gap, or, turned, columns of `outer` and a gap. */
static int64_t pitches(int64_t outer, int64_t inner, int64_t gap, bool is_turned, int64_t *out) {
    out[0] = is_turned ? 1 : inner + gap;
    out[1] = is_turned ? outer + gap : 1;
    return is_turned ? inner * out[1] : outer * out[0];
}

static void begin(product_case *t, const shape *s) {
    static const dms_cuda_card card = {.name = "a card", .major = 9};
    const bool is_sum = s->is_unfinished || s->added == BEFORE;
    dms_product_params *p = &t->p;
    memset(t, 0, sizeof *t);
    p->dtype = s->dtype;
    p->y_dtype = is_sum ? DMS_DTYPE_F32 : s->dtype;
    p->m = s->m;
    p->k = s->k;
    p->n = s->n;
    p->alpha = s->alpha;
    p->beta = s->beta;
    p->is_unfinished = s->is_unfinished;
    p->a = t->a;
    p->b = t->b;
    p->y = t->y;
    p->c = s->added == BIAS || s->added == C ? t->c : NULL;
    p->before = s->added == BEFORE ? t->before : NULL;
    p->batch.count = s->batches;
    p->batch.rank = 1;
    p->batch.pitch[0][0] = pitches(s->m, s->k, s->gap, s->is_a_turned, p->a_pitch);
    p->batch.pitch[1][0] = pitches(s->k, s->n, s->gap, s->is_b_turned, p->b_pitch);
    p->batch.pitch[2][0] = pitches(s->m, s->n, 0, false, p->c_pitch);
    p->batch.pitch[3][0] = pitches(s->m, s->n, 0, false, p->y_pitch);
    if (s->added == BIAS)
        p->batch.pitch[2][0] = p->c_pitch[0] = 0;
    fill(s->dtype, t->a, 1);
    fill(s->dtype, t->b, 2);
    fill(s->dtype, t->c, 3);
    fill(DMS_DTYPE_F32, t->before, 4);
    assert_int_equal(dms_cuda_libraries_open(&card, &t->arena, &t->libraries, NULL), DMS_OK);
}

static void end(product_case *t) {
    dms_cuda_libraries_close(t->libraries);
    dms_arena_free(&t->arena);
}

static dms_code prepare(product_case *t, uint64_t workspace) {
    dms_status st = {.msg = ""};
    const dms_code code =
        dms_product_lt_prepare(t->libraries, &t->p, workspace, &t->arena, &t->state, &st);
    if (code != DMS_OK)
        fail_msg("%s", st.msg);
    return code;
}

static dms_code enqueue(product_case *t) {
    dms_status st = {.msg = ""};
    const dms_cuda_job job = {.state = t->state, .libraries = t->libraries};
    assert_true(dms_product_lt_takes(&job, &t->p));
    return dms_product_lt_enqueue(&job, &t->p, t->workspace, &st);
}

/* By the definition, in doubles. */
static double wanted(const product_case *t, const shape *s, int64_t batch, int64_t i, int64_t j) {
    const dms_product_params *p = &t->p;
    double sum = 0;
    for (int64_t k = 0; k < s->k; k++)
        sum += element(s->dtype, t->a,
                       batch * p->batch.pitch[0][0] + i * p->a_pitch[0] + k * p->a_pitch[1]) *
               element(s->dtype, t->b,
                       batch * p->batch.pitch[1][0] + k * p->b_pitch[0] + j * p->b_pitch[1]);
    if (s->added == BEFORE)
        sum += (double)t->before[(batch * s->m + i) * s->n + j];
    if (s->is_unfinished)
        return sum;
    sum *= s->alpha;
    if (p->c != NULL)
        sum +=
            s->beta * element(s->dtype, t->c, batch * p->batch.pitch[2][0] + i * p->c_pitch[0] + j);
    return sum;
}

static void is_multiplied(const shape *s) {
    product_case t;
    begin(&t, s);
    assert_int_equal(prepare(&t, WORKSPACE), DMS_OK);
    assert_non_null(t.state);
    assert_int_equal(enqueue(&t), DMS_OK);
    for (int64_t batch = 0; batch < s->batches; batch++)
        for (int64_t i = 0; i < s->m; i++)
            for (int64_t j = 0; j < s->n; j++) {
                const double want = wanted(&t, s, batch, i, j);
                const double got = element((dms_dtype)t.p.y_dtype, t.y,
                                           batch * t.p.batch.pitch[3][0] + i * s->n + j);
                const double step = t.p.y_dtype == DMS_DTYPE_BF16  ? 1.0 / 128
                                    : t.p.y_dtype == DMS_DTYPE_F16 ? 1.0 / 1024
                                                                   : 1e-6;
                if (fabs(got - want) > step * (1 + fabs(want)))
                    fail_msg("%d x %d x %d, y[%d, %d, %d] is %g, not %g", (int)s->m, (int)s->k,
                             (int)s->n, (int)batch, (int)i, (int)j, got, want);
            }
    end(&t);
}

#define F32 DMS_DTYPE_F32
#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16

/* Rows and columns that lie dense, with and without gaps, in batches. */
static void every_layout_is_multiplied(void **state) {
    (void)state;
    static const dms_dtype types[] = {F32, F16, BF16};
    for (int type = 0; type < 3; type++)
        for (int turned = 0; turned < 4; turned++)
            for (int64_t batches = 1; batches <= 3; batches += 2)
                for (int64_t gap = 0; gap <= 8; gap += 8)
                    is_multiplied(&(shape){.dtype = types[type],
                                           .batches = batches,
                                           .m = 16,
                                           .k = 24,
                                           .n = 40,
                                           .gap = gap,
                                           .is_a_turned = turned % 2 == 1,
                                           .is_b_turned = turned / 2 == 1,
                                           .alpha = 0.5});
}

static void what_is_added_is_a_bias_a_matrix_or_the_sums_before(void **state) {
    (void)state;
    const shape shapes[] = {
        {F32, 1, 8, 16, 24, 0, false, false, BIAS, 1, 1, false},
        {BF16, 1, 8, 16, 24, 0, false, true, BIAS, 0.5, 1, false},
        {F32, 1, 8, 16, 24, 0, false, false, C, 1, 0.25, false},
        {F16, 3, 8, 16, 24, 0, true, false, C, 2, 0.5, false},
        {F32, 2, 8, 16, 24, 0, false, false, BEFORE, 0.5, 0, false},
        {F16, 1, 8, 16, 24, 0, false, false, BEFORE, 1, 0, true},
        {BF16, 1, 8, 16, 24, 0, false, false, NOTHING, 0.25, 0, true},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        is_multiplied(&shapes[k]);
}

/* Our own kernel runs them: nothing is prepared. */
static void what_the_library_does_not_take_is_left_to_our_own_kernel(void **state) {
    (void)state;
    const shape odd_rows = {F16, 1, 8, 16, 25, 0, false, false, NOTHING, 1, 0, false};
    const shape doubles = {DMS_DTYPE_F64, 1, 8, 16, 24, 0, false, false, NOTHING, 1, 0, false};
    const shape no_terms = {F32, 1, 8, 0, 24, 0, false, false, NOTHING, 1, 0, false};
    const shape *const left[] = {&odd_rows, &doubles, &no_terms};
    for (int k = 0; k < 3; k++) {
        product_case t;
        begin(&t, left[k]);
        assert_int_equal(prepare(&t, WORKSPACE), DMS_OK);
        assert_null(t.state);
        end(&t);
    }
}

/* 4 bytes off: prepared as if at multiples of 16, so it is not taken. */
static void an_operand_beside_16_bytes_is_not_taken(void **state) {
    (void)state;
    product_case t;
    begin(&t, &(shape){F32, 1, 8, 16, 24, 0, false, false, NOTHING, 1, 0, false});
    assert_int_equal(prepare(&t, WORKSPACE), DMS_OK);
    const dms_cuda_job job = {.state = t.state};
    assert_true(dms_product_lt_takes(&job, &t.p));
    t.p.a = t.a + 4;
    assert_false(dms_product_lt_takes(&job, &t.p));
    end(&t);
}

/* The algorithm follows from the call and its workspace. Places have no part in it: operands that
 * lie elsewhere at multiples of 16 give the same bits by the same algorithm, which the library would
 * refuse if it were that of other descriptors or of another workspace. */
static void an_algorithm_belongs_to_its_call_wherever_it_lies(void **state) {
    (void)state;
    const shape s = {F32, 1, 8, 16, 24, 0, false, false, NOTHING, 1, 0, false};
    product_case t;
    uint8_t first[4 * 8 * 24];
    begin(&t, &s);
    assert_int_equal(prepare(&t, WORKSPACE), DMS_OK);
    assert_int_equal(enqueue(&t), DMS_OK);
    memcpy(first, t.y, sizeof first);
    memmove(t.a + 1024, t.a, 4 * 8 * 16);
    memmove(t.b + 4096, t.b, 4 * 16 * 24);
    t.p.a = t.a + 1024;
    t.p.b = t.b + 4096;
    t.p.y = t.y + 16384;
    assert_int_equal(enqueue(&t), DMS_OK);
    assert_memory_equal(first, t.y + 16384, sizeof first);
    end(&t);
}

/* Products of these shapes, prepared one after the other with the same libraries, are warmed in
 * `bytes` of memory: what the stream has seen. */
static struct CUstream_st warmed(const shape *shapes, size_t n, uint8_t *memory, uint64_t bytes) {
    product_case t;
    struct CUstream_st stream = {0};
    dms_status st = {.msg = ""};
    begin(&t, &shapes[0]);
    assert_int_equal(prepare(&t, WORKSPACE), DMS_OK);
    for (size_t k = 1; k < n; k++) {
        product_case other;
        begin(&other, &shapes[k]);
        assert_int_equal(
            dms_product_lt_prepare(t.libraries, &other.p, WORKSPACE, &t.arena, &other.state, &st),
            DMS_OK);
        end(&other);
    }
    if (dms_cuda_libraries_warm(t.libraries, (uint64_t)(uintptr_t)memory, bytes, &stream, &st))
        fail_msg("%s", st.msg);
    end(&t);
    return stream;
}

/* CUDA loads a kernel with its first launch: that is not to be in a turn. */
static void each_algorithm_runs_once_before_the_first_turn(void **state) {
    (void)state;
    static _Alignas(256) uint8_t memory[1 << 16];
    const shape plain = {F32, 1, 8, 16, 24, 0, false, false, NOTHING, 1, 0, false};
    const shape bias = {BF16, 1, 8, 16, 24, 0, false, false, BIAS, 1, 1, false};
    const shape sums = {F16, 1, 8, 16, 24, 0, false, false, BEFORE, 1, 0, true};
    const shape doubles = {DMS_DTYPE_F64, 1, 8, 16, 24, 0, false, false, NOTHING, 1, 0, false};
    const shape all[] = {plain, bias, plain, sums, bias, doubles};
    assert_int_equal(warmed(all, 1, memory, sizeof memory).n_products, 1);
    assert_int_equal(warmed(all, 6, memory, sizeof memory).n_products, 3);
    assert_int_equal(warmed(&doubles, 1, memory, sizeof memory).n_products, 0);
}

/* a 8 x 16, b 16 x 24, y 8 x 24 of f32, which y stands for what is added too: 512, 1536 and two
 * times 768 bytes, each from a multiple of 256 on, and the workspace. */
static void warming_stays_within_its_memory(void **state) {
    (void)state;
    enum { NEEDED = 512 + 1536 + 2 * 768 + WORKSPACE };
    static _Alignas(256) uint8_t memory[2 * NEEDED];
    const shape s = {F32, 1, 8, 16, 24, 0, false, false, NOTHING, 1, 0, false};
    const struct CUstream_st seen = warmed(&s, 1, memory, NEEDED);
    assert_int_equal(seen.n_products, 1);
    assert_ptr_equal(seen.begin, memory);
    assert_ptr_equal(seen.end, memory + NEEDED);
    assert_int_equal(warmed(&s, 1, memory, NEEDED - 1).n_products, 0);
    assert_int_equal(warmed(&s, 1, NULL, 0).n_products, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_is_multiplied),
        cmocka_unit_test(what_is_added_is_a_bias_a_matrix_or_the_sums_before),
        cmocka_unit_test(what_the_library_does_not_take_is_left_to_our_own_kernel),
        cmocka_unit_test(an_operand_beside_16_bytes_is_not_taken),
        cmocka_unit_test(an_algorithm_belongs_to_its_call_wherever_it_lies),
        cmocka_unit_test(each_algorithm_runs_once_before_the_first_turn),
        cmocka_unit_test(warming_stays_within_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
