/* budget.c - what the user's sizes mean in bytes, and what to say when they are too small. */
#include <inttypes.h>
#include <string.h>

#include "planner/compile_internal.h"
#include "planner/dmsc.h"
#include "schema/checked.h"

#define PERCENT_UNIT 1000000u /* DMS_SIZE_PERCENT counts millionths of a percent */
#define TENSORS_NAMED 6u

typedef struct unit {
    const char *suffix;
    uint64_t bytes;
} unit;

static const unit UNITS[] = {
    {"", 1},
    {"B", 1},
    {"K", 1ull << 10},
    {"M", 1ull << 20},
    {"G", 1ull << 30},
    {"T", 1ull << 40},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
};

/* Reads "12", "12.5" as value and number of decimals; returns the rest, NULL when there is none. */
static const char *read_decimal(const char *text, uint64_t *out_value, uint64_t *out_scale) {
    uint64_t value = 0, scale = 1;
    bool after_point = false;
    const char *p = text;
    for (; (*p >= '0' && *p <= '9') || (*p == '.' && !after_point); p++) {
        if (*p == '.') {
            after_point = true;
            continue;
        }
        if (!dms_mul(value, 10, &value) || !dms_add(value, (uint64_t)(*p - '0'), &value) ||
            (after_point && scale > 100000))
            return NULL;
        if (after_point)
            scale *= 10;
    }
    *out_value = value;
    *out_scale = scale;
    return p == text || (after_point && (p[-1] == '.' || *text == '.')) ? NULL : p;
}

dms_code dms_size_parse(const char *text, dms_size *out, dms_status *st) {
    uint64_t value, scale;
    const char *rest = read_decimal(text, &value, &scale);
    if (strcmp(text, "floor") == 0 || strcmp(text, "auto") == 0) {
        *out = (dms_size){text[0] == 'f' ? DMS_SIZE_FLOOR : DMS_SIZE_AUTO, 0};
        return DMS_OK;
    }
    if (rest != NULL && strcmp(rest, "%") == 0 && value / scale <= 1000000) {
        *out = (dms_size){DMS_SIZE_PERCENT, value * (PERCENT_UNIT / scale)};
        return DMS_OK;
    }
    for (size_t i = 0; rest != NULL && i < sizeof UNITS / sizeof UNITS[0]; i++) {
        uint64_t bytes;
        if (strcmp(rest, UNITS[i].suffix) != 0 || !dms_mul(value, UNITS[i].bytes, &bytes) ||
            bytes % scale != 0)
            continue;
        *out = (dms_size){DMS_SIZE_BYTES, bytes / scale};
        return DMS_OK;
    }
    return dms_fail(st, DMS_EUSAGE,
                    "'%s' is no size: give bytes, K M G, KiB MiB GiB, KB MB GB, or a percentage "
                    "such as 12.5%%",
                    text);
}

uint64_t dms_size_bytes(dms_size size, uint64_t weights_bytes, uint64_t otherwise,
                        uint64_t auto_bytes) {
    __extension__ typedef unsigned __int128 wide;
    switch (size.kind) {
    case DMS_SIZE_BYTES:
        return size.value;
    case DMS_SIZE_PERCENT: {
        const wide bytes = (wide)weights_bytes * size.value / (100 * (wide)PERCENT_UNIT);
        return bytes > UINT64_MAX ? UINT64_MAX : (uint64_t)bytes;
    }
    case DMS_SIZE_AUTO:
        return auto_bytes;
    case DMS_SIZE_DEFAULT:
    case DMS_SIZE_FLOOR:
        break;
    }
    return otherwise;
}

