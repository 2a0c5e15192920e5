/* scan.c - copies the wire format field by field, leaving out what is large or not used. */
#include "onnx/scan.h"

#include <inttypes.h>
#include <string.h>

#include "schema/beneath.h"
#include "schema/checked.h"

#define WINDOW_BYTES (64u * 1024u)
#define LENGTH_BYTES 5u /* lengths are written padded, to be filled in later */
#define LARGEST_SLIM (1u << 30)
#define LARGEST_COPY (256u << 20) /* one string or packed field */

typedef enum kind {
    KIND_MODEL,
    KIND_GRAPH,
    KIND_NODE,
    KIND_ATTRIBUTE,
    KIND_TENSOR,
    KIND_FUNCTION,
    KIND_VALUE,
    KIND_TYPE,
    N_KINDS
} kind;

typedef enum action {
    ACTION_COPY = 1,
    ACTION_DESCEND,
    ACTION_RANGE, /* tensor data: remember the place */
    ACTION_EMPTY  /* keep the presence, drop the contents */
} action;

/* What to do with a field of a message; fields that are not listed are skipped. */
typedef struct rule {
    uint8_t field, action, inner;
} rule;

#define COPY(f)                                                                                    \
    { f, ACTION_COPY, 0 }
#define DESCEND(f, k)                                                                              \
    { f, ACTION_DESCEND, k }
#define MOST_RULES 17

static const rule rules[N_KINDS][MOST_RULES] = {
    [KIND_MODEL] = {COPY(1), DESCEND(7, KIND_GRAPH), COPY(8), DESCEND(25, KIND_FUNCTION)},
    [KIND_GRAPH] = {DESCEND(1, KIND_NODE),
                    COPY(2),
                    DESCEND(5, KIND_TENSOR),
                    {15, ACTION_EMPTY, 0},
                    DESCEND(11, KIND_VALUE),
                    DESCEND(12, KIND_VALUE)},
    [KIND_NODE] = {COPY(1), COPY(2), COPY(3), COPY(4), DESCEND(5, KIND_ATTRIBUTE), COPY(7)},
    [KIND_ATTRIBUTE] = {COPY(1),
                        COPY(2),
                        COPY(3),
                        COPY(4),
                        DESCEND(5, KIND_TENSOR),
                        DESCEND(6, KIND_GRAPH),
                        COPY(7),
                        COPY(8),
                        COPY(9),
                        DESCEND(10, KIND_TENSOR),
                        DESCEND(11, KIND_GRAPH),
                        COPY(20),
                        COPY(21),
                        {22, ACTION_EMPTY, 0},
                        {23, ACTION_EMPTY, 0}},
    [KIND_TENSOR] = {COPY(1),
                     COPY(2),
                     COPY(3),
                     {4, ACTION_RANGE, 0},
                     COPY(5),
                     COPY(7),
                     COPY(8),
                     {9, ACTION_RANGE, 0},
                     {10, ACTION_RANGE, 0},
                     COPY(11),
                     COPY(13),
                     COPY(14)},
    [KIND_FUNCTION] = {COPY(1), COPY(4), COPY(5), COPY(6), DESCEND(7, KIND_NODE), COPY(9), COPY(10),
                       DESCEND(11, KIND_ATTRIBUTE)},
    [KIND_VALUE] = {COPY(1), DESCEND(2, KIND_TYPE)},
    [KIND_TYPE] = {COPY(1),
                   {4, ACTION_EMPTY, 0},
                   {5, ACTION_EMPTY, 0},
                   {8, ACTION_EMPTY, 0},
                   {9, ACTION_EMPTY, 0}},
};

/* The file, a window into it, and what was made so far. `end`: of the innermost message. */
typedef struct scanner {
    int fd;
    const char *name;
    uint64_t pos, end;
    uint8_t *window;
    uint64_t window_at, window_bytes, file_bytes;
    uint32_t n_messages;
    dms_arena *scratch;
    dms_scan *out;
    dms_status *st;
} scanner;

/* One field's key. */
typedef struct key {
    uint64_t tag;
    uint32_t wire;
    uint64_t length; /* wire type 2 */
} key;

/* Names the file and the byte. */
static dms_code broken(const scanner *s, const char *what) {
    return dms_fail(s->st, DMS_EUNSUPPORTED, "file '%.200s' is no ONNX model: %s at byte %" PRIu64,
                    s->name, what, s->pos);
}

