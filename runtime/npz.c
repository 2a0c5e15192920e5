/* npz.c - finds one .npy inside a zip archive that is not compressed.
 *
 *     | local header, name, x.npy data | ... | directory entry, name | ... | end record |
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/npy_internal.h"
#include "schema/checked.h"

#define END_BYTES 22u   /* the end record; numpy puts no comment behind it */
#define ENTRY_BYTES 46u /* a directory entry without its name */
#define LOCAL_BYTES 30u
#define MAX_NAME 1024u

/* One member, as the directory tells. */
typedef struct member {
    uint32_t method, bytes, local;
    char name[MAX_NAME];
} member;

/* Little-endian numbers of the zip format. */
static uint32_t get16(const uint8_t *p) {
    return p[0] + 256u * p[1];
}
static uint32_t get32(const uint8_t *p) {
    return get16(p) + 65536u * get16(p + 2);
}

/* Reads the entry at *at, and moves *at behind it. */
static dms_code read_entry(const dms_array *array, uint64_t *at, uint64_t end, member *out,
                           dms_status *st) {
    uint8_t entry[ENTRY_BYTES];
    if (!dms_range_fits(*at, ENTRY_BYTES, end))
        return dms_array_refuse(array, st, "the directory of the .npz is damaged");
    DMS_TRY(dms_array_pread(array, *at, entry, sizeof entry, st));
    const uint32_t length = get16(entry + 28);
    if (memcmp(entry, "PK\1\2", 4) != 0 || length >= sizeof out->name)
        return dms_array_refuse(array, st, "the directory of the .npz is damaged");
    DMS_TRY(dms_array_pread(array, *at + ENTRY_BYTES, out->name, length, st));
    out->name[length] = 0;
    out->method = get16(entry + 10);
    out->bytes = get32(entry + 20);
    out->local = get32(entry + 42);
    *at += ENTRY_BYTES + length + get16(entry + 30) + get16(entry + 32);
    return DMS_OK;
}

/* Looks for "<name>.npy"; with one entry only, any name will do. */
static dms_code find_member(const dms_array *array, uint64_t size, const char *name, member *out,
                            dms_status *st) {
    uint8_t end[END_BYTES];
    if (size < END_BYTES)
        return dms_array_refuse(array, st, "the .npz is too short");
    DMS_TRY(dms_array_pread(array, size - END_BYTES, end, sizeof end, st));
    if (memcmp(end, "PK\5\6", 4) != 0)
        return dms_array_refuse(array, st, "the .npz has no end record");
    const uint32_t n = get16(end + 10);
    uint64_t at = get32(end + 16);
    for (uint32_t i = 0; i < n; i++) {
        DMS_TRY(read_entry(array, &at, size - END_BYTES, out, st));
        const size_t length = strlen(name);
        if (n == 1 ||
            (strncmp(out->name, name, length) == 0 && strcmp(out->name + length, ".npy") == 0))
            return DMS_OK;
    }
    return dms_array_refuse(array, st, "the .npz has no member '%s.npy'", name);
}

dms_code dms_npz_header(dms_array *array, uint64_t size, const char *name, dms_status *st) {
    member m;
    uint8_t local[LOCAL_BYTES];
    DMS_TRY(find_member(array, size, name, &m, st));
    if (m.method != 0)
        return dms_array_refuse(array, st, "member '%s' is compressed: write it with numpy.savez",
                                m.name);
    if (m.bytes == UINT32_MAX || m.local == UINT32_MAX)
        return dms_array_refuse(array, st, "member '%s' is larger than 4 GiB: use .npy", m.name);
    if (!dms_range_fits(m.local, LOCAL_BYTES, size))
        return dms_array_refuse(array, st, "member '%s' lies outside the file", m.name);
    DMS_TRY(dms_array_pread(array, m.local, local, sizeof local, st));
    const uint64_t begin = (uint64_t)m.local + LOCAL_BYTES + get16(local + 26) + get16(local + 28);
    if (memcmp(local, "PK\3\4", 4) != 0 || !dms_range_fits(begin, m.bytes, size))
        return dms_array_refuse(array, st, "member '%s' lies outside the file", m.name);
    return dms_npy_header(array, begin, begin + m.bytes, st);
}
