/* test_onnx_windows.c - the scan of a model file: windows, limits, and what the slim copy holds.
 *
 * Messages are written byte by byte: a field is its key, its length and its bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx/scan.h"
#include "support_onnx.h"

#define WINDOW 65536u

/* Fields of ModelProto, GraphProto, NodeProto, AttributeProto and TensorProto. */
enum { MODEL_DOC = 6, MODEL_GRAPH = 7 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_DOC = 10, GRAPH_VALUES = 13 };
enum { GRAPH_SPARSE = 15 };
enum { NODE_NAME = 3, NODE_ATTRIBUTE = 5, NODE_DOC = 6, NODE_METADATA = 9 };
enum { ATTRIBUTE_GRAPH = 6 };
enum { TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_INT64S = 7, TENSOR_DOC = 12 };

/* A message in the making. */
typedef struct wire {
    dms_arena arena;
    uint8_t *data;
    size_t n, cap;
} wire;

static void wire_begin(wire *w, size_t cap) {
    *w = (wire){.cap = cap};
    w->data = dms_alloc(&w->arena, cap, 1);
    assert_non_null(w->data);
}

static void wire_end(wire *w) {
    dms_arena_free(&w->arena);
}

static void put(wire *w, const void *data, size_t n) {
    assert_true(n <= w->cap - w->n);
    if (n != 0)
        memcpy(w->data + w->n, data, n);
    w->n += n;
}

