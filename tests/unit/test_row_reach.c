/* test_row_reach.c - an operand covers exactly the elements of its view: nothing beside them is
 * read, nothing beside them is written, every element of an output is defined. For every kernel, in
 * every layout; and for calls drawn at random that the rows let pass. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_rows.h"

#define MOST_ELEMENTS 4096

/* Fails the test with the text of a call. */
#define FAIL_CALL(text, layout, why)                                                               \
    fail_msg("%s %s, layout %u: %s", (text)->kernel, (text)->operands, (unsigned)(layout), why)

/* Reads a good call in a layout; false where the kernel wants another one. */
static bool lay_good(row_case *c, uint32_t k, row_layout layout) {
    dms_status st;
    row_read(c, &row_good[k]);
    if (dms_call_check(&c->call, &st) != DMS_OK)
        FAIL_CALL(&row_good[k], ROW_DENSE, st.msg);
    row_lay(c, layout);
    return dms_call_check(&c->call, &st) == DMS_OK;
}

static void every_layout_is_taken_by_every_kernel(void **state) {
    (void)state;
    for (uint32_t k = 0; k < n_row_good; k++)
        for (row_layout layout = ROW_DENSE; layout < ROW_N_LAYOUTS; layout++) {
            row_case c;
            if (!lay_good(&c, k, layout))
                FAIL_CALL(&row_good[k], layout, "refused");
            assert_true(dms_call_runs_on_cpu(&c.call));
        }
}

/* Two runs that agree in all that a kernel may see give the same bytes. */
static void runs_agree(uint32_t k, row_layout layout, const row_memory *a, const row_memory *b,
                       const char *why) {
    dms_arena arena = {0};
    row_case c;
    uint64_t n_a, n_b;
    assert_true(lay_good(&c, k, layout));
    const uint8_t *first = row_run(&c, a, 7 * k + 1, &arena, &n_a);
    const uint8_t *second = row_run(&c, b, 7 * k + 1, &arena, &n_b);
    assert_int_equal(n_a, n_b);
    if (memcmp(first, second, n_a) != 0)
        FAIL_CALL(&row_good[k], layout, why);
    dms_arena_free(&arena);
}

static void for_all_good(const row_memory *a, const row_memory *b, const char *why) {
    for (uint32_t k = 0; k < n_row_good; k++)
        for (row_layout layout = ROW_DENSE; layout < ROW_N_LAYOUTS; layout++)
            runs_agree(k, layout, a, b, why);
}

/* 0xff is NaN as a float and -1 as an integer: whatever takes part shows. */
static void what_lies_beside_an_operand_changes_nothing(void **state) {
    (void)state;
    for (dms_isa isa = DMS_ISA_BASE; isa <= dms_isa_detect(); isa++) {
        const row_memory zeros = {.beside = 0x00, .isa = isa};
        const row_memory ones = {.beside = 0xff, .isa = isa};
        for_all_good(&zeros, &ones, "something beside an operand was read");
    }
}

static void what_an_output_held_before_changes_nothing(void **state) {
    (void)state;
    for (dms_isa isa = DMS_ISA_BASE; isa <= dms_isa_detect(); isa++) {
        const row_memory zeros = {.before = 0x00, .isa = isa};
        const row_memory ones = {.before = 0xff, .isa = isa};
        for_all_good(&zeros, &ones, "an element of an output was left or read");
    }
}

/* Operands end at the wall in one run and begin behind it in the other. */
static void a_wall_on_either_side_is_never_touched(void **state) {
    (void)state;
    for (dms_isa isa = DMS_ISA_BASE; isa <= dms_isa_detect(); isa++) {
        const row_memory behind = {.wall_before = false, .beside = 0x5a, .isa = isa};
        const row_memory before = {.wall_before = true, .beside = 0x5a, .isa = isa};
        for_all_good(&behind, &before, "the place in memory changed the result");
    }
}

/* ---- what a view says of itself, against a walk over its indices ----------------------------- */

/* Marks every element that an odometer over the indices meets; returns how many differ, and one
 * past the last. */
static int64_t walk(const dms_view *v, uint8_t *met, int64_t *out_end) {
    int64_t index[DMS_MAX_RANK] = {0}, distinct = 0;
    *out_end = 0;
    for (uint32_t k = 0; k < v->rank; k++)
        if (v->dim[k] == 0)
            return 0;
    for (;;) {
        int64_t at = v->offset;
        for (uint32_t k = 0; k < v->rank; k++)
            at += index[k] * v->pitch[k];
        assert_in_range(at, 0, MOST_ELEMENTS - 1);
        distinct += !met[at];
        met[at] = 1;
        *out_end = at + 1 > *out_end ? at + 1 : *out_end;
        uint32_t axis = v->rank;
        while (axis > 0 && ++index[axis - 1] == v->dim[axis - 1])
            index[--axis] = 0;
        if (axis == 0)
            return distinct;
    }
}

