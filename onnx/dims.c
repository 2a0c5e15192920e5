/* dims.c - given sizes first, then what follows from them, then complaint.
 *
 * Names are matched as whole texts before they are read as expressions, so that "batch-size" is a
 * name wherever no dim is called "batch". The sizes of the command that a complaint prints are
 * tried on the model first (read.c).
 */
#include "onnx/dims.h"
#include "onnx/graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "onnx/expr.h"

#define LONGEST_NAME 512u
#define MOST_PRINTED 24u

/* One entry per text: inputs that say "batch" mean one size, and what any of them asks for holds
 * for all. */
dms_code dms_dims_note(dms_dims *dims, const char *text, bool is_required, bool is_leading,
                       dms_status *st) {
    dms_name *known = dms_names_find(&dims->index, text);
    if (known != NULL) {
        dims->entry[known->value].is_required |= is_required;
        dims->entry[known->value].is_leading |= is_leading;
        return DMS_OK;
    }
    DMS_TRY(dms_grow(dims->scratch, &dims->entry, &dims->cap, (uint64_t)dims->n + 1,
                     sizeof *dims->entry, st));
    dims->entry[dims->n] =
        (dms_dim_entry){.text = text, .is_required = is_required, .is_leading = is_leading};
    dims->index.arena = dims->scratch;
    return dms_names_add(&dims->index, text, dims->n++, NULL, st);
}

bool dms_dims_value(const dms_dims *dims, const char *text, int64_t *out) {
    const dms_name *name = dms_names_find(&dims->index, text);
    if (name == NULL || !dims->entry[name->value].is_known)
        return false;
    *out = dims->entry[name->value].value;
    return true;
}

/* State of one evaluation. */
typedef struct lookup_state {
    const dms_dims *dims;
    const char *wanted; /* a name to look for, or NULL */
    bool was_wanted, names_stranger;
} lookup_state;

/* Finds a name inside an expression among the dims of the model. */
static bool look_up(void *context, const char *text, uint32_t length, int64_t *out) {
    lookup_state *state = context;
    char name[LONGEST_NAME];
    if (length >= sizeof name)
        return false;
    memcpy(name, text, length);
    name[length] = 0;
    if (state->wanted != NULL && strcmp(name, state->wanted) == 0)
        state->was_wanted = true;
    if (dms_names_find(&state->dims->index, name) == NULL)
        state->names_stranger = true;
    return dms_dims_value(state->dims, name, out);
}

/* Whether some expression mentions this name. */
static bool is_mentioned(const dms_dims *dims, const char *name) {
    for (uint32_t k = 0; k < dims->n; k++) {
        lookup_state state = {.dims = dims, .wanted = name};
        int64_t ignored;
        if (!dms_expr_is_name(dims->entry[k].text) &&
            dms_expr_evaluate(dims->entry[k].text, look_up, &state, &ignored) != DMS_EXPR_NO_TEXT &&
            state.was_wanted)
            return true;
    }
    return false;
}

/* The names a user may give, for a message. */
static void list_names(const dms_dims *dims, char *out, size_t size) {
    size_t at = 0;
    uint32_t printed = 0;
    out[0] = 0;
    for (uint32_t k = 0; k < dims->n && printed < MOST_PRINTED && at + 80 < size; k++, printed++)
        at += (size_t)snprintf(out + at, size - at, "%s%.60s", printed == 0 ? "" : ", ",
                               dims->entry[k].text);
}

/* Takes one --dim. */
static dms_code take_given(dms_dims *dims, const dms_plan_dim *given, dms_status *st) {
    if (given->value < 0)
        return dms_fail(st, DMS_EUSAGE, "--dim %.120s=%" PRId64 ": a size is not negative",
                        given->name, given->value);
    if (dms_names_find(&dims->index, given->name) == NULL && is_mentioned(dims, given->name))
        DMS_TRY(dms_dims_note(dims, given->name, false, false, st));
    const dms_name *name = dms_names_find(&dims->index, given->name);
    if (name == NULL) {
        char list[400];
        list_names(dims, list, sizeof list);
        return dms_fail(st, DMS_EUSAGE, "--dim %.120s: the model has no such dim%s%s", given->name,
                        dims->n == 0 ? ", all its sizes are fixed" : "; it has ", list);
    }
    dms_dim_entry *entry = &dims->entry[name->value];
    if (entry->is_given && entry->value != given->value)
        return dms_fail(st, DMS_EUSAGE, "--dim %.120s: given as %" PRId64 " and as %" PRId64,
                        given->name, entry->value, given->value);
    entry->is_known = entry->is_given = true;
    entry->value = given->value;
    return DMS_OK;
}

/* Derives one dim that is an expression. */
static dms_code derive(dms_dims *dims, dms_dim_entry *entry, dms_status *st) {
    lookup_state state = {.dims = dims};
    int64_t value;
    if (dms_expr_is_name(entry->text))
        return DMS_OK;
    const dms_expr_result result = dms_expr_evaluate(entry->text, look_up, &state, &value);
    if (result == DMS_EXPR_NO_DIM && entry->is_required)
        return dms_fail(st, DMS_EUSAGE, "dim '%.120s' is no size with the dims given", entry->text);
    if (result != DMS_EXPR_OK)
        return DMS_OK;
    if (entry->is_given && entry->value != value)
        return dms_fail(st, DMS_EUSAGE,
                        "dim '%.120s' is given as %" PRId64 ", but follows as %" PRId64,
                        entry->text, entry->value, value);
    entry->is_known = true;
    entry->value = value;
    return DMS_OK;
}

