/* offsets_search.c - depth-first, from the bottom up, on any open buffer.
 *
 * Take a packing in which no buffer can be dropped. An open buffer b either lies below all open
 * buffers that it meets, then at `least`, on top of the placed ones; or one of them lies below it:
 * b is `raised`, and does not lie below the lowest top that those can have. The two cases are the
 * branches of a node. `release` is a lower bound on the final offset. A section's buffers, one
 * after the other in the order of their releases, must end within the capacity.
 *
 * A raised buffer is free again as soon as a neighbour is placed: that one may be what lies below.
 */
#include <stdlib.h>
#include <string.h>

#include "planner/offsets_internal.h"
#include "schema/arena.h"

#define LEAST_TABLE_BITS 12
#define MOST_TABLE_BITS 22
#define DEFAULT_NODES 4000000u
#define MOST_RAISES 2000u /* in one propagation; more would be right, and slow */
#define N_RANKS 4u
#define CLEAR_WEIGHTS 14u /* rounds: never cleared, some instances are not solved at all */
#define FEW_SWAPS 60u
#define MOST_PARTS 64u
#define FAR (INT32_MAX / 4)

/* How a node ends. */
typedef enum outcome { FAILED, SOLVED, STOPPED } outcome;

/* Which buffer a node branches on: one of the tightest section, or the lowest of all. */
typedef enum choice { BY_FIRST_SECTION, BY_FIRST_BUFFER, BY_HEIGHT, N_CHOICES } choice;

/* A word to put back. */
typedef struct change {
    int32_t *where;
    int32_t value;
} change;

/* Sections from..to-1. */
typedef struct stretch {
    int32_t from, to;
} stretch;

typedef struct search {
    const dms_lives *lives;
    const dms_search_options *options;
    dms_sections sections;
    uint32_t n, n_words;
    int32_t capacity; /* in units: the sizes have no common divisor */
    int64_t unit;
    int64_t *total; /* per buffer of the problem: largest sum of sizes in a section of its life */
    /* per buffer in the order of the rank */
    uint32_t *buffer;
    dms_span *span;
    int32_t *size, *offset, *least, *release, *raised;
    uint64_t *meets; /* n x n_words bits */
    uint64_t *open;  /* n_words bits: not placed */
    uint64_t *salt;  /* per buffer of the problem */
    /* per section */
    int32_t *top, *sum, *crossing; /* crossing: open buffers that go on to the next section */
    uint32_t *weight, *seen, stamp;
    uint32_t n_wrapping; /* open ones */
    uint64_t *table;
    int table_bits;
    /* working space */
    change *trail;
    uint32_t n_trail, cap_trail;
    uint32_t *list; /* a stack of lists of open buffers */
    uint64_t n_list, cap_list;
    uint32_t *marked, n_marked, *queue, n_queue, *merged;
    uint8_t *is_marked, *is_queued;
    stretch touched;
    uint64_t n_nodes, limit, n_all_nodes, n_looks;
    choice choice;
    bool is_out_of_memory;
    dms_arena *arena;
} search;

static bool has(const search *s, dms_technique technique) {
    return (s->options->without & technique) == 0;
}

static uint64_t mix(uint64_t x) {
    return dms_sequence(&x);
}

static bool is_open(const search *s, uint32_t b) {
    return (s->open[b / 64] >> (b % 64) & 1) != 0;
}

/* Changes a word so that undo() puts it back. */
static void set(search *s, int32_t *where, int32_t value) {
    dms_status st;
    if (s->n_trail == s->cap_trail &&
        dms_grow(s->arena, &s->trail, &s->cap_trail, (uint64_t)s->n_trail + 1, sizeof *s->trail,
                 &st) != DMS_OK) {
        s->is_out_of_memory = true;
        return;
    }
    s->trail[s->n_trail++] = (change){where, *where};
    *where = value;
}

static void undo(search *s, uint32_t mark) {
    while (s->n_trail > mark) {
        s->n_trail--;
        *s->trail[s->n_trail].where = s->trail[s->n_trail].value;
    }
}

