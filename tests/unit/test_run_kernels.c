/* test_run_kernels.c - runs of pixels and copied windows, each against the plain loop it stands for.
 *
 * The kernels of all sets are called in turn on the same operands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/cpu_kernel.h"
#include "schema/arena.h"

/* The headers declare one instruction set at a time. */
#define DMS_ISA_SUFFIX _base
#include "runtime/kernels/run_internal.h"
#include "runtime/kernels/taps_internal.h"

#define DECLARE(isa)                                                                               \
    void dms_run_sums_##isa(const dms_run *t);                                                     \
    void dms_window_plan_##isa(const dms_taps *t, dms_window *b);                                  \
    bool dms_window_next_##isa(const dms_taps *t, dms_window *b, int32_t *offset);                 \
    const float *dms_window_load_##isa(const dms_taps *t, const dms_window *b, float *image);
DECLARE(avx2)
DECLARE(avx512)
#undef DECLARE

typedef struct kernels {
    int rows, vector; /* largest tile, elements of a vector */
    void (*sums)(const dms_run *);
    void (*plan)(const dms_taps *, dms_window *);
    bool (*next)(const dms_taps *, dms_window *, int32_t *);
    const float *(*load)(const dms_taps *, const dms_window *, float *);
} kernels;

#define SET(rows, vector, isa)                                                                     \
    {                                                                                              \
        rows, vector, dms_run_sums_##isa, dms_window_plan_##isa, dms_window_next_##isa,            \
            dms_window_load_##isa                                                                  \
    }
static const kernels sets[DMS_N_ISAS] = {SET(6, 8, base), SET(6, 8, avx2), SET(8, 16, avx512),
                                         SET(8, 16, avx512)};

static int n_sets(void) {
    return (int)dms_isa_detect() + 1;
}

enum { ROOM = 8192 };

static void fill(float *out, uint32_t seed) {
    for (int k = 0; k < ROOM; k++) {
        seed = seed * 1664525u + 1013904223u;
        out[k] = (float)(int32_t)(seed >> 8) * 0x1p-23f - 1.0f;
    }
}

/* Operands of a run of `n` positions; sums of a channel lie 400 apart, weights of a term 9. */
typedef struct run_operands {
    float x[ROOM], w[ROOM], from[ROOM], to[ROOM], want[ROOM];
    int32_t offset[100];
    float bias[8];
} run_operands;

static void begin_run(run_operands *o) {
    fill(o->x, 1);
    fill(o->w, 2);
    fill(o->from, 3);
    fill(o->to, 4);
    memcpy(o->want, o->to, sizeof o->want);
    for (int k = 0; k < 100; k++)
        o->offset[k] = (k * 37) % 1000;
    for (int r = 0; r < 8; r++)
        o->bias[r] = (float)r - 2.5f;
}

/* Every number of channels, runs from one position to beyond the widest kernel, chains from a bias
 * and from sums. Whole vectors are written, nothing behind them. */
static void a_run_is_one_chain_per_position(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++)
        for (int rows = 1; rows <= sets[isa].rows; rows++)
            for (int64_t n = 1; n < 320; n += n < 20 ? 3 : 57)
                for (int has_bias = 0; has_bias < 2; has_bias++) {
                    run_operands o;
                    begin_run(&o);
                    const int64_t whole = (n + sets[isa].vector - 1) / sets[isa].vector;
                    for (int r = 0; r < rows; r++)
                        for (int64_t j = 0; j < whole * sets[isa].vector; j++) {
                            float sum = has_bias != 0 ? o.bias[r] : o.from[r * 350 + j];
                            for (int p = 0; p < 60; p++)
                                sum = fmaf(o.x[o.offset[p] + j], o.w[p * 9 + r], sum);
                            o.want[r * 400 + j] = sum;
                        }
                    const dms_run t = {.rows = rows,
                                       .n = n,
                                       .k = 60,
                                       .x = o.x,
                                       .offset = o.offset,
                                       .w = o.w,
                                       .w_step = 9,
                                       .bias = has_bias != 0 ? o.bias : NULL,
                                       .from = o.from,
                                       .to = o.to,
                                       .pitch_from = 350,
                                       .pitch_to = 400};
                    sets[isa].sums(&t);
                    for (int k = 0; k < ROOM; k++)
                        if (memcmp(&o.to[k], &o.want[k], sizeof o.to[k]) != 0)
                            fail_msg("%d channels, %d positions: element %d is %a, wanted %a", rows,
                                     (int)n, k, o.to[k], o.want[k]);
                }
}

