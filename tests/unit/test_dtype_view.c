/* test_dtype_view.c - sizes of types, and what a strided view covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "schema/view.h"

static void types_have_the_sizes_and_numbers_of_onnx(void **state) {
    (void)state;
    static const struct {
        uint32_t number, bytes;
        const char *name;
        bool is_float, is_integer;
    } types[] = {
        {1, 4, "f32", true, false},   {2, 1, "u8", false, true},    {3, 1, "i8", false, true},
        {4, 2, "u16", false, true},   {5, 2, "i16", false, true},   {6, 4, "i32", false, true},
        {7, 8, "i64", false, true},   {9, 1, "bool", false, false}, {10, 2, "f16", true, false},
        {11, 8, "f64", true, false},  {12, 4, "u32", false, true},  {13, 8, "u64", false, true},
        {16, 2, "bf16", true, false},
    };
    uint32_t known = 0;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        assert_int_equal(dms_dtype_bytes(types[k].number), types[k].bytes);
        assert_string_equal(dms_dtype_name(types[k].number), types[k].name);
        assert_int_equal(dms_dtype_is_float(types[k].number), types[k].is_float);
        assert_int_equal(dms_dtype_is_integer(types[k].number), types[k].is_integer);
        known |= DMS_DTYPE_BIT(types[k].number);
    }
    for (uint32_t number = 0; number < 32; number++)
        assert_int_equal(dms_dtype_bytes(number) != 0, known >> number & 1);
}

static void numbers_without_a_type_have_a_name_and_no_size(void **state) {
    (void)state;
    static const uint32_t numbers[] = {0, 8, 14, 15, 17, 31, 32, 1000, UINT32_MAX};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        assert_int_equal(dms_dtype_bytes(numbers[k]), 0);
        assert_non_null(dms_dtype_name(numbers[k]));
        assert_false(dms_dtype_is_float(numbers[k]));
        assert_false(dms_dtype_is_integer(numbers[k]));
    }
    assert_string_equal(dms_dtype_name(8), "string");
}

static void dense_pitches_are_products_of_the_dims_behind(void **state) {
    (void)state;
    dms_view v;
    assert_true(dms_view_dense(DMS_DTYPE_F32, 3, (const int64_t[]){2, 3, 4}, &v));
    assert_true(v.pitch[0] == 12 && v.pitch[1] == 4 && v.pitch[2] == 1);
    assert_int_equal(dms_view_count(&v), 24);
    assert_int_equal(dms_view_bytes(&v), 96);
    assert_int_equal(dms_view_end(&v), 24);
    assert_true(dms_view_is_dense(&v));
    assert_true(dms_view_dense(DMS_DTYPE_F64, 0, NULL, &v));
    assert_int_equal(dms_view_count(&v), 1); /* a scalar */
    assert_int_equal(dms_view_bytes(&v), 8);
    assert_int_equal(dms_view_end(&v), 1);
    assert_true(dms_view_is_dense(&v));
}

static void dense_views_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const struct {
        dms_dtype dtype;
        uint32_t rank;
        int64_t dim[9];
        bool fits;
    } cases[] = {
        {DMS_DTYPE_F32, 1, {INT64_MAX / 4}, true},
        {DMS_DTYPE_F32, 1, {INT64_MAX / 4 + 1}, false},
        {DMS_DTYPE_U8, 1, {INT64_MAX}, true},
        {DMS_DTYPE_F64, 2, {(int64_t)1 << 30, (int64_t)1 << 30}, false}, /* 2^63 bytes */
        {DMS_DTYPE_F64, 2, {(int64_t)1 << 30, ((int64_t)1 << 30) - 1}, true},
        {DMS_DTYPE_U8, 2, {(int64_t)1 << 32, (int64_t)1 << 32}, false},
        {DMS_DTYPE_U8, 3, {0, (int64_t)1 << 32, (int64_t)1 << 32}, false}, /* empty: as any other */
        {DMS_DTYPE_U8, 2, {2, -1}, false},
        {DMS_DTYPE_U8, 1, {INT64_MIN}, false},
        {DMS_DTYPE_NONE, 1, {2}, false},
        {(dms_dtype)8, 1, {2}, false},
        {DMS_DTYPE_U8, 8, {1, 1, 1, 1, 1, 1, 1, 1}, true},
        {DMS_DTYPE_U8, 9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, false},
        {DMS_DTYPE_U8, UINT32_MAX, {1}, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        dms_view v = {.rank = 77}, before = v;
        const bool fits = dms_view_dense(cases[k].dtype, cases[k].rank, cases[k].dim, &v);
        if (fits != cases[k].fits)
            fail_msg("case %zu", k);
        assert_true(fits || memcmp(&v, &before, sizeof v) == 0);
    }
}

