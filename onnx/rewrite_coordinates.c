/* rewrite_coordinates.c - the data of a constant against the functions that masks are made of. */
#include "onnx/rewrite_coordinates.h"

#include <string.h>

#include "onnx/graph.h"
#include "onnx/rewrite_internal.h"

#define LARGEST_CONSTANT (4u << 20) /* a triangle of 2,048 bools */

/* The data of a constant under a view. */
typedef struct reader {
    const uint8_t *data;
    dms_view view;
    uint32_t size; /* of an element */
} reader;

/* Fills are one element that stands for all: read as a view that repeats it. */
static bool open_reader(dms_rewriter *rw, uint32_t id, reader *out) {
    uint32_t root;
    dms_status ignored;
    if (!dms_view_of_constant(rw, id, &root, &out->view))
        return false;
    const dms_tensor *t = &rw->graph->tensor[root];
    out->size = dms_dtype_bytes((uint32_t)t->dtype);
    if (t->origin == DMS_ORIGIN_FILL) {
        out->data = t->data;
        out->view.offset = 0;
        memset(out->view.pitch, 0, sizeof out->view.pitch);
        return t->data != NULL;
    }
    return t->bytes <= LARGEST_CONSTANT && t->bytes != 0 && dms_view_count(&out->view) != 0 &&
           dms_constant_read(rw->graph, root, LARGEST_CONSTANT, rw->scratch, &out->data,
                             &ignored) == DMS_OK;
}

static const uint8_t *element(const reader *r, const int64_t *index) {
    int64_t at = r->view.offset;
    for (uint32_t k = 0; k < r->view.rank; k++)
        at += index[k] * r->view.pitch[k];
    return r->data + at * r->size;
}

/* Equal bytes, or zeros of either sign: lowest x 0 is -0, and as a mask it is 0. */
static bool is_same(const reader *r, const uint8_t *a, const uint8_t *b) {
    const bool has_sign = r->view.dtype == DMS_DTYPE_F32 || r->view.dtype == DMS_DTYPE_F16 ||
                          r->view.dtype == DMS_DTYPE_BF16 || r->view.dtype == DMS_DTYPE_F64;
    uint8_t any = 0;
    if (memcmp(a, b, r->size) == 0)
        return true;
    for (uint32_t k = 0; k + 1 < r->size; k++)
        any |= a[k] | b[k];
    any |= (a[r->size - 1] | b[r->size - 1]) & 0x7f; /* little endian: the sign is the last bit */
    return has_sign && any == 0;
}

/* The next index, last axis fastest; axes in `fixed` (bits) stay. False behind the last one. */
static bool advance(const reader *r, uint32_t fixed, int64_t *index) {
    for (uint32_t k = r->view.rank; k-- > 0;) {
        if (fixed >> k & 1)
            continue;
        if (++index[k] < r->view.dim[k])
            return true;
        index[k] = 0;
    }
    return false;
}

/* Bits of the axes along which nothing changes, by pitch alone. */
static uint32_t repeated_axes(const reader *r) {
    uint32_t axes = 0;
    for (uint32_t k = 0; k < r->view.rank && k < DMS_MAX_RANK; k++)
        axes |= (uint32_t)(r->view.dim[k] == 1 || r->view.pitch[k] == 0) << k;
    return axes;
}

/* Every element equals the one at index 0 of the axes in `along`. */
static bool is_equal_along(const reader *r, uint32_t along) {
    int64_t index[DMS_MAX_RANK] = {0}, first[DMS_MAX_RANK];
    const uint32_t fixed = repeated_axes(r);
    do {
        for (uint32_t k = 0; k < r->view.rank; k++)
            first[k] = along >> k & 1 ? 0 : index[k];
        if (!is_same(r, element(r, index), element(r, first)))
            return false;
    } while (advance(r, fixed, index));
    return true;
}

/* A new constant of the elements at index 0 of the axes in `along`, whose dims become 1. */
static dms_code copy_along(dms_rewriter *rw, const reader *r, uint32_t along, uint32_t *out,
                           dms_status *st) {
    const uint32_t fixed = along | repeated_axes(r), rank = r->view.rank;
    int64_t index[DMS_MAX_RANK] = {0}, dim[DMS_MAX_RANK];
    uint64_t n = 1, at = 0;
    uint8_t *data;
    bool is_scalar = true;
    for (uint32_t k = 0; k < rank; k++) {
        dim[k] = fixed >> k & 1 ? 1 : r->view.dim[k];
        is_scalar = is_scalar && dim[k] == 1;
        n *= (uint64_t)dim[k];
    }
    DMS_TRY(dms_alloc_st(rw->graph->arena, n, r->size, "a mask", &data, st));
    do
        memcpy(data + at++ * r->size, element(r, index), r->size);
    while (advance(r, fixed, index));
    return dms_graph_add_constant(rw->graph, "mask", r->view.dtype, is_scalar ? 0 : rank, dim, data,
                                  out, st);
}