/* Whether the user must give this dim: unknown, and not waiting for names that will be listed. */
static bool is_missing(const dms_dims *dims, const dms_dim_entry *entry) {
    lookup_state state = {.dims = dims};
    int64_t ignored;
    if (entry->is_known || dms_expr_is_name(entry->text))
        return !entry->is_known && entry->is_required;
    return entry->is_required &&
           (dms_expr_evaluate(entry->text, look_up, &state, &ignored) == DMS_EXPR_NO_TEXT ||
            state.names_stranger);
}

/* Marks the plain names that a required expression waits for as required themselves. */
static void require_parts(dms_dims *dims) {
    for (uint32_t k = 0; k < dims->n; k++)
        if (!dims->entry[k].is_required && !dims->entry[k].is_known)
            for (uint32_t j = 0; j < dims->n && !dims->entry[k].is_required; j++) {
                lookup_state state = {.dims = dims, .wanted = dims->entry[k].text};
                int64_t ignored;
                dims->entry[k].is_required =
                    dims->entry[j].is_required && !dms_expr_is_name(dims->entry[j].text) &&
                    dms_expr_evaluate(dims->entry[j].text, look_up, &state, &ignored) ==
                        DMS_EXPR_UNKNOWN &&
                    state.was_wanted;
            }
}

/* The size that try number `attempt` gives a dim: batches are 1, caches are empty or 16 long, all
 * else is one of a few usual lengths. */
static int64_t suggest(const dms_dim_entry *entry, uint32_t attempt) {
    const char *text = entry->text;
    static const int64_t length[DMS_DIMS_ATTEMPTS] = {16, 16, 64, 224, 32, 1};
    const bool is_batch = entry->is_leading || strstr(text, "atch") != NULL;
    if (is_batch)
        return 1;
    if (strstr(text, "past") != NULL)
        return attempt == 1 ? 16 : 0;
    return strstr(text, "total") != NULL && attempt == 1 ? 32 : length[attempt];
}

/* " --dim NAME=SIZE", quoted where a shell would break it. */
static int print_option(char *out, size_t size, const char *text, int64_t value) {
    const bool is_plain =
        text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-/")] ==
        0;
    const char *quote = is_plain ? "" : "'";
    return snprintf(out, size, " --dim %s%s=%" PRId64 "%s", quote, text, value, quote);
}

dms_code dms_dims_try(const dms_dims *dims, uint32_t attempt, dms_arena *arena,
                      dms_read_options *out, dms_status *st) {
    dms_plan_dim *dim;
    DMS_TRY(dms_alloc_st(arena, dims->n, sizeof *dim, "dims", &dim, st));
    *out = (dms_read_options){.dim = dim};
    for (uint32_t k = 0; k < dims->n; k++) {
        const dms_dim_entry *entry = &dims->entry[k];
        if (entry->is_given || is_missing(dims, entry))
            dim[out->n_dims++] = (dms_plan_dim){
                entry->text, entry->is_given ? entry->value : suggest(entry, attempt)};
    }
    return DMS_OK;
}

/* "2 dims of the inputs have no size: batch, seq; for example: dmsc model.onnx --dim ..." */
dms_code dms_dims_complain(const dms_dims *dims, const dms_graph *graph, uint32_t attempt,
                           dms_status *st) {
    char list[400], command[900];
    size_t at = 0, end = 0;
    uint32_t listed = 0;
    const uint32_t missing = dims->n_missing;
    list[0] = command[0] = 0;
    for (uint32_t k = 0; k < dims->n; k++) {
        const dms_dim_entry *entry = &dims->entry[k];
        const bool is_asked = is_missing(dims, entry);
        const size_t length = strlen(entry->text);
        if (is_asked && at + length + 3 < sizeof list && listed < MOST_PRINTED) {
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", listed == 0 ? "" : ", ",
                                   entry->text);
            listed++;
        }
        if ((is_asked || entry->is_given) && end + length + 40 < sizeof command)
            end += (size_t)print_option(command + end, sizeof command - end, entry->text,
                                        entry->is_given ? entry->value : suggest(entry, attempt));
    }
    return dms_fail(st, DMS_EUSAGE,
                    "%" PRIu32 " dim%s of the model's inputs ha%s no size: %s%s\n"
                    "  give each a size, for example: dmsc %.300s%s",
                    missing, missing == 1 ? "" : "s", missing == 1 ? "s" : "ve", list,
                    listed < missing ? ", ..." : "", graph->model_path, command);
}

/* Records a named dim for the plan. */
static dms_code record(dms_graph *graph, const dms_dim_entry *entry, dms_status *st) {
    char *name = dms_strndup(graph->arena, entry->text, strlen(entry->text));
    if (name == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: a dim");
    DMS_TRY(dms_grow(graph->arena, &graph->dim, &graph->cap_dims, (uint64_t)graph->n_dims + 1,
                     sizeof *graph->dim, st));
    graph->dim[graph->n_dims++] = (dms_plan_dim){.name = name, .value = entry->value};
    return DMS_OK;
}

dms_code dms_dims_resolve(dms_dims *dims, dms_graph *graph, const dms_read_options *options,
                          dms_status *st) {
    for (uint32_t k = 0; options != NULL && k < options->n_dims; k++)
        DMS_TRY(take_given(dims, &options->dim[k], st));
    for (uint32_t k = 0; k < dims->n; k++)
        DMS_TRY(derive(dims, &dims->entry[k], st));
    require_parts(dims);
    for (uint32_t k = 0; k < dims->n; k++)
        dims->n_missing += is_missing(dims, &dims->entry[k]);
    if (dims->n_missing != 0)
        return dms_dims_complain(dims, graph, 0, st);
    for (uint32_t k = 0; k < dims->n; k++)
        if (dims->entry[k].is_given)
            DMS_TRY(record(graph, &dims->entry[k], st));
    return DMS_OK;
}
