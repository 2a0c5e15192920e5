/* test_onnx_views.c - Split, Expand, Slice, Squeeze and their kin, one behind the other: which of
 * them are only another way to walk a storage, and that all of them move the right elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "support_onnx.h"

#define F32 DMS_DTYPE_F32

/* r = Relu(x) is the activation that the views below are taken of. */
static void begin(onnx_case *c, const char *shape) {
    onnx_begin(c, 17);
    onnx_input(c, "x", F32, shape);
    onnx_text(c, "Relu x r");
    for (int k = 0; k < 10; k++) {
        const char *digit = dms_format(&c->arena, "%d", k);
        onnx_i64(c, c->graph, dms_format(&c->arena, "i%d", k), digit);
    }
}

static void outputs(onnx_case *c, const char *a, const char *b) {
    onnx_output(c, c->graph, a, F32, "");
    if (b != NULL)
        onnx_output(c, c->graph, b, F32, "");
    if (onnx_lower(c, NULL) != DMS_OK)
        fail_msg("%s", c->st.msg);
}

static uint32_t copies(const onnx_case *c) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < c->lowered.n_calls; k++)
        n += c->lowered.call[k].call.kernel == DMS_K_COPY;
    return n;
}

/* "r+3 [2, 6]/[6, 1]": storage, offset, dims and pitches of a tensor. */
static const char *view(onnx_case *c, const char *name) {
    const dms_tensor *t = onnx_find(c, name);
    const char *dims = "", *pitches = "";
    for (uint32_t k = 0; k < t->view.rank; k++) {
        const char *comma = k == 0 ? "" : ", ";
        dims = dms_format(&c->arena, "%s%s%lld", dims, comma, (long long)t->view.dim[k]);
        pitches = dms_format(&c->arena, "%s%s%lld", pitches, comma, (long long)t->view.pitch[k]);
    }
    return dms_format(&c->arena, "%s+%lld [%s]/[%s]", c->read.tensor[t->storage].name,
                      (long long)t->view.offset, dims, pitches);
}

/* ---- Split --------------------------------------------------------------------------------- */

static void halves_are_views(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "4,6");
    onnx_text(&c, "Split r a,b axis=0; Split r p,q axis=1; Neg a n; Neg b m; Add p,q s; Neg s y");
    outputs(&c, "y", "n");
    assert_string_equal(view(&c, "a"), "r+0 [2, 6]/[6, 1]");
    assert_string_equal(view(&c, "p"), "r+0 [4, 3]/[6, 1]");
    assert_string_equal(view(&c, "q"), "r+3 [4, 3]/[6, 1]");
    assert_int_equal(copies(&c), 0);
    onnx_end(&c);
}

/* A third of an activation would keep the other two alive: each part becomes its own. */
static void thirds_are_copied(void **state) {
    (void)state;
    onnx_case c;
    const float x[6] = {1, 2, 3, 4, 5, 6}, wanted[2] = {3 - 2 * 5, 4 - 2 * 6};
    const float *const input[1] = {x};
    begin(&c, "3,2");
    onnx_text(&c, "Split r a,b,d axis=0; Sub b,d s; Sub s,d y");
    onnx_output(&c, c.graph, "a", F32, "");
    outputs(&c, "y", NULL);
    assert_string_equal(view(&c, "b"), "b+0 [1, 2]/[2, 1]");
    assert_int_equal(copies(&c), 3);
    onnx_expect_output(&c, input, 1, 2, wanted);
    onnx_end(&c);
}

/* Of parts 4 and 2 the larger stays a view; the smaller is copied. */
static void parts_are_judged_one_by_one(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "6,2");
    onnx_i64(&c, c.graph, "sizes", "4,2");
    onnx_text(&c, "Split r,sizes a,b axis=0; Neg a n; Neg b m");
    outputs(&c, "n", "m");
    assert_string_equal(view(&c, "a"), "r+0 [4, 2]/[2, 1]");
    assert_string_equal(view(&c, "b"), "b+0 [2, 2]/[2, 1]");
    assert_int_equal(copies(&c), 1);
    onnx_end(&c);
}

