/* test_chain.c - programs of element-wise functions: which are valid, and that one call gives the
 * bits of the calls that it stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/kernels/chain.h"
#include "runtime/kernels/rows_internal.h"
#include "support_call.h"
#include "support_scratch.h"

#define F32 DMS_DTYPE_F32
#define I32 DMS_DTYPE_I32
#define BOOL DMS_DTYPE_BOOL

/* A chain of n_in operands that tests fill instruction by instruction. */
static dms_chain chain_of(uint32_t n_in) {
    return (dms_chain){.n_in = n_in};
}

static void add(dms_chain *c, dms_chain_op op) {
    c->op[c->n_ops++] = op;
}

static void add_unary(dms_chain *c, dms_unary_fn fn, uint8_t x) {
    add(c, (dms_chain_op){.kind = DMS_CHAIN_UNARY, .fn = (uint8_t)fn, .src = {x}});
}

static void add_binary(dms_chain *c, dms_binary_fn fn, uint8_t a, uint8_t b) {
    add(c, (dms_chain_op){.kind = DMS_CHAIN_BINARY, .fn = (uint8_t)fn, .src = {a, b}});
}

static void add_cast(dms_chain *c, dms_dtype dtype, uint8_t x) {
    add(c, (dms_chain_op){.kind = DMS_CHAIN_CAST, .dtype = dtype, .src = {x}});
}

static void add_real(dms_chain *c, dms_dtype dtype, double x) {
    c->real[c->n_reals] = x;
    add(c, (dms_chain_op){.kind = DMS_CHAIN_REAL, .dtype = dtype, .real = (uint8_t)c->n_reals++});
}

/* Gives the case the parameters of a chain. */
static void set_chain(call_case *c, const dms_chain *chain) {
    int64_t i[DMS_MAX_PARAMS];
    double f[DMS_MAX_PARAMS];
    dms_chain_write(chain, i, f);
    call_params(c, chain->n_ops + 1, i, chain->n_reals, f);
}

/* relu(a + b) over 3 elements, in words that a test may then spoil. */
static void begin_small(call_case *c) {
    const int64_t dim[1] = {3};
    call_begin(c, DMS_K_CHAIN, 1);
    (void)call_in(c, F32, 1, dim);
    (void)call_in(c, F32, 1, dim);
    (void)call_out(c, F32, 1, dim);
    dms_chain chain = chain_of(2);
    add_binary(&chain, DMS_FN_ADD, 0, 1);
    add_unary(&chain, DMS_FN_RELU, 2);
    set_chain(c, &chain);
}

static void a_program_computes_what_it_says(void **state) {
    (void)state;
    call_case c;
    begin_small(&c);
    float *a = c.data[0], *b = c.data[1], *y = c.data[2];
    const float left[3] = {1, -2, 0.5f}, right[3] = {2, 1, -0.25f};
    memcpy(a, left, sizeof left);
    memcpy(b, right, sizeof right);
    call_is_valid(&c);
    call_runs_alike(&c);
    assert_true(y[0] == 3 && y[1] == 0 && y[2] == 0.25f);
    assert_int_equal(dms_call_cost(&c.call).flops, 6);
    call_free(&c);
}

static void its_text_names_functions_and_values(void **state) {
    (void)state;
    call_case c;
    char text[200], cut[8];
    begin_small(&c);
    dms_chain_print(&c.call, text, sizeof text);
    assert_string_equal(text, "v2 = add(v0, v1); v3 = relu(v2)");
    dms_chain_print(&c.call, cut, sizeof cut);
    assert_string_equal(cut, "v2 = ad");
    dms_chain chain = chain_of(2);
    add_real(&chain, F32, 0.5);
    add_binary(&chain, DMS_FN_LESS, 0, 2);
    add(&chain, (dms_chain_op){.kind = DMS_CHAIN_SELECT, .src = {3, 0, 1}});
    add(&chain, (dms_chain_op){.fn = DMS_FN_LEAKY_RELU, .src = {4}, .real = 1});
    chain.real[chain.n_reals++] = 0.125;
    set_chain(&c, &chain);
    call_is_valid(&c);
    dms_chain_print(&c.call, text, sizeof text);
    assert_string_equal(text, "v2 = f32(0.5); v3 = less(v0, v2); v4 = select(v3, v0, v1); "
                              "v5 = leaky_relu(v4, 0.125)");
    c.i[0] = 7; /* an invalid one has no text */
    dms_chain_print(&c.call, text, sizeof text);
    assert_string_equal(text, "");
    call_free(&c);
}

