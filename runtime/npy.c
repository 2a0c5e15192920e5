/* npy.c - .npy, and which of the three formats a file is. */
#include "runtime/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/npy_internal.h"
#include "schema/checked.h"
#include "schema/file_write.h"

#define MAX_HEADER_BYTES 8192u /* numpy writes about 118; structured types are refused anyway */
#define WINDOW_BYTES 8192u

/* Element types and their numpy names; the first entry of a type is the one that is written. */
static const struct {
    const char *descr;
    dms_dtype dtype;
} types[] = {{"<f4", DMS_DTYPE_F32},  {"<f8", DMS_DTYPE_F64}, {"<f2", DMS_DTYPE_F16},
             {"|b1", DMS_DTYPE_BOOL}, {"|u1", DMS_DTYPE_U8},  {"|i1", DMS_DTYPE_I8},
             {"<u2", DMS_DTYPE_U16},  {"<i2", DMS_DTYPE_I16}, {"<u4", DMS_DTYPE_U32},
             {"<i4", DMS_DTYPE_I32},  {"<u8", DMS_DTYPE_U64}, {"<i8", DMS_DTYPE_I64},
             {"<u2", DMS_DTYPE_BF16}, {"<u1", DMS_DTYPE_U8},  {"<i1", DMS_DTYPE_I8},
             {"<b1", DMS_DTYPE_BOOL}};
#define N_TYPES (sizeof types / sizeof *types)