/* Parts of a weight stay where they are, however small: the weight is there anyway. */
static void parts_of_a_weight_are_its_bytes(void **state) {
    (void)state;
    onnx_case c;
    float w[6] = {1, 2, 3, 4, 5, 6};
    begin(&c, "1,2");
    (void)onnx_initializer(&c, c.graph, "w", F32, "3,2", w);
    onnx_text(&c, "Split w a,b,d axis=0; Add r,d y");
    outputs(&c, "y", NULL);
    assert_int_equal(c.read.n_nodes, 2);
    assert_true(dms_tensor_is_constant(onnx_find(&c, "d")));
    const float x[2] = {10, 20}, wanted[2] = {15, 26};
    const float *const input[1] = {x};
    onnx_expect_output(&c, input, 0, 2, wanted);
    onnx_end(&c);
}

/* ---- Expand -------------------------------------------------------------------------------- */

static void repeats_are_pitches_of_0(void **state) {
    (void)state;
    onnx_case c;
    const float x[3] = {1, 2, 3}, wanted[6] = {-1, -1, -2, -2, -3, -3};
    const float *const input[1] = {x};
    begin(&c, "3,1");
    onnx_i64(&c, c.graph, "wide", "3,2");
    onnx_i64(&c, c.graph, "deep", "2,3,2");
    onnx_text(&c, "Expand r,wide e; Neg e y; Expand e,deep f; Neg f z");
    outputs(&c, "y", "z");
    assert_string_equal(view(&c, "e"), "r+0 [3, 2]/[1, 0]");
    assert_string_equal(view(&c, "f"), "r+0 [2, 3, 2]/[0, 1, 0]");
    assert_int_equal(copies(&c), 0);
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

/* [3,1] repeated to [3,2] and flattened: elements at 0 0 1 1 2 2 have no pitch. */
static void a_repeat_that_is_flattened_is_copied_once(void **state) {
    (void)state;
    onnx_case c;
    const float x[3] = {1, 2, 3}, wanted[6] = {-1, -1, -2, -2, -3, -3};
    const float *const input[1] = {x};
    begin(&c, "3,1");
    onnx_i64(&c, c.graph, "wide", "3,2");
    onnx_i64(&c, c.graph, "six", "6");
    onnx_text(&c, "Expand r,wide e; Reshape e,six f; Neg f y");
    outputs(&c, "y", NULL);
    assert_int_equal(copies(&c), 1);
    onnx_expect_output(&c, input, 0, 6, wanted);
    onnx_end(&c);
}

/* One row repeated 100 times is one row: it keeps nothing alive that is not used. */
static void a_repeat_is_judged_by_what_it_reaches(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "1,4");
    onnx_i64(&c, c.graph, "many", "100,4");
    onnx_text(&c, "Expand r,many e; Slice e,i0,i2,i1 s; Neg s y");
    outputs(&c, "y", NULL);
    assert_string_equal(view(&c, "e"), "r+0 [100, 4]/[0, 1]");
    assert_string_equal(view(&c, "s"), "r+0 [100, 2]/[0, 1]");
    onnx_end(&c);
}

/* ---- Slice, Squeeze ------------------------------------------------------------------------ */

static void steps_are_pitches(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "8");
    onnx_text(&c, "Slice r,i1,i8,i0,i2 odd; Neg odd n; Slice r,i0,i8,i0,i3 third; Neg third m");
    outputs(&c, "n", "m");
    assert_string_equal(view(&c, "odd"), "r+1 [4]/[2]");
    assert_string_equal(view(&c, "third"), "third+0 [3]/[1]"); /* 3 of 8: copied */
    onnx_end(&c);
}

static void axes_of_one_come_and_go_without_a_copy(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "2,1,3");
    onnx_i64(&c, c.graph, "shape", "2,1,1,3,1");
    onnx_text(&c, "Squeeze r,i1 a; Unsqueeze a,i0 b; Transpose b d perm=[2,0,1]; "
                  "Unsqueeze d,i1 e; Squeeze e f; Transpose f g perm=[1,0]; Reshape g,shape h; "
                  "Neg h y");
    outputs(&c, "y", NULL);
    assert_string_equal(view(&c, "a"), "r+0 [2, 3]/[3, 1]");
    assert_string_equal(view(&c, "f"), "r+0 [3, 2]/[1, 3]");
    assert_string_equal(view(&c, "g"), "r+0 [2, 3]/[3, 1]");
    assert_int_equal(c.lowered.n_calls, 2);
    onnx_end(&c);
}

