/* test_place_holes.c - holes of every kind, first fit, lists of pieces, and a repair by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/addresses_internal.h"
#include "support_problem.h"

#define N_SLOTS 17
#define TOP 48

/* A cycle with the workbench of the pass. */
typedef struct address_case {
    problem_case c;
    dms_cycle cycle;
    dms_work work;
    dms_draft draft;
    dms_addresses *addresses;
} address_case;

static void address_begin(address_case *a) {
    dms_status st;
    if (dms_cycle_build(&a->c.problem, &a->c.arena, &a->cycle, &st) != DMS_OK ||
        dms_work_new(&a->cycle, &a->c.arena, &a->work, &st) != DMS_OK ||
        dms_draft_new(&a->cycle, &a->c.arena, &a->draft, &st) != DMS_OK ||
        dms_addresses_new(&a->cycle, &a->work, &a->c.arena, &a->addresses, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

static bool meet(int32_t n, const dms_piece *p, int32_t first, int32_t last) {
    for (int32_t s = first; s <= last; s++)
        for (int32_t t = p->start; t <= p->end; t++)
            if ((s - t) % n == 0)
                return true;
    return false;
}

/* The offsets that are free over first..last, one by one. */
static void mark_free(const dms_piece *piece, uint32_t n, int32_t first, int32_t last,
                      bool *out_free) {
    for (int64_t at = 0; at < TOP; at++)
        out_free[at] = true;
    for (uint32_t i = 0; i < n; i++)
        for (int64_t at = piece[i].offset;
             meet(N_SLOTS, piece + i, first, last) && at < piece[i].offset + piece[i].units; at++)
            if (at < TOP)
                out_free[at] = false;
}

/* The smallest run of free offsets that holds `units`, the lowest of equal ones; -1 = none. */
static int64_t tightest(const bool *is_free, int64_t units, int64_t *out_run) {
    int64_t found = -1;
    *out_run = INT64_MAX;
    for (int64_t at = 0; at < TOP; at++) {
        int64_t run = 0;
        if (!is_free[at] || (at > 0 && is_free[at - 1]))
            continue;
        while (at + run < TOP && is_free[at + run])
            run++;
        if (run >= units && run < *out_run) {
            *out_run = run;
            found = at;
        }
    }
    return found;
}

static int64_t highest(const bool *is_free, int64_t units) {
    for (int64_t at = TOP - units; at >= 0; at--) {
        int64_t run = 0;
        while (run < units && is_free[at + run])
            run++;
        if (run == units)
            return at;
    }
    return -1;
}

static void each_kind_of_hole_is_that_of_a_plain_scan(void **state) {
    (void)state;
    uint32_t found = 0, none = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        problem_case c;
        dms_holes holes;
        dms_status st;
        dms_piece piece[24];
        bool is_free[TOP];
        int64_t run;
        problem_begin(&c, 1, 1);
        c.random = seed * 13;
        assert_int_equal(dms_holes_init(&holes, N_SLOTS, piece, 24, &c.arena, &st), DMS_OK);
        holes.top = TOP;
        const uint32_t n = 1 + problem_draw(&c, 24);
        for (uint32_t i = 0; i < n; i++) {
            const int32_t start = (int32_t)problem_draw(&c, N_SLOTS);
            piece[i] = (dms_piece){.start = start,
                                   .need = start,
                                   .end = start + (int32_t)problem_draw(&c, N_SLOTS - 1),
                                   .units = 1 + problem_draw(&c, 6),
                                   .offset = problem_draw(&c, TOP - 6)};
            dms_holes_put(&holes, i);
        }
        const int32_t first = (int32_t)problem_draw(&c, N_SLOTS);
        const int32_t last = first + (int32_t)problem_draw(&c, 6);
        const int64_t units = 1 + problem_draw(&c, 8);
        dms_holes_ask(&holes, first, first, last);
        mark_free(piece, n, first, last, is_free);
        const int64_t tight = tightest(is_free, units, &run);
        const int64_t above = tight < 0 ? -1 : tight + run - units;
        assert_int_equal(dms_holes_find(&holes, first, units, DMS_FIT_TIGHTEST_LOW), tight);
        assert_int_equal(dms_holes_find(&holes, first, units, DMS_FIT_HIGHEST),
                         highest(is_free, units));
        const int64_t high = dms_holes_find(&holes, first, units, DMS_FIT_TIGHTEST_HIGH);
        assert_int_equal(high, above);
        found += tight >= 0;
        none += tight < 0;
        problem_end(&c);
    }
    assert_true(found > 50 && none > 5);
}

static void offsets_below_the_base_are_never_given(void **state) {
    (void)state;
    problem_case c;
    dms_holes holes;
    dms_status st;
    dms_piece piece[1] = {{.units = 4, .offset = 10, .end = 3}};
    problem_begin(&c, 1, 1);
    assert_int_equal(dms_holes_init(&holes, N_SLOTS, piece, 1, &c.arena, &st), DMS_OK);
    holes.base = 7;
    holes.top = 20;
    dms_holes_put(&holes, 0);
    dms_holes_ask(&holes, 1, 1, 2);
    assert_int_equal(dms_holes_find(&holes, 1, 3, DMS_FIT_LOWEST), 7);
    assert_int_equal(dms_holes_find(&holes, 1, 4, DMS_FIT_LOWEST), 14);
    assert_int_equal(dms_holes_find(&holes, 1, 7, DMS_FIT_LOWEST), -1);
    dms_holes_clear(&holes);
    dms_holes_ask(&holes, 1, 1, 2);
    assert_int_equal(holes.n_obstacles, 0);
    assert_int_equal(dms_holes_find(&holes, 1, 13, DMS_FIT_LOWEST), 7);
    problem_end(&c);
}

static void what_ends_before_the_start_is_not_in_the_way(void **state) {
    (void)state;
    /* the piece lies in slots 2..5; asked about 3..9, of which 7..9 cannot be given up */
    problem_case c;
    dms_holes holes;
    dms_status st;
    dms_piece piece[1] = {{.units = 10, .offset = 0, .start = 2, .need = 2, .end = 5}};
    problem_begin(&c, 1, 1);
    assert_int_equal(dms_holes_init(&holes, N_SLOTS, piece, 1, &c.arena, &st), DMS_OK);
    holes.top = 10;
    dms_holes_put(&holes, 0);
    dms_holes_ask(&holes, 3, 7, 9);
    assert_int_equal(holes.n_obstacles, 1);
    assert_int_equal(holes.obstacle[0].until, 6);
    assert_int_equal(dms_holes_find(&holes, 5, 1, DMS_FIT_LOWEST), -1);
    assert_int_equal(dms_holes_find(&holes, 6, 10, DMS_FIT_LOWEST), 0);
    dms_holes_ask(&holes, 3, 5, 9);
    assert_true(holes.obstacle[0].until == DMS_HOLE_NEVER);
    /* the same piece a turn later stands in slots 19..22 */
    dms_holes_ask(&holes, 12, 13, 19);
    assert_int_equal(holes.n_obstacles, 1);
    dms_holes_ask(&holes, 12, 13, 18);
    assert_int_equal(holes.n_obstacles, 0);
    problem_end(&c);
}

static void random_draft(address_case *a, uint64_t seed) {
    problem_random(&a->c, seed, 18);
    address_begin(a);
    for (uint32_t g = 0; g < a->cycle.n_gaps; g++)
        a->draft.keep[g] = a->cycle.gap[g].rule == DMS_GAP_KEPT ||
                           (a->cycle.gap[g].rule == DMS_GAP_FREE && problem_draw(&a->c, 2) == 0);
    assert_true(dms_slots(&a->cycle, &a->work, 100000, DMS_SLOT_EARLY, &a->draft));
}

static void a_list_has_one_piece_per_load_scratch_and_product(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        address_case a;
        const int64_t *kept;
        uint32_t n, want = 0;
        int64_t sum = 0;
        random_draft(&a, seed);
        const dms_fit fit = {0};
        const int64_t kept_units = dms_addresses_list(a.addresses, &a.draft, &fit);
        (void)dms_addresses_pieces(a.addresses, &n, &kept);
        for (uint32_t t = 0; t < 18; t++)
            want += a.c.problem.steps[t].scratch_bytes > 0;
        for (uint32_t i = 0; i < a.cycle.n_tensors; i++) {
            const dms_problem_kind kind = a.c.problem.tensors[i].kind;
            bool leaves = false;
            for (uint32_t g = a.cycle.first_gap[i]; g < a.cycle.first_gap[i + 1]; g++)
                leaves = leaves || !a.draft.keep[g];
            want += kind == DMS_PROBLEM_ACTIVATION || kind == DMS_PROBLEM_OUTPUT;
            /* kept weights lie one on the other, from 0 up */
            assert_int_equal(kept[i] >= 0, kind == DMS_PROBLEM_WEIGHT && !leaves);
            assert_true(kept[i] < 0 || kept[i] == sum);
            sum += kept[i] >= 0 ? a.cycle.units[i] : 0;
        }
        assert_int_equal(kept_units, sum);
        assert_int_equal(n, want + a.draft.n_loads);
        problem_end(&a.c);
    }
}

static void first_fit_packs_apart_and_never_below_the_fullest_slot(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        address_case a;
        const int64_t *kept;
        uint32_t n;
        random_draft(&a, seed);
        const dms_fit fit = {0};
        const int64_t base = dms_addresses_list(a.addresses, &a.draft, &fit);
        const int64_t top = dms_addresses_pack(
            a.addresses, (dms_fit_order)(seed % DMS_N_FIT_ORDERS), seed % 4, INT64_MAX - 1);
        const dms_piece *p = dms_addresses_pieces(a.addresses, &n, &kept);
        int64_t fullest = 0, end = base;
        for (int32_t s = 0; s < 18; s++) {
            int64_t sum = base;
            for (uint32_t i = 0; i < n; i++)
                sum += meet(18, p + i, s, s) ? p[i].units : 0;
            fullest = sum > fullest ? sum : fullest;
        }
        for (uint32_t i = 0; i < n; i++) {
            assert_true(p[i].start == p[i].need && p[i].offset >= base);
            end = p[i].offset + p[i].units > end ? p[i].offset + p[i].units : end;
            for (uint32_t j = 0; j < i; j++)
                if (meet(18, p + i, p[j].start, p[j].end))
                    assert_true(p[i].offset + p[i].units <= p[j].offset ||
                                p[j].offset + p[j].units <= p[i].offset);
        }
        assert_int_equal(top, end);
        assert_true(top >= fullest);
        /* one unit less is given up on the way */
        assert_true(dms_addresses_pack(a.addresses, (dms_fit_order)(seed % DMS_N_FIT_ORDERS),
                                       seed % 4, top - 1) == INT64_MAX);
        problem_end(&a.c);
    }
}

