/* dmsrun_tensors.c - fill the inputs, judge and store the outputs. */
#include "runtime/dmsrun_tensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/npy.h"
#include "runtime/random.h"
#include "schema/file_write.h"

#define PATH_BYTES 4096u

/* An input that follows from seed, its number and the place of the element. */
static void make_up(const dms_user_tensor *tensor, uint64_t seed, uint32_t number) {
    const uint64_t size = dms_dtype_bytes(tensor->view.dtype);
    const uint64_t key = dms_random_word(seed ^ dms_random_word(number));
    const int64_t n = dms_view_count(&tensor->view);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t word = dms_random_word(key + (uint64_t)i);
        const uint64_t bits = dms_random_bits(tensor->view.dtype, word, 1);
        memcpy((uint8_t *)tensor->data + (uint64_t)i * size, &bits, (size_t)size);
    }
}

/* Element type and dims must be the port's; .npy holds bf16 as u16. */
static dms_code check_array(const dms_array *array, const dms_port_info *port, dms_status *st) {
    char want[160], got[160];
    const bool is_bits = port->view.dtype == DMS_DTYPE_BF16 && array->view.dtype == DMS_DTYPE_U16;
    if ((array->view.dtype == port->view.dtype || is_bits) &&
        dms_view_same_dims(&array->view, &port->view))
        return DMS_OK;
    return dms_fail(st, DMS_EINPUT, "input '%s': the plan wants %s, '%s' holds %s", port->name,
                    dms_view_text(&port->view, want, sizeof want), array->path,
                    dms_view_text(&array->view, got, sizeof got));
}

/* Straight from the file into the memory that the session reads. */
static dms_code read_input(const dms_port_info *port, const char *path, void *to, dms_status *st) {
    dms_array array;
    const dms_code opened = dms_array_open(path, port->name, &array, st);
    if (opened != DMS_OK)
        return dms_context(st, "input '%s'", port->name);
    dms_code code = check_array(&array, port, st);
    if (code == DMS_OK) {
        code = dms_array_read(&array, to, st);
        if (code != DMS_OK)
            (void)dms_context(st, "input '%s'", port->name);
    }
    dms_array_close(&array);
    return code;
}

/* The name of <folder>/<kind>_<i>.npy or .pb, whichever exists.
 * Errors   DMS_EINPUT naming both. */
static dms_code find_file(const char *folder, const char *kind, uint32_t i, char *out,
                          dms_status *st) {
    static const char *const ends[2] = {"npy", "pb"};
    for (int k = 0; k < 2; k++) {
        const int n = snprintf(out, PATH_BYTES, "%s/%s_%" PRIu32 ".%s", folder, kind, i, ends[k]);
        if (n > 0 && (size_t)n < PATH_BYTES && access(out, F_OK) == 0)
            return DMS_OK;
    }
    return dms_fail(st, DMS_EINPUT,
                    "folder '%s' has no %s_%" PRIu32 ".npy and no %s_%" PRIu32 ".pb", folder, kind,
                    i, kind, i);
}

/* The file of --input, NULL when this input has none. */
static const char *file_of(const dmsrun_options *options, const char *name) {
    for (uint32_t i = 0; i < options->n_inputs; i++)
        if (strcmp(options->input[i].name, name) == 0)
            return options->input[i].file;
    return NULL;
}

/* Fills input `i` from where the options say: a file of its own, a folder, the seed. */
static dms_code fill_input(dmsrun_tensors *t, uint32_t i, const dmsrun_options *options,
                           dms_status *st) {
    const dms_port_info *port = &t->input_port[i];
    const char *file = file_of(options, port->name);
    char path[PATH_BYTES];
    if (t->is_made_up) {
        make_up(&t->input[i], options->seed, i);
        return DMS_OK;
    }
    if (file == NULL && options->compare == NULL)
        return dms_fail(st, DMS_EINPUT, "input '%s' is missing: --input '%s=FILE'", port->name,
                        port->name);
    if (file == NULL) {
        DMS_TRY(find_file(options->compare, "input", i, path, st));
        file = path;
    }
    return read_input(port, file, t->input[i].data, st);
}

