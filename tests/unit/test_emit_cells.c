/* test_emit_cells.c - a weight in several cells, a step that reads all cells of an activation, and
 * workspaces: which buffer each step names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "support_emit.h"

#define CELLS 4u
#define CELL_BYTES (64u << 10)

/* h = x w, y = h v: w is 128 x 512, cut into 4 cells of 128 columns, so steps 0 to 3 make h and
 * step 4 reads it whole. */
typedef struct cells_case {
    emit_case e;
    uint32_t x, w, h, v, y;
} cells_case;

static void cells_begin(cells_case *c) {
    memset(c, 0, sizeof *c);
    graph_case *g = &c->e.g;
    graph_begin(g);
    c->x = graph_input(g, "x", 3, 128);
    c->w = graph_weight(g, "w", 128, 512, 1);
    c->h = graph_result(g, "h", 3, 512);
    c->v = graph_weight(g, "v", 512, 16, 2);
    c->y = graph_result(g, "y", 3, 16);
    graph_matmul(g, c->x, c->w, c->h);
    graph_matmul(g, c->h, c->v, c->y);
    graph_output(g, c->y);
}

/* Everything stays but the cells of `streamed`, which are loaded when the step two before theirs
 * has ended. */
static void cells_reside(cells_case *c, uint32_t streamed) {
    emit_case *e = &c->e;
    emit_decide(e);
    assert_int_equal(e->steps.n_steps, CELLS + 1);
    emit_keeps(e, c->x, CELLS - 1);
    emit_resides(e, c->x, (int32_t)CELLS - 1, 0, (int32_t)CELLS - 1);
    const uint32_t w = emit_block_of(e, c->w);
    for (uint32_t k = 0; k < CELLS; k++)
        if (streamed >> k & 1)
            emit_resides_block(e, w + k, 0, (int32_t)k - 1, (int32_t)k);
        else
            emit_stays_block(e, w + k);
    emit_keeps(e, c->h, CELLS);
    emit_resides(e, c->h, DMS_PLACE_PRODUCED, 0, (int32_t)CELLS);
    emit_stays(e, c->v);
    emit_resides(e, c->y, DMS_PLACE_PRODUCED, (int32_t)CELLS, (int32_t)CELLS);
    emit_load(e, c->x, CELLS - 1, -1, 0);
    for (uint32_t k = 0; k < CELLS; k++)
        if (streamed >> k & 1)
            emit_load_block(e, w + k, 0, (int32_t)k - 2, k);
    emit_save(e, c->y, CELLS, CELLS + 1);
}

static void each_step_names_the_cell_that_it_reads(void **state) {
    (void)state;
    cells_case c;
    cells_begin(&c);
    cells_reside(&c, 0);
    emit_must(&c.e);
    for (uint32_t k = 0; k < CELLS; k++) {
        const dms_operand *w = &emit_cmd(&c.e, COMPUTE, k)->operand[1];
        const dms_buffer *b = &c.e.plan.buffer[w->buffer];
        assert_int_equal(w->first, k);
        assert_int_equal(w->n, 1);
        assert_int_equal(b->cell, k);
        assert_int_equal(b->bytes, CELL_BYTES);
        assert_string_equal(c.e.plan.tensor[b->tensor].name, "w");
        for (uint32_t j = 0; j < k; j++)
            assert_int_not_equal(emit_cmd(&c.e, COMPUTE, j)->operand[1].buffer, w->buffer);
    }
    graph_end(&c.e.g);
}

static void steps_write_their_cells_of_one_buffer_and_the_reader_names_all(void **state) {
    (void)state;
    cells_case c;
    cells_begin(&c);
    cells_reside(&c, 0);
    emit_must(&c.e);
    const uint32_t whole = emit_cmd(&c.e, COMPUTE, 0)->operand[2].buffer;
    for (uint32_t k = 0; k < CELLS; k++) {
        const dms_operand *h = &emit_cmd(&c.e, COMPUTE, k)->operand[2];
        assert_int_equal(h->buffer, whole);
        assert_int_equal(h->first, k);
        assert_int_equal(h->n, 1);
    }
    const dms_operand *read = &emit_cmd(&c.e, COMPUTE, CELLS)->operand[0];
    assert_int_equal(read->buffer, whole);
    assert_int_equal(read->first, 0);
    assert_int_equal(read->n, CELLS);
    assert_int_equal(c.e.plan.buffer[whole].bytes, 3 * 512 * 4);
    graph_end(&c.e.g);
}

