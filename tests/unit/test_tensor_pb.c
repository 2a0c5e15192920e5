/* test_tensor_pb.c - one TensorProto as a file: every form of dims and data; tables that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support_array.h"

#define PATH "tensor_test.pb"

/* Fields of TensorProto, and how protobuf writes a field. */
enum {
    DIMS = 1,
    DATA_TYPE = 2,
    FLOATS = 4,
    INT32S = 5,
    TEXTS = 6,
    INT64S = 7,
    NAME = 8,
    RAW = 9,
    DOUBLES = 10,
    UINT64S = 11,
    EXTERNAL = 13,
    LOCATION = 14
};
enum { VARINT = 0, FIXED_64 = 1, LENGTH = 2, GROUP = 3, END_GROUP = 4, FIXED_32 = 5 };

static const float six[6] = {1, 2, 3, 4, 5, 6};

static void put_key(array_bytes *b, unsigned field, unsigned wire) {
    array_put_varint(b, field << 3 | wire);
}

static void put_number(array_bytes *b, unsigned field, uint64_t value) {
    put_key(b, field, VARINT);
    array_put_varint(b, value);
}

static void put_bytes(array_bytes *b, unsigned field, const void *data, size_t n) {
    put_key(b, field, LENGTH);
    array_put_varint(b, n);
    array_put(b, data, n);
}

/* Dims 2 and 3, packed, and a data type. */
static array_bytes head(unsigned dtype) {
    array_bytes b = {.n = 0};
    put_bytes(&b, DIMS, "\2\3", 2);
    put_number(&b, DATA_TYPE, dtype);
    return b;
}

/* A tensor [2,3] with one field of data, and its name behind it. */
static array_bytes tensor(unsigned dtype, unsigned field, const void *data, size_t n) {
    array_bytes b = head(dtype);
    put_bytes(&b, field, data, n);
    put_bytes(&b, NAME, "x", 1);
    return b;
}

/* Reads well, into `to`; returns the view. */
static dms_view read_well(const array_bytes *b, void *to) {
    dms_view view;
    dms_status st;
    if (array_read(PATH, "x", b, &view, to, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return view;
}

static void refuse(const array_bytes *b, const char *why) {
    array_refuses(PATH, "x", b, why);
}

/* ---- forms --------------------------------------------------------------------------------- */

static void data_may_be_raw_in_every_type(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_F32, DMS_DTYPE_F64, DMS_DTYPE_F16, DMS_DTYPE_BF16,
                                      DMS_DTYPE_I8,  DMS_DTYPE_I16, DMS_DTYPE_I32, DMS_DTYPE_I64,
                                      DMS_DTYPE_U8,  DMS_DTYPE_U16, DMS_DTYPE_U32, DMS_DTYPE_U64,
                                      DMS_DTYPE_BOOL};
    uint8_t data[48], got[48];
    for (uint8_t k = 0; k < sizeof data; k++)
        data[k] = k;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        const size_t n = 6 * dms_dtype_bytes(types[k]);
        const array_bytes b = tensor(types[k], RAW, data, n);
        const dms_view view = read_well(&b, got);
        assert_int_equal(view.dtype, types[k]);
        assert_int_equal(view.rank, 2);
        assert_int_equal(view.dim[0], 2);
        assert_int_equal(view.dim[1], 3);
        assert_memory_equal(got, data, n);
    }
}

static void reals_may_stand_in_their_own_fields(void **state) {
    (void)state;
    const double wide[6] = {1, 2, 3, 4, 5, 0.1};
    float narrow_got[6];
    double wide_got[6];
    const array_bytes narrow = tensor(DMS_DTYPE_F32, FLOATS, six, sizeof six);
    (void)read_well(&narrow, narrow_got);
    assert_memory_equal(narrow_got, six, sizeof six);
    const array_bytes b = tensor(DMS_DTYPE_F64, DOUBLES, wide, sizeof wide);
    (void)read_well(&b, wide_got);
    assert_memory_equal(wide_got, wide, sizeof wide);
}

