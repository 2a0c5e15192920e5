/* test_place_rules.c - the rules that people place by, worked out again by the slowest means. Each
 * rule is told by whom it keeps; slots and simulator turn that into a period (test_place_slots.c,
 * test_place_events.c: whether they are right), and the scored candidate must be as fast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_draft.h"

#define MOST_GAPS 128
#define N_RESERVES 6

/* Keeps of one rule for a reserve of free units in every slot. */
typedef void keeps_of(const placer_case *p, int64_t reserve, uint8_t *keep);

static bool is_weight(const dms_cycle *cycle, uint32_t gap) {
    return cycle->problem->tensors[cycle->gap[gap].tensor].kind == DMS_PROBLEM_WEIGHT;
}

/* Everything stays that is no weight; only an input comes anew. */
static void keep_no_weight(const placer_case *p, uint8_t *keep) {
    for (uint32_t g = 0; g < p->cycle.n_gaps; g++)
        keep[g] = !is_weight(&p->cycle, g) && p->cycle.gap[g].rule != DMS_GAP_LOADED;
}

/* Whether every slot holds these keeps and `reserve` more. */
static bool fits(const placer_case *p, const uint8_t *keep, int64_t reserve) {
    return draft_peak(&p->cycle, keep) + reserve <= p->placer.budget;
}

static void none(const placer_case *p, int64_t reserve, uint8_t *keep) {
    (void)reserve;
    keep_no_weight(p, keep);
}

/* Weights in order, each whole, while they and the reserve fit in the slots of their gaps. */
static void first_ones(const placer_case *p, int64_t reserve, uint8_t *keep) {
    const dms_cycle *cycle = &p->cycle;
    keep_no_weight(p, keep);
    for (uint32_t i = 0; i < cycle->n_tensors; i++) {
        if (cycle->problem->tensors[i].kind != DMS_PROBLEM_WEIGHT)
            continue;
        bool has_room = true;
        for (uint32_t g = cycle->first_gap[i]; g < cycle->first_gap[i + 1]; g++)
            keep[g] = 1;
        for (uint32_t g = cycle->first_gap[i]; g < cycle->first_gap[i + 1]; g++)
            for (int32_t s = cycle->gap[g].a + 1; s < cycle->gap[g].b; s++)
                has_room = has_room && draft_held(cycle, keep, s % cycle->n_steps) + reserve <=
                                           p->placer.budget;
        for (uint32_t g = cycle->first_gap[i]; g < cycle->first_gap[i + 1]; g++)
            keep[g] = has_room;
    }
}

/* The same share of every weight: of weights of one size, in order of use, the k-th stays when
 * share x (k + 1) passes the next half. Where too many do, they leave in order of id. */
static void evenly(const placer_case *p, int64_t reserve, uint8_t *keep) {
    const dms_cycle *cycle = &p->cycle;
    int64_t weights = 1;
    keep_no_weight(p, keep);
    const double room = (double)(p->placer.budget - draft_peak(cycle, keep) - reserve);
    for (uint32_t g = 0; g < cycle->n_gaps; g++)
        weights += is_weight(cycle, g) ? cycle->gap[g].units : 0;
    double share = room / (double)weights, owed = 0;
    share = share > 1 ? 1 : share < 0 ? 0 : share;
    for (int32_t t = 0; t < cycle->n_steps; t++)
        for (uint32_t g = 0; g < cycle->n_gaps; g++) {
            if (!is_weight(cycle, g) || cycle->gap[g].due != t)
                continue;
            owed += share * (double)cycle->gap[g].units;
            keep[g] = owed >= (double)cycle->gap[g].units * 0.5;
            owed -= keep[g] ? (double)cycle->gap[g].units : 0;
        }
    for (uint32_t g = 0; g < cycle->n_gaps && !fits(p, keep, reserve); g++)
        if (is_weight(cycle, g))
            keep[g] = 0;
}

/* A cache that is told the future. */
typedef struct cache {
    uint32_t gap[MOST_GAPS];
    int32_t next[MOST_GAPS]; /* when each is used again */
    uint32_t n;
} cache;

static void drop(cache *c, uint32_t k) {
    c->n--;
    c->gap[k] = c->gap[c->n];
    c->next[k] = c->next[c->n];
}

static int64_t sum_of(const cache *c, const dms_cycle *cycle) {
    int64_t sum = 0;
    for (uint32_t k = 0; k < c->n; k++)
        sum += cycle->gap[c->gap[k]].units;
    return sum;
}

/* Who is used again last; of two, the one with the larger id. */
static uint32_t farthest(const cache *c) {
    uint32_t best = 0;
    for (uint32_t k = 1; k < c->n; k++)
        if (c->next[k] > c->next[best] || (c->next[k] == c->next[best] && c->gap[k] > c->gap[best]))
            best = k;
    return best;
}

