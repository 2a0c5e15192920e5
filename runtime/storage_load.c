/* storage_load.c - one block of a weight: a strided walk over a file into a strided place.
 *
 * Axes are sorted by their pitch in the file, neighbours that are dense on both sides merge, then
 *
 *     one run, or long runs    pread straight into the place
 *     everything else          pread of spans of at most 2 MiB into staging, scattered from there
 *
 *     file   |aaaa....bbbb....cccc....|    a span covers the inner axes, and as much of the next
 *             \_____span_____/             as fits, unless less than a quarter of it would be used
 */
#include <string.h>

#include "runtime/random.h"
#include "runtime/storage_internal.h"
#include "schema/beneath.h"
#include "schema/checked.h"

#define DIRECT_RUN_BYTES (64u * 1024u) /* from here on a read of its own beats staging */
#define WEIGHT_SCALE 0.0625 /* made-up weights keep activations finite over many layers */
#define SHARE_USED 4        /* a span is read whole where a quarter of it is wanted */

/* One axis of a walk, in elements. */
typedef struct axis {
    int64_t dim, from, to; /* pitches in the file and in the place */
} axis;

/* What is read: a file, bytes of the plan, or made-up weights. */
typedef struct walk {
    dms_storage *storage;
    const dms_source *source;
    uint64_t element_bytes;
    uint64_t bytes_read;
    dms_status *st;
} walk;

/* A box of elements: the axes, where it begins in the file (bytes) and in memory. */
typedef struct box {
    uint32_t n;
    axis axis[DMS_MAX_RANK];
    uint64_t from;
    uint8_t *to;
} box;

/* Exactly these bytes; the plan was checked against the size, so an early end means a change. */
static dms_code read_file(walk *w, uint64_t offset, void *to, uint64_t bytes) {
    const uint32_t file = w->source->file;
    w->bytes_read += bytes;
    return dms_read_at(w->storage->fd[file], w->storage->plan->file[file].name, offset, to, bytes,
                       w->st);
}

/* Weights that follow from seed, file and place alone, whatever cell or order they are read in. */
static void make_up(walk *w, uint64_t offset, uint8_t *to, uint64_t bytes) {
    const uint64_t file = dms_random_word((uint64_t)w->source->file + 1);
    const uint64_t key = dms_random_word(w->storage->options.random_seed ^ file);
    for (uint64_t i = 0; i < bytes; i += w->element_bytes) {
        const uint64_t word = dms_random_word(key ^ (offset + i));
        const uint64_t bits = dms_random_bits(w->source->view.dtype, word, WEIGHT_SCALE);
        memcpy(to + i, &bits, (size_t)w->element_bytes);
    }
}

/* Fetches bytes [offset, offset + bytes) of whatever the source is. */
static dms_code fetch(walk *w, uint64_t offset, void *to, uint64_t bytes) {
    const dms_source *source = w->source;
    if (source->file == DMS_NONE) {
        if (!dms_range_fits(offset, bytes, source->n_embedded))
            return dms_fail(w->st, DMS_EPLAN, "a constant in the plan is too short");
        memcpy(to, source->embedded + offset, (size_t)bytes);
        return DMS_OK;
    }
    if (w->storage->fd[source->file] >= 0)
        return read_file(w, offset, to, bytes);
    make_up(w, offset, to, bytes);
    return DMS_OK;
}

/* Larger pitch in the file first; equal ones in the order of the view. */
static void sort_axes(box *b) {
    for (uint32_t i = 1; i < b->n; i++) {
        const axis moved = b->axis[i];
        uint32_t k = i;
        for (; k > 0 && b->axis[k - 1].from < moved.from; k--)
            b->axis[k] = b->axis[k - 1];
        b->axis[k] = moved;
    }
}

/* Drops axes of one element and joins neighbours that are dense within each other on both sides. */
static void merge_axes(box *b) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const axis a = b->axis[i];
        axis *before = n == 0 ? NULL : &b->axis[n - 1];
        if (a.dim == 1)
            continue;
        if (before != NULL && before->from == a.dim * a.from && before->to == a.dim * a.to)
            *before = (axis){before->dim * a.dim, a.from, a.to};
        else
            b->axis[n++] = a;
    }
    b->n = n;
}

