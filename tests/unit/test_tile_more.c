/* test_tile_more.c - grids and layouts of weights that are not the plain case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support_graph.h"

static dms_code try_tile(graph_case *g, dms_steps *steps, dms_status *st) {
    return dms_tile(&g->graph, &g->lowered, &g->profile, &g->arena, steps, st);
}

static dms_steps tiled(graph_case *g) {
    dms_steps steps;
    dms_status st;
    if (try_tile(g, &steps, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    return steps;
}

static const dms_step_tensor *find(const dms_steps *steps, uint32_t origin) {
    for (uint32_t i = 0; i < steps->n_tensors; i++)
        if (steps->tensor[i].origin == origin)
            return &steps->tensor[i];
    fail_msg("tensor %u has no step", (unsigned)origin);
    return NULL;
}

/* Gives a tensor that was made as a matrix four dims of as many elements. */
static void reshape(graph_case *g, uint32_t tensor, int64_t a, int64_t b, int64_t c, int64_t d) {
    dms_tensor *t = &g->graph.tensor[tensor];
    const int64_t dim[4] = {a, b, c, d};
    assert_int_equal(a * b * c * d, graph_count(g, tensor));
    t->rank = 4;
    for (uint32_t k = 0; k < 4; k++)
        t->dim[k] = (dms_dim){dim[k], dim[k]};
    assert_true(dms_view_dense(DMS_DTYPE_F32, 4, dim, &t->view));
}

/* A padded 3 x 3 convolution of a 4 x 4 image: c channels become m. */
typedef struct conv_case {
    graph_case g;
    uint32_t x, w, y;
} conv_case;

static void conv_begin(conv_case *c, int64_t channels, int64_t m, int64_t group) {
    graph_case *g = &c->g;
    graph_begin(g);
    c->x = graph_input(g, "x", channels, 16);
    c->w = graph_weight(g, "w", m, channels / group * 9, 1);
    c->y = graph_result(g, "y", m, 16);
    reshape(g, c->x, 1, channels, 4, 4);
    reshape(g, c->w, m, channels / group, 3, 3);
    reshape(g, c->y, 1, m, 4, 4);
    const uint32_t tensor[3] = {c->x, c->w, c->y};
    dms_lowered_operand *operand = DMS_NEW(&g->arena, dms_lowered_operand, 3);
    dms_view *view = DMS_NEW(&g->arena, dms_view, 3);
    int64_t *i = DMS_NEW(&g->arena, int64_t, 7);
    const int64_t param[7] = {group, 1, 1, 1, 1, 1, 1};
    memcpy(i, param, sizeof param);
    for (uint32_t k = 0; k < 3; k++) {
        view[k] = g->graph.tensor[tensor[k]].view;
        operand[k] = (dms_lowered_operand){tensor[k], view[k]};
    }
    const dms_call call = {
        .kernel = DMS_K_CONV, .n_in = 2, .n_out = 1, .n_i = 7, .view = view, .i = i};
    g->graph.node[g->graph.n_nodes] = (dms_node){.name = "conv", .op = "Conv", .domain = ""};
    g->lowered.call[g->lowered.n_calls++] = (dms_lowered_call){g->graph.n_nodes++, call, operand};
    graph_output(g, c->y);
}

static void a_convolution_is_cut_along_its_output_channels(void **state) {
    (void)state;
    /* 200 channels are 13 panels of 16 x 32 x 9 f32 = 18 KiB; 234 KiB in cells of 64 KiB are 4 of
     * 4 panels, the granule of 64 channels; the last has one panel of 8 channels */
    conv_case c;
    conv_begin(&c, 32, 200, 1);
    const dms_steps s = tiled(&c.g);
    const dms_step_tensor *w = find(&s, c.w), *y = find(&s, c.y);
    assert_int_equal(s.n_steps, 4);
    assert_int_equal(w->plan.stored.rank, 5);
    assert_int_equal(w->plan.stored.dim[0], 13);
    assert_int_equal(w->plan.cell_len, 4);
    assert_true(w->plan.is_split);
    assert_int_equal(dms_plan_buffer_bytes(&w->plan, 0), 4 * 18432);
    assert_int_equal(dms_plan_buffer_bytes(&w->plan, 3), 18432);
    assert_int_equal(y->plan.cell_axis, 1);
    assert_int_equal(y->plan.cell_len, 64);
    assert_false(y->plan.is_split);
    graph_end(&c.g);
}

