/* dims_from.c - headers of .npy files, dims of TensorProto files. */
#include "planner/dims_from.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/graph.h"

#define LONGEST_PATH 4096u
#define LONGEST_HEADER 4096u /* NumPy's own are 118 bytes */

static dms_code refuse(const char *path, const char *what, dms_status *st) {
    return dms_fail(st, DMS_EINPUT, "'%s': %s", path, what);
}

static dms_code add_dim(const char *path, int64_t dim, dms_input_dims *out, dms_status *st) {
    if (dim < 0)
        return refuse(path, "a dim is negative", st);
    if (out->rank == DMS_MAX_RANK)
        return refuse(path, "more than 8 dims", st);
    out->dim[out->rank++] = dim;
    return DMS_OK;
}

/* "..., 'shape': (2, 7,), ...": the numbers between the brackets. */
static dms_code read_shape(const char *path, const char *header, dms_input_dims *out,
                           dms_status *st) {
    const char *at = strstr(header, "'shape'");
    at = at == NULL ? NULL : strchr(at, '(');
    if (at == NULL)
        return refuse(path, "its header has no shape", st);
    for (at++; *at != ')';) {
        char *end;
        errno = 0;
        const long long dim = strtoll(at, &end, 10);
        if (end == at || errno != 0)
            return refuse(path, "its shape is no list of numbers", st);
        DMS_TRY(add_dim(path, dim, out, st));
        at = end + strspn(end, " ,");
    }
    return DMS_OK;
}

/* Magic, version, two or four bytes of length, then a Python dictionary as text. */
static dms_code read_npy(const char *path, FILE *file, dms_input_dims *out, dms_status *st) {
    uint8_t head[12];
    char text[LONGEST_HEADER + 1];
    if (fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY", 6) != 0)
        return refuse(path, "no .npy file", st);
    uint32_t length = head[8] | (uint32_t)head[9] << 8;
    if (head[6] >= 2) {
        if (fread(head + 10, 1, 2, file) != 2)
            return refuse(path, "it ends in its header", st);
        length |= (uint32_t)head[10] << 16 | (uint32_t)head[11] << 24;
    }
    if (length > LONGEST_HEADER || fread(text, 1, length, file) != length)
        return refuse(path, "it ends in its header", st);
    text[length] = 0;
    return read_shape(path, text, out, st);
}

/* The next number of a message, seven bits a byte; false at the end of the file. */
static bool read_varint(FILE *file, uint64_t *out) {
    *out = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        const int byte = fgetc(file);
        if (byte == EOF)
            return false;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

/* Passes over a field that is no dim. */
static bool skip_field(FILE *file, uint32_t wire) {
    static const long SIZE[6] = {[1] = 8, [5] = 4};
    uint64_t n;
    if (wire == 0)
        return read_varint(file, &n);
    if (wire == 2)
        return read_varint(file, &n) && n <= INT32_MAX && fseek(file, (long)n, SEEK_CUR) == 0;
    return wire < 6 && SIZE[wire] != 0 && fseek(file, SIZE[wire], SEEK_CUR) == 0;
}

/* Field 1 once per dim, or once for all. */
static dms_code read_pb(const char *path, FILE *file, dms_input_dims *out, dms_status *st) {
    uint64_t key, value;
    while (read_varint(file, &key)) {
        const uint32_t wire = key & 7;
        if (key >> 3 != 1 || (wire != 0 && wire != 2)) {
            if (!skip_field(file, wire))
                return refuse(path, "no TensorProto", st);
            continue;
        }
        if (!read_varint(file, &value))
            return refuse(path, "no TensorProto", st);
        if (wire == 0) {
            DMS_TRY(add_dim(path, (int64_t)value, out, st));
            continue;
        }
        const long end = ftell(file) + (long)(value & INT32_MAX);
        while (ftell(file) < end) {
            if (!read_varint(file, &value))
                return refuse(path, "it ends in its dims", st);
            DMS_TRY(add_dim(path, (int64_t)value, out, st));
        }
    }
    return DMS_OK;
}

/* Reads input `i` in one of the two forms; *out_found is false where there is neither. */
static dms_code read_input(const char *folder, uint32_t i, bool *out_found, dms_input_dims *out,
                           dms_status *st) {
    static const char *const FORM[] = {"npy", "pb"};
    char path[LONGEST_PATH];
    *out = (dms_input_dims){.rank = 0};
    *out_found = false;
    for (uint32_t k = 0; k < 2 && !*out_found; k++) {
        if (snprintf(path, sizeof path, "%s/input_%" PRIu32 ".%s", folder, i, FORM[k]) >=
            (int)sizeof path)
            return dms_fail(st, DMS_EUSAGE, "'%.200s...': the name is too long", folder);
        FILE *file = fopen(path, "rb");
        if (file == NULL && errno != ENOENT && errno != ENOTDIR)
            return dms_fail(st, DMS_EIO, "'%s': %s", path, strerror(errno));
        if (file == NULL)
            continue;
        *out_found = true;
        errno = 0;
        dms_code code = k == 0 ? read_npy(path, file, out, st) : read_pb(path, file, out, st);
        if (ferror(file)) /* what was read is a part of it, whatever it looked like */
            code = dms_fail(st, DMS_EIO, "'%s': %s", path, strerror(errno == 0 ? EIO : errno));
        (void)fclose(file);
        if (code != DMS_OK)
            return code;
    }
    return DMS_OK;
}

dms_code dms_dims_from(const char *folder, dms_arena *arena, dms_input_dims **out, uint32_t *out_n,
                       dms_status *st) {
    dms_input_dims *found = NULL, one;
    uint32_t n = 0, cap = 0;
    for (;;) {
        bool is_there;
        DMS_TRY(read_input(folder, n, &is_there, &one, st));
        if (!is_there)
            break;
        DMS_TRY(dms_grow(arena, &found, &cap, (uint64_t)n + 1, sizeof *found, st));
        found[n++] = one;
    }
    if (n == 0)
        return dms_fail(st, DMS_EIO, "'%s': there is neither input_0.npy nor input_0.pb", folder);
    *out = found;
    *out_n = n;
    return DMS_OK;
}
