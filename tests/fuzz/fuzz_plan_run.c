/* fuzz_plan_run.c - bytes that say which fields of a good plan to change: what reader and checker
 * then let pass runs, with poison in its arenas, and gives the bits that its meaning asks for.
 *
 *     byte 0      which plan of tests/fuzz/corpus/plan
 *     byte 1      bit 0: the plan keeps its claim of a meaning; bits 1 and 2: changes, less one
 *     then        per change its kind and the choices it makes (support_change.h)
 *
 * What must hold is in support_changes.h. Here commands run one at a time (fuzz_run.h): once queue
 * by queue on the plainest instruction set, and once in an order that the input decides, two turns
 * under way, on the best one. Good plans are read and run once per process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/check/check.h"
#include "support_change.h"
#include "support_replay.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_run.h"

#define FOLDER DMS_SOURCE_DIR "/tests/fuzz/corpus/"
#define LARGEST_PLAN 65536u
#define LARGEST_ARENAS (1u << 20) /* of a changed plan that is run */
#define MOST_WORK 10000000u       /* operations: a plan may be slow, an input may not */
#define HEADER_BYTES 2u

/* Every queue, every kind of command, calls of most kernels. */
static const char *const bases[] = {
    "outside_nvme", "outside_floor", "outside",   "gather_w", "scatter_w", "one_hot",
    "conv_w_floor", "attention",     "gru_w",     "lstm_w",   "norms4_w",  "matmul_w_floor",
    "unary",        "order",         "qlinear_w", "resize",   "stft",      "grid_sample_w",
    "pool",         "softmax",       "einsum_w",  "typed",    "join",      "shapes",
};

#define N_BASES (sizeof bases / sizeof *bases)

/* A plan, decoded, and what it came from. */
typedef struct case_run {
    dms_arena arena;
    dms_plan plan;
    dms_hash meaning;
} case_run;

/* A good plan: its bytes, what it means, what it gives. */
typedef struct good_plan {
    bool is_read;
    size_t size;
    uint8_t data[LARGEST_PLAN];
    dms_hash meaning, bits;
} good_plan;

static const fuzz_run_case plain = {FOLDER "model", 3, 1, 0, 0x5a, false, DMS_ISA_BASE};

/* One that fails is none of the fuzzer's doing. */
static void give_up(const char *name, const char *why) {
    fprintf(stderr, "%s: %s: make the corpus again (tests/fuzz/make_corpus.py)\n", name, why);
    abort();
}

/* Reads, proves and runs a plan that dmsc has made. */
static void learn(good_plan *good, const char *name) {
    char path[sizeof FOLDER + 64];
    dms_status st = {.msg = ""};
    case_run c = {.plan = {0}};
    (void)snprintf(path, sizeof path, "%splan/%s", FOLDER, name);
    FILE *file = fopen(path, "rb");
    good->size = file == NULL ? 0 : fread(good->data, 1, sizeof good->data, file);
    if (file != NULL)
        (void)fclose(file);
    if (dms_plan_decode(good->data, good->size, &c.arena, &c.plan, &st) != DMS_OK ||
        dms_check_plan(&c.plan, &c.arena, &good->meaning, &st) != DMS_OK)
        give_up(path, st.msg);
    const fuzz_run_end end = fuzz_run(&c.plan, &plain);
    if (end.code != DMS_OK)
        give_up(path, end.msg);
    good->bits = end.bits;
    good->is_read = true;
    dms_arena_free(&c.arena);
}

static const good_plan *good_of(uint8_t number) {
    static good_plan known[N_BASES];
    const uint32_t k = number % N_BASES;
    if (!known[k].is_read)
        learn(&known[k], bases[k]);
    return &known[k];
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
           to->plan.device_arena <= LARGEST_ARENAS && to->plan.host_arena <= LARGEST_ARENAS &&
           replay_work(&to->plan) <= MOST_WORK;
}

static void want(bool holds, const char *what, const fuzz_run_end *end) {
    if (holds)
        return;
    fprintf(stderr, "a plan that passed %s: %s\n", what, end->msg);
    abort();
}

/* The good plan's meaning: its bits. Another one: the same twice. */
static void run(const case_run *changed, const good_plan *good, uint64_t seed) {
    const fuzz_run_case poisoned = {FOLDER "model", 3, 2, seed, 0xff, true, dms_isa_detect()};
    const fuzz_run_end got = fuzz_run(&changed->plan, &poisoned);
    fuzz_run_end wanted = {.bits = good->bits};
    if (!dms_hash_equal(good->meaning, changed->meaning))
        wanted = fuzz_run(&changed->plan, &plain);
    const bool is_refused = got.code != DMS_OK && !got.has_begun;
    want(!got.is_stuck && !wanted.is_stuck, "waits for ever", &got);
    want(got.code != DMS_EINTERNAL, "ended with an internal error", &got);
    want(is_refused || got.code == wanted.code, "ended otherwise than it should", &got);
    want(is_refused || dms_hash_equal(got.bits, wanted.bits), "gave other bits", &got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size <= HEADER_BYTES)
        return 0;
    const good_plan *good = good_of(data[0]);
    change_source source = {.data = data + HEADER_BYTES, .size = size - HEADER_BYTES};
    case_run from = {.plan = {0}}, to = {.plan = {0}};
    dms_status st = {.msg = ""};
    if (dms_plan_decode(good->data, good->size, &from.arena, &from.plan, &st) != DMS_OK)
        give_up("a good plan", st.msg);
    for (uint32_t n = 1 + (data[1] >> 1) % 4; n > 0; n--) {
        const change_kind kind = (change_kind)change_below(&source, N_CHANGES);
        (void)change_plan(&from.plan, &from.arena, kind, &source);
    }
    if (data[1] % 2 == 0)
        from.plan.meaning = (dms_hash){0, 0};
    if (passes(&to, &from.plan))
        run(&to, good, dms_hash_bytes(data, size, 0).lo | 1);
    dms_arena_free(&from.arena);
    dms_arena_free(&to.arena);
    return 0;
}
