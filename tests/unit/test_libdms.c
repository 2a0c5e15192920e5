/* test_libdms.c - libdms.so as others load it: it gives what its headers promise, hides the rest,
 * and runs a plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/dms.h"
#include "support_run.h"

#define LIBRARY DMS_BINARY_DIR "/libdms.so.0"
#define VERSION "DMS_0.1"
#define MOST_NAMES 100
#define SKIPPED 77

/* The door of libdms and what it includes. */
static const char *const HEADERS[] = {"runtime/dms.h", "schema/status.h", "schema/view.h",
                                      "schema/dtype.h"};

typedef struct names {
    char name[MOST_NAMES][64];
    uint32_t n;
} names;

static bool has(const names *all, const char *name) {
    for (uint32_t i = 0; i < all->n; i++)
        if (strcmp(all->name[i], name) == 0)
            return true;
    return false;
}

static void add(names *all, const char *from, size_t length) {
    char name[64] = "";
    assert_true(length < sizeof name);
    memcpy(name, from, length);
    if (has(all, name))
        return;
    assert_true(all->n < MOST_NAMES);
    strcpy(all->name[all->n++], name);
}

/* A file of the tree, comments and preprocessor lines as spaces. The caller frees it. */
static char *read_code(const char *path) {
    char full[500];
    (void)snprintf(full, sizeof full, DMS_SOURCE_DIR "/%s", path);
    FILE *file = fopen(full, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    assert_in_range(fread(text, 1, (1 << 16) - 1, file), 100, (1 << 16) - 2);
    (void)fclose(file);
    bool in_comment = false, in_directive = false;
    for (char *at = text; *at != 0; at++) {
        const bool ends = in_comment && strncmp(at, "*/", 2) == 0;
        if (strncmp(at, "/*", 2) == 0)
            in_comment = true;
        if (*at == '#' && !in_comment && (at == text || at[-1] == '\n'))
            in_directive = true;
        if (*at == '\n' && (at == text || at[-1] != '\\'))
            in_directive = false;
        if ((in_comment || in_directive) && *at != '\n' && *at != '\\')
            *at = ' ';
        if (ends) {
            at[1] = ' ';
            in_comment = false;
        }
    }
    return text;
}

/* Adds every name of ours in `text` whose next character is `next`. */
static void read_names(const char *text, char next, names *out) {
    for (const char *at = text; (at = strstr(at, "dms_")) != NULL;) {
        const bool is_whole = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
        const size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (is_whole && at[length] == next)
            add(out, at, length);
        at += length;
    }
}

static names read_prototypes(void) {
    names all = {.n = 0};
    for (size_t i = 0; i < sizeof HEADERS / sizeof *HEADERS; i++) {
        char *text = read_code(HEADERS[i]);
        read_names(text, '(', &all);
        free(text);
    }
    return all;
}

static void *load(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fail_msg("%s", dlerror());
    return library;
}

static void the_export_list_is_the_prototypes_of_the_headers(void **state) {
    (void)state;
    const names prototypes = read_prototypes();
    names exports = {.n = 0};
    char *text = read_code("runtime/libdms.map");
    read_names(text, ';', &exports);
    free(text);
    assert_in_range(prototypes.n, 30, MOST_NAMES);
    for (uint32_t i = 0; i < prototypes.n; i++)
        if (!has(&exports, prototypes.name[i]))
            fail_msg("%s is declared, but not in runtime/libdms.map", prototypes.name[i]);
    for (uint32_t i = 0; i < exports.n; i++)
        if (!has(&prototypes, exports.name[i]))
            fail_msg("%s is in runtime/libdms.map, but not declared", exports.name[i]);
}

static void every_prototype_is_found_under_its_version(void **state) {
    (void)state;
    const names prototypes = read_prototypes();
    void *library = load();
    for (uint32_t i = 0; i < prototypes.n; i++) {
        if (dlvsym(library, prototypes.name[i], VERSION) == NULL)
            fail_msg("%s: %s", prototypes.name[i], dlerror());
        assert_null(dlvsym(library, prototypes.name[i], "DMS_0.0"));
    }
    assert_int_equal(dlclose(library), 0);
}

static void what_no_public_header_declares_is_hidden(void **state) {
    static const char *const INSIDE[] = {
        "dms_arena_free",      "dms_plan_read", "dms_check_plan", "dms_storage_open",
        "dms_kernel_row_find", "dmsrun_parse",  "dms_array_read"};
    (void)state;
    void *library = load();
    for (size_t i = 0; i < sizeof INSIDE / sizeof *INSIDE; i++)
        if (dlsym(library, INSIDE[i]) != NULL)
            fail_msg("%s can be reached from outside", INSIDE[i]);
    assert_int_equal(dlclose(library), 0);
}

/* Fills the function pointer at `place`: ISO C has no cast from void * to it. */
static void find(void *library, const char *name, void *place) {
    void *found = dlvsym(library, name, VERSION);
    assert_non_null(found);
    memcpy(place, &found, sizeof found);
}

/* The calls of one turn, in the order in which they are made. */
typedef struct door {
    __typeof__(&dms_open) open;
    __typeof__(&dms_session_info) info;
    __typeof__(&dms_session_input) input;
    __typeof__(&dms_session_output) output;
    __typeof__(&dms_bind) bind;
    __typeof__(&dms_run) run;
    __typeof__(&dms_close) close;
} door;

static door find_door(void *library) {
    door d;
    find(library, "dms_open", &d.open);
    find(library, "dms_session_info", &d.info);
    find(library, "dms_session_input", &d.input);
    find(library, "dms_session_output", &d.output);
    find(library, "dms_bind", &d.bind);
    find(library, "dms_run", &d.run);
    find(library, "dms_close", &d.close);
    return d;
}

/* y = 3 x over two elements, with everything on the device. */
static void write_plan(char path[200], char dir[64]) {
    static const float three = 3;
    run_case r;
    run_init(&r);
    const uint32_t x = run_tensor(&r, "x", DMS_TENSOR_INPUT, 2), w = run_weight(&r, "w", &three);
    const uint32_t y = run_tensor(&r, "y", DMS_TENSOR_OUTPUT, 2);
    const uint32_t bx = run_buffer(&r, x, DMS_TIER_DEVICE), bw = run_buffer(&r, w, DMS_TIER_DEVICE);
    const uint32_t by = run_buffer(&r, y, DMS_TIER_DEVICE);
    uint64_t bytes;
    run_cmd(&r, 0, DMS_QUEUE_LOAD, DMS_CMD_LOAD, 0, bw);
    dms_cmd *in = run_cmd(&r, 1, DMS_QUEUE_IN, DMS_CMD_FROM_USER, 0, bx);
    dms_cmd *step = run_step(&r, bx, bw, by);
    dms_cmd *out = run_cmd(&r, 1, DMS_QUEUE_OUT, DMS_CMD_TO_USER, by, 0);
    run_wait(&r, in, DMS_QUEUE_COMPUTE, 0, 1);
    run_wait(&r, step, DMS_QUEUE_IN, 0, 0);
    run_wait(&r, step, DMS_QUEUE_OUT, 0, 1);
    run_wait(&r, out, DMS_QUEUE_COMPUTE, 0, 0);
    run_finish(&r);
    strcpy(dir, "libdms.XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, 200, "%s/plan.bin", dir);
    assert_int_equal(dms_plan_write(&r.plan, path, &bytes, NULL), DMS_OK);
}

static void a_loaded_library_runs_a_plan(void **state) {
    (void)state;
    char path[200], dir[64];
    const dms_options options = {.turns = 1, .threads = 1};
    float x[2] = {5, -7}, y[2] = {0, 0};
    dms_session *session = NULL;
    dms_status st = {.msg = ""};
    write_plan(path, dir);
    void *library = load();
    const door d = find_door(library);
    if (d.open(path, &options, &session, &st) != DMS_OK)
        fail_msg("%s", st.msg);
    assert_int_equal(d.info(session).n_inputs, 1);
    const dms_user_tensor in = {d.input(session, 0).view, x};
    const dms_user_tensor out = {d.output(session, 0).view, y};
    assert_int_equal(d.bind(session, &in, 1, &out, 1, &st), DMS_OK);
    assert_int_equal(d.run(session, &st), DMS_OK);
    d.close(session);
    assert_int_equal(dlclose(library), 0);
    assert_true(y[0] == 15 && y[1] == -21);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* No thread and no file is left behind, so the library may go and come back. */
static void a_library_that_is_loaded_again_begins_anew(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++)
        a_loaded_library_runs_a_plan(state);
}

/* Programs that were built against libdms.so.0 hold these numbers. Who changes one of them after a
 * release raises the major version in CMakeLists.txt; they follow from the members by hand (x86-64:
 * 8 bytes for pointers and 64-bit numbers, each aligned to its size). */
static void the_layout_of_its_structs_is_the_one_of_its_name(void **state) {
    static const struct {
        const char *what;
        size_t is, must_be;
    } layout[] = {
        {"dms_status", sizeof(dms_status), 4 + 2040},
        {"dms_status.msg", offsetof(dms_status, msg), 4},
        {"dms_view.rank", offsetof(dms_view, rank), 4},
        {"dms_view.offset", offsetof(dms_view, offset), 8},
        {"dms_view.dim", offsetof(dms_view, dim), 16},
        {"dms_view.pitch", offsetof(dms_view, pitch), 16 + 8 * 8},
        {"dms_view", sizeof(dms_view), 16 + 2 * 8 * 8},
        {"dms_options.device", offsetof(dms_options, device), 8},
        {"dms_options.threads", offsetof(dms_options, threads), 16},
        {"dms_options.turns", offsetof(dms_options, turns), 24},
        {"dms_options.poison", offsetof(dms_options, poison), 32},
        {"dms_options.verify_weights", offsetof(dms_options, verify_weights), 33},
        {"dms_options.random_weights", offsetof(dms_options, random_weights), 34},
        {"dms_options.random_seed", offsetof(dms_options, random_seed), 40},
        {"dms_options.trace_turns", offsetof(dms_options, trace_turns), 48},
        {"dms_options.max_work", offsetof(dms_options, max_work), 56},
        {"dms_options", sizeof(dms_options), 64},
        {"dms_user_tensor.data", offsetof(dms_user_tensor, data), 144},
        {"dms_user_tensor", sizeof(dms_user_tensor), 152},
        {"dms_port_info.view", offsetof(dms_port_info, view), 8},
        {"dms_port_info", sizeof(dms_port_info), 152},
        {"dms_info.n_inputs", offsetof(dms_info, n_inputs), 2 * 8},
        {"dms_info.threads", offsetof(dms_info, threads), 2 * 8 + 3 * 4},
        {"dms_info.device_arena_bytes", offsetof(dms_info, device_arena_bytes), 32},
        {"dms_info.overhead_bytes", offsetof(dms_info, overhead_bytes), 32 + 4 * 8},
        {"dms_info.compute_ns", offsetof(dms_info, compute_ns), 80},
        {"dms_info.work", offsetof(dms_info, work), 88},
        {"dms_info", sizeof(dms_info), 96},
        {"dms_stats.compute", offsetof(dms_stats, compute), 2 * 8},
        {"dms_stats.load", offsetof(dms_stats, load), 2 * 8 + 3 * 24},
        {"dms_stats.direct_reader", offsetof(dms_stats, direct_reader), 2 * 8 + 4 * 24},
        {"dms_stats.buffered_bytes", offsetof(dms_stats, buffered_bytes), 128},
        {"dms_stats", sizeof(dms_stats), 136},
        {"dms_card_memory.free_first", offsetof(dms_card_memory, free_first), 8},
        {"dms_card_memory.beyond_arena_bytes", offsetof(dms_card_memory, beyond_arena_bytes), 40},
        {"dms_card_memory", sizeof(dms_card_memory), 48},
    };
    (void)state;
    for (size_t i = 0; i < sizeof layout / sizeof *layout; i++)
        if (layout[i].is != layout[i].must_be)
            fail_msg("%s is %zu, libdms.so.0 has %zu", layout[i].what, layout[i].is,
                     layout[i].must_be);
}

/* Numbers that others store or compare with. */
static void the_numbers_of_codes_and_types_are_fixed(void **state) {
    (void)state;
    assert_int_equal(DMS_EINTERNAL, 1);
    assert_int_equal(DMS_EIO, 4);
    assert_int_equal(DMS_EDIFFERS, 9);
    assert_int_equal(DMS_ECANCELLED, 130);
    assert_int_equal(DMS_DTYPE_F32, 1); /* as ONNX has them */
    assert_int_equal(DMS_DTYPE_I64, 7);
    assert_int_equal(DMS_DTYPE_BF16, 16);
    assert_int_equal(DMS_MAX_RANK, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_export_list_is_the_prototypes_of_the_headers),
        cmocka_unit_test(every_prototype_is_found_under_its_version),
        cmocka_unit_test(what_no_public_header_declares_is_hidden),
        cmocka_unit_test(a_loaded_library_runs_a_plan),
        cmocka_unit_test(a_library_that_is_loaded_again_begins_anew),
        cmocka_unit_test(the_layout_of_its_structs_is_the_one_of_its_name),
        cmocka_unit_test(the_numbers_of_codes_and_types_are_fixed),
    };
    if (access(LIBRARY, R_OK) != 0)
        return SKIPPED; /* a build of archives alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
