/* plan_print.c - a plan as text, one line per entry and command, for people and for diff. */
#include "schema/plan.h"

#include <ctype.h>
#include <inttypes.h>

/* Names come from strangers: control characters never reach a terminal. */
static void put_name(const char *name, FILE *out) {
    fputc('\'', out);
    for (const unsigned char *p = (const unsigned char *)name; p != NULL && *p != 0; p++) {
        if (*p < 0x20 || *p == 0x7f || *p == '\\' || *p == '\'')
            fprintf(out, "\\x%02x", *p);
        else
            fputc(*p, out);
    }
    fputc('\'', out);
}

/* "f32 [2, 3]", then offset and pitches where the view is not simply dense. */
static void put_view(const dms_view *view, FILE *out) {
    char text[DMS_MAX_RANK * 24 + 32];
    fputs(dms_view_text(view, text, sizeof text), out);
    if (view->offset != 0)
        fprintf(out, " at %" PRId64, view->offset);
    if (dms_view_is_dense(view))
        return;
    fputs(" pitch [", out);
    for (uint32_t k = 0; k < view->rank; k++)
        fprintf(out, "%s%" PRId64, k == 0 ? "" : ", ", view->pitch[k]);
    fputc(']', out);
}

/* What a person asks first: of what, by whom, how large, how fast. */
static void print_head(const dms_plan *plan, FILE *out) {
    char digest[33];
    fputs("plan of ", out);
    put_name(plan->model, out);
    fputs(" by ", out);
    put_name(plan->producer, out);
    fputs(" with ", out);
    put_name(plan->solver, out);
    fputs("\nprofile ", out);
    put_name(plan->profile, out);
    fprintf(out, ", device kind %" PRIu32 "\n", plan->device_kind);
    fprintf(out,
            "device arena %" PRIu64 " of %" PRIu64 " bytes, host arena %" PRIu64 " of %" PRIu64
            " bytes\n",
            plan->device_arena, plan->device_budget, plan->host_arena, plan->host_budget);
    fprintf(out, "weights %" PRIu64 " bytes, floor %" PRIu64 " bytes\n", plan->weights_bytes,
            plan->floor_bytes);
    fprintf(out,
            "predicted period %" PRId64 " ns, latency %" PRId64 " ns, compute %" PRId64
            " ns, bound %" PRId64 " ns\n",
            plan->period_ns, plan->latency_ns, plan->compute_ns, plan->bound_ns);
    fprintf(out, "meaning %s\n", dms_hash_text(plan->meaning, digest));
    for (uint32_t k = 0; k < plan->n_dims; k++) {
        fputs("dim ", out);
        put_name(plan->dim[k].name, out);
        fprintf(out, " = %" PRId64 "\n", plan->dim[k].value);
    }
}

static void print_files(const dms_plan *plan, FILE *out) {
    static const char *const kinds[] = {"model", "external", "constants", "packed"};
    char digest[33];
    fprintf(out, "\nfiles %" PRIu32 "\n", plan->n_files);
    for (uint32_t k = 0; k < plan->n_files; k++) {
        const dms_plan_file *file = &plan->file[k];
        fprintf(out, "  %4" PRIu32 " %s ", k, kinds[file->kind % 4]);
        put_name(file->name, out);
        fprintf(out, " %" PRIu64 " bytes, digest %s%s, %" PRIu32 " large ranges\n", file->bytes,
                dms_hash_text(file->digest, digest), file->is_unread ? " (unread)" : "",
                file->n_large);
    }
}