static void every_cell_is_loaded_from_its_own_source(void **state) {
    (void)state;
    cells_case c;
    cells_begin(&c);
    cells_reside(&c, 0);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    assert_int_equal(p->prologue.n_cmds[LOAD], CELLS + 1);
    for (uint32_t k = 0; k < CELLS; k++) {
        const dms_cmd *load = &p->prologue.cmd[LOAD][k];
        const dms_buffer *to = &p->buffer[load->to];
        assert_int_equal(load->from, p->tensor[to->tensor].first_source + to->cell);
        assert_int_equal(p->source[load->from].view.offset, (int64_t)to->cell * 128);
    }
    graph_end(&c.e.g);
}

static void one_cell_may_be_streamed_while_its_neighbours_stay(void **state) {
    (void)state;
    cells_case c;
    cells_begin(&c);
    cells_reside(&c, 1u << 2);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    const dms_cmd *copy = emit_cmd(&c.e, IN, 1);
    assert_int_equal(p->body.n_cmds[IN], 2);
    assert_int_equal(p->buffer[copy->from].arena, DMS_TIER_HOST);
    assert_int_equal(p->buffer[copy->from].cell, 2);
    assert_int_equal(p->buffer[copy->to].cell, 2);
    assert_int_equal(copy->to, emit_cmd(&c.e, COMPUTE, 2)->operand[1].buffer);
    assert_int_equal(p->host_arena, CELL_BYTES);
    emit_waits_are(copy, "c0");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 2), "i1");
    emit_waits_are(emit_cmd(&c.e, COMPUTE, 3), "");
    graph_end(&c.e.g);
}

static void cells_that_are_all_streamed_have_homes_side_by_side(void **state) {
    (void)state;
    cells_case c;
    cells_begin(&c);
    cells_reside(&c, 0xe);
    emit_must(&c.e);
    const dms_plan *p = &c.e.plan;
    uint32_t seen = 0;
    assert_int_equal(p->host_arena, 3 * CELL_BYTES);
    for (uint32_t l = 1; l < 4; l++) {
        const dms_buffer *home = &p->buffer[emit_cmd(&c.e, IN, l)->from];
        assert_int_equal(home->offset % CELL_BYTES, 0);
        assert_false(seen >> (home->offset / CELL_BYTES) & 1);
        seen |= 1u << (home->offset / CELL_BYTES);
    }
    assert_int_equal(seen, 7);
    graph_end(&c.e.g);
}

/* A cell whose residency is missing leaves its step without a place. */
static void a_cell_without_residency_is_refused_by_the_name_of_its_weight(void **state) {
    (void)state;
    cells_case c;
    cells_begin(&c);
    cells_reside(&c, 0);
    const uint32_t w = emit_block_of(&c.e, c.w);
    uint32_t at = 0;
    while (c.e.residency[at].tensor != w + 1)
        at++;
    c.e.d.n_residencies--;
    memmove(&c.e.residency[at], &c.e.residency[at + 1],
            (c.e.d.n_residencies - at) * sizeof *c.e.residency);
    assert_int_equal(emit_try(&c.e), DMS_EINTERNAL);
    assert_non_null(strstr(c.e.st.msg, "'w'"));
    assert_non_null(strstr(c.e.st.msg, "has no residency"));
    graph_end(&c.e.g);
}

/* ---- workspaces ------------------------------------------------------------------------------ */

/* The case with workspaces at these steps, behind everything else. */
static void with_workspaces(cells_case *c, uint64_t at_step_1, uint64_t at_step_4) {
    cells_begin(c);
    c->e.workspace[1] = at_step_1;
    c->e.workspace[4] = at_step_4;
    cells_reside(c, 0);
    c->e.scratch[1] = c->e.d.device_bytes;
    c->e.scratch[4] = c->e.d.device_bytes;
    const uint64_t most = at_step_1 > at_step_4 ? at_step_1 : at_step_4;
    c->e.d.device_bytes += (most + 255) / 256 * 256;
}

