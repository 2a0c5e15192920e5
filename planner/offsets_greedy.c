/* offsets_greedy.c - packings by order: first fit, best fit, skyline, and promotion.
 *
 * First fit takes buffers in an order and puts each at the lowest offset where nothing meets it,
 * best fit into the smallest such gap. The skyline takes whichever buffer has the lowest place on
 * top of all it meets. Promotion packs again with the buffers that ended too high moved forward.
 */
#include <stdlib.h>
#include <string.h>

#include "planner/offsets_internal.h"
#include "schema/arena.h"

#define MOST_POPS 20000000u /* of the skyline's heap, about 4 s */
#define N_KEYS 3

/* A buffer where it lies. */
typedef struct shelf {
    int64_t offset, end;
    dms_span span;
} shelf;

/* A buffer in the heap of the skyline. */
typedef struct entry {
    int64_t offset;
    uint32_t rank;
} entry;

/* What packings share. */
typedef struct packer {
    const dms_lives *lives;
    dms_sections sections;
    uint32_t *order, *best_order;
    int64_t *offset; /* of the packing under way */
    int64_t *best;   /* the caller's: the lowest packing so far */
    int64_t best_top;
    shelf *shelf; /* by offset */
    uint32_t n_shelves;
    double *rank;        /* of promotion */
    int64_t *high, *all; /* segment tree over the sections: largest, and what all of it has; -1 */
    int32_t n_leaves;
    entry *heap;
    uint32_t n_heap;
} packer;

/* Keeps the packing under way when it is lower; tells whether it fits. */
static bool keep(packer *p, int64_t top) {
    if (top < p->best_top) {
        p->best_top = top;
        memcpy(p->best, p->offset, p->lives->n * sizeof *p->best);
        memcpy(p->best_order, p->order, p->lives->n * sizeof *p->best_order);
    }
    return p->best_top <= p->lives->capacity;
}

/* Lowest offset (or the smallest gap) for a buffer among those that lie. */
static int64_t find_place(const packer *p, const dms_span *span, int64_t size,
                          bool takes_smallest) {
    int64_t at = 0, gap = INT64_MAX, in_gap = -1;
    for (uint32_t k = 0; k < p->n_shelves; k++) {
        const shelf *s = p->shelf + k;
        if (s->offset >= at + size && !takes_smallest)
            break;
        if (!dms_spans_meet(&s->span, span))
            continue;
        if (s->offset - at >= size && s->offset - at < gap) {
            gap = s->offset - at;
            in_gap = at;
        }
        at = s->end > at ? s->end : at;
    }
    return takes_smallest && in_gap >= 0 ? in_gap : at;
}

static void put(packer *p, uint32_t buffer, int64_t at) {
    uint32_t low = 0, high = p->n_shelves;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (p->shelf[middle].offset <= at)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(p->shelf + low + 1, p->shelf + low, (p->n_shelves - low) * sizeof *p->shelf);
    p->shelf[low] = (shelf){at, at + p->lives->life[buffer].size, p->sections.span[buffer]};
    p->n_shelves++;
    p->offset[buffer] = at;
}

/* Packs in the order; gives up where `too_much` is reached. */
static bool fit(packer *p, bool takes_smallest, int64_t too_much) {
    int64_t top = 0;
    p->n_shelves = 0;
    for (uint32_t k = 0; k < p->lives->n && top < too_much; k++) {
        const uint32_t i = p->order[k];
        const int64_t at =
            find_place(p, p->sections.span + i, p->lives->life[i].size, takes_smallest);
        put(p, i, at);
        top = at + p->lives->life[i].size > top ? at + p->lives->life[i].size : top;
    }
    return keep(p, top);
}

/* The segment tree: node x covers the leaves of its range; all[x] >= 0 says they are equal. */
static int64_t highest(const packer *p, int32_t x, int32_t low, int32_t high, int32_t a,
                       int32_t b) {
    if (a >= high || b <= low)
        return 0;
    if ((a <= low && high <= b) || p->all[x] >= 0)
        return p->high[x];
    const int32_t middle = (low + high) / 2;
    const int64_t left = highest(p, 2 * x, low, middle, a, b);
    const int64_t right = highest(p, 2 * x + 1, middle, high, a, b);
    return left > right ? left : right;
}

static void raise(packer *p, int32_t x, int32_t low, int32_t high, const int32_t at[2],
                  int64_t value) {
    if (at[0] >= high || at[1] <= low)
        return;
    if (at[0] <= low && high <= at[1]) {
        p->high[x] = p->all[x] = value;
        return;
    }
    const int32_t middle = (low + high) / 2;
    if (p->all[x] >= 0) {
        p->high[2 * x] = p->all[2 * x] = p->high[2 * x + 1] = p->all[2 * x + 1] = p->all[x];
        p->all[x] = -1;
    }
    raise(p, 2 * x, low, middle, at, value);
    raise(p, 2 * x + 1, middle, high, at, value);
    const int64_t left = p->high[2 * x], right = p->high[2 * x + 1];
    p->high[x] = left > right ? left : right;
}

