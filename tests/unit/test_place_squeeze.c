/* test_place_squeeze.c - what cannot move is packed by another order where the one that a pass asks
 * for ends too high. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/addresses_internal.h"
#include "support_problem.h"

/* A cycle with the workbench of the pass. */
typedef struct squeeze_case {
    problem_case c;
    dms_cycle cycle;
    dms_work work;
    dms_draft draft;
    dms_addresses *addresses;
} squeeze_case;

static void make_ready(squeeze_case *s) {
    dms_status st;
    if (dms_cycle_build(&s->c.problem, &s->c.arena, &s->cycle, &st) != DMS_OK ||
        dms_work_new(&s->cycle, &s->c.arena, &s->work, &st) != DMS_OK ||
        dms_draft_new(&s->cycle, &s->c.arena, &s->draft, &st) != DMS_OK ||
        dms_addresses_new(&s->cycle, &s->work, &s->c.arena, &s->addresses, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

/* Activations a, b, d of 1, 2 and 2 units:
 *
 *   slot     0 1 2 3 4 5        by life: a, b on it, d on that     by size: b, d on it, a on b
 *   a        x x x x
 *   b              x x x        5 units                            4 units, the largest footprint
 *   d                x
 */
static void begin_stair(squeeze_case *s) {
    problem_begin(&s->c, 6, 10);
    (void)problem_add(&s->c, DMS_PROBLEM_ACTIVATION, 1, 4, (const uint32_t[]){0, 1, 2, 3});
    (void)problem_add(&s->c, DMS_PROBLEM_ACTIVATION, 2, 3, (const uint32_t[]){3, 4, 5});
    (void)problem_once(&s->c, DMS_PROBLEM_ACTIVATION, 2, 4);
}

/* A pass in the order of lives over what is in the case; gaps that may be kept are. */
static bool pass_by_life(squeeze_case *s, int64_t budget, bool pitch) {
    const dms_fit fit = {.order = DMS_FIT_LIFE, .pitch = pitch};
    for (uint32_t g = 0; g < s->cycle.n_gaps; g++)
        s->draft.keep[g] = s->cycle.gap[g].rule != DMS_GAP_LOADED && s->draft.keep[g];
    assert_true(dms_slots(&s->cycle, &s->work, 1000, DMS_SLOT_EARLY, &s->draft));
    return dms_addresses_pass(s->addresses, budget, &fit, &s->draft);
}

/* Where pieces of one tensor lie after the last pass; it has one. */
static const dms_piece *piece_of(const squeeze_case *s, uint32_t tensor) {
    const int64_t *kept;
    uint32_t n;
    const dms_piece *piece = dms_addresses_pieces(s->addresses, &n, &kept);
    for (uint32_t i = 0; i < n; i++)
        if (piece[i].gap != DMS_PIECE_SCRATCH && piece[i].tensor == tensor)
            return piece + i;
    fail_msg("tensor %u has no piece", tensor);
    return NULL;
}

/* Neither of two pieces that share a slot reaches into the other. */
static void check_apart(const dms_piece *p, const dms_piece *q) {
    assert_true(p->offset + p->units <= q->offset || q->offset + q->units <= p->offset);
}

static void an_order_that_ends_too_high_gives_way_to_one_that_does_not(void **state) {
    (void)state;
    squeeze_case s;
    const dms_fit life = {.order = DMS_FIT_LIFE};
    begin_stair(&s);
    make_ready(&s);
    assert_true(dms_slots(&s.cycle, &s.work, 1000, DMS_SLOT_EARLY, &s.draft));
    (void)dms_addresses_list(s.addresses, &s.draft, &life);
    assert_int_equal(dms_addresses_pack(s.addresses, DMS_FIT_LIFE, 0, 1000), 5);
    assert_int_equal(s.cycle.peak, 4);
    assert_true(pass_by_life(&s, 4, false));
    assert_int_equal(s.draft.period_ns, 60);
    check_apart(piece_of(&s, 0), piece_of(&s, 1));
    check_apart(piece_of(&s, 1), piece_of(&s, 2));
    for (uint32_t i = 0; i < 3; i++)
        assert_in_range(piece_of(&s, i)->offset + piece_of(&s, i)->units, 1, 4);
    assert_false(pass_by_life(&s, 3, false)); /* less than slot 4 holds */
    problem_end(&s.c);
}

static void where_the_order_fits_it_stays(void **state) {
    (void)state;
    /* 5 units: the places are those of the order, a at the bottom and d on top */
    squeeze_case s;
    begin_stair(&s);
    make_ready(&s);
    assert_true(pass_by_life(&s, 5, false));
    assert_int_equal(piece_of(&s, 0)->offset, 0);
    assert_int_equal(piece_of(&s, 1)->offset, 1);
    assert_int_equal(piece_of(&s, 2)->offset, 3);
    problem_end(&s.c);
}

static void kept_weights_stay_below_what_is_squeezed(void **state) {
    (void)state;
    squeeze_case s;
    begin_stair(&s);
    const uint32_t w = problem_once(&s.c, DMS_PROBLEM_WEIGHT, 7, 2);
    make_ready(&s);
    s.draft.keep[s.cycle.first_gap[w]] = 1;
    assert_true(pass_by_life(&s, 11, false));
    const int64_t *kept;
    uint32_t n;
    (void)dms_addresses_pieces(s.addresses, &n, &kept);
    assert_int_equal(kept[w], 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_in_range(piece_of(&s, i)->offset, 7, 11 - (int)piece_of(&s, i)->units);
    assert_false(pass_by_life(&s, 10, false));
    problem_end(&s.c);
}

static void sizes_of_one_pitch_are_given_up_where_they_do_not_fit(void **state) {
    (void)state;
    /* weights of 100 and 99 units count as 200: no room for that in 199 */
    squeeze_case s;
    problem_begin(&s.c, 3, 500);
    (void)problem_once(&s.c, DMS_PROBLEM_WEIGHT, 100, 1);
    (void)problem_once(&s.c, DMS_PROBLEM_WEIGHT, 99, 1);
    make_ready(&s);
    assert_true(pass_by_life(&s, 200, true));
    assert_int_equal(piece_of(&s, 1)->units, 100);
    assert_true(pass_by_life(&s, 199, true));
    assert_int_equal(piece_of(&s, 1)->units, 99);
    check_apart(piece_of(&s, 0), piece_of(&s, 1));
    assert_false(pass_by_life(&s, 198, true));
    problem_end(&s.c);
}

static void what_was_squeezed_once_is_known(void **state) {
    (void)state;
    squeeze_case s;
    const dms_fit fit = {.order = DMS_FIT_LIFE};
    begin_stair(&s);
    make_ready(&s);
    assert_true(dms_slots(&s.cycle, &s.work, 1000, DMS_SLOT_EARLY, &s.draft));
    (void)dms_addresses_list(s.addresses, &s.draft, &fit);
    const uint64_t start = dms_addresses_effort(s.addresses);
    const dms_packed *first = dms_addresses_squeeze(s.addresses, 4);
    const uint64_t once = dms_addresses_effort(s.addresses);
    assert_non_null(first);
    assert_int_equal(first->units, 4);
    assert_true(once > start);
    assert_ptr_equal(dms_addresses_squeeze(s.addresses, 4), first);
    assert_int_equal(dms_addresses_effort(s.addresses), once);
    const dms_packed *lower = dms_addresses_squeeze(s.addresses, 3); /* another question */
    assert_true(lower != first && lower->units == 4);
    assert_true(dms_addresses_effort(s.addresses) > once);
    problem_end(&s.c);
}

static void a_life_over_the_seam_is_squeezed_as_one(void **state) {
    (void)state;
    /* w needed in 4, 5 and, kept over the seam, in 0: p and q meet it there and not each other */
    squeeze_case s;
    const dms_piece piece[] = {{.need = 4, .end = 6, .units = 3},
                               {.need = 5, .end = 5, .units = 2},
                               {.need = 0, .end = 3, .units = 2}};
    dms_life life[3];
    problem_begin(&s.c, 6, 10);
    (void)problem_once(&s.c, DMS_PROBLEM_WEIGHT, 9, 1);
    make_ready(&s);
    dms_pieces_lives(piece, 3, life);
    assert_int_equal(life[0].first, 4);
    assert_int_equal(life[0].end, 7); /* half open: slots 4, 5 and 0 of 6 */
    assert_int_equal(life[1].end - life[1].first, 1);
    s.addresses->n_pieces = 0;
    for (uint32_t i = 0; i < 2; i++)
        s.addresses->piece[s.addresses->n_pieces++] = piece[i];
    assert_int_equal(dms_addresses_squeeze(s.addresses, 9)->units, 5);
    s.addresses->piece[1] = piece[2];
    assert_int_equal(dms_addresses_squeeze(s.addresses, 9)->units, 5);
    s.addresses->piece[0] = piece[1];
    assert_int_equal(dms_addresses_squeeze(s.addresses, 9)->units, 2);
    problem_end(&s.c);
}

/* On random cycles: whatever budget the sums of the slots allow, a pass fails at no more of them
 * than first fit in its order alone, and its places are apart. */
static void no_budget_is_lost_that_the_order_had(void **state) {
    (void)state;
    uint32_t by_order = 0, by_pass = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        squeeze_case s;
        const dms_fit fit = {.order = DMS_FIT_START};
        problem_random(&s.c, seed, 14 + (uint32_t)seed % 9);
        make_ready(&s);
        for (uint32_t g = 0; g < s.cycle.n_gaps; g++)
            s.draft.keep[g] = s.cycle.gap[g].rule == DMS_GAP_KEPT;
        assert_true(dms_slots(&s.cycle, &s.work, 100000, DMS_SLOT_ON_DEMAND, &s.draft));
        (void)dms_addresses_list(s.addresses, &s.draft, &fit);
        const int64_t top = dms_addresses_pack(s.addresses, DMS_FIT_START, 0, 100000);
        for (int64_t budget = s.cycle.peak; budget <= top; budget++) {
            assert_true(dms_slots(&s.cycle, &s.work, 100000, DMS_SLOT_ON_DEMAND, &s.draft));
            const bool fits = dms_addresses_pass(s.addresses, budget, &fit, &s.draft);
            by_order += budget >= top;
            by_pass += fits;
            assert_true(fits || budget < top);
        }
        assert_false(dms_addresses_failed(s.addresses));
        problem_end(&s.c);
    }
    assert_true(by_pass > 2 * by_order);
}

/* Random lives at the largest sum of a slot: what no order of first fit, best fit or skyline has
 * room for is found by the search, and holds by the sweep of offsets.h. */
static void few_pieces_are_searched_where_no_order_fits(void **state) {
    (void)state;
    squeeze_case s;
    dms_status st;
    uint32_t found = 0, refused = 0;
    begin_stair(&s);
    for (uint32_t i = 0; i < 30; i++)
        (void)problem_once(&s.c, DMS_PROBLEM_WEIGHT, 1 + i, i % 6);
    make_ready(&s);
    s.addresses->n_pieces = 16;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        dms_life life[16];
        int64_t offset[16], peak, top;
        dms_lives lives = {.life = life, .n = 16, .cycle = 6};
        s.c.random = seed;
        for (uint32_t i = 0; i < 16; i++) {
            const int32_t need = (int32_t)problem_draw(&s.c, 6);
            const int32_t end = need + (int32_t)problem_draw(&s.c, 4);
            const int64_t units = 1 + problem_draw(&s.c, 12);
            s.addresses->piece[i] = (dms_piece){.need = need, .end = end, .units = units};
        }
        dms_pieces_lives(s.addresses->piece, 16, life);
        assert_int_equal(dms_lives_peak(&lives, &s.c.arena, &peak, &st), DMS_OK);
        lives.capacity = peak;
        assert_int_equal(dms_offsets_greedy(&lives, 0, 0, &s.c.arena, offset, &top, &st), DMS_OK);
        const dms_packed *packed = dms_addresses_squeeze(s.addresses, peak);
        assert_true(packed->units <= top);
        refused += packed->units > peak;
        found += packed->units <= peak && top > peak;
        if (packed->units <= peak)
            assert_int_equal(dms_offsets_verify(&lives, packed->offset, &s.c.arena, &st), DMS_OK);
    }
    assert_in_range(found, 10, 200);
    assert_in_range(refused, 1, 150); /* on a cycle the peak is no promise */
    assert_false(dms_addresses_failed(s.addresses));
    problem_end(&s.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_that_ends_too_high_gives_way_to_one_that_does_not),
        cmocka_unit_test(where_the_order_fits_it_stays),
        cmocka_unit_test(kept_weights_stay_below_what_is_squeezed),
        cmocka_unit_test(sizes_of_one_pitch_are_given_up_where_they_do_not_fit),
        cmocka_unit_test(what_was_squeezed_once_is_known),
        cmocka_unit_test(a_life_over_the_seam_is_squeezed_as_one),
        cmocka_unit_test(few_pieces_are_searched_where_no_order_fits),
        cmocka_unit_test(no_budget_is_lost_that_the_order_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
