/* recurrent.c - the row of recurrent layers: RNN, GRU, LSTM.
 *
 *      x[t, b, n] --MATMUL--> p[d, t, b, g h]          all steps at once, W is streamed
 *                                |
 *      r[d, g h, h] ------> RECURRENT: for each step   r is needed in every step, so it is whole
 *      h0, c0 --------------^         |
 *                                     y[d, t, b, h], y_h[d, b, h], y_c[d, b, h]
 *
 * The product with x knows nothing of time and is an ordinary matrix product; what is left is the
 * recurrence itself. Nothing is cut: each step needs all of r and the whole state of the step
 * before. A constant r becomes panels of 16 units when the units are a multiple of 16, so that no
 * panel holds units of two gates. */
#include <math.h>

#include "runtime/kernels/recurrent.h"
#include "runtime/kernels/rows_internal.h"

enum { PLAIN = 0, PANELS = 1, PANEL = DMS_RECURRENT_PANEL };

#define DTYPES                                                                                     \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16))

/* Every parameter by itself, before any of them chooses an operand. */
static dms_code check_parameters(const dms_call *call, dms_status *st) {
    const int64_t all_in = (1 << (DMS_RECURRENT_Y - DMS_RECURRENT_BIAS)) - 1;
    DMS_TRY(dms_row_want_i(call, DMS_RECURRENT_CELL, 0, DMS_N_CELLS - 1, st));
    DMS_TRY(dms_row_want_i(call, DMS_RECURRENT_LAYOUT, PLAIN, PANELS, st));
    DMS_TRY(dms_row_want_i(call, DMS_RECURRENT_REVERSE, 0, 3, st));
    DMS_TRY(dms_row_want_i(call, DMS_RECURRENT_INPUTS, 0, all_in, st));
    DMS_TRY(dms_row_want_i(call, DMS_RECURRENT_OUTPUTS, 1, 7, st));
    DMS_TRY(dms_row_want_i(call, DMS_RECURRENT_COUPLED, 0, 1, st));
    for (uint32_t k = DMS_RECURRENT_FN; k < DMS_RECURRENT_N_I; k++)
        DMS_TRY(dms_row_want_i(call, k, 0, DMS_N_CELL_FNS - 1, st));
    if (!(call->f[DMS_RECURRENT_CLIP] >= 0.0))
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "clips at %g", call->f[DMS_RECURRENT_CLIP]);
    return DMS_OK;
}

/* As many operands as the parameters name, and none that the cell does not have. */
static dms_code check_counts(const dms_call *call, dms_status *st) {
    const bool has_state = call->i[DMS_RECURRENT_CELL] == DMS_CELL_LSTM;
    const uint32_t n_in = dms_recurrent_operand(call, DMS_RECURRENT_Y);
    const uint32_t n = dms_recurrent_operand(call, DMS_RECURRENT_N_ROLES);
    if (call->n_in != n_in || call->n_out != n - n_in)
        return dms_row_refuse(call, DMS_NO_OPERAND, st,
                              "%" PRIu32 " inputs and %" PRIu32 " outputs, its parameters name "
                              "%" PRIu32 " and %" PRIu32,
                              call->n_in, call->n_out, n_in, n - n_in);
    if (!has_state && (dms_recurrent_has(call, DMS_RECURRENT_C0) ||
                       dms_recurrent_has(call, DMS_RECURRENT_PEEPHOLE) ||
                       dms_recurrent_has(call, DMS_RECURRENT_Y_C)))
        return dms_row_refuse(call, DMS_NO_OPERAND, st, "only an LSTM has the state of a cell");
    return DMS_OK;
}

