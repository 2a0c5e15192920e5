/* test_plan.c - the plan file: what is written is read back; nothing damaged is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support_plan.h"

/* The small plan and its bytes. */
typedef struct file_case {
    case_plan c;
    uint8_t *data;
    uint64_t size;
} file_case;

static int make(void **state) {
    file_case *f = test_malloc(sizeof *f);
    case_make(&f->c);
    assert_int_equal(dms_plan_encode(&f->c.plan, &f->c.arena, &f->data, &f->size, &f->c.st),
                     DMS_OK);
    *state = f;
    return 0;
}

static int drop(void **state) {
    file_case *f = *state;
    case_free(&f->c);
    test_free(f);
    return 0;
}

/* Decodes into an arena of its own, which must be as empty after a failure as before. */
static dms_code decode(file_case *f, const uint8_t *data, uint64_t size) {
    dms_arena arena = {0};
    dms_plan plan;
    f->c.st = (dms_status){0};
    const dms_code code = dms_plan_decode(data, size, &arena, &plan, &f->c.st);
    assert_true(code == DMS_OK || arena.used_bytes == 0);
    dms_arena_free(&arena);
    return code;
}

static void print_to(const dms_plan *plan, char **text, size_t *size) {
    FILE *out = open_memstream(text, size);
    assert_non_null(out);
    dms_plan_print(plan, NULL, out);
    fclose(out);
}