/* Three turns of a cached run: a weight that was used stays until the room is needed. */
static void as_a_cache(const placer_case *p, int64_t reserve, uint8_t *keep) {
    const dms_cycle *cycle = &p->cycle;
    const int32_t n = cycle->n_steps;
    cache c = {.n = 0};
    uint8_t others[MOST_GAPS];
    keep_no_weight(p, others);
    keep_no_weight(p, keep);
    for (int32_t now = 0; now < 3 * n; now++) {
        for (uint32_t k = c.n; k-- > 0;)
            if (c.next[k] == now)
                drop(&c, k);
        for (uint32_t g = 0; g < cycle->n_gaps; g++)
            if (is_weight(cycle, g) && cycle->gap[g].a == now % n) {
                c.gap[c.n] = g;
                c.next[c.n++] = now - cycle->gap[g].a + cycle->gap[g].b;
                keep[g] = 1;
            }
        const int64_t room = p->placer.budget - draft_held(cycle, others, (now + 1) % n) - reserve;
        while (c.n > 0 && sum_of(&c, cycle) > room) {
            const uint32_t k = farthest(&c);
            keep[c.gap[k]] = 0;
            drop(&c, k);
        }
    }
}

/* Keeps, slots and times of a rule at one reserve; false where they do not fit. */
static bool run_rule(placer_case *p, keeps_of *rule, dms_slot_mode mode, int64_t reserve) {
    dms_draft *draft = &p->placer.trial;
    keep_no_weight(p, draft->keep);
    if (!fits(p, draft->keep, rule == none ? 0 : reserve))
        return false;
    rule(p, reserve, draft->keep);
    if (rule == as_a_cache) /* what the cache cannot see: footprints inside a gap */
        dms_round_thin(&p->cycle, &p->placer.work, p->placer.budget - reserve, draft->keep);
    return dms_slots(&p->cycle, &p->placer.work, p->placer.budget, mode, draft) &&
           dms_simulate(&p->cycle, &p->placer.work, 6, draft);
}

/* The period of a rule at its best reserve, its queue put in order of deadline. */
static int64_t best_of(placer_case *p, keeps_of *rule, dms_slot_mode mode) {
    const int64_t times[N_RESERVES] = {0, 1, 2, 4, 8, 16};
    dms_draft *draft = &p->placer.trial;
    int64_t best = DMS_NO_PERIOD, reserve = 0;
    for (uint32_t i = 0; i < (rule == none ? 1 : N_RESERVES); i++)
        if (run_rule(p, rule, mode, times[i] * p->cycle.largest) && draft->period_ns < best) {
            best = draft->period_ns;
            reserve = times[i] * p->cycle.largest;
        }
    if (best == DMS_NO_PERIOD || !run_rule(p, rule, mode, reserve))
        return DMS_NO_PERIOD;
    return dms_queue_by_deadline(&p->cycle, &p->placer.work, draft) ? draft->period_ns
                                                                    : DMS_NO_PERIOD;
}

/* Weights of one size or of many, and a chain of activations. */
static void draw(placer_case *p, uint64_t seed, bool one_size) {
    const uint32_t n = 6 + (uint32_t)seed % 7;
    problem_begin(&p->c, n, 0);
    p->c.random = seed * 977 + 3;
    for (uint32_t t = 0; t < n; t++) {
        p->c.problem.steps[t].ns = 5 + problem_draw(&p->c, 30);
        const uint32_t size = one_size ? 20 : 5 + problem_draw(&p->c, 40);
        const uint32_t again = t + 2 + problem_draw(&p->c, 3);
        if (!one_size && again < n && problem_draw(&p->c, 4) == 0)
            (void)problem_add(&p->c, DMS_PROBLEM_WEIGHT, size, 2, (const uint32_t[]){t, again});
        else
            (void)problem_once(&p->c, DMS_PROBLEM_WEIGHT, size, t);
        if (t + 1 < n)
            (void)problem_add(&p->c, DMS_PROBLEM_ACTIVATION, 1 + problem_draw(&p->c, 6), 2,
                              (const uint32_t[]){t, t + 1});
    }
    placer_begin(p, problem_draw(&p->c, 150));
    assert_true(p->cycle.n_gaps <= MOST_GAPS);
}

/* Scores the rules, and compares one with its slow twin. Addresses mostly cost time: `least` is how
 * many of 60 cases must be as fast as the twin, which knows none. */
static void rule_is(const char *name, keeps_of *rule, dms_slot_mode mode, bool one_size,
                    uint32_t least) {
    uint32_t n_equal = 0, n_faster = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        placer_case p;
        dms_status st;
        draw(&p, seed, one_size);
        assert_int_equal(dms_placer_rules(&p.placer, &st), DMS_OK);
        const int64_t scored = placer_period_of(&p.placer, name);
        const int64_t wanted = best_of(&p, rule, mode);
        n_equal += scored == wanted;
        n_faster += scored < wanted;
        problem_end(&p.c);
    }
    if (n_equal < least || n_faster > 3)
        fail_msg("%s: %u of 60 as fast as the rule, %u faster", name, (unsigned)n_equal,
                 (unsigned)n_faster);
}

static void on_demand_keeps_nothing_and_loads_at_the_last_moment(void **state) {
    (void)state;
    rule_is("on-demand", none, DMS_SLOT_ON_DEMAND, false, 60);
}

