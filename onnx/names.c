/* names.c - open addressing, linear probing, at most half full. Tables are looked up, never walked,
 * so the order of their slots decides nothing. */
#include "onnx/names.h"

#include <string.h>

#include "schema/hash.h"

/* Where the search for a key begins. */
static uint32_t slot_of(const dms_names *names, const char *key) {
    return (uint32_t)dms_hash_bytes(key, strlen(key), 0).lo & (names->cap - 1);
}

/* The slot that holds the key or where it belongs; the table is never full. */
static dms_name *probe(const dms_names *names, const char *key) {
    uint32_t at = slot_of(names, key);
    while (names->slot[at].key != NULL && strcmp(names->slot[at].key, key) != 0)
        at = (at + 1) & (names->cap - 1);
    return &names->slot[at];
}

dms_name *dms_names_find(const dms_names *names, const char *key) {
    if (names->cap == 0)
        return NULL;
    dms_name *slot = probe(names, key);
    return slot->key == NULL ? NULL : slot;
}

/* Doubles the table. */
static dms_code enlarge(dms_names *names, dms_status *st) {
    dms_names larger = {.arena = names->arena, .cap = names->cap == 0 ? 16 : 2 * names->cap};
    DMS_TRY(dms_alloc_st(names->arena, larger.cap, sizeof *larger.slot, "names", &larger.slot, st));
    for (uint32_t k = 0; k < names->cap; k++)
        if (names->slot[k].key != NULL)
            *probe(&larger, names->slot[k].key) = names->slot[k];
    larger.n = names->n;
    *names = larger;
    return DMS_OK;
}

dms_code dms_names_add(dms_names *names, const char *key, uint32_t value, dms_name **out,
                       dms_status *st) {
    if (names->n >= UINT32_MAX / 4)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: too many names");
    if (2 * (names->n + 1) > names->cap)
        DMS_TRY(enlarge(names, st));
    dms_name *slot = probe(names, key);
    *slot = (dms_name){.key = key, .value = value};
    names->n++;
    if (out != NULL)
        *out = slot;
    return DMS_OK;
}

char *dms_escape(dms_arena *arena, const char *text) {
    static const char hex[] = "0123456789abcdef";
    char *out = dms_alloc(arena, strlen(text) + 1, 4);
    if (out == NULL)
        return NULL;
    char *to = out;
    for (const unsigned char *p = (const unsigned char *)text; *p != 0; p++) {
        if (*p >= 0x20 && *p != 0x7f) {
            *to++ = (char)*p;
            continue;
        }
        *to++ = '\\';
        *to++ = 'x';
        *to++ = hex[*p >> 4];
        *to++ = hex[*p & 15];
    }
    return out;
}