/* The operand of a role has these dims, if it is there. */
static dms_code want_dims(const dms_call *call, dms_recurrent_role role, uint32_t rank,
                          const int64_t *dim, dms_status *st) {
    if (!dms_recurrent_has(call, role))
        return DMS_OK;
    const uint32_t k = dms_recurrent_operand(call, role);
    DMS_TRY(dms_row_want_rank(call, k, rank, st));
    for (uint32_t axis = 0; axis < rank; axis++)
        DMS_TRY(dms_row_want_dim(call, k, axis, dim[axis], st));
    if (role != DMS_RECURRENT_LENGTHS)
        return dms_row_want_dtype(call, k, DMS_DTYPE_BIT(call->view[0].dtype), st);
    return dms_row_want_dtype(call, k, DMS_DTYPE_BIT(DMS_DTYPE_I32), st);
}

/* r says how many units there are; p how many directions, steps and sequences. */
static dms_code check_r(const dms_call *call, int64_t d, dms_status *st) {
    const int64_t g = dms_recurrent_gates(call->i[DMS_RECURRENT_CELL]);
    const bool is_plain = call->i[DMS_RECURRENT_LAYOUT] == PLAIN;
    DMS_TRY(dms_row_want_rank(call, DMS_RECURRENT_R, is_plain ? 3 : 5, st));
    const int64_t h = dms_recurrent_units(call);
    if (h < 1 || h > INT32_MAX)
        return dms_row_refuse(call, DMS_RECURRENT_R, st, "%" PRId64 " units", h);
    const int64_t plain[3] = {d, g * h, h}, panels[5] = {d, g, h / PANEL, h, PANEL};
    DMS_TRY(want_dims(call, DMS_RECURRENT_R, is_plain ? 3 : 5, is_plain ? plain : panels, st));
    if (!is_plain && (h % PANEL != 0 || !dms_view_is_dense(&call->view[DMS_RECURRENT_R])))
        return dms_row_refuse(call, DMS_RECURRENT_R, st, "panels are dense and full");
    return DMS_OK;
}

static dms_code recurrent_check(const dms_call *call, dms_status *st) {
    DMS_TRY(check_parameters(call, st));
    DMS_TRY(check_counts(call, st));
    DMS_TRY(dms_row_want_dtype(call, DMS_RECURRENT_P, DTYPES, st));
    DMS_TRY(dms_row_want_rank(call, DMS_RECURRENT_P, 4, st));
    const int64_t *p = call->view[DMS_RECURRENT_P].dim, d = p[0], t = p[1], b = p[2];
    if (d < 1 || d > 2)
        return dms_row_refuse(call, DMS_RECURRENT_P, st, "%" PRId64 " directions", d);
    DMS_TRY(check_r(call, d, st));
    const int64_t h = dms_recurrent_units(call);
    const int64_t gh = dms_recurrent_gates(call->i[DMS_RECURRENT_CELL]) * h;
    DMS_TRY(dms_row_want_dim(call, DMS_RECURRENT_P, 3, gh, st));
    const int64_t bias[2] = {d, 2 * gh}, peephole[2] = {d, 3 * h}, state[3] = {d, b, h};
    const int64_t y[4] = {d, t, b, h};
    DMS_TRY(want_dims(call, DMS_RECURRENT_BIAS, 2, bias, st));
    DMS_TRY(want_dims(call, DMS_RECURRENT_LENGTHS, 1, &b, st));
    DMS_TRY(want_dims(call, DMS_RECURRENT_H0, 3, state, st));
    DMS_TRY(want_dims(call, DMS_RECURRENT_C0, 3, state, st));
    DMS_TRY(want_dims(call, DMS_RECURRENT_PEEPHOLE, 2, peephole, st));
    DMS_TRY(want_dims(call, DMS_RECURRENT_Y, 4, y, st));
    DMS_TRY(want_dims(call, DMS_RECURRENT_Y_H, 3, state, st));
    return want_dims(call, DMS_RECURRENT_Y_C, 3, state, st);
}

/* A product of r with the state per step; a function of about 20 operations per gate and unit. */
static uint64_t recurrent_flops(const dms_call *call) {
    const uint64_t gates = (uint64_t)dms_view_count(&call->view[DMS_RECURRENT_P]);
    return dms_mul_saturated(gates, 2 * (uint64_t)dms_recurrent_units(call) + 24);
}

