/* pack.c - list the cells, prove that the file is there already, or write it.
 *
 * Cells that are columns of a matrix share its rows in the model's file. Such a matrix is read
 * band by band, each band once, and every panel gets its part of each band:
 *
 *     model    |r0: a a b b|r1: a a b b|  |r2 ...       a band: as many rows as a slab holds
 *     packed   |a: r0 r1   r2 ...|   |b: r0 r1   r2 ...|
 */
#include "planner/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "runtime/check/meaning.h"
#include "schema/beneath.h"
#include "schema/checked.h"
#include "schema/file_digest.h"
#include "schema/file_write.h"
#include "schema/gather.h"
#include "schema/packed.h"

#define SLAB_BYTES (32u << 20) /* cells are packed in parts of at most this size */
#define STAGING_BYTES (4u << 20)
#define NOWHERE UINT64_MAX

/* Packing under way. */
typedef struct packer {
    const dms_compile_options *options;
    const dms_compiled *c;
    dms_plan *plan;
    dms_arena *arena;
    char *path;
    uint32_t n_blocks, *block; /* sources, in the order of the file */
    uint64_t *offset;          /* of each block */
    uint64_t *place;           /* of each source; NOWHERE: it is not packed */
    uint64_t done;             /* bytes written */
    uint64_t bytes;            /* of all, padding included */
    dms_hash key;
    int *fd; /* per file of the graph; -1: nothing is packed from it */
    dms_file_write file;
    uint8_t *slab, *staging;
    dms_status *st;
} packer;

/* Cells that lie in files, each once, as the steps come to them. */
static dms_code list_blocks(packer *p) {
    const dms_steps *s = &p->c->steps;
    bool *is_listed;
    DMS_TRY(dms_alloc_st(p->arena, s->n_sources, sizeof *is_listed, "packing", &is_listed, p->st));
    DMS_TRY(dms_alloc_st(p->arena, s->n_sources, sizeof *p->block, "packing", &p->block, p->st));
    DMS_TRY(dms_alloc_st(p->arena, s->n_sources, sizeof *p->offset, "packing", &p->offset, p->st));
    for (uint32_t k = 0; k < s->n_steps; k++) {
        const dms_call *call = &s->call[s->step[k].call];
        for (uint32_t o = 0; o < call->n_in; o++) {
            const dms_step_operand *operand = &s->step[k].operand[o];
            const dms_plan_tensor *tensor = &s->tensor[operand->tensor].plan;
            for (uint32_t i = 0; tensor->kind == DMS_TENSOR_WEIGHT && i < operand->n; i++) {
                const uint32_t source = tensor->first_source + operand->first + i;
                if (!is_listed[source] && s->source[source].file != DMS_NONE)
                    p->block[p->n_blocks++] = source;
                is_listed[source] = true;
            }
        }
    }
    return DMS_OK;
}

/* Places of the blocks, and the key that says what lies there. */
static dms_code place_blocks(packer *p) {
    p->key = dms_packed_key();
    DMS_TRY(
        dms_alloc_st(p->arena, p->plan->n_sources, sizeof *p->place, "packing", &p->place, p->st));
    for (uint32_t k = 0; k < p->plan->n_sources; k++)
        p->place[k] = NOWHERE;
    for (uint32_t k = 0; k < p->n_blocks; k++) {
        const dms_source *source = &p->plan->source[p->block[k]];
        uint64_t end;
        p->offset[k] = p->place[p->block[k]] = p->bytes;
        if (!dms_add(p->bytes, dms_view_bytes(&source->view), &end) ||
            !dms_align_up(end, DMS_PACKED_PAGE_BYTES, &p->bytes))
            return dms_fail(p->st, DMS_EUNSUPPORTED, "packed weights exceed 64 bits");
        p->key = dms_packed_key_add(p->key, dms_meaning_source(p->plan, p->block[k]), p->offset[k]);
    }
    return DMS_OK;
}

