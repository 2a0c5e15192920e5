/* test_check_calls.c - P8 and P9: plans whose kernels get wrong operands, and P7 of workspaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/kernel.h"
#include "support_plan.h"

static int make(void **state) {
    *state = test_malloc(sizeof(case_plan));
    case_make(*state);
    return 0;
}

static int drop(void **state) {
    case_free(*state);
    test_free(*state);
    return 0;
}

static void p8_parameters_are_checked_by_the_row(void **state) {
    case_plan *c = *state;
    *case_param(c, C_FC1, 1) = 63; /* the product has 64 columns */
    case_refused_with(c, "P8", "call 0");
    *case_param(c, C_FC1, 1) = 64;
    c->plan.call[C_FC1].n_i = 1;
    case_refused_with(c, "P8", "call 0");
}

static void p8_the_number_of_operands_is_checked_by_the_row(void **state) {
    case_plan *c = *state;
    c->plan.call[C_ADD].n_in = 1;
    c->plan.call[C_ADD].n_out = 2;
    case_refused_with(c, "P8", "call 3");
}

static void p8_the_device_kind_is_known(void **state) {
    case_plan *c = *state;
    c->plan.device_kind = 2;
    case_refused_with(c, "P8", "device kind 2");
}

static void p8_an_operand_has_the_dtype_of_its_tensor(void **state) {
    case_plan *c = *state;
    for (uint32_t k = 0; k < 2; k++)
        case_view(c, C_RELU, k)->dtype = DMS_DTYPE_I32;
    case_refused_with(c, "P8", "operand 0 is i32, tensor 'h' is f32");
}

static void p8_operands_lie_on_the_device(void **state) {
    case_plan *c = *state;
    case_operand(&c->plan.body, 4, 1)->buffer = B_X_HOST;
    case_refused_with(c, "P8", "host arena");
}

static void p8_a_view_ends_inside_its_buffer(void **state) {
    case_plan *c = *state;
    case_view(c, C_FC1, 0)->offset = 1; /* x [4, 64] from its second element */
    case_refused_with(c, "P8", "operand 0 leaves its cells of tensor 'x'");
    case_view(c, C_FC1, 0)->offset = 0;
    case_view(c, C_FC1, 0)->pitch[0] = 65;
    case_refused_with(c, "P8", "operand 0 leaves");
}

static void p8_a_view_stays_in_the_cells_it_names(void **state) {
    case_plan *c = *state;
    /* h[c] is columns 64 c to 64 c + 63 of rows of 128. One column further is the other cell. */
    case_view(c, C_FC1, 2)->offset = 1;
    case_refused_with(c, "P8", "operand 2 leaves its cells of tensor 'h'");
    case_view(c, C_FC1, 2)->offset = 128;
    case_refused_with(c, "P8", "operand 2 leaves"); /* a row too far */
    case_view(c, C_FC1, 2)->offset = 0;
    case_view(c, C_FC1, 2)->pitch[0] = 64;
    case_refused_with(c, "P8", "operand 2"); /* rows 0 and 1 side by side reach into h[1] */
    case_view(c, C_FC1, 2)->pitch[0] = 192;
    case_refused_with(c, "P8", "operand 2 leaves");
}

static void p8_an_output_fills_its_cells(void **state) {
    case_plan *c = *state;
    /* Only 3 of 4 rows of y are computed. */
    for (uint32_t k = 0; k < 4; k++)
        if (k != 1)
            case_view(c, C_FC2, k)->dim[0] = 3;
    case_refused_with(c, "P8", "does not fill its cells of 'y'");
}

static void p8_an_output_names_only_what_it_fills(void **state) {
    case_plan *c = *state;
    case_operand(&c->plan.body, 0, 2)->n = 2; /* claims both cells of h */
    case_refused_with(c, "P8", "does not fill");
}

static void p8_an_output_does_not_repeat(void **state) {
    case_plan *c = *state;
    case_view(c, C_ADD, 2)->pitch[0] = 0;
    case_refused_with(c, "P8", "call 3");
}

static void p8_in_place_needs_the_same_range(void **state) {
    case_plan *c = *state;
    c->plan.buffer[B_Z].offset += 256; /* z over the last three quarters of y */
    c->plan.device_arena += 256;
    case_refused_with(c, "P8", "operands 0 and 2 of kernel 'binary' overlap");
}

