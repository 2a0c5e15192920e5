/* turn_internal.h - neighbouring elements of many channels become vectors of channels.
 *
 * Reads    f32 elements that lie side by side, in DMS_V channels with one pitch between them.
 * Returns  one vector per element, with the channels as lanes; and back.
 * Cost     four elements of 16 channels: 16 loads of 16 bytes and 8 shuffles.
 * Source   none; 4 x 4 transposition in every quarter of a vector.
 * Not here instruction sets without FMA, which have loops instead.
 */
#ifndef DMS_RUNTIME_KERNELS_TURN_INTERNAL_H
#define DMS_RUNTIME_KERNELS_TURN_INTERNAL_H

#include "runtime/kernels/vector_internal.h"

enum { DMS_QUAD = 4 };

#ifdef __FMA__
#ifdef __AVX512F__
#define DMS_UNPACK_LOW(a, b) _mm512_unpacklo_ps(a, b)
#define DMS_UNPACK_HIGH(a, b) _mm512_unpackhi_ps(a, b)
#define DMS_PAIRS(a, b, halves) _mm512_shuffle_ps(a, b, halves)

/* Four elements of channels 0, 4, 8 and 12 from `from` on: one quarter of the vector each. */
DMS_FN dms_vec dms_turn_take(const float *from, int64_t pitch) {
    dms_vec v = _mm512_castps128_ps512(_mm_loadu_ps(from));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 4 * pitch), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 8 * pitch), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(from + 12 * pitch), 3);
}

/* The other way round. */
DMS_FN void dms_turn_put(float *to, int64_t pitch, dms_vec v) {
    _mm_storeu_ps(to, _mm512_castps512_ps128(v));
    _mm_storeu_ps(to + 4 * pitch, _mm512_extractf32x4_ps(v, 1));
    _mm_storeu_ps(to + 8 * pitch, _mm512_extractf32x4_ps(v, 2));
    _mm_storeu_ps(to + 12 * pitch, _mm512_extractf32x4_ps(v, 3));
}
#else
#define DMS_UNPACK_LOW(a, b) _mm256_unpacklo_ps(a, b)
#define DMS_UNPACK_HIGH(a, b) _mm256_unpackhi_ps(a, b)
#define DMS_PAIRS(a, b, halves) _mm256_shuffle_ps(a, b, halves)

DMS_FN dms_vec dms_turn_take(const float *from, int64_t pitch) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                _mm_loadu_ps(from + 4 * pitch), 1);
}

DMS_FN void dms_turn_put(float *to, int64_t pitch, dms_vec v) {
    _mm_storeu_ps(to, _mm256_castps256_ps128(v));
    _mm_storeu_ps(to + 4 * pitch, _mm256_extractf128_ps(v, 1));
}
#endif

/* 4 x 4 in every quarter. */
DMS_FN void dms_turn_quarters(dms_vec v[DMS_QUAD]) {
    const dms_vec a = DMS_UNPACK_LOW(v[0], v[1]), b = DMS_UNPACK_HIGH(v[0], v[1]);
    const dms_vec c = DMS_UNPACK_LOW(v[2], v[3]), d = DMS_UNPACK_HIGH(v[2], v[3]);
    v[0] = DMS_PAIRS(a, c, 0x44);
    v[1] = DMS_PAIRS(a, c, 0xee);
    v[2] = DMS_PAIRS(b, d, 0x44);
    v[3] = DMS_PAIRS(b, d, 0xee);
}

/* v[i] = element i of DMS_V channels. */
DMS_FN void dms_turn_in(const float *from, int64_t pitch, dms_vec v[DMS_QUAD]) {
    DMS_UNROLL
    for (int i = 0; i < DMS_QUAD; i++)
        v[i] = dms_turn_take(from + i * pitch, pitch);
    dms_turn_quarters(v);
}

/* Element i of DMS_V channels = v[i]. */
DMS_FN void dms_turn_out(float *to, int64_t pitch, dms_vec v[DMS_QUAD]) {
    dms_turn_quarters(v);
    DMS_UNROLL
    for (int i = 0; i < DMS_QUAD; i++)
        dms_turn_put(to + i * pitch, pitch, v[i]);
}
#endif

#endif