static void a_workspace_is_a_buffer_of_no_tensor_for_one_step(void **state) {
    (void)state;
    cells_case c;
    with_workspaces(&c, 1000, 3000);
    const uint64_t at = c.e.scratch[1];
    emit_must(&c.e);
    for (uint32_t k = 0; k < CELLS + 1; k++) {
        const uint32_t id = emit_cmd(&c.e, COMPUTE, k)->workspace;
        if (k != 1 && k != 4) {
            assert_int_equal(id, DMS_NONE);
            continue;
        }
        const dms_buffer *b = &c.e.plan.buffer[id];
        assert_int_equal(b->tensor, DMS_NONE);
        assert_int_equal(b->arena, DMS_TIER_DEVICE);
        assert_int_equal(b->offset, at);
        assert_int_equal(b->bytes, k == 1 ? 1000 : 3000);
    }
    assert_true(c.e.plan.device_arena >= at + 3000);
    graph_end(&c.e.g);
}

/* The problem holds the bytes of a step's workspace, so that placing makes room for it. */
static void a_workspace_is_scratch_of_its_step(void **state) {
    (void)state;
    cells_case c;
    with_workspaces(&c, 1000, 3000);
    assert_int_equal(c.e.blocks.problem.steps[1].scratch_bytes, 1000);
    assert_int_equal(c.e.blocks.problem.steps[4].scratch_bytes, 3000);
    assert_int_equal(c.e.blocks.problem.steps[0].scratch_bytes, 0);
    graph_end(&c.e.g);
}

static void a_workspace_over_an_operand_is_found_by_the_checker(void **state) {
    (void)state;
    cells_case c;
    dms_hash meaning;
    with_workspaces(&c, 1000, 0);
    uint32_t at = 0;
    while (c.e.residency[at].tensor != emit_block_of(&c.e, c.w) + 1)
        at++;
    emit_must(&c.e);
    c.e.scratch[1] = c.e.residency[at].offset; /* the cell that step 1 reads */
    assert_int_equal(emit_try(&c.e), DMS_OK);
    c.e.plan.producer = c.e.plan.solver = c.e.plan.model = c.e.plan.profile = "case";
    c.e.plan.device_budget = c.e.plan.device_arena;
    c.e.plan.n_files = 2;
    c.e.plan.file = (dms_plan_file[]){{.name = "case.onnx"},
                                      {.name = "case.consts", .bytes = 1 << 20, .kind = 2}};
    assert_int_equal(dms_check_plan(&c.e.plan, &c.e.g.arena, &meaning, &c.e.st), DMS_EPLAN);
    graph_end(&c.e.g);
}

/* The planner's own decisions leave room for workspaces at every budget. */
static void a_placed_plan_gives_every_workspace_its_room(void **state) {
    (void)state;
    for (uint64_t extra = 0; extra < 5; extra++) {
        cells_case c;
        dms_place_floor floor;
        with_workspaces(&c, 70000, 30000);
        dms_place_options how = {.device_budget = UINT64_MAX, .host_budget = UINT64_MAX};
        assert_int_equal(dms_floor(&c.e.blocks.problem, &how, &c.e.g.arena, &floor, &c.e.st),
                         DMS_OK);
        assert_true(floor.device_bytes >= 70000 + CELL_BYTES); /* step 1: workspace and its cell */
        how.device_budget = floor.device_bytes + extra * 30000;
        assert_int_equal(
            dms_place(&c.e.blocks.problem, &how, &c.e.g.arena, &c.e.d, &floor, &c.e.st), DMS_OK);
        emit_must(&c.e);
        assert_true(c.e.plan.device_arena <= how.device_budget);
        assert_int_equal(c.e.plan.buffer[emit_cmd(&c.e, COMPUTE, 1)->workspace].bytes, 70000);
        graph_end(&c.e.g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_names_the_cell_that_it_reads),
        cmocka_unit_test(steps_write_their_cells_of_one_buffer_and_the_reader_names_all),
        cmocka_unit_test(every_cell_is_loaded_from_its_own_source),
        cmocka_unit_test(one_cell_may_be_streamed_while_its_neighbours_stay),
        cmocka_unit_test(cells_that_are_all_streamed_have_homes_side_by_side),
        cmocka_unit_test(a_cell_without_residency_is_refused_by_the_name_of_its_weight),
        cmocka_unit_test(a_workspace_is_a_buffer_of_no_tensor_for_one_step),
        cmocka_unit_test(a_workspace_is_scratch_of_its_step),
        cmocka_unit_test(a_workspace_over_an_operand_is_found_by_the_checker),
        cmocka_unit_test(a_placed_plan_gives_every_workspace_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
