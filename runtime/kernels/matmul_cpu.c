/* matmul_cpu.c - matrix products on the CPU device.
 *
 * A part is a block of rows by a block of columns of one batch entry:
 *
 *        k0 = 0       256        512    K
 *      +---------+----------+-------+        b is read as panels of 16 columns: stored so, or
 *   a  | 96 rows |          |       |        copied so into scratch, one segment at a time.
 *      +---------+----------+-------+        Six rows of a (eight with AVX-512) meet one panel
 *                                              (or two) in a register tile.
 *
 * One chain per segment of 256 and per element; segments are added in order. Neither depends on
 * the part, so every split gives the same bits. y = alpha sum, then + beta c, each rounded.
 * A MATMUL_PART begins with the sums of segments before its own, or leaves its own as they are. */
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/chain_run.h"
#include "runtime/kernels/cpu_kernel.h"
#include "runtime/kernels/matmul_bits.h"
#include "runtime/kernels/matmul_part.h"
#include "runtime/kernels/strip.h"
#include "runtime/kernels/tile_internal.h"
#include "runtime/kernels/vector_internal.h"

enum {
    SEGMENT = DMS_TILE_SEGMENT,
    WIDTH = DMS_TILE_WIDTH,
    ROWS = DMS_TILE_ROWS,
    PART_ROWS = 384,    /* multiple of ROWS */
    PART_COLUMNS = 256, /* multiple of 4 WIDTH */
    DENSE = 4096,       /* results that a chain takes at a time */
    BLOCK_ROWS = 96,    /* rows of a copied at a time: 96 KiB, stays in the second-level cache */
};
_Static_assert(SEGMENT == DMS_MATMUL_SEGMENT, "parts end where segments do");

/* Shape of a call and of one part of it; pitches in elements. */
typedef struct product {
    const dms_call *call;    /* without its chain and without sums of earlier parts */
    const float *before;     /* these, dense; NULL: it begins at 0 */
    const dms_bits *bits;    /* b, packed in 4 bits; NULL: it is operand 1 */
    bool is_unfinished;      /* y is sums for a later part */
    void *y_at;              /* element 0 of y */
    dms_chain_runner *chain; /* what becomes of finished rows; NULL = nothing */
    int64_t first;           /* of the batch entry in row-major order of y */
    int64_t m, n, k;
    int64_t a_m, a_k, b_k, b_n, y_m, y_n;
    int64_t row0, rows, column0, columns;
    int64_t a, b, c, y; /* element offsets of the batch entry */
    int64_t c_m, c_n;
    dms_dtype dtype; /* f16 and bf16 are widened where they are copied; sums are f32 */
    int64_t size;    /* bytes of an element */
    dms_dtype y_dtype;
} product;

static int64_t blocks_of(int64_t n, int64_t block) {
    return n / block + (n % block != 0);
}

/* Offset of batch entry `index` in a view that shares the leading dims of `shape`. */
static int64_t batch_offset(const dms_view *view, const dms_view *shape, int64_t index) {
    int64_t offset = 0;
    for (uint32_t k = shape->rank - 2; k-- > 0;) {
        offset += index % shape->dim[k] * view->pitch[k];
        index /= shape->dim[k];
    }
    return offset;
}

static uint64_t matmul_parts(const dms_call *call) {
    const dms_view *y = &call->view[call->n_in];
    if (dms_view_count(y) == 0)
        return 0;
    const int64_t m = y->dim[y->rank - 2], n = y->dim[y->rank - 1];
    return (uint64_t)(dms_view_count(y) / (m * n) * blocks_of(m, PART_ROWS) *
                      blocks_of(n, PART_COLUMNS));
}

