/* test_check_tables.c - P1 (ranges), P7 (budgets) and P10 (names): plans broken in their tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/check/check.h"
#include "support_plan.h"

static int make(void **state) {
    static const size_t size = sizeof(case_plan);
    *state = test_malloc(size);
    case_make(*state);
    return 0;
}

static int drop(void **state) {
    case_free(*state);
    test_free(*state);
    return 0;
}

static void the_good_plan_passes_with_its_meaning(void **state) {
    case_plan *c = *state;
    case_accepted(c);
    assert_true(dms_hash_equal(c->meaning, c->plan.meaning));
    assert_false(c->meaning.lo == 0 && c->meaning.hi == 0);
}

/* Out of memory at the n-th request, for every n: a status each time, the arena as before. */
static void every_failed_allocation_is_reported(void **state) {
    case_plan *c = *state;
    dms_code code = DMS_EINTERNAL;
    uint64_t n = 0;
    while (code != DMS_OK) {
        dms_arena scratch = {.fail_at = ++n};
        dms_hash meaning = {7, 7};
        code = dms_check_plan(&c->plan, &scratch, &meaning, &c->st);
        assert_int_equal(scratch.used_bytes, 0);
        assert_true(code == DMS_OK || (code == DMS_EINTERNAL && meaning.lo == 7));
        dms_arena_free(&scratch);
    }
    assert_true(n > 20);
}

static void p1_a_buffer_ends_inside_its_arena(void **state) {
    case_plan *c = *state;
    c->plan.device_arena--; /* z ends at 53504 */
    case_refused_with(c, "P1", "buffer 9");
}

static void p1_a_buffer_far_away_does_not_wrap_around(void **state) {
    case_plan *c = *state;
    c->plan.buffer[B_Y].offset = (uint64_t)UINT32_MAX * 256;
    case_refused_with(c, "P1", "buffer 9");
}

static void p1_host_buffers_lie_in_the_host_arena(void **state) {
    case_plan *c = *state;
    c->plan.host_arena = 34047;
    case_refused_with(c, "P1", "host arena");
}

/* For a card x and z, of 1,024 bytes each, pass through the top of the arena: above 34,048. There
 * the first thing wrong is a load of the prologue that writes the device. */
static void p1_host_buffers_end_where_inputs_and_outputs_pass(void **state) {
    case_plan *c = *state;
    c->plan.device_kind = DMS_DEVICE_CUDA;
    c->plan.host_arena = 34048 + 2048;
    case_refused_with(c, "P2", "queue load");
    c->plan.host_arena -= 256;
    case_refused_with(c, "P1",
                      "buffer 14: 256 bytes at 33792 do not lie in the host arena of 33792");
    c->plan.host_arena = 34048 + 2049;
    case_refused_with(c, "P1", "host arena of 36097 bytes ends off alignment");
    c->plan.host_arena = 2048 - 256;
    case_refused_with(c, "P1", "no room for the 2048 bytes through which inputs and outputs pass");
}

static void p1_a_buffer_has_the_bytes_of_its_tensor(void **state) {
    case_plan *c = *state;
    c->plan.buffer[B_H].bytes = 2047;
    case_refused_with(c, "P1", "'h'");
    c->plan.buffer[B_H].bytes = 2049;
    case_refused_with(c, "P1", "'h'");
    c->plan.buffer[B_H].bytes = 2048;
    c->plan.buffer[B_HOME0].bytes = 32768; /* the whole of W1 where one cell lies */
    case_refused_with(c, "P1", "'W1'");
}

static void p1_a_workspace_is_not_empty(void **state) {
    case_plan *c = *state;
    c->plan.buffer[B_WORK].bytes = 0;
    case_refused_by(c, "P1");
}

static void p1_a_source_ends_inside_its_file(void **state) {
    case_plan *c = *state;
    c->plan.file[0].bytes = 65535;
    c->plan.file[0].n_large = 0;
    case_refused_with(c, "P1", "source 2");
}

