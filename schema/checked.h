/* checked.h - arithmetic on sizes that came from a file.
 *
 * Reads    nothing.
 * Returns  true when the exact result fits and was stored; false leaves *out unspecified.
 * Cost     one instruction more than the bare operator.
 * Source   GCC's overflow builtins.
 * Not here what to say when it does not fit (the caller names the thing).
 */
#ifndef DMS_SCHEMA_CHECKED_H
#define DMS_SCHEMA_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every offset and size in an arena is a multiple of this. */
#define DMS_ALIGN 256u

/* a * b in unsigned 64 bits. */
static inline bool dms_mul(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

/* a + b in unsigned 64 bits. */
static inline bool dms_add(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* a * b in signed 64 bits. */
static inline bool dms_mul_i64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

/* a + b in signed 64 bits. */
static inline bool dms_add_i64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* `size` rounded up to a multiple of `align`, a power of two. */
static inline bool dms_align_up(uint64_t size, uint64_t align, uint64_t *out) {
    return dms_add(size, align - 1, out) && (*out &= ~(align - 1), true);
}

/* [offset, offset + size) lies inside [0, limit). */
static inline bool dms_range_fits(uint64_t offset, uint64_t size, uint64_t limit) {
    return size <= limit && offset <= limit - size;
}

/* A 64-bit size as size_t, where the two differ. */
static inline bool dms_to_size(uint64_t value, size_t *out) {
    return !__builtin_add_overflow(value, (uint64_t)0, out);
}

#endif
