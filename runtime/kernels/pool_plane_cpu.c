/* pool_plane_cpu.c - maxima and averages of f32 planes, in whole vectors of outputs.
 *
 *      planes   a band of a plane's rows is copied with what windows reach beside it: 0 for an
 *               average, minus infinity for a maximum, neither of which changes a result. Where the
 *               step is not 1, columns are copied apart by their number modulo the step.
 *      lanes    rows of one output (global pools): neighbouring planes are the lanes of a vector.
 *
 * An average adds its taps in the order kh, kw from 0. A maximum is taken of rows first. */
#include <string.h>

#include "runtime/kernels/pool_internal.h"
#include "runtime/kernels/turn_internal.h"

enum {
    NEAR = 8 * 1024,  /* elements of a band, which stay in the first-level cache */
    FAR = 64 * 1024,  /* where a band of one row of outputs is larger */
    MOST = 16 * 1024, /* outputs of a row, and columns of a phase */
    TAPS = 256,
    SLACK = 2 * DMS_V, /* vectors may read and write this far past the end */
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

DMS_FN vec GREATER(vec r, vec x) {
    const mask takes = (x > r) | (x != x);
    return (vec)((takes & (mask)x) | (~takes & (mask)r));
}
#endif

/* A call as bands see it, and the band at hand: image[phase][row][column]. */
typedef struct plane {
    int64_t step, columns; /* phases of the image, columns of each */
    int64_t rows;          /* rows of a phase */
    int64_t n_taps;
    bool is_max;
    int32_t offset[TAPS];            /* average: of each tap in the image */
    int32_t column[TAPS];            /* maximum: of each tap of a row in `highest` */
    float inside[MOST + SLACK];      /* per output of a row: taps of one row that are counted */
    float highest[2 * MOST + SLACK]; /* [phase][column]: the maximum of the rows of a window */
    float image[FAR + SLACK];
} plane;
_Static_assert(sizeof(plane) <= DMS_CPU_SCRATCH_BYTES, "scratch of a thread");

/* Rows of the image of `n` rows of outputs. */
static int64_t rows_of(const dms_call *call, int64_t n) {
    const int64_t *i = call->i;
    return (n - 1) * i[DMS_POOL_STEP] + (i[DMS_POOL_WINDOW] - 1) * i[DMS_POOL_DILATION] + 1;
}

/* Columns of a phase. */
static int64_t columns_of(const dms_call *call) {
    const int64_t *i = call->i, step = i[DMS_POOL_STEP + 1];
    const int64_t reach = (i[DMS_POOL_WINDOW + 1] - 1) * i[DMS_POOL_DILATION + 1];
    return call->view[1].dim[3] + reach / step;
}

/* f32 side by side, without indices. */
static bool is_plain(const dms_call *call) {
    const dms_view *x = &call->view[0], *y = &call->view[1];
    return call->i[DMS_POOL_FN] != DMS_POOL_LP && call->n_out == 1 && x->dtype == DMS_DTYPE_F32 &&
           x->pitch[3] == 1 && (y->pitch[3] == 1 || y->dim[3] == 1);
}

static bool fits_bands(const dms_call *call) {
    const int64_t *i = call->i;
    const int64_t step = i[DMS_POOL_STEP + 1], reach = rows_of(call, 1);
    if (!is_plain(call) || step > MOST || i[DMS_POOL_WINDOW] > TAPS ||
        i[DMS_POOL_WINDOW + 1] > TAPS / i[DMS_POOL_WINDOW])
        return false;
    const int64_t columns = columns_of(call);
    return columns <= MOST && reach <= FAR && step * columns <= 2 * MOST &&
           step * columns * reach <= FAR;
}

/* ---- bands ----------------------------------------------------------------------------------- */

static void fill(float *to, int64_t n, float x) {
    for (int64_t j = 0; j < n; j++)
        to[j] = x;
}

static void copy_rows_every(float *to, const float *from, int64_t step, const dms_copy_shape *s) {
    for (int64_t r = 0; r < s->rows; r++, from += s->pitch_from, to += s->pitch_to) {
        fill(to, s->low, s->fill);
        for (int64_t j = 0; j < s->n; j++)
            to[s->low + j] = from[j * step];
        fill(to + s->low + s->n, s->tail, s->fill);
    }
}

/* One phase of the image: rows from `row` of the plane on, columns from `column` on. */
static void load_phase(const dms_call *call, const plane *p, const float *x, int64_t row,
                       int64_t column, float *to) {
    const dms_view *v = &call->view[0];
    const float none = p->is_max ? -INFINITY : 0.0f;
    int64_t above, below, low, high;
    dms_pool_range(row, 1, v->dim[2], p->rows, &above, &below);
    dms_pool_range(column, p->step, v->dim[3], p->columns, &low, &high);
    if (low == high)
        below = above;
    fill(to, above * p->columns, none);
    const dms_copy_shape shape = {below - above, high - low, low, p->columns - high,
                                  v->pitch[2],   p->columns, none};
    const float *from = x + (row + above) * v->pitch[2] + column + low * p->step;
    float *const inside = to + above * p->columns;
    if (p->step == 1)
        dms_copy_rows(inside, from, &shape);
    else if (p->step == 2)
        dms_copy_rows_every2(inside, from, &shape);
    else
        copy_rows_every(inside, from, p->step, &shape);
    fill(to + below * p->columns, (p->rows - below) * p->columns, none);
}

/* n outputs of a row: the last vector goes through memory, for y ends there. */
DMS_FN void put(float *y, int64_t n, vec v) {
    float some[WIDTH];
    if (n >= WIDTH) {
        STORE(y, v);
        return;
    }
    STORE(some, v);
    memcpy(y, some, (size_t)n * sizeof *y);
}

/* A row of averages; `image` is the first row of its windows, of which `rows` are counted. */
static void average_row(const plane *p, const float *image, float rows, int64_t n, float *y) {
    for (int64_t j = 0; j < n; j += WIDTH) {
        vec sum = ALL(0.0f);
        for (int64_t t = 0; t < p->n_taps; t++)
            sum = ADD(sum, LOAD(image + p->offset[t] + j));
        put(y + j, n - j, DIV(sum, MUL(LOAD(p->inside + j), ALL(rows))));
    }
}

/* A row of maxima. */
static void highest_row(const dms_call *call, plane *p, const float *image, int64_t n, float *y) {
    const int64_t down = call->i[DMS_POOL_DILATION] * p->columns;
    const int64_t high = call->i[DMS_POOL_WINDOW], wide = call->i[DMS_POOL_WINDOW + 1];
    for (int64_t phase = 0; phase < p->step; phase++)
        for (int64_t j = 0; j < p->columns; j += WIDTH) {
            const float *const at = image + phase * p->rows * p->columns + j;
            vec most = LOAD(at);
            for (int64_t k = 1; k < high; k++)
                most = GREATER(most, LOAD(at + k * down));
            STORE(p->highest + phase * p->columns + j, most);
        }
    for (int64_t j = 0; j < n; j += WIDTH) {
        vec most = LOAD(p->highest + p->column[0] + j);
        for (int64_t k = 1; k < wide; k++)
            most = GREATER(most, LOAD(p->highest + p->column[k] + j));
        put(y + j, n - j, most);
    }
}

/* What all planes of a part share. */
static void open_bands(const dms_call *call, int64_t band, plane *p) {
    const int64_t *i = call->i;
    const int64_t wide = i[DMS_POOL_WINDOW + 1], n = call->view[1].dim[3];
    p->step = i[DMS_POOL_STEP + 1];
    p->columns = columns_of(call);
    p->rows = rows_of(call, band);
    p->is_max = i[DMS_POOL_FN] == DMS_POOL_MAX;
    p->n_taps = i[DMS_POOL_WINDOW] * wide;
    for (int64_t k = 0; k < p->n_taps; k++) {
        const int64_t dy = k / wide * i[DMS_POOL_DILATION];
        const int64_t dx = k % wide * i[DMS_POOL_DILATION + 1];
        const int64_t phase = dx % p->step, at = dx / p->step;
        p->offset[k] = (int32_t)((phase * p->rows + dy) * p->columns + at);
        if (k < wide)
            p->column[k] = (int32_t)(phase * p->columns + at);
    }
    for (int64_t j = 0; j < n && !p->is_max; j++)
        p->inside[j] = (float)dms_pool_taps(call, 1, j);
    fill(p->inside + n, SLACK, 1.0f);
}

/* Rows [row, end) of outputs of one plane. */
static void run_plane(const dms_call *call, plane *p, int64_t band, const float *x, float *y,
                      int64_t row, int64_t end) {
    const int64_t *i = call->i;
    const dms_view *v = &call->view[1];
    for (; row < end; row += band) {
        for (int64_t phase = 0; phase < p->step; phase++)
            load_phase(call, p, x, row * i[DMS_POOL_STEP] - i[DMS_POOL_PAD],
                       phase - i[DMS_POOL_PAD + 1], p->image + phase * p->rows * p->columns);
        for (int64_t r = row; r < end && r < row + band; r++) {
            const float *image = p->image + (r - row) * i[DMS_POOL_STEP] * p->columns;
            float *const to = y + r * v->pitch[2];
            if (p->is_max)
                highest_row(call, p, image, v->dim[3], to);
            else
                average_row(p, image, (float)dms_pool_taps(call, 0, r), v->dim[3], to);
        }
    }
}

/* ---- lanes ----------------------------------------------------------------------------------- */

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

/* Where plane `k` of operand `operand` begins. */
static float *plane_at(const dms_cpu_job *job, uint32_t operand, int64_t k) {
    const dms_view *v = &job->call->view[operand];
    return (float *)job->operand[operand] + k / v->dim[1] * v->pitch[0] +
           k % v->dim[1] * v->pitch[1];
}

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
    const dms_call *call = job->call;
    if (!fits_bands(call))
        return false;
    plane *p = job->scratch;
    const int64_t row = call->i[DMS_POOL_STEP + 1] * columns_of(call),
                  rows = part->row_end - part->row;
    int64_t band = (NEAR / row - rows_of(call, 1)) / call->i[DMS_POOL_STEP] + 1;
    band = band < 1 ? 1 : band > rows ? rows : band;
    open_bands(call, band, p);
    for (int64_t k = part->plane; k < part->plane_end; k++)
        run_plane(call, p, band, plane_at(job, 0, k), plane_at(job, 1, k), part->row,
                  part->row_end);
    return true;
}
