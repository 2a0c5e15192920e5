/* test_onnx_scan.c - a model file is untrusted bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "onnx/scan.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* y = Relu(x + w), w of 1,024 floats. */
static void begin(onnx_case *c) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "4,256");
    (void)onnx_initializer(c, c->graph, "w", F32, "4,256", NULL);
    (void)onnx_node(c, c->graph, "Add", "x,w", "a");
    (void)onnx_node(c, c->graph, "Relu", "a", "y");
    onnx_output(c, c->graph, "y", F32, "4,256");
}

static dms_code scan(onnx_case *c, const void *data, size_t size, dms_scan *out) {
    const char *path = onnx_file(c, "scanned", data, size);
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    const dms_code code = dms_scan_file(fd, "scanned", size, &c->arena, out, &c->st);
    (void)close(fd);
    return code;
}

static void weights_stay_in_the_file(void **state) {
    (void)state;
    onnx_case c;
    size_t size;
    dms_scan out;
    begin(&c);
    const uint8_t *data = onnx_encode(&c, &size);
    assert_int_equal(scan(&c, data, size, &out), DMS_OK);
    assert_int_equal(out.n_ranges, 1);
    assert_int_equal(out.range[0].bytes, 4096);
    const uint8_t *zeros = memmem(data, size, c.graph->initializer[0]->raw_data.data, 4096);
    assert_int_equal(out.range[0].offset, zeros - data);
    assert_true(out.n_slim < 512);
    onnx_end(&c);
}

static void the_slim_copy_parses_to_the_same_graph(void **state) {
    (void)state;
    onnx_case c;
    size_t size;
    dms_scan out;
    begin(&c);
    const uint8_t *data = onnx_encode(&c, &size);
    assert_int_equal(scan(&c, data, size, &out), DMS_OK);
    Onnx__ModelProto *slim = onnx__model_proto__unpack(NULL, out.n_slim, out.slim);
    assert_non_null(slim);
    assert_int_equal(slim->graph->n_node, 2);
    assert_string_equal(slim->graph->node[1]->op_type, "Relu");
    assert_string_equal(slim->graph->node[0]->input[1], "w");
    assert_int_equal(slim->graph->initializer[0]->raw_data.len, 4);
    assert_int_equal(slim->graph->input[0]->type->tensor_type->shape->dim[1]->dim_value, 256);
    onnx__model_proto__free_unpacked(slim, NULL);
    onnx_end(&c);
}

static void packed_floats_are_data_too(void **state) {
    (void)state;
    onnx_case c;
    const float value[3] = {1, 2, 3};
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "3");
    Onnx__TensorProto *w = onnx_initializer(&c, c.graph, "w", F32, "3", NULL);
    w->has_raw_data = 0;
    w->float_data = (float *)value;
    w->n_float_data = 3;
    (void)onnx_node(&c, c.graph, "Add", "x,w", "y");
    onnx_output(&c, c.graph, "y", F32, "3");
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    const uint8_t *data;
    const uint32_t id = (uint32_t)(onnx_find(&c, "w") - c.read.tensor);
    assert_int_equal(dms_constant_read(&c.read, id, 12, &c.arena, &data, &c.st), DMS_OK);
    assert_memory_equal(data, value, sizeof value);
    w->n_float_data = 2;
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EUNSUPPORTED, "'w'");
    onnx_end(&c);
}

/* Cut anywhere, a model is refused or, at the end of a field, lacks something that is named. */
static void a_model_cut_anywhere_is_refused(void **state) {
    (void)state;
    onnx_case c;
    size_t size;
    begin(&c);
    c.graph->initializer[0]->dims[0] = 1; /* a smaller file: every cut is tried */
    c.graph->initializer[0]->dims[1] = 4;
    c.graph->initializer[0]->raw_data.len = 16;
    const uint8_t *data = onnx_encode(&c, &size);
    const size_t graph_end = size - 4; /* the opset comes last */
    for (size_t cut = 0; cut < graph_end; cut++)
        if (onnx_read_bytes(&c, data, cut) == DMS_OK)
            fail_msg("%zu of %zu bytes were taken for a model", cut, size);
        else
            assert_int_equal(c.st.code, DMS_EUNSUPPORTED);
    onnx_end(&c);
}

/* Every byte changed in turn: whatever comes out, nothing breaks (run under ASan). */
static void a_model_with_any_byte_changed_does_no_harm(void **state) {
    (void)state;
    onnx_case c;
    size_t size;
    begin(&c);
    c.graph->initializer[0]->dims[0] = 1;
    c.graph->initializer[0]->dims[1] = 4;
    c.graph->initializer[0]->raw_data.len = 16;
    uint8_t *data = onnx_encode(&c, &size);
    for (size_t at = 0; at < size; at++) {
        data[at] ^= 0x55;
        const dms_code code = onnx_read_bytes(&c, data, size);
        assert_true(code == DMS_OK || code == DMS_EUNSUPPORTED || code == DMS_EIO ||
                    code == DMS_EUSAGE);
        data[at] ^= 0x55;
    }
    onnx_end(&c);
}

