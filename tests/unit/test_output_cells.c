/* test_output_cells.c - a large result that only the caller reads leaves cell by cell.
 *
 * y = x w: x is [1024, 64], w [64, 1624] in cells of 64 columns, the last one of 24. A cell of y
 * takes 256 KiB, all of y 6.3 MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/dmsc.h"
#include "support_graph.h"
#include "support_session.h"

#define AMPLE (1ull << 40)
#define CELLS 26u
#define COLUMNS 1624
#define CELL_BYTES (256ull << 10)
#define ALL_BYTES (1024ull * COLUMNS * 4)

typedef struct output_case {
    graph_case g;
    uint32_t x, w, y;
    dms_compiled c;
} output_case;

static void begin(output_case *o, int64_t rows) {
    graph_begin(&o->g);
    o->x = graph_input(&o->g, "x", rows, 64);
    o->w = graph_weight(&o->g, "w", 64, COLUMNS, 3);
    o->y = graph_result(&o->g, "y", rows, COLUMNS);
    graph_matmul(&o->g, o->x, o->w, o->y);
    graph_output(&o->g, o->y);
}

static void plan(output_case *o, uint64_t budget) {
    dms_status st = {.msg = ""};
    if (graph_plan(&o->g, budget, AMPLE, &o->c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

/* The step tensor of a graph tensor. */
static const dms_plan_tensor *stored(const output_case *o, uint32_t origin) {
    for (uint32_t i = 0; i < o->c.steps.n_tensors; i++)
        if (o->c.steps.tensor[i].origin == origin)
            return &o->c.steps.tensor[i].plan;
    fail_msg("tensor %u has no step", (unsigned)origin);
    return NULL;
}

static void every_step_makes_a_block_of_its_own(void **state) {
    (void)state;
    output_case o;
    begin(&o, 1024);
    plan(&o, AMPLE);
    const dms_plan_tensor *y = stored(&o, o.y);
    assert_true(y->is_split);
    assert_int_equal(dms_plan_cells(y), CELLS);
    assert_int_equal(o.c.steps.n_steps, CELLS);
    for (uint32_t k = 0; k < CELLS; k++) {
        const int64_t columns = k == CELLS - 1 ? 24 : 64;
        const dms_step *step = &o.c.steps.step[k];
        const dms_view *view = &o.c.steps.call[step->call].view[2];
        assert_int_equal(step->operand[2].first, k);
        assert_int_equal(view->dim[1], columns);
        assert_int_equal(view->pitch[0], columns); /* dense by itself */
        assert_int_equal(dms_plan_buffer_bytes(y, k), (uint64_t)(1024 * columns * 4));
    }
    graph_end(&o.g);
}

static void each_cell_is_copied_to_the_caller_by_itself(void **state) {
    (void)state;
    output_case o;
    begin(&o, 1024);
    plan(&o, AMPLE);
    const dms_program *body = &o.c.plan.body;
    assert_int_equal(body->n_cmds[DMS_QUEUE_OUT], CELLS);
    bool seen[CELLS] = {false};
    for (uint32_t k = 0; k < CELLS; k++) {
        const dms_cmd *cmd = &body->cmd[DMS_QUEUE_OUT][k];
        assert_int_equal(cmd->kind, DMS_CMD_TO_USER);
        assert_int_equal(cmd->to, 0);
        const dms_buffer *from = &o.c.plan.buffer[cmd->from];
        assert_true(from->cell < CELLS && !seen[from->cell]);
        seen[from->cell] = true;
        assert_int_equal(cmd->wait_cmd[DMS_QUEUE_COMPUTE], from->cell); /* the step that makes it */
    }
    graph_end(&o.g);
}

static void the_device_need_not_hold_the_whole_result(void **state) {
    (void)state;
    output_case o;
    begin(&o, 1024);
    plan(&o, AMPLE);
    const uint64_t floor = o.c.floor.device_bytes;
    assert_true(floor < ALL_BYTES / 2);
    assert_true(floor >= CELL_BYTES + 1024 * 64 * 4); /* a cell and x */
    plan(&o, floor);
    assert_true(o.c.plan.device_arena <= floor);
    graph_end(&o.g);
}

