/* calibrate_fit.c - medians, a line through copies, three costs through kernels. */
#include <math.h>
#include <stdlib.h>

#include "runtime/calibrate_internal.h"

#define TERMS 3 /* operations, results, rows */
#define ROUNDS 500
#define PASSES 12
#define MOST_OBSERVATIONS 16u
#define MOST_SHARE 100000.0
#define MOST_PS 1e9

/* Ascending; equal times need no further key. */
static int compare(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t dms_samples_percentile(dms_samples *s, uint32_t percent) {
    if (s->n == 0)
        return 0;
    qsort(s->ns, s->n, sizeof *s->ns, compare);
    const uint32_t at = (s->n * percent + 99) / 100;
    return s->ns[at == 0 ? 0 : at - 1];
}

double dms_samples_spread(dms_samples *s) {
    const int64_t median = dms_samples_percentile(s, 50);
    if (median <= 0)
        return 0;
    return (double)(dms_samples_percentile(s, 75) - dms_samples_percentile(s, 25)) / (double)median;
}

static int64_t at_least(double value, int64_t least) {
    return value < (double)least ? least : (int64_t)(value + 0.5);
}

/* ns = latency + slope x bytes, each equation divided by its ns. With a latency below 0 the best
 * line is the one through the origin. */
dms_link dms_fit_link(uint32_t n, const uint64_t *bytes, const int64_t *ns) {
    double ww = 0, wx = 0, xx = 0, wy = 0, xy = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double w = 1 / (double)ns[i], x = (double)bytes[i] * w;
        ww += w * w;
        wx += w * x;
        xx += x * x;
        wy += w;
        xy += x;
    }
    const double det = ww * xx - wx * wx;
    double latency = det > 0 ? (wy * xx - xy * wx) / det : 0;
    double slope = det > 0 ? (ww * xy - wx * wy) / det : xy / xx;
    if (latency < 0) {
        latency = 0;
        slope = xy / xx;
    }
    if (!(slope > 0)) /* all copies took the same: they are all latency */
        slope = 1e-9;
    return (dms_link){at_least(1e9 / slope, 1), at_least(latency, 0)};
}

/* What the costs make of an observation, as a multiple of its time. */
static double predicted(const double *term, const double *cost) {
    double sum = 0;
    for (int k = 0; k < TERMS; k++)
        sum += term[k] * cost[k];
    return sum;
}

/* One term after the other is set to what fits best with the others as they are: with terms that
 * may not be below 0 this converges to the best. */
static void descend(uint32_t n, double (*term)[TERMS], const double *weight, double *cost) {
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < TERMS; k++) {
            double num = 0, den = 0;
            for (uint32_t i = 0; i < n; i++) {
                const double rest = 1 - predicted(term[i], cost) + term[i][k] * cost[k];
                num += weight[i] * term[i][k] * rest;
                den += weight[i] * term[i][k] * term[i][k];
            }
            cost[k] = den > 0 && num > 0 ? num / den : 0;
        }
    }
}

/* Squares of (p - 1) would rather have a time too short than too long: an error of 1 at most
 * against one of any size. With weights of p^-1.5, step by step, both count alike: of two calls of
 * equal work the geometric mean is taken. */
static void fit_ratios(uint32_t n, double (*term)[TERMS], double *cost) {
    double weight[MOST_OBSERVATIONS];
    for (uint32_t i = 0; i < n; i++)
        weight[i] = 1;
    for (int pass = 0; pass < PASSES; pass++) {
        descend(n, term, weight, cost);
        for (uint32_t i = 0; i < n; i++)
            weight[i] = pow(fmax(predicted(term[i], cost), 0.05), -1.5);
    }
}

dms_family_cost dms_fit_family(uint32_t n, const dms_observation *o, double flops,
                               double *out_error) {
    double term[MOST_OBSERVATIONS][TERMS], cost[TERMS] = {1, 0, 0}, worst = 0;
    n = n > MOST_OBSERVATIONS ? MOST_OBSERVATIONS : n;
    for (uint32_t i = 0; i < n; i++) {
        term[i][0] = o[i].flops / flops * 1e9 / o[i].ns;
        term[i][1] = o[i].results / o[i].ns;
        term[i][2] = o[i].rows / o[i].ns;
    }
    fit_ratios(n, term, cost);
    for (uint32_t i = 0; i < n; i++) {
        const double error = fabs(predicted(term[i], cost) - 1);
        worst = error > worst ? error : worst;
    }
    *out_error = worst;
    const double share = cost[0] > 1000 / MOST_SHARE ? 1000 / cost[0] : MOST_SHARE;
    return (dms_family_cost){(int32_t)at_least(share, 1),
                             at_least(fmin(cost[1] * 1000, MOST_PS), 0),
                             at_least(fmin(cost[2] * 1000, MOST_PS), 0)};
}
