/* test_place_addresses.c - holes, packing, delayed loads, repair, and the order of the queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/addresses_internal.h"
#include "support_problem.h"

#define N_SLOTS 23

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

/* Whether two runs of slots share one on a cycle of n. */
static bool meet(int32_t n, int32_t first, int32_t last, int32_t other_first, int32_t other_last) {
    for (int32_t s = first; s <= last; s++)
        for (int32_t t = other_first; t <= other_last; t++)
            if ((s - t) % n == 0)
                return true;
    return false;
}

static bool pieces_meet(int32_t n, const dms_piece *p, const dms_piece *q) {
    return meet(n, p->start, p->end, q->start, q->end);
}

/* No two pieces of the last pass share a slot and a byte, none passes the budget. */
static void check_pieces(const address_case *a, int64_t budget) {
    const int64_t *kept;
    uint32_t n;
    const dms_piece *piece = dms_addresses_pieces(a->addresses, &n, &kept);
    int64_t base = 0;
    for (uint32_t i = 0; i < a->cycle.n_tensors; i++)
        if (kept[i] >= 0 && kept[i] + a->cycle.units[i] > base)
            base = kept[i] + a->cycle.units[i];
    for (uint32_t i = 0; i < n; i++) {
        const dms_piece *p = piece + i;
        assert_true(p->offset >= base && p->offset + p->units <= budget);
        assert_true(p->start <= p->need && p->start >= p->earliest);
        assert_true(p->end - p->start < a->cycle.n_steps);
        for (uint32_t j = 0; j < i; j++) {
            const dms_piece *q = piece + j;
            if (p->offset < q->offset + q->units && q->offset < p->offset + p->units)
                assert_false(pieces_meet(a->cycle.n_steps, p, q));
        }
    }
}

static dms_piece random_piece(problem_case *c) {
    dms_piece p = {.units = 1 + problem_draw(c, 9), .offset = problem_draw(c, 40)};
    p.need = (int32_t)problem_draw(c, N_SLOTS);
    p.start = p.need - (int32_t)problem_draw(c, 6);
    p.end = p.need + (int32_t)problem_draw(c, N_SLOTS - 6);
    return p;
}

/* The lowest offset that no listed piece blocks for a start at `start`, by a plain loop. */
static int64_t lowest(const dms_piece *piece, uint32_t n, const dms_piece *ask, int32_t start,
                      int64_t top) {
    for (int64_t offset = 0; offset + ask->units <= top; offset++) {
        bool is_free = true;
        for (uint32_t i = 0; i < n && is_free; i++)
            is_free = piece[i].offset >= offset + ask->units ||
                      offset >= piece[i].offset + piece[i].units ||
                      !meet(N_SLOTS, start, ask->end, piece[i].start, piece[i].end);
        if (is_free)
            return offset;
    }
    return -1;
}

static void holes_are_those_of_a_plain_loop(void **state) {
    (void)state;
    uint32_t full = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        problem_case c;
        dms_holes holes;
        dms_status st;
        dms_piece piece[64];
        const uint32_t n = 4 + (uint32_t)seed;
        problem_begin(&c, 1, 1);
        c.random = seed;
        assert_int_equal(dms_holes_init(&holes, N_SLOTS, piece, 64, &c.arena, &st), DMS_OK);
        holes.top = 50;
        for (uint32_t i = 0; i < n; i++) {
            piece[i] = random_piece(&c);
            dms_holes_put(&holes, i);
        }
        dms_holes_take(&holes, n - 1); /* what is taken out is out */
        const dms_piece ask = random_piece(&c);
        dms_holes_ask(&holes, ask.start, ask.need, ask.end);
        for (int32_t start = ask.start; start <= ask.need; start++) {
            const int64_t want = lowest(piece, n - 1, &ask, start, 50);
            assert_int_equal(dms_holes_find(&holes, start, ask.units, DMS_FIT_LOWEST), want);
            const int64_t high = dms_holes_find(&holes, start, ask.units, DMS_FIT_HIGHEST);
            assert_true((high < 0) == (want < 0) && high >= want);
            full += want < 0;
        }
        for (uint32_t i = 1; i < holes.n_obstacles; i++)
            assert_true(holes.obstacle[i - 1].low <= holes.obstacle[i].low);
        problem_end(&c);
    }
    assert_true(full > 0);
}

