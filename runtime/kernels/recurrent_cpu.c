/* recurrent_cpu.c - RNN, GRU and LSTM on the CPU device: time is walked, everything else is blocks.
 *
 * A part is one direction and up to 24 sequences. Its room in the workspace, in rows of `wide`
 * floats (units rounded up to 16):
 *
 *     bias[g]  after  peephole[3]     of this direction, widened; `after` is what GRU_AFTER adds
 *     for each sequence:  z[g]  h  c  sums of the product r h, state, state of the cell or reset h
 *
 * Per step: z = r h for all sequences of the part, panel by panel, so that a panel is read once;
 * then, for 512 units at a time, x = (p + bias) + z goes through the functions of the cell. z is a
 * matrix product: chains of 256 units, added in order. No sum crosses a sequence, so parts, layouts
 * of r and instruction sets agree bit by bit. Between steps the state stays f32.
 *
 * Source: Hochreiter and Schmidhuber 1997 (LSTM); Gers and Schmidhuber 2000 (peepholes); Cho et al.
 * 2014 (GRU); equations and order of gates are ONNX's. */
#include <stdbool.h>
#include <string.h>

#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/recurrent.h"
#include "runtime/kernels/recurrent_body.h"
#include "runtime/kernels/strip.h"
#include "runtime/kernels/tile_internal.h"
#include "schema/integers.h"

enum {
    PANEL = DMS_RECURRENT_PANEL,
    SEGMENT = DMS_TILE_SEGMENT,
    ROWS = 24,     /* sequences of a part, a multiple of a tile's rows */
    GROUP = 4,     /* panels that one row meets at a time */
    UNITS = 512,   /* of a block of functions */
    ROOM = 900000, /* floats of r that stay as panels for all steps: 3.4 MiB */
    P_OUTPUT = 1,  /* peepholes of the input gate, the output gate, the forget gate */
    P_FORGET = 2,
};
_Static_assert((int)PANEL == (int)DMS_TILE_WIDTH, "a panel of r is a panel of a tile");

typedef struct recurrent_scratch {
    float panel[ROOM];           /* all of r, or GROUP panels of one segment */
    float row[SEGMENT];          /* weights of one unit */
    float x[4][UNITS], y[UNITS]; /* what a block's gates are given; what it gives */
} recurrent_scratch;
_Static_assert(sizeof(recurrent_scratch) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

typedef struct part {
    const dms_call *call;
    recurrent_scratch *scratch;
    const dms_view *view[DMS_RECURRENT_N_ROLES]; /* NULL where there is no such operand */
    char *data[DMS_RECURRENT_N_ROLES];           /* of this direction */
    dms_dtype dtype;
    int64_t size;    /* bytes of an element */
    int64_t cell, d; /* direction */
    int64_t gates, units, wide, steps;
    int64_t row0, rows;
    bool is_packed, is_kept; /* r came as panels; r was made into panels in scratch */
    bool is_reverse;
    float clip;
    float *bias, *after, *peephole, *state; /* in the workspace */
    int64_t length[ROWS], longest;
} part;

/* ---- functions of a cell ------------------------------------------------------------------- */

typedef void cell_fn(int64_t n, float *v, float a, float b);

#define CELL_FN(ID, NAME, EXPR)                                                                    \
    static void fn_##NAME(int64_t n, float *v, float a, float b) {                                 \
        (void)a;                                                                                   \
        (void)b;                                                                                   \
        for (int64_t k = 0; k < n; k++) {                                                          \
            const float x = v[k];                                                                  \
            v[k] = (EXPR);                                                                         \
        }                                                                                          \
    }
DMS_CELL_FNS(CELL_FN)

#define ENTRY(ID, NAME, EXPR) [DMS_CELL_FN_##ID] = fn_##NAME,
static cell_fn *const cell_fns[DMS_N_CELL_FNS] = {DMS_CELL_FNS(ENTRY)};

