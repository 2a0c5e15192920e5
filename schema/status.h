/* status.h - how does a function say what went wrong?
 *
 * Reads    nothing.
 * Returns  dms_code values (also the exit codes of both programs) and a sentence naming the thing.
 * Cost     no allocation, so out-of-memory can be reported.
 * Source   none.
 * Not here who prints the sentence (the two main files do, once).
 */
#ifndef DMS_SCHEMA_STATUS_H
#define DMS_SCHEMA_STATUS_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One code per exit status of `dmsc` and `dmsrun`; the values are stable. */
typedef enum dms_code {
    DMS_OK = 0,
    DMS_EINTERNAL = 1,    /* a bug of ours, or out of memory */
    DMS_EUSAGE = 2,       /* options, missing dims */
    DMS_EUNSUPPORTED = 3, /* model not understood or not supported */
    DMS_EIO = 4,          /* file or storage error */
    DMS_EBUDGET = 5,      /* device or host budget below the floor */
    DMS_EPLAN = 6,        /* plan invalid, of another version, or of a model that changed */
    DMS_EINPUT = 7,       /* wrong input tensor */
    DMS_EDEVICE = 8,      /* device not there or not fit */
    DMS_EDIFFERS = 9,     /* --compare found a difference */
    DMS_ECANCELLED = 130, /* interrupted */
} dms_code;

/* Filled by the function that fails first; `msg` is one sentence (later lines hold details). */
typedef struct dms_status {
    dms_code code;
    char msg[2040];
} dms_status;

#define DMS_CHECKED __attribute__((warn_unused_result))
#define DMS_FORMAT(f, a) __attribute__((format(printf, f, a)))

/* Returns early with the code of a failed call. */
#define DMS_TRY(call)                                                                              \
    do {                                                                                           \
        const dms_code code_ = (call);                                                             \
        if (code_ != DMS_OK)                                                                       \
            return code_;                                                                          \
    } while (0)

/* Fills `st` and returns `code`; control characters that came from names are escaped.
 * Errors   none; a message that is too long is cut. `st` may be NULL. */
dms_code dms_fail(dms_status *st, dms_code code, const char *fmt, ...) DMS_FORMAT(3, 4);

/* Puts "<text>: " in front of the message and returns the code that `st` holds. */
dms_code dms_context(dms_status *st, const char *fmt, ...) DMS_FORMAT(2, 3);

#ifdef __cplusplus
}
#endif

#endif
