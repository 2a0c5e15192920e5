/* recurrent.c - RNN, GRU and LSTM: a sequence, one step after another.
 *
 * Versions: attribute `layout` from opset 14 on (1: the batch comes first), bf16 from 22 on. Opsets
 * 7 to 22 mean the same otherwise.
 *
 *     layout 0      x [t, b, n]      y [t, d, b, h]     h0, c0, y_h, y_c [d, b, h]
 *     layout 1      x [b, t, n]      y [b, t, d, h]                      [b, d, h]
 *
 *     w [d, g h, n]   r [d, g h, h]   bias [d, 2 g h]   peepholes [d, 3 h]
 *
 * d directions, t steps, b sequences, n features, h units, g gates (1, 3, 4). Every step needs
 * x w', and no step waits for it: one DMS_K_MATMUL computes it for all steps and directions. The
 * kernel DMS_K_RECURRENT does what is left; both layouts are pitches to it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "onnx/graph.h"
#include "onnx/ops/common.h"
#include "runtime/kernels/recurrent.h"

#define RECURRENT_DTYPES                                                                           \
    (DMS_DTYPE_BIT(DMS_DTYPE_F32) | DMS_DTYPE_BIT(DMS_DTYPE_F16) | DMS_DTYPE_BIT(DMS_DTYPE_BF16))

enum { X, W, R, BIAS, LENGTHS, H0, C0, PEEPHOLE }; /* inputs */

/* What a node says, made ready. */
typedef struct layer {
    int64_t cell, fns; /* fns: functions of one direction */
    int64_t d, t, b, n, h, gates;
    bool is_batch_first;
} layer;

/* A function by its name: whether the lists of alpha and beta hold an entry for it, and its values
 * without one: those of the operator of this name. There is no operator Affine or ScaledTanh, so
 * theirs must be given (NaN). */
static const struct cell_function {
    const char *name;
    int64_t id;
    bool has_alpha, has_beta;
    double alpha, beta;
} functions[] = {
    {"Sigmoid", DMS_CELL_FN_SIGMOID, false, false, 0.0, 0.0},
    {"Tanh", DMS_CELL_FN_TANH, false, false, 0.0, 0.0},
    {"Relu", DMS_CELL_FN_RELU, false, false, 0.0, 0.0},
    {"Affine", DMS_CELL_FN_AFFINE, true, true, NAN, NAN},
    {"LeakyRelu", DMS_CELL_FN_LEAKY_RELU, true, false, 0.01f, 0.0},
    {"ThresholdedRelu", DMS_CELL_FN_THRESHOLDED_RELU, true, false, 1.0, 0.0},
    {"ScaledTanh", DMS_CELL_FN_SCALED_TANH, true, true, NAN, NAN},
    {"HardSigmoid", DMS_CELL_FN_HARD_SIGMOID, true, true, 0.2f, 0.5},
    {"Elu", DMS_CELL_FN_ELU, true, false, 1.0, 0.0},
    {"Softsign", DMS_CELL_FN_SOFTSIGN, false, false, 0.0, 0.0},
    {"Softplus", DMS_CELL_FN_SOFTPLUS, false, false, 0.0, 0.0},
};

/* Defaults of f, g, h by cell. */
static const char *const default_functions[DMS_N_CELLS][DMS_RECURRENT_FNS] = {
    [DMS_CELL_RNN] = {"Tanh"},
    [DMS_CELL_GRU] = {"Sigmoid", "Tanh"},
    [DMS_CELL_GRU_AFTER] = {"Sigmoid", "Tanh"},
    [DMS_CELL_LSTM] = {"Sigmoid", "Tanh", "Tanh"},
};

/* ---- what the node says -------------------------------------------------------------------- */

static int64_t cell_of(const dms_node *node) {
    if (strcmp(node->op, "LSTM") == 0)
        return DMS_CELL_LSTM;
    if (strcmp(node->op, "RNN") == 0)
        return DMS_CELL_RNN;
    return dms_node_int(node, "linear_before_reset", 0) != 0 ? DMS_CELL_GRU_AFTER : DMS_CELL_GRU;
}

