/* bound_cases.c - the bound by cases of what the ring holds.
 *
 * On an average over the turn the ring holds a little more than one block: the one that is being
 * read, and for an eighth of the time the one before, on its way to the device. So the program
 * gives homes what no plan can: one that has room for a single block has each reading wait for the
 * copy of the one before. A schedule does one or the other,
 *
 *   pair    two blocks of `large` bytes or more are on the host at some time:
 *               h <= H - 2 large
 *   apart   no two are, at no time:
 *               sum over what is read of its reading and its copy <= sum of w + d
 *
 * and neither follows from the other rows. Each case is a program with prices of its own.
 */
#include "planner/bound_internal.h"
#include "schema/checked.h"

static double time_of(const dms_bound *b, const dms_bound_class *class) {
    const bool counts = class->sharers > 0 && class->least >= b->large;
    return counts ? (class->read_per_byte + class->fastest) * class->bytes : 0;
}

dms_code dms_bound_add_cases(dms_bound *bound, dms_status *st) {
    dms_lp *lp = &bound->lp;
    dms_lp_put(lp, dms_bound_h(bound), 1);
    bound->pair_row = lp->n_rows;
    DMS_TRY(dms_lp_row(lp, -DMS_LP_FREE, bound->home_bytes, st));
    for (uint32_t g = 0; g < bound->n_groups; g++)
        dms_lp_put(lp, dms_bound_w(g), -1);
    for (uint32_t v = 0; v < bound->n_classes; v++)
        dms_lp_put(lp, dms_bound_n(bound, v), time_of(bound, bound->class + v));
    bound->apart_row = lp->n_rows;
    return dms_lp_row(lp, -DMS_LP_FREE, 0, st);
}

void dms_bound_set_cases(dms_bound *bound, double room, dms_ring_case ring) {
    const double both = 2 * bound->large / bound->byte;
    double time = 0;
    for (uint32_t g = 0; g < bound->n_groups; g++)
        time += bound->group[g].time;
    for (uint32_t v = 0; v < bound->n_classes && ring != DMS_RING_APART; v++)
        time += time_of(bound, bound->class + v); /* more than all readings ask for */
    dms_lp_set_high(&bound->lp, bound->pair_row,
                    ring == DMS_RING_PAIR ? room - both : bound->home_bytes);
    dms_lp_set_high(&bound->lp, bound->apart_row, time);
}

dms_code dms_bound_by_cases(dms_bound *bound, uint64_t bytes, dms_certificate **out_certificate,
                            dms_status *st) {
    const dms_bound_aim pair = {.ring = DMS_RING_PAIR}, apart = {.ring = DMS_RING_APART};
    const double host = (double)(bound->cycle->host_units + 1) * DMS_ALIGN;
    dms_shares of_pair, of_apart;
    *out_certificate = NULL;
    if (!bound->has_homes || bound->large == 0 || host < 2 * bound->large)
        return DMS_OK;
    DMS_TRY(dms_bound_solve(bound, bytes, &pair, &of_pair, st));
    if (!of_pair.certificate)
        return DMS_OK;
    DMS_TRY(dms_bound_solve(bound, bytes, &apart, &of_apart, st));
    if (!of_apart.certificate)
        return DMS_OK;
    *out_certificate = of_pair.certificate;
    (*out_certificate)->other = of_apart.certificate;
    if (of_apart.certificate->bound_ns < of_pair.certificate->bound_ns)
        (*out_certificate)->bound_ns = of_apart.certificate->bound_ns;
    return DMS_OK;
}