/* Every --input must name an input. */
static dms_code check_names(const dmsrun_tensors *t, const dmsrun_options *options,
                            dms_status *st) {
    for (uint32_t i = 0; i < options->n_inputs; i++) {
        bool is_known = false;
        for (uint32_t k = 0; k < t->n_inputs; k++)
            is_known = is_known || strcmp(options->input[i].name, t->input_port[k].name) == 0;
        if (!is_known)
            return dms_fail(st, DMS_EINPUT, "the model has no input '%s' (it has %" PRIu32 "%s%s)",
                            options->input[i].name, t->n_inputs,
                            t->n_inputs == 0 ? "" : ", the first is ",
                            t->n_inputs == 0 ? "" : t->input_port[0].name);
    }
    return DMS_OK;
}

/* Dense memory for a port. */
static dms_code take_tensor(dms_arena *arena, const dms_port_info *port, dms_user_tensor *out,
                            dms_status *st) {
    out->view = port->view;
    return dms_alloc_st(arena, dms_view_bytes(&port->view), 1, port->name, &out->data, st);
}

/* One entry per port. */
static dms_code take_tables(const dms_info *info, dms_arena *arena, dmsrun_tensors *t,
                            dms_status *st) {
    t->n_inputs = info->n_inputs;
    t->n_outputs = info->n_outputs;
    DMS_TRY(dms_alloc_st(arena, t->n_inputs, sizeof *t->input_port, "inputs", &t->input_port, st));
    DMS_TRY(dms_alloc_st(arena, t->n_inputs, sizeof *t->input, "inputs", &t->input, st));
    DMS_TRY(
        dms_alloc_st(arena, t->n_outputs, sizeof *t->output_port, "outputs", &t->output_port, st));
    DMS_TRY(dms_alloc_st(arena, t->n_outputs, sizeof *t->output, "outputs", &t->output, st));
    DMS_TRY(dms_alloc_st(arena, t->n_outputs, sizeof *t->digest, "outputs", &t->digest, st));
    return dms_alloc_st(arena, t->n_outputs, sizeof *t->difference, "outputs", &t->difference, st);
}

dms_code dmsrun_load(const dms_session *session, const dmsrun_options *options, dms_arena *arena,
                     dmsrun_tensors *out, dms_status *st) {
    const dms_info info = dms_session_info(session);
    dmsrun_tensors t = {.is_made_up = options->n_inputs == 0 && options->compare == NULL};
    DMS_TRY(take_tables(&info, arena, &t, st));
    for (uint32_t i = 0; i < t.n_inputs; i++)
        t.input_port[i] = dms_session_input(session, i);
    DMS_TRY(check_names(&t, options, st));
    for (uint32_t i = 0; i < t.n_inputs; i++) {
        DMS_TRY(take_tensor(arena, &t.input_port[i], &t.input[i], st));
        DMS_TRY(fill_input(&t, i, options, st));
    }
    for (uint32_t i = 0; i < t.n_outputs; i++) {
        t.output_port[i] = dms_session_output(session, i);
        DMS_TRY(take_tensor(arena, &t.output_port[i], &t.output[i], st));
    }
    *out = t;
    return DMS_OK;
}

void dmsrun_digest(dmsrun_tensors *tensors) {
    tensors->all = (dms_hash){0, 0};
    for (uint32_t i = 0; i < tensors->n_outputs; i++) {
        const dms_user_tensor *t = &tensors->output[i];
        int64_t shape[DMS_MAX_RANK + 2] = {t->view.dtype, t->view.rank};
        memcpy(shape + 2, t->view.dim, t->view.rank * sizeof *shape);
        tensors->digest[i] =
            dms_hash_join(dms_hash_bytes(shape, (2 + t->view.rank) * sizeof *shape, 0),
                          dms_hash_bytes(t->data, dms_view_bytes(&t->view), 0));
        tensors->all = dms_hash_join(tensors->all, tensors->digest[i]);
    }
}

/* Reads the reference of output `i` into `arena`. */
static dms_code read_reference(const dmsrun_options *options, uint32_t i, dms_arena *arena,
                               dms_view *out_view, void **out_data, dms_status *st) {
    char path[PATH_BYTES];
    dms_array array;
    DMS_TRY(find_file(options->compare, "output", i, path, st));
    DMS_TRY(dms_array_open(path, "output", &array, st));
    *out_view = array.view;
    dms_code code =
        dms_alloc_st(arena, dms_view_bytes(&array.view), 1, "a reference", out_data, st);
    if (code == DMS_OK)
        code = dms_array_read(&array, *out_data, st);
    dms_array_close(&array);
    return code;
}

