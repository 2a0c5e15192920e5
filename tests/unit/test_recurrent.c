/* test_recurrent.c - RNN, GRU and LSTM against ONNX's equations in doubles; equal bits in every way
 * of running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/recurrent.h"
#include "support_call.h"

enum { BIAS = 1, LENGTHS = 2, H0 = 4, C0 = 8, PEEPHOLE = 16 }; /* bits of the inputs */
enum { SIGMOID = DMS_CELL_FN_SIGMOID, TANH = DMS_CELL_FN_TANH };

typedef struct shape {
    int64_t cell, d, t, b, h, reverse, inputs, outputs, coupled;
    double clip;
} shape;

/* All operands that the shape names, with random contents; lengths go down from t, and end at 0. */
static void begin_typed(call_case *c, const shape *s, dms_dtype dtype, const uint32_t *order,
                        uint32_t seed) {
    const int64_t g = dms_recurrent_gates(s->cell), gh = g * s->h;
    const int64_t p[4] = {s->d, s->t, s->b, gh}, r[3] = {s->d, gh, s->h}, bias[2] = {s->d, 2 * gh};
    const int64_t state[3] = {s->d, s->b, s->h}, peep[2] = {s->d, 3 * s->h};
    const int64_t y[4] = {s->d, s->t, s->b, s->h};
    const bool is_lstm = s->cell == DMS_CELL_LSTM;
    const int64_t f = s->cell == DMS_CELL_RNN ? TANH : SIGMOID;
    const int64_t i[DMS_RECURRENT_N_I] = {
        s->cell, 0, s->reverse, s->inputs, s->outputs, s->coupled, f, TANH, TANH, f, TANH, TANH};
    const double real[DMS_RECURRENT_N_F] = {s->clip};
    assert_true(is_lstm || (s->inputs & (C0 | PEEPHOLE)) == 0);
    call_begin(c, DMS_K_RECURRENT, seed);
    call_in_strided(c, dtype, 4, p, order, 0, 0);
    call_in(c, dtype, 3, r);
    if ((s->inputs & BIAS) != 0)
        call_in(c, dtype, 2, bias);
    if ((s->inputs & LENGTHS) != 0) {
        int32_t *length = c->data[call_in(c, DMS_DTYPE_I32, 1, &s->b)];
        for (int64_t k = 0; k < s->b; k++)
            length[k] = (int32_t)(s->t - k % (s->t + 1));
    }
    if ((s->inputs & H0) != 0)
        call_in(c, dtype, 3, state);
    if ((s->inputs & C0) != 0)
        call_in(c, dtype, 3, state);
    if ((s->inputs & PEEPHOLE) != 0)
        call_in(c, dtype, 2, peep);
    if ((s->outputs & 1) != 0)
        call_out_strided(c, dtype, 4, y, order, 0);
    if ((s->outputs & 2) != 0)
        call_out(c, dtype, 3, state);
    if ((s->outputs & 4) != 0)
        call_out(c, dtype, 3, state);
    call_params(c, DMS_RECURRENT_N_I, i, DMS_RECURRENT_N_F, real);
}

static void begin(call_case *c, const shape *s) {
    begin_typed(c, s, DMS_DTYPE_F32, NULL, (uint32_t)(s->h * 131 + s->t * 7 + s->cell));
}

/* ---- the oracle ---------------------------------------------------------------------------- */

enum { MOST_UNITS = 512 };

/* One sequence of one direction. */
typedef struct walker {
    const call_case *c;
    const shape *s;
    int64_t d, b;
    double h[MOST_UNITS], cell[MOST_UNITS], reset[MOST_UNITS];
} walker;

/* An element of an operand by its role; 0 where the role is not there. */
static double at(const walker *w, dms_recurrent_role role, int64_t i0, int64_t i1, int64_t i2,
                 int64_t i3) {
    const dms_call *call = &w->c->call;
    if (!dms_recurrent_has(call, role))
        return 0;
    return (double)call_at(w->c, dms_recurrent_operand(call, role), i0, i1, i2, i3);
}

