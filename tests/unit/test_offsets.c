/* test_offsets.c - packings with given lives: verdicts beside every order, peaks by slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "planner/offsets.h"
#include "planner/offsets_internal.h"
#include "schema/arena.h"

#define MOST 400u

/* A problem under construction. */
typedef struct room {
    dms_life life[MOST];
    dms_lives lives;
    uint64_t random;
} room;

static uint32_t draw(room *r, uint32_t n) {
    return (uint32_t)(dms_sequence(&r->random) % n);
}

static void add(room *r, int64_t first, int64_t end, int64_t size) {
    r->life[r->lives.n++] = (dms_life){first, end, size};
    r->lives.life = r->life;
}

/* Few slots and sizes, so that much overlaps; with a cycle, some lives pass its end. */
static void make_tiny(room *r, uint64_t seed, bool is_cyclic) {
    memset(r, 0, sizeof *r);
    r->random = seed;
    const uint32_t n = 3 + draw(r, 4), slots = 3 + draw(r, 4), most = 2 + draw(r, 5);
    r->lives.cycle = is_cyclic ? slots : 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t first = draw(r, slots), room_left = is_cyclic ? slots : slots - first;
        add(r, first, first + 1 + draw(r, room_left), 1 + draw(r, most));
    }
}

/* Cuts a rectangle into n buffers that fill it: feasible without slack. */
static void cut(room *r, int64_t from, int64_t to, int64_t size, uint32_t n) {
    const bool in_time = to - from >= 2 && (size < 2 || draw(r, 2) == 0);
    if (n < 2 || (to - from < 2 && size < 2)) {
        add(r, from, to, size);
        return;
    }
    const uint32_t part = 1 + draw(r, n - 1);
    if (in_time) {
        const int64_t at = from + 1 + draw(r, (uint32_t)(to - from - 1));
        cut(r, from, at, size, part);
        cut(r, at, to, size, n - part);
    } else {
        const int64_t at = 1 + draw(r, (uint32_t)(size - 1));
        cut(r, from, to, at, part);
        cut(r, from, to, size - at, n - part);
    }
}

static bool lives_at(const room *r, uint32_t i, int64_t slot) {
    const dms_life *life = r->life + i;
    return (life->first <= slot && slot < life->end) ||
           (r->lives.cycle > 0 && slot + r->lives.cycle < life->end);
}

static bool meet(const room *r, uint32_t i, uint32_t j) {
    for (int64_t slot = 0; slot < 64; slot++)
        if (lives_at(r, i, slot) && lives_at(r, j, slot))
            return true;
    return false;
}

static int64_t peak_by_slots(const room *r) {
    int64_t peak = 0;
    for (int64_t slot = 0; slot < 64; slot++) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < r->lives.n; i++)
            sum += lives_at(r, i, slot) ? r->life[i].size : 0;
        peak = sum > peak ? sum : peak;
    }
    return peak;
}

/* Lowest free offset beside the first k of an order. */
static int64_t lowest(const room *r, const uint32_t *order, uint32_t k, const int64_t *offset) {
    int64_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t j = 0; j < k; j++) {
            const uint32_t other = order[j];
            if (meet(r, other, order[k]) && at < offset[other] + r->life[other].size &&
                offset[other] < at + r->life[order[k]].size) {
                at = offset[other] + r->life[other].size;
                moved = true;
            }
        }
    }
    return at;
}

/* The lowest top of all orders under first fit: a packing in which nothing can be dropped is what
 * first fit makes of its buffers by offset. */
static int64_t best_top(const room *r, uint32_t *order, uint32_t k, int64_t *offset, int64_t top) {
    if (k == r->lives.n)
        return top;
    int64_t best = INT64_MAX;
    for (uint32_t j = k; j < r->lives.n; j++) {
        const uint32_t kept = order[k];
        order[k] = order[j];
        order[j] = kept;
        const uint32_t i = order[k];
        offset[i] = lowest(r, order, k, offset);
        const int64_t end = offset[i] + r->life[i].size;
        const int64_t here = best_top(r, order, k + 1, offset, end > top ? end : top);
        best = here < best ? here : best;
        order[j] = order[k];
        order[k] = kept;
    }
    return best;
}

