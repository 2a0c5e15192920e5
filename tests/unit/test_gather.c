/* test_gather.c - which ranges of a file a cell is read in, and where its elements go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "schema/gather.h"

#define N_FILE 200000

/* Pieces of a walk over u32 from byte 0, scattered pieces of at most `piece_bytes`. */
static dms_gather begin(const dms_view *view, const int64_t *pitch, int64_t valid_last,
                        uint64_t piece_bytes) {
    dms_gather g;
    const dms_gather_walk walk = {view, 0, valid_last, pitch};
    dms_gather_begin(&g, &walk, piece_bytes);
    return g;
}

static void a_dense_cell_is_one_piece_that_needs_no_scattering(void **state) {
    (void)state;
    const dms_view view = {DMS_DTYPE_U32, 3, 7, {4, 50, 100}, {5000, 100, 1}};
    dms_gather g = begin(&view, (int64_t[]){5000, 100, 1}, 0, 64);
    dms_gather_piece piece;
    assert_true(dms_gather_next(&g, &piece));
    assert_int_equal(piece.offset, 28);
    assert_int_equal(piece.bytes, 4 * 20000); /* longer than 64: it can be cut anywhere */
    assert_int_equal(piece.to, 0);
    assert_int_equal(piece.n, 0);
    assert_false(g.is_short || g.is_wasteful);
    assert_false(dms_gather_next(&g, &piece));
    assert_false(dms_gather_next(&g, &piece));
}

static void long_rows_are_a_piece_each(void **state) {
    (void)state;
    const dms_view view = {DMS_DTYPE_U32, 2, 0, {3, 16384}, {20000, 1}}; /* rows of 64 KiB */
    dms_gather g = begin(&view, (int64_t[]){16384, 1}, 0, 1u << 20);
    dms_gather_piece piece;
    for (uint64_t row = 0; row < 3; row++) {
        assert_true(dms_gather_next(&g, &piece));
        assert_int_equal(piece.offset, row * 80000);
        assert_int_equal(piece.to, row * 65536);
        assert_int_equal(piece.bytes, 65536);
        assert_int_equal(piece.n, 0);
    }
    assert_false(dms_gather_next(&g, &piece));
}

/* Rows of 600 of 1000 elements: a piece of 10,000 bytes holds the reach of 2 rows and no third. */
static void short_rows_share_a_piece_as_far_as_it_reaches(void **state) {
    (void)state;
    const dms_view view = {DMS_DTYPE_U32, 2, 0, {5, 600}, {1000, 1}};
    dms_gather g = begin(&view, (int64_t[]){600, 1}, 0, 10000);
    dms_gather_piece piece;
    assert_true(dms_gather_next(&g, &piece));
    assert_int_equal(piece.bytes, 4 * 1600);
    assert_int_equal(piece.n, 2);
    assert_int_equal(piece.axis[0].dim, 2);
    assert_true(dms_gather_next(&g, &piece));
    assert_int_equal(piece.offset, 4 * 2000);
    assert_int_equal(piece.to, 4 * 1200);
    assert_true(dms_gather_next(&g, &piece));
    assert_int_equal(piece.bytes, 4 * 600); /* the fifth row alone */
    assert_int_equal(piece.axis[0].dim, 1);
    assert_false(dms_gather_next(&g, &piece));
}

/* What lies between is read where a quarter is wanted, and is no use to this cell alone where
 * less than half is. */
static void gaps_decide_how_it_is_read(void **state) {
    (void)state;
    static const struct {
        int64_t pitch;
        bool is_wasteful, is_short;
        uint32_t n_pieces;
    } gap[] = {{20000, false, false, 1},
               {60000, false, false, 1},
               {60002, true, false, 1},
               {140000, true, false, 1},
               {140004, false, true, 2}};
    for (size_t i = 0; i < sizeof gap / sizeof *gap; i++) {
        const dms_view view = {DMS_DTYPE_U8, 2, 0, {2, 20000}, {gap[i].pitch, 1}};
        dms_gather g = begin(&view, (int64_t[]){30000, 1}, 0, 1u << 20);
        assert_int_equal(g.is_wasteful, gap[i].is_wasteful);
        assert_int_equal(g.is_short, gap[i].is_short);
        dms_gather_piece piece;
        uint32_t n = 0;
        while (dms_gather_next(&g, &piece))
            n++;
        assert_int_equal(n, gap[i].n_pieces);
    }
}

/* 1,000 runs of 64 bytes. Where they begin a page apart, pieces of 1 MiB have 256 of them; the page
 * cache, which has all of it then, gives the rest to the next cells. */
