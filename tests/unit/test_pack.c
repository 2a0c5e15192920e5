/* test_pack.c - the weights once more, in plan order: same meaning, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/onnx.pb-c.h"
#include "planner/dmsc.h"
#include "runtime/check/check.h"
#include "runtime/dms.h"
#include "runtime/storage.h"
#include "support_onnx.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define I64 ONNX__TENSOR_PROTO__DATA_TYPE__INT64
#define ROWS 4
#define IN 300
#define MIDDLE 1000 /* 62 1/2 panels of 16 columns */
#define OUT 40

/* y = relu(x w0) w1, the weights inside the model file. Plans and packed files lie in `dir`. */
typedef struct pack_case {
    onnx_case onnx;
    dms_arena arena;
    dms_compiled c;
    dms_status st;
    char dir[80], plan[128], packed[128];
    float *w0, *w1, x[ROWS * IN];
    uint64_t host_bytes; /* budget */
    uint64_t stop_after; /* a packing report beyond this many bytes asks for the end */
    uint32_t n_reports;
} pack_case;

static void make_model(pack_case *t) {
    Onnx__GraphProto *g = t->onnx.graph;
    t->w0 = malloc(IN * MIDDLE * 4);
    t->w1 = malloc(MIDDLE * OUT * 4);
    onnx_noise(t->w0, IN * MIDDLE, 1);
    onnx_noise(t->w1, MIDDLE * OUT, 2);
    onnx_noise(t->x, ROWS * IN, 3);
    onnx_input(&t->onnx, "x", F32, "4,300");
    onnx_initializer(&t->onnx, g, "w1", F32, "1000,40", t->w1); /* first in the file, used last */
    onnx_initializer(&t->onnx, g, "w0", F32, "300,1000", t->w0);
    onnx_node(&t->onnx, g, "MatMul", "x,w0", "a");
    onnx_node(&t->onnx, g, "Relu", "a", "b");
    onnx_node(&t->onnx, g, "MatMul", "b,w1", "y");
    onnx_output(&t->onnx, g, "y", F32, "4,40");
}

static void begin_empty(pack_case *t) {
    memset(t, 0, sizeof *t);
    onnx_begin(&t->onnx, 17);
    t->stop_after = UINT64_MAX;
    t->host_bytes = 1ull << 40;
}

/* Writes the model and makes the folder. */
static void finish_model(pack_case *t) {
    assert_int_equal(onnx_read(&t->onnx, NULL), DMS_OK);
    (void)snprintf(t->dir, sizeof t->dir, "%s/out", t->onnx.folder);
    (void)snprintf(t->plan, sizeof t->plan, "%s/p.plan", t->dir);
    (void)snprintf(t->packed, sizeof t->packed, "%s/model.dmspack", t->dir);
    assert_int_equal(mkdir(t->dir, 0700), 0);
}

static void begin(pack_case *t) {
    begin_empty(t);
    make_model(t);
    finish_model(t);
}

static void end(pack_case *t) {
    (void)unlink(t->plan);
    (void)unlink(t->packed);
    assert_int_equal(rmdir(t->dir), 0); /* nothing else was left in it */
    dms_arena_free(&t->arena);
    free(t->w0);
    free(t->w1);
    onnx_end(&t->onnx);
}

static bool go_on(void *data, uint64_t done, uint64_t all) {
    pack_case *t = data;
    t->n_reports++;
    assert_true(done <= all);
    return done <= t->stop_after;
}

static dms_code compile_for(pack_case *t, const char *pack, dms_size device) {
    const dms_compile_options options = {.model = t->onnx.path,
                                         .profile = "cpu",
                                         .plan = t->plan,
                                         .pack = pack,
                                         .device_mem = device,
                                         .host_mem = {DMS_SIZE_BYTES, t->host_bytes},
                                         .packing = go_on,
                                         .progress_data = t};
    return dms_compile(&options, &t->arena, &t->c, &t->st);
}

static dms_code compile(pack_case *t, const char *pack) {
    return compile_for(t, pack, (dms_size){DMS_SIZE_BYTES, 1ull << 40});
}

