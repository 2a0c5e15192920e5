/* test_place_damage.c - decisions are damaged at random. What the verifier still lets pass is right
 * by a second proof, which looks at every slot, every pair and every copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_problem.h"
#include "support_rounds.h"

/* ---- the second proof ------------------------------------------------------------------------ */

/* What is wrong with a decision; NULL = nothing. */
typedef const char *proof(const dms_problem *p, const dms_decision *d);

static uint64_t rounded(uint64_t bytes) {
    return (bytes + UNIT - 1) / UNIT * UNIT;
}

static bool wraps(const dms_problem_tensor *t) {
    return t->kind == DMS_PROBLEM_WEIGHT || t->kind == DMS_PROBLEM_INPUT;
}

/* Whether a run of slots holds slot t of the cycle. */
static bool covers(const dms_problem *p, int64_t first, int64_t last, int64_t t) {
    for (int64_t s = first; s <= last && s < first + p->n_steps; s++)
        if ((s % p->n_steps + p->n_steps) % p->n_steps == t)
            return true;
    return false;
}

/* A range of the arena that is taken in slot t, if it is. */
typedef struct taken {
    uint64_t low, high;
} taken;

static bool taken_by(const dms_problem *p, const dms_decision *d, uint32_t i, uint32_t t,
                     taken *out) {
    if (i == d->n_residencies) { /* the step's own scratch */
        const uint64_t bytes = rounded(p->steps[t].scratch_bytes);
        *out = (taken){d->scratch_offset[t], d->scratch_offset[t] + bytes};
        return bytes > 0;
    }
    const dms_place_residency *r = d->residencies + i;
    *out = (taken){r->offset, r->offset + rounded(p->tensors[r->tensor].bytes)};
    return covers(p, r->first_slot, r->last_slot, t);
}

static const char *nothing_overlaps(const dms_problem *p, const dms_decision *d) {
    for (uint32_t t = 0; t < p->n_steps; t++)
        for (uint32_t i = 0; i <= d->n_residencies; i++) {
            taken a, b;
            if (!taken_by(p, d, i, t, &a))
                continue;
            if (a.low % UNIT != 0 || a.high > d->device_budget)
                return "outside the budget, or not aligned";
            for (uint32_t j = 0; j < i; j++)
                if (taken_by(p, d, j, t, &b) && a.low < b.high && b.low < a.high)
                    return "two ranges overlap";
        }
    return NULL;
}

static const char *every_touch_has_one_place(const dms_problem *p, const dms_decision *d) {
    for (uint32_t id = 0; id < p->n_tensors; id++)
        for (uint32_t k = 0; k < p->tensors[id].n_touches; k++) {
            const uint32_t step = p->touches[p->tensors[id].first_touch + k];
            uint32_t n = 0;
            for (uint32_t i = 0; i < d->n_residencies; i++)
                n += d->residencies[i].tensor == id &&
                     covers(p, d->residencies[i].first_slot, d->residencies[i].last_slot, step);
            if (n != 1)
                return "a touch without a place, or with two";
        }
    return NULL;
}

/* The step of touch k of a tensor, counted on into the next cycle. */
static int64_t touch_of(const dms_problem *p, const dms_problem_tensor *t, uint32_t k) {
    return (int64_t)p->touches[t->first_touch + k % t->n_touches] +
           (int64_t)(k / t->n_touches) * p->n_steps;
}

/* A copy in lands in a place that begins with it and lasts to its step; it begins after the touch
 * before it, and, of an activation, after the copy out. */
