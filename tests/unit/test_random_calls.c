/* test_random_calls.c - calls with shapes and strides drawn at random: whatever is drawn, base and
 * AVX2, whole and in parts, cut and uncut, plain and packed give the same bits, and no byte outside
 * the outputs is written. What the bits must be is said by the tests of each kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support_call.h"
#include "support_rounds.h"

enum { ROUNDS = ROUNDS_OF(40, 12) };

/* A memory order of `rank` axes, drawn by exchanging. */
static const uint32_t *draw_order(call_case *c, uint32_t rank, uint32_t *order) {
    for (uint32_t k = 0; k < rank; k++)
        order[k] = k;
    for (uint32_t k = rank; k-- > 1;) {
        const uint32_t other = (uint32_t)call_pick(c, 0, k), kept = order[k];
        order[k] = order[other];
        order[other] = kept;
    }
    return order;
}

/* An input, sometimes with a gap behind its rows. */
static void draw_in(call_case *c, uint32_t rank, const int64_t *dim) {
    uint32_t order[DMS_MAX_RANK];
    call_in_strided(c, DMS_DTYPE_F32, rank, dim, draw_order(c, rank, order), call_pick(c, 0, 2), 0);
}

static void draw_out(call_case *c, uint32_t rank, const int64_t *dim) {
    uint32_t order[DMS_MAX_RANK];
    call_out_strided(c, DMS_DTYPE_F32, rank, dim, draw_order(c, rank, order), call_pick(c, 0, 2));
}

/* Packing is for weights of any order too: the source of the walk has their pitches. */
static void products_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_MATMUL, round + 1);
        const int64_t m = call_pick(&c, 1, 30), k = call_pick(&c, 0, 600), n = call_pick(&c, 1, 90);
        const int64_t a[2] = {m, k}, b[2] = {k, n}, y[2] = {m, n}, i[2] = {0, n};
        const double f[2] = {round % 3 == 0 ? 0.7 : 1.0, 1.0};
        draw_in(&c, 2, a);
        draw_in(&c, 2, b);
        if (round % 2 == 0)
            draw_in(&c, 2, y);
        draw_out(&c, 2, y);
        call_params(&c, 2, i, 2, f);
        call_runs_alike(&c);
        if (n > 16)
            call_cuts_alike(&c, call_pick(&c, 1, n));
        if (k > 0) {
            call_packs_alike(&c, 1);
            if (n > 16)
                call_cuts_alike(&c, 16);
        }
        call_free(&c);
    }
}

/* One axis of a convolution or pool: kernel, step, dilation, pad, and how many outputs fit. */
typedef struct axis {
    int64_t in, kernel, step, dilation, pad, out;
} axis;

static axis draw_axis(call_case *c) {
    axis a = {.in = call_pick(c, 1, 24),
              .kernel = call_pick(c, 1, 4),
              .step = call_pick(c, 1, 3),
              .dilation = call_pick(c, 1, 3)};
    const int64_t span = (a.kernel - 1) * a.dilation + 1;
    a.pad = call_pick(c, 0, span - 1);
    a.in = a.in + 2 * a.pad < span ? span : a.in;
    a.out = (a.in + 2 * a.pad - span) / a.step + 1;
    return a;
}

static void convolutions_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_CONV, round + 1);
        const axis h = draw_axis(&c), w = draw_axis(&c);
        const int64_t group = round % 3 == 0 ? call_pick(&c, 2, 4) : 1;
        const int64_t per = call_pick(&c, 1, 12), m = group * call_pick(&c, 1, 20);
        const int64_t x[4] = {call_pick(&c, 1, 2), group * per, h.in, w.in};
        const int64_t kernel[4] = {m, per, h.kernel, w.kernel}, y[4] = {x[0], m, h.out, w.out};
        const int64_t i[7] = {group, h.step, w.step, h.dilation, w.dilation, h.pad, w.pad};
        draw_in(&c, 4, x);
        draw_in(&c, 4, kernel);
        if (round % 2 == 0)
            draw_in(&c, 1, &m);
        draw_out(&c, 4, y);
        call_params(&c, 7, i, 0, NULL);
        call_runs_alike(&c);
        if (group == 1 && m >= 8)
            call_packs_alike(&c, 1);
        if (group == 1 && m > 1)
            call_cuts_alike(&c, 16);
        call_free(&c);
    }
}