/* DIR/MODEL.dmspack */
static dms_code make_path(packer *p) {
    const char *name = p->c->graph.model_file, *dir = p->options->pack;
    size_t length = strlen(name);
    if (length > 5 && strcmp(name + length - 5, ".onnx") == 0)
        length -= 5;
    const bool has_slash = dir[0] != 0 && dir[strlen(dir) - 1] == '/';
    p->path =
        dms_format(p->arena, "%s%s%.*s.dmspack", dir, has_slash ? "" : "/", (int)length, name);
    if (p->path == NULL)
        return dms_fail(p->st, DMS_EINTERNAL, "out of memory: names");
    for (uint32_t i = 0; i < p->plan->n_files; i++)
        if (strcmp(p->plan->file[i].name, strrchr(p->path, '/') + 1) == 0)
            return dms_fail(p->st, DMS_EIO, "'%s' is a file of the model: it is not packed over",
                            p->plan->file[i].name);
    if (p->options->plan != NULL && strcmp(p->options->plan, p->path) == 0)
        return dms_fail(p->st, DMS_EUSAGE, "'%s' cannot be the plan and the packed weights",
                        p->path);
    return DMS_OK;
}

/* Opens one file that weights are packed from; the result must not replace it. */
static dms_code open_source(packer *p, uint32_t file) {
    const dms_graph *graph = &p->c->graph;
    struct stat source, target;
    uint64_t bytes;
    if (p->plan->file[file].is_unread)
        return dms_fail(p->st, DMS_EIO, "file '%s' is missing: its weights cannot be packed",
                        p->plan->file[file].name);
    DMS_TRY(dms_compile_open(graph, file, &p->fd[file], &bytes, p->st));
    if (bytes != p->plan->file[file].bytes)
        return dms_fail(p->st, DMS_EIO, "file '%s' changed while it was read",
                        p->plan->file[file].name);
    if (fstat(p->fd[file], &source) == 0 && stat(p->path, &target) == 0 &&
        source.st_dev == target.st_dev && source.st_ino == target.st_ino)
        return dms_fail(p->st, DMS_EIO, "'%s' holds weights of the model: it is not packed over",
                        p->path);
    return DMS_OK;
}

static dms_code open_sources(packer *p) {
    const uint32_t n = p->c->graph.n_files;
    DMS_TRY(dms_alloc_st(p->arena, n, sizeof *p->fd, "packing", &p->fd, p->st));
    for (uint32_t i = 0; i < n; i++)
        p->fd[i] = -1;
    for (uint32_t k = 0; k < p->n_blocks; k++) {
        const uint32_t file = p->plan->source[p->block[k]].file;
        if (file < n && p->fd[file] < 0)
            DMS_TRY(open_source(p, file));
    }
    return DMS_OK;
}

static void close_sources(packer *p) {
    for (uint32_t i = 0; p->fd != NULL && i < p->c->graph.n_files; i++)
        if (p->fd[i] >= 0)
            (void)close(p->fd[i]);
}

/* Gathers a part of a cell into the slab, in its stored order. */
static dms_code gather_slab(packer *p, const dms_source *source, const dms_view *view,
                            int64_t valid_last) {
    dms_view dense;
    dms_gather g;
    dms_gather_piece piece;
    (void)dms_view_dense(view->dtype, view->rank, view->dim, &dense);
    const dms_gather_walk walk = {view, source->offset, valid_last, dense.pitch};
    dms_gather_begin(&g, &walk, STAGING_BYTES);
    dms_gather_zeros(&g, p->slab);
    while (dms_gather_next(&g, &piece)) {
        if (source->file == p->c->graph.n_files) { /* constants made by dmsc */
            dms_gather_scatter(&g, &piece, p->c->steps.consts + piece.offset, p->slab);
            continue;
        }
        uint8_t *to = piece.n == 0 ? p->slab + piece.to : p->staging;
        DMS_TRY(dms_read_at(p->fd[source->file], p->plan->file[source->file].name, piece.offset, to,
                            piece.bytes, p->st));
        if (piece.n != 0)
            dms_gather_scatter(&g, &piece, to, p->slab);
    }
    return DMS_OK;
}

