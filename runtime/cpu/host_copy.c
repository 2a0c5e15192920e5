/* host_copy.c - dms_host_copy: memcpy for what fits the caches, stream stores for the rest. */
#include <string.h>

#include "runtime/device.h"

/* Half of a second-level cache: what is copied below this size is likely read again soon. */
#define STREAM_BYTES (512u * 1024u)
#define LINE 64u
#define AHEAD_BYTES 1024u

#if defined(__x86_64__)
#include <emmintrin.h>

/* Copies whole lines to `to`, which is aligned to a line. */
static void copy_lines(uint8_t *to, const uint8_t *from, uint64_t lines) {
    for (uint64_t i = 0; i < lines; i++, to += LINE, from += LINE) {
        _mm_prefetch((const char *)from + AHEAD_BYTES, _MM_HINT_NTA);
        const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
        const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
        const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
        const __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
        _mm_stream_si128((__m128i *)(void *)to, a);
        _mm_stream_si128((__m128i *)(void *)(to + 16), b);
        _mm_stream_si128((__m128i *)(void *)(to + 32), c);
        _mm_stream_si128((__m128i *)(void *)(to + 48), d);
    }
    _mm_sfence(); /* stream stores are not ordered by the release of a timeline */
}
#else
static void copy_lines(uint8_t *to, const uint8_t *from, uint64_t lines) {
    memcpy(to, from, (size_t)(lines * LINE));
}
#endif

void dms_host_copy(void *to, const void *from, uint64_t bytes) {
    uint8_t *target = to;
    const uint8_t *source = from;
    if (bytes < STREAM_BYTES) {
        if (bytes != 0)
            memcpy(target, source, (size_t)bytes);
        return;
    }
    const uint64_t head = (LINE - (uintptr_t)target % LINE) % LINE;
    memcpy(target, source, (size_t)head);
    const uint64_t lines = (bytes - head) / LINE;
    copy_lines(target + head, source + head, lines);
    const uint64_t done = head + lines * LINE;
    memcpy(target + done, source + done, (size_t)(bytes - done));
}