/* Reads attributes and shapes whose ranks have been checked. */
static dms_code read_layer(const dms_graph *graph, const dms_node *node, layer *out,
                           dms_status *st) {
    static const char *const direction[] = {"forward", "reverse", "bidirectional"};
    const dms_tensor *x = dms_in(graph, node, X);
    uint32_t word = 0;
    int64_t layout = 0;
    DMS_TRY(dms_ops_word(node, "direction", direction, 3, &word, st));
    if (node->version >= 14)
        DMS_TRY(dms_ops_int_in(node, "layout", 0, 0, 1, &layout, st));
    out->is_batch_first = layout == 1;
    out->cell = cell_of(node);
    out->gates = dms_recurrent_gates(out->cell);
    out->fns = out->cell == DMS_CELL_LSTM ? 3 : out->cell == DMS_CELL_RNN ? 1 : 2;
    out->d = word == 2 ? 2 : 1;
    out->t = dms_extent(x, layout == 1 ? 1 : 0);
    out->b = dms_extent(x, layout == 1 ? 0 : 1);
    out->n = dms_extent(x, 2);
    out->h = dms_extent(dms_in(graph, node, R), 2);
    const int64_t hidden = dms_node_int(node, "hidden_size", out->h);
    if (hidden != out->h)
        return dms_node_fail(node, st,
                             "attribute 'hidden_size' is %" PRId64 ", input '%s' has "
                             "%" PRId64 " units",
                             hidden, dms_in(graph, node, R)->name, out->h);
    if (out->h < 1 || out->n < 1)
        return dms_node_fail(node, st, "%" PRId64 " units of %" PRId64 " features", out->h, out->n);
    return DMS_OK;
}

/* Input k, if it is there, has these dims. */
static dms_code want_dims(const dms_graph *graph, const dms_node *node, uint32_t k, uint32_t rank,
                          const int64_t *dim, dms_status *st) {
    const dms_tensor *t = dms_in(graph, node, k);
    int64_t found[DMS_MAX_RANK];
    char text[2][128];
    if (t == NULL)
        return DMS_OK;
    DMS_TRY(dms_ops_want_rank(graph, node, k, rank, rank, st));
    (void)dms_ops_dims(t, found);
    if (memcmp(found, dim, rank * sizeof *dim) != 0)
        return dms_node_fail(node, st, "input '%s' has dims %s, wants %s", t->name,
                             dms_ops_dims_text(rank, found, text[0], sizeof text[0]),
                             dms_ops_dims_text(rank, dim, text[1], sizeof text[1]));
    return DMS_OK;
}

/* The rank of everything that read_layer looks at, and the dtype of everything. */
static dms_code check_types(const dms_graph *graph, const dms_node *node, dms_status *st) {
    DMS_TRY(dms_ops_want_one_dtype(graph, node, X, BIAS, RECURRENT_DTYPES, st));
    DMS_TRY(dms_ops_want_dtype(graph, node, LENGTHS, DMS_DTYPE_BIT(DMS_DTYPE_I32), st));
    for (uint32_t k = H0; k <= PEEPHOLE; k++)
        DMS_TRY(
            dms_ops_want_dtype(graph, node, k, DMS_DTYPE_BIT(dms_in(graph, node, X)->dtype), st));
    DMS_TRY(dms_ops_want_rank(graph, node, X, 3, 3, st));
    return dms_ops_want_rank(graph, node, R, 3, 3, st);
}

/* The function of this name. */
static dms_code find_function(const dms_node *node, const char *name,
                              const struct cell_function **out, dms_status *st) {
    for (uint32_t k = 0; k < sizeof functions / sizeof *functions; k++)
        if (strcasecmp(functions[k].name, name) == 0) { /* ONNX Runtime takes any case */
            *out = &functions[k];
            return DMS_OK;
        }
    return dms_node_fail(node, st, "attribute 'activations' has '%.60s', which is not known", name);
}

/* Entry *at of a list of reals, if it has one; the entry is used up. */
static double next_of(const dms_attr *list, uint32_t *at, double otherwise) {
    return list == NULL || *at >= list->n ? otherwise : (double)list->floats[(*at)++];
}

/* Functions as parameters of the kernel. Their alphas stand in one list, betas in another, each in
 * the order of the functions that have one. */
static dms_code read_functions(const dms_node *node, const layer *l, int64_t *i, double *f,
                               dms_status *st) {
    const dms_attr *names = dms_node_attr(node, "activations");
    const dms_attr *alphas = dms_node_attr(node, "activation_alpha");
    const dms_attr *betas = dms_node_attr(node, "activation_beta");
    uint32_t at_alpha = 0, at_beta = 0;
    if (names != NULL && names->n != l->d * l->fns)
        return dms_node_fail(node, st,
                             "attribute 'activations' has %" PRIu32 " names, wants %" PRId64,
                             names->n, l->d * l->fns);
    for (int64_t d = 0; d < l->d; d++)
        for (int64_t k = 0; k < l->fns; k++) {
            const int64_t at = d * DMS_RECURRENT_FNS + k;
            const struct cell_function *fn = NULL;
            DMS_TRY(find_function(node,
                                  names == NULL ? default_functions[l->cell][k]
                                                : names->strings[d * l->fns + k],
                                  &fn, st));
            i[DMS_RECURRENT_FN + at] = fn->id;
            double *real = f + DMS_RECURRENT_ALPHA + 2 * at;
            real[0] = fn->has_alpha ? next_of(alphas, &at_alpha, fn->alpha) : 0.0;
            real[1] = fn->has_beta ? next_of(betas, &at_beta, fn->beta) : 0.0;
            if (isnan(real[0]) || isnan(real[1]))
                return dms_node_fail(node, st, "activation '%s' wants an alpha and a beta",
                                     fn->name);
        }
    return DMS_OK;
}

