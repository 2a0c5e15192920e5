/* test_onnx_masks_random.c - masks put together at random: whatever a rewrite takes out of them,
 * the attention that is left computes what the parts do.
 *
 * q [2,2,4,2], k and v [2,2,6,2]; pad [2,1,1,6] and rows [2,1,4,1] are data that masks depend on.
 * A truth over queries and keys is made of comparisons, triangles, bands, constants and data by
 * logic, choices and views, and used in the ways in which exporters use one. Seeds are fixed; a
 * failure prints the model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
#define I64 DMS_DTYPE_I64
enum { S = 4, T = 6, ROUNDS = 200, MOST_DEPTH = 3 };

/* A constant truth: key t of query s is seen. */
typedef bool (*truth)(int s, int t);
static bool lower_0(int s, int t) {
    return t <= s;
}
static bool lower_2(int s, int t) {
    return t <= s + 2;
}
static bool window(int s, int t) {
    return t <= s + 2 && t > s;
}
static bool all_but_one(int s, int t) {
    return s != 2 || t != 3;
}
static bool first_keys(int s, int t) {
    (void)s;
    return t < 5;
}
static bool late_queries(int s, int t) {
    (void)t;
    return s > 0;
}

static void put_truth(onnx_case *c, const char *name, const char *shape, truth is_seen) {
    uint8_t data[S * T];
    for (int k = 0; k < S * T; k++)
        data[k] = is_seen(k / T, k % T);
    (void)onnx_initializer(c, c->graph, name, DMS_DTYPE_BOOL, shape, data);
}

static void put_range(onnx_case *c, const char *name, const char *shape, int64_t from, int n) {
    int64_t data[8];
    for (int k = 0; k < n; k++)
        data[k] = from + k;
    (void)onnx_initializer(c, c->graph, name, I64, shape, data);
}

static void put_number(onnx_case *c, const char *name, float value) {
    (void)onnx_initializer(c, c->graph, name, F32, "", &value);
}

/* Inputs and constants of all models. */
static void begin(onnx_case *c, int64_t opset) {
    float full[S * T];
    onnx_begin(c, opset);
    onnx_input(c, "q", F32, "2,2,4,2");
    onnx_input(c, "k", F32, "2,2,6,2");
    onnx_input(c, "v", F32, "2,2,6,2");
    onnx_input(c, "pad", F32, "2,1,1,6");
    onnx_input(c, "rows", F32, "2,1,4,1");
    onnx_output(c, c->graph, "y", F32, "");
    put_truth(c, "lower0", "4,6", lower_0);
    put_truth(c, "lower2", "1,1,4,6", lower_2);
    put_truth(c, "window", "4,6", window);
    put_truth(c, "holed", "1,4,6", all_but_one);
    put_truth(c, "short", "4,6", first_keys);
    put_truth(c, "late", "4,6", late_queries);
    put_range(c, "keys", "6", 0, T);
    put_range(c, "keys4", "1,1,1,6", 0, T);
    put_range(c, "queries", "4,1", 0, S);
    put_range(c, "queries2", "1,1,4,1", 2, S);
    put_number(c, "zero", 0);
    put_number(c, "one", 1);
    put_number(c, "never", -INFINITY);
    put_number(c, "lowest", -3.402823466e38f);
    put_number(c, "low", -1e31f);
    put_number(c, "minus", -1);
    put_number(c, "half", 0.5f);
    for (int k = 0; k < S * T; k++)
        full[k] = -3.402823466e38f;
    (void)onnx_initializer(c, c->graph, "full", F32, "4,6", full);
    onnx_i64(c, c->graph, "wide", "2,1,4,6");
    onnx_i64(c, c->graph, "front", "0");
}

/* A model in the making. */
typedef struct maker {
    dms_arena arena;
    uint64_t seed;
    const char *text;
    uint32_t n_names;
} maker;

static uint32_t draw(maker *m, uint32_t n) {
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->seed >> 33) % n;
}