/* Six varints in the field of a type: 0, 1, the largest 7-bit number, and those of more bytes. */
static void integers_are_numbers_of_their_own_length(void **state) {
    (void)state;
    static const struct {
        dms_dtype dtype;
        unsigned field;
        uint64_t last;
    } one[] = {{DMS_DTYPE_I64, INT64S, (uint64_t)INT64_MIN},
               {DMS_DTYPE_I64, INT64S, UINT64_MAX},
               {DMS_DTYPE_I32, INT32S, (uint64_t)-5},
               {DMS_DTYPE_I16, INT32S, (uint64_t)-5},
               {DMS_DTYPE_I8, INT32S, (uint64_t)-128},
               {DMS_DTYPE_U8, INT32S, 255},
               {DMS_DTYPE_U16, INT32S, 65535},
               {DMS_DTYPE_BOOL, INT32S, 1},
               {DMS_DTYPE_F16, INT32S, 0x3c00},
               {DMS_DTYPE_BF16, INT32S, 0xbf80},
               {DMS_DTYPE_U32, UINT64S, UINT32_MAX},
               {DMS_DTYPE_U64, UINT64S, UINT64_MAX}};
    for (size_t k = 0; k < sizeof one / sizeof *one; k++) {
        const uint64_t value[6] = {0, 1, 127, 1, 0, one[k].last};
        array_bytes data = {.n = 0};
        uint8_t got[48], wanted[48];
        const size_t size = dms_dtype_bytes(one[k].dtype);
        for (size_t j = 0; j < 6; j++) {
            array_put_varint(&data, value[j]);
            memcpy(wanted + j * size, &value[j], size);
        }
        const array_bytes b = tensor(one[k].dtype, one[k].field, data.data, data.n);
        (void)read_well(&b, got);
        assert_memory_equal(got, wanted, 6 * size);
    }
}

static void dims_may_come_one_by_one_or_packed_or_both(void **state) {
    (void)state;
    float got[6];
    array_bytes b = {.n = 0};
    put_number(&b, DIMS, 2);
    put_number(&b, DIMS, 1);
    put_bytes(&b, DIMS, "\3\1", 2);
    put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
    put_bytes(&b, RAW, six, sizeof six);
    const dms_view view = read_well(&b, got);
    assert_int_equal(view.rank, 4);
    assert_int_equal(view.dim[0] * 1000 + view.dim[1] * 100 + view.dim[2] * 10 + view.dim[3], 2131);
}

static void without_dims_it_is_a_scalar(void **state) {
    (void)state;
    float got;
    array_bytes b = {.n = 0};
    put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
    put_bytes(&b, RAW, six, 4);
    assert_int_equal(read_well(&b, &got).rank, 0);
    assert_true(got == 1);
}

/* An empty tensor needs no data; an empty field of data is none too many. */
static void a_tensor_of_no_elements_needs_no_data(void **state) {
    (void)state;
    static const dms_dtype types[] = {DMS_DTYPE_F32, DMS_DTYPE_I64, DMS_DTYPE_BOOL};
    for (size_t k = 0; k < 3; k++)
        for (int has_field = 0; has_field < 2; has_field++) {
            uint8_t got;
            array_bytes b = {.n = 0};
            put_bytes(&b, DIMS, "\0\3", 2);
            put_number(&b, DATA_TYPE, types[k]);
            if (has_field)
                put_bytes(&b, RAW, NULL, 0);
            assert_int_equal(read_well(&b, &got).dim[1], 3);
        }
}

/* Fields may stand in any order, and unknown ones between them. */
static void the_order_of_fields_does_not_matter(void **state) {
    (void)state;
    float got[6];
    array_bytes b = {.n = 0};
    put_bytes(&b, RAW, six, sizeof six);
    put_bytes(&b, 100, "unknown", 7);
    put_number(&b, 5000, 7);
    put_key(&b, 16, FIXED_32);
    array_put_number(&b, 1, 4);
    put_key(&b, 17, FIXED_64);
    array_put_number(&b, 1, 8);
    put_number(&b, LOCATION, 0); /* DEFAULT: here */
    put_number(&b, DATA_TYPE, DMS_DTYPE_I64);
    put_number(&b, DATA_TYPE, DMS_DTYPE_F32); /* the last of two counts */
    put_bytes(&b, DIMS, "\2\3", 2);
    (void)read_well(&b, got);
    assert_memory_equal(got, six, sizeof six);
}

/* A name so long that each field behind it crosses the end of the window once. */
static void fields_may_cross_the_window_at_every_byte(void **state) {
    (void)state;
    static char name[4200];
    for (size_t length = 4060; length < 4110; length++) {
        float got[6];
        array_bytes b = {.n = 0};
        put_bytes(&b, NAME, name, length);
        put_bytes(&b, DIMS, "\2\3", 2);
        put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
        put_bytes(&b, RAW, six, sizeof six);
        (void)read_well(&b, got);
        assert_memory_equal(got, six, sizeof six);
    }
}