static int64_t exact_top(const room *r) {
    uint32_t order[8];
    int64_t offset[8];
    for (uint32_t i = 0; i < r->lives.n; i++)
        order[i] = i;
    return best_top(r, order, 0, offset, 0);
}

/* Searches at a capacity; what is found is proven. */
static dms_verdict search_at(room *r, int64_t capacity, const dms_search_options *options) {
    dms_arena arena = {0};
    dms_status st;
    int64_t offset[MOST];
    dms_search_result result;
    r->lives.capacity = capacity;
    assert_int_equal(dms_offsets_search(&r->lives, options, &arena, offset, &result, &st), DMS_OK);
    if (result.verdict == DMS_VERDICT_FOUND)
        assert_int_equal(dms_offsets_verify(&r->lives, offset, &arena, &st), DMS_OK);
    dms_arena_free(&arena);
    return result.verdict;
}

static int64_t peak_of(const room *r) {
    dms_arena arena = {0};
    dms_status st;
    int64_t peak;
    assert_int_equal(dms_lives_peak(&r->lives, &arena, &peak, &st), DMS_OK);
    dms_arena_free(&arena);
    return peak;
}

static void the_search_finds_a_packing_exactly_where_there_is_one(void **state) {
    (void)state;
    const dms_search_options options = {.max_nodes = 100000};
    uint32_t n_above_peak = 0;
    room r;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        make_tiny(&r, seed, seed % 2 == 0);
        const int64_t top = exact_top(&r);
        assert_int_equal(search_at(&r, top, &options), DMS_VERDICT_FOUND);
        assert_int_equal(search_at(&r, top - 1, &options), DMS_VERDICT_IMPOSSIBLE);
        n_above_peak += top > peak_by_slots(&r);
    }
    assert_true(n_above_peak >= 20); /* else the second verdict is cheap */
}

static void no_technique_changes_a_verdict(void **state) {
    (void)state;
    room r;
    for (unsigned without = 1; without < 64; without *= 2) {
        const dms_search_options options = {.max_nodes = 100000, .without = without};
        for (uint64_t seed = 1; seed <= 150; seed++) {
            make_tiny(&r, seed, seed % 2 == 0);
            const int64_t top = exact_top(&r);
            assert_int_equal(search_at(&r, top, &options), DMS_VERDICT_FOUND);
            assert_int_equal(search_at(&r, top - 1, &options), DMS_VERDICT_IMPOSSIBLE);
        }
    }
}

static void rectangles_that_were_cut_apart_are_put_together(void **state) {
    (void)state;
    const dms_search_options options = {.max_nodes = 200000};
    room r;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        memset(&r, 0, sizeof r);
        r.random = seed;
        cut(&r, 0, 60, 500, 80);
        assert_int_equal(search_at(&r, 500, &options), DMS_VERDICT_FOUND);
    }
}

/* Every section is full: whatever cuts off a branch too early loses one of these. */
static void no_packing_without_slack_is_overlooked(void **state) {
    (void)state;
    const dms_search_options options = {.max_nodes = 4000};
    room r;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        memset(&r, 0, sizeof r);
        r.random = seed;
        cut(&r, 0, 6 + draw(&r, 8), 4 + draw(&r, 9), 9 + draw(&r, 10));
        for (uint32_t i = r.lives.n - 1; i > 0; i--) {
            const uint32_t j = draw(&r, i + 1);
            const dms_life kept = r.life[i];
            r.life[i] = r.life[j];
            r.life[j] = kept;
        }
        assert_int_equal(search_at(&r, peak_by_slots(&r), &options), DMS_VERDICT_FOUND);
    }
}