/* The convolution's output is the transposed one's input. */
static void transposed_convolutions_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_CONV_TRANSPOSE, round + 1);
        const axis h = draw_axis(&c), w = draw_axis(&c);
        const int64_t group = call_pick(&c, 1, 2), cg = call_pick(&c, 1, 6);
        const int64_t mg = call_pick(&c, 1, 18);
        const int64_t x[4] = {1, group * cg, h.out, w.out}, y[4] = {1, group * mg, h.in, w.in};
        const int64_t kernel[4] = {group * cg, mg, h.kernel, w.kernel};
        const int64_t i[7] = {group, h.step, w.step, h.dilation, w.dilation, h.pad, w.pad};
        draw_in(&c, 4, x);
        draw_in(&c, 4, kernel);
        draw_out(&c, 4, y);
        call_params(&c, 7, i, 0, NULL);
        call_runs_alike(&c);
        call_free(&c);
    }
}

static void pools_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_POOL, round + 1);
        const axis h = draw_axis(&c), w = draw_axis(&c);
        const int64_t x[4] = {2, 3, h.in, w.in}, y[4] = {2, 3, h.out, w.out};
        const int64_t i[13] = {round % 3,  h.kernel,   w.kernel,     h.step, w.step,
                               h.dilation, w.dilation, h.pad,        w.pad,  h.pad,
                               w.pad,      round % 2,  1 + round % 4};
        draw_in(&c, 4, x);
        draw_out(&c, 4, y);
        call_params(&c, 13, i, 0, NULL);
        call_runs_alike(&c);
        call_free(&c);
    }
}

static void resizes_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_RESIZE, round + 1);
        const int64_t x[3] = {call_pick(&c, 1, 4), call_pick(&c, 1, 20), call_pick(&c, 1, 40)};
        const int64_t y[3] = {x[0], call_pick(&c, 1, 40), call_pick(&c, 1, 40)};
        const int64_t i[5] = {round % 3, round % 6, call_pick(&c, 0, 3), round % 2,
                              call_pick(&c, 0, 1)};
        double f[11] = {-0.75, 3.0};
        for (int k = 0; k < 3; k++) {
            f[2 + 3 * k] = (double)y[k] / (double)x[k];
            f[4 + 3 * k] = 1.0;
        }
        draw_in(&c, 3, x);
        draw_out(&c, 3, y);
        call_params(&c, 5, i, 11, f);
        call_runs_alike(&c);
        call_free(&c);
    }
}

/* Heads share keys, masks are added or not, rows lie in any order. */
static void attentions_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_ATTENTION, round + 1);
        const int64_t shared = call_pick(&c, 1, 2), heads = shared * call_pick(&c, 1, 3);
        const int64_t s = call_pick(&c, 1, 40), t = call_pick(&c, 1, 300);
        const int64_t d = call_pick(&c, 1, 40), e = call_pick(&c, 1, 40);
        const int64_t q[4] = {1, heads, s, d}, k[4] = {1, shared, t, d}, v[4] = {1, shared, t, e};
        const int64_t mask[4] = {1, heads, s, t}, y[4] = {1, heads, s, e};
        const int64_t i[3] = {round % 2, round % 3 == 0, round % 3};
        const double f[2] = {0.3, round % 5 == 0 ? 2.0 : 0.0};
        draw_in(&c, 4, q);
        draw_in(&c, 4, k);
        draw_in(&c, 4, v);
        if (i[1] != 0)
            draw_in(&c, 4, mask);
        draw_out(&c, 4, y);
        call_params(&c, 3, i, 2, f);
        call_runs_alike(&c);
        call_free(&c);
    }
}