/* ---- numbers that lie ---------------------------------------------------------------------- */

static void a_number_cut_short_is_refused(void **state) {
    (void)state;
    array_bytes b = head(DMS_DTYPE_F32);
    array_put_number(&b, 0x80, 1); /* of a key */
    refuse(&b, "the TensorProto is cut short");
    b = head(DMS_DTYPE_F32);
    put_key(&b, RAW, LENGTH);
    array_put_number(&b, 0xff, 1); /* of a length */
    refuse(&b, "the TensorProto is cut short");
    b = head(DMS_DTYPE_F32);
    put_key(&b, DATA_TYPE, VARINT);
    refuse(&b, "the TensorProto is cut short");
}

static void a_number_of_more_than_ten_bytes_is_refused(void **state) {
    (void)state;
    array_bytes b = {.n = 0};
    put_key(&b, DATA_TYPE, VARINT);
    array_put(&b, "\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);
    refuse(&b, "a number of more than 64 bits");
}

/* The tenth byte has room for one bit; 2^64 + 2 is not 2. */
static void a_number_beyond_64_bits_is_refused(void **state) {
    (void)state;
    array_bytes b = {.n = 0};
    put_key(&b, DIMS, VARINT);
    array_put(&b, "\x82\x80\x80\x80\x80\x80\x80\x80\x80\x02", 10);
    put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
    put_bytes(&b, RAW, six, 8);
    refuse(&b, "a number of more than 64 bits");
}

/* The last number of packed dims goes on where their field has ended: it would take the next
 * field's key for its own. */
static void packed_dims_end_with_a_whole_number(void **state) {
    (void)state;
    array_bytes b = {.n = 0};
    put_bytes(&b, DIMS, "\2\x83", 2);
    array_put_number(&b, 0, 1); /* would end the number: 3 */
    put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
    put_bytes(&b, RAW, six, sizeof six);
    refuse(&b, "the TensorProto is cut short");
}

static void lengths_beyond_the_file_are_refused(void **state) {
    (void)state;
    static const uint64_t length[] = {25, 1000, UINT64_C(1) << 40, INT64_MAX, UINT64_MAX};
    static const unsigned field[] = {RAW, NAME, DIMS, 77};
    for (size_t k = 0; k < 5; k++)
        for (size_t f = 0; f < 4; f++) {
            array_bytes b = head(DMS_DTYPE_F32);
            put_key(&b, field[f], LENGTH);
            array_put_varint(&b, length[k]);
            array_put(&b, six, sizeof six);
            refuse(&b, "the TensorProto is cut short");
        }
}

static void fixed_numbers_at_the_end_are_whole_or_refused(void **state) {
    (void)state;
    for (size_t n = 0; n < 8; n++) {
        array_bytes b = tensor(DMS_DTYPE_F32, RAW, six, sizeof six);
        put_key(&b, 16, FIXED_64);
        array_put_number(&b, 0, n);
        refuse(&b, "not a TensorProto, or a damaged one");
    }
}

/* Groups are no part of this format any more, and 6 and 7 never were a way to write a field. */
static void ways_of_writing_that_do_not_exist_are_refused(void **state) {
    (void)state;
    for (unsigned wire = GROUP; wire < 8; wire++) {
        if (wire == FIXED_32)
            continue;
        array_bytes b = tensor(DMS_DTYPE_F32, RAW, six, sizeof six);
        put_key(&b, 50, wire);
        array_put(&b, six, sizeof six);
        refuse(&b, "not a TensorProto, or a damaged one");
    }
}

/* ---- dims that lie ------------------------------------------------------------------------- */

static void a_negative_dim_is_refused(void **state) {
    (void)state;
    static const int64_t dim[] = {-1, INT64_MIN};
    for (size_t k = 0; k < 2; k++) {
        array_bytes b = {.n = 0};
        put_number(&b, DIMS, (uint64_t)dim[k]);
        put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
        put_bytes(&b, RAW, six, 4);
        refuse(&b, "a negative dim");
    }
}

static void nine_dims_are_refused(void **state) {
    (void)state;
    array_bytes b = {.n = 0};
    put_bytes(&b, DIMS, "\1\1\1\1\1\1\1\1", 8);
    put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
    put_bytes(&b, RAW, six, 4);
    float got;
    assert_int_equal(read_well(&b, &got).rank, 8);
    put_number(&b, DIMS, 1);
    refuse(&b, "more than 8 dims");
}

static void a_shape_beyond_63_bits_is_refused(void **state) {
    (void)state;
    array_bytes b = {.n = 0};
    put_number(&b, DIMS, UINT64_C(1) << 40);
    put_number(&b, DIMS, UINT64_C(1) << 40);
    put_number(&b, DATA_TYPE, DMS_DTYPE_F32);
    put_bytes(&b, RAW, six, sizeof six);
    refuse(&b, "its shape is too large");
}

/* ---- data that do not fit ------------------------------------------------------------------ */

static void data_must_be_what_the_dims_want(void **state) {
    (void)state;
    static const size_t bytes[] = {0, 4, 20, 23, 25, 28};
    static const unsigned field[] = {RAW, FLOATS};
    const float seven[7] = {1, 2, 3, 4, 5, 6, 7};
    for (size_t k = 0; k < 6; k++)
        for (size_t f = 0; f < 2; f++) {
            const array_bytes b = tensor(DMS_DTYPE_F32, field[f], seven, bytes[k]);
            refuse(&b, "bytes of data, its dims want 24");
        }
}

static void five_or_seven_integers_are_not_six(void **state) {
    (void)state;
    array_bytes b = tensor(DMS_DTYPE_I64, INT64S, "\1\2\3\4\5", 5);
    refuse(&b, "fewer elements than its dims want");
    b = tensor(DMS_DTYPE_I64, INT64S, "\1\2\3\4\5\6\7", 7);
    refuse(&b, "more elements than its dims want");
    b = tensor(DMS_DTYPE_I64, INT64S, "\1\2\3\4\xac\2", 6); /* 300 takes two of six bytes */
    refuse(&b, "the TensorProto is cut short");
    b = tensor(DMS_DTYPE_I64, INT64S, "\1\2\3\4\5\x80", 6); /* the sixth goes on into the name */
    refuse(&b, "the TensorProto is cut short");
}

static void data_in_the_field_of_another_type_are_refused(void **state) {
    (void)state;
    static const struct {
        dms_dtype dtype;
        unsigned field;
    } one[] = {{DMS_DTYPE_F32, INT64S},  {DMS_DTYPE_F32, DOUBLES}, {DMS_DTYPE_I64, INT32S},
               {DMS_DTYPE_I32, INT64S},  {DMS_DTYPE_U64, INT64S},  {DMS_DTYPE_F16, FLOATS},
               {DMS_DTYPE_BOOL, UINT64S}};
    for (size_t k = 0; k < sizeof one / sizeof *one; k++) {
        const array_bytes b = tensor(one[k].dtype, one[k].field, "\1\2\3\4\5\6", 6);
        refuse(&b, "the TensorProto holds no data of its type");
    }
    const array_bytes none = head(DMS_DTYPE_F32);
    refuse(&none, "the TensorProto holds no data of its type");
}

/* Not packed, each element has a key of its own: files of before 2010. */
static void data_that_are_not_packed_are_refused(void **state) {
    (void)state;
    static const unsigned varint[] = {INT32S, INT64S, UINT64S};
    for (size_t k = 0; k < 3; k++) {
        array_bytes b = head(DMS_DTYPE_I64);
        put_number(&b, varint[k], 1);
        refuse(&b, "its data are not packed");
    }
    array_bytes b = head(DMS_DTYPE_F32);
    put_key(&b, FLOATS, FIXED_32);
    array_put(&b, six, 4);
    refuse(&b, "not a TensorProto, or a damaged one");
    b = head(DMS_DTYPE_F64);
    put_key(&b, DOUBLES, FIXED_64);
    array_put(&b, six, 8);
    refuse(&b, "not a TensorProto, or a damaged one");
}

static void data_may_be_there_once(void **state) {
    (void)state;
    static const unsigned again[] = {RAW, FLOATS, INT32S, INT64S, DOUBLES, UINT64S};
    for (size_t k = 0; k < 6; k++) {
        array_bytes b = tensor(DMS_DTYPE_F32, RAW, six, sizeof six);
        put_bytes(&b, again[k], six, sizeof six);
        refuse(&b, "the TensorProto holds its data twice");
    }
}

/* data_location EXTERNAL with its table, or a table alone. */
static void data_in_another_file_are_refused(void **state) {
    (void)state;
    static const char entry[] = "\x0a\x08location\x12\x05w.bin";
    array_bytes b = head(DMS_DTYPE_F32);
    put_bytes(&b, EXTERNAL, entry, sizeof entry - 1);
    put_number(&b, LOCATION, 1);
    refuse(&b, "its data lie in another file");
    b = tensor(DMS_DTYPE_F32, RAW, six, sizeof six);
    put_number(&b, LOCATION, 1);
    refuse(&b, "its data lie in another file");
    b = head(DMS_DTYPE_F32);
    put_bytes(&b, EXTERNAL, entry, sizeof entry - 1);
    refuse(&b, "the TensorProto holds no data of its type");
}

static void types_without_kernels_are_named(void **state) {
    (void)state;
    static const struct {
        uint64_t type;
        const char *why;
    } one[] = {{8, "element type string is not supported"},
               {14, "element type complex64 is not supported"},
               {0, "is not supported"},
               {999, "is not supported"},
               {UINT64_MAX, "is not supported"},
               {(UINT64_C(1) << 32) + 1, "is not supported"}};
    for (size_t k = 0; k < sizeof one / sizeof *one; k++) {
        array_bytes b = {.n = 0};
        put_bytes(&b, DIMS, "\2\3", 2);
        put_number(&b, DATA_TYPE, one[k].type);
        put_bytes(&b, RAW, six, sizeof six);
        refuse(&b, one[k].why);
    }
    array_bytes b = {.n = 0};
    put_bytes(&b, RAW, six, 4);
    refuse(&b, "is not supported"); /* no type at all */
    const array_bytes text = tensor(8, TEXTS, "a", 1);
    refuse(&text, "element type string is not supported");
}

/* ---- anything ------------------------------------------------------------------------------ */

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    const array_bytes whole = tensor(DMS_DTYPE_F32, RAW, six, sizeof six);
    for (size_t n = 0; n + 3 < whole.n; n++) { /* the name may be missing */
        array_bytes part = whole;
        part.n = n;
        refuse(&part, "");
    }
}

