/* test_compile_rungs.c - separate compiles at rising budgets: periods rise by 0.5 % at most, which
 * single searches do not promise; what is said of the budget is true of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/emit.h"
#include "support_onnx.h"
#include "support_rounds.h"

#define HOST ((uint64_t)1 << 40)

/* A chain of products of very different sizes behind a slow link. */
typedef struct rungs_case {
    onnx_case onnx;
    dms_arena arena;
    uint64_t random;
} rungs_case;

static void begin(rungs_case *t, uint32_t n, uint64_t seed) {
    memset(t, 0, sizeof *t);
    dms_arena_init(&t->arena, 0);
    t->random = seed;
    onnx_begin(&t->onnx, 17);
    onnx_products(&t->onnx, n, seed);
    size_t size;
    const uint8_t *model = onnx_encode(&t->onnx, &size);
    (void)onnx_file(&t->onnx, "model.onnx", model, size);
}

static void end(rungs_case *t) {
    dms_arena_free(&t->arena);
    onnx_end(&t->onnx);
}

static dms_compiled compile(rungs_case *t, dms_size device) {
    dms_compiled c;
    dms_status st = {0};
    const dms_compile_options options = {.model = t->onnx.path,
                                         .profile = "h100-pcie",
                                         .device_mem = device,
                                         .host_mem = {DMS_SIZE_BYTES, HOST}};
    if (dms_compile(&options, &t->arena, &c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return c;
}

static dms_compiled compile_at(rungs_case *t, uint64_t bytes) {
    return compile(t, (dms_size){DMS_SIZE_BYTES, bytes});
}

/* What one search at this budget alone finds. */
static int64_t period_alone(rungs_case *t, const dms_compiled *c, uint64_t bytes) {
    const dms_place_options options = {.device_budget = bytes,
                                       .host_budget = HOST - c->stage_bytes,
                                       .max_evaluations = 100, /* more hide it here */
                                       .ring_blocks = DMS_RING_BLOCKS};
    dms_decision d;
    dms_place_floor floor;
    dms_status st = {0};
    if (dms_place(&c->blocks.problem, &options, &t->arena, &d, &floor, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return d.period_ns;
}

/* A number in 0..n-1. */
static uint64_t draw(rungs_case *t, uint64_t n) {
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return (t->random >> 20) % n;
}

/* The next of `n` budgets drawn between two, in rising order: one from each of n equal parts. */
static uint64_t next_budget(rungs_case *t, uint64_t low, uint64_t high, uint32_t k, uint32_t n) {
    return low + (high - low) * k / n + draw(t, (high - low) / n);
}

static void no_larger_budget_is_slower_by_more_than_half_a_percent(void **state) {
    (void)state;
    uint32_t n_alone = 0;
    for (uint64_t seed = 3; seed <= ROUNDS_OF(4, 3); seed++) {
        rungs_case t;
        begin(&t, 12, seed);
        const dms_compiled least = compile(&t, (dms_size){.kind = DMS_SIZE_FLOOR});
        const uint64_t low = least.device_budget, high = least.steps.weights_bytes / 2;
        int64_t best = least.decision.period_ns, best_alone = best;
        for (uint32_t k = 0; k < 24; k++) {
            const uint64_t budget = next_budget(&t, low, high, k, 24);
            const dms_compiled c = compile_at(&t, budget);
            assert_true(c.plan.device_arena <= budget);
            assert_true((double)c.decision.period_ns <= 1.005 * (double)best);
            best = c.decision.period_ns < best ? c.decision.period_ns : best;
            const int64_t alone = period_alone(&t, &c, budget);
            n_alone += (double)alone > 1.005 * (double)best_alone;
            best_alone = alone < best_alone ? alone : best_alone;
        }
        end(&t);
    }
    if (ROUNDS_OF(true, false))
        assert_true(n_alone > 0); /* so it is no property of these models */
}

static void bound_and_certificate_are_those_of_the_budget_itself(void **state) {
    (void)state;
    rungs_case t;
    begin(&t, 12, 5);
    const dms_compiled least = compile(&t, (dms_size){.kind = DMS_SIZE_FLOOR});
    const uint64_t low = least.device_budget, high = least.steps.weights_bytes / 2;
    int64_t last = INT64_MAX;
    for (uint32_t k = 0; k < 8; k++) {
        const uint64_t budget = next_budget(&t, low, high, k, 8);
        const dms_compiled c = compile_at(&t, budget);
        assert_int_equal(c.decision.device_budget, budget);
        assert_int_equal(c.plan.device_budget, budget);
        assert_int_equal(c.decision.certificate->device_bytes, budget / 256 * 256);
        assert_true(c.decision.bound_ns <= c.decision.period_ns);
        assert_true((double)c.decision.bound_ns <= 1.0001 * (double)last);
        last = c.decision.bound_ns;
    }
    end(&t);
}

/* 50, 25 and 12.5 % of the weights are rungs, and so is the floor: nothing of them is given away. */
static void usual_budgets_are_searched_as_they_are(void **state) {
    (void)state;
    rungs_case t;
    begin(&t, 20, 9);
    const dms_compiled least = compile(&t, (dms_size){.kind = DMS_SIZE_FLOOR});
    assert_int_equal(least.device_budget, least.floor.device_bytes);
    for (uint64_t percent = 50000000; percent > 10000000; percent /= 2) {
        const dms_compiled c = compile(&t, (dms_size){DMS_SIZE_PERCENT, percent});
        const int64_t alone = period_alone(&t, &c, c.device_budget);
        assert_true((double)c.decision.period_ns <= 1.0001 * (double)alone);
    }
    end(&t);
}

static void equal_compiles_are_equal(void **state) {
    (void)state;
    rungs_case t;
    begin(&t, 12, 2);
    const uint64_t budget = compile(&t, (dms_size){.kind = DMS_SIZE_FLOOR}).device_budget * 9 / 8;
    const dms_compiled a = compile_at(&t, budget), b = compile_at(&t, budget);
    assert_int_equal(a.decision.period_ns, b.decision.period_ns);
    assert_int_equal(a.decision.n_loads, b.decision.n_loads);
    assert_memory_equal(a.decision.loads, b.decision.loads,
                        a.decision.n_loads * sizeof *a.decision.loads);
    end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_larger_budget_is_slower_by_more_than_half_a_percent),
        cmocka_unit_test(bound_and_certificate_are_those_of_the_budget_itself),
        cmocka_unit_test(usual_budgets_are_searched_as_they_are),
        cmocka_unit_test(equal_compiles_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
