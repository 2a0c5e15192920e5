/* files.c - one table of the files a model needs; entry 0 is the model.
 *
 * A missing file is no error: graphs of models too large to fetch can be planned without their
 * weights. A file that is there but may not be used (outside, a link, a pipe) is one.
 */
#include "onnx/files.h"

#include <string.h>
#include <unistd.h>

#include "onnx/names.h"

/* Adds an entry. */
static dms_code add_file(dms_graph *graph, const char *name, uint32_t kind, uint64_t bytes,
                         bool is_missing, dms_status *st) {
    uint32_t cap = graph->cap_files;
    DMS_TRY(dms_grow(graph->arena, &graph->file_is_missing, &cap, (uint64_t)graph->n_files + 1,
                     sizeof *graph->file_is_missing, st));
    DMS_TRY(dms_grow(graph->arena, &graph->file, &graph->cap_files, (uint64_t)graph->n_files + 1,
                     sizeof *graph->file, st));
    const uint32_t id = graph->n_files++;
    graph->file[id] =
        (dms_plan_file){.name = name, .kind = kind, .bytes = bytes, .is_unread = is_missing};
    graph->file_is_missing[id] = is_missing;
    return DMS_OK;
}

/* The model may lie anywhere the user says; all other files must lie beneath its folder. Opened and
 * closed at once: what is no regular file is refused before anything is read of it. */
dms_code dms_files_begin(dms_graph *graph, const char *path, dms_status *st) {
    const char *slash = strrchr(path, '/');
    const size_t dir = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    const char *file = slash == NULL ? path : slash + 1;
    graph->model_path = dms_strndup(graph->arena, path, strlen(path));
    graph->model_dir = slash == NULL ? "." : dms_strndup(graph->arena, path, dir);
    graph->model_file = dms_strndup(graph->arena, file, strlen(file));
    if (graph->model_path == NULL || graph->model_dir == NULL || graph->model_file == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: the model's path");
    int fd;
    uint64_t bytes;
    DMS_TRY(dms_regular_open(path, &fd, &bytes, st));
    (void)close(fd);
    return add_file(graph, graph->model_file, 0, bytes, false, st);
}

/* Remembers for the user that a file is missing. */
static dms_code warn(dms_graph *graph, const char *location, dms_status *st) {
    const char *name = dms_escape(graph->arena, location);
    const char *text = name == NULL
                           ? NULL
                           : dms_format(graph->arena,
                                        "external data file '%.200s' is not there: planned "
                                        "without it; dmsrun takes the plan with "
                                        "--random-weights alone",
                                        name);
    if (text == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a warning");
    DMS_TRY(dms_grow(graph->arena, &graph->warning, &graph->cap_warnings,
                     (uint64_t)graph->n_warnings + 1, sizeof *graph->warning, st));
    graph->warning[graph->n_warnings++] = text;
    return DMS_OK;
}

/* Files are few and tensors many, so each is opened once here and looked up by name after that. Two
 * spellings of one path are two files; that costs a second check and is not wrong. */
dms_code dms_file_index(dms_graph *graph, dms_names *index, const char *location, uint32_t *out,
                        dms_status *st) {
    const dms_name *known = dms_names_find(index, location);
    if (known != NULL) {
        *out = known->value;
        return DMS_OK;
    }
    int fd;
    uint64_t bytes = 0;
    bool is_missing = false;
    dms_status why;
    const dms_code code =
        dms_beneath_open(graph->model_dir, location, &fd, &bytes, &is_missing, &why);
    if (code != DMS_OK && !is_missing)
        return dms_fail(st, code, "external data: %.600s", why.msg);
    if (code == DMS_OK)
        (void)close(fd);
    char *name = dms_strndup(graph->arena, location, strlen(location));
    if (name == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a file name");
    if (is_missing)
        DMS_TRY(warn(graph, location, st));
    *out = graph->n_files;
    DMS_TRY(dms_names_add(index, name, graph->n_files, NULL, st));
    return add_file(graph, name, 1, bytes, is_missing, st);
}

dms_code dms_file_open(const dms_graph *graph, uint32_t index, int *out_fd, dms_status *st) {
    uint64_t bytes;
    bool is_missing;
    if (index == 0)
        return dms_regular_open(graph->model_path, out_fd, &bytes, st);
    if (graph->file_is_missing[index])
        return dms_fail(st, DMS_EIO, "file '%.200s' is not there", graph->file[index].name);
    return dms_beneath_open(graph->model_dir, graph->file[index].name, out_fd, &bytes, &is_missing,
                            st);
}
