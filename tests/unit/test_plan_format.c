/* test_plan_format.c - the example of docs/plan-format.md is a plan, byte by byte what we write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/check/check.h"
#include "runtime/kernels/catalogue.h"
#include "schema/plan.h"

/* Two hexadecimal digits, or -1. */
static int hex_byte(const char *s) {
    char pair[3] = {s[0], s[0] != 0 ? s[1] : 0, 0};
    if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
        return -1;
    return (int)strtol(pair, NULL, 16);
}

/* Reads the block between ```hex and ``` of the document: bytes up to the bar of each line. */
static uint64_t read_example(uint8_t *out, uint64_t room) {
    FILE *in = fopen(DMS_SOURCE_DIR "/docs/plan-format.md", "r");
    assert_non_null(in);
    char line[256];
    uint64_t n = 0;
    int inside = 0;
    while (fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, "```", 3) == 0)
            inside = strncmp(line, "```hex", 6) == 0;
        for (const char *s = line; inside && *s != '|' && *s != 0; s++) {
            const int byte = hex_byte(s);
            if (byte < 0)
                continue;
            assert_true(n < room);
            out[n++] = (uint8_t)byte;
            s++;
        }
    }
    fclose(in);
    return n;
}

static void the_example_is_read_and_passes_the_checker(void **state) {
    (void)state;
    uint8_t data[1024];
    dms_arena arena = {0};
    dms_status st = {0};
    dms_plan plan;
    dms_hash meaning;
    const uint64_t n = read_example(data, sizeof data);
    assert_true(n > 200);
    if (dms_plan_decode(data, n, &arena, &plan, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    if (dms_check_plan(&plan, &arena, &meaning, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_true(dms_hash_equal(meaning, plan.meaning));
    assert_false(meaning.lo == 0);
    dms_arena_free(&arena);
}

static void the_example_means_what_the_text_says(void **state) {
    (void)state;
    uint8_t data[1024];
    dms_arena arena = {0};
    dms_status st = {0};
    dms_plan p;
    const uint64_t n = read_example(data, sizeof data);
    assert_int_equal(dms_plan_decode(data, n, &arena, &p, &st), DMS_OK);
    assert_string_equal(p.model, "relu.onnx");
    assert_int_equal(p.call[0].kernel, DMS_K_UNARY);
    assert_int_equal(p.call[0].i[0], DMS_FN_RELU);
    assert_int_equal(p.n_buffers, 2);
    assert_int_equal(p.buffer[1].offset, 0); /* in place */
    assert_int_equal(p.body.n_order, 3);
    assert_int_equal(p.body.cmd[DMS_QUEUE_IN][0].wait_cmd[DMS_QUEUE_OUT], 0);
    assert_int_equal(p.body.cmd[DMS_QUEUE_IN][0].wait_back[DMS_QUEUE_OUT], 1);
    assert_int_equal(p.device_arena, 256);
    dms_arena_free(&arena);
}

static void the_example_is_what_the_writer_writes(void **state) {
    (void)state;
    uint8_t data[1024], *again;
    uint64_t size;
    dms_arena arena = {0};
    dms_status st = {0};
    dms_plan plan;
    const uint64_t n = read_example(data, sizeof data);
    assert_int_equal(dms_plan_decode(data, n, &arena, &plan, &st), DMS_OK);
    assert_int_equal(dms_plan_encode(&plan, &arena, &again, &size, &st), DMS_OK);
    assert_int_equal(size, n);
    assert_memory_equal(again, data, n);
    dms_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_read_and_passes_the_checker),
        cmocka_unit_test(the_example_means_what_the_text_says),
        cmocka_unit_test(the_example_is_what_the_writer_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
