/* support_turns.h - a user who starts turns and waits for them, and reuses his memory at once.
 *
 * Reads    an open session, the values of its ports turn by turn.
 * Returns  whether every turn that was waited for gave the bits that were wanted.
 * Cost     memory for two turns.
 * Source   none.
 * Not here who runs when.
 */
#ifndef DMS_TESTS_SUPPORT_TURNS_H
#define DMS_TESTS_SUPPORT_TURNS_H

#include "runtime/dms.h"
#include "support_interleave.h"

/* The user; `session` is set by the caller between begin and follow. */
typedef struct turns_user {
    const interleave_case *c; /* plan and values */
    dms_session *session;
    uint8_t *memory[2][2]; /* [turn & 1][0: inputs, 1: outputs] */
    uint64_t bytes[2];
    uint32_t n_started, n_waited;
    dms_status st;
} turns_user;

/* Takes memory. */
void turns_begin(turns_user *u, const interleave_case *c);

/* Gives it back; the session must be closed. */
void turns_end(turns_user *u);

/* Does what the letters say: S starts a turn with inputs of its own, W waits for the oldest one and
 * looks at its outputs. Stops at the first error, which it returns. */
dms_code turns_follow(turns_user *u, const char *script, bool *out_right);

#endif
