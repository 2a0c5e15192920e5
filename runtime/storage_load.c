/* storage_load.c - one block of a weight: the pieces of its walk, several reads under way.
 *
 *     direct    |..aligned..|aligned|....|    what is aligned alike in file and memory lands in
 *     file      head        middle   tail     place; all else passes through a slot of staging
 *
 *     slots     0  read ====| scatter |  read ====...
 *               1     read ====       | scatter |
 *
 * Offsets, lengths and memory of direct reads are multiples of the file's alignment: a slot reads
 * from the boundary before its first byte to the one behind its last. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "runtime/random.h"
#include "runtime/storage_internal.h"
#include "schema/checked.h"
#include "schema/gather.h"

#define WEIGHT_SCALE 0.0625 /* made-up weights keep activations finite over many layers */
#define IN_PLACE_BYTES (4u << 20)
#define MOST_AGAIN                                                                                 \
    1000u /* reads of a block that are put off; a disk that does nothing else fails */
#define SMALLEST_IN_PLACE (64u * 1024u) /* below, one read with its ends is better than three */

/* The two boundaries of a slot cost at most an alignment each. */
#define PIECE_BYTES (DMS_SLOT_BYTES - 2 * DMS_DIRECT_ALIGN)

/* A read under way, or done in part: bytes [offset, offset + bytes) of the file are wanted. */
typedef struct flight {
    bool is_busy, is_staged;
    dms_gather_piece piece; /* what to do with them */
    uint64_t skip;          /* bytes of the slot before the first wanted one */
    dms_read read;          /* what is still to be read */
    uint64_t wanted;        /* of it; the rest is alignment */
} flight;

/* One load. */
typedef struct load {
    dms_storage *storage;
    const dms_source *source;
    dms_storage_file *file;
    dms_reader *reader;
    dms_gather walk;
    uint8_t *place;
    bool is_direct;
    flight flight[DMS_READ_SLOTS];
    uint32_t n_busy, n_again;
    uint64_t bytes_read;
    dms_code code;      /* no piece begins after a failure ... */
    uint64_t failed_at; /* ... at this byte of the file */
    dms_status *st;
} load;

/* Weights that follow from seed, file and place alone, whatever cell or order they are read in. */
static void make_up(const load *l, uint64_t offset, uint8_t *to, uint64_t bytes) {
    const uint64_t element_bytes = l->walk.element_bytes;
    const uint64_t file = dms_random_word((uint64_t)l->source->file + 1);
    const uint64_t key = dms_random_word(l->storage->options.random_seed ^ file);
    for (uint64_t i = 0; i < bytes; i += element_bytes) {
        const uint64_t word = dms_random_word(key ^ (offset + i));
        const uint64_t bits = dms_random_bits(l->source->view.dtype, word, WEIGHT_SCALE);
        memcpy(to + i, &bits, (size_t)element_bytes);
    }
}

/* What lies in no file: constants in the plan, and made-up weights. */
static dms_code load_from_memory(load *l) {
    const dms_source *source = l->source;
    dms_gather_piece piece;
    while (dms_gather_next(&l->walk, &piece)) {
        if (source->file != DMS_NONE) {
            uint8_t *to = piece.n == 0 ? l->place + piece.to : l->storage->staging;
            make_up(l, piece.offset, to, piece.bytes);
            if (piece.n != 0)
                dms_gather_scatter(&l->walk, &piece, to, l->place);
        } else if (dms_range_fits(piece.offset, piece.bytes, source->n_embedded)) {
            dms_gather_scatter(&l->walk, &piece, source->embedded + piece.offset, l->place);
        } else {
            return dms_fail(l->st, DMS_EPLAN, "a constant in the plan is too short");
        }
    }
    return DMS_OK;
}

/* What offsets, lengths and memory of this load's reads are multiples of. */
static uint64_t alignment(const load *l) {
    return l->is_direct ? l->file->align : 1;
}

/* The slot is free again. */
static void leave(load *l, flight *f) {
    f->is_busy = false;
    l->n_busy--;
}

/* Of several failures the one nearest to the start of the file is told: it does not depend on the
 * order in which reads end. */
static bool is_worth_telling(load *l, uint64_t offset) {
    if (l->code != DMS_OK && (l->code != DMS_EIO || offset >= l->failed_at))
        return false;
    l->failed_at = offset;
    return true;
}

/* "file 'x' at byte N: reason" */
static void fail_read(load *l, uint64_t offset, int64_t error) {
    const char *name = l->storage->plan->file[l->source->file].name;
    if (is_worth_telling(l, offset))
        l->code = dms_fail(l->st, DMS_EIO, "file '%.200s' at byte %" PRIu64 ": %s", name, offset,
                           strerror((int)error));
}

