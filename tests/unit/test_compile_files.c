/* test_compile_files.c - the table of files by which a run knows its weights again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "schema/file_digest.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define LARGE_BYTES (256u * 512 * 4) /* of a weight of 256 x 512: twice what makes a range */

/* y = x a b, with a and b of 256 x 256 and 256 x 512 (f32), in the model or beside it. */
typedef struct files_case {
    onnx_case onnx;
    dms_arena arena;
    dms_compiled c;
    dms_status st;
} files_case;

/* Where a weight lies: NULL in the model; else file, offset and length. */
typedef struct place {
    const char *file, *offset, *length;
} place;

static void put(files_case *t, const char *name, const char *shape, const place *at) {
    Onnx__TensorProto *w = onnx_initializer(&t->onnx, t->onnx.graph, name, F32, shape, NULL);
    if (at != NULL)
        onnx_external(&t->onnx, w, at->file, at->offset, at->length);
}

static void begin(files_case *t, const place *a, const place *b) {
    memset(t, 0, sizeof *t);
    onnx_begin(&t->onnx, 17);
    dms_arena_init(&t->arena, 0);
    onnx_input(&t->onnx, "x", F32, "8,256");
    put(t, "a", "256,256", a);
    put(t, "b", "256,512", b);
    onnx_node(&t->onnx, t->onnx.graph, "MatMul", "x,a", "h");
    onnx_node(&t->onnx, t->onnx.graph, "MatMul", "h,b", "y");
    onnx_output(&t->onnx, t->onnx.graph, "y", F32, "8,512");
}

static void end(files_case *t) {
    dms_arena_free(&t->arena);
    onnx_end(&t->onnx);
}

/* Writes a file of `size` bytes beside the model, each byte its place x `step`. */
static void beside(files_case *t, const char *name, size_t size, uint32_t step) {
    uint8_t *data = dms_alloc(&t->arena, size, 1);
    assert_non_null(data);
    for (size_t k = 0; k < size; k++)
        data[k] = (uint8_t)(k * step >> 3);
    (void)onnx_file(&t->onnx, name, data, size);
}

/* Writes the model and compiles it. */
static dms_code compile(files_case *t) {
    uint8_t *data;
    size_t size;
    data = onnx_encode(&t->onnx, &size);
    (void)snprintf(t->onnx.path, sizeof t->onnx.path, "%s",
                   onnx_file(&t->onnx, "model.onnx", data, size));
    const dms_compile_options options = {.model = t->onnx.path, .profile = "cpu"};
    return dms_compile(&options, &t->arena, &t->c, &t->st);
}

static const dms_plan_file *file_of(const files_case *t, const char *name) {
    for (uint32_t k = 0; k < t->c.plan.n_files; k++)
        if (strcmp(t->c.plan.file[k].name, name) == 0)
            return &t->c.plan.file[k];
    fail_msg("'%s' is in no table", name);
    return NULL;
}

static void must_compile(files_case *t) {
    if (compile(t) != DMS_OK)
        fail_msg("%s", t->st.msg);
}

static void weights_of_256_kib_and_more_are_ranges_of_their_file(void **state) {
    (void)state;
    files_case t;
    begin(&t, NULL, NULL);
    must_compile(&t);
    const dms_plan_file *model = file_of(&t, "model.onnx");
    struct stat s;
    assert_int_equal(stat(t.onnx.path, &s), 0);
    assert_int_equal(t.c.plan.n_files, 1);
    assert_int_equal(model->kind, 0);
    assert_int_equal(model->bytes, s.st_size);
    assert_int_equal(model->n_large, 2);
    for (uint32_t k = 0; k < 2; k++) {
        assert_true(model->large_bytes[k] == LARGE_BYTES ||
                    model->large_bytes[k] == LARGE_BYTES / 2);
        assert_true(model->large_offset[k] + model->large_bytes[k] <= model->bytes);
    }
    assert_true(model->large_offset[0] + model->large_bytes[0] <= model->large_offset[1]);
    end(&t);
}

