/* test_views.c - what people and programs see of a compile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <graphviz/cgraph.h>
#include <jansson.h>

#include "support_views.h"

static json_int_t integer(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    if (!json_is_integer(value))
        fail_msg("key '%s' is missing or no integer", key);
    return json_integer_value(value);
}

static void json_has_every_key_of_the_contract(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    views_layers(&g, 6, 2);
    views_plan_half(&g, &c);
    const dms_view_facts facts = {.compile_ms = 12, .peak_rss_bytes = 34};
    json_t *root = json_loads(views_text(&g, dms_view_json, &c, &facts), 0, NULL);
    assert_non_null(root);
    assert_int_equal(integer(root, "compile_ms"), 12);
    assert_int_equal(integer(root, "peak_rss_bytes"), 34);
    assert_int_equal(integer(root, "steps"), 12);
    assert_int_equal(integer(root, "weights_bytes"), 6 * 64 * 64 * 4);
    assert_int_equal(integer(root, "device_budget_bytes"), c.device_budget);
    assert_true(integer(root, "device_arena_bytes") <= integer(root, "device_budget_bytes"));
    assert_true(integer(root, "floor_bytes") <= integer(root, "device_budget_bytes"));
    assert_true(integer(root, "live_peak_bytes") <= integer(root, "device_arena_bytes"));
    assert_true(integer(root, "compute_ns") <= integer(root, "bound_ns"));
    assert_true(integer(root, "bound_ns") <= integer(root, "period_ns"));
    assert_true(integer(root, "commands") > integer(root, "steps"));
    const json_t *tier = json_object_get(root, "weights_by_tier");
    assert_int_equal(integer(tier, "device") + integer(tier, "host"),
                     integer(root, "weights_bytes"));
    assert_true(integer(tier, "host") > 0);
    assert_true(json_object_size(json_object_get(root, "candidates")) > 0);
    json_decref(root);
    graph_end(&g);
}

static void no_candidate_is_better_than_the_plan(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    views_layers(&g, 10, 2);
    views_plan_half(&g, &c);
    for (uint32_t k = 0; k < c.decision.n_candidates; k++)
        assert_true(c.decision.candidates[k].period_ns >= c.plan.period_ns);
    graph_end(&g);
}

static void a_small_picture_has_every_step_and_every_copy(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    views_layers(&g, 5, 2);
    views_plan_half(&g, &c);
    Agraph_t *graph = views_picture(&g, &c);
    char name[16];
    for (uint32_t s = 0; s < c.steps.n_steps; s++) {
        (void)snprintf(name, sizeof name, "s%u", (unsigned)s);
        assert_non_null(agnode(graph, name, 0));
    }
    for (uint32_t l = 0; l < c.decision.n_loads; l++) {
        (void)snprintf(name, sizeof name, "l%u", (unsigned)l);
        assert_non_null(agnode(graph, name, 0));
    }
    assert_true(c.decision.n_loads > 1);
    assert_non_null(agnode(graph, "o0", 0));
    assert_non_null(agnode(graph, "legend", 0));
    assert_int_equal(agclose(graph), 0);
    graph_end(&g);
}

static void a_large_picture_folds_equal_layers_into_at_most_40_boxes(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    views_layers(&g, 80, 2);
    views_plan_half(&g, &c);
    Agraph_t *graph = views_picture(&g, &c);
    assert_true(agnnodes(graph) <= 40);
    assert_non_null(agnode(graph, "fold", 0)); /* the inner 76 of 80 layers */
    assert_non_null(agnode(graph, "host", 0));
    assert_non_null(agnode(graph, "device", 0));
    assert_int_equal(agclose(graph), 0);
    graph_end(&g);
}

static void the_same_compile_gives_the_same_picture(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    views_layers(&g, 5, 2);
    views_plan_half(&g, &c);
    const dms_view_facts facts = {.utf8 = true};
    assert_string_equal(views_text(&g, views_draw, &c, &facts),
                        views_text(&g, views_draw, &c, &facts));
    graph_end(&g);
}

/* Columns of the widest line: bytes that begin a character. */
static size_t widest(const char *text) {
    size_t most = 0, now = 0;
    for (; *text != 0; text++) {
        now = *text == '\n' ? 0 : now + (((unsigned char)*text & 0xc0) != 0x80);
        most = now > most ? now : most;
    }
    return most;
}

static void the_summary_says_what_fits_and_how_near_the_best_it_is(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    views_layers(&g, 6, 2);
    views_plan_half(&g, &c);
    const dms_view_facts facts = {.plan_path = "plan.bin", .compile_ms = 1500};
    const char *text = views_text(&g, dms_view_summary, &c, &facts);
    char budget[64];
    (void)snprintf(budget, sizeof budget, "device budget %llu bytes",
                   (unsigned long long)c.device_budget);
    assert_ptr_equal(strstr(text, "profile case (cpu)"), text);
    assert_non_null(strstr(text, budget));
    assert_non_null(strstr(text, "FITS"));
    assert_non_null(strstr(text, "BOUND"));
    assert_non_null(strstr(text, "this plan"));
    assert_non_null(strstr(text, "plan.bin written"));
    assert_non_null(strstr(text, "1.5 s"));
    assert_true(widest(text) <= 110);
    for (const char *p = text; *p != 0; p++)
        assert_true((unsigned char)*p < 0x80); /* ASCII where the terminal has no more */
    graph_end(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_every_key_of_the_contract),
        cmocka_unit_test(no_candidate_is_better_than_the_plan),
        cmocka_unit_test(a_small_picture_has_every_step_and_every_copy),
        cmocka_unit_test(a_large_picture_folds_equal_layers_into_at_most_40_boxes),
        cmocka_unit_test(the_same_compile_gives_the_same_picture),
        cmocka_unit_test(the_summary_says_what_fits_and_how_near_the_best_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