/* Hands a read to the reader; a read that cannot begin ends the load. */
static void submit(load *l, flight *f) {
    const int error = l->reader->ops->submit(l->reader, &f->read);
    if (error == 0)
        return;
    leave(l, f);
    fail_read(l, f->read.offset, error);
}

/* False where the load has failed, or somebody wants the run to end. */
static bool may_go_on(load *l) {
    const dms_storage_options *o = &l->storage->options;
    const bool is_over = (o->cancel != NULL && atomic_load(o->cancel) != 0) ||
                         (o->stop != NULL && atomic_load(o->stop) != 0);
    if (l->code == DMS_OK && is_over)
        l->code = dms_fail(l->st, DMS_ECANCELLED, "interrupted");
    return l->code == DMS_OK;
}

/* Begins the read of a piece into a free slot. */
static void begin(load *l, uint32_t slot, const dms_gather_piece *piece, bool is_staged) {
    flight *f = &l->flight[slot];
    const uint64_t align = alignment(l);
    if (!may_go_on(l))
        return;
    *f = (flight){.is_busy = true, .is_staged = is_staged, .piece = *piece};
    f->skip = is_staged ? piece->offset % align : 0;
    f->wanted = f->skip + piece->bytes;
    f->read = (dms_read){.fd = l->is_direct ? l->file->direct : l->file->fd,
                         .slot = slot,
                         .to = is_staged ? l->storage->staging + slot * l->storage->slot_bytes
                                         : l->place + piece->to,
                         .offset = piece->offset - f->skip,
                         .bytes = (f->wanted + align - 1) / align * align};
    l->n_busy++;
    submit(l, f);
}

/* The file system takes no direct reads after all, or not such: it goes on through the cache. */
static bool falls_back(load *l, const flight *f, int64_t error) {
    if ((error != EINVAL && error != ENOTSUP) || f->read.fd == l->file->fd)
        return false;
    l->file->takes_direct = l->is_direct = false;
    return true;
}

/* Some bytes are there, but not all: the rest is read again from the last boundary on. */
static void read_rest(load *l, flight *f, uint64_t got) {
    const uint64_t align = alignment(l), done = got / align * align;
    if (done != 0) {
        f->read.to = (uint8_t *)f->read.to + done;
        f->read.offset += done;
        f->read.bytes -= done;
        f->wanted -= done;
        submit(l, f);
        return;
    }
    leave(l, f);
    if (is_worth_telling(l, f->read.offset + got))
        l->code = dms_fail(
            l->st, DMS_EIO, "file '%.200s' ends at byte %" PRIu64 ", %" PRIu64 " bytes early",
            l->storage->plan->file[l->source->file].name, f->read.offset + got, f->wanted - got);
}

/* All that was wanted is there. */
static void finish(load *l, flight *f) {
    const uint8_t *slot = l->storage->staging + f->read.slot * l->storage->slot_bytes;
    if (f->is_staged)
        dms_gather_scatter(&l->walk, &f->piece, slot + f->skip, l->place);
    leave(l, f);
    l->bytes_read += f->piece.bytes;
}

/* Waits for one read and does what follows from it. */
static void complete_one(load *l) {
    uint32_t slot;
    const int64_t got = l->reader->ops->complete(l->reader, &slot);
    if (slot >= DMS_READ_SLOTS) { /* the reader itself is broken: nothing more will come */
        fail_read(l, 0, -got);
        memset(l->flight, 0, sizeof l->flight);
        l->n_busy = 0;
        return;
    }
    flight *f = &l->flight[slot];
    if (got >= 0 && (uint64_t)got >= f->wanted) {
        finish(l, f);
    } else if (got >= 0) {
        read_rest(l, f, (uint64_t)got);
    } else if ((got == -EINTR || got == -EAGAIN) && l->n_again++ < MOST_AGAIN && may_go_on(l)) {
        submit(l, f);
    } else if (falls_back(l, f, -got)) {
        f->read.fd = l->file->fd;
        submit(l, f);
    } else {
        leave(l, f);
        fail_read(l, f->read.offset, -got);
    }
}

/* A slot that is free, after waiting for one where none is. */
static uint32_t free_slot(load *l) {
    while (l->n_busy == DMS_READ_SLOTS)
        complete_one(l);
    uint32_t slot = 0;
    while (l->flight[slot].is_busy)
        slot++;
    return slot;
}