/* The second row of the second half, transposed: offsets add up in elements of the storage. */
static void a_view_of_a_view_of_a_view_has_one_offset(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "4,3,2");
    onnx_text(&c, "Slice r,i2,i4,i0 a; Slice a,i1,i3,i1 b; Transpose b d perm=[2,1,0]; Neg d y");
    outputs(&c, "y", NULL);
    assert_string_equal(view(&c, "a"), "r+12 [2, 3, 2]/[6, 2, 1]");
    assert_string_equal(view(&c, "b"), "b+0 [2, 2, 2]/[4, 2, 1]"); /* 8 of 24: copied */
    assert_string_equal(view(&c, "d"), "b+0 [2, 2, 2]/[1, 2, 4]");
    onnx_end(&c);
}

/* A slice of a slice is judged against the storage, not against the slice before it. */
static void a_part_of_a_part_is_judged_by_the_whole(void **state) {
    (void)state;
    onnx_case c;
    begin(&c, "8");
    onnx_text(&c, "Slice r,i0,i6,i0 a; Slice a,i0,i3,i0 b; Neg b y; Slice a,i1,i5,i0 d; Neg d z");
    outputs(&c, "y", "z");
    assert_string_equal(view(&c, "b"), "b+0 [3]/[1]"); /* half of a, but 3 of 8 */
    assert_string_equal(view(&c, "d"), "r+1 [4]/[1]");
    onnx_end(&c);
}

/* ---- operators that take other dims -------------------------------------------------------- */

/* Before opset 13 Softmax sees [3,4,2] as [3,8]; of x turned around that is no view, so the turned
 * elements are copied first. */
static void an_operator_that_flattens_copies_a_turned_input(void **state) {
    (void)state;
    onnx_case c;
    float x[24], wanted[24];
    const float *const input[1] = {x};
    onnx_noise(x, 24, 3);
    for (int i = 0; i < 3; i++) {
        double sum = 0;
        for (int e = 0; e < 8; e++) /* element (j, k) of row i is x[k][i][j] */
            sum += exp((double)x[e % 2 * 12 + i * 4 + e / 2]);
        for (int e = 0; e < 8; e++)
            wanted[i * 8 + e] = (float)(exp((double)x[e % 2 * 12 + i * 4 + e / 2]) / sum);
    }
    onnx_begin(&c, 12);
    onnx_input(&c, "x", F32, "2,3,4");
    onnx_text(&c, "Transpose x t perm=[1,2,0]; Softmax t y axis=1");
    outputs(&c, "y", NULL);
    assert_int_equal(copies(&c), 1);
    onnx_run(&c, input, 0, x, 24);
    for (int e = 0; e < 24; e++)
        assert_true(fabsf(x[e] - wanted[e]) < 1e-6f);
    onnx_end(&c);
}

/* The other way round the axes that are flattened still lie behind each other: no copy. */
static void an_operator_that_flattens_what_lies_together_copies_nothing(void **state) {
    (void)state;
    onnx_case c;
    onnx_begin(&c, 12);
    onnx_input(&c, "x", F32, "2,3,4");
    onnx_text(&c, "Transpose x t perm=[2,0,1]; Softmax t y axis=1");
    outputs(&c, "y", NULL);
    assert_int_equal(copies(&c), 0);
    assert_int_equal(c.lowered.n_calls, 1);
    onnx_end(&c);
}

/* ---- random chains ------------------------------------------------------------------------- */

enum { MOST_ELEMENTS = 600, MOST_RANK = 6, CHAIN = 7 };

/* A tensor as a list of elements of x, and the model that makes it. */
typedef struct chain {
    onnx_case c;
    uint64_t seed;
    uint32_t rank, count, n_names;
    int64_t dim[8];
    uint32_t at[MOST_ELEMENTS]; /* element e of the current tensor is x[at[e]] */
    const char *name;
} chain;

static int64_t draw(chain *k, int64_t n) {
    k->seed = k->seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(k->seed >> 33) % n;
}

/* A constant list of i64; returns its name. */
static const char *list(chain *k, uint32_t n, const int64_t *value) {
    const char *text = "", *name = dms_format(&k->c.arena, "c%u", k->n_names++);
    for (uint32_t j = 0; j < n; j++)
        text = dms_format(&k->c.arena, "%s%s%lld", text, j == 0 ? "" : ",", (long long)value[j]);
    onnx_i64(&k->c, k->c.graph, name, text);
    return name;
}

/* Gives the current tensor other dims and, element by element, other places. `source` maps the
 * coordinates of the new tensor to those of the old one. */