/* The sections of a buffer must be summed up again. */
static void touch(search *s, uint32_t b) {
    const dms_span *span = s->span + b;
    const int32_t from = span->wrap > 0 ? 0 : span->first;
    s->touched.from = from < s->touched.from ? from : s->touched.from;
    s->touched.to = span->last > s->touched.to ? span->last : s->touched.to;
}

/* The release of a buffer has changed. */
static void mark(search *s, uint32_t b) {
    if (!s->is_marked[b])
        s->marked[s->n_marked++] = b;
    s->is_marked[b] = 1;
    touch(s, b);
}

static void drop_marks(search *s) {
    for (uint32_t k = 0; k < s->n_marked; k++)
        s->is_marked[s->marked[k]] = 0;
    s->n_marked = 0;
}

/* Calls for the open neighbours of b, word by word. */
#define FOR_EACH_NEIGHBOUR(s, b, c)                                                                \
    for (uint32_t w_ = 0; w_ < (s)->n_words; w_++)                                                 \
        for (uint64_t bits_ = (s)->meets[(uint64_t)(b) * (s)->n_words + w_] & (s)->open[w_];       \
             bits_ != 0; bits_ &= bits_ - 1)                                                       \
            for (uint32_t c = w_ * 64 + (uint32_t)__builtin_ctzll(bits_), once_ = 1; once_;        \
                 once_ = 0)

static void queue_raised_neighbours(search *s, uint32_t b) {
    FOR_EACH_NEIGHBOUR(s, b, c)
    if (s->raised[c] && !s->is_queued[c]) {
        s->is_queued[c] = 1;
        s->queue[s->n_queue++] = c;
    }
}

/* Lowest offset of a raised buffer: on top of an open neighbour that can end in its way. */
static int32_t lowest_above(const search *s, uint32_t b) {
    const int32_t end = s->least[b] + s->size[b];
    int32_t lowest = FAR;
    FOR_EACH_NEIGHBOUR(s, b, c)
    if (s->release[c] < end && s->release[c] + s->size[c] < lowest)
        lowest = s->release[c] + s->size[c];
    return lowest > s->least[b] ? lowest : s->least[b];
}

static void blame(search *s, int32_t from, int32_t to) {
    if (has(s, DMS_TECHNIQUE_WEIGHTS))
        for (int32_t k = from; k < to; k++)
            s->weight[k]++;
}

/* Raises releases until nothing changes; false when a buffer finds no place. */
static bool propagate(search *s) {
    bool is_possible = true;
    uint32_t n_raises = 0;
    while (s->n_queue > 0) {
        const uint32_t b = s->queue[--s->n_queue];
        s->is_queued[b] = 0;
        if (!is_possible || !s->raised[b] || !has(s, DMS_TECHNIQUE_RELEASE))
            continue;
        const int32_t lowest = lowest_above(s, b);
        s->n_looks++;
        if (lowest > s->capacity - s->size[b]) {
            is_possible = false;
            blame(s, s->span[b].first, s->span[b].last);
            blame(s, 0, s->span[b].wrap);
        } else if (lowest > s->release[b] && n_raises++ < MOST_RAISES) {
            set(s, &s->release[b], lowest);
            mark(s, b);
            queue_raised_neighbours(s, b);
        }
    }
    return is_possible;
}

static bool comes_before(const search *s, uint32_t a, uint32_t b) {
    return s->release[a] != s->release[b] ? s->release[a] < s->release[b] : a < b;
}

/* Insertion: few are marked, and they are nearly in order. */
static void sort_marked(search *s) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->n_marked; k++) {
        const uint32_t b = s->marked[k];
        if (!is_open(s, b)) {
            s->is_marked[b] = 0;
            continue;
        }
        uint32_t at = n++;
        for (; at > 0 && comes_before(s, b, s->marked[at - 1]); at--)
            s->marked[at] = s->marked[at - 1];
        s->marked[at] = b;
    }
    s->n_marked = n;
}

/* Puts the marked buffers where their release says, takes out those that are placed. */
static uint32_t reorder(search *s, uint32_t *list, uint32_t n) {
    uint32_t m = 0, k = 0;
    sort_marked(s);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t b = list[i];
        if (s->is_marked[b] || !is_open(s, b))
            continue;
        while (k < s->n_marked && comes_before(s, s->marked[k], b))
            s->merged[m++] = s->marked[k++];
        s->merged[m++] = b;
    }
    while (k < s->n_marked)
        s->merged[m++] = s->marked[k++];
    drop_marks(s);
    memcpy(list, s->merged, m * sizeof *list);
    return m;
}

