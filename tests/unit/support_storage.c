/* support_storage.c - numbers in a file; a reader that can be told to fail. */
#include "support_storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/file_digest.h"

char *storage_path(const storage_case *c, const char *name, char *out) {
    (void)snprintf(out, 200, "%s/%s", c->dir, name);
    return out;
}

static void write_numbers(const char *path, uint32_t n) {
    uint32_t *numbers = malloc((size_t)n * 4);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_non_null(numbers);
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = i;
    assert_int_equal(fwrite(numbers, 4, n, f), n);
    assert_int_equal(fclose(f), 0);
    free(numbers);
}

static void digest_file(storage_case *c) {
    dms_plan_file *f = &c->run.file[0];
    char path[200];
    const int fd = open(storage_path(c, f->name, path), O_RDONLY);
    assert_true(fd >= 0);
    const dms_file_ranges none = {0, NULL, NULL};
    assert_int_equal(dms_file_digest(fd, f->name, f->bytes, &none, &f->digest, NULL), DMS_OK);
    assert_int_equal(dms_file_digest_all(fd, f->name, f->bytes, &f->digest_all, NULL), DMS_OK);
    close(fd);
}

void storage_make(storage_case *c, uint32_t n_numbers) {
    memset(c, 0, sizeof *c);
    strcpy(c->dir, "storage.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    char path[200];
    c->n_numbers = n_numbers;
    write_numbers(storage_path(c, "w.bin", path), n_numbers);
    run_init(&c->run);
    c->run.plan.n_files = 1;
    c->run.file[0] = (dms_plan_file){.name = "w.bin", .bytes = 4 * (uint64_t)n_numbers, .kind = 1};
    digest_file(c);
    (void)run_file_weight(&c->run, "w", n_numbers, 0, 0);
}

void storage_remove(storage_case *c) {
    char path[200];
    dms_storage_close(c->storage);
    dms_arena_free(&c->arena);
    (void)unlink(storage_path(c, "w.bin", path));
    assert_int_equal(rmdir(c->dir), 0);
}

dms_code storage_open_with(storage_case *c, dms_storage_options options) {
    options.model_dir = c->dir;
    options.plan_dir = c->dir;
    return dms_storage_open(&c->run.plan, &options, &c->arena, &c->storage, &c->st);
}

dms_code storage_open(storage_case *c) {
    return storage_open_with(c, (dms_storage_options){0});
}

dms_code storage_load(storage_case *c, const dms_view *view, uint64_t offset, const int64_t *pitch,
                      void *to) {
    uint64_t bytes;
    c->run.source[0].offset = offset;
    c->run.source[0].view = *view;
    return dms_storage_load(c->storage, 0, pitch, to, &bytes, &c->st);
}

void storage_check(storage_case *c, const dms_view *view, int64_t valid_last, uint64_t first,
                   const int64_t *pitch, int64_t n_place, uint32_t shift) {
    const size_t bytes = (size_t)n_place * 4;
    uint8_t *memory = aligned_alloc(4096, (bytes + shift + 64 + 4095) / 4096 * 4096);
    uint32_t *want = malloc(bytes);
    assert_true(memory != NULL && want != NULL);
    memset(memory, 0xab, bytes + shift + 64);
    memset(want, 0xab, bytes);
    c->run.source[0].valid_last = valid_last;
    const uint32_t inner = view->rank == 0 ? 0 : view->rank - 1; /* a scalar is a row of one */
    const int64_t n_last = view->rank == 0 ? 1 : view->dim[inner];
    const int64_t n_rows = dms_view_count(view) / n_last;
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t rest = i, from = (int64_t)first + view->offset, to = 0, row = 0;
        for (uint32_t k = inner; k-- > 0; rest /= view->dim[k]) {
            row = rest % view->dim[k]; /* in the end the one of axis 0 */
            from += row * view->pitch[k];
            to += row * pitch[k];
        }
        for (int64_t last = 0; last < n_last; last++) {
            row = inner == 0 ? last : row;
            const bool is_pad = valid_last > 0 && row == view->dim[0] - 1 && last >= valid_last;
            want[to + last * pitch[inner]] =
                is_pad ? 0 : (uint32_t)(from + last * view->pitch[inner]);
        }
    }
    if (storage_load(c, view, 4 * first, pitch, memory + shift) != DMS_OK)
        fail_msg("%s", c->st.msg);
    assert_memory_equal(memory + shift, want, bytes);
    for (uint32_t i = 0; i < shift; i++)
        assert_int_equal(memory[i], 0xab); /* nothing before the place */
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(memory[shift + bytes + i], 0xab); /* nothing behind it */
    free(memory);
    free(want);
}

/* Reads wait here until they are completed, in either order. */
typedef struct faulty_reader {
    dms_reader base;
    storage_faults *faults;
    dms_read waiting[DMS_READ_SLOTS];
    uint32_t n;
} faulty_reader;

static int faulty_submit(dms_reader *base, const dms_read *read) {
    faulty_reader *reader = (faulty_reader *)base;
    storage_faults *f = reader->faults;
    if (++f->n_submits == f->fail_submit)
        return f->error;
    assert_true(reader->n < DMS_READ_SLOTS);
    reader->waiting[reader->n++] = *read;
    f->n_under_way = reader->n;
    f->most_under_way = reader->n > f->most_under_way ? reader->n : f->most_under_way;
    return 0;
}

static int64_t faulty_complete(dms_reader *base, uint32_t *out_slot) {
    faulty_reader *reader = (faulty_reader *)base;
    storage_faults *f = reader->faults;
    assert_true(reader->n != 0);
    const uint32_t at = f->is_backwards ? reader->n - 1 : 0;
    dms_read read = reader->waiting[at];
    memmove(reader->waiting + at, reader->waiting + at + 1,
            (reader->n - at - 1) * sizeof *reader->waiting);
    f->n_under_way = --reader->n;
    *out_slot = read.slot;
    if (++f->n_completes == f->cancel_after)
        atomic_store(f->cancel, 1);
    const bool is_behind = f->fail_complete != 0 && f->n_completes > f->fail_complete;
    if (f->n_completes == f->fail_complete || (f->is_for_ever && is_behind))
        return -f->error;
    if (f->most_bytes != 0 && read.bytes > f->most_bytes)
        read.bytes = f->most_bytes;
    const ssize_t got = pread(read.fd, read.to, (size_t)read.bytes, (off_t)read.offset);
    return got < 0 ? -errno : got;
}

static void faulty_close(dms_reader *base) {
    (void)base;
}

static const dms_reader_ops faulty_ops = {"faulty", faulty_submit, faulty_complete, faulty_close};

void storage_use_faults(dms_storage *storage, dms_arena *arena, storage_faults *faults) {
    faulty_reader *reader = dms_alloc(arena, 1, sizeof *reader);
    assert_non_null(reader);
    reader->base.ops = &faulty_ops;
    reader->faults = faults;
    if (storage->direct != NULL)
        storage->direct->ops->close(storage->direct);
    storage->direct = storage->buffered = &reader->base;
}

void storage_use_pread(storage_case *c) {
    if (c->storage->direct != NULL)
        c->storage->direct->ops->close(c->storage->direct);
    assert_int_equal(dms_reader_open_pread(&c->arena, &c->storage->direct, &c->st), DMS_OK);
}