static void ranges_ascend_whatever_the_order_of_the_weights(void **state) {
    (void)state;
    static const place A = {"w.bin", "524288", "262144"}, B = {"w.bin", "0", "524288"};
    files_case t;
    begin(&t, &A, &B);
    beside(&t, "w.bin", 786432, 5);
    must_compile(&t);
    const dms_plan_file *w = file_of(&t, "w.bin");
    assert_int_equal(w->kind, 1);
    assert_int_equal(w->bytes, 786432);
    assert_int_equal(w->n_large, 2);
    assert_int_equal(w->large_offset[0], 0);
    assert_int_equal(w->large_bytes[0], 524288);
    assert_int_equal(w->large_offset[1], 524288);
    end(&t);
}

/* Two weights may share bytes: the first range stands, what begins inside it is none of its own. */
static void ranges_do_not_overlap_where_weights_share_their_bytes(void **state) {
    (void)state;
    static const place A = {"w.bin", "4096", "262144"}, B = {"w.bin", "0", "524288"};
    files_case t;
    begin(&t, &A, &B);
    beside(&t, "w.bin", 524288, 3);
    must_compile(&t);
    const dms_plan_file *w = file_of(&t, "w.bin");
    assert_int_equal(w->n_large, 1);
    assert_int_equal(w->large_offset[0], 0);
    assert_int_equal(w->large_bytes[0], 524288);
    end(&t);
}

/* Of two weights that begin at one place the smaller comes first; the larger one is then inside. */
static void of_two_ranges_at_one_place_one_stands(void **state) {
    (void)state;
    static const place A = {"w.bin", "0", "262144"}, B = {"w.bin", "0", "524288"};
    files_case t;
    begin(&t, &A, &B);
    beside(&t, "w.bin", 524288, 3);
    must_compile(&t);
    const dms_plan_file *w = file_of(&t, "w.bin");
    assert_int_equal(w->n_large, 1);
    assert_int_equal(w->large_offset[0], 0);
    end(&t);
}

/* The digests of a file are those of its bytes, as schema/file_digest.h makes them. */
static void digests_are_those_of_the_bytes(void **state) {
    (void)state;
    static const place A = {"a.bin", NULL, NULL}, B = {"b.bin", NULL, NULL};
    files_case t;
    dms_hash sampled, all;
    begin(&t, &A, &B);
    beside(&t, "a.bin", LARGE_BYTES / 2, 7);
    beside(&t, "b.bin", LARGE_BYTES, 11);
    must_compile(&t);
    const dms_plan_file *b = file_of(&t, "b.bin");
    char path[160];
    (void)snprintf(path, sizeof path, "%s/b.bin", t.onnx.folder);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const dms_file_ranges large = {b->n_large, b->large_offset, b->large_bytes};
    assert_int_equal(dms_file_digest(fileno(file), "b", b->bytes, &large, &sampled, &t.st), DMS_OK);
    assert_int_equal(dms_file_digest_all(fileno(file), "b", b->bytes, &all, &t.st), DMS_OK);
    assert_int_equal(fclose(file), 0);
    assert_true(dms_hash_equal(b->digest, sampled));
    assert_true(dms_hash_equal(b->digest_all, all));
    assert_false(dms_hash_equal(file_of(&t, "a.bin")->digest_all, all));
    end(&t);
}

/* One byte in the middle of a large weight: only the digest of all bytes is sure to see it. */
static void a_changed_byte_changes_the_digest_of_all_bytes(void **state) {
    (void)state;
    static const place A = {"a.bin", NULL, NULL}, B = {"b.bin", NULL, NULL};
    dms_hash all[2];
    for (uint32_t k = 0; k < 2; k++) {
        files_case t;
        begin(&t, &A, &B);
        beside(&t, "a.bin", LARGE_BYTES / 2, 7);
        beside(&t, "b.bin", LARGE_BYTES, 11);
        if (k == 1) {
            char path[160];
            (void)snprintf(path, sizeof path, "%s/b.bin", t.onnx.folder);
            FILE *file = fopen(path, "r+b");
            assert_non_null(file);
            assert_int_equal(fseek(file, 123457, SEEK_SET), 0);
            assert_int_equal(fputc(0x99, file), 0x99);
            assert_int_equal(fclose(file), 0);
        }
        must_compile(&t);
        all[k] = file_of(&t, "b.bin")->digest_all;
        end(&t);
    }
    assert_false(dms_hash_equal(all[0], all[1]));
}

