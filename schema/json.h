/* json.h - writes JSON, one value after the other.
 *
 * Reads    nothing.
 * Returns  valid UTF-8 JSON text on a FILE that the caller owns; invalid UTF-8 in names is escaped.
 * Cost     O(bytes), no allocation.
 * Source   RFC 8259.
 * Not here reading JSON (jansson, in planner only: libdms needs none).
 */
#ifndef DMS_SCHEMA_JSON_H
#define DMS_SCHEMA_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Zero-initialise but for `out`. Nesting up to 64 levels. */
typedef struct dms_json {
    FILE *out;
    uint32_t line_depth; /* values nested deeper share the line of what holds them; 0 = none does */
    uint32_t depth;
    uint64_t has_items; /* bit per level: a comma is due */
} dms_json;

/* Opens {}. Here and below `key` names the value inside an object, and is NULL in an array. */
void dms_json_object(dms_json *json, const char *key);

/* Opens []. */
void dms_json_array(dms_json *json, const char *key);

/* Closes the innermost {}; the outermost ends with a line break. */
void dms_json_end_object(dms_json *json);

/* Closes the innermost []. */
void dms_json_end_array(dms_json *json);

/* A signed integer, in full. */
void dms_json_int(dms_json *json, const char *key, int64_t value);

/* An unsigned integer, in full: readers that know doubles alone lose digits above 2^53. */
void dms_json_uint(dms_json *json, const char *key, uint64_t value);

/* The shortest decimal that reads back as the same double; null where it is not finite. */
void dms_json_real(dms_json *json, const char *key, double value);

/* true or false. */
void dms_json_bool(dms_json *json, const char *key, bool value);

/* A string, escaped; bytes that are no UTF-8 become U+FFFD. NULL gives null. */
void dms_json_text(dms_json *json, const char *key, const char *value);

/* null. */
void dms_json_null(dms_json *json, const char *key);

/* Length of the valid UTF-8 sequence at the begin of a text that ends with a 0; 0 where there is
 * none. */
uint32_t dms_utf8_length(const char *text);

#endif
