/* test_views_storage.c - what people see where homes are on storage: summary, --json, picture and
 * --explain name the tier. */
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
#include "planner/place_internal.h"
#include "planner/views.h"
#include "support_graph.h"

#define LAYERS 6
#define WIDTH 256
#define WEIGHT_BYTES (WIDTH * WIDTH * 4)

/* Six layers, planned at some host budget above its floor. */
typedef struct view_case {
    graph_case g;
    dms_compiled c;
    char *text;
    size_t size;
} view_case;

static void view_begin(view_case *v, uint64_t extra) {
    static const char *const NAME[] = {"w0", "w1", "w2", "w3", "w4", "w5"};
    static const char *const RESULT[] = {"y0", "y1", "y2", "y3", "y4", "y5"};
    dms_status st;
    memset(v, 0, sizeof *v);
    graph_begin(&v->g);
    uint32_t x = graph_input(&v->g, "x", 2, WIDTH);
    for (uint32_t k = 0; k < LAYERS; k++) {
        const uint32_t w = graph_weight(&v->g, NAME[k], WIDTH, WIDTH, 10 + k);
        const uint32_t y = graph_result(&v->g, RESULT[k], 2, WIDTH);
        graph_matmul(&v->g, x, w, y);
        x = y;
    }
    graph_output(&v->g, x);
    (void)graph_plan(&v->g, 450000, 0, &v->c, &st);
    if (graph_plan(&v->g, 450000, v->c.floor.host_bytes + extra, &v->c, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

static void view_end(view_case *v) {
    free(v->text);
    graph_end(&v->g);
}

/* Runs one view into v->text. */
typedef void view(view_case *v, FILE *out);

static void look(view_case *v, view *how) {
    FILE *out = open_memstream(&v->text, &v->size);
    assert_non_null(out);
    how(v, out);
    assert_int_equal(fclose(out), 0);
}

static const dms_view_facts FACTS = {.compile_ms = 1, .host_note = "auto: a note"};

static void summary(view_case *v, FILE *out) {
    dms_view_summary(&v->c, &FACTS, out);
}

static void json(view_case *v, FILE *out) {
    dms_view_json(&v->c, &FACTS, out);
}

static void picture(view_case *v, FILE *out) {
    dms_status st;
    if (dms_view_dot(&v->c, out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

static void explain(view_case *v, FILE *out) {
    dms_status st;
    if (dms_view_explain(&v->c, "w3", false, out, &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

/* Blocks whose home is their file. */
static uint32_t blocks_on_nvme(const view_case *v) {
    uint32_t n = 0;
    for (uint32_t b = 0; b < v->c.blocks.problem.n_tensors; b++)
        n += dms_is_on_nvme(&v->c, b);
    return n;
}

static void the_three_tiers_hold_all_weights(void **state) {
    (void)state;
    for (uint64_t extra = 0; extra < 2000000; extra += 400000) {
        view_case v;
        view_begin(&v, extra);
        const dms_tier_bytes tier = dms_weights_by_tier(&v.c);
        assert_int_equal(tier.device + tier.host + tier.nvme, LAYERS * WEIGHT_BYTES);
        assert_true((tier.nvme > 0) == (blocks_on_nvme(&v) > 0));
        assert_true((tier.nvme > 0) == (v.c.plan.body.n_cmds[DMS_QUEUE_LOAD] > 0));
        view_end(&v);
    }
}

static void json_names_the_bytes_on_nvme_and_the_ring(void **state) {
    (void)state;
    view_case v;
    json_error_t error;
    view_begin(&v, 70000);
    look(&v, json);
    json_t *root = json_loads(v.text, 0, &error);
    assert_non_null(root);
    const dms_tier_bytes tier = dms_weights_by_tier(&v.c);
    const json_t *said = json_object_get(root, "weights_by_tier");
    assert_int_equal(json_integer_value(json_object_get(said, "nvme")), tier.nvme);
    assert_int_equal(json_integer_value(json_object_get(said, "host")), tier.host);
    assert_true(tier.nvme > 0);
    assert_int_equal(json_integer_value(json_object_get(root, "ring_bytes")),
                     v.c.decision.ring_bytes);
    json_decref(root);
    view_end(&v);
}

static void the_summary_says_that_storage_sets_the_pace(void **state) {
    (void)state;
    view_case v;
    char row[64];
    view_begin(&v, 0);
    look(&v, summary);
    assert_non_null(strstr(v.text, "LIMIT  the storage: "));
    (void)snprintf(row, sizeof row, "  %u copies  ",
                   (unsigned)v.c.plan.body.n_cmds[DMS_QUEUE_LOAD]);
    const char *load = strstr(v.text, "  load     nvme > host");
    assert_non_null(load);
    const char *end = strchr(load + 3, '\n'), *copies = strstr(load, row);
    assert_true(copies != NULL && copies < end);
    view_end(&v);
}

static void a_note_stands_beside_the_host_budget(void **state) {
    (void)state;
    view_case v;
    view_begin(&v, 0);
    look(&v, summary);
    const char *note = strstr(v.text, "; auto: a note)\n");
    assert_true(note != NULL && note < strchr(v.text, '\n'));
    view_end(&v);
}

static void the_picture_marks_what_is_read(void **state) {
    (void)state;
    view_case v;
    view_begin(&v, 0);
    look(&v, picture);
    assert_non_null(strstr(v.text, "streamed, read from nvme"));
    free(v.text);
    v.text = NULL;
    view_end(&v);
    view_begin(&v, 1ull << 40);
    look(&v, picture);
    assert_null(strstr(v.text, "nvme"));
    assert_non_null(strstr(v.text, "streamed, home host"));
    view_end(&v);
}

static void a_tensor_is_explained_with_its_home(void **state) {
    (void)state;
    view_case v;
    view_begin(&v, 0);
    look(&v, explain);
    uint32_t n_nvme = 0;
    for (uint32_t b = 0; b < v.c.blocks.problem.n_tensors; b++)
        n_nvme += strcmp(v.c.blocks.problem.tensors[b].label, "w3") == 0 && dms_is_on_nvme(&v.c, b);
    const char *line = strstr(v.text, "home ");
    assert_non_null(line);
    const char *nvme = strstr(line, "nvme");
    assert_int_equal(nvme != NULL && nvme<strchr(line, '\n'), n_nvme> 0);
    view_end(&v);
}

/* What is read from its file is told of as a move, and the other home is priced beside it. */
static void readings_are_moves_and_both_homes_have_their_price(void **state) {
    (void)state;
    view_case v;
    view_begin(&v, 0);
    const dms_problem *p = &v.c.blocks.problem;
    uint32_t n_reads = 0, n_told = 0;
    char host[128], nvme[128], in[32], read[32];
    int64_t in_ns = 0, read_ns = 0;
    for (uint32_t b = 0; b < p->n_tensors; b++) {
        if (strcmp(p->tensors[b].label, "w3") != 0)
            continue;
        in_ns += dms_copy_ns(&p->in, p->tensors[b].bytes);
        read_ns += dms_copy_ns(&p->load, p->tensors[b].storage_bytes);
    }
    (void)dms_time_text(in_ns, false, in);
    (void)dms_time_text(read_ns, false, read);
    (void)snprintf(host, sizeof host, "  %-20s %10s %10s  %9s  %9s  %9s", "home host", "0 B",
                   "256 KiB", in, "-", "-");
    (void)snprintf(nvme, sizeof nvme, "  %-20s %10s %10s  %9s  %9s  %9s", "home nvme", "0 B", "0 B",
                   in, "-", read);
    look(&v, explain);
    assert_non_null(strstr(v.text, host));
    assert_non_null(strstr(v.text, nvme));
    for (const char *at = v.text; (at = strstr(at, "] read from ")) != NULL; at++)
        n_told++;
    for (uint32_t l = 0; l < v.c.decision.n_loads; l++)
        n_reads += v.c.decision.loads[l].is_read &&
                   strcmp(p->tensors[v.c.decision.loads[l].tensor].label, "w3") == 0;
    assert_int_equal(n_told, n_reads);
    view_end(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_tiers_hold_all_weights),
        cmocka_unit_test(json_names_the_bytes_on_nvme_and_the_ring),
        cmocka_unit_test(the_summary_says_that_storage_sets_the_pace),
        cmocka_unit_test(a_note_stands_beside_the_host_budget),
        cmocka_unit_test(the_picture_marks_what_is_read),
        cmocka_unit_test(a_tensor_is_explained_with_its_home),
        cmocka_unit_test(readings_are_moves_and_both_homes_have_their_price),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
