/* test_lp.c - small programs against corners and lattice points tried one by one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/lp.h"
#include "support_problem.h"

#define N_ROWS 4
#define N_COLS 4
#define SIDE 5 /* boxes are 0..SIDE */

/* Minimise cost x with rows x <= high, 0 <= x <= SIDE; all numbers whole. */
typedef struct program {
    problem_case c;
    uint32_t n_cols;
    double row[N_ROWS][N_COLS], high[N_ROWS], cost[N_COLS];
    dms_lp lp;
} program;

static void program_begin(program *p, uint64_t seed, uint32_t n_cols, bool is_integer) {
    dms_status st;
    problem_begin(&p->c, 1, 1);
    p->c.random = seed * 97 + 3;
    p->n_cols = n_cols;
    assert_int_equal(dms_lp_open(&p->c.arena, n_cols, &p->lp, &st), DMS_OK);
    for (uint32_t k = 0; k < n_cols; k++) {
        p->cost[k] = (double)problem_draw(&p->c, 19) - 12;
        dms_lp_column(&p->lp, k, 0, SIDE, p->cost[k]);
        p->lp.is_integer[k] = is_integer;
    }
    for (uint32_t r = 0; r < N_ROWS; r++) {
        for (uint32_t k = 0; k < n_cols; k++) {
            p->row[r][k] = (double)problem_draw(&p->c, 12) - 3;
            dms_lp_put(&p->lp, k, p->row[r][k]);
        }
        p->high[r] = 1 + problem_draw(&p->c, 25);
        assert_int_equal(dms_lp_row(&p->lp, -DMS_LP_FREE, p->high[r], &st), DMS_OK);
    }
}

static void program_end(program *p) {
    dms_lp_close(&p->lp);
    problem_end(&p->c);
}

static bool holds(const program *p, const double *x, double slack) {
    for (uint32_t r = 0; r < N_ROWS; r++) {
        double sum = 0;
        for (uint32_t k = 0; k < p->n_cols; k++)
            sum += p->row[r][k] * x[k];
        if (sum > p->high[r] + slack)
            return false;
    }
    for (uint32_t k = 0; k < p->n_cols; k++)
        if (x[k] < -slack || x[k] > SIDE + slack)
            return false;
    return true;
}

static double value_of(const program *p, const double *x) {
    double sum = 0;
    for (uint32_t k = 0; k < p->n_cols; k++)
        sum += p->cost[k] * x[k];
    return sum;
}

/* The best corner of a program of two columns: all pairs of lines, boxes included. */
static double best_corner(const program *p) {
    double a[N_ROWS + 4], b[N_ROWS + 4], c[N_ROWS + 4], best = INFINITY;
    for (uint32_t r = 0; r < N_ROWS; r++) {
        a[r] = p->row[r][0];
        b[r] = p->row[r][1];
        c[r] = p->high[r];
    }
    for (uint32_t i = 0; i < 4; i++) {
        a[N_ROWS + i] = i < 2;
        b[N_ROWS + i] = i >= 2;
        c[N_ROWS + i] = i % 2 ? SIDE : 0;
    }
    for (uint32_t i = 0; i < N_ROWS + 4; i++)
        for (uint32_t j = 0; j < i; j++) {
            const double det = a[i] * b[j] - a[j] * b[i];
            if (fabs(det) < 0.5) /* whole numbers: parallel */
                continue;
            const double x[] = {(c[i] * b[j] - c[j] * b[i]) / det,
                                (a[i] * c[j] - a[j] * c[i]) / det};
            if (holds(p, x, 1e-9) && value_of(p, x) < best)
                best = value_of(p, x);
        }
    return best;
}

static void two_columns_end_at_the_best_corner(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        program p;
        dms_lp_result r;
        dms_status st;
        const dms_lp_recipe recipe = seed & 1 ? DMS_LP_RECIPE : DMS_LP_RECIPE_BACKUP;
        program_begin(&p, seed, 2, false);
        assert_int_equal(dms_lp_solve(&p.lp, recipe, 1000, &r, &st), DMS_OK);
        const double best = best_corner(&p);
        assert_true(r.is_solved && r.has_point);
        assert_true(holds(&p, r.x, 1e-6));
        assert_true(fabs(value_of(&p, r.x) - best) < 1e-6);
        assert_true(fabs(r.objective - best) < 1e-6);
        assert_true(r.certificate <= best + 1e-9); /* a true bound */
        assert_true(r.certificate >= best - 1e-5); /* and a tight one */
        program_end(&p);
    }
}