static product part_of(const dms_call *call, uint64_t part) {
    const dms_view *a = &call->view[0], *b = &call->view[1], *y = &call->view[call->n_in];
    const uint32_t i = y->rank - 2, j = y->rank - 1;
    product p = {.call = call, .m = y->dim[i], .n = y->dim[j], .k = a->dim[j]};
    const int64_t down = blocks_of(p.m, PART_ROWS), across = blocks_of(p.n, PART_COLUMNS);
    const int64_t at = (int64_t)part % (down * across), batch = (int64_t)part / (down * across);
    p.row0 = at % down * PART_ROWS;
    p.column0 = at / down * PART_COLUMNS;
    p.rows = p.m - p.row0 < PART_ROWS ? p.m - p.row0 : PART_ROWS;
    p.columns = p.n - p.column0 < PART_COLUMNS ? p.n - p.column0 : PART_COLUMNS;
    p.y_dtype = y->dtype;
    p.dtype = a->dtype;
    p.size = dms_dtype_bytes(a->dtype);
    p.a_m = a->pitch[i];
    p.a_k = a->pitch[j];
    p.y_m = y->pitch[i];
    p.y_n = y->pitch[j];
    p.first = batch * p.m * p.n;
    p.a = batch_offset(a, y, batch);
    p.y = batch_offset(y, y, batch);
    if (call->i[0] == 0) {
        p.b_k = b->pitch[i];
        p.b_n = b->pitch[j];
        p.b = batch_offset(b, y, batch);
    }
    if (call->n_in == 3) {
        const dms_view *c = &call->view[2];
        p.c_m = c->pitch[i];
        p.c_n = c->pitch[j];
        p.c = batch_offset(c, y, batch);
    }
    return p;
}