static void every_cell_of_a_convolution_writes_its_own_channels(void **state) {
    (void)state;
    conv_case c;
    conv_begin(&c, 32, 200, 1);
    const dms_steps s = tiled(&c.g);
    static const int64_t CHANNELS[4] = {64, 64, 64, 8};
    for (uint32_t k = 0; k < 4; k++) {
        const dms_call *call = &s.call[s.step[k].call];
        assert_int_equal(call->view[2].dim[1], CHANNELS[k]);
        assert_int_equal(call->view[0].dim[1], 32); /* all of x, for every cell */
        assert_int_equal(s.step[k].operand[0].first, 0);
        assert_int_equal(s.step[k].operand[1].first, k);
        assert_int_equal(s.step[k].operand[2].first, k);
    }
    assert_int_equal(s.step[0].call, s.step[2].call);
    assert_int_not_equal(s.step[0].call, s.step[3].call);
    graph_end(&c.g);
}

static void the_last_panel_says_how_many_channels_exist(void **state) {
    (void)state;
    conv_case c;
    conv_begin(&c, 32, 200, 1);
    const dms_steps s = tiled(&c.g);
    const dms_source *source = &s.source[find(&s, c.w)->plan.first_source];
    static const int64_t VALID[4] = {0, 0, 0, 200 - 12 * 16};
    for (int64_t k = 0; k < 4; k++) {
        assert_int_equal(source[k].valid_last, VALID[k]);
        assert_int_equal(source[k].view.offset, k * 64 * 32 * 9);
        assert_int_equal(source[k].view.pitch[4], 32 * 9); /* neighbours in a panel: channels */
    }
    graph_end(&c.g);
}

static void a_grouped_convolution_stays_whole(void **state) {
    (void)state;
    /* 72 KiB would be two cells, but a cell would need some of x alone */
    conv_case c;
    conv_begin(&c, 64, 64, 2);
    const dms_steps s = tiled(&c.g);
    assert_int_equal(s.n_steps, 1);
    assert_int_equal(find(&s, c.w)->plan.cell_len, 0);
    assert_int_equal(find(&s, c.w)->plan.stored.dim[0], 4); /* panels all the same */
    graph_end(&c.g);
}

static void few_channels_keep_the_plain_layout(void **state) {
    (void)state;
    conv_case c;
    conv_begin(&c, 3, 4, 1);
    const dms_steps s = tiled(&c.g);
    assert_int_equal(find(&s, c.w)->plan.stored.rank, 4);
    assert_int_equal(find(&s, c.w)->bytes, 4 * 3 * 9 * 4);
    graph_end(&c.g);
}

/* ---- products ------------------------------------------------------------------------------ */

/* y = x w with w of `depth` x `columns`. */
typedef struct product_case {
    graph_case g;
    uint32_t x, w, y;
} product_case;

static void product_begin(product_case *c, int64_t depth, int64_t columns) {
    graph_begin(&c->g);
    c->x = graph_input(&c->g, "x", 3, depth);
    c->w = graph_weight(&c->g, "w", depth, columns, 1);
    c->y = graph_result(&c->g, "y", 3, columns);
    graph_matmul(&c->g, c->x, c->w, c->y);
    graph_output(&c->g, c->y);
}