/* Each row spoils one word of relu(a + b): field by field, every value that is not allowed. */
static void a_wrong_word_is_refused(void **state) {
    (void)state;
    const struct {
        uint32_t word, byte;
        uint8_t value;
        const char *text;
    } wrong[] = {
        {1, 0, DMS_CHAIN_N_KINDS, "instruction 0: its kind is not known"},
        {1, 0, 255, "instruction 0: its kind is not known"},
        {1, 0, DMS_CHAIN_UNARY, "instruction 0: reads a value"}, /* has two sources */
        {1, 1, DMS_N_BINARY_FNS, "instruction 0: its function"},
        {1, 1, 255, "instruction 0: its function"},
        {1, 1, DMS_FN_AND, "instruction 0: its function"},  /* of truths */
        {1, 1, DMS_FN_LESS, "instruction 1: its function"}, /* relu of a truth */
        {1, 2, F32, "instruction 0: a field that it does not use"},
        {1, 3, 2, "instruction 0: reads a value"}, /* itself */
        {1, 3, 255, "instruction 0: reads a value"},
        {1, 5, 1, "instruction 0: reads a value"}, /* has two sources only */
        {1, 6, 1, "instruction 0: a field that it does not use"},
        {1, 7, 1, "instruction 0: a field that it does not use"},
        {1, 7, 128, "instruction 0: a field that it does not use"},
        {2, 1, DMS_N_UNARY_FNS, "instruction 1: its function"},
        {2, 1, DMS_FN_CLIP, "instruction 1: lacks real parameters"},
        {2, 1, DMS_FN_IS_NAN, "operand 2: its chain makes bool"},
        {2, 3, 3, "instruction 1: reads a value"},
        {2, 0, DMS_CHAIN_REAL, "instruction 1: reads a value"}, /* has no sources */
        {2, 0, DMS_CHAIN_CAST, "instruction 1: its function"},  /* to no type */
    };
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        call_case c;
        begin_small(&c);
        uint64_t word = (uint64_t)c.i[wrong[k].word];
        word &= ~((uint64_t)0xFF << 8 * wrong[k].byte);
        c.i[wrong[k].word] = (int64_t)(word | (uint64_t)wrong[k].value << 8 * wrong[k].byte);
        call_is_refused(&c, wrong[k].text);
        call_free(&c);
    }
}

/* Every single bit of both words: what is still accepted must be a program in its only spelling. */
static void no_bit_is_ignored(void **state) {
    (void)state;
    for (uint32_t bit = 0; bit < 128; bit++) {
        call_case c;
        begin_small(&c);
        c.i[1 + bit / 64] = (int64_t)((uint64_t)c.i[1 + bit / 64] ^ (uint64_t)1 << bit % 64);
        dms_chain chain;
        dms_status st = {0};
        if (dms_call_check(&c.call, &st) == DMS_OK) {
            int64_t i[DMS_MAX_PARAMS];
            double f[DMS_MAX_PARAMS];
            assert_int_equal(dms_chain_read(&c.call, &chain, &st), DMS_OK);
            dms_chain_write(&chain, i, f);
            assert_memory_equal(i, c.i, 3 * sizeof *i);
            call_runs_alike(&c);
        } else {
            assert_int_equal(st.code, DMS_EPLAN);
        }
        call_free(&c);
    }
}