/* One machine with release times, in each section of a stretch. */
static void pile(int32_t *sum, int32_t from, int32_t to, int32_t release, int32_t size) {
    for (int32_t k = from; k < to; k++) {
        const int32_t at = sum[k] > release ? sum[k] : release;
        sum[k] = at + size;
    }
}

/* Sums up the touched sections; false when one passes the capacity. */
static bool bound(search *s, const uint32_t *list, uint32_t n) {
    const int32_t from = s->touched.from, to = s->touched.to;
    bool is_possible = true;
    for (int32_t k = from; k < to; k++)
        s->sum[k] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t b = list[i];
        const dms_span *span = s->span + b;
        pile(s->sum, span->first > from ? span->first : from, span->last < to ? span->last : to,
             s->release[b], s->size[b]);
        if (span->wrap > 0)
            pile(s->sum, from, span->wrap < to ? span->wrap : to, s->release[b], s->size[b]);
    }
    for (int32_t k = from; k < to; k++)
        if (s->sum[k] > s->capacity) {
            is_possible = false;
            blame(s, k, k + 1);
        }
    for (int32_t k = from; k < to && is_possible; k++)
        if (s->top[k] != s->sum[k])
            set(s, &s->top[k], s->sum[k]);
    return is_possible;
}

/* After changes: order, then bound. */
static bool settle(search *s, uint32_t *list, uint32_t *n) {
    if (!propagate(s)) {
        drop_marks(s);
        return false;
    }
    *n = reorder(s, list, *n);
    return bound(s, list, *n);
}

/* A state is which buffers are open, with their least offset and whether they are raised. */
static uint64_t hash(const search *s, const uint32_t *list, uint32_t n) {
    uint64_t sum = 0x1234567;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t b = list[i];
        sum += mix(s->salt[s->buffer[b]] + 2 * (uint64_t)s->least[b] + (uint64_t)s->raised[b]);
    }
    return sum;
}

static bool is_known_to_fail(const search *s, uint64_t state) {
    return has(s, DMS_TECHNIQUE_TABLE) && s->table[state >> (64 - s->table_bits)] == state;
}

static void note_failure(search *s, uint64_t state) {
    if (has(s, DMS_TECHNIQUE_TABLE))
        s->table[state >> (64 - s->table_bits)] = state;
}

/* Less room per weight is more urgent. Of equals the first section, so that the search stays
 * together, or that of the first buffer in the rank: neither is better on all instances. */
static bool is_tighter(const search *s, int32_t a, int32_t b) {
    const int64_t room_a = (s->capacity - s->top[a]) * (1 + (int64_t)s->weight[b]);
    const int64_t room_b = (s->capacity - s->top[b]) * (1 + (int64_t)s->weight[a]);
    return room_a != room_b ? room_a < room_b : s->choice == BY_FIRST_SECTION && a < b;
}

/* The tightest section among those whose lowest free buffer is as low as any. The list is in the
 * order of releases: only its free buffers of the lowest release count. */
static uint32_t choose_by_section(search *s, const uint32_t *list, uint32_t n, uint32_t start) {
    const int32_t release = s->release[list[start]];
    uint32_t chosen = list[start];
    int32_t tightest = -1;
    s->stamp++;
    for (uint32_t i = start; i < n && s->release[list[i]] == release; i++) {
        const uint32_t b = list[i];
        const dms_span *span = s->span + b;
        if (s->raised[b])
            continue;
        for (int32_t k = span->first; k < span->last + span->wrap; k++) {
            const int32_t section = k < span->last ? k : k - span->last;
            if (s->seen[section] == s->stamp)
                continue;
            s->seen[section] = s->stamp;
            if (tightest < 0 || is_tighter(s, section, tightest)) {
                tightest = section;
                chosen = b;
            }
        }
    }
    return chosen;
}

/* The buffer to branch on, or s->n when all are raised. */
static uint32_t choose(search *s, const uint32_t *list, uint32_t n) {
    uint32_t start = 0;
    while (start < n && s->raised[list[start]])
        start++;
    if (start == n)
        return s->n;
    return s->choice == BY_HEIGHT ? list[start] : choose_by_section(s, list, n, start);
}

