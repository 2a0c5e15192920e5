/* test_views_figures.c - every figure of summary, --json and the large picture, worked out again
 * from what the compile found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "planner/compile_internal.h"
#include "support_views.h"

/* ---- the summary ----------------------------------------------------------------------------- */

/* The number behind `mark` in a text that must have it. */
static double number_behind(const char *text, const char *mark) {
    const char *at = strstr(text, mark);
    char *end;
    if (at == NULL)
        fail_msg("'%s' is not in:\n%s", mark, text);
    const double number = strtod(at + strlen(mark), &end);
    assert_true(end > at + strlen(mark));
    return number;
}

/* Equal to `decimals` digits behind the point. */
static void same_figure(double shown, double wanted, int decimals) {
    char a[64], b[64];
    (void)snprintf(a, sizeof a, "%.*f", decimals, shown);
    (void)snprintf(b, sizeof b, "%.*f", decimals, wanted);
    assert_string_equal(a, b);
}

/* A summary of a plan that stalls. */
typedef struct summary_case {
    graph_case g;
    dms_compiled c;
    const char *text;
} summary_case;

static void summary_begin(summary_case *s, bool utf8) {
    const dms_view_facts facts = {.utf8 = utf8, .compile_ms = 2345};
    views_layers(&s->g, 6, 2);
    s->g.profile.in.bytes_per_s /= 10;
    views_plan_half(&s->g, &s->c);
    assert_true(s->c.decision.period_ns > s->c.decision.compute_ns);
    s->text = views_text(&s->g, dms_view_summary, &s->c, &facts);
}

static void the_verdict_has_the_figures_of_the_decision(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    const dms_decision *d = &s.c.decision;
    const double period = (double)d->period_ns, compute = (double)d->compute_ns;
    char wanted[128], bytes[2][32], time[2][32];
    (void)snprintf(wanted, sizeof wanted, "FITS   %s of device memory",
                   dms_bytes_text(s.c.plan.device_arena, bytes[0]));
    assert_non_null(strstr(s.text, wanted));
    (void)snprintf(wanted, sizeof wanted, "floor %s, no plan below %s)",
                   dms_bytes_text(s.c.floor.device_bytes, bytes[1]),
                   dms_bytes_text(s.c.floor.lower_bound_bytes, bytes[0]));
    assert_non_null(strstr(s.text, wanted));
    same_figure(number_behind(s.text, "of device memory ("),
                100.0 * (double)s.c.plan.device_arena / (double)s.c.steps.weights_bytes, 1);
    (void)snprintf(wanted, sizeof wanted, "TIME   %s predicted, %.2f x resident (%s)",
                   dms_time_text(d->period_ns, false, time[0]), period / compute,
                   dms_time_text(d->compute_ns, false, time[1]));
    assert_non_null(strstr(s.text, wanted));
    same_figure(number_behind(s.text, "STALL  "), 100.0 * (period - compute) / period, 1);
    graph_end(&s.g);
}

/* "Within x %" must be true of the printed x: it is rounded up. */
static void the_distance_from_the_bound_is_never_flattered(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    for (int64_t above = 0; above < 4000; above += 7) {
        const dms_view_facts facts = {0};
        s.c.decision.bound_ns = 100000;
        s.c.decision.period_ns = 100000 + above;
        const char *text = views_text(&s.g, dms_view_summary, &s.c, &facts);
        const double shown = number_behind(text, "this one is within ");
        assert_true(shown + 1e-9 >= (double)above / 1000.0);
        assert_true(shown <= (double)above / 1000.0 + 0.11);
    }
    graph_end(&s.g);
}

/* Cells of a bar: '#' of 24. */
static int cells_of(const char *line) {
    int n = 0;
    const char *end = strchr(line, '\n');
    for (; line < end; line++)
        n += *line == '#';
    return n;
}

