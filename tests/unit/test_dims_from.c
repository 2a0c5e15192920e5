/* test_dims_from.c - the dims of a folder of inputs: headers of .npy, dims of TensorProto. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/graph.h"
#include "planner/dims_from.h"
#include "support_onnx.h"

/* A folder that is removed with everything in it. */
typedef struct folder_case {
    char path[64];
    dms_arena arena;
    dms_input_dims *dims;
    uint32_t n;
    dms_status st;
} folder_case;

static void begin(folder_case *c) {
    memset(c, 0, sizeof *c);
    strcpy(c->path, "dims.XXXXXX");
    assert_non_null(mkdtemp(c->path));
}

static void end(folder_case *c) {
    char command[200];
    (void)snprintf(command, sizeof command, "rm -r %s", c->path);
    assert_int_equal(system(command), 0);
    dms_arena_free(&c->arena);
}

static void put(const folder_case *c, const char *name, const void *data, size_t size) {
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", c->path, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* A .npy file of one version whose header has this shape, without data. */
static void put_npy(const folder_case *c, const char *name, int version, const char *shape) {
    uint8_t file[400];
    char text[300];
    const int n = snprintf(text, sizeof text,
                           "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n", shape);
    const size_t skip = version >= 2 ? 12 : 10;
    memcpy(file, "\x93NUMPY", 6);
    memcpy(file + 6, (const uint8_t[]){(uint8_t)version, 0, (uint8_t)n, (uint8_t)(n >> 8), 0, 0},
           6);
    memcpy(file + skip, text, (size_t)n);
    put(c, name, file, skip + (size_t)n);
}

static dms_code read_folder(folder_case *c) {
    return dms_dims_from(c->path, &c->arena, &c->dims, &c->n, &c->st);
}

static void expect_dims(const folder_case *c, uint32_t i, const char *want) {
    char text[200] = "";
    size_t used = 0;
    assert_true(i < c->n);
    for (uint32_t k = 0; k < c->dims[i].rank; k++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", k == 0 ? "" : ",",
                                 (long long)c->dims[i].dim[k]);
    assert_string_equal(text, want);
}

static void refuses(folder_case *c, dms_code code, const char *why) {
    const dms_code got = read_folder(c);
    if (got != code || strstr(c->st.msg, why) == NULL)
        fail_msg("code %d, wanted %d with '%s': %s", (int)got, (int)code, why, c->st.msg);
}

static void every_shape_of_npy_is_read(void **state) {
    (void)state;
    static const struct {
        const char *shape, *dims;
    } CASES[] = {{"(2, 7)", "2,7"},
                 {"(5,)", "5"},
                 {"()", ""},
                 {"(1, 2, 0, 16)", "1,2,0,16"},
                 {"(2,7,)", "2,7"},
                 {"(1, 1, 1, 1, 1, 1, 1, 8)", "1,1,1,1,1,1,1,8"},
                 {"(4294967296,)", "4294967296"}};
    for (size_t k = 0; k < sizeof CASES / sizeof CASES[0]; k++)
        for (int version = 1; version <= 3; version++) {
            folder_case c;
            begin(&c);
            put_npy(&c, "input_0.npy", version, CASES[k].shape);
            assert_int_equal(read_folder(&c), DMS_OK);
            assert_int_equal(c.n, 1);
            expect_dims(&c, 0, CASES[k].dims);
            end(&c);
        }
}

static void inputs_count_from_0_to_the_first_that_is_not_there(void **state) {
    (void)state;
    folder_case c;
    begin(&c);
    put_npy(&c, "input_0.npy", 1, "(1,)");
    put_npy(&c, "input_1.npy", 1, "(2,)");
    put_npy(&c, "input_3.npy", 1, "(3,)");
    put_npy(&c, "output_0.npy", 1, "(4,)");
    assert_int_equal(read_folder(&c), DMS_OK);
    assert_int_equal(c.n, 2);
    expect_dims(&c, 1, "2");
    end(&c);
}

/* Dims as their own fields, as one packed field, and behind the data. */
static void dims_of_a_tensor_proto_are_read_wherever_they_stand(void **state) {
    (void)state;
    static const uint8_t single[] = {0x08, 2, 0x08, 0xac, 0x02, 0x10, 1, 0x4a, 3, 9, 9, 9};
    static const uint8_t packed[] = {0x10, 1, 0x0a, 3, 2, 0xac, 0x02, 0x42, 1, 'x'};
    static const uint8_t behind[] = {0x4a, 2, 0x08, 5, 0x0d, 1, 2, 3, 4, 0x08, 2, 0x08, 0xac, 0x02};
    folder_case c;
    begin(&c);
    put(&c, "input_0.pb", single, sizeof single);
    put(&c, "input_1.pb", packed, sizeof packed);
    put(&c, "input_2.pb", behind + 4, 0); /* nothing: a scalar */
    assert_int_equal(read_folder(&c), DMS_OK);
    assert_int_equal(c.n, 3);
    expect_dims(&c, 0, "2,300");
    expect_dims(&c, 1, "2,300");
    expect_dims(&c, 2, "");
    end(&c);
    begin(&c);
    put(&c, "input_0.pb", behind, 4);
    assert_int_equal(read_folder(&c), DMS_OK);
    expect_dims(&c, 0, ""); /* 0x08 5 was data */
    end(&c);
}

static void npy_goes_before_pb(void **state) {
    (void)state;
    static const uint8_t pb[] = {0x08, 9};
    folder_case c;
    begin(&c);
    put_npy(&c, "input_0.npy", 1, "(3,)");
    put(&c, "input_0.pb", pb, sizeof pb);
    put(&c, "input_1.pb", pb, sizeof pb);
    assert_int_equal(read_folder(&c), DMS_OK);
    expect_dims(&c, 0, "3");
    expect_dims(&c, 1, "9");
    end(&c);
}

static void a_folder_without_inputs_is_refused(void **state) {
    (void)state;
    folder_case c;
    begin(&c);
    refuses(&c, DMS_EIO, "there is neither input_0.npy nor input_0.pb");
    end(&c);
    begin(&c);
    end(&c);
    dms_status st;
    assert_int_equal(dms_dims_from("no/such/folder", &c.arena, &c.dims, &c.n, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "no/such/folder"));
}

static void damaged_files_are_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *name, *data;
        size_t size;
        const char *why;
    } CASES[] = {
        {"input_0.npy", "", 0, "no .npy file"},
        {"input_0.npy", "PK\3\4 not a numpy", 15, "no .npy file"},
        {"input_0.npy", "\x93NUMPY\1\0\x40\0{'shape': (2,)}", 26, "it ends in its header"},
        {"input_0.npy", "\x93NUMPY\2\0\x40\0", 10, "it ends in its header"},
        {"input_0.npy", "\x93NUMPY\2\0\xff\xff\xff\xff", 12, "it ends in its header"},
        {"input_0.npy", "\x93NUMPY\1\0\4\0{ } ", 14, "its header has no shape"},
        {"input_0.npy", "\x93NUMPY\1\0\x0f\0{'shape': (x,)}", 25, "no list of numbers"},
        {"input_0.npy", "\x93NUMPY\1\0\x0d\0{'shape': (2,", 23, "no list of numbers"},
        {"input_0.npy", "\x93NUMPY\1\0\x10\0{'shape': (-2,)}", 26, "a dim is negative"},
        {"input_0.pb", "\x08", 1, "no TensorProto"},
        {"input_0.pb", "\x0b\x0b", 2, "no TensorProto"},
        {"input_0.pb", "\x0a\x05\x01", 3, "it ends in its dims"},
        {"input_0.pb", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "a dim is negative"},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof CASES[0]; k++) {
        folder_case c;
        begin(&c);
        put(&c, CASES[k].name, CASES[k].data, CASES[k].size);
        refuses(&c, DMS_EINPUT, CASES[k].why);
        assert_non_null(strstr(c.st.msg, CASES[k].name));
        end(&c);
    }
}