/* Counts b in (1) or out (-1) of the borders between sections that it crosses; tells whether some
 * border is crossed by nobody now. */
static bool cross(search *s, uint32_t b, int32_t by) {
    const dms_span *span = s->span + b;
    bool is_free = false;
    for (int32_t k = span->first; k + 1 < span->last; k++)
        is_free |= (s->crossing[k] += by) == 0;
    for (int32_t k = 0; k + 1 < span->wrap; k++)
        is_free |= (s->crossing[k] += by) == 0;
    if (span->wrap > 0)
        s->n_wrapping += (uint32_t)by;
    return is_free;
}

static outcome run_node(search *s, uint32_t *list, uint32_t n, stretch where);

static uint32_t *push_list(search *s, const uint32_t *from, uint32_t n) {
    uint32_t *list = s->list + s->n_list;
    if (s->n_list + n > s->cap_list) {
        s->is_out_of_memory = true;
        return NULL;
    }
    memcpy(list, from, n * sizeof *list);
    s->n_list += n;
    return list;
}

/* A node unless its state failed before; remembers when it fails. */
static outcome try_node(search *s, uint32_t *list, uint32_t n, stretch where) {
    const uint64_t state = has(s, DMS_TECHNIQUE_TABLE) ? hash(s, list, n) : 0;
    if (is_known_to_fail(s, state))
        return FAILED;
    const outcome result = run_node(s, list, n, where);
    if (result == FAILED)
        note_failure(s, state);
    return result;
}

/* A part of the open buffers. */
typedef struct part {
    uint32_t *list, n;
    stretch where;
} part;

/* The parts of a stretch that no open buffer joins, in lists of their own; 0 = too many. */
static uint32_t cut_parts(search *s, const uint32_t *list, uint32_t n, stretch where, part *parts) {
    uint32_t n_parts = 0;
    int32_t from = where.from;
    for (int32_t k = where.from; k < where.to; k++) {
        if (k + 1 < where.to && s->crossing[k] != 0)
            continue;
        part p = {.list = s->list + s->n_list, .where = {from, k + 1}};
        for (uint32_t i = 0; i < n; i++)
            if (s->span[list[i]].first >= from && s->span[list[i]].last <= k + 1)
                p.list[p.n++] = list[i];
        from = k + 1;
        if (p.n == 0)
            continue;
        if (n_parts == MOST_PARTS)
            return 0;
        s->n_list += p.n;
        parts[n_parts++] = p;
    }
    return n_parts;
}

/* Smallest part first: where it fails, the others are spared. */
static outcome solve_parts(search *s, uint32_t *list, uint32_t n, stretch where) {
    part parts[MOST_PARTS];
    const uint64_t before = s->n_list;
    outcome result = SOLVED;
    if (s->n_wrapping > 0 || !has(s, DMS_TECHNIQUE_SPLIT) || s->n_list + n > s->cap_list)
        return try_node(s, list, n, where);
    const uint32_t n_parts = cut_parts(s, list, n, where, parts);
    if (n_parts < 2) {
        s->n_list = before;
        return n_parts == 0 ? try_node(s, list, n, where) : try_node(s, list, n, parts[0].where);
    }
    for (uint32_t i = 1; i < n_parts; i++) {
        const part p = parts[i];
        uint32_t at = i;
        for (; at > 0 && parts[at - 1].n > p.n; at--)
            parts[at] = parts[at - 1];
        parts[at] = p;
    }
    for (uint32_t i = 0; i < n_parts && result == SOLVED; i++)
        result = try_node(s, parts[i].list, parts[i].n, parts[i].where);
    s->n_list = before;
    return result;
}

