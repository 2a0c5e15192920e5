/* pool_plane_cpu.c - maxima and averages of f32 planes, in whole vectors of
 * outputs.
 *
 *      averages   a band of a plane's rows is copied with zeros for what
 * windows reach beside it, which changes no sum. Where the step is not 1,
 * columns are copied apart by their number modulo the step. Taps are added in
 * the order kh, kw from 0. maxima     of the rows of a window, as they lie;
 * then of its columns. lanes      rows of one output (global pools):
 * neighbouring planes are the lanes of a vector.
 */
#include <string.h>

#include "runtime/kernels/pool_internal.h"
#include "runtime/kernels/turn_internal.h"

enum {
    NEAR = 8 * 1024,  /* elements of a band, which stay in the first-level cache */
    FAR = 64 * 1024,  /* where a band of one row of outputs is larger */
    MOST = 32 * 1024, /* columns that the windows of a row reach over */
    TAPS = 256,
    SLACK = 64, /* vectors may read and write this far past the end */
};

#ifdef __FMA__
typedef dms_vec vec;
enum { WIDTH = DMS_V };
#define LOAD(p) DMS_VLOAD(p)
#define STORE(p, v) DMS_VSTORE(p, v)
#define ALL(x) DMS_VALL(x)
#define ADD(a, b) DMS_VADD(a, b)
#define MUL(a, b) DMS_VMUL(a, b)
#define DIV(a, b) DMS_VDIV(a, b)
#define GREATER(r, x) dms_vgreater(r, x)

/* The first n elements, or all: y ends where its last row does. */
DMS_FN vec load_some(const float *p, int64_t n) {
    return n >= WIDTH ? LOAD(p) : DMS_VLOAD_SOME(p, n);
}

DMS_FN void put(float *p, int64_t n, vec v) {
    if (n >= WIDTH)
        STORE(p, v);
    else
        DMS_VSTORE_SOME(p, n, v);
}
#else
typedef float vec __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));
enum { WIDTH = 4 };
#define STORE(p, v) memcpy(p, &(v), sizeof(v))
#define ALL(x) ((vec){x, x, x, x})
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))

DMS_FN vec LOAD(const float *p) {
    vec out;
    memcpy(&out, p, sizeof out);
    return out;
}

DMS_FN vec load_some(const float *p, int64_t n) {
    vec out = {0};
    if (n >= WIDTH)
        return LOAD(p);
    memcpy(&out, p, (size_t)n * sizeof *p);
    return out;
}

DMS_FN void put(float *p, int64_t n, vec v) {
    memcpy(p, &v, (size_t)(n < WIDTH ? n : WIDTH) * sizeof *p);
}

DMS_FN vec GREATER(vec r, vec x) {
    const mask takes = (x > r) | (x != x);
    return (vec)((takes & (mask)x) | (~takes & (mask)r));
}
#endif

#ifdef __AVX512F__
#define EVEN(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#elif defined(__FMA__)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#else
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#endif

/* Rows (columns) that n outputs along an axis reach over. */
static int64_t reach_of(const dms_call *call, uint32_t axis, int64_t n) {
    const int64_t *i = call->i;
    return (n - 1) * i[DMS_POOL_STEP + axis] +
           (i[DMS_POOL_WINDOW + axis] - 1) * i[DMS_POOL_DILATION + axis] + 1;
}

/* f32 side by side, without indices. */
static bool is_plain(const dms_call *call) {
    const dms_view *x = &call->view[0], *y = &call->view[1];
    return call->i[DMS_POOL_FN] != DMS_POOL_LP && call->n_out == 1 && x->dtype == DMS_DTYPE_F32 &&
           x->pitch[3] == 1 && (y->pitch[3] == 1 || y->dim[3] == 1);
}

static void fill(float *to, int64_t n, float x) {
    for (int64_t j = 0; j < n; j++)
        to[j] = x;
}

