/* fuzz_plan_run.c - bytes that say which fields of a good plan to change: what reader and checker
 * then let pass runs, with poison in its arenas, and gives the bits that its meaning asks for.
 *
 *     byte 0      which plan of tests/fuzz/corpus/plan
 *     byte 1      bit 0: the plan keeps its claim of a meaning; bits 1 and 2: changes, less one
 *     then        per change its kind and the choices it makes (support_change.h)
 *
 * What must hold is in support_changes.h; here everything runs in one process, and what fails
 * aborts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/check/check.h"
#include "support_change.h"
#include "support_replay.h"
#include "tests/fuzz/fuzz.h"

#define FOLDER DMS_SOURCE_DIR "/tests/fuzz/corpus/"
#define LARGEST_ARENAS (8u << 20) /* of a changed plan that is run */
#define MOST_WORK 100000000u      /* operations: a plan may be slow, an input may not */
#define HEADER_BYTES 2u

/* Every queue, every kind of command, calls of most kernels. */
static const char *const bases[] = {
    "outside_nvme", "outside_floor", "outside",   "gather_w", "scatter_w", "one_hot",
    "conv_w_floor", "attention",     "gru_w",     "lstm_w",   "norms4_w",  "matmul_w_floor",
    "unary",        "order",         "qlinear_w", "resize",   "stft",      "grid_sample_w",
    "pool",         "softmax",       "einsum_w",  "typed",    "join",      "shapes",
};

/* A plan, decoded, and what it came from. */
typedef struct case_run {
    dms_arena arena;
    dms_plan plan;
    dms_hash meaning;
} case_run;

/* Reads and proves a plan that dmsc has made; one that fails is none of the fuzzer's doing. */
static void open_base(case_run *c, const char *name) {
    char path[sizeof FOLDER + 64];
    dms_status st = {.msg = ""};
    (void)snprintf(path, sizeof path, "%splan/%s", FOLDER, name);
    if (dms_plan_read(path, &c->arena, &c->plan, &st) == DMS_OK)
        return;
    fprintf(stderr, "%s: %s: make the corpus again (tests/fuzz/make_corpus.py)\n", path, st.msg);
    abort();
}

/* Writes the changed plan with a right checksum, reads it as a stranger's, proves it. */
static bool passes(case_run *to, const dms_plan *changed) {
    uint8_t *data;
    uint64_t size;
    dms_status st = {.msg = ""};
    if (dms_plan_encode(changed, &to->arena, &data, &size, &st) != DMS_OK)
        return false;
    return fuzz_verdict(dms_plan_decode(data, size, &to->arena, &to->plan, &st), &st) == DMS_OK &&
           fuzz_verdict(dms_check_plan(&to->plan, &to->arena, &to->meaning, &st), &st) == DMS_OK &&
           to->plan.device_arena + to->plan.host_arena <= LARGEST_ARENAS &&
           replay_work(&to->plan) <= MOST_WORK;
}

static void want(bool holds, const char *what, const replay_end *end) {
    if (holds)
        return;
    fprintf(stderr, "a plan that passed %s: %s\n", what, end->msg);
    abort();
}

/* The good plan's meaning: its bits. Another one: the same twice. */
static void run(const case_run *changed, const char *base) {
    const replay_case plain = {FOLDER "model", NULL, 1, 2, false, true, 0x5a, 0};
    const replay_case poisoned = {FOLDER "model", NULL, 2, 2, true, true, 0xa5, 0};
    case_run good = {.plan = {0}};
    dms_status st = {.msg = ""};
    const replay_end got = replay(&changed->plan, &poisoned);
    open_base(&good, base);
    (void)!dms_check_plan(&good.plan, &good.arena, &good.meaning, &st);
    const bool is_equal = dms_hash_equal(good.meaning, changed->meaning);
    const replay_end wanted = replay(is_equal ? &good.plan : &changed->plan, &plain);
    const bool is_refused = got.code != DMS_OK && !got.has_begun;
    want(got.code != DMS_EINTERNAL, "ended with an internal error", &got);
    want(is_refused || got.code == wanted.code, "ended otherwise than it should", &got);
    want(is_refused || dms_hash_equal(got.bits, wanted.bits), "gave other bits", &got);
    dms_arena_free(&good.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size <= HEADER_BYTES)
        return 0;
    const char *base = bases[data[0] % (sizeof bases / sizeof *bases)];
    change_source source = {.data = data + HEADER_BYTES, .size = size - HEADER_BYTES};
    case_run from = {.plan = {0}}, to = {.plan = {0}};
    open_base(&from, base);
    for (uint32_t n = 1 + (data[1] >> 1) % 4; n > 0; n--) {
        const change_kind kind = (change_kind)change_below(&source, N_CHANGES);
        (void)change_plan(&from.plan, &from.arena, kind, &source);
    }
    if (data[1] % 2 == 0)
        from.plan.meaning = (dms_hash){0, 0};
    if (passes(&to, &from.plan))
        run(&to, base);
    dms_arena_free(&from.arena);
    dms_arena_free(&to.arena);
    return 0;
}
