/* catalogue.h - every kernel: operands, parameters, meaning. The contract between onnx/ops (which
 * lowers to kernels), the rows (which check it) and the devices (which run it).
 *
 * Reads    nothing.
 * Returns  ids, which are stable: a plan holds them. Never renumber; append.
 * Cost     none.
 * Source   ONNX operator specification, opsets 7 to 23; where it is silent, ONNX Runtime.
 * Not here the code (one file per family).
 *
 * Notation: x[a,b] is an operand with dims a, b and any pitches; `...` = leading dims. Unless said
 * otherwise all operands of a call have one dtype, reading operands may repeat (pitch 0), and the
 * lowering has already broadcast, permuted and flipped by means of views. i: integer parameters,
 * f: real parameters, both by position.
 */
#ifndef DMS_RUNTIME_KERNELS_CATALOGUE_H
#define DMS_RUNTIME_KERNELS_CATALOGUE_H

typedef enum dms_kernel_id {
    /* ---- map (map.c): one result element per index; all operands have the same dims ---------- */

    /* y = fn(x).  i: fn (dms_unary_fn)  f: p0, p1 */
    DMS_K_UNARY = 1,
    /* y = fn(a, b); comparisons give bool.  i: fn (dms_binary_fn) */
    DMS_K_BINARY = 2,
    /* y = c ? a : b; c is bool. */
    DMS_K_SELECT = 3,
    /* y = (dtype of y) x.  i: saturate (0 or 1; for narrow floats) */
    DMS_K_CAST = 4,
    /* y = value, no input.  i: the element's bits, zero-extended */
    DMS_K_FILL = 5,
    /* y[n] = start + k delta, no input.  i: start, delta (integers)  f: start, delta (floats) */
    DMS_K_RANGE = 6,
    /* y = program(1 to 12 inputs of any types).  i, f: the program (chain.h) */
    DMS_K_CHAIN = 7,

    /* ---- move (move.c): bytes are copied, any dtype ------------------------------------------ */

    /* y = x, same dims.  i: bit k = axis k of x is read backwards */
    DMS_K_COPY = 10,
    /* y = 1 to 32 inputs side by side.  i: axis */
    DMS_K_CONCAT = 11,
    /* y = x with a border.  i: mode (0 constant, 1 edge, 2 reflect, 3 wrap), value bits, then begin
     * per axis (may be negative); the end follows from the dims of y */
    DMS_K_PAD = 12,
    /* y[...,m,n] = one triangle of x, else 0.  i: upper (0/1), k */
    DMS_K_TRILU = 13,

    /* ---- index (index.c): data act as indices; negative counts from the end; clamps, raises -- */

    /* x[o,n,r], idx[j] (i32 or i64) -> y[o,j,r] */
    DMS_K_GATHER = 20,
    /* x[...], idx[d...] -> y[d...].  i: axis */
    DMS_K_GATHER_ELEMENTS = 21,
    /* x[b,n0..nk-1,r], idx[b,j,k] -> y[b,j,r].  i: k */
    DMS_K_GATHER_ND = 22,
    /* x, idx[d...], upd[d...] -> y.  i: axis, reduction (0 none, 1 add, 2 mul, 3 min, 4 max) */
    DMS_K_SCATTER_ELEMENTS = 23,
    /* x[n0..nk-1,r], idx[j,k], upd[j,r] -> y.  i: k, reduction (as above) */
    DMS_K_SCATTER_ND = 24,
    /* idx[o,r], values[2] (off, on) -> y[o,depth,r] */
    DMS_K_ONE_HOT = 25,
    /* Entries [first, first + m) of GATHER's table: x[o,m,r], idx[j] (, so far[o,j,r]) -> y[o,j,r]:
     * rows whose entry is among them; the others as they were, or 0.  i: first, n (of the table) */
    DMS_K_GATHER_PART = 26,

    /* ---- rows (rows.c): a reduction over the last axes, in a fixed tree, never cut ----------- */

    /* x[kept...,red...] -> y[kept...].  i: fn (dms_reduce_fn), number of kept axes */
    DMS_K_REDUCE = 30,
    /* x[...,n] -> y[...,n].  i: log (0/1) */
    DMS_K_SOFTMAX = 31,
    /* x[...,n] (, scale[n] (, bias[n])) -> y[...,n] (, mean[...] (, inv_std[...])).
     * i: rms (0: mean and variance, 1: mean square)  f: epsilon */
    DMS_K_LAYER_NORM = 32,
    /* x[b,g,c,s], scale[g,c], bias[g,c] -> y: over c and s; instance norm has c = 1.  f: epsilon */
    DMS_K_GROUP_NORM = 33,
    /* x[b,c,s], scale[c], bias[c], mean[c], var[c] -> y.  f: epsilon */
    DMS_K_BATCH_NORM = 34,
    /* x[...,n] -> y[...] (i64).  i: min (0/1), last index wins (0/1) */
    DMS_K_ARG = 35,
    /* x[...,n] -> y[...,n].  i: exclusive (0/1), reverse (0/1) */
    DMS_K_CUMSUM = 36,
    /* x[...,n] -> values[...,k], indices[...,k] (i64).  i: largest (0/1), sorted (0/1) */
    DMS_K_TOPK = 37,
    /* x[b,c,s] -> y.  i: size  f: alpha, beta, bias */
    DMS_K_LRN = 38,

    /* ---- product (matmul.c): segments of 256 along k, one fused chain from 0 in each, added in
     *      order */

    /* y = alpha a b + beta c: a[...,m,k], b[...,k,n] (, c[...,m,n], any repeats) -> y[...,m,n].
     * Cut along n.  i: layout of b (0 plain, 1 panels b[ceil(n/16),k,16]), n  f: alpha, beta */
    DMS_K_MATMUL = 40,
    /* Some of MATMUL's k, the sums of those before in f32 [...,m,n], dense: place 0 (first): sums =
     * a b; 1: sums + a b; 2 (last): y = alpha (sums + a b) + beta c. a, b (, c: last) (, sums: not
     * first) -> sums (not last) or y. k is a multiple of 256 but in the last part, so that all
     * parts together give MATMUL's bits.  i: layout of b, n, place  f: alpha, beta */
    DMS_K_MATMUL_PART = 45,
    /* y = a w: a[...,m,k], b[n,blocks,h] u8 of two numbers of 4 bits each, the low half first,
     * scale[n,blocks] (, zero[n,ceil(blocks/2)] u8, packed alike) -> y[...,m,n]. w[p,j] = (b[j,p] -
     * zero) scale, rounded; without zero it is 8. The last block may reach beyond k. b, scale and
     * zero dense, scale and y as a: f32, f16, bf16. Sums as MATMUL's. Cut along n */
    DMS_K_MATMUL_BITS = 47,

    /* ---- convolution (conv.c): sum in order c, kh, kw, one fused chain from the bias (or 0) -- */

    /* x[b,c,h,w], w[m,c/g,kh,kw] (, bias[m]) -> y[b,m,oh,ow].  1-D: h = kh = 1.  w may be panels
     * [ceil(m/16),c/g,kh,kw,16].  A tap in the padding takes its place in the chain as w * 0.  Cut
     * along m when g = 1.  i: group, stride h, w, dilation h, w, pad top, left */
    DMS_K_CONV = 41,
    /* x[b,c,h,w], w[c,m/g,kh,kw] (, bias[m]) -> y[b,m,oh,ow].  i: as CONV */
    DMS_K_CONV_TRANSPOSE = 42,
    /* x[b,c,h,w] -> y[b,c,oh,ow] (, indices (i64)).  i: fn (0 max, 1 average, 2 lp), kh, kw,
     * stride h, w, dilation h, w, pad top, left, bottom, right, count pads (0/1), p */
    DMS_K_POOL = 43,
    /* x -> y, same rank, at most 5.  i: mode (0 nearest, 1 linear, 2 cubic), coordinates
     * (0 half_pixel, 1 pytorch_half_pixel, 2 align_corners, 3 asymmetric, 4 tf_crop_and_resize,
     * 5 half_pixel_symmetric), nearest (0 round_prefer_floor, 1 round_prefer_ceil, 2 floor,
     * 3 ceil), exclude outside (0/1), antialias (0/1)  f: cubic coefficient, extrapolation value,
     * then per axis: scale, roi begin, roi end */
    DMS_K_RESIZE = 44,

    /* ---- convolution of bytes (conv_bytes.c): exact sums modulo 2^32, f32 once at the end ---- */

    /* x[g,b,c,h,w] u8 or i8, w[g,m,c,kh,kw] u8 or i8, zero_x[g] as x, zero_w[g,m] as w ->
     * y[g,b,m,oh,ow] i32: sum of (x - zero_x)(w - zero_w), 0 beside the image. With bias[g,m] i32
     * and scale[g,m] f32: y f32 = f32(sum + bias) scale. With zero_y[g] as well: y u8 or i8 =
     * clamp(round(that) + zero_y, low, high). w may be panels [g,m/8,kh,kw,c/4,8,4]. Cut along m
     * when g = 1.  i: layout of w (0 plain, 1 panels), kernel h, w, stride h, w, dilation h, w, pad
     * top, left, low, high (0 where y is no byte) */
    DMS_K_CONV_BYTES = 46,

    /* ---- attention (attention.c): never holds more than one block of scores ------------------ */

    /* q[b,h,s,d], k[b,hk,t,d], v[b,hk,t,e] (, mask[b,h,s,t], added, f32 or as q, or bool) ->
     * y[b,h,s,e]; h is a multiple of hk (group-query).  i: causal (1 and 2: t <= s + t_len -
     * s_len), mask kind (0 none, 1 added, 2 bool), empty_row (0 zero, 1 uniform, 2 NaN)  f: scale,
     * softcap (0 = none; applied before the mask) [, fill]. A key beyond the causal limit has the
     * score `fill` (causal 1), or fill + mask (causal 2); without a fill it is -infinity. */
    DMS_K_ATTENTION = 50,

    /* ---- recurrent (recurrent.c): steps of a sequence, one after another --------------------- */

    /* p[d,t,b,gh] = x W', r[d,gh,h] (, bias[d,2gh] (, lengths[b] (, h0[d,b,h] (, c0[d,b,h]
     * (, peephole[d,3h]))))) -> y[d,t,b,h] (, y_h[d,b,h] (, y_c[d,b,h])): d directions, t steps, b
     * sequences, g gates in ONNX's order. Optional operands may be absent anywhere in this list. r
     * may be panels [d,g,h/16,h,16].  i: cell (dms_cell), layout of r, reverse (bit d), inputs that
     * are there (bit 0 = bias), outputs that are there (bit 0 = y), coupled (input and forget
     * gate), then 3 functions per direction (dms_cell_fn)  f: clip (0 = none), then alpha, beta per
     * function */
    DMS_K_RECURRENT = 60,

    /* ---- quantised (quantize.c): floats as small integers; all operands have the same dims -- */

    /* x, scale (, zero) -> y = clamp(round(x / scale) + zero): x f32, f16, bf16 or i32, scale a
     * float, zero as y: u8, i8, u16 or i16 */
    DMS_K_QUANTIZE = 64,
    /* x, scale (, zero) -> y = (x - zero) scale: x and zero u8, i8, u16, i16 or i32, y as scale */
    DMS_K_DEQUANTIZE = 65,
    /* x[...] u8 or i8, table[256] u8 or i8, dense -> y[...] = table[bits of x], as table */
    DMS_K_LOOKUP = 68,

    /* ---- sampling (sample.c): positions are data, bounded by the code ----------------------- */

    /* x[n,c,s...], grid[n,o...,k] -> y[n,c,o...]: k = 1 to 3 spatial axes, the last one first, from
     * -1 to 1.  i: mode (0 nearest, 1 linear, 2 cubic), padding (0 zeros, 1 border, 2 reflection),
     * align corners (0/1) */
    DMS_K_GRID_SAMPLE = 66,
} dms_kernel_id;