/* Where plane `k` of operand `operand` begins. */
static float *plane_at(const dms_cpu_job *job, uint32_t operand, int64_t k) {
    const dms_view *v = &job->call->view[operand];
    return (float *)job->operand[operand] + k / v->dim[1] * v->pitch[0] +
           k % v->dim[1] * v->pitch[1];
}

/* ---- averages
 * --------------------------------------------------------------------------------
 */

/* A call as bands see it, and the band at hand: image[phase][row][column]. */
typedef struct plane {
    int64_t step, columns; /* phases of the image, columns of each */
    int64_t rows;          /* rows of a phase */
    int64_t n_taps;
    int32_t offset[TAPS];       /* of each tap in the image */
    float inside[MOST + SLACK]; /* per output of a row: taps of one row that are
                                 counted */
    float image[FAR + SLACK];
} plane;
_Static_assert(sizeof(plane) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* Elements of a row of the image, all phases. */
static int64_t row_of(const dms_call *call) {
    const int64_t step = call->i[DMS_POOL_STEP + 1];
    return (reach_of(call, 1, call->view[1].dim[3]) + step - 1) / step * step;
}

static bool fits_bands(const dms_call *call) {
    const int64_t *i = call->i;
    const int64_t rows = reach_of(call, 0, 1);
    return i[DMS_POOL_FN] == DMS_POOL_AVERAGE && i[DMS_POOL_WINDOW] <= TAPS &&
           i[DMS_POOL_WINDOW + 1] <= TAPS / i[DMS_POOL_WINDOW] && rows <= FAR &&
           i[DMS_POOL_STEP + 1] <= MOST && row_of(call) <= MOST && row_of(call) * rows <= FAR;
}

static void copy_rows_every(float *to, const float *from, int64_t step, const dms_copy_shape *s) {
    for (int64_t r = 0; r < s->rows; r++, from += s->pitch_from, to += s->pitch_to) {
        fill(to, s->low, s->fill);
        for (int64_t j = 0; j < s->n; j++)
            to[s->low + j] = from[j * step];
        fill(to + s->low + s->n, s->tail, s->fill);
    }
}

/* One phase of the image: rows from `row` of the plane on, columns from
 * `column` on. */
static void load_phase(const dms_call *call, const plane *p, const float *x, int64_t row,
                       int64_t column, float *to) {
    const dms_view *v = &call->view[0];
    int64_t above, below, low, high;
    dms_pool_range(row, 1, v->dim[2], p->rows, &above, &below);
    dms_pool_range(column, p->step, v->dim[3], p->columns, &low, &high);
    if (low == high)
        below = above;
    fill(to, above * p->columns, 0.0f);
    const dms_copy_shape shape = {below - above, high - low, low, p->columns - high,
                                  v->pitch[2],   p->columns, 0.0f};
    const float *from = x + (row + above) * v->pitch[2] + column + low * p->step;
    float *const inside = to + above * p->columns;
    if (p->step == 1)
        dms_copy_rows(inside, from, &shape);
    else if (p->step == 2)
        dms_copy_rows_every2(inside, from, &shape);
    else
        copy_rows_every(inside, from, p->step, &shape);
    fill(to + below * p->columns, (p->rows - below) * p->columns, 0.0f);
}

/* N vectors of a row of averages from output j on. */
#define AVERAGES(N)                                                                                \
    static DMS_NOINLINE void averages_##N(const plane *p, const float *image, float rows,          \
                                          int64_t j, int64_t n, float *y) {                        \
        vec sum[N];                                                                                \
        DMS_UNROLL                                                                                 \
        for (int v = 0; v < (N); v++)                                                              \
            sum[v] = ALL(0.0f);                                                                    \
        for (int64_t t = 0; t < p->n_taps; t++) {                                                  \
            const float *const at = image + p->offset[t] + j;                                      \
            DMS_UNROLL                                                                             \
            for (int v = 0; v < (N); v++)                                                          \
                sum[v] = ADD(sum[v], LOAD(at + v * WIDTH));                                        \
        }                                                                                          \
        DMS_UNROLL                                                                                 \
        for (int v = 0; v < (N); v++) {                                                            \
            const int64_t at = j + v * WIDTH;                                                      \
            put(y + at, n - at, DIV(sum[v], MUL(LOAD(p->inside + at), ALL(rows))));                \
        }                                                                                          \
    }
