/* plan_and_run.c - makes a plan at half of the weights by a library call, proves it and runs it.
 *
 *     plan_and_run FOLDER MODEL PLAN NAME VALUE
 *
 * FOLDER holds the file MODEL, NAME is a symbolic dim of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "planner/dmsc.h"
#include "runtime/dms.h"

/* Runs one turn with inputs of zeros; prints how many bytes the outputs have. */
static dms_code run(const char *plan, const char *folder, dms_status *st) {
    const dms_options options = {.model_dir = folder, .turns = 1, .threads = 1};
    dms_user_tensor tensor[2][8];
    uint64_t bytes = 0;
    dms_session *session = NULL;
    DMS_TRY(dms_open(plan, &options, &session, st));
    const dms_info info = dms_session_info(session);
    for (uint32_t i = 0; i < info.n_inputs && i < 8; i++) {
        tensor[0][i].view = dms_session_input(session, i).view;
        tensor[0][i].data = calloc(1, dms_view_bytes(&tensor[0][i].view) + 1);
    }
    for (uint32_t i = 0; i < info.n_outputs && i < 8; i++) {
        tensor[1][i].view = dms_session_output(session, i).view;
        tensor[1][i].data = calloc(1, dms_view_bytes(&tensor[1][i].view) + 1);
        bytes += dms_view_bytes(&tensor[1][i].view);
    }
    dms_code code = dms_bind(session, tensor[0], info.n_inputs, tensor[1], info.n_outputs, st);
    if (code == DMS_OK)
        code = dms_run(session, st);
    if (code == DMS_OK)
        printf("ran: %llu bytes of output\n", (unsigned long long)bytes);
    dms_close(session);
    return code;
}

int main(int argc, char **argv) {
    dms_arena arena;
    dms_status st = {.msg = ""};
    char model[1000];
    if (argc != 6)
        return DMS_EUSAGE;
    snprintf(model, sizeof model, "%s/%s", argv[1], argv[2]);
    const dms_plan_dim dim = {argv[4], atoll(argv[5])};
    dms_compile_options options = {
        .model = model, .plan = argv[3], .profile = "cpu", .dim = &dim, .n_dims = 1};
    dms_arena_init(&arena, 0);
    dms_compiled *compiled = DMS_NEW(&arena, dms_compiled, 1);
    dms_code code = dms_size_parse("50%", &options.device_mem, &st);
    if (code == DMS_OK)
        code = dms_compile(&options, &arena, compiled, &st);
    if (code == DMS_OK)
        code = dms_verify_model(&compiled->plan, model, &arena, &st);
    if (code == DMS_OK)
        printf("planned: %s\n", argv[3]);
    dms_arena_free(&arena);
    if (code == DMS_OK)
        code = run(argv[3], argv[1], &st);
    if (code != DMS_OK)
        fprintf(stderr, "plan_and_run: %s\n", st.msg);
    return (int)code;
}