static void become(chain *k, uint32_t rank, const int64_t *dim, const int64_t *start,
                   const int64_t *step, const uint32_t *axis) {
    uint32_t at[MOST_ELEMENTS], count = 1;
    for (uint32_t a = 0; a < rank; a++)
        count *= (uint32_t)dim[a];
    for (uint32_t e = 0; e < count; e++) {
        int64_t old[8] = {0}, rest = e;
        for (uint32_t a = rank; a-- > 0; rest /= dim[a])
            if (axis[a] != UINT32_MAX)
                old[axis[a]] = start[a] + step[a] * (rest % dim[a]);
        uint32_t from = 0;
        for (uint32_t a = 0; a < k->rank; a++)
            from = from * (uint32_t)k->dim[a] + (uint32_t)old[a];
        at[e] = k->at[from];
    }
    k->rank = rank;
    k->count = count;
    memcpy(k->dim, dim, rank * sizeof *dim);
    memcpy(k->at, at, count * sizeof *at);
}

static void add_node(chain *k, const char *text) {
    const char *out = dms_format(&k->c.arena, "t%u", k->n_names++);
    const char *operands = strchr(text, ' ') + 1;
    const size_t n = strcspn(text, " "), m = strcspn(operands, " ");
    onnx_text(&k->c, dms_format(&k->c.arena, "%.*s %s%s%.*s %s%s", (int)n, text, k->name,
                                m == 0 ? "" : ",", (int)m, operands, out, operands + m));
    k->name = out;
}

static void transpose(chain *k) {
    uint32_t axis[8];
    int64_t dim[8], start[8] = {0}, step[8];
    const char *perm = "";
    for (uint32_t a = 0; a < k->rank; a++) {
        const uint32_t j = (uint32_t)draw(k, a + 1);
        axis[a] = axis[j];
        axis[j] = a;
    }
    for (uint32_t a = 0; a < k->rank; a++) {
        dim[a] = k->dim[axis[a]];
        step[a] = 1;
        perm = dms_format(&k->c.arena, "%s%s%u", perm, a == 0 ? "" : ",", axis[a]);
    }
    add_node(k, dms_format(&k->c.arena, "Transpose  perm=[%s]", perm));
    become(k, k->rank, dim, start, step, axis);
}

static void slice(chain *k) {
    if (k->rank == 0)
        return;
    uint32_t axis[8];
    int64_t dim[8], start[8] = {0}, step[8], one[4];
    const int64_t a = draw(k, k->rank), n = k->dim[a], first = draw(k, n), by = 1 + draw(k, 2);
    const bool is_back = draw(k, 3) == 0;
    for (uint32_t j = 0; j < k->rank; j++) {
        dim[j] = k->dim[j];
        step[j] = 1;
        axis[j] = j;
    }
    start[a] = first;
    step[a] = is_back ? -by : by;
    dim[a] = is_back ? first / by + 1 : (n - first + by - 1) / by;
    one[0] = first;
    one[1] = is_back ? -n - 1 : n;
    one[2] = a;
    one[3] = step[a];
    add_node(k, dms_format(&k->c.arena, "Slice %s,%s,%s,%s", list(k, 1, &one[0]),
                           list(k, 1, &one[1]), list(k, 1, &one[2]), list(k, 1, &one[3])));
    become(k, k->rank, dim, start, step, axis);
}

/* Merges two axes, or splits one that is even. */
static void reshape(chain *k) {
    int64_t dim[8];
    uint32_t rank = 0;
    const uint32_t chosen = k->rank == 0 ? 0 : (uint32_t)draw(k, k->rank);
    const bool merges = draw(k, 2) == 0;
    for (uint32_t a = 0; a < k->rank; a++) {
        if (a == chosen && merges && a + 1 < k->rank) {
            dim[rank++] = k->dim[a] * k->dim[a + 1];
            a++;
        } else if (a == chosen && !merges && k->dim[a] % 2 == 0 && k->rank < MOST_RANK) {
            dim[rank++] = 2;
            dim[rank++] = k->dim[a] / 2;
        } else {
            dim[rank++] = k->dim[a];
        }
    }
    add_node(k, dms_format(&k->c.arena, "Reshape %s", list(k, rank, dim)));
    k->rank = rank; /* the elements stay in their order */
    memcpy(k->dim, dim, sizeof dim);
}

