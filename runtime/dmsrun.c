/* dmsrun.c - the command line of the runtime: parse, open, run, report. */
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/calibrate.h"
#include "runtime/dmsrun_options.h"
#include "runtime/dmsrun_report.h"
#include "runtime/dmsrun_tensors.h"
#include "schema/file_write.h"

#define PROGRESS_NS 1000000000 /* nothing is shown before */
#define REDRAW_NS 100000000

/* A thread that takes SIGINT and SIGTERM and turns them into dms_cancel. On a terminal it also
 * shows how far loading is. */
typedef struct watcher {
    pthread_t thread;
    sigset_t signals;
    _Atomic(dms_session *) session;
    atomic_bool is_interrupted, is_done;
    pthread_mutex_t drawing; /* of the terminal's line; guards the two below */
    bool is_loading, is_drawn;
    int64_t begin_ns;
    bool has_thread, has_terminal, is_utf8;
    FILE *err; /* progress */
} watcher;

/* One run of the program. */
typedef struct run {
    dms_arena arena;
    dmsrun_options options;
    dmsrun_tensors tensors;
    dmsrun_result result;
    dms_session *session;
    watcher watch;
    FILE *out, *err; /* results; progress and errors */
} run;

/* Monotonic clock. */
static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Draws the line of loading, once it has taken a second. */
static void draw_loading(watcher *w, const dms_session *session) {
    char text[32];
    pthread_mutex_lock(&w->drawing);
    const int64_t spent = now_ns() - w->begin_ns;
    if (w->is_loading && spent > PROGRESS_NS) {
        uint64_t done, all;
        dms_session_progress(session, &done, &all);
        fprintf(w->err, "\r\033[Kdmsrun: loading %" PRIu64 "/%" PRIu64 "  %s", done, all,
                dmsrun_time(spent, w->is_utf8, text));
        w->is_drawn = true;
    }
    pthread_mutex_unlock(&w->drawing);
}

/* Loading begins or ends; its line goes with it. */
static void set_loading(watcher *w, bool is_loading) {
    pthread_mutex_lock(&w->drawing);
    w->is_loading = is_loading;
    w->begin_ns = now_ns();
    if (!is_loading && w->is_drawn)
        fprintf(w->err, "\r\033[K");
    pthread_mutex_unlock(&w->drawing);
}

/* A second signal changes nothing: the first one ends the run at the next command. */
static void *watch_signals(void *argument) {
    watcher *w = argument;
    const struct timespec tick = {0, REDRAW_NS};
    while (!atomic_load(&w->is_done)) {
        const int number = w->has_terminal ? sigtimedwait(&w->signals, NULL, &tick)
                                           : sigwaitinfo(&w->signals, NULL);
        dms_session *session = atomic_load(&w->session);
        if (atomic_load(&w->is_done))
            break;
        if (number > 0)
            atomic_store(&w->is_interrupted, true);
        if (number > 0 && session != NULL)
            dms_cancel(session);
        if (number < 0 && session != NULL)
            draw_loading(w, session);
    }
    return NULL;
}

/* First of all, so that every thread inherits the mask and no signal ends us without a word. */
static void hold_signals(watcher *w) {
    sigemptyset(&w->signals);
    sigaddset(&w->signals, SIGINT);
    sigaddset(&w->signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &w->signals, NULL);
}

static dms_code start_watcher(watcher *w, dms_status *st) {
    w->has_terminal = isatty(STDERR_FILENO) != 0;
    const int error = pthread_create(&w->thread, NULL, watch_signals, w);
    if (error != 0)
        return dms_fail(st, DMS_EINTERNAL, "starting a thread: %s", strerror(error));
    w->has_thread = true;
    return DMS_OK;
}

/* Before the session closes: the watcher may still hold it. */
static void stop_watcher(watcher *w) {
    if (!w->has_thread)
        return;
    atomic_store(&w->is_done, true);
    pthread_kill(w->thread, SIGTERM);
    pthread_join(w->thread, NULL);
    w->has_thread = false;
}

/* A signal that came between the last turn and the writing. */
static dms_code check_interrupt(const watcher *w, dms_status *st) {
    return atomic_load(&w->is_interrupted) ? dms_fail(st, DMS_ECANCELLED, "interrupted") : DMS_OK;
}

/* Largest resident size so far; 0 where the system does not tell. */
static uint64_t peak_rss(void) {
    char line[256];
    uint64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoull(line + 6, NULL, 10);
    if (f != NULL)
        fclose(f);
    return kib * 1024;
}