static void bars_are_as_long_as_their_share(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    const dms_decision *d = &s.c.decision;
    double busy_in = 0;
    for (uint32_t l = 0; l < d->n_loads; l++)
        busy_in += (double)d->loads[l].ns;
    const struct {
        const char *line;
        double share;
    } QUEUES[] = {{"\n  compute ", (double)d->compute_ns / (double)d->period_ns},
                  {"\n  in ", busy_in / (double)d->period_ns}};
    for (size_t q = 0; q < 2; q++) {
        const char *line = strstr(s.text, QUEUES[q].line);
        assert_non_null(line);
        const double cells = 24 * QUEUES[q].share;
        assert_in_range(cells_of(line + 1), (int)cells, (int)cells + 1);
        const char *percent = strchr(line + 1, '%');
        while (percent[-1] == ' ' || percent[-1] == '.' ||
               (percent[-1] >= '0' && percent[-1] <= '9'))
            percent--;
        same_figure(strtod(percent, NULL), 100 * QUEUES[q].share, 1);
    }
    graph_end(&s.g);
}

static void every_candidate_has_a_line_and_the_plan_comes_last(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    const char *at = strstr(s.text, "  candidate ");
    assert_non_null(at);
    for (uint32_t k = s.c.decision.n_candidates; k-- > 0;) { /* slowest first */
        char name[32];
        (void)snprintf(name, sizeof name, "\n  %s ", s.c.decision.candidates[k].name);
        const char *next = strstr(at, name);
        assert_non_null(next);
        assert_true(next > at);
        at = next;
    }
    const char *plan = strstr(at, "\n  this plan ");
    assert_non_null(plan);
    assert_non_null(strstr(plan, "  <\n"));
    assert_non_null(strstr(plan, "no plan written"));
    assert_non_null(strstr(plan, "2.3 s"));
    graph_end(&s.g);
}

/* The same columns, with other letters. */
static void a_terminal_with_more_letters_sees_the_same_table(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    const dms_view_facts facts = {.utf8 = true, .compile_ms = 2345};
    const char *rich = views_text(&s.g, dms_view_summary, &s.c, &facts), *plain = s.text;
    assert_non_null(strstr(rich, "\xe2\x96\x88"));
    uint32_t differ = 0;
    for (; *plain != 0; plain++) {
        const char *next = rich + 1;
        while (((unsigned char)*next & 0xc0) == 0x80)
            next++;
        differ += next - rich > 1;
        if (next - rich == 1)
            assert_int_equal(*rich, *plain);
        else
            assert_true(*plain == '#' || *plain == '.' || *plain == 'u');
        rich = next;
    }
    assert_int_equal(*rich, 0);
    assert_true(differ > 24);
    graph_end(&s.g);
}

static void the_limit_is_compute_where_nothing_stalls(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    const dms_view_facts facts = {0};
    views_layers(&g, 6, 2);
    g.profile.in = (dms_link){1000000000000, 0};
    views_plan_ample(&g, &c);
    c.decision.period_ns = c.decision.compute_ns;
    assert_non_null(strstr(views_text(&g, dms_view_summary, &c, &facts), "LIMIT  compute"));
    graph_end(&g);
    summary_case s;
    summary_begin(&s, false);
    dms_decision *d = &s.c.decision;
    for (uint32_t l = 0; l < d->n_loads; l++)
        d->loads[l].ns = l == 0 ? 2 * d->compute_ns : 0;
    const char *text = views_text(&s.g, dms_view_summary, &s.c, &facts);
    assert_non_null(strstr(text, "LIMIT  the link"));
    same_figure(number_behind(text, "hidden from about "), (double)dms_break_even_tokens(&s.c), 0);
    d->loads[0].ns /= 2; /* as long as the steps: no more rows are wanted, copies only come late */
    text = views_text(&s.g, dms_view_summary, &s.c, &facts);
    assert_null(strstr(text, "hidden from"));
    assert_non_null(strstr(text, "less than compute could hide"));
    graph_end(&s.g);
}