static void print_sources(const dms_plan *plan, FILE *out) {
    fprintf(out, "\nsources %" PRIu32 "\n", plan->n_sources);
    for (uint32_t k = 0; k < plan->n_sources; k++) {
        const dms_source *source = &plan->source[k];
        fprintf(out, "  %4" PRIu32 " ", k);
        if (source->file == DMS_NONE)
            fprintf(out, "embedded %" PRIu64 " bytes", source->n_embedded);
        else
            fprintf(out, "file %" PRIu32, source->file);
        fprintf(out, " + %" PRIu64 " ", source->offset);
        put_view(&source->view, out);
        if (source->valid_last != 0)
            fprintf(out, " valid to %" PRId64, source->valid_last);
        if (source->is_packed)
            fprintf(out, ", packed in file %" PRIu32 " + %" PRIu64, source->packed_file,
                    source->packed_offset);
        fputc('\n', out);
    }
}

static void print_tensors(const dms_plan *plan, FILE *out) {
    static const char *const kinds[] = {"weight", "activation", "input", "output"};
    fprintf(out, "\ntensors %" PRIu32 "\n", plan->n_tensors);
    for (uint32_t k = 0; k < plan->n_tensors; k++) {
        const dms_plan_tensor *tensor = &plan->tensor[k];
        fprintf(out, "  %4" PRIu32 " %s ", k, kinds[tensor->kind & 3]);
        put_name(tensor->name, out);
        fputc(' ', out);
        put_view(&tensor->stored, out);
        if (tensor->cell_len > 0)
            fprintf(out, ", %" PRIu32 " cells of %" PRId64 " along axis %" PRIu32,
                    dms_plan_cells(tensor), tensor->cell_len, tensor->cell_axis);
        if (tensor->is_split)
            fputs(", split", out);
        if (tensor->first_source != DMS_NONE)
            fprintf(out, ", source %" PRIu32, tensor->first_source);
        fputc('\n', out);
    }
}

/* Kernel names come from the caller, for this folder knows no kernels. Real parameters have 17
 * digits, so that different values never look alike. */
static void print_calls(const dms_plan *plan, const char *(*kernel_name)(uint32_t), FILE *out) {
    fprintf(out, "\ncalls %" PRIu32 "\n", plan->n_calls);
    for (uint32_t k = 0; k < plan->n_calls; k++) {
        const dms_plan_call *call = &plan->call[k];
        const char *name = kernel_name == NULL ? NULL : kernel_name(call->kernel);
        fprintf(out, "  %4" PRIu32 " %s (%" PRIu32 ")", k, name == NULL ? "?" : name, call->kernel);
        for (uint32_t o = 0; o < call->n_in + call->n_out; o++) {
            fputs(o == call->n_in ? " -> " : o == 0 ? " " : ", ", out);
            put_view(&call->view[o], out);
        }
        for (uint32_t p = 0; p < call->n_i; p++)
            fprintf(out, "%s%" PRId64, p == 0 ? " i " : ",", call->i[p]);
        for (uint32_t p = 0; p < call->n_f; p++)
            fprintf(out, "%s%.17g", p == 0 ? " f " : ",", call->f[p]);
        fputc('\n', out);
    }
}

static void print_buffers(const dms_plan *plan, FILE *out) {
    fprintf(out, "\nbuffers %" PRIu32 "\n", plan->n_buffers);
    for (uint32_t k = 0; k < plan->n_buffers; k++) {
        const dms_buffer *buffer = &plan->buffer[k];
        fprintf(out, "  %4" PRIu32 " %s + %" PRIu64 ", %" PRIu64 " bytes: ", k,
                buffer->arena == DMS_TIER_DEVICE ? "device" : "host", buffer->offset,
                buffer->bytes);
        if (buffer->tensor == DMS_NONE) {
            fputs("workspace\n", out);
            continue;
        }
        put_name(plan->tensor[buffer->tensor].name, out);
        if (plan->tensor[buffer->tensor].is_split)
            fprintf(out, " cell %" PRIu32, buffer->cell);
        fputc('\n', out);
    }
}

static void print_ports(const char *title, const dms_port *port, uint32_t n, FILE *out) {
    fprintf(out, "\n%s %" PRIu32 "\n", title, n);
    for (uint32_t k = 0; k < n; k++) {
        fprintf(out, "  %4" PRIu32 " ", k);
        put_name(port[k].name, out);
        fputc(' ', out);
        put_view(&port[k].view, out);
        if (port[k].tensor != DMS_NONE)
            fprintf(out, ", tensor %" PRIu32, port[k].tensor);
        fputc('\n', out);
    }
}