static double bounded(const walker *w, double x) {
    return w->s->clip > 0 ? fmax(-w->s->clip, fmin(w->s->clip, x)) : x;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* Row `row` of r times a vector. */
static double product(const walker *w, int64_t row, const double *v) {
    double sum = 0;
    for (int64_t k = 0; k < w->s->h; k++)
        sum += at(w, DMS_RECURRENT_R, w->d, row, k, 0) * v[k];
    return sum;
}

static double bias_of(const walker *w, int64_t k) {
    return at(w, DMS_RECURRENT_BIAS, w->d, k, 0, 0);
}

/* x w' + h r' + Wb + Rb of gate g, unit j, at step t. */
static double gate(const walker *w, int64_t t, int64_t g, int64_t j, const double *h) {
    const int64_t gates = dms_recurrent_gates(w->s->cell), row = g * w->s->h + j;
    return at(w, DMS_RECURRENT_P, w->d, t, w->b, row) + product(w, row, h) + bias_of(w, row) +
           bias_of(w, gates * w->s->h + row);
}

static void step_rnn(walker *w, int64_t t) {
    double next[MOST_UNITS];
    for (int64_t j = 0; j < w->s->h; j++)
        next[j] = tanh(bounded(w, gate(w, t, 0, j, w->h)));
    memcpy(w->h, next, sizeof next);
}

/* Gates z, r, h. */
static void step_gru(walker *w, int64_t t) {
    const int64_t n = w->s->h;
    double next[MOST_UNITS];
    for (int64_t j = 0; j < n; j++)
        w->reset[j] = w->h[j] * sigmoid(bounded(w, gate(w, t, 1, j, w->h)));
    for (int64_t j = 0; j < n; j++) {
        const double z = sigmoid(bounded(w, gate(w, t, 0, j, w->h)));
        double x = gate(w, t, 2, j, w->reset);
        if (w->s->cell == DMS_CELL_GRU_AFTER) {
            const double r = sigmoid(bounded(w, gate(w, t, 1, j, w->h)));
            x = at(w, DMS_RECURRENT_P, w->d, t, w->b, 2 * n + j) + bias_of(w, 2 * n + j) +
                r * (product(w, 2 * n + j, w->h) + bias_of(w, 5 * n + j));
        }
        next[j] = (1 - z) * tanh(bounded(w, x)) + z * w->h[j];
    }
    memcpy(w->h, next, sizeof next);
}

/* Gates i, o, f, c; peepholes i, o, f. */
static void step_lstm(walker *w, int64_t t) {
    const int64_t n = w->s->h;
    double next[MOST_UNITS], peep[3];
    for (int64_t j = 0; j < n; j++) {
        for (int64_t k = 0; k < 3; k++)
            peep[k] = at(w, DMS_RECURRENT_PEEPHOLE, w->d, k * n + j, 0, 0);
        const double old = w->cell[j];
        const double i = sigmoid(bounded(w, gate(w, t, 0, j, w->h) + peep[0] * old));
        const double f = sigmoid(bounded(w, gate(w, t, 2, j, w->h) + peep[2] * old));
        const double g = tanh(bounded(w, gate(w, t, 3, j, w->h)));
        w->cell[j] = (w->s->coupled != 0 ? 1 - i : f) * old + i * g;
        const double o = sigmoid(bounded(w, gate(w, t, 1, j, w->h) + peep[1] * w->cell[j]));
        next[j] = o * tanh(w->cell[j]);
    }
    memcpy(w->h, next, sizeof next);
}

static void expect_near(double got, double want, const char *what, const walker *w, int64_t t,
                        int64_t j) {
    if (!(fabs(got - want) < 1e-5 + 1e-5 * fabs(want)))
        fail_msg("%s, direction %d, step %d, sequence %d, unit %d: %g, wanted %g", what, (int)w->d,
                 (int)t, (int)w->b, (int)j, got, want);
}

static void expect_sequence(const call_case *c, const shape *s, int64_t d, int64_t b) {
    walker w = {.c = c, .s = s, .d = d, .b = b};
    int64_t length = s->t;
    if ((s->inputs & LENGTHS) != 0) {
        const int32_t *lengths = c->data[dms_recurrent_operand(&c->call, DMS_RECURRENT_LENGTHS)];
        length = lengths[b];
    }
    for (int64_t j = 0; j < s->h; j++) {
        w.h[j] = length == 0 ? 0 : at(&w, DMS_RECURRENT_H0, d, b, j, 0);
        w.cell[j] = length == 0 ? 0 : at(&w, DMS_RECURRENT_C0, d, b, j, 0);
    }
    for (int64_t n = 0; n < s->t; n++) {
        const int64_t t = n >= length || (s->reverse >> d & 1) == 0 ? n : length - 1 - n;
        if (n < length)
            (s->cell == DMS_CELL_RNN    ? step_rnn
             : s->cell == DMS_CELL_LSTM ? step_lstm
                                        : step_gru)(&w, t);
        for (int64_t j = 0; j < s->h && (s->outputs & 1) != 0; j++)
            expect_near(at(&w, DMS_RECURRENT_Y, d, t, b, j), n < length ? w.h[j] : 0, "y", &w, t,
                        j);
    }
    for (int64_t j = 0; j < s->h && (s->outputs & 2) != 0; j++)
        expect_near(at(&w, DMS_RECURRENT_Y_H, d, b, j, 0), w.h[j], "y_h", &w, length, j);
    for (int64_t j = 0; j < s->h && (s->outputs & 4) != 0; j++)
        expect_near(at(&w, DMS_RECURRENT_Y_C, d, b, j, 0), w.cell[j], "y_c", &w, length, j);
}

static void expect_equations(const call_case *c, const shape *s) {
    for (int64_t d = 0; d < s->d; d++)
        for (int64_t b = 0; b < s->b; b++)
            expect_sequence(c, s, d, b);
}

/* ---- tests --------------------------------------------------------------------------------- */

#define RNN DMS_CELL_RNN
#define GRU DMS_CELL_GRU
#define AFTER DMS_CELL_GRU_AFTER
#define LSTM DMS_CELL_LSTM

/* cell  d t b h  reverse inputs outputs coupled clip */
static const shape shapes[] = {
    {RNN, 1, 1, 1, 1, 0, 0, 3, 0, 0},
    {RNN, 2, 4, 3, 5, 2, BIAS | H0, 3, 0, 0},
    {RNN, 1, 3, 7, 16, 1, BIAS | LENGTHS, 1, 0, 0.3},
    {GRU, 1, 3, 2, 4, 0, BIAS | H0, 3, 0, 0},
    {GRU, 2, 5, 9, 17, 2, BIAS | LENGTHS | H0, 3, 0, 0},
    {GRU, 1, 2, 1, 300, 0, BIAS, 3, 0, 0.5}, /* two segments of a chain */
    {AFTER, 1, 3, 2, 4, 0, BIAS | H0, 3, 0, 0},
    {AFTER, 2, 4, 30, 8, 2, BIAS, 3, 0, 0}, /* two parts per direction */
    {AFTER, 1, 6, 5, 48, 1, LENGTHS, 2, 0, 0},
    {LSTM, 1, 1, 1, 64, 0, BIAS | H0 | C0, 7, 0, 0},
    {LSTM, 2, 3, 7, 12, 2, BIAS | LENGTHS | H0 | C0 | PEEPHOLE, 7, 0, 0},
    {LSTM, 1, 4, 2, 20, 1, PEEPHOLE, 4, 1, 0.4},
    {LSTM, 1, 2, 3, 488, 0, BIAS | C0, 3, 0, 0}, /* r exceeds the scratch: panels come and go */
    {LSTM, 1, 2, 1, 490, 0, H0, 5, 0, 0},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void every_state_follows_the_equations_of_its_cell(void **state) {
    (void)state;
    for (size_t k = 0; k < N_SHAPES; k++) {
        call_case c;
        begin(&c, &shapes[k]);
        call_runs_alike(&c);
        expect_equations(&c, &shapes[k]);
        call_free(&c);
    }
}

/* layout 1 of ONNX: memory order b, t, d, h; r as a transposed matrix. */
static void batch_first_is_only_other_pitches(void **state) {
    static const uint32_t batch_first[4] = {2, 1, 0, 3};
    const shape s = {LSTM, 2, 3, 4, 6, 2, BIAS | H0, 7, 0, 0};
    call_case c;
    (void)state;
    begin_typed(&c, &s, DMS_DTYPE_F32, batch_first, 5);
    const int64_t rows = c.view[1].dim[1];
    c.view[1].pitch[1] = 1;
    c.view[1].pitch[2] = rows;
    call_runs_alike(&c);
    expect_equations(&c, &s);
    call_free(&c);
}

/* 16 units: a panel of each gate. 48: three. Of another number of units r stays as it is. */
static void panels_of_whole_gates_give_the_same_bits(void **state) {
    const shape one = {LSTM, 2, 3, 2, 16, 2, BIAS, 7, 0, 0},
                some = {GRU, 1, 2, 9, 48, 0, 0, 3, 0, 0};
    const shape odd = {GRU, 1, 2, 9, 20, 0, 0, 3, 0, 0};
    dms_packing packing;
    call_case c;
    (void)state;
    begin(&c, &one);
    call_runs_alike(&c);
    call_packs_alike(&c, DMS_RECURRENT_R);
    call_free(&c);
    begin(&c, &some);
    call_runs_alike(&c);
    call_packs_alike(&c, DMS_RECURRENT_R);
    call_free(&c);
    begin(&c, &odd);
    const dms_kernel_row *row = dms_kernel_row_find(DMS_K_RECURRENT);
    assert_false(row->pack(&c.call, DMS_RECURRENT_R, DMS_DEVICE_CPU, &packing));
    call_free(&c);
}

/* The state between steps is not rounded: a narrow layer is a wide one whose result is. */
static void narrow_layers_are_computed_in_f32(void **state) {
    (void)state;
    for (size_t k = 0; k < N_SHAPES; k++)
        for (int is_brain = 0; is_brain < 2; is_brain++) {
            call_case c;
            begin_typed(&c, &shapes[k], is_brain != 0 ? DMS_DTYPE_BF16 : DMS_DTYPE_F16, NULL, 3);
            call_rounds_once(&c);
            call_free(&c);
        }
}

/* f(x) for x = -2, -0.5, 0.5, 2 through an RNN of one step without a state: y = f(p). */
static void a_function_is_what_its_name_says(void **state) {
    static const struct {
        int64_t fn;
        double alpha, beta;
        float want[4];
    } rows[] = {
        {DMS_CELL_FN_SIGMOID, 0, 0, {0.119202922f, 0.377540669f, 0.622459331f, 0.880797078f}},
        {DMS_CELL_FN_TANH, 0, 0, {-0.96402758f, -0.462117157f, 0.462117157f, 0.96402758f}},
        {DMS_CELL_FN_RELU, 0, 0, {0, 0, 0.5f, 2}},
        {DMS_CELL_FN_AFFINE, 3, 1, {-5, -0.5f, 2.5f, 7}},
        {DMS_CELL_FN_LEAKY_RELU, 0.25, 0, {-0.5f, -0.125f, 0.5f, 2}},
        {DMS_CELL_FN_THRESHOLDED_RELU, 1, 0, {0, 0, 0, 2}},
        {DMS_CELL_FN_SCALED_TANH, 2, 0.5, {-1.52318831f, -0.489837337f, 0.489837337f, 1.52318831f}},
        {DMS_CELL_FN_HARD_SIGMOID, 0.5, 0.5, {0, 0.25f, 0.75f, 1}},
        {DMS_CELL_FN_ELU, 2, 0, {-1.72932943f, -0.786938681f, 0.5f, 2}},
        {DMS_CELL_FN_SOFTSIGN, 0, 0, {-0.666666687f, -0.333333343f, 0.333333343f, 0.666666687f}},
        {DMS_CELL_FN_SOFTPLUS, 0, 0, {0.126928011f, 0.474076984f, 0.974076984f, 2.12692801f}},
    };
    static const float x[4] = {-2, -0.5f, 0.5f, 2};
    const shape s = {RNN, 1, 1, 4, 1, 0, 0, 1, 0, 0};
    (void)state;
    assert_int_equal(sizeof rows / sizeof *rows, DMS_N_CELL_FNS);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        call_case c;
        begin(&c, &s);
        memcpy(c.data[0], x, sizeof x);
        c.i[DMS_RECURRENT_FN] = rows[k].fn;
        c.f[DMS_RECURRENT_ALPHA] = rows[k].alpha;
        c.f[DMS_RECURRENT_ALPHA + 1] = rows[k].beta;
        call_runs_alike(&c);
        for (int64_t b = 0; b < 4; b++)
            if (!(fabsf(call_at(&c, 2, 0, 0, b, 0) - rows[k].want[b]) < 1e-6f))
                fail_msg("function %d of %g is %g, wanted %g", (int)rows[k].fn, (double)x[b],
                         (double)call_at(&c, 2, 0, 0, b, 0), (double)rows[k].want[b]);
        call_free(&c);
    }
}

/* The second direction has functions of its own: here it doubles, and the first one halves. */
static void each_direction_has_its_own_functions(void **state) {
    const shape s = {RNN, 2, 1, 1, 1, 0, 0, 1, 0, 0};
    call_case c;
    (void)state;
    begin(&c, &s);
    ((float *)c.data[0])[0] = ((float *)c.data[0])[1] = 8;
    c.i[DMS_RECURRENT_FN] = c.i[DMS_RECURRENT_FN + 3] = DMS_CELL_FN_AFFINE;
    c.f[DMS_RECURRENT_ALPHA] = 0.5;
    c.f[DMS_RECURRENT_ALPHA + 6] = 2;
    call_runs_alike(&c);
    assert_true(call_at(&c, 2, 0, 0, 0, 0) == 4 && call_at(&c, 2, 1, 0, 0, 0) == 16);
    call_free(&c);
}

/* Lengths are data: one below 0 counts as 0, one above t as t, and the run is told. */
static void a_length_out_of_range_is_bounded_and_reported(void **state) {
    const shape s = {RNN, 1, 2, 2, 1, 0, LENGTHS, 1, 0, 0};
    call_case c;
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        begin(&c, &s);
        call_is_valid(&c);
        ((int32_t *)c.data[2])[0] = 2;
        ((int32_t *)c.data[2])[1] = bad == 0 ? -1 : 3;
        dms_status st = {0};
        void *scratch = dms_alloc(&c.arena, DMS_CPU_SCRATCH_BYTES, 1);
        void *room = dms_alloc(&c.arena, dms_call_workspace(&c.call, DMS_DEVICE_CPU), 1);
        assert_int_equal(dms_cpu_run(&c.call, c.data, room, scratch, &st), DMS_EINPUT);
        assert_true((call_at(&c, 3, 0, 1, 1, 0) == 0) == (bad == 0));
        assert_true(call_at(&c, 3, 0, 1, 0, 0) != 0);
        call_free(&c);
    }
}

