/* conv_bytes_image_cpu.c - the image of a tile as packed planes. Pixels come
 *
 *     directly     one tap, pixels side by side: four channels are the rows of a plane
 *     turned       one tap, channels side by side: as a product of matrices has them
 *     from planes  padded copies of the image for each remainder of rows and columns modulo the
 *                  step (a phase); taps are offsets, and lanes between two rows are summed in vain.
 *                  Four channels share a plane, or the rows of four taps of a column do:
 *
 *                      lane  = bytes 0 to 3      channels c .. c + 3 of one pixel
 *                                                rows ky .. ky + 3 of the window, one channel
 *     one by one   where a window is too large for planes: a plane per quad
 */
#include <string.h>

#include "runtime/kernels/conv_bytes_internal.h"
#include "schema/integers.h"

#ifdef __AVX512BW__
#include <immintrin.h>
#endif

/* ---- rows ---------------------------------------------------------------------------------- */

/* n pixels of an image row, `step` apart from column `first` on; the zero beside it. Up to 63 more
 * may be written behind them. */
static void copy_row_plain(const dms_bytes_part *p, const uint8_t *row, int64_t first, int64_t step,
                           int64_t n, uint8_t *to) {
    const int64_t wide = p->g->x.wide, pitch = p->g->x.w * step;
    const int64_t low = first >= 0 ? 0 : dms_least(n, dms_divide_up(-first, step));
    const int64_t end =
        first >= wide ? low : dms_most(low, dms_least(n, dms_divide_up(wide - first, step)));
    memset(to, p->x.zero, (size_t)low);
    for (int64_t k = low; k < end; k++)
        to[k] = row[first * p->g->x.w + k * pitch];
    memset(to + end, p->x.zero, (size_t)(n - end));
}

#ifdef __AVX512BW__
/* Bits [low, end) of 64. */
DMS_FN __mmask64 bits_of(int64_t low, int64_t end) {
    const uint64_t all = ~UINT64_C(0);
    if (end <= 0 || low >= 64 || end <= low)
        return 0;
    return (end >= 64 ? all : (UINT64_C(1) << end) - 1) & (low <= 0 ? all : all << low);
}

/* Every second byte of 64. */
DMS_FN __m256i every_second(__m512i x) {
    return _mm512_cvtepi16_epi8(x);
}

static void copy_row(const dms_bytes_part *p, const uint8_t *row, int64_t first, int64_t step,
                     int64_t n, uint8_t *to) {
    const int64_t wide = p->g->x.wide;
    const __m512i zero = _mm512_set1_epi8((char)p->x.zero);
    if (p->g->x.w != 1 || step > 2) {
        copy_row_plain(p, row, first, step, n, to);
        return;
    }
    const int64_t each = step == 1 ? 64 : 32;
    for (int64_t k = 0; k < n; k += each) {
        const int64_t at = first + k * step;
        const __m512i x =
            _mm512_mask_loadu_epi8(zero, bits_of(-at, dms_least(wide - at, 64)), row + at);
        if (step == 1)
            _mm512_storeu_si512(to + k, x);
        else
            _mm256_storeu_si256((__m256i *)(void *)(to + k), every_second(x));
    }
}
#else
static void copy_row(const dms_bytes_part *p, const uint8_t *row, int64_t first, int64_t step,
                     int64_t n, uint8_t *to) {
    copy_row_plain(p, row, first, step, n, to);
}
#endif

/* ---- planes -------------------------------------------------------------------------------- */

static bool is_used(const dms_bytes_geometry *g, int axis, int64_t phase) {
    return (g->used[axis] >> phase & 1) != 0;
}

/* The rows of one phase of a channel. */
static void fill_phase(const dms_bytes_part *p, const uint8_t *channel, int64_t down,
                       int64_t across, uint8_t *to) {
    const dms_bytes_geometry *g = p->g;
    const int64_t column = p->column * g->step[1] - g->pad[1] + across;
    for (int64_t r = 0; r < g->phase_high; r++, to += g->pitch) {
        const int64_t row = (p->row + r) * g->step[0] - g->pad[0] + down;
        if (row < 0 || row >= g->x.high)
            memset(to, p->x.zero, (size_t)g->pitch);
        else
            copy_row(p, channel + row * g->x.h, column, g->step[1], g->pitch, to);
    }
}