/* v = function k of this direction (0 = f, 1 = g, 2 = h) of v. */
static void apply(const part *p, int64_t k, int64_t n, float *v) {
    const int64_t at = p->d * DMS_RECURRENT_FNS + k;
    const double *f = p->call->f + DMS_RECURRENT_ALPHA + 2 * at;
    cell_fns[p->call->i[DMS_RECURRENT_FN + at]](n, v, (float)f[0], (float)f[1]);
}

/* The same of what a gate is given, which is bounded first. */
static void apply_clipped(const part *p, int64_t k, int64_t n, float *v) {
    const float clip = p->clip;
    if (clip > 0.0f)
        for (int64_t j = 0; j < n; j++)
            v[j] = dms_cell_clip(v[j], clip);
    apply(p, k, n, v);
}

/* ---- operands ------------------------------------------------------------------------------ */

/* n elements of an operand from element `at` of this direction on. */
static void load(const part *p, dms_recurrent_role role, int64_t at, int64_t pitch, int64_t n,
                 float *out) {
    DMS_ISA(dms_strip_load)(p->dtype, p->data[role] + at * p->size, pitch, n, out);
}

/* A row of gates in the workspace from a dense-or-not vector of this direction: row k gets elements
 * [k units, (k + 1) units) from `first` on. */
static void load_rows(const part *p, dms_recurrent_role role, int64_t first, int64_t n,
                      float *out) {
    const int64_t pitch = p->view[role]->pitch[1];
    for (int64_t k = 0; k < n; k++)
        load(p, role, (first + k * p->units) * pitch, pitch, p->units, out + k * p->wide);
}

/* bias = Wb + Rb; but GRU_AFTER adds Rb of its last gate inside the product with the reset gate. */
static void load_bias(const part *p) {
    const int64_t last = (p->gates - 1) * p->wide;
    if (p->view[DMS_RECURRENT_BIAS] == NULL) {
        memset(p->bias, 0, (size_t)((p->gates + 1) * p->wide) * sizeof *p->bias);
        return;
    }
    load_rows(p, DMS_RECURRENT_BIAS, 0, p->gates, p->bias);
    for (int64_t g = 0; g < p->gates; g++) {
        load_rows(p, DMS_RECURRENT_BIAS, (p->gates + g) * p->units, 1, p->after);
        if (p->cell == DMS_CELL_GRU_AFTER && g * p->wide == last)
            continue;
        for (int64_t j = 0; j < p->units; j++)
            p->bias[g * p->wide + j] += p->after[j];
    }
}

/* Rows of the workspace of sequence `row` of the part: its sums, its state, its cell. */
static float *sums_of(const part *p, int64_t row) {
    return p->state + row * (p->gates + 2) * p->wide;
}

static float *hidden_of(const part *p, int64_t row) {
    return sums_of(p, row) + p->gates * p->wide;
}

static float *cell_of(const part *p, int64_t row) {
    return hidden_of(p, row) + p->wide;
}

/* The state before the first step: given, or zero. */
static void load_state(const part *p, dms_recurrent_role role, int64_t row, float *out) {
    const dms_view *view = p->view[role];
    if (view == NULL)
        memset(out, 0, (size_t)p->units * sizeof *out);
    else
        load(p, role, (p->row0 + row) * view->pitch[1], view->pitch[2], p->units, out);
}

/* Writes [first, first + n) units of a row of an output, if it is there; every NaN is the quiet
 * one. */
static void store(const part *p, dms_recurrent_role role, int64_t at, int64_t first, int64_t n,
                  const float *from) {
    const dms_view *view = p->view[role];
    if (view == NULL)
        return;
    const int64_t pitch = view->pitch[view->rank - 1];
    DMS_ISA(dms_strip_store)
    (p->dtype, from, p->data[role] + (at + first * pitch) * p->size, pitch, n);
}