/* Per sequence and direction: a sum per gate and unit, the state, the cell or the reset state. Per
 * part: biases and peepholes, widened. A sequence may be a part of its own. The card keeps two
 * states, the cell and a gate (runtime/cuda/kernels/recurrent.h). */
static uint64_t recurrent_workspace(const dms_call *call, dms_device_kind kind) {
    const int64_t *p = call->view[DMS_RECURRENT_P].dim, h = dms_recurrent_units(call);
    const uint64_t wide = (uint64_t)(h / PANEL + (h % PANEL != 0)) * PANEL * sizeof(float);
    const uint64_t gates = (uint64_t)dms_recurrent_gates(call->i[DMS_RECURRENT_CELL]);
    const uint64_t rows = dms_mul_saturated((uint64_t)p[0], (uint64_t)p[2]);
    if (kind == DMS_DEVICE_CUDA)
        return dms_mul_saturated(dms_mul_saturated(rows, (uint64_t)h), 4 * sizeof(float));
    return dms_mul_saturated(dms_mul_saturated(rows, 2 * gates + 6), wide);
}

/* [d, g h, h] as [d, g, h / 16, h, 16]: for each of 16 units side by side, all their weights. */
static bool recurrent_pack(const dms_call *call, uint32_t operand, dms_device_kind kind,
                           dms_packing *out) {
    const dms_view *r = &call->view[DMS_RECURRENT_R];
    const int64_t g = dms_recurrent_gates(call->i[DMS_RECURRENT_CELL]), h = r->dim[2];
    const int64_t dim[5] = {r->dim[0], g, h / PANEL, h, PANEL};
    if (operand != DMS_RECURRENT_R || kind != DMS_DEVICE_CPU ||
        call->i[DMS_RECURRENT_LAYOUT] != PLAIN || h % PANEL != 0 ||
        !dms_view_dense(r->dtype, 5, dim, &out->stored))
        return false;
    int64_t pitch_gate, pitch_panel;
    if (__builtin_mul_overflow(r->pitch[1], h, &pitch_gate) ||
        __builtin_mul_overflow(r->pitch[1], (int64_t)PANEL, &pitch_panel))
        return false;
    out->source = out->stored;
    out->source.offset = r->offset;
    const int64_t pitch[5] = {r->pitch[0], pitch_gate, pitch_panel, r->pitch[2], r->pitch[1]};
    for (uint32_t k = 0; k < 5; k++)
        out->source.pitch[k] = pitch[k];
    out->valid_last = 0;
    for (uint32_t k = 0; k < call->n_i; k++)
        out->i[k] = call->i[k];
    out->i[DMS_RECURRENT_LAYOUT] = PANELS;
    return true;
}

static const char *const recurrent_i[DMS_RECURRENT_N_I] = {
    "cell", "r_layout", "reverse", "inputs", "outputs", "coupled",
    "f",    "g",        "h",       "f_back", "g_back",  "h_back"};
static const char *const recurrent_f[DMS_RECURRENT_N_F] = {
    "clip",        "f_alpha",      "f_beta",       "g_alpha",     "g_beta",
    "h_alpha",     "h_beta",       "f_back_alpha", "f_back_beta", "g_back_alpha",
    "g_back_beta", "h_back_alpha", "h_back_beta"};

const dms_kernel_row dms_row_recurrent = {
    .id = DMS_K_RECURRENT,
    .name = "recurrent",
    DMS_OPERANDS(2, 7, 1, 3),
    .has_index_data = true, /* lengths of sequences */
    .n_i = DMS_RECURRENT_N_I,
    .n_f = DMS_RECURRENT_N_F,
    .i_name = recurrent_i,
    .f_name = recurrent_f,
    .check = recurrent_check,
    .flops = recurrent_flops,
    .pack = recurrent_pack,
    .workspace = recurrent_workspace,
    .cpu_dtypes = DTYPES | DMS_DTYPE_BIT(DMS_DTYPE_I32),
};
