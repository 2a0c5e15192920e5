/* test_plan.c - the plan file: what is written is read back; nothing damaged is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "schema/plan.h"

static void an_empty_plan_comes_back(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_status st = {0};
    const dms_plan plan = {.producer = "dmsc 0.1.0", .model = "m.onnx", .period_ns = -1};
    dms_plan back;
    uint8_t *data;
    uint64_t size;
    assert_int_equal(dms_plan_encode(&plan, &arena, &data, &size, &st), DMS_OK);
    assert_int_equal(dms_plan_decode(data, size, &arena, &back, &st), DMS_OK);
    assert_string_equal(back.producer, "dmsc 0.1.0");
    assert_string_equal(back.model, "m.onnx");
    assert_string_equal(back.solver, "");
    assert_int_equal(back.period_ns, -1);
    dms_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_plan_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
