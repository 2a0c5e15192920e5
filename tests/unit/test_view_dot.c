/* test_view_dot.c - the picture: names are escaped and cut, everything placed is drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "planner/compile_internal.h"
#include "planner/view_dot_internal.h"
#include "support_graph.h"

#define AMPLE (1ull << 40)
#define TEXT_BYTES (1u << 20)

static void names_are_escaped_for_html(void **state) {
    (void)state;
    static const struct {
        const char *name, *wanted;
    } CASES[] = {
        {"", ""},
        {"plain.name/0", "plain.name/0"},
        {"a&b", "a&amp;b"},
        {"<b>", "&lt;b&gt;"},
        {"say \"x\"", "say &quot;x&quot;"},
        {"&amp;", "&amp;amp;"},
        {"a\tb\nc", "a?b?c"},
        {"\xc3\xa9", "??"}, /* two bytes of one letter */
        {"\x7f%s", "?%s"},
        {"back\\slash", "back\\slash"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        dms_text t = {.used = 0};
        dms_text_add_name(&t, CASES[i].name);
        assert_string_equal(t.text, CASES[i].wanted);
    }
}

static void long_names_lose_their_middle(void **state) {
    (void)state;
    const char *exact = "aaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbb"; /* 48 */
    dms_text t = {.used = 0};
    dms_text_add_name(&t, exact);
    assert_string_equal(t.text, exact);
    t = (dms_text){.used = 0};
    dms_text_add_name(&t, "aaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbb"); /* 49 */
    assert_string_equal(t.text, "aaaaaaaaaaaaaaaaaaaaaaaa...bbbbbbbbbbbbbbbbbbbbbbbb");
}

static void a_text_that_is_full_is_cut_and_still_ends(void **state) {
    (void)state;
    dms_text t = {.used = 0};
    for (size_t k = 0; k <= sizeof t.text / 10; k++)
        dms_text_add(&t, "0123456789");
    assert_int_equal(t.used, sizeof t.text - 1);
    assert_int_equal(strlen(t.text), sizeof t.text - 1);
}

/* Sum of the widths of the cells of a bar, and their number. */
static int sum_widths(const char *text, int *out_n) {
    int sum = 0, width;
    *out_n = 0;
    for (const char *p = strstr(text, "<TD"); p != NULL; p = strstr(p + 1, "<TD")) {
        assert_int_equal(sscanf(strstr(p, "WIDTH=\""), "WIDTH=\"%d\"", &width), 1);
        sum += width;
        ++*out_n;
    }
    return sum;
}

static void a_bar_is_always_full_and_shows_what_is_small(void **state) {
    (void)state;
    static const struct {
        uint64_t amount[3], total;
        int n; /* pieces and rest that are visible */
    } CASES[] = {
        {{50, 50, 0}, 100, 2},   {{50, 25, 0}, 100, 3},  {{0, 0, 0}, 100, 1},
        {{1, 0, 0}, 1000000, 2}, {{80, 80, 80}, 100, 2}, {{7, 7, 7}, 0, 4},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const dms_dot_piece piece[3] = {{CASES[i].amount[0], "#111111"},
                                        {CASES[i].amount[1], "#222222"},
                                        {CASES[i].amount[2], "#333333"}};
        dms_text t = {.used = 0};
        int n;
        dms_text_add_bar(&t, 100, 7, piece, 3, CASES[i].total);
        assert_int_equal(sum_widths(t.text, &n), 100);
        assert_int_equal(n, CASES[i].n);
    }
}

