/* recurrent.cu - one step of RNN, GRU or LSTM per launch: the product of r with the state, then the
 * cell of the same units.
 *
 *        k0    k0+32                    columns of a block: n gates of 32 / n units each
 *      +------+                         256 threads: a column, and four of 32 sequences
 *   32 |  h   |   +------+ 32           sums are chains over 256 units, added in order, as on the
 *      +------+   |  r   |              CPU device
 *                 +------+
 *               32 columns
 *
 * Grid: a block per direction, tile of units and 32 sequences. Bytes: r once per 32 sequences, h
 * once per block, from the cache. */
#include "runtime/cuda/kernels/launch.h"
#include "runtime/cuda/kernels/recurrent.h"
#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/element.h"
#include "runtime/kernels/recurrent_body.h"

enum { COLUMNS = DMS_RECURRENT_COLUMNS, ROWS = DMS_RECURRENT_ROWS };
enum { DEPTH = COLUMNS, LANES = 8, EACH = 4, SEGMENT = 256, PANEL = 16 };

/* A direction, and the first unit and sequence of a block. */
typedef struct tile_at {
    int64_t d, unit, row, n_units;
} tile_at;

/* One unit of one sequence, at a step. */
typedef struct place {
    int64_t d, row, unit, t;
} place;

/* --- operands */

DMS_DEVICE float number(const dms_recurrent_params *p, const dms_recurrent_operand_at *o,
                        int64_t at) {
    return dms_element_load((dms_dtype)p->dtype, o->at, at).f32;
}

DMS_DEVICE void put(const dms_recurrent_params *p, const dms_recurrent_operand_at *o, int64_t at,
                    float value) {
    dms_scalar v;
    v.f32 = value;
    if (o->at != NULL)
        dms_element_store((dms_dtype)p->dtype, v, o->at, at);
}

/* Steps of a sequence; a length outside [0, steps] is bounded. */
DMS_DEVICE int64_t length_of(const dms_recurrent_params *p, int64_t row, int *is_wrong) {
    *is_wrong = 0;
    if (p->lengths.at == NULL)
        return p->steps;
    const int64_t given = ((const int32_t *)p->lengths.at)[row * p->lengths.pitch[0]];
    const int64_t length = given < 0 ? 0 : given < p->steps ? given : p->steps;
    *is_wrong = length != given;
    return length;
}

/* Where a unit of a sequence lies in the workspace. */
DMS_DEVICE int64_t state_at(const dms_recurrent_params *p, int64_t d, int64_t row, int64_t unit) {
    return (d * p->rows + row) * p->units + unit;
}

/* The weight of unit `unit` of gate g for unit k of the state. */
DMS_DEVICE float weight_of(const dms_recurrent_params *p, int64_t d, int64_t g, int64_t unit,
                           int64_t k) {
    const int64_t panel = (d * p->gates + g) * (p->units / PANEL) + unit / PANEL;
    return number(p, &p->r,
                  p->is_panels ? (panel * p->units + k) * PANEL + unit % PANEL
                               : d * p->r.pitch[0] + (g * p->units + unit) * p->r.pitch[1] +
                                     k * p->r.pitch[2]);
}

/* --- products */

/* What the product is with: the state, or the reset state in GRU's second launch. */
DMS_DEVICE const float *factor_of(const dms_recurrent_params *p) {
    return p->kind == DMS_CELL_GRU && p->first_gate != 0 ? p->cell : p->state[p->step % 2];
}

/* Units [k0, k0 + DEPTH) of both factors; 0 beyond, which multiply leaves out. */
DMS_DEVICE void load_tiles(const dms_recurrent_params *p, const tile_at *at, int64_t k0,
                           float (*r)[COLUMNS + 1], float (*h)[DEPTH + 1]) {
    const float *factor = factor_of(p);
    for (int e = (int)threadIdx.x; e < DEPTH * COLUMNS; e += LANES * COLUMNS) {
        const int c = p->is_panels ? e % COLUMNS : e / DEPTH;
        const int k = p->is_panels ? e / COLUMNS : e % DEPTH;
        const int64_t unit = at->unit + c % at->n_units, g = c / at->n_units;
        const int exists = g < p->n_gates && unit < p->units && k0 + k < p->units;
        r[k][c] = exists ? weight_of(p, at->d, p->first_gate + g, unit, k0 + k) : 0.0f;
    }
    for (int e = (int)threadIdx.x; e < DEPTH * ROWS; e += LANES * COLUMNS) {
        const int64_t row = at->row + e / DEPTH, k = k0 + e % DEPTH;
        h[e / DEPTH][e % DEPTH] =
            row < p->rows && k < p->units ? factor[state_at(p, at->d, row, k)] : 0.0f;
    }
}

DMS_DEVICE void multiply(float (*r)[COLUMNS + 1], float (*h)[DEPTH + 1], int depth,
                         float chain[EACH]) {
    const uint32_t column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS;
    for (int k = 0; k < depth; k++)
        DMS_EACH(i, EACH)
    chain[i] = fmaf(h[lane + (uint32_t)i * LANES][k], r[k][column], chain[i]);
}

/* --- cells */