static void must_compile(pack_case *t, const char *pack) {
    if (compile(t, pack) != DMS_OK)
        fail_msg("%s", t->st.msg);
}

static bool exists(const char *path) {
    struct stat s;
    return stat(path, &s) == 0;
}

/* Bytes of a file, freed by the caller. */
static uint8_t *slurp(const char *path, size_t *out_size) {
    struct stat s;
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &s) == 0);
    uint8_t *bytes = malloc((size_t)s.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)s.st_size), s.st_size);
    (void)close(fd);
    *out_size = (size_t)s.st_size;
    return bytes;
}

static void flip_byte(const char *path, off_t at) {
    uint8_t byte;
    const int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

/* Runs the plan for three turns; `y` gets the output of the last. */
static dms_code run(pack_case *t, const char *model_dir, float *y) {
    dms_session *s = NULL;
    const dms_options options = {.model_dir = model_dir, .threads = 1, .poison = true};
    if (dms_open(t->plan, &options, &s, &t->st) != DMS_OK)
        return t->st.code;
    dms_user_tensor in = {.data = t->x}, out = {.data = y};
    in.view = dms_session_input(s, 0).view;
    out.view = dms_session_output(s, 0).view;
    assert_int_equal(dms_bind(s, &in, 1, &out, 1, NULL), DMS_OK);
    dms_code code = dms_run(s, &t->st);
    for (int turn = 0; turn < 2 && code == DMS_OK; turn++)
        code = dms_run(s, &t->st);
    dms_close(s);
    return code;
}

static void packed_and_unpacked_plans_mean_and_give_the_same(void **state) {
    (void)state;
    static const dms_size sizes[] = {{DMS_SIZE_BYTES, 1u << 30}, {DMS_SIZE_FLOOR, 0}};
    for (size_t i = 0; i < 2; i++) {
        pack_case t;
        float plain[ROWS * OUT], packed[ROWS * OUT];
        begin(&t);
        assert_int_equal(compile_for(&t, NULL, sizes[i]), DMS_OK);
        const dms_hash meaning = t.c.plan.meaning;
        assert_null(t.c.pack.path);
        assert_int_equal(run(&t, t.onnx.folder, plain), DMS_OK);
        assert_int_equal(compile_for(&t, t.dir, sizes[i]), DMS_OK);
        assert_true(dms_hash_equal(t.c.plan.meaning, meaning));
        assert_string_equal(t.c.pack.path, t.packed);
        memset(packed, 0, sizeof packed);
        assert_int_equal(run(&t, t.onnx.folder, packed),
                         DMS_OK); /* the pack lies beside the plan */
        assert_memory_equal(plain, packed, sizeof plain);
        memset(packed, 0, sizeof packed);
        assert_int_equal(run(&t, NULL, packed), DMS_OK); /* the model is elsewhere */
        assert_memory_equal(plain, packed, sizeof plain);
        end(&t);
    }
}

/* Weights that fit neither budget are read in every turn, from either file. */
static void weights_without_a_home_in_memory_are_read_in_every_turn(void **state) {
    (void)state;
    pack_case t;
    float resident[ROWS * OUT], y[ROWS * OUT];
    begin(&t);
    must_compile(&t, NULL);
    assert_int_equal(run(&t, t.onnx.folder, resident), DMS_OK);
    t.host_bytes = 500000; /* of 1.4 MB of weights */
    for (int packed = 0; packed < 2; packed++) {
        if (compile_for(&t, packed != 0 ? t.dir : NULL, (dms_size){DMS_SIZE_FLOOR, 0}) != DMS_OK)
            fail_msg("%s", t.st.msg);
        assert_true(t.c.plan.body.n_cmds[DMS_QUEUE_LOAD] > 0);
        assert_true(t.c.plan.host_arena <= t.host_bytes);
        memset(y, 0, sizeof y);
        if (run(&t, t.onnx.folder, y) != DMS_OK)
            fail_msg("%s", t.st.msg);
        assert_memory_equal(y, resident, sizeof y);
    }
    end(&t);
}

/* The planner knows that a packed block is read in whole pages, once. */
static void a_packed_block_costs_its_own_pages(void **state) {
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        pack_case t;
        begin(&t);
        must_compile(&t, packed != 0 ? t.dir : NULL);
        const dms_problem *problem = &t.c.blocks.problem;
        uint64_t sum = 0, bytes = 0;
        for (uint32_t i = 0; i < problem->n_tensors; i++) {
            const dms_problem_tensor *b = &problem->tensors[i];
            if (b->kind != DMS_PROBLEM_WEIGHT)
                continue;
            assert_true(packed == 0 || b->storage_bytes == (b->bytes + 4095) / 4096 * 4096);
            sum += b->storage_bytes;
            bytes += b->bytes;
        }
        assert_true(packed != 0 ? sum < bytes * 11 / 10 : sum > bytes);
        end(&t);
    }
}

