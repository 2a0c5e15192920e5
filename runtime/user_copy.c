/* user_copy.c - runs of elements between the caller's memory and the device.
 *
 * A cell of a split tensor [outer, axis, inner] covers, for every outer index, one run of
 * cell_len x inner elements of the dense order; the caller's dims may differ from the plan's (a
 * view of as many elements), so runs are counted in dense order and mapped to the caller's pitches.
 */
#include "runtime/user_copy.h"

#include <string.h>

/* One transfer: where it is, and which way it goes. */
typedef struct transfer {
    dms_device *device; /* NULL: to and from `memory` */
    uint8_t *memory;
    const dms_user_tensor *user;
    uint64_t at; /* in the device arena or in `memory`, moves on */
    uint64_t element_bytes;
    int64_t skip, n; /* elements of the buffer to leave out, and to move after these */
    bool is_dense, is_out;
} transfer;

/* Moves `n` elements that lie side by side on both sides; `index` counts in the caller's memory. */
static void move_span(transfer *t, int64_t index, int64_t n) {
    uint8_t *user =
        (uint8_t *)t->user->data + (t->user->view.offset + index) * (int64_t)t->element_bytes;
    const uint64_t bytes = (uint64_t)n * t->element_bytes;
    if (t->device == NULL)
        memcpy(t->is_out ? user : t->memory + t->at, t->is_out ? t->memory + t->at : user, bytes);
    else if (t->is_out)
        t->device->ops->copy_out(t->device, user, t->at, bytes);
    else
        t->device->ops->copy_in(t->device, t->at, user, bytes);
    t->at += bytes;
}

/* The place of dense element `flat` in the caller's memory; the rest of its row in *out_left. */
static int64_t place_of(const dms_view *view, int64_t flat, int64_t *out_left) {
    int64_t index = 0;
    *out_left = 1;
    for (uint32_t k = view->rank; k-- > 0; flat /= view->dim[k]) {
        const int64_t i = flat % view->dim[k];
        index += i * view->pitch[k];
        if (k + 1 == view->rank)
            *out_left = view->dim[k] - i;
    }
    return index;
}

/* Moves the elements [first, first + n) of the dense order, as far as they are wanted. */
static void move_run(transfer *t, int64_t first, int64_t n) {
    const int64_t skip = t->skip < n ? t->skip : n;
    t->skip -= skip;
    first += skip;
    n = n - skip < t->n ? n - skip : t->n;
    t->n -= n;
    if (n <= 0)
        return;
    if (t->is_dense) {
        move_span(t, first, n);
        return;
    }
    const dms_view *view = &t->user->view;
    const int64_t step = view->rank == 0 ? 1 : view->pitch[view->rank - 1];
    while (n > 0) {
        int64_t left;
        const int64_t index = place_of(view, first, &left);
        if (left > n)
            left = n;
        if (step == 1)
            move_span(t, index, left);
        for (int64_t i = 0; step != 1 && i < left; i++)
            move_span(t, index + i * step, 1);
        first += left;
        n -= left;
    }
}

/* Whole tensors are one run; a cell is one run per index of the axes outside of it. */
static uint64_t transfer_tensor(transfer *t, const dms_plan_tensor *tensor, uint32_t cell) {
    const uint64_t begin = t->at;
    const dms_view *stored = &tensor->stored;
    t->element_bytes = dms_dtype_bytes(stored->dtype);
    t->is_dense = dms_view_is_dense(&t->user->view);
    if (!tensor->is_split || tensor->cell_len <= 0) {
        move_run(t, 0, dms_view_count(stored));
        return t->at - begin;
    }
    const uint32_t axis = tensor->cell_axis;
    int64_t outer = 1;
    for (uint32_t k = 0; k < axis; k++)
        outer *= stored->dim[k];
    const int64_t inner = stored->pitch[axis], first = (int64_t)cell * tensor->cell_len;
    const int64_t left = stored->dim[axis] - first;
    const int64_t n = left < tensor->cell_len ? left : tensor->cell_len;
    for (int64_t o = 0; o < outer && t->n > 0; o++)
        move_run(t, (o * stored->dim[axis] + first) * inner, n * inner);
    return t->at - begin;
}

uint64_t dms_user_copy_in(dms_device *device, uint64_t to, const dms_plan_tensor *tensor,
                          uint32_t cell, const dms_user_tensor *user) {
    transfer t = {.device = device, .user = user, .at = to, .n = INT64_MAX};
    return transfer_tensor(&t, tensor, cell);
}

uint64_t dms_user_copy_out(dms_device *device, const dms_user_tensor *user,
                           const dms_plan_tensor *tensor, uint32_t cell, uint64_t from) {
    transfer t = {.device = device, .user = user, .at = from, .n = INT64_MAX, .is_out = true};
    return transfer_tensor(&t, tensor, cell);
}

/* A transfer of a part of a buffer. */
static void transfer_part(transfer t, const dms_plan_tensor *tensor, uint32_t cell, uint64_t first,
                          uint64_t bytes) {
    const uint32_t element_bytes = dms_dtype_bytes(tensor->stored.dtype);
    t.skip = (int64_t)(first / element_bytes);
    t.n = (int64_t)(bytes / element_bytes);
    (void)transfer_tensor(&t, tensor, cell);
}

void dms_user_gather(void *to, const dms_plan_tensor *tensor, uint32_t cell,
                     const dms_user_tensor *user, uint64_t first, uint64_t bytes) {
    transfer_part((transfer){.memory = to, .user = user}, tensor, cell, first, bytes);
}

void dms_user_scatter(const dms_user_tensor *user, const dms_plan_tensor *tensor, uint32_t cell,
                      uint64_t first, uint64_t bytes, const void *from) {
    uint8_t *memory = (uint8_t *)(uintptr_t)from; /* which is read alone */
    transfer_part((transfer){.memory = memory, .user = user, .is_out = true}, tensor, cell, first,
                  bytes);
}