static void the_columns_of_the_cells_add_up(void **state) {
    (void)state;
    /* panels of 128 x 16 f32 = 8 KiB; a granule of 4 panels = 64 columns */
    static const struct {
        int64_t columns;
        uint32_t n_cells;
        int64_t width, last;
    } CASES[] = {
        {128, 1, 128, 128}, /* 64 KiB: one cell */
        {129, 2, 128, 1},   /* 9 panels in 2 cells of 5, rounded up to 8 */
        {192, 2, 128, 64},  /* 12 panels */
        {256, 2, 128, 128}, /* 16 panels */
        {520, 5, 128, 8},   /* 33 panels in 5 cells of 7, rounded up to 8 */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        product_case c;
        product_begin(&c, 128, CASES[i].columns);
        const dms_steps s = tiled(&c.g);
        assert_int_equal(s.n_steps, CASES[i].n_cells);
        int64_t sum = 0;
        for (uint32_t k = 0; k < s.n_steps; k++) {
            const dms_call *call = &s.call[s.step[k].call];
            const int64_t width = k + 1 < s.n_steps ? CASES[i].width : CASES[i].last;
            assert_int_equal(call->view[2].dim[1], width);
            assert_int_equal(call->i[1], width); /* the kernel's own count of columns */
            sum += width;
        }
        assert_int_equal(sum, CASES[i].columns);
        graph_end(&c.g);
    }
}

static void only_the_last_panel_of_the_last_cell_is_partial(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 128, 520);
    const dms_steps s = tiled(&c.g);
    const dms_source *source = &s.source[find(&s, c.w)->plan.first_source];
    for (uint32_t k = 0; k < 5; k++) {
        assert_int_equal(source[k].valid_last, k == 4 ? 8 : 0);
        assert_int_equal(source[k].view.dim[0], k == 4 ? 1 : 8);
        assert_int_equal(source[k].view.offset, k * 128);
    }
    graph_end(&c.g);
}

static void on_cuda_a_cell_has_at_least_16_mib_and_weights_stay_plain(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 128, 512);
    assert_int_equal(tiled(&c.g).n_steps, 4);
    c.g.profile.device_kind = DMS_DEVICE_CUDA;
    const dms_steps s = tiled(&c.g);
    assert_int_equal(s.n_steps, 1);
    assert_int_equal(find(&s, c.w)->plan.stored.rank, 2);
    graph_end(&c.g);
}

/* 256 x 65,792 f32, 64 MiB and a little: five cells of 13,184 columns, the last one of 13,056. One
 * segment of the sum cannot be cut into rows (test_tile_parts.c). */
static void on_cuda_a_plain_matrix_is_cut_by_columns(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 256, 65792);
    c.g.profile.device_kind = DMS_DEVICE_CUDA;
    const dms_steps s = tiled(&c.g);
    const dms_plan_tensor *w = &find(&s, c.w)->plan;
    assert_int_equal(s.n_steps, 5);
    assert_int_equal(w->stored.rank, 2);
    assert_true(w->is_split);
    assert_int_equal(w->cell_axis, 1);
    assert_int_equal(w->cell_len, 13184);
    for (uint32_t k = 0; k < 5; k++) {
        const int64_t columns = k == 4 ? 13056 : 13184;
        const dms_source *source = &s.source[w->first_source + k];
        assert_int_equal(source->view.dim[0], 256);
        assert_int_equal(source->view.dim[1], columns);
        assert_int_equal(source->view.pitch[0], 65792); /* rows of the file */
        assert_int_equal(source->view.offset, k * 13184);
        assert_int_equal(dms_plan_buffer_bytes(w, k), (uint64_t)(256 * columns * 4));
        const dms_view *b = &s.call[s.step[k].call].view[1];
        assert_int_equal(b->dim[1], columns);
        assert_int_equal(b->pitch[0], columns); /* dense by itself */
        assert_int_equal(b->offset, 0);
    }
    assert_int_equal(s.step[0].call, s.step[3].call); /* equal cells share one call */
    assert_true(s.step[4].call != s.step[0].call);
    graph_end(&c.g);
}

/* The columns of a plain matrix that is bytes of dmsc lie in PLAN.consts as they do in a file. */
static void every_column_of_a_plain_matrix_is_in_one_cell(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 256, 65792);
    c.g.profile.device_kind = DMS_DEVICE_CUDA;
    const dms_steps s = tiled(&c.g);
    const dms_plan_tensor *w = &find(&s, c.w)->plan;
    int64_t next = 0;
    for (uint32_t k = 0; k < dms_plan_cells(w); k++) {
        const dms_view *v = &s.source[w->first_source + k].view;
        assert_int_equal(v->offset, next);
        next += v->dim[1];
        assert_int_equal(dms_view_end(v), 255 * 65792 + next); /* its last row ends here */
    }
    assert_int_equal(next, 65792);
    graph_end(&c.g);
}

