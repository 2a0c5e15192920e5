/* calibrate_card_shapes.c - the calls by which families are measured on a card: large enough that a
 * launch is little of them, small enough for its cache; weights as they are, not in panels. */
#include "runtime/calibrate_internal.h"
#include "runtime/kernels/catalogue.h"

#define PRODUCT(dtype, m, k, n)                                                                    \
    {                                                                                              \
        DMS_FAMILY_PRODUCT, DMS_K_MATMUL, dtype, 2, {2, 2, 2}, {{m, k}, {k, n}, {m, n}}, 2, 2,     \
            {0, n}, {                                                                              \
            1, 1                                                                                   \
        }                                                                                          \
    }
/* y[b, m, s, s] of x[b, c, s, s], a window of t and a bias. */
#define CONV(family, dtype, b, c, m, t, s)                                                         \
    {                                                                                              \
        family, DMS_K_CONV, dtype, 3, {4, 4, 1, 4},                                                \
            {{b, c, s, s}, {m, c, t, t}, {m}, {b, m, s, s}}, 7, 0,                                 \
            {1, 1, 1, 1, 1, (t) / 2, (t) / 2}, {                                                   \
            0                                                                                      \
        }                                                                                          \
    }
#define DEPTHWISE(b, c, t, s)                                                                      \
    {                                                                                              \
        DMS_FAMILY_CONV_GROUPED, DMS_K_CONV, DMS_DTYPE_F32, 3, {4, 4, 1, 4},                       \
            {{b, c, s, s}, {c, 1, t, t}, {c}, {b, c, s, s}}, 7, 0,                                 \
            {c, 1, 1, 1, 1, (t) / 2, (t) / 2}, {                                                   \
            0                                                                                      \
        }                                                                                          \
    }
#define TRANSPOSE(b, c, m, s)                                                                      \
    {                                                                                              \
        DMS_FAMILY_CONV_TRANSPOSE, DMS_K_CONV_TRANSPOSE, DMS_DTYPE_F32, 2, {4, 4, 4},              \
            {{b, c, s, s}, {c, m, 2, 2}, {b, m, 2 * (s), 2 * (s)}}, 7, 0, {1, 2, 2, 1, 1, 0, 0}, { \
            0                                                                                      \
        }                                                                                          \
    }
/* h heads, s queries and keys of d numbers. */
#define ATTENTION(dtype, h, s, d, causal)                                                          \
    {                                                                                              \
        DMS_FAMILY_ATTENTION, DMS_K_ATTENTION, dtype, 3, {4, 4, 4, 4},                             \
            {{1, h, s, d}, {1, h, s, d}, {1, h, s, d}, {1, h, s, d}}, 3, 2, {causal, 0, 0}, {      \
            0.125, 0                                                                               \
        }                                                                                          \
    }
#define MAP(kernel, dtype, fn, n_in, a, b)                                                         \
    {                                                                                              \
        DMS_FAMILY_MAP, kernel, dtype, n_in, {2, 2, 2}, {{a, b}, {a, b}, {a, b}}, 1,               \
            (n_in) == 1 ? 2 : 0, {fn}, {                                                           \
            0, 0                                                                                   \
        }                                                                                          \
    }
#define NORM(n, width)                                                                             \
    {                                                                                              \
        DMS_FAMILY_ROWS, DMS_K_LAYER_NORM, DMS_DTYPE_F32, 3, {2, 1, 1, 2},                         \
            {{n, width}, {width}, {width}, {n, width}}, 1, 1, {0}, {                               \
            1e-5                                                                                   \
        }                                                                                          \
    }
/* Rows of `width` out of a table. */
#define LOOK_UP(entries, width, picks)                                                             \
    {                                                                                              \
        DMS_FAMILY_INDEX, DMS_K_GATHER, DMS_DTYPE_F32, 2, {3, 1, 3},                               \
            {{1, entries, width}, {picks}, {1, picks, width}}, 0, 0, {0}, {                        \
            0                                                                                      \
        }                                                                                          \
    }
#define POOL(kind, step, c, s)                                                                     \
    {                                                                                              \
        DMS_FAMILY_POOL, DMS_K_POOL, DMS_DTYPE_F32, 1, {4, 4},                                     \
            {{1, c, s, s}, {1, c, (s) / (step), (s) / (step)}}, 13, 0,                             \
            {kind, 3, 3, step, step, 1, 1, 1, 1, 1, 1, 0, 2}, {                                    \
            0                                                                                      \
        }                                                                                          \
    }
/* Twice as large; i: how places are found. */
#define RESIZE(how, places, c, s)                                                                  \
    {                                                                                              \
        DMS_FAMILY_RESIZE, DMS_K_RESIZE, DMS_DTYPE_F32, 1, {4, 4},                                 \
            {{1, c, s, s}, {1, c, 2 * (s), 2 * (s)}}, 5, 14, {how, places, (places) == 3 ? 2 : 0}, \
        {                                                                                          \
            -0.75, 0, 1, 0, 1, 1, 0, 1, 2, 0, 1, 2, 0, 1                                           \
        }                                                                                          \
    }