dms_code dms_array_refuse(const dms_array *array, dms_status *st, const char *fmt, ...) {
    char why[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return dms_fail(st, DMS_EINPUT, "'%s': %s", array->path, why);
}

dms_code dms_array_pread(const dms_array *array, uint64_t offset, void *to, uint64_t bytes,
                         dms_status *st) {
    for (uint64_t done = 0; done < bytes;) {
        const ssize_t got =
            pread(array->fd, (uint8_t *)to + done, (size_t)(bytes - done), (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dms_fail(st, DMS_EIO, "reading '%s': %s", array->path, strerror(errno));
        if (got == 0)
            return dms_array_refuse(array, st, "the file ends at byte %" PRIu64, offset + done);
        done += (uint64_t)got;
    }
    return DMS_OK;
}

/* The text of a header, read from left to right. */
typedef struct cursor {
    const char *at, *end;
} cursor;

/* What may stand between the words of a header. */
static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

/* Takes `token` when it comes next. */
static bool take(cursor *c, const char *token) {
    const size_t length = strlen(token);
    skip_space(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, token, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A quoted text of fewer than `size` bytes. */
static bool take_text(cursor *c, char *out, size_t size) {
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    const char quote = *c->at++;
    const char *close = memchr(c->at, quote, (size_t)(c->end - c->at));
    if (close == NULL || (size_t)(close - c->at) >= size)
        return false;
    memcpy(out, c->at, (size_t)(close - c->at));
    out[close - c->at] = 0;
    c->at = close + 1;
    return true;
}

/* A decimal number that fits 63 bits. */
static bool take_number(cursor *c, int64_t *out) {
    skip_space(c);
    const char *begin = c->at;
    int64_t value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!dms_mul_i64(value, 10, &value) || !dms_add_i64(value, *c->at - '0', &value))
            return false;
    *out = value;
    return c->at != begin;
}

/* "()", "(3,)" or "(2, 3)", with a comma behind the last dim or without. */
static bool take_shape(cursor *c, uint32_t *rank, int64_t *dim) {
    if (!take(c, "("))
        return false;
    for (*rank = 0; !take(c, ")"); (*rank)++) {
        if (*rank == DMS_MAX_RANK || !take_number(c, &dim[*rank]))
            return false;
        if (!take(c, ",")) {
            (*rank)++;
            return take(c, ")");
        }
    }
    return true;
}

enum { KEY_DESCR = 1, KEY_SHAPE = 2, KEY_ORDER = 4, ALL_KEYS = 7 };

/* What the dictionary of a header says. */
typedef struct header {
    char descr[32];
    uint32_t rank, keys; /* KEY_... that were there */
    int64_t dim[DMS_MAX_RANK];
    bool is_fortran;
} header;

/* One "'key': value" of the dictionary. */
static bool take_item(cursor *c, header *h) {
    char key[32];
    if (!take_text(c, key, sizeof key) || !take(c, ":"))
        return false;
    if (strcmp(key, "descr") == 0) {
        h->keys |= KEY_DESCR;
        return take_text(c, h->descr, sizeof h->descr);
    }
    if (strcmp(key, "shape") == 0) {
        h->keys |= KEY_SHAPE;
        return take_shape(c, &h->rank, h->dim);
    }
    if (strcmp(key, "fortran_order") != 0)
        return false;
    h->keys |= KEY_ORDER;
    h->is_fortran = take(c, "True");
    return h->is_fortran || take(c, "False");
}

/* A dictionary of exactly the three keys; nothing is evaluated, nothing may follow. */
static bool parse_header(const char *text, size_t size, header *out) {
    cursor c = {text, text + size};
    header h = {.descr = ""};
    if (!take(&c, "{"))
        return false;
    while (take_item(&c, &h) && take(&c, ",")) /* a comma may stand behind the last item */
        continue;
    if (!take(&c, "}"))
        return false;
    skip_space(&c);
    *out = h;
    return h.keys == ALL_KEYS && c.at == c.end;
}

/* DMS_DTYPE_NONE for what numpy has and we have not: objects, texts, big-endian numbers. */
static dms_dtype dtype_of(const char *descr) {
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].descr, descr) == 0)
            return types[i].dtype;
    return DMS_DTYPE_NONE;
}

/* Checks what the header says against the bytes that are there. */
static dms_code apply_header(dms_array *array, const header *h, uint64_t end, dms_status *st) {
    const dms_dtype dtype = dtype_of(h->descr);
    if (dtype == DMS_DTYPE_NONE)
        return dms_array_refuse(array, st, "element type '%s' is not supported", h->descr);
    if (!dms_view_dense(dtype, h->rank, h->dim, &array->view))
        return dms_array_refuse(array, st, "the shape in its header is too large");
    array->bytes = dms_view_bytes(&array->view);
    array->coding = h->is_fortran && h->rank > 1 ? DMS_ARRAY_FORTRAN : DMS_ARRAY_RAW;
    if (!dms_range_fits(array->offset, array->bytes, end))
        return dms_array_refuse(array, st,
                                "its header wants %" PRIu64 " bytes of data, it has %" PRIu64,
                                array->bytes, array->offset > end ? 0 : end - array->offset);
    return DMS_OK;
}

dms_code dms_npy_header(dms_array *array, uint64_t offset, uint64_t end, dms_status *st) {
    uint8_t start[12] = {0};
    char text[MAX_HEADER_BYTES];
    if (offset > end || end - offset < sizeof start)
        return dms_array_refuse(array, st, "the file is too short for .npy");
    DMS_TRY(dms_array_pread(array, offset, start, sizeof start, st));
    if (memcmp(start, "\x93NUMPY", 6) != 0)
        return dms_array_refuse(array, st, "not a .npy file");
    if (start[6] < 1 || start[6] > 3)
        return dms_array_refuse(array, st, ".npy version %u is not known", start[6]);
    const bool is_short = start[6] == 1;
    const uint32_t size =
        is_short ? start[8] + 256u * start[9]
                 : start[8] + 256u * start[9] + 65536u * start[10] + 16777216u * start[11];
    const uint64_t begin = offset + (is_short ? 10 : 12);
    if (size > sizeof text || size > end - begin)
        return dms_array_refuse(array, st, "a header of %" PRIu32 " bytes", size);
    DMS_TRY(dms_array_pread(array, begin, text, size, st));
    header h;
    if (!parse_header(text, size, &h))
        return dms_array_refuse(array, st, "its .npy header cannot be understood");
    array->offset = begin + size;
    return apply_header(array, &h, end, st);
}

/* Decides by content what the file is; a TensorProto has no mark, so its name must say so. */
static dms_code read_header(dms_array *array, const char *member, dms_status *st) {
    struct stat is;
    if (fstat(array->fd, &is) != 0)
        return dms_fail(st, DMS_EIO, "'%s': %s", array->path, strerror(errno));
    if (!S_ISREG(is.st_mode))
        return dms_fail(st, DMS_EIO, "'%s' is not a regular file", array->path);
    const uint64_t size = (uint64_t)is.st_size;
    const size_t length = strlen(array->path);
    if (length > 3 && strcmp(array->path + length - 3, ".pb") == 0)
        return dms_pb_header(array, size, st);
    uint8_t mark[4] = {0};
    if (size < sizeof mark)
        return dms_array_refuse(array, st, "%" PRIu64 " bytes are no .npy, .npz or .pb file", size);
    DMS_TRY(dms_array_pread(array, 0, mark, sizeof mark, st));
    if (memcmp(mark, "PK\3\4", 4) == 0)
        return dms_npz_header(array, size, member, st);
    return dms_npy_header(array, 0, size, st);
}

dms_code dms_array_open(const char *path, const char *member, dms_array *out, dms_status *st) {
    dms_array array = {.path = path};
    array.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (array.fd < 0)
        return dms_fail(st, DMS_EIO, "'%s': %s", path, strerror(errno));
    const dms_code code = read_header(&array, member, st);
    if (code != DMS_OK)
        dms_array_close(&array);
    else
        *out = array;
    return code;
}

void dms_array_close(dms_array *array) {
    if (array->fd >= 0)
        close(array->fd);
    array->fd = -1;
}

/* Elements that are stored first axis fastest go to their row-major places. */
static dms_code read_fortran(const dms_array *array, uint8_t *to, dms_status *st) {
    const dms_view *view = &array->view;
    const uint64_t size = dms_dtype_bytes(view->dtype);
    uint8_t window[WINDOW_BYTES];
    int64_t index[DMS_MAX_RANK] = {0}, place = 0;
    for (uint64_t done = 0; done < array->bytes;) {
        const uint64_t left = array->bytes - done;
        const uint64_t n = left < sizeof window ? left : sizeof window;
        DMS_TRY(dms_array_pread(array, array->offset + done, window, n, st));
        for (uint64_t at = 0; at < n; at += size) {
            memcpy(to + (uint64_t)place * size, window + at, (size_t)size);
            for (uint32_t k = 0; k < view->rank; k++) {
                place += view->pitch[k];
                if (++index[k] < view->dim[k])
                    break;
                place -= view->dim[k] * view->pitch[k];
                index[k] = 0;
            }
        }
        done += n;
    }
    return DMS_OK;
}

dms_code dms_array_read(const dms_array *array, void *to, dms_status *st) {
    switch (array->coding) {
    case DMS_ARRAY_RAW:
        return dms_array_pread(array, array->offset, to, array->bytes, st);
    case DMS_ARRAY_FORTRAN:
        return read_fortran(array, to, st);
    case DMS_ARRAY_VARINT:
        return dms_pb_read_varints(array, to, st);
    }
    return dms_fail(st, DMS_EINTERNAL, "'%s': unknown coding", array->path);
}

/* The header of version 1: magic, length, dictionary, spaces up to a multiple of 64, newline. */
static size_t format_header(const dms_view *view, char *out, size_t size) {
    const char *descr = "";
    for (size_t i = N_TYPES; i-- > 0;)
        if (types[i].dtype == view->dtype)
            descr = types[i].descr;
    size_t at = 10;
    memcpy(out, "\x93NUMPY\1\0\0\0", at);
    at += (size_t)snprintf(out + at, size - at,
                           "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t k = 0; k < view->rank; k++)
        at += (size_t)snprintf(out + at, size - at, "%" PRId64 "%s", view->dim[k],
                               view->rank == 1      ? ","
                               : k + 1 < view->rank ? ", "
                                                    : "");
    at += (size_t)snprintf(out + at, size - at, "), }");
    while ((at + 1) % 64 != 0)
        out[at++] = ' ';
    out[at++] = '\n';
    out[8] = (char)((at - 10) & 255);
    out[9] = (char)((at - 10) >> 8);
    return at;
}

void dms_array_print(const dms_view *view, const void *data, FILE *out) {
    char text[512];
    const size_t length = format_header(view, text, sizeof text);
    const uint64_t bytes = dms_view_bytes(view);
    (void)fwrite(text, 1, length, out);
    if (bytes != 0)
        (void)fwrite(data, 1, (size_t)bytes, out);
}

dms_code dms_array_write(const char *path, const dms_view *view, const void *data, dms_status *st) {
    dms_file_write file;
    DMS_TRY(dms_file_begin(&file, path, st));
    dms_array_print(view, data, file.out); /* a failure shows in the commit */
    return dms_file_commit(&file, st);
}
