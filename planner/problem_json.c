/* problem_json.c - "dms-problem" JSON, version 1: reader (jansson) and writer. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "planner/contention.h"
#include "planner/problem.h"
#include "schema/arena.h"
#include "schema/json.h"

#define NO_LIMIT 1000000000000000u /* 1e15: how the format says "no limit" */

/* What reading carries around. */
typedef struct reader {
    const char *path;
    dms_arena *arena;
    dms_status *st;
    uint32_t cap_touches;
    dms_problem problem;
} reader;

static dms_code refuse(const reader *r, const char *what) {
    return dms_fail(r->st, DMS_EUSAGE, "%s: not a dms-problem: %s", r->path, what);
}

/* A number that is not negative and below 2^62; reals are cut. */
static bool get_count(const json_t *value, uint64_t *out) {
    const double real = json_number_value(value);
    if (!json_is_number(value) || !(real >= 0) || real > 4e18)
        return false;
    *out = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)real;
    return true;
}

static bool get_step(const reader *r, const json_t *value, uint32_t *out) {
    uint64_t step;
    if (!get_count(value, &step) || step >= r->problem.n_steps)
        return false;
    *out = (uint32_t)step;
    return true;
}

static dms_code read_link(reader *r, const json_t *links, const char *key, dms_link *out) {
    const json_t *pair = json_object_get(links, key);
    uint64_t rate, latency;
    if (!get_count(json_array_get(pair, 0), &rate) || !get_count(json_array_get(pair, 1), &latency))
        return refuse(r, key);
    *out = (dms_link){(int64_t)rate, (int64_t)latency};
    return DMS_OK;
}

/* What makes copies late; both keys may be absent. */
static dms_code read_disturbances(reader *r, const json_t *root) {
    const json_t *lead = json_object_get(root, "lead_ns");
    uint64_t ns = 0;
    if (lead && (!get_count(lead, &ns) || ns > DMS_MOST_LEAD))
        return refuse(r, "lead_ns");
    r->problem.lead_ns = (int64_t)ns;
    if (dms_contention_read(json_object_get(root, "contention"), &r->problem.contention, r->st) !=
        DMS_OK)
        return dms_context(r->st, "%s: not a dms-problem", r->path);
    return DMS_OK;
}

static dms_code read_steps(reader *r, const json_t *root) {
    const json_t *steps = json_object_get(root, "steps"), *layers = json_object_get(root, "layer");
    dms_problem *p = &r->problem;
    if (!json_is_array(steps) || json_array_size(steps) > UINT32_MAX)
        return refuse(r, "steps");
    p->n_steps = (uint32_t)json_array_size(steps);
    DMS_TRY(dms_alloc_st(r->arena, p->n_steps, sizeof *p->steps, "problem", &p->steps, r->st));
    for (uint32_t t = 0; t < p->n_steps; t++) {
        const json_t *step = json_array_get(steps, t);
        uint64_t ns, scratch;
        const json_t *layer = json_array_get(layers, t); /* any integer: a label, e.g. -1 */
        if (!get_count(json_array_get(step, 0), &ns) ||
            !get_count(json_array_get(step, 1), &scratch))
            return refuse(r, "steps");
        if (layers && !json_is_integer(layer))
            return refuse(r, "layer");
        p->steps[t] = (dms_problem_step){.ns = (int64_t)ns,
                                         .scratch_bytes = scratch,
                                         .layer = (uint32_t)json_integer_value(layer)};
    }
    return DMS_OK;
}

/* Appends steps first..last to the touches. */
static dms_code add_touches(reader *r, uint32_t first, uint32_t last) {
    dms_problem *p = &r->problem;
    const uint64_t need = (uint64_t)p->n_touches + last - first + 1;
    DMS_TRY(dms_grow(r->arena, &p->touches, &r->cap_touches, need, sizeof *p->touches, r->st));
    for (uint32_t t = first; t <= last; t++)
        p->touches[p->n_touches++] = t;
    return DMS_OK;
}

static dms_code read_uses(reader *r, const json_t *uses) {
    for (size_t i = 0; i < json_array_size(uses); i++) {
        const json_t *use = json_array_get(uses, i);
        uint32_t first = 0, last = 0;
        if (json_is_array(use) ? !get_step(r, json_array_get(use, 0), &first) ||
                                     !get_step(r, json_array_get(use, 1), &last) || last < first
                               : !get_step(r, use, &first))
            return refuse(r, "tensors: uses");
        DMS_TRY(add_touches(r, first, json_is_array(use) ? last : first));
    }
    return DMS_OK;
}

