/* test_report.c - the page: well-formed, with the figures of the compile it shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "support_page.h"
#include "support_rounds.h"

/* A compile that stalls, and its page. */
typedef struct page_case {
    graph_case g;
    dms_compiled c;
    page p;
    json_t *data;
} page_case;

static void begin(page_case *t, uint32_t layers, uint32_t steps) {
    views_layers(&t->g, layers, steps);
    t->g.profile.in.bytes_per_s /= 10;
    views_plan_half(&t->g, &t->c);
    t->p = page_of(&t->g, &t->c);
    t->data = page_data(&t->p);
}

static void end(page_case *t) {
    json_decref(t->data);
    graph_end(&t->g);
}

/* The page that most tests look at: of 8 layers of 3 steps. */
static int begin_all(void **state) {
    *state = calloc(1, sizeof(page_case));
    assert_non_null(*state);
    begin(*state, 8, 3);
    return 0;
}

static int end_all(void **state) {
    end(*state);
    free(*state);
    return 0;
}

static int64_t number(const json_t *data, const char *key) {
    const json_t *value = json_object_get(data, key);
    if (!json_is_integer(value))
        fail_msg("%s is missing or no integer", key);
    return json_integer_value(value);
}

static void the_verdict_is_that_of_the_decision(void **state) {
    page_case *t = *state;
    const page_element *v = page_find(&t->p, 0, "id", "verdict");
    assert_int_equal(page_integer(v, "data-fits"), 1);
    assert_int_equal(page_integer(v, "data-device-budget-bytes"), t->c.device_budget);
    assert_int_equal(page_integer(v, "data-device-peak-bytes"), t->c.plan.device_arena);
    assert_int_equal(page_integer(v, "data-weight-bytes"), 8 * 64 * 64 * 4);
    assert_int_equal(page_integer(v, "data-period-ns"), t->c.decision.period_ns);
    assert_int_equal(page_integer(v, "data-resident-ns"), t->c.decision.compute_ns);
    assert_int_equal(page_integer(v, "data-bound-ns"), t->c.decision.bound_ns);
    assert_int_equal(page_integer(v, "data-floor-bytes"), t->c.floor.device_bytes);
    assert_true(page_integer(v, "data-stall-ns") > 0);
    assert_int_equal(page_integer(v, "data-resident-ns") + page_integer(v, "data-stall-ns"),
                     page_integer(v, "data-period-ns"));
}

/* Where copies and steps slow each other, steps fill the turn all the same: what they take longer is
 * neither the steps' own time nor a stall. */
static void steps_that_are_slowed_fill_the_turn(void **state) {
    (void)state;
    page_case t;
    views_layers(&t.g, 5, 3);
    t.g.profile.in.bytes_per_s /= 10;
    t.g.profile.contention.extra[DMS_QUEUE_COMPUTE][DMS_QUEUE_IN] = 500;
    views_plan_half(&t.g, &t.c);
    t.p = page_of(&t.g, &t.c);
    t.data = page_data(&t.p);
    const page_element *v = page_find(&t.p, 0, "id", "verdict");
    assert_true(page_integer(v, "data-slowed-ns") > 0);
    assert_int_equal(page_integer(v, "data-resident-ns") + page_integer(v, "data-stall-ns") +
                         page_integer(v, "data-slowed-ns"),
                     t.c.decision.period_ns);
    int64_t at = 0, longer = 0;
    for (uint32_t s = 0; s < t.c.steps.n_steps; s++) {
        assert_int_equal(page_entry(t.data, "steps", 9 * s), at);
        const int64_t stall = page_entry(t.data, "steps", 9 * s + 1);
        const int64_t ns = page_entry(t.data, "steps", 9 * s + 2);
        assert_true(stall >= 0 && (ns + 1) * number(t.data, "unit") >= t.c.steps.step[s].ns);
        longer += ns * number(t.data, "unit") - t.c.steps.step[s].ns;
        at += stall + ns;
    }
    assert_int_equal(at, number(t.data, "P"));
    assert_true(llabs(longer - t.c.stalls.slowed_ns) <= t.c.steps.n_steps * number(t.data, "unit"));
    end(&t);
}

