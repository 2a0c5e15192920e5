/* words.h - elements that are moved, not computed: 1, 2, 4, 8 or 16 bytes whatever their type.
 *
 * Reads    the bytes of an element, and where it lies.
 * Returns  the element in two words, or written.
 * Cost     one access.
 * Source   none.
 * Not here elements as numbers (runtime/kernels/element.h).
 */
#ifndef DMS_RUNTIME_CUDA_WORDS_H
#define DMS_RUNTIME_CUDA_WORDS_H

#include "runtime/cuda/kernels/launch.h"

/* The bits of an element, in its low bytes. */
typedef struct DMS_ALIGNED(16) dms_words {
    uint64_t low, high;
} dms_words;

/* Element `index` of memory of elements of `bytes` bytes. */
DMS_DEVICE dms_words dms_words_load(uint32_t bytes, const void *from, int64_t index) {
    dms_words w;
    w.low = w.high = 0;
    switch (bytes) {
    case 1:
        w.low = ((const uint8_t *)from)[index];
        break;
    case 2:
        w.low = ((const uint16_t *)from)[index];
        break;
    case 4:
        w.low = ((const uint32_t *)from)[index];
        break;
    case 8:
        w.low = ((const uint64_t *)from)[index];
        break;
    case 16:
        w = ((const dms_words *)from)[index];
        break;
    }
    return w;
}

/* Writes it. */
DMS_DEVICE void dms_words_store(uint32_t bytes, dms_words w, void *to, int64_t index) {
    switch (bytes) {
    case 1:
        ((uint8_t *)to)[index] = (uint8_t)w.low;
        break;
    case 2:
        ((uint16_t *)to)[index] = (uint16_t)w.low;
        break;
    case 4:
        ((uint32_t *)to)[index] = (uint32_t)w.low;
        break;
    case 8:
        ((uint64_t *)to)[index] = w.low;
        break;
    case 16:
        ((dms_words *)to)[index] = w;
        break;
    }
}

#endif
