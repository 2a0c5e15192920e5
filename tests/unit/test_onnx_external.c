/* test_onnx_external.c - a model may name files, but only plain ones beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

static const float ones[6] = {1, 1, 1, 1, 1, 1};

/* y = x + w, w external. */
static void begin(onnx_case *c, const char *location, const char *offset, const char *length) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, "2,3");
    onnx_external(c, onnx_initializer(c, c->graph, "w", F32, "2,3", NULL), location, offset,
                  length);
    (void)onnx_node(c, c->graph, "Add", "x,w", "y");
    onnx_output(c, c->graph, "y", F32, "2,3");
}

/* Expects a refusal that names the file or the tensor. */
static void refuse(onnx_case *c, dms_code code, const char *text) {
    onnx_expect_failure(c, onnx_read(c, NULL), code, text);
    onnx_end(c);
}

static void a_plain_file_beside_the_model_is_used(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "sub/data.bin", "8", "24");
    assert_int_equal(mkdir(dms_format(&c.arena, "%s/sub", c.folder), 0700), 0);
    const float data[8] = {9, 9, 1, 2, 3, 4, 5, 6};
    (void)onnx_file(&c, "sub/data.bin", data, sizeof data);
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    const dms_tensor *w = onnx_find(&c, "w");
    assert_int_equal(w->origin, DMS_ORIGIN_FILE);
    assert_int_equal(w->offset, 8);
    assert_string_equal(c.read.file[w->file].name, "sub/data.bin");
    const uint8_t *bytes;
    const uint32_t id = (uint32_t)(w - c.read.tensor);
    assert_int_equal(dms_constant_read(&c.read, id, 24, &c.arena, &bytes, &c.st), DMS_OK);
    assert_memory_equal(bytes, data + 2, 24);
    onnx_end(&c);
}

static void names_that_lead_elsewhere_are_refused(void **state) {
    (void)state;
    static const char *const location[] = {
        "../data.bin", "sub/../data.bin", "/etc/hostname", ".", "",
        "./data.bin",  "sub//x",          "data.bin/"};
    for (uint32_t k = 0; k < sizeof location / sizeof *location; k++) {
        onnx_case c;
        begin(&c, location[k], NULL, NULL);
        (void)onnx_file(&c, "data.bin", ones, sizeof ones);
        const dms_code code = onnx_read(&c, NULL);
        assert_true(code == DMS_EIO || code == DMS_EUNSUPPORTED);
        onnx_expect_failure(&c, code, code, "'w'");
        onnx_end(&c);
    }
}

static void links_are_not_followed(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "data.bin", NULL, NULL);
    const char *real = onnx_file(&c, "real.bin", ones, sizeof ones);
    const char *name = dms_format(&c.arena, "%s/data.bin", c.folder);
    assert_int_equal(symlink("real.bin", name), 0);
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EIO, "data.bin");
    assert_int_equal(unlink(name), 0);
    assert_int_equal(link(real, name), 0);
    onnx_expect_failure(&c, onnx_read(&c, NULL), DMS_EIO, "hard link");
    assert_int_equal(unlink(real), 0); /* now data.bin is a file like any other */
    assert_int_equal(onnx_read(&c, NULL), DMS_OK);
    onnx_end(&c);

    begin(&c, "sub/data.bin", NULL, NULL);
    assert_int_equal(symlink("/tmp", dms_format(&c.arena, "%s/sub", c.folder)), 0);
    refuse(&c, DMS_EIO, "sub/data.bin");
}

static void pipes_and_folders_are_refused_at_once(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "data.bin", NULL, NULL);
    assert_int_equal(mkfifo(dms_format(&c.arena, "%s/data.bin", c.folder), 0600), 0);
    refuse(&c, DMS_EIO, "data.bin");
    begin(&c, "data.bin", NULL, NULL);
    assert_int_equal(mkdir(dms_format(&c.arena, "%s/data.bin", c.folder), 0700), 0);
    refuse(&c, DMS_EIO, "folder");
}