static void wrong_counts_are_refused(void **state) {
    (void)state;
    call_case c;
    begin_small(&c);
    const int64_t heads[] = {-1, 0, 1, 3, 13, INT64_MAX, INT64_MIN};
    for (size_t k = 0; k < sizeof heads / sizeof *heads; k++) {
        c.i[0] = heads[k];
        call_is_refused(&c, "its chain names");
    }
    c.i[0] = 2;
    c.call.n_i = 1;
    call_is_refused(&c, "0 instructions");
    c.call.n_i = 0;
    call_is_refused(&c, "its chain names");
    c.call.n_i = 2 + DMS_CHAIN_OPS;
    call_is_refused(&c, "41 instructions");
    c.call.n_i = 3;
    c.call.n_f = DMS_CHAIN_REALS + 1;
    call_is_refused(&c, "25 reals");
    call_free(&c);
}

static void operands_have_the_dims_of_the_output(void **state) {
    (void)state;
    call_case c;
    begin_small(&c);
    c.view[1].dim[0] = 2;
    call_is_refused(&c, "operand 1");
    c.view[1].dim[0] = 3;
    c.view[1].dtype = I32;
    call_is_refused(&c, "instruction 0: its function does not take these types");
    call_free(&c);
}

/* 17 results are alive until the sums at the end read them: one more than there are registers. */
static void a_program_that_needs_too_many_registers_is_refused(void **state) {
    (void)state;
    for (uint32_t n = DMS_CHAIN_REGISTERS - 1; n <= DMS_CHAIN_REGISTERS + 1; n++) {
        call_case c;
        begin_small(&c);
        dms_chain chain = chain_of(2);
        for (uint32_t k = 0; k < n; k++)
            add_unary(&chain, DMS_FN_NEG, 0);
        for (uint32_t k = 1; k < n; k++)
            add_binary(&chain, DMS_FN_ADD, (uint8_t)(k == 1 ? 2 : 2 + n + k - 2), (uint8_t)(2 + k));
        set_chain(&c, &chain);
        if (n == DMS_CHAIN_REGISTERS - 1)
            call_runs_alike(&c); /* and the first sum in the last register */
        else
            call_is_refused(&c, "needs too many registers");
        call_free(&c);
    }
}

static void an_output_may_lie_over_an_input_of_its_size(void **state) {
    (void)state;
    const int64_t dim[2] = {2, 3};
    call_case c;
    call_begin(&c, DMS_K_CHAIN, 2);
    (void)call_in(&c, F32, 2, dim);
    (void)call_in(&c, DMS_DTYPE_F16, 2, dim);
    (void)call_in_strided(&c, F32, 2, dim, (const uint32_t[]){0, 1}, 0, 1);
    (void)call_out(&c, I32, 2, dim);
    dms_chain chain = chain_of(3);
    add_cast(&chain, F32, 1);
    add_binary(&chain, DMS_FN_ADD, 0, 3);
    add_binary(&chain, DMS_FN_MUL, 4, 2);
    add_cast(&chain, I32, 5);
    set_chain(&c, &chain);
    call_is_valid(&c);
    assert_true(dms_call_in_place(&c.call, 0, 0));
    assert_false(dms_call_in_place(&c.call, 1, 0)); /* half the bytes */
    assert_false(dms_call_in_place(&c.call, 2, 0)); /* repeats */
    call_free(&c);
}

/* --- the bits of the calls that a chain stands for */

#define MOST 4000 /* elements */

/* Values of a chain as dense arrays, computed by one call of a plain kernel each. */
typedef struct apart {
    dms_chain chain;
    int64_t count;
    void *value[DMS_CHAIN_VALUES];
} apart;

