/* conv_bytes_tile_cpu.c - packs bytes into terms and sums their products.
 *
 * Three forms of one sum, all exact modulo 2^32:
 *
 *     AVX-512 VNNI     vpdpbusd: 4 products of u8 and i8, added to the lane
 *     AVX-512, AVX2    vpmaddwd: 2 products of i16 differences, at most 2 x 255 x 255, then an add
 *     others           the same in C
 *
 * vpmaddubsw is not used: its pairs of products saturate at 16 bits. */
#include <string.h>

#include "runtime/kernels/conv_bytes_internal.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

enum { PAIRS = DMS_BYTES_QUAD / 2 };

#ifdef __AVX512BW__
typedef __m512i vec;
enum { WIDTH = 16 };
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define ZERO() _mm512_setzero_si512()
#define SPREAD(x) _mm512_set1_epi32(x)
#ifdef __AVX512VNNI__
#define DOT(sum, x, w) _mm512_dpbusd_epi32(sum, x, w)
#else
#define DOT(sum, x, w) _mm512_add_epi32(sum, _mm512_madd_epi16(x, w))
#endif
#elif defined(__AVX2__)
typedef __m256i vec;
enum { WIDTH = 8 };
DMS_FN vec LOAD(const void *p) {
    return _mm256_loadu_si256(p);
}
DMS_FN void STORE(void *p, vec v) {
    _mm256_storeu_si256(p, v);
}
#define ZERO() _mm256_setzero_si256()
#define SPREAD(x) _mm256_set1_epi32(x)
#define DOT(sum, x, w) _mm256_add_epi32(sum, _mm256_madd_epi16(x, w))
#else
typedef uint32_t vec __attribute__((vector_size(16)));
typedef int16_t pairs __attribute__((vector_size(16)));
enum { WIDTH = 4 };
DMS_FN vec LOAD(const void *p) {
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}
DMS_FN void STORE(void *p, vec v) {
    memcpy(p, &v, sizeof v);
}
#define ZERO() ((vec){0, 0, 0, 0})
DMS_FN vec SPREAD(int32_t x) {
    const uint32_t u = (uint32_t)x;
    return (vec){u, u, u, u};
}
DMS_FN vec DOT(vec sum, vec x, vec w) {
    const pairs a = (pairs)x, b = (pairs)w;
    for (int k = 0; k < WIDTH; k++)
        sum[k] += (uint32_t)(a[2 * k] * b[2 * k]) + (uint32_t)(a[2 * k + 1] * b[2 * k + 1]);
    return sum;
}
#endif

int DMS_ISA(dms_bytes_lanes)(void) {
    return WIDTH;
}

/* ---- packing x ----------------------------------------------------------------------------- */

#ifdef __AVX512VNNI__
/* The first n bytes, n from 1 to 16. */
DMS_FN __m128i row_of(const uint8_t *p, int64_t n) {
    return _mm_maskz_loadu_epi8((__mmask16)(0xffffu >> (16 - n)), p);
}

/* The rows one behind the other; their quads of lanes side by side; then byte by byte. */
DMS_FN __m512i join(__m128i a, __m128i b, __m128i c, __m128i d) {
    const __m512i quads = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i bytes =
        _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
    __m512i z = _mm512_inserti32x4(_mm512_castsi128_si512(a), b, 1);
    z = _mm512_inserti32x4(_mm512_inserti32x4(z, c, 2), d, 3);
    return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(quads, z), bytes);
}

void DMS_ISA(dms_bytes_pack)(const uint8_t *const *row, int64_t lanes, int64_t pitch,
                             const dms_bytes_kind *kind, uint8_t *to) {
    const __m512i flip = _mm512_set1_epi8(kind->is_signed ? -128 : 0);
    const uint8_t *const a = row[0], *const b = row[1], *const c = row[2], *const d = row[3];
    (void)pitch;
    for (int64_t k = 0; k < lanes; k += WIDTH) {
        const int64_t n = lanes - k < WIDTH ? lanes - k : WIDTH;
        const __m512i z =
            join(row_of(a + k, n), row_of(b + k, n), row_of(c + k, n), row_of(d + k, n));
        STORE(to + k * 4, _mm512_xor_si512(z, flip));
    }
}

