/* test_place_early.c - loads of equal size get early slots: there is no other way of giving slots,
 * in order of deadline, that begins one of them sooner and none later. By trying all ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

#define MOST_LOADS 5
#define SIZE 10

/* A cycle with loads in order of deadline, and every way of giving them slots. */
typedef struct search {
    draft_case d;
    int64_t budget;
    uint32_t n, load[MOST_LOADS];                 /* gaps by deadline */
    int32_t after[MOST_LOADS], given[MOST_LOADS]; /* of the way that is tried, of dms_slots */
    uint32_t n_ways, n_better;
} search;

/* Steps with activations of any size, and up to five weights of one size. */
static void draw(search *s, uint64_t seed) {
    problem_case *c = &s->d.c;
    const uint32_t n = 5 + (uint32_t)seed % 3;
    memset(s, 0, sizeof *s);
    problem_begin(c, n, 10);
    c->random = seed * 71 + 3;
    for (uint32_t t = 0; t < n; t++)
        (void)problem_once(c, DMS_PROBLEM_ACTIVATION, 1 + problem_draw(c, 35), t);
    for (uint32_t k = 0; k < 3 + seed % 3; k++)
        (void)problem_once(c, DMS_PROBLEM_WEIGHT, SIZE, problem_draw(c, n));
    draft_begin(&s->d);
    s->budget = s->d.cycle.peak + problem_draw(c, 3 * SIZE);
    for (uint32_t i = 0; i < s->d.cycle.n_gaps; i++)
        s->load[s->n++] = s->d.cycle.by_due[i];
    assert_true(s->n <= MOST_LOADS);
}

/* What the slots hold with these starts: footprints, and each load from its slot to its step. */
static bool fits(const search *s) {
    const int32_t n = s->d.cycle.n_steps;
    for (int32_t t = 0; t < n; t++) {
        int64_t held = s->d.cycle.footprint[t];
        for (uint32_t k = 0; k < s->n; k++)
            for (int32_t slot = s->after[k] + 1; slot < s->d.cycle.gap[s->load[k]].due; slot++)
                held += (slot + n) % n == t ? SIZE : 0;
        if (held > s->budget)
            return false;
    }
    return true;
}

/* Tries every start of load k and those behind it; a load never begins before one that is due
 * sooner. */
static void try_all(search *s, uint32_t k) {
    if (k == s->n) {
        if (!fits(s))
            return;
        bool is_sooner = false, is_later = false;
        for (uint32_t i = 0; i < s->n; i++) {
            is_sooner = is_sooner || s->after[i] < s->given[i];
            is_later = is_later || s->after[i] > s->given[i];
        }
        s->n_ways++;
        s->n_better += is_sooner && !is_later;
        return;
    }
    const dms_gap *gap = s->d.cycle.gap + s->load[k];
    int32_t first = gap->a - (gap->b - gap->due);
    if (k > 0 && first < s->after[k - 1])
        first = s->after[k - 1];
    for (s->after[k] = first; s->after[k] < gap->due; s->after[k]++)
        try_all(s, k + 1);
}

static void no_way_begins_a_load_sooner_and_none_later(void **state) {
    (void)state;
    uint32_t n_many = 0, n_early = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        search s;
        draw(&s, seed);
        assert_true(dms_slots(&s.d.cycle, &s.d.work, s.budget, DMS_SLOT_EARLY, &s.d.draft));
        assert_int_equal(s.d.draft.n_loads, s.n);
        for (uint32_t q = 0; q < s.n; q++)
            for (uint32_t k = 0; k < s.n; k++)
                if (s.d.draft.load[q] == s.load[k])
                    s.given[k] = s.after[k] = s.d.draft.after[q];
        assert_true(fits(&s)); /* it is a way itself */
        for (uint32_t k = 0; k < s.n; k++)
            n_early += s.given[k] < s.d.cycle.gap[s.load[k]].due - 1;
        try_all(&s, 0);
        if (s.n_better > 0)
            fail_msg("seed %u: %u of %u ways are better", (unsigned)seed, (unsigned)s.n_better,
                     (unsigned)s.n_ways);
        n_many += s.n_ways > 5;
        problem_end(&s.d.c);
    }
    assert_true(n_many > 30 && n_early > 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_way_begins_a_load_sooner_and_none_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