static dms_code read_tensor(reader *r, const json_t *row, dms_problem_tensor *out) {
    const char *kind = json_string_value(json_array_get(row, 0));
    const json_t *producer = json_array_get(row, 2), *uses = json_array_get(row, 3);
    uint32_t step;
    dms_problem_tensor tensor = {.first_touch = r->problem.n_touches};
    if (!kind || strlen(kind) != 1 || !strchr("wiao", kind[0]) ||
        !get_count(json_array_get(row, 1), &tensor.bytes) || !json_is_array(uses))
        return refuse(r, "tensors");
    tensor.kind = (dms_problem_kind)kind[0];
    if (tensor.kind == DMS_PROBLEM_WEIGHT)
        tensor.storage_bytes = tensor.bytes;
    if (get_step(r, producer, &step))
        DMS_TRY(add_touches(r, step, step));
    else if (!json_is_integer(producer) || json_integer_value(producer) != -1)
        return refuse(r, "tensors: producer");
    DMS_TRY(read_uses(r, uses));
    tensor.n_touches = r->problem.n_touches - tensor.first_touch;
    *out = tensor;
    return DMS_OK;
}

static dms_code read_tensors(reader *r, const json_t *root) {
    const json_t *rows = json_object_get(root, "tensors");
    dms_problem *p = &r->problem;
    if (!json_is_array(rows) || json_array_size(rows) > UINT32_MAX)
        return refuse(r, "tensors");
    p->n_tensors = (uint32_t)json_array_size(rows);
    DMS_TRY(
        dms_alloc_st(r->arena, p->n_tensors, sizeof *p->tensors, "problem", &p->tensors, r->st));
    for (uint32_t i = 0; i < p->n_tensors; i++)
        DMS_TRY(read_tensor(r, json_array_get(rows, i), p->tensors + i));
    return DMS_OK;
}

/* Weights that do not lie dense in their file, [tensor, bytes]; the key may be absent. */
static dms_code read_stored(reader *r, const json_t *root) {
    const json_t *rows = json_object_get(root, "stored");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        uint64_t tensor, bytes;
        if (!get_count(json_array_get(row, 0), &tensor) || tensor >= r->problem.n_tensors ||
            !get_count(json_array_get(row, 1), &bytes))
            return refuse(r, "stored");
        r->problem.tensors[tensor].storage_bytes = bytes;
    }
    return DMS_OK;
}

static dms_code read_budgets(reader *r, const json_t *root) {
    const json_t *budgets = json_object_get(root, "budgets");
    dms_problem *p = &r->problem;
    if (!json_is_array(budgets) || json_array_size(budgets) > UINT32_MAX)
        return refuse(r, "budgets");
    p->n_budgets = (uint32_t)json_array_size(budgets);
    DMS_TRY(
        dms_alloc_st(r->arena, p->n_budgets, sizeof *p->budgets, "problem", &p->budgets, r->st));
    for (uint32_t i = 0; i < p->n_budgets; i++)
        if (!get_count(json_array_get(budgets, i), p->budgets + i))
            return refuse(r, "budgets");
    return DMS_OK;
}

static dms_code read_root(reader *r, const json_t *root) {
    dms_problem *p = &r->problem;
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *name = json_string_value(json_object_get(root, "name"));
    const json_t *links = json_object_get(root, "links");
    uint64_t version;
    if (!format || strcmp(format, "dms-problem") != 0)
        return refuse(r, "format");
    if (!get_count(json_object_get(root, "version"), &version) || version != 1)
        return refuse(r, "version");
    if (!get_count(json_object_get(root, "host_mem"), &p->host_mem))
        return refuse(r, "host_mem");
    if (!get_count(json_object_get(root, "weight_bytes"), &p->weight_bytes))
        return refuse(r, "weight_bytes");
    if (p->host_mem >= NO_LIMIT)
        p->host_mem = UINT64_MAX;
    p->name = name ? dms_strndup(r->arena, name, strlen(name)) : NULL;
    if (name && !p->name)
        return dms_fail(r->st, DMS_EINTERNAL, "out of memory: problem");
    DMS_TRY(read_link(r, links, "h2d", &p->in));
    DMS_TRY(read_link(r, links, "d2h", &p->out));
    DMS_TRY(read_link(r, links, "load", &p->load));
    DMS_TRY(read_link(r, links, "store", &p->store));
    DMS_TRY(read_disturbances(r, root));
    DMS_TRY(read_steps(r, root));
    DMS_TRY(read_tensors(r, root));
    DMS_TRY(read_stored(r, root));
    return read_budgets(r, root);
}

dms_code dms_problem_read(const char *path, dms_arena *arena, dms_problem *out_problem,
                          dms_status *st) {
    reader r = {.path = path, .arena = arena, .st = st};
    json_error_t error;
    FILE *file = fopen(path, "rb");
    if (!file)
        return dms_fail(st, DMS_EIO, "%s: cannot be opened", path);
    json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    (void)fclose(file);
    if (!root)
        return dms_fail(st, DMS_EUSAGE, "%s: line %d: %s", path, error.line, error.text);
    dms_code code = read_root(&r, root);
    json_decref(root);
    if (code == DMS_OK && dms_problem_check(&r.problem, st) != DMS_OK) {
        if (st)
            st->code = DMS_EUSAGE;
        code = dms_context(st, "%s", path);
    }
    if (code == DMS_OK)
        *out_problem = r.problem;
    return code;
}