static void expand(chain *k) {
    uint32_t axis[8], count = k->count;
    int64_t dim[8], start[8] = {0}, step[8];
    const uint32_t lead = k->rank < MOST_RANK && draw(k, 2) == 0, rank = k->rank + lead;
    for (uint32_t a = 0; a < rank; a++) {
        const int64_t from = a < lead ? 1 : k->dim[a - lead];
        const bool repeats = from == 1 && count * 3 <= MOST_ELEMENTS;
        dim[a] = repeats ? 3 : from;
        step[a] = repeats ? 0 : 1;
        count *= repeats ? 3 : 1;
        axis[a] = a < lead ? UINT32_MAX : a - lead;
    }
    add_node(k, dms_format(&k->c.arena, "Expand %s", list(k, rank, dim)));
    become(k, rank, dim, start, step, axis);
}

static void unsqueeze(chain *k) {
    const int64_t at = draw(k, k->rank + 1);
    if (k->rank >= MOST_RANK)
        return;
    add_node(k, dms_format(&k->c.arena, "Unsqueeze %s", list(k, 1, &at)));
    memmove(k->dim + at + 1, k->dim + at, (size_t)(k->rank - at) * sizeof *k->dim);
    k->dim[at] = 1;
    k->rank++;
}

static void squeeze(chain *k) {
    uint32_t rank = 0;
    add_node(k, "Squeeze ");
    for (uint32_t a = 0; a < k->rank; a++)
        if (k->dim[a] != 1)
            k->dim[rank++] = k->dim[a];
    k->rank = rank;
}

/* Seven random views behind each other, on an activation or on x itself, are followed element by
 * element; y is the negative of what the last one shows. */
static void random_chains_show_the_right_elements(void **state) {
    (void)state;
    static void (*const view_of[])(chain *) = {transpose, slice,     reshape, expand,
                                               squeeze,   unsqueeze, slice,   transpose};
    for (uint32_t round = 0; round < 300; round++) {
        chain k = {.seed = round, .rank = 3, .dim = {2 + round % 3, 4, 3 + round % 2}};
        float x[MOST_ELEMENTS], wanted[MOST_ELEMENTS];
        const float *const input[1] = {x};
        onnx_begin(&k.c, 13 + round % 2);
        k.count = (uint32_t)(k.dim[0] * k.dim[1] * k.dim[2]);
        for (uint32_t e = 0; e < k.count; e++) {
            k.at[e] = e;
            x[e] = (float)(e + 1);
        }
        k.name = round % 4 == 0 ? "x" : "r";
        onnx_input(&k.c, "x", F32,
                   dms_format(&k.c.arena, "%d,%d,%d", (int)k.dim[0], (int)k.dim[1], (int)k.dim[2]));
        onnx_text(&k.c, "Relu x r");
        for (uint32_t n = 0; n < CHAIN; n++)
            view_of[draw(&k, 8)](&k);
        onnx_text(&k.c, dms_format(&k.c.arena, "Neg %s y", k.name));
        onnx_output(&k.c, k.c.graph, "y", F32, "");
        for (uint32_t e = 0; e < k.count; e++)
            wanted[e] = -x[k.at[e]];
        if (onnx_lower(&k.c, NULL) != DMS_OK)
            fail_msg("round %u: %s", round, k.c.st.msg);
        onnx_expect_output(&k.c, input, 0, k.count, wanted);
        onnx_end(&k.c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_are_views),
        cmocka_unit_test(thirds_are_copied),
        cmocka_unit_test(parts_are_judged_one_by_one),
        cmocka_unit_test(parts_of_a_weight_are_its_bytes),
        cmocka_unit_test(repeats_are_pitches_of_0),
        cmocka_unit_test(a_repeat_that_is_flattened_is_copied_once),
        cmocka_unit_test(a_repeat_is_judged_by_what_it_reaches),
        cmocka_unit_test(steps_are_pitches),
        cmocka_unit_test(axes_of_one_come_and_go_without_a_copy),
        cmocka_unit_test(a_view_of_a_view_of_a_view_has_one_offset),
        cmocka_unit_test(a_part_of_a_part_is_judged_by_the_whole),
        cmocka_unit_test(an_operator_that_flattens_copies_a_turned_input),
        cmocka_unit_test(an_operator_that_flattens_what_lies_together_copies_nothing),
        cmocka_unit_test(random_chains_show_the_right_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
