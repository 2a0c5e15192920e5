/* json.c - commas, nesting and escapes; the text itself goes straight to the FILE. */
#include "schema/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define DEEPEST 64u

/* Follows the table of well-formed byte sequences: no overlong form, no surrogate, <= U+10FFFF. */
uint32_t dms_utf8_length(const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    const uint32_t n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
                       : s[0] >= 0xe0 && s[0] <= 0xef ? 3
                       : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                      : 0;
    for (uint32_t k = 1; k < n; k++)
        if ((s[k] & 0xc0) != 0x80)
            return 0;
    const bool is_bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return is_bad ? 0 : n;
}

/* Writes a string with quotes. */
static void put_string(FILE *out, const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    fputc('"', out);
    while (*s != 0) {
        const uint32_t n = dms_utf8_length((const char *)s);
        if (n == 0)
            fputs("\\ufffd", out);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(out, "\\u%04x", *s);
        else
            fwrite(s, 1, n, out);
        s += n == 0 ? 1 : n;
    }
    fputc('"', out);
}

/* Whether the values of the innermost level share a line. */
static bool is_on_one_line(const dms_json *json) {
    return json->line_depth != 0 && json->depth > json->line_depth;
}

/* Writes what stands in front of a value: comma, line break with indent, key. */
static void begin_value(dms_json *json, const char *key) {
    if (json->depth != 0) {
        const uint64_t bit = (uint64_t)1 << (json->depth - 1);
        if (json->has_items & bit)
            fputs(is_on_one_line(json) ? ", " : ",", json->out);
        json->has_items |= bit;
        if (!is_on_one_line(json))
            fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
    }
    if (key == NULL)
        return;
    put_string(json->out, key);
    fputs(": ", json->out);
}

/* A new level has no items; nesting is in our hands, so too deep is our mistake. */
static void open_level(dms_json *json, const char *key, char bracket) {
    assert(json->depth < DEEPEST);
    begin_value(json, key);
    fputc(bracket, json->out);
    json->has_items &= ~((uint64_t)1 << json->depth++);
}

/* An empty level closes on the line that opened it. */
static void close_level(dms_json *json, char bracket) {
    assert(json->depth > 0);
    const bool has_lines = !is_on_one_line(json);
    json->depth--;
    if (has_lines && (json->has_items & (uint64_t)1 << json->depth))
        fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
    fputc(bracket, json->out);
    if (json->depth == 0)
        fputc('\n', json->out);
}

void dms_json_object(dms_json *json, const char *key) {
    open_level(json, key, '{');
}

void dms_json_array(dms_json *json, const char *key) {
    open_level(json, key, '[');
}

void dms_json_end_object(dms_json *json) {
    close_level(json, '}');
}

void dms_json_end_array(dms_json *json) {
    close_level(json, ']');
}

void dms_json_int(dms_json *json, const char *key, int64_t value) {
    begin_value(json, key);
    fprintf(json->out, "%" PRId64, value);
}

void dms_json_uint(dms_json *json, const char *key, uint64_t value) {
    begin_value(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void dms_json_real(dms_json *json, const char *key, double value) {
    begin_value(json, key);
    if (!isfinite(value)) {
        fputs("null", json->out);
        return;
    }
    /* The shortest form that reads back as the same double. */
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, json->out);
}

void dms_json_bool(dms_json *json, const char *key, bool value) {
    begin_value(json, key);
    fputs(value ? "true" : "false", json->out);
}

void dms_json_text(dms_json *json, const char *key, const char *value) {
    begin_value(json, key);
    if (value == NULL)
        fputs("null", json->out);
    else
        put_string(json->out, value);
}

void dms_json_null(dms_json *json, const char *key) {
    begin_value(json, key);
    fputs("null", json->out);
}