/* Scratch of one thread, 0.8 MiB. */
typedef struct product_scratch {
    float b[PART_COLUMNS * SEGMENT]; /* panels of one segment */
    float a[BLOCK_ROWS * SEGMENT];   /* rows of one segment */
    float sum[PART_ROWS * PART_COLUMNS];
    float unpacked[WIDTH * SEGMENT]; /* a panel of 4-bit numbers before it is turned around */
    float row[PART_COLUMNS], c[PART_COLUMNS]; /* one row of y, of c */
    float dense[DENSE];                       /* rows on their way through the chain */
    uint16_t narrow[DENSE];
    dms_chain_runner chain;
} product_scratch;
_Static_assert(sizeof(product_scratch) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* n elements of a narrow type, as f32. */
static void widen(const product *p, const void *data, int64_t at, int64_t pitch, int64_t n,
                  float *out) {
    DMS_ISA(dms_strip_load)(p->dtype, (const char *)data + at * p->size, pitch, n, out);
}

/* One panel of b, [k][16], from element `at` on; columns from n on are zero. */
static void pack_panel(const product *p, const void *b, int64_t at, int64_t k, int64_t n,
                       float *out) {
    const float *from = (const float *)b + at;
    if (n < WIDTH)
        memset(out, 0, (size_t)(k * WIDTH) * sizeof *out);
    if (p->dtype != DMS_DTYPE_F32)
        for (int64_t q = 0; q < k; q++)
            widen(p, b, at + q * p->b_k, p->b_n, n, out + q * WIDTH);
    else if (p->b_k == 1)
        DMS_ISA(dms_tile_transpose)(n, k, from, p->b_n, out, WIDTH);
    else if (p->b_n == 1 && n == WIDTH)
        for (int64_t q = 0; q < k; q++)
            memcpy(out + q * WIDTH, from + q * p->b_k, WIDTH * sizeof *out);
    else
        for (int64_t q = 0; q < k; q++)
            for (int64_t r = 0; r < n; r++)
                out[q * WIDTH + r] = from[q * p->b_k + r * p->b_n];
}

/* One segment of the part's columns of b as panels: copied from a plain b, widened from narrow
 * panels, made of 4-bit numbers, or where they lie. */
static const float *load_b(const product *p, const void *b, bool is_packed, int64_t k0, int64_t k,
                           product_scratch *s, int64_t *pitch_panel) {
    const int64_t first = p->column0 * p->k + k0 * WIDTH;
    float *const out = s->b;
    *pitch_panel = k * WIDTH;
    if (is_packed && p->dtype == DMS_DTYPE_F32) {
        *pitch_panel = p->k * WIDTH;
        return (const float *)b + first;
    }
    for (int64_t j = 0; j < p->columns; j += WIDTH) {
        const int64_t n = p->columns - j < WIDTH ? p->columns - j : WIDTH;
        float *const to = out + j * k;
        if (p->bits != NULL) {
            DMS_ISA(dms_bits_panel)(p->bits, p->column0 + j, n, k0, k, s->unpacked, to);
            continue;
        }
        if (is_packed)
            widen(p, b, first + j * p->k, 1, k * WIDTH, to);
        else
            pack_panel(p, b, p->b + k0 * p->b_k + (p->column0 + j) * p->b_n, k, n, to);
    }
    return out;
}

/* Rows of a side by side, so that six of them share few cache sets whatever the pitch of a. */
static void copy_a(const product *p, const void *a, int64_t row, int64_t rows, int64_t k0,
                   int64_t k, float *out) {
    const int64_t at = p->a + (p->row0 + row) * p->a_m + k0 * p->a_k;
    const float *from = (const float *)a + at;
    if (p->dtype != DMS_DTYPE_F32)
        for (int64_t r = 0; r < rows; r++)
            widen(p, a, at + r * p->a_m, p->a_k, k, out + r * SEGMENT);
    else if (p->a_k == 1)
        for (int64_t r = 0; r < rows; r++)
            memcpy(out + r * SEGMENT, from + r * p->a_m, (size_t)k * sizeof *out);
    else if (p->a_m == 1)
        DMS_ISA(dms_tile_transpose)(k, rows, from, p->a_k, out, SEGMENT);
    else
        for (int64_t r = 0; r < rows; r++)
            for (int64_t q = 0; q < k; q++)
                out[r * SEGMENT + q] = from[r * p->a_m + q * p->a_k];
}

/* Where the sums of a part are: element (i, j) lies at i * pitch + j / 16 * step + j % 16. Either
 * in y itself, or in scratch with the rows of a panel side by side: tiles that are visited once per
 * segment then are 384 bytes in one place instead of six rows of y, far apart. */
typedef struct sums {
    float *at;
    int64_t pitch, step;
    bool is_direct;
} sums;

/* A tile at the right edge of y: 16 columns pass through a buffer, n of them are kept. */
static void tile_at_edge(int rows, int64_t k, const float *a, const float *b, float *sum,
                         int64_t pitch, int64_t n) {
    float edge[ROWS * WIDTH];
    DMS_ISA(dms_tile_product)(rows, k, a, SEGMENT, b, edge, WIDTH, DMS_TILE_SET);
    for (int r = 0; r < rows; r++)
        memcpy(sum + r * pitch, edge + r * WIDTH, (size_t)n * sizeof *edge);
}

/* Asks for one of `n` equal slices of a panel's segment, which is used next. Segments of one panel
 * after another lie far apart in memory, so the processor does not foresee them. */
static void prefetch_slice(const float *panel, int64_t k, int64_t slice, int64_t n) {
    const int64_t first = k * slice / n, end = k * (slice + 1) / n;
    for (int64_t q = first; q < end; q++)
        __builtin_prefetch(panel + q * WIDTH, 0, 2);
}

/* Rows [row, row + rows) of a (copied) against all columns of the part, two panels at a time, in
 * tiles of equal height as far as possible: a tile of one row takes as long as one of four. */
static void block_of_rows(const product *p, int64_t row, int64_t rows, int64_t k, const float *a,
                          const float *b, int64_t pitch_panel, const sums *sum,
                          dms_tile_mode mode) {
    const int64_t all = blocks_of(rows, ROWS);
    int panels = 0;
    for (int64_t j = 0; j < p->columns; j += panels * WIDTH, b += panels * pitch_panel) {
        const int64_t n = p->columns - j;
        const bool is_edge = n < WIDTH && sum->is_direct;
        panels = n >= 2 * WIDTH || (n > WIDTH && !sum->is_direct) ? 2 : 1;
        int64_t tiles = all;
        for (int64_t i = 0; i < rows; tiles--) {
            const int high = (int)blocks_of(rows - i, tiles);
            for (int q = 0; q < panels && row == 0 && n > (panels + q) * WIDTH; q++)
                prefetch_slice(b + (panels + q) * pitch_panel, k, all - tiles, all);
            float *at = sum->at + (row + i) * sum->pitch + j / WIDTH * sum->step;
            const dms_tile t = {high,        panels, k,          a + i * SEGMENT, SEGMENT, b,
                                pitch_panel, at,     sum->pitch, sum->step,       mode};
            if (is_edge)
                tile_at_edge(high, k, t.a, b, at, sum->pitch, n);
            else
                DMS_ISA(dms_tile_products)(&t);
            i += high;
        }
    }
}

/* A part of one row: four panels at a time, because a single chain pair waits for itself. */
static void single_row(const product *p, int64_t k, const float *a, const float *b,
                       int64_t pitch_panel, float *sum, dms_tile_mode mode) {
    int64_t j = 0;
    for (; j + 4 * WIDTH <= p->columns; j += 4 * WIDTH, b += 4 * pitch_panel)
        DMS_ISA(dms_tile_row)(k, a, b, pitch_panel, sum + j, mode);
    for (; j < p->columns; j += WIDTH, b += pitch_panel)
        DMS_ISA(dms_tile_product)(1, k, a, 0, b, sum + j, 0, mode);
}

/* One row against a plain b whose rows are contiguous: no copy of b. */
static void single_row_plain(const product *p, int64_t k, const float *a, const float *b,
                             product_scratch *s, float *sum, dms_tile_mode mode) {
    float *segment = mode == DMS_TILE_SET ? sum : s->b;
    memset(segment, 0, (size_t)p->columns * sizeof *segment);
    DMS_ISA(dms_tile_row_plain)(k, a, b, p->b_k, p->columns, segment);
    for (int64_t j = 0; j < p->columns && mode == DMS_TILE_ADD; j++)
        sum[j] += segment[j];
}

/* Row i of c, f32; NULL where there is none. */
static const float *c_row(const dms_cpu_job *job, const product *p, int64_t i, float *c) {
    const int64_t at = p->c + (p->row0 + i) * p->c_m + p->column0 * p->c_n;
    if (p->call->n_in < 3)
        return NULL;
    if (p->dtype == DMS_DTYPE_F32 && p->c_n == 1)
        return (const float *)job->operand[2] + at;
    if (i == 0 || p->c_m != 0)
        widen(p, job->operand[2], at, p->c_n, p->columns, c);
    return c;
}

/* to = alpha x (+ beta c), n of a panel's columns; `to` may be x. Each operation rounds. */
static void finish_panel(const product *p, int64_t n, const float *x, const float *c, float *to) {
    const float alpha = p->is_unfinished ? 1.0f : (float)p->call->f[0], beta = (float)p->call->f[1];
#ifdef __AVX512F__
    const __mmask16 m = dms_mask(n);
    __m512 v = _mm512_maskz_loadu_ps(m, x);
    v = alpha == 1.0f ? v : _mm512_mul_ps(_mm512_set1_ps(alpha), v);
    if (c != NULL)
        v = _mm512_add_ps(v, _mm512_mul_ps(_mm512_set1_ps(beta), _mm512_maskz_loadu_ps(m, c)));
    _mm512_mask_storeu_ps(to, m, v);
#else
    for (int64_t j = 0; j < n; j++) {
        const float v = alpha == 1.0f ? x[j] : alpha * x[j];
        to[j] = c == NULL ? v : v + beta * c[j];
    }
#endif
}

/* Row i of the part, finished but not rounded to a narrow type. */
static void finish_row(const dms_cpu_job *job, const product *p, const sums *sum, int64_t i,
                       float *to) {
    const float *from = sum->at + i * sum->pitch;
    const float *c = c_row(job, p, i, ((product_scratch *)job->scratch)->c);
    for (int64_t j = 0; j < p->columns; j += WIDTH, from += sum->step) {
        const int64_t n = p->columns - j < WIDTH ? p->columns - j : WIDTH;
        finish_panel(p, n, from, c == NULL ? NULL : c + j, to + j);
    }
}

/* n finished elements of rows from i on go through the chain, rounded first to narrow types. */
static void run_chain(const product *p, int64_t i, int64_t n, product_scratch *s) {
    const void *result = s->dense;
    if (p->dtype != DMS_DTYPE_F32) {
        DMS_ISA(dms_strip_store)(p->dtype, s->dense, s->narrow, 1, n);
        result = s->narrow;
    }
    DMS_ISA(dms_chain_run)
    (p->chain, p->first + (p->row0 + i) * p->n + p->column0, n, result);
}

/* y = chain(alpha sum (+ beta c)). Where the part has whole rows, many pass through the chain
 * together: it takes as long for a few elements as for hundreds. */
static void finish_by_chain(const dms_cpu_job *job, const product *p, const sums *sum) {
    product_scratch *s = job->scratch;
    const int64_t together = p->columns == p->n ? DENSE / p->columns : 1;
    for (int64_t i = 0; i < p->rows; i += together) {
        const int64_t some = p->rows - i < together ? p->rows - i : together;
        for (int64_t r = 0; r < some; r++)
            finish_row(job, p, sum, i + r, s->dense + r * p->columns);
        run_chain(p, i, some * p->columns, s);
    }
}

/* y = alpha sum (+ beta c), rounded once more to narrow types. */
static void finish(const dms_cpu_job *job, const product *p, const sums *sum) {
    product_scratch *s = job->scratch;
    const bool is_plain = p->call->f[0] == 1.0 && p->call->n_in < 3;
    const int64_t size = dms_dtype_bytes(p->y_dtype);
    char *y = (char *)p->y_at + (p->y + p->row0 * p->y_m + p->column0 * p->y_n) * size;
    if (sum->is_direct && is_plain)
        return;
    for (int64_t i = 0; i < p->rows; i++, y += p->y_m * size) {
        const bool is_here = p->y_dtype == DMS_DTYPE_F32 && p->y_n == 1;
        finish_row(job, p, sum, i, is_here ? (float *)(void *)y : s->row);
        if (!is_here)
            DMS_ISA(dms_strip_store)(p->y_dtype, s->row, y, p->y_n, p->columns);
    }
}

/* Sums of one segment lie in y where they can; those of more segments always in scratch. */
static sums place_sums(const dms_cpu_job *job, const product *p) {
    product_scratch *s = job->scratch;
    float *y = (float *)p->y_at + p->y + p->row0 * p->y_m + p->column0;
    if (p->y_dtype == DMS_DTYPE_F32 && p->chain == NULL && p->y_n == 1 && p->k <= SEGMENT &&
        p->rows > 1 && p->before == NULL)
        return (sums){y, p->y_m, WIDTH, true};
    return (sums){s->sum, WIDTH, p->rows * WIDTH, false};
}

/* The part's share of the sums that earlier parts have made, which segments are added to. */
static void take_sums(const product *p, const sums *sum) {
    const float *from = p->before + p->first + p->row0 * p->n + p->column0;
    for (int64_t i = 0; i < p->rows; i++, from += p->n) {
        float *to = sum->at + i * sum->pitch;
        for (int64_t j = 0; j < p->columns; j += WIDTH, to += sum->step) {
            const int64_t n = p->columns - j < WIDTH ? p->columns - j : WIDTH;
            memcpy(to, from + j, (size_t)n * sizeof *to);
            memset(to + n, 0, (size_t)(WIDTH - n) * sizeof *to);
        }
    }
}

static void product_float(const dms_cpu_job *job, const product *p) {
    product_scratch *s = job->scratch;
    const void *a = job->operand[0], *b = job->operand[1];
    const sums sum = place_sums(job, p);
    const bool is_packed = p->call->i[0] == 1;
    const bool is_plain_row =
        p->rows == 1 && !is_packed && p->bits == NULL && p->b_n == 1 && p->dtype == DMS_DTYPE_F32;
    if (p->before != NULL)
        take_sums(p, &sum);
    for (int64_t k0 = 0; k0 == 0 || k0 < p->k; k0 += SEGMENT) {
        const int64_t k = p->k - k0 < SEGMENT ? p->k - k0 : SEGMENT;
        const dms_tile_mode mode = k0 == 0 && p->before == NULL ? DMS_TILE_SET : DMS_TILE_ADD;
        if (is_plain_row) {
            const float *from = (const float *)b + p->b + k0 * p->b_k + p->column0;
            copy_a(p, a, 0, 1, k0, k, s->a);
            single_row_plain(p, k, s->a, from, s, sum.at, mode);
            continue;
        }
        int64_t pitch_panel;
        const float *panels = load_b(p, b, is_packed, k0, k, s, &pitch_panel);
        for (int64_t i = 0; i < p->rows; i += BLOCK_ROWS) {
            const int64_t rows = p->rows - i < BLOCK_ROWS ? p->rows - i : BLOCK_ROWS;
            copy_a(p, a, i, rows, k0, k, s->a);
            if (p->rows == 1)
                single_row(p, k, s->a, panels, pitch_panel, sum.at, mode);
            else
                block_of_rows(p, i, rows, k, s->a, panels, pitch_panel, &sum, mode);
        }
    }
    if (p->chain != NULL)
        finish_by_chain(job, p, &sum);
    else
        finish(job, p, &sum);
}

/* The same sums for other types, element by element. T holds the result, W the sums; integers wrap
 * because W is unsigned. */
#define PRODUCT(NAME, T, W, CHAIN, FACTOR)                                                         \
    static void NAME(const dms_cpu_job *job, const product *p) {                                   \
        const T *a = (const T *)job->operand[0] + p->a, *b = (const T *)job->operand[1] + p->b;    \
        const T *c = p->call->n_in == 3 ? (const T *)job->operand[2] + p->c : NULL;                \
        T *y = (T *)p->y_at + p->y;                                                                \
        const W alpha = (W)(FACTOR)p->call->f[0], beta = (W)(FACTOR)p->call->f[1];                 \
        for (int64_t i = p->row0; i < p->row0 + p->rows; i++)                                      \
            for (int64_t j = p->column0; j < p->column0 + p->columns; j++) {                       \
                W sum = 0;                                                                         \
                for (int64_t k0 = 0; k0 < p->k; k0 += SEGMENT) {                                   \
                    const int64_t end = p->k - k0 < SEGMENT ? p->k : k0 + SEGMENT;                 \
                    W chain = 0;                                                                   \
                    for (int64_t k = k0; k < end; k++)                                             \
                        chain = CHAIN((W)a[i * p->a_m + k * p->a_k],                               \
                                      (W)b[k * p->b_k + j * p->b_n], chain);                       \
                    sum = k0 == 0 ? chain : sum + chain;                                           \
                }                                                                                  \
                sum = alpha * sum;                                                                 \
                if (c != NULL)                                                                     \
                    sum = sum + beta * (W)c[i * p->c_m + j * p->c_n];                              \
                y[i * p->y_m + j * p->y_n] = (T)sum;                                               \
            }                                                                                      \
    }
#define MULTIPLY_ADD(x, z, sum) ((x) * (z) + (sum))
PRODUCT(product_f64, double, double, fma, double)
PRODUCT(product_i32, int32_t, uint32_t, MULTIPLY_ADD, int64_t)
PRODUCT(product_u32, uint32_t, uint32_t, MULTIPLY_ADD, int64_t)
PRODUCT(product_i64, int64_t, uint64_t, MULTIPLY_ADD, int64_t)
PRODUCT(product_u64, uint64_t, uint64_t, MULTIPLY_ADD, int64_t)

typedef void product_fn(const dms_cpu_job *job, const product *p);

static product_fn *product_of(dms_dtype dtype) {
    switch ((int)dtype) {
    case DMS_DTYPE_F64:
        return product_f64;
    case DMS_DTYPE_I32:
        return product_i32;
    case DMS_DTYPE_U32:
        return product_u32;
    case DMS_DTYPE_I64:
        return product_i64;
    case DMS_DTYPE_U64:
        return product_u64;
    default:
        return product_float;
    }
}

/* Parts of a call; `own` is it without its chain, `shared` holds what its parts have in common. */
static void run_parts(const dms_cpu_job *job, const dms_call *own, const product *shared,
                      uint64_t first, uint64_t end) {
    product_fn *const run = product_of(own->view[0].dtype);
    dms_chain_runner *chain = NULL;
    if (dms_chain_is_in(job->call)) {
        chain = &((product_scratch *)job->scratch)->chain;
        DMS_ISA(dms_chain_open)(job, chain);
    }
    for (uint64_t part = first; part < end; part++) {
        product p = part_of(own, part);
        p.chain = chain;
        p.y_at = job->operand[job->call->n_in];
        p.before = shared->before;
        p.bits = shared->bits;
        p.is_unfinished = shared->is_unfinished;
        run(job, &p);
    }
}

static void matmul_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    dms_view view[DMS_MAX_OPERANDS];
    dms_call own;
    if (!dms_chain_detach(job->call, view, &own))
        return; /* never: the call was checked */
    run_parts(job, &own, &(product){.before = NULL}, first, end);
}

