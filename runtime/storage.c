/* storage.c - the one place where files of a model are opened and proven. */
#include "runtime/storage_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "schema/beneath.h"
#include "schema/file_digest.h"
#include "schema/packed.h"

/* Opens one file beneath its folder; external data may have one name only. A packed file lies in
 * the model's folder or beside the plan. */
static dms_code open_file(const dms_storage *s, const dms_plan_file *file, int *out_fd,
                          uint64_t *out_bytes, bool *out_is_missing, dms_status *st) {
    const char *dir = file->kind == 2 ? s->options.plan_dir : s->options.model_dir;
    dms_code code =
        file->kind == 1
            ? dms_beneath_open(dir, file->name, out_fd, out_bytes, out_is_missing, st)
            : dms_beneath_open_linked(dir, file->name, out_fd, out_bytes, out_is_missing, st);
    if (code != DMS_OK && *out_is_missing && file->kind == DMS_PACKED_KIND &&
        dms_beneath_open_linked(s->options.plan_dir, file->name, out_fd, out_bytes, out_is_missing,
                                NULL) == DMS_OK)
        return DMS_OK;
    return code == DMS_OK ? code : dms_context(st, "model folder '%s'", dir);
}

/* The file is what it was when the plan was made. */
static dms_code check_content(const dms_storage *s, const dms_plan_file *file, int fd,
                              dms_status *st) {
    const bool reads_all = s->options.verify_weights;
    const dms_hash want = reads_all ? file->digest_all : file->digest;
    const dms_file_ranges large = {file->n_large, file->large_offset, file->large_bytes};
    dms_hash found;
    if (reads_all && (want.lo | want.hi) == 0)
        return dms_fail(st, DMS_EPLAN,
                        "model file '%s' of %" PRIu64 " bytes: the plan holds no digest of all its "
                        "bytes (models above %u bytes are sampled)",
                        file->name, file->bytes, DMS_FILE_DIGEST_ALL_BYTES);
    if (reads_all)
        DMS_TRY(dms_file_digest_all(fd, file->name, file->bytes, &found, st));
    else
        DMS_TRY(dms_file_digest(fd, file->name, file->bytes, &large, &found, st));
    if (!dms_hash_equal(found, want))
        return dms_fail(st, DMS_EPLAN,
                        "model file '%s' changed since the plan was made: compile it again",
                        file->name);
    return DMS_OK;
}

/* What direct reads of this file must be multiples of; 0 where it takes none. Files in memory do,
 * but there is nothing to get past. */
static uint64_t direct_alignment(int fd) {
    struct statfs system;
    if (fstatfs(fd, &system) != 0 || system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC)
        return 0;
#ifdef STATX_DIOALIGN
    struct statx info;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
        (info.stx_mask & STATX_DIOALIGN) != 0) {
        const uint64_t offset = info.stx_dio_offset_align, memory = info.stx_dio_mem_align;
        const uint64_t align = offset > memory ? offset : memory;
        return offset == 0 || align > DMS_DIRECT_ALIGN ? 0 : align;
    }
#endif
    return DMS_DIRECT_ALIGN;
}

/* Opens the same file once more, for reads past the page cache. */
static void open_direct(dms_storage_file *file) {
    char path[64];
    if (!file->is_large)
        return;
    file->align = direct_alignment(file->fd);
    if (file->align == 0)
        return;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file->fd);
    file->direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    file->takes_direct = file->direct >= 0;
}

/* What was read through the page cache, comparing a digest included, does not stay there. */
static void drop_cached(dms_storage_file *file) {
    if (file->was_cached)
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
    file->was_cached = false;
}

static void close_file(dms_storage_file *file) {
    drop_cached(file);
    if (file->fd >= 0)
        (void)close(file->fd);
    if (file->direct >= 0)
        (void)close(file->direct);
    file->fd = file->direct = -1;
    file->takes_direct = false;
}

/* What a file is there for. */
typedef enum file_use {
    FILE_PROVEN, /* its digest */
    FILE_READ,   /* weights come from it */
    FILE_SPARE,  /* a packed file stands for it: it may be missing */
} file_use;

/* Opens, proves and, where weights come from it, keeps one file. */
static dms_code take_file(dms_storage *s, uint32_t i, file_use use, dms_status *st) {
    const dms_plan_file *file = &s->plan->file[i];
    if (file->is_unread && s->options.random_weights)
        return DMS_OK;
    if (file->is_unread)
        return dms_fail(st, DMS_EIO,
                        "model file '%s' was missing when the plan was made: compile it again, or "
                        "give --random-weights",
                        file->name);
    uint64_t bytes;
    bool is_missing;
    const dms_code code = open_file(s, file, &s->file[i].fd, &bytes, &is_missing, st);
    if (code != DMS_OK)
        return is_missing && use == FILE_SPARE ? DMS_OK : code;
    if (bytes != file->bytes)
        return dms_fail(st, DMS_EPLAN,
                        "model file '%s' has %" PRIu64 " bytes, the plan was made for %" PRIu64
                        ": compile it again",
                        file->name, bytes, file->bytes);
    s->file[i].is_large = s->file[i].was_cached = bytes >= DMS_DIRECT_FILE_BYTES;
    DMS_TRY(check_content(s, file, s->file[i].fd, st));
    if (file->kind == DMS_PACKED_KIND && use == FILE_READ)
        DMS_TRY(dms_storage_check_packed(s->plan, i, s->file[i].fd, st));
    drop_cached(&s->file[i]);
    if (use == FILE_READ)
        open_direct(&s->file[i]);
    else
        close_file(&s->file[i]);
    return DMS_OK;
}