/* A NaN in one sequence stays in it, and from its step on. */
static void nan_stays_in_its_sequence(void **state) {
    const shape s = {LSTM, 1, 3, 2, 4, 0, 0, 1, 0, 0};
    call_case c;
    (void)state;
    begin(&c, &s);
    ((float *)c.data[0])[c.view[0].pitch[1]] = NAN; /* step 1 of sequence 0 */
    call_runs_alike(&c);
    assert_false(isnan(call_at(&c, 2, 0, 0, 0, 0)));
    assert_true(isnan(call_at(&c, 2, 0, 1, 0, 0)) && isnan(call_at(&c, 2, 0, 2, 0, 3)));
    assert_false(isnan(call_at(&c, 2, 0, 2, 1, 3)));
    call_free(&c);
}

/* No step: y has no element, the last state is zero. */
static void a_sequence_without_steps_ends_in_zero(void **state) {
    const shape s = {GRU, 1, 0, 2, 3, 0, H0, 3, 0, 0};
    call_case c;
    (void)state;
    begin(&c, &s);
    call_runs_alike(&c);
    for (int64_t b = 0; b < 2; b++)
        for (int64_t j = 0; j < 3; j++)
            assert_true(call_at(&c, 4, 0, b, j, 0) == 0);
    call_free(&c);
}