static void matmul_part_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    dms_view view[DMS_MAX_OPERANDS], whole_view[DMS_MAX_OPERANDS];
    dms_call own, whole;
    if (!dms_chain_detach(job->call, view, &own))
        return; /* never: the call was checked */
    dms_matmul_of_part(&own, whole_view, &whole);
    product shared = {.is_unfinished = own.i[2] != 2};
    if (whole.n_in != own.n_in)
        shared.before = (const float *)job->operand[whole.n_in];
    run_parts(job, &whole, &shared, first, end);
}

static void matmul_bits_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    dms_view view[DMS_MAX_OPERANDS], whole_view[DMS_MAX_OPERANDS];
    int64_t i[2];
    dms_call own, whole;
    dms_bits bits;
    if (!dms_chain_detach(job->call, view, &own))
        return; /* never: the call was checked */
    dms_matmul_of_bits(&own, job->operand, whole_view, i, &whole, &bits);
    run_parts(job, &whole, &(product){.bits = &bits}, first, end);
}

const dms_cpu_kernel DMS_ISA(dms_cpu_matmul) = {DMS_K_MATMUL, matmul_parts, matmul_run};
const dms_cpu_kernel DMS_ISA(dms_cpu_matmul_part) = {DMS_K_MATMUL_PART, matmul_parts,
                                                     matmul_part_run};
const dms_cpu_kernel DMS_ISA(dms_cpu_matmul_bits) = {DMS_K_MATMUL_BITS, matmul_parts,
                                                     matmul_bits_run};