/* cell of DMS_K_RECURRENT. */
typedef enum dms_cell {
    DMS_CELL_RNN = 0,
    DMS_CELL_GRU = 1,       /* the reset gate acts on h, before its product with r */
    DMS_CELL_GRU_AFTER = 2, /* ... on the product, bias included */
    DMS_CELL_LSTM = 3,
    DMS_N_CELLS
} dms_cell;

/* Functions of DMS_K_RECURRENT. */
typedef enum dms_cell_fn {
    DMS_CELL_FN_SIGMOID = 0,
    DMS_CELL_FN_TANH = 1,
    DMS_CELL_FN_RELU = 2,
    DMS_CELL_FN_AFFINE = 3,           /* alpha x + beta */
    DMS_CELL_FN_LEAKY_RELU = 4,       /* x < 0: alpha x */
    DMS_CELL_FN_THRESHOLDED_RELU = 5, /* x < alpha: 0 */
    DMS_CELL_FN_SCALED_TANH = 6,      /* alpha tanh(beta x) */
    DMS_CELL_FN_HARD_SIGMOID = 7,     /* max(0, min(1, alpha x + beta)) */
    DMS_CELL_FN_ELU = 8,              /* x < 0: alpha (exp(x) - 1) */
    DMS_CELL_FN_SOFTSIGN = 9,
    DMS_CELL_FN_SOFTPLUS = 10,
    DMS_N_CELL_FNS
} dms_cell_fn;

