/* test_compile_order.c - a model whose own order needs much memory: the plan takes another one where
 * that is better, means the same, and is never worse.
 *
 *     x -- w0 --> a0 [16, 1024] --> b0 [16, 16] --+        the file has a0 .. a7 first, then
 *     x -- w1 --> a1            --> b1          --+--> y   b0 .. b7: eight wide results at once
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "onnx/onnx.pb-c.h"
#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "planner/views.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define BRANCHES 8u
#define WIDE_BYTES (16u * 1024 * 4)

typedef struct order_case {
    onnx_case onnx;
    dms_arena arena;
} order_case;

/* The model with its branches one behind the other, or one beside the other as in the picture. */
static void begin(order_case *t, bool is_beside) {
    memset(t, 0, sizeof *t);
    onnx_begin(&t->onnx, 17);
    dms_arena_init(&t->arena, 0);
    Onnx__GraphProto *g = t->onnx.graph;
    char name[6][24], list[BRANCHES * 4 + 1] = "";
    onnx_input(&t->onnx, "x", F32, "16,64");
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < BRANCHES; k++) {
            static const char *const forms[6] = {"w%u", "v%u", "a%u", "b%u", "x,w%u", "a%u,v%u"};
            for (uint32_t j = 0; j < 6; j++)
                (void)snprintf(name[j], sizeof name[j], forms[j], (unsigned)k, (unsigned)k);
            if (pass == 0) {
                onnx_initializer(&t->onnx, g, name[0], F32, "64,1024", NULL);
                onnx_initializer(&t->onnx, g, name[1], F32, "1024,16", NULL);
                onnx_node(&t->onnx, g, "MatMul", name[4], name[2]);
                (void)strcat(strcat(list, k == 0 ? "" : ","), name[3]);
            }
            if (pass == (is_beside ? 1 : 0))
                onnx_node(&t->onnx, g, "MatMul", name[5], name[3]);
        }
    onnx_node(&t->onnx, g, "Sum", list, "y");
    onnx_output(&t->onnx, g, "y", F32, "16,16");
    assert_int_equal(onnx_read(&t->onnx, ""), DMS_OK); /* writes the file */
}

static void end(order_case *t) {
    dms_arena_free(&t->arena);
    onnx_end(&t->onnx);
}

/* Compiles the case's model; the code of it. */
static dms_code compile(order_case *t, dms_size device, bool keeps_order, dms_compiled *c,
                        dms_status *st) {
    const dms_compile_options options = {.model = t->onnx.path,
                                         .profile = "cpu",
                                         .device_mem = device,
                                         .host_mem = {DMS_SIZE_BYTES, UINT64_C(1) << 40},
                                         .keeps_order = keeps_order};
    *c = (dms_compiled){0};
    return dms_compile(&options, &t->arena, c, st);
}