/* Elsewhere a cell of columns would be a few hundred bytes of every row of the file. */
static void on_the_cpu_a_plain_matrix_stays_whole(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 128, 512);
    for (uint32_t k = 0; k < c.g.graph.n_tensors; k++) { /* integers have no panels */
        c.g.graph.tensor[k].dtype = c.g.graph.tensor[k].view.dtype = DMS_DTYPE_I32;
    }
    for (uint32_t k = 0; k < 3; k++) {
        dms_view *view = (dms_view *)(uintptr_t)&c.g.lowered.call[0].call.view[k];
        view->dtype = DMS_DTYPE_I32;
    }
    const dms_steps s = tiled(&c.g);
    assert_int_equal(s.n_steps, 1);
    assert_int_equal(find(&s, c.w)->plan.cell_len, 0);
    graph_end(&c.g);
}

static void two_products_with_one_weight_share_its_cells(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 128, 512);
    const uint32_t z = graph_result(&c.g, "z", 5, 512), v = graph_input(&c.g, "v", 5, 128);
    graph_matmul(&c.g, v, c.w, z);
    graph_output(&c.g, z);
    const dms_steps s = tiled(&c.g);
    assert_int_equal(s.n_steps, 8);
    assert_int_equal(s.n_sources, 4); /* one per cell, not per use */
    for (uint32_t k = 0; k < 8; k++) {
        assert_int_equal(s.step[k].operand[1].tensor, s.step[0].operand[1].tensor);
        assert_int_equal(s.step[k].operand[1].first, k % 4);
    }
    assert_int_equal(find(&s, z)->plan.cell_len, 128);
    assert_int_equal(s.weights_bytes, 128 * 512 * 4); /* counted once */
    graph_end(&c.g);
}

static void a_large_weight_that_is_also_added_stays_plain_and_whole(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 128, 512);
    const uint32_t t = graph_input(&c.g, "t", 128, 512), u = graph_result(&c.g, "u", 128, 512);
    graph_binary(&c.g, DMS_FN_ADD, t, c.w, u);
    graph_output(&c.g, u);
    const dms_steps s = tiled(&c.g);
    assert_int_equal(s.n_steps, 2);
    assert_int_equal(find(&s, c.w)->plan.stored.rank, 2);
    assert_int_equal(find(&s, c.w)->plan.cell_len, 0);
    assert_int_equal(s.call[s.step[0].call].i[0], 0); /* the product reads the plain layout */
    graph_end(&c.g);
}

static void large_constants_of_dmsc_lie_one_behind_the_other_aligned(void **state) {
    (void)state;
    /* 129 columns: 66048 bytes, the next multiple of 256 */
    product_case c;
    product_begin(&c, 128, 129);
    const uint32_t w = graph_weight(&c.g, "w2", 129, 129, 2), z = graph_result(&c.g, "z", 3, 129);
    graph_matmul(&c.g, c.y, w, z);
    graph_output(&c.g, z);
    const dms_steps s = tiled(&c.g);
    const dms_source *second = &s.source[find(&s, w)->plan.first_source];
    assert_int_equal(second->offset, 66048);
    assert_int_equal(s.n_consts, 66048 + 129 * 129 * 4);
    assert_memory_equal(s.consts + 66048, c.g.graph.tensor[w].data, 129 * 129 * 4);
    assert_memory_equal(s.consts, c.g.graph.tensor[c.w].data, 66048);
    graph_end(&c.g);
}

/* A weight of one repeated element, 128 x 200: its cells of panels are walked with pitches of 0 from
 * 4 bytes in the plan, and the columns behind 200 are zeros, as of any other weight. */
