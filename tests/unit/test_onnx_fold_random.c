/* test_onnx_fold_random.c - what reading computes is, bit for bit, what running computes.
 *
 * Random graphs over tensors [4,4] are read three times: with all leaves as initializers, so that
 * nothing is left to run; with all as inputs, so that nothing is folded; and with half of them as
 * either. Seeds are fixed; a failure prints the graph.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support_onnx.h"

#define F32 DMS_DTYPE_F32
enum { N = 16, LEAVES = 4, STEPS = 14, ROUNDS = 150 };

/* A graph in the making: a text, and the names it may use next. */
typedef struct maker {
    dms_arena arena;
    uint64_t seed;
    const char *text, *name[LEAVES + STEPS];
    uint32_t n_names, n_inner;
} maker;

static uint32_t draw(maker *m, uint32_t n) {
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->seed >> 33) % n;
}

static const char *pick(maker *m) {
    return m->name[draw(m, m->n_names)];
}

/* Adds a node; returns the name of its result. */
static const char *add(maker *m, const char *op, const char *in, const char *attributes) {
    const char *out = dms_format(&m->arena, "n%u", m->n_inner++);
    m->text = dms_format(&m->arena, "%s%s %s %s%s; ", m->text, op, in, out, attributes);
    return out;
}

/* Two operands, or one and a constant of the case. */
static const char *with(maker *m, const char *a, const char *b) {
    return dms_format(&m->arena, "%s,%s", a, b);
}

static const char *add_elementwise(maker *m) {
    static const char *const one[] = {"Neg", "Abs", "Exp", "Tanh", "Floor", "Erf", "Relu", "Sign"};
    static const char *const two[] = {"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "Mod"};
    const uint32_t kind = draw(m, 4);
    if (kind == 0)
        return add(m, one[draw(m, 8)], pick(m), "");
    if (kind == 1)
        return add(m, "Sqrt", add(m, "Abs", pick(m), ""), "");
    if (kind == 2) {
        const char *less = add(m, "Less", with(m, pick(m), pick(m)), "");
        return add(m, "Where", with(m, less, with(m, pick(m), pick(m))), "");
    }
    const uint32_t op = draw(m, 8);
    return add(m, two[op], with(m, pick(m), pick(m)), op == 7 ? " fmod=1" : "");
}

static const char *add_moving(maker *m) {
    const char *x = pick(m), *axis = draw(m, 2) == 0 ? "axis0" : "axis1";
    switch (draw(m, 6)) {
    case 0:
        return add(m, "Transpose", x, " perm=[1,0]");
    case 1: /* turned round */
        return add(m, "Slice",
                   with(m, x, with(m, "last", with(m, "before", with(m, axis, "back")))), "");
    case 2: /* rows in another order, one of them twice */
        return add(m, "Gather", with(m, x, "rows"), draw(m, 2) == 0 ? " axis=0" : " axis=1");
    case 3:
        x = add(m, "Reshape", with(m, x, "flat"), "");
        return add(m, "Reshape", with(m, x, "square"), "");
    case 4: { /* the halves change places */
        const char *first = add(m, "Slice", with(m, x, with(m, "zero", with(m, "two", axis))), "");
        const char *second = add(m, "Slice", with(m, x, with(m, "two", with(m, "four", axis))), "");
        return add(m, "Concat", with(m, second, first), axis[4] == '0' ? " axis=0" : " axis=1");
    }
    default:
        x = add(m, "Slice", with(m, x, with(m, "zero", with(m, "one", axis))), "");
        return add(m, "Expand", with(m, x, "square"), "");
    }
}

static const char *add_summing(maker *m) {
    static const char *const reduce[] = {"ReduceMean", "ReduceMax", "ReduceL2", "ReduceMin"};
    const char *x = pick(m);
    switch (draw(m, 5)) {
    case 0:
        return add(m, "MatMul", with(m, x, pick(m)), "");
    case 1:
        return add(m, "Softmax", x, draw(m, 2) == 0 ? " axis=0" : " axis=-1");
    case 2:
        return add(m, "CumSum", with(m, x, "column"), draw(m, 2) == 0 ? " reverse=1" : "");
    case 3:
        x = add(m, "Cast", add(m, "Tanh", x, ""), " to=11");
        return add(m, "Cast", x, " to=1"); /* f64 and back */
    default:
        x = add(m, reduce[draw(m, 4)], x, draw(m, 2) == 0 ? " axes=[0]" : " axes=[1]");
        return add(m, "Expand", with(m, x, "square"), "");
    }
}

static void make(maker *m) {
    for (uint32_t k = 0; k < LEAVES; k++)
        m->name[m->n_names++] = dms_format(&m->arena, "leaf%u", k);
    m->text = "";
    for (uint32_t k = 0; k < STEPS; k++) {
        const uint32_t kind = draw(m, 3);
        m->name[m->n_names++] = kind == 0   ? add_elementwise(m)
                                : kind == 1 ? add_moving(m)
                                            : add_summing(m);
    }
    m->text = dms_format(&m->arena, "%sAdd %s,%s y", m->text, m->name[m->n_names - 1],
                         m->name[m->n_names - 2]);
}

/* Reads the graph with the leaves of `constant` (bits) as initializers and runs it. */
static void run(const maker *m, uint32_t constant, uint8_t *y) {
    onnx_case c;
    float leaf[LEAVES][N];
    const void *input[LEAVES];
    const int64_t column = 1;
    uint32_t n = 0;
    onnx_begin(&c, 17);
    for (uint32_t k = 0; k < LEAVES; k++) {
        onnx_noise(leaf[k], N, k + 1);
        if ((constant >> k & 1u) != 0) {
            (void)onnx_initializer(&c, c.graph, m->name[k], F32, "4,4", leaf[k]);
            continue;
        }
        onnx_input(&c, m->name[k], F32, "4,4");
        input[n++] = leaf[k];
    }
    static const char *const list[] = {"axis0",  "0",   "axis1",  "1",   "last", "3",
                                       "before", "-5",  "back",   "-1",  "rows", "2,0,0,3",
                                       "flat",   "2,8", "square", "4,4", "zero", "0",
                                       "one",    "1",   "two",    "2",   "four", "4"};
    for (uint32_t k = 0; k < sizeof list / sizeof *list; k += 2)
        onnx_i64(&c, c.graph, list[k], list[k + 1]);
    (void)onnx_initializer(&c, c.graph, "column", DMS_DTYPE_I64, "", &column);
    onnx_text(&c, m->text);
    onnx_output(&c, c.graph, "y", F32, "4,4");
    if (onnx_lower(&c, NULL) != DMS_OK || !onnx_execute(&c, input))
        fail_msg("'%s': %s", m->text, c.st.msg);
    if (n == 0)
        assert_string_equal(onnx_operators(&c), "");
    memcpy(y, c.storage[c.lowered.output[0]], N * sizeof(float));
    onnx_end(&c);
}

static void folding_changes_no_bit(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        maker m = {.seed = round};
        uint8_t computed[N * 4], folded[N * 4], mixed[N * 4];
        make(&m);
        run(&m, 0, computed);
        run(&m, (1u << LEAVES) - 1, folded);
        run(&m, round % ((1u << LEAVES) - 2) + 1, mixed);
        if (memcmp(computed, folded, sizeof computed) != 0)
            fail_msg("round %u: folded is not computed: '%s'", round, m.text);
        if (memcmp(computed, mixed, sizeof computed) != 0)
            fail_msg("round %u: partly folded is not computed: '%s'", round, m.text);
        dms_arena_free(&m.arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
