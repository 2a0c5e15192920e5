/* test_npy.c - arrays in files: good ones, and every way to be broken that we could think of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/npy.h"

#define PATH "npy_test.tmp"
#define PATH_PB "npy_test.pb"

/* Bytes of a file in the making. */
typedef struct bytes {
    uint8_t data[4096];
    size_t n;
} bytes;

static void put(bytes *b, const void *data, size_t n) {
    assert_true(b->n + n <= sizeof b->data);
    if (n != 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put_number(bytes *b, uint64_t value, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
        put(b, &byte, 1);
    }
}

static void store(const char *path, const bytes *b) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->n, f), b->n);
    assert_int_equal(fclose(f), 0);
}

/* A .npy of this header text and data. */
static bytes npy(int version, const char *header, const void *data, size_t n) {
    bytes b = {.n = 0};
    const char start[8] = {'\x93', 'N', 'U', 'M', 'P', 'Y', (char)version, 0};
    put(&b, start, 8);
    put_number(&b, strlen(header), version == 1 ? 2 : 4);
    put(&b, header, strlen(header));
    put(&b, data, n);
    return b;
}

/* Opens the file and reads it into `to`. */
static dms_code read_file(const char *path, const char *member, dms_view *view, void *to,
                          dms_status *st) {
    dms_array array;
    const dms_code opened = dms_array_open(path, member, &array, st);
    if (opened != DMS_OK)
        return opened;
    *view = array.view;
    const dms_code code = dms_array_read(&array, to, st);
    dms_array_close(&array);
    return code;
}

static dms_code read_npy(const bytes *b, dms_view *view, void *to, dms_status *st) {
    store(PATH, b);
    const dms_code code = read_file(PATH, "x", view, to, st);
    unlink(PATH);
    return code;
}

/* The file is refused with code 7, and the message names it and says why. */
static void refuses(const bytes *b, const char *why) {
    dms_view view;
    dms_status st = {.msg = ""};
    uint8_t to[4096];
    assert_int_equal(read_npy(b, &view, to, &st), DMS_EINPUT);
    if (strstr(st.msg, why) == NULL || strstr(st.msg, PATH) == NULL)
        fail_msg("'%s' does not say '%s'", st.msg, why);
}

static const float six[6] = {1, 2, 3, 4, 5, 6};
#define HEADER_2_3 "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"