static void a_repeated_element_becomes_panels_like_any_weight(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 128, 200);
    dms_tensor *w = &c.g.graph.tensor[c.w];
    w->origin = DMS_ORIGIN_FILL;
    const dms_steps s = tiled(&c.g);
    const dms_step_tensor *t = find(&s, c.w);
    const dms_source *source = &s.source[t->plan.first_source];
    assert_int_equal(t->plan.stored.rank, 3);
    assert_int_equal(t->plan.stored.dim[0], 13);
    const uint32_t n_cells = dms_plan_cells(&t->plan);
    assert_true(n_cells > 1);
    for (uint32_t cell = 0; cell < n_cells; cell++) {
        assert_int_equal(source[cell].file, DMS_NONE);
        assert_int_equal(source[cell].n_embedded, 4);
        assert_memory_equal(source[cell].embedded, w->data, 4);
        assert_int_equal(source[cell].view.offset, 0);
        for (uint32_t k = 0; k < 3; k++)
            assert_int_equal(source[cell].view.pitch[k], 0);
        assert_int_equal(source[cell].valid_last, cell + 1 == n_cells ? 8 : 0);
    }
    assert_int_equal(s.n_consts, 0);
    assert_int_equal(s.weights_bytes, 128 * 200 * 4);
    graph_end(&c.g);
}

static void fills_count_as_weights(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 64, 64);
    c.g.graph.fill_bytes = 1000;
    assert_int_equal(tiled(&c.g).weights_bytes, 64 * 64 * 4 + 1000);
    graph_end(&c.g);
}

static void a_constant_that_nobody_reads_does_not_count(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 64, 64);
    (void)graph_weight(&c.g, "idle", 100, 100, 2);
    const uint32_t idle = graph_input(&c.g, "idle_input", 2, 2);
    (void)idle;
    const dms_steps s = tiled(&c.g);
    assert_int_equal(s.weights_bytes, 64 * 64 * 4);
    assert_int_equal(s.n_tensors, 3);
    assert_int_equal(s.input[1], DMS_NONE);
    graph_end(&c.g);
}

/* ---- in place, empty tensors, labels ------------------------------------------------------- */

static void a_chain_of_functions_lies_in_one_place(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    uint32_t t[5] = {graph_input(&g, "x", 4, 8)};
    static const char *const NAME[] = {"", "a", "b", "c", "d"};
    for (uint32_t k = 1; k < 5; k++) {
        t[k] = graph_result(&g, NAME[k], 4, 8);
        graph_unary(&g, DMS_FN_TANH, t[k - 1], t[k]);
    }
    graph_output(&g, t[4]);
    const dms_steps s = tiled(&g);
    assert_int_equal(find(&s, t[1])->over, DMS_NONE);
    for (uint32_t k = 2; k < 5; k++)
        assert_int_equal(s.tensor[find(&s, t[k])->over].origin, t[k - 1]);
    graph_end(&g);
}

static void an_output_of_the_graph_is_not_overwritten(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 8), a = graph_result(&g, "a", 4, 8),
                   b = graph_result(&g, "b", 4, 8);
    graph_unary(&g, DMS_FN_NEG, x, a);
    graph_unary(&g, DMS_FN_TANH, a, b);
    graph_output(&g, a);
    graph_output(&g, b);
    const dms_steps s = tiled(&g);
    assert_int_equal(find(&s, b)->over, DMS_NONE);
    graph_end(&g);
}

static void a_tensor_that_a_step_reads_twice_is_not_overwritten(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 4, 8), a = graph_result(&g, "a", 4, 8),
                   b = graph_result(&g, "b", 4, 8);
    graph_unary(&g, DMS_FN_NEG, x, a);
    graph_binary(&g, DMS_FN_MUL, a, a, b);
    graph_output(&g, b);
    const dms_steps s = tiled(&g);
    assert_int_equal(find(&s, b)->over, DMS_NONE);
    graph_end(&g);
}

static void a_call_that_writes_nothing_has_no_step(void **state) {
    (void)state;
    graph_case g;
    graph_begin(&g);
    const uint32_t x = graph_input(&g, "x", 0, 8), y = graph_result(&g, "y", 0, 8);
    graph_unary(&g, DMS_FN_NEG, x, y);
    graph_output(&g, y);
    const dms_steps s = tiled(&g);
    assert_int_equal(s.n_steps, 0);
    assert_int_equal(s.input[0], DMS_NONE);
    assert_int_equal(s.output[0], DMS_NONE);
    graph_end(&g);
}