AVERAGES(1)
AVERAGES(2)
AVERAGES(4)

/* A row of averages; `image` is the first row of its windows, of which `rows`
 * are counted. */
static void average_row(const plane *p, const float *image, float rows, int64_t n, float *y) {
    int64_t j = 0;
    for (; n - j > 3 * WIDTH; j += 4 * WIDTH)
        averages_4(p, image, rows, j, n, y);
    for (; n - j > WIDTH; j += 2 * WIDTH)
        averages_2(p, image, rows, j, n, y);
    for (; j < n; j += WIDTH)
        averages_1(p, image, rows, j, n, y);
}

/* What all planes of a part share. */
static void open_bands(const dms_call *call, int64_t band, plane *p) {
    const int64_t *i = call->i;
    const int64_t wide = i[DMS_POOL_WINDOW + 1], n = call->view[1].dim[3];
    p->step = i[DMS_POOL_STEP + 1];
    p->columns = row_of(call) / p->step;
    p->rows = reach_of(call, 0, band);
    p->n_taps = i[DMS_POOL_WINDOW] * wide;
    for (int64_t k = 0; k < p->n_taps; k++) {
        const int64_t dy = k / wide * i[DMS_POOL_DILATION];
        const int64_t dx = k % wide * i[DMS_POOL_DILATION + 1];
        p->offset[k] = (int32_t)((dx % p->step * p->rows + dy) * p->columns + dx / p->step);
    }
    for (int64_t j = 0; j < n; j++)
        p->inside[j] = (float)dms_pool_taps(call, 1, j);
    fill(p->inside + n, SLACK, 1.0f);
}

/* Rows [row, end) of outputs of one plane. */
static void average_plane(const dms_call *call, plane *p, int64_t band, const float *x, float *y,
                          int64_t row, int64_t end) {
    const int64_t *i = call->i;
    const dms_view *v = &call->view[1];
    for (; row < end; row += band) {
        for (int64_t phase = 0; phase < p->step; phase++)
            load_phase(call, p, x, row * i[DMS_POOL_STEP] - i[DMS_POOL_PAD],
                       phase - i[DMS_POOL_PAD + 1], p->image + phase * p->rows * p->columns);
        for (int64_t r = row; r < end && r < row + band; r++)
            average_row(p, p->image + (r - row) * i[DMS_POOL_STEP] * p->columns,
                        (float)dms_pool_taps(call, 0, r), v->dim[3], y + r * v->pitch[2]);
    }
}

static void run_averages(const dms_cpu_job *job, const dms_pool_part *part) {
    const dms_call *call = job->call;
    plane *p = job->scratch;
    const int64_t rows = part->row_end - part->row;
    int64_t band = (NEAR / row_of(call) - reach_of(call, 0, 1)) / call->i[DMS_POOL_STEP] + 1;
    band = band < 1 ? 1 : band > rows ? rows : band;
    open_bands(call, band, p);
    for (int64_t k = part->plane; k < part->plane_end; k++)
        average_plane(call, p, band, plane_at(job, 0, k), plane_at(job, 1, k), part->row,
                      part->row_end);
}

/* ---- maxima
 * ----------------------------------------------------------------------------------
 */

/* Of the rows of a window, per column: image columns [low, high) of those that
 * windows reach. */
typedef struct maxima {
    int64_t low, high;
    float of_rows[MOST + SLACK];
} maxima;

