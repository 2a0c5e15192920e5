/* conv_bytes_cpu.c - convolutions of bytes on the CPU device: eight output channels of a tile are
 * summed (conv_bytes_tile_cpu.c) and finished before the next eight.
 *
 * The image of a tile stays packed for all its output channels; where there are too many terms for
 * that, it is packed again for each eight, block by block. */
#include <string.h>

#include "runtime/kernels/catalogue.h"
#include "runtime/kernels/conv_bytes_body.h"
#include "runtime/kernels/conv_bytes_internal.h"
#include "schema/integers.h"

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

/* ---- numbers ------------------------------------------------------------------------------- */

/* Place of element [group, m] of an operand of numbers. */
static int64_t place_of(const dms_bytes_part *p, uint32_t operand, int64_t m) {
    const dms_view *v = &p->g->call->view[operand];
    return p->group * v->pitch[0] + (v->rank > 1 ? m * v->pitch[1] : 0);
}

static int32_t i32_at(const dms_bytes_part *p, uint32_t operand, int64_t m) {
    return ((const int32_t *)p->job->operand[operand])[place_of(p, operand, m)];
}

static float f32_at(const dms_bytes_part *p, uint32_t operand, int64_t m) {
    return ((const float *)p->job->operand[operand])[place_of(p, operand, m)];
}

/* A zero and the type it belongs to. */
static dms_bytes_kind kind_at(const dms_bytes_part *p, uint32_t operand, int64_t m) {
    const uint8_t byte = ((const uint8_t *)p->job->operand[operand])[place_of(p, operand, m)];
    const bool is_signed = p->g->call->view[operand].dtype == DMS_DTYPE_I8;
    return (dms_bytes_kind){is_signed, is_signed ? (int32_t)(int8_t)byte : (int32_t)byte};
}

/* Zeros of w are often one for all output channels. */
static bool has_one_zero(const dms_bytes_part *p) {
    return p->g->call->view[DMS_BYTES_ZERO_W].pitch[1] == 0;
}

static dms_bytes_weights weights_at(const dms_bytes_part *p, int64_t m) {
    const dms_bytes_geometry *g = p->g;
    const dms_view *v = &g->call->view[DMS_BYTES_W];
    const bool is_panel = g->call->i[DMS_BYTES_LAYOUT] == 1;
    return (dms_bytes_weights){.at = (const uint8_t *)p->job->operand[DMS_BYTES_W] +
                                     p->group * v->pitch[0] +
                                     (is_panel ? m / DMS_BYTES_ROWS : m) * v->pitch[1],
                               .is_panel = is_panel,
                               .is_signed = v->dtype == DMS_DTYPE_I8,
                               .by_rows = g->by_rows,
                               .pitch_m = v->pitch[1],
                               .pitch_c = v->pitch[2],
                               .pitch_h = v->pitch[3],
                               .pitch_w = v->pitch[4],
                               .quads = g->c / DMS_BYTES_QUAD,
                               .wide = g->kernel[1]};
}

/* ---- results ------------------------------------------------------------------------------- */

static void take_off(int64_t n, int32_t *sum, const int32_t *sum_x, int32_t weight) {
    for (int64_t k = 0; k < n; k++)
        sum[k] = (int32_t)((uint32_t)sum[k] - (uint32_t)weight * (uint32_t)sum_x[k]);
}

static void add_to_all(int64_t n, const int32_t *DMS_RESTRICT sum, int32_t add,
                       int32_t *DMS_RESTRICT to) {
    for (int64_t k = 0; k < n; k++)
        to[k] = (int32_t)((uint32_t)sum[k] + (uint32_t)add);
}

static void to_reals(int64_t n, const int32_t *DMS_RESTRICT sum, int32_t add, float scale,
                     float *DMS_RESTRICT to) {
    for (int64_t k = 0; k < n; k++)
        to[k] = dms_bytes_real((uint32_t)sum[k] + (uint32_t)add, scale);
}

/* What turns the sums of an output channel into results. */
typedef struct ending {
    int32_t add, zero;
    float scale, low, high; /* bounds less the zero */
} ending;

