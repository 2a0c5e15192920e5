/* line.h - one row of an operand: its last axes, read or written strip by strip.
 *
 * Reads    a view and the number of leading axes that a row does not cover.
 * Returns  strips of the row in the class of the type, in order; memory itself where it already is
 *          a strip.
 * Cost     O(n), and O(rank) per run.
 * Source   none.
 * Not here where each row starts (walk.h over the leading axes).
 */
#ifndef DMS_RUNTIME_KERNELS_LINE_H
#define DMS_RUNTIME_KERNELS_LINE_H

#include "runtime/kernels/strip.h"
#include "runtime/kernels/walk.h"

/* Elements that the rows of one part hold together, about. */
#define DMS_LINE_PART 32768

typedef struct dms_line {
    dms_walk walk;
    dms_walk_at at;
    dms_dtype dtype;
    int64_t bytes;
    char *operand, *row; /* of the whole operand, of the row at hand */
} dms_line;

/* Rows of the axes from `axis` on. */
DMS_FN void dms_line_open(dms_line *line, const dms_view *view, uint32_t axis, void *operand) {
    dms_view tail = {.dtype = view->dtype, .rank = view->rank - axis};
    for (uint32_t k = axis; k < view->rank; k++) {
        tail.dim[k - axis] = view->dim[k];
        tail.pitch[k - axis] = view->pitch[k];
    }
    const dms_view *const one[] = {&tail};
    dms_walk_init(&line->walk, one, 1);
    line->dtype = view->dtype;
    line->bytes = dms_dtype_bytes(view->dtype);
    line->operand = line->row = operand;
}

/* Begins the row at hand again. No seek: its divisions cost more than a short row. */
DMS_FN void dms_line_restart(dms_line *line) {
    line->at.element[0] = 0;
    for (uint32_t axis = 0; axis < line->walk.rank; axis++)
        line->at.coord[axis] = 0;
}

/* Begins the row whose first element is `element` of the operand. Rows hold at least one. */
DMS_FN void dms_line_start(dms_line *line, int64_t element) {
    line->row = line->operand + element * line->bytes;
    dms_line_restart(line);
}

/* Whether the whole row lies in memory as a strip of its class. */
DMS_FN int dms_line_is_strip(const dms_line *line) {
    return line->walk.rank == 1 && line->walk.pitch[0][0] == 1 && dms_class_is_storage(line->dtype);
}

/* The next n elements of the row, n <= DMS_STRIP (any n where the whole row is a strip). */
DMS_FN const void *dms_line_get(dms_line *line, int64_t n, dms_strip *strip) {
    const dms_walk *w = &line->walk;
    const int64_t pitch = w->pitch[0][w->rank - 1];
    const int64_t class_bytes = dms_class_bytes(dms_class_of(line->dtype));
    const char *from = line->row + line->at.element[0] * line->bytes;
    if (pitch == 1 && dms_class_is_storage(line->dtype) && n <= dms_walk_run(w, &line->at)) {
        dms_walk_next(w, &line->at, n);
        return from;
    }
    for (int64_t i = 0, run; i < n; i += run) {
        run = dms_walk_run(w, &line->at);
        run = run < n - i ? run : n - i;
        DMS_ISA(dms_strip_load)
        (line->dtype, line->row + line->at.element[0] * line->bytes, pitch, run,
         (char *)strip + i * class_bytes);
        dms_walk_next(w, &line->at, run);
    }
    return strip;
}

/* Writes the next n elements of the row. */
DMS_FN void dms_line_put(dms_line *line, int64_t n, const void *strip) {
    const dms_walk *w = &line->walk;
    const int64_t class_bytes = dms_class_bytes(dms_class_of(line->dtype));
    for (int64_t i = 0, run; i < n; i += run) {
        run = dms_walk_run(w, &line->at);
        run = run < n - i ? run : n - i;
        DMS_ISA(dms_strip_store)
        (line->dtype, (const char *)strip + i * class_bytes,
         line->row + line->at.element[0] * line->bytes, w->pitch[0][w->rank - 1], run);
        dms_walk_next(w, &line->at, run);
    }
}

/* The walk over the leading `axis` axes of n views: one place per row. */
DMS_FN void dms_line_rows(const dms_view *const *view, uint32_t n, uint32_t axis, dms_walk *out) {
    dms_view head[DMS_WALK_OPERANDS];
    const dms_view *at[DMS_WALK_OPERANDS];
    for (uint32_t k = 0; k < n; k++) {
        head[k] = *view[k];
        head[k].rank = axis;
        at[k] = &head[k];
    }
    dms_walk_init(out, at, n);
}

/* Parts of `rows` rows of n elements. */
DMS_FN int64_t dms_line_rows_each(int64_t n) {
    return n >= DMS_LINE_PART ? 1 : DMS_LINE_PART / (n < 1 ? 1 : n);
}
DMS_FN uint64_t dms_line_parts(int64_t rows, int64_t n) {
    const int64_t each = dms_line_rows_each(n);
    return (uint64_t)((rows + each - 1) / each);
}
/* The first row of a part. */
DMS_FN int64_t dms_line_first(uint64_t part, int64_t rows, int64_t n) {
    const int64_t row = (int64_t)part * dms_line_rows_each(n);
    return row < rows ? row : rows;
}

#endif