/* Runs instruction j by the kernel it is made of. */
static void run_apart(apart *a, uint32_t j) {
    const dms_chain_op *op = &a->chain.op[j];
    static const uint32_t kernel[] = {DMS_K_UNARY, DMS_K_BINARY, DMS_K_SELECT, DMS_K_CAST,
                                      DMS_K_CAST};
    dms_view view[4];
    void *operand[4];
    uint32_t n_reals, n = dms_chain_sources(&a->chain, j, &n_reals);
    const double p[2] = {n_reals > 0 ? a->chain.real[op->real] : 0.0,
                         n_reals > 1 ? a->chain.real[op->real + 1] : 0.0};
    double real[MOST];
    for (uint32_t k = 0; k < n; k++) {
        assert_true(dms_view_dense(a->chain.dtype[op->src[k]], 1, &a->count, &view[k]));
        operand[k] = a->value[op->src[k]];
    }
    if (op->kind == DMS_CHAIN_REAL) { /* a cast of the number */
        for (int64_t e = 0; e < a->count; e++)
            real[e] = p[0];
        assert_true(dms_view_dense(DMS_DTYPE_F64, 1, &a->count, &view[0]));
        operand[0] = real;
        n = 1;
    }
    assert_true(dms_view_dense(op->dtype, 1, &a->count, &view[n]));
    operand[n] = a->value[a->chain.n_in + j];
    const int64_t fn = op->kind <= DMS_CHAIN_BINARY ? op->fn : 1;
    const bool is_select = op->kind == DMS_CHAIN_SELECT;
    const dms_call call = {.kernel = kernel[op->kind],
                           .n_in = n,
                           .n_out = 1,
                           .n_i = is_select ? 0 : 1,
                           .n_f = op->kind == DMS_CHAIN_UNARY ? 2 : 0,
                           .view = view,
                           .i = &fn,
                           .f = p};
    dms_status st = {0};
    if (dms_call_check(&call, &st) != DMS_OK ||
        dms_cpu_run(&call, operand, NULL, scratch_fresh(), &st) != DMS_OK)
        fail_msg("%s", st.msg);
}

/* The elements of an operand of the case in row-major order. */
static void flatten(const call_case *c, uint32_t k, void *to) {
    const dms_view *view = &c->view[k];
    const uint32_t size = dms_dtype_bytes(view->dtype);
    const int64_t count = dms_view_count(view);
    for (int64_t n = 0; n < count; n++) {
        int64_t rest = n, at = 0;
        for (uint32_t axis = view->rank; axis-- > 0;) {
            at += rest % view->dim[axis] * view->pitch[axis];
            rest /= view->dim[axis];
        }
        memcpy((char *)to + n * size, (const char *)c->data[k] + at * size, size);
    }
}

/* The chain of the case, as one call in every way, against one call per instruction. */
static void agrees_with_calls_apart(call_case *c, const dms_chain *chain) {
    apart a = {.chain = *chain, .count = dms_view_count(&c->view[c->call.n_in])};
    dms_status st = {0};
    set_chain(c, chain);
    call_is_valid(c);
    assert_int_equal(dms_chain_read(&c->call, &a.chain, &st), DMS_OK);
    assert_true(a.count <= MOST);
    void *flat = dms_alloc(&c->arena, MOST, 8);
    for (uint32_t v = 0; v < a.chain.n_in + a.chain.n_ops; v++) {
        a.value[v] = dms_alloc(&c->arena, MOST, 8);
        if (v < a.chain.n_in)
            flatten(c, v, a.value[v]);
    }
    for (uint32_t j = 0; j < a.chain.n_ops; j++)
        run_apart(&a, j);
    call_runs_alike(c);
    flatten(c, c->call.n_in, flat);
    const dms_dtype made = c->view[c->call.n_in].dtype;
    assert_memory_equal(flat, a.value[a.chain.n_in + a.chain.n_ops - 1],
                        (size_t)a.count * dms_dtype_bytes(made));
}

/* Three operands of one shape: dense, turned with gaps, repeated along some axes. */
static void begin_shaped(call_case *c, uint32_t seed, const dms_dtype *dtype, uint32_t rank,
                         const int64_t *dim) {
    const uint32_t straight[3] = {0, 1, 2}, turned[3] = {rank - 1, rank > 1 ? rank - 2 : 0, 0};
    call_begin(c, DMS_K_CHAIN, seed);
    (void)call_in(c, dtype[0], rank, dim);
    (void)call_in_strided(c, dtype[1], rank, dim, turned, 3, 0);
    (void)call_in_strided(c, dtype[2], rank, dim, straight, 0,
                          (uint32_t)call_pick(c, 1, (1 << rank) - 1));
}

