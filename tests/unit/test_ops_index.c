/* test_ops_index.c - Gather, Scatter and their kin, OneHot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_ops.h"

static void gather_puts_the_dims_of_the_indices_in_place_of_its_axis(void **state) {
    (void)state;
    INFERS("Gather-13", "x:f32[5,4,3] i:i64[2,2]", "axis=1", 1, "f32 [5, 2, 2, 3]");
    INFERS("Gather-13", "x:f32[5,4] i:i32[]", "", 1, "f32 [4]");
    INFERS("Gather-1", "x:i64[3] i=i64(2)", "", 1, "i64 []");
}

static void gather_sees_its_data_as_a_cube(void **state) {
    (void)state;
    CALLS("Gather-13", "x:f32[5,4,3] i:i64[2,2]", "axis=1", "gather()");
    assert_string_equal(op_operand(0, 0), "f32 [5, 4, 3] pitches [12, 3, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "i64 [4] pitches [1] offset 0");
    assert_string_equal(op_operand(0, 2), "f32 [5, 4, 3] pitches [12, 3, 1] offset 0");
}

static void one_known_index_is_a_view(void **state) {
    (void)state;
    VIEWS("Gather-13", "x:f32[2,5,4] i=i64(-1)", "axis=1", "[2, 4] pitches [20, 1] offset 16");
    VIEWS("Gather-13", "x:f32[2,5] i=i64{3}", "axis=1", "[2, 1] pitches [5, 1] offset 3");
    VIEWS("Gather-13", "x:f32[2,5] i=i64{3,4}", "axis=1", "no view");
    VIEWS("Gather-13", "x:f32[2,5] i:i64[]", "axis=1", "no view");
}

static void gather_refuses_a_known_index_outside(void **state) {
    (void)state;
    INFERS("Gather-13", "x:f32[2,5] i=i64(5)", "axis=1", 1,
           "node 'n' (Gather): index 5 is outside the 5 entries of axis 1");
    INFERS("Gather-13", "x:f32[2,5] i=i64(-6)", "axis=1", 1,
           "node 'n' (Gather): index -6 is outside the 5 entries of axis 1");
}

static void indices_are_i32_or_i64(void **state) {
    (void)state;
    INFERS("Gather-13", "x:f32[2] i:f32[1]", "", 1,
           "node 'n' (Gather): input 'i' has dtype f32, which this operator does not take");
    INFERS("GatherND-13", "x:f32[2] i:i8[1]", "", 1,
           "node 'n' (GatherND): input 'i' has dtype i8, which this operator does not take");
}

static void a_gather_of_too_many_axes_is_refused(void **state) {
    (void)state;
    INFERS("Gather-13", "x:f32[1,1,1,1,1] i:i64[1,1,1,1,1]", "", 1,
           "node 'n' (Gather): its result has rank 9, at most 8");
}

/* ---- elements ------------------------------------------------------------------------------ */

static void gather_elements_has_the_dims_of_its_indices(void **state) {
    (void)state;
    INFERS("GatherElements-13", "x:f32[3,4] i:i64[2,4]", "axis=0", 1, "f32 [2, 4]");
    CALLS("GatherElements-11", "x:f32[3,4] i:i64[3,9]", "axis=-1", "gather_elements(1)");
    INFERS("GatherElements-13", "x:f32[3,4] i:i64[4,4]", "axis=1", 1,
           "node 'n' (GatherElements): input 'i' has 4 entries along axis 0, input 'x' 3");
    INFERS("GatherElements-13", "x:f32[3,4] i:i64[4]", "axis=1", 1,
           "node 'n' (GatherElements): input 'i' has rank 1, wants 2");
}

static void scatter_is_scatter_elements_before_opset_11(void **state) {
    (void)state;
    CALLS("Scatter-9", "x:f32[3,4] i:i64[1,4] u:f32[1,4]", "", "scatter_elements(0 0)");
    CALLS("ScatterElements-11", "x:f32[3,4] i:i64[3,1] u:f32[3,1]", "axis=1",
          "scatter_elements(1 0)");
}

static void reductions_of_scatters_grow_with_the_opset(void **state) {
    (void)state;
    const char *input = "x:f32[3] i:i64[2] u:f32[2]";
    CALLS("ScatterElements-16", input, "reduction='add'", "scatter_elements(0 1)");
    CALLS("ScatterElements-18", input, "reduction='max'", "scatter_elements(0 4)");
    INFERS("ScatterElements-16", input, "reduction='max'", 1,
           "node 'n' (ScatterElements): attribute 'reduction' is 'max', which is not known");
    INFERS("ScatterElements-13", input, "reduction='add'", 1,
           "node 'n' (ScatterElements): attribute 'reduction' is 'add', which is not known");
}

static void updates_fit_indices_and_data(void **state) {
    (void)state;
    INFERS("ScatterElements-18", "x:f32[3] i:i64[2] u:f32[3]", "", 1,
           "node 'n' (ScatterElements): input 'u' wants dims [2]");
    INFERS("ScatterElements-18", "x:f32[3] i:i64[2] u:i64[2]", "", 1,
           "node 'n' (ScatterElements): input 'u' has dtype i64, input 'x' has f32");
}