/* Rows x time of the link / time of the steps: doubling both the rows and nothing else would hide
 * twice as much. By hand, with times that the test sets. */
static void break_even_is_where_the_steps_take_as_long_as_the_link(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    const uint32_t n = s.c.decision.n_loads;
    assert_true(n > 0);
    s.c.decision.compute_ns = 1000;
    for (uint32_t l = 0; l < n; l++)
        s.c.decision.loads[l].ns = l == 0 ? 2500 : 0;
    assert_int_equal(dms_break_even_tokens(&s.c), VIEWS_ROWS * 5 / 2);
    s.c.decision.loads[0].ns = 1; /* never less than one row */
    assert_int_equal(dms_break_even_tokens(&s.c), 1);
    graph_end(&s.g);
}

/* ---- --json ---------------------------------------------------------------------------------- */

static json_int_t figure(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    if (!json_is_integer(value))
        fail_msg("key '%s' is missing or no integer", key);
    return json_integer_value(value);
}

/* Forgets the score of a rule, as where its keeps have no place. */
static void forget(dms_decision *d, const char *name) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < d->n_candidates; k++)
        if (strcmp(d->candidates[k].name, name) != 0)
            d->candidates[n++] = d->candidates[k];
    assert_int_equal(n + 1, d->n_candidates);
    d->n_candidates = n;
}

static void an_obvious_rule_that_does_not_fit_is_named_all_the_same(void **state) {
    (void)state;
    static const char *const RULE[] = {"on-demand", "double-buffer", "keep-first", "even",
                                       "belady"};
    summary_case s;
    summary_begin(&s, false);
    const dms_view_facts facts = {.utf8 = false};
    for (size_t k = 0; k < sizeof RULE / sizeof *RULE; k++)
        assert_true(dms_is_candidate(&s.c.decision, RULE[k]));
    assert_null(strstr(s.text, "does not fit"));
    for (size_t k = 3; k < 5; k++) {
        forget(&s.c.decision, RULE[k]);
        char line[80];
        (void)snprintf(line, sizeof line, "\n  %-14s %11s  %8s  does not fit\n", RULE[k], "-", "-");
        assert_non_null(strstr(views_text(&s.g, dms_view_summary, &s.c, &facts), line));
    }
    json_t *root = json_loads(views_text(&s.g, dms_view_json, &s.c, &facts), 0, NULL);
    const json_t *unfit = json_object_get(root, "candidates_that_do_not_fit");
    assert_int_equal(json_array_size(unfit), 2);
    assert_string_equal(json_string_value(json_array_get(unfit, 0)), "even");
    assert_string_equal(json_string_value(json_array_get(unfit, 1)), "belady");
    json_decref(root);
    graph_end(&s.g);
}