static void a_changed_bit_never_leads_outside(void **state) {
    (void)state;
    const array_bytes files[2] = {tensor(DMS_DTYPE_F32, RAW, six, sizeof six),
                                  tensor(DMS_DTYPE_I64, INT64S, "\1\2\3\4\xac\2\6", 7)};
    for (size_t f = 0; f < 2; f++)
        for (size_t at = 0; at < files[f].n; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                array_bytes b = files[f];
                b.data[at] ^= (uint8_t)(1u << bit);
                array_is_contained(PATH, "x", &b);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_may_be_raw_in_every_type),
        cmocka_unit_test(reals_may_stand_in_their_own_fields),
        cmocka_unit_test(integers_are_numbers_of_their_own_length),
        cmocka_unit_test(dims_may_come_one_by_one_or_packed_or_both),
        cmocka_unit_test(without_dims_it_is_a_scalar),
        cmocka_unit_test(a_tensor_of_no_elements_needs_no_data),
        cmocka_unit_test(the_order_of_fields_does_not_matter),
        cmocka_unit_test(fields_may_cross_the_window_at_every_byte),
        cmocka_unit_test(a_number_cut_short_is_refused),
        cmocka_unit_test(a_number_of_more_than_ten_bytes_is_refused),
        cmocka_unit_test(a_number_beyond_64_bits_is_refused),
        cmocka_unit_test(packed_dims_end_with_a_whole_number),
        cmocka_unit_test(lengths_beyond_the_file_are_refused),
        cmocka_unit_test(fixed_numbers_at_the_end_are_whole_or_refused),
        cmocka_unit_test(ways_of_writing_that_do_not_exist_are_refused),
        cmocka_unit_test(a_negative_dim_is_refused),
        cmocka_unit_test(nine_dims_are_refused),
        cmocka_unit_test(a_shape_beyond_63_bits_is_refused),
        cmocka_unit_test(data_must_be_what_the_dims_want),
        cmocka_unit_test(five_or_seven_integers_are_not_six),
        cmocka_unit_test(data_in_the_field_of_another_type_are_refused),
        cmocka_unit_test(data_that_are_not_packed_are_refused),
        cmocka_unit_test(data_may_be_there_once),
        cmocka_unit_test(data_in_another_file_are_refused),
        cmocka_unit_test(types_without_kernels_are_named),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_changed_bit_never_leads_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