static void a_tight_hole_is_preferred_where_asked(void **state) {
    (void)state;
    /* offsets 0..9 free, 10..12 taken, 13..16 free, 17.. taken: 4 units fit tightest at 13 */
    problem_case c;
    dms_holes holes;
    dms_status st;
    dms_piece piece[2] = {{.units = 3, .offset = 10, .end = 5},
                          {.units = 9, .offset = 17, .end = 5}};
    problem_begin(&c, 1, 1);
    assert_int_equal(dms_holes_init(&holes, N_SLOTS, piece, 2, &c.arena, &st), DMS_OK);
    holes.top = 26;
    dms_holes_put(&holes, 0);
    dms_holes_put(&holes, 1);
    dms_holes_ask(&holes, 2, 2, 3);
    assert_int_equal(dms_holes_find(&holes, 2, 4, DMS_FIT_LOWEST), 0);
    assert_int_equal(dms_holes_find(&holes, 2, 3, DMS_FIT_TIGHTEST_LOW), 13);
    assert_int_equal(dms_holes_find(&holes, 2, 3, DMS_FIT_TIGHTEST_HIGH), 14);
    assert_int_equal(dms_holes_find(&holes, 2, 10, DMS_FIT_HIGHEST), 0);
    assert_int_equal(dms_holes_find(&holes, 2, 11, DMS_FIT_LOWEST), -1);
    problem_end(&c);
}

static void a_load_that_finds_no_room_begins_later(void **state) {
    (void)state;
    /* an activation of 6 in slots 0..2, a weight of 6 for step 4, room for 10: slot 3 at best */
    address_case a;
    problem_begin(&a.c, 6, 10);
    (void)problem_add(&a.c, DMS_PROBLEM_ACTIVATION, 6, 3, (const uint32_t[]){0, 1, 2});
    (void)problem_once(&a.c, DMS_PROBLEM_ACTIVATION, 6, 5);
    const uint32_t w = problem_once(&a.c, DMS_PROBLEM_WEIGHT, 6, 4);
    address_begin(&a);
    assert_true(dms_slots(&a.cycle, &a.work, 12, DMS_SLOT_EARLY, &a.draft));
    const dms_fit fit = {.repair = 2};
    assert_true(dms_addresses_pass(a.addresses, 10, &fit, &a.draft));
    assert_int_equal(a.cycle.gap[a.draft.load[0]].tensor, w);
    assert_int_equal(a.draft.after[0], 2);
    check_pieces(&a, 10);
    assert_false(dms_addresses_pass(a.addresses, 5, &fit, &a.draft));
    problem_end(&a.c);
}

static void every_setting_of_the_pass_packs_without_overlap(void **state) {
    (void)state;
    uint32_t fitted = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        address_case a;
        problem_random(&a.c, seed, 12 + (uint32_t)seed % 20);
        const int64_t budget = (int64_t)problem_floor(&a.c) + 90;
        address_begin(&a);
        for (uint32_t g = 0; g < a.cycle.n_gaps; g++)
            a.draft.keep[g] = a.cycle.gap[g].rule == DMS_GAP_KEPT;
        for (uint32_t i = 0; i < 24; i++) {
            const dms_fit fit = {.order = (dms_fit_order)(i % DMS_N_FIT_ORDERS),
                                 .jitter = i % 7,
                                 .hole = (dms_fit_hole)(i % DMS_N_FIT_HOLES),
                                 .cut = (dms_fit_cut)(i % DMS_N_FIT_CUTS),
                                 .sizes = i % 4,
                                 .repair = i % 3,
                                 .lead = i / 6,
                                 .overtakes = i & 1,
                                 .pitch = i & 2};
            if (!dms_slots(&a.cycle, &a.work, budget, DMS_SLOT_EARLY, &a.draft) ||
                !dms_simulate(&a.cycle, &a.work, 6, &a.draft) ||
                !dms_addresses_pass(a.addresses, budget, &fit, &a.draft))
                continue;
            fitted++;
            check_pieces(&a, budget);
        }
        assert_false(dms_addresses_failed(a.addresses));
        problem_end(&a.c);
    }
    assert_true(fitted > 400);
}

/* How many times pieces stand in buckets. */
static uint64_t filled(const dms_holes *holes) {
    uint64_t n = 0;
    for (uint32_t b = 0; b < holes->n_buckets; b++)
        n += holes->fill[b];
    return n;
}