static void times_have_three_digits(void **state) {
    (void)state;
    static const struct {
        int64_t ns;
        const char *wanted;
    } CASES[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1.00 us"},
        {9994, "9.99 us"},
        {9996, "10.0 us"},
        {12345, "12.3 us"},
        {84000, "84.0 us"},
        {99960, "100 us"},
        {999499, "999 us"},
        {999500, "1.00 ms"},
        {1234567, "1.23 ms"},
        {2100000, "2.10 ms"},
        {99900000, "99.9 ms"},
        {99960000, "100.0 ms"},
        {428512345, "428.5 ms"},
        {1000000000, "1.000 s"},
        {3260000000, "3.260 s"},
        {12345678901, "12.35 s"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_string_equal(dms_time_text(CASES[i].ns, false, text), CASES[i].wanted);
    assert_string_equal(dms_time_text(1000, true, text), "1.00 \xc2\xb5s");
}

/* Five products, with names that want escaping, at the floor. */
static void make(graph_case *g, dms_compiled *c) {
    graph_begin(g);
    uint32_t x = graph_input(g, "<in & \"out\">", 16, 64);
    for (uint32_t k = 0; k < 5; k++) {
        char name[64];
        (void)snprintf(name, sizeof name, "w\"%u\" <&> \xc3\xa9", (unsigned)k);
        const uint32_t w = graph_weight(g, name, 64, 64, k), a = graph_result(g, name, 16, 64);
        graph_matmul(g, x, w, a);
        x = a;
    }
    graph_output(g, x);
    g->profile.in.bytes_per_s /= 20; /* a slow link: what can stay must stay */
    dms_status st;
    assert_int_equal(graph_plan(g, AMPLE, AMPLE, c, &st), DMS_OK);
    const uint64_t budget = (c->floor.device_bytes + 3 * c->plan.device_arena) / 4;
    assert_int_equal(graph_plan(g, budget, AMPLE, c, &st), DMS_OK);
}

static Agraph_t *picture_of(graph_case *g, const dms_compiled *c) {
    char *text = dms_alloc(&g->arena, TEXT_BYTES, 1);
    FILE *file = fmemopen(text, TEXT_BYTES, "w");
    assert_non_null(file);
    dms_status st;
    assert_int_equal(dms_view_dot(c, file, &st), DMS_OK);
    assert_int_equal(fclose(file), 0);
    for (const char *p = text; *p != 0; p++)
        if ((unsigned char)*p >= 0x80) /* the only other letter is that of microseconds */
            assert_memory_equal(p++, "\xc2\xb5", 2);
    Agraph_t *graph = agmemread(text);
    if (graph == NULL)
        fail_msg("the picture is no valid DOT");
    return graph;
}

static void every_weight_is_drawn_kept_or_streamed(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    make(&g, &c);
    Agraph_t *graph = picture_of(&g, &c);
    uint32_t n_kept = 0, n_streamed = 0;
    for (uint32_t b = 0; b < c.blocks.problem.n_tensors; b++) {
        const dms_problem_tensor *t = &c.blocks.problem.tensors[b];
        if (t->kind != DMS_PROBLEM_WEIGHT)
            continue;
        char name[16];
        const bool is_kept = c.decision.keep[t->first_touch] != 0;
        (void)snprintf(name, sizeof name, "k%u",
                       (unsigned)c.blocks.problem.touches[t->first_touch]);
        assert_int_equal(agnode(graph, name, 0) != NULL, is_kept);
        n_kept += is_kept;
        n_streamed += !is_kept;
    }
    assert_true(n_kept > 0 && n_streamed > 0);
    /* nodes: steps, kept weights, loads (of which one is the input), the output, the legend */
    assert_int_equal(c.decision.n_loads, n_streamed + 1);
    assert_int_equal(agnnodes(graph), 5 + n_kept + c.decision.n_loads + 1 + 1);
    assert_int_equal(agclose(graph), 0);
    graph_end(&g);
}

static void labels_show_the_escaped_names(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    make(&g, &c);
    Agraph_t *graph = picture_of(&g, &c);
    uint32_t n_inputs = 0, n_outputs = 0;
    for (Agnode_t *n = agfstnode(graph); n != NULL; n = agnxtnode(graph, n)) {
        char key[] = "label";
        const char *label = agget(n, key);
        assert_non_null(label);
        n_inputs += strstr(label, "input  &lt;in &amp; &quot;out&quot;&gt;") != NULL;
        n_outputs += strstr(label, "output  w&quot;4&quot; &lt;&amp;&gt; ??") != NULL;
    }
    assert_int_equal(n_inputs, 1);
    assert_int_equal(n_outputs, 1);
    assert_int_equal(agclose(graph), 0);
    graph_end(&g);
}

/* Three products of width x width a layer, the weights named by it; half of it stays. */
static void make_wide_layers(graph_case *g, uint32_t n_layers, int64_t width, dms_compiled *c) {
    graph_begin(g);
    uint32_t x = graph_input(g, "x", 1, width);
    for (uint32_t k = 0; k < 3 * n_layers; k++) {
        char name[64];
        (void)snprintf(name, sizeof name, "layers.%u.w%u", (unsigned)k / 3, (unsigned)k % 3);
        const uint32_t w = graph_weight(g, name, width, width, k);
        const uint32_t a = graph_result(g, name, 1, width);
        graph_matmul(g, x, w, a);
        x = a;
    }
    graph_output(g, x);
    dms_status st;
    assert_int_equal(graph_plan(g, AMPLE, AMPLE, c, &st), DMS_OK);
    assert_int_equal(graph_plan(g, c->plan.device_arena / 2, AMPLE, c, &st), DMS_OK);
}

static void make_layers(graph_case *g, uint32_t n_layers, dms_compiled *c) {
    make_wide_layers(g, n_layers, 16, c);
}

static uint32_t count_of(const char *text, const char *word) {
    uint32_t n = 0;
    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word))
        n++;
    return n;
}

static void equal_layers_are_folded_into_one_box_with_a_column_each(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    make_layers(&g, 80, &c);
    Agraph_t *graph = picture_of(&g, &c);
    char fold[] = "fold", label[] = "label";
    Agnode_t *node = agnode(graph, fold, 0);
    assert_non_null(node);
    const char *text = agget(node, label);
    assert_non_null(strstr(text, "layers 2&#8211;77: &#215; 76 alike"));
    assert_int_equal(count_of(text, "<TD WIDTH=\"5\""), 10 * 76);
    /* two layers at each end, the fold, host, device, legend */
    assert_int_equal(agnnodes(graph), 4 + 1 + 2 + 1);
    assert_int_equal(agclose(graph), 0);
    graph_end(&g);
}