static const char *loads_are_in_their_gaps(const dms_problem *p, const dms_decision *d) {
    for (uint32_t q = 0; q < d->n_loads; q++) {
        const dms_place_load *l = d->loads + q;
        const dms_problem_tensor *t = p->tensors + l->tensor;
        const int64_t a = touch_of(p, t, l->gap), b = touch_of(p, t, l->gap + 1);
        const int64_t turn = b - b % p->n_steps;
        uint32_t n = 0;
        for (uint32_t i = 0; i < d->n_residencies; i++) {
            const dms_place_residency *r = d->residencies + i;
            n += r->tensor == l->tensor && r->gap == (int32_t)l->gap &&
                 r->first_slot == l->after + 1 && r->last_slot >= (int32_t)l->due;
        }
        if (n != 1 || l->due != b % p->n_steps)
            return "a load without a place that waits for it";
        if (l->after + turn < a || l->after >= (int32_t)l->due)
            return "a load outside its gap";
        for (uint32_t s = 0; s < d->n_saves && !wraps(t); s++)
            if (d->saves[s].tensor == l->tensor && l->after + 1 < (int32_t)d->saves[s].before)
                return "a load before its save has ended";
    }
    return NULL;
}

/* What a copy out reads stays where it is until its slot `before`, and is complete by then. */
static const char *saves_read_what_is_there(const dms_problem *p, const dms_decision *d) {
    for (uint32_t q = 0; q < d->n_saves; q++) {
        const dms_place_save *s = d->saves + q;
        bool stays = false;
        for (uint32_t i = 0; i < d->n_residencies; i++) {
            const dms_place_residency *r = d->residencies + i;
            stays = stays || (r->tensor == s->tensor && r->gap == DMS_PLACE_PRODUCED &&
                              r->last_slot >= (int32_t)s->before - 1);
        }
        if (!stays || wraps(p->tensors + s->tensor) || s->before <= s->after)
            return "a save of what is not there";
    }
    for (uint32_t id = 0; id < p->n_tensors; id++) {
        uint32_t n = 0, n_loads = 0;
        for (uint32_t q = 0; q < d->n_saves; q++)
            n += d->saves[q].tensor == id;
        for (uint32_t q = 0; q < d->n_loads; q++)
            n_loads += d->loads[q].tensor == id;
        const dms_problem_kind kind = p->tensors[id].kind;
        if (n > 1 || (n == 0 && (kind == DMS_PROBLEM_OUTPUT ||
                                 (kind == DMS_PROBLEM_ACTIVATION && n_loads > 0))))
            return "an output or an activation that is not saved, or saved twice";
    }
    return NULL;
}

/* A queue in order: nothing may stand behind a copy that begins only after its own step. */
static const char *queues_do_not_wait_for_themselves(const dms_problem *p, const dms_decision *d) {
    for (uint32_t q = 0; q < d->n_loads; q++)
        for (uint32_t before = 0; before <= q; before++)
            if (d->loads[before].after + 1 > (int32_t)d->loads[q].due)
                return "the queue in waits for itself";
    for (uint32_t q = 0; q < d->n_saves; q++)
        for (uint32_t before = 0; before <= q; before++)
            if (d->saves[before].after >= d->saves[q].before)
                return "the queue out waits for itself";
    (void)p;
    return NULL;
}

static proof *const PROOFS[] = {nothing_overlaps, every_touch_has_one_place,
                                loads_are_in_their_gaps, saves_read_what_is_there,
                                queues_do_not_wait_for_themselves};

