/* dmsc.c - the command line of the compiler: parses options, calls the library, prints. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "planner/dims_from.h"
#include "planner/dmsc.h"
#include "planner/profile_read.h"
#include "planner/views.h"
#include "runtime/check/check.h"
#include "runtime/kernels/chain.h"
#include "schema/file_write.h"
#include "schema/machine.h"

#define MOST_DIMS 256u

/* Where results and messages go. */
typedef struct console {
    FILE *out, *err;
} console;

/* What the command line asks for. */
typedef struct request {
    console to;
    dms_compile_options compile;
    dms_plan_dim dim[MOST_DIMS];
    const char *json, *dot, *report, *problem, *certificate, *trace, *curve, *explain, *dims_from;
    const char *dump, *verify;
    uint32_t n_points; /* of the curve; 0 = what is usual */
    bool list_ops, list_profiles, quiet, verbose;
} request;

static const char USAGE[] =
    "usage: dmsc MODEL [-o PLAN] [options]     compile an ONNX model under a memory budget\n"
    "       dmsc --dump PLAN                   print a plan as text\n"
    "       dmsc --verify PLAN [MODEL]         prove a plan safe (and that it computes MODEL)\n"
    "       dmsc --list-ops | --list-profiles\n"
    "\n"
    "  -o PLAN              write the plan (and PLAN.consts for constants dmsc made)\n"
    "  --device-mem SIZE    device budget: bytes, KiB MiB GiB, KB MB GB, PCT% of the weights, "
    "floor\n"
    "  --host-mem SIZE      host budget, said likewise; auto asks this machine\n"
    "  --profile NAME|FILE  hardware profile (default cpu)\n"
    "  --measured FILE      step times of a run, from dmsrun --json, instead of the profile's\n"
    "  --dim NAME=N         value of a symbolic dim; INPUT[AXIS] for a nameless one\n"
    "  --dims-from DIR      dims of input_0, input_1, ... (.npy or .pb) in a folder\n"
    "  --exact              solve the full ILP, whatever its size\n"
    "  --pack DIR           write the weights once more, as they are read, into DIR/MODEL.dmspack\n"
    "  --dot FILE           picture of the placements for graphviz\n"
    "  --report FILE.html   the plan on one page for a browser: lanes, memory, addresses, stalls\n"
    "  --trace FILE         when everything is to run in the first three turns, for Perfetto\n"
    "  --curve FILE.csv     period and bound at other device budgets\n"
    "  --curve-points N     how many budgets, 2 to 1000 (default 12)\n"
    "  --explain TENSOR     instead of the summary: where a tensor lives, when it moves, why\n"
    "  --json FILE          all figures\n"
    "  --dump-problem FILE  the placement problem, and what was decided, as JSON\n"
    "  --certificate FILE   prices that prove the bound, for check_certificate.py\n"
    "  -q, -v               no summary; what fills the device over time as well\n"
    "  --version, --help\n"
    "\n"
    "Exit codes: 0 fine, 1 internal error, 2 usage, 3 model not supported, 4 file error, 5 budget\n"
    "below the floor, 6 plan invalid or model changed, 7 damaged array in --dims-from, 130\n"
    "interrupted.\n";

enum option_id {
    OPT_DEVICE_MEM = 256,
    OPT_HOST_MEM,
    OPT_PROFILE,
    OPT_MEASURED,
    OPT_DIM,
    OPT_DIMS_FROM,
    OPT_EXACT,
    OPT_PACK,
    OPT_DOT,
    OPT_REPORT,
    OPT_TRACE,
    OPT_CURVE,
    OPT_CURVE_POINTS,
    OPT_EXPLAIN,
    OPT_JSON,
    OPT_PROBLEM,
    OPT_CERTIFICATE,
    OPT_DUMP,
    OPT_VERIFY,
    OPT_LIST_OPS,
    OPT_LIST_PROFILES,
    OPT_VERSION,
    OPT_HELP
};