/* A field that ends behind what holds it; where that is the file, the file may have been longer. */
static dms_code too_long(const scanner *s) {
    return broken(s, s->end == s->file_bytes
                         ? "a field runs past the end of the file (is it cut off?)"
                         : "a field runs past its message");
}

/* Makes the next `n` bytes (at most a window) visible at *out. */
static dms_code look(scanner *s, uint64_t n, const uint8_t **out) {
    if (n > s->end - s->pos)
        return too_long(s);
    if (s->pos < s->window_at || s->pos - s->window_at > s->window_bytes ||
        n > s->window_bytes - (s->pos - s->window_at)) {
        const uint64_t left = s->file_bytes - s->pos;
        const uint64_t bytes = left < WINDOW_BYTES ? left : WINDOW_BYTES;
        DMS_TRY(dms_read_at(s->fd, s->name, s->pos, s->window, bytes, s->st));
        s->window_at = s->pos;
        s->window_bytes = bytes;
    }
    *out = s->window + (s->pos - s->window_at);
    return DMS_OK;
}

/* Seven bits a byte, at most ten bytes; the tenth holds one bit. */
static dms_code read_varint(scanner *s, uint64_t *out) {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 70; shift += 7) {
        const uint8_t *byte;
        DMS_TRY(look(s, 1, &byte));
        s->pos++;
        if (shift == 63 && (*byte & 0x7e) != 0)
            break;
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if ((*byte & 0x80) == 0) {
            *out = value;
            return DMS_OK;
        }
    }
    return broken(s, "a number of more than 64 bits");
}

/* Adds to the slim copy. */
static dms_code append(scanner *s, const void *data, uint64_t n) {
    dms_scan *out = s->out;
    const uint64_t need = (uint64_t)out->n_slim + n;
    if (need > LARGEST_SLIM)
        return dms_fail(s->st, DMS_EUNSUPPORTED,
                        "file '%.200s': more than 1 GiB without the weights", s->name);
    DMS_TRY(dms_grow(s->scratch, &out->slim, &out->cap_slim, need, 1, s->st));
    memcpy(out->slim + out->n_slim, data, (size_t)n);
    out->n_slim = (uint32_t)need;
    return DMS_OK;
}

/* The shortest form, whatever the file had. */
static dms_code append_varint(scanner *s, uint64_t value) {
    uint8_t bytes[10];
    uint32_t n = 0;
    do {
        bytes[n] = (uint8_t)(value & 0x7f);
        value >>= 7;
        bytes[n++] |= value != 0 ? 0x80 : 0;
    } while (value != 0);
    return append(s, bytes, n);
}

/* Skips or copies the `n` bytes that come next. */
static dms_code pass(scanner *s, uint64_t n, bool is_kept) {
    if (n > s->end - s->pos)
        return too_long(s);
    if (is_kept && n > LARGEST_COPY)
        return broken(s, "a text or list of more than 256 MiB");
    if (!is_kept) {
        s->pos += n;
        return DMS_OK;
    }
    while (n != 0) {
        const uint64_t piece = n < WINDOW_BYTES ? n : WINDOW_BYTES;
        const uint8_t *data;
        DMS_TRY(look(s, piece, &data));
        DMS_TRY(append(s, data, piece));
        s->pos += piece;
        n -= piece;
    }
    return DMS_OK;
}

/* Key and, where there is one, length, which must lie inside the message. */
static dms_code read_key(scanner *s, key *out) {
    DMS_TRY(read_varint(s, &out->tag));
    out->wire = (uint32_t)(out->tag & 7);
    out->length = 0;
    if (out->tag >> 3 == 0 || out->tag >> 32 != 0)
        return broken(s, "a field with an impossible number");
    if (out->wire == 2)
        DMS_TRY(read_varint(s, &out->length));
    if (out->length > s->end - s->pos)
        return too_long(s);
    return DMS_OK;
}

/* A field of wire type 0, 1 or 5. */
static dms_code scan_number(scanner *s, const key *k, bool is_kept) {
    uint64_t value;
    if (k->wire != 0 && k->wire != 1 && k->wire != 5)
        return broken(s, "a field of an unknown kind");
    if (is_kept)
        DMS_TRY(append_varint(s, k->tag));
    if (k->wire != 0)
        return pass(s, k->wire == 1 ? 8 : 4, is_kept);
    DMS_TRY(read_varint(s, &value));
    return is_kept ? append_varint(s, value) : DMS_OK;
}