/* Sums of the table are those of the verdict, for there are few groups; so are the causes. */
static void stalls_add_up_to_the_verdict(void **state) {
    page_case *t = *state;
    const page_element *v = page_find(&t->p, 0, "id", "verdict");
    int64_t rows = 0, count = 0, hits = 0;
    for (uint32_t i = 0; i < t->p.n; i++) {
        const page_element *e = &t->p.element[i];
        if (page_value(&t->g, e, "data-count") != NULL) {
            rows += page_integer(e, "data-stall-ns");
            count += page_integer(e, "data-count");
        } else if (page_value(&t->g, e, "data-cause") != NULL) {
            hits += page_integer(e, "data-stall-ns");
            assert_int_equal(page_integer(e, "data-stall-ns"),
                             t->c.decision.step_stall_ns[page_integer(e, "data-step")]);
        }
    }
    assert_true(page_count(&t->p, "data-count", NULL) <= 8);
    assert_int_equal(rows, page_integer(v, "data-stall-ns"));
    assert_int_equal(hits, page_integer(v, "data-stall-ns"));
    assert_int_equal(count, t->c.stalls.n);
    const page_element *cause = page_find(&t->p, 0, "class", "cause");
    assert_int_equal(page_integer(cause, "data-link-ns") + page_integer(cause, "data-room-ns") +
                         page_integer(cause, "data-save-ns"),
                     page_integer(v, "data-stall-ns"));
}

/* The turn is cut into 10^5 to 10^6 units of 10^k ns, one after the other without a gap. */
static void steps_of_the_data_fill_the_turn(void **state) {
    page_case *t = *state;
    const page_element *time = page_find(&t->p, 0, "id", "time");
    const int64_t unit = number(t->data, "unit"), period = number(t->data, "P");
    assert_int_equal(page_integer(time, "data-unit-ns"), unit);
    assert_int_equal(page_integer(time, "data-period"), period);
    assert_true(unit == 1 || (period >= 100000 && period < 1000000));
    assert_true(llabs(t->c.decision.period_ns - period * unit) <= unit);
    int64_t at = 0;
    assert_int_equal(json_array_size(json_object_get(t->data, "steps")), 9 * t->c.steps.n_steps);
    for (uint32_t s = 0; s < t->c.steps.n_steps; s++) {
        assert_int_equal(page_entry(t->data, "steps", 9 * s), at);
        const int64_t stall = page_entry(t->data, "steps", 9 * s + 1);
        const int64_t ns = page_entry(t->data, "steps", 9 * s + 2);
        assert_true(llabs(stall * unit - t->c.decision.step_stall_ns[s]) <= unit);
        assert_true(llabs(ns * unit - t->c.steps.step[s].ns) <= unit);
        at += stall + ns;
        const int64_t name = page_entry(t->data, "steps", 9 * s + 3);
        assert_true(name >= 0 &&
                    name < (int64_t)json_array_size(json_object_get(t->data, "names")));
        assert_in_range(page_entry(t->data, "steps", 9 * s + 8), 0, 2);
    }
    assert_int_equal(at, period);
}

/* Six classes per step: never more than the whole, kept the same at all times, and as much in use
 * as the residencies that cover the step's slot say. */
static void memory_of_every_step_is_that_of_its_residencies(void **state) {
    page_case *t = *state;
    const dms_decision *d = &t->c.decision;
    const dms_problem *p = &t->c.blocks.problem;
    const int32_t n = (int32_t)p->n_steps;
    const double part = (double)number(t->data, "M") / 4096;
    for (int32_t s = 0; s < n; s++) {
        int64_t sum = 0;
        double live = (double)((p->steps[s].scratch_bytes + 255) / 256 * 256);
        for (size_t k = 0; k < 6; k++) {
            const int64_t it = page_entry(t->data, "mem", 6 * (size_t)s + k);
            assert_true(it >= 0);
            sum += it;
        }
        assert_true(sum <= 4096);
        assert_int_equal(page_entry(t->data, "mem", 6 * (size_t)s), page_entry(t->data, "mem", 0));
        for (uint32_t i = 0; i < d->n_residencies; i++) {
            const dms_place_residency *r = &d->residencies[i];
            bool covers = false;
            for (int32_t turn = -1; turn <= 1; turn++)
                covers = covers || (s + turn * n >= r->first_slot && s + turn * n <= r->last_slot);
            live += covers ? (double)((p->tensors[r->tensor].bytes + 255) / 256 * 256) : 0;
        }
        assert_true((double)sum * part <= live);
        assert_true((double)(sum + 1) * part > live);
    }
}