/* A product of r and the state for every step: 2 x 4 gates x 8 x 8 units of multiply-adds. */
/* Two states, the cell and a gate of 2 directions, 3 sequences and 5 units, whatever the cell. */
static void the_card_keeps_four_numbers_per_unit(void **state) {
    (void)state;
    for (int64_t cell = 0; cell < DMS_N_CELLS; cell++) {
        const shape s = {cell, 2, 4, 3, 5, 2, 0, 3, 0, 0};
        call_case c;
        begin(&c, &s);
        call_is_valid(&c);
        assert_int_equal(dms_call_workspace(&c.call, DMS_DEVICE_CUDA), 4 * 2 * 3 * 5 * 4);
        call_free(&c);
    }
}

static void the_cost_is_that_of_the_products(void **state) {
    const shape s = {LSTM, 1, 10, 3, 8, 0, 0, 1, 0, 0};
    call_case c;
    (void)state;
    begin(&c, &s);
    const uint64_t products = 2ull * 4 * 8 * 8 * 10 * 3, flops = dms_call_cost(&c.call).flops;
    assert_true(flops >= products && flops <= 3 * products);
    call_free(&c);
}

static void expect_refused(const shape *s, void (*spoil)(call_case *c), const char *text) {
    call_case c;
    begin(&c, s);
    call_is_valid(&c);
    spoil(&c);
    call_is_refused(&c, text);
    call_free(&c);
}