static void the_bits_are_those_of_the_uncut_product_at_every_budget(void **state) {
    (void)state;
    output_case o;
    begin(&o, 1024);
    graph_compute(&o.g, 11);
    plan(&o, AMPLE);
    const uint64_t floor = o.c.floor.device_bytes, all = o.c.plan.device_arena;
    for (uint64_t part = 0; part <= 4; part++) {
        plan(&o, floor + (all - floor) * part / 4);
        float *input[1] = {o.g.value[o.x]}, *want[1] = {o.g.value[o.y]};
        const session_case how = {.threads = 1 + (uint32_t)part % 2, .turns = 3, .poison = true};
        session_must_give(&o.c.plan, o.c.steps.consts, o.c.steps.n_consts, input, want, &how);
    }
    graph_end(&o.g);
}

static void small_cells_leave_together(void **state) {
    (void)state;
    output_case o;
    begin(&o, 15); /* cells of 256 columns, a row less than 16 KiB have */
    plan(&o, AMPLE);
    assert_false(stored(&o, o.y)->is_split);
    assert_int_equal(dms_plan_cells(stored(&o, o.y)), 7);
    assert_int_equal(o.c.plan.body.n_cmds[DMS_QUEUE_OUT], 1);
    graph_end(&o.g);
    begin(&o, 16);
    plan(&o, AMPLE);
    assert_int_equal(o.c.plan.body.n_cmds[DMS_QUEUE_OUT], 7);
    graph_end(&o.g);
    begin(&o, 10); /* all of it is less than a cell of weights */
    plan(&o, AMPLE);
    assert_int_equal(o.c.plan.body.n_cmds[DMS_QUEUE_OUT], 1);
    graph_end(&o.g);
}

static void a_result_that_a_step_reads_stays_whole(void **state) {
    (void)state;
    output_case o;
    begin(&o, 1024);
    const uint32_t z = graph_result(&o.g, "z", 1024, COLUMNS);
    graph_unary(&o.g, DMS_FN_TANH, o.y, z);
    graph_output(&o.g, z);
    graph_compute(&o.g, 5);
    plan(&o, AMPLE);
    assert_false(stored(&o, o.y)->is_split);
    float *input[1] = {o.g.value[o.x]}, *want[2] = {o.g.value[o.y], o.g.value[z]};
    const session_case how = {.threads = 2, .turns = 2, .poison = true};
    session_must_give(&o.c.plan, o.c.steps.consts, o.c.steps.n_consts, input, want, &how);
    graph_end(&o.g);
}

static void a_result_that_does_not_leave_stays_whole(void **state) {
    (void)state;
    output_case o;
    graph_begin(&o.g);
    o.x = graph_input(&o.g, "x", 1024, 64);
    o.w = graph_weight(&o.g, "w", 64, COLUMNS, 3);
    o.y = graph_result(&o.g, "y", 1024, COLUMNS);
    const uint32_t z = graph_result(&o.g, "z", 1024, COLUMNS);
    graph_matmul(&o.g, o.x, o.w, o.y);
    graph_unary(&o.g, DMS_FN_TANH, o.y, z);
    graph_output(&o.g, z);
    plan(&o, AMPLE);
    assert_false(stored(&o, o.y)->is_split);
    graph_end(&o.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_makes_a_block_of_its_own),
        cmocka_unit_test(each_cell_is_copied_to_the_caller_by_itself),
        cmocka_unit_test(the_device_need_not_hold_the_whole_result),
        cmocka_unit_test(the_bits_are_those_of_the_uncut_product_at_every_budget),
        cmocka_unit_test(small_cells_leave_together),
        cmocka_unit_test(a_result_that_a_step_reads_stays_whole),
        cmocka_unit_test(a_result_that_does_not_leave_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
