/* test_attention_dnn.c - what cuDNN is asked for, by a library of that name that does as its
 * descriptors say (dnn/fake_dnn.c): attention in the layouts it takes, which of its engines is
 * chosen, and what a call of it that fails leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "runtime/cuda/kernels/attention_dnn.h"
#include "tests/cuda/dnn/fake_dnn.h"
#include "tests/unit/support_call.h"

#define F16 DMS_DTYPE_F16
#define BF16 DMS_DTYPE_BF16
#define F32 DMS_DTYPE_F32
#define WORKSPACE 256

typedef struct shape {
    dms_dtype dtype;
    int64_t batch, heads, shared, s, t, d, e;
    int64_t causal;
    double fill;   /* 0: none */
    bool by_token; /* memory order b, s, h, d, as projections leave it */
    int64_t mask;
    double softcap;
    uint32_t repeats; /* axes of k on which all is the same memory */
} shape;

/* 65 queries: one more than go around shared memory. */
static const shape plain = {
    .dtype = F16, .batch = 1, .heads = 1, .shared = 1, .s = 65, .t = 65, .d = 8, .e = 8};

typedef struct library_case {
    call_case c;
    dms_cuda_libraries *libraries;
    dms_arena arena;
    void *state;
    _Alignas(256) char workspace[WORKSPACE];
} library_case;

/* Of the library that is found first; it stays loaded, so that the record outlives the cases. */
static fake_dnn *control(void) {
    void *library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    fake_dnn *(*get)(void);
    *(void **)&get = dlsym(library, "fake_dnn_control");
    assert_non_null(get);
    return get();
}

/* The library as it was: one engine of tensor cores, which wants 256 bytes. */
static int begin_library(void **state) {
    (void)state;
    *control() = (fake_dnn){.version = 91900,
                            .engine = {{.note = {0}, .n_notes = 1, .workspace = WORKSPACE}},
                            .n_engines = 1};
    return 0;
}

/* Nothing that was made is left. */
static int end_library(void **state) {
    (void)state;
    return control()->n_alive;
}

static void begin(library_case *l, const shape *z) {
    static const uint32_t token_order[4] = {0, 2, 1, 3};
    static const dms_cuda_card card = {.name = "a card", .major = 9};
    const uint32_t *order = z->by_token ? token_order : NULL;
    const int64_t q[4] = {z->batch, z->heads, z->s, z->d}, k[4] = {z->batch, z->shared, z->t, z->d};
    const int64_t v[4] = {z->batch, z->shared, z->t, z->e}, m[4] = {z->batch, z->heads, z->s, z->t};
    const int64_t y[4] = {z->batch, z->heads, z->s, z->e}, i[3] = {z->causal, z->mask, 0};
    const double f[3] = {3.0 / sqrt((double)z->d), z->softcap, z->fill};
    memset(l, 0, sizeof *l);
    call_begin(&l->c, DMS_K_ATTENTION, (uint32_t)(z->s * 131 + z->t + z->d));
    call_in_strided(&l->c, z->dtype, 4, q, order, 0, 0);
    call_in_strided(&l->c, z->dtype, 4, k, order, z->by_token ? 8 : 0, z->repeats);
    call_in_strided(&l->c, z->dtype, 4, v, order, 0, 0);
    if (z->mask != 0)
        call_in(&l->c, z->dtype, 4, m);
    call_out_strided(&l->c, z->dtype, 4, y, order, 0);
    call_params(&l->c, 3, i, z->fill != 0.0 ? 3 : 2, f);
    call_is_valid(&l->c);
    assert_int_equal(dms_cuda_libraries_open(&card, &l->arena, &l->libraries, NULL), DMS_OK);
}

static void end(library_case *l) {
    dms_cuda_libraries_close(l->libraries);
    dms_arena_free(&l->arena);
    call_free(&l->c);
}

