/* test_walk.c - the order in which strided operands are visited, and how axes are merged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/kernels/walk.h"

static dms_view dense(uint32_t rank, const int64_t *dim) {
    dms_view view;
    assert_true(dms_view_dense(DMS_DTYPE_F32, rank, dim, &view));
    return view;
}

static dms_walk walk_of(const dms_view *a, const dms_view *b) {
    const dms_view *const both[] = {a, b};
    dms_walk walk;
    dms_walk_init(&walk, both, b == NULL ? 1 : 2);
    return walk;
}

static void dense_operands_are_one_run(void **state) {
    (void)state;
    const dms_view x = dense(4, (int64_t[]){2, 3, 4, 5});
    const dms_walk w = walk_of(&x, &x);
    assert_int_equal(w.rank, 1);
    assert_int_equal(w.dim[0], 120);
    assert_int_equal(w.pitch[0][0], 1);
    assert_int_equal(w.count, 120);
}

static void a_broadcast_operand_keeps_its_axis_apart(void **state) {
    (void)state;
    /* x[2,3,4] with a vector over the last axis: the outer two merge, as both repeat the vector. */
    const dms_view x = dense(3, (int64_t[]){2, 3, 4});
    dms_view row = x;
    row.pitch[0] = row.pitch[1] = 0;
    const dms_walk w = walk_of(&x, &row);
    assert_int_equal(w.rank, 2);
    assert_int_equal(w.dim[0], 6);
    assert_int_equal(w.dim[1], 4);
    assert_int_equal(w.pitch[1][0], 0);
    assert_int_equal(w.pitch[1][1], 1);
}

static void a_gap_between_rows_stops_merging(void **state) {
    (void)state;
    dms_view x = dense(3, (int64_t[]){2, 3, 4});
    x.pitch[1] = 5; /* one element between rows; planes follow without more */
    x.pitch[0] = 15;
    const dms_walk w = walk_of(&x, NULL);
    assert_int_equal(w.rank, 2);
    assert_int_equal(w.dim[0], 6);
    assert_int_equal(w.pitch[0][0], 5);
}

static void axes_of_one_entry_do_not_count(void **state) {
    (void)state;
    dms_view x = dense(4, (int64_t[]){1, 7, 1, 2});
    x.pitch[0] = 999; /* never stepped */
    x.pitch[2] = 555;
    const dms_walk w = walk_of(&x, NULL);
    assert_int_equal(w.rank, 1);
    assert_int_equal(w.dim[0], 14);
}

static void a_scalar_is_a_run_of_one(void **state) {
    (void)state;
    const dms_view x = dense(0, NULL);
    const dms_walk w = walk_of(&x, &x);
    assert_int_equal(w.rank, 1);
    assert_int_equal(w.count, 1);
    dms_walk_at at;
    dms_walk_seek(&w, 0, &at);
    assert_int_equal(dms_walk_run(&w, &at), 1);
    assert_int_equal(at.element[0], 0);
}

static void a_tensor_without_elements_has_nothing_to_visit(void **state) {
    (void)state;
    const dms_view x = dense(3, (int64_t[]){2, 0, 4});
    assert_int_equal(walk_of(&x, NULL).count, 0);
}

/* Element of a view by its coordinates, from the row-major index. */
static int64_t element_of(const dms_view *view, int64_t index) {
    int64_t element = 0;
    for (uint32_t k = view->rank; k-- > 0; index /= view->dim[k])
        element += index % view->dim[k] * view->pitch[k];
    return element;
}

/* Views of dims 3 x 4 x 5: dense, permuted, gapped, repeated, backwards. */
static uint32_t some_views(dms_view *out) {
    const int64_t dim[] = {3, 4, 5};
    const int64_t pitch[][3] = {{20, 5, 1},  {1, 3, 12}, {40, 7, 1},  {0, 5, 1},
                                {20, 0, 1},  {20, 5, 0}, {0, 0, 0},   {4, 1, 12},
                                {20, 5, -1}, {5, 15, 1}, {100, 20, 2}};
    const uint32_t n = sizeof pitch / sizeof *pitch;
    for (uint32_t v = 0; v < n; v++) {
        out[v] = dense(3, dim);
        memcpy(out[v].pitch, pitch[v], sizeof pitch[v]);
    }
    return n;
}

static void every_start_and_every_step_reaches_the_right_element(void **state) {
    (void)state;
    dms_view view[16];
    const uint32_t n = some_views(view);
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < n; b++) {
            const dms_walk w = walk_of(&view[a], &view[b]);
            for (int64_t from = 0; from < 60; from++) {
                dms_walk_at at;
                dms_walk_seek(&w, from, &at);
                for (int64_t i = from; i < 60; i++, dms_walk_next(&w, &at, 1)) {
                    assert_int_equal(at.element[0], element_of(&view[a], i));
                    assert_int_equal(at.element[1], element_of(&view[b], i));
                }
            }
        }
}

static void whole_runs_and_parts_of_runs_meet_at_the_same_places(void **state) {
    (void)state;
    dms_view view[16];
    const uint32_t n = some_views(view);
    for (uint32_t a = 0; a < n; a++)
        for (int64_t most = 1; most < 8; most++) {
            const dms_walk w = walk_of(&view[a], NULL);
            dms_walk_at at;
            dms_walk_seek(&w, 0, &at);
            for (int64_t i = 0; i < 60;) {
                const int64_t run = dms_walk_run(&w, &at);
                const int64_t step = run < most ? run : most;
                assert_int_equal(at.element[0], element_of(&view[a], i));
                /* All of a run lies at one pitch. */
                assert_int_equal(at.element[0] + (step - 1) * w.pitch[0][w.rank - 1],
                                 element_of(&view[a], i + step - 1));
                dms_walk_next(&w, &at, step);
                i += step;
            }
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_operands_are_one_run),
        cmocka_unit_test(a_broadcast_operand_keeps_its_axis_apart),
        cmocka_unit_test(a_gap_between_rows_stops_merging),
        cmocka_unit_test(axes_of_one_entry_do_not_count),
        cmocka_unit_test(a_scalar_is_a_run_of_one),
        cmocka_unit_test(a_tensor_without_elements_has_nothing_to_visit),
        cmocka_unit_test(every_start_and_every_step_reaches_the_right_element),
        cmocka_unit_test(whole_runs_and_parts_of_runs_meet_at_the_same_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