/* Steps of each sequence; a length outside [0, steps] is bounded and reported. */
static void read_lengths(const dms_cpu_job *job, part *p) {
    p->longest = 0;
    for (int64_t row = 0; row < p->rows; row++) {
        int64_t length = p->steps;
        const dms_view *view = p->view[DMS_RECURRENT_LENGTHS];
        if (view != NULL) {
            int32_t given;
            memcpy(&given,
                   p->data[DMS_RECURRENT_LENGTHS] +
                       (p->row0 + row) * view->pitch[0] * (int64_t)sizeof given,
                   sizeof given);
            length = given < 0 ? 0 : dms_least(given, p->steps);
            if (length != given)
                atomic_store_explicit(job->index_error,
                                      1 + dms_recurrent_operand(p->call, DMS_RECURRENT_LENGTHS),
                                      memory_order_relaxed);
        }
        p->length[row] = length;
        p->longest = length > p->longest ? length : p->longest;
    }
}

/* ---- z = r h ------------------------------------------------------------------------------- */

/* Weights [k0, k0 + k) of 16 units of one gate, as a panel [k][16]; units that do not exist are
 * zero. */
static void make_panel(const part *p, int64_t panel, int64_t k0, int64_t k, float *out) {
    const dms_view *r = p->view[DMS_RECURRENT_R];
    if (p->is_packed) {
        load(p, DMS_RECURRENT_R, (panel * p->units + k0) * PANEL, 1, k * PANEL, out);
        return;
    }
    const int64_t per_gate = p->wide / PANEL, unit = panel % per_gate * PANEL;
    const int64_t n = dms_least(PANEL, p->units - unit);
    const int64_t at = (panel / per_gate * p->units + unit) * r->pitch[1] + k0 * r->pitch[2];
    if (n < PANEL)
        memset(out, 0, (size_t)(k * PANEL) * sizeof *out);
    if (p->dtype == DMS_DTYPE_F32 && r->pitch[2] == 1) {
        const float *from = (const float *)(const void *)p->data[DMS_RECURRENT_R] + at;
        DMS_ISA(dms_tile_transpose)(n, k, from, r->pitch[1], out, PANEL);
        return;
    }
    for (int64_t j = 0; j < n; j++) {
        load(p, DMS_RECURRENT_R, at + j * r->pitch[1], r->pitch[2], k, p->scratch->row);
        for (int64_t q = 0; q < k; q++)
            out[q * PANEL + j] = p->scratch->row[q];
    }
}

/* Panels [panel, panel + n) of one segment: where they lie, as they were kept, or made now. */
static const float *panels_of(const part *p, int64_t panel, int64_t n, int64_t k0, int64_t k,
                              int64_t *pitch) {
    *pitch = p->units * PANEL;
    const int64_t at = panel * *pitch + k0 * PANEL;
    if (p->is_packed && p->dtype == DMS_DTYPE_F32)
        return (const float *)(const void *)p->data[DMS_RECURRENT_R] + at;
    if (p->is_kept)
        return p->scratch->panel + at;
    *pitch = k * PANEL;
    for (int64_t j = 0; j < n; j++)
        make_panel(p, panel + j, k0, k, p->scratch->panel + j * *pitch);
    return p->scratch->panel;
}

/* z of gates [first, first + n) from the state or, for GRU, from the reset state. Four panels at a
 * time serve a single sequence, which would otherwise wait for its own chain. */
static void multiply(const part *p, int64_t first, int64_t n, bool from_cell) {
    const int64_t between = (p->gates + 2) * p->wide, end = (first + n) * p->wide / PANEL;
    const float *h = from_cell ? cell_of(p, 0) : hidden_of(p, 0);
    for (int64_t j = first * p->wide / PANEL; j < end; j += GROUP) {
        const int64_t panels = dms_least(GROUP, end - j);
        for (int64_t k0 = 0; k0 < p->units; k0 += SEGMENT) {
            const int64_t k = dms_least(SEGMENT, p->units - k0);
            const dms_tile_mode mode = k0 == 0 ? DMS_TILE_SET : DMS_TILE_ADD;
            int64_t pitch;
            const float *r = panels_of(p, j, panels, k0, k, &pitch);
            float *z = sums_of(p, 0) + j * PANEL;
            if (p->rows == 1 && panels == GROUP) {
                DMS_ISA(dms_tile_row)(k, h + k0, r, pitch, z, mode);
                continue;
            }
            for (int64_t q = 0; q < panels; q++)
                for (int64_t row = 0; row < p->rows; row += DMS_TILE_ROWS)
                    DMS_ISA(dms_tile_product)
            ((int)dms_least(DMS_TILE_ROWS, p->rows - row), k, h + row * between + k0, between,
             r + q * pitch, z + row * between + q * PANEL, between, mode);
        }
    }
}