/* A step of one pixel: n of its bytes, 0 behind them. */
static void put_rest(const uint8_t *x, int64_t n, const dms_bytes_kind *kind, uint8_t *to) {
    for (int64_t k = 0; k < 4; k++)
        to[k] = k < n ? (uint8_t)(x[k] ^ (kind->is_signed ? 128 : 0)) : 0;
}

/* The whole steps of up to 16 pixels; returns the terms that they have. */
static int64_t put_steps(const uint8_t *x, int64_t pitch_x, int64_t terms, int64_t lanes,
                         int64_t pitch, const dms_bytes_kind *kind, uint8_t *to) {
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)pitch_x));
    const __m512i flip = _mm512_set1_epi8(kind->is_signed ? -128 : 0);
    const __mmask16 some = (__mmask16)(lanes >= 16 ? 0xffff : (1 << lanes) - 1);
    int64_t k = 0;
    if (pitch_x > INT32_MAX / 16)
        return 0;
    for (; k + 4 <= terms; k += 4) {
        const __m512i x4 = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), some, at, x + k, 1);
        STORE(to + k * pitch, _mm512_xor_si512(x4, flip));
    }
    return k;
}
#else
DMS_FN int16_t difference(const uint8_t *x, const dms_bytes_kind *kind) {
    return (int16_t)((kind->is_signed ? (int32_t)(int8_t)*x : (int32_t)*x) - kind->zero);
}

static void put_rest(const uint8_t *x, int64_t n, const dms_bytes_kind *kind, uint8_t *to) {
    const int16_t pair[2] = {difference(x, kind), n < 2 ? 0 : difference(x + 1, kind)};
    memcpy(to, pair, sizeof pair);
}

static int64_t put_steps(const uint8_t *x, int64_t pitch_x, int64_t terms, int64_t lanes,
                         int64_t pitch, const dms_bytes_kind *kind, uint8_t *to) {
    const int64_t whole = terms / 2 * 2;
    for (int64_t l = 0; l < lanes; l++)
        for (int64_t k = 0; k < whole; k += 2) {
            const uint8_t *at = x + l * pitch_x + k;
            const int16_t pair[2] = {difference(at, kind), difference(at + 1, kind)};
            memcpy(to + (k / 2 * pitch + l) * 4, pair, sizeof pair);
        }
    return whole;
}

/* Two rows as pairs, from lane `first` on. */
DMS_FN void pack_tail(const uint8_t *a, const uint8_t *b, int64_t first, int64_t lanes,
                      const dms_bytes_kind *kind, uint8_t *to) {
    for (int64_t k = first; k < lanes; k++) {
        const int16_t pair[2] = {difference(a + k, kind), difference(b + k, kind)};
        memcpy(to + k * 4, pair, sizeof pair);
    }
}

#ifdef __AVX2__
/* WIDTH pairs of bytes as i16. */
DMS_FN vec widen(const uint8_t *a, const uint8_t *b, bool is_signed) {
#ifdef __AVX512BW__
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    const __m256i z = _mm256_set_m128i(_mm_unpackhi_epi8(x, y), _mm_unpacklo_epi8(x, y));
    return is_signed ? _mm512_cvtepi8_epi16(z) : _mm512_cvtepu8_epi16(z);
#else
    const __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)a);
    const __m128i y = _mm_loadl_epi64((const __m128i *)(const void *)b);
    const __m128i z = _mm_unpacklo_epi8(x, y);
    return is_signed ? _mm256_cvtepi8_epi16(z) : _mm256_cvtepu8_epi16(z);
#endif
}

DMS_FN vec less(vec x, int32_t zero) {
#ifdef __AVX512BW__
    return _mm512_sub_epi16(x, _mm512_set1_epi16((int16_t)zero));
#else
    return _mm256_sub_epi16(x, _mm256_set1_epi16((int16_t)zero));
#endif
}