static void ranges_must_lie_in_the_file_and_fit_the_dims(void **state) {
    (void)state;
    static const struct {
        const char *offset, *length, *text;
    } bad[] = {{NULL, "12", "want 24"},
               {"4", NULL, "data.bin"},
               {"4096", "24", "data.bin"},
               {"-8", "24", "-8"},
               {"18446744073709551608", "24", "18446744073709551608"},
               {"0x0", NULL, "0x0"},
               {"", NULL, "offset"},
               {" 0", NULL, "offset"},
               {NULL, "24 ", "length"}};
    for (uint32_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        onnx_case c;
        begin(&c, "data.bin", bad[k].offset, bad[k].length);
        (void)onnx_file(&c, "data.bin", ones, sizeof ones);
        const dms_code code = onnx_read(&c, NULL);
        assert_true(code == DMS_EIO || code == DMS_EUNSUPPORTED);
        onnx_expect_failure(&c, code, code, bad[k].text);
        onnx_end(&c);
    }
}

static void a_missing_file_is_a_warning_and_planning_goes_on(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "absent.bin", "4096", "24");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(c.read.n_warnings, 1);
    assert_non_null(strstr(c.read.warning[0], "absent.bin"));
    assert_non_null(strstr(c.read.warning[0], "--random-weights")); /* what runs such a plan */
    const dms_tensor *w = onnx_find(&c, "w");
    assert_true(c.read.file_is_missing[w->file]);
    assert_int_equal(w->bytes, 24);
    assert_int_equal(onnx_count(&c, "Add"), 1);
    const uint8_t *bytes;
    onnx_expect_failure(
        &c, dms_constant_read(&c.read, (uint32_t)(w - c.read.tensor), 24, &c.arena, &bytes, &c.st),
        DMS_EIO, "absent.bin");
    onnx_end(&c);
}

static void attributes_and_branches_are_held_to_the_same_rules(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,3");
    Onnx__TensorProto *secret = onnx_tensor(&c, "t", F32, "2,3", NULL);
    onnx_external(&c, secret, "../outside.bin", NULL, NULL);
    onnx_tensor_attr(&c, onnx_node(&c, c.graph, "Constant", "", "w"), "value", secret);
    (void)onnx_node(&c, c.graph, "Add", "x,w", "y");
    onnx_output(&c, c.graph, "y", F32, "2,3");
    refuse(&c, DMS_EIO, "outside.bin");

    const uint8_t yes = 1;
    onnx_begin(&c, 17);
    onnx_input(&c, "x", F32, "2,3");
    (void)onnx_initializer(&c, c.graph, "c", DMS_DTYPE_BOOL, "", &yes);
    Onnx__GraphProto *branch = onnx_graph(&c);
    onnx_external(&c, onnx_initializer(&c, branch, "w", F32, "2,3", NULL), "../outside.bin", NULL,
                  NULL);
    (void)onnx_node(&c, branch, "Add", "x,w", "b");
    onnx_output(&c, branch, "b", F32, "2,3");
    Onnx__NodeProto *node = onnx_node(&c, c.graph, "If", "c", "y");
    onnx_branch(&c, node, "then_branch", branch);
    onnx_branch(&c, node, "else_branch", branch);
    onnx_output(&c, c.graph, "y", F32, "2,3");
    refuse(&c, DMS_EIO, "outside.bin");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_file_beside_the_model_is_used),
        cmocka_unit_test(names_that_lead_elsewhere_are_refused),
        cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(pipes_and_folders_are_refused_at_once),
        cmocka_unit_test(ranges_must_lie_in_the_file_and_fit_the_dims),
        cmocka_unit_test(a_missing_file_is_a_warning_and_planning_goes_on),
        cmocka_unit_test(attributes_and_branches_are_held_to_the_same_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