static const struct option OPTIONS[] = {
    {"device-mem", required_argument, NULL, OPT_DEVICE_MEM},
    {"host-mem", required_argument, NULL, OPT_HOST_MEM},
    {"profile", required_argument, NULL, OPT_PROFILE},
    {"measured", required_argument, NULL, OPT_MEASURED},
    {"dim", required_argument, NULL, OPT_DIM},
    {"dims-from", required_argument, NULL, OPT_DIMS_FROM},
    {"exact", no_argument, NULL, OPT_EXACT},
    {"pack", required_argument, NULL, OPT_PACK},
    {"dot", required_argument, NULL, OPT_DOT},
    {"report", required_argument, NULL, OPT_REPORT},
    {"trace", required_argument, NULL, OPT_TRACE},
    {"curve", required_argument, NULL, OPT_CURVE},
    {"curve-points", required_argument, NULL, OPT_CURVE_POINTS},
    {"explain", required_argument, NULL, OPT_EXPLAIN},
    {"json", required_argument, NULL, OPT_JSON},
    {"dump-problem", required_argument, NULL, OPT_PROBLEM},
    {"certificate", required_argument, NULL, OPT_CERTIFICATE},
    {"dump", required_argument, NULL, OPT_DUMP},
    {"verify", required_argument, NULL, OPT_VERIFY},
    {"list-ops", no_argument, NULL, OPT_LIST_OPS},
    {"list-profiles", no_argument, NULL, OPT_LIST_PROFILES},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* "NAME=N" into the next dim; NAME may hold '=' but not in its last part. */
static dms_code parse_dim(request *r, char *text, dms_status *st) {
    char *equals = strrchr(text, '=');
    char *end = NULL;
    if (equals == NULL || equals == text || equals[1] < '0' || equals[1] > '9')
        return dms_fail(st, DMS_EUSAGE, "--dim %s: give NAME=N", text);
    errno = 0;
    const long long value = strtoll(equals + 1, &end, 10);
    if (errno != 0 || *end != 0)
        return dms_fail(st, DMS_EUSAGE, "--dim %s: N is no number", text);
    if (r->compile.n_dims == MOST_DIMS)
        return dms_fail(st, DMS_EUSAGE, "more than %u --dim options", MOST_DIMS);
    *equals = 0;
    for (uint32_t i = 0; i < r->compile.n_dims; i++)
        if (strcmp(r->dim[i].name, text) == 0)
            return dms_fail(st, DMS_EUSAGE, "--dim %s is given twice", text);
    r->dim[r->compile.n_dims++] = (dms_plan_dim){text, value};
    return DMS_OK;
}

static dms_code parse_size(const char *option, const char *text, bool is_host, dms_size *out,
                           dms_status *st) {
    if (dms_size_parse(text, out, st) != DMS_OK)
        return dms_context(st, "%s", option);
    if (out->kind == (is_host ? DMS_SIZE_FLOOR : DMS_SIZE_AUTO))
        return dms_fail(st, DMS_EUSAGE, "%s %s: not for this budget", option, text);
    return DMS_OK;
}

static dms_code parse_points(const char *text, uint32_t *out, dms_status *st) {
    char *end = NULL;
    errno = 0;
    const long n = strtol(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != 0 || n < 2 ||
        n > (long)DMS_MOST_POINTS)
        return dms_fail(st, DMS_EUSAGE, "--curve-points %s: give a number from 2 to %u", text,
                        DMS_MOST_POINTS);
    *out = (uint32_t)n;
    return DMS_OK;
}

/* The file or name that a view goes by; NULL where the option is another one. */
static const char **view_of(request *r, int id) {
    switch (id) {
    case OPT_DOT:
        return &r->dot;
    case OPT_REPORT:
        return &r->report;
    case OPT_TRACE:
        return &r->trace;
    case OPT_CURVE:
        return &r->curve;
    case OPT_EXPLAIN:
        return &r->explain;
    case OPT_JSON:
        return &r->json;
    case OPT_PROBLEM:
        return &r->problem;
    case OPT_CERTIFICATE:
        return &r->certificate;
    default:
        return NULL;
    }
}

/* One option; `done` is set by those that print and end. */
static dms_code apply(request *r, int id, char *value, bool *done, dms_status *st) {
    const char **view = view_of(r, id);
    if (view != NULL) {
        *view = value;
        return DMS_OK;
    }
    switch (id) {
    case 'o':
        r->compile.plan = value;
        return DMS_OK;
    case 'q':
        r->quiet = true;
        return DMS_OK;
    case 'v':
        r->verbose = true;
        return DMS_OK;
    case OPT_DEVICE_MEM:
        return parse_size("--device-mem", value, false, &r->compile.device_mem, st);
    case OPT_HOST_MEM:
        return parse_size("--host-mem", value, true, &r->compile.host_mem, st);
    case OPT_PROFILE:
        r->compile.profile = value;
        return DMS_OK;
    case OPT_MEASURED:
        r->compile.measured = value;
        return DMS_OK;
    case OPT_DIM:
        return parse_dim(r, value, st);
    case OPT_DIMS_FROM:
        r->dims_from = value;
        return DMS_OK;
    case OPT_EXACT:
        r->compile.exact = true;
        return DMS_OK;
    case OPT_PACK:
        r->compile.pack = value;
        return DMS_OK;
    case OPT_CURVE_POINTS:
        return parse_points(value, &r->n_points, st);
    case OPT_DUMP:
        r->dump = value;
        return DMS_OK;
    case OPT_VERIFY:
        r->verify = value;
        return DMS_OK;
    case OPT_LIST_OPS:
        r->list_ops = true;
        return DMS_OK;
    case OPT_LIST_PROFILES:
        r->list_profiles = true;
        return DMS_OK;
    case OPT_VERSION:
        (void)fprintf(r->to.out, "dmsc " DMS_VERSION "\n");
        *done = true;
        return DMS_OK;
    case OPT_HELP:
        (void)fprintf(r->to.out, "%s", USAGE);
        *done = true;
        return DMS_OK;
    default:
        return dms_fail(st, DMS_EUSAGE, "dmsc --help prints the options");
    }
}

static dms_code parse(int argc, char **argv, request *r, bool *done, dms_status *st) {
    r->compile.profile = "cpu";
    r->compile.dim = r->dim;
    opterr = 0;
    for (;;) {
        const int id = getopt_long(argc, argv, ":o:qv", OPTIONS, NULL);
        if (id == -1)
            break;
        if (id == '?' && optopt >= OPT_DEVICE_MEM)
            return dms_fail(st, DMS_EUSAGE, "option '%s' takes no value", argv[optind - 1]);
        if (id == '?' && optopt != 0)
            return dms_fail(st, DMS_EUSAGE, "no option '-%c'; dmsc --help prints them", optopt);
        if (id == '?')
            return dms_fail(st, DMS_EUSAGE, "no option '%s'; dmsc --help prints them",
                            argv[optind - 1]);
        if (id == ':')
            return dms_fail(st, DMS_EUSAGE, "option '%s' wants a value", argv[optind - 1]);
        DMS_TRY(apply(r, id, optarg, done, st));
        if (*done)
            return DMS_OK;
    }
    const int rest = argc - optind;
    const bool needs_model =
        r->dump == NULL && r->verify == NULL && !r->list_ops && !r->list_profiles;
    if (needs_model && rest == 0)
        return dms_fail(st, DMS_EUSAGE, "no model; dmsc --help prints how to give one");
    if (rest > 1 || (rest == 1 && !needs_model && r->verify == NULL))
        return dms_fail(st, DMS_EUSAGE, "'%s' is one argument too many", argv[argc - 1]);
    if (r->n_points != 0 && r->curve == NULL)
        return dms_fail(st, DMS_EUSAGE, "--curve-points is for --curve FILE, which is not given");
    r->compile.model = rest == 1 ? argv[optind] : NULL;
    return DMS_OK;
}

/* ---- signals ------------------------------------------------------------------------------- */

static void change_signals(int how) {
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(how, &ends, NULL);
}

/* While a file is being written an interrupt waits: no half of one may be left. */
static void hold_signals(void) {
    change_signals(SIG_BLOCK);
}

static void release_signals(void) {
    change_signals(SIG_UNBLOCK);
}

/* Outside of that there is nothing to put in order. */
static void end_at_once(int number) {
    static const char TEXT[] = "dmsc: error: interrupted\n";
    (void)number;
    (void)!write(STDERR_FILENO, TEXT, sizeof TEXT - 1);
    _Exit(DMS_ECANCELLED);
}

/* A signal that whoever started us wants ignored stays so. */
static void take_signals(void) {
    static const int ENDS[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        struct sigaction before;
        const struct sigaction now = {.sa_handler = end_at_once};
        if (sigaction(ENDS[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(ENDS[i], &now, NULL);
    }
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the write */
}

/* ---- progress ------------------------------------------------------------------------------ */

typedef struct progress {
    FILE *err;
    int64_t began_ns, drawn_ns;
    bool is_on, was_shown;
} progress;

#define REDRAW_NS 100000000

static int64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void show_stage(void *data, const char *stage) {
    static const char *const STAGE[] = {"read", "tile",  "place", "emit",
                                        "pack", "check", "draw",  "write"};
    progress *p = data;
    size_t number = 0;
    const size_t n = sizeof STAGE / sizeof STAGE[0];
    while (number < n && strcmp(STAGE[number], stage) != 0)
        number++;
    if (strcmp(stage, "pack") == 0 || strcmp(stage, "write") == 0)
        hold_signals();
    else
        release_signals();
    if (!p->is_on)
        return;
    p->was_shown = true;
    (void)fprintf(p->err, "\r\033[Kdmsc: %zu/%zu %s  %.1f s", number + 1, n, stage,
                  (double)(now_ns() - p->began_ns) / 1e9);
    (void)fflush(p->err);
}

/* Progress of packing, which takes long and whose file must not be left: a signal that waits is
 * looked for between two parts. */
static bool show_packing(void *data, uint64_t done, uint64_t all) {
    progress *p = data;
    sigset_t pending;
    const int64_t now = now_ns();
    if (p->is_on && all != 0 && now - p->drawn_ns > REDRAW_NS) {
        p->drawn_ns = now;
        (void)fprintf(p->err, "\r\033[Kdmsc: packing %.0f %%  %.1f s",
                      100 * (double)done / (double)all, (double)(now - p->began_ns) / 1e9);
        (void)fflush(p->err);
    }
    return sigpending(&pending) != 0 ||
           (!sigismember(&pending, SIGINT) && !sigismember(&pending, SIGTERM));
}

static void end_progress(const progress *p) {
    if (p->was_shown)
        (void)fprintf(p->err, "\r\033[K");
}

/* ---- the five things it can do ------------------------------------------------------------- */

/* What a view is made from. */
typedef struct view_input {
    const dms_compiled *c;
    const dms_view_facts *facts;
    dms_arena *scratch;
    uint32_t n_points;  /* of the curve */
    const char *tensor; /* to be explained */
} view_input;

typedef dms_code (*view_writer)(const view_input *in, FILE *out, dms_status *st);

/* One view: it grows in a draft without a name, which an interrupt leaves nowhere. */
typedef struct view {
    const char *path; /* NULL: nobody asked for it */
    view_writer write;
    FILE *to; /* instead of a file of its own */
    FILE *draft;
} view;

/* Copies a draft from its begin. */
static dms_code copy_draft(const char *path, FILE *draft, FILE *out, dms_status *st) {
    char part[4096];
    size_t n;
    rewind(draft);
    while ((n = fread(part, 1, sizeof part, draft)) != 0)
        (void)fwrite(part, 1, n, out); /* a failure shows in the commit */
    if (ferror(draft))
        return dms_fail(st, DMS_EIO, "temporary file for '%s': %s", path, strerror(errno));
    return DMS_OK;
}

/* Gives a draft that is complete to a file. */
static dms_code write_draft(const char *path, FILE *draft, dms_status *st) {
    dms_file_write file;
    DMS_TRY(dms_file_begin(&file, path, st));
    const dms_code code = copy_draft(path, draft, file.out, st);
    if (code != DMS_OK) {
        dms_file_abort(&file);
        return code;
    }
    return dms_file_commit(&file, st);
}

static dms_code view_json(const view_input *in, FILE *out, dms_status *st) {
    (void)st;
    dms_view_json(in->c, in->facts, out);
    return DMS_OK;
}

static dms_code view_dot(const view_input *in, FILE *out, dms_status *st) {
    return dms_view_dot(in->c, out, st);
}

static dms_code view_report(const view_input *in, FILE *out, dms_status *st) {
    return dms_view_report(in->c, in->scratch, out, st);
}

static dms_code view_trace(const view_input *in, FILE *out, dms_status *st) {
    return dms_view_trace(in->c, in->scratch, out, st);
}

static dms_code view_curve(const view_input *in, FILE *out, dms_status *st) {
    return dms_view_curve(in->c, in->n_points, in->scratch, out, st);
}

static dms_code view_problem(const view_input *in, FILE *out, dms_status *st) {
    return dms_decision_dump(&in->c->blocks.problem, &in->c->decision, out, st);
}

static dms_code view_certificate(const view_input *in, FILE *out, dms_status *st) {
    return dms_certificate_write(in->c->decision.certificate, out, st);
}

static dms_code view_explain(const view_input *in, FILE *out, dms_status *st) {
    return dms_view_explain(in->c, in->tensor, in->facts->utf8, out, st);
}

static dms_code draft_view(view *v, const view_input *in, dms_status *st) {
    v->draft = tmpfile();
    if (v->draft == NULL)
        return dms_fail(st, DMS_EIO, "temporary file for '%s': %s", v->path, strerror(errno));
    const dms_code code = v->write(in, v->draft, st);
    if (code == DMS_EIO)
        return dms_context(st, "temporary file for '%s'", v->path);
    if (code == DMS_OK && (fflush(v->draft) != 0 || ferror(v->draft)))
        return dms_fail(st, DMS_EIO, "temporary file for '%s': %s", v->path, strerror(errno));
    return code;
}

/* The plan and all views at once, signals waiting: an interrupt leaves all of them or none. */
static dms_code write_all(const request *r, const view *v, size_t n, const dms_compiled *c,
                          dms_status *st) {
    hold_signals();
    dms_code code = dms_compile_write(&r->compile, c, st);
    for (size_t i = 0; i < n && code == DMS_OK; i++)
        if (v[i].draft != NULL && v[i].to == NULL)
            code = write_draft(v[i].path, v[i].draft, st);
    release_signals();
    for (size_t i = 0; i < n && code == DMS_OK; i++)
        if (v[i].draft != NULL && v[i].to != NULL)
            code = copy_draft(v[i].path, v[i].draft, v[i].to, st);
    return code;
}

/* Some views take long, or fail: nothing is written before all of them are there. */
static dms_code write_outputs(const request *r, const view_input *in, progress *p, dms_status *st) {
    view v[] = {
        {r->json, view_json, NULL, NULL},       {r->dot, view_dot, NULL, NULL},
        {r->report, view_report, NULL, NULL},   {r->trace, view_trace, NULL, NULL},
        {r->curve, view_curve, NULL, NULL},     {r->certificate, view_certificate, NULL, NULL},
        {r->problem, view_problem, NULL, NULL}, {r->explain, view_explain, r->to.out, NULL}};
    const size_t n = sizeof v / sizeof v[0];
    dms_code code = DMS_OK;
    show_stage(p, "draw");
    for (size_t i = 0; i < n && code == DMS_OK; i++)
        if (v[i].path != NULL)
            code = draft_view(&v[i], in, st);
    if (code == DMS_OK)
        code = write_all(r, v, n, in->c, st);
    end_progress(p);
    for (size_t i = 0; i < n; i++)
        if (v[i].draft != NULL)
            (void)fclose(v[i].draft);
    return code;
}

/* What `--host-mem auto` takes, and why. */
static void ask_machine(request *r, char *note, size_t size) {
    const dms_machine machine = dms_machine_read("");
    r->compile.auto_host_bytes = dms_machine_free_bytes();
    if (machine.left_bytes < machine.available_bytes)
        (void)snprintf(note, size,
                       "auto: the container's limit of %" PRIu64 " bytes leaves %" PRIu64 " bytes",
                       machine.limit_bytes, machine.left_bytes);
    else
        (void)snprintf(note, size, "auto: this machine has %" PRIu64 " bytes available",
                       machine.available_bytes);
}

static dms_code compile(request *r, dms_arena *arena, dms_status *st) {
    progress p = {
        .err = r->to.err, .began_ns = now_ns(), .is_on = !r->quiet && isatty(STDERR_FILENO)};
    dms_compiled *c;
    DMS_TRY(dms_alloc_st(arena, 1, sizeof *c, "compile", &c, st));
    if (r->dims_from != NULL) {
        dms_input_dims *input;
        DMS_TRY(dms_dims_from(r->dims_from, arena, &input, &r->compile.n_inputs, st));
        r->compile.input = input;
    }
    char host_note[160] = "";
    if (r->compile.host_mem.kind == DMS_SIZE_AUTO)
        ask_machine(r, host_note, sizeof host_note);
    r->compile.progress = show_stage;
    r->compile.packing = show_packing;
    r->compile.progress_data = &p;
    dms_code code = dms_compile_plan(&r->compile, arena, c, st);
    end_progress(&p);
    release_signals();
    for (uint32_t i = 0; i < c->graph.n_warnings; i++)
        (void)fprintf(r->to.err, "dmsc: warning: %s\n", c->graph.warning[i]);
    if (code == DMS_EBUDGET && host_note[0] != 0)
        return dms_context(st, "--host-mem %s", host_note);
    if (code != DMS_OK)
        return code;
    const dms_view_facts facts = {.host_note = host_note,
                                  .compile_ms = (now_ns() - p.began_ns) / 1000000,
                                  .peak_rss_bytes = dms_machine_peak_rss(),
                                  .plan_path = r->compile.plan,
                                  .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    const view_input in = {c, &facts, arena, r->n_points, r->explain};
    code = write_outputs(r, &in, &p, st);
    if (code != DMS_OK || r->explain != NULL)
        return code;
    if (!r->quiet)
        dms_view_summary(c, &facts, r->to.out);
    return r->verbose ? dms_view_memory(c, arena, facts.utf8, r->to.out, st) : DMS_OK;
}

static const char *kernel_name(uint32_t id) {
    const dms_kernel_row *row = dms_kernel_row_find(id);
    return row == NULL ? "unknown" : row->name;
}

/* The chains among the calls in words: the numbers that hold them say nothing to people. A dumped
 * plan may be wrong, so only calls that hold are read. */
static void print_chains(const dms_plan *plan, FILE *out) {
    (void)fprintf(out, "\nchains\n");
    for (uint32_t k = 0; k < plan->n_calls; k++) {
        const dms_plan_call *c = &plan->call[k];
        const dms_call call = {c->kernel, c->n_in, c->n_out, c->n_i, c->n_f, c->view, c->i, c->f};
        dms_status ignored = {0};
        char text[2000];
        if (dms_call_check(&call, &ignored) != DMS_OK || !dms_chain_is_in(&call))
            continue;
        dms_chain_print(&call, text, sizeof text);
        (void)fprintf(out, "  %4" PRIu32 " %s\n", k, text);
    }
}

static dms_code dump(const char *path, FILE *out, dms_arena *arena, dms_status *st) {
    dms_plan plan;
    DMS_TRY(dms_plan_read(path, arena, &plan, st));
    dms_plan_print(&plan, kernel_name, out);
    print_chains(&plan, out);
    return DMS_OK;
}

static dms_code verify(const char *path, const char *model, FILE *out, dms_arena *arena,
                       dms_status *st) {
    dms_plan plan;
    dms_hash meaning;
    char text[33];
    DMS_TRY(dms_plan_read(path, arena, &plan, st));
    DMS_TRY(dms_check_plan(&plan, arena, &meaning, st));
    (void)fprintf(out, "%s: P1..P10 proven, meaning %s\n", path, dms_hash_text(meaning, text));
    if (model == NULL)
        return DMS_OK;
    DMS_TRY(dms_verify_model(&plan, model, arena, st));
    (void)fprintf(out, "%s: computes what %s says\n", path, model);
    return DMS_OK;
}

static dms_code act(request *r, dms_arena *arena, dms_status *st) {
    if (r->list_ops) {
        dms_ops_print(r->to.out);
        return DMS_OK;
    }
    if (r->list_profiles)
        return dms_profiles_print(r->to.out, st);
    if (r->dump != NULL)
        return dump(r->dump, r->to.out, arena, st);
    if (r->verify != NULL)
        return verify(r->verify, r->compile.model, r->to.out, arena, st);
    return compile(r, arena, st);
}

int main(int argc, char **argv) {
    take_signals();
    (void)setlocale(LC_CTYPE, "");
    dms_arena arena;
    dms_arena_init(&arena, 0);
    dms_status st = {.code = DMS_OK};
    request r = {.to = {stdout, stderr}};
    bool done = false;
    dms_code code = parse(argc, argv, &r, &done, &st);
    if (code == DMS_OK && !done)
        code = act(&r, &arena, &st);
    if (code == DMS_OK && (fflush(stdout) != 0 || ferror(stdout)))
        code = dms_fail(&st, DMS_EIO, "standard output: %s", strerror(errno));
    if (code != DMS_OK)
        (void)fprintf(r.to.err, "dmsc: error: %s\n", st.msg);
    dms_arena_free(&arena);
    return (int)code;
}
