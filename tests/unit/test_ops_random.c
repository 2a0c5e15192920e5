/* test_ops_random.c - what a row accepts, it lowers to calls that pass their check and run: seeded
 * random applications of every operator, most of them nonsense. Under the sanitizers this also
 * shows that no attribute or shape leads outside an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "onnx/graph.h"
#include "onnx/ops/ops.h"
#include "support_ops.h"
#include "support_rounds.h"

#define NEWEST 23u
#define TRIES_PER_ROW ROUNDS_OF(400u, 150u)

static const dms_op_family *const families[] = {
#define ADDRESS(family) &dms_ops_##family,
    DMS_OP_FAMILIES(ADDRESS)
#undef ADDRESS
};

/* xorshift: the same numbers on every machine. */
static uint32_t next(uint64_t *state, uint32_t below) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 32) % below);
}

static const char *pick(uint64_t *state, const char *const *words) {
    uint32_t n = 0;
    while (words[n] != NULL)
        n++;
    return words[next(state, n)];
}

/* Appends "%d,%d,..." of n numbers in [low, low + range). */
static void add_numbers(char *text, size_t size, uint64_t *state, uint32_t n, int low,
                        uint32_t range) {
    for (uint32_t k = 0; k < n; k++) {
        const size_t at = strlen(text);
        (void)snprintf(text + at, size - at, "%s%d", k == 0 ? "" : ",",
                       low + (int)next(state, range));
    }
}

/* One input: mostly a computed tensor of rank 0 to 4, else a constant vector or scalar. */
static void add_input(char *text, size_t size, uint64_t *state, bool may_be_absent) {
    static const char *const dtypes[] = {"f32", "f32", "f32",  "f32", "f64",
                                         "i64", "i32", "bool", "u8",  NULL};
    static const char *const integers[] = {"i64", "i64", "i32", NULL};
    size_t at = strlen(text);
    const uint32_t kind = next(state, 10);
    if (may_be_absent && kind == 0) {
        (void)snprintf(text + at, size - at, "%s-", at == 0 ? "" : " ");
        return;
    }
    const bool is_constant = kind > 6;
    (void)snprintf(text + at, size - at, "%sx%c%s%c", at == 0 ? "" : " ", is_constant ? '=' : ':',
                   pick(state, is_constant ? integers : dtypes),
                   is_constant ? (kind == 9 ? '(' : '{') : '[');
    if (!is_constant)
        add_numbers(text, size, state, next(state, 5), next(state, 8) == 0 ? 0 : 1, 3);
    else
        add_numbers(text, size, state, kind == 9 ? 1 : next(state, 5), -2, 6);
    at = strlen(text);
    (void)snprintf(text + at, size - at, "%c", is_constant ? (kind == 9 ? ')' : '}') : ']');
}

/* One attribute of any operator, well formed or not. */
static void add_attribute(char *text, size_t size, uint64_t *state) {
    static const char *const numbers[] = {"axis",
                                          "keepdims",
                                          "to",
                                          "blocksize",
                                          "group",
                                          "num_groups",
                                          "size",
                                          "p",
                                          "k",
                                          "upper",
                                          "allowzero",
                                          "batch_dims",
                                          "transA",
                                          "transB",
                                          "ceil_mode",
                                          "exclusive",
                                          "reverse",
                                          "largest",
                                          "start",
                                          "end",
                                          "antialias",
                                          "num_heads",
                                          "interleaved",
                                          "fmod",
                                          "num_outputs",
                                          "noop_with_empty_axes",
                                          "rotary_embedding_dim",
                                          "count_include_pad",
                                          NULL};
    static const char *const lists[] = {
        "axes", "perm",      "pads",  "strides",      "kernel_shape",   "starts",
        "ends", "dilations", "split", "output_shape", "output_padding", NULL};
    static const char *const words[] = {"mode='edge'",
                                        "mode='reflect'",
                                        "mode='linear'",
                                        "mode='cubic'",
                                        "mode='CRD'",
                                        "reduction='add'",
                                        "reduction='max'",
                                        "auto_pad='VALID'",
                                        "direction='LEFT'",
                                        "auto_pad='SAME_UPPER'",
                                        "equation='ij,jk->ik'",
                                        "equation='...i->...'",
                                        "equation='ii->i'",
                                        "coordinate_transformation_mode='align_corners'",
                                        NULL};
    size_t at = strlen(text);
    const uint32_t kind = next(state, 3);
    const char *name = pick(state, kind == 0 ? numbers : kind == 1 ? lists : words);
    (void)snprintf(text + at, size - at, "%s%s%s", at == 0 ? "" : " ", name,
                   kind == 0   ? "="
                   : kind == 1 ? "=["
                               : "");
    if (kind == 0)
        add_numbers(text, size, state, 1, -2, 6);
    if (kind == 1)
        add_numbers(text, size, state, 1 + next(state, 4), next(state, 4) == 0 ? -2 : 0, 3);
    at = strlen(text);
    if (kind == 1)
        (void)snprintf(text + at, size - at, "]");
}

/* One random application of a row; returns 1 when it was accepted. */
static uint32_t try_row(const dms_op *row, uint64_t *state) {
    char op[64], inputs[512] = "", attributes[512] = "";
    const uint32_t until = row->until == 0 ? NEWEST : row->until;
    const uint32_t most = row->max_in == DMS_ANY ? row->min_in + 2u : row->max_in;
    const uint32_t n_in = row->min_in + next(state, most - row->min_in + 1u);
    const uint32_t most_out = row->max_out == DMS_ANY ? 3u : row->max_out;
    (void)snprintf(op, sizeof op, "%s-%u", row->name,
                   row->since + next(state, until - row->since + 1u));
    for (uint32_t k = 0; k < n_in; k++)
        add_input(inputs, sizeof inputs, state, k >= row->min_in);
    for (uint32_t k = next(state, 4); k-- > 0;)
        add_attribute(attributes, sizeof attributes, state);
    const int result = op_try(op, inputs, attributes, 1 + next(state, most_out));
    if (result < 0) {
        print_error("%s | %s | %s\n%s\n", op, inputs, attributes, op_sentence());
        fail();
    }
    return result > 0;
}

static void what_a_row_accepts_it_lowers_and_runs(void **unused) {
    (void)unused;
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    uint32_t n_accepted = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (uint32_t k = 0; k < families[f]->n_rows; k++) {
            const dms_op *row = &families[f]->row[k];
            for (uint32_t t = 0; row->domain == NULL && t < TRIES_PER_ROW; t++)
                n_accepted += try_row(row, &state);
        }
    print_message("%u applications were accepted\n", n_accepted);
    assert_true(n_accepted > 12 * TRIES_PER_ROW);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_row_accepts_it_lowers_and_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