static void more_than_8_dims_are_refused(void **state) {
    (void)state;
    folder_case c;
    begin(&c);
    put_npy(&c, "input_0.npy", 1, "(1, 1, 1, 1, 1, 1, 1, 1, 1)");
    refuses(&c, DMS_EINPUT, "more than 8 dims");
    end(&c);
}

/* ---- what the reader of models makes of examples -------------------------------------------- */

/* x [batch, 4], z [?, batch + 1]: y = x, u = z. */
static dms_code read_model(onnx_case *c, const dms_input_dims *input, uint32_t n,
                           const dms_plan_dim *dim, uint32_t n_dims) {
    onnx_begin(c, 17);
    onnx_input(c, "x", DMS_DTYPE_F32, "batch,4");
    onnx_input(c, "z", DMS_DTYPE_F32, "?,batch + 1");
    (void)onnx_node(c, c->graph, "Relu", "x", "y");
    (void)onnx_node(c, c->graph, "Relu", "z", "u");
    onnx_output(c, c->graph, "y", DMS_DTYPE_F32, "batch,4");
    onnx_output(c, c->graph, "u", DMS_DTYPE_F32, "?,?");
    (void)onnx_read(c, "nosuch=1"); /* writes the file */
    const dms_read_options options = {dim, n_dims, input, n};
    return dms_model_read(c->path, &options, &c->graph_arena, &c->read, &c->st);
}

