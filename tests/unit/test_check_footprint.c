/* test_check_footprint.c - P8 against a list of all elements, and P7: a workspace as large as its
 * row says and not a byte less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/check/check.h"
#include "runtime/kernels/catalogue.h"
#include "schema/checked.h"
#include "support_plan.h"
#include "support_run.h"

/* ---- P8: h is [4, 128] in two cells of 64 columns; fc1 writes one of them as [4, 64] --------- */

#define H_ELEMENTS (4 * 128)
#define H_CELL 64

static int64_t draw(uint64_t *random, int64_t n) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(*random >> 33) % n;
}

/* Whether the view's elements are all elements of cell `cell` of h, each once. Offsets of a view
 * count from the start of its cell. */
static bool fills_cell(const dms_view *v, uint32_t cell) {
    bool met[H_ELEMENTS] = {false};
    uint32_t n = 0;
    for (int64_t i = 0; i < v->dim[0]; i++)
        for (int64_t j = 0; j < v->dim[1]; j++) {
            const int64_t at =
                (int64_t)cell * H_CELL + v->offset + i * v->pitch[0] + j * v->pitch[1];
            if (at < 0 || at >= H_ELEMENTS || met[at] || at % 128 / H_CELL != cell)
                return false;
            met[at] = true;
            n++;
        }
    return n == 4 * H_CELL;
}

/* A pitch that is often one that matters. */
static int64_t draw_pitch(uint64_t *random) {
    static const int64_t PITCH[] = {0, 1, 1, 2, 4, 32, 63, 64, 65, 127, 128, 128, 128, 129, 256};
    return PITCH[draw(random, sizeof PITCH / sizeof *PITCH)];
}

/* The checker refuses some interleaved views that would be right; never takes a wrong one. */
static void p8_an_output_view_is_taken_where_it_fills_its_cell(void **state) {
    (void)state;
    static const int64_t ROWS[] = {4, 4, 4, 2, 8, 64}, COLUMNS[] = {64, 64, 64, 128, 32, 4};
    uint32_t n_taken = 0, n_refused = 0, n_strict = 0;
    uint64_t random = 3;
    case_plan c;
    case_make(&c);
    c.plan.meaning = (dms_hash){0}; /* any view is as good as the others */
    for (uint32_t round = 0; round < 4000; round++) {
        dms_view *y = case_view(&c, C_FC1, 2);
        const int64_t shape =
            draw(&random, 4); /* the product fixes 4 x 64; others are refused too */
        y->dim[0] = ROWS[shape];
        y->dim[1] = COLUMNS[shape];
        y->offset = draw(&random, 3) == 0 ? draw(&random, 200) : 0;
        y->pitch[0] = draw_pitch(&random);
        y->pitch[1] = draw_pitch(&random);
        const bool is_right = y->dim[0] == 4 && fills_cell(y, 0) && fills_cell(y, 1);
        const bool is_taken = case_check(&c) == DMS_OK;
        if (is_taken && !is_right)
            fail_msg("offset %ld, pitches %ld, %ld pass", (long)y->offset, (long)y->pitch[0],
                     (long)y->pitch[1]);
        n_taken += is_taken;
        n_refused += !is_taken;
        n_strict += is_right && !is_taken;
    }
    assert_true(n_taken > 10 && n_refused > 1000);
    assert_int_equal(n_strict, 0);
    case_free(&c);
}

/* x [4, 64] lies in one cell; the product reads 4 x 64 of it, repeated or not. */
static void p8_an_input_view_is_taken_where_it_stays_inside(void **state) {
    (void)state;
    uint32_t n_taken = 0, n_refused = 0;
    uint64_t random = 7;
    case_plan c;
    case_make(&c);
    c.plan.meaning = (dms_hash){0};
    for (uint32_t round = 0; round < 2000; round++) {
        dms_view *x = case_view(&c, C_FC1, 0);
        x->offset = draw(&random, 3) == 0 ? draw(&random, 140) : 0;
        x->pitch[0] = draw(&random, 2) ? draw_pitch(&random) : draw(&random, 70);
        x->pitch[1] = draw(&random, 5);
        const int64_t last = x->offset + 3 * x->pitch[0] + 63 * x->pitch[1];
        const bool is_taken = case_check(&c) == DMS_OK;
        assert_int_equal(is_taken, last < 4 * 64);
        n_taken += is_taken;
        n_refused += !is_taken;
    }
    assert_true(n_taken > 200 && n_refused > 200);
    case_free(&c);
}

