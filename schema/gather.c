/* gather.c - axes are sorted by their pitch in the file, neighbours that are dense on both sides
 * merge; what is left is one long run, several long runs, or spans to be scattered. */
#include "schema/gather.h"

#include <string.h>

#define LONG_RUN_BYTES (64u * 1024u) /* from here on a read of its own beats scattering */
#define SHARE_USED 4                 /* a span is read whole where a quarter of it is wanted */
#define PAGE_BYTES 4096              /* ... or where every page of it is read anyway */
#define SHARE_ALONE 2                /* less of it: the cells beside this one read the same bytes */

/* Larger pitch in the file first; equal ones in the order of the view. */
static void sort_axes(dms_gather_box *b) {
    for (uint32_t i = 1; i < b->n; i++) {
        const dms_gather_axis moved = b->axis[i];
        uint32_t k = i;
        for (; k > 0 && b->axis[k - 1].from < moved.from; k--)
            b->axis[k] = b->axis[k - 1];
        b->axis[k] = moved;
    }
}

/* Drops axes of one element and joins neighbours that are dense within each other on both sides. */
static void merge_axes(dms_gather_box *b) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const dms_gather_axis a = b->axis[i];
        dms_gather_axis *before = n == 0 ? NULL : &b->axis[n - 1];
        if (a.dim == 1)
            continue;
        if (before != NULL && before->from == a.dim * a.from && before->to == a.dim * a.to)
            *before = (dms_gather_axis){before->dim * a.dim, a.from, a.to};
        else
            b->axis[n++] = a;
    }
    b->n = n;
}

/* From the innermost axis outwards, as long as a piece holds it and is used well. */
static void choose_span(dms_gather *g, const dms_gather_box *b) {
    const int64_t room = (int64_t)(g->piece_bytes / g->element_bytes);
    int64_t used = 1;
    g->n_outer = b->n;
    g->part = 0;
    g->elements = 1;
    while (g->n_outer > 0) {
        const dms_gather_axis *a = &b->axis[g->n_outer - 1];
        int64_t part = a->dim;
        if (a->from > 0 && (room - g->elements) / a->from + 1 < part)
            part = (room - g->elements) / a->from + 1;
        const int64_t reach = (part - 1) * a->from + g->elements;
        const bool is_sparse = reach / SHARE_USED > used * part;
        if (part < 2 || (is_sparse && a->from * (int64_t)g->element_bytes > PAGE_BYTES))
            break;
        g->is_short |= is_sparse;
        g->n_outer--;
        if (part < a->dim) {
            g->part = part;
            break;
        }
        g->elements = reach;
        used *= part;
    }
    g->n_inner = b->n - g->n_outer - (g->part != 0);
    const int64_t entries = g->part == 0 ? 1 : g->part;
    const int64_t rows = g->part == 0 ? 0 : (g->part - 1) * b->axis[g->n_outer].from;
    const int64_t reach = g->elements + rows;
    g->is_short |= g->n_outer > 0 && (uint64_t)reach * g->element_bytes < LONG_RUN_BYTES;
    g->is_wasteful |= reach / SHARE_ALONE > used * entries;
}

/* Decides how the next box is cut, and goes to its first piece. */
static void enter_box(dms_gather *g) {
    dms_gather_box *b = &g->box[g->n_done];
    sort_axes(b);
    merge_axes(b);
    const dms_gather_axis *last = b->n == 0 ? NULL : &b->axis[b->n - 1];
    const bool is_run = last == NULL || (last->from == 1 && last->to == 1);
    const uint64_t run_bytes = (last == NULL ? 1 : (uint64_t)last->dim) * g->element_bytes;
    memset(g->index, 0, sizeof g->index);
    g->from = g->to = g->cut = 0;
    if (is_run && (b->n <= 1 || run_bytes >= LONG_RUN_BYTES)) {
        g->n_outer = b->n == 0 ? 0 : b->n - 1;
        g->n_inner = g->part = 0;
        g->elements = last == NULL ? 1 : last->dim;
        return;
    }
    choose_span(g, b);
}

/* The part of the last axis that the file does not have, in the last entry of axis 0, is zero. */
static void split_padded(dms_gather *g, const dms_gather_box *whole, int64_t valid_last) {
    const int64_t size = (int64_t)g->element_bytes;
    const uint32_t last = whole->n - 1;
    dms_gather_box tail = *whole;
    tail.from += (uint64_t)((whole->axis[0].dim - 1) * whole->axis[0].from * size);
    tail.to += (uint64_t)((whole->axis[0].dim - 1) * whole->axis[0].to * size);
    tail.axis[0].dim = 1;
    g->pad = tail;
    g->pad.axis[last].dim -= valid_last;
    g->pad.to += (uint64_t)(valid_last * whole->axis[last].to * size);
    tail.axis[last].dim = valid_last;
    g->n_boxes = 0;
    if (whole->axis[0].dim > 1) {
        g->box[g->n_boxes] = *whole;
        g->box[g->n_boxes++].axis[0].dim--;
    }
    g->box[g->n_boxes++] = tail;
}