/* Plane number `k` of those that are packed. */
static uint8_t *plane_at(const dms_bytes_part *p, int64_t k) {
    return p->room->packed + k * DMS_BYTES_STEPS * p->g->plane * 4;
}

/* Four channels from `first` on, `n` of which exist: one plane per phase. */
static void pack_channels(const dms_bytes_part *p, int64_t first, int64_t n, int64_t plane) {
    const dms_bytes_geometry *g = p->g;
    const int64_t size = g->phase_high * g->pitch;
    const uint8_t *row[DMS_BYTES_QUAD];
    for (int64_t phase = 0; phase < g->step[0] * g->step[1]; phase++) {
        const int64_t down = phase / g->step[1], across = phase % g->step[1];
        if (!is_used(g, 0, down) || !is_used(g, 1, across))
            continue;
        for (int64_t c = 0; c < n; c++)
            fill_phase(p, p->at + (first + c) * g->x.c, down, across, p->room->raw + c * size);
        for (int64_t c = 0; c < DMS_BYTES_QUAD; c++)
            row[c] = p->room->raw + (c < n ? c : 0) * size;
        DMS_ISA(dms_bytes_pack)(row, size, g->plane, &p->x, plane_at(p, plane + phase));
    }
}

/* One channel: a plane per four rows of the window and phase of the columns. */
static void pack_rows(const dms_bytes_part *p, int64_t channel, int64_t plane) {
    const dms_bytes_geometry *g = p->g;
    const int64_t size = g->phase_high * g->pitch,
                  quads = dms_divide_up(g->kernel[0], DMS_BYTES_QUAD);
    const uint8_t *row[DMS_BYTES_QUAD];
    for (int64_t across = 0; across < g->step[1]; across++) {
        if (!is_used(g, 1, across))
            continue;
        for (int64_t down = 0; down < g->step[0]; down++)
            if (is_used(g, 0, down))
                fill_phase(p, p->at + channel * g->x.c, down, across, p->room->raw + down * size);
        for (int64_t q = 0; q < quads; q++) {
            for (int64_t j = 0; j < DMS_BYTES_QUAD; j++) {
                const int64_t tap = dms_least(q * DMS_BYTES_QUAD + j, g->kernel[0] - 1);
                const int64_t y = tap * g->dilation[0];
                row[j] = p->room->raw + y % g->step[0] * size + y / g->step[0] * g->pitch;
            }
            DMS_ISA(dms_bytes_pack)
            (row, g->rows * g->pitch, g->plane, &p->x,
             plane_at(p, plane + q * g->step[1] + across));
        }
    }
}

/* ---- blocks -------------------------------------------------------------------------------- */

int64_t DMS_ISA(dms_bytes_quads)(const dms_bytes_geometry *g, int64_t n) {
    return g->by_rows ? n * g->kernel[1] * dms_divide_up(g->kernel[0], DMS_BYTES_QUAD)
                      : g->taps * dms_divide_up(n, DMS_BYTES_QUAD);
}

void DMS_ISA(dms_bytes_open)(const dms_bytes_part *p, int64_t first, int64_t n) {
    const dms_bytes_geometry *g = p->g;
    const uint8_t *row[DMS_BYTES_QUAD];
    if (g->way == DMS_BYTES_TURNED)
        DMS_ISA(dms_bytes_pack_turned)
    (p->at + p->column * g->x.w + first, g->x.w, n, p->lanes, g->plane, &p->x, p->room->packed);
    if (g->way == DMS_BYTES_TURNED || g->way == DMS_BYTES_ONE_BY_ONE)
        return;
    for (int64_t c = 0; c < n && g->by_rows; c++)
        pack_rows(p, first + c, c * dms_divide_up(g->kernel[0], DMS_BYTES_QUAD) * g->step[1]);
    for (int64_t c = 0; c < n && !g->by_rows; c += DMS_BYTES_QUAD) {
        const int64_t real = dms_least(n - c, DMS_BYTES_QUAD);
        if (g->way == DMS_BYTES_PLANES) {
            pack_channels(p, first + c, real, c / DMS_BYTES_QUAD * g->step[0] * g->step[1]);
            continue;
        }
        for (int64_t j = 0; j < DMS_BYTES_QUAD; j++)
            row[j] = p->at + (first + c + (j < real ? j : 0)) * g->x.c + p->column;
        DMS_ISA(dms_bytes_pack)(row, p->lanes, g->plane, &p->x, plane_at(p, c / DMS_BYTES_QUAD));
    }
}