static void pack_pair(const uint8_t *a, const uint8_t *b, int64_t lanes, const dms_bytes_kind *kind,
                      uint8_t *to) {
    int64_t k = 0;
    for (; k + WIDTH <= lanes; k += WIDTH)
        STORE(to + k * 4, less(widen(a + k, b + k, kind->is_signed), kind->zero));
    pack_tail(a, b, k, lanes, kind, to);
}
#else
static void pack_pair(const uint8_t *a, const uint8_t *b, int64_t lanes, const dms_bytes_kind *kind,
                      uint8_t *to) {
    pack_tail(a, b, 0, lanes, kind, to);
}
#endif

void DMS_ISA(dms_bytes_pack)(const uint8_t *const *row, int64_t lanes, int64_t pitch,
                             const dms_bytes_kind *kind, uint8_t *to) {
    for (int p = 0; p < PAIRS; p++)
        pack_pair(row[2 * p], row[2 * p + 1], lanes, kind, to + p * pitch * 4);
}
#endif

void DMS_ISA(dms_bytes_pack_turned)(const uint8_t *x, int64_t pitch_x, int64_t terms, int64_t lanes,
                                    int64_t pitch, const dms_bytes_kind *kind, uint8_t *to) {
    const int64_t each = DMS_BYTES_STEP_TERMS;
    for (int64_t l = 0; l < lanes; l += 16) {
        const int64_t n = lanes - l < 16 ? lanes - l : 16;
        const uint8_t *const from = x + l * pitch_x;
        int64_t k = put_steps(from, pitch_x, terms, n, pitch, kind, to + l * 4);
        for (; k < terms; k += each)
            for (int64_t j = 0; j < n; j++)
                put_rest(from + j * pitch_x + k, terms - k, kind,
                         to + (k / each * pitch + l + j) * 4);
    }
}

/* ---- packing w ----------------------------------------------------------------------------- */

/* Term 0 of a quad in row r; the distance to the next in *out_pitch. */
DMS_FN const uint8_t *quad_of(const dms_bytes_weights *w, int r, const dms_bytes_quad *q,
                              int64_t *out_pitch) {
    if (w->is_panel) {
        const int64_t tap = q->row * w->wide + q->column;
        *out_pitch = 1;
        return w->at + ((tap * w->quads + q->channel / DMS_BYTES_QUAD) * DMS_BYTES_ROWS + r) *
                           DMS_BYTES_QUAD;
    }
    *out_pitch = w->by_rows ? w->pitch_h : w->pitch_c;
    return w->at + r * w->pitch_m + q->channel * w->pitch_c + q->row * w->pitch_h +
           q->column * w->pitch_w;
}

#ifdef __AVX512VNNI__
/* What eight rows of packed weights sum up to. Four chains hide the latency of one. */
static void add_panel(const uint8_t *w, int64_t steps, int32_t *sum) {
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i r = ZERO(), s = ZERO(), t = ZERO(), u = ZERO();
    int64_t k = 0;
    for (; k + 8 <= steps; k += 8) {
        r = DOT(r, ones, LOAD(w + k * 32));
        s = DOT(s, ones, LOAD(w + k * 32 + 64));
        t = DOT(t, ones, LOAD(w + k * 32 + 128));
        u = DOT(u, ones, LOAD(w + k * 32 + 192));
    }
    r = _mm512_add_epi32(_mm512_add_epi32(r, s), _mm512_add_epi32(t, u));
    __m256i all = _mm256_add_epi32(_mm512_castsi512_si256(r), _mm512_extracti64x4_epi64(r, 1));
    for (; k < steps; k++)
        all = _mm256_dpbusd_epi32(all, _mm512_castsi512_si256(ones),
                                  _mm256_loadu_si256((const void *)(w + k * 32)));
    const __m256i before = _mm256_loadu_si256((const __m256i *)(const void *)sum);
    _mm256_storeu_si256((__m256i *)(void *)sum, _mm256_add_epi32(before, all));
}