/* The cells of a [rows, columns] matrix stand at the start of the packed file, one behind the
 * other: a panel holds 16 columns, row after row; columns beyond the last are zeros. Returns the
 * number of panels. */
static int64_t check_panels(const pack_case *t, const char *name, const float *w, int64_t rows,
                            int64_t columns) {
    size_t size;
    uint8_t *file = slurp(t->packed, &size);
    const dms_plan *plan = &t->c.plan;
    uint64_t at = 0;
    int64_t n_panels = 0, n_wrong = 0;
    uint32_t k = 0;
    while (strcmp(plan->tensor[k].name, name) != 0)
        k++;
    for (uint32_t c = 0; c < dms_plan_cells(&plan->tensor[k]); c++) {
        const dms_source *source = &plan->source[plan->tensor[k].first_source + c];
        assert_true(source->is_packed);
        assert_int_equal(source->packed_offset, at);
        assert_int_equal(plan->file[source->packed_file].kind, 3);
        assert_int_equal(source->view.dim[1], rows);
        assert_int_equal(source->view.dim[2], 16);
        const float *cell = (const float *)(file + at);
        for (int64_t p = 0; p < source->view.dim[0]; p++, n_panels++)
            for (int64_t r = 0; r < rows; r++)
                for (int64_t i = 0; i < 16; i++) {
                    const int64_t column = n_panels * 16 + i;
                    const float want = column < columns ? w[r * columns + column] : 0;
                    n_wrong += cell[(p * rows + r) * 16 + i] != want;
                }
        at = (at + dms_view_bytes(&source->view) + 4095) / 4096 * 4096;
    }
    assert_int_equal(n_wrong, 0);
    assert_memory_equal(file + size - 4096, "DMSPACK\n\1\0\0\0", 12);
    free(file);
    return n_panels;
}

static void cells_lie_in_the_order_of_their_use_as_the_kernels_read_them(void **state) {
    (void)state;
    pack_case t;
    begin(&t);
    must_compile(&t, t.dir);
    assert_int_equal(check_panels(&t, "w0", t.w0, IN, MIDDLE), 63);
    end(&t);
}

/* 36 MB: its rows come in two bands. */
static void columns_of_a_wide_matrix_are_packed_band_by_band(void **state) {
    (void)state;
    enum { K = 3001, N = 3005 };
    pack_case t;
    begin_empty(&t);
    t.w0 = malloc((size_t)K * N * 4);
    for (uint32_t i = 0; i < (uint32_t)K * N; i++)
        t.w0[i] = (float)(i % 16000000);
    onnx_input(&t.onnx, "x", F32, "2,3001");
    onnx_initializer(&t.onnx, t.onnx.graph, "w", F32, "3001,3005", t.w0);
    onnx_node(&t.onnx, t.onnx.graph, "MatMul", "x,w", "y");
    onnx_output(&t.onnx, t.onnx.graph, "y", F32, "2,3005");
    finish_model(&t);
    must_compile(&t, t.dir);
    assert_int_equal(t.n_reports, 3); /* the beginning and two bands */
    assert_int_equal(check_panels(&t, "w", t.w0, K, N), 188);
    end(&t);
}