static void all_three_versions_are_read(void **state) {
    (void)state;
    for (int version = 1; version <= 3; version++) {
        const bytes b = npy(version, HEADER_2_3, six, sizeof six);
        dms_view view;
        float got[6];
        assert_int_equal(read_npy(&b, &view, got, NULL), DMS_OK);
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
            assert_int_equal(read_file(PATH, "x", &back, got, NULL), DMS_OK);
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
    assert_int_equal(read_file(PATH, "x", &back, got, NULL), DMS_OK);
    assert_int_equal(back.dtype, DMS_DTYPE_U16);
    assert_memory_equal(got, data, sizeof data);
    unlink(PATH);
}

static void a_transposed_array_is_read_in_row_major_order(void **state) {
    (void)state;
    /* columns (1, 2), (3, 4), (5, 6) of [2, 3] are rows 1 3 5 and 2 4 6 */
    const bytes b =
        npy(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", six, sizeof six);
    const float want[6] = {1, 3, 5, 2, 4, 6};
    dms_view view;
    float got[6];
    assert_int_equal(read_npy(&b, &view, got, NULL), DMS_OK);
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
        const bytes b = npy(1, cases[i].header, six, sizeof six);
        refuses(&b, cases[i].why);
    }
}

static void files_that_are_cut_anywhere_are_refused(void **state) {
    (void)state;
    bytes whole = npy(1, HEADER_2_3, six, sizeof six);
    for (size_t n = 0; n < whole.n; n++) {
        bytes part = whole;
        part.n = n;
        refuses(&part, "");
    }
    bytes version = whole;
    version.data[6] = 9;
    refuses(&version, "version 9");
    bytes length = whole;
    length.data[8] = length.data[9] = 0xff;
    refuses(&length, "header of 65535 bytes");
}

static void every_changed_byte_gives_an_array_or_an_error(void **state) {
    (void)state;
    const bytes whole = npy(1, HEADER_2_3, six, sizeof six);
    for (size_t at = 0; at < whole.n; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes b = whole;
            b.data[at] ^= (uint8_t)(1u << bit);
            store(PATH, &b);
            dms_array array;
            if (dms_array_open(PATH, "x", &array, NULL) == DMS_OK) {
                assert_true(array.offset + array.bytes <= b.n);
                dms_array_close(&array);
            }
        }
    unlink(PATH);
}

static void other_files_are_refused(void **state) {
    (void)state;
    bytes text = {.n = 0};
    put(&text, "1 2 3\n4 5 6\n", 12);
    refuses(&text, "not a .npy");
    dms_status st;
    dms_array array;
    assert_int_equal(dms_array_open("absent.npy", "x", &array, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "absent.npy"));
    assert_int_equal(dms_array_open(".", "x", &array, &st), DMS_EIO);
}

/* A zip of members a.npy and b.npy; b holds `second`. */
static bytes npz(const bytes *first, const bytes *second, unsigned method) {
    bytes zip = {.n = 0}, directory = {.n = 0};
    const bytes *member[2] = {first, second};
    for (int i = 0; i < 2; i++) {
        const char name[] = {(char)('a' + i), '.', 'n', 'p', 'y'};
        const uint8_t extra[4] = {1, 0, 0, 0};
        const size_t local = zip.n;
        put(&zip, "PK\3\4", 4);
        put_number(&zip, 0, 4);
        put_number(&zip, method, 2);
        put_number(&zip, 0, 8);
        put_number(&zip, member[i]->n, 4);
        put_number(&zip, member[i]->n, 4);
        put_number(&zip, sizeof name, 2);
        put_number(&zip, sizeof extra, 2);
        put(&zip, name, sizeof name);
        put(&zip, extra, sizeof extra);
        put(&zip, member[i]->data, member[i]->n);
        put(&directory, "PK\1\2", 4);
        put_number(&directory, 0, 6);
        put_number(&directory, method, 2);
        put_number(&directory, 0, 8);
        put_number(&directory, member[i]->n, 4);
        put_number(&directory, member[i]->n, 4);
        put_number(&directory, sizeof name, 2);
        put_number(&directory, 0, 12);
        put_number(&directory, local, 4);
        put(&directory, name, sizeof name);
    }
    const size_t begin = zip.n;
    put(&zip, directory.data, directory.n);
    put(&zip, "PK\5\6", 4);
    put_number(&zip, 0, 4);
    put_number(&zip, 2, 2);
    put_number(&zip, 2, 2);
    put_number(&zip, directory.n, 4);
    put_number(&zip, begin, 4);
    put_number(&zip, 0, 2);
    return zip;
}

static void a_member_of_an_npz_is_found_by_name(void **state) {
    (void)state;
    const float other[6] = {0};
    const bytes a = npy(1, HEADER_2_3, other, sizeof other),
                b = npy(1, HEADER_2_3, six, sizeof six);
    const bytes zip = npz(&a, &b, 0);
    dms_view view;
    float got[6];
    dms_status st;
    store(PATH, &zip);
    assert_int_equal(read_file(PATH, "b", &view, got, NULL), DMS_OK);
    assert_memory_equal(got, six, sizeof six);
    assert_int_equal(read_file(PATH, "c", &view, got, &st), DMS_EINPUT);
    assert_non_null(strstr(st.msg, "no member 'c.npy'"));
    const bytes packed = npz(&a, &b, 8);
    store(PATH, &packed);
    assert_int_equal(read_file(PATH, "b", &view, got, &st), DMS_EINPUT);
    assert_non_null(strstr(st.msg, "compressed"));
    unlink(PATH);
}

static void a_damaged_npz_never_leads_outside_the_file(void **state) {
    (void)state;
    const bytes a = npy(1, HEADER_2_3, six, sizeof six);
    const bytes zip = npz(&a, &a, 0);
    for (size_t n = 0; n < zip.n; n++) {
        bytes part = zip;
        part.n = n;
        refuses(&part, "");
    }
    for (size_t at = 0; at < zip.n; at++) {
        bytes b = zip;
        b.data[at] ^= 0xff;
        store(PATH, &b);
        dms_array array;
        if (dms_array_open(PATH, "b", &array, NULL) == DMS_OK) {
            assert_true(array.offset + array.bytes <= b.n);
            dms_array_close(&array);
        }
    }
    unlink(PATH);
}

/* One field of a protobuf message. */
static void put_field(bytes *b, unsigned field, const void *data, size_t n) {
    assert_true(n < 128 && field < 16);
    put_number(b, field << 3 | 2, 1);
    put_number(b, n, 1);
    put(b, data, n);
}

static bytes tensor_proto(unsigned dtype, unsigned field, const void *data, size_t n) {
    bytes b = {.n = 0};
    put_field(&b, 1, "\2\3", 2); /* dims 2, 3, packed */
    put_number(&b, 2 << 3, 1);
    put_number(&b, dtype, 1);
    put_field(&b, field, data, n);
    put_field(&b, 8, "x", 1);
    return b;
}

static dms_code read_pb(const bytes *b, dms_view *view, void *to, dms_status *st) {
    store(PATH_PB, b);
    const dms_code code = read_file(PATH_PB, "x", view, to, st);
    unlink(PATH_PB);
    return code;
}

static void a_tensor_proto_is_read_in_every_form(void **state) {
    (void)state;
    dms_view view;
    float got[6];
    const bytes raw = tensor_proto(DMS_DTYPE_F32, 9, six, sizeof six);
    assert_int_equal(read_pb(&raw, &view, got, NULL), DMS_OK);
    assert_memory_equal(got, six, sizeof six);
    const bytes typed = tensor_proto(DMS_DTYPE_F32, 4, six, sizeof six);
    assert_int_equal(read_pb(&typed, &view, got, NULL), DMS_OK);
    assert_memory_equal(got, six, sizeof six);
    assert_int_equal(view.dim[1], 3);
    int64_t longs[6];
    const bytes varints = tensor_proto(DMS_DTYPE_I64, 7, "\1\2\3\4\xac\2\6", 7); /* 5th: 300 */
    assert_int_equal(read_pb(&varints, &view, longs, NULL), DMS_OK);
    assert_int_equal(longs[4], 300);
    assert_int_equal(longs[5], 6);
    int8_t small[6];
    const bytes narrow = tensor_proto(
        DMS_DTYPE_I8, 5, "\1\2\3\4\5\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 15); /* 6th: -1 */
    assert_int_equal(read_pb(&narrow, &view, small, NULL), DMS_OK);
    assert_int_equal(small[5], -1);
}

static void a_broken_tensor_proto_is_refused(void **state) {
    (void)state;
    dms_view view;
    uint8_t got[64];
    dms_status st;
    const bytes whole = tensor_proto(DMS_DTYPE_F32, 9, six, sizeof six);
    for (size_t n = 0; n + 3 < whole.n; n++) { /* the name may be missing */
        bytes part = whole;
        part.n = n;
        assert_int_equal(read_pb(&part, &view, got, &st), DMS_EINPUT);
        assert_non_null(strstr(st.msg, PATH_PB));
    }
    const bytes short_data = tensor_proto(DMS_DTYPE_F32, 9, six, 20);
    assert_int_equal(read_pb(&short_data, &view, got, &st), DMS_EINPUT);
    const bytes few = tensor_proto(DMS_DTYPE_I64, 7, "\1\2\3", 3);
    assert_int_equal(read_pb(&few, &view, got, &st), DMS_EINPUT);
    const bytes many = tensor_proto(DMS_DTYPE_I64, 7, "\1\2\3\4\5\6\7", 7);
    assert_int_equal(read_pb(&many, &view, got, &st), DMS_EINPUT);
    const bytes text = tensor_proto(8, 6, "a", 1);
    assert_int_equal(read_pb(&text, &view, got, &st), DMS_EINPUT);
    const bytes wrong_field = tensor_proto(DMS_DTYPE_F32, 7, "\1\2\3\4\5\6", 6);
    assert_int_equal(read_pb(&wrong_field, &view, got, &st), DMS_EINPUT);
    bytes twice = whole;
    put_field(&twice, 9, six, sizeof six);
    assert_int_equal(read_pb(&twice, &view, got, &st), DMS_EINPUT);
    bytes elsewhere = whole;
    put(&elsewhere, "\x70\1", 2); /* data_location = EXTERNAL */
    assert_int_equal(read_pb(&elsewhere, &view, got, &st), DMS_EINPUT);
}

static void every_changed_bit_of_a_tensor_proto_is_survived(void **state) {
    (void)state;
    const bytes whole = tensor_proto(DMS_DTYPE_F32, 9, six, sizeof six);
    for (size_t at = 0; at < whole.n; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes b = whole;
            b.data[at] ^= (uint8_t)(1u << bit);
            store(PATH_PB, &b);
            dms_array array;
            if (dms_array_open(PATH_PB, "x", &array, NULL) == DMS_OK) {
                assert_true(array.offset + array.bytes <= b.n);
                dms_array_close(&array);
            }
        }
    unlink(PATH_PB);
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
        cmocka_unit_test(a_member_of_an_npz_is_found_by_name),
        cmocka_unit_test(a_damaged_npz_never_leads_outside_the_file),
        cmocka_unit_test(a_tensor_proto_is_read_in_every_form),
        cmocka_unit_test(a_broken_tensor_proto_is_refused),
        cmocka_unit_test(every_changed_bit_of_a_tensor_proto_is_survived),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
