/* certificate.h - prices that prove a bound: no schedule of these steps has a shorter period.
 *
 * Reads    nothing.
 * Returns  the record, and its JSON form, "dms-certificate" version 7.
 * Cost     O(groups).
 * Source   weak duality, as docs/certificate.md writes it out; tools/check_certificate.py checks a
 *          file in exact arithmetic and shares no code with this.
 * Not here where the prices come from (prices.c).
 */
#ifndef DMS_PLANNER_CERTIFICATE_H
#define DMS_PLANNER_CERTIFICATE_H

#include <stdint.h>
#include <stdio.h>

#include "schema/status.h"

typedef struct dms_arena dms_arena; /* schema/arena.h */

#define DMS_MAX_PACES 3u        /* kinds of blocks whose stock is told apart */
#define DMS_PRICE_PER_TIME 1e12 /* prices of a ns are whole numbers of 1e-12 */
#define DMS_PRICE_PER_BYTE 1e15 /* prices of a byte are whole numbers of 1e-15 ns */

/* Prices at the end of a group of neighbouring steps. None is negative. */
typedef struct dms_certificate_group {
    uint32_t last;        /* its last step; the first group begins with step 0 */
    int64_t link;         /* per byte that the link brings in the group */
    int64_t arrival;      /* per byte that must be there before the group's last load is due */
    int64_t link_time;    /* per ns that the link is busy for the group's loads */
    int64_t arrival_time; /* per ns that the link has before the group's last load is due */
    int64_t density;      /* per byte that loads ahead of their group have brought */
    int64_t memory;       /* per byte on the device at the end of `last` */
    int64_t out;          /* per byte that leaves in the group */
    int64_t inputs;       /* per ns that inputs take on the link, those due by the group's last */
    int64_t away;         /* per byte on host and device during `last` */
    int64_t busy; /* per byte on the device while `last`, its only step, runs and a block comes */
    /* Of each pace: per ns of loads that must have ended by then, at most arrival_time; per ns that
     * the link carries of it, which is never less than nothing. */
    int64_t due[DMS_MAX_PACES], early[DMS_MAX_PACES];
} dms_certificate_group;

/* One certificate. */
typedef struct dms_certificate {
    uint64_t device_bytes, host_bytes; /* the budgets; host_bytes UINT64_MAX = no limit */
    int64_t bound_ns;                  /* what is proven */
    int64_t
        period_ns; /* slower schedules are left aside, which no bound below it minds; 0 = none */
    /* Loads of so many bytes and more are counted in link time, each by its pace, the last that it
     * reaches. */
    uint64_t cut_bytes[DMS_MAX_PACES];
    uint32_t n_paces;
    int64_t link_total; /* per ns of all loads of a cycle */
    int64_t spare;      /* per ns of loads of less than busy_bytes */
    uint64_t busy_bytes;
    int64_t storage; /* per ns of all readings of a cycle ... */
    int64_t large;   /* ... of those of large_bytes and more, and of short steps without any ... */
    int64_t lasts;   /* ... and of last steps of groups without any */
    uint64_t large_bytes;
    int64_t pair;  /* per byte of homes, where two such readings are on the host at some time */
    int64_t apart; /* per ns of such readings and their copies, where no two ever are */
    int64_t host;  /* per byte of homes on the host */
    /* Per byte on host and device in a step that asks for short_bytes and does not find all its own
     * weights of own_bytes and more there. */
    int64_t shorts;
    uint64_t short_bytes, own_bytes;
    dms_certificate_group *group;
    uint32_t n_groups;
    struct dms_certificate *other; /* of the schedules where no two are, this one of those where two
                                      are; bound_ns is what both prove. NULL = this is of all */
} dms_certificate;

/* The certificate of steps that wait for nothing but inputs: all prices are 0, but that of inputs
 * in a first group that ends with step `last_input`; -1 = none, the bound is the sum of the steps.
 * `bound_ns` is what these prices prove. */
DMS_CHECKED dms_code dms_certificate_plain(uint32_t n_steps, int32_t last_input, int64_t bound_ns,
                                           dms_arena *arena, dms_certificate **out_certificate,
                                           dms_status *st);

/* Writes the JSON form.
 * Errors   DMS_EIO when the stream reports one. */
DMS_CHECKED dms_code dms_certificate_write(const dms_certificate *certificate, FILE *out,
                                           dms_status *st);

#endif
