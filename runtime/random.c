/* random.c - words, and elements made of them. */
#include "runtime/random.h"

#include <string.h>

uint64_t dms_random_word(uint64_t key) {
    key += 0x9e3779b97f4a7c15u;
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
    return key ^ (key >> 31);
}

/* A float cut to f16; what is too small for a normal number becomes 0. */
static uint64_t cut_to_half(uint32_t bits) {
    const uint32_t exponent = bits >> 23 & 255;
    if (exponent < 113 || exponent > 142)
        return 0;
    return (bits >> 16 & 0x8000) | ((exponent - 112) << 10) | (bits >> 13 & 1023);
}

uint64_t dms_random_bits(dms_dtype dtype, uint64_t word, double scale) {
    const double value = ((double)(word >> 11) / 4503599627370496.0 - 1) * scale;      /* 2^52 */
    const float narrow = (float)((double)(word >> 40) / 8388608.0 - 1) * (float)scale; /* 2^23 */
    uint64_t wide_bits;
    uint32_t narrow_bits;
    memcpy(&wide_bits, &value, sizeof value);
    memcpy(&narrow_bits, &narrow, sizeof narrow);
    if (dtype == DMS_DTYPE_F64)
        return wide_bits;
    if (dtype == DMS_DTYPE_F32)
        return narrow_bits;
    if (dtype == DMS_DTYPE_BF16)
        return narrow_bits >> 16;
    return dtype == DMS_DTYPE_F16 ? cut_to_half(narrow_bits) : word & 1;
}