/* Two nested loops over elements of one size. */
#define COPY_2D(type)                                                                              \
    for (int64_t i = 0; i < outer->dim; i++)                                                       \
        for (int64_t k = 0; k < inner->dim; k++)                                                   \
    memcpy(to + (i * outer->to + k * inner->to) * (int64_t)sizeof(type),                           \
           from + (i * outer->from + k * inner->from) * (int64_t)sizeof(type), sizeof(type))

/* Rows that are dense on both sides by memcpy, others element by element. */
static void copy_2d(uint8_t *to, const uint8_t *from, uint64_t element_bytes, const axis *outer,
                    const axis *inner) {
    if (inner->from == 1 && inner->to == 1) {
        const int64_t size = (int64_t)element_bytes;
        for (int64_t i = 0; i < outer->dim; i++)
            memcpy(to + i * outer->to * size, from + i * outer->from * size,
                   (size_t)(inner->dim * size));
    } else if (element_bytes == 1) {
        COPY_2D(uint8_t);
    } else if (element_bytes == 2) {
        COPY_2D(uint16_t);
    } else if (element_bytes == 4) {
        COPY_2D(uint32_t);
    } else {
        COPY_2D(uint64_t);
    }
}

/* Moves on like an odometer over axes [0, n), last one fastest; false after the last place. */
static bool next_place(const axis *axes, uint32_t n, int64_t *index, int64_t *from, int64_t *to) {
    for (uint32_t k = n; k-- > 0;) {
        *from += axes[k].from;
        *to += axes[k].to;
        if (++index[k] < axes[k].dim)
            return true;
        *from -= axes[k].dim * axes[k].from;
        *to -= axes[k].dim * axes[k].to;
        index[k] = 0;
    }
    return false;
}

/* Takes the axis that is written side by side to the end, so that stores are in order. */
static void write_in_order(axis *axes, uint32_t n) {
    for (uint32_t k = 0; k + 1 < n; k++) {
        if (axes[k].to != 1)
            continue;
        const axis moved = axes[k];
        memmove(axes + k, axes + k + 1, (n - k - 1) * sizeof *axes);
        axes[n - 1] = moved;
        return;
    }
}

/* Scatters a span that lies in memory: `from` is its first element. */
static void scatter(const walk *w, const axis *axes, uint32_t n, const uint8_t *from, uint8_t *to) {
    axis all[DMS_MAX_RANK + 2] = {{1, 0, 0}, {1, 0, 0}};
    memcpy(all + 2, axes, n * sizeof *axes);
    write_in_order(all + 2, n);
    const int64_t size = (int64_t)w->element_bytes;
    int64_t index[DMS_MAX_RANK + 2] = {0}, at = 0, place = 0;
    do {
        copy_2d(to + place * size, from + at * size, w->element_bytes, &all[n], &all[n + 1]);
    } while (next_place(all, n, index, &at, &place));
}

/* How many of the inner axes one span takes: all of axes [first, n), and `part` of axis first - 1
 * (0 = none of it). */
typedef struct span {
    uint32_t first;
    int64_t part;
    int64_t elements; /* from first to last in the file, whole axes only */
} span;

/* From the innermost axis outwards, as long as the span fits the staging and is used well. */
static span choose_span(const walk *w, const box *b) {
    const int64_t room = (int64_t)(DMS_STAGING_BYTES / w->element_bytes);
    span s = {b->n, 0, 1};
    int64_t used = 1;
    while (s.first > 0) {
        const axis *a = &b->axis[s.first - 1];
        int64_t part = a->dim;
        if (a->from > 0 && (room - s.elements) / a->from + 1 < part)
            part = (room - s.elements) / a->from + 1;
        const int64_t reach = (part - 1) * a->from + s.elements;
        if (part < 2 || reach / SHARE_USED > used * part)
            return s;
        if (part < a->dim) {
            s.part = part;
            return s;
        }
        s.first--;
        s.elements = reach;
        used *= part;
    }
    return s;
}

/* Reads and scatters `count` entries of the axis before the span (or the bare span). */
static dms_code move_span(walk *w, const box *b, const span *s, int64_t from, int64_t to,
                          int64_t count) {
    axis axes[DMS_MAX_RANK];
    uint32_t n = 0;
    int64_t elements = s->elements;
    if (s->part != 0) {
        axes[n++] = (axis){count, b->axis[s->first - 1].from, b->axis[s->first - 1].to};
        elements += (count - 1) * b->axis[s->first - 1].from;
    }
    for (uint32_t k = s->first; k < b->n; k++)
        axes[n++] = b->axis[k];
    uint8_t *staging = w->storage->staging;
    DMS_TRY(fetch(w, b->from + (uint64_t)from * w->element_bytes, staging,
                  (uint64_t)elements * w->element_bytes));
    scatter(w, axes, n, staging, b->to + to * (int64_t)w->element_bytes);
    return DMS_OK;
}

