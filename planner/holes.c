/* holes.c - buckets of slots, and the three ways in which two runs on a cycle can meet. */
#include "planner/addresses_internal.h"
#include "schema/arena.h"

/* A question looks at the buckets its run touches only; with few slots each has a bucket alone. */
#define MAX_BUCKETS 128
#define FEW 40u

dms_code dms_holes_init(dms_holes *holes, int32_t n_slots, const dms_piece *piece,
                        uint64_t max_pieces, dms_arena *arena, dms_status *st) {
    dms_holes h = {.arena = arena, .n_slots = n_slots, .piece = piece};
    h.bucket_slots = (n_slots + MAX_BUCKETS - 1) / MAX_BUCKETS;
    h.n_buckets = (uint32_t)((n_slots + h.bucket_slots - 1) / h.bucket_slots);
    DMS_TRY(dms_alloc_st(arena, h.n_buckets, sizeof *h.bucket, "addresses", &h.bucket, st));
    DMS_TRY(dms_alloc_st(arena, h.n_buckets, sizeof *h.fill, "addresses", &h.fill, st));
    DMS_TRY(dms_alloc_st(arena, h.n_buckets, sizeof *h.cap, "addresses", &h.cap, st));
    DMS_TRY(
        dms_alloc_st(arena, (uint64_t)n_slots, sizeof *h.bucket_of, "addresses", &h.bucket_of, st));
    DMS_TRY(dms_alloc_st(arena, max_pieces, sizeof *h.stay, "addresses", &h.stay, st));
    DMS_TRY(dms_alloc_st(arena, max_pieces, sizeof *h.seen, "addresses", &h.seen, st));
    DMS_TRY(dms_alloc_st(arena, max_pieces, sizeof *h.obstacle, "addresses", &h.obstacle, st));
    DMS_TRY(dms_alloc_st(arena, max_pieces, sizeof *h.sorting, "addresses", &h.sorting, st));
    for (int32_t s = 0; s < n_slots; s++)
        h.bucket_of[s] = (uint32_t)(s / h.bucket_slots);
    *holes = h;
    return DMS_OK;
}

void dms_holes_clear(dms_holes *holes) {
    for (uint32_t b = 0; b < holes->n_buckets; b++)
        holes->fill[b] = 0;
}

/* The slot in 0..T-1. Few are more than a cycle away, and a division takes as long as ten steps. */
static int32_t on_cycle(const dms_holes *holes, int32_t slot) {
    while (slot < 0)
        slot += holes->n_slots;
    while (slot >= holes->n_slots)
        slot -= holes->n_slots;
    return slot;
}

/* The buckets of a run of slots, as a first bucket and a count, each bucket once. A run that
 * comes back into its first bucket over the seam touches them all, like one of T slots. */
static uint32_t buckets_of(const dms_holes *holes, int32_t first, int32_t last,
                           uint32_t *out_first) {
    const int32_t from = on_cycle(holes, first), to = on_cycle(holes, last);
    const uint32_t begin = *out_first = holes->bucket_of[from], end = holes->bucket_of[to];
    if (last - first + 1 >= holes->n_slots || (to < from && end == begin))
        return holes->n_buckets;
    return (end < begin ? end + holes->n_buckets : end) - begin + 1;
}

/* The bucket behind b on the cycle. */
static uint32_t next_bucket(const dms_holes *holes, uint32_t b) {
    return b + 1 < holes->n_buckets ? b + 1 : 0;
}

/* Out of memory is remembered, not returned: the pass goes on with nonsense and its caller asks
 * dms_addresses_failed before it believes anything. */
void dms_holes_put(dms_holes *holes, uint32_t piece) {
    const dms_piece *p = holes->piece + piece;
    const int32_t first = on_cycle(holes, p->start);
    holes->stay[piece] =
        (dms_stay){first, first + (p->end - p->start), p->offset, p->offset + p->units};
    uint32_t b, n = buckets_of(holes, p->start, p->end, &b);
    for (; n > 0; n--, b = next_bucket(holes, b)) {
        if (dms_grow(holes->arena, &holes->bucket[b], &holes->cap[b], (uint64_t)holes->fill[b] + 1,
                     sizeof **holes->bucket, NULL) != DMS_OK) {
            holes->failed = true;
            return;
        }
        holes->bucket[b][holes->fill[b]++] = piece;
    }
}

/* The last of a bucket fills the place: its order is free, for sort_obstacles makes a new one. */
void dms_holes_take(dms_holes *holes, uint32_t piece) {
    const dms_piece *p = holes->piece + piece;
    uint32_t b, n = buckets_of(holes, p->start, p->end, &b);
    for (; n > 0; n--, b = next_bucket(holes, b)) {
        uint32_t *list = holes->bucket[b], at = 0;
        while (at < holes->fill[b] && list[at] != piece)
            at++;
        if (at < holes->fill[b])
            list[at] = list[--holes->fill[b]];
    }
}