/* relu reads both cells of h, which one buffer holds: any [4, 128] inside it will do. */
static void p8_a_view_of_all_cells_may_cross_from_one_to_the_other(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    c.plan.meaning = (dms_hash){0};
    dms_view *h = case_view(&c, C_RELU, 0), *r = case_view(&c, C_RELU, 1);
    h->pitch[0] = r->pitch[0] = 1; /* both column by column: r still lies exactly over h */
    h->pitch[1] = r->pitch[1] = 4;
    case_accepted(&c);
    h->offset = r->offset = 1;
    case_refused_with(&c, "P8", "operand 0 leaves its cells of tensor 'h'");
    h->offset = r->offset = 0;
    case_operand(&c.plan.body, 2, 0)->n = 1; /* one cell holds half of it */
    case_refused_with(&c, "P8", "operand 0 leaves its cells of tensor 'h'");
    case_free(&c);
}

/* r lies exactly over h and is computed element by element: only where both views walk their memory
 * in the same order does each element find the one that it replaces. */
static void p8_an_output_over_its_input_walks_the_same_way(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    c.plan.meaning = (dms_hash){0};
    dms_view *h = case_view(&c, C_RELU, 0), *r = case_view(&c, C_RELU, 1);
    r->pitch[0] = 1; /* rows against columns */
    r->pitch[1] = 4;
    case_refused_with(&c, "P8", "operands 0 and 1 of kernel 'unary' overlap");
    h->dim[0] = r->dim[0] = 512; /* both [512, 1]: the pitch of an axis of one says nothing */
    h->dim[1] = r->dim[1] = 1;
    h->pitch[0] = r->pitch[0] = 1;
    h->pitch[1] = 128;
    r->pitch[1] = 7;
    case_accepted(&c);
    case_free(&c);
}

/* x of relu may repeat what it reads, and stand still on axes of one. */
static void p8_axes_that_do_not_move_stay_inside(void **state) {
    (void)state;
    case_plan c;
    case_make(&c);
    c.plan.meaning = (dms_hash){0};
    dms_view *x = case_view(&c, C_FC1, 0);
    assert_int_equal(x->pitch[0], x->dim[1]);
    x->pitch[0] = 0; /* every row is the first */
    case_accepted(&c);
    x->offset = 3 * x->dim[1]; /* every row is the last */
    case_accepted(&c);
    x->offset++;
    case_refused_with(&c, "P8", "operand 0 leaves its cells of tensor 'x'");
    case_free(&c);
}

/* ---- P7: a recurrent layer, whose row asks for a workspace ----------------------------------- */

typedef struct work_case {
    run_case run;
    uint32_t work; /* buffer */
    dms_cmd *step;
    dms_status st;
} work_case;

static const float WEIGHT[20 * 5];
static const int64_t PARAMS[12] = {DMS_CELL_LSTM,
                                   0,
                                   0,
                                   0,
                                   1,
                                   0,
                                   DMS_CELL_FN_SIGMOID,
                                   DMS_CELL_FN_TANH,
                                   DMS_CELL_FN_TANH,
                                   DMS_CELL_FN_SIGMOID,
                                   DMS_CELL_FN_TANH,
                                   DMS_CELL_FN_TANH};
static const double REALS[13];