/* Compares output `i`; a difference is DMS_EDIFFERS. */
static dms_code compare_output(dmsrun_tensors *t, uint32_t i, const dmsrun_options *options,
                               dms_arena *arena, dms_status *st) {
    const char *name = t->output_port[i].name;
    dms_difference *d = &t->difference[i];
    dms_view view;
    void *reference = NULL;
    dms_code code = read_reference(options, i, arena, &view, &reference, st);
    if (code == DMS_OK)
        code = dms_compare(&t->output[i].view, t->output[i].data, &view, reference,
                           &options->tolerance, d, st);
    if (code != DMS_OK)
        return dms_context(st, "output %" PRIu32 " '%s'", i, name);
    if (d->n_failed == 0)
        return DMS_OK;
    return dms_fail(st, DMS_EDIFFERS,
                    "output %" PRIu32 " '%s' differs from its reference in %" PRId64 " of %" PRId64
                    " elements; the first is element %" PRId64 ": %.9g, reference %.9g",
                    i, name, d->n_failed, d->n_elements, d->first_failed, d->got, d->reference);
}

dms_code dmsrun_compare(dmsrun_tensors *tensors, const dmsrun_options *options, dms_arena *arena,
                        dms_status *st) {
    dms_status first = {.code = DMS_OK};
    for (uint32_t i = 0; i < tensors->n_outputs; i++) {
        dms_status now = {.code = DMS_OK};
        const dms_arena_mark mark = dms_arena_here(arena);
        const dms_code code = compare_output(tensors, i, options, arena, &now);
        dms_arena_release(arena, mark);
        if (code != DMS_OK && first.code == DMS_OK)
            first = now;
        if (code != DMS_OK && code != DMS_EDIFFERS)
            break;
    }
    if (st != NULL && first.code != DMS_OK)
        *st = first;
    return first.code;
}

dms_code dmsrun_check_folder(const char *folder, dms_status *st) {
    struct stat is;
    if (stat(folder, &is) != 0)
        return errno == ENOENT
                   ? DMS_OK
                   : dms_fail(st, DMS_EIO, "--output '%s': %s", folder, strerror(errno));
    if (!S_ISDIR(is.st_mode))
        return dms_fail(st, DMS_EIO, "--output '%s' is not a folder", folder);
    return DMS_OK;
}

/* Writes one output and syncs it; it has no name yet. */
static dms_code write_sealed(const dms_user_tensor *t, const char *path, dms_file_write *file,
                             dms_status *st) {
    DMS_TRY(dms_file_begin(file, path, st));
    dms_array_print(&t->view, t->data, file->out); /* a failure shows now */
    return dms_file_seal(file, st);
}

/* All outputs under their temporary names, then all names. */
static dms_code write_all(const dmsrun_tensors *tensors, const char *folder, dms_arena *arena,
                          dms_status *st) {
    dms_file_write *file;
    const uint32_t n = tensors->n_outputs;
    DMS_TRY(dms_alloc_st(arena, n, sizeof *file, "outputs", &file, st));
    dms_code code = DMS_OK;
    uint32_t n_sealed = 0;
    while (n_sealed < n && code == DMS_OK) {
        const char *path = dms_format(arena, "%s/output_%" PRIu32 ".npy", folder, n_sealed);
        code = path == NULL ? dms_fail(st, DMS_EINTERNAL, "out of memory: names")
                            : write_sealed(&tensors->output[n_sealed], path, &file[n_sealed], st);
        n_sealed += code == DMS_OK;
    }
    if (code == DMS_OK)
        return dms_files_commit(file, n, st);
    for (uint32_t i = 0; i < n_sealed; i++)
        dms_file_abort(&file[i]);
    return code;
}

/* A folder that was made for outputs which then cannot be written goes again. */
dms_code dmsrun_write(const dmsrun_tensors *tensors, const char *folder, dms_arena *arena,
                      dms_status *st) {
    const bool is_made = mkdir(folder, 0777) == 0;
    if (!is_made && errno != EEXIST)
        return dms_fail(st, DMS_EIO, "--output '%s': %s", folder, strerror(errno));
    const dms_code code = write_all(tensors, folder, arena, st);
    if (code != DMS_OK && is_made)
        (void)rmdir(folder);
    return code;
}