/* Function k of a direction (0 = f, 1 = g, 2 = h). */
DMS_DEVICE float apply(const dms_recurrent_params *p, int64_t d, int k, float x) {
    const float a = p->alpha[3 * d + k], b = p->beta[3 * d + k];
#define CASE(ID, name, expr)                                                                       \
    case DMS_CELL_FN_##ID:                                                                         \
        return (expr);
    switch (p->fn[3 * d + k]) { DMS_CELL_FNS(CASE) }
#undef CASE
    return x + b;
}

/* The same of what a gate is given. */
DMS_DEVICE float apply_clipped(const dms_recurrent_params *p, int64_t d, int k, float x) {
    return apply(p, d, k, p->clip > 0.0f ? dms_cell_clip(x, p->clip) : x);
}

/* Rb of a gate. */
DMS_DEVICE float after_of(const dms_recurrent_params *p, const place *u, int64_t g) {
    return p->bias.at == NULL
               ? 0.0f
               : number(p, &p->bias,
                        u->d * p->bias.pitch[0] +
                            ((p->gates + g) * p->units + u->unit) * p->bias.pitch[1]);
}

/* p + Wb + Rb of gate g; but GRU_AFTER has Rb of its last gate inside the product. */
DMS_DEVICE float input_of(const dms_recurrent_params *p, const place *u, int64_t g) {
    const int64_t at = u->d * p->p.pitch[0] + u->t * p->p.pitch[1] + u->row * p->p.pitch[2] +
                       (g * p->units + u->unit) * p->p.pitch[3];
    float bias = 0.0f;
    if (p->bias.at != NULL)
        bias = number(p, &p->bias,
                      u->d * p->bias.pitch[0] + (g * p->units + u->unit) * p->bias.pitch[1]);
    if (p->bias.at != NULL && (p->kind != DMS_CELL_GRU_AFTER || g != 2))
        bias += after_of(p, u, g);
    return number(p, &p->p, at) + bias;
}

/* x + peephole `which` c. */
DMS_DEVICE float peep(const dms_recurrent_params *p, const place *u, int64_t which, float c,
                      float x) {
    if (p->peephole.at == NULL)
        return x;
    const int64_t at =
        u->d * p->peephole.pitch[0] + (which * p->units + u->unit) * p->peephole.pitch[1];
    return fmaf(number(p, &p->peephole, at), c, x);
}

/* The new state; the output gate sees the new cell. z: sums of the gates, COLUMNS apart. */
DMS_DEVICE float lstm(const dms_recurrent_params *p, const place *u, const float *z, int64_t n,
                      float *cell) {
    const float c = *cell;
    float i = peep(p, u, 0, c, input_of(p, u, 0) + z[0]);
    float o = input_of(p, u, 1) + z[n];
    float f = peep(p, u, 2, c, input_of(p, u, 2) + z[2 * n]);
    i = apply_clipped(p, u->d, 0, i);
    f = p->is_coupled ? 1.0f - i : apply_clipped(p, u->d, 0, f);
    const float g = apply_clipped(p, u->d, 1, input_of(p, u, 3) + z[3 * n]);
    *cell = dms_lstm_cell(f, i, g, c);
    o = apply_clipped(p, u->d, 0, peep(p, u, 1, *cell, o));
    return o * apply(p, u->d, 2, *cell);
}

DMS_DEVICE float gru_after(const dms_recurrent_params *p, const place *u, const float *z, int64_t n,
                           float h) {
    const float update = apply_clipped(p, u->d, 0, input_of(p, u, 0) + z[0]);
    const float reset = apply_clipped(p, u->d, 0, input_of(p, u, 1) + z[n]);
    const float x = fmaf(reset, z[2 * n] + after_of(p, u, 2), input_of(p, u, 2));
    return dms_gru_state(update, apply_clipped(p, u->d, 1, x), h);
}

/* One unit of a sequence that is still going on; z holds its sums, n apart. */
DMS_DEVICE void step_unit(const dms_recurrent_params *p, const place *u, const float *z,
                          int64_t n) {
    const int64_t at = state_at(p, u->d, u->row, u->unit);
    const float h = p->state[p->step % 2][at];
    float next;
    if (p->kind == DMS_CELL_LSTM) {
        next = lstm(p, u, z, n, &p->cell[at]);
    } else if (p->kind == DMS_CELL_GRU_AFTER) {
        next = gru_after(p, u, z, n, h);
    } else if (p->kind == DMS_CELL_RNN) {
        next = apply_clipped(p, u->d, 0, input_of(p, u, 0) + z[0]);
    } else if (p->first_gate == 0) { /* GRU, before its second product */
        p->update[at] = apply_clipped(p, u->d, 0, input_of(p, u, 0) + z[0]);
        p->cell[at] = apply_clipped(p, u->d, 0, input_of(p, u, 1) + z[n]) * h;
        return;
    } else {
        const float x = apply_clipped(p, u->d, 1, input_of(p, u, 2) + z[0]);
        next = dms_gru_state(p->update[at], x, h);
    }
    next = dms_quietf(next);
    p->state[(p->step + 1) % 2][at] = next;
    put(p, &p->y,
        u->d * p->y.pitch[0] + u->t * p->y.pitch[1] + u->row * p->y.pitch[2] +
            u->unit * p->y.pitch[3],
        next);
}