static void runs_in_neighbouring_pages_are_read_together(void **state) {
    (void)state;
    static const struct {
        int64_t pitch;
        uint32_t n_pieces;
    } cases[] = {{257, 1}, {1024, 1}, {4096, 4}, {4097, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const dms_view view = {DMS_DTYPE_U8, 2, 0, {1000, 64}, {cases[i].pitch, 1}};
        dms_gather g = begin(&view, (int64_t[]){64, 1}, 0, 1u << 20);
        dms_gather_piece piece;
        uint32_t n = 0;
        while (dms_gather_next(&g, &piece))
            n++;
        assert_int_equal(n, cases[i].n_pieces);
        assert_true(g.is_short);
        assert_int_equal(g.is_wasteful, n < 1000);
    }
}

static void nothing_has_no_piece_and_a_scalar_has_one(void **state) {
    (void)state;
    const dms_view none = {DMS_DTYPE_U32, 2, 0, {0, 4}, {4, 1}};
    const dms_view scalar = {DMS_DTYPE_F64, 0, 3, {0}, {0}};
    dms_gather_piece piece;
    dms_gather g = begin(&none, (int64_t[]){4, 1}, 0, 100);
    assert_false(dms_gather_next(&g, &piece));
    g = begin(&scalar, NULL, 0, 100);
    assert_true(dms_gather_next(&g, &piece));
    assert_int_equal(piece.offset, 24);
    assert_int_equal(piece.bytes, 8);
    assert_false(dms_gather_next(&g, &piece));
}

/* A small generator, so that the cases are the same everywhere. */
static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* A view of three axes in any order of pitches inside the file, sometimes with repeats, and a place
 * that is dense or has room between its rows. */
static dms_view random_view(uint32_t *seed, int64_t *pitch, int64_t *out_n_place) {
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    dms_view view = {DMS_DTYPE_U32, 3, next_random(seed) % 50, {0}, {0}};
    const uint8_t *order = orders[next_random(seed) % 6];
    int64_t inner = 1 + next_random(seed) % 3 / 2;
    for (int k = 2; k >= 0; k--) {
        view.dim[order[k]] = 1 + next_random(seed) % 30;
        view.pitch[order[k]] = next_random(seed) % 16 == 0 ? 0 : inner;
        inner = inner * view.dim[order[k]] + next_random(seed) % 4;
    }
    int64_t dense = 1;
    for (int k = 2; k >= 0; k--) {
        pitch[k] = dense;
        dense = dense * view.dim[k] + (k == 1 ? next_random(seed) % 3 : 0);
    }
    *out_n_place = dense + view.dim[0] * 3;
    return view;
}

static void any_walk_puts_every_element_in_its_place(void **state) {
    (void)state;
    uint32_t seed = 1, *file = malloc(4 * N_FILE);
    for (uint32_t i = 0; i < N_FILE; i++)
        file[i] = i;
    for (int round = 0; round < 3000; round++) {
        int64_t pitch[3], n_place;
        const dms_view view = random_view(&seed, pitch, &n_place);
        const int64_t valid =
            next_random(&seed) % 3 != 0 ? 0 : 1 + next_random(&seed) % view.dim[2];
        const uint64_t most = 4 + next_random(&seed) % 4000;
        uint32_t *got = malloc(4 * (size_t)n_place), *want = malloc(4 * (size_t)n_place);
        memset(got, 0xcd, 4 * (size_t)n_place);
        memset(want, 0xcd, 4 * (size_t)n_place);
        for (int64_t a = 0; a < view.dim[0]; a++)
            for (int64_t b = 0; b < view.dim[1]; b++)
                for (int64_t c = 0; c < view.dim[2]; c++) {
                    const bool is_pad = valid != 0 && a == view.dim[0] - 1 && c >= valid;
                    const int64_t from =
                        view.offset + a * view.pitch[0] + b * view.pitch[1] + c * view.pitch[2];
                    want[a * pitch[0] + b * pitch[1] + c * pitch[2]] = is_pad ? 0 : (uint32_t)from;
                }
        dms_gather g = begin(&view, pitch, valid, most);
        dms_gather_zeros(&g, (uint8_t *)got);
        dms_gather_piece piece;
        while (dms_gather_next(&g, &piece)) {
            assert_true(piece.n == 0 || piece.bytes <= most);
            assert_true(piece.offset + piece.bytes <= 4 * N_FILE);
            dms_gather_scatter(&g, &piece, (const uint8_t *)file + piece.offset, (uint8_t *)got);
        }
        assert_memory_equal(got, want, 4 * (size_t)n_place);
        free(got);
        free(want);
    }
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_cell_is_one_piece_that_needs_no_scattering),
        cmocka_unit_test(long_rows_are_a_piece_each),
        cmocka_unit_test(short_rows_share_a_piece_as_far_as_it_reaches),
        cmocka_unit_test(gaps_decide_how_it_is_read),
        cmocka_unit_test(runs_in_neighbouring_pages_are_read_together),
        cmocka_unit_test(nothing_has_no_piece_and_a_scalar_has_one),
        cmocka_unit_test(any_walk_puts_every_element_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
