/* table.c - all rows: search and print. */
#include <string.h>

#include "onnx/graph.h"
#include "onnx/ops/ops.h"

#define ADDRESS(family) &dms_ops_##family,
static const dms_op_family *const families[] = {DMS_OP_FAMILIES(ADDRESS)};
#undef ADDRESS

#define N_FAMILIES (sizeof families / sizeof *families)
#define NEWEST_OPSET 23u

/* NULL, "" and "ai.onnx" are one domain. */
static const char *plain_domain(const char *domain) {
    return domain == NULL || domain[0] == 0 ? "ai.onnx" : domain;
}

/* Same operator, whatever the opset. Most rows differ in the first letter. */
static bool is_named(const dms_op *row, const char *domain, const char *name) {
    return row->name[0] == name[0] && strcmp(row->name, name) == 0 &&
           strcmp(plain_domain(row->domain), plain_domain(domain)) == 0;
}

/* Linear: rows are few, and each node of a file asks once. */
const dms_op *dms_op_find(const char *domain, const char *name, uint32_t version) {
    for (uint32_t f = 0; f < N_FAMILIES; f++)
        for (uint32_t k = 0; k < families[f]->n_rows; k++) {
            const dms_op *row = &families[f]->row[k];
            if (is_named(row, domain, name) && version >= row->since &&
                (row->until == 0 || version <= row->until))
                return row;
        }
    return NULL;
}

bool dms_op_is_known(const char *domain, const char *name) {
    for (uint32_t f = 0; f < N_FAMILIES; f++)
        for (uint32_t k = 0; k < families[f]->n_rows; k++)
            if (is_named(&families[f]->row[k], domain, name))
                return true;
    return false;
}

/* The row that follows `after` by domain, name and opset; NULL at the end. */
static const dms_op *next_row(const dms_op *after) {
    const dms_op *best = NULL;
    for (uint32_t f = 0; f < N_FAMILIES; f++)
        for (uint32_t k = 0; k < families[f]->n_rows; k++) {
            const dms_op *row = &families[f]->row[k];
            if (after != NULL && dms_op_compare(row, after) <= 0)
                continue;
            if (best == NULL || dms_op_compare(row, best) < 0)
                best = row;
        }
    return best;
}

int dms_op_compare(const dms_op *a, const dms_op *b) {
    const int by_domain = strcmp(plain_domain(a->domain), plain_domain(b->domain));
    if (by_domain != 0)
        return by_domain;
    const int by_name = strcmp(a->name, b->name);
    if (by_name != 0)
        return by_name;
    return (a->since > b->since) - (a->since < b->since);
}

void dms_ops_print(FILE *out) {
    (void)fprintf(out, "%-26s  %-13s  opsets\n", "operator", "domain");
    for (const dms_op *row = next_row(NULL); row != NULL; row = next_row(row)) {
        if (strcmp(plain_domain(row->domain), "dms") == 0)
            continue; /* made by rewriting, never read */
        const bool is_main = strcmp(plain_domain(row->domain), "ai.onnx") == 0;
        (void)fprintf(out, "%-26s  %-13s  %u", row->name, plain_domain(row->domain), row->since);
        if (row->until != 0 || is_main)
            (void)fprintf(out, " to %u", row->until != 0 ? row->until : NEWEST_OPSET);
        (void)fprintf(out, "\n");
    }
}