/* Whether the library takes the call. */
static bool prepare(library_case *l) {
    dms_status st;
    if (dms_attention_dnn_prepare(l->libraries, &l->c.call,
                                  dms_call_workspace(&l->c.call, DMS_DEVICE_CUDA), &l->arena,
                                  &l->state, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return l->state != NULL;
}

static dms_code enqueue(library_case *l, void *stream, dms_status *st) {
    const dms_cuda_job job = {.call = &l->c.call,
                              .operand = l->c.data,
                              .workspace = l->workspace,
                              .workspace_bytes = WORKSPACE,
                              .stream = stream,
                              .state = l->state};
    assert_true(dms_attention_dnn_takes(&job));
    return dms_attention_dnn_enqueue(&job, st);
}

/* Softmax in doubles of the narrow inputs; query s sees keys up to s + t_len - s_len. */
static double wanted(const call_case *c, const shape *z, const int64_t *at) {
    double p[1200], high = -INFINITY, total = 0, sum = 0;
    const int64_t head = at[1] / (z->heads / z->shared);
    const int64_t n = z->causal != 0 ? at[2] + z->t - z->s + 1 : z->t;
    assert_in_range(n, 1, 1200);
    for (int64_t t = 0; t < n; t++) {
        p[t] = 0;
        for (int64_t k = 0; k < z->d; k++)
            p[t] += (double)call_at(c, 0, at[0], at[1], at[2], k) *
                    (double)call_at(c, 1, at[0], head, t, k);
        high = fmax(high, p[t] *= c->f[0]);
    }
    for (int64_t t = 0; t < n; t++) {
        total += p[t] = exp(p[t] - high);
        sum += p[t] * (double)call_at(c, 2, at[0], head, t, at[3]);
    }
    return sum / total;
}

/* f16 keeps 11 bits of the weights and of the result, bf16 8. */
static void expect_softmax(const call_case *c, const shape *z) {
    const double tolerance = z->dtype == F16 ? 1e-3 : 8e-3;
    int64_t at[4];
    for (at[0] = 0; at[0] < z->batch; at[0]++)
        for (at[1] = 0; at[1] < z->heads; at[1]++)
            for (at[2] = 0; at[2] < z->s; at[2] += 4)
                for (at[3] = 0; at[3] < z->e; at[3]++) {
                    const double want = wanted(c, z, at);
                    const double got = (double)call_at(c, 3, at[0], at[1], at[2], at[3]);
                    if (!(fabs(want - got) <= tolerance))
                        fail_msg("y[%d,%d,%d,%d] is %g, wanted %g", (int)at[0], (int)at[1],
                                 (int)at[2], (int)at[3], got, want);
                }
}

static void is_attended(const shape *z) {
    library_case l;
    dms_status st;
    begin(&l, z);
    assert_true(prepare(&l));
    if (enqueue(&l, NULL, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    expect_softmax(&l.c, z);
    end(&l);
}

/* Dense and by token, with and without heads that share keys, values of another width. */
static void attention_is_asked_for_in_the_layout_it_has(void **state) {
    (void)state;
    const shape shapes[] = {
        plain,
        {.dtype = BF16, .batch = 2, .heads = 4, .shared = 2, .s = 40, .t = 33, .d = 16, .e = 8},
        {.dtype = F16,
         .batch = 2,
         .heads = 2,
         .shared = 2,
         .s = 70,
         .t = 20,
         .d = 8,
         .e = 24,
         .by_token = true},
        {.dtype = BF16,
         .batch = 1,
         .heads = 6,
         .shared = 2,
         .s = 30,
         .t = 50,
         .d = 24,
         .e = 16,
         .by_token = true},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        is_attended(&shapes[k]);
}

/* As many queries as keys, and fewer: then the limit is shifted, the last query sees all. The lowest
 * number of a type in the triangle has no weight. */
static void a_causal_limit_counts_from_the_last_key(void **state) {
    (void)state;
    const shape shapes[] = {
        {.dtype = F16,
         .batch = 1,
         .heads = 2,
         .shared = 1,
         .s = 66,
         .t = 66,
         .d = 8,
         .e = 8,
         .causal = 1},
        {.dtype = F16,
         .batch = 1,
         .heads = 2,
         .shared = 2,
         .s = 65,
         .t = 90,
         .d = 8,
         .e = 8,
         .causal = 1,
         .by_token = true},
        {.dtype = BF16,
         .batch = 2,
         .heads = 2,
         .shared = 1,
         .s = 35,
         .t = 36,
         .d = 16,
         .e = 16,
         .causal = 1,
         .fill = -3.4028234663852886e38},
        {.dtype = F16,
         .batch = 1,
         .heads = 1,
         .shared = 1,
         .s = 65,
         .t = 65,
         .d = 8,
         .e = 8,
         .causal = 1,
         .fill = -65504},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        is_attended(&shapes[k]);
}

/* The library is not even loaded for them. */
static void what_is_not_plain_is_left_to_our_own_kernel(void **state) {
    (void)state;
    shape z[9];
    for (int k = 0; k < 9; k++)
        z[k] = plain;
    z[0].dtype = F32;
    z[1].s = 64; /* few queries */
    z[2].mask = 1;
    z[3].softcap = 30;
    z[4].causal = 1, z[4].t = 64;        /* a query without a key */
    z[5].causal = 1, z[5].fill = -65000; /* a weight, beside scores as low */
    z[6].d = 264;
    z[7].e = 12; /* rows at multiples of 8 bytes */
    z[8].batch = 2, z[8].repeats = 1;
    for (int k = 0; k < 9; k++) {
        library_case l;
        begin(&l, &z[k]);
        if (prepare(&l))
            fail_msg("call %d is taken", k);
        end(&l);
    }
    assert_int_equal(control()->n_calls, 0);
}

/* A plan that promised 16 bytes does not run beside them. */
static void an_operand_beside_16_bytes_is_not_taken(void **state) {
    (void)state;
    library_case l;
    void *operand[4];
    begin(&l, &plain);
    assert_true(prepare(&l));
    memcpy(operand, l.c.data, sizeof operand);
    const dms_cuda_job job = {.call = &l.c.call, .operand = operand, .state = l.state};
    assert_true(dms_attention_dnn_takes(&job));
    for (int k = 0; k < 4; k++) {
        operand[k] = (char *)operand[k] + 8;
        assert_false(dms_attention_dnn_takes(&job));
        operand[k] = l.c.data[k];
    }
    end(&l);
}

/* The engine that the call runs by; -1: none. */
static int64_t engine_of(const shape *z) {
    library_case l;
    dms_status st;
    int64_t used = -1;
    begin(&l, z);
    if (prepare(&l)) {
        assert_int_equal(enqueue(&l, NULL, &st), DMS_OK);
        used = control()->used;
    }
    end(&l);
    return used;
}

enum { TENSOR_CORE = 0, DOWN_CONVERTED = 1, FEW_BITS = 2, ANY_ORDER = 4, STRICT = 9, UNKNOWN = 77 };

/* Notes: none but those that change no sum; numbers that we do not know may say anything. */
static void the_first_engine_that_sums_in_one_order_and_all_bits_is_taken(void **state) {
    (void)state;
    fake_dnn *c = control();
    static const int refused[] = {DOWN_CONVERTED, FEW_BITS, ANY_ORDER, UNKNOWN};
    for (int k = 0; k < 4; k++) {
        c->engine[0] = (fake_engine){.note = {TENSOR_CORE, refused[k]}, .n_notes = 2};
        c->engine[1] = (fake_engine){.note = {TENSOR_CORE, STRICT}, .n_notes = 2};
        c->engine[2] = (fake_engine){.n_notes = 0};
        c->n_engines = 3;
        assert_int_equal(engine_of(&plain), 1);
        c->n_engines = 1;
        assert_int_equal(engine_of(&plain), -1);
    }
}

/* The row plans 256 bytes, whatever is found on the machine that runs. */
static void an_engine_fits_the_workspace_that_was_planned(void **state) {
    (void)state;
    fake_dnn *c = control();
    c->engine[0] = (fake_engine){.workspace = WORKSPACE + 1};
    c->engine[1] = (fake_engine){.workspace = WORKSPACE};
    c->engine[2] = (fake_engine){.workspace = 0};
    c->n_engines = 3;
    assert_int_equal(engine_of(&plain), 1);
    c->n_engines = 1;
    assert_int_equal(engine_of(&plain), -1);
}

static void an_engine_without_code_for_the_card_is_passed_over(void **state) {
    (void)state;
    fake_dnn *c = control();
    c->engine[0] = (fake_engine){.is_refused = true};
    c->engine[1] = (fake_engine){.workspace = 16};
    c->n_engines = 2;
    assert_int_equal(engine_of(&plain), 1);
    c->n_engines = 0;
    assert_int_equal(engine_of(&plain), -1);
}

static void an_older_or_a_newer_library_is_not_asked(void **state) {
    (void)state;
    fake_dnn *c = control();
    static const size_t version[] = {91899, 100000, 8907};
    for (int k = 0; k < 3; k++) {
        c->version = version[k];
        assert_int_equal(engine_of(&plain), -1);
    }
    assert_int_equal(c->n_calls, 0);
    c->version = 99999;
    assert_int_equal(engine_of(&plain), 0);
}

/* Before the call is enqueued a failure leaves it to our own kernel, or to another engine; then it
 * is an error in words. Either way all that was made is given back, which end_library sees. */
static void each_call_of_the_library_may_fail(void **state) {
    (void)state;
    fake_dnn *c = control();
    const shape z = {.dtype = F16,
                     .batch = 1,
                     .heads = 1,
                     .shared = 1,
                     .s = 65,
                     .t = 70,
                     .d = 8,
                     .e = 8,
                     .causal = 1};
    int n_ours = 0, n_errors = 0, fail_at = 0;
    for (bool is_done = false; !is_done;) {
        library_case l;
        dms_status st;
        c->n_calls = 0;
        c->fail_at = ++fail_at;
        begin(&l, &z);
        if (!prepare(&l)) {
            n_ours++;
        } else if (enqueue(&l, NULL, &st) != DMS_OK) {
            n_errors++;
            assert_string_equal(st.msg, "cuDNN refuses attention of 65 queries to 70 keys: status "
                                        "4000");
        } else {
            expect_softmax(&l.c, &z);
            is_done = c->n_calls < c->fail_at;
        }
        end(&l);
        assert_int_equal(c->n_alive, 0);
    }
    assert_true(n_ours > 200);
    assert_int_equal(n_errors, 7); /* stream, pack, its three attributes, its end, the run */
}

static void a_call_goes_onto_the_stream_of_its_job(void **state) {
    (void)state;
    library_case l;
    dms_status st;
    int streams[2];
    begin(&l, &plain);
    assert_true(prepare(&l));
    for (int k = 0; k < 2; k++) {
        assert_int_equal(enqueue(&l, &streams[k], &st), DMS_OK);
        assert_ptr_equal(control()->stream, &streams[k]);
    }
    end(&l);
}

/* q, k, v, y of 65 x 8 f16 take 1,040 bytes each, from multiples of 256 on, and the workspace. */
static void each_plan_runs_once_before_the_first_turn_within_its_memory(void **state) {
    (void)state;
    enum { NEEDED = 4 * 1280 + WORKSPACE };
    static _Alignas(256) char memory[2 * NEEDED];
    fake_dnn *c = control();
    library_case l;
    dms_status st;
    begin(&l, &plain);
    assert_true(prepare(&l));
    const uint64_t at = (uint64_t)(uintptr_t)memory;
    assert_int_equal(dms_cuda_libraries_warm(l.libraries, at, NEEDED - 1, NULL, &st), DMS_OK);
    assert_int_equal(c->n_executed, 0);
    assert_int_equal(dms_cuda_libraries_warm(l.libraries, at, NEEDED, NULL, &st), DMS_OK);
    assert_int_equal(c->n_executed, 1);
    assert_ptr_equal(c->begin, memory);
    assert_ptr_equal(c->end, memory + NEEDED);
    end(&l);
}

static void a_note_says_what_the_library_takes(void **state) {
    (void)state;
    fake_dnn *c = control();
    library_case l;
    begin(&l, &plain);
    assert_string_equal(dms_cuda_libraries_note(l.libraries), "");
    assert_true(prepare(&l));
    c->n_engines = 0;
    assert_false(prepare(&l));
    assert_string_equal(dms_cuda_libraries_note(l.libraries),
                        "cuDNN 91900 takes 1 of 2 attentions");
    end(&l);
    c->n_calls = 0;
    c->fail_at = 1;
    begin(&l, &plain);
    assert_false(prepare(&l));
    assert_string_equal(dms_cuda_libraries_note(l.libraries), "cuDNN does not start: status 4000");
    end(&l);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_library, end_library)
    const struct CMUnitTest tests[] = {
        TEST(attention_is_asked_for_in_the_layout_it_has),
        TEST(a_causal_limit_counts_from_the_last_key),
        TEST(what_is_not_plain_is_left_to_our_own_kernel),
        TEST(an_operand_beside_16_bytes_is_not_taken),
        TEST(the_first_engine_that_sums_in_one_order_and_all_bits_is_taken),
        TEST(an_engine_fits_the_workspace_that_was_planned),
        TEST(an_engine_without_code_for_the_card_is_passed_over),
        TEST(an_older_or_a_newer_library_is_not_asked),
        TEST(each_call_of_the_library_may_fail),
        TEST(a_call_goes_onto_the_stream_of_its_job),
        TEST(each_plan_runs_once_before_the_first_turn_within_its_memory),
        TEST(a_note_says_what_the_library_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