/* One line on a terminal, rewritten in place. */
static void show_progress(const run *r, uint64_t turn, int64_t begin_ns, int64_t turn_ns) {
    const uint64_t n = r->options.run.turns;
    const int64_t spent = now_ns() - begin_ns;
    char a[32], b[32], c[32];
    const int64_t left = (int64_t)((double)spent / (double)(turn + 1) * (double)(n - turn - 1));
    fprintf(r->err, "\r\033[Kdmsrun: iteration %" PRIu64 "/%" PRIu64 "  %s  %s, %s left", turn + 1,
            n, dmsrun_time(turn_ns, r->result.is_utf8, a), dmsrun_time(spent, r->result.is_utf8, b),
            dmsrun_time(left, r->result.is_utf8, c));
}

/* Keeps what was measured of turn `i` of the measured ones. */
static void record_turn(run *r, uint64_t i, int64_t ns, uint64_t compute_ns) {
    dmsrun_result *result = &r->result;
    const int64_t compute = (int64_t)compute_ns, idle = ns - compute;
    result->turns[DMSRUN_TIME][i] = ns;
    result->turns[DMSRUN_COMPUTE][i] = compute;
    result->turns[DMSRUN_STALL][i] =
        ns <= 0 || idle < 0 ? 0 : (int64_t)((double)idle / (double)ns * 1e6);
}

/* Warm-up and measured turns; a turn is timed from outside, its compute by the session. */
static dms_code run_turns(run *r, dms_status *st) {
    const uint64_t n = r->options.run.turns, warmup = r->options.warmup;
    const bool is_shown = r->watch.has_terminal;
    const int64_t begin = now_ns();
    int64_t shown = begin + PROGRESS_NS - REDRAW_NS;
    r->result.before = dms_session_stats(r->session);
    dms_stats last = r->result.before;
    dms_code code = DMS_OK;
    for (uint64_t turn = 0; turn < n && code == DMS_OK; turn++) {
        if (turn == warmup)
            r->result.before = last;
        const int64_t start = now_ns();
        code = dms_run(r->session, st);
        const int64_t end = now_ns();
        r->result.after = dms_session_stats(r->session);
        if (turn == 0)
            r->result.first_turn_ns = end - start;
        if (turn >= warmup)
            record_turn(r, turn - warmup, end - start,
                        r->result.after.compute.busy_ns - last.compute.busy_ns);
        last = r->result.after;
        if (is_shown && end - shown > REDRAW_NS && end - begin > PROGRESS_NS) {
            show_progress(r, turn, begin, end - start);
            shown = end;
        }
    }
    if (is_shown && now_ns() - begin > PROGRESS_NS)
        fprintf(r->err, "\r\033[K");
    return code;
}

/* From here on signals reach the session; one that came before is passed on. */
static dms_code open_session(run *r, dms_status *st) {
    dms_session *session;
    DMS_TRY(dms_open(r->options.plan, &r->options.run, &session, st));
    r->session = session;
    atomic_store(&r->watch.session, session);
    if (atomic_load(&r->watch.is_interrupted))
        dms_cancel(session);
    r->result.session = session;
    r->result.info = dms_session_info(session);
    r->result.device = dms_session_device(session);
    for (int m = 0; m < DMSRUN_N_MEASURES; m++)
        DMS_TRY(dms_alloc_st(&r->arena, r->options.iterations, sizeof(int64_t), "times of turns",
                             &r->result.turns[m], st));
    return DMS_OK;
}

/* Opens, loads, runs every turn. */
static dms_code execute(run *r, dms_status *st) {
    const dmsrun_options *o = &r->options;
    dmsrun_tensors *t = &r->tensors;
    if (o->output != NULL)
        DMS_TRY(dmsrun_check_folder(o->output, st));
    DMS_TRY(open_session(r, st));
    DMS_TRY(dmsrun_load(r->session, o, &r->arena, t, st));
    DMS_TRY(dms_bind(r->session, t->input, t->n_inputs, t->output, t->n_outputs, st));
    set_loading(&r->watch, true);
    const dms_code prepared = dms_prepare(r->session, st);
    set_loading(&r->watch, false);
    DMS_TRY(prepared);
    r->result.info = dms_session_info(r->session); /* what preparing took included */
    DMS_TRY(run_turns(r, st));
    DMS_TRY(dms_session_card(r->session, &r->result.card, st));
    DMS_TRY(check_interrupt(&r->watch, st));
    dmsrun_sort(&r->result);
    dmsrun_digest(t);
    return DMS_OK;
}

/* Whole or not at all. */
static dms_code write_json(run *r, dms_status *st) {
    dms_file_write file;
    DMS_TRY(dms_file_begin(&file, r->options.json, st));
    const dms_code code = dmsrun_print_json(&r->result, &r->arena, file.out, st);
    if (code != DMS_OK) {
        dms_file_abort(&file);
        return code;
    }
    return dms_file_commit(&file, st);
}

/* Whole or not at all. */
static dms_code write_trace(const run *r, dms_status *st) {
    dms_file_write file;
    DMS_TRY(dms_file_begin(&file, r->options.trace, st));
    const dms_code code = dms_session_trace(r->session, file.out, st);
    if (code != DMS_OK) {
        dms_file_abort(&file);
        return code;
    }
    return dms_file_commit(&file, st);
}