void dms_gather_begin(dms_gather *g, const dms_gather_walk *walk, uint64_t piece_bytes) {
    const dms_view *view = walk->view;
    memset(g, 0, sizeof *g);
    g->element_bytes = dms_dtype_bytes(view->dtype);
    g->piece_bytes = piece_bytes;
    if (dms_view_count(view) == 0)
        return;
    dms_gather_box whole = {.n = view->rank,
                            .from = walk->offset + (uint64_t)view->offset * g->element_bytes};
    for (uint32_t k = 0; k < view->rank; k++)
        whole.axis[k] = (dms_gather_axis){view->dim[k], view->pitch[k], walk->pitch[k]};
    if (view->rank >= 2 && walk->valid_last > 0 && walk->valid_last < view->dim[view->rank - 1]) {
        split_padded(g, &whole, walk->valid_last);
    } else {
        g->box[0] = whole;
        g->n_boxes = 1;
    }
    enter_box(g);
}

/* Moves on like an odometer over axes [0, n), last one fastest; false after the last place. */
static bool next_place(const dms_gather_axis *axes, uint32_t n, int64_t *index, int64_t *from,
                       int64_t *to) {
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

/* Goes to the next piece of this box, or to the first one of the next. */
static void advance(dms_gather *g) {
    const dms_gather_box *b = &g->box[g->n_done];
    if (g->part != 0) {
        g->cut += g->part;
        if (g->cut < b->axis[g->n_outer].dim)
            return;
        g->cut = 0;
    }
    if (!next_place(b->axis, g->n_outer, g->index, &g->from, &g->to) && ++g->n_done < g->n_boxes)
        enter_box(g);
}

bool dms_gather_next(dms_gather *g, dms_gather_piece *out) {
    if (g->n_done == g->n_boxes)
        return false;
    const dms_gather_box *b = &g->box[g->n_done];
    int64_t from = g->from, to = g->to, elements = g->elements;
    out->n = 0;
    if (g->part != 0) {
        const dms_gather_axis *cut = &b->axis[g->n_outer];
        const int64_t left = cut->dim - g->cut, count = left < g->part ? left : g->part;
        from += g->cut * cut->from;
        to += g->cut * cut->to;
        elements += (count - 1) * cut->from;
        out->axis[out->n++] = (dms_gather_axis){count, cut->from, cut->to};
    }
    for (uint32_t k = b->n - g->n_inner; k < b->n; k++)
        out->axis[out->n++] = b->axis[k];
    out->offset = b->from + (uint64_t)from * g->element_bytes;
    out->to = b->to + (uint64_t)to * g->element_bytes;
    out->bytes = (uint64_t)elements * g->element_bytes;
    advance(g);
    return true;
}

/* Two nested loops over elements of one size. */
#define COPY_2D(type)                                                                              \
    for (int64_t i = 0; i < outer->dim; i++)                                                       \
        for (int64_t k = 0; k < inner->dim; k++)                                                   \
    memcpy(to + (i * outer->to + k * inner->to) * (int64_t)sizeof(type),                           \
           from + (i * outer->from + k * inner->from) * (int64_t)sizeof(type), sizeof(type))

/* Rows that are dense on both sides by memcpy, others element by element. */
static void copy_2d(uint8_t *to, const uint8_t *from, uint64_t element_bytes,
                    const dms_gather_axis *outer, const dms_gather_axis *inner) {
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

/* Takes the axis that is written side by side to the end, so that stores are in order. */
static void write_in_order(dms_gather_axis *axes, uint32_t n) {
    for (uint32_t k = 0; k + 1 < n; k++) {
        if (axes[k].to != 1)
            continue;
        const dms_gather_axis moved = axes[k];
        memmove(axes + k, axes + k + 1, (n - k - 1) * sizeof *axes);
        axes[n - 1] = moved;
        return;
    }
}

/* Copies the elements of these axes. */
static void scatter(uint64_t element_bytes, const dms_gather_axis *axes, uint32_t n,
                    const uint8_t *from, uint8_t *to) {
    dms_gather_axis all[DMS_MAX_RANK + 2] = {{1, 0, 0}, {1, 0, 0}};
    memcpy(all + 2, axes, n * sizeof *axes);
    write_in_order(all + 2, n);
    const int64_t size = (int64_t)element_bytes;
    int64_t index[DMS_MAX_RANK + 2] = {0}, at = 0, place = 0;
    do {
        copy_2d(to + place * size, from + at * size, element_bytes, &all[n], &all[n + 1]);
    } while (next_place(all, n, index, &at, &place));
}

void dms_gather_scatter(const dms_gather *g, const dms_gather_piece *piece, const uint8_t *from,
                        uint8_t *place) {
    if (piece->n == 0)
        memcpy(place + piece->to, from, (size_t)piece->bytes);
    else
        scatter(g->element_bytes, piece->axis, piece->n, from, place + piece->to);
}

void dms_gather_zeros(const dms_gather *g, uint8_t *place) {
    static const uint64_t zero = 0;
    dms_gather_box pad = g->pad;
    for (uint32_t k = 0; k < pad.n; k++)
        pad.axis[k].from = 0;
    if (pad.n != 0)
        scatter(g->element_bytes, pad.axis, pad.n, (const uint8_t *)&zero, place + pad.to);
}