/* Ends against marking every element that a view reaches. */
static void the_end_is_one_past_the_farthest_element(void **state) {
    (void)state;
    for (int64_t a = 0; a < 4; a++)
        for (int64_t b = 0; b < 4; b++)
            for (int64_t pa = 0; pa < 7; pa++)
                for (int64_t pb = 0; pb < 7; pb++) {
                    const dms_view v = {DMS_DTYPE_F32, 2, 5, {a, b}, {pa, pb}};
                    int64_t farthest = -1;
                    for (int64_t i = 0; i < a; i++)
                        for (int64_t j = 0; j < b; j++)
                            if (5 + i * pa + j * pb > farthest)
                                farthest = 5 + i * pa + j * pb;
                    assert_int_equal(dms_view_end(&v), farthest + 1);
                    assert_int_equal(dms_view_count(&v), a * b);
                }
}

/* Dense means: the n-th element in row-major order lies at n. */
static void dense_views_count_up_without_holes(void **state) {
    (void)state;
    for (int64_t code = 0; code < 3 * 3 * 3 * 7 * 7 * 7; code++) {
        int64_t rest = code;
        dms_view v = {.dtype = DMS_DTYPE_U8, .rank = 3};
        for (int k = 0; k < 3; k++, rest /= 3)
            v.dim[k] = 1 + rest % 3;
        for (int k = 0; k < 3; k++, rest /= 7)
            v.pitch[k] = rest % 7;
        bool counts_up = true;
        int64_t n = 0;
        for (int64_t i = 0; i < v.dim[0]; i++)
            for (int64_t j = 0; j < v.dim[1]; j++)
                for (int64_t k = 0; k < v.dim[2]; k++, n++)
                    counts_up = counts_up && i * v.pitch[0] + j * v.pitch[1] + k * v.pitch[2] == n;
        assert_int_equal(dms_view_is_dense(&v), counts_up);
    }
}

static void dims_are_the_same_when_rank_and_each_dim_are(void **state) {
    (void)state;
    const dms_view a = {DMS_DTYPE_F32, 2, 0, {2, 3}, {3, 1}};
    const dms_view b = {DMS_DTYPE_I64, 2, 9, {2, 3}, {1, 2}}; /* type and place do not matter */
    const dms_view c = {DMS_DTYPE_F32, 3, 0, {2, 3, 1}, {3, 1, 1}};
    const dms_view d = {DMS_DTYPE_F32, 2, 0, {3, 2}, {2, 1}};
    assert_true(dms_view_same_dims(&a, &b));
    assert_false(dms_view_same_dims(&a, &c));
    assert_false(dms_view_same_dims(&c, &a));
    assert_false(dms_view_same_dims(&a, &d));
}

