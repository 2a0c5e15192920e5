/* measured.c - two lists of names, both sorted, walked side by side. */
#include "planner/measured.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/graph.h"

#define LARGEST_FILE_BYTES (64u << 20)
#define LONGEST_NS ((json_int_t)1 << 40) /* 18 minutes; a step takes at most seconds */
#define MEANING_DIGITS 32u

/* A step by name. `place` makes the order of equal names total. */
typedef struct named {
    const char *name;
    uint32_t place;
    int64_t ns;
} named;

static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

/* Text of a whole file, in the arena. */
static dms_code read_text(const char *path, dms_arena *arena, char **out, size_t *out_length,
                          dms_status *st) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return dms_fail(st, DMS_EIO, "'%s': %s", path, strerror(errno));
    long length = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    dms_code code = DMS_OK;
    if (length < 0 || (unsigned long)length > LARGEST_FILE_BYTES || fseek(file, 0, SEEK_SET) != 0)
        code = dms_fail(st, DMS_EIO, "'%s': unreadable, or larger than %u bytes", path,
                        LARGEST_FILE_BYTES);
    else
        code = dms_alloc_st(arena, (uint64_t)length + 1, 1, "measured times", out, st);
    if (code == DMS_OK && fread(*out, 1, (size_t)length, file) != (size_t)length)
        code = dms_fail(st, DMS_EIO, "'%s': unreadable", path);
    (void)fclose(file);
    *out_length = (size_t)length;
    return code;
}

/* Step `i` of the file. */
static dms_code read_step(const json_t *names, const json_t *times, uint32_t i, dms_arena *arena,
                          named *out, dms_status *st) {
    const char *name = json_string_value(json_array_get(names, i));
    const json_t *time = json_array_get(times, i);
    if (name == NULL)
        return dms_fail(st, DMS_EUSAGE, "key 'steps': entry %" PRIu32 " is no text", i);
    if (!json_is_integer(time) || json_integer_value(time) < 0 ||
        json_integer_value(time) > LONGEST_NS)
        return dms_fail(st, DMS_EUSAGE,
                        "key 'steps_ns': entry %" PRIu32 " is no whole number from 0 to 2^40", i);
    if (json_integer_value(time) == 0)
        return dms_fail(st, DMS_EUSAGE, "key 'steps_ns': step '%s' did not run", name);
    *out = (named){dms_strndup(arena, name, strlen(name)), i, json_integer_value(time)};
    return out->name == NULL ? dms_fail(st, DMS_EINTERNAL, "out of memory: measured times")
                             : DMS_OK;
}

/* Everything that is needed of the file; the text of JSON is not kept. */
static dms_code read_run(const json_t *root, uint32_t n_steps, dms_arena *arena, named **out,
                         char out_meaning[MEANING_DIGITS + 1], dms_status *st) {
    const json_t *names = json_object_get(root, "steps"),
                 *times = json_object_get(root, "steps_ns");
    const char *meaning = json_string_value(json_object_get(root, "meaning"));
    if (meaning == NULL || strlen(meaning) != MEANING_DIGITS)
        return dms_fail(st, DMS_EUSAGE, "key 'meaning' is missing: not written by dmsrun --json");
    if (!json_is_array(names) || !json_is_array(times) ||
        json_array_size(names) != json_array_size(times))
        return dms_fail(st, DMS_EUSAGE, "keys 'steps' and 'steps_ns' are no lists of one length");
    if (json_array_size(times) != n_steps)
        return dms_fail(st, DMS_EPLAN, "%zu steps were measured, this model has %" PRIu32,
                        json_array_size(times), n_steps);
    DMS_TRY(dms_alloc_st(arena, n_steps, sizeof **out, "measured times", out, st));
    for (uint32_t i = 0; i < n_steps; i++)
        DMS_TRY(read_step(names, times, i, arena, &(*out)[i], st));
    memcpy(out_meaning, meaning, MEANING_DIGITS + 1);
    return DMS_OK;
}

/* Both lists sorted; a name that differs is named as the user knows it: of the model. */
static dms_code replace(named *measured, const dms_graph *graph, dms_steps *steps, dms_arena *arena,
                        dms_status *st) {
    named *own;
    DMS_TRY(dms_alloc_st(arena, steps->n_steps, sizeof *own, "measured times", &own, st));
    for (uint32_t i = 0; i < steps->n_steps; i++) {
        const dms_node *node = &graph->node[steps->step[i].node];
        own[i] = (named){dms_format(arena, "%s %s", node->op, node->name), i, 0}; /* as in plans */
        if (own[i].name == NULL)
            return dms_fail(st, DMS_EINTERNAL, "out of memory: measured times");
    }
    qsort(own, steps->n_steps, sizeof *own, by_name);
    qsort(measured, steps->n_steps, sizeof *measured, by_name);
    for (uint32_t i = 0; i < steps->n_steps; i++)
        if (strcmp(own[i].name, measured[i].name) != 0)
            return dms_fail(st, DMS_EPLAN, "step '%.100s' was not measured, but '%.100s' was",
                            own[i].name, measured[i].name);
    for (uint32_t i = 0; i < steps->n_steps; i++)
        steps->step[own[i].place].ns = measured[i].ns;
    return DMS_OK;
}

/* All that may fail between reading and replacing. */
static dms_code apply(const char *path, const dms_graph *graph, dms_steps *steps, dms_arena *arena,
                      char out_meaning[MEANING_DIGITS + 1], dms_status *st) {
    char *text;
    size_t length = 0;
    named *measured;
    json_error_t error;
    DMS_TRY(read_text(path, arena, &text, &length, st));
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL && error.line < 1)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: '%s'", path);
    if (root == NULL)
        return dms_fail(st, DMS_EUSAGE, "'%s': line %d: %s", path, error.line, error.text);
    dms_code code = read_run(root, steps->n_steps, arena, &measured, out_meaning, st);
    json_decref(root);
    if (code == DMS_OK)
        code = replace(measured, graph, steps, arena, st);
    return code == DMS_OK ? code : dms_context(st, "'%s'", path);
}

dms_code dms_measured_apply(const char *path, const dms_graph *graph, dms_steps *steps,
                            dms_arena *arena, char out_meaning[33], dms_status *st) {
    const dms_code code = apply(path, graph, steps, arena, out_meaning, st);
    return code == DMS_OK ? code : dms_context(st, "--measured");
}

dms_code dms_measured_check(const char *path, const char *measured, dms_hash planned,
                            dms_status *st) {
    char text[33];
    if (strcmp(measured, dms_hash_text(planned, text)) == 0)
        return DMS_OK;
    return dms_fail(st, DMS_EPLAN,
                    "--measured '%s': of a plan with meaning %s; the meaning of this one is %s",
                    path, measured, text);
}