/* Random buffers, and others that fill what is left below the peak. */
static void fill(room *r, uint64_t seed) {
    int64_t load[16] = {0}, peak = 0;
    memset(r, 0, sizeof *r);
    r->random = seed;
    const uint32_t slots = 4 + draw(r, 9), n = 5 + draw(r, 8), most = 4 << draw(r, 3);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t first = draw(r, slots);
        add(r, first, first + 1 + draw(r, slots - first), 1 + draw(r, most));
        for (int64_t t = r->life[i].first; t < r->life[i].end; t++) {
            load[t] += r->life[i].size;
            peak = load[t] > peak ? load[t] : peak;
        }
    }
    for (uint32_t t = 0, end; t < slots; t = end) {
        int64_t high = load[t];
        for (end = t + 1; end < slots && draw(r, 2) == 1 && load[end] < peak; end++)
            high = load[end] > high ? load[end] : high;
        if (high < peak)
            add(r, t, end, peak - high);
    }
    r->lives.capacity = peak;
}

/* The rule of releases is where a mistake loses packings, rarely: without it the search is slower
 * and has nothing to get wrong. */
static void verdicts_with_and_without_releases_agree(void **state) {
    (void)state;
    const dms_search_options with = {.max_nodes = 3000};
    const dms_search_options none = {.max_nodes = 3000, .without = DMS_TECHNIQUE_RELEASE};
    uint32_t n_impossible = 0;
    room r;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        fill(&r, seed);
        const dms_verdict a = search_at(&r, r.lives.capacity, &with);
        const dms_verdict b = search_at(&r, r.lives.capacity, &none);
        n_impossible += a == DMS_VERDICT_IMPOSSIBLE;
        if (a != DMS_VERDICT_STOPPED && b != DMS_VERDICT_STOPPED)
            assert_int_equal(a, b);
    }
    assert_true(n_impossible >= 30);
}

static void a_search_that_is_stopped_says_so(void **state) {
    (void)state;
    const dms_search_options options = {.max_nodes = 1, .without = DMS_TECHNIQUE_SWAPS};
    room r = {.random = 3};
    cut(&r, 0, 60, 500, 80);
    assert_int_equal(search_at(&r, 500, &options), DMS_VERDICT_STOPPED);
}

static void a_search_may_be_given_so_many_looks_and_no_more(void **state) {
    (void)state;
    const dms_search_options any = {.max_nodes = 3000};
    const dms_search_options few = {.max_nodes = 3000, .max_looks = 10};
    uint32_t n_stopped = 0;
    room r;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        fill(&r, seed);
        const dms_verdict full = search_at(&r, r.lives.capacity, &any);
        const dms_verdict found = search_at(&r, r.lives.capacity, &few);
        if (found != DMS_VERDICT_STOPPED)
            assert_int_equal(found, full);
        n_stopped += found == DMS_VERDICT_STOPPED && full != DMS_VERDICT_STOPPED;
    }
    assert_in_range(n_stopped, 3, 297);
}

static void a_buffer_larger_than_the_capacity_is_impossible(void **state) {
    (void)state;
    const dms_search_options options = {0};
    room r = {0};
    assert_int_equal(search_at(&r, 0, &options), DMS_VERDICT_FOUND);
    add(&r, 0, 1, 512);
    assert_int_equal(search_at(&r, 511, &options), DMS_VERDICT_IMPOSSIBLE);
    assert_int_equal(search_at(&r, 512, &options), DMS_VERDICT_FOUND);
}

static void peaks_are_those_of_the_slots(void **state) {
    (void)state;
    room r;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        make_tiny(&r, seed, seed % 2 == 0);
        assert_int_equal(peak_of(&r), peak_by_slots(&r));
    }
}