static bool is_lower(const entry *a, const entry *b) {
    return a->offset != b->offset ? a->offset < b->offset : a->rank < b->rank;
}

static void push(packer *p, entry e) {
    uint32_t k = p->n_heap++;
    for (; k > 0 && is_lower(&e, p->heap + (k - 1) / 2); k = (k - 1) / 2)
        p->heap[k] = p->heap[(k - 1) / 2];
    p->heap[k] = e;
}

static entry pop(packer *p) {
    const entry first = p->heap[0], e = p->heap[--p->n_heap];
    uint32_t k = 0;
    for (uint32_t child = 1; child < p->n_heap; child = 2 * k + 1) {
        if (child + 1 < p->n_heap && is_lower(p->heap + child + 1, p->heap + child))
            child++;
        if (!is_lower(p->heap + child, &e))
            break;
        p->heap[k] = p->heap[child];
        k = child;
    }
    p->heap[k] = e;
    return first;
}

static int64_t lowest_on_top(const packer *p, const dms_span *span) {
    const int64_t here = highest(p, 1, 0, p->n_leaves, span->first, span->last);
    const int64_t wrapped = span->wrap > 0 ? highest(p, 1, 0, p->n_leaves, 0, span->wrap) : 0;
    return here > wrapped ? here : wrapped;
}

/* Keys in the heap are too low at worst: a stale one goes back with its true offset. */
static bool skyline(packer *p) {
    uint32_t n_pops = 0;
    int64_t top = 0;
    memset(p->high, 0, 4 * (size_t)p->n_leaves * sizeof *p->high);
    memset(p->all, 0, 4 * (size_t)p->n_leaves * sizeof *p->all);
    p->n_heap = 0;
    for (uint32_t k = 0; k < p->lives->n; k++)
        push(p, (entry){0, k});
    while (p->n_heap > 0 && top < p->best_top) {
        const entry e = pop(p);
        const uint32_t i = p->order[e.rank];
        const dms_span *span = p->sections.span + i;
        const int64_t at = lowest_on_top(p, span), end = at + p->lives->life[i].size;
        if (++n_pops == MOST_POPS)
            return false;
        if (at > e.offset) {
            push(p, (entry){at, e.rank});
            continue;
        }
        p->offset[i] = at;
        top = end > top ? end : top;
        raise(p, 1, 0, p->n_leaves, (int32_t[2]){span->first, span->last}, end);
        raise(p, 1, 0, p->n_leaves, (int32_t[2]){0, span->wrap}, end);
    }
    return keep(p, top);
}

/* What an order sorts by, the largest first. */
typedef enum key { SIZE, AREA, LENGTH, WRAPS, EARLY, NO_KEY } key;

typedef struct sort_item {
    int64_t key[N_KEYS];
    uint32_t buffer;
} sort_item;