/* A part of a convolution and where its image lies. */
typedef struct window_case {
    dms_arena arena;
    dms_taps t;
    dms_taps_scratch *scratch;
    int64_t dy[100], dx[100];
} window_case;

/* kh x kw taps `spread` apart over an image of c x h x w, padded by `pad` above and left. */
static void begin_window(window_case *c, int64_t channels, int64_t h, int64_t w, int64_t kh,
                         int64_t kw, int64_t spread, int64_t pad) {
    *c = (window_case){.t = {.dtype = DMS_DTYPE_F32, .size = 4, .groups = 1}};
    c->scratch = dms_alloc(&c->arena, 1, sizeof *c->scratch);
    float *x = dms_alloc(&c->arena, (uint64_t)(channels * h * w), sizeof *x);
    for (int64_t k = 0; k < channels * h * w; k++)
        x[k] = (float)(k + 1);
    c->t.x = (dms_image){(char *)x, channels, h, w, h * w, w, 1};
    c->t.n = kh * kw;
    for (int64_t k = 0; k < kh * kw; k++) {
        c->dy[k] = k / kw * spread - pad;
        c->dx[k] = k % kw * spread - pad;
    }
    c->t.dy = c->dy;
    c->t.dx = c->dx;
}

/* What tap k of output (row, column) reads, 0 beside the image. */
static float tap(const window_case *c, int64_t channel, int64_t k, int64_t row, int64_t column) {
    const dms_taps *t = &c->t;
    const int64_t y = (t->row0 + row) * t->step_h + c->dy[k];
    const int64_t x = (t->column0 + column) * t->step_w + c->dx[k];
    if (y < 0 || y >= t->x.h || x < 0 || x >= t->x.w)
        return 0.0f;
    const float *at = (const float *)(const void *)t->x.at;
    return at[channel * t->x.pitch_c + y * t->x.pitch_h + x * t->x.pitch_w];
}

/* Through its offsets the copy shows every term of every pixel, block after block; twice, since
 * groups walk their chains one after another. Returns the blocks of one chain. */
static int expect_every_term(window_case *c, int isa, int64_t rows, int64_t columns) {
    dms_taps_scratch *s = c->scratch;
    dms_window *b = &s->window;
    int blocks = 0;
    c->t.y = (dms_image){.c = 1, .h = rows, .w = columns};
    sets[isa].plan(&c->t, b);
    for (int chain = 0; chain < 2; chain++) {
        int64_t terms = 0;
        for (blocks = 0; sets[isa].next(&c->t, b, s->offset); blocks++) {
            for (int k = 0; k < DMS_TAPS_IMAGE; k++)
                s->image[k] = -1.0f;
            const float *image = sets[isa].load(&c->t, b, s->image);
            assert_true(b->nc * b->nt <= DMS_TAPS_TERMS);
            for (int64_t k = 0; k < b->nc * b->nt; k++)
                for (int64_t p = 0; p < rows * columns; p++) {
                    const int64_t row = p / columns, column = p % columns;
                    const float got = image[s->offset[k] + row * b->pitch_h + column];
                    assert_true(got == tap(c, b->c0 + k / b->nt, b->t0 + k % b->nt, row, column));
                }
            terms += b->nc * b->nt;
        }
        assert_int_equal(terms, c->t.x.c * c->t.n);
    }
    return blocks;
}