static const char *wrong_with(const dms_problem *p, const dms_decision *d) {
    const char *what = NULL;
    for (size_t k = 0; k < sizeof PROOFS / sizeof *PROOFS && what == NULL; k++)
        what = PROOFS[k](p, d);
    return what;
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* A number near another one, or a far one. */
static int32_t near_to(problem_case *c, int64_t value) {
    return problem_draw(c, 5) == 0 ? (int32_t)problem_draw(c, 1000) - 500
                                   : (int32_t)(value - 2 + (int64_t)problem_draw(c, 5));
}

static void damage_load(problem_case *c, dms_decision *d) {
    if (d->n_loads == 0)
        return;
    dms_place_load *l = d->loads + problem_draw(c, d->n_loads);
    dms_place_load *other = d->loads + problem_draw(c, d->n_loads), kept = *l;
    switch (problem_draw(c, 6)) {
    case 0:
        l->tensor = problem_draw(c, c->problem.n_tensors + 1);
        return;
    case 1:
        l->gap = (uint32_t)near_to(c, l->gap);
        return;
    case 2:
        l->after = near_to(c, l->after);
        return;
    case 3:
        l->due = (uint32_t)near_to(c, l->due);
        return;
    case 4:
        *l = *other;
        *other = kept;
        return;
    default: /* later, and its place as well */
        l->after++;
        for (uint32_t i = 0; i < d->n_residencies; i++)
            if (d->residencies[i].tensor == l->tensor && d->residencies[i].gap == (int32_t)l->gap)
                d->residencies[i].first_slot++;
    }
}

static void damage_save(problem_case *c, dms_decision *d) {
    if (d->n_saves == 0)
        return;
    dms_place_save *s = d->saves + problem_draw(c, d->n_saves);
    dms_place_save *other = d->saves + problem_draw(c, d->n_saves), kept = *s;
    switch (problem_draw(c, 4)) {
    case 0:
        s->tensor = problem_draw(c, c->problem.n_tensors + 1);
        return;
    case 1:
        s->after = (uint32_t)near_to(c, s->after);
        return;
    case 2:
        s->before = (uint32_t)near_to(c, s->before);
        return;
    default:
        *s = *other;
        *other = kept;
    }
}

static void damage_place(problem_case *c, dms_decision *d) {
    dms_place_residency *r = d->residencies + problem_draw(c, d->n_residencies);
    switch (problem_draw(c, 6)) {
    case 0:
        r->tensor = problem_draw(c, c->problem.n_tensors + 1);
        return;
    case 1:
        r->gap = near_to(c, r->gap);
        return;
    case 2:
        r->first_slot = near_to(c, r->first_slot);
        return;
    case 3:
        r->last_slot = near_to(c, r->last_slot);
        return;
    case 4:
        r->offset += (uint64_t)((int64_t)problem_draw(c, 5) - 2) * UNIT;
        return;
    default:
        r->offset = problem_draw(c, (uint32_t)(d->device_budget / UNIT)) * (uint64_t)UNIT +
                    (problem_draw(c, 8) == 0);
    }
}

static void damage(problem_case *c, dms_decision *d) {
    switch (problem_draw(c, 8)) {
    case 0:
    case 1:
        damage_load(c, d);
        return;
    case 2:
        damage_save(c, d);
        return;
    case 3:
    case 4:
        damage_place(c, d);
        return;
    case 5:
        d->keep[problem_draw(c, c->problem.n_touches)] ^= 1;
        return;
    case 6:
        d->scratch_offset[problem_draw(c, c->problem.n_steps)] =
            problem_draw(c, (uint32_t)(d->device_budget / UNIT)) * (uint64_t)UNIT;
        return;
    default: /* something is missing */
        if (problem_draw(c, 3) == 0 && d->n_residencies > 0)
            d->n_residencies--;
        else if (problem_draw(c, 2) && d->n_saves > 0)
            d->n_saves--;
        else if (d->n_loads > 0)
            d->n_loads--;
    }
}

static void decisions_are_right_by_both_proofs(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS_OF(40, 12); seed++) {
        problem_case c;
        problem_random(&c, seed, 4 + (uint32_t)seed % 15);
        const dms_decision d = problem_place(&c, problem_floor(&c) + 3 * seed);
        const char *what = wrong_with(&c.problem, &d);
        if (what != NULL)
            fail_msg("seed %u: %s", (unsigned)seed, what);
        problem_end(&c);
    }
}

#define DAMAGED ROUNDS_OF(125u, 30u)
#define TIMES 8u /* each: to plan takes longer than to check */

static void *copied(problem_case *c, const void *from, uint64_t n, size_t size) {
    void *to = dms_alloc(&c->arena, n + 1, size);
    assert_non_null(to);
    if (n > 0)
        memcpy(to, from, n * size);
    return to;
}

