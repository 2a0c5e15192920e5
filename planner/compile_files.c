/* compile_files.c - the file table of a plan: digests by which a run knows its weights again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "schema/beneath.h"
#include "schema/file_digest.h"
#include "schema/file_write.h"

/* A range of a file that holds one large weight. */
typedef struct range {
    uint64_t offset, bytes;
} range;

static int by_offset(const void *a, const void *b) {
    const range *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The large weights of one file: ascending, overlaps left out. */
static dms_code find_large(const dms_compiled *c, uint32_t file, dms_arena *arena,
                           dms_plan_file *out, dms_status *st) {
    range *found;
    DMS_TRY(dms_alloc_st(arena, c->graph.n_tensors, sizeof *found, "file ranges", &found, st));
    size_t n = 0;
    for (uint32_t i = 0; i < c->graph.n_tensors; i++) {
        const dms_tensor *t = &c->graph.tensor[i];
        if (t->origin == DMS_ORIGIN_FILE && t->file == file &&
            t->bytes >= DMS_FILE_DIGEST_LARGE_BYTES)
            found[n++] = (range){t->offset, t->bytes};
    }
    qsort(found, n, sizeof *found, by_offset);
    uint64_t *offset, *bytes;
    DMS_TRY(dms_alloc_st(arena, n, sizeof *offset, "file ranges", &offset, st));
    DMS_TRY(dms_alloc_st(arena, n, sizeof *bytes, "file ranges", &bytes, st));
    uint32_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || found[i].offset >= offset[kept - 1] + bytes[kept - 1]) {
            offset[kept] = found[i].offset;
            bytes[kept++] = found[i].bytes;
        }
    out->n_large = kept;
    out->large_offset = offset;
    out->large_bytes = bytes;
    return DMS_OK;
}

dms_code dms_compile_open(const dms_graph *graph, uint32_t file, int *out_fd, uint64_t *out_bytes,
                          dms_status *st) {
    bool is_missing;
    if (file == 0)
        return dms_regular_open(graph->model_path, out_fd, out_bytes, st);
    return dms_beneath_open(graph->model_dir, graph->file[file].name, out_fd, out_bytes,
                            &is_missing, st);
}

dms_code dms_compile_digest(int fd, dms_plan_file *out, uint64_t *left, dms_status *st) {
    const dms_file_ranges large = {out->n_large, out->large_offset, out->large_bytes};
    DMS_TRY(dms_file_digest(fd, out->name, out->bytes, &large, &out->digest, st));
    if (out->bytes > *left)
        return DMS_OK;
    *left -= out->bytes;
    return dms_file_digest_all(fd, out->name, out->bytes, &out->digest_all, st);
}

static dms_code digest_file(const dms_compiled *c, uint32_t file, dms_arena *arena,
                            dms_plan_file *out, uint64_t *left, dms_status *st) {
    *out = c->graph.file[file];
    out->kind = file == 0 ? 0 : 1;
    if (c->graph.file_is_missing[file]) {
        out->is_unread = true;
        out->digest = dms_file_digest_missing(out->name, out->bytes);
        return DMS_OK;
    }
    DMS_TRY(find_large(c, file, arena, out, st));
    int fd;
    uint64_t bytes;
    DMS_TRY(dms_compile_open(&c->graph, file, &fd, &bytes, st));
    dms_code code = DMS_OK;
    if (bytes != out->bytes)
        code = dms_fail(st, DMS_EIO, "file '%s' changed while it was read", out->name);
    if (code == DMS_OK)
        code = dms_compile_digest(fd, out, left, st);
    (void)close(fd);
    return code;
}

/* PLAN.consts is small enough to be hashed whole: as one file without large ranges. */
static dms_code digest_consts(const dms_compiled *c, const char *name, dms_plan_file *out,
                              dms_status *st) {
    *out = (dms_plan_file){.name = name, .bytes = c->steps.n_consts, .kind = 2};
    FILE *file = tmpfile();
    if (file == NULL)
        return dms_fail(st, DMS_EIO, "no temporary file: %s", strerror(errno));
    dms_code code = DMS_OK;
    if (fwrite(c->steps.consts, 1, (size_t)c->steps.n_consts, file) != c->steps.n_consts ||
        fflush(file) != 0)
        code = dms_fail(st, DMS_EIO, "temporary file: %s", strerror(errno));
    uint64_t left = out->bytes;
    if (code == DMS_OK)
        code = dms_compile_digest(fileno(file), out, &left, st);
    (void)fclose(file);
    return code;
}

dms_code dms_compile_files(dms_compiled *c, const char *consts_name, dms_arena *arena,
                           dms_status *st) {
    dms_plan *plan = &c->plan;
    const uint32_t n = c->graph.n_files + (c->steps.n_consts > 0);
    DMS_TRY(dms_alloc_st(arena, n, sizeof *plan->file, "files", &plan->file, st));
    uint64_t left = DMS_FILE_DIGEST_ALL_BYTES;
    for (uint32_t i = 0; i < c->graph.n_files; i++)
        DMS_TRY(digest_file(c, i, arena, &plan->file[i], &left, st));
    if (c->steps.n_consts > 0)
        DMS_TRY(digest_consts(c, consts_name, &plan->file[c->graph.n_files], st));
    plan->n_files = n;
    return DMS_OK;
}

dms_code dms_write_file(const char *path, const void *data, uint64_t size, dms_status *st) {
    dms_file_write file;
    DMS_TRY(dms_file_begin(&file, path, st));
    (void)fwrite(data, 1, (size_t)size, file.out); /* a failure shows in the commit */
    return dms_file_commit(&file, st);
}