static const dms_dtype types[] = {DMS_DTYPE_F32, DMS_DTYPE_F16, DMS_DTYPE_BF16, DMS_DTYPE_F64,
                                  DMS_DTYPE_I8,  DMS_DTYPE_I16, DMS_DTYPE_I32,  DMS_DTYPE_I64,
                                  DMS_DTYPE_U8,  DMS_DTYPE_U16, DMS_DTYPE_U32,  DMS_DTYPE_U64,
                                  DMS_DTYPE_BOOL};
#define N_TYPES (sizeof types / sizeof *types)

/* An instruction of any kind over values that are there; the caller tries until one is valid. */
static dms_chain_op any_op(call_case *c, dms_chain *chain) {
    const int64_t n = chain->n_in + chain->n_ops;
    dms_chain_op op = {.kind = (dms_chain_kind)call_pick(c, 0, DMS_CHAIN_N_KINDS - 1)};
    static const uint8_t n_src[] = {1, 2, 3, 1, 0};
    for (uint32_t k = 0; k < n_src[op.kind]; k++) /* results are read more often than operands */
        op.src[k] = (uint8_t)(call_pick(c, 0, 2) == 0 ? call_pick(c, 0, n - 1) : n - 1);
    if (op.kind == DMS_CHAIN_UNARY)
        op.fn = (uint8_t)call_pick(c, 0, DMS_N_UNARY_FNS - 1);
    if (op.kind == DMS_CHAIN_BINARY)
        op.fn = (uint8_t)call_pick(c, 0, DMS_N_BINARY_FNS - 1);
    if (op.kind == DMS_CHAIN_CAST || op.kind == DMS_CHAIN_REAL)
        op.dtype = types[call_pick(c, 0, N_TYPES - 1)];
    return op;
}

/* Whether a narrow float or a truth would pass a SELECT with bits that no strip keeps. */
static bool selects_bytes(const dms_chain *chain, const dms_chain_op *op) {
    const dms_dtype dtype = chain->dtype[op->src[1]];
    return op->kind == DMS_CHAIN_SELECT &&
           (dtype == DMS_DTYPE_F16 || dtype == DMS_DTYPE_BF16 || dtype == BOOL);
}

/* Appends a random valid instruction. The C library's functions of f64 are left out: their bits
 * are the same here as there, but not on every instruction set. */
static void add_any(call_case *c, dms_chain *chain) {
    for (;;) {
        dms_chain tried = *chain;
        dms_chain_op op = any_op(c, &tried);
        uint32_t n_reals;
        dms_status st = {0};
        tried.op[tried.n_ops++] = op;
        tried.n_reals += 2;
        tried.op[tried.n_ops - 1].real = 0;
        if (dms_chain_settle(&tried, &st) != DMS_OK && strstr(st.msg, "registers") == NULL)
            continue;
        (void)dms_chain_sources(&tried, tried.n_ops - 1, &n_reals);
        if (selects_bytes(&tried, &op) || chain->n_reals + n_reals > DMS_CHAIN_REALS)
            continue;
        op.real = n_reals == 0 ? 0 : (uint8_t)chain->n_reals;
        for (uint32_t k = 0; k < n_reals; k++)
            chain->real[chain->n_reals++] = (double)call_pick(c, -4, 4) / 8 + (double)k;
        add(chain, op);
        assert_int_equal(dms_chain_settle(chain, &st), DMS_OK);
        return;
    }
}