static void write_link(dms_json *json, const char *key, const dms_link *link) {
    dms_json_array(json, key);
    dms_json_int(json, NULL, link->bytes_per_s);
    dms_json_int(json, NULL, link->latency_ns);
    dms_json_end_array(json);
}

static void write_steps(dms_json *json, const dms_problem *problem) {
    dms_json_array(json, "steps");
    for (uint32_t t = 0; t < problem->n_steps; t++) {
        dms_json_array(json, NULL);
        dms_json_int(json, NULL, problem->steps[t].ns);
        dms_json_uint(json, NULL, problem->steps[t].scratch_bytes);
        dms_json_end_array(json);
    }
    dms_json_end_array(json);
    dms_json_array(json, "layer");
    for (uint32_t t = 0; t < problem->n_steps; t++)
        dms_json_uint(json, NULL, problem->steps[t].layer);
    dms_json_end_array(json);
}

/* Uses as single steps or [first, last] runs; what is produced names its producer apart. */
static void write_tensor(dms_json *json, const dms_problem *problem,
                         const dms_problem_tensor *tensor) {
    const char kind[2] = {(char)tensor->kind, 0};
    const uint32_t *touch = problem->touches + tensor->first_touch;
    const bool is_made =
        tensor->kind == DMS_PROBLEM_ACTIVATION || tensor->kind == DMS_PROBLEM_OUTPUT;
    dms_json_array(json, NULL);
    dms_json_text(json, NULL, kind);
    dms_json_uint(json, NULL, tensor->bytes);
    dms_json_int(json, NULL, is_made ? (int64_t)touch[0] : -1);
    dms_json_array(json, NULL);
    for (uint32_t k = is_made; k < tensor->n_touches;) {
        uint32_t end = k;
        while (end + 1 < tensor->n_touches && touch[end + 1] == touch[end] + 1)
            end++;
        if (end == k) {
            dms_json_uint(json, NULL, touch[k]);
        } else {
            dms_json_array(json, NULL);
            dms_json_uint(json, NULL, touch[k]);
            dms_json_uint(json, NULL, touch[end]);
            dms_json_end_array(json);
        }
        k = end + 1;
    }
    dms_json_end_array(json);
    dms_json_end_array(json);
}

static void write_stored(dms_json *json, const dms_problem *problem) {
    dms_json_array(json, "stored");
    for (uint32_t i = 0; i < problem->n_tensors; i++) {
        const dms_problem_tensor *tensor = problem->tensors + i;
        if (tensor->kind != DMS_PROBLEM_WEIGHT || tensor->storage_bytes == tensor->bytes)
            continue;
        dms_json_array(json, NULL);
        dms_json_uint(json, NULL, i);
        dms_json_uint(json, NULL, tensor->storage_bytes);
        dms_json_end_array(json);
    }
    dms_json_end_array(json);
}

void dms_problem_put(const dms_problem *problem, dms_json *json) {
    dms_json_text(json, "format", "dms-problem");
    dms_json_uint(json, "version", 1);
    dms_json_text(json, "name", problem->name ? problem->name : "");
    dms_json_uint(json, "weight_bytes", problem->weight_bytes);
    dms_json_array(json, "budgets");
    for (uint32_t i = 0; i < problem->n_budgets; i++)
        dms_json_uint(json, NULL, problem->budgets[i]);
    dms_json_end_array(json);
    dms_json_uint(json, "host_mem", problem->host_mem < NO_LIMIT ? problem->host_mem : NO_LIMIT);
    dms_json_object(json, "links");
    write_link(json, "h2d", &problem->in);
    write_link(json, "d2h", &problem->out);
    write_link(json, "load", &problem->load);
    write_link(json, "store", &problem->store);
    dms_json_end_object(json);
    if (dms_contention_any(&problem->contention))
        dms_contention_write(json, &problem->contention);
    if (problem->lead_ns > 0)
        dms_json_int(json, "lead_ns", problem->lead_ns);
    write_steps(json, problem);
    dms_json_array(json, "tensors");
    for (uint32_t i = 0; i < problem->n_tensors; i++)
        write_tensor(json, problem, problem->tensors + i);
    dms_json_end_array(json);
    write_stored(json, problem);
}

dms_code dms_problem_write(const dms_problem *problem, FILE *out, dms_status *st) {
    dms_json json = {.out = out};
    dms_json_object(&json, NULL);
    dms_problem_put(problem, &json);
    dms_json_end_object(&json);
    if (fputc('\n', out) == EOF || ferror(out))
        return dms_fail(st, DMS_EIO, "cannot write the problem");
    return DMS_OK;
}
