/* status.c - fill, prefix and escape error messages. */
#include "schema/status.h"

#include <stdio.h>
#include <string.h>

/* Copies `text` to `out`, control characters but newline as \xNN; cuts at `size` - 1. */
static void copy_escaped(const char *text, char *out, size_t size) {
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p != 0; p++) {
        const int is_plain = (*p >= 0x20 && *p != 0x7f) || *p == '\n';
        if (at + (is_plain ? 1u : 4u) >= size)
            break;
        if (is_plain) {
            out[at++] = (char)*p;
            continue;
        }
        out[at++] = '\\';
        out[at++] = 'x';
        out[at++] = hex[*p >> 4];
        out[at++] = hex[*p & 15];
    }
    out[at] = 0;
}

dms_code dms_fail(dms_status *st, dms_code code, const char *fmt, ...) {
    if (st == NULL)
        return code;
    char text[sizeof st->msg];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    st->code = code;
    copy_escaped(text, st->msg, sizeof st->msg);
    return code;
}

dms_code dms_context(dms_status *st, const char *fmt, ...) {
    if (st == NULL)
        return DMS_EINTERNAL;
    char prefix[512], whole[sizeof st->msg];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    copy_escaped(prefix, whole, sizeof prefix);
    const size_t used = strlen(whole);
    (void)snprintf(whole + used, sizeof whole - used, ": %.*s", (int)(sizeof whole - used - 3),
                   st->msg);
    memcpy(st->msg, whole, sizeof st->msg);
    return st->code;
}