/* One row, `pitch` bytes from quad to quad. */
static void pack_row(const dms_bytes_weights *w, int r, const dms_bytes_quad *quad, int64_t n,
                     int64_t pitch, uint8_t *to, int32_t *sum) {
    const uint8_t flip = w->is_signed ? 0 : 128;
    int32_t all = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t next;
        const uint8_t *at = quad_of(w, r, &quad[k], &next);
        for (int32_t j = 0; j < quad[k].n; j++) {
            const uint8_t byte = at[j * next] ^ flip;
            to[k * pitch + j] = byte;
            all += (int8_t)byte;
        }
    }
    *sum += all;
}

const uint8_t *DMS_ISA(dms_bytes_pack_weights)(const dms_bytes_weights *w, const int32_t *zero,
                                               int rows, int real, const dms_bytes_quad *quad,
                                               int64_t first, int64_t n, uint8_t *room,
                                               int32_t *sum) {
    (void)zero;
    if (w->is_panel && w->is_signed && first >= 0) {
        const uint8_t *at = w->at + first * DMS_BYTES_ROWS * DMS_BYTES_QUAD;
        add_panel(at, n, sum);
        return at;
    }
    memset(room, 0, (size_t)(n * rows * 4));
    for (int r = 0; r < real; r++)
        pack_row(w, r, quad, n, rows * 4, room + r * 4, &sum[r]);
    return room;
}

int32_t DMS_ISA(dms_bytes_correction)(const dms_bytes_kind *x, const dms_bytes_kind *w, int64_t n,
                                      int32_t sum_w) {
    const uint32_t zero_x = (uint32_t)(x->zero + (x->is_signed ? 128 : 0));
    const uint32_t zero_w = (uint32_t)DMS_ISA(dms_bytes_weight_of_x)(w);
    return (int32_t)((uint32_t)n * zero_x * zero_w - zero_x * (uint32_t)sum_w);
}

int32_t DMS_ISA(dms_bytes_weight_of_x)(const dms_bytes_kind *w) {
    return w->zero - (w->is_signed ? 0 : 128);
}
#else
/* One row, as many steps per quad as it has; `pitch` bytes from step to step. */
static void pack_row(const dms_bytes_weights *w, int r, int32_t zero, const dms_bytes_quad *quad,
                     int64_t n, int64_t pitch, uint8_t *to) {
    for (int64_t k = 0; k < n; k++) {
        int64_t next;
        const uint8_t *at = quad_of(w, r, &quad[k], &next);
        for (int32_t j = 0; j < quad[k].n; j += 2, to += pitch) {
            const dms_bytes_kind kind = {w->is_signed, zero};
            const bool has_second = j + 1 < quad[k].n;
            const int16_t pair[2] = {difference(at + j * next, &kind),
                                     has_second ? difference(at + (j + 1) * next, &kind) : 0};
            memcpy(to, pair, sizeof pair);
        }
    }
}

const uint8_t *DMS_ISA(dms_bytes_pack_weights)(const dms_bytes_weights *w, const int32_t *zero,
                                               int rows, int real, const dms_bytes_quad *quad,
                                               int64_t first, int64_t n, uint8_t *room,
                                               int32_t *sum) {
    (void)first;
    (void)sum;
    if (real < rows)
        memset(room, 0, (size_t)(n * DMS_BYTES_STEPS * rows * 4));
    for (int r = 0; r < real; r++)
        pack_row(w, r, zero[r], quad, n, rows * 4, room + r * 4);
    return room;
}

int32_t DMS_ISA(dms_bytes_correction)(const dms_bytes_kind *x, const dms_bytes_kind *w, int64_t n,
                                      int32_t sum_w) {
    (void)x;
    (void)w;
    (void)n;
    (void)sum_w;
    return 0;
}

int32_t DMS_ISA(dms_bytes_weight_of_x)(const dms_bytes_kind *w) {
    (void)w;
    return 0;
}
#endif

/* ---- sums ---------------------------------------------------------------------------------- */

DMS_FN int32_t step_at(const uint8_t *w) {
    int32_t step;
    memcpy(&step, w, sizeof step);
    return step;
}

