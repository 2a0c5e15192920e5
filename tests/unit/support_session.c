/* support_session.c - runs plans in memory. */
#include "support_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/session.h"
#include "schema/file_digest.h"

#define PORTS 16

static void write_consts(const char *folder, dms_plan *plan, const void *data, uint64_t size) {
    char path[256];
    for (uint32_t f = 0; f < plan->n_files; f++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, plan->file[f].name);
        FILE *file = fopen(path, "w+b");
        assert_non_null(file);
        if (plan->file[f].kind == 2)
            assert_int_equal(fwrite(data, 1, size, file), size);
        assert_int_equal(fflush(file), 0);
        dms_status st;
        const dms_file_ranges none = {0};
        assert_int_equal(dms_file_digest(fileno(file), path, plan->file[f].bytes, &none,
                                         &plan->file[f].digest, &st),
                         DMS_OK);
        assert_int_equal(fclose(file), 0);
    }
}

static void remove_files(const char *folder, const dms_plan *plan) {
    char path[256];
    for (uint32_t f = 0; f < plan->n_files; f++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, plan->file[f].name);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void run_turns(dms_session *session, const dms_plan *plan, float *const *want, float **got,
                      const session_case *how) {
    dms_status st;
    for (uint64_t turn = 0; turn < how->turns; turn++) {
        for (uint32_t k = 0; k < plan->n_outputs; k++)
            memset(got[k], 0xee, dms_view_bytes(&plan->output[k].view));
        if (dms_run(session, &st) != DMS_OK)
            fail_msg("turn %llu: %s", (unsigned long long)turn, st.msg);
        for (uint32_t k = 0; k < plan->n_outputs; k++)
            if (memcmp(got[k], want[k], dms_view_bytes(&plan->output[k].view)) != 0)
                fail_msg("turn %llu: output %u has other bits", (unsigned long long)turn,
                         (unsigned)k);
    }
}

void session_must_give(const dms_plan *plan, const void *consts, uint64_t n_consts,
                       float *const *inputs, float *const *want, const session_case *how) {
    char folder[] = "session-XXXXXX";
    assert_non_null(mkdtemp(folder));
    dms_plan own = *plan;
    dms_plan_file file[4];
    assert_true(plan->n_files <= 4 && plan->n_inputs <= PORTS && plan->n_outputs <= PORTS);
    memcpy(file, plan->file, plan->n_files * sizeof *file);
    own.file = file;
    write_consts(folder, &own, consts, n_consts);
    const dms_options options = {.model_dir = folder,
                                 .threads = how->threads,
                                 .turns = how->turns,
                                 .poison = how->poison,
                                 .trace_turns = how->look == NULL ? 0 : (uint32_t)how->turns};
    dms_session *session;
    dms_status st;
    if (dms_session_open(&own, folder, &options, &session, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    dms_user_tensor in[PORTS], out[PORTS];
    float *got[PORTS];
    for (uint32_t k = 0; k < plan->n_inputs; k++)
        in[k] = (dms_user_tensor){plan->input[k].view, inputs[k]};
    for (uint32_t k = 0; k < plan->n_outputs; k++) {
        got[k] = malloc(dms_view_bytes(&plan->output[k].view) + 1);
        out[k] = (dms_user_tensor){plan->output[k].view, got[k]};
    }
    if (dms_bind(session, in, plan->n_inputs, out, plan->n_outputs, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    run_turns(session, plan, want, got, how);
    if (how->look != NULL)
        how->look(&session->trace, how->context);
    dms_close(session);
    for (uint32_t k = 0; k < plan->n_outputs; k++)
        free(got[k]);
    remove_files(folder, &own);
}