static void ends_and_costs_are_those_of_a_walk_over_all_elements(void **state) {
    (void)state;
    for (uint32_t k = 0; k < n_row_good; k++)
        for (row_layout layout = ROW_DENSE; layout < ROW_N_LAYOUTS; layout++) {
            row_case c;
            uint64_t bytes = 0;
            assert_true(lay_good(&c, k, layout));
            for (uint32_t o = 0; o < c.call.n_in + c.call.n_out; o++) {
                uint8_t met[MOST_ELEMENTS] = {0};
                int64_t end;
                const int64_t distinct = walk(&c.view[o], met, &end);
                assert_int_equal(dms_view_end(&c.view[o]), end);
                bytes += (uint64_t)distinct * dms_dtype_bytes(c.view[o].dtype);
            }
            if (dms_kernel_row_find(c.call.kernel)->bytes == NULL) /* else test_row_work.c */
                assert_int_equal(dms_call_cost(&c.call).bytes, bytes);
        }
}

static void an_output_whose_elements_meet_is_refused(void **state) {
    (void)state;
    for (uint32_t k = 0; k < n_row_good; k++) {
        row_case c;
        dms_status st;
        assert_true(lay_good(&c, k, ROW_GAPS));
        for (uint32_t o = c.call.n_in; o < c.call.n_in + c.call.n_out; o++)
            for (uint32_t axis = 0; axis < c.view[o].rank; axis++) {
                const int64_t pitch = c.view[o].pitch[axis];
                if (c.view[o].dim[axis] < 2)
                    continue;
                c.view[o].pitch[axis] = 0;
                assert_int_equal(dms_call_check(&c.call, &st), DMS_EPLAN);
                assert_non_null(strstr(st.msg, "repeats elements"));
                c.view[o].pitch[axis] = pitch;
            }
    }
}

/* ---- calls drawn at random: refused, or harmless --------------------------------------------- */

typedef struct mutant {
    uint64_t random;
} mutant;

static uint32_t draw(mutant *m, uint32_t n) {
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->random >> 33) % n;
}

/* One dim, rank, dtype, parameter or count becomes another one. */
static void mutate(mutant *m, row_case *c) {
    static const int64_t I[] = {-2, -1, 0, 1, 2, 3, 5, 16, INT32_MAX, INT64_MIN, INT64_MAX};
    static const double F[] = {0, -1, 0.5, 1e-30, 1e30, -1e300, (double)INFINITY, (double)NAN};
    const uint32_t n = c->call.n_in + c->call.n_out;
    dms_view *v = &c->view[draw(m, n)];
    const uint32_t axis = draw(m, v->rank + 1);
    switch (draw(m, 7)) {
    case 0:
    case 1:
        if (axis < v->rank)
            v->dim[axis] = (int64_t)draw(m, 9);
        break;
    case 2:
        v->rank = draw(m, DMS_MAX_RANK);
        break;
    case 3:
        v->dtype = (dms_dtype)draw(m, 16);
        break;
    case 4:
        if (c->call.n_i > 0)
            c->i[draw(m, c->call.n_i)] = I[draw(m, sizeof I / sizeof *I)];
        break;
    case 5:
        if (c->call.n_f > 0)
            c->f[draw(m, c->call.n_f)] = F[draw(m, sizeof F / sizeof *F)];
        break;
    default:
        *(draw(m, 2) ? &c->call.n_i : &c->call.n_f) = draw(m, 8);
    }
}

/* Whether it is small enough to be laid out and run here. */
static bool is_small(const row_case *c) {
    for (uint32_t k = 0; k < c->call.n_in + c->call.n_out; k++) {
        const dms_view *v = &c->view[k];
        int64_t count = 1;
        for (uint32_t axis = 0; axis < v->rank; axis++)
            count *= v->dim[axis] + 1;
        if (count > 100000 || dms_dtype_bytes(v->dtype) == 0)
            return false;
    }
    return true;
}

static void what_the_rows_let_pass_stays_inside_its_views(void **state) {
    (void)state;
    mutant m = {.random = 99};
    uint32_t n_run = 0, n_refused = 0;
    for (uint32_t round = 0; round < 1000 * n_row_good; round++) {
        dms_arena arena = {0};
        dms_status st;
        row_case c;
        uint64_t bytes;
        row_read(&c, &row_good[round % n_row_good]);
        for (uint32_t k = 1 + draw(&m, 3); k > 0; k--)
            mutate(&m, &c);
        if (is_small(&c))
            row_lay(&c, (row_layout)draw(&m, ROW_N_LAYOUTS));
        if (!is_small(&c) || dms_call_check(&c.call, &st) != DMS_OK ||
            !dms_call_runs_on_cpu(&c.call)) {
            n_refused++;
            continue;
        }
        const row_memory memory = {
            .wall_before = round & 1, .beside = 0xff, .isa = dms_isa_detect()};
        (void)row_run(&c, &memory, round, &arena, &bytes);
        dms_arena_free(&arena);
        n_run++;
    }
    assert_true(n_run > 3 * n_row_good && n_refused > 3 * n_row_good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_is_taken_by_every_kernel),
        cmocka_unit_test(what_lies_beside_an_operand_changes_nothing),
        cmocka_unit_test(what_an_output_held_before_changes_nothing),
        cmocka_unit_test(a_wall_on_either_side_is_never_touched),
        cmocka_unit_test(ends_and_costs_are_those_of_a_walk_over_all_elements),
        cmocka_unit_test(an_output_whose_elements_meet_is_refused),
        cmocka_unit_test(what_the_rows_let_pass_stays_inside_its_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