static void double_buffer_loads_a_layer_ahead(void **state) {
    (void)state;
    rule_is("double-buffer", none, DMS_SLOT_LAYER, false, 40);
}

static void keep_first_keeps_the_first_that_fit(void **state) {
    (void)state;
    rule_is("keep-first", first_ones, DMS_SLOT_LAYER, false, 20);
}

static void even_keeps_the_same_share_everywhere(void **state) {
    (void)state;
    rule_is("even", evenly, DMS_SLOT_EARLY, true, 30);
}

static void belady_keeps_what_a_cache_with_foresight_would(void **state) {
    (void)state;
    rule_is("belady", as_a_cache, DMS_SLOT_EARLY, false, 18);
}

/* Whether the keeps of a rule at one reserve have addresses, by any of the orders that it tries. */
static bool has_addresses(placer_case *p, keeps_of *rule, dms_slot_mode mode, int64_t reserve) {
    static const dms_fit_order ORDER[] = {DMS_FIT_LIFE, DMS_FIT_START, DMS_FIT_AREA};
    for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++) {
        const dms_fit fit = {.order = ORDER[i], .repair = 1};
        if (run_rule(p, rule, mode, reserve) && dms_placer_pass(&p->placer, &fit, "twin"))
            return true;
    }
    return false;
}

/* A reserve is room for what is on its way, and lets pieces find places: a rule has a score exactly
 * where its keeps have addresses with some reserve. */
static void a_rule_has_a_score_if_some_reserve_of_it_has_addresses(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        placer_case p;
        dms_status st;
        bool has_plan = false;
        problem_random(&p.c, seed, 24);
        placer_begin(&p, 160);
        assert_true(p.cycle.n_gaps <= MOST_GAPS);
        assert_int_equal(dms_placer_rules(&p.placer, &st), DMS_OK);
        const bool is_scored = placer_period_of(&p.placer, "belady") != DMS_NO_PERIOD;
        for (int64_t k = 0; k <= 16; k = k == 0 ? 1 : 2 * k) {
            const int64_t reserve = k * p.cycle.largest;
            const bool runs = run_rule(&p, as_a_cache, DMS_SLOT_EARLY, reserve);
            has_plan |= runs && has_addresses(&p, as_a_cache, DMS_SLOT_EARLY, reserve);
        }
        assert_int_equal(is_scored, has_plan);
        problem_end(&p.c);
    }
}

/* Every load stalls its step for the whole copy: 1 ns a unit. */
static void on_demand_takes_the_steps_and_all_copies(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        placer_case p;
        dms_status st;
        int64_t wanted = 0;
        draw(&p, seed, false);
        for (uint32_t g = 0; g < p.cycle.n_gaps; g++)
            wanted += is_weight(&p.cycle, g) ? p.cycle.gap[g].units : 0;
        assert_int_equal(dms_placer_rules(&p.placer, &st), DMS_OK);
        assert_int_equal(placer_period_of(&p.placer, "on-demand"), wanted + p.cycle.compute_ns);
        problem_end(&p.c);
    }
}

/* By hand: weights of 20, 15 and 10 units at steps 0, 1 and 2 of 10 ns, room for 35. The first
 * fits beside every step (20 + 15), the second not beside step 0, the third beside none of both:
 * 15 + 10 ns of copies, of which a layer ahead hides what a link can carry in the other steps. */
static void keep_first_by_hand(void **state) {
    (void)state;
    placer_case p;
    dms_status st;
    uint8_t keep[3];
    problem_begin(&p.c, 3, 10);
    (void)problem_once(&p.c, DMS_PROBLEM_WEIGHT, 20, 0);
    (void)problem_once(&p.c, DMS_PROBLEM_WEIGHT, 15, 1);
    (void)problem_once(&p.c, DMS_PROBLEM_WEIGHT, 10, 2);
    placer_begin(&p, 15);
    assert_int_equal(p.placer.budget, 35);
    first_ones(&p, 0, keep);
    assert_memory_equal(keep, ((const uint8_t[]){1, 0, 0}), 3);
    first_ones(&p, 5, keep); /* 20 + 15 + 5 is too much, and so is the second; the third fits */
    assert_memory_equal(keep, ((const uint8_t[]){0, 0, 1}), 3);
    assert_int_equal(dms_placer_rules(&p.placer, &st), DMS_OK);
    assert_true(placer_period_of(&p.placer, "keep-first") >= 30);
    problem_end(&p.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_demand_keeps_nothing_and_loads_at_the_last_moment),
        cmocka_unit_test(double_buffer_loads_a_layer_ahead),
        cmocka_unit_test(keep_first_keeps_the_first_that_fit),
        cmocka_unit_test(even_keeps_the_same_share_everywhere),
        cmocka_unit_test(belady_keeps_what_a_cache_with_foresight_would),
        cmocka_unit_test(a_rule_has_a_score_if_some_reserve_of_it_has_addresses),
        cmocka_unit_test(on_demand_takes_the_steps_and_all_copies),
        cmocka_unit_test(keep_first_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