static void p8_in_place_needs_the_same_elements(void **state) {
    case_plan *c = *state;
    /* z column by column over y row by row. */
    case_view(c, C_ADD, 2)->pitch[0] = 1;
    case_view(c, C_ADD, 2)->pitch[1] = 4;
    case_refused_with(c, "P8", "overlap");
}

static void p8_in_place_is_for_the_row_to_allow(void **state) {
    case_plan *c = *state;
    /* y = r W2 + b over the first half of r. */
    c->plan.buffer[B_Y].offset = c->plan.buffer[B_Z].offset = c->plan.buffer[B_R].offset;
    case_refused_with(c, "P8", "operands 0 and 3 of kernel 'matmul' overlap");
}

/* A scatter may write over its data, not over its updates, although both have the dims of y. */
static void p8_in_place_is_allowed_input_by_input(void **state) {
    case_plan *c = *state;
    const dms_view f32 = c->plan.tensor[T_Y].stored;
    dms_view i32 = f32;
    i32.dtype = DMS_DTYPE_I32;
    const uint32_t tensor = case_add_tensor(c, (dms_plan_tensor){.name = "index",
                                                                 .kind = DMS_TENSOR_ACTIVATION,
                                                                 .stored = i32,
                                                                 .first_source = DMS_NONE});
    const uint32_t index =
        case_add_buffer(c, (dms_buffer){tensor, 0, DMS_TIER_DEVICE, c->plan.device_arena, 1024});
    c->plan.device_arena += 1024;
    case_set_call(c, C_ADD,
                  (dms_plan_call){.kernel = DMS_K_SCATTER_ELEMENTS,
                                  .n_in = 3,
                                  .n_out = 1,
                                  .n_i = 2,
                                  .view = (const dms_view[]){f32, i32, f32, f32},
                                  .i = (const int64_t[]){0, 0}});
    dms_operand operand[4] = {{B_Y, 0, 1}, {index, 0, 1}, {B_X_BACK, 0, 1}, {B_Z, 0, 1}};
    case_cmd(&c->plan.body, COMPUTE, 4)->operand = operand;
    case_refused_with(c, "P4", "'index'"); /* nobody makes the indices, but P8 is content */
    operand[0].buffer = B_X_BACK;
    operand[2].buffer = B_Y;
    case_refused_with(c, "P8", "operands 2 and 3");
}

static void p8_a_workspace_is_nobodys_operand(void **state) {
    case_plan *c = *state;
    c->plan.buffer[B_WORK].offset = c->plan.buffer[B_Y].offset;
    case_refused_with(c, "P8", "operand 3 overlaps the workspace");
}

static void p7_a_workspace_lies_on_the_device(void **state) {
    case_plan *c = *state;
    c->plan.buffer[B_WORK].arena = DMS_TIER_HOST;
    c->plan.buffer[B_WORK].offset = 0;
    case_refused_with(c, "P7", "workspace");
}

static void p9_a_kernel_is_known(void **state) {
    case_plan *c = *state;
    c->plan.call[C_RELU].kernel = 999;
    case_refused_with(c, "P9", "kernel 999 is not known");
}

/* The other half of P9: what the catalogue lists as indexing is marked as clamping in its row. */
static void p9_rows_of_indexing_kernels_clamp(void **state) {
    (void)state;
    for (uint32_t id = DMS_K_GATHER; id <= DMS_K_GATHER_PART; id++) {
        const dms_kernel_row *row = dms_kernel_row_find(id);
        assert_true(row == NULL || row->has_index_data);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(p8_parameters_are_checked_by_the_row),
        CASE(p8_the_number_of_operands_is_checked_by_the_row),
        CASE(p8_the_device_kind_is_known),
        CASE(p8_an_operand_has_the_dtype_of_its_tensor),
        CASE(p8_operands_lie_on_the_device),
        CASE(p8_a_view_ends_inside_its_buffer),
        CASE(p8_a_view_stays_in_the_cells_it_names),
        CASE(p8_an_output_fills_its_cells),
        CASE(p8_an_output_names_only_what_it_fills),
        CASE(p8_an_output_does_not_repeat),
        CASE(p8_in_place_needs_the_same_range),
        CASE(p8_in_place_needs_the_same_elements),
        CASE(p8_in_place_is_for_the_row_to_allow),
        CASE(p8_in_place_is_allowed_input_by_input),
        CASE(p8_a_workspace_is_nobodys_operand),
        CASE(p7_a_workspace_lies_on_the_device),
        CASE(p9_a_kernel_is_known),
        CASE(p9_rows_of_indexing_kernels_clamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