static ending ending_at(const dms_bytes_part *p, int64_t m, int32_t correction) {
    const dms_call *call = p->g->call;
    ending e = {.add = correction};
    if (call->n_in <= DMS_BYTES_BIAS)
        return e;
    e.add = (int32_t)((uint32_t)correction + (uint32_t)i32_at(p, DMS_BYTES_BIAS, m));
    e.scale = f32_at(p, DMS_BYTES_SCALE, m);
    if (call->n_in <= DMS_BYTES_ZERO_Y)
        return e;
    e.zero = kind_at(p, DMS_BYTES_ZERO_Y, 0).zero;
    e.low = (float)(call->i[DMS_BYTES_LOW] - e.zero);
    e.high = (float)(call->i[DMS_BYTES_HIGH] - e.zero);
    return e;
}

#ifdef __AVX512BW__
/* 16 sums as bytes. */
DMS_FN __m128i sixteen(__m512i sum, const ending *e) {
    const __m512i x = _mm512_add_epi32(sum, _mm512_set1_epi32(e->add));
    const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(x), _mm512_set1_ps(e->scale));
    const __m512 bounded =
        _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(e->low)), _mm512_set1_ps(e->high));
    const __m512 shift = _mm512_set1_ps(DMS_BYTES_SHIFT);
    const __m512i whole = _mm512_cvttps_epi32(_mm512_sub_ps(_mm512_add_ps(bounded, shift), shift));
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(whole, _mm512_set1_epi32(e->zero)));
}
#endif

static void to_bytes(int64_t n, const int32_t *DMS_RESTRICT sum, const ending *e,
                     uint8_t *DMS_RESTRICT to) {
    int64_t k = 0;
#ifdef __AVX512BW__
    for (; k + 16 <= n; k += 16)
        _mm_storeu_si128((__m128i *)(void *)(to + k), sixteen(_mm512_loadu_si512(sum + k), e));
    if (k < n) { /* sums of further lanes are there; a masked vpmovdb would be slow (Zen 5) */
        const __mmask16 some = (__mmask16)((1 << (n - k)) - 1);
        const __m512i rest = _mm512_maskz_loadu_epi32(some, sum + k);
        _mm_mask_storeu_epi8(to + k, some, sixteen(rest, e));
        return;
    }
#endif
    for (; k < n; k++)
        to[k] =
            dms_bytes_byte((uint32_t)sum[k] + (uint32_t)e->add, e->scale, e->low, e->high, e->zero);
}

/* n results from sums to where `to` points; `n_in` says which. */
static void finish_row(uint32_t n_in, const ending *e, int64_t n, const int32_t *sum, void *to) {
    if (n_in <= DMS_BYTES_BIAS)
        add_to_all(n, sum, e->add, to);
    else if (n_in <= DMS_BYTES_ZERO_Y)
        to_reals(n, sum, e->add, e->scale, to);
    else
        to_bytes(n, sum, e, to);
}

/* One pixel after the other, `rows` output channels of each. */
#define SCATTER(NAME, T)                                                                           \
    static void NAME(int rows, int64_t n, const T *from, int64_t pitch, T *to, int64_t pitch_m,    \
                     int64_t pitch_w) {                                                            \
        for (int64_t k = 0; k < n && rows == DMS_BYTES_ROWS && pitch_m == 1; k++)                  \
            DMS_UNROLL                                                                             \
        for (int r = 0; r < DMS_BYTES_ROWS; r++)                                                   \
            to[k * pitch_w + r] = from[r * pitch + k];                                             \
        for (int64_t k = 0; k < n && (rows != DMS_BYTES_ROWS || pitch_m != 1); k++)                \
            for (int r = 0; r < rows; r++)                                                         \
                to[k * pitch_w + r * pitch_m] = from[r * pitch + k];                               \
    }
SCATTER(scatter_bytes, uint8_t)
SCATTER(scatter_words, uint32_t)