/* A decision with what `damage` changes of its own. */
static dms_decision another(problem_case *c, const dms_decision *d) {
    dms_decision out = *d;
    out.keep = copied(c, d->keep, c->problem.n_touches, sizeof *d->keep);
    out.loads = copied(c, d->loads, d->n_loads, sizeof *d->loads);
    out.saves = copied(c, d->saves, d->n_saves, sizeof *d->saves);
    out.residencies = copied(c, d->residencies, d->n_residencies, sizeof *d->residencies);
    out.scratch_offset = copied(c, d->scratch_offset, c->problem.n_steps, sizeof(uint64_t));
    return out;
}

/* Whether the verifier lets a damaged copy pass, which is right then. */
static bool passes_after_damage(problem_case *c, const dms_decision *good, uint64_t seed) {
    dms_status st = {0};
    dms_decision d = another(c, good);
    c->random = seed * 7907 + 1;
    for (uint32_t k = 1 + problem_draw(c, 2); k > 0; k--)
        damage(c, &d);
    if (dms_decision_verify(&c->problem, &d, &c->arena, &st) != DMS_OK) {
        assert_int_equal(st.code, DMS_EPLAN);
        return false;
    }
    const char *what = wrong_with(&c->problem, &d);
    if (what != NULL)
        fail_msg("seed %u: the verifier lets pass: %s", (unsigned)seed, what);
    return true;
}

static void what_passes_after_damage_is_right_all_the_same(void **state) {
    (void)state;
    uint32_t n_passed = 0;
    for (uint64_t seed = 1; seed <= DAMAGED; seed++) {
        problem_case c;
        problem_random(&c, seed % 50 + 1, 4 + (uint32_t)seed % 9);
        c.random = seed * 6151;
        const dms_decision d = problem_place(&c, problem_floor(&c) + problem_draw(&c, 90));
        for (uint64_t k = 0; k < TIMES; k++)
            n_passed += passes_after_damage(&c, &d, TIMES * seed + k);
        problem_end(&c);
    }
    const uint32_t n = DAMAGED * TIMES;
    assert_true(n_passed > n / 25 && n_passed < n / 5 * 3);
}

/* a is dead after step 1; a copy out until slot 4 would read what others may write by then. */
static void a_save_that_nobody_reads_is_refused(void **state) {
    (void)state;
    problem_case c;
    dms_status st;
    problem_begin(&c, 6, 10);
    const uint32_t a = problem_add(&c, DMS_PROBLEM_ACTIVATION, 5, 2, (const uint32_t[]){0, 1});
    (void)problem_once(&c, DMS_PROBLEM_OUTPUT, 5, 5);
    dms_decision d = problem_place(&c, 20);
    dms_place_save saves[2] = {{.tensor = a, .after = 1, .before = 4}};
    assert_int_equal(d.n_saves, 1);
    saves[1] = d.saves[0];
    d.saves = saves;
    d.n_saves = 2;
    assert_int_equal(dms_decision_verify(&c.problem, &d, &c.arena, &st), DMS_EPLAN);
    assert_non_null(strstr(st.msg, "never comes back"));
    problem_end(&c);
}

/* -1 says that something is produced; no other negative number says anything. */
static void a_residency_begins_with_a_gap_or_a_production(void **state) {
    (void)state;
    problem_case c;
    dms_status st;
    problem_begin(&c, 4, 10);
    (void)problem_once(&c, DMS_PROBLEM_OUTPUT, 5, 3);
    const dms_decision d = problem_place(&c, 20);
    for (int32_t gap = -4; gap <= 2; gap++) {
        d.residencies[0].gap = gap;
        assert_int_equal(dms_decision_verify(&c.problem, &d, &c.arena, &st) == DMS_OK,
                         gap == DMS_PLACE_PRODUCED);
    }
    problem_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_right_by_both_proofs),
        cmocka_unit_test(what_passes_after_damage_is_right_all_the_same),
        cmocka_unit_test(a_save_that_nobody_reads_is_refused),
        cmocka_unit_test(a_residency_begins_with_a_gap_or_a_production),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
