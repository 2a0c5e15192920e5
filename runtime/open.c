/* open.c - dms_open: a plan file becomes a session. The card it is to run on is looked for first;
 * then the plan is proven before anything else is done with it. */
#include <string.h>

#include "runtime/check/check.h"
#include "runtime/session.h"

/* Reads the plan into the session and proves it. */
static dms_code read_plan(dms_session *s, const char *path, dms_status *st) {
    DMS_TRY(dms_plan_read(path, &s->arena, &s->own_plan, st));
    dms_arena scratch = {0};
    dms_hash meaning;
    const dms_code code = dms_check_plan(&s->own_plan, &scratch, &meaning, st);
    dms_arena_free(&scratch);
    return code == DMS_OK ? code : dms_context(st, "plan '%s'", path);
}

dms_code dms_open(const char *plan_path, const dms_options *options, dms_session **out_session,
                  dms_status *st) {
    dms_session *s;
    DMS_TRY(dms_session_make(&s, st));
    const int64_t begin = dms_now_ns();
    const char *slash = strrchr(plan_path, '/');
    const char *folder =
        slash == NULL ? "." : dms_strndup(&s->arena, plan_path, (uint64_t)(slash - plan_path) + 1);
    dms_code code = dms_session_find_device(s, options, st);
    if (code == DMS_OK)
        code = read_plan(s, plan_path, st);
    s->open_ns = dms_now_ns() - begin;
    if (code == DMS_OK && folder == NULL)
        code = dms_fail(st, DMS_EINTERNAL, "out of memory: name of a folder");
    if (code == DMS_OK)
        code = dms_session_fill(s, folder, options, st);
    if (code != DMS_OK)
        dms_close(s);
    else
        *out_session = s;
    return code;
}