/* Adds a node; returns the name of its result. */
static const char *add(maker *m, const char *op, const char *in, const char *attributes) {
    const char *out = dms_format(&m->arena, "n%u", m->n_names++);
    m->text = dms_format(&m->arena, "%s%s %s %s%s; ", m->text, op, in, out, attributes);
    return out;
}

static const char *pair(maker *m, const char *a, const char *b) {
    return dms_format(&m->arena, "%s,%s", a, b);
}

/* A truth without parts. */
static const char *make_atom(maker *m) {
    static const char *const constant[] = {"lower0", "lower2", "window", "holed", "short", "late"};
    static const char *const compare[] = {"LessOrEqual", "Less", "Greater", "GreaterOrEqual"};
    switch (draw(m, 5)) {
    case 0:
        return constant[draw(m, 6)];
    case 1:
        return add(m, "Greater", draw(m, 4) == 0 ? "rows,zero" : "pad,zero", "");
    case 2: {
        const char *x = add(m, "Trilu", "full", draw(m, 2) == 0 ? " upper=0" : " upper=1");
        return add(m, "Less", pair(m, x, "zero"), "");
    }
    default: {
        const char *key = draw(m, 2) == 0 ? "keys" : "keys4";
        const char *query = draw(m, 2) == 0 ? "queries" : "queries2";
        const bool key_is_first = draw(m, 2) == 0;
        return add(m, compare[draw(m, 4)], key_is_first ? pair(m, key, query) : pair(m, query, key),
                   "");
    }
    }
}

/* A truth of parts. */
static const char *make_truth(maker *m, uint32_t depth) {
    const char *a = depth == 0 ? make_atom(m) : make_truth(m, depth - 1), *b;
    if (depth == 0)
        return a;
    switch (draw(m, 8)) {
    case 0:
        return add(m, "Not", a, "");
    case 1:
        return add(m, "Expand", pair(m, a, "wide"), "");
    case 2:
        a = add(m, "Unsqueeze", pair(m, add(m, "Expand", pair(m, a, "wide"), ""), "front"), "");
        return add(m, "Squeeze", pair(m, a, "front"), "");
    case 3:
        b = make_truth(m, depth - 1);
        return add(m, "Where", pair(m, make_atom(m), pair(m, a, b)), "");
    case 4:
        return add(m, "Or", pair(m, a, make_truth(m, depth - 1)), "");
    case 5:
        return add(m, "Xor", pair(m, a, make_atom(m)), "");
    default:
        return add(m, "And", pair(m, a, make_truth(m, depth - 1)), "");
    }
}

/* A number to add or to put where nothing is seen: low enough to swallow scores, or not. */
static const char *make_fill(maker *m) {
    static const char *const fill[] = {"never", "lowest", "low", "lowest", "minus", "half"};
    return fill[draw(m, 6)];
}

/* A mask of numbers, to be added. */
static const char *make_mask(maker *m) {
    const char *seen = make_truth(m, draw(m, MOST_DEPTH)), *x;
    switch (draw(m, 4)) {
    case 0: /* (1 - seen) lowest */
        x = add(m, "Sub", pair(m, "one", add(m, "Cast", seen, " to=1")), "");
        return add(m, "Mul", pair(m, x, "lowest"), "");
    case 1: /* TorchScript: a triangle of numbers, then the padding */
        x = add(m, "Trilu", "full", " upper=1");
        return add(m, "Where", pair(m, seen, pair(m, x, make_fill(m))), "");
    default:
        return add(m, "Where", pair(m, seen, pair(m, "zero", make_fill(m))), "");
    }
}

/* Scores, masked in one of the ways in which exporters do it, and what follows. */
static void make_model(maker *m) {
    const char *s = add(m, "MatMul", "q,kt", "");
    const uint32_t form = draw(m, 5);
    if (form == 0 || form == 3)
        s = add(m, "Add", draw(m, 2) == 0 ? pair(m, s, make_mask(m)) : pair(m, make_mask(m), s),
                "");
    if (form >= 1 && form != 4)
        s = add(m, "Where", pair(m, make_truth(m, draw(m, MOST_DEPTH)), pair(m, s, make_fill(m))),
                "");
    if (form == 2 || form == 4)
        s = add(m, "Add", pair(m, s, make_mask(m)), "");
    s = add(m, "Softmax", s, " axis=-1");
    if (draw(m, 3) == 0)
        s = add(m, "Where", pair(m, add(m, "IsNaN", s, ""), pair(m, "zero", s)), "");
    m->text = dms_format(&m->arena, "Transpose k kt perm=[0,1,3,2]; %sMatMul %s,v y", m->text, s);
}