static void must_compile(order_case *t, dms_size device, bool keeps_order, dms_compiled *c) {
    dms_status st;
    if (compile(t, device, keeps_order, c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

static int64_t period_of(const dms_decision *d, const char *candidate) {
    for (uint32_t k = 0; k < d->n_candidates; k++)
        if (strcmp(d->candidates[k].name, candidate) == 0)
            return d->candidates[k].period_ns;
    return -1;
}

static const dms_size AMPLE = {DMS_SIZE_BYTES, UINT64_C(1) << 40};

static void everything_resident_needs_less(void **state) {
    (void)state;
    order_case t;
    dms_compiled own, found;
    begin(&t, true);
    must_compile(&t, AMPLE, true, &own);
    must_compile(&t, AMPLE, false, &found);
    assert_null(own.other);
    assert_non_null(found.other);
    assert_true(found.plan.device_arena + (BRANCHES - 2) * WIDE_BYTES <= own.plan.device_arena);
    assert_int_equal(found.decision.period_ns, own.decision.period_ns);
    assert_int_equal(period_of(&found.decision, "model-order"), own.decision.period_ns);
    end(&t);
}

/* Also proves that the calls of both orders make the same values from the same ones. */
static void the_meaning_is_that_of_the_models_order(void **state) {
    (void)state;
    order_case t;
    dms_compiled own, found;
    dms_status st;
    begin(&t, true);
    must_compile(&t, AMPLE, true, &own);
    must_compile(&t, AMPLE, false, &found);
    assert_true(dms_hash_equal(own.plan.meaning, found.plan.meaning));
    assert_int_equal(dms_verify_model(&found.plan, t.onnx.path, &t.arena, &st), DMS_OK);
    assert_int_equal(dms_verify_model(&own.plan, t.onnx.path, &t.arena, &st), DMS_OK);
    end(&t);
}

/* From the floor to everything: at each budget of the own order's plan. */
static void no_budget_has_a_slower_plan(void **state) {
    (void)state;
    order_case t;
    uint32_t n_faster = 0;
    begin(&t, true);
    for (uint64_t percent = 8; percent <= 128; percent += 20) {
        dms_compiled own, found;
        dms_status st;
        const dms_size budget = {DMS_SIZE_PERCENT, percent * 1000000};
        const dms_code code = compile(&t, budget, true, &own, &st);
        if (code == DMS_EBUDGET)
            continue;
        assert_int_equal(code, DMS_OK);
        must_compile(&t, budget, false, &found);
        assert_true(found.decision.period_ns <= own.decision.period_ns);
        assert_true(found.floor.device_bytes <= own.floor.device_bytes);
        for (uint32_t k = 0; k < found.decision.n_candidates; k++)
            assert_true(found.decision.period_ns <= found.decision.candidates[k].period_ns);
        n_faster += found.decision.period_ns < own.decision.period_ns;
    }
    assert_true(n_faster > 0);
    end(&t);
}

static void below_the_floor_of_both_orders_the_lower_one_is_named(void **state) {
    (void)state;
    order_case t;
    dms_compiled own, found;
    dms_status st;
    begin(&t, true);
    must_compile(&t, (dms_size){.kind = DMS_SIZE_FLOOR}, true, &own);
    must_compile(&t, (dms_size){.kind = DMS_SIZE_FLOOR}, false, &found);
    const uint64_t floor = found.floor.device_bytes;
    assert_true(floor <= own.floor.device_bytes);
    assert_int_equal(found.device_budget, floor);
    assert_true(found.floor.lower_bound_bytes <= floor);
    must_compile(&t, (dms_size){DMS_SIZE_BYTES, floor}, false, &found);
    assert_int_equal(compile(&t, (dms_size){DMS_SIZE_BYTES, floor - 1}, false, &found, &st),
                     DMS_EBUDGET);
    assert_int_equal(found.floor.device_bytes, floor);
    end(&t);
}

/* A curve asks for both orders at each of its budgets, as a compile there does. */
static void a_curve_finds_what_compiles_find(void **state) {
    (void)state;
    order_case t;
    dms_compiled all, one;
    dms_decision d;
    dms_status st;
    begin(&t, true);
    must_compile(&t, AMPLE, false, &all);
    for (uint64_t budget = all.floor.device_bytes; budget < all.plan.device_arena;
         budget += all.plan.device_arena / 4) {
        must_compile(&t, (dms_size){DMS_SIZE_BYTES, budget}, false, &one);
        assert_int_equal(dms_compile_place(&all, budget, &t.arena, &d, &st), DMS_OK);
        assert_int_equal(d.period_ns, one.decision.period_ns);
    }
    end(&t);
}

static void a_model_in_a_good_order_stays_in_it(void **state) {
    (void)state;
    order_case t;
    dms_compiled own, found;
    begin(&t, false);
    must_compile(&t, AMPLE, true, &own);
    must_compile(&t, AMPLE, false, &found);
    assert_null(found.other);
    assert_int_equal(found.plan.device_arena, own.plan.device_arena);
    assert_int_equal(period_of(&found.decision, "model-order"), -1);
    end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_resident_needs_less),
        cmocka_unit_test(the_meaning_is_that_of_the_models_order),
        cmocka_unit_test(no_budget_has_a_slower_plan),
        cmocka_unit_test(below_the_floor_of_both_orders_the_lower_one_is_named),
        cmocka_unit_test(a_curve_finds_what_compiles_find),
        cmocka_unit_test(a_model_in_a_good_order_stays_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