static bool fits_maxima(const dms_call *call) {
    const int64_t step = call->i[DMS_POOL_STEP + 1];
    return call->i[DMS_POOL_FN] == DMS_POOL_MAX && step <= MOST &&
           reach_of(call, 1, call->view[1].dim[3]) + WIDTH * step <= MOST;
}

/* Maxima of n rows that lie `next` apart, from the first column that exists on.
 * The last vector may meet some columns twice. */
static void take_rows(maxima *m, const float *x, int64_t n, int64_t next) {
    const int64_t columns = m->high - m->low;
    float *const to = m->of_rows + m->low;
    for (int64_t j = 0; j < columns; j += WIDTH) {
        const int64_t at = j + WIDTH <= columns || columns < WIDTH ? j : columns - WIDTH;
        vec most = load_some(x + at, columns);
        for (int64_t k = 1; k < n; k++)
            most = GREATER(most, load_some(x + at + k * next, columns));
        put(to + at, columns, most);
    }
}

/* Elements 0, step, 2 step, ... */
DMS_FN vec load_every(const float *x, int64_t step) {
    float some[WIDTH];
    if (step == 1)
        return LOAD(x);
    if (step == 2)
        return EVEN(LOAD(x), LOAD(x + WIDTH));
    for (int j = 0; j < WIDTH; j++)
        some[j] = x[j * step];
    return LOAD(some);
}

/* Maxima of the columns of n windows. */
DMS_FN void take_columns(const maxima *m, int64_t wide, int64_t dilation, int64_t step, int64_t n,
                         float *y) {
    for (int64_t j = 0; j < n; j += WIDTH) {
        const float *const at = m->of_rows + j * step;
        vec most = load_every(at, step);
        for (int64_t k = 1; k < wide; k++)
            most = GREATER(most, load_every(at + k * dilation, step));
        put(y + j, n - j, most);
    }
}

/* One row of outputs; x is the plane. */
static void maximum_row(const dms_call *call, maxima *m, const float *x, float *y, int64_t row) {
    const dms_view *v = &call->view[0];
    const int64_t *i = call->i;
    const int64_t dilation = i[DMS_POOL_DILATION], step = i[DMS_POOL_STEP + 1];
    const int64_t at = row * i[DMS_POOL_STEP] - i[DMS_POOL_PAD], n = call->view[1].dim[3];
    int64_t top, bottom;
    dms_pool_range(at, dilation, v->dim[2], i[DMS_POOL_WINDOW], &top, &bottom);
    if (top == bottom || m->low == m->high)
        fill(m->of_rows + m->low, m->high - m->low, -INFINITY);
    else
        take_rows(m, x + (at + top * dilation) * v->pitch[2] + m->low - i[DMS_POOL_PAD + 1],
                  bottom - top, dilation * v->pitch[2]);
    const int64_t wide = i[DMS_POOL_WINDOW + 1], across = i[DMS_POOL_DILATION + 1];
    if (step == 1)
        take_columns(m, wide, across, 1, n, y);
    else if (step == 2)
        take_columns(m, wide, across, 2, n, y);
    else
        take_columns(m, wide, across, step, n, y);
}

static void run_maxima(const dms_cpu_job *job, const dms_pool_part *part) {
    const dms_call *call = job->call;
    maxima *m = job->scratch;
    const int64_t reach = reach_of(call, 1, call->view[1].dim[3]);
    dms_pool_range(-call->i[DMS_POOL_PAD + 1], 1, call->view[0].dim[3], reach, &m->low, &m->high);
    fill(m->of_rows, reach + SLACK, -INFINITY);
    for (int64_t k = part->plane; k < part->plane_end; k++)
        for (int64_t row = part->row; row < part->row_end; row++)
            maximum_row(call, m, plane_at(job, 0, k),
                        plane_at(job, 1, k) + row * call->view[1].pitch[2], row);
}

/* ---- lanes
 * -----------------------------------------------------------------------------------
 */

#ifdef __FMA__

