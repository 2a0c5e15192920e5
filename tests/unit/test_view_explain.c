/* test_view_explain.c - one tensor under the glass: where it lives, when it moves, why. */
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
#include "planner/place_internal.h"
#include "planner/views.h"
#include "support_graph.h"

#define AMPLE (1ull << 40)
#define N_WEIGHTS 6u

/* x -> six products -> y; the first product is added to the last one: `a0` has a long gap. */
typedef struct explain_case {
    graph_case g;
    dms_compiled c;
    char text[65536];
} explain_case;

static void begin(explain_case *e, bool is_tight) {
    memset(e, 0, sizeof *e);
    graph_begin(&e->g);
    uint32_t x = graph_input(&e->g, "x", 16, 64), first = 0;
    for (uint32_t k = 0; k < N_WEIGHTS; k++) {
        char name[2][16];
        (void)snprintf(name[0], sizeof name[0], "w%u", (unsigned)k);
        (void)snprintf(name[1], sizeof name[1], "a%u", (unsigned)k);
        const uint32_t w = graph_weight(&e->g, name[0], 64, 64, k);
        const uint32_t a = graph_result(&e->g, name[1], 16, 64);
        graph_matmul(&e->g, x, w, a);
        x = a;
        first = k == 0 ? a : first;
    }
    const uint32_t y = graph_result(&e->g, "y", 16, 64);
    graph_binary(&e->g, DMS_FN_ADD, x, first, y);
    graph_output(&e->g, y);
    e->g.profile.in.bytes_per_s /= 20; /* a slow link: the budget matters */
    dms_status st = {.msg = ""};
    assert_int_equal(graph_plan(&e->g, AMPLE, AMPLE, &e->c, &st), DMS_OK);
    if (!is_tight)
        return;
    const uint64_t budget = (e->c.floor.device_bytes + 2 * e->c.plan.device_arena) / 3;
    assert_int_equal(graph_plan(&e->g, budget, AMPLE, &e->c, &st), DMS_OK);
    e->c.device_budget = budget;
    assert_true(e->c.decision.n_loads > 1);
}

static void end(explain_case *e) {
    graph_end(&e->g);
}

/* What is said of a tensor. */
static const char *explained(explain_case *e, const char *name) {
    dms_status st = {.msg = ""};
    FILE *out = fmemopen(e->text, sizeof e->text, "w");
    assert_non_null(out);
    if (dms_view_explain(&e->c, name, false, out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(fclose(out), 0);
    return e->text;
}

static void says(explain_case *e, const char *name, const char *words) {
    if (strstr(explained(e, name), words) == NULL)
        fail_msg("'%s' is not said of %s:\n%s", words, name, e->text);
}

static uint32_t count_of(const char *text, const char *word) {
    uint32_t n = 0;
    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word))
        n++;
    return n;
}

static void with_room_for_all_a_weight_stays_and_the_text_says_so(void **state) {
    (void)state;
    explain_case e;
    begin(&e, false);
    says(&e, "w3", "w3: weight, f32 [64, 64], 16.0 KiB in 1 block, home device\n");
    says(&e, "w3", "16.0 KiB stays on the device, 0 B is copied in per inference\n");
    says(&e, "w3", "[1/1]  16.0 KiB       7  kept");
    says(&e, "w3", "First used by step 3 ");
    says(&e, "w3", "Everything stays");
    assert_null(strstr(e.text, "streamed"));
    end(&e);
}

