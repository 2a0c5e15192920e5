/* test_blocks_storage.c - what reading a cell again takes: whole pages of every piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/blocks_internal.h"

/* f32 cell [rows][columns] of a matrix whose rows are `pitch` elements apart, at byte `offset`. */
static uint64_t bytes_of(int64_t rows, int64_t columns, int64_t pitch, uint64_t offset) {
    dms_source source = {.file = 0, .offset = offset};
    source.view.dtype = DMS_DTYPE_F32;
    source.view.rank = 2;
    source.view.dim[0] = rows;
    source.view.dim[1] = columns;
    source.view.pitch[0] = pitch;
    source.view.pitch[1] = 1;
    return dms_blocks_storage_bytes(&source);
}

static void a_dense_cell_takes_its_pages(void **state) {
    (void)state;
    assert_int_equal(bytes_of(256, 1024, 1024, 0), 1 << 20);
    assert_int_equal(bytes_of(256, 1024, 1024, 8192), 1 << 20);
    assert_int_equal(bytes_of(256, 1024, 1024, 100), (1 << 20) + 4096); /* one more at an end */
    assert_int_equal(bytes_of(1, 1, 1, 4095), 8192);
    assert_int_equal(bytes_of(1, 1, 1, 4092), 4096);
}

static void long_runs_are_read_alone(void **state) {
    (void)state;
    /* rows of 64 KiB, one in eight: nothing between them is read */
    assert_int_equal(bytes_of(100, 16384, 8 * 16384, 0), 100 * 65536);
    assert_int_equal(bytes_of(100, 16384, 8 * 16384, 4), 100 * (65536 + 4096));
}

static void near_runs_are_read_with_what_lies_between(void **state) {
    (void)state;
    /* rows of 4 KiB, every other one: the whole span but for the last gap */
    const uint64_t bytes = bytes_of(64, 1024, 2048, 0);
    assert_int_equal(bytes, 127 * 4096);
}

static void far_short_runs_cost_a_page_each(void **state) {
    (void)state;
    /* 256 bytes of every 64 KiB */
    assert_int_equal(bytes_of(500, 64, 16384, 0), 500 * 4096);
}

static void walks_of_very_many_pieces_are_charged_like_their_beginning(void **state) {
    (void)state;
    assert_int_equal(bytes_of(100000, 64, 16384, 0), 100000ull * 4096);
}

static void what_lies_in_the_plan_is_never_read(void **state) {
    (void)state;
    const uint8_t data[64] = {0};
    dms_source source = {.file = DMS_NONE, .embedded = data, .n_embedded = sizeof data};
    source.view.dtype = DMS_DTYPE_F32;
    source.view.rank = 1;
    source.view.dim[0] = 16;
    source.view.pitch[0] = 1;
    assert_int_equal(dms_blocks_storage_bytes(&source), 0);
}

static void a_repeated_value_is_made_again_at_the_rate_of_storage(void **state) {
    (void)state;
    const float one = 1;
    dms_source source = {
        .file = DMS_NONE, .embedded = (const uint8_t *)&one, .n_embedded = sizeof one};
    source.view.dtype = DMS_DTYPE_F32;
    source.view.rank = 2; /* pitches of 0 */
    source.view.dim[0] = source.view.dim[1] = 1024;
    assert_int_equal(dms_blocks_storage_bytes(&source), 4 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_cell_takes_its_pages),
        cmocka_unit_test(long_runs_are_read_alone),
        cmocka_unit_test(near_runs_are_read_with_what_lies_between),
        cmocka_unit_test(far_short_runs_cost_a_page_each),
        cmocka_unit_test(walks_of_very_many_pieces_are_charged_like_their_beginning),
        cmocka_unit_test(what_lies_in_the_plan_is_never_read),
        cmocka_unit_test(a_repeated_value_is_made_again_at_the_rate_of_storage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