/* By low end, stable: a few by insertion, many by counting eight bits at a time. The library's
 * sort took half of the pass where thousands of pieces meet. */
static void sort_obstacles(dms_holes *holes) {
    dms_obstacle *from = holes->obstacle, *to = holes->sorting;
    const uint32_t n = holes->n_obstacles;
    uint64_t highest = 0;
    for (uint32_t i = 0; i < n; i++)
        highest |= (uint64_t)from[i].low;
    if (n < FEW) {
        for (uint32_t i = 1; i < n; i++) {
            const dms_obstacle o = from[i];
            uint32_t at = i;
            for (; at > 0 && from[at - 1].low > o.low; at--)
                from[at] = from[at - 1];
            from[at] = o;
        }
        return;
    }
    for (uint32_t shift = 0; shift < 64 && highest >> shift; shift += 8) {
        uint32_t first[257] = {0};
        for (uint32_t i = 0; i < n; i++)
            first[((uint64_t)from[i].low >> shift & 255) + 1]++;
        for (uint32_t d = 0; d < 256; d++)
            first[d + 1] += first[d];
        for (uint32_t i = 0; i < n; i++)
            to[first[(uint64_t)from[i].low >> shift & 255]++] = from[i];
        dms_obstacle *other = from;
        from = to;
        to = other;
    }
    holes->obstacle = from;
    holes->sorting = to;
}

/* What a question asks, moved so that first lies in 0..T-1. */
typedef struct question {
    int32_t first, need, end, shift;
} question;

/* Adds one piece if it meets first..end. With both runs moved to begin in 0..T-1 they meet
 * directly, or with one of them a cycle later.
 *
 *   slot        0 . . . . . T-1 | T . . . . . 2T-1
 *   direct          [ question ]
 *                [ piece ]
 *   later                 [ question  ]              the piece T later meets the tail
 *                [ piece ]        [ piece ]
 *   sooner       [ quest ]        [ quest ]          the tail of the piece, T earlier
 *                         [   piece   ]
 *
 * Where it shares no slot with need..end it is in the way only while it lasts: `until` is the slot
 * behind its last one, in the copy of the piece that ends closest before `need`. */
static void meet(dms_holes *holes, const question *q, uint32_t id) {
    const dms_stay *p = holes->stay + id;
    const int32_t n = holes->n_slots, start = p->first, end = p->last;
    const bool direct = start <= q->end && q->first <= end;
    const bool later = start + n <= q->end;  /* the piece a cycle later */
    const bool sooner = q->first + n <= end; /* the piece a cycle earlier */
    if (!direct && !later && !sooner)
        return;
    int32_t until = DMS_HOLE_NEVER;
    const bool is_needed = (direct && q->need <= end) || (later && q->need <= end + n) ||
                           (sooner && q->need <= end - n);
    if (!is_needed) {
        until = q->need - on_cycle(holes, q->need - 1 - end) - q->shift;
    }
    holes->obstacle[holes->n_obstacles++] = (dms_obstacle){p->low, p->high, until, id};
}

void dms_holes_ask(dms_holes *holes, int32_t first, int32_t need, int32_t end) {
    const int32_t shift = on_cycle(holes, first) - first;
    const question q = {first + shift, need + shift, end + shift, shift};
    uint32_t b, n = buckets_of(holes, first, end, &b);
    holes->n_obstacles = 0;
    holes->stamp++;
    for (; n > 0; n--, b = next_bucket(holes, b))
        for (uint32_t i = 0; i < holes->fill[b]; i++) {
            const uint32_t id = holes->bucket[b][i];
            if (holes->seen[id] == holes->stamp)
                continue;
            holes->seen[id] = holes->stamp;
            meet(holes, &q, id);
        }
    holes->effort += holes->n_obstacles;
    sort_obstacles(holes);
}

/* One walk up: `low` is the highest end so far of what blocks, so the hole below an obstacle is
 * low..o->low, if that is a hole at all. What has ended by `start` is passed over, so the later the
 * start the fewer the blockers: start_early (addresses.c) bisects on that. */
int64_t dms_holes_find(const dms_holes *holes, int32_t start, int64_t units, dms_fit_hole how) {
    int64_t low = holes->base, found = -1, tightest = INT64_MAX;
    for (uint32_t i = 0; i <= holes->n_obstacles && low < holes->top; i++) {
        int64_t high = holes->top, next = holes->top;
        if (i < holes->n_obstacles) {
            const dms_obstacle *o = holes->obstacle + i;
            if (o->until <= start)
                continue;
            high = o->low < holes->top ? o->low : holes->top;
            next = o->high;
        }
        const int64_t room = high - low;
        if (room >= units) {
            if (how == DMS_FIT_LOWEST)
                return low;
            if (how == DMS_FIT_HIGHEST) {
                found = high - units;
            } else if (room < tightest) {
                tightest = room;
                found = how == DMS_FIT_TIGHTEST_LOW ? low : high - units;
            }
        }
        if (next > low)
            low = next;
    }
    return found;
}