static void a_block_in_the_middle_moves_aside_for_a_large_one(void **state) {
    (void)state;
    /* of 10 units b holds 4..5 in slots 2..4: no hole of 6 until it moves to an end; w needs 6
     *
     *   units   0 1 2 3 4 5 6 7 8 9            0 1 2 3 4 5 6 7 8 9
     *                   b b            ->      b b w w w w w w          */
    address_case a;
    problem_begin(&a.c, 8, 10);
    (void)problem_add(&a.c, DMS_PROBLEM_ACTIVATION, 2, 3, (const uint32_t[]){2, 3, 4});
    (void)problem_once(&a.c, DMS_PROBLEM_WEIGHT, 6, 5);
    address_begin(&a);
    assert_true(dms_slots(&a.cycle, &a.work, 10, DMS_SLOT_EARLY, &a.draft));
    const dms_fit fit = {.repair = 2};
    assert_true(dms_addresses_pass(a.addresses, 10, &fit, &a.draft));
    uint32_t b = 0, w = 0;
    dms_piece *p = a.addresses->piece;
    for (uint32_t i = 0; i < a.addresses->n_pieces; i++)
        *(p[i].units == 2 ? &b : &w) = i;
    dms_holes_take(&a.addresses->holes, w);
    dms_holes_take(&a.addresses->holes, b);
    p[b].offset = 4;
    dms_holes_put(&a.addresses->holes, b);
    assert_true(dms_addresses_repair(a.addresses, w, 3, DMS_FIT_LOWEST));
    assert_int_equal(p[w].start, 3);
    assert_true(p[b].offset + 2 <= p[w].offset || p[w].offset + 6 <= p[b].offset);
    assert_true(p[b].offset >= 0 && p[b].offset + 2 <= 10);
    assert_true(p[w].offset >= 0 && p[w].offset + 6 <= 10);
    assert_int_equal(p[b].start, 2); /* at unchanged times */
    assert_int_equal(p[b].end, 4);
    problem_end(&a.c);
}

