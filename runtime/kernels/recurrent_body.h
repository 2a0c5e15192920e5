/* recurrent_body.h - one unit of a recurrent cell, as expressions.
 *
 * Reads    what a gate is given, the state before.
 * Returns  what a function of the cell makes of it; the new state.
 * Cost     O(1).
 * Source   Hochreiter and Schmidhuber 1997 (LSTM); Cho et al. 2014 (GRU); equations are ONNX's.
 * Not here products with the state, steps (recurrent_cpu.c, runtime/cuda/kernels/recurrent.cu).
 */
#ifndef DMS_RUNTIME_KERNELS_RECURRENT_BODY_H
#define DMS_RUNTIME_KERNELS_RECURRENT_BODY_H

#include "runtime/kernels/elementary_more.h"

/* max(0, min(1, x)); a NaN stays one. */
DMS_FN float dms_unit_interval(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

/* X(ID, name, expression in x, a, b) per dms_cell_fn. */
#define DMS_CELL_FNS(X)                                                                            \
    X(SIGMOID, sigmoid, dms_sigmoidf(x))                                                           \
    X(TANH, tanh, dms_tanhf(x))                                                                    \
    X(RELU, relu, x < 0.0f ? 0.0f : x)                                                             \
    X(AFFINE, affine, fmaf(a, x, b))                                                               \
    X(LEAKY_RELU, leaky_relu, x < 0.0f ? a * x : x)                                                \
    X(THRESHOLDED_RELU, thresholded_relu, x < a ? 0.0f : x)                                        \
    X(SCALED_TANH, scaled_tanh, a *dms_tanhf(b *x))                                                \
    X(HARD_SIGMOID, hard_sigmoid, dms_unit_interval(fmaf(a, x, b)))                                \
    X(ELU, elu, x < 0.0f ? a * dms_expm1f(x) : x)                                                  \
    X(SOFTSIGN, softsign, x / (1.0f + dms_absf(x)))                                                \
    X(SOFTPLUS, softplus, dms_softplusf(x))

/* What a gate is given, bounded where the call clips. */
DMS_FN float dms_cell_clip(float x, float clip) {
    return x > clip ? clip : x < -clip ? -clip : x;
}

/* GRU: z is the update gate, x what its last function gave, h the state before. */
DMS_FN float dms_gru_state(float z, float x, float h) {
    return fmaf(z, h, (1.0f - z) * x);
}

/* LSTM: the cell from its gates and the cell before. */
DMS_FN float dms_lstm_cell(float f, float i, float g, float c) {
    return dms_quietf(fmaf(f, c, i * g));
}

#endif