/* Writes bytes of the slab at a place of the file. */
static dms_code write_at(packer *p, const uint8_t *from, uint64_t bytes, uint64_t at) {
    while (bytes != 0) {
        const ssize_t done = pwrite(fileno(p->file.out), from, (size_t)bytes, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return dms_fail(p->st, DMS_EIO, "writing '%s' at byte %" PRIu64 ": %s", p->path, at,
                            done < 0 ? strerror(errno) : "nothing is written");
        from += done;
        at += (uint64_t)done;
        bytes -= (uint64_t)done;
    }
    return DMS_OK;
}

/* Tells how far it is; somebody may want it to end. */
static dms_code report_packing(const packer *p) {
    if (p->options->packing == NULL ||
        p->options->packing(p->options->progress_data, p->done, p->bytes))
        return DMS_OK;
    return dms_fail(p->st, DMS_ECANCELLED, "interrupted");
}

/* Writes a part of a cell, cut along its outermost axis until it fits the slab. What is missing at
 * the end of the last axis is missing in the last entry of axis 0 alone. */
static dms_code write_part(packer *p, const dms_source *source, dms_view view, int64_t valid_last,
                           uint64_t at) {
    const uint64_t bytes = dms_view_bytes(&view);
    uint32_t axis = 0;
    while (axis + 1 < view.rank && view.dim[axis] == 1)
        axis++;
    if (bytes <= SLAB_BYTES) {
        DMS_TRY(gather_slab(p, source, &view, valid_last));
        DMS_TRY(write_at(p, p->slab, bytes, at));
        p->done += bytes;
        return report_packing(p);
    }
    if (axis + 1 == view.rank && valid_last != 0)
        return dms_fail(p->st, DMS_EINTERNAL, "a padded row is longer than %u bytes", SLAB_BYTES);
    const int64_t dim = view.dim[axis];
    const uint64_t entry_bytes = bytes / (uint64_t)dim;
    const int64_t most = entry_bytes >= SLAB_BYTES ? 1 : (int64_t)(SLAB_BYTES / entry_bytes);
    for (int64_t i = 0; i < dim; i += most) {
        dms_view part = view;
        part.dim[axis] = dim - i < most ? dim - i : most;
        part.offset += i * view.pitch[axis];
        const bool has_end = axis != 0 || i + part.dim[axis] == dim;
        DMS_TRY(
            write_part(p, source, part, has_end ? valid_last : 0, at + (uint64_t)i * entry_bytes));
    }
    return DMS_OK;
}

/* The cells of this weight are columns that share the rows of its file. */
static bool shares_rows(const packer *p, const dms_plan_tensor *tensor) {
    if (tensor->kind != DMS_TENSOR_WEIGHT || tensor->cell_axis != 0 || dms_plan_cells(tensor) < 2)
        return false;
    const dms_source *source = &p->plan->source[tensor->first_source];
    const dms_view *view = &source->view;
    return source->file != DMS_NONE && view->rank >= 2 && view->pitch[1] > view->pitch[0] &&
           dms_view_bytes(&tensor->stored) / (uint64_t)view->dim[1] <= SLAB_BYTES;
}

/* Hands a band that lies in the slab to the cells: entries [row, row + n) of axis 1, all panels. */
static dms_code write_band(packer *p, const dms_plan_tensor *tensor, int64_t row, int64_t n) {
    const uint64_t rows = (uint64_t)tensor->stored.dim[1];
    const uint64_t panel = dms_view_bytes(&tensor->stored) / (uint64_t)tensor->stored.dim[0];
    const uint64_t run = panel / rows * (uint64_t)n, skip = panel / rows * (uint64_t)row;
    const uint8_t *from = p->slab;
    for (uint32_t c = 0; c < dms_plan_cells(tensor); c++) {
        const uint64_t at = p->place[tensor->first_source + c];
        const uint64_t n_panels = (uint64_t)p->plan->source[tensor->first_source + c].view.dim[0];
        for (uint64_t k = 0; at != NOWHERE && k < n_panels; k++) {
            DMS_TRY(write_at(p, from + k * run, run, at + k * panel + skip));
            p->done += run;
        }
        from += n_panels * run;
    }
    return report_packing(p);
}

/* Packs all cells of a weight that share rows. */
static dms_code write_bands(packer *p, const dms_plan_tensor *tensor) {
    const dms_source *first = &p->plan->source[tensor->first_source];
    const int64_t valid_last = first[dms_plan_cells(tensor) - 1].valid_last;
    const int64_t rows = tensor->stored.dim[1];
    const uint64_t row_bytes = dms_view_bytes(&tensor->stored) / (uint64_t)rows;
    const int64_t most = (int64_t)(SLAB_BYTES / row_bytes);
    for (int64_t row = 0; row < rows; row += most) {
        dms_view band = first->view;
        band.dim[0] = tensor->stored.dim[0];
        band.dim[1] = rows - row < most ? rows - row : most;
        band.offset += row * band.pitch[1];
        DMS_TRY(gather_slab(p, first, &band, valid_last));
        DMS_TRY(write_band(p, tensor, row, band.dim[1]));
    }
    for (uint32_t c = 0; c < dms_plan_cells(tensor); c++)
        p->place[tensor->first_source + c] = NOWHERE; /* it is done */
    return DMS_OK;
}

/* The sampled digest of the blocks; large ones are large ranges. */
static dms_code digest_blocks(packer *p, int fd, dms_plan_file *file, dms_hash *out) {
    const dms_file_ranges large = {file->n_large, file->large_offset, file->large_bytes};
    return dms_file_digest(fd, p->path, p->bytes, &large, out, p->st);
}

/* All blocks, then the last page. Between two blocks the file has a hole, which reads as zeros. */
static dms_code write_blocks(packer *p, dms_plan_file *file) {
    DMS_TRY(dms_alloc_st(p->arena, SLAB_BYTES, 1, "packing", &p->slab, p->st));
    DMS_TRY(dms_alloc_st(p->arena, STAGING_BYTES, 1, "packing", &p->staging, p->st));
    for (uint32_t k = 0; k < p->plan->n_tensors; k++)
        if (shares_rows(p, &p->plan->tensor[k]))
            DMS_TRY(write_bands(p, &p->plan->tensor[k]));
    for (uint32_t k = 0; k < p->n_blocks; k++) {
        const dms_source *source = &p->plan->source[p->block[k]];
        if (p->place[p->block[k]] != NOWHERE)
            DMS_TRY(write_part(p, source, source->view, source->valid_last, p->offset[k]));
    }
    dms_packed_footer last = dms_packed_footer_make(p->bytes, p->key);
    if (ftruncate(fileno(p->file.out), (off_t)p->bytes) != 0)
        return dms_fail(p->st, DMS_EIO, "writing '%s' at byte %" PRIu64 ": %s", p->path, p->bytes,
                        strerror(errno));
    int fd;
    uint64_t bytes;
    DMS_TRY(dms_regular_open(p->file.temporary, &fd, &bytes, p->st));
    const dms_code code = digest_blocks(p, fd, file, &last.digest);
    (void)close(fd);
    DMS_TRY(code);
    memset(p->slab, 0, DMS_PACKED_PAGE_BYTES);
    memcpy(p->slab, &last, sizeof last);
    return write_at(p, p->slab, DMS_PACKED_PAGE_BYTES, p->bytes);
}

/* The file is there, made of the same cells, and as it was written. */
static bool is_there(packer *p, dms_plan_file *file) {
    dms_packed_footer last;
    int fd;
    uint64_t bytes;
    dms_hash found;
    dms_status unused;
    if (dms_regular_open(p->path, &fd, &bytes, &unused) != DMS_OK)
        return false;
    bool is_same = bytes == p->bytes + DMS_PACKED_PAGE_BYTES &&
                   dms_read_at(fd, p->path, p->bytes, &last, sizeof last, &unused) == DMS_OK &&
                   dms_packed_footer_fits(&last, p->bytes, p->key);
    if (is_same)
        is_same =
            digest_blocks(p, fd, file, &found) == DMS_OK && dms_hash_equal(found, last.digest);
    (void)close(fd);
    return is_same;
}

/* Large blocks are sampled by every run, small ones are hashed whole. */
static dms_code describe_file(packer *p, dms_plan_file *file) {
    uint64_t *offset, *bytes;
    const char *slash = strrchr(p->path, '/');
    DMS_TRY(dms_alloc_st(p->arena, p->n_blocks, sizeof *offset, "packing", &offset, p->st));
    DMS_TRY(dms_alloc_st(p->arena, p->n_blocks, sizeof *bytes, "packing", &bytes, p->st));
    *file = (dms_plan_file){.name = slash + 1,
                            .bytes = p->bytes + DMS_PACKED_PAGE_BYTES,
                            .kind = DMS_PACKED_KIND,
                            .large_offset = offset,
                            .large_bytes = bytes};
    for (uint32_t k = 0; k < p->n_blocks; k++) {
        const uint64_t size = dms_view_bytes(&p->plan->source[p->block[k]].view);
        if (size < DMS_FILE_DIGEST_LARGE_BYTES)
            continue;
        offset[file->n_large] = p->offset[k];
        bytes[file->n_large++] = size;
    }
    return DMS_OK;
}

/* Writes the file unless it is there. */
static dms_code make_file(packer *p, dms_plan_file *file, bool *out_is_reused) {
    *out_is_reused = is_there(p, file);
    if (*out_is_reused)
        return DMS_OK;
    DMS_TRY(report_packing(p));
    DMS_TRY(dms_file_begin(&p->file, p->path, p->st));
    const dms_code code = write_blocks(p, file);
    if (code == DMS_OK)
        return dms_file_commit(&p->file, p->st);
    dms_file_abort(&p->file);
    return code;
}

/* The plan reads the cells from the packed file, which is its last file. */
static dms_code use_file(packer *p, dms_plan_file *file) {
    dms_plan *plan = p->plan;
    dms_plan_file *grown;
    int fd;
    uint64_t bytes, left = DMS_FILE_DIGEST_ALL_BYTES; /* beside what the model's own files take */
    DMS_TRY(dms_alloc_st(p->arena, plan->n_files + 1ull, sizeof *grown, "files", &grown, p->st));
    memcpy(grown, plan->file, plan->n_files * sizeof *grown);
    DMS_TRY(dms_regular_open(p->path, &fd, &bytes, p->st));
    const dms_code code = dms_compile_digest(fd, file, &left, p->st);
    (void)close(fd);
    DMS_TRY(code);
    for (uint32_t k = 0; k < p->n_blocks; k++) {
        dms_source *source = &plan->source[p->block[k]];
        source->is_packed = true;
        source->packed_file = plan->n_files;
        source->packed_offset = p->offset[k];
    }
    grown[plan->n_files++] = *file;
    plan->file = grown;
    return DMS_OK;
}

dms_code dms_pack_weights(const dms_compile_options *options, dms_arena *arena, dms_compiled *c,
                          dms_status *st) {
    packer p = {.options = options, .c = c, .plan = &c->plan, .arena = arena, .st = st};
    dms_plan_file file;
    bool is_reused = false;
    DMS_TRY(list_blocks(&p));
    for (uint32_t k = 0; k < c->plan.n_sources; k++)
        c->plan.source[k].is_packed = false; /* until it is */
    if (p.n_blocks == 0)
        return DMS_OK; /* all constants lie in the plan */
    DMS_TRY(place_blocks(&p));
    DMS_TRY(make_path(&p));
    DMS_TRY(describe_file(&p, &file));
    dms_code code = open_sources(&p);
    if (code == DMS_OK)
        code = make_file(&p, &file, &is_reused);
    if (code == DMS_OK)
        code = use_file(&p, &file);
    close_sources(&p);
    if (code == DMS_OK)
        c->pack = (dms_pack_facts){p.path, file.bytes, is_reused};
    return code;
}
