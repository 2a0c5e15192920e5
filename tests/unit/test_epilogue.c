/* test_epilogue.c - convolutions and products that carry a chain give the bits of the calls apart.
 *
 *     y = relu(own * scale + shift + residual)        scale, shift: one number per channel or column
 *
 * What is expected comes from two calls: the kernel alone into memory, and the chain over it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "runtime/kernels/chain.h"
#include "support_call.h"
#include "support_rounds.h"
#include "support_scratch.h"

/* Which of the terms a program has, and what follows them. */
typedef struct form {
    bool scale, shift, residual;
    int n_tail;
    dms_unary_fn tail[2];
} form;

static const form whole = {true, true, true, 1, {DMS_FN_RELU}};

/* Value 0 with operands 1 to 3; operands without a term are not read. */
static dms_chain program(const form *f) {
    const bool has[3] = {f->scale, f->shift, f->residual};
    dms_chain chain = {.has_result = true, .n_in = 4};
    uint8_t last = 0;
    for (uint8_t k = 0; k < 3; k++) {
        if (!has[k])
            continue;
        chain.op[chain.n_ops] = (dms_chain_op){.kind = DMS_CHAIN_BINARY,
                                               .fn = (uint8_t)(k == 0 ? DMS_FN_MUL : DMS_FN_ADD),
                                               .src = {last, (uint8_t)(1 + k)}};
        last = (uint8_t)(4 + chain.n_ops++);
    }
    for (int k = 0; k < f->n_tail; k++) {
        chain.op[chain.n_ops] =
            (dms_chain_op){.kind = DMS_CHAIN_UNARY, .fn = (uint8_t)f->tail[k], .src = {last}};
        last = (uint8_t)(4 + chain.n_ops++);
    }
    return chain;
}

/* Adds scale, shift (repeated over all axes but `axis`), residual and y, then the parameters. */
static void carry(call_case *c, const form *its, dms_dtype dtype, uint32_t rank, const int64_t *dim,
                  uint32_t axis, uint32_t n_i, const int64_t *i, uint32_t n_f, const double *f) {
    const uint32_t repeats = ((1u << rank) - 1u) & ~(1u << axis);
    (void)call_in_strided(c, dtype, rank, dim, NULL, 0, repeats);
    (void)call_in_strided(c, dtype, rank, dim, NULL, 0, repeats);
    (void)call_in(c, dtype, rank, dim);
    (void)call_out(c, dtype, rank, dim);
    int64_t all_i[DMS_MAX_PARAMS];
    double all_f[DMS_MAX_PARAMS] = {0};
    const dms_chain chain = program(its);
    if (n_i > 0)
        memcpy(all_i, i, n_i * sizeof *i);
    if (n_f > 0)
        memcpy(all_f, f, n_f * sizeof *f);
    dms_chain_write(&chain, all_i + n_i, all_f + n_f);
    call_params(c, n_i + 1 + chain.n_ops, all_i, n_f, all_f);
}