/* Shapes with long runs, short runs, a strip and one more, and a scalar's worth. */
static void random_programs_give_the_bits_of_calls_apart(void **state) {
    (void)state;
    const struct {
        uint32_t rank;
        int64_t dim[3];
    } shape[] = {{1, {3000}},      {2, {5, 513}}, {3, {4, 7, 9}},
                 {3, {2, 3, 600}}, {1, {1}},      {2, {70, 49}}};
    for (uint32_t seed = 1; seed <= 240; seed++) {
        const uint32_t s = seed % (sizeof shape / sizeof *shape);
        call_case c;
        const dms_dtype dtype[3] = {types[seed % N_TYPES], types[seed / 3 % N_TYPES],
                                    types[seed / 7 % N_TYPES]};
        begin_shaped(&c, seed, dtype, shape[s].rank, shape[s].dim);
        dms_chain chain = chain_of(3);
        memcpy(chain.dtype, dtype, sizeof dtype);
        const int64_t n = call_pick(&c, 1, 10);
        for (int64_t k = 0; k < n; k++)
            add_any(&c, &chain);
        const uint32_t turned[3] = {shape[s].rank - 1, shape[s].rank > 1 ? shape[s].rank - 2 : 0,
                                    0};
        const dms_dtype made = chain.dtype[chain.n_in + chain.n_ops - 1];
        if (seed % 3 == 0)
            (void)call_out_strided(&c, made, shape[s].rank, shape[s].dim, turned, 2);
        else
            (void)call_out(&c, made, shape[s].rank, shape[s].dim);
        agrees_with_calls_apart(&c, &chain);
        call_free(&c);
    }
}

/* Each function by itself, on each type that it takes. */
static void every_function_of_every_type_gives_the_bits_of_its_kernel(void **state) {
    (void)state;
    const int64_t dim[1] = {1100};
    for (uint32_t fn = 0; fn < DMS_N_UNARY_FNS + DMS_N_BINARY_FNS; fn++)
        for (uint32_t t = 0; t < N_TYPES; t++) {
            dms_chain chain = chain_of(2);
            uint32_t n_reals = 0;
            const bool is_unary = fn < DMS_N_UNARY_FNS;
            const dms_dtype made =
                is_unary ? dms_map_unary_type(fn, types[t], &n_reals)
                         : dms_map_binary_type(fn - DMS_N_UNARY_FNS, types[t], types[t]);
            if (made == DMS_DTYPE_NONE)
                continue;
            for (uint32_t k = 0; k < n_reals; k++)
                chain.real[chain.n_reals++] = 0.25 + k;
            if (is_unary)
                add_unary(&chain, (dms_unary_fn)fn, 0);
            else
                add_binary(&chain, (dms_binary_fn)(fn - DMS_N_UNARY_FNS), 0, 1);
            call_case c;
            call_begin(&c, DMS_K_CHAIN, fn * 16 + t);
            (void)call_in(&c, types[t], 1, dim);
            (void)call_in(&c, types[t], 1, dim);
            (void)call_out(&c, made, 1, dim);
            agrees_with_calls_apart(&c, &chain);
            call_free(&c);
        }
}

/* 1 + 2^-11 is no f16: the sum is 1, and 1 - 1 is 0. In f32 alone it would be 2^-11. */
static void an_intermediate_is_rounded_to_its_type(void **state) {
    (void)state;
    const int64_t dim[1] = {2};
    call_case c;
    call_begin(&c, DMS_K_CHAIN, 3);
    (void)call_in(&c, DMS_DTYPE_F16, 1, dim);
    (void)call_in(&c, DMS_DTYPE_F16, 1, dim);
    (void)call_out(&c, F32, 1, dim);
    uint16_t *one = c.data[0], *tiny = c.data[1];
    one[0] = one[1] = 0x3C00;
    tiny[0] = 0x1000; /* 2^-11 */
    tiny[1] = 0x1800; /* 2^-9 */
    dms_chain chain = chain_of(2);
    add_binary(&chain, DMS_FN_ADD, 0, 1);
    add_binary(&chain, DMS_FN_SUB, 2, 0);
    add_cast(&chain, F32, 3);
    set_chain(&c, &chain);
    call_runs_alike(&c);
    const float *y = c.data[2];
    assert_true(y[0] == 0.0f && y[1] == 0x1p-9f);
    call_free(&c);
}