const dms_shape dms_card_shapes[] = {
    PRODUCT(DMS_DTYPE_F32, 1024, 2048, 2048),
    PRODUCT(DMS_DTYPE_F32, 512, 4096, 1024),
    PRODUCT(DMS_DTYPE_F16, 2048, 4096, 4096),
    PRODUCT(DMS_DTYPE_BF16, 2048, 4096, 4096),
    PRODUCT(DMS_DTYPE_BF16, 2048, 4096, 1024),
    PRODUCT(DMS_DTYPE_BF16, 1024, 8192, 4096),
    PRODUCT(DMS_DTYPE_BF16, 512, 4096, 4096),
    CONV(DMS_FAMILY_CONV, DMS_DTYPE_F32, 1, 64, 64, 3, 112),
    CONV(DMS_FAMILY_CONV, DMS_DTYPE_F32, 4, 256, 256, 3, 28),
    CONV(DMS_FAMILY_CONV, DMS_DTYPE_F32, 4, 256, 512, 1, 28),
    CONV(DMS_FAMILY_CONV, DMS_DTYPE_F16, 2, 320, 320, 3, 64),
    CONV(DMS_FAMILY_CONV, DMS_DTYPE_BF16, 2, 640, 640, 3, 32),
    CONV(DMS_FAMILY_CONV, DMS_DTYPE_F16, 2, 1280, 1280, 3, 16),
    CONV(DMS_FAMILY_CONV, DMS_DTYPE_F16, 2, 640, 1280, 1, 32),
    CONV(DMS_FAMILY_CONV_NARROW, DMS_DTYPE_F32, 1, 320, 4, 3, 64),
    CONV(DMS_FAMILY_CONV_NARROW, DMS_DTYPE_F16, 2, 320, 4, 3, 64),
    CONV(DMS_FAMILY_CONV_NARROW, DMS_DTYPE_F32, 1, 64, 8, 3, 160),
    DEPTHWISE(4, 240, 5, 56),
    DEPTHWISE(4, 96, 3, 112),
    DEPTHWISE(1, 64, 3, 256),
    TRANSPOSE(1, 64, 32, 128),
    TRANSPOSE(4, 128, 64, 64),
    TRANSPOSE(1, 24, 1, 256),
    ATTENTION(DMS_DTYPE_F32, 8, 1024, 64, 0),
    ATTENTION(DMS_DTYPE_F16, 16, 2048, 64, 0),
    ATTENTION(DMS_DTYPE_BF16, 32, 2048, 128, 1),
    ATTENTION(DMS_DTYPE_BF16, 32, 1024, 128, 0),
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
     {{1, 32, 32, 1536}, {1, 1536, 512}, {1, 3072}, {1, 32, 32, 512}},
     12,
     13,
     {DMS_CELL_GRU_AFTER, 0, 0, 1, 1, 0, DMS_CELL_FN_SIGMOID, DMS_CELL_FN_TANH, 0},
     {0}},
    MAP(DMS_K_BINARY, DMS_DTYPE_F32, DMS_FN_ADD, 2, 1024, 1024),
    MAP(DMS_K_BINARY, DMS_DTYPE_BF16, DMS_FN_MUL, 2, 1024, 2048),
    MAP(DMS_K_UNARY, DMS_DTYPE_F32, DMS_FN_GELU, 1, 1024, 1024),
    MAP(DMS_K_UNARY, DMS_DTYPE_BF16, DMS_FN_SILU, 1, 1024, 2048),
    {DMS_FAMILY_MOVE,
     DMS_K_CONCAT,
     DMS_DTYPE_F32,
     2,
     {2, 2, 2},
     {{2048, 256}, {2048, 256}, {2048, 512}},
     1,
     0,
     {1},
     {0}},
    {DMS_FAMILY_MOVE,
     DMS_K_COPY,
     DMS_DTYPE_F32,
     1,
     {2, 2},
     {{8192, 128}, {8192, 128}},
     1,
     0,
     {0},
     {0}},
    NORM(2048, 1024),
    NORM(512, 4096),
    {DMS_FAMILY_ROWS,
     DMS_K_SOFTMAX,
     DMS_DTYPE_F32,
     1,
     {2, 2},
     {{4096, 256}, {4096, 256}},
     1,
     0,
     {0},
     {0}},
    POOL(0, 2, 64, 224),
    POOL(1, 1, 64, 112),
    RESIZE(1, 0, 64, 80),
    RESIZE(0, 3, 64, 80),
    LOOK_UP(16384, 256, 4096),
    LOOK_UP(4096, 1024, 512),
};
const uint32_t dms_n_card_shapes = sizeof dms_card_shapes / sizeof *dms_card_shapes;
