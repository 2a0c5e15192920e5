/* arena.h - where do the data structures of a compile, or of an open session, live?
 *
 * Reads    nothing.
 * Returns  zeroed memory that lives until its mark is released or the arena is freed.
 * Cost     amortised O(bytes); blocks of 64 KiB growing to 1 MiB, larger ones on their own.
 * Source   none; the usual bump allocator with marks.
 * Not here the tier arenas of a plan (runtime/device.h): this is the program's own memory.
 */
#ifndef DMS_SCHEMA_ARENA_H
#define DMS_SCHEMA_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/status.h"

typedef struct dms_arena_block dms_arena_block;

/* A bump allocator. Zero-initialise, or use dms_arena_init for a limit.
 * `fail_at` counts down successful requests: the tests use it to fail the n-th one (0 = never). */
typedef struct dms_arena {
    dms_arena_block *last;
    uint64_t used_bytes;  /* of all blocks taken from the system */
    uint64_t limit_bytes; /* 0 = no limit */
    uint64_t fail_at;
    bool has_failed; /* some request was refused: for code between that does not say why it fails */
} dms_arena;

/* A moment in the life of an arena: everything allocated later can be released at once. */
typedef struct dms_arena_mark {
    dms_arena_block *block;
    size_t used;
} dms_arena_mark;

/* Starts an empty arena that never takes more than `limit_bytes` (0 = no limit). */
void dms_arena_init(dms_arena *arena, uint64_t limit_bytes);

/* Returns all memory to the system; the arena is empty and usable again. */
void dms_arena_free(dms_arena *arena);

/* Allocates `count` zeroed objects of `size` bytes, aligned to 64 bytes when 64 or larger, else 16.
 * Errors   NULL when count x size overflows, the limit is passed or the system has no memory.
 * Owner    the arena; a count of 0 gives a valid pointer. */
void *dms_alloc(dms_arena *arena, uint64_t count, uint64_t size);

/* Like dms_alloc, but the bytes are what they are: room that is written before it is read. Of a
 * large one the system gives only what is touched. */
void *dms_alloc_untouched(dms_arena *arena, uint64_t bytes);

/* Like dms_alloc, but fills `st` (DMS_EINTERNAL, "out of memory: <what>") on failure. */
DMS_CHECKED dms_code dms_alloc_st(dms_arena *arena, uint64_t count, uint64_t size, const char *what,
                                  void *out_ptr, dms_status *st);

/* Grows an array of the arena to hold at least `need` objects: capacity doubles, contents move.
 * Errors   DMS_EINTERNAL as above; *array and *capacity are then untouched. */
DMS_CHECKED dms_code dms_grow(dms_arena *arena, void *array, uint32_t *capacity, uint64_t need,
                              uint64_t size, dms_status *st);

/* Copies a string of `length` bytes and adds a 0; NULL on failure. */
char *dms_strndup(dms_arena *arena, const char *text, uint64_t length);

/* printf into the arena; NULL on failure. */
char *dms_format(dms_arena *arena, const char *fmt, ...) DMS_FORMAT(2, 3);

/* Remembers this moment. */
dms_arena_mark dms_arena_here(const dms_arena *arena);

/* Releases everything allocated after `mark`. */
void dms_arena_release(dms_arena *arena, dms_arena_mark mark);

/* Objects for libraries that want to give them back one by one; what they forget is still known.
 * Zero-initialise. `fail_at` as in dms_arena. */
typedef struct dms_heap {
    struct dms_heap_piece *last;
    uint64_t n_pieces, fail_at;
} dms_heap;

/* A new object (`old` NULL), or an old one with another size and its bytes as far as they fit:
 * aligned to 16 bytes, not zeroed. NULL on failure; `old` is then as it was. */
void *dms_heap_resize(dms_heap *heap, void *old, uint64_t bytes);

/* Gives one object back; NULL is allowed. */
void dms_heap_drop(dms_heap *heap, void *object);

/* Gives back all that is left. */
void dms_heap_free(dms_heap *heap);

/* Typed allocation of `n` zeroed objects: `T *x = DMS_NEW(arena, T, n)`, NULL on failure. */
#define DMS_NEW(arena, T, n) ((T *)dms_alloc((arena), (n), sizeof(T)))

#endif