/* Any cell, one or both directions, operands that are there or not, in any order of memory. */
static void recurrent_layers_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_RECURRENT, round + 1);
        const int64_t cell = round % DMS_N_CELLS, gates = cell == 0 ? 1 : cell == 3 ? 4 : 3;
        const int64_t d = call_pick(&c, 1, 2), t = call_pick(&c, 1, 5), b = call_pick(&c, 1, 30);
        const int64_t h = round % 3 == 0 ? 16 * call_pick(&c, 1, 4) : call_pick(&c, 1, 70);
        const int64_t p[4] = {d, t, b, gates * h}, r[3] = {d, gates * h, h};
        const int64_t bias[2] = {d, 2 * gates * h}, state_dim[3] = {d, b, h};
        const int64_t y[4] = {d, t, b, h}, inputs = call_pick(&c, 0, 1) + 4 * call_pick(&c, 0, 1);
        const int64_t i[12] = {cell, 0, call_pick(&c, 0, 3), inputs, 3, 0, round % 11, 1, 1,
                               0,    1, round % 11};
        const double f[13] = {round % 4 == 0 ? 0.5 : 0.0, 0.3, 0.2, 1.0, 0.0};
        draw_in(&c, 4, p);
        draw_in(&c, 3, r);
        if ((inputs & 1) != 0)
            draw_in(&c, 2, bias);
        if ((inputs & 4) != 0)
            draw_in(&c, 3, state_dim);
        draw_out(&c, 4, y);
        draw_out(&c, 3, state_dim);
        call_params(&c, 12, i, 13, f);
        call_runs_alike(&c);
        if (h % 16 == 0)
            call_packs_alike(&c, 1);
        call_free(&c);
    }
}

/* Up to three axes, every mode and padding; a third of the positions lies outside. */
static void samples_agree(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_GRID_SAMPLE, round + 1);
        const uint32_t axes = 1 + round % 3, rank = axes + 2;
        int64_t x[5] = {call_pick(&c, 1, 2), call_pick(&c, 1, 4)}, grid[5] = {x[0]};
        int64_t y[5] = {x[0], x[1]};
        for (uint32_t k = 0; k < axes; k++) {
            x[2 + k] = call_pick(&c, 1, 9);
            grid[1 + k] = y[2 + k] = call_pick(&c, 1, 9);
        }
        grid[rank - 1] = axes;
        const int64_t i[3] = {call_pick(&c, 0, 2), call_pick(&c, 0, 2), call_pick(&c, 0, 1)};
        draw_in(&c, rank, x);
        draw_in(&c, rank, grid);
        draw_out(&c, rank, y);
        call_params(&c, 3, i, 0, NULL);
        float *position = c.data[1];
        for (int64_t k = 0; k < dms_view_end(&c.view[1]); k++)
            position[k] *= 1.5f;
        call_runs_alike(&c);
        call_free(&c);
    }
}

/* Floats to bytes with one scale for all, per row or per element. */
static void quantised_tensors_agree(void **state) {
    static const dms_dtype types[4] = {DMS_DTYPE_U8, DMS_DTYPE_I8, DMS_DTYPE_U16, DMS_DTYPE_I16};
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        call_case c;
        call_begin(&c, DMS_K_QUANTIZE, round + 1);
        uint32_t order[DMS_MAX_RANK];
        const int64_t x[3] = {call_pick(&c, 1, 9), call_pick(&c, 1, 20), call_pick(&c, 0, 700)};
        const uint32_t repeats = round % 8;
        draw_in(&c, 3, x);
        call_in_strided(&c, DMS_DTYPE_F32, 3, x, NULL, 0, repeats);
        call_in_strided(&c, types[round % 4], 3, x, NULL, 0, repeats);
        call_out_strided(&c, types[round % 4], 3, x, draw_order(&c, 3, order), call_pick(&c, 0, 2));
        call_runs_alike(&c);
        call_free(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree),
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(transposed_convolutions_agree),
        cmocka_unit_test(pools_agree),
        cmocka_unit_test(resizes_agree),
        cmocka_unit_test(attentions_agree),
        cmocka_unit_test(recurrent_layers_agree),
        cmocka_unit_test(samples_agree),
        cmocka_unit_test(quantised_tensors_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