static void a_certificate_is_a_bound_however_soon_the_solver_stops(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        for (uint64_t iterations = 0; iterations < 4; iterations++) {
            program p;
            dms_lp_result r;
            dms_status st;
            program_begin(&p, seed, 2, false);
            assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, iterations, &r, &st), DMS_OK);
            const double best = best_corner(&p);
            assert_true(r.certificate <= best + 1e-9);
            if (r.has_point)
                assert_true(holds(&p, r.x, 1e-6) && value_of(&p, r.x) >= best - 1e-6);
            program_end(&p);
        }
}

static void a_tighter_side_is_seen_by_the_next_solve(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        program p;
        dms_lp_result r;
        dms_status st;
        program_begin(&p, seed, 2, false);
        assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &r, &st), DMS_OK);
        double last = r.objective;
        for (uint32_t i = 0; i < N_ROWS; i++) {
            p.high[i] /= 2;
            dms_lp_set_high(&p.lp, i, p.high[i]);
            assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &r, &st), DMS_OK);
            assert_true(fabs(r.objective - best_corner(&p)) < 1e-6);
            assert_true(r.objective >= last - 1e-6);
            /* the certificate counts with the new side too */
            assert_true(fabs(r.certificate - r.objective) < 1e-5);
            last = r.objective;
        }
        program_end(&p);
    }
}

/* The best of all points with whole coordinates. */
static double best_lattice_point(const program *p) {
    double best = INFINITY;
    for (uint32_t code = 0; code < 6 * 6 * 6 * 6; code++) {
        const double x[] = {code % 6, code / 6 % 6, code / 36 % 6, code / 216};
        if (holds(p, x, 1e-9) && value_of(p, x) < best)
            best = value_of(p, x);
    }
    return best;
}

static void whole_columns_end_at_the_best_whole_point(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        program p;
        dms_lp_result r;
        dms_status st;
        program_begin(&p, seed, 4, true);
        assert_int_equal(dms_lp_branch(&p.lp, 100000, &r, &st), DMS_OK);
        const double best = best_lattice_point(&p);
        assert_true(r.is_solved && r.has_point);
        assert_true(fabs(r.objective - best) < 1e-6);
        assert_true(holds(&p, r.x, 1e-6));
        for (uint32_t k = 0; k < 4; k++)
            assert_true(fabs(r.x[k] - round(r.x[k])) < 1e-6);
        program_end(&p);
    }
}

static void branching_that_is_cut_short_claims_no_more_than_it_has(void **state) {
    (void)state;
    uint32_t unproven = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        program p;
        dms_lp_result r;
        dms_status st;
        program_begin(&p, seed, 4, true);
        assert_int_equal(dms_lp_branch(&p.lp, 2, &r, &st), DMS_OK);
        const double best = best_lattice_point(&p);
        if (r.is_solved)
            assert_true(fabs(r.objective - best) < 1e-6);
        if (r.has_point)
            assert_true(holds(&p, r.x, 1e-6) && r.objective >= best - 1e-6);
        unproven += !r.is_solved;
        program_end(&p);
    }
    assert_true(unproven > 0);
}

/* lp_solve itself would go on with pointers it did not get. */
static void whichever_allocation_of_the_solver_fails_is_said_and_does_no_harm(void **state) {
    (void)state;
    dms_lp_result want, got;
    program p;
    uint64_t n = 0;
    dms_code code = DMS_EINTERNAL;
    program_begin(&p, 1, N_COLS, false);
    assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &want, NULL), DMS_OK);
    if (p.lp.is_plain)
        skip(); /* a shared lp_solve */
    while (code != DMS_OK) {
        dms_status st;
        dms_lp_close(&p.lp);
        assert_int_equal(p.lp.box.heap.n_pieces, 0);
        p.lp.box.heap.fail_at = ++n;
        code = dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &got, &st);
        if (code == DMS_OK)
            break;
        assert_int_equal(code, DMS_EINTERNAL);
        assert_string_equal(st.msg, "out of memory: lp_solve");
        assert_null(p.lp.solver);
        assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &got, &st), DMS_OK);
        assert_memory_equal(got.x, want.x, N_COLS * sizeof *got.x); /* from scratch, as ever */
    }
    assert_true(n > 100); /* that many it makes */
    program_end(&p);
}