static void p1_a_strided_source_ends_at_its_last_row(void **state) {
    case_plan *c = *state;
    /* Cell 1 of W1: 63 rows of 512 bytes, then 256; from 33024 it ends exactly with the file. */
    c->plan.source[1].offset = 65536 - 63 * 512 - 256;
    c->plan.meaning = (dms_hash){0, 0};
    case_accepted(c);
    c->plan.source[1].offset++;
    case_refused_with(c, "P1", "source 1");
}

static void p1_a_source_at_the_end_of_64_bits_does_not_wrap(void **state) {
    case_plan *c = *state;
    c->plan.source[0].offset = UINT64_MAX - 100;
    case_refused_with(c, "P1", "source 0");
}

static void p1_an_embedded_constant_has_all_its_bytes(void **state) {
    case_plan *c = *state;
    c->plan.source[3].n_embedded = 255;
    case_refused_with(c, "P1", "source 3");
}

static void p1_the_last_entry_may_end_early(void **state) {
    case_plan *c = *state;
    /* Of the last row of W2 only 60 elements exist: 16 bytes fewer are read. */
    c->plan.source[2].valid_last = 60;
    c->plan.source[2].offset = 32768 + 16;
    c->plan.meaning = (dms_hash){0, 0};
    case_accepted(c);
    c->plan.source[2].offset = 32768 + 20;
    case_refused_with(c, "P1", "source 2");
    c->plan.source[2].offset = 32768;
    c->plan.source[2].valid_last = 65; /* a row has 64 */
    case_refused_with(c, "P1", "valid_last");
}

static void p1_a_source_has_the_dims_of_its_cell(void **state) {
    case_plan *c = *state;
    c->plan.source[0].view.dim[0] = 32;
    case_refused_with(c, "P1", "'W1', cell 0");
    c->plan.source[0].view.dim[0] = 64;
    c->plan.source[0].view.dtype = DMS_DTYPE_I32;
    case_refused_with(c, "P1", "'W1', cell 0");
}

static void p7_arenas_fit_the_budgets(void **state) {
    case_plan *c = *state;
    c->plan.device_budget = c->plan.device_arena - 1;
    case_refused_with(c, "P7", "device arena of 53504 bytes");
    c->plan.device_budget = c->plan.device_arena;
    case_accepted(c);
    c->plan.host_budget = c->plan.host_arena - 1;
    case_refused_with(c, "P7", "host arena");
}

static void p10_files_stay_beneath_their_folder(void **state) {
    case_plan *c = *state;
    static const char *const bad[] = {
        "",   "/etc/passwd", "..", "../w.bin", "a/../w.bin", "a/..",         "a//b",
        "a/", "./w.bin",     ".",  "a/./b",    "//w.bin",    "a/b/../../..", "/"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        c->plan.file[0].name = bad[k];
        case_refused_by(c, "P10");
    }
    static const char *const good[] = {"w.bin", "a/b.c/w", "...", "..w", "w..", "a/.b"};
    for (size_t k = 0; k < sizeof good / sizeof good[0]; k++) {
        c->plan.file[0].name = good[k];
        case_accepted(c);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_good_plan_passes_with_its_meaning),
        CASE(every_failed_allocation_is_reported),
        CASE(p1_a_buffer_ends_inside_its_arena),
        CASE(p1_a_buffer_far_away_does_not_wrap_around),
        CASE(p1_host_buffers_lie_in_the_host_arena),
        CASE(p1_host_buffers_end_where_inputs_and_outputs_pass),
        CASE(p1_a_buffer_has_the_bytes_of_its_tensor),
        CASE(p1_a_workspace_is_not_empty),
        CASE(p1_a_source_ends_inside_its_file),
        CASE(p1_a_strided_source_ends_at_its_last_row),
        CASE(p1_a_source_at_the_end_of_64_bits_does_not_wrap),
        CASE(p1_an_embedded_constant_has_all_its_bytes),
        CASE(p1_the_last_entry_may_end_early),
        CASE(p1_a_source_has_the_dims_of_its_cell),
        CASE(p7_arenas_fit_the_budgets),
        CASE(p10_files_stay_beneath_their_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