/* Equal text and equal bytes: the text shows every table, the bytes every field. */
static void what_is_written_is_read_back(void **state) {
    file_case *f = *state;
    dms_plan back;
    uint8_t *again;
    uint64_t n;
    char *before, *after;
    size_t n_before, n_after;
    assert_int_equal(dms_plan_decode(f->data, f->size, &f->c.arena, &back, &f->c.st), DMS_OK);
    assert_int_equal(dms_plan_encode(&back, &f->c.arena, &again, &n, &f->c.st), DMS_OK);
    assert_int_equal(n, f->size);
    assert_memory_equal(again, f->data, n);
    print_to(&f->c.plan, &before, &n_before);
    print_to(&back, &after, &n_after);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void fields_come_back_one_by_one(void **state) {
    file_case *f = *state;
    dms_plan p;
    assert_int_equal(dms_plan_decode(f->data, f->size, &f->c.arena, &p, &f->c.st), DMS_OK);
    assert_string_equal(p.file[0].name, "data/w.bin");
    assert_int_equal(p.file[0].large_bytes[0], 32768);
    assert_int_equal(p.source[1].view.pitch[0], 128);
    assert_int_equal(p.source[3].file, DMS_NONE);
    assert_int_equal(p.source[3].embedded[255], 255);
    assert_int_equal(p.tensor[T_W1].first_source, 0);
    assert_int_equal(p.tensor[T_H].first_source, DMS_NONE);
    assert_int_equal(p.buffer[B_RING1].cell, 1);
    assert_int_equal(p.buffer[B_WORK].tensor, DMS_NONE);
    assert_int_equal(p.body.n_cmds[COMPUTE], 5);
    assert_int_equal(p.body.cmd[IN][0].wait_cmd[COMPUTE], 4);
    assert_int_equal(p.body.cmd[IN][0].wait_back[COMPUTE], 1);
    assert_int_equal(p.body.cmd[IN][0].wait_cmd[OUT], DMS_NONE);
    assert_true(p.body.cmd[IN][2].is_ahead);
    assert_int_equal(p.body.cmd[COMPUTE][1].operand[2].first, 1);
    assert_int_equal(p.body.cmd[COMPUTE][3].workspace, B_WORK);
    assert_string_equal(p.step_name[p.step_name_id[4]], "add");
}

static void an_empty_plan_comes_back(void **state) {
    file_case *f = *state;
    const dms_plan plan = {.producer = "dmsc 0.1.0", .model = "m.onnx", .period_ns = -1};
    dms_plan back;
    uint8_t *data;
    uint64_t size;
    assert_int_equal(dms_plan_encode(&plan, &f->c.arena, &data, &size, &f->c.st), DMS_OK);
    assert_int_equal(dms_plan_decode(data, size, &f->c.arena, &back, &f->c.st), DMS_OK);
    assert_string_equal(back.model, "m.onnx");
    assert_string_equal(back.solver, "");
    assert_int_equal(back.period_ns, -1);
    assert_int_equal(back.body.n_order, 0);
}

static void the_same_plan_has_the_same_bytes(void **state) {
    file_case *f = *state;
    case_plan other;
    uint8_t *data;
    uint64_t size;
    case_make(&other);
    assert_int_equal(dms_plan_encode(&other.plan, &other.arena, &data, &size, &other.st), DMS_OK);
    assert_int_equal(size, f->size);
    assert_memory_equal(data, f->data, size);
    case_free(&other);
}

static void every_truncation_is_refused(void **state) {
    file_case *f = *state;
    for (uint64_t n = 0; n < f->size; n++)
        assert_int_equal(decode(f, f->data, n), DMS_EPLAN);
    assert_int_equal(decode(f, f->data, f->size), DMS_OK);
}

static void every_flipped_bit_is_refused(void **state) {
    file_case *f = *state;
    for (uint64_t k = 0; k < 8 * f->size; k++) {
        f->data[k / 8] ^= (uint8_t)(1u << k % 8);
        assert_int_equal(decode(f, f->data, f->size), DMS_EPLAN);
        f->data[k / 8] ^= (uint8_t)(1u << k % 8);
    }
    assert_int_equal(decode(f, f->data, f->size), DMS_OK);
}

static void bytes_behind_the_plan_are_refused(void **state) {
    file_case *f = *state;
    uint8_t *longer = dms_alloc(&f->c.arena, f->size + 1, 1);
    memcpy(longer, f->data, f->size);
    assert_int_equal(decode(f, longer, f->size + 1), DMS_EPLAN);
    assert_non_null(strstr(f->c.st.msg, "follow the header"));
}

static void another_version_is_named(void **state) {
    file_case *f = *state;
    f->data[8] = 2;
    assert_int_equal(decode(f, f->data, f->size), DMS_EPLAN);
    assert_non_null(strstr(f->c.st.msg, "version 2"));
}

static void what_is_no_plan_is_said_to_be_none(void **state) {
    file_case *f = *state;
    assert_int_equal(decode(f, (const uint8_t *)"\x08\x07ONNX...", 10), DMS_EPLAN);
    assert_non_null(strstr(f->c.st.msg, "not a plan"));
    assert_int_equal(decode(f, (const uint8_t *)"", 0), DMS_EPLAN);
}

/* --- files --- */

/* Entries of a folder besides . and .. */
static int count_entries(const char *folder) {
    DIR *d = opendir(folder);
    assert_non_null(d);
    int n = 0;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

static void a_file_is_written_whole_and_read_back(void **state) {
    file_case *f = *state;
    char folder[] = "/tmp/dms-plan-XXXXXX", path[64];
    uint64_t bytes = 0;
    dms_plan back;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.plan", folder);
    for (int round = 0; round < 2; round++) { /* the second time over the first */
        assert_int_equal(dms_plan_write(&f->c.plan, path, &bytes, &f->c.st), DMS_OK);
        assert_int_equal(bytes, f->size);
        assert_int_equal(count_entries(folder), 1);
    }
    assert_int_equal(dms_plan_read(path, &f->c.arena, &back, &f->c.st), DMS_OK);
    assert_string_equal(back.model, "small.onnx");
    unlink(path);
    rmdir(folder);
}

static void a_file_that_cannot_be_written_leaves_nothing_behind(void **state) {
    file_case *f = *state;
    char folder[] = "/tmp/dms-plan-XXXXXX", path[64];
    uint64_t bytes = 0;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/taken", folder);
    assert_int_equal(mkdir(path, 0700), 0); /* a plan cannot replace a folder */
    assert_int_equal(dms_plan_write(&f->c.plan, path, &bytes, &f->c.st), DMS_EIO);
    assert_non_null(strstr(f->c.st.msg, path));
    assert_int_equal(count_entries(folder), 1);
    rmdir(path);
    snprintf(path, sizeof path, "%s/none/a.plan", folder);
    assert_int_equal(dms_plan_write(&f->c.plan, path, &bytes, &f->c.st), DMS_EIO);
    assert_int_equal(bytes, 0);
    assert_int_equal(count_entries(folder), 0);
    rmdir(folder);
}

static void a_file_that_cannot_be_read_is_named(void **state) {
    file_case *f = *state;
    dms_plan back;
    assert_int_equal(dms_plan_read("/nonexistent/a.plan", &f->c.arena, &back, &f->c.st), DMS_EIO);
    assert_non_null(strstr(f->c.st.msg, "/nonexistent/a.plan"));
    assert_int_equal(dms_plan_read("/tmp", &f->c.arena, &back, &f->c.st), DMS_EIO);
}

static void the_text_never_holds_control_characters(void **state) {
    file_case *f = *state;
    char *text;
    size_t n;
    f->c.plan.tensor[T_H].name = "a\x1b[31mb\n'c";
    print_to(&f->c.plan, &text, &n);
    assert_non_null(strstr(text, "'a\\x1b[31mb\\x0a\\x27c'"));
    for (size_t k = 0; k < n; k++)
        assert_true(text[k] == '\n' || (unsigned char)text[k] >= 0x20);
    free(text);
}

static void the_text_shows_commands_in_submission_order(void **state) {
    file_case *f = *state;
    char *text;
    size_t n;
    print_to(&f->c.plan, &text, &n);
    assert_non_null(strstr(text, "body 11 commands\n"
                                 "  in         0 input 0 -> buffer 4, waits compute 4 of the turn "
                                 "before, signal\n"
                                 "  out        0 copy buffer 4 -> buffer 13, waits in 0, signal\n"
                                 "  compute    0 call 0 step 0 'fc1' buffer 4, buffer 2 cells 0+1 "
                                 "-> buffer 7 cells 0+1, waits in 0, signal\n"));
    assert_non_null(strstr(text, "workspace 6, waits out 0, signal\n"));
    assert_non_null(strstr(text, "copy buffer 11 -> buffer 2, waits compute 1, signal, ahead\n"));
    free(text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(what_is_written_is_read_back),
        CASE(fields_come_back_one_by_one),
        CASE(an_empty_plan_comes_back),
        CASE(the_same_plan_has_the_same_bytes),
        CASE(every_truncation_is_refused),
        CASE(every_flipped_bit_is_refused),
        CASE(bytes_behind_the_plan_are_refused),
        CASE(another_version_is_named),
        CASE(what_is_no_plan_is_said_to_be_none),
        CASE(a_file_is_written_whole_and_read_back),
        CASE(a_file_that_cannot_be_written_leaves_nothing_behind),
        CASE(a_file_that_cannot_be_read_is_named),
        CASE(the_text_never_holds_control_characters),
        CASE(the_text_shows_commands_in_submission_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
