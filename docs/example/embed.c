/* embed.c - run a plan from a program of your own.
 *
 *     cc embed.c $(pkg-config --cflags --libs dms) -o embed          (docs/example/README.md)
 *     ./embed model.plan 3
 *
 * Every input is filled with ones; the first number of every output is printed after each turn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/dms.h"

/* Memory for a port; dms_bind wants the element type and dims that the plan has. */
static dms_user_tensor make_tensor(const dms_port_info *port) {
    dms_user_tensor tensor = {.view = port->view};
    tensor.data = calloc(1, (size_t)dms_view_bytes(&port->view) + 1);
    return tensor;
}

/* Ones where the element type is float; other types keep their zeros. */
static void fill_with_ones(const dms_user_tensor *tensor) {
    if (tensor->view.dtype != DMS_DTYPE_F32)
        return;
    for (int64_t i = 0; i < dms_view_count(&tensor->view); i++)
        ((float *)tensor->data)[i] = 1;
}

static void print_first(const char *name, const dms_user_tensor *tensor) {
    char text[160];
    printf("  %s %s", name, dms_view_text(&tensor->view, text, sizeof text));
    if (tensor->view.dtype == DMS_DTYPE_F32 && dms_view_count(&tensor->view) > 0)
        printf(" begins with %g", (double)((float *)tensor->data)[0]);
    printf("\n");
}

/* All turns of an open session. */
static dms_code run_turns(dms_session *session, const dms_info *info, dms_user_tensor *inputs,
                          dms_user_tensor *outputs, int turns, dms_status *st) {
    dms_code code = dms_bind(session, inputs, info->n_inputs, outputs, info->n_outputs, st);
    for (int turn = 0; turn < turns && code == DMS_OK; turn++) {
        code = dms_run(session, st); /* or dms_start ... dms_wait, to do something meanwhile */
        if (code != DMS_OK)
            break;
        printf("turn %d\n", turn);
        for (uint32_t i = 0; i < info->n_outputs; i++)
            print_first(dms_session_output(session, i).name, &outputs[i]);
    }
    return code;
}

int main(int argc, char **argv) {
    const int turns = argc > 2 ? atoi(argv[2]) : 1;
    dms_options options = {.turns = (uint64_t)turns};
    dms_session *session = NULL;
    dms_status st = {.msg = ""};
    if (argc < 2 || turns < 1) {
        fprintf(stderr, "usage: embed PLAN [TURNS]\n");
        return DMS_EUSAGE;
    }
    dms_code code = dms_open(argv[1], &options, &session, &st);
    if (code != DMS_OK) {
        fprintf(stderr, "embed: %s\n", st.msg);
        return (int)code;
    }
    const dms_info info = dms_session_info(session);
    dms_user_tensor *inputs = calloc(info.n_inputs + 1, sizeof *inputs);
    dms_user_tensor *outputs = calloc(info.n_outputs + 1, sizeof *outputs);
    for (uint32_t i = 0; i < info.n_inputs; i++) {
        const dms_port_info port = dms_session_input(session, i);
        inputs[i] = make_tensor(&port);
        fill_with_ones(&inputs[i]);
    }
    for (uint32_t i = 0; i < info.n_outputs; i++) {
        const dms_port_info port = dms_session_output(session, i);
        outputs[i] = make_tensor(&port);
    }
    code = run_turns(session, &info, inputs, outputs, turns, &st);
    if (code != DMS_OK)
        fprintf(stderr, "embed: %s\n", st.msg);
    dms_close(session); /* before the memory that its turns use goes */
    for (uint32_t i = 0; i < info.n_inputs; i++)
        free(inputs[i].data);
    for (uint32_t i = 0; i < info.n_outputs; i++)
        free(outputs[i].data);
    free(inputs);
    free(outputs);
    return (int)code;
}
