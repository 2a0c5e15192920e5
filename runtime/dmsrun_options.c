/* dmsrun_options.c - one table of options, one loop over argv. */
#include "runtime/dmsrun_options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "schema/trace.h"

#define MAX_THREADS 1024u
#define MAX_ITERATIONS 1000000u /* their times are kept */

/* What an option's value is. */
typedef enum value_kind {
    FLAG,
    TEXT,
    COUNT,
    NUMBER,
    WORD,
    REAL,
    THREADS,
    RANDOM,
    INPUT
} value_kind;

typedef struct option {
    const char *name;
    value_kind kind;
    size_t place; /* in dmsrun_options */
} option;

static const option options[] = {
    {"--model-dir", TEXT, offsetof(dmsrun_options, run.model_dir)},
    {"--input", INPUT, 0},
    {"--output", TEXT, offsetof(dmsrun_options, output)},
    {"--device", TEXT, offsetof(dmsrun_options, run.device)},
    {"--threads", THREADS, offsetof(dmsrun_options, run.threads)},
    {"--iterations", COUNT, offsetof(dmsrun_options, iterations)},
    {"--warmup", NUMBER, offsetof(dmsrun_options, warmup)},
    {"--compare", TEXT, offsetof(dmsrun_options, compare)},
    {"--rtol", REAL, offsetof(dmsrun_options, tolerance.rtol)},
    {"--atol", REAL, offsetof(dmsrun_options, tolerance.atol)},
    {"--stats", FLAG, offsetof(dmsrun_options, stats)},
    {"--digest", FLAG, offsetof(dmsrun_options, digest)},
    {"--trace", TEXT, offsetof(dmsrun_options, trace)},
    {"--json", TEXT, offsetof(dmsrun_options, json)},
    {"--poison", FLAG, offsetof(dmsrun_options, run.poison)},
    {"--verify-weights", FLAG, offsetof(dmsrun_options, run.verify_weights)},
    {"--max-work", WORD, offsetof(dmsrun_options, run.max_work)},
    {"--random-weights", RANDOM, offsetof(dmsrun_options, run.random_seed)},
    {"--seed", WORD, offsetof(dmsrun_options, seed)},
    {"--calibrate", FLAG, offsetof(dmsrun_options, calibrate)},
    {"-o", TEXT, offsetof(dmsrun_options, profile)},
    {"--scratch", TEXT, offsetof(dmsrun_options, scratch)},
    {"--help", FLAG, offsetof(dmsrun_options, help)},
    {"--version", FLAG, offsetof(dmsrun_options, version)},
};
#define N_OPTIONS (sizeof options / sizeof *options)

static const char help_text[] =
    "usage: dmsrun PLAN [option]...            run a plan that dmsc made\n"
    "       dmsrun --calibrate [-o PROFILE]    measure this machine for dmsc --profile PROFILE\n"
    "\n"
    "  --model-dir DIR       folder of the model's files (default: the folder of PLAN)\n"
    "  --input NAME=FILE     an input from .npy, .npz or .pb; without inputs dmsrun makes them\n"
    "  --seed N              seed of inputs that are made (default 0)\n"
    "  --output DIR          write output_<i>.npy there\n"
    "  --compare DIR         take input_<i> from DIR, compare with output_<i> (.npy or .pb)\n"
    "  --rtol R --atol A     an element passes when |got - ref| <= A + R |ref|\n"
    "                        (default 1e-3 and 1e-4 x the largest reference)\n"
    "  --device cpu|cuda[:N] where to run (default cpu)\n"
    "  --threads N           compute threads (default: one per core)\n"
    "  --iterations N        turns that are measured (default 1)\n"
    "  --warmup N            turns before them (default 0)\n"
    "  --stats               print times, queues and memory\n"
    "  --digest              print the digest of all outputs\n"
    "  --trace FILE          write when everything ran in the first three turns, for Perfetto\n"
    "  --json FILE           write the results for machines\n"
    "  --poison              fill all memory with NaN patterns first; changes no bit\n"
    "  --verify-weights      compare every byte of the model's files, not samples\n"
    "  --max-work N          refuse a plan of more operations (--json says how many it takes)\n"
    "  --random-weights SEED make up the weights of files that were missing when planned\n"
    "  --calibrate           measure links, storage, arithmetic and what slows what down, in 20 "
    "s;\n"
    "                        with --device cuda those of a card\n"
    "  -o PROFILE            with --calibrate: write a profile; its name ends in .json or has a /\n"
    "  --scratch DIR         with --calibrate: the storage that is measured, with a file of 256 "
    "MiB\n"
    "                        that is removed (default $TMPDIR, /tmp)\n"
    "  --version, --help\n"
    "\n"
    "Exit codes: 0 fine, 1 internal error, 2 usage, 4 file error, 5 host memory or work, 6 plan\n"
    "invalid or model changed, 7 wrong input, 8 device, 9 --compare found a difference, 130\n"
    "interrupted.\n";

const char *dmsrun_help(void) {
    return help_text;
}

/* NULL when there is none of exactly this name. */
static const option *find_option(const char *text, size_t length) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strlen(options[i].name) == length && memcmp(options[i].name, text, length) == 0)
            return &options[i];
    return NULL;
}

/* A whole decimal number between `least` and `most`. */
static dms_code read_number(const char *name, const char *text, uint64_t least, uint64_t most,
                            uint64_t *out, dms_status *st) {
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value < least || value > most)
        return dms_fail(st, DMS_EUSAGE, "%s %s: wanted is a number from %" PRIu64 " to %" PRIu64,
                        name, text, least, most);
    *out = value;
    return DMS_OK;
}

