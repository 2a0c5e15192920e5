/* test_onnx_scatter.c - a ScatterND that writes every element at its own place, and its neighbours.
 *
 * The tables of indices are as large as those of a mask, so they stay views of short constants;
 * element (i, j) of the updates x [100,100] goes to (rows[i], columns[j]).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
#define I64 DMS_DTYPE_I64
enum { N = 100, MOST = N * N };

typedef struct lists {
    int64_t rows[N], columns[N];
} lists;

static void begin(onnx_case *c, const lists *index) {
    onnx_begin(c, 18);
    onnx_input(c, "x", F32, "100,100");
    onnx_input(c, "old", F32, "100,100");
    onnx_output(c, c->graph, "y", F32, "");
    (void)onnx_initializer(c, c->graph, "rows", I64, "100,1,1", index->rows);
    (void)onnx_initializer(c, c->graph, "columns", I64, "100,1", index->columns);
    onnx_i64(c, c->graph, "whole", "100,100,1");
}

/* Each index once, in order. */
static lists in_order(void) {
    lists l;
    for (int64_t k = 0; k < N; k++)
        l.rows[k] = l.columns[k] = k;
    return l;
}

/* Runs the text: `scatters` of ScatterND are left, and y is what the definition says, where
 * `is_turned` means that the two parts of an index have changed places. */
static void expect(const lists *index, const char *text, uint32_t scatters, bool is_turned) {
    onnx_case c;
    static float x[MOST], old[MOST], wanted[MOST];
    const float *const input[2] = {x, old};
    onnx_noise(x, MOST, 1);
    onnx_noise(old, MOST, 2);
    memcpy(wanted, old, sizeof wanted);
    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < N; j++) {
            const int64_t row = index->rows[i], column = (index->columns[j] + N) % N;
            wanted[is_turned ? column * N + row : row * N + column] = x[i * N + j];
        }
    begin(&c, index);
    onnx_text(&c, text);
    if (onnx_lower(&c, NULL) != DMS_OK)
        fail_msg("%s", c.st.msg);
    assert_int_equal(onnx_count(&c, "ScatterND"), scatters);
    onnx_expect_output(&c, input, 0, MOST, wanted);
    onnx_end(&c);
}

#define PARTS "Expand rows,whole i; Expand columns,whole j; "

static void a_whole_that_is_written_in_order_is_the_updates(void **state) {
    (void)state;
    const lists l = in_order();
    expect(&l, PARTS "Concat i,j index axis=-1; ScatterND old,index,x y", 0, false);
    expect(&l, PARTS "Concat i,j index axis=2; ScatterND old,index,x y reduction='none'", 0, false);
}

/* The parts may come by any way that is a view. */
static void indices_may_pass_through_views(void **state) {
    (void)state;
    const lists l = in_order();
    expect(&l,
           "Squeeze rows r; Identity r r2; Reshape r2,shape r3; Expand r3,whole i; "
           "Expand columns,whole j; Concat i,j index axis=-1; ScatterND old,index,x y; "
           "Constant , shape value_ints=[100,1,1]",
           0, false);
}

static void other_rows_or_columns_are_a_scatter(void **state) {
    (void)state;
    lists l = in_order();
    l.rows[3] = 4;
    l.rows[4] = 3;
    expect(&l, PARTS "Concat i,j index axis=-1; ScatterND old,index,x y", 1, false);
    l = in_order();
    for (int64_t k = 0; k < N; k++)
        l.columns[k] = N - 1 - k;
    expect(&l, PARTS "Concat i,j index axis=-1; ScatterND old,index,x y", 1, false);
    l = in_order();
    l.columns[0] = -N; /* the same place, counted from the end: not looked into */
    expect(&l, PARTS "Concat i,j index axis=-1; ScatterND old,index,x y", 1, false);
}

static void parts_that_have_changed_places_turn_the_whole(void **state) {
    (void)state;
    const lists l = in_order();
    expect(&l, PARTS "Concat j,i index axis=-1; ScatterND old,index,x y", 1, true);
}

/* Adding is no writing: old + x. */
static void a_reduction_keeps_what_was_there(void **state) {
    (void)state;
    onnx_case c;
    static float x[MOST], old[MOST], wanted[MOST];
    const float *const input[2] = {x, old};
    const lists l = in_order();
    onnx_noise(x, MOST, 1);
    onnx_noise(old, MOST, 2);
    for (uint32_t k = 0; k < MOST; k++)
        wanted[k] = old[k] + x[k];
    begin(&c, &l);
    onnx_text(&c, PARTS "Concat i,j index axis=-1; ScatterND old,index,x y reduction='add'");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "ScatterND"), 1);
    onnx_expect_output(&c, input, 0, MOST, wanted);
    onnx_end(&c);
}

/* Indices of the first rows only: the rest stays what it was. */
static void a_part_that_is_written_is_a_scatter(void **state) {
    (void)state;
    onnx_case c;
    static float x[MOST], old[MOST], wanted[MOST];
    const float *const input[2] = {x, old};
    const lists l = in_order();
    onnx_noise(x, MOST, 1);
    onnx_noise(old, MOST, 2);
    memcpy(wanted, old, sizeof wanted);
    memcpy(wanted, x, N * 99 * sizeof *wanted);
    begin(&c, &l);
    onnx_i64(&c, c.graph, "from", "0");
    onnx_i64(&c, c.graph, "to", "99");
    onnx_text(&c, PARTS "Concat i,j all axis=-1; Slice all,from,to index; Slice x,from,to part; "
                        "ScatterND old,index,part y");
    assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
    assert_int_equal(onnx_count(&c, "ScatterND"), 1);
    onnx_expect_output(&c, input, 0, MOST, wanted);
    onnx_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_that_is_written_in_order_is_the_updates),
        cmocka_unit_test(indices_may_pass_through_views),
        cmocka_unit_test(other_rows_or_columns_are_a_scatter),
        cmocka_unit_test(parts_that_have_changed_places_turn_the_whole),
        cmocka_unit_test(a_reduction_keeps_what_was_there),
        cmocka_unit_test(a_part_that_is_written_is_a_scatter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