/* Quad number `k` of channels [first, first + n). */
static dms_bytes_quad quad_at(const dms_bytes_geometry *g, int64_t first, int64_t n, int64_t k) {
    if (g->by_rows) {
        const int64_t high = dms_divide_up(g->kernel[0], DMS_BYTES_QUAD);
        const int64_t row = k % high * DMS_BYTES_QUAD;
        return (dms_bytes_quad){first + k / high / g->kernel[1], (int32_t)row,
                                (int32_t)(k / high % g->kernel[1]),
                                (int32_t)dms_least(g->kernel[0] - row, DMS_BYTES_QUAD)};
    }
    const int64_t quads = dms_divide_up(n, DMS_BYTES_QUAD), c = k % quads * DMS_BYTES_QUAD;
    return (dms_bytes_quad){first + c, (int32_t)(k / quads / g->kernel[1]),
                            (int32_t)(k / quads % g->kernel[1]),
                            (int32_t)dms_least(n - c, DMS_BYTES_QUAD)};
}

/* The lane of the packed planes where lane 0 of a quad is; `c` is its channel in the block. */
static int64_t lane_of(const dms_bytes_geometry *g, const dms_bytes_quad *q, int64_t c) {
    const int64_t x = q->column * g->dilation[1], across = x % g->step[1];
    if (g->way != DMS_BYTES_PLANES)
        return c / DMS_BYTES_QUAD * DMS_BYTES_STEPS * g->plane;
    if (g->by_rows) {
        const int64_t quads = dms_divide_up(g->kernel[0], DMS_BYTES_QUAD);
        const int64_t plane = (c * quads + q->row / DMS_BYTES_QUAD) * g->step[1] + across;
        return plane * DMS_BYTES_STEPS * g->plane + x / g->step[1];
    }
    const int64_t y = q->row * g->dilation[0];
    const int64_t phase = y % g->step[0] * g->step[1] + across;
    const int64_t plane = c / DMS_BYTES_QUAD * g->step[0] * g->step[1] + phase;
    return plane * DMS_BYTES_STEPS * g->plane + y / g->step[0] * g->pitch + x / g->step[1];
}

/* Packs the pixels of one quad. */
static void pack_pixels(const dms_bytes_part *p, const dms_bytes_quad *q, int64_t plane) {
    const dms_bytes_geometry *g = p->g;
    const uint8_t *row[DMS_BYTES_QUAD];
    const int64_t size = DMS_BYTES_LANES + DMS_BYTES_SLACK;
    const int64_t column = p->column * g->step[1] - g->pad[1] + q->column * g->dilation[1];
    for (int64_t j = 0; j < DMS_BYTES_QUAD; j++) {
        const int64_t real = j < q->n ? j : 0;
        const uint8_t *channel = p->at + (q->channel + real) * g->x.c;
        uint8_t *to = p->room->raw + j * size;
        row[j] = to;
        for (int64_t r = 0; r < p->rows; r++, to += g->pitch) {
            const int64_t y = (p->row + r) * g->step[0] - g->pad[0] + q->row * g->dilation[0];
            if (y < 0 || y >= g->x.high)
                memset(to, p->x.zero, (size_t)p->columns);
            else
                copy_row_plain(p, channel + y * g->x.h, column, g->step[1], p->columns, to);
        }
    }
    DMS_ISA(dms_bytes_pack)(row, p->lanes, g->plane, &p->x, plane_at(p, plane));
}

void DMS_ISA(dms_bytes_list)(dms_bytes_part *p, int64_t first, int64_t n, int64_t from,
                             int64_t end) {
    const dms_bytes_geometry *g = p->g;
    p->steps = 0;
    for (int64_t k = from; k < end; k++) {
        dms_bytes_quad *q = &p->room->quad[k - from];
        *q = quad_at(g, first, n, k);
        int64_t lane = lane_of(g, q, q->channel - first);
        if (g->way == DMS_BYTES_ONE_BY_ONE) {
            pack_pixels(p, q, k - from);
            lane = (k - from) * DMS_BYTES_STEPS * g->plane;
        }
        for (int32_t t = 0; t < q->n; t += DMS_BYTES_STEP_TERMS, lane += g->plane)
            p->room->offset[p->steps++] = (int32_t)lane;
    }
}
