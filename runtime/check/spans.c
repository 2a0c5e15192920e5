/* spans.c - a sorted array of edges, and a tree of bits over it for "next" and "previous". */
#include "runtime/check/spans.h"

#include <stdlib.h>

static int compare_edges(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y); /* equal edges are merged, so their order does not matter */
}

/* Sorts `n` edges and drops repeats; returns how many stay. */
static uint32_t sort_edges(uint64_t *edge, uint32_t n) {
    uint32_t kept = 0;
    if (n > 0)
        qsort(edge, n, sizeof *edge, compare_edges);
    for (uint32_t k = 0; k < n; k++)
        if (kept == 0 || edge[kept - 1] != edge[k])
            edge[kept++] = edge[k];
    return kept;
}

/* A bit above says that the word beneath it is not empty, so setting goes all the way up. */
static void set_bit(dms_spans *spans, uint32_t k) {
    for (uint32_t l = 0; l < DMS_SPAN_LEVELS && spans->start[l] != NULL; l++, k /= 64)
        spans->start[l][k / 64] |= (uint64_t)1 << (k % 64);
}

/* A bit above goes when its word has become empty. */
static void clear_bit(dms_spans *spans, uint32_t k) {
    for (uint32_t l = 0; l < DMS_SPAN_LEVELS && spans->start[l] != NULL; l++, k /= 64) {
        spans->start[l][k / 64] &= ~((uint64_t)1 << (k % 64));
        if (spans->start[l][k / 64] != 0)
            return;
    }
}

/* Goes down from a set bit of level `l` to the lowest or highest set bit of level 0 beneath it. */
static uint32_t descend(const dms_spans *spans, uint32_t l, uint32_t k, bool lowest) {
    while (l-- > 0) {
        const uint64_t word = spans->start[l][k];
        k = 64 * k + (uint32_t)(lowest ? __builtin_ctzll(word) : 63 - __builtin_clzll(word));
    }
    return k;
}

/* The first start at or after edge k; n_edges where there is none. */
static uint32_t next_start(const dms_spans *spans, uint32_t k) {
    for (uint32_t l = 0; l < DMS_SPAN_LEVELS && spans->start[l] != NULL; l++) {
        if (k / 64 >= spans->n_words[l])
            break;
        const uint64_t rest = spans->start[l][k / 64] >> (k % 64);
        if (rest != 0)
            return descend(spans, l, k + (uint32_t)__builtin_ctzll(rest), true);
        k = k / 64 + 1;
    }
    return spans->n_edges;
}

/* The last start at or before edge k; edge 0 always is one. */
static uint32_t start_before(const dms_spans *spans, uint32_t k) {
    for (uint32_t l = 0; l < DMS_SPAN_LEVELS && spans->start[l] != NULL; l++) {
        const uint64_t rest = spans->start[l][k / 64] << (63 - k % 64);
        if (rest != 0)
            return descend(spans, l, k - (uint32_t)__builtin_clzll(rest), false);
        if (k / 64 == 0)
            break;
        k = k / 64 - 1;
    }
    return 0;
}

/* The index of an offset that is an edge. */
static uint32_t edge_of(const dms_spans *spans, uint64_t offset) {
    uint32_t low = 0, high = spans->n_edges - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (spans->edge[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A piece begins at edge k; what it was part of lends it its owner. */
static void split_at(dms_spans *spans, uint32_t k) {
    const uint32_t before = start_before(spans, k);
    if (before == k)
        return;
    spans->owner[k] = spans->owner[before];
    set_bit(spans, k);
}

dms_code dms_spans_init(dms_spans *spans, const dms_plan *plan, dms_tier arena, dms_arena *scratch,
                        dms_status *st) {
    dms_spans s = {0};
    uint32_t n = 0;
    for (uint32_t k = 0; k < plan->n_buffers; k++)
        n += plan->buffer[k].arena == arena ? 1 : 0;
    const uint64_t n_edges = 2 * (uint64_t)n + 1;
    DMS_TRY(dms_alloc_st(scratch, n_edges, sizeof *s.edge, "edges", &s.edge, st));
    n = 1; /* edge 0 is offset 0 */
    for (uint32_t k = 0; k < plan->n_buffers; k++) {
        const dms_buffer *buffer = &plan->buffer[k];
        if (buffer->arena != arena)
            continue;
        s.edge[n++] = buffer->offset;
        s.edge[n++] = buffer->offset + buffer->bytes;
    }
    s.n_edges = sort_edges(s.edge, n);
    DMS_TRY(dms_alloc_st(scratch, s.n_edges, sizeof *s.owner, "owners", &s.owner, st));
    uint32_t words = s.n_edges;
    for (uint32_t l = 0; l < DMS_SPAN_LEVELS && (l == 0 || words > 1); l++) {
        words = words / 64 + (words % 64 != 0);
        s.n_words[l] = words;
        DMS_TRY(dms_alloc_st(scratch, words, sizeof(uint64_t), "pieces", &s.start[l], st));
    }
    s.owner[0] = DMS_NONE;
    set_bit(&s, 0);
    *spans = s;
    return DMS_OK;
}

dms_span_walk dms_spans_visit(dms_spans *spans, uint64_t offset, uint64_t bytes) {
    const dms_span_walk walk = {edge_of(spans, offset), edge_of(spans, offset + bytes)};
    split_at(spans, walk.at);
    split_at(spans, walk.end);
    return walk;
}

bool dms_spans_next(const dms_spans *spans, dms_span_walk *walk, uint32_t *out_owner) {
    if (walk->at >= walk->end)
        return false;
    *out_owner = spans->owner[walk->at];
    walk->at = next_start(spans, walk->at + 1);
    return true;
}

void dms_spans_claim(dms_spans *spans, uint64_t offset, uint64_t bytes, uint32_t owner) {
    dms_span_walk walk = dms_spans_visit(spans, offset, bytes);
    spans->owner[walk.at] = owner;
    for (uint32_t k = next_start(spans, walk.at + 1); k < walk.end; k = next_start(spans, k + 1))
        clear_bit(spans, k);
}