/* Bytes of a dense piece that go in the next read, and whether they pass through staging. */
static uint64_t next_part(const load *l, const dms_gather_piece *piece, bool *out_is_staged) {
    const uint64_t align = alignment(l), head = piece->offset % align;
    const uintptr_t to = (uintptr_t)(l->place + piece->to);
    const bool is_alike = (to - piece->offset) % align == 0;
    const bool lands = align == 1 || (is_alike && piece->bytes >= SMALLEST_IN_PLACE + align);
    *out_is_staged = !lands || head != 0;
    if (lands && head != 0)
        return align - head;
    const uint64_t most = lands ? IN_PLACE_BYTES : PIECE_BYTES - head;
    const uint64_t whole = lands ? piece->bytes / align * align : piece->bytes;
    return whole < most ? whole : most;
}

/* Reads a dense piece in parts. */
static void read_dense(load *l, dms_gather_piece piece) {
    while (piece.bytes != 0 && l->code == DMS_OK) {
        dms_gather_piece part = piece;
        bool is_staged;
        part.bytes = next_part(l, &piece, &is_staged);
        begin(l, free_slot(l), &part, is_staged);
        piece.offset += part.bytes;
        piece.to += part.bytes;
        piece.bytes -= part.bytes;
    }
}

void dms_storage_settle(dms_storage *s) {
    s->is_settled = true;
    dms_storage_drop_cached(s);
}

void dms_storage_drop_cached(dms_storage *s) {
    if (s->cached_file == DMS_NONE)
        return;
    (void)posix_fadvise(s->file[s->cached_file].fd, 0, 0, POSIX_FADV_DONTNEED);
    s->cached_file = DMS_NONE;
}

/* What was read ahead for the cells of one weight is dropped when another weight begins. */
static void note_cached(load *l, uint64_t from, uint64_t end) {
    dms_storage *s = l->storage;
    l->file->was_cached = true;
    const bool overlaps =
        s->cached_file == l->source->file && from < s->cached_end && end > s->cached_from;
    if (!overlaps) {
        dms_storage_drop_cached(s);
        s->cached_file = l->source->file;
        s->cached_from = from;
        s->cached_end = end;
        return;
    }
    s->cached_from = from < s->cached_from ? from : s->cached_from;
    s->cached_end = end > s->cached_end ? end : s->cached_end;
}

/* Reads all pieces, several at a time; returns when none is under way any more. */
static dms_code load_from_file(load *l) {
    dms_storage *s = l->storage;
    dms_gather_piece piece;
    uint64_t from = UINT64_MAX, end = 0;
    l->file = &s->file[l->source->file];
    const bool is_shared = l->walk.is_wasteful && !s->is_settled;
    l->is_direct = l->file->takes_direct && !l->walk.is_short && !is_shared;
    l->reader = l->is_direct ? s->direct : s->buffered;
    while (l->code == DMS_OK && dms_gather_next(&l->walk, &piece)) {
        from = piece.offset < from ? piece.offset : from;
        end = piece.offset + piece.bytes > end ? piece.offset + piece.bytes : end;
        if (piece.n == 0)
            read_dense(l, piece);
        else
            begin(l, free_slot(l), &piece, true);
    }
    while (l->n_busy != 0)
        complete_one(l);
    if (!l->is_direct && l->file->is_large && end != 0)
        note_cached(l, from, end);
    atomic_fetch_add_explicit(l->is_direct ? &s->direct_bytes : &s->buffered_bytes, l->bytes_read,
                              memory_order_relaxed);
    return l->code;
}

/* A packed cell is a dense source in another file. */
static dms_source as_stored(const dms_source *source) {
    dms_source from = *source;
    if (!source->is_packed)
        return from;
    from.file = source->packed_file;
    from.offset = source->packed_offset;
    from.valid_last = 0;
    (void)dms_view_dense(source->view.dtype, source->view.rank, source->view.dim, &from.view);
    return from;
}

dms_code dms_storage_load(dms_storage *storage, uint32_t source, const int64_t *pitch, void *to,
                          uint64_t *out_bytes, dms_status *st) {
    const dms_source from = as_stored(&storage->plan->source[source]);
    load l = {.storage = storage, .source = &from, .place = to, .st = st};
    const dms_gather_walk walk = {&from.view, from.offset, from.valid_last, pitch};
    dms_gather_begin(&l.walk, &walk, PIECE_BYTES);
    dms_gather_zeros(&l.walk, to);
    const bool is_in_file = from.file != DMS_NONE && storage->file[from.file].fd >= 0;
    const dms_code code = is_in_file ? load_from_file(&l) : load_from_memory(&l);
    *out_bytes = l.bytes_read;
    return code;
}
