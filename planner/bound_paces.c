/* bound_paces.c - sizes of about equal link time per byte, which the stock is told apart by.
 *
 * The stock is counted in bytes, which take memory, and in link time. A byte of a small block takes
 * more time, for each copy has its latency; so a stock of one kind would pay memory like large
 * blocks and bring time like small ones. Each pace has a stock of its own:
 *
 *   bytes        0.8      3.3      5.2           13.1  14.7     MB
 *   ns per byte  0.0304   0.0212   0.0201        0.0189         latency / size + 1 / rate
 *   pace         | 0      | 1                    | 2            from its smallest block on
 */
#include <math.h>

#include "planner/bound_internal.h"

#define N_BUCKETS 512u /* of sizes within a factor of 1.1: up to 2^63 and more */
/* Stock that may seem smaller than it is, as a share of all bytes: not worth rows of its own. */
#define LOSS 0.04

typedef struct bucket {
    double least, bytes, time; /* bytes of the smallest; of all; link time of all, unit times */
} bucket;

typedef struct buckets {
    bucket of[N_BUCKETS];
    uint32_t n;
    double bytes; /* of all */
    double below; /* bytes of blocks below the cut, in no bucket */
} buckets;

static void gather(const dms_bound *b, double cut, buckets *all) {
    const dms_cycle *cycle = b->cycle;
    bucket found[N_BUCKETS] = {{0}};
    for (uint32_t i = 0; i < cycle->n_gaps; i++) {
        const double bytes = (double)cycle->problem->tensors[cycle->gap[i].tensor].bytes;
        if (cycle->gap[i].rule == DMS_GAP_KEPT)
            continue;
        if (bytes < cut) {
            all->below += bytes;
            continue;
        }
        const uint32_t at = (uint32_t)(log(bytes) / log(1.1));
        bucket *to = found + (at < N_BUCKETS ? at : N_BUCKETS - 1);
        if (to->bytes == 0 || bytes < to->least)
            to->least = bytes;
        to->bytes += bytes;
        to->time += dms_bound_link_time(b, bytes);
        all->bytes += bytes;
    }
    for (uint32_t i = 0; i < N_BUCKETS; i++)
        if (found[i].bytes > 0)
            all->of[all->n++] = found[i];
}

/* What the stock of the buckets from..to-1 lacks if all of it passes for blocks like the smallest:
 * bytes - time / (link time per byte of the smallest). */
static void fill_losses(const dms_bound *b, const buckets *all, uint32_t from, double *loss) {
    const double least = all->of[from].least, slowest = dms_bound_link_time(b, least) / least;
    double sum = 0;
    for (uint32_t to = from; to < all->n; to++) {
        sum += all->of[to].bytes - all->of[to].time / slowest;
        loss[to + 1] = sum;
    }
}

/* The cuts into 1, 2, ... paces that lose least, by the number of buckets that they hold. */
typedef struct cuts {
    double loss[DMS_MAX_PACES][N_BUCKETS + 1];
    uint32_t from[DMS_MAX_PACES][N_BUCKETS + 1]; /* where the last pace begins */
} cuts;

static void find_cuts(const dms_bound *b, const buckets *all, cuts *best) {
    double loss[N_BUCKETS + 1];
    for (uint32_t p = 0; p < DMS_MAX_PACES; p++)
        for (uint32_t k = 0; k <= all->n; k++)
            best->loss[p][k] = INFINITY;
    for (uint32_t from = 0; from < all->n; from++) {
        fill_losses(b, all, from, loss);
        for (uint32_t p = 0; p < DMS_MAX_PACES; p++) {
            const double before = p > 0 ? best->loss[p - 1][from] : from == 0 ? 0 : INFINITY;
            for (uint32_t to = from + 1; to <= all->n; to++)
                if (before + loss[to] < best->loss[p][to]) {
                    best->loss[p][to] = before + loss[to];
                    best->from[p][to] = from;
                }
        }
    }
}

/* As few as lose little. Blocks whose latency is more than their transfer are left to the row of
 * all link time: their stock says little, and one of them would set the pace of the others.
 *
 * Where the paces together lose as little, stocks in bytes are left out, with their rows: they had
 * moved no bound of a transformer or U-Net by 0.00006, and where layers repeat the simplex walked
 * among the many stocks of bytes that fit one of link time. With sizes of all kinds they count: the
 * bound of random-200 at 12.5 % would be 0.35 % lower. */
void dms_bound_choose_paces(dms_bound *b) {
    const dms_link *in = &b->cycle->problem->in;
    const double cut = (double)in->latency_ns * (double)in->bytes_per_s / 1.1e9;
    buckets all = {.n = 0};
    cuts best;
    uint32_t n = 1;
    gather(b, cut < 1 ? 1 : cut, &all);
    b->n_paces = 1;
    b->has_bytes = true;
    b->pace[0] = (dms_bound_pace){.from = cut < 1 ? 1 : cut};
    if (all.n > 0) {
        find_cuts(b, &all, &best);
        while (n < DMS_MAX_PACES && best.loss[n - 1][all.n] > LOSS * all.bytes)
            n++;
        b->n_paces = n;
        b->has_bytes = best.loss[n - 1][all.n] + all.below > LOSS * all.bytes;
        for (uint32_t end = all.n; n-- > 0; end = best.from[n][end])
            b->pace[n].from = all.of[best.from[n][end]].least;
    }
    for (uint32_t p = 0; p < b->n_paces; p++)
        b->pace[p].slowest = dms_bound_link_time(b, b->pace[p].from) / (b->pace[p].from / b->byte);
}

uint32_t dms_bound_pace_of(const dms_bound *bound, double bytes) {
    uint32_t p = bound->n_paces;
    while (p > 0 && bytes < bound->pace[p - 1].from)
        p--;
    return p > 0 ? p - 1 : DMS_NO_PACE;
}
