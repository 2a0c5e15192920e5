/* blocks_storage.c - what it takes to read a block of a weight from its file once more. */
#include "planner/blocks_internal.h"
#include "schema/gather.h"

#define PAGE_BYTES 4096u       /* a device delivers whole pages */
#define PIECE_BYTES (1u << 20) /* scattered pieces are read in parts of at most this */
#define MOST_PIECES 1024u      /* beyond, the rest is like these */

/* Elements that a piece delivers. */
static uint64_t useful_in(const dms_gather_piece *piece, uint64_t element_bytes) {
    uint64_t n = 1;
    if (piece->n == 0)
        return piece->bytes / element_bytes;
    for (uint32_t k = 0; k < piece->n; k++)
        n *= (uint64_t)piece->axis[k].dim;
    return n;
}

/* The pages of all pieces, as the loader reads them. Walks of many pieces are alike all over:
 * their first ones stand for the rest. */
uint64_t dms_blocks_storage_bytes(const dms_source *source) {
    int64_t pitch[DMS_MAX_RANK], dense = 1;
    const dms_view *view = &source->view;
    if (source->file == DMS_NONE) /* one repeated value may fill more than a home is worth */
        return dms_view_bytes(view) > DMS_EMBEDDED_BYTES ? dms_view_bytes(view) : 0;
    if (source->is_packed)
        return (dms_view_bytes(view) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    for (uint32_t k = view->rank; k-- > 0;) {
        pitch[k] = dense;
        dense *= view->dim[k];
    }
    const dms_gather_walk walk = {view, source->offset, source->valid_last, pitch};
    dms_gather gather;
    dms_gather_piece piece;
    uint64_t bytes = 0, useful = 0;
    dms_gather_begin(&gather, &walk, PIECE_BYTES);
    for (uint32_t n = 0; dms_gather_next(&gather, &piece); n++) {
        if (n == MOST_PIECES)
            return (uint64_t)((double)bytes * (double)dense / (double)useful);
        bytes += (piece.offset + piece.bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES -
                 piece.offset / PAGE_BYTES * PAGE_BYTES;
        useful += useful_in(&piece, dms_dtype_bytes(view->dtype));
    }
    return bytes;
}