/* Outer axes one by one; the axis that the span cuts in steps of its part. */
static dms_code load_staged(walk *w, const box *b) {
    const span s = choose_span(w, b);
    const uint32_t n_outer = s.part != 0 ? s.first - 1 : s.first;
    const axis one = {1, 0, 0};
    const axis *cut = s.part != 0 ? &b->axis[n_outer] : &one;
    const int64_t step = s.part != 0 ? s.part : 1;
    int64_t index[DMS_MAX_RANK] = {0}, from = 0, to = 0;
    do {
        for (int64_t i = 0; i < cut->dim; i += step) {
            const int64_t left = cut->dim - i;
            DMS_TRY(move_span(w, b, &s, from + i * cut->from, to + i * cut->to,
                              left < step ? left : step));
        }
    } while (next_place(b->axis, n_outer, index, &from, &to));
    return DMS_OK;
}

/* Every run is long: straight into the place. */
static dms_code load_runs(walk *w, const box *b, uint32_t n_outer, uint64_t run_bytes) {
    int64_t index[DMS_MAX_RANK] = {0}, from = 0, to = 0;
    do {
        DMS_TRY(fetch(w, b->from + (uint64_t)from * w->element_bytes,
                      b->to + to * (int64_t)w->element_bytes, run_bytes));
    } while (next_place(b->axis, n_outer, index, &from, &to));
    return DMS_OK;
}

/* Decides between straight reads and staging. */
static dms_code load_box(walk *w, box *b) {
    sort_axes(b);
    merge_axes(b);
    const axis *last = b->n == 0 ? NULL : &b->axis[b->n - 1];
    const bool is_run = last == NULL || (last->from == 1 && last->to == 1);
    const uint64_t run_bytes = (last == NULL ? 1 : (uint64_t)last->dim) * w->element_bytes;
    if (is_run && (b->n <= 1 || run_bytes >= DIRECT_RUN_BYTES))
        return load_runs(w, b, b->n == 0 ? 0 : b->n - 1, run_bytes);
    return load_staged(w, b);
}

/* The part of the last axis that the file does not have, in the last entry of axis 0, is zero. */
static dms_code load_padded(walk *w, const box *whole, int64_t valid_last) {
    static const uint64_t zero = 0;
    const int64_t size = (int64_t)w->element_bytes;
    const uint32_t last = whole->n - 1;
    box full = *whole, tail = *whole, pad = *whole;
    full.axis[0].dim--;
    if (full.axis[0].dim > 0)
        DMS_TRY(load_box(w, &full));
    tail.axis[0].dim = 1;
    tail.axis[last].dim = valid_last;
    tail.from += (uint64_t)((whole->axis[0].dim - 1) * whole->axis[0].from * size);
    tail.to += (whole->axis[0].dim - 1) * whole->axis[0].to * size;
    pad.axis[0].dim = 1;
    pad.axis[last].dim -= valid_last;
    for (uint32_t k = 0; k < pad.n; k++)
        pad.axis[k].from = 0;
    scatter(w, pad.axis, pad.n, (const uint8_t *)&zero,
            tail.to + valid_last * whole->axis[last].to * size);
    return load_box(w, &tail);
}

dms_code dms_storage_load(dms_storage *storage, uint32_t source, const int64_t *pitch, void *to,
                          uint64_t *out_bytes, dms_status *st) {
    const dms_source *src = &storage->plan->source[source];
    const dms_view *view = &src->view;
    walk w = {
        .storage = storage, .source = src, .element_bytes = dms_dtype_bytes(view->dtype), .st = st};
    box b = {
        .n = view->rank, .from = src->offset + (uint64_t)view->offset * w.element_bytes, .to = to};
    for (uint32_t k = 0; k < view->rank; k++)
        b.axis[k] = (axis){view->dim[k], view->pitch[k], pitch[k]};
    dms_code code = DMS_OK;
    if (dms_view_count(view) != 0) {
        const bool is_padded =
            view->rank >= 2 && src->valid_last > 0 && src->valid_last < view->dim[view->rank - 1];
        code = is_padded ? load_padded(&w, &b, src->valid_last) : load_box(&w, &b);
    }
    *out_bytes = w.bytes_read;
    return code;
}