static void looking_for_holes_is_counted(void **state) {
    (void)state;
    address_case a;
    random_draft(&a, 8);
    const dms_fit fit = {0};
    (void)dms_addresses_list(a.addresses, &a.draft, &fit);
    const uint64_t none = dms_addresses_effort(a.addresses);
    (void)dms_addresses_pack(a.addresses, DMS_FIT_LIFE, 0, INT64_MAX - 1);
    const uint64_t once = dms_addresses_effort(a.addresses);
    (void)dms_addresses_pack(a.addresses, DMS_FIT_LIFE, 0, INT64_MAX - 1);
    assert_int_equal(none, 0);
    assert_true(once > 0);
    assert_int_equal(dms_addresses_effort(a.addresses), 2 * once);
    problem_end(&a.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_hole_is_that_of_a_plain_scan),
        cmocka_unit_test(offsets_below_the_base_are_never_given),
        cmocka_unit_test(what_ends_before_the_start_is_not_in_the_way),
        cmocka_unit_test(a_list_has_one_piece_per_load_scratch_and_product),
        cmocka_unit_test(first_fit_packs_apart_and_never_below_the_fullest_slot),
        cmocka_unit_test(a_block_in_the_middle_moves_aside_for_a_large_one),
        cmocka_unit_test(looking_for_holes_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