/* y[1, 3, 2, 5] = LSTM of p[1, 3, 2, 20] with r[1, 20, 5]. */
static void work_make(work_case *c) {
    static const int64_t P[4] = {1, 3, 2, 20}, R[3] = {1, 20, 5}, Y[4] = {1, 3, 2, 5};
    run_case *r = &c->run;
    memset(c, 0, sizeof *c);
    run_init(r);
    const uint32_t p = run_tensor(r, "p", DMS_TENSOR_INPUT, 1);
    const uint32_t w = run_constant(r, "r", DMS_DTYPE_F32, 3, R, WEIGHT);
    const uint32_t y = run_tensor(r, "y", DMS_TENSOR_OUTPUT, 1);
    run_reshape(r, p, DMS_DTYPE_F32, 4, P);
    run_reshape(r, y, DMS_DTYPE_F32, 4, Y);
    const uint32_t bp = run_buffer(r, p, DMS_TIER_DEVICE), bw = run_buffer(r, w, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(r, y, DMS_TIER_DEVICE);
    run_cmd(r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, r->tensor[w].first_source, bw);
    dms_cmd *in = run_cmd(r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bp);
    c->step = run_step(r, bp, bw, by);
    dms_cmd *out = run_cmd(r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    dms_plan_call *call = &r->call[c->step->call];
    call->kernel = DMS_K_RECURRENT;
    call->n_i = 12;
    call->n_f = 13;
    call->i = PARAMS;
    call->f = REALS;
    c->work = r->plan.n_buffers++;
    r->buffer[c->work] = (dms_buffer){.tensor = DMS_NONE,
                                      .arena = DMS_TIER_DEVICE,
                                      .offset = r->plan.device_arena,
                                      .bytes = 1 << 16};
    r->plan.device_arena += 1 << 16;
    r->plan.device_budget = r->plan.device_arena;
    c->step->workspace = c->work;
    run_wait(r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(r, c->step, DMS_QUEUE_IN, 0, 0);
    run_wait(r, c->step, DMS_QUEUE_OUT, 0, 1);
    run_wait(r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(r);
}

/* What the row wants. */
static uint64_t wanted_of(const work_case *c) {
    const dms_plan_call *p = &c->run.call[c->step->call];
    const dms_call call = {.kernel = p->kernel,
                           .n_in = p->n_in,
                           .n_out = p->n_out,
                           .n_i = p->n_i,
                           .n_f = p->n_f,
                           .view = p->view,
                           .i = p->i,
                           .f = p->f};
    return dms_call_workspace(&call, DMS_DEVICE_CPU);
}

static dms_code check(work_case *c) {
    dms_arena scratch = {0};
    dms_hash meaning;
    const dms_code code = dms_check_plan(&c->run.plan, &scratch, &meaning, &c->st);
    dms_arena_free(&scratch);
    return code;
}

static void refused(work_case *c, const char *property, const char *words) {
    assert_int_equal(check(c), DMS_EPLAN);
    if (strncmp(c->st.msg, property, strlen(property)) != 0 || strstr(c->st.msg, words) == NULL)
        fail_msg("wanted %s with '%s', got: %s", property, words, c->st.msg);
}

static void p7_a_workspace_is_as_large_as_its_row_says(void **state) {
    (void)state;
    work_case c;
    work_make(&c);
    const uint64_t wanted = wanted_of(&c);
    assert_in_range(wanted, 1, (1 << 16) - 1);
    if (check(&c) != DMS_OK)
        fail_msg("%s", c.st.msg);
    c.run.buffer[c.work].bytes = wanted;
    assert_int_equal(check(&c), DMS_OK);
    c.run.buffer[c.work].bytes = wanted - 1;
    refused(&c, "P7", "needs a workspace of");
    c.run.buffer[c.work].bytes = 1;
    refused(&c, "P7", "on the device, has 1");
}

static void p7_a_kernel_that_needs_a_workspace_has_one(void **state) {
    (void)state;
    work_case c;
    work_make(&c);
    c.step->workspace = DMS_NONE;
    refused(&c, "P7", "has none");
    assert_non_null(strstr(c.st.msg, "compute"));
}

static void p7_a_workspace_grows_with_the_sequences(void **state) {
    (void)state;
    work_case c;
    work_make(&c);
    const uint64_t two = wanted_of(&c);
    for (int k = 0; k < 3; k += 2) /* p and y: four sequences side by side */
        c.run.view[c.step->call][k].dim[2] = 4;
    assert_int_equal(wanted_of(&c), 2 * two);
}

static void p8_a_workspace_touches_no_operand(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 3; k++) {
        work_case c;
        work_make(&c);
        const dms_buffer *operand = &c.run.buffer[c.step->operand[k].buffer];
        c.run.buffer[c.work].bytes = wanted_of(&c);
        c.run.buffer[c.work].offset = operand->offset + (k == 0 ? DMS_ALIGN : 0);
        assert_int_equal(check(&c), DMS_EPLAN); /* P8, or P3 where another command sees it first */
    }
}

static void p1_a_workspace_ends_inside_the_arena(void **state) {
    (void)state;
    work_case c;
    work_make(&c);
    c.run.buffer[c.work].bytes = (1 << 16) + 1;
    refused(&c, "P1", "");
    c.run.buffer[c.work].bytes = UINT64_MAX - 100;
    refused(&c, "P1", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p8_an_output_view_is_taken_where_it_fills_its_cell),
        cmocka_unit_test(p8_an_input_view_is_taken_where_it_stays_inside),
        cmocka_unit_test(p8_a_view_of_all_cells_may_cross_from_one_to_the_other),
        cmocka_unit_test(p8_an_output_over_its_input_walks_the_same_way),
        cmocka_unit_test(p8_axes_that_do_not_move_stay_inside),
        cmocka_unit_test(p7_a_workspace_is_as_large_as_its_row_says),
        cmocka_unit_test(p7_a_kernel_that_needs_a_workspace_has_one),
        cmocka_unit_test(p7_a_workspace_grows_with_the_sequences),
        cmocka_unit_test(p8_a_workspace_touches_no_operand),
        cmocka_unit_test(p1_a_workspace_ends_inside_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