static void every_block_has_a_row_and_every_copy_a_piece(void **state) {
    page_case *t = *state;
    const dms_problem *p = &t->c.blocks.problem;
    uint32_t rows = 0, kept = 0;
    for (uint32_t b = 0; b < p->n_tensors; b++)
        rows += p->tensors[b].kind == DMS_PROBLEM_WEIGHT || p->tensors[b].kind == DMS_PROBLEM_INPUT;
    assert_int_equal(json_array_size(json_object_get(t->data, "kept")), rows);
    assert_int_equal(json_array_size(json_object_get(t->data, "blocks")), 2 * rows);
    for (uint32_t k = 0; k < rows; k++)
        kept += page_entry(t->data, "kept", k) == 1;
    assert_true(kept > 0 && kept < rows);
    const size_t copies = json_array_size(json_object_get(t->data, "copies")) / 5;
    assert_in_range(copies, t->c.decision.n_loads, t->c.decision.n_loads + 1); /* one may be cut */
    int64_t last = 0;
    for (size_t k = 0; k < copies; k++) {
        const int64_t from = page_entry(t->data, "copies", 5 * k);
        assert_true(from >= last);
        last = from + page_entry(t->data, "copies", 5 * k + 1);
        assert_true(last <= number(t->data, "P"));
    }
}

static void every_candidate_has_a_bar(void **state) {
    page_case *t = *state;
    const dms_decision *d = &t->c.decision;
    for (uint32_t k = 0; k < d->n_candidates; k++)
        assert_int_equal(page_integer(page_find(&t->p, 0, "data-candidate", d->candidates[k].name),
                                      "data-period-ns"),
                         d->candidates[k].period_ns);
    const struct {
        const char *name;
        int64_t ns;
    } MORE[] = {
        {"this plan", d->period_ns}, {"lower bound", d->bound_ns}, {"resident", d->compute_ns}};
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(
            page_integer(page_find(&t->p, 0, "data-candidate", MORE[k].name), "data-period-ns"),
            MORE[k].ns);
    const bool is_dearer = d->unpacked_ns + d->unpacked_ns / 2000 < d->period_ns;
    assert_int_equal(page_count(&t->p, "data-candidate", NULL), d->n_candidates + 3 + is_dearer);
}

static void rules_that_do_not_fit_are_named_below_the_bars(void **state) {
    page_case *t = *state;
    dms_decision *d = &t->c.decision;
    assert_int_equal(page_count(&t->p, "id", "unfit"), 0);
    const uint32_t n_candidates = d->n_candidates;
    d->n_candidates = 0; /* as at a floor that holds none of what they keep */
    const page p = page_of(&t->g, &t->c);
    const page_piece text = page_find(&p, 0, "id", "unfit")->text;
    static const char wanted[] = "What these keep does not fit: on demand, layer double buffer, "
                                 "keep first, even spread, Belady.";
    assert_int_equal(text.n, strlen(wanted));
    assert_memory_equal(text.at, wanted, text.n);
    assert_int_equal(page_count(&p, "data-candidate", "even"), 0);
    d->n_candidates = n_candidates;
}

/* Bars of a page whose plan was faster by so much before it had addresses. */
static uint32_t bars_before_addresses(page_case *t, int64_t hundredths_of_percent) {
    t->c.decision.unpacked_ns =
        t->c.decision.period_ns - t->c.decision.period_ns * hundredths_of_percent / 10000;
    const page p = page_of(&t->g, &t->c);
    const uint32_t n = page_count(&p, "data-candidate", "before addresses");
    if (n > 0)
        assert_int_equal(
            page_integer(page_find(&p, 0, "data-candidate", "before addresses"), "data-period-ns"),
            t->c.decision.unpacked_ns);
    return n;
}

/* A twentieth of a percent is not worth a bar. */
static void what_addresses_cost_has_a_bar_where_it_is_seen(void **state) {
    page_case *t = *state;
    const int64_t unpacked_ns = t->c.decision.unpacked_ns;
    assert_int_equal(bars_before_addresses(t, 0), 0);
    assert_int_equal(bars_before_addresses(t, 4), 0);
    assert_int_equal(bars_before_addresses(t, 7), 1);
    assert_int_equal(bars_before_addresses(t, 300), 1);
    t->c.decision.unpacked_ns = unpacked_ns;
}

/* Less memory is never faster, a bound is never above its plan, and this plan is among them. */
static void the_curve_falls(void **state) {
    page_case *t = *state;
    int64_t budget = 0, period = INT64_MAX;
    bool is_there = false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->p.n; i++) {
        const page_element *e = &t->p.element[i];
        if (page_value(&t->g, e, "data-budget-bytes") == NULL ||
            page_value(&t->g, e, "data-bound-ns") == NULL)
            continue;
        assert_true(page_integer(e, "data-budget-bytes") > budget);
        assert_true(page_integer(e, "data-period-ns") <= period);
        assert_true(page_integer(e, "data-bound-ns") <= page_integer(e, "data-period-ns"));
        budget = page_integer(e, "data-budget-bytes");
        period = page_integer(e, "data-period-ns");
        if (budget == (int64_t)t->c.device_budget) {
            is_there = true;
            assert_int_equal(period, t->c.decision.period_ns);
        }
        n++;
    }
    assert_true(n >= 3);
    assert_true(is_there);
}

