/* bound_beneath.c - the bound beneath the program: prices by formulas, where the solver gave none
 * or where they are too large to be written down.
 *
 * Any prices prove a bound. Three sets of them say what is certain without a program: what cannot
 * stay must be loaded, what neither side holds must be read, and what is made must leave.
 */
#include <math.h>

#include "planner/bound_internal.h"
#include "schema/arena.h"

static void set(const dms_lp_result *duals, uint32_t row, double price) {
    if (row != DMS_NO_ROW)
        duals->price[row] = price;
}

/* The checkpoint with the least room for what stays, as far as that does not depend on weights. */
static uint32_t fullest(const dms_bound *b) {
    const dms_problem_step *steps = b->cycle->problem->steps;
    uint32_t best = 0;
    for (uint32_t g = 1; g < b->n_groups; g++)
        if (steps[b->group[g].last].scratch_bytes > steps[b->group[best].last].scratch_bytes)
            best = g;
    return best;
}

/* The link is busy for all loads; a byte that stays over one checkpoint saves as much as it costs
 * on the link at its best. */
static void price_loads(const dms_bound *b, const dms_lp_result *duals) {
    set(duals, b->total_row, 1);
    set(duals, b->group[fullest(b)].row.memory, -1 / b->rate_in);
}

/* Storage is busy for all readings; a byte that stays on the device or the host saves as much as
 * the quickest reading takes. */
static void price_readings(const dms_bound *b, const dms_lp_result *duals) {
    const dms_cycle *cycle = b->cycle;
    double per_byte = INFINITY;
    for (uint32_t i = 0; i < cycle->n_tensors; i++)
        if (cycle->read_ns[i] > 0)
            per_byte = fmin(per_byte,
                            (double)cycle->read_ns[i] / (double)cycle->problem->tensors[i].bytes);
    if (!b->has_homes || isinf(per_byte))
        return;
    const double price = -per_byte * b->byte / b->ns;
    set(duals, b->storage_row, 1);
    set(duals, b->host_row, price);
    set(duals, b->group[fullest(b)].row.memory, price);
}

/* The way out is busy for all outputs. */
static void price_outputs(const dms_bound *b, const dms_lp_result *duals) {
    for (uint32_t g = 0; g < b->n_groups; g++)
        set(duals, b->group[g].row.out, -1 / b->rate_out);
}

typedef void (*formula)(const dms_bound *b, const dms_lp_result *duals);

/* The certificate of one formula. Where a link is so slow that its prices are no whole numbers of
 * 63 bits, a part of them proves that part. */
static dms_code certify(const dms_bound *b, uint64_t bytes, formula form, dms_certificate **out,
                        dms_status *st) {
    dms_lp_result duals = {0};
    DMS_TRY(
        dms_alloc_st(b->arena, b->lp.n_rows, sizeof *duals.price, "certificate", &duals.price, st));
    DMS_TRY(dms_alloc_st(b->arena, (uint64_t)b->lp.n_cols + 1, sizeof *duals.reduced, "certificate",
                         &duals.reduced, st));
    form(b, &duals);
    *out = NULL;
    for (uint32_t k = 0; k < 32 && !*out; k++) {
        DMS_TRY(dms_bound_price(b, bytes, &duals, out, st));
        for (uint32_t i = 0; i < b->lp.n_rows; i++)
            duals.price[i] /= 4;
    }
    return DMS_OK;
}

dms_code dms_bound_beneath(const dms_bound *bound, uint64_t bytes,
                           dms_certificate **out_certificate, dms_status *st) {
    const formula forms[] = {price_loads, price_readings, price_outputs};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        dms_certificate *found;
        DMS_TRY(certify(bound, bytes, forms[i], &found, st));
        if (found && (!*out_certificate || found->bound_ns > (*out_certificate)->bound_ns))
            *out_certificate = found;
    }
    return DMS_OK;
}
