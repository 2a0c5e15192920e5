/* dmsrun_report.h - what dmsrun says: the lines for people, the JSON for machines.
 *
 * Reads    what a run measured.
 * Returns  text on a FILE of the caller.
 * Cost     O(steps + outputs).
 * Source   shared/mockups/terminal.txt; keys of the JSON: docs/json.md.
 * Not here measuring (dmsrun.c).
 */
#ifndef DMS_RUNTIME_DMSRUN_REPORT_H
#define DMS_RUNTIME_DMSRUN_REPORT_H

#include <stdio.h>

#include "runtime/dmsrun_tensors.h"

/* One measured turn. */
typedef struct dmsrun_turn {
    int64_t ns, compute_ns;
} dmsrun_turn;

/* Everything a report is made of. */
typedef struct dmsrun_result {
    const dmsrun_options *options;
    const dmsrun_tensors *tensors;
    dms_session *session;
    dms_info info;
    dms_stats before, after; /* around the measured turns */
    int64_t first_turn_ns;
    dmsrun_turn *turn; /* options->iterations of them */
    uint64_t peak_rss_bytes;
    bool is_utf8; /* of the terminal */
} dmsrun_result;

/* A share of the turns, sorted by `ns`: the median is 50. `which` picks the time. */
int64_t dmsrun_percentile(const dmsrun_result *result, uint32_t percent,
                          int64_t (*which)(const dmsrun_turn *));

/* The time of a turn, and its compute time, for dmsrun_percentile. */
int64_t dmsrun_turn_ns(const dmsrun_turn *turn);
int64_t dmsrun_turn_compute_ns(const dmsrun_turn *turn);

/* The line that says what runs. */
void dmsrun_print_head(const dmsrun_result *result, FILE *out);

/* What was asked for: comparison, times, --stats, --digest. */
void dmsrun_print(const dmsrun_result *result, FILE *out);

/* The JSON of --json.
 * Errors   DMS_EINTERNAL: no memory for the step times. */
DMS_CHECKED dms_code dmsrun_print_json(const dmsrun_result *result, dms_arena *arena, FILE *out,
                                       dms_status *st);

/* "12.3 ms" into `text`; returns it. Four digits from 100 of a unit on. */
const char *dmsrun_time(int64_t ns, bool is_utf8, char text[32]);

#endif
