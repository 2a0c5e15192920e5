/* arena.c - blocks in a list, newest last. The only place that calls the system allocator. */
#include "schema/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/checked.h"

/* Blocks double up to the largest: a small model takes little, a large one few blocks. What is
 * larger than that gets a block of its own size. */
#define FIRST_BLOCK_BYTES (64u * 1024u)
#define LARGEST_BLOCK_BYTES (1024u * 1024u)

/* Header and bytes are one piece from the system, of a multiple of 64 bytes, as aligned_alloc asks.
 *
 *   | before, size, used | pad to 64 | data ... used ... size |
 *                                       ^ 16-byte places, 64 from 64 bytes on
 */
struct dms_arena_block {
    dms_arena_block *before;
    size_t size; /* of `data` */
    size_t used;
    _Alignas(64) unsigned char data[];
};

void dms_arena_init(dms_arena *arena, uint64_t limit_bytes) {
    *arena = (dms_arena){.limit_bytes = limit_bytes};
}

void dms_arena_free(dms_arena *arena) {
    dms_arena_release(arena, (dms_arena_mark){0});
}

/* Takes a block that holds at least `bytes` from the system; NULL when it may not or cannot. */
static dms_arena_block *add_block(dms_arena *arena, uint64_t bytes) {
    uint64_t want = arena->last == NULL ? FIRST_BLOCK_BYTES : 2 * (uint64_t)arena->last->size;
    if (want > LARGEST_BLOCK_BYTES)
        want = LARGEST_BLOCK_BYTES;
    if (want < bytes)
        want = bytes;
    uint64_t total;
    if (!dms_add(want, sizeof(dms_arena_block) + 63, &total))
        return NULL;
    total &= ~(uint64_t)63;
    if (arena->limit_bytes != 0 && !dms_range_fits(arena->used_bytes, total, arena->limit_bytes))
        return NULL;
    dms_arena_block *block = aligned_alloc(64, total);
    if (block == NULL)
        return NULL;
    *block = (dms_arena_block){.before = arena->last, .size = total - sizeof *block};
    arena->last = block;
    arena->used_bytes += total;
    return block;
}

/* The place of `bytes` in a block; NULL where there is none. fail_at is for tests of the way out:
 * the request that counts it down to 0 fails. */
static unsigned char *find_place(dms_arena *arena, uint64_t bytes) {
    if (arena->fail_at != 0 && --arena->fail_at == 0)
        return NULL;
    if (bytes > UINT64_MAX / 2)
        return NULL;
    const size_t align = bytes >= 64 ? 64 : 16;
    dms_arena_block *block = arena->last;
    size_t at = block == NULL ? 0 : (block->used + align - 1) & ~(align - 1);
    if (block == NULL || !dms_range_fits(at, bytes, block->size)) {
        block = add_block(arena, bytes);
        if (block == NULL)
            return NULL;
        at = 0;
    }
    block->used = at + (size_t)bytes;
    return block->data + at;
}

void *dms_alloc_untouched(dms_arena *arena, uint64_t bytes) {
    unsigned char *place = find_place(arena, bytes);
    arena->has_failed |= place == NULL;
    return place;
}

/* Zeroed, also where a mark has been released and the bytes were in use before. */
void *dms_alloc(dms_arena *arena, uint64_t count, uint64_t size) {
    uint64_t bytes;
    void *place = dms_mul(count, size, &bytes) ? dms_alloc_untouched(arena, bytes) : NULL;
    arena->has_failed |= place == NULL;
    return place == NULL ? NULL : memset(place, 0, (size_t)bytes);
}

