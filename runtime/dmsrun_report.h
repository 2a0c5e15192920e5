/* dmsrun_report.h - what dmsrun says: the lines for people, the JSON for machines.
 *
 * Reads    what a run measured.
 * Returns  text on a FILE of the caller.
 * Cost     O(steps + outputs).
 * Source   none; the keys of the JSON are explained in docs/json.md.
 * Not here measuring (dmsrun.c).
 */
#ifndef DMS_RUNTIME_DMSRUN_REPORT_H
#define DMS_RUNTIME_DMSRUN_REPORT_H

#include <stdio.h>

#include "runtime/dms.h"
#include "schema/arena.h"

typedef struct dmsrun_options dmsrun_options; /* dmsrun_options.h */
typedef struct dmsrun_tensors dmsrun_tensors; /* dmsrun_tensors.h */

/* What is measured of a turn: its time, that of its steps, and the share of it in which compute
 * waited, in millionths. */
typedef enum dmsrun_measure {
    DMSRUN_TIME,
    DMSRUN_COMPUTE,
    DMSRUN_STALL,
    DMSRUN_N_MEASURES
} dmsrun_measure;

/* Everything a report is made of. */
typedef struct dmsrun_result {
    const dmsrun_options *options;
    const dmsrun_tensors *tensors;
    dms_session *session;
    dms_info info;
    const char *device;      /* dms_session_device; NULL: the CPU */
    dms_stats before, after; /* around the measured turns */
    int64_t first_turn_ns;
    int64_t *turns[DMSRUN_N_MEASURES]; /* options->iterations each; dmsrun_sort orders them */
    uint64_t peak_rss_bytes;
    dms_card_memory card; /* after the last turn; total_bytes 0: no card */
    bool is_utf8;         /* of the terminal */
} dmsrun_result;

/* Orders the measured turns, as the functions below want them. */
void dmsrun_sort(dmsrun_result *result);

/* The time that `percent` of the turns do not pass: the median is 50. */
int64_t dmsrun_percentile(const dmsrun_result *result, dmsrun_measure measure, uint32_t percent);

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
