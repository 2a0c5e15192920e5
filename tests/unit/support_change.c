/* support_change.c - changes of tables, calls and files; those of commands: support_change_cmd.c. */
#include "support_change_internal.h"

#include <string.h>

#include "schema/checked.h"

static const char *const NAME[N_CHANGES] = {
    [CHANGE_WAIT_DROPPED] = "wait dropped",
    [CHANGE_WAIT_LOOSENED] = "wait loosened",
    [CHANGE_MOVED] = "command moved",
    [CHANGE_QUEUE] = "command in another queue",
    [CHANGE_REMOVED] = "command removed",
    [CHANGE_FLAG] = "flag",
    [CHANGE_ORDER] = "submission order",
    [CHANGE_SHIFTED] = "buffer shifted",
    [CHANGE_SHRUNK] = "buffer shrunk",
    [CHANGE_HOME] = "home",
    [CHANGE_OPERAND] = "operand",
    [CHANGE_CELLS] = "cell range",
    [CHANGE_SIZE] = "size",
    [CHANGE_DTYPE] = "element type",
    [CHANGE_PARAMETER] = "parameter",
    [CHANGE_KERNEL] = "kernel",
    [CHANGE_FILE] = "file entry",
};

const char *change_name(change_kind kind) {
    return NAME[kind];
}