#define FOR_SUMS(M, N)                                                                             \
    DMS_UNROLL                                                                                     \
    for (int r = 0; r < (M); r++)                                                                  \
        DMS_UNROLL                                                                                 \
    for (int v = 0; v < (N); v++)

/* M rows, N vectors from lane `lane` on; they stay out of line as those of tile_cpu.c do. */
#define SUMS(M, N)                                                                                 \
    static DMS_NOINLINE void sums_##M##_##N(const dms_bytes_sums *s, int64_t lane) {               \
        vec sum[M][N], x[N];                                                                       \
        int32_t *const to = s->to + lane;                                                          \
        const uint8_t *const at = s->x + lane * 4, *w = s->w;                                      \
        const int32_t *const offset = s->offset;                                                   \
        const int64_t pitch_to = s->lanes, steps = s->steps;                                       \
        FOR_SUMS(M, N)                                                                             \
        sum[r][v] = s->is_first ? ZERO() : LOAD(to + r * pitch_to + v * WIDTH);                    \
        for (int64_t k = 0; k < steps; k++, w += (M)*4) {                                          \
            const uint8_t *const from = at + (int64_t)offset[k] * 4;                               \
            DMS_UNROLL                                                                             \
            for (int v = 0; v < (N); v++)                                                          \
                x[v] = LOAD(from + v * WIDTH * 4);                                                 \
            DMS_UNROLL                                                                             \
            for (int r = 0; r < (M); r++) {                                                        \
                const vec b = SPREAD(step_at(w + r * 4));                                          \
                DMS_UNROLL                                                                         \
                for (int v = 0; v < (N); v++)                                                      \
                    sum[r][v] = DOT(sum[r][v], x[v], b);                                           \
            }                                                                                      \
        }                                                                                          \
        FOR_SUMS(M, N) STORE(to + r * pitch_to + v * WIDTH, sum[r][v]);                            \
    }

SUMS(8, 1)
SUMS(1, 1)
SUMS(1, 4)
#ifdef __AVX512BW__
SUMS(8, 2)
SUMS(8, 3)
SUMS(1, 8)
#endif

/* Eight rows. */
static void sum_panel(const dms_bytes_sums *s) {
    int64_t lane = 0;
#ifdef __AVX512BW__
    for (; lane + 3 * WIDTH <= s->lanes; lane += 3 * WIDTH)
        sums_8_3(s, lane);
    for (; lane + 2 * WIDTH <= s->lanes; lane += 2 * WIDTH)
        sums_8_2(s, lane);
#endif
    for (; lane < s->lanes; lane += WIDTH)
        sums_8_1(s, lane);
}

void DMS_ISA(dms_bytes_sum)(const dms_bytes_sums *s) {
    if (s->rows != 1) {
        sum_panel(s);
        return;
    }
    int64_t lane = 0;
#ifdef __AVX512BW__
    for (; lane + 8 * WIDTH <= s->lanes; lane += 8 * WIDTH)
        sums_1_8(s, lane);
#endif
    for (; lane + 4 * WIDTH <= s->lanes; lane += 4 * WIDTH)
        sums_1_4(s, lane);
    for (; lane < s->lanes; lane += WIDTH)
        sums_1_1(s, lane);
}

void DMS_ISA(dms_bytes_sum_x)(const dms_bytes_part *p, int64_t n, bool is_first) {
    dms_bytes_room *room = p->room;
#ifdef __AVX512VNNI__
    for (int64_t k = 0; k < n; k++) /* a 1 for each term */
        for (int j = 0; j < DMS_BYTES_QUAD; j++)
            room->weights[k * 4 + j] = j < room->quad[k].n ? 1 : 0;
    const dms_bytes_sums s = {
        1, is_first, n, p->whole, room->packed, room->weights, room->offset, room->sum_x};
    DMS_ISA(dms_bytes_sum)(&s);
#else
    (void)n;
    (void)is_first;
    memset(room->sum_x, 0, (size_t)p->whole * sizeof room->sum_x[0]);
#endif
}