/* Element `index` as an integer. */
static int64_t integer_at(const reader *r, const int64_t *index) {
    const uint8_t *from = element(r, index);
    int64_t wide;
    int32_t narrow;
    if (r->size == 8) {
        memcpy(&wide, from, 8);
        return wide;
    }
    memcpy(&narrow, from, 4);
    return narrow;
}

/* Integers that are their coordinate along one axis plus a base, and repeat along the others. */
static bool counts_along(const reader *r, uint32_t axis, int64_t *out_base) {
    int64_t index[DMS_MAX_RANK] = {0};
    if ((r->view.dtype != DMS_DTYPE_I64 && r->view.dtype != DMS_DTYPE_I32) ||
        (repeated_axes(r) | 1u << axis) != (1u << r->view.rank) - 1)
        return false;
    *out_base = integer_at(r, index);
    for (index[axis] = 1; index[axis] < r->view.dim[axis]; index[axis]++)
        if (integer_at(r, index) != *out_base + index[axis])
            return false;
    return true;
}

/* How many elements at the begin of row `s` equal the one in the lower left corner. */
static int64_t seen_in_row(const reader *r, uint32_t axis, int64_t s, const uint8_t *seen) {
    int64_t index[DMS_MAX_RANK] = {0};
    const uint32_t last = r->view.rank - 1;
    index[axis] = s;
    while (index[last] < r->view.dim[last] && is_same(r, element(r, index), seen))
        index[last]++;
    return index[last];
}

/* The diagonal by the first row that has both values; false where no row has. */
static bool find_diagonal(const reader *r, uint32_t axis, int64_t *out) {
    int64_t corner[DMS_MAX_RANK] = {0};
    corner[axis] = r->view.dim[axis] - 1;
    const uint8_t *seen = element(r, corner);
    for (int64_t s = 0; s < r->view.dim[axis]; s++) {
        const int64_t n = seen_in_row(r, axis, s, seen);
        if (n > 0 && n < r->view.dim[r->view.rank - 1]) {
            *out = n - 1 - s;
            return true;
        }
    }
    return false;
}

/* Two values by the side of a diagonal, in every plane: lower left and upper right corner. */
static bool is_split(const reader *r, uint32_t axis, int64_t diagonal) {
    int64_t index[DMS_MAX_RANK] = {0}, seen[DMS_MAX_RANK] = {0}, beyond[DMS_MAX_RANK] = {0};
    const uint32_t last = r->view.rank - 1;
    const uint32_t fixed = repeated_axes(r) & ~(1u << axis | 1u << last);
    seen[axis] = r->view.dim[axis] - 1;
    beyond[last] = r->view.dim[last] - 1;
    do {
        const bool is_seen = index[last] <= index[axis] + diagonal;
        if (!is_same(r, element(r, index), element(r, is_seen ? seen : beyond)))
            return false;
    } while (advance(r, fixed, index));
    return true;
}

dms_code dms_constant_coordinates(dms_rewriter *rw, uint32_t id, uint32_t axis,
                                  dms_coordinates *out, dms_status *st) {
    reader r;
    *out = (dms_coordinates){.kind = DMS_COORDINATES_NONE};
    if (!open_reader(rw, id, &r))
        return DMS_OK;
    const uint32_t all = (1u << r.view.rank) - 1, one = 1u << axis;
    if (counts_along(&r, axis, &out->number)) {
        out->kind = DMS_COORDINATES_COUNT;
        return DMS_OK;
    }
    const bool is_uniform = is_equal_along(&r, all);
    if (is_uniform || is_equal_along(&r, one)) {
        DMS_TRY(copy_along(rw, &r, is_uniform ? all : one, &out->seen, st));
        out->kind = DMS_COORDINATES_FLAT;
        out->beyond = out->seen;
        return DMS_OK;
    }
    if (axis + 2 != r.view.rank || !find_diagonal(&r, axis, &out->number) ||
        !is_split(&r, axis, out->number))
        return DMS_OK;
    reader seen = r, beyond = r;
    seen.view.offset += (r.view.dim[axis] - 1) * r.view.pitch[axis];
    beyond.view.offset += (r.view.dim[axis + 1] - 1) * r.view.pitch[axis + 1];
    DMS_TRY(copy_along(rw, &seen, all, &out->seen, st));
    DMS_TRY(copy_along(rw, &beyond, all, &out->beyond, st));
    out->kind = DMS_COORDINATES_SPLIT;
    return DMS_OK;
}

bool dms_counts_keys(dms_rewriter *rw, uint32_t id, int64_t *out_base) {
    reader r;
    return open_reader(rw, id, &r) && r.view.rank > 0 &&
           counts_along(&r, r.view.rank - 1, out_base);
}