/* ---- one step of one sequence, units [j, j + n) -------------------------------------------- */

typedef struct block {
    int64_t row, t; /* sequence of the part; step */
    int64_t j, n;   /* units */
} block;

/* x[g] = (p + bias) for gate g. */
static float *load_gate(const part *p, const block *b, int64_t g) {
    const dms_view *view = p->view[DMS_RECURRENT_P];
    float *x = p->scratch->x[g];
    const float *bias = p->bias + g * p->wide + b->j;
    load(p, DMS_RECURRENT_P,
         b->t * view->pitch[1] + (p->row0 + b->row) * view->pitch[2] +
             (g * p->units + b->j) * view->pitch[3],
         view->pitch[3], b->n, x);
    for (int64_t k = 0; k < b->n; k++)
        x[k] += bias[k];
    return x;
}

/* x[g] = (p + bias) + z. */
static float *sum_gate(const part *p, const block *b, int64_t g) {
    const float *z = sums_of(p, b->row) + g * p->wide + b->j;
    float *x = load_gate(p, b, g);
    for (int64_t k = 0; k < b->n; k++)
        x[k] += z[k];
    return x;
}

/* The new state of these units is in h; it is an output too. */
static void put_hidden(const part *p, const block *b, float *h) {
    for (int64_t k = 0; k < b->n; k++)
        h[k] = dms_quietf(h[k]);
    const dms_view *y = p->view[DMS_RECURRENT_Y];
    if (y != NULL)
        store(p, DMS_RECURRENT_Y, b->t * y->pitch[1] + (p->row0 + b->row) * y->pitch[2], b->j, b->n,
              h);
}

/* h = f(x) */
static void step_rnn(const part *p, const block *b) {
    float *h = hidden_of(p, b->row) + b->j, *x = sum_gate(p, b, 0);
    apply_clipped(p, 0, b->n, x);
    memcpy(h, x, (size_t)b->n * sizeof *h);
    put_hidden(p, b, h);
}

/* GRU, before its second product: the reset state r h waits where an LSTM has its cell. */
static void step_reset(const part *p, const block *b) {
    const float *h = hidden_of(p, b->row) + b->j;
    float *reset = cell_of(p, b->row) + b->j, *r = sum_gate(p, b, 1);
    apply_clipped(p, 0, b->n, r);
    for (int64_t k = 0; k < b->n; k++)
        reset[k] = r[k] * h[k];
}

/* h = (1 - z) g(x) + z h; x has r (R h + Rb) for GRU_AFTER, R (r h) for GRU. */
static void step_gru(const part *p, const block *b) {
    float *h = hidden_of(p, b->row) + b->j, *z = sum_gate(p, b, 0), *x;
    apply_clipped(p, 0, b->n, z);
    if (p->cell == DMS_CELL_GRU) {
        x = sum_gate(p, b, 2);
    } else {
        const float *sum = sums_of(p, b->row) + 2 * p->wide + b->j, *after = p->after + b->j;
        const float *r = sum_gate(p, b, 1);
        apply_clipped(p, 0, b->n, p->scratch->x[1]);
        x = load_gate(p, b, 2);
        for (int64_t k = 0; k < b->n; k++)
            x[k] = fmaf(r[k], sum[k] + after[k], x[k]);
    }
    apply_clipped(p, 1, b->n, x);
    for (int64_t k = 0; k < b->n; k++)
        h[k] = dms_gru_state(z[k], x[k], h[k]);
    put_hidden(p, b, h);
}