/* Copies charged to weights are all copies of weights, where the table has room for all. */
static void weights_that_are_copied_have_a_row(void **state) {
    page_case *t = *state;
    uint64_t moved = 0, shown = 0;
    for (uint32_t q = 0; q < t->c.decision.n_loads; q++) {
        const dms_problem_tensor *w = &t->c.blocks.problem.tensors[t->c.decision.loads[q].tensor];
        moved += w->kind == DMS_PROBLEM_WEIGHT ? w->bytes : 0;
    }
    for (uint32_t i = 0; i < t->p.n; i++)
        if (page_value(&t->g, &t->p.element[i], "data-tensor") != NULL)
            shown += (uint64_t)page_integer(&t->p.element[i], "data-moved-bytes");
    assert_true(moved > 0);
    assert_int_equal(shown, moved);
    /* all eight are of one role, "layers.*.w": kept or not, late or not */
    assert_true(page_count(&t->p, "data-tensor", NULL) <= 4);
}

static void equal_compiles_give_equal_pages(void **state) {
    const page_case *a = *state;
    page_case b;
    begin(&b, 8, 3);
    assert_string_equal(a->p.text, b.p.text);
    end(&b);
}

/* No element can fetch anything: no address, no source, nothing imported. */
static void the_page_fetches_nothing(void **state) {
    (void)state;
    static const char *const FETCHES[] = {
        "http", "://", "@import", "url(", "src=", "href=", "fetch(", "XMLHttp", "WebSocket"};
    page_case t;
    begin(&t, 4, 2);
    for (size_t k = 0; k < sizeof FETCHES / sizeof FETCHES[0]; k++)
        if (strstr(t.p.text, FETCHES[k]) != NULL)
            fail_msg("the page holds '%s'", FETCHES[k]);
    end(&t);
}

/* A compile without a page. */
static void begin_unnamed(page_case *t) {
    views_layers(&t->g, 2, 1);
    t->g.profile.in.bytes_per_s /= 10;
    views_plan_half(&t->g, &t->c);
    t->data = NULL;
}

/* Its page where weights, nodes and model have a name of a stranger. */
static void name_all(page_case *t, const char *name) {
    t->c.graph.model_file = name;
    for (uint32_t i = 0; i < t->c.graph.n_nodes; i++)
        t->c.graph.node[i].name = name;
    for (uint32_t i = 0; i < t->c.steps.n_tensors; i++)
        t->c.steps.tensor[i].plan.name = name;
    (void)snprintf(t->c.profile.name, sizeof t->c.profile.name, "%s", name);
    t->p = page_of(&t->g, &t->c);
    json_decref(t->data);
    t->data = page_data(&t->p);
}

static void names_of_strangers_are_text(void **state) {
    (void)state;
    static const char *const NAME[] = {"</script><script>alert(1)</script>",
                                       "\"><img onerror=\"x\">",
                                       "' onload='x",
                                       "]]></script>",
                                       "<!--",
                                       "&amp;&lt;",
                                       "a\x01\x02\x1f\x7f"
                                       "b",
                                       "\xff\xfe\xc0\x80",
                                       "\xed\xa0\x80",
                                       "HTTP://example/",
                                       "\xe2\x80\xae"
                                       "evil",
                                       "\\u003c\\",
                                       "{}[],:",
                                       "",
                                       "line\nbreak\ttab"};
    page_case t;
    begin_unnamed(&t);
    for (size_t k = 0; k < sizeof NAME / sizeof NAME[0]; k++) {
        name_all(&t, NAME[k]); /* reads the page as XML and its data as JSON */
        assert_null(strstr(t.p.text, "<script>alert"));
        assert_null(strstr(t.p.text, "<img"));
        assert_null(strcasestr(t.p.text, "http"));
        assert_int_equal(page_count(&t.p, "onerror", NULL) + page_count(&t.p, "onload", NULL), 0);
    }
    end(&t);
}