/* 100 + 100 wraps to -56 in i8 before it is compared. */
static void a_narrow_integer_wraps_between_instructions(void **state) {
    (void)state;
    const int64_t dim[1] = {1};
    call_case c;
    call_begin(&c, DMS_K_CHAIN, 3);
    (void)call_in(&c, DMS_DTYPE_I8, 1, dim);
    (void)call_out(&c, BOOL, 1, dim);
    *(int8_t *)c.data[0] = 100;
    dms_chain chain = chain_of(1);
    add_binary(&chain, DMS_FN_ADD, 0, 0);
    add_binary(&chain, DMS_FN_LESS, 1, 0);
    set_chain(&c, &chain);
    call_runs_alike(&c);
    assert_int_equal(*(uint8_t *)c.data[1], 1);
    call_free(&c);
}

/* --- from calls to chains */

static void a_call_of_a_map_kernel_is_a_chain_of_one(void **state) {
    (void)state;
    const int64_t dim[1] = {4}, fn = DMS_FN_CLIP, saturate = 1;
    const double bounds[2] = {-0.5, 0.25};
    dms_chain chain;
    call_case c;
    call_begin(&c, DMS_K_UNARY, 4);
    (void)call_in(&c, F32, 1, dim);
    (void)call_out(&c, F32, 1, dim);
    call_params(&c, 1, &fn, 2, bounds);
    assert_true(dms_chain_of_call(&c.call, &chain));
    assert_int_equal(chain.n_ops, 1);
    assert_int_equal(chain.n_reals, 2);
    assert_true(chain.real[0] == -0.5 && chain.real[1] == 0.25);
    c.call.kernel = DMS_K_CAST;
    c.view[1].dtype = I32;
    call_params(&c, 1, &saturate, 0, NULL);
    assert_true(dms_chain_of_call(&c.call, &chain));
    assert_int_equal(chain.dtype[1], I32);
    c.call.kernel = DMS_K_SOFTMAX;
    assert_false(dms_chain_of_call(&c.call, &chain));
    call_free(&c);
}

/* A NaN of f16 with any payload leaves SELECT as it came; a strip would make it the quiet one. */
static void a_select_of_narrow_floats_stays_a_call(void **state) {
    (void)state;
    const int64_t dim[1] = {4};
    const dms_dtype refused[3] = {DMS_DTYPE_F16, DMS_DTYPE_BF16, BOOL};
    dms_chain chain;
    for (uint32_t k = 0; k < 3; k++) {
        call_case c;
        call_begin(&c, DMS_K_SELECT, 5);
        (void)call_in(&c, BOOL, 1, dim);
        (void)call_in(&c, refused[k], 1, dim);
        (void)call_in(&c, refused[k], 1, dim);
        (void)call_out(&c, refused[k], 1, dim);
        assert_false(dms_chain_of_call(&c.call, &chain));
        for (uint32_t j = 1; j < 4; j++)
            c.view[j].dtype = F32;
        assert_true(dms_chain_of_call(&c.call, &chain));
        call_free(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_computes_what_it_says),
        cmocka_unit_test(its_text_names_functions_and_values),
        cmocka_unit_test(a_wrong_word_is_refused),
        cmocka_unit_test(no_bit_is_ignored),
        cmocka_unit_test(wrong_counts_are_refused),
        cmocka_unit_test(operands_have_the_dims_of_the_output),
        cmocka_unit_test(a_program_that_needs_too_many_registers_is_refused),
        cmocka_unit_test(an_output_may_lie_over_an_input_of_its_size),
        cmocka_unit_test(random_programs_give_the_bits_of_calls_apart),
        cmocka_unit_test(every_function_of_every_type_gives_the_bits_of_its_kernel),
        cmocka_unit_test(an_intermediate_is_rounded_to_its_type),
        cmocka_unit_test(a_narrow_integer_wraps_between_instructions),
        cmocka_unit_test(a_call_of_a_map_kernel_is_a_chain_of_one),
        cmocka_unit_test(a_select_of_narrow_floats_stays_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