/* x += peephole c, where there are peepholes. */
static void peep(const part *p, const block *b, int64_t which, const float *c, float *x) {
    const float *weight = p->peephole + which * p->wide + b->j;
    if (p->view[DMS_RECURRENT_PEEPHOLE] != NULL)
        for (int64_t k = 0; k < b->n; k++)
            x[k] = fmaf(weight[k], c[k], x[k]);
}

/* c = f c + i g, h = o h(c); the output gate sees the new cell. */
static void step_lstm(const part *p, const block *b) {
    float *h = hidden_of(p, b->row) + b->j, *c = cell_of(p, b->row) + b->j;
    float *i = sum_gate(p, b, 0), *o = sum_gate(p, b, 1), *f = sum_gate(p, b, 2);
    float *g = sum_gate(p, b, 3), *y = p->scratch->y;
    peep(p, b, 0, c, i);
    peep(p, b, P_FORGET, c, f);
    apply_clipped(p, 0, b->n, i);
    apply_clipped(p, 0, b->n, f);
    apply_clipped(p, 1, b->n, g);
    if (p->call->i[DMS_RECURRENT_COUPLED] != 0)
        for (int64_t k = 0; k < b->n; k++)
            f[k] = 1.0f - i[k];
    for (int64_t k = 0; k < b->n; k++)
        y[k] = c[k] = dms_lstm_cell(f[k], i[k], g[k], c[k]);
    peep(p, b, P_OUTPUT, c, o);
    apply_clipped(p, 0, b->n, o);
    apply(p, 2, b->n, y);
    for (int64_t k = 0; k < b->n; k++)
        h[k] = o[k] * y[k];
    put_hidden(p, b, h);
}

/* ---- a part -------------------------------------------------------------------------------- */

typedef void step_fn(const part *p, const block *b);

/* One step of every sequence that is that long. A reverse direction begins at the end of each. */
static void step_rows(const part *p, int64_t step, step_fn *fn) {
    for (int64_t row = 0; row < p->rows; row++) {
        if (step >= p->length[row])
            continue;
        block b = {.row = row, .t = p->is_reverse ? p->length[row] - 1 - step : step};
        for (; b.j < p->units; b.j += UNITS) {
            b.n = dms_least(UNITS, p->units - b.j);
            fn(p, &b);
        }
    }
}

static void walk_time(const part *p) {
    for (int64_t step = 0; step < p->longest; step++) {
        if (p->cell == DMS_CELL_GRU) {
            multiply(p, 0, 2, false);
            step_rows(p, step, step_reset);
            multiply(p, 2, 1, true);
        } else {
            multiply(p, 0, p->gates, false);
        }
        step_rows(p, step,
                  p->cell == DMS_CELL_RNN    ? step_rnn
                  : p->cell == DMS_CELL_LSTM ? step_lstm
                                             : step_gru);
    }
}

/* What comes after a sequence is zero; a sequence without steps has a state of zero. */
static void finish_row(const part *p, int64_t row) {
    float *h = hidden_of(p, row), *c = cell_of(p, row), *zero = sums_of(p, row);
    const dms_view *y = p->view[DMS_RECURRENT_Y];
    const dms_recurrent_role role[2] = {DMS_RECURRENT_Y_H, DMS_RECURRENT_Y_C};
    memset(zero, 0, (size_t)p->units * sizeof *zero);
    for (int64_t t = p->length[row]; t < p->steps && y != NULL; t++)
        store(p, DMS_RECURRENT_Y, t * y->pitch[1] + (p->row0 + row) * y->pitch[2], 0, p->units,
              zero);
    for (int k = 0; k < 2; k++)
        if (p->view[role[k]] != NULL)
            store(p, role[k], (p->row0 + row) * p->view[role[k]]->pitch[1], 0, p->units,
                  p->length[row] == 0 ? zero
                  : k == 0            ? h
                                      : c);
}