/* All parameters of the kernel; absent operands are known from the node. */
static dms_code read_parameters(const dms_graph *graph, const dms_node *node, const layer *l,
                                int64_t *i, double *f, dms_status *st) {
    memset(i, 0, DMS_RECURRENT_N_I * sizeof *i);
    memset(f, 0, DMS_RECURRENT_N_F * sizeof *f);
    i[DMS_RECURRENT_CELL] = l->cell;
    i[DMS_RECURRENT_REVERSE] =
        l->d == 2 ? 2 : strcmp(dms_node_string(node, "direction", ""), "reverse") == 0;
    for (uint32_t k = BIAS; k <= PEEPHOLE; k++)
        if (dms_in(graph, node, k) != NULL)
            i[DMS_RECURRENT_INPUTS] |= 1 << (k - BIAS);
    for (uint32_t k = 0; k < 3; k++)
        if (dms_out(graph, node, k) != NULL)
            i[DMS_RECURRENT_OUTPUTS] |= 1 << k;
    i[DMS_RECURRENT_COUPLED] =
        l->cell == DMS_CELL_LSTM && dms_node_int(node, "input_forget", 0) != 0;
    if (dms_node_attr(node, "clip") != NULL) {
        f[DMS_RECURRENT_CLIP] = dms_node_float(node, "clip", 0.0);
        if (!(f[DMS_RECURRENT_CLIP] > 0.0))
            return dms_node_fail(node, st, "attribute 'clip' is %g, wants more than 0",
                                 f[DMS_RECURRENT_CLIP]);
    }
    return read_functions(node, l, i, f, st);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* RNN, GRU, LSTM (x, w, r, bias, lengths, h0 (, c0, peepholes)): every state, the last state of
 * each sequence, the last cell (LSTM). x [5, 2, 3] through 4 units in both directions: y
 * [5, 2, 2, 4], y_h and y_c [2, 2, 4]. */
static dms_code recurrent_infer(dms_graph *graph, dms_node *node, dms_status *st) {
    layer l;
    int64_t i[DMS_RECURRENT_N_I];
    double f[DMS_RECURRENT_N_F];
    DMS_TRY(check_types(graph, node, st));
    DMS_TRY(read_layer(graph, node, &l, st));
    DMS_TRY(read_parameters(graph, node, &l, i, f, st));
    int64_t gh;
    if (__builtin_mul_overflow(l.gates, l.h, &gh) || gh > INT64_MAX / 2)
        return dms_node_fail(node, st, "%" PRId64 " units", l.h);
    const int64_t w[3] = {l.d, gh, l.n}, r[3] = {l.d, gh, l.h}, bias[2] = {l.d, 2 * gh};
    const int64_t peephole[2] = {l.d, 3 * l.h};
    const int64_t state[3] = {l.is_batch_first ? l.b : l.d, l.is_batch_first ? l.d : l.b, l.h};
    const int64_t y_time[4] = {l.t, l.d, l.b, l.h}, y_batch[4] = {l.b, l.t, l.d, l.h};
    DMS_TRY(want_dims(graph, node, W, 3, w, st));
    DMS_TRY(want_dims(graph, node, R, 3, r, st));
    DMS_TRY(want_dims(graph, node, BIAS, 2, bias, st));
    DMS_TRY(dms_ops_want_vector(graph, node, LENGTHS, l.b, "sequences", st));
    DMS_TRY(want_dims(graph, node, H0, 3, state, st));
    DMS_TRY(want_dims(graph, node, C0, 3, state, st));
    DMS_TRY(want_dims(graph, node, PEEPHOLE, 2, peephole, st));
    const dms_dtype dtype = dms_in(graph, node, X)->dtype;
    DMS_TRY(dms_set_output(graph, node, 0, dtype, 4, l.is_batch_first ? y_batch : y_time, st));
    DMS_TRY(dms_set_output(graph, node, 1, dtype, 3, state, st));
    return dms_set_output(graph, node, 2, dtype, 3, state, st);
}

/* p [d, t, b, g h] = x w' for all steps and directions: one matrix product. */
static dms_code emit_projection(dms_lowering *lo, const dms_node *node, const layer *l,
                                dms_lowered_operand *out, dms_status *st) {
    static const uint32_t swap[2] = {1, 0};
    static const uint32_t by_time[4] = {2, 0, 1, 3}, by_batch[4] = {2, 1, 0, 3};
    const int64_t rows = l->t * l->b, gh = l->gates * l->h, columns = l->d * gh;
    const int64_t x[2] = {rows, l->n}, w[2] = {columns, l->n}, p[2] = {rows, columns};
    const int64_t step[4] = {l->is_batch_first ? l->b : l->t, l->is_batch_first ? l->t : l->b, l->d,
                             gh};
    const int64_t i[2] = {0, columns};
    const double f[2] = {1.0, 0.0};
    dms_lowered_operand operand[3];
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[X], 2, x, &operand[0], st));
    DMS_TRY(dms_ops_reshaped(lo, node, node->in[W], 2, w, &operand[1], st));
    const dms_view plain = operand[1].view;
    dms_view_permute(&plain, swap, &operand[1].view);
    DMS_TRY(dms_lower_temp(lo, operand[0].view.dtype, 2, p, &operand[2], st));
    DMS_TRY(dms_lower_call(lo, node, DMS_K_MATMUL, 2, 1, operand, 2, i, 2, f, st));
    *out = operand[2];
    DMS_TRY(dms_ops_view_as(node, out, 4, step, st));
    const dms_view in_memory = out->view;
    dms_view_permute(&in_memory, l->is_batch_first ? by_batch : by_time, &out->view);
    return DMS_OK;
}