/* Names made of whatever breaks a parser, a thousand ways. */
static void random_names_are_text(void **state) {
    (void)state;
    static const char *const PIECE[] = {"<",
                                        ">",
                                        "&",
                                        "\"",
                                        "'",
                                        "/",
                                        "\\",
                                        "]]>",
                                        "--",
                                        "\x80",
                                        "\xe2\x80\xae",
                                        "\xf0\x9f\x98\x80",
                                        "\xc3",
                                        "\x1b",
                                        "http",
                                        "</",
                                        "script",
                                        "0",
                                        ".",
                                        " ",
                                        "%s%n",
                                        "\xef\xbf\xbf"};
    uint64_t random = 7;
    page_case t;
    begin_unnamed(&t);
    for (uint32_t round = 0; round < ROUNDS_OF(60, 10); round++) {
        char name[256] = "";
        for (uint32_t n = (uint32_t)(graph_random(&random) % 30); n > 0; n--)
            (void)strncat(name, PIECE[graph_random(&random) % (sizeof PIECE / sizeof PIECE[0])],
                          sizeof name - strlen(name) - 1);
        name_all(&t, name);
        assert_null(strcasestr(t.p.text, "http"));
    }
    end(&t);
}

/* Long names are cut where people read, so that no row grows without end. */
static void long_names_are_cut_in_the_middle(void **state) {
    (void)state;
    page_case t;
    char name[4001];
    begin_unnamed(&t);
    memset(name, 'y', sizeof name - 1);
    name[0] = 'a';
    name[sizeof name - 2] = 'z';
    name[sizeof name - 1] = 0;
    name_all(&t, name);
    const char *text = json_string_value(json_array_get(json_object_get(t.data, "names"), 0));
    assert_true(strlen(text) < 150);
    assert_non_null(strstr(text, "\xe2\x80\xa6"));
    assert_int_equal(text[strlen(text) - 1], 'z');
    assert_true(strlen(t.p.text) < 200000);
    end(&t);
}

/* With room for everything nothing waits and nothing of the weights is copied. */
static void a_plan_without_stalls_says_so(void **state) {
    (void)state;
    page_case t;
    views_layers(&t.g, 6, 2);
    t.g.profile.in = (dms_link){1000000000000, 0};
    views_plan_ample(&t.g, &t.c);
    t.p = page_of(&t.g, &t.c);
    t.data = page_data(&t.p);
    assert_non_null(strstr(t.p.text, "Compute is the limit."));
    assert_non_null(strstr(t.p.text, "All weights stay on the device"));
    assert_int_equal(page_count(&t.p, "data-tensor", NULL), 0);
    /* of a budget of which the arena takes little, the arena is the scale */
    assert_int_equal(number(t.data, "M"), t.c.plan.device_arena);
    end(&t);
}

static void memory_that_runs_out_is_an_error(void **state) {
    (void)state;
    page_case t;
    begin(&t, 4, 2);
    uint32_t n = 0;
    for (uint64_t fail_at = 1;; fail_at += 1 + fail_at / 8) {
        char *text = NULL;
        size_t size = 0;
        dms_status st = {0};
        FILE *file = open_memstream(&text, &size);
        dms_arena scratch = {.fail_at = fail_at};
        const dms_code code = dms_view_report(&t.c, &scratch, file, &st);
        dms_arena_free(&scratch);
        assert_int_equal(fclose(file), 0);
        free(text);
        if (code == DMS_OK)
            break;
        assert_int_equal(code, DMS_EINTERNAL);
        n++;
    }
    assert_true(n > 10);
    end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verdict_is_that_of_the_decision),
        cmocka_unit_test(steps_that_are_slowed_fill_the_turn),
        cmocka_unit_test(stalls_add_up_to_the_verdict),
        cmocka_unit_test(steps_of_the_data_fill_the_turn),
        cmocka_unit_test(memory_of_every_step_is_that_of_its_residencies),
        cmocka_unit_test(every_block_has_a_row_and_every_copy_a_piece),
        cmocka_unit_test(every_candidate_has_a_bar),
        cmocka_unit_test(rules_that_do_not_fit_are_named_below_the_bars),
        cmocka_unit_test(what_addresses_cost_has_a_bar_where_it_is_seen),
        cmocka_unit_test(the_curve_falls),
        cmocka_unit_test(weights_that_are_copied_have_a_row),
        cmocka_unit_test(equal_compiles_give_equal_pages),
        cmocka_unit_test(the_page_fetches_nothing),
        cmocka_unit_test(names_of_strangers_are_text),
        cmocka_unit_test(random_names_are_text),
        cmocka_unit_test(long_names_are_cut_in_the_middle),
        cmocka_unit_test(a_plan_without_stalls_says_so),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
