/* test_device.c - the CPU device: arenas of the right size, copies, calls, bad indices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/cpu/cpu_device.h"
#include "runtime/kernels/catalogue.h"

static dms_device *open_device(dms_arena *arena, dms_device_options options) {
    dms_device *device = NULL;
    dms_status st = {0};
    if (dms_cpu_device_open(&options, arena, &device, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return device;
}

static void close_device(dms_device *device, dms_arena *arena) {
    device->ops->close(device);
    dms_arena_free(arena);
}

static void arenas_are_as_large_as_the_plan_says(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_device *d = open_device(
        &arena, (dms_device_options){.device_bytes = 12345, .host_bytes = 777, .threads = 3});
    assert_int_equal(d->device_bytes, 12345);
    assert_int_equal(d->host_bytes, 777);
    assert_string_equal(d->ops->name, "cpu");
    assert_int_equal(d->overhead_bytes, 3 * (4u << 20)); /* scratch of three threads */
    assert_int_equal((uintptr_t)d->device_arena % 4096, 0);
    assert_int_equal((uintptr_t)d->host_arena % 4096, 0);
    for (int k = 0; k < 12345; k++)
        assert_int_equal(d->device_arena[k], 0);
    d->device_arena[12344] = d->host_arena[776] = 1;
    close_device(d, &arena);
}

static void an_arena_of_nothing_is_no_memory(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_device *d = open_device(&arena, (dms_device_options){.threads = 1});
    assert_null(d->device_arena);
    assert_null(d->host_arena);
    close_device(d, &arena);
}

/* What was never written reads as NaN, or as -1. */
static void poison_fills_both_arenas(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_device *d = open_device(
        &arena, (dms_device_options){
                    .device_bytes = 5000, .host_bytes = 300, .threads = 1, .poison = true});
    for (int k = 0; k < 5000; k++)
        assert_int_equal(d->device_arena[k], 0xff);
    for (int k = 0; k < 300; k++)
        assert_int_equal(d->host_arena[k], 0xff);
    close_device(d, &arena);
}

static void copies_go_in_and_out_at_their_offset(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_device *d =
        open_device(&arena, (dms_device_options){.device_bytes = 64, .threads = 1, .poison = true});
    const uint8_t in[4] = {1, 2, 3, 4};
    uint8_t out[4] = {0};
    d->ops->copy_in(d, 30, in, 4);
    assert_int_equal(d->device_arena[29], 0xff);
    assert_int_equal(d->device_arena[34], 0xff);
    d->ops->copy_out(d, out, 30, 4);
    assert_memory_equal(in, out, 4);
    d->ops->copy_out(d, out, 31, 2);
    assert_true(out[0] == 2 && out[1] == 3 && out[2] == 3 && out[3] == 4);
    close_device(d, &arena);
}

static void memory_that_cannot_be_had_is_named(void **state) {
    (void)state;
    static const struct {
        uint64_t device, host;
        const char *says;
    } cases[] = {{(uint64_t)1 << 60, 10, "a device arena of 1152921504606846976 bytes"},
                 {10, (uint64_t)1 << 60, "a host arena of 1152921504606846976 bytes"}};
    for (size_t k = 0; k < 2; k++) {
        dms_arena arena = {0};
        dms_device *d = NULL;
        dms_status st = {0};
        const dms_device_options options = {
            .device_bytes = cases[k].device, .host_bytes = cases[k].host, .threads = 4};
        assert_int_equal(dms_cpu_device_open(&options, &arena, &d, &st), DMS_EDEVICE);
        assert_memory_equal(st.msg, cases[k].says, strlen(cases[k].says));
        assert_null(d);
        dms_arena_free(&arena);
    }
}

static void any_allocation_that_fails_is_reported(void **state) {
    (void)state;
    for (uint64_t at = 1; at <= 3; at++) {
        dms_arena arena = {.fail_at = at};
        dms_device *d = NULL;
        const dms_device_options options = {.device_bytes = 4096, .host_bytes = 4096, .threads = 2};
        assert_int_equal(dms_cpu_device_open(&options, &arena, &d, NULL), DMS_EINTERNAL);
        assert_null(d);
        dms_arena_free(&arena);
    }
}

/* y[1,j,1] = x[1,8,1] at idx[j]: x at 0, idx at 64, y at 128. Runs it and returns the index error. */
static uint32_t gather(dms_device *d, const int32_t *index, int64_t n, bool is_small, float *y) {
    const float x[8] = {10, 11, 12, 13, 14, 15, 16, 17};
    const dms_view view[3] = {{DMS_DTYPE_F32, 3, 0, {1, 8, 1}, {8, 1, 1}},
                              {DMS_DTYPE_I32, 1, 0, {n}, {1}},
                              {DMS_DTYPE_F32, 3, 0, {1, n, 1}, {n, 1, 1}}};
    const dms_call call = {DMS_K_GATHER, 2, 1, 0, 0, view, NULL, NULL};
    dms_status st = {0};
    if (dms_call_check(&call, &st) != DMS_OK || d->ops->can_run(&call, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_device_call run = {.call = &call, .operand = {0, 64, 128}, .is_small = is_small};
    uint32_t error = 99;
    d->ops->copy_in(d, 0, x, sizeof x);
    d->ops->copy_in(d, 64, index, (uint64_t)n * 4);
    d->ops->call(d, &run, &error);
    d->ops->copy_out(d, y, 128, (uint64_t)n * 4);
    return error;
}

static void a_call_reads_and_writes_its_operands(void **state) {
    (void)state;
    dms_arena arena = {0};
    for (uint32_t threads = 1; threads <= 4; threads++) {
        dms_device *d =
            open_device(&arena, (dms_device_options){.device_bytes = 512, .threads = threads});
        float y[4];
        const int32_t index[4] = {3, 0, -1, 7};
        assert_int_equal(gather(d, index, 4, threads % 2 == 0, y), 0);
        assert_true(y[0] == 13 && y[1] == 10 && y[2] == 17 && y[3] == 17);
        d->ops->close(d);
    }
    dms_arena_free(&arena);
}

/* 1 + operand, wherever the bad one stands, and nothing is left of it for the next call. */
static void a_bad_index_is_told_at_every_place(void **state) {
    (void)state;
    static const int32_t bad[] = {8, -9, 1000000, INT32_MAX, INT32_MIN};
    dms_arena arena = {0};
    dms_device *d = open_device(&arena, (dms_device_options){.device_bytes = 512, .threads = 2});
    float y[6];
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++)
        for (int place = 0; place < 6; place++) {
            int32_t index[6] = {0, 1, 2, 3, 4, 5};
            assert_int_equal(gather(d, index, 6, place % 2 == 0, y), 0);
            index[place] = bad[b];
            assert_int_equal(gather(d, index, 6, place % 2 == 0, y), 2);
            for (int k = 0; k < 6; k++)
                assert_true(k == place ? y[k] >= 10 && y[k] <= 17 : y[k] == (float)(10 + k));
        }
    close_device(d, &arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_are_as_large_as_the_plan_says),
        cmocka_unit_test(an_arena_of_nothing_is_no_memory),
        cmocka_unit_test(poison_fills_both_arenas),
        cmocka_unit_test(copies_go_in_and_out_at_their_offset),
        cmocka_unit_test(memory_that_cannot_be_had_is_named),
        cmocka_unit_test(any_allocation_that_fails_is_reported),
        cmocka_unit_test(a_call_reads_and_writes_its_operands),
        cmocka_unit_test(a_bad_index_is_told_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