static void a_repair_moves_others_or_nothing(void **state) {
    (void)state;
    uint32_t moved = 0, refused = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        address_case a;
        dms_piece before[512];
        problem_random(&a.c, seed, 24);
        address_begin(&a);
        for (uint32_t g = 0; g < a.cycle.n_gaps; g++)
            a.draft.keep[g] = a.cycle.gap[g].rule == DMS_GAP_KEPT;
        const dms_fit fit = {0};
        const int64_t budget = (int64_t)problem_floor(&a.c) + 25 + (int64_t)seed;
        if (!dms_slots(&a.cycle, &a.work, budget, DMS_SLOT_EARLY, &a.draft) ||
            !dms_addresses_pass(a.addresses, budget, &fit, &a.draft)) {
            problem_end(&a.c);
            continue;
        }
        for (uint32_t id = 0; id < a.addresses->n_pieces; id++) {
            dms_piece *p = a.addresses->piece + id;
            if (p->start <= p->earliest)
                continue;
            memcpy(before, a.addresses->piece, a.addresses->n_pieces * sizeof *before);
            const int32_t start = p->start - 1;
            const uint64_t entries = filled(&a.addresses->holes);
            dms_holes_take(&a.addresses->holes, id);
            const bool done = dms_addresses_repair(a.addresses, id, start, DMS_FIT_LOWEST);
            if (!done) {
                *p = before[id];
                dms_holes_put(&a.addresses->holes, id);
                assert_int_equal(filled(&a.addresses->holes), entries);
                assert_memory_equal(before, a.addresses->piece,
                                    a.addresses->n_pieces * sizeof *before);
            }
            moved += done;
            refused += !done;
            check_pieces(&a, budget);
        }
        problem_end(&a.c);
    }
    assert_true(moved > 0 && refused > 0);
}

static void of_open_loads_the_earliest_deadline_goes_first(void **state) {
    (void)state;
    /* both slots are open from the start; the queue holds the later deadline first */
    address_case a;
    problem_begin(&a.c, 6, 10);
    const uint32_t soon = problem_once(&a.c, DMS_PROBLEM_WEIGHT, 15, 3);
    const uint32_t late = problem_once(&a.c, DMS_PROBLEM_WEIGHT, 15, 5);
    address_begin(&a);
    assert_true(dms_slots(&a.cycle, &a.work, 100, DMS_SLOT_EARLY, &a.draft));
    a.draft.load[0] = late;
    a.draft.load[1] = soon;
    a.draft.after[0] = a.draft.after[1] = 0;
    assert_true(dms_simulate(&a.cycle, &a.work, 6, &a.draft));
    assert_int_equal(a.draft.period_ns, 70); /* the second copy ends 40 ns after slot 1 opens */
    assert_true(dms_queue_by_deadline(&a.cycle, &a.work, &a.draft));
    assert_int_equal(a.draft.load[0], soon);
    assert_int_equal(a.draft.period_ns, 60);
    problem_end(&a.c);
}

static void a_lead_is_the_slot_that_is_open_when_the_copy_begins(void **state) {
    (void)state;
    /* two copies of 25 ns from slot 1 on: the second begins at 35 ns, when slot 3 is open, and may
     * begin as late as 45 ns, 25 before step 7 */
    address_case a;
    int32_t start[2];
    problem_begin(&a.c, 8, 10);
    (void)problem_once(&a.c, DMS_PROBLEM_WEIGHT, 25, 5);
    (void)problem_once(&a.c, DMS_PROBLEM_WEIGHT, 25, 7);
    address_begin(&a);
    assert_true(dms_slots(&a.cycle, &a.work, 100, DMS_SLOT_EARLY, &a.draft));
    a.draft.after[0] = a.draft.after[1] = 0;
    assert_true(dms_simulate(&a.cycle, &a.work, 6, &a.draft));
    dms_queue_leads(&a.cycle, &a.work, &a.draft, 1, start);
    assert_int_equal(start[0], 1);
    assert_int_equal(start[1], 3);
    dms_queue_leads(&a.cycle, &a.work, &a.draft, 2, start);
    assert_int_equal(start[1], 4);
    problem_end(&a.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_are_those_of_a_plain_loop),
        cmocka_unit_test(a_tight_hole_is_preferred_where_asked),
        cmocka_unit_test(a_load_that_finds_no_room_begins_later),
        cmocka_unit_test(every_setting_of_the_pass_packs_without_overlap),
        cmocka_unit_test(a_repair_moves_others_or_nothing),
        cmocka_unit_test(of_open_loads_the_earliest_deadline_goes_first),
        cmocka_unit_test(a_lead_is_the_slot_that_is_open_when_the_copy_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