static void json_figures_are_those_of_the_compile(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    const dms_compiled *c = &s.c;
    const dms_view_facts facts = {.compile_ms = 1, .peak_rss_bytes = 2};
    json_t *root =
        json_loads(views_text(&s.g, dms_view_json, c, &facts), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    uint64_t commands = 0, flops = 0;
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        commands += c->plan.body.n_cmds[q];
    for (uint32_t k = 0; k < c->steps.n_steps; k++)
        flops += c->steps.step[k].cost.flops;
    assert_int_equal(figure(root, "commands"), commands);
    assert_int_equal(figure(root, "flops"), flops);
    assert_true(flops >= 6 * 2 * VIEWS_ROWS * 64 * 64); /* the products alone */
    assert_int_equal(figure(root, "floor_bytes"), c->floor.device_bytes);
    assert_int_equal(figure(root, "floor_lower_bound_bytes"), c->floor.lower_bound_bytes);
    assert_int_equal(figure(root, "period_ns"), c->decision.period_ns);
    assert_int_equal(figure(root, "unpacked_ns"), c->decision.unpacked_ns);
    assert_int_equal(figure(root, "latency_ns"), c->decision.latency_ns);
    assert_int_equal(figure(root, "device_arena_bytes"), c->plan.device_arena);
    assert_int_equal(figure(root, "host_arena_bytes"), c->plan.host_arena);
    assert_int_equal(figure(root, "evaluations"), c->decision.n_evaluations);
    assert_int_equal(figure(root, "break_even_tokens"), dms_break_even_tokens(c));
    const json_t *candidates = json_object_get(root, "candidates");
    assert_int_equal(json_object_size(candidates), c->decision.n_candidates);
    for (uint32_t k = 0; k < c->decision.n_candidates; k++)
        assert_int_equal(figure(candidates, c->decision.candidates[k].name),
                         c->decision.candidates[k].period_ns);
    char meaning[33];
    assert_string_equal(json_string_value(json_object_get(root, "meaning")),
                        dms_hash_text(c->plan.meaning, meaning));
    json_decref(root);
    graph_end(&s.g);
}

/* Bytes of each tier from the decision's own lists: what has a load is streamed. */
static void weights_by_tier_are_counted_once_each(void **state) {
    (void)state;
    summary_case s;
    summary_begin(&s, false);
    uint64_t streamed = 0, all = 0;
    for (uint32_t b = 0; b < s.c.blocks.problem.n_tensors; b++) {
        const dms_problem_tensor *t = &s.c.blocks.problem.tensors[b];
        bool is_loaded = false;
        for (uint32_t l = 0; l < s.c.decision.n_loads; l++)
            is_loaded = is_loaded || s.c.decision.loads[l].tensor == b;
        if (t->kind == DMS_PROBLEM_WEIGHT) {
            all += t->bytes;
            streamed += is_loaded ? t->bytes : 0;
        }
    }
    const dms_view_facts facts = {0};
    json_t *root = json_loads(views_text(&s.g, dms_view_json, &s.c, &facts), 0, NULL);
    const json_t *tier = json_object_get(root, "weights_by_tier");
    assert_true(streamed > 0 && streamed < all);
    assert_int_equal(figure(tier, "host") + figure(tier, "nvme"), streamed);
    assert_int_equal(figure(tier, "device"), all - streamed);
    json_decref(root);
    graph_end(&s.g);
}

/* y = tanh(x): no weight, so no product whose rows could hide anything. */
static void a_graph_without_weights_has_no_break_even(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    const dms_view_facts facts = {0};
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 64), y = graph_result(&g, "y", 4, 64);
    graph_unary(&g, DMS_FN_TANH, x, y);
    graph_output(&g, y);
    views_plan_ample(&g, &c);
    json_t *root = json_loads(views_text(&g, dms_view_json, &c, &facts), 0, NULL);
    assert_true(json_is_null(json_object_get(root, "break_even_tokens")));
    assert_int_equal(figure(root, "weights_bytes"), 0);
    assert_non_null(strstr(views_text(&g, dms_view_summary, &c, &facts), "(0.0 % of the weights"));
    json_decref(root);
    graph_end(&g);
}

/* ---- the large picture ----------------------------------------------------------------------- */

/* Checks that the boxes of a picture cover the steps from 0 on without a gap, in chain order;
 * returns how many there are. */
static uint32_t boxes_of(Agraph_t *graph, uint32_t n_steps) {
    uint32_t at = 0, n = 0;
    while (at < n_steps) {
        char name[16];
        unsigned first = 0, last = 0;
        (void)snprintf(name, sizeof name, "p%u", (unsigned)at);
        const char *label = views_label(graph, name);
        if (label == NULL)
            label = views_label(graph, "fold");
        assert_non_null(label);
        const char *steps = strstr(label, "steps ");
        assert_non_null(steps);
        assert_int_equal(sscanf(steps, "steps %u&#8211;%u", &first, &last), 2);
        assert_int_equal(first, at);
        assert_true(last >= first && last < n_steps);
        at = last + 1;
        n++;
    }
    return n;
}

