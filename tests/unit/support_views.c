/* support_views.c - see support_views.h. */
#include "support_views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_BYTES (1u << 20)

void views_layers(graph_case *g, uint32_t layers, uint32_t steps) {
    graph_begin(g);
    uint32_t x = graph_input(g, "x<&>\"", VIEWS_ROWS, 64);
    for (uint32_t k = 0; k < layers; k++) {
        const uint32_t n = steps > 0 ? steps : 3 + k % 2;
        char name[32];
        (void)snprintf(name, sizeof name, "layers.%u.w", (unsigned)k);
        const uint32_t w = graph_weight(g, name, 64, 64, k);
        (void)snprintf(name, sizeof name, "a%u", (unsigned)k);
        uint32_t y = graph_result(g, name, VIEWS_ROWS, 64);
        graph_matmul(g, x, w, y);
        for (uint32_t i = 1; i < n; i++) {
            (void)snprintf(name, sizeof name, "b%u.%u", (unsigned)k, (unsigned)i);
            const uint32_t z = graph_result(g, name, VIEWS_ROWS, 64);
            graph_unary(g, DMS_FN_TANH, y, z);
            y = z;
        }
        x = y;
    }
    graph_output(g, x);
}

static void plan(graph_case *g, uint64_t budget, dms_compiled *c) {
    dms_status st;
    if (graph_plan(g, budget, VIEWS_AMPLE, c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

void views_plan_ample(graph_case *g, dms_compiled *c) {
    plan(g, VIEWS_AMPLE, c);
}

void views_plan_half(graph_case *g, dms_compiled *c) {
    views_plan_ample(g, c);
    plan(g, (c->floor.device_bytes + c->plan.device_arena) / 2, c);
}

char *views_text(graph_case *g, view_function *view, const dms_compiled *c,
                 const dms_view_facts *facts) {
    char *text = dms_alloc(&g->arena, TEXT_BYTES, 1);
    FILE *file = fmemopen(text, TEXT_BYTES, "w");
    assert_non_null(file);
    view(c, facts, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

void views_draw(const dms_compiled *c, const dms_view_facts *facts, FILE *out) {
    dms_status st;
    (void)facts;
    if (dms_view_dot(c, out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

Agraph_t *views_picture(graph_case *g, const dms_compiled *c) {
    const dms_view_facts facts = {.utf8 = true};
    Agraph_t *graph = agmemread(views_text(g, views_draw, c, &facts));
    if (graph == NULL)
        fail_msg("the picture is no valid DOT");
    return graph;
}

const char *views_label(Agraph_t *graph, const char *name) {
    char key[32], label[] = "label";
    (void)snprintf(key, sizeof key, "%s", name);
    Agnode_t *node = agnode(graph, key, 0);
    return node == NULL ? NULL : agget(node, label);
}