static void greedy_packings_overlap_nowhere_and_do_not_depend_on_luck(void **state) {
    (void)state;
    room r = {.random = 7, .lives.cycle = 50};
    for (uint32_t i = 0; i < 300; i++) {
        const uint32_t first = draw(&r, 50);
        add(&r, first, first + 1 + draw(&r, i % 10 == 0 ? 60 : 8), 1 + draw(&r, 1000));
    }
    dms_arena arena = {0};
    dms_status st;
    int64_t offset[MOST], again[MOST], top, top_again, top_promoted;
    assert_int_equal(dms_offsets_greedy(&r.lives, 0, 0, &arena, offset, &top, &st), DMS_OK);
    assert_int_equal(dms_offsets_greedy(&r.lives, 0, 0, &arena, again, &top_again, &st), DMS_OK);
    assert_int_equal(top, top_again);
    assert_memory_equal(offset, again, r.lives.n * sizeof *offset);
    assert_true(top >= peak_of(&r));
    r.lives.capacity = top;
    assert_int_equal(dms_offsets_verify(&r.lives, offset, &arena, &st), DMS_OK);
    r.lives.capacity = top - 1; /* the buffer that ends highest no longer fits */
    assert_int_equal(dms_offsets_verify(&r.lives, offset, &arena, &st), DMS_EPLAN);
    r.lives.capacity = 0;
    assert_int_equal(dms_offsets_greedy(&r.lives, 300, 1, &arena, again, &top_promoted, &st),
                     DMS_OK);
    assert_true(top_promoted < top);
    r.lives.capacity = top_promoted;
    assert_int_equal(dms_offsets_verify(&r.lives, again, &arena, &st), DMS_OK);
    dms_arena_free(&arena);
}

static void an_overlap_is_found_round_the_end_of_the_cycle(void **state) {
    (void)state;
    room r = {.lives = {.cycle = 10, .capacity = 100}};
    add(&r, 8, 12, 30); /* slots 8, 9, 0, 1 */
    add(&r, 2, 8, 30);
    add(&r, 1, 2, 30);
    dms_arena arena = {0};
    dms_status st;
    const int64_t apart[] = {0, 0, 30}, over[] = {0, 0, 29}, below[] = {0, 0, -1};
    assert_int_equal(dms_offsets_verify(&r.lives, apart, &arena, &st), DMS_OK);
    assert_int_equal(dms_offsets_verify(&r.lives, over, &arena, &st), DMS_EPLAN);
    assert_non_null(strstr(st.msg, "buffers 0 and 2 overlap"));
    assert_int_equal(dms_offsets_verify(&r.lives, below, &arena, &st), DMS_EPLAN);
    dms_arena_free(&arena);
}

static void no_memory_is_an_error_and_not_a_verdict(void **state) {
    (void)state;
    room r = {.random = 5};
    cut(&r, 0, 40, 400, 60);
    r.lives.capacity = 400;
    for (uint64_t n = 1; n < 200; n++) {
        dms_arena arena = {.fail_at = n};
        dms_status st;
        int64_t offset[MOST];
        dms_search_result result;
        const dms_search_options options = {0};
        const dms_code code = dms_offsets_search(&r.lives, &options, &arena, offset, &result, &st);
        const bool has_failed = arena.has_failed;
        dms_arena_free(&arena);
        assert_int_equal(code, has_failed ? DMS_EINTERNAL : DMS_OK);
        if (!has_failed)
            return;
    }
    fail();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_finds_a_packing_exactly_where_there_is_one),
        cmocka_unit_test(no_technique_changes_a_verdict),
        cmocka_unit_test(rectangles_that_were_cut_apart_are_put_together),
        cmocka_unit_test(no_packing_without_slack_is_overlooked),
        cmocka_unit_test(verdicts_with_and_without_releases_agree),
        cmocka_unit_test(a_search_that_is_stopped_says_so),
        cmocka_unit_test(a_search_may_be_given_so_many_looks_and_no_more),
        cmocka_unit_test(a_buffer_larger_than_the_capacity_is_impossible),
        cmocka_unit_test(peaks_are_those_of_the_slots),
        cmocka_unit_test(greedy_packings_overlap_nowhere_and_do_not_depend_on_luck),
        cmocka_unit_test(an_overlap_is_found_round_the_end_of_the_cycle),
        cmocka_unit_test(no_memory_is_an_error_and_not_a_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