static void layers_that_differ_are_joined_until_they_fit(void **state) {
    (void)state;
    static const uint32_t LAYERS[] = {18, 32, 33, 40, 64, 100};
    for (size_t k = 0; k < sizeof LAYERS / sizeof *LAYERS; k++) {
        graph_case g;
        dms_compiled c;
        views_layers(&g, LAYERS[k], 0);
        views_plan_half(&g, &c);
        assert_true(c.steps.n_steps > 60);
        Agraph_t *graph = views_picture(&g, &c);
        const uint32_t n = boxes_of(graph, c.steps.n_steps);
        assert_null(views_label(graph, "fold"));
        assert_true(n <= 32 && (LAYERS[k] > 32 || n == LAYERS[k]));
        assert_true(agnnodes(graph) <= 40);
        assert_int_equal(agclose(graph), 0);
        graph_end(&g);
    }
}

static void a_run_of_equal_layers_is_covered_by_its_fold(void **state) {
    (void)state;
    static const uint32_t LAYERS[] = {31, 50, 120};
    for (size_t k = 0; k < sizeof LAYERS / sizeof *LAYERS; k++) {
        graph_case g;
        dms_compiled c;
        views_layers(&g, LAYERS[k], 3);
        views_plan_half(&g, &c);
        Agraph_t *graph = views_picture(&g, &c);
        assert_int_equal(boxes_of(graph, c.steps.n_steps), 5); /* two at each end, the fold */
        assert_non_null(views_label(graph, "fold"));
        assert_int_equal(agclose(graph), 0);
        graph_end(&g);
    }
}

/* Kept and streamed bytes of all boxes add up to those of the tiers. */
static void the_boxes_hold_all_weights(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    views_layers(&g, 20, 0);
    views_plan_half(&g, &c);
    Agraph_t *graph = views_picture(&g, &c);
    double kept = 0;
    for (uint32_t at = 0; at < c.steps.n_steps;) {
        char name[16];
        unsigned first, last;
        (void)snprintf(name, sizeof name, "p%u", (unsigned)at);
        const char *label = views_label(graph, name);
        assert_int_equal(sscanf(strstr(label, "steps "), "steps %u&#8211;%u", &first, &last), 2);
        const char *share = strstr(label, " % kept of 16.0 KiB"); /* one weight a layer */
        assert_non_null(share);
        while (share[-1] == '.' || (share[-1] >= '0' && share[-1] <= '9'))
            share--;
        kept += strtod(share, NULL) / 100 * 16384;
        at = last + 1;
    }
    const dms_view_facts facts = {0};
    json_t *root = json_loads(views_text(&g, dms_view_json, &c, &facts), 0, NULL);
    const json_t *tier = json_object_get(root, "weights_by_tier");
    assert_int_equal((json_int_t)(kept + 0.5), figure(tier, "device"));
    json_decref(root);
    assert_int_equal(agclose(graph), 0);
    graph_end(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verdict_has_the_figures_of_the_decision),
        cmocka_unit_test(the_distance_from_the_bound_is_never_flattered),
        cmocka_unit_test(bars_are_as_long_as_their_share),
        cmocka_unit_test(every_candidate_has_a_line_and_the_plan_comes_last),
        cmocka_unit_test(a_terminal_with_more_letters_sees_the_same_table),
        cmocka_unit_test(the_limit_is_compute_where_nothing_stalls),
        cmocka_unit_test(break_even_is_where_the_steps_take_as_long_as_the_link),
        cmocka_unit_test(an_obvious_rule_that_does_not_fit_is_named_all_the_same),
        cmocka_unit_test(json_figures_are_those_of_the_compile),
        cmocka_unit_test(weights_by_tier_are_counted_once_each),
        cmocka_unit_test(a_graph_without_weights_has_no_break_even),
        cmocka_unit_test(layers_that_differ_are_joined_until_they_fit),
        cmocka_unit_test(a_run_of_equal_layers_is_covered_by_its_fold),
        cmocka_unit_test(the_boxes_hold_all_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