/* fn of DMS_K_UNARY. Float functions unless said otherwise. */
typedef enum dms_unary_fn {
    DMS_FN_NEG = 0, /* integers too */
    DMS_FN_ABS = 1, /* integers too */
    DMS_FN_RELU = 2, /* integers too */
    DMS_FN_SIGMOID = 3,
    DMS_FN_TANH = 4,
    DMS_FN_EXP = 5,
    DMS_FN_LOG = 6,
    DMS_FN_SQRT = 7,
    DMS_FN_RECIPROCAL = 8,
    DMS_FN_ERF = 9,
    DMS_FN_GELU = 10,      /* 0.5 x (1 + erf(x / sqrt 2)) */
    DMS_FN_GELU_TANH = 11,
    DMS_FN_SILU = 12,      /* x sigmoid(x) */
    DMS_FN_SIN = 13,
    DMS_FN_COS = 14,
    DMS_FN_TAN = 15,
    DMS_FN_ASIN = 16,
    DMS_FN_ACOS = 17,
    DMS_FN_ATAN = 18,
    DMS_FN_SINH = 19,
    DMS_FN_COSH = 20,
    DMS_FN_ASINH = 21,
    DMS_FN_ACOSH = 22,
    DMS_FN_ATANH = 23,
    DMS_FN_HARD_SIGMOID = 24, /* max(0, min(1, p0 x + p1)) */
    DMS_FN_HARD_SWISH = 25,   /* x max(0, min(1, x / 6 + 0.5)) */
    DMS_FN_LEAKY_RELU = 26,   /* p0 */
    DMS_FN_ELU = 27,          /* p0 */
    DMS_FN_SELU = 28,         /* p0 alpha, p1 gamma */
    DMS_FN_CELU = 29,         /* p0 */
    DMS_FN_SOFTPLUS = 30,
    DMS_FN_SOFTSIGN = 31,
    DMS_FN_THRESHOLDED_RELU = 32, /* p0 */
    DMS_FN_SHRINK = 33,       /* p0 bias, p1 lambd */
    DMS_FN_MISH = 34,
    DMS_FN_FLOOR = 35,
    DMS_FN_CEIL = 36,
    DMS_FN_ROUND = 37,        /* half to even */
    DMS_FN_SIGN = 38,         /* integers too */
    DMS_FN_CLIP = 39,         /* p0 <= y <= p1; integers too */
    DMS_FN_NOT = 40,          /* bool */
    DMS_FN_BITWISE_NOT = 41,  /* integers */
    DMS_FN_IS_NAN = 42,       /* gives bool */
    DMS_FN_IS_INF = 43,       /* gives bool; p0: negative counts, p1: positive counts */
    DMS_FN_SQUARE = 44,
    DMS_N_UNARY_FNS
} dms_unary_fn;