static bool fits_lanes(const dms_call *call) {
    return is_plain(call) && call->view[1].dim[3] == 1 && call->i[DMS_POOL_DILATION + 1] == 1;
}

DMS_FN vec take(bool is_max, vec r, vec x) {
    return is_max ? GREATER(r, x) : ADD(r, x);
}

/* n elements side by side of DMS_V planes join what they have. */
DMS_FN vec take_run(bool is_max, vec r, const float *x, int64_t pitch, int64_t n) {
    vec v[DMS_QUAD];
    int64_t k = 0;
    for (; k + DMS_QUAD <= n; k += DMS_QUAD) {
        dms_turn_in(x + k, pitch, v);
        for (int j = 0; j < DMS_QUAD; j++)
            r = take(is_max, r, v[j]);
    }
    for (; k < n; k++) {
        float one[WIDTH];
        for (int c = 0; c < WIDTH; c++)
            one[c] = x[c * pitch + k];
        r = take(is_max, r, LOAD(one));
    }
    return r;
}

/* Output row `row` of DMS_V planes, whose first elements are x and y. */
static void run_lanes(const dms_call *call, bool is_max, const float *x, float *y, int64_t row) {
    const dms_view *v = &call->view[0];
    const int64_t *i = call->i;
    int64_t top, bottom, left, right;
    const int64_t at = row * i[DMS_POOL_STEP] - i[DMS_POOL_PAD];
    dms_pool_range(at, i[DMS_POOL_DILATION], v->dim[2], i[DMS_POOL_WINDOW], &top, &bottom);
    dms_pool_range(-i[DMS_POOL_PAD + 1], 1, v->dim[3], i[DMS_POOL_WINDOW + 1], &left, &right);
    vec r = ALL(is_max ? -INFINITY : 0.0f);
    const int64_t next = i[DMS_POOL_DILATION] * v->pitch[2], n = right - left;
    const float *from =
        x + (at + top * i[DMS_POOL_DILATION]) * v->pitch[2] + left - i[DMS_POOL_PAD + 1];
    if (next == n)
        r = take_run(is_max, r, from, v->pitch[1], n * (bottom - top));
    else
        for (int64_t k = top; k < bottom; k++, from += next)
            r = take_run(is_max, r, from, v->pitch[1], n);
    if (!is_max)
        r = DIV(r, ALL((float)(dms_pool_taps(call, 0, row) * dms_pool_taps(call, 1, 0))));
    float out[WIDTH];
    STORE(out, r);
    for (int c = 0; c < WIDTH; c++)
        y[c * call->view[1].pitch[1]] = out[c];
}

#else

static bool fits_lanes(const dms_call *call) {
    (void)call;
    return false;
}

static void run_lanes(const dms_call *call, bool is_max, const float *x, float *y, int64_t row) {
    (void)call, (void)is_max, (void)x, (void)y, (void)row; /* never */
}

#endif

int64_t DMS_ISA(dms_pool_lanes)(const dms_cpu_job *job, const dms_pool_part *part) {
    const dms_call *call = job->call;
    const int64_t channels = call->view[1].dim[1];
    const bool is_max = call->i[DMS_POOL_FN] == DMS_POOL_MAX;
    int64_t k = part->plane;
    if (!fits_lanes(call))
        return k;
    while (k < part->plane_end && k % channels + WIDTH <= channels &&
           k + WIDTH <= part->plane_end) {
        for (int64_t row = part->row; row < part->row_end; row++)
            run_lanes(call, is_max, plane_at(job, 0, k),
                      plane_at(job, 1, k) + row * call->view[1].pitch[2], row);
        k += WIDTH;
    }
    return k;
}

bool DMS_ISA(dms_pool_planes)(const dms_cpu_job *job, const dms_pool_part *part) {
    if (is_plain(job->call) && fits_bands(job->call))
        run_averages(job, part);
    else if (is_plain(job->call) && fits_maxima(job->call))
        run_maxima(job, part);
    else
        return false;
    return true;
}
