/* test_npy.c - arrays in files: good ones, and every way to be broken that we could think of.
 * .npz and .pb files have tests of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support_array.h"

#define PATH "npy_test.tmp"

static const float six[6] = {1, 2, 3, 4, 5, 6};
#define HEADER_2_3 "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"

static void all_three_versions_are_read(void **state) {
    (void)state;
    for (int version = 1; version <= 3; version++) {
        const array_bytes b = array_npy(version, HEADER_2_3, six, sizeof six);
        dms_view view;
        float got[6];
        assert_int_equal(array_read(PATH, "x", &b, &view, got, NULL), DMS_OK);
        assert_int_equal(view.dtype, DMS_DTYPE_F32);
        assert_int_equal(view.rank, 2);
        assert_int_equal(view.dim[0], 2);
        assert_int_equal(view.dim[1], 3);
        assert_memory_equal(got, six, sizeof six);
    }
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_F32, DMS_DTYPE_F64, DMS_DTYPE_F16, DMS_DTYPE_BOOL,
                                      DMS_DTYPE_U8,  DMS_DTYPE_I8,  DMS_DTYPE_U16, DMS_DTYPE_I16,
                                      DMS_DTYPE_U32, DMS_DTYPE_I32, DMS_DTYPE_U64, DMS_DTYPE_I64};
    const int64_t dim[3] = {1, 2, 3};
    uint8_t data[6 * 8], got[6 * 8];
    for (uint8_t i = 0; i < sizeof data; i++)
        data[i] = i;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (uint32_t rank = 0; rank <= 3; rank++) {
            dms_view view, back;
            assert_true(dms_view_dense(types[t], rank, dim, &view));
            assert_int_equal(dms_array_write(PATH, &view, data, NULL), DMS_OK);
            assert_int_equal(array_read_file(PATH, "x", &back, got, NULL), DMS_OK);
            assert_int_equal(back.dtype, types[t]);
            assert_true(dms_view_same_dims(&view, &back));
            assert_memory_equal(got, data, dms_view_bytes(&view));
        }
    unlink(PATH);
}

static void bf16_is_written_as_u16(void **state) {
    (void)state;
    const int64_t dim[1] = {2};
    const uint16_t data[2] = {0x3f80, 0xc000};
    uint16_t got[2];
    dms_view view, back;
    assert_true(dms_view_dense(DMS_DTYPE_BF16, 1, dim, &view));
    assert_int_equal(dms_array_write(PATH, &view, data, NULL), DMS_OK);
    assert_int_equal(array_read_file(PATH, "x", &back, got, NULL), DMS_OK);
    assert_int_equal(back.dtype, DMS_DTYPE_U16);
    assert_memory_equal(got, data, sizeof data);
    unlink(PATH);
}

static void a_transposed_array_is_read_in_row_major_order(void **state) {
    (void)state;
    /* columns (1, 2), (3, 4), (5, 6) of [2, 3] are rows 1 3 5 and 2 4 6 */
    const array_bytes b =
        array_npy(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", six, sizeof six);
    const float want[6] = {1, 3, 5, 2, 4, 6};
    dms_view view;
    float got[6];
    assert_int_equal(array_read(PATH, "x", &b, &view, got, NULL), DMS_OK);
    assert_memory_equal(got, want, sizeof want);
}

static void broken_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *header, *why;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", "wants 32 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "wants"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1099511627776), }",
         "too large"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
         "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -3), }", "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (,), }", "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').abort(), }",
         "understood"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3), }", "understood"},
        {"{'descr': '<f4', 'shape': (2, 3), }", "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}", "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x", "understood"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)", "understood"},
        {"{'descr': '<f4", "understood"},
        {"'hello'", "understood"},
        {"", "understood"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }", "type '|O'"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", "type '>f4'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "understood"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const array_bytes b = array_npy(1, cases[i].header, six, sizeof six);
        array_refuses(PATH, "x", &b, cases[i].why);
    }
}

static void files_that_are_cut_anywhere_are_refused(void **state) {
    (void)state;
    array_bytes whole = array_npy(1, HEADER_2_3, six, sizeof six);
    for (size_t n = 0; n < whole.n; n++) {
        array_bytes part = whole;
        part.n = n;
        array_refuses(PATH, "x", &part, "");
    }
    array_bytes version = whole;
    version.data[6] = 9;
    array_refuses(PATH, "x", &version, "version 9");
    array_bytes length = whole;
    length.data[8] = length.data[9] = 0xff;
    array_refuses(PATH, "x", &length, "header of 65535 bytes");
}

static void every_changed_byte_gives_an_array_or_an_error(void **state) {
    (void)state;
    const array_bytes whole = array_npy(1, HEADER_2_3, six, sizeof six);
    for (size_t at = 0; at < whole.n; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            array_bytes b = whole;
            b.data[at] ^= (uint8_t)(1u << bit);
            array_is_contained(PATH, "x", &b);
        }
}

static void other_files_are_refused(void **state) {
    (void)state;
    array_bytes text = {.n = 0};
    array_put(&text, "1 2 3\n4 5 6\n", 12);
    array_refuses(PATH, "x", &text, "not a .npy");
    dms_status st;
    dms_array array;
    assert_int_equal(dms_array_open("absent.npy", "x", &array, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "absent.npy"));
    assert_int_equal(dms_array_open(".", "x", &array, &st), DMS_EIO);
}

static void a_file_that_cannot_be_written_leaves_nothing(void **state) {
    (void)state;
    const int64_t dim[1] = {6};
    dms_view view;
    dms_status st;
    assert_true(dms_view_dense(DMS_DTYPE_F32, 1, dim, &view));
    assert_int_equal(dms_array_write("no/such/folder.npy", &view, six, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "no/such/folder.npy"));
    assert_int_equal(dms_array_write("/dev/full/x.npy", &view, six, &st), DMS_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_three_versions_are_read),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(bf16_is_written_as_u16),
        cmocka_unit_test(a_transposed_array_is_read_in_row_major_order),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(files_that_are_cut_anywhere_are_refused),
        cmocka_unit_test(every_changed_byte_gives_an_array_or_an_error),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