/* Puts b at its least offset, below all open neighbours. Returns whether some had to give way. */
static bool put_lowest(search *s, uint32_t b) {
    const int32_t end = s->least[b] + s->size[b];
    bool gave_way = false;
    s->open[b / 64] &= ~((uint64_t)1 << (b % 64));
    s->offset[b] = s->least[b];
    s->touched = (stretch){INT32_MAX, 0};
    touch(s, b);
    FOR_EACH_NEIGHBOUR(s, b, c) {
        if (s->least[c] < end) {
            gave_way = true;
            set(s, &s->least[c], end);
        } else if (!s->raised[c]) {
            continue;
        }
        if (s->raised[c])
            set(s, &s->raised[c], 0);
        if (s->release[c] != s->least[c])
            set(s, &s->release[c], s->least[c]);
        mark(s, c);
    }
    const uint32_t n_moved = s->n_marked;
    queue_raised_neighbours(s, b);
    for (uint32_t k = 0; k < n_moved; k++)
        queue_raised_neighbours(s, s->marked[k]);
    return gave_way;
}

/* The first branch: b below all its open neighbours. */
static outcome try_lowest(search *s, uint32_t b, const uint32_t *list, uint32_t n, stretch where,
                          bool *out_gave_way) {
    const uint32_t before = s->n_trail;
    const uint64_t lists = s->n_list;
    outcome result = FAILED;
    uint32_t m = n;
    *out_gave_way = put_lowest(s, b);
    uint32_t *rest = push_list(s, list, n);
    if (rest != NULL && settle(s, rest, &m)) {
        const bool has_cut = cross(s, b, -1);
        if (m == 0)
            result = SOLVED;
        else
            result = has_cut ? solve_parts(s, rest, m, where) : try_node(s, rest, m, where);
        (void)cross(s, b, 1);
    }
    s->n_queue = 0;
    s->n_list = lists;
    undo(s, before);
    s->open[b / 64] |= (uint64_t)1 << (b % 64);
    return result;
}

/* The second: some open neighbour lies below b. False where that cannot be. */
static bool raise_it(search *s, uint32_t b, uint32_t *list, uint32_t *n) {
    set(s, &s->raised[b], 1);
    s->touched = (stretch){INT32_MAX, 0};
    touch(s, b);
    s->is_queued[b] = 1;
    s->queue[s->n_queue++] = b;
    return settle(s, list, n);
}

static bool has_looked_enough(const search *s) {
    return s->options->max_looks != 0 && s->n_looks >= s->options->max_looks;
}

/* The list belongs to the node, which reorders it. */
static outcome run_node(search *s, uint32_t *list, uint32_t n, stretch where) {
    const uint32_t before = s->n_trail;
    outcome result = FAILED;
    if (++s->n_nodes > s->limit || s->is_out_of_memory || has_looked_enough(s))
        return STOPPED;
    for (;;) {
        bool gave_way;
        const uint32_t b = choose(s, list, n);
        if (b == s->n)
            break;
        result = try_lowest(s, b, list, n, where, &gave_way);
        if (result != FAILED || (!gave_way && has(s, DMS_TECHNIQUE_FREE)))
            break;
        if (!raise_it(s, b, list, &n))
            break;
    }
    undo(s, before);
    return s->is_out_of_memory ? STOPPED : result;
}

/* Width, area, total of a buffer: what ranks are made of. */
typedef struct ranking {
    int64_t key[3];
    uint32_t buffer;
} ranking;