/* What a load of every cell gives is the same, byte for byte. */
static void every_cell_is_what_the_model_holds(void **state) {
    (void)state;
    pack_case t;
    begin(&t);
    must_compile(&t, t.dir);
    dms_plan packed = t.c.plan, plain = t.c.plan;
    dms_storage *a, *b;
    const dms_storage_options options = {.model_dir = t.onnx.folder, .plan_dir = t.dir};
    plain.source = malloc(plain.n_sources * sizeof *plain.source);
    memcpy(plain.source, packed.source, plain.n_sources * sizeof *plain.source);
    for (uint32_t k = 0; k < plain.n_sources; k++)
        plain.source[k].is_packed = false;
    assert_int_equal(dms_storage_open(&packed, &options, &t.arena, &a, &t.st), DMS_OK);
    assert_int_equal(dms_storage_open(&plain, &options, &t.arena, &b, &t.st), DMS_OK);
    for (uint32_t k = 0; k < plain.n_sources; k++) {
        dms_view dense;
        const dms_view *view = &plain.source[k].view;
        const size_t size = dms_view_bytes(view);
        uint8_t *one = malloc(size), *other = malloc(size);
        uint64_t bytes;
        assert_true(dms_view_dense(view->dtype, view->rank, view->dim, &dense));
        assert_int_equal(dms_storage_load(a, k, dense.pitch, one, &bytes, &t.st), DMS_OK);
        assert_int_equal(dms_storage_load(b, k, dense.pitch, other, &bytes, &t.st), DMS_OK);
        assert_memory_equal(one, other, size);
        free(one);
        free(other);
    }
    dms_storage_close(a);
    dms_storage_close(b);
    free(plain.source);
    end(&t);
}

