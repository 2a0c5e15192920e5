/* support_problem.c - see support_problem.h. */
#include "support_problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void problem_begin(problem_case *c, uint32_t n_steps, int64_t ns) {
    const dms_link link = {.bytes_per_s = UNIT * 1000000000ll, .latency_ns = 0};
    memset(c, 0, sizeof *c);
    c->problem.name = "case";
    c->problem.in = c->problem.out = c->problem.load = c->problem.store = link;
    c->problem.host_mem = UINT64_MAX;
    c->problem.n_steps = n_steps;
    c->problem.steps = DMS_NEW(&c->arena, dms_problem_step, n_steps);
    assert_non_null(c->problem.steps);
    for (uint32_t t = 0; t < n_steps; t++)
        c->problem.steps[t] = (dms_problem_step){.ns = ns, .layer = t / 4};
}

void problem_end(problem_case *c) {
    dms_arena_free(&c->arena);
}

uint32_t problem_add(problem_case *c, dms_problem_kind kind, uint64_t units, uint32_t n_touches,
                     const uint32_t *touch) {
    dms_problem *p = &c->problem;
    dms_status st;
    if (dms_grow(&c->arena, &p->tensors, &c->cap_tensors, (uint64_t)p->n_tensors + 1,
                 sizeof *p->tensors, &st) != DMS_OK ||
        dms_grow(&c->arena, &p->touches, &c->cap_touches, (uint64_t)p->n_touches + n_touches,
                 sizeof *p->touches, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    p->tensors[p->n_tensors] = (dms_problem_tensor){
        .kind = kind, .bytes = units * UNIT, .first_touch = p->n_touches, .n_touches = n_touches};
    for (uint32_t k = 0; k < n_touches; k++)
        p->touches[p->n_touches++] = touch[k];
    if (kind == DMS_PROBLEM_WEIGHT)
        p->weight_bytes += units * UNIT;
    return p->n_tensors++;
}

uint32_t problem_once(problem_case *c, dms_problem_kind kind, uint64_t units, uint32_t step) {
    return problem_add(c, kind, units, 1, &step);
}

uint32_t problem_draw(problem_case *c, uint32_t n) {
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(c->random >> 33) % n;
}

/* An activation made at `t` and read by the next step, and now and then far behind. */
static void add_activation(problem_case *c, uint32_t t) {
    const uint32_t n = c->problem.n_steps;
    uint32_t touch[3] = {t, t + 1, 0}, n_touches = 2;
    if (problem_draw(c, 3) == 0 && t + 4 < n) {
        touch[2] = t + 3 + problem_draw(c, n - t - 3);
        n_touches = 3;
    }
    (void)problem_add(c, DMS_PROBLEM_ACTIVATION, 1 + problem_draw(c, 20), n_touches, touch);
}

/* A weight used by step t, one in four by another step as well. */
static void add_weight(problem_case *c, uint32_t t) {
    const uint32_t n = c->problem.n_steps;
    uint32_t touch[2] = {t, 0}, n_touches = 1;
    if (problem_draw(c, 4) == 0 && t + 1 < n) {
        touch[1] = t + 1 + problem_draw(c, n - t - 1);
        n_touches = 2;
    }
    (void)problem_add(c, DMS_PROBLEM_WEIGHT, 1 + problem_draw(c, 60), n_touches, touch);
}

void problem_random(problem_case *c, uint64_t seed, uint32_t n_steps) {
    problem_begin(c, n_steps, 0);
    c->random = seed * 7919 + 1;
    (void)problem_once(c, DMS_PROBLEM_INPUT, 1 + problem_draw(c, 8), problem_draw(c, n_steps));
    for (uint32_t t = 0; t < n_steps; t++) {
        c->problem.steps[t].ns = 5 + problem_draw(c, 40);
        if (problem_draw(c, 4) == 0)
            c->problem.steps[t].scratch_bytes = 1 + problem_draw(c, 4000);
        if (t + 1 < n_steps)
            add_activation(c, t);
        if (problem_draw(c, 3) != 0)
            add_weight(c, t);
    }
    (void)problem_once(c, DMS_PROBLEM_OUTPUT, 1 + problem_draw(c, 12), n_steps - 1);
}

dms_decision problem_place_with(problem_case *c, const dms_place_options *options) {
    dms_decision d;
    dms_place_floor floor;
    dms_status st;
    if (dms_place(&c->problem, options, &c->arena, &d, &floor, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    if (dms_decision_verify(&c->problem, &d, &c->arena, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return d;
}

dms_decision problem_place(problem_case *c, uint64_t units) {
    const dms_place_options options = {.device_budget = units * UNIT, .host_budget = UINT64_MAX};
    return problem_place_with(c, &options);
}

void problem_store(problem_case *c) {
    for (uint32_t i = 0; i < c->problem.n_tensors; i++) {
        dms_problem_tensor *t = c->problem.tensors + i;
        if (t->kind != DMS_PROBLEM_WEIGHT)
            continue;
        const uint32_t drawn = problem_draw(c, 8);
        t->storage_bytes = drawn == 0 ? 0 : drawn < 3 ? 2 * t->bytes : t->bytes;
    }
}

dms_place_floor problem_floors(problem_case *c, const dms_place_options *options) {
    dms_place_floor floor;
    dms_status st;
    if (dms_floor(&c->problem, options, &c->arena, &floor, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return floor;
}

uint64_t problem_floor(problem_case *c) {
    const dms_place_options options = {.device_budget = UINT64_MAX, .host_budget = UINT64_MAX};
    const dms_place_floor floor = problem_floors(c, &options);
    assert_int_equal(floor.device_bytes % UNIT, 0);
    return floor.device_bytes / UNIT;
}