static void labels_count_the_steps_of_a_node(void **state) {
    (void)state;
    product_case c;
    product_begin(&c, 128, 512);
    const uint32_t z = graph_result(&c.g, "z", 3, 512);
    graph_unary(&c.g, DMS_FN_TANH, c.y, z);
    graph_output(&c.g, z);
    const dms_steps s = tiled(&c.g);
    static const char *const WANTED[] = {"Product n0 [1/4]", "Product n0 [2/4]", "Product n0 [3/4]",
                                         "Product n0 [4/4]", "Unary n1"};
    for (uint32_t k = 0; k < 5; k++)
        assert_string_equal(dms_step_label(&c.g.graph, &s, k, &c.g.arena), WANTED[k]);
    graph_end(&c.g);
}

/* 60 weights made by dmsc, 144 KiB each, 9 MB together: an arena that took them all anew for each
 * would hold 260 MB. */
static void many_made_weights_take_little_more_than_their_bytes(void **state) {
    (void)state;
    enum { WEIGHTS = 60, WIDTH = 192 };
    graph_case g;
    dms_compiled compiled;
    dms_status st;
    graph_begin(&g);
    uint32_t x = graph_input(&g, "x", 1, WIDTH);
    for (uint32_t k = 0; k < WEIGHTS; k++) {
        const uint32_t w = graph_weight(&g, "w", WIDTH, WIDTH, k + 1);
        const uint32_t y = graph_result(&g, "y", 1, WIDTH);
        graph_matmul(&g, x, w, y);
        x = y;
    }
    graph_output(&g, x);
    assert_int_equal(graph_plan(&g, 1ull << 40, 1ull << 40, &compiled, &st), DMS_OK);
    assert_int_equal(compiled.steps.n_consts, WEIGHTS * 4 * WIDTH * WIDTH);
    for (uint32_t k = 0; k < WEIGHTS; k++) /* each in its place */
        assert_true(compiled.plan.source[k].offset % (4 * WIDTH * WIDTH) == 0);
    assert_true(g.arena.used_bytes < 110u << 20);
    graph_end(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_made_weights_take_little_more_than_their_bytes),
        cmocka_unit_test(a_convolution_is_cut_along_its_output_channels),
        cmocka_unit_test(every_cell_of_a_convolution_writes_its_own_channels),
        cmocka_unit_test(the_last_panel_says_how_many_channels_exist),
        cmocka_unit_test(a_grouped_convolution_stays_whole),
        cmocka_unit_test(few_channels_keep_the_plain_layout),
        cmocka_unit_test(the_columns_of_the_cells_add_up),
        cmocka_unit_test(only_the_last_panel_of_the_last_cell_is_partial),
        cmocka_unit_test(on_cuda_a_cell_has_at_least_16_mib_and_weights_stay_plain),
        cmocka_unit_test(on_cuda_a_plain_matrix_is_cut_by_columns),
        cmocka_unit_test(every_column_of_a_plain_matrix_is_in_one_cell),
        cmocka_unit_test(on_the_cpu_a_plain_matrix_stays_whole),
        cmocka_unit_test(two_products_with_one_weight_share_its_cells),
        cmocka_unit_test(a_large_weight_that_is_also_added_stays_plain_and_whole),
        cmocka_unit_test(large_constants_of_dmsc_lie_one_behind_the_other_aligned),
        cmocka_unit_test(a_repeated_element_becomes_panels_like_any_weight),
        cmocka_unit_test(fills_count_as_weights),
        cmocka_unit_test(a_constant_that_nobody_reads_does_not_count),
        cmocka_unit_test(a_chain_of_functions_lies_in_one_place),
        cmocka_unit_test(an_output_of_the_graph_is_not_overwritten),
        cmocka_unit_test(a_tensor_that_a_step_reads_twice_is_not_overwritten),
        cmocka_unit_test(a_call_that_writes_nothing_has_no_step),
        cmocka_unit_test(labels_count_the_steps_of_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