/* Files without a source are proven too: the graph bytes of the model stand in one of them. Where
 * the weights were packed, what is not read may be elsewhere; if it is here it must be the same. */
static dms_code take_files(dms_storage *s, dms_arena *arena, dms_status *st) {
    const dms_plan *plan = s->plan;
    bool has_packed = false;
    file_use *use;
    DMS_TRY(dms_alloc_st(arena, plan->n_files, sizeof *use, "files", &use, st));
    for (uint32_t i = 0; i < plan->n_files; i++)
        has_packed |= plan->file[i].kind == DMS_PACKED_KIND;
    for (uint32_t i = 0; i < plan->n_files; i++)
        use[i] = has_packed ? FILE_SPARE : FILE_PROVEN;
    for (uint32_t i = 0; i < plan->n_sources; i++) {
        const dms_source *source = &plan->source[i];
        if (source->is_packed)
            use[source->packed_file] = FILE_READ;
        else if (source->file != DMS_NONE)
            use[source->file] = FILE_READ;
    }
    for (uint32_t i = 0; i < plan->n_files; i++) {
        DMS_TRY(take_file(s, i, use[i], st));
        if (s->options.cancel != NULL && atomic_load(s->options.cancel) != 0)
            return dms_fail(st, DMS_ECANCELLED, "interrupted");
    }
    return DMS_OK;
}

/* The largest read and its two boundaries fit into a slot: small models take little staging. */
static uint64_t slot_bytes_of(const dms_plan *plan) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < plan->n_files; i++)
        most = plan->file[i].bytes > most ? plan->file[i].bytes : most;
    if (most >= DMS_SLOT_BYTES - 3 * DMS_DIRECT_ALIGN)
        return DMS_SLOT_BYTES;
    return (most / DMS_DIRECT_ALIGN + 3) * DMS_DIRECT_ALIGN;
}

/* Staging that direct reads accept, and the readers. */
static dms_code take_readers(dms_storage *s, dms_arena *arena, dms_status *st) {
    bool needs_direct = false;
    if (s->plan->n_sources == 0)
        return DMS_OK;
    s->slot_bytes = slot_bytes_of(s->plan);
    DMS_TRY(dms_alloc_st(arena, DMS_READ_SLOTS * s->slot_bytes + DMS_DIRECT_ALIGN, 1, "staging",
                         &s->staging, st));
    s->staging += -(uintptr_t)s->staging % DMS_DIRECT_ALIGN;
    DMS_TRY(dms_reader_open_pread(arena, &s->buffered, st));
    for (uint32_t i = 0; i < s->plan->n_files; i++)
        needs_direct |= s->file[i].takes_direct;
    if (needs_direct)
        DMS_TRY(dms_reader_open_uring(arena, s->staging, &s->direct, st));
    return needs_direct && s->direct == NULL ? dms_reader_open_pread(arena, &s->direct, st)
                                             : DMS_OK;
}

dms_code dms_storage_open(const dms_plan *plan, const dms_storage_options *options,
                          dms_arena *arena, dms_storage **out_storage, dms_status *st) {
    dms_storage *s;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *s, "storage", &s, st));
    DMS_TRY(dms_alloc_st(arena, plan->n_files, sizeof *s->file, "files", &s->file, st));
    s->plan = plan;
    s->options = *options;
    s->cached_file = DMS_NONE;
    for (uint32_t i = 0; i < plan->n_files; i++)
        s->file[i].fd = s->file[i].direct = -1;
    dms_code code = take_files(s, arena, st);
    if (code == DMS_OK)
        code = take_readers(s, arena, st);
    if (code != DMS_OK) {
        dms_storage_close(s);
        return code;
    }
    *out_storage = s;
    return DMS_OK;
}

dms_storage_stats dms_storage_stats_of(const dms_storage *storage) {
    if (storage == NULL)
        return (dms_storage_stats){0};
    const dms_reader *reader = storage->direct;
    return (dms_storage_stats){
        reader == NULL ? NULL : reader->ops->name,
        atomic_load_explicit(&storage->direct_bytes, memory_order_relaxed),
        atomic_load_explicit(&storage->buffered_bytes, memory_order_relaxed)};
}

void dms_storage_close(dms_storage *storage) {
    if (storage == NULL)
        return;
    dms_storage_drop_cached(storage);
    if (storage->direct != NULL)
        storage->direct->ops->close(storage->direct);
    storage->direct = NULL;
    for (uint32_t i = 0; i < storage->plan->n_files; i++)
        close_file(&storage->file[i]);
}
