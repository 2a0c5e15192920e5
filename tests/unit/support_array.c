/* support_array.c - see support_array.h. */
#include "support_array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void array_put(array_bytes *b, const void *data, size_t n) {
    assert_true(b->n + n <= sizeof b->data);
    if (n != 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

void array_put_number(array_bytes *b, uint64_t value, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
        array_put(b, &byte, 1);
    }
}

void array_put_varint(array_bytes *b, uint64_t value) {
    for (; value > 127; value >>= 7)
        array_put_number(b, (value & 127) | 128, 1);
    array_put_number(b, value, 1);
}

void array_set(array_bytes *b, size_t at, uint64_t value, size_t n) {
    assert_true(at + n <= b->n);
    for (size_t i = 0; i < n; i++)
        b->data[at + i] = (uint8_t)(value >> (8 * i));
}

void array_store(const char *path, const array_bytes *b) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->n, f), b->n);
    assert_int_equal(fclose(f), 0);
}

array_bytes array_npy(int version, const char *header, const void *data, size_t n) {
    array_bytes b = {.n = 0};
    const char start[8] = {'\x93', 'N', 'U', 'M', 'P', 'Y', (char)version, 0};
    array_put(&b, start, 8);
    array_put_number(&b, strlen(header), version == 1 ? 2 : 4);
    array_put(&b, header, strlen(header));
    array_put(&b, data, n);
    return b;
}

dms_code array_read_file(const char *path, const char *member, dms_view *view, void *to,
                         dms_status *st) {
    dms_array array;
    const dms_code opened = dms_array_open(path, member, &array, st);
    if (opened != DMS_OK)
        return opened;
    *view = array.view;
    const dms_code code = dms_array_read(&array, to, st);
    dms_array_close(&array);
    return code;
}

dms_code array_read(const char *path, const char *member, const array_bytes *b, dms_view *view,
                    void *to, dms_status *st) {
    array_store(path, b);
    const dms_code code = array_read_file(path, member, view, to, st);
    (void)unlink(path);
    return code;
}

void array_refuses(const char *path, const char *member, const array_bytes *b, const char *why) {
    dms_view view;
    dms_status st = {.msg = ""};
    uint8_t to[sizeof b->data];
    const dms_code code = array_read(path, member, b, &view, to, &st);
    if (code != DMS_EINPUT || strstr(st.msg, why) == NULL || strstr(st.msg, path) == NULL)
        fail_msg("code %d, '%s' does not say '%s' of '%s'", (int)code, st.msg, why, path);
}

void array_is_contained(const char *path, const char *member, const array_bytes *b) {
    dms_array array;
    array_store(path, b);
    if (dms_array_open(path, member, &array, NULL) == DMS_OK) {
        assert_true(array.bytes <= b->n && array.offset <= b->n - array.bytes);
        dms_array_close(&array);
    }
    (void)unlink(path);
}