static void no_label_of_many_layers_is_cut(void **state) {
    (void)state;
    static const uint32_t LAYERS[] = {25, 84, 85, 150};
    for (size_t i = 0; i < sizeof LAYERS / sizeof LAYERS[0]; i++) {
        graph_case g;
        dms_compiled c;
        make_layers(&g, LAYERS[i], &c);
        Agraph_t *graph = picture_of(&g, &c); /* a cut label is no valid DOT */
        char label[] = "label";
        for (Agnode_t *n = agfstnode(graph); n != NULL; n = agnxtnode(graph, n)) {
            const char *text = agget(n, label);
            assert_int_equal(count_of(text, "<TABLE"), count_of(text, "</TABLE>"));
            assert_int_equal(count_of(text, "<TD"), count_of(text, "</TD>"));
        }
        assert_int_equal(agclose(graph), 0);
        graph_end(&g);
    }
}

/* The sum of the widths that a colour has in the label of a node. */
static int width_of(Agraph_t *graph, char *name, const char *colour) {
    char label[] = "label";
    const char *text = agget(agnode(graph, name, 0), label);
    int sum = 0, width;
    for (const char *p = strstr(text, "<TD FIXEDSIZE"); p != NULL;
         p = strstr(p + 1, "<TD FIXEDSIZE")) {
        const char *end = strchr(p, '>'), *found = strstr(p, colour);
        assert_int_equal(sscanf(strstr(p, "WIDTH=\""), "WIDTH=\"%d\"", &width), 1);
        sum += found != NULL && found < end ? width : 0;
    }
    return sum;
}

static void a_third_tier_is_drawn_where_weights_are_read_from_it(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    dms_status st;
    char nvme[] = "nvme", host[] = "host", fold[] = "fold", style[] = "style";
    make_wide_layers(&g, 30, 144, &c);    /* 81 KiB a weight: small ones stand in the plan itself */
    Agraph_t *graph = picture_of(&g, &c); /* the host has room for every home */
    assert_null(agnode(graph, nvme, 0));
    assert_int_equal(width_of(graph, fold, DMS_DOT_NVME), 0);
    assert_int_equal(agclose(graph), 0);
    const uint64_t device = c.plan.device_arena;
    (void)graph_plan(&g, device, 0, &c, &st);
    const uint64_t least = c.floor.host_bytes;
    assert_int_equal(graph_plan(&g, device, least, &c, &st), DMS_OK);
    assert_true(c.decision.n_read > 0);
    graph = picture_of(&g, &c);
    Agnode_t *node = agnode(graph, nvme, 0);
    assert_non_null(node);
    Agedge_t *edge = agedge(graph, node, agnode(graph, host, 0), NULL, 0);
    assert_non_null(edge);
    assert_string_equal(agget(edge, style), "dashed");
    assert_true(width_of(graph, fold, DMS_DOT_NVME) > 0);
    const int all = width_of(graph, fold, DMS_DOT_NVME) + width_of(graph, fold, DMS_DOT_KEPT) +
                    width_of(graph, fold, DMS_DOT_HOST);
    assert_in_range(all, 178, 182); /* a bar of 180 points */
    assert_int_equal(agclose(graph), 0);
    graph_end(&g);
}

/* cgraph itself would go on with pointers it did not get. The first 300 and a sample behind. */
static void whichever_allocation_of_the_picture_fails_is_said_and_does_no_harm(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    dms_code code = DMS_EINTERNAL;
    uint64_t n = 0;
    make(&g, &c);
    while (code != DMS_OK) {
        n += n < 300 ? 1 : 97;
        dms_heap heap = {.fail_at = n};
        dms_status st;
        FILE *nowhere = fopen("/dev/null", "w");
        assert_non_null(nowhere);
        code = dms_dot_draw(&c, &heap, nowhere, &st);
        assert_int_equal(fclose(nowhere), 0);
        assert_int_equal(heap.n_pieces, 0);
        if (code != DMS_OK)
            assert_string_equal(st.msg, "out of memory: picture");
    }
    assert_true(n > 300);
    assert_int_equal(agclose(picture_of(&g, &c)), 0); /* the next picture is a whole one */
    graph_end(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_allocation_of_the_picture_fails_is_said_and_does_no_harm),
        cmocka_unit_test(names_are_escaped_for_html),
        cmocka_unit_test(long_names_lose_their_middle),
        cmocka_unit_test(a_text_that_is_full_is_cut_and_still_ends),
        cmocka_unit_test(a_bar_is_always_full_and_shows_what_is_small),
        cmocka_unit_test(times_have_three_digits),
        cmocka_unit_test(every_weight_is_drawn_kept_or_streamed),
        cmocka_unit_test(labels_show_the_escaped_names),
        cmocka_unit_test(equal_layers_are_folded_into_one_box_with_a_column_each),
        cmocka_unit_test(no_label_of_many_layers_is_cut),
        cmocka_unit_test(a_third_tier_is_drawn_where_weights_are_read_from_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