/* splitmix64, whose state 0 means "no choices left". */
static uint64_t next(uint64_t *state) {
    if (*state == 0)
        return 0;
    *state += 0x9e3779b97f4a7c15u;
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint32_t change_below(change_source *source, uint32_t n) {
    if (n < 2)
        return 0;
    if (source->size == 0)
        return (uint32_t)(next(&source->seed) >> 32) % n;
    const uint32_t wide = n > 256 && source->size > 1 ? 2 : 1;
    uint32_t word = source->data[0];
    if (wide == 2)
        word |= (uint32_t)source->data[1] << 8;
    source->data += wide;
    source->size -= wide;
    return word % n;
}

uint64_t change_number(change_source *source, uint64_t value) {
    switch (change_below(source, 10)) {
    case 0:
        return value + 1;
    case 1:
        return value - 1;
    case 2:
        return 0;
    case 3:
        return value * 2;
    case 4:
        return value / 2;
    case 5:
        return value ^ (uint64_t)1 << change_below(source, 64);
    case 6:
        return UINT32_MAX;
    case 7:
        return INT64_MAX - change_below(source, 4);
    case 8:
        return value + DMS_ALIGN * (1 + change_below(source, 4));
    default:
        return change_below(source, 8);
    }
}

/* Small steps, so that most still lie in the arena; now and then the place of another buffer. */
static bool shift(dms_plan *plan, change_source *s) {
    if (plan->n_buffers == 0)
        return false;
    dms_buffer *b = &plan->buffer[change_below(s, plan->n_buffers)];
    const uint64_t arena = b->arena == DMS_TIER_DEVICE ? plan->device_arena : plan->host_arena;
    const uint64_t units = arena / DMS_ALIGN + 1;
    if (change_below(s, 3) == 0)
        b->offset = plan->buffer[change_below(s, plan->n_buffers)].offset;
    else
        b->offset = DMS_ALIGN * (uint64_t)change_below(s, units > 65535 ? 65535 : (uint32_t)units);
    return true;
}

/* Arenas only shrink, or grow by pages: what a larger machine would hold is not to be taken here. */
static bool shrink(dms_plan *plan, change_source *s) {
    uint64_t *const field[4] = {&plan->device_arena, &plan->host_arena, &plan->device_budget,
                                &plan->host_budget};
    if (plan->n_buffers == 0)
        return false;
    const uint32_t pick = change_below(s, 12);
    if (pick < 4)
        *field[pick] = change_below(s, 2) ? *field[pick] - DMS_ALIGN : *field[pick] + 4096;
    else {
        dms_buffer *b = &plan->buffer[change_below(s, plan->n_buffers)];
        b->bytes =
            change_below(s, 4) ? b->bytes - 1 - change_below(s, 64) : change_number(s, b->bytes);
    }
    return true;
}

static void change_view(dms_view *view, change_source *s) {
    const uint32_t axis = change_below(s, view->rank);
    switch (change_below(s, 4)) {
    case 0:
        view->offset = (int64_t)change_number(s, (uint64_t)view->offset);
        break;
    case 1:
        view->pitch[axis] = (int64_t)change_number(s, (uint64_t)view->pitch[axis]);
        break;
    case 2: { /* two axes change places: the same elements, in another order */
        const uint32_t other = change_below(s, view->rank);
        const int64_t dim = view->dim[axis];
        view->dim[axis] = view->dim[other];
        view->dim[other] = dim;
        break;
    }
    default:
        view->dim[axis] = (int64_t)change_number(s, (uint64_t)view->dim[axis]);
    }
}

/* A view of the plan, of any table; NULL where that table is empty. */
static dms_view *some_view(dms_plan *plan, change_source *s) {
    switch (change_below(s, 6)) {
    case 0:
        return plan->n_tensors ? &plan->tensor[change_below(s, plan->n_tensors)].stored : NULL;
    case 1:
        return plan->n_sources ? &plan->source[change_below(s, plan->n_sources)].view : NULL;
    case 2:
        return plan->n_inputs ? &plan->input[change_below(s, plan->n_inputs)].view : NULL;
    case 3:
        return plan->n_outputs ? &plan->output[change_below(s, plan->n_outputs)].view : NULL;
    default:
        break;
    }
    if (plan->n_calls == 0)
        return NULL;
    const dms_plan_call *call = &plan->call[change_below(s, plan->n_calls)];
    return (dms_view *)&call->view[change_below(s, call->n_in + call->n_out)];
}

static bool resize(dms_plan *plan, change_source *s) {
    dms_view *view = some_view(plan, s);
    if (view == NULL || view->rank == 0)
        return false;
    if (change_below(s, 16) == 0)
        view->rank--;
    else
        change_view(view, s);
    return true;
}

static bool retype(dms_plan *plan, change_source *s) {
    static const uint8_t type[] = {1, 2, 3, 6, 7, 9, 10, 11, 12, 16};
    dms_view *view = some_view(plan, s);
    if (view != NULL)
        view->dtype = (dms_dtype)type[change_below(s, sizeof type)];
    return view != NULL;
}

static bool change_parameter(dms_plan *plan, change_source *s) {
    for (uint32_t tries = 0; tries < 8 && plan->n_calls > 0; tries++) {
        const dms_plan_call *call = &plan->call[change_below(s, plan->n_calls)];
        if (call->n_i + call->n_f == 0)
            continue;
        const uint32_t k = change_below(s, call->n_i + call->n_f);
        if (k < call->n_i) {
            int64_t *i = (int64_t *)&call->i[k];
            *i = change_below(s, 4) ? (int64_t)change_number(s, (uint64_t)*i)
                                    : -(int64_t)change_below(s, 9);
        } else {
            double *f = (double *)&call->f[k - call->n_i];
            *f = change_below(s, 2) ? *f + 0.5 : 1e300 * (double)change_below(s, 1000);
        }
        return true;
    }
    return false;
}

/* Half of the time one of the kernels whose data are indices (20 to 25 in the catalogue). */
static bool change_kernel(dms_plan *plan, change_source *s) {
    if (plan->n_calls == 0)
        return false;
    dms_plan_call *call = &plan->call[change_below(s, plan->n_calls)];
    if (change_below(s, 8) == 0 && call->n_in > 0) {
        call->n_in--; /* an input becomes an output */
        call->n_out++;
    } else {
        call->kernel = change_below(s, 2) ? 20 + change_below(s, 6) : change_below(s, 72);
    }
    return true;
}

static void change_source_entry(dms_plan *plan, dms_source *source, change_source *s) {
    switch (change_below(s, 5)) {
    case 0:
        source->offset = change_number(s, source->offset);
        break;
    case 1:
        source->file = change_below(s, plan->n_files + 1) - 1; /* DMS_NONE too */
        break;
    case 2:
        source->valid_last = (int64_t)change_number(s, (uint64_t)source->valid_last);
        break;
    case 3: {
        const dms_source was = *source;
        dms_source *other = &plan->source[change_below(s, plan->n_sources)];
        *source = *other;
        *other = was;
        break;
    }
    default:
        if (source->n_embedded > 0)
            ((uint8_t *)source->embedded)[change_below(s, (uint32_t)source->n_embedded)] ^= 1;
        else
            source->file = change_below(s, plan->n_files + 1);
    }
}

static void change_file_entry(dms_plan *plan, dms_plan_file *file, change_source *s) {
    switch (change_below(s, 7)) {
    case 0:
        file->bytes = change_number(s, file->bytes);
        break;
    case 1:
        file->name = plan->file[change_below(s, plan->n_files)].name;
        break;
    case 2:
        file->name = change_below(s, 2) ? "../file" : "/etc/hostname";
        break;
    case 3:
        file->digest.lo ^= (uint64_t)1 << change_below(s, 64);
        break;
    case 4:
        file->kind = change_below(s, 5);
        break;
    case 5:
        file->is_unread = !file->is_unread;
        break;
    default:
        if (file->n_large > 0)
            *(uint64_t *)&file->large_bytes[0] = change_number(s, file->large_bytes[0]);
        else
            file->digest.hi++;
    }
}

static bool change_file(dms_plan *plan, change_source *s) {
    if (plan->n_sources > 0 && (plan->n_files == 0 || change_below(s, 2)))
        change_source_entry(plan, &plan->source[change_below(s, plan->n_sources)], s);
    else if (plan->n_files > 0)
        change_file_entry(plan, &plan->file[change_below(s, plan->n_files)], s);
    return plan->n_files + plan->n_sources > 0;
}

bool change_plan(dms_plan *plan, dms_arena *arena, change_kind kind, change_source *source) {
    switch (kind) {
    case CHANGE_SHIFTED:
        return shift(plan, source);
    case CHANGE_SHRUNK:
        return shrink(plan, source);
    case CHANGE_SIZE:
        return resize(plan, source);
    case CHANGE_DTYPE:
        return retype(plan, source);
    case CHANGE_PARAMETER:
        return change_parameter(plan, source);
    case CHANGE_KERNEL:
        return change_kernel(plan, source);
    case CHANGE_FILE:
        return change_file(plan, source);
    default:
        return change_command(plan, arena, kind, source);
    }
}
