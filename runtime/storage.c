/* storage.c - the one place where files of a model are opened and proven. */
#include "runtime/storage_internal.h"

#include <inttypes.h>
#include <stdbool.h>
#include <unistd.h>

#include "schema/beneath.h"
#include "schema/file_digest.h"

/* Opens one file beneath its folder; external data may have one name only. */
static dms_code open_file(const dms_storage *s, const dms_plan_file *file, int *out_fd,
                          uint64_t *out_bytes, dms_status *st) {
    const char *dir = file->kind == 2 ? s->options.plan_dir : s->options.model_dir;
    bool is_missing;
    const dms_code code =
        file->kind == 1
            ? dms_beneath_open(dir, file->name, out_fd, out_bytes, &is_missing, st)
            : dms_beneath_open_linked(dir, file->name, out_fd, out_bytes, &is_missing, st);
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

/* Opens, proves and, where weights come from it, keeps one file. */
static dms_code take_file(dms_storage *s, uint32_t i, bool is_source, dms_status *st) {
    const dms_plan_file *file = &s->plan->file[i];
    if (file->is_unread && s->options.random_weights)
        return DMS_OK;
    if (file->is_unread)
        return dms_fail(st, DMS_EIO,
                        "model file '%s' was missing when the plan was made: compile it again, or "
                        "give --random-weights",
                        file->name);
    uint64_t bytes;
    DMS_TRY(open_file(s, file, &s->fd[i], &bytes, st));
    if (bytes != file->bytes)
        return dms_fail(st, DMS_EPLAN,
                        "model file '%s' has %" PRIu64 " bytes, the plan was made for %" PRIu64
                        ": compile it again",
                        file->name, bytes, file->bytes);
    DMS_TRY(check_content(s, file, s->fd[i], st));
    if (!is_source) {
        close(s->fd[i]);
        s->fd[i] = -1;
    }
    return DMS_OK;
}

/* Files without a source are proven too: the graph bytes of the model stand in one of them. */
static dms_code take_files(dms_storage *s, dms_arena *arena, dms_status *st) {
    const dms_plan *plan = s->plan;
    bool *is_source;
    DMS_TRY(dms_alloc_st(arena, plan->n_files, sizeof *is_source, "files", &is_source, st));
    for (uint32_t i = 0; i < plan->n_sources; i++)
        if (plan->source[i].file != DMS_NONE)
            is_source[plan->source[i].file] = true;
    for (uint32_t i = 0; i < plan->n_files; i++) {
        DMS_TRY(take_file(s, i, is_source[i], st));
        if (s->options.cancel != NULL && atomic_load(s->options.cancel) != 0)
            return dms_fail(st, DMS_ECANCELLED, "interrupted");
    }
    return DMS_OK;
}

dms_code dms_storage_open(const dms_plan *plan, const dms_storage_options *options,
                          dms_arena *arena, dms_storage **out_storage, dms_status *st) {
    dms_storage *s;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *s, "storage", &s, st));
    DMS_TRY(dms_alloc_st(arena, plan->n_files, sizeof *s->fd, "files", &s->fd, st));
    if (plan->n_sources != 0)
        DMS_TRY(dms_alloc_st(arena, DMS_STAGING_BYTES, 1, "staging", &s->staging, st));
    s->plan = plan;
    s->options = *options;
    for (uint32_t i = 0; i < plan->n_files; i++)
        s->fd[i] = -1;
    const dms_code code = take_files(s, arena, st);
    if (code != DMS_OK) {
        dms_storage_close(s);
        return code;
    }
    *out_storage = s;
    return DMS_OK;
}

void dms_storage_close(dms_storage *storage) {
    for (uint32_t i = 0; storage != NULL && i < storage->plan->n_files; i++) {
        if (storage->fd[i] >= 0)
            close(storage->fd[i]);
        storage->fd[i] = -1;
    }
}
