/* test_random_weights.c - made-up weights follow from seed, file and place alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/random.h"
#include "runtime/storage.h"
#include "support_run.h"

#define N 1000

/* A file of N numbers that was missing when the plan was made, and sources at chosen places. */
typedef struct random_case {
    run_case run;
    dms_arena arena;
    dms_storage *storage;
} random_case;

static void open_random(random_case *c, uint64_t seed) {
    const dms_storage_options options = {
        .model_dir = ".", .plan_dir = ".", .random_weights = true, .random_seed = seed};
    dms_status st = {0};
    if (dms_storage_open(&c->run.plan, &options, &c->arena, &c->storage, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

static void begin(random_case *c) {
    memset(c, 0, sizeof *c);
    run_init(&c->run);
    c->run.plan.n_files = 2;
    for (uint32_t k = 0; k < 2; k++)
        c->run.file[k] = (dms_plan_file){
            .name = k == 0 ? "none" : "none either", .bytes = 4 * N, .kind = 1, .is_unread = true};
}

static void end(random_case *c) {
    dms_storage_close(c->storage);
    dms_arena_free(&c->arena);
}

/* Reads a source of `rows` numbers in place. */
static void load(random_case *c, uint32_t source, float *to) {
    const int64_t pitch[2] = {1, 1};
    uint64_t bytes;
    assert_int_equal(dms_storage_load(c->storage, source, pitch, to, &bytes, NULL), DMS_OK);
    assert_int_equal(bytes, 0); /* nothing came from storage */
}

static void any_split_gives_the_same_numbers(void **state) {
    (void)state;
    static const int64_t width[] = {1, 7, 64, 333, 999};
    for (size_t k = 0; k < sizeof width / sizeof *width; k++) {
        float whole[N], pieces[N];
        random_case c;
        begin(&c);
        (void)run_file_weight(&c.run, "w", N, 0, 0);
        open_random(&c, 5);
        load(&c, 0, whole);
        for (int64_t first = 0; first < N; first += width[k]) {
            const int64_t n = first + width[k] < N ? width[k] : N - first;
            c.run.plan.n_tensors = c.run.plan.n_sources = 1;
            (void)run_file_weight(&c.run, "piece", n, 0, 4 * (uint64_t)first);
            load(&c, 1, pieces + first);
        }
        assert_memory_equal(whole, pieces, sizeof whole);
        end(&c);
    }
}

static void the_same_numbers_come_again_with_the_same_seed_only(void **state) {
    (void)state;
    float got[4][N];
    static const uint64_t seed[4] = {5, 5, 6, 0};
    for (int k = 0; k < 4; k++) {
        random_case c;
        begin(&c);
        (void)run_file_weight(&c.run, "w", N, 0, 0);
        open_random(&c, seed[k]);
        load(&c, 0, got[k]);
        end(&c);
    }
    assert_memory_equal(got[0], got[1], sizeof *got);
    for (int i = 0; i < 3; i += 2)
        for (int k = i + 1 + (i == 0); k < 4; k++) {
            int equal = 0;
            for (int n = 0; n < N; n++)
                equal += got[i][n] == got[k][n];
            assert_true(equal < 5);
        }
}

static void two_files_and_two_places_differ(void **state) {
    (void)state;
    float a[N], b[N];
    random_case c;
    begin(&c);
    (void)run_file_weight(&c.run, "a", N, 0, 0);
    (void)run_file_weight(&c.run, "b", N, 1, 0);
    open_random(&c, 5);
    load(&c, 0, a);
    load(&c, 1, b);
    int equal = 0, repeats = 0;
    for (int n = 0; n < N; n++)
        equal += a[n] == b[n];
    for (int n = 1; n < N; n++)
        repeats += a[n] == a[n - 1];
    assert_true(equal < 5 && repeats < 5);
    end(&c);
}

/* splitmix64 of 0, 1 and 2 steps from seed 0, as published. */
static void words_are_those_of_splitmix64(void **state) {
    (void)state;
    assert_true(dms_random_word(0) == 0xe220a8397b1dcdaf);
    assert_true(dms_random_word(0x9e3779b97f4a7c15) == 0x6e789e6aa1b965f4);
    assert_true(dms_random_word(2 * 0x9e3779b97f4a7c15u) == 0x06c45d188009454f);
}

static float f32_of(uint64_t bits) {
    const uint32_t narrow = (uint32_t)bits;
    float out;
    memcpy(&out, &narrow, sizeof out);
    return out;
}

static double f64_of(uint64_t bits) {
    double out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* The ends of the scale: the smallest word is -scale, the middle 0, the largest below scale. */
static void floats_spread_over_the_scale(void **state) {
    (void)state;
    const uint64_t middle = (uint64_t)1 << 63;
    assert_true(f32_of(dms_random_bits(DMS_DTYPE_F32, 0, 0.5)) == -0.5f);
    assert_true(f32_of(dms_random_bits(DMS_DTYPE_F32, middle, 0.5)) == 0);
    assert_true(f32_of(dms_random_bits(DMS_DTYPE_F32, UINT64_MAX, 0.5)) < 0.5f);
    assert_true(f64_of(dms_random_bits(DMS_DTYPE_F64, 0, 3)) == -3);
    assert_true(f64_of(dms_random_bits(DMS_DTYPE_F64, middle, 3)) == 0);
    assert_true(f64_of(dms_random_bits(DMS_DTYPE_F64, UINT64_MAX, 3)) < 3);
    assert_true(dms_random_bits(DMS_DTYPE_BF16, 0, 1) == 0xbf80); /* -1 */
    assert_true(dms_random_bits(DMS_DTYPE_F16, 0, 1) == 0xbc00);
    assert_true(dms_random_bits(DMS_DTYPE_F16, 0, 0.25) == 0xb400);
    assert_true(dms_random_bits(DMS_DTYPE_F16, middle, 1) == 0);
}

static void narrow_floats_are_never_infinite_or_nan(void **state) {
    (void)state;
    double sum = 0;
    for (uint64_t k = 0; k < 20000; k++) {
        const uint64_t word = dms_random_word(k);
        assert_true((dms_random_bits(DMS_DTYPE_F16, word, 1) & 0x7c00) != 0x7c00);
        assert_true((dms_random_bits(DMS_DTYPE_BF16, word, 1) & 0x7f80) != 0x7f80);
        assert_true(dms_random_bits(DMS_DTYPE_F16, word, 1) < 65536);
        sum += f64_of(dms_random_bits(DMS_DTYPE_F64, word, 1));
    }
    assert_true(fabs(sum / 20000) < 0.02); /* 5 sigma of the mean: 0.0204 */
}

static void integers_are_valid_indices(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_I64, DMS_DTYPE_I32, DMS_DTYPE_U8, DMS_DTYPE_BOOL};
    for (size_t t = 0; t < 4; t++) {
        int ones = 0;
        for (uint64_t k = 0; k < 1000; k++) {
            const uint64_t bits = dms_random_bits(types[t], dms_random_word(k), 8);
            assert_true(bits <= 1);
            ones += bits == 1;
        }
        assert_true(ones > 400 && ones < 600);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_numbers),
        cmocka_unit_test(the_same_numbers_come_again_with_the_same_seed_only),
        cmocka_unit_test(two_files_and_two_places_differ),
        cmocka_unit_test(words_are_those_of_splitmix64),
        cmocka_unit_test(floats_spread_over_the_scale),
        cmocka_unit_test(narrow_floats_are_never_infinite_or_nan),
        cmocka_unit_test(integers_are_valid_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