/* The number in front of a word of the head line; 0 where the word does not come. */
static unsigned number_before(const char *text, const char *word) {
    const char *at = strstr(text, word);
    if (at == NULL)
        return 0;
    while (at > text && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return (unsigned)strtoul(at, NULL, 10);
}

static void the_copies_of_all_tensors_are_those_of_the_decision(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    unsigned sum = 0, rows = 0;
    for (uint32_t i = 0; i < e.c.steps.n_tensors; i++) {
        const dms_step_tensor *t = &e.c.steps.tensor[i];
        if (t->over != DMS_NONE)
            continue;
        const char *text = explained(&e, t->plan.name);
        sum += number_before(text, " copy, ") + number_before(text, " copies, ");
        rows += count_of(text, "  streamed ");
    }
    assert_int_equal(sum, e.c.decision.n_loads);
    assert_int_equal(rows, e.c.decision.n_loads);
    end(&e);
}

static void a_streamed_weight_names_home_slot_and_what_keeping_it_would_save(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    const dms_place_load *load = NULL;
    for (uint32_t l = 0; l < e.c.decision.n_loads; l++)
        if (e.c.blocks.problem.tensors[e.c.decision.loads[l].tensor].kind == DMS_PROBLEM_WEIGHT)
            load = &e.c.decision.loads[l];
    assert_non_null(load);
    const char *name = e.c.blocks.problem.tensors[load->tensor].label;
    char slot[64];
    (void)snprintf(slot, sizeof slot, "  slot %d at ", (int)load->after + 1);
    says(&e, name, "home host\n");
    says(&e, name, "0 B stays on the device, 16.0 KiB is copied in per inference (1 copy, ");
    says(&e, name, slot);
    says(&e, name, "To keep all of it would take 16.0 KiB more on the device");
    end(&e);
}

/* The line of a way, without what stands in front of it. */
static const char *way(explain_case *e, const char *name, const char *which) {
    char wanted[40];
    (void)snprintf(wanted, sizeof wanted, "\n  %-20s ", which);
    const char *at = strstr(explained(e, name), wanted);
    if (at == NULL)
        fail_msg("no way '%s' for %s:\n%s", which, name, e->text);
    return at + strlen(wanted);
}

/* Whether a line holds these words in turn, with blanks between them. */
static void holds(const char *line, const char *const *word, size_t n) {
    for (size_t k = 0; k < n; k++) {
        while (*line == ' ')
            line++;
        if (strncmp(line, word[k], strlen(word[k])) != 0)
            fail_msg("'%s' is not next in: %.60s", word[k], line);
        line += strlen(word[k]);
    }
}

/* A weight of one block: it stays as a whole, or comes in as a whole, from the host. Both ways are
 * priced by the link alone. */
static void every_way_to_treat_a_weight_has_its_price(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    const dms_problem *p = &e.c.blocks.problem;
    char in[32];
    uint32_t n_kept = 0, n_streamed = 0;
    (void)dms_time_text(dms_copy_ns(&p->in, 64 * 64 * 4), false, in);
    const char *const STAY[] = {"16.0 KiB", "0 B", "-", "-", "-"};
    const char *const HOST[] = {"0 B", "16.0 KiB", in, "-", "-"};
    for (uint32_t b = 0; b < p->n_tensors; b++) {
        if (p->tensors[b].kind != DMS_PROBLEM_WEIGHT)
            continue;
        const char *name = p->tensors[b].label;
        const bool is_kept = e.c.decision.keep[p->tensors[b].first_touch];
        holds(way(&e, name, "keep all of it"), STAY, 5);
        holds(way(&e, name, "home host"), HOST, 5);
        holds(way(&e, name, "as planned"), is_kept ? STAY : HOST, 5);
        n_kept += is_kept;
        n_streamed += !is_kept;
    }
    assert_true(n_kept > 0 && n_streamed > 0);
    end(&e);
}

/* An activation with a long gap: out and in again, at the price of both links. */
static void an_activation_may_leave_and_come_back(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    const dms_problem *p = &e.c.blocks.problem;
    char in[32], out[32];
    (void)dms_time_text(dms_copy_ns(&p->in, 16 * 64 * 4), false, in);
    (void)dms_time_text(dms_copy_ns(&p->out, 16 * 64 * 4), false, out);
    const char *const LEAVE[] = {"0 B", "4.00 KiB", in, out, "-"};
    const char *const STAY[] = {"4.00 KiB", "0 B", "-", "-", "-"};
    holds(way(&e, "a0", "leave and come back"), LEAVE, 5);
    holds(way(&e, "a0", "keep all of it"), STAY, 5);
    assert_null(strstr(explained(&e, "a0"), "home nvme"));
    assert_null(strstr(explained(&e, "x"), "as planned")); /* of an input there is no choice */
    end(&e);
}

/* Bytes that lie on the device in a slot, the block's own left out. */
static uint64_t others_in(const explain_case *e, uint32_t block, int32_t slot) {
    const dms_problem *p = &e->c.blocks.problem;
    const int32_t n = (int32_t)p->n_steps;
    uint64_t sum = (p->steps[slot].scratch_bytes + 255) / 256 * 256;
    for (uint32_t i = 0; i < e->c.decision.n_residencies; i++) {
        const dms_place_residency *r = &e->c.decision.residencies[i];
        bool covers = false;
        for (int32_t s = slot - n; s <= slot + n; s += n)
            covers = covers || (s >= r->first_slot && s <= r->last_slot);
        sum += covers && r->tensor != block ? (p->tensors[r->tensor].bytes + 255) / 256 * 256 : 0;
    }
    return sum;
}

/* Of a weight used once every slot but that of its use is in its gap; the one with least room for
 * it is named, with the room. */
static void the_tightest_slot_of_the_gaps_is_named(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    const dms_problem *p = &e.c.blocks.problem;
    for (uint32_t b = 0; b < p->n_tensors; b++) {
        if (p->tensors[b].kind != DMS_PROBLEM_WEIGHT)
            continue;
        const int32_t use = (int32_t)p->touches[p->tensors[b].first_touch];
        uint64_t most = 0;
        int32_t slot = 0;
        for (int32_t s = 0; s < (int32_t)p->n_steps; s++)
            if (s != use && others_in(&e, b, s) > most) {
                most = others_in(&e, b, s);
                slot = s;
            }
        char wanted[160], bytes[32];
        (void)snprintf(wanted, sizeof wanted,
                       "Slot %d is the tightest of its gaps: all of it takes 16.0 KiB, the rest of "
                       "the plan\n  leaves %s",
                       (int)slot, dms_bytes_text(e.c.device_budget - most, bytes));
        says(&e, p->tensors[b].label, wanted);
    }
    end(&e);
}

static void every_copy_out_is_a_move_with_its_reason(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    uint32_t moves = 0;
    for (uint32_t i = 0; i < e.c.steps.n_tensors; i++)
        if (e.c.steps.tensor[i].over == DMS_NONE)
            moves += count_of(explained(&e, e.c.steps.tensor[i].plan.name), "] out from ");
    assert_int_equal(moves, e.c.decision.n_saves);
    says(&e, "y", "the caller wants it");
    end(&e);
}

/* Of the stalls that wait for copies each is told of once, with its cause. */
static void every_stall_is_told_of_its_copy(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    uint32_t told = 0, wanted = 0;
    for (uint32_t i = 0; i < e.c.stalls.n; i++)
        wanted += e.c.stalls.stall[i].cause != DMS_STALL_SAVE;
    for (uint32_t i = 0; i < e.c.steps.n_tensors; i++) {
        if (e.c.steps.tensor[i].over != DMS_NONE)
            continue;
        const char *text = explained(&e, e.c.steps.tensor[i].plan.name);
        told += count_of(text, "s link\n") + count_of(text, "s room\n");
    }
    assert_true(wanted > 0);
    assert_int_equal(told, wanted);
    end(&e);
}

static void no_line_is_wider_than_a_terminal(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    for (uint32_t i = 0; i < e.c.steps.n_tensors; i++) {
        if (e.c.steps.tensor[i].over != DMS_NONE)
            continue;
        for (const char *line = explained(&e, e.c.steps.tensor[i].plan.name); *line != 0;) {
            const size_t n = strcspn(line, "\n");
            if (n > 100)
                fail_msg("%.*s", (int)n, line);
            line += n + (line[n] != 0);
        }
    }
    end(&e);
}

static void the_share_of_the_relaxation_stands_beside_the_decision(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    float *share = DMS_NEW(&e.g.arena, float, e.c.blocks.problem.n_touches);
    for (uint32_t i = 0; i < e.c.blocks.problem.n_touches; i++)
        share[i] = 0.375f;
    e.c.decision.share = share;
    says(&e, "w2", " 37.5 %");
    says(&e, "w2", "The relaxation keeps 37.5 % of its gaps");
    e.c.decision.share = NULL;
    says(&e, "w2", "No relaxation was solved");
    end(&e);
}

static void shares_are_between_none_and_all(void **state) {
    (void)state;
    explain_case e;
    begin(&e, true);
    for (uint32_t i = 0; e.c.decision.share != NULL && i < e.c.blocks.problem.n_touches; i++)
        assert_true(e.c.decision.share[i] >= 0 && e.c.decision.share[i] <= 1);
    end(&e);
}

static void an_activation_has_its_first_and_last_use(void **state) {
    (void)state;
    explain_case e;
    begin(&e, false);
    says(&e, "a0", "a0: activation, f32 [16, 64], 4.00 KiB in 1 block");
    says(&e, "a0", "First used by step 0 ");
    says(&e, "a0", ", last by step 6 ");
    says(&e, "a0", "3 steps in all.");
    says(&e, "a0", "       5  kept"); /* from step 1 to step 6 */
    says(&e, "a3", "There is nothing to decide");
    end(&e);
}

static void an_input_is_new_in_every_inference(void **state) {
    (void)state;
    explain_case e;
    begin(&e, false);
    says(&e, "x", "x: input, f32 [16, 64], 4.00 KiB in 1 block");
    says(&e, "x", "comes from the caller in every inference");
    says(&e, "x", "New bytes come in every inference, so nothing of it can stay.");
    end(&e);
}

static void a_name_that_no_step_knows_is_refused_with_near_ones(void **state) {
    (void)state;
    explain_case e;
    dms_status st = {.msg = ""};
    begin(&e, false);
    assert_int_equal(dms_view_explain(&e.c, "nosuch", false, stderr, &st), DMS_EUSAGE);
    assert_string_equal(st.msg, "--explain nosuch: no step reads or writes a tensor of this name "
                                "(dmsc --dump PLAN lists them)");
    assert_int_equal(dms_view_explain(&e.c, "w", false, stderr, &st), DMS_EUSAGE);
    assert_non_null(strstr(st.msg, "; there are 'w0', 'w1', 'w2', 'w3', 'w4'"));
    assert_null(strstr(st.msg, "'w5'")); /* five are enough */
    end(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_room_for_all_a_weight_stays_and_the_text_says_so),
        cmocka_unit_test(the_copies_of_all_tensors_are_those_of_the_decision),
        cmocka_unit_test(a_streamed_weight_names_home_slot_and_what_keeping_it_would_save),
        cmocka_unit_test(every_way_to_treat_a_weight_has_its_price),
        cmocka_unit_test(an_activation_may_leave_and_come_back),
        cmocka_unit_test(the_tightest_slot_of_the_gaps_is_named),
        cmocka_unit_test(every_copy_out_is_a_move_with_its_reason),
        cmocka_unit_test(every_stall_is_told_of_its_copy),
        cmocka_unit_test(no_line_is_wider_than_a_terminal),
        cmocka_unit_test(the_share_of_the_relaxation_stands_beside_the_decision),
        cmocka_unit_test(shares_are_between_none_and_all),
        cmocka_unit_test(an_activation_has_its_first_and_last_use),
        cmocka_unit_test(an_input_is_new_in_every_inference),
        cmocka_unit_test(a_name_that_no_step_knows_is_refused_with_near_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