static void views_of_strangers_are_checked(void **state) {
    (void)state;
    const int64_t top = INT64_MAX;
    static const char refused[] = "x: dims or pitches are negative or exceed 63 bits";
    const struct {
        dms_view view;
        const char *says; /* NULL: passes */
    } cases[] = {
        {{DMS_DTYPE_F32, 0, 0, {0}, {0}}, NULL},
        {{DMS_DTYPE_F32, 2, 7, {2, 3}, {100, 5}}, NULL},
        {{DMS_DTYPE_F32, 2, 0, {2, 3}, {0, 0}}, NULL}, /* repeats */
        {{DMS_DTYPE_F32, 1, 0, {0}, {top}}, NULL},     /* reaches nothing */
        {{DMS_DTYPE_U8, 1, 0, {top}, {1}}, NULL},
        {{DMS_DTYPE_U8, 1, 1, {top}, {1}}, refused},
        {{DMS_DTYPE_U8, 1, top, {1}, {1}}, refused},
        {{DMS_DTYPE_U8, 1, top - 1, {1}, {1}}, NULL},
        {{DMS_DTYPE_F32, 1, top / 4, {1}, {1}}, refused},
        {{DMS_DTYPE_F32, 1, -1, {1}, {1}}, refused},
        {{DMS_DTYPE_F32, 1, 0, {-1}, {1}}, refused},
        {{DMS_DTYPE_F32, 1, 0, {4}, {-1}}, refused},
        {{DMS_DTYPE_F32, 1, 0, {0}, {-1}}, refused}, /* also where it reaches nothing */
        {{DMS_DTYPE_F32, 1, 0, {3}, {top / 2 + 1}}, refused},
        {{DMS_DTYPE_F32, 2, 0, {2, 2}, {top / 2, top / 2 + 2}}, refused},
        {{DMS_DTYPE_F32, 2, 0, {top, top}, {0, 0}}, refused}, /* short, but too many */
        {{DMS_DTYPE_F32, 3, 0, {0, top, top}, {1, 0, 0}}, refused},
        {{DMS_DTYPE_F32, 9, 0, {1}, {1}}, "x: rank 9 exceeds 8"},
        {{DMS_DTYPE_NONE, 0, 0, {0}, {0}}, "x: dtype 0 is not known"},
        {{(dms_dtype)8, 0, 0, {0}, {0}}, "x: dtype 8 is not known"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        dms_status st = {0};
        const dms_code code = dms_view_check(&cases[k].view, "x", &st);
        if ((code == DMS_OK) != (cases[k].says == NULL))
            fail_msg("case %zu: '%s'", k, st.msg);
        if (code != DMS_OK)
            assert_string_equal(st.msg, cases[k].says);
        assert_true(code == DMS_OK || code == DMS_EPLAN);
    }
}

static void a_view_is_written_as_type_and_dims(void **state) {
    (void)state;
    char text[64];
    const dms_view v = {DMS_DTYPE_BF16, 3, 0, {2, 30, 400}, {0}}, scalar = {.dtype = DMS_DTYPE_I8};
    assert_string_equal(dms_view_text(&v, text, sizeof text), "bf16 [2, 30, 400]");
    assert_string_equal(dms_view_text(&scalar, text, sizeof text), "i8 []");
}

static void a_text_that_has_no_room_is_cut_and_ends(void **state) {
    (void)state;
    const dms_view v = {DMS_DTYPE_BF16, 3, 0, {2, 30, 400}, {0}};
    for (uint64_t size = 1; size < 30; size++) {
        char text[32];
        memset(text, '#', sizeof text);
        (void)dms_view_text(&v, text, size);
        const size_t length = strlen(text);
        assert_true(length < size);
        if (length > 1) /* the bracket may come early */
            assert_memory_equal(text, "bf16 [2, 30, 400]", length - 1);
        for (uint64_t k = size; k < sizeof text; k++)
            assert_int_equal(text[k], '#');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_the_sizes_and_numbers_of_onnx),
        cmocka_unit_test(numbers_without_a_type_have_a_name_and_no_size),
        cmocka_unit_test(dense_pitches_are_products_of_the_dims_behind),
        cmocka_unit_test(dense_views_that_do_not_fit_are_refused),
        cmocka_unit_test(the_end_is_one_past_the_farthest_element),
        cmocka_unit_test(dense_views_count_up_without_holes),
        cmocka_unit_test(dims_are_the_same_when_rank_and_each_dim_are),
        cmocka_unit_test(views_of_strangers_are_checked),
        cmocka_unit_test(a_view_is_written_as_type_and_dims),
        cmocka_unit_test(a_text_that_has_no_room_is_cut_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