/* 3 x 3 over 6 x 5 pixels: five columns and one of zeros between two rows, not two. */
static void padding_between_rows_is_shared(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++) {
        window_case c;
        begin_window(&c, 2, 6, 5, 3, 3, 1, 1);
        c.t.step_h = c.t.step_w = 1;
        assert_int_equal(expect_every_term(&c, isa, 6, 5), 1);
        assert_int_equal(c.scratch->window.pitch_h, 6);
        assert_int_equal(c.scratch->window.n_planes, 1);
        c.t.column0 = 2; /* a part that begins inside shares nothing */
        (void)expect_every_term(&c, isa, 6, 3);
        assert_int_equal(c.scratch->window.pitch_h, 5);
        dms_arena_free(&c.arena);
    }
}

/* Steps of 2 x 3 with 3 x 3 taps: 2 x 3 planes, in each of which the step is 1. */
static void steps_become_planes(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++) {
        window_case c;
        begin_window(&c, 3, 13, 17, 3, 3, 1, 1);
        c.t.step_h = 2;
        c.t.step_w = 3;
        (void)expect_every_term(&c, isa, 7, 6);
        assert_int_equal(c.scratch->window.n_planes, 6);
        dms_arena_free(&c.arena);
        begin_window(&c, 3, 13, 17, 1, 1, 1, 0); /* pointwise: one phase of six is read */
        c.t.step_h = 2;
        c.t.step_w = 3;
        (void)expect_every_term(&c, isa, 7, 6);
        assert_int_equal(c.scratch->window.n_planes, 1);
        dms_arena_free(&c.arena);
    }
}

/* Taps 40 apart make a window mostly of what nobody reads; 81 phases are too many planes. */
static void sparse_taps_become_columns(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++) {
        window_case c;
        begin_window(&c, 2, 400, 400, 3, 3, 40, 0);
        c.t.step_h = c.t.step_w = 1;
        c.t.row0 = 7;
        (void)expect_every_term(&c, isa, 20, 11);
        assert_true(c.scratch->window.is_columns);
        dms_arena_free(&c.arena);
        begin_window(&c, 2, 40, 40, 9, 9, 1, 3);
        c.t.step_h = c.t.step_w = 9;
        (void)expect_every_term(&c, isa, 4, 4);
        assert_true(c.scratch->window.is_columns);
        dms_arena_free(&c.arena);
    }
}

/* 1000 channels of one tap: blocks of 384 terms; 600 pixels leave room for 327 of them. */
static void long_chains_come_in_blocks(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++) {
        window_case c;
        begin_window(&c, 1000, 30, 20, 1, 1, 1, 0);
        c.t.step_h = c.t.step_w = 1;
        assert_int_equal(expect_every_term(&c, isa, 5, 20), 3);
        assert_int_equal(expect_every_term(&c, isa, 30, 20), 4);
        dms_arena_free(&c.arena);
    }
}

/* The channels of a pixel side by side, as a transposed image has them. */
static void channels_last_are_turned_while_copied(void **state) {
    (void)state;
    for (int isa = 0; isa < n_sets(); isa++) {
        window_case c;
        begin_window(&c, 20, 9, 11, 3, 3, 1, 1);
        c.t.step_h = 1;
        c.t.step_w = 2;
        c.t.x.pitch_c = 1;
        c.t.x.pitch_w = 20;
        c.t.x.pitch_h = 220;
        (void)expect_every_term(&c, isa, 9, 6);
        dms_arena_free(&c.arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_one_chain_per_position),
        cmocka_unit_test(padding_between_rows_is_shared),
        cmocka_unit_test(steps_become_planes),
        cmocka_unit_test(sparse_taps_become_columns),
        cmocka_unit_test(long_chains_come_in_blocks),
        cmocka_unit_test(channels_last_are_turned_while_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