static void put_varint(wire *w, uint64_t value) {
    do {
        const uint8_t byte = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));
        put(w, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_key(wire *w, uint32_t field, uint32_t kind) {
    put_varint(w, (uint64_t)field << 3 | kind);
}

static void put_field(wire *w, uint32_t field, const void *data, size_t n) {
    put_key(w, field, 2);
    put_varint(w, n);
    put(w, data, n);
}

static void put_text(wire *w, uint32_t field, const char *text) {
    put_field(w, field, text, strlen(text));
}

/* Everything so far becomes one field of a message around it. */
static void wrap(wire *w, uint32_t field) {
    uint8_t head[12];
    wire h = {.data = head, .cap = sizeof head};
    put_key(&h, field, 2);
    put_varint(&h, w->n);
    assert_true(h.n <= w->cap - w->n);
    memmove(w->data + h.n, w->data, w->n);
    memcpy(w->data, head, h.n);
    w->n += h.n;
}

/* Scans `bytes` bytes of an open file. */
static dms_code scan_fd(int fd, uint64_t bytes, dms_arena *arena, dms_scan *out, dms_status *st) {
    const dms_code code = dms_scan_file(fd, "scanned", bytes, arena, out, st);
    (void)close(fd);
    return code;
}

/* A file without a name that holds these bytes. */
static int open_bytes(const void *data, size_t n) {
    char path[] = "/tmp/dms-scan-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pwrite(fd, data, n, 0), n);
    return fd;
}

static dms_code scan(const wire *w, dms_arena *arena, dms_scan *out, dms_status *st) {
    return scan_fd(open_bytes(w->data, w->n), w->n, arena, out, st);
}

static void refuse(const wire *w, const char *why) {
    dms_arena arena = {0};
    dms_scan out;
    dms_status st = {.msg = ""};
    assert_int_equal(scan(w, &arena, &out, &st), DMS_EUNSUPPORTED);
    if (strstr(st.msg, why) == NULL)
        fail_msg("'%s' does not say '%s'", st.msg, why);
    dms_arena_free(&arena);
}

/* Whether the slim copy of a message holds these bytes. */
static bool slim_holds(const wire *w, const char *text) {
    dms_arena arena = {0};
    dms_scan out;
    dms_status st = {.msg = ""};
    if (scan(w, &arena, &out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    const bool holds = out.n_slim != 0 && memmem(out.slim, out.n_slim, text, strlen(text)) != NULL;
    dms_arena_free(&arena);
    return holds;
}

/* ---- windows ------------------------------------------------------------------------------- */

/* The model behind a text of such a length that each of its bytes is the first one of a window
 * once: the copy is the same, and data lie as much further on. */
static void a_window_may_end_at_any_byte(void **state) {
    (void)state;
    onnx_case c;
    const float w[4] = {1, 2, 3, 4};
    size_t size;
    dms_scan plain, moved;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", DMS_DTYPE_F32, "batch,4");
    (void)onnx_initializer(&c, c.graph, "w", DMS_DTYPE_F32, "4", w);
    onnx_text(&c, "Add x,w a; LeakyRelu a y alpha=0.5");
    onnx_output(&c, c.graph, "y", DMS_DTYPE_F32, "");
    const uint8_t *model = onnx_encode(&c, &size);
    assert_int_equal(scan_fd(open_bytes(model, size), size, &c.arena, &plain, &c.st), DMS_OK);
    assert_int_equal(plain.n_ranges, 1);
    static char text[WINDOW];
    for (size_t shift = 0; shift <= size; shift++) {
        dms_arena arena = {0};
        wire whole;
        wire_begin(&whole, 2 * WINDOW + size);
        put_field(&whole, MODEL_DOC, text, WINDOW - 4 - shift); /* key and length take four */
        const size_t at = whole.n;
        assert_int_equal(at, WINDOW - shift);
        put(&whole, model, size);
        if (scan(&whole, &arena, &moved, &c.st) != DMS_OK)
            fail_msg("%zu bytes before the window ends: %s", shift, c.st.msg);
        assert_int_equal(moved.n_slim, plain.n_slim);
        assert_memory_equal(moved.slim, plain.slim, plain.n_slim);
        assert_int_equal(moved.range[0].offset, plain.range[0].offset + at);
        assert_int_equal(moved.range[0].bytes, 16);
        wire_end(&whole);
        dms_arena_free(&arena);
    }
    onnx_end(&c);
}

/* A name of several windows is copied whole. */
static void a_text_may_be_longer_than_a_window(void **state) {
    (void)state;
    wire w;
    dms_arena arena = {0};
    dms_scan out;
    dms_status st;
    wire_begin(&w, 1u << 20);
    uint8_t *name = dms_alloc(&w.arena, 200000, 1);
    for (uint32_t k = 0; k < 200000; k++)
        name[k] = (uint8_t)('a' + k % 26);
    put_field(&w, GRAPH_NAME, name, 200000);
    wrap(&w, MODEL_GRAPH);
    assert_int_equal(scan(&w, &arena, &out, &st), DMS_OK);
    assert_non_null(memmem(out.slim, out.n_slim, name, 200000));
    dms_arena_free(&arena);
    wire_end(&w);
}

/* 5 GiB of data in a file with a hole: only its place is taken down. */
static void a_weight_of_5_gib_costs_nothing(void **state) {
    (void)state;
    const uint64_t weight = UINT64_C(5) << 30;
    wire w;
    dms_arena arena = {0};
    dms_scan out;
    dms_status st = {.msg = ""};
    wire_begin(&w, 256);
    put_key(&w, TENSOR_RAW, 2);
    put_varint(&w, weight);
    const size_t inner = w.n;
    wire head;
    wire_begin(&head, 256);
    put_key(&head, MODEL_GRAPH, 2); /* lengths as if the data were there */
    put_varint(&head, 1 + 5 + inner + weight);
    put_key(&head, GRAPH_TENSOR, 2);
    put_varint(&head, inner + weight);
    put(&head, w.data, w.n);
    const int fd = open_bytes(head.data, head.n);
    assert_int_equal(ftruncate(fd, (off_t)(head.n + weight)), 0);
    if (scan_fd(fd, head.n + weight, &arena, &out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(out.n_ranges, 1);
    assert_true(out.range[0].bytes == weight && out.range[0].offset == head.n);
    assert_true(arena.used_bytes < 1u << 20);
    dms_arena_free(&arena);
    wire_end(&head);
    wire_end(&w);
}

static void a_file_that_shrinks_while_it_is_read_is_an_error_of_the_file(void **state) {
    (void)state;
    wire w;
    dms_arena arena = {0};
    dms_scan out;
    dms_status st;
    wire_begin(&w, 256);
    put_text(&w, GRAPH_NAME, "graph");
    wrap(&w, MODEL_GRAPH);
    put_text(&w, 8, "cut off");
    assert_int_equal(scan_fd(open_bytes(w.data, w.n - 4), w.n, &arena, &out, &st), DMS_EIO);
    dms_arena_free(&arena);
    wire_end(&w);
}

/* ---- limits -------------------------------------------------------------------------------- */

/* `levels` messages inside each other, the model counted as level 0. */
static void put_nested(wire *w, uint32_t levels) {
    static const uint32_t field[3] = {GRAPH_NODE, ATTRIBUTE_GRAPH, NODE_ATTRIBUTE};
    /* The way in is graph, node, attribute, graph, ...: outermost first. */
    for (uint32_t k = levels; k-- > 1;)
        wrap(w, field[k % 3 == 1 ? 0 : k % 3 == 2 ? 2 : 1]);
    wrap(w, MODEL_GRAPH);
}

static void messages_are_nested_256_deep_at_most(void **state) {
    (void)state;
    for (uint32_t levels = 255; levels <= 257; levels++) {
        wire w;
        wire_begin(&w, 1u << 16);
        put_text(&w, 50, "the innermost one"); /* of no kind: skipped */
        put_nested(&w, levels);
        if (levels <= DMS_SCAN_LEVELS)
            assert_false(slim_holds(&w, "the innermost one"));
        else
            refuse(&w, "messages are nested more than 256 levels deep at byte");
        wire_end(&w);
    }
}

/* Empty nodes, two bytes each: as many as are counted, and one more. */
static void messages_are_four_million_at_most(void **state) {
    (void)state;
    const uint8_t node[2] = {GRAPH_NODE << 3 | 2, 0};
    for (uint32_t more = 0; more < 2; more++) {
        wire w;
        wire_begin(&w, 3 * (size_t)DMS_SCAN_MESSAGES);
        for (uint32_t k = 0; k < DMS_SCAN_MESSAGES - 2 + more; k++) /* model and graph count */
            put(&w, node, 2);
        wrap(&w, MODEL_GRAPH);
        if (more == 0)
            assert_false(slim_holds(&w, "any"));
        else
            refuse(&w, "more than 4194304 nodes and tensors");
        wire_end(&w);
    }
}

/* A name of 257 MiB in a file with a hole: refused before it is read. */
static void a_text_beyond_256_mib_is_refused(void **state) {
    (void)state;
    const uint64_t length = UINT64_C(257) << 20;
    wire w;
    dms_arena arena = {0};
    dms_scan out;
    dms_status st;
    wire_begin(&w, 64);
    put_key(&w, MODEL_GRAPH, 2);
    put_varint(&w, 1 + 5 + length);
    put_key(&w, GRAPH_NAME, 2);
    put_varint(&w, length);
    const uint64_t bytes = w.n + length + 1; /* its length takes four bytes, not five */
    const int fd = open_bytes(w.data, w.n);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    assert_int_equal(scan_fd(fd, bytes, &arena, &out, &st), DMS_EUNSUPPORTED);
    assert_non_null(strstr(st.msg, "a text or list of more than 256 MiB"));
    assert_true(arena.used_bytes < 1u << 20);
    dms_arena_free(&arena);
    wire_end(&w);
}

/* ---- keys and numbers ---------------------------------------------------------------------- */

static void impossible_field_numbers_are_refused(void **state) {
    (void)state;
    static const uint64_t key[] = {0, 1, 2, 7, UINT64_C(1) << 32, UINT64_MAX};
    for (uint32_t k = 0; k < sizeof key / sizeof *key; k++) {
        wire w;
        wire_begin(&w, 64);
        put_varint(&w, key[k]);
        put(&w, "\0\0\0\0\0\0\0\0\0", 9);
        refuse(&w, "a field with an impossible number at byte");
        wire_end(&w);
    }
}

static void a_number_where_a_message_belongs_is_refused(void **state) {
    (void)state;
    static const uint32_t kind[] = {0, 1, 5};
    for (uint32_t k = 0; k < 3; k++) {
        wire w;
        wire_begin(&w, 64);
        put_key(&w, MODEL_GRAPH, kind[k]);
        put(&w, "\0\0\0\0\0\0\0\0", 8);
        refuse(&w, "a message where a number stands");
        wire_end(&w);
    }
}

/* Fields of kinds and numbers nobody knows are passed over by their lengths. */
static void unknown_fields_are_passed_over(void **state) {
    (void)state;
    wire w;
    wire_begin(&w, 256);
    put_key(&w, 1000, 0);
    put_varint(&w, UINT64_MAX);
    put_key(&w, 1001, 1);
    put(&w, "12345678", 8);
    put_key(&w, 1002, 5);
    put(&w, "1234", 4);
    put_text(&w, 1003, "unknown text");
    put_text(&w, GRAPH_NAME, "known");
    wrap(&w, MODEL_GRAPH);
    assert_true(slim_holds(&w, "known"));
    assert_false(slim_holds(&w, "1234"));
    assert_false(slim_holds(&w, "unknown text"));
    wire_end(&w);
}

/* Padded keys, lengths and numbers, as streaming writers leave them, mean the same. */
static void numbers_may_be_longer_than_they_need(void **state) {
    (void)state;
    wire w, padded;
    dms_arena arena = {0};
    dms_scan a, b;
    dms_status st;
    wire_begin(&w, 64);
    put_key(&w, 1, 0); /* ir_version */
    put_varint(&w, 8);
    put_text(&w, GRAPH_NAME, "g");
    wire_begin(&padded, 64);
    put(&padded, "\x88\x80\x00", 3);         /* key 8 */
    put(&padded, "\x88\x80\x80\x80\x00", 5); /* 8 */
    put(&padded, "\x92\x00", 2);             /* key 18 */
    put(&padded, "\x81\x80\x80\x00", 4);     /* length 1 */
    put(&padded, "g", 1);
    assert_int_equal(scan(&w, &arena, &a, &st), DMS_OK);
    assert_int_equal(scan(&padded, &arena, &b, &st), DMS_OK);
    assert_int_equal(a.n_slim, 2); /* field 2 of a model is a producer's name: dropped */
    assert_int_equal(b.n_slim, a.n_slim);
    assert_memory_equal(a.slim, b.slim, a.n_slim);
    dms_arena_free(&arena);
    wire_end(&padded);
    wire_end(&w);
}

static void every_cut_of_a_field_is_refused(void **state) {
    (void)state;
    wire w;
    wire_begin(&w, 256);
    put_text(&w, GRAPH_NAME, "graph");
    put_key(&w, 1000, 1);
    put(&w, "12345678", 8);
    put_key(&w, 1001, 5);
    put(&w, "1234", 4);
    wrap(&w, MODEL_GRAPH);
    const size_t n = w.n;
    for (w.n = 1; w.n < n; w.n++)
        refuse(&w, "is no ONNX model: ");
    wire_end(&w);
}

/* ---- what the copy leaves out -------------------------------------------------------------- */

static void documentation_and_metadata_are_left_out(void **state) {
    (void)state;
    wire w;
    wire_begin(&w, 512);
    put_text(&w, NODE_NAME, "the node");
    put_text(&w, NODE_DOC, "doc of a node");
    put_text(&w, NODE_METADATA, "metadata of a node");
    wrap(&w, GRAPH_NODE);
    put_text(&w, GRAPH_DOC, "doc of a graph");
    put_text(&w, GRAPH_VALUES, "shapes in between");
    wrap(&w, MODEL_GRAPH);
    put_text(&w, MODEL_DOC, "doc of a model");
    assert_true(slim_holds(&w, "the node"));
    assert_false(slim_holds(&w, "doc of"));
    assert_false(slim_holds(&w, "metadata"));
    assert_false(slim_holds(&w, "shapes in between"));
    wire_end(&w);
}

/* Data become ranges in the order of the file; lists of integers are copied, texts dropped. */
static void data_of_tensors_become_ranges(void **state) {
    (void)state;
    wire w;
    dms_arena arena = {0};
    dms_scan out;
    dms_status st;
    wire_begin(&w, 512);
    put_text(&w, TENSOR_NAME, "first");
    put_text(&w, TENSOR_RAW, "raw data");
    put_text(&w, TENSOR_DOC, "doc of a tensor");
    wrap(&w, GRAPH_TENSOR);
    wire second;
    wire_begin(&second, 256);
    put_text(&second, 4, "floats..");
    put_text(&second, 10, "doubles.");
    put_text(&second, TENSOR_INT64S, "\1\2\3");
    wrap(&second, GRAPH_TENSOR);
    put(&w, second.data, second.n);
    wrap(&w, MODEL_GRAPH);
    assert_int_equal(scan(&w, &arena, &out, &st), DMS_OK);
    assert_int_equal(out.n_ranges, 3);
    static const uint32_t field[] = {9, 4, 10};
    static const char *const text[] = {"raw data", "floats..", "doubles."};
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(out.range[k].field, field[k]);
        assert_int_equal(out.range[k].bytes, 8);
        assert_memory_equal(w.data + out.range[k].offset, text[k], 8);
        assert_null(memmem(out.slim, out.n_slim, text[k], 8));
    }
    assert_non_null(memmem(out.slim, out.n_slim, "\x3a\3\1\2\3", 5));
    assert_null(memmem(out.slim, out.n_slim, "doc of", 6));
    dms_arena_free(&arena);
    wire_end(&second);
    wire_end(&w);
}

/* A sparse initializer is refused because it is there; what it holds is not read. */
static void sparse_initializers_are_refused_without_being_read(void **state) {
    (void)state;
    onnx_case c;
    wire w;
    onnx_begin(&c, 17);
    wire_begin(&w, 256);
    put_text(&w, GRAPH_SPARSE, "whatever");
    wrap(&w, MODEL_GRAPH);
    assert_false(slim_holds(&w, "whatever"));
    onnx_expect_failure(&c, onnx_read_bytes(&c, w.data, w.n), DMS_EUNSUPPORTED,
                        "the model has sparse initializers");
    wire_end(&w);
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_may_end_at_any_byte),
        cmocka_unit_test(a_text_may_be_longer_than_a_window),
        cmocka_unit_test(a_weight_of_5_gib_costs_nothing),
        cmocka_unit_test(a_file_that_shrinks_while_it_is_read_is_an_error_of_the_file),
        cmocka_unit_test(messages_are_nested_256_deep_at_most),
        cmocka_unit_test(messages_are_four_million_at_most),
        cmocka_unit_test(a_text_beyond_256_mib_is_refused),
        cmocka_unit_test(impossible_field_numbers_are_refused),
        cmocka_unit_test(a_number_where_a_message_belongs_is_refused),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(numbers_may_be_longer_than_they_need),
        cmocka_unit_test(every_cut_of_a_field_is_refused),
        cmocka_unit_test(documentation_and_metadata_are_left_out),
        cmocka_unit_test(data_of_tensors_become_ranges),
        cmocka_unit_test(sparse_initializers_are_refused_without_being_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