const char *dms_bytes_text(uint64_t bytes, char out[32]) {
    static const char *const NAME[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit_id = 0;
    while (value >= 0.9995 * 1024 && unit_id + 1 < sizeof NAME / sizeof NAME[0]) {
        value /= 1024;
        unit_id++;
    }
    const int decimals = unit_id == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    (void)snprintf(out, 32, "%.*f %s", decimals, value, NAME[unit_id]);
    return out;
}

/* The workspace and the largest tensors of the step that sets the floor, as lines of a message. Of
 * tensors that share their bytes, one written over the other, the first is named. */
static void list_tensors(const dms_compiled *c, char *out, size_t size) {
    static const char *const KIND[] = {"weight", "activation", "input", "output"};
    const uint32_t step = c->floor.step;
    const dms_step *s = &c->steps.step[step];
    const dms_call *call = &c->steps.call[s->call];
    uint32_t listed[TENSORS_NAMED], n_listed = 0;
    char text[32];
    size_t at = 0;
    out[0] = 0;
    if (s->workspace_bytes > 0)
        at = (size_t)snprintf(out, size, "\n    %12s  workspace of the kernel",
                              dms_bytes_text(s->workspace_bytes, text));
    while (n_listed < TENSORS_NAMED) {
        uint64_t largest = 0;
        uint32_t best = DMS_NONE;
        for (uint32_t k = 0; k < call->n_in + call->n_out; k++) {
            const dms_step_operand *o = &s->operand[k];
            const uint32_t root = dms_steps_root(&c->steps, o->tensor);
            bool is_listed = false;
            for (uint32_t l = 0; l < n_listed; l++)
                is_listed = is_listed || listed[l] == root;
            const dms_plan_tensor *t = &c->steps.tensor[o->tensor].plan;
            const uint64_t bytes = dms_plan_buffer_bytes(t, t->is_split ? o->first : 0);
            if (!is_listed && bytes > largest) {
                largest = bytes;
                best = k;
            }
        }
        if (best == DMS_NONE)
            return;
        listed[n_listed++] = dms_steps_root(&c->steps, s->operand[best].tensor);
        const dms_plan_tensor *t = &c->steps.tensor[s->operand[best].tensor].plan;
        const int n = snprintf(out + at, size - at, "\n    %12s  %s %.80s",
                               dms_bytes_text(largest, text), KIND[t->kind], t->name);
        if (n < 0 || (size_t)n >= size - at)
            return;
        at += (size_t)n;
    }
}

dms_code dms_budget_refuse(const dms_compiled *c, dms_status *st) {
    const bool is_host = c->floor.host_is_short;
    const uint64_t budget = is_host ? c->host_budget : c->device_budget;
    const uint64_t host = c->floor.host_bytes + c->stage_bytes;
    const uint64_t floor = is_host ? host : c->floor.device_bytes;
    char have[32], need[32], tensors[1200], label[300];
    (void)dms_bytes_text(budget, have);
    (void)dms_bytes_text(floor, need);
    if (is_host)
        return dms_fail(st, DMS_EBUDGET,
                        "host budget of %" PRIu64 " bytes (%s) is below the floor of %" PRIu64
                        " bytes (%s)\n  the weights that this device budget cannot keep have their "
                        "home there%s\n  give --host-mem %" PRIu64
                        " or more, or a larger --device-mem",
                        budget, have, floor, need,
                        c->stage_bytes == 0 ? "" : "; inputs and outputs pass through it", floor);
    if (c->floor.host_bytes > 0)
        return dms_fail(st, DMS_EBUDGET,
                        "device budget of %" PRIu64 " bytes (%s) is below the floor of %" PRIu64
                        " bytes (%s) at this host budget\n  weights that the host can neither hold "
                        "nor read again must stay on the device\n  give --device-mem %" PRIu64
                        " or more, or --host-mem %" PRIu64 " or more",
                        budget, have, floor, need, floor, host);
    const dms_node *node = &c->graph.node[c->steps.step[c->floor.step].node];
    (void)snprintf(label, sizeof label, "%.80s %.200s", node->op, node->name);
    list_tensors(c, tensors, sizeof tensors);
    return dms_fail(st, DMS_EBUDGET,
                    "device budget of %" PRIu64 " bytes (%s) is below the floor of %" PRIu64
                    " bytes (%s)\n  set by step %" PRIu32 ": %s, which needs at once%s\n"
                    "  give --device-mem %" PRIu64 " or more, or --device-mem floor",
                    budget, have, floor, need, c->floor.step, label, tensors, floor);
}