/* Replaces tensor data by the index of its range. */
static dms_code scan_data(scanner *s, const key *k) {
    dms_scan *out = s->out;
    DMS_TRY(dms_grow(s->scratch, &out->range, &out->cap_ranges, (uint64_t)out->n_ranges + 1,
                     sizeof *out->range, s->st));
    const uint32_t id = out->n_ranges++;
    out->range[id] = (dms_scan_range){s->pos, k->length, (uint32_t)(k->tag >> 3)};
    const uint8_t field[6] = {
        9 << 3 | 2, 4, (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24)};
    DMS_TRY(append(s, field, sizeof field));
    return pass(s, k->length, false);
}

/* What to do with a field; NULL: skip it. */
static const rule *find_rule(kind where, uint64_t field) {
    for (uint32_t r = 0; r < MOST_RULES && rules[where][r].field != 0; r++)
        if (rules[where][r].field == field)
            return &rules[where][r];
    return NULL;
}

static dms_code scan_message(scanner *s, kind where, uint32_t level);

/* Copies an inner message. Its length is known at its end: five bytes are left for it. */
static dms_code scan_inner(scanner *s, const key *k, kind inner, uint32_t level) {
    const uint64_t outer_end = s->end;
    static const uint8_t room[LENGTH_BYTES] = {0x80, 0x80, 0x80, 0x80, 0};
    DMS_TRY(append_varint(s, k->tag));
    DMS_TRY(append(s, room, LENGTH_BYTES));
    const uint32_t from = s->out->n_slim;
    s->end = s->pos + k->length;
    DMS_TRY(scan_message(s, inner, level + 1));
    s->end = outer_end;
    uint32_t length = s->out->n_slim - from;
    for (uint32_t b = 0; b < LENGTH_BYTES; b++, length >>= 7)
        s->out->slim[from - LENGTH_BYTES + b] |= (uint8_t)(length & 0x7f);
    return DMS_OK;
}

/* A field of wire type 2. */
static dms_code scan_bytes(scanner *s, const key *k, const rule *what, uint32_t level) {
    switch (what == NULL ? 0 : what->action) {
    case ACTION_COPY:
        DMS_TRY(append_varint(s, k->tag));
        DMS_TRY(append_varint(s, k->length));
        return pass(s, k->length, true);
    case ACTION_DESCEND:
        return scan_inner(s, k, (kind)what->inner, level);
    case ACTION_RANGE:
        return scan_data(s, k);
    case ACTION_EMPTY:
        DMS_TRY(append_varint(s, k->tag));
        DMS_TRY(append_varint(s, 0));
        return pass(s, k->length, false);
    default:
        return pass(s, k->length, false);
    }
}

/* One message up to s->end. Depth and number of messages are limited here, before protobuf-c, which
 * recurses without a limit, sees them. */
static dms_code scan_message(scanner *s, kind where, uint32_t level) {
    if (level > DMS_SCAN_LEVELS)
        return dms_fail(s->st, DMS_EUNSUPPORTED,
                        "file '%.200s': messages are nested more than %u levels deep at byte "
                        "%" PRIu64,
                        s->name, DMS_SCAN_LEVELS, s->pos);
    if (++s->n_messages > DMS_SCAN_MESSAGES)
        return dms_fail(s->st, DMS_EUNSUPPORTED, "file '%.200s': more than %u nodes and tensors",
                        s->name, DMS_SCAN_MESSAGES);
    while (s->pos < s->end) {
        key k;
        DMS_TRY(read_key(s, &k));
        const rule *what = find_rule(where, k.tag >> 3);
        if (k.wire == 2)
            DMS_TRY(scan_bytes(s, &k, what, level));
        else if (what != NULL && (what->action == ACTION_DESCEND || what->action == ACTION_EMPTY))
            return broken(s, "a message where a number stands");
        else
            DMS_TRY(scan_number(s, &k, what != NULL));
    }
    return DMS_OK;
}

dms_code dms_scan_file(int fd, const char *name, uint64_t bytes, dms_arena *scratch, dms_scan *out,
                       dms_status *st) {
    *out = (dms_scan){0};
    scanner s = {.fd = fd,
                 .name = name,
                 .end = bytes,
                 .file_bytes = bytes,
                 .scratch = scratch,
                 .out = out,
                 .st = st};
    DMS_TRY(dms_alloc_st(scratch, WINDOW_BYTES, 1, "a window into the model", &s.window, st));
    return scan_message(&s, KIND_MODEL, 0);
}