/* Compares, writes, prints. A difference is reported after everything was written. */
static dms_code report(run *r, dms_status *st) {
    const dmsrun_options *o = &r->options;
    dms_code compared = DMS_OK;
    if (o->compare != NULL)
        compared = dmsrun_compare(&r->tensors, o, &r->arena, st);
    if (compared != DMS_OK && compared != DMS_EDIFFERS)
        return compared;
    r->result.peak_rss_bytes = peak_rss();
    dms_status written = {.code = DMS_OK};
    dms_code code = DMS_OK;
    if (o->output != NULL)
        code = dmsrun_write(&r->tensors, o->output, &r->arena, &written);
    if (code == DMS_OK && o->json != NULL)
        code = write_json(r, &written);
    if (code == DMS_OK && o->trace != NULL)
        code = write_trace(r, &written);
    if (code != DMS_OK) {
        *st = written;
        return code;
    }
    dmsrun_print_head(&r->result, r->out);
    dmsrun_print(&r->result, r->out);
    if (fflush(r->out) != 0)
        return dms_fail(st, DMS_EIO, "standard output: %s", strerror(errno));
    return compared;
}

/* File name without folder and ending, cut to what a profile's name may be. */
static const char *name_of_profile(const char *path, dms_arena *arena) {
    if (path == NULL)
        return "calibrated";
    const char *slash = strrchr(path, '/'), *base = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(base, '.');
    const size_t length = dot == NULL || dot == base ? strlen(base) : (size_t)(dot - base);
    return dms_strndup(arena, base, length > 63 ? 63 : length);
}

/* A file that cannot be written is told before anything is measured. */
static dms_code write_calibrated(run *r, const dms_calibrate_options *how, dms_calibration *c,
                                 dms_status *st) {
    dms_file_write file;
    DMS_TRY(dms_file_begin(&file, r->options.profile, st));
    const dms_code code = dms_calibrate(how, &r->arena, c, st);
    if (code != DMS_OK) {
        dms_file_abort(&file);
        return code;
    }
    dms_calibration_write(c, file.out);
    return dms_file_commit(&file, st);
}

/* dmsrun --calibrate. */
static dms_code calibrate(run *r, dms_status *st) {
    const dmsrun_options *o = &r->options;
    const char *folder = o->scratch != NULL ? o->scratch : getenv("TMPDIR");
    const dms_calibrate_options how = {.device = o->run.device,
                                       .threads = o->run.threads,
                                       .folder = folder == NULL ? "/tmp" : folder,
                                       .name = name_of_profile(o->profile, &r->arena),
                                       .cancel = &r->watch.is_interrupted};
    dms_calibration *c;
    DMS_TRY(dms_alloc_st(&r->arena, 1, sizeof *c, "calibration", &c, st));
    if (how.name == NULL)
        return dms_fail(st, DMS_EINTERNAL, "out of memory: calibration");
    DMS_TRY(o->profile == NULL ? dms_calibrate(&how, &r->arena, c, st)
                               : write_calibrated(r, &how, c, st));
    dms_calibration_print(c, r->out);
    if (fflush(r->out) != 0)
        return dms_fail(st, DMS_EIO, "standard output: %s", strerror(errno));
    return DMS_OK;
}

/* Everything between argv and the exit code. */
static dms_code run_program(run *r, int argc, char **argv, dms_status *st) {
    DMS_TRY(dmsrun_parse(argc, argv, &r->arena, &r->options, st));
    if (r->options.help) {
        fputs(dmsrun_help(), r->out);
        return DMS_OK;
    }
    if (r->options.version) {
        fprintf(r->out, "dmsrun %s\n", DMS_VERSION);
        return DMS_OK;
    }
    DMS_TRY(start_watcher(&r->watch, st));
    if (r->options.calibrate)
        return calibrate(r, st);
    DMS_TRY(execute(r, st));
    return report(r, st);
}

int main(int argc, char **argv) {
    run r = {.options = {.iterations = 1},
             .watch = {.drawing = PTHREAD_MUTEX_INITIALIZER, .err = stderr},
             .out = stdout,
             .err = stderr};
    dms_status st = {.code = DMS_OK};
    hold_signals(&r.watch);
    setlocale(LC_CTYPE, "");
    r.result.is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    r.watch.is_utf8 = r.result.is_utf8;
    r.result.options = &r.options;
    r.result.tensors = &r.tensors;
    const dms_code code = run_program(&r, argc, argv, &st);
    if (code != DMS_OK)
        fprintf(r.err, "dmsrun: error: %s\n", st.msg);
    stop_watcher(&r.watch);
    dms_close(r.session);
    dms_arena_free(&r.arena);
    return (int)code;
}