static void spoil_cell(call_case *c) {
    c->i[DMS_RECURRENT_CELL] = DMS_N_CELLS;
}
static void spoil_layout(call_case *c) {
    c->i[DMS_RECURRENT_LAYOUT] = 1;
}
static void spoil_reverse(call_case *c) {
    c->i[DMS_RECURRENT_REVERSE] = 4;
}
static void spoil_inputs(call_case *c) {
    c->i[DMS_RECURRENT_INPUTS] = 32;
}
static void spoil_count(call_case *c) {
    c->i[DMS_RECURRENT_INPUTS] = 0;
}
static void spoil_outputs(call_case *c) {
    c->i[DMS_RECURRENT_OUTPUTS] = 3;
}
static void spoil_coupled(call_case *c) {
    c->i[DMS_RECURRENT_COUPLED] = 2;
}
static void spoil_function(call_case *c) {
    c->i[DMS_RECURRENT_FN + 5] = DMS_N_CELL_FNS;
}
static void spoil_clip(call_case *c) {
    c->f[DMS_RECURRENT_CLIP] = -1;
}
static void spoil_gru(call_case *c) {
    c->i[DMS_RECURRENT_CELL] = DMS_CELL_GRU;
}
static void spoil_directions(call_case *c) {
    c->view[0].dim[0] = 3;
}
static void spoil_steps(call_case *c) {
    c->view[0].dim[1] = 4;
}
static void spoil_gates(call_case *c) {
    c->view[0].dim[3] = 19;
}
static void spoil_units(call_case *c) {
    c->view[1].dim[2] = 4;
}
static void spoil_bias(call_case *c) {
    c->view[2].dim[1] = 39;
}
static void spoil_lengths(call_case *c) {
    c->view[3].dim[0] = 1;
}
static void spoil_length_type(call_case *c) {
    c->view[3].dtype = DMS_DTYPE_I64;
}
static void spoil_state(call_case *c) {
    c->view[4].dim[1] = 3;
}
static void spoil_state_type(call_case *c) {
    c->view[5].dtype = DMS_DTYPE_F16;
}
static void spoil_peephole(call_case *c) {
    c->view[6].dim[1] = 14;
}
static void spoil_last(call_case *c) {
    c->view[8].dim[2] = 4;
}

