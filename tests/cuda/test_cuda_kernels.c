/* test_cuda_kernels.c - the table of CUDA kernels, and every call of support_rows.c on them,
 * emulated (emulate.h), in every layout, against the CPU device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cuda/kernels/table.h"
#include "runtime/kernels/families.h"
#include "tests/cuda/emulate.h"
#include "tests/unit/support_device.h"
#include "tests/unit/support_rows.h"

#define NAME(name) {#name, &dms_row_##name},
static const struct {
    const char *name;
    const dms_kernel_row *row;
} all[] = {DMS_ALL_KERNELS(NAME)};
enum { N_ALL = sizeof all / sizeof *all };

static const dms_cuda_card card = {.name = "a card", .major = 8, .minor = 6};

/* An operator is added for both devices at once. */
static void each_kernel_of_the_cpu_device_is_here(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_ALL; k++) {
        const dms_cuda_kernel *kernel = dms_cuda_kernel_find(all[k].row->id);
        if (kernel == NULL || kernel->id != all[k].row->id)
            fail_msg("kernel '%s' has no code for CUDA", all[k].name);
        assert_non_null(kernel->can_run);
        assert_non_null(kernel->prepare);
        assert_non_null(kernel->enqueue);
    }
    assert_null(dms_cuda_kernel_find(9999));
}

/* What runs there is tested there: each kernel is met by a call of support_rows.c. */
static void each_kernel_is_run_by_a_call(void **state) {
    (void)state;
    for (uint32_t k = 0; k < N_ALL; k++) {
        bool is_met = false;
        for (uint32_t j = 0; j < n_row_good; j++)
            is_met |= strcmp(row_good[j].kernel, all[k].row->name) == 0;
        if (!is_met)
            fail_msg("kernel '%s' is in no call of support_rows.c", all[k].name);
    }
}

/* Compute capability 8.0 is the least: below, every kernel names itself and the card. */
static void a_card_below_8_0_is_refused_by_name(void **state) {
    (void)state;
    const dms_cuda_card old = {.name = "Old One", .major = 7, .minor = 5};
    dms_status st;
    row_case c;
    for (uint32_t k = 0; k < n_row_good; k++) {
        row_read(&c, &row_good[k]);
        const dms_cuda_kernel *kernel = dms_cuda_kernel_find(c.call.kernel);
        assert_int_equal(kernel->can_run(&c.call, &card, &st), DMS_OK);
        assert_int_equal(kernel->can_run(&c.call, &old, &st), DMS_EDEVICE);
        assert_non_null(strstr(st.msg, row_good[k].kernel));
        assert_non_null(strstr(st.msg, "Old One has compute capability 7.5, 8.0 is the least"));
    }
}

/* The elements of all outputs, in one memory of the call. */
typedef struct results {
    uint8_t *at;
    uint64_t bytes;
} results;

static results run(const row_case *c, row_memory memory, bool on_device, dms_arena *arena) {
    results r;
    memory.on_device = on_device;
    r.at = row_run(c, &memory, 99, arena, &r.bytes);
    return r;
}

/* Outputs lie densely behind each other in what row_run returns. */
static void expect_alike(const row_case *c, const results *want, const results *got) {
    uint64_t at = 0;
    assert_int_equal(want->bytes, got->bytes);
    for (uint32_t k = c->call.n_in; k < c->call.n_in + c->call.n_out; k++) {
        dms_view dense[ROW_OPERANDS];
        dms_call call = c->call;
        memcpy(dense, c->view, sizeof dense);
        assert_true(dms_view_dense(dense[k].dtype, dense[k].rank, dense[k].dim, &dense[k]));
        call.view = dense;
        device_compare(&call, k, want->at + at, got->at + at);
        at += dms_view_bytes(&dense[k]);
    }
}

/* Walls around each operand end the test where a kernel leaves it. */
static void every_call_gives_what_the_cpu_device_gives(void **state) {
    (void)state;
    for (uint32_t k = 0; k < n_row_good; k++)
        for (row_layout layout = ROW_DENSE; layout < ROW_N_LAYOUTS; layout++)
            for (int before = 0; before < 2; before++) {
                row_case c;
                dms_status st;
                dms_arena arena;
                row_read(&c, &row_good[k]);
                row_lay(&c, layout);
                if (dms_call_check(&c.call, &st) != DMS_OK)
                    continue; /* a layout that the kernel does not take */
                dms_arena_init(&arena, 0);
                const row_memory memory = {.wall_before = before != 0, .beside = 0x5A};
                const results want = run(&c, memory, false, &arena);
                const results got = run(&c, memory, true, &arena);
                expect_alike(&c, &want, &got);
                dms_arena_free(&arena);
            }
}

/* What lies beside an operand, and what an output held before, changes nothing. */
static void nothing_but_the_operands_is_read(void **state) {
    (void)state;
    for (uint32_t k = 0; k < n_row_good; k++) {
        row_case c;
        dms_arena arena;
        row_read(&c, &row_good[k]);
        row_lay(&c, ROW_GAPS);
        dms_arena_init(&arena, 0);
        const row_memory zeros = {.beside = 0}, ones = {.beside = 0xFF, .before = 0xFF};
        const results a = run(&c, zeros, true, &arena), b = run(&c, ones, true, &arena);
        expect_alike(&c, &a, &b);
        dms_arena_free(&arena);
    }
}

/* A kernel is prepared by asking for it without a grid: nothing runs. */
static void preparing_launches_nothing(void **state) {
    (void)state;
    dms_arena arena;
    dms_arena_init(&arena, 0);
    for (uint32_t k = 0; k < n_row_good; k++) {
        row_case c;
        dms_status st;
        void *made = NULL;
        row_read(&c, &row_good[k]);
        const dms_cuda_kernel *kernel = dms_cuda_kernel_find(c.call.kernel);
        const uint32_t launches = emulate_launches();
        assert_int_equal(kernel->prepare(NULL, &c.call, &arena, &made, &st), DMS_OK);
        assert_int_equal(emulate_launches(), launches);
    }
    dms_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kernel_of_the_cpu_device_is_here),
        cmocka_unit_test(each_kernel_is_run_by_a_call),
        cmocka_unit_test(a_card_below_8_0_is_refused_by_name),
        cmocka_unit_test(every_call_gives_what_the_cpu_device_gives),
        cmocka_unit_test(nothing_but_the_operands_is_read),
        cmocka_unit_test(preparing_launches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