/* The results of output channels [m, m + n) of a tile. */
static void finish(const dms_bytes_part *p, int64_t m, int n, const int32_t *correction) {
    const dms_bytes_geometry *g = p->g;
    const int64_t size = dms_dtype_bytes(g->call->view[g->call->n_in].dtype);
    char *const y =
        (char *)p->job->operand[g->call->n_in] +
        (p->group * g->y.g + p->batch * g->y.b + m * g->y.c + p->column * g->y.w) * size;
    const bool is_row = g->y.w == 1;
    const uint32_t n_in = g->call->n_in;
    ending e[DMS_BYTES_ROWS];
    for (int k = 0; k < n; k++)
        e[k] = ending_at(p, m + k, correction[k]);
    for (int64_t r = 0; r < p->rows; r++) {
        char *const row = y + (p->row + r) * g->y.h * size;
        for (int k = 0; k < n; k++)
            finish_row(n_in, &e[k], p->columns, p->room->sum + k * p->whole + r * g->pitch,
                       is_row ? row + k * g->y.c * size
                              : (char *)p->room->y + k * DMS_BYTES_LANES * size);
        if (is_row)
            continue;
        if (size == 1)
            scatter_bytes(n, p->columns, (const uint8_t *)p->room->y, DMS_BYTES_LANES,
                          (uint8_t *)row, g->y.c, g->y.w);
        else
            scatter_words(n, p->columns, (const uint32_t *)p->room->y, DMS_BYTES_LANES,
                          (uint32_t *)(void *)row, g->y.c, g->y.w);
    }
}

/* ---- sums ---------------------------------------------------------------------------------- */

/* A block of channels, and the quads of it that are summed at once. */
typedef struct stretch {
    int64_t channel, n, quad, end;
} stretch;

/* Whether one stretch is the whole sum: then its image is packed once for a tile. */
static bool is_whole(const dms_bytes_geometry *g) {
    return g->c <= g->block && DMS_ISA(dms_bytes_quads)(g, g->c) <= g->chunk;
}

/* Packs what a stretch reads, and sums it up where a zero of w needs that. Groups of a part share
 * one list of quads. */
static void open_stretch(dms_bytes_part *p, const stretch *s) {
    const bool is_first = s->channel == 0 && s->quad == 0;
    if (s->quad == 0)
        DMS_ISA(dms_bytes_open)(p, s->channel, s->n);
    if (p->steps == 0 || !is_whole(p->g) || p->g->way == DMS_BYTES_ONE_BY_ONE)
        DMS_ISA(dms_bytes_list)(p, s->channel, s->n, s->quad, s->end);
    if (!p->is_centred)
        DMS_ISA(dms_bytes_sum_x)(p, s->end - s->quad, is_first);
}

/* Adds the products of a stretch to the sums of `rows` output channels, of which `real` exist. */
static void sum_stretch(const dms_bytes_part *p, const stretch *s, int64_t m, int rows, int real,
                        const int32_t *zero, int32_t *sum_w) {
    const dms_bytes_geometry *g = p->g;
    const dms_bytes_weights w = weights_at(p, m);
    const int64_t first = s->n == g->c ? s->quad : -1; /* quads of a part of c are no panel */
    const dms_bytes_sums sums = {
        .rows = rows,
        .is_first = s->channel == 0 && s->quad == 0,
        .steps = p->steps,
        .lanes = p->whole,
        .x = p->room->packed,
        .w = DMS_ISA(dms_bytes_pack_weights)(&w, zero, rows, real, p->room->quad, first,
                                             s->end - s->quad, p->room->weights, sum_w),
        .offset = p->room->offset,
        .to = p->room->sum};
    DMS_ISA(dms_bytes_sum)(&sums);
}

/* All stretches one after the other. */
static void sum_all(dms_bytes_part *p, int64_t m, int rows, int real, const int32_t *zero,
                    int32_t *sum_w) {
    const dms_bytes_geometry *g = p->g;
    stretch s = {.channel = 0};
    do {
        s.n = dms_least(g->c - s.channel, g->block);
        const int64_t quads = DMS_ISA(dms_bytes_quads)(g, s.n);
        s.quad = 0;
        do {
            s.end = dms_least(s.quad + g->chunk, quads);
            if (!is_whole(g))
                open_stretch(p, &s);
            sum_stretch(p, &s, m, rows, real, zero, sum_w);
            s.quad = s.end;
        } while (s.quad < quads);
        s.channel += s.n;
    } while (s.channel < g->c);
}