static void scattering_nothing_is_a_copy(void **state) {
    (void)state;
    CALLS("ScatterElements-18", "x:f32[3] i:i64[0] u:f32[0]", "", "copy(0)");
    CALLS("ScatterND-18", "x:f32[3,2] i:i64[0,1] u:f32[0,2]", "", "copy(0)");
}

/* ---- ND ------------------------------------------------------------------------------------ */

static void gather_nd_reads_its_last_axis_as_a_position(void **state) {
    (void)state;
    INFERS("GatherND-13", "x:f32[2,3,4] i:i64[5,2]", "", 1, "f32 [5, 4]");
    INFERS("GatherND-12", "x:f32[2,3,4] i:i64[2,5,1]", "batch_dims=1", 1, "f32 [2, 5, 4]");
    CALLS("GatherND-13", "x:f32[2,3,4] i:i64[5,2]", "", "gather_nd(2)");
    assert_string_equal(op_operand(0, 0), "f32 [1, 2, 3, 4] pitches [24, 12, 4, 1] offset 0");
    assert_string_equal(op_operand(0, 1), "i64 [1, 5, 2] pitches [10, 2, 1] offset 0");
}

static void scatter_nd_wants_one_update_per_position(void **state) {
    (void)state;
    INFERS("ScatterND-11", "x:f32[4,3] i:i64[2,1] u:f32[2,3]", "", 1, "f32 [4, 3]");
    CALLS("ScatterND-18", "x:f32[4,3] i:i64[2,1] u:f32[2,3]", "reduction='mul'", "scatter_nd(1 2)");
    INFERS("ScatterND-11", "x:f32[4,3] i:i64[2,1] u:f32[2]", "", 1,
           "node 'n' (ScatterND): input 'u' wants dims [2, 3]");
    INFERS("ScatterND-11", "x:f32[4,3] i:i64[2,3] u:f32[2]", "", 1,
           "node 'n' (ScatterND): input 'i' names 3 axes of rank 2");
    INFERS("GatherND-13", "x:f32[3,4] i:i64[2,1]", "batch_dims=1", 1,
           "node 'n' (GatherND): inputs 'x' and 'i' differ along batch axis 0");
}

/* ---- OneHot -------------------------------------------------------------------------------- */

static void one_hot_adds_an_axis_of_known_depth(void **state) {
    (void)state;
    INFERS("OneHot-11", "i:i64[2,3] d=i64(5) v:f32[2]", "", 1, "f32 [2, 3, 5]");
    INFERS("OneHot-9", "i:i64[2,3] d=f32(5) v:i32[2]", "axis=1", 1, "i32 [2, 5, 3]");
    CALLS("OneHot-11", "i:i64[2,3] d=i64(5) v:f32[2]", "axis=0", "one_hot()");
    assert_string_equal(op_operand(0, 2), "f32 [1, 5, 6] pitches [30, 6, 1] offset 0");
    CALLS("OneHot-11", "i:f32[2] d=i64(5) v:f32[2]", "", "cast(1); one_hot()");
}

static void one_hot_refuses_a_depth_that_is_no_count(void **state) {
    (void)state;
    INFERS("OneHot-11", "i:i64[2] d:i64[] v:f32[2]", "", 1,
           "node 'n' (OneHot): input 'd' (depth) is computed from data");
    INFERS("OneHot-11", "i:i64[2] d=i64(-1) v:f32[2]", "", 1,
           "node 'n' (OneHot): input 'd' (depth) is no count");
    INFERS("OneHot-11", "i:i64[2] d=i64(3) v:f32[3]", "", 1,
           "node 'n' (OneHot): input 'v' has 3 elements for 2 values (off, on)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_puts_the_dims_of_the_indices_in_place_of_its_axis),
        cmocka_unit_test(gather_sees_its_data_as_a_cube),
        cmocka_unit_test(one_known_index_is_a_view),
        cmocka_unit_test(gather_refuses_a_known_index_outside),
        cmocka_unit_test(indices_are_i32_or_i64),
        cmocka_unit_test(a_gather_of_too_many_axes_is_refused),
        cmocka_unit_test(gather_elements_has_the_dims_of_its_indices),
        cmocka_unit_test(scatter_is_scatter_elements_before_opset_11),
        cmocka_unit_test(reductions_of_scatters_grow_with_the_opset),
        cmocka_unit_test(updates_fit_indices_and_data),
        cmocka_unit_test(scattering_nothing_is_a_copy),
        cmocka_unit_test(gather_nd_reads_its_last_axis_as_a_position),
        cmocka_unit_test(scatter_nd_wants_one_update_per_position),
        cmocka_unit_test(one_hot_adds_an_axis_of_known_depth),
        cmocka_unit_test(one_hot_refuses_a_depth_that_is_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