/* Runs a call on the base set. */
static void run(const dms_call *call, void *const *operand) {
    dms_status st;
    if (dms_call_check(call, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    atomic_uint index_error = 0;
    const dms_cpu_job job = {call, operand, NULL, scratch_fresh(), &index_error};
    const dms_cpu_kernel *kernel = dms_cpu_kernel_find(call->kernel, DMS_ISA_BASE);
    kernel->run(&job, 0, kernel->parts(call));
}

/* The bytes of y by the two calls apart. */
static const void *apart(call_case *c, const form *its) {
    const dms_call *call = &c->call;
    dms_view own_view[DMS_MAX_OPERANDS], view[5];
    dms_call own;
    assert_true(dms_chain_detach(call, own_view, &own));
    const uint64_t bytes = dms_view_bytes(&own_view[own.n_in]);
    void *operand[CALL_OPERANDS], *result = dms_alloc(&c->arena, 1, bytes);
    memcpy(operand, c->data, own.n_in * sizeof *operand);
    operand[own.n_in] = result;
    run(&own, operand);
    void *want = dms_alloc(&c->arena, 1, bytes);
    void *chained[5] = {result, c->data[own.n_in], c->data[own.n_in + 1], c->data[own.n_in + 2],
                        want};
    view[0] = own_view[own.n_in];
    memcpy(view + 1, call->view + own.n_in, 4 * sizeof *view);
    dms_chain chain = program(its);
    chain.has_result = false;
    int64_t i[DMS_MAX_PARAMS];
    double f[DMS_MAX_PARAMS];
    dms_chain_write(&chain, i, f);
    const dms_call alone = {DMS_K_CHAIN, 4, 1, chain.n_ops + 1, 0, view, i, f};
    run(&alone, chained);
    return want;
}

/* All ways of running, and every set with y over the residual, give these bytes. */
static void expect_form(call_case *c, const form *its) {
    const uint32_t y = c->call.n_in;
    const uint64_t bytes = dms_view_bytes(&c->view[y]);
    const void *want = apart(c, its);
    call_runs_alike(c);
    assert_memory_equal(c->data[y], want, bytes);
    assert_true(dms_call_in_place(&c->call, y - 1, 0));
    void *const own_y = c->data[y];
    for (dms_isa isa = DMS_ISA_BASE; isa <= dms_isa_detect(); isa++) {
        void *residual = dms_alloc(&c->arena, 1, bytes);
        memcpy(residual, c->data[y - 1], bytes);
        void *const kept = c->data[y - 1];
        c->data[y - 1] = c->data[y] = residual;
        call_run(c, isa);
        assert_memory_equal(residual, want, bytes);
        c->data[y - 1] = kept;
        c->data[y] = own_y;
    }
}

static void expect_apart(call_case *c) {
    expect_form(c, &whole);
}

/* c h w  m kh kw group  step pad  oh ow */
typedef struct shape {
    int64_t c, h, w, m, kh, kw, group, step, pad, oh, ow;
} shape;

static const shape shapes[] = {
    {5, 9, 11, 20, 3, 3, 1, 1, 1, 9, 11},     /* gaps between the rows of a run */
    {7, 6, 8, 40, 1, 1, 1, 1, 0, 6, 8},       /* pointwise: no gaps */
    {3, 21, 19, 9, 5, 5, 1, 2, 2, 11, 10},    /* steps */
    {24, 7, 7, 24, 3, 3, 24, 1, 1, 7, 7},     /* depthwise: planes smaller than a strip */
    {4, 60, 50, 4, 3, 3, 4, 1, 1, 60, 50},    /* depthwise, planes of several parts */
    {19, 60, 40, 19, 3, 3, 19, 1, 1, 60, 40}, /* the same by lanes */
    {40, 5, 5, 40, 5, 5, 40, 2, 2, 3, 3},     /* by lanes, blocks of channels, planes of nine */
    {100, 3, 3, 33, 3, 3, 1, 1, 1, 3, 3},     /* three blocks of terms */
    {19, 1, 1, 35, 1, 1, 1, 1, 0, 1, 1},      /* one pixel: by points where packed */
    {2, 40, 1, 17, 3, 1, 1, 1, 1, 40, 3},     /* columns beside the image */
    {3, 50, 1, 10, 4, 1, 1, 1, 0, 47, 1},     /* one column: turned into a row */
    {2, 1, 2500, 3, 1, 3, 1, 1, 1, 3, 2500},  /* rows of several parts */
    {6, 8, 8, 12, 3, 3, 3, 1, 1, 8, 8},       /* groups */
};

static void begin_form(call_case *c, const shape *s, const form *its, dms_dtype dtype,
                       int64_t batch) {
    const int64_t dx[4] = {batch, s->c, s->h, s->w}, dy[4] = {batch, s->m, s->oh, s->ow};
    const int64_t dw[4] = {s->m, s->c / s->group, s->kh, s->kw};
    const int64_t i[7] = {s->group, s->step, s->step, 1, 1, s->pad, s->pad};
    call_begin(c, DMS_K_CONV, (uint32_t)(s->c * 31 + s->m));
    (void)call_in(c, dtype, 4, dx);
    (void)call_in(c, dtype, 4, dw);
    (void)call_in(c, dtype, 1, &s->m);
    carry(c, its, dtype, 4, dy, 1, 7, i, 0, NULL);
}

static void begin_conv(call_case *c, const shape *s, dms_dtype dtype, int64_t batch) {
    begin_form(c, s, &whole, dtype, batch);
}

static void a_convolution_carries_a_chain(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        call_case c;
        begin_conv(&c, &shapes[k], DMS_DTYPE_F32, 2);
        expect_apart(&c);
        call_free(&c);
    }
}

/* Scale, shift, residual and activations, each there or not. */
static void every_form_of_a_batch_norm_gives_the_same_bits(void **state) {
    (void)state;
    static const dms_unary_fn tails[4][2] = {
        {0}, {DMS_FN_RELU}, {DMS_FN_HARD_SWISH}, {DMS_FN_RELU, DMS_FN_NEG}};
    static const int n_tails[4] = {0, 1, 1, 2};
    for (unsigned terms = 0; terms < 8; terms += ROUNDS_OF(1, 3))
        for (int tail = terms == 0 ? 1 : 0; tail < 4; tail++)
            for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
                const form f = {(terms & 1) != 0,
                                (terms & 2) != 0,
                                (terms & 4) != 0,
                                n_tails[tail],
                                {tails[tail][0], tails[tail][1]}};
                call_case c;
                begin_form(&c, &shapes[k], &f, DMS_DTYPE_F32, 1);
                expect_form(&c, &f);
                call_free(&c);
            }
}