static int by_keys(const void *left, const void *right) {
    const sort_item *a = left, *b = right;
    for (int k = 0; k < N_KEYS; k++)
        if (a->key[k] != b->key[k])
            return a->key[k] > b->key[k] ? -1 : 1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

static int64_t key_of(const dms_lives *lives, const dms_life *life, key which) {
    switch (which) {
    case SIZE:
        return life->size;
    case AREA: {
        int64_t area;
        return __builtin_mul_overflow(life->size, life->end - life->first, &area) ? INT64_MAX
                                                                                  : area;
    }
    case LENGTH:
        return life->end - life->first;
    case WRAPS:
        return lives->cycle > 0 && life->end > lives->cycle;
    case EARLY:
        return -life->first;
    case NO_KEY:
        break;
    }
    return 0;
}

static void sort_by(packer *p, sort_item *items, const key *keys) {
    for (uint32_t i = 0; i < p->lives->n; i++) {
        items[i].buffer = i;
        for (int k = 0; k < N_KEYS; k++)
            items[i].key[k] = key_of(p->lives, p->lives->life + i, keys[k]);
    }
    qsort(items, p->lives->n, sizeof *items, by_keys);
    for (uint32_t i = 0; i < p->lives->n; i++)
        p->order[i] = items[i].buffer;
}

/* Ways of packing, the most successful first (ADDRESSES.md section 4). */
typedef enum rule { FIRST_FIT, BEST_FIT, SKYLINE } rule;

static const struct {
    rule rule;
    key keys[N_KEYS];
} WAYS[] = {
    {FIRST_FIT, {SIZE, AREA, NO_KEY}},  {FIRST_FIT, {AREA, SIZE, NO_KEY}},
    {SKYLINE, {LENGTH, AREA, NO_KEY}},  {SKYLINE, {AREA, SIZE, NO_KEY}},
    {SKYLINE, {SIZE, AREA, NO_KEY}},    {FIRST_FIT, {LENGTH, AREA, NO_KEY}},
    {FIRST_FIT, {WRAPS, EARLY, SIZE}},  {BEST_FIT, {WRAPS, EARLY, SIZE}},
    {SKYLINE, {WRAPS, LENGTH, AREA}},   {SKYLINE, {WRAPS, AREA, NO_KEY}},
    {FIRST_FIT, {WRAPS, AREA, NO_KEY}}, {FIRST_FIT, {WRAPS, LENGTH, AREA}},
    {BEST_FIT, {SIZE, AREA, NO_KEY}},   {BEST_FIT, {AREA, SIZE, NO_KEY}},
};

typedef struct ranked {
    double rank;
    uint32_t buffer;
} ranked;

static int by_rank(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

/* In 0..1. */
static double draw(uint64_t *state) {
    return (double)(dms_sequence(state) >> 11) * 0x1p-53;
}

/* Moves forward whatever ends above a height between the peak and the best top; after a while
 * without success, shakes the order. */
static void promote(packer *p, ranked *items, int64_t peak, uint32_t idle, uint64_t *state) {
    const uint32_t n = p->lives->n;
    const int64_t from = peak + (int64_t)((double)(p->best_top - peak) * draw(state));
    const double share = 0.3 + 0.65 * draw(state);
    for (uint32_t k = 0; k < n; k++)
        p->rank[p->order[k]] = k + 1;
    for (uint32_t i = 0; i < n; i++)
        if (p->offset[i] + p->lives->life[i].size >= (from < p->best_top ? from + 1 : from))
            p->rank[i] *= share * (0.7 + 0.6 * draw(state));
    if (idle % 13 == 12)
        for (uint32_t k = 0; k <= n / 50; k++)
            p->rank[dms_sequence(state) % n] *= 0.5 + draw(state);
    for (uint32_t i = 0; i < n; i++)
        items[i] = (ranked){p->rank[i], i};
    qsort(items, n, sizeof *items, by_rank);
    for (uint32_t k = 0; k < n; k++)
        p->order[k] = items[k].buffer;
}

/* First fit to the end, whatever its top: promotion reads where everything ended. */
static dms_code promote_all(packer *p, uint32_t rounds, uint64_t seed, dms_arena *scratch,
                            dms_status *st) {
    ranked *items;
    int64_t peak;
    uint64_t state = seed;
    DMS_TRY(dms_lives_peak(p->lives, scratch, &peak, st));
    DMS_TRY(dms_alloc_st(scratch, p->lives->n, sizeof *items, "packing", &items, st));
    memcpy(p->order, p->best_order, p->lives->n * sizeof *p->order);
    bool is_done = fit(p, false, INT64_MAX);
    for (uint32_t k = 0, idle = 0; k < rounds && !is_done; k++) {
        const int64_t before = p->best_top;
        promote(p, items, peak, idle, &state);
        is_done = fit(p, false, INT64_MAX);
        idle = p->best_top < before ? 0 : idle + 1;
    }
    return DMS_OK;
}

static dms_code take_memory(packer *p, dms_arena *scratch, dms_status *st) {
    const uint64_t n = p->lives->n, nodes = 4 * (uint64_t)p->n_leaves;
    const struct {
        void *where;
        uint64_t count, size;
    } wanted[] = {
        {&p->order, n, sizeof *p->order},   {&p->best_order, n, sizeof *p->best_order},
        {&p->offset, n, sizeof *p->offset}, {&p->shelf, n + 1, sizeof *p->shelf},
        {&p->rank, n, sizeof *p->rank},     {&p->high, nodes, sizeof *p->high},
        {&p->all, nodes, sizeof *p->all},   {&p->heap, n + 1, sizeof *p->heap},
    };
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++)
        DMS_TRY(
            dms_alloc_st(scratch, wanted[k].count, wanted[k].size, "packing", wanted[k].where, st));
    return DMS_OK;
}

dms_code dms_offsets_greedy(const dms_lives *lives, uint32_t rounds, uint64_t seed,
                            dms_arena *scratch, int64_t *offset, int64_t *out_top, dms_status *st) {
    packer p = {.lives = lives, .best = offset, .best_top = INT64_MAX};
    sort_item *items;
    bool is_done = lives->n == 0;
    DMS_TRY(dms_sections_make(lives, scratch, &p.sections, st));
    p.n_leaves = p.sections.n_sections + 1;
    DMS_TRY(take_memory(&p, scratch, st));
    DMS_TRY(dms_alloc_st(scratch, lives->n, sizeof *items, "packing", &items, st));
    for (size_t k = 0; k < sizeof WAYS / sizeof *WAYS && !is_done; k++) {
        sort_by(&p, items, WAYS[k].keys);
        is_done =
            WAYS[k].rule == SKYLINE ? skyline(&p) : fit(&p, WAYS[k].rule == BEST_FIT, p.best_top);
    }
    if (!is_done && rounds > 0)
        DMS_TRY(promote_all(&p, rounds, seed, scratch, st));
    *out_top = lives->n == 0 ? 0 : p.best_top;
    return DMS_OK;
}