/* A finite number of at least 0. */
static dms_code read_real(const char *name, const char *text, double *out, dms_status *st) {
    char *end = NULL;
    const double value = strtod(text, &end);
    if (end == text || *end != 0 || !isfinite(value) || value < 0)
        return dms_fail(st, DMS_EUSAGE, "%s %s: wanted is a number of at least 0", name, text);
    *out = value;
    return DMS_OK;
}

/* NAME=FILE, cut at the first =: files may hold another one. */
static dms_code read_input(dms_arena *arena, const char *text, dmsrun_options *out,
                           dms_status *st) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == 0)
        return dms_fail(st, DMS_EUSAGE, "--input %s: wanted is NAME=FILE", text);
    const char *name = dms_strndup(arena, text, (uint64_t)(equals - text));
    if (name == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: options");
    for (uint32_t i = 0; i < out->n_inputs; i++)
        if (strcmp(out->input[i].name, name) == 0)
            return dms_fail(st, DMS_EUSAGE, "--input %s is given twice", name);
    out->input[out->n_inputs++] = (dmsrun_input){name, equals + 1};
    return DMS_OK;
}

/* Stores the value of an option that has one. */
static dms_code store_value(const option *o, const char *text, dms_arena *arena,
                            dmsrun_options *out, dms_status *st) {
    void *place = (char *)out + o->place;
    uint64_t number = 0;
    switch (o->kind) {
    case FLAG:
        break;
    case TEXT:
        *(const char **)place = text;
        break;
    case COUNT:
        return read_number(o->name, text, 1, MAX_ITERATIONS, place, st);
    case NUMBER:
        return read_number(o->name, text, 0, MAX_ITERATIONS, place, st);
    case WORD:
        return read_number(o->name, text, 0, UINT64_MAX, place, st);
    case REAL:
        return read_real(o->name, text, place, st);
    case THREADS:
        DMS_TRY(read_number(o->name, text, 1, MAX_THREADS, &number, st));
        *(uint32_t *)place = (uint32_t)number;
        break;
    case RANDOM:
        out->run.random_weights = true;
        return read_number(o->name, text, 0, UINT64_MAX, place, st);
    case INPUT:
        return read_input(arena, text, out, st);
    }
    return DMS_OK;
}

/* Takes the option at argv[*i], with its value, which may follow behind an =. */
static dms_code take_option(int argc, char **argv, int *i, dms_arena *arena, dmsrun_options *out,
                            dms_status *st) {
    const char *text = argv[*i], *equals = strchr(text, '=');
    const size_t length = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const option *o = find_option(text, length);
    if (o == NULL)
        return dms_fail(st, DMS_EUSAGE, "unknown option %.*s (dmsrun --help)", (int)length, text);
    if (o->kind == FLAG) {
        if (equals != NULL)
            return dms_fail(st, DMS_EUSAGE, "%s takes no value", o->name);
        *(bool *)((char *)out + o->place) = true;
        return DMS_OK;
    }
    if (equals != NULL)
        return store_value(o, equals + 1, arena, out, st);
    if (*i + 1 >= argc)
        return dms_fail(st, DMS_EUSAGE, "%s wants a value (dmsrun --help)", o->name);
    return store_value(o, argv[++*i], arena, out, st);
}

/* dmsc takes a word without them for the name of a built-in profile. */
static bool is_file_name(const char *text) {
    const size_t length = strlen(text);
    return strchr(text, '/') != NULL || (length > 5 && strcmp(text + length - 5, ".json") == 0);
}

static dms_code check_calibrate(const dmsrun_options *o, dms_status *st) {
    if (!o->calibrate && (o->profile != NULL || o->scratch != NULL))
        return dms_fail(st, DMS_EUSAGE, "-o and --scratch belong to --calibrate");
    if (o->calibrate && o->plan != NULL)
        return dms_fail(st, DMS_EUSAGE, "--calibrate runs no plan: %s", o->plan);
    if (o->profile != NULL && !is_file_name(o->profile))
        return dms_fail(st, DMS_EUSAGE, "-o %s: wanted is a name that ends in .json or has a /",
                        o->profile);
    return DMS_OK;
}

/* Options that only make sense with others. */
static dms_code check_together(const dmsrun_options *o, dms_status *st) {
    if (o->help || o->version)
        return DMS_OK;
    DMS_TRY(check_calibrate(o, st));
    if (o->calibrate)
        return DMS_OK;
    if (o->plan == NULL)
        return dms_fail(st, DMS_EUSAGE,
                        "no plan is given: dmsrun PLAN [option]... (dmsrun --help)");
    if (o->compare == NULL && (o->tolerance.rtol >= 0 || o->tolerance.atol >= 0))
        return dms_fail(st, DMS_EUSAGE, "--rtol and --atol belong to --compare");
    return DMS_OK;
}

dms_code dmsrun_parse(int argc, char **argv, dms_arena *arena, dmsrun_options *out,
                      dms_status *st) {
    dmsrun_options o = {.iterations = 1, .tolerance = {-1, -1}};
    DMS_TRY(dms_alloc_st(arena, (uint64_t)argc, sizeof *o.input, "options", &o.input, st));
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != 0)
            DMS_TRY(take_option(argc, argv, &i, arena, &o, st));
        else if (o.plan == NULL)
            o.plan = argv[i];
        else
            return dms_fail(st, DMS_EUSAGE, "one plan at a time: %s and %s", o.plan, argv[i]);
    }
    DMS_TRY(check_together(&o, st));
    o.run.turns = o.iterations + o.warmup;
    /* a card times single steps in turns that are recorded */
    const bool has_steps =
        o.json != NULL && o.run.device != NULL && strcmp(o.run.device, "cpu") != 0;
    o.run.trace_turns = o.trace != NULL || has_steps ? DMS_TRACE_TURNS : 0;
    *out = o;
    return DMS_OK;
}