static void wrong_calls_are_refused(void **state) {
    const shape s = {LSTM, 1, 3, 2, 5, 0, BIAS | LENGTHS | H0 | C0 | PEEPHOLE, 7, 0, 0};
    (void)state;
    expect_refused(&s, spoil_cell, "integer parameter 0 is 4");
    expect_refused(&s, spoil_layout, "operand 1: rank 3, wants 5");
    expect_refused(&s, spoil_reverse, "integer parameter 2 is 4");
    expect_refused(&s, spoil_inputs, "integer parameter 3 is 32");
    expect_refused(&s, spoil_count, "7 inputs and 3 outputs, its parameters name 2 and 3");
    expect_refused(&s, spoil_outputs, "its parameters name 7 and 2");
    expect_refused(&s, spoil_coupled, "integer parameter 5 is 2");
    expect_refused(&s, spoil_function, "integer parameter 11 is 11");
    expect_refused(&s, spoil_clip, "clips at -1");
    expect_refused(&s, spoil_gru, "only an LSTM has the state of a cell");
    expect_refused(&s, spoil_directions, "operand 0: 3 directions");
    expect_refused(&s, spoil_steps, "operand 7");
    expect_refused(&s, spoil_gates, "operand 0");
    expect_refused(&s, spoil_units, "operand 1");
    expect_refused(&s, spoil_bias, "operand 2");
    expect_refused(&s, spoil_lengths, "operand 3");
    expect_refused(&s, spoil_length_type, "operand 3: dtype i64");
    expect_refused(&s, spoil_state, "operand 4");
    expect_refused(&s, spoil_state_type, "operand 5: dtype f16");
    expect_refused(&s, spoil_peephole, "operand 6");
    expect_refused(&s, spoil_last, "operand 8");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_follows_the_equations_of_its_cell),
        cmocka_unit_test(batch_first_is_only_other_pitches),
        cmocka_unit_test(panels_of_whole_gates_give_the_same_bits),
        cmocka_unit_test(narrow_layers_are_computed_in_f32),
        cmocka_unit_test(a_function_is_what_its_name_says),
        cmocka_unit_test(each_direction_has_its_own_functions),
        cmocka_unit_test(a_length_out_of_range_is_bounded_and_reported),
        cmocka_unit_test(nan_stays_in_its_sequence),
        cmocka_unit_test(a_sequence_without_steps_ends_in_zero),
        cmocka_unit_test(the_card_keeps_four_numbers_per_unit),
        cmocka_unit_test(the_cost_is_that_of_the_products),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