static int64_t blocks_of_rows(const dms_call *call) {
    const int64_t b = call->view[DMS_RECURRENT_P].dim[2];
    return b / ROWS + (b % ROWS != 0);
}

static uint64_t recurrent_parts(const dms_call *call) {
    return (uint64_t)(call->view[DMS_RECURRENT_P].dim[0] * blocks_of_rows(call));
}

/* Operands of the part's direction, and what follows from the call. */
static part part_of(const dms_cpu_job *job, int64_t index) {
    const dms_call *call = job->call;
    const dms_view *in = &call->view[DMS_RECURRENT_P];
    const int64_t blocks = blocks_of_rows(call);
    part p = {.call = call, .scratch = job->scratch, .dtype = in->dtype};
    p.size = dms_dtype_bytes(in->dtype);
    p.d = index / blocks;
    p.row0 = index % blocks * ROWS;
    p.rows = dms_least(ROWS, in->dim[2] - p.row0);
    p.steps = in->dim[1];
    p.cell = call->i[DMS_RECURRENT_CELL];
    p.gates = dms_recurrent_gates(p.cell);
    p.units = dms_recurrent_units(call);
    p.wide = (p.units + PANEL - 1) / PANEL * PANEL;
    p.is_packed = call->i[DMS_RECURRENT_LAYOUT] != 0;
    p.is_reverse = (call->i[DMS_RECURRENT_REVERSE] >> p.d & 1) != 0;
    p.clip = (float)call->f[DMS_RECURRENT_CLIP];
    for (unsigned role = 0; role < DMS_RECURRENT_N_ROLES; role++) {
        if (!dms_recurrent_has(call, (dms_recurrent_role)role))
            continue;
        const uint32_t operand = dms_recurrent_operand(call, (dms_recurrent_role)role);
        p.view[role] = &call->view[operand];
        const int64_t first = role == DMS_RECURRENT_LENGTHS ? 0 : p.d * p.view[role]->pitch[0];
        p.data[role] = (char *)job->operand[operand] + first * p.size;
    }
    return p;
}

/* The part's room, and everything in it that no step changes. */
static void prepare(const dms_cpu_job *job, part *p) {
    const int64_t b = p->view[DMS_RECURRENT_P]->dim[2], panels = p->gates * p->wide / PANEL;
    p->bias = (float *)job->workspace + (p->d * b + p->row0) * (2 * p->gates + 6) * p->wide;
    p->after = p->bias + p->gates * p->wide;
    p->peephole = p->after + p->wide;
    p->state = p->peephole + 3 * p->wide;
    load_bias(p);
    if (p->view[DMS_RECURRENT_PEEPHOLE] != NULL)
        load_rows(p, DMS_RECURRENT_PEEPHOLE, 0, 3, p->peephole);
    for (int64_t row = 0; row < p->rows; row++) {
        load_state(p, DMS_RECURRENT_H0, row, hidden_of(p, row));
        load_state(p, DMS_RECURRENT_C0, row, cell_of(p, row));
    }
    p->is_kept = !(p->is_packed && p->dtype == DMS_DTYPE_F32) && p->longest > 0 &&
                 panels * p->units * PANEL <= ROOM;
    for (int64_t j = 0; j < panels && p->is_kept; j++)
        for (int64_t k0 = 0; k0 < p->units; k0 += SEGMENT)
            make_panel(p, j, k0, dms_least(SEGMENT, p->units - k0),
                       p->scratch->panel + (j * p->units + k0) * PANEL);
}

static void recurrent_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    for (uint64_t k = first; k < end; k++) {
        part p = part_of(job, (int64_t)k);
        read_lengths(job, &p);
        prepare(job, &p);
        walk_time(&p);
        for (int64_t row = 0; row < p.rows; row++)
            finish_row(&p, row);
    }
}

const dms_cpu_kernel DMS_ISA(dms_cpu_recurrent) = {DMS_K_RECURRENT, recurrent_parts, recurrent_run};