static void random_masks_mean_what_their_parts_mean(void **state) {
    (void)state;
    uint32_t found = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        maker m = {.seed = round, .text = ""};
        make_model(&m);
        found += onnx_pattern(begin, 17, m.text, "Attention");
        dms_arena_free(&m.arena);
    }
    assert_true(found > ROUNDS / 2); /* most of them are attention */
}

/* ---- masks too large to be constants ------------------------------------------------------- */

enum { LONG = 1100 }; /* 1.2 million truths: more than reading folds */

static void begin_long(onnx_case *c, int64_t opset) {
    int64_t place[LONG + 1];
    for (int k = 0; k <= LONG; k++)
        place[k] = k;
    onnx_begin(c, opset);
    onnx_input(c, "q", F32, "1,1,1100,2");
    onnx_input(c, "k", F32, "1,1,1100,2");
    onnx_input(c, "v", F32, "1,1,1100,2");
    onnx_output(c, c->graph, "y", F32, "");
    (void)onnx_initializer(c, c->graph, "keys", I64, "1100", place);
    (void)onnx_initializer(c, c->graph, "later_keys", I64, "1,1,1100", place + 1);
    (void)onnx_initializer(c, c->graph, "queries", I64, "1100,1", place);
    (void)onnx_initializer(c, c->graph, "later_queries", I64, "1,1100,1", place + 1);
    put_number(c, "zero", 0);
    put_number(c, "never", -INFINITY);
}

/* Which of two numbers is smaller is asked in eight ways; those that come to t <= s are the
 * kernel's own triangle and no mask is left, the others compute the same with one. */
static void comparisons_that_are_not_folded_are_followed(void **state) {
    (void)state;
    static const struct {
        const char *op, *in;
        bool is_negative, is_triangle;
    } one[] = {{"LessOrEqual", "keys,queries", false, true},
               {"LessOrEqual", "later_keys,queries", false, false},
               {"LessOrEqual", "later_keys,later_queries", false, true},
               {"LessOrEqual", "later_queries,keys", true, true},
               {"Less", "keys,queries", false, false},
               {"Less", "keys,later_queries", false, true},
               {"Less", "queries,keys", true, true},
               {"Less", "later_queries,keys", true, false},
               {"Greater", "queries,keys", false, false},
               {"Greater", "later_queries,keys", false, true},
               {"Greater", "keys,queries", true, true},
               {"GreaterOrEqual", "queries,keys", false, true},
               {"GreaterOrEqual", "queries,later_keys", false, false},
               {"GreaterOrEqual", "keys,later_queries", true, true}};
    for (uint32_t k = 0; k < sizeof one / sizeof *one; k++) {
        onnx_case c;
        char text[300];
        (void)snprintf(text, sizeof text,
                       "Transpose k kt perm=[0,1,3,2]; MatMul q,kt s; %s %s c; Where c,%s m; "
                       "Add s,m a; Softmax a p axis=-1; MatMul p,v y",
                       one[k].op, one[k].in, one[k].is_negative ? "never,zero" : "zero,never");
        assert_int_equal(onnx_pattern(begin_long, 17, text, "Attention"), 1);
        begin_long(&c, 17);
        onnx_text(&c, text);
        assert_int_equal(onnx_lower(&c, NULL), DMS_OK);
        if (onnx_count(&c, one[k].op) != !one[k].is_triangle)
            fail_msg("%s %s: %u comparisons are left", one[k].op, one[k].in,
                     onnx_count(&c, one[k].op));
        onnx_end(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_masks_mean_what_their_parts_mean),
        cmocka_unit_test(comparisons_that_are_not_folded_are_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