static int by_ranking(const void *left, const void *right) {
    const ranking *a = left, *b = right;
    for (int k = 0; k < 3; k++)
        if (a->key[k] != b->key[k])
            return a->key[k] > b->key[k] ? -1 : 1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

/* W = slots of the life, A = slots x size, T = largest total of its sections. */
static int64_t ranking_key(const search *s, uint32_t i, char letter) {
    const dms_life *life = s->lives->life + i;
    const int64_t width = life->end - life->first;
    int64_t area;
    if (letter == 'W')
        return width;
    if (letter == 'T')
        return s->total[i];
    return __builtin_mul_overflow(width, life->size, &area) ? INT64_MAX : area;
}

static void rank_buffers(search *s, ranking *items, const char *letters, uint32_t n_swaps,
                         uint64_t *state) {
    for (uint32_t i = 0; i < s->n; i++) {
        items[i].buffer = i;
        for (int k = 0; k < 3; k++)
            items[i].key[k] = ranking_key(s, i, letters[k]);
    }
    qsort(items, s->n, sizeof *items, by_ranking);
    for (uint32_t k = 0; k < n_swaps && s->n > 1; k++) {
        const uint32_t i = (uint32_t)(dms_sequence(state) % (s->n - 1));
        const ranking kept = items[i];
        items[i] = items[i + 1];
        items[i + 1] = kept;
    }
    for (uint32_t k = 0; k < s->n; k++)
        s->buffer[k] = items[k].buffer;
}

/* The root: everything open at offset 0, in the order of the rank. */
static void start_over(search *s) {
    memset(s->meets, 0, (uint64_t)s->n * s->n_words * sizeof *s->meets);
    memset(s->open, 0, s->n_words * sizeof *s->open);
    memset(s->crossing, 0, (size_t)(s->sections.n_sections + 1) * sizeof *s->crossing);
    s->n_wrapping = s->n_trail = s->n_queue = s->n_marked = 0;
    s->n_list = 0;
    for (uint32_t k = 0; k < s->n; k++) {
        s->span[k] = s->sections.span[s->buffer[k]];
        s->size[k] = (int32_t)(s->lives->life[s->buffer[k]].size / s->unit);
        s->least[k] = s->release[k] = s->raised[k] = 0;
        s->open[k / 64] |= (uint64_t)1 << (k % 64);
        (void)cross(s, k, 1);
    }
    for (uint32_t k = 0; k < s->n; k++)
        for (uint32_t j = 0; j < s->n; j++)
            if (j != k && dms_spans_meet(s->span + k, s->span + j))
                s->meets[(uint64_t)k * s->n_words + j / 64] |= (uint64_t)1 << (j % 64);
}

static outcome run_once(search *s) {
    start_over(s);
    for (uint32_t k = 0; k < s->n; k++)
        s->merged[k] = k;
    uint32_t *list = push_list(s, s->merged, s->n);
    s->touched = (stretch){0, s->sections.n_sections};
    s->n_nodes = 0;
    outcome result = STOPPED;
    if (list != NULL)
        result = bound(s, list, s->n)
                     ? solve_parts(s, list, s->n, (stretch){0, s->sections.n_sections})
                     : FAILED;
    s->n_all_nodes += s->n_nodes;
    return result;
}

static void find_totals(search *s, int64_t *sum) {
    for (uint32_t i = 0; i < s->n; i++)
        dms_span_add(s->sections.span + i, s->lives->life[i].size, sum);
    for (uint32_t i = 0; i < s->n; i++) {
        const dms_span *span = s->sections.span + i;
        for (int32_t k = span->first; k < span->last + span->wrap; k++) {
            const int64_t here = sum[k < span->last ? k : k - span->last];
            s->total[i] = here > s->total[i] ? here : s->total[i];
        }
    }
}

static int64_t divisor(int64_t a, int64_t b) {
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static dms_code take_memory(search *s, dms_status *st) {
    const uint64_t n = s->n, sections = (uint64_t)s->sections.n_sections + 1;
    s->cap_list = 2 * n * n + 16 * n + 16; /* a path places each buffer once, twice in parts */
    const struct {
        void *where;
        uint64_t count, size;
    } wanted[] = {
        {&s->total, n, sizeof *s->total},
        {&s->buffer, n, sizeof *s->buffer},
        {&s->span, n, sizeof *s->span},
        {&s->size, n, sizeof *s->size},
        {&s->offset, n, sizeof *s->offset},
        {&s->least, n, sizeof *s->least},
        {&s->release, n, sizeof *s->release},
        {&s->raised, n, sizeof *s->raised},
        {&s->meets, n * s->n_words, sizeof *s->meets},
        {&s->open, s->n_words, sizeof *s->open},
        {&s->salt, n, sizeof *s->salt},
        {&s->top, sections, sizeof *s->top},
        {&s->sum, sections, sizeof *s->sum},
        {&s->crossing, sections, sizeof *s->crossing},
        {&s->weight, sections, sizeof *s->weight},
        {&s->seen, sections, sizeof *s->seen},
        {&s->table, (uint64_t)1 << s->table_bits, sizeof *s->table},
        {&s->list, s->cap_list, sizeof *s->list},
        {&s->marked, n, sizeof *s->marked},
        {&s->queue, n + 1, sizeof *s->queue},
        {&s->merged, n, sizeof *s->merged},
        {&s->is_marked, n, sizeof *s->is_marked},
        {&s->is_queued, n, sizeof *s->is_queued},
    };
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++)
        DMS_TRY(
            dms_alloc_st(s->arena, wanted[k].count, wanted[k].size, "search", wanted[k].where, st));
    for (uint32_t i = 0; i < s->n; i++)
        s->salt[i] = mix(i * 0x51ed2701u + 77) & ~(uint64_t)1;
    return DMS_OK;
}

static uint64_t most_nodes(const search *s) {
    return s->options->max_nodes == 0 ? DEFAULT_NODES : s->options->max_nodes;
}

/* Ranks in turn, under each way of choosing; every round a tenth longer. */
static outcome run_rounds(search *s, ranking *items, dms_search_result *result) {
    static const char RANKS[N_RANKS][4] = {"WAT", "TAW", "TWA", "AWT"};
    const uint64_t most = most_nodes(s);
    const bool restarts = has(s, DMS_TECHNIQUE_SWAPS);
    uint64_t state = s->options->seed;
    s->limit = restarts ? 2 * (uint64_t)s->n : most;
    for (uint32_t round = 0; s->n_all_nodes < most; round++) {
        const uint32_t n_swaps = round == 0 ? 0 : round % 2 == 1 ? FEW_SWAPS : 4 * FEW_SWAPS;
        if (round % CLEAR_WEIGHTS == 0)
            memset(s->weight, 0, (size_t)s->sections.n_sections * sizeof *s->weight);
        for (uint32_t k = 0; k < N_CHOICES * N_RANKS && s->n_all_nodes < most; k++) {
            s->choice = (choice)(k / N_RANKS);
            rank_buffers(s, items, RANKS[k % N_RANKS], n_swaps, &state);
            const outcome end = run_once(s);
            result->n_restarts++;
            if (end != STOPPED || s->is_out_of_memory || has_looked_enough(s))
                return end;
        }
        s->limit = restarts ? s->limit * 11 / 10 : most;
    }
    return STOPPED;
}

dms_code dms_offsets_search(const dms_lives *lives, const dms_search_options *options,
                            dms_arena *scratch, int64_t *offset, dms_search_result *out_result,
                            dms_status *st) {
    search s = {.lives = lives, .options = options, .n = lives->n, .arena = scratch};
    ranking *items;
    int64_t *sum;
    *out_result = (dms_search_result){0};
    for (uint32_t i = 0; i < s.n; i++)
        s.unit = divisor(s.unit, lives->life[i].size);
    if (s.n == 0) {
        out_result->verdict = DMS_VERDICT_FOUND;
        return DMS_OK;
    }
    if (s.n > DMS_SEARCH_MOST || lives->capacity / s.unit > FAR)
        return DMS_OK;
    s.capacity = (int32_t)(lives->capacity / s.unit);
    s.n_words = (s.n + 63) / 64;
    s.table_bits = LEAST_TABLE_BITS;
    while (s.table_bits < MOST_TABLE_BITS && most_nodes(&s) >> s.table_bits != 0)
        s.table_bits++;
    DMS_TRY(dms_sections_make(lives, scratch, &s.sections, st));
    DMS_TRY(take_memory(&s, st));
    DMS_TRY(dms_alloc_st(scratch, s.n, sizeof *items, "search", &items, st));
    DMS_TRY(dms_alloc_st(scratch, (uint64_t)s.sections.n_sections + 1, sizeof *sum, "search", &sum,
                         st));
    find_totals(&s, sum);
    for (uint32_t i = 0; i < s.n; i++)
        if (lives->life[i].size / s.unit > s.capacity) {
            out_result->verdict = DMS_VERDICT_IMPOSSIBLE;
            return DMS_OK;
        }
    const outcome end = run_rounds(&s, items, out_result);
    out_result->n_nodes = s.n_all_nodes;
    out_result->n_looks = s.n_looks;
    if (s.is_out_of_memory)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: search");
    if (end == SOLVED)
        for (uint32_t k = 0; k < s.n; k++)
            offset[s.buffer[k]] = s.offset[k] * s.unit;
    if (end != STOPPED)
        out_result->verdict = end == SOLVED ? DMS_VERDICT_FOUND : DMS_VERDICT_IMPOSSIBLE;
    return DMS_OK;
}
