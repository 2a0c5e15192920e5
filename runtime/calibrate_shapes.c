/* calibrate_shapes.c - the calls by which families are measured: sizes that models have, small
 * enough to stay in a cache, and different enough in what a result and a row carry. */
#include "runtime/calibrate_internal.h"
#include "runtime/kernels/catalogue.h"

/* y[m, n] = a[m, k] b, b in panels of 16 columns. */
#define PRODUCT(m, k, n)                                                                           \
    {                                                                                              \
        DMS_FAMILY_PRODUCT, DMS_K_MATMUL, DMS_DTYPE_F32, 2, {2, 3, 2},                             \
            {{m, k}, {(n) / 16, k, 16}, {m, n}}, 2, 2, {1, n}, {                                   \
            1, 1                                                                                   \
        }                                                                                          \
    }
/* y[b, m, s, s] of x[b, c, s, s] with a window of k and a bias; weights in panels. */
#define CONV(family, c, m, k, s)                                                                   \
    {                                                                                              \
        family, DMS_K_CONV, DMS_DTYPE_F32, 3, {4, 5, 1, 4},                                        \
            {{1, c, s, s}, {((m) + 15) / 16, c, k, k, 16}, {m}, {1, m, s, s}}, 7, 0,               \
            {1, 1, 1, 1, 1, (k) / 2, (k) / 2}, {                                                   \
            0                                                                                      \
        }                                                                                          \
    }
/* Every channel by itself. */
#define DEPTHWISE(c, k, s)                                                                         \
    {                                                                                              \
        DMS_FAMILY_CONV_GROUPED, DMS_K_CONV, DMS_DTYPE_F32, 3, {4, 4, 1, 4},                       \
            {{1, c, s, s}, {c, 1, k, k}, {c}, {1, c, s, s}}, 7, 0,                                 \
            {c, 1, 1, 1, 1, (k) / 2, (k) / 2}, {                                                   \
            0                                                                                      \
        }                                                                                          \
    }
/* Twice as large: m channels of c. */
#define TRANSPOSE(c, m, k, s)                                                                      \
    {                                                                                              \
        DMS_FAMILY_CONV_TRANSPOSE, DMS_K_CONV_TRANSPOSE, DMS_DTYPE_F32, 2, {4, 4, 4},              \
            {{1, c, s, s}, {c, m, k, k}, {1, m, 2 * (s), 2 * (s)}}, 7, 0, {1, 2, 2, 1, 1, 0, 0}, { \
            0                                                                                      \
        }                                                                                          \
    }
/* h heads, s queries and keys of d numbers. */
#define ATTENTION(h, s, d, causal)                                                                 \
    {                                                                                              \
        DMS_FAMILY_ATTENTION, DMS_K_ATTENTION, DMS_DTYPE_F32, 3, {4, 4, 4, 4},                     \
            {{1, h, s, d}, {1, h, s, d}, {1, h, s, d}, {1, h, s, d}}, 3, 2, {causal, 0, 0}, {      \
            0.125, 0                                                                               \
        }                                                                                          \
    }
/* Element-wise: 1 or 2 inputs of [a, b]. */
#define MAP(kernel, fn, n_in, a, b)                                                                \
    {                                                                                              \
        DMS_FAMILY_MAP, kernel, DMS_DTYPE_F32, n_in, {2, 2, 2}, {{a, b}, {a, b}, {a, b}}, 1,       \
            (n_in) == 1 ? 2 : 0, {fn}, {                                                           \
            0, 0                                                                                   \
        }                                                                                          \
    }