static void the_same_model_packs_to_the_same_bytes_and_is_packed_once(void **state) {
    (void)state;
    pack_case t;
    struct stat before, after;
    size_t n, m;
    begin(&t);
    must_compile(&t, t.dir);
    assert_false(t.c.pack.is_reused);
    assert_true(t.n_reports > 0);
    uint8_t *first = slurp(t.packed, &n);
    uint8_t *plan = slurp(t.plan, &m);
    assert_int_equal(stat(t.packed, &before), 0);
    t.n_reports = 0;
    must_compile(&t, t.dir); /* it is there already */
    assert_true(t.c.pack.is_reused);
    assert_int_equal(t.n_reports, 0);
    assert_int_equal(stat(t.packed, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    size_t again;
    uint8_t *second = slurp(t.plan, &again);
    assert_int_equal(again, m);
    assert_memory_equal(second, plan, m);
    free(second);
    assert_int_equal(compile_for(&t, t.dir, (dms_size){DMS_SIZE_FLOOR, 0}), DMS_OK);
    assert_true(t.c.pack.is_reused); /* the budget does not matter */
    assert_int_equal(unlink(t.packed), 0);
    must_compile(&t, t.dir);
    second = slurp(t.packed, &again);
    assert_int_equal(again, n);
    assert_memory_equal(second, first, n);
    free(first);
    free(second);
    free(plan);
    end(&t);
}

static void a_packed_file_that_is_not_as_it_should_be_is_written_again(void **state) {
    (void)state;
    pack_case t;
    size_t n, m;
    begin(&t);
    must_compile(&t, t.dir);
    uint8_t *good = slurp(t.packed, &n);
    for (int damage = 0; damage < 5; damage++) {
        if (damage == 0)
            flip_byte(t.packed, 10); /* content */
        if (damage == 1)
            flip_byte(t.packed, (off_t)n - 4096 + 30); /* key */
        if (damage == 2)
            assert_int_equal(truncate(t.packed, (off_t)n - 1), 0);
        if (damage == 3)
            assert_int_equal(truncate(t.packed, 0), 0);
        if (damage == 4)
            flip_byte(t.packed, (off_t)n - 4096); /* magic */
        must_compile(&t, t.dir);
        assert_false(t.c.pack.is_reused);
        uint8_t *now = slurp(t.packed, &m);
        assert_int_equal(m, n);
        assert_memory_equal(now, good, n);
        free(now);
    }
    /* a model of the same size with another weight */
    flip_byte(t.onnx.path, 5000);
    must_compile(&t, t.dir);
    assert_false(t.c.pack.is_reused);
    uint8_t *other = slurp(t.packed, &m);
    assert_int_equal(m, n);
    assert_true(memcmp(other, good, n) != 0);
    free(other);
    free(good);
    end(&t);
}

static void a_run_proves_the_packed_file_and_needs_no_other(void **state) {
    (void)state;
    pack_case t;
    float y[ROWS * OUT];
    begin(&t);
    must_compile(&t, t.dir);
    flip_byte(t.onnx.path, 5000); /* the model is there and another one */
    assert_int_equal(run(&t, t.onnx.folder, y), DMS_EPLAN);
    assert_non_null(strstr(t.st.msg, "'model.onnx' changed since the plan was made"));
    flip_byte(t.onnx.path, 5000);
    assert_int_equal(run(&t, t.onnx.folder, y), DMS_OK);
    assert_int_equal(unlink(t.onnx.path), 0); /* it is gone */
    assert_int_equal(run(&t, t.onnx.folder, y), DMS_OK);
    flip_byte(t.packed, 10);
    assert_int_equal(run(&t, t.onnx.folder, y), DMS_EPLAN);
    assert_non_null(strstr(t.st.msg, "'model.dmspack' changed since the plan was made"));
    assert_int_equal(unlink(t.packed), 0);
    assert_int_equal(run(&t, t.onnx.folder, y), DMS_EIO);
    assert_non_null(strstr(t.st.msg, "file 'model.dmspack': No such file"));
    end(&t);
}

static void a_plan_that_leads_outside_its_packed_file_is_refused(void **state) {
    (void)state;
    pack_case t;
    dms_plan read;
    dms_hash meaning;
    begin(&t);
    must_compile(&t, t.dir);
    assert_int_equal(dms_plan_read(t.plan, &t.arena, &read, &t.st), DMS_OK);
    assert_int_equal(dms_check_plan(&read, &t.arena, &meaning, &t.st), DMS_OK);
    dms_source *source = read.source;
    while (!source->is_packed)
        source++;
    const dms_plan_file *file = &read.file[source->packed_file];
    const uint64_t good = source->packed_offset, size = dms_view_bytes(&source->view);
    source->packed_offset = file->bytes - size; /* just inside */
    assert_int_equal(dms_check_plan(&read, &t.arena, &meaning, &t.st), DMS_OK);
    source->packed_offset++;
    assert_int_equal(dms_check_plan(&read, &t.arena, &meaning, &t.st), DMS_EPLAN);
    assert_non_null(strstr(t.st.msg, "pass the end of model.dmspack"));
    source->packed_offset = UINT64_MAX - 5;
    assert_int_equal(dms_check_plan(&read, &t.arena, &meaning, &t.st), DMS_EPLAN);
    source->packed_offset = good;
    source->packed_file = source->file;
    assert_int_equal(dms_check_plan(&read, &t.arena, &meaning, &t.st), DMS_EPLAN);
    assert_non_null(strstr(t.st.msg, "'model.onnx' is no packed file"));
    end(&t);
}

/* Writes the plan with a right checksum, and runs it. */
static dms_code run_changed(pack_case *t, const dms_plan *plan) {
    float y[ROWS * OUT];
    uint8_t *data;
    uint64_t size;
    assert_int_equal(dms_plan_encode(plan, &t->arena, &data, &size, &t->st), DMS_OK);
    FILE *file = fopen(t->plan, "wb");
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return run(t, t->onnx.folder, y);
}

/* The file's last page knows its cells, in order, and their places. */
static void a_packed_cell_that_is_said_to_lie_elsewhere_is_refused(void **state) {
    (void)state;
    pack_case t;
    dms_plan plan;
    begin(&t);
    assert_int_equal(compile_for(&t, t.dir, (dms_size){DMS_SIZE_FLOOR, 0}), DMS_OK);
    assert_int_equal(dms_plan_read(t.plan, &t.arena, &plan, &t.st), DMS_OK);
    assert_int_equal(run_changed(&t, &plan), DMS_OK);
    dms_source *a = plan.source, *b = plan.source + 1;
    assert_true(a->is_packed && b->is_packed && a->packed_offset != b->packed_offset);
    const uint64_t place[2] = {a->packed_offset, b->packed_offset};
    a->packed_offset = place[1]; /* each where the other one is */
    b->packed_offset = place[0];
    assert_int_equal(run_changed(&t, &plan), DMS_EPLAN);
    assert_non_null(strstr(t.st.msg, "'model.dmspack' holds other cells, or at other places"));
    b->packed_offset = place[1]; /* both in one place */
    assert_int_equal(run_changed(&t, &plan), DMS_EPLAN);
    a->packed_offset = place[0] + 4; /* one element further */
    assert_int_equal(run_changed(&t, &plan), DMS_EPLAN);
    a->packed_offset = place[0];
    a->is_packed = false; /* one that is not read from there */
    assert_int_equal(run_changed(&t, &plan), DMS_EPLAN);
    a->is_packed = true;
    a->offset += 4; /* another cell of the model in that place */
    plan.meaning = (dms_hash){0, 0};
    assert_int_equal(run_changed(&t, &plan), DMS_EPLAN);
    a->offset -= 4;
    assert_int_equal(run_changed(&t, &plan), DMS_OK);
    end(&t);
}

/* The temporary file is gone, so are plan and packed file. */
static void expect_nothing(const pack_case *t) {
    DIR *dir = opendir(t->dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            fail_msg("%s was left", entry->d_name);
    (void)closedir(dir);
}

static void packing_that_ends_early_leaves_nothing(void **state) {
    (void)state;
    pack_case t;
    begin(&t);
    for (t.stop_after = 0; t.stop_after < 1000000; t.stop_after += 300000) {
        assert_int_equal(compile(&t, t.dir), DMS_ECANCELLED);
        assert_string_equal(t.st.msg, "interrupted");
        expect_nothing(&t);
    }
    t.stop_after = UINT64_MAX;
    char missing[120];
    (void)snprintf(missing, sizeof missing, "%s/none", t.dir);
    assert_int_equal(compile(&t, missing), DMS_EIO);
    assert_non_null(strstr(t.st.msg, "none/model.dmspack"));
    assert_non_null(strstr(t.st.msg, "No such file or directory"));
    expect_nothing(&t);
    end(&t);
}

static void a_write_that_fails_is_told_with_file_byte_and_reason(void **state) {
    (void)state;
    pack_case t;
    struct rlimit before, small;
    begin(&t);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = 4096; bytes < 1000000; bytes = bytes * 3 + 500) {
        small = (struct rlimit){bytes, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        const dms_code code = compile(&t, t.dir);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(code, DMS_EIO);
        char want[200];
        (void)snprintf(want, sizeof want, "writing '%s' at byte %llu: File too large", t.packed,
                       (unsigned long long)bytes);
        assert_string_equal(t.st.msg, want);
        expect_nothing(&t);
    }
    (void)signal(SIGXFSZ, old);
    end(&t);
}

static void a_full_disk_is_told_and_left_as_it_was(void **state) {
    (void)state;
    pack_case t;
    begin(&t);
    if (mount("none", t.dir, "tmpfs", 0, "size=512k") != 0) {
        end(&t);
        skip(); /* not allowed here */
    }
    const dms_code code = compile(&t, t.dir);
    const dms_status st = t.st;
    expect_nothing(&t);
    assert_int_equal(umount(t.dir), 0);
    assert_int_equal(code, DMS_EIO);
    assert_non_null(strstr(st.msg, "model.dmspack' at byte "));
    assert_non_null(strstr(st.msg, "No space left on device"));
    end(&t);
}

static void a_file_of_the_model_is_not_packed_over(void **state) {
    (void)state;
    pack_case t;
    size_t n, m;
    begin_empty(&t);
    make_model(&t);
    Onnx__TensorProto *w = t.onnx.graph->initializer[1];
    onnx_file(&t.onnx, "model.dmspack", t.w0, IN * MIDDLE * 4);
    onnx_external(&t.onnx, w, "model.dmspack", "0", "1200000");
    finish_model(&t);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/model.dmspack", t.onnx.folder);
    uint8_t *before = slurp(path, &n);
    assert_int_equal(compile(&t, t.onnx.folder), DMS_EIO);
    assert_non_null(strstr(t.st.msg, "'model.dmspack' is a file of the model"));
    assert_false(exists(t.plan));
    uint8_t *after = slurp(path, &m);
    assert_int_equal(m, n);
    assert_memory_equal(after, before, n);
    free(before);
    free(after);
    assert_int_equal(compile(&t, t.dir), DMS_EIO); /* nor may two files have one name */
    expect_nothing(&t);
    assert_int_equal(unlink(path), 0);
    end(&t);
}

static void another_name_of_a_file_of_the_model_is_not_packed_over(void **state) {
    (void)state;
    pack_case t;
    begin(&t);
    assert_int_equal(link(t.onnx.path, t.packed), 0);
    assert_int_equal(compile(&t, t.dir), DMS_EIO);
    assert_non_null(strstr(t.st.msg, "holds weights of the model: it is not packed over"));
    assert_false(exists(t.plan));
    end(&t);
}

static void weights_that_are_missing_cannot_be_packed(void **state) {
    (void)state;
    pack_case t;
    begin_empty(&t);
    make_model(&t);
    onnx_external(&t.onnx, t.onnx.graph->initializer[1], "gone.bin", "0", "1200000");
    finish_model(&t);
    assert_int_equal(compile(&t, t.dir), DMS_EIO);
    assert_non_null(strstr(t.st.msg, "file 'gone.bin' is missing: its weights cannot be packed"));
    expect_nothing(&t);
    end(&t);
}

/* A table that is never cut is longer than the memory that packing takes. */
static void a_cell_larger_than_the_slab_is_packed_in_parts(void **state) {
    (void)state;
    enum { COLUMNS = 1000, ENTRIES = 9003 }; /* 36 MB */
    pack_case t;
    begin_empty(&t);
    t.w0 = malloc((size_t)ENTRIES * COLUMNS * 4);
    for (uint32_t i = 0; i < (uint32_t)ENTRIES * COLUMNS; i++)
        t.w0[i] = (float)(i % 16000000);
    onnx_input(&t.onnx, "i", I64, "7,1000");
    onnx_initializer(&t.onnx, t.onnx.graph, "table", F32, "9003,1000", t.w0);
    onnx_node(&t.onnx, t.onnx.graph, "GatherElements", "table,i", "y");
    onnx_output(&t.onnx, t.onnx.graph, "y", F32, "7,1000");
    finish_model(&t);
    must_compile(&t, t.dir);
    assert_true(t.n_reports >= 3);
    size_t n;
    uint8_t *file = slurp(t.packed, &n);
    assert_int_equal(t.c.plan.source[0].packed_offset, 0);
    assert_memory_equal(file, t.w0, (size_t)ENTRIES * COLUMNS * 4);
    free(file);
    end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_and_unpacked_plans_mean_and_give_the_same),
        cmocka_unit_test(weights_without_a_home_in_memory_are_read_in_every_turn),
        cmocka_unit_test(a_packed_block_costs_its_own_pages),
        cmocka_unit_test(cells_lie_in_the_order_of_their_use_as_the_kernels_read_them),
        cmocka_unit_test(columns_of_a_wide_matrix_are_packed_band_by_band),
        cmocka_unit_test(every_cell_is_what_the_model_holds),
        cmocka_unit_test(the_same_model_packs_to_the_same_bytes_and_is_packed_once),
        cmocka_unit_test(a_packed_file_that_is_not_as_it_should_be_is_written_again),
        cmocka_unit_test(a_run_proves_the_packed_file_and_needs_no_other),
        cmocka_unit_test(a_plan_that_leads_outside_its_packed_file_is_refused),
        cmocka_unit_test(a_packed_cell_that_is_said_to_lie_elsewhere_is_refused),
        cmocka_unit_test(packing_that_ends_early_leaves_nothing),
        cmocka_unit_test(a_write_that_fails_is_told_with_file_byte_and_reason),
        cmocka_unit_test(a_full_disk_is_told_and_left_as_it_was),
        cmocka_unit_test(a_file_of_the_model_is_not_packed_over),
        cmocka_unit_test(another_name_of_a_file_of_the_model_is_not_packed_over),
        cmocka_unit_test(weights_that_are_missing_cannot_be_packed),
        cmocka_unit_test(a_cell_larger_than_the_slab_is_packed_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
