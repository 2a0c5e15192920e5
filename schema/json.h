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
    uint32_t depth;
    uint64_t has_items; /* bit per level: a comma is due */
} dms_json;

/* Opens and closes {} and []. `key` names the value inside an object, and is NULL in an array. */
void dms_json_object(dms_json *json, const char *key);
void dms_json_array(dms_json *json, const char *key);
void dms_json_end_object(dms_json *json);
void dms_json_end_array(dms_json *json);

/* Scalars. A real that is not finite becomes null, as does a text that is NULL. */
void dms_json_int(dms_json *json, const char *key, int64_t value);
void dms_json_uint(dms_json *json, const char *key, uint64_t value);
void dms_json_real(dms_json *json, const char *key, double value);
void dms_json_bool(dms_json *json, const char *key, bool value);
void dms_json_text(dms_json *json, const char *key, const char *value);
void dms_json_null(dms_json *json, const char *key);

#endif