/* A change between two solves allocates as well: the second solve fails, the third is as a first. */
static void a_solver_that_lacked_memory_is_made_anew_with_the_changes(void **state) {
    (void)state;
    program p, fresh;
    dms_lp_result got, want;
    dms_status st;
    program_begin(&p, 4, N_COLS, false);
    program_begin(&fresh, 4, N_COLS, false);
    assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &got, NULL), DMS_OK);
    if (p.lp.is_plain)
        skip(); /* a shared lp_solve */
    dms_lp_column(&p.lp, 1, 0, 3, 7);
    dms_lp_set_high(&p.lp, 2, 9);
    dms_lp_column(&fresh.lp, 1, 0, 3, 7);
    dms_lp_set_high(&fresh.lp, 2, 9);
    p.lp.box.heap.fail_at = 1;
    assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &got, &st), DMS_EINTERNAL);
    assert_int_equal(dms_lp_solve(&p.lp, DMS_LP_RECIPE, 1000, &got, NULL), DMS_OK);
    assert_int_equal(dms_lp_solve(&fresh.lp, DMS_LP_RECIPE, 1000, &want, NULL), DMS_OK);
    assert_memory_equal(got.x, want.x, N_COLS * sizeof *got.x);
    program_end(&p);
    program_end(&fresh);
}

static void a_row_may_be_an_equation_or_a_lower_side(void **state) {
    (void)state;
    /* least x + 3y with x + y = 4, y >= 1, boxes of 5: x = 3, y = 1 */
    dms_arena arena = {0};
    dms_lp lp;
    dms_lp_result r;
    dms_status st;
    assert_int_equal(dms_lp_open(&arena, 2, &lp, &st), DMS_OK);
    dms_lp_column(&lp, 0, 0, 5, 1);
    dms_lp_column(&lp, 1, 0, 5, 3);
    dms_lp_put(&lp, 0, 1);
    dms_lp_put(&lp, 1, 1);
    assert_int_equal(dms_lp_row(&lp, 4, 4, &st), DMS_OK);
    dms_lp_put(&lp, 1, 1);
    assert_int_equal(dms_lp_row(&lp, 1, DMS_LP_FREE, &st), DMS_OK);
    assert_int_equal(dms_lp_solve(&lp, DMS_LP_RECIPE, 1000, &r, &st), DMS_OK);
    assert_true(r.is_solved);
    assert_true(fabs(r.x[0] - 3) < 1e-6 && fabs(r.x[1] - 1) < 1e-6);
    assert_true(fabs(r.objective - 6) < 1e-6 && fabs(r.certificate - 6) < 1e-6);
    dms_lp_close(&lp);
    dms_arena_free(&arena);
}

static void what_cannot_hold_has_no_point(void **state) {
    (void)state;
    dms_arena arena = {0};
    dms_lp lp;
    dms_lp_result r;
    dms_status st;
    assert_int_equal(dms_lp_open(&arena, 1, &lp, &st), DMS_OK);
    dms_lp_column(&lp, 0, 0, 1, 1);
    dms_lp_put(&lp, 0, 1);
    assert_int_equal(dms_lp_row(&lp, 2, DMS_LP_FREE, &st), DMS_OK);
    assert_int_equal(dms_lp_solve(&lp, DMS_LP_RECIPE, 1000, &r, &st), DMS_OK);
    assert_false(r.is_solved || r.has_point);
    dms_lp_close(&lp);
    dms_lp_close(&lp); /* closing twice is harmless */
    dms_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_columns_end_at_the_best_corner),
        cmocka_unit_test(a_certificate_is_a_bound_however_soon_the_solver_stops),
        cmocka_unit_test(a_tighter_side_is_seen_by_the_next_solve),
        cmocka_unit_test(whole_columns_end_at_the_best_whole_point),
        cmocka_unit_test(branching_that_is_cut_short_claims_no_more_than_it_has),
        cmocka_unit_test(whichever_allocation_of_the_solver_fails_is_said_and_does_no_harm),
        cmocka_unit_test(a_solver_that_lacked_memory_is_made_anew_with_the_changes),
        cmocka_unit_test(a_row_may_be_an_equation_or_a_lower_side),
        cmocka_unit_test(what_cannot_hold_has_no_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