static void a_length_beyond_the_file_is_refused(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    /* graph = field 7, length 2^62 */
    const uint8_t data[] = {0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 'x'};
    onnx_expect_failure(&c, onnx_read_bytes(&c, data, sizeof data), DMS_EUNSUPPORTED,
                        "past the end of the file (is it cut off?) at byte 10");
    /* a graph of two bytes with a node of five in it: more of the file would not help */
    const uint8_t inner[] = {0x3a, 0x02, 0x0a, 0x05, 0x08, 0x07};
    onnx_expect_failure(&c, onnx_read_bytes(&c, inner, sizeof inner), DMS_EUNSUPPORTED,
                        "past its message at byte 4");
    const uint8_t endless[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                               0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    onnx_expect_failure(&c, onnx_read_bytes(&c, endless, sizeof endless), DMS_EUNSUPPORTED,
                        "64 bits");
    const uint8_t group[] = {0x3b, 0x3c};
    onnx_expect_failure(&c, onnx_read_bytes(&c, group, sizeof group), DMS_EUNSUPPORTED, "byte 1");
    onnx_end(&c);
}

/* Wraps `n` bytes at the end of `data` into a field; returns the new size. */
static size_t wrap(uint8_t *data, size_t size, uint8_t tag) {
    uint8_t head[12];
    size_t n = 0, length = size;
    head[n++] = tag;
    for (; length > 127; length >>= 7)
        head[n++] = (uint8_t)(length | 128);
    head[n++] = (uint8_t)length;
    memmove(data + n, data, size);
    memcpy(data, head, n);
    return size + n;
}

static void nesting_of_10000_levels_is_refused_by_name(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    uint8_t *data = dms_alloc(&c.arena, 1u << 20, 1);
    size_t size = 0;
    for (uint32_t level = 0; level < 10000; level++) {
        size = wrap(data, size, 0x32); /* attribute.g */
        size = wrap(data, size, 0x2a); /* node.attribute */
        size = wrap(data, size, 0x0a); /* graph.node */
    }
    size = wrap(data, size, 0x3a);
    onnx_expect_failure(&c, onnx_read_bytes(&c, data, size), DMS_EUNSUPPORTED, "nested");
    onnx_end(&c);
}

static void files_that_are_no_models_are_named(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_expect_failure(&c, onnx_read_bytes(&c, "", 0), DMS_EUNSUPPORTED, "graph");
    onnx_expect_failure(&c, onnx_read_bytes(&c, "hello, world", 12), DMS_EUNSUPPORTED,
                        "model.onnx");
    dms_graph graph;
    onnx_expect_failure(&c, dms_model_read("/tmp", NULL, &c.graph_arena, &graph, &c.st), DMS_EIO,
                        "folder");
    onnx_expect_failure(&c, dms_model_read("absent.onnx", NULL, &c.graph_arena, &graph, &c.st),
                        DMS_EIO, "absent.onnx");
    onnx_end(&c);
}

/* Every allocation fails once: a status each time, no crash, no leak. */
static void running_out_of_memory_is_a_status(void **state) {
    (void)state;
    onnx_case c;
    size_t size;
    dms_scan out;
    begin(&c);
    const uint8_t *data = onnx_encode(&c, &size);
    (void)onnx_file(&c, "model.onnx", data, size);
    dms_code code = DMS_EINTERNAL;
    for (uint64_t k = 1; code != DMS_OK; k++) {
        dms_arena arena = {.fail_at = k};
        dms_graph graph;
        code = dms_model_read(c.path, NULL, &arena, &graph, &c.st);
        assert_true(code == DMS_OK || code == DMS_EINTERNAL);
        assert_true(k < 1000);
        dms_arena_free(&arena);
    }
    assert_int_equal(scan(&c, data, size, &out), DMS_OK);
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_stay_in_the_file),
        cmocka_unit_test(the_slim_copy_parses_to_the_same_graph),
        cmocka_unit_test(packed_floats_are_data_too),
        cmocka_unit_test(a_model_cut_anywhere_is_refused),
        cmocka_unit_test(a_model_with_any_byte_changed_does_no_harm),
        cmocka_unit_test(a_length_beyond_the_file_is_refused),
        cmocka_unit_test(nesting_of_10000_levels_is_refused_by_name),
        cmocka_unit_test(files_that_are_no_models_are_named),
        cmocka_unit_test(running_out_of_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
