/* test_engine_overlap.c - weights that lie in a real file, read past the page cache where the disk
 * allows it: the queues load, in and compute are at work at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schema/trace.h"
#include "support_graph.h"
#include "support_session.h"

#define AMPLE (1ull << 40)
#define ROWS 128 /* a step takes about as long as it takes to read its weight */
#define PAIRS 7
#define WIDE 1024
#define NARROW 384 /* WIDE x NARROW is cut between rows, NARROW x WIDE between columns */
#define TURNS 3
#define MOST_RUNS 30 /* on a machine that does other work, queues may run one after another */

/* Nanoseconds in which all queues of a set (bits) were at work. */
typedef struct at_once {
    int64_t load_in, load_compute, in_compute, all;
} at_once;

/* A queue begins (+1) or ends (-1) a command. */
typedef struct edge {
    int64_t at_ns;
    int32_t queue, step;
} edge;

/* Ends before begins at one moment: commands that only touch do not overlap. */
static int compare_edges(const void *a, const void *b) {
    const edge *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return (x->queue > y->queue) - (x->queue < y->queue);
}

/* The begins and ends of all that ran, in order of time. */
static uint32_t edges_of(const dms_trace *trace, edge *out) {
    uint32_t n = 0;
    for (uint32_t turn = 0; turn < trace->n_turns; turn++)
        for (int q = 0; q < DMS_N_QUEUES; q++)
            for (uint32_t k = 0; k < trace->plan->body.n_cmds[q]; k++) {
                const dms_trace_span *s = dms_trace_at(trace, turn, (dms_queue)q, k);
                if (s->end_ns == 0)
                    continue;
                out[n++] = (edge){s->begin_ns, q, 1};
                out[n++] = (edge){s->end_ns, q, -1};
            }
    qsort(out, n, sizeof *out, compare_edges);
    return n;
}

static void measure(const dms_trace *trace, void *context) {
    at_once *sum = context;
    edge *edges = calloc(2 * (size_t)trace->n_turns * trace->n_cmds, sizeof *edges);
    assert_non_null(edges);
    const uint32_t n = edges_of(trace, edges);
    int32_t busy[DMS_N_QUEUES] = {0};
    for (uint32_t k = 0; k + 1 < n; k++) {
        busy[edges[k].queue] += edges[k].step;
        const int64_t ns = edges[k + 1].at_ns - edges[k].at_ns;
        const bool load = busy[DMS_QUEUE_LOAD] > 0, in = busy[DMS_QUEUE_IN] > 0;
        const bool compute = busy[DMS_QUEUE_COMPUTE] > 0;
        sum->load_in += load && in ? ns : 0;
        sum->load_compute += load && compute ? ns : 0;
        sum->in_compute += in && compute ? ns : 0;
        sum->all += load && in && compute ? ns : 0;
    }
    free(edges);
}

/* x W1 V1 W2 V2 ..., 21 MiB of weights. */
static void make_pairs(graph_case *g) {
    char name[16];
    uint32_t x = graph_input(g, "x", ROWS, WIDE);
    for (uint32_t k = 0; k < 2 * PAIRS; k++) {
        const int64_t depth = k % 2 == 0 ? WIDE : NARROW, columns = WIDE + NARROW - depth;
        (void)snprintf(name, sizeof name, "w%u", (unsigned)k);
        const uint32_t w = graph_weight(g, name, depth, columns, k);
        (void)snprintf(name, sizeof name, "y%u", (unsigned)k);
        const uint32_t y = graph_result(g, name, ROWS, columns);
        graph_matmul(g, x, w, y);
        x = y;
    }
    graph_output(g, x);
}

static void three_queues_work_at_the_same_time(void **state) {
    (void)state;
    graph_case g;
    dms_compiled c;
    dms_status st;
    graph_begin(&g);
    make_pairs(&g);
    graph_compute(&g, 7);
    assert_int_equal(graph_plan(&g, AMPLE, AMPLE, &c, &st), DMS_OK);
    const uint64_t device = c.floor.device_bytes + (c.plan.device_arena - c.floor.device_bytes) / 4;
    const uint64_t host = 4u << 20;
    if (graph_plan(&g, device, host, &c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_true(c.plan.device_arena <= device && c.plan.host_arena <= host);
    assert_true(c.plan.body.n_cmds[DMS_QUEUE_LOAD] > 20);
    float *input[1] = {g.value[g.input[0]]}, *want[1] = {g.value[g.output[0]]};
    at_once sum = {0};
    const session_case how = {.threads = 1, .turns = TURNS, .look = measure, .context = &sum};
    for (uint32_t run = 0; run < MOST_RUNS && sum.all == 0; run++)
        session_must_give(&c.plan, c.steps.consts, c.steps.n_consts, input, want, &how);
    assert_true(sum.load_compute > 0);
    assert_true(sum.load_in > 0);
    assert_true(sum.in_compute > 0);
    assert_true(sum.all > 0);
    graph_end(&g);
}

/* Commands of one queue never overlap, whatever the others do: the sums above count what they say. */
static void what_only_touches_is_not_at_once(void **state) {
    (void)state;
    dms_trace_span span[3] = {{10, 20}, {20, 30}, {15, 25}};
    dms_plan plan = {0};
    plan.body.n_cmds[DMS_QUEUE_COMPUTE] = plan.body.n_cmds[DMS_QUEUE_IN] = 1;
    plan.body.n_cmds[DMS_QUEUE_LOAD] = 1;
    dms_trace trace = {.plan = &plan, .n_turns = 1, .n_cmds = 3, .span = span};
    for (int q = 0; q < DMS_N_QUEUES; q++)
        trace.first_cmd[q] = q == DMS_QUEUE_COMPUTE ? 0 : q == DMS_QUEUE_IN ? 1 : 2;
    at_once sum = {0};
    measure(&trace, &sum);
    assert_int_equal(sum.in_compute, 0);   /* 10 to 20, 20 to 30 */
    assert_int_equal(sum.load_compute, 5); /* 15 to 20 */
    assert_int_equal(sum.load_in, 5);      /* 20 to 25 */
    assert_int_equal(sum.all, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_touches_is_not_at_once),
        cmocka_unit_test(three_queues_work_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