/* 1 * x + 0 would lose the sign of a zero: what is not in the program is not computed. */
static void a_missing_term_keeps_the_sign_of_zero(void **state) {
    (void)state;
    const shape s = {1, 1, 16, 1, 1, 1, 1, 1, 0, 1, 16};
    const form f = {true, false, false, 0, {0}};
    call_case c;
    begin_form(&c, &s, &f, DMS_DTYPE_F32, 1);
    for (int k = 0; k < 16; k++)
        ((float *)c.data[0])[k] = 0.0f;
    *(float *)c.data[2] = 0.0f;  /* bias */
    *(float *)c.data[3] = -1.0f; /* scale */
    expect_form(&c, &f);
    assert_true(signbit(((float *)c.data[6])[15]));
    call_free(&c);
}

static void cuts_and_panels_carry_it_too(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        call_case c;
        if (shapes[k].m < 8 || shapes[k].group > 1)
            continue;
        begin_conv(&c, &shapes[k], DMS_DTYPE_F32, 1);
        call_runs_alike(&c);
        if (shapes[k].m > 16)
            call_cuts_alike(&c, 16);
        call_packs_alike(&c, 1);
        expect_apart(&c);
        if (shapes[k].m > 16)
            call_cuts_alike(&c, 16);
        call_free(&c);
    }
}

/* The kernel's own result is rounded before the chain reads it. */
static void narrow_convolutions_round_before_the_chain(void **state) {
    (void)state;
    static const dms_dtype types[2] = {DMS_DTYPE_F16, DMS_DTYPE_BF16};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        for (int t = 0; t < 2; t++) {
            call_case c;
            begin_conv(&c, &shapes[k], types[t], 1);
            expect_apart(&c);
            call_free(&c);
        }
}

/* a[batch, m, k] b[batch, k, n], plain or one b for all; alpha and beta c. */
static void begin_product(call_case *c, dms_dtype dtype, const int64_t dim[4], bool has_c) {
    const int64_t da[3] = {dim[0], dim[1], dim[2]}, db[3] = {dim[0], dim[2], dim[3]};
    const int64_t dy[3] = {dim[0], dim[1], dim[3]}, i[2] = {0, dim[3]};
    const double f[2] = {has_c ? 0.5 : 1.0, has_c ? 2.0 : 1.0};
    call_begin(c, DMS_K_MATMUL, (uint32_t)(dim[1] * 100 + dim[3]));
    (void)call_in(c, dtype, 3, da);
    (void)call_in(c, dtype, 3, db);
    if (has_c)
        (void)call_in_strided(c, dtype, 3, dy, NULL, 0, 3);
    carry(c, &whole, dtype, 3, dy, 2, 2, i, 2, f);
}

/* One row; rows of three columns; columns and rows of several parts; several segments. */
static const int64_t products[][4] = {
    {1, 1, 70, 90}, {2, 700, 5, 3}, {3, 7, 300, 20}, {1, 400, 20, 300}, {2, 1, 600, 270}};

static void a_product_carries_a_chain(void **state) {
    (void)state;
    static const dms_dtype types[3] = {DMS_DTYPE_F32, DMS_DTYPE_F16, DMS_DTYPE_BF16};
    for (size_t k = 0; k < sizeof products / sizeof *products; k++)
        for (int t = 0; t < 3; t++)
            for (int has_c = ROUNDS_OF(0, t % 2); has_c < ROUNDS_OF(2, t % 2 + 1); has_c++) {
                call_case c;
                begin_product(&c, types[t], products[k], has_c != 0);
                expect_apart(&c);
                if (products[k][3] > 16)
                    call_cuts_alike(&c, 16);
                if (products[k][2] > 256)
                    call_parts_alike(&c, 256); /* the chain runs behind the last part alone */
                if (products[k][0] == 1)
                    call_packs_alike(&c, 1);
                expect_apart(&c);
                call_free(&c);
            }
}

/* Products of other types are summed in y itself. */
static void integer_products_carry_none(void **state) {
    (void)state;
    const int64_t dim[4] = {1, 2, 3, 4};
    call_case c;
    begin_product(&c, DMS_DTYPE_I32, dim, false);
    call_is_refused(&c, "cannot carry a chain");
    call_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_carries_a_chain),
        cmocka_unit_test(every_form_of_a_batch_norm_gives_the_same_bits),
        cmocka_unit_test(a_missing_term_keeps_the_sign_of_zero),
        cmocka_unit_test(cuts_and_panels_carry_it_too),
        cmocka_unit_test(narrow_convolutions_round_before_the_chain),
        cmocka_unit_test(a_product_carries_a_chain),
        cmocka_unit_test(integer_products_carry_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