/* Units and sequences of a tile, whose sums stand in z. */
DMS_DEVICE void step_tile(const dms_recurrent_params *p, const tile_at *at,
                          float (*z)[COLUMNS + 1]) {
    for (int e = (int)threadIdx.x; e < ROWS * (int)at->n_units; e += LANES * COLUMNS) {
        const int row = e / (int)at->n_units, unit = e % (int)at->n_units;
        place u;
        int ignored;
        u.d = at->d;
        u.row = at->row + row;
        u.unit = at->unit + unit;
        if (u.row >= p->rows || u.unit >= p->units)
            continue;
        const int64_t length = length_of(p, u.row, &ignored);
        u.t = (p->reverse >> u.d & 1) != 0 ? length - 1 - p->step : p->step;
        if (p->step < length)
            step_unit(p, &u, &z[row][unit], at->n_units);
    }
}

DMS_CUDA_KERNEL(recurrent_step, dms_recurrent_params) {
    DMS_SHARED float r[DEPTH][COLUMNS + 1], h[ROWS][DEPTH + 1];
    const uint32_t column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS;
    const int64_t n_units = COLUMNS / p.n_gates;
    const int64_t across = (p.units + n_units - 1) / n_units, down = (p.rows + ROWS - 1) / ROWS;
    for (int64_t index = blockIdx.x; index < p.directions * across * down; index += gridDim.x) {
        tile_at at;
        float sum[EACH], chain[EACH];
        at.n_units = n_units;
        at.unit = index % across * n_units;
        at.row = index / across % down * ROWS;
        at.d = index / across / down;
        DMS_EACH(i, EACH)
        sum[i] = chain[i] = 0.0f;
        for (int64_t k0 = 0; k0 < p.units; k0 += DEPTH) {
            load_tiles(&p, &at, k0, r, h);
            __syncthreads();
            multiply(r, h, (int)(p.units - k0 < DEPTH ? p.units - k0 : DEPTH), chain);
            __syncthreads(); /* the tiles are read before the next ones are written */
            if ((k0 + DEPTH) % SEGMENT != 0 && k0 + DEPTH < p.units)
                continue;
            DMS_EACH(i, EACH) {
                sum[i] = k0 < SEGMENT ? chain[i] : sum[i] + chain[i];
                chain[i] = 0.0f;
            }
        }
        DMS_EACH(i, EACH)
        h[lane + (uint32_t)i * LANES][column] = sum[i]; /* where the state was */
        __syncthreads();
        step_tile(&p, &at, h);
        __syncthreads(); /* the sums are read before the next tile's state comes */
    }
}

/* --- before and after all steps: a thread per unit of a sequence */

DMS_DEVICE place place_of(const dms_recurrent_params *p, int64_t index) {
    place u;
    u.t = 0;
    u.unit = index % p->units;
    u.row = index / p->units % p->rows;
    u.d = index / p->units / p->rows;
    return u;
}

/* Given, or zero. */
DMS_DEVICE float first_of(const dms_recurrent_params *p, const dms_recurrent_operand_at *o,
                          const place *u) {
    return o->at == NULL
               ? 0.0f
               : number(p, o, u->d * o->pitch[0] + u->row * o->pitch[1] + u->unit * o->pitch[2]);
}

DMS_CUDA_KERNEL(recurrent_start, dms_recurrent_params) {
    for (int64_t i = dms_thread(); i < p.directions * p.rows * p.units; i += dms_threads()) {
        const place u = place_of(&p, i);
        int is_wrong;
        (void)length_of(&p, u.row, &is_wrong);
        if (is_wrong)
            *p.error = p.lengths_operand; /* every thread that comes here writes the same */
        p.state[0][i] = first_of(&p, &p.h0, &u);
        p.cell[i] = first_of(&p, &p.c0, &u);
    }
}

/* What comes after a sequence is zero; a sequence without steps has a state of zero. */
DMS_CUDA_KERNEL(recurrent_finish, dms_recurrent_params) {
    for (int64_t i = dms_thread(); i < p.directions * p.rows * p.units; i += dms_threads()) {
        const place u = place_of(&p, i);
        int ignored;
        const int64_t length = length_of(&p, u.row, &ignored);
        const int64_t y = u.d * p.y.pitch[0] + u.row * p.y.pitch[2] + u.unit * p.y.pitch[3];
        for (int64_t t = length; t < p.steps; t++)
            put(&p, &p.y, y + t * p.y.pitch[1], 0.0f);
        put(&p, &p.y_h, u.d * p.y_h.pitch[0] + u.row * p.y_h.pitch[1] + u.unit * p.y_h.pitch[2],
            length == 0 ? 0.0f : p.state[length % 2][i]);
        put(&p, &p.y_c, u.d * p.y_c.pitch[0] + u.row * p.y_c.pitch[1] + u.unit * p.y_c.pitch[2],
            length == 0 ? 0.0f : p.cell[i]);
    }
}
