/* expr.h - what is a dim called "past + seq" when past and seq are known?
 *
 * Reads    the text of a dim, as exporters print it.
 * Returns  its value in exact arithmetic, or which name is not known.
 * Cost     O(length of the text).
 * Source   none; the usual precedence, `//` and `%` round down, names may hold dots.
 * Not here which dims have values (dims.h).
 */
#ifndef DMS_ONNX_EXPR_H
#define DMS_ONNX_EXPR_H

#include <stdbool.h>
#include <stdint.h>

typedef enum dms_expr_result {
    DMS_EXPR_OK = 0,
    DMS_EXPR_UNKNOWN, /* a name has no value */
    DMS_EXPR_NO_TEXT, /* not written in this language: take the text as a name */
    DMS_EXPR_NO_DIM   /* not an integer >= 0, a division by zero, or beyond 63 bits */
} dms_expr_result;

/* Finds the value of the name text[0 .. length). */
typedef bool (*dms_expr_lookup)(void *context, const char *text, uint32_t length, int64_t *out);

/* Evaluates `text`. The look-up is asked for every name, also after one was unknown. */
dms_expr_result dms_expr_evaluate(const char *text, dms_expr_lookup lookup, void *context,
                                  int64_t *out);

/* One plain name and nothing else. */
bool dms_expr_is_name(const char *text);

#endif