/* A tensor seen in the order of axes that the kernel wants. */
static dms_lowered_operand ordered(dms_lowering *lo, uint32_t tensor, const uint32_t *axis) {
    dms_lowered_operand operand = dms_lower_operand(lo, tensor);
    const dms_view in_memory = operand.view;
    dms_view_permute(&in_memory, axis, &operand.view);
    return operand;
}

/* The product, then the recurrence over the operands that are there. */
static dms_code recurrent_lower(dms_lowering *lo, const dms_node *node, dms_status *st) {
    static const uint32_t as_is[3] = {0, 1, 2}, swapped[3] = {1, 0, 2};
    static const uint32_t y_time[4] = {1, 0, 2, 3}, y_batch[4] = {2, 1, 0, 3};
    dms_graph *graph = dms_lower_graph(lo);
    layer l;
    int64_t i[DMS_RECURRENT_N_I];
    double f[DMS_RECURRENT_N_F];
    dms_lowered_operand operand[DMS_RECURRENT_N_ROLES];
    uint32_t n_in = 1, n_out = 0;
    DMS_TRY(read_layer(graph, node, &l, st));
    DMS_TRY(read_parameters(graph, node, &l, i, f, st));
    DMS_TRY(emit_projection(lo, node, &l, &operand[0], st));
    const uint32_t *state = l.is_batch_first ? swapped : as_is;
    for (uint32_t k = R; k <= PEEPHOLE; k++)
        if (dms_in(graph, node, k) != NULL)
            operand[n_in++] = k == H0 || k == C0 ? ordered(lo, node->in[k], state)
                                                 : dms_lower_operand(lo, node->in[k]);
    for (uint32_t k = 0; k < 3; k++)
        if (dms_out(graph, node, k) != NULL)
            operand[n_in + n_out++] = ordered(lo, node->out[k],
                                              k > 0              ? state
                                              : l.is_batch_first ? y_batch
                                                                 : y_time);
    return dms_lower_call(lo, node, DMS_K_RECURRENT, n_in, n_out, operand, DMS_RECURRENT_N_I, i,
                          DMS_RECURRENT_N_F, f, st);
}

/* Any output may be absent, the first too: exporters often want the last state alone. */
#define RECURRENT_ROW(op, n_in, n_out)                                                             \
    {                                                                                              \
        .name = op, .since = 7, .min_in = 3, .max_in = (n_in), .min_out = 0, .max_out = (n_out),   \
        .infer = recurrent_infer, .lower = recurrent_lower                                         \
    }

static const dms_op rows[] = {
    RECURRENT_ROW("RNN", 6, 2),
    RECURRENT_ROW("GRU", 6, 2),
    RECURRENT_ROW("LSTM", 8, 3),
};

DMS_OPS_FAMILY(recurrent);