dms_code dms_alloc_st(dms_arena *arena, uint64_t count, uint64_t size, const char *what,
                      void *out_ptr, dms_status *st) {
    void *p = dms_alloc(arena, count, size);
    if (p == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: %s", what);
    memcpy(out_ptr, &p, sizeof p);
    return DMS_OK;
}

/* The old array stays where it is until the arena goes: doubling wastes less than the final array
 * once more. Pointers to entries are stale after a call that grew. */
dms_code dms_grow(dms_arena *arena, void *array, uint32_t *capacity, uint64_t need, uint64_t size,
                  dms_status *st) {
    if (need <= *capacity)
        return DMS_OK;
    uint64_t wanted = *capacity < 8 ? 16 : 2 * (uint64_t)*capacity;
    if (wanted < need)
        wanted = need;
    if (wanted > UINT32_MAX)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: more than 2^32 entries in a table");
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    DMS_TRY(dms_alloc_st(arena, wanted, size, "growing a table", &grown, st));
    if (*capacity != 0)
        memcpy(grown, old, (size_t)(*capacity * size));
    memcpy(array, &grown, sizeof grown);
    *capacity = (uint32_t)wanted;
    return DMS_OK;
}

char *dms_strndup(dms_arena *arena, const char *text, uint64_t length) {
    uint64_t bytes;
    char *copy = dms_add(length, 1, &bytes) ? dms_alloc(arena, bytes, 1) : NULL;
    if (copy != NULL && length != 0)
        memcpy(copy, text, (size_t)length);
    return copy;
}

char *dms_format(dms_arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = length < 0 ? NULL : dms_alloc(arena, (uint64_t)length + 1, 1);
    if (text == NULL)
        return NULL;
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)length + 1, fmt, args);
    va_end(args);
    return text;
}

dms_arena_mark dms_arena_here(const dms_arena *arena) {
    return (dms_arena_mark){arena->last, arena->last == NULL ? 0 : arena->last->used};
}

/* Blocks newer than the mark go back to the system; in its own block only `used` goes back. */
void dms_arena_release(dms_arena *arena, dms_arena_mark mark) {
    while (arena->last != mark.block) {
        dms_arena_block *gone = arena->last;
        arena->last = gone->before;
        arena->used_bytes -= gone->size + sizeof *gone;
        free(gone);
    }
    if (arena->last != NULL)
        arena->last->used = mark.used;
}

/* An object with its neighbours in front of it. */
typedef struct dms_heap_piece {
    struct dms_heap_piece *before, *next;
    _Alignas(16) unsigned char data[];
} dms_heap_piece;

static dms_heap_piece *piece_of(void *object) {
    return (dms_heap_piece *)(void *)((unsigned char *)object - sizeof(dms_heap_piece));
}

/* Who points at a piece points at where it is now. */
static void join(dms_heap *heap, dms_heap_piece *piece) {
    if (piece->before != NULL)
        piece->before->next = piece;
    if (piece->next != NULL)
        piece->next->before = piece;
    else
        heap->last = piece;
}

void *dms_heap_resize(dms_heap *heap, void *old, uint64_t bytes) {
    uint64_t total;
    if (heap->fail_at != 0 && --heap->fail_at == 0)
        return NULL;
    if (!dms_add(bytes, sizeof(dms_heap_piece), &total))
        return NULL;
    dms_heap_piece *piece = realloc(old == NULL ? NULL : piece_of(old), (size_t)total);
    if (piece == NULL)
        return NULL;
    if (old == NULL) {
        *piece = (dms_heap_piece){.before = heap->last};
        heap->n_pieces++;
    }
    join(heap, piece);
    return piece->data;
}

void dms_heap_drop(dms_heap *heap, void *object) {
    if (object == NULL)
        return;
    dms_heap_piece *piece = piece_of(object);
    if (piece->before != NULL)
        piece->before->next = piece->next;
    if (piece->next != NULL)
        piece->next->before = piece->before;
    else
        heap->last = piece->before;
    heap->n_pieces--;
    free(piece);
}

void dms_heap_free(dms_heap *heap) {
    while (heap->last != NULL)
        dms_heap_drop(heap, heap->last->data);
}