/* Cells are shown only where the tensor has more than one. */
static void print_call(const dms_plan *plan, const dms_cmd *cmd, FILE *out) {
    const dms_plan_call *call = &plan->call[cmd->call];
    fprintf(out, "call %" PRIu32, cmd->call);
    if (cmd->step != DMS_NONE) {
        fprintf(out, " step %" PRIu32 " ", cmd->step);
        put_name(plan->step_name[plan->step_name_id[cmd->step]], out);
    }
    for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
        const dms_operand *operand = &cmd->operand[k];
        fprintf(out, "%sbuffer %" PRIu32,
                k == call->n_in ? " -> "
                : k == 0        ? " "
                                : ", ",
                operand->buffer);
        if (dms_plan_cells(&plan->tensor[plan->buffer[operand->buffer].tensor]) > 1)
            fprintf(out, " cells %" PRIu32 "+%" PRIu32, operand->first, operand->n);
    }
    if (cmd->workspace != DMS_NONE)
        fprintf(out, " workspace %" PRIu32, cmd->workspace);
}

/* "copy buffer 4 -> buffer 9, waits compute 17 of the turn before, signal": `from` and `to` count
 * sources, ports or buffers, as the kind says. */
static void print_command(const dms_plan *plan, const dms_cmd *cmd, FILE *out) {
    static const char *const forms[DMS_N_CMD_KINDS] = {
        [DMS_CMD_COPY] = "copy buffer %" PRIu32 " -> buffer %" PRIu32,
        [DMS_CMD_FROM_USER] = "input %" PRIu32 " -> buffer %" PRIu32,
        [DMS_CMD_TO_USER] = "buffer %" PRIu32 " -> output %" PRIu32,
        [DMS_CMD_LOAD] = "load source %" PRIu32 " -> buffer %" PRIu32};
    if (cmd->kind == DMS_CMD_CALL)
        print_call(plan, cmd, out);
    else
        fprintf(out, forms[cmd->kind], cmd->from, cmd->to);
    for (uint32_t q = 0; q < DMS_N_QUEUES; q++)
        if (cmd->wait_cmd[q] != DMS_NONE)
            fprintf(out, ", waits %s %" PRIu32 "%s", dms_queue_name((dms_queue)q), cmd->wait_cmd[q],
                    cmd->wait_back[q] != 0 ? " of the turn before" : "");
    fputs(cmd->is_signal ? ", signal" : "", out);
    fputs(cmd->is_ahead ? ", ahead\n" : "\n", out);
}

/* Commands in submission order. */
static void print_program(const dms_plan *plan, const char *title, const dms_program *program,
                          FILE *out) {
    uint32_t next[DMS_N_QUEUES] = {0};
    fprintf(out, "\n%s %" PRIu32 " commands\n", title, program->n_order);
    for (uint32_t k = 0; k < program->n_order; k++) {
        const dms_queue queue = (dms_queue)program->order[k];
        fprintf(out, "  %-7s %4" PRIu32 " ", dms_queue_name(queue), next[queue]);
        print_command(plan, &program->cmd[queue][next[queue]++], out);
    }
}

void dms_plan_print(const dms_plan *plan, const char *(*kernel_name)(uint32_t), FILE *out) {
    print_head(plan, out);
    print_files(plan, out);
    print_sources(plan, out);
    print_tensors(plan, out);
    print_calls(plan, kernel_name, out);
    print_buffers(plan, out);
    print_ports("inputs", plan->input, plan->n_inputs, out);
    print_ports("outputs", plan->output, plan->n_outputs, out);
    print_program(plan, "prologue", &plan->prologue, out);
    print_program(plan, "body", &plan->body, out);
}