static void examples_give_every_dim(void **state) {
    (void)state;
    static const dms_input_dims input[2] = {{2, {3, 4}}, {2, {7, 4}}};
    onnx_case c;
    if (read_model(&c, input, 2, NULL, 0) != DMS_OK)
        fail_msg("%s", c.st.msg);
    assert_int_equal(dms_extent(&c.read.tensor[c.read.input[0]], 0), 3);
    assert_int_equal(dms_extent(&c.read.tensor[c.read.input[1]], 0), 7);
    assert_int_equal(dms_extent(&c.read.tensor[c.read.input[1]], 1), 4);
    onnx_end(&c);
}

static void an_example_may_be_completed_by_name(void **state) {
    (void)state;
    static const dms_input_dims input[1] = {{2, {3, 4}}};
    static const dms_plan_dim dim[1] = {{"z[0]", 9}};
    onnx_case c;
    if (read_model(&c, input, 1, dim, 1) != DMS_OK)
        fail_msg("%s", c.st.msg);
    assert_int_equal(dms_extent(&c.read.tensor[c.read.input[1]], 0), 9);
    onnx_end(&c);
}

static void examples_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const struct {
        dms_input_dims input[2];
        uint32_t n;
        dms_plan_dim dim;
        const char *why;
    } CASES[] = {
        {{{1, {3}}}, 1, {NULL, 0}, "input 0 'x' has 2 dims, its example has 1"},
        {{{2, {3, 5}}}, 1, {NULL, 0}, "input 0 'x' has 4 on axis 1, its example has 5"},
        {{{2, {3, 4}}}, 1, {"batch", 2}, "--dim batch: given as 2 and as 3"},
        {{{2, {3, 4}}, {2, {7, 9}}}, 2, {NULL, 0}, "is given as 9, but follows as 4"},
        {{{2, {3, 4}}}, 1, {NULL, 0}, "z[0]"}, /* still missing */
    };
    for (size_t k = 0; k < sizeof CASES / sizeof CASES[0]; k++) {
        onnx_case c;
        assert_int_equal(
            read_model(&c, CASES[k].input, CASES[k].n, &CASES[k].dim, CASES[k].dim.name != NULL),
            DMS_EUSAGE);
        if (strstr(c.st.msg, CASES[k].why) == NULL)
            fail_msg("'%s' is not in: %s", CASES[k].why, c.st.msg);
        onnx_end(&c);
    }
}

/* A folder can be opened, not read: as a disk that fails. Half a file would be wrong dims. */
static void what_cannot_be_read_is_a_storage_error(void **state) {
    (void)state;
    static const char *const FORM[] = {"input_0.npy", "input_0.pb"};
    for (size_t k = 0; k < 2; k++) {
        folder_case c;
        char path[200];
        begin(&c);
        (void)snprintf(path, sizeof path, "%s/%s", c.path, FORM[k]);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(read_folder(&c), DMS_EIO);
        assert_non_null(strstr(c.st.msg, path));
        assert_non_null(strstr(c.st.msg, "Is a directory"));
        end(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_of_npy_is_read),
        cmocka_unit_test(inputs_count_from_0_to_the_first_that_is_not_there),
        cmocka_unit_test(dims_of_a_tensor_proto_are_read_wherever_they_stand),
        cmocka_unit_test(npy_goes_before_pb),
        cmocka_unit_test(a_folder_without_inputs_is_refused),
        cmocka_unit_test(what_cannot_be_read_is_a_storage_error),
        cmocka_unit_test(damaged_files_are_refused_by_name),
        cmocka_unit_test(more_than_8_dims_are_refused),
        cmocka_unit_test(examples_give_every_dim),
        cmocka_unit_test(an_example_may_be_completed_by_name),
        cmocka_unit_test(examples_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