/* Output channels [m, m + real) of a tile. */
static void run_panel(dms_bytes_part *p, int64_t m, int rows, int real) {
    const dms_bytes_geometry *g = p->g;
    int32_t sum_w[DMS_BYTES_ROWS] = {0}, correction[DMS_BYTES_ROWS], zero[DMS_BYTES_ROWS];
    dms_bytes_kind w = {0};
    for (int k = 0; k < real; k++) {
        if (k == 0 || !has_one_zero(p))
            w = kind_at(p, DMS_BYTES_ZERO_W, m + k);
        zero[k] = w.zero;
    }
    sum_all(p, m, rows, real, zero, sum_w);
    for (int k = 0; k < real; k++) {
        w.zero = zero[k];
        const int32_t weight = DMS_ISA(dms_bytes_weight_of_x)(&w);
        correction[k] = DMS_ISA(dms_bytes_correction)(&p->x, &w, g->c * g->taps, sum_w[k]);
        if (weight != 0)
            take_off(p->lanes, p->room->sum + k * p->whole, p->room->sum_x, weight);
    }
    finish(p, m, real, correction);
}

/* Output channels [m, end) of a tile of one group. */
static void run_tile(dms_bytes_part *p, int64_t m, int64_t end) {
    const dms_bytes_geometry *g = p->g;
    p->x = kind_at(p, DMS_BYTES_ZERO_X, 0);
    p->at = (const uint8_t *)p->job->operand[DMS_BYTES_X] + p->group * g->x.g + p->batch * g->x.b;
    p->is_centred = true;
    for (int64_t k = m; k < (has_one_zero(p) ? m + 1 : end); k++) {
        const dms_bytes_kind w = kind_at(p, DMS_BYTES_ZERO_W, k);
        p->is_centred &= DMS_ISA(dms_bytes_weight_of_x)(&w) == 0;
    }
    if (is_whole(g)) {
        const stretch all = {0, g->c, 0, DMS_ISA(dms_bytes_quads)(g, g->c)};
        open_stretch(p, &all);
    }
    while (m < end) {
        const int64_t left = dms_least(end - m, DMS_BYTES_ROWS);
        const int rows = left < 3 ? 1 : DMS_BYTES_ROWS, real = left < 3 ? 1 : (int)left;
        run_panel(p, m, rows, real);
        m += real;
    }
}

static void run_part(const dms_cpu_job *job, const dms_bytes_geometry *g, int64_t index) {
    const int64_t tile = index % (g->down * g->across), width = DMS_ISA(dms_bytes_lanes)();
    int64_t rest = index / (g->down * g->across);
    const int64_t m = rest % g->deep * g->channels;
    rest /= g->deep;
    const int64_t blocks = dms_divide_up(g->groups, g->together);
    const int64_t first = rest % blocks * g->together;
    dms_bytes_part p = {.job = job,
                        .g = g,
                        .room = (dms_bytes_room *)job->scratch,
                        .batch = rest / blocks,
                        .row = tile % g->down * g->rows,
                        .column = tile / g->down * g->columns};
    p.rows = dms_least(g->y.high - p.row, g->rows);
    p.columns = dms_least(g->y.wide - p.column, g->columns);
    p.lanes = (p.rows - 1) * g->pitch + p.columns;
    p.whole = dms_divide_up(p.lanes, width) * width;
    for (p.group = first; p.group < dms_least(first + g->together, g->groups); p.group++)
        run_tile(&p, m, dms_least(m + g->channels, g->m));
}

static uint64_t conv_bytes_parts(const dms_call *call) {
    const dms_bytes_geometry g = DMS_ISA(dms_bytes_plan)(call);
    if (g.rows == 0)
        return 0;
    return (uint64_t)(g.batch * dms_divide_up(g.groups, g.together) * g.deep * g.down * g.across);
}

static void conv_bytes_run(const dms_cpu_job *job, uint64_t first, uint64_t end) {
    const dms_bytes_geometry g = DMS_ISA(dms_bytes_plan)(job->call);
    for (uint64_t k = first; k < end; k++)
        run_part(job, &g, (int64_t)k);
}

const dms_cpu_kernel DMS_ISA(dms_cpu_conv_bytes) = {DMS_K_CONV_BYTES, conv_bytes_parts,
                                                    conv_bytes_run};
