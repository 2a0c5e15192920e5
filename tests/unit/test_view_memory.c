/* test_view_memory.c - the picture of letters: what fills the device over one inference. */
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
#include "support_views.h"

#define COLUMNS 60
#define LINES 6

/* A compile and its picture, without UTF-8: a byte per cell. */
typedef struct memory_case {
    graph_case g;
    dms_compiled c;
    char text[8192];
    const char *line[LINES + 3]; /* what fills, from the top; kept; stall; the axis */
} memory_case;

static void draw(memory_case *m, bool utf8) {
    dms_status st;
    FILE *out = fmemopen(m->text, sizeof m->text, "w");
    assert_non_null(out);
    if (dms_view_memory(&m->c, &m->g.arena, utf8, out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(fclose(out), 0);
}

static void begin(memory_case *m, bool is_tight) {
    views_layers(&m->g, 12, 3);
    m->g.profile.in.bytes_per_s /= 10;
    if (is_tight)
        views_plan_half(&m->g, &m->c);
    else
        views_plan_ample(&m->g, &m->c);
    draw(m, false);
    const char *at = m->text;
    for (size_t k = 0; k < LINES + 3; k++) {
        m->line[k] = at;
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
}

/* The cells of a line: 60 behind its 14 columns of label. */
static const char *cells(const memory_case *m, size_t line) {
    assert_true(strchr(m->line[line], '\n') - m->line[line] >= 14 + COLUMNS);
    return m->line[line] + 14;
}

static uint64_t packed(uint64_t bytes) {
    return (bytes + 255) / 256 * 256;
}

/* Bytes in a slot: of weights that are not kept, or of all else that is not a weight. */
static uint64_t bytes_in(const dms_compiled *c, int32_t slot, bool weights) {
    const dms_problem *p = &c->blocks.problem;
    const int32_t n = (int32_t)p->n_steps;
    uint64_t sum = weights ? 0 : packed(p->steps[slot].scratch_bytes);
    for (uint32_t i = 0; i < c->decision.n_residencies; i++) {
        const dms_place_residency *r = &c->decision.residencies[i];
        const dms_problem_tensor *t = &p->tensors[r->tensor];
        if ((t->kind == DMS_PROBLEM_WEIGHT) != weights || (weights && r->gap < 0))
            continue;
        for (int32_t s = slot - n; s <= slot + n; s += n)
            sum += s >= r->first_slot && s <= r->last_slot ? packed(t->bytes) : 0;
    }
    return sum;
}

static uint64_t kept_bytes(const dms_compiled *c) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->decision.n_residencies; i++) {
        const dms_place_residency *r = &c->decision.residencies[i];
        const dms_problem_tensor *t = &c->blocks.problem.tensors[r->tensor];
        sum += t->kind == DMS_PROBLEM_WEIGHT && r->gap < 0 ? packed(t->bytes) : 0;
    }
    return sum;
}

/* The column in whose middle a step runs is at least as full as the step's slot, and none is fuller
 * than the fullest slot of all. */
static void columns_are_as_high_as_their_slots(void **state) {
    (void)state;
    memory_case m;
    begin(&m, true);
    const uint64_t kept = kept_bytes(&m.c);
    const double room = (double)(m.c.device_budget - kept);
    const dms_decision *d = &m.c.decision;
    const int64_t origin = d->step_start_ns[0] - d->step_stall_ns[0];
    int height[COLUMNS], most = 0, fullest = 0;
    for (int k = 0; k < COLUMNS; k++) {
        height[k] = 0;
        for (size_t line = 0; line < LINES; line++)
            height[k] += cells(&m, line)[k] != '.';
        most = height[k] > most ? height[k] : most;
    }
    for (int32_t s = 0; s < (int32_t)m.c.steps.n_steps; s++) {
        const double bytes = (double)(bytes_in(&m.c, s, true) + bytes_in(&m.c, s, false));
        const int lines = (int)(LINES * bytes / room + 0.5);
        const int64_t middle = d->step_start_ns[s] - origin + m.c.steps.step[s].ns / 2;
        assert_true(height[middle * COLUMNS / d->period_ns] >= lines);
        fullest = lines > fullest ? lines : fullest;
    }
    assert_int_equal(most, fullest);
    assert_true(fullest >= 4); /* the budget is used */
    graph_end(&m.g);
}

/* In every column activations lie beneath what is streamed, and nothing lies on air. */
static void activations_lie_beneath_what_is_streamed(void **state) {
    (void)state;
    memory_case m;
    uint32_t n_streamed = 0, n_activations = 0;
    begin(&m, true);
    for (int k = 0; k < COLUMNS; k++) {
        const char *const ORDER = ".#=";
        const char *last = ORDER;
        for (size_t line = 0; line < LINES; line++) {
            const char *now = strchr(ORDER, cells(&m, line)[k]);
            assert_non_null(now);
            assert_true(now >= last);
            last = now;
            n_streamed += *now == '#';
            n_activations += *now == '=';
        }
    }
    assert_true(n_streamed > 0 && n_activations > 0);
    graph_end(&m.g);
}

static void kept_weights_are_one_line_with_their_bytes(void **state) {
    (void)state;
    memory_case m;
    char wanted[32];
    begin(&m, true);
    assert_true(kept_bytes(&m.c) > 0);
    assert_non_null(strstr(m.line[LINES], dms_bytes_text(kept_bytes(&m.c), wanted)));
    for (int k = 0; k < COLUMNS; k++)
        assert_int_equal(cells(&m, LINES)[k], '+');
    assert_non_null(strstr(m.line[0], dms_bytes_text(m.c.device_budget, wanted)));
    graph_end(&m.g);
}

/* A column without a mark has no stall, and marks are there if and only if something waits. */
static void marks_are_where_compute_waits(void **state) {
    (void)state;
    memory_case m;
    begin(&m, true);
    const dms_decision *d = &m.c.decision;
    const int64_t origin = d->step_start_ns[0] - d->step_stall_ns[0];
    assert_true(m.c.stalls.n > 0);
    for (uint32_t i = 0; i < m.c.stalls.n; i++) {
        const dms_stall *s = &m.c.stalls.stall[i];
        const int64_t middle = d->step_start_ns[s->step] - origin - s->ns / 2;
        assert_int_not_equal(cells(&m, LINES + 1)[middle * COLUMNS / d->period_ns], ' ');
    }
    graph_end(&m.g);
    memory_case calm;
    views_layers(&calm.g, 12, 3);
    views_plan_ample(&calm.g, &calm.c);
    for (uint32_t s = 0; s < calm.c.steps.n_steps; s++)
        calm.c.decision.step_stall_ns[s] = 0;
    dms_status st;
    assert_int_equal(dms_stalls_find(&calm.c.blocks.problem, &calm.c.decision, &calm.g.arena,
                                     &calm.c.stalls, &st),
                     DMS_OK);
    draw(&calm, false);
    const char *stall = strstr(calm.text, "stall");
    assert_non_null(stall);
    assert_int_equal(strspn(stall + 5, " "), strchr(stall, '\n') - stall - 5);
    graph_end(&calm.g);
}

/* The same picture with other letters, none wider than a terminal. */
static void a_terminal_with_more_letters_sees_the_same_picture(void **state) {
    (void)state;
    memory_case plain, rich;
    begin(&plain, true);
    begin(&rich, true);
    draw(&rich, true);
    const char *a = plain.text, *b = rich.text;
    size_t column = 0;
    for (; *a != 0 && *b != 0; a++) {
        assert_int_equal(*a == '\n', *b == '\n');
        column = *a == '\n' ? 0 : column + 1;
        assert_true(column <= 100);
        b++;
        while (((unsigned char)*b & 0xc0) == 0x80)
            b++;
    }
    assert_int_equal(*a, *b);
    graph_end(&plain.g);
    graph_end(&rich.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_high_as_their_slots),
        cmocka_unit_test(activations_lie_beneath_what_is_streamed),
        cmocka_unit_test(kept_weights_are_one_line_with_their_bytes),
        cmocka_unit_test(marks_are_where_compute_waits),
        cmocka_unit_test(a_terminal_with_more_letters_sees_the_same_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
