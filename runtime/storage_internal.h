/* storage_internal.h - shared by storage.c (files), storage_load.c (blocks) and the two readers. */
#ifndef DMS_RUNTIME_STORAGE_INTERNAL_H
#define DMS_RUNTIME_STORAGE_INTERNAL_H

#include "runtime/storage.h"

/* What has to be scattered, and the ends of what is not aligned, pass through this many places of
 * staging. Together they stay below what a normal user may lock (8 MiB, often less). */
#define DMS_READ_SLOTS 4u
#define DMS_SLOT_BYTES (1u << 20)

/* The strictest alignment that direct reads ask for, where the system does not say. */
#define DMS_DIRECT_ALIGN 4096u

/* Smaller files are read through the page cache: a direct read costs a trip to the device, block by
 * block, and what such a file leaves in the cache is little. */
#define DMS_DIRECT_FILE_BYTES (16u << 20)

/* One read: which slot it belongs to, from where, to where. */
typedef struct dms_read {
    int fd;
    uint32_t slot;
    void *to;
    uint64_t offset, bytes;
} dms_read;

typedef struct dms_reader dms_reader;

/* How reads are done. One thread at a time; at most one read per slot is under way. */
typedef struct dms_reader_ops {
    const char *name;
    /* Begins a read; 0 or the system's error. */
    int (*submit)(dms_reader *reader, const dms_read *read);
    /* Waits until some read has ended: its slot, and the bytes read or minus the system's error. */
    int64_t (*complete)(dms_reader *reader, uint32_t *out_slot);
    void (*close)(dms_reader *reader);
} dms_reader_ops;

/* What every reader begins with. */
struct dms_reader {
    const dms_reader_ops *ops;
};

/* A file of the plan that is open. `fd` goes through the page cache, `direct` past it. */
typedef struct dms_storage_file {
    int fd, direct;    /* -1: not there */
    uint64_t align;    /* of offset, memory and length of direct reads */
    bool takes_direct; /* and has not refused them */
    bool is_large;     /* what was read through the page cache is dropped again */
    bool was_cached;   /* some was; what the system was still reading ahead is dropped at the end */
} dms_storage_file;

struct dms_storage {
    const dms_plan *plan;
    dms_storage_options options;
    dms_storage_file *file; /* per file of the plan */
    dms_reader *direct, *buffered;
    uint8_t *staging;     /* DMS_READ_SLOTS x slot_bytes, aligned */
    uint64_t slot_bytes;  /* DMS_SLOT_BYTES; less where every file of the plan is smaller */
    uint32_t cached_file; /* large file read through the page cache, what of it; or DMS_NONE */
    uint64_t cached_from, cached_end;
    bool is_settled; /* cells come one by one, no neighbours behind them */
    _Atomic uint64_t direct_bytes, buffered_bytes;
};

/* A reader that reads when it is asked for a result, one after the other. */
DMS_CHECKED dms_code dms_reader_open_pread(dms_arena *arena, dms_reader **out_reader,
                                           dms_status *st);

/* A reader that keeps all slots under way by io_uring, with `staging` registered where the system
 * allows that. *out_reader is NULL where it allows no io_uring, or this build has none.
 * Errors   DMS_EINTERNAL: no memory. */
DMS_CHECKED dms_code dms_reader_open_uring(dms_arena *arena, uint8_t *staging,
                                           dms_reader **out_reader, dms_status *st);

/* Compares the last page of packed file `file` with the cells that the plan reads from it: which
 * they are and where they lie.
 * Errors   DMS_EPLAN: others, or elsewhere; DMS_EIO. */
DMS_CHECKED dms_code dms_storage_check_packed(const dms_plan *plan, uint32_t file, int fd,
                                              dms_status *st);

/* Drops what was read through the page cache and is not wanted any more. */
void dms_storage_drop_cached(dms_storage *storage);

#endif