/* A plan can be made without the weights: such a file has its name and size, and is marked. */
static void a_file_that_is_not_there_is_in_the_table_all_the_same(void **state) {
    (void)state;
    static const place A = {"absent.bin", "0", "262144"}, B = {"b.bin", NULL, NULL};
    files_case t;
    begin(&t, &A, &B);
    beside(&t, "b.bin", LARGE_BYTES, 11);
    must_compile(&t);
    const dms_plan_file *absent = file_of(&t, "absent.bin"), *b = file_of(&t, "b.bin");
    assert_true(absent->is_unread);
    assert_false(b->is_unread);
    assert_int_equal(absent->n_large, 0);
    assert_true(
        dms_hash_equal(absent->digest, dms_file_digest_missing("absent.bin", absent->bytes)));
    end(&t);
}

/* Constants that dmsc makes become the last file: PLAN.consts, hashed whole. */
static void made_constants_are_the_last_file(void **state) {
    (void)state;
    files_case t;
    begin(&t, NULL, NULL);
    static float data[300 * 300];
    for (size_t k = 0; k < 300 * 300; k++)
        data[k] = (float)k;
    onnx_initializer(&t.onnx, t.onnx.graph, "p", F32, "300,300", data);
    onnx_node(&t.onnx, t.onnx.graph, "Neg", "p", "q"); /* folded */
    onnx_input(&t.onnx, "u", F32, "300,300");
    onnx_node(&t.onnx, t.onnx.graph, "Add", "u,q", "v");
    onnx_output(&t.onnx, t.onnx.graph, "v", F32, "300,300");
    must_compile(&t);
    const dms_plan_file *consts = &t.c.plan.file[t.c.plan.n_files - 1];
    assert_int_equal(t.c.plan.n_files, 2);
    assert_int_equal(consts->kind, 2);
    assert_string_equal(consts->name, "plan.consts");
    assert_int_equal(consts->bytes, t.c.steps.n_consts);
    assert_true(consts->bytes >= sizeof data);
    assert_false(dms_hash_equal(consts->digest_all, (dms_hash){0}));
    end(&t);
}

/* ---- whole or not at all --------------------------------------------------------------------- */

static void a_file_is_written_whole(void **state) {
    (void)state;
    char folder[] = "files-XXXXXX", path[64], read[8] = "";
    dms_status st;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/out", folder);
    assert_int_equal(dms_write_file(path, "first", 5, &st), DMS_OK);
    assert_int_equal(dms_write_file(path, "second", 6, &st), DMS_OK); /* replaces it */
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(read, 1, sizeof read, file), 6);
    assert_memory_equal(read, "second", 6);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left there */
}

static void a_file_that_cannot_be_written_is_named(void **state) {
    (void)state;
    dms_status st = {0};
    assert_int_equal(dms_write_file("no/such/folder/out", "x", 1, &st), DMS_EIO);
    assert_non_null(strstr(st.msg, "no/such/folder/out"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_of_256_kib_and_more_are_ranges_of_their_file),
        cmocka_unit_test(ranges_ascend_whatever_the_order_of_the_weights),
        cmocka_unit_test(ranges_do_not_overlap_where_weights_share_their_bytes),
        cmocka_unit_test(of_two_ranges_at_one_place_one_stands),
        cmocka_unit_test(digests_are_those_of_the_bytes),
        cmocka_unit_test(a_changed_byte_changes_the_digest_of_all_bytes),
        cmocka_unit_test(a_file_that_is_not_there_is_in_the_table_all_the_same),
        cmocka_unit_test(made_constants_are_the_last_file),
        cmocka_unit_test(a_file_is_written_whole),
        cmocka_unit_test(a_file_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