const dms_shape dms_calibrate_shapes[] = {
    PRODUCT(256, 1024, 512),
    PRODUCT(512, 256, 512),
    PRODUCT(1024, 64, 256),
    PRODUCT(2048, 32, 64),
    PRODUCT(512, 768, 128),
    PRODUCT(64, 2048, 256),
    CONV(DMS_FAMILY_CONV, 64, 64, 3, 56),
    CONV(DMS_FAMILY_CONV, 256, 64, 1, 28),
    CONV(DMS_FAMILY_CONV, 24, 96, 1, 56),
    CONV(DMS_FAMILY_CONV, 512, 128, 1, 7),
    CONV(DMS_FAMILY_CONV, 1, 64, 5, 112),
    CONV(DMS_FAMILY_CONV_NARROW, 64, 8, 3, 80),
    CONV(DMS_FAMILY_CONV_NARROW, 32, 9, 3, 112),
    CONV(DMS_FAMILY_CONV_NARROW, 8, 8, 5, 112),
    DEPTHWISE(64, 3, 56),
    DEPTHWISE(240, 5, 14),
    DEPTHWISE(96, 5, 28),
    DEPTHWISE(128, 3, 64),
    DEPTHWISE(48, 5, 80),
    TRANSPOSE(24, 24, 2, 80),
    TRANSPOSE(24, 1, 2, 160),
    TRANSPOSE(64, 32, 2, 40),
    TRANSPOSE(128, 8, 2, 48),
    ATTENTION(8, 256, 64, 0),
    ATTENTION(8, 256, 64, 1),
    ATTENTION(8, 256, 16, 0),
    ATTENTION(16, 64, 32, 0),
    ATTENTION(8, 512, 4, 0),
    ATTENTION(12, 128, 64, 0),
    {DMS_FAMILY_ATTENTION,
     DMS_K_ATTENTION,
     DMS_DTYPE_F32,
     4,
     {4, 4, 4, 4, 4},
     {{1, 16, 128, 32}, {1, 16, 128, 32}, {1, 16, 128, 32}, {1, 16, 128, 128}, {1, 16, 128, 32}},
     3,
     2,
     {0, 1, 0},
     {0.125, 0}},
    {DMS_FAMILY_RECURRENT,
     DMS_K_RECURRENT,
     DMS_DTYPE_F32,
     3,
     {4, 3, 2, 4},
     {{1, 32, 1, 512}, {1, 512, 128}, {1, 1024}, {1, 32, 1, 128}},
     12,
     13,
     {DMS_CELL_LSTM, 0, 0, 1, 1, 0, DMS_CELL_FN_SIGMOID, DMS_CELL_FN_TANH, DMS_CELL_FN_TANH},
     {0}},
    {DMS_FAMILY_RECURRENT,
     DMS_K_RECURRENT,
     DMS_DTYPE_F32,
     3,
     {4, 3, 2, 4},
     {{1, 16, 4, 384}, {1, 384, 128}, {1, 768}, {1, 16, 4, 128}},
     12,
     13,
     {DMS_CELL_GRU_AFTER, 0, 0, 1, 1, 0, DMS_CELL_FN_SIGMOID, DMS_CELL_FN_TANH, 0},
     {0}},
    MAP(DMS_K_BINARY, DMS_FN_ADD, 2, 512, 512),
    MAP(DMS_K_BINARY, DMS_FN_MUL, 2, 8192, 24),
    MAP(DMS_K_UNARY, DMS_FN_SILU, 1, 512, 512),
    MAP(DMS_K_UNARY, DMS_FN_GELU, 1, 256, 512),
    MAP(DMS_K_UNARY, DMS_FN_RELU, 1, 512, 512),
    {DMS_FAMILY_MOVE,
     DMS_K_CONCAT,
     DMS_DTYPE_F32,
     2,
     {2, 2, 2},
     {{512, 256}, {512, 256}, {512, 512}},
     1,
     0,
     {1},
     {0}},
    {DMS_FAMILY_MOVE,
     DMS_K_CONCAT,
     DMS_DTYPE_F32,
     2,
     {2, 2, 2},
     {{4096, 32}, {4096, 32}, {4096, 64}},
     1,
     0,
     {1},
     {0}},
    {DMS_FAMILY_MOVE,
     DMS_K_COPY,
     DMS_DTYPE_F32,
     1,
     {2, 2},
     {{8192, 24}, {8192, 24}},
     1,
     0,
     {0},
     {0}},
    {DMS_FAMILY_ROWS,
     DMS_K_LAYER_NORM,
     DMS_DTYPE_F32,
     3,
     {2, 1, 1, 2},
     {{512, 768}, {768}, {768}, {512, 768}},
     1,
     1,
     {0},
     {1e-5}},
    {DMS_FAMILY_ROWS,
     DMS_K_LAYER_NORM,
     DMS_DTYPE_F32,
     3,
     {2, 1, 1, 2},
     {{2048, 64}, {64}, {64}, {2048, 64}},
     1,
     1,
     {0},
     {1e-5}},
    {DMS_FAMILY_ROWS,
     DMS_K_SOFTMAX,
     DMS_DTYPE_F32,
     1,
     {2, 2},
     {{512, 256}, {512, 256}},
     1,
     0,
     {0},
     {0}},
    {DMS_FAMILY_ROWS,
     DMS_K_LAYER_NORM,
     DMS_DTYPE_F32,
     2,
     {2, 1, 2},
     {{512, 1024}, {1024}, {512, 1024}},
     1,
     1,
     {1},
     {1e-5}},
    {DMS_FAMILY_POOL,
     DMS_K_POOL,
     DMS_DTYPE_F32,
     1,
     {4, 4},
     {{1, 64, 112, 112}, {1, 64, 56, 56}},
     13,
     0,
     {0, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, 2},
     {0}},
    {DMS_FAMILY_POOL,
     DMS_K_POOL,
     DMS_DTYPE_F32,
     1,
     {4, 4},
     {{1, 64, 56, 56}, {1, 64, 56, 56}},
     13,
     0,
     {1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2},
     {0}},
    {DMS_FAMILY_RESIZE,
     DMS_K_RESIZE,
     DMS_DTYPE_F32,
     1,
     {4, 4},
     {{1, 32, 40, 40}, {1, 32, 80, 80}},
     5,
     14,
     {1, 0, 0, 0, 0},
     {-0.75, 0, 1, 0, 1, 1, 0, 1, 2, 0, 1, 2, 0, 1}},
    {DMS_FAMILY_RESIZE,
     DMS_K_RESIZE,
     DMS_DTYPE_F32,
     1,
     {4, 4},
     {{1, 32, 40, 40}, {1, 32, 80, 80}},
     5,
     14,
     {0, 3, 2, 0, 0},
     {-0.75, 0, 1, 0, 1, 1, 0, 1, 2, 0, 1, 2, 0, 1}},
    {DMS_FAMILY_INDEX,
     DMS_K_GATHER,
     DMS_DTYPE_F32,
     2,
     {3, 1, 3},
     {{1, 4096, 256}, {512}, {1, 512, 256}},
     0,
     0,
     {0},
     {0}},
    {DMS_FAMILY_INDEX,
     DMS_K_GATHER,
     DMS_DTYPE_F32,
     2,
     {3, 1, 3},
     {{64, 256, 8}, {256}, {64, 256, 8}},
     0,
     0,
     {0},
     {0}},
};
const uint32_t dms_n_calibrate_shapes = sizeof dms_calibrate_shapes / sizeof *dms_calibrate_shapes;

dms_view dms_shape_view(const dms_shape *s, uint32_t k) {
    dms_view view;
    dms_dtype dtype = s->dtype;
    if (s->kernel == DMS_K_CONV_BYTES && k != 1 && k != 3) /* not the weights */
        dtype = k == s->n_in ? DMS_DTYPE_I32 : DMS_DTYPE_U8;
    if (s->family == DMS_FAMILY_INDEX && k == 1)
        dtype = DMS_DTYPE_I32;
    (void)dms_view_dense(dtype, s->rank[k], s->dim[k], &view);
    return view;
}