/* fn of DMS_K_BINARY. */
typedef enum dms_binary_fn {
    DMS_FN_ADD = 0,
    DMS_FN_SUB = 1,
    DMS_FN_MUL = 2,
    DMS_FN_DIV = 3, /* integers: toward zero; by zero gives 0 */
    DMS_FN_POW = 4, /* the exponent may have another dtype */
    DMS_FN_MIN = 5, /* NaN wins */
    DMS_FN_MAX = 6,
    DMS_FN_MOD = 7,  /* sign of the divisor */
    DMS_FN_FMOD = 8, /* sign of the dividend */
    DMS_FN_EQUAL = 9,
    DMS_FN_LESS = 10,
    DMS_FN_LESS_EQUAL = 11,
    DMS_FN_GREATER = 12,
    DMS_FN_GREATER_EQUAL = 13,
    DMS_FN_AND = 14, /* bool */
    DMS_FN_OR = 15,
    DMS_FN_XOR = 16,
    DMS_FN_BITWISE_AND = 17, /* integers */
    DMS_FN_BITWISE_OR = 18,
    DMS_FN_BITWISE_XOR = 19,
    DMS_FN_SHIFT_LEFT = 20,
    DMS_FN_SHIFT_RIGHT = 21,
    DMS_FN_PRELU = 22, /* a < 0 ? a b : a */
    DMS_N_BINARY_FNS
} dms_binary_fn;

/* fn of DMS_K_REDUCE. */
typedef enum dms_reduce_fn {
    DMS_FN_SUM = 0,
    DMS_FN_MEAN = 1,
    DMS_FN_REDUCE_MAX = 2,
    DMS_FN_REDUCE_MIN = 3,
    DMS_FN_PROD = 4,
    DMS_FN_L1 = 5,
    DMS_FN_L2 = 6,
    DMS_FN_SUM_SQUARE = 7,
    DMS_FN_LOG_SUM = 8,
    DMS_FN_LOG_SUM_EXP = 9,
    DMS_N_REDUCE_FNS
} dms_reduce_fn;

#endif
